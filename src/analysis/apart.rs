//! The work on several threads: reading on one, tracking on another, telling on the caller's, judging on whichever has time.
//! Connections pass from one to the other in the order in which they leave, and are told in that order, so that nothing that is
//! told can depend on how fast any of them is.
//!
//! Judging depends on no other connection. Where the teller is behind, the tracker tells in short what it can, and judges what it
//! would have to wait with; what nobody has judged when its turn comes, the teller judges itself. Which of reading, tracking and
//! telling takes most of the time depends on the traffic, so that two cores share it best among three threads; those beyond only
//! judge.

use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::{panic, thread};

use super::channel::{Refused, Sender, channel};
use super::judge::{Judge, Judged, Spares};
use super::onward::{self, Parcels, There};
use super::reading::Reading;
use super::reporter::Reporter;
use super::tracker::{Counts, Lost, Outlet, Tracker};
use super::ways::Way;
use super::{Filter, Finished, Observer, Options, Outcome};
use crate::base::Timestamp;
use crate::connection::Orderly;
use crate::finding::Sieve;
use crate::population::Departure;
use crate::report::{CaptureRecord, SegmentLog, Sink, Summary};
use crate::segment::Segment;
use crate::source::{CaptureSet, SourceError};
use crate::table::{Flood, Kept, Left, Past, Table};

/// What is passed on at a time.
const LETTERS: usize = 64;
/// Batches that may wait; the tracker judges them then.
const ON_THE_WAY: usize = 16;

/// So many batches that wait show that the teller has more to do than the tracker.
const AHEAD: usize = 4;

/// More threads would wait for the one that tells.
const THREADS_MAX: usize = 64;

/// What the tracker tells.
enum Letter {
    Capture(CaptureRecord),
    Way(Box<Way>),
    Unheard(IpAddr),
    Lost(Lost),
    Kept(Sieve),
    Left(Kept, Departure, Timestamp),
    Judged(Box<Judged>, Departure),
    /// Of the lives in the same mail the one of this number.
    InShort(usize, Departure),
    Flood(Box<Flood>, Timestamp),
    Late(Box<(Past, Segment)>),
    /// What is being judged, while it is.
    Nothing,
}

/// Letters, what is packed of the connections in them, and lives that were told in short.
#[derive(Default)]
struct Mail {
    letters: Vec<Letter>,
    octets: Vec<u8>,
    lives: Vec<Orderly>,
}

/// Mail on its way: whoever holds the lock may judge what is not judged yet.
#[derive(Clone)]
struct Batch(Arc<Mutex<Mail>>);

/// Room of mail that was told, for more.
#[derive(Default)]
struct Emptied(Mutex<Vec<Mail>>);

impl Emptied {
    fn take(&self) -> Mail {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, mail: Mail) {
        let mut emptied = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if emptied.len() < ON_THE_WAY {
            emptied.push(mail);
        }
    }
}

impl Batch {
    fn mail(&self) -> MutexGuard<'_, Mail> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mail {
    /// Judges the first connection that was not judged yet; none when all were.
    fn judge_next(&mut self, judge: &Judge, spares: &Spares) -> Option<()> {
        // Of a SYN alone less can be told than it takes to hand that over.
        let is_open = |letter: &&mut Letter| matches!(letter, Letter::Left(kept, ..) if !kept.is_lone());
        let letter = self.letters.iter_mut().find(is_open)?;
        if let Letter::Left(mut kept, departure, horizon) = std::mem::replace(letter, Letter::Nothing)
            && let Some(left) = kept.lend(&self.octets)
        {
            if live(&mut self.lives, &left, departure, horizon, judge) {
                *letter = Letter::InShort(self.lives.len() - 1, departure);
            } else if let Some(judged) = judge.judge(left, horizon, spares.take()) {
                *letter = Letter::Judged(Box::new(judged), departure);
            }
        }
        Some(())
    }
}

/// Puts the life of a connection in short behind `lives`, where it is written; false when that is not enough to tell it.
fn live(lives: &mut Vec<Orderly>, left: &Left<'_>, departure: Departure, horizon: Timestamp, judge: &Judge) -> bool {
    let is_enough = judge.in_short(left, departure, horizon, lives.push_mut(Orderly::BLANK));
    if !is_enough {
        lives.pop();
    }
    is_enough
}

/// Carries what the tracker tells to the other thread.
struct Courier<'a> {
    to: Sender<Batch>,
    /// Those who only judge, if there are any.
    helpers: Option<mpsc::SyncSender<Batch>>,
    judge: &'a Judge,
    spares: &'a Spares,
    emptied: &'a Emptied,
    mail: Mail,
    /// The teller has more to do than the tracker, who does what can be done of it here.
    is_ahead: bool,
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
    counts: Counts,
    watched: SegmentLog,
}

/// As [`super::analyse`], on two threads or more; none, and nothing was read or told, where they cannot be had.
pub(super) fn analyse(
    source: &mut CaptureSet,
    options: &Options,
    filter: Option<&mut dyn Filter>,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Option<Outcome>> {
    let (to, from) = channel(ON_THE_WAY);
    let (helpers, work) = mpsc::sync_channel(ON_THE_WAY);
    let helpers = (options.threads > 2).then_some(helpers);
    let work = Mutex::new(work);
    let mut reporter = Reporter::new(options, sink);
    let (judge, spares, emptied) = (reporter.judge_elsewhere(), Spares::default(), Emptied::default());
    let (judge, spares, emptied, work) = (&judge, &spares, &emptied, &work);
    let streams = AtomicU64::new(0);
    let tracker = Tracker::new(options);
    let (there, parcels) = onward::apart(&streams, tracker.table.finder());
    thread::scope(|scope| {
        let start = |name: &str| thread::Builder::new().name(name.to_owned());
        let tracking = start("tracking")
            .spawn_scoped(scope, move || track(parcels, tracker, Courier::new(to, helpers, judge, spares, emptied)));
        let Ok(tracking) = tracking else { return Ok(None) };
        let reading =
            start("reading").spawn_scoped(scope, move || read(Reading { source, filter, observer, options }, there));
        let Ok(reading) = reading else { return Ok(None) };
        for _ in 2..options.threads.min(THREADS_MAX) {
            // Whoever cannot be had leaves more to the others.
            let _ = start("judging").spawn_scoped(scope, move || help(work, judge, spares));
        }
        let told = tell(from, &mut reporter, spares, emptied);
        let tracked = tracking.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        let read = reading.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked));
        told?;
        let Tracked { streams, counts, watched } = tracked?;
        let Read { source_error, interrupted, summary } = read?;
        reporter.take_counts(summary);
        let truncated = source_error.is_some() || interrupted;
        let Finished { summary, watched, population, sockets } = reporter.finish(counts, watched, truncated)?;
        Ok(Some(Outcome { summary, source_error, interrupted, streams, watched, population, sockets }))
    })
}

fn read(reading: Reading<'_, '_, '_>, mut there: There<'_>) -> io::Result<Read> {
    let (source_error, interrupted) = reading.read(&mut there)?;
    Ok(Read { source_error, interrupted, summary: there.finish() })
}

fn track(parcels: Parcels<'_>, mut tracker: Tracker, mut courier: Courier<'_>) -> io::Result<Tracked> {
    parcels.track(&mut tracker, &mut courier)?;
    let streams = tracker.table.streams();
    tracker.finish(&mut courier)?;
    courier.pause();
    Ok(Tracked { streams, counts: tracker.counts(), watched: tracker.watched })
}

/// Judges what is on its way until nothing more comes.
fn help(work: &Mutex<mpsc::Receiver<Batch>>, judge: &Judge, spares: &Spares) {
    loop {
        let Ok(batch) = work.lock().unwrap_or_else(PoisonError::into_inner).recv() else { return };
        let mut mail = batch.mail();
        while mail.judge_next(judge, spares).is_some() {}
    }
}

/// Reads the letters; stops when the sink takes no more.
fn tell(
    from: impl Iterator<Item = Batch>,
    reporter: &mut Reporter<'_>,
    spares: &Spares,
    emptied: &Emptied,
) -> io::Result<()> {
    for batch in from {
        let mut mail = std::mem::take(&mut *batch.mail());
        let Mail { letters, octets, lives } = &mut mail;
        for letter in letters.iter_mut() {
            // Most are these, and they are large.
            if let Letter::Left(kept, departure, horizon) = letter {
                kept.lend(octets).into_iter().for_each(|left| reporter.left(left, *departure, *horizon));
                reporter.so_far()?;
                continue;
            }
            match std::mem::replace(letter, Letter::Nothing) {
                Letter::Capture(capture) => reporter.announce(capture),
                Letter::Way(way) => reporter.way(*way),
                Letter::Kept(sieve) => reporter.kept(sieve),
                Letter::Unheard(host) => reporter.unheard(host),
                Letter::Lost(lost) => Outlet::lost(reporter, lost),
                Letter::Judged(judged, departure) => spares.put(reporter.judged(*judged, departure)),
                Letter::InShort(number, departure) => reporter.lived(&lives[number], departure),
                Letter::Flood(flood, horizon) => reporter.flood(*flood, horizon),
                Letter::Late(late) => reporter.late(&late.0, &late.1),
                Letter::Left(..) | Letter::Nothing => {}
            }
            reporter.so_far()?;
        }
        letters.clear();
        octets.clear();
        lives.clear();
        emptied.put(mail);
    }
    Ok(())
}

impl<'a> Courier<'a> {
    fn new(
        to: Sender<Batch>,
        helpers: Option<mpsc::SyncSender<Batch>>,
        judge: &'a Judge,
        spares: &'a Spares,
        emptied: &'a Emptied,
    ) -> Self {
        let mail = Mail::default();
        Self { to, helpers, judge, spares, emptied, mail, is_ahead: false, is_over: false }
    }

    fn put(&mut self, letter: Letter) {
        self.mail.letters.push(letter);
        if self.mail.letters.len() == LETTERS {
            self.send();
        }
    }

    fn send(&mut self) {
        if self.mail.letters.is_empty() {
            return;
        }
        let mail = std::mem::replace(&mut self.mail, self.emptied.take());
        let batch = Batch(Arc::new(Mutex::new(mail)));
        if let Some(helpers) = &self.helpers {
            // They may have enough to do.
            let _ = helpers.try_send(batch.clone());
        }
        let mut waiting = Some(batch);
        while let Some(batch) = waiting.take() {
            match self.to.try_send(batch) {
                Ok(()) => self.is_ahead = self.to.waiting() >= AHEAD,
                Err(Refused::Over) => self.is_over = true,
                Err(Refused::Full(batch)) => {
                    // A helper that judges it has the lock.
                    let judged = match batch.0.try_lock() {
                        Ok(mut mail) => mail.judge_next(self.judge, self.spares),
                        Err(_) => None,
                    };
                    match judged {
                        Some(()) => waiting = Some(batch),
                        None => self.is_over |= !self.to.send(batch),
                    }
                }
            }
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

    fn left(&mut self, left: Left<'_>, departure: Departure, horizon: Timestamp) {
        let Mail { octets, lives, .. } = &mut self.mail;
        let letter = if self.is_ahead && !left.is_lone() && live(lives, &left, departure, horizon, self.judge) {
            Letter::InShort(lives.len() - 1, departure)
        } else {
            Letter::Left(left.keep(octets), departure, horizon)
        };
        self.put(letter);
    }

    fn flood(&mut self, flood: Flood, horizon: Timestamp) {
        self.put(Letter::Flood(Box::new(flood), horizon));
    }

    fn late(&mut self, past: &Past, segment: &Segment) {
        self.put(Letter::Late(Box::new((*past, *segment))));
    }

    fn pause(&mut self) {
        self.send();
        self.to.flush();
    }

    #[inline]
    fn so_far(&mut self) -> io::Result<()> {
        // Why is for the other thread to say.
        if self.is_over { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Analysis;
    use super::super::survivors::tests::{Page, open};
    use super::*;
    use crate::decode::Item;
    use crate::report::{Canvas, Grouping, Json, Palette, Rows, Text, census_json};
    use crate::source::script::parse;

    fn options(threads: usize) -> Options {
        Options { threads, ..Options::default() }
    }

    /// What went another way than one connection after the other.
    #[derive(Debug, Default, PartialEq)]
    struct Aside {
        /// Told in short by the tracker.
        in_short: usize,
        /// That left together.
        floods: Vec<usize>,
    }

    /// All of them leave before any is told.
    fn told_late(items: &[Item], sink: &mut dyn Sink) -> (Finished, Aside) {
        let (options, mut aside) = (options(2), Aside::default());
        let mut reporter = Reporter::new(&options, sink);
        let (judge, spares, emptied) = (reporter.judge_elsewhere(), Spares::default(), Emptied::default());
        let ((to, from), mut tracker) = (channel(items.len()), Tracker::new(&options));
        let mut courier = Courier::new(to, None, &judge, &spares, &emptied);
        for item in items {
            tracker.advance(item.time(), &mut courier).unwrap();
            tracker.take(item, &mut courier).unwrap();
        }
        tracker.finish(&mut courier).unwrap();
        courier.pause();
        drop(courier);
        let seen = from.inspect(|batch| {
            let mail = batch.mail();
            aside.in_short += mail.lives.len();
            let flood = |letter: &Letter| if let Letter::Flood(flood, _) = letter { Some(flood.count()) } else { None };
            aside.floods.extend(mail.letters.iter().filter_map(flood));
        });
        tell(seen, &mut reporter, &spares, &emptied).unwrap();
        (reporter.finish(tracker.counts(), tracker.watched, true).unwrap(), aside)
    }

    /// The same on one thread.
    fn told(items: &[Item], sink: &mut dyn Sink) -> Finished {
        let options = options(1);
        let mut analysis = Analysis::new(&options, sink);
        for item in items {
            analysis.advance(item.time()).unwrap();
            analysis.take(&mut vec![*item]).unwrap();
        }
        analysis.finish(true).unwrap()
    }

    /// All that was written, and what was counted.
    fn taken(page: &Page, finished: &Finished) -> Vec<u8> {
        for by in [Grouping::Host, Grouping::Service, Grouping::Destination] {
            census_json(Json::lines(page.clone()), &finished.population, by, &[]).unwrap();
        }
        page.take()
    }

    /// The same is told of `trace` and counted, as lines and as text.
    fn is_told_alike(trace: &str) -> Aside {
        let items = parse(trace).unwrap();
        let lines = |page: &Page| -> Box<dyn Sink> { Box::new(Json::lines(page.clone())) };
        let text = |page: &Page| -> Box<dyn Sink> {
            let canvas = Canvas::new(100, Palette::Plain, jiff::tz::TimeZone::UTC);
            Box::new(Text::new(page.clone(), canvas, Rows::Few, None))
        };
        let mut asides = [Aside::default(), Aside::default()];
        for (sink, other) in [lines, text].iter().zip(&mut asides) {
            let page = Page::default();
            let finished = told(&items, &mut *sink(&page));
            let written = taken(&page, &finished);
            let (late, aside) = told_late(&items, &mut *sink(&page));
            assert_eq!(late.summary, finished.summary);
            assert!(taken(&page, &late) == written, "{aside:?}");
            *other = aside;
        }
        let [of_lines, of_text] = asides;
        assert_eq!(of_lines, of_text);
        of_lines
    }

    #[test]
    fn what_the_tracker_tells_in_short_is_what_the_teller_would_have_told() {
        let all = |connections: usize| (0..connections).map(open).collect::<String>();
        let before_it_is_ahead = AHEAD * LETTERS;
        assert_eq!(is_told_alike(&all(before_it_is_ahead - 9)).in_short, 0);
        let in_short = is_told_alike(&all(before_it_is_ahead + 3 * LETTERS + 1)).in_short;
        assert!((60..=190).contains(&in_short), "{in_short}");
    }

    /// SYNs alone, with a connection of another kind before the last of them.
    fn flood(connections: usize) -> String {
        let lone = |number: usize| open(6 * number);
        let last = connections - 1;
        (0..last).map(lone).chain([open(6 * last + 2), lone(last)]).collect()
    }

    #[test]
    fn a_flood_that_two_threads_tell_is_what_one_would_have_told() {
        for (connections, together) in [(40, None), (4_000, Some(3_840)), (4_200, Some(4_096)), (5_000, Some(4_864))] {
            // The row in which the other connection stands leaves one by one.
            assert_eq!(is_told_alike(&flood(connections)).floods, Vec::from_iter(together), "{connections}");
        }
    }
}
