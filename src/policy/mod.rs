//! Which findings are told and how much they weigh: what a `lastack.toml` says, applied in one place, before anything
//! counts or prints them.
//!
//! ```toml
//! select = ["reset", "close-wait-stuck"]     # groups or names; everything when missing
//! ignore = ["keepalive"]                     # never told
//! fail-on = "warning"                        # lastack check fails from here on where nothing else is expected
//!
//! [severity]
//! reset-linger-zero = "note"                 # note, warning or error
//!
//! [thresholds]
//! close-wait-seconds = 300                   # also idle-seconds and retransmissions
//! time-wait-sockets = 1000                   # also close-wait-sockets, fin-wait-2-sockets, last-ack-sockets,
//!                                            # syn-received-sockets, half-open-handshakes, ignored-syns, idle-ends,
//! ports-percent = 60                         # open-files: across connections, everywhere
//!
//! [[rule]]                                   # only where it applies; later ones win
//! port = [5432, 6432]                        # of either end
//! network = "10.0.0.0/8"                     # of either end
//! ignore = ["outage-repaired"]
//! severity = { close-wait-stuck = "error" }
//! thresholds = { close-wait-seconds = 30 }
//! ```

mod error;
mod file;
mod scope;

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use error::PolicyError;

use self::scope::Scope;
use crate::base::Endpoint;
use crate::finding::{CATALOGUE, Finding, PopulationThresholds, Severity, Thresholds, Verdict};

/// The name under which [`Policy::discover`] looks for it.
pub const FILE_NAME: &str = "lastack.toml";

/// What is told and how much it weighs. Clones share the memory of which rules were of use, so that several threads can
/// apply one policy.
#[derive(Clone, Debug, Default)]
pub struct Policy(Arc<Rules>);

#[derive(Debug, Default)]
struct Rules {
    path: Option<PathBuf>,
    /// The names that are told; none is all.
    selected: Option<Vec<&'static str>>,
    fail_on: Option<Severity>,
    rules: Vec<Rule>,
    thresholds: Vec<(Scope, Limit, i64)>,
}

/// One line of the file that changes what is told.
#[derive(Debug)]
struct Rule {
    scope: Scope,
    /// The findings that it is about.
    names: Vec<&'static str>,
    action: Action,
    /// As it stands in the file, with its place.
    words: String,
    line: usize,
    column: usize,
    matched: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Ignore,
    Weigh(Severity),
}

/// A threshold by name. Those of one connection can hold for some ports and networks, those across connections hold
/// everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    CloseWait,
    Idle,
    Retransmissions,
    Across(Across),
}

/// A threshold of what shows across connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Across {
    TimeWaitSockets,
    CloseWaitSockets,
    FinWait2Sockets,
    LastAckSockets,
    SynReceivedSockets,
    HalfOpenHandshakes,
    IgnoredSyns,
    IdleEnds,
    OpenFiles,
    PortsPercent,
}

/// A rule that no finding met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// The file that has it.
    pub path: PathBuf,
    /// Its line, from 1.
    pub line: usize,
    /// Its column in characters, from 1.
    pub column: usize,
    /// What it says.
    pub words: String,
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {} matched nothing", self.path.display(), self.line, self.column, self.words)
    }
}

impl Policy {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// It cannot be read, or says something that is not understood; then with line and column.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text =
            fs::read_to_string(path).map_err(|error| PolicyError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(&text, path)
    }

    /// Reads `text`, which stands in the file `path`.
    ///
    /// # Errors
    /// It says something that is not understood, with line and column.
    pub fn parse(text: &str, path: &Path) -> Result<Self, PolicyError> {
        file::read(text, path).map(|rules| Self(Arc::new(rules)))
    }

    /// The nearest `lastack.toml` in `folder` or above it; the empty policy when there is none.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn discover(folder: &Path) -> Result<Self, PolicyError> {
        let found = folder.ancestors().map(|folder| folder.join(FILE_NAME)).find(|path| path.is_file());
        found.map_or_else(|| Ok(Self::default()), |path| Self::load(&path))
    }

    /// The file that it comes from; none when it is empty for want of one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// From which severity on a finding fails a check that expects nothing else; none when the file does not say.
    pub fn fail_on(&self) -> Option<Severity> {
        self.0.fail_on
    }

    /// From where on something counts, on a connection between these two.
    pub fn thresholds(&self, client: Endpoint, server: Endpoint) -> Thresholds {
        let mut thresholds = Thresholds::default();
        for (scope, limit, value) in &self.0.thresholds {
            if scope.holds(client, server) {
                match limit {
                    Limit::CloseWait => thresholds.close_wait_ns = *value,
                    Limit::Idle => thresholds.idle_ns = *value,
                    Limit::Retransmissions => thresholds.retransmissions = u64::try_from(*value).unwrap_or_default(),
                    Limit::Across(_) => {}
                }
            }
        }
        thresholds
    }

    /// From where on many are too many.
    pub fn population_thresholds(&self) -> PopulationThresholds {
        let mut thresholds = PopulationThresholds::default();
        for (_, limit, value) in &self.0.thresholds {
            let Limit::Across(which) = limit else { continue };
            let count = u64::try_from(*value).unwrap_or_default();
            match which {
                Across::TimeWaitSockets => thresholds.time_wait_sockets_min = count,
                Across::CloseWaitSockets => thresholds.close_wait_sockets_min = count,
                Across::FinWait2Sockets => thresholds.fin_wait_2_sockets_min = count,
                Across::LastAckSockets => thresholds.last_ack_sockets_min = count,
                Across::SynReceivedSockets => thresholds.syn_received_sockets_min = count,
                Across::HalfOpenHandshakes => thresholds.half_open_min = count,
                Across::IgnoredSyns => thresholds.ignored_by_clock_min = count,
                Across::IdleEnds => thresholds.idle_ends_min = count,
                Across::OpenFiles => thresholds.descriptors = count,
                Across::PortsPercent => thresholds.ports_share_min = count as f64 / 100.0,
            }
        }
        thresholds
    }

    /// Takes out of `verdict` what is not told and weighs the rest. Returns how many findings went.
    pub fn apply(&self, verdict: &mut Verdict) -> u64 {
        self.apply_to(&mut verdict.findings, verdict.client, verdict.server)
    }

    /// The same for findings on a connection between `client` and `server` whose verdict is not at hand.
    #[inline]
    pub fn apply_to(&self, findings: &mut Vec<Finding>, client: Endpoint, server: Endpoint) -> u64 {
        if findings.is_empty() || self.is_silent() { 0 } else { self.apply_to_all(findings, client, server) }
    }

    #[inline(never)]
    fn apply_to_all(&self, findings: &mut Vec<Finding>, client: Endpoint, server: Endpoint) -> u64 {
        let before = findings.len();
        findings.retain_mut(|finding| {
            let weight = self.weigh(finding.name, finding.severity, |scope| scope.holds(client, server));
            finding.severity = weight.unwrap_or(finding.severity);
            weight.is_some()
        });
        (before - findings.len()) as u64
    }

    /// What a finding on `host`, across connections, weighs; none when it is not told. Rules for a port do not reach it.
    pub fn of_host(&self, name: &str, severity: Severity, host: IpAddr) -> Option<Severity> {
        self.weigh(name, severity, |scope| scope.holds_host(host))
    }

    /// The rules that nothing met so far, in the order of the file.
    pub fn unused(&self) -> Vec<Unused> {
        let path = self.0.path.clone().unwrap_or_default();
        let unused = self.0.rules.iter().filter(|rule| !rule.matched.load(Ordering::Relaxed));
        unused
            .map(|rule| Unused { path: path.clone(), line: rule.line, column: rule.column, words: rule.words.clone() })
            .collect()
    }

    /// It changes nothing.
    fn is_silent(&self) -> bool {
        self.0.selected.is_none() && self.0.rules.is_empty()
    }

    fn weigh(&self, name: &str, severity: Severity, holds: impl Fn(&Scope) -> bool) -> Option<Severity> {
        if self.0.selected.as_ref().is_some_and(|selected| !selected.contains(&name)) {
            return None;
        }
        let mut weight = Some(severity);
        for rule in self.0.rules.iter().filter(|rule| rule.names.contains(&name) && holds(&rule.scope)) {
            rule.matched.store(true, Ordering::Relaxed);
            match rule.action {
                Action::Ignore => weight = None,
                Action::Weigh(severity) => weight = weight.map(|_| severity),
            }
        }
        weight
    }
}

/// The names that a word stands for: a finding, the cause of a reset, a group, or `all`.
fn names(word: &str) -> Vec<&'static str> {
    let is_meant = |name: &str| name == word || name.strip_prefix("reset-") == Some(word);
    let exact: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).filter(|name| is_meant(name)).collect();
    if !exact.is_empty() {
        return exact;
    }
    let group = CATALOGUE.iter().filter(|entry| word == "all" || entry.group.name() == word);
    group.map(|entry| entry.name).collect()
}

#[cfg(test)]
mod tests;
