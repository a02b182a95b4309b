//! IEEE 802.11, bare and behind the headers that drivers put in front. Only data in the clear can be read.

use crate::decode::octets::be32;
use crate::segment::Marks;

use super::{FrameKind, LinkType, Octets, Walk, llc};

// Frame control, first octet: version 0 and type data (IEEE 802.11, clause 9.2.4.1).
const VERSION_AND_TYPE: u8 = 0x0f;
const DATA: u8 = 0x08;
const NO_DATA: u8 = 0x40;
const QOS: u8 = 0x80;

// Frame control, second octet.
const TO_AND_FROM_DISTRIBUTION: u8 = 0x03;
const MORE_FRAGMENTS: u8 = 0x04;
const PROTECTED: u8 = 0x40;
const HT_CONTROL: u8 = 0x80;

/// In the first octet of QoS control: the payload is an A-MSDU.
const AGGREGATED: u8 = 0x80;

/// A frame from its frame control on.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    frame(walk, octets, Padding::None)
}

/// Whether the driver filled the header up to a multiple of four octets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    None,
    ToFour,
}

fn frame(walk: &mut Walk, octets: Octets<'_>, padding: Padding) -> FrameKind {
    let cut = FrameKind::Skipped("truncated-wlan-header");
    let Some((&[control, flags, ..], _)) = octets.split::<2>() else { return cut };
    if control & VERSION_AND_TYPE != DATA || control & NO_DATA != 0 {
        return FrameKind::NonTcp;
    }
    let Some((header, _)) = octets.split::<24>() else { return cut };
    if flags & PROTECTED != 0 {
        return FrameKind::Skipped("encrypted-wlan");
    }
    // The fragment number is the low half of the octet that begins sequence control.
    if flags & MORE_FRAGMENTS != 0 || header[22] & 0x0f != 0 {
        return FrameKind::Skipped("fragmented-wlan");
    }
    let mut len = 24;
    if flags & TO_AND_FROM_DISTRIBUTION == TO_AND_FROM_DISTRIBUTION {
        len += 6;
    }
    let mut aggregated = false;
    if control & QOS != 0 {
        let Some(qos) = octets.captured().get(len) else { return cut };
        aggregated = qos & AGGREGATED != 0;
        len += if flags & HT_CONTROL == 0 { 2 } else { 6 };
    }
    if padding == Padding::ToFour {
        len = len.next_multiple_of(4);
    }
    if aggregated { subframes(walk, octets.after(len)) } else { llc::decode(walk, octets.after(len)) }
}

/// An A-MSDU: subframes of two addresses, a length and LLC, each filled up to a multiple of four octets. What one of
/// them is does not hide the others.
fn subframes(walk: &mut Walk, mut octets: Octets<'_>) -> FrameKind {
    let mut kind = FrameKind::NonTcp;
    while let Some((&[.., high, low], rest)) = octets.split::<14>() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        let one = walk.aside(Marks::empty(), |walk| llc::decode(walk, rest.first(len)));
        kind = kind.or(one);
        octets = octets.after((14 + len).next_multiple_of(4));
    }
    kind
}

/// Radiotap: version, pad, length, then words that say which fields follow, little-endian (radiotap.org).
pub(super) fn with_radiotap(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const CHECK_SEQUENCE: u8 = 0x10;
    const PADDED: u8 = 0x20;
    let Some((&[_, _, l0, l1], _)) = octets.split::<4>() else {
        return FrameKind::Skipped("truncated-radiotap-header");
    };
    let len = usize::from(u16::from_le_bytes([l0, l1]));
    let Some(header) = octets.captured().get(..len) else { return FrameKind::Skipped("truncated-radiotap-header") };
    let flags = radiotap_flags(header).unwrap_or(0);
    let mut body = octets.after(len);
    if flags & CHECK_SEQUENCE != 0 {
        body = body.first(body.len().saturating_sub(4));
    }
    frame(walk, body, if flags & PADDED == 0 { Padding::None } else { Padding::ToFour })
}

/// The flags field, the second one there can be.
fn radiotap_flags(header: &[u8]) -> Option<u8> {
    const TIMER: u32 = 1;
    const FLAGS: u32 = 2;
    const MORE: u32 = 1 << 31;
    let present = header.get(4..)?.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let words = present.clone().take_while(|word| word & MORE != 0).count() + 1;
    let first = present.clone().next()?;
    let fields = 4 + words * 4;
    match first & (TIMER | FLAGS) {
        FLAGS => header.get(fields).copied(),
        // The timer of eight octets is aligned to them.
        both if both == TIMER | FLAGS => header.get(fields.next_multiple_of(8) + 8).copied(),
        _ => None,
    }
}

/// The Prism header, or AVS where its magic number stands (both came with LINKTYPE_IEEE802_11_PRISM).
pub(super) fn with_prism(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[m3, m2, m1, m0, l0, l1, l2, l3], _)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-prism-header");
    };
    // The message code is 0x44 or 0x41 in the order of the host that wrote it.
    let len = [l0, l1, l2, l3];
    match [m3, m2, m1, m0] {
        [0x80, 0x21, 0x10, _] => with_avs(walk, octets),
        [0, 0, 0, _] => decode(walk, octets.after(u32::from_be_bytes(len) as usize)),
        _ => decode(walk, octets.after(u32::from_le_bytes(len) as usize)),
    }
}

/// The AVS header: magic number and version, then its length, big-endian.
pub(super) fn with_avs(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match be32(octets.captured(), 4) {
        Some(len) => decode(walk, octets.after(len as usize)),
        None => FrameKind::Skipped("truncated-avs-header"),
    }
}

/// Per-Packet Information: version, flags, length, link type, little-endian; the link type need not be 802.11.
pub(super) fn with_ppi(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[_, _, l0, l1, t0, t1, _, _], _)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-ppi-header");
    };
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    let body = octets.after(usize::from(u16::from_le_bytes([l0, l1])));
    super::decode(walk, LinkType::from_file(u16::from_le_bytes([t0, t1])), body)
}
