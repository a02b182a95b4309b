//! `simultaneous-close`: both ends closed at once.

use crate::base::Side;
use crate::connection::{CloseKind, State};
use crate::finding::phrase::duration;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Each end sent its FIN before the other's had arrived. Both pass CLOSING, and both hold TIME-WAIT.
    ///
    /// # Why it matters
    ///
    /// It costs TIME-WAIT on both hosts instead of one, and otherwise nothing.
    ///
    /// # How it is recognised
    ///
    /// Two FINs, neither of which acknowledges the other, and each acknowledged by itself afterwards.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > FIN ACK ack 1
    /// client > ACK
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A three-segment close, where the second FIN acknowledges the first.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// FINs that cross and then a reset: `reset-...` tells why, and nobody holds TIME-WAIT.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > data 100
    /// client > FIN ACK ack 1
    /// server > FIN ACK ack 1
    /// client > RST
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing. If it is the rule rather than the exception, both sides close on one timer or one event: let one side
    /// of the protocol be the one that closes, best the clients, of which each then holds its own TIME-WAIT.
    "simultaneous-close", Teardown, Note, [FINS_CROSSED], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let fins = &case.life.closing.fins;
    let (Some(client), Some(server)) = (fins.client, fins.server) else { return };
    if case.life.closing.kind == CloseKind::Reset {
        // The FINs crossed, and a reset ended what was left: nobody holds TIME-WAIT.
        return;
    }
    if !case.life.closing.fins_crossed {
        return;
    }
    let apart = client.time.since(server.time).abs();
    let both_pass =
        |state: State| Side::BOTH.into_iter().all(|side| case.life.states[side].iter().any(|step| step.state == state));
    let passed = match (both_pass(State::Closing), both_pass(State::TimeWait)) {
        (true, true) => "both pass CLOSING and hold TIME-WAIT",
        (false, true) => "both hold TIME-WAIT",
        (_, false) => "once each is acknowledged, both hold TIME-WAIT",
    };
    let message = format_args!("both ends closed at once: their FINs crossed {} apart; {passed}", duration(apart));
    let mut frames = case.life.closing.frames.clone();
    frames.extend([client.frame, server.frame]);
    ENTRY.draft(Confidence::High, client.time.min(server.time), frames, message).push(found);
}
