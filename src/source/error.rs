//! Why reading stopped: which file, where in it, at which frame, and what to do about it.

use std::io;

use super::compression::{Compression, StreamFault};
use super::meter::Stopped;
use super::script::ParseError;
use crate::base::FrameNumber;

/// Why reading stopped before the end of the input. The frames lent before it stand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The operating system refused to open or to read.
    #[error("{file}: {error}")]
    Io {
        /// Which input.
        file: String,
        /// What it said.
        error: io::Error,
    },
    /// The first bytes belong to no format that is read here.
    #[error(
        "{file}: not a capture (it begins with {head}); pcap, pcapng, snoop and text traces are read, plain or \
         compressed with gzip, zstd or lz4"
    )]
    NotACapture {
        /// Which input.
        file: String,
        /// Its first bytes in hexadecimal.
        head: String,
    },
    /// Something else that people have under the name of a capture.
    #[error("{file}: not a capture but {what}; {cure}")]
    Foreign {
        /// Which input.
        file: String,
        /// What it is.
        what: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// There is not one byte.
    #[error("{file}: empty, without even a capture header; was the capturing program killed before it wrote?")]
    Empty {
        /// Which input.
        file: String,
    },
    /// A text that begins as a text trace and goes on as something else.
    #[error("{file}: no text trace: {error}")]
    Trace {
        /// Which input.
        file: String,
        /// Where, and what was expected there.
        error: ParseError,
    },
    /// A version or variant of a known format that is not read here.
    #[error("{file}: {what}; convert it with editcap from Wireshark, then try again")]
    Unsupported {
        /// Which input.
        file: String,
        /// Which variant.
        what: String,
    },
    /// The input ends inside its own header.
    #[error(
        "{file}: cut short in its header: there should be {need} bytes and are {have}; the capturing program was killed, or the \
         file was not copied in full"
    )]
    HeaderCut {
        /// Which input.
        file: String,
        /// Bytes that the header has.
        need: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// The input ends inside a record.
    #[error(
        "{file}: cut short in the middle of frame {frame}: from byte {offset} on there should be {need} bytes and are \
         {have}; the capturing program was killed, or the file was not copied in full"
    )]
    Truncated {
        /// Which input.
        file: String,
        /// Where the record begins, in bytes (of the uncompressed capture).
        offset: u64,
        /// The frame that would have come next.
        frame: FrameNumber,
        /// Bytes that the record claims.
        need: u64,
        /// Bytes that are there.
        have: u64,
    },
    /// A length that no capture has.
    #[error(
        "{file}: absurd length {length} (limit {limit}) at byte {offset}, before frame {frame}; the file is damaged \
         from there on"
    )]
    AbsurdLength {
        /// Which input.
        file: String,
        /// Where the record begins, in bytes (of the uncompressed capture).
        offset: u64,
        /// The frame that would have come next.
        frame: FrameNumber,
        /// What the record claims, in bytes.
        length: u64,
        /// The most that is accepted, in bytes.
        limit: u64,
    },
    /// A record contradicts itself or the format.
    #[error("{file}: damaged at byte {offset}, before frame {frame}: {what}")]
    Damaged {
        /// Which input.
        file: String,
        /// Where the record begins, in bytes (of the uncompressed capture).
        offset: u64,
        /// The frame that would have come next.
        frame: FrameNumber,
        /// What is wrong with it.
        what: String,
    },
    /// A compressed input ends before its stream does.
    #[error(
        "{file}: the {compression} stream ends early, before frame {frame} was whole; the file was not copied in full or is \
         still being written"
    )]
    CompressedCut {
        /// Which input.
        file: String,
        /// How it is compressed.
        compression: Compression,
        /// The frame that would have come next.
        frame: FrameNumber,
    },
    /// A compressed input cannot be unpacked any further.
    #[error("{file}: the {compression} stream is damaged before frame {frame} ({what}); copy the file again")]
    CompressedDamaged {
        /// Which input.
        file: String,
        /// How it is compressed.
        compression: Compression,
        /// The frame that would have come next.
        frame: FrameNumber,
        /// What the decompressor said.
        what: String,
    },
    /// A compressed input unpacks to more than any capture does.
    #[error(
        "{file}: {packed} bytes of {compression} unpack to more than {unpacked}, which no capture does; stopped before \
         frame {frame}. If it is one all the same, unpack it first"
    )]
    CompressedBomb {
        /// Which input.
        file: String,
        /// How it is compressed.
        compression: Compression,
        /// The frame that would have come next.
        frame: FrameNumber,
        /// Bytes read.
        packed: u64,
        /// Bytes that they became.
        unpacked: u64,
    },
    /// Reading was asked to stop by [`Options::stop`](super::Options::stop).
    #[error("{file}: stopped before frame {frame}")]
    Stopped {
        /// Which input.
        file: String,
        /// The frame that would have come next.
        frame: FrameNumber,
    },
    /// A directory in which nothing is a capture.
    #[error("{directory}: no capture in this directory ({others} other files; directories below it are not searched)")]
    NoCaptures {
        /// Which directory.
        directory: String,
        /// How many files in it are something else.
        others: usize,
    },
    /// Nothing to read was named.
    #[error("no input: name a capture file, a directory of captures, or - for standard input")]
    NoInput,
    /// A second reading of something that can be read only once.
    #[error("{file}: can be read only once; save it to a file first")]
    ReadOnce {
        /// Which input.
        file: String,
    },
}

/// A [`SourceError`] as the readers see it: they know neither file names nor frame numbers.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Empty,
    NotACapture { head: String },
    Foreign { what: &'static str, cure: &'static str },
    Trace(ParseError),
    Unsupported(String),
    Truncated { need: u64, have: u64 },
    AbsurdLength { length: u64, limit: u64 },
    Damaged(String),
    Compressed(StreamFault),
    Stopped,
}

impl Fault {
    /// A self-contradicting record.
    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// With the place where it happened.
    pub(super) fn at(self, file: &str, offset: u64, frame: FrameNumber) -> SourceError {
        let file = file.to_owned();
        match self {
            Fault::Io(error) => SourceError::Io { file, error },
            Fault::Empty => SourceError::Empty { file },
            Fault::NotACapture { head } => SourceError::NotACapture { file, head },
            Fault::Foreign { what, cure } => SourceError::Foreign { file, what, cure },
            Fault::Trace(error) => SourceError::Trace { file, error },
            Fault::Unsupported(what) => SourceError::Unsupported { file, what },
            Fault::Truncated { need, have } if offset == 0 => SourceError::HeaderCut { file, need, have },
            Fault::Truncated { need, have } => SourceError::Truncated { file, offset, frame, need, have },
            Fault::AbsurdLength { length, limit } => SourceError::AbsurdLength { file, offset, frame, length, limit },
            Fault::Damaged(what) => SourceError::Damaged { file, offset, frame, what },
            Fault::Stopped => SourceError::Stopped { file, frame },
            Fault::Compressed(StreamFault::Cut(compression)) => SourceError::CompressedCut { file, compression, frame },
            Fault::Compressed(StreamFault::Damaged(compression, what)) => {
                SourceError::CompressedDamaged { file, compression, frame, what }
            }
            Fault::Compressed(StreamFault::Bomb { compression, packed, unpacked }) => {
                SourceError::CompressedBomb { file, compression, frame, packed, unpacked }
            }
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.get_ref().is_some_and(|inner| inner.is::<Stopped>()) {
            return Self::Stopped;
        }
        match error.downcast::<StreamFault>() {
            Ok(fault) => Self::Compressed(fault),
            Err(error) => Self::Io(error),
        }
    }
}
