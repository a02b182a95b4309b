//! `keepalive`: probes of an idle connection.

use crate::base::Side;
use crate::connection::Class;
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// One side sent keepalive probes: empty (or one-octet) segments just below its next number, to hear whether the peer
    /// is still there.
    ///
    /// # Why it matters
    ///
    /// Answered ones keep middleboxes from forgetting the flow. Unanswered ones end in `reset-keepalive-timeout`.
    ///
    /// # How it is recognised
    ///
    /// Segments at SND.NXT - 1 of length 0 or 1 while everything sent is acknowledged and the peer's window is open.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// idle 2h
    /// client > ACK seq next-1
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Zero-window probes are the same packet; the peer's last window tells them apart.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK win 0
    /// +1 client > ACK seq next-1
    ///    server > ACK win 0
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing when they are answered. The default idle time of two hours (net.ipv4.tcp_keepalive_time, RFC 9293
    /// section 3.8.4) is longer than most middleboxes remember: where keepalives are meant to hold a flow open, set
    /// TCP_KEEPIDLE below the box's timeout. Probes every few seconds on many idle connections keep phones and laptops
    /// awake.
    "keepalive", Transfer, Note, [KEEPALIVE], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        if half.keepalives == 0 {
            continue;
        }
        let probes: Vec<_> = case.notes(|note| note.side == side && note.class.contains(Class::KEEPALIVE)).collect();
        let Some(first) = probes.first() else { continue };
        // What was heard after the prober had given up answers no probe.
        let given_up = case.connection.resets.iter().find(|seen| seen.noted.side == side);
        let unanswered = given_up.map_or(0, |seen| seen.before[side].unanswered_probes).max(half.unanswered_probes);
        let last = probes.last().map_or(first.frame, |probe| probe.frame);
        let refused = case.connection.resets.iter().any(|seen| seen.noted.side != side && seen.noted.frame > last);
        let end = match unanswered {
            0 => "answered".to_owned(),
            1 if refused && given_up.is_none() => match half.keepalives {
                1 => "answered by a reset".to_owned(),
                _ => "the last one answered by a reset".to_owned(),
            },
            some if refused && given_up.is_none() => format!("the last {some} answered by nothing but a reset"),
            all if u64::from(all) >= u64::from(half.keepalives) => "unanswered".to_owned(),
            1 => "the last one unanswered".to_owned(),
            some => format!("the last {some} unanswered"),
        };
        let message =
            format!("{} sent {}, {end}", case.name(side), count(u64::from(half.keepalives), "keepalive probe"));
        let frames = probes.iter().map(|note| note.frame);
        ENTRY.draft(Confidence::High, first.time, frames, message).endpoint(side).push(found);
    }
}
