//! A line of JSON being put down, in room that is used again.

use std::{fmt, io};

use super::pen::{Clock, Pen};

/// The room is there before the octets are.
#[derive(Debug, Default)]
pub(super) struct Line {
    room: Vec<u8>,
    len: usize,
    clock: Clock,
}

impl Line {
    /// Appends what `write` writes. It is asked again, in more room, when that was too small.
    #[inline]
    pub fn compose(&mut self, mut write: impl for<'a> FnMut(Pen<'a>, &mut Clock) -> Pen<'a>) {
        loop {
            let left = write(Pen::new(&mut self.room[self.len..]), &mut self.clock).left();
            if let Some(left) = left {
                self.len = self.room.len() - left;
                return;
            }
            self.grow(2 * self.room.len());
        }
    }

    /// Appends octets as they are.
    #[inline]
    pub fn put(&mut self, octets: &[u8]) {
        let to = self.len + octets.len();
        if to > self.room.len() {
            self.grow(to);
        }
        if let Some(place) = self.room.get_mut(self.len..to) {
            place.copy_from_slice(octets);
        }
        self.len = to;
    }

    /// What was written.
    pub fn octets(&self) -> &[u8] {
        &self.room[..self.len]
    }

    /// Keeps the first `len` octets.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, to: usize) {
        self.room.resize(to.next_power_of_two().max(4096), 0);
    }
}

/// Nothing in `text` has to be escaped. Looks at eight octets at once, the last eight perhaps again.
#[inline]
pub(super) fn is_plain(text: &str) -> bool {
    let octets = text.as_bytes();
    let Some(last) = octets.last_chunk() else { return octets.iter().all(|&octet| is_plain_octet(octet)) };
    octets.as_chunks().0.iter().chain([last]).all(|eight| are_plain(*eight))
}

#[inline]
fn is_plain_octet(octet: u8) -> bool {
    octet >= 0x20 && octet != b'"' && octet != b'\\'
}

#[inline]
fn are_plain(octets: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The highest bit of each octet that is below `than`; above an octet where that is so, it may be set in error.
    let below = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word & (ONES << 7);
    let word = u64::from_ne_bytes(octets);
    let equal = |octet: u8| below(word ^ (ONES * u64::from(octet)), 1);
    below(word, 0x20) | equal(b'"') | equal(b'\\') == 0
}

impl io::Write for Line {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.put(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Write for Line {
    #[inline]
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}
