//! `--sandbox` from outside: what a running command has given up, and that results are the same with and without.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/teardown/final-ack-lost-recovered/capture.pcap")
}

fn lastack() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lastack"))
}

#[test]
fn results_are_the_same_with_and_without() {
    let of = |how: &str| {
        let output =
            lastack().arg("read").arg(fixture()).args(["--format", "ndjson", "--sandbox", how]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{how}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    assert_eq!(of("off"), of("best-effort"));
}

#[test]
fn a_reader_of_captures_has_no_privileges_to_gain_and_few_calls_to_make() {
    let mut reader = lastack()
        .args(["read", "-", "--format", "ndjson"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    stdin.write_all(&fs::read(fixture()).unwrap()).unwrap();
    stdin.flush().unwrap();
    let mut first = String::new();
    BufReader::new(reader.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", reader.id())).unwrap();
    drop(stdin);
    assert!(reader.wait().unwrap().success());
    let has = |line: &str| status.lines().any(|found| found.split_whitespace().eq(line.split_whitespace()));
    assert!(has("NoNewPrivs: 1"), "{status}");
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")) {
        assert!(has("Seccomp: 2"), "{status}");
    }
}
