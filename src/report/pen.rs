//! Letters of JSON going down into room that is there. Most of what a record holds is short: a piece of known length is a comparison and
//! a few moves, a number and a moment are written where they stand. What is left of the room passes from hand to hand and so stays in
//! registers; a room that turns out too small is left as it is, and whoever lent it begins again in a larger one.

use std::fmt::{self, Write as _};
use std::net::Ipv4Addr;

use super::line::is_plain;
use crate::base::Timestamp;

/// What is left of the room. Nothing at all is left once something did not fit.
#[derive(Debug)]
#[must_use]
pub(super) struct Pen<'a> {
    rest: &'a mut [u8],
}

/// The second that was written last, and how: the next moment is mostly in the same.
#[derive(Debug)]
pub(super) struct Clock {
    second: Option<i64>,
    letters: [u8; 32],
}

/// Text of a few octets in a place of `N`: it is put down in moves of known length, the room behind it with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<const N: usize> {
    octets: [u8; N],
    len: usize,
}

impl<const N: usize> Piece<N> {
    /// `before`, `word` and `after`, which need no escape, beside each other. They must not be longer than `N`.
    pub const fn of(before: &str, word: &str, after: &str) -> Self {
        let (mut octets, mut len, mut which) = ([b' '; N], 0, 0);
        while which < 3 {
            let part = [before, word, after][which].as_bytes();
            let mut at = 0;
            while at < part.len() {
                octets[len] = part[at];
                (len, at) = (len + 1, at + 1);
            }
            which += 1;
        }
        Self { octets, len }
    }
}

/// The numbers that an octet can be.
static OCTETS: [Piece<3>; 256] = {
    let mut pieces = [Piece { octets: [b' '; 3], len: 0 }; 256];
    let mut number = 0;
    while number < 256 {
        let digits = [b'0' + (number / 100) as u8, b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8];
        pieces[number] = match number {
            0..10 => Piece { octets: [digits[2], b' ', b' '], len: 1 },
            10..100 => Piece { octets: [digits[1], digits[2], b' '], len: 2 },
            _ => Piece { octets: digits, len: 3 },
        };
        number += 1;
    }
    pieces
};

/// The eight digits of a number below 100,000,000, the first in the lowest octet and none of them a letter yet: halves, quarters and
/// digits are told apart side by side, by factors in place of divisions.
#[inline(always)]
fn eight_digits(number: u32) -> u64 {
    let halves = u64::from(number / 10_000) | u64::from(number % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x7f_0000_007f;
    let quarters = hundreds | (halves - 100 * hundreds) << 16;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (quarters - 10 * tens) << 8
}

/// What makes letters of eight digits.
const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);

impl<'a> Pen<'a> {
    pub fn new(room: &'a mut [u8]) -> Self {
        Self { rest: room }
    }

    /// What was not written on; none when something did not fit.
    pub fn left(self) -> Option<usize> {
        Some(self.rest.len()).filter(|&left| left > 0)
    }

    #[cold]
    fn full() -> Self {
        Self { rest: &mut [] }
    }

    /// Appends octets whose number is known to the compiler.
    #[inline(always)]
    pub fn literal<const N: usize>(self, octets: &[u8; N]) -> Self {
        match self.rest.split_first_chunk_mut() {
            Some((place, rest)) => {
                *place = *octets;
                Self { rest }
            }
            None => Self::full(),
        }
    }

    /// Appends a piece.
    #[inline(always)]
    pub fn piece<const N: usize>(self, piece: &Piece<N>) -> Self {
        match self.rest.first_chunk_mut() {
            Some(place) => *place = piece.octets,
            None => return Self::full(),
        }
        Self { rest: self.rest.get_mut(piece.len..).unwrap_or_default() }
    }

    /// Appends octets as they are.
    #[inline]
    pub fn put(self, octets: &[u8]) -> Self {
        match self.rest.split_at_mut_checked(octets.len()) {
            Some((place, rest)) => {
                place.copy_from_slice(octets);
                Self { rest }
            }
            None => Self::full(),
        }
    }

    /// Appends text of a few octets as it is: two moves that may overlap cost less than a call.
    #[inline(always)]
    pub fn short(self, text: &str) -> Self {
        let octets = text.as_bytes();
        let Some((place, rest)) = self.rest.split_at_mut_checked(octets.len()) else { return Self::full() };
        if !(copy_overlapping::<8>(octets, place) || copy_overlapping::<4>(octets, place)) {
            if octets.len() > 16 {
                place.copy_from_slice(octets);
            } else {
                place.iter_mut().zip(octets).for_each(|(place, octet)| *place = *octet);
            }
        }
        Self { rest }
    }

    /// Appends a string that holds nothing to escape: a name of this program.
    #[inline(always)]
    pub fn name(self, name: &'static str) -> Self {
        debug_assert!(is_plain(name), "{name:?}");
        self.literal(b"\"").short(name).literal(b"\"")
    }

    /// Appends any string.
    #[inline]
    pub fn text(self, text: &str) -> Self {
        if is_plain(text) {
            self.literal(b"\"").put(text.as_bytes()).literal(b"\"")
        } else {
            // No string fails to be one of JSON.
            self.put(serde_json::to_string(text).unwrap_or_default().as_bytes())
        }
    }

    /// Appends a number.
    #[inline(always)]
    pub fn number(self, number: u64) -> Self {
        // Most counters of a connection stand at 0 or little more.
        if number < 10 { self.literal(&[b'0' + number as u8]) } else { self.large(number) }
    }

    /// Appends a number of two digits or more.
    #[inline(always)]
    fn large(self, number: u64) -> Self {
        if number >= 100_000_000 {
            return self.huge(number);
        }
        let digits = eight_digits(number as u32);
        let zeros = digits.trailing_zeros() / 8;
        let Some(place) = self.rest.first_chunk_mut() else { return Self::full() };
        *place = ((digits | ZEROS) >> (8 * (zeros & 7))).to_le_bytes();
        Self { rest: self.rest.get_mut(8 - zeros as usize..).unwrap_or_default() }
    }

    #[cold]
    fn huge(self, number: u64) -> Self {
        self.short(itoa::Buffer::new().format(number))
    }

    /// Appends an address of IPv4.
    #[inline]
    pub fn ip_v4(self, ip: Ipv4Addr) -> Self {
        let [a, b, c, d] = ip.octets();
        self.octet(a).literal(b".").octet(b).literal(b".").octet(c).literal(b".").octet(d)
    }

    #[inline(always)]
    fn octet(self, octet: u8) -> Self {
        self.piece(&OCTETS[usize::from(octet)])
    }

    /// Appends a number that may be below 0.
    #[inline]
    pub fn signed(self, number: i64) -> Self {
        let pen = if number < 0 { self.literal(b"-") } else { self };
        pen.number(number.unsigned_abs())
    }

    /// Appends what may be missing.
    #[inline(always)]
    pub fn maybe<T>(self, value: Option<T>, put: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => put(self, value),
            None => self.literal(b"null"),
        }
    }

    /// Appends an array.
    #[inline(always)]
    pub fn array<T>(self, values: impl IntoIterator<Item = T>, mut put: impl FnMut(Self, T) -> Self) -> Self {
        let mut pen = self.literal(b"[");
        for (at, value) in values.into_iter().enumerate() {
            pen = put(if at > 0 { pen.literal(b",") } else { pen }, value);
        }
        pen.literal(b"]")
    }

    /// Appends a moment as a string.
    #[inline]
    pub fn moment(self, moment: Timestamp, clock: &mut Clock) -> Self {
        let (second, nanos) = (moment.0.div_euclid(1_000_000_000), moment.0.rem_euclid(1_000_000_000) as u32);
        if clock.second != Some(second) {
            clock.turn_to(second, moment);
        }
        let Some((place, rest)) = self.rest.split_first_chunk_mut::<32>() else { return Self::full() };
        *place = clock.letters;
        place[21..29].copy_from_slice(&(eight_digits(nanos / 10) | ZEROS).to_le_bytes());
        place[29] = b'0' + (nanos % 10) as u8;
        Self { rest }
    }

    /// Appends what `value` says of itself, as it is.
    pub fn display(self, value: impl fmt::Display) -> Self {
        let mut slots = Slots(self);
        // That it did not fit shows in what is left.
        let _ = write!(slots, "{value}");
        slots.0
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self { second: None, letters: [b'"'; 32] }
    }
}

impl Clock {
    /// Another day is asked of the calendar, another second of the same counted.
    #[inline(never)]
    fn turn_to(&mut self, second: i64, moment: Timestamp) {
        let day_of = |second: i64| second.div_euclid(86_400);
        if self.second.is_some_and(|last| day_of(last) == day_of(second)) {
            let of_day = second.rem_euclid(86_400) as u32;
            // HHMMSS and two digits more: where the colons stand, others are put.
            let digits = eight_digits(of_day / 3_600 * 1_000_000 + of_day / 60 % 60 * 1_000 + of_day % 60) | ZEROS;
            let mut time = digits.to_le_bytes();
            (time[2], time[5]) = (b':', b':');
            self.letters[12..20].copy_from_slice(&time);
        } else {
            self.letters[1..31].copy_from_slice(&moment.letters());
        }
        self.second = Some(second);
    }
}

/// A pen for whoever writes through a reference.
struct Slots<'a>(Pen<'a>);

impl fmt::Write for Slots<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = Pen { rest: std::mem::take(&mut self.0.rest) }.put(text.as_bytes());
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::line::Line;

    #[test]
    fn pieces_of_every_length_and_numbers_of_every_size_are_put_down() {
        let letters = "abcdefghijklmnopqrstuvwxyz0123456789";
        let mut rng = fastrand::Rng::with_seed(8);
        let (mut line, mut expected) = (Line::default(), String::new());
        for len in 0..letters.len() {
            line.compose(|pen, _| pen.short(&letters[..len]));
            expected += &letters[..len];
        }
        let random = (0..64).flat_map(|bits| (0..50).map(move |_| bits)).map(|bits| rng.u64(..) >> bits);
        let edges = (0..20).map(|power| 10_u64.pow(power)).flat_map(|power| [power - 1, power, power + 1]);
        for number in random.chain(edges).collect::<Vec<u64>>() {
            line.compose(|pen, _| pen.number(number).signed(number.cast_signed()).display(number));
            expected += &format!("{number}{}{number}", number.cast_signed());
        }
        assert_eq!(std::str::from_utf8(line.octets()), Ok(expected.as_str()));
    }

    #[test]
    fn what_does_not_fit_is_written_whole_in_more_room() {
        fn written(pen: Pen<'_>) -> Option<usize> {
            pen.text("tab\there").number(123_456).name("name").display(5).maybe(None, Pen::number).left()
        }
        let expected = "\"tab\\there\"123456\"name\"5null";
        for room in 0..80 {
            let mut octets = vec![0; room];
            match written(Pen::new(&mut octets)) {
                Some(left) => assert_eq!(&octets[..room - left], expected.as_bytes()),
                None => assert!(room <= expected.len() + 8, "{room}"),
            }
        }
    }

    #[test]
    fn moments_are_those_of_the_clock_whatever_was_written_before() {
        let mut rng = fastrand::Rng::with_seed(9);
        let mut at = -3_000_000_000_i64;
        let mut line = Line::default();
        for _ in 0..2_000 {
            at += rng.i64(-400_000_000..800_000_000);
            for at in [at, at + rng.i64(0..900_000_000), i64::MIN, i64::MAX, at] {
                line.truncate(0);
                line.compose(|pen, clock| pen.moment(Timestamp(at), clock));
                assert_eq!(line.octets(), format!("\"{}\"", Timestamp(at)).as_bytes());
            }
        }
    }
}
