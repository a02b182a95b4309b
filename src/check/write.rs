//! Writes expectations from what a capture shows, as a person would have: what the next recording of the same test
//! shows again, and nothing else. No times, no ephemeral ports, no numbers of segments.

use std::collections::BTreeSet;

use super::key::{self, Alias, Look, Value};
use super::seen::Seen;
use crate::connection::{CloseKind, Profile, State};
use crate::finding::{Confidence, Finding, Group, Severity, Verdict};

/// The severity from which on a written file tolerates nothing that it does not list.
pub const FAIL_ON: Severity = Severity::Warning;

/// More rules than this in one service are no longer read; what the connections have in common is.
const ORDERED_MAX: usize = 12;

/// Connections that begin closer together than this may change places in the next recording, ns.
const APART_NS_MIN: i64 = 20_000_000;

/// A rule about to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The conditions, as they stand between the braces of `where`.
    pub conditions: Vec<(&'static str, String)>,
    /// Its keys with their values in TOML, in the order of writing.
    pub entries: Vec<(String, String)>,
}

/// The text of a file that `seen` satisfies.
pub fn write(seen: &Seen) -> String {
    let mut text = format!("fail-on = {:?}\n\n[capture]\nconnections = {}\n", FAIL_ON.name(), seen.connections.len());
    let population: BTreeSet<&str> = seen.population.iter().map(|finding| finding.name).collect();
    if !population.is_empty() {
        text += &format!("findings.may = {}\n", list(population.into_iter()));
    }
    for rule in rules(seen) {
        text += &rule.to_string();
    }
    text
}

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\n[[connection]]\n")?;
        if !self.conditions.is_empty() {
            let conditions: Vec<String> =
                self.conditions.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            writeln!(f, "where = {{ {} }}", conditions.join(", "))?;
        }
        self.entries.iter().try_for_each(|(key, value)| writeln!(f, "{key} = {value}"))
    }
}

/// The rules for all connections of a capture.
pub fn rules(seen: &Seen) -> Vec<Written> {
    let mut all: Vec<&Verdict> = seen.connections.iter().collect();
    all.sort_by_key(|verdict| (verdict.first_frame, verdict.stream));
    let ports: BTreeSet<u16> = all.iter().map(|verdict| verdict.server.port).collect();
    let is_fixed = ports.iter().all(|&port| port < Profile::LINUX.ephemeral_first);
    if ports.len() < 2 || !is_fixed {
        return of_service(seen, &all, &[]);
    }
    let of_port = |&port: &u16| {
        let own: Vec<&Verdict> = all.iter().copied().filter(|verdict| verdict.server.port == port).collect();
        of_service(seen, &own, &[("port", port.to_string())])
    };
    ports.iter().flat_map(of_port).collect()
}

/// The rules for connections to one service.
fn of_service(seen: &Seen, connections: &[&Verdict], conditions: &[(&'static str, String)]) -> Vec<Written> {
    let alone: Vec<Written> = connections.iter().map(|verdict| of_alike(seen, &[*verdict], conditions)).collect();
    let are_alike = alone.windows(2).all(|pair| pair[0] == pair[1]);
    if !are_alike && connections.len() <= ORDERED_MAX && come_in_order(connections) {
        let numbered = alone.into_iter().enumerate().map(|(at, mut rule)| {
            rule.conditions.push(("order", (at + 1).to_string()));
            rule
        });
        return numbered.collect();
    }
    if connections.is_empty() {
        return Vec::new();
    }
    let mut rule = of_alike(seen, connections, conditions);
    if connections.len() > 1 && !conditions.is_empty() {
        rule.entries.insert(0, ("count".to_owned(), connections.len().to_string()));
    }
    vec![rule]
}

/// The next recording will have the connections in the same order.
fn come_in_order(connections: &[&Verdict]) -> bool {
    connections.windows(2).all(|pair| {
        let apart = pair[1].start.since(pair[0].start);
        apart >= APART_NS_MIN || pair[1].start > pair[0].end
    })
}

/// One rule that all of `connections` satisfy.
fn of_alike(seen: &Seen, connections: &[&Verdict], conditions: &[(&'static str, String)]) -> Written {
    let mut entries = Vec::new();
    let looks: Vec<Look<'_>> =
        connections.iter().map(|verdict| Look { verdict, horizon: seen.horizon, idle_ns: 0 }).collect();
    for key in key::keys() {
        if let Some(value) = value_of(key.name, &key.value, &looks) {
            entries.extend(value);
        }
    }
    let end = |name: &str| ["client.", "server."].iter().position(|end| name.starts_with(end)).map_or(0, |at| at + 1);
    entries.sort_by_key(|(name, _)| end(name));
    Written { conditions: conditions.to_vec(), entries }
}

/// What is written for a key; nothing for those that the next recording may show otherwise.
fn value_of(name: &str, value: &Value, looks: &[Look<'_>]) -> Option<Vec<(String, String)>> {
    match value {
        Value::Word { seen, aliases, .. } => {
            let words: BTreeSet<&str> = looks.iter().map(seen).collect();
            let alias =
                |word| aliases.iter().find(|(_, meant)| meant.contains(&word)).map_or(word, |(alias, _)| *alias);
            let words: BTreeSet<&str> = words.into_iter().map(alias).collect();
            says_something(name, &words, looks).then(|| vec![(name.to_owned(), one_or_list(&words))])
        }
        Value::Names { .. } if name == "resets" => Some(resets(looks)),
        Value::Names { .. } => Some(findings(looks)),
        _ => None,
    }
}

/// The words that connections show, under the alias that takes in several where there is one.
pub fn words_of(looks: &[Look<'_>], seen: fn(&Look<'_>) -> &'static str, aliases: &[Alias]) -> BTreeSet<&'static str> {
    let alias = |word| aliases.iter().find(|(_, meant)| meant.contains(&word)).map_or(word, |(alias, _)| *alias);
    looks.iter().map(|look| alias(seen(look))).collect()
}

/// The words are neither obvious from other keys nor a matter of how long the capture ran.
fn says_something(name: &str, words: &BTreeSet<&str>, looks: &[Look<'_>]) -> bool {
    let never_opened = looks.iter().all(|look| look.verdict.close.kind == CloseKind::Refused);
    match name {
        "open" | "close" => true,
        "initiator" | "time-wait" => !never_opened && !words.iter().all(|word| *word == "none"),
        // Only these two are held by an application; timers end the others.
        "client.final-state" | "server.final-state" => {
            words.iter().all(|word| [State::Established.name(), State::CloseWait.name()].contains(word))
        }
        "client.error" | "server.error" => words.iter().any(|word| *word != "none"),
        _ => false,
    }
}

/// Causes that all connections share must occur, the rest may. A cause that the packets do not decide may be its rival
/// the next time.
fn resets(looks: &[Look<'_>]) -> Vec<(String, String)> {
    let sure = |look: &Look<'_>| -> BTreeSet<&str> {
        let resets = look.verdict.resets.iter().filter(|reset| reset.confidence == Confidence::High);
        resets.map(|reset| reset.cause.name()).collect()
    };
    let must = looks.iter().map(sure).reduce(|all, one| &all & &one).unwrap_or_default();
    let mut may = BTreeSet::new();
    for reset in looks.iter().flat_map(|look| &look.verdict.resets) {
        may.insert(reset.cause.name());
        may.extend(reset.rivals.iter().map(|rival| rival.name()));
    }
    let may = &may - &must;
    entries("resets", &must, &may)
}

/// Findings that all connections share and that time does not decide must occur; what would fail otherwise may.
fn findings(looks: &[Look<'_>]) -> Vec<(String, String)> {
    let is_reset = |finding: &Finding| {
        finding
            .name
            .strip_prefix("reset-")
            .is_some_and(|cause| crate::finding::Cause::ALL.iter().any(|known| known.name() == cause))
    };
    let sure = |look: &Look<'_>| -> BTreeSet<&str> {
        let findings = look.verdict.findings.iter().filter(|finding| !is_reset(finding) && !is_luck(finding));
        findings.filter(|finding| finding.confidence == Confidence::High).map(|finding| finding.name).collect()
    };
    let must = looks.iter().map(sure).reduce(|all, one| &all & &one).unwrap_or_default();
    let all = looks.iter().flat_map(|look| &look.verdict.findings).filter(|finding| !is_reset(finding));
    let may: BTreeSet<&str> = all.filter(|finding| finding.severity >= FAIL_ON).map(|finding| finding.name).collect();
    entries("findings", &must, &(&may - &must))
}

/// What the road decides, and not the two programs: loss, delay, the capture itself.
fn is_luck(finding: &Finding) -> bool {
    let group = crate::finding::find(finding.name).map(|entry| entry.group);
    let is_of_the_road = matches!(group, None | Some(Group::Transfer | Group::Capture | Group::AfterClose));
    is_of_the_road && finding.severity < FAIL_ON
        || finding.name.ends_with("-retransmitted")
        || finding.name == "handshake-ack-lost"
}

fn entries(name: &str, must: &BTreeSet<&str>, may: &BTreeSet<&str>) -> Vec<(String, String)> {
    let parts = [("must", must), ("may", may)];
    let parts = parts.into_iter().filter(|(_, names)| !names.is_empty());
    parts.map(|(part, names)| (format!("{name}.{part}"), list(names.iter().copied()))).collect()
}

/// One word as it is, several as a list.
pub fn one_or_list(words: &BTreeSet<&str>) -> String {
    match words.iter().next() {
        Some(word) if words.len() == 1 => format!("{word:?}"),
        _ => list(words.iter().copied()),
    }
}

fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("[{}]", words.map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", "))
}
