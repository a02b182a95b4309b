//! Stage 2: frame bytes to segments. Never fails: what is not TCP or cannot be decoded has a reason and is counted.
//!
//! A frame is walked from its link layer inwards. `link/` holds one file for each way to begin a frame, `ip/` what lies
//! in IP, `tunnel/` what carries another packet inside; each layer hands the octets that its length field grants to
//! the next, until TCP gives a segment or a layer says what the frame was instead. Headers are read alike whether or not
//! the snap length cut them: there is no second, lax decoder whose answers could differ.

mod checksum;
mod context;
mod fragment;
mod ip;
mod items;
mod link;
mod octets;
mod options;
mod plain;
#[cfg(test)]
mod sample;
mod split;
#[cfg(test)]
mod stacks;
mod tcp;
#[cfg(test)]
mod tests;
mod tunnel;
mod walk;

use crate::segment::Marks;
use crate::source::{Frame, LinkType};

pub use crate::segment::Item;
pub use checksum::Checksums;
pub use context::{Contexts, Encapsulation};
pub use fragment::FragmentCounts;
pub use items::Items;
pub use split::SplitBy;

use octets::Octets;
use walk::Walk;

/// What one frame was. The accounting of the summary rests on it: every frame is exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// At least one TCP segment.
    Segment,
    /// Well-formed and not TCP.
    NonTcp,
    /// An IP fragment that gives no segment by itself.
    Fragment,
    /// Not decodable, for the reason whose word is public (`summary.skipped`). The words name the layer:
    /// `truncated-…` was cut or ended too early, `bad-…` contradicts itself, `encrypted-…`, `compressed-…` and
    /// `fragmented-…` hide what they carry; beside them `unsupported-link-type`, `unsupported-l2tpv3` and
    /// `nested-too-deep`.
    Skipped(&'static str),
}

impl FrameKind {
    /// What two parts of one frame make it: a segment before all else, and nothing skipped in silence.
    fn or(self, other: FrameKind) -> FrameKind {
        let weight = |kind: &FrameKind| match kind {
            FrameKind::Segment => 3,
            FrameKind::Fragment => 2,
            FrameKind::Skipped(_) => 1,
            FrameKind::NonTcp => 0,
        };
        if weight(&other) > weight(&self) { other } else { self }
    }
}

/// What a user may choose about decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// Which checksums to compute.
    pub checksums: Checksums,
    /// What tells equal four-tuples apart.
    pub split_by: SplitBy,
}

/// Decodes frames. Holds what outlives a frame: tunnel contexts and fragments.
#[derive(Debug, Default)]
pub struct Decoder {
    walk: Walk,
    /// Room for the items of one frame.
    items: Items,
}

impl Decoder {
    /// A decoder that has seen nothing yet.
    pub fn new(options: DecodeOptions) -> Self {
        Self { walk: Walk::new(options), items: Items::default() }
    }

    /// One for other frames of the same input: it has seen nothing yet, and what is to be told apart has the same realms in both.
    pub fn beside(&self) -> Self {
        Self { walk: self.walk.beside(), items: Items::default() }
    }

    /// Decodes `frame` and hands every segment and ICMP error in it to `each`, in the order of the frame's bytes.
    pub fn decode(&mut self, frame: &Frame<'_>, each: impl FnMut(&Item)) -> FrameKind {
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        let kind = self.decode_into(frame, &mut items);
        items.iter().for_each(each);
        self.items = items;
        kind
    }

    /// The same, with the segments and ICMP errors added to `items`.
    #[inline(always)]
    pub fn decode_into(&mut self, frame: &Frame<'_>, items: &mut Items) -> FrameKind {
        if self.decode_plain(frame, items) {
            return FrameKind::Segment;
        }
        self.decode_layers(frame, items)
    }

    /// The same of a frame that holds one segment of its own time and nothing else, if that can be seen in one look. Else nothing
    /// has changed, and it is to be decoded by layers.
    #[inline(always)]
    pub(crate) fn decode_plain(&mut self, frame: &Frame<'_>, items: &mut Items) -> bool {
        plain::decode(&mut self.walk, frame, items)
    }

    /// The same by the long way, which nothing is too odd for.
    #[inline(never)]
    pub(crate) fn decode_layers(&mut self, frame: &Frame<'_>, items: &mut Items) -> FrameKind {
        let walk = &mut self.walk;
        walk.restart();
        walk.time = frame.time;
        walk.frame = frame.number;
        walk.interface = frame.interface;
        walk.marks = direction(frame.flags);
        let before = items.len();
        std::mem::swap(&mut walk.items, items);
        let kind = link::decode(walk, frame.link, Octets::new(frame.bytes, frame.original_len as usize));
        std::mem::swap(&mut walk.items, items);
        let has_segment = items[before..].iter().any(|item| matches!(item, Item::Segment(_)));
        if has_segment { FrameKind::Segment } else { kind }
    }

    /// Ends the input: hands over what first fragments said whose rest never came, in the order of their frames. Those
    /// frames were [`FrameKind::Fragment`] and stay so; their segments bear [`Marks::FRAGMENT_FIRST`].
    pub fn finish(&mut self, each: impl FnMut(&Item)) {
        self.walk.fragments.finish().iter().for_each(each);
    }

    /// What became of IP fragments.
    pub fn fragment_counts(&self) -> FragmentCounts {
        self.walk.fragments.counts()
    }

    /// Packets whose IP length goes beyond their frame, although all of the frame was captured.
    pub fn short_frames(&self) -> u64 {
        self.walk.short_frames
    }

    /// The link types that were skipped as `unsupported-link-type`, with the number of frames of each.
    pub fn unsupported_links(&self) -> impl Iterator<Item = (LinkType, u64)> + '_ {
        self.walk.unsupported_links.iter().map(|(&link, &frames)| (link, frames))
    }

    /// The tunnels and virtual networks that segments came through.
    pub fn contexts(&self) -> &Contexts {
        &self.walk.contexts
    }
}

/// The direction in the two lowest bits of `epb_flags` (pcapng, section 4.3.1).
#[inline]
fn direction(epb_flags: u32) -> Marks {
    if epb_flags == 0 {
        return Marks::empty();
    }
    match epb_flags & 0b11 {
        0b01 => Marks::INBOUND,
        0b10 => Marks::OUTBOUND,
        _ => Marks::empty(),
    }
}
