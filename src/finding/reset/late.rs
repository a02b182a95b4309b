//! Resets with the numbers of one connection among the segments of the next on the same addresses and ports.

use super::{Inquiry, Judgement};
use crate::connection::Acceptance;
use crate::finding::verdict::{Cause, Confidence};
use crate::segment::Flags;

/// A bare reset has the number of what it refuses. One of the connection before, in the name of who had sent that, refuses an
/// acknowledgment that was on its way when the ports were taken again; in SYN-SENT any such is refused (RFC 9293, section
/// 3.10.7.3, first).
pub(super) fn judge(inquiry: &Inquiry<'_>) -> Option<Judgement> {
    let noted = inquiry.noted;
    let past = inquiry.connection.predecessor.as_ref()?;
    if noted.flags.contains(Flags::ACK) || inquiry.trigger.is_some() || inquiry.effect.acceptance != Acceptance::Outside
    {
        return None;
    }
    let half = past.half(inquiry.connection.endpoint(inquiry.from()));
    let is_of_past =
        half.isn.zip(half.nxt).is_some_and(|(isn, nxt)| noted.seq.after(isn) && noted.seq.at_or_before(nxt));
    if is_of_past && half.isn != inquiry.connection.halves[inquiry.from()].isn {
        let evidence = format!(
            "it has a number of stream {}, on the same addresses and ports: it refuses an acknowledgment of that, which came late",
            past.stream
        );
        return Some(Judgement::new(Cause::InvalidHandshake, Confidence::Medium, &[Cause::Injected], evidence));
    }
    if half.rst && inquiry.effect.contradicted {
        let evidence = format!(
            "its number is none of this connection, and its sender had reset stream {} on the same addresses and ports: that reset once more, or another's in its name",
            past.stream
        );
        return Some(Judgement::new(Cause::Unknown, Confidence::Low, &[Cause::Injected], evidence));
    }
    None
}

/// A reset that came when its sender had opened the next connection: it refuses the acknowledgment with which the other end answered
/// that SYN (RFC 9293, section 3.5.1, figure 9).
pub(super) fn judge_in_next(inquiry: &Inquiry<'_>) -> Option<Judgement> {
    let next = inquiry.connection.successor.filter(|_| inquiry.connection.is_of_next(inquiry.noted))?;
    let evidence = format!(
        "it opens the same addresses and ports anew (frame {}), and refuses the {}'s answer to that, which has the numbers of this connection: it had no socket of it any more",
        next.frame,
        !inquiry.from()
    );
    Some(Judgement::new(Cause::NoConnection, Confidence::High, &[], evidence).kind("opened-anew"))
}
