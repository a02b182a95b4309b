//! Findings of the close.

pub mod close_wait_stuck;
pub mod data_after_fin;
pub mod fin_retransmitted;
pub mod fin_unanswered;
pub mod fin_wait_2_expired;
pub mod final_ack_lost;
pub mod half_close;
pub mod simultaneous_close;
