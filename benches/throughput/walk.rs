//! The bare walk: read(2) into one buffer and follow the chain of record lengths. Nothing can read a capture for less
//! without knowing where its records lie.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

const BUFFER_LEN: usize = 1 << 20;
const FILE_HEADER_LEN: usize = 24;
const RECORD_HEADER_LEN: usize = 16;

/// Walks the records of a little-endian pcap file, as the generator writes it.
pub struct Walk {
    file: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

/// One record, borrowed until the next call.
pub struct Record<'a> {
    pub seconds: u32,
    pub micros: u32,
    pub bytes: &'a [u8],
}

impl Walk {
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.read_exact(&mut [0; FILE_HEADER_LEN])?;
        Ok(Self { file, buffer: vec![0; BUFFER_LEN], start: 0, end: 0 })
    }

    #[inline]
    pub fn next_record(&mut self) -> io::Result<Option<Record<'_>>> {
        if !self.hold(RECORD_HEADER_LEN)? {
            return Ok(None);
        }
        let header = &self.buffer[self.start..];
        let field = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let (seconds, micros, len) = (field(0), field(4), field(8) as usize);
        if !self.hold(RECORD_HEADER_LEN + len)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let from = self.start + RECORD_HEADER_LEN;
        self.start = from + len;
        Ok(Some(Record { seconds, micros, bytes: &self.buffer[from..from + len] }))
    }

    /// Has `len` octets in the buffer, or the file has ended.
    #[inline]
    fn hold(&mut self, len: usize) -> io::Result<bool> {
        if self.end - self.start >= len { Ok(true) } else { self.refill(len) }
    }

    #[cold]
    fn refill(&mut self, len: usize) -> io::Result<bool> {
        if len > self.buffer.len() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while self.end < self.buffer.len() {
            match self.file.read(&mut self.buffer[self.end..])? {
                0 => break,
                count => self.end += count,
            }
        }
        Ok(self.end >= len)
    }
}
