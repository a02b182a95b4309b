//! `handshake-ack-lost`: the third segment never reached the server.

use crate::base::Side;
use crate::connection::Tap;
use crate::finding::phrase::duration;

use crate::finding::case::Case;
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, Finding};

finding! {
    /// # What it is
    ///
    /// The acknowledgment that completes the handshake was sent and did not reach the server.
    ///
    /// # Why it matters
    ///
    /// For a moment the client has a connection that the server does not have. A client that waits for the server to
    /// speak first waits a second longer; otherwise its first data completes the handshake.
    ///
    /// # How it is recognised
    ///
    /// A SYN-ACK again after an acknowledgment of it was seen, and then the connection works.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `accept-queue-overflow`: there the acknowledgment arrives and is dropped, and data is not acknowledged either
    /// while the queue is full.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Single cases are ordinary loss. Many toward one server are more likely its accept queue: see
    /// `accept-queue-overflow`. In protocols in which the server speaks first (SMTP, SSH, MySQL) each costs the user
    /// the SYN-ACK's timer, a second; there is no option that shortens it.
    "handshake-ack-lost", Handshake, Note, detect
}

fn detect(case: &Case<'_>, found: &mut Vec<Finding>) {
    let lost = case.life.arrivals.lost_acks_of_syn[Side::Server];
    let receipt = case.life.arrivals.ack_of_syn[Side::Server];
    let (Some(receipt), true) = (receipt, lost > 0) else { return };
    if super::accept_queue_overflow::ignored_data(case) > 1 {
        // Data was dropped as well: a full accept queue shows itself so.
        return;
    }
    if case.life.tap == Some(Tap::Server) {
        // It passed the server's own tap: it was not lost but dropped by the server, as TCP_DEFER_ACCEPT does.
        return;
    }
    let server_isn = case.connection.halves.server.isn;
    let ack = case
        .notes(|note| {
            note.side == Side::Client && note.acknowledges() && server_isn.is_some_and(|isn| note.ack.after(isn))
        })
        .next();
    let again = ack.and_then(|ack| case.notes(|note| note.is_syn_ack() && note.frame > ack.frame).next());
    let (Some(ack), Some(again)) = (ack, again) else { return };
    let done = &case.life.notes[receipt.note];
    let message = format!(
        "the ACK that completes the handshake (frame {}) was lost; the server repeated its SYN-ACK {} later and frame {} completed it",
        ack.frame,
        duration(again.time.since(ack.time)),
        done.frame
    );
    // A client that is silent until the SYN-ACK comes again is also what TCP_DEFER_ACCEPT looks like.
    let first_data =
        |side: Side| case.notes(move |note| note.side == side && note.len > 0).next().map(|note| note.frame);
    let (client, server) = (first_data(Side::Client), first_data(Side::Server));
    let deferred = client.is_some_and(|client| client > again.frame && server.is_none_or(|server| client < server));
    let confidence = if deferred { Confidence::Low } else { Confidence::Medium };
    ENTRY
        .draft(confidence, ack.time, vec![ack.frame, again.frame, done.frame], message)
        .endpoint(Side::Server)
        .push(found);
}
