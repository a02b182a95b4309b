//! Linux "cooked" captures: what the kernel hands out on the `any` device (LINKTYPE_LINUX_SLL, LINKTYPE_LINUX_SLL2).

use etherparse::EtherType;

use crate::segment::Marks;

use super::{FrameKind, Octets, Walk, ethernet};

/// Version 1: packet type, hardware type, address, protocol.
pub(super) fn v1(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((header, rest)) = octets.split::<16>() else { return FrameKind::Skipped("truncated-sll-header") };
    walk.marks |= direction(header[1]);
    ethernet::payload(walk, EtherType(u16::from_be_bytes([header[14], header[15]])), rest)
}

/// Version 2: protocol first, then the interface index.
pub(super) fn v2(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((header, rest)) = octets.split::<20>() else { return FrameKind::Skipped("truncated-sll2-header") };
    walk.marks |= direction(header[10]);
    ethernet::payload(walk, EtherType(u16::from_be_bytes([header[0], header[1]])), rest)
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
