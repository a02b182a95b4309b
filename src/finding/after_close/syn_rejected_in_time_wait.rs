//! `syn-rejected-in-time-wait`: a new SYN met the old connection.

use std::fmt;

use crate::base::Side;
use crate::connection::{Noted, OpenKind};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::phrase::count;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The SYN of a new connection was answered with an ACK of the old one on the same ports, still in TIME-WAIT. The client
    /// resets that and tries again. Where nothing resets it (`kind` `unheard`), the old connection stays, in TIME-WAIT or still
    /// open, and every copy of the SYN meets it.
    ///
    /// # Why it matters
    ///
    /// connect() takes longer, or fails if the old state stays: with ETIMEDOUT, though the server answers every SYN.
    ///
    /// # How it is recognised
    ///
    /// A SYN, a plain ACK that does not acknowledge it, a RST of the client, and the SYN again. `unheard`: the numbers of
    /// that ACK are those at which the connection before had ended (RFC 9293, section 3.10.7.4; RFC 5961, section 4), or
    /// copies of the SYN were answered so, and no reset of the client followed.
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
    /// ```trace fires
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > data 100
    ///       server > ACK
    /// client isn 900000
    /// +60   client > SYN
    ///       server > ACK ack =1101
    /// +1    client > again
    ///       server > ACK ack =1101
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
    /// long forgotten, give the server keepalives. `unheard`: capture at the client. If the ACK arrives, a local firewall
    /// drops it or the reset that answers it (conntrack calls either INVALID); if it does not, a box in between does, which
    /// knows only the new connection.
    "syn-rejected-in-time-wait", AfterClose, Warning, [RESET, UNANSWERED], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let Some(syn) = case.notes(|note| note.is_syn() && note.side == Side::Client).next() else { return };
    let ack = case
        .notes(|note| note.side == Side::Server && note.acknowledges() && !note.is_syn_ack() && note.frame > syn.frame)
        .next();
    let Some(ack) = ack.filter(|ack| ack.ack != syn.end() && ack.len == 0) else { return };
    let answered_before = case.notes(|note| note.is_syn_ack() && note.frame < ack.frame).next().is_some();
    if answered_before {
        return;
    }
    let reset = case.notes(|note| note.side == Side::Client && note.is_rst() && note.seq == ack.ack).next();
    let Some(reset) = reset else {
        unheard(case, syn, found);
        return;
    };
    let past = case.connection.predecessor.as_ref();
    if past.is_some_and(|past| !past.is_over() || past.leaves_no_time_wait()) {
        // The server still has the older connection open: the client lost it, and nobody is in TIME-WAIT; or nothing is left of it.
        return;
    }
    if is_taken(case, syn) {
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

/// The next stream answers the SYN: the ACK of the older connection was on its way yet.
fn is_taken(case: &Case<'_>, syn: &Noted) -> bool {
    let next = case.connection.successor.filter(|next| next.sender == case.connection.server);
    next.is_some_and(|next| next.ack == Some(syn.seq + 1))
}

/// Acknowledgments of the connection before that answer its SYN, where no SYN-ACK does: the server has not let go of it.
pub(super) fn old_acks<'a>(case: &'a Case<'_>) -> impl Iterator<Item = &'a Noted> {
    let past = case.connection.predecessor;
    let is_old = move |note: &Noted| {
        past.is_none_or(|past| {
            let (server, client) = (past.half(case.connection.server), past.half(case.connection.client));
            let acks = client.isn.zip(client.nxt);
            server.nxt == Some(note.seq)
                && acks.is_some_and(|(isn, nxt)| note.ack.after(isn) && note.ack.at_or_before(nxt))
        })
    };
    let isn = case.connection.halves.client.isn;
    let is_unanswered = case.life.opening.kind == OpenKind::Unanswered;
    case.notes(move |note| {
        let is_ack =
            note.side == Side::Server && note.acknowledges() && note.len == 0 && !note.is_fin() && !note.is_rst();
        is_unanswered && is_ack && isn.is_some_and(|isn| note.ack != isn + 1) && is_old(note)
    })
}

/// The client's reset, which would have let the next SYN in, does not come.
fn unheard(case: &Case<'_>, syn: &Noted, found: &mut Found) {
    let Some(ack) = old_acks(case).next() else { return };
    let acks = old_acks(case).count() as u64;
    let again = case.notes(|note| note.is_syn() && note.side == Side::Client && note.frame > ack.frame).next();
    let waited = case.life.horizon.since(ack.time);
    let past = case.connection.predecessor;
    // One acknowledgment of a connection that nobody saw may have been under way.
    let is_shown = past.is_some() || acks > 1;
    if is_taken(case, syn) || !is_shown || again.is_none() && waited < RESET_NS_MAX {
        return;
    }
    let which = fmt::from_fn(|f| match past {
        Some(past) if past.is_over() && !past.leaves_no_time_wait() => {
            write!(f, "stream {}, in TIME-WAIT there", past.stream)
        }
        Some(past) => write!(f, "stream {}, which it still has", past.stream),
        None => f.write_str("an older connection on the same ports"),
    });
    let times = fmt::from_fn(|f| match acks {
        1 => Ok(()),
        _ => write!(f, " {}", count(acks, "time")),
    });
    let message = format_args!(
        "{} answered the SYN{times} with an ACK of {which}; no reset of the client lets go of that: it had not the ACK, or something drops its reset",
        case.connection.server
    );
    let confidence = if past.is_some() { Confidence::High } else { Confidence::Medium };
    let frames = [syn.frame].into_iter().chain(old_acks(case).map(|ack| ack.frame));
    ENTRY.draft(confidence, ack.time, frames, message).endpoint(Side::Server).kind("unheard").push(found);
}

/// The reset of a client that has the ACK follows within a round trip, which is no more than this, ns.
const RESET_NS_MAX: i64 = 1_000_000_000;
