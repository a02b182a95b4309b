//! Findings that no rule lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::expectation::{Expectations, Names, Rule, Want};
use super::judge::{Alike, about_capture, example};
use super::seen::Seen;
use super::threshold::Threshold;
use crate::base::Side;
use crate::connection::Profile;
use crate::finding::{Finding, Severity, Verdict};
use crate::report::{CheckedCase, FINDING, Place, Problem, Standing};

/// Connections with the same finding, and what the first of them says of it.
struct Group<'a> {
    alike: Alike<'a>,
    severity: Severity,
    message: String,
}

/// Which rules select which connection.
fn spoken<'a>(seen: &Seen, expectations: Option<&'a Expectations>) -> HashMap<u64, Vec<&'a Rule>> {
    let mut spoken: HashMap<u64, Vec<&Rule>> = HashMap::new();
    for rule in expectations.iter().flat_map(|expectations| &expectations.rules) {
        for verdict in rule.select.of(&seen.connections) {
            spoken.entry(verdict.stream).or_default().push(rule);
        }
    }
    spoken
}

/// The names of findings from the threshold on that no rule lists, with the last rule that selects their connection, by
/// its place in the file.
pub fn unlisted_by_rule(
    seen: &Seen,
    expectations: &Expectations,
    threshold: Threshold,
) -> BTreeMap<Place, BTreeSet<&'static str>> {
    let spoken = spoken(seen, Some(expectations));
    let mut unlisted: BTreeMap<Place, BTreeSet<&'static str>> = BTreeMap::new();
    for verdict in &seen.connections {
        let Some((rules, last)) = spoken.get(&verdict.stream).and_then(|rules| Some((rules, rules.last()?))) else {
            continue;
        };
        let findings = verdict.findings.iter().filter(|finding| threshold.admits(finding.severity));
        for finding in findings.filter(|finding| !rules.iter().any(|rule| speaks_of(rule, finding.name))) {
            unlisted.entry(last.place).or_default().insert(finding.name);
        }
    }
    unlisted
}

/// Findings from the threshold on that no rule lists.
pub fn unlisted(seen: &Seen, expectations: Option<&Expectations>, threshold: Threshold) -> CheckedCase {
    let spoken = spoken(seen, expectations);
    let is_listed = |stream: u64, finding: &Finding| {
        spoken.get(&stream).is_some_and(|rules| rules.iter().any(|rule| speaks_of(rule, finding.name)))
    };
    let mut found: BTreeMap<(&'static str, Option<Side>, String), Group<'_>> = BTreeMap::new();
    for verdict in &seen.connections {
        for finding in verdict.findings.iter().filter(|finding| threshold.admits(finding.severity)) {
            if is_listed(verdict.stream, finding) {
                continue;
            }
            let group = found.entry((finding.name, finding.endpoint, service(verdict)));
            let group = group.or_insert_with(|| Group {
                alike: Alike::default(),
                severity: finding.severity,
                message: finding.message.clone(),
            });
            group.severity = group.severity.max(finding.severity);
            group.alike.add(verdict, finding.frames.clone());
        }
    }
    let mut problems: Vec<Problem> = found
        .into_iter()
        .map(|((name, side, service), Group { alike, severity, message })| Problem {
            rule: format!("{FINDING}{name}"),
            severity,
            message,
            expected: None,
            seen: Some(name.to_owned()),
            place: None,
            connections: alike.connections,
            example: alike.first.map(|(verdict, frames)| example(verdict, frames)),
            identity: format!("{name} {} {service}", side.map_or("", Side::name)),
            standing: Standing::New,
        })
        .collect();
    let listed = expectations.and_then(|expectations| expectations.capture.findings.as_ref());
    let is_listed = |name: &str| listed.is_some_and(|names| names.value.lists(name) || names.value.must_not.has(name));
    for finding in
        seen.population.iter().filter(|finding| threshold.admits(finding.severity) && !is_listed(finding.name))
    {
        let mut problem = about_capture(&format!("{FINDING}{}", finding.name), finding.message.clone(), None);
        problem.severity = finding.severity;
        problem.identity = finding.name.to_owned();
        problem.connections = finding.streams.len() as u64;
        let first = finding.streams.first().and_then(|stream| seen.connection(*stream));
        problem.example = first.map(|verdict| example(verdict, Vec::new()));
        problems.push(problem);
    }
    problems.sort_by(|one, other| other.severity.cmp(&one.severity).then_with(|| one.rule.cmp(&other.rule)));
    let but = if expectations.is_some() { " but what is listed" } else { "" };
    CheckedCase { name: format!("{}{but}", threshold.title()), place: None, problems }
}

/// The rule says whether the finding `name` may occur: by its name, or as the finding about a reset whose cause it lists.
fn speaks_of(rule: &Rule, name: &str) -> bool {
    let names = |key: &str| match rule.check(key).map(|check| &check.want) {
        Some(Want::Names(names)) => Some(names),
        _ => None,
    };
    let says = |names: &Names, name: &str| names.lists(name) || names.is_all || names.must_not.has(name);
    let cause = name.strip_prefix("reset-");
    names("findings").is_some_and(|names| says(names, name))
        || cause.is_some_and(|cause| names("resets").is_some_and(|names| says(names, cause)))
}

/// The server's port where it is the service's own, and a word where it was drawn for the test.
fn service(verdict: &Verdict) -> String {
    if verdict.server.port < Profile::LINUX.ephemeral_first {
        format!("port {}", verdict.server.port)
    } else {
        "any port".to_owned()
    }
}
