//! Places of intervals that lie near to each other, one after the other.

/// No interval here.
const NONE: u32 = u32::MAX;

/// The places of the intervals from one number on; four octets for each number, whether there is an interval or not.
#[derive(Clone, Debug, Default)]
pub struct Row {
    from: i64,
    places: Vec<u32>,
}

impl Row {
    /// The place of the interval with this number, if it stands here.
    #[inline]
    pub fn get(&self, number: i64) -> Option<usize> {
        let place = *self.places.get(self.offset(number))?;
        (place != NONE).then_some(place as usize)
    }

    #[inline]
    fn offset(&self, number: i64) -> usize {
        usize::try_from(number.wrapping_sub(self.from) as u64).unwrap_or(usize::MAX)
    }

    /// Puts a number here that does not stand here yet; false where the row would become longer than `len_max`.
    pub fn put(&mut self, number: i64, place: usize, len_max: usize) -> bool {
        let reaches = self.reach(number, len_max);
        if reaches {
            let offset = self.offset(number);
            self.places[offset] = place as u32;
        }
        reaches
    }

    /// Holds these and nothing else, numbers with their places in order.
    pub fn fill(&mut self, these: impl DoubleEndedIterator<Item = (i64, usize)> + Clone) {
        self.places.clear();
        let (Some((first, _)), Some((last, _))) = (these.clone().next(), these.clone().next_back()) else { return };
        self.from = first;
        let len = self.offset(last) + 1;
        self.places.resize(len, NONE);
        these.for_each(|(number, place)| {
            let offset = self.offset(number);
            self.places[offset] = place as u32;
        });
    }

    fn reach(&mut self, number: i64, len_max: usize) -> bool {
        if self.places.is_empty() {
            self.from = number;
        }
        let len = self.places.len();
        if number >= self.from {
            let offset = self.offset(number);
            if offset >= len {
                if offset >= len_max {
                    return false;
                }
                self.places.resize(offset + 1, NONE);
            }
            return true;
        }
        let more = self.from.checked_sub(number).and_then(|more| usize::try_from(more).ok());
        let Some(more) = more.filter(|&more| more <= len_max && more + len <= len_max) else { return false };
        // What comes before the first comes more than once, mostly.
        let more = more.max(len_max.saturating_sub(len).min(len));
        let Some(from) = self.from.checked_sub(more as i64) else { return false };
        self.places.splice(..0, std::iter::repeat_n(NONE, more));
        self.from = from;
        true
    }

    /// Forgets all; the memory stays.
    pub fn clear(&mut self) {
        self.places.clear();
    }

    /// How many numbers it reaches over.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The places in order of the numbers.
    pub fn places(&self) -> impl Iterator<Item = u32> + '_ {
        self.places.iter().copied().filter(|&place| place != NONE)
    }
}
