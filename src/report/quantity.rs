//! Numbers for people: durations, octets, counts, and moments on the clock that the user asked for.

use jiff::tz::TimeZone;

use crate::base::{SPAN_MAX_NS, Timestamp};

/// A duration in the unit that keeps three or four digits: `87 µs`, `41.2 ms`, `12.00 s`, `3 min 20 s`, `2 h 05 min`.
pub fn duration(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let ns = ns.unsigned_abs();
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

/// Octets with a decimal prefix: `512 B`, `1.4 kB`, `20.0 MB`.
pub fn octets(count: u64) -> String {
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
            (41_270_000, "41.2 ms"),
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
        assert_eq!(octets(1_460), "1.4 kB");
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
    }
}
