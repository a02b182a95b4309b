//! The TCP header: the end of the walk, where a [`Segment`] is made.

use std::net::IpAddr;

use crate::base::{Endpoint, Seq};
use crate::segment::{Flags, Marks, Segment, TcpOptions};

use super::ip::Packet;
use super::octets::Octets;
use super::walk::Walk;
use super::{FrameKind, Item};
use super::{checksum, options};

/// The header without options (RFC 9293, section 3.1).
const FIXED: usize = 20;

/// The header up to the checksum: all that a segment keeps of the fixed part, and as little as Wireshark counts in a
/// stream.
const NEEDED: usize = 16;

/// Reads a TCP header and adds its segment to the frame's items.
#[inline]
pub(super) fn decode<A: Into<IpAddr> + Copy>(walk: &mut Walk, packet: &Packet<A>, octets: Octets<'_>) -> FrameKind {
    let Some((needed, _)) = octets.split::<NEEDED>() else { return FrameKind::Skipped("truncated-tcp-header") };
    let &[s1, s0, d1, d0, n3, n2, n1, n0, a3, a2, a1, a0, offset, control, w1, w0] = needed;
    let flags = Flags::from_bits_truncate(u16::from_be_bytes([offset, control]));
    let header_len = usize::from(offset >> 4) * 4;
    let mut marks = walk.marks | packet.marks;
    let mut payload_len = 0;
    let mut area = Octets::new(&[], 0);
    if header_len < FIXED {
        marks |= Marks::HEADER_BAD;
    } else if header_len > octets.len() {
        marks |= Marks::HEADER_BAD | Marks::OPTIONS_CUT;
    } else {
        area = octets.after(FIXED).first(header_len - FIXED);
        if octets.captured().len() < FIXED {
            marks |= Marks::OPTIONS_CUT;
        }
        let payload = octets.after(header_len);
        // Of a reassembled datagram only the beginning was kept, and nothing of it was cut; nor was a frame that is all there.
        if payload.is_cut() && !marks.intersects(Marks::REASSEMBLED | Marks::FRAME_SHORT) {
            marks |= Marks::PAYLOAD_CUT;
        }
        payload_len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        // Of a fragment alone the sum cannot be computed.
        let is_whole = !octets.is_cut() && !marks.contains(Marks::FRAGMENT_FIRST);
        if is_whole && walk.checksums.wants(flags, payload_len) {
            marks |= checksum::judge(packet.source.into(), packet.destination.into(), octets.captured());
        }
    }
    let context = walk.context();
    let realm = walk.realm(context);
    let segment = Segment {
        time: walk.time,
        frame: walk.frame,
        source: Endpoint::new(packet.source.into(), u16::from_be_bytes([s1, s0])),
        destination: Endpoint::new(packet.destination.into(), u16::from_be_bytes([d1, d0])),
        seq: Seq(u32::from_be_bytes([n3, n2, n1, n0])),
        ack: Seq(u32::from_be_bytes([a3, a2, a1, a0])),
        payload_len,
        window: u16::from_be_bytes([w1, w0]),
        flags,
        ip_id: packet.id,
        ttl: packet.ttl,
        marks,
        interface: walk.interface,
        context,
        realm,
        digest: 0,
        options: TcpOptions::NONE,
    };
    if let Item::Segment(segment) = walk.items.add(Item::Segment(segment)) {
        segment.marks |= options::parse(area, &mut segment.options);
    }
    FrameKind::Segment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;

    #[test]
    fn every_field_of_the_header_arrives() {
        let segment = sample::only_segment(101, &sample::ipv4(6, &sample::tcp(&[3, 3, 7, 0], b"data")));
        assert_eq!(segment.source.to_string(), "10.0.0.1:51000");
        assert_eq!(segment.destination.to_string(), "10.0.0.2:80");
        assert_eq!((segment.seq, segment.ack), (Seq(0x0102_0304), Seq(0x0506_0708)));
        assert_eq!(segment.flags, Flags::PSH | Flags::ACK | Flags::AE);
        assert_eq!((segment.window, segment.payload_len), (0xfaf0, 4));
        assert_eq!((segment.ip_id, segment.ttl, segment.marks), (0x1234, 64, Marks::DONT_FRAGMENT));
        assert_eq!(segment.options.window_scale, Some(7));
    }

    #[test]
    fn a_frame_cut_anywhere_is_skipped_or_keeps_its_numbers() {
        let frame = sample::ipv4(6, &sample::tcp(&[2, 4, 5, 0xb4, 3, 3, 7, 0], b"data"));
        let whole = sample::only_segment(101, &frame);
        for cut in 0..frame.len() {
            let (kind, items) = sample::decode_cut(101, &frame[..cut], frame.len());
            let Some(segment) = sample::segments(&items).first().copied() else {
                assert!(matches!(kind, FrameKind::Skipped(_)) && cut < 36, "{cut}: {kind:?}");
                continue;
            };
            let cut_marks = Marks::PAYLOAD_CUT | Marks::OPTIONS_CUT;
            assert!(segment.marks.contains(Marks::PAYLOAD_CUT));
            assert_eq!(segment.marks.contains(Marks::OPTIONS_CUT), cut < 48);
            let (options, marks) = (segment.options, segment.marks - cut_marks);
            assert_eq!(options.mss, (cut >= 44).then_some(1460));
            assert_eq!(Segment { options: whole.options, marks, ..segment }, whole);
        }
    }

    #[test]
    fn a_data_offset_that_cannot_be_is_marked() {
        let mut frame = sample::ipv4(6, &sample::tcp(&[], b"data"));
        for offset in [0x40, 0xf0] {
            frame[32] = offset;
            let segment = sample::only_segment(101, &frame);
            assert!(segment.marks.contains(Marks::HEADER_BAD));
            assert_eq!((segment.payload_len, segment.seq), (0, Seq(0x0102_0304)));
        }
    }

    #[test]
    fn the_digest_is_blind_to_forwarding_and_sees_a_retransmission() {
        let frame = sample::ipv4(6, &sample::tcp(&[], b"data"));
        let change = |at: usize| {
            let mut other = frame.clone();
            other[at] ^= 1;
            sample::only_segment(101, &other).packet_digest()
        };
        let digest = sample::only_segment(101, &frame).packet_digest();
        let (ttl, header_checksum, tcp_checksum) = (8, 10, 36);
        for kept in [ttl, header_checksum, tcp_checksum] {
            assert_eq!(change(kept), digest, "{kept}");
        }
        let (id, source, port, seq, ack, window) = (5, 15, 21, 27, 31, 35);
        for seen in [id, source, port, seq, ack, window] {
            assert_ne!(change(seen), digest, "{seen}");
        }
    }
}
