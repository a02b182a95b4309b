//! What was acknowledged and never sent.

use super::noted::Class;
use super::step::Connection;
use crate::base::{Seq, Side};
use crate::segment::{Flags, Segment};

/// Frames that a card's queues hand over in the wrong order are no farther apart, nor mostly those of two paths, ns.
const OVERTAKEN_NS: i64 = 10_000_000;
/// A probe stands one below what was acknowledged.
const OCTETS_MIN: i32 = 2;

impl Connection {
    /// The peer of `side` acknowledged octets that nobody saw, and `side` still has not sent them when it acknowledges in
    /// `segment`, which carries SND.NXT: nothing is missing in the capture. What acknowledged them was dropped whole (RFC 9293,
    /// section 3.10.7.4, fifth).
    pub(super) fn take_back_unsent(&mut self, side: Side, segment: &Segment) {
        let own = &self.halves[side];
        let (from, to) = own.unseen;
        let stands_below = own.is_known() && to == own.nxt && segment.seq == from && to.since(from) >= OCTETS_MIN;
        let is_bare = segment.flags & (Flags::SYN | Flags::FIN | Flags::RST | Flags::ACK) == Flags::ACK
            && segment.payload_len == 0;
        if !stands_below || !is_bare {
            return;
        }
        let is_wrong = |ack: &Seq| ack.after(from) && ack.at_or_before(to);
        let acks = || self.journal.all().filter(|noted| noted.side != side && noted.acknowledges());
        let newest = acks().filter(|noted| is_wrong(&noted.ack)).map(|noted| noted.time).max();
        if newest.is_none_or(|newest| segment.time.since(newest) <= OVERTAKEN_NS) {
            return;
        }
        let wrong: Vec<u64> = acks().filter(|noted| is_wrong(&noted.ack)).map(|noted| noted.frame).collect();
        let acked = acks().map(|noted| noted.ack).filter(|ack| !is_wrong(ack)).reduce(Seq::later).unwrap_or(from);
        let own = &mut self.halves[side];
        own.missing_bytes = own.missing_bytes.saturating_sub(u64::from(to.0.wrapping_sub(from.0)));
        (own.nxt, own.unseen, own.acked) = (from, (from, from), Some(acked));
        for &frame in &wrong {
            self.journal.refute(frame);
        }
        let peer = &mut self.halves[!side];
        for newest in [&mut peer.last, &mut peer.last_data].into_iter().flatten() {
            if wrong.contains(&newest.frame) {
                newest.class |= Class::WILD;
            }
        }
    }
}
