//! The progress bar, only where both standard output and standard error are terminals.

use std::fmt::Write;
use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use indicatif::{HumanDuration, ProgressBar, ProgressState, ProgressStyle};

use super::charset::lacks_utf8;
use super::interrupt::Interrupt;
use crate::analysis::{Observer, View};
use crate::finding::{Gist, Verdict};
use crate::report::{CaptureRecord, LateRecord, PopulationFinding, Sink, Summary, counted};
use crate::source::CaptureSet;

/// Bytes of input between two updates of the bar.
const BYTES_PER_UPDATE: u64 = 1 << 20;

/// Whether a bar is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bar {
    /// Where it can be seen.
    Shown,
    /// Never.
    Hidden,
}

/// Shows how far the analysis is and passes on Ctrl-C.
pub struct Progress<'a> {
    bar: ProgressBar,
    interrupt: &'a Interrupt,
}

impl<'a> Progress<'a> {
    /// Over the bytes of `captures`.
    pub fn new(bar: Bar, captures: &CaptureSet, interrupt: &'a Interrupt) -> Self {
        if bar == Bar::Hidden || !io::stdout().is_terminal() || !io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), interrupt };
        }
        let (bar, template) = match captures.progress().total {
            Some(total) => (ProgressBar::new(total), "{bar:10} {bytes}/{total_bytes} {bytes_per_sec} {left}{wide_msg}"),
            None => (ProgressBar::no_length(), "{spinner} {bytes} {bytes_per_sec}, {wide_msg}"),
        };
        // The templates are constants; a broken one would show as the default style in the first run.
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.with_key("left", time_left);
        bar.set_style(if lacks_utf8() { style.progress_chars("#-").tick_chars("-\\|/ ") } else { style });
        Self { bar, interrupt }
    }

    /// `sink` with the bar taken away before the results come.
    pub fn cleared_before<S: Sink>(&self, sink: S) -> Cleared<S> {
        Cleared { bar: self.bar.clone(), inner: sink }
    }
}

/// How long it will take yet, once that can be told.
fn time_left(state: &ProgressState, out: &mut dyn Write) {
    if !state.eta().is_zero() {
        // The bar has no way to say that it could not write.
        let _ = write!(out, "{:#} left, ", HumanDuration(state.eta()));
    }
}

impl Observer for Progress<'_> {
    fn look(&mut self, view: &View<'_>) -> ControlFlow<()> {
        if !self.bar.is_hidden() {
            let bytes = view.source.progress().read;
            if bytes >= self.bar.position() + BYTES_PER_UPDATE {
                self.bar.set_message(counted(view.streams, "connection"));
                self.bar.set_position(bytes);
            }
        }
        if self.interrupt.is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// Shows nothing and passes on Ctrl-C.
pub struct Watch<'a>(pub &'a Interrupt);

impl Observer for Watch<'_> {
    fn look(&mut self, _: &View<'_>) -> ControlFlow<()> {
        if self.0.is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A sink whose summary finds the terminal clear. For sinks that print to a terminal at the end only.
pub struct Cleared<S> {
    bar: ProgressBar,
    inner: S,
}

impl<S> Cleared<S> {
    /// The sink within.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Sink> Sink for Cleared<S> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.inner.capture(capture)
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.inner.connection(verdict)
    }

    fn takes_gists(&self) -> bool {
        self.inner.takes_gists()
    }

    fn gist(&mut self, gist: &Gist<'_>) -> bool {
        self.inner.gist(gist)
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.inner.late(late)
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.inner.population(finding)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.inner.summary(summary)
    }
}
