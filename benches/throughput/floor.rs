//! The floor: the least that any tracker must do for a frame. Decode the fixed headers, find the connection in a table
//! of 8-byte index words over a slab of 128-byte records, update the record. No options, no verdicts, no damaged input.
//! What the analysis costs is told as a multiple of this, because only ratios travel between machines.

use std::hint::black_box;
use std::mem::size_of;
use std::net::IpAddr;

use lastack::base::Endpoint;
use lastack::segment::{Flags, Segment};

/// Frames whose cache misses overlap.
pub const BATCH: usize = 32;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_TCP: u8 = 6;

/// The four numbers in an order that does not depend on the direction; IPv4 addresses are mapped into IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Key {
    low: [u64; 2],
    high: [u64; 2],
    ports: u32,
}

/// What the floor knows of a segment.
#[derive(Clone, Copy, Default)]
pub struct Facts {
    key: Key,
    /// Sent by the end that is `high` in the key.
    from_high: bool,
    flags: u8,
    window: u16,
    payload_len: u32,
    seq: u32,
    ack: u32,
    micros: u64,
}

#[derive(Clone, Copy, Default)]
struct Half {
    next: u32,
    acknowledged: u32,
    bytes: u64,
    frames: u32,
    window: u16,
    flags: u8,
}

#[derive(Clone, Copy, Default)]
#[repr(align(128))]
struct Record {
    key: Key,
    halves: [Half; 2],
    last_micros: u64,
}

const _: () = assert!(size_of::<Record>() == 128);

/// The table and a batch that is being filled.
pub struct Floor {
    batch: [Facts; BATCH],
    hashes: [u32; BATCH],
    filled: usize,
    /// The hash above and slot + 1 below, or 0 where empty; open addressing with linear probing. The home of a word can
    /// be told from the word itself, so that growing and removing touch no record.
    index: Vec<u64>,
    slab: Vec<Record>,
    free: Vec<u32>,
    seed: u64,
    /// Connections begun.
    begun: u64,
}

impl Floor {
    pub fn new() -> Self {
        Self {
            batch: [Facts::default(); BATCH],
            hashes: [0; BATCH],
            filled: 0,
            index: vec![0; 1 << 12],
            slab: Vec::new(),
            free: Vec::new(),
            seed: fastrand::u64(..) | 1,
            begun: 0,
        }
    }

    /// Takes one segment.
    #[inline]
    pub fn push(&mut self, facts: Facts) {
        self.hashes[self.filled] = hash(&facts.key, self.seed);
        self.batch[self.filled] = facts;
        self.filled += 1;
        if self.filled == BATCH {
            self.flush();
        }
    }

    /// Works off the last batch and gives `frames` back, so that no part of the work can be left out.
    pub fn finish(mut self, frames: u64) -> u64 {
        self.flush();
        black_box(self.begun);
        frames
    }

    /// Works off what the batch holds.
    fn flush(&mut self) {
        let filled = std::mem::take(&mut self.filled);
        while (self.slab.len() - self.free.len() + BATCH) * 2 > self.index.len() {
            self.grow();
        }
        let mask = self.index.len() - 1;
        for &hash in &self.hashes[..filled] {
            prefetch(&self.index[hash as usize & mask]);
        }
        for &hash in &self.hashes[..filled] {
            let word = self.index[hash as usize & mask];
            if let Some(record) = self.slab.get((word as u32).wrapping_sub(1) as usize) {
                prefetch(record);
            }
        }
        for at in 0..filled {
            let facts = self.batch[at];
            self.update(&facts, self.hashes[at]);
        }
    }

    fn update(&mut self, facts: &Facts, hash: u32) {
        let mask = self.index.len() - 1;
        let tag = u64::from(hash) << 32;
        let mut at = hash as usize & mask;
        let slot = loop {
            let word = self.index[at];
            if word == 0 {
                break self.insert(at, tag, facts);
            }
            let slot = (word as u32 - 1) as usize;
            if word & !0xffff_ffff == tag && self.slab[slot].key == facts.key {
                break slot;
            }
            at = (at + 1) & mask;
        };
        let record = &mut self.slab[slot];
        record.last_micros = facts.micros;
        let [low, high] = &mut record.halves;
        let (own, peer) = if facts.from_high { (high, low) } else { (low, high) };
        let controls = u32::from(facts.flags & 1) + u32::from(facts.flags >> 1 & 1);
        let end = facts.seq.wrapping_add(facts.payload_len + controls);
        if own.frames == 0 || end.wrapping_sub(own.next).cast_signed() > 0 {
            own.next = end;
        }
        if facts.ack.wrapping_sub(peer.acknowledged).cast_signed() > 0 || peer.acknowledged == 0 {
            peer.acknowledged = facts.ack;
        }
        own.bytes += u64::from(facts.payload_len);
        own.frames += 1;
        own.window = facts.window;
        own.flags |= facts.flags;
        let fin = Flags::FIN.bits() as u8;
        let closed = own.flags & peer.flags & fin != 0 && facts.flags & fin == 0 && peer.acknowledged == peer.next;
        if closed || facts.flags & Flags::RST.bits() as u8 != 0 {
            self.remove(at, slot);
        }
    }

    fn insert(&mut self, at: usize, tag: u64, facts: &Facts) -> usize {
        self.begun += 1;
        let record = Record { key: facts.key, ..Record::default() };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot as usize] = record;
                slot
            }
            None => {
                self.slab.push(record);
                self.slab.len() as u32 - 1
            }
        };
        self.index[at] = tag | u64::from(slot + 1);
        slot as usize
    }

    /// Frees the slot and moves later words of the same run back (Knuth, volume 3, algorithm 6.4R).
    fn remove(&mut self, mut hole: usize, slot: usize) {
        self.free.push(slot as u32);
        let mask = self.index.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let word = self.index[at];
            if word == 0 {
                break;
            }
            let home = home(word, mask);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.index[hole] = word;
                hole = at;
            }
        }
        self.index[hole] = 0;
    }

    fn grow(&mut self) {
        let len = self.index.len() * 2;
        let words = std::mem::replace(&mut self.index, vec![0; len]);
        for word in words.into_iter().filter(|&word| word != 0) {
            let mut at = home(word, len - 1);
            while self.index[at] != 0 {
                at = (at + 1) & (len - 1);
            }
            self.index[at] = word;
        }
    }
}

impl Facts {
    /// Reads the fixed headers of an Ethernet frame; none if it is not TCP.
    #[inline]
    pub fn of_frame(frame: &[u8], micros: u64) -> Option<Facts> {
        let be16 = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
        let be32 = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
        let be64 = |at: usize| Some(u64::from_be_bytes(frame.get(at..at + 8)?.try_into().ok()?));
        let mapped = |at: usize| Some([0, 0xffff_0000_0000 | u64::from(be32(at)?)]);
        let whole = |at: usize| Some([be64(at)?, be64(at + 8)?]);
        let (protocol, source, destination, tcp, ip_end) = match be16(12)? {
            ETHERTYPE_IPV4 => {
                let tcp = 14 + usize::from(frame.get(14)? & 15) * 4;
                (*frame.get(23)?, mapped(26)?, mapped(30)?, tcp, 14 + usize::from(be16(16)?))
            }
            ETHERTYPE_IPV6 => (*frame.get(20)?, whole(22)?, whole(38)?, 54, 54 + usize::from(be16(18)?)),
            _ => return None,
        };
        if protocol != PROTOCOL_TCP {
            return None;
        }
        let header_len = usize::from(frame.get(tcp + 12)? >> 4) * 4;
        Some(Facts {
            flags: *frame.get(tcp + 13)?,
            window: be16(tcp + 14)?,
            payload_len: ip_end.saturating_sub(tcp + header_len) as u32,
            seq: be32(tcp + 4)?,
            ack: be32(tcp + 8)?,
            micros,
            ..Facts::between((source, be16(tcp)?), (destination, be16(tcp + 2)?))
        })
    }

    /// The same of a segment that the project decoded.
    #[inline]
    pub fn of_segment(segment: &Segment) -> Facts {
        Facts {
            flags: segment.flags.bits() as u8,
            window: segment.window,
            payload_len: segment.payload_len,
            seq: segment.seq.0,
            ack: segment.ack.0,
            micros: (segment.time.0 / 1000).cast_unsigned(),
            ..Facts::between(numbers(segment.source), numbers(segment.destination))
        }
    }

    #[inline]
    fn between(source: ([u64; 2], u16), destination: ([u64; 2], u16)) -> Facts {
        let from_high = source > destination;
        let (low, high) = if from_high { (destination, source) } else { (source, destination) };
        let key = Key { low: low.0, high: high.0, ports: u32::from(low.1) << 16 | u32::from(high.1) };
        Facts { key, from_high, ..Facts::default() }
    }
}

fn numbers(endpoint: Endpoint) -> ([u64; 2], u16) {
    let ip = match endpoint.ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    ([(ip >> 64) as u64, ip as u64], endpoint.port)
}

fn home(word: u64, mask: usize) -> usize {
    (word >> 32) as usize & mask
}

/// Multiply and fold, seeded.
#[inline]
fn hash(key: &Key, seed: u64) -> u32 {
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        wide as u64 ^ (wide >> 64) as u64
    };
    let low = fold(key.low[0] ^ seed, key.low[1] ^ 0x9e37_79b9_7f4a_7c15);
    let high = fold(key.high[0] ^ seed.rotate_left(32), key.high[1] ^ 0xd6e8_feb8_6659_fd93);
    (fold(low ^ u64::from(key.ports), high ^ 0xa076_1d64_78bd_642f) >> 32) as u32
}

#[inline]
fn prefetch<T>(place: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch of any address has no effect that the program can see, and this one is of a live reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(place).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = place;
}
