//! Beside every capture and trace of `fixtures/` lies what the program prints of it, as text and as NDJSON.
//! `UPDATE_GOLDEN=1` writes them anew, to be read before they are accepted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The captures and traces below `folder`.
fn inputs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("fixtures are readable") {
        let path = entry.expect("fixtures are readable").path();
        let is_input = path.extension().is_some_and(|extension| extension == "pcap" || extension == "pcapng");
        if path.is_dir() {
            inputs(&path, found);
        } else if is_input || path.file_name().is_some_and(|name| name == "trace.txt") {
            found.push(path);
        }
    }
}

/// What the program prints of `input`, read in its own folder so that no path of this machine shows.
fn printed(input: &Path, options: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lastack"))
        .args(["read", "--color", "never"])
        .args(options)
        .arg(input.file_name().expect("a file has a name"))
        .current_dir(input.parent().expect("a file lies in a folder"))
        .env_remove("COLUMNS")
        .output()
        .expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", input.display());
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}

#[test]
fn every_fixture_prints_its_golden_outputs() {
    let mut all = Vec::new();
    inputs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut all);
    all.sort();
    assert!(all.len() > 80, "only {} captures below fixtures/", all.len());
    let mut stale = Vec::new();
    for input in &all {
        for (extension, options) in [("golden.txt", &[][..]), ("golden.ndjson", &["--format", "ndjson"][..])] {
            let golden = input.with_extension(extension);
            let printed = printed(input, options);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                fs::write(&golden, printed).expect("fixtures are writable");
            } else if fs::read_to_string(&golden).ok().as_deref() != Some(&printed) {
                stale.push(golden.display().to_string());
            }
        }
    }
    assert!(stale.is_empty(), "UPDATE_GOLDEN=1 writes these anew, to be read:\n{}", stale.join("\n"));
}
