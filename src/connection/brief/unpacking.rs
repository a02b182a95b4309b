//! What was packed, segment by segment.

use super::{
    ACCURATE_ECN, ACK, Brief, CLOCK, CONTEXT, ENVELOPE, FAST_OPEN, FROM_SERVER, INTERFACE, IP_ID, MARKS, MSS,
    MULTIPATH, OPTIONS, ORDER, SACK_PERMITTED, SEQ, SHIFT, TTL, WINDOW, expected_ack, next_id,
};
use crate::base::{Endpoint, FrameNumber, Seq, Side, Timestamp};
use crate::segment::{Flags, Marks, OptionOrder, Segment, TcpOptions, Timestamps};

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
    const NONE: Self =
        Self { nxt: Seq(0), clock: 0, window: 0, ip_id: 0, marks: Marks::empty(), interface: 0, context: 0, ttl: 0 };
}

/// Reads a brief from its beginning. What it reads was written by [`Brief::pack`], so it is whole; were it not, octets
/// that are missing read as zero.
pub(super) struct Unpacking<'a> {
    octets: &'a [u8],
    /// What lies behind the record.
    rest: &'a [u8],
    trails: [Trail; 2],
    ends: [Endpoint; 2],
    /// The one unpacked last; what no packed segment has stays as it is.
    segment: Segment,
    /// It has options beside timestamps.
    has_options: bool,
}

impl<'a> Unpacking<'a> {
    #[inline]
    pub(super) fn of(brief: &'a Brief, client: Endpoint, server: Endpoint) -> Self {
        let octets = brief.first.get(..usize::from(brief.first_used)).unwrap_or_default();
        let rest = brief.rest.as_ref().and_then(|rest| rest.get(..usize::from(brief.rest_used))).unwrap_or_default();
        let segment = Segment {
            time: Timestamp(0),
            frame: FrameNumber(0),
            source: client,
            destination: server,
            seq: Seq(0),
            ack: Seq(0),
            payload_len: 0,
            window: 0,
            flags: Flags::empty(),
            ip_id: 0,
            ttl: 0,
            marks: Marks::empty(),
            interface: 0,
            context: 0,
            realm: 0,
            digest: 0,
            options: TcpOptions::NONE,
        };
        Self { octets, rest, trails: [Trail::NONE; 2], ends: [client, server], segment, has_options: false }
    }

    /// The segment that was unpacked last.
    #[inline]
    pub(super) fn segment(&self) -> &Segment {
        &self.segment
    }

    #[inline]
    fn octet(&mut self) -> u8 {
        let [octet] = self.get();
        octet
    }

    #[inline]
    fn get<const N: usize>(&mut self) -> [u8; N] {
        let Some((octets, rest)) = self.octets.split_first_chunk() else {
            self.octets = &[];
            return [0; N];
        };
        self.octets = rest;
        *octets
    }

    #[inline]
    fn unsigned(&mut self) -> u64 {
        let first = self.octet();
        if first < 0x80 { first.into() } else { self.unsigned_long(first & 0x7f) }
    }

    /// Goes on with a number of several octets.
    fn unsigned_long(&mut self, first: u8) -> u64 {
        let (mut value, mut shift) = (u64::from(first), 7);
        while shift < 64 {
            let octet = self.octet();
            value |= u64::from(octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
        value
    }

    #[inline]
    fn signed(&mut self, base: u32) -> u32 {
        let folded = self.unsigned() as u32;
        base.wrapping_add((folded >> 1) ^ (folded & 1).wrapping_neg())
    }

    /// Unpacks the next segment. Returns who sent it; none after the last one.
    #[inline]
    pub(super) fn advance(&mut self) -> Option<Side> {
        if self.octets.is_empty() {
            // A packed segment lies whole in either part.
            self.octets = std::mem::take(&mut self.rest);
            if self.octets.is_empty() {
                return None;
            }
        }
        let [head, low_flags] = self.get();
        let from_server = usize::from(head & FROM_SERVER);
        let (mut own, peer) = (self.trails[from_server], self.trails[1 - from_server]);
        let has = |bit: u8| head & bit != 0;
        let mut flags = Flags::from_bits_truncate(low_flags.into());
        let seq = if has(SEQ) { Seq(u32::from_le_bytes(self.get())) } else { own.nxt };
        let ack = if has(ACK) { Seq(u32::from_le_bytes(self.get())) } else { expected_ack(flags, peer.nxt) };
        own.window = if has(WINDOW) { u16::from_le_bytes(self.get()) } else { own.window };
        own.ip_id = if has(IP_ID) { u16::from_le_bytes(self.get()) } else { next_id(own.ip_id) };
        let mut timestamps = None;
        if has(CLOCK) {
            own.clock = self.signed(own.clock);
            timestamps = Some(Timestamps { value: own.clock, echo: self.signed(peer.clock) });
        }
        if has(ENVELOPE) {
            flags.set(Flags::AE, self.envelope(&mut own) & ACCURATE_ECN != 0);
        }
        if self.has_options {
            self.segment.options = TcpOptions::NONE;
        }
        self.has_options = has(OPTIONS);
        if self.has_options {
            self.options();
        }
        let payload_len = self.unsigned() as u32;
        let span = self.unsigned();
        let span = if span & 1 != 0 { (span >> 1) * 1_000 } else { span >> 1 };
        let frames = self.unsigned();
        let segment = &mut self.segment;
        segment.options.timestamps = timestamps;
        segment.time = Timestamp(segment.time.0 + span.cast_signed());
        segment.frame = FrameNumber(segment.frame.0 + frames);
        (segment.source, segment.destination) = (self.ends[from_server], self.ends[1 - from_server]);
        (segment.seq, segment.ack, segment.payload_len) = (seq, ack, payload_len);
        (segment.window, segment.ip_id, segment.flags) = (own.window, own.ip_id, flags);
        (segment.ttl, segment.marks) = (own.ttl, own.marks);
        (segment.interface, segment.context) = (own.interface.into(), own.context.into());
        if !flags.contains(Flags::RST) {
            own.nxt = segment.seq_end();
        }
        self.trails[from_server] = own;
        Some(if from_server == 0 { Side::Client } else { Side::Server })
    }

    /// What changed of the envelope, and which bits say so.
    #[cold]
    fn envelope(&mut self, own: &mut Trail) -> u8 {
        let changed = self.octet();
        if changed & TTL != 0 {
            own.ttl = self.octet();
        }
        if changed & MARKS != 0 {
            own.marks = Marks::from_bits_retain(u16::from_le_bytes(self.get()));
        }
        if changed & INTERFACE != 0 {
            own.interface = u16::from_le_bytes(self.get());
        }
        if changed & CONTEXT != 0 {
            own.context = u16::from_le_bytes(self.get());
        }
        changed
    }

    #[cold]
    fn options(&mut self) {
        let present = self.octet();
        self.segment.options = TcpOptions {
            mss: (present & MSS != 0).then(|| u16::from_le_bytes(self.get())),
            window_scale: (present & SHIFT != 0).then(|| self.octet()),
            sack_permitted: present & SACK_PERMITTED != 0,
            fast_open: present & FAST_OPEN != 0,
            multipath: present & MULTIPATH != 0,
            order: OptionOrder::from_bits(if present & ORDER != 0 { self.octet() } else { 0 }),
            ..TcpOptions::NONE
        };
    }
}
