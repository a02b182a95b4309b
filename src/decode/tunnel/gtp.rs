//! GTP-U version 1 (3GPP TS 29.281).

use super::{Encapsulation, FrameKind, Octets, Walk, ip, ppp};

/// The message type of a tunnelled packet.
const USER_PACKET: u8 = 255;

// The first octet: version, GTP rather than GTP', then which of the optional fields count.
const VERSION_AND_TYPE: u8 = 0xf0;
const VERSION_1: u8 = 0x30;
const EXTENDED: u8 = 0x04;
const OPTIONAL: u8 = 0x07;

/// A GTP-U message.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let cut = FrameKind::Skipped("truncated-gtp-header");
    let Some((&[flags, kind, _, _, t3, t2, t1, t0], mut rest)) = octets.split::<8>() else { return cut };
    if flags & VERSION_AND_TYPE != VERSION_1 || kind != USER_PACKET {
        return FrameKind::NonTcp;
    }
    walk.through(Encapsulation::Gtp(u32::from_be_bytes([t3, t2, t1, t0])));
    if flags & OPTIONAL != 0 {
        let Some((&[_, _, _, mut next], after)) = rest.split::<4>() else { return cut };
        rest = after;
        // Extension headers: a length in units of four octets, the content, then the type of the next one.
        while flags & EXTENDED != 0 && next != 0 {
            let len = rest.captured().first().map_or(0, |units| usize::from(*units) * 4);
            let Some(last) = len.checked_sub(1).and_then(|last| rest.captured().get(last)) else { return cut };
            (next, rest) = (*last, rest.after(len));
        }
    }
    // Nothing says what is inside; user packets are IP, or PPP where the bearer is.
    match rest.captured().first() {
        Some(0x45..=0x4f) => ip::v4(walk, rest),
        Some(0x60..=0x6f) => ip::v6(walk, rest),
        Some(_) => ppp::decode(walk, rest),
        None => cut,
    }
}
