//! `fin-retransmitted`: a FIN had to be sent again.

use crate::base::Side;
use crate::connection::{Class, Noted, State};
use crate::finding::phrase::duration;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A FIN was sent more than once: it or its acknowledgment was lost, or nobody answers.
    ///
    /// # Why it matters
    ///
    /// The close takes longer, and the socket stays in FIN-WAIT-1, CLOSING or LAST-ACK meanwhile.
    ///
    /// # How it is recognised
    ///
    /// Several FINs with one number from one side. The message says how often, until when, and whether it was
    /// acknowledged at last.
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > FIN ACK
    /// +200ms client > FIN ACK
    ///        server > FIN ACK
    ///        client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `final-ack-lost` explains the passive closer's repeated FIN. Where no answer ever came, `fin-unanswered` is told beside
    /// it: one says that the FIN was repeated, the other how that ended, as `syn-retransmitted` and `syn-unanswered` do.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > FIN ACK
    /// +200ms server > FIN ACK
    ///        client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Single ones are ordinary loss. Many unanswered ones toward one host, or after long idle times, mean that a
    /// middlebox has forgotten the flows: keep its timeout above the applications', or close idle connections earlier.
    /// The sockets wait meanwhile at the closer's expense; net.ipv4.tcp_orphan_retries (8) bounds how often an orphan's
    /// FIN is repeated.
    "fin-retransmitted", Teardown, Note, [FIN_AGAIN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        let times = case.fins_sent(side);
        let Some(fin) = half.fin.filter(|_| times > 1) else { continue };
        let sent = |note: &Noted| {
            note.side == side && note.is_fin() && !note.class.contains(Class::RETRANSMISSION | Class::COPY)
        };
        let copies: Vec<_> = case.notes(|note| sent(note) && note.end() == fin + 1).collect();
        let [first, second, ..] = copies.as_slice() else { continue };
        let last = copies.last().unwrap_or(second);
        let awaits = |state: State| matches!(state, State::FinWait1 | State::Closing | State::LastAck);
        let awaits_ack = case.life.states[side].last().is_some_and(|step| awaits(step.state));
        let end = match half.fin_acked() {
            true if awaits_ack || case.life.arrivals.ack_of_fin[side].is_none() => "no acknowledgment reached it",
            true => "it was acknowledged",
            false if case.is_one_sided() => "what its peer answered was not captured",
            false => "it was never acknowledged",
        };
        let message = format_args!(
            "{} sent its FIN {} times within {}; {end}",
            case.name(side),
            times,
            duration(last.time.since(first.time))
        );
        let frames = copies.iter().map(|note| note.frame);
        ENTRY.draft(Confidence::High, second.time, frames, message).endpoint(side).push(found);
    }
}
