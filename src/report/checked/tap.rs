//! The Test Anything Protocol, version 14: a test point for each rule of each capture, with a YAML block where it fails or
//! something is let pass.

use std::io::{self, Write};

use super::{Checked, CheckedCapture, CheckedCase, LET_PASS, Standing};

/// Writes the document.
pub fn write(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let points = |capture: &CheckedCapture| capture.cases.len() + usize::from(!capture.errors.is_empty());
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{}", checked.captures.iter().map(points).sum::<usize>())?;
    let mut number = 0;
    for capture in &checked.captures {
        if !capture.errors.is_empty() {
            number += 1;
            writeln!(out, "not ok {number} - {}: can be checked", escaped(&capture.path))?;
            writeln!(out, "  ---\n  severity: error\n  problems:")?;
            for error in &capture.errors {
                writeln!(out, "    - message: {}", quoted(&error.message))?;
            }
            writeln!(out, "  ...")?;
        }
        for case in &capture.cases {
            number += 1;
            point(out, number, capture, case)?;
        }
    }
    Ok(())
}

fn point(out: &mut dyn Write, number: usize, capture: &CheckedCapture, case: &CheckedCase) -> io::Result<()> {
    let told: Vec<_> = case.problems.iter().filter(|problem| problem.standing != Standing::Known).collect();
    let is_failing = told.iter().any(|problem| problem.standing == Standing::New);
    let (word, severity) = if is_failing { ("not ok", "fail") } else { ("ok", LET_PASS) };
    writeln!(out, "{word} {number} - {}: {}", escaped(&capture.path), escaped(&case.name))?;
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "  ---\n  severity: {severity}\n  problems:")?;
    for problem in told {
        writeln!(out, "    - rule: {}", quoted(&problem.rule))?;
        writeln!(out, "      message: {}", quoted(&problem.message))?;
        for (key, text) in [("expected", &problem.expected), ("seen", &problem.seen)] {
            if let Some(text) = text {
                writeln!(out, "      {key}: {}", quoted(text))?;
            }
        }
        if let (Some(file), Some(place)) = (&capture.expectations, problem.place) {
            writeln!(out, "      at: {}", quoted(&format!("{file}:{place}")))?;
        }
        if let Some(example) = &problem.example {
            writeln!(out, "      filter: {}", quoted(&example.filter()))?;
        }
    }
    writeln!(out, "  ...")
}

/// A description without the characters that mean something in one.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace(['\n', '\r'], " ")
}

/// A double-quoted scalar of YAML, which JSON's strings are.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
