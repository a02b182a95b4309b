//! How many different addresses there were, in bounded memory.

use std::net::IpAddr;

/// Hashes kept: up to here the number is exact, beyond it within a tenth or so (one over the root of this).
const KEPT_MAX: usize = 128;

/// The smallest hashes of the addresses seen: their density tells how many there are ("k minimum values"). The hash has
/// no seed, so that the same capture gives the same number.
#[derive(Clone, Debug, Default)]
pub struct Distinct {
    smallest: Vec<u64>,
    /// The one seen last, if any was.
    newest: u64,
    /// The last of as many as are kept.
    largest: Option<u64>,
}

impl Distinct {
    /// Sees an address by its hash.
    #[inline]
    pub fn see(&mut self, hash: u64) {
        let is_known = hash == self.newest && !self.smallest.is_empty();
        if is_known || self.largest.is_some_and(|largest| hash > largest) {
            return;
        }
        self.newest = hash;
        if let Err(place) = self.smallest.binary_search(&hash) {
            self.smallest.insert(place, hash);
            self.smallest.truncate(KEPT_MAX);
            self.largest = self.smallest.get(KEPT_MAX - 1).copied();
        }
    }

    /// Sees all that another one saw.
    pub fn join(&mut self, other: &Self) {
        other.smallest.iter().for_each(|&hash| self.see(hash));
    }

    /// How many different ones there were.
    pub fn count(&self) -> u64 {
        match self.smallest.last() {
            Some(&largest) if self.smallest.len() == KEPT_MAX => {
                let covered = (largest as f64 + 1.0) / (u64::MAX as f64 + 1.0);
                ((KEPT_MAX - 1) as f64 / covered).round() as u64
            }
            _ => self.smallest.len() as u64,
        }
    }

    /// [`Distinct::count`] is no estimate.
    pub fn is_exact(&self) -> bool {
        self.smallest.len() < KEPT_MAX
    }
}

/// A hash of an address, without a seed.
#[inline]
pub fn hashed(ip: IpAddr) -> u64 {
    let bits = match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    let high = (bits >> 64) as u64;
    mixed((bits as u64).wrapping_add(0x9e37_79b9_7f4a_7c15) ^ if high == 0 { 0 } else { mixed(high) })
}

/// The finalizer of SplitMix64.
#[inline]
pub fn mixed(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_counted_exactly_and_many_nearly() {
        let mut distinct = Distinct::default();
        for n in 0..100_u32 {
            distinct.see(hashed(IpAddr::V4((0x0a00_0000 + n).into())));
            distinct.see(hashed(IpAddr::V4(0x0a00_0000.into())));
        }
        assert_eq!((distinct.count(), distinct.is_exact()), (100, true));
        for n in 0..1_000_000_u32 {
            distinct.see(hashed(IpAddr::V4(n.into())));
        }
        assert!(!distinct.is_exact());
        assert!((800_000..1_200_000).contains(&distinct.count()), "{}", distinct.count());
    }
}
