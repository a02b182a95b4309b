//! `handshake-ack-lost`: the third segment never reached the server.

use crate::base::Side;
use crate::connection::{Noted, OpenKind, SYN_REPEATED_NS, Tap};
use crate::finding::phrase::{duration, times};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

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
    /// A SYN-ACK again after an acknowledgment of it was seen, and then the connection works: after several repetitions, or
    /// with payload of the client that was not taken either, or a server that speaks first. At a tap behind the loss: a
    /// SYN-ACK that is repeated twice to a client which does not repeat its SYN, so that it had the first.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    ///    server > data 100
    ///    client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `accept-queue-overflow`: there the acknowledgment arrives and is dropped, and data is not acknowledged either
    /// while the queue is full. TCP_DEFER_ACCEPT: Linux drops the bare acknowledgment of a client that says nothing and
    /// repeats its SYN-ACK once, at the end of the time set. With one second that is packet by packet the picture of a
    /// lost acknowledgment, and only `syn-ack-retransmitted` is said:
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK
    /// ```
    ///
    /// A SYN-ACK that was lost before the tap:
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
    /// A simultaneous open, in which both ends repeat their SYN-ACKs:
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN
    ///    client > SYN ACK
    /// +1 client > SYN ACK
    ///    server > SYN ACK
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
    "handshake-ack-lost", Handshake, Note, [ACK_OF_SYN_LOST, SYN_ACK_AGAIN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    if case.life.opening.kind == OpenKind::Simultaneous {
        // Both repeat their SYN-ACKs until they have the other's: which of them was lost, another acknowledgment does not say.
        return;
    }
    if case.life.tap == Some(Tap::Server) {
        // What passed the server's own tap was not lost but dropped by the server, as TCP_DEFER_ACCEPT does.
        behind_the_loss(case, found);
        return;
    }
    let lost = case.life.arrivals.lost_acks_of_syn[Side::Server];
    let Some(receipt) = case.life.arrivals.ack_of_syn[Side::Server] else { return };
    if lost == 0 {
        behind_the_loss(case, found);
        return;
    }
    let data_ignored = super::accept_queue_overflow::ignored_data(case);
    if data_ignored > 1 && !super::accept_queue_overflow::stopped_repeating(case) || looks_deferred(case) {
        // Data was dropped as well: a full accept queue shows itself so.
        return;
    }
    let Some((ack, again)) = repeated_over_ack(case) else { return };
    if took_payload_at_once(case, again) || came_too_soon(case, again) {
        return;
    }
    let done = &case.life.notes[receipt.note];
    // A listener that waits for data repeats it once when its time is over, and so shows the same.
    let has_asked = case.notes(|note| note.side == Side::Client && note.len > 0 && note.frame < again.frame).next();
    let is_once = case.notes(|note| note.is_syn_ack() && note.frame > ack.frame).count() == 1;
    let may_wait = has_asked.is_none() && is_once;
    let message = format_args!(
        "the ACK that completes the handshake (frame {}) was lost{}; the server repeated its SYN-ACK {} later and frame {} completed it",
        ack.frame,
        if may_wait { ", or the listener waits for data (TCP_DEFER_ACCEPT)" } else { "" },
        duration(again.time.since(ack.time)),
        done.frame
    );
    ENTRY
        .draft(Confidence::Medium, ack.time, [ack.frame, again.frame, done.frame], message)
        .endpoint(Side::Server)
        .push(found);
}

/// Payload that the client sent before the SYN-ACK came `again` had not to be sent again, and brought its acknowledgment with
/// it: nothing was lost, and the road takes longer than the SYN-ACK's timer.
fn took_payload_at_once(case: &Case<'_>, again: &Noted) -> bool {
    let client = &case.connection.halves.client;
    let is_taken = |note: &Noted| client.acked.is_some_and(|acked| acked.at_or_after(note.seq + note.len));
    let is_early = |note: &Noted| note.side == Side::Client && note.len > 0 && note.frame < again.frame;
    client.retransmissions == 0 && case.notes(|note| is_early(note) && is_taken(note)).next().is_some()
}

/// No timer sends the SYN-ACK `again` so soon after the one before: the network copied that, or it answers another SYN.
fn came_too_soon(case: &Case<'_>, again: &Noted) -> bool {
    let before = case.notes(|note| note.is_syn_ack() && note.frame < again.frame).last();
    before.is_some_and(|before| again.time.since(before.time) < TIMER_NS_MIN)
}

/// Timers of SYN-ACKs begin with 1 s (RFC 6298, section 2.1), and the way may take more or less of it, ns.
const TIMER_NS_MIN: i64 = 500_000_000;

/// The client's acknowledgment of the SYN-ACK, and the SYN-ACK that came after it all the same.
pub fn repeated_over_ack<'a>(case: &'a Case<'_>) -> Option<(&'a Noted, &'a Noted)> {
    let isn = case.connection.halves.server.isn?;
    let ack = case.notes(move |note| note.side == Side::Client && note.acknowledges() && note.ack.after(isn)).next()?;
    let again = case.notes(|note| note.is_syn_ack() && note.frame > ack.frame).next()?;
    Some((ack, again))
}

/// One repetition of the SYN-ACK over the acknowledgment of a client that was silent until then and spoke first
/// afterwards: what a lost acknowledgment and TCP_DEFER_ACCEPT have in common. Linux repeats the SYN-ACK once, when the
/// time set is over (`syn_ack_recalc`), and then takes the bare acknowledgment.
pub fn looks_deferred(case: &Case<'_>) -> bool {
    let Some((ack, again)) = repeated_over_ack(case) else { return false };
    let more = case.notes(|note| note.is_syn_ack() && note.frame > ack.frame).count() > 1;
    let first_data =
        |side: Side| case.notes(move |note| note.side == side && note.len > 0).next().map(|note| note.frame);
    let (client, server) = (first_data(Side::Client), first_data(Side::Server));
    let client_first = client.is_some_and(|client| client > again.frame && server.is_none_or(|server| client < server));
    !more && (client_first || client.is_none() && server.is_none())
}

/// The tap saw none of the lost acknowledgments: the SYN-ACK came at least twice more, and a client without any of them
/// would have repeated its SYN within that time.
fn behind_the_loss(case: &Case<'_>, found: &mut Found) {
    let (client, server) = (&case.connection.halves.client, &case.connection.halves.server);
    let Some(isn) = server.isn.filter(|_| client.syns == 1 && server.syn_acks > 2 && server.syns == 0) else { return };
    let copies: Vec<&Noted> = case.notes(|note| note.side == Side::Server && note.is_syn_ack()).collect();
    let (Some(first), Some(last)) = (copies.first(), copies.last()) else { return };
    let done = case.notes(|note| note.side == Side::Client && note.acknowledges() && note.ack.after(isn)).next();
    let Some(done) = done.filter(|done| done.frame > last.frame) else { return };
    if last.time.since(first.time) < SYN_REPEATED_NS {
        return;
    }
    let message = format_args!(
        "the acknowledgments that complete the handshake were lost before the tap: the server repeated its SYN-ACK {} within {}, and the client, which did not repeat its SYN, had the first; frame {} completed it",
        times(copies.len() as u64 - 1),
        duration(last.time.since(first.time)),
        done.frame
    );
    let frames = copies.iter().map(|note| note.frame).chain([done.frame]);
    ENTRY.draft(Confidence::Medium, last.time, frames, message).endpoint(Side::Server).push(found);
}
