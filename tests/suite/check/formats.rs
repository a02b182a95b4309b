//! Every form of the results is read by something that knows it: its own parser, or a strict reader of its grammar.

use std::path::PathBuf;

use quick_junit::{NonSuccessKind, Report, TestCaseStatus};
use serde_json::Value;

use super::{LEAK, check, folder, leak_only, text, write};

/// A folder with a capture that passes, one that fails, one whose expectations are broken and one that is none.
fn mixed(name: &str) -> PathBuf {
    let folder = folder(name);
    write(&folder, "a b#1", LEAK, "[capture]\nconnections = 3\n");
    let failing = "[[connection]]\nname = \"all, 100% <\\\"open\\\">\"\nopen = \"three-way\"\n[[connection]]\nfindings.must-not = \"close-wait-stuck\"\n";
    write(&folder, "fails", LEAK, failing);
    write(&folder, "broken", LEAK, "[[connection]]\nclsoe = 1\n");
    std::fs::write(folder.join("noise.pcap"), "no capture").unwrap();
    folder
}

fn result(folder: &std::path::Path, format: &str) -> String {
    let output = check(folder, &format!(". --format {format}"));
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn junit_is_read_back_by_its_own_model() {
    let xml = result(&mixed("junit"), "junit");
    let report = Report::deserialize_from_str(&xml).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (5, 2, 2));
    let suites: Vec<&str> = report.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(suites, ["a b#1.pcap", "broken.pcap", "fails.pcap", "noise.pcap"]);
    let failing = &report.test_suites[2].test_cases;
    assert_eq!(failing[0].name.as_str(), "all, 100% <\"open\">");
    let TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, message, ty, description, .. } = &failing[0].status
    else {
        panic!("{:?}", failing[0].status)
    };
    assert_eq!(ty.as_ref().map(|ty| ty.as_str()), Some("open"));
    assert!(message.as_ref().unwrap().as_str().starts_with("open is refused, not three-way"));
    assert!(description.as_ref().unwrap().as_str().contains("filter: tcp.stream eq 2 && frame.number in {"));
}

#[test]
fn sarif_is_read_by_types_made_from_its_schema() {
    let json = result(&mixed("sarif"), "sarif");
    let log: serde_sarif::sarif::Sarif = serde_json::from_str(&json).unwrap();
    let run = &log.runs[0];
    let rules = run.tool.driver.rules.as_ref().unwrap();
    let results = run.results.as_ref().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result.rule_index.unwrap()).unwrap();
        assert_eq!(Some(&rules[index].id), result.rule_id.as_ref());
        let place = result.locations.as_ref().unwrap()[0].physical_location.as_ref().unwrap();
        let file = place.artifact_location.as_ref().unwrap().uri.as_ref().unwrap();
        assert_eq!(file, "fails.expect.toml");
        assert!(place.region.as_ref().unwrap().start_line.unwrap() >= 1);
        assert_eq!(result.partial_fingerprints.as_ref().unwrap().len(), 1);
    }
    let manual = rules.iter().find(|rule| rule.id == "finding/close-wait-stuck").unwrap();
    assert!(manual.help.as_ref().unwrap().text.contains("What to do"));
    let invocation = &run.invocations.as_ref().unwrap()[0];
    assert!(!invocation.execution_successful);
    assert_eq!(invocation.tool_execution_notifications.as_ref().unwrap().len(), 2);
}

#[test]
fn findings_that_are_let_pass_are_told_in_every_form_and_fail_in_none() {
    let folder = folder("let_pass");
    write(&folder, "leak", &leak_only(), "");
    for (findings_max, code) in [(1, 0), (0, 1)] {
        let result = |format: &str| {
            let output = check(&folder, &format!("leak.pcap --max-findings {findings_max} --format {format}"));
            assert_eq!(output.status.code(), Some(code), "{format}: {}", text(&output.stderr));
            text(&output.stdout)
        };
        let is_let_pass = code == 0;
        for format in ["text", "junit", "sarif", "github", "gitlab", "tap"] {
            let told = result(format);
            assert_eq!(told.contains("let pass"), is_let_pass, "{told}");
            assert!(told.contains("finding/close-wait-stuck") || format == "junit", "{told}");
        }
        assert_eq!(result("text").contains("FAILED"), !is_let_pass);
        let suites = Report::deserialize_from_str(&result("junit")).unwrap();
        assert_eq!(suites.failures, usize::from(!is_let_pass));
        assert_eq!(result("github").starts_with("::notice "), is_let_pass);
        assert!(tap_points(&result("tap")).iter().all(|(is_ok, ..)| *is_ok == is_let_pass));
        let document: Value = serde_json::from_str(&result("json")).unwrap();
        let counts = (document["problems"].as_u64(), document["let_pass"].as_u64());
        assert_eq!(counts, if is_let_pass { (Some(0), Some(1)) } else { (Some(1), Some(0)) });
        for passed in [&document["passed"], &document["captures"][0]["passed"]] {
            assert_eq!(passed, is_let_pass, "{document}");
        }
        assert_eq!(document["captures"][0]["cases"][0]["problems"][0]["let_pass"], is_let_pass);
        let sarif: Value = serde_json::from_str(&result("sarif")).unwrap();
        assert_eq!(sarif["runs"][0]["results"][0]["suppressions"].is_array(), is_let_pass);
        let gitlab: Value = serde_json::from_str(&result("gitlab")).unwrap();
        assert_eq!(gitlab[0]["severity"] == "info", is_let_pass);
    }
}

#[test]
fn sarif_names_files_by_escaped_references() {
    let folder = folder("sarif_uri");
    write(&folder, "a b#1", LEAK, "");
    let output = check(&folder, ". --format sarif");
    let log: Value = serde_json::from_slice(&output.stdout).unwrap();
    let place = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "a%20b%231.pcap");
}

#[test]
fn gitlab_has_the_fields_that_its_report_requires() {
    let issues: Vec<Value> = serde_json::from_str(&result(&mixed("gitlab"), "gitlab")).unwrap();
    assert_eq!(issues.len(), 4);
    let mut fingerprints = Vec::new();
    for issue in &issues {
        assert!(issue["description"].as_str().is_some_and(|text| !text.is_empty()));
        assert!(issue["check_name"].as_str().is_some());
        let severity = issue["severity"].as_str().unwrap();
        assert!(["info", "minor", "major", "critical", "blocker"].contains(&severity));
        let path = issue["location"]["path"].as_str().unwrap();
        assert!(!path.starts_with("./") && !path.starts_with('/'), "{path}");
        assert!(issue["location"]["lines"]["begin"].as_u64().is_some_and(|line| line >= 1));
        fingerprints.push(issue["fingerprint"].as_str().unwrap());
    }
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), issues.len());
}

#[test]
fn github_commands_keep_to_one_line_each_and_escape_what_ends_a_field() {
    let commands = result(&mixed("annotations"), "github");
    assert_eq!(commands.lines().count(), 4);
    for line in commands.lines() {
        let rest = line.strip_prefix("::").unwrap();
        let (head, message) = rest.split_once("::").unwrap();
        let (kind, properties) = head.split_once(' ').unwrap();
        assert!(["error", "warning", "notice"].contains(&kind), "{line}");
        for property in properties.split(',') {
            let (name, value) = property.split_once('=').unwrap();
            assert!(["file", "line", "col", "title"].contains(&name), "{line}");
            assert!(!value.is_empty() && !value.contains(':'), "{line}");
        }
        let escapes = message.match_indices('%').all(|(at, _)| ["%25", "%0A", "%0D"].contains(&&message[at..at + 3]));
        assert!(!message.is_empty() && escapes, "{line}");
    }
    assert!(commands.contains("file=broken.expect.toml,line=2,col=1,title=lastack%3A cannot check::"), "{commands}");
}

/// Reads TAP 14 as its grammar says: version, plan, test points numbered through, YAML blocks indented by two.
fn tap_points(document: &str) -> Vec<(bool, String, Option<String>)> {
    let mut lines = document.lines().peekable();
    assert_eq!(lines.next(), Some("TAP version 14"));
    let plan: usize = lines.next().and_then(|plan| plan.strip_prefix("1..")).unwrap().parse().unwrap();
    let mut points = Vec::new();
    while let Some(line) = lines.next() {
        let (is_ok, rest) = match line.strip_prefix("not ok ") {
            Some(rest) => (false, rest),
            None => (true, line.strip_prefix("ok ").unwrap_or_else(|| panic!("{line}"))),
        };
        let (number, description) = rest.split_once(" - ").unwrap();
        assert_eq!(number.parse::<usize>().unwrap(), points.len() + 1);
        let directive = description.replace("\\\\", "").replace("\\#", "");
        assert!(!directive.contains('#'), "a directive by accident: {line}");
        let mut block = None;
        if lines.next_if_eq(&"  ---").is_some() {
            let mut yaml = String::new();
            loop {
                let line = lines.next().expect("an end of the block");
                if line == "  ..." {
                    break;
                }
                yaml += line.strip_prefix("  ").unwrap();
                yaml.push('\n');
            }
            block = Some(yaml);
        }
        points.push((is_ok, description.to_owned(), block));
    }
    assert_eq!(points.len(), plan);
    points
}

#[test]
fn tap_follows_its_grammar() {
    let points = tap_points(&result(&mixed("tap"), "tap"));
    let short: Vec<(bool, &str)> =
        points.iter().map(|(is_ok, description, _)| (*is_ok, description.as_str())).collect();
    assert_eq!(
        short,
        [
            (true, "a b\\#1.pcap: capture"),
            (false, "broken.pcap: can be checked"),
            (false, "fails.pcap: all, 100% <\"open\">"),
            (false, "fails.pcap: all connections"),
            (false, "noise.pcap: can be checked"),
        ]
    );
    for (is_ok, _, block) in &points {
        assert_eq!(*is_ok, block.is_none());
        for line in block.iter().flat_map(|block| block.lines()) {
            let (_, value) = line.split_once(": ").unwrap_or((line, ""));
            let is_scalar =
                value.is_empty() || !value.starts_with('"') || serde_json::from_str::<String>(value).is_ok();
            assert!(is_scalar, "{line}");
        }
    }
}

#[test]
fn json_says_everything_and_more_forms_can_be_written_beside() {
    let folder = mixed("json");
    let output = check(&folder, ". --format json --report junit=out.xml --report text=out.txt");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&document["type"], &document["schema"]), (&Value::from("check"), &Value::from(1)));
    assert_eq!((&document["problems"], &document["errors"]), (&Value::from(2), &Value::from(2)));
    assert_eq!(document["passed"], false);
    let problem = &document["captures"][2]["cases"][0]["problems"][0];
    assert_eq!(
        (&problem["rule"], &problem["expected"], &problem["seen"]),
        (&Value::from("open"), &Value::from("three-way"), &Value::from("refused"))
    );
    assert!(Report::deserialize_from_str(&std::fs::read_to_string(folder.join("out.xml")).unwrap()).is_ok());
    assert!(std::fs::read_to_string(folder.join("out.txt")).unwrap().contains("FAILED fails.pcap"));
}
