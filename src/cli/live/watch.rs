//! Findings before their connections end, and the states that sockets are in now.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;

use super::across::Across;
use super::shared::Shared;
use crate::analysis::Analysis;
use crate::base::{Endpoint, Side};
use crate::connection::{Connection, State};
use crate::finding::{Confidence, Finding, Verdict};
use crate::report::{CaptureRecord, FindingEvent, LateRecord, PopulationFinding, Sink, Summary};
use crate::segment::{Flags, Item};

/// A connection that opened, closed or was reset is looked at when nothing of that kind followed for so long: in the middle of
/// a handshake or of a close everything looks broken.
const SETTLED: Duration = Duration::from_millis(300);

/// Connections that wait to be looked at. Beyond it they wait for the round.
const WAITING_MAX: usize = 1 << 16;

/// Places of the table that the round comes past in one tick: some milliseconds' work.
const ROUND_STEP: usize = 1_000;

/// A round begins so long after the one before at the earliest: who has few connections looks at each once a second.
const ROUND_EVERY: Duration = Duration::from_secs(1);

/// Said of nearly every connection of a running interface: that frames are cut where the user wanted them cut, and that one
/// has not ended yet.
const NO_NEWS: [&str; 2] = ["snaplen-cut", "ended-early"];

/// The findings of `verdict` that are worth a word before its record comes: what is likely because of what has not come yet may be
/// gone a moment later, unless both sockets are.
pub fn settled(verdict: &Verdict) -> impl Iterator<Item = &Finding> {
    let is_over = Side::BOTH.iter().all(|&side| verdict.endpoints[side].final_state() == State::Closed);
    let is_likely = move |finding: &Finding| is_over || finding.confidence > Confidence::Low;
    verdict.findings.iter().filter(move |finding| is_news(finding) && is_likely(finding))
}

fn is_news(finding: &Finding) -> bool {
    !NO_NEWS.contains(&finding.name)
}

/// Which findings have been told of connections that still live.
#[derive(Clone, Debug, Default)]
pub struct Told {
    of: HashMap<u64, Vec<(&'static str, Option<Side>)>, RandomState>,
    /// What was told since somebody last asked.
    fired: BTreeSet<&'static str>,
}

impl Told {
    /// Whether `finding` is news of `stream`; from then on it is not.
    fn is_new(&mut self, stream: u64, finding: &Finding) -> bool {
        let told = self.of.entry(stream).or_default();
        let known = told.contains(&(finding.name, finding.endpoint));
        if !known {
            told.push((finding.name, finding.endpoint));
            self.fired.insert(finding.name);
        }
        !known
    }

    /// The names of findings that were told since the last call: as many as the catalogue has at most.
    pub fn take_fired(&mut self) -> BTreeSet<&'static str> {
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
        self.told.with(|told| told.fired.extend(late.findings.iter().map(|finding| finding.name)));
        self.inner.late(late)
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.inner.population(finding)
    }

    fn event(&mut self, event: &FindingEvent) -> io::Result<()> {
        self.inner.event(event)
    }

    fn population_event(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.inner.population_event(finding)
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
    /// How far the round through all connections is; none between two of them.
    round_at: Option<usize>,
    /// When the round began.
    round_begun: Instant,
    across: Across,
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
    /// The round has come past every connection. Across them `standing` holds now, the gravest first.
    fn round(&mut self, _standing: &[PopulationFinding]) {}
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
    /// Has seen nothing yet, and it is `now`.
    pub fn new(told: Shared<Told>, now: Instant) -> Self {
        Self {
            told,
            waiting: HashMap::default(),
            queue: VecDeque::new(),
            round_at: Some(0),
            round_begun: now,
            across: Across::new(now),
            now,
        }
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

    /// Looks at what has settled and goes on with the round; it is `now`. Events go to `sink`, if there is one.
    ///
    /// # Errors
    /// Those of `sink`.
    pub fn tick(
        &mut self,
        now: Instant,
        analysis: &Analysis<'_>,
        mut sink: Option<&mut dyn Sink>,
        looker: &mut dyn Looker,
    ) -> io::Result<()> {
        self.now = now;
        self.look_at_settled(analysis, &mut sink, looker)?;
        self.go_round(analysis, &mut sink, looker)
    }

    fn look_at_settled(
        &mut self,
        analysis: &Analysis<'_>,
        sink: &mut Option<&mut dyn Sink>,
        looker: &mut dyn Looker,
    ) -> io::Result<()> {
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
                let verdict = analysis.judge(&connection);
                looker.connection(&connection, &verdict, Turn::Changed);
                self.tell(&verdict, sink)?;
            }
        }
        Ok(())
    }

    fn go_round(
        &mut self,
        analysis: &Analysis<'_>,
        sink: &mut Option<&mut dyn Sink>,
        looker: &mut dyn Looker,
    ) -> io::Result<()> {
        let at = match self.round_at {
            Some(at) => at,
            None if self.now.duration_since(self.round_begun) >= ROUND_EVERY => {
                self.round_begun = self.now;
                0
            }
            None => return Ok(()),
        };
        let mut told = Ok(());
        self.round_at = analysis.table().show(at, ROUND_STEP, |connection| {
            let verdict = analysis.judge_among(connection, self.across.counting(analysis));
            looker.connection(connection, &verdict, Turn::Round);
            // What is in the middle of something is counted, and told when it has settled.
            if told.is_ok() && !self.waiting.contains_key(&ends(connection.client, connection.server)) {
                told = self.tell(&verdict, sink);
            }
        });
        told?;
        let news = match self.round_at {
            Some(_) => self.across.part(self.now, analysis),
            None => {
                let news = self.across.round(self.now, analysis);
                looker.round(self.across.standing());
                news
            }
        };
        for found in news {
            self.told.with(|told| told.fired.insert(found.name));
            if let Some(sink) = sink {
                sink.population_event(&found)?;
            }
        }
        Ok(())
    }

    /// Tells what is news of a connection.
    fn tell(&self, verdict: &Verdict, sink: &mut Option<&mut dyn Sink>) -> io::Result<()> {
        for finding in settled(verdict) {
            if self.told.with(|told| told.is_new(verdict.stream, finding))
                && let Some(sink) = sink
            {
                sink.event(&event(verdict, finding))?;
            }
        }
        Ok(())
    }
}
