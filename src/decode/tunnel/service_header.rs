//! The network service header of service function chains (RFC 8300).

use super::{Encapsulation, FrameKind, Octets, Walk, ethernet, ip, mpls};

/// A packet behind a service header, whose length counts words of four octets.
pub(in crate::decode) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[_, length, _, protocol, p2, p1, p0, _], _)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-service-header");
    };
    let words = usize::from(length & 0x3f);
    if words < 2 {
        return FrameKind::Skipped("bad-service-header");
    }
    walk.through(Encapsulation::ServicePath(u32::from_be_bytes([0, p2, p1, p0])));
    let inner = octets.after(words * 4);
    match protocol {
        1 => ip::v4(walk, inner),
        2 => ip::v6(walk, inner),
        3 => ethernet::decode(walk, inner),
        5 => mpls(walk, inner),
        _ => FrameKind::NonTcp,
    }
}
