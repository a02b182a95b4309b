//! The work on several threads: reading on one, tracking on another, telling on the caller's, judging on whichever has time.
//! Connections pass from one to the other in the order in which they leave, and are told in that order, so that nothing that is
//! told can depend on how fast any of them is.
//!
//! Judging depends on no other connection. The tracker judges when the teller cannot keep up, and what nobody has judged when
//! its turn comes, the teller judges itself. Which of reading, tracking and telling takes most of the time depends on the
//! traffic, so that two cores share it best among three threads; those beyond only judge.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{panic, thread};

use super::judge::{Judge, Judged, Spares};
use super::onward::{self, Parcels, There};
use super::reading::Reading;
use super::reporter::Reporter;
use super::tracker::{Lost, Outlet, Tracker};
use super::ways::Way;
use super::{Filter, Finished, Observer, Options, Outcome, decoder};
use crate::base::Timestamp;
use crate::connection::Orderly;
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

/// More threads would wait for the one that tells.
const THREADS_MAX: usize = 64;

/// What the tracker tells.
enum Letter {
    Capture(CaptureRecord),
    Way(Box<Way>),
    Unheard(IpAddr),
    Lost(Lost),
    Kept(Sieve),
    Left(Left, Departure, Timestamp),
    Judged(Box<Judged>, Departure),
    InShort(Box<(Left, Orderly)>, Departure),
    Late(Box<(Past, Segment)>),
    /// What is being judged, while it is.
    Nothing,
}

/// Letters on their way: whoever holds the lock may judge those that are not judged yet.
#[derive(Clone)]
struct Batch(Arc<Mutex<Vec<Letter>>>);

impl Batch {
    fn letters(&self) -> MutexGuard<'_, Vec<Letter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Judges the first of `letters` that was not judged yet; none when all were.
fn judge_next(letters: &mut [Letter], judge: &Judge, spares: &Spares) -> Option<()> {
    let letter = letters.iter_mut().find(|letter| matches!(letter, Letter::Left(..)))?;
    if let Letter::Left(left, departure, horizon) = std::mem::replace(letter, Letter::Nothing) {
        if let Some(orderly) = judge.in_short(&left, horizon) {
            *letter = Letter::InShort(Box::new((left, orderly)), departure);
        } else if let Some(judged) = judge.judge(left, horizon, spares.take()) {
            *letter = Letter::Judged(Box::new(judged), departure);
        }
    }
    Some(())
}

/// Carries what the tracker tells to the other thread.
struct Courier<'a> {
    to: SyncSender<Batch>,
    /// Those who only judge.
    helpers: SyncSender<Batch>,
    judge: &'a Judge,
    spares: &'a Spares,
    letters: Vec<Letter>,
    /// Nobody takes letters any more.
    is_over: bool,
}

/// What the reading thread knows at its end.
struct Read {
    source_error: Option<SourceError>,
    interrupted: bool,
    summary: Summary,
}

/// What the tracking thread does.
struct Tracked {
    streams: u64,
    counts: TableCounts,
    watched: SegmentLog,
}

/// As [`super::analyse`], on two threads or more.
pub(super) fn analyse(
    source: &mut CaptureSet,
    options: &Options,
    filter: Option<&mut dyn Filter>,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Outcome> {
    let (to, from) = sync_channel(ON_THE_WAY);
    let (helpers, work) = sync_channel(ON_THE_WAY);
    let work = Mutex::new(work);
    let mut reporter = Reporter::new(options, sink);
    let (judge, spares) = (reporter.judge_elsewhere(), Spares::default());
    let (judge, spares, work) = (&judge, &spares, &work);
    let streams = AtomicU64::new(0);
    let (there, parcels) = onward::apart(&streams);
    thread::scope(|scope| {
        let start = |name: &str| thread::Builder::new().name(name.to_owned());
        let reading = start("reading").spawn_scoped(scope, move || {
            read(Reading { source, filter, observer, names: options.names }, options, there)
        })?;
        let tracking = start("tracking").spawn_scoped(scope, move || {
            let courier = Courier { to, helpers, judge, spares, letters: Vec::new(), is_over: false };
            track(parcels, options, courier)
        })?;
        for _ in 2..options.threads.min(THREADS_MAX) {
            start("judging").spawn_scoped(scope, move || help(work, judge, spares))?;
        }
        let told = tell(from, &mut reporter, spares);
        let tracked = tracking.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        let read = reading.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        told?;
        let Tracked { streams, counts, watched } = tracked?;
        let Read { source_error, interrupted, summary } = read?;
        reporter.take_counts(summary);
        let truncated = source_error.is_some() || interrupted;
        let Finished { summary, watched, population, sockets } = reporter.finish(counts, watched, truncated)?;
        Ok(Outcome { summary, source_error, interrupted, streams, watched, population, sockets })
    })
}

fn read(reading: Reading<'_, '_, '_>, options: &Options, mut there: There<'_>) -> io::Result<Read> {
    let (source_error, interrupted) = reading.read(&mut decoder(options), &mut there)?;
    Ok(Read { source_error, interrupted, summary: there.into_summary() })
}

fn track(parcels: Parcels<'_>, options: &Options, mut courier: Courier<'_>) -> io::Result<Tracked> {
    let mut tracker = Tracker::new(options);
    parcels.track(&mut tracker, &mut courier)?;
    let streams = tracker.table.streams();
    tracker.finish(&mut courier)?;
    courier.pause();
    Ok(Tracked { streams, counts: tracker.table.counts(), watched: tracker.watched })
}

/// Judges what is on its way until nothing more comes.
fn help(work: &Mutex<Receiver<Batch>>, judge: &Judge, spares: &Spares) {
    loop {
        let Ok(batch) = work.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return };
        let mut letters = batch.letters();
        while judge_next(&mut letters, judge, spares).is_some() {}
    }
}

/// Reads the letters; stops when the sink takes no more.
fn tell(from: Receiver<Batch>, reporter: &mut Reporter<'_>, spares: &Spares) -> io::Result<()> {
    for batch in from {
        let letters = std::mem::take(&mut *batch.letters());
        for letter in letters {
            match letter {
                Letter::Capture(capture) => reporter.announce(capture),
                Letter::Way(way) => reporter.way(*way),
                Letter::Kept(sieve) => reporter.kept(sieve),
                Letter::Unheard(host) => reporter.unheard(host),
                Letter::Lost(lost) => Outlet::lost(reporter, lost),
                Letter::Left(left, departure, horizon) => reporter.left(left, departure, horizon),
                Letter::Judged(judged, departure) => spares.put(reporter.judged(*judged, departure)),
                Letter::InShort(short, departure) => {
                    let (left, orderly) = *short;
                    reporter.left_in_short(left, &orderly, departure);
                }
                Letter::Late(late) => reporter.late(&late.0, &late.1),
                Letter::Nothing => {}
            }
            reporter.so_far()?;
        }
    }
    Ok(())
}

impl Courier<'_> {
    fn put(&mut self, letter: Letter) {
        self.letters.push(letter);
        if self.letters.len() == LETTERS {
            self.pause();
        }
    }
}

impl Outlet for Courier<'_> {
    fn announce(&mut self, capture: CaptureRecord) {
        self.put(Letter::Capture(capture));
    }

    fn way(&mut self, way: Way) {
        self.put(Letter::Way(Box::new(way)));
    }

    fn at_end(&mut self, _: &Table) {}

    fn kept(&mut self, sieve: Sieve) {
        self.put(Letter::Kept(sieve));
    }

    fn lost(&mut self, lost: Lost) {
        self.put(Letter::Lost(lost));
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
        if self.letters.is_empty() {
            return;
        }
        let letters = std::mem::replace(&mut self.letters, Vec::with_capacity(LETTERS));
        let batch = Batch(Arc::new(Mutex::new(letters)));
        // They may have enough to do.
        let _ = self.helpers.try_send(batch.clone());
        let mut waiting = Some(batch);
        while let Some(batch) = waiting.take() {
            match self.to.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Disconnected(_)) => self.is_over = true,
                Err(TrySendError::Full(batch)) => {
                    // A helper that judges it has the lock.
                    let judged = match batch.0.try_lock() {
                        Ok(mut letters) => judge_next(&mut letters, self.judge, self.spares),
                        Err(_) => None,
                    };
                    match judged {
                        Some(()) => waiting = Some(batch),
                        None => self.is_over |= self.to.send(batch).is_err(),
                    }
                }
            }
        }
    }

    #[inline]
    fn so_far(&mut self) -> io::Result<()> {
        // Why is for the other thread to say.
        if self.is_over { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}
