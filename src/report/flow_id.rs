//! Two names for a connection that hold beyond one capture: the Community ID that other tools print too, and lastack's own.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::ser::{Serialize, Serializer};
use sha1::block_api::compress;

use crate::base::{Endpoint, Timestamp};

const PROTOCOL_TCP: u8 = 6;

/// Letters of base64, perhaps with a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Letters<const N: usize>([u8; N]);

impl<const N: usize> Letters<N> {
    /// ASCII, and nothing that JSON would have to escape.
    pub fn octets(&self) -> &[u8; N] {
        &self.0
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl<const N: usize> Serialize for Letters<N> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The flow's Community ID, version 1, seed 0 (the public specification of Corelight): `1:` and the base64 of SHA-1
/// over seed, both addresses, protocol, padding and both ports, the smaller endpoint first. Equal for both directions
/// and for every incarnation of the four numbers.
pub fn community_id(one: Endpoint, other: Endpoint) -> String {
    community_letters(one, other).as_str().to_owned()
}

/// The same without a string.
pub(super) fn community_letters(one: Endpoint, other: Endpoint) -> Letters<30> {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let input = Input::default().put([0, 0]).put_address(low.ip).put_address(high.ip);
    let input = input.put([PROTOCOL_TCP, 0]).put(low.port.to_be_bytes()).put(high.port.to_be_bytes());
    let mut letters = *b"1:0000000000000000000000000000";
    // Twenty octets are twenty-eight letters.
    let _ = STANDARD.encode_slice(input.digest(), &mut letters[2..]);
    Letters(letters)
}

/// lastack's name for one incarnation: 96 bits of SHA-1 over both endpoints and the time of its first segment, in 16
/// characters of URL-safe base64. It does not depend on the stream number, so the same connection keeps its name when
/// its frames are extracted into another file or the capture is read together with others.
pub fn connection_id(client: Endpoint, server: Endpoint, start: Timestamp) -> String {
    connection_letters(client, server, start).as_str().to_owned()
}

/// The same without a string.
pub(super) fn connection_letters(client: Endpoint, server: Endpoint, start: Timestamp) -> Letters<16> {
    let input = Input::default().put_address(client.ip).put(client.port.to_be_bytes());
    let input = input.put_address(server.ip).put(server.port.to_be_bytes()).put(start.0.to_be_bytes());
    let mut letters = *b"0000000000000000";
    let _ = URL_SAFE_NO_PAD.encode_slice(&input.digest()[..12], &mut letters);
    Letters(letters)
}

/// What is hashed: less than one block of SHA-1, which is put together here and compressed once.
struct Input {
    block: [u8; 64],
    len: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self { block: [0; 64], len: 0 }
    }
}

impl Input {
    #[inline(always)]
    fn put<const N: usize>(mut self, piece: [u8; N]) -> Self {
        if let Some(place) = self.block.get_mut(self.len..).and_then(<[u8]>::first_chunk_mut) {
            *place = piece;
            self.len += N;
        }
        self
    }

    #[inline(always)]
    fn put_address(self, ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => self.put(ip.octets()),
            IpAddr::V6(ip) => self.put(ip.octets()),
        }
    }

    /// Ends the block as FIPS 180-4 does, section 5.1.1: a bit, zeros, and the length in bits. Two addresses of IPv6, ports and a
    /// time are 44 octets, where 55 have room.
    fn digest(self) -> [u8; 20] {
        let bits = 8 * self.len as u64;
        let mut block = self.put([0x80]).block;
        block[56..].copy_from_slice(&bits.to_be_bytes());
        let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        compress(&mut state, &[block]);
        let mut digest = [0; 20];
        digest.as_chunks_mut().0.iter_mut().zip(state).for_each(|(place, word)| *place = word.to_be_bytes());
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ip: &str, port: u16) -> Endpoint {
        Endpoint::new(ip.parse().unwrap(), port)
    }

    #[test]
    fn community_ids_equal_the_published_vectors_in_both_directions() {
        for (one, other, expected) in [
            (end("128.232.110.120", 34855), end("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (end("10.0.0.1", 10), end("10.0.0.2", 20), "1:9j2Dzwrw7T9E+IZi4b4IVT66HBI="),
            (end("127.0.0.1", 1234), end("10.0.0.1", 80), "1:mgRgpIZSu0KHDp/QrtcWZpkJpMU="),
            (
                end("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
                end("2607:f8b0:400c:c03::1a", 25),
                "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            ),
        ] {
            assert_eq!(community_id(one, other), expected);
            assert_eq!(community_id(other, one), expected);
        }
    }

    #[test]
    fn a_connection_id_tells_incarnations_and_roles_apart() {
        let (client, server) = (end("10.0.0.1", 51000), end("10.0.0.2", 80));
        let id = connection_id(client, server, Timestamp(1));
        assert_eq!(id.len(), 16);
        assert_eq!(id, connection_id(client, server, Timestamp(1)));
        assert_ne!(id, connection_id(client, server, Timestamp(2)));
        assert_ne!(id, connection_id(server, client, Timestamp(1)));
    }
}
