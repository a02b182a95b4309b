//! The loop: frames out of the ring into the analysis, and between them whatever is due.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::supply::Supply;
use crate::analysis::Analysis;
use crate::base::Timestamp;
use crate::decode::Decoder;
use crate::finding::Loss;
use crate::report::InterfaceCounts;
use crate::segment::Item;
use crate::source::Frame;
use crate::source::live::Counters;

/// Frames taken at most before whatever else is due.
const BATCH_FRAMES: usize = 4_096;

/// How often the counters are asked and results flushed.
const TICK: Duration = Duration::from_millis(100);

/// Who waits for a key or a question to be taken waits no longer than that, and does not hold up the frames.
const TICK_MIN: Duration = Duration::from_millis(10);

/// How long the end waits between two looks for frames that were received and have not come out of the ring.
const DRAIN_PAUSE: Duration = Duration::from_millis(10);

/// And how often: twice as long as a block of the ring stays open. Looks are counted and not time, which passes by itself where others
/// have the processor.
const DRAIN_PAUSES: u32 = 10;

/// The interface has been silent for so long that its clock is taken further.
const SILENCE: Duration = Duration::from_secs(1);

/// A clock is not taken further than this beyond the newest packet: a longer pause ends no connection, as offline.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// While frames are dropped and more connections than this are tracked, those of which the end was lost do not stay until there are as
/// many as may be.
const OVERLOADED_KEPT: usize = 50_000;

/// Who is out of the ordinary and silent for so long is taken for one of them.
const OVERLOADED_SILENCE_NS: i64 = 10_000_000_000;

/// Places of the table that are looked at in one tick for them: some milliseconds' work where one in ten is.
const OVERLOADED_STEP: usize = 8_192;

/// Who has been silent for so long is put away until something comes of it.
const SETTLED_SILENCE_NS: i64 = 30_000_000_000;

/// Places of the table that are looked at in one tick for them. A million are looked at within half a minute; where many are put away
/// in one tick, that takes some milliseconds.
const SETTLED_STEP: usize = 4_096;

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

    /// Whether anybody looks at frames; as long as the session goes on, nobody changes their mind.
    fn looks_at_frames(&self) -> bool;

    /// Frames were lost; those taken before it were handed over before.
    ///
    /// # Errors
    /// What is kept of it is full.
    fn lost(&mut self, loss: Loss) -> io::Result<()>;

    /// It is `now`: [`TICK`] or more after the last time.
    ///
    /// # Errors
    /// Results cannot be written.
    fn tick(&mut self, now: Instant, analysis: &mut Analysis<'_>, counters: Counters) -> io::Result<()>;

    /// Why it wants to come to the end, if it does.
    fn wants_to_end(&self) -> Option<End>;

    /// What it waits for beside the interface.
    fn waits_for(&self) -> Vec<BorrowedFd<'_>>;
}

/// Captures until the end and takes in what was seen. Returns why it ended, and until when it was seen: the time of the newest
/// frame, and how long it had been silent since.
///
/// # Errors
/// The interface went away, or results cannot be written.
pub fn run(
    supply: &mut impl Supply,
    analysis: &mut Analysis<'_>,
    decoder: Decoder,
    beside: &mut dyn Beside,
    limits: Limits,
) -> anyhow::Result<(End, Timestamp)> {
    let is_watched = beside.looks_at_frames();
    let mut taker = Taker { decoder, analysis, beside, is_watched, failure: None, counted: supply.wall_clock() };
    let begun = supply.now();
    let (mut ticked, mut heard, mut has_rung) = (begun, begun, false);
    let end = loop {
        if let Some(end) = taker.beside.wants_to_end() {
            break end;
        }
        let now = supply.now();
        if limits.duration.is_some_and(|duration| now.duration_since(begun) >= duration) {
            break End::Limit;
        }
        let left = limits.packets.map_or(u64::MAX, |most| most.saturating_sub(supply.delivered()));
        if left == 0 {
            break End::Limit;
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(BATCH_FRAMES);
        let taken = supply.dispatch(most, |frame| taker.take(frame))?;
        taker.settle()?;
        if taken > 0 {
            heard = now;
        }
        let since = now.duration_since(ticked);
        if since >= TICK || has_rung && since >= TICK_MIN {
            (ticked, has_rung) = (now, false);
            let silent = now.duration_since(heard);
            if silent >= SILENCE {
                taker.analysis.idle(after_silence(supply, silent.saturating_sub(TICK)))?;
            }
            taker.count(supply)?;
            taker.analysis.settle_silent(SETTLED_SILENCE_NS, SETTLED_STEP);
            taker.beside.tick(now, taker.analysis, supply.counters())?;
        }
        // A key may just have been taken that ends it.
        if taken == 0 && taker.beside.wants_to_end().is_none() {
            let until_end = limits.duration.map_or(TICK, |duration| duration.saturating_sub(now.duration_since(begun)));
            if supply.wait(&taker.beside.waits_for(), TICK.min(until_end))? {
                has_rung = true;
                // It rings until then.
                supply.wait(&[], TICK_MIN.saturating_sub(supply.now().duration_since(ticked)))?;
            }
        }
    };
    if drain(supply, &mut taker, limits)? > 0 {
        heard = supply.now();
    }
    let mut items = Vec::new();
    taker.decoder.finish(|item| items.push(*item));
    taker.analysis.take(&mut items)?;
    let until = after_silence(supply, supply.now().duration_since(heard));
    taker.analysis.idle(until)?;
    let counters = supply.counters();
    let lent = supply.delivered();
    taker.analysis.count_interface(InterfaceCounts {
        received: counters.received,
        dropped_by_kernel: counters.dropped_by_kernel,
        dropped_by_interface: counters.dropped_by_interface,
        not_analysed: counters.deliverable().saturating_sub(lent),
    });
    Ok((end, until))
}

/// The newest frame's time and how far time has gone on since.
fn after_silence(supply: &impl Supply, silent: Duration) -> Timestamp {
    supply.newest().plus(silent.min(SILENCE_MAX).as_nanos() as i64)
}

/// Takes what was received up to now out of the ring, so that everything received is accounted for. Returns how many frames that
/// were.
fn drain(supply: &mut impl Supply, taker: &mut Taker<'_, '_>, limits: Limits) -> anyhow::Result<u64> {
    taker.count(supply)?;
    // Frames come out of the ring in the order in which they were counted, so these are exactly those.
    let target = supply.counters().deliverable().min(limits.packets.unwrap_or(u64::MAX));
    let (mut pauses, before) = (0, supply.delivered());
    while supply.delivered() < target && pauses < DRAIN_PAUSES {
        let most = usize::try_from(target - supply.delivered()).unwrap_or(usize::MAX).min(BATCH_FRAMES);
        let taken = supply.dispatch(most, |frame| taker.take(frame))?;
        taker.settle()?;
        if taken == 0 {
            supply.wait(&[], DRAIN_PAUSE)?;
            pauses += 1;
        }
    }
    Ok(supply.delivered() - before)
}

/// Takes frames to the analysis.
struct Taker<'a, 'b> {
    decoder: Decoder,
    analysis: &'a mut Analysis<'b>,
    beside: &'a mut dyn Beside,
    /// Somebody beside looks at frames.
    is_watched: bool,
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
    fn count(&mut self, supply: &mut impl Supply) -> anyhow::Result<()> {
        let increase = supply.count()?;
        // Frames wait in the ring: what is being taken out of it is older than what finds it full.
        let (from, now) = (self.counted.min(supply.newest()), supply.wall_clock());
        self.counted = now;
        if increase.dropped_by_kernel > 0 {
            let to = now.max(supply.newest());
            let loss = Loss { from: from.min(to), to, frames: increase.dropped_by_kernel };
            self.analysis.lost(loss);
            self.beside.lost(loss)?;
            if self.analysis.table().live() > OVERLOADED_KEPT {
                self.analysis.let_go_silent(OVERLOADED_SILENCE_NS, OVERLOADED_STEP)?;
            }
        }
        Ok(())
    }

    fn analyse(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let Self { analysis, decoder, beside, is_watched, .. } = self;
        analysis.frame(frame, decoder, |items| if *is_watched { beside.frame(frame, items) } else { Ok(()) })
    }

    /// The ring has no more at hand.
    fn settle(&mut self) -> io::Result<()> {
        match self.failure.take() {
            None => self.analysis.settle(),
            Some(failure) => Err(failure),
        }
    }
}
