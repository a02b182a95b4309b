//! Findings before their connections end, and the states that sockets are in now.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::shared::Shared;
use crate::analysis::Analysis;
use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::Connection;
use crate::finding::{Confidence, Finding, Verdict};
use crate::report::{CaptureRecord, FindingEvent, LateRecord, PopulationFinding, Sink, Summary};
use crate::segment::{Flags, Item};

/// A connection that opened, closed or was reset is looked at when nothing of that kind followed for so long: in the middle of
/// a handshake or of a close everything looks broken.
const SETTLED: Duration = Duration::from_millis(300);

/// Connections that wait to be looked at. Beyond it they wait for the round.
const WAITING_MAX: usize = 1 << 16;

/// Connections of the round that are looked at in one tick: some milliseconds' work.
const ROUND_STEP: usize = 1_000;

/// Findings that fired and that nobody has asked for yet.
const FIRED_MAX: usize = 1_024;

/// Said of nearly every connection of a running interface: that frames are cut where the user wanted them cut, and that one
/// has not ended yet.
const NO_NEWS: [&str; 2] = ["snaplen-cut", "ended-early"];

/// Whether `finding` is worth a word while its connection lives: what is likely because of what has not come yet may be gone
/// a moment later.
pub fn is_settled(finding: &Finding) -> bool {
    is_news(finding) && finding.confidence > Confidence::Low
}

fn is_news(finding: &Finding) -> bool {
    !NO_NEWS.contains(&finding.name)
}

/// Which findings have been told of connections that still live.
#[derive(Debug, Default)]
pub struct Told {
    of: HashMap<u64, Vec<(&'static str, Option<Side>)>, RandomState>,
    /// What was told since somebody last asked.
    fired: Vec<(Timestamp, &'static str)>,
}

impl Told {
    /// Whether `finding` is news of `stream`; from then on it is not.
    fn is_new(&mut self, stream: u64, finding: &Finding) -> bool {
        let told = self.of.entry(stream).or_default();
        let known = told.contains(&(finding.name, finding.endpoint));
        if !known {
            told.push((finding.name, finding.endpoint));
            self.fire(finding);
        }
        !known
    }

    fn fire(&mut self, finding: &Finding) {
        if self.fired.len() < FIRED_MAX {
            self.fired.push((finding.time, finding.name));
        }
    }

    /// The findings that were told since the last call.
    pub fn take_fired(&mut self) -> Vec<(Timestamp, &'static str)> {
        std::mem::take(&mut self.fired)
    }
}

/// A sink that tells of findings that were not told before the connection's record came.
pub struct Telling<S> {
    inner: S,
    told: Shared<Told>,
    events: Events,
}

/// Whether findings are told before the records of their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// They are.
    Told,
    /// They are only noticed, for a trigger or the view.
    Noticed,
}

impl<S: Sink> Telling<S> {
    /// Tells `inner`, also of findings that were not told before the end where `events` are wanted.
    pub fn new(inner: S, told: Shared<Told>, events: Events) -> Self {
        Self { inner, told, events }
    }
}

impl<S: Sink> Sink for Telling<S> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.inner.capture(capture)
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        for finding in verdict.findings.iter().filter(|finding| is_news(finding)) {
            if self.told.with(|told| told.is_new(verdict.stream, finding)) && self.events == Events::Told {
                self.inner.event(&event(verdict, finding))?;
            }
        }
        self.told.with(|told| told.of.remove(&verdict.stream));
        self.inner.connection(verdict)
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.told.with(|told| late.findings.iter().for_each(|finding| told.fire(finding)));
        self.inner.late(late)
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.inner.population(finding)
    }

    fn event(&mut self, event: &FindingEvent) -> io::Result<()> {
        self.inner.event(event)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.inner.summary(summary)
    }
}

fn event(verdict: &Verdict, finding: &Finding) -> FindingEvent {
    let Verdict { stream, client, server, .. } = *verdict;
    FindingEvent { stream, client, server, finding: finding.clone() }
}

/// Looks at connections while they live.
pub struct Watcher {
    told: Shared<Told>,
    /// Opened, closed or reset since they were last looked at, with the time of the last such segment.
    waiting: HashMap<Ends, Instant, RandomState>,
    /// The same in the order of coming.
    queue: VecDeque<(Instant, Ends)>,
    /// How far the round through all connections is.
    round_at: usize,
    now: Instant,
}

/// A four-tuple, the same for both directions.
type Ends = (Endpoint, Endpoint);

fn ends(a: Endpoint, b: Endpoint) -> Ends {
    (a.min(b), a.max(b))
}

/// Whom the watcher tells what it saw.
pub trait Looker {
    /// A connection as it is now.
    fn connection(&mut self, connection: &Connection, verdict: &Verdict, turn: Turn);
    /// The round has come past every connection.
    fn round(&mut self) {}
}

/// Nobody.
impl Looker for () {
    fn connection(&mut self, _: &Connection, _: &Verdict, _: Turn) {}
}

/// Why a connection is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It opened, closed or was reset.
    Changed,
    /// The round has come to it; each once in a round.
    Round,
}

impl Watcher {
    /// Has seen nothing yet.
    pub fn new(told: Shared<Told>) -> Self {
        Self { told, waiting: HashMap::default(), queue: VecDeque::new(), round_at: 0, now: Instant::now() }
    }

    /// Takes in what a frame held.
    pub fn note(&mut self, items: &[Item]) {
        for item in items {
            let (a, b) = match item {
                Item::Segment(segment) if segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST) => {
                    (segment.source, segment.destination)
                }
                Item::IcmpError(error) => (error.source, error.destination),
                Item::Segment(_) => continue,
            };
            let ends = ends(a, b);
            if let Some(last) = self.waiting.get_mut(&ends) {
                *last = self.now;
            } else if self.waiting.len() < WAITING_MAX {
                self.waiting.insert(ends, self.now);
                self.queue.push_back((self.now, ends));
            }
        }
    }

    /// Looks at what has settled and goes on with the round. Events go to `sink`, if there is one.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn tick(
        &mut self,
        analysis: &Analysis<'_>,
        mut sink: Option<&mut dyn Sink>,
        looker: &mut dyn Looker,
    ) -> io::Result<()> {
        self.now = Instant::now();
        while let Some(&(since, ends)) = self.queue.front() {
            if self.now.duration_since(since) < SETTLED {
                break;
            }
            self.queue.pop_front();
            let Some(&last) = self.waiting.get(&ends) else { continue };
            if self.now.duration_since(last) < SETTLED {
                self.queue.push_back((last, ends));
                continue;
            }
            self.waiting.remove(&ends);
            if let Some(connection) = analysis.table().between(ends.0, ends.1) {
                self.look(analysis, &connection, Turn::Changed, &mut sink, looker)?;
            }
        }
        let step: Vec<Cow<'_, Connection>> =
            analysis.table().connections().skip(self.round_at).take(ROUND_STEP).collect();
        for connection in &step {
            // What is in the middle of something is counted, and judged when it has settled.
            if self.waiting.contains_key(&ends(connection.client, connection.server)) {
                looker.connection(connection, &analysis.judge(connection), Turn::Round);
            } else {
                self.look(analysis, connection, Turn::Round, &mut sink, looker)?;
            }
        }
        self.round_at += step.len();
        if step.len() < ROUND_STEP {
            self.round_at = 0;
            looker.round();
        }
        Ok(())
    }

    fn look(
        &self,
        analysis: &Analysis<'_>,
        connection: &Connection,
        turn: Turn,
        sink: &mut Option<&mut dyn Sink>,
        looker: &mut dyn Looker,
    ) -> io::Result<()> {
        let verdict = analysis.judge(connection);
        looker.connection(connection, &verdict, turn);
        for finding in verdict.findings.iter().filter(|finding| is_settled(finding)) {
            if self.told.with(|told| told.is_new(verdict.stream, finding))
                && let Some(sink) = sink
            {
                sink.event(&event(&verdict, finding))?;
            }
        }
        Ok(())
    }
}
