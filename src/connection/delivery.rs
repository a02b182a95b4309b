//! Which control segments arrived: sent, seen and delivered are three things, and only what followed tells the third.

use smallvec::SmallVec;

use super::noted::{Class, Noted};
use super::profile::Profile;
use super::refused::Refused;
use super::round_trip::handshake_rtt;
use super::step::Connection;
use super::vantage::Tap;
use crate::base::{Seq, Side, Sides, Timestamp};
use crate::segment::{Flags, SackBlock, Timestamps};

/// Slack on a round trip when a crossing segment must be told from an answer, ns.
const CROSSING_SLACK_NS: i64 = 1_000_000;
/// Taken for a round trip when none was measured, ns: longer than continental paths, shorter than any minimal RTO.
const RTT_UNKNOWN_NS: i64 = 100_000_000;
/// Nobody holds an acknowledgment back for less (Linux `TCP_DELACK_MIN`), ns.
const DELAYED_ACK_NS_MIN: i64 = 40_000_000;
/// Roads that differ by more than this are rare, ns.
pub(super) const DETOUR_NS: i64 = 50_000_000;
/// So many answers in a row that did not take effect mean that the next one did not either.
const LOST_IN_A_ROW: usize = 4;

/// How it is known that a segment arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The receiver's later segments show it.
    Shown,
    /// Nothing later contradicts it.
    Presumed,
}

/// A segment that took effect at its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Index of the copy that arrived.
    pub note: usize,
    /// Index of the receiver's last segment that was still sent without it, if one shows that.
    pub after: Option<usize>,
    /// Index of the receiver's first segment that shows it.
    pub before: Option<usize>,
    /// How it is known.
    pub arrival: Arrival,
    /// Copies or answers before it that were lost.
    pub lost_before: usize,
}

impl Receipt {
    pub(super) const fn of(note: usize, arrival: Arrival, lost_before: usize) -> Self {
        Self { note, after: None, before: None, arrival, lost_before }
    }
}

/// What arrived, for each control segment. `receipts[side]` is what `side` received.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// The peer's SYN-ACK.
    pub syn_ack: Sides<Option<Receipt>>,
    /// The acknowledgment of this side's SYN that completes a passive open.
    pub ack_of_syn: Sides<Option<Receipt>>,
    /// The peer's FIN.
    pub fin: Sides<Option<Receipt>>,
    /// The acknowledgment of this side's FIN.
    pub ack_of_fin: Sides<Option<Receipt>>,
    /// Acknowledgments of this side's FIN that were seen and took no effect.
    pub lost_acks_of_fin: Sides<usize>,
    /// Acknowledgments of this side's SYN-ACK that were seen and took no effect.
    pub lost_acks_of_syn: Sides<usize>,
    /// Nanoseconds from the tap to this side and back, from the handshake.
    pub rtt_ns: Sides<Option<i64>>,
    /// Where the capture was taken, if that shows: what is seen beside an end reaches it.
    pub tap: Option<Tap>,
    /// How far the capture reaches.
    horizon: Timestamp,
}

impl Arrivals {
    /// Decides for `connection`, whose remembered segments in order are `notes`, in a capture that reaches to `horizon`, with ends
    /// of the stacks `profiles`.
    pub(super) fn of(connection: &Connection, notes: &[Noted], horizon: Timestamp, profiles: &Sides<Profile>) -> Self {
        let rtt_ns = handshake_rtt(connection, notes);
        let mut arrivals = Self { rtt_ns, tap: Tap::of(connection, notes, rtt_ns), horizon, ..Self::default() };
        for side in Side::BOTH {
            arrivals.syn_ack[side] = arrivals.syn_ack_receipt(connection, notes, side);
            let (receipt, lost) = arrivals.ack_of_syn_receipt(connection, notes, side);
            arrivals.ack_of_syn[side] = receipt;
            arrivals.lost_acks_of_syn[side] = lost;
            arrivals.fin[side] = arrivals.fin_receipt(connection, notes, side);
            let (receipt, lost) = arrivals.ack_of_fin_receipt(connection, notes, side);
            arrivals.ack_of_fin[side] = receipt;
            arrivals.lost_acks_of_fin[side] = lost;
            if arrivals.fin[side].is_none() {
                arrivals.fin[side] = arrivals.fin_with_ack(connection, notes, side);
            }
            if let Some(refused) = Refused::of(connection, notes, side, &profiles[side]) {
                let is_other = |receipt: &Receipt| receipt.note != refused.note;
                arrivals.fin[side] = arrivals.fin[side].filter(is_other);
                arrivals.ack_of_fin[side] =
                    arrivals.ack_of_fin[side].filter(|receipt| refused.takes_ack || is_other(receipt));
            }
        }
        arrivals
    }

    /// A segment of `side` seen within this many ns after one sent to it may have been on its way already.
    pub fn crossing_ns(&self, side: Side) -> i64 {
        self.rtt_ns[side].map_or(RTT_UNKNOWN_NS, |rtt| rtt + (rtt / 4).min(DETOUR_NS)) + CROSSING_SLACK_NS
    }

    /// From the tap to `side` and back, by whatever it answered soonest of what is remembered; the handshake may have been slow.
    pub fn shortest_rtt_ns(&self, notes: &[Noted], side: Side) -> Option<i64> {
        exchanges(notes, side).chain(self.rtt_ns[side]).min()
    }

    /// Which copy of the peer's FIN reached `side`.
    fn fin_receipt(&self, connection: &Connection, notes: &[Noted], side: Side) -> Option<Receipt> {
        let fin = connection.halves[!side].fin?;
        let copies = indices(notes, |note| note.side != side && note.is_fin() && note.end() == fin + 1);
        let from = first_after_fin(connection, notes, !side);
        let covers = |note: &Noted| note.side == side && shows_receipt_beyond(note, fin);
        let Some(cover) = notes[from..].iter().position(covers).map(|offset| from + offset) else {
            if waits_behind_octets(connection, notes, side, fin) {
                return None;
            }
            if let Some(receipt) = self.fin_before_reset(connection, notes, side, &copies) {
                return Some(receipt);
            }
            // Beside its receiver, and not answered before the end of the capture.
            let is_beside = self.tap == Some(Tap::beside(side));
            let whole = is_beside && !connection.halves[!side].fin_acked() && connection.halves[!side].gaps.is_empty();
            if let ([only], true) = (copies.as_slice(), whole)
                && !notes[*only..].iter().any(|note| note.side == side)
            {
                return Some(Receipt::of(*only, Arrival::Presumed, 0));
            }
            // The acknowledgment was seen, but had to make room in the journal.
            let last = *copies.last().filter(|_| connection.halves[!side].fin_acked())?;
            return Some(Receipt::of(last, Arrival::Shown, copies.len() - 1));
        };
        let before = &copies[..copies.partition_point(|&copy| copy < cover)];
        if before.is_empty() {
            return Some(Receipt { before: Some(cover), ..Receipt::of(cover, Arrival::Shown, 0) });
        }
        let mut chosen = self.copy_answered(notes, before, cover, side);
        if notes[cover].timestamps.is_none() {
            let missed = before.iter().take_while(|&&copy| self.is_missed(notes, side, copy, fin)).count();
            chosen = chosen.max(missed.min(before.len() - 1));
        }
        let had_it = notes[cover].sack.is_some_and(|block| block.left.at_or_before(fin) && block.right == fin + 1);
        if chosen > 0 && had_it && notes[cover].ack == fin + 1 {
            // It reports a duplicate (RFC 2883, section 4): an earlier copy had arrived.
            chosen -= 1;
        }
        let copy = filled_before(notes, before[chosen], cover, side, fin).unwrap_or(before[chosen]);
        // An own FIN without it was sent before it came. Other segments without it may only wait for octets before it.
        // It may have been overtaken by what shows the receipt, which then stands beyond it or has a newer timestamp.
        let is_older = |note: &Noted| {
            let stamps = note.timestamps.zip(notes[cover].timestamps);
            stamps.is_some_and(|(own, newer)| Seq(own.value).before(Seq(newer.value)))
        };
        let is_overtaken = |note: &Noted| {
            let lacks = note.acknowledges() && note.ack.at_or_before(fin);
            note.side == side && note.is_fin() && lacks && (notes[cover].seq.at_or_after(note.end()) || is_older(note))
        };
        if let Some(without) = notes[cover..].iter().position(is_overtaken).map(|offset| cover + offset) {
            let shows = |note: &Noted| note.side == side && shows_receipt_beyond(note, fin);
            let before = notes[without..].iter().position(shows).map(|offset| without + offset);
            return Some(Receipt { after: Some(without), before, ..Receipt::of(copy, Arrival::Shown, chosen) });
        }
        // Nor had it come when what stands behind an own FIN that the tap had not seen acknowledged all before it alone.
        let is_own_fin = |note: &Noted| note.side == side && note.is_fin();
        let own_next = connection.halves[side].fin.map(|fin| fin + 1);
        let shows_fin = |index: usize| {
            let note = &notes[index];
            let lacks_it = note.side == side && note.acknowledges() && note.ack == notes[copy].seq;
            lacks_it && own_next == Some(note.seq) && !notes[..index].iter().any(is_own_fin)
        };
        let still_without = (copy..cover).rev().find(|&index| is_own_fin(&notes[index]) || shows_fin(index));
        Some(Receipt { after: still_without, before: Some(cover), ..Receipt::of(copy, Arrival::Shown, chosen) })
    }

    /// `side` sent something that lacks the peer's FIN and nothing else, a good while after its copy in note `copy`.
    fn is_missed(&self, notes: &[Noted], side: Side, copy: usize, fin: Seq) -> bool {
        let span = self.crossing_ns(side) + DETOUR_NS;
        notes[copy..].iter().any(|note| {
            let lacks = note.side == side && note.acknowledges() && note.ack == fin;
            lacks && note.time.since(notes[copy].time) > span
        })
    }

    /// The peer's FIN is itself what acknowledged this side's: one arrives with the other, unless octets before it are
    /// missing.
    fn fin_with_ack(&self, connection: &Connection, notes: &[Noted], side: Side) -> Option<Receipt> {
        let peer = &connection.halves[!side];
        let receipt = self.ack_of_fin[side]?;
        let note = &notes[receipt.note];
        let whole = peer.gaps.is_empty() && peer.acked.is_some_and(|acked| note.seq.at_or_before(acked));
        let lacks = |later: &Noted| later.side == side && later.acknowledges() && !later.ack.after(note.end() - 1);
        let arrives = whole && !notes[receipt.note..].iter().any(lacks);
        (note.is_fin() && peer.fin.is_some_and(|fin| note.end() == fin + 1) && arrives).then_some(receipt)
    }

    /// A FIN that was never acknowledged because a RST of its sender followed, which the receiver took: what was sent in
    /// order arrived in order.
    fn fin_before_reset(
        &self,
        connection: &Connection,
        notes: &[Noted],
        side: Side,
        copies: &[usize],
    ) -> Option<Receipt> {
        let fin = connection.halves[!side].fin?;
        let reset = notes
            .iter()
            .position(|note| note.side != side && note.is_rst() && (note.seq == fin || note.seq == fin + 1))?;
        // What lacks it shows that after the reset, too, unless the road had held it up.
        let without = |from: usize| {
            notes[from..].iter().enumerate().any(|(offset, note)| {
                let detour_ns = if from + offset < reset { 0 } else { DETOUR_NS };
                let crossed = note.time.since(notes[from].time) > self.crossing_ns(side) + detour_ns;
                note.side == side && note.acknowledges() && crossed
            })
        };
        let quiet_after = !notes[reset..].iter().any(|note| {
            note.side == side && !note.is_rst() && note.time.since(notes[reset].time) > self.crossing_ns(side)
        });
        let aborts_without = notes.iter().any(|note| {
            note.side == side && note.flags.contains(Flags::RST | Flags::ACK) && note.ack.at_or_before(fin)
        });
        // A FIN had to be repeated because it, or its acknowledgment, was lost: nothing says that the last copy fared better.
        let sent = &copies[..copies.partition_point(|&copy| copy < reset)];
        let [copy] = *sent else { return None };
        // What came before it is missing, and that for no filter's sake, and nothing shows that it was sent again.
        if !connection.halves[!side].gaps.is_empty() && !connection.has_controls_alone() {
            return None;
        }
        // Whoever takes a FIN acknowledges it at once.
        let is_ignored = self.tap == Some(Tap::beside(side))
            && notes[reset].time.since(notes[copy].time) > self.crossing_ns(side) + DETOUR_NS;
        // It has the octets beside the FIN, and not those before them.
        let waits = notes[copy..reset].iter().enumerate().any(|(offset, note)| {
            let is_held = note.sack.is_some_and(|block| block.right.at_or_after(fin) && note.ack.before(block.left));
            let fills = |later: &Noted| {
                later.side != side && later.seq.at_or_before(note.ack) && later.end().after(note.ack) && later.len > 0
            };
            note.side == side && note.acknowledges() && is_held && !notes[copy + offset..].iter().any(fills)
        });
        // It has reported the octets beside the FIN without that, and acknowledges them by now: it dropped the FIN.
        let since = &notes[copy..reset];
        let reports = |note: &&Noted| note.side == side && note.sack.is_some_and(|block| block.right == fin);
        let is_dropped = since.iter().position(|note| reports(&note)).is_some_and(|reported| {
            since[reported..].iter().any(|note| note.side == side && note.acknowledges() && note.ack == fin)
        });
        // An own FIN without it was sent before it came.
        let lacks =
            |note: &Noted| note.side == side && note.is_fin() && note.acknowledges() && note.ack.at_or_before(fin);
        let after = notes.iter().rposition(lacks).filter(|&own| own > copy);
        (quiet_after && !aborts_without && !is_ignored && !waits && !is_dropped && !without(copy))
            .then(|| Receipt { after, ..Receipt::of(copy, Arrival::Presumed, 0) })
    }

    /// Which of `copies` the answer at `answer` answers: the newest whose timestamp it echoes or could echo, and of those that
    /// have one timestamp the newest that is old enough to have been there and back.
    pub(super) fn copy_answered(&self, notes: &[Noted], copies: &[usize], answer: usize, side: Side) -> usize {
        let rtt = self.rtt_ns[side].or_else(|| acknowledged_at_once(notes, side)).unwrap_or(0);
        let is_old_enough = |&copy: &usize| notes[answer].time.since(notes[copy].time) >= rtt - rtt / 4;
        if let Some(Timestamps { echo, .. }) = notes[answer].timestamps {
            let value = |copy: usize| notes[copy].timestamps.map(|timestamps| Seq(timestamps.value));
            let is_echoed = |&copy: &usize| value(copy).is_some_and(|value| value.at_or_before(Seq(echo)));
            if let Some(newest) = copies.iter().rposition(is_echoed) {
                let is_same = |&&copy: &&usize| value(copy) == value(copies[newest]);
                let same = copies[..=newest].iter().rev().take_while(is_same).count();
                let first = newest + 1 - same;
                let old_enough = copies[first..=newest].iter().rposition(is_old_enough);
                return first + old_enough.unwrap_or(0);
            }
            if notes[copies[0]].timestamps.is_some() {
                return 0;
            }
        }
        copies.iter().rposition(is_old_enough).unwrap_or(0)
    }

    /// Which acknowledgment of its FIN reached `side`, and how many did not.
    fn ack_of_fin_receipt(&self, connection: &Connection, notes: &[Noted], side: Side) -> (Option<Receipt>, usize) {
        let Some(fin) = connection.halves[side].fin else { return (None, 0) };
        let repeated = |note: &Noted| note.side == side && note.is_fin() && note.end() == fin + 1;
        let from = first_after_fin(connection, notes, side);
        let mut answers = taken(notes, from, |note| note.side != side && acknowledges_beyond(note, fin));
        answers.retain(|&mut answer| !is_unacceptable(notes, answer));
        let (receipt, lost) = match answers.first() {
            // Beside its receiver none is lost any more; what that does not find acceptable, it ignores.
            Some(&first)
                if self.tap == Some(Tap::beside(side))
                    && !is_probe(&notes[first])
                    && !self.is_ignored(notes, first, repeated) =>
            {
                (Some(Receipt::of(first, Arrival::Shown, 0)), 0)
            }
            _ => self.effective(notes, side, &answers, repeated),
        };
        // What brought the peer's FIN brought its acknowledgment, too: nothing later did.
        let with_fin = self.came_with_fin(notes, side, &answers, repeated);
        let with_fin = with_fin.filter(|with_fin| receipt.is_none_or(|receipt| with_fin.note < receipt.note));
        let receipt = with_fin.or(receipt);
        let (receipt, kept) = match kept_out_of_order(notes, side, &answers) {
            Some((answer, shown)) if receipt.is_none_or(|receipt| answer < receipt.note) => {
                (Some(Receipt::of(answer, Arrival::Shown, lost)), Some(shown))
            }
            Some((_, shown)) => (receipt.map(|receipt| Receipt { arrival: Arrival::Shown, ..receipt }), Some(shown)),
            None => (receipt, None),
        };
        let Some(receipt) = receipt else { return (None, lost) };
        // A reply takes its number from the segment that it answers: whether that acknowledged the FIN, it shows. What
        // came within a crossing before it can have arrived after it.
        let is_reply = |note: &Noted| note.side == side && note.is_rst() && !note.flags.contains(Flags::ACK);
        let shows = |note: &Noted| is_reply(note) && note.seq == fin + 1;
        let before = notes.iter().position(shows).filter(|&shows| answers.iter().any(|&ack| ack < shows));
        // What it answers was sent before that acknowledgment; in order, it came before it, too.
        let first_reply = notes.iter().position(is_reply).filter(|&reply| notes[reply].seq.at_or_before(fin));
        // In LAST-ACK there is a socket, which answers nothing with a reset: it was gone by then.
        let is_passive = notes
            .iter()
            .find(|note| repeated(note))
            .zip(connection.halves[!side].fin)
            .is_some_and(|(own, peer)| own.acknowledges() && own.ack.after(peer));
        let before = before.or(first_reply.filter(|&reply| is_passive && reply > receipt.note));
        let first_reply = first_reply.filter(|_| !is_passive);
        let after = first_reply.filter(|&without| match before {
            // Replies come in the order of what they answer.
            Some(shows) => without < shows,
            None => notes[without].time.since(notes[receipt.note].time) <= self.crossing_ns(side),
        });
        let before = receipt.before.or(before);
        let before = before.into_iter().chain(kept).min();
        let abort = aborted_in_last_ack(connection, notes, side);
        let after = after.or(abort.filter(|&abort| receipt.note < abort && before.is_none_or(|shown| shown > abort)));
        (Some(Receipt { before, after, ..receipt }), lost)
    }

    /// What note `answer` answers beside its receiver was sent again after it, or octets before that: it was not taken.
    fn is_ignored(&self, notes: &[Noted], answer: usize, repeated: impl Fn(&Noted) -> bool) -> bool {
        let (side, crossing) = (!notes[answer].side, self.crossing_ns(!notes[answer].side));
        let goes_back =
            |note: &Noted| note.side == side && note.len > 0 && note.end().before(notes[answer].ack) && !is_probe(note);
        let later = |note: &&Noted| note.time.since(notes[answer].time) > crossing;
        notes[answer..].iter().filter(later).any(|note| repeated(note) || goes_back(note))
    }

    /// What note `answer` answers was sent once more after it, by an end of unknown distance, and there the capture ends,
    /// before that was due again: nothing tells whether the two crossed.
    fn is_open_yet(&self, notes: &[Noted], side: Side, answer: usize, repeated: impl Fn(&Noted) -> bool) -> bool {
        let mut copies = notes.iter().enumerate().rev().filter(|(_, note)| repeated(note));
        let (Some((index, last)), Some((_, before))) = (copies.next(), copies.next()) else { return false };
        // A timer at most doubles (RFC 6298, section 5.5).
        let due = last.time.plus(2 * last.time.since(before.time));
        let is_last = index > answer && index + 1 == notes.len();
        self.rtt_ns[side].is_none() && is_last && self.horizon < due
    }

    /// However many of `answers` did not take effect: the peer's FIN came, and acknowledges, too. The first answer that
    /// nothing contradicts up to then.
    fn came_with_fin(
        &self,
        notes: &[Noted],
        side: Side,
        answers: &[usize],
        repeated: impl Fn(&Noted) -> bool,
    ) -> Option<Receipt> {
        let fin = self.fin[side].filter(|fin| fin.arrival == Arrival::Shown && answers.contains(&fin.note))?;
        let crossing = self.crossing_ns(side);
        let contradicts = |answer: usize| {
            notes[answer..].iter().any(|note| repeated(note) && note.time.since(notes[answer].time) > crossing)
        };
        let answer = answers.iter().copied().find(|&answer| answer <= fin.note && !contradicts(answer));
        // It may have been an earlier copy of that FIN, without the acknowledgment.
        let is_copy = |note: &Noted| note.side != side && note.is_fin() && note.end() == notes[fin.note].end();
        let has_copy = notes[..fin.note].iter().enumerate().any(|(at, note)| is_copy(note) && !answers.contains(&at));
        if answer.is_none() && has_copy {
            return None;
        }
        Some(Receipt::of(answer.unwrap_or(fin.note), Arrival::Shown, 0))
    }

    /// Of the answers to something that `side` sends until it is answered: the first one after which it did not send it
    /// again, crossing copies aside.
    pub(super) fn effective(
        &self,
        notes: &[Noted],
        side: Side,
        answers: &[usize],
        repeated: impl Fn(&Noted) -> bool,
    ) -> (Option<Receipt>, usize) {
        let crossing = self.crossing_ns(side);
        if let Some((newest, shown)) = echoed_answer(notes, side, answers) {
            // An echo shows how far things had come, and earlier answers with it, unless the receiver contradicts them.
            let contradicts = |index: usize, answer: usize| {
                let note = &notes[index];
                let is_answer = note.side == side && note.time.since(notes[answer].time) > crossing;
                is_answer && (repeated(note) || lacks_by_echo(notes, index, answer))
            };
            let took_effect = |answer: &usize| !(*answer..shown).any(|index| contradicts(index, *answer));
            let answer = answers.iter().copied().take_while(|&answer| answer < newest).find(took_effect);
            let answer = answer.unwrap_or(newest);
            let repeated_since = notes[shown..].iter().any(&repeated);
            let lost = notes[..shown].iter().enumerate().filter(|(i, note)| *i > answers[0] && repeated(note)).count();
            if !repeated_since {
                let lost = lost.min(answers.iter().take_while(|&&earlier| earlier < answer).count());
                return (Some(Receipt { before: Some(shown), ..Receipt::of(answer, Arrival::Shown, lost) }), lost);
            }
        }
        let without_effect = answers
            .iter()
            .take_while(|&&answer| {
                let is_since = |note: &Noted| {
                    note.time.since(notes[answer].time) > crossing || is_sent_knowing(notes, side, answer, note)
                };
                let contradicts = |note: &&Noted| repeated(note) && is_since(note);
                notes[answer..].iter().any(|note| contradicts(&note))
                    || self.is_open_yet(notes, side, answer, &repeated)
            })
            .count();
        let Some(&note) = answers.get(without_effect) else { return (None, without_effect) };
        // Several answers may belong to one repetition; what counts is how often it was repeated all the same.
        let repetitions = notes.iter().filter(|note| repeated(note)).count().saturating_sub(1);
        // No keepalive is due while something is unacknowledged (Linux `tcp_keepalive_timer`).
        let shows = |later: &Noted| echoes(later, &notes[note]) || later.class.contains(Class::KEEPALIVE);
        let heard_after = notes[note..].iter().any(|later| later.side == side && shows(later));
        let is_lost = without_effect.min(repetitions) >= LOST_IN_A_ROW && !heard_after;
        if is_lost && !self.came_with_octets(notes, side, &answers[without_effect..]) {
            // Those may have stood beyond the window, which one before them does not.
            let is_nearer = |&answer: &usize| {
                answers[..without_effect].iter().all(|&lost| notes[lost].seq.after(notes[answer].seq))
            };
            let nearer = answers[without_effect..].iter().copied().find(is_nearer);
            let receipt = nearer.map(|answer| Receipt::of(answer, Arrival::Presumed, without_effect));
            return (receipt, without_effect + 1);
        }
        let arrival = if heard_after { Arrival::Shown } else { Arrival::Presumed };
        (Some(Receipt::of(note, arrival, without_effect)), without_effect)
    }

    /// `side` acknowledges octets that had been missing, and whatever brought them within a crossing before is among `answers`.
    fn came_with_octets(&self, notes: &[Noted], side: Side, answers: &[usize]) -> bool {
        let crossing = self.crossing_ns(side);
        let own = |note: &&Noted| note.side == side && note.acknowledges();
        let from = answers.first().copied().unwrap_or(notes.len());
        (from..notes.len()).filter(|&index| own(&&notes[index])).any(|index| {
            let later = &notes[index];
            let missing = notes[..index].iter().filter(own).map(|note| note.ack).reduce(Seq::later);
            let Some(missing) = missing.filter(|&missing| later.ack.after(missing)) else { return false };
            let brings = |at: &usize| {
                let octets = &notes[*at];
                let has_it = octets.len > 0 && octets.seq.at_or_before(missing) && octets.end().after(missing);
                octets.side != side && has_it && later.time.since(octets.time) <= crossing
            };
            let mut copies = (0..index).filter(brings).peekable();
            copies.peek().is_some() && copies.all(|copy| answers.contains(&copy))
        })
    }
}

/// Of `answers` the first whose octets `side` reports to have out of order (RFC 2018), so that it has what acknowledged, too
/// (RFC 9293, section 3.10.7.4: a segment's acknowledgment is taken before its octets wait), and the first segment of
/// `side` that was sent then: the report, or the abort that overtook it.
fn kept_out_of_order(notes: &[Noted], side: Side, answers: &[usize]) -> Option<(usize, usize)> {
    let is_first = |note: &Noted| note.len > 0 && !note.class.intersects(Class::RETRANSMISSION | Class::FILLS_GAP);
    answers.iter().copied().filter(|&answer| is_first(&notes[answer])).find_map(|answer| {
        let octets = &notes[answer];
        let reports = |note: &Noted| {
            let holds = |block: SackBlock| {
                let is_beyond = block.left.after(note.ack);
                is_beyond && block.left.at_or_before(octets.seq) && block.right.at_or_after(octets.seq + octets.len)
            };
            note.side == side && note.acknowledges() && note.sack.is_some_and(holds)
        };
        let report = answer + notes[answer..].iter().position(reports)?;
        let overtook = |note: &Noted| {
            note.side == side
                && note.flags.contains(Flags::RST | Flags::ACK)
                && note.seq.at_or_after(notes[report].end())
                && note.ack == notes[report].ack
        };
        let abort = notes[answer..report].iter().position(overtook).map(|offset| answer + offset);
        Some((answer, abort.unwrap_or(report)))
    })
}

/// Octets that stand before the peer's FIN were sent again after it, and nobody ever acknowledged them: a FIN is taken in its
/// order, and who had it in its order had them.
fn waits_behind_octets(connection: &Connection, notes: &[Noted], side: Side, fin: Seq) -> bool {
    let lacks = connection.halves[!side].acked.is_none_or(|acked| acked.before(fin));
    let is_own = |note: &Noted| note.side != side && !note.is_rst();
    let sent = notes.iter().position(|note| is_own(note) && note.is_fin() && note.end() == fin + 1);
    let again = |note: &Noted| {
        let is_before = note.len > 0 && note.seq.before(fin) && !note.is_fin();
        is_own(note) && is_before && note.class & (Class::RETRANSMISSION | Class::BELOW_ACK) == Class::RETRANSMISSION
    };
    lacks && sent.is_some_and(|sent| notes[sent..].iter().any(again))
}

/// The abort of `side` after a FIN that acknowledges the peer's: it had a socket, so that its FIN was not acknowledged.
fn aborted_in_last_ack(connection: &Connection, notes: &[Noted], side: Side) -> Option<usize> {
    let own = notes.iter().find(|note| note.side == side && note.is_fin())?;
    let is_second = own.acknowledges() && own.ack.after(connection.halves[!side].fin?);
    let is_live = |note: &Noted| note.window != 0 || note.timestamps.is_some();
    let aborts = |note: &Noted| note.side == side && note.flags.contains(Flags::RST | Flags::ACK) && is_live(note);
    notes.iter().position(aborts).filter(|_| is_second)
}

/// The segment that filled the hole before a FIN which had overtaken data, if `side` reported that hole: the FIN takes
/// effect with it (RFC 9293, section 3.10.7.4: segments are processed in sequence).
fn filled_before(notes: &[Noted], copy: usize, cover: usize, side: Side, fin: Seq) -> Option<usize> {
    let reports = |note: &&Noted| {
        note.side == side && note.acknowledges() && note.sack.is_some_and(|block| block.right == fin + 1)
    };
    let told = notes[copy..cover].iter().rfind(reports).filter(|note| note.ack.at_or_before(fin));
    let hole = told.map(|note| note.ack).or_else(|| silent_hole(notes, copy, cover, side, fin))?;
    let fills = |note: &Noted| {
        note.side != side && note.len > 0 && note.seq.at_or_before(hole) && note.end().after(hole) && !note.is_rst()
    };
    notes[copy..cover].iter().position(fills).map(|offset| copy + offset)
}

/// The same hole where nobody says SACK: `side` acknowledged no more than what came before it, and acknowledged the FIN when
/// that had been sent again.
fn silent_hole(notes: &[Noted], copy: usize, cover: usize, side: Side, fin: Seq) -> Option<Seq> {
    if notes.iter().any(|note| note.sack.is_some()) {
        return None;
    }
    let newest = notes[copy..cover].iter().rfind(|note| note.side == side && note.acknowledges())?;
    let again = notes[copy..cover].iter().rfind(|note| note.side != side && note.len > 0)?;
    let is_sent_again = again.class.intersects(Class::RETRANSMISSION | Class::FILLS_GAP);
    (newest.ack.at_or_before(fin) && is_sent_again && again.seq == newest.ack).then_some(newest.ack)
}

/// How long `side` took to answer each of what is remembered that occupies sequence space and was sent once, ns. A probe answers
/// nothing: its timer sends it.
pub(super) fn exchanges(notes: &[Noted], side: Side) -> impl Iterator<Item = i64> {
    answered(notes, side).map(|(_, ns)| ns)
}

/// From the tap to `side` and back, where no handshake tells it: by a bare acknowledgment that came sooner than any waits for company.
fn acknowledged_at_once(notes: &[Noted], side: Side) -> Option<i64> {
    let is_at_once = |(answer, ns): &(&Noted, i64)| answer.end() == answer.seq && *ns < DELAYED_ACK_NS_MIN;
    answered(notes, side).filter(is_at_once).map(|(_, ns)| ns).min()
}

/// The answers of `side` to what was sent once and acknowledged alone, and how long each took, ns.
fn answered(notes: &[Noted], side: Side) -> impl Iterator<Item = (&Noted, i64)> {
    let asked = notes.iter().enumerate().filter(move |(_, asked)| asked.side != side && asked.end() != asked.seq);
    asked.filter_map(move |(index, asked)| {
        let answers = |note: &Noted| note.side == side && note.acknowledges() && note.ack.at_or_after(asked.end());
        let offset = notes[index..].iter().position(answers)?;
        let answer = &notes[index + offset];
        let is_copy = |note: &Noted| note.side != side && note.end() == asked.end() && note.end() != note.seq;
        let is_repeated =
            asked.class.contains(Class::RETRANSMISSION) || notes[index + 1..index + offset].iter().any(is_copy);
        let is_answer = answer.ack == asked.end() && !is_probe(answer);
        let ns = answer.time.since(asked.time);
        (ns > 0 && is_answer && !is_repeated).then_some((answer, ns))
    })
}

/// The passive opener `side` sent a RST with ACK behind its SYN-ACK: an abort. What is still opening belongs to no
/// application that could abort it or write before, and replies of a port without a socket acknowledge nothing to a segment that
/// does.
pub(super) fn has_aborted(connection: &Connection, side: Side) -> bool {
    let next = connection.halves[side].isn.map(|isn| isn + 1);
    let is_behind = |reset: &Noted| next.is_some_and(|next| reset.seq.at_or_after(next));
    let mut resets = connection.resets.iter().map(|seen| &seen.noted).filter(|reset| reset.side == side);
    resets.any(|reset| reset.flags.contains(Flags::ACK) && !reset.class.contains(Class::WILD) && is_behind(reset))
}

/// The answer that `side` shows to have received by echoing its timestamp, and the segment that shows it.
fn echoed_answer(notes: &[Noted], side: Side, answers: &[usize]) -> Option<(usize, usize)> {
    let first = *answers.first()?;
    let (shown, echo) = notes[first..].iter().enumerate().find_map(|(offset, note)| {
        // An abort echoes as every segment of a live socket does.
        let echo = note.timestamps.filter(|_| note.side == side && note.flags.contains(Flags::ACK))?.echo;
        echoes(note, &notes[first]).then_some((first + offset, echo))
    })?;
    let value = |answer: usize| notes[answer].timestamps.map(|timestamps| Seq(timestamps.value));
    let could_be =
        |answer: &usize| *answer < shown && value(*answer).is_some_and(|value| value.at_or_before(Seq(echo)));
    let newest = |a: usize, b: usize| if value(b).zip(value(a)).is_some_and(|(b, a)| b.after(a)) { b } else { a };
    let answer = answers.iter().copied().filter(could_be).reduce(newest)?;
    Some((answer, shown))
}

/// `later` echoes a timestamp that only `earlier` (or something after it) carried.
fn echoes(later: &Noted, earlier: &Noted) -> bool {
    match (later.timestamps, earlier.timestamps) {
        (Some(later), Some(earlier)) => later.echo != 0 && Seq(later.echo).at_or_after(Seq(earlier.value)),
        _ => false,
    }
}

/// Note `index` repeats octets below what its receiver had acknowledged when it passed the tap: that is dropped, and what it
/// acknowledges with it (RFC 9293, section 3.10.7.4; Linux `tcp_sequence`, which still takes what ends at RCV.NXT).
fn is_unacceptable(notes: &[Noted], index: usize) -> bool {
    let note = &notes[index];
    let is_beyond = |own: &Noted| own.side != note.side && own.acknowledges() && own.ack.after(note.end());
    note.len > 0 && !note.is_fin() && notes[..index].iter().any(is_beyond)
}

/// `side` sent `note` later, by its clock, than a segment that echoes note `answer`.
fn is_sent_knowing(notes: &[Noted], side: Side, answer: usize, note: &Noted) -> bool {
    let value = |note: &Noted| note.timestamps.map(|stamps| Seq(stamps.value));
    let knows = |earlier: &Noted| {
        let is_older = value(earlier).zip(value(note)).is_some_and(|(then, now)| now.after(then));
        earlier.side == side && earlier.acknowledges() && is_older && echoes(earlier, &notes[answer])
    };
    notes[answer..].iter().any(knows)
}

/// Note `later` echoes what its sender had received before note `answer` came, so that this had not come. An echo says
/// nothing of what lies beyond the last acknowledgment: TS.Recent is taken from a segment at or before it alone (RFC
/// 7323, section 4.3, rule 2). Nor does a segment that was sent before one seen earlier.
fn lacks_by_echo(notes: &[Noted], later: usize, answer: usize) -> bool {
    let (segment, earlier) = (&notes[later], &notes[answer]);
    let (Some(stamps), Some(earlier_stamps)) = (segment.timestamps, earlier.timestamps) else { return false };
    let own = |note: &&Noted| note.side == segment.side && note.acknowledges();
    let echoes_older = segment.acknowledges() && Seq(stamps.echo).before(Seq(earlier_stamps.value));
    let covers = earlier.len > 0 && segment.ack.at_or_after(earlier.seq + earlier.len);
    let was_next = notes[..answer].iter().filter(own).any(|note| note.ack.at_or_after(earlier.seq));
    let is_late = notes[..later]
        .iter()
        .filter(own)
        .any(|note| note.timestamps.is_some_and(|other| Seq(other.value).after(Seq(stamps.value))));
    echoes_older && !covers && was_next && !is_late
}

/// Where those of `notes` begin whose acknowledgments can be compared to the number of `side`'s FIN: after it, when the
/// numbers have gone round, and else with the first.
pub(super) fn first_after_fin(connection: &Connection, notes: &[Noted], side: Side) -> usize {
    if !connection.halves[side].has_gone_round() {
        return 0;
    }
    notes.iter().position(|note| note.side == side && note.is_fin()).unwrap_or(0)
}

/// `note` acknowledges more than `seq`.
pub(super) fn acknowledges_beyond(note: &Noted, seq: Seq) -> bool {
    note.acknowledges() && note.ack.after(seq) && !note.class.contains(Class::WILD)
}

/// The same, or a RST+ACK of a live socket, which carries RCV.NXT (RFC 9293, section 3.10.5).
pub(super) fn shows_receipt_beyond(note: &Noted, seq: Seq) -> bool {
    let abort = note.flags.contains(Flags::RST | Flags::ACK) && note.ack == seq + 1;
    acknowledges_beyond(note, seq) || abort
}

/// Those of `notes` from `from` on that acknowledge. A probe stands below the window, and so nothing is taken of it but that
/// it asks (RFC 9293, section 3.10.7.4, first); only where nothing else was seen, it shows that there was something.
pub(super) fn taken(notes: &[Noted], from: usize, acknowledges: impl Fn(&Noted) -> bool) -> SmallVec<[usize; 8]> {
    let mut found = indices(notes, acknowledges);
    found.retain(|index| *index >= from);
    if !found.iter().all(|&index| is_probe(&notes[index])) {
        found.retain(|&mut index| !is_probe(&notes[index]));
    }
    found
}

fn is_probe(note: &Noted) -> bool {
    note.class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE)
}

#[inline]
pub(super) fn indices(notes: &[Noted], wanted: impl Fn(&Noted) -> bool) -> SmallVec<[usize; 8]> {
    let mut found = SmallVec::new();
    for (index, note) in notes.iter().enumerate() {
        if wanted(note) {
            found.push(index);
        }
    }
    found
}
