//! How many sockets were in each state over time, in memory that does not grow with the time.

use super::visit::Visit;
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
    /// Intervals since 1970, rising.
    indexes: Vec<i64>,
    /// What changed within each of them.
    changes: Vec<Change>,
    /// Times come in two places: where sockets live, and where TIME-WAIT runs out.
    living: Cursor,
    ending: Cursor,
}

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

/// The interval found last.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    place: usize,
    /// When it begins, and when the next one would; equal: it knows none.
    from: i64,
    to: i64,
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
        Self {
            interval_ns: interval_ns.max(1),
            indexes: Vec::new(),
            changes: Vec::new(),
            living: Cursor::default(),
            ending: Cursor::default(),
        }
    }

    /// Length of an interval now, ns.
    pub fn interval_ns(&self) -> i64 {
        self.interval_ns
    }

    /// Intervals kept.
    pub fn len(&self) -> usize {
        self.indexes.len()
    }

    /// Nothing happened.
    pub fn is_empty(&self) -> bool {
        self.indexes.is_empty()
    }

    /// A socket went through these states.
    #[inline]
    pub(super) fn visit(&mut self, visit: &Visit) {
        let mut before = None;
        for step in visit.steps() {
            let (state, change) = (step.state(), self.at(step.from));
            if let Some(before) = before {
                change.leave(before);
            }
            change.enter(state);
            before = Some(state);
        }
        if let (Some(last), true) = (before, visit.has_ended()) {
            self.at_end(visit.until()).leave(last);
        }
    }

    /// Something happened, whatever it was.
    #[inline]
    pub(super) fn touch(&mut self, time: Timestamp) {
        self.at(time);
    }

    /// Intervals become at least this long, and stay a power of two of what they were.
    #[inline]
    pub(super) fn widen(&mut self, interval_ns: i64) {
        while self.interval_ns < interval_ns && self.coarsen() {}
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
        while self.indexes.len() > intervals_max.max(1) && self.coarsen() {}
    }

    /// Takes over what another one has, whatever its intervals.
    pub fn join(&mut self, other: &Self) {
        while self.interval_ns < other.interval_ns && self.coarsen() {}
        let parts = (self.interval_ns / other.interval_ns).max(1);
        for (index, change) in other.indexes.iter().zip(&other.changes) {
            let place = self.place(index.div_euclid(parts));
            self.changes[place].join(change);
        }
    }

    /// The sockets after each interval in which something changed.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        let mut sockets = PerState::<i64>::default();
        self.indexes.iter().zip(&self.changes).map(move |(index, change)| {
            for (state, net) in State::OF_SOCKETS.iter().zip(change.net) {
                sockets[*state as usize] += i64::from(net);
            }
            Level {
                from: Timestamp(index.saturating_mul(self.interval_ns)),
                to: Timestamp(index.saturating_add(1).saturating_mul(self.interval_ns)),
                sockets: sockets.map(|level| u64::try_from(level).unwrap_or(0)),
                entered: change.entered,
                born: change.born,
                failed: change.failed,
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

    #[inline]
    fn at(&mut self, time: Timestamp) -> &mut Change {
        if !self.living.knows(time) {
            self.living = self.look_up(time);
        }
        &mut self.changes[self.living.place]
    }

    #[inline]
    fn at_end(&mut self, time: Timestamp) -> &mut Change {
        if self.living.knows(time) {
            return &mut self.changes[self.living.place];
        }
        if !self.ending.knows(time) {
            self.ending = self.look_up(time);
        }
        &mut self.changes[self.ending.place]
    }

    fn look_up(&mut self, time: Timestamp) -> Cursor {
        let index = time.0.div_euclid(self.interval_ns);
        let from = index.saturating_mul(self.interval_ns);
        Cursor { place: self.place(index), from, to: from.saturating_add(self.interval_ns) }
    }

    /// The place of an interval, which is made if there is none.
    fn place(&mut self, index: i64) -> usize {
        if self.indexes.last().is_none_or(|&newest| newest < index) {
            self.indexes.push(index);
            self.changes.push(Change::default());
            return self.indexes.len() - 1;
        }
        // Where something happens all the time, intervals follow each other without a gap.
        let near = self.indexes.get(self.living.place).map_or(0, |&here| index.wrapping_sub(here));
        let near = self.living.place.wrapping_add(near as usize);
        if self.indexes.get(near) == Some(&index) {
            return near;
        }
        let place = self.indexes.partition_point(|&other| other < index);
        if self.indexes[place] != index {
            self.indexes.insert(place, index);
            self.changes.insert(place, Change::default());
            for cursor in [&mut self.living, &mut self.ending] {
                cursor.place += usize::from(cursor.place >= place);
            }
        }
        place
    }

    /// Joins neighbours once, if the interval can still double.
    fn coarsen(&mut self) -> bool {
        if self.interval_ns > i64::MAX / 2 {
            return false;
        }
        self.interval_ns *= 2;
        let mut kept = 0;
        for place in 0..self.indexes.len() {
            let index = self.indexes[place].div_euclid(2);
            let change = self.changes[place];
            if kept > 0 && self.indexes[kept - 1] == index {
                self.changes[kept - 1].join(&change);
            } else {
                (self.indexes[kept], self.changes[kept]) = (index, change);
                kept += 1;
            }
        }
        self.indexes.truncate(kept);
        self.changes.truncate(kept);
        (self.living, self.ending) = (Cursor::default(), Cursor::default());
        true
    }
}

impl Cursor {
    #[inline]
    fn knows(self, time: Timestamp) -> bool {
        (self.from..self.to).contains(&time.0)
    }
}

impl Change {
    #[inline]
    fn enter(&mut self, state: State) {
        self.add(state, 1);
        if let Some(place) = piled(state) {
            self.entered[place] = self.entered[place].saturating_add(1);
        }
    }

    #[inline]
    fn leave(&mut self, state: State) {
        self.add(state, -1);
    }

    /// CLOSED and LISTEN are no states of these sockets.
    #[inline]
    fn add(&mut self, state: State, count: i32) {
        const FIRST: usize = State::OF_SOCKETS[0] as usize;
        if let Some(net) = (state as usize).checked_sub(FIRST).and_then(|place| self.net.get_mut(place)) {
            *net = net.saturating_add(count);
        }
    }

    fn join(&mut self, other: &Self) {
        self.net.iter_mut().zip(other.net).for_each(|(net, more)| *net = net.saturating_add(more));
        self.entered.iter_mut().zip(other.entered).for_each(|(entered, more)| *entered = entered.saturating_add(more));
        self.born = self.born.saturating_add(other.born);
        self.failed = self.failed.saturating_add(other.failed);
    }
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
            if let Some(until) = until {
                self.at_end(until).leave(state);
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
            assert_eq!(sum.peak(|level| level.of(State::CloseWait)).sockets, 100);
            assert!((56..=60).contains(&sum.peak(|level| level.of(State::TimeWait)).sockets));
            assert_eq!(sum.levels().map(|level| level.entered(State::TimeWait)).sum::<u64>(), 100);
            let from: Vec<Timestamp> = sum.levels().map(|level| level.from).collect();
            assert!(from.is_sorted());
        }
    }

    #[test]
    fn states_that_pile_up_are_found_by_their_place() {
        assert!(PILED.iter().enumerate().all(|(place, &state)| piled(state) == Some(place)));
        assert_eq!(State::ALL.iter().filter_map(|&state| piled(state)).count(), PILED.len());
        let places = State::OF_SOCKETS.iter().map(|&state| state as usize - State::OF_SOCKETS[0] as usize);
        assert!(places.eq(0..State::OF_SOCKETS.len()));
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
