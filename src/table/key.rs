//! The four-tuple, the same for both directions.

use std::net::IpAddr;
use std::num::NonZeroU64;
use std::ops::Index;

use crate::base::Endpoint;

/// Two endpoints in a fixed order. VLAN, tunnel and interface do not take part, as in Wireshark, unless the user tells
/// realms apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key(Ends<V6>);

/// IPv6, or IPv4 in two words; `S` is where the former lies. An address that is mapped into IPv6 is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends<S> {
    /// Address and port of the lower end, and a bit so that it is never zero; those of the higher end, and the realm.
    V4(NonZeroU64, u64),
    V6(S),
}

/// Two IPv6 endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct V6 {
    low: [u64; 2],
    high: [u64; 2],
    ports: u32,
    /// What the user tells apart beside.
    realm: u16,
}

impl V6 {
    /// Of nobody.
    pub const NONE: Self = Self { low: [0; 2], high: [0; 2], ports: 0, realm: 0 };

    fn endpoints(&self) -> [Endpoint; 2] {
        let &Self { low, high, ports, .. } = self;
        let ip = |words: [u64; 2]| IpAddr::from((u128::from(words[0]) << 64 | u128::from(words[1])).to_be_bytes());
        [Endpoint::new(ip(low), (ports >> 16) as u16), Endpoint::new(ip(high), ports as u16)]
    }
}

/// Octets of an IPv4 endpoint, and what stands above them.
const END_BITS: u32 = 48;
const END: u64 = (1 << END_BITS) - 1;
const NOT_ZERO: NonZeroU64 = NonZeroU64::new(1 << 63).unwrap();

impl Key {
    /// Between nobody.
    pub(super) const NONE: Self = Self(Ends::V4(NOT_ZERO, 0));

    /// The key of a segment between `a` and `b`, whichever sent it.
    #[inline]
    pub fn new(a: Endpoint, b: Endpoint) -> Self {
        Self::told_apart(a, b).0
    }

    /// The same, and whether `a` is the lower endpoint.
    #[inline]
    pub(super) fn told_apart(a: Endpoint, b: Endpoint) -> (Self, bool) {
        if let (IpAddr::V4(a_ip), IpAddr::V4(b_ip)) = (a.ip, b.ip) {
            let (a, b) = (word((a_ip.to_bits(), a.port)), word((b_ip.to_bits(), b.port)));
            return (Self::of_words(a, b), a <= b);
        }
        let (a_ip, b_ip) = (words(a.ip), words(b.ip));
        let is_low = (a_ip[0], a_ip[1], a.port) <= (b_ip[0], b_ip[1], b.port);
        let ((low, low_port), (high, high_port)) =
            if is_low { ((a_ip, a.port), (b_ip, b.port)) } else { ((b_ip, b.port), (a_ip, a.port)) };
        let ports = u32::from(low_port) << 16 | u32::from(high_port);
        (Self(Ends::V6(V6 { low, high, ports, realm: 0 })), is_low)
    }

    /// The same with a realm, if both have IPv4 addresses.
    #[inline(always)]
    pub(super) fn of_plain(a: Endpoint, b: Endpoint, realm: u16) -> Option<(Self, bool)> {
        let (IpAddr::V4(a_ip), IpAddr::V4(b_ip)) = (a.ip, b.ip) else { return None };
        let (a, b) = (word((a_ip.to_bits(), a.port)), word((b_ip.to_bits(), b.port)));
        Some((Self(Ends::V4(NOT_ZERO | a.min(b), a.max(b) | u64::from(realm) << END_BITS)), a <= b))
    }

    /// The key between two ends with IPv4 addresses.
    #[inline]
    pub(super) fn of_v4(a: (u32, u16), b: (u32, u16)) -> Self {
        Self::of_words(word(a), word(b))
    }

    #[inline]
    fn of_words(a: u64, b: u64) -> Self {
        Self(Ends::V4(NOT_ZERO | a.min(b), a.max(b)))
    }

    /// The same endpoints in another realm.
    #[inline]
    pub fn within(self, realm: u16) -> Self {
        Self(match self.0 {
            Ends::V4(low, high) => Ends::V4(low, high & END | u64::from(realm) << END_BITS),
            Ends::V6(ends) => Ends::V6(V6 { realm, ..ends }),
        })
    }

    /// Multiplied and folded. The input chooses the keys, so the seed must not be known to it.
    #[inline]
    pub(super) fn hash(&self, seed: u64) -> u32 {
        match &self.0 {
            Ends::V4(low, high) => {
                (fold(low.get() ^ seed, high ^ seed.rotate_left(32) ^ 0xa076_1d64_78bd_642f) >> 32) as u32
            }
            Ends::V6(V6 { low, high, ports, realm }) => {
                let rest = u64::from(*ports) | u64::from(*realm) << 32;
                let low = fold(low[0] ^ seed, low[1] ^ 0x9e37_79b9_7f4a_7c15);
                let high = fold(high[0] ^ seed.rotate_left(32), high[1] ^ 0xd6e8_feb8_6659_fd93);
                (fold(low ^ rest, high ^ seed ^ 0xa076_1d64_78bd_642f) >> 32) as u32
            }
        }
    }

    /// Both endpoints, the lower one first.
    pub(super) fn endpoints(&self) -> [Endpoint; 2] {
        match &self.0 {
            Ends::V4(low, high) => [v4(low.get()), v4(*high)],
            Ends::V6(ends) => ends.endpoints(),
        }
    }

    /// Whether `endpoint`, one of the two, is the lower one.
    #[inline]
    pub(super) fn is_low(&self, endpoint: Endpoint) -> bool {
        self.endpoints()[0] == endpoint
    }
}

/// Where IPv6 endpoints lie side by side, each at a place of its own.
pub(super) trait Wide: Index<u32, Output = V6> {
    /// Takes some in and gives their place.
    fn put(&mut self, ends: V6) -> u32;
}

/// A [`Key`] in 16 octets; of one of IPv6 the place where it lies among others.
#[derive(Debug)]
pub(super) struct Kept(Ends<u32>);

const _: () = assert!(size_of::<Kept>() == 16);

impl Kept {
    /// Of [nobody](Key::NONE).
    pub const NONE: Self = Self(Ends::V4(NOT_ZERO, 0));

    #[inline]
    pub fn of(key: &Key, wide: &mut impl Wide) -> Self {
        Self(match key.0 {
            Ends::V4(low, high) => Ends::V4(low, high),
            Ends::V6(ends) => Ends::V6(wide.put(ends)),
        })
    }

    /// The same key among others than those of `from`, where it stays.
    #[inline]
    pub fn copied(&self, from: &impl Wide, to: &mut impl Wide) -> Self {
        Self(match self.0 {
            Ends::V4(low, high) => Ends::V4(low, high),
            Ends::V6(at) => Ends::V6(to.put(from[at])),
        })
    }

    /// Where it lies, if it is not here.
    #[inline]
    pub fn place(&self) -> Option<u32> {
        match self.0 {
            Ends::V4(..) => None,
            Ends::V6(at) => Some(at),
        }
    }

    /// Whether it is `key`.
    #[inline]
    pub fn is(&self, key: &Key, wide: &impl Wide) -> bool {
        match (&self.0, &key.0) {
            (Ends::V4(low, high), Ends::V4(key_low, key_high)) => low == key_low && high == key_high,
            (&Ends::V6(at), Ends::V6(ends)) => wide[at] == *ends,
            _ => false,
        }
    }

    /// Both endpoints, the client first, which is the lower one or is not.
    #[inline]
    pub fn ends(&self, client_is_low: bool, wide: &impl Wide) -> (Endpoint, Endpoint) {
        match &self.0 {
            // The words change places, and not what is put together of them: that would have to be loaded as a whole.
            Ends::V4(low, high) if client_is_low => (v4(low.get()), v4(*high)),
            Ends::V4(low, high) => (v4(*high), v4(low.get())),
            &Ends::V6(at) => {
                let [low, high] = wide[at].endpoints();
                if client_is_low { (low, high) } else { (high, low) }
            }
        }
    }

    #[inline]
    pub fn key(&self, wide: &impl Wide) -> Key {
        Key(match self.0 {
            Ends::V4(low, high) => Ends::V4(low, high),
            Ends::V6(at) => Ends::V6(wide[at]),
        })
    }
}

impl Default for Kept {
    // A call would write it in parts, and who reads it whole waits until all that was written before has reached the cache.
    #[inline]
    fn default() -> Self {
        Self::NONE
    }
}

/// An IPv4 endpoint; words stand in the order of addresses, then ports.
#[inline]
fn word((ip, port): (u32, u16)) -> u64 {
    u64::from(ip) << 16 | u64::from(port)
}

/// And back.
#[inline]
fn v4(word: u64) -> Endpoint {
    Endpoint::new(IpAddr::from(((word >> 16) as u32).to_be_bytes()), word as u16)
}

#[inline]
fn words(ip: IpAddr) -> [u64; 2] {
    match ip {
        IpAddr::V4(ip) => [0, ip.to_bits().into()],
        IpAddr::V6(ip) => [(ip.to_bits() >> 64) as u64, ip.to_bits() as u64],
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
    use crate::table::wide::{Places, Row};

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
            let (mut row, mut places) = (Row::default(), Places::default());
            let (within, kept) = (key.within(5), Kept::of(&key.within(5), &mut row));
            assert_eq!(kept.key(&row), within);
            assert!(kept.is(&within, &row) && !kept.is(&key, &row));
            assert_eq!((kept.ends(true, &row), kept.ends(false, &row)), ((low, high), (high, low)));
            assert_eq!(kept.copied(&row, &mut places).key(&places), within);
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
