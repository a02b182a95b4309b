//! Findings after the close.

pub mod port_reused;
pub mod stray_segment;
pub mod syn_rejected_in_time_wait;
pub mod time_wait_assassination;
