//! `began-midstream`: the connection is older than the capture.

use crate::base::{Seq, Side};
use crate::connection::{Noted, OpenKind};
use crate::segment::Flags;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, RoleBasis};

finding! {
    /// # What it is
    ///
    /// The capture shows neither SYN nor SYN-ACK of this connection: it was open before.
    ///
    /// # Why it matters
    ///
    /// Which end is the client is a guess (by port, then by who spoke first), the window scale and the MSS are not known, and a reset may
    /// have its cause in what came before. Findings that rest on the beginning are made with less confidence.
    ///
    /// # How it is recognised
    ///
    /// The first segment has no SYN, and none comes later. It is a guess where every segment carries payload, for acknowledgments and
    /// with them the handshake may have been filtered out, and where none acknowledges: every state drops such ones (RFC 9293,
    /// section 3.10.7.4), so that they show no open connection.
    ///
    /// ```trace fires
    /// client > data 100
    /// server > ACK
    /// server > data 100
    /// client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A SYN-ACK without its SYN: the capture began within the handshake, and the roles are certain.
    ///
    /// ```trace quiet
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing, if the end is what matters. Otherwise begin the capture before the connection: keep a ring running (dumpcap -b
    /// filesize:100000 -b files:20) and stop it when the fault shows.
    "began-midstream", Capture, Note, [MIDSTREAM], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    if case.life.opening.kind != OpenKind::Midstream || connection.frames() == 0 || connection.resumed.is_some() {
        return;
    }
    let roles = if connection.role_basis == RoleBasis::Guess {
        format!("; that {} is the client is a guess", connection.client)
    } else {
        String::new()
    };
    let (confidence, beginning) = if case.life.notes.is_empty() {
        (
            Confidence::Low,
            "no SYN and no SYN-ACK, and no TCP header that a receiver would not drop, for its length contradicts it",
        )
    } else if Side::BOTH.into_iter().all(|side| case.life.states[side].is_empty()) {
        (Confidence::Low, "no SYN and no SYN-ACK, and nothing but resets: whether it was open is not known")
    } else if is_probe(case) {
        (
            Confidence::Low,
            "no SYN and no SYN-ACK, nor does any segment acknowledge, as all of an open connection do: a probe, perhaps",
        )
    } else if connection.has_payload_throughout() {
        (
            Confidence::Low,
            "no SYN and no SYN-ACK, nor any segment without payload: they may have been left out of the capture",
        )
    } else {
        (Confidence::High, "the connection was open before the capture began: no SYN and no SYN-ACK")
    };
    let message = format_args!("{beginning}{roles}");
    ENTRY.draft(confidence, connection.start, [connection.first_frame], message).push(found);
}

/// Nothing acknowledges, as all that is sent over an open connection does, but the resets with number 0 that answer such a
/// segment where no socket is (RFC 9293, section 3.10.7.1).
pub(in crate::finding) fn is_probe(case: &Case<'_>) -> bool {
    let answers_probe = |note: &Noted| note.is_rst() && note.flags.contains(Flags::ACK) && note.seq == Seq(0);
    let is_of_connection = |note: &Noted| (note.acknowledges() || note.is_rst()) && !answers_probe(note);
    let (notes, opening) = (&case.life.notes, case.life.opening.kind);
    opening == OpenKind::Midstream && !notes.is_empty() && !notes.iter().any(is_of_connection)
}
