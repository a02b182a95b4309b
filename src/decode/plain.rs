//! The frame that nearly all are, read in one look instead of layer by layer: Ethernet, an IP header without options or
//! extensions, a TCP header that is all there, and lengths that agree. What is anything else goes through the layers; what
//! is taken here comes out as they would have it, which a test holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::base::{Endpoint, Seq};
use crate::segment::{Flags, Marks, TcpOptions};
use crate::source::{Frame, LinkType};

use super::items::Items;
use super::octets::Octets;
use super::walk::Walk;
use super::{checksum, direction, options};

/// Two addresses and a type.
const LINK: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Version 4 with a header of five words.
const V4_WITHOUT_OPTIONS: u8 = 0x45;
const V6_HEADER: usize = 40;
const V4_ADDRESSES: usize = 12;
const V6_ADDRESSES: usize = 8;
const TCP: u8 = 6;
const TCP_HEADER: usize = 20;
const MORE_FRAGMENTS_OR_OFFSET: u16 = 0x3fff;
const DONT_FRAGMENT: u16 = 0x4000;

/// What IP says of a segment.
struct Envelope<'a, A> {
    source: A,
    destination: A,
    /// Both once more, as they stand at the header's end, and all that was captured behind them.
    from_addresses: &'a [u8],
    id: u16,
    ttl: u8,
    marks: Marks,
    /// Octets of the segment on the wire.
    len: usize,
}

/// Adds the segment of `frame` to `items` if the frame is a plain one. Else nothing has changed.
#[inline]
pub(super) fn decode(walk: &mut Walk, frame: &Frame<'_>, items: &mut Items) -> bool {
    let Some((link, packet)) = frame.bytes.split_first_chunk::<LINK>() else { return false };
    if frame.link != LinkType::ETHERNET {
        return false;
    }
    // The length on the wire is not believed where it says less than was captured.
    let len = (frame.original_len as usize).max(frame.bytes.len()) - LINK;
    match *link {
        [.., a, b] if [a, b] == IPV4 => v4(walk, frame, items, packet, len),
        [.., a, b] if [a, b] == IPV6 => v6(walk, frame, items, packet, len),
        _ => false,
    }
}

#[inline]
fn v4(walk: &mut Walk, frame: &Frame<'_>, items: &mut Items, packet: &[u8], len: usize) -> bool {
    let Some((header, captured)) = packet.split_first_chunk::<20>() else { return false };
    let &[V4_WITHOUT_OPTIONS, _, l1, l0, i1, i0, f1, f0, ttl, TCP, _, _, ref addresses @ ..] = header else {
        return false;
    };
    let (total, place) = (usize::from(u16::from_be_bytes([l1, l0])), u16::from_be_bytes([f1, f0]));
    if total < header.len() + TCP_HEADER || total > len || place & MORE_FRAGMENTS_OR_OFFSET != 0 {
        return false;
    }
    let &[a, b, c, d, e, f, g, h] = addresses;
    let envelope = Envelope {
        source: Ipv4Addr::new(a, b, c, d),
        destination: Ipv4Addr::new(e, f, g, h),
        from_addresses: packet.get(V4_ADDRESSES..).unwrap_or_default(),
        id: u16::from_be_bytes([i1, i0]),
        ttl,
        marks: if place & DONT_FRAGMENT != 0 { Marks::DONT_FRAGMENT } else { Marks::empty() },
        len: total - header.len(),
    };
    segment(walk, frame, items, &envelope, captured)
}

#[inline]
fn v6(walk: &mut Walk, frame: &Frame<'_>, items: &mut Items, packet: &[u8], len: usize) -> bool {
    let Some((header, captured)) = packet.split_first_chunk::<V6_HEADER>() else { return false };
    let &[version, _, _, _, l1, l0, TCP, ttl, ref addresses @ ..] = header else { return false };
    let (Some(source), Some(destination)) = (addresses.first_chunk::<16>(), addresses.last_chunk::<16>()) else {
        return false;
    };
    let payload = usize::from(u16::from_be_bytes([l1, l0]));
    if version >> 4 != 6 || payload < TCP_HEADER || payload > len - V6_HEADER {
        return false;
    }
    let envelope = Envelope {
        source: Ipv6Addr::from(*source),
        destination: Ipv6Addr::from(*destination),
        from_addresses: packet.get(V6_ADDRESSES..).unwrap_or_default(),
        id: 0,
        ttl,
        marks: Marks::empty(),
        len: payload,
    };
    segment(walk, frame, items, &envelope, captured)
}

/// `behind` is what was captured behind the IP header, padding of the frame included.
#[inline]
fn segment<A: Into<IpAddr> + Copy>(
    walk: &mut Walk,
    frame: &Frame<'_>,
    items: &mut Items,
    envelope: &Envelope<'_, A>,
    behind: &[u8],
) -> bool {
    let captured = behind.get(..envelope.len).unwrap_or(behind);
    let Some((header, rest)) = captured.split_first_chunk::<TCP_HEADER>() else { return false };
    let &[s1, s0, d1, d0, n3, n2, n1, n0, a3, a2, a1, a0, offset, control, w1, w0, ..] = header;
    let header_len = usize::from(offset >> 4) * 4;
    let Some(area) = header_len.checked_sub(TCP_HEADER).and_then(|len| rest.get(..len)) else { return false };
    let flags = Flags::from_bits_truncate(u16::from_be_bytes([offset, control]));
    let payload_len = (envelope.len - header_len) as u32;
    let mut marks = direction(frame.flags) | envelope.marks;
    let (source, destination) = (envelope.source.into(), envelope.destination.into());
    if captured.len() < envelope.len {
        if captured.len() - header_len < payload_len as usize {
            marks |= Marks::PAYLOAD_CUT;
        }
    } else if walk.checksums.wants(flags, payload_len) {
        let addresses = envelope.from_addresses.len() - behind.len();
        let summed = envelope.from_addresses.get(..addresses + envelope.len).unwrap_or_default();
        marks |= match checksum::is_right(summed, envelope.len) {
            true => Marks::CHECKSUM_GOOD,
            false => checksum::judge(source, destination, captured),
        };
    }
    let (timestamps, others) = match options::timestamps_alone(area) {
        Some(timestamps) => (Some(timestamps), &[][..]),
        None => (None, area),
    };
    let realm = walk.realm_of_none(frame.interface);
    // Written where it stays: what is built elsewhere is copied, and that takes as long as reading the header.
    let segment = items.segment();
    segment.time = frame.time;
    segment.frame = frame.number;
    segment.source = Endpoint::new(source, u16::from_be_bytes([s1, s0]));
    segment.destination = Endpoint::new(destination, u16::from_be_bytes([d1, d0]));
    segment.seq = Seq(u32::from_be_bytes([n3, n2, n1, n0]));
    segment.ack = Seq(u32::from_be_bytes([a3, a2, a1, a0]));
    segment.payload_len = payload_len;
    segment.window = u16::from_be_bytes([w1, w0]);
    segment.flags = flags;
    segment.ip_id = envelope.id;
    segment.ttl = envelope.ttl;
    segment.marks = marks;
    segment.interface = frame.interface;
    segment.context = 0;
    segment.realm = realm;
    segment.digest = 0;
    segment.options = TcpOptions { timestamps, ..TcpOptions::NONE };
    if !others.is_empty() {
        segment.marks |= options::parse(Octets::new(others, others.len()), &mut segment.options);
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::{FrameNumber, Timestamp};
    use crate::decode::{Checksums, DecodeOptions, Decoder, FrameKind, Item, SplitBy, sample};
    use crate::segment::{MultipathEnd, OptionOrder, SackBlock, Segment, Timestamps};

    type Decoded = (FrameKind, Vec<Item>);

    /// What may have stood in a place before: nothing of it may stay.
    fn odd() -> Segment {
        let end = Endpoint::new(Ipv6Addr::LOCALHOST.into(), 1);
        let blocks = [SackBlock { left: Seq(1), right: Seq(2) }; 4];
        Segment {
            time: Timestamp(1),
            frame: FrameNumber(1),
            source: end,
            destination: end,
            seq: Seq(1),
            ack: Seq(1),
            payload_len: 1,
            window: 1,
            flags: Flags::all(),
            ip_id: 1,
            ttl: 1,
            marks: Marks::all(),
            interface: 1,
            context: 1,
            realm: 1,
            digest: 1,
            options: TcpOptions {
                timestamps: Some(Timestamps { value: 1, echo: 1 }),
                mss: Some(1),
                window_scale: Some(1),
                sack_permitted: true,
                fast_open: true,
                multipath: true,
                multipath_end: MultipathEnd::FAST_CLOSE,
                order: OptionOrder::from_bits(1),
                sack_count: 4,
                sack: blocks,
            },
        }
    }

    /// What a look and what the layers make of it.
    fn both(bytes: &[u8], original_len: u32, link: LinkType, options: DecodeOptions) -> (bool, Decoded, Decoded) {
        let frame = Frame {
            number: FrameNumber(7),
            time: Timestamp(9),
            bytes,
            original_len,
            link,
            interface: 3,
            flags: original_len,
        };
        let (mut looking, mut walking) = (Decoder::new(options), Decoder::new(options));
        let (mut looked, mut walked) = (Items::default(), Items::default());
        looked.add(Item::Segment(odd()));
        looked.clear();
        let is_plain = decode(&mut looking.walk, &frame, &mut looked);
        assert_eq!(is_plain, !looked.is_empty());
        let kind = if is_plain { FrameKind::Segment } else { looking.decode_layers(&frame, &mut looked) };
        let through = walking.decode_layers(&frame, &mut walked);
        assert_eq!(looking.short_frames(), walking.short_frames());
        (is_plain, (kind, looked.to_vec()), (through, walked.to_vec()))
    }

    fn options_area() -> impl Strategy<Value = Vec<u8>> {
        let usual = Just(vec![1, 1, 8, 10, 0, 0, 1, 2, 0xff, 0, 0, 1]);
        let syn = Just(vec![2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7]);
        prop_oneof![Just(vec![]), usual, syn, Just(vec![1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9])]
    }

    proptest! {
        #[test]
        fn a_look_gives_what_the_layers_give(
            is_v6 in any::<bool>(),
            area in options_area(),
            payload in proptest::collection::vec(any::<u8>(), 0..20),
            padding in 0_usize..8,
            changes in proptest::collection::vec((0_usize..90, any::<u8>()), 0..3),
            cut in prop_oneof![3 => Just(0), 1 => 0_usize..90],
            longer in prop_oneof![3 => Just(0), 1 => -40_i32..90],
            choice in 0_usize..6,
        ) {
            let tcp = sample::tcp(&area, &payload);
            let (kind, packet) = if is_v6 { (0x86dd, sample::ipv6(6, &tcp)) } else { (0x0800, sample::ipv4(6, &tcp)) };
            let mut bytes = sample::ethernet(kind, &packet);
            bytes.resize(bytes.len() + padding, 0xee);
            for (at, value) in changes {
                if let Some(octet) = bytes.get_mut(at) {
                    *octet = value;
                }
            }
            let original_len = (bytes.len() as i32 + longer).max(0) as u32;
            bytes.truncate(bytes.len() - cut.min(bytes.len()));
            let checksums = [Checksums::Off, Checksums::Control, Checksums::All][choice % 3];
            let split_by = if choice < 3 { SplitBy::empty() } else { SplitBy::INTERFACE };
            let (_, looked, walked) = both(&bytes, original_len, LinkType::ETHERNET, DecodeOptions { checksums, split_by });
            prop_assert_eq!(looked, walked);
        }
    }

    #[test]
    fn plain_frames_take_one_look_and_others_do_not() {
        let tcp = sample::tcp(&[1, 1, 8, 10, 0, 0, 1, 2, 0xff, 0, 0, 1], b"data");
        let (v4, v6) =
            (sample::ethernet(0x0800, &sample::ipv4(6, &tcp)), sample::ethernet(0x86dd, &sample::ipv6(6, &tcp)));
        let is_plain = |bytes: &[u8], link| both(bytes, bytes.len() as u32, link, DecodeOptions::default()).0;
        assert!(is_plain(&v4, LinkType::ETHERNET) && is_plain(&v6, LinkType::ETHERNET));
        assert!(!is_plain(&v4, LinkType(113)));
        for (at, value) in [(12, 0x81), (14, 0x46), (16, 0xff), (20, 0x20), (21, 1), (23, 17), (46, 0x40), (46, 0xf0)] {
            let mut other = v4.clone();
            other[at] = value;
            assert!(!is_plain(&other, LinkType::ETHERNET), "{at}");
        }
        let cut = both(&v4[..60], v4.len() as u32, LinkType::ETHERNET, DecodeOptions::default());
        assert!(!cut.0 && cut.1 == cut.2);
        let cut = both(&v4[..67], v4.len() as u32, LinkType::ETHERNET, DecodeOptions::default());
        assert!(cut.0 && cut.1 == cut.2);
    }
}
