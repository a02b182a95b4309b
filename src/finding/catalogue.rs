//! The catalogue: every finding by name, with its manual and its detector.

use std::sync::LazyLock;

use super::case::Case;
use super::population::{PopulationFinding, PopulationThresholds};
use super::verdict::{Finding, Severity};
use super::{after_close, capture, handshake, population, reset, teardown, transfer};
use crate::base::words;
use crate::population::Population;

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
    /// Looks for it.
    pub detect: Detect,
}

/// Where a finding is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Detect {
    /// In one connection.
    Connection(fn(&Case<'_>, &mut Vec<Finding>)),
    /// Across all of them.
    Population(fn(&Population, &PopulationThresholds, &mut Vec<PopulationFinding>)),
}

/// Declares a finding: the doc comment above it is its manual.
macro_rules! finding {
    ($(#[doc = $doc:literal])+ $name:literal, Population, $severity:ident, $detect:path) => {
        $crate::finding::catalogue::finding! {
            @ $(#[doc = $doc])+ $name, Population, $severity, $crate::finding::catalogue::Detect::Population($detect)
        }
    };
    ($(#[doc = $doc:literal])+ $name:literal, $group:ident, $severity:ident, $detect:path) => {
        $crate::finding::catalogue::finding! {
            @ $(#[doc = $doc])+ $name, $group, $severity, $crate::finding::catalogue::Detect::Connection($detect)
        }
    };
    (@ $(#[doc = $doc:literal])+ $name:literal, $group:ident, $severity:ident, $detect:expr) => {
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

/// Every finding, in the order of a connection's life; each group lists its own.
pub static CATALOGUE: LazyLock<Vec<&'static Entry>> = LazyLock::new(|| {
    [
        handshake::ENTRIES,
        teardown::ENTRIES,
        reset::ENTRIES,
        after_close::ENTRIES,
        transfer::ENTRIES,
        population::ENTRIES,
        capture::ENTRIES,
    ]
    .concat()
});

/// The finding of this name.
pub fn find(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().copied().find(|entry| entry.name == name)
}
