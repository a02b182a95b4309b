//! What a side would say next. Reading takes it for what a line leaves out; printing leaves out what equals it.

use crate::base::{Endpoint, FrameNumber, Seq, Timestamp};
use crate::segment::{Flags, Marks, Segment, TcpOptions, Timestamps};

/// The marks that tell what is known of the TCP checksum.
pub(super) const CHECKSUM: Marks = Marks::CHECKSUM_GOOD.union(Marks::CHECKSUM_BAD).union(Marks::CHECKSUM_PARTIAL);

/// One side of a connection of the trace.
#[derive(Clone, Debug)]
pub(super) struct Speaker {
    pub(super) endpoint: Endpoint,
    pub(super) isn: Seq,
    pub(super) window: u16,
    pub(super) ttl: u8,
    pub(super) next_id: u16,
    pub(super) interface: u32,
    pub(super) context: u32,
    /// Marks beside the default ones.
    pub(super) marks: Marks,
    /// The last segment, resets aside.
    last: Option<Segment>,
    /// The last segment that occupied sequence space.
    occupying: Option<Segment>,
    /// The last one of any kind.
    frame: Option<Segment>,
    /// The number after the last one that it used.
    used: Option<Seq>,
    /// The number of its FIN.
    fin: Option<Seq>,
}

/// Whether a line's sequence number counts for what comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbering {
    /// It belongs to this incarnation.
    Current,
    /// It was given as an absolute number: a stray.
    Foreign,
}

impl Speaker {
    pub(super) fn new(endpoint: Endpoint, isn: Seq) -> Self {
        Speaker {
            endpoint,
            isn,
            window: u16::MAX,
            ttl: 64,
            next_id: 1,
            interface: 0,
            context: 0,
            marks: Marks::CHECKSUM_GOOD | Marks::DONT_FRAGMENT,
            last: None,
            occupying: None,
            frame: None,
            used: None,
            fin: None,
        }
    }

    /// A new incarnation begins.
    pub(super) fn restart(&mut self, isn: Seq) {
        self.isn = isn;
        (self.last, self.occupying, self.frame, self.used, self.fin) = (None, None, None, None, None);
    }

    /// The next number of new data.
    pub(super) fn next(&self) -> Seq {
        self.used.unwrap_or(self.isn + 1)
    }

    /// The last segment that occupied sequence space.
    pub(super) fn occupying(&self) -> Option<&Segment> {
        self.occupying.as_ref()
    }

    /// The last segment of any kind.
    pub(super) fn last_frame(&self) -> Option<&Segment> {
        self.frame.as_ref()
    }

    /// The segment with `flags` and `payload_len` octets that would come next.
    pub(super) fn expected(&self, peer: &Speaker, time: Timestamp, flags: Flags, payload_len: u32) -> Segment {
        let acknowledges = flags.contains(Flags::ACK);
        let resets = flags.contains(Flags::RST);
        let trigger = peer.last.as_ref();
        let refuses = resets
            && acknowledges
            && self.last.is_none()
            && trigger.is_some_and(|trigger| trigger.flags & (Flags::SYN | Flags::ACK) == Flags::SYN);
        let replies = refuses || (resets && !acknowledges);

        let mut segment = Segment {
            time,
            frame: FrameNumber(0),
            source: self.endpoint,
            destination: peer.endpoint,
            seq: self.next(),
            ack: if acknowledges { peer.next() } else { Seq(0) },
            payload_len,
            window: if replies { 0 } else { self.window },
            flags,
            ip_id: if replies || self.endpoint.ip.is_ipv6() { 0 } else { self.next_id },
            ttl: self.ttl,
            marks: self.default_marks(),
            interface: self.interface,
            context: self.context,
            realm: 0,
            digest: 0,
            options: TcpOptions::default(),
        };
        if !replies {
            segment.options.timestamps = self.clock(peer, time, acknowledges);
        }
        if refuses {
            segment.seq = Seq(0);
        } else if replies {
            if let Some(trigger) = trigger.filter(|trigger| trigger.flags.contains(Flags::ACK)) {
                segment.seq = trigger.ack;
            }
        } else if flags.contains(Flags::SYN) {
            segment.seq = self.isn;
        } else if let (true, Some(fin)) = (flags.contains(Flags::FIN), self.fin) {
            segment.seq = fin - payload_len;
        }
        segment
    }

    fn default_marks(&self) -> Marks {
        if self.endpoint.ip.is_ipv6() { self.marks - Marks::DONT_FRAGMENT } else { self.marks }
    }

    /// Timestamps go on when this side sent them and the other one, if it has spoken, did too (RFC 7323, section 3.2).
    fn clock(&self, peer: &Speaker, time: Timestamp, acknowledges: bool) -> Option<Timestamps> {
        let last = self.last?;
        let own = last.options.timestamps?;
        let heard = match peer.last {
            Some(heard) => Some(heard.options.timestamps?),
            None => None,
        };
        let elapsed_ms = time.since(last.time).max(0) / 1_000_000;
        Some(Timestamps {
            // The clock is 32 bits that wrap.
            value: own.value.wrapping_add(elapsed_ms as u32),
            echo: if acknowledges { heard.map_or(own.echo, |heard| heard.value) } else { 0 },
        })
    }

    /// Notes what was sent.
    pub(super) fn sent(&mut self, segment: &Segment, numbering: Numbering) {
        self.frame = Some(*segment);
        if segment.ip_id != 0 || segment.ip_id == self.next_id {
            self.next_id = segment.ip_id.wrapping_add(1);
        }
        if segment.flags.contains(Flags::RST) {
            return;
        }
        self.window = segment.window;
        self.last = Some(*segment);
        if numbering == Numbering::Foreign {
            return;
        }
        self.used = Some(self.used.map_or(segment.seq_end(), |used| used.later(segment.seq_end())));
        if segment.seq_len() > 0 {
            self.occupying = Some(*segment);
        }
        if segment.flags.contains(Flags::FIN) {
            self.fin = Some(segment.seq_end() - 1);
        }
    }
}
