//! Room for records that never moves: growing copies nothing and needs no second room as large as the first.

use std::ops::{Index, IndexMut};

use super::record::Record;

/// Records that are allocated together, as a power of two.
const CHUNK_BITS: u32 = 10;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Records by number, in chunks.
#[derive(Debug, Default)]
pub(super) struct Slab {
    /// All but the last are full.
    chunks: Vec<Vec<Record>>,
}

impl Slab {
    /// Records, vacant ones among them.
    #[inline]
    pub fn len(&self) -> usize {
        match self.chunks.last() {
            Some(last) => (self.chunks.len() - 1) * CHUNK + last.len(),
            None => 0,
        }
    }

    /// Adds a vacant record and gives its number.
    pub fn add(&mut self) -> u32 {
        let slot = self.len();
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => last.push(Record::vacant()),
            _ => {
                // Few connections need no whole chunk.
                let mut chunk = if slot == 0 { Vec::new() } else { Vec::with_capacity(CHUNK) };
                chunk.push(Record::vacant());
                self.chunks.push(chunk);
            }
        }
        slot as u32
    }

    #[inline]
    pub fn get(&self, slot: u32) -> Option<&Record> {
        self.chunks.get(slot as usize >> CHUNK_BITS)?.get(slot as usize & (CHUNK - 1))
    }

    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Record> {
        self.chunks.get_mut(slot as usize >> CHUNK_BITS)?.get_mut(slot as usize & (CHUNK - 1))
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.chunks.iter().flatten()
    }

    pub fn clear(&mut self) {
        self.chunks.clear();
    }
}

impl Index<usize> for Slab {
    type Output = Record;

    #[inline]
    fn index(&self, slot: usize) -> &Record {
        &self.chunks[slot >> CHUNK_BITS][slot & (CHUNK - 1)]
    }
}

impl IndexMut<usize> for Slab {
    #[inline]
    fn index_mut(&mut self, slot: usize) -> &mut Record {
        &mut self.chunks[slot >> CHUNK_BITS][slot & (CHUNK - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_numbers_across_chunks() {
        let mut slab = Slab::default();
        for stream in 0..3 * CHUNK as u64 {
            let slot = slab.add() as usize;
            slab[slot].stream = stream;
        }
        assert_eq!(slab.len(), 3 * CHUNK);
        assert!(slab.iter().zip(0..).all(|(record, stream)| record.stream == stream));
        assert_eq!(slab.get(CHUNK as u32 + 1).map(|record| record.stream), Some(CHUNK as u64 + 1));
        assert!(slab.get(3 * CHUNK as u32).is_none());
    }
}
