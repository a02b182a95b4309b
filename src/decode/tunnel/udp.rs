//! UDP, for the tunnels in it.

use super::{FrameKind, Octets, Walk, geneve, gre, gtp, l2tp, lisp, mpls, sflow, teredo, tzsp, vxlan};

type Tunnel = fn(&mut Walk, Octets<'_>) -> FrameKind;

/// A UDP datagram. Of two ports that name a tunnel the lower one does, as in Wireshark.
pub(super) fn decode(walk: &mut Walk, octets: Octets<'_>) -> FrameKind {
    let Some((&[s1, s0, d1, d0, l1, l0, _, _], rest)) = octets.split::<8>() else { return FrameKind::NonTcp };
    let (source, destination) = (u16::from_be_bytes([s1, s0]), u16::from_be_bytes([d1, d0]));
    let (low, high) = (source.min(destination), source.max(destination));
    let Some(tunnel) = by_port(low).or_else(|| by_port(high)) else { return FrameKind::NonTcp };
    match usize::from(u16::from_be_bytes([l1, l0])) {
        // A jumbogram (RFC 2675) or segmentation offload.
        0 => tunnel(walk, rest),
        1..8 => FrameKind::NonTcp,
        len => tunnel(walk, rest.first(len - 8)),
    }
}

/// What the IANA port registry has that carries IP or Ethernet.
fn by_port(port: u16) -> Option<Tunnel> {
    Some(match port {
        1701 => l2tp::decode,
        // 2123 is for control, but user packets are read there too.
        2123 | 2152 => gtp::decode,
        3544 => teredo::decode,
        4341 => lisp::decode,
        4754 => gre::decode,
        // 8472 is what Linux used before the registry gave VXLAN a port.
        4789 | 8472 => vxlan::decode,
        4790 => vxlan::decode_with_protocol,
        6081 => geneve::decode,
        6343 => sflow::decode,
        6635 => mpls,
        37008 => tzsp::decode,
        _ => return None,
    })
}
