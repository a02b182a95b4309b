//! Why reading stopped: which file, where in it, at which frame, and what to do about it.

use std::io;

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
        "{file}: not a capture (it begins with {head}); pcap, pcapng and snoop are read, plain or compressed with \
         gzip, zstd or lz4"
    )]
    NotACapture {
        /// Which input.
        file: String,
        /// Its first bytes in hexadecimal.
        head: String,
    },
    /// There is not one byte.
    #[error("{file}: empty, without even a capture header; was the capturing program killed before it wrote?")]
    Empty {
        /// Which input.
        file: String,
    },
    /// A version or variant of a known format that is not read here.
    #[error("{file}: {what}; convert it with editcap from Wireshark, then try again")]
    Unsupported {
        /// Which input.
        file: String,
        /// Which variant.
        what: String,
    },
    /// The input ends inside a record.
    #[error(
        "{file}: cut short in the middle of frame {frame}: {need} bytes should follow byte {offset}, {have} are there; \
         the capture was not closed properly or not copied in full"
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
    Unsupported(String),
    Truncated { need: u64, have: u64 },
    AbsurdLength { length: u64, limit: u64 },
    Damaged(String),
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
            Fault::Unsupported(what) => SourceError::Unsupported { file, what },
            Fault::Truncated { need, have } => SourceError::Truncated { file, offset, frame, need, have },
            Fault::AbsurdLength { length, limit } => SourceError::AbsurdLength { file, offset, frame, length, limit },
            Fault::Damaged(what) => SourceError::Damaged { file, offset, frame, what },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
