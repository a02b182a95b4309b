//! What one frame's way through the layers carries along.

use std::collections::BTreeMap;

use crate::base::{FrameNumber, Timestamp};
use crate::segment::Marks;
use crate::source::LinkType;

use super::checksum::Checksums;
use super::context::{Contexts, Encapsulation};
use super::fragment::Fragments;
use super::items::Items;
use super::split::Splits;
use super::{DecodeOptions, FrameKind, Item};

/// How many encapsulations may lie in one frame. Real stacks have below ten; a hostile one could otherwise exhaust the
/// machine's stack.
const NESTING_LIMIT: u8 = 32;

/// The state of decoding one frame, reused for the next. Layers call each other with it, from the link inwards.
#[derive(Debug, Default)]
pub(in crate::decode) struct Walk {
    /// What this frame and perhaps those before have given so far.
    pub items: Items,
    /// Which checksums to compute.
    pub checksums: Checksums,
    /// The paths seen in the whole input.
    pub contexts: Contexts,
    /// When the frame was captured.
    pub time: Timestamp,
    /// Its number.
    pub frame: FrameNumber,
    /// The interface it came in on.
    pub interface: u32,
    /// What the capture says about the frame as a whole, its direction.
    pub marks: Marks,
    /// Frames of each link type that nothing here reads.
    pub unsupported_links: BTreeMap<LinkType, u64>,
    /// IP fragments that wait for their rest.
    pub fragments: Fragments,
    /// Packets whose IP length goes beyond a frame that is all there.
    pub short_frames: u64,
    splits: Splits,
    path: Vec<Encapsulation>,
    depth: u8,
}

impl Walk {
    /// For a new input.
    pub fn new(options: DecodeOptions) -> Self {
        Self { checksums: options.checksums, splits: Splits::new(options.split_by), ..Self::default() }
    }

    /// For other frames of the same input, with the same realms.
    pub fn beside(&self) -> Self {
        Self { checksums: self.checksums, splits: self.splits.shared(), ..Self::default() }
    }

    /// Forgets the frame before.
    #[inline]
    pub fn restart(&mut self) {
        self.path.clear();
        self.depth = 0;
    }

    /// Goes one encapsulation further in. Fails beyond the limit.
    #[inline]
    pub fn descend(&mut self) -> Result<(), FrameKind> {
        self.depth += 1;
        if self.depth > NESTING_LIMIT { Err(FrameKind::Skipped("nested-too-deep")) } else { Ok(()) }
    }

    /// Notes an encapsulation that names a network or tunnel.
    pub fn through(&mut self, encapsulation: Encapsulation) {
        self.path.push(encapsulation);
    }

    /// Lets `inner` walk one of several parts of the frame, marks what it finds there, and comes back to where the parts
    /// branch.
    pub fn aside(&mut self, marks: Marks, inner: impl FnOnce(&mut Self) -> FrameKind) -> FrameKind {
        let (depth, path_len, marks_before) = (self.depth, self.path.len(), self.marks);
        self.marks |= marks;
        let kind = inner(self);
        self.marks = marks_before;
        self.depth = depth;
        self.path.truncate(path_len);
        kind
    }

    /// What `inner` finds and is marked so, kept out of the frame's items.
    pub fn items_of(&mut self, marks: Marks, inner: impl FnOnce(&mut Self) -> FrameKind) -> Vec<Item> {
        let before = self.items.len();
        self.aside(marks, inner);
        let found = self.items[before..].to_vec();
        self.items.truncate(before);
        found
    }

    /// Counts a frame of a link type that nothing here reads.
    pub fn unsupported(&mut self, link: LinkType) -> FrameKind {
        *self.unsupported_links.entry(link).or_default() += 1;
        FrameKind::Skipped("unsupported-link-type")
    }

    /// The realm of what came through the path of this number.
    #[inline]
    pub fn realm(&mut self, context: u32) -> u16 {
        self.realm_on(context, self.interface)
    }

    /// The same on `interface`.
    #[inline]
    pub fn realm_on(&mut self, context: u32, interface: u32) -> u16 {
        if self.splits.is_idle() { 0 } else { self.splits.realm(context, interface, &self.contexts) }
    }

    /// The number of the path through one VLAN.
    #[inline(never)]
    pub fn context_of_vlan(&mut self, vlan: u16) -> u32 {
        self.contexts.number(&[Encapsulation::Vlan(vlan)])
    }

    /// The number of the path so far.
    #[inline]
    pub fn context(&mut self) -> u32 {
        if self.path.is_empty() { 0 } else { self.contexts.number(&self.path) }
    }
}
