//! `simultaneous-open`: both ends sent SYN.

use crate::base::Side;
use crate::connection::{OpenKind, State};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Both ends opened at once: their SYNs crossed, and one connection came out of it (RFC 9293, figure 8).
    ///
    /// # Why it matters
    ///
    /// It is legal and rare. NAT traversal does it on purpose; some firewalls drop the second SYN and break it.
    ///
    /// # How it is recognised
    ///
    /// A SYN from each side, and SYN-ACKs in answer.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN
    /// client > SYN ACK
    /// server > SYN ACK
    /// client > ACK
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `split-handshake`, where a server answers a SYN with a bare SYN instead of a SYN-ACK.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing, unless it was not meant: then one side connects where it should listen.
    "simultaneous-open", Handshake, Note, [SIMULTANEOUS_OPEN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    if case.life.opening.kind != OpenKind::Simultaneous {
        return;
    }
    let syns: Vec<_> = case.notes(|note| note.is_syn()).collect();
    let Some(first) = syns.first() else { return };
    let is_open =
        Side::BOTH.into_iter().any(|side| case.life.states[side].iter().any(|step| step.state != State::SynSent));
    let (what, confidence) = match is_open {
        true => ("opened at the same time: their SYNs crossed", Confidence::High),
        false => ("both sent a SYN, and the capture shows neither acknowledged", Confidence::Medium),
    };
    let message = format_args!("{} and {} {what}", case.connection.client, case.connection.server);
    ENTRY.draft(confidence, first.time, case.life.opening.frames.iter().copied(), message).push(found);
}
