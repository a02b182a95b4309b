//! LISP's data plane (RFC 9300, section 5).

use super::{Encapsulation, FrameKind, Octets, Walk, ip};

/// An IP packet behind eight octets of LISP.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const HAS_INSTANCE: u8 = 0x08;
    let Some((&[flags, _, _, _, i2, i1, i0, _], inner)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-lisp-header");
    };
    let instance = (flags & HAS_INSTANCE != 0).then_some(u32::from_be_bytes([0, i2, i1, i0]));
    walk.through(Encapsulation::Lisp(instance));
    ip::any(walk, inner)
}
