//! Where things stand in a vector, found by their hash.

use crate::base::prefetch::prefetch;

/// No place.
const FREE: u64 = u64::MAX;
/// Slots to begin with.
const SLOTS_MIN: usize = 8;

/// Places `0..len` of things that live elsewhere: open addressing, at most half of the slots taken.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// A power of two, or none: the lower half of a hash above the place, since looking at the thing is what costs.
    slots: Vec<u64>,
    /// The other bits of a hash are its slot.
    shift: u32,
    len: usize,
}

impl Places {
    /// The place for which `is` holds, among those of things with this hash.
    #[inline]
    pub fn find(&self, hash: u64, is: impl Fn(usize) -> bool) -> Option<usize> {
        let mut slot = self.home(hash);
        loop {
            let taken = *self.slots.get(slot)?;
            if taken == FREE {
                return None;
            }
            let place = (taken & u64::from(u32::MAX)) as usize;
            if taken >> 32 == hash & u64::from(u32::MAX) && is(place) {
                return Some(place);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }

    /// Asks for the memory in which a thing with this hash is looked for.
    #[inline]
    pub fn fetch(&self, hash: u64) {
        if let Some(slot) = self.slots.get(self.home(hash)) {
            prefetch(slot);
        }
    }

    /// Adds the next place, of a thing that is not there yet. `hash_of` gives the hashes of those that are.
    pub fn push(&mut self, hash: u64, hash_of: impl Fn(usize) -> u64) {
        if self.slots.len() < 2 * (self.len + 1) {
            let slots = (4 * self.len).next_power_of_two().max(SLOTS_MIN);
            self.slots.clear();
            self.slots.resize(slots, FREE);
            self.shift = u64::BITS - slots.trailing_zeros();
            (0..self.len).for_each(|place| self.put(hash_of(place), place));
        }
        self.put(hash, self.len);
        self.len += 1;
    }

    /// There are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets all; the memory stays.
    pub fn clear(&mut self) {
        self.slots.fill(FREE);
        self.len = 0;
    }

    fn put(&mut self, hash: u64, place: usize) {
        let mut slot = self.home(hash);
        while self.slots[slot] != FREE {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = hash << 32 | place as u64;
    }

    #[inline]
    fn home(&self, hash: u64) -> usize {
        (hash >> self.shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_found_whatever_their_hashes() {
        for spread in [1, 0x9e37_79b9_7f4a_7c15, 1 << 52, 1 << 63, 0] {
            let hash = |thing: u64| thing.wrapping_mul(spread);
            let mut places = Places::default();
            for round in 0..2 {
                assert_eq!(places.find(hash(7), |place| place == 7), None, "round {round}");
                for thing in 0..1_000 {
                    places.push(hash(thing), |place| hash(place as u64));
                }
                assert!((0..1_000).all(|thing| places.find(hash(thing), |place| place as u64 == thing).is_some()));
                assert_eq!(places.find(hash(1_000), |place| place == 1_000), None);
                places.clear();
            }
        }
    }
}
