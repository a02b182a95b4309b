//! A line of JSON being put down, in room that is used again. Most of what a record holds is short: a piece of known length is a
//! comparison and a few moves, a number and a moment are written where they stand.

use std::{fmt, io};

use crate::base::Timestamp;

/// The room is there before the octets are.
#[derive(Debug, Default)]
pub(super) struct Line {
    room: Vec<u8>,
    len: usize,
    /// The moment that was written last, and as what: the next one is mostly of the same second.
    moment: Option<(i64, [u8; 32])>,
}

/// What stands for the numbers below a hundred.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

impl Line {
    /// Appends octets as they are.
    #[inline(always)]
    pub fn put(&mut self, octets: &[u8]) {
        if let Some(place) = self.make_room(octets.len()) {
            place.copy_from_slice(octets);
        }
        self.len += octets.len();
    }

    /// Appends octets whose number is known to the compiler.
    #[inline(always)]
    pub fn literal<const N: usize>(&mut self, octets: &[u8; N]) {
        if let Some(place) = self.make_room(N).and_then(|place| place.first_chunk_mut()) {
            *place = *octets;
        }
        self.len += N;
    }

    /// Appends text of a few octets as it is: two moves that may overlap cost less than a call.
    #[inline(always)]
    pub fn short(&mut self, text: &str) {
        let octets = text.as_bytes();
        let Some(place) = self.make_room(octets.len()) else { return };
        if !(copy_overlapping::<8>(octets, place) || copy_overlapping::<4>(octets, place)) {
            if octets.len() > 16 {
                place.copy_from_slice(octets);
            } else {
                place.iter_mut().zip(octets).for_each(|(place, octet)| *place = *octet);
            }
        }
        self.len += octets.len();
    }

    /// Appends a string that holds nothing to escape: a name of this program.
    #[inline(always)]
    pub fn name(&mut self, name: &'static str) {
        debug_assert!(is_plain(name), "{name:?}");
        self.literal(b"\"");
        self.short(name);
        self.literal(b"\"");
    }

    /// Appends any string.
    #[inline]
    pub fn text(&mut self, text: &str) {
        if is_plain(text) {
            self.literal(b"\"");
            self.put(text.as_bytes());
            self.literal(b"\"");
        } else {
            // Writing into memory fails for no string.
            let _ = serde_json::to_writer(self, text);
        }
    }

    /// Appends a number.
    #[inline(always)]
    pub fn number(&mut self, number: u64) {
        // Most counters of a connection stand at 0 or little more.
        if number < 10 {
            self.literal(&[b'0' + number as u8]);
        } else {
            self.large(number);
        }
    }

    #[inline]
    fn large(&mut self, number: u64) {
        match number {
            0..100 => self.literal(&PAIRS[number as usize]),
            100..10_000 => {
                let (high, low) = (PAIRS[(number / 100) as usize], PAIRS[(number % 100) as usize]);
                if number < 1_000 {
                    self.literal(&[high[1], low[0], low[1]]);
                } else {
                    self.literal(&[high[0], high[1], low[0], low[1]]);
                }
            }
            _ => self.short(itoa::Buffer::new().format(number)),
        }
    }

    /// Appends a number that may be below 0.
    #[inline]
    pub fn signed(&mut self, number: i64) {
        if number < 0 {
            self.literal(b"-");
        }
        self.number(number.unsigned_abs());
    }

    /// Appends what may be missing.
    #[inline(always)]
    pub fn maybe<T>(&mut self, value: Option<T>, put: impl FnOnce(&mut Self, T)) {
        match value {
            Some(value) => put(self, value),
            None => self.literal(b"null"),
        }
    }

    /// Appends an array.
    #[inline(always)]
    pub fn array<T>(&mut self, values: impl IntoIterator<Item = T>, mut put: impl FnMut(&mut Self, T)) {
        self.literal(b"[");
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                self.literal(b",");
            }
            put(self, value);
        }
        self.literal(b"]");
    }

    /// Appends a moment as a string.
    #[inline]
    pub fn moment(&mut self, moment: Timestamp) {
        let (second, nanos) = (moment.0.div_euclid(1_000_000_000), moment.0.rem_euclid(1_000_000_000) as u32);
        let mut letters = match self.moment {
            Some((last, letters)) if last == second => letters,
            _ => self.another_second(second, moment),
        };
        let (high, low) = (nanos / 100_000, nanos % 100_000);
        [letters[21], letters[22]] = PAIRS[(high / 100) as usize];
        [letters[23], letters[24]] = PAIRS[(high % 100) as usize];
        [letters[25], letters[26]] = PAIRS[(low / 1_000) as usize];
        [letters[27], letters[28]] = PAIRS[(low / 10 % 100) as usize];
        letters[29] = b'0' + (low % 10) as u8;
        self.literal(&letters);
    }

    #[cold]
    fn another_second(&mut self, second: i64, moment: Timestamp) -> [u8; 32] {
        let mut letters = [b'"'; 32];
        letters[1..31].copy_from_slice(&moment.letters());
        self.moment = Some((second, letters));
        letters
    }

    /// What was written.
    pub fn octets(&self) -> &[u8] {
        &self.room[..self.len]
    }

    /// Keeps the first `len` octets.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// The next `len` octets of the room.
    #[inline(always)]
    fn make_room(&mut self, len: usize) -> Option<&mut [u8]> {
        let to = self.len + len;
        if to > self.room.len() {
            self.grow(to);
        }
        self.room.get_mut(self.len..to)
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, to: usize) {
        self.room.resize(to.next_power_of_two().max(4096), 0);
    }
}

/// Copies up to 2 * `N` octets by their first and their last `N`; false if there are fewer or more.
#[inline(always)]
fn copy_overlapping<const N: usize>(octets: &[u8], place: &mut [u8]) -> bool {
    let (Some(first), Some(last)) = (octets.first_chunk::<N>(), octets.last_chunk::<N>()) else { return false };
    if octets.len() > 2 * N {
        return false;
    }
    if let Some(place) = place.first_chunk_mut() {
        *place = *first;
    }
    if let Some(place) = place.last_chunk_mut() {
        *place = *last;
    }
    true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_every_length_and_numbers_of_every_size_are_put_down() {
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789";
        let mut rng = fastrand::Rng::with_seed(8);
        let (mut line, mut expected) = (Line::default(), String::new());
        for len in 0..letters.len() {
            line.short(&letters[..len]);
            expected += &letters[..len];
        }
        for bits in 0..64 {
            for _ in 0..50 {
                let number = rng.u64(..) >> bits;
                line.number(number);
                line.signed(number.cast_signed());
                expected += &format!("{number}{}", number.cast_signed());
            }
        }
        assert_eq!(std::str::from_utf8(line.octets()), Ok(expected.as_str()));
    }

    #[test]
    fn moments_are_those_of_the_clock_whatever_was_written_before() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut at = -3_000_000_000_i64;
        for _ in 0..2_000 {
            at += rng.i64(-400_000_000..800_000_000);
            let mut line = Line::default();
            for at in [at, at + rng.i64(0..900_000_000), i64::MIN, i64::MAX, at] {
                line.truncate(0);
                line.moment(Timestamp(at));
                assert_eq!(line.octets(), format!("\"{}\"", Timestamp(at)).as_bytes());
            }
        }
    }
}
