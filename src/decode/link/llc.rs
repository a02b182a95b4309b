//! IEEE 802.2 logical link control, with SNAP.

use etherparse::EtherType;

use super::{FrameKind, Octets, Walk, ether_type, ethernet, fddi, ip, token_ring};

const SNAP: u8 = 0xaa;
const IP: u8 = 0x06;
const OSI: u8 = 0xfe;

/// An LLC packet.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[destination, source, control], rest)) = octets.split::<3>() else {
        return FrameKind::Skipped("truncated-llc-header");
    };
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    // Unnumbered formats have one octet of control, the others two.
    let rest = if control & 0b11 == 0b11 { rest } else { rest.after(1) };
    match (destination, source) {
        (SNAP, SNAP) => snap(walk, rest, BridgePad::Two),
        (IP, _) => ip::any(walk, rest),
        (OSI, _) => network_layer(walk, rest),
        _ => FrameKind::NonTcp,
    }
}

/// What a network layer protocol identifier announces (ISO/IEC TR 9577).
pub(super) fn network_layer(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match *octets.captured() {
        [0xcc, ..] => ip::v4(walk, octets.after(1)),
        [0x8e, ..] => ip::v6(walk, octets.after(1)),
        [0x80, ..] => snap(walk, octets.after(1), BridgePad::None),
        _ => FrameKind::NonTcp,
    }
}

/// How many octets stand between SNAP and a bridged Ethernet frame: two over ATM (RFC 2684, section 5.2), none over
/// frame relay (RFC 2427, section 4.2).
#[derive(Clone, Copy)]
enum BridgePad {
    None,
    Two,
}

/// An organization code and a protocol of its numbering.
fn snap(walk: &mut Walk, octets: Octets<'_>, pad: BridgePad) -> FrameKind {
    let Some((&[o2, o1, o0, high, low], rest)) = octets.split::<5>() else {
        return FrameKind::Skipped("truncated-llc-header");
    };
    let protocol = u16::from_be_bytes([high, low]);
    match ([o2, o1, o0], protocol) {
        // RFC 1042, and the bridge tunnel encapsulation of IEEE 802.1H.
        ([0, 0, 0] | [0, 0, 0xf8], protocol) => ether_type::payload(walk, EtherType(protocol), rest),
        // Bridged frames with and without the frame check sequence.
        ([0, 0x80, 0xc2], 0x0001 | 0x0007) => match pad {
            BridgePad::None => ethernet::decode(walk, rest),
            BridgePad::Two => ethernet::decode(walk, rest.after(2)),
        },
        ([0, 0x80, 0xc2], 0x0003 | 0x0009) => token_ring::decode(walk, rest),
        ([0, 0x80, 0xc2], 0x0004 | 0x000a) => fddi::decode(walk, rest),
        _ => FrameKind::NonTcp,
    }
}
