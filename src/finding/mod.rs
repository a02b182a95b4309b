//! Stage 6: the catalogue, one file a finding, and the diagnosis that turns a tracked connection into a verdict.

mod after_close;
mod application;
mod capture;
mod case;
mod catalogue;
mod culprit;
mod doubt;
mod gist;
mod handshake;
mod late;
mod loss;
mod phrase;
mod population;
mod reset;
mod short;
mod sieve;
mod sign;
mod spoken;
mod teardown;
mod thresholds;
mod transfer;
mod unheard;
mod verdict;
mod zeek;

pub use case::{Case, Draft, Found, Words};
pub use catalogue::{CATALOGUE, Detect, DetectHere, Entry, Group, find};
pub use culprit::Culprit;
pub use gist::Gist;
pub use late::stray;
pub use loss::{Loss, Losses};
pub use population::{PopulationFinding, PopulationThresholds, across};
pub use short::{conclude_orderly, is_enough};
pub use sieve::Sieve;
pub use sign::Sign;
pub use thresholds::Thresholds;
pub use unheard::Unheard;
pub use verdict::*;

use std::sync::LazyLock;

use crate::base::{Side, Sides, Timestamp};
use crate::connection::{Connection, Lifecycle, Orderly, Profile};

/// Diagnoses a connection. `horizon` is the newest packet time of the capture so far: it tells which timers must have
/// run out and how long a state has lasted. `thresholds` say from where on something is worth a finding.
pub fn diagnose(connection: &Connection, horizon: Timestamp, profile: Profile, thresholds: &Thresholds) -> Verdict {
    let connection = &*connection.with_missed_fins();
    conclude(connection, &Lifecycle::of(connection, horizon, profile), thresholds)
}

/// Diagnoses a connection of which the life is known.
pub fn conclude(connection: &Connection, life: &Lifecycle, thresholds: &Thresholds) -> Verdict {
    let mut resets = reset::judge(connection, life);
    let case = Case { connection, life, resets: &resets, thresholds };
    let mut found = Found::new(Words::Written);
    detect(&case, &mut found);
    let applications = application::views(&case);
    let mut findings = found.findings;
    doubt::cast(&mut findings, &mut resets);
    findings.sort_by_key(|finding| (finding.frames.first().copied(), finding.name));
    let case = Case { connection, life, resets: &resets, thresholds };
    let view = |side: Side| {
        let half = &connection.halves[side];
        EndpointView {
            stack: life.profiles[side],
            states: life.states[side].clone(),
            frames: half.frames + half.sampled,
            payload_bytes: half.payload_bytes,
            retransmitted_bytes: half.retransmitted_bytes,
            missing_bytes: half.missing_bytes,
            unfilled_bytes: half.gaps.octets(),
            sequence: connection.sequence_counts(side),
            last_payload: half.last_payload().map(|data| spoken::payload(&case, side, data)),
            last_new_payload: half.last_new_payload().map(|data| spoken::payload(&case, side, data)),
            unread: spoken::unread(&case, side),
            calls: applications[side].calls.clone(),
            error: applications[side].error,
        }
    };
    let endpoints = Sides { client: view(Side::Client), server: view(Side::Server) };
    let halves = &connection.halves;
    Verdict {
        stream: connection.stream,
        client: connection.client,
        server: connection.server,
        role_basis: connection.role_basis,
        tap: life.tap,
        start: connection.start,
        end: connection.end,
        horizon: (!life.outlives_clock).then_some(life.horizon),
        first_frame: connection.first_frame,
        last_frame: connection.last_frame,
        through: None,
        through_back: None,
        also_through: None,
        is_sampled_alone: connection.is_sampled_alone(),
        open: Open {
            kind: life.opening.kind,
            frames: life.opening.frames.to_vec(),
            rtt_ns: life.opening.rtt_ns,
            continued: life.opening.continued,
            resumes: life.opening.resumes,
            refused_octets: life.refused_syn_octets(),
            syn_count: Side::BOTH.into_iter().map(|side| case.syns(side)).sum(),
            syn_ack_count: halves.client.syn_acks + halves.server.syn_acks,
        },
        close: Close {
            kind: life.closing.kind,
            initiator: life.closing.initiator,
            frames: life.closing.frames.to_vec(),
            idle_ns: life.closing.idle_ns,
        },
        endpoints,
        completeness: connection.completeness,
        history: connection.history.clone(),
        conn_state: zeek::conn_state(connection),
        resets,
        findings,
    }
}

/// What is found on a connection of which the life is known, without words: the means of a [`Gist`].
#[derive(Debug)]
pub struct Sketch {
    resets: Vec<Reset>,
    found: Found,
}

impl Default for Sketch {
    fn default() -> Self {
        Self { resets: Vec::new(), found: Found::new(Words::Spared) }
    }
}

impl Sketch {
    /// Looks at another connection. What was found at the one before is forgotten.
    pub fn draw(&mut self, connection: &Connection, life: &Lifecycle, thresholds: &Thresholds) {
        self.found.findings.clear();
        self.resets = reset::judge(connection, life);
        detect(&Case { connection, life, resets: &self.resets, thresholds }, &mut self.found);
        doubt::cast(&mut self.found.findings, &mut self.resets);
    }

    /// The gist of the verdict on a connection which was looked at last, and of which the life was told in short.
    pub fn gist_of_orderly(&self, orderly: &Orderly) -> Gist<'_> {
        Gist::of_orderly(orderly, &self.resets, &self.found.findings)
    }

    /// What was found, for whoever leaves something out or weighs it.
    pub fn findings_mut(&mut self) -> &mut Vec<Finding> {
        &mut self.found.findings
    }

    /// The gist of the verdict on `connection`, which was looked at last.
    pub fn gist(&self, connection: &Connection, life: &Lifecycle) -> Gist<'_> {
        Gist::new(connection, life, &self.resets, &self.found.findings)
    }
}

/// Asks the detectors whom the case could concern.
fn detect(case: &Case<'_>, found: &mut Found) {
    if case.connection.is_sampled_alone() {
        // Everything else rests on what came, or did not, around what is there.
        return capture::sampled::detect(case, found);
    }
    let signs = Sign::of(case);
    if !signs.is_empty() {
        for (needs, detect) in DETECTORS.iter() {
            if signs.intersects(*needs) {
                detect(case, found);
            }
        }
    }
    #[cfg(debug_assertions)]
    assert_others_silent(case, signs);
}

/// What the catalogue declares, laid together.
static DETECTORS: LazyLock<Vec<(Sign, DetectHere)>> = LazyLock::new(|| {
    let here = |entry: &&'static Entry| match entry.detect {
        Detect::Connection(detect) => Some((entry.needs, detect)),
        Detect::Population(_) => None,
    };
    CATALOGUE.iter().filter_map(here).collect()
});

/// A finding that could not concern the case would not have found anything: a wrong declaration shows wherever a test
/// judges a connection.
#[cfg(debug_assertions)]
fn assert_others_silent(case: &Case<'_>, signs: Sign) {
    let mut found = Found::new(Words::Spared);
    for (_, detect) in DETECTORS.iter().filter(|(needs, _)| !signs.intersects(*needs)) {
        detect(case, &mut found);
    }
    debug_assert!(found.findings.is_empty(), "not among the needs that are declared: {signs:?}: {:?}", found.findings);
}

#[cfg(test)]
mod tests;
