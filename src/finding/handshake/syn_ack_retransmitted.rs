//! `syn-ack-retransmitted`: the SYN-ACK was sent again.

use crate::base::Side;
use crate::connection::Noted;
use crate::finding::phrase::duration;

use super::handshake_ack_lost::looks_deferred;
use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The server repeated its SYN-ACK: it saw no acknowledgment of it.
    ///
    /// # Why it matters
    ///
    /// Until it does, the server holds no connection that its application could accept.
    ///
    /// # How it is recognised
    ///
    /// More than one SYN-ACK with one number. The message says whether an acknowledgment had already passed the tap.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// Two within 200 ms are no retransmission, since no timer is that short (1 s by RFC 6298; Windows can be set to 300 ms):
    /// `kind` is `copy`. The SYN came twice and was answered twice, or the network copied one of the two. Where the client had
    /// repeated its SYN, the timer may have sent the other one.
    ///
    /// ```trace fires
    ///       client > SYN
    ///       server > SYN ACK
    /// +29ms server > SYN ACK
    ///       client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `handshake-ack-lost` and `accept-queue-overflow` say why; `half-open-handshake` is the case that no acknowledgment
    /// ever came.
    ///
    /// ```trace quiet
    ///    client > SYN
    /// +1 client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// If the client acknowledged and the server repeats all the same, look at the server's accept queue first (`ss
    /// -ltn`, `nstat -az TcpExtListenOverflows`), then at the way from tap to server. If the client never acknowledged,
    /// see `half-open-handshake`. TCP_DEFER_ACCEPT on the listener looks like this, too: Linux drops the bare ACK and
    /// waits for data.
    "syn-ack-retransmitted", Handshake, Note, [SYN_ACK_AGAIN, PREDECESSOR], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let copies: Vec<_> = case.notes(|note| note.side == side && note.is_syn_ack()).collect();
        let times = case.connection.halves[side].syn_acks;
        let (Some(first), Some(last)) = (copies.first(), copies.last()) else { continue };
        let past = case.connection.predecessor.as_ref();
        let before = past.filter(|past| past.sent_same_syn(case.connection.endpoint(side), Some(first.seq)));
        if times < 2 && before.is_none() {
            continue;
        }
        if before.is_none() && last.time.since(first.time) < TIMER_NS_MIN {
            copied(case, side, &copies, found);
            continue;
        }
        let acked = case
            .notes(|note| {
                note.side != side && note.acknowledges() && note.frame < last.frame && note.ack.after(first.seq)
            })
            .count()
            > 0;
        let message = match before {
            Some(past) => format!("{} sent its SYN-ACK of stream {} again", case.name(side), past.stream),
            None => format!(
                "{} sent its SYN-ACK {times} times within {}{}",
                case.name(side),
                duration(last.time.since(first.time)),
                match (acked, side == Side::Server && looks_deferred(case)) {
                    (false, _) => "",
                    _ if echoes_another(case, side, &copies) =>
                        ", although an acknowledgment had been seen: that echoes a timestamp which no SYN-ACK carried, as a box's does that opened in the client's name, and was refused",
                    (true, false) if side == Side::Server =>
                        ", although an acknowledgment had been seen: that was lost, or dropped since the accept queue was full",
                    (true, false) => ", although an acknowledgment had been seen",
                    (true, true) if first_gap(&copies) >= SKIPPED_NS =>
                        ", although an acknowledgment had been seen, and left out the repetition due after a second: it waits for payload (TCP_DEFER_ACCEPT)",
                    (true, true) =>
                        ", although an acknowledgment had been seen: that was lost, the accept queue was full, or the server waits for payload (TCP_DEFER_ACCEPT of one second), which looks the same",
                }
            ),
        };
        let frames = copies.iter().map(|note| note.frame);
        ENTRY.draft(Confidence::High, copies[1.min(copies.len() - 1)].time, frames, message).endpoint(side).push(found);
    }
}

/// SYN-ACKs that no timer sent.
fn copied(case: &Case<'_>, side: Side, copies: &[&Noted], found: &mut Found) {
    let [first, .., last] = copies else { return };
    let is_syn_between = |pair: &[&Noted]| {
        let between = pair[0].frame..pair[1].frame;
        case.notes(|note| note.side != side && note.is_syn() && between.contains(&note.frame)).next().is_some()
    };
    let (why, kind) = if copies.windows(2).all(is_syn_between) {
        ("it answered each SYN that came", Some("copy"))
    } else if case.connection.halves[!side].syns > 1 {
        ("one answers the repeated SYN, and the timer sent the other, for one that was lost before this tap", None)
    } else if copies.windows(2).any(|pair| (pair[0].flags, pair[0].timestamps) != (pair[1].flags, pair[1].timestamps)) {
        ("they differ, so that the SYN came twice that they answer", Some("copy"))
    } else {
        ("the network copied it, or the SYN that it answers", Some("copy"))
    };
    let message = format_args!(
        "{} SYN-ACKs of {} came within {}, sooner than a timer sends one again: {why}",
        case.connection.halves[side].syn_acks,
        case.name(side),
        duration(last.time.since(first.time)),
    );
    let frames = copies.iter().map(|note| note.frame);
    let draft = ENTRY.draft(Confidence::Medium, copies[1].time, frames, message).endpoint(side);
    if let Some(kind) = kind { draft.kind(kind) } else { draft }.push(found);
}

/// The first acknowledgment of the SYN-ACK echoes a timestamp that none of its copies had.
fn echoes_another(case: &Case<'_>, side: Side, copies: &[&Noted]) -> bool {
    let isn = copies[0].seq;
    let ack = case.notes(|note| note.side != side && note.acknowledges() && note.ack.after(isn)).next();
    let echo = ack.and_then(|ack| ack.timestamps).map(|timestamps| timestamps.echo);
    let is_known = |echo: u32| copies.iter().all(|copy| copy.timestamps.is_some_and(|sent| sent.value != echo));
    echo.is_some_and(is_known)
}

/// No stack's timer for a SYN-ACK is shorter, ns.
const TIMER_NS_MIN: i64 = 200_000_000;

/// From the first SYN-ACK to the second, ns.
fn first_gap(copies: &[&Noted]) -> i64 {
    match copies {
        [first, second, ..] => second.time.since(first.time),
        _ => 0,
    }
}

/// The first repetition is due after 1 s (RFC 6298, section 2.1), the second 2 s later, ns.
const SKIPPED_NS: i64 = 2_500_000_000;
