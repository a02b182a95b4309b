//! `syn-retransmitted`: the SYN was sent again.

use crate::base::Side;
use crate::finding::phrase::duration;

use crate::finding::case::Case;
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, Finding};

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
    /// the last, and whether the pauses grow as a retransmission timer's do (Linux since 6.5: about one second five
    /// times, then doubling; before: doubling from one second).
    ///
    /// ```trace fires
    ///    client > SYN
    /// +1 client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A new attempt on the same ports has another sequence number and is another connection. `syn-unanswered` is about
    /// SYNs that nobody ever answered.
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
    /// If the SYN was answered at last, look for loss on the path or drops on the server (nstat: TcpExtListenDrops,
    /// TcpExtListenOverflows). If not, see `syn-unanswered`.
    "syn-retransmitted", Handshake, Note, detect
}

fn detect(case: &Case<'_>, found: &mut Vec<Finding>) {
    for side in Side::BOTH {
        let copies: Vec<_> = case.notes(|note| note.side == side && note.is_syn()).collect();
        let (Some(first), Some(last)) = (copies.first(), copies.last()) else { continue };
        let times = case.connection.halves[side].syns;
        if times < 2 {
            continue;
        }
        let frames = copies.iter().map(|note| note.frame).collect();
        let message = format!(
            "{} sent its SYN {times} times within {}{}",
            case.name(side),
            duration(last.time.since(first.time)),
            if case.life.arrivals.syn_ack[side].is_some() { ", then it was answered" } else { "" }
        );
        ENTRY.draft(Confidence::High, copies[1].time, frames, message).endpoint(side).push(found);
    }
}
