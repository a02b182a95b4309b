//! Compressed captures: gzip, zstd and lz4, recognised by content and unpacked as a stream.

mod gzip;
mod lz4;
mod zstd;

use std::fmt;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use super::limits::{UNPACK_RATIO_MAX, UNPACKED_BYTES_FREE};
use super::meter::{Meter, Stopped};

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// gzip (RFC 1952), of one or several members.
    Gzip,
    /// Zstandard (RFC 8878), of one or several frames.
    Zstd,
    /// lz4 frames, also of the legacy kind.
    Lz4,
}

impl Compression {
    /// The word for it in machine output.
    pub const fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
        }
    }

    /// By the first bytes of a file.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        let magic = head.first_chunk::<4>().map(|four| u32::from_le_bytes(*four));
        match magic {
            _ if head.starts_with(&[0x1f, 0x8b]) => Some(Compression::Gzip),
            // A skippable frame may come first.
            Some(0xfd2f_b528 | 0x184d_2a50..=0x184d_2a5f) => Some(Compression::Zstd),
            Some(0x184d_2204 | 0x184c_2102) => Some(Compression::Lz4),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What is wrong with a compressed stream.
#[derive(Debug)]
pub(super) enum StreamFault {
    /// It ends before its end mark.
    Cut(Compression),
    /// It cannot be unpacked.
    Damaged(Compression, String),
    /// It unpacks to more than any capture does.
    Bomb { compression: Compression, packed: u64, unpacked: u64 },
}

impl fmt::Display for StreamFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamFault::Cut(compression) => write!(f, "the {compression} stream ends early"),
            StreamFault::Damaged(compression, what) => write!(f, "the {compression} stream is damaged: {what}"),
            StreamFault::Bomb { compression, packed, unpacked } => {
                write!(f, "{packed} bytes of {compression} unpack to more than {unpacked}")
            }
        }
    }
}

impl std::error::Error for StreamFault {}

/// Unpacks `packed`, whose bytes `meter` counts.
pub(super) fn unpack(
    compression: Compression,
    packed: Box<dyn Read + Send>,
    meter: Arc<Meter>,
) -> io::Result<Box<dyn Read + Send>> {
    const PACKED_BUFFER_BYTES: usize = 64 << 10;
    let packed = BufReader::with_capacity(PACKED_BUFFER_BYTES, packed);
    let decoder: Box<dyn Read + Send> = match compression {
        Compression::Gzip => Box::new(gzip::GzipMembers::new(packed)),
        Compression::Zstd => Box::new(zstd::ZstdFrames::new(packed)?),
        Compression::Lz4 => Box::new(lz4::Lz4Frames::new(packed, Arc::clone(&meter))?),
    };
    Ok(Box::new(Guarded { compression, decoder, meter, unpacked: 0 }))
}

/// Gives a decoder's errors their place, and stops it where no capture goes.
struct Guarded {
    compression: Compression,
    decoder: Box<dyn Read + Send>,
    meter: Arc<Meter>,
    unpacked: u64,
}

impl Read for Guarded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer).map_err(|error| self.classify(error))?;
        self.unpacked += count as u64;
        let packed = self.meter.bytes();
        if self.unpacked > UNPACKED_BYTES_FREE && self.unpacked / UNPACK_RATIO_MAX > packed {
            let bomb = StreamFault::Bomb { compression: self.compression, packed, unpacked: self.unpacked };
            return Err(io::Error::other(bomb));
        }
        Ok(count)
    }
}

impl Guarded {
    fn classify(&self, error: io::Error) -> io::Error {
        if error.raw_os_error().is_some() || error.get_ref().is_some_and(|inner| inner.is::<Stopped>()) {
            return error;
        }
        io::Error::other(match error.kind() {
            io::ErrorKind::UnexpectedEof => StreamFault::Cut(self.compression),
            _ => StreamFault::Damaged(self.compression, error.to_string()),
        })
    }
}
