//! `final-ack-lost`: the last acknowledgment of the close was lost.

use crate::base::{Seq, Side};
use crate::connection::{Class, Noted, OpenKind};
use crate::finding::phrase;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Cause, Confidence};

finding! {
    /// # What it is
    ///
    /// The acknowledgment of the second FIN did not arrive, so the passive closer stays in LAST-ACK and repeats its FIN.
    ///
    /// # Why it matters
    ///
    /// It is what TIME-WAIT exists for. Outcome `recovered`: the repeated FIN was acknowledged again, TIME-WAIT did its
    /// work. `reset`: a reset answered it, because nobody kept TIME-WAIT; no data is lost, but the passive side may
    /// report an error. `unanswered`: nothing answered, and LAST-ACK lasted until the retries ran out.
    ///
    /// # How it is recognised
    ///
    /// The second closer's FIN again, after the first closer had answered it or where no answer of it is seen.
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > FIN ACK
    ///        client > ACK
    ///        client > FIN ACK
    ///        server > ACK
    /// +200ms client > FIN ACK
    ///        server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `fin-retransmitted` alone: the first FIN was lost, not its acknowledgment. `fin-unanswered`: the first closer's
    /// FIN is the one without an answer. `reset-data-after-close`: the FIN comes again with data that the closed end never
    /// had, and these are what it refuses.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > FIN ACK
    /// +200ms server > FIN ACK
    ///        client > FIN ACK
    ///        server > ACK
    /// ```
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > FIN ACK
    ///        server > FIN ACK seq 28
    /// +700ms server > data 27 FIN ACK seq 1
    ///        client > RST seq 2
    /// ```
    ///
    /// # What to do
    ///
    /// `recovered` needs nothing. For `reset`, let the first closer keep its TIME-WAIT: net.ipv4.tcp_max_tw_buckets
    /// above closes a second times 60 (ip-sysctl), no SO_LINGER 0, no restarts of a namespace right after closing. For
    /// `unanswered`, look for loss in the direction of the acknowledgments, and for firewalls that drop what comes
    /// after the second FIN.
    "final-ack-lost", Teardown, Note, [FIN_AGAIN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let fins = &case.life.closing.fins;
    for side in Side::BOTH {
        let Some(own) = fins[side] else { continue };
        let times = case.fins_sent(side);
        if times < 2 || !closes_second(case, side) {
            continue;
        }
        let sent = |note: &Noted| {
            note.side == side && note.is_fin() && !note.class.contains(Class::RETRANSMISSION | Class::COPY)
        };
        let copies: Vec<_> = case.notes(|note| sent(note) && note.end() == own.end()).collect();
        let Some(last) = copies.last() else { continue };
        let answers: Vec<_> =
            case.notes(|note| note.side != side && note.acknowledges() && note.ack.at_or_after(own.end())).collect();
        let receipt = case.life.arrivals.ack_of_fin[side];
        let reset = case.resets.iter().find(|reset| reset.from != side && reset.frame > own.frame && reset.accepted);
        // Data that the copy brought along were refused, by a socket that had not had them: no last ACK was due yet.
        if last.len > 0 && reset.is_some_and(|reset| reset.cause == Cause::DataAfterClose) {
            continue;
        }
        // The answer to an earlier copy came behind that to a later one: none was lost.
        let is_older = |pair: &[&Noted]| {
            let stamps = pair[0].timestamps.zip(pair[1].timestamps);
            stamps.is_some_and(|(first, second)| Seq(second.value).before(Seq(first.value)))
        };
        if reset.is_none() && answers.len() >= copies.len() && answers.windows(2).any(is_older) {
            continue;
        }
        let lost_behind_tap = case.life.arrivals.lost_acks_of_fin[side] > 0;
        let answered_between = answers.iter().any(|answer| answer.frame < last.frame);
        let outcome = match (reset, receipt) {
            (Some(_), _) => "reset",
            (None, Some(_)) => "recovered",
            (None, None) => "unanswered",
        };
        // An answer that is first seen after the last copy may also mean that the earlier copies of the FIN were lost.
        let confidence = match (lost_behind_tap || answered_between, outcome) {
            (true, _) => Confidence::High,
            (false, "unanswered") if times > 2 => Confidence::Medium,
            (false, "reset") => Confidence::Medium,
            _ if case.fin_copies_reached(side) => Confidence::Medium,
            _ => continue,
        };
        // What was sent before the capture, nobody knows: perhaps this side's FIN.
        let is_midstream = case.life.opening.kind == OpenKind::Midstream;
        let confidence = if is_midstream { confidence.min(Confidence::Medium) } else { confidence };
        // It stops after the last of its retries as well, and the answer to that may have been lost like those before.
        let may_have_given_up = outcome == "recovered" && times > RETRIES_SHORT && lost_behind_tap;
        let confidence = if may_have_given_up { confidence.min(Confidence::Medium) } else { confidence };
        let end = match outcome {
            "reset" => "a reset answered it: nobody kept TIME-WAIT",
            "recovered" if may_have_given_up => {
                "it was acknowledged again: TIME-WAIT did its work, or that was lost, too, and the retries had run out"
            }
            "recovered" => "it was acknowledged again: TIME-WAIT did its work",
            _ => "no answer reached it: LAST-ACK lasts until its retries run out",
        };
        // Nothing shows that there was one.
        let what = match answers.is_empty() && outcome == "unanswered" {
            true => "the last ACK of the close never came (lost, or the FIN was, or nobody is there any more)",
            false => "the last ACK of the close was lost",
        };
        let message = format_args!(
            "{what}: {} repeated its FIN {} and {end}",
            case.name(side),
            phrase::times(u64::from(times - 1))
        );
        let mut frames: Vec<u64> = copies.iter().chain(&answers).map(|note| note.frame).collect();
        frames.extend(reset.map(|reset| reset.frame));
        ENTRY.draft(confidence, own.time, frames, message).endpoint(side).outcome(outcome).push(found);
    }
}

/// So few retries nobody sets (Linux tcp_orphan_retries is 8 by default).
const RETRIES_SHORT: u32 = 3;

/// The FIN of `side` acknowledges the peer's: what answers it is the last ACK of the close.
pub fn closes_second(case: &Case<'_>, side: Side) -> bool {
    let fins = &case.life.closing.fins;
    let acknowledges = |own: Noted, peer: Noted| own.acknowledges() && own.ack.at_or_after(peer.end());
    fins[side].zip(fins[!side]).is_some_and(|(own, peer)| acknowledges(own, peer))
}
