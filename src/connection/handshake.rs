//! What of a handshake arrived: which SYN-ACK the client had, and what opened the server.

use super::delivery::{
    Arrival, Arrivals, Receipt, acknowledges_beyond, has_aborted, indices, shows_receipt_beyond, taken,
};
use super::lifecycle::Lifecycle;
use super::noted::{Class, Noted};
use super::overtaken::OVERTAKEN_NS;
use super::reset::ResetSeen;
use super::round_trip::SYN_ACK_RTO_NS;
use super::step::Connection;
use super::vantage::Tap;
use super::words::OpenKind;
use crate::base::{Seq, Side};
use crate::segment::Flags;

/// A side that has said nothing since its SYN-ACK while the peer sent this often does not hold the connection.
const UNANSWERED_MIN: u32 = 3;

/// Payload is sent again after so long at the least (Linux TCP_RTO_MIN), less a tick, ns.
const DATA_RTO_NS: i64 = 190_000_000;

/// No SYN-ACK waits longer for its acknowledgment before it is sent again (RFC 6298, section 2.1), ns; the road's delay and
/// a timer's slack included.
const SYN_ACK_REPEATED_NS: i64 = 1_500_000_000;

/// Two segments that were sent together change places by no more than this without a detour, ns.
const REORDERED_NS: i64 = 5_000_000;

impl Lifecycle {
    /// The client's SYN with payload that the SYN-ACK did not take (RFC 7413, section 4.1.3).
    pub fn refused_syn_payload(&self) -> Option<&Noted> {
        let syn = self.notes.iter().find(|note| note.side == Side::Client && note.is_syn() && note.len > 0)?;
        let refuses = |note: &Noted| note.ack == syn.seq + 1 && self.answers_payload(syn, note);
        (self.opening.kind == OpenKind::ThreeWay && self.notes.iter().any(refuses)).then_some(syn)
    }

    /// Note `answer` is a SYN-ACK to `syn`, which brought payload, and to no later one, which brought none.
    fn answers_payload(&self, syn: &Noted, answer: &Noted) -> bool {
        let bare = self.notes.iter().find(|note| note.side == syn.side && note.is_syn() && note.len == 0);
        let is_its = match (bare, answer.timestamps, syn.timestamps) {
            (None, ..) => true,
            (Some(_), Some(answer), Some(own)) => answer.echo == own.value,
            (Some(bare), ..) => answer.frame < bare.frame,
        };
        answer.side != syn.side && answer.is_syn_ack() && is_its
    }

    /// The octets of a SYN of `side` that the peer's first SYN-ACK behind it did not take: `[from, to)`.
    pub fn octets_left_of_syn(&self, side: Side) -> Option<(Seq, Seq)> {
        let syn = self.notes.iter().find(|note| note.side == side && note.is_syn() && note.len > 0)?;
        let answers = |note: &&Noted| note.frame > syn.frame && self.answers_payload(syn, note);
        let taken = self.notes.iter().find(answers)?.ack;
        let (from, to) = (syn.seq + 1, syn.seq + 1 + syn.len);
        (taken.at_or_after(from) && taken.before(to)).then_some((taken, to))
    }

    /// How many octets of the client's SYN its answer did not take (RFC 7413, section 4.1.3).
    pub fn refused_syn_octets(&self) -> u32 {
        match self.octets_left_of_syn(Side::Client).filter(|_| self.opening.kind == OpenKind::FastOpen) {
            Some((from, to)) => to.0.wrapping_sub(from.0),
            None => self.refused_syn_payload().map_or(0, |syn| syn.len),
        }
    }

    /// The SYNs of `side` that came when it was open.
    pub fn late_syns(&self, side: Side) -> impl DoubleEndedIterator<Item = &Noted> {
        late_syns(&self.notes, side)
    }
}

impl Arrivals {
    /// Which copy of the peer's SYN-ACK reached `side`.
    pub(super) fn syn_ack_receipt(&self, connection: &Connection, notes: &[Noted], side: Side) -> Option<Receipt> {
        let isn = connection.halves[!side].isn?;
        let own_next = connection.halves[side].isn.map(|isn| isn + 1);
        let cover = notes.iter().position(|note| {
            let aborts = shows_receipt_beyond(note, isn) && own_next.is_some_and(|next| note.seq.at_or_after(next));
            note.side == side && (acknowledges_beyond(note, isn) || aborts) && !note.is_syn_ack() && !note.is_syn()
        });
        let Some(cover) = cover else { return syn_ack_before_unseen(notes, side, own_next?) };
        if side == Side::Client && is_aborted_before(connection, notes, &notes[cover]) {
            return None;
        }
        let copies = indices(&notes[..cover], |note| note.side != side && note.is_syn_ack());
        let chosen = if copies.is_empty() { return None } else { self.copy_answered(notes, &copies, cover, side) };
        let copy = copies[chosen];
        // A simultaneous opener's own SYN and SYN-ACK may still follow in the order of the tap.
        let still_without = (copy..cover).rev().find(|&i| notes[i].side == side && notes[i].is_syn());
        // A reply at that number comes from a socket that is gone, which says nothing afterwards: it overtook the acknowledgment.
        let overtook = |note: &Noted| {
            let is_reply = note.side == side && note.is_rst() && !note.flags.contains(Flags::ACK);
            is_reply && Some(note.seq) == own_next && notes[cover].time.since(note.time) <= OVERTAKEN_NS
        };
        let shown = notes[copy..cover].iter().position(overtook).map_or(cover, |offset| copy + offset);
        Some(Receipt { after: still_without, before: Some(shown), ..Receipt::of(copy, Arrival::Shown, chosen) })
    }

    /// Which segment of the peer told `side` that its SYN-ACK had arrived, and how many did not.
    pub(super) fn ack_of_syn_receipt(
        &self,
        connection: &Connection,
        notes: &[Noted],
        side: Side,
    ) -> (Option<Receipt>, usize) {
        let (receipt, lost) = self.ack_of_syn_taken(connection, notes, side);
        let late = receipt.and_then(|receipt| self.taken_late(notes, side, &receipt));
        (late.or(receipt), lost)
    }

    /// `side` let copies of the peer's first payload pass unanswered after `receipt`, and answered a later one: its accept
    /// queue was full, and that copy found a place (Linux `tcp_v4_syn_recv_sock`). Single losses look the same, but beside it.
    fn taken_late(&self, notes: &[Noted], side: Side, receipt: &Receipt) -> Option<Receipt> {
        let says = |note: &Noted| note.side == side && !note.is_syn() && !note.is_syn_ack() && !note.is_rst();
        let answer = notes.iter().position(says)?;
        let first = notes[..answer].iter().find(|note| note.side != side && note.len > 0 && !note.is_syn())?;
        let is_copy = |note: &Noted| note.side != side && note.seq == first.seq && note.len > 0 && !note.is_syn();
        let copies = indices(&notes[..answer], is_copy);
        let span = self.crossing_ns(side).max(DATA_RTO_NS);
        let is_late = |pair: &[usize]| notes[pair[1]].time.since(notes[pair[0]].time) >= span;
        let ignored = copies.windows(2).filter(|pair| is_late(pair)).count();
        // What was ignored before the receipt had met a full queue; it did not find room itself if one after it was.
        let since = copies.windows(2).any(|pair| pair[0] > receipt.note && is_late(pair));
        let is_beside = self.tap == Some(Tap::beside(side));
        let needed = if is_beside { 2 } else { UNANSWERED_MIN as usize };
        let reply = &notes[answer];
        if !since || ignored < needed || !reply.acknowledges() || !reply.ack.after(first.seq) {
            return None;
        }
        let copy = copies[self.copy_answered(notes, &copies, answer, side)];
        let lost = receipt.lost_before;
        (copy > receipt.note).then(|| Receipt { before: Some(answer), ..Receipt::of(copy, Arrival::Shown, lost) })
    }

    fn ack_of_syn_taken(&self, connection: &Connection, notes: &[Noted], side: Side) -> (Option<Receipt>, usize) {
        let half = &connection.halves[side];
        let Some(isn) = half.isn.filter(|_| half.syn_acks > 0) else { return (None, 0) };
        let open = shows_open(connection, notes, side).or_else(|| self.outlives_offer(notes, side));
        // A copy that comes when the connection is seen to be open was delayed on its way.
        let opened_at = open.map_or(u64::MAX, |open| notes[open].frame);
        let repeated = |note: &Noted| note.side == side && note.is_syn_ack() && note.frame < opened_at;
        let mut answers = taken(notes, 0, |note| note.side != side && acknowledges_beyond(note, isn));
        // Probes show that there was an acknowledgment before the first of them.
        let is_probe = |note: &Noted| note.side != side && note.class.contains(Class::KEEPALIVE);
        if answers.iter().all(|&answer| is_probe(&notes[answer])) {
            let is_offer = |note: &&Noted| note.side == side && note.is_syn_ack();
            let newest = |probe: usize| notes[..probe].iter().rfind(|note| is_offer(note) || is_probe(note));
            answers.retain(|&mut probe| newest(probe).is_none_or(|newest| is_offer(&newest)));
            // Who is still opening takes nothing of a probe, and answers it.
            answers.retain(|&mut probe| !is_offered_after_reply(notes, side, probe));
        }
        if open.is_none() && is_offered_again(notes, side) {
            // Of what only a reset tells, the SYN-ACK that had to be sent again says that it was lost.
            answers.retain(|&mut answer| !notes.iter().any(|note| note.is_rst() && note.frame == notes[answer].frame));
        }
        let (receipt, lost) = self.effective(notes, side, &answers, repeated);
        let Some(receipt) = receipt else {
            // Seen to be open all the same: the last answer before that did it.
            let last = open.and_then(|open| answers.iter().rev().find(|&&answer| answer < open).copied());
            return (last.map(|note| Receipt { before: open, ..Receipt::of(note, Arrival::Shown, lost) }), lost);
        };
        match open {
            Some(open) if receipt.note > open => {
                let last = answers.iter().rev().find(|&&answer| answer < open).copied();
                (last.map(|note| Receipt { before: Some(open), ..Receipt::of(note, Arrival::Shown, lost) }), lost)
            }
            Some(open) => {
                let before = Some(receipt.before.map_or(open, |shows| shows.min(open)));
                (Some(Receipt { arrival: Arrival::Shown, before, ..receipt }), lost)
            }
            // What it echoes, it had taken.
            None if receipt.before.is_none() && does_not_hold(connection, notes, &answers, side, lost) => {
                (None, lost + 1)
            }
            None => (Some(receipt), lost),
        }
    }

    /// `side` still answers when its SYN-ACK ought to have been sent again: either somebody had taken the offer, or it would be
    /// gone. Returns the index of that answer.
    fn outlives_offer(&self, notes: &[Noted], side: Side) -> Option<usize> {
        let mut offers = notes.iter().filter(|note| note.side == side && note.is_syn_ack()).rev();
        let (last, before) = (offers.next()?, offers.next()?);
        // A timer at most doubles (RFC 6298, section 5.5).
        let due = last.time.plus(2 * last.time.since(before.time) + self.crossing_ns(side));
        let lives = |note: &Noted| note.side == side && note.acknowledges() && !note.is_syn_ack() && note.time > due;
        notes.iter().position(lives)
    }
}

/// `side` sent its SYN-ACK once more, and by its timer.
fn is_offered_again(notes: &[Noted], side: Side) -> bool {
    let mut offers = notes.iter().filter(|note| note.side == side && note.is_syn_ack());
    offers.next().is_some_and(|first| offers.any(|again| again.time.since(first.time) >= SYN_ACK_RTO_NS))
}

/// `side` said a bare acknowledgment after note `from`, and then its SYN-ACK again.
fn is_offered_after_reply(notes: &[Noted], side: Side, from: usize) -> bool {
    let mut own = notes[from..].iter().filter(|note| note.side == side && note.acknowledges());
    own.any(|reply| !reply.is_syn_ack()) && own.any(Noted::is_syn_ack)
}

/// A reset of the client that SYN-RECEIVED takes (RFC 9293, section 3.10.7.4) came before its `ack`, and nothing shows that
/// the server went on: as where a program writes its own segments, and the kernel beneath refuses the answer to its SYN. One
/// that overtook `ack` was sent after it, so that both follow the SYN-ACK more closely than each other.
pub(super) fn is_aborted_before(connection: &Connection, notes: &[Noted], ack: &Noted) -> bool {
    let (client, server) = (&connection.halves.client, &connection.halves.server);
    let Some(next) = client.isn.map(|isn| isn + 1).filter(|_| client.rsts > 0 && server.syn_acks > 0) else {
        return false;
    };
    let offered = notes.iter().find(|note| note.side == Side::Server && note.is_syn_ack()).map(|note| note.time);
    let aborts = |note: &Noted| {
        let answered_ns = offered.map_or(0, |offered| note.time.since(offered));
        let is_before = note.frame < ack.frame && ack.time.since(note.time) > answered_ns.max(REORDERED_NS);
        note.side == Side::Client && note.is_rst() && note.seq == next && is_before
    };
    let answers = server.last_payload().is_some_and(|said| said.frame > ack.frame);
    let goes_on = answers || client.acked.is_some_and(|acked| acked.after(next));
    !goes_on && notes.iter().any(aborts)
}

/// Nothing that `side` sent after the SYN-ACK was captured, but the peer acknowledges more than its SYN, which only an open
/// connection sends. With Fast Open the SYN itself carries more.
fn syn_ack_before_unseen(notes: &[Noted], side: Side, own_next: Seq) -> Option<Receipt> {
    let shows = |note: &Noted| note.side != side && note.acknowledges() && note.ack.after(own_next);
    let shown = notes.iter().position(shows).filter(|&shown| !notes[shown].is_syn_ack())?;
    let copies = indices(&notes[..shown], |note| note.side != side && note.is_syn_ack());
    Some(Receipt::of(*copies.last()?, Arrival::Shown, copies.len() - 1))
}

/// The first segment of `side` that only an open connection sends: payload, a FIN, or an acknowledgment beyond the
/// peer's SYN. A Fast Open server may send data before it is open (RFC 7413, section 4.2), so there only the
/// acknowledgment counts.
fn shows_open(connection: &Connection, notes: &[Noted], side: Side) -> Option<usize> {
    let accepted_at_syn = accepted_at_syn(notes, side);
    let fast_open = accepts_fast_open(connection, notes, side);
    notes.iter().position(|note| {
        let beyond_syn = note.acknowledges() && accepted_at_syn.is_some_and(|ack| note.ack.after(ack));
        // Only an open connection keeps what came out of order.
        let sends = (note.len > 0 || note.is_fin()) && !fast_open || note.sack.is_some();
        note.side == side && !note.is_syn() && !note.is_syn_ack() && !note.is_rst() && (beyond_syn || sends)
    })
}

/// SYNs that cross are no farther apart: by then the first would have come again, ns.
const CROSSED_NS: i64 = 1_000_000_000;

/// Note `index` is a SYN that came when its sender was seen to be open: of a client by its own segment behind it, of who
/// answers by its peer's. An old duplicate, or a copy of the network's, and no part of the opening.
pub(super) fn is_late_syn(notes: &[Noted], index: usize) -> bool {
    let syn = &notes[index];
    if !syn.is_syn() {
        return false;
    }
    let is_own = |note: &&Noted| note.side == syn.side && note.seq == syn.seq;
    let answers = notes[..index].iter().filter(is_own).any(Noted::is_syn_ack);
    let asks = notes[..index].iter().filter(is_own).any(Noted::is_syn);
    let next = syn.seq + 1;
    let opens = |note: &Noted| {
        let shows = match note.side == syn.side {
            true => asks && note.seq.at_or_after(next),
            false => answers && note.ack.at_or_after(next),
        };
        shows && note.acknowledges() && !note.flags.contains(Flags::SYN) && !note.class.contains(Class::WILD)
    };
    let open = notes[..index].iter().find(|note| opens(note));
    // In a simultaneous open the SYN may be overtaken by the SYN-ACK behind it.
    let held_up_ns = if answers { CROSSED_NS } else { REORDERED_NS };
    open.is_some_and(|open| syn.time.since(open.time) > held_up_ns)
}

/// Those of `side`.
pub(super) fn late_syns(notes: &[Noted], side: Side) -> impl DoubleEndedIterator<Item = &Noted> {
    let is_late = move |&index: &usize| notes[index].side == side && is_late_syn(notes, index);
    (0..notes.len()).filter(is_late).map(|index| &notes[index])
}

/// `side` sent a SYN to open, as far as `notes` go.
pub(super) fn asked_to_open(notes: &[Noted], side: Side) -> bool {
    (0..notes.len()).any(|index| notes[index].side == side && notes[index].is_syn() && !is_late_syn(notes, index))
}

/// What the SYN-ACK of `side` acknowledges.
pub(super) fn accepted_at_syn(notes: &[Noted], side: Side) -> Option<Seq> {
    notes.iter().find(|note| note.side == side && note.is_syn_ack()).map(|note| note.ack)
}

/// The SYN-ACK of `side` acknowledges payload: its application has the socket before the handshake is over (RFC 7413, section 4.2).
pub(super) fn accepts_fast_open(connection: &Connection, notes: &[Noted], side: Side) -> bool {
    let (accepted, isn) = (accepted_at_syn(notes, side), connection.halves[!side].isn);
    accepted.zip(isn).is_some_and(|(ack, isn)| ack.after(isn + 1))
}

/// The passive opener has said nothing since its SYN-ACK although the client sent again and again, or it even repeated
/// the SYN-ACK over the client's acknowledgments and repeated payload.
fn does_not_hold(connection: &Connection, notes: &[Noted], answers: &[usize], side: Side, lost: usize) -> bool {
    let (server, client) = (&connection.halves[side], &connection.halves[!side]);

    let has_aborted = has_aborted(connection, side);
    // A reset without ACK, in answer to the handshake's ACK or what came with it, is a listener's (tcp_abort_on_overflow).
    // Who had not taken that would have repeated the SYN-ACK before a later segment came.
    let is_prompt = |reset: &Noted| server.syn_acks > 1 || reset.time.since(connection.start) < SYN_ACK_REPEATED_NS;
    // The client's own reset may have come before all that acknowledges.
    let overtaken = |seen: &&ResetSeen| {
        seen.noted.side == side || answers.iter().any(|&answer| notes[answer].frame < seen.noted.frame)
    };
    let refused = connection.resets.iter().find(overtaken).is_some_and(|seen| {
        seen.noted.side == side
            && !has_aborted
            && is_prompt(&seen.noted)
            && !seen.noted.flags.contains(Flags::ACK)
            && server.segments() == u64::from(server.syn_acks + server.rsts)
    });
    // An abort is no silence: a live socket sends it.
    let aborted = connection.resets.first().is_some_and(|seen| seen.noted.flags.contains(Flags::ACK));
    let mute = server.segments() == u64::from(server.syn_acks + server.rsts) && !aborted && !has_aborted;
    // What it acknowledges behind the SYN, only an open connection has taken.
    let has_taken = |seen: &ResetSeen| {
        let isn = client.isn.filter(|_| seen.noted.side == side && seen.noted.flags.contains(Flags::ACK));
        isn.is_some_and(|isn| seen.noted.ack.after(isn + 1))
    };
    let is_taken = has_aborted && connection.resets.iter().any(has_taken);
    refused || mute && client.unanswered > UNANSWERED_MIN || lost > 0 && client.retransmissions > 0 && !is_taken
}
