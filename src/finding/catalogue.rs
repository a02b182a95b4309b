//! The catalogue: every finding by name, with its manual and its detector.

use std::collections::HashMap;
use std::sync::LazyLock;

use foldhash::fast::RandomState;

use super::case::{Case, Found};
use super::population::{PopulationFinding, PopulationThresholds};
use super::sign::Sign;
use super::verdict::Severity;
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
    /// A connection that shows none of these signs does not have it; population findings name none.
    pub needs: Sign,
    /// Its manual in Markdown, under fixed headings.
    pub doc: &'static str,
    /// Looks for it.
    pub detect: Detect,
}

/// Looks for a finding in one connection.
pub type DetectHere = fn(&Case<'_>, &mut Found);

/// Where a finding is looked for.
#[derive(Clone, Copy, Debug)]
pub enum Detect {
    /// In one connection.
    Connection(DetectHere),
    /// Across all of them.
    Population(fn(&Population, &PopulationThresholds, &mut Vec<PopulationFinding>)),
}

/// Declares a finding: the doc comment above it is its manual. In brackets stand the signs of which a connection must show
/// one at least for the detector to be asked; `across` instead says that it is looked for across connections.
macro_rules! finding {
    ($(#[doc = $doc:literal])+ $name:literal, Population, $severity:ident, $detect:path) => {
        $crate::finding::catalogue::finding! { $(#[doc = $doc])+ $name, Population across, $severity, $detect }
    };
    ($(#[doc = $doc:literal])+ $name:literal, $group:ident across, $severity:ident, $detect:path) => {
        $crate::finding::catalogue::finding! {
            @ $(#[doc = $doc])+ $name, $group, $severity, $crate::finding::sign::Sign::empty(),
            $crate::finding::catalogue::Detect::Population($detect)
        }
    };
    ($(#[doc = $doc:literal])+ $name:literal, $group:ident, $severity:ident, [$($need:ident),+], $detect:path) => {
        $crate::finding::catalogue::finding! {
            @ $(#[doc = $doc])+ $name, $group, $severity,
            $crate::finding::sign::Sign::empty()$(.union($crate::finding::sign::Sign::$need))+,
            $crate::finding::catalogue::Detect::Connection($detect)
        }
    };
    (@ $(#[doc = $doc:literal])+ $name:literal, $group:ident, $severity:ident, $needs:expr, $detect:expr) => {
        $(#[doc = $doc])+
        pub static ENTRY: $crate::finding::catalogue::Entry = $crate::finding::catalogue::Entry {
            name: $name,
            group: $crate::finding::catalogue::Group::$group,
            severity: $crate::finding::verdict::Severity::$severity,
            doc: concat!($($doc, "\n"),+),
            needs: $needs,
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
    static BY_NAME: LazyLock<HashMap<&str, &Entry, RandomState>> =
        LazyLock::new(|| CATALOGUE.iter().map(|&entry| (entry.name, entry)).collect());
    BY_NAME.get(name).copied()
}
