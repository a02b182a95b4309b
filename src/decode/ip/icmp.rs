//! ICMP errors that quote a TCP segment (RFC 792, RFC 4443, section 3).

use std::net::IpAddr;

use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, ip_number};

use crate::base::{Endpoint, Seq};
use crate::segment::{Flags, IcmpError};

use super::{FrameKind, Octets, Packet, Place, Step, Walk, extension, v4, v6};
use crate::decode::Item;
use crate::decode::octets::{be16, be32};

/// How much of a quoted TCP header makes Wireshark count the frame in a stream.
const COUNTED: usize = 16;

/// ICMP in IPv4.
pub(super) fn decode_v4(walk: &mut Walk, packet: &Packet, octets: Octets<'_>) -> FrameKind {
    let Some((&[kind, code, _, _, rest @ ..], quote)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-icmp-header");
    };
    // Destination unreachable, source quench, time exceeded, parameter problem. A redirect quotes, too, but the packet
    // that it quotes went on its way.
    if matches!(kind, 3 | 4 | 11 | 12) {
        // RFC 1191 put the next hop's MTU into the second half of the unused word; routers before it left 0.
        let mtu = Some(u32::from(u16::from_be_bytes([rest[2], rest[3]])));
        let error = Error { v6: false, kind, code, mtu: mtu.filter(|&mtu| (kind, code) == (3, 4) && mtu != 0) };
        note(walk, packet, error, quote);
    }
    FrameKind::NonTcp
}

/// ICMP in IPv6.
pub(super) fn decode_v6(walk: &mut Walk, packet: &Packet, octets: Octets<'_>) -> FrameKind {
    let Some((&[kind, code, _, _, rest @ ..], quote)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-icmp-header");
    };
    // Destination unreachable, packet too big, time exceeded, parameter problem.
    if matches!(kind, 1..=4) {
        let mtu = (kind == 2).then_some(u32::from_be_bytes(rest));
        note(walk, packet, Error { v6: true, kind, code, mtu }, quote);
    }
    FrameKind::NonTcp
}

/// The error itself, without what it quotes.
struct Error {
    v6: bool,
    kind: u8,
    code: u8,
    mtu: Option<u32>,
}

fn note(walk: &mut Walk, packet: &Packet, error: Error, quote: Octets<'_>) {
    let Some((source, destination, tcp)) = quoted(quote) else { return };
    let (Some(source_port), Some(destination_port), Some(seq)) = (be16(tcp, 0), be16(tcp, 2), be32(tcp, 4)) else {
        return;
    };
    let context = walk.context();
    let realm = walk.realm(context);
    walk.items.add(Item::IcmpError(IcmpError {
        time: walk.time,
        frame: walk.frame,
        reporter: packet.source,
        recipient: packet.destination,
        v6: error.v6,
        kind: error.kind,
        code: error.code,
        mtu: error.mtu,
        source: Endpoint::new(source, source_port),
        destination: Endpoint::new(destination, destination_port),
        seq: Seq(seq),
        flags: be16(tcp, 12).filter(|_| tcp.len() >= COUNTED).map(Flags::from_bits_truncate),
        interface: walk.interface,
        realm,
    }));
}

/// Addresses and captured TCP octets of a quoted packet; none when it is no first fragment of TCP.
fn quoted(quote: Octets<'_>) -> Option<(IpAddr, IpAddr, &[u8])> {
    let (mut packet, mut protocol, mut octets);
    match quote.captured().first()? >> 4 {
        4 => {
            let header = Ipv4HeaderSlice::from_slice(quote.captured()).ok()?;
            if header.fragments_offset().value() != 0 {
                return None;
            }
            packet = v4::of(&header).widened();
            protocol = header.protocol();
            octets = quote.after(header.slice().len());
        }
        6 => {
            let header = Ipv6HeaderSlice::from_slice(quote.captured()).ok()?;
            packet = v6::of(&header).widened();
            protocol = header.next_header();
            octets = quote.after(header.slice().len());
        }
        _ => return None,
    }
    while protocol != ip_number::TCP {
        (protocol, octets) = match extension::step(&mut packet, protocol, octets) {
            Step::Next(next, rest) => (next, rest),
            // The first fragment was cut short by the quote, or is all of the datagram that the router saw.
            Step::Fragment { place: Place { offset: 0, .. }, next, rest, .. } => (next, rest),
            Step::Fragment { .. } | Step::Stop(_) | Step::Payload => return None,
        };
    }
    Some((packet.source, packet.destination, octets.captured()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;

    fn error(frame: &[u8]) -> Option<IcmpError> {
        let (kind, items) = sample::decode(&mut sample::decoder(), 101, frame);
        assert_eq!(kind, FrameKind::NonTcp);
        items.iter().find_map(|item| match item {
            Item::IcmpError(error) => Some(*error),
            Item::Segment(_) => None,
        })
    }

    #[test]
    fn a_port_unreachable_names_the_segment_it_quotes() {
        let quote = sample::ipv4(6, &sample::tcp(&[], b"data"));
        let frame = sample::ipv4(1, &[&[3, 3, 0, 0, 0, 0, 0, 0][..], &quote[..28]].concat());
        let error = error(&frame).expect("quotes TCP");
        assert_eq!((error.kind, error.code, error.v6, error.mtu), (3, 3, false, None));
        assert_eq!(error.reporter.to_string(), "10.0.0.1");
        assert_eq!(error.destination.to_string(), "10.0.0.2:80");
        assert_eq!((error.seq, error.flags), (Seq(0x0102_0304), None));
    }

    #[test]
    fn black_holes_name_their_mtu() {
        let quote = sample::ipv4(6, &sample::tcp(&[], b""));
        let v4 = sample::ipv4(1, &[&[3, 4, 0, 0, 0, 0, 5, 0][..], &quote].concat());
        assert_eq!(error(&v4).and_then(|error| error.mtu), Some(1280));
        let quote = sample::ipv6(6, &sample::tcp(&[], b""));
        let v6 = sample::ipv6(58, &[&[2, 0, 0, 0, 0, 0, 5, 0x14][..], &quote].concat());
        let error = error(&v6).expect("quotes TCP");
        assert_eq!((error.mtu, error.v6), (Some(1300), true));
        assert_eq!(error.flags, Some(Flags::PSH | Flags::ACK | Flags::AE));
    }

    #[test]
    fn an_echo_a_redirect_and_a_quote_of_udp_are_no_errors_about_tcp() {
        let udp = sample::ipv4(17, &[0; 8]);
        assert_eq!(error(&sample::ipv4(1, &[&[3, 3, 0, 0, 0, 0, 0, 0][..], &udp].concat())), None);
        let tcp = sample::ipv4(6, &sample::tcp(&[], b""));
        assert_eq!(error(&sample::ipv4(1, &[&[8, 0, 0, 0, 0, 0, 0, 0][..], &tcp].concat())), None);
        assert_eq!(error(&sample::ipv4(1, &[&[5, 1, 10, 0, 0, 9, 0, 0][..], &tcp].concat())), None);
        assert_eq!(error(&sample::ipv4(1, &[&[3, 3, 0, 0, 0, 0, 0, 0][..], &tcp[..27]].concat())), None);
    }
}
