//! gzip (RFC 1952).
//!
//! The members are walked here and only their deflate streams left to flate2: its own readers drop what they had unpacked
//! when the stream turns out to be damaged, and how much that is depends on how the bytes came in.

use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

/// Reads members one after another.
pub(super) struct GzipMembers<R> {
    packed: R,
    inflate: Decompress,
    crc: Crc,
    place: Place,
    /// What to say once everything before it is taken.
    failure: Option<io::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Body,
    Trailer,
}

impl<R: BufRead> GzipMembers<R> {
    pub(super) fn new(packed: R) -> Self {
        Self { packed, inflate: Decompress::new(false), crc: Crc::new(), place: Place::Header, failure: None }
    }

    /// Steps over a member's header; false when there is no further member.
    fn header(&mut self) -> io::Result<bool> {
        const CRC: u8 = 1 << 1;
        const EXTRA: u8 = 1 << 2;
        const NAME: u8 = 1 << 3;
        const COMMENT: u8 = 1 << 4;
        const RESERVED: u8 = 0xe0;
        if self.packed.fill_buf()?.is_empty() {
            return Ok(false);
        }
        // Magic, method, flags, time of modification, extra flags, system.
        let mut head = [0; 10];
        self.packed.read_exact(&mut head)?;
        if head[..3] != [0x1f, 0x8b, 8] || head[3] & RESERVED != 0 {
            return Err(damaged("something that is no member of gzip"));
        }
        let mut two = [0; 2];
        if head[3] & EXTRA != 0 {
            self.packed.read_exact(&mut two)?;
            self.skip(|_| false, usize::from(u16::from_le_bytes(two)))?;
        }
        for field in [NAME, COMMENT] {
            if head[3] & field != 0 {
                self.skip(|byte| byte == 0, usize::MAX)?;
            }
        }
        if head[3] & CRC != 0 {
            self.packed.read_exact(&mut two)?;
        }
        self.inflate.reset(false);
        self.crc.reset();
        Ok(true)
    }

    /// Steps over `count` bytes, or up to and over the first that is `last`.
    fn skip(&mut self, last: impl Fn(u8) -> bool, mut count: usize) -> io::Result<()> {
        while count > 0 {
            let bytes = self.packed.fill_buf()?;
            if bytes.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let bytes = &bytes[..bytes.len().min(count)];
            let found = bytes.iter().position(|byte| last(*byte));
            let step = found.map_or(bytes.len(), |at| at + 1);
            self.packed.consume(step);
            count = if found.is_some() { 0 } else { count - step };
        }
        Ok(())
    }

    /// Unpacks into `buffer`; 0 at the end of the member.
    fn body(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let packed = self.packed.fill_buf()?;
            let ended = packed.is_empty();
            let (took, gave) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self.inflate.decompress(packed, buffer, FlushDecompress::None);
            let took = (self.inflate.total_in() - took) as usize;
            let gave = (self.inflate.total_out() - gave) as usize;
            self.packed.consume(took);
            self.crc.update(&buffer[..gave]);
            match status {
                Ok(Status::StreamEnd) => self.place = Place::Trailer,
                Ok(Status::Ok | Status::BufError) if gave == 0 && ended => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Status::Ok | Status::BufError) if gave == 0 => continue,
                Ok(Status::Ok | Status::BufError) => {}
                // What exactly it trips over depends on how the bytes came in.
                Err(_) if gave == 0 => return Err(damaged("its data cannot be unpacked")),
                Err(_) => self.failure = Some(damaged("its data cannot be unpacked")),
            }
            return Ok(gave);
        }
    }

    fn trailer(&mut self) -> io::Result<()> {
        // Check sum and length, of which the length wraps.
        let mut trailer = [0; 8];
        self.packed.read_exact(&mut trailer)?;
        let expected = [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat();
        if trailer[..] != expected {
            return Err(damaged("the check sum is wrong"));
        }
        Ok(())
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        loop {
            match self.place {
                Place::Header => {
                    if !self.header()? {
                        return Ok(0);
                    }
                    self.place = Place::Body;
                }
                Place::Body => {
                    let count = self.body(buffer)?;
                    if count > 0 {
                        return Ok(count);
                    }
                }
                Place::Trailer => {
                    self.trailer()?;
                    self.place = Place::Header;
                }
            }
        }
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
