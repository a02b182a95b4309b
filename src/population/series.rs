//! How many sockets were in each state over time, in memory that does not grow with the time.

use crate::base::Timestamp;
use crate::connection::State;

/// One number for each state, by [`State::ALL`]'s order.
pub type PerState<T> = [T; State::ALL.len()];

/// The interval that is kept unless the user asks for another, ns.
pub const INTERVAL_NS: i64 = 1_000_000;

/// Intervals in which something changed. Those without a change are not kept, so that a pause costs nothing; when more
/// than the bound have one, neighbours are joined and the interval doubles.
#[derive(Clone, Debug)]
pub struct Series {
    interval_ns: i64,
    intervals: Vec<Interval>,
    cursor: usize,
}

/// What changed within one interval.
#[derive(Clone, Copy, Debug, Default)]
struct Interval {
    /// Intervals since 1970.
    index: i64,
    entered: PerState<u32>,
    left: PerState<u32>,
    born: u32,
    failed: u32,
}

/// The sockets at the end of one interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// When the interval began.
    pub from: Timestamp,
    /// When it ended, which is when the sockets are counted.
    pub to: Timestamp,
    /// Sockets in each state.
    pub sockets: PerState<u64>,
    /// How often each state was entered within the interval.
    pub entered: PerState<u32>,
    /// Sockets that came into being within the interval.
    pub born: u32,
    /// Attempts to connect that began within the interval and never opened.
    pub failed: u32,
}

impl Level {
    /// Sockets in any state.
    pub fn total(&self) -> u64 {
        self.sockets.iter().sum()
    }

    /// Sockets in `state`.
    pub fn of(&self, state: State) -> u64 {
        self.sockets[state as usize]
    }
}

/// The most sockets at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    /// How many.
    pub sockets: u64,
    /// Since when.
    pub at: Timestamp,
}

/// The densest part of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// When it began.
    pub from: Timestamp,
    /// When it ended.
    pub to: Timestamp,
    /// What happened within.
    pub count: u64,
}

impl Stretch {
    /// Events a second. What took less than a second counts as one: nothing is said of the second after it.
    pub fn per_second(&self) -> f64 {
        const SECOND_NS: i64 = 1_000_000_000;
        self.count as f64 / (self.to.since(self.from).max(SECOND_NS) as f64 / SECOND_NS as f64)
    }
}

impl Series {
    /// Nothing yet, in intervals of this many nanoseconds.
    pub fn new(interval_ns: i64) -> Self {
        Self { interval_ns: interval_ns.max(1), intervals: Vec::new(), cursor: 0 }
    }

    /// Length of an interval now, ns.
    pub fn interval_ns(&self) -> i64 {
        self.interval_ns
    }

    /// Intervals kept.
    pub fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Nothing happened.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// A socket was in `state` from `from` to `until`; none is: to the end.
    pub fn stay(&mut self, state: State, from: Timestamp, until: Option<Timestamp>) {
        let entered = &mut self.at(from).entered[state as usize];
        *entered = entered.saturating_add(1);
        if let Some(until) = until {
            let left = &mut self.at(until.max(from)).left[state as usize];
            *left = left.saturating_add(1);
        }
    }

    /// A socket came into being.
    pub fn born(&mut self, time: Timestamp) {
        let born = &mut self.at(time).born;
        *born = born.saturating_add(1);
    }

    /// An attempt to connect began that never opened.
    pub fn failed(&mut self, time: Timestamp) {
        let failed = &mut self.at(time).failed;
        *failed = failed.saturating_add(1);
    }

    /// Joins neighbouring intervals until no more than `intervals_max` are left.
    pub fn fit(&mut self, intervals_max: usize) {
        while self.intervals.len() > intervals_max.max(1) && self.interval_ns <= i64::MAX / 2 {
            self.interval_ns *= 2;
            self.intervals.iter_mut().for_each(|interval| interval.index = interval.index.div_euclid(2));
            self.intervals.dedup_by(|later, earlier| {
                let same = later.index == earlier.index;
                if same {
                    earlier.join(later);
                }
                same
            });
        }
        self.cursor = 0;
    }

    /// The sockets after each interval in which something changed.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let mut sockets = PerState::<i64>::default();
        self.intervals.iter().map(move |interval| {
            for (state, level) in sockets.iter_mut().enumerate() {
                *level += i64::from(interval.entered[state]) - i64::from(interval.left[state]);
            }
            Level {
                from: Timestamp(interval.index.saturating_mul(self.interval_ns)),
                to: Timestamp(interval.index.saturating_add(1).saturating_mul(self.interval_ns)),
                sockets: sockets.map(|level| u64::try_from(level).unwrap_or(0)),
                entered: interval.entered,
                born: interval.born,
                failed: interval.failed,
            }
        })
    }

    /// The highest value of `count` over the levels, and since when; the first of equals.
    pub fn peak(&self, count: impl Fn(&Level) -> u64) -> Peak {
        let mut peak = Peak { sockets: 0, at: Timestamp(0) };
        for level in self.levels() {
            let sockets = count(&level);
            if sockets > peak.sockets {
                peak = Peak { sockets, at: level.from };
            }
        }
        peak
    }

    /// The stretch of at most `window_ns` with most of what `count` counts; none when it counts nothing.
    pub fn densest(&self, window_ns: i64, count: impl Fn(&Level) -> u64) -> Option<Stretch> {
        let active: Vec<(Timestamp, Timestamp, u64)> = self
            .levels()
            .map(|level| (level.from, level.to, count(&level)))
            .filter(|&(_, _, count)| count > 0)
            .collect();
        let mut best: Option<Stretch> = None;
        let (mut first, mut sum) = (0, 0);
        for &(from, to, count) in &active {
            sum += count;
            while from.since(active[first].0) >= window_ns.max(1) {
                sum -= active[first].2;
                first += 1;
            }
            if best.is_none_or(|best| sum > best.count) {
                best = Some(Stretch { from: active[first].0, to, count: sum });
            }
        }
        best
    }

    /// The interval of `time`. Times come in two places: where a connection began, and at the end, where TIME-WAIT runs
    /// out; the cursor stays at the first.
    fn at(&mut self, time: Timestamp) -> &mut Interval {
        let index = time.0.div_euclid(self.interval_ns);
        let last = self.intervals.len().wrapping_sub(1);
        let newest = self.intervals.last().map(|interval| interval.index);
        let place = if newest == Some(index) {
            last
        } else if newest.is_none_or(|newest| newest < index) {
            self.intervals.push(Interval { index, ..Interval::default() });
            self.intervals.len() - 1
        } else {
            if self.intervals.get(self.cursor).is_none_or(|interval| interval.index != index) {
                self.cursor = self.intervals.partition_point(|interval| interval.index < index);
                if self.intervals[self.cursor].index != index {
                    self.intervals.insert(self.cursor, Interval { index, ..Interval::default() });
                }
            }
            self.cursor
        };
        &mut self.intervals[place]
    }
}

impl Interval {
    fn join(&mut self, later: &Interval) {
        for state in 0..State::ALL.len() {
            self.entered[state] = self.entered[state].saturating_add(later.entered[state]);
            self.left[state] = self.left[state].saturating_add(later.left[state]);
        }
        self.born = self.born.saturating_add(later.born);
        self.failed = self.failed.saturating_add(later.failed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    fn waits(series: &Series) -> Vec<(i64, u64)> {
        series.levels().map(|level| (level.from.0 / SECOND, level.of(State::TimeWait))).collect()
    }

    #[test]
    fn counts_stays_whatever_their_order() {
        let mut series = Series::new(SECOND);
        series.stay(State::TimeWait, at(10), Some(at(70)));
        series.stay(State::TimeWait, at(5), Some(at(65)));
        series.stay(State::TimeWait, at(20), None);
        assert_eq!(waits(&series), [(5, 1), (10, 2), (20, 3), (65, 2), (70, 1)]);
        assert_eq!(series.peak(|level| level.of(State::TimeWait)), Peak { sockets: 3, at: at(20) });
    }

    #[test]
    fn a_gap_of_years_costs_nothing_and_keeps_the_interval() {
        let mut series = Series::new(SECOND);
        let year = 31_557_600;
        for start in [0, 40 * year, 80 * year] {
            series.stay(State::TimeWait, at(start), Some(at(start + 60)));
        }
        assert_eq!((series.len(), series.interval_ns()), (6, SECOND));
    }

    #[test]
    fn joining_neighbours_keeps_the_levels_at_the_end_of_what_remains() {
        let mut series = Series::new(SECOND);
        for second in 0..1_000 {
            series.stay(State::TimeWait, at(second), Some(at(second + 60)));
        }
        series.fit(100);
        assert!(series.len() <= 100, "{}", series.len());
        assert_eq!(series.interval_ns(), 16 * SECOND);
        let inner: Vec<Level> = series.levels().filter(|level| (at(80)..at(900)).contains(&level.from)).collect();
        assert!(inner.len() > 40 && inner.iter().all(|level| level.of(State::TimeWait) == 60), "{inner:?}");
    }

    #[test]
    fn times_before_1970_and_at_the_ends_of_time_are_times_like_others() {
        let mut series = Series::new(SECOND);
        series.stay(State::TimeWait, Timestamp(i64::MIN), Some(Timestamp(i64::MAX)));
        series.stay(State::TimeWait, Timestamp(-1), Some(Timestamp(1)));
        series.fit(1);
        assert!(series.len() <= 4, "{}", series.len());
        assert_eq!(series.levels().last().map(|level| level.of(State::TimeWait)), Some(0));
    }

    #[test]
    fn the_densest_stretch_is_a_window_and_its_rate_counts_whole_seconds() {
        let mut series = Series::new(SECOND / 10);
        for n in 0..100 {
            series.born(Timestamp(n * SECOND / 10));
        }
        for n in 0..50 {
            series.born(Timestamp(100 * SECOND + n));
        }
        let born = |level: &Level| u64::from(level.born);
        let densest = series.densest(60 * SECOND, born).unwrap();
        assert_eq!((densest.count, densest.from, densest.to), (100, at(0), at(10)));
        assert!((densest.per_second() - 10.0).abs() < 1e-9);
        let second = series.densest(SECOND, born).unwrap();
        assert_eq!((second.count, second.from), (50, at(100)));
        assert!((second.per_second() - 50.0).abs() < 1e-9);
        assert_eq!(Series::new(1).densest(1, born), None);
    }
}
