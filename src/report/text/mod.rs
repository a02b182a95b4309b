//! Text for people: what matters first, then the connections, then what the capture holds.

mod accounting;
mod findings;
mod spread;
mod table;

use std::io::{self, Write};

use self::accounting::Tally;
use self::findings::{Findings, Page};
use self::table::Table;
use super::answers::answers;
use super::layout::{Canvas, columns, harmless, hint, left, wrap};
use super::style::Role;
use super::{CaptureRecord, LateRecord, PopulationFinding, Sink, Summary};
use crate::finding::{Gist, Verdict};

/// Lines of prose are not made longer than this on wide terminals: the eye loses the next line.
pub(super) const PROSE_WIDTH_MAX: usize = 110;

/// As many connections as get an answer to every question instead of a row.
const ANSWERED_IN_FULL_MAX: usize = 3;

/// Which connections the table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// All when they are few, else the worst of those with findings.
    Few,
    /// All, at the price of holding a row for each.
    All,
}

/// Collects what is worth showing and prints it when the input has ended. Memory is bounded, with [`Rows::Few`], by the
/// number of kinds of findings.
#[derive(Debug)]
pub struct Text<W> {
    out: W,
    canvas: Canvas,
    again: Option<String>,
    capture: CaptureRecord,
    findings: Findings,
    table: Table,
    tally: Tally,
    first: Vec<Verdict>,
}

impl<W: Write> Text<W> {
    /// Writes to `out` as `canvas` says. `again` names the captures as a shell takes them, for hints how to see more; none where
    /// nobody can read them again.
    pub fn new(out: W, canvas: Canvas, rows: Rows, again: Option<String>) -> Self {
        Self {
            out,
            canvas,
            again,
            capture: CaptureRecord::default(),
            findings: Findings::default(),
            table: Table::new(rows),
            tally: Tally::default(),
            first: Vec::new(),
        }
    }

    fn answers(&mut self) -> io::Result<()> {
        for verdict in &self.first {
            writeln!(self.out)?;
            write_title(&mut self.out, &self.canvas, verdict)?;
            write_answers(&mut self.out, &self.canvas, verdict)?;
        }
        if let (Some(verdict), Some(again)) = (self.first.first(), &self.again) {
            let command = format!("lastack show {again} --stream {}", verdict.stream);
            let hint = hint("Segment by segment", &command, self.canvas.width);
            writeln!(self.out, "\n{}", self.canvas.palette.paint(Role::Faint, hint))?;
        }
        Ok(())
    }
}

/// Which connection: on one line, or the server on a second one when the addresses are long.
pub(super) fn write_title(out: &mut impl Write, canvas: &Canvas, verdict: &Verdict) -> io::Result<()> {
    let stream = format!("stream {}", verdict.stream);
    let indent = columns(&stream);
    let ends = format!("{} → {}", verdict.client, verdict.server);
    let lines = if indent + 2 + columns(&ends) <= canvas.width {
        vec![format!("{stream}  {ends}")]
    } else {
        vec![format!("{stream}  {}", verdict.client), format!("{}→ {}", " ".repeat(indent), verdict.server)]
    };
    for line in lines {
        writeln!(out, "{}", canvas.palette.paint(Role::Heading, line))?;
    }
    Ok(())
}

/// The answers on `verdict`, a keyword on the left of each.
pub(super) fn write_answers(out: &mut impl Write, canvas: &Canvas, verdict: &Verdict) -> io::Result<()> {
    const KEYWORD: usize = 9;
    for (keyword, answer) in answers(verdict) {
        let mut label = left(keyword, KEYWORD);
        for line in wrap(&harmless(&answer), canvas.width.min(PROSE_WIDTH_MAX) - KEYWORD - 2) {
            writeln!(out, "  {}{line}", canvas.palette.paint(Role::Faint, &label))?;
            label = " ".repeat(KEYWORD);
        }
    }
    Ok(())
}

impl<W: Write> Sink for Text<W> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.capture = capture.clone();
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        let gist = verdict.gist();
        self.findings.connection(&gist);
        self.table.connection(verdict);
        self.tally.connection(&gist);
        if self.first.len() <= ANSWERED_IN_FULL_MAX {
            self.first.push(verdict.clone());
        }
        Ok(())
    }

    fn takes_gists(&self) -> bool {
        self.table.shows_few()
    }

    fn gist(&mut self, gist: &Gist<'_>) -> bool {
        let is_answered = self.first.len() <= ANSWERED_IN_FULL_MAX;
        if is_answered || self.table.would_show(gist) || self.findings.would_show(gist) {
            return false;
        }
        self.findings.count(gist);
        self.table.count(gist);
        self.tally.connection(gist);
        true
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.findings.late(late);
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.findings.population(finding);
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.tally.headline(&mut self.out, &self.canvas, &self.capture, summary)?;
        let page = Page { canvas: &self.canvas, began: self.tally.began(), again: self.again.as_deref() };
        self.findings.write(&mut self.out, &page)?;
        if self.first.len() <= ANSWERED_IN_FULL_MAX {
            self.first.sort_by_key(|verdict| verdict.stream);
            self.answers()?;
        } else {
            self.table.write(&mut self.out, &self.canvas, self.again.as_deref())?;
        }
        accounting::write(&mut self.out, &self.canvas, summary)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::style::Palette;

    fn render(width: usize, verdicts: &[Verdict], rows: Rows) -> String {
        let canvas = Canvas::new(width, Palette::Plain, jiff::tz::TimeZone::UTC);
        let mut out = Vec::new();
        let mut text = Text::new(&mut out, canvas, rows, Some("shop.pcapng".to_owned()));
        text.capture(&sample::capture()).unwrap();
        verdicts.iter().for_each(|verdict| text.connection(verdict).unwrap());
        text.late(&sample::late()).unwrap();
        text.population(&sample::population()).unwrap();
        text.summary(&sample::summary(verdicts.len() as u64)).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// Resets, recoveries, one with both, and an IPv6 connection that is still open.
    fn several() -> Vec<Verdict> {
        let mut several: Vec<Verdict> = (0..4).map(sample::unread_data).collect();
        several.extend([sample::final_ack_lost(4), sample::final_ack_lost(5), sample::open_v6(6)]);
        let mut both = sample::final_ack_lost(7);
        both.findings.extend(sample::unread_data(7).findings);
        several.push(both);
        several
    }

    #[test]
    fn several_connections_make_a_table_that_fits_the_width() {
        for width in [80, 200] {
            let text = render(width, &several(), Rows::Few);
            sample::assert_fits(&text, width);
            sample::assert_golden(&format!("text-several-{width}"), &text);
        }
    }

    #[test]
    fn few_connections_are_answered_in_full() {
        for width in [80, 200] {
            let text = render(width, &[sample::unread_data(0), sample::open_v6(1)], Rows::Few);
            sample::assert_fits(&text, width);
            sample::assert_golden(&format!("text-few-{width}"), &text);
        }
    }

    #[test]
    fn of_many_connections_the_worst_are_shown_and_all_on_request() {
        let many: Vec<Verdict> =
            (0..60).map(|n| if n % 2 == 0 { sample::unread_data(n) } else { sample::open_v6(n) }).collect();
        let few = render(80, &many, Rows::Few);
        assert!(few.contains("the worst 20 of 30 with findings, of 60"), "{few}");
        assert!(!few.contains("still open\n"), "{few}");
        assert_eq!(few.matches("  reset by server").count(), 20);
        let all = render(80, &many, Rows::All);
        assert_eq!(all.matches("  still open").count(), 30);
        assert_eq!(all.matches("  reset by server").count(), 30);
    }

    #[test]
    fn nothing_found_and_nothing_there_are_both_said() {
        let canvas = Canvas::new(80, Palette::Plain, jiff::tz::TimeZone::UTC);
        let mut out = Vec::new();
        let mut text = Text::new(&mut out, canvas, Rows::Few, Some("shop.pcapng".to_owned()));
        text.capture(&sample::capture()).unwrap();
        let summary = Summary { frames: 3, non_tcp: 3, truncated: true, ..Summary::default() };
        text.summary(&summary).unwrap();
        drop(text);
        sample::assert_golden("text-nothing-80", &String::from_utf8(out).unwrap());
    }
}
