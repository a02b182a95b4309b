//! The table of connections: all when they are few, else the worst of those with findings.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Rows;
use crate::base::{Endpoint, Sides, Timestamp};
use crate::connection::State;
use crate::finding::{Confidence, EndpointView, Finding, Gist, Group, Severity, Verdict};
use crate::report::answers::ending;
use crate::report::layout::{Canvas, clip, clip_middle, columns, hint, left, right, wrap};
use crate::report::quantity::{count, counted, duration, octets};
use crate::report::style::Role;

/// As many rows are shown when not all are asked for.
const ROWS_MAX: usize = 20;

/// Space between two columns.
const GAP: usize = 2;

/// What is kept of the connections until they are printed.
#[derive(Debug)]
pub struct Table {
    rows: Rows,
    seen: u64,
    with_findings: u64,
    /// The first ones, or all of them.
    first: Vec<Row>,
    /// The worst of those with findings.
    worst: BTreeMap<Rank, Row>,
    /// The last of these, when no more are shown.
    least: Option<Rank>,
}

type Rank = (Reverse<(Severity, Interest, Confidence)>, u64);

/// How much a finding tells of the connection's fate, for those of one severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Interest {
    /// About the recording.
    Capture,
    /// About what went on while it was open.
    Transfer,
    /// About how it opened or ended.
    Fate,
}

impl Interest {
    fn of(group: Group) -> Self {
        match group {
            Group::Capture => Self::Capture,
            Group::Transfer => Self::Transfer,
            Group::Handshake | Group::Teardown | Group::AfterClose | Group::Reset | Group::Population => Self::Fate,
        }
    }
}

/// What a line says, which is put into words when it is printed: millions may wait for that.
#[derive(Debug)]
struct Row {
    stream: u64,
    client: Endpoint,
    server: Endpoint,
    start: Timestamp,
    duration_ns: i64,
    payload_bytes: Sides<u64>,
    /// The last ones.
    states: Sides<Option<State>>,
    ending: Box<str>,
    /// How often each occurs, the worst first.
    findings: Box<[(Severity, &'static str, u64)]>,
}

impl Table {
    /// An empty table.
    pub fn new(rows: Rows) -> Self {
        Self { rows, seen: 0, with_findings: 0, first: Vec::new(), worst: BTreeMap::new(), least: None }
    }

    /// Most connections are only counted.
    pub fn shows_few(&self) -> bool {
        self.rows == Rows::Few
    }

    /// Takes in one connection.
    pub fn connection(&mut self, verdict: &Verdict) {
        let gist = verdict.gist();
        if self.is_among_first() {
            self.first.push(Row::of(verdict));
        }
        if let Some(rank) = self.rank_to_show(&gist) {
            if self.worst.len() == ROWS_MAX {
                self.worst.pop_last();
            }
            self.worst.insert(rank, Row::of(verdict));
            let last = self.worst.last_key_value().filter(|_| self.worst.len() == ROWS_MAX);
            self.least = last.map(|(rank, _)| *rank);
        }
        self.count(&gist);
    }

    /// Counts a connection that is not shown.
    pub fn count(&mut self, gist: &Gist<'_>) {
        self.seen += 1;
        self.with_findings += u64::from(!gist.findings.is_empty());
    }

    /// The connection would get a row.
    pub fn would_show(&self, gist: &Gist<'_>) -> bool {
        self.is_among_first() || self.rank_to_show(gist).is_some()
    }

    fn is_among_first(&self) -> bool {
        self.rows == Rows::All || self.first.len() < ROWS_MAX
    }

    /// Its place among the worst; none when it is not one of them.
    fn rank_to_show(&self, gist: &Gist<'_>) -> Option<Rank> {
        let weigh = |finding: &Finding| (finding.severity, Interest::of(finding.group), finding.confidence);
        let worst = gist.findings.iter().map(weigh).max().filter(|_| self.rows == Rows::Few)?;
        let rank = (Reverse(worst), gist.stream);
        self.least.is_none_or(|least| least >= rank).then_some(rank)
    }

    /// Prints the table and how to see what it leaves out.
    pub fn write(&mut self, out: &mut impl Write, canvas: &Canvas, again: Option<&str>) -> io::Result<()> {
        let all = self.rows == Rows::All || self.seen <= ROWS_MAX as u64;
        let mut rows: Vec<&Row> = if all { self.first.iter().collect() } else { self.worst.values().collect() };
        let worst = self.worst.values().next().or(rows.first().copied()).map(|row| row.stream);
        rows.sort_by_key(|row| row.stream);
        let paint = canvas.palette;
        let title = match (all, rows.len() as u64) {
            (true, shown) => format!("CONNECTIONS: {}", count(shown)),
            (false, 0) => format!("CONNECTIONS: none of {} has findings", count(self.seen)),
            (false, shown) if shown == self.with_findings => {
                format!("CONNECTIONS: the {} with findings, of {}", count(shown), count(self.seen))
            }
            (false, shown) => format!(
                "CONNECTIONS: the worst {} of {} with findings, of {}",
                count(shown),
                count(self.with_findings),
                count(self.seen)
            ),
        };
        writeln!(out, "\n{}", paint.paint(Role::Heading, title))?;
        if !rows.is_empty() {
            Grid::fit(&rows, canvas).write(out, canvas, &rows)?;
        }
        let Some(again) = again else { return Ok(()) };
        let mut hints = Vec::new();
        if !all {
            let lead = format!("All {}", counted(self.seen, "connection"));
            hints.push(hint(&lead, &format!("lastack read {again} --all"), canvas.width));
        }
        if let Some(stream) = worst {
            hints.push(hint("One in full", &format!("lastack show {again} --stream {stream}"), canvas.width));
        }
        for hint in hints {
            writeln!(out, "{}", paint.paint(Role::Faint, hint))?;
        }
        Ok(())
    }
}

impl Row {
    fn of(verdict: &Verdict) -> Self {
        let mut findings: Vec<(Severity, &'static str, u64)> = Vec::new();
        for finding in &verdict.findings {
            match findings.iter_mut().find(|(_, name, _)| *name == finding.name) {
                Some((_, _, times)) => *times += 1,
                None => findings.push((finding.severity, finding.name, 1)),
            }
        }
        findings.sort_by_key(|&(severity, ..)| Reverse(severity));
        let Sides { client, server } = &verdict.endpoints;
        let last = |end: &EndpointView| end.states.last().map(|step| step.state);
        Self {
            stream: verdict.stream,
            client: verdict.client,
            server: verdict.server,
            start: verdict.start,
            duration_ns: verdict.end.since(verdict.start),
            payload_bytes: Sides { client: client.payload_bytes, server: server.payload_bytes },
            states: Sides { client: last(client), server: last(server) },
            ending: ending(verdict).into_boxed_str(),
            findings: findings.into_boxed_slice(),
        }
    }

    /// The names of its findings.
    fn names(&self) -> impl ExactSizeIterator<Item = (Severity, Cow<'static, str>)> {
        self.findings.iter().map(|&(severity, name, times)| {
            (severity, if times == 1 { Cow::Borrowed(name) } else { format!("{name} ×{times}").into() })
        })
    }

    /// Columns that the names of all findings take.
    fn findings_width(&self) -> usize {
        self.names().map(|(_, name)| columns(&name) + 2).sum::<usize>().saturating_sub(2)
    }

    /// Columns that the name of the worst finding and the number of the others take.
    fn findings_width_min(&self) -> usize {
        let mut names = self.names();
        let first = names.next().map_or(0, |(_, name)| columns(&name));
        first + if names.len() == 0 { 0 } else { columns(&more(names.len())) }
    }

    fn cell(&self, column: Column, canvas: &Canvas) -> String {
        match column {
            Column::Stream => self.stream.to_string(),
            Column::Client => self.client.to_string(),
            Column::Server => self.server.to_string(),
            Column::Start => canvas.clock.time(self.start),
            Column::Duration => duration(self.duration_ns),
            Column::Sent => octets(self.payload_bytes.client),
            Column::Received => octets(self.payload_bytes.server),
            Column::States => {
                let last = |state: Option<State>| state.map_or("?", State::name);
                format!("{} / {}", last(self.states.client), last(self.states.server))
            }
            Column::Ending => self.ending.to_string(),
        }
    }
}

/// The columns before the findings, in the order of printing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Stream,
    Client,
    Server,
    Start,
    Duration,
    Sent,
    Received,
    Ending,
    States,
}

impl Column {
    const ALL: [Column; 9] = [
        Column::Stream,
        Column::Client,
        Column::Server,
        Column::Start,
        Column::Duration,
        Column::Sent,
        Column::Received,
        Column::Ending,
        Column::States,
    ];

    /// What goes when the canvas is narrow, the first one first; what is not named here always stays.
    const DISPENSABLE: [Column; 5] = [Column::Start, Column::States, Column::Received, Column::Sent, Column::Duration];

    fn title(self) -> &'static str {
        match self {
            Column::Stream => "stream",
            Column::Client => "client",
            Column::Server => "server",
            Column::Start => "start",
            Column::Duration => "lasted",
            Column::Sent => "client sent",
            Column::Received => "server sent",
            Column::States => "last states",
            Column::Ending => "ended",
        }
    }

    fn is_number(self) -> bool {
        matches!(self, Column::Stream | Column::Duration | Column::Sent | Column::Received)
    }
}

/// The columns that fit and their widths.
#[derive(Debug)]
struct Grid {
    columns: Vec<(Column, usize)>,
    /// Columns left for the findings; none when they go below their row.
    findings: Option<usize>,
}

impl Grid {
    fn fit(rows: &[&Row], canvas: &Canvas) -> Self {
        let natural = |column: Column| {
            rows.iter()
                .map(|row| columns(&row.cell(column, canvas)))
                .chain([columns(column.title())])
                .max()
                .unwrap_or_default()
        };
        let mut chosen: Vec<(Column, usize)> =
            Column::ALL.into_iter().map(|column| (column, natural(column))).collect();
        let used = |chosen: &[(Column, usize)]| chosen.iter().map(|(_, width)| width + GAP).sum::<usize>();
        let widest = |width: fn(&Row) -> usize| rows.iter().map(|row| width(row)).max().unwrap_or_default();
        let all_findings = widest(Row::findings_width).max(columns("findings"));
        let one_finding = widest(Row::findings_width_min).max(columns("findings"));
        for dispensable in Column::DISPENSABLE {
            if used(&chosen) + all_findings > canvas.width {
                chosen.retain(|&(column, _)| column != dispensable);
            }
        }
        if used(&chosen) + one_finding <= canvas.width {
            let rest = canvas.width - used(&chosen);
            return Self { columns: chosen, findings: Some(rest) };
        }
        let excess = used(&chosen).saturating_sub(GAP).saturating_sub(canvas.width);
        for (column, width) in &mut chosen {
            if matches!(column, Column::Client | Column::Server) {
                *width = width.saturating_sub(excess.div_ceil(2)).max(8);
            }
        }
        Self { columns: chosen, findings: None }
    }

    fn write(&self, out: &mut impl Write, canvas: &Canvas, rows: &[&Row]) -> io::Result<()> {
        let paint = canvas.palette;
        let mut head = self.line(|column, width| align(column, column.title(), width));
        if self.findings.is_some() {
            head.push_str(&format!("{}findings", " ".repeat(GAP)));
        }
        writeln!(out, "{}", paint.paint(Role::Faint, head.trim_end()))?;
        for row in rows {
            let line = self.line(|column, width| align(column, &row.cell(column, canvas), width));
            match self.findings {
                _ if row.findings.is_empty() => writeln!(out, "{}", line.trim_end())?,
                Some(width) => writeln!(out, "{line}{}{}", " ".repeat(GAP), beside(row, width, canvas))?,
                None => {
                    writeln!(out, "{}", line.trim_end())?;
                    let indent = self.columns.first().map_or(0, |(_, width)| width + GAP);
                    let names: Vec<_> = row.names().map(|(_, name)| name).collect();
                    for line in wrap(&names.join(", "), canvas.width - indent) {
                        let role = Role::from(row.findings[0].0);
                        writeln!(out, "{}{}", " ".repeat(indent), paint.paint(role, line))?;
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&self, cell: impl Fn(Column, usize) -> String) -> String {
        let cells: Vec<String> = self.columns.iter().map(|&(column, width)| cell(column, width)).collect();
        cells.join(&" ".repeat(GAP))
    }
}

fn align(column: Column, text: &str, width: usize) -> String {
    if column.is_number() { right(text, width) } else { left(&clip_middle(text, width), width) }
}

/// As many names of findings as fit, and how many more there are.
fn beside(row: &Row, width: usize, canvas: &Canvas) -> String {
    let mut shown = String::new();
    let mut used = 0;
    for (at, (severity, name)) in row.names().enumerate() {
        let rest = row.findings.len() - at - 1;
        let lead = if at == 0 { "" } else { ", " };
        let reserved = if rest == 0 { 0 } else { columns(&more(rest)) };
        if at > 0 && used + columns(lead) + columns(&name) + reserved > width {
            shown.push_str(&more(rest + 1));
            break;
        }
        let name = clip(&name, width.saturating_sub(reserved));
        used += columns(lead) + columns(&name);
        shown.push_str(lead);
        shown.push_str(&canvas.palette.paint(Role::from(severity), name).to_string());
    }
    shown
}

/// So many findings are not named.
fn more(count: usize) -> String {
    format!(" +{count}")
}
