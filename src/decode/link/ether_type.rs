//! EtherTypes: what follows, in Ethernet and wherever else the same numbers stand.

use etherparse::{EtherType, SingleVlanHeaderSlice, ether_type as known};

use crate::decode::octets::be32;
use crate::decode::{Encapsulation, tunnel};

use super::{FrameKind, Octets, Walk, ethernet, ip, llc, ppp};

/// The largest value of the type field that is a length instead (IEEE 802.3, clause 3.2.6).
const LENGTH_MAX: u16 = 1500;

// EtherTypes of the IEEE registry that the library does not name.
const ETHERNET_BRIDGED: u16 = 0x6558;
const MPLS: u16 = 0x8847;
const MPLS_UPSTREAM: u16 = 0x8848;
const PPPOE_SESSION: u16 = 0x8864;
const JUMBO_LLC: u16 = 0x8870;
const BACKBONE: u16 = 0x88e7;
const CISCO_METADATA: u16 = 0x8909;
const VN_TAG: u16 = 0x8926;
const REDUNDANCY: u16 = 0x892f;
const E_TAG: u16 = 0x893f;
const SERVICE_HEADER: u16 = 0x894f;
const REPLICATION: u16 = 0xf1c1;

/// What an EtherType announces.
#[inline]
pub(in crate::decode) fn payload(walk: &mut Walk, ether_type: EtherType, octets: Octets<'_>) -> FrameKind {
    match ether_type {
        known::IPV4 => ip::v4(walk, octets),
        known::IPV6 => ip::v6(walk, octets),
        _ => other(walk, ether_type, octets),
    }
}

fn other(walk: &mut Walk, ether_type: EtherType, octets: Octets<'_>) -> FrameKind {
    if let Err(too_deep) = walk.descend() {
        return too_deep;
    }
    match ether_type.0 {
        len @ ..=LENGTH_MAX => llc::decode(walk, octets.first(usize::from(len))),
        0x8100 | 0x88a8 | 0x9100 => vlan(walk, octets),
        MPLS | MPLS_UPSTREAM => tunnel::mpls(walk, octets),
        PPPOE_SESSION => ppp::over_ethernet(walk, octets),
        ETHERNET_BRIDGED => ethernet::decode(walk, octets),
        JUMBO_LLC => llc::decode(walk, octets),
        BACKBONE => backbone(walk, octets),
        0x88e5 => macsec(walk, octets),
        CISCO_METADATA => metadata(walk, octets),
        VN_TAG | REDUNDANCY | REPLICATION => tagged::<6>(walk, octets),
        E_TAG => tagged::<8>(walk, octets),
        SERVICE_HEADER => tunnel::service_header(walk, octets),
        _ => FrameKind::NonTcp,
    }
}

/// A VLAN tag (IEEE 802.1Q, 802.1ad). Tag 0 carries a priority and names no network.
fn vlan(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Ok(tag) = SingleVlanHeaderSlice::from_slice(octets.captured()) else {
        return FrameKind::Skipped("truncated-vlan-tag");
    };
    let id = tag.vlan_identifier().value();
    if id != 0 {
        walk.through(Encapsulation::Vlan(id));
    }
    payload(walk, tag.ether_type(), octets.after(tag.slice().len()))
}

/// A tag of fixed length that ends in the next EtherType: Cisco's VN-Tag, the E-Tag of IEEE 802.1BR, the R-Tag of IEEE
/// 802.1CB, HSR.
fn tagged<const N: usize>(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.split::<N>().and_then(|(tag, rest)| Some((tag.last_chunk()?, rest))) {
        Some((ether_type, rest)) => payload(walk, EtherType(u16::from_be_bytes(*ether_type)), rest),
        None => FrameKind::Skipped("truncated-vlan-tag"),
    }
}

/// The instance tag of a provider backbone bridge (IEEE 802.1ah), with the customer's Ethernet behind it.
fn backbone(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((tag, rest)) = octets.split::<4>() else { return FrameKind::Skipped("truncated-vlan-tag") };
    walk.through(Encapsulation::Backbone(u32::from_be_bytes(*tag) & 0xff_ffff));
    ethernet::decode(walk, rest)
}

/// Cisco MetaData (TrustSec): a version, a length in four octets, options, then the next EtherType.
fn metadata(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[_, length], _)) = octets.split::<2>() else { return FrameKind::Skipped("truncated-vlan-tag") };
    tagged::<2>(walk, octets.after(2 + usize::from(length) * 4))
}

/// MACsec (IEEE 802.1AE, clause 9). Only frames that are authenticated without being encrypted can be read.
fn macsec(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const HAS_CHANNEL: u8 = 0x20;
    const ENCRYPTED_OR_CHANGED: u8 = 0x0c;
    let Some(tag) = be32(octets.captured(), 0) else { return FrameKind::Skipped("truncated-macsec-tag") };
    let control = (tag >> 24) as u8;
    if control & ENCRYPTED_OR_CHANGED != 0 {
        return FrameKind::Skipped("encrypted-macsec");
    }
    let header_len = if control & HAS_CHANNEL == 0 { 6 } else { 14 };
    tagged::<2>(walk, octets.after(header_len))
}
