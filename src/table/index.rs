//! Where a four-tuple's entry lies: an open-addressed index of 8-byte words. A word holds 32 bits of the hash and 32 of
//! the place, so that a lookup touches one line here and one of the entry, and growing or removing touches no entry.

use super::prefetch::prefetch;

const LEAST: usize = 1 << 10;

/// Words of hash (above) and place + 1 (below); 0 is empty. Linear probing; at most five eighths are in use.
#[derive(Debug)]
pub(super) struct Index {
    words: Vec<u64>,
    used: usize,
}

impl Index {
    pub fn new() -> Self {
        Self { words: vec![0; LEAST], used: 0 }
    }

    /// Begins to bring the word of `hash` into the cache.
    #[inline]
    pub fn prefetch(&self, hash: u32) {
        prefetch(&self.words[self.home(hash)]);
    }

    /// The first place that `hash` may lead to, to bring it into the cache.
    #[inline]
    pub fn guess(&self, hash: u32) -> Option<u32> {
        place_of(self.words[self.home(hash)])
    }

    /// The place of the entry with this hash for which `is_it` holds.
    #[inline]
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.words.len() - 1;
        let mut at = self.home(hash);
        loop {
            let word = self.words[at];
            let place = place_of(word)?;
            if (word >> 32) as u32 == hash && is_it(place) {
                return Some(place);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an entry that is not there yet.
    #[inline]
    pub fn insert(&mut self, hash: u32, place: u32) {
        if (self.used + 1) * 8 > self.words.len() * 5 {
            self.grow();
        }
        self.used += 1;
        put(&mut self.words, u64::from(hash) << 32 | (u64::from(place) + 1));
    }

    /// Lets the entry at `from` be found at `to`.
    pub fn change(&mut self, hash: u32, from: u32, to: u32) {
        if let Some(at) = self.position(hash, from) {
            self.words[at] = u64::from(hash) << 32 | (u64::from(to) + 1);
        }
    }

    /// Takes an entry out and moves later words of the same run back (Knuth, volume 3, algorithm 6.4R).
    pub fn remove(&mut self, hash: u32, place: u32) {
        let Some(mut hole) = self.position(hash, place) else { return };
        self.used -= 1;
        let mask = self.words.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let word = self.words[at];
            if word == 0 {
                break;
            }
            let home = self.home((word >> 32) as u32);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.words[hole] = word;
                hole = at;
            }
        }
        self.words[hole] = 0;
    }

    pub fn clear(&mut self) {
        *self = Self::new();
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & (self.words.len() - 1)
    }

    fn position(&self, hash: u32, place: u32) -> Option<usize> {
        let wanted = u64::from(hash) << 32 | (u64::from(place) + 1);
        let mask = self.words.len() - 1;
        let mut at = self.home(hash);
        while self.words[at] != wanted {
            if self.words[at] == 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
        Some(at)
    }

    #[cold]
    fn grow(&mut self) {
        let len = self.words.len() * 2;
        let words = std::mem::replace(&mut self.words, vec![0; len]);
        words.into_iter().filter(|&word| word != 0).for_each(|word| put(&mut self.words, word));
    }
}

#[inline]
fn put(words: &mut [u64], word: u64) {
    let mask = words.len() - 1;
    let mut at = (word >> 32) as usize & mask;
    while words[at] != 0 {
        at = (at + 1) & mask;
    }
    words[at] = word;
}

#[inline]
fn place_of(word: u64) -> Option<u32> {
    (word as u32).checked_sub(1)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn it_finds_what_a_map_finds() {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut index = Index::new();
        let mut model: HashMap<u32, u32> = HashMap::new();
        // Few distinct hashes in the low bits make long runs, across the end of the words too.
        let hash = |place: u32| (place % 37).wrapping_mul(0x0400_0001).wrapping_sub(5);
        for round in 0..20_000u32 {
            let place = rng.u32(0..600);
            match (model.contains_key(&place), rng.bool()) {
                (false, true) => {
                    index.insert(hash(place), place);
                    model.insert(place, round);
                }
                (true, true) => {
                    index.remove(hash(place), place);
                    model.remove(&place);
                }
                (known, false) => {
                    assert_eq!(index.find(hash(place), |found| found == place).is_some(), known, "{place}");
                }
            }
        }
        assert_eq!(index.used, model.len());
    }

    #[test]
    fn an_entry_can_change_its_place() {
        let mut index = Index::new();
        index.insert(5, 1);
        index.insert(5, 2);
        index.change(5, 1, 9);
        assert_eq!(index.find(5, |place| place == 9), Some(9));
        assert_eq!(index.find(5, |place| place == 1), None);
        assert_eq!(index.find(5, |place| place == 2), Some(2));
    }
}
