//! Opening captures, analysing them into a sink, and saying what was left out.

use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::arguments::{Input, Talk, cores};
use super::interrupt::Interrupt;
use super::output::{Buffering, Output, cannot_write};
use super::progress::{Bar, Progress};
use super::sandbox::{self, Needs};
use super::{Outcome, heap, say};
use crate::analysis::{self, Filter, Options, Outcome as Analysed};
use crate::policy::Policy;
use crate::report::{Sink, Summary, counted};
use crate::source::{self, CaptureFilter, CaptureSet, ReadAhead};

/// Who else tells the reader what was skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skipped {
    /// The report on the same terminal.
    InReport,
    /// Nobody.
    ToBeSaid,
}

/// What reading `input` and writing to `output` needs, for the sandbox.
pub fn needs(input: &Input, output: Option<&Path>) -> Needs {
    Needs::new(&input.captures, output).resolving(input.filter.as_deref())
}

/// Standard input is among the captures.
pub fn reads_stdin(input: &Input) -> bool {
    input.captures.iter().any(|capture| capture == Path::new("-"))
}

/// Open captures, and the filter that decides which of their frames are analysed.
pub struct Captures {
    set: CaptureSet,
    filter: Option<CaptureFilter>,
}

impl Deref for Captures {
    type Target = CaptureSet;

    fn deref(&self) -> &CaptureSet {
        &self.set
    }
}

impl DerefMut for Captures {
    fn deref_mut(&mut self) -> &mut CaptureSet {
        &mut self.set
    }
}

/// What a command holds that answers when everything was read.
pub struct Ready {
    pub interrupt: Interrupt,
    pub captures: Captures,
    pub out: Output,
    /// The name of `out` in messages.
    pub place: PathBuf,
    pub bar: Bar,
}

/// Gives up what reading `input` and writing to `file` does not need, and opens both.
///
/// # Errors
/// What [`open`] and [`Output::open`] say; the sandbox that was insisted on is not to be had.
pub fn ready(input: &Input, threads: usize, file: Option<&Path>, talk: &Talk) -> anyhow::Result<Ready> {
    sandbox::enter(talk.sandbox, &needs(input, file))?;
    let interrupt = Interrupt::listen()?;
    let captures = open(input, threads, &interrupt)?;
    let out = Output::open(file, &input.captures, Buffering::Blocks)?;
    let place = out.place();
    let bar = if talk.no_progress || talk.quiet { Bar::Hidden } else { Bar::Shown };
    Ok(Ready { interrupt, captures, out, place, bar })
}

/// What `argument` stands for. Standard input that waits ends when Ctrl-C is pressed.
pub fn input_of(argument: &Path, interrupt: &Interrupt) -> source::Input {
    match source::Input::from_argument(argument) {
        source::Input::Stdin => source::Input::Reader("-".to_owned(), interrupt.stdin()),
        other => other,
    }
}

/// Opens the captures.
///
/// # Errors
/// What [`source::open`] says; the capture filter is none; Ctrl-C.
pub fn open(input: &Input, threads: usize, interrupt: &Interrupt) -> anyhow::Result<Captures> {
    let inputs = input.captures.iter().map(|capture| input_of(capture, interrupt)).collect();
    let ahead = match cores() {
        1 => ReadAhead::Nothing,
        _ if threads == 1 => ReadAhead::Compressed,
        _ => ReadAhead::Long,
    };
    heap::share();
    let options = source::Options { ahead, ..source::Options::default() };
    let set = interrupt.or_pressed(source::open(inputs, options))?;
    let filter = input.filter.as_deref().map(|filter| CaptureFilter::new(filter, &set.link_types())).transpose()?;
    Ok(Captures { set, filter })
}

/// Analyses `captures` into `sink`, which writes to `place`. The sink has had its summary when this returns.
///
/// # Errors
/// The sink could not write. A failure to read is part of the outcome: what was read has been reported.
pub fn analyse<S: Sink>(
    captures: &mut Captures,
    options: &Options,
    sink: S,
    place: &Path,
    mut progress: Progress<'_>,
) -> anyhow::Result<(S, Analysed)> {
    let mut sink = progress.cleared_before(sink);
    let Captures { set, filter } = captures;
    let passing = filter.as_mut().map(|filter| filter as &mut dyn Filter);
    let outcome = analysis::analyse(set, options, passing, &mut sink, &mut progress);
    let outcome = outcome.with_context(|| cannot_write(place))?;
    for refusal in filter.iter().flat_map(CaptureFilter::refusals) {
        say(format_args!("none of these frames passed: {refusal}"));
    }
    Ok((sink.into_inner(), outcome))
}

/// Says which rules of the configuration nothing met. After an analysis that did not see everything nobody can tell.
pub fn say_unused(policy: &Policy, talk: &Talk, analysed: &Analysed) {
    if !talk.quiet && !analysed.summary.truncated {
        policy.unused().iter().for_each(|unused| say(format_args!("{unused}")));
    }
}

/// Says what was skipped, unless the reader sees it already, and how the command ended.
///
/// # Errors
/// Reading failed, and not because of Ctrl-C.
pub fn conclude(analysed: Analysed, interrupt: &Interrupt, skipped: Skipped) -> anyhow::Result<Outcome> {
    if skipped == Skipped::ToBeSaid {
        for (reason, count) in &analysed.summary.skipped {
            say(format_args!("skipped {}: {reason}", counted(*count, "frame")));
        }
        let Summary { dropped, unknown_blocks, notices, .. } = &analysed.summary;
        if *dropped > 0 {
            say(format_args!("the capture says that it lost {}", counted(*dropped, "frame")));
        }
        if *unknown_blocks > 0 {
            say(format_args!("passed over {} of unknown types", counted(*unknown_blocks, "pcapng block")));
        }
        for notice in notices {
            say(format_args!("{notice}"));
        }
    }
    match analysed.source_error {
        // The press came while the reading waited for more.
        Some(_) if interrupt.is_pressed() => Ok(Outcome::Interrupted),
        Some(error) => Err(error.into()),
        None if analysed.interrupted => Ok(Outcome::Interrupted),
        None => Ok(Outcome::Done),
    }
}
