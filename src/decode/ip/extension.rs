//! Extension headers between an IP header and its payload (RFC 8200, section 4; AH: RFC 4302).

use std::net::Ipv6Addr;

use etherparse::{IpNumber, Ipv6FragmentHeaderSlice, ip_number};

use super::{FrameKind, Octets, Packet, Place};

// Routing types of the IANA registry "IPv6 Parameters".
const SOURCE_ROUTE: u8 = 0;
const MOBILE: u8 = 2;
const SEGMENT_ROUTING: u8 = 4;

/// What a protocol number in IP leads to.
pub(super) enum Step<'a> {
    /// An extension header was taken off: the number it names, and what follows it.
    Next(IpNumber, Octets<'a>),
    /// A fragment of a datagram that begins with the number.
    Fragment { id: u32, place: Place, next: IpNumber, rest: Octets<'a> },
    /// The packet ends here.
    Stop(FrameKind),
    /// The number is no extension header's.
    Payload,
}

/// Takes one extension header off.
pub(super) fn step<'a>(packet: &mut Packet, protocol: IpNumber, octets: Octets<'a>) -> Step<'a> {
    let unit = match protocol {
        ip_number::IPV6_HEADER_HOP_BY_HOP
        | ip_number::IPV6_DESTINATION_OPTIONS
        | ip_number::IPV6_ROUTE_HEADER
        | ip_number::SHIM6 => 8,
        ip_number::AUTHENTICATION_HEADER => 4,
        ip_number::IPV6_FRAGMENTATION_HEADER => return fragment(octets),
        _ => return Step::Payload,
    };
    let &[next, units, ..] = octets.captured() else { return CUT };
    // AH counts words without its first two, the others eight octets without the first.
    let len = if unit == 4 { (usize::from(units) + 2) * 4 } else { (usize::from(units) + 1) * 8 };
    let Some(header) = octets.captured().get(..len) else { return CUT };
    if protocol == ip_number::IPV6_ROUTE_HEADER
        && let Some(destination) = final_destination(header)
    {
        packet.destination = destination.into();
    }
    Step::Next(IpNumber(next), octets.after(len))
}

const CUT: Step<'static> = Step::Stop(FrameKind::Skipped("truncated-ip-extension"));

/// A fragment header. The payload of an atomic fragment (RFC 6946) is whole.
fn fragment(octets: Octets<'_>) -> Step<'_> {
    let Ok(header) = Ipv6FragmentHeaderSlice::from_slice(octets.captured()) else { return CUT };
    let (next, rest) = (header.next_header(), octets.after(header.slice().len()));
    if !header.is_fragmenting_payload() {
        return Step::Next(next, rest);
    }
    let place = Place { offset: usize::from(header.fragment_offset().value()) * 8, more: header.more_fragments() };
    Step::Fragment { id: header.identification(), place, next, rest }
}

/// Where a routing header with hops left sends the packet in the end.
fn final_destination(header: &[u8]) -> Option<Ipv6Addr> {
    let &[_, _, kind, left, _, _, _, _, ref route @ ..] = header else { return None };
    let hop = match kind {
        _ if left == 0 => None,
        SOURCE_ROUTE | MOBILE => route.last_chunk::<16>(),
        SEGMENT_ROUTING => route.first_chunk::<16>(),
        _ => None,
    };
    hop.map(|hop| Ipv6Addr::from(*hop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;

    #[test]
    fn tcp_is_found_behind_every_extension_header() {
        let tcp = sample::tcp(&[], b"data");
        let options = |next: u8| [next, 1].into_iter().chain([0; 14]).collect::<Vec<_>>();
        let atomic_fragment = |next: u8| vec![next, 0, 0, 0, 0, 0, 0, 9];
        let authentication = |next: u8| [next, 4].into_iter().chain([0; 22]).collect::<Vec<_>>();
        let packet = [options(60), options(44), atomic_fragment(51), authentication(6), tcp].concat();
        let segment = sample::only_segment(229, &sample::ipv6(0, &packet));
        assert_eq!(segment.payload_len, 4);
        assert_eq!(segment.source.to_string(), "[2001:db8::1]:51000");
    }

    #[test]
    fn a_routing_header_with_hops_left_names_the_destination() {
        let mut route = vec![6, 2, SOURCE_ROUTE, 1, 0, 0, 0, 0];
        route.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
        route.extend(sample::tcp(&[], b""));
        assert_eq!(sample::only_segment(229, &sample::ipv6(43, &route)).destination.ip.to_string(), "fd00::9");
        route[3] = 0;
        assert_eq!(sample::only_segment(229, &sample::ipv6(43, &route)).destination.ip.to_string(), "2001:db8::2");
    }

    #[test]
    fn what_cannot_be_read_has_a_reason() {
        assert_eq!(sample::kind(229, &sample::ipv6(50, &[0; 40])), FrameKind::Skipped("encrypted-esp"));
        assert_eq!(sample::kind(229, &sample::ipv6(0, &[6, 9, 0, 0])), FrameKind::Skipped("truncated-ip-extension"));
        assert_eq!(sample::kind(229, &sample::ipv6(44, &[6, 0, 0, 1, 0, 0, 0, 1])), FrameKind::Fragment);
        assert_eq!(sample::kind(229, &sample::ipv6(59, &[])), FrameKind::NonTcp);
    }
}
