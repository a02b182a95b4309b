//! Room for records that never moves: growing copies nothing and needs no second room as large as the first.

use std::ops::{Index, IndexMut};

use super::record::Record;

/// Records that are allocated together, as a power of two: 40 KiB, which few connections fill.
const CHUNK_BITS: u32 = 8;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Records by number, in chunks.
#[derive(Debug, Default)]
pub(super) struct Slab {
    /// Of a length that the compiler knows, so that a record is found with one comparison.
    chunks: Vec<Box<[Record; CHUNK]>>,
    /// Records that were added. Those behind them are vacant.
    len: usize,
}

impl Slab {
    /// Records, vacant ones among them.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds a vacant record and gives its number.
    pub fn add(&mut self) -> u32 {
        let slot = self.len;
        if slot == self.chunks.len() * CHUNK {
            let chunk: Vec<Record> = std::iter::repeat_with(Record::vacant).take(CHUNK).collect();
            let Ok(chunk) = chunk.into_boxed_slice().try_into() else { unreachable!("it has this length") };
            self.chunks.push(chunk);
        }
        self.len += 1;
        slot as u32
    }

    #[inline]
    pub fn get(&self, slot: u32) -> Option<&Record> {
        Some(&self.chunks.get(slot as usize >> CHUNK_BITS)?[slot as usize & (CHUNK - 1)])
    }

    #[inline]
    pub fn get_mut(&mut self, slot: u32) -> Option<&mut Record> {
        Some(&mut self.chunks.get_mut(slot as usize >> CHUNK_BITS)?[slot as usize & (CHUNK - 1)])
    }

    /// In the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).take(self.len)
    }

    pub fn clear(&mut self) {
        *self = Self::default();
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
