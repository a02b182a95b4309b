//! `reset-ignored`: a reset that its receiver does not take.

use crate::connection::{Acceptance, OpenKind, State};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

use super::is_asked_again;

finding! {
    /// # What it is
    ///
    /// A reset whose numbers its receiver does not accept, or after which the receiver went on.
    ///
    /// # Why it matters
    ///
    /// The connection lives. RFC 5961 receivers answer one inside the window with a challenge ACK; a blind attacker's are
    /// mostly outside.
    ///
    /// # How it is recognised
    ///
    /// The reset's number against the receiver's RCV.NXT, SACK edge and window, and what the receiver sent afterwards.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// server > RST ACK seq 900000
    /// client > data 100
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A reset that was lost after the tap, which its sender then repeats.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// If they recur, somebody forges them: see `reset-injected`.
    "reset-ignored", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    if case.connection.shows_controls_alone() {
        // What would have been accepted is not in the capture.
        return;
    }
    for reset in case.resets.iter().filter(|reset| !reset.accepted) {
        let Some(effect) = case.life.resets.iter().find(|effect| case.life.notes[effect.note].frame == reset.frame)
        else {
            continue;
        };
        if effect.receiver_state == Some(State::Closed) {
            // It had nobody to take it.
            continue;
        }
        let lives = effect.receiver_goes_on || !effect.acceptance.resets();
        let over = case.life.states[!reset.from]
            .last()
            .is_none_or(|step| matches!(step.state, State::Closed | State::TimeWait));
        if !lives || over && effect.acceptance.resets() || case.life.opening.kind == OpenKind::HalfOpen {
            continue;
        }
        let seen = case.connection.resets.iter().find(|seen| seen.noted.frame == reset.frame);
        let beyond = seen.map_or(0, |seen| seen.before[reset.from].in_flight_beyond(seen.noted.seq));
        let why = match effect.acceptance {
            Acceptance::Challenge => {
                "its number lies inside the window but is not the next one, which asks for a challenge ACK"
            }
            Acceptance::Outside if effect.receiver_state == Some(State::SynSent) => {
                "one that does not acknowledge its SYN means nothing to a socket in SYN-SENT"
            }
            Acceptance::Outside => "its numbers are not of this connection, or not any more",
            _ if effect.echoes_no_syn => {
                "its number would do, so it did not arrive, or was seen through by its timestamp, which is none of the SYN's"
            }
            Acceptance::Exact if beyond > 0 => {
                "its number would do only if what its sender had sent beyond that was lost; otherwise it asks for a challenge ACK"
            }
            Acceptance::BeforeFin => {
                "its number is that of the FIN before it, one below what its receiver waits for: Linux takes that, other stacks do not (RFC 5961, section 3)"
            }
            Acceptance::AcksSyn if is_asked_again(case.connection, reset.from) => {
                "its number would do, so it did not arrive, or its receiver asks again all the same, as Windows does half a second after a refusal"
            }
            Acceptance::Exact | Acceptance::AcksSyn | Acceptance::SackEdge | Acceptance::Unknown => {
                "its number would do, so it did not arrive, or something in between dropped it"
            }
        };
        let message =
            format_args!("the reset in frame {} was not taken by {}: {why}", reset.frame, case.name(!reset.from));
        ENTRY.draft(Confidence::Medium, reset.time, [reset.frame], message).endpoint(!reset.from).push(found);
    }
}
