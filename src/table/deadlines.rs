//! When connections may leave: a queue in the order of (time, stream) that costs the same however many stand in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::base::Timestamp;

/// Entries of one bucket are put in order when its time comes; about a second of ns.
const BUCKET_BITS: u32 = 30;

/// When and who: the stream number tells whether the slot still holds the one that was meant.
pub(super) type Deadline = (Timestamp, u64, u32);

/// Entries are never taken out before their time: one that no longer holds is recognised by its owner.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    buckets: BTreeMap<i64, Vec<Deadline>>,
    /// The bucket whose time has come.
    current: BinaryHeap<Reverse<Deadline>>,
    /// The bucket before which `current` holds everything.
    reached: Option<i64>,
    /// The bucket that was pushed to last, outside the map.
    hand: Option<(i64, Vec<Deadline>)>,
    len: usize,
}

impl Deadlines {
    pub fn push(&mut self, deadline: Deadline) {
        self.len += 1;
        let bucket = deadline.0.0 >> BUCKET_BITS;
        if self.reached.is_some_and(|reached| bucket <= reached) {
            self.current.push(Reverse(deadline));
            return;
        }
        match &mut self.hand {
            Some((number, entries)) if *number == bucket => entries.push(deadline),
            _ => {
                self.lay_down();
                let mut entries = self.buckets.remove(&bucket).unwrap_or_default();
                entries.push(deadline);
                self.hand = Some((bucket, entries));
            }
        }
    }

    /// The first entry whose time lies before `now`.
    pub fn pop_before(&mut self, now: Timestamp) -> Option<Deadline> {
        loop {
            if let Some(Reverse(first)) = self.current.peek() {
                if first.0 >= now {
                    return None;
                }
                self.len -= 1;
                return self.current.pop().map(|Reverse(first)| first);
            }
            let held = self.hand.as_ref().map(|(number, _)| *number);
            let next = self.buckets.first_key_value().map(|(&number, _)| number);
            let bucket = held.into_iter().chain(next).min()?;
            if bucket << BUCKET_BITS >= now.0 {
                return None;
            }
            self.lay_down();
            self.current = self.buckets.remove(&bucket)?.into_iter().map(Reverse).collect();
            self.reached = Some(bucket);
        }
    }

    /// No entry lies before this time.
    pub fn earliest(&self) -> Timestamp {
        if let Some(Reverse(first)) = self.current.peek() {
            return first.0;
        }
        let held = self.hand.as_ref().map(|(number, _)| *number);
        let next = self.buckets.first_key_value().map(|(&number, _)| number);
        Timestamp(held.into_iter().chain(next).min().map_or(i64::MAX, |bucket| bucket << BUCKET_BITS))
    }

    /// How many entries stand in it, those that no longer hold included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Takes out what no longer holds.
    pub fn retain(&mut self, mut holds: impl FnMut(&Deadline) -> bool) {
        self.lay_down();
        self.current.retain(|Reverse(deadline)| holds(deadline));
        self.buckets.values_mut().for_each(|entries| entries.retain(&mut holds));
        self.buckets.retain(|_, entries| !entries.is_empty());
        self.len = self.current.len() + self.buckets.values().map(Vec::len).sum::<usize>();
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn lay_down(&mut self) {
        if let Some((number, entries)) = self.hand.take() {
            self.buckets.insert(number, entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entries_come_out_in_the_order_of_an_ordered_set() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut deadlines = Deadlines::default();
        let mut model: BTreeSet<Deadline> = BTreeSet::new();
        let mut now = 0i64;
        for stream in 0..20_000u64 {
            let at = now + rng.i64(-2_000_000_000..60_000_000_000);
            deadlines.push((Timestamp(at), stream, stream as u32));
            model.insert((Timestamp(at), stream, stream as u32));
            now += rng.i64(0..20_000_000);
            assert!(deadlines.earliest() <= model.first().map_or(Timestamp(i64::MAX), |first| first.0));
            while let Some(due) = deadlines.pop_before(Timestamp(now)) {
                assert_eq!(Some(due), model.pop_first());
            }
            assert!(model.first().is_none_or(|first| first.0 >= Timestamp(now)));
            if stream % 5_000 == 0 {
                deadlines.retain(|&(_, stream, _)| stream % 3 != 0);
                model.retain(|&(_, stream, _)| stream % 3 != 0);
            }
            assert_eq!(deadlines.len(), model.len());
        }
    }
}
