//! One connection in full: a ladder of its segments between two rails, the client's states on the left and the
//! server's on the right, with calls and findings where they happened and the evidence below.

mod excerpt;
mod label;
mod log;
mod rows;

use std::io::{self, Write};

pub use self::excerpt::excerpt;
pub use self::log::SegmentLog;
pub use self::rows::Detail;

use self::label::{Bases, Wording, label};
use self::rows::{Row, rows, side_of};
use super::LateRecord;
use super::answers::{frames_after_noun, sentence};
use super::layout::{Canvas, clip, columns, harmless, left, right, wrap};
use super::quantity::{count, counted, duration, octets};
use super::record::Filter;
use super::style::Role;
use super::text::{PROSE_WIDTH_MAX, write_answers, write_title};
use crate::base::{Side, Timestamp};
use crate::finding::{Basis, StateStep, Verdict};
use crate::segment::{Flags, Segment};

/// Everything that a ladder shows.
#[derive(Clone, Copy, Debug)]
pub struct LadderInput<'a> {
    /// The connection.
    pub verdict: &'a Verdict,
    /// Its segments.
    pub log: &'a SegmentLog,
    /// What came after its record.
    pub late: &'a [LateRecord],
    /// How much of a long one is shown.
    pub detail: Detail,
}

/// SYN-RECEIVED is the longest name of a state; one column more for the mark of its basis.
const STATE_WIDTH: usize = 13;

/// From this width on there is a column for the time since the segment before.
const DELTA_FROM_WIDTH: usize = 100;

/// Arrows longer than this are hard to follow with the eye.
const MIDDLE_MAX: usize = 100;

/// Columns of an arrow that are not its label.
const ARROW_ENDS: usize = 6;

/// Prints the ladder of one connection.
pub fn ladder(out: &mut impl Write, canvas: &Canvas, input: &LadderInput<'_>) -> io::Result<()> {
    let verdict = input.verdict;
    write_title(out, canvas, verdict)?;
    let span = verdict.end.since(verdict.start);
    let frames = counted(Side::BOTH.iter().map(|&side| verdict.endpoints[side].frames).sum(), "segment");
    let moment = canvas.clock.date_time(verdict.start);
    match span {
        0 => writeln!(out, "{frames} at {moment}")?,
        _ => writeln!(out, "{frames} in {} from {moment}", duration(span))?,
    }
    write_answers(out, canvas, verdict)?;
    writeln!(out)?;
    Rails::of(canvas, input).write(out, &rows(input))?;
    write_evidence(out, canvas, input)
}

/// The geometry of a ladder.
struct Rails<'a> {
    canvas: &'a Canvas,
    verdict: &'a Verdict,
    time_width: usize,
    delta_width: usize,
    frame_width: usize,
    middle: usize,
    bases: Bases,
    wording: Wording,
}

impl<'a> Rails<'a> {
    fn of(canvas: &'a Canvas, input: &LadderInput<'a>) -> Self {
        let verdict = input.verdict;
        let mut bases = Bases::default();
        input.log.kept().for_each(|segment| bases.learn(side_of(verdict, segment), segment));
        let time_width = seconds(verdict.end.since(verdict.start)).len().max("time".len());
        let delta_width = if canvas.width < DELTA_FROM_WIDTH { 0 } else { time_width + 2 };
        let frame_width = verdict.last_frame.to_string().len().max("frame".len());
        // A space after each of the numbers and inside each of the rails.
        let fixed = time_width + delta_width + 1 + frame_width + 1 + 2 * (STATE_WIDTH + 1) + 2;
        let middle = canvas.width.saturating_sub(fixed).min(MIDDLE_MAX);
        let room = middle.saturating_sub(ARROW_ENDS);
        let sides = input.log.kept().map(|segment| (segment, side_of(verdict, segment)));
        let wording = Wording::fitting(sides, &bases, room);
        Self { canvas, verdict, time_width, delta_width, frame_width, middle, bases, wording }
    }

    fn write(&self, out: &mut impl Write, rows: &[Row<'_>]) -> io::Result<()> {
        let paint = self.canvas.palette;
        let ends = {
            let (client, server) = (self.verdict.client, self.verdict.server);
            let whole = (client.to_string(), server.to_string());
            let is_room = columns(&whole.0) + columns(&whole.1) + 2 <= self.middle;
            // The title has the addresses.
            let (client, server) =
                if is_room { whole } else { (format!("port {}", client.port), format!("port {}", server.port)) };
            format!("{client}{}", right(&server, self.middle.saturating_sub(columns(&client))))
        };
        let head = format!(
            "{} {}{} {:>STATE_WIDTH$}  {ends}  server",
            right("time", self.time_width),
            if self.delta_width > 0 { format!("{} ", right("since", self.delta_width - 1)) } else { String::new() },
            right("frame", self.frame_width),
            "client",
        );
        writeln!(out, "{}", paint.paint(Role::Faint, head))?;
        let mut previous = None;
        for row in rows {
            self.row(out, row, &mut previous)?;
        }
        let steps = || Side::BOTH.into_iter().flat_map(|side| &self.verdict.endpoints[side].states);
        let legend: Vec<&str> = [(Basis::Inferred, "~ inferred"), (Basis::Assumed, "? assumed")]
            .into_iter()
            .filter(|(basis, _)| steps().any(|step| step.basis == *basis))
            .map(|(_, words)| words)
            .collect();
        if !legend.is_empty() {
            writeln!(out, "{}", paint.paint(Role::Faint, legend.join(", ")))?;
        }
        Ok(())
    }

    fn row(&self, out: &mut impl Write, row: &Row<'_>, previous: &mut Option<Timestamp>) -> io::Result<()> {
        let paint = self.canvas.palette;
        match row {
            Row::Segment { segment, side, client, server } => {
                let role = arrow_role(segment);
                let arrow = self.arrow(segment, *side);
                let arrow = role.map_or_else(|| arrow.clone(), |role| paint.paint(role, &arrow).to_string());
                let lead = self.lead(segment, previous.replace(segment.time));
                self.line(out, &lead, client.as_ref(), &arrow, server.as_ref())
            }
            Row::Step { side, step } => {
                let why = match (step.frame, step.basis) {
                    (Some(_), _) => "",
                    // Of what comes without a frame, all but timers is inferred.
                    (None, Basis::Inferred) => "ACK not captured",
                    (None, _) if self.verdict.gist().is_replaced => "by the next one",
                    (None, _) => "by timer",
                };
                let middle = paint.paint(Role::Faint, self.beside(*side, why)).to_string();
                let lead = match step.frame {
                    Some(_) => self.blank(),
                    None => self.lead_time(step.time),
                };
                match side {
                    Side::Client => self.line(out, &lead, Some(step), &middle, None),
                    Side::Server => self.line(out, &lead, None, &middle, Some(step)),
                }
            }
            Row::Call { side, call } => {
                let text = format!("{}() {}", call.call, Row::result(call.errno));
                let role = if call.errno.is_some() { Role::Error } else { Role::Faint };
                let middle = paint.paint(role, self.beside(*side, &text)).to_string();
                self.line(out, &self.blank(), None, &middle, None)
            }
            Row::Finding(finding) => {
                let text = format!("{}: {}", finding.severity, finding.name);
                let text = self.beside(finding.endpoint.unwrap_or(Side::Client), &text);
                let middle = paint.paint(Role::from(finding.severity), text).to_string();
                self.line(out, &self.blank(), None, &middle, None)
            }
            Row::Silence { ns } => self.remark(out, &format!("{} of silence", duration(*ns))),
            Row::Elided { segments, client_bytes, server_bytes, ns } => {
                // Of clocks that differ between the directions nobody knows how long it was.
                let within = if *ns > 0 { format!(" in {}", duration(*ns)) } else { String::new() };
                let short = format!("{}{within}", counted(*segments, "segment"));
                let long = format!("{short}: client {}, server {}", octets(*client_bytes), octets(*server_bytes));
                *previous = None;
                self.remark(out, if columns(&long) + 4 <= self.middle { &long } else { &short })
            }
            Row::Dropped { segments } => self.remark(out, &format!("{} not kept", counted(*segments, "segment"))),
        }
    }

    fn line(
        &self,
        out: &mut impl Write,
        lead: &str,
        client: Option<&StateStep>,
        middle: &str,
        server: Option<&StateStep>,
    ) -> io::Result<()> {
        let client = format!("{:>STATE_WIDTH$}", client.map(state_text).unwrap_or_default());
        let server = server.map(state_text).unwrap_or_default();
        let rail = self.canvas.palette.paint(Role::Faint, "│");
        let line = format!("{lead}{client} {rail}{middle}{rail} {server}");
        writeln!(out, "{}", line.trim_end())
    }

    fn remark(&self, out: &mut impl Write, text: &str) -> io::Result<()> {
        let text = clip(&format!("⋮ {text}"), self.middle.saturating_sub(2));
        let text = self.canvas.palette.paint(Role::Faint, left(&format!(" {text}"), self.middle)).to_string();
        self.line(out, &self.blank(), None, &text, None)
    }

    /// `text` on the side of the application that it is about.
    fn beside(&self, side: Side, text: &str) -> String {
        let text = clip(text, self.middle.saturating_sub(2));
        match side {
            Side::Client => left(&format!(" {text}"), self.middle),
            Side::Server => right(&format!("{text} "), self.middle),
        }
    }

    fn arrow(&self, segment: &Segment, side: Side) -> String {
        let label = label(segment, side, &self.bases, self.wording, self.middle.saturating_sub(ARROW_ENDS));
        let shaft = "─".repeat(self.middle.saturating_sub(ARROW_ENDS + columns(&label)));
        match side {
            Side::Client => format!("── {label} {shaft}─▶"),
            Side::Server => format!("◀─ {label} {shaft}──"),
        }
    }

    fn lead(&self, segment: &Segment, previous: Option<Timestamp>) -> String {
        let delta = match previous {
            _ if self.delta_width == 0 => String::new(),
            Some(previous) => {
                format!("{} ", right(&signed_seconds(segment.time.since(previous)), self.delta_width - 1))
            }
            None => " ".repeat(self.delta_width),
        };
        let time = seconds(segment.time.since(self.verdict.start));
        format!("{} {delta}{} ", right(&time, self.time_width), right(&segment.frame.to_string(), self.frame_width))
    }

    fn lead_time(&self, time: Timestamp) -> String {
        let time = seconds(time.since(self.verdict.start));
        left(&right(&time, self.time_width), columns(&self.blank()))
    }

    fn blank(&self) -> String {
        " ".repeat(self.time_width + 1 + self.delta_width + self.frame_width + 1)
    }
}

/// A state and how it is known.
fn state_text(step: &StateStep) -> String {
    let mark = match step.basis {
        Basis::Seen => "",
        Basis::Inferred => "~",
        Basis::Assumed => "?",
    };
    format!("{mark}{}", step.state)
}

fn arrow_role(segment: &Segment) -> Option<Role> {
    if segment.flags.contains(Flags::RST) {
        Some(Role::Error)
    } else if segment.flags.contains(Flags::FIN) {
        Some(Role::Warning)
    } else if segment.flags.contains(Flags::SYN) {
        Some(Role::Note)
    } else {
        None
    }
}

/// Seconds with microseconds: `12.004120`.
fn seconds(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let micros = ns.unsigned_abs() / 1_000;
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

fn signed_seconds(ns: i64) -> String {
    if ns < 0 { seconds(ns) } else { format!("+{}", seconds(ns)) }
}

/// The findings in full, each with a filter that shows its frames.
fn write_evidence(out: &mut impl Write, canvas: &Canvas, input: &LadderInput<'_>) -> io::Result<()> {
    let paint = canvas.palette;
    let width = canvas.width.min(PROSE_WIDTH_MAX);
    let late = input.late.iter().flat_map(|late| &late.findings);
    let all: Vec<_> = input.verdict.findings.iter().chain(late).collect();
    if all.is_empty() {
        return writeln!(out, "\nNo findings on this connection.");
    }
    writeln!(out, "\n{}", paint.paint(Role::Heading, format!("FINDINGS: {}", count(all.len() as u64))))?;
    for finding in all {
        let mut head = vec![format!("{} confidence", finding.confidence)];
        head.extend(finding.endpoint.map(|side| side.name().to_owned()));
        head.extend(finding.outcome.or(finding.kind).map(str::to_owned));
        head.push(format!("frame{}", frames_after_noun(&finding.frames)));
        let severity = paint.paint(Role::from(finding.severity), finding.severity);
        let head = head.join(", ");
        writeln!(out, "\n{severity} {}", paint.paint(Role::Name, finding.name))?;
        for line in wrap(&head, width - 2).iter().chain(&wrap(&harmless(&sentence(&finding.message)), width - 2)) {
            writeln!(out, "  {line}")?;
        }
        let filter = Filter { stream: input.verdict.stream, frames: &finding.frames }.to_string();
        for line in wrap(&filter, width - 2) {
            writeln!(out, "  {}", paint.paint(Role::Faint, line))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::style::Palette;

    fn render(width: usize, verdict: &Verdict, segments: &[Segment], detail: Detail) -> String {
        let mut log = SegmentLog::default();
        segments.iter().for_each(|segment| log.push(segment));
        let canvas = Canvas::new(width, Palette::Plain, jiff::tz::TimeZone::UTC);
        let mut out = Vec::new();
        ladder(&mut out, &canvas, &LadderInput { verdict, log: &log, late: &[sample::late()], detail }).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_short_connection_stands_in_full_at_any_width() {
        let verdict = sample::unread_data(0);
        for width in [80, 200] {
            let text = render(width, &verdict, &sample::segments(&verdict), Detail::Elided);
            sample::assert_fits(&text, width);
            sample::assert_golden(&format!("ladder-short-{width}"), &text);
        }
    }

    /// The sample with two hundred segments of steady data and two pauses in the middle.
    fn long() -> (Verdict, Vec<Segment>) {
        let mut verdict = sample::open_v6(3);
        let segments = sample::segments(&verdict);
        let mut long = segments[..5].to_vec();
        for n in 0..200 {
            let mut segment = segments[4 - usize::from(n % 2 == 1)];
            segment.frame.0 = 6 + n;
            let pause = if n >= 100 { 2_000 } else { 0 };
            segment.time = sample::at_ms(4 + i64::try_from(n).unwrap() + pause);
            long.push(segment);
        }
        let mut last = segments[6];
        last.frame.0 = 206;
        last.time = sample::at_ms(70_000);
        long.push(last);
        verdict.end = last.time;
        verdict.last_frame = 206;
        verdict.endpoints.client.states[2].time = last.time;
        verdict.endpoints.client.states[2].frame = None;
        (verdict, long)
    }

    #[test]
    fn the_steady_middle_of_a_long_one_is_summed_up() {
        let (verdict, segments) = long();
        let text = render(80, &verdict, &segments, Detail::Elided);
        sample::assert_fits(&text, 80);
        sample::assert_golden("ladder-long-80", &text);
        let full = render(80, &verdict, &segments, Detail::Full);
        assert_eq!(full.matches('▶').count() + full.matches('◀').count(), segments.len());
    }
}
