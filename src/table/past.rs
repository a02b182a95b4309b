//! What is left of finished connections: enough for late segments and the next one on the same four-tuple, the oldest
//! forgotten first.

use std::collections::{BTreeMap, VecDeque};

use super::key::{Kept, Key};
use super::numbering::Known;
use super::wide::Row;
use crate::base::prefetch::prefetch;
use crate::base::{Endpoint, Seq, Side, Timestamp};
use crate::connection::{Leavings, PastHalf, Predecessor};
use crate::segment::Segment;

/// What is left of a finished connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// The connection as its successor sees it.
    pub summary: Predecessor,
    /// Which end had been the client.
    pub client: Endpoint,
    /// Segments that came after it had left.
    pub late: u64,
}

impl Past {
    pub(super) fn known(&self, sender: Endpoint) -> Known {
        Known { base: self.summary.half(sender).base, closing: self.summary.closing }
    }

    /// Which side sent `segment`.
    pub fn side_of(&self, segment: &Segment) -> Side {
        if segment.source == self.client { Side::Client } else { Side::Server }
    }
}

/// What a place in the ring says of its four-tuple.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trace {
    /// A connection was here.
    Past(Past),
    /// Only ICMP errors quoted it so far: its number and what the quotes add to its completeness, as in Wireshark.
    Numbered(u64, u8),
}

/// A [`PastHalf`] in 14 octets.
#[derive(Clone, Copy, Debug)]
struct Half {
    /// The initial number, SND.NXT and the timestamp. What Wireshark takes for the first is hardly ever another one.
    numbers: [u32; 3],
    /// Which of a half's four numbers are there, then the five answers.
    bits: u16,
}

/// What Wireshark takes for a side's initial number where another one is known.
type Other = Option<u32>;

/// A [`Trace`] with its four-tuple, packed.
#[derive(Debug)]
struct Entry {
    key: Kept,
    kind: Kind,
    completeness: u8,
    /// The client is the lower endpoint of the key.
    client_is_low: bool,
    closing: bool,
    late: u32,
    stream: u64,
    end: Timestamp,
    client: Half,
    server: Half,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Past,
    Numbered,
    /// Another connection has the four-tuple now.
    Vacant,
}

const _: () = assert!(size_of::<Entry>() == 72);

/// Entries that are allocated together.
const CHUNK: usize = 512;

#[derive(Debug, Default)]
struct Chunk {
    entries: Vec<Entry>,
    wide: Row,
}

/// Entries in the order in which they came, in chunks: growing copies nothing.
#[derive(Debug, Default)]
pub(super) struct Ring {
    /// All but the last are full.
    chunks: VecDeque<Chunk>,
    /// Entries of the first chunk that are forgotten.
    front: usize,
    len: usize,
    /// The room of a chunk that was forgotten whole.
    spare: Chunk,
    /// Of the entries with a side that has two initial numbers, the client's other one and the server's.
    others: BTreeMap<u32, [Other; 2]>,
    /// The number of the first entry; numbers wrap within [`NUMBERS`].
    base: u32,
}

/// Entries are numbered in 30 bits.
const NUMBERS: u32 = 1 << 30;

impl Ring {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a connection, which names its client's end first, and gives its number.
    pub fn push(&mut self, key: Key, left: &Predecessor) -> u32 {
        let &Predecessor { stream, end, closing, a: (client, a), b: (_, b) } = left;
        self.push_leavings(key, key.is_low(client), stream, &Leavings { end, closing, halves: [a, b] })
    }

    /// The same of what one of this stream number leaves, of which the client is the lower end or is not.
    #[inline]
    pub fn push_leavings(&mut self, key: Key, client_is_low: bool, stream: u64, left: &Leavings) -> u32 {
        let [(client, other), (server, server_other)] = left.halves.each_ref().map(Half::pack);
        let (number, entry) = self.add(key);
        entry.kind = Kind::Past;
        (entry.client_is_low, entry.closing, entry.stream, entry.end) = (client_is_low, left.closing, stream, left.end);
        (entry.client, entry.server) = (client, server);
        let others = [other, server_other];
        if others != [None; 2] {
            self.others.insert(number, others);
        }
        number
    }

    /// The same of a four-tuple that was only quoted.
    pub fn push_numbered(&mut self, key: Key, stream: u64, completeness: u8) -> u32 {
        let (number, entry) = self.add(key);
        entry.kind = Kind::Numbered;
        (entry.stream, entry.completeness) = (stream, completeness);
        number
    }

    /// Adds an entry that is to be written where it stays.
    #[inline]
    fn add(&mut self, key: Key) -> (u32, &mut Entry) {
        let number = self.base.wrapping_add(self.len as u32) % NUMBERS;
        self.len += 1;
        let chunk = match self.chunks.back() {
            Some(chunk) if chunk.entries.len() < CHUNK => self.chunks.len() - 1,
            _ => self.begin_chunk(),
        };
        let Chunk { entries, wide } = &mut self.chunks[chunk];
        let entry = entries.push_mut(Entry::BLANK);
        entry.key = Kept::of(&key, wide);
        (number, entry)
    }

    /// Whether an entry has this four-tuple; not when it was forgotten.
    pub fn is(&self, number: u32, key: &Key) -> bool {
        self.entry(number).is_some_and(|(entry, wide)| entry.key.is(key, wide))
    }

    /// What an entry says; none when another connection has its place, or when it was forgotten.
    pub fn get(&self, number: u32) -> Option<Trace> {
        let (entry, wide) = self.entry(number)?;
        let others = if self.others.is_empty() { None } else { self.others.get(&number) };
        entry.unpack(wide, others.copied().unwrap_or_default())
    }

    /// One more late segment came for the connection.
    pub fn count_late(&mut self, number: u32) {
        self.change(number, |entry| entry.late = entry.late.saturating_add(1));
    }

    /// The quotes say more of it now.
    pub fn complete(&mut self, number: u32, completeness: u8) {
        self.change(number, |entry| entry.completeness = completeness);
    }

    /// Another connection took the four-tuple over.
    pub fn vacate(&mut self, number: u32) {
        self.change(number, |entry| entry.kind = Kind::Vacant);
    }

    fn change(&mut self, number: u32, how: impl FnOnce(&mut Entry)) {
        let (chunk, place) = self.position(number);
        if let Some(entry) = self.chunks.get_mut(chunk).and_then(|chunk| chunk.entries.get_mut(place)) {
            how(entry);
        }
    }

    /// The four-tuple of the one that is forgotten `places` after the first, if it is still in its place: to be looked up soon.
    #[inline]
    pub fn behind(&self, places: usize) -> Option<Key> {
        let Chunk { entries, wide } = self.chunks.front()?;
        let entry = entries.get(self.front + places)?;
        (entry.kind != Kind::Vacant).then(|| entry.key.key(wide))
    }

    /// Begins to bring the entry with this number into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        if let Some((entry, _)) = self.entry(number) {
            prefetch(entry);
        }
    }

    /// Forgets the oldest; gives its key and number if it was still in its place.
    pub fn forget(&mut self) -> Option<(Key, u32)> {
        let Chunk { entries, wide } = self.chunks.front()?;
        let entry = entries.get(self.front)?;
        let forgotten = (entry.kind != Kind::Vacant).then(|| (entry.key.key(wide), self.base));
        self.others.remove(&self.base);
        self.base = (self.base + 1) % NUMBERS;
        self.len -= 1;
        self.front += 1;
        if self.front == CHUNK {
            self.spare = self.chunks.pop_front().unwrap_or_default();
            self.spare.entries.clear();
            self.spare.wide.clear();
            self.front = 0;
        }
        forgotten
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives the place of the new one.
    #[cold]
    fn begin_chunk(&mut self) -> usize {
        let mut chunk = std::mem::take(&mut self.spare);
        if !self.chunks.is_empty() {
            chunk.entries.reserve_exact(CHUNK);
        }
        self.chunks.push_back(chunk);
        self.chunks.len() - 1
    }

    #[inline]
    fn entry(&self, number: u32) -> Option<(&Entry, &Row)> {
        let (chunk, place) = self.position(number);
        let Chunk { entries, wide } = self.chunks.get(chunk)?;
        Some((entries.get(place)?, wide))
    }

    /// Its chunk and the place in it; of a number that was forgotten, no chunk that there is.
    #[inline]
    fn position(&self, number: u32) -> (usize, usize) {
        let at = self.front + (number.wrapping_sub(self.base) % NUMBERS) as usize;
        (at / CHUNK, at % CHUNK)
    }
}

impl Half {
    /// Of a side of which nothing is known.
    const BLANK: Self = Self { numbers: [0; 3], bits: 0 };

    #[inline]
    fn pack(half: &PastHalf) -> (Self, Other) {
        let &PastHalf { isn, base, nxt, timestamp, .. } = half;
        let bit = |is: bool, at: u32| u16::from(is) << at;
        let bits = bit(isn.is_some(), 0)
            | bit(base.is_some(), 1)
            | bit(nxt.is_some(), 2)
            | bit(timestamp.is_some(), 3)
            | bit(half.fin, 4)
            | bit(half.fin_acked, 5)
            | bit(half.rst, 6)
            | bit(half.closed_first, 7)
            | bit(half.syn_unanswered, 8);
        let number = |seq: Option<Seq>| seq.unwrap_or_default().0;
        let numbers = [number(isn.or(base)), number(nxt), timestamp.unwrap_or_default()];
        let other = base.filter(|_| isn.is_some() && isn != base);
        (Self { numbers, bits }, other.map(|seq| seq.0))
    }

    fn unpack(&self, other: Other) -> PastHalf {
        let has = |at: usize| self.bits & 1 << at != 0;
        let [initial, nxt, timestamp] = self.numbers;
        PastHalf {
            state: None,
            isn: has(0).then_some(Seq(initial)),
            base: has(1).then_some(Seq(other.unwrap_or(initial))),
            nxt: has(2).then_some(Seq(nxt)),
            timestamp: has(3).then_some(timestamp),
            fin: has(4),
            fin_acked: has(5),
            rst: has(6),
            closed_first: has(7),
            syn_unanswered: has(8),
        }
    }
}

impl Entry {
    /// Nothing.
    const BLANK: Self = Self {
        key: Kept::NONE,
        kind: Kind::Vacant,
        completeness: 0,
        client_is_low: false,
        closing: false,
        late: 0,
        stream: 0,
        end: Timestamp(0),
        client: Half::BLANK,
        server: Half::BLANK,
    };

    fn unpack(&self, wide: &Row, [other, server_other]: [Other; 2]) -> Option<Trace> {
        match self.kind {
            Kind::Vacant => None,
            Kind::Numbered => Some(Trace::Numbered(self.stream, self.completeness)),
            Kind::Past => {
                let (client, server) = self.key.ends(self.client_is_low, wide);
                let summary = Predecessor {
                    stream: self.stream,
                    end: self.end,
                    closing: self.closing,
                    a: (client, self.client.unpack(other)),
                    b: (server, self.server.unpack(server_other)),
                };
                Some(Trace::Past(Past { summary, client, late: self.late.into() }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(host: u8) -> Endpoint {
        Endpoint::new([10, 0, 0, host].into(), 7)
    }

    fn past(stream: u64, client: u8, server: u8) -> (Key, Past) {
        let half = PastHalf { isn: Some(Seq(5)), fin: true, timestamp: Some(0), ..PastHalf::default() };
        let other = PastHalf {
            base: Some(Seq(6)),
            nxt: Some(Seq(7)),
            rst: true,
            closed_first: true,
            syn_unanswered: true,
            ..half
        };
        let summary =
            Predecessor { stream, end: Timestamp(9), closing: true, a: (end(client), half), b: (end(server), other) };
        (Key::new(end(client), end(server)), Past { summary, client: end(client), late: 0 })
    }

    #[test]
    fn what_is_packed_comes_back() {
        let mut ring = Ring { base: NUMBERS - 1, ..Ring::default() };
        for (client, server) in [(1, 2), (2, 1), (1, 1)] {
            let (key, past) = past(client.into(), client, server);
            let number = ring.push(key, &past.summary);
            ring.count_late(number);
            match ring.get(number) {
                Some(Trace::Past(back)) => assert_eq!(back, Past { late: 1, ..past }),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(ring.forget().map(|(_, number)| number), Some(NUMBERS - 1));
        ring.vacate(0);
        assert!(ring.get(0).is_none() && ring.get(1).is_some());
        assert!(ring.forget().is_none() && ring.forget().is_some());
        assert!(ring.others.is_empty());
    }

    #[test]
    fn numbers_lead_to_their_entries_across_chunks() {
        let mut ring = Ring { base: NUMBERS - 700, ..Ring::default() };
        let stream = |ring: &Ring, number| match ring.get(number) {
            Some(Trace::Past(past)) => Some(past.summary.stream),
            _ => None,
        };
        let mut kept = VecDeque::new();
        for n in 0..3 * CHUNK as u64 {
            let (key, past) = past(n, (n % 200) as u8, 201);
            kept.push_back((ring.push(key, &past.summary), n));
            if n % 3 > 0 {
                let (number, _) = kept.pop_front().unwrap();
                assert_eq!(ring.forget().map(|(_, number)| number), Some(number));
                assert_eq!(stream(&ring, number), None);
            }
            assert!(kept.iter().step_by(37).all(|&(number, n)| stream(&ring, number) == Some(n)));
            assert_eq!(ring.len(), kept.len());
        }
    }
}
