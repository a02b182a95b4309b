//! The catalogue: every finding by name, with its manual and its detector.

use super::case::Case;
use super::verdict::{Finding, Severity};
use super::{after_close, handshake, reset, teardown, transfer};
use crate::base::words;

words! {
    /// The part of a connection's life that a finding belongs to.
    Group {
        /// Opening.
        Handshake = "handshake",
        /// Closing.
        Teardown = "teardown",
        /// Resets.
        Reset = "reset",
        /// After the close.
        AfterClose = "after-close",
        /// In between, as far as it explains lifecycles.
        Transfer = "transfer",
        /// Across connections.
        Population = "population",
        /// Faults of the capture itself.
        Capture = "capture",
    }
}

/// One finding of the catalogue.
#[derive(Debug)]
pub struct Entry {
    /// Its public name, which never changes.
    pub name: &'static str,
    /// Where it belongs.
    pub group: Group,
    /// What it costs unless the case says otherwise.
    pub severity: Severity,
    /// Its manual in Markdown, under fixed headings.
    pub doc: &'static str,
    /// Looks for it in one connection.
    pub detect: fn(&Case<'_>, &mut Vec<Finding>),
}

/// Declares a finding: the doc comment above it is its manual.
macro_rules! finding {
    ($(#[doc = $doc:literal])+ $name:literal, $group:ident, $severity:ident, $detect:path) => {
        $(#[doc = $doc])+
        pub static ENTRY: $crate::finding::catalogue::Entry = $crate::finding::catalogue::Entry {
            name: $name,
            group: $crate::finding::catalogue::Group::$group,
            severity: $crate::finding::verdict::Severity::$severity,
            doc: concat!($($doc, "\n"),+),
            detect: $detect,
        };
    };
}

pub(super) use finding;

/// Every finding, in the order of a connection's life.
pub static CATALOGUE: &[&Entry] = &[
    &handshake::syn_retransmitted::ENTRY,
    &handshake::syn_unanswered::ENTRY,
    &handshake::connection_refused::ENTRY,
    &handshake::connection_rejected::ENTRY,
    &handshake::syn_ack_retransmitted::ENTRY,
    &handshake::handshake_ack_lost::ENTRY,
    &handshake::accept_queue_overflow::ENTRY,
    &handshake::half_open_handshake::ENTRY,
    &handshake::aborted_before_accept::ENTRY,
    &handshake::stale_syn::ENTRY,
    &handshake::simultaneous_open::ENTRY,
    &handshake::split_handshake::ENTRY,
    &teardown::simultaneous_close::ENTRY,
    &teardown::half_close::ENTRY,
    &teardown::fin_retransmitted::ENTRY,
    &teardown::fin_unanswered::ENTRY,
    &teardown::final_ack_lost::ENTRY,
    &teardown::close_wait_stuck::ENTRY,
    &teardown::fin_wait_2_expired::ENTRY,
    &teardown::data_after_fin::ENTRY,
    &reset::linger_zero::ENTRY,
    &reset::unread_data::ENTRY,
    &reset::data_after_close::ENTRY,
    &reset::no_connection::ENTRY,
    &reset::no_time_wait::ENTRY,
    &reset::fin_wait_2_expired::ENTRY,
    &reset::keepalive_timeout::ENTRY,
    &reset::refused::ENTRY,
    &reset::invalid_handshake::ENTRY,
    &reset::after_fin::ENTRY,
    &reset::process_exit::ENTRY,
    &reset::idle_expired::ENTRY,
    &reset::injected::ENTRY,
    &reset::unknown::ENTRY,
    &reset::ignored::ENTRY,
    &reset::after_close::ENTRY,
    &after_close::stray_segment::ENTRY,
    &after_close::time_wait_assassination::ENTRY,
    &after_close::port_reused::ENTRY,
    &after_close::syn_rejected_in_time_wait::ENTRY,
    &transfer::keepalive::ENTRY,
    &transfer::zero_window::ENTRY,
    &transfer::dead_peer::ENTRY,
    &transfer::outage_repaired::ENTRY,
];

/// The finding of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().copied().find(|entry| entry.name == name)
}
