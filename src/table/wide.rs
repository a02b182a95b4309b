//! IPv6 four-tuples, for which who has one has no room: in rows that go as a whole, or at places that others take over.

use std::ops::Index;

use super::key::{Kept, V6, Wide};
use crate::base::prefetch::prefetch_at;

/// Places that are allocated together, as a power of two.
const CHUNK_BITS: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Those of one row of entries.
#[derive(Debug, Default)]
pub(super) struct Row(Vec<V6>);

impl Row {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Makes room for so many.
    pub fn reserve_exact(&mut self, len: usize) {
        self.0.reserve_exact(len);
    }

    /// Nobody needs any of them.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Begins to bring into the cache what of `kept` lies here.
    #[inline]
    pub fn prefetch(&self, kept: &Kept) {
        prefetch_ends(&self.0, kept.place().unwrap_or(0) as usize);
    }
}

impl Index<u32> for Row {
    type Output = V6;

    #[inline]
    fn index(&self, at: u32) -> &V6 {
        &self.0[at as usize]
    }
}

impl Wide for Row {
    #[inline]
    fn put(&mut self, ends: V6) -> u32 {
        self.0.push(ends);
        self.0.len() as u32 - 1
    }
}

/// Those of records. They never move.
#[derive(Debug, Default)]
pub(super) struct Places {
    chunks: Vec<Box<[V6; CHUNK]>>,
    /// Places that were given so far.
    len: u32,
    /// Those that nobody has any more; the one left last is taken first, since it is still in the cache.
    free: Vec<u32>,
}

impl Places {
    /// Gives up what of `kept` lies here.
    #[inline]
    pub fn give_back(&mut self, kept: &mut Kept) {
        if let Some(at) = kept.place() {
            self.free.push(at);
            *kept = Kept::NONE;
        }
    }

    /// Begins to bring into the cache what of `kept` lies here.
    #[inline]
    pub fn prefetch(&self, kept: &Kept) {
        // Whether there is anything nobody can guess: a choice of places.
        let at = kept.place().unwrap_or(0);
        if let Some(chunk) = self.chunks.get(at as usize >> CHUNK_BITS) {
            prefetch_ends(&chunk[..], at as usize & (CHUNK - 1));
        }
    }

    /// Nobody needs any of them.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    #[cold]
    fn add(&mut self) -> u32 {
        let at = self.len;
        if at as usize == self.chunks.len() * CHUNK {
            self.chunks.push(Box::new([V6::NONE; CHUNK]));
        }
        self.len += 1;
        at
    }
}

impl Index<u32> for Places {
    type Output = V6;

    #[inline]
    fn index(&self, at: u32) -> &V6 {
        &self.chunks[at as usize >> CHUNK_BITS][at as usize & (CHUNK - 1)]
    }
}

impl Wide for Places {
    #[inline]
    fn put(&mut self, ends: V6) -> u32 {
        let at = self.free.pop().unwrap_or_else(|| self.add());
        self.chunks[at as usize >> CHUNK_BITS][at as usize & (CHUNK - 1)] = ends;
        at
    }
}

/// They may lie in two lines.
#[inline]
fn prefetch_ends(row: &[V6], at: usize) {
    prefetch_at(row, at);
    prefetch_at(row, at + 1);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Endpoint;
    use crate::table::key::Key;

    fn key(port: u16) -> Key {
        let [a, b] = ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse().unwrap());
        Key::new(Endpoint::new(a, port), Endpoint::new(b, 443))
    }

    #[test]
    fn each_stays_at_its_place_until_it_is_given_back_and_another_takes_it_over() {
        let mut rng = fastrand::Rng::with_seed(8);
        let mut places = Places::default();
        let mut model: Vec<(Kept, u16)> = Vec::new();
        for port in 0..if cfg!(miri) { 600 } else { 10_000 } {
            model.push((Kept::of(&key(port), &mut places), port));
            if rng.u8(..10) < 9 {
                let (mut kept, port) = model.swap_remove(rng.usize(..model.len()));
                assert!(kept.is(&key(port), &places) && !kept.is(&key(port + 1), &places));
                places.give_back(&mut kept);
                assert_eq!(kept.place(), None);
            }
            places.prefetch(&Kept::NONE);
        }
        assert!(model.len() < places.len as usize && places.len < 1_500, "{}", places.len);
        assert!(model.iter().all(|(kept, port)| kept.key(&places) == key(*port)));
    }
}
