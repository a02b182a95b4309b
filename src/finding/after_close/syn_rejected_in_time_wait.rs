//! `syn-rejected-in-time-wait`: a new SYN met the old connection.

use crate::base::Side;
use crate::connection::Noted;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The SYN of a new connection was answered with an ACK of the old one on the same ports, still in TIME-WAIT. The client
    /// resets that and tries again.
    ///
    /// # Why it matters
    ///
    /// connect() takes longer, or fails if the old state stays.
    ///
    /// # How it is recognised
    ///
    /// A SYN, a plain ACK that does not acknowledge it, a RST of the client, and the SYN again.
    ///
    /// ```trace fires
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       server > FIN ACK
    ///       client > FIN ACK
    ///       server > ACK
    /// client isn 500
    /// +1    client > SYN
    ///       server > ACK ack =1002
    ///       client > RST
    /// +10ms client > SYN
    /// server isn 90000
    ///       server > SYN ACK
    ///       client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A challenge ACK inside an open connection. A client that lost its state and meets the old connection still open at
    /// the server: the same SYN, ACK, RST, SYN, but nothing had been closed (`reset-invalid-handshake`).
    ///
    /// ```trace quiet
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > data 100
    ///       server > ACK
    /// client isn 900000
    /// +60   client > SYN
    ///       server > ACK ack =1101
    ///       client > RST
    /// +10ms client > SYN
    /// server isn 90000
    ///       server > SYN ACK
    ///       client > ACK
    /// ```
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    server > FIN ACK
    ///    client > FIN ACK
    ///    server > ACK
    /// client isn 900000
    /// server isn 900000
    /// +1 client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Client: use timestamps (net.ipv4.tcp_timestamps=1, the default on both ends), with which a newer SYN takes the
    /// place of a TIME-WAIT (RFC 6191); and do not fix the source port. NAT that rewrites ports and keeps timestamps of
    /// many hosts under one address makes a newer SYN look older. If the server holds a connection that the client has
    /// long forgotten, give the server keepalives.
    "syn-rejected-in-time-wait", AfterClose, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let Some(syn) = case.notes(|note| note.is_syn() && note.side == Side::Client).next() else { return };
    let ack = case
        .notes(|note| note.side == Side::Server && note.acknowledges() && !note.is_syn_ack() && note.frame > syn.frame)
        .next();
    let Some(ack) = ack.filter(|ack| ack.ack != syn.end() && ack.len == 0) else { return };
    let answered_before = case.notes(|note| note.is_syn_ack() && note.frame < ack.frame).next().is_some();
    let reset = case.notes(|note| note.side == Side::Client && note.is_rst() && note.seq == ack.ack).next();
    let (Some(reset), false) = (reset, answered_before) else { return };
    let past = case.connection.predecessor.as_ref();
    if past.is_some_and(|past| !past.is_over() || past.leaves_no_time_wait()) {
        // The server still has the older connection open: the client lost it, and nobody is in TIME-WAIT; or nothing is left of it.
        return;
    }
    let next = case.connection.successor.filter(|next| next.sender == case.connection.server);
    if next.is_some_and(|next| next.ack == Some(syn.seq + 1)) {
        // That ACK was on its way yet, and the SYN was taken.
        return;
    }
    let is_next = |note: &Noted| note.is_syn() && note.side == Side::Client && note.frame > reset.frame;
    let opens_next = case.connection.successor.is_some_and(|next| next.sender == case.connection.client);
    let again = if opens_next || case.notes(is_next).next().is_some() { " and tried again" } else { "" };
    let message = format_args!(
        "{} answered the SYN with an ACK of an older connection on the same ports; the client reset that{again}",
        case.connection.server
    );
    ENTRY
        .draft(
            if past.is_some() { Confidence::High } else { Confidence::Medium },
            ack.time,
            [syn.frame, ack.frame, reset.frame],
            message,
        )
        .endpoint(Side::Server)
        .push(found);
}
