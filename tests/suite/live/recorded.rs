//! The recorder's scenarios with `lastack live` beside its taps: what it told, what its frames give when they are read
//! again, and the states that the kernel's trace events name.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Guard, connections, folder, read_again};

/// Quick ones, of every family. At the vantage of an end, the packets show each state that its socket was in.
const SCENARIOS: [&str; 8] = [
    "refused",
    "syn-lost",
    "simultaneous-close",
    "half-close-by-server",
    "final-ack-lost-recovered",
    "linger-zero-by-client",
    "unread-data-by-server",
    "data-after-close-in-fin-wait-2",
];

#[test]
fn live_records_equal_those_of_the_frames_kept_and_the_kernels_states() {
    let out = folder("recorded");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorder = Command::new("python3")
        .arg(root.join("fixtures/record/run"))
        .args(SCENARIOS)
        .args(["--jobs", "4", "--vantage", "client,server", "--live", env!("CARGO_BIN_EXE_lastack"), "--out"])
        .arg(&out)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(recorder) = recorder else {
        eprintln!("skipped: the recorder wants python3");
        return;
    };
    let guard = Guard::of(&recorder);
    let recorder = recorder.wait_with_output().unwrap();
    drop(guard);
    let said = format!("{}{}", String::from_utf8_lossy(&recorder.stdout), String::from_utf8_lossy(&recorder.stderr));
    if recorder.status.code() == Some(2) && said.contains("cannot record here") {
        eprintln!("skipped: {said}");
        return;
    }
    assert!(recorder.status.success(), "{said}");
    for scenario in SCENARIOS {
        for vantage in ["client", "server"] {
            agrees(&out.join(format!("{scenario}-s0-{vantage}")), vantage);
        }
    }
}

/// Holds the records of one vantage to the frames kept and to the truth.
fn agrees(base: &Path, vantage: &str) {
    let beside = |extension: &str| PathBuf::from(format!("{}.{extension}", base.display()));
    let shown = base.display();
    let text = fs::read_to_string(beside("live.ndjson")).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = connections(&records);
    assert!(!told.is_empty(), "{shown}: no connection in {text}");
    assert_eq!(told, connections(&read_again(&beside("live.pcapng"))), "{shown}");
    let truth: Value = serde_json::from_slice(&fs::read(beside("truth.json")).unwrap()).unwrap();
    let truth = truth["connections"].as_array().unwrap();
    assert_eq!(told.len(), truth.len(), "{shown}");
    for (told, truth) in told.into_iter().zip(truth) {
        let states = told["endpoints"][vantage]["states"].as_array().unwrap();
        let inferred: Vec<&str> = states.iter().map(|step| step["state"].as_str().unwrap()).collect();
        let steps = truth["timeline"][vantage].as_array().unwrap();
        let actual: Vec<String> = steps.iter().map(|step| name(step[1].as_str().unwrap())).collect();
        assert_eq!(inferred, actual, "{shown}");
    }
}

/// The RFC's spelling of a state in the recorder's words.
fn name(state: &str) -> String {
    if state == "SYN_RCVD" { "SYN-RECEIVED".to_owned() } else { state.replace('_', "-") }
}
