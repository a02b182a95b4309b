//! `lastack diff`, and captures in the tests of a Rust program.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::process::{Command, Stdio};

use lastack::check::{assert_capture, check_capture};

use super::{LEAK, folder, leak_only, text, write};

fn lastack(folder: &Path, line: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
    command.current_dir(folder).args(line.split_whitespace()).env_remove("COLUMNS");
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

/// `connections` to one server, of which the last `resets` are reset by it with unread data.
fn service(connections: usize, resets: usize) -> String {
    let one = |at: usize| {
        let open = format!(
            "c{at}.client 10.0.0.1:{}\nc{at}.client > SYN\nc{at}.server > SYN ACK\nc{at}.client > ACK\n",
            40_000 + at
        );
        let close = if at < connections - resets {
            "client > FIN ACK\nserver > FIN ACK\nclient > ACK\n"
        } else {
            "client > PSH ACK data 10\nserver > RST ACK\n"
        };
        close.lines().fold(open, |text, line| format!("{text}c{at}.{line}\n"))
    };
    (0..connections).map(one).collect()
}

#[test]
fn a_difference_names_what_is_new_gone_and_changed_by_more_than_chance() {
    let folder = folder("diff");
    for (name, connections, resets) in [("clean", 60, 0), ("few", 60, 1), ("many", 60, 20), ("less", 30, 1)] {
        write(&folder, name, &service(connections, resets), "");
    }
    let (code, shown) = lastack(&folder, "diff clean.pcap many.pcap");
    assert_eq!(code, 0);
    assert!(shown.starts_with("before clean.pcap: 60 connections\nafter  many.pcap: 60 connections\n"), "{shown}");
    let line = |shown: &str, word: &str| {
        let found = shown.lines().find(|line| line.trim_start().starts_with(word));
        found.unwrap_or_else(|| panic!("no {word}: {shown}")).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line(&shown, "reset "), "reset 0 20 33.3 % new p < 0.0001");
    assert_eq!(line(&shown, "three-segment"), "three-segment 60 100.0 % 40 66.7 % fewer p < 0.0001");
    assert!(shown.contains("TIME-WAIT held by"), "{shown}");
    let widths = [80, 72].map(|width| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
        command.current_dir(&folder).args(["diff", "clean.pcap", "many.pcap"]).env("COLUMNS", width.to_string());
        let shown = text(&command.output().unwrap().stdout);
        assert!(shown.contains("reset-unread-data"), "names are whole: {shown}");
        shown.lines().map(|line| line.chars().count()).max() <= Some(width)
    });
    assert_eq!(widths, [true, true]);
    let (_, back) = lastack(&folder, "diff many.pcap clean.pcap");
    assert_eq!(line(&back, "reset "), "reset 20 33.3 % 0 gone p < 0.0001");
    // One of sixty against one of thirty is nothing.
    let (code, shown) = lastack(&folder, "diff few.pcap less.pcap --exit-code");
    assert_eq!(code, 0, "{shown}");
    assert_eq!(line(&shown, "reset "), "reset 1 1.7 % 1 3.3 % within chance p 1.0000");
    assert_eq!(
        lastack(&folder, "diff clean.pcap clean.pcap --exit-code"),
        (0, "before clean.pcap: 60 connections\nafter  clean.pcap: 60 connections\n\nNo share differs.\n".to_owned())
    );
    for (line, code) in [("clean.pcap few.pcap", 1), ("few.pcap many.pcap", 1), ("few.pcap clean.pcap", 0)] {
        assert_eq!(lastack(&folder, &format!("diff {line} --exit-code")).0, code, "{line}");
    }
}

#[test]
fn results_are_compared_like_the_captures_that_they_came_from() {
    let folder = folder("diff_results");
    write(&folder, "a", LEAK, "");
    write(&folder, "b", &leak_only(), "");
    for name in ["a", "b"] {
        assert_eq!(lastack(&folder, &format!("read {name}.pcap --format ndjson -o {name}.ndjson")).0, 0);
        assert_eq!(lastack(&folder, &format!("read {name}.pcap --format json -o {name}.json")).0, 0);
    }
    let of_captures: serde_json::Value =
        serde_json::from_str(&lastack(&folder, "diff a.pcap b.pcap --format json").1).unwrap();
    assert_eq!(of_captures["differs"], false);
    assert!(
        of_captures["rows"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["word"] == "connection-refused" && row["change"] == "gone")
    );
    for line in ["a.ndjson b.json", "a.json b.pcap"] {
        let (_, shown) = lastack(&folder, &format!("diff {line} --format json"));
        let mixed: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(mixed["rows"], of_captures["rows"], "{line}");
    }
    let whole = fs::read_to_string(folder.join("a.ndjson")).unwrap();
    let summary = whole.lines().last().unwrap();
    fs::write(folder.join("cut.ndjson"), whole.replace(summary, "")).unwrap();
    assert_eq!(lastack(&folder, "census a.pcap --format ndjson -o census.ndjson").0, 0);
    fs::write(folder.join("odd.ndjson"), "{\"type\":\"connection\"}\n").unwrap();
    for (line, words) in [
        ("cut.ndjson a.pcap", "cut.ndjson: this result has no summary"),
        ("census.ndjson a.pcap", "census.ndjson: not a result of lastack read"),
        ("odd.ndjson a.pcap", "odd.ndjson:1: not a result of lastack read"),
        ("a.pcap missing.pcap", "missing.pcap"),
        ("a.pcap", "AFTER"),
    ] {
        let (code, shown) = lastack(&folder, &format!("diff {line}"));
        assert!(code == 2 && shown.contains(words), "{line}: {code} {shown}");
    }
}

#[test]
fn a_rust_test_makes_demands_on_a_capture() {
    let folder = folder("assertions");
    write(&folder, "leak", LEAK, "[capture]\nconnections = 3\n");
    let capture = folder.join("leak.pcap");
    assert_capture(&capture)
        .connections(3)
        .connections(">= 2")
        .finding("close-wait-stuck")
        .no_finding("reset-linger-*")
        .holds("[[connection]]\nwhere = { order = 1 }\nclose = \"orderly\"")
        .expectations();
    let fails = |demand: fn(lastack::check::CaptureAssertion)| {
        let capture = capture.clone();
        let panic = catch_unwind(move || demand(assert_capture(capture))).expect_err("it does not hold");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    };
    let told = fails(|capture| drop(capture.no_finding("close-wait-stuck")));
    assert!(
        told.contains("finding/close-wait-stuck") && told.contains("tcp.stream eq 1 && frame.number in {16, 17}"),
        "{told}"
    );
    assert!(fails(|capture| drop(capture.every("close", "orderly"))).contains("+ seen     none"));
    assert!(fails(|capture| drop(capture.every("clsoe", "orderly"))).contains("did you mean \"close\"?"));
    assert!(fails(|capture| drop(capture.finding("reset-linger-zero"))).contains("occurs 0 times"));
    assert!(
        fails(|capture| drop(capture.no_finding("close-wait-stick"))).contains("did you mean \"close-wait-stuck\"?")
    );
    assert!(fails(|capture| drop(capture.policy())).contains("no warning and no error"));
    assert!(catch_unwind(|| assert_capture("no/such.pcap")).is_err());
    assert!(check_capture(&capture).passes());
}

#[test]
fn one_of_both_may_come_from_standard_input() {
    let folder = folder("diff_stdin");
    for (name, connections, resets) in [("clean", 60, 0), ("many", 60, 20)] {
        write(&folder, name, &service(connections, resets), "");
        assert_eq!(lastack(&folder, &format!("read {name}.pcap --format ndjson -o {name}.ndjson")).0, 0);
    }
    let piped = |line: &str, file: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
        let stdin = fs::File::open(folder.join(file)).unwrap();
        let output = command.current_dir(&folder).args(line.split_whitespace()).stdin(stdin).output().unwrap();
        (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
    };
    let (_, expected) = lastack(&folder, "diff clean.pcap many.pcap");
    for file in ["many.pcap", "many.ndjson"] {
        let (code, shown) = piped("diff clean.pcap -", file);
        assert_eq!((code, shown), (0, expected.replacen("after  many.pcap:", "after  -:", 1)), "{file}");
    }
    let (code, shown) = piped("diff - many.pcap", "clean.pcap");
    assert_eq!((code, shown), (0, expected.replacen("before clean.pcap:", "before -:", 1)));
    let (code, shown) = piped("diff - -", "clean.pcap");
    assert_eq!((code, shown.as_str()), (2, "lastack: standard input can be only one of the two\n"));
    let (code, shown) = piped("check -", "clean.pcap");
    assert!(code == 2 && shown.contains("-: standard input cannot be checked"), "{shown}");
}
