//! `split-handshake`: the SYN-ACK came as two segments.

use crate::base::Side;
use crate::connection::OpenKind;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The server answered the SYN with a bare SYN (or an ACK and a SYN) instead of one SYN-ACK, so that the client
    /// finished the handshake as if it had been called.
    ///
    /// # Why it matters
    ///
    /// Firewalls and intrusion detection that tell client and server by the SYN-ACK take the two for each other.
    ///
    /// # How it is recognised
    ///
    /// A bare SYN of the server after the client's, answered with a SYN-ACK by the client, and no SYN-ACK of the server.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN
    /// client > SYN ACK
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `simultaneous-open`, where both ends answer with SYN-ACK.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN
    /// client > SYN ACK
    /// server > SYN ACK
    /// client > ACK
    /// server > ACK
    /// ```
    ///
    /// The same with the server's SYN-ACK lost before the tap: its SYN comes sooner after the client's than any answer.
    ///
    /// ```trace quiet
    ///       client > SYN
    /// +5ms  server > SYN
    /// +10ms client > SYN ACK
    /// +30ms server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// No ordinary stack does this. Treat the server as hostile or as a test.
    "split-handshake", Handshake, Warning, [SPLIT], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    if case.life.opening.kind != OpenKind::Split {
        return;
    }
    let Some(syn) = case.notes(|note| note.is_syn() && note.side == Side::Server).next() else { return };
    let message =
        format_args!("{} answered the SYN with a SYN of its own instead of a SYN-ACK", case.connection.server);
    ENTRY
        .draft(Confidence::Medium, syn.time, case.life.opening.frames.iter().copied(), message)
        .endpoint(Side::Server)
        .push(found);
}
