//! The whole input: one or several captures, read as one with running frame numbers.
//!
//! Captures that follow one another are read one after another. Where one begins before another ends, both are open and
//! their frames merged by time, as mergecap does.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::capture::{Capture, Format, Run};
use super::catalog::Catalog;
use super::compression::Compression;
use super::error::Fault;
use super::inputs::{self, Gathered, Input, Member, Origin};
use super::{Borrower, Frame, Gap, Interface, LinkType, Names, Notice, Record, Source, SourceError, limits};
use crate::base::{FrameNumber, Timestamp};

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

/// What is read by a thread of its own, ahead of who asks for frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum ReadAhead {
    /// Nothing.
    #[default]
    Nothing,
    /// What is compressed: unpacking a frame costs several times its analysis.
    Compressed,
    /// Long files as well. Where frames are long, copying one out of the page cache costs more than its analysis.
    Long,
}

/// How to read.
#[derive(Clone, Debug)]
pub struct Options {
    /// How the bytes of regular files are reached.
    pub access: Access,
    /// What is read by a thread of its own.
    pub ahead: ReadAhead,
    /// Size of the buffer in bytes; it grows only for a longer record.
    pub buffer_bytes: usize,
    /// Once this is true, the next read from the operating system ends with [`SourceError::Stopped`], also one that a
    /// signal interrupted.
    pub stop: Option<Arc<AtomicBool>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { access: Access::default(), ahead: ReadAhead::default(), buffer_bytes: limits::BUFFER_BYTES, stop: None }
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
    /// How it is compressed, once it was opened.
    pub compression: Option<Compression>,
    /// The number in the whole input of its first frame, once that was read.
    pub first_frame: Option<FrameNumber>,
    /// The number within the file of the frame read last: what Wireshark shows for it when it opens this file alone.
    pub last_number: u64,
}

/// How far reading has come, in bytes as they lie on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read.
    pub read: u64,
    /// Bytes in all; none when some input has no known size.
    pub total: Option<u64>,
}

const END_OF_TIME: Timestamp = Timestamp(i64::MAX);

/// A capture that is being read.
struct Active {
    capture: Capture,
    /// Its index among the files.
    file: usize,
}

/// Two of them that have frames of the same time, by their indexes among the files.
struct Overlap {
    /// The one that begins within the other.
    file: usize,
    with: usize,
    since: Timestamp,
    /// How far the other has gone on.
    until: Timestamp,
}

/// Captures read as one input. Made by [`open`].
pub struct CaptureSet {
    options: Options,
    members: Vec<Member>,
    files: Vec<CaptureFile>,
    /// Those that are open: one, or several that overlap.
    active: Vec<Active>,
    /// Of those, which do.
    overlaps: Vec<Overlap>,
    /// The next one to open.
    upcoming: usize,
    /// When it begins; the end of time when nothing is known or there is none.
    upcoming_time: Timestamp,
    catalog: Catalog,
    notices: Vec<Notice>,
    /// The number of the last frame.
    number: u64,
    /// Frames lent.
    frames: u64,
    /// Bytes on disk of the files that are done.
    done_bytes: u64,
    /// Files were merged, so that a file's frames are not all in a row.
    interleaved: bool,
    /// Why the first file that could not be read to its end could not. Said when everything else was read.
    failure: Option<SourceError>,
}

/// Opens the inputs and reads what stands before the first frame.
///
/// Files of several are ordered by the time of their first frame, and one whose bytes are those of another is left out.
///
/// # Errors
/// What was named cannot be opened, or is no capture; where there are others, that is said when they have been read. Files in a
/// directory that are none are left out with a notice.
pub fn open(inputs: Vec<Input>, options: Options) -> Result<CaptureSet, SourceError> {
    let mut notices = Vec::new();
    let Gathered { members, failures } = inputs::gather(inputs, &options, &mut notices)?;
    let mut set = CaptureSet::begin(members, options, notices)?;
    failures.into_iter().for_each(|error| set.keep_failure(error));
    Ok(set)
}

impl CaptureSet {
    fn begin(members: Vec<Member>, options: Options, notices: Vec<Notice>) -> Result<Self, SourceError> {
        let files = members
            .iter()
            .map(|member| CaptureFile {
                name: member.name.clone(),
                size: member.size,
                format: None,
                compression: None,
                first_frame: None,
                last_number: 0,
            })
            .collect();
        let mut set = Self {
            options,
            members,
            files,
            active: Vec::new(),
            overlaps: Vec::new(),
            upcoming: 0,
            upcoming_time: END_OF_TIME,
            catalog: Catalog::default(),
            notices,
            number: 0,
            frames: 0,
            done_bytes: 0,
            interleaved: false,
            failure: None,
        };
        set.open_upcoming()?;
        Ok(set)
    }

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

    /// Blocks of types that are not known here and were stepped over.
    pub fn unknown_blocks(&self) -> u64 {
        self.catalog.unknown_blocks
    }

    /// What the user should hear about the input, so far.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// What the capture says was lost between the frame lent last and the next one, once. Waits for that, as [`Source::next_frame`]
    /// does, where not several files are being merged.
    pub fn gaps_ahead(&mut self) -> Vec<Gap> {
        if let [active] = self.active.as_mut_slice() {
            // A fault is dealt with when its turn comes.
            let _ = active.capture.read_ahead(&mut self.catalog);
        }
        std::mem::take(&mut self.catalog.gaps)
    }

    /// Frames lent so far. The number of the last one is greater where the capture holds records that are no frames and
    /// that Wireshark numbers all the same.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// How far reading has come.
    pub fn progress(&self) -> Progress {
        let here: u64 = self.active.iter().map(|active| active.capture.bytes_read()).sum();
        Progress { read: self.done_bytes + here, total: self.files.iter().map(|file| file.size).sum() }
    }

    /// The file that frame `number` came from, as an index into [`CaptureSet::files`], and its number within the file. None
    /// for frames not yet read, and when files were merged.
    pub fn locate(&self, number: FrameNumber) -> Option<(usize, u64)> {
        if self.interleaved {
            return None;
        }
        let begun = |file: &CaptureFile| file.first_frame.is_some_and(|first| first <= number);
        let index = self.files.iter().rposition(begun)?;
        let within = number.0 - self.files[index].first_frame?.0 + 1;
        (within <= self.files[index].last_number).then_some((index, within))
    }

    /// The same input from its beginning, in the same order.
    ///
    /// # Errors
    /// Standard input and other streams can be read only once.
    pub fn reopen(&self) -> Result<CaptureSet, SourceError> {
        let again = |member: &Member| match &member.origin {
            Origin::Path(path) => Ok(Member {
                name: member.name.clone(),
                origin: Origin::Path(path.clone()),
                size: member.size,
                first_time: member.first_time,
            }),
            Origin::Once(_) => Err(SourceError::ReadOnce { file: member.name.clone() }),
        };
        let members = self.members.iter().map(again).collect::<Result<_, _>>()?;
        Self::begin(members, self.options.clone(), Vec::new())
    }

    /// Opens the next member and makes it active.
    fn open_upcoming(&mut self) -> Result<(), SourceError> {
        let file = self.upcoming;
        self.upcoming += 1;
        let later = self.members.get(self.upcoming).and_then(|member| member.first_time);
        self.upcoming_time = later.unwrap_or(END_OF_TIME);
        // Of those that overlap each would have a thread and its buffers.
        let ahead =
            if self.active.is_empty() { self.options.ahead } else { self.options.ahead.min(ReadAhead::Compressed) };
        let options = Options { ahead, ..self.options.clone() };
        let member = &mut self.members[file];
        let opened = match &mut member.origin {
            Origin::Path(path) => Capture::open(path, &options, file, &mut self.catalog),
            Origin::Once(reader) => match reader.take() {
                Some(reader) => Capture::read(reader, &options, file, &mut self.catalog),
                None => return Err(SourceError::ReadOnce { file: member.name.clone() }),
            },
        };
        let mut capture = opened.map_err(|fault| fault.at(&member.name, 0, FrameNumber(self.number + 1)))?;
        self.files[file].format = Some(capture.format());
        self.files[file].compression = capture.compression();
        // A fault is dealt with when its turn comes.
        let _ = capture.read_ahead(&mut self.catalog);
        self.active.push(Active { capture, file });
        Ok(())
    }

    /// The next record when it is not simply the next one in memory of the only open file: where the buffer is filled, at
    /// the ends of files and where they overlap. None at the end of the input.
    #[cold]
    fn next_of_several(&mut self) -> Result<Option<(usize, Record)>, SourceError> {
        loop {
            self.retire_finished()?;
            let earliest = self
                .active
                .iter_mut()
                .enumerate()
                .filter_map(|(index, active)| {
                    let record = active.capture.read_ahead(&mut self.catalog).ok().flatten()?;
                    Some((record.time, index))
                })
                .min();
            match earliest {
                None if self.upcoming == self.members.len() => return self.failure.take().map_or(Ok(None), Err),
                None => self.open_upcoming_or_note(),
                Some((time, index)) if self.is_upcoming_due(time) && !self.is_crowded() => {
                    self.join(time, index);
                }
                Some((_, index)) => match self.active[index].capture.next(&mut self.catalog) {
                    Ok(Some(record)) => {
                        self.go_on(self.active[index].file, record.time);
                        return Ok(Some((index, record)));
                    }
                    other => self.active[index].capture.put_back(other),
                },
            }
        }
    }

    /// Closes files that are read to their end, or as far as they can be.
    fn retire_finished(&mut self) -> Result<(), SourceError> {
        let mut index = 0;
        while index < self.active.len() {
            let active = &mut self.active[index];
            if matches!(active.capture.read_ahead(&mut self.catalog), Ok(Some(_))) {
                index += 1;
                continue;
            }
            let mut active = self.active.remove(index);
            self.say_overlaps(active.file);
            self.done_bytes += self.files[active.file].size.unwrap_or(0);
            if let Err(fault) = active.capture.next(&mut self.catalog) {
                self.note_failure(fault, active.file, active.capture.offset())?;
            }
        }
        Ok(())
    }

    /// Remembers the first failure and says the others; what asks to stop stops everything.
    fn note_failure(&mut self, fault: Fault, file: usize, offset: u64) -> Result<(), SourceError> {
        let stopped = matches!(fault, Fault::Stopped);
        let error = fault.at(&self.files[file].name, offset, FrameNumber(self.number + 1));
        if stopped {
            self.active.clear();
            self.upcoming = self.members.len();
            self.failure = None;
            return Err(error);
        }
        self.keep_failure(error);
        Ok(())
    }

    /// The first one is the input's; it is said last, after everything that could be read.
    fn keep_failure(&mut self, error: SourceError) {
        match &self.failure {
            None => self.failure = Some(error),
            Some(_) => self.notices.push(Notice::Failed { error: error.to_string() }),
        }
    }

    /// Opens the next member; one that can no longer be opened is a failure of that file alone.
    fn open_upcoming_or_note(&mut self) {
        if let Err(error) = self.open_upcoming() {
            self.keep_failure(error);
        }
    }

    /// The next member begins before the frame at `time` of the open one at `index`.
    fn join(&mut self, time: Timestamp, index: usize) {
        let (file, with) = (self.upcoming, self.active[index].file);
        self.overlaps.push(Overlap { file, with, since: self.upcoming_time, until: time });
        self.interleaved = true;
        self.open_upcoming_or_note();
    }

    /// A frame of `file` at `time` is lent.
    fn go_on(&mut self, file: usize, time: Timestamp) {
        for overlap in self.overlaps.iter_mut().filter(|overlap| overlap.with == file) {
            overlap.until = overlap.until.max(time);
        }
    }

    /// `file` is done, so that it is known how far others overlap with it.
    fn say_overlaps(&mut self, file: usize) {
        let name = |index: usize| self.files[index].name.clone();
        let mut said =
            self.overlaps.extract_if(.., |overlap| overlap.file == file || overlap.with == file).collect::<Vec<_>>();
        said.retain(|overlap| overlap.until.since(overlap.since) > limits::OVERLAP_UNSAID_NS);
        self.notices.extend(said.iter().map(|overlap| Notice::Overlap {
            file: name(overlap.file),
            with: name(overlap.with),
            by_ns: overlap.until.since(overlap.since),
        }));
    }

    /// The next member begins at `time` or before.
    fn is_upcoming_due(&self, time: Timestamp) -> bool {
        // The end of time is also what absurd timestamps saturate to.
        self.upcoming_time != END_OF_TIME && time >= self.upcoming_time
    }

    /// As many files are open as may be.
    fn is_crowded(&mut self) -> bool {
        let crowded = self.active.len() >= limits::MERGED_FILES_MAX;
        let notice = Notice::TooManyOverlap { limit: limits::MERGED_FILES_MAX };
        if crowded && !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
        crowded
    }
}

impl CaptureSet {
    /// Counts a record and makes a frame of it.
    #[inline]
    fn lend(&mut self, index: usize, record: &Record) -> Frame<'_> {
        let active = &self.active[index];
        let step = 1 + u64::from(record.others_before);
        self.number += step;
        self.frames += 1;
        let file = &mut self.files[active.file];
        if file.last_number == 0 {
            file.first_frame = Some(FrameNumber(self.number - step + 1));
        }
        file.last_number += step;
        let interface = self.catalog.interface_mut(record.interface);
        interface.frames += 1;
        interface.untimed += u64::from(!record.timed);
        record.frame(FrameNumber(self.number), active.capture.bytes(record))
    }
}

impl CaptureSet {
    /// Lends the next frames, `most` of them, as far as they can be had without waiting for the operating system. Returns
    /// how many; that they are fewer says nothing of the end.
    #[inline]
    pub fn lend_at_hand(&mut self, most: usize, to: impl Borrower) -> usize {
        let [active] = self.active.as_mut_slice() else { return 0 };
        let (after, last) = (FrameNumber(self.number), FrameNumber(self.number + most as u64));
        let run = Run { after, last, before: self.upcoming_time };
        let lent = active.capture.lend(&run, &mut self.catalog, to);
        let file = &mut self.files[active.file];
        if file.last_number == 0 && lent > 0 {
            file.first_frame = Some(FrameNumber(self.number + 1));
        }
        file.last_number += lent as u64;
        self.number += lent as u64;
        self.frames += lent as u64;
        lent
    }

    /// The next record, if it is simply the next one in memory of the only open file.
    #[inline]
    fn next_whole(&mut self) -> Option<Record> {
        let [active] = self.active.as_mut_slice() else { return None };
        let record = active.capture.next_whole(&mut self.catalog)?;
        if record.time < self.upcoming_time {
            return Some(record);
        }
        active.capture.put_back(Ok(Some(record)));
        None
    }
}

impl Source for CaptureSet {
    #[inline]
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        let (index, record) = match self.next_whole() {
            Some(record) => (0, record),
            None => match self.next_of_several()? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        Ok(Some(self.lend(index, &record)))
    }
}
