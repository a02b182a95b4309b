//! Linux "cooked" captures: what the kernel hands out on the `any` device (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2).

use etherparse::EtherType;

use crate::segment::Marks;

use super::{FrameKind, Octets, Walk, ether_type, ethernet, llc, ppp, wlan};

// Hardware types of <linux/if_arp.h> whose protocol field is no EtherType.
const RADIOTAP: u16 = 803;
const NETLINK: u16 = 824;

// What <linux/if_ether.h> defines below the EtherTypes.
const ETHERNET: u16 = 0x0003;
const LLC: u16 = 0x0004;
const PPP: u16 = 0x0007;

/// Octets of a header.
pub(in crate::decode) const V1_HEADER: usize = 16;
pub(in crate::decode) const V2_HEADER: usize = 20;

/// Version 1: packet type, hardware type, address, protocol.
pub(super) fn v1(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((header, rest)) = octets.split::<V1_HEADER>() else { return FrameKind::Skipped("truncated-sll-header") };
    walk.marks |= direction(header[1]);
    payload(walk, [header[2], header[3]], [header[14], header[15]], rest)
}

/// Version 2: protocol first, then the interface index.
pub(super) fn v2(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((header, rest)) = octets.split::<V2_HEADER>() else { return FrameKind::Skipped("truncated-sll2-header") };
    walk.marks |= direction(header[10]);
    payload(walk, [header[8], header[9]], [header[0], header[1]], rest)
}

#[inline]
fn payload(walk: &mut Walk, hardware: [u8; 2], protocol: [u8; 2], octets: Octets<'_>) -> FrameKind {
    match (u16::from_be_bytes(hardware), u16::from_be_bytes(protocol)) {
        (NETLINK, _) => FrameKind::NonTcp,
        (RADIOTAP, _) => wlan::with_radiotap(walk, octets),
        (_, ETHERNET) => ethernet::decode(walk, octets),
        (_, LLC) => llc::decode(walk, octets),
        (_, PPP) => ppp::decode(walk, octets),
        (_, 0..0x0600) => FrameKind::NonTcp,
        (_, protocol) => ether_type::payload(walk, EtherType(protocol), octets),
    }
}

/// The EtherType of what follows a header of version 1, and the direction; none where it may be something else.
#[inline]
pub(in crate::decode) fn ether_type_of_v1(frame: &[u8]) -> Option<(u16, Marks)> {
    let header: &[u8; V1_HEADER] = frame.first_chunk()?;
    plainly([header[2], header[3]], [header[14], header[15]], header[1])
}

/// The same of version 2.
#[inline]
pub(in crate::decode) fn ether_type_of_v2(frame: &[u8]) -> Option<(u16, Marks)> {
    let header: &[u8; V2_HEADER] = frame.first_chunk()?;
    plainly([header[8], header[9]], [header[0], header[1]], header[10])
}

#[inline]
fn plainly(hardware: [u8; 2], protocol: [u8; 2], packet_type: u8) -> Option<(u16, Marks)> {
    let is_ether_type = !matches!(u16::from_be_bytes(hardware), NETLINK | RADIOTAP);
    is_ether_type.then(|| (u16::from_be_bytes(protocol), direction(packet_type)))
}

/// The packet type, numbered as in <linux/if_packet.h>. A frame for another host (3) was only overheard.
fn direction(packet_type: u8) -> Marks {
    match packet_type {
        0..=2 => Marks::INBOUND,
        4 => Marks::OUTBOUND,
        _ => Marks::empty(),
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::sample;
    use crate::segment::Marks;

    #[test]
    fn both_versions_tell_the_direction() {
        let packet = sample::ipv4(6, &sample::tcp(&[], b""));
        let either = Marks::INBOUND | Marks::OUTBOUND;
        for (packet_type, marks) in [(0, Marks::INBOUND), (3, Marks::empty()), (4, Marks::OUTBOUND)] {
            let mut v1 = [0; 16];
            (v1[1], v1[14]) = (packet_type, 8);
            let segment = sample::only_segment(113, &[&v1[..], &packet].concat());
            assert_eq!(segment.marks & either, marks);
            let mut v2 = [0; 20];
            (v2[10], v2[0]) = (packet_type, 8);
            let segment = sample::only_segment(276, &[&v2[..], &packet].concat());
            assert_eq!(segment.marks & either, marks);
        }
    }
}
