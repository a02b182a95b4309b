//! The words of a line, each with its column, and the literals that they spell.

use std::fmt;
use std::str::FromStr;

/// Where a trace cannot be understood, and what would have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: expected {expected}, found {found}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// The character in it, counted from 1.
    pub column: usize,
    /// What could stand there.
    pub expected: String,
    /// What stands there, in backquotes, or `the end of the line`.
    pub found: String,
}

/// One word of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    line: usize,
    column: usize,
}

impl Word<'_> {
    /// The error that this word is not `expected`.
    pub(super) fn refuse(&self, expected: impl fmt::Display) -> ParseError {
        ParseError {
            line: self.line,
            column: self.column,
            expected: expected.to_string(),
            found: if self.text.is_empty() { "the end of the line".into() } else { format!("`{}`", self.text) },
        }
    }

    /// The word as a number or address.
    pub(super) fn value<T: FromStr>(&self, expected: &str) -> Result<T, ParseError> {
        self.text.parse().map_err(|_| self.refuse(expected))
    }
}

/// The words of one line. At its end the empty word is repeated.
#[derive(Debug)]
pub(super) struct Words<'a> {
    rest: &'a str,
    line: usize,
    column: usize,
}

impl<'a> Words<'a> {
    /// Words of `text`, which is line number `line`; a comment is none.
    pub(super) fn new(text: &'a str, line: usize) -> Self {
        let rest = text.split('#').next().unwrap_or_default();
        Words { rest, line, column: 1 }
    }

    /// The next word, which stays.
    pub(super) fn peek(&self) -> Word<'a> {
        let blank = self.rest.len() - self.rest.trim_start().len();
        let (space, rest) = self.rest.split_at(blank);
        let end = match rest.chars().next() {
            Some('<' | '>' | ',') => 1,
            _ => rest.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',')).unwrap_or(rest.len()),
        };
        Word { text: &rest[..end], line: self.line, column: self.column + space.chars().count() }
    }

    /// The next word, which is taken.
    pub(super) fn next(&mut self) -> Word<'a> {
        let word = self.peek();
        let blank = self.rest.len() - self.rest.trim_start().len();
        self.rest = &self.rest[blank + word.text.len()..];
        self.column = word.column + word.text.chars().count();
        word
    }

    /// Takes the next word if it is `text`.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let found = self.peek().text == text;
        if found {
            self.next();
        }
        found
    }

    /// Takes `text`, or fails.
    pub(super) fn expect(&mut self, text: &str) -> Result<(), ParseError> {
        let word = self.next();
        if word.text == text { Ok(()) } else { Err(word.refuse(format_args!("`{text}`"))) }
    }

    /// The next word as a number or address.
    pub(super) fn value<T: FromStr>(&mut self, expected: &str) -> Result<T, ParseError> {
        self.next().value(expected)
    }

    /// Fails unless the line is at its end.
    pub(super) fn end(&self) -> Result<(), ParseError> {
        let word = self.peek();
        if word.text.is_empty() { Ok(()) } else { Err(word.refuse("the end of the line")) }
    }

    /// A duration in nanoseconds: `1.5`, `20ms`, `300s`.
    pub(super) fn duration(&mut self) -> Result<i128, ParseError> {
        let word = self.next();
        duration(word.text).ok_or_else(|| word.refuse(A_DURATION))
    }
}

/// How a duration is asked for.
pub(super) const A_DURATION: &str = "a duration such as `0.020`, `20ms` or `5min`";

/// Nanoseconds of an unsigned duration; none when it is malformed or beyond 64 bits.
pub(super) fn duration(text: &str) -> Option<i128> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: i128 = match unit {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "" | "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') || fraction.len() > 13 {
        return None;
    }
    let whole = i128::from(whole.parse::<u64>().ok()?).checked_mul(scale)?;
    let parts = if fraction.is_empty() { 0 } else { i128::from(fraction.parse::<u64>().ok()?) * scale };
    let unit = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    (parts % unit == 0).then_some(whole + parts / unit).filter(|nanos| *nanos <= i128::from(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_know_their_columns_and_marks_stand_alone() {
        let mut words = Words::new("  é client>SYN <mss 1460,sackOK> # note", 1);
        let mut seen = Vec::new();
        while !words.peek().text.is_empty() {
            let word = words.next();
            seen.push((word.column, word.text));
        }
        let expected = [
            (3, "é"),
            (5, "client"),
            (11, ">"),
            (12, "SYN"),
            (16, "<"),
            (17, "mss"),
            (21, "1460"),
            (25, ","),
            (26, "sackOK"),
            (32, ">"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn durations_have_units_and_exact_fractions() {
        assert_eq!(duration("1.5"), Some(1_500_000_000));
        assert_eq!(duration("20ms"), Some(20_000_000));
        assert_eq!(duration("0.5us"), Some(500));
        assert_eq!(duration("2min"), Some(120_000_000_000));
        assert_eq!(duration("0.5h"), Some(1_800_000_000_000));
        for wrong in ["", ".5", "1.", "1.2.3", "1x", "0.5ns", "99999999999999999999", "18446744073709551615h", "1.s"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
