//! Active or reply: which of the two ways in which a stack makes a reset its header shows.

use super::Inquiry;
use crate::connection::State;
use crate::finding::verdict::Family;
use crate::segment::Flags;

/// An abort of a live socket carries ACK, SND.NXT and RCV.NXT, and with Linux the live window and timestamps. An answer
/// to a segment that met no willing socket carries the segment's own acknowledgment as number and neither window nor
/// timestamps; without ACK in the trigger, ACK and number 0 (RFC 9293, sections 3.10.5 and 3.10.7.1).
pub(super) fn of(inquiry: &Inquiry<'_>) -> Option<Family> {
    let (noted, sender) = (inquiry.noted, inquiry.sender());
    if !noted.flags.contains(Flags::ACK) {
        return (inquiry.trigger.is_some() || inquiry.answers_unnoted_data()).then_some(Family::Reply);
    }
    let answers_syn = inquiry.trigger.is_some_and(|trigger| trigger.is_syn());
    if answers_syn && sender.isn.is_none() {
        return Some(Family::Reply);
    }
    let live_marks = noted.window != 0 || noted.timestamps.is_some();
    let at_next = sender.is_known() && (noted.seq == sender.nxt || sender.fin == Some(noted.seq));
    if live_marks || at_next || inquiry.effect.state_of(inquiry.from()) != State::Closed {
        return Some(Family::Active);
    }
    None
}
