//! GitLab's code quality report: an array of problems, each with a fingerprint that stays from run to run.

use std::io::{self, Write};

use serde::Serialize;

use super::{Checked, LET_PASS, Standing};
use crate::finding::Severity;

#[derive(Serialize)]
struct Issue<'a> {
    description: String,
    check_name: &'a str,
    fingerprint: String,
    severity: &'static str,
    location: Location<'a>,
}

#[derive(Serialize)]
struct Location<'a> {
    path: &'a str,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: usize,
}

/// Writes the array.
pub fn write(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let mut issues = Vec::new();
    for capture in &checked.captures {
        for error in &capture.errors {
            let line = error.place.map_or(1, |place| place.line);
            issues.push(Issue {
                description: error.message.clone(),
                check_name: "cannot-check",
                fingerprint: super::fingerprint(&capture.path, "cannot-check", &error.message),
                severity: "blocker",
                location: Location { path: &error.file, lines: Lines { begin: line } },
            });
        }
        for (_, problem) in capture.problems().filter(|(_, problem)| problem.standing != Standing::Known) {
            let is_let_pass = problem.standing == Standing::LetPass;
            let pass = if is_let_pass { format!(" ({LET_PASS})") } else { String::new() };
            let (path, place) = capture.location(problem);
            issues.push(Issue {
                description: format!("{}{pass}: {}", problem.rule, problem.message),
                check_name: &problem.rule,
                fingerprint: problem.fingerprint(capture),
                severity: match problem.severity {
                    _ if is_let_pass => "info",
                    Severity::Error => "major",
                    Severity::Warning => "minor",
                    Severity::Note => "info",
                },
                location: Location { path, lines: Lines { begin: place.line } },
            });
        }
    }
    serde_json::to_writer_pretty(&mut *out, &issues)?;
    writeln!(out)
}
