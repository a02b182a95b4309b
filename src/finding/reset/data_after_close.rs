//! `reset-data-after-close`.

use crate::finding::case::Case;
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Cause, Finding};

finding! {
    /// # What it is
    ///
    /// Bytes arrived for an endpoint whose application had already closed: nobody will read them, so the kernel answers
    /// with a reset.
    ///
    /// # Why it matters
    ///
    /// The writer's data is lost; its next write fails with EPIPE, and a pooled connection that was just being closed
    /// turns a request into an error.
    ///
    /// # How it is recognised
    ///
    /// The resetting side had sent its FIN; payload came afterwards; the reset carries the number that the payload
    /// acknowledged.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > FIN ACK
    /// client > ACK
    /// client > data 100
    /// server > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `half-close`, where the closed side still reads. `fin-wait-2-expired`, where the wait was longer than the timer.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > FIN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Let the client's idle timeout be shorter than the server's, so that the side that sends next is the one that
    /// closes. Retry idempotent requests on a fresh connection.
    "reset-data-after-close", Reset, Note, detect
}

fn detect(case: &Case<'_>, found: &mut Vec<Finding>) {
    super::report(&ENTRY, Cause::DataAfterClose, case, found);
}
