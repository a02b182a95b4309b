//! How long intervals are: as short as all that is counted may have them.

use super::intervals::{Cursor, Intervals};
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
    /// Where connections begin, and where they end.
    newest: [Cursor; 2],
    intervals_max: usize,
    /// How many there were when it was said last.
    told: usize,
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
        Self { moments, newest: [Cursor::default(); 2], intervals_max, told: 64 }
    }

    /// A connection lived from `start` to `end`. Returns the length of an interval, ns, and how many there are, whenever that
    /// has doubled.
    #[inline]
    pub fn touch(&mut self, start: Timestamp, end: Timestamp) -> Option<(i64, usize)> {
        if self.newest[0].knows(start) && self.newest[1].knows(end) {
            return None;
        }
        self.touch_others(start, end)
    }

    #[inline(never)]
    fn touch_others(&mut self, start: Timestamp, end: Timestamp) -> Option<(i64, usize)> {
        let mut pace = None;
        for (at, time) in [start, end].into_iter().enumerate() {
            self.moments.at(&mut self.newest[at], time);
            if self.moments.len() >= self.told.saturating_mul(2) {
                while self.moments.len() > self.intervals_max && self.moments.coarsen(|_, _| {}) {}
                (self.newest, self.told) = ([Cursor::default(); 2], self.moments.len());
                pace = Some((self.moments.ns(), self.told));
            }
        }
        pace
    }
}

/// Intervals of one group at most, where they are this long to begin with.
pub fn intervals_max(interval_ns: i64) -> usize {
    if interval_ns == INTERVAL_NS { INTERVALS_MAX } else { INTERVALS_MAX_ASKED }
}
