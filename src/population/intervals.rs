//! The intervals of time in which something happened, and the place of each in a row.

use super::places::Places;
use crate::base::Timestamp;

/// Intervals of one length, those in which something happened, in the order in which that was learned. Those without are not
/// kept, so that a pause costs nothing.
#[derive(Clone, Debug)]
pub struct Intervals {
    ns: i64,
    /// Counted since 1970.
    numbers: Vec<i64>,
    places: Places,
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
        Self { ns: ns.max(1), numbers: Vec::new(), places: Places::default() }
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
        let numbers = &self.numbers;
        let found = self.places.find(hashed(number), |place| numbers[place] == number);
        found.unwrap_or_else(|| self.push(number))
    }

    fn push(&mut self, number: i64) -> usize {
        let place = self.numbers.len();
        self.places.push(hashed(number), |place| hashed(self.numbers[place]));
        self.numbers.push(number);
        place
    }

    /// Doubles their length, so that some fall together, if it can still double. `moved` is told where the one at each place
    /// comes to: those that stay apart keep their order, so that none comes to a later place than it had.
    pub fn coarsen(&mut self, mut moved: impl FnMut(usize, usize)) -> bool {
        if self.ns > i64::MAX / 2 {
            return false;
        }
        self.ns *= 2;
        let Self { numbers, places, .. } = self;
        places.clear();
        let mut kept = 0;
        for from in 0..numbers.len() {
            let number = numbers[from].div_euclid(2);
            let to = places.find(hashed(number), |place| numbers[place] == number).unwrap_or_else(|| {
                places.push(hashed(number), |place| hashed(numbers[place]));
                numbers[kept] = number;
                kept += 1;
                kept - 1
            });
            moved(from, to);
        }
        numbers.truncate(kept);
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
