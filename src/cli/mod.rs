//! Arguments and commands. The only place with wall clocks, signals, terminals and anyhow.

mod arguments;
mod census;
mod charset;
mod check;
mod diff;
mod explain;
mod heap;
mod input;
mod interrupt;
mod live;
mod output;
mod progress;
mod read;
mod sandbox;
mod show;
mod ss;
mod terminal;
mod update;

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use self::arguments::{Arguments, Command};
use crate::report::harmless;

/// How a command ended without an error of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Interrupted,
    /// `check` found what must not be.
    Violations,
    /// Part of the input could not be checked, and the results say which.
    Unchecked,
}

/// `check` found violations.
const EXIT_VIOLATIONS: u8 = 1;

/// Could not do it.
const EXIT_FAILURE: u8 = 2;

/// Runs the command line `args`, the program's name first, and gives the exit code of the contract.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(Arguments::with_default_command(args)) {
        Ok(arguments) => arguments,
        Err(error) => {
            let failed = error.use_stderr();
            // Help into a closed pipe is no error, and there is nobody to tell others to.
            let _ = error.print();
            return if failed { ExitCode::from(EXIT_FAILURE) } else { ExitCode::SUCCESS };
        }
    };
    match command(arguments) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Violations) => ExitCode::from(EXIT_VIOLATIONS),
        Ok(Outcome::Unchecked) => ExitCode::from(EXIT_FAILURE),
        Ok(Outcome::Interrupted) => ExitCode::from(interrupt::EXIT_CODE),
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Pressed>() => ExitCode::from(interrupt::EXIT_CODE),
        Err(error) => {
            say(format_args!("{error:#}"));
            ExitCode::from(EXIT_FAILURE)
        }
    }
}

fn command(arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { command, talk } = arguments;
    match command.expanded() {
        Command::Read(arguments) => read::run(arguments, &talk),
        Command::Show(arguments) => show::run(&arguments, &talk),
        Command::Explain(arguments) => explain::run(&arguments, &talk),
        Command::Help(arguments) => help(arguments.command.as_deref()),
        Command::Ss(arguments) => ss::run(&arguments, &talk),
        Command::Census(arguments) => census::run(&arguments, &talk),
        Command::Live(arguments) => live::run(*arguments, &talk),
        Command::Diff(arguments) => diff::run(&arguments, &talk),
        Command::Check(arguments) => check::run(&arguments, &talk),
        Command::Report(_) => later("the command report"),
        Command::Annotate(_) => later("the command annotate"),
        Command::Extract(_) => later("the command extract"),
    }
}

/// The answer to what has a name already and is not there yet.
fn later<T>(what: &str) -> anyhow::Result<T> {
    anyhow::bail!("{what} is not in this version; lastack --help lists what is")
}

fn help(name: Option<&str>) -> anyhow::Result<Outcome> {
    let mut all = Arguments::command();
    all.build();
    match name {
        None => all.print_long_help()?,
        Some(name) => match all.find_subcommand_mut(name).filter(|command| !command.is_hide_set()) {
            Some(command) => command.print_long_help()?,
            None => anyhow::bail!("no command {name}; lastack --help lists them"),
        },
    }
    Ok(Outcome::Done)
}

/// A word to people, on one line whatever is in names of files. Nobody hears it when standard error is closed, and that is no
/// error either.
fn say(words: std::fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr(), "lastack: {}", harmless(&words.to_string()));
}

/// Whoever read the results has seen enough, as `head` has: that is an end and no failure. The one place where this is
/// decided; everywhere else a closed pipe is an error like others and is passed up.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    fn is_io(error: &(dyn Error + 'static)) -> bool {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    }
    error.chain().any(is_io)
}
