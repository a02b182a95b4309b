//! What the view shows, as plain values: fed by the analysis, drawn by [`super::draw`], changed by [`super::keys`].

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::base::{Endpoint, Side, Sides, Timestamp};
use crate::cli::live::shared::Shared;
use crate::cli::live::watch::{Looker, Turn, settled};
use crate::connection::{Connection, State};
use crate::finding::{Finding, Severity, Verdict};
use crate::report::{CaptureRecord, FindingEvent, LateRecord, PopulationFinding, Sink, Summary};
use crate::segment::{Item, Segment};
use crate::source::live::Counters;

/// Seconds of the trends.
pub const TREND_SECONDS: usize = 60;
/// Findings kept for the list, the newest.
const FINDINGS_MAX: usize = 200;
/// Findings across connections kept, the gravest.
const STANDING_MAX: usize = 4_096;
/// Connections in the table.
const ROWS_MAX: usize = 20_000;
/// Of these, connections that have ended, the newest.
const ENDED_MAX: usize = 1_000;
/// Segments kept for ladders, the newest of all connections.
const SEGMENTS_MAX: usize = 50_000;

/// One connection of the table.
#[derive(Clone, Debug)]
pub struct Row {
    pub stream: u64,
    pub client: Endpoint,
    pub server: Endpoint,
    pub states: Sides<State>,
    pub bytes: u64,
    pub worst: Option<(Severity, &'static str)>,
    pub life: Life,
}

/// Whether a connection is still tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    GoesOn,
    Over,
}

/// One entry of the list of findings.
#[derive(Clone, Debug)]
pub struct Told {
    pub time: Timestamp,
    /// Its connection; none for what shows across several.
    pub stream: Option<u64>,
    pub name: &'static str,
    pub severity: Severity,
    pub message: String,
}

/// What is counted once a second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub frames: u64,
    pub opened: u64,
    pub time_wait: u64,
    pub close_wait: u64,
    pub ports: u64,
}

/// The sockets of one round through all connections.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// How many ends are in each state, in the order of [`State::ALL`].
    pub states: Sides<[u64; State::ALL.len()]>,
    /// Connections that are over at both ends and still tracked, since more may come of them.
    pub over: u64,
    /// Client ports in use toward one server, of the fullest pair.
    pub ports: u64,
    pub fullest: Option<(IpAddr, Endpoint)>,
    toward: HashMap<(IpAddr, Endpoint), u64, RandomState>,
}

impl Census {
    /// Ends in `state`, of clients and servers.
    pub fn of(&self, state: State) -> Sides<u64> {
        let at = State::ALL.iter().position(|other| *other == state).unwrap_or(0);
        Sides { client: self.states.client[at], server: self.states.server[at] }
    }

    fn count(&mut self, client: Endpoint, server: Endpoint, states: Sides<State>) {
        for side in Side::BOTH {
            if let Some(at) = State::ALL.iter().position(|state| *state == states[side]) {
                self.states[side][at] += 1;
            }
        }
        self.over += u64::from(Side::BOTH.iter().all(|&side| states[side] == State::Closed));
        // A port that the client has left is free, whatever the server still holds.
        if states.client != State::Closed {
            let ports = self.toward.entry((client.ip, server)).or_default();
            *ports += 1;
            if *ports > self.ports {
                self.ports = *ports;
                self.fullest = Some((client.ip, server));
            }
        }
    }
}

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    Newest,
    Findings,
    Bytes,
    State,
}

impl Sort {
    pub const ALL: [Sort; 4] = [Sort::Newest, Sort::Findings, Sort::Bytes, Sort::State];

    pub const fn name(self) -> &'static str {
        match self {
            Sort::Newest => "newest",
            Sort::Findings => "findings",
            Sort::Bytes => "bytes",
            Sort::State => "state",
        }
    }
}

/// Which page is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    Overview,
    /// One connection, as lines of text, with the first line shown.
    Ladder {
        stream: u64,
        lines: Vec<String>,
        top: usize,
    },
    /// All findings that are kept, in full, with the first line shown.
    Findings {
        top: usize,
    },
    Help,
}

/// Everything that the view shows.
#[derive(Clone, Debug)]
pub struct Model {
    pub interface: String,
    pub elapsed: Duration,
    pub frames: u64,
    pub counters: Counters,
    pub live: u64,
    pub opened: u64,
    pub ended: u64,
    pub census: Census,
    pub trend: VecDeque<Sample>,
    pub findings: VecDeque<Told>,
    pub finding_count: u64,
    /// What holds across connections now, the gravest first.
    pub standing: Vec<PopulationFinding>,
    pub sort: Sort,
    pub filter: String,
    /// The filter is being typed.
    pub is_typing: bool,
    pub selected: Option<u64>,
    pub is_paused: bool,
    pub page: Page,
    /// The user wants to see this stream in full.
    pub wanted: Option<u64>,
    /// The user wants to end.
    pub is_leaving: bool,
    rows: HashMap<u64, Row, RandomState>,
    /// The streams of connections that have ended, with what was said of them, oldest first.
    over: VecDeque<Verdict>,
    segments: VecDeque<Segment>,
    counting: Census,
    sampled: Totals,
    sampled_at: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    frames: u64,
    opened: u64,
}

impl Model {
    /// Nothing seen yet.
    pub fn new(interface: &str) -> Self {
        Self {
            interface: interface.to_owned(),
            elapsed: Duration::ZERO,
            frames: 0,
            counters: Counters::default(),
            live: 0,
            opened: 0,
            ended: 0,
            census: Census::default(),
            trend: VecDeque::new(),
            findings: VecDeque::new(),
            finding_count: 0,
            standing: Vec::new(),
            sort: Sort::Newest,
            filter: String::new(),
            is_typing: false,
            selected: None,
            is_paused: false,
            page: Page::Overview,
            wanted: None,
            is_leaving: false,
            rows: HashMap::default(),
            over: VecDeque::new(),
            segments: VecDeque::new(),
            counting: Census::default(),
            sampled: Totals::default(),
            sampled_at: Duration::ZERO,
        }
    }

    /// Takes in the totals `elapsed` after the beginning, and a sample for the trends once a second.
    pub fn advance(&mut self, elapsed: Duration, frames: u64, counters: Counters, (opened, live): (u64, u64)) {
        self.elapsed = elapsed;
        (self.frames, self.counters, self.opened, self.live) = (frames, counters, opened, live);
        let since = elapsed.saturating_sub(self.sampled_at);
        if since < Duration::from_secs(1) {
            return;
        }
        let per_second = |now: u64, before: u64| ((now - before) as f64 / since.as_secs_f64()).round() as u64;
        let both = |ends: Sides<u64>| ends.client + ends.server;
        let sample = Sample {
            frames: per_second(frames, self.sampled.frames),
            opened: per_second(opened, self.sampled.opened),
            time_wait: both(self.census.of(State::TimeWait)),
            close_wait: both(self.census.of(State::CloseWait)),
            ports: self.census.ports,
        };
        bounded(&mut self.trend, sample, TREND_SECONDS);
        self.sampled = Totals { frames, opened };
        self.sampled_at = elapsed;
    }

    /// Takes over what the user chose in `other`, a copy of this one that stood still.
    pub fn choose_as(&mut self, other: &Model) {
        (self.sort, self.selected, self.is_typing) = (other.sort, other.selected, other.is_typing);
        (self.is_paused, self.is_leaving) = (other.is_paused, other.is_leaving);
        self.filter.clone_from(&other.filter);
        self.page = other.page.clone();
    }

    /// Keeps the segments of a frame for ladders.
    pub fn keep(&mut self, items: &[Item]) {
        for item in items {
            if let Item::Segment(segment) = item {
                bounded(&mut self.segments, *segment, SEGMENTS_MAX);
            }
        }
    }

    /// The segments kept of the connection between two ends, oldest first.
    pub fn segments_between(&self, client: Endpoint, server: Endpoint) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(move |segment| {
            let ends = (segment.source, segment.destination);
            ends == (client, server) || ends == (server, client)
        })
    }

    /// What was said of a connection that has ended.
    pub fn verdict_of(&self, stream: u64) -> Option<&Verdict> {
        self.over.iter().rev().find(|verdict| verdict.stream == stream)
    }

    /// The row of a stream.
    pub fn row(&self, stream: u64) -> Option<&Row> {
        self.rows.get(&stream)
    }

    /// How many connections the table knows.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// The rows that the filter lets through, in order.
    pub fn shown(&self) -> Vec<&Row> {
        let words: Vec<String> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let mut shown: Vec<&Row> =
            self.rows.values().filter(|row| words.iter().all(|word| row.matches(word))).collect();
        shown.sort_by_key(|row| {
            let first = match self.sort {
                Sort::Newest => 0,
                Sort::Findings => u64::MAX - row.worst.map_or(0, |(severity, _)| severity as u64 + 1),
                Sort::Bytes => u64::MAX - row.bytes,
                Sort::State => row.states.client as u64 * 16 + row.states.server as u64,
            };
            (first, u64::MAX - row.stream)
        });
        shown
    }

    /// Takes in a finding of a stream.
    pub fn find(&mut self, stream: u64, finding: &Finding) {
        let Finding { name, severity, time, .. } = *finding;
        self.list(Told { time, stream: Some(stream), name, severity, message: finding.message.clone() });
    }

    /// Takes in a finding across connections.
    pub fn find_across(&mut self, finding: &PopulationFinding) {
        let PopulationFinding { name, severity, to: time, .. } = *finding;
        self.list(Told { time, stream: None, name, severity, message: finding.message.clone() });
    }

    fn list(&mut self, told: Told) {
        self.finding_count += 1;
        bounded(&mut self.findings, told, FINDINGS_MAX);
    }

    fn put(&mut self, verdict: &Verdict, life: Life) {
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&verdict.stream) {
            return;
        }
        let states =
            Sides { client: verdict.endpoints.client.final_state(), server: verdict.endpoints.server.final_state() };
        let worst = settled(verdict).map(|finding| (finding.severity, finding.name)).max_by_key(|found| found.0);
        let Verdict { stream, client, server, .. } = *verdict;
        let bytes = verdict.endpoints.client.payload_bytes + verdict.endpoints.server.payload_bytes;
        self.rows.insert(stream, Row { stream, client, server, states, bytes, worst, life });
    }

    fn end(&mut self, verdict: &Verdict) {
        self.ended += 1;
        self.put(verdict, Life::Over);
        self.over.push_back(verdict.clone());
        if self.over.len() > ENDED_MAX
            && let Some(oldest) = self.over.pop_front()
        {
            self.rows.remove(&oldest.stream);
        }
    }
}

impl Row {
    /// Something of it begins with `word`, or holds it where it is a name.
    fn matches(&self, word: &str) -> bool {
        let ends = [self.client, self.server];
        let begins = |end: &Endpoint| end.to_string().starts_with(word) || end.ip.to_string().starts_with(word);
        ends.iter().any(|end| begins(end) || end.port.to_string() == word)
            || Side::BOTH.iter().any(|&side| self.states[side].name().to_lowercase().contains(word))
            || self.worst.is_some_and(|(_, name)| name.contains(word))
            || self.stream.to_string() == word
    }
}

impl Model {
    /// Takes in a connection as it is now.
    pub fn see(&mut self, connection: &Connection, verdict: &Verdict, turn: Turn) {
        self.count(connection, verdict, turn);
        self.put(verdict, Life::GoesOn);
    }

    /// Counts the sockets of a connection, once a round.
    fn count(&mut self, connection: &Connection, verdict: &Verdict, turn: Turn) {
        if turn == Turn::Round {
            let [client, server] = Side::BOTH.map(|side| verdict.endpoints[side].final_state());
            self.counting.count(connection.client, connection.server, Sides { client, server });
        }
    }

    /// Every connection was seen, and `standing` holds across them.
    pub fn round(&mut self, standing: &[PopulationFinding]) {
        self.census = std::mem::take(&mut self.counting);
        self.standing.clear();
        self.standing.extend_from_slice(&standing[..standing.len().min(STANDING_MAX)]);
    }
}

impl Looker for Feed {
    fn connection(&mut self, connection: &Connection, verdict: &Verdict, turn: Turn) {
        self.0.with(|model| model.see(connection, verdict, turn));
    }

    fn round(&mut self, standing: &[PopulationFinding]) {
        self.0.with(|model| model.round(standing));
    }
}

/// Feeds a model with nothing but how many sockets there are.
pub struct Tally(pub Shared<Model>);

impl Looker for Tally {
    fn connection(&mut self, connection: &Connection, verdict: &Verdict, turn: Turn) {
        self.0.with(|model| model.count(connection, verdict, turn));
    }

    fn round(&mut self, standing: &[PopulationFinding]) {
        self.0.with(|model| model.round(standing));
    }
}

/// Feeds a model with what the analysis reports.
#[derive(Clone)]
pub struct Feed(pub Shared<Model>);

impl Sink for Feed {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.0.with(|model| model.end(verdict));
        Ok(())
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.0.with(|model| late.findings.iter().for_each(|finding| model.find(late.stream, finding)));
        Ok(())
    }

    // What holds comes with each round; the last word with the end, when nobody looks at the view any more.
    fn population(&mut self, _: &PopulationFinding) -> io::Result<()> {
        Ok(())
    }

    fn event(&mut self, event: &FindingEvent) -> io::Result<()> {
        self.0.with(|model| model.find(event.stream, &event.finding));
        Ok(())
    }

    fn population_event(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.0.with(|model| model.find_across(finding));
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

fn bounded<T>(queue: &mut VecDeque<T>, value: T, most: usize) {
    if queue.len() == most {
        queue.pop_front();
    }
    queue.push_back(value);
}
