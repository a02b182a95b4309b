//! How many sockets were in each state over time, in memory that does not grow with the time.

use super::intervals::Intervals;
use super::life::Course;
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
}

/// Few groups have fewer intervals.
const CHANGES_MIN: usize = 16;

/// What changed within one interval: a line of the cache. Sockets that entered each state of [`State::OF_SOCKETS`] less those that
/// left it, how often those of [`PILED`] were entered, how many sockets came into being, and how many attempts failed.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
pub(super) struct Change([i32; 16]);

const _: () = assert!(size_of::<Change>() == 64);

/// Numbers of a [`Change`]: where those of [`PILED`] begin.
const ENTERED: usize = State::OF_SOCKETS.len();
const BORN: usize = ENTERED + PILED.len();
const FAILED: usize = BORN + 1;
/// None.
const NOWHERE: usize = usize::MAX;

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
        Self { intervals: Intervals::new(interval_ns), changes: Vec::new() }
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
        born: i32,
    ) {
        let (mut at, mut before) = (0, None);
        while at < len {
            let (mut state, time) = step(at);
            let number = self.intervals.number(time);
            let place = self.intervals.of(number);
            let change = change(&mut self.changes, place);
            match before {
                Some(before) => change.count(net_place(before), -1),
                None => change.count(BORN, born),
            }
            // Of what it entered and left within one interval only the former remains.
            loop {
                change.count(entered_place(state), 1);
                at += 1;
                if at == len {
                    break;
                }
                let (next, time) = step(at);
                if self.intervals.number(time) != number {
                    break;
                }
                state = next;
            }
            change.count(net_place(state), 1);
            before = Some(state);
        }
        if let (Some(last), Some(until)) = (before, until) {
            self.at(until).count(net_place(last), -1);
        }
    }

    /// The same of a socket that `course` tells of, which came into being and of which the times do not step back.
    #[inline]
    pub(super) fn follow(&mut self, course: &Course) {
        let len = course.states.len();
        let number = self.intervals.number(course.times[0]);
        if number == self.intervals.number(course.times[len - 1]) {
            let place = self.intervals.of(number);
            change(&mut self.changes, place).join(course.at_once);
            if course.has_ended {
                self.at(course.until()).count(net_place(course.states[len - 1]), -1);
            }
        } else {
            let until = course.has_ended.then_some(course.until());
            self.pass(len, |at| (course.states[at], course.times[at]), until, 1);
        }
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
            self.changes = order.iter().map(|&place| self.changes[place as usize]).collect();
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
        self.at(time).count(FAILED, 1);
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
        for (number, more) in other.intervals.numbers().iter().zip(&other.changes) {
            let number = doublings.map_or_else(|| number.div_euclid(parts), |doublings| number >> doublings);
            let place = self.intervals.of(number);
            change(&mut self.changes, place).join(more);
        }
    }

    /// The sockets after each interval in which something changed.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let mut sockets = PerState::<i64>::default();
        self.changes().map(move |(number, change)| {
            for (state, net) in State::OF_SOCKETS.iter().zip(change.net()) {
                sockets[*state as usize] += i64::from(*net);
            }
            let mut entered = [0; PILED.len()];
            entered.iter_mut().zip(&change.0[ENTERED..]).for_each(|(entered, &count)| *entered = count as u32);
            Level {
                from: self.begin(number),
                to: self.begin(number.saturating_add(1)),
                sockets: sockets.map(|level| u64::try_from(level).unwrap_or(0)),
                entered,
                born: change.0[BORN] as u32,
                failed: change.0[FAILED] as u32,
            }
        })
    }

    /// The most sockets at once, and since when; the first of equals.
    pub fn peak(&self) -> Peak {
        let mut levels = [0_i64; State::OF_SOCKETS.len()];
        self.highest(|change| {
            levels.iter_mut().zip(change.net()).for_each(|(level, net)| *level += i64::from(*net));
            levels.iter().map(|&level| level.max(0)).sum()
        })
    }

    /// The same of those in `state`.
    pub fn peak_of(&self, state: State) -> Peak {
        let (mut level, place) = (0, net_place(state));
        self.highest(|change| {
            level += change.of(place);
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
        let place = match event {
            Event::Entered(state) => entered_place(state),
            Event::Born => BORN,
            Event::Failed => FAILED,
        };
        let count = |change: &Change| change.of(place) as u64;
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
        let numbers = self.intervals.numbers();
        let mut order = Vec::new();
        if !numbers.is_sorted() {
            order.extend(0..numbers.len());
            order.sort_unstable_by_key(|&place| numbers[place]);
        }
        (0..numbers.len()).map(move |at| {
            let place = order.get(at).copied().unwrap_or(at);
            (numbers[place], &self.changes[place])
        })
    }

    #[inline]
    fn at(&mut self, time: Timestamp) -> &mut Change {
        let number = self.intervals.number(time);
        let place = self.intervals.of(number);
        change(&mut self.changes, place)
    }

    /// Joins neighbours until `is_enough`, or until the interval cannot double any more.
    #[inline(never)]
    fn coarsen(&mut self, is_enough: impl Fn(&Intervals) -> bool) {
        self.sort();
        let changes = &mut self.changes;
        self.intervals.coarsen(is_enough, |from, to| {
            if from == to {
                return;
            }
            let change = std::mem::take(&mut changes[from]);
            changes[to].join(&change);
        });
        changes.truncate(self.intervals.len());
    }
}

/// What changed at `place`, which may be a new one.
#[inline]
fn change(changes: &mut Vec<Change>, place: usize) -> &mut Change {
    if place == changes.len() {
        if place == 0 {
            changes.reserve(CHANGES_MIN);
        }
        changes.push(Change::default());
    }
    &mut changes[place]
}

impl Change {
    /// So many more at `place`, if that is somewhere.
    #[inline]
    fn count(&mut self, place: usize, count: i32) {
        if let Some(number) = self.0.get_mut(place) {
            *number = number.saturating_add(count);
        }
    }

    /// How many at `place`.
    #[inline]
    fn of(&self, place: usize) -> i64 {
        self.0.get(place).copied().map_or(0, i64::from)
    }

    /// By [`State::OF_SOCKETS`].
    #[inline]
    fn net(&self) -> &[i32] {
        &self.0[..ENTERED]
    }

    #[inline]
    fn join(&mut self, other: &Self) {
        // All sixteen at once, but for one that is too large.
        let (mut sum, mut over) = ([0; 16], 0);
        for (at, sum) in sum.iter_mut().enumerate() {
            *sum = self.0[at].wrapping_add(other.0[at]);
            over |= (self.0[at] ^ *sum) & (other.0[at] ^ *sum);
        }
        if over >= 0 {
            self.0 = sum;
        } else {
            self.0.iter_mut().zip(other.0).for_each(|(number, more)| *number = number.saturating_add(more));
        }
    }

    /// What a socket changes that comes into being and enters all these states within one interval.
    pub(super) const fn at_once(states: &[State]) -> Self {
        let (mut change, mut at) = ([0; 16], 0);
        change[BORN] = 1;
        while at < states.len() {
            let place = entered_place(states[at]);
            if place != NOWHERE {
                change[place] += 1;
            }
            at += 1;
        }
        change[net_place(states[at - 1])] += 1;
        Self(change)
    }
}

/// Where a [`Change`] counts sockets in `state`. CLOSED and LISTEN are no states of these sockets.
#[inline]
const fn net_place(state: State) -> usize {
    const FIRST: usize = State::OF_SOCKETS[0] as usize;
    match (state as usize).wrapping_sub(FIRST) {
        place @ 0..ENTERED => place,
        _ => NOWHERE,
    }
}

/// Where a [`Change`] counts how often `state` was entered.
#[inline]
const fn entered_place(state: State) -> usize {
    const PLACES: PerState<usize> = {
        let mut places = [NOWHERE; State::ALL.len()];
        let mut place = 0;
        while place < PILED.len() {
            places[PILED[place] as usize] = ENTERED + place;
            place += 1;
        }
        places
    };
    PLACES[state as usize]
}

/// The place of `state` in [`PILED`].
fn piled(state: State) -> Option<usize> {
    entered_place(state).checked_sub(ENTERED).filter(|&place| place < PILED.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    impl Series {
        fn born(&mut self, time: Timestamp) {
            self.at(time).count(BORN, 1);
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
                    sockets if sockets > peak.sockets => Peak { sockets, at: level.from },
                    _ => peak,
                })
            };
            assert_eq!(series.peak(), highest(&Level::total));
            State::ALL.iter().for_each(|&state| assert_eq!(series.peak_of(state), highest(&|level| level.of(state))));
        }
    }
}
