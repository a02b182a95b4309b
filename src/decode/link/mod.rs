//! How a frame begins: one way for each link type.

pub(in crate::decode) mod ether_type;
pub(in crate::decode) mod ethernet;
pub(in crate::decode) mod ppp;

mod cooked;
mod fddi;
mod llc;
mod loopback;
mod pseudo;
mod token_ring;
mod wlan;

use crate::source::LinkType;

use super::octets::Octets;
use super::walk::Walk;
use super::{FrameKind, ip};

/// Reads a frame of the given link type (numbers: the LINKTYPE registry of tcpdump.org).
#[inline]
pub(super) fn decode(walk: &mut Walk, link: LinkType, octets: Octets<'_>) -> FrameKind {
    match link.0 {
        1 => ethernet::decode(walk, octets),
        113 => cooked::v1(walk, octets),
        276 => cooked::v2(walk, octets),
        // Raw IP; 12 and 14 are what BSD and OpenBSD wrote before the registry gave it 101, and 106 is Linux's classical
        // IP over ATM.
        12 | 14 | 101 | 106 | 228 | 229 => ip::any(walk, octets),
        0 | 108 => loopback::decode(walk, octets),
        _ => rarer(walk, link, octets),
    }
}

fn rarer(walk: &mut Walk, link: LinkType, octets: Octets<'_>) -> FrameKind {
    match link.0 {
        6 => token_ring::decode(walk, octets),
        7 => pseudo::arcnet(walk, octets.after(2)),
        9 | 50 => ppp::decode(walk, octets),
        10 => fddi::decode(walk, octets),
        51 => ppp::over_ethernet(walk, octets),
        100 => llc::decode(walk, octets),
        104 | 112 => ppp::cisco(walk, octets),
        105 => wlan::decode(walk, octets),
        107 => pseudo::frame_relay(walk, octets),
        109 => pseudo::ipsec(walk, octets),
        117 => pseudo::packet_filter(walk, octets),
        119 => wlan::with_prism(walk, octets),
        122 => pseudo::fibre_channel(walk, octets),
        127 => wlan::with_radiotap(walk, octets),
        // Linux's driver adds two octets of offset to the two addresses.
        129 => pseudo::arcnet(walk, octets.after(4)),
        138 => pseudo::firewire(walk, octets),
        // 149 is what Apple's PKTAP had before it got a number.
        149 | 258 => pseudo::packet_tap(walk, octets),
        163 => wlan::with_avs(walk, octets),
        166 => ppp::of_pppd(walk, octets),
        178 => pseudo::juniper(walk, octets, ethernet::decode),
        179 => pseudo::juniper(walk, octets, ppp::decode),
        180 => pseudo::juniper(walk, octets, pseudo::frame_relay),
        181 => pseudo::juniper(walk, octets, ppp::cisco),
        192 => wlan::with_ppi(walk, octets),
        204 => ppp::with_direction(walk, octets),
        226 => pseudo::ipnet(walk, octets),
        239 => pseudo::netfilter(walk, octets),
        242 => pseudo::infiniband(walk, octets),
        281 | 284 => pseudo::switch_tag::<4>(walk, octets),
        282 => ethernet::decode(walk, octets.after(4)),
        285 => pseudo::switch_tag::<8>(walk, octets),
        _ => walk.unsupported(link),
    }
}
