//! TCP lifecycles as tests: what must hold of a capture, and whether it does.
//!
//! Beside a capture stands a file of expectations, `NAME.expect.toml`, with rules for all of its connections or for some.
//! [`parse`] reads it, [`check()`] lays it against what the analysis of the capture shows, and gives the values that the
//! reports of [`crate::report`] print. Without such a file the policy holds: no finding that is a warning or worse.

mod again;
mod assertion;
mod baseline;
mod compare;
mod expectation;
mod find;
mod fisher;
mod judge;
mod key;
mod parse;
mod range;
mod refresh;
mod run;
mod seen;
mod tally;
mod threshold;
mod unlisted;
mod write;

pub use assertion::{CaptureAssertion, assert_capture, assert_capture_with, check_capture};
pub use baseline::{Baseline, BaselineError};
pub use compare::compare;
pub use expectation::{Address, At, CaptureRule, Check, Expectations, Names, Order, Rule, Select, Want};
pub use find::{FindError, Found, SUFFIX, find};
pub use judge::{Evidence, against, by_policy};
pub use key::{Key, Look, Value, keys};
pub use parse::{FileError, parse};
pub use range::{Nanos, Range, Unit};
pub use refresh::refresh;
pub use run::{CheckOptions, Update, check, judged, read_expectations, side_by_side, update};
pub use seen::{ReadError, Seen};
pub use tally::{Tally, TallyError};
pub use threshold::Threshold;
pub use write::write;
