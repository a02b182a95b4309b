//! Findings of the time in between, as far as they explain lifecycles.

pub mod dead_peer;
pub mod keepalive;
pub mod outage_repaired;
pub mod zero_window;

use super::catalogue::Entry;

/// The findings of this group, in the order of a connection's life.
pub static ENTRIES: &[&Entry] = &[&keepalive::ENTRY, &zero_window::ENTRY, &dead_peer::ENTRY, &outage_repaired::ENTRY];
