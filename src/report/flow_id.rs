//! Two names for a connection that hold beyond one capture: the Community ID that other tools print too, and lastack's own.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use sha1::{Digest, Sha1};

use crate::base::{Endpoint, Timestamp};

const PROTOCOL_TCP: u8 = 6;

/// The flow's Community ID, version 1, seed 0 (the public specification of Corelight): `1:` and the base64 of SHA-1
/// over seed, both addresses, protocol, padding and both ports, the smaller endpoint first. Equal for both directions
/// and for every incarnation of the four numbers.
pub fn community_id(one: Endpoint, other: Endpoint) -> String {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    update_with_address(&mut hash, low.ip);
    update_with_address(&mut hash, high.ip);
    hash.update([PROTOCOL_TCP, 0]);
    hash.update(low.port.to_be_bytes());
    hash.update(high.port.to_be_bytes());
    let mut text = String::with_capacity(30);
    text.push_str("1:");
    STANDARD.encode_string(hash.finalize(), &mut text);
    text
}

/// lastack's name for one incarnation: 96 bits of SHA-1 over both endpoints and the time of its first segment, in 16
/// characters of URL-safe base64. It does not depend on the stream number, so the same connection keeps its name when
/// its frames are extracted into another file or the capture is read together with others.
pub fn connection_id(client: Endpoint, server: Endpoint, start: Timestamp) -> String {
    let mut hash = Sha1::new();
    for end in [client, server] {
        update_with_address(&mut hash, end.ip);
        hash.update(end.port.to_be_bytes());
    }
    hash.update(start.0.to_be_bytes());
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..12])
}

fn update_with_address(hash: &mut Sha1, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => hash.update(ip.octets()),
        IpAddr::V6(ip) => hash.update(ip.octets()),
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
