//! `lastack show`: one connection in full.

use std::io;

use anyhow::{Context, bail};

use super::Outcome;
use super::arguments::{Format, ShowArguments, Talk};
use super::input::{Ready, Skipped, analyse, conclude, ready};
use super::output::cannot_write;
use super::progress::Progress;
use super::read::refuse_later;
use super::terminal::canvas;
use crate::finding::Verdict;
use crate::report::{
    CaptureRecord, Detail, Json, LadderInput, LateRecord, PopulationFinding, Selected, Selection, Sink, Summary, ladder,
};

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: &ShowArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let ShowArguments { input, stream, output, all, timers } = arguments;
    refuse_later(output.format)?;
    let mut options = timers.options()?;
    let file = output.file.as_deref();
    let Ready { interrupt, mut captures, mut out, place, bar } = ready(input, options.threads, file, talk)?;
    let progress = Progress::new(bar, &captures, &interrupt);
    let selection = Selection { streams: vec![*stream], ..Selection::default() };
    let (is_shown, analysed) = match output.format {
        Format::Ndjson => {
            let sink = Selected::new(Json::lines(&mut out), selection);
            let (sink, analysed) = analyse(&mut captures, &options, sink, &place, progress)?;
            (sink.has_passed(*stream), analysed)
        }
        Format::Json => {
            let sink = Selected::new(Json::array(&mut out), selection);
            let (sink, analysed) = analyse(&mut captures, &options, sink, &place, progress)?;
            (sink.has_passed(*stream), analysed)
        }
        Format::Text | Format::Csv | Format::Zeek => {
            options.watch = Some(*stream);
            let sink = Selected::new(Kept::default(), selection);
            let (sink, analysed) = analyse(&mut captures, &options, sink, &place, progress)?;
            let kept = sink.into_inner();
            if let Some(verdict) = &kept.verdict {
                let detail = if *all { Detail::Full } else { Detail::Elided };
                let input = LadderInput { verdict, log: &analysed.watched, late: &kept.late, detail };
                ladder(&mut out, &canvas(talk, file), &input).with_context(|| cannot_write(&place))?;
            }
            (kept.verdict.is_some(), analysed)
        }
    };
    let (connections, streams) = (analysed.summary.connections, analysed.streams);
    if is_shown {
        out.complete()?;
    }
    let outcome = conclude(analysed, &interrupt, Skipped::ToBeSaid)?;
    match streams {
        _ if outcome == Outcome::Interrupted => Ok(outcome),
        _ if is_shown => Ok(outcome),
        _ if input.filter.is_some() => bail!("no stream {stream} among the frames that pass the filter"),
        _ if connections == 0 => bail!("no stream {stream}: no TCP connection in what was read"),
        some if *stream >= some => bail!("no stream {stream}: the streams are 0 to {}", some - 1),
        _ => bail!("stream {stream} has no segment of its own: only ICMP errors quote it"),
    }
}

/// Keeps what the ladder needs.
#[derive(Default)]
struct Kept {
    verdict: Option<Verdict>,
    late: Vec<LateRecord>,
}

impl Sink for Kept {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.verdict = Some(verdict.clone());
        Ok(())
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.late.push(late.clone());
        Ok(())
    }

    fn population(&mut self, _: &PopulationFinding) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}
