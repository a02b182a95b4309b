//! Sockets by group when no more come.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use super::crew::Crew;
use super::gathering::Habits;
use super::outline::Outline;
use super::pace::Bounds;
use super::pile::Pile;
use super::piling::{Epoch, Heap};
use super::store::{List, Store};
use crate::connection::State;

/// Groups that are certainly kept, those with most sockets. Beyond, a report would be read by nobody, and addresses can
/// be made up by the million.
pub const GROUPS_KEPT: usize = 1_024;
/// Intervals kept of all groups of a kind together: some 19 MB at most.
pub(super) const INTERVALS_TOTAL: usize = 1 << 18;
/// Intervals of one group, however many there are.
pub(super) const INTERVALS_MIN: usize = 128;

/// How much is kept of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breadth {
    /// Groups of a kind that are certainly kept; twice as many before the smallest are let go.
    pub(super) groups_kept: usize,
    /// Intervals of all groups of a kind together.
    pub(super) intervals_total: usize,
    /// Intervals of one group, however many there are.
    pub(super) intervals_min: usize,
    /// Connections of which the ends wait to be counted.
    pub(super) waiting_max: usize,
}

impl Breadth {
    /// For what has an end: as much as a report can use.
    pub const WHOLE: Self = Self {
        groups_kept: GROUPS_KEPT,
        intervals_total: INTERVALS_TOTAL,
        intervals_min: INTERVALS_MIN,
        waiting_max: 1 << 18,
    };
    /// For what goes on for days: so little that all of it is in use after some hours, and a process stays as large as it is.
    pub const ENDLESS: Self =
        Self { groups_kept: 128, intervals_total: 1 << 14, intervals_min: 32, waiting_max: 1 << 14 };

    /// Groups before the smallest are let go.
    pub(super) fn groups_max(self) -> usize {
        2 * self.groups_kept
    }
}

impl Default for Breadth {
    fn default() -> Self {
        Self::WHOLE
    }
}

/// Piles by key. A pile is counted when it is asked for.
#[derive(Clone, Debug)]
pub struct Groups<K> {
    /// By key.
    groups: Vec<Grown<K>>,
    epochs: Vec<Epoch>,
    store: Arc<Store>,
    /// Sockets of groups that were let go.
    let_go: u64,
}

/// A group that gets no more sockets.
#[derive(Clone, Debug)]
pub(super) struct Grown<K> {
    pub key: K,
    pub outline: Outline,
    pub list: List,
    pub heap: Heap,
    pub habits: Option<Box<Habits>>,
    pub pile: OnceLock<Box<Pile>>,
}

impl<K: Copy + Ord> Groups<K> {
    /// Those of which the ends are in `store`, after these epochs.
    pub(super) fn of(mut groups: Vec<Grown<K>>, epochs: Vec<Epoch>, store: Arc<Store>, let_go: u64, crew: Crew) -> Self
    where
        K: Send,
    {
        groups.sort_unstable_by_key(|group| group.key);
        let begun = groups.iter_mut().filter(|group| group.heap.pile.is_some());
        crew.for_sockets(store.len()).share(begun, |group, blocks| {
            group.heap.settle_all(&mut group.list, blocks, &store, &epochs);
            group.pile = group.heap.pile.take().map_or_else(OnceLock::new, OnceLock::from);
        });
        Self { groups, epochs, store, let_go }
    }

    /// Groups without sockets, of which something is known beside.
    pub(super) fn of_habits(habits: impl Iterator<Item = (K, Option<Box<Habits>>)>) -> Self
    where
        K: Send,
    {
        let (outline, list, heap, pile) = (Outline::default(), List::EMPTY, Heap::default(), OnceLock::new());
        let with = |(key, habits)| Grown { key, outline, list, heap: heap.clone(), habits, pile: pile.clone() };
        let bounds = Bounds { ns: 1, max: 1 };
        Self::of(habits.map(with).collect(), vec![Epoch { bounds, fit: None }], Arc::default(), 0, Crew::ALONE)
    }

    /// Every group by its key.
    pub fn sorted(&self) -> Vec<(K, &Pile)> {
        self.reaching(|_| true).collect()
    }

    /// The groups of which the outline is enough, by their keys.
    pub fn reaching(&self, is_enough: impl Fn(&Outline) -> bool) -> impl Iterator<Item = (K, &Pile)> {
        let those = self.groups.iter().filter(move |group| is_enough(&group.outline));
        those.map(|group| (group.key, self.pile(group)))
    }

    /// The outlines of all groups, by their keys.
    pub fn outlines(&self) -> impl Iterator<Item = (K, &Outline)> {
        self.groups.iter().map(|group| (group.key, &group.outline))
    }

    /// Those of the groups whose keys compare as equal; those that do must stand together.
    pub fn within(&self, compare: impl Fn(&K) -> Ordering) -> impl Iterator<Item = (K, &Outline)> {
        let first = self.groups.partition_point(|group| compare(&group.key).is_lt());
        let those = self.groups[first..].iter().take_while(move |group| compare(&group.key).is_eq());
        those.map(|group| (group.key, &group.outline))
    }

    /// The pile of `key`, if it is kept.
    pub fn get(&self, key: K) -> Option<&Pile> {
        let place = self.groups.binary_search_by_key(&key, |group| group.key).ok()?;
        Some(self.pile(&self.groups[place]))
    }

    /// The pile of `key`, counted for the one who asks.
    pub(super) fn counted(&self, key: K) -> Option<Box<Pile>> {
        let place = self.groups.binary_search_by_key(&key, |group| group.key).ok()?;
        Some(self.count(&self.groups[place]))
    }

    /// The same, unless it was counted before.
    pub(super) fn lent(&self, key: K) -> Option<Cow<'_, Pile>> {
        let place = self.groups.binary_search_by_key(&key, |group| group.key).ok()?;
        let group = &self.groups[place];
        Some(group.pile.get().map_or_else(|| Cow::Owned(*self.count(group)), |pile| Cow::Borrowed(&**pile)))
    }

    /// The piles that are counted already, with their keys. They are not here any more.
    pub(super) fn take_counted(&mut self) -> Vec<(K, Box<Pile>)> {
        self.groups.iter_mut().filter_map(|group| Some((group.key, group.pile.take()?))).collect()
    }

    /// What is known of groups beside how many sockets they had, by their keys.
    pub fn habits(&self) -> impl Iterator<Item = (K, &Habits)> {
        self.groups.iter().filter_map(|group| Some((group.key, group.habits.as_deref()?)))
    }

    /// Sockets in groups that were too many to keep.
    pub fn let_go(&self) -> u64 {
        self.let_go
    }

    /// The pile of `group`, counted now if nobody has asked for it before.
    fn pile<'a>(&self, group: &'a Grown<K>) -> &'a Pile {
        group.pile.get_or_init(|| self.count(group))
    }

    fn count(&self, group: &Grown<K>) -> Box<Pile> {
        let (mut heap, mut list) = (Heap::default(), group.list);
        heap.settle_all(&mut list, &mut Vec::new(), &self.store, &self.epochs);
        let pile = heap.pile.unwrap_or_else(|| unreachable!("what was settled is there"));
        debug_assert!(pile.peak(State::TimeWait).sockets <= group.outline.time_waits_at_once, "{:?}", group.outline);
        pile
    }
}
