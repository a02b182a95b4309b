//! Active or reply: which of the two ways in which a stack makes a reset its header shows.

use super::Inquiry;
use crate::base::Seq;
use crate::connection::{Noted, Profile, State};
use crate::finding::verdict::Family;
use crate::segment::Flags;

/// An abort of a live socket carries ACK, SND.NXT and RCV.NXT, and with Linux the live window and timestamps. An answer
/// to a segment that met no willing socket carries the segment's own acknowledgment as number and neither window nor
/// timestamps; without ACK in the trigger, ACK and number 0 (RFC 9293, sections 3.10.5 and 3.10.7.1).
pub(super) fn of(inquiry: &Inquiry<'_>) -> Option<Family> {
    let (noted, sender) = (inquiry.noted, inquiry.sender());
    if !noted.flags.contains(Flags::ACK) {
        if aborts_without_ack(inquiry) {
            return Some(Family::Active);
        }
        let is_reply = inquiry.trigger.is_some() || inquiry.answers_unnoted_data() || inquiry.repeats_fin_number();
        return is_reply.then_some(Family::Reply);
    }
    let answers_syn = inquiry.trigger.is_some_and(|trigger| trigger.is_syn());
    let live_marks = noted.window != 0 || noted.timestamps.is_some();
    let at_next = sender.is_known() && (noted.seq == sender.nxt || sender.fin == Some(noted.seq));
    // Who answers a SYN with number 0 has no socket, even one that had answered a copy of it with SYN-ACK before.
    let is_unnumbered = noted.seq == Seq(0) && !at_next && !live_marks;
    // So is anything without ACK answered that meets no socket: what scanners send.
    let answers_probe = inquiry.trigger.is_some_and(|trigger| !trigger.flags.contains(Flags::ACK));
    if answers_syn && sender.isn.is_none() || answers_probe && is_unnumbered {
        return Some(Family::Reply);
    }
    let state = inquiry.effect.state_of(inquiry.from());
    if !live_marks && state == State::TimeWait {
        // The application has no socket left that it could abort.
        return None;
    }
    if live_marks || at_next || state != State::Closed {
        return Some(Family::Active);
    }
    None
}

/// Windows leaves ACK and window out of the reset with which an application aborts what its peer has closed: it stands at its
/// sender's next number, and either nothing was there to answer, or the sender had just acknowledged that itself, as only a
/// live socket does (seen of an RDP server and of a browser; an abort of an open connection has ACK there, too).
pub(super) fn aborts_without_ack(inquiry: &Inquiry<'_>) -> bool {
    let (noted, sender) = (inquiry.noted, inquiry.sender());
    let stack = &inquiry.life.profiles[inquiry.from()];
    let is_windows = stack.is_surely(&Profile::WINDOWS);
    let shape = !noted.flags.contains(Flags::ACK) && noted.window == 0 && sender.is_known() && noted.seq == sender.nxt;
    if !is_windows || !shape || inquiry.effect.state_of(inquiry.from()) != State::CloseWait {
        return false;
    }
    let alive = sender.last.is_some_and(|last| noted.time.since(last.time) < ALIVE_NS && last.ttl == noted.ttl);
    let answered = |trigger: &Noted| {
        sender.last.is_some_and(|last| {
            last.frame > trigger.frame && last.acknowledges() && last.ack.at_or_after(trigger.end())
        })
    };
    alive && inquiry.trigger.as_ref().is_none_or(answered)
}

/// Who spoke less than this ago, ns, has not lost its state since.
const ALIVE_NS: i64 = 1_000_000_000;
