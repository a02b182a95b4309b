//! Frames that were captured more than once, and input that stands twice in the input.

use super::Connection;
use super::half::Half;
use super::noted::{Class, Noted};
use crate::base::{Side, Timestamp};
use crate::segment::{Flags, Segment};

/// Two identical frames this close together are one frame captured twice even when nothing in them tells a
/// retransmission apart: no stack retransmits within a millisecond.
const DUPLICATE_NS: i64 = 1_000_000;
/// The same for frames that a retransmission could not equal, because an IP id or timestamp counts on.
const DUPLICATE_MARKED_NS: i64 = 150_000_000;

impl Connection {
    /// The same packet was captured a moment before.
    #[inline(always)]
    pub(super) fn is_duplicate(&mut self, side: Side, segment: &Segment) -> bool {
        let packet = segment.sender_digest();
        // Asked first: nearly none is like one of the last.
        let is_like_one = self.halves[side].digests.iter().any(|&(digest, _)| digest == packet);
        let seen = is_like_one && self.is_copy(side, segment, packet);
        if !seen {
            let half = &mut self.halves[side];
            let slot = usize::from(half.digest_cursor) % half.digests.len();
            half.digests[slot] = (packet, segment.time);
            half.digest_cursor = half.digest_cursor.wrapping_add(1);
        }
        seen
    }

    /// The same of one with this digest, which one of the last of its sender had, too.
    #[inline(never)]
    fn is_copy(&self, side: Side, segment: &Segment, packet: u32) -> bool {
        // No timer sends a SYN again so soon, and nothing else repeats one that nobody has answered.
        let first_syn = segment.flags & (Flags::SYN | Flags::ACK) == Flags::SYN && self.halves[!side].frames == 0;
        let counts = segment.ip_id != 0 && !self.repeats_its_id(side, segment);
        let marked = counts || segment.options.timestamps.is_some() || first_syn;
        let span = if marked { DUPLICATE_MARKED_NS } else { DUPLICATE_NS };
        let half = &self.halves[side];
        let is_same = |&&(digest, time): &&(u32, Timestamp)| digest == packet && segment.time.since(time).abs() <= span;
        let first = half.digests.iter().find(is_same).filter(|_| half.frames > 1).map(|&(_, time)| time);
        let peer = &self.halves[!side];
        // What the peer sent since is answered anew, in the same tick and so in the same words; and so is what it had under way:
        // beyond what this acknowledges, where no SACK tells the answers apart, or once more.
        let asked = |first: Timestamp| {
            let is_asked = |last: Noted| {
                last.end() != last.seq && (last.time > first || last.class.contains(Class::RETRANSMISSION))
            };
            segment.options.sack_count == 0 && peer.nxt.after(segment.ack) || peer.last.is_some_and(is_asked)
        };
        // Linux gives SYN-ACKs no id: one answers the repeated SYN, and the timer sends another in the same tick.
        let answers_each =
            segment.flags.contains(Flags::SYN | Flags::ACK) && segment.ip_id == 0 && self.halves[!side].syns > 1;
        // Where each of its frames so far came twice, the next one begins the next pair.
        let begins_pair = half.frames - 1 == 2 * u64::from(half.duplicates);
        first.is_some_and(|first| {
            let says = segment.seq_len() > 0 || marked && (counts || !asked(first));
            if answers_each { self.comes_twice(side) && !begins_pair } else { says || self.comes_twice(side) }
        })
    }

    /// Frames come twice in this capture, those of `side` at least, and not a few that the network copied. Answers without an id
    /// or timestamp are equal when they answer alike: resets to one window of data (FACTS: Linux sends them with id 0),
    /// duplicate acknowledgments. Only where other frames come twice, they do, too.
    fn comes_twice(&self, side: Side) -> bool {
        let count = |half: &Half| (u64::from(half.duplicates), half.frames);
        let (own, peer) = (count(&self.halves[side]), count(&self.halves[!side]));
        // The newest of the frames is the one in question.
        let is_often = |(copies, frames): (u64, u64)| copies > 0 && 3 * copies + 1 >= frames;
        is_often(own) || is_often((own.0 + peer.0, own.1 + peer.1))
    }

    /// The SYN once more, by its id and its sender's clock, when that had gone on with the connection.
    pub(super) fn repeats_syn(&self, side: Side, segment: &Segment) -> bool {
        let has_gone_on = |last: &Noted| !last.is_syn();
        if segment.flags & (Flags::SYN | Flags::ACK) != Flags::SYN
            || !self.halves[side].last.as_ref().is_some_and(has_gone_on)
        {
            return false;
        }
        let is_same = |noted: &Noted| {
            let is_stamped = noted.timestamps.is_some() && noted.timestamps == segment.options.timestamps;
            noted.side == side
                && noted.is_syn()
                && noted.seq == segment.seq
                && is_stamped
                && noted.ip_id == segment.ip_id
        };
        self.journal.all().any(is_same)
    }

    /// Another packet of `side` had the id of `segment`: the sender gives all the same.
    fn repeats_its_id(&self, side: Side, segment: &Segment) -> bool {
        let is_other = |noted: &Noted| {
            let is_same = (noted.seq, noted.ack, noted.len) == (segment.seq, segment.ack, segment.payload_len);
            noted.ip_id == segment.ip_id && !(is_same && noted.flags == segment.flags)
        };
        let first = self.journal.all().find(|noted| noted.side == side);
        first.into_iter().chain(&self.halves[side].last).any(is_other)
    }

    /// It is dated among frames already seen and one of them, to the nanosecond, or it says nothing new in a stretch that
    /// began with such a one: a part of the input stands twice in it, as in files that were put together.
    pub(super) fn stands_again(&mut self, side: Side, segment: &Segment) -> bool {
        if segment.time >= self.end {
            return false;
        }
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let is_old = !segment.seq_end().after(own.nxt)
            && (!segment.flags.contains(Flags::ACK) || peer.acked.is_some_and(|acked| segment.ack.at_or_before(acked)));
        if segment.time <= self.repeats_until && is_old {
            return true;
        }
        let newest = [own.last, own.last_data];
        let is_again = self.journal.all().chain(newest.iter().flatten()).any(|noted| {
            (noted.time, noted.side, noted.seq, noted.ack) == (segment.time, side, segment.seq, segment.ack)
                && (noted.flags, noted.len, noted.ip_id) == (segment.flags, segment.payload_len, segment.ip_id)
                && noted.timestamps == segment.options.timestamps
        });
        if is_again {
            self.repeats_until = self.end;
        }
        is_again
    }
}
