//! Numbers in plain words.

use std::fmt;

use crate::population::IdleTimer;

/// A duration with three significant digits and the unit that reads best: `41.2 ms`, `1.03 s`, `2 min 5 s`.
pub fn duration(ns: i64) -> impl fmt::Display {
    let (sign, ns) = if ns < 0 { ("-", ns.unsigned_abs()) } else { ("", ns.unsigned_abs()) };
    fmt::from_fn(move |f| {
        let mut scaled = |unit: u64, name: &str| {
            let value = ns as f64 / unit as f64;
            let digits = if value >= 100.0 {
                0
            } else if value >= 10.0 {
                1
            } else {
                2
            };
            write!(f, "{sign}{value:.digits$} {name}")
        };
        match ns {
            0..1_000 => write!(f, "{sign}{ns} ns"),
            1_000..1_000_000 => scaled(1_000, "µs"),
            1_000_000..1_000_000_000 => scaled(1_000_000, "ms"),
            1_000_000_000..120_000_000_000 => scaled(1_000_000_000, "s"),
            120_000_000_000..7_200_000_000_000 => {
                let seconds = ns / 1_000_000_000;
                write!(f, "{sign}{} min {} s", seconds / 60, seconds % 60)
            }
            7_200_000_000_000..172_800_000_000_000 => {
                let minutes = ns / 60_000_000_000;
                write!(f, "{sign}{} h {} min", minutes / 60, minutes % 60)
            }
            _ => {
                let hours = ns / 3_600_000_000_000;
                write!(f, "{sign}{} d {} h", hours / 24, hours % 24)
            }
        }
    })
}

/// `60.0 s is the default of …`.
pub fn whose_default(timer: &IdleTimer) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(f, "{} is the default of {}", duration(i64::from(timer.seconds) * 1_000_000_000), timer.owners)
    })
}

/// `1 octet`, `2 octets`.
pub fn count(number: u64, noun: &str) -> impl fmt::Display {
    fmt::from_fn(move |f| if number == 1 { write!(f, "1 {noun}") } else { write!(f, "{number} {noun}s") })
}

/// `once`, `3 times`.
pub fn times(number: u64) -> impl fmt::Display {
    fmt::from_fn(move |f| if number == 1 { f.write_str("once") } else { write!(f, "{number} times") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well_at_every_scale() {
        let cases = [
            (999, "999 ns"),
            (41_234_000, "41.2 ms"),
            (1_030_000_000, "1.03 s"),
            (125_000_000_000, "2 min 5 s"),
            (9_000_000_000_000, "2 h 30 min"),
            (-5_000, "-5.00 µs"),
        ];
        for (ns, words) in cases {
            assert_eq!(duration(ns).to_string(), words);
        }
        assert_eq!(count(1, "octet").to_string(), "1 octet");
        assert_eq!(count(0, "octet").to_string(), "0 octets");
    }
}
