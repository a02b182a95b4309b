//! Beside every capture and trace of `fixtures/` lies what the program prints of it, as text and as NDJSON.
//! `UPDATE_GOLDEN=1` writes them anew, to be read before they are accepted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use lastack::analysis::{Options, analyse};
use lastack::report::Json;
use lastack::source::{self, Access};

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

fn inputs_of_fixtures() -> Vec<PathBuf> {
    let mut all = Vec::new();
    inputs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut all);
    all.sort();
    assert!(all.len() > 80, "only {} captures below fixtures/", all.len());
    all
}

/// What a fixture says of its hosts that no packet shows: `arguments.txt`, on one line.
fn arguments(input: &Path) -> String {
    fs::read_to_string(input.with_file_name("arguments.txt")).unwrap_or_default()
}

/// What the program prints of `input`, read in its own folder so that no path of this machine shows.
fn printed(input: &Path, options: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lastack"))
        .args(["read", "--color", "never"])
        .args(options)
        .args(arguments(input).split_whitespace())
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
    let mut stale = Vec::new();
    for input in &inputs_of_fixtures() {
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

/// The NDJSON of one input, read in the given way.
fn ndjson(input: source::Input, access: Access, buffer_bytes: usize) -> Vec<u8> {
    let options = source::Options { access, buffer_bytes, ..source::Options::default() };
    let mut captures = source::open(vec![input], options).expect("a fixture opens");
    let mut out = Vec::new();
    let analysed = analyse(&mut captures, &Options::default(), None, &mut Json::lines(&mut out), &mut ());
    assert!(analysed.expect("memory takes everything").source_error.is_none());
    out
}

#[test]
fn however_a_fixture_is_read_every_byte_printed_is_the_same() {
    for input in inputs_of_fixtures() {
        let name = input.display().to_string();
        let path = || source::Input::Path(input.clone());
        let whole = ndjson(path(), Access::Buffer, 1 << 20);
        let piped = File::open(&input).expect("fixtures are readable");
        assert!(whole == ndjson(path(), Access::Map, 1 << 20), "{name}, mapped");
        assert!(whole == ndjson(path(), Access::Buffer, 64), "{name}, in a buffer of 64 bytes");
        let piped = source::Input::Reader(name.clone(), Box::new(piped));
        assert!(whole == ndjson(piped, Access::Buffer, 1 << 20), "{name}, from a stream");
    }
}
