//! PPP (RFC 1661), in HDLC-like framing (RFC 1662) or without, and Cisco's HDLC.

use etherparse::EtherType;

use crate::decode::{Encapsulation, tunnel};
use crate::segment::Marks;

use super::{FrameKind, Octets, Walk, ether_type, ethernet, ip};

/// The HDLC address that all PPP stations share.
const ALL_STATIONS: u8 = 0xff;
/// Addresses of Cisco's HDLC, unicast and broadcast.
const CISCO_UNICAST: u8 = 0x0f;
const CISCO_BROADCAST: u8 = 0x8f;

/// A PPP frame from its address, or from its protocol where address and control are compressed away.
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.captured() {
        [ALL_STATIONS, _, ..] => protocol(walk, octets.after(2)),
        [CISCO_UNICAST | CISCO_BROADCAST, ..] => cisco(walk, octets),
        _ => protocol(walk, octets),
    }
}

/// A PPP frame behind an octet that tells the direction, 0 for received (LINKTYPE_PPP_WITH_DIR, LINKTYPE_PPP_PPPD).
pub(super) fn with_direction(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[direction], rest)) = octets.split::<1>() else { return FrameKind::Skipped("truncated-ppp-header") };
    walk.marks |= if direction == 0 { Marks::INBOUND } else { Marks::OUTBOUND };
    decode(walk, rest)
}

/// A frame of pppd: where the direction stands, the address stood, so the control octet is still there.
pub(super) fn of_pppd(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.captured() {
        [direction @ (0 | 1), 3, ..] => {
            walk.marks |= if *direction == 0 { Marks::INBOUND } else { Marks::OUTBOUND };
            protocol(walk, octets.after(2))
        }
        _ => decode(walk, octets),
    }
}

/// Cisco HDLC: address, control, EtherType.
pub(in crate::decode) fn cisco(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[_, _, high, low], rest)) = octets.split::<4>() else {
        return FrameKind::Skipped("truncated-hdlc-header");
    };
    ether_type::payload(walk, EtherType(u16::from_be_bytes([high, low])), rest)
}

/// A PPP frame from its protocol field on, of one octet when that is odd (RFC 1661, section 6.5).
pub(in crate::decode) fn protocol(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let (protocol, rest) = match *octets.captured() {
        [low, ..] if low & 1 == 1 => (u16::from(low), octets.after(1)),
        [high, low, ..] => (u16::from_be_bytes([high, low]), octets.after(2)),
        _ => return FrameKind::Skipped("truncated-ppp-header"),
    };
    match protocol {
        0x0021 => ip::v4(walk, rest),
        0x0057 => ip::v6(walk, rest),
        0x0281 | 0x0283 => tunnel::mpls(walk, rest),
        0x0031 => bridged(walk, rest),
        // Van Jacobson's header compression leaves no sequence numbers on the wire, compressed or not (RFC 1144).
        0x002d | 0x002f => FrameKind::Skipped("compressed-tcp-header"),
        0x00fb | 0x00fd => FrameKind::Skipped("compressed-ppp"),
        0x0053 | 0x0055 => FrameKind::Skipped("encrypted-ppp"),
        0x003d => multilink(walk, rest),
        _ => FrameKind::NonTcp,
    }
}

/// A multilink fragment with its long sequence number (RFC 1990, section 3): whole when it both begins and ends.
fn multilink(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const BEGINNING_AND_ENDING: u8 = 0xc0;
    match octets.split::<4>() {
        Some((&[flags, ..], rest)) if flags & BEGINNING_AND_ENDING == BEGINNING_AND_ENDING => protocol(walk, rest),
        Some(_) => FrameKind::Skipped("fragmented-ppp"),
        None => FrameKind::Skipped("truncated-ppp-header"),
    }
}

/// A bridged frame (RFC 3518, section 4.2): flags, MAC type, then for type 1 an Ethernet frame.
fn bridged(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[flags, mac_type], rest)) = octets.split::<2>() else {
        return FrameKind::Skipped("truncated-ppp-header");
    };
    const HAS_LAN_ID: u8 = 0x40;
    let rest = if flags & HAS_LAN_ID == 0 { rest } else { rest.after(4) };
    if mac_type == 1 { ethernet::decode(walk, rest) } else { FrameKind::NonTcp }
}

/// PPPoE from its own header on: version and type, code, session, length (RFC 2516, section 4).
pub(in crate::decode) fn over_ethernet(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[_, code, s1, s0, l1, l0], rest)) = octets.split::<6>() else {
        return FrameKind::Skipped("truncated-pppoe-header");
    };
    if code != 0 {
        return FrameKind::NonTcp;
    }
    walk.through(Encapsulation::Pppoe(u16::from_be_bytes([s1, s0])));
    protocol(walk, rest.first(usize::from(u16::from_be_bytes([l1, l0]))))
}
