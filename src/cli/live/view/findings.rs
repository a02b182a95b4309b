//! Findings as lines: one each in the overview, in full on a page of their own.

use ratatui::text::{Line, Span};

use super::model::{Model, Told};
use super::screen::Look;
use crate::base::Timestamp;
use crate::finding::Severity;
use crate::report::{PopulationFinding, clipped, wrapped};

/// What stands where others have their time.
const NOW: &str = "now";

/// A finding of the list, cut to one line.
pub fn newest(told: &Told, look: &Look, width: u16) -> Line<'static> {
    let stream = told.stream.map_or_else(String::new, |stream| stream.to_string());
    one(&time(look, told.time), &stream, (told.name, told.severity), &told.message, look, width)
}

/// What holds across connections, cut to one line.
pub fn standing(found: &PopulationFinding, look: &Look, width: u16) -> Line<'static> {
    one(NOW, "", (found.name, found.severity), &found.message, look, width)
}

fn one(
    when: &str,
    stream: &str,
    (name, severity): (&'static str, Severity),
    message: &str,
    look: &Look,
    width: u16,
) -> Line<'static> {
    let lead = format!(" {when:<8} {stream:>6} ");
    let room = usize::from(width).saturating_sub(lead.chars().count() + name.len() + 1);
    Line::from(vec![
        Span::styled(lead, look.faint()),
        Span::styled(name, look.severity(severity)),
        Span::raw(format!(" {}", clipped(message, room))),
    ])
}

/// Every finding with its whole sentence: what holds now first, then the others from the newest on.
pub fn in_full(model: &Model, look: &Look, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    for found in &model.standing {
        full(&mut lines, (NOW, "across connections"), (found.name, found.severity), &found.message, look, width);
    }
    for told in model.findings.iter().rev() {
        let whose = told.stream.map_or_else(|| "across connections".to_owned(), |stream| format!("stream {stream}"));
        full(&mut lines, (&time(look, told.time), &whose), (told.name, told.severity), &told.message, look, width);
    }
    if lines.is_empty() {
        lines.push(Line::styled(" no findings yet", look.faint()));
    }
    lines
}

fn full(
    lines: &mut Vec<Line<'static>>,
    (when, whose): (&str, &str),
    (name, severity): (&'static str, Severity),
    message: &str,
    look: &Look,
    width: u16,
) {
    const INDENT: &str = "          ";
    lines.push(Line::from(vec![
        Span::styled(format!(" {when:<8} "), look.faint()),
        Span::styled(name, look.severity(severity)),
        Span::styled(format!("  {}, {whose}", severity.name()), look.faint()),
    ]));
    let room = usize::from(width).saturating_sub(INDENT.len() + 1);
    lines.extend(wrapped(message, room).into_iter().map(|line| Line::raw(format!("{INDENT}{line}"))));
}

fn time(look: &Look, time: Timestamp) -> String {
    look.clock.time(time).chars().take("03:31:00".len()).collect()
}
