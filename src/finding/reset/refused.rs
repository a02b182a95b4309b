//! `reset-refused`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// Nothing listens on the port that the SYN was for.
    ///
    /// # Why it matters
    ///
    /// connect() fails with ECONNREFUSED; see `connection-refused`.
    ///
    /// # How it is recognised
    ///
    /// A reset with number 0 that acknowledges the SYN.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > RST ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A firewall that rejects with a TCP reset.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > RST ACK
    /// ```
    ///
    /// A forged refusal, if its supposed sender accepts the same SYN: `reset-injected`.
    ///
    /// ```trace quiet
    ///       client > SYN
    /// +50ms server > RST ACK
    ///       server > SYN ACK
    ///       client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// `ss -ltnp` on the server shows whether the process listens, on this port and this address. The rest is in
    /// `connection-refused`; when it had answered until a moment ago, see `reset-process-exit`.
    "reset-refused", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::Refused, case, found);
}
