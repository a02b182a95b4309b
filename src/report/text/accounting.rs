//! The two ends of the report: the headline with how the connections ended, and the accounting of the frames.

use std::io::{self, Write};

use super::PROSE_WIDTH_MAX;
use crate::base::{Side, Timestamp};
use crate::finding::{CloseKind, Gist, Initiator, OpenKind, Origin};
use crate::report::layout::{Canvas, harmless, wrap};
use crate::report::quantity::{count, counted, duration};
use crate::report::style::Role;
use crate::report::{CaptureRecord, FileFrames, Summary};

/// How many connections ended which way.
#[derive(Debug, Default)]
pub struct Tally {
    connections: u64,
    span: Option<(Timestamp, Timestamp)>,
    closed: By,
    half_closed: u64,
    reset: By,
    /// By somebody between the ends.
    reset_between: u64,
    reset_in_vain: u64,
    refused: u64,
    rejected: u64,
    unanswered: u64,
    half_open: u64,
    timed_out: u64,
    sampled: u64,
    going_on: u64,
    replaced: u64,
    end_unknown: u64,
    open: u64,
}

/// A count, and who did it.
#[derive(Debug, Default)]
struct By {
    client: u64,
    server: u64,
    both: u64,
    unknown: u64,
}

impl By {
    fn add(&mut self, who: Option<Initiator>) {
        *match who {
            Some(Initiator::Client) => &mut self.client,
            Some(Initiator::Server) => &mut self.server,
            Some(Initiator::Both) => &mut self.both,
            None => &mut self.unknown,
        } += 1;
    }

    /// `3 closed with FIN: by the client first 2, by both at once 1`, or without numbers when all are of one kind.
    fn words(&self, what: &str, first: &str) -> Option<String> {
        let kinds: Vec<(u64, String)> = [
            (self.client, format!("by the client{first}")),
            (self.server, format!("by the server{first}")),
            (self.both, "by both at once".to_owned()),
            (self.unknown, "by whom is not known".to_owned()),
        ]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .collect();
        match kinds.as_slice() {
            [] => None,
            [(number, who)] => Some(format!("{} {what} {who}", count(*number))),
            _ => {
                let total = kinds.iter().map(|(number, _)| number).sum();
                let parts: Vec<String> =
                    kinds.iter().map(|(number, who)| format!("{who} {}", count(*number))).collect();
                Some(format!("{} {what} ({})", count(total), parts.join(", ")))
            }
        }
    }
}

impl Tally {
    /// Takes in one connection.
    pub fn connection(&mut self, gist: &Gist<'_>) {
        self.connections += 1;
        let (start, end) = self.span.unwrap_or((gist.start, gist.end));
        self.span = Some((start.min(gist.start), end.max(gist.end)));
        match (gist.open, gist.close) {
            (OpenKind::Rejected, _) => self.rejected += 1,
            (OpenKind::Unanswered, CloseKind::None | CloseKind::TimedOut) => self.unanswered += 1,
            (OpenKind::HalfOpen, CloseKind::None | CloseKind::TimedOut) => self.half_open += 1,
            (_, CloseKind::Refused) => self.refused += 1,
            (_, CloseKind::FourSegment | CloseKind::ThreeSegment) => self.closed.add(gist.initiator),
            (_, CloseKind::Simultaneous) => self.closed.add(Some(Initiator::Both)),
            (_, CloseKind::HalfClosed) if gist.is_one_ended => self.half_closed += 1,
            (_, CloseKind::HalfClosed) => self.closed.add(gist.initiator),
            (_, CloseKind::Reset) => match gist.ending_reset() {
                Some(reset) if reset.origin == Origin::Middlebox => self.reset_between += 1,
                Some(_) if gist.is_reset_in_vain => self.reset_in_vain += 1,
                ending => self.reset.add(ending.map(|reset| match reset.from {
                    Side::Client => Initiator::Client,
                    Side::Server => Initiator::Server,
                })),
            },
            (_, CloseKind::TimedOut) => self.timed_out += 1,
            (_, CloseKind::None) if gist.is_sampled_alone => self.sampled += 1,
            (_, CloseKind::None) if gist.goes_on => self.going_on += 1,
            (_, CloseKind::None) if gist.is_replaced => self.replaced += 1,
            (_, CloseKind::None) if gist.is_unopened => self.half_open += 1,
            (_, CloseKind::None) if gist.is_end_unknown => self.end_unknown += 1,
            (_, CloseKind::None) => self.open += 1,
        }
    }

    /// When the first of them began.
    pub fn began(&self) -> Option<Timestamp> {
        self.span.map(|(start, _)| start)
    }

    /// Prints what was read, when, and how it all ended. Connections of the `summary` that a selection left out did not
    /// come here.
    pub fn headline(
        &self,
        out: &mut impl Write,
        canvas: &Canvas,
        capture: &CaptureRecord,
        summary: &Summary,
    ) -> io::Result<()> {
        let files = match capture.files.as_slice() {
            [file] if file == "-" => "standard input".to_owned(),
            [file] => harmless(file),
            files => counted(files.len() as u64, "file"),
        };
        let links: Vec<String> = capture.link_types.iter().map(|&link| link.to_string()).collect();
        let nature: Vec<&str> = [capture.format.as_str()].into_iter().chain(links.iter().map(String::as_str)).collect();
        let mut lines = vec![format!("{files} ({})", nature.join(", "))];
        if let Some((start, end)) = self.span {
            let moment = canvas.clock.date_time(start);
            let span = end.since(start);
            lines.push(if span == 0 {
                format!("TCP at {moment}")
            } else {
                let clock = if summary.setbacks > 0 { ", by a clock that was set back" } else { "" };
                format!("{} of TCP from {moment}{clock}", duration(span))
            });
        }
        lines.push(self.endings(summary.connections));
        for (at, line) in lines.iter().enumerate() {
            for part in wrap(line, canvas.width.min(PROSE_WIDTH_MAX)) {
                match at {
                    0 => writeln!(out, "{}", canvas.palette.paint(Role::Heading, part))?,
                    _ => writeln!(out, "{part}")?,
                }
            }
        }
        Ok(())
    }

    fn endings(&self, all: u64) -> String {
        if self.connections == 0 {
            return match all {
                0 => "No TCP connection.".to_owned(),
                1 => "The only TCP connection is not one that was asked for.".to_owned(),
                _ => format!("None of the {} is one that was asked for.", counted(all, "TCP connection")),
            };
        }
        let plain = |number: u64, what: &str| (number > 0).then(|| format!("{} {what}", count(number)));
        let only = self.connections == 1;
        let parts: Vec<String> = [
            self.closed.words("closed with FIN", " first"),
            plain(self.half_closed, "closed by one end only"),
            self.reset.words("reset", ""),
            plain(self.reset_between, "reset by somebody between the ends"),
            plain(self.reset_in_vain, "reset by one end and not at the other"),
            plain(self.refused, "refused"),
            plain(self.rejected, "rejected by ICMP"),
            plain(self.unanswered, "unanswered"),
            plain(self.half_open, "with an unfinished handshake"),
            plain(self.timed_out, "timed out"),
            plain(self.going_on, "going on in the next stream"),
            plain(self.replaced, "replaced by the next on the same addresses and ports"),
            plain(self.end_unknown, "with an end that is not known"),
            plain(self.open, "still open at the end"),
            plain(self.sampled, "known only by sampled headers"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let parts = parts.join("; ");
        let parts = if only { parts.trim_start_matches("1 ") } else { &parts };
        match self.connections < all {
            true => format!("{} of {}, as asked for: {parts}.", count(self.connections), counted(all, "connection")),
            false => format!("{}: {parts}.", counted(self.connections, "connection")),
        }
    }
}

/// Prints where every frame went.
pub fn write(out: &mut impl Write, canvas: &Canvas, summary: &Summary) -> io::Result<()> {
    let mut parts = vec![format!("{} with TCP", count(summary.segments))];
    for (number, told) in [
        (summary.non_tcp, format!("{} without", count(summary.non_tcp))),
        (summary.fragments, counted(summary.fragments, "IP fragment")),
        (summary.filtered, format!("{} left out by the filter", count(summary.filtered))),
    ] {
        parts.extend((number > 0).then_some(told));
    }
    let skipped: u64 = summary.skipped.values().sum();
    parts.push(if skipped == 0 { "none skipped".to_owned() } else { format!("{} skipped", count(skipped)) });
    writeln!(out, "\n{}: {}.", counted(summary.frames, "frame"), parts.join(", "))?;
    for (reason, number) in &summary.skipped {
        let line = format!("  {} {reason}", count(*number));
        writeln!(out, "{}", canvas.palette.paint(Role::Warning, harmless(&line)))?;
    }
    for remark in files(summary).into_iter().chain(names(summary)) {
        for part in wrap(&remark, canvas.width.min(PROSE_WIDTH_MAX)) {
            writeln!(out, "{part}")?;
        }
    }
    for remark in remarks(summary) {
        for part in wrap(&remark, canvas.width.min(PROSE_WIDTH_MAX)) {
            writeln!(out, "{}", canvas.palette.paint(Role::Warning, part))?;
        }
    }
    Ok(())
}

/// Which frames are which file's.
fn files(summary: &Summary) -> Vec<String> {
    const SHOWN: usize = 10;
    let part = |part: &FileFrames| format!("Frames {} to {}: {}", part.first, part.last, harmless(&part.file));
    let mut lines: Vec<String> = summary.files.iter().take(SHOWN).map(part).collect();
    if let Some(more @ 1..) = summary.files.len().checked_sub(SHOWN) {
        lines.push(format!("{more} more files; --format ndjson lists them in the summary"));
    }
    lines
}

/// The names of addresses, where they were asked for.
fn names(summary: &Summary) -> Vec<String> {
    summary.names.iter().map(|(address, name)| format!("{address} is {}", harmless(name))).collect()
}

/// What the reader must know about the limits of this report.
fn remarks(summary: &Summary) -> Vec<String> {
    let mut remarks = Vec::new();
    if summary.evicted > 0 {
        remarks.push(format!(
            "{} reported before the end: more were open at once than --max-connections keeps.",
            were(summary.evicted, "connection")
        ));
    }
    if summary.forgotten > 0 {
        remarks.push(format!(
            "{} forgotten: a segment that came for one after that is counted as a new connection.",
            were(summary.forgotten, "finished connection")
        ));
    }
    if summary.ignored > 0 {
        remarks.push(format!("{} left out, as the configuration says.", were(summary.ignored, "finding")));
    }
    if summary.dropped > 0 {
        remarks.push(format!(
            "The capture says of itself that it lost {}: what seems missing may have been on the wire.",
            counted(summary.dropped, "frame")
        ));
    }
    if summary.unknown_blocks > 0 {
        remarks
            .push(format!("{} passed over: their types are not known.", were(summary.unknown_blocks, "pcapng block")));
    }
    remarks.extend(summary.notices.iter().map(|notice| harmless(notice)));
    if summary.truncated {
        let words = "Reading stopped before the end of the input: all of this is about the part that was read.";
        remarks.push(words.to_owned());
    }
    remarks
}

/// `1 connection was`, `2 connections were`.
fn were(number: u64, noun: &str) -> String {
    format!("{} {}", counted(number, noun), if number == 1 { "was" } else { "were" })
}
