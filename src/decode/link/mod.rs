//! How a frame begins: one way for each link type.

pub(in crate::decode) mod cooked;
pub(in crate::decode) mod ether_type;
pub(in crate::decode) mod ethernet;
pub(in crate::decode) mod ppp;

mod fddi;
mod llc;
mod loopback;
mod pseudo;
mod token_ring;
mod wlan;

use crate::source::LinkType;

use super::octets::Octets;
use super::walk::Walk;
use super::{FrameKind, ip, tunnel};

/// Reads a frame of the given link type.
#[inline]
pub(super) fn decode(walk: &mut Walk, link: LinkType, octets: Octets<'_>) -> FrameKind {
    match link {
        LinkType::ETHERNET => ethernet::decode(walk, octets),
        LinkType::LINUX_SLL => cooked::v1(walk, octets),
        LinkType::LINUX_SLL2 => cooked::v2(walk, octets),
        LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => ip::any(walk, octets),
        LinkType::NULL | LinkType::LOOP => loopback::decode(walk, octets),
        _ => rarer(walk, link, octets),
    }
}

fn rarer(walk: &mut Walk, link: LinkType, octets: Octets<'_>) -> FrameKind {
    match link {
        LinkType::PPP | LinkType::PPP_HDLC => ppp::decode(walk, octets),
        LinkType::PPP_ETHER => ppp::over_ethernet(walk, octets),
        LinkType::PPP_PPPD => ppp::of_pppd(walk, octets),
        LinkType::PPP_WITH_DIR => ppp::with_direction(walk, octets),
        LinkType::C_HDLC => ppp::cisco(walk, octets),
        LinkType::IEEE802_11 => wlan::decode(walk, octets),
        LinkType::IEEE802_11_RADIOTAP => wlan::with_radiotap(walk, octets),
        LinkType::IEEE802_11_PRISM => wlan::with_prism(walk, octets),
        LinkType::IEEE802_11_AVS => wlan::with_avs(walk, octets),
        LinkType::PPI => wlan::with_ppi(walk, octets),
        LinkType::FDDI => fddi::decode(walk, octets),
        LinkType::TOKEN_RING => token_ring::decode(walk, octets),
        LinkType::FRELAY => pseudo::frame_relay(walk, octets),
        LinkType::ATM_RFC1483 => llc::decode(walk, octets),
        LinkType::ATM_CLIP => ip::any(walk, octets),
        LinkType::IP_OVER_FC => pseudo::fibre_channel(walk, octets),
        LinkType::IPOIB => pseudo::infiniband(walk, octets),
        LinkType::IPNET => pseudo::ipnet(walk, octets),
        LinkType::ENC => pseudo::ipsec(walk, octets),
        LinkType::PFLOG => pseudo::packet_filter(walk, octets),
        LinkType::NFLOG => pseudo::netfilter(walk, octets),
        LinkType::PKTAP => pseudo::packet_tap(walk, octets),
        LinkType::APPLE_IP_OVER_IEEE1394 => pseudo::firewire(walk, octets),
        // The number for private use that Apple's tap had before it got one of its own.
        LinkType(149) => pseudo::packet_tap(walk, octets),
        // Linux's driver adds two octets of offset to the two addresses.
        LinkType::ARCNET_LINUX => pseudo::arcnet(walk, octets.after(4)),
        LinkType(7) => pseudo::arcnet(walk, octets.after(2)),
        LinkType::JUNIPER_ETHER => pseudo::juniper(walk, octets, ethernet::decode),
        LinkType(179) => pseudo::juniper(walk, octets, ppp::decode),
        LinkType(180) => pseudo::juniper(walk, octets, pseudo::frame_relay),
        LinkType(181) => pseudo::juniper(walk, octets, ppp::cisco),
        LinkType(219) => tunnel::mpls(walk, octets),
        // Four octets of status, and eight of preamble.
        LinkType::NETANALYZER => ethernet::decode(walk, octets.after(4)),
        LinkType::ETHERNET_MPACKET => ethernet::decode(walk, octets.after(8)),
        // Tags of Broadcom's and Marvell's switches.
        LinkType(281 | 284) => pseudo::switch_tag::<4>(walk, octets),
        LinkType(282) => ethernet::decode(walk, octets.after(4)),
        LinkType(285) => pseudo::switch_tag::<8>(walk, octets),
        _ => walk.unsupported(link),
    }
}
