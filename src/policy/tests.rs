use std::path::Path;

use super::*;
use crate::finding::{Confidence, find};

fn policy(text: &str) -> Policy {
    Policy::parse(text, Path::new("lastack.toml")).unwrap_or_else(|error| panic!("{error}"))
}

fn refusal(text: &str) -> String {
    Policy::parse(text, Path::new("lastack.toml")).expect_err(text).to_string()
}

fn finding(name: &str) -> Finding {
    let entry = find(name).expect("in the catalogue");
    Finding {
        name: entry.name,
        group: entry.group,
        severity: entry.severity,
        confidence: Confidence::High,
        endpoint: None,
        outcome: None,
        kind: None,
        frames: vec![1],
        time: crate::base::Timestamp(0),
        message: String::new(),
    }
}

fn end(text: &str) -> Endpoint {
    let address: std::net::SocketAddr = text.parse().expect("an address");
    Endpoint::new(address.ip(), address.port())
}

/// What is left of `names` on a connection from 10.0.0.1 to `server`.
fn left(policy: &Policy, server: &str, names: &[&str]) -> Vec<(&'static str, Severity)> {
    let mut findings: Vec<Finding> = names.iter().map(|name| finding(name)).collect();
    let gone = policy.apply_to(&mut findings, end("10.0.0.1:40000"), end(server));
    assert_eq!(gone as usize, names.len() - findings.len());
    findings.iter().map(|finding| (finding.name, finding.severity)).collect()
}

#[test]
fn without_a_file_everything_stays_as_it_is() {
    let names = ["keepalive", "close-wait-stuck"];
    let told = left(&Policy::default(), "10.0.0.2:80", &names);
    assert_eq!(told.iter().map(|(name, _)| *name).collect::<Vec<_>>(), names);
    assert_eq!(Policy::default().unused(), []);
    assert_eq!(Policy::default().thresholds(end("10.0.0.1:1"), end("10.0.0.2:2")), Thresholds::default());
}

#[test]
fn select_takes_groups_names_and_causes_and_ignore_takes_away() {
    let policy = policy("select = ['reset', 'keepalive']\nignore = ['linger-zero']\n");
    let told = left(&policy, "10.0.0.2:80", &["reset-linger-zero", "reset-refused", "keepalive", "close-wait-stuck"]);
    assert_eq!(told.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["reset-refused", "keepalive"]);
}

#[test]
fn rules_hold_where_they_apply_and_later_ones_win() {
    let policy = policy(
        "[severity]\nclose-wait-stuck = 'note'\n[[rule]]\nnetwork = ['192.0.2.0/24', '10.9.0.0/16']\nport = 5432\n\
         severity = { close-wait-stuck = 'error' }\nthresholds = { close-wait-seconds = 0.5 }\n",
    );
    let names = ["close-wait-stuck"];
    assert_eq!(left(&policy, "10.9.1.1:5432", &names), [("close-wait-stuck", Severity::Error)]);
    assert_eq!(left(&policy, "10.9.1.1:80", &names), [("close-wait-stuck", Severity::Note)]);
    assert_eq!(left(&policy, "10.8.1.1:5432", &names), [("close-wait-stuck", Severity::Note)]);
    let limits = |server| policy.thresholds(end("10.0.0.1:40000"), end(server)).close_wait_ns;
    assert_eq!(limits("10.9.1.1:5432"), 500_000_000);
    assert_eq!(limits("10.9.1.1:80"), Thresholds::default().close_wait_ns);
}

#[test]
fn rules_for_a_port_do_not_reach_findings_on_hosts() {
    let policy = policy(
        "[[rule]]\nport = 80\nignore = ['all']\n[[rule]]\nnetwork = '10.0.0.0/8'\nseverity = { keepalive = 'error' }\n",
    );
    let of = |host: &str| policy.of_host("keepalive", Severity::Note, host.parse().expect("an address"));
    assert_eq!(of("10.1.1.1"), Some(Severity::Error));
    assert_eq!(of("11.1.1.1"), Some(Severity::Note));
}

#[test]
fn rules_that_nothing_met_are_named_with_their_place() {
    let policy = policy("ignore = [\n  'keepalive',\n  'zero-window',\n]\n[severity]\nidle-expired = 'note'\n");
    left(&policy.clone(), "10.0.0.2:80", &["zero-window"]);
    let unused: Vec<String> = policy.unused().iter().map(Unused::to_string).collect();
    assert_eq!(
        unused,
        [
            "lastack.toml:2:3: ignore of keepalive matched nothing",
            "lastack.toml:6:1: severity of idle-expired matched nothing"
        ]
    );
}

#[test]
fn what_is_not_understood_is_named_with_its_place_and_the_nearest_word() {
    let cases = [
        ("ignore = ['keepalives']", "lastack.toml:1:11: no finding or group keepalives; did you mean keepalive?"),
        ("\n[severty]\n", "lastack.toml:2:2: no key severty; did you mean severity?"),
        ("[severity]\nkeepalive = 'loud'", "lastack.toml:2:13: no severity loud: it is one of note, warning, error"),
        ("[thresholds]\nclose-wait = 3", "lastack.toml:2:1: no threshold close-wait; did you mean close-wait-seconds?"),
        ("[thresholds]\nidle-seconds = -1", "lastack.toml:2:16: a number of seconds is expected"),
        ("[[rule]]\nignore = ['all']", "lastack.toml:1:1: a rule needs a port or a network"),
        ("[[rule]]\nport = 65536", "lastack.toml:2:8: a port is a number from 0 to 65535"),
        ("[[rule]]\nnetwork = '10.0.0.0/40'", "lastack.toml:2:11: 10.0.0.0/40 is no network"),
        ("[[rule]]\nport = 80\nselect = []", "lastack.toml:3:1: no key select; "),
        ("select = 'reset'", "lastack.toml:1:10: a list of names of findings is expected"),
        ("ignore = ['ü', keepalive]", "lastack.toml:1:16: "),
    ];
    for (text, expected) in cases {
        let refusal = refusal(text);
        assert!(refusal.starts_with(expected), "{text}\n{refusal}");
    }
}

#[test]
fn the_example_in_the_documentation_is_right() {
    let text = include_str!("mod.rs");
    let example: String = text
        .lines()
        .skip_while(|line| *line != "//! ```toml")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.trim_start_matches("//!")))
        .collect();
    assert_eq!(policy(&example).unused().len(), 4);
}

#[test]
fn thresholds_across_connections_hold_everywhere() {
    let policy = policy("thresholds = { time-wait-sockets = 7, ports-percent = 60, open-files = 65536 }");
    let expected = PopulationThresholds {
        time_wait_sockets_min: 7,
        ports_share_min: 0.6,
        descriptors: 65_536,
        ..PopulationThresholds::default()
    };
    assert_eq!(policy.population_thresholds(), expected);
    assert_eq!(policy.thresholds(end("10.0.0.1:1"), end("10.0.0.2:2")), Thresholds::default());
    assert!(refusal("thresholds = { ports-percent = 101 }").contains("from 1 to 100"));
    let scoped = refusal("[[rule]]\nport = 80\nthresholds = { idle-ends = 3 }");
    assert!(scoped.contains("3:16: idle-ends counts across connections"), "{scoped}");
}
