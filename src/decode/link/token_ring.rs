//! Token ring (IEEE 802.5).

use super::{FrameKind, Octets, Walk, llc};

/// A frame from its access control on: two addresses, the route when the source address has its first bit set, LLC.
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let cut = FrameKind::Skipped("truncated-token-ring-header");
    let Some((header, rest)) = octets.split::<14>() else { return cut };
    if header[1] >> 6 != 0b01 {
        return FrameKind::NonTcp;
    }
    let route_len = match rest.captured().first() {
        _ if header[8] & 0x80 == 0 => 0,
        Some(control) => usize::from(control & 0x1f),
        None => return cut,
    };
    llc::decode(walk, rest.after(route_len))
}
