//! What was packed, segment by segment.

use super::packing::{
    ACCURATE_ECN, ACK, CLOCK, CONTEXT, ECHO_AT, ENVELOPE, FAST_OPEN, FLAGS_AT, FRAMES_AT, FROM_SERVER, INTERFACE,
    IP_ID, LEN_MAX, MARKS, MICROS, MSS, MULTIPATH, OPTIONS, ORDER, PAYLOAD_AT, SACK_PERMITTED, SEQ, SHIFT, SPAN_AT,
    TTL, USUAL_MARKS, USUAL_TTL, VALUE_AT, WINDOW, envelope_len, marks_of_head, options_len, span_len, word_len,
};
use super::{FIRST_MAX, Packed, expected_ack, next_id};
use crate::base::{Endpoint, FrameNumber, Seq, Side, Timestamp};
use crate::segment::{Flags, Marks, MultipathEnd, OptionOrder, Segment, TcpOptions, Timestamps};

/// What the next segment of one side differs from.
#[derive(Clone, Copy)]
struct Trail {
    nxt: Seq,
    clock: u32,
    window: u16,
    ip_id: u16,
    marks: Marks,
    interface: u16,
    context: u16,
    ttl: u8,
}

impl Trail {
    const NONE: Self = Self {
        nxt: Seq(0),
        clock: 0,
        window: 0,
        ip_id: 0,
        marks: USUAL_MARKS,
        interface: 0,
        context: 0,
        ttl: USUAL_TTL,
    };
}

/// More than a packed segment takes, and eight octets that are read with its last ones: numbers of any length are read in one
/// move, and whether that goes too far is asked once a segment.
const BLOCK: usize = LEN_MAX + 8;

/// Reads a brief from its beginning. What it reads was written by [`Brief`](super::Brief), so it is whole; were it not, octets
/// that are missing read as zero.
pub(super) struct Unpacking<'a> {
    /// What lies in the record, and zeros.
    first: [u8; FIRST_MAX + BLOCK],
    /// What lies behind the record.
    rest: &'a [u8],
    rest_len: usize,
    /// It has come to what lies behind.
    is_behind: bool,
    at: usize,
    end: usize,
    trails: [Trail; 2],
    ends: [Endpoint; 2],
    /// The one unpacked last; what no packed segment has stays as it is.
    segment: Segment,
    /// It has options beside timestamps.
    has_options: bool,
    /// The last octets there are, and zeros.
    scratch: [u8; BLOCK],
}

impl<'a> Unpacking<'a> {
    /// Counts times and frames from the first.
    #[inline]
    pub(super) fn of(packed: &Packed<'a>, client: Endpoint, server: Endpoint) -> Self {
        let [first_len, rest_len] = packed.head.lens();
        let mut first = [0; FIRST_MAX + BLOCK];
        // What lies behind those in use is not looked at.
        match (first.first_chunk_mut::<FIRST_MAX>(), packed.first.first_chunk::<FIRST_MAX>()) {
            (Some(first), Some(octets)) => *first = *octets,
            _ => first.iter_mut().zip(packed.first).for_each(|(place, &octet)| *place = octet),
        }
        let segment = Segment { source: client, destination: server, ..Segment::BLANK };
        Self {
            first,
            rest: packed.rest,
            rest_len,
            is_behind: false,
            at: 0,
            end: first_len,
            trails: [Trail::NONE; 2],
            ends: [client, server],
            segment,
            has_options: false,
            scratch: [0; BLOCK],
        }
    }

    /// The same with times and frames as they were: they count from the first, and what is known is the newest.
    pub(super) fn dated(packed: &Packed<'a>, client: Endpoint, server: Endpoint) -> Self {
        let mut unpacking = Self::of(packed, client, server);
        let [first_len, rest_len] = packed.head.lens();
        let (span, frames) = Octets { all: packed.first, at: 0, end: first_len }.passed();
        let (span_behind, frames_behind) = Octets { all: packed.rest, at: 0, end: rest_len }.passed();
        unpacking.segment.time = packed.head.newest.plus(-span - span_behind);
        unpacking.segment.frame = FrameNumber(packed.head.frame.wrapping_sub(frames + frames_behind));
        unpacking
    }

    /// The segment that was unpacked last.
    #[inline]
    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Unpacks the next segment. Returns who sent it; none after the last one.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Side> {
        if self.at >= self.end {
            // A packed segment lies whole in either part.
            if self.is_behind || self.rest_len == 0 {
                return None;
            }
            (self.is_behind, self.at, self.end) = (true, 0, self.rest_len);
        }
        let all = if self.is_behind { self.rest } else { &self.first[..] };
        let octets = match all.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(octets) => octets,
            None => copy_last(&mut self.scratch, all, self.at),
        };
        let mut block = Block { octets, at: 0 };
        let head = block.word() as u32;
        block.at = 4;
        let [client, server] = &mut self.trails;
        let [client_end, server_end] = self.ends;
        let (side, own, peer, ends) = if head & FROM_SERVER == 0 {
            (Side::Client, client, server, (client_end, server_end))
        } else {
            (Side::Server, server, client, (server_end, client_end))
        };
        let has = |bit: u32| head & bit != 0;
        let mut flags = Flags::from_bits_truncate((head >> FLAGS_AT) as u8 as u16);
        flags.set(Flags::AE, has(ACCURATE_ECN));
        let seq = if has(SEQ) { Seq(block.number(4)) } else { own.nxt };
        let ack = if has(ACK) { Seq(block.number(4)) } else { expected_ack(flags, peer.nxt) };
        own.window = block.short(has(WINDOW), own.window);
        own.ip_id = block.short(has(IP_ID), next_id(own.ip_id));
        let Lens { payload, frames, value, echo } = Lens::of(head);
        let mut timestamps = None;
        if has(CLOCK) {
            own.clock = unfolded(own.clock, block.number(value));
            timestamps = Some(Timestamps { value: own.clock, echo: unfolded(peer.clock, block.number(echo)) });
        }
        let payload_len = block.number(payload);
        let span = block.span(head);
        let frames = block.number(frames) ^ 1;
        if has(ENVELOPE) || self.has_options || has(OPTIONS) {
            let mut octets = Octets { all: block.octets, at: block.at, end: BLOCK };
            if has(ENVELOPE) {
                octets.envelope(own);
            }
            self.has_options = has(OPTIONS);
            self.segment.options = if self.has_options { octets.options() } else { TcpOptions::NONE };
            block.at = octets.at;
        }
        self.at += block.at;
        let segment = &mut self.segment;
        segment.options.timestamps = timestamps;
        segment.time = Timestamp(segment.time.0 + span);
        segment.frame = FrameNumber(segment.frame.0.wrapping_add(frames.into()));
        (segment.source, segment.destination) = ends;
        (segment.seq, segment.ack, segment.payload_len) = (seq, ack, payload_len);
        (segment.window, segment.ip_id, segment.flags) = (own.window, own.ip_id, flags);
        (segment.ttl, segment.marks) = (own.ttl, own.marks | marks_of_head(head));
        (segment.interface, segment.context) = (own.interface.into(), own.context.into());
        if !flags.contains(Flags::RST) {
            own.nxt = segment.seq_end();
        }
        Some(side)
    }
}

/// The sequence numbers of the first two segments, the SYNs, without unpacking them.
pub(super) fn initial_numbers(packed: &Packed<'_>) -> [Seq; 2] {
    let [first_len, rest_len] = packed.head.lens();
    let mut octets = Octets { all: packed.first, at: 0, end: first_len };
    let (syn, ..) = octets.step_over();
    if octets.is_over() {
        octets = Octets { all: packed.rest, at: 0, end: rest_len };
    }
    let syn_ack = if octets.is_over() { None } else { octets.step_over().0 };
    [syn, syn_ack].map(Option::unwrap_or_default)
}

/// The octets from `at` on, and zeros.
#[cold]
fn copy_last<'a>(scratch: &'a mut [u8; BLOCK], all: &[u8], at: usize) -> &'a [u8; BLOCK] {
    *scratch = [0; BLOCK];
    let last = all.get(at..).unwrap_or_default();
    scratch.iter_mut().zip(last).for_each(|(place, &octet)| *place = octet);
    scratch
}

/// How long the numbers of a segment are whose codes stand in the third octet of its head.
#[derive(Clone, Copy)]
struct Lens {
    payload: u8,
    frames: u8,
    value: u8,
    echo: u8,
}

impl Lens {
    #[inline]
    fn of(head: u32) -> Self {
        const ALL: [Lens; 256] = {
            let mut all = [Lens { payload: 0, frames: 0, value: 0, echo: 0 }; 256];
            let mut codes = 0;
            while codes < all.len() {
                let head = (codes as u32) << PAYLOAD_AT;
                all[codes] = Lens {
                    payload: word_len(head >> PAYLOAD_AT) as u8,
                    frames: word_len(head >> FRAMES_AT) as u8,
                    value: word_len(head >> VALUE_AT) as u8,
                    echo: word_len(head >> ECHO_AT) as u8,
                };
                codes += 1;
            }
            all
        };
        static LENS: [Lens; 256] = ALL;
        LENS[usize::from((head >> PAYLOAD_AT) as u8)]
    }
}

/// A packed segment and what lies behind it.
struct Block<'a> {
    octets: &'a [u8; BLOCK],
    at: usize,
}

impl Block<'_> {
    /// The next eight octets, without going on.
    #[inline(always)]
    fn word(&self) -> u64 {
        // It never comes so far; so the compiler knows, too.
        self.octets[self.at % LEN_MAX..].first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
    }

    /// The next number of 32 bits.
    #[inline(always)]
    fn number(&mut self, len: u8) -> u32 {
        const MASKS: [u32; 8] = [0, 0xff, 0xffff, 0xff_ffff, u32::MAX, u32::MAX, u32::MAX, u32::MAX];
        let value = self.word() as u32 & MASKS[usize::from(len % 8)];
        self.at += usize::from(len);
        value
    }

    /// The next number of 16 bits if there is one, without a branch.
    #[inline(always)]
    fn short(&mut self, is_there: bool, or: u16) -> u16 {
        let value = self.word() as u16;
        self.at += 2 * usize::from(is_there);
        if is_there { value } else { or }
    }

    /// The time in ns since the segment before.
    #[inline(always)]
    fn span(&mut self, head: u32) -> i64 {
        const MASKS: [u64; 9] = masks();
        let len = span_len(head >> SPAN_AT);
        let span = (self.word() & MASKS[len.min(8)]).cast_signed();
        self.at += len;
        if head & MICROS != 0 { span * 1_000 } else { span }
    }
}

/// What is left of eight octets by how many of them count.
const fn masks() -> [u64; 9] {
    let mut masks = [u64::MAX; 9];
    let mut len = 0;
    while len < 8 {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
}

/// What lies so far from `base`, either way round the circle.
#[inline]
fn unfolded(base: u32, folded: u32) -> u32 {
    base.wrapping_add((folded >> 1) ^ (folded & 1).wrapping_neg())
}

/// Packed octets and how far they have been read.
#[derive(Clone, Copy)]
struct Octets<'a> {
    /// Those in use, and room behind them.
    all: &'a [u8],
    at: usize,
    end: usize,
}

impl Octets<'_> {
    #[inline]
    fn is_over(&self) -> bool {
        self.at >= self.end
    }

    /// The next eight octets, without going on.
    #[inline]
    fn word(&self) -> u64 {
        match self.all.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(octets) => u64::from_le_bytes(*octets),
            None => self.last_word(),
        }
    }

    /// The same near the end.
    #[cold]
    fn last_word(&self) -> u64 {
        let Some((before, last)) = self.all.split_last_chunk() else {
            let rest = self.all.get(self.at..).unwrap_or_default();
            return rest.iter().rev().fold(0, |word, &octet| word << 8 | u64::from(octet));
        };
        let passed = self.at.saturating_sub(before.len()).min(8);
        u64::from_le_bytes(*last).unbounded_shr(8 * passed as u32)
    }

    /// The next number, of up to eight octets.
    #[inline]
    fn number(&mut self, len: usize) -> u64 {
        const MASKS: [u64; 9] = masks();
        let value = self.word() & MASKS[len.min(8)];
        self.at += len;
        value
    }

    #[inline]
    fn head(&mut self) -> u32 {
        self.number(4) as u32
    }

    #[inline]
    fn octet(&mut self) -> u8 {
        self.number(1) as u8
    }

    /// The time in ns and the frames since the segment before.
    #[inline]
    fn distance(&mut self, head: u32) -> (i64, u64) {
        let span = self.number(span_len(head >> SPAN_AT)).cast_signed();
        let span = if head & MICROS != 0 { span * 1_000 } else { span };
        (span, self.number(word_len(head >> FRAMES_AT)) ^ 1)
    }

    /// The time in ns and the frames from before the first to the last.
    fn passed(mut self) -> (i64, u64) {
        let (mut time, mut frame) = (0, 0);
        while !self.is_over() {
            let (_, span, frames) = self.step_over();
            (time, frame) = (time + span, frame + frames);
        }
        (time, frame)
    }

    /// Steps over a segment. Returns its sequence number, if that is not the one after the last of its side, and the time in ns and the
    /// frames since the segment before.
    fn step_over(&mut self) -> (Option<Seq>, i64, u64) {
        let head = self.head();
        let has = |bit: u32| usize::from(head & bit != 0);
        let seq = if head & SEQ != 0 { Some(Seq(self.number(4) as u32)) } else { None };
        self.at += 4 * has(ACK) + 2 * (has(WINDOW) + has(IP_ID));
        self.at += word_len(head >> VALUE_AT) + word_len(head >> ECHO_AT) + word_len(head >> PAYLOAD_AT);
        let (span, frames) = self.distance(head);
        if head & ENVELOPE != 0 {
            let changed = self.octet();
            self.at += envelope_len(changed);
        }
        if head & OPTIONS != 0 {
            let present = self.octet();
            self.at += options_len(present);
        }
        (seq, span, frames)
    }

    /// What changed of the envelope.
    #[cold]
    fn envelope(&mut self, own: &mut Trail) {
        let changed = self.octet();
        if changed & TTL != 0 {
            own.ttl = self.octet();
        }
        if changed & MARKS != 0 {
            own.marks = Marks::from_bits_retain(self.number(2) as u16);
        }
        if changed & INTERFACE != 0 {
            own.interface = self.number(2) as u16;
        }
        if changed & CONTEXT != 0 {
            own.context = self.number(2) as u16;
        }
    }

    #[cold]
    fn options(&mut self) -> TcpOptions {
        let present = self.octet();
        TcpOptions {
            mss: (present & MSS != 0).then(|| self.number(2) as u16),
            window_scale: (present & SHIFT != 0).then(|| self.octet()),
            sack_permitted: present & SACK_PERMITTED != 0,
            fast_open: present & FAST_OPEN != 0,
            multipath: present & MULTIPATH != 0,
            multipath_end: MultipathEnd::NONE,
            order: OptionOrder::from_bits(if present & ORDER != 0 { self.octet() } else { 0 }),
            ..TcpOptions::NONE
        }
    }
}
