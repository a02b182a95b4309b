//! Numbers and durations with bounds, as expectations write them: `3`, `">= 1"`, `"< 5"`, `"1..3"`, `"<= 2s"`.

use std::fmt::{self, Display};

/// What a [`Range`] measures.
pub trait Unit: Copy + Ord {
    /// What a value is called in messages.
    const NOUN: &'static str;
    /// Reads one value.
    fn read(text: &str) -> Option<Self>;
    /// Writes one value so that [`Unit::read`] reads it again.
    fn write(self) -> String;
}

impl Unit for u64 {
    const NOUN: &'static str = "a whole number";

    fn read(text: &str) -> Option<Self> {
        text.replace('_', "").parse().ok()
    }

    fn write(self) -> String {
        self.to_string()
    }
}

/// A duration in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub i64);

/// Units of time with their nanoseconds, the largest first.
const UNITS: [(&str, i64); 6] = [
    ("h", 3_600_000_000_000),
    ("min", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Unit for Nanos {
    const NOUN: &'static str = "a duration such as 500ms, 2s or 1.5min";

    fn read(text: &str) -> Option<Self> {
        let split = text.find(|c: char| c.is_alphabetic())?;
        let (number, unit) = (text[..split].trim(), text[split..].trim());
        let (_, scale) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0)?;
        // Saturates far beyond what a capture can hold.
        Some(Self((number * scale as f64).round() as i64))
    }

    fn write(self) -> String {
        let unit = UNITS.into_iter().find(|(_, scale)| self.0 != 0 && self.0 % scale == 0);
        let (name, scale) = unit.unwrap_or(("ns", 1));
        format!("{}{name}", self.0 / scale)
    }
}

/// Bounds, both of them included; a missing one does not bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<T> {
    /// No less than this.
    pub least: Option<T>,
    /// No more than this.
    pub most: Option<T>,
    /// The upper bound itself is excluded: `< 2s`.
    open_above: bool,
    /// The lower bound itself is excluded: `> 2s`.
    open_below: bool,
}

impl<T: Unit> Range<T> {
    /// Exactly `value`.
    pub fn exactly(value: T) -> Self {
        Self::between(Some(value), Some(value))
    }

    /// From `least` to `most`, both included.
    pub fn between(least: Option<T>, most: Option<T>) -> Self {
        Self { least, most, open_above: false, open_below: false }
    }

    /// `value` lies within.
    pub fn holds(&self, value: T) -> bool {
        let above = self.least.is_none_or(|least| value > least || value == least && !self.open_below);
        let below = self.most.is_none_or(|most| value < most || value == most && !self.open_above);
        above && below
    }

    /// Reads a range.
    ///
    /// # Errors
    /// It is none; the message says how they are written.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let value = |text: &str| T::read(text.trim()).ok_or_else(|| format!("{:?} is not {}", text.trim(), T::NOUN));
        if let Some((least, most)) = text.split_once("..") {
            let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { value(text).map(Some) };
            let range = Self::between(end(least)?, end(most)?);
            return match (range.least, range.most) {
                (None, None) => Err("a range needs a bound, such as \"1..3\" or \">= 1\"".to_owned()),
                (Some(least), Some(most)) if least > most => {
                    Err("the range is empty: its ends are the wrong way round".to_owned())
                }
                _ => Ok(range),
            };
        }
        let bound = |least, most, is_open| Self { least, most, open_above: is_open, open_below: is_open };
        for (sign, make) in [
            (">=", (|value| (Some(value), None, false)) as fn(T) -> (Option<T>, Option<T>, bool)),
            ("<=", |value| (None, Some(value), false)),
            (">", |value| (Some(value), None, true)),
            ("<", |value| (None, Some(value), true)),
        ] {
            if let Some(rest) = text.strip_prefix(sign) {
                let (least, most, is_open) = make(value(rest)?);
                return Ok(bound(least, most, is_open));
            }
        }
        value(text).map(Self::exactly)
    }
}

impl<T: Unit> Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.least, self.most) {
            (Some(least), Some(most)) if least == most => least.write(),
            (Some(least), Some(most)) => format!("{}..{}", least.write(), most.write()),
            (Some(least), None) => format!("{} {}", if self.open_below { ">" } else { ">=" }, least.write()),
            (None, Some(most)) => format!("{} {}", if self.open_above { "<" } else { "<=" }, most.write()),
            (None, None) => "anything".to_owned(),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written_alike() {
        for text in ["3", ">= 1", "<= 4", "> 2", "< 9", "1..3"] {
            assert_eq!(Range::<u64>::read(text).unwrap().to_string(), text);
        }
        for text in ["<= 2s", ">= 500ms", "100ms..3min", "< 1500us"] {
            assert_eq!(Range::<Nanos>::read(text).unwrap().to_string(), text);
        }
        assert_eq!(Range::<Nanos>::read("<=1.5s").unwrap().most, Some(Nanos(1_500_000_000)));
        assert_eq!(Range::<u64>::read("2..").unwrap().to_string(), ">= 2");
    }

    #[test]
    fn what_is_no_range_says_how_they_are_written() {
        let error = |text| Range::<u64>::read(text).unwrap_err();
        assert!(error("many").contains("\"many\" is not a whole number"));
        assert!(error("..").contains("needs a bound"));
        assert!(error("3..1").contains("wrong way round"));
        assert!(Range::<Nanos>::read("<= 2").unwrap_err().contains("500ms"));
        assert!(Range::<Nanos>::read("-2s").is_err());
        assert!(Range::<Nanos>::read("1e999s").is_err());
    }

    #[test]
    fn bounds_are_included_unless_the_sign_says_otherwise() {
        let holds = |range: &str, value| Range::<u64>::read(range).unwrap().holds(value);
        assert!(holds("1..3", 1) && holds("1..3", 3) && !holds("1..3", 4));
        assert!(!holds("< 3", 3) && holds("<= 3", 3) && !holds("> 3", 3) && holds("> 3", 4));
        assert!(holds("7", 7) && !holds("7", 8));
    }
}
