//! Captures in the tests of a Rust program: what does not hold fails the test, and says with which frames.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::expectation::Expectations;
use super::find::Found;
use super::parse::{FileError, parse};
use super::run::{CheckOptions, check, judged, read_expectations};
use super::seen::Seen;
use crate::report::{CheckFormat, Checked, CheckedCapture, CheckedCase, write_checked};

/// A capture that a test makes demands on; made by [`assert_capture`].
#[derive(Debug)]
pub struct CaptureAssertion {
    path: PathBuf,
    seen: Seen,
    options: CheckOptions,
}

/// Reads the capture that a test has recorded, to make demands on it.
///
/// ```
/// use lastack::check::assert_capture;
///
/// // #[test] fn an_upload_closes_cleanly() {
/// // … start the service, record, run the client, stop recording …
/// assert_capture("fixtures/teardown/three-segment-by-client/capture.pcap")
///     .connections("1..3")
///     .every("close", "orderly")
///     .every("client.error", "none")
///     .no_finding("reset-*")
///     .policy();
/// // }
/// ```
///
/// # Panics
/// The capture cannot be read, or holds no TCP connection: a test that recorded nothing has shown nothing.
#[track_caller]
pub fn assert_capture(path: impl AsRef<Path>) -> CaptureAssertion {
    assert_capture_with(path, CheckOptions::default())
}

/// The same, analysed as `options` say: with a policy of your own, or another stack's timers.
///
/// # Panics
/// As [`assert_capture`].
#[track_caller]
pub fn assert_capture_with(path: impl AsRef<Path>, options: CheckOptions) -> CaptureAssertion {
    let path = path.as_ref().to_owned();
    let seen = match Seen::read(&path, &options.analysis, &mut ()) {
        Ok(seen) => seen,
        Err(error) => panic!("{error}"),
    };
    assert!(!seen.connections.is_empty(), "{}: no TCP connection in this capture", path.display());
    CaptureAssertion { path, seen, options }
}

impl CaptureAssertion {
    /// So many connections: a number, or a range such as `"<= 3"`.
    ///
    /// # Panics
    /// There are more or fewer.
    #[track_caller]
    pub fn connections(self, count: impl Display) -> Self {
        self.holds(&format!("[capture]\nconnections = \"{count}\"\n"))
    }

    /// Every connection has `word` under `key`: a key of expectations with one word or range for a value.
    ///
    /// # Panics
    /// One has not; or there is no such key or word, which the message suggests.
    #[track_caller]
    pub fn every(self, key: &str, word: impl Display) -> Self {
        self.holds(&format!("[[connection]]\n{key} = \"{word}\"\n"))
    }

    /// Some connection has the finding.
    ///
    /// # Panics
    /// None has it; or the catalogue has no such finding.
    #[track_caller]
    pub fn finding(self, name: &str) -> Self {
        self.holds(&format!("[[connection]]\nfindings.counts.{name} = \">= 1\"\n"))
    }

    /// No connection has the finding; `reset-*` stands for all that begin so.
    ///
    /// # Panics
    /// One has it; or the catalogue has no such finding.
    #[track_caller]
    pub fn no_finding(self, name: &str) -> Self {
        self.holds(&format!("[[connection]]\nfindings.must-not = \"{name}\"\n"))
    }

    /// Everything that `expectations` demand, written as in a file `NAME.expect.toml`.
    ///
    /// # Panics
    /// Something does not hold, or is not understood.
    #[track_caller]
    pub fn holds(self, expectations: &str) -> Self {
        match parse("expectations", expectations) {
            Ok(expectations) => self.judge(&expectations),
            Err(errors) => panic!("{}", errors.iter().map(FileError::to_string).collect::<Vec<_>>().join("\n")),
        }
        self
    }

    /// Everything that the file beside the capture demands; the file must be there.
    ///
    /// # Panics
    /// Something does not hold, or is not understood, or there is no such file.
    #[track_caller]
    pub fn expectations(self) -> Self {
        let file = Found::beside(&self.path).expectations;
        match read_expectations(&file) {
            Ok(Some(expectations)) => self.judge(&expectations),
            Ok(None) => panic!("{}: no such file; lastack check --update writes it", file.display()),
            Err(errors) => panic!("{}", errors.into_iter().map(|error| error.message).collect::<Vec<_>>().join("\n")),
        }
        self
    }

    /// No finding that is a warning or an error.
    ///
    /// # Panics
    /// There is one.
    #[track_caller]
    pub fn policy(self) -> Self {
        match judged(&self.path, &self.seen, None, &self.options) {
            Ok(cases) => self.demand(cases, None),
            Err(error) => panic!("{error}"),
        }
        self
    }

    #[track_caller]
    fn judge(&self, expectations: &Expectations) {
        match judged(&self.path, &self.seen, Some(expectations), &self.options) {
            Ok(cases) => self.demand(cases, Some(&expectations.file)),
            Err(error) => panic!("{error}"),
        }
    }

    #[track_caller]
    fn demand(&self, cases: Vec<CheckedCase>, expectations: Option<&str>) {
        let capture = CheckedCapture {
            path: self.path.display().to_string(),
            expectations: expectations.map(str::to_owned),
            connections: self.seen.connections.len() as u64,
            frames: self.seen.summary.frames,
            cases,
            ..CheckedCapture::default()
        };
        if capture.passes() {
            return;
        }
        let checked = Checked { captures: vec![capture], findings_max: 0 };
        let mut told = Vec::new();
        // Writing to memory does not fail.
        let _ = write_checked(&mut told, CheckFormat::Text, &self.options.canvas, &checked);
        panic!("{}", String::from_utf8_lossy(&told));
    }
}

/// Checks the capture at `path` as `lastack check` does: against the file beside it, else against the policy.
///
/// ```
/// use lastack::check::check_capture;
///
/// let checked = check_capture("fixtures/teardown/close-wait-stuck/capture.pcap");
/// assert!(checked.passes() && checked.cases.len() == 3);
/// ```
pub fn check_capture(path: impl AsRef<Path>) -> CheckedCapture {
    check(&Found::beside(path.as_ref()), &CheckOptions::default(), &mut ())
}
