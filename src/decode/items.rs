//! What frames held, in the order of their octets.

use std::ops::Deref;

use super::Item;

/// Segments and ICMP errors of one frame or of several, in room that is used again. A place is written where it stands:
/// building an item elsewhere to copy it in costs more than reading the header it comes from.
#[derive(Debug, Default)]
pub struct Items {
    places: Vec<Item>,
    used: usize,
}

impl Items {
    /// Adds one and lends its place.
    #[inline]
    pub fn add(&mut self, item: Item) -> &mut Item {
        let at = self.used;
        self.used += 1;
        if at == self.places.len() {
            self.places.push(item);
        } else {
            self.places[at] = item;
        }
        &mut self.places[at]
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
