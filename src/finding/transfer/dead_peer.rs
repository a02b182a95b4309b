//! `dead-peer`: retransmitted unanswered to the end.

use crate::base::Side;
use crate::connection::{Class, OpenKind};
use crate::finding::phrase::{count, duration};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Cause, Confidence, Severity};

finding! {
    /// # What it is
    ///
    /// A side repeated data, its FIN or keepalive probes to the end, and nothing came back: the peer or the path was
    /// gone.
    ///
    /// # Why it matters
    ///
    /// The application hangs until the retransmission limit (about 15 minutes with Linux's tcp_retries2) and then sees
    /// ETIMEDOUT.
    ///
    /// # How it is recognised
    ///
    /// At least three transmissions in a row without anything from the peer, which had spoken before, to the end of the
    /// capture, where that shows that the next one was due and did not come. Where the capture ends before that, it is less sure, for the
    /// outage may have passed, and takes five of them and a second.
    ///
    /// ```trace fires
    ///         client > SYN
    ///         server > SYN ACK
    ///         client > ACK
    ///         server > data 10
    ///         client > ACK
    ///         client > data 100
    /// +200ms  client > again
    /// +400ms  client > again
    /// +800ms  client > again
    /// +1600ms client > again
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `outage-repaired`, where the peer came back. `accept-queue-overflow`, where it never spoke after its SYN-ACK.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > data 10
    ///        client > ACK
    ///        client > data 100
    /// +200ms client > again
    /// +400ms client > again
    ///        server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// On the side that waits, set TCP_USER_TIMEOUT (milliseconds; RFC 5482, tcp(7)) or a timeout of the application,
    /// so that a dead peer costs seconds and not the 15 minutes of net.ipv4.tcp_retries2 (15); too short a value cuts
    /// connections over outages that would have passed. For idle connections, which send nothing that could stay
    /// unanswered, add keepalives. Then find out what died: host, link or NAT entry.
    "dead-peer", Transfer, Error, [NO_ANSWER, RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let opened = !matches!(
        case.life.opening.kind,
        OpenKind::Unanswered | OpenKind::HalfOpen | OpenKind::Refused | OpenKind::Rejected
    );
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        let peer = &case.connection.halves[!side];
        let given_up = case.resets.iter().any(|reset| reset.from == side && reset.cause == Cause::KeepaliveTimeout);
        let unanswered = case.life.closing.unanswered == Some(side) || given_up;
        let mute = peer.syn_acks > 0 && peer.segments() == u64::from(peer.syn_acks);
        let final_ack = peer.fin.is_some() && half.fin.is_some();
        if !opened || !unanswered || mute || final_ack || case.is_one_sided() {
            continue;
        }
        let tries: Vec<_> = case
            .notes(|note| {
                note.side == side
                    && peer.last.is_none_or(|last| note.frame > last.frame)
                    && (note.end() != note.seq || note.class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE))
            })
            .collect();
        let (Some(first), Some(last)) = (tries.first(), tries.last()) else { continue };
        // The first of them may have been one of many, of which no note was taken.
        let since = half.unanswered_since.unwrap_or(first.time).min(first.time);
        let (confidence, severity, doubt) = match given_up || case.life.closing.has_stopped {
            true => (Confidence::High, Severity::Error, ""),
            false => (
                Confidence::Medium,
                Severity::Warning,
                "; the capture ends before the next one was due, so that the outage may have passed",
            ),
        };
        let message = format_args!(
            "{} sent {} within {} and nothing came back; its peer was last heard {} before{doubt}",
            case.name(side),
            count(u64::from(half.unanswered).max(tries.len() as u64), "segment"),
            duration(last.time.since(since)),
            peer.last.map_or_else(|| "some time".to_owned(), |heard| duration(since.since(heard.time)).to_string())
        );
        let frames = tries.iter().map(|note| note.frame);
        ENTRY.draft(confidence, first.time, frames, message).endpoint(side).severity(severity).push(found);
    }
}
