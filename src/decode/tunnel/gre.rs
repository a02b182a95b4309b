//! GRE (RFC 2784, RFC 2890; version 1: RFC 2637) and what is built on it: NVGRE, ERSPAN, EoIP, WCCP.

use etherparse::EtherType;

use super::{Encapsulation, FrameKind, Octets, Walk, ether_type, ethernet, ip, ppp};

// The first two octets: which optional fields are there, and the version.
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const ACKNOWLEDGMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

// Protocol types that Wireshark looks into, of which some stand in GRE alone.
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ETHERNET: u16 = 0x6558;
const MPLS: u16 = 0x8847;
const SERVICE_HEADER: u16 = 0x894f;
const PPP: u16 = 0x880b;
const EOIP: u16 = 0x6400;
const WCCP: u16 = 0x883e;
const ERSPAN: u16 = 0x88be;
const ERSPAN_3: u16 = 0x22eb;

/// A GRE packet.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let cut = FrameKind::Skipped("truncated-gre-header");
    let Some((&[f1, f0, p1, p0], mut rest)) = octets.split::<4>() else { return cut };
    let (flags, protocol) = (u16::from_be_bytes([f1, f0]), u16::from_be_bytes([p1, p0]));
    let version = flags & VERSION;
    if flags & (CHECKSUM | ROUTING) != 0 {
        rest = rest.after(4);
    }
    let mut key = None;
    if flags & KEY != 0 {
        let Some((field, after)) = rest.split::<4>() else { return cut };
        (key, rest) = (Some(*field), after);
    }
    if (version, protocol) == (1, EOIP) {
        return eoip(walk, key, rest);
    }
    if flags & SEQUENCE != 0 {
        rest = rest.after(4);
    }
    if version == 1 && flags & ACKNOWLEDGMENT != 0 {
        rest = rest.after(4);
    }
    if flags & ROUTING != 0 {
        rest = match after_routes(rest) {
            Some(rest) => rest,
            None => return cut,
        };
    }
    match protocol {
        ERSPAN if flags & SEQUENCE == 0 => {
            walk.through(Encapsulation::Erspan(None));
            ethernet::decode(walk, rest)
        }
        ERSPAN | ERSPAN_3 => mirrored(walk, rest),
        protocol => {
            // Version 1's key is the payload's length and the peer's call, which is another one in each direction.
            walk.through(Encapsulation::Gre(key.filter(|_| version == 0).map(u32::from_be_bytes)));
            match protocol {
                WCCP => redirected(walk, rest),
                // An acknowledgment of PPTP alone carries nothing (RFC 2637, section 4.1).
                PPP if version == 1 && flags & SEQUENCE == 0 => FrameKind::NonTcp,
                PPP => ppp::decode(walk, rest),
                IPV4 | IPV6 | ETHERNET | MPLS | SERVICE_HEADER => ether_type::payload(walk, EtherType(protocol), rest),
                _ => FrameKind::NonTcp,
            }
        }
    }
}

/// Skips source route entries: family, offset, length; one of length 0 ends the list (RFC 1701).
fn after_routes(mut octets: Octets<'_>) -> Option<Octets<'_>> {
    loop {
        let (&[_, _, _, len], rest) = octets.split::<4>()?;
        octets = rest.after(usize::from(len));
        if len == 0 {
            return Some(octets);
        }
    }
}

/// EoIP: where GRE has its key stand a length, big-endian, and the tunnel, little-endian.
fn eoip(walk: &mut Walk, key: Option<[u8; 4]>, octets: Octets<'_>) -> FrameKind {
    let Some([l1, l0, t0, t1]) = key else { return FrameKind::Skipped("bad-eoip-header") };
    walk.through(Encapsulation::Eoip(u16::from_le_bytes([t0, t1])));
    ethernet::decode(walk, octets.first(usize::from(u16::from_be_bytes([l1, l0]))))
}

/// A redirected packet of WCCP: version 2 has a header of four octets, version 1 none.
fn redirected(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    match octets.captured().first() {
        Some(0x40..=0x4f) => ip::v4(walk, octets),
        _ => ip::v4(walk, octets.after(4)),
    }
}

/// ERSPAN of type II or III (draft-foschiano-erspan), as its version says: eight octets in front of the mirrored frame,
/// or twelve and eight more where the last bit says so.
fn mirrored(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    const TYPE_2: u8 = 1;
    const TYPE_3: u8 = 2;
    const FRAME_TYPE: u8 = 0x7c;
    const MORE: u8 = 0x01;
    let Some((&[version, _, s1, s0, ..], rest)) = octets.split::<8>() else {
        return FrameKind::Skipped("truncated-erspan-header");
    };
    walk.through(Encapsulation::Erspan(Some(u16::from_be_bytes([s1, s0]) & 0x3ff)));
    match version >> 4 {
        TYPE_2 => ethernet::decode(walk, rest),
        TYPE_3 => match rest.split::<4>() {
            // Other frame types than Ethernet have been defined and not been seen.
            Some((&[_, _, kind, _], _)) if kind & FRAME_TYPE != 0 => FrameKind::NonTcp,
            Some((&[.., flags], rest)) => ethernet::decode(walk, if flags & MORE == 0 { rest } else { rest.after(8) }),
            None => FrameKind::Skipped("truncated-erspan-header"),
        },
        _ => FrameKind::Skipped("bad-erspan-version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::sample;

    #[test]
    fn an_acknowledgment_of_pptp_carries_nothing() {
        let alone = [0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 9, 0, 0, 0, 6];
        assert_eq!(sample::kind(228, &sample::ipv4(47, &alone)), FrameKind::NonTcp);
        let cut = [0x30, 0x81, 0x88, 0x0b, 0, 4, 0, 9, 0, 0, 0, 1, 0, 0, 0, 6];
        assert_eq!(sample::kind(228, &sample::ipv4(47, &cut)), FrameKind::Skipped("truncated-ppp-header"));
    }
}
