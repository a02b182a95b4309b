//! Packet time: the only clock the analysis knows.

use std::fmt;

/// Nanoseconds since 1970-01-01 UTC as the capture stamped them; 64 bits reach from 1677 to 2262, and what lies
/// outside saturates. Differences are signed: captures step back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Timestamp(pub i64);

/// The longest time between two moments, ns: 73 years. Stamps that lie farther apart are damaged, and what is judged by them may
/// double a time or add a few up without leaving 64 bits.
pub const SPAN_MAX_NS: i64 = (1 << 61) - 1;

const SPAN_MIN_NS: i64 = -SPAN_MAX_NS;

impl Timestamp {
    /// From whole seconds and nanoseconds; saturates.
    #[inline]
    pub const fn from_parts(seconds: i64, nanos: u32) -> Self {
        Self(seconds.saturating_mul(1_000_000_000).saturating_add(nanos as i64))
    }

    /// Nanoseconds from `earlier` to `self`, negative when `self` is the earlier one; [`SPAN_MAX_NS`] at most.
    #[inline]
    pub const fn since(self, earlier: Timestamp) -> i64 {
        match self.0.saturating_sub(earlier.0) {
            SPAN_MAX_NS.. => SPAN_MAX_NS,
            ..=SPAN_MIN_NS => SPAN_MIN_NS,
            ns => ns,
        }
    }

    /// This moment `nanos` later; saturates.
    #[inline]
    pub const fn plus(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339, UTC, with nine digits: `2026-11-21T03:31:00.000000001Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = self.letters();
        f.write_str(std::str::from_utf8(&letters).unwrap_or_default())
    }
}

impl Timestamp {
    /// The letters of RFC 3339, all of them ASCII. Every record has some ten such moments, so they are put together by
    /// hand; 64 bits of nanoseconds reach no year but one of four digits.
    pub fn letters(self) -> [u8; 30] {
        let (seconds, nanos) = (self.0.div_euclid(1_000_000_000), self.0.rem_euclid(1_000_000_000) as u32);
        let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
        let (year, month, day) = civil(days);
        let mut letters = *b"0000-00-00T00:00:00.000000000Z";
        let mut put = |at: usize, number: u32| {
            letters[at] = b'0' + (number / 10 % 10) as u8;
            letters[at + 1] = b'0' + (number % 10) as u8;
        };
        put(0, year / 100);
        put(2, year % 100);
        put(5, month);
        put(8, day);
        put(11, second / 3_600);
        put(14, second / 60 % 60);
        put(17, second % 60);
        put(20, nanos / 10_000_000);
        put(22, nanos / 100_000 % 100);
        put(24, nanos / 1_000 % 100);
        put(26, nanos / 10 % 100);
        letters[28] = b'0' + (nanos % 10) as u8;
        letters
    }
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar. Counted in eras of 400 years that begin
/// with March, so that a leap day is the last of its year.
fn civil(days: i64) -> (u32, u32, u32) {
    // 64 bits of nanoseconds lie within 300 years of 1970: the count from the year 0 on fits, and is not negative.
    let days = (days + 719_468) as u32;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_with_nanoseconds_and_leap_days() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(Timestamp::from_parts(951_782_400, 1).to_string(), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "2262-04-11T23:47:16.854775807Z");
    }

    #[test]
    fn every_moment_prints_as_a_calendar_prints_it() {
        let mut rng = fastrand::Rng::with_seed(3339);
        let edges = [i64::MIN, i64::MAX, -1, 0, 951_868_799_999_999_999, 4_107_542_400_000_000_000];
        for nanos in edges.into_iter().chain((0..20_000).map(|_| rng.i64(..))) {
            let moment = jiff::Timestamp::from_nanosecond(nanos.into()).unwrap();
            assert_eq!(Timestamp(nanos).to_string(), format!("{moment:.9}"));
        }
    }

    #[test]
    fn differences_are_bounded_instead_of_wrapping() {
        let (first, last) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
        assert_eq!((last.since(first), first.since(last)), (SPAN_MAX_NS, -SPAN_MAX_NS));
        assert_eq!(Timestamp(0).since(Timestamp(-SPAN_MAX_NS)), SPAN_MAX_NS);
        assert_eq!(Timestamp(SPAN_MAX_NS).since(Timestamp(1)), SPAN_MAX_NS - 1);
        assert_eq!(Timestamp::from_parts(i64::MAX, 0), Timestamp(i64::MAX));
    }
}
