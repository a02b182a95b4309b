//! IP payload compression (RFC 3173) with DEFLATE (RFC 2394).

use etherparse::IpNumber;
use flate2::{Decompress, FlushDecompress};

use super::{FrameKind, Octets, Packet, Walk, ip};

/// Algorithms of the IANA registry "IPCOMP Transform Identifiers" that are not DEFLATE. Numbers from 256 on stand for
/// what two hosts agreed on.
const OTHERS: [u16; 3] = [1, 3, 4];

/// The longest payload that IP can carry.
const INFLATED_MAX: usize = 65_535;

/// A compressed payload: what it was, flags, the algorithm, then the compressed octets.
pub(super) fn decode(walk: &mut Walk, packet: Packet, octets: Octets<'_>) -> FrameKind {
    let unreadable = FrameKind::Skipped("compressed-ipcomp");
    let Some((&[next, _, a1, a0], compressed)) = octets.split::<4>() else { return unreadable };
    if OTHERS.contains(&u16::from_be_bytes([a1, a0])) {
        return unreadable;
    }
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    let mut inflated = Vec::with_capacity(INFLATED_MAX);
    let mut inflater = Decompress::new(false);
    match inflater.decompress_vec(compressed.captured(), &mut inflated, FlushDecompress::Finish) {
        Ok(flate2::Status::StreamEnd) => {
            ip::carried(walk, packet, IpNumber(next), Octets::new(&inflated, inflated.len()))
        }
        Ok(_) | Err(_) => unreadable,
    }
}
