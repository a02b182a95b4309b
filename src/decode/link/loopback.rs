//! BSD loopback: four octets of address family in front of the packet, in the writing host's order (LINKTYPE_NULL) or
//! in network order (LINKTYPE_LOOP).

use etherparse::EtherType;

use super::{FrameKind, Octets, Walk, ether_type, ip, ppp};

const INET: u32 = 2;
/// AF_INET6 of NetBSD, OpenBSD and BSD/OS; FreeBSD and DragonFly; macOS and iOS.
const INET6: [u32; 3] = [24, 28, 30];

/// A loopback frame of either order: families are below 256, so the order shows.
// 0xff 0x03 is the beginning of PPP in HDLC-like framing, which FreeBSD's ISDN wrote.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((header, rest)) = octets.split::<4>() else { return FrameKind::Skipped("truncated-loopback-header") };
    let family = match *header {
        [0, 0, 0, _] => u32::from_be_bytes(*header),
        [_, 0, 0, 0] => u32::from_le_bytes(*header),
        // A family of 16 bits (IRIX snoop).
        [0, family @ ..6, 0, 0] => u32::from(family),
        // Old Linux wrote the end of its loopback's Ethernet header.
        [low, high, 0, 0] | [0, 0, high, low] => {
            return ether_type::payload(walk, EtherType(u16::from_be_bytes([high, low])), rest);
        }
        [0xff, 0x03, ..] => return ppp::decode(walk, octets),
        _ => return FrameKind::NonTcp,
    };
    match family {
        INET => ip::v4(walk, rest),
        family if INET6.contains(&family) => ip::v6(walk, rest),
        _ => FrameKind::NonTcp,
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::{FrameKind, sample};

    #[test]
    fn every_family_in_either_order() {
        let v4 = sample::ipv4(6, &sample::tcp(&[], b""));
        let v6 = sample::ipv6(6, &sample::tcp(&[], b""));
        for (family, packet) in [(2u32, &v4), (24, &v6), (28, &v6), (30, &v6)] {
            for (link, header) in [(0, family.to_le_bytes()), (0, family.to_be_bytes()), (108, family.to_be_bytes())] {
                let frame = [&header[..], packet].concat();
                assert_eq!(sample::kind(link, &frame), FrameKind::Segment, "{header:?}");
            }
        }
        assert_eq!(sample::kind(0, &[&[0, 0, 0x86, 0xdd][..], &v6].concat()), FrameKind::Segment);
        assert_eq!(sample::kind(0, &[&[7, 0, 0, 0][..], &v4].concat()), FrameKind::NonTcp);
    }
}
