//! FDDI.

use super::{FrameKind, Octets, Walk, llc};

/// A frame from its frame control on: two addresses, then LLC.
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((header, rest)) = octets.split::<13>() else { return FrameKind::Skipped("truncated-fddi-header") };
    // Frame control is CLFFZZZZ: long addresses and the format for LLC.
    if header[0] & 0x70 == 0x50 { llc::decode(walk, rest) } else { FrameKind::NonTcp }
}
