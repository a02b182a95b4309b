//! `reset-after-close`: a reset after both ends had closed.

use crate::connection::State;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A reset came when both ends had already closed properly.
    ///
    /// # Why it matters
    ///
    /// Nothing is lost: there is no connection left to reset.
    ///
    /// # How it is recognised
    ///
    /// Both FINs acknowledged before the reset.
    ///
    /// ```trace fires
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > FIN ACK
    ///       server > FIN ACK
    ///       client > ACK
    /// +50ms client > RST ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `time-wait-assassination`, where it ends a TIME-WAIT early. `reset-no-time-wait`, where the last acknowledgment
    /// had been lost.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing.
    "reset-after-close", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for reset in case.resets {
        let Some(effect) = case.life.resets.iter().find(|effect| case.life.notes[effect.note].frame == reset.frame)
        else {
            continue;
        };
        let over = |state: State| matches!(state, State::Closed | State::TimeWait);
        let both_closed = case.life.closing.fins.client.is_some() && case.life.closing.fins.server.is_some();
        if !both_closed || !over(effect.state_of(reset.from)) || !over(effect.state_of(!reset.from)) {
            continue;
        }
        let message = format_args!("{} sent a reset after both ends had closed", case.name(reset.from));
        ENTRY.draft(Confidence::High, reset.time, [reset.frame], message).endpoint(reset.from).push(found);
    }
}
