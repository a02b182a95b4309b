//! Findings after the close.

pub mod crosstalk_risk;
pub mod port_reused;
pub mod stray_segment;
pub mod syn_rejected_in_time_wait;
pub mod time_wait_assassination;

use super::catalogue::Entry;

/// The findings of this group, in the order of a connection's life.
pub static ENTRIES: &[&Entry] = &[
    &stray_segment::ENTRY,
    &time_wait_assassination::ENTRY,
    &port_reused::ENTRY,
    &syn_rejected_in_time_wait::ENTRY,
    &crosstalk_risk::ENTRY,
];
