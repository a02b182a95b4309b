//! How two captures or results differ, as text and as JSON.

mod json;
mod text;

use std::io::{self, Write};

use super::layout::Canvas;
use crate::base::words;

words! {
    /// What connections are counted by.
    Aspect {
        /// Findings on a connection.
        Finding = "finding",
        /// Findings across connections; not shares of connections.
        Population = "population",
        /// Causes of resets.
        Reset = "reset",
        /// How connections begin.
        Open = "open",
        /// How they end.
        Close = "close",
        /// Who begins the close.
        Initiator = "initiator",
        /// Who holds TIME-WAIT.
        TimeWait = "time-wait",
    }
}

words! {
    /// What became of a share.
    Change {
        /// It was not there before.
        New = "new",
        /// It is not there any more.
        Gone = "gone",
        /// More connections have it, by more than chance.
        More = "more",
        /// Fewer connections have it, by more than chance.
        Fewer = "fewer",
        /// What differs may be chance.
        Chance = "within chance",
    }
}

/// So many of so many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
}

impl Share {
    /// From 0 to 1; 0 of nothing is 0.
    pub fn ratio(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.count as f64 / self.of as f64 }
    }
}

/// One word and how many connections have it, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// What it is about.
    pub aspect: Aspect,
    /// The word.
    pub word: String,
    /// Connections that had it.
    pub before: Share,
    /// Connections that have it.
    pub after: Share,
    /// The probability that chance alone puts the shares so far apart (Fisher's exact test), corrected for the number of
    /// rows (Holm).
    pub chance: f64,
    /// What became of it.
    pub change: Change,
}

impl Row {
    /// The shares differ by more than chance.
    pub fn is_significant(&self, significant: f64) -> bool {
        self.chance < significant
    }
}

/// What [`crate::report`] prints of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// What was compared.
    pub before: String,
    /// With what.
    pub after: String,
    /// Connections in both.
    pub connections: (u64, u64),
    /// Every word that occurs on either side.
    pub rows: Vec<Row>,
    /// The probability below which a difference is not taken for chance.
    pub significant: f64,
}

impl Compared {
    /// A finding is there that was not, or something has changed by more than chance.
    pub fn differs(&self) -> bool {
        let is_finding = |row: &Row| matches!(row.aspect, Aspect::Finding | Aspect::Population | Aspect::Reset);
        self.rows.iter().any(|row| is_finding(row) && row.change == Change::New || row.is_significant(self.significant))
    }
}

/// Forms of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompareFormat {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Writes a comparison.
pub fn write_compared(
    out: &mut dyn Write,
    format: CompareFormat,
    canvas: &Canvas,
    compared: &Compared,
) -> io::Result<()> {
    match format {
        CompareFormat::Text => text::write(out, canvas, compared),
        CompareFormat::Json => json::write(out, compared),
    }
}
