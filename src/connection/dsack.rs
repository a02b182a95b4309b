//! What a side says has come to it twice.

use super::step::Connection;
use crate::base::Side;
use crate::segment::{SackBlock, Segment};

impl Connection {
    /// A first block below the acknowledgment, or within the second, names what came once more (RFC 2883, section 4).
    pub(super) fn record_received_again(&mut self, side: Side, segment: &Segment) {
        let blocks = segment.options.sack_blocks();
        let Some(first) = blocks.first().filter(|block| block.right.after(block.left)) else { return };
        let holds = |second: &SackBlock| second.left.at_or_before(first.left) && second.right.at_or_after(first.right);
        if first.right.after(segment.ack) && !blocks.get(1).is_some_and(holds) {
            return;
        }
        let peer = &self.halves[!side];
        let Some(start) = peer.start else { return };
        // SYN and FIN are numbers and no octets.
        let from = peer.isn.map_or(start, |isn| isn + 1).later(first.left);
        let to = peer.fin.filter(|fin| fin.before(first.right)).unwrap_or(first.right);
        // The octet of a probe was meant to come again.
        let octets_min = if peer.keepalives + peer.window_probes > 0 { 2 } else { 1 };
        let octets = to.since(from);
        if octets >= octets_min && to.at_or_before(peer.nxt) {
            self.halves[side].received_again += u64::from(octets.unsigned_abs());
        }
    }
}
