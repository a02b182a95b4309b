//! `reset-unknown`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// The packets do not tell why this reset was sent.
    ///
    /// # Why it matters
    ///
    /// It is counted and shown; its cause is not guessed.
    ///
    /// # How it is recognised
    ///
    /// Neither of the two shapes of a reset, or nothing of the connection but the reset was captured.
    ///
    /// ```trace fires
    /// client > RST seq 100
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// The other causes.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Capture earlier, on both ends, and without a filter that leaves out what the reset answered.
    "reset-unknown", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::Unknown, case, found);
}
