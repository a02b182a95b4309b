//! Recordings of thousands of connections, held against what the kernels counted meanwhile.

use std::fs;
use std::path::{Path, PathBuf};

use lastack::analysis::{Options, analyse};
use lastack::base::Timestamp;
use lastack::connection::{Profile, State};
use lastack::population::{AtLimit, Pile, Population};
use lastack::report::PopulationFinding;
use lastack::source::{self, Input};
use serde_json::Value;

use crate::told::Told;

/// A recording of `fixtures/population`, and what is told of it.
struct Recording {
    truth: Value,
    population: Population,
    findings: Vec<PopulationFinding>,
}

impl Recording {
    fn of(name: &str, profile: Profile) -> Self {
        let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/population").join(name);
        let truth = fs::read(folder.join("truth.json")).expect("a recording has a truth");
        let truth = serde_json::from_slice(&truth).expect("the truth is JSON");
        let options = Options { profile, interval_ns: Some(50_000_000), ..Options::default() };
        let input = Input::Path(folder.join("capture.pcap.gz"));
        let mut captures = source::open(vec![input], source::Options::default()).expect("a recording opens");
        let mut told = Told::default();
        let outcome = analyse(&mut captures, &options, None, &mut told, &mut ()).expect("memory takes everything");
        assert!(outcome.source_error.is_none());
        Self { truth, population: outcome.population, findings: told.population }
    }

    fn found(&self, name: &str) -> Option<&PopulationFinding> {
        self.findings.iter().find(|finding| finding.name == name)
    }

    /// Moments at which the kernel of `host` counted its sockets, with those in `state`.
    fn counted(&self, host: &str, state: &str) -> Vec<(Timestamp, u64)> {
        let counts = self.truth["state_counts"].as_array().expect("sockets were counted");
        let of_host = counts.iter().filter(|count| count[1] == host);
        of_host.map(|count| (time(&count[0]), count[2][state].as_u64().unwrap_or(0))).collect()
    }

    /// How many of these moments give another number in `pile`, by more than `slack`.
    fn differing(&self, pile: &Pile, state: State, counted: &[(Timestamp, u64)], slack: u64) -> usize {
        let ours = |at: Timestamp| pile.series().levels().take_while(|level| level.to <= at).last();
        let told = |at| ours(at).map_or(0, |level| level.of(state));
        let end = self.population.horizon();
        counted.iter().filter(|(at, sockets)| *at <= end && told(*at).abs_diff(*sockets) > slack).count()
    }
}

fn time(seconds: &Value) -> Timestamp {
    Timestamp((seconds.as_f64().expect("a time is a number") * 1e9) as i64)
}

/// A pile is as high as the kernel had it all the way, and its owner, rate and forecast are told.
#[test]
fn two_thousand_short_connections_are_a_pile_of_whoever_closes_first() {
    for (name, owner, closes_first) in [("pile-by-client", "client", 0), ("pile-by-server", "server", 2_000)] {
        let recording = Recording::of(name, Profile::LINUX);
        let found = recording.found("time-wait-accumulation").expect("a pile");
        let counted = recording.counted(owner, "TIME-WAIT");
        assert!(counted.len() > 20 && counted.last().is_some_and(|(_, sockets)| *sockets > 1_500), "{counted:?}");
        let piles = recording.population.hosts.sorted();
        let (_, pile) = piles.iter().find(|(host, _)| *host == found.host).expect("the finding's host is there");
        // Fifteen more or less are what opens and closes within a tenth of a second.
        assert_eq!(recording.differing(pile, State::TimeWait, &counted, 15), 0, "{name}");
        assert_eq!(pile.closers.server, closes_first);
        assert!(found.per_second.is_some_and(|rate| (50.0..500.0).contains(&rate)), "{found:?}");
        assert!(found.message.contains("going on like this for 60.0 s would make"), "{}", found.message);
        assert_eq!(recording.found("time-wait-owner-server").is_some(), owner == "server");
    }
}

/// The failures of connect() send nothing, and how many there were is told from what did not come.
#[test]
fn a_client_without_ports_is_told_with_how_often_connect_failed() {
    let profile = Profile { ephemeral_first: 40_000, ephemeral_last: 40_099, ..Profile::LINUX };
    let recording = Recording::of("port-exhaustion-sustained", profile);
    let found = recording.found("port-exhaustion").expect("the range was full");
    let destinations = recording.population.destinations.sorted();
    let at_limit = AtLimit::of(&recording.population, destinations[0].1, 0.98).expect("the range was full");
    let failures = recording.truth["failures"].as_array().expect("calls failed");
    let meanwhile = (at_limit.from..at_limit.to).contains(&time(&failures[0][0]));
    let failed = failures.iter().filter(|failure| time(&failure[0]) < at_limit.to).count() as u64;
    assert!(meanwhile && failed > 150, "{failed}");
    assert!(at_limit.missing.abs_diff(failed) <= failed / 10, "{} of {failed}", at_limit.missing);
    assert!(at_limit.lasted_ns > 38_000_000_000 && destinations[0].1.attempts.renewed > 50, "{at_limit:?}");
    assert!(found.message.contains("EADDRNOTAVAIL, and sends nothing"), "{}", found.message);
}
