//! `reset-no-time-wait`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// A repeated FIN met nobody: the side that closed first had not kept TIME-WAIT.
    ///
    /// # Why it matters
    ///
    /// No data is lost, but the passive closer sees an error on a connection that had ended well.
    ///
    /// # How it is recognised
    ///
    /// A reply reset to a FIN that had been acknowledged before, or to the first FIN right after the own one was
    /// acknowledged.
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > FIN ACK
    ///        client > ACK
    ///        client > FIN ACK
    ///        server > ACK
    /// +200ms client > FIN ACK
    ///        server > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `fin-wait-2-expired`, where the wait for the first FIN was too long.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > FIN ACK
    ///        client > ACK
    ///        client > FIN ACK
    ///        server > ACK
    /// +200ms client > FIN ACK
    ///        server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// First closer: net.ipv4.tcp_max_tw_buckets must be above its rate of closes times 60 s (ip-sysctl; `nstat -az
    /// TcpExtTCPTimeWaitOverflow` counts those thrown away); each TIME-WAIT costs some 250 octets. Containers and
    /// address failovers lose TIME-WAITs with their network namespace: give them a moment between the last close and
    /// the end.
    "reset-no-time-wait", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::NoTimeWait, case, found);
}
