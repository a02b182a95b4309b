//! How many sockets were in each state over time, in memory that does not grow with the time.

use super::intervals::{Cursor, Intervals};
use super::visit::Visit;
use crate::base::Timestamp;
use crate::connection::State;

/// One number for each state, by [`State::ALL`]'s order.
pub type PerState<T> = [T; State::ALL.len()];

/// The interval that is kept unless the user asks for another, ns.
pub const INTERVAL_NS: i64 = 1_000_000;

/// Intervals in which something changed; when more than the bound have one, neighbours are joined and the interval doubles.
#[derive(Clone, Debug)]
pub struct Series {
    intervals: Intervals,
    /// What changed within each of them, by their places.
    changes: Vec<Change>,
    /// Times come in two places: where sockets live, and where TIME-WAIT runs out.
    living: Cursor,
    ending: Cursor,
}

/// Few groups have fewer intervals.
const CHANGES_MIN: usize = 16;

/// What changed within one interval: a line of the cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Change {
    /// Sockets that entered each state of [`State::OF_SOCKETS`], less those that left it.
    net: [i32; State::OF_SOCKETS.len()],
    /// How often those of [`PILED`] were entered.
    entered: [u32; PILED.len()],
    born: u32,
    failed: u32,
}

const _: () = assert!(size_of::<Change>() == 64);

/// States that pile up: how often they were entered is told by interval.
pub const PILED: [State; 5] = [State::SynReceived, State::FinWait2, State::CloseWait, State::LastAck, State::TimeWait];

/// What is counted by the interval in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A socket entered this state, one of those that pile up ([`PILED`]).
    Entered(State),
    /// A socket came into being.
    Born,
    /// An attempt to connect began that never opened.
    Failed,
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
    /// How often each of [`PILED`] was entered within the interval.
    entered: [u32; PILED.len()],
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

    /// How often `state` was entered within the interval; 0 for one that does not pile up ([`PILED`]).
    pub fn entered(&self, state: State) -> u64 {
        piled(state).map_or(0, |place| u64::from(self.entered[place]))
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
        let (living, ending) = (Cursor::default(), Cursor::default());
        Self { intervals: Intervals::new(interval_ns), changes: Vec::new(), living, ending }
    }

    /// Length of an interval now, ns.
    pub fn interval_ns(&self) -> i64 {
        self.intervals.ns()
    }

    /// Intervals kept.
    pub fn len(&self) -> usize {
        self.intervals.len()
    }

    /// Nothing happened.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A socket went through these states. Of what it entered and left within one interval only the former remains.
    #[inline]
    pub(super) fn visit(&mut self, visit: &Visit) {
        let mut rest = visit.steps();
        let mut before = None;
        while let Some(first) = rest.first() {
            let place = self.intervals.at(&mut self.living, first.from);
            let living = self.living;
            let len = 1 + rest[1..].iter().take_while(|step| living.knows(step.from)).count();
            let (these, later) = rest.split_at(len);
            let change = self.change(place);
            match before {
                Some(before) => change.add(before, -1),
                None => change.born = change.born.saturating_add(u32::from(visit.is_socket())),
            }
            these.iter().for_each(|step| change.enter(step.state()));
            let last = these[len - 1].state();
            change.add(last, 1);
            (rest, before) = (later, Some(last));
        }
        if let (Some(last), true) = (before, visit.has_ended()) {
            self.at_end(visit.until()).add(last, -1);
        }
    }

    /// Intervals become at least this long, and stay a power of two of what they were.
    #[inline]
    pub(super) fn widen(&mut self, interval_ns: i64) {
        while self.intervals.ns() < interval_ns && self.coarsen() {}
    }

    /// A socket came into being.
    #[inline]
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
        while self.len() > intervals_max.max(1) && self.coarsen() {}
    }

    /// Takes over what another one has, whatever its intervals.
    pub fn join(&mut self, other: &Self) {
        self.widen(other.intervals.ns());
        let parts = (self.intervals.ns() / other.intervals.ns()).max(1);
        for (number, change) in other.intervals.numbers().iter().zip(&other.changes) {
            let place = self.intervals.of(number.div_euclid(parts));
            self.change(place).join(change);
        }
    }

    /// The sockets after each interval in which something changed.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let mut sockets = PerState::<i64>::default();
        self.changes().map(move |(number, change)| {
            for (state, net) in State::OF_SOCKETS.iter().zip(change.net) {
                sockets[*state as usize] += i64::from(net);
            }
            Level {
                from: self.begin(number),
                to: self.begin(number.saturating_add(1)),
                sockets: sockets.map(|level| u64::try_from(level).unwrap_or(0)),
                entered: change.entered,
                born: change.born,
                failed: change.failed,
            }
        })
    }

    /// The most sockets at once, and since when; the first of equals.
    pub fn peak(&self) -> Peak {
        let mut levels = [0_i64; State::OF_SOCKETS.len()];
        self.highest(|change| {
            levels.iter_mut().zip(change.net).for_each(|(level, net)| *level += i64::from(net));
            levels.iter().map(|&level| level.max(0)).sum()
        })
    }

    /// The same of those in `state`.
    pub fn peak_of(&self, state: State) -> Peak {
        let mut level = 0_i64;
        self.highest(|change| {
            level += net_place(state).map_or(0, |place| i64::from(change.net[place]));
            level
        })
    }

    /// The highest of what `level` makes of one change after the other, and since when; the first of equals.
    fn highest(&self, mut level: impl FnMut(&Change) -> i64) -> Peak {
        let mut highest = (0, 0);
        for (number, change) in self.changes() {
            let level = level(change);
            if level > highest.0 {
                highest = (level, number);
            }
        }
        match highest {
            (0, _) => Peak { sockets: 0, at: Timestamp(0) },
            (level, number) => Peak { sockets: level as u64, at: self.begin(number) },
        }
    }

    /// The stretch of at most `window_ns` with most of `event`; none when there was none.
    pub fn densest(&self, window_ns: i64, event: Event) -> Option<Stretch> {
        let count = |change: &Change| match event {
            Event::Entered(state) => piled(state).map_or(0, |place| u64::from(change.entered[place])),
            Event::Born => u64::from(change.born),
            Event::Failed => u64::from(change.failed),
        };
        let active: Vec<(i64, u64)> =
            self.changes().map(|(number, change)| (number, count(change))).filter(|&(_, count)| count > 0).collect();
        let mut best: Option<(i64, i64, u64)> = None;
        let (mut first, mut sum) = (0, 0);
        for &(number, count) in &active {
            sum += count;
            let from = self.begin(number);
            while from.since(self.begin(active[first].0)) >= window_ns.max(1) {
                sum -= active[first].1;
                first += 1;
            }
            if best.is_none_or(|(.., most)| sum > most) {
                best = Some((active[first].0, number, sum));
            }
        }
        best.map(|(first, last, count)| Stretch {
            from: self.begin(first),
            to: self.begin(last.saturating_add(1)),
            count,
        })
    }

    /// When the interval of this number begins.
    fn begin(&self, number: i64) -> Timestamp {
        Timestamp(number.saturating_mul(self.intervals.ns()))
    }

    /// What changed, in order of time, with the number of its interval.
    fn changes(&self) -> impl Iterator<Item = (i64, &Change)> {
        let order = self.intervals.order();
        let numbers = self.intervals.numbers();
        (0..numbers.len()).map(move |at| {
            let place = order.as_ref().map_or(at, |order| order[at] as usize);
            (numbers[place], &self.changes[place])
        })
    }

    #[inline]
    fn at(&mut self, time: Timestamp) -> &mut Change {
        let place = self.intervals.at(&mut self.living, time);
        self.change(place)
    }

    #[inline]
    fn at_end(&mut self, time: Timestamp) -> &mut Change {
        let cursor = if self.living.knows(time) { &mut self.living } else { &mut self.ending };
        let place = self.intervals.at(cursor, time);
        self.change(place)
    }

    /// What changed at `place`, which may be a new one.
    #[inline]
    fn change(&mut self, place: usize) -> &mut Change {
        if place == self.changes.len() {
            if place == 0 {
                self.changes.reserve(CHANGES_MIN);
            }
            self.changes.push(Change::default());
        }
        &mut self.changes[place]
    }

    /// Joins neighbours once, if the interval can still double.
    fn coarsen(&mut self) -> bool {
        let changes = &mut self.changes;
        let mut kept = 0;
        let is_longer = self.intervals.coarsen(|from, to| {
            let change = changes[from];
            if to == kept {
                changes[to] = change;
                kept += 1;
            } else {
                changes[to].join(&change);
            }
        });
        if is_longer {
            changes.truncate(kept);
            (self.living, self.ending) = (Cursor::default(), Cursor::default());
        }
        is_longer
    }
}

impl Change {
    #[inline]
    fn enter(&mut self, state: State) {
        if let Some(place) = piled(state) {
            self.entered[place] = self.entered[place].saturating_add(1);
        }
    }

    /// So many sockets more are in `state` at the end of the interval.
    /// CLOSED and LISTEN are no states of these sockets.
    #[inline]
    fn add(&mut self, state: State, count: i32) {
        if let Some(place) = net_place(state) {
            self.net[place] = self.net[place].saturating_add(count);
        }
    }

    fn join(&mut self, other: &Self) {
        self.net.iter_mut().zip(other.net).for_each(|(net, more)| *net = net.saturating_add(more));
        self.entered.iter_mut().zip(other.entered).for_each(|(entered, more)| *entered = entered.saturating_add(more));
        self.born = self.born.saturating_add(other.born);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

/// The place of `state` in [`State::OF_SOCKETS`].
#[inline]
fn net_place(state: State) -> Option<usize> {
    const FIRST: usize = State::OF_SOCKETS[0] as usize;
    (state as usize).checked_sub(FIRST).filter(|&place| place < State::OF_SOCKETS.len())
}

/// The place of `state` in [`PILED`].
#[inline]
fn piled(state: State) -> Option<usize> {
    match state {
        State::SynReceived => Some(0),
        State::FinWait2 => Some(1),
        State::CloseWait => Some(2),
        State::LastAck => Some(3),
        State::TimeWait => Some(4),
        State::Closed | State::Listen | State::SynSent | State::Established | State::FinWait1 | State::Closing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    impl Series {
        fn stay(&mut self, state: State, from: Timestamp, until: Option<Timestamp>) {
            self.at(from).enter(state);
            self.at(from).add(state, 1);
            if let Some(until) = until {
                self.at_end(until).add(state, -1);
            }
        }
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
        assert_eq!(series.peak_of(State::TimeWait), Peak { sockets: 3, at: at(20) });
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
    fn series_of_any_intervals_add_up() {
        let (mut fine, mut coarse) = (Series::new(SECOND), Series::new(SECOND));
        for second in 0..100 {
            fine.stay(State::TimeWait, at(second), Some(at(second + 60)));
            coarse.stay(State::CloseWait, at(1_000 - second), None);
        }
        coarse.fit(10);
        for (mut sum, other) in [(fine.clone(), &coarse), (coarse.clone(), &fine)] {
            sum.join(other);
            assert_eq!(sum.interval_ns(), coarse.interval_ns());
            assert_eq!(sum.peak_of(State::CloseWait).sockets, 100);
            assert!((56..=60).contains(&sum.peak_of(State::TimeWait).sockets));
            assert_eq!(sum.levels().map(|level| level.entered(State::TimeWait)).sum::<u64>(), 100);
            let from: Vec<Timestamp> = sum.levels().map(|level| level.from).collect();
            assert!(from.is_sorted());
        }
    }

    #[test]
    fn states_that_pile_up_are_found_by_their_place() {
        assert!(PILED.iter().enumerate().all(|(place, &state)| piled(state) == Some(place)));
        assert_eq!(State::ALL.iter().filter_map(|&state| piled(state)).count(), PILED.len());
        assert!(State::OF_SOCKETS.iter().enumerate().all(|(place, &state)| net_place(state) == Some(place)));
        assert_eq!(State::ALL.iter().filter_map(|&state| net_place(state)).count(), State::OF_SOCKETS.len());
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
        let densest = series.densest(60 * SECOND, Event::Born).unwrap();
        assert_eq!((densest.count, densest.from, densest.to), (100, at(0), at(10)));
        assert!((densest.per_second() - 10.0).abs() < 1e-9);
        let second = series.densest(SECOND, Event::Born).unwrap();
        assert_eq!((second.count, second.from), (50, at(100)));
        assert!((second.per_second() - 50.0).abs() < 1e-9);
        assert_eq!(Series::new(1).densest(1, Event::Born), None);
    }

    #[test]
    fn peaks_are_those_of_the_levels() {
        let mut rng = fastrand::Rng::with_seed(6);
        for _ in 0..200 {
            let mut series = Series::new(SECOND);
            for _ in 0..rng.usize(0..60) {
                let from = rng.i64(0..40);
                let until = rng.bool().then(|| at(from + rng.i64(0..20)));
                series.stay(State::OF_SOCKETS[rng.usize(0..9)], at(from), until);
            }
            series.fit(rng.usize(1..60));
            let highest = |count: &dyn Fn(&Level) -> u64| {
                let levels = series.levels().filter(|level| count(level) > 0);
                levels.fold(Peak { sockets: 0, at: Timestamp(0) }, |peak, level| match count(&level) {
                    sockets if sockets > peak.sockets => Peak { sockets, at: level.from },
                    _ => peak,
                })
            };
            assert_eq!(series.peak(), highest(&Level::total));
            State::ALL.iter().for_each(|&state| assert_eq!(series.peak_of(state), highest(&|level| level.of(state))));
        }
    }
}
