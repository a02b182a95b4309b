//! `time-wait-assassination`: a reset ended TIME-WAIT early.

use crate::connection::{Acceptance, State};
use crate::finding::phrase::duration;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A reset reached a socket in TIME-WAIT and ended it before its time (RFC 1337).
    ///
    /// # Why it matters
    ///
    /// The ports are free early: an old duplicate may meet a new connection, and a repeated FIN meets nobody.
    ///
    /// # How it is recognised
    ///
    /// An acceptable reset while its receiver was in TIME-WAIT. Often it answers TIME-WAIT's own acknowledgment of a
    /// stray segment.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > FIN ACK
    ///    client > ACK
    /// +1 server > FIN ACK
    ///    client > ACK
    ///    server > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-after-close`, where the receiver was already CLOSED.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > FIN ACK
    ///    client > ACK
    /// +1 server > FIN ACK
    ///    client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// net.ipv4.tcp_rfc1337=1 makes Linux ignore resets in TIME-WAIT (0 is the default; RFC 1337; ip-sysctl has it the
    /// wrong way round when it says that 0 prevents this); it costs nothing but that the ports stay taken for their 60
    /// s. Where the reset comes from the peer's stack in answer to the last ACK, the peer had given up on its side: see
    /// `final-ack-lost`.
    "time-wait-assassination", AfterClose, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for effect in case.life.resets.iter().filter(|effect| effect.receiver_state == Some(State::TimeWait)) {
        let reset = &case.life.notes[effect.note];
        if !effect.accepted || effect.acceptance != Acceptance::Exact {
            continue;
        }
        let entered = case.life.states[!reset.side].iter().rfind(|step| step.state == State::TimeWait);
        let Some(entered) = entered else { continue };
        let message = format_args!(
            "a reset ended the TIME-WAIT of {} after {}",
            case.name(!reset.side),
            duration(reset.time.since(entered.time))
        );
        ENTRY.draft(Confidence::Medium, reset.time, [reset.frame], message).endpoint(!reset.side).push(found);
    }
}
