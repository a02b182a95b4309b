//! Numbers for people: durations, octets, counts, and moments on the clock that the user asked for.

use jiff::tz::TimeZone;

use crate::base::{SPAN_MAX_NS, Timestamp};

/// A duration in the unit that keeps three or four digits, rounded to them: `87 µs`, `41.2 ms`, `12.0 s`. Of minutes and more the
/// rest is cut: `3 min 20 s`, `2 h 05 min`.
pub fn duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = rounded(ns.unsigned_abs());
    let seconds = ns / 1_000_000_000;
    match ns {
        0..1_000 => format!("{sign}{ns} ns"),
        1_000..1_000_000 => format!("{sign}{} µs", ns / 1_000),
        1_000_000..1_000_000_000 => format!("{sign}{}", tenths(ns / 100_000, "ms")),
        _ if seconds < 10 => format!("{sign}{}.{:03} s", seconds, ns / 1_000_000 % 1_000),
        _ if seconds < 120 => format!("{sign}{}", tenths(ns / 100_000_000, "s")),
        _ if seconds < 7_200 => format!("{sign}{} min {:02} s", seconds / 60, seconds % 60),
        _ if seconds < 172_800 => format!("{sign}{} h {:02} min", seconds / 3_600, seconds / 60 % 60),
        // As far as two stamps are told apart.
        _ if ns >= SPAN_MAX_NS.unsigned_abs() => format!("{sign}over {} d", seconds / 86_400),
        _ => format!("{sign}{} d {:02} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// To the nearest of what is printed, before it is known in which unit that is.
fn rounded(ns: u64) -> u64 {
    let step = match ns {
        0..1_000 | 120_000_000_000.. => 1,
        1_000..1_000_000 => 1_000,
        1_000_000..1_000_000_000 => 100_000,
        1_000_000_000..10_000_000_000 => 1_000_000,
        _ => 100_000_000,
    };
    (ns + step / 2) / step * step
}

/// Octets with a decimal prefix, rounded to the nearest tenth: `512 B`, `1.5 kB`, `20.0 MB`.
pub fn octets(count: u64) -> String {
    let step = match count {
        0..1_000 => 1,
        1_000..1_000_000 => 100,
        1_000_000..1_000_000_000 => 100_000,
        1_000_000_000..1_000_000_000_000 => 100_000_000,
        _ => 100_000_000_000,
    };
    let count = count.saturating_add(step / 2) / step * step;
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => tenths(count / 100, "kB"),
        1_000_000..1_000_000_000 => tenths(count / 100_000, "MB"),
        1_000_000_000..1_000_000_000_000 => tenths(count / 100_000_000, "GB"),
        _ => tenths(count / 100_000_000_000, "TB"),
    }
}

fn tenths(count: u64, unit: &str) -> String {
    format!("{}.{} {unit}", count / 10, count % 10)
}

/// A whole number with its thousands set off: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 connection`, `2 connections`: the number and the noun in its number.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Prints moments in one time zone.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
}

impl Clock {
    /// A clock on the wall of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone }
    }

    /// `2026-11-21 03:31:00.123456 UTC`.
    pub fn date_time(&self, moment: Timestamp) -> String {
        self.format(moment, "%Y-%m-%d %H:%M:%S.%6f %Z")
    }

    /// `03:31:00.123456`.
    pub fn time(&self, moment: Timestamp) -> String {
        self.format(moment, "%H:%M:%S.%6f")
    }

    /// The same, with the date where it is not that of `began`.
    pub fn time_since(&self, began: Option<Timestamp>, moment: Timestamp) -> String {
        let date = |moment| self.format(moment, "%Y-%m-%d");
        match began.is_none_or(|began| date(began) == date(moment)) {
            true => self.time(moment),
            false => self.date_time(moment),
        }
    }

    /// `03:31:00.123456 to 03:32:00.000000`, with dates where they differ.
    pub fn range(&self, from: Timestamp, to: Timestamp) -> String {
        let date = |moment| self.format(moment, "%Y-%m-%d");
        match date(from) == date(to) {
            true => format!("{} to {}", self.time(from), self.time(to)),
            false => format!("{} to {}", self.date_time(from), self.date_time(to)),
        }
    }

    fn format(&self, moment: Timestamp, pattern: &str) -> String {
        // 64 bits of nanoseconds lie well inside the range of the calendar, so the fallback is never printed.
        let moment = jiff::Timestamp::from_nanosecond(moment.0.into()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        moment.to_zoned(self.zone.clone()).strftime(pattern).to_string()
    }
}

impl Default for Clock {
    /// UTC.
    fn default() -> Self {
        Self::new(TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_a_few_digits_in_a_fitting_unit() {
        for (ns, text) in [
            (0, "0 ns"),
            (87_400, "87 µs"),
            (41_270_000, "41.3 ms"),
            (999_500, "1.0 ms"),
            (999_960_000, "1.000 s"),
            (9_999_700_000, "10.0 s"),
            (63_998_800_000, "64.0 s"),
            (119_960_000_000, "2 min 00 s"),
            (179_999_000_000, "2 min 59 s"),
            (-350_000_000, "-350.0 ms"),
            (1_004_000_000, "1.004 s"),
            (60_000_000_000, "60.0 s"),
            (200_000_000_000, "3 min 20 s"),
            (7_500_000_000_000, "2 h 05 min"),
            (SPAN_MAX_NS - 1, "26687 d 23 h"),
            (SPAN_MAX_NS, "over 26687 d"),
            (i64::MIN, "-over 106751 d"),
        ] {
            assert_eq!(duration(ns), text);
        }
    }

    #[test]
    fn octets_and_counts_are_short_and_exact_enough() {
        assert_eq!(octets(999), "999 B");
        assert_eq!(octets(1_460), "1.5 kB");
        assert_eq!(octets(1_994), "2.0 kB");
        assert_eq!(octets(999_949), "999.9 kB");
        assert_eq!(octets(999_950), "1.0 MB");
        assert_eq!(octets(u64::MAX), "18446744.0 TB");
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "frame"), "1 frame");
        assert_eq!(counted(1_000, "frame"), "1,000 frames");
    }

    #[test]
    fn a_clock_prints_its_own_zone() {
        let moment = Timestamp::from_parts(951_782_400, 123_456_789);
        assert_eq!(Clock::default().date_time(moment), "2000-02-29 00:00:00.123456 UTC");
        let east = Clock::new(TimeZone::fixed(jiff::tz::offset(2)));
        assert_eq!(east.time(moment), "02:00:00.123456");
        let later = moment.plus(79_200_000_000_000);
        assert_eq!(Clock::default().range(moment, later), "00:00:00.123456 to 22:00:00.123456");
        assert_eq!(
            Clock::new(TimeZone::fixed(jiff::tz::offset(3))).range(moment, later),
            "2000-02-29 03:00:00.123456 +03 to 2000-03-01 01:00:00.123456 +03"
        );
    }
}
