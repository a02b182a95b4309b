//! `lastack diff`: two captures or results against each other.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};

use super::arguments::{AnalysisArguments, Talk};
use super::input::input_of;
use super::interrupt::Interrupt;
use super::output::{Buffering, Output, cannot_write};
use super::progress::Watch;
use super::sandbox::{self, Needs};
use super::terminal::canvas;
use super::{Outcome, say};
use crate::check::{Tally, compare};
use crate::report::{CompareFormat, counted, write_compared};

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArguments {
    /// Before: a capture, a directory of rotated captures, or a result of lastack read --format ndjson or json; - is
    /// standard input
    #[arg(value_name = "BEFORE")]
    pub before: PathBuf,
    /// After: the same
    #[arg(value_name = "AFTER")]
    pub after: PathBuf,
    /// Exit with 1 when a finding or a cause of resets is new, or a share has changed by more than chance
    #[arg(long)]
    pub exit_code: bool,
    /// Form of the results
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Form::Text, help_heading = "Output")]
    pub format: Form,
    /// Write to FILE instead of standard output; it appears under its name only when it is complete
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub file: Option<PathBuf>,
    /// How captures are judged.
    #[command(flatten)]
    pub timers: AnalysisArguments,
}

/// Forms of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// What changed, for people
    Text,
    /// One JSON document with every share, also those that did not change
    Json,
}

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: &DiffArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let options = arguments.timers.options()?;
    let inputs = [arguments.before.clone(), arguments.after.clone()];
    ensure!(!inputs.iter().all(|input| input == Path::new("-")), "standard input can be only one of the two");
    sandbox::enter(talk.sandbox, &Needs::new(&inputs, arguments.file.as_deref()))?;
    let interrupt = Interrupt::listen()?;
    let mut watch = Watch(&interrupt);
    let mut tally = |path| interrupt.or_pressed(Tally::read(input_of(path, &interrupt), &options, &mut watch));
    let (before, after) = (tally(&arguments.before)?, tally(&arguments.after)?);
    if interrupt.is_pressed() {
        return Ok(Outcome::Interrupted);
    }
    let names = [&arguments.before, &arguments.after].map(|path| path.display().to_string());
    for (name, tally) in names.iter().zip([&before, &after]) {
        for (reason, count) in &tally.skipped {
            say(format_args!("{name}: skipped {}: {reason}", counted(*count, "frame")));
        }
        tally.notices.iter().for_each(|notice| say(format_args!("{name}: {notice}")));
    }
    let compared = compare((&names[0], &before), (&names[1], &after));
    let file = arguments.file.as_deref();
    let mut out = Output::open(file, &inputs, Buffering::Blocks)?;
    let place = out.place();
    let format = match arguments.format {
        Form::Text => CompareFormat::Text,
        Form::Json => CompareFormat::Json,
    };
    write_compared(&mut out, format, &canvas(talk, file), &compared).with_context(|| cannot_write(&place))?;
    out.complete()?;
    Ok(if arguments.exit_code && compared.differs() { Outcome::Violations } else { Outcome::Done })
}
