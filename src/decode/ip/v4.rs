//! The IPv4 header (RFC 791).

use std::net::Ipv4Addr;

use etherparse::Ipv4HeaderSlice;
use etherparse::err::ipv4::HeaderSliceError;

use crate::segment::Marks;

use super::{FrameKind, Octets, Packet, Place, Walk, fragment, payload};

/// Option types that list the hops still to visit; the last one is the destination.
const LOOSE_SOURCE_ROUTE: u8 = 131;
const STRICT_SOURCE_ROUTE: u8 = 137;

/// An IPv4 packet.
#[inline]
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let header = match Ipv4HeaderSlice::from_slice(octets.captured()) {
        Ok(header) => header,
        Err(HeaderSliceError::Len(_)) => return FrameKind::Skipped("truncated-ipv4-header"),
        // Senders of IPv6 have been seen with IPv4's protocol number in front.
        Err(HeaderSliceError::Content(_)) if octets.captured()[0] >> 4 == 6 => return super::v6(walk, octets),
        Err(HeaderSliceError::Content(_)) => return FrameKind::Skipped("bad-ipv4-header"),
    };
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    let header_len = header.slice().len();
    let mut marks = Marks::empty();
    let within = match usize::from(header.total_len()) {
        // Segmentation offload hands super-segments to the tap before the length is known to fit its field.
        0 if octets.len() > super::OFFLOADED_OCTETS_MAX => return FrameKind::Skipped("bad-ipv4-length"),
        0 => {
            marks |= Marks::LENGTH_ZERO;
            octets
        }
        total if total < header_len => return FrameKind::Skipped("bad-ipv4-length"),
        total if total > octets.len() && !octets.is_cut() => {
            marks |= Marks::FRAME_SHORT;
            walk.short_frames += 1;
            if is_intact(&header) { octets.first_claimed(total) } else { octets }
        }
        total => octets.first_claimed(total),
    };
    if header.dont_fragment() {
        marks |= Marks::DONT_FRAGMENT;
    }
    let packet = Packet { marks, ..of(&header) };
    if header.is_fragmenting_payload() {
        let offset = usize::from(header.fragments_offset().value()) * 8;
        let place = Place { offset, more: header.more_fragments() };
        let protocol = header.protocol();
        return fragment(walk, packet.widened(), packet.id.into(), place, protocol, within.after(header_len));
    }
    payload(walk, packet, header.protocol(), within.after(header_len))
}

/// What the header says by itself.
#[inline]
pub(super) fn of(header: &Ipv4HeaderSlice<'_>) -> Packet<Ipv4Addr> {
    Packet {
        source: header.source_addr(),
        destination: last_hop(header.options()).unwrap_or(header.destination_addr()),
        id: header.identification(),
        ttl: header.ttl(),
        marks: Marks::empty(),
    }
}

/// Its checksum holds, or was left to the network card.
#[cold]
fn is_intact(header: &Ipv4HeaderSlice<'_>) -> bool {
    let written = header.header_checksum();
    written == 0 || written == header.to_header().calc_header_checksum()
}

/// The last address of a source route that has hops left.
#[inline]
fn last_hop(options: &[u8]) -> Option<Ipv4Addr> {
    if options.is_empty() { None } else { source_route(options) }
}

fn source_route(mut options: &[u8]) -> Option<Ipv4Addr> {
    loop {
        match *options {
            [] | [0, ..] => return None,
            [1, ref rest @ ..] => options = rest,
            [kind, len, ..] => {
                let (option, rest) = options.split_at_checked(usize::from(len)).filter(|_| len >= 2)?;
                if let (LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, [_, _, pointer, route @ ..]) = (kind, option) {
                    let hops_left = usize::from(*pointer) <= option.len();
                    return route.last_chunk::<4>().filter(|_| hops_left).map(|hop| Ipv4Addr::from(*hop));
                }
                options = rest;
            }
            [_] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;

    #[test]
    fn a_length_of_zero_means_the_frame_s() {
        let mut frame = sample::ipv4(6, &sample::tcp(&[], b"offloaded"));
        frame[2..4].fill(0);
        let segment = sample::only_segment(101, &frame);
        assert_eq!(segment.payload_len, 9);
        assert!(segment.marks.contains(Marks::LENGTH_ZERO));
    }

    #[test]
    fn no_offloaded_segment_has_gigabytes() {
        let mut frame = sample::ipv4(6, &sample::tcp(&[], b"damaged"));
        frame[2..4].fill(0);
        let of = |len: usize| sample::decode_cut(101, &frame, len).0;
        assert_eq!(of(3_599_899_676), FrameKind::Skipped("bad-ipv4-length"));
        assert_eq!(of(300_000), FrameKind::Segment);
    }

    #[test]
    fn a_length_beyond_the_frame_counts_where_the_header_is_intact() {
        let whole = sample::ipv4(6, &sample::tcp(&[], b"all of the data"));
        let short = sample::only_segment(101, &whole[..whole.len() - 4]);
        assert_eq!((short.payload_len, short.marks & FAULTS), (15, Marks::FRAME_SHORT));
        let mut damaged = whole.clone();
        (damaged[2], damaged[10]) = (0x73, 0xff);
        let segment = sample::only_segment(101, &damaged);
        assert_eq!((segment.payload_len, segment.marks & FAULTS), (15, Marks::FRAME_SHORT));
        let (_, items) = sample::decode_cut(101, &whole[..whole.len() - 4], whole.len());
        assert_eq!(sample::segments(&items)[0].marks & FAULTS, Marks::PAYLOAD_CUT);
    }

    const FAULTS: Marks = Marks::FRAME_SHORT.union(Marks::PAYLOAD_CUT);

    #[test]
    fn headers_that_cannot_be_have_a_reason() {
        let frame = sample::ipv4(6, &sample::tcp(&[], b""));
        let with = |at: usize, value: u8| {
            let mut other = frame.clone();
            other[at] = value;
            sample::kind(228, &other)
        };
        assert_eq!(with(0, 0x44), FrameKind::Skipped("bad-ipv4-header"));
        assert_eq!(with(0, 0x55), FrameKind::Skipped("bad-ip-version"));
        assert_eq!(with(3, 19), FrameKind::Skipped("bad-ipv4-length"));
        assert_eq!(with(9, 17), FrameKind::NonTcp);
        assert_eq!(sample::kind(228, &frame[..19]), FrameKind::Skipped("truncated-ipv4-header"));
        assert_eq!(sample::kind(228, &[]), FrameKind::Skipped("truncated-ip-header"));
    }

    #[test]
    fn a_source_route_with_hops_left_ends_at_its_last_hop() {
        let route = |pointer| [LOOSE_SOURCE_ROUTE, 7, pointer, 10, 9, 9, 9];
        let options = |pointer| [&[1][..], &route(pointer)].concat();
        assert_eq!(last_hop(&options(4)), Some(Ipv4Addr::new(10, 9, 9, 9)));
        assert_eq!(last_hop(&options(8)), None);
        assert_eq!(last_hop(&[7, 1, 0, 0]), None);
    }
}
