//! One JSON document: what was checked, passed or not. It is also what a baseline is read from.

use std::io::{self, Write};

use serde::Serialize;

use super::{Checked, CheckedCapture, CheckedCase, Problem, Standing};

/// The number of this form; it grows when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    schema: u32,
    captures: Vec<Capture<'a>>,
    problems: u64,
    known: u64,
    let_pass: u64,
    errors: u64,
    passed: bool,
}

#[derive(Serialize)]
struct Capture<'a> {
    path: &'a str,
    expectations: Option<&'a str>,
    frames: u64,
    skipped: u64,
    connections: u64,
    passed: bool,
    errors: Vec<&'a str>,
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Case<'a> {
    name: &'a str,
    line: Option<usize>,
    column: Option<usize>,
    problems: Vec<Found<'a>>,
}

#[derive(Serialize)]
struct Found<'a> {
    rule: &'a str,
    fingerprint: String,
    known: bool,
    let_pass: bool,
    severity: &'static str,
    message: &'a str,
    expected: Option<&'a str>,
    seen: Option<&'a str>,
    line: Option<usize>,
    column: Option<usize>,
    connections: u64,
    stream: Option<u64>,
    client: Option<String>,
    server: Option<String>,
    frames: &'a [u64],
    filter: Option<String>,
}

/// Writes the document.
pub fn write(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let count = |standing: Standing| checked.problems_that_are(standing).count() as u64;
    let document = Document {
        r#type: "check",
        schema: SCHEMA,
        captures: checked.captures.iter().map(capture).collect(),
        problems: count(Standing::New),
        known: count(Standing::Known),
        let_pass: count(Standing::LetPass),
        errors: checked.captures.iter().map(|capture| capture.errors.len() as u64).sum(),
        passed: !checked.has_errors() && !checked.has_violations(),
    };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn capture(capture: &CheckedCapture) -> Capture<'_> {
    let case = |case| self::case(capture, case);
    Capture {
        path: &capture.path,
        expectations: capture.expectations.as_deref(),
        frames: capture.frames,
        skipped: capture.skipped.values().sum(),
        connections: capture.connections,
        passed: capture.passes(),
        errors: capture.errors.iter().map(|error| error.message.as_str()).collect(),
        cases: capture.cases.iter().map(case).collect(),
    }
}

fn case<'a>(capture: &'a CheckedCapture, case: &'a CheckedCase) -> Case<'a> {
    let found = |problem| self::found(capture, problem);
    Case {
        name: &case.name,
        line: case.place.map(|place| place.line),
        column: case.place.map(|place| place.column),
        problems: case.problems.iter().map(found).collect(),
    }
}

fn found<'a>(capture: &'a CheckedCapture, problem: &'a Problem) -> Found<'a> {
    let example = problem.example.as_ref();
    Found {
        rule: &problem.rule,
        fingerprint: problem.fingerprint(capture),
        known: problem.standing == Standing::Known,
        let_pass: problem.standing == Standing::LetPass,
        severity: problem.severity.name(),
        message: &problem.message,
        expected: problem.expected.as_deref(),
        seen: problem.seen.as_deref(),
        line: problem.place.map(|place| place.line),
        column: problem.place.map(|place| place.column),
        connections: problem.connections,
        stream: example.map(|example| example.stream),
        client: example.map(|example| example.client.to_string()),
        server: example.map(|example| example.server.to_string()),
        frames: example.map_or(&[], |example| &example.frames),
        filter: example.map(super::Example::filter),
    }
}
