//! How Wireshark's sequence analysis (4.4) would class segments, for counts that equal its `tcp.analysis` flags.
//!
//! Its rules go by what each direction sent last and know no gaps and no copies, so they are kept apart from what
//! lifecycles are judged by.

use super::half::Half;
use crate::base::{Seq, Side, Sides, Timestamp};
use crate::segment::{Flags, Marks, SackBlock, Segment};

/// A retransmission this soon after the duplicate acknowledgments is a fast one, ns.
const FAST_NS: i64 = 20_000_000;
/// Out of order rather than sent again, as long as no round trip is known, ns.
const REORDERED_NS: i64 = 3_000_000;

/// How many segments of one side Wireshark would flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct SequenceCounts {
    /// `tcp.analysis.retransmission`: fast and spurious ones among them.
    pub retransmissions: u32,
    /// `tcp.analysis.out_of_order`.
    pub out_of_order: u32,
    /// `tcp.analysis.keep_alive`.
    pub keep_alives: u32,
    /// `tcp.analysis.zero_window`.
    pub zero_windows: u32,
}

/// What one direction has shown so far.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
struct Way {
    /// When its last segment was captured.
    time: Timestamp,
    /// When the highest number was captured.
    next_time: Timestamp,
    /// The number after the highest one sent; meaningful once something was.
    next: Seq,
    /// The last acknowledgment number; meaningful if the last segment had one.
    ack: Seq,
    duplicate_acks: u32,
    window: u16,
    sack_count: u8,
    has_sent: bool,
    has_ack: bool,
    was_keep_alive: bool,
    was_pure_ack: bool,
    was_window_probe: bool,
    sack: [SackBlock; 4],
}

impl Way {
    fn acked(&self) -> Option<Seq> {
        self.has_ack.then_some(self.ack)
    }

    fn next(&self) -> Option<Seq> {
        self.has_sent.then_some(self.next)
    }

    fn has_sacked(&self, from: Seq, to: Seq) -> bool {
        let blocks = &self.sack[..usize::from(self.sack_count).min(self.sack.len())];
        blocks.iter().any(|block| from.at_or_after(block.left) && to.at_or_before(block.right))
    }
}

/// The state of the analysis of one connection.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct SequenceAnalysis {
    ways: Sides<Way>,
    syn: Option<Timestamp>,
    first_rtt_ns: Option<i64>,
    counts: Sides<SequenceCounts>,
}

impl SequenceAnalysis {
    /// What was counted of `side`.
    pub(super) fn counts(&self, side: Side) -> SequenceCounts {
        self.counts[side]
    }

    /// Every segment was the other side's.
    pub(super) fn exchange_sides(&mut self) {
        std::mem::swap(&mut self.ways.client, &mut self.ways.server);
        std::mem::swap(&mut self.counts.client, &mut self.counts.server);
    }

    /// Takes the next segment of `side`, whose `half` does not know of it yet.
    pub(super) fn step(&mut self, side: Side, segment: &Segment, half: &Half) {
        // Wireshark reports a malformed header and analyses nothing of it.
        if segment.marks.contains(Marks::HEADER_BAD) {
            return;
        }
        self.measure(segment);
        let Segment { flags, seq, payload_len, .. } = *segment;
        let is_control = flags.intersects(Flags::SYN | Flags::FIN | Flags::RST);
        let (own, peer) = (self.ways[side], self.ways[!side]);
        let counts = &mut self.counts[side];
        let ack = flags.contains(Flags::ACK).then_some(segment.ack);
        let at_next = own.next() == Some(seq);
        let is_window_probe = payload_len == 1 && at_next && peer.has_sent && peer.window == 0;
        let mut is_keep_alive = false;
        let mut is_duplicate = false;
        if !is_window_probe {
            if segment.window == 0 && !is_control {
                counts.zero_windows += 1;
            }
            is_keep_alive = payload_len <= 1 && !is_control && own.next() == Some(seq + 1);
            counts.keep_alives += u32::from(is_keep_alive);
            let same_window = own.has_sent && own.window == segment.window || segment.options.sack_count > 0;
            let repeats = payload_len == 0 && at_next && ack == own.acked() && same_window && !is_control;
            let answers_probe =
                peer.was_keep_alive && segment.window != 0 || peer.was_window_probe && segment.window == 0;
            is_duplicate = repeats && segment.window != 0 && !answers_probe;
        }
        let occupies = payload_len > 0 || flags.intersects(Flags::SYN | Flags::FIN);
        if occupies && !is_keep_alive {
            self.judge_repetition(side, segment, half);
        }
        let way = &mut self.ways[side];
        way.duplicate_acks = if ack == own.acked() { own.duplicate_acks + u32::from(is_duplicate) } else { 0 };
        let control = u32::from(flags.intersects(Flags::SYN | Flags::FIN));
        let end = seq + payload_len + control;
        if own.next().is_none_or(|next| end.after(next + control)) {
            way.was_pure_ack = payload_len == 0;
        }
        if !is_window_probe && own.next().is_none_or(|next| end.after(next)) {
            (way.next, way.next_time) = (end, segment.time);
        }
        way.has_sent = true;
        (way.ack, way.has_ack) = (segment.ack, ack.is_some());
        (way.time, way.window) = (segment.time, segment.window);
        (way.was_keep_alive, way.was_window_probe) = (is_keep_alive, is_window_probe);
        (way.sack, way.sack_count) = (segment.options.sack, segment.options.sack_count);
    }

    /// A segment of `side` that is no SYN, FIN or RST, has no SACK blocks and an open window is the next in order, and nothing
    /// would be flagged.
    #[inline(always)]
    pub(super) fn is_steady(&self, side: Side, segment: &Segment) -> bool {
        let (own, peer) = (&self.ways[side], &self.ways[!side]);
        let was_acknowledged = || peer.has_ack && segment.seq_end().at_or_before(peer.ack);
        own.has_sent
            && own.has_ack
            && own.next == segment.seq
            && peer.has_sent
            && peer.window != 0
            && (segment.payload_len == 0 || !was_acknowledged())
    }

    /// Takes a segment that [is steady](Self::is_steady).
    #[inline]
    pub(super) fn step_steadily(&mut self, side: Side, segment: &Segment) {
        self.measure(segment);
        let answers_probe = self.ways[!side].was_keep_alive;
        let own = &mut self.ways[side];
        let repeats = segment.payload_len == 0 && own.window == segment.window && !answers_probe;
        own.duplicate_acks = if segment.ack == own.ack { own.duplicate_acks + u32::from(repeats) } else { 0 };
        if segment.payload_len > 0 {
            own.was_pure_ack = false;
            (own.next, own.next_time) = (segment.seq_end(), segment.time);
        }
        (own.ack, own.time, own.window) = (segment.ack, segment.time, segment.window);
        (own.was_keep_alive, own.was_window_probe) = (false, false);
        (own.sack, own.sack_count) = (segment.options.sack, 0);
    }

    fn judge_repetition(&mut self, side: Side, segment: &Segment, half: &Half) {
        let (own, peer) = (&self.ways[side], &self.ways[!side]);
        let counts = &mut self.counts[side];
        let (len, seq) = (segment.payload_len, segment.seq);
        let end = seq + len;
        if len > 0 && peer.acked().is_some_and(|ack| end.at_or_before(ack)) {
            counts.retransmissions += 1;
            return;
        }
        let Some(next) = own.next() else { return };
        let is_old = seq.before(next) && !(len > 1 && seq + 1 == next);
        if !is_old {
            return;
        }
        let after_duplicates = (0..FAST_NS).contains(&segment.time.since(peer.time)) && peer.duplicate_acks >= 2;
        let is_wanted = peer.acked() == Some(seq) || peer.sack_count > 0 && !peer.has_sacked(seq, end);
        if after_duplicates && is_wanted {
            counts.retransmissions += 1;
            return;
        }
        let was_seen = !half.gaps.overlaps(seq, end)
            && end.at_or_before(next)
            && peer.acked().is_none_or(|ack| segment.seq_end().after(ack));
        let control = u32::from(segment.flags.intersects(Flags::SYN | Flags::FIN));
        let threshold = self.first_rtt_ns.unwrap_or(REORDERED_NS);
        let ends_series = end + control != next || own.was_pure_ack;
        if (0..threshold).contains(&segment.time.since(own.next_time)) && !was_seen && ends_series {
            counts.out_of_order += 1;
        } else {
            counts.retransmissions += 1;
        }
    }

    /// The first round trip: from the SYN to the first ACK after it.
    #[inline]
    fn measure(&mut self, segment: &Segment) {
        match segment.flags & (Flags::SYN | Flags::ACK) {
            Flags::SYN => self.syn = Some(segment.time),
            Flags::ACK if self.first_rtt_ns.is_none() => {
                self.first_rtt_ns = self.syn.map(|syn| segment.time.since(syn)).filter(|&rtt| rtt > 0);
            }
            _ => {}
        }
    }
}
