//! Findings of the time in between, as far as they explain lifecycles.

pub mod dead_peer;
pub mod icmp_error;
pub mod idle;
pub mod keepalive;
pub mod keepalive_race;
pub mod outage_repaired;
pub mod retransmission;
pub mod zero_window;

use super::catalogue::Entry;

/// The findings of this group, in the order of a connection's life.
pub static ENTRIES: &[&Entry] = &[
    &retransmission::ENTRY,
    &idle::ENTRY,
    &keepalive::ENTRY,
    &keepalive_race::ENTRY,
    &zero_window::ENTRY,
    &icmp_error::ENTRY,
    &outage_repaired::ENTRY,
    &dead_peer::ENTRY,
];
