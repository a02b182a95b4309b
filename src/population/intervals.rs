//! The intervals of time in which something happened, and the place of each in a row.

use super::places::Places;
use crate::base::Timestamp;

/// No interval here.
const NONE: u32 = u32::MAX;
/// A row may be so many times as long as there are intervals in it.
const ROW_PER_INTERVAL: usize = 4;
/// And as long as this.
const ROW_MIN: usize = 256;

/// Intervals of one length, those in which something happened, in the order in which that was learned. Those without take four
/// octets at most, and nothing where there are many, so that a pause costs nothing.
#[derive(Clone, Debug)]
pub struct Intervals {
    ns: i64,
    /// Counted since 1970.
    numbers: Vec<i64>,
    /// The places of the intervals from this number on, one after the other, as long as they lie near to each other.
    row: Vec<u32>,
    row_from: i64,
    /// Their places by number once they do not.
    scattered: Places,
}

/// The interval that somebody found last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cursor {
    place: usize,
    /// When it begins, and when the next one would; equal: it knows none.
    from: i64,
    to: i64,
}

impl Cursor {
    /// `time` falls into it.
    #[inline]
    pub fn knows(&self, time: Timestamp) -> bool {
        (self.from..self.to).contains(&time.0)
    }
}

/// Numbers that follow each other come to lie apart (the golden ratio's part of 2^64).
#[inline]
fn hashed(number: i64) -> u64 {
    (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Intervals {
    /// None yet, of this many nanoseconds each.
    pub fn new(ns: i64) -> Self {
        Self { ns: ns.max(1), numbers: Vec::new(), row: Vec::new(), row_from: 0, scattered: Places::default() }
    }

    /// Length of each, ns.
    #[inline]
    pub fn ns(&self) -> i64 {
        self.ns
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Their numbers by place.
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// The place of the one that `time` falls into; the next one where it is new. `cursor` must not be from before they grew.
    #[inline]
    pub fn at(&mut self, cursor: &mut Cursor, time: Timestamp) -> usize {
        if !cursor.knows(time) {
            *cursor = self.look_up(time);
        }
        cursor.place
    }

    #[inline(never)]
    fn look_up(&mut self, time: Timestamp) -> Cursor {
        let number = time.0.div_euclid(self.ns);
        let from = number.saturating_mul(self.ns);
        Cursor { place: self.of(number), from, to: from.saturating_add(self.ns) }
    }

    /// The place of the one with this number; the next one where it is new.
    #[inline]
    pub fn of(&mut self, number: i64) -> usize {
        match self.row.get(self.offset(number)) {
            Some(&place) if place != NONE => place as usize,
            _ => self.of_new_or_scattered(number),
        }
    }

    #[inline]
    fn offset(&self, number: i64) -> usize {
        usize::try_from(number.wrapping_sub(self.row_from) as u64).unwrap_or(usize::MAX)
    }

    #[inline(never)]
    fn of_new_or_scattered(&mut self, number: i64) -> usize {
        let numbers = &self.numbers;
        if let Some(place) = self.scattered.find(hashed(number), |place| numbers[place] == number) {
            return place;
        }
        let place = numbers.len();
        self.numbers.push(number);
        if self.scattered.is_empty() && self.reach(number) {
            let offset = self.offset(number);
            self.row[offset] = place as u32;
            return place;
        }
        // Those that were far from each other may have got neighbours since.
        if !self.scattered.is_empty() && place.is_power_of_two() && self.line_up() {
            return place;
        }
        self.row.clear();
        let numbers = &self.numbers;
        let hash_of = |place: usize| hashed(numbers[place]);
        let first = if self.scattered.is_empty() { 0 } else { place };
        (first..=place).for_each(|place| self.scattered.push(hash_of(place), hash_of));
        place
    }

    /// Puts all places into a row, if it does not become too long.
    fn line_up(&mut self) -> bool {
        let (Some(&first), Some(&last)) = (self.numbers.iter().min(), self.numbers.iter().max()) else { return false };
        let span = last.checked_sub(first).and_then(|span| usize::try_from(span).ok());
        let Some(span) = span.filter(|&span| span < self.row_max()) else { return false };
        self.scattered.clear();
        self.row.clear();
        self.row.resize(span + 1, NONE);
        self.row_from = first;
        for (place, &number) in self.numbers.iter().enumerate() {
            self.row[(number - first) as usize] = place as u32;
        }
        true
    }

    fn row_max(&self) -> usize {
        (ROW_PER_INTERVAL * self.numbers.len()).max(ROW_MIN)
    }

    /// Makes the row reach to `number`; false where it would become too long.
    fn reach(&mut self, number: i64) -> bool {
        let row_max = self.row_max();
        if self.row.is_empty() {
            self.row_from = number;
        }
        if number >= self.row_from {
            let offset = self.offset(number);
            if offset >= self.row.len() {
                if offset >= row_max {
                    return false;
                }
                self.row.resize(offset + 1, NONE);
            }
            return true;
        }
        let more = self.row_from.checked_sub(number).and_then(|more| usize::try_from(more).ok());
        let Some(more) = more.filter(|&more| more <= row_max && more + self.row.len() <= row_max) else { return false };
        // What comes before the first comes more than once, mostly.
        let more = more.max(row_max.saturating_sub(self.row.len()).min(self.row.len()));
        let Some(row_from) = self.row_from.checked_sub(more as i64) else { return false };
        self.row.splice(..0, std::iter::repeat_n(NONE, more));
        self.row_from = row_from;
        true
    }

    /// Doubles their length, so that some fall together, if it can still double. `moved` is told where the one at each place
    /// comes to: those that stay apart keep their order, so that none comes to a later place than it had.
    pub fn coarsen(&mut self, mut moved: impl FnMut(usize, usize)) -> bool {
        if self.ns > i64::MAX / 2 {
            return false;
        }
        self.ns *= 2;
        self.row.clear();
        self.scattered.clear();
        let numbers = std::mem::take(&mut self.numbers);
        self.numbers.reserve(numbers.len() / 2);
        numbers.iter().enumerate().for_each(|(from, number)| moved(from, self.of(number.div_euclid(2))));
        // In the order in which they came the first may be far from each other.
        if !self.scattered.is_empty() {
            self.line_up();
        }
        true
    }

    /// Their places in order of time; none when that is the order in which they stand.
    pub fn order(&self) -> Option<Vec<u32>> {
        if self.numbers.is_sorted() {
            return None;
        }
        let mut order: Vec<u32> = (0..self.numbers.len() as u32).collect();
        order.sort_unstable_by_key(|&place| self.numbers[place as usize]);
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_place_in_whatever_order_they_come() {
        let mut intervals = Intervals::new(10);
        let mut cursor = Cursor::default();
        let places = [55, 12, 19, -1, 50, 12].map(|ns| intervals.at(&mut cursor, Timestamp(ns)));
        assert_eq!(places, [0, 1, 1, 2, 0, 1]);
        assert_eq!(intervals.numbers(), [5, 1, -1]);
        assert_eq!(intervals.order(), Some(vec![2, 1, 0]));
    }

    #[test]
    fn they_may_lie_near_to_each_other_or_anywhere() {
        let mut rng = fastrand::Rng::with_seed(7);
        for round in 0..100 {
            let mut intervals = Intervals::new(1);
            let reach = [3, 40, 300, 5_000, i64::MAX][round % 5];
            let middle = [0, 1_700_000_000_000, i64::MIN, i64::MAX][round % 4];
            let mut expected: Vec<i64> = Vec::new();
            for _ in 0..rng.usize(0..400) {
                let number = middle.wrapping_add(rng.i64(-reach..reach));
                let place = expected.iter().position(|&other| other == number).unwrap_or(expected.len());
                if place == expected.len() {
                    expected.push(number);
                }
                assert_eq!(intervals.of(number), place);
            }
            assert_eq!(intervals.numbers(), expected);
            assert!(intervals.row.len() <= (ROW_PER_INTERVAL * expected.len()).max(ROW_MIN));
            if rng.bool() && intervals.coarsen(|from, to| expected[to] = expected[from].div_euclid(2)) {
                assert_eq!(intervals.numbers(), &expected[..intervals.len()]);
            }
        }
    }

    #[test]
    fn they_stand_in_a_row_again_once_there_are_enough_between() {
        let mut intervals = Intervals::new(1);
        [0, 1_000].into_iter().for_each(|number| _ = intervals.of(number));
        assert_eq!((intervals.row.len(), intervals.scattered.is_empty()), (0, false));
        (1..1_000).for_each(|number| _ = intervals.of(number));
        assert_eq!((intervals.row.len(), intervals.scattered.is_empty()), (1_001, true));
        assert_eq!([0, 1_000, 1, 999].map(|number| intervals.of(number)), [0, 1, 2, 1_000]);
        [-5_000, 5_000].into_iter().for_each(|number| _ = intervals.of(number));
        assert!(intervals.row.is_empty());
        (0..4).for_each(|_| assert!(intervals.coarsen(|_, _| {})));
        assert_eq!((intervals.row.is_empty(), intervals.len()), (true, 65));
    }

    #[test]
    fn neighbours_fall_together_when_they_grow() {
        let mut intervals = Intervals::new(1);
        [7, 6, -1, -2, 3].into_iter().for_each(|number| _ = intervals.of(number));
        let mut moved = Vec::new();
        assert!(intervals.coarsen(|from, to| moved.push((from, to))));
        assert_eq!(moved, [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2)]);
        assert_eq!((intervals.ns(), intervals.numbers()), (2, &[3, -1, 1][..]));
        while intervals.coarsen(|_, _| {}) {}
        assert_eq!(intervals.len(), 2);
    }
}
