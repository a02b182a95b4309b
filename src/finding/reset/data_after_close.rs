//! `reset-data-after-close`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

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
    /// The FIN may never be seen: it waits behind what the application had still to send, and the reset comes first. Who was
    /// sending an instant ago has not lost its connection.
    ///
    /// ```trace fires
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > data 100
    /// +5ms  server > data 1000
    ///       server > data 1000
    /// +5ms  client > data 100 ack 1
    ///       server > RST
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
    /// When the sender is a client that repeats requests, see `keepalive-race`: its idle timeout must be shorter than
    /// the server's. When it is a farewell (a TLS close_notify of some 30 octets after the peer's FIN), nothing is
    /// lost. The resetting side can avoid it with shutdown(SHUT_WR) and reading on until end-of-file; that keeps the
    /// socket until the peer closes, or for ever if it does not, so it wants a deadline.
    "reset-data-after-close", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::DataAfterClose, case, found);
}
