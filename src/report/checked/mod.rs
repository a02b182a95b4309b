//! How the results of `lastack check` leave: what was checked and what was found wrong, and one file a form. The forms
//! compute nothing.

mod annotations;
mod gitlab;
mod json;
mod junit;
mod sarif;
mod tap;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use sha1::{Digest, Sha1};

use super::answers::sentence;
use super::layout::Canvas;
use super::record::Filter;
use crate::base::Endpoint;
use crate::finding::Severity;

pub use annotations::annotations;

/// A place in a text file, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in it.
    pub column: usize,
}

impl Place {
    /// The place of the octet at `offset` of `text`.
    pub fn of(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
        Self { line, column }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What came of checking captures, in the order in which they were found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// The captures.
    pub captures: Vec<CheckedCapture>,
    /// As many findings beyond the policy may pass ([`Checked::let_pass`]).
    pub findings_max: u64,
}

/// One capture and what was checked of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CheckedCapture {
    /// Its file, as the user would name it; with `/` between folders.
    pub path: String,
    /// The file with its expectations; none when only the policy held.
    pub expectations: Option<String>,
    /// Connections in it.
    pub connections: u64,
    /// Frames in it.
    pub frames: u64,
    /// Frames that could not be decoded, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Everything that was checked, passed or not.
    pub cases: Vec<CheckedCase>,
    /// Why it could not be checked.
    pub errors: Vec<CheckError>,
}

/// Why a capture could not be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckError {
    /// The file that is at fault.
    pub file: String,
    /// Where in it, when it is text.
    pub place: Option<Place>,
    /// A sentence that begins with file and place.
    pub message: String,
}

/// One rule, or the policy, against one capture.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedCase {
    /// What the rule is called; unique within its capture.
    pub name: String,
    /// Where the rule stands in the file of expectations.
    pub place: Option<Place>,
    /// What does not hold; empty when it passed.
    pub problems: Vec<Problem>,
}

/// Whether a problem counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    #[default]
    New,
    /// The baseline has it.
    Known,
    /// A finding that no rule lists, among as few as may pass ([`Checked::let_pass`]).
    LetPass,
}

/// One thing that does not hold, on one connection or on several alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Which rule is broken, in public words that stay: `close`, `finding/close-wait-stuck`, `missing-connection`.
    pub rule: String,
    /// What it costs.
    pub severity: Severity,
    /// A sentence.
    pub message: String,
    /// What was expected, as the file says it.
    pub expected: Option<String>,
    /// What the capture shows.
    pub seen: Option<String>,
    /// Where the expectation stands; none under the policy.
    pub place: Option<Place>,
    /// On how many connections; 0 when it is about the capture.
    pub connections: u64,
    /// The first of them.
    pub example: Option<Example>,
    /// What names the problem across recordings: no times, no ephemeral ports, no numbers of streams or frames.
    pub identity: String,
    /// Whether it counts.
    pub standing: Standing,
}

/// The connection that shows a problem, and its frames.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// Its number, Wireshark's `tcp.stream`.
    pub stream: u64,
    /// Its client.
    pub client: Endpoint,
    /// Its server.
    pub server: Endpoint,
    /// The frames that show it.
    pub frames: Vec<u64>,
    /// Some lines of the connection's ladder around them.
    pub ladder: Vec<String>,
}

impl Example {
    /// A Wireshark display filter that shows the frames.
    pub fn filter(&self) -> String {
        Filter { stream: self.stream, frames: &self.frames }.to_string()
    }
}

impl Problem {
    /// It breaks a limit on findings that no rule speaks of, some of which may pass.
    pub fn is_unlisted_finding(&self) -> bool {
        self.place.is_none() && self.rule.starts_with(FINDING)
    }

    /// How often it is there: on each of its connections, or once on the capture.
    pub fn occurrences(&self) -> u64 {
        self.connections.max(1)
    }

    /// What names the problem across recordings, in 40 hexadecimal digits.
    pub fn fingerprint(&self, capture: &CheckedCapture) -> String {
        fingerprint(&capture.path, &self.rule, &self.identity)
    }
}

fn fingerprint(path: &str, rule: &str, identity: &str) -> String {
    let digest = Sha1::digest(format!("{path}\n{rule}\n{identity}"));
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What the forms call a problem that may pass.
const LET_PASS: &str = "let pass";

/// A problem in lines of plain text, for forms that have one field for everything.
fn described(capture: &CheckedCapture, problem: &Problem) -> String {
    let mut text = sentence(&problem.message) + "\n";
    if let (Some(expected), Some(seen)) = (&problem.expected, &problem.seen) {
        text += &format!("expected: {expected}\nseen: {seen}\n");
    }
    if let (Some(file), Some(place)) = (&capture.expectations, problem.place) {
        text += &format!("rule: {file}:{place}\n");
    }
    if let Some(example) = &problem.example {
        let others = match problem.connections {
            0 | 1 => String::new(),
            several => format!(", and {} more like it", several - 1),
        };
        text += &format!("capture: {}\n", capture.path);
        text += &format!("stream {}, {} → {}{others}\n", example.stream, example.client, example.server);
        example.ladder.iter().for_each(|line| text += &format!("{line}\n"));
        text += &format!("filter: {}\n", example.filter());
    }
    text
}

/// What the rule of a problem with a finding begins with.
pub const FINDING: &str = "finding/";

impl CheckedCapture {
    /// All problems, each with its case.
    pub fn problems(&self) -> impl Iterator<Item = (&CheckedCase, &Problem)> {
        self.cases.iter().flat_map(|case| case.problems.iter().map(move |problem| (case, problem)))
    }

    /// Its problems that stand so, each with its case.
    pub fn problems_that_are(&self, standing: Standing) -> impl Iterator<Item = (&CheckedCase, &Problem)> {
        self.problems().filter(move |(_, problem)| problem.standing == standing)
    }

    /// It was checked and nothing is wrong that counts.
    pub fn passes(&self) -> bool {
        self.errors.is_empty() && self.problems_that_are(Standing::New).next().is_none()
    }

    /// Where a problem is to be looked up: the rule in its file, else the capture.
    fn location(&self, problem: &Problem) -> (&str, Place) {
        match (&self.expectations, problem.place) {
            (Some(file), Some(place)) => (file, place),
            // A capture has no lines; consumers want one all the same.
            _ => (&self.path, Place { line: 1, column: 1 }),
        }
    }
}

impl Checked {
    /// All problems that stand so.
    pub fn problems_that_are(&self, standing: Standing) -> impl Iterator<Item = &Problem> {
        self.captures.iter().flat_map(move |capture| capture.problems_that_are(standing).map(|(_, problem)| problem))
    }

    /// Something could not be checked.
    pub fn has_errors(&self) -> bool {
        self.captures.iter().any(|capture| !capture.errors.is_empty())
    }

    /// Findings that no rule lists count no more, if they are no more than `findings_max` in all captures together.
    pub fn let_pass(&mut self, findings_max: u64) {
        self.findings_max = findings_max;
        let unlisted = self.problems_that_are(Standing::New).filter(|problem| problem.is_unlisted_finding());
        if unlisted.map(Problem::occurrences).sum::<u64>() > findings_max {
            return;
        }
        let cases = self.captures.iter_mut().flat_map(|capture| &mut capture.cases);
        for problem in cases.flat_map(|case| &mut case.problems) {
            if problem.standing == Standing::New && problem.is_unlisted_finding() {
                problem.standing = Standing::LetPass;
            }
        }
    }

    /// Something does not hold that counts.
    pub fn has_violations(&self) -> bool {
        self.problems_that_are(Standing::New).next().is_some()
    }
}

/// Forms of the results of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckFormat {
    /// For people.
    Text,
    /// One JSON document; also what a baseline is.
    Json,
    /// JUnit's XML, which every CI server reads.
    Junit,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// Workflow commands of GitHub Actions: annotations on the lines of a change.
    Github,
    /// GitLab's code quality report.
    Gitlab,
    /// The Test Anything Protocol, version 14.
    Tap,
}

impl CheckFormat {
    /// Every form.
    pub const ALL: [Self; 7] =
        [Self::Text, Self::Json, Self::Junit, Self::Sarif, Self::Github, Self::Gitlab, Self::Tap];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Tap => "tap",
        }
    }

    /// What it is for.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Text => "A report for people",
            Self::Json => "One JSON document; keep it as the file for --baseline",
            Self::Junit => "JUnit XML, a suite for each capture and a case for each rule",
            Self::Sarif => "SARIF 2.1.0, for code scanning",
            Self::Github => "Annotations of GitHub Actions",
            Self::Gitlab => "GitLab's code quality report",
            Self::Tap => "Test Anything Protocol 14",
        }
    }
}

/// Writes `checked` to `out` in `format`.
pub fn write_checked(out: &mut dyn Write, format: CheckFormat, canvas: &Canvas, checked: &Checked) -> io::Result<()> {
    match format {
        CheckFormat::Text => text::write(out, canvas, checked),
        CheckFormat::Json => json::write(out, checked),
        CheckFormat::Junit => junit::write(out, checked),
        CheckFormat::Sarif => sarif::write(out, checked),
        CheckFormat::Github => annotations(out, checked),
        CheckFormat::Gitlab => gitlab::write(out, checked),
        CheckFormat::Tap => tap::write(out, checked),
    }
}
