//! What frames held, in the order of their octets.

use std::ops::Deref;

use super::Item;
use crate::segment::Segment;

/// Segments and ICMP errors of one frame or of several, in room that is used again. A place is written where it stands:
/// building an item elsewhere to copy it in costs more than reading the header it comes from.
#[derive(Debug, Default)]
pub struct Items {
    places: Vec<Item>,
    used: usize,
}

impl Items {
    /// Adds a segment and lends its place, in which another stood before: each field is to be written.
    #[inline(always)]
    pub(super) fn segment(&mut self) -> &mut Segment {
        let place = self.place();
        if !matches!(place, Item::Segment(_)) {
            *place = Item::Segment(Segment::BLANK);
        }
        let Item::Segment(segment) = place else { unreachable!("it was just made one") };
        segment
    }

    /// Adds one and lends its place.
    #[inline]
    pub fn add(&mut self, item: Item) -> &mut Item {
        let place = self.place();
        *place = item;
        place
    }

    #[inline(always)]
    fn place(&mut self) -> &mut Item {
        let at = self.used;
        self.used = at + 1;
        if at < self.places.len() { &mut self.places[at] } else { self.make_room() }
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self) -> &mut Item {
        self.places.push_mut(Item::Segment(Segment::BLANK))
    }

    /// Keeps the first `len` and the room of the others.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.used = self.used.min(len);
    }

    /// Keeps the room only.
    #[inline]
    pub fn clear(&mut self) {
        self.used = 0;
    }
}

impl Deref for Items {
    type Target = [Item];

    #[inline]
    fn deref(&self) -> &[Item] {
        &self.places[..self.used]
    }
}
