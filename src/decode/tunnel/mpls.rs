//! MPLS label stacks (RFC 3032).

use super::{Encapsulation, FrameKind, Octets, Walk, ethernet, ip};

/// A label stack. Nothing in it says what follows, so the first four bits do (RFC 4928): a version of IP, or the
/// control word of a pseudowire that carries Ethernet (RFC 4448).
pub(in crate::decode) fn decode(walk: &mut Walk, mut octets: Octets<'_>) -> FrameKind {
    const BOTTOM: u32 = 0x100;
    let label = loop {
        let Some((entry, rest)) = octets.split::<4>() else { return FrameKind::Skipped("truncated-mpls-stack") };
        octets = rest;
        let entry = u32::from_be_bytes(*entry);
        if entry & BOTTOM != 0 {
            break entry >> 12;
        }
    };
    walk.through(Encapsulation::Mpls(label));
    match octets.captured().first().map(|first| first >> 4) {
        Some(4) => ip::v4(walk, octets),
        Some(6) => ip::v6(walk, octets),
        // An associated channel (RFC 5586) carries no user's packets.
        Some(1) => FrameKind::NonTcp,
        Some(0) if is_ethernet(octets.after(4)) => ethernet::decode(walk, octets.after(4)),
        Some(_) if is_ethernet(octets) => ethernet::decode(walk, octets),
        Some(_) => FrameKind::NonTcp,
        None => FrameKind::Skipped("truncated-mpls-stack"),
    }
}

/// Something follows two addresses that Ethernet frames with TCP in them have there.
fn is_ethernet(octets: Octets<'_>) -> bool {
    matches!(octets.captured().get(12..14), Some([0x08 | 0x81, 0x00] | [0x86, 0xdd] | [0x88, 0x47 | 0x64 | 0xa8]))
}
