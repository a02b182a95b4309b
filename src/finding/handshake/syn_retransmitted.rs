//! `syn-retransmitted`: the SYN was sent again.

use std::fmt;

use crate::base::Side;
use crate::connection::{Noted, Retries};
use crate::finding::phrase::duration;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The same SYN was sent more than once: nothing answered the first copy in time.
    ///
    /// # Why it matters
    ///
    /// Every repetition costs the caller at least a second of waiting before connect() returns. Regular ones mean loss, a
    /// full accept queue or a filter on the way.
    ///
    /// # How it is recognised
    ///
    /// SYNs with one initial sequence number from one side. The message gives the count, the time between the first and
    /// the last, and whose timer the pauses are where they are one's (Linux since 6.5 and macOS: one second five times,
    /// then doubling; Linux before: doubling from one second; Windows up to 7: doubling from three).
    ///
    /// ```trace fires
    ///    client > SYN
    /// +1 client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// A SYN that stood unanswered in the stream before counts too: after a reset Wireshark gives the same SYN a new stream.
    ///
    /// ```trace fires
    ///       client > SYN
    ///       server > RST ACK
    /// +500ms client > SYN
    ///       server > RST ACK
    /// ```
    ///
    /// One that comes when the connection is open answers no silence: `kind` is `copy`.
    ///
    /// ```trace fires
    ///      client > SYN
    ///      server > SYN ACK
    ///      client > ACK
    ///      client > data 100
    ///      server > ACK
    /// +1s  client > SYN
    ///      server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A new attempt on the same ports has another sequence number and is another connection. `syn-unanswered` is about
    /// SYNs that nobody ever answered. A SYN with id and timestamp of the first, behind the rest of the handshake, is the network's
    /// copy (`duplicate-frames`).
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > RST ACK
    /// client isn 90000
    /// +1 client > SYN
    ///    server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// If the SYN was answered at last, look for loss on the path or drops on the server: `nstat -az TcpExtListenDrops
    /// TcpExtListenOverflows` counts SYNs that a full accept queue dropped. If it was not, see `syn-unanswered`. A
    /// client can shorten the wait: TCP_SYNCNT on one socket, net.ipv4.tcp_syn_retries for all (tcp(7), ip-sysctl);
    /// fewer tries give up on a path that only lost a packet. (Linux 6.5 and later send the first repetitions a second
    /// apart, net.ipv4.tcp_syn_linear_timeouts.)
    "syn-retransmitted", Handshake, Note, [SYN_AGAIN, PREDECESSOR], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let late: Vec<_> = case.life.late_syns(side).collect();
        again_when_open(case, side, &late, found);
        let is_late = |note: &Noted| late.iter().any(|late| late.frame == note.frame);
        let copies: Vec<_> = case.notes(|note| note.side == side && note.is_syn() && !is_late(note)).collect();
        let (Some(first), Some(last)) = (copies.first(), copies.last()) else { continue };
        let times = case.syns(side);
        again_after_refusal(case, side, first, found);
        if times < 2 {
            continue;
        }
        let frames = copies.iter().map(|note| note.frame);
        let retries = Retries::of_syns(&case.life.notes, side);
        let timer = fmt::from_fn(|f| match retries.as_ref().and_then(Retries::timer) {
            Some(timer) => write!(f, " (pauses: {timer})"),
            None => Ok(()),
        });
        let message = format_args!(
            "{} sent its SYN {times} times within {}{timer}{}",
            case.name(side),
            duration(last.time.since(first.time)),
            if case.life.arrivals.syn_ack[side].is_some() { ", then it was answered" } else { "" }
        );
        ENTRY.draft(Confidence::High, copies[1].time, frames, message).endpoint(side).push(found);
    }
}

/// The connection was open, so that nobody had a SYN to send: `late` were underway for long.
fn again_when_open(case: &Case<'_>, side: Side, late: &[&Noted], found: &mut Found) {
    let Some(first) = late.first() else { return };
    let times = if late.len() == 1 { "once".to_owned() } else { format!("{} times", late.len()) };
    let message = format_args!(
        "the SYN of {} came {times} more when its connection was open: an old duplicate, or a copy of the network's",
        case.name(side)
    );
    let frames = late.iter().map(|note| note.frame);
    ENTRY.draft(Confidence::Medium, first.time, frames, message).endpoint(side).kind("copy").push(found);
}

/// The stream's first SYN is that of the stream before, which was refused, or met an older connection, and so never
/// acknowledged: it opened this stream only because a reset had come in between.
fn again_after_refusal(case: &Case<'_>, side: Side, first: &Noted, found: &mut Found) {
    let Some(past) = &case.connection.predecessor else { return };
    if !past.sent_same_syn(case.connection.endpoint(side), Some(first.seq)) {
        return;
    }
    let message = format_args!(
        "{} sent its SYN of stream {} again, {} after the reset in that stream",
        case.name(side),
        past.stream,
        duration(first.time.since(past.end))
    );
    ENTRY.draft(Confidence::High, first.time, [first.frame], message).endpoint(side).push(found);
}
