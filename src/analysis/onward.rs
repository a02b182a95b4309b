//! From reading to tracking: on one thread, or from one to another.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use super::channel::{Receiver, Sender, channel};
use super::tracker::{BATCH, Batch, Lost, Outlet, Tracker, Witness};
use super::ways::Way;
use crate::base::Timestamp;
use crate::decode::FrameKind;
use crate::report::{CaptureRecord, Summary};
use crate::table::Finder;

/// Batches that are handed over together.
const LOAD: usize = 8;
/// Loads that may wait; the reader sleeps then.
const ON_THE_WAY: usize = 8;

/// Where goes what was read.
pub(super) trait Onward {
    /// Frames that may wait in a batch.
    fn batch_max(&self) -> usize;
    /// What is read; the first thing that is told.
    fn announce(&mut self, capture: CaptureRecord);
    /// Segments came through something new; ways are told in the order of their context numbers.
    fn way(&mut self, way: Way);
    /// Where frames are counted.
    fn summary(&mut self) -> &mut Summary;
    /// Frame `number` of `time` comes next, and all before it were taken if no frame may wait.
    fn before(&mut self, number: u64, time: Timestamp);
    /// Takes what some frames held, and leaves `batch` empty.
    fn batch(&mut self, batch: &mut Batch) -> io::Result<()>;
    /// The input has nothing more at hand: what was read should not wait for it.
    fn pause(&mut self);
    /// The capture says that it lost frames, here or any time.
    fn lost(&mut self, lost: Lost);
    /// The capture went on until `time` without a frame, as far as that is believed.
    fn silence(&mut self, time: Timestamp) -> io::Result<()>;
    /// Streams numbered so far, perhaps of a moment ago.
    fn streams(&self) -> u64;
}

/// Counts a frame by what it was; none when a filter kept it from the decoder.
#[inline]
pub(super) fn count_frame(summary: &mut Summary, kind: Option<FrameKind>) {
    summary.frames += 1;
    match kind {
        Some(FrameKind::Segment) => summary.segments += 1,
        None => summary.filtered += 1,
        Some(FrameKind::NonTcp) => summary.non_tcp += 1,
        Some(FrameKind::Fragment) => summary.fragments += 1,
        Some(FrameKind::Skipped(reason)) => *summary.skipped.entry(reason.to_owned()).or_default() += 1,
    }
}

/// Everything on one thread.
pub(super) struct Here<'a, O> {
    pub tracker: &'a mut Tracker,
    pub outlet: &'a mut O,
}

impl<O: Outlet + Witness> Onward for Here<'_, O> {
    fn batch_max(&self) -> usize {
        if self.outlet.looks_before() { 1 } else { BATCH }
    }

    fn announce(&mut self, capture: CaptureRecord) {
        self.outlet.announce(capture);
    }

    fn way(&mut self, way: Way) {
        self.outlet.way(way);
    }

    #[inline]
    fn summary(&mut self) -> &mut Summary {
        self.outlet.summary()
    }

    fn before(&mut self, number: u64, time: Timestamp) {
        self.tracker.catch_up(self.outlet);
        self.outlet.before(number, time, &self.tracker.table);
    }

    fn batch(&mut self, batch: &mut Batch) -> io::Result<()> {
        self.tracker.take_batch(batch, self.outlet)
    }

    fn pause(&mut self) {
        self.tracker.catch_up(self.outlet);
        self.outlet.pause();
    }

    fn lost(&mut self, lost: Lost) {
        self.tracker.catch_up(self.outlet);
        self.outlet.lost(lost);
    }

    fn silence(&mut self, time: Timestamp) -> io::Result<()> {
        self.tracker.silence(time, self.outlet)
    }

    fn streams(&self) -> u64 {
        self.tracker.table.streams()
    }
}

/// What goes from the reader to the tracker.
enum Parcel {
    Capture(CaptureRecord),
    Way(Way),
    Load(Load),
    Pause,
    Lost(Lost),
    Silence(Timestamp),
}

/// Some batches, of which those in front are full. The room goes to and fro.
#[derive(Default)]
struct Load {
    batches: Vec<Batch>,
    full: usize,
}

/// The reader's end.
pub(super) struct There<'a> {
    to: Sender<Parcel>,
    emptied: mpsc::Receiver<Load>,
    load: Load,
    finder: Finder,
    /// The tracker has more to do than the reader, who does what can be done of it here.
    is_ahead: bool,
    summary: Summary,
    streams: &'a AtomicU64,
    /// Nobody takes parcels any more.
    is_over: bool,
}

/// The tracker's end.
pub(super) struct Parcels<'a> {
    from: Receiver<Parcel>,
    emptied: mpsc::SyncSender<Load>,
    streams: &'a AtomicU64,
}

/// The two ends of the way to another thread. `streams` is where the tracker says how many it has numbered, `finder` is its table's.
pub(super) fn apart(streams: &AtomicU64, finder: Finder) -> (There<'_>, Parcels<'_>) {
    let (to, from) = channel(ON_THE_WAY);
    // As many again may have been taken.
    let (emptied_there, emptied) = mpsc::sync_channel(2 * ON_THE_WAY);
    let (load, summary) = (Load::default(), Summary::default());
    let there = There { to, emptied, load, finder, is_ahead: false, summary, streams, is_over: false };
    (there, Parcels { from, emptied: emptied_there, streams })
}

impl There<'_> {
    /// Sends what waits, and gives the frames as they were counted here.
    pub fn finish(mut self) -> Summary {
        self.send_load();
        self.summary
    }

    fn send(&mut self, parcel: Parcel) {
        self.is_over |= !self.to.send(parcel);
    }

    fn send_load(&mut self) {
        if self.load.full > 0 {
            let next = self.emptied.try_recv().unwrap_or_default();
            let load = std::mem::replace(&mut self.load, next);
            self.send(Parcel::Load(load));
            self.is_ahead = self.to.waiting() > ON_THE_WAY / 2;
        }
    }

    fn so_far(&self) -> io::Result<()> {
        // Why is for the other threads to say.
        if self.is_over { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl Onward for There<'_> {
    fn batch_max(&self) -> usize {
        BATCH
    }

    fn announce(&mut self, capture: CaptureRecord) {
        self.send(Parcel::Capture(capture));
    }

    fn way(&mut self, way: Way) {
        // It may come before the frames that wait, and must not come after those that went through it.
        self.send(Parcel::Way(way));
    }

    #[inline]
    fn summary(&mut self) -> &mut Summary {
        &mut self.summary
    }

    fn before(&mut self, _: u64, _: Timestamp) {}

    fn batch(&mut self, batch: &mut Batch) -> io::Result<()> {
        if self.is_ahead {
            batch.locate(self.finder);
        }
        let Load { batches, full } = &mut self.load;
        if *full == batches.len() {
            batches.push(Batch::default());
        }
        std::mem::swap(batch, &mut batches[*full]);
        *full += 1;
        if *full == LOAD {
            self.send_load();
        }
        self.so_far()
    }

    fn pause(&mut self) {
        self.send_load();
        self.send(Parcel::Pause);
        self.to.flush();
    }

    fn lost(&mut self, lost: Lost) {
        self.send_load();
        self.send(Parcel::Lost(lost));
    }

    fn silence(&mut self, time: Timestamp) -> io::Result<()> {
        self.send_load();
        self.send(Parcel::Silence(time));
        self.so_far()
    }

    fn streams(&self) -> u64 {
        self.streams.load(Ordering::Relaxed)
    }
}

impl Parcels<'_> {
    /// Tracks what comes until the reader is done.
    ///
    /// # Errors
    /// Only the outlet's.
    pub fn track(self, tracker: &mut Tracker, outlet: &mut impl Outlet) -> io::Result<()> {
        let Self { from, emptied, streams } = self;
        for parcel in from {
            match parcel {
                Parcel::Capture(capture) => outlet.announce(capture),
                Parcel::Way(way) => outlet.way(way),
                Parcel::Load(mut load) => {
                    load.batches[..load.full].iter_mut().try_for_each(|batch| tracker.take_batch(batch, outlet))?;
                    load.full = 0;
                    // Nobody waits for it: at worst the reader takes new room.
                    let _ = emptied.try_send(load);
                    streams.store(tracker.table.streams(), Ordering::Relaxed);
                }
                Parcel::Pause => {
                    tracker.catch_up(outlet);
                    outlet.pause();
                }
                Parcel::Lost(lost) => {
                    tracker.catch_up(outlet);
                    outlet.lost(lost);
                }
                Parcel::Silence(time) => tracker.silence(time, outlet)?,
            }
        }
        Ok(())
    }
}
