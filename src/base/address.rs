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
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}
