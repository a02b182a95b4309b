//! Link types that put a small header of their own in front of a packet.

use etherparse::EtherType;

use crate::decode::octets::be16;
use crate::segment::Marks;

use super::{FrameKind, LinkType, Octets, Walk, ether_type, ip, llc};

const CUT: FrameKind = FrameKind::Skipped("truncated-link-header");

/// IP over InfiniBand: 40 octets of addresses, then RFC 4391's EtherType and two reserved octets.
pub(super) fn infiniband(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.after(40).split::<4>() {
        Some((&[high, low, _, _], rest)) => ether_type::payload(walk, EtherType(u16::from_be_bytes([high, low])), rest),
        None => CUT,
    }
}

/// Apple's IP over IEEE 1394: two addresses of eight octets, EtherType.
pub(super) fn firewire(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.split::<18>() {
        Some((&[.., high, low], rest)) => ether_type::payload(walk, EtherType(u16::from_be_bytes([high, low])), rest),
        _ => CUT,
    }
}

/// Solaris IPNET: 24 octets, of which the second is the address family.
pub(super) fn ipnet(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.split::<24>() {
        Some((_, rest)) => ip::any(walk, rest),
        None => CUT,
    }
}

/// IP over Fibre Channel (RFC 2625): two addresses of eight octets, LLC.
pub(super) fn fibre_channel(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.split::<16>() {
        Some((_, rest)) => llc::decode(walk, rest),
        None => CUT,
    }
}

/// OpenBSD's encapsulated IPsec: family, SPI, flags. The packet was captured in the clear.
pub(super) fn ipsec(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.split::<12>() {
        Some((_, rest)) => ip::any(walk, rest),
        None => CUT,
    }
}

/// BSD's packet filter log: a header as long as its first octet says, filled up to a multiple of four.
pub(super) fn packet_filter(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.captured().first() {
        Some(&len) => ip::any(walk, octets.after(usize::from(len).next_multiple_of(4))),
        None => CUT,
    }
}

/// Linux's netfilter log: family, version, resource, then attributes of which one is the packet. Lengths and types
/// stand in the order of the host that wrote them, which nothing but their size tells.
pub(super) fn netfilter(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const PAYLOAD: u16 = 9;
    let Some((_, mut attributes)) = octets.split::<4>() else { return CUT };
    let big_endian = matches!(attributes.captured(), [0, low, ..] if *low != 0);
    let read = |bytes| if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) };
    while let Some((&[l1, l0, t1, t0], data)) = attributes.split::<4>() {
        let len = usize::from(read([l1, l0]));
        if len < 4 {
            return FrameKind::Skipped("bad-link-header");
        }
        if read([t1, t0]) == PAYLOAD {
            return ip::any(walk, data.first(len - 4));
        }
        attributes = attributes.after(len.next_multiple_of(4));
    }
    FrameKind::NonTcp
}

/// Apple's PKTAP: its length, record type and link type, little-endian, later flags with the direction.
pub(super) fn packet_tap(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((header, _)) = octets.split::<40>() else { return CUT };
    let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let (len, link, flags) = (word(0), word(8), word(36));
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    walk.marks |= match flags & 0b11 {
        0b01 => Marks::INBOUND,
        0b10 => Marks::OUTBOUND,
        _ => Marks::empty(),
    };
    let link = LinkType::from_file(u16::try_from(link).unwrap_or(u16::MAX));
    super::decode(walk, link, octets.after(len as usize))
}

/// Frame relay (RFC 2427): a two-octet address, then control and protocol, or an EtherType in Cisco's way.
pub(super) fn frame_relay(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const UNNUMBERED: u8 = 0x03;
    // The last octet of the address has its lowest bit set; four are the most there are.
    let Some(last) = octets.captured().iter().take(4).position(|octet| octet & 1 == 1) else { return CUT };
    let body = octets.after(last + 1);
    match *body.captured() {
        // Padding that aligns what follows.
        [UNNUMBERED, 0, ..] => llc::network_layer(walk, body.after(2)),
        [UNNUMBERED, ..] => llc::network_layer(walk, body.after(1)),
        [high, low, ..] => ether_type::payload(walk, EtherType(u16::from_be_bytes([high, low])), body.after(2)),
        _ => CUT,
    }
}

/// ARCNET (RFC 1201, RFC 1051), from the protocol number behind its addresses on.
pub(super) fn arcnet(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const IP: u8 = 212;
    const IP_WITHOUT_HEADER: u8 = 240;
    const EXCEPTION: u8 = 0xff;
    match *octets.captured() {
        [IP_WITHOUT_HEADER, ..] => ip::v4(walk, octets.after(1)),
        // An exception packet repeats the header behind its flag and two octets of padding.
        [IP, EXCEPTION, ..] => ip::v4(walk, octets.after(8)),
        [IP, 0, ..] => ip::v4(walk, octets.after(4)),
        [IP, ..] => FrameKind::Skipped("fragmented-arcnet"),
        [] => CUT,
        _ => FrameKind::NonTcp,
    }
}

/// Juniper: a magic number, flags, extensions of their own length, then what the link type's name says.
pub(super) fn juniper(
    walk: &mut Walk,
    octets: Octets<'_>,
    inner: impl FnOnce(&mut Walk, Octets<'_>) -> FrameKind,
) -> FrameKind {
    const INBOUND: u8 = 0x01;
    const NO_LINK_HEADER: u8 = 0x02;
    const EXTENDED: u8 = 0x80;
    let Some((&[b'M', b'G', b'C', flags], mut rest)) = octets.split::<4>() else {
        return FrameKind::Skipped("bad-link-header");
    };
    if flags & EXTENDED != 0 {
        let Some(len) = be16(rest.captured(), 0) else { return CUT };
        rest = rest.after(2 + usize::from(len));
    }
    walk.marks |= if flags & INBOUND == 0 { Marks::OUTBOUND } else { Marks::INBOUND };
    // Without a link header a protocol number of four octets stands there.
    if flags & NO_LINK_HEADER == 0 { inner(walk, rest) } else { ip::any(walk, rest.after(4)) }
}

/// Tags of switches between the addresses and the EtherType: four octets of Broadcom or Marvell, eight of Marvell's
/// EtherType form.
pub(super) fn switch_tag<const N: usize>(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const ADDRESSES: usize = 12;
    match octets.after(ADDRESSES).split::<N>() {
        Some((_, rest)) => match rest.split::<2>() {
            Some((ether_type, rest)) => ether_type::payload(walk, EtherType(u16::from_be_bytes(*ether_type)), rest),
            None => CUT,
        },
        None => CUT,
    }
}
