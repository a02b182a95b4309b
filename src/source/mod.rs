//! Stage 1: where captured frames come from. A source lends one frame at a time out of its own buffer; no frame is copied.
//!
//! [`open`] takes files, directories of rotated captures and standard input and gives a [`CaptureSet`]: one input with
//! running frame numbers. What is compressed is recognised by content. `window::Window` holds the bytes that
//! are in memory; a reader per format steps through it. A long file and whatever is compressed can be read [ahead](ReadAhead) by another
//! thread.

mod ahead;
mod byte_order;
mod capture;
mod catalog;
mod clock;
mod compression;
mod error;
mod filter;
mod foreign;
mod inputs;
mod interface;
pub mod limits;
mod link_type;
mod meter;
mod names;
mod notice;
mod pcap;
mod pcapng;
mod set;
mod snoop;
mod window;
pub mod write;

pub use byte_order::ByteOrder;
pub use capture::Format;
pub use compression::Compression;
pub use error::SourceError;
pub use filter::{CaptureFilter, FilterError};
pub use inputs::Input;
pub use interface::{Drops, Gap, Interface};
pub use link_type::LinkType;
pub use names::Names;
pub use notice::Notice;
pub use set::{Access, CaptureFile, CaptureSet, Options, Progress, ReadAhead, open};

#[cfg(feature = "live")]
pub mod live;
pub mod script;

use crate::base::{FrameNumber, Timestamp};

/// One captured frame, borrowed from its source until the next call.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the whole input, counted from 1.
    pub number: FrameNumber,
    /// When it was captured.
    pub time: Timestamp,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
    /// How long it was on the wire; more than `bytes.len()` when the snap length cut it. Without the frame check
    /// sequence when the capture says that there is one.
    pub original_len: u32,
    /// How to read its first byte.
    pub link: LinkType,
    /// The interface of the capture that it came in on: an index into [`CaptureSet::interfaces`].
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

/// Whom [many frames](CaptureSet::lend_at_hand) are lent to, one after another. It becomes part of the loop of each format, as no
/// closure that is called in two places does.
pub trait Borrower {
    /// Looks at `frame`.
    fn take(&mut self, frame: &Frame<'_>);
}

impl<F: FnMut(&Frame<'_>)> Borrower for F {
    #[inline(always)]
    fn take(&mut self, frame: &Frame<'_>) {
        self(frame);
    }
}

/// What a reader found: a frame's place in the window instead of its bytes.
#[derive(Clone, Copy, Debug)]
struct Record {
    /// Where its bytes begin.
    start: usize,
    /// How many there are.
    len: u32,
    time: Timestamp,
    original_len: u32,
    link: LinkType,
    interface: u32,
    flags: u32,
    /// Records before it, since the frame before, that are no frames and that Wireshark numbers all the same.
    others_before: u32,
    /// The record has a time of its own.
    timed: bool,
}

/// What all frames of one interface have in common.
#[derive(Clone, Copy, Debug)]
struct Tap {
    link: LinkType,
    /// Octets of frame check sequence at the end of each frame.
    fcs_len: u32,
    /// The interface's number in the whole input.
    interface: u32,
}

impl Tap {
    /// A frame without bytes, time and number.
    #[inline]
    fn blank<'a>(self) -> Frame<'a> {
        let Tap { link, interface, .. } = self;
        let (number, time) = (FrameNumber::default(), Timestamp::default());
        Frame { number, time, bytes: &[], original_len: 0, link, interface, flags: 0 }
    }

    /// Takes the frame check sequence off `frame`, if it has one.
    #[inline(always)]
    fn cut(self, frame: &mut Frame<'_>) {
        if self.fcs_len != 0 {
            self.cut_off(frame);
        }
    }

    #[cold]
    #[inline(never)]
    fn cut_off(self, frame: &mut Frame<'_>) {
        let (len, original_len) = without_fcs(self.fcs_len, frame.bytes.len() as u32, frame.original_len);
        frame.bytes = frame.bytes.get(..len as usize).unwrap_or(frame.bytes);
        frame.original_len = original_len;
    }

    /// A frame of `len` captured bytes at `start`, with a time and without flags.
    #[inline]
    fn record(self, start: usize, len: u32, time: Timestamp, original_len: u32) -> Record {
        let Tap { link, fcs_len, interface } = self;
        let (len, original_len) =
            if fcs_len == 0 { (len, original_len) } else { without_fcs(fcs_len, len, original_len) };
        Record { start, len, time, original_len, link, interface, flags: 0, others_before: 0, timed: true }
    }
}

/// Both lengths of a frame without the `fcs_len` octets of check sequence at its end on the wire, as far as they were captured.
#[cold]
fn without_fcs(fcs_len: u32, len: u32, original_len: u32) -> (u32, u32) {
    match original_len.checked_sub(fcs_len) {
        Some(shorter) => (len.min(shorter), shorter),
        None => (len, original_len),
    }
}

impl Record {
    /// That of a frame whose bytes lie somewhere in `within`, from where its place is counted, and which is numbered right after the one
    /// before.
    #[inline]
    fn whole(frame: &Frame<'_>, within: &[u8]) -> Self {
        let &Frame { time, bytes, original_len, link, interface, flags, .. } = frame;
        let start = bytes.as_ptr().addr().wrapping_sub(within.as_ptr().addr());
        Self {
            start,
            len: bytes.len() as u32,
            time,
            original_len,
            link,
            interface,
            flags,
            others_before: 0,
            timed: true,
        }
    }

    /// The frame of this number, whose bytes are `bytes`.
    #[inline]
    fn frame(self, number: FrameNumber, bytes: &[u8]) -> Frame<'_> {
        let Record { time, original_len, link, interface, flags, .. } = self;
        Frame { number, time, bytes, original_len, link, interface, flags }
    }

    /// With its place counted from the window's beginning instead of the block's.
    #[inline]
    fn at(mut self, block_start: usize) -> Self {
        self.start += block_start;
        self
    }
}
