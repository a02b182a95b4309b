//! sFlow version 5 (sflow.org, "sFlow Version 5", 2004): headers of one packet in many, sampled by a switch or host.

use crate::segment::Marks;
use crate::source::LinkType;

use super::{Encapsulation, FrameKind, Octets, Walk, ip, link, mpls};

/// What the words in front of a flow sample's records are.
struct Shape {
    /// Octets from the sampling rate back to the beginning of the sample.
    before_rate: usize,
    /// Octets between the sampling rate and the number of records.
    after_rate: usize,
}

/// Sequence number and source; then the pool, drops, and an interface each way.
const FLOW: Shape = Shape { before_rate: 8, after_rate: 16 };
/// The same with two words for the source and for each interface.
const EXPANDED_FLOW: Shape = Shape { before_rate: 12, after_rate: 24 };

/// A datagram: its agent, its numbers, then samples, each with its length.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const IPV4: u32 = 1;
    const IPV6: u32 = 2;
    let cut = FrameKind::Skipped("truncated-sflow-datagram");
    let Some((version, rest)) = word(octets) else { return FrameKind::NonTcp };
    match version {
        5 => {}
        2 | 4 => return FrameKind::Skipped("unsupported-sflow-version"),
        _ => return FrameKind::NonTcp,
    }
    let Some((kind, rest)) = word(rest) else { return cut };
    let address_len = match kind {
        IPV4 => 4,
        IPV6 => 16,
        _ => return FrameKind::NonTcp,
    };
    // Sub-agent, sequence number and uptime.
    let Some((samples, mut rest)) = word(rest.after(address_len + 12)) else { return cut };
    let mut kind = FrameKind::NonTcp;
    for _ in 0..samples {
        let Some((tag, body, after)) = block(rest) else { return kind.or(cut) };
        rest = after;
        kind = kind.or(match tag {
            1 => sample(walk, &FLOW, body),
            3 => sample(walk, &EXPANDED_FLOW, body),
            // Counters, and what enterprises defined for themselves.
            _ => FrameKind::NonTcp,
        });
    }
    kind
}

/// A flow sample: one packet, told of in records.
fn sample(walk: &mut Walk, shape: &Shape, octets: Octets<'_>) -> FrameKind {
    const RAW_HEADER: u32 = 1;
    let cut = FrameKind::Skipped("truncated-sflow-sample");
    let Some((rate, rest)) = word(octets.after(shape.before_rate)) else { return cut };
    let Some((records, mut rest)) = word(rest.after(shape.after_rate)) else { return cut };
    let mut kind = FrameKind::NonTcp;
    for _ in 0..records {
        let Some((tag, body, after)) = block(rest) else { return kind.or(cut) };
        rest = after;
        if tag == RAW_HEADER {
            kind = kind.or(walk.aside(Marks::SAMPLED, |walk| {
                walk.through(Encapsulation::Sflow(rate));
                header(walk, body)
            }));
        }
    }
    kind
}

/// The beginning of the sampled packet, by the protocol that it begins with.
fn header(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[.., protocol], rest)) = octets.split::<4>() else {
        return FrameKind::Skipped("truncated-sflow-sample");
    };
    let lengths = |rest| {
        let (frame, rest) = word(rest)?;
        let (stripped, rest) = word(rest)?;
        let (captured, rest) = word(rest)?;
        Some((frame.saturating_sub(stripped) as usize, captured as usize, rest))
    };
    let Some((sent, captured, rest)) = lengths(rest) else { return FrameKind::Skipped("truncated-sflow-sample") };
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    let packet = Octets::new(rest.first(captured).captured(), sent);
    match protocol {
        1 => link::decode(walk, LinkType::ETHERNET, packet),
        3 => link::decode(walk, LinkType::TOKEN_RING, packet),
        4 => link::decode(walk, LinkType::FDDI, packet),
        5 => link::decode(walk, LinkType::FRELAY, packet),
        7 => link::decode(walk, LinkType::PPP, packet),
        11 => ip::v4(walk, packet),
        12 => ip::v6(walk, packet),
        13 => mpls(walk, packet),
        15 => link::decode(walk, LinkType::IEEE802_11, packet),
        _ => FrameKind::NonTcp,
    }
}

/// A tag, the octets of the length behind it, and what follows them.
fn block(octets: Octets<'_>) -> Option<(u32, Octets<'_>, Octets<'_>)> {
    let (tag, rest) = word(octets)?;
    let (len, rest) = word(rest)?;
    let len = len as usize;
    Some((tag, rest.first(len), rest.after(len)))
}

/// A number of four octets, as all of XDR (RFC 4506) are.
fn word(octets: Octets<'_>) -> Option<(u32, Octets<'_>)> {
    octets.split::<4>().map(|(word, rest)| (u32::from_be_bytes(*word), rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A block: tag, length, content.
    fn tagged(tag: u32, content: &[u8]) -> Vec<u8> {
        [&words(&[tag, content.len() as u32]), content].concat()
    }

    fn raw_header(protocol: u32, packet: &[u8], captured: usize) -> Vec<u8> {
        let len = packet.len() as u32;
        let mut header = packet[..captured].to_vec();
        header.resize(captured.next_multiple_of(4), 0);
        tagged(1, &[words(&[protocol, len + 4, 4, captured as u32]), header].concat())
    }

    fn flow(rate: u32, records: &[Vec<u8>]) -> Vec<u8> {
        let front = words(&[1, 2, rate, 4, 5, 6, 7, records.len() as u32]);
        tagged(1, &[front, records.concat()].concat())
    }

    fn expanded_flow(rate: u32, records: &[Vec<u8>]) -> Vec<u8> {
        let front = words(&[1, 0, 2, rate, 4, 5, 0, 6, 0, 7, records.len() as u32]);
        tagged(3, &[front, records.concat()].concat())
    }

    fn datagram(samples: &[Vec<u8>]) -> Vec<u8> {
        let front = words(&[5, 1, 0xc0a8_0001, 0, 9, 1_000, samples.len() as u32]);
        udp(&[front, samples.concat()].concat())
    }

    fn udp(payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() + 8) as u16;
        let ports = [0x99, 0x5b, 0x18, 0xc7];
        sample::ipv4(17, &[&ports[..], &len.to_be_bytes(), &[0, 0], payload].concat())
    }

    fn packet() -> Vec<u8> {
        sample::ipv4(6, &sample::tcp(&[3, 3, 7, 0], &[7; 400]))
    }

    #[test]
    fn every_sampled_header_is_a_segment_of_its_own_rate() {
        let (counters, records_of_others) = (tagged(2, &[0; 20]), tagged(1001, &[0; 16]));
        let ethernet = sample::ethernet(0x0800, &packet());
        let v6 = sample::ipv6(6, &sample::tcp(&[], b"data"));
        let frame = datagram(&[
            counters,
            flow(60, &[records_of_others.clone(), raw_header(1, &ethernet, 127)]),
            expanded_flow(512, &[raw_header(11, &packet(), 64), records_of_others]),
            flow(60, &[raw_header(12, &v6, v6.len())]),
        ]);
        let mut decoder = sample::decoder();
        let (kind, items) = sample::decode(&mut decoder, 101, &frame);
        let segments = sample::segments(&items);
        assert_eq!((kind, segments.len()), (FrameKind::Segment, 3));
        let told = |at: usize| decoder.contexts().describe(segments[at].context);
        assert_eq!(
            [told(0), told(1), told(2)],
            ["sflow sampled 1 in 60", "sflow sampled 1 in 512", "sflow sampled 1 in 60"]
        );
        assert!(segments.iter().all(|segment| segment.marks.contains(Marks::SAMPLED)));
        assert_eq!(segments.iter().map(|segment| segment.payload_len).collect::<Vec<_>>(), [400, 400, 4]);
        assert!(segments[0].marks.contains(Marks::PAYLOAD_CUT) && !segments[2].marks.contains(Marks::PAYLOAD_CUT));
    }

    #[test]
    fn a_datagram_cut_anywhere_keeps_what_was_there() {
        let frame = datagram(&[flow(60, &[raw_header(11, &packet(), 64)]), flow(60, &[raw_header(11, &packet(), 64)])]);
        let mut found = Vec::new();
        for cut in 0..=frame.len() {
            let (kind, items) = sample::decode_cut(101, &frame[..cut], frame.len());
            let segments = sample::segments(&items).len();
            assert_eq!(kind == FrameKind::Segment, segments > 0, "{cut}: {kind:?}");
            found.push(segments);
        }
        assert!(found.is_sorted());
        assert_eq!(found.last(), Some(&2));
    }

    #[test]
    fn lengths_and_numbers_at_their_extremes_end() {
        let frame = datagram(&[flow(60, &[raw_header(11, &packet(), 64)])]);
        for at in (28..frame.len() - 4).step_by(4) {
            for value in [0, 1, 0x7fff_ffff, u32::MAX] {
                let mut other = frame.clone();
                other[at..at + 4].copy_from_slice(&u32::to_be_bytes(value));
                let (kind, items) = sample::decode(&mut sample::decoder(), 101, &other);
                assert_eq!(kind == FrameKind::Segment, !sample::segments(&items).is_empty(), "{at}");
            }
        }
    }

    #[test]
    fn other_versions_are_named_and_other_datagrams_are_not_tcp() {
        let version = |version| sample::kind(101, &udp(&words(&[version, 1, 0, 0, 0, 0, 0])));
        assert_eq!(version(5), FrameKind::NonTcp);
        assert_eq!(version(4), FrameKind::Skipped("unsupported-sflow-version"));
        assert_eq!(version(0x4854_5450), FrameKind::NonTcp);
        assert_eq!(sample::kind(101, &udp(&[])), FrameKind::NonTcp);
    }
}
