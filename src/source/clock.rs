//! The unit of pcapng time stamps, `if_tsresol` and `if_tsoffset`.

use crate::base::Timestamp;

/// Converts the 64-bit time stamps of one interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Clock {
    unit: Unit,
    /// `if_tsoffset`: seconds to add.
    offset_s: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many nanoseconds each.
    Nanos(u64),
    /// So many of them in a nanosecond.
    PerNano(u128),
    /// 2^n of them in a second.
    Binary(u32),
}

impl Clock {
    /// From the octet of `if_tsresol`: a negative power of ten, or of two when the top bit is set.
    pub(super) fn new(tsresol: u8, offset_s: i64) -> Self {
        let exponent = u32::from(tsresol & 0x7f);
        let unit = match (tsresol & 0x80 != 0, exponent) {
            (true, _) => Unit::Binary(exponent),
            (false, 0..=9) => Unit::Nanos(10u64.pow(9 - exponent)),
            // Beyond 10^38 units in a nanosecond the largest time stamp is still less than one.
            (false, _) => Unit::PerNano(10u128.checked_pow(exponent - 9).unwrap_or(u128::MAX)),
        };
        Self { unit, offset_s }
    }

    /// The moment of a time stamp, cut to whole nanoseconds; saturates.
    #[inline]
    pub(super) fn timestamp(self, units: u64) -> Timestamp {
        if let Unit::Nanos(nanos) = self.unit
            && self.offset_s == 0
            && let Some(total) = units.checked_mul(nanos)
            && let Ok(total) = i64::try_from(total)
        {
            return Timestamp(total);
        }
        self.timestamp_wide(units)
    }

    #[cold]
    fn timestamp_wide(self, units: u64) -> Timestamp {
        let units = u128::from(units);
        let nanos = match self.unit {
            Unit::Nanos(each) => units * u128::from(each),
            Unit::PerNano(per) => units / per,
            Unit::Binary(exponent) => (units * 1_000_000_000) >> exponent,
        };
        // At most 2^64 seconds in nanoseconds, 2^94: the sum cannot leave 128 bits.
        let total = nanos.cast_signed() + i128::from(self.offset_s) * 1_000_000_000;
        Timestamp(i64::try_from(total).unwrap_or(if total < 0 { i64::MIN } else { i64::MAX }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_and_two_give_nanoseconds() {
        assert_eq!(Clock::new(6, 0).timestamp(1_700_000_000_123_456).0, 1_700_000_000_123_456_000);
        assert_eq!(Clock::new(9, 0).timestamp(7).0, 7);
        assert_eq!(Clock::new(0, 0).timestamp(7).0, 7_000_000_000);
        assert_eq!(Clock::new(12, 0).timestamp(7_999).0, 7);
        assert_eq!(Clock::new(0x80 | 10, 0).timestamp(1024 + 512).0, 1_500_000_000);
        assert_eq!(Clock::new(0x80 | 63, 0).timestamp(1 << 62).0, 500_000_000);
        assert_eq!(Clock::new(0x80, 0).timestamp(3).0, 3_000_000_000);
    }

    #[test]
    fn an_offset_is_in_seconds_and_may_be_negative() {
        assert_eq!(Clock::new(6, -1).timestamp(500_000).0, -500_000_000);
        assert_eq!(Clock::new(9, 1_700_000_000).timestamp(5).0, 1_700_000_000_000_000_005);
    }

    #[test]
    fn extremes_saturate() {
        assert_eq!(Clock::new(0, 0).timestamp(u64::MAX).0, i64::MAX);
        assert_eq!(Clock::new(0, i64::MAX).timestamp(u64::MAX).0, i64::MAX);
        assert_eq!(Clock::new(6, i64::MIN).timestamp(0).0, i64::MIN);
        assert_eq!(Clock::new(127, 0).timestamp(u64::MAX).0, 0);
        assert_eq!(Clock::new(0xff, 0).timestamp(u64::MAX).0, 0);
    }
}
