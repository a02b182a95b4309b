//! Findings on the capture itself, so that its faults are not taken for faults of the network.

pub mod bad_checksum;
pub mod began_midstream;
pub mod capture_gap;
pub mod clock_stepped_back;
pub mod control_segments_only;
pub mod duplicate_frames;
pub mod ended_early;
pub mod offload_segments;
pub mod one_sided;
pub mod sampled;
pub mod snaplen_cut;

use super::catalogue::Entry;

/// The findings of this group.
pub static ENTRIES: &[&Entry] = &[
    &began_midstream::ENTRY,
    &ended_early::ENTRY,
    &one_sided::ENTRY,
    &capture_gap::ENTRY,
    &sampled::ENTRY,
    &control_segments_only::ENTRY,
    &duplicate_frames::ENTRY,
    &clock_stepped_back::ENTRY,
    &snaplen_cut::ENTRY,
    &offload_segments::ENTRY,
    &bad_checksum::ENTRY,
];
