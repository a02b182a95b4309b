//! The bytes of one input that are in memory now: a buffer that read(2) fills, or a map of the whole file.
//!
//! Readers look at [`Window::available`], ask for more with [`Window::fill`] and step over what they have understood.
//! A range stays valid until the next `fill`, so a frame can be lent from where it lies.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;

use crate::base::prefetch::LINE_BYTES;

use super::ahead::{Ahead, Block, Idle, MARGIN_BYTES, Origin};
use super::meter::Metered;

/// How far ahead of the reader a map is touched. Walking records one by one in a map is a chain of cache misses;
/// touching every line of the next stretch first lets the misses overlap.
const TOUCH_AHEAD_BYTES: usize = 64 << 10;

/// A page of the page cache.
const PAGE_BYTES: usize = 4 << 10;

enum Memory {
    Buffer { bytes: Vec<u8>, feed: Feed },
    Map { map: Mmap, touched: usize },
}

/// Where the bytes of a buffer come from.
enum Feed {
    Reader(Box<dyn Read + Send>),
    /// Another thread, which gives a buffer for a buffer.
    Ahead(Ahead),
}

/// What was read of an input to know what it is.
pub(super) struct Beginning {
    bytes: Vec<u8>,
    /// Of these the ones that were read.
    len: usize,
    reader: Box<dyn Read + Send>,
    ended: bool,
}

impl Beginning {
    /// Reads the first `need` bytes, or more, into a buffer of `capacity`.
    pub(super) fn read(mut reader: Box<dyn Read + Send>, need: usize, capacity: usize) -> io::Result<Self> {
        let (mut bytes, mut len, mut ended) = (vec![0; capacity.max(LINE_BYTES)], 0, false);
        while len < need && !ended {
            let count = reader.read(&mut bytes[len..])?;
            len = bytes.len().min(len + count);
            ended = count == 0;
        }
        Ok(Self { bytes, len, reader, ended })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The input from its first byte on, for another reader to take over.
    pub(super) fn into_reader(mut self) -> Box<dyn Read + Send> {
        self.bytes.truncate(self.len);
        Box::new(io::Cursor::new(self.bytes).chain(self.reader))
    }
}

/// A moving view of one input.
pub(super) struct Window {
    memory: Memory,
    /// The first byte not yet stepped over.
    start: usize,
    /// The first byte that is not there.
    end: usize,
    /// Where that byte lies in the input.
    offset: u64,
    /// The reader has said that there is no more.
    ended: bool,
}

impl Window {
    /// Reads on through the buffer of `beginning`, which grows only for a record that is longer.
    pub(super) fn buffered(beginning: Beginning) -> Self {
        let Beginning { bytes, len, reader, ended } = beginning;
        Self { memory: Memory::Buffer { bytes, feed: Feed::Reader(reader) }, start: 0, end: len, offset: 0, ended }
    }

    /// The same, and another thread reads on, if one can be had: the reader of `beginning`, or the `file` that it is.
    pub(super) fn ahead(beginning: Beginning, file: Option<Metered<Arc<File>>>) -> Self {
        let Some(idle) = Idle::begin() else { return Self::buffered(beginning) };
        let Beginning { bytes, len, reader, ended } = beginning;
        let origin = match file {
            Some(file) => Origin::File(file, len as u64),
            None => Origin::Stream(reader),
        };
        let feed = Feed::Ahead(Ahead::of(origin, bytes.len(), idle));
        Self { memory: Memory::Buffer { bytes, feed }, start: 0, end: len, offset: 0, ended }
    }

    /// Looks at a map of the whole input.
    pub(super) fn mapped(map: Mmap) -> Self {
        let end = map.len();
        Self { memory: Memory::Map { map, touched: 0 }, start: 0, end, offset: 0, ended: true }
    }

    /// What is in memory and not yet stepped over.
    #[inline]
    pub(super) fn available(&self) -> &[u8] {
        self.slice(self.start..self.end)
    }

    /// The bytes of a range that [`Window::step`] returned.
    #[inline]
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        match &self.memory {
            Memory::Buffer { bytes, .. } => &bytes[range],
            Memory::Map { map, .. } => &map[range],
        }
    }

    /// Where in the input the first byte of [`Window::available`] lies.
    #[inline]
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Steps over `length` bytes and says where they lie. They stay there until the next [`Window::fill`].
    #[inline]
    pub(super) fn step(&mut self, length: usize) -> Range<usize> {
        let from = self.start;
        self.start = self.end.min(from.saturating_add(length));
        self.offset += (self.start - from) as u64;
        if let Memory::Map { map, touched } = &mut self.memory
            && self.start + LINE_BYTES > *touched
        {
            *touched = touch(map, (*touched).max(self.start));
        }
        from..self.start
    }

    /// Sees to it that at least `need` bytes are available; false when the input ends before that. Short reads
    /// are read on.
    pub(super) fn fill(&mut self, need: usize) -> io::Result<bool> {
        if self.end - self.start >= need {
            return Ok(true);
        }
        let Memory::Buffer { bytes, feed } = &mut self.memory else { return Ok(false) };
        // What is there of a record goes before the rest of it: to the front, or into the margin of the next block.
        if self.start > 0 && matches!(feed, Feed::Reader(_)) {
            let len = self.end - self.start;
            let front = front(bytes, len, need);
            bytes.copy_within(self.start..self.end, front);
            (self.start, self.end) = (front, front + len);
        }
        while self.end - self.start < need {
            if self.ended {
                return Ok(false);
            }
            match feed {
                Feed::Reader(reader) => {
                    if self.end == bytes.len() {
                        // Doubling up to what is needed, and only when what was there has been filled: a length that lies costs
                        // no memory.
                        let len = need.min(bytes.len() * 2);
                        bytes.reserve_exact(len - bytes.len());
                        bytes.resize(len, 0);
                    }
                    // Whole pages, so that the next read begins with one as well.
                    let room = bytes.len() - self.end;
                    let room = if room < PAGE_BYTES { room } else { room - room % PAGE_BYTES };
                    match reader.read(&mut bytes[self.end..][..room]) {
                        Ok(0) => self.ended = true,
                        Ok(count) => self.end = bytes.len().min(self.end + count),
                        Err(error) => {
                            self.ended = true;
                            return Err(error);
                        }
                    }
                }
                Feed::Ahead(ahead) => {
                    let block = ahead.next().inspect_err(|_| self.ended = true)?;
                    self.ended = block.is_last;
                    (self.start, self.end) = go_on_with(block, bytes, self.start..self.end, ahead);
                }
            }
        }
        Ok(true)
    }
}

/// Where `len` octets are put in front of what is read behind them, of which so many are needed with them: the kernel copies pages into
/// the buffer, faster where that begins with a line of the cache.
fn front(bytes: &[u8], len: usize, need: usize) -> usize {
    if need + LINE_BYTES > bytes.len() { 0 } else { bytes[len..].as_ptr().align_offset(LINE_BYTES).min(LINE_BYTES) }
}

/// Makes `block` the buffer in place of `bytes`, of which `left` is still to be looked at and comes first. Returns where both are.
fn go_on_with(block: Block, bytes: &mut Vec<u8>, left: Range<usize>, ahead: &mut Ahead) -> (usize, usize) {
    let Block { bytes: mut room, begin, end, .. } = block;
    let len = left.len();
    if len <= MARGIN_BYTES {
        let start = begin - len;
        room[start..begin].copy_from_slice(&bytes[left]);
        ahead.give_back(std::mem::replace(bytes, room));
        return (start, end);
    }
    // A long record grows in its place with what is there of it.
    bytes.truncate(left.end);
    bytes.drain(..left.start);
    bytes.extend_from_slice(&room[begin..end]);
    ahead.give_back(room);
    (0, bytes.len())
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("offset", &self.offset).field("available", &(self.end - self.start)).finish()
    }
}

/// Reads one byte of every line of the stretch from `from` on and says where the stretch ends.
#[cold]
fn touch(map: &[u8], from: usize) -> usize {
    let end = map.len().min(from.saturating_add(TOUCH_AHEAD_BYTES));
    let mixed = map[from.min(end)..end].iter().step_by(LINE_BYTES).fold(0u8, |mixed, byte| mixed ^ byte);
    std::hint::black_box(mixed);
    // The end of the map is never reached by what comes after it, so that nothing is touched twice.
    if end == map.len() { usize::MAX } else { end }
}
