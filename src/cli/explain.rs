//! `lastack explain`: the catalogue.

use std::io::Write;

use anyhow::{bail, ensure};

use super::Outcome;
use super::arguments::{CatalogueFormat, ExplainArguments, Talk};
use super::output::{Buffering, Output};
use super::terminal::canvas;
use crate::base::nearest;
use crate::finding::{CATALOGUE, Entry, Group};
use crate::report::{catalogue, catalogue_json, page};

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: &ExplainArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let wanted = arguments.name.as_deref().map(wanted).transpose()?;
    let mut out = Output::open(None, &[], Buffering::Blocks)?;
    let canvas = canvas(talk, None);
    match (arguments.format, wanted) {
        (CatalogueFormat::Text, None) => catalogue(&mut out, &canvas, &CATALOGUE)?,
        (CatalogueFormat::Text, Some(Wanted::Group(entries))) => catalogue(&mut out, &canvas, &entries)?,
        (CatalogueFormat::Text, Some(Wanted::Page(entry))) => page(&mut out, &canvas, entry)?,
        (CatalogueFormat::Json, None) => catalogue_json(&mut out, &CATALOGUE)?,
        (CatalogueFormat::Json, Some(Wanted::Group(entries))) => catalogue_json(&mut out, &entries)?,
        (CatalogueFormat::Json, Some(Wanted::Page(entry))) => catalogue_json(&mut out, &[entry])?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}

enum Wanted {
    Page(&'static Entry),
    Group(Vec<&'static Entry>),
}

/// What a user asks for by `name`: a finding before a group.
///
/// # Errors
/// It is neither; the message has the nearest name of either.
fn wanted(name: &str) -> anyhow::Result<Wanted> {
    let group = Group::ALL.iter().find(|group| group.name().eq_ignore_ascii_case(name));
    let page = match group {
        // One of them is a cause of resets, too.
        Some(_) => crate::finding::find(&name.to_ascii_lowercase()),
        None => find(name),
    };
    match (page, group) {
        (Some(entry), _) => Ok(Wanted::Page(entry)),
        (None, Some(group)) => {
            Ok(Wanted::Group(CATALOGUE.iter().copied().filter(|entry| entry.group == *group).collect()))
        }
        (None, None) => {
            let groups = Group::ALL.iter().map(|group| (group.name(), group.name()));
            bail!("no finding or group {name}{}", suggestion(name, names().chain(groups)))
        }
    }
}

/// By its name, or by the cause of a reset that it is about.
fn find(name: &str) -> Option<&'static Entry> {
    let name = name.to_ascii_lowercase();
    crate::finding::find(&name).or_else(|| crate::finding::find(&format!("reset-{name}")))
}

/// The names of all findings that a user means by `words`: by its name, by the cause of a reset, by a group's name, and where a `*` is
/// at the end, all that begin so.
///
/// # Errors
/// One of them stands for nothing; the message has the nearest name.
pub fn all_meant(words: &[String]) -> anyhow::Result<Vec<&'static str>> {
    let mut meant = Vec::new();
    for word in words {
        match word.strip_suffix('*') {
            Some(stem) => {
                let stem = stem.to_ascii_lowercase();
                let before = meant.len();
                meant.extend(CATALOGUE.iter().map(|entry| entry.name).filter(|name| name.starts_with(&stem)));
                ensure!(meant.len() > before, "no finding begins with {stem}; lastack explain lists them");
            }
            None => match wanted(word)? {
                Wanted::Page(entry) => meant.push(entry.name),
                Wanted::Group(entries) => meant.extend(entries.iter().map(|entry| entry.name)),
            },
        }
    }
    Ok(meant)
}

/// What may be written for a finding, and its name: that name, or the cause of a reset.
fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    CATALOGUE.iter().flat_map(|entry| {
        let cause = entry.name.strip_prefix("reset-").map(|cause| (cause, entry.name));
        [(entry.name, entry.name)].into_iter().chain(cause)
    })
}

/// The nearest of `names`, when one is near.
fn suggestion(name: &str, names: impl Iterator<Item = (&'static str, &'static str)>) -> String {
    match nearest(name, names, |(written, _)| written) {
        Some((_, meant)) => format!("; did you mean {meant}?"),
        None => "; lastack explain lists them".to_owned(),
    }
}
