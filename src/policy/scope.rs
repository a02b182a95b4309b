//! Where a rule applies: ports and networks of either end.

use std::net::IpAddr;

use crate::base::Endpoint;

/// What the two ends must have; an empty list asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    pub ports: Vec<u16>,
    pub networks: Vec<Network>,
}

impl Scope {
    pub fn holds(&self, client: Endpoint, server: Endpoint) -> bool {
        let ends = [client, server];
        (self.ports.is_empty() || ends.iter().any(|end| self.ports.contains(&end.port)))
            && (self.networks.is_empty() || ends.iter().any(|end| self.has(end.ip)))
    }

    pub fn holds_host(&self, host: IpAddr) -> bool {
        self.ports.is_empty() && (self.networks.is_empty() || self.has(host))
    }

    fn has(&self, ip: IpAddr) -> bool {
        self.networks.iter().any(|network| network.has(ip))
    }
}

/// A prefix in CIDR notation (RFC 4632, RFC 4291).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    length: u32,
}

impl Network {
    /// `10.0.0.0/8`, `2001:db8::/32`, or an address alone; what lies beyond the prefix does not count.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(bits);
        (length <= bits).then_some(Self { address, length })
    }

    fn has(&self, ip: IpAddr) -> bool {
        let differing = match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= self.length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_their_prefix_says() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("2001:db8::/33", "2001:db8:7fff::1", true),
            ("2001:db8::/33", "2001:db8:8000::1", false),
        ];
        for (network, ip, held) in cases {
            assert_eq!(Network::parse(network).unwrap().has(ip.parse().unwrap()), held, "{network} {ip}");
        }
        for wrong in ["10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "example.org"] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }
}
