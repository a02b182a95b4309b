//! The work on two threads: reading and tracking on one, judging and telling on the caller's. Connections pass from one to
//! the other in the order in which they leave, so that nothing that is told can depend on how fast either is.

use std::io;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::{panic, thread};

use super::reading::Reading;
use super::reporter::Reporter;
use super::tracker::{Outlet, Tracker};
use super::ways::Way;
use super::{Filter, Finished, Observer, Options, Outcome, decoder};
use crate::base::Timestamp;
use crate::finding::Sieve;
use crate::population::Departure;
use crate::report::{CaptureRecord, SegmentLog, Sink, Summary};
use crate::segment::Segment;
use crate::source::{CaptureSet, SourceError};
use crate::table::{Left, Past, Table, TableCounts};

/// What is passed on at a time.
const LETTERS: usize = 64;
/// Batches that may be on their way; the faster thread waits then.
const ON_THE_WAY: usize = 16;

/// What the tracker tells.
enum Letter {
    Capture(CaptureRecord),
    Way(Box<Way>),
    Unheard(IpAddr),
    Kept(Sieve),
    Left(Left, Departure, Timestamp),
    Late(Box<(Past, Segment)>),
}

/// Carries what the tracker tells to the other thread.
struct Courier {
    to: SyncSender<Vec<Letter>>,
    letters: Vec<Letter>,
    /// Frames as they were counted here.
    summary: Summary,
    /// Nobody takes letters any more.
    is_over: bool,
}

/// What the reading thread knows at its end.
struct Read {
    source_error: Option<SourceError>,
    interrupted: bool,
    streams: u64,
    counts: TableCounts,
    summary: Summary,
    watched: SegmentLog,
}

/// As [`super::analyse`], on two threads.
pub(super) fn analyse(
    source: &mut CaptureSet,
    options: &Options,
    filter: Option<&mut dyn Filter>,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Outcome> {
    let (to, from) = sync_channel(ON_THE_WAY);
    thread::scope(|scope| {
        let reading = thread::Builder::new().name("tracking".to_owned()).spawn_scoped(scope, move || {
            read(Reading { source, filter, observer, names: options.names }, options, to)
        })?;
        let mut reporter = Reporter::new(options, sink);
        let told = tell(from, &mut reporter);
        let read = reading.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        told?;
        let Read { source_error, interrupted, streams, counts, summary, watched } = read?;
        reporter.take_counts(summary);
        let truncated = source_error.is_some() || interrupted;
        let Finished { summary, watched, population, sockets } = reporter.finish(counts, watched, truncated)?;
        Ok(Outcome { summary, source_error, interrupted, streams, watched, population, sockets })
    })
}

fn read(reading: Reading<'_, '_, '_>, options: &Options, to: SyncSender<Vec<Letter>>) -> io::Result<Read> {
    let mut courier = Courier { to, letters: Vec::new(), summary: Summary::default(), is_over: false };
    let mut tracker = Tracker::new(options);
    let (source_error, interrupted) = reading.read(&mut decoder(options), &mut tracker, &mut courier)?;
    let streams = tracker.table.streams();
    tracker.finish(&mut courier)?;
    courier.pause();
    let counts = tracker.table.counts();
    Ok(Read { source_error, interrupted, streams, counts, summary: courier.summary, watched: tracker.watched })
}

/// Reads the letters; stops when the sink takes no more.
fn tell(from: Receiver<Vec<Letter>>, reporter: &mut Reporter<'_>) -> io::Result<()> {
    for letters in from {
        for letter in letters {
            match letter {
                Letter::Capture(capture) => reporter.announce(capture),
                Letter::Way(way) => reporter.way(*way),
                Letter::Kept(sieve) => reporter.kept(sieve),
                Letter::Unheard(host) => reporter.unheard(host),
                Letter::Left(left, departure, horizon) => reporter.left(left, departure, horizon),
                Letter::Late(late) => reporter.late(&late.0, &late.1),
            }
            reporter.so_far()?;
        }
    }
    Ok(())
}

impl Courier {
    fn put(&mut self, letter: Letter) {
        self.letters.push(letter);
        if self.letters.len() == LETTERS {
            self.pause();
        }
    }
}

impl Outlet for Courier {
    fn announce(&mut self, capture: CaptureRecord) {
        self.put(Letter::Capture(capture));
    }

    fn way(&mut self, way: Way) {
        self.put(Letter::Way(Box::new(way)));
    }

    fn summary(&mut self) -> &mut Summary {
        &mut self.summary
    }

    fn looks_before(&self) -> bool {
        false
    }

    fn before(&mut self, _: u64, _: Timestamp, _: &Table) {}

    fn at_end(&mut self, _: &Table) {}

    fn kept(&mut self, sieve: Sieve) {
        self.put(Letter::Kept(sieve));
    }

    fn unheard(&mut self, host: IpAddr) {
        self.put(Letter::Unheard(host));
    }

    fn left(&mut self, left: Left, departure: Departure, horizon: Timestamp) {
        self.put(Letter::Left(left, departure, horizon));
    }

    fn late(&mut self, past: &Past, segment: &Segment) {
        self.put(Letter::Late(Box::new((*past, *segment))));
    }

    fn pause(&mut self) {
        if !self.letters.is_empty() {
            let letters = std::mem::replace(&mut self.letters, Vec::with_capacity(LETTERS));
            self.is_over |= self.to.send(letters).is_err();
        }
    }

    #[inline]
    fn so_far(&mut self) -> io::Result<()> {
        // Why is for the other thread to say.
        if self.is_over { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}
