//! Findings of the time in between, as far as they explain lifecycles.

pub mod dead_peer;
pub mod keepalive;
pub mod outage_repaired;
pub mod zero_window;
