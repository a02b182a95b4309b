//! `stale-syn`: an old duplicate SYN was answered and refuted.

use std::fmt;

use crate::base::Side;
use crate::connection::{Noted, OpenKind};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A duplicate of an old SYN arrived late. The listener answered it, and the client, which had not sent it now,
    /// refuted the answer with a reset (RFC 9293, figure 9).
    ///
    /// # Why it matters
    ///
    /// Nothing is lost: it is the reason for the handshake's third segment. Many of them mean that something replays
    /// packets.
    ///
    /// # How it is recognised
    ///
    /// A SYN with the number of an earlier, finished incarnation, or a SYN-ACK to no SYN in sight; then a RST with the
    /// SYN-ACK's acknowledgment as its number.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > FIN ACK
    /// client > ACK
    /// idle 90s
    /// client isn 1000
    /// server isn 70000
    /// client > SYN
    /// server > SYN ACK
    /// client > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A port scanner's SYN is new, and its reset comes from a host that never meant to connect.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > RST
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing on the hosts. If it recurs, look for a device that duplicates or delays packets.
    "stale-syn", Handshake, Note, [HALF_OPEN, PREDECESSOR], detect
}

/// Sooner than this no SYN is sent again (RFC 6298, section 2.1), ns.
const SYN_RTO_NS: i64 = 900_000_000;

fn detect(case: &Case<'_>, found: &mut Found) {
    into_open_connection(case, found);
    if case.life.opening.kind != OpenKind::HalfOpen {
        return;
    }
    let syn = case.notes(|note| note.is_syn() && note.side == Side::Client).next();
    let Some(syn_ack) = case.notes(|note| note.is_syn_ack() && note.side == Side::Server).next() else { return };
    // A client without a socket resets the SYN-ACK; one in TIME-WAIT answers with its old numbers, which the listener resets.
    let refutation = case.notes(|note| note.is_rst() && (note.seq == syn_ack.ack || note.side == Side::Server)).next();
    let Some(reset) = refutation else { return };
    let past = case.connection.predecessor.as_ref();
    let known = past.is_some_and(|past| past.half(case.connection.client).isn == Some(syn_ack.ack - 1));
    if syn.is_none() && past.is_none() {
        // A SYN-ACK out of nothing may as well be a scan's answer or spoofed traffic's backscatter.
        return;
    }
    let is_refused = past.is_some_and(|past| past.was_refused(case.connection.client));
    let is_same_offer = past.is_some_and(|past| past.half(case.connection.server).isn == Some(syn_ack.seq));
    let is_soon = past.is_some_and(|past| syn_ack.time.since(past.end) < SYN_RTO_NS);
    // Without a SYN its timer sent it again.
    if known && (is_soon && is_refused || is_same_offer && (is_soon || syn.is_none())) {
        // It answers that very SYN, which somebody else had refused (`reset-injected`), or comes behind the reset as a copy.
        return;
    }
    let confidence = if known { Confidence::High } else { Confidence::Low };
    let which = past.filter(|_| known).map_or(String::new(), |past| format!(" of stream {}", past.stream));
    let (client, server) = (case.connection.client, case.connection.server);
    let refuted = if reset.side == Side::Client {
        format!("{client} refuted it with a reset")
    } else {
        format!("{client}, in TIME-WAIT, answered with the numbers of its old connection, and {server} reset that")
    };
    let message = format_args!("{server} answered an old duplicate SYN{which}; {refuted}");
    let frames = syn.into_iter().chain([syn_ack, reset]).map(|note| note.frame);
    ENTRY.draft(confidence, syn_ack.time, frames, message).endpoint(Side::Server).push(found);
}

/// A SYN that its sender's socket knew nothing of: that went on with the connection that it came into.
fn into_open_connection(case: &Case<'_>, found: &mut Found) {
    let (Some(past), Some(resumed)) = (case.connection.predecessor, case.connection.resumed) else { return };
    let Some(syn) = case.notes(|note| note.is_syn()).next() else { return };
    let is_answer =
        |note: &Noted| note.side != syn.side && note.acknowledges() && note.len == 0 && note.frame < resumed;
    let answer = case.notes(is_answer).next().map(|note| note.frame);
    let answered = fmt::from_fn(|f| match answer {
        Some(frame) => write!(
            f,
            "; {} answered it with the acknowledgment of that (frame {frame}; RFC 5961, section 4)",
            !syn.side
        ),
        None => Ok(()),
    });
    let message = format_args!(
        "a SYN in the name of {} came into the open connection of stream {}, which both ends went on with (frame {resumed}): an old duplicate, or forged{answered}",
        case.name(syn.side),
        past.stream
    );
    let frames = [Some(syn.frame), answer, Some(resumed)].into_iter().flatten();
    ENTRY
        .draft(Confidence::High, syn.time, frames, message)
        .endpoint(syn.side)
        .kind("into-open-connection")
        .push(found);
}
