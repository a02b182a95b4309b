//! Findings of the close.

pub mod close_wait_stuck;
pub mod data_after_fin;
pub mod fin_retransmitted;
pub mod fin_unanswered;
pub mod fin_wait_2_expired;
pub mod final_ack_lost;
pub mod half_close;
pub mod simultaneous_close;

use super::catalogue::Entry;

/// The findings of this group, in the order of a connection's life.
pub static ENTRIES: &[&Entry] = &[
    &simultaneous_close::ENTRY,
    &half_close::ENTRY,
    &fin_retransmitted::ENTRY,
    &fin_unanswered::ENTRY,
    &final_ack_lost::ENTRY,
    &close_wait_stuck::ENTRY,
    &fin_wait_2_expired::ENTRY,
    &data_after_fin::ENTRY,
];
