//! TZSP, in which access points and routers send what they sniff.

use super::{Encapsulation, FrameKind, LinkType, Octets, Walk, link};

/// A sniffed frame behind a header and tagged fields.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const RECEIVED: u8 = 0;
    const FOR_SENDING: u8 = 1;
    const PADDING: u8 = 0;
    const END: u8 = 1;
    let Some((&[_, RECEIVED | FOR_SENDING, p1, p0], mut fields)) = octets.split::<4>() else {
        return FrameKind::NonTcp;
    };
    let link = match u16::from_be_bytes([p1, p0]) {
        1 => LinkType::ETHERNET,
        18 => LinkType::IEEE802_11,
        119 => LinkType::IEEE802_11_PRISM,
        127 => LinkType::IEEE802_11_AVS,
        _ => return FrameKind::NonTcp,
    };
    loop {
        fields = match *fields.captured() {
            [END, ..] => break,
            [PADDING, ..] => fields.after(1),
            [_, len, ..] => fields.after(2 + usize::from(len)),
            _ => return FrameKind::Skipped("truncated-tzsp-header"),
        };
    }
    walk.through(Encapsulation::Tzsp);
    link::decode(walk, link, fields.after(1))
}
