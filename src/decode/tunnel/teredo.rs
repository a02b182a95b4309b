//! Teredo (RFC 4380).

use super::{Encapsulation, FrameKind, Octets, Walk, ip};

/// IPv6 behind an authentication header and an origin indication, each of which may be missing.
pub(super) fn decode(walk: &mut Walk, mut octets: Octets<'_>) -> FrameKind {
    if let [0, 1, id_len, value_len, ..] = *octets.captured() {
        // Then a nonce of eight octets and a confirmation of one.
        octets = octets.after(4 + usize::from(id_len) + usize::from(value_len) + 9);
    }
    if let [0, 0, ..] = octets.captured() {
        octets = octets.after(8);
    }
    match octets.captured().first() {
        Some(0x60..=0x6f) => {
            walk.through(Encapsulation::Teredo);
            ip::v6(walk, octets)
        }
        _ => FrameKind::NonTcp,
    }
}
