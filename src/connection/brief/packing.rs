//! One segment being packed: which numbers follow and how long each is stands in its first four octets, so that neither
//! packing nor unpacking goes octet by octet.
//!
//! | bits of the head | |
//! |---|---|
//! | 0 | the server sent it |
//! | 1 to 7 | whether there are: sequence number, acknowledgment, window, IP id, timestamps, envelope, options |
//! | 8 to 15 | control bits but AE |
//! | 16, 18, 20, 22 | how long are: payload length, frames since but for the next one, TSval, TSecr |
//! | 24 to 26 | how long is the time since |
//! | 27 | it is in microseconds |
//! | 28 | AE |
//! | 29, 30 | the marks that go on and off from segment to segment |

use crate::segment::{Marks, OptionOrder, Segment, TcpOptions};

pub(super) const FROM_SERVER: u32 = 0x01;
pub(super) const SEQ: u32 = 0x02;
pub(super) const ACK: u32 = 0x04;
pub(super) const WINDOW: u32 = 0x08;
pub(super) const IP_ID: u32 = 0x10;
pub(super) const CLOCK: u32 = 0x20;
pub(super) const ENVELOPE: u32 = 0x40;
pub(super) const OPTIONS: u32 = 0x80;
pub(super) const FLAGS_AT: u32 = 8;
pub(super) const PAYLOAD_AT: u32 = 16;
pub(super) const FRAMES_AT: u32 = 18;
pub(super) const VALUE_AT: u32 = 20;
pub(super) const ECHO_AT: u32 = 22;
pub(super) const SPAN_AT: u32 = 24;
pub(super) const MICROS: u32 = 1 << 27;
pub(super) const ACCURATE_ECN: u32 = 1 << 28;
const GOOD: u32 = 1 << 29;
const CUT: u32 = 1 << 30;

/// Marks that are told in the head: checksums are computed of some segments only, and not all payload is cut.
pub(super) const IN_HEAD: Marks = Marks::CHECKSUM_GOOD.union(Marks::PAYLOAD_CUT);

// The octet before what changed of the envelope.
pub(super) const TTL: u8 = 0x01;
pub(super) const MARKS: u8 = 0x02;
pub(super) const INTERFACE: u8 = 0x04;
pub(super) const CONTEXT: u8 = 0x08;

// The octet before the options of a SYN.
pub(super) const MSS: u8 = 0x01;
pub(super) const SHIFT: u8 = 0x02;
pub(super) const SACK_PERMITTED: u8 = 0x04;
pub(super) const FAST_OPEN: u8 = 0x08;
pub(super) const MULTIPATH: u8 = 0x10;
pub(super) const ORDER: u8 = 0x20;

/// More than a packed segment can take: a power of two.
pub(super) const LEN_MAX: usize = 64;
/// And eight octets that are written beyond its end.
const SCRATCH: usize = LEN_MAX + 8;
/// What most packed segments fit in.
pub(super) const WHOLE: usize = 16;

/// The head's bits for those of `marks` that it tells.
#[inline]
pub(super) fn marks_to_head(marks: Marks) -> u32 {
    let of = |mark: Marks, bit: u32| if marks.contains(mark) { bit } else { 0 };
    of(Marks::CHECKSUM_GOOD, GOOD) | of(Marks::PAYLOAD_CUT, CUT)
}

/// And back.
#[inline]
pub(super) fn marks_of_head(head: u32) -> Marks {
    let mut marks = Marks::empty();
    marks.set(Marks::CHECKSUM_GOOD, head & GOOD != 0);
    marks.set(Marks::PAYLOAD_CUT, head & CUT != 0);
    marks
}

/// Octets of a number of 32 bits by its code: none for zero.
#[inline]
pub(super) const fn word_len(code: u32) -> usize {
    (1 << (code & 3)) >> 1
}

/// Octets of a time by its code.
#[inline]
pub(super) fn span_len(code: u32) -> usize {
    let code = code & 7;
    (code + u32::from(code == 7)) as usize
}

/// Octets of what changed of the envelope, without the one that says what did.
#[inline]
pub(super) fn envelope_len(changed: u8) -> usize {
    let twos = (changed & (MARKS | INTERFACE | CONTEXT)).count_ones();
    usize::from(changed & TTL) + 2 * twos as usize
}

/// Octets of a SYN's options, without the one that says which.
#[inline]
pub(super) fn options_len(present: u8) -> usize {
    2 * usize::from(present & MSS) + usize::from(present & SHIFT != 0) + usize::from(present & ORDER != 0)
}

/// One segment being packed.
pub(super) struct Packing {
    pub head: u32,
    octets: [u8; SCRATCH],
    len: usize,
}

impl Packing {
    #[inline]
    pub fn new(head: u32) -> Self {
        Self { head, octets: [0; SCRATCH], len: 4 }
    }

    /// The packed segment, and what lies behind it in the scratch.
    #[inline]
    pub fn finish(&mut self) -> (&[u8; SCRATCH], usize) {
        if let Some(head) = self.octets.first_chunk_mut() {
            *head = self.head.to_le_bytes();
        }
        (&self.octets, self.len)
    }

    #[inline]
    pub fn put<const N: usize>(&mut self, octets: [u8; N]) {
        const { assert!(N <= SCRATCH - LEN_MAX) };
        // It is never that long; so the compiler knows, too.
        if let Some(place) = self.octets[self.len % LEN_MAX..].first_chunk_mut() {
            *place = octets;
        }
        self.len += N;
    }

    /// The same with the head's `bit` if it is needed, without a branch.
    #[inline]
    pub fn put_if<const N: usize>(&mut self, is_needed: bool, bit: u32, octets: [u8; N]) {
        self.put(octets);
        let is_needed = u32::from(is_needed);
        self.len -= N * (1 - is_needed as usize);
        self.head |= bit * is_needed;
    }

    /// The lowest `len` octets of `value`; the others are written over.
    #[inline]
    fn number(&mut self, value: u64, len: usize) {
        self.put(value.to_le_bytes());
        self.len = self.len - 8 + len;
    }

    /// A number of 32 bits, mostly a small one.
    #[inline]
    pub fn word(&mut self, value: u32, at: u32) {
        /// Code and octets by the number of significant bits.
        const CODES: [(u8, u8); 33] = {
            let mut codes = [(3, 4); 33];
            let mut bits = 0;
            while bits <= 16 {
                codes[bits] = [(0, 0), (1, 1), (2, 2)][bits.div_ceil(8)];
                bits += 1;
            }
            codes
        };
        let (code, len) = CODES[(u32::BITS - value.leading_zeros()) as usize];
        self.head |= u32::from(code) << at;
        self.number(value.into(), len.into());
    }

    /// How far `value` is from `base`, either way round the circle.
    #[inline]
    pub fn signed(&mut self, value: u32, base: u32, at: u32) {
        let distance = value.wrapping_sub(base).cast_signed();
        self.word(((distance << 1) ^ (distance >> 31)).cast_unsigned(), at);
    }

    /// A time in ns; most captures count in microseconds.
    #[inline]
    pub fn span(&mut self, ns: u64) {
        let micros = ns / 1_000;
        let is_whole = micros * 1_000 == ns;
        let value = if is_whole { micros } else { ns };
        let code = ((71 - value.leading_zeros()) / 8).min(7);
        self.head |= (code << SPAN_AT) | if is_whole { MICROS } else { 0 };
        self.number(value, span_len(code));
    }

    #[cold]
    pub fn envelope(&mut self, changed: u8, segment: &Segment) {
        self.head |= ENVELOPE;
        self.put([changed]);
        if changed & TTL != 0 {
            self.put([segment.ttl]);
        }
        if changed & MARKS != 0 {
            self.put(segment.marks.difference(IN_HEAD).bits().to_le_bytes());
        }
        if changed & INTERFACE != 0 {
            self.put((segment.interface as u16).to_le_bytes());
        }
        if changed & CONTEXT != 0 {
            self.put((segment.context as u16).to_le_bytes());
        }
    }

    #[cold]
    pub fn options(&mut self, present: u8, options: &TcpOptions) {
        self.head |= OPTIONS;
        self.put([present]);
        if let Some(mss) = options.mss {
            self.put(mss.to_le_bytes());
        }
        if let Some(shift) = options.window_scale {
            self.put([shift]);
        }
        if options.order != OptionOrder::USUAL {
            self.put([options.order.bits()]);
        }
    }
}

/// What a side's marks are before its first segment: what most have.
pub(super) const USUAL_MARKS: Marks = Marks::DONT_FRAGMENT;
/// And its time to live.
pub(super) const USUAL_TTL: u8 = 64;

/// Which of its options beside timestamps a segment has.
#[inline]
pub(super) fn option_bits(options: &TcpOptions) -> u8 {
    bit(options.mss.is_some(), MSS)
        | bit(options.window_scale.is_some(), SHIFT)
        | bit(options.sack_permitted, SACK_PERMITTED)
        | bit(options.fast_open, FAST_OPEN)
        | bit(options.multipath, MULTIPATH)
        | bit(options.order != OptionOrder::USUAL, ORDER)
}

#[inline]
pub(super) fn bit(is: bool, bit: u8) -> u8 {
    if is { bit } else { 0 }
}
