//! `reset-after-fin`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// A side that had closed with FIN sent a reset afterwards, to segments still arriving or for no visible reason.
    ///
    /// # Why it matters
    ///
    /// Usually nothing is lost: both sides had said what they had to say.
    ///
    /// # How it is recognised
    ///
    /// The sender's own FIN lies before; no payload that would explain the reset came after it.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > ACK
    /// +1 server > ACK
    ///    client > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-data-after-close`, where payload met the closed socket. `reset-no-time-wait`, where a repeated FIN did.
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
    /// Nothing, unless the peer's application reports errors. Browsers and balancers do this to free sockets when data
    /// or ACKs arrive after their close. If it does matter, the closing side should read on until end-of-file before it
    /// closes.
    "reset-after-fin", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::AfterFin, case, found);
}
