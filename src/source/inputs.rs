//! From what the user named to the captures that are read, in order: directories opened up, what is no capture left out,
//! duplicates dropped, the rest ordered by first timestamp.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::capture::Capture;
use super::catalog::Catalog;
use super::error::Fault;
use super::{Access, Notice, Options, ReadAhead, SourceError};
use crate::base::{FrameNumber, Timestamp};

/// Something to read captures from.
pub enum Input {
    /// A file, or a directory of rotated captures.
    Path(PathBuf),
    /// Standard input.
    Stdin,
    /// Anything else that gives bytes, with a name for messages.
    Reader(String, Box<dyn Read + Send>),
}

impl Input {
    /// As on the command line: `-` is standard input.
    pub fn from_argument(argument: &Path) -> Self {
        if argument == Path::new("-") { Input::Stdin } else { Input::Path(argument.to_owned()) }
    }
}

/// Where a member's bytes come from when its turn comes.
pub(super) enum Origin {
    Path(PathBuf),
    /// None once it was taken.
    Once(Option<Box<dyn Read + Send>>),
}

/// One capture of the input.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) origin: Origin,
    /// Size in bytes of a regular file.
    pub(super) size: Option<u64>,
    /// The time of its first frame, when it was looked at beforehand.
    pub(super) first_time: Option<Timestamp>,
}

/// A buffer that is enough to see a capture's first frame.
const SURVEY_BUFFER_BYTES: usize = 64 << 10;

/// What the user named.
pub(super) struct Gathered {
    /// The captures in the order of reading, one at least.
    pub(super) members: Vec<Member>,
    /// What of it cannot be read, beside these.
    pub(super) failures: Vec<SourceError>,
}

/// The captures that `inputs` stand for.
///
/// # Errors
/// Nothing of them can be read.
pub(super) fn gather(
    inputs: Vec<Input>,
    options: &Options,
    notices: &mut Vec<Notice>,
) -> Result<Gathered, SourceError> {
    let (mut members, mut failures) = (Vec::new(), Vec::new());
    for input in inputs {
        match input {
            Input::Stdin => members.push(once("-".to_owned(), Box::new(io::stdin()))),
            Input::Reader(name, reader) => members.push(once(name, reader)),
            Input::Path(path) => match members_at(path, options, notices, &mut failures) {
                Ok(found) => members.extend(found),
                Err(error) => failures.push(error),
            },
        }
    }
    // A single file needs no order, and looking at it would read its beginning twice.
    if members.len() > 1 {
        members.retain_mut(|member| survey(member, options).map_err(|error| failures.push(error)).is_ok());
        members = without_duplicates(members, notices)?;
        order(&mut members);
    }
    if members.is_empty() {
        return Err(failures.into_iter().next().unwrap_or(SourceError::NoInput));
    }
    Ok(Gathered { members, failures })
}

/// What the file or directory at `path` gives.
fn members_at(
    path: PathBuf,
    options: &Options,
    notices: &mut Vec<Notice>,
    failures: &mut Vec<SourceError>,
) -> Result<Vec<Member>, SourceError> {
    let name = path.display().to_string();
    let meta = fs::metadata(&path).map_err(|error| SourceError::Io { file: name.clone(), error })?;
    if meta.is_dir() {
        return captures_of_directory(&path, options, notices, failures);
    }
    if meta.is_file() {
        return Ok(vec![Member { name, origin: Origin::Path(path), size: Some(meta.len()), first_time: None }]);
    }
    // A pipe or a device with a name: once it is read, it is gone.
    let file = File::open(&path).map_err(|error| SourceError::Io { file: name.clone(), error })?;
    Ok(vec![once(name, Box::new(file))])
}

/// Looks at when `member` begins, where that is not known.
fn survey(member: &mut Member, options: &Options) -> Result<(), SourceError> {
    if let (Origin::Path(path), None) = (&member.origin, member.first_time) {
        member.first_time = first_time(path, options).map_err(|fault| fault.at(&member.name, 0, FrameNumber(1)))?;
    }
    Ok(())
}

fn once(name: String, reader: Box<dyn Read + Send>) -> Member {
    Member { name, origin: Origin::Once(Some(reader)), size: None, first_time: None }
}

/// The captures among the files of a directory.
fn captures_of_directory(
    directory: &Path,
    options: &Options,
    notices: &mut Vec<Notice>,
    failures: &mut Vec<SourceError>,
) -> Result<Vec<Member>, SourceError> {
    let shown = directory.display().to_string();
    let refused = |error| SourceError::Io { file: shown.clone(), error };
    let (mut members, mut subdirectories, mut others) = (Vec::new(), 0, 0);
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(refused)? {
        paths.push(entry.map_err(refused)?.path());
    }
    paths.sort();
    for path in paths {
        let name = path.display().to_string();
        let meta = match fs::metadata(&path) {
            Ok(meta) => meta,
            // A link to nothing, or a file that was rotated away.
            Err(error) => {
                others += 1;
                let why = SourceError::Io { file: name.clone(), error }.to_string();
                notices.push(Notice::LeftOut { file: name, why });
                continue;
            }
        };
        if meta.is_dir() {
            subdirectories += 1;
            continue;
        }
        if !meta.is_file() {
            others += 1;
            continue;
        }
        match first_time(&path, options) {
            Ok(first_time) => {
                members.push(Member { name, origin: Origin::Path(path), size: Some(meta.len()), first_time });
            }
            Err(fault) => {
                others += 1;
                match fault.at(&name, 0, FrameNumber(1)) {
                    // Nobody knows whether it is a capture.
                    refused @ SourceError::Io { .. } => failures.push(refused),
                    other => notices.push(Notice::LeftOut { file: name, why: other.to_string() }),
                }
            }
        }
    }
    if members.is_empty() {
        return Err(SourceError::NoCaptures { directory: shown, others });
    }
    if subdirectories > 0 {
        notices.push(Notice::Subdirectories { directory: shown, count: subdirectories });
    }
    Ok(members)
}

/// The time of the first frame; none when there is no frame, or none that can be read. What is wrong with that one is
/// said when its turn comes.
fn first_time(path: &Path, options: &Options) -> Result<Option<Timestamp>, Fault> {
    let survey = Options {
        access: Access::Buffer,
        ahead: ReadAhead::Nothing,
        buffer_bytes: SURVEY_BUFFER_BYTES,
        ..options.clone()
    };
    let mut scratch = Catalog::default();
    let mut capture = Capture::open(path, &survey, 0, &mut scratch)?;
    Ok(capture.read_ahead(&mut scratch).ok().flatten().map(|record| record.time))
}

/// By first timestamp, those without a frame last. What can be read only once was not looked at and keeps its place; files
/// after it are merged with it where they overlap.
fn order(members: &mut [Member]) {
    for run in members.split_mut(|member| matches!(member.origin, Origin::Once(_))) {
        run.sort_by_key(|member| member.first_time.map_or(i64::MAX, |time| time.0));
    }
}

/// Drops members whose bytes are those of another one.
fn without_duplicates(members: Vec<Member>, notices: &mut Vec<Notice>) -> Result<Vec<Member>, SourceError> {
    let mut kept: Vec<Member> = Vec::with_capacity(members.len());
    // Only files of one size with one first timestamp can be the same.
    let mut alike: HashMap<(u64, Timestamp), Vec<usize>, foldhash::fast::RandomState> = HashMap::default();
    'next: for member in members {
        if let (Origin::Path(path), Some(size), Some(time)) = (&member.origin, member.size, member.first_time) {
            let group = alike.entry((size, time)).or_default();
            for &index in group.iter() {
                let other = &kept[index];
                let Origin::Path(other_path) = &other.origin else { continue };
                let same = same_bytes(path, other_path)
                    .map_err(|error| SourceError::Io { file: member.name.clone(), error })?;
                if same {
                    notices.push(Notice::Duplicate { file: member.name, of: other.name.clone() });
                    continue 'next;
                }
            }
            group.push(kept.len());
        }
        kept.push(member);
    }
    Ok(kept)
}

fn same_bytes(one: &Path, other: &Path) -> io::Result<bool> {
    const CHUNK_BYTES: u64 = 64 << 10;
    if fs::canonicalize(one)? == fs::canonicalize(other)? {
        return Ok(true);
    }
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut here, mut there) = (Vec::new(), Vec::new());
    loop {
        here.clear();
        there.clear();
        (&mut one).take(CHUNK_BYTES).read_to_end(&mut here)?;
        (&mut other).take(CHUNK_BYTES).read_to_end(&mut there)?;
        if here != there || here.is_empty() {
            return Ok(here == there);
        }
    }
}
