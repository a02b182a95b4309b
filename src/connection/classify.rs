//! What a segment is against what its sender sent before: new, sent again, out of its place, a probe, or no part of the
//! connection at all.

use std::iter;

use super::half::Half;
use super::noted::{Class, Noted};
use super::profile::Greeting;
use super::round_trip::handshake_rtt;
use super::step::Connection;
use crate::base::{Seq, Side};
use crate::segment::{Flags, Segment, Timestamps};

/// A sequence number farther than this from anything seen belongs to no window that TCP allows (RFC 7323: 2^30).
pub(super) const WILD_DISTANCE: u32 = 1 << 30;
/// No retransmission timer is shorter: Linux's TCP_RTO_MIN; RFC 6298 asks for 1 s.
const RTO_NS_MIN: i64 = 200_000_000;
/// Keepalive times are set in whole seconds; less the time on the way.
pub(super) const KEEPALIVE_NS_MIN: i64 = 500_000_000;
/// No timer sends anything again sooner: a loss probe waits two round trips and at least this (RFC 8985, section 7.2;
/// Linux TCP_TIMEOUT_MIN_US).
const PROBE_NS_MIN: i64 = 2_000_000;
/// A loss probe comes after two round trips, of which few are longer than half a second.
const LATE_PROBE_NS_MAX: i64 = 1_000_000_000;
/// So soon after an acknowledgment of just its number a segment answers it, when nothing but the order of frames says
/// so. Wireshark's figure.
const PROMPT_ANSWER_NS: i64 = 20_000_000;
/// Frames that a card's queues hand over in the wrong order are no farther apart.
const QUEUES_NS: i64 = 10_000_000;
/// Nobody's round trip is longer, ns: what is sent again later than this was not asked for by what was heard before.
const ROUND_TRIP_NS_MAX: i64 = 1_000_000_000;
/// So many ids in a row are no chance.
const IDS_MIN: u64 = 4;
/// So many segments beyond a hole make the duplicate acknowledgments of RFC 5681, section 3.2.
const DUPLICATE_ACKS: i64 = 3;

impl Connection {
    /// Judges a segment against what its sender sent before. Changes nothing.
    pub(super) fn classify(&self, side: Side, segment: &Segment) -> Class {
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let mut class = Class::empty();
        if segment.window == 0 && !segment.flags.intersects(Flags::SYN | Flags::FIN) {
            class |= Class::ZERO_WINDOW;
        }
        if segment.flags.contains(Flags::ACK) {
            let unknown_isn = !peer.is_known() && peer.isn.is_none();
            let of_another = peer.isn.is_some_and(|isn| segment.ack.at_or_before(isn) && !peer.has_gone_round())
                || peer.is_known() && segment.ack.since(peer.nxt).unsigned_abs() > WILD_DISTANCE;
            if !unknown_isn && of_another {
                return class | Class::WILD;
            }
            // A SYN stands unanswered, and this acknowledges something else: an older connection's.
            if peer.syns > 0 && peer.acked.is_none() && segment.ack.after(peer.nxt) && !own.is_known() {
                return class | Class::WILD;
            }
            if peer.is_known() && segment.ack.after(peer.nxt) {
                class |= Class::ACKS_UNSEEN;
            } else if peer.acked.is_some_and(|acked| segment.ack.before(acked)) {
                class |= Class::OLD_ACK;
            }
        }
        if segment.payload_len > 0 && own.payload_bytes == 0 {
            class |= Class::FIRST_DATA;
        }
        if !own.is_known() {
            return class;
        }
        let distance = segment.seq.since(own.nxt);
        if own
            .isn
            .is_some_and(|isn| !segment.flags.contains(Flags::SYN) && segment.seq.at_or_before(isn) && distance < 0)
            && own.acked.is_none()
            && !own.has_gone_round()
        {
            return class | Class::WILD;
        }
        if distance.unsigned_abs() > WILD_DISTANCE {
            return class | Class::WILD;
        }
        let end = segment.seq_end();
        let has_both = segment.payload_len > 0 && segment.flags.contains(Flags::FIN);
        let repeated = if has_both { end - 1 } else { end };
        if own.acked.is_some_and(|acked| repeated.at_or_before(acked)) && segment.seq.before(own.nxt) {
            class |= Class::BELOW_ACK;
        }
        if own.fin.is_some_and(|fin| end.after(fin + 1)) {
            class |= Class::BEYOND_FIN;
        }
        // Behind an octet that a closed window refused, an acknowledgment alone stands where it has to.
        let probe = distance == -1
            && segment.payload_len <= 1
            && !segment.flags.intersects(Flags::SYN | Flags::FIN)
            && own.acked.is_none_or(|acked| acked == own.nxt || peer.window == 0 && segment.payload_len > 0)
            // What acknowledges less than before was sent before, and only late.
            && peer.acked.is_none_or(|acked| segment.ack.at_or_after(acked));
        // Behind a FIN that stands unacknowledged a probe begins before that.
        let is_behind_fin =
            own.fin.is_some_and(|fin| own.acked == Some(fin) && segment.seq + 1 == fin && own.nxt == fin + 1)
                && segment.payload_len <= 1
                && !segment.flags.intersects(Flags::SYN | Flags::FIN)
                && peer.acked.is_none_or(|acked| segment.ack.at_or_after(acked));
        // The news that the window is open was on its way: no keepalive comes so soon after anything else.
        let crossed =
            own.window_probes > 0 && peer.last.is_some_and(|last| segment.time.since(last.time) < KEEPALIVE_NS_MIN);
        // Of a peer that was not heard nobody knows.
        let is_of_window = peer.window == 0 && peer.right_edge.is_some() || crossed;
        if (probe || is_behind_fin) && (is_of_window || may_keep_alive(own, peer, segment)) {
            // Its octet is none of the payload.
            class -= Class::FIRST_DATA;
            class |= if peer.window == 0 || crossed { Class::WINDOW_PROBE } else { Class::KEEPALIVE };
        } else if distance > 0 {
            class |= Class::AFTER_GAP;
        } else if segment.seq_len() > 0 && segment.seq.before(own.nxt) {
            // Sequence space that begins under SND.NXT, and of which nothing is missing, was sent before.
            let is_known = !own.gaps.overlaps(segment.seq, end)
                && !comes_after_its_ack(own, peer, segment)
                && !precedes_capture(own, segment);
            class |= if is_known { Class::RETRANSMISSION } else { Class::FILLS_GAP };
            class |= match haste(own, peer, segment) {
                _ if self.is_older(side, segment) => Class::COPY,
                none if none.is_empty() && self.answers_by_round_trip(side, segment) => Class::FAST,
                haste => haste,
            };
        }
        class
    }
}

impl Connection {
    /// Its sender wrote it before what it had sent last, and the network delayed or copied it. What is sent again has a new
    /// timestamp, a new IPv4 id and the newest acknowledgment.
    fn is_older(&self, side: Side, segment: &Segment) -> bool {
        let own = &self.halves[side];
        let acked = self.halves[!side].acked.filter(|_| segment.flags.contains(Flags::ACK));
        if acked.is_some_and(|acked| segment.ack.after(acked)) {
            return false;
        }
        let stamps = segment.options.timestamps.zip(own.newest_stamps);
        if stamps.is_some_and(|(now, newest)| is_clocked_before(now, newest)) {
            return true;
        }
        let is_no_newer = stamps.is_none_or(|(now, newest)| Seq(now.value).at_or_before(Seq(newest.value)));
        if segment.ip_id == 0 && is_no_newer && acked.is_some_and(|acked| segment.ack.before(acked)) {
            return true;
        }
        let Some(last) = own.last.filter(|last| !is_written_anew(segment, last)) else { return false };
        let has_ids = segment.ip_id != 0 && last.ip_id != 0;
        let has_older_id = has_ids && segment.ip_id.wrapping_sub(last.ip_id).cast_signed() < 0;
        // Ids need not count: they are random in some stacks.
        let is_told_by_ids = if stamps.is_some() { is_no_newer } else { self.counts_ids(side, segment, &last) };
        has_older_id && is_told_by_ids
    }

    /// The IPv4 ids of `side` go up by one with each of its segments as far as `last`, and that of `segment` is among them.
    fn counts_ids(&self, side: Side, segment: &Segment, last: &Noted) -> bool {
        let first = self.journal.all().find(|noted| noted.side == side && noted.ip_id != 0 && !noted.is_rst());
        let Some(first) = first else { return false };
        let (span, place) = (last.ip_id.wrapping_sub(first.ip_id), segment.ip_id.wrapping_sub(first.ip_id));
        // What was lost before the tap had one, too.
        (IDS_MIN..=2 * self.halves[side].frames).contains(&u64::from(span)) && place < span
    }

    /// The peer told of a hole there, by SACK or by a bare acknowledgment, one round trip of `side` before.
    fn answers_by_round_trip(&self, side: Side, segment: &Segment) -> bool {
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let has_more = is_told_by_duplicates(own, segment);
        let is_told_of = |last: &Noted| {
            let goes_on = |again: Noted| {
                again.class.intersects(Class::RETRANSMISSION | Class::FILLS_GAP) && last.ack.after(again.seq)
            };
            peer.sack_high.is_some_and(|edge| edge.after(segment.seq_end()))
                || is_told_by(last, segment) && (has_more || own.last_data.is_some_and(goes_on))
        };
        let Some(heard_ns) = peer.last.filter(is_told_of).map(|last| segment.time.since(last.time)) else {
            return false;
        };
        if heard_ns >= ROUND_TRIP_NS_MAX {
            return false;
        }
        let mut notes = Vec::new();
        self.journal.put_in_order(iter::empty(), &mut notes);
        handshake_rtt(self, &notes)[side].is_some_and(|rtt_ns| heard_ns < rtt_ns + rtt_ns / 4)
    }
}

/// What stands where a keepalive probe does may be one. None acknowledges a FIN first or comes when both are acknowledged (Windows
/// still probes in LAST-ACK); an octet that is pushed, or comes again within any keepalive interval, is payload that was sent again.
fn may_keep_alive(own: &Half, peer: &Half, segment: &Segment) -> bool {
    let is_first_of_fin =
        peer.fin.is_some_and(|fin| segment.ack.after(fin) && peer.acked.is_none_or(|acked| acked.at_or_before(fin)));
    let is_soon = |data: Noted| {
        let is_probe = data.class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE);
        !is_probe && segment.time.since(data.time) < KEEPALIVE_NS_MIN
    };
    let is_payload =
        segment.payload_len > 0 && (segment.flags.contains(Flags::PSH) || own.last_data.is_some_and(is_soon));
    !(is_payload || is_first_of_fin || own.fin_acked() && peer.fin_acked())
}

/// What made `own` send a segment again without waiting for its timer.
fn haste(own: &Half, peer: &Half, segment: &Segment) -> Class {
    if let Some(last) = peer.last {
        let heard = segment.time.since(last.time);
        let selective = peer.sack_high.is_some_and(|edge| edge.after(segment.seq_end()));
        let repeated = last.len == 0
            && last.acknowledges()
            && last.ack == segment.seq
            && heard <= PROMPT_ANSWER_NS
            && is_told_by_duplicates(own, segment);
        if heard < RTO_NS_MIN && (selective || repeated) {
            return Class::FAST;
        }
    }
    let is_newest = |last: &Noted| last.end() == own.nxt && last.end() != last.seq;
    let newest =
        own.last.filter(is_newest).or(own.last_data.filter(is_newest)).filter(|_| segment.seq_end() == own.nxt);
    let is_clocked = peer.last.is_some_and(|last| is_clocked_by(&last, segment));
    // Of what is cut otherwise the network makes no copies; but a FIN that overtook what stands before it may be there twice.
    let is_other = |newest: &Noted| segment.seq != newest.seq && !segment.flags.contains(Flags::FIN);
    let is_heard = |newest: &Noted| is_clocked && peer.last.is_some_and(|last| last.frame > newest.frame);
    let is_new = |newest: &Noted| is_written_anew(segment, newest) || is_other(newest) && is_heard(newest);
    // A timer goes back to the first octet that is not acknowledged (RFC 6298, section 5.4), and a probe takes the last.
    let is_behind = own.acked.is_some_and(|una| segment.seq.after(una));
    match newest.map(|newest| (segment.time.since(newest.time), is_new(&newest), newest)) {
        Some((..PROBE_NS_MIN, false, newest)) if has_other_id(segment, &newest) => Class::UNPROMPTED,
        Some((..PROBE_NS_MIN, false, _)) => Class::COPY,
        Some((..RTO_NS_MIN, ..)) if may_probe(own, peer, segment) => Class::PROMPT,
        Some((..LATE_PROBE_NS_MAX, ..)) if is_behind && may_probe(own, peer, segment) => Class::PROMPT,
        _ if is_clocked => Class::FAST,
        _ => Class::empty(),
    }
}

/// It may be a probe for a lost tail (RFC 8985, section 7.2): that needs selective acknowledgments, and silence before it.
fn may_probe(own: &Half, peer: &Half, segment: &Segment) -> bool {
    let has_sack = [own, peer].into_iter().all(|half| half.greeting.is_none_or(Greeting::has_sack));
    let is_answer = |last: Noted| is_clocked_by(&last, segment) && segment.time.since(last.time) < PROBE_NS_MIN;
    has_sack && !peer.last.is_some_and(is_answer)
}

/// The network makes copies with the same IPv4 id, if it has one, and no more hops behind it than those before.
fn has_other_id(segment: &Segment, earlier: &Noted) -> bool {
    let (now, then) = (segment.ip_id, earlier.ip_id);
    now != 0 && then != 0 && now != then && segment.ttl == earlier.ttl
}

/// It follows a bare acknowledgment of less at once, as in recovery (RFC 6582, section 3.2): no timer does.
fn is_clocked_by(last: &Noted, segment: &Segment) -> bool {
    is_told_by(last, segment) && segment.time.since(last.time) <= PROMPT_ANSWER_NS
}

/// Enough was sent beyond it to make the duplicate acknowledgments that tell of its loss.
fn is_told_by_duplicates(own: &Half, segment: &Segment) -> bool {
    i64::from(own.nxt.since(segment.seq)) > DUPLICATE_ACKS * i64::from(segment.payload_len.max(1))
}

/// `last` is a bare acknowledgment of no more than what comes before it.
fn is_told_by(last: &Noted, segment: &Segment) -> bool {
    last.len == 0 && last.acknowledges() && segment.seq.at_or_after(last.ack)
}

/// Its sender wrote it later than `earlier`: it had heard more by then, or its clock had gone on by more than rounding. What the
/// network copies says the same, and an original that its repetition overtook says less.
fn is_written_anew(segment: &Segment, earlier: &Noted) -> bool {
    let acknowledges = segment.flags.contains(Flags::ACK) && earlier.acknowledges();
    let stamps = segment.options.timestamps.zip(earlier.timestamps);
    let is_newer = |(now, then): (Timestamps, Timestamps)| {
        Seq(now.value).since(Seq(then.value)) > 1 || Seq(now.echo).after(Seq(then.echo))
    };
    acknowledges && segment.ack.after(earlier.ack) || stamps.is_some_and(is_newer)
}

/// Its sender's clock stood lower when it wrote it than in `newest`, by more than rounding, or it had heard less by then.
fn is_clocked_before(stamps: Timestamps, newest: Timestamps) -> bool {
    let ticks = Seq(stamps.value).since(Seq(newest.value));
    // A SYN echoes nothing.
    let heard = if stamps.echo == 0 { 0 } else { Seq(stamps.echo).since(Seq(newest.echo)) };
    heard <= 0 && (ticks < -1 || ticks <= 0 && heard < 0)
}

/// The peer acknowledged it just before it was seen: the capture has them in the wrong order, as a card with several
/// queues hands them over.
fn comes_after_its_ack(own: &Half, peer: &Half, segment: &Segment) -> bool {
    let is_unseen = segment.seq.before(own.unseen.1) && own.unseen.0.before(segment.seq_end());
    is_unseen && peer.last.is_some_and(|last| segment.time.since(last.time) <= QUEUES_NS)
}

/// It stands before all that was captured of its sender, whose beginning was not, and nobody had acknowledged it.
fn precedes_capture(own: &Half, segment: &Segment) -> bool {
    let is_before = own.start.is_some_and(|start| segment.seq.before(start));
    is_before && own.isn.is_none() && own.acked.is_none_or(|acked| acked.at_or_before(segment.seq))
}
