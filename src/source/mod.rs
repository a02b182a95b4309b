//! Stage 1: where captured frames come from. A source lends one frame at a time out of its own buffer; no frame is copied.

use crate::base::{FrameNumber, Timestamp};

/// A link-layer type, numbered as in the tcpdump.org LINKTYPE registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

/// One captured frame, borrowed from its source until the next call.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the whole input, counted from 1.
    pub number: FrameNumber,
    /// When it was captured.
    pub time: Timestamp,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
    /// How long it was on the wire; more than `bytes.len()` when the snap length cut it.
    pub original_len: u32,
    /// How to read its first byte.
    pub link: LinkType,
    /// The interface of the capture that it came in on.
    pub interface: u32,
    /// pcapng `epb_flags` when present, else 0.
    pub flags: u32,
}

/// Lends captured frames one at a time.
pub trait Source {
    /// The next frame, or none at the end of the input. The frame is valid until the next call. After an error the
    /// frames read so far stand, and the source is at its end.
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError>;
}

/// Why reading stopped before the end of the input.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("{file}: {error}")]
    Io {
        /// Which input.
        file: String,
        /// What it said.
        error: std::io::Error,
    },
}
