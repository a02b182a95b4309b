//! The frame that nearly all are, read in one look instead of layer by layer: Ethernet, perhaps with a VLAN tag, what Linux has for any
//! device, or IP alone; an IP header without options or extensions, a TCP header that is all there, and lengths that agree. What is anything
//! else goes through the layers; what is taken here comes out as they would have it, which a test holds.

use std::net::IpAddr;
use std::ops::Range;

use crate::base::{Endpoint, Seq};
use crate::segment::{Flags, Marks, Segment, TcpOptions};
use crate::source::{Frame, LinkType};

use super::items::Items;
use super::link::cooked;
use super::octets::Octets;
use super::walk::Walk;
use super::{checksum, direction, options};

const ETHER_TYPE: usize = 12;
/// As they stand there, in the order of octets of this machine.
const IPV4: u16 = 0x0800_u16.to_be();
const IPV6: u16 = 0x86dd_u16.to_be();
const TAGGED: u16 = 0x8100_u16.to_be();
/// Where IP begins: behind two addresses and a type.
const IP: usize = 14;
/// A VLAN tag before it (IEEE 802.1Q), and what of the tag names the network.
const TAG: usize = 4;
const VLAN_ID: u16 = 0x0fff;
/// Version 4 with a header of five words.
const V4_WITHOUT_OPTIONS: u8 = 0x45;
const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;
const TCP: u8 = 6;
/// Without options.
const TCP_HEADER: usize = 20;
const MORE_FRAGMENTS_OR_OFFSET: u16 = 0x3fff;
const DONT_FRAGMENT: u16 = 0x4000;
const _: () = assert!(DONT_FRAGMENT >> 3 == Marks::DONT_FRAGMENT.bits());

/// What stands before an IP packet.
#[derive(Clone, Copy)]
struct Before {
    /// Its octets.
    len: usize,
    /// What it says of the direction.
    marks: Marks,
    /// The VLAN that it names; 0 is none.
    vlan: u16,
}

impl Before {
    const ETHERNET: Self = Self { len: IP, marks: Marks::empty(), vlan: 0 };

    /// What stands there where it is not Ethernet alone, and the EtherType of what follows.
    fn of(frame: &Frame<'_>) -> Option<(Self, u16)> {
        let cooked = |len: usize, (ether_type, marks)| (Self { len, marks, vlan: 0 }, ether_type);
        match frame.link {
            LinkType::ETHERNET => {
                let tagged: &[u8; IP + TAG] = frame.bytes.first_chunk()?;
                let vlan = be16(tagged, IP) & VLAN_ID;
                let before = Self { len: IP + TAG, marks: Marks::empty(), vlan };
                matches!(be16(tagged, ETHER_TYPE), 0x8100 | 0x88a8 | 0x9100).then(|| (before, be16(tagged, IP + 2)))
            }
            LinkType::LINUX_SLL => Some(cooked(cooked::V1_HEADER, cooked::ether_type_of_v1(frame.bytes)?)),
            LinkType::LINUX_SLL2 => Some(cooked(cooked::V2_HEADER, cooked::ether_type_of_v2(frame.bytes)?)),
            LinkType::RAW => {
                let ether_type = if frame.bytes.first()? >> 4 == 4 { 0x0800 } else { 0x86dd };
                Some((Self { len: 0, marks: Marks::empty(), vlan: 0 }, ether_type))
            }
            _ => None,
        }
    }
}

/// Adds the segment of `frame` to `items` if the frame is a plain one. Else nothing has changed.
#[inline(always)]
pub(super) fn decode(walk: &mut Walk, frame: &Frame<'_>, items: &mut Items) -> bool {
    let Some(head) = frame.bytes.first_chunk::<{ IP + V4_HEADER + TCP_HEADER }>() else { return false };
    if frame.link != LinkType::ETHERNET {
        return behind_another_header(walk, frame, items);
    }
    match u16::from_ne_bytes([head[ETHER_TYPE], head[ETHER_TYPE + 1]]) {
        IPV4 => head.last_chunk().is_some_and(|head| v4(walk, frame, items, Before::ETHERNET, head)),
        IPV6 => v6(walk, frame, items, Before::ETHERNET),
        TAGGED => behind_another_header(walk, frame, items),
        _ => false,
    }
}

/// The same where it is not behind two addresses and a type.
#[inline(never)]
fn behind_another_header(walk: &mut Walk, frame: &Frame<'_>, items: &mut Items) -> bool {
    let Some((before, ether_type)) = Before::of(frame) else { return false };
    let head = || frame.bytes.get(before.len..).and_then(<[u8]>::first_chunk);
    match ether_type.to_be() {
        IPV4 => head().is_some_and(|head| v4(walk, frame, items, before, head)),
        IPV6 => v6(walk, frame, items, before),
        _ => false,
    }
}

#[inline(always)]
fn v4(
    walk: &mut Walk,
    frame: &Frame<'_>,
    items: &mut Items,
    before: Before,
    head: &[u8; V4_HEADER + TCP_HEADER],
) -> bool {
    let place = be16(head, 6);
    if head[0] != V4_WITHOUT_OPTIONS || head[9] != TCP || place & MORE_FRAGMENTS_OR_OFFSET != 0 {
        return false;
    }
    let (from, end) = (before.len + V4_HEADER, before.len + usize::from(be16(head, 2)));
    let Some(summed) = head.last_chunk::<{ 8 + TCP_HEADER }>() else { return false };
    // The same bit, three places lower.
    let marks = before.marks | Marks::from_bits_retain((place & DONT_FRAGMENT) >> 3);
    let before = Before { marks, ..before };
    let Some(segment) = segment::<4, _>(walk, frame, items, summed, from..end, before) else { return false };
    segment.ip_id = be16(head, 4);
    segment.ttl = head[8];
    true
}

#[inline(never)]
fn v6(walk: &mut Walk, frame: &Frame<'_>, items: &mut Items, before: Before) -> bool {
    let head = frame.bytes.get(before.len..).and_then(<[u8]>::first_chunk::<{ V6_HEADER + TCP_HEADER }>);
    let Some(head) = head else { return false };
    if head[0] >> 4 != 6 || head[6] != TCP {
        return false;
    }
    let from = before.len + V6_HEADER;
    let end = from + usize::from(be16(head, 4));
    let Some(summed) = head.last_chunk::<{ 32 + TCP_HEADER }>() else { return false };
    let Some(segment) = segment::<16, _>(walk, frame, items, summed, from..end, before) else { return false };
    segment.ip_id = 0;
    segment.ttl = head[7];
    true
}

/// Adds the segment that stands at `place` of `frame`, if that is plain: all but its identification and its time to live.
/// `summed` are both addresses, of `ADDRESS` octets each, and the TCP header without its options; `before` is what stands before it all, with the marks of IP's header.
#[inline(always)]
fn segment<'a, const ADDRESS: usize, const SUMMED: usize>(
    walk: &mut Walk,
    frame: &Frame<'_>,
    items: &'a mut Items,
    summed: &[u8; SUMMED],
    place: Range<usize>,
    before: Before,
) -> Option<&'a mut Segment>
where
    IpAddr: From<[u8; ADDRESS]>,
{
    let header = summed.last_chunk::<TCP_HEADER>()?;
    let address = |at: usize| Some(IpAddr::from(*summed.get(at..)?.first_chunk::<ADDRESS>()?));
    let (len, behind) = (place.end.wrapping_sub(place.start), place.start + TCP_HEADER);
    let control = be16(header, 12);
    let (header_len, flags) = (usize::from(control >> 12) * 4, Flags::from_bits_truncate(control));
    let mut marks = direction(frame.flags) | before.marks;
    let (area, payload_len);
    match frame.bytes.get(behind..place.end) {
        Some(rest) => {
            area = rest.get(..header_len.wrapping_sub(TCP_HEADER))?;
            payload_len = (len - header_len) as u32;
            if walk.checksums.wants(flags, payload_len) {
                marks |= match checksum::is_right(summed, rest, len) {
                    true => Marks::CHECKSUM_GOOD,
                    false => checksum::judge(address(0)?, address(ADDRESS)?, frame.bytes.get(place)?),
                };
            }
        }
        // Cut by the snap length, if the length on the wire agrees; what it says beyond that is for the layers.
        None => {
            if place.end < behind || place.end > frame.original_len as usize {
                return None;
            }
            area = frame.bytes.get(behind..place.start + header_len)?;
            payload_len = len.checked_sub(header_len)? as u32;
            marks |= Marks::PAYLOAD_CUT;
        }
    }
    let context = if before.vlan == 0 { 0 } else { walk.context_of_vlan(before.vlan) };
    let realm = walk.realm_on(context, frame.interface);
    let (source, destination) = (address(0)?, address(ADDRESS)?);
    // Written where it stays: what is built elsewhere is copied, and that takes as long as reading the header. And read here,
    // behind what has been asked of it: there are more numbers than registers.
    let segment = items.segment();
    segment.time = frame.time;
    segment.frame = frame.number;
    segment.source = Endpoint::new(source, be16(header, 0));
    segment.destination = Endpoint::new(destination, be16(header, 2));
    segment.seq = Seq(be32(header, 4));
    segment.ack = Seq(be32(header, 8));
    segment.payload_len = payload_len;
    segment.window = be16(header, 14);
    segment.flags = flags;
    segment.marks = marks;
    segment.interface = frame.interface;
    segment.context = context;
    segment.realm = realm;
    segment.digest = 0;
    segment.options = TcpOptions::NONE;
    if !area.is_empty() {
        match options::timestamps_alone(area) {
            Some(timestamps) => segment.options.timestamps = Some(timestamps),
            None => segment.marks |= options::parse(Octets::new(area, area.len()), &mut segment.options),
        }
    }
    Some(segment)
}

/// The number at `at`, which lies within.
#[inline(always)]
fn be16<const LEN: usize>(octets: &[u8; LEN], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}

#[inline(always)]
fn be32<const LEN: usize>(octets: &[u8; LEN], at: usize) -> u32 {
    u32::from_be_bytes([octets[at], octets[at + 1], octets[at + 2], octets[at + 3]])
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
        let end = Endpoint::new(std::net::Ipv6Addr::LOCALHOST.into(), 1);
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
        assert_eq!(looking.contexts().describe(1), walking.contexts().describe(1));
        (is_plain, (kind, looked.to_vec()), (through, walked.to_vec()))
    }

    /// What stands before an IP packet.
    #[derive(Clone, Copy, Debug)]
    enum Header {
        Ethernet,
        Tag,
        V1,
        V2,
        None,
    }

    impl Header {
        /// The frame of `packet`, of this EtherType; `first` are the octets of a cooked header that may be odd, mostly they are not.
        fn before(self, kind: u16, first: [u8; 4], packet: &[u8]) -> (LinkType, Vec<u8>) {
            let [kind_high, kind_low] = kind.to_be_bytes();
            let [packet_type, hardware_high, hardware_low, other] = first;
            let is_odd = other < 40;
            let hardware = if is_odd { [hardware_high % 4, hardware_low] } else { [0, 1] };
            let (link, header) = match self {
                Self::Ethernet => return (LinkType::ETHERNET, sample::ethernet(kind, packet)),
                Self::Tag => {
                    let tag = [packet_type, hardware_low, kind_high, kind_low];
                    return (LinkType::ETHERNET, sample::ethernet(0x8100, &[&tag, packet].concat()));
                }
                Self::None => (LinkType::RAW, Vec::new()),
                Self::V1 => {
                    let mut header = vec![0, packet_type % 6, hardware[0], hardware[1], 0, 6];
                    header.resize(14, other);
                    header.extend([kind_high, kind_low]);
                    (LinkType::LINUX_SLL, header)
                }
                Self::V2 => {
                    let mut header = vec![kind_high, kind_low, 0, 0, 0, 0, 0, other];
                    header.extend([hardware[0], hardware[1], packet_type % 6, 6]);
                    header.resize(20, other);
                    (LinkType::LINUX_SLL2, header)
                }
            };
            (link, [&header, packet].concat())
        }
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
            header in prop_oneof![Just(Header::Ethernet), Just(Header::V1), Just(Header::V2), Just(Header::Tag), Just(Header::None)],
            first in any::<[u8; 4]>(),
        ) {
            let tcp = sample::tcp(&area, &payload);
            let (kind, packet) = if is_v6 { (0x86dd, sample::ipv6(6, &tcp)) } else { (0x0800, sample::ipv4(6, &tcp)) };
            let (link, mut bytes) = header.before(kind, first, &packet);
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
            let (_, looked, walked) = both(&bytes, original_len, link, DecodeOptions { checksums, split_by });
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
        assert!(!is_plain(&v4, LinkType(113)) && !is_plain(&v4, LinkType::IPV4));
        for header in [Header::Tag, Header::V1, Header::V2, Header::None] {
            for (kind, packet) in [(0x0800, sample::ipv4(6, &tcp)), (0x86dd, sample::ipv6(6, &tcp))] {
                let (link, frame) = header.before(kind, [0, 0, 0, 255], &packet);
                assert!(is_plain(&frame, link), "{header:?}");
            }
        }
        for (at, value) in [(12, 0x82), (14, 0x46), (16, 0xff), (20, 0x20), (21, 1), (23, 17), (46, 0x40), (46, 0xf0)] {
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
