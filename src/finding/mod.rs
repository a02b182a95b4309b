//! Stage 6: the catalogue, one file a finding, and the diagnosis that turns a tracked connection into a verdict.

mod after_close;
mod application;
mod capture;
mod case;
mod catalogue;
mod culprit;
mod doubt;
mod handshake;
mod late;
mod loss;
mod phrase;
mod population;
mod reset;
mod teardown;
mod thresholds;
mod transfer;
mod unheard;
mod verdict;
mod zeek;

pub use case::{Case, Draft};
pub use catalogue::{CATALOGUE, Detect, Entry, Group, find};
pub use culprit::Culprit;
pub use late::stray;
pub use loss::{Loss, Losses};
pub use population::{PopulationFinding, PopulationThresholds, across};
pub use thresholds::Thresholds;
pub use unheard::Unheard;
pub use verdict::*;

use crate::base::{Side, Sides, Timestamp};
use crate::connection::{Connection, Lifecycle, Profile};

/// Diagnoses a connection. `horizon` is the newest packet time of the capture so far: it tells which timers must have
/// run out and how long a state has lasted. `thresholds` say from where on something is worth a finding.
pub fn diagnose(connection: &Connection, horizon: Timestamp, profile: Profile, thresholds: &Thresholds) -> Verdict {
    conclude(connection, &Lifecycle::of(connection, horizon, profile), thresholds)
}

/// Diagnoses a connection of which the life is known.
pub fn conclude(connection: &Connection, life: &Lifecycle, thresholds: &Thresholds) -> Verdict {
    let mut resets = reset::judge(connection, life);
    let case = Case { connection, life, resets: &resets, thresholds };
    let mut findings = Vec::new();
    for entry in CATALOGUE.iter() {
        if let Detect::Connection(detect) = entry.detect {
            detect(&case, &mut findings);
        }
    }
    let applications = application::views(&case);
    doubt::cast(&mut findings, &mut resets);
    findings.sort_by_key(|finding| (finding.frames.first().copied(), finding.name));
    let view = |side: Side| {
        let half = &connection.halves[side];
        EndpointView {
            states: life.states[side].clone(),
            frames: half.frames,
            payload_bytes: half.payload_bytes,
            retransmitted_bytes: half.retransmitted_bytes,
            missing_bytes: half.missing_bytes,
            sequence: connection.sequence_counts(side),
            last_payload: half.last_data.map(|data| Payload {
                frame: data.frame,
                time: data.time,
                octets: data.len,
                is_acknowledged: half.acked.is_some_and(|acked| acked.at_or_after(data.seq + data.len)),
            }),
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
        first_frame: connection.first_frame,
        last_frame: connection.last_frame,
        through: None,
        also_through: None,
        open: Open {
            kind: life.opening.kind,
            frames: life.opening.frames.clone(),
            rtt_ns: life.opening.rtt_ns,
            syn_count: halves.client.syns + halves.server.syns,
            syn_ack_count: halves.client.syn_acks + halves.server.syn_acks,
        },
        close: Close {
            kind: life.closing.kind,
            initiator: life.closing.initiator,
            frames: life.closing.frames.clone(),
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
