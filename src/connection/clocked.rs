//! When an end sent something, by its own clock: what the road delayed is dated by its timestamps.

use super::lifecycle::Hindsight;
use super::noted::Noted;
use crate::base::{Seq, Side, Timestamp};

/// Ticks of a timestamp clock are taken to be this long, ns: those of Linux, macOS and FreeBSD.
const TICK_NS: i64 = 1_000_000;
/// A timestamp is rounded down to its tick, ns.
const ROUNDED_NS: i64 = TICK_NS;
/// Two clocks go apart by no more than this part.
const DRIFT: i64 = 5_000;
/// Over so much time a clock shows how fast it ticks, ns.
const RATE_SHOWS_NS: i64 = 500_000_000;

/// Dates what one side sent, in the order of capture.
#[derive(Default)]
pub(super) struct Clocked {
    /// The segment that the road delayed least, by time and timestamp.
    best: Option<(Timestamp, Seq)>,
}

impl Clocked {
    /// When `note` would have passed the tap at the latest, had the road delayed it no more than the best of those before it.
    pub fn date(&mut self, note: &Noted) -> Timestamp {
        let Some(now) = note.timestamps.map(|stamps| Seq(stamps.value)) else { return note.time };
        let Some((best, then)) = self.best else {
            self.best = Some((note.time, now));
            return note.time;
        };
        let (elapsed_ns, ticks_ns) = (note.time.since(best), i64::from(now.since(then)) * TICK_NS);
        if elapsed_ns < ticks_ns {
            self.best = Some((note.time, now));
        }
        let is_slow = elapsed_ns > RATE_SHOWS_NS && ticks_ns < elapsed_ns / 2;
        if is_slow { note.time } else { note.time.min(best.plus(ticks_ns + ROUNDED_NS + elapsed_ns / DRIFT)) }
    }
}

impl Hindsight<'_> {
    /// The place of the last note of `side` that was sent in time to pass the tap by `until`: by when it did, or by its
    /// sender's clock, if the road delayed it.
    pub(super) fn last_sent_by(&self, side: Side, until: Timestamp) -> Option<usize> {
        let mut clocked = Clocked::default();
        let own = self.notes.iter().enumerate().filter(|(_, note)| note.side == side);
        own.filter(|(_, note)| clocked.date(note) <= until).map(|(index, _)| index).last()
    }
}
