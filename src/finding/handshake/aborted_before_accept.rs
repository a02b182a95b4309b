//! `aborted-before-accept`: reset right after the handshake.

use crate::base::{Endpoint, Side};
use crate::connection::{OpenKind, Orderly};
use crate::finding::phrase::duration;
use crate::finding::verdict::{Cause, Reset};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The client completed the handshake and reset the connection before any payload: often before the server's
    /// application had accepted it.
    ///
    /// # Why it matters
    ///
    /// accept() may fail with ECONNABORTED (BSD, some others) or hand out a socket whose first read fails with ECONNRESET
    /// (Linux). A server that treats either as fatal dies of a port scanner.
    ///
    /// # How it is recognised
    ///
    /// An accepted RST of the client soon after its handshake ACK, without payload from either side.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > RST ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A health check that connects and closes with FIN leaves no reset. A reset to the SYN-ACK comes before the
    /// handshake is complete (open kind `aborted`).
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Load balancers' health checks and scanners do this with SO_LINGER 0 (HAProxy's checks among them), so each is
    /// usually harmless. Server: let the accept loop go on after ECONNABORTED, and treat ECONNRESET of the first read
    /// like the end of the stream. Checker: one that reads the answer and closes costs the server a TIME-WAIT less and
    /// its log a line less.
    "aborted-before-accept", Handshake, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let halves = &case.connection.halves;
    let opened = matches!(case.life.opening.kind, OpenKind::ThreeWay);
    if !opened || halves.client.payload_bytes + halves.server.payload_bytes + halves.server.missing_bytes > 0 {
        return;
    }
    let (Some(reset), Some(ack)) = (case.resets.first(), case.life.arrivals.ack_of_syn[Side::Server]) else { return };
    if reset.from != Side::Client
        || halves.client.fin.is_some()
        || halves.server.fin.is_some()
        || reset.cause == Cause::Injected
    {
        return;
    }
    let after = reset.time.since(case.life.notes[ack.note].time);
    if after > BEFORE_ACCEPT_NS_MAX {
        return;
    }
    let opened = case.life.notes[ack.note].frame;
    tell((opened, reset), after, (case.connection.client, case.connection.server), found);
}

fn tell((opened, reset): (u64, &Reset), after: i64, (client, server): (Endpoint, Endpoint), found: &mut Found) {
    let message = format_args!(
        "{client} reset the connection {} after the handshake, before any payload: accept() at {server} may fail with ECONNABORTED or hand out a dead socket",
        duration(after)
    );
    ENTRY.draft(Confidence::High, reset.time, [opened, reset.frame], message).endpoint(Side::Server).push(found);
}

/// The same of a connection of which the life was told in short.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, resets: &[Reset], found: &mut Found) {
    let (Some(reset), Some(opened)) = (resets.first(), orderly.opened) else { return };
    let after = reset.time.since(opened.time);
    let is_mute = orderly.sent.client.payload_bytes + orderly.sent.server.payload_bytes == 0;
    let is_open = orderly.fins.client.is_none() && orderly.fins.server.is_none();
    if reset.from == Side::Client && is_open && is_mute && after <= BEFORE_ACCEPT_NS_MAX {
        tell((opened.frame, reset), after, (orderly.client, orderly.server), found);
    }
}

/// Later than this an application has certainly had its chance to accept, ns.
const BEFORE_ACCEPT_NS_MAX: i64 = 1_000_000_000;
