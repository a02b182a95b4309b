//! Style that a test can hold: who may import whom, and what must not be anywhere. What the modules are for stands in
//! docs/ARCHITECTURE.md; the table here is its import table.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every stage with the stages that it may import. A folder below `src` that imports more than its stage has a line of
/// its own.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("segment", &["base"]),
    ("source", &["base"]),
    // Text traces are segments before they are frames.
    ("source/script", &["base", "segment", "source"]),
    ("decode", &["base", "segment", "source"]),
    ("connection", &["base", "segment"]),
    ("table", &["base", "segment", "connection"]),
    ("population", &["base", "segment", "connection", "table"]),
    ("finding", &["base", "segment", "connection", "population"]),
    // The capture record names link types; the ladder shows segments.
    ("report", &["base", "segment", "connection", "finding", "population", "source"]),
    ("policy", &["base", "finding"]),
    (
        "analysis",
        &["base", "segment", "source", "decode", "connection", "table", "finding", "population", "policy", "report"],
    ),
    ("check", &["base", "segment", "source", "decode", "connection", "finding", "policy", "report", "analysis"]),
    (
        "cli",
        &[
            "base",
            "segment",
            "source",
            "decode",
            "connection",
            "table",
            "finding",
            "population",
            "policy",
            "report",
            "analysis",
            "check",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Names that say nothing about what lies inside.
const DRAWERS: &[&str] = &["utils", "util", "common", "types", "misc", "helpers", "helper", "manager"];

/// Beyond this a reader scrolls for minutes.
const FILE_LINES_MAX: usize = 800;

/// Files in which `unsafe` pays, each with the reason in a comment on the spot.
const MAY_BE_UNSAFE: &[&str] = &[
    "src/source/capture.rs",
    "src/base/prefetch.rs",
    "src/source/live/libpcap.rs",
    "src/cli/heap.rs",
    "benches/throughput/floor.rs",
    "tests/suite/allocations.rs",
];

/// A file of the project.
struct File {
    /// From the project's root, with `/`.
    path: String,
    text: String,
}

impl File {
    /// Lines with their numbers from 1, comments and the tests at the end of the file left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let tests = self.text.lines().zip(self.text.lines().skip(1)).position(|(attribute, item)| {
            attribute.trim() == "#[cfg(test)]" && item.trim_start().starts_with("mod ") && item.ends_with('{')
        });
        lines
            .take(tests.unwrap_or(usize::MAX))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(number, line)| (number, line.split_once(" // ").map_or(line, |(code, _)| code)))
    }

    /// The lines that hold `word` as a whole word.
    fn lines_with(&self, word: &str) -> Vec<String> {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        self.code()
            .filter(|(_, line)| {
                line.match_indices(word)
                    .any(|(at, _)| !line[..at].ends_with(is_part) && !line[at + word.len()..].starts_with(is_part))
            })
            .map(|(number, line)| format!("{}:{number}: {}", self.path, line.trim()))
            .collect()
    }

    /// The stage that the file belongs to: its longest entry in the table.
    fn stage(&self) -> Option<&'static (&'static str, &'static [&'static str])> {
        let inside = self.path.strip_prefix("src/")?.trim_end_matches(".rs");
        let holds =
            |stage: &str| inside == stage || inside.strip_prefix(stage).is_some_and(|rest| rest.starts_with('/'));
        MAY_IMPORT.iter().filter(|(stage, _)| holds(stage)).max_by_key(|(stage, _)| stage.len())
    }

    /// The modules below the crate's root that its code names.
    fn imports(&self) -> BTreeSet<String> {
        let mut imports = BTreeSet::new();
        let root = if self.path == "src/main.rs" { "lastack::" } else { "crate::" };
        let code: String = self.code().flat_map(|(_, line)| [line, "\n"]).collect();
        for (at, _) in code.match_indices(root) {
            let path = &code[at + root.len()..];
            let group = path.strip_prefix('{').map(first_words);
            imports.extend(group.unwrap_or_else(|| vec![first_word(path)]));
        }
        imports.remove("");
        imports
    }
}

fn first_word(path: &str) -> String {
    path.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// The first word of every path in a `use` group of which the opening brace is gone.
fn first_words(group: &str) -> Vec<String> {
    let mut words = vec![first_word(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => words.push(first_word(&group[at + 1..])),
            _ => {}
        }
    }
    words
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every Rust file below `folder`.
fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(&folder).expect("a readable folder").map(|entry| entry.expect("an entry").path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a readable file");
                let relative = path.strip_prefix(root()).expect("below the root");
                found.push(File { path: relative.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    assert!(!found.is_empty(), "no file below {folder}");
    found
}

/// The files that are compiled into the product: all of `src` but those that only tests include.
fn product() -> Vec<File> {
    let files = files("src");
    let test_only: BTreeSet<String> = files
        .iter()
        .flat_map(|file| {
            let folder = file.path.trim_end_matches("/mod.rs").trim_end_matches(".rs").to_owned();
            file.text
                .lines()
                .zip(file.text.lines().skip(1))
                .filter(|(attribute, _)| attribute.trim() == "#[cfg(test)]")
                .filter_map(|(_, item)| item.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
                .map(|name| format!("{folder}/{name}.rs"))
                .collect::<Vec<_>>()
        })
        .collect();
    files.into_iter().filter(|file| !test_only.contains(&file.path)).collect()
}

fn assert_none(what: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}

#[test]
fn stages_import_only_what_the_table_allows() {
    let mut found = Vec::new();
    for file in product() {
        let Some((stage, allowed)) = file.stage() else {
            found.push(format!("{}: belongs to no stage of the table", file.path));
            continue;
        };
        let own = stage.split('/').next().unwrap_or(stage);
        let foreign = file.imports().into_iter().filter(|import| import != own && !allowed.contains(&import.as_str()));
        found.extend(foreign.map(|import| format!("{}: {stage} must not import {import}", file.path)));
    }
    assert_none("imports against the walk of a packet", found);
}

#[test]
fn nothing_is_a_drawer() {
    let mut found = Vec::new();
    for file in ["src", "tests", "benches"].into_iter().flat_map(files) {
        let parts = file.path.trim_end_matches(".rs").split('/');
        found.extend(parts.filter(|part| DRAWERS.contains(part)).map(|part| format!("{}: {part}", file.path)));
        for (number, line) in file.code() {
            let name = line.trim().trim_start_matches("pub ").strip_prefix("mod ").map(first_word);
            if name.is_some_and(|name| DRAWERS.contains(&name.as_str())) {
                found.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    assert_none("modules whose name says nothing", found);
}

#[test]
fn no_file_takes_minutes_to_scroll() {
    let long = ["src", "tests", "benches"].into_iter().flat_map(files).filter_map(|file| {
        let lines = file.text.lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", file.path))
    });
    assert_none("long files", long.collect());
}

#[test]
fn only_main_ends_the_process() {
    let found = product()
        .into_iter()
        .filter(|file| file.path != "src/main.rs")
        .flat_map(|file| file.lines_with("process::exit"));
    assert_none("process::exit outside main.rs", found.collect());
}

#[test]
fn only_the_command_line_knows_wall_clocks_and_anyhow() {
    let inside = product();
    let inside = inside.iter().filter(|file| !file.path.starts_with("src/cli/") && file.path != "src/cli.rs");
    let found = inside.flat_map(|file| {
        ["SystemTime", "Instant", "anyhow"].into_iter().flat_map(|word| file.lines_with(word)).collect::<Vec<_>>()
    });
    assert_none("time comes from packets and errors are enums, except in cli/", found.collect());
}

#[test]
fn the_transition_relation_names_every_pair() {
    let product = product();
    let relation = product.iter().find(|file| file.path == "src/connection/transition.rs");
    let relation = relation.expect("the transition relation in its place");
    let found = relation.code().filter(|(_, line)| {
        let line = line.trim_start();
        line.starts_with("_ =>") || line.starts_with("(_, _)") || line.contains("| _ =>")
    });
    assert_none("catch-all arms", found.map(|(number, line)| format!("{number}: {}", line.trim())).collect());
}

#[test]
fn unsafe_stays_where_it_pays() {
    let files: Vec<File> = ["src", "tests", "benches"].into_iter().flat_map(files).collect();
    let unlisted = files.iter().filter(|file| !MAY_BE_UNSAFE.contains(&file.path.as_str()));
    // The word is put together so that this file does not hold it.
    let word = concat!("un", "safe");
    assert_none("outside the list", unlisted.flat_map(|file| file.lines_with(word)).collect());
    for listed in MAY_BE_UNSAFE {
        let file = files.iter().find(|file| file.path == *listed).unwrap_or_else(|| panic!("{listed} is gone"));
        assert!(!file.lines_with(word).is_empty(), "{listed} needs its place in the list no longer");
    }
}

#[test]
fn every_module_of_the_suite_has_a_sentence() {
    let suite = fs::read_to_string(root().join("tests/suite/main.rs")).expect("the suite");
    let lines: Vec<&str> = suite.lines().collect();
    let modules = lines.iter().enumerate().filter(|(_, line)| line.starts_with("mod "));
    let silent = modules.filter(|(index, _)| {
        let before = lines[..*index].iter().rev().find(|line| !line.starts_with("#["));
        !before.is_some_and(|line| line.starts_with("///") && line.ends_with('.'))
    });
    assert_none("modules of the suite without a sentence", silent.map(|(_, line)| (*line).to_owned()).collect());
}

#[test]
fn the_reader_of_imports_sees_groups_paths_and_tests() {
    let file = File {
        path: "src/decode/link.rs".into(),
        text: "use crate::{base::{Seq, Side}, segment, source::Frame};
            // crate::cli is only talked about
            fn f() -> crate::table::Key { crate::report::x() } // crate::finding
            #[cfg(test)]
            mod tests {
                use crate::population::Census;
            }"
        .into(),
    };
    let imports: Vec<String> = file.imports().into_iter().collect();
    assert_eq!(imports, ["base", "report", "segment", "source", "table"]);
    assert_eq!(file.stage().map(|(stage, _)| *stage), Some("decode"));
    assert_eq!(file.lines_with("Key").len(), 1);
    assert!(file.lines_with("Ke").is_empty());
}

#[test]
fn the_import_table_in_the_docs_is_this_one() {
    let page = fs::read_to_string(root().join("docs/ARCHITECTURE.md")).expect("docs/ARCHITECTURE.md");
    let table: String = MAY_IMPORT
        .iter()
        .map(|(stage, allowed)| format!("{}\n", format!("{stage}: {}", allowed.join(" ")).trim_end()))
        .collect();
    assert!(page.contains(&format!("```\n{table}```\n")), "docs/ARCHITECTURE.md should show:\n{table}");
}
