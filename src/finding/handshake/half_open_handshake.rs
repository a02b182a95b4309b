//! `half-open-handshake`: the SYN-ACK was never acknowledged.

use crate::base::Side;
use crate::connection::OpenKind;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A server answered a SYN and heard nothing more: an entry in its SYN queue until the retries run out.
    ///
    /// # Why it matters
    ///
    /// One is a lost packet or a scanner. Many from many sources fill the SYN queue (see `syn-flood`).
    ///
    /// # How it is recognised
    ///
    /// SYN-ACKs that no segment of the client acknowledges to the end, and no reset either.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    /// +2 server > SYN ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `stale-syn` and an aborted handshake end with a reset. A capture of the server's direction only shows more than
    /// SYN-ACKs.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// For single cases look for loss or asymmetric routing on the way back. Against floods, net.ipv4.tcp_syncookies=1
    /// is the default and keeps the service reachable; net.ipv4.tcp_synack_retries (5, some 63 s) bounds how long each
    /// entry stays, and lowering it costs clients on bad paths their connection (ip-sysctl).
    "half-open-handshake", Handshake, Note, [HALF_OPEN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let reset = !case.connection.resets.is_empty();
    if case.life.opening.kind != OpenKind::HalfOpen || reset {
        return;
    }
    let syn_acks: Vec<_> = case.notes(|note| note.is_syn_ack()).collect();
    let Some(first) = syn_acks.first() else { return };
    let quiet = case.life.horizon.since(case.connection.end);
    let confidence = match syn_acks.len() > 1 || quiet > 1_000_000_000 {
        // A client that was not captured may have acknowledged it.
        true if case.connection.halves.client.frames == 0 => Confidence::Medium,
        true => Confidence::High,
        false => Confidence::Low,
    };
    let message = format_args!(
        "{} answered the SYN from {} {} times and was never acknowledged",
        case.connection.server, case.connection.client, case.connection.halves.server.syn_acks
    );
    let frames = syn_acks.iter().map(|note| note.frame);
    ENTRY.draft(confidence, first.time, frames, message).endpoint(Side::Server).push(found);
}
