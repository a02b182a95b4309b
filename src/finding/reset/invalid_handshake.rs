//! `reset-invalid-handshake`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// A segment did not fit the handshake: an acknowledgment of something never sent, or the answer to a SYN that is not
    /// outstanding.
    ///
    /// # Why it matters
    ///
    /// The reset does what the three-way handshake is for: it clears what an old duplicate or a forgotten connection left
    /// behind.
    ///
    /// # How it is recognised
    ///
    /// A reply reset to a SYN-ACK that its sender did not ask for, or to the plain ACK that answers a SYN on a connection
    /// the other side still holds.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > ACK seq 70000 ack 90000
    ///    client > RST
    /// +1 client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-refused`, where the segment was a SYN.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing for single cases. A plain ACK in answer to a SYN means that the other side still holds an old connection
    /// on the same ports: see `port-reused` and `syn-rejected-in-time-wait`. Many at once from one address come from a
    /// scanner, or from a balancer whose replies take another way.
    "reset-invalid-handshake", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::InvalidHandshake, case, found);
}
