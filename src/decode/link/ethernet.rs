//! Ethernet: addresses, then an EtherType or the length of an LLC packet.

use etherparse::Ethernet2HeaderSlice;

use super::{FrameKind, Octets, Walk, ether_type};

/// An Ethernet frame, from its destination address on. A frame check sequence behind it is left to the layers that know
/// their length.
#[inline]
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match Ethernet2HeaderSlice::from_slice(octets.captured()) {
        Ok(header) => ether_type::payload(walk, header.ether_type(), octets.after(header.slice().len())),
        Err(_) => FrameKind::Skipped("truncated-ethernet-header"),
    }
}

#[cfg(test)]
mod tests {
    use crate::decode::{FrameKind, sample};

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
