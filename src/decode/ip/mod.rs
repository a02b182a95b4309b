//! IP: from the header to what it carries.

mod extension;
mod icmp;
mod v4;
mod v6;

use std::net::IpAddr;

use etherparse::{IpNumber, ip_number};

use crate::segment::Marks;

use super::FrameKind;
use super::octets::Octets;
use super::walk::Walk;
use super::{tcp, tunnel};

use extension::Step;

pub(in crate::decode) use v4::decode as v4;
pub(in crate::decode) use v6::decode as v6;

/// What the segment keeps of the IP header in front of it. The way to TCP knows the version; elsewhere it does not matter.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) struct Packet<A = IpAddr> {
    pub source: A,
    /// The final destination where a source route lists further hops, as the TCP checksum has it.
    pub destination: A,
    /// IPv4 identification; 0 in IPv6.
    pub id: u16,
    pub ttl: u8,
    pub marks: Marks,
}

impl<A: Into<IpAddr>> Packet<A> {
    /// The same of either version.
    fn widened(self) -> Packet {
        let Packet { source, destination, id, ttl, marks } = self;
        Packet { source: source.into(), destination: destination.into(), id, ttl, marks }
    }
}

/// An IP packet of the version that its first four bits say.
pub(in crate::decode) fn any(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.captured().first().map(|first| first >> 4) {
        Some(4) => v4(walk, octets),
        Some(6) => v6(walk, octets),
        Some(_) => FrameKind::Skipped("bad-ip-version"),
        None => FrameKind::Skipped("truncated-ip-header"),
    }
}

/// What a whole IP packet carries, behind any extension headers. Those are IPv6's, but their numbers are protocol numbers
/// and AH stands in IPv4 too.
#[inline]
fn payload<A: Into<IpAddr> + Copy>(
    walk: &mut Walk,
    packet: Packet<A>,
    protocol: IpNumber,
    octets: Octets<'_>,
) -> FrameKind {
    match protocol {
        ip_number::TCP => tcp::decode(walk, &packet, octets),
        _ => other_payload(walk, packet.widened(), protocol, octets),
    }
}

fn other_payload(walk: &mut Walk, mut packet: Packet, mut protocol: IpNumber, mut octets: Octets<'_>) -> FrameKind {
    loop {
        match protocol {
            ip_number::TCP => return tcp::decode(walk, &packet, octets),
            ip_number::ICMP => return icmp::decode_v4(walk, &packet, octets),
            ip_number::IPV6_ICMP => return icmp::decode_v6(walk, &packet, octets),
            _ => {}
        }
        match extension::step(&mut packet, protocol, octets) {
            Step::Next(next, rest) => (protocol, octets) = (next, rest),
            Step::Stop(kind) => return kind,
            Step::Payload => return tunnel::ip_payload(walk, protocol, octets),
        }
    }
}
