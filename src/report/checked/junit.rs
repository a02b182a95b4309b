//! JUnit XML: a suite for each capture, a case for each rule. A capture that cannot be checked is a case with an error.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Checked, CheckedCapture, CheckedCase, LET_PASS, Standing};

/// Writes the report.
pub fn write(out: &mut dyn Write, checked: &Checked) -> io::Result<()> {
    let mut report = Report::new("lastack check");
    for capture in &checked.captures {
        report.add_test_suite(suite(capture));
    }
    report.serialize(&mut *out).map_err(io::Error::other)?;
    out.write_all(b"\n")
}

fn suite(capture: &CheckedCapture) -> TestSuite {
    let mut suite = TestSuite::new(&capture.path);
    if let Some(first) = capture.errors.first() {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        let all: Vec<&str> = capture.errors.iter().map(|error| error.message.as_str()).collect();
        status.set_message(&first.message).set_type("cannot-check").set_description(all.join("\n"));
        suite.add_test_case(named(capture, "can be checked", status));
    }
    for case in &capture.cases {
        suite.add_test_case(of_case(capture, case));
    }
    suite
}

fn of_case(capture: &CheckedCapture, case: &CheckedCase) -> TestCase {
    let described = |standing: Standing| {
        let problems = case.problems.iter().filter(move |problem| problem.standing == standing);
        problems.map(|problem| super::described(capture, problem))
    };
    let passing: Vec<String> = described(Standing::LetPass).collect();
    let failing: Vec<_> = case.problems.iter().filter(|problem| problem.standing == Standing::New).collect();
    let Some(first) = failing.first() else {
        let mut passed = named(capture, &case.name, TestCaseStatus::success());
        if !passing.is_empty() {
            passed.set_system_out(format!("{LET_PASS}:\n{}", passing.join("\n")));
        }
        return passed;
    };
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
    let more = if failing.len() > 1 { format!(" (and {} more)", failing.len() - 1) } else { String::new() };
    status.set_message(format!("{}{more}", first.message)).set_type(&first.rule);
    status.set_description(described(Standing::New).collect::<Vec<_>>().join("\n"));
    named(capture, &case.name, status)
}

fn named(capture: &CheckedCapture, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(&capture.path);
    case
}
