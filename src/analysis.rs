//! The only wiring: source to decoder to table to finding to report. The file to read second.

mod apart;
mod channel;
mod counter;
mod judge;
mod onward;
mod passing;
mod reading;
mod reporter;
mod setbacks;
mod short;
mod survivors;
mod tracker;
mod ways;

use std::io;
use std::ops::ControlFlow;

use crate::base::Timestamp;
use crate::connection::{Connection, Profile};
use crate::decode::{Checksums, DecodeOptions, Decoder, FrameKind, Item, SplitBy};
use crate::finding::{Loss, Verdict};
use crate::policy::Policy;
use crate::population::{Breadth, Moment, Population, SocketTable, Tally};
use crate::report::{CaptureRecord, InterfaceCounts, PopulationFinding, SegmentLog, Sink, Summary};
use crate::segment::{IcmpError, Segment};
use crate::source::{CaptureFilter, CaptureSet, Frame, SourceError};
use crate::table::{Limits, Table};

use onward::{Here, count_frame};
use reading::Reading;
use reporter::Reporter;
use tracker::{BATCH, Batch, Outlet, Tracker, Witness};
use ways::Ways;

pub use survivors::{Scribe, Scribes};

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
    /// Length of the intervals in which sockets are counted, ns, if not [`crate::population::INTERVAL_NS`]; they grow when
    /// there are too many.
    pub interval_ns: Option<i64>,
    /// How much is kept of the counts across connections.
    pub breadth: Breadth,
    /// How many cores are to share the work; 0 and 1 are the caller's thread alone. With more, reading, tracking and telling
    /// have a thread each, and those beyond two only judge. The results are the same.
    pub threads: usize,
    /// What tells equal four-tuples apart beside.
    pub split_by: SplitBy,
    /// Which TCP checksums are computed.
    pub checksums: Checksums,
    /// Take over the names that the capture has for addresses.
    pub names: bool,
    /// Count nothing across connections: every one is looked at by itself, and nothing is found that shows only in many.
    pub alone: bool,
}

/// Decides which frames are analysed; streams are numbered over all. It may be asked on another thread.
pub trait Filter: Send {
    /// Whether `frame` passes.
    fn passes(&mut self, frame: &Frame<'_>) -> bool;
}

impl Filter for CaptureFilter {
    fn passes(&mut self, frame: &Frame<'_>) -> bool {
        CaptureFilter::passes(self, frame)
    }
}

/// Watches the analysis from outside: progress, and the wish to stop. It may be called on another thread.
pub trait Observer: Send {
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
    /// Streams numbered: every connection, and what ICMP errors quote of others; up to the last one that passed a filter.
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
    mut filter: Option<&mut dyn Filter>,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Outcome> {
    // The sockets of a moment are looked up in the table while it is read.
    if options.threads > 1 && options.moment.is_none() {
        let filter = filter.as_mut().map(|filter| &mut **filter as &mut dyn Filter);
        if let Some(outcome) = apart::analyse(source, options, filter, sink, observer)? {
            return Ok(outcome);
        }
    }
    let mut analysis = Analysis::new(options, sink);
    let Analysis { tracker, reporter, .. } = &mut analysis;
    let (source_error, interrupted) =
        Reading { source, filter, observer, options }.read(&mut Here { tracker, outlet: reporter })?;
    let truncated = source_error.is_some() || interrupted;
    let streams = analysis.tracker.table.streams();
    let Finished { summary, watched, population, sockets } = analysis.finish(truncated)?;
    Ok(Outcome { summary, source_error, interrupted, streams, watched, population, sockets })
}

/// A decoder as `options` say.
pub fn decoder(options: &Options) -> Decoder {
    Decoder::new(DecodeOptions { split_by: options.split_by, checksums: options.checksums })
}

/// Tracks segments in order and reports on them: the part of the analysis behind the decoder.
pub struct Analysis<'a> {
    tracker: Tracker,
    reporter: Reporter<'a>,
    batch: Batch,
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

impl<'a> Analysis<'a> {
    /// Nothing seen yet.
    pub fn new(options: &Options, sink: &'a mut dyn Sink) -> Self {
        Self { tracker: Tracker::new(options), reporter: Reporter::new(options, sink), batch: Batch::default() }
    }

    /// Says what is read. Must come before the first segment.
    pub fn begin(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.reporter.announce(capture.clone());
        self.reporter.so_far()
    }

    /// Decodes and counts the next frame, lets `look` see what is in it and takes it in, a few frames at a time;
    /// [`Analysis::settle`] takes in what waits.
    #[inline]
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        decoder: &mut Decoder,
        look: impl FnOnce(&[Item]) -> io::Result<()>,
    ) -> io::Result<()> {
        let from = self.batch.items.len();
        let kind = self.batch.decode_apart(frame, decoder);
        look(&self.batch.items[from..])?;
        let reporter = &mut self.reporter;
        Ways::beyond(&mut reporter.ways_known(), decoder.contexts(), |way| reporter.way(way));
        count_frame(reporter.summary(), Some(kind));
        if self.batch.frames() >= BATCH { self.settle() } else { Ok(()) }
    }

    /// No further frame is at hand: those that wait are taken in.
    pub fn settle(&mut self) -> io::Result<()> {
        self.tracker.take_batch(&mut self.batch, &mut self.reporter)?;
        self.tracker.catch_up(&mut self.reporter);
        self.reporter.so_far()
    }

    /// Takes what a frame held, and leaves `items` empty.
    pub fn take(&mut self, items: &mut Vec<Item>) -> io::Result<()> {
        for item in items.drain(..) {
            self.tracker.take(&item, &mut self.reporter)?;
        }
        Ok(())
    }

    /// Counts a frame by what it was; none when a filter kept it from the decoder.
    pub fn count_frame(&mut self, kind: Option<FrameKind>) {
        count_frame(self.reporter.summary(), kind);
    }

    /// The totals so far; connections and findings of those that have been reported.
    pub fn summary(&self) -> &Summary {
        self.reporter.totals()
    }

    /// The connections that are being tracked.
    pub fn table(&self) -> &Table {
        &self.tracker.table
    }

    /// Packet time has reached `time`: what ended before leaves.
    pub fn advance(&mut self, time: Timestamp) -> io::Result<()> {
        self.tracker.advance(time, &mut self.reporter)
    }

    /// The newest packet time.
    pub fn horizon(&self) -> Timestamp {
        self.tracker.table.horizon()
    }

    /// No packet came until `time`, by a clock that goes on beside the packets': what ended before leaves, and is told as
    /// of then. What stays is still judged by packet time.
    pub fn idle(&mut self, time: Timestamp) -> io::Result<()> {
        self.tracker.idle(time, &mut self.reporter)
    }

    /// Frames are being lost faster than they can be looked at: among so many places of the table, those connections leave that are out of
    /// the ordinary and have been silent for so long. Mostly their end was lost, and they would stay.
    pub fn let_go_silent(&mut self, silence_ns: i64, places_max: usize) -> io::Result<()> {
        self.tracker.let_go_silent(silence_ns, places_max, &mut self.reporter)
    }

    /// Spares memory: among so many places of the table, who has been silent for so long is put away until something comes of it.
    pub fn settle_silent(&mut self, silence_ns: i64, places_max: usize) {
        self.tracker.settle_silent(silence_ns, places_max);
    }

    /// What is to be said of `connection` if nothing more comes of it.
    pub fn judge(&self, connection: &Connection) -> Verdict {
        self.reporter.judge(connection, self.tracker.now())
    }

    /// The same, and counts its sockets in `tally`, as if everything ended now.
    pub fn judge_among(&self, connection: &Connection, tally: &mut Tally) -> Verdict {
        self.reporter.judge_among(connection, self.tracker.now(), tally)
    }

    /// A tally like the one that finished connections are counted in, without any.
    pub fn nobody(&self) -> Tally {
        self.reporter.nobody()
    }

    /// What shows across the connections of `population`, as far as the policy wants it told.
    pub fn across(&self, population: &Population) -> Vec<PopulationFinding> {
        self.reporter.found_across(population).0
    }

    /// What the connections that have left so far tell of their services beside how many sockets there were.
    pub fn habits(&self) -> Population {
        self.reporter.habits()
    }

    /// Takes the next segment.
    pub fn segment(&mut self, segment: &Segment) -> io::Result<()> {
        self.tracker.take(&Item::Segment(*segment), &mut self.reporter)
    }

    /// Takes an ICMP error that quotes a segment.
    pub fn icmp_error(&mut self, error: &IcmpError) -> io::Result<()> {
        self.tracker.take(&Item::IcmpError(*error), &mut self.reporter)
    }

    /// Frames were lost: what is said of connections that lived then is less sure.
    pub fn lost(&mut self, loss: Loss) {
        self.reporter.lost(loss);
    }

    /// What the interface counted, for the summary.
    pub fn count_interface(&mut self, counts: InterfaceCounts) {
        let summary = self.reporter.summary();
        summary.dropped = counts.dropped_by_kernel + counts.dropped_by_interface;
        summary.interface = Some(counts);
    }

    /// Reports what is still open, what shows across connections, and the totals.
    pub fn finish(mut self, truncated: bool) -> io::Result<Finished> {
        self.tracker.finish(&mut self.reporter)?;
        self.reporter.finish(self.tracker.counts(), self.tracker.watched, truncated)
    }

    /// The same, and where many connections are still open, `scribes` write their records at the same time.
    pub fn finish_with(mut self, truncated: bool, scribes: &Scribes<'_>) -> io::Result<Finished> {
        if !survivors::tell(&mut self.tracker, &mut self.reporter, scribes)? {
            return self.finish(truncated);
        }
        self.reporter.finish(self.tracker.counts(), self.tracker.watched, truncated)
    }
}
