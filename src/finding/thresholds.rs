//! From where on something is worth a finding: what a user may set.

/// Limits between ordinary and remarkable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// So long in CLOSE-WAIT is a leak and no slow close, ns.
    pub close_wait_ns: i64,
    /// So long a silence is told of, ns.
    pub idle_ns: i64,
    /// So many segments sent again by one side are told of.
    pub retransmissions: u64,
}

/// A timer of just the threshold counts, whichever way the tap rounds, ns.
const JITTER_NS: i64 = 1_000_000;

impl Thresholds {
    /// A silence of this length is told of.
    pub(super) fn is_idle(&self, silence_ns: i64) -> bool {
        silence_ns > 0 && silence_ns >= self.idle_ns - JITTER_NS
    }
}

impl Default for Thresholds {
    /// As long as any ordinary application takes to close; longer than people and pages pause; every repetition.
    fn default() -> Self {
        const SECOND_NS: i64 = 1_000_000_000;
        Self { close_wait_ns: 60 * SECOND_NS, idle_ns: 60 * SECOND_NS, retransmissions: 1 }
    }
}
