//! Pages that are made from the code: the state machine's relation and the manual of every finding. `UPDATE_GOLDEN=1`
//! writes them anew; otherwise a page that is not what the code says fails.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use lastack::connection::{Cue, State, transition};
use lastack::finding::{CATALOGUE, Entry};

const NOTE: &str = "<!-- Made from the code: UPDATE_GOLDEN=1 cargo test --test suite generated -->\n";

#[test]
fn the_state_table_is_the_relation() {
    let mut page = format!(
        "{NOTE}\n# The state machine\n\nWhat an endpoint in a state becomes by a cue (`src/connection/transition.rs`). Section \
         numbers are RFC 9293's.\nPairs that the protocol does not expect are marked with ⚠: each is a fact about the host \
         or the capture.\n"
    );
    for state in State::ALL {
        write!(page, "\n## {state}\n\n| cue | becomes | why |\n|---|---|---|\n").expect("memory");
        for &cue in Cue::ALL {
            let reaction = transition(state, cue);
            let mark = if reaction.expected { "" } else { "⚠ " };
            writeln!(page, "| {cue} | {mark}{} | {} |", reaction.to, reaction.why).expect("memory");
        }
    }
    hold(&[(docs().join("state-table.md"), page)]);
}

#[test]
fn the_manuals_are_the_catalogue_s() {
    let folder = docs().join("findings");
    let mut index = format!("{NOTE}\n# Findings\n");
    let mut pages = Vec::new();
    for entries in CATALOGUE.chunk_by(|one, other| one.group == other.group) {
        write!(index, "\n## {}\n\n| finding | severity |\n|---|---|\n", entries[0].group).expect("memory");
        for entry in entries {
            writeln!(index, "| [{0}]({0}.md) | {1} |", entry.name, entry.severity).expect("memory");
            pages.push((folder.join(format!("{}.md", entry.name)), manual(entry)));
        }
    }
    pages.push((folder.join("README.md"), index));
    hold(&pages);
    let kept = fs::read_dir(&folder).expect("docs/findings").map(|page| page.expect("an entry").path());
    let strays: Vec<PathBuf> = kept.filter(|path| pages.iter().all(|(page, _)| page != path)).collect();
    assert!(strays.is_empty(), "pages of findings that are not in the catalogue: {strays:?}");
}

/// The entry's text one level of headings down, below its name.
fn manual(entry: &Entry) -> String {
    let mut page = format!("{NOTE}\n# {}\n\n{}, {}\n\n", entry.name, entry.group, entry.severity);
    let mut fenced = false;
    for line in entry.doc.lines() {
        let line = line.strip_prefix(' ').unwrap_or(line);
        fenced ^= line.starts_with("```");
        let deeper = if line.starts_with('#') && !fenced { "#" } else { "" };
        writeln!(page, "{deeper}{line}").expect("memory");
    }
    page
}

/// Holds every page to what is in its file, or writes it.
fn hold(pages: &[(PathBuf, String)]) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for (path, page) in pages {
            fs::create_dir_all(path.parent().expect("a folder")).expect("docs is writable");
            fs::write(path, page).expect("docs is writable");
        }
        return;
    }
    let is_true = |path: &Path, page: &str| fs::read_to_string(path).is_ok_and(|kept| kept == page);
    let stale: Vec<&PathBuf> = pages.iter().filter(|(path, page)| !is_true(path, page)).map(|(path, _)| path).collect();
    assert!(stale.is_empty(), "not what the code says, UPDATE_GOLDEN=1 writes them anew: {stale:#?}");
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}
