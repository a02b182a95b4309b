//! When connections may leave: a queue in the order of (time, stream) that costs the same however many stand in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::base::Timestamp;

/// Entries of one bucket are put in order when its time comes; about a second of ns.
const BUCKET_BITS: u32 = 30;

/// Buckets that stand in a row, one for each such second: longer than any timer but some of RFC 1122.
const ROW: i64 = 512;

/// When and who: the stream number tells whether the slot still holds the one that was meant.
pub(super) type Deadline = (Timestamp, u64, u32);

/// A deadline in the bucket that tells the rest of it, in 12 octets.
#[derive(Clone, Copy, Debug)]
struct Packed {
    /// Nanoseconds from the beginning of the bucket.
    offset: u32,
    slot: u32,
    /// The lower half of the stream number.
    stream: u32,
}

impl Packed {
    #[inline]
    fn of((at, stream, slot): Deadline) -> Self {
        Self { offset: (at.0 & ((1 << BUCKET_BITS) - 1)) as u32, slot, stream: stream as u32 }
    }

    /// Streams are numbered one after the other: of those with this lower half, it is the newest up to `newest`.
    #[inline]
    fn unpack(self, bucket: i64, newest: u64) -> Deadline {
        let age = (newest as u32).wrapping_sub(self.stream);
        let at = Timestamp((bucket << BUCKET_BITS) + i64::from(self.offset));
        (at, newest.wrapping_sub(age.into()), self.slot)
    }
}

/// Entries are never taken out before their time: one that no longer holds is recognised by its owner.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// The buckets from number `base` on.
    row: VecDeque<Vec<Packed>>,
    base: i64,
    /// Buckets outside the row.
    far: BTreeMap<i64, Vec<Packed>>,
    /// The bucket whose time has come, the last entry first.
    current: Vec<Deadline>,
    /// Entries that came when the time of their bucket had come.
    late: BinaryHeap<Reverse<Deadline>>,
    /// The bucket before which `current` and `late` hold everything.
    reached: Option<i64>,
    len: usize,
    /// The highest stream number.
    newest: u64,
}

impl Deadlines {
    #[inline]
    pub fn push(&mut self, deadline: Deadline) {
        self.len += 1;
        self.newest = self.newest.max(deadline.1);
        let bucket = deadline.0.0 >> BUCKET_BITS;
        if self.reached.is_some_and(|reached| bucket <= reached) {
            self.late.push(Reverse(deadline));
            return;
        }
        match usize::try_from(bucket.wrapping_sub(self.base)).ok().and_then(|at| self.row.get_mut(at)) {
            Some(entries) => entries.push(Packed::of(deadline)),
            None => self.push_outside(bucket, deadline),
        }
    }

    #[cold]
    fn push_outside(&mut self, bucket: i64, deadline: Deadline) {
        if self.row.is_empty() {
            // The first timer is that of a SYN, and longer than most that follow.
            self.base = bucket.saturating_sub(ROW / 2);
        }
        match bucket.checked_sub(self.base) {
            Some(at @ 0..ROW) => {
                let at = at as usize;
                self.row.resize_with(self.row.len().max(at + 1), Vec::new);
                self.row[at].push(Packed::of(deadline));
            }
            _ => self.far.entry(bucket).or_default().push(Packed::of(deadline)),
        }
    }

    /// The first entry if it comes before time and stream number `end`.
    #[inline]
    pub fn pop_before(&mut self, end: (Timestamp, u64)) -> Option<Deadline> {
        loop {
            let late = self.late.peek().map(|Reverse(first)| *first);
            match (self.current.last(), late) {
                (Some(first), late) if late.is_none_or(|late| *first <= late) => {
                    if (first.0, first.1) >= end {
                        return None;
                    }
                    self.len -= 1;
                    return self.current.pop();
                }
                (_, Some(first)) => {
                    if (first.0, first.1) >= end {
                        return None;
                    }
                    self.len -= 1;
                    return self.late.pop().map(|Reverse(first)| first);
                }
                (_, None) => {}
            }
            if !self.turn(end.0) {
                return None;
            }
        }
    }

    /// Who stands `places` behind the first one, if that is known: to be brought into the cache.
    #[inline]
    pub fn behind(&self, places: usize) -> Option<u32> {
        let at = self.current.len().checked_sub(places + 1)?;
        Some(self.current[at].2)
    }

    /// No entry lies before this time.
    pub fn earliest(&self) -> Timestamp {
        let late = self.late.peek().map(|Reverse(first)| first.0);
        let current = self.current.last().map(|first| first.0);
        if let Some(first) = late.into_iter().chain(current).min() {
            return first;
        }
        Timestamp(self.next_bucket().map_or(i64::MAX, |bucket| bucket << BUCKET_BITS))
    }

    /// How many entries stand in it, those that no longer hold included.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Takes out what no longer holds.
    pub fn retain(&mut self, mut holds: impl FnMut(&Deadline) -> bool) {
        self.current.retain(&mut holds);
        self.late.retain(|Reverse(deadline)| holds(deadline));
        let newest = self.newest;
        let row = self.row.iter_mut().enumerate().map(|(at, entries)| (self.base + at as i64, entries));
        for (bucket, entries) in row.chain(self.far.iter_mut().map(|(&bucket, entries)| (bucket, entries))) {
            entries.retain(|packed| holds(&packed.unpack(bucket, newest)));
            // Under a flood each second would keep the room of all that came in it.
            entries.shrink_to(2 * entries.len());
        }
        self.far.retain(|_, entries| !entries.is_empty());
        let waiting: usize = self.row.iter().chain(self.far.values()).map(Vec::len).sum();
        self.len = self.current.len() + self.late.len() + waiting;
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Puts the next bucket in order if it begins by `end`.
    fn turn(&mut self, end: Timestamp) -> bool {
        let Some(bucket) = self.next_bucket().filter(|bucket| bucket << BUCKET_BITS <= end.0) else { return false };
        let newest = self.newest;
        let unpack = |packed: Packed| packed.unpack(bucket, newest);
        self.current.clear();
        if let Some(entries) = self.far.remove(&bucket) {
            self.current.extend(entries.into_iter().map(unpack));
        }
        while self.base <= bucket
            && let Some(entries) = self.row.pop_front()
        {
            if self.base == bucket {
                self.current.extend(entries.into_iter().map(unpack));
            }
            self.base += 1;
        }
        self.current.sort_unstable_by(|a, b| b.cmp(a));
        self.reached = Some(bucket);
        true
    }

    /// The first bucket with an entry.
    fn next_bucket(&self) -> Option<i64> {
        let in_row = self.row.iter().position(|entries| !entries.is_empty()).map(|at| self.base + at as i64);
        let far = self.far.first_key_value().map(|(&bucket, _)| bucket);
        in_row.into_iter().chain(far).min()
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
        for stream in 0..if cfg!(miri) { 500 } else { 20_000u64 } {
            let at =
                now + rng.i64(-2_000_000_000..60_000_000_000) + if stream % 100 == 0 { 900_000_000_000 } else { 0 };
            deadlines.push((Timestamp(at), stream, stream as u32));
            model.insert((Timestamp(at), stream, stream as u32));
            now += rng.i64(0..20_000_000);
            // The row runs dry, and begins anew elsewhere.
            now += if stream % 4_000 == 3_999 { 2_000_000_000_000 } else { 0 };
            assert!(deadlines.earliest() <= model.first().map_or(Timestamp(i64::MAX), |first| first.0));
            while let Some(due) = deadlines.pop_before((Timestamp(now), 0)) {
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
