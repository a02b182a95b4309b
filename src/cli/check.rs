//! `lastack check`: captures against what is expected of them.

use std::env;
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValue;
use indicatif::{ProgressBar, ProgressStyle};

use super::arguments::{AnalysisArguments, Talk};
use super::interrupt::Interrupt;
use super::output::{Buffering, Output, cannot_write, is_terminal};
use super::progress::Watch;
use super::sandbox::{self, Needs};
use super::terminal::canvas;
use super::{Outcome, say, update};
use crate::check::{Baseline, CheckOptions, Found, Threshold, check, find, side_by_side};
use crate::finding::Severity;
use crate::report::{CheckFormat, Checked, CheckedCapture, annotations, counted, write_checked};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Captures, and directories with captures in them or below
    ///
    /// Beside a capture NAME.pcap stands NAME.expect.toml with what must hold of it. A capture without one must be free
    /// of findings that are a warning or an error. docs/CI.md shows how such files are written.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// From which severity on a finding fails that no rule lists: note, warning, error, never
    ///
    /// Without it: as the file of expectations says; where there is no such file, as lastack.toml says, else warning.
    #[arg(long, value_name = "SEVERITY", value_parser = threshold, help_heading = "What fails")]
    pub fail_on: Option<Threshold>,
    /// Let so many findings pass that no rule lists
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "What fails")]
    pub max_findings: u64,
    /// Fail only on what FILE does not have: the result of an earlier check with --format json
    #[arg(long, value_name = "FILE", help_heading = "What fails")]
    pub baseline: Option<PathBuf>,
    /// Exit with 0 also when something fails; what cannot be checked is 2 all the same
    #[arg(long, help_heading = "What fails")]
    pub exit_zero: bool,
    /// Write the expectations that captures lack, and bring those that do not hold up to what the captures show
    ///
    /// Only what the next recording of the same test shows again is written: no times, no ephemeral ports. What holds
    /// stays as it is.
    #[arg(long, help_heading = "Expectations", conflicts_with_all = ["baseline", "file", "reports"])]
    pub update: bool,
    /// Show what --update would change; on a terminal, ask before each file is written
    #[arg(long, help_heading = "Expectations", conflicts_with_all = ["baseline", "file", "reports"])]
    pub review: bool,
    /// Form of the results
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = CheckFormat::Text, help_heading = "Output")]
    pub format: CheckFormat,
    /// Write to FILE instead of standard output; it appears under its name only when it is complete
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub file: Option<PathBuf>,
    /// Write the results in another form as well, such as junit=report.xml; may be repeated
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = report, help_heading = "Output")]
    pub reports: Vec<(CheckFormat, PathBuf)>,
    /// How captures are judged.
    #[command(flatten)]
    pub timers: AnalysisArguments,
}

impl clap::ValueEnum for CheckFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.about()))
    }
}

fn threshold(word: &str) -> Result<Threshold, String> {
    if word == "never" {
        return Ok(Threshold::Never);
    }
    let severity = Severity::ALL.iter().copied().find(|severity| severity.name() == word);
    severity.map(Threshold::From).ok_or_else(|| "the severities are note, warning and error; or never".to_owned())
}

fn report(words: &str) -> Result<(CheckFormat, PathBuf), String> {
    let formats: Vec<&str> = CheckFormat::ALL.iter().map(|format| format.name()).collect();
    let refusal = || format!("write FORMAT=FILE; the formats are {}", formats.join(", "));
    let (format, file) = words.split_once('=').ok_or_else(refusal)?;
    let format = CheckFormat::ALL.into_iter().find(|known| known.name() == format).ok_or_else(refusal)?;
    if file.is_empty() { Err(refusal()) } else { Ok((format, file.into())) }
}

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2, but for captures that cannot be checked: those are part of the results.
pub fn run(arguments: &CheckArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let options =
        CheckOptions { analysis: arguments.timers.options()?, fail_on: arguments.fail_on, ..CheckOptions::default() };
    let baseline = arguments.baseline.as_deref().map(read_baseline).transpose()?;
    // Looks at names and at nothing inside of files.
    let (found, errors) = find(&arguments.paths);
    sandbox::enter(talk.sandbox, &needs(arguments, &found))?;
    let interrupt = Interrupt::listen()?;
    if arguments.update || arguments.review {
        let outcome = update::run(arguments, &found, &options, &interrupt)?;
        errors.iter().for_each(|error| say(format_args!("{error}")));
        return Ok(if errors.is_empty() || outcome == Outcome::Interrupted { outcome } else { Outcome::Unchecked });
    }
    let progress = Progress::new(talk, found.len());
    let mut captures = side_by_side(&found, |found| {
        let checked = check(found, &options, &mut Watch(&interrupt));
        (checked, progress.step(&interrupt))
    });
    progress.finish();
    captures.extend(errors.iter().map(CheckedCapture::from));
    let mut checked = Checked { captures, findings_max: 0 };
    if let Some(baseline) = &baseline {
        baseline.apply(&mut checked);
    }
    checked.let_pass(arguments.max_findings);
    write_all(arguments, talk, &found, &checked)?;
    if !talk.quiet {
        options.analysis.policy.unused().iter().for_each(|unused| say(format_args!("{unused}")));
    }
    say_skipped(&checked);
    if interrupt.is_pressed() {
        return Ok(Outcome::Interrupted);
    }
    if checked.has_errors() {
        return Ok(Outcome::Unchecked);
    }
    Ok(if checked.has_violations() && !arguments.exit_zero { Outcome::Violations } else { Outcome::Done })
}

/// What the sandbox must leave open: expectations stand beside captures, and links lead to files elsewhere.
fn needs(arguments: &CheckArguments, found: &[Found]) -> Needs {
    let beside = |path: &PathBuf| match path.parent() {
        _ if path.is_dir() => path.clone(),
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let folders: Vec<PathBuf> = arguments.paths.iter().map(beside).collect();
    let mut needs = Needs::new(&folders, arguments.file.as_deref());
    let files = found.iter().flat_map(|found| [&found.capture, &found.expectations]);
    needs.reads.extend(files.filter(|file| file.is_symlink()).filter_map(|file| fs::canonicalize(file).ok()));
    needs.writes.extend(arguments.reports.iter().map(|(_, file)| file.clone()));
    if arguments.update || arguments.review {
        // Any name in a folder stands for all of them.
        needs.writes.extend(folders.iter().map(|folder| folder.join("expectations")));
    }
    needs
}

fn read_baseline(file: &Path) -> anyhow::Result<Baseline> {
    let name = file.display().to_string();
    let text = fs::read_to_string(file).with_context(|| format!("{name}: cannot read the baseline"))?;
    Ok(Baseline::parse(&name, &text)?)
}

fn write_all(arguments: &CheckArguments, talk: &Talk, found: &[Found], checked: &Checked) -> anyhow::Result<()> {
    let inputs: Vec<PathBuf> =
        found.iter().flat_map(|found| [found.capture.clone(), found.expectations.clone()]).collect();
    let to = |format: CheckFormat, file: Option<&PathBuf>| -> anyhow::Result<()> {
        let file = file.map(PathBuf::as_path);
        let mut out = Output::open(file, &inputs, Buffering::Blocks)?;
        let place = out.place();
        write_checked(&mut out, format, &canvas(talk, file), checked).with_context(|| cannot_write(&place))?;
        out.complete()
    };
    for (format, file) in &arguments.reports {
        to(*format, Some(file))?;
    }
    to(arguments.format, arguments.file.as_ref())?;
    // The runner reads its commands from both streams; a document on standard output must stay whole.
    if env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true") && arguments.format != CheckFormat::Github {
        let _ = annotations(&mut io::stderr().lock(), checked);
    }
    Ok(())
}

fn say_skipped(checked: &Checked) {
    for capture in &checked.captures {
        for (reason, count) in &capture.skipped {
            say(format_args!("{}: skipped {}: {reason}", capture.path, counted(*count, "frame")));
        }
    }
}

/// A bar over captures, where it can be seen.
struct Progress(ProgressBar);

impl Progress {
    /// Fewer captures are done before anybody has read a bar.
    const CAPTURES_MIN: usize = 50;

    fn new(talk: &Talk, captures: usize) -> Self {
        let is_seen = is_terminal(None) && io::IsTerminal::is_terminal(&io::stderr());
        if talk.no_progress || talk.quiet || !is_seen || captures < Self::CAPTURES_MIN {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(captures as u64);
        let style = ProgressStyle::with_template("{bar:10} {pos}/{len} captures, {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self(bar)
    }

    fn step(&self, interrupt: &Interrupt) -> ControlFlow<()> {
        self.0.inc(1);
        if interrupt.is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
