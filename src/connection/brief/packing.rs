//! One segment being packed: which numbers follow and how long each is stands in its first octets, so that neither
//! packing nor unpacking goes octet by octet. Most have two of these, of which the others would be zero.
//!
//! | bits of the head | |
//! |---|---|
//! | 0 | it has four octets |
//! | 1 | the server sent it |
//! | 2 to 5 | there is a window; PSH; there are timestamps; the mark of a good checksum |
//! | 6, 8, 10, 12 | how long are: payload length, frames since but for the next one, TSval, TSecr |
//! | 14 to 16 | how long is the time since |
//! | 17 | that is not in microseconds |
//! | 18 to 22 | whether there are: sequence number, acknowledgment, IP id, envelope, options |
//! | 23 | the mark of payload that was cut |
//! | 24 to 31 | control bits but PSH, with AE in its place, and that ACK is missing |

use crate::base::Side;
use crate::segment::{Flags, Marks, OptionOrder, Segment, TcpOptions, Timestamps};

/// Nothing but this makes the head longer: what a usual segment has not.
pub(super) const LONG: u32 = 0xffff_0000;
pub(super) const IS_LONG: u32 = 0x01;
pub(super) const FROM_SERVER_AT: u32 = 1;
pub(super) const WINDOW: u32 = 1 << 2;
pub(super) const PUSH: u32 = Flags::PSH.bits() as u32;
pub(super) const CLOCK: u32 = 1 << 4;
const GOOD: u32 = Marks::CHECKSUM_GOOD.bits() as u32;
pub(super) const PAYLOAD_AT: u32 = 6;
pub(super) const FRAMES_AT: u32 = 8;
pub(super) const VALUE_AT: u32 = 10;
pub(super) const ECHO_AT: u32 = 12;
pub(super) const SPAN_AT: u32 = 14;
pub(super) const NANOS: u32 = 1 << 17;
pub(super) const SEQ: u32 = 1 << 18;
pub(super) const ACK: u32 = 1 << 19;
pub(super) const IP_ID: u32 = 1 << 20;
pub(super) const ENVELOPE: u32 = 1 << 21;
pub(super) const OPTIONS: u32 = 1 << 22;
pub(super) const CUT_AT: u32 = 23;
pub(super) const FLAGS_AT: u32 = 24;
pub(super) const FIN: u32 = (Flags::FIN.bits() as u32) << FLAGS_AT;
/// Bits that are told one by one.
const BITS: u32 = 0xff_ffff;

/// Marks that are told in the head: checksums are computed of some segments only, and not all payload is cut.
pub(super) const IN_HEAD: Marks = Marks::CHECKSUM_GOOD.union(Marks::PAYLOAD_CUT);

const _: () = assert!(PUSH == 1 << 3 && GOOD == 1 << 5 && Marks::PAYLOAD_CUT.bits() == 1);

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
/// What most SYNs have takes no octets of its own: the segment size of Ethernet without options, and what Linux scales windows by.
pub(super) const USUAL_MSS: u8 = 0x40;
pub(super) const USUAL_SHIFT: u8 = 0x80;
pub(super) const MSS_OF_MOST: u16 = 1_460;
pub(super) const SHIFT_OF_MOST: u8 = 7;

/// More than a packed segment can take: a power of two.
pub(super) const LEN_MAX: usize = 64;
/// Octets that are written for any number: some lie beyond its end.
pub(super) const WRITTEN: usize = 8;
/// What most packed segments fit in.
pub(super) const WHOLE: usize = 16;

/// The head's bits for those of `marks` that it tells.
#[inline]
pub(super) fn marks_to_head(marks: Marks) -> u32 {
    let bits = u32::from(marks.bits());
    bits & GOOD | (bits & u32::from(Marks::PAYLOAD_CUT.bits())) << CUT_AT
}

/// And back.
#[inline]
pub(super) fn marks_of_head(head: u32) -> Marks {
    Marks::from_bits_retain((head & GOOD | head >> CUT_AT & 1) as u16)
}

/// The head's bits for control bits.
#[inline]
pub(super) fn flags_to_head(flags: Flags) -> u32 {
    let bits = u32::from((flags ^ Flags::ACK).bits());
    let accurate = (bits & u32::from(Flags::AE.bits())) >> 5;
    bits & PUSH | (bits & !PUSH & 0xff | accurate) << FLAGS_AT
}

/// And back.
#[inline]
pub(super) fn flags_of_head(head: u32) -> Flags {
    let bits = head >> FLAGS_AT;
    Flags::from_bits_retain((bits & !PUSH | head & PUSH | (bits & PUSH) << 5) as u16) ^ Flags::ACK
}

/// The head among the first four octets of a packed segment, and how many it has.
#[inline]
pub(super) fn head_of(octets: u32) -> (u32, usize) {
    let is_long = octets & IS_LONG;
    (octets & (is_long.wrapping_neg() | !LONG), 2 + 2 * is_long as usize)
}

/// Octets of a number of 32 bits by its code: none for zero.
#[inline]
pub(super) const fn word_len(code: u32) -> usize {
    (1 << (code & 3)) >> 1
}

/// Octets of a time by its code.
#[inline]
pub(super) const fn span_len(code: u32) -> usize {
    let code = code & 7;
    (code + (code == 7) as u32) as usize
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

/// What a number adds to a segment by how many significant bits it has: its code to the head, and its octets to their
/// number, which stands behind the bits that are told one by one.
type Shares = [u32; 64];

const LEN_AT: u32 = 24;

/// Both FIN and the mark of cut payload, each among its own.
const RARE_BIT: u16 = 1;
const _: () = assert!(Flags::FIN.bits() == RARE_BIT && Marks::PAYLOAD_CUT.bits() == RARE_BIT);

/// The longest time in microseconds that needs no longer head.
const SHORT_SPAN_MAX: u64 = (1 << 24) - 1;
const _: () = assert!(3 << SPAN_AT & LONG == 0 && 4 << SPAN_AT & LONG != 0);

/// Those of a number of 32 bits, mostly a small one.
const fn word_shares(at: u32) -> Shares {
    let mut shares = [0; 64];
    let mut bits = 0;
    while bits < shares.len() {
        let code = [0, 1, 2, 3][if bits > 16 { 3 } else { bits.div_ceil(8) }];
        shares[bits] = code << at | (word_len(code) as u32) << LEN_AT;
        bits += 1;
    }
    shares
}

/// Those of all numbers of a segment, side by side: in places of their own, each would have to be found by itself.
struct Numbers {
    payload: Shares,
    frames: Shares,
    value: Shares,
    echo: Shares,
    span: Shares,
}

static OF: Numbers = Numbers {
    payload: word_shares(PAYLOAD_AT),
    frames: word_shares(FRAMES_AT),
    value: word_shares(VALUE_AT),
    echo: word_shares(ECHO_AT),
    span: {
        let mut shares = [0; 64];
        let mut bits = 0;
        while bits < shares.len() {
            let octets = bits.div_ceil(8) as u32;
            let code = if octets < 7 { octets } else { 7 };
            shares[bits] = code << SPAN_AT | (span_len(code) as u32) << LEN_AT;
            bits += 1;
        }
        shares
    },
};

/// Octets in which any segment can be packed.
pub(super) const SCRATCH: usize = LEN_MAX + WRITTEN;

/// One segment being packed behind others, or into a scratch.
pub(super) struct Packing<'a, const ROOM: usize> {
    /// The head's bits but the control bits, and where its octets end with a long head.
    bits: u32,
    octets: &'a mut [u8; ROOM],
}

impl<'a, const ROOM: usize> Packing<'a, ROOM> {
    /// One from the server or the client, `from` that octet on.
    #[inline(always)]
    pub fn new(side: Side, octets: &'a mut [u8; ROOM], from: usize) -> Self {
        Self { bits: (side as u32) << FROM_SERVER_AT | (from as u32 + 4) << LEN_AT, octets }
    }

    /// Where its octets end, with these control bits and marks, which make its head a long one. What is written last may lie elsewhere where fewer
    /// than [`WRITTEN`] octets of the room are left behind them.
    #[inline(always)]
    pub fn end(self, from: usize, flags: Flags, marks: Marks) -> usize {
        let (head, len) = self.head(flags, marks);
        debug_assert_eq!(len, 4, "it has control bits that take one");
        if let Some(place) = self.octets.get_mut(from..).and_then(<[u8]>::first_chunk_mut) {
            *place = head.to_le_bytes();
        }
        self.len()
    }

    /// What it is with these control bits and marks, if it was packed from the first octet on: with some octets behind it, and how long it is.
    #[inline(always)]
    pub fn finish(self, flags: Flags, marks: Marks) -> (&'a [u8], usize) {
        let (head, len) = self.head(flags, marks);
        let (from, to) = (4 - len, self.len());
        if let Some(place) = self.octets.first_chunk_mut() {
            *place = (head << (8 * from)).to_le_bytes();
        }
        (&self.octets[from..], to - from)
    }

    /// The whole head, and how many octets it has.
    #[inline(always)]
    fn head(&self, flags: Flags, marks: Marks) -> (u32, usize) {
        with_len(self.bits & BITS | flags_to_head(flags) | marks_to_head(marks))
    }

    #[inline(always)]
    fn len(&self) -> usize {
        (self.bits >> LEN_AT) as usize
    }

    #[inline(always)]
    fn write<const N: usize>(&mut self, octets: [u8; N]) {
        const { assert!(N <= WRITTEN) };
        // In a scratch it is never that long; so the compiler knows, too. Elsewhere who packs is told where it ends.
        let at = self.len().min(ROOM - WRITTEN);
        if let Some(place) = self.octets[at..].first_chunk_mut() {
            *place = octets;
        }
    }

    #[inline(always)]
    fn put<const N: usize>(&mut self, octets: [u8; N]) {
        self.write(octets);
        self.bits += (N as u32) << LEN_AT;
    }

    /// Octets with the head's `bit`.
    #[inline(always)]
    pub fn put_told<const N: usize>(&mut self, bit: u32, octets: [u8; N]) {
        self.put(octets);
        self.bits |= bit;
    }

    /// Octets with the head's `bit` if they are needed, without a branch.
    #[inline(always)]
    pub fn put_if<const N: usize>(&mut self, is_needed: bool, bit: u32, octets: [u8; N]) {
        self.write(octets);
        self.bits += u32::from(is_needed) * (bit | (N as u32) << LEN_AT);
    }

    #[inline(always)]
    fn word(&mut self, value: u32, shares: &'static Shares) {
        self.write(u64::from(value).to_le_bytes());
        // Nothing is the one number without significant bits.
        self.bits += shares[(u64::from(value) << 1 | 1).ilog2() as usize];
    }

    /// Octets of payload.
    #[inline(always)]
    pub fn payload(&mut self, octets: u32) {
        self.word(octets, &OF.payload);
    }

    /// Frames since the segment before; the next one takes no room.
    #[inline(always)]
    pub fn frames(&mut self, since: u32) {
        self.word(since ^ 1, &OF.frames);
    }

    /// Timestamps, told apart from the newest of their ends.
    #[inline(always)]
    pub fn clock(&mut self, timestamps: Timestamps, own: u32, peer: u32) {
        self.bits |= CLOCK;
        self.word(folded(timestamps.value, own), &OF.value);
        self.word(folded(timestamps.echo, peer), &OF.echo);
    }

    /// A time in ns; most captures count in microseconds.
    #[inline(always)]
    pub fn span(&mut self, ns: u64) {
        let (micros, is_whole) = whole_micros(ns);
        let value = if is_whole { micros } else { ns };
        self.write(value.to_le_bytes());
        self.bits += OF.span[(value << 1 | 1).ilog2() as usize] | if is_whole { 0 } else { NANOS };
    }

    #[cold]
    pub fn envelope(&mut self, changed: u8, segment: &Segment) {
        self.bits |= ENVELOPE;
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

    #[inline(always)]
    pub fn options(&mut self, present: u8, options: &TcpOptions) {
        self.bits |= OPTIONS;
        self.put([present]);
        if present & (MSS | SHIFT | ORDER) != 0 {
            self.numbers_of(present, options);
        }
    }

    #[inline(never)]
    fn numbers_of(&mut self, present: u8, options: &TcpOptions) {
        if let Some(mss) = options.mss.filter(|_| present & MSS != 0) {
            self.put(mss.to_le_bytes());
        }
        if let Some(shift) = options.window_scale.filter(|_| present & SHIFT != 0) {
            self.put([shift]);
        }
        if options.order != OptionOrder::USUAL {
            self.put([options.order.bits()]);
        }
    }
}

/// A number, or some one behind the other, with what each adds to the segment.
#[derive(Clone, Copy)]
struct Number {
    value: u64,
    share: u32,
}

impl Number {
    #[inline(always)]
    fn of(value: u64, shares: &'static Shares) -> Self {
        Self { value, share: shares[(value << 1 | 1).ilog2() as usize] }
    }

    /// With `next` behind it; wrong where they have more octets than a word, which their length shows.
    #[inline(always)]
    fn then(self, next: Self) -> Self {
        // Eight bits an octet; those below the length are none that a number has.
        let value = self.value | next.value.wrapping_shl(self.share >> (LEN_AT - 3));
        Self { value, share: self.share + next.share }
    }

    #[inline(always)]
    fn len(self) -> usize {
        (self.share >> LEN_AT) as usize
    }
}

/// Timestamps, or none, and perhaps a window.
#[derive(Clone, Copy)]
pub(super) struct Stamps(Number);

impl Stamps {
    pub const NONE: Self = Self(Number { value: 0, share: 0 });

    /// Told apart from the newest of their ends.
    #[inline(always)]
    pub fn of(timestamps: Timestamps, own: u32, peer: u32) -> Self {
        let value = Number::of(folded(timestamps.value, own).into(), &OF.value);
        let Number { value, share } = value.then(Number::of(folded(timestamps.echo, peer).into(), &OF.echo));
        Self(Number { value, share: share | CLOCK })
    }

    /// With a window before them.
    #[inline(always)]
    pub fn behind(self, window: u16) -> Self {
        Self(Number { value: window.into(), share: WINDOW | 2 << LEN_AT }.then(self.0))
    }
}

/// A segment of which only what moves on in every one is told, in two words of which the octets in use stand one behind the
/// other. It is put together in registers: what is stored in pieces and loaded as a whole waits for the stores.
pub(super) struct Short {
    words: [u64; 2],
    lens: [usize; 2],
}

impl Short {
    /// One from the server or the client with these control bits and marks, its timestamps, octets of payload, ns and frames since
    /// the segment before. None if it needs longer words.
    #[inline(always)]
    pub fn pack(
        (side, flags, marks): (Side, Flags, Marks),
        stamps: Stamps,
        payload: u32,
        span_ns: u64,
        frames: u32,
    ) -> Option<Self> {
        let (micros, is_whole) = whole_micros(span_ns);
        // Nearly all have a head of two octets, in which these are not.
        if (flags.bits() | marks.bits()) & RARE_BIT == 0 && is_whole && micros <= SHORT_SPAN_MAX {
            let head =
                (side as u32) << FROM_SERVER_AT | u32::from(flags.bits()) & PUSH | u32::from(marks.bits()) & GOOD;
            Self::with_head(head, false, stamps, payload, micros, frames)
        } else {
            Self::pack_longer((side, flags, marks), stamps, payload, span_ns, frames)
        }
    }

    /// The same of any.
    #[inline(always)]
    fn pack_longer(
        (side, flags, marks): (Side, Flags, Marks),
        stamps: Stamps,
        payload: u32,
        span_ns: u64,
        frames: u32,
    ) -> Option<Self> {
        let (micros, is_whole) = whole_micros(span_ns);
        let (span, nanos) = if is_whole { (micros, 0) } else { (span_ns, NANOS) };
        let head = (side as u32) << FROM_SERVER_AT | nanos | flags_to_head(flags) | marks_to_head(marks);
        let is_long = (head | Number::of(span, &OF.span).share & BITS) & LONG != 0;
        Self::with_head(head, is_long, stamps, payload, span, frames)
    }

    /// With so long a head, of which only the bits are missing that say how long the numbers are.
    #[inline(always)]
    fn with_head(head: u32, is_long: bool, stamps: Stamps, payload: u32, span: u64, frames: u32) -> Option<Self> {
        let Stamps(stamps) = stamps;
        let payload = Number::of(payload.into(), &OF.payload);
        let rest = payload.then(Number::of(span, &OF.span)).then(Number::of((frames ^ 1).into(), &OF.frames));
        let head = head | (stamps.share | rest.share) & BITS | if is_long { IS_LONG } else { 0 };
        let head_len = if is_long { 4 } else { 2 };
        let lens = [head_len + stamps.len(), rest.len()];
        let words = [u64::from(head) | stamps.value << (8 * head_len), rest.value];
        (lens[0] <= 8 && lens[1] <= 8).then_some(Self { words, lens })
    }

    /// How many octets it has.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.lens[0] + self.lens[1]
    }

    /// Writes it, and perhaps something behind it. In a small place nothing lies behind it: its beginning and its end are written, which overlap.
    #[inline(always)]
    pub fn write(&self, place: &mut [u8]) {
        let ([first, second], [first_len, _]) = (self.words, self.lens);
        if let Some(place) = place.first_chunk_mut::<WHOLE>() {
            // It is never more; so the compiler knows, too.
            let at = first_len.min(8);
            if let Some(place) = place.first_chunk_mut() {
                *place = first.to_le_bytes();
            }
            if let Some(place) = place[at..].first_chunk_mut() {
                *place = second.to_le_bytes();
            }
        } else {
            Self::write_exactly(first, second, first_len, self.len(), place);
        }
    }

    // What it needs comes in registers.
    #[inline(never)]
    fn write_exactly(first: u64, second: u64, first_len: usize, len: usize, place: &mut [u8]) {
        fn ends<const N: usize>(place: &mut [u8], first: [u8; N], last: [u8; N]) {
            if let Some(place) = place.first_chunk_mut() {
                *place = first;
            }
            if let Some(place) = place.last_chunk_mut() {
                *place = last;
            }
        }
        let Some(place) = place.get_mut(..len) else { return };
        let bits = |octets: usize| 8 * octets as u32;
        let begin = first | second.unbounded_shl(bits(first_len));
        if len >= 8 {
            let last = first.unbounded_shr(bits(len - 8)) | second.unbounded_shl(bits(8 + first_len - len));
            ends(place, begin.to_le_bytes(), last.to_le_bytes());
        } else if len >= 4 {
            ends(place, (begin as u32).to_le_bytes(), ((begin >> bits(len - 4)) as u32).to_le_bytes());
        } else {
            // A head has two octets.
            ends(place, (begin as u16).to_le_bytes(), ((begin >> bits(len - 2)) as u16).to_le_bytes());
        }
    }
}

/// A time in whole microseconds, and whether it is one.
#[inline(always)]
fn whole_micros(ns: u64) -> (u64, bool) {
    let micros = ns / 1_000;
    (micros, micros * 1_000 == ns)
}

/// The head as it is stored, and how many octets it has.
#[inline(always)]
fn with_len(head: u32) -> (u32, usize) {
    if head & LONG == 0 { (head, 2) } else { (head | IS_LONG, 4) }
}

/// How far `value` is from `base`, either way round the circle.
#[inline(always)]
fn folded(value: u32, base: u32) -> u32 {
    let distance = value.wrapping_sub(base).cast_signed();
    ((distance << 1) ^ (distance >> 31)).cast_unsigned()
}

/// What a side's marks are before its first segment: what most have.
pub(super) const USUAL_MARKS: Marks = Marks::DONT_FRAGMENT;
/// And its time to live.
pub(super) const USUAL_TTL: u8 = 64;
/// And its window: what Linux asks with, and answers with where there are timestamps.
pub(super) const USUAL_WINDOWS: [u16; 2] = [64_240, 65_160];

/// Which of its options beside timestamps a segment has.
#[inline]
pub(super) fn option_bits(options: &TcpOptions) -> u8 {
    let mss = options.mss.map_or(0, |mss| if mss == MSS_OF_MOST { USUAL_MSS } else { MSS });
    let shift = options.window_scale.map_or(0, |shift| if shift == SHIFT_OF_MOST { USUAL_SHIFT } else { SHIFT });
    mss | shift
        | bit(options.sack_permitted, SACK_PERMITTED)
        | bit(options.fast_open, FAST_OPEN)
        | bit(options.multipath, MULTIPATH)
        | bit(options.order != OptionOrder::USUAL, ORDER)
}

#[inline]
pub(super) fn bit(is: bool, bit: u8) -> u8 {
    if is { bit } else { 0 }
}
