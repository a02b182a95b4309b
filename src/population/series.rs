//! How many sockets were in each state over time, in memory that does not grow with the time.

use std::fmt;

use super::changes::{BORN, Changes, ENTERED, FAILED, Few, entered_place, net_place};
use super::intervals::Intervals;
use super::life::Course;
use crate::base::Timestamp;
use crate::connection::State;

/// One number for each state, by [`State::ALL`]'s order.
pub type PerState<T> = [T; State::ALL.len()];

/// The interval that is kept unless the user asks for another, ns.
pub const INTERVAL_NS: i64 = 1_000_000;

/// Intervals in which something changed; when more than the bound have one, neighbours are joined and the interval doubles.
#[derive(Clone)]
pub struct Series {
    intervals: Intervals,
    /// What changed within each of them, by their places.
    changes: Changes,
}

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
    /// When they are counted: the end of the first interval that ended with so many, as [`Level::to`].
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

/// What changed when, wherever that stands.
impl fmt::Debug for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ns, order) = (self.interval_ns(), self.order());
        let changes: Vec<_> = order.map(|(number, at)| (number, self.changes.get(at))).collect();
        formatter.debug_struct("Series").field("ns", &ns).field("changes", &changes).finish()
    }
}

impl Series {
    /// Nothing yet, in intervals of this many nanoseconds.
    pub fn new(interval_ns: i64) -> Self {
        Self { intervals: Intervals::new(interval_ns), changes: Changes::new() }
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

    /// A socket went through `len` states, entered as `step` tells, and left the last of them at `until`, if that is known. It
    /// came into being, if `born` is 1.
    #[inline]
    pub(super) fn pass(
        &mut self,
        len: usize,
        step: impl Fn(usize) -> (State, Timestamp),
        until: Option<Timestamp>,
        born: i8,
    ) {
        let (mut at, mut before) = (0, None);
        while at < len {
            let (mut state, time) = step(at);
            let (number, left_ns) = self.intervals.number_with_rest(time);
            let is_within = |later: Timestamp| (later.0.wrapping_sub(time.0) as u64) < left_ns;
            let place = self.intervals.of(number);
            let mut few = Few::NONE;
            match before {
                Some(before) => few.count(net_place(before), -1),
                None => few.count(BORN, born),
            }
            // Of what it entered and left within one interval only the former remains.
            loop {
                few.count(entered_place(state), 1);
                at += 1;
                if at == len {
                    break;
                }
                let (next, later) = step(at);
                if !is_within(later) {
                    break;
                }
                state = next;
            }
            few.count(net_place(state), 1);
            self.changes.add(place, &few);
            before = Some(state);
        }
        if let (Some(last), Some(until)) = (before, until) {
            self.count(until, net_place(last), -1);
        }
    }

    /// The same of a socket that `course` tells of, which came into being and of which the times do not step back.
    #[inline]
    pub(super) fn follow(&mut self, course: &Course) {
        let (number, left_ns) = self.intervals.number_with_rest(Timestamp(course.begun));
        let is_within = |time: i64| (time.wrapping_sub(course.begun) as u64) < left_ns;
        let states = course.way.states;
        if !is_within(course.last) {
            let until = course.has_ended.then_some(Timestamp(course.until));
            return self.pass(states.len(), |at| course.step(at), until, 1);
        }
        let place = self.intervals.of(number);
        if course.has_ended && is_within(course.until) {
            return self.changes.add(place, &course.way.wholly);
        }
        self.changes.add(place, &course.way.at_once);
        if course.has_ended {
            self.count(Timestamp(course.until), net_place(states[states.len() - 1]), -1);
        }
    }

    /// There will be so many intervals in all likelihood.
    pub(super) fn reserve(&mut self, intervals: usize) {
        self.intervals.reserve(intervals);
        self.changes.reserve(intervals);
    }

    /// Puts the intervals in order of time, which makes looking at them quick.
    pub(super) fn put_in_order(&mut self) {
        if self.sort() {
            self.intervals.place_anew();
        }
    }

    /// Whether they did not stand in order. Where each stands then is not known yet.
    fn sort(&mut self) -> bool {
        let order = self.intervals.sort();
        if let Some(order) = &order {
            self.changes.reorder(order);
        }
        order.is_some()
    }

    /// Intervals become at least this long, and stay a power of two of what they were.
    #[inline]
    pub(super) fn widen(&mut self, interval_ns: i64) {
        if self.intervals.ns() < interval_ns {
            self.coarsen(|intervals| intervals.ns() >= interval_ns);
        }
    }

    /// An attempt to connect began that never opened.
    #[inline]
    pub fn failed(&mut self, time: Timestamp) {
        self.count(time, FAILED, 1);
    }

    /// Joins neighbouring intervals until no more than `intervals_max` are left.
    pub fn fit(&mut self, intervals_max: usize) {
        if self.len() > intervals_max.max(1) {
            self.coarsen(|intervals| intervals.len() <= intervals_max.max(1));
        }
    }

    /// Takes over what another one has, whatever its intervals.
    pub fn join(&mut self, other: &Self) {
        self.widen(other.intervals.ns());
        let parts = (self.intervals.ns() / other.intervals.ns()).max(1);
        let doublings = (parts.count_ones() == 1).then(|| parts.trailing_zeros());
        for (at, number) in other.intervals.numbers().iter().enumerate() {
            let number = doublings.map_or_else(|| number.div_euclid(parts), |doublings| number >> doublings);
            let place = self.intervals.of(number);
            self.changes.join(place, &other.changes, at);
        }
    }

    /// The sockets after each interval in which something changed.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let mut sockets = PerState::<i64>::default();
        self.order().map(move |(number, at)| {
            let change = self.changes.get(at);
            for (state, net) in State::OF_SOCKETS.iter().zip(change.net()) {
                sockets[*state as usize] += i64::from(*net);
            }
            Level {
                from: self.begin(number),
                to: self.begin(number.saturating_add(1)),
                sockets: sockets.map(|level| u64::try_from(level).unwrap_or(0)),
                entered: change.entered(),
                born: change.number(BORN),
                failed: change.number(FAILED),
            }
        })
    }

    /// The most sockets at once, and when; the first of equals.
    pub fn peak(&self) -> Peak {
        let mut levels = [0_i64; State::OF_SOCKETS.len()];
        self.highest(|at| {
            let change = self.changes.get(at);
            levels.iter_mut().zip(change.net()).for_each(|(level, net)| *level += i64::from(*net));
            levels.iter().map(|&level| level.max(0)).sum()
        })
    }

    /// The same of those in `state`.
    pub fn peak_of(&self, state: State) -> Peak {
        let (mut level, place) = (0, net_place(state));
        self.highest(|at| {
            level += self.changes.of(at, place);
            level
        })
    }

    /// The highest of what `level` makes of one place after the other, and when; the first of equals.
    fn highest(&self, mut level: impl FnMut(usize) -> i64) -> Peak {
        let mut highest = (0, 0);
        for (number, at) in self.order() {
            let level = level(at);
            if level > highest.0 {
                highest = (level, number);
            }
        }
        match highest {
            (0, _) => Peak { sockets: 0, at: Timestamp(0) },
            (level, number) => Peak { sockets: level as u64, at: self.begin(number.saturating_add(1)) },
        }
    }

    /// The stretch of at most `window_ns` with most of `event`; none when there was none.
    pub fn densest(&self, window_ns: i64, event: Event) -> Option<Stretch> {
        let place = match event {
            Event::Entered(state) => entered_place(state),
            Event::Born => BORN,
            Event::Failed => FAILED,
        };
        let count = |at: usize| self.changes.of(at, place) as u64;
        let active: Vec<(i64, u64)> =
            self.order().map(|(number, at)| (number, count(at))).filter(|&(_, count)| count > 0).collect();
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

    /// The intervals in order of time: their numbers, with the places of what changed.
    fn order(&self) -> impl Iterator<Item = (i64, usize)> + '_ {
        let numbers = self.intervals.numbers();
        let mut order = Vec::new();
        if !numbers.is_sorted() {
            order.extend(0..numbers.len());
            order.sort_unstable_by_key(|&place| numbers[place]);
        }
        (0..numbers.len()).map(move |at| {
            let place = order.get(at).copied().unwrap_or(at);
            (numbers[place], place)
        })
    }

    #[inline]
    fn count(&mut self, time: Timestamp, place: usize, one: i8) {
        let number = self.intervals.number(time);
        let at = self.intervals.of(number);
        self.changes.count(at, place, one);
    }

    /// Joins neighbours until `is_enough`, or until the interval cannot double any more.
    #[inline(never)]
    fn coarsen(&mut self, is_enough: impl Fn(&Intervals) -> bool) {
        self.sort();
        let changes = &mut self.changes;
        self.intervals.coarsen(is_enough, |from, to| {
            if from != to {
                changes.fold(from, to);
            }
        });
        changes.truncate(self.intervals.len());
    }
}

/// The place of `state` in [`PILED`].
fn piled(state: State) -> Option<usize> {
    entered_place(state).checked_sub(ENTERED).filter(|&place| place < PILED.len())
}

#[cfg(test)]
mod tests {
    use super::super::changes::NOWHERE;
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    impl Series {
        fn born(&mut self, time: Timestamp) {
            self.count(time, BORN, 1);
        }

        fn stay(&mut self, state: State, from: Timestamp, until: Option<Timestamp>) {
            self.pass(1, |_| (state, from), until, 0);
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
        assert_eq!(series.peak_of(State::TimeWait), Peak { sockets: 3, at: at(21) });
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
        assert!(State::OF_SOCKETS.iter().enumerate().all(|(place, &state)| net_place(state) == place));
        assert_eq!(State::ALL.iter().filter(|&&state| net_place(state) != NOWHERE).count(), State::OF_SOCKETS.len());
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
                    sockets if sockets > peak.sockets => Peak { sockets, at: level.to },
                    _ => peak,
                })
            };
            assert_eq!(series.peak(), highest(&Level::total));
            State::ALL.iter().for_each(|&state| assert_eq!(series.peak_of(state), highest(&|level| level.of(state))));
        }
    }
}
