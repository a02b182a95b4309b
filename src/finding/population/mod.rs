//! Findings across connections.

pub mod close_wait_accumulation;
pub mod fin_wait_2_accumulation;
pub mod idle_timeout;
pub mod last_ack_accumulation;
mod long_wait;
pub mod port_exhaustion;
pub mod syn_flood;
pub mod syn_ignored_by_timestamp;
pub mod syn_received_accumulation;
mod thresholds;
pub mod time_wait_accumulation;
pub mod time_wait_owner_server;

use std::cmp::Reverse;
use std::net::IpAddr;

pub use thresholds::PopulationThresholds;

use super::catalogue::{CATALOGUE, Detect, Entry};
use super::verdict::{Confidence, Severity};
use crate::base::{Endpoint, Side, Timestamp};
use crate::population::{Peak, Pile, Population, Stretch};

/// The findings of this group, in the order of a connection's life.
pub static ENTRIES: &[&Entry] = &[
    &syn_flood::ENTRY,
    &syn_received_accumulation::ENTRY,
    &syn_ignored_by_timestamp::ENTRY,
    &port_exhaustion::ENTRY,
    &close_wait_accumulation::ENTRY,
    &fin_wait_2_accumulation::ENTRY,
    &last_ack_accumulation::ENTRY,
    &time_wait_accumulation::ENTRY,
    &time_wait_owner_server::ENTRY,
    &idle_timeout::ENTRY,
];

/// A finding across connections.
#[derive(Clone, Debug, PartialEq)]
pub struct PopulationFinding {
    /// Its name in the catalogue.
    pub name: &'static str,
    /// What it costs.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// The host that it concerns.
    pub host: IpAddr,
    /// The service that it concerns, where it is about one: the host's own, or the one that it connects to.
    pub service: Option<Endpoint>,
    /// Who holds the sockets, where it is about one role.
    pub owner: Option<Side>,
    /// Since when.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// The most sockets, or attempts, at once.
    pub peak: Option<Peak>,
    /// How many a second in the densest stretch, to a tenth.
    pub per_second: Option<f64>,
    /// What there is of it, where it is limited.
    pub limit: Option<u64>,
    /// When it ran out, or will at this rate.
    pub runs_out: Option<Timestamp>,
    /// The streams that show it, the worst first, cut to a bound.
    pub streams: Vec<u64>,
    /// The frames of these streams that show it.
    pub frames: Vec<u64>,
    /// A plain sentence with the numbers of this case.
    pub message: String,
}

/// Looks for every finding across the connections of `population`: by the order of the catalogue, and of each the worst first.
pub fn across(population: &Population, thresholds: &PopulationThresholds) -> Vec<PopulationFinding> {
    let mut found = Vec::new();
    for entry in CATALOGUE.iter() {
        if let Detect::Population(detect) = entry.detect {
            let first = found.len();
            detect(population, thresholds, &mut found);
            let sockets = |finding: &PopulationFinding| finding.peak.map_or(0, |peak| peak.sockets);
            found[first..].sort_by_key(|finding| Reverse((finding.severity, sockets(finding))));
        }
    }
    if let Some((began, ended)) = population.span {
        // Intervals begin and end on their own marks.
        for finding in &mut found {
            finding.from = finding.from.clamp(began, ended);
            finding.to = finding.to.clamp(finding.from, ended.max(finding.from));
            if let Some(peak) = &mut finding.peak {
                peak.at = peak.at.clamp(began, ended.max(began));
            }
        }
    }
    found
}

impl Entry {
    /// Begins a finding about sockets of `host` that were entering `stretch`.
    pub(in crate::finding) fn of_host(
        &self,
        host: IpAddr,
        confidence: Confidence,
        stretch: Stretch,
        message: String,
    ) -> PopulationFinding {
        PopulationFinding {
            name: self.name,
            severity: self.severity,
            confidence,
            host,
            service: None,
            owner: None,
            from: stretch.from,
            to: stretch.to,
            peak: None,
            per_second: Some(tenths(stretch.per_second())),
            limit: None,
            runs_out: None,
            streams: Vec::new(),
            frames: Vec::new(),
            message,
        }
    }
}

impl PopulationFinding {
    /// The sockets of `pile` that stayed longest in `state` are its examples.
    fn shown_by(mut self, pile: &Pile, state: crate::connection::State) -> Self {
        let examples = pile.longest(state);
        self.streams = examples.iter().map(|example| example.stream).collect();
        self.frames = examples.iter().filter_map(|example| example.frame).collect();
        self.frames.sort_unstable();
        self.frames.dedup();
        self
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// `28,232`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate as a person says it: `610`, `3.2`.
fn rate(per_second: f64) -> String {
    if per_second >= 10.0 { grouped(per_second.round() as u64) } else { format!("{:.1}", tenths(per_second)) }
}

/// `12.3 %`.
fn share(part: u64, whole: u64) -> String {
    let percent = if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 };
    if percent >= 10.0 || percent == 0.0 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(["0", "999", "28,232", "1,234,567"], [0, 999, 28_232, 1_234_567].map(grouped).as_slice());
        assert_eq!([rate(3.21), rate(609.6), rate(12_345.0)], ["3.2", "610", "12,345"]);
        assert_eq!([share(1, 2), share(1, 300), share(0, 0)], ["50 %", "0.3 %", "0 %"]);
    }
}
