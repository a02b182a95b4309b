//! Sockets by group, the largest of the groups when there are too many.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};

use super::clocks::Clocks;
use super::distinct::mixed;
use super::exits::Exits;
use super::idle::IdleEnds;
use super::intervals::{Cursor, Intervals};
use super::pile::Pile;
use super::places::Places;
use super::series::INTERVAL_NS;
use super::visit::Visit;
use crate::base::Timestamp;
use crate::table::prefetch::{prefetch, prefetch_behind};

/// Groups that are certainly kept, those with most sockets. Beyond, a report would be read by nobody, and addresses can
/// be made up by the million.
pub const GROUPS_KEPT: usize = 1_024;
/// Groups kept before the smallest are let go.
const GROUPS_MAX: usize = 2 * GROUPS_KEPT;
/// Intervals kept of all groups of a kind together: some 19 MB at most.
const INTERVALS_TOTAL: usize = 1 << 18;
/// Intervals of one group, however few groups there are, where nobody asked for an interval: more than any terminal has
/// columns. A late change far back in a longer row would cost more than the rest of a connection's counting.
const INTERVALS_MAX: usize = 1 << 10;
/// The same where the user named the interval and wants to see it.
const INTERVALS_MAX_ASKED: usize = 1 << 14;
/// Intervals of one group, however many there are.
const INTERVALS_MIN: usize = 128;

/// How much is kept of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breadth {
    /// Groups of a kind that are certainly kept; twice as many before the smallest are let go.
    groups_kept: usize,
    /// Intervals of all groups of a kind together.
    intervals_total: usize,
    /// Intervals of one group, however many there are.
    intervals_min: usize,
}

impl Breadth {
    /// For what has an end: as much as a report can use.
    pub const WHOLE: Self =
        Self { groups_kept: GROUPS_KEPT, intervals_total: INTERVALS_TOTAL, intervals_min: INTERVALS_MIN };
    /// For what goes on for days: so little that all of it is in use after some hours, and a process stays as large as it is.
    pub const ENDLESS: Self = Self { groups_kept: 128, intervals_total: 1 << 14, intervals_min: 32 };

    /// Groups before the smallest are let go.
    fn groups_max(self) -> usize {
        2 * self.groups_kept
    }
}

impl Default for Breadth {
    fn default() -> Self {
        Self::WHOLE
    }
}
/// Sockets that wait to be counted together: what a group has lies in many places, and reaching them is what costs. A
/// group with fewer has no pile until the end.
const WAITING_MAX: usize = 16;

/// Places for the first socket of a group each: a group is made for the second one. Most destinations of a busy
/// capture have few, and making a group of each would cost more than counting.
const NEWCOMERS_MAX: usize = 1_024;

/// What sockets have in common, with its hash.
#[derive(Clone, Copy, Debug)]
pub struct Key<K> {
    /// The key.
    pub of: K,
    /// Without a seed, so that the same capture gives the same groups.
    pub hash: u64,
}

impl<K: PartialEq> PartialEq for Key<K> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.of == other.of
    }
}

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

impl Pace {
    pub fn new(interval_ns: i64) -> Self {
        let (moments, intervals_max) = (Intervals::new(interval_ns), intervals_max(interval_ns));
        Self { moments, newest: [Cursor::default(); 2], intervals_max, told: 64 }
    }

    /// A connection lived from `start` to `end`. Returns the length of an interval, ns, and how many there are, whenever that
    /// has doubled.
    #[inline]
    pub fn touch(&mut self, start: Timestamp, end: Timestamp) -> Option<(i64, usize)> {
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
fn intervals_max(interval_ns: i64) -> usize {
    if interval_ns == INTERVAL_NS { INTERVALS_MAX } else { INTERVALS_MAX_ASKED }
}

/// The hash of a key that nobody can foretell.
#[inline]
fn seeded<K>(key: Key<K>, seed: u64) -> u64 {
    mixed(key.hash ^ seed)
}

/// Groups while sockets are still being counted.
#[derive(Clone, Debug)]
pub struct Gathering<K> {
    breadth: Breadth,
    interval_ns: i64,
    /// Intervals in which something has happened, at least.
    moments: usize,
    intervals_max: usize,
    places: Places,
    /// Against addresses that were chosen to have the same place.
    seed: u64,
    groups: Vec<Group<K>>,
    /// The place of the group found last: many sockets in a row are one service's.
    newest: usize,
    /// By a part of their hashes; empty before the first comes.
    newcomers: Vec<Option<(Key<K>, Visit)>>,
    /// Rooms for waiting sockets that groups have left.
    rooms: Vec<Vec<Visit>>,
    /// Where groups are put in order; kept for its memory.
    order: Vec<usize>,
}

/// The sockets of one group. What every socket needs comes first, on as few lines of the cache as there can be.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Group<K> {
    /// What they have in common.
    pub key: Key<K>,
    /// How many there are.
    pub sockets: u64,
    /// Those that are not in the pile yet.
    pub waiting: Vec<Visit>,
    /// In a box, since many groups come and go where destinations are many.
    pile: Option<Box<Pile>>,
    /// Those that ended after a silence.
    pub idle: IdleEnds,
    /// The newest attempts, by the clients' clocks.
    pub clocks: Clocks,
    /// When its sockets lived and when it refused.
    pub exits: Exits,
}

/// What the intervals of one group may be.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// As long as this at least, ns.
    ns: i64,
    /// No more than so many.
    max: usize,
}

impl<K> Group<K> {
    fn begin(key: Key<K>, waiting: Vec<Visit>) -> Self {
        let (idle, clocks, exits) = (IdleEnds::default(), Clocks::default(), Exits::default());
        Self { key, sockets: 0, waiting, pile: None, idle, clocks, exits }
    }

    /// Takes a socket; true when those that wait are to be counted.
    #[inline]
    fn push(&mut self, visit: &Visit) -> bool {
        self.sockets += u64::from(visit.is_socket());
        self.waiting.push(*visit);
        self.waiting.len() >= WAITING_MAX
    }

    /// Counts what waits.
    fn count(&mut self, bounds: Bounds) -> &mut Pile {
        let pile = self.pile.get_or_insert_with(|| Box::new(Pile::new(bounds.ns)));
        pile.widen(bounds.ns);
        self.waiting.iter().for_each(|visit| pile.fetch(visit));
        self.waiting.iter().for_each(|visit| pile.take(visit));
        self.waiting.clear();
        if pile.series().len() > bounds.max {
            pile.fit(bounds.max - bounds.max / 4);
        }
        pile
    }
}

impl<K: Copy + Ord> Gathering<K> {
    pub fn new(interval_ns: i64) -> Self {
        Self {
            breadth: Breadth::WHOLE,
            interval_ns,
            moments: 0,
            intervals_max: intervals_max(interval_ns),
            places: Places::default(),
            seed: RandomState::new().hash_one(0),
            groups: Vec::new(),
            newest: 0,
            newcomers: Vec::new(),
            rooms: Vec::new(),
            order: Vec::new(),
        }
    }

    /// The same with so much of it.
    pub fn within(self, breadth: Breadth) -> Self {
        Self { breadth, ..self }
    }

    /// The group of `key`, and where its next sockets go. When there are too many, the smallest are given to `let_go`,
    /// which gives back their rooms.
    #[inline]
    pub fn group(&mut self, key: Key<K>, let_go: impl FnMut(Group<K>) -> Vec<Visit>) -> &mut Group<K> {
        if !self.knows(key) {
            self.begin(key, let_go);
        }
        &mut self.groups[self.newest]
    }

    /// Asks for the memory in which the group of `key` will be looked for, and for the group if it is clear which one it is.
    #[inline]
    pub fn fetch(&self, key: Key<K>) {
        if let Some(newcomer) = self.newcomers.get(key.hash as usize % NEWCOMERS_MAX) {
            prefetch(newcomer);
        }
        if let Some(group) = self.likely(key) {
            prefetch(&group.key);
            prefetch(&group.waiting);
        }
    }

    /// Asks for the memory that the next socket of the group of `key` goes to, where the group is at hand.
    #[inline]
    pub fn fetch_room(&self, key: Key<K>) {
        let Some(group) = self.likely(key) else { return };
        if let Some(newest) = group.waiting.last() {
            // A prefetch reads nothing, so that it may be of what lies behind the last one.
            prefetch_behind(newest);
        }
        if let (Some(pile), true) = (&group.pile, group.waiting.len() + 1 >= WAITING_MAX) {
            prefetch(&**pile);
            group.waiting.iter().for_each(prefetch);
        }
    }

    /// What is the group of `key` in all likelihood, if there is one.
    #[inline]
    fn likely(&self, key: Key<K>) -> Option<&Group<K>> {
        self.groups.get(self.places.find(seeded(key, self.seed), |_| true)?)
    }

    /// Takes a socket into the group found last.
    #[inline]
    pub fn add(&mut self, visit: &Visit) {
        let newest = self.newest;
        if self.groups.get_mut(newest).is_some_and(|group| group.push(visit)) {
            let bounds = self.bounds();
            self.groups[newest].count(bounds);
        }
    }

    /// Takes a socket into the group of `key`, if it is not the first one of it. Returns one that was the only of its
    /// group and has to make room.
    #[inline]
    pub fn take(
        &mut self,
        key: Key<K>,
        visit: &Visit,
        let_go: impl FnMut(Group<K>) -> Vec<Visit>,
    ) -> Option<(Key<K>, Visit)> {
        if self.knows(key) {
            self.add(visit);
            return None;
        }
        if self.newcomers.is_empty() {
            self.newcomers.resize_with(NEWCOMERS_MAX, || None);
        }
        let newcomer = &mut self.newcomers[key.hash as usize % NEWCOMERS_MAX];
        match newcomer {
            Some((other, first)) if *other == key => {
                let first = *first;
                *newcomer = None;
                self.begin(key, let_go);
                self.add(&first);
                self.add(visit);
                None
            }
            Some(_) => newcomer.replace((key, *visit)),
            None => {
                *newcomer = Some((key, *visit));
                None
            }
        }
    }

    #[inline]
    fn knows(&mut self, key: Key<K>) -> bool {
        if self.groups.get(self.newest).is_some_and(|group| group.key == key) {
            return true;
        }
        let groups = &self.groups;
        let Some(place) = self.places.find(seeded(key, self.seed), |place| groups[place].key == key) else {
            return false;
        };
        self.newest = place;
        true
    }

    fn begin(&mut self, key: Key<K>, let_go: impl FnMut(Group<K>) -> Vec<Visit>) {
        if self.groups.len() >= self.breadth.groups_max() {
            self.let_the_smallest_go(let_go);
        }
        let waiting = self.rooms.pop().unwrap_or_else(|| Vec::with_capacity(WAITING_MAX));
        self.newest = self.groups.len();
        self.enter(key);
        self.groups.push(Group::begin(key, waiting));
    }

    /// The next place is that of `key`.
    fn enter(&mut self, key: Key<K>) {
        let (groups, seed) = (&self.groups, self.seed);
        self.places.push(seeded(key, seed), |place| seeded(groups[place].key, seed));
    }

    /// Takes over a group of other keys, and gives back its room.
    pub fn take_over<O>(
        &mut self,
        key: Key<K>,
        mut other: Group<O>,
        let_go: impl FnMut(Group<K>) -> Vec<Visit>,
    ) -> Vec<Visit> {
        let bounds = self.bounds();
        let group = self.group(key, let_go);
        if other.pile.is_none() {
            for visit in &other.waiting {
                if group.push(visit) {
                    group.count(bounds);
                }
            }
        } else {
            let pile = other.count(bounds);
            group.sockets += pile.sockets;
            group.count(bounds).join(pile);
        }
        other.waiting
    }

    /// Something has happened in so many intervals of this length: no group needs more and shorter ones.
    pub fn widen(&mut self, (interval_ns, moments): (i64, usize)) {
        (self.interval_ns, self.moments) = (interval_ns, moments);
    }

    /// Everything that was counted.
    pub fn finish(mut self) -> Groups<K> {
        let bounds = self.bounds();
        for (key, visit) in std::mem::take(&mut self.newcomers).into_iter().flatten() {
            let mut group = Group::begin(key, Vec::new());
            group.push(&visit);
            self.groups.push(group);
        }
        let piles = self.groups.into_iter().map(|mut group| {
            group.count(bounds);
            let mut pile = group.pile.unwrap_or_else(|| Box::new(Pile::new(bounds.ns)));
            (pile.idle, pile.clocks, pile.exits) = (group.idle, group.clocks, group.exits);
            (group.key.of, pile)
        });
        let mut groups = Groups { piles: piles.collect(), intervals_max: self.intervals_max, let_go: 0 };
        groups.piles.sort_unstable_by_key(|&(key, _)| key);
        groups
    }

    /// The groups without their sockets: what is known of them beside.
    pub fn habits(&self) -> Groups<K> {
        let with_habits = self.groups.iter().map(|group| {
            let mut pile = Box::new(Pile::new(self.interval_ns));
            (pile.idle, pile.clocks, pile.exits) = (group.idle.clone(), group.clocks.clone(), group.exits.clone());
            (group.key.of, pile)
        });
        let mut groups = Groups { piles: with_habits.collect(), intervals_max: self.intervals_max, let_go: 0 };
        groups.piles.sort_unstable_by_key(|&(key, _)| key);
        groups
    }

    /// As short as all groups together may have them.
    #[inline]
    fn bounds(&self) -> Bounds {
        let share = (self.intervals_max * self.groups.len() / self.breadth.intervals_total + 1).next_power_of_two();
        let max = (self.intervals_max / share).max(self.breadth.intervals_min);
        let longer = self.moments.div_ceil(max).max(1).next_power_of_two();
        Bounds { ns: self.interval_ns.saturating_mul(longer as i64), max }
    }

    /// Ties go by the key, so that the same capture keeps the same groups.
    fn let_the_smallest_go(&mut self, mut let_go: impl FnMut(Group<K>) -> Vec<Visit>) {
        self.order.clear();
        self.order.extend(0..self.groups.len());
        let groups = &self.groups;
        let kept = self.breadth.groups_kept;
        self.order.select_nth_unstable_by(kept, |&a, &b| {
            (groups[b].sockets, groups[a].key.of).cmp(&(groups[a].sockets, groups[b].key.of))
        });
        // From the last place on, so that what takes a place has stayed.
        self.order[kept..].sort_unstable_by(|a, b| b.cmp(a));
        for &place in &self.order[kept..] {
            let mut room = let_go(self.groups.swap_remove(place));
            room.clear();
            self.rooms.push(room);
        }
        self.places.clear();
        for place in 0..self.groups.len() {
            self.enter(self.groups[place].key);
        }
        let intervals_max = self.breadth.intervals_total / self.breadth.groups_max();
        self.groups.iter_mut().filter_map(|group| group.pile.as_mut()).for_each(|pile| pile.fit(intervals_max));
    }
}

/// Piles by key.
#[derive(Clone, Debug)]
pub struct Groups<K> {
    /// By key.
    piles: Vec<(K, Box<Pile>)>,
    intervals_max: usize,
    /// Sockets of groups that were let go.
    let_go: u64,
}

impl<K: Copy + Ord> Groups<K> {
    /// Every group by its key.
    pub fn sorted(&self) -> Vec<(K, &Pile)> {
        self.piles.iter().map(|(key, pile)| (*key, &**pile)).collect()
    }

    /// The groups whose keys compare as equal, by their keys; those that do must stand together.
    pub fn within(&self, compare: impl Fn(&K) -> Ordering) -> impl Iterator<Item = (K, &Pile)> {
        let first = self.piles.partition_point(|(key, _)| compare(key).is_lt());
        let those = self.piles[first..].iter().take_while(move |(key, _)| compare(key).is_eq());
        those.map(|(key, pile)| (*key, &**pile))
    }

    /// The pile of `key`, if it is kept.
    pub fn get(&self, key: K) -> Option<&Pile> {
        let place = self.piles.binary_search_by_key(&key, |&(key, _)| key).ok()?;
        Some(&self.piles[place].1)
    }

    /// Sockets in groups that were too many to keep.
    pub fn let_go(&self) -> u64 {
        self.let_go
    }

    pub(super) fn lose(&mut self, sockets: u64) {
        self.let_go += sockets;
    }

    /// Adds `pile` to that of `key`.
    pub(super) fn join(&mut self, key: K, pile: &Pile) {
        match self.piles.binary_search_by_key(&key, |&(key, _)| key) {
            Ok(place) => self.piles[place].1.join(pile),
            Err(place) => self.piles.insert(place, (key, Box::new(pile.clone()))),
        }
    }

    /// Only the largest stay, with as many intervals as they may have together.
    pub(super) fn fit(&mut self) {
        if self.piles.len() > GROUPS_MAX {
            self.piles
                .sort_unstable_by(|(key, pile), (other, theirs)| (theirs.sockets, key).cmp(&(pile.sockets, other)));
            let smallest = self.piles.split_off(GROUPS_MAX);
            self.let_go += smallest.iter().map(|(_, pile)| pile.sockets).sum::<u64>();
            self.piles.sort_unstable_by_key(|&(key, _)| key);
        }
        let intervals_max = (INTERVALS_TOTAL / self.piles.len().max(1)).clamp(INTERVALS_MIN, self.intervals_max);
        self.piles.iter_mut().for_each(|(_, pile)| pile.fit(intervals_max));
    }
}

#[cfg(test)]
mod tests {
    use super::super::distinct::mixed;
    use super::super::visit::{Attempted, Visitor};
    use super::*;

    #[test]
    fn of_too_many_groups_the_largest_stay_and_the_others_are_handed_over() {
        let visitor = Visitor {
            stream: 1,
            start: Timestamp(0),
            peer: 0,
            held_ns: None,
            attempted: Attempted::Unanswered,
            closer: None,
            is_single: true,
            is_guess: false,
            is_outside: false,
        };
        let key = |of: u64| Key { of, hash: mixed(of) };
        let nobody = |_: Group<u64>| unreachable!();
        let mut groups = Gathering::new(INTERVAL_NS);
        let mut others = Gathering::new(INTERVAL_NS);
        for n in 0..20 * GROUPS_MAX as u64 {
            for _ in 0..if n == 7 { 100 } else { 1 + n % 2 } {
                Visit::each(&visitor, &[], Timestamp(0), |visit| {
                    let lone = groups.take(key(n), visit, |group| others.take_over(key(0), group, nobody));
                    if let Some((_, visit)) = lone {
                        others.group(key(0), nobody);
                        others.add(&visit);
                    }
                });
                if let Some(group) = groups.groups.last_mut() {
                    group.sockets += u64::from(group.key.of == 7);
                }
            }
        }
        let (kept, others) = (groups.finish(), others.finish());
        assert!(kept.sorted().len() <= GROUPS_MAX + NEWCOMERS_MAX, "{}", kept.sorted().len());
        assert_eq!(kept.get(7).map(|pile| pile.attempts.unanswered), Some(100));
        assert!(kept.get(1 << 40).is_none());
        let all = kept.sorted().into_iter().chain(others.sorted());
        assert_eq!(all.map(|(_, pile)| pile.attempts.single).sum::<u64>(), 30 * GROUPS_MAX as u64 + 98);
    }
}
