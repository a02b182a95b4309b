//! Stage 2: frame bytes to segments. Never fails: what is not TCP or cannot be decoded has a reason and is counted.

pub use crate::segment::Item;
use crate::source::Frame;

/// What one frame was. The accounting of the summary rests on it: every frame is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// At least one TCP segment.
    Segment,
    /// Well-formed and not TCP.
    NonTcp,
    /// An IP fragment that gives no segment by itself.
    Fragment,
    /// Not decodable; the reason's word is public (`summary.skipped`).
    Skipped(&'static str),
}

/// Decodes frames. Holds what outlives a frame: tunnel contexts and fragments.
#[derive(Debug, Default)]
pub struct Decoder {}

impl Decoder {
    /// Decodes `frame` and hands every segment and ICMP error in it to `each`.
    pub fn decode(&mut self, frame: &Frame<'_>, each: impl FnMut(&Item)) -> FrameKind {
        let _ = (frame, each);
        FrameKind::Skipped("unsupported-link-type")
    }
}
