//! SARIF 2.1.0 (OASIS): one run, a rule for each kind of problem with the catalogue's manual behind it, a result for each
//! problem at the line of its expectation, or at the capture where the policy spoke.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{CheckError, Checked, CheckedCapture, LET_PASS, Place, Problem, Standing};
use crate::finding::{self, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Writes the log.
pub fn write(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for capture in &checked.captures {
        rules.extend(capture.problems().map(|(_, problem)| (problem.rule.as_str(), 0)));
    }
    rules.values_mut().enumerate().for_each(|(index, at)| *at = index);
    let results: Vec<Value> = checked
        .captures
        .iter()
        .flat_map(|capture| {
            capture
                .problems()
                .map(|(_, problem)| result(capture, problem, rules[problem.rule.as_str()]))
                .collect::<Vec<_>>()
        })
        .collect();
    let notifications: Vec<Value> =
        checked.captures.iter().flat_map(|capture| &capture.errors).map(notification).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "lastack",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules.keys().map(|name| rule(name)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !checked.has_errors(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn notification(error: &CheckError) -> Value {
    let mut place = json!({ "artifactLocation": { "uri": uri(&error.file) } });
    if let Some(Place { line, column }) = error.place {
        place["region"] = json!({ "startLine": line, "startColumn": column });
    }
    json!({ "level": "error", "message": { "text": error.message }, "locations": [{ "physicalLocation": place }] })
}

fn rule(name: &str) -> Value {
    let entry = name.rsplit_once('/').and_then(|(kind, name)| {
        finding::find(name)
            .or_else(|| if kind.ends_with("reset") { finding::find(&format!("reset-{name}")) } else { None })
    });
    match entry {
        Some(entry) if !name.starts_with("missing-") => json!({
            "id": name,
            "name": pascal(name),
            "shortDescription": { "text": format!("{} occurs", entry.name) },
            "fullDescription": { "text": first_sentence(entry.doc) },
            "help": { "text": entry.doc, "markdown": entry.doc },
            "defaultConfiguration": { "level": level(entry.severity) },
        }),
        _ => json!({
            "id": name,
            "name": pascal(name),
            "shortDescription": { "text": format!("the expectation {name} does not hold") },
            "defaultConfiguration": { "level": "error" },
        }),
    }
}

fn result(capture: &CheckedCapture, problem: &Problem, index: usize) -> Value {
    let (path, place) = capture.location(problem);
    let mut result = json!({
        "ruleId": problem.rule,
        "ruleIndex": index,
        "level": level(problem.severity),
        "message": { "text": super::described(capture, problem) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(path) },
            "region": { "startLine": place.line, "startColumn": place.column },
        } }],
        "partialFingerprints": { "lastackProblem/v1": problem.fingerprint(capture) },
        "baselineState": if problem.standing == Standing::Known { "unchanged" } else { "new" },
        "properties": { "connections": problem.connections },
    });
    if problem.standing == Standing::LetPass {
        result["suppressions"] = json!([{ "kind": "external", "justification": LET_PASS }]);
    }
    if path != capture.path {
        result["relatedLocations"] = json!([{
            "id": 1,
            "message": { "text": "the capture" },
            "physicalLocation": { "artifactLocation": { "uri": uri(&capture.path) } },
        }]);
    }
    if let Some(example) = &problem.example {
        result["properties"]["stream"] = json!(example.stream);
        result["properties"]["frames"] = json!(example.frames);
        result["properties"]["filter"] = json!(example.filter());
    }
    result
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

/// A relative reference by RFC 3986: what is not unreserved or a slash is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for octet in path.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(octet)),
            _ => uri.push_str(&format!("%{octet:02X}")),
        }
    }
    uri
}

/// `finding/close-wait-stuck` as viewers like names of rules: `FindingCloseWaitStuck`.
fn pascal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The first paragraph under the first heading of a manual.
fn first_sentence(doc: &str) -> String {
    let lines = doc.lines().map(str::trim).skip_while(|line| line.is_empty() || line.starts_with('#'));
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
