//! Every text trace of the project, in fixtures/ and in the `trace` blocks of the documentation, can be read, printed,
//! and sent through frames and decoding, and stays what it is.

use std::fs;
use std::path::{Path, PathBuf};

use lastack::base::{Endpoint, FrameNumber, Timestamp};
use lastack::decode::Decoder;
use lastack::finding::CATALOGUE;
use lastack::segment::{IcmpError, Item, Marks, Segment};
use lastack::source::Source;
use lastack::source::script::{Script, parse, print};

use crate::told::tell_items;

/// A trace and where it stands.
struct Written {
    place: String,
    /// What the block's first line says after `trace`.
    words: String,
    text: String,
}

fn walk(folder: &Path, each: &mut impl FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() { walk(&path, each) } else { each(&path) }
    }
}

/// The bodies of the fenced blocks whose first word is `trace`; comment marks in front are taken off.
fn blocks(place: &str, text: &str) -> Vec<Written> {
    let mut blocks = Vec::new();
    let mut open: Option<Written> = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let line = ["//!", "///"].into_iter().find_map(|mark| line.strip_prefix(mark)).unwrap_or(line);
        let fence = line.trim().strip_prefix("```");
        match (&mut open, fence) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, Some(language)) if language.split_whitespace().next() == Some("trace") => {
                let words = language.trim_start().trim_start_matches("trace").trim().to_owned();
                open = Some(Written { place: format!("{place}:{}", index + 1), words, text: String::new() });
            }
            (None, _) => {}
        }
    }
    blocks
}

fn all() -> Vec<Written> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "docs", "fixtures"] {
        walk(&root.join(folder), &mut |path| {
            let place = path.display().to_string();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.file_name().is_some_and(|name| name == "trace.txt") {
                found.push(Written {
                    place,
                    words: String::new(),
                    text: fs::read_to_string(path).expect("a readable trace"),
                });
            } else if matches!(extension, Some("rs" | "md")) {
                found.extend(blocks(&place, &fs::read_to_string(path).expect("a readable file")));
            }
        });
    }
    found
}

/// Without what a frame cannot show, and without the verdict on the checksum, which a cut frame does not allow.
fn on_the_wire(item: &Item) -> Item {
    let hidden = Marks::REASSEMBLED | Marks::FRAGMENT_FIRST;
    let checksum = Marks::CHECKSUM_GOOD | Marks::CHECKSUM_BAD | Marks::CHECKSUM_PARTIAL;
    match *item {
        Item::Segment(segment) => {
            Item::Segment(Segment { marks: segment.marks - hidden - checksum, context: 0, ..segment })
        }
        Item::IcmpError(error) => Item::IcmpError(error),
    }
}

#[test]
fn every_trace_survives_printing_and_framing() {
    let traces = all();
    assert!(!traces.is_empty(), "the language's own example at least");
    for Written { place, text, .. } in traces {
        let items = parse(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert!(!items.is_empty(), "{place}: an empty trace shows nothing");
        let printed = print(&items);
        assert_eq!(parse(&printed).as_deref(), Ok(&*items), "{place}: printed as\n{printed}");

        let mut script = Script::new(items.clone());
        let mut decoder = Decoder::default();
        let mut decoded = Vec::new();
        while let Some(frame) = script.next_frame().expect("a script has no errors") {
            decoder.decode(&frame, |item| decoded.push(on_the_wire(item)));
        }
        let expected: Vec<Item> = items.iter().map(on_the_wire).collect();
        assert_eq!(decoded, expected, "{place}");
    }
}

/// Findings that no trace can show: a killed process leaves a reset of no shape of its own.
const WITHOUT_EXAMPLE: &[&str] = &["reset-process-exit"];

/// A finding's page shows a trace in which it fires and one that is like it and in which it does not.
#[test]
fn examples_of_findings_are_true() {
    let mut found = Vec::new();
    for entry in CATALOGUE.iter().filter(|entry| !WITHOUT_EXAMPLE.contains(&entry.name)) {
        for words in ["fires", "quiet"] {
            if !blocks(entry.name, entry.doc).iter().any(|block| block.words.starts_with(words)) {
                found.push(format!("{}: no `trace {words}` block", entry.name));
            }
        }
        for Written { place, words, text } in blocks(entry.name, entry.doc) {
            let items = parse(&text).unwrap_or_else(|error| panic!("{place}: {error}"));
            let (word, times) = words.split_once(' ').unwrap_or((&words, "1 times"));
            let times = times.strip_suffix(" times").and_then(|times| times.parse().ok());
            let (expected, times) = match (word, times) {
                ("fires", Some(times)) => (true, times),
                ("quiet", Some(times)) => (false, times),
                _ => panic!("{place}: `trace fires` or `trace quiet`, perhaps `N times`, not `trace {words}`"),
            };
            let names: Vec<&str> = tell_items(&repeated(&items, times)).names().collect();
            if names.contains(&entry.name) != expected {
                found.push(format!("{place}: {words}, but found {names:?}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The trace so many times, each from a client's port of its own and a millisecond after the one before.
fn repeated(items: &[Item], times: u16) -> Vec<Item> {
    if times == 1 {
        // A clock that steps back stays so.
        return items.to_vec();
    }
    let mut all: Vec<Item> = (0..times).flat_map(|n| items.iter().map(move |item| moved(item, n))).collect();
    all.sort_by_key(Item::time);
    for (index, item) in all.iter_mut().enumerate() {
        let frame = FrameNumber(index as u64 + 1);
        match item {
            Item::Segment(segment) => segment.frame = frame,
            Item::IcmpError(error) => error.frame = frame,
        }
    }
    all
}

fn moved(item: &Item, n: u16) -> Item {
    let end = |end: Endpoint| if end.port < 1_024 { end } else { Endpoint { port: end.port + n, ..end } };
    let later = |time: Timestamp| time.plus(i64::from(n) * 1_000_000);
    match *item {
        Item::Segment(segment) => Item::Segment(Segment {
            time: later(segment.time),
            source: end(segment.source),
            destination: end(segment.destination),
            ..segment
        }),
        Item::IcmpError(error) => Item::IcmpError(IcmpError {
            time: later(error.time),
            source: end(error.source),
            destination: end(error.destination),
            ..error
        }),
    }
}

#[test]
fn blocks_are_found_in_comments_and_in_pages() {
    let text = "//! ```trace fires\n//! client > SYN\n//! ```\n```text\nno trace\n```\n    /// ```trace\n    /// client > ACK\n    /// ```\n";
    let found: Vec<(String, String)> = blocks("f", text).into_iter().map(|block| (block.place, block.text)).collect();
    let expected = [("f:1", " client > SYN\n"), ("f:7", " client > ACK\n")];
    assert_eq!(found, expected.map(|(place, text)| (place.to_owned(), text.to_owned())));
}
