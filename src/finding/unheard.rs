//! Hosts of which frames are missing: that they did not answer somewhere else is then no news.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::capture::one_sided;
use super::verdict::{Confidence, Severity, Verdict};
use crate::connection::Connection;

/// Hosts remembered; where so many are not heard, a filter or a mirror took a direction away from all.
const HOSTS_MAX: usize = 4_096;

/// The hosts that others answer in the capture, and of which it has no frame in those connections, within a bound.
#[derive(Clone, Debug, Default)]
pub struct Unheard {
    hosts: BTreeSet<IpAddr>,
}

impl Unheard {
    /// The host that `connection` shows to be one, if any.
    pub fn of(connection: &Connection) -> Option<IpAddr> {
        one_sided::silent_side(connection).map(|silent| connection.endpoint(silent).ip)
    }

    /// Remembers one.
    pub fn push(&mut self, host: IpAddr) {
        if self.hosts.len() < HOSTS_MAX {
            self.hosts.insert(host);
        }
    }

    /// Frames of `host` are missing.
    pub fn has(&self, host: IpAddr) -> bool {
        !self.hosts.is_empty() && self.hosts.contains(&host)
    }

    /// Takes back that nobody answered, where the answer would not have been captured.
    pub fn weaken(&self, verdict: &mut Verdict) {
        if !self.has(verdict.server.ip) {
            return;
        }
        for finding in verdict.findings.iter_mut().filter(|finding| finding.name == "syn-unanswered") {
            finding.name = one_sided::ENTRY.name;
            finding.severity = Severity::Note;
            finding.confidence = Confidence::Medium;
            finding.endpoint = Some(crate::base::Side::Server);
            finding.message = format!(
                "no answer of {} is in the capture, and in other connections its frames are missing although they are answered: \
                 whether the SYN was is not known",
                verdict.server
            );
        }
    }
}
