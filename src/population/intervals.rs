//! The intervals of time in which something happened, and the place of each in a row.

use super::places::Places;
use super::row::Row;
use crate::base::Timestamp;

/// A row may be so many times as long as there are intervals in it.
const ROW_PER_INTERVAL: usize = 8;
/// And as long as this.
const ROW_MIN: usize = 256;

/// Intervals of one length, those in which something happened, in the order in which that was learned. Those without take four
/// octets at most, and nothing where there are many, so that a pause costs nothing.
#[derive(Clone, Debug)]
pub struct Intervals {
    ns: i64,
    /// 2^64 by that: multiplying by it divides.
    reciprocal: u64,
    /// Counted since 1970.
    numbers: Vec<i64>,
    /// Their places, as long as they lie near to each other or to a second one: sockets live at one time, and TIME-WAIT runs out
    /// at another.
    rows: [Row; 2],
    /// Their places by number once they do not.
    scattered: Places,
}

/// Numbers that follow each other come to lie apart (the golden ratio's part of 2^64).
#[inline]
fn hashed(number: i64) -> u64 {
    (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// 2^64 by `ns`, which is positive, less than one too small.
fn reciprocal(ns: i64) -> u64 {
    u64::try_from((1_u128 << u64::BITS) / ns as u128).unwrap_or(u64::MAX)
}

impl Intervals {
    /// None yet, of this many nanoseconds each.
    pub fn new(ns: i64) -> Self {
        let (ns, rows) = (ns.max(1), <[Row; 2]>::default());
        Self { ns, reciprocal: reciprocal(ns), numbers: Vec::new(), rows, scattered: Places::default() }
    }

    /// There will be so many in all likelihood.
    pub fn reserve(&mut self, intervals: usize) {
        self.numbers.reserve_exact(intervals);
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

    /// The number of the one that `time` falls into.
    #[inline]
    pub fn number(&self, time: Timestamp) -> i64 {
        self.number_with_rest(time).0
    }

    /// The same, and how much is left of it then, ns.
    #[inline]
    pub fn number_with_rest(&self, time: Timestamp) -> (i64, u64) {
        let ns = self.ns as u64;
        let Ok(time) = u64::try_from(time.0) else {
            return (time.0.div_euclid(self.ns), ns - time.0.rem_euclid(self.ns) as u64);
        };
        // Too small by one at most, for a time is less than 2^63.
        let number = ((u128::from(time) * u128::from(self.reciprocal)) >> u64::BITS) as u64;
        let gone = time.wrapping_sub(number.wrapping_mul(ns));
        if gone >= ns { (number as i64 + 1, ns - (gone - ns)) } else { (number as i64, ns - gone) }
    }

    /// The place of the one with this number, as far as can be said without searching.
    #[inline]
    pub fn known(&self, number: i64) -> Option<usize> {
        self.rows[0].get(number).or_else(|| self.rows[1].get(number))
    }

    /// The place of the one with this number; the next one where it is new.
    #[inline]
    pub fn of(&mut self, number: i64) -> usize {
        self.known(number).unwrap_or_else(|| self.of_new_or_scattered(number))
    }

    #[inline(never)]
    fn of_new_or_scattered(&mut self, number: i64) -> usize {
        let numbers = &self.numbers;
        if let Some(place) = self.scattered.find(hashed(number), |place| numbers[place] == number) {
            return place;
        }
        let place = numbers.len();
        self.numbers.push(number);
        let row_max = self.row_max();
        if self.scattered.is_empty() {
            if !self.rows.iter_mut().any(|row| row.put(number, place, row_max)) {
                self.scatter();
            }
        // Those that were far from each other may have got neighbours since.
        } else if !(place >= ROW_MIN / ROW_PER_INTERVAL && place.is_power_of_two() && self.line_up()) {
            let numbers = &self.numbers;
            self.scattered.push(hashed(number), |place| hashed(numbers[place]));
        }
        place
    }

    /// Puts all places into rows, if these do not become too long.
    fn line_up(&mut self) -> bool {
        let order = if self.numbers.is_sorted() { Vec::new() } else { self.sorted() };
        let (numbers, row_max) = (&self.numbers, self.row_max() as u64);
        let place = |at: usize| order.get(at).map_or(at, |&place| place as usize);
        let number = |at: usize| numbers[place(at)];
        let span = |from: usize, to: usize| number(to).wrapping_sub(number(from)) as u64;
        let len = numbers.len();
        let second = match len {
            0 => return false,
            _ if span(0, len - 1) < row_max => len,
            _ => (1..len).max_by_key(|&at| span(at - 1, at)).unwrap_or(len),
        };
        if span(0, second - 1) >= row_max || second < len && span(second, len - 1) >= row_max {
            return false;
        }
        self.scattered.clear();
        let of = |from: usize, to: usize| (from..to).map(move |at| (number(at), place(at)));
        self.rows[0].fill(of(0, second));
        self.rows[1].fill(of(second, len));
        true
    }

    fn row_max(&self) -> usize {
        (ROW_PER_INTERVAL * self.numbers.len()).max(ROW_MIN)
    }

    /// Finds places by hashes from now on.
    fn scatter(&mut self) {
        self.rows.iter_mut().for_each(Row::clear);
        let numbers = &self.numbers;
        let hash_of = |place: usize| hashed(numbers[place]);
        (0..numbers.len()).for_each(|place| self.scattered.push(hash_of(place), hash_of));
    }

    /// Their places in order of time.
    fn sorted(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.numbers.len() as u32).collect();
        order.sort_unstable_by_key(|&place| self.numbers[place as usize]);
        order
    }

    /// The same of those that stand in rows.
    fn merged(&self) -> Vec<u32> {
        let [mut one, mut other] = self.rows.each_ref().map(|row| row.places().peekable());
        let number = |place: Option<&u32>| place.map(|&place| self.numbers[place as usize]);
        let mut order = Vec::with_capacity(self.numbers.len());
        loop {
            let next = match (number(one.peek()), number(other.peek())) {
                (Some(first), Some(second)) if second < first => other.next(),
                (None, _) => other.next(),
                _ => one.next(),
            };
            match next {
                Some(place) => order.push(place),
                None => return order,
            }
        }
    }

    /// Doubles their length until `is_enough`, so that some fall together, or until it cannot double any more. They must stand in
    /// order of time. `moved` is told where the one at each place comes to, which is never later.
    pub fn coarsen(&mut self, is_enough: impl Fn(&Self) -> bool, mut moved: impl FnMut(usize, usize)) {
        debug_assert!(self.numbers.is_sorted());
        while !is_enough(self) && self.ns <= i64::MAX / 2 {
            self.ns *= 2;
            let mut kept = 0;
            for from in 0..self.numbers.len() {
                let number = self.numbers[from] >> 1;
                if kept == 0 || self.numbers[kept - 1] != number {
                    self.numbers[kept] = number;
                    kept += 1;
                }
                moved(from, kept - 1);
            }
            self.numbers.truncate(kept);
        }
        self.reciprocal = reciprocal(self.ns);
        self.place_anew();
    }

    /// Puts them in order of time. Gives the places where they stood; none when they stood in order. Where each stands now is
    /// known only after [`Self::place_anew`].
    pub fn sort(&mut self) -> Option<Vec<u32>> {
        if self.numbers.is_sorted() {
            return None;
        }
        let order = if self.scattered.is_empty() { self.merged() } else { self.sorted() };
        self.numbers = order.iter().map(|&place| self.numbers[place as usize]).collect();
        Some(order)
    }

    /// Learns anew where each stands.
    pub fn place_anew(&mut self) {
        self.scattered.clear();
        if !self.line_up() {
            self.scatter();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_in_order(intervals: &mut Intervals) -> Option<Vec<u32>> {
        let order = intervals.sort();
        intervals.place_anew();
        order
    }

    /// As long again, if that can be.
    fn coarsen(intervals: &mut Intervals, moved: impl FnMut(usize, usize)) {
        let ns = intervals.ns();
        intervals.coarsen(|intervals| intervals.ns() > ns, moved);
    }

    #[test]
    fn each_has_one_place_in_whatever_order_they_come() {
        let mut intervals = Intervals::new(10);
        let places = [55, 12, 19, -1, 50, 12].map(|ns| {
            let number = intervals.number(Timestamp(ns));
            intervals.of(number)
        });
        assert_eq!(places, [0, 1, 1, 2, 0, 1]);
        assert_eq!(intervals.numbers(), [5, 1, -1]);
        assert_eq!(put_in_order(&mut intervals), Some(vec![2, 1, 0]));
        assert_eq!(intervals.numbers(), [-1, 1, 5]);
        assert_eq!([-1, 1, 5].map(|number| intervals.of(number)), [0, 1, 2]);
        assert_eq!(put_in_order(&mut intervals), None);
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
            let row_max = (ROW_PER_INTERVAL * expected.len()).max(ROW_MIN);
            assert!(intervals.rows.iter().all(|row| row.len() <= row_max));
            put_in_order(&mut intervals);
            expected.sort_unstable();
            assert_eq!(intervals.numbers(), expected);
            if rng.bool() {
                coarsen(&mut intervals, |from, to| expected[to] = expected[from].div_euclid(2));
                assert_eq!(intervals.numbers(), &expected[..intervals.len()]);
            }
            let found: Vec<usize> = expected[..intervals.len()].iter().map(|&number| intervals.of(number)).collect();
            assert!(found.into_iter().eq(0..intervals.len()));
        }
    }

    #[test]
    fn they_stand_in_rows_again_once_there_are_enough_between() {
        let mut intervals = Intervals::new(1);
        let rows = |intervals: &Intervals| intervals.rows.each_ref().map(Row::len);
        [0, 60_000, 60_010, 3].into_iter().for_each(|number| _ = intervals.of(number));
        assert_eq!((rows(&intervals), intervals.scattered.is_empty()), ([4, 11], true));
        assert_eq!(put_in_order(&mut intervals), Some(vec![0, 3, 1, 2]));
        _ = intervals.of(4_000);
        assert_eq!((rows(&intervals), intervals.scattered.is_empty()), ([0, 0], false));
        (1..1_024).chain(3_500..4_000).for_each(|number| _ = intervals.of(number));
        assert!(intervals.scattered.is_empty());
        assert_eq!([0, 3, 60_000, 60_010, 4_000].map(|number| intervals.of(number)), [0, 1, 2, 3, 4]);
        [-25_000, 9_000, 25_000].into_iter().for_each(|number| _ = intervals.of(number));
        assert!(!intervals.scattered.is_empty());
        put_in_order(&mut intervals);
        (0..9).for_each(|_| coarsen(&mut intervals, |_, _| {}));
        assert!(intervals.scattered.is_empty());
    }

    #[test]
    fn neighbours_fall_together_when_they_grow() {
        let mut intervals = Intervals::new(1);
        [7, 6, -1, -2, 3].into_iter().for_each(|number| _ = intervals.of(number));
        put_in_order(&mut intervals);
        let mut moved = Vec::new();
        coarsen(&mut intervals, |from, to| moved.push((from, to)));
        assert_eq!(moved, [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2)]);
        assert_eq!((intervals.ns(), intervals.numbers()), (2, &[-1, 1, 3][..]));
        intervals.coarsen(|_| false, |_, _| {});
        assert_eq!(intervals.len(), 2);
    }

    #[test]
    fn a_number_is_the_quotient_whatever_the_length_and_the_time() {
        let mut rng = fastrand::Rng::with_seed(3);
        for round in 0..20_000 {
            let ns = [1, 2, 3, 1_000_000, 1 << 40, i64::MAX, rng.i64(1..), rng.i64(1..1_000)][round % 8];
            let intervals = Intervals::new(ns);
            let near = rng.i64(0..i64::MAX / ns).saturating_mul(ns).saturating_add(rng.i64(-1..2));
            for time in [near, rng.i64(..), 0, -1, i64::MAX, i64::MIN, ns] {
                let (number, left_ns) = intervals.number_with_rest(Timestamp(time));
                assert_eq!(number, time.div_euclid(ns), "{time} by {ns}");
                assert_eq!(left_ns as i64, ns - time.rem_euclid(ns), "{time} by {ns}");
            }
        }
    }
}
