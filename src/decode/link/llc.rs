//! IEEE 802.2 logical link control, with SNAP.

use etherparse::EtherType;

use super::{FrameKind, Octets, Walk, ether_type, ethernet, fddi, ip, token_ring};

const SNAP: u8 = 0xaa;
const IP: u8 = 0x06;

/// An LLC packet.
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[destination, source, control], rest)) = octets.split::<3>() else {
        return FrameKind::Skipped("truncated-llc-header");
    };
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    // Unnumbered formats have one octet of control, the others two.
    let rest = if control & 0b11 == 0b11 { rest } else { rest.after(1) };
    match (destination, source) {
        (SNAP, SNAP) => snap(walk, rest),
        (IP, _) => ip::any(walk, rest),
        _ => FrameKind::NonTcp,
    }
}

/// An organization code and a protocol of its numbering.
pub(in crate::decode) fn snap(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[o2, o1, o0, high, low], rest)) = octets.split::<5>() else {
        return FrameKind::Skipped("truncated-llc-header");
    };
    let protocol = u16::from_be_bytes([high, low]);
    match ([o2, o1, o0], protocol) {
        // RFC 1042, and the bridge tunnel encapsulation of IEEE 802.1H.
        ([0, 0, 0] | [0, 0, 0xf8], protocol) => ether_type::payload(walk, EtherType(protocol), rest),
        // Bridged frames (RFC 2684, section 5.2; RFC 2427): with and without the frame check sequence.
        ([0, 0x80, 0xc2], 0x0001 | 0x0007) => ethernet::decode(walk, rest),
        ([0, 0x80, 0xc2], 0x0003 | 0x0009) => token_ring::decode(walk, rest),
        ([0, 0x80, 0xc2], 0x0004 | 0x000a) => fddi::decode(walk, rest),
        _ => FrameKind::NonTcp,
    }
}
