//! Room for packed segments that do not fit into the record of their connection: places of a few sizes, side by side in large pieces
//! of memory. A general allocator would add its own octets to each, take longer, and leave holes between long-lived ones.

use crate::base::prefetch::prefetch;

/// Octets of the places of each size; a connection that needs more is tracked.
const SIZES: [usize; 10] = [48, 80, 112, 160, 224, 320, 448, 640, 832, 1_056];

/// Octets that are allocated together, at most.
const PIECE: usize = 1 << 16;

/// Places have 28 bits, and their sizes four.
const PLACE_BITS: u32 = 28;

/// Where something lies, and how large its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// Nowhere.
    pub const NONE: Self = Self(u32::MAX);

    #[inline]
    fn size(self) -> usize {
        (self.0 >> PLACE_BITS) as usize
    }

    #[inline]
    fn number(self) -> u32 {
        self.0 & ((1 << PLACE_BITS) - 1)
    }
}

/// Places by size.
#[derive(Debug)]
pub struct Shelves([Shelf; SIZES.len()]);

/// Places of one size.
#[derive(Debug)]
struct Shelf {
    /// All as long as a power of two of places.
    pieces: Vec<Box<[u8]>>,
    /// Octets of a place.
    size: usize,
    /// Places of a piece, as a power of two.
    piece_bits: u32,
    /// Places that were ever taken.
    used: u32,
    /// Those that are free again; the last one is taken first, since it is still in the cache.
    free: Vec<u32>,
}

impl Default for Shelves {
    fn default() -> Self {
        Self(SIZES.map(|size| Shelf {
            pieces: Vec::new(),
            size,
            piece_bits: (PIECE / size).ilog2(),
            used: 0,
            free: Vec::new(),
        }))
    }
}

impl Shelves {
    /// The place and perhaps more behind it, or nothing.
    #[inline]
    pub(super) fn get(&self, place: Place) -> &[u8] {
        self.0.get(place.size()).and_then(|shelf| shelf.get(place.number())).unwrap_or_default()
    }

    /// The place with room for `len` octets: a larger one with the first `used` of them if it has too little. None when there
    /// may be no larger one.
    #[inline]
    pub(super) fn room(&mut self, place: &mut Place, used: usize, len: usize) -> Option<&mut [u8]> {
        if SIZES.get(place.size()).is_none_or(|&size| size < len) {
            *place = self.larger(*place, used, len)?;
        }
        self.0[place.size()].get_mut(place.number())
    }

    /// Moves what lies in `place` to a larger one.
    #[cold]
    #[inline(never)]
    fn larger(&mut self, place: Place, used: usize, len: usize) -> Option<Place> {
        let size = SIZES.iter().position(|&size| size >= len)?;
        let number = self.0[size].take()?;
        let (smaller, larger) = self.0.split_at_mut(size);
        if let Some(old) = smaller.get_mut(place.size()) {
            if let (Some(from), Some(to)) = (old.get(place.number()), larger[0].get_mut(number)) {
                to[..used].copy_from_slice(&from[..used]);
            }
            old.free.push(place.number());
        }
        Some(Place((size as u32) << PLACE_BITS | number))
    }

    /// Nobody needs the place any more.
    #[inline]
    pub(super) fn put_back(&mut self, place: Place) {
        if let Some(shelf) = self.0.get_mut(place.size()) {
            shelf.free.push(place.number());
        }
    }

    /// Begins to bring the line into the cache that lies `used` octets behind the beginning of the place.
    #[inline]
    pub(super) fn prefetch(&self, place: Place, used: usize) {
        if let Some(octet) = self.get(place).get(used) {
            prefetch(octet);
        }
    }

    /// Nobody needs any place.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Shelf {
    #[inline]
    fn get(&self, number: u32) -> Option<&[u8]> {
        let at = (number as usize & ((1 << self.piece_bits) - 1)) * self.size;
        self.pieces.get(number as usize >> self.piece_bits)?.get(at..)
    }

    #[inline]
    fn get_mut(&mut self, number: u32) -> Option<&mut [u8]> {
        let at = (number as usize & ((1 << self.piece_bits) - 1)) * self.size;
        self.pieces.get_mut(number as usize >> self.piece_bits)?.get_mut(at..at + self.size)
    }

    /// A place that nobody has.
    fn take(&mut self) -> Option<u32> {
        if let Some(number) = self.free.pop() {
            return Some(number);
        }
        let number = self.used;
        if number >= (1 << PLACE_BITS) - 1 {
            return None;
        }
        if number as usize >> self.piece_bits == self.pieces.len() {
            self.pieces.push(vec![0; self.size << self.piece_bits].into_boxed_slice());
        }
        self.used += 1;
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_on_a_shelf_stays_as_it_grows_and_others_come_and_go() {
        let mut rng = fastrand::Rng::with_seed(6);
        let mut shelves = Shelves::default();
        let mut model: Vec<(Place, Vec<u8>)> = Vec::new();
        for _ in 0..if cfg!(miri) { 2_000 } else { 60_000 } {
            match rng.u32(0..10) {
                0 => model.push((Place::NONE, Vec::new())),
                1 if !model.is_empty() => {
                    let (place, octets) = model.swap_remove(rng.usize(..model.len()));
                    assert_eq!(shelves.get(place).get(..octets.len()).unwrap_or_default(), octets);
                    shelves.put_back(place);
                }
                _ => {
                    let Some(at) = model.len().checked_sub(1 + rng.usize(..model.len().clamp(1, 9))) else { continue };
                    let (place, octets) = &mut model[at];
                    let more: Vec<u8> = (0..rng.usize(1..40)).map(|_| rng.u8(..)).collect();
                    let len = octets.len() + more.len();
                    let before = *place;
                    match shelves.room(place, octets.len(), len) {
                        Some(room) => {
                            room[octets.len()..len].copy_from_slice(&more);
                            octets.extend(more);
                        }
                        None => assert!(len > SIZES[SIZES.len() - 1] && *place == before),
                    }
                }
            }
        }
        assert!(model.len() > 50);
        for (place, octets) in &model {
            assert_eq!(shelves.get(*place).get(..octets.len()).unwrap_or_default(), octets);
        }
        // No place is used twice.
        let mut places: Vec<u32> = model.iter().map(|(place, _)| place.0).filter(|&place| place != u32::MAX).collect();
        places.sort_unstable();
        assert!(places.is_sorted_by(|a, b| a < b));
    }
}
