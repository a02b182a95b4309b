//! `reset-unread-data`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// An application closed, or died, while received bytes lay unread in its socket: the kernel then resets instead of
    /// closing (RFC 1122, 4.2.2.13; RFC 2525, 2.17).
    ///
    /// # Why it matters
    ///
    /// The peer sees ECONNRESET, and may lose the end of what had been sent to it before: a response that was on its way
    /// is discarded with the reset.
    ///
    /// # How it is recognised
    ///
    /// An active reset of a side whose last advertised window was zero: its buffer was full. Else by odds counted on real
    /// programs: more than one segment of payload came last and was not answered; the server had closed before its client did so; or
    /// the own payload came last and the reset at once, as of a server that answers early.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > data 200
    ///    client > data 100
    ///    server > ACK
    /// +1 server > RST ACK
    /// ```
    ///
    /// Decided by the packets:
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 3000
    ///    server > ACK win 0
    /// +1 server > RST ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-linger-zero` has the same shape on the wire and is always named as its rival.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    server > data 200
    ///    client > ACK
    /// +1 server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// First make sure, on a resetting host with Linux: of its counters TcpExtTCPAbortOnClose rises with unread data and
    /// TcpExtTCPAbortOnData with SO_LINGER 0 (`nstat`; tcp_close()). Resetting side: read to the end of the stream before close(): shutdown(SHUT_WR), read until 0 or a deadline,
    /// close (RFC 2525, section 2.17). Servers that answer early (413, 401) must drain the request body (nginx does
    /// with lingering_close, for lingering_time at most; ngx_http_core_module); it costs a thread or a timer for that
    /// long. A client that stops reading early (a found record, a closed tab) may reset; its peer should not log that
    /// as an error.
    "reset-unread-data", Reset, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::UnreadData, case, found);
}
