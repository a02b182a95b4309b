//! `fin-unanswered`: a FIN was repeated and never acknowledged.

use crate::base::Side;
use crate::finding::phrase::duration;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The side that closed first repeated its FIN and never got an acknowledgment: FIN-WAIT-1 until the orphan's retries
    /// run out.
    ///
    /// # Why it matters
    ///
    /// Each such socket holds memory for up to minutes; piles of them are what tcp_max_orphans limits.
    ///
    /// # How it is recognised
    ///
    /// At least three copies of a FIN, no acknowledgment of it, and nothing else from the peer afterwards.
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > FIN ACK
    /// +200ms client > FIN ACK
    /// +400ms client > FIN ACK
    /// +800ms client > FIN ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `final-ack-lost` with outcome unanswered: the same of the side that closed second, in LAST-ACK. A capture that ends
    /// shortly after the FIN shows nothing either way. A reset is an answer: whoever sent it is there.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > FIN ACK
    /// +200ms client > FIN ACK
    /// +400ms client > FIN ACK
    ///        server > ACK
    /// ```
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > FIN ACK
    /// +200ms client > FIN ACK
    /// +400ms client > FIN ACK
    /// +20ms  server > RST
    /// ```
    ///
    /// # What to do
    ///
    /// The peer is gone, or a middlebox dropped the flow; a capture at the other end tells which. Closer:
    /// net.ipv4.tcp_orphan_retries (8; ip-sysctl) bounds how often the kernel tries for a closed application,
    /// TCP_USER_TIMEOUT for one that is still there. Lowering them gives up on peers behind bad paths, whose last
    /// octets are then lost.
    "fin-unanswered", Teardown, Warning, [FIN_AGAIN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        if half.fins < 3 || half.fin_acked() || half.unanswered < 3 || case.is_one_sided() {
            continue;
        }
        if super::final_ack_lost::closes_second(case, side) {
            continue;
        }
        let copies: Vec<_> = case.notes(|note| note.side == side && note.is_fin()).collect();
        let (Some(first), Some(last)) = (copies.first(), copies.last()) else { continue };
        // A reset is an answer, too.
        if case.connection.resets.iter().any(|seen| seen.noted.side != side && seen.noted.frame > last.frame) {
            continue;
        }
        let message = format_args!(
            "{} sent its FIN {} times within {} and was never answered",
            case.name(side),
            half.fins,
            duration(last.time.since(first.time))
        );
        let frames = copies.iter().map(|note| note.frame);
        ENTRY.draft(Confidence::High, first.time, frames, message).endpoint(side).push(found);
    }
}
