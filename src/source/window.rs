//! The bytes of one input that are in memory now: a buffer that read(2) fills, or a map of the whole file.
//!
//! Readers look at [`Window::available`], ask for more with [`Window::fill`] and step over what they have understood.
//! A range stays valid until the next `fill`, so a frame can be lent from where it lies.

use std::fmt;
use std::io::{self, Read};
use std::ops::Range;

use memmap2::Mmap;

/// How far ahead of the reader a map is touched. Walking records one by one in a map is a chain of cache misses;
/// touching every line of the next stretch first lets the misses overlap.
const TOUCH_AHEAD_BYTES: usize = 64 << 10;

/// A cache line of every machine that matters.
const LINE_BYTES: usize = 64;

enum Memory {
    Buffer { bytes: Vec<u8>, reader: Box<dyn Read + Send> },
    Map { map: Mmap, touched: usize },
}

/// A moving view of one input.
pub(super) struct Window {
    memory: Memory,
    /// The first byte not yet stepped over.
    start: usize,
    /// The first byte that is not there.
    end: usize,
    /// Where in the input the first byte of the memory lies.
    base: u64,
    /// The reader has said that there is no more.
    ended: bool,
}

impl Window {
    /// Reads through one buffer of `capacity` bytes, which grows only for a record that is longer.
    pub(super) fn buffered(reader: Box<dyn Read + Send>, capacity: usize) -> Self {
        let memory = Memory::Buffer { bytes: vec![0; capacity.max(LINE_BYTES)], reader };
        Self { memory, start: 0, end: 0, base: 0, ended: false }
    }

    /// Looks at a map of the whole input.
    pub(super) fn mapped(map: Mmap) -> Self {
        let end = map.len();
        Self { memory: Memory::Map { map, touched: 0 }, start: 0, end, base: 0, ended: true }
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
        self.base + self.start as u64
    }

    /// Steps over `length` bytes and says where they lie. They stay there until the next [`Window::fill`].
    #[inline]
    pub(super) fn step(&mut self, length: usize) -> Range<usize> {
        let from = self.start;
        self.start = self.end.min(from.saturating_add(length));
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
        let Memory::Buffer { bytes, reader } = &mut self.memory else { return Ok(false) };
        if self.start > 0 {
            bytes.copy_within(self.start..self.end, 0);
            self.base += self.start as u64;
            self.end -= self.start;
            self.start = 0;
        }
        while self.end < need {
            if self.ended {
                return Ok(false);
            }
            if self.end == bytes.len() {
                // Doubling up to what is needed, and only when what was there has been filled: a length that lies costs
                // no memory.
                let len = need.min(bytes.len() * 2);
                bytes.reserve_exact(len - bytes.len());
                bytes.resize(len, 0);
            }
            match reader.read(&mut bytes[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end = bytes.len().min(self.end + count),
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
        Ok(true)
    }

    /// The input from its first byte on, for another reader to take over. Only before anything was stepped over.
    pub(super) fn into_reader(self) -> Box<dyn Read + Send> {
        match self.memory {
            Memory::Buffer { mut bytes, reader } => {
                bytes.truncate(self.end);
                Box::new(io::Cursor::new(bytes).chain(reader))
            }
            Memory::Map { map, .. } => Box::new(io::Cursor::new(map)),
        }
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Window").field("offset", &self.offset()).field("available", &(self.end - self.start)).finish()
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
