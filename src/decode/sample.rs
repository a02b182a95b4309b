//! Small frames for the tests of each layer.

use crate::base::{FrameNumber, Timestamp};
use crate::segment::Segment;
use crate::source::{Frame, LinkType};

use super::{Checksums, DecodeOptions, Decoder, FrameKind, Item};

/// A TCP segment from port 51000 to 80 with the given options area (a multiple of four octets) and payload.
pub fn tcp(options: &[u8], payload: &[u8]) -> Vec<u8> {
    let offset = (5 + options.len() / 4) as u8;
    let mut header = vec![0xc7, 0x38, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, offset << 4 | 1, 0x18, 0xfa, 0xf0, 0, 0, 0, 0];
    header.extend(options);
    header.extend(payload);
    header
}

/// An IPv4 packet from 10.0.0.1 to 10.0.0.2.
pub fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = ((payload.len() + 20) as u16).to_be_bytes();
    let header = [0x45, 0, high, low, 0x12, 0x34, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    [&header[..], payload].concat()
}

/// An IPv6 packet from 2001:db8::1 to 2001:db8::2.
pub fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = (payload.len() as u16).to_be_bytes();
    let address = |last| [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    [&[0x60, 0, 0, 0, high, low, next, 64][..], &address(1), &address(2), payload].concat()
}

/// An Ethernet frame.
pub fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &ether_type.to_be_bytes(), payload].concat()
}

/// A decoder that has seen nothing and lets the checksums of these samples be, which are 0.
pub fn decoder() -> Decoder {
    Decoder::new(DecodeOptions { checksums: Checksums::Off, ..DecodeOptions::default() })
}

/// Decodes a whole frame.
pub fn decode(decoder: &mut Decoder, link: u16, bytes: &[u8]) -> (FrameKind, Vec<Item>) {
    decode_frame(decoder, link, bytes, bytes.len())
}

/// Decodes a frame of which only `bytes` were captured.
pub fn decode_cut(link: u16, bytes: &[u8], original_len: usize) -> (FrameKind, Vec<Item>) {
    decode_frame(&mut decoder(), link, bytes, original_len)
}

fn decode_frame(decoder: &mut Decoder, link: u16, bytes: &[u8], original_len: usize) -> (FrameKind, Vec<Item>) {
    let frame = Frame {
        number: FrameNumber(1),
        time: Timestamp(0),
        bytes,
        original_len: original_len as u32,
        link: LinkType(link),
        interface: 0,
        flags: 0,
    };
    let mut items = Vec::new();
    let kind = decoder.decode(&frame, |item| items.push(*item));
    (kind, items)
}

/// The segments among the items.
pub fn segments(items: &[Item]) -> Vec<Segment> {
    let segment = |item: &Item| match item {
        Item::Segment(segment) => Some(*segment),
        Item::IcmpError(_) => None,
    };
    items.iter().filter_map(segment).collect()
}

/// The one segment of a frame that has one.
pub fn only_segment(link: u16, bytes: &[u8]) -> Segment {
    let (kind, items) = decode(&mut decoder(), link, bytes);
    assert_eq!(kind, FrameKind::Segment);
    let [segment] = segments(&items)[..] else { panic!("{items:?}") };
    segment
}

/// What a frame is.
pub fn kind(link: u16, bytes: &[u8]) -> FrameKind {
    decode(&mut decoder(), link, bytes).0
}
