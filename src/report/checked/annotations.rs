//! Workflow commands of GitHub Actions: an annotation for each problem, on the line of its rule.

use std::io::{self, Write};

use super::{Checked, LET_PASS, Place, Standing};
use crate::finding::Severity;

/// Writes one command a line.
pub fn annotations(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    for capture in &checked.captures {
        for error in &capture.errors {
            let place = placed(&error.file, error.place);
            command(out, "error", &place, "cannot check", &error.message)?;
        }
        for (_, problem) in capture.problems().filter(|(_, problem)| problem.standing != Standing::Known) {
            let (file, _) = capture.location(problem);
            let is_let_pass = problem.standing == Standing::LetPass;
            let kind = match problem.severity {
                _ if is_let_pass => "notice",
                Severity::Error => "error",
                Severity::Warning => "warning",
                Severity::Note => "notice",
            };
            let title = if is_let_pass { format!("{} ({LET_PASS})", problem.rule) } else { problem.rule.clone() };
            let message = super::described(capture, problem);
            command(out, kind, &placed(file, problem.place), &title, &message)?;
        }
    }
    Ok(())
}

fn placed(file: &str, place: Option<Place>) -> String {
    let place = place.map(|place| format!(",line={},col={}", place.line, place.column));
    format!("file={}{}", property(file), place.unwrap_or_default())
}

fn command(out: &mut dyn Write, kind: &str, place: &str, title: &str, message: &str) -> io::Result<()> {
    writeln!(out, "::{kind} {place},title={}::{}", property(&format!("lastack: {title}")), data(message))
}

/// Text after the second pair of colons, where a line must not end.
fn data(text: &str) -> String {
    text.trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value between commas.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
