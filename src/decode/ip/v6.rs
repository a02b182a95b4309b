//! The IPv6 header (RFC 8200).

use std::net::Ipv6Addr;

use etherparse::Ipv6HeaderSlice;
use etherparse::err::ipv6::HeaderSliceError;

use crate::segment::Marks;

use super::{FrameKind, Octets, Packet, Walk, payload};

const HEADER: usize = 40;

/// An IPv6 packet.
#[inline]
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let header = match Ipv6HeaderSlice::from_slice(octets.captured()) {
        Ok(header) => header,
        Err(HeaderSliceError::Len(_)) => return FrameKind::Skipped("truncated-ipv6-header"),
        Err(HeaderSliceError::Content(_)) => return FrameKind::Skipped("bad-ipv6-header"),
    };
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    let mut packet = of(&header);
    let after_header = octets.after(HEADER);
    let within = match usize::from(header.payload_length()) {
        // Segmentation offload, or a jumbogram (RFC 2675): either way the frame's length is the packet's.
        0 if after_header.len() > super::OFFLOADED_OCTETS_MAX => return FrameKind::Skipped("bad-ipv6-length"),
        0 => {
            packet.marks |= Marks::LENGTH_ZERO;
            after_header
        }
        len => {
            if len > after_header.len() && !octets.is_cut() {
                packet.marks |= Marks::FRAME_SHORT;
                walk.short_frames += 1;
            }
            after_header.first_claimed(len)
        }
    };
    payload(walk, packet, header.next_header(), within)
}

/// What the header says by itself.
#[inline]
pub(super) fn of(header: &Ipv6HeaderSlice<'_>) -> Packet<Ipv6Addr> {
    Packet {
        source: header.source_addr(),
        destination: header.destination_addr(),
        id: 0,
        ttl: header.hop_limit(),
        marks: Marks::empty(),
    }
}
