//! Connections of which a capture filter kept nothing but the segments that open, close or reset.

use super::Connection;
use crate::base::{Seq, Side};
use crate::segment::{Flags, Segment};

use super::half::Half;

impl Connection {
    /// Only segments that open, close or reset were captured, and their numbers, or a FIN without an acknowledgment before
    /// it, show that there were others.
    pub fn shows_controls_alone(&self) -> bool {
        let halves = &self.halves;
        let each = |of: fn(&Half) -> bool| of(&halves.client) && of(&halves.server);
        let either = |of: fn(&Half) -> bool| of(&halves.client) || of(&halves.server);
        self.controls() == self.frames()
            && each(|half| half.frames > 0 && half.is_known())
            && halves.server.isn.is_some()
            && (either(|half| half.missing_bytes > 0 || !half.gaps.is_empty()) || either(|half| half.fins > 0))
    }

    /// Nothing was captured but segments that open, close or reset: others may have been left out.
    pub fn has_controls_alone(&self) -> bool {
        self.controls() >= self.frames()
    }

    /// Segments that open, close or reset, and copies of anything.
    fn controls(&self) -> u64 {
        let of = |half: &Half| u64::from(half.syns + half.syn_acks + half.fins + half.rsts + half.duplicates);
        of(&self.halves.client) + of(&self.halves.server)
    }

    /// A capture of control segments alone (a filter for SYN, FIN and RST) shows no octet of what was sent; the numbers of
    /// an acknowledging reset tell how far both sides had come.
    pub(super) fn tells_of_unseen(&self, side: Side, segment: &Segment) -> bool {
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let goes_beyond = |seq: Seq, half: &Half| (1..1 << 30).contains(&seq.since(half.nxt));
        // The reset itself is counted among the frames already.
        self.controls() + 1 == self.frames()
            && segment.flags.contains(Flags::ACK)
            && own.is_known()
            && peer.is_known()
            && self.halves.server.isn.is_some()
            && (goes_beyond(segment.seq, own) || goes_beyond(segment.ack, peer))
            && !segment.seq.before(own.nxt)
            && !segment.ack.before(peer.nxt)
    }
}
