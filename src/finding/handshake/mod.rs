//! Findings of the opening.

pub mod aborted_before_accept;
pub mod accept_queue_overflow;
pub mod connection_refused;
pub mod connection_rejected;
pub mod half_open_handshake;
pub mod handshake_ack_lost;
pub mod simultaneous_open;
pub mod split_handshake;
pub mod stale_syn;
pub mod syn_ack_retransmitted;
pub mod syn_retransmitted;
pub mod syn_unanswered;
