//! VXLAN (RFC 7348), plain and with the generic protocol extension (draft-ietf-nvo3-vxlan-gpe).

use super::{Encapsulation, FrameKind, Octets, Walk, ethernet, ip, mpls, service_header};

/// VXLAN: Ethernet inside.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match header(walk, octets) {
        Ok((_, inner)) => ethernet::decode(walk, inner),
        Err(cut) => cut,
    }
}

/// VXLAN-GPE: the header names what is inside.
pub(super) fn decode_with_protocol(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match header(walk, octets) {
        Ok((1, inner)) => ip::v4(walk, inner),
        Ok((2, inner)) => ip::v6(walk, inner),
        Ok((3, inner)) => ethernet::decode(walk, inner),
        Ok((4, inner)) => service_header(walk, inner),
        Ok((5, inner)) => mpls(walk, inner),
        Ok(_) => FrameKind::NonTcp,
        Err(cut) => cut,
    }
}

/// The next protocol, where there is one, and what lies inside.
fn header<'a>(walk: &mut Walk, octets: Octets<'a>) -> Result<(u8, Octets<'a>), FrameKind> {
    let Some((&[_, _, _, protocol, v2, v1, v0, _], inner)) = octets.split::<8>() else {
        return Err(FrameKind::Skipped("truncated-vxlan-header"));
    };
    walk.through(Encapsulation::Vxlan(u32::from_be_bytes([0, v2, v1, v0])));
    Ok((protocol, inner))
}
