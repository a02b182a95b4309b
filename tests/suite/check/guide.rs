//! docs/CI.md shows what the program does with the recordings in examples/upper, and names every key.

use std::fs;
use std::path::Path;

use lastack::check::{keys, parse};

use super::{folder, outcome};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The blocks of the guide in this language.
fn blocks(language: &str) -> Vec<String> {
    let guide = read("docs/CI.md");
    let fence = format!("\n```{language}\n");
    let bodies =
        guide.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned() + "\n");
    bodies.collect()
}

#[test]
fn the_walk_from_a_recording_to_a_red_build_is_what_happens() {
    let folder = folder("guide");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/upper");
    fs::copy(example.join("clean.pcap"), folder.join("upper.pcap")).unwrap();
    assert_eq!(outcome(&folder, "--update upper.pcap"), (0, "wrote upper.expect.toml\n".to_owned()));
    let written = fs::read_to_string(folder.join("upper.expect.toml")).unwrap();
    assert!(blocks("toml").contains(&written), "docs/CI.md should show:\n{written}");
    assert_eq!(written.replace("upper.pcap", "clean.pcap"), read("examples/upper/clean.expect.toml"));
    assert_eq!(outcome(&folder, "upper.pcap").0, 0);
    // The same test against the service with the leak.
    fs::copy(example.join("leak.pcap"), folder.join("upper.pcap")).unwrap();
    let (code, shown) = outcome(&folder, "upper.pcap");
    assert_eq!(code, 1);
    assert!(blocks("text").contains(&shown), "docs/CI.md should show:\n{shown}");
    // Without expectations, the policy of the guide finds it too.
    fs::remove_file(folder.join("upper.expect.toml")).unwrap();
    let policy = blocks("toml").into_iter().find(|block| block.starts_with("[thresholds]")).unwrap();
    fs::write(folder.join("lastack.toml"), policy).unwrap();
    let (code, shown) = outcome(&folder, "upper.pcap");
    assert!(code == 1 && shown.contains("finding/close-wait-stuck"), "{shown}");
}

#[test]
fn the_reference_is_understood_and_lists_every_key() {
    let sample = blocks("toml").into_iter().find(|block| block.contains("uploads")).unwrap();
    let sample = parse("docs/CI.md", &sample).unwrap_or_else(|errors| panic!("{}", errors[0]));
    assert_eq!(sample.rules.len(), 2);
    let guide = read("docs/CI.md");
    for key in keys() {
        let row = guide.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{}`", key.name)));
        let row = row.unwrap_or_else(|| panic!("docs/CI.md does not list {}", key.name));
        assert!(row.ends_with(&format!("| {} |", key.about)), "{row}\nshould say: {}", key.about);
    }
}

#[test]
fn what_other_tools_start_has_the_options_that_there_are() {
    for (file, words) in [
        ("action.yml", vec!["using: composite", "--locked --no-default-features", "lastack\" check"]),
        (
            "ci/gitlab.yml",
            vec!["--report junit=lastack.xml", "--report gitlab=lastack.json", "codequality: lastack.json"],
        ),
        (".pre-commit-hooks.yaml", vec!["entry: lastack check", "language: rust"]),
        ("ci/Containerfile", vec!["ENTRYPOINT [\"/lastack\"]", "--locked --no-default-features"]),
    ] {
        let text = read(file);
        words.iter().for_each(|words| assert!(text.contains(words), "{file}: {words}"));
    }
    // As the action and the job call it.
    let folder = folder("called");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/upper");
    fs::copy(example.join("clean.pcap"), folder.join("upper.pcap")).unwrap();
    let (code, shown) = outcome(&folder, "--report junit=lastack.xml --report gitlab=lastack.json -- upper.pcap");
    assert_eq!(code, 0, "{shown}");
    assert!(folder.join("lastack.xml").is_file() && folder.join("lastack.json").is_file());
}
