//! Where a four-tuple's entry lies: an open-addressed index of 8-byte words. A word holds 32 bits of the hash and 32 of
//! the place, so that a lookup touches a line or two here and one of the entry, and growing or removing touches no entry.
//!
//! The words of a part stand in the order of their hashes, with gaps: the home of a word grows with its hash, and who
//! comes later makes room. So a search for what is not there ends at the first larger hash, the index can be five
//! sixths full, and growing is one walk through it.

use super::locator::NOWHERE;
use crate::base::prefetch::prefetch_at;

/// Parts that grow by themselves, so that there is never more than a little beside the index while it grows.
const PART_BITS: u32 = 8;
const PARTS: usize = 1 << PART_BITS;

/// Homes of a part to begin with. Parts begin with different numbers and therefore do not all grow at once.
const HOMES_LEAST: u32 = 12;
const PHASES: u32 = 4;

/// Places behind the last home, for those that had to move on.
const BEHIND: usize = 8;

/// Words at and behind a home, in which what is there mostly stands.
const NEAR: usize = 8;

/// Words of hash (above) and place + 1 (below); 0 is empty.
#[derive(Debug)]
pub(super) struct Index {
    parts: Box<[Part; PARTS]>,
}

/// The words of those hashes that begin with the same bits. Between the home of a word and its place there is no gap.
#[derive(Debug)]
struct Part {
    /// At least one gap stands at the end.
    words: Vec<u64>,
    homes: u32,
    used: u32,
}

impl Index {
    pub fn new() -> Self {
        Self { parts: Box::new(std::array::from_fn(|part| Part::new(HOMES_LEAST + part as u32 % PHASES))) }
    }

    /// Begins to bring the word of `hash` into the cache. Returns its home.
    #[inline]
    pub fn prefetch(&self, hash: u32) -> u32 {
        let part = self.part(hash);
        let home = part.home(hash);
        // They mostly stand in two lines.
        prefetch_at(&part.words, home);
        prefetch_at(&part.words, home + NEAR / 2);
        home as u32
    }

    /// The place that `hash` leads to, or `NOWHERE`, to bring it into the cache: a guess. It is wrong where several have this hash, and
    /// nothing is found where it has moved on far, or where the index has grown since `home` was said.
    #[inline]
    pub fn guess(&self, hash: u32, home: u32) -> u32 {
        let Some(near) = self.part(hash).near(home as usize) else { return NOWHERE };
        // All are looked at side by side: how far it has moved on is anybody's guess, so that a branch for each is mostly guessed wrong.
        // Nearly always one has this hash, or none.
        let mut place = 0;
        for &word in near {
            place |= if hash_of(word) == hash { word as u32 } else { 0 };
        }
        place.wrapping_sub(1)
    }

    /// Begins to bring those words into the cache that may have to move for one that comes.
    #[inline]
    pub fn prefetch_for_insert(&self, hash: u32, home: u32) {
        let words = &self.part(hash).words;
        prefetch_at(words, home as usize + NEAR);
        prefetch_at(words, home as usize + 2 * NEAR);
    }

    /// The place of the entry with this hash for which `is_it` holds.
    #[inline]
    pub fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let part = self.part(hash);
        let mut at = part.home(hash);
        loop {
            let word = part.words[at];
            let place = place_of(word)?;
            if hash_of(word) >= hash {
                if hash_of(word) > hash {
                    return None;
                }
                if is_it(place) {
                    return Some(place);
                }
            }
            at += 1;
        }
    }

    /// Adds an entry that is not there yet.
    #[inline]
    pub fn insert(&mut self, hash: u32, place: u32) {
        self.part_mut(hash).insert(word(hash, place));
    }

    /// Lets the entry at `from` be found at `to`.
    #[inline]
    pub fn change(&mut self, hash: u32, from: u32, to: u32) {
        let part = self.part_mut(hash);
        if let Some(at) = part.position(hash, from) {
            part.words[at] = word(hash, to);
        }
    }

    /// Takes an entry out and moves later words back into the gap.
    pub fn remove(&mut self, hash: u32, place: u32) {
        self.part_mut(hash).remove(hash, place);
    }

    pub fn clear(&mut self) {
        *self = Self::new();
    }

    #[inline]
    fn part(&self, hash: u32) -> &Part {
        &self.parts[(hash >> (32 - PART_BITS)) as usize]
    }

    #[inline]
    fn part_mut(&mut self, hash: u32) -> &mut Part {
        &mut self.parts[(hash >> (32 - PART_BITS)) as usize]
    }
}

impl Part {
    fn new(homes: u32) -> Self {
        Self { words: Self::gaps(homes), homes, used: 0 }
    }

    fn gaps(homes: u32) -> Vec<u64> {
        vec![0; homes as usize + BEHIND]
    }

    /// Where the word of `hash` stands if no other has taken the place: the later the larger the hash is.
    #[inline]
    fn home(&self, hash: u32) -> usize {
        home(hash, self.homes)
    }

    /// The words at a home and behind it.
    #[inline]
    fn near(&self, home: usize) -> Option<&[u64; NEAR]> {
        self.words.get(home..home + NEAR)?.first_chunk()
    }

    #[inline]
    fn insert(&mut self, word: u64) {
        // Five sixths at most; after growing two thirds.
        if self.used * 6 >= self.homes * 5 {
            self.grow();
        }
        self.used += 1;
        let mut at = self.home(hash_of(word));
        while self.words[at] != 0 && self.words[at] <= word {
            at += 1;
        }
        let mut carried = word;
        while carried != 0 {
            std::mem::swap(&mut carried, &mut self.words[at]);
            at += 1;
        }
        if at == self.words.len() {
            self.words.extend([0; BEHIND]);
        }
    }

    fn remove(&mut self, hash: u32, place: u32) {
        let Some(mut gap) = self.position(hash, place) else { return };
        self.used -= 1;
        loop {
            let word = self.words[gap + 1];
            if word == 0 || self.home(hash_of(word)) > gap {
                break;
            }
            self.words[gap] = word;
            gap += 1;
        }
        self.words[gap] = 0;
    }

    fn position(&self, hash: u32, place: u32) -> Option<usize> {
        let wanted = word(hash, place);
        let mut at = self.home(hash);
        while self.words[at] != wanted {
            if self.words[at] == 0 || hash_of(self.words[at]) > hash {
                return None;
            }
            at += 1;
        }
        Some(at)
    }

    #[cold]
    fn grow(&mut self) {
        let homes = self.homes + self.homes / 4 + 1;
        let mut words = Self::gaps(homes);
        let mut next = 0;
        for &word in &self.words {
            next = home(hash_of(word), homes).max(next);
            if next >= words.len() {
                words.extend([0; BEHIND]);
            }
            words[next] = word;
            // A gap takes no place, and whether there is one is anybody's guess.
            next += usize::from(word != 0);
        }
        if next >= words.len() {
            words.extend([0; BEHIND]);
        }
        (self.words, self.homes) = (words, homes);
    }
}

#[inline]
fn home(hash: u32, homes: u32) -> usize {
    ((u64::from(hash << PART_BITS) * u64::from(homes)) >> 32) as usize
}

#[inline]
fn word(hash: u32, place: u32) -> u64 {
    u64::from(hash) << 32 | (u64::from(place) + 1)
}

#[inline]
fn hash_of(word: u64) -> u32 {
    (word >> 32) as u32
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
        // Few distinct hashes make long runs, beyond the last home of a part too.
        let hash = |place: u32| (place % 37).wrapping_mul(0x0040_0001).wrapping_sub(5);
        for round in 0..if cfg!(miri) { 1_000 } else { 20_000u32 } {
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
        assert_eq!(index.parts.iter().map(|part| part.used as usize).sum::<usize>(), model.len());
        for part in &*index.parts {
            let words: Vec<u64> = part.words.iter().copied().filter(|&word| word != 0).collect();
            assert!(words.is_sorted() && words.len() == part.used as usize);
            assert_eq!(part.words.last(), Some(&0));
        }
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
