//! `lastack read`: analyse captures.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::bail;

use super::arguments::{Format, Input, Order, ReadArguments, Talk, meant_command};
use super::explain::all_meant;
use super::input::{Skipped, analyse, conclude, needs, open, reads_stdin, say_unused};
use super::interrupt::Interrupt;
use super::output::{Buffering, Output, is_terminal};
use super::progress::{Bar, Progress};
use super::terminal::canvas;
use super::{Outcome, later, sandbox};
use crate::report::{ByStream, Json, Rows, Selected, Selection, Sink, Text};

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: ReadArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let ReadArguments { input, output, all, sort, selection, timers } = arguments;
    let format = output.format;
    refuse_later(format)?;
    if let [word, ..] = input.captures.as_slice()
        && let Some(command) = meant_command(word)
    {
        bail!("{}: no such file, nor is it a command; did you mean {command}?", word.display());
    }
    let mut selection = Selection::from(selection);
    selection.findings = all_meant(&selection.findings)?.into_iter().map(str::to_owned).collect();
    let options = timers.options()?;
    sandbox::enter(talk.sandbox, &needs(&input, output.file.as_deref()))?;
    let interrupt = Interrupt::listen()?;
    let mut captures = open(&input, options.threads, &interrupt)?;
    let file = output.file.as_deref();
    let buffering = if reads_stdin(&input) { Buffering::Records } else { Buffering::Blocks };
    let mut out = Output::open(file, &input.captures, buffering)?;
    let place = out.place();
    let sink: Box<dyn Sink + '_> = match format {
        Format::Text => {
            let rows = if all { Rows::All } else { Rows::Few };
            Box::new(Text::new(&mut out, canvas(talk, file), rows, once_more(&input)))
        }
        Format::Ndjson => Box::new(Json::lines(&mut out)),
        Format::Json | Format::Csv | Format::Zeek => Box::new(Json::array(&mut out)),
    };
    let sink: Box<dyn Sink + '_> = match sort {
        Order::Stream if format != Format::Text => Box::new(ByStream::new(sink)),
        Order::Stream | Order::End => sink,
    };
    let sink = Selected::new(sink, selection);
    // Records on the terminal and a bar would overwrite each other.
    let has_records_on_terminal = format != Format::Text && is_terminal(file);
    let bar = if talk.no_progress || talk.quiet || has_records_on_terminal { Bar::Hidden } else { Bar::Shown };
    let progress = Progress::new(bar, &captures, &interrupt);
    let (sink, analysed) = analyse(&mut captures, &options, sink, &place, progress)?;
    drop(sink);
    out.complete()?;
    say_unused(&options.policy, talk, &analysed);
    let is_seen = format == Format::Text && is_terminal(file) && std::io::stderr().is_terminal();
    conclude(analysed, &interrupt, if is_seen { Skipped::InReport } else { Skipped::ToBeSaid })
}

/// Refuses the formats whose names are taken and that are not there yet.
///
/// # Errors
/// It is one of them.
pub fn refuse_later(format: Format) -> anyhow::Result<()> {
    match format {
        Format::Csv => later("the format csv"),
        Format::Zeek => later("the format zeek"),
        Format::Text | Format::Ndjson | Format::Json => Ok(()),
    }
}

/// What shows the same connections once more, as a shell takes it: only of the frames that pass the filter.
/// None where standard input is gone.
fn once_more(input: &Input) -> Option<String> {
    let captures = Some(again(&input.captures)).filter(|_| !reads_stdin(input))?;
    Some(match &input.filter {
        Some(filter) => format!("-f {} {captures}", quoted(filter)),
        None => captures,
    })
}

/// The captures as a shell takes them, for hints how to see more; a word for them where they fill a screen.
pub fn again(captures: &[PathBuf]) -> String {
    const LENGTH_MAX: usize = 400;
    let names = captures.iter().map(|capture| capture.display().to_string());
    // What looks like an option is a file of the working directory.
    let quoted: Vec<String> =
        names.map(|name| quoted(&if name.starts_with('-') { format!("./{name}") } else { name })).collect();
    let all = quoted.join(" ");
    if quoted.len() > 1 && all.len() > LENGTH_MAX { "CAPTURE...".to_owned() } else { all }
}

fn quoted(word: &str) -> String {
    let is_plain = word.chars().all(|c| c.is_alphanumeric() || "/._-+:@,%=".contains(c));
    if is_plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
