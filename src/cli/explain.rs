//! `lastack explain`: the catalogue.

use std::io::Write;

use anyhow::bail;

use super::Outcome;
use super::arguments::{ExplainArguments, Talk};
use super::output::{Buffering, Output};
use super::terminal::canvas;
use crate::finding::{CATALOGUE, Entry};
use crate::report::{catalogue, page};

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: &ExplainArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let mut out = Output::open(None, &[], Buffering::Blocks)?;
    let canvas = canvas(talk, None);
    match &arguments.name {
        None => catalogue(&mut out, &canvas, &CATALOGUE)?,
        Some(name) => page(&mut out, &canvas, meant(name)?)?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// By its name, or by the cause of a reset that it is about.
fn find(name: &str) -> Option<&'static Entry> {
    let name = name.to_ascii_lowercase();
    crate::finding::find(&name).or_else(|| crate::finding::find(&format!("reset-{name}")))
}

/// The entry that a user means by `name`.
///
/// # Errors
/// There is none; the message has the nearest one.
pub fn meant(name: &str) -> anyhow::Result<&'static Entry> {
    match find(name) {
        Some(entry) => Ok(entry),
        None => bail!("no finding {name}{}", suggestion(name)),
    }
}

/// The nearest name, when one is near.
fn suggestion(name: &str) -> String {
    const NEAR: f64 = 0.8;
    let nearest = CATALOGUE
        .iter()
        .map(|entry| (strsim::jaro_winkler(entry.name, name), entry.name))
        .filter(|(likeness, _)| *likeness >= NEAR)
        .max_by(|one, other| one.0.total_cmp(&other.0));
    match nearest {
        Some((_, nearest)) => format!("; did you mean {nearest}?"),
        None => "; lastack explain lists them".to_owned(),
    }
}
