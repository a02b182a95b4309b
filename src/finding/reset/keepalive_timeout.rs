//! `reset-keepalive-timeout`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// Keepalive probes stayed unanswered, and the prober gave the connection up.
    ///
    /// # Why it matters
    ///
    /// The peer or the path is gone. The prober's application reads ETIMEDOUT.
    ///
    /// # How it is recognised
    ///
    /// Probes at SND.NXT - 1 without answer, then an active reset one interval after the last.
    ///
    /// ```trace fires
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > data 100
    ///     server > ACK
    /// idle 2h
    ///     client > ACK seq next-1
    /// +75 client > ACK seq next-1
    /// +75 client > ACK seq next-1
    /// +75 client > RST ACK
    /// ```
    ///
    /// An answer that the capture shows did not reach the prober when the reset still echoes an older timestamp:
    ///
    /// ```trace fires
    ///     client > SYN <TS val 1000 ecr 0>
    ///     server > SYN ACK <TS val 9000 ecr 1000>
    ///     client > ACK <TS val 1000 ecr 9000>
    ///     client > data 100 <TS val 1001 ecr 9000>
    ///     server > ACK <TS val 9001 ecr 1001>
    /// +75 client > ACK seq next-1 <TS val 76001 ecr 9001>
    ///     server > ACK <TS val 84001 ecr 1001>
    /// +75 client > RST ACK <TS val 151001 ecr 9001>
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// An abort by the application shortly after a probe that was still on its way.
    ///
    /// ```trace quiet
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > data 100
    ///     server > ACK
    /// idle 2h
    ///     client > ACK seq next-1
    ///     server > ACK
    /// +75 client > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Find out why the peer vanished: a crash, a NAT entry that expired, a link. Where a middlebox forgets flows
    /// earlier than probes come, lower TCP_KEEPIDLE on the socket (or net.ipv4.tcp_keepalive_time, 7200 s) below its
    /// timeout. TCP_KEEPCNT and TCP_KEEPINTVL (9 times 75 s) decide how long the discovery takes; short values cut
    /// connections over outages that would have passed (tcp(7)).
    "reset-keepalive-timeout", Reset, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::KeepaliveTimeout, case, found);
}
