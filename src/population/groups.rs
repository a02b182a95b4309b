//! Piles by key, the largest of them when there are too many.

use std::collections::HashMap;
use std::hash::Hash;

use foldhash::fast::RandomState;

use super::pile::Pile;
use super::series::INTERVAL_NS;

/// Groups that are certainly kept, those with most sockets. Beyond, a report would be read by nobody, and addresses can
/// be made up by the million.
pub const GROUPS_KEPT: usize = 1_024;
/// Groups kept before the smallest are let go.
const GROUPS_MAX: usize = 2 * GROUPS_KEPT;
/// Intervals kept of all groups of a kind together: some 28 MB at most.
const INTERVALS_TOTAL: usize = 1 << 18;
/// Intervals of one group, however few groups there are, where nobody asked for an interval: more than any terminal has
/// columns. A late change far back in a longer row would cost more than the rest of a connection's counting.
const INTERVALS_MAX: usize = 1 << 10;
/// The same where the user named the interval and wants to see it.
const INTERVALS_MAX_ASKED: usize = 1 << 14;
/// Intervals of one group, however many there are.
const INTERVALS_MIN: usize = 128;

/// Piles by key.
#[derive(Clone, Debug)]
pub struct Groups<K> {
    interval_ns: i64,
    intervals_max: usize,
    places: HashMap<K, usize, RandomState>,
    /// In boxes, since many come and go where destinations are many.
    piles: Vec<(K, Box<Pile>)>,
    /// Sockets of groups that were let go.
    let_go: u64,
}

impl<K: Copy + Ord + Hash> Groups<K> {
    pub(super) fn new(interval_ns: i64) -> Self {
        let intervals_max = if interval_ns == INTERVAL_NS { INTERVALS_MAX } else { INTERVALS_MAX_ASKED };
        Self { interval_ns, intervals_max, places: HashMap::default(), piles: Vec::new(), let_go: 0 }
    }

    /// The pile of `key`, with the number of intervals that it may have.
    pub(super) fn pile(&mut self, key: K) -> (&mut Pile, usize) {
        if self.piles.len() >= GROUPS_MAX && !self.places.contains_key(&key) {
            self.let_the_smallest_go();
        }
        let intervals_max = (INTERVALS_TOTAL / self.piles.len().max(1)).clamp(INTERVALS_MIN, self.intervals_max);
        let (piles, interval_ns) = (&mut self.piles, self.interval_ns);
        let place = *self.places.entry(key).or_insert_with(|| {
            piles.push((key, Box::new(Pile::new(interval_ns))));
            piles.len() - 1
        });
        (&mut self.piles[place].1, intervals_max)
    }

    /// Every group by its key.
    pub fn sorted(&self) -> Vec<(K, &Pile)> {
        let mut all: Vec<(K, &Pile)> = self.piles.iter().map(|(key, pile)| (*key, &**pile)).collect();
        all.sort_by_key(|&(key, _)| key);
        all
    }

    /// The pile of `key`, if it is kept.
    pub fn get(&self, key: K) -> Option<&Pile> {
        self.places.get(&key).map(|&place| &*self.piles[place].1)
    }

    /// Sockets in groups that were too many to keep.
    pub fn let_go(&self) -> u64 {
        self.let_go
    }

    /// Ties go by the key, so that the same capture keeps the same groups.
    fn let_the_smallest_go(&mut self) {
        // Piles are large: they are told apart by their places, and each that stays moves once.
        let mut order: Vec<usize> = (0..self.piles.len()).collect();
        order.select_nth_unstable_by(GROUPS_KEPT, |&a, &b| {
            let ((key, pile), (other_key, other)) = (&self.piles[a], &self.piles[b]);
            (other.sockets, key).cmp(&(pile.sockets, other_key))
        });
        let mut stays = vec![false; self.piles.len()];
        order[..GROUPS_KEPT].iter().for_each(|&place| stays[place] = true);
        let mut stays = stays.into_iter();
        self.piles.retain(|(_, pile)| {
            let stays = stays.next().unwrap_or(false);
            self.let_go += if stays { 0 } else { pile.sockets };
            stays
        });
        let intervals_max = INTERVALS_TOTAL / GROUPS_MAX;
        self.piles.iter_mut().for_each(|(_, pile)| pile.fit(intervals_max));
        self.places = self.piles.iter().enumerate().map(|(place, &(key, _))| (key, place)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_groups_the_largest_stay() {
        let mut groups = Groups::new(1_000_000);
        for n in 0..10 * GROUPS_MAX as u64 {
            let (pile, intervals_max) = groups.pile(n);
            pile.sockets += if n == 7 { 100 } else { 1 };
            assert!(intervals_max >= INTERVALS_MIN);
        }
        let kept = groups.sorted();
        assert!(kept.len() <= GROUPS_MAX, "{}", kept.len());
        assert_eq!(kept.iter().map(|(_, pile)| pile.sockets).max(), Some(100));
        let sockets: u64 = kept.iter().map(|(_, pile)| pile.sockets).sum();
        assert_eq!(sockets + groups.let_go(), 10 * GROUPS_MAX as u64 + 99);
        assert!(groups.get(7).is_some() && groups.get(1_u64 << 40).is_none());
    }
}
