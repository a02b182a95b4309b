//! The four-tuple, the same for both directions.

use crate::base::Endpoint;

/// Two endpoints in a fixed order. VLAN, tunnel and interface do not take part, as in Wireshark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    low: Endpoint,
    high: Endpoint,
}

impl Key {
    /// The key of a segment between `a` and `b`, whichever sent it.
    pub fn new(a: Endpoint, b: Endpoint) -> Self {
        if a <= b { Self { low: a, high: b } } else { Self { low: b, high: a } }
    }
}
