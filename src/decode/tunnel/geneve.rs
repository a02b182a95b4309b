//! GENEVE (RFC 8926).

use etherparse::EtherType;

use super::{Encapsulation, FrameKind, Octets, Walk, ether_type};

/// A GENEVE packet: the header, options of the length it says, then what its protocol type names.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[version_and_length, _, p1, p0, v2, v1, v0, _], rest)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-geneve-header");
    };
    walk.through(Encapsulation::Geneve(u32::from_be_bytes([0, v2, v1, v0])));
    let options_len = usize::from(version_and_length & 0x3f) * 4;
    ether_type::payload(walk, EtherType(u16::from_be_bytes([p1, p0])), rest.after(options_len))
}
