//! Ethernet and the tags behind its addresses.

use etherparse::{EtherType, Ethernet2HeaderSlice, SingleVlanHeaderSlice, ether_type};

use crate::decode::Encapsulation;

use super::{FrameKind, Octets, Walk, ip};

/// An Ethernet frame, from its destination address on.
#[inline]
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match Ethernet2HeaderSlice::from_slice(octets.captured()) {
        Ok(header) => payload(walk, header.ether_type(), octets.after(header.slice().len())),
        Err(_) => FrameKind::Skipped("truncated-ethernet-header"),
    }
}

/// What an EtherType announces, in Ethernet and wherever else the same numbers stand.
#[inline]
pub(super) fn payload(walk: &mut Walk, ether_type: EtherType, octets: Octets<'_>) -> FrameKind {
    match ether_type {
        ether_type::IPV4 => ip::v4(walk, octets),
        ether_type::IPV6 => ip::v6(walk, octets),
        _ => other_payload(walk, ether_type, octets),
    }
}

fn other_payload(walk: &mut Walk, ether_type: EtherType, octets: Octets<'_>) -> FrameKind {
    match ether_type {
        ether_type::VLAN_TAGGED_FRAME | ether_type::PROVIDER_BRIDGING | ether_type::VLAN_DOUBLE_TAGGED_FRAME => {
            vlan(walk, octets)
        }
        _ => FrameKind::NonTcp,
    }
}

/// A VLAN tag (IEEE 802.1Q, 802.1ad). Tag 0 carries a priority and names no network.
fn vlan(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Ok(tag) = SingleVlanHeaderSlice::from_slice(octets.captured()) else {
        return FrameKind::Skipped("truncated-vlan-tag");
    };
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    let id = tag.vlan_identifier().value();
    if id != 0 {
        walk.through(Encapsulation::Vlan(id));
    }
    payload(walk, tag.ether_type(), octets.after(tag.slice().len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;

    #[test]
    fn padding_is_no_payload() {
        let mut frame = sample::ethernet(0x0800, &sample::ipv4(6, &sample::tcp(&[], b"")));
        frame.resize(60, 0xee);
        let segment = sample::only_segment(1, &frame);
        assert_eq!(segment.payload_len, 0);
    }

    #[test]
    fn stacked_tags_name_their_networks() {
        let packet = sample::ipv4(6, &sample::tcp(&[], b"data"));
        let inner = [&[0x00, 0x07, 0x08, 0x00][..], &packet].concat();
        let outer = [&[0xe0, 0x64, 0x81, 0x00][..], &inner].concat();
        let mut decoder = sample::decoder();
        let (kind, items) = sample::decode(&mut decoder, 1, &sample::ethernet(0x88a8, &outer));
        assert_eq!(kind, FrameKind::Segment);
        assert_eq!(decoder.contexts().describe(sample::segments(&items)[0].context), "vlan 100 / vlan 7");
    }

    #[test]
    fn a_priority_tag_is_no_network() {
        let packet = [&[0xe0, 0x00, 0x08, 0x00][..], &sample::ipv4(6, &sample::tcp(&[], b""))].concat();
        assert_eq!(sample::only_segment(1, &sample::ethernet(0x8100, &packet)).context, 0);
    }

    #[test]
    fn tags_without_end_have_an_end() {
        let tags = [0x00, 0x01, 0x81, 0x00].repeat(1000);
        let kind = sample::kind(1, &sample::ethernet(0x8100, &tags));
        assert_eq!(kind, FrameKind::Skipped("nested-too-deep"));
    }
}
