//! What a Multipath TCP stack says itself of why it resets (RFC 8684, sections 3.5 and 3.6).

use super::{Inquiry, Judgement};
use crate::finding::verdict::{Cause, Confidence, Family, Reset};
use crate::segment::MultipathEnd;

/// An abort of the whole connection, told in so many words: MP_FASTCLOSE carries the receiver's key, which nobody else knows.
pub(super) fn judge(inquiry: &Inquiry<'_>, family: Option<Family>) -> Option<Judgement> {
    if inquiry.noted.multipath_end == MultipathEnd::FAST_CLOSE {
        let judgement = super::cause::judge(inquiry, family);
        let evidence = format!(
            "it carries MP_FASTCLOSE, with which Multipath TCP aborts the whole connection and not this path alone; {}",
            judgement.evidence
        );
        let by_application = matches!(judgement.cause, Cause::LingerZero | Cause::UnreadData);
        if !by_application {
            return Some(Judgement { evidence, ..judgement });
        }
        // Another path may have brought what lies unread.
        let mut rivals = judgement.rivals;
        let rival = if judgement.cause == Cause::LingerZero { Cause::UnreadData } else { Cause::LingerZero };
        if !rivals.contains(&rival) {
            rivals.insert(0, rival);
        }
        let confidence = judgement.confidence.min(Confidence::Medium);
        return Some(Judgement { cause: judgement.cause, confidence, rivals, evidence, kind: None });
    }
    let asked = inquiry.seen.asked_by_fast_close()?;
    let evidence = format!(
        "it answers MP_FASTCLOSE (frame {}), with which the peer's application had aborted the whole connection (SO_LINGER 0, or data left unread): its receiver ends each path with a reset",
        asked.frame
    );
    Some(Judgement::new(Cause::Unknown, Confidence::High, &[], evidence))
}

/// A path that the stack gave up, and not an application the connection: MP_TCPRST says why.
pub(super) fn of_path(inquiry: &Inquiry<'_>, family: Option<Family>) -> Option<Judgement> {
    let reason = reason(inquiry.noted.multipath_end)?;
    if family != Some(Family::Active) || reason == UNSPECIFIED {
        return None;
    }
    let evidence = format!(
        "its Multipath TCP says why it gives up this path (MP_TCPRST): {reason}; the connection may go on over others"
    );
    Some(Judgement::new(Cause::Unknown, Confidence::Medium, &[Cause::LingerZero], evidence))
}

/// A guess at why the application aborted, where a later reset of the same end says that its stack gave up the path.
pub(super) fn explain_earlier(earlier: &mut Reset, later: &Inquiry<'_>, family: Option<Family>) {
    let is_guess =
        earlier.confidence < Confidence::High && matches!(earlier.cause, Cause::LingerZero | Cause::UnreadData);
    if let Some(Judgement { cause, confidence, rivals, evidence, kind }) = of_path(later, family).filter(|_| is_guess) {
        let evidence = format!("in frame {} {evidence}", later.noted.frame);
        *earlier = Reset { cause, confidence, rivals, evidence, kind, ..earlier.clone() };
    }
}

/// What MP_TCPRST adds to the evidence of an answer.
pub(super) fn words(inquiry: &Inquiry<'_>) -> Option<String> {
    Some(format!("; MP_TCPRST gives as its reason: {}", reason(inquiry.noted.multipath_end)?))
}

const UNSPECIFIED: &str = "unspecified";

/// The registry "MPTCP MP_TCPRST Reason Codes" (RFC 8684, section 8.3).
fn reason(end: MultipathEnd) -> Option<&'static str> {
    Some(match end.reason()? {
        0 => UNSPECIFIED,
        1 => "an error of Multipath TCP itself",
        2 => "lack of resources",
        3 => "administratively prohibited",
        4 => "too much outstanding data",
        5 => "unacceptable performance",
        6 => "a middlebox interferes",
        _ => "one that is not registered",
    })
}
