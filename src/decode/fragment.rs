//! IP fragments, put together within bounds of number, size and packet time.
//!
//! Only headers are read here, so only the beginning of a datagram is kept: a flood of fragments costs little, and the
//! datagram's length is known once all its parts have been seen.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use etherparse::IpNumber;

use crate::base::Timestamp;
use crate::segment::Item;

/// Datagrams that wait for parts at any one time. The oldest makes room.
const DATAGRAMS_MAX: usize = 4096;

/// Parts that one datagram may come in. 64 KiB in the smallest packets that networks must carry are 117 (RFC 791).
const PARTS_MAX: usize = 256;

/// How much of a datagram's beginning is kept: tunnels and a TCP header with its options.
const KEPT: usize = 512;

/// Octets that all waiting parts may take together, with what keeping one costs beside its content.
const OCTETS_MAX: usize = 4 << 20;

/// How long a datagram waits for its parts, in nanoseconds of packet time (RFC 8200, section 4.5).
const PATIENCE: i64 = 60_000_000_000;

/// How many first fragments without their rest are remembered until the end of the input.
const ORPHANS_MAX: usize = 4096;

/// The largest datagram that offsets and lengths can describe.
const DATAGRAM_LEN_MAX: usize = 65_535;

/// What became of the fragments of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FragmentCounts {
    /// Datagrams that were put together.
    pub reassembled: u64,
    /// Fragments that overlapped another one of their datagram, exact copies aside. Where two disagree, the one that
    /// begins earlier counts, and of two that begin together the one that came first.
    pub overlapping: u64,
    /// Datagrams given up because their rest did not come within a minute.
    pub expired: u64,
    /// Datagrams given up to stay within the limits of number and parts.
    pub evicted: u64,
    /// First fragments without their rest that were forgotten to stay within the limit on them.
    pub forgotten: u64,
}

/// Which datagram a fragment is of (RFC 791, section 3.2; RFC 8200, section 4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub source: IpAddr,
    pub destination: IpAddr,
    pub id: u32,
    /// IPv4 tells datagrams apart by protocol too; in IPv6 it is 0.
    pub protocol: u8,
    /// The tunnels and virtual networks around the fragment: another network may number its datagrams alike.
    pub context: u32,
}

/// Where a fragment's octets lie in its datagram.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub offset: usize,
    /// The last one says that no more follow.
    pub more: bool,
}

/// A datagram that has all its parts.
#[derive(Debug)]
pub(super) struct Whole {
    /// What the first fragment said that it carries.
    pub protocol: IpNumber,
    /// Its first octets.
    pub beginning: Vec<u8>,
    /// Its length.
    pub len: usize,
}

/// Fragments of datagrams that are not whole yet.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    /// By the order in which their first part came.
    waiting: BTreeMap<u64, Datagram>,
    numbers: HashMap<Key, u64, foldhash::fast::RandomState>,
    next: u64,
    /// What all waiting parts take.
    octets: usize,
    orphans: Vec<Item>,
    counts: FragmentCounts,
}

#[derive(Debug)]
struct Datagram {
    key: Key,
    since: Timestamp,
    parts: Vec<Part>,
    /// What the parts keep of its beginning, added up.
    beginnings: usize,
    /// Its length, once the last part was seen.
    len: Option<usize>,
    /// What its first part gives without the others.
    first: Vec<Item>,
    protocol: Option<IpNumber>,
}

#[derive(Debug)]
struct Part {
    offset: usize,
    len: usize,
    /// Its octets, as far as they lie in the beginning that is kept.
    beginning: Box<[u8]>,
}

impl Fragments {
    /// Adds a fragment, and takes its datagram out when that is whole with it.
    pub fn add(&mut self, now: Timestamp, key: Key, place: Place, protocol: IpNumber, bytes: &[u8]) -> Option<Whole> {
        self.expire(now);
        let number = match self.numbers.get(&key) {
            Some(&number) => number,
            None => self.begin(now, key),
        };
        let datagram = self.waiting.get_mut(&number)?;
        let before = datagram.octets();
        self.counts.overlapping += u64::from(datagram.add(place, protocol, bytes) == Fit::Overlaps);
        self.octets += datagram.octets() - before;
        if let Some(whole) = datagram.whole() {
            self.remove(number);
            self.counts.reassembled += 1;
            return Some(whole);
        }
        if datagram.parts.len() > PARTS_MAX {
            self.give_up(number);
            self.counts.evicted += 1;
        }
        while self.octets > OCTETS_MAX {
            self.give_up_oldest();
        }
        None
    }

    /// Keeps what the first fragment of a datagram gives by itself, in case the rest never comes.
    pub fn keep_first(&mut self, key: Key, items: Vec<Item>) {
        if let Some(datagram) = self.numbers.get(&key).and_then(|number| self.waiting.get_mut(number))
            && datagram.first.is_empty()
        {
            datagram.first = items;
        }
    }

    /// Keeps what a first fragment gives that completes nothing, until the end.
    pub fn keep_orphan(&mut self, items: Vec<Item>) {
        for item in items {
            if self.orphans.len() < ORPHANS_MAX {
                self.orphans.push(item);
            } else {
                self.counts.forgotten += 1;
            }
        }
    }

    /// Ends all waiting and gives what first fragments without their rest say, in the order of their frames.
    pub fn finish(&mut self) -> Vec<Item> {
        while let Some(&number) = self.waiting.keys().next() {
            self.give_up(number);
        }
        let mut orphans = std::mem::take(&mut self.orphans);
        orphans.sort_by_key(Item::frame);
        orphans
    }

    /// What became of the fragments so far.
    pub fn counts(&self) -> FragmentCounts {
        self.counts
    }

    fn begin(&mut self, now: Timestamp, key: Key) -> u64 {
        if self.waiting.len() >= DATAGRAMS_MAX {
            self.give_up_oldest();
        }
        let number = self.next;
        self.next += 1;
        let datagram = Datagram {
            key,
            since: now,
            parts: Vec::new(),
            beginnings: 0,
            len: None,
            first: Vec::new(),
            protocol: None,
        };
        self.waiting.insert(number, datagram);
        self.numbers.insert(key, number);
        number
    }

    fn expire(&mut self, now: Timestamp) {
        while let Some((&number, datagram)) = self.waiting.first_key_value()
            && now.since(datagram.since) > PATIENCE
        {
            self.give_up(number);
            self.counts.expired += 1;
        }
    }

    fn give_up_oldest(&mut self) {
        if let Some(&oldest) = self.waiting.keys().next() {
            self.give_up(oldest);
            self.counts.evicted += 1;
        }
    }

    fn give_up(&mut self, number: u64) {
        if let Some(datagram) = self.remove(number) {
            self.keep_orphan(datagram.first);
        }
    }

    fn remove(&mut self, number: u64) -> Option<Datagram> {
        let datagram = self.waiting.remove(&number)?;
        self.numbers.remove(&datagram.key);
        self.octets -= datagram.octets();
        Some(datagram)
    }
}

/// How a fragment lies beside those before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// Beside them, or exactly on one of them.
    Apart,
    /// On some of their octets.
    Overlaps,
}

impl Datagram {
    fn add(&mut self, place: Place, protocol: IpNumber, bytes: &[u8]) -> Fit {
        let Place { offset, more } = place;
        let (len, end) = (bytes.len(), offset + bytes.len());
        if end > DATAGRAM_LEN_MAX {
            return Fit::Apart;
        }
        if offset == 0 && self.protocol.is_none() {
            self.protocol = Some(protocol);
        }
        if !more && self.len.is_none() {
            self.len = Some(end);
        }
        let kept = &bytes[..len.min(KEPT.saturating_sub(offset))];
        // Behind those that begin at the same octet, so that the first of them keeps counting.
        let at = self.parts.partition_point(|part| part.offset <= offset);
        let is_copy = |part: &Part| part.offset == offset && part.len == len && *part.beginning == *kept;
        if self.parts[..at].iter().rev().take_while(|part| part.offset == offset).any(is_copy) {
            return Fit::Apart;
        }
        let overlaps = self.parts.iter().any(|part| part.offset < end && offset < part.offset + part.len);
        self.beginnings += kept.len();
        self.parts.insert(at, Part { offset, len, beginning: kept.into() });
        if overlaps { Fit::Overlaps } else { Fit::Apart }
    }

    /// What its parts take.
    fn octets(&self) -> usize {
        self.parts.len() * size_of::<Part>() + self.beginnings
    }

    /// The datagram, when its parts cover it.
    fn whole(&self) -> Option<Whole> {
        let (len, protocol) = (self.len?, self.protocol?);
        let mut covered = 0;
        let mut beginning = Vec::new();
        for part in &self.parts {
            if part.offset > covered {
                return None;
            }
            let known = beginning.len().saturating_sub(part.offset);
            beginning.extend_from_slice(part.beginning.get(known..).unwrap_or_default());
            covered = covered.max(part.offset + part.len);
        }
        beginning.truncate(len);
        (covered >= len).then_some(Whole { protocol, beginning, len })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn key(id: u32) -> Key {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Key { source: ip, destination: ip, id, protocol: 6, context: 0 }
    }

    fn add(fragments: &mut Fragments, id: u32, offset: usize, more: bool, bytes: &[u8]) -> Option<Whole> {
        fragments.add(Timestamp(0), key(id), Place { offset, more }, IpNumber(6), bytes)
    }

    #[test]
    fn parts_in_any_order_make_the_datagram_with_the_last_one() {
        let content: Vec<u8> = (0..40).collect();
        let parts = [(0, true, &content[..16]), (16, true, &content[16..32]), (32, false, &content[32..])];
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut fragments = Fragments::default();
            let mut results = order.map(|part| {
                let (offset, more, bytes) = parts[part];
                add(&mut fragments, 1, offset, more, bytes)
            });
            let whole = results[2].take().expect("all parts came");
            assert_eq!((whole.beginning, whole.len), (content.clone(), 40), "{order:?}");
            assert!(results[0].is_none() && results[1].is_none());
            assert_eq!(fragments.counts(), FragmentCounts { reassembled: 1, ..FragmentCounts::default() });
        }
    }

    #[test]
    fn a_copy_is_no_overlap_and_of_two_that_disagree_the_earlier_counts() {
        let mut fragments = Fragments::default();
        assert!(add(&mut fragments, 1, 0, true, &[1; 16]).is_none());
        assert!(add(&mut fragments, 1, 0, true, &[1; 16]).is_none());
        assert_eq!(fragments.counts().overlapping, 0);
        assert!(add(&mut fragments, 1, 0, true, &[2; 16]).is_none());
        assert!(add(&mut fragments, 1, 8, true, &[3; 16]).is_none());
        let whole = add(&mut fragments, 1, 24, false, &[4; 8]).expect("covered");
        assert_eq!(whole.beginning, [[1; 8], [1; 8], [3; 8], [4; 8]].concat());
        assert_eq!(fragments.counts().overlapping, 2);
    }

    #[test]
    fn only_the_beginning_is_kept() {
        let mut fragments = Fragments::default();
        for block in 0..40 {
            assert!(add(&mut fragments, 1, block * 1480, true, &[block as u8; 1480]).is_none());
        }
        let whole = add(&mut fragments, 1, 40 * 1480, false, &[9; 100]).expect("covered");
        assert_eq!((whole.beginning.len(), whole.len), (KEPT, 40 * 1480 + 100));
    }

    #[test]
    fn datagrams_that_never_end_are_given_up_by_time_number_and_parts() {
        let mut fragments = Fragments::default();
        for id in 0..=DATAGRAMS_MAX as u32 {
            add(&mut fragments, id, 0, true, &[0; 8]);
        }
        assert_eq!((fragments.waiting.len(), fragments.counts().evicted), (DATAGRAMS_MAX, 1));
        fragments.add(Timestamp(PATIENCE + 1), key(9), Place { offset: 8, more: true }, IpNumber(6), &[0; 8]);
        assert_eq!((fragments.waiting.len(), fragments.counts().expired), (1, DATAGRAMS_MAX as u64));
        for part in 0..PARTS_MAX {
            fragments.add(
                Timestamp(PATIENCE + 1),
                key(9),
                Place { offset: part * 16, more: true },
                IpNumber(6),
                &[0; 8],
            );
        }
        assert_eq!((fragments.waiting.len(), fragments.counts().evicted), (0, 2));
        assert_eq!(fragments.numbers.len(), 0);
    }

    #[test]
    fn what_waits_takes_a_bounded_room() {
        let mut fragments = Fragments::default();
        for round in 0..200 {
            for id in 0..1000 {
                add(&mut fragments, id, 0, true, &[round; 512]);
                assert!(fragments.octets <= OCTETS_MAX);
            }
        }
        assert!(fragments.counts().evicted > 0);
        let sum: usize = fragments.waiting.values().map(Datagram::octets).sum();
        assert_eq!(fragments.octets, sum);
    }

    #[test]
    fn an_end_beyond_what_lengths_can_say_is_left_out() {
        let mut fragments = Fragments::default();
        assert!(add(&mut fragments, 1, 65_528, false, &[0; 64]).is_none());
        assert!(add(&mut fragments, 1, 0, false, &[0; 8]).is_some());
    }
}
