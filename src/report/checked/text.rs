//! For people: what fails, with what was expected and what was seen, and the frames that show it.

use std::io::{self, Write};

use super::{Checked, CheckedCapture, Example, LET_PASS, Problem, Standing};
use crate::report::answers::{frames_after_noun, sentence};
use crate::report::layout::{Canvas, harmless, wrap};
use crate::report::quantity::counted;
use crate::report::style::Role;
use crate::report::text::PROSE_WIDTH_MAX;

/// Writes what fails and which findings are let pass, then how many captures passed.
pub fn write(out: &mut dyn Write, canvas: &Canvas, checked: &Checked) -> io::Result<()> {
    for capture in &checked.captures {
        if !capture.passes() || capture.problems_that_are(Standing::LetPass).next().is_some() {
            told(out, canvas, capture)?;
        }
    }
    totals(out, canvas, checked)
}

fn told(out: &mut dyn Write, canvas: &Canvas, capture: &CheckedCapture) -> io::Result<()> {
    let paint = canvas.palette;
    let (word, role) = match capture.errors.as_slice() {
        [] if capture.passes() => ("PASSED", Role::Heading),
        [] => ("FAILED", Role::Error),
        [..] => ("ERROR", Role::Error),
    };
    writeln!(out, "{} {}", paint.paint(role, word), paint.paint(Role::Heading, harmless(&capture.path)))?;
    for error in &capture.errors {
        prose(out, canvas, 2, &error.message)?;
    }
    let mut case_before = None;
    let mut shown = None;
    for (case, problem) in capture.problems().filter(|(_, problem)| problem.standing != Standing::Known) {
        if case_before != Some(&case.name) {
            let place = match (&capture.expectations, case.place) {
                (Some(file), Some(place)) => format!("  {file}:{place}"),
                _ => String::new(),
            };
            let place = paint.paint(Role::Faint, harmless(&place));
            writeln!(out, "  {}{place}", harmless(&case.name))?;
            case_before = Some(&case.name);
        }
        write_problem(out, canvas, capture, problem)?;
        if let Some(example) = &problem.example {
            // Several rules often break on the same segments.
            if shown == Some(example) {
                writeln!(out, "      stream {}, as above", example.stream)?;
            } else {
                write_example(out, canvas, problem, example)?;
            }
            shown = Some(example);
        }
    }
    writeln!(out)
}

fn write_problem(out: &mut dyn Write, canvas: &Canvas, capture: &CheckedCapture, problem: &Problem) -> io::Result<()> {
    let paint = canvas.palette;
    let place = match (&capture.expectations, problem.place) {
        (Some(file), Some(place)) => format!("  {file}:{place}"),
        _ => String::new(),
    };
    let rule = paint.paint(Role::from(problem.severity), &problem.rule);
    let pass = if problem.standing == Standing::LetPass { format!(" ({LET_PASS})") } else { String::new() };
    writeln!(out, "    {rule}{pass}{}", paint.paint(Role::Faint, harmless(&place)))?;
    // A message that begins with the key says what the two lines below say.
    if problem.expected.is_none() || !problem.message.starts_with(&problem.rule) {
        prose(out, canvas, 6, &sentence(&problem.message))?;
    }
    if let (Some(expected), Some(seen)) = (&problem.expected, &problem.seen) {
        writeln!(out, "      {} {}", paint.paint(Role::Name, "- expected"), harmless(expected))?;
        writeln!(out, "      {}     {}", paint.paint(Role::Name, "+ seen"), harmless(seen))?;
    }
    Ok(())
}

fn write_example(out: &mut dyn Write, canvas: &Canvas, problem: &Problem, example: &Example) -> io::Result<()> {
    let frames = match example.frames.as_slice() {
        [] => String::new(),
        frames => format!(", frame{}", frames_after_noun(frames)),
    };
    let others = match problem.connections {
        0 | 1 => String::new(),
        several => format!(", and {} more like it", several - 1),
    };
    let line = format!("stream {}, {} → {}{frames}{others}", example.stream, example.client, example.server);
    prose(out, canvas, 6, &line)?;
    for line in &example.ladder {
        writeln!(out, "      {line}")?;
    }
    for line in wrap(&example.filter(), canvas.width.min(PROSE_WIDTH_MAX) - 6) {
        writeln!(out, "      {}", canvas.palette.paint(Role::Faint, line))?;
    }
    Ok(())
}

fn prose(out: &mut dyn Write, canvas: &Canvas, indent: usize, text: &str) -> io::Result<()> {
    for line in wrap(&harmless(text), canvas.width.min(PROSE_WIDTH_MAX) - indent) {
        writeln!(out, "{:indent$}{line}", "")?;
    }
    Ok(())
}

fn totals(out: &mut dyn Write, canvas: &Canvas, checked: &Checked) -> io::Result<()> {
    let paint = canvas.palette;
    let broken = checked.captures.iter().filter(|capture| !capture.errors.is_empty()).count() as u64;
    let failed = checked.captures.iter().filter(|capture| !capture.passes()).count() as u64 - broken;
    let passed = checked.captures.len() as u64 - broken - failed;
    let known = checked.problems_that_are(Standing::Known).count() as u64;
    let connections = checked.captures.iter().map(|capture| capture.connections).sum();
    let mut parts = vec![format!("{passed} passed")];
    if failed > 0 {
        parts.push(paint.paint(Role::Error, format!("{failed} failed")).to_string());
    }
    if broken > 0 {
        parts.push(paint.paint(Role::Error, format!("{broken} could not be checked")).to_string());
    }
    let captures = counted(checked.captures.len() as u64, "capture");
    let connections = counted(connections, "connection");
    writeln!(out, "{captures} with {connections}: {}", parts.join(", "))?;
    if known > 0 {
        writeln!(out, "{} known from the baseline", counted(known, "problem"))?;
    }
    let passing: u64 = checked.problems_that_are(Standing::LetPass).map(Problem::occurrences).sum();
    if passing > 0 {
        let limit = counted(checked.findings_max, "finding");
        writeln!(out, "{} beyond the policy, {LET_PASS}: the limit is {limit}", counted(passing, "finding"))?;
    }
    Ok(())
}
