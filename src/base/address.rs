//! One end of a connection: an address and a port.

use std::fmt;
use std::net::IpAddr;

/// An IP address with a TCP port.
///
/// Displayed as `10.0.0.1:80` and `[2001:db8::1]:80` (RFC 5952, section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Endpoint {
    /// The address as it stood in the (innermost) IP header.
    pub ip: IpAddr,
    /// The TCP port in host order.
    pub port: u16,
}

impl Endpoint {
    /// An endpoint from its two parts.
    #[inline]
    pub const fn new(ip: IpAddr, port: u16) -> Self {
        Self { ip, port }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => {
                // There are two in many a sentence: one piece is written in less time than nine.
                let mut letters = Letters { all: [0; 21], len: 0 };
                for (octet, end) in ip.octets().into_iter().zip(*b"...:") {
                    letters.number(octet.into());
                    letters.push(end);
                }
                letters.number(self.port);
                f.write_str(letters.as_str())
            }
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

/// `255.255.255.255:65535` and shorter.
struct Letters {
    all: [u8; 21],
    len: usize,
}

impl Letters {
    fn push(&mut self, letter: u8) {
        if let Some(place) = self.all.get_mut(self.len) {
            *place = letter;
            self.len += 1;
        }
    }

    fn number(&mut self, number: u16) {
        for power in [10_000, 1_000, 100, 10] {
            if number >= power {
                self.push(b'0' + (number / power % 10) as u8);
            }
        }
        self.push(b'0' + (number % 10) as u8);
    }

    fn as_str(&self) -> &str {
        str::from_utf8(&self.all[..self.len]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_displayed_as_their_parts_are() {
        let mut rng = fastrand::Rng::with_seed(5952);
        for at in 0..4_000_u32 {
            let ip = std::net::Ipv4Addr::from_bits(rng.u32(..) >> (at % 33).min(31));
            let port = rng.u16(..) >> (at % 16);
            assert_eq!(Endpoint::new(ip.into(), port).to_string(), format!("{ip}:{port}"));
        }
        let widest = Endpoint::new([255; 4].into(), u16::MAX);
        assert_eq!(widest.to_string(), "255.255.255.255:65535");
        let longer = Endpoint::new("2001:db8::1".parse().unwrap(), 80);
        assert_eq!(longer.to_string(), "[2001:db8::1]:80");
    }
}
