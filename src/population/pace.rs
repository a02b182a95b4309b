//! How long intervals are: as short as all that is counted may have them.

use std::ops::Range;

use super::intervals::Intervals;
use super::series::INTERVAL_NS;
use crate::base::Timestamp;

/// Intervals of one group, however few groups there are, where nobody asked for an interval: more than any terminal has
/// columns. A late change far back in a longer row would cost more than the rest of a connection's counting.
const INTERVALS_MAX: usize = 1 << 10;
/// The same where the user named the interval and wants to see it.
const INTERVALS_MAX_ASKED: usize = 1 << 14;

/// When anything happened at all: where that takes many intervals, no group is counted in shorter ones. So most of a
/// short connection falls into one of them, and a group with few connections has few.
#[derive(Clone, Debug)]
pub struct Pace {
    moments: Intervals,
    intervals_max: usize,
    /// How many there were when it was said last.
    told: usize,
    /// Something happened in each interval of this time: most of what comes lies in it.
    known: Range<Timestamp>,
    /// How often what came did not.
    strayed: u32,
}

/// What the intervals of one group may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// As long as this at least, ns.
    pub ns: i64,
    /// No more than so many.
    pub max: usize,
}

impl Pace {
    pub fn new(interval_ns: i64) -> Self {
        let (moments, intervals_max) = (Intervals::new(interval_ns), intervals_max(interval_ns));
        Self { moments, intervals_max, told: 64, known: Timestamp(0)..Timestamp(0), strayed: 0 }
    }

    /// A connection lived from `start` to `end`. Returns the length of an interval, ns, and how many there are, whenever that
    /// has doubled.
    #[inline]
    pub fn touch(&mut self, start: Timestamp, end: Timestamp) -> Option<(i64, usize)> {
        if self.known.contains(&start) && self.known.contains(&end) {
            return None;
        }
        let is_known = |time| self.moments.known(self.moments.number(time)).is_some();
        if is_known(start) && is_known(end) {
            self.strayed = self.strayed.wrapping_add(1);
            if self.strayed.is_multiple_of(LOOKED_ABOUT_EVERY) {
                self.know(self.moments.number(end));
            }
            return None;
        }
        self.touch_others(start, end)
    }

    #[inline(never)]
    fn touch_others(&mut self, start: Timestamp, end: Timestamp) -> Option<(i64, usize)> {
        let mut pace = None;
        for time in [start, end] {
            let number = self.moments.number(time);
            self.moments.of(number);
            if self.moments.len() >= self.told.saturating_mul(2) {
                self.moments.sort();
                self.moments.coarsen(|moments| moments.len() <= self.intervals_max, |_, _| {});
                self.told = self.moments.len();
                pace = Some((self.moments.ns(), self.told));
            }
        }
        pace
    }

    /// Something happened in the interval of this number, and in those that follow it or lead to it.
    #[cold]
    fn know(&mut self, number: i64) {
        let is_known = |number: &i64| self.moments.known(*number).is_some();
        let after = (number..=i64::MAX).take(KNOWN_MAX).take_while(is_known).last();
        let before = (0..KNOWN_MAX as i64).map(|back| number.saturating_sub(back)).take_while(is_known).last();
        let begin = |number: i64| Timestamp(number.saturating_mul(self.moments.ns()));
        if let (Some(before), Some(after)) = (before, after) {
            let known = begin(before)..begin(after.saturating_add(1));
            let touches = known.start <= self.known.end && self.known.start <= known.end;
            self.known = if touches { known.start.min(self.known.start)..known.end.max(self.known.end) } else { known };
        }
    }
}

/// Intervals looked at on each side of one, and how often that is worth it.
const KNOWN_MAX: usize = 64;
const LOOKED_ABOUT_EVERY: u32 = 16;

/// Intervals of one group at most, where they are this long to begin with.
pub fn intervals_max(interval_ns: i64) -> usize {
    if interval_ns == INTERVAL_NS { INTERVALS_MAX } else { INTERVALS_MAX_ASKED }
}
