//! `reset-idle-expired`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// A middlebox had forgotten the flow during a long silence and answered the next segment with a reset.
    ///
    /// # Why it matters
    ///
    /// The first request after a pause fails; with a pool it looks like a random error.
    ///
    /// # How it is recognised
    ///
    /// A reset right after the first segment that followed a long silence, with a TTL that is not the supposed sender's, or sooner than
    /// that could have answered.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// idle 2h
    /// client > data 100
    /// server > RST ttl 255
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-no-connection`, where the host itself had lost the state.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// client > data 100
    /// server > RST
    /// ```
    ///
    /// # What to do
    ///
    /// Send keepalives more often than the middlebox's timeout (by their guides: AWS NAT gateways and network balancers
    /// 350 s, Azure 4 min, many firewalls 1 h): SO_KEEPALIVE with TCP_KEEPIDLE on either side, one small segment an
    /// interval. Or close idle connections before it does: a pool's idle timeout below the box's. Or raise the box's
    /// timeout, which costs it table space (Linux conntrack: nf_conntrack_tcp_timeout_established, 5 days,
    /// nf_conntrack-sysctl).
    "reset-idle-expired", Reset, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::IdleExpired, case, found);
}
