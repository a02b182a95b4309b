//! What runs beside the analysis: events, the view, metrics, and the frames that are kept.

use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::keep::Keeper;
use super::metrics::Metrics;
use super::session::{Beside, End};
use super::shared::Shared;
use super::view::{Feed, Model, Screen, Tally};
use super::watch::{Told, Watcher};
use crate::analysis::Analysis;
use crate::cli::heap::Heap;
use crate::cli::interrupt::Interrupt;
use crate::finding::{Loss, Verdict};
use crate::report::{CaptureRecord, FindingEvent, LateRecord, PopulationFinding, Selected, Sink, Summary};
use crate::segment::Item;
use crate::source::Frame;
use crate::source::live::Counters;

/// Where results go; the analysis' sink and the loop both write to it.
pub type Out = Shared<Box<dyn Write>>;

/// Everything that runs beside the analysis, as far as it is wanted.
pub struct Companions {
    /// Where results go.
    pub out: Out,
    /// Who is told of findings before connections end.
    pub events: Option<Selected<Box<dyn Sink>>>,
    /// Keeps frames.
    pub keeper: Option<Keeper>,
    /// Looks for findings while connections live.
    pub watcher: Option<Watcher>,
    /// What was told already.
    pub told: Shared<Told>,
    /// The numbers of view and metrics.
    pub model: Shared<Model>,
    /// How much of them is wanted.
    pub numbers: Numbers,
    /// The terminal.
    pub screen: Option<Screen>,
    /// The numbers for a monitoring system.
    pub metrics: Metrics,
    /// Signals; without it nobody can end the session but its limits.
    pub interrupt: Option<Interrupt>,
    /// What is allocated.
    pub heap: Heap,
    /// Standard output, where the results go there: whoever reads it may leave.
    pub read_by: Option<OwnedFd>,
    /// When the session began.
    pub begun: Instant,
}

/// How much of the model is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Nothing.
    None,
    /// How many sockets are in which state, and what holds across them.
    Totals,
    /// Connections, findings and segments as well.
    All,
}

impl Beside for Companions {
    fn frame(&mut self, frame: &Frame<'_>, items: &[Item]) -> io::Result<()> {
        if let Some(watcher) = &mut self.watcher {
            watcher.note(items);
        }
        if self.numbers == Numbers::All {
            self.model.with(|model| model.keep(items));
        }
        self.keeper.as_mut().map_or(Ok(()), |keeper| keeper.frame(frame))
    }

    fn looks_at_frames(&self) -> bool {
        self.watcher.is_some() || self.numbers == Numbers::All || self.keeper.is_some()
    }

    fn lost(&mut self, loss: Loss) -> io::Result<()> {
        self.keeper.as_mut().map_or(Ok(()), |keeper| keeper.lost(loss))
    }

    fn tick(&mut self, now: Instant, analysis: &mut Analysis<'_>, counters: Counters) -> io::Result<()> {
        if let Some(watcher) = &mut self.watcher {
            let events = self.events.as_mut().map(|events| events as &mut dyn Sink);
            let model = self.model.clone();
            match self.numbers {
                Numbers::All => watcher.tick(now, analysis, events, &mut Feed(model))?,
                Numbers::Totals => watcher.tick(now, analysis, events, &mut Tally(model))?,
                Numbers::None => watcher.tick(now, analysis, events, &mut ())?,
            }
        }
        self.heap.settle(now);
        let fired = self.told.with(Told::take_fired);
        if let Some(keeper) = &mut self.keeper {
            for finding in fired {
                keeper.trigger(analysis.horizon(), finding)?;
            }
            keeper.flush()?;
        }
        self.out.flush()?;
        if self.read_by.as_ref().is_some_and(is_abandoned) {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.numbers != Numbers::None {
            let streams = (analysis.table().streams(), analysis.table().live() as u64);
            let (elapsed, frames) = (now.duration_since(self.begun), analysis.summary().frames);
            self.model.with(|model| model.advance(elapsed, frames, counters, streams));
            let Self { metrics, model, .. } = self;
            model.with(|model| metrics.tick(now, analysis.summary(), model))?;
        }
        self.screen.as_mut().map_or(Ok(()), |screen| screen.tick(analysis))
    }

    fn wants_to_end(&self) -> Option<End> {
        match &self.interrupt {
            Some(interrupt) if interrupt.is_pressed() => Some(End::Interrupted),
            Some(interrupt) if interrupt.is_terminated() => Some(End::Asked),
            _ => self.screen.as_ref().is_some_and(Screen::is_leaving).then_some(End::Asked),
        }
    }

    fn waits_for(&self) -> Vec<BorrowedFd<'_>> {
        let bell = self.interrupt.iter().map(|interrupt| interrupt.bell().as_fd());
        let keys = self.screen.iter().map(|_| rustix::stdio::stdin());
        bell.chain(keys).chain(self.metrics.waits_for()).collect()
    }
}

/// Whoever read the other end of this pipe has gone. A write would fail too, but on a quiet interface there is none for hours.
fn is_abandoned(pipe: &OwnedFd) -> bool {
    let mut pipes = [PollFd::new(pipe, PollFlags::empty())];
    let is_told = poll(&mut pipes, Some(&Timespec::default())).is_ok();
    is_told && pipes[0].revents().intersects(PollFlags::ERR | PollFlags::HUP)
}

/// Two sinks that are told the same.
pub struct Both<A, B>(pub A, pub B);

impl<A: Sink, B: Sink> Sink for Both<A, B> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.0.capture(capture)?;
        self.1.capture(capture)
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.0.connection(verdict)?;
        self.1.connection(verdict)
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.0.late(late)?;
        self.1.late(late)
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.0.population(finding)?;
        self.1.population(finding)
    }

    fn event(&mut self, event: &FindingEvent) -> io::Result<()> {
        self.0.event(event)?;
        self.1.event(event)
    }

    fn population_event(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.0.population_event(finding)?;
        self.1.population_event(finding)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.0.summary(summary)?;
        self.1.summary(summary)
    }
}
