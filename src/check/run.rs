//! Checks captures: one, or many side by side.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::again::{illustrate, silences};
use super::expectation::Expectations;
use super::find::{FindError, Found};
use super::judge::{Evidence, against, by_policy};
use super::parse::parse;
use super::refresh::refresh;
use super::seen::{ReadError, Seen};
use super::threshold::Threshold;
use super::write::write;
use crate::analysis::{Observer, Options};
use crate::report::{Canvas, CheckError, CheckedCapture, CheckedCase, Palette};

/// How captures are checked.
#[derive(Clone, Debug)]
pub struct CheckOptions {
    /// How they are analysed.
    pub analysis: Options,
    /// From which severity on findings fail that no rule lists. None: as the file of expectations says; where there is no
    /// file, as the policy says, else [`Threshold::default`].
    pub fail_on: Option<Threshold>,
    /// How ladders are drawn.
    pub canvas: Canvas,
}

impl Default for CheckOptions {
    fn default() -> Self {
        let canvas = Canvas::new(LADDER_WIDTH, Palette::Plain, jiff::tz::TimeZone::UTC);
        Self { analysis: Options::default(), fail_on: None, canvas }
    }
}

/// Columns of the ladders in results, which do not know the reader's terminal: with the margin of the text form they are 80.
const LADDER_WIDTH: usize = 74;

/// Checks one capture against the expectations beside it, or against the policy when there are none. The observer may
/// stop the reading; the capture has not been checked then.
pub fn check(found: &Found, options: &CheckOptions, observer: &mut dyn Observer) -> CheckedCapture {
    let mut checked = CheckedCapture { path: slashed(&found.capture), ..CheckedCapture::default() };
    let expectations = match read_expectations(&found.expectations) {
        Ok(expectations) => expectations,
        Err(errors) => {
            checked.expectations = Some(slashed(&found.expectations));
            checked.errors = errors;
            return checked;
        }
    };
    checked.expectations = expectations.as_ref().map(|expectations| expectations.file.clone());
    match Seen::read(&found.capture, &options.analysis, observer) {
        Ok(seen) if seen.interrupted => {
            let message = format!("{}: stopped before its end", checked.path);
            checked.errors.push(CheckError { file: checked.path.clone(), place: None, message });
        }
        Ok(seen) => {
            let cases = judged(&found.capture, &seen, expectations.as_ref(), options);
            match cases {
                Ok(cases) => checked.cases = cases,
                Err(error) => checked.errors.push(unreadable(&checked.path, &error)),
            }
            checked.connections = seen.connections.len() as u64;
            checked.frames = seen.summary.frames;
            checked.skipped = seen.summary.skipped;
        }
        Err(error) => checked.errors.push(unreadable(&checked.path, &error)),
    }
    checked
}

/// What could not even be looked for, as a capture that cannot be checked: reports have it beside the others.
impl From<&FindError> for CheckedCapture {
    fn from(error: &FindError) -> Self {
        let path = slashed(error.path());
        let told = CheckError { file: path.clone(), place: None, message: error.to_string() };
        Self { path, errors: vec![told], ..Self::default() }
    }
}

fn unreadable(path: &str, error: &ReadError) -> CheckError {
    CheckError { file: path.to_owned(), place: None, message: error.to_string() }
}

/// The cases of a capture that has been read.
///
/// # Errors
/// It had to be read a second time and could not.
pub fn judged(
    path: &Path,
    seen: &Seen,
    expectations: Option<&Expectations>,
    options: &CheckOptions,
) -> Result<Vec<CheckedCase>, ReadError> {
    let mut cases = match expectations {
        None => {
            let own = options.analysis.policy.fail_on().map(Threshold::From);
            by_policy(seen, options.fail_on.or(own).unwrap_or_default())
        }
        Some(expectations) => {
            let idle_ns = if expectations.asks_idle() { silences(path, seen)? } else { Default::default() };
            let own = expectations.fail_on.map(Threshold::From);
            let threshold = options.fail_on.or(own).unwrap_or(Threshold::Never);
            against(&Evidence { seen, idle_ns: &idle_ns }, expectations, threshold)
        }
    };
    illustrate(path, seen, &options.canvas, &mut cases)?;
    Ok(cases)
}

/// The expectations at `path`; none when there is no such file.
///
/// # Errors
/// Everything that is wrong in it.
pub fn read_expectations(path: &Path) -> Result<Option<Expectations>, Vec<CheckError>> {
    let file = slashed(path);
    match fs::read_to_string(path) {
        Ok(text) => {
            let parsed = parse(&file, &text);
            parsed.map(Some).map_err(|errors| errors.into_iter().map(CheckError::from).collect())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(vec![CheckError { place: None, message: format!("{file}: {error}"), file }]),
    }
}

/// The path with `/` between folders, so that reports and baselines travel between systems.
pub fn slashed(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if std::path::MAIN_SEPARATOR == '\\' { text.replace('\\', "/") } else { text };
    text.strip_prefix("./").map_or(text.clone(), str::to_owned)
}

/// Does `work` on all of `items`, on as many threads as the machine has cores, or as can be had. The results have the order of the items.
pub fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> (R, ControlFlow<()>) + Sync) -> Vec<R> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, R)>> = Mutex::new(Vec::with_capacity(items.len()));
    let take_part = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            let (result, flow) = work(item);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
            if flow.is_break() {
                next.store(items.len(), Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..cores.min(items.len()) {
            // Whoever cannot be had leaves more to the others.
            let _ = thread::Builder::new().spawn_scoped(scope, take_part);
        }
        take_part();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// What [`update`] makes of a file of expectations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The file.
    pub file: PathBuf,
    /// Its text until now; none when there is no file.
    pub before: Option<String>,
    /// Its text from now on.
    pub after: String,
    /// Findings that a file written for the first time accepts although the policy would not.
    pub accepted: Vec<&'static str>,
}

/// The expectations beside a capture, brought up to what it shows, or written for the first time. Writes nothing.
///
/// # Errors
/// The capture cannot be read, or the expectations are not understood.
pub fn update(found: &Found, options: &CheckOptions) -> Result<Update, Vec<CheckError>> {
    let path = slashed(&found.capture);
    let unreadable = |error: ReadError| vec![unreadable(&path, &error)];
    let expectations = read_expectations(&found.expectations)?;
    let seen = Seen::read(&found.capture, &options.analysis, &mut ()).map_err(unreadable)?;
    let file = found.expectations.clone();
    let Some(expectations) = expectations else {
        let name = found.capture.file_name().unwrap_or_default().to_string_lossy();
        let after = format!("# What must hold of {name}, as lastack check --update saw it.\n{}", write(&seen));
        let findings = seen.connections.iter().flat_map(|verdict| &verdict.findings);
        let loud = findings.filter(|finding| Threshold::default().admits(finding.severity));
        let accepted: BTreeSet<&str> = loud.map(|finding| finding.name).collect();
        return Ok(Update { file, before: None, after, accepted: accepted.into_iter().collect() });
    };
    let gone = |error: std::io::Error| {
        vec![CheckError {
            file: expectations.file.clone(),
            place: None,
            message: format!("{}: {error}", expectations.file),
        }]
    };
    let before = fs::read_to_string(&file).map_err(gone)?;
    let idle_ns = if expectations.asks_idle() {
        silences(&found.capture, &seen).map_err(unreadable)?
    } else {
        Default::default()
    };
    let after = refresh(&before, &expectations, &Evidence { seen: &seen, idle_ns: &idle_ns });
    let after = after.map_err(|error| vec![error])?;
    Ok(Update { file, before: Some(before), after, accepted: Vec::new() })
}
