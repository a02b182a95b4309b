//! The whole input: one or several captures, read one after another with running frame numbers.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::capture::{Capture, Format};
use super::catalog::Catalog;
use super::error::Fault;
use super::window::Window;
use super::{Frame, Interface, LinkType, Names, Source, SourceError, limits};
use crate::base::FrameNumber;

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

/// How the bytes of a regular file are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Access {
    /// read(2) into one buffer: as fast as anything on captures of normal frames, and indifferent to files that change.
    #[default]
    Buffer,
    /// mmap(2). Only for files that nobody truncates meanwhile: that would kill the process. What is no regular file or
    /// compressed is read through the buffer all the same.
    Map,
}

/// How to read.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the bytes of regular files are reached.
    pub access: Access,
    /// Size of the buffer in bytes; it grows only for a longer record.
    pub buffer_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { access: Access::default(), buffer_bytes: limits::BUFFER_BYTES }
    }
}

/// One file of the input, in the order of reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureFile {
    /// Its path as given, or `-`.
    pub name: String,
    /// Its size on disk in bytes, when it is a regular file.
    pub size: Option<u64>,
    /// Its format, once it was opened.
    pub format: Option<Format>,
    /// The number in the whole input of its first frame, once it was opened.
    pub first_frame: Option<FrameNumber>,
    /// Frames read from it so far.
    pub frames: u64,
}

/// How far reading has come, in bytes as they lie on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read: u64,
    /// Bytes in all; none when some input has no known size.
    pub total: Option<u64>,
}

/// Where a member's bytes come from when its turn comes.
enum Origin {
    Path(PathBuf),
    Once(Option<Box<dyn Read + Send>>),
}

/// Captures read as one input. Made by [`open`].
pub struct CaptureSet {
    options: Options,
    files: Vec<CaptureFile>,
    origins: Vec<Origin>,
    /// The one being read.
    current: usize,
    capture: Option<Capture>,
    catalog: Catalog,
    frames: u64,
    /// Bytes on disk of the files that are done.
    done_bytes: u64,
}

/// Opens the inputs and reads what stands before the first frame.
///
/// # Errors
/// What was named and cannot be opened, or is no capture.
pub fn open(inputs: Vec<Input>, options: Options) -> Result<CaptureSet, SourceError> {
    let mut files = Vec::new();
    let mut origins = Vec::new();
    for input in inputs {
        let (name, size, origin) = match input {
            Input::Path(path) => {
                let size = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file).map(|meta| meta.len());
                (path.display().to_string(), size, Origin::Path(path))
            }
            Input::Stdin => ("-".to_owned(), None, Origin::Once(Some(Box::new(io::stdin())))),
            Input::Reader(name, reader) => (name, None, Origin::Once(Some(reader))),
        };
        files.push(CaptureFile { name, size, format: None, first_frame: None, frames: 0 });
        origins.push(origin);
    }
    if files.is_empty() {
        return Err(SourceError::NoInput);
    }
    let mut set = CaptureSet {
        options,
        files,
        origins,
        current: 0,
        capture: None,
        catalog: Catalog::default(),
        frames: 0,
        done_bytes: 0,
    };
    set.open_current()?;
    Ok(set)
}

impl CaptureSet {
    /// The files in the order of reading.
    pub fn files(&self) -> &[CaptureFile] {
        &self.files
    }

    /// The format of the files opened so far, or `mixed`.
    pub fn format(&self) -> &'static str {
        let mut formats = self.files.iter().filter_map(|file| file.format);
        let Some(first) = formats.next() else { return "unknown" };
        if formats.all(|format| format == first) { first.name() } else { "mixed" }
    }

    /// The link types of the interfaces described so far, in order of appearance.
    pub fn link_types(&self) -> Vec<LinkType> {
        let mut seen = Vec::new();
        for interface in &self.catalog.interfaces {
            if !seen.contains(&interface.link) {
                seen.push(interface.link);
            }
        }
        seen
    }

    /// The interfaces described so far; [`Frame::interface`] is an index into them.
    pub fn interfaces(&self) -> &[Interface] {
        &self.catalog.interfaces
    }

    /// The names that the captures give to addresses.
    pub fn names(&self) -> &Names {
        &self.catalog.names
    }

    /// Blocks of unknown types that were stepped over.
    pub fn unknown_blocks(&self) -> u64 {
        self.catalog.unknown_blocks
    }

    /// How far reading has come.
    pub fn progress(&self) -> Progress {
        let here = self.capture.as_ref().map_or(0, Capture::offset);
        Progress { read: self.done_bytes + here, total: self.files.iter().map(|file| file.size).sum() }
    }

    /// The file that frame `number` came from, as an index into [`CaptureSet::files`], and its number within it.
    pub fn locate(&self, number: FrameNumber) -> Option<(usize, u64)> {
        let index =
            self.files.partition_point(|file| file.first_frame.is_some_and(|first| first <= number)).checked_sub(1)?;
        let within = number.0 - self.files[index].first_frame?.0 + 1;
        (within <= self.files[index].frames).then_some((index, within))
    }

    /// The same input from its beginning.
    ///
    /// # Errors
    /// Standard input and other streams can be read only once.
    pub fn reopen(&self) -> Result<CaptureSet, SourceError> {
        let inputs = self
            .origins
            .iter()
            .zip(&self.files)
            .map(|(origin, file)| match origin {
                Origin::Path(path) => Ok(Input::Path(path.clone())),
                Origin::Once(_) => Err(SourceError::ReadOnce { file: file.name.clone() }),
            })
            .collect::<Result<_, _>>()?;
        open(inputs, self.options.clone())
    }

    fn open_current(&mut self) -> Result<(), SourceError> {
        let file = self.current;
        let next = FrameNumber(self.frames + 1);
        self.files[file].first_frame = Some(next);
        let name = self.files[file].name.clone();
        let mut capture = open_window(&mut self.origins[file], &self.options)
            .map_err(Fault::Io)
            .and_then(|window| Capture::open(window, file, &mut self.catalog))
            .map_err(|fault| fault.at(&name, 0, next))?;
        self.files[file].format = Some(capture.format());
        capture.read_ahead(&mut self.catalog);
        self.capture = Some(capture);
        Ok(())
    }

    /// After the last frame of a file: on to the next one. False at the end of the input.
    #[cold]
    fn next_file(&mut self) -> Result<bool, SourceError> {
        self.done_bytes += self.files.get(self.current).and_then(|file| file.size).unwrap_or(0);
        self.capture = None;
        self.current += 1;
        if self.current >= self.files.len() {
            return Ok(false);
        }
        self.open_current().map(|()| true)
    }
}

impl Source for CaptureSet {
    #[inline]
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        let record = loop {
            let Some(capture) = &mut self.capture else { return Ok(None) };
            match capture.next(&mut self.catalog) {
                Ok(Some(record)) => break record,
                Ok(None) => {
                    if !self.next_file()? {
                        return Ok(None);
                    }
                }
                Err(fault) => {
                    let offset = capture.offset();
                    let error = fault.at(&self.files[self.current].name, offset, FrameNumber(self.frames + 1));
                    self.capture = None;
                    return Err(error);
                }
            }
        };
        self.frames += 1;
        self.files[self.current].frames += 1;
        let interface = self.catalog.interface_mut(record.interface);
        interface.frames += 1;
        interface.untimed += u64::from(!record.timed);
        let Some(capture) = &self.capture else { return Ok(None) };
        Ok(Some(Frame {
            number: FrameNumber(self.frames),
            time: record.time,
            bytes: capture.bytes(&record),
            original_len: record.original_len,
            link: record.link,
            interface: record.interface,
            flags: record.flags,
        }))
    }
}

fn open_window(origin: &mut Origin, options: &Options) -> io::Result<Window> {
    match origin {
        Origin::Path(path) => {
            let file = File::open(path)?;
            if options.access == Access::Map && file.metadata()?.is_file() {
                // SAFETY: the map is only read, as bytes of any value. A file that is truncated under it raises SIGBUS,
                // which `Access::Map` names as the price and which is why it is not the default.
                return Ok(Window::mapped(unsafe { Mmap::map(&file)? }));
            }
            Ok(Window::buffered(Box::new(file), options.buffer_bytes))
        }
        Origin::Once(reader) => match reader.take() {
            Some(reader) => Ok(Window::buffered(reader, options.buffer_bytes)),
            None => Err(io::Error::other("already read")),
        },
    }
}
