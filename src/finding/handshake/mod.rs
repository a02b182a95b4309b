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

use super::catalogue::Entry;

/// The findings of this group, in the order of a connection's life.
pub static ENTRIES: &[&Entry] = &[
    &syn_retransmitted::ENTRY,
    &syn_unanswered::ENTRY,
    &connection_refused::ENTRY,
    &connection_rejected::ENTRY,
    &syn_ack_retransmitted::ENTRY,
    &handshake_ack_lost::ENTRY,
    &accept_queue_overflow::ENTRY,
    &half_open_handshake::ENTRY,
    &aborted_before_accept::ENTRY,
    &stale_syn::ENTRY,
    &simultaneous_open::ENTRY,
    &split_handshake::ENTRY,
];
