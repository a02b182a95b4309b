//! The four-tuple, the same for both directions.

use std::net::IpAddr;

use crate::base::Endpoint;

/// Two endpoints in a fixed order. VLAN, tunnel and interface do not take part, as in Wireshark, unless the user tells
/// realms apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Key {
    low: [u64; 2],
    high: [u64; 2],
    ports: u32,
    /// What the user tells apart beside.
    realm: u16,
    /// IPv6, or IPv4 in the lower half: an address that is mapped into IPv6 is another one.
    v6: bool,
}

impl Key {
    /// The key of a segment between `a` and `b`, whichever sent it.
    #[inline]
    pub fn new(a: Endpoint, b: Endpoint) -> Self {
        Self::told_apart(a, b).0
    }

    /// The same, and whether `a` is the lower endpoint.
    #[inline]
    pub(super) fn told_apart(a: Endpoint, b: Endpoint) -> (Self, bool) {
        if let (IpAddr::V4(a_ip), IpAddr::V4(b_ip)) = (a.ip, b.ip) {
            let (a, b) = ((a_ip.to_bits(), a.port), (b_ip.to_bits(), b.port));
            return (Self::of_v4(a, b), a <= b);
        }
        let ((a_ip, a_v6), (b_ip, b_v6)) = (words(a.ip), words(b.ip));
        let v6 = a_v6 || b_v6;
        let is_low = (a_ip[0], a_ip[1], a.port) <= (b_ip[0], b_ip[1], b.port);
        let ((low, low_port), (high, high_port)) =
            if is_low { ((a_ip, a.port), (b_ip, b.port)) } else { ((b_ip, b.port), (a_ip, a.port)) };
        (Self { low, high, ports: u32::from(low_port) << 16 | u32::from(high_port), realm: 0, v6 }, is_low)
    }

    /// The key between two ends with IPv4 addresses.
    #[inline]
    pub(super) fn of_v4(a: (u32, u16), b: (u32, u16)) -> Self {
        let ((low_ip, low_port), (high_ip, high_port)) = if a <= b { (a, b) } else { (b, a) };
        let ports = u32::from(low_port) << 16 | u32::from(high_port);
        Self { low: [0, low_ip.into()], high: [0, high_ip.into()], ports, realm: 0, v6: false }
    }

    /// The same endpoints in another realm.
    #[inline]
    pub fn within(self, realm: u16) -> Self {
        Self { realm, ..self }
    }

    /// Multiplied and folded. The input chooses the keys, so the seed must not be known to it.
    #[inline]
    pub(super) fn hash(&self, seed: u64) -> u32 {
        let rest = u64::from(self.ports) | u64::from(self.realm) << 32;
        if !self.v6 {
            let addresses = self.low[1] << 32 | self.high[1];
            return (fold(addresses ^ seed, rest ^ seed.rotate_left(32) ^ 0xa076_1d64_78bd_642f) >> 32) as u32;
        }
        let low = fold(self.low[0] ^ seed, self.low[1] ^ 0x9e37_79b9_7f4a_7c15);
        let high = fold(self.high[0] ^ seed.rotate_left(32), self.high[1] ^ 0xd6e8_feb8_6659_fd93);
        (fold(low ^ rest, high ^ seed ^ 0xa076_1d64_78bd_642f) >> 32) as u32
    }

    /// Both endpoints, the lower one first.
    pub(super) fn endpoints(&self) -> [Endpoint; 2] {
        let ip = |words: [u64; 2]| match self.v6 {
            true => IpAddr::from((u128::from(words[0]) << 64 | u128::from(words[1])).to_be_bytes()),
            false => IpAddr::from((words[1] as u32).to_be_bytes()),
        };
        [Endpoint::new(ip(self.low), (self.ports >> 16) as u16), Endpoint::new(ip(self.high), self.ports as u16)]
    }

    /// Whether `endpoint`, one of the two, is the lower one.
    #[inline]
    pub(super) fn is_low(&self, endpoint: Endpoint) -> bool {
        words(endpoint.ip).0 == self.low && endpoint.port == (self.ports >> 16) as u16
    }
}

/// A [`Key`] in 16 octets; one of IPv6 lies elsewhere.
#[derive(Debug)]
pub(super) enum Kept {
    V4 { realm: u16, ports: u32, low: u32, high: u32 },
    V6(Box<Key>),
}

const _: () = assert!(size_of::<Kept>() == 16);

impl Kept {
    #[inline]
    pub fn of(key: Key) -> Self {
        match key.v6 {
            true => Self::V6(Box::new(key)),
            false => Self::V4 { realm: key.realm, ports: key.ports, low: key.low[1] as u32, high: key.high[1] as u32 },
        }
    }

    /// Whether it is `key`.
    #[inline]
    pub fn is(&self, key: &Key) -> bool {
        match self {
            &Self::V4 { realm, ports, low, high } => {
                let ends = (key.low[1], key.high[1]) == (low.into(), high.into());
                ends && (key.ports, key.realm, key.v6) == (ports, realm, false)
            }
            Self::V6(kept) => **kept == *key,
        }
    }

    #[inline]
    pub fn key(&self) -> Key {
        match self {
            &Self::V4 { realm, ports, low, high } => {
                Key { low: [0, low.into()], high: [0, high.into()], ports, realm, v6: false }
            }
            Self::V6(kept) => **kept,
        }
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self::V4 { realm: 0, ports: 0, low: 0, high: 0 }
    }
}

#[inline]
fn words(ip: IpAddr) -> ([u64; 2], bool) {
    match ip {
        IpAddr::V4(ip) => ([0, ip.to_bits().into()], false),
        IpAddr::V6(ip) => ([(ip.to_bits() >> 64) as u64, ip.to_bits() as u64], true),
    }
}

#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    wide as u64 ^ (wide >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(ip: &str, port: u16) -> Endpoint {
        Endpoint::new(ip.parse().unwrap(), port)
    }

    #[test]
    fn a_key_is_the_same_both_ways_and_gives_its_endpoints_back() {
        for (a, b) in [
            (end("10.0.0.1", 80), end("10.0.0.2", 50_000)),
            (end("10.0.0.1", 80), end("10.0.0.1", 81)),
            (end("2001:db8::1", 443), end("2001:db8::2", 1)),
            (end("10.9.9.9", 7), end("10.9.9.9", 7)),
        ] {
            let key = Key::new(a, b);
            assert_eq!((key, key.hash(9)), (Key::new(b, a), Key::new(b, a).hash(9)));
            let [low, high] = key.endpoints();
            assert!([(a, b), (b, a)].contains(&(low, high)) && key.is_low(low));
            let (within, kept) = (key.within(5), Kept::of(key.within(5)));
            assert_eq!(kept.key(), within);
            assert!(kept.is(&within) && !kept.is(&key));
        }
    }

    #[test]
    fn a_mapped_address_is_another_one() {
        let port = 80;
        let plain = Key::new(end("10.0.0.1", port), end("10.0.0.2", port));
        assert_ne!(plain, Key::new(end("::ffff:10.0.0.1", port), end("::ffff:10.0.0.2", port)));
        assert_ne!(plain, Key::new(end("::10.0.0.1", port), end("::10.0.0.2", port)));
    }
}
