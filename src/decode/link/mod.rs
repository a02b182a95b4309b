//! How a frame begins: one way for each link type.

mod cooked;
mod ethernet;
mod loopback;

use crate::source::LinkType;

use super::octets::Octets;
use super::walk::Walk;
use super::{FrameKind, ip};

/// Reads a frame of the given link type (numbers: the LINKTYPE registry of tcpdump.org).
#[inline]
pub(super) fn decode(walk: &mut Walk, link: LinkType, octets: Octets<'_>) -> FrameKind {
    match link.0 {
        1 => ethernet::decode(walk, octets),
        0 | 108 => loopback::decode(walk, octets),
        // Raw IP; 12 and 14 are what BSD and OpenBSD wrote before the registry gave it 101.
        12 | 14 | 101 | 228 | 229 => ip::any(walk, octets),
        113 => cooked::v1(walk, octets),
        276 => cooked::v2(walk, octets),
        _ => FrameKind::Skipped("unsupported-link-type"),
    }
}
