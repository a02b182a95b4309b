//! What was packed, segment by segment.

use super::packing::{
    ACCURATE_ECN, ACK, CLOCK, CONTEXT, ECHO_AT, ENVELOPE, FAST_OPEN, FLAGS_AT, FRAMES_AT, FROM_SERVER, INTERFACE,
    IP_ID, MARKS, MICROS, MSS, MULTIPATH, OPTIONS, ORDER, PAYLOAD_AT, SACK_PERMITTED, SEQ, SHIFT, SPAN_AT, TTL,
    USUAL_MARKS, USUAL_TTL, VALUE_AT, WINDOW, envelope_len, marks_of_head, options_len, span_len, word_len,
};
use super::{Packed, expected_ack, next_id};
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

/// Reads a brief from its beginning. What it reads was written by [`Brief`](super::Brief), so it is whole; were it not, octets
/// that are missing read as zero.
pub(super) struct Unpacking<'a> {
    octets: Octets<'a>,
    /// What lies behind the record.
    rest: Octets<'a>,
    trails: [Trail; 2],
    ends: [Endpoint; 2],
    /// The one unpacked last; what no packed segment has stays as it is.
    segment: Segment,
    /// It has options beside timestamps.
    has_options: bool,
}

impl<'a> Unpacking<'a> {
    /// Counts times and frames from the first.
    #[inline]
    pub(super) fn of(packed: &Packed<'a>, client: Endpoint, server: Endpoint) -> Self {
        let [first_len, rest_len] = packed.head.lens();
        let octets = Octets { all: packed.first, at: 0, end: first_len };
        let rest = Octets { all: packed.rest, at: 0, end: rest_len };
        let segment = Segment { source: client, destination: server, ..Segment::BLANK };
        Self { octets, rest, trails: [Trail::NONE; 2], ends: [client, server], segment, has_options: false }
    }

    /// The same with times and frames as they were: they count from the first, and what is known is the newest.
    pub(super) fn dated(packed: &Packed<'a>, client: Endpoint, server: Endpoint) -> Self {
        let mut unpacking = Self::of(packed, client, server);
        let (span, frames) = unpacking.octets.passed();
        let (span_behind, frames_behind) = unpacking.rest.passed();
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
        if self.octets.is_over() {
            // A packed segment lies whole in either part.
            self.octets = std::mem::replace(&mut self.rest, Octets::NONE);
            if self.octets.is_over() {
                return None;
            }
        }
        let octets = &mut self.octets;
        let head = octets.head();
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
        let seq = if has(SEQ) { Seq(octets.number(4) as u32) } else { own.nxt };
        let ack = if has(ACK) { Seq(octets.number(4) as u32) } else { expected_ack(flags, peer.nxt) };
        if has(WINDOW) {
            own.window = octets.number(2) as u16;
        }
        own.ip_id = if has(IP_ID) { octets.number(2) as u16 } else { next_id(own.ip_id) };
        let mut timestamps = None;
        if has(CLOCK) {
            let (value, echo) = octets.pair(head >> VALUE_AT, head >> ECHO_AT);
            own.clock = unfolded(own.clock, value);
            timestamps = Some(Timestamps { value: own.clock, echo: unfolded(peer.clock, echo) });
        }
        let payload_len = octets.number(word_len(head >> PAYLOAD_AT)) as u32;
        let (span, frames) = octets.distance(head);
        if has(ENVELOPE) {
            octets.envelope(own);
        }
        if self.has_options {
            self.segment.options = TcpOptions::NONE;
        }
        self.has_options = has(OPTIONS);
        if self.has_options {
            self.segment.options = octets.options();
        }
        let segment = &mut self.segment;
        segment.options.timestamps = timestamps;
        segment.time = Timestamp(segment.time.0 + span);
        segment.frame = FrameNumber(segment.frame.0.wrapping_add(frames));
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
    const NONE: Self = Self { all: &[], at: 0, end: 0 };

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
        const MASKS: [u64; 9] = {
            let mut masks = [u64::MAX; 9];
            let mut len = 0;
            while len < 8 {
                masks[len] = (1 << (8 * len)) - 1;
                len += 1;
            }
            masks
        };
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

    /// The next two numbers of 32 bits by their codes: together no more than eight octets.
    #[inline]
    fn pair(&mut self, first: u32, second: u32) -> (u32, u32) {
        const MASKS: [u32; 4] = [0, 0xff, 0xffff, 0xffff_ffff];
        let (len, word) = (word_len(first), self.word());
        self.at += len + word_len(second);
        let mask = |code: u32| MASKS[(code & 3) as usize];
        (word as u32 & mask(first), (word >> (8 * len)) as u32 & mask(second))
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
            let head = self.head();
            let has = |bit: u32| usize::from(head & bit != 0);
            self.at += 4 * (has(SEQ) + has(ACK)) + 2 * (has(WINDOW) + has(IP_ID));
            self.at += word_len(head >> VALUE_AT) + word_len(head >> ECHO_AT) + word_len(head >> PAYLOAD_AT);
            let (span, frames) = self.distance(head);
            (time, frame) = (time + span, frame + frames);
            if head & ENVELOPE != 0 {
                let changed = self.octet();
                self.at += envelope_len(changed);
            }
            if head & OPTIONS != 0 {
                let present = self.octet();
                self.at += options_len(present);
            }
        }
        (time, frame)
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
