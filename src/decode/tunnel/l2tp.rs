//! L2TP version 2 (RFC 2661).

use super::{Encapsulation, FrameKind, Octets, Walk, ppp};

// The first two octets: which fields are there, and the version.
const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const VERSION: u16 = 0x000f;

/// An L2TP packet in UDP.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let cut = FrameKind::Skipped("truncated-l2tp-header");
    let Some((flags, mut rest)) = octets.split::<2>() else { return cut };
    let flags = u16::from_be_bytes(*flags);
    match flags & VERSION {
        _ if flags & CONTROL != 0 => return FrameKind::NonTcp,
        2 => {}
        // How long version 3's cookie is and what is inside was agreed on in control messages.
        3 => return FrameKind::Skipped("unsupported-l2tpv3"),
        _ => return FrameKind::NonTcp,
    }
    if flags & LENGTH != 0 {
        rest = rest.after(2);
    }
    let Some((&[t1, t0, s1, s0], mut rest)) = rest.split::<4>() else { return cut };
    walk.through(Encapsulation::L2tp(u16::from_be_bytes([t1, t0]), u16::from_be_bytes([s1, s0])));
    if flags & SEQUENCE != 0 {
        rest = rest.after(4);
    }
    if flags & OFFSET != 0 {
        let Some((offset, after)) = rest.split::<2>() else { return cut };
        rest = after.after(usize::from(u16::from_be_bytes(*offset)));
    }
    ppp::decode(walk, rest)
}
