//! Room for packed segments that do not fit into the record of their connection: places of a few sizes, side by side in large pieces
//! of memory. A general allocator would add its own octets to each, take longer, and leave holes between long-lived ones.

use crate::base::prefetch::{LINE_BYTES, prefetch_at};

/// Octets of the places of each size; a connection that needs more is tracked.
const SIZES: [usize; 10] = [64, 96, 128, 176, 224, 320, 448, 640, 832, 1_056];

/// Octets that are allocated together.
const PIECE: usize = 1 << 16;

/// Octets by which places are counted: all sizes are multiples.
const UNIT: usize = 16;
const UNITS: usize = PIECE / UNIT;

/// Where a place is has 28 bits, and its size four: 4 GiB can be told apart.
const AT_BITS: u32 = 28;

/// Where something lies, and how large its place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u32);

impl Place {
    /// Nowhere.
    pub const NONE: Self = Self(u32::MAX);

    #[inline]
    fn new(size: usize, at: u32) -> Self {
        Self((size as u32) << AT_BITS | at)
    }

    /// Which of the sizes.
    #[inline]
    fn size(self) -> usize {
        (self.0 >> AT_BITS) as usize
    }

    /// How many octets; none nowhere.
    #[inline]
    pub fn len(self) -> usize {
        const LENS: [usize; 16] = {
            let mut lens = [0; 16];
            let mut size = 0;
            while size < SIZES.len() {
                assert!(SIZES[size].is_multiple_of(UNIT));
                lens[size] = SIZES[size];
                size += 1;
            }
            lens
        };
        LENS[self.size()]
    }

    /// The piece that it lies in, and from which octet on.
    #[inline]
    fn at(self) -> (usize, usize) {
        let at = (self.0 & ((1 << AT_BITS) - 1)) as usize;
        (at / UNITS, at % UNITS * UNIT)
    }
}

/// Places by size.
#[derive(Debug, Default)]
pub struct Shelves {
    pieces: Vec<Box<[u8; PIECE]>>,
    shelves: [Shelf; SIZES.len()],
}

/// Places of one size.
#[derive(Debug, Default)]
struct Shelf {
    /// Where the next place is that was never taken, and how many there are in its piece.
    next: u32,
    left: u32,
    /// Those that are free again; the last one is taken first, since it is still in the cache.
    free: Vec<Place>,
}

impl Shelves {
    /// The place and perhaps more behind it, or nothing.
    #[inline]
    pub(super) fn get(&self, place: Place) -> &[u8] {
        let (piece, at) = place.at();
        self.pieces.get(piece).map(|piece| &piece[at..]).unwrap_or_default()
    }

    /// What lies behind the first `used` octets of the place, which has room for `len`, and perhaps more behind it: a larger one, with those that are
    /// used, if it has too little. None when there may be no larger one.
    #[inline(always)]
    pub(super) fn room(&mut self, place: &mut Place, used: usize, len: usize) -> Option<&mut [u8]> {
        if place.len() < len {
            *place = self.larger(*place, used, len)?;
        }
        let (piece, at) = place.at();
        self.pieces.get_mut(piece)?.get_mut(at + used..)
    }

    /// Moves what lies in `place` to a larger one.
    #[cold]
    #[inline(never)]
    fn larger(&mut self, place: Place, used: usize, len: usize) -> Option<Place> {
        let larger = self.take(SIZES.iter().position(|&size| size >= len)?)?;
        if used > 0 {
            let ((from_piece, from), (to_piece, to)) = (place.at(), larger.at());
            if from_piece == to_piece {
                self.pieces[to_piece].copy_within(from..from + used, to);
            } else if let Ok([old, new]) = self.pieces.get_disjoint_mut([from_piece, to_piece]) {
                new[to..to + used].copy_from_slice(&old[from..from + used]);
            }
        }
        self.put_back(place);
        Some(larger)
    }

    /// A place that nobody has.
    fn take(&mut self, size: usize) -> Option<Place> {
        let shelf = &mut self.shelves[size];
        if let Some(place) = shelf.free.pop() {
            return Some(place);
        }
        if shelf.left == 0 {
            let first = self.pieces.len() * UNITS;
            // The very last would be nowhere.
            shelf.next = u32::try_from(first).ok().filter(|_| first + UNITS < 1 << AT_BITS)?;
            shelf.left = (PIECE / SIZES[size]) as u32;
            self.pieces.push(vec![0; PIECE].into_boxed_slice().try_into().ok()?);
        }
        let place = Place::new(size, shelf.next);
        shelf.next += (SIZES[size] / UNIT) as u32;
        shelf.left -= 1;
        Some(place)
    }

    /// Nobody needs the place any more.
    #[inline]
    pub(super) fn put_back(&mut self, place: Place) {
        if let Some(shelf) = self.shelves.get_mut(place.size()) {
            shelf.free.push(place);
        }
    }

    /// Begins to bring into the cache the lines that lie so many octets behind the beginning of the place; nowhere, any lines.
    #[inline]
    pub(super) fn prefetch<const LINES: usize>(&self, place: Place, lines: [usize; LINES]) {
        let (piece, at) = place.at();
        // A choice of values, where nobody can guess whether there is a place.
        let Some(last) = self.pieces.len().checked_sub(1) else { return };
        let piece = &self.pieces[piece.min(last)];
        for octet in lines {
            prefetch_at(&piece[..], at + octet);
        }
    }

    /// The same of the lines before.
    #[inline]
    pub(super) fn prefetch_before(&self, place: Place, used: usize) {
        let mut at = 0;
        while at < used {
            self.prefetch(place, [at]);
            at += LINE_BYTES;
        }
    }

    /// Nobody needs any place.
    pub fn clear(&mut self) {
        *self = Self::default();
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
                0 | 2 => model.push((Place::NONE, Vec::new())),
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
                            room[..more.len()].copy_from_slice(&more);
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
