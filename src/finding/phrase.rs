//! Numbers in plain words.

use std::fmt;

use crate::base::{SPAN_MAX_NS, Side};
use crate::population::IdleTimer;

/// A duration with three significant digits and the unit that reads best: `41.2 ms`, `1.03 s`, `2 min 5 s`.
pub fn duration(ns: i64) -> impl fmt::Display {
    let (sign, ns) = if ns < 0 { ("-", ns.unsigned_abs()) } else { ("", ns.unsigned_abs()) };
    fmt::from_fn(move |f| {
        let mut scaled = |unit, name| {
            f.write_str(sign)?;
            match Rounded::of(ns, unit) {
                Some(rounded) => f.write_str(rounded.letters(&mut [0; 5]))?,
                None => write!(f, "{:.*}", Rounded::places(ns, unit), ns as f64 / unit as f64)?,
            }
            f.write_str(name)
        };
        match ns {
            0..1_000 => write!(f, "{sign}{ns} ns"),
            1_000..1_000_000 => scaled(1_000, " µs"),
            1_000_000..1_000_000_000 => scaled(1_000_000, " ms"),
            1_000_000_000..120_000_000_000 => scaled(1_000_000_000, " s"),
            120_000_000_000..7_200_000_000_000 => {
                let seconds = ns / 1_000_000_000;
                write!(f, "{sign}{} min {} s", seconds / 60, seconds % 60)
            }
            7_200_000_000_000..172_800_000_000_000 => {
                let minutes = ns / 60_000_000_000;
                write!(f, "{sign}{} h {} min", minutes / 60, minutes % 60)
            }
            // As far as two stamps are told apart.
            _ if ns >= SPAN_MAX_NS.unsigned_abs() => write!(f, "{sign}over {} d", ns / 86_400_000_000_000),
            _ => {
                let hours = ns / 3_600_000_000_000;
                write!(f, "{sign}{} d {} h", hours / 24, hours % 24)
            }
        }
    })
}

/// A duration of one unit or more, less than ten thousand of them, rounded to three digits or to whole units.
struct Rounded {
    number: u64,
    places: usize,
}

impl Rounded {
    /// None where two roundings are equally near: which of them a floating-point number comes to, only it tells.
    fn of(ns: u64, unit: u64) -> Option<Self> {
        let places = Self::places(ns, unit);
        let scaled = ns * [1, 10, 100][places];
        let (number, rest) = (scaled / unit, scaled % unit);
        (2 * rest != unit).then_some(Self { number: number + u64::from(2 * rest > unit), places })
    }

    /// Digits behind the point.
    fn places(ns: u64, unit: u64) -> usize {
        match ns / unit {
            100.. => 0,
            10.. => 1,
            _ => 2,
        }
    }

    /// Puts down its letters, at the end of `room`.
    fn letters<'a>(&self, room: &'a mut [u8; 5]) -> &'a str {
        let mut rest = self.number;
        let mut at = room.len();
        while at > 0 && (rest > 0 || at == room.len()) {
            at -= 1;
            if self.places > 0 && at + 1 + self.places == room.len() {
                room[at] = b'.';
            } else {
                room[at] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        str::from_utf8(&room[at..]).unwrap_or_default()
    }
}

/// `60.0 s is the default of …`: of what may be at the end `closer`, or else of its peers, by which it may go, as a client goes by
/// a server's header Keep-Alive.
pub fn whose_default(timer: &IdleTimer, closer: Side) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        let own: Vec<&str> = timer.owners_at(closer).map(|owner| owner.name).collect();
        let length = duration(i64::from(timer.seconds) * 1_000_000_000);
        if !own.is_empty() {
            return write!(f, "{length} is the default of {}", own.join(", "));
        }
        let others: Vec<&str> = timer.owners.iter().map(|owner| owner.name).collect();
        write!(f, "{length} is the default of {}, at the other end", others.join(", "))
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
    use crate::population::idle_timer;

    #[test]
    fn durations_read_well_at_every_scale() {
        let cases = [
            (999, "999 ns"),
            (41_234_000, "41.2 ms"),
            (1_030_000_000, "1.03 s"),
            (125_000_000_000, "2 min 5 s"),
            (9_000_000_000_000, "2 h 30 min"),
            (-5_000, "-5.00 µs"),
            (SPAN_MAX_NS - 1, "26687 d 23 h"),
            (SPAN_MAX_NS, "over 26687 d"),
        ];
        for (ns, words) in cases {
            assert_eq!(duration(ns).to_string(), words);
        }
        let mut rng = fastrand::Rng::with_seed(3);
        for (unit, name) in [(1_000, "µs"), (1_000_000, "ms"), (1_000_000_000, "s")] {
            for at in 0..3_000 {
                let most = if unit == 1_000_000_000 { 120 } else { 1_000 };
                let tie = unit / 200 * rng.u64(200..20_000);
                let ns = [rng.u64(unit..most * unit), rng.u64(unit..10 * unit), tie.min(most * unit - 1)][at % 3];
                let value = ns as f64 / unit as f64;
                let digits = [2, 1, 0][usize::from(value >= 10.0) + usize::from(value >= 100.0)];
                assert_eq!(duration(ns.cast_signed()).to_string(), format!("{value:.digits$} {name}"), "{ns}");
            }
        }
        assert_eq!(count(1, "octet").to_string(), "1 octet");
        assert_eq!(count(0, "octet").to_string(), "0 octets");
    }

    #[test]
    fn a_timeout_is_the_default_of_what_can_be_at_that_end() {
        let words =
            |seconds: i64, closer| whose_default(idle_timer(seconds * 1_000_000_000).unwrap(), closer).to_string();
        assert_eq!(words(75, Side::Server), "75.0 s is the default of nginx (keepalive_timeout)");
        assert_eq!(words(75, Side::Client), "75.0 s is the default of nginx (keepalive_timeout), at the other end");
        assert_eq!(words(300, Side::Server), "5 min 0 s is the default of F5 BIG-IP's TCP profile");
        assert_eq!(
            words(300, Side::Client),
            "5 min 0 s is the default of F5 BIG-IP's TCP profile, Chrome's socket pool"
        );
    }
}
