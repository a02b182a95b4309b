//! The catalogue for people: its list, and one finding's page, from the same Markdown that the docs are made of.

use std::io::{self, Write};

use super::layout::{Canvas, columns, left, wrap};
use super::style::Role;
use super::text::PROSE_WIDTH_MAX;
use crate::finding::Entry;

/// Columns that a sentence needs at least to stand beside the name and not below it.
const PROSE_WIDTH_BESIDE_MIN: usize = 60;

/// Prints the list of all entries, by group, each with its first sentence.
pub fn catalogue(out: &mut impl Write, canvas: &Canvas, entries: &[&Entry]) -> io::Result<()> {
    let paint = canvas.palette;
    let name_width = entries.iter().map(|entry| columns(entry.name)).max().unwrap_or_default();
    let beside = 2 + name_width + 2 + "warning".len() + 2;
    let is_narrow = canvas.width < beside + PROSE_WIDTH_BESIDE_MIN;
    let indent = if is_narrow { 6 } else { beside };
    let width = canvas.width.min(PROSE_WIDTH_MAX + indent);
    for group in entries.chunk_by(|one, other| one.group == other.group) {
        writeln!(out, "{}", paint.paint(Role::Heading, group[0].group.name().to_uppercase()))?;
        for entry in group {
            let name = paint.paint(Role::Name, left(entry.name, name_width));
            let severity = paint.paint(Role::from(entry.severity), format!("{:7}", entry.severity));
            let mut lines = wrap(&first_sentence(entry.doc), width - indent).into_iter();
            let first = if is_narrow { None } else { lines.next() };
            writeln!(out, "{}", format!("  {name}  {severity}  {}", first.unwrap_or_default()).trim_end())?;
            for line in lines {
                writeln!(out, "{}{line}", " ".repeat(indent))?;
            }
        }
        writeln!(out)?;
    }
    writeln!(out, "{}", paint.paint(Role::Faint, "One of them in full: lastack explain NAME"))
}

/// Prints the entries as a JSON array, one object a line: for programs that explain findings in their own way.
pub fn catalogue_json(out: &mut impl Write, entries: &[&Entry]) -> io::Result<()> {
    #[derive(serde::Serialize)]
    struct Page<'a> {
        name: &'a str,
        group: &'a str,
        severity: &'a str,
        summary: String,
        markdown: String,
    }
    for (at, entry) in entries.iter().enumerate() {
        let page = Page {
            name: entry.name,
            group: entry.group.name(),
            severity: entry.severity.name(),
            summary: first_sentence(entry.doc),
            markdown: lines(entry.doc).flat_map(|line| [line, "\n"]).collect(),
        };
        out.write_all(if at == 0 { b"[" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, &page)?;
    }
    out.write_all(if entries.is_empty() { b"[]\n" } else { b"]\n" })
}

/// Prints one entry's page.
pub fn page(out: &mut impl Write, canvas: &Canvas, entry: &Entry) -> io::Result<()> {
    let paint = canvas.palette;
    let severity = paint.paint(Role::from(entry.severity), entry.severity);
    writeln!(out, "{}  {severity}, {}", paint.paint(Role::Heading, entry.name), entry.group)?;
    let width = canvas.width.min(PROSE_WIDTH_MAX);
    let mut paragraph = String::new();
    let mut fenced = false;
    for line in lines(entry.doc).chain([""]) {
        if let Some(info) = line.trim_start().strip_prefix("```") {
            flush(out, &mut paragraph, width)?;
            fenced = !fenced;
            if fenced && !info.is_empty() {
                writeln!(out, "\n  {}", paint.paint(Role::Faint, info))?;
            }
        } else if fenced {
            writeln!(out, "    {line}")?;
        } else if let Some(heading) = line.strip_prefix('#') {
            flush(out, &mut paragraph, width)?;
            writeln!(out, "\n{}", paint.paint(Role::Heading, heading.trim_start_matches('#').trim()))?;
        } else if line.trim().is_empty() {
            flush(out, &mut paragraph, width)?;
        } else {
            if line.starts_with("- ") {
                flush(out, &mut paragraph, width)?;
            }
            paragraph.push_str(line.trim());
            paragraph.push(' ');
        }
    }
    Ok(())
}

/// Writes out the paragraph gathered so far; the lines of a list item hang below its dash.
fn flush(out: &mut impl Write, paragraph: &mut String, width: usize) -> io::Result<()> {
    let hang = if paragraph.starts_with("- ") { "    " } else { "  " };
    for (at, line) in wrap(paragraph, width - hang.len()).iter().enumerate() {
        writeln!(out, "{}{line}", if at == 0 { "  " } else { hang })?;
    }
    paragraph.clear();
    Ok(())
}

/// The lines of a page. In Rust's doc comments each has a space in front that is not part of it.
fn lines(doc: &str) -> impl Iterator<Item = &str> {
    doc.lines().map(|line| line.strip_prefix(' ').unwrap_or(line))
}

/// The first sentence of a page, which says what the finding is.
fn first_sentence(doc: &str) -> String {
    let is_prose = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let paragraph: Vec<&str> = lines(doc).skip_while(|line| !is_prose(line)).take_while(is_prose).collect();
    let paragraph = paragraph.join(" ");
    match paragraph.find(". ") {
        Some(end) => paragraph[..=end].to_owned(),
        None => paragraph,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{CATALOGUE, find};
    use crate::report::sample;
    use crate::report::style::Palette;

    fn rendered(width: usize, write: impl FnOnce(&mut Vec<u8>, &Canvas) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out, &Canvas::new(width, Palette::Plain, jiff::tz::TimeZone::UTC)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_list_has_a_sentence_on_every_finding_and_fits() {
        for width in [80, 200] {
            let text = rendered(width, |out, canvas| catalogue(out, canvas, &CATALOGUE));
            sample::assert_fits(&text, width);
            let lines: Vec<&str> = text.lines().collect();
            for entry in CATALOGUE.iter() {
                let at = lines.iter().position(|line| line.split_whitespace().next() == Some(entry.name)).unwrap();
                let words = lines[at].split_whitespace().chain(lines[at + 1].split_whitespace()).count();
                assert!(words > 5, "{}", lines[at]);
            }
        }
    }

    #[test]
    fn the_catalogue_is_json_too() {
        let mut out = Vec::new();
        catalogue_json(&mut out, &CATALOGUE).unwrap();
        let pages: Vec<serde_json::Value> = serde_json::from_slice(&out).unwrap();
        assert_eq!(pages.len(), CATALOGUE.len());
        let page = pages.iter().find(|page| page["name"] == "port-reused").unwrap();
        assert_eq!(page["group"], "after-close");
        assert!(page["summary"].as_str().unwrap().starts_with("A new connection on the same addresses"));
        assert!(page["markdown"].as_str().unwrap().starts_with("# What it is\n\nA new connection"));
        let mut none = Vec::new();
        catalogue_json(&mut none, &[]).unwrap();
        assert_eq!(none, b"[]\n");
    }

    #[test]
    fn a_page_is_laid_out_for_the_terminal() {
        let text = rendered(80, |out, canvas| page(out, canvas, find("port-reused").unwrap()));
        sample::assert_fits(&text, 80);
        assert!(text.starts_with("port-reused  note, after-close\n\nWhat it is\n  A new connection on"), "{text}");
        assert!(!text.contains('#'), "{text}");
    }

    #[test]
    fn every_page_fits_a_narrow_terminal_but_for_its_traces() {
        for entry in CATALOGUE.iter() {
            let text = rendered(80, |out, canvas| page(out, canvas, entry));
            let prose: String = text.lines().filter(|line| !line.starts_with("    ")).collect::<Vec<_>>().join("\n");
            sample::assert_fits(&prose, 80);
        }
    }
}
