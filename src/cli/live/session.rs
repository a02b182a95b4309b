//! The loop: frames out of the ring into the analysis, and between them whatever is due.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};

use crate::analysis::Analysis;
use crate::base::Timestamp;
use crate::cli::interrupt::Interrupt;
use crate::decode::Decoder;
use crate::finding::Loss;
use crate::report::InterfaceCounts;
use crate::segment::Item;
use crate::source::Frame;
use crate::source::live::LiveCapture;

/// Frames taken at most before whatever else is due.
const BATCH_FRAMES: usize = 4_096;

/// How often the counters are asked and results flushed.
const TICK: Duration = Duration::from_millis(100);

/// How long the end waits for frames that were received and have not come out of the ring.
const DRAIN_MAX: Duration = Duration::from_millis(150);

/// The interface has been silent for so long that its clock is taken further.
const SILENCE: Duration = Duration::from_secs(1);

/// A clock is not taken further than this beyond the newest packet: a longer pause ends no connection, as offline.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// When to end without being told to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    /// After so long.
    pub duration: Option<Duration>,
    /// After so many frames.
    pub packets: Option<u64>,
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A limit was reached.
    Limit,
    /// Somebody asked for it in a way that is a way to end.
    Asked,
    /// Ctrl-C.
    Interrupted,
}

/// What happens beside the analysis.
pub trait Beside {
    /// A frame that is about to be analysed, and what is in it.
    ///
    /// # Errors
    /// What it is kept in is full.
    fn frame(&mut self, frame: &Frame<'_>, items: &[Item]) -> io::Result<()>;

    /// Some time has passed: [`TICK`] or more.
    ///
    /// # Errors
    /// Results cannot be written.
    fn tick(&mut self, analysis: &mut Analysis<'_>, capture: &LiveCapture) -> io::Result<Wish>;

    /// What it waits for beside the interface.
    fn waits_for(&self) -> Vec<BorrowedFd<'_>>;
}

/// What somebody beside the analysis wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    GoOn,
    /// Come to the end.
    End,
}

/// Captures until the end and reports what was seen.
///
/// # Errors
/// The interface went away, or results cannot be written.
pub fn run(
    capture: &mut LiveCapture,
    analysis: &mut Analysis<'_>,
    beside: &mut dyn Beside,
    interrupt: &Interrupt,
    limits: Limits,
) -> anyhow::Result<End> {
    let mut taker = Taker { decoder: Decoder::default(), analysis, beside, failure: None, counted: wall_clock() };
    let begun = Instant::now();
    let (mut ticked, mut heard) = (begun, begun);
    let end = loop {
        if interrupt.is_pressed() {
            break End::Interrupted;
        }
        if interrupt.is_terminated() {
            break End::Asked;
        }
        let now = Instant::now();
        if limits.duration.is_some_and(|duration| now.duration_since(begun) >= duration) {
            break End::Limit;
        }
        let left = limits.packets.map_or(u64::MAX, |most| most.saturating_sub(capture.delivered()));
        if left == 0 {
            break End::Limit;
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_FRAMES);
        let taken = capture.dispatch(most, |frame| taker.take(frame))?;
        taker.settle()?;
        if taken > 0 {
            heard = now;
        }
        if now.duration_since(ticked) >= TICK {
            ticked = now;
            let silent = now.duration_since(heard);
            if silent >= SILENCE && capture.delivered() > 0 {
                let by = silent.saturating_sub(TICK).min(SILENCE_MAX);
                taker.analysis.idle(capture.newest().plus(by.as_nanos() as i64))?;
            }
            taker.count(capture)?;
            if taker.beside.tick(taker.analysis, capture)? == Wish::End {
                break End::Asked;
            }
        }
        if taken == 0 {
            let until_end = limits.duration.map_or(TICK, |duration| duration.saturating_sub(begun.elapsed()));
            wait(capture, interrupt, &*taker.beside, TICK.min(until_end))?;
        }
    };
    drain(capture, &mut taker, limits)?;
    let mut items = Vec::new();
    taker.decoder.finish(|item| items.push(*item));
    taker.analysis.take(&mut items)?;
    let counters = capture.counters();
    let lent = capture.delivered();
    taker.analysis.count_interface(InterfaceCounts {
        received: counters.received,
        dropped_by_kernel: counters.dropped_by_kernel,
        dropped_by_interface: counters.dropped_by_interface,
        not_analysed: counters.deliverable().saturating_sub(lent),
    });
    Ok(end)
}

/// Takes what was received up to now out of the ring, so that everything received is accounted for.
fn drain(capture: &mut LiveCapture, taker: &mut Taker<'_, '_>, limits: Limits) -> anyhow::Result<()> {
    taker.count(capture)?;
    // Frames come out of the ring in the order in which they were counted, so these are exactly those.
    let target = capture.counters().deliverable().min(limits.packets.unwrap_or(u64::MAX));
    let begun = Instant::now();
    while capture.delivered() < target && begun.elapsed() < DRAIN_MAX {
        let most = usize::try_from(target - capture.delivered()).unwrap_or(usize::MAX).min(BATCH_FRAMES);
        let taken = capture.dispatch(most, |frame| taker.take(frame))?;
        taker.settle()?;
        if taken == 0 {
            let mut ready = [PollFd::new(&*capture, PollFlags::IN)];
            let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            patient(poll(&mut ready, Some(&pause)))?;
        }
    }
    Ok(())
}

/// Sleeps until frames wait, somebody beside is called, Ctrl-C is pressed or `time` has passed.
fn wait(capture: &LiveCapture, interrupt: &Interrupt, beside: &dyn Beside, time: Duration) -> anyhow::Result<()> {
    let bell = interrupt.bell();
    let others = beside.waits_for();
    let mut all = vec![PollFd::from_borrowed_fd(capture.as_fd(), PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
    all.extend(others.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    let time = rustix::event::Timespec::try_from(time).context("a time to wait")?;
    patient(poll(&mut all, Some(&time)))?;
    Ok(())
}

/// A signal, such as that of a window that changed its size, ends the waiting and is no failure.
fn patient(polled: rustix::io::Result<usize>) -> io::Result<()> {
    match polled {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The clock that stamps frames.
fn wall_clock() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// Takes frames to the analysis.
struct Taker<'a, 'b> {
    decoder: Decoder,
    analysis: &'a mut Analysis<'b>,
    beside: &'a mut dyn Beside,
    failure: Option<io::Error>,
    /// When the counters were last asked, by the clock that stamps frames.
    counted: Timestamp,
}

impl Taker<'_, '_> {
    /// After a failure the rest of the batch is let go: there is nowhere to tell of it.
    fn take(&mut self, frame: &Frame<'_>) {
        if self.failure.is_none()
            && let Err(error) = self.analyse(frame)
        {
            self.failure = Some(error);
        }
    }

    /// Asks the counters, and tells the analysis of frames that found the ring full. Drops of the interface itself are only
    /// counted: Linux counts there also what it has no use for and what the capture has seen.
    fn count(&mut self, capture: &mut LiveCapture) -> anyhow::Result<()> {
        let increase = capture.count()?;
        // Frames wait in the ring: what is being taken out of it is older than what finds it full.
        let (from, now) = (self.counted.min(capture.newest()), wall_clock());
        self.counted = now;
        if increase.dropped_by_kernel > 0 {
            let to = now.max(capture.newest());
            self.analysis.lost(Loss { from: from.min(to), to, frames: increase.dropped_by_kernel });
        }
        Ok(())
    }

    fn analyse(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let Self { analysis, decoder, beside, .. } = self;
        analysis.frame(frame, decoder, |items| beside.frame(frame, items))
    }

    /// The ring has no more at hand.
    fn settle(&mut self) -> io::Result<()> {
        match self.failure.take() {
            None => self.analysis.settle(),
            Some(failure) => Err(failure),
        }
    }
}
