//! `reset-fin-wait-2-expired`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// The peer came back with data, its FIN or a probe after the first closer's FIN-WAIT-2 timer had run out.
    ///
    /// # Why it matters
    ///
    /// What it sent is lost, and its close ends with an error.
    ///
    /// # How it is recognised
    ///
    /// A reply reset whose sender's FIN had long been acknowledged.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > ACK
    /// idle 90s
    /// server > data 10
    /// client > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-data-after-close`: the same shape, before the timer.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > ACK
    /// +1 server > data 10
    ///    client > RST
    /// ```
    ///
    /// # What to do
    ///
    /// Late side: close promptly after reading end-of-file; see `fin-wait-2-expired` for the first closer's timer and
    /// what raising it costs.
    "reset-fin-wait-2-expired", Reset, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::FinWait2Expired, case, found);
}
