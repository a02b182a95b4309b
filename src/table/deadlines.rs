//! When connections may leave: a queue in the order of (time, stream) that costs the same however many stand in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use crate::base::Timestamp;

/// Entries of one bucket are put in order when its time comes: the upper half of a time, so that its number has 32 bits.
const BUCKET_BITS: u32 = 32;

/// Buckets that stand in a row: longer than any timer but some of RFC 1122.
const ROW: i64 = 128;

/// Some four seconds of ns in which connections may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket(i32);

impl Bucket {
    /// In no queue.
    pub const NEVER: Self = Self(i32::MAX);

    /// The one of a time.
    #[inline]
    pub fn of(at: Timestamp) -> Self {
        Self((at.0 >> BUCKET_BITS) as i32)
    }

    /// Its first moment.
    pub fn begin(self) -> Timestamp {
        Timestamp(i64::from(self.0) << BUCKET_BITS)
    }
}

/// When and who: the stream number tells whether the slot still holds the one that was meant.
pub(super) type Deadline = (Timestamp, u64, u32);

/// Who knows when somebody may leave.
pub(super) trait Agenda {
    /// What the one in `slot` stands in the queue for, if it is still the one of `stream`.
    fn scheduled(&self, slot: u32, stream: u64) -> Option<Bucket>;
    /// When it may leave by now, if ever. It is in the queue for that then.
    fn due(&mut self, slot: u32) -> Option<Timestamp>;
    /// The one in `slot` will be asked for soon.
    fn soon(&self, slot: u32);
}

/// An entry of a bucket. When exactly is looked up when the time of the bucket comes, for it may be later by then.
#[derive(Clone, Copy, Debug)]
struct Packed {
    slot: u32,
    /// The lower half of the stream number.
    stream: u32,
}

impl Packed {
    /// Streams are numbered one after the other: of those with this lower half, it is the newest up to `newest`.
    #[inline]
    fn stream(self, newest: u64) -> u64 {
        newest.wrapping_sub((newest as u32).wrapping_sub(self.stream).into())
    }
}

/// Entries that are looked up so many places later are asked for.
const LOOK_AHEAD: usize = 8;

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
    /// The bucket up to which `current` and `late` hold everything.
    reached: Option<i64>,
    len: usize,
    /// The highest stream number.
    newest: u64,
}

impl Deadlines {
    /// Whether one that stands in the queue for `scheduled` has to be put there again to leave at this time.
    #[inline]
    pub fn is_sooner(&self, at: Timestamp, scheduled: Bucket) -> bool {
        let bucket = Bucket::of(at);
        // When its time comes, all of a bucket are asked anew.
        bucket < scheduled || bucket == scheduled && self.has_reached(bucket)
    }

    #[inline]
    fn has_reached(&self, bucket: Bucket) -> bool {
        self.reached.is_some_and(|reached| i64::from(bucket.0) <= reached)
    }

    /// Puts one into the queue that [has to be](Self::is_sooner), or does not stand there yet.
    #[inline]
    pub fn push(&mut self, deadline: Deadline) {
        let (at, stream, slot) = deadline;
        if self.has_reached(Bucket::of(at)) {
            self.push_late(deadline);
        } else {
            let bucket = bucket_of(at);
            let entry = Packed { slot, stream: stream as u32 };
            match usize::try_from(bucket.wrapping_sub(self.base)).ok().and_then(|at| self.row.get_mut(at)) {
                Some(entries) => entries.push(entry),
                None => self.push_outside(bucket, entry),
            }
        }
        self.len += 1;
        self.newest = self.newest.max(stream);
    }

    #[cold]
    #[inline(never)]
    fn push_late(&mut self, deadline: Deadline) {
        self.late.push(Reverse(deadline));
    }

    #[cold]
    #[inline(never)]
    fn push_outside(&mut self, bucket: i64, entry: Packed) {
        if self.row.is_empty() {
            // The first timer is that of a SYN, and longer than most that follow.
            self.base = bucket.saturating_sub(ROW / 2);
        }
        match bucket.checked_sub(self.base) {
            Some(at @ 0..ROW) => {
                let at = at as usize;
                self.row.resize_with(self.row.len().max(at + 1), Vec::new);
                self.row[at].push(entry);
            }
            _ => self.far.entry(bucket).or_default().push(entry),
        }
    }

    /// The first entry if it comes before time and stream number `end`.
    #[inline]
    pub fn pop_before(&mut self, end: (Timestamp, u64), agenda: &mut impl Agenda) -> Option<Deadline> {
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
            if !self.turn(end.0, agenda) {
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
    pub fn sweep(&mut self, agenda: &impl Agenda) {
        let holds = |&(at, stream, slot): &Deadline| agenda.scheduled(slot, stream) == Some(Bucket::of(at));
        self.current.retain(holds);
        self.late.retain(|Reverse(deadline)| holds(deadline));
        let newest = self.newest;
        let row = self.row.iter_mut().enumerate().map(|(at, entries)| (self.base + at as i64, entries));
        for (bucket, entries) in row.chain(self.far.iter_mut().map(|(&bucket, entries)| (bucket, entries))) {
            entries.retain(|entry| {
                agenda.scheduled(entry.slot, entry.stream(newest)).is_some_and(|at| i64::from(at.0) == bucket)
            });
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

    /// Puts the next bucket in order if it begins by `end`. Who may leave later than it ends goes to another one.
    fn turn(&mut self, end: Timestamp, agenda: &mut impl Agenda) -> bool {
        let Some(bucket) = self.next_bucket().filter(|bucket| bucket << BUCKET_BITS <= end.0) else { return false };
        let newest = self.newest;
        let mut entries = self.far.remove(&bucket).unwrap_or_default();
        while self.base <= bucket
            && let Some(next) = self.row.pop_front()
        {
            if self.base == bucket {
                entries.extend_from_slice(&next);
            }
            self.base += 1;
        }
        self.reached = Some(bucket);
        self.current.clear();
        for (at, &entry) in entries.iter().enumerate() {
            if let Some(later) = entries.get(at + LOOK_AHEAD) {
                agenda.soon(later.slot);
            }
            let (slot, stream) = (entry.slot, entry.stream(newest));
            let stands = agenda.scheduled(slot, stream).is_some_and(|at| i64::from(at.0) == bucket);
            match if stands { agenda.due(slot) } else { None } {
                Some(due) if bucket_of(due) > bucket => self.push((due, stream, slot)),
                Some(due) => {
                    self.current.push((due, stream, slot));
                    self.len += 1;
                }
                None => {}
            }
        }
        self.len -= entries.len();
        self.current.sort_unstable_by(|a, b| b.cmp(a));
        true
    }

    /// The first bucket with an entry.
    fn next_bucket(&self) -> Option<i64> {
        let in_row = self.row.iter().position(|entries| !entries.is_empty()).map(|at| self.base + at as i64);
        let far = self.far.first_key_value().map(|(&bucket, _)| bucket);
        in_row.into_iter().chain(far).min()
    }
}

#[inline]
fn bucket_of(at: Timestamp) -> i64 {
    at.0 >> BUCKET_BITS
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// When each stream may leave, and what it stands in the queue for; slots are streams.
    #[derive(Default)]
    struct Book(BTreeMap<u64, (Timestamp, Bucket)>);

    impl Agenda for Book {
        fn scheduled(&self, slot: u32, stream: u64) -> Option<Bucket> {
            assert_eq!(u64::from(slot), stream);
            self.0.get(&stream).map(|&(_, scheduled)| scheduled)
        }

        fn due(&mut self, slot: u32) -> Option<Timestamp> {
            let (due, scheduled) = self.0.get_mut(&slot.into())?;
            *scheduled = Bucket::of(*due);
            Some(*due)
        }

        fn soon(&self, _: u32) {}
    }

    #[test]
    fn all_leave_in_the_order_of_an_ordered_set_whatever_changes_on_the_way() {
        let mut rng = fastrand::Rng::with_seed(11);
        let (mut deadlines, mut book) = (Deadlines::default(), Book::default());
        let mut model: BTreeSet<(Timestamp, u64)> = BTreeSet::new();
        let (mut now, mut left) = (0i64, 0);
        for stream in 0..if cfg!(miri) { 500 } else { 20_000u64 } {
            let far = if stream % 100 == 0 { 900_000_000_000 } else { 0 };
            let at = Timestamp(now + rng.i64(1..60_000_000_000) + far);
            deadlines.push((at, stream, stream as u32));
            model.insert((at, stream));
            book.0.insert(stream, (at, Bucket::of(at)));
            // Others may leave later than they stand there for, or sooner, or have left.
            for other in [rng.u64(..stream + 1), rng.u64(stream / 2..stream + 1)] {
                let Some((due, scheduled)) = book.0.get_mut(&other) else { continue };
                model.remove(&(*due, other));
                if rng.u32(..5) == 0 {
                    book.0.remove(&other);
                    continue;
                }
                *due = Timestamp((due.0 + rng.i64(-3_000_000_000..5_000_000_000)).max(now + 1));
                model.insert((*due, other));
                if deadlines.is_sooner(*due, *scheduled) {
                    *scheduled = Bucket::of(*due);
                    deadlines.push((*due, other, other as u32));
                }
            }
            now += rng.i64(0..20_000_000);
            // The row runs dry, and begins anew elsewhere.
            now += if stream % 4_000 == 3_999 { 2_000_000_000_000 } else { 0 };
            assert!(deadlines.earliest() <= model.first().map_or(Timestamp(i64::MAX), |first| first.0));
            while let Some((at, gone, slot)) = deadlines.pop_before((Timestamp(now), 0), &mut book) {
                match book.0.get_mut(&gone) {
                    Some((due, scheduled)) if *scheduled == Bucket::of(at) => {
                        if *due == at {
                            assert_eq!(Some((at, gone)), model.pop_first());
                            book.0.remove(&gone);
                            left += 1;
                        } else {
                            *scheduled = Bucket::of(*due);
                            deadlines.push((*due, gone, slot));
                        }
                    }
                    _ => {}
                }
            }
            assert!(model.first().is_none_or(|first| first.0 >= Timestamp(now)));
            if stream % 5_000 == 0 {
                deadlines.sweep(&book);
            }
        }
        deadlines.sweep(&book);
        assert!(
            left > if cfg!(miri) { 3 } else { 300 } && deadlines.len() >= book.0.len() && model.len() == book.0.len()
        );
        let entries: usize = deadlines.row.iter().chain(deadlines.far.values()).map(Vec::len).sum();
        assert_eq!(deadlines.len(), entries + deadlines.current.len() + deadlines.late.len());
    }
}
