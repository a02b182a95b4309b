//! TCP sequence numbers: 32 bits that wrap (RFC 9293, section 3.4).

use std::fmt;
use std::ops::{Add, Sub};

/// A sequence or acknowledgment number. Arithmetic wraps and never panics; comparisons are made on the circle, so
/// they mean something only for numbers less than 2^31 apart, and there is no `Ord`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Seq(pub u32);

impl Seq {
    /// Signed distance from `base` to `self` on the circle: positive when `self` is later.
    #[inline]
    pub const fn since(self, base: Seq) -> i32 {
        self.0.wrapping_sub(base.0).cast_signed()
    }

    /// `self` is earlier than `other`.
    #[inline]
    pub const fn before(self, other: Seq) -> bool {
        self.since(other) < 0
    }

    /// `self` is later than `other`.
    #[inline]
    pub const fn after(self, other: Seq) -> bool {
        self.since(other) > 0
    }

    /// `self` is `other` or later.
    #[inline]
    pub const fn at_or_after(self, other: Seq) -> bool {
        self.since(other) >= 0
    }

    /// `self` is `other` or earlier.
    #[inline]
    pub const fn at_or_before(self, other: Seq) -> bool {
        self.since(other) <= 0
    }

    /// The later of the two.
    #[inline]
    pub const fn later(self, other: Seq) -> Seq {
        if self.before(other) { other } else { self }
    }

    /// `self` lies in the half-open window `[from, from + length)`.
    #[inline]
    pub const fn within(self, from: Seq, length: u32) -> bool {
        self.0.wrapping_sub(from.0) < length
    }
}

impl Add<u32> for Seq {
    type Output = Seq;

    #[inline]
    fn add(self, octets: u32) -> Seq {
        Seq(self.0.wrapping_add(octets))
    }
}

impl Sub<u32> for Seq {
    type Output = Seq;

    #[inline]
    fn sub(self, octets: u32) -> Seq {
        Seq(self.0.wrapping_sub(octets))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_holds_across_the_wrap() {
        let before = Seq(u32::MAX - 1);
        let after = before + 4;
        assert_eq!(after, Seq(2));
        assert!(before.before(after) && after.after(before));
        assert_eq!(after.since(before), 4);
        assert_eq!(before.later(after), after);
    }

    #[test]
    fn a_window_may_span_the_wrap_and_excludes_its_end() {
        let from = Seq(u32::MAX - 1);
        assert!(Seq(0).within(from, 3));
        assert!(!Seq(1).within(from, 3));
        assert!(!from.within(from, 0));
    }
}
