//! A segment worth remembering: what hindsight needs of it, without what its connection already says.

use bitflags::bitflags;

use crate::base::{Seq, Side, Timestamp};
use crate::segment::{Flags, Marks, MultipathEnd, SackBlock, Segment, Timestamps};

bitflags! {
    /// What a segment was, judged against everything seen before it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
    pub struct Class: u32 {
        /// Sequence space that was seen before.
        const RETRANSMISSION = 0x001;
        /// Begins beyond what was seen: something in between is missing so far.
        const AFTER_GAP = 0x002;
        /// Fills a gap: it came out of order, or the first copy was never seen.
        const FILLS_GAP = 0x004;
        /// One octet or none just below SND.NXT, with the window open: a keepalive probe (RFC 9293, section 3.8.4).
        const KEEPALIVE = 0x008;
        /// The same with the peer's window closed: a zero-window probe (RFC 9293, section 3.8.6.1).
        const WINDOW_PROBE = 0x010;
        /// Advertises a window of zero.
        const ZERO_WINDOW = 0x020;
        /// Sequence number that this connection cannot have reached: an old duplicate, a forgery or another incarnation.
        const WILD = 0x040;
        /// Acknowledges what the peer has not sent as far as the tap saw.
        const ACKS_UNSEEN = 0x080;
        /// Acknowledges less than was acknowledged before.
        const OLD_ACK = 0x100;
        /// First payload of its side.
        const FIRST_DATA = 0x200;
        /// Lies wholly below what the peer has acknowledged, of a FIN behind payload the payload.
        const BELOW_ACK = 0x400;
        /// Sequence space beyond the sender's own FIN.
        const BEYOND_FIN = 0x800;
        /// Sent again right after the peer told of a hole there: by SACK (RFC 6675) or by repeating its acknowledgment
        /// (RFC 5681, section 3.2), or in step with its acknowledgments while such a hole is filled (RFC 6582).
        const FAST = 0x1000;
        /// The newest payload once more, sooner than a retransmission timer runs: a loss probe (RFC 8985, section 7) when
        /// nothing told of a hole.
        const PROMPT = 0x2000;
        /// Both: its sender's clock and counter had gone on before it was seen, or it comes sooner than any timer runs, so it
        /// is a copy, or an original that its repetition overtook.
        const COPY = 0x3000;
        /// Ended the longest silence of its connection so far, one of some seconds at least.
        const AFTER_SILENCE = 0x4000;
        /// Dated before its sender's segment before it.
        const CLOCK_BACK = 0x8000;
        /// The newest payload once more, under another IPv4 id, sooner than any timer runs: its sender sent it again, and nothing
        /// shows why.
        const UNPROMPTED = 0x1_0000;
    }
}

/// One remembered segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Noted {
    /// When it was captured.
    pub time: Timestamp,
    /// The frame that carried it.
    pub frame: u64,
    /// Who sent it.
    pub side: Side,
    /// Control bits.
    pub flags: Flags,
    /// Sequence number.
    pub seq: Seq,
    /// Acknowledgment number, meaningful only with ACK.
    pub ack: Seq,
    /// Payload octets.
    pub len: u32,
    /// Window field, unscaled.
    pub window: u16,
    /// IPv4 identification; 0 in IPv6.
    pub ip_id: u16,
    /// Time to live as captured.
    pub ttl: u8,
    /// What decoding noticed.
    pub marks: Marks,
    /// What it was against the past.
    pub class: Class,
    /// How Multipath TCP ends with it.
    pub multipath_end: MultipathEnd,
    /// Its timestamps option.
    pub timestamps: Option<Timestamps>,
    /// Its first SACK block.
    pub sack: Option<SackBlock>,
}

impl Noted {
    #[inline]
    pub(super) fn new(segment: &Segment, side: Side, class: Class) -> Self {
        Self {
            time: segment.time,
            frame: segment.frame.0,
            side,
            flags: segment.flags,
            seq: segment.seq,
            ack: segment.ack,
            len: segment.payload_len,
            window: segment.window,
            ip_id: segment.ip_id,
            ttl: segment.ttl,
            marks: segment.marks,
            class,
            multipath_end: segment.options.multipath_end,
            timestamps: segment.options.timestamps,
            sack: segment.options.sack_blocks().first().copied(),
        }
    }

    /// SYN without ACK or RST.
    #[inline]
    pub fn is_syn(&self) -> bool {
        self.flags & (Flags::SYN | Flags::ACK | Flags::RST) == Flags::SYN
    }

    /// SYN with ACK, without RST.
    #[inline]
    pub fn is_syn_ack(&self) -> bool {
        self.flags & (Flags::SYN | Flags::ACK | Flags::RST) == Flags::SYN | Flags::ACK
    }

    /// FIN without SYN or RST.
    #[inline]
    pub fn is_fin(&self) -> bool {
        self.flags & (Flags::SYN | Flags::FIN | Flags::RST) == Flags::FIN
    }

    /// RST, whatever else.
    #[inline]
    pub fn is_rst(&self) -> bool {
        self.flags.contains(Flags::RST)
    }

    /// Carries an acknowledgment and no RST.
    #[inline]
    pub fn acknowledges(&self) -> bool {
        self.flags & (Flags::ACK | Flags::RST) == Flags::ACK
    }

    /// Acknowledges the SYN with the number `isn` and nothing more; a reset may, too.
    pub(super) fn acknowledges_syn(&self, isn: Option<Seq>) -> bool {
        self.flags.contains(Flags::ACK) && isn.is_some_and(|isn| self.ack == isn + 1)
    }

    /// The sequence number after its last octet, SYN and FIN included.
    #[inline]
    pub fn end(&self) -> Seq {
        self.seq + self.len + u32::from(self.flags.contains(Flags::SYN)) + u32::from(self.flags.contains(Flags::FIN))
    }
}
