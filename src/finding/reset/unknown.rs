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
    /// Neither of the two shapes of a reset, or nothing of the connection but the reset was captured. Or its sender said what it
    /// did, and no cause is called that: a NetScaler's code in the window, Multipath TCP's MP_TCPRST when a path is given up (RFC
    /// 8684, section 3.6). Then the message has its words.
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
