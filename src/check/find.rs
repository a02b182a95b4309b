//! Which captures there are to check, and the file of expectations beside each.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What the name of a file of expectations ends with.
pub const SUFFIX: &str = ".expect.toml";

/// Endings of captures, looked for in directories.
const CAPTURES: [&str; 5] = ["pcap", "pcapng", "cap", "ntar", "snoop"];

/// Endings that compression adds.
const COMPRESSED: [&str; 5] = ["gz", "zst", "zstd", "lz4", "xz"];

/// A text trace is checked when expectations stand beside it.
const TRACE: &str = "txt";

/// Standard input, as other commands are given it.
const STDIN: &str = "-";

/// A capture to check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The capture.
    pub capture: PathBuf,
    /// Its expectations, whether the file is there or not.
    pub expectations: PathBuf,
}

impl FindError {
    /// What was looked at.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. } | Self::Hollow { path } | Self::Orphan { path, .. } => path,
            Self::Stdin => Path::new(STDIN),
        }
    }
}

/// Why there is nothing to check in a place.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The operating system refused.
    #[error("{}: {error}", path.display())]
    Io {
        /// What was looked at.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Standard input.
    #[error(
        "{STDIN}: standard input cannot be checked, since what fails is read a second time: write it to a file and check that"
    )]
    Stdin,
    /// A directory without captures.
    #[error("{}: no capture in this directory or below; they are known by their endings: .pcap, .pcapng, .cap", path.display())]
    Hollow {
        /// Which directory.
        path: PathBuf,
    },
    /// Expectations of a capture that is not there.
    #[error("{}: no capture beside these expectations; expected {}.pcap or .pcapng", path.display(), stem)]
    Orphan {
        /// The expectations.
        path: PathBuf,
        /// The name of the capture without its ending.
        stem: String,
    },
}

/// The name of `file` without the endings of captures and compression.
fn stem(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let name = COMPRESSED.iter().find_map(|ending| name.strip_suffix(&format!(".{ending}"))).unwrap_or(name);
    let name =
        CAPTURES.iter().chain([&TRACE]).find_map(|ending| name.strip_suffix(&format!(".{ending}"))).unwrap_or(name);
    Some(name.to_owned())
}

fn is_capture(file: &Path) -> bool {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return false };
    let name = COMPRESSED.iter().find_map(|ending| name.strip_suffix(&format!(".{ending}"))).unwrap_or(name);
    CAPTURES.iter().any(|ending| name.strip_suffix(&format!(".{ending}")).is_some_and(|stem| !stem.is_empty()))
}

fn is_trace(file: &Path) -> bool {
    file.extension().is_some_and(|ending| ending == TRACE)
}

impl Found {
    /// The capture at `path` with the place of its expectations.
    pub fn beside(path: &Path) -> Self {
        let name = stem(path).unwrap_or_default() + SUFFIX;
        Self { capture: path.to_owned(), expectations: path.with_file_name(name) }
    }
}

/// Finds what `paths` stand for: captures, directories with captures in them, files of expectations. Sorted within each
/// directory; no capture twice.
///
/// # Errors
/// Everything that stands for nothing. What was found beside is found all the same.
pub fn find(paths: &[PathBuf]) -> (Vec<Found>, Vec<FindError>) {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for path in paths {
        let before = found.len();
        let kind = fs::metadata(path);
        match kind {
            _ if path == Path::new(STDIN) => errors.push(FindError::Stdin),
            Err(error) => errors.push(FindError::Io { path: path.clone(), error }),
            Ok(kind) if kind.is_dir() => {
                let had = errors.len();
                walk(path, &mut found, &mut errors);
                if found.len() == before && errors.len() == had {
                    errors.push(FindError::Hollow { path: path.clone() });
                }
            }
            Ok(_) if is_expectations(path) => of_expectations(path, &mut found, &mut errors),
            Ok(_) => found.push(Found::beside(path)),
        }
    }
    let mut known = BTreeSet::new();
    found.retain(|found| known.insert(found.capture.clone()));
    (found, errors)
}

fn is_expectations(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(SUFFIX))
}

fn of_expectations(path: &Path, found: &mut Vec<Found>, errors: &mut Vec<FindError>) {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match sorted(folder) {
        Ok(entries) => {
            let before = found.len();
            let beside = entries.iter().filter(|entry| is_capture(entry) || is_trace(entry));
            let beside = beside.map(|entry| path.with_file_name(entry.file_name().unwrap_or_default()));
            found.extend(beside.map(|entry| Found::beside(&entry)).filter(|found| found.expectations == path));
            if found.len() == before {
                errors.push(orphan(path));
            }
        }
        Err(error) => errors.push(FindError::Io { path: folder.to_owned(), error }),
    }
}

fn orphan(path: &Path) -> FindError {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    FindError::Orphan { path: path.to_owned(), stem: name.trim_end_matches(SUFFIX).to_owned() }
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

fn walk(folder: &Path, found: &mut Vec<Found>, errors: &mut Vec<FindError>) {
    let entries = match sorted(folder) {
        Ok(entries) => entries,
        Err(error) => return errors.push(FindError::Io { path: folder.to_owned(), error }),
    };
    let expectations: BTreeSet<&PathBuf> = entries.iter().filter(|entry| is_expectations(entry)).collect();
    let mut spoken_of = BTreeSet::new();
    for entry in &entries {
        if entry.is_dir() {
            // A link may lead in a circle, and what it leads to is checked where it stands.
            if !entry.is_symlink() {
                walk(entry, found, errors);
            }
            continue;
        }
        let beside = Found::beside(entry);
        let is_expected = expectations.contains(&beside.expectations);
        if is_capture(entry) || is_trace(entry) && is_expected {
            spoken_of.insert(beside.expectations.clone());
            found.push(beside);
        }
    }
    errors.extend(expectations.into_iter().filter(|path| !spoken_of.contains(*path)).map(|path| orphan(path)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expectations_bear_the_name_of_the_capture_without_its_endings() {
        let beside = |capture: &str| Found::beside(Path::new(capture)).expectations.display().to_string();
        assert_eq!(beside("a/capture.pcap"), "a/capture.expect.toml");
        assert_eq!(beside("upload.pcapng.gz"), "upload.expect.toml");
        assert_eq!(beside("v1.2.pcap"), "v1.2.expect.toml");
        assert_eq!(beside("odd"), "odd.expect.toml");
        assert!(
            is_capture(Path::new("a.pcap.zst")) && !is_capture(Path::new("a.gz")) && !is_capture(Path::new(".pcap"))
        );
    }
}
