//! Sockets by group while connections leave, the largest of the groups when there are too many.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::account::Habit;
use super::clocks::{Attempt, Clocks};
use super::crew::Crew;
use super::exits::Exits;
use super::groups::{Breadth, Groups, Grown};
use super::idle::{IdleClose, IdleEnds};
use super::outline::Gauge;
use super::pace::{Bounds, intervals_max};
use super::piling::{Epoch, Heap};
use super::places::Places;
use super::store::{Block, End, List, Node, Store};
use crate::base::prefetch::prefetch;
use crate::base::{Endpoint, Timestamp};
use crate::connection::{OpenKind, Orderly};

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

/// Groups by key, while sockets come.
#[derive(Clone, Debug)]
pub struct Gathering<K> {
    breadth: Breadth,
    /// How short an interval of time may be, ns.
    interval_ns: i64,
    /// In how many such intervals something happened, when that was said last.
    moments: usize,
    intervals_max: usize,
    /// Of `groups`.
    places: Places,
    /// Against made-up addresses that fall into one place.
    seed: u64,
    groups: Vec<Group<K>>,
    /// The group found last.
    newest: usize,
    /// First sockets of groups, by their hashes.
    newcomers: Vec<Option<Newcomer<K>>>,
    /// How often a group began.
    begun: u64,
    /// What bounds there were since ends were counted last.
    epochs: Vec<Epoch>,
    /// Where groups are put in order; kept for its memory.
    order: Vec<usize>,
    blocks: Vec<Block>,
}

/// The first socket of a group, which may stay the only one.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Newcomer<K> {
    /// Its group's.
    pub key: Key<K>,
    /// The socket.
    pub end: End,
}

const _: () = assert!(size_of::<Option<Newcomer<(IpAddr, Endpoint)>>>() == 64);
const _: () = assert!(size_of::<Group<(IpAddr, Endpoint)>>() == 128);

/// Where the group of a key was looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint(u32);

impl Hint {
    /// Nowhere yet.
    pub const UNKNOWN: Self = Self(u32::MAX);
    /// There is none.
    const NONE: Self = Self(u32::MAX - 1);

    /// There is no group of this key.
    #[inline]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }
}

/// The sockets of one group. What every socket needs comes first, on as few lines of the cache as there can be.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Group<K> {
    /// What they have in common.
    pub key: Key<K>,
    /// Those that are not in the heap yet.
    list: List,
    /// What there is of them.
    pub gauge: Gauge,
    heap: Heap,
    habits: Option<Box<Habits>>,
}

/// What is known of a service beside how many sockets it had.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// Connections that ended after a silence.
    pub idle: IdleEnds,
    /// The newest attempts, by the clients' clocks.
    pub clocks: Clocks,
    /// When its sockets lived and when it refused.
    pub exits: Exits,
}

impl Habits {
    /// Learns from the connection `stream`, which ended at `end`.
    fn learn(&mut self, stream: u64, end: Timestamp, habit: &Habit) {
        if let Some(idle) = &habit.idle {
            self.idle.take(stream, end, idle);
        }
        if let Some(passage) = &habit.passage {
            self.exits.take(passage);
        }
        if let Some(attempt) = habit.attempt {
            self.clocks.take(attempt);
        }
    }

    /// The same from a life that was told in short, of a client of this hash: piece by piece, and nothing put together.
    #[inline(always)]
    fn learn_orderly(&mut self, orderly: &Orderly, client: u64) {
        if let Some(idle) = IdleClose::of_orderly(orderly) {
            self.idle.take(orderly.stream, orderly.end, &idle);
        }
        self.exits.take_orderly(orderly, client);
        if let Some(clock) = orderly.syn_clock {
            self.clocks.take_with(|| Attempt::of_syn(orderly, clock));
        }
    }
}

#[inline]
fn seeded(hash: u64, seed: u64) -> u64 {
    let product = u128::from(hash ^ seed) * u128::from(0x9e37_79b9_7f4a_7c15_u64);
    product as u64 ^ (product >> u64::BITS) as u64
}

impl<K> Group<K> {
    fn begin(key: Key<K>) -> Self {
        Self { key, list: List::EMPTY, gauge: Gauge::default(), heap: Heap::default(), habits: None }
    }

    #[inline]
    fn push(&mut self, end: End, epoch: u16, store: &mut Store) {
        self.gauge += end.trace;
        store.enlist(&mut self.list, end.node, epoch);
    }
}

impl<K: Copy + Ord> Gathering<K> {
    pub fn new(interval_ns: i64) -> Self {
        let mut gathering = Self {
            breadth: Breadth::WHOLE,
            interval_ns,
            moments: 0,
            intervals_max: intervals_max(interval_ns),
            places: Places::default(),
            seed: RandomState::new().hash_one(0),
            groups: Vec::new(),
            newest: 0,
            newcomers: Vec::new(),
            begun: 0,
            epochs: Vec::new(),
            order: Vec::new(),
            blocks: Vec::new(),
        };
        gathering.begin_epoch(None);
        gathering
    }

    /// The same with so much of it.
    pub fn within(self, breadth: Breadth) -> Self {
        let mut gathering = Self { breadth, ..self };
        gathering.begin_epoch(None);
        gathering
    }

    /// Asks for the memory in which the group of a key with this hash will be looked for.
    #[inline]
    pub fn fetch(&self, hash: u64) {
        self.places.fetch(seeded(hash, self.seed));
        self.newcomers.get(hash as usize % NEWCOMERS_MAX).into_iter().for_each(prefetch);
    }

    /// Asks for what is the group of a key with this hash in all likelihood, if there is one, and says where that is.
    #[inline]
    pub fn fetch_group(&self, hash: u64) -> Hint {
        let Some(place) = self.places.find(seeded(hash, self.seed), |_| true) else { return Hint::NONE };
        self.groups.get(place).into_iter().for_each(prefetch);
        Hint(place as u32)
    }

    /// The group whose only socket makes room where one with this hash is the first of its group.
    #[inline]
    pub fn makes_room(&self, hash: u64) -> Option<K> {
        let newcomer = self.newcomers.get(hash as usize % NEWCOMERS_MAX)?.as_ref()?;
        Some(newcomer.key.of)
    }

    /// How often a group began.
    #[inline]
    pub fn begun(&self) -> u64 {
        self.begun
    }

    /// The place of the group of `key`, if there is one, of which `hint` is what [`Self::fetch_group`] gave after as many had
    /// begun.
    #[inline]
    pub fn find_fetched(&mut self, key: Key<K>, hint: Hint, begun: u64) -> Option<usize> {
        match self.groups.get(hint.0 as usize) {
            Some(group) if group.key == key => Some(hint.0 as usize),
            None if hint.is_none() && self.begun == begun => None,
            _ => self.find(key),
        }
    }

    /// Asks for the memory that the next socket of a group goes to.
    #[inline]
    pub fn fetch_room(&self, hint: Hint, store: &Store) {
        if let Some(group) = self.groups.get(hint.0 as usize) {
            store.fetch_room(&group.list);
        }
    }

    /// The place of the group of `key`, if there is one, which holds until the next group begins.
    #[inline]
    pub fn find(&mut self, key: Key<K>) -> Option<usize> {
        if self.groups.get(self.newest).is_some_and(|group| group.key == key) {
            return Some(self.newest);
        }
        let groups = &self.groups;
        let place = self.places.find(seeded(key.hash, self.seed), |place| groups[place].key == key)?;
        self.newest = place;
        Some(place)
    }

    /// Asks for what is known of the group at `place` beside how many sockets it had.
    #[inline]
    pub fn fetch_habits(&self, place: Option<usize>) {
        let group = place.and_then(|place| self.groups.get(place));
        if let Some(habits) = group.and_then(|group| group.habits.as_deref()) {
            prefetch(habits);
            habits.exits.fetch();
        }
    }

    /// The group at `place` learns from the connection `stream`, which ended at `end`.
    pub(super) fn learn(&mut self, place: usize, stream: u64, end: Timestamp, habit: &Habit) {
        if !habit.is_empty() {
            self.groups[place].habits.get_or_insert_default().learn(stream, end, habit);
        }
    }

    /// The same from a life that was told in short, of a client of this hash.
    #[inline]
    pub(super) fn learn_orderly(&mut self, place: usize, orderly: &Orderly, client: u64) {
        // Of a SYN alone there is nothing else to learn.
        if orderly.open != OpenKind::Unanswered || orderly.syn_clock.is_some() {
            self.groups[place].habits.get_or_insert_default().learn_orderly(orderly, client);
        }
    }

    /// Takes a socket into the group at `place`.
    #[inline]
    pub fn add(&mut self, place: usize, end: End, store: &mut Store) {
        let epoch = self.epoch();
        self.groups[place].push(end, epoch, store);
    }

    /// Takes a socket into the group at `place`, else into that of `key`, if it is not the first one of it. Returns one that was
    /// the only of its group and has to make room.
    #[inline]
    pub fn take_at(
        &mut self,
        place: Option<usize>,
        socket: Newcomer<K>,
        store: &mut Store,
        let_go: impl FnMut(Group<K>, &mut Store),
    ) -> Option<Newcomer<K>> {
        let Newcomer { key, end, .. } = socket;
        if let Some(place) = place {
            self.add(place, end, store);
            return None;
        }
        if self.newcomers.is_empty() {
            self.newcomers.resize_with(NEWCOMERS_MAX, || None);
        }
        let newcomer = &mut self.newcomers[key.hash as usize % NEWCOMERS_MAX];
        match newcomer {
            Some(first) if first.key == key => {
                let first = first.end;
                *newcomer = None;
                let place = self.begin(key, store, let_go);
                self.add(place, first, store);
                self.add(place, end, store);
                None
            }
            Some(_) => newcomer.replace(socket),
            None => {
                *newcomer = Some(socket);
                None
            }
        }
    }

    /// Begins the group of `key`, which is not there, and gives its place. When there are too many, the smallest are given to
    /// `let_go`.
    #[inline(never)]
    pub fn begin(&mut self, key: Key<K>, store: &mut Store, let_go: impl FnMut(Group<K>, &mut Store)) -> usize {
        if self.groups.len() >= self.breadth.groups_max() {
            self.let_the_smallest_go(store, let_go);
        }
        self.begun += 1;
        self.newest = self.groups.len();
        self.enter(key);
        self.groups.push(Group::begin(key));
        self.begin_epoch(None);
        self.newest
    }

    /// The next place is that of `key`.
    fn enter(&mut self, key: Key<K>) {
        let (groups, seed) = (&self.groups, self.seed);
        self.places.push(seeded(key.hash, seed), |place| seeded(groups[place].key.hash, seed));
    }

    /// Takes over a group of other keys.
    pub fn take_over<O>(
        &mut self,
        key: Key<K>,
        mut other: Group<O>,
        store: &mut Store,
        let_go: impl FnMut(Group<K>, &mut Store),
    ) {
        let bounds = self.bounds();
        let place = self.find(key).unwrap_or_else(|| self.begin(key, store, let_go));
        let (epoch, epochs) = (self.epoch(), &self.epochs);
        let group = &mut self.groups[place];
        group.gauge.join(&other.gauge);
        store.blocks(&other.list, &mut self.blocks);
        store.give_up(other.list);
        let nodes = self.blocks.iter().flat_map(Block::nodes);
        if other.heap.pile.is_none() {
            nodes.for_each(|node| store.enlist(&mut group.list, *node, epoch));
        } else {
            let nodes: Vec<Node> = nodes.copied().collect();
            let pile = other.heap.count(&nodes, store, bounds);
            let done = group.list;
            group.heap.settle_all(&mut group.list, &mut self.blocks, store, epochs).join(pile);
            store.give_up(done);
        }
    }

    /// Something has happened in so many intervals of this length: no group needs more and shorter ones.
    pub fn widen(&mut self, (interval_ns, moments): (i64, usize)) {
        (self.interval_ns, self.moments) = (interval_ns, moments);
        self.begin_epoch(None);
    }

    /// Counts what waits, as far as it would not wait for more to be counted with. What is left moves into `kept`.
    pub fn settle(&mut self, store: &Store, kept: &mut Store, crew: Crew)
    where
        K: Send + Sync,
    {
        let epochs = &self.epochs;
        let mut rests = vec![None; self.groups.len()];
        crew.share(self.groups.iter_mut().zip(&mut rests), |(group, rest), blocks| {
            *rest = group.heap.settle(&mut group.list, blocks, store, epochs);
            group.heap.begin_again();
        });
        for (group, rest) in self.groups.iter_mut().zip(&rests) {
            for &node in rest.as_ref().map_or(&[][..], Block::nodes) {
                let node = kept.adopt(store, node);
                kept.enlist(&mut group.list, node, 0);
            }
        }
        for Newcomer { end, .. } in self.newcomers.iter_mut().flatten() {
            end.node = kept.adopt(store, end.node);
        }
        self.epochs.clear();
        self.begin_epoch(None);
    }

    /// The first sockets of groups are groups by themselves, now that no more come.
    pub fn end(&mut self, store: &mut Store) {
        let epoch = self.epoch();
        for Newcomer { key, end, .. } in std::mem::take(&mut self.newcomers).into_iter().flatten() {
            let mut group = Group::begin(key);
            group.push(end, epoch, store);
            self.groups.push(group);
        }
    }

    /// Everything that was gathered, of which the ends are in `store`, beside `let_go` sockets.
    pub fn finish(self, store: &Arc<Store>, let_go: u64, crew: Crew) -> Groups<K>
    where
        K: Send + Sync,
    {
        let grown = self.groups.into_iter().map(|Group { key, list, gauge, heap, habits }| Grown {
            key: key.of,
            outline: gauge.outline(),
            list,
            heap,
            habits,
            pile: OnceLock::new(),
        });
        Groups::of(grown.collect(), self.epochs, Arc::clone(store), let_go, crew)
    }

    /// The groups without their sockets: what is known of them beside.
    pub fn habits(&self) -> Groups<K>
    where
        K: Send + Sync,
    {
        let with_habits = self.groups.iter().map(|group| (group.key.of, group.habits.clone()));
        Groups::of_habits(with_habits)
    }

    /// What bounds there are now.
    #[inline]
    fn epoch(&self) -> u16 {
        (self.epochs.len() - 1) as u16
    }

    /// No more epochs can be told apart until ends have been counted.
    pub fn is_full(&self) -> bool {
        self.epochs.len() >= EPOCHS_MAX
    }

    /// Begins an epoch, where it differs from the one before.
    fn begin_epoch(&mut self, fit: Option<usize>) {
        let bounds = self.bounds();
        if fit.is_some() || self.epochs.last().is_none_or(|newest| newest.bounds != bounds) {
            self.epochs.push(Epoch { bounds, fit });
        }
    }

    /// As short as all groups together may have them.
    fn bounds(&self) -> Bounds {
        let share = (self.intervals_max * self.groups.len() / self.breadth.intervals_total + 1).next_power_of_two();
        let max = (self.intervals_max / share).max(self.breadth.intervals_min);
        let longer = self.moments.div_ceil(max).max(1).next_power_of_two();
        Bounds { ns: self.interval_ns.saturating_mul(longer as i64), max }
    }

    /// Ties go by the key, so that the same capture keeps the same groups.
    fn let_the_smallest_go(&mut self, store: &mut Store, mut let_go: impl FnMut(Group<K>, &mut Store)) {
        self.order.clear();
        self.order.extend(0..self.groups.len());
        let groups = &self.groups;
        let kept = self.breadth.groups_kept;
        self.order.select_nth_unstable_by(kept, |&a, &b| {
            (groups[b].gauge.sockets, groups[a].key.of).cmp(&(groups[a].gauge.sockets, groups[b].key.of))
        });
        // From the last place on, so that what takes a place has stayed.
        self.order[kept..].sort_unstable_by(|a, b| b.cmp(a));
        for &place in &self.order[kept..] {
            let mut group = self.groups.swap_remove(place);
            if group.heap.is_begun(&group.list) {
                let done = group.list;
                let rest = group.heap.settle(&mut group.list, &mut self.blocks, store, &self.epochs);
                store.give_up(done);
                for &node in rest.as_ref().map_or(&[][..], Block::nodes) {
                    store.enlist(&mut group.list, node, 0);
                }
            }
            let_go(group, store);
        }
        self.places.clear();
        for place in 0..self.groups.len() {
            self.enter(self.groups[place].key);
        }
        self.begin_epoch(Some(self.breadth.intervals_total / self.breadth.groups_max()));
    }
}

/// Epochs since ends were counted last.
const EPOCHS_MAX: usize = u16::MAX as usize - 1_000;

#[cfg(test)]
mod tests {
    use super::super::distinct::mixed;
    use super::super::groups::GROUPS_KEPT;
    use super::super::series::INTERVAL_NS;
    use super::super::stay::Stay;
    use super::super::visit::{Attempted, Visit, Visitor};
    use super::*;
    use crate::connection::{Basis, State};

    fn visitor(stream: u64, start: Timestamp) -> Visitor {
        Visitor {
            stream,
            start,
            peer: stream % 7,
            held_ns: None,
            attempted: Attempted::Unanswered,
            closer: None,
            is_single: true,
            is_guess: false,
            is_outside: false,
        }
    }

    fn key(of: u64) -> Key<u64> {
        Key { of, hash: mixed(of) }
    }

    /// Two gatherings, where what is let go or alone goes to one group of the second.
    struct Two {
        store: Store,
        groups: Gathering<u64>,
        others: Gathering<u64>,
    }

    impl Two {
        fn new(breadth: Breadth) -> Self {
            let gathering = || Gathering::new(INTERVAL_NS).within(breadth);
            Self { store: Store::default(), groups: gathering(), others: gathering() }
        }

        fn take(&mut self, of: u64, visit: &Visit) {
            let Self { store, groups, others } = self;
            let nobody = |_: Group<u64>, _: &mut Store| unreachable!();
            let end = store.push_visit(visit);
            let place = groups.find(key(of));
            let socket = Newcomer { key: key(of), end };
            let lone = groups.take_at(place, socket, store, |group, store| {
                others.take_over(key(0), group, store, nobody);
            });
            if let Some(Newcomer { end, .. }) = lone {
                let place = others.find(key(0)).unwrap_or_else(|| others.begin(key(0), store, nobody));
                others.add(place, end, store);
            }
        }

        fn settle(&mut self) {
            let Self { store, groups, others } = self;
            store.renew(|store, kept| {
                groups.settle(store, kept, Crew::of(2));
                others.settle(store, kept, Crew::ALONE);
            });
        }

        fn finish(mut self) -> [Groups<u64>; 2] {
            self.groups.end(&mut self.store);
            self.others.end(&mut self.store);
            let store = Arc::new(self.store);
            [self.groups.finish(&store, 0, Crew::of(2)), self.others.finish(&store, 0, Crew::ALONE)]
        }
    }

    #[test]
    fn of_too_many_groups_the_largest_stay_and_the_others_are_handed_over() {
        let mut two = Two::new(Breadth::WHOLE);
        let groups_max = 2 * GROUPS_KEPT as u64;
        for n in 0..20 * groups_max {
            for _ in 0..if n == 7 { 100 } else { 1 + n % 2 } {
                Visit::each(&visitor(1, Timestamp(0)), &[], Timestamp(0), |visit| two.take(n, visit));
                if let Some(group) = two.groups.groups.last_mut() {
                    group.gauge.sockets += u32::from(group.key.of == 7);
                }
            }
        }
        let [kept, others] = two.finish();
        assert!(kept.sorted().len() <= groups_max as usize + NEWCOMERS_MAX, "{}", kept.sorted().len());
        assert_eq!(kept.get(7).map(|pile| pile.attempts.unanswered), Some(100));
        assert!(kept.get(1 << 40).is_none());
        let all = kept.sorted().into_iter().chain(others.sorted());
        assert_eq!(all.map(|(_, pile)| pile.attempts.single).sum::<u64>(), 15 * 2 * groups_max + 98);
    }

    #[test]
    fn counting_again_and_again_takes_no_more_memory() {
        let mut two = Two::new(Breadth::WHOLE);
        let (mut held, mut left_over) = (Vec::new(), 0);
        for _ in 0..64 {
            // Thirteen each, and sixteen are counted together: some wait for the next time.
            for n in 0..600 * 13 {
                Visit::each(&visitor(n, Timestamp(0)), &[], Timestamp(0), |visit| two.take(n % 600, visit));
            }
            two.settle();
            held.push(two.store.held());
            left_over += two.store.len();
        }
        assert!(left_over > 64 * 2_048, "{left_over}");
        assert_eq!(held[63], held[16], "{held:?}");
    }

    /// Whether sixteen are counted as they come, all at the end, or now and then.
    #[test]
    fn when_they_are_counted_changes_nothing() {
        for seed in 0..12 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let breadth = Breadth { groups_kept: 4, intervals_total: 512, intervals_min: 16, ..Breadth::WHOLE };
            let mut twos = [Two::new(breadth), Two::new(breadth), Two::new(breadth)];
            let (mut time, mut pace) = (0, (INTERVAL_NS, 64));
            for stream in 0..3_000 {
                time += rng.i64(0..4 * INTERVAL_NS);
                let from = Timestamp(time);
                let until = Timestamp(time + rng.i64(0..200 * INTERVAL_NS));
                let stays = [State::Established, State::TimeWait].map(|state| {
                    let (from, until) = if state == State::TimeWait { (until, None) } else { (from, Some(until)) };
                    Stay { state, from, until, frame: Some(stream + 1), basis: Basis::Seen, runs_out: None }
                });
                // Some groups are large, and more come than are kept.
                let of = if rng.bool() { rng.u64(0..3) } else { rng.u64(0..40) };
                for two in &mut twos {
                    Visit::each(&visitor(stream, from), &stays, until.plus(1), |visit| two.take(of, visit));
                }
                if rng.u32(0..400) == 0 {
                    pace = if rng.bool() { (pace.0, pace.1 * 2) } else { (pace.0 * 2, pace.1) };
                    twos.iter_mut().for_each(|two| two.groups.widen(pace));
                    twos.iter_mut().for_each(|two| two.others.widen(pace));
                }
                twos[0].settle();
                if rng.u32(0..500) == 0 {
                    twos[1].settle();
                }
            }
            let [first, second, third] = twos.map(|two| two.finish().map(|groups| format!("{:?}", groups.sorted())));
            assert!(first == second && first == third, "{seed}: {first:?}\n{second:?}\n{third:?}");
        }
    }
}
