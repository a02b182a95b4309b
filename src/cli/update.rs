//! `lastack check --update` and `--review`: files of expectations brought up to what captures show.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::ops::ControlFlow;

use anyhow::Context;
use similar::TextDiff;

use super::check::CheckArguments;
use super::interrupt::Interrupt;
use super::output::cannot_write;
use super::{Outcome, say};
use crate::check::{CheckOptions, Found, Update, side_by_side, update};

/// What is done with a file that would change.
enum Answer {
    Write,
    Leave,
    WriteAll,
    Stop,
}

/// Runs the command. The exit code is 1 when changes were shown and not written.
///
/// # Errors
/// A file could not be written.
pub fn run(
    arguments: &CheckArguments,
    found: &[Found],
    options: &CheckOptions,
    interrupt: &Interrupt,
) -> anyhow::Result<Outcome> {
    let results = side_by_side(found, |found| {
        let flow = if interrupt.is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        (update(found, options), flow)
    });
    if interrupt.is_pressed() {
        return Ok(Outcome::Interrupted);
    }
    let is_asked = arguments.review && io::stdin().is_terminal() && io::stdout().is_terminal();
    let mut is_written = arguments.update && !is_asked;
    let mut outcome = Outcome::Done;
    let mut out = io::stdout().lock();
    // Two captures of one name share their expectations: what the first one changed, the second one sees next time.
    let mut seen = std::collections::BTreeSet::new();
    for result in results {
        let update = match result {
            Ok(update) => update,
            Err(errors) => {
                errors.iter().for_each(|error| say(format_args!("{}", error.message)));
                outcome = Outcome::Unchecked;
                continue;
            }
        };
        if update.before.as_ref() == Some(&update.after) || !seen.insert(update.file.clone()) {
            continue;
        }
        if arguments.review {
            show(&mut out, &update)?;
        }
        let answer = if is_asked && !is_written { ask(&mut out, &update)? } else { Answer::Write };
        match answer {
            Answer::Write if is_written || is_asked => {}
            Answer::WriteAll => is_written = true,
            Answer::Stop => return Ok(Outcome::Violations),
            Answer::Write | Answer::Leave => {
                outcome = if outcome == Outcome::Done { Outcome::Violations } else { outcome };
                continue;
            }
        }
        fs::write(&update.file, &update.after).with_context(|| cannot_write(&update.file))?;
        let word = if update.before.is_some() { "updated" } else { "wrote" };
        let accepted = update.accepted.join(", ");
        let accepted = if accepted.is_empty() { accepted } else { format!("; it accepts {accepted}") };
        writeln!(out, "{word} {}{accepted}", update.file.display())?;
    }
    Ok(outcome)
}

fn show(out: &mut impl Write, update: &Update) -> io::Result<()> {
    let name = update.file.display().to_string();
    let before = update.before.as_deref().unwrap_or_default();
    let old = if update.before.is_some() { name.as_str() } else { "/dev/null" };
    let diff = TextDiff::from_lines(before, &update.after);
    write!(out, "{}", diff.unified_diff().context_radius(3).header(old, &name))
}

fn ask(out: &mut impl Write, update: &Update) -> io::Result<Answer> {
    loop {
        write!(out, "write {}? [y]es, [n]o, [a]ll, [q]uit: ", update.file.display())?;
        out.flush()?;
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(Answer::Stop);
        }
        match line.trim() {
            "y" | "yes" => return Ok(Answer::Write),
            "n" | "no" => return Ok(Answer::Leave),
            "a" | "all" => return Ok(Answer::WriteAll),
            "q" | "quit" => return Ok(Answer::Stop),
            _ => {}
        }
    }
}
