//! IP: from the header to what it carries.

mod extension;
mod icmp;
mod v4;
mod v6;

use std::net::IpAddr;

use etherparse::{IpNumber, ip_number};

use crate::segment::Marks;

use super::FrameKind;
use super::fragment::{Key, Place};
use super::octets::Octets;
use super::walk::Walk;
use super::{tcp, tunnel};

use extension::Step;

pub(in crate::decode) use v4::decode as v4;
pub(in crate::decode) use v6::decode as v6;

/// No segment that a host leaves to its network card is larger: Linux, GSO_MAX_SIZE, is at half of it. Lengths of 0 with more
/// behind them stand in damaged frames.
const OFFLOADED_OCTETS_MAX: usize = 1 << 20;

/// What the segment keeps of the IP header in front of it. The way to TCP knows the version; elsewhere it does not matter.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) struct Packet<A = IpAddr> {
    pub source: A,
    /// The final destination where a source route lists further hops, as the TCP checksum has it.
    pub destination: A,
    /// IPv4 identification; 0 in IPv6.
    pub id: u16,
    pub ttl: u8,
    pub marks: Marks,
}

impl<A: Into<IpAddr>> Packet<A> {
    /// The same of either version.
    fn widened(self) -> Packet {
        let Packet { source, destination, id, ttl, marks } = self;
        Packet { source: source.into(), destination: destination.into(), id, ttl, marks }
    }
}

/// An IP packet of the version that its first four bits say.
pub(in crate::decode) fn any(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.captured().first().map(|first| first >> 4) {
        Some(4) => v4(walk, octets),
        Some(6) => v6(walk, octets),
        Some(_) => FrameKind::Skipped("bad-ip-version"),
        None => FrameKind::Skipped("truncated-ip-header"),
    }
}

/// What a whole IP packet carries, behind any extension headers. Those are IPv6's, but their numbers are protocol numbers
/// and AH stands in IPv4 too.
#[inline]
fn payload<A: Into<IpAddr> + Copy>(
    walk: &mut Walk,
    packet: Packet<A>,
    protocol: IpNumber,
    octets: Octets<'_>,
) -> FrameKind {
    match protocol {
        ip_number::TCP => tcp::decode(walk, &packet, octets),
        _ => carried(walk, packet.widened(), protocol, octets),
    }
}

/// The same where time does not press: behind extension headers, in tunnels, in what was put together.
pub(in crate::decode) fn carried(
    walk: &mut Walk,
    mut packet: Packet,
    mut protocol: IpNumber,
    mut octets: Octets<'_>,
) -> FrameKind {
    loop {
        match protocol {
            ip_number::TCP => return tcp::decode(walk, &packet, octets),
            ip_number::ICMP => return icmp::decode_v4(walk, &packet, octets),
            ip_number::IPV6_ICMP => return icmp::decode_v6(walk, &packet, octets),
            _ => {}
        }
        match extension::step(&mut packet, protocol, octets) {
            Step::Next(next, rest) => (protocol, octets) = (next, rest),
            Step::Fragment { id, place, next, rest } => {
                return fragment(walk, packet, id, place, next, rest);
            }
            Step::Stop(kind) => return kind,
            Step::Payload => return tunnel::ip_payload(walk, packet, protocol, octets),
        }
    }
}

/// A fragment. Its frame gives what the whole datagram carries when that is complete with it; until then, what the first
/// one says is kept for the case that the rest never comes. One that the snap length cut completes nothing.
fn fragment(
    walk: &mut Walk,
    packet: Packet,
    id: u32,
    place: Place,
    protocol: IpNumber,
    octets: Octets<'_>,
) -> FrameKind {
    let Packet { source, destination, .. } = packet;
    let (is_first, is_v4) = (place.offset == 0, source.is_ipv4());
    let alone = |walk: &mut Walk| carried(walk, packet, protocol, octets);
    if octets.is_cut() || octets.len() == 0 {
        if is_first && is_v4 {
            // Wireshark counts this one in a stream, and the same in IPv6 not.
            return walk.aside(Marks::FRAGMENT_FIRST, alone).or(FrameKind::Fragment);
        }
        if is_first {
            let items = walk.items_of(Marks::FRAGMENT_FIRST, alone);
            walk.fragments.keep_orphan(items);
        }
        return FrameKind::Fragment;
    }
    let protocol_of_key = if is_v4 { protocol.0 } else { 0 };
    let key = Key { source, destination, id, protocol: protocol_of_key, context: walk.context() };
    if let Some(whole) = walk.fragments.add(walk.time, key, place, protocol, octets.captured()) {
        return walk.aside(Marks::REASSEMBLED, |walk| {
            carried(walk, packet, whole.protocol, Octets::new(&whole.beginning, whole.len))
        });
    }
    if is_first {
        let items = walk.items_of(Marks::FRAGMENT_FIRST, alone);
        walk.fragments.keep_first(key, items);
    }
    FrameKind::Fragment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;
    use crate::segment::Segment;

    const V4: u16 = 228;
    const V6: u16 = 229;

    /// The IPv4 fragments of a TCP segment, cut at the given offsets.
    fn fragments(tcp: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let bounds = [&[0], cuts, &[tcp.len()]].concat();
        let fragment = |bounds: &[usize]| {
            let mut packet = sample::ipv4(6, &tcp[bounds[0]..bounds[1]]);
            let more = if bounds[1] < tcp.len() { 0x20 } else { 0 };
            (packet[6], packet[7]) = (more | (bounds[0] >> 11) as u8, (bounds[0] >> 3) as u8);
            packet
        };
        bounds.windows(2).map(fragment).collect()
    }

    fn fragments_v6(tcp: &[u8], cut: usize) -> [Vec<u8>; 2] {
        let fragment = |offset: usize, more: u8, part: &[u8]| {
            let header = [6, 0, (offset >> 8) as u8, offset as u8 | more, 0, 0, 0, 9];
            sample::ipv6(44, &[&header, part].concat())
        };
        [fragment(0, 1, &tcp[..cut]), fragment(cut, 0, &tcp[cut..])]
    }

    #[test]
    fn the_segment_comes_with_the_last_of_its_fragments() {
        let tcp = sample::tcp(&[3, 3, 7, 0], &[7; 100]);
        let expected = sample::only_segment(V4, &sample::ipv4(6, &tcp));
        for order in [[0, 1, 2], [2, 1, 0]] {
            let parts = fragments(&tcp, &[8, 64]);
            let mut decoder = sample::decoder();
            assert_eq!(sample::decode(&mut decoder, V4, &parts[order[0]]), (FrameKind::Fragment, vec![]));
            assert_eq!(sample::decode(&mut decoder, V4, &parts[order[1]]), (FrameKind::Fragment, vec![]));
            let (kind, items) = sample::decode(&mut decoder, V4, &parts[order[2]]);
            assert_eq!(kind, FrameKind::Segment);
            let segment = sample::segments(&items)[0];
            assert_eq!(segment.marks, Marks::REASSEMBLED);
            assert_eq!(Segment { marks: expected.marks, ..segment }, expected);
        }
    }

    #[test]
    fn ipv6_is_reassembled_too() {
        let tcp = sample::tcp(&[], &[7; 100]);
        let mut decoder = sample::decoder();
        let [first, last] = fragments_v6(&tcp, 64);
        assert_eq!(sample::decode(&mut decoder, V6, &first).0, FrameKind::Fragment);
        let (_, items) = sample::decode(&mut decoder, V6, &last);
        assert_eq!(sample::segments(&items)[0].payload_len, 100);
        assert_eq!(decoder.fragment_counts().reassembled, 1);
    }

    #[test]
    fn a_first_fragment_without_its_rest_speaks_at_the_end() {
        let tcp = sample::tcp(&[], &[7; 100]);
        let mut decoder = sample::decoder();
        sample::decode(&mut decoder, V4, &fragments(&tcp, &[64])[0]);
        sample::decode(&mut decoder, V6, &fragments_v6(&tcp, 64)[1]);
        let mut items = Vec::new();
        decoder.finish(|item| items.push(*item));
        let [segment] = sample::segments(&items)[..] else { panic!("{items:?}") };
        assert_eq!((segment.payload_len, segment.marks), (44, Marks::FRAGMENT_FIRST));
    }

    #[test]
    fn a_first_fragment_that_was_cut_waits_for_nothing() {
        let parts = fragments(&sample::tcp(&[], &[7; 100]), &[64]);
        let (kind, items) = sample::decode_cut(V4, &parts[0][..60], parts[0].len());
        assert_eq!(kind, FrameKind::Segment);
        let segment = sample::segments(&items)[0];
        assert_eq!(segment.marks, Marks::FRAGMENT_FIRST | Marks::PAYLOAD_CUT);
        assert_eq!(sample::decode_cut(V4, &parts[1][..30], parts[1].len()), (FrameKind::Fragment, vec![]));
    }

    #[test]
    fn fragments_of_two_networks_do_not_meet() {
        let parts = fragments(&sample::tcp(&[], &[7; 100]), &[64]);
        let tagged = |id: u8, packet: &[u8]| sample::ethernet(0x8100, &[&[0, id, 8, 0], packet].concat());
        let mut decoder = sample::decoder();
        for frame in [tagged(1, &parts[0]), tagged(2, &parts[1])] {
            assert_eq!(sample::decode(&mut decoder, 1, &frame).0, FrameKind::Fragment);
        }
        assert_eq!(sample::decode(&mut decoder, 1, &tagged(1, &parts[1])).0, FrameKind::Segment);
    }
}
