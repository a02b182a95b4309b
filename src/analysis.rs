//! The only wiring: source to decoder to table to finding to report. The file to read second.

use std::io;
use std::ops::ControlFlow;

use crate::base::{Endpoint, Timestamp};
use crate::connection::{Connection, Lifecycle, Profile};
use crate::decode::{Decoder, FrameKind, Item};
use crate::finding::{self, Loss, Losses, PopulationThresholds, Verdict};
use crate::policy::Policy;
use crate::population::{Departure, INTERVAL_NS, Moment, Population, SocketTable};
use crate::report::{CaptureRecord, InterfaceCounts, LateRecord, SegmentLog, Sink, Summary, counted};
use crate::segment::{IcmpError, Marks, Segment};
use crate::source::{CaptureFilter, CaptureSet, Frame, Source, SourceError};
use crate::table::{Entry, Limits, Locator, Past, Table};

/// What the user can choose about the analysis itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Timer constants.
    pub profile: Profile,
    /// How much is kept.
    pub limits: Limits,
    /// Keep the segments of this stream, for a ladder.
    pub watch: Option<u64>,
    /// Which findings are told and how much they weigh.
    pub policy: Policy,
    /// List the sockets of this moment.
    pub moment: Option<Moment>,
    /// Length of the intervals in which sockets are counted, ns, if not [`INTERVAL_NS`]; they grow when there are too many.
    pub interval_ns: Option<i64>,
}

/// How many frames pass between two looks at the observer.
const OBSERVE_EVERY: u64 = 4_096;

/// Decides which frames are analysed.
pub trait Filter {
    /// Whether `frame` passes.
    fn passes(&mut self, frame: &Frame<'_>) -> bool;
}

impl Filter for CaptureFilter {
    fn passes(&mut self, frame: &Frame<'_>) -> bool {
        CaptureFilter::passes(self, frame)
    }
}

/// Watches the analysis from outside: progress, and the wish to stop.
pub trait Observer {
    /// Called every few thousand frames.
    fn look(&mut self, view: &View<'_>) -> ControlFlow<()>;
}

/// Nobody watches.
impl Observer for () {
    fn look(&mut self, _: &View<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// What an observer sees.
pub struct View<'a> {
    /// The input.
    pub source: &'a CaptureSet,
    /// Frames read.
    pub frames: u64,
    /// Streams numbered so far.
    pub streams: u64,
}

/// What came of an analysis.
#[derive(Debug)]
pub struct Outcome {
    /// The totals.
    pub summary: Summary,
    /// Why reading stopped before the end; everything up to there has been reported.
    pub source_error: Option<SourceError>,
    /// The observer wanted to stop.
    pub interrupted: bool,
    /// Streams numbered: every connection, and what ICMP errors quote of others.
    pub streams: u64,
    /// The segments of the watched stream.
    pub watched: SegmentLog,
    /// The sockets of all connections over time.
    pub population: Population,
    /// The sockets of the moment that was asked for.
    pub sockets: Option<SocketTable>,
}

/// Reads `source` to its end and reports to `sink`.
///
/// # Errors
/// Only the sink's: input errors are part of the outcome, since what was read until then is reported all the same.
pub fn analyse(
    source: &mut CaptureSet,
    options: &Options,
    filter: Option<&mut dyn Filter>,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Outcome> {
    let mut analysis = Analysis::new(options, sink);
    let mut decoder = Decoder::default();
    let (source_error, interrupted) = analysis.read(source, &mut decoder, filter, observer)?;
    let truncated = source_error.is_some() || interrupted;
    analysis.account_for(source, &decoder);
    let streams = analysis.table.streams();
    let Finished { summary, watched, population, sockets } = analysis.finish(truncated)?;
    Ok(Outcome { summary, source_error, interrupted, streams, watched, population, sockets })
}

/// Tracks segments in order and reports on them: the part of the analysis behind the decoder.
pub struct Analysis<'a> {
    table: Table,
    reporter: Reporter<'a>,
    watch: Option<u64>,
    watched: SegmentLog,
    announced: bool,
}

/// What an analysis holds at its end.
#[derive(Debug)]
pub struct Finished {
    /// The totals.
    pub summary: Summary,
    /// The segments of the watched stream.
    pub watched: SegmentLog,
    /// The sockets of all connections over time.
    pub population: Population,
    /// The sockets of the moment that was asked for.
    pub sockets: Option<SocketTable>,
}

/// Diagnoses what leaves the table and tells the sink.
struct Reporter<'a> {
    sink: &'a mut dyn Sink,
    profile: Profile,
    policy: Policy,
    horizon: Timestamp,
    summary: Summary,
    population: Population,
    sockets: Option<SocketTable>,
    losses: Losses,
    /// Why the sink could not take a record; it gets no more.
    failure: Option<io::Error>,
}

impl<'a> Analysis<'a> {
    /// Nothing seen yet.
    pub fn new(options: &Options, sink: &'a mut dyn Sink) -> Self {
        Self {
            table: Table::new(options.limits, options.profile),
            reporter: Reporter {
                sink,
                profile: options.profile,
                policy: options.policy.clone(),
                horizon: Timestamp(i64::MIN),
                summary: Summary::default(),
                population: Population::new(options.profile, options.interval_ns.unwrap_or(INTERVAL_NS)),
                sockets: options.moment.map(SocketTable::new),
                losses: Losses::default(),
                failure: None,
            },
            watch: options.watch,
            watched: SegmentLog::default(),
            announced: false,
        }
    }

    /// Says what is read. Must come before the first segment.
    pub fn begin(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.announced = true;
        self.reporter.sink.capture(capture)
    }

    fn read(
        &mut self,
        source: &mut CaptureSet,
        decoder: &mut Decoder,
        mut filter: Option<&mut dyn Filter>,
        observer: &mut dyn Observer,
    ) -> io::Result<(Option<SourceError>, bool)> {
        let mut items: Vec<Item> = Vec::new();
        let mut source_error = None;
        loop {
            let frame = match source.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    source_error = Some(error);
                    break;
                }
            };
            let passes = filter.as_mut().is_none_or(|filter| filter.passes(&frame));
            let kind = passes.then(|| decoder.decode(&frame, |item| items.push(*item)));
            let time = frame.time;
            self.count_frame(kind);
            self.announce(source)?;
            if let Some(sockets) = &mut self.reporter.sockets {
                sockets.before(self.reporter.summary.frames, time, &self.table);
            }
            if kind.is_some() {
                self.advance(time)?;
            }
            self.take(&mut items)?;
            if self.reporter.summary.frames.is_multiple_of(OBSERVE_EVERY) {
                let view = View { source, frames: self.reporter.summary.frames, streams: self.table.streams() };
                if observer.look(&view).is_break() {
                    return Ok((None, true));
                }
            }
        }
        self.announce(source)?;
        decoder.finish(|item| items.push(*item));
        self.take(&mut items)?;
        Ok((source_error, false))
    }

    /// Takes what a frame held, and leaves `items` empty.
    pub fn take(&mut self, items: &mut Vec<Item>) -> io::Result<()> {
        for item in items.drain(..) {
            match item {
                Item::Segment(segment) => self.segment(&segment)?,
                Item::IcmpError(error) => self.icmp_error(&error)?,
            }
        }
        Ok(())
    }

    /// The capture record, once: after the first frame, when the headers have been read.
    fn announce(&mut self, source: &CaptureSet) -> io::Result<()> {
        if self.announced {
            return Ok(());
        }
        let capture = CaptureRecord {
            files: source.files().iter().map(|file| file.name.clone()).collect(),
            format: source.format().to_owned(),
            link_types: source.link_types(),
        };
        self.begin(&capture)
    }

    /// Counts a frame by what it was; none when a filter kept it from the decoder.
    pub fn count_frame(&mut self, kind: Option<FrameKind>) {
        self.reporter.summary.frames += 1;
        match kind {
            None => self.reporter.summary.filtered += 1,
            Some(FrameKind::Segment) => self.reporter.summary.segments += 1,
            Some(FrameKind::NonTcp) => self.reporter.summary.non_tcp += 1,
            Some(FrameKind::Fragment) => self.reporter.summary.fragments += 1,
            Some(FrameKind::Skipped(reason)) => {
                *self.reporter.summary.skipped.entry(reason.to_owned()).or_default() += 1
            }
        }
    }

    /// The totals so far; connections and findings of those that have been reported.
    pub fn summary(&self) -> &Summary {
        &self.reporter.summary
    }

    /// The connections that are being tracked.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Takes over what the source says of itself.
    fn account_for(&mut self, source: &CaptureSet, decoder: &Decoder) {
        self.reporter.summary.dropped = source.interfaces().iter().map(|interface| interface.drops.total()).sum();
        self.reporter.summary.unknown_blocks = source.unknown_blocks();
        self.reporter.summary.notices = source.notices().iter().map(ToString::to_string).collect();
        for (link, frames) in decoder.unsupported_links() {
            let frames = counted(frames, "frame");
            self.reporter
                .summary
                .notices
                .push(format!("link type {link} ({}) is not supported: {frames} skipped", link.0));
        }
    }

    /// Packet time has reached `time`: what ended before leaves.
    #[inline]
    pub fn advance(&mut self, time: Timestamp) -> io::Result<()> {
        let reporter = &mut self.reporter;
        if time > reporter.horizon {
            reporter.horizon = time;
            self.table.expire(time, |connection| reporter.connection(connection, Departure::Over));
        }
        reporter.so_far()
    }

    /// The newest packet time.
    pub fn horizon(&self) -> Timestamp {
        self.reporter.horizon
    }

    /// No packet came until `time`, by a clock that goes on beside the packets': what ended before leaves, and is told as
    /// of then. What stays is still judged by packet time.
    pub fn idle(&mut self, time: Timestamp) -> io::Result<()> {
        let packets = self.reporter.horizon;
        self.advance(time)?;
        self.reporter.horizon = packets;
        Ok(())
    }

    /// What is to be said of `connection` if nothing more comes of it.
    pub fn judge(&self, connection: &Connection) -> Verdict {
        let life = Lifecycle::of(connection, self.reporter.horizon, self.reporter.profile);
        let mut verdict = self.reporter.conclude(connection, &life);
        self.reporter.policy.apply(&mut verdict);
        verdict
    }

    /// Takes the next segment.
    pub fn segment(&mut self, segment: &Segment) -> io::Result<()> {
        let locator = self.table.locate(segment);
        self.located(&locator, segment)
    }

    #[inline]
    fn located(&mut self, locator: &Locator, segment: &Segment) -> io::Result<()> {
        let reporter = &mut self.reporter;
        let entry = self.table.take_at(locator, segment, |connection| {
            let departure = departure(connection, (segment.source, segment.destination), segment.time);
            reporter.connection(connection, departure);
        });
        let stream = match entry {
            Entry::Live(stream) => stream,
            Entry::Late(past) => {
                reporter.late(&past, segment);
                past.summary.stream
            }
        };
        if self.watch == Some(stream) {
            self.watched.push(segment);
        }
        self.reporter.so_far()
    }

    /// Takes an ICMP error that quotes a segment.
    pub fn icmp_error(&mut self, error: &IcmpError) -> io::Result<()> {
        let reporter = &mut self.reporter;
        self.table.take_icmp(error, |connection| {
            reporter.connection(connection, departure(connection, (error.source, error.destination), error.time));
        });
        reporter.so_far()
    }

    /// Frames were lost: what is said of connections that lived then is less sure.
    pub fn lost(&mut self, loss: Loss) {
        self.reporter.losses.push(loss);
    }

    /// What the interface counted, for the summary.
    pub fn count_interface(&mut self, counts: InterfaceCounts) {
        let summary = &mut self.reporter.summary;
        summary.dropped = counts.dropped_by_kernel + counts.dropped_by_interface;
        summary.interface = Some(counts);
    }

    /// Reports what is still open, what shows across connections, and the totals.
    pub fn finish(mut self, truncated: bool) -> io::Result<Finished> {
        let reporter = &mut self.reporter;
        if let Some(sockets) = &mut reporter.sockets {
            sockets.at_end(&self.table);
        }
        self.table.finish(|connection| reporter.connection(connection, Departure::Over));
        reporter.so_far()?;
        reporter.across()?;
        let counts = self.table.counts();
        let Reporter { sink, mut summary, population, sockets, .. } = self.reporter;
        summary.evicted = counts.evicted;
        summary.forgotten = counts.forgotten;
        summary.truncated = truncated;
        sink.summary(&summary)?;
        Ok(Finished { summary, watched: self.watched, population, sockets })
    }
}

impl Reporter<'_> {
    /// A connection left.
    fn connection(&mut self, connection: &Connection, departure: Departure) {
        if self.failure.is_some() {
            return;
        }
        let life = Lifecycle::of(connection, self.horizon, self.profile);
        self.population.take(connection, &life, departure);
        if let Some(sockets) = &mut self.sockets {
            sockets.take(connection, &life);
        }
        let mut verdict = self.conclude(connection, &life);
        self.summary.ignored += self.policy.apply(&mut verdict);
        self.summary.connections += 1;
        self.count(&verdict.findings);
        self.failure = self.sink.connection(&verdict).err();
    }

    /// A segment came for a connection that had left.
    fn late(&mut self, past: &Past, segment: &Segment) {
        if self.failure.is_some() {
            return;
        }
        self.summary.late_segments += 1;
        let (stream, side) = (past.summary.stream, past.side_of(segment));
        let is_first = past.late == 1 && !segment.marks.contains(Marks::FRAGMENT_FIRST);
        let stray = is_first.then(|| finding::stray(&past.summary, segment, side, self.profile));
        let mut findings = Vec::from_iter(stray);
        self.summary.ignored += self.policy.apply_to(&mut findings, segment.source, segment.destination);
        self.count(&findings);
        let (frame, time) = (segment.frame.0, segment.time);
        self.failure = self.sink.late(&LateRecord { stream, frame, time, side, findings }).err();
    }

    /// What shows across connections.
    fn across(&mut self) -> io::Result<()> {
        for mut found in finding::across(&self.population, &PopulationThresholds::default()) {
            let Some(severity) = self.policy.of_host(found.name, found.severity, found.host) else {
                self.summary.ignored += 1;
                continue;
            };
            found.severity = severity;
            *self.summary.findings.entry(found.name.to_owned()).or_default() += 1;
            self.sink.population(&found)?;
        }
        Ok(())
    }

    /// What the sink has said.
    #[inline]
    fn so_far(&mut self) -> io::Result<()> {
        match self.failure.take() {
            None => Ok(()),
            Some(failure) => Err(failure),
        }
    }

    /// Everything that the catalogue says of `connection`.
    fn conclude(&self, connection: &Connection, life: &Lifecycle) -> Verdict {
        let thresholds = self.policy.thresholds(connection.client, connection.server);
        let mut verdict = finding::conclude(connection, life, &thresholds);
        self.losses.weaken(&mut verdict, self.horizon);
        verdict
    }

    fn count(&mut self, findings: &[finding::Finding]) {
        for finding in findings {
            match self.summary.findings.get_mut(finding.name) {
                Some(count) => *count += 1,
                None => *self.summary.findings.entry(finding.name.to_owned()).or_default() += 1,
            }
        }
    }
}

/// Why `connection` leaves when a packet between `ends` comes at `time`.
fn departure(connection: &Connection, ends: (Endpoint, Endpoint), time: Timestamp) -> Departure {
    let (client, server) = (connection.client, connection.server);
    if ends == (client, server) || ends == (server, client) { Departure::Replaced(time) } else { Departure::Over }
}
