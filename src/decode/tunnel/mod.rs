//! What carries another packet inside: in IP by protocol number, in UDP by port.

mod compressed;
mod geneve;
mod gre;
mod gtp;
mod l2tp;
mod lisp;
mod mpls;
mod service_header;
mod sflow;
mod teredo;
mod tzsp;
mod udp;
mod vxlan;

use etherparse::{IpNumber, ip_number};

use super::FrameKind;
use super::context::Encapsulation;
use super::ip::{self, Packet};
use super::link::{self, ether_type, ethernet, ppp};
use super::octets::Octets;
use super::walk::Walk;
use crate::source::LinkType;

pub(super) use mpls::decode as mpls;
pub(super) use service_header::decode as service_header;

/// What a protocol number says that IP carries, when it is neither TCP nor ICMP nor an extension header.
pub(super) fn ip_payload(walk: &mut Walk, packet: Packet, protocol: IpNumber, octets: Octets<'_>) -> FrameKind {
    const ETHER_IP: IpNumber = IpNumber(97);
    const COMPRESSED: IpNumber = IpNumber(108);
    const ETHERNET: IpNumber = IpNumber(143);
    match protocol {
        ip_number::UDP => udp::decode(walk, octets),
        ip_number::IPV4 => {
            walk.through(Encapsulation::IpInIp);
            ip::v4(walk, octets)
        }
        ip_number::IPV6 => {
            walk.through(Encapsulation::IpInIp);
            ip::v6(walk, octets)
        }
        ip_number::GRE => gre::decode(walk, octets),
        ip_number::MPLS_IN_IP => mpls(walk, octets),
        ETHERNET => ethernet::decode(walk, octets),
        ETHER_IP => {
            walk.through(Encapsulation::EtherIp);
            ethernet::decode(walk, octets.after(2))
        }
        ip_number::ENCAPSULATING_SECURITY_PAYLOAD => FrameKind::Skipped("encrypted-esp"),
        COMPRESSED => compressed::decode(walk, packet, octets),
        _ => FrameKind::NonTcp,
    }
}
