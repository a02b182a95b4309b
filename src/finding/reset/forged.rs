//! Was the reset sent by the host whose address it carries? False alarms are worse than silence here.

use super::{Inquiry, Judgement};
use crate::connection::{Answer, Noted, State, Unlike, aborts_closed, beyond_all, counts_ids};
use crate::finding::verdict::{Cause, Confidence, Family};
use crate::segment::Flags;

/// Sooner than this no SYN is sent again (RFC 6298, section 2.1), ns.
const SYN_RTO_NS: i64 = 900_000_000;

/// Calls a reset injected when its supposed sender goes on as if it had not sent it, or when at least two header fields
/// disagree that the host's own resets would leave alone. IPv4 id 0, window 0 and missing timestamps are how Linux
/// answers segments without a socket, and count for nothing in a reply.
pub(super) fn judge(inquiry: &Inquiry<'_>, family: Option<Family>) -> Option<Judgement> {
    if let Some(frame) = accepted_same_syn(inquiry) {
        let evidence = format!("it refuses a SYN that its supposed sender accepts (frame {frame})");
        return Some(Judgement::new(Cause::Injected, Confidence::High, &[], evidence));
    }
    if let Some(frame) = inquiry.effect.accepted_next {
        let then = match inquiry.connection.answer_next(!inquiry.from()) {
            Some(Answer::GoesOn) => ", where the handshake goes on",
            Some(Answer::Resets) => ", which its receiver resets: it had taken this for the answer",
            None => "",
        };
        let evidence =
            format!("it refuses a SYN that its supposed sender accepts in the next stream (frame {frame}){then}");
        return Some(Judgement::new(Cause::Injected, Confidence::High, &[], evidence));
    }
    let disagreements = disagreements(inquiry, family);
    let opening = matches!(inquiry.effect.state_of(inquiry.from()), State::SynSent | State::Closed | State::Listen)
        && inquiry.trigger.is_some_and(|trigger| trigger.flags.contains(Flags::ACK));
    if inquiry.effect.contradicted && !(opening && inquiry.sender().syns > 0 && inquiry.sender().payload_bytes == 0) {
        let mut evidence = String::from("the supposed sender went on afterwards as if it had sent no reset");
        if !disagreements.is_empty() {
            evidence += &format!("; and {}", disagreements.join(", "));
        }
        return Some(Judgement::new(Cause::Injected, Confidence::High, &[], evidence));
    }
    if disagreements.len() < 2 {
        return None;
    }
    let confidence = if disagreements.len() > 2 { Confidence::High } else { Confidence::Medium };
    let evidence = format!("its header is not that of the supposed sender: {}", disagreements.join(", "));
    let rival = if inquiry.trigger.is_some_and(|trigger| trigger.is_syn()) { Cause::Refused } else { Cause::Unknown };
    Some(Judgement::new(Cause::Injected, confidence, &[rival], evidence))
}

/// A host refuses a SYN or answers it with SYN-ACK, and never both. A listener may begin between two copies, and those are
/// a retransmission timeout apart. Returns the frame of the SYN-ACK.
fn accepted_same_syn(inquiry: &Inquiry<'_>) -> Option<u64> {
    // An abort of an open socket that had received nothing acknowledges the SYN as well, at its own next number.
    let syn = inquiry.trigger.filter(|trigger| trigger.is_syn() && inquiry.sender().isn.is_none())?;
    let accepts = |note: &&Noted| {
        let apart_ns = note.time.since(inquiry.noted.time).abs();
        note.side == inquiry.from()
            && note.is_syn_ack()
            && note.ack == syn.end()
            && inquiry.noted.seq != note.end()
            && apart_ns < SYN_RTO_NS
    };
    inquiry.life.notes.iter().find(accepts).map(|note| note.frame)
}

/// Header fields that do not fit the sender's other segments.
fn disagreements(inquiry: &Inquiry<'_>, family: Option<Family>) -> Vec<String> {
    let (noted, sender) = (inquiry.noted, inquiry.sender());
    let mut found = Vec::new();
    if inquiry.effect.echoes_no_syn {
        found.push("a timestamp that echoes none of the SYN's".to_owned());
        if noted.window != 0 {
            found.push(format!("window {} in a refusal, which has none", noted.window));
        }
    }
    if sender.last.is_none() {
        return found;
    }
    let unlike = Unlike::of(noted, sender, &inquiry.life.profiles[inquiry.from()]);
    if let Some(ttl) = unlike.ttl {
        found.push(format!("TTL {} where its other segments have {ttl}", noted.ttl));
    }
    if let Some(frame) = beyond_all(inquiry.connection, &inquiry.life.notes, noted, sender) {
        found.push(format!("another in the same name (frame {frame}) is beyond all that it ever sent"));
    }
    let reply = family == Some(Family::Reply);
    if reply {
        if noted.window != 0 {
            found.push(format!("window {} in a reply, which has none", noted.window));
        }
        return found;
    }
    if aborts_closed(inquiry.seen) {
        found.push("the form of an abort, where both ends had closed and neither has a socket".to_owned());
    }
    let earlier = &inquiry.life.notes[..inquiry.effect.note];
    if let Some(id) = unlike.ip_id.filter(|_| counts_ids(earlier, inquiry.from())) {
        found.push(format!("IPv4 id {:#06x} after {id:#06x}", noted.ip_id));
    }
    if family == Some(Family::Active) && unlike.lacks_timestamps {
        found.push("no timestamps, which this connection uses".to_owned());
    }
    if family.is_none() && inquiry.receiver().is_known() && sender.is_known() && noted.seq != sender.nxt {
        found.push("it answers no segment and is not at its supposed sender's next number".to_owned());
    }
    found
}
