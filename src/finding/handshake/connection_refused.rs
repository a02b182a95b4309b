//! `connection-refused`: nothing listens.

use crate::base::{Endpoint, Seq, Side, Timestamp};
use crate::connection::{OpenKind, Orderly, Place};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Cause, Confidence, Reset};

finding! {
    /// # What it is
    ///
    /// A reset answered the SYN: no socket listens on that address and port.
    ///
    /// # Why it matters
    ///
    /// connect() fails at once with ECONNREFUSED. The host is alive and reachable; the service is not there.
    ///
    /// # How it is recognised
    ///
    /// A RST that acknowledges the SYN's number + 1.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > RST ACK
    /// ```
    ///
    /// It may refuse a copy of a SYN that was accepted, when that answer was lost and the service is gone since:
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 client > SYN
    ///    server > RST ACK seq =0 win 0
    /// ```
    ///
    /// A client that waits for its answer takes a forged one, too, and refutes the SYN-ACK that comes after it:
    ///
    /// ```trace fires
    ///       client > SYN
    /// +10ms server > RST ACK seq =0 win 0
    /// +10ms server > SYN ACK
    ///       client > RST seq +1 win 0
    /// ```
    ///
    /// A refusal that does not reach the client fails no connect(): the SYN comes again, and the finding is told of the
    /// refusal that does.
    ///
    /// # Not to be confused with
    ///
    /// A firewall that rejects with a TCP reset looks the same on the wire. `connection-rejected` is the ICMP form;
    /// `syn-unanswered` the silent one.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Server: start the service, or correct address or port; a server bound to 127.0.0.1 refuses on its other
    /// addresses (`ss -ltnp` shows what listens where). In between: a firewall rule of the kind 'reject with tcp reset'
    /// looks the same, and its resets often have another TTL than the server's own segments. Client: retry with a
    /// growing pause during deployments; at once and for ever makes a storm.
    "connection-refused", Handshake, Error, [REFUSED], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    if case.life.opening.kind != OpenKind::Refused || case.life.is_refusal_in_vain() {
        return;
    }
    let Some(reset) = case.notes(|note| note.is_rst() && note.side == Side::Server).next() else { return };
    let frames = &case.life.opening.frames;
    let is_forged = |told: &&Reset| told.frame == reset.frame && told.cause == Cause::Injected;
    if case.resets.iter().any(|told| is_forged(&told)) {
        let (client, server) = (case.connection.client, case.connection.server);
        let message = format_args!(
            "somebody refused the connection from {client} in the name of {server} with a forged reset, which {client} had to take for its own answer"
        );
        let draft = ENTRY.draft(Confidence::Medium, reset.time, frames.iter().copied(), message);
        return draft.endpoint(Side::Client).push(found);
    }
    // Who has no socket has no number either (RFC 9293, section 3.10.7.1): it may abort what it had answered unseen.
    let confidence = if reset.seq == Seq(0) { Confidence::High } else { Confidence::Medium };
    tell(confidence, reset.time, frames, (case.connection.client, case.connection.server), found);
}

fn tell(
    confidence: Confidence,
    at: Timestamp,
    frames: &[u64],
    (client, server): (Endpoint, Endpoint),
    found: &mut Found,
) {
    let message = format_args!(
        "{server} refused the connection from {client}: nothing listens there, or a firewall refuses in its name"
    );
    ENTRY.draft(confidence, at, frames.iter().copied(), message).endpoint(Side::Client).push(found);
}

/// The same of a connection of which the life was told in short.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, refusal: Place, found: &mut Found) {
    tell(Confidence::High, refusal.time, &[orderly.syn_frame, refusal.frame], (orderly.client, orderly.server), found);
}
