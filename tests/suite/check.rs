//! `lastack check` as a CI job sees it: what passes, what fails and with which code, and what is said about it.

mod difference;
mod formats;
mod guide;
mod updates;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lastack::source::script::{parse, write_pcap};

/// A clean close by the client, and a connection whose server never closes.
pub const LEAK: &str = "\
client > SYN <mss 1460>
server > SYN ACK <mss 1460>
client > ACK
client > PSH ACK data 100
server > ACK
server > PSH ACK data 50
client > ACK
client > FIN ACK
server > FIN ACK
client > ACK
b.client 10.0.0.1:40001
b.client > SYN
b.server > SYN ACK
b.client > ACK
b.client > PSH ACK data 100
b.server > ACK
b.client > FIN ACK
b.server > ACK
idle 90s
c.client 10.0.0.1:40002
c.client > SYN
c.server > RST ACK
";

/// The same with a clean last connection: the leak is all that is wrong.
fn leak_only() -> String {
    let clean = "c.server > SYN ACK\nc.client > ACK\nc.client > FIN ACK\nc.server > FIN ACK\nc.client > ACK\n";
    LEAK.replace("c.server > RST ACK\n", clean)
}

/// An empty folder of its own for the test `name`.
pub fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("check").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes the trace as a capture, and its expectations beside it.
pub fn write(folder: &Path, name: &str, trace: &str, expectations: &str) {
    let mut bytes = Vec::new();
    write_pcap(&parse(trace).unwrap(), &mut bytes).unwrap();
    fs::write(folder.join(format!("{name}.pcap")), bytes).unwrap();
    if !expectations.is_empty() {
        fs::write(folder.join(format!("{name}.expect.toml")), expectations).unwrap();
    }
}

/// Runs `lastack check` in `folder`.
pub fn check(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
    command.current_dir(folder).arg("check").args(line.split_whitespace());
    command.env_remove("GITHUB_ACTIONS").env_remove("COLUMNS").stdin(Stdio::null()).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The exit code and what was written to standard output.
fn outcome(folder: &Path, line: &str) -> (i32, String) {
    let output = check(folder, line);
    (output.status.code().unwrap(), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn a_rule_passes_or_fails_by_what_the_capture_shows() {
    let folder = folder("rules");
    // What is expected, and the rule that breaks; none when it holds.
    let table: &[(&str, Option<&str>)] = &[
        ("[capture]\nconnections = 3", None),
        ("[capture]\nconnections = \"<= 2\"", Some("capture/connections")),
        ("[capture]\nskipped = 0", None),
        ("[[connection]]\ncount = 3", None),
        ("[[connection]]\ncount = \"4..9\"", Some("count")),
        ("[[connection]]\nwhere = { port = 81 }\ncount = 0", None),
        ("[[connection]]\nwhere = { port = 81 }\nopen = \"three-way\"", Some("rule-matched-nothing")),
        ("[[connection]]\nwhere = { stream = 7 }\nopen = \"three-way\"", Some("missing-connection")),
        ("[[connection]]\nwhere = { order = 4 }\nopen = \"three-way\"", Some("missing-connection")),
        ("[[connection]]\nwhere = { client = \"10.0.0.0/24\", port = 80 }\ncount = 3", None),
        ("[[connection]]\nwhere = { client = \"10.0.1.0/24\" }\ncount = 0", None),
        ("[[connection]]\nwhere = { client = \"10.0.0.1:40001\" }\ncount = 1", None),
        ("[[connection]]\nwhere = { order = 1 }\nopen = \"three-way\"", None),
        ("[[connection]]\nwhere = { order = \"last\" }\nopen = \"refused\"", None),
        ("[[connection]]\nopen = [\"three-way\", \"refused\"]", None),
        ("[[connection]]\nopen = \"three-way\"", Some("open")),
        ("[[connection]]\nwhere = { order = 1 }\nclose = \"orderly\"", None),
        ("[[connection]]\nwhere = { order = 1 }\nclose = \"four-segment\"", Some("close")),
        ("[[connection]]\nwhere = { order = 2 }\nclose = \"orderly\"", Some("close")),
        ("[[connection]]\nwhere = { order = 1 }\ninitiator = \"client\"", None),
        ("[[connection]]\nwhere = { order = 1 }\ninitiator = [\"server\", \"both\"]", Some("initiator")),
        ("[[connection]]\nwhere = { order = 1 }\ntime-wait = \"client\"", None),
        ("[[connection]]\nwhere = { order = 1 }\ntime-wait = \"none\"", Some("time-wait")),
        ("[[connection]]\nwhere = { order = 2 }\nserver.final-state = \"CLOSE-WAIT\"", None),
        (
            "[[connection]]\nwhere = { order = 2 }\n[connection.server]\nfinal-state = \"CLOSED\"",
            Some("server.final-state"),
        ),
        ("[[connection]]\nwhere = { order = 3 }\nclient.error = \"ECONNREFUSED\"", None),
        ("[[connection]]\nwhere = { order = 3 }\nclient.error = \"none\"", Some("client.error")),
        ("[[connection]]\nwhere = { order = 3 }\nclient.calls = [\"connect ECONNREFUSED\"]", None),
        ("[[connection]]\nwhere = { order = 3 }\nclient.calls = []", Some("client.calls")),
        ("[[connection]]\nwhere = { order = 3 }\nresets = \"refused\"", None),
        ("[[connection]]\nwhere = { order = 3 }\nresets = []", Some("resets")),
        ("[[connection]]\nresets.may = [\"refused\"]", None),
        ("[[connection]]\nresets.must = [\"refused\"]", Some("missing-reset/refused")),
        ("[[connection]]\nresets.must-not = [\"refused\"]", Some("reset/refused")),
        ("[[connection]]\nresets.counts = { refused = 1 }", None),
        ("[[connection]]\nresets.counts = { refused = \">= 2\" }", Some("count/refused")),
        ("[[connection]]\nwhere = { order = 2 }\nfindings.must = \"close-wait-stuck\"", None),
        (
            "[[connection]]\nwhere = { order = 1 }\nfindings.must = \"close-wait-stuck\"",
            Some("missing-finding/close-wait-stuck"),
        ),
        ("[[connection]]\nfindings.must-not = \"close-*\"", Some("finding/close-wait-stuck")),
        ("[[connection]]\nfindings.counts.close-wait-stuck = \"<= 1\"", None),
        ("[[connection]]\nwhere = { order = 1 }\nfindings = []", None),
        ("[[connection]]\nwhere = { order = 2 }\nfindings = []", Some("findings")),
        ("[[connection]]\nwhere = { order = 2 }\nclose-wait = \"<= 1s\"", Some("close-wait")),
        ("[[connection]]\nwhere = { order = 2 }\nclose-wait = \"1min..2min\"", None),
        ("[[connection]]\nwhere = { order = 2 }\ntime-to-close = \"< 1min\"", Some("time-to-close")),
        ("[[connection]]\nwhere = { order = 1 }\ntime-to-close = \"< 1s\"", None),
        ("[[connection]]\nwhere = { order = 1 }\nidle = \"< 1s\"", None),
        ("[[connection]]\nwhere = { order = 1 }\nidle = \"> 1s\"", Some("idle")),
        (
            "[[connection]]\nwhere = { order = 1 }\nlifetime = \"<= 1s\"\nhandshake = \"<= 1s\"\nsyns = 1\nsyn-acks = 1",
            None,
        ),
        ("[[connection]]\nwhere = { order = 3 }\nhandshake = \"<= 1s\"", Some("handshake")),
        ("[[connection]]\nwhere = { order = 1 }\nclient.payload-bytes = 100\nserver.payload-bytes = 50", None),
        ("[[connection]]\nwhere = { order = 1 }\nserver.payload-bytes = \"> 50\"", Some("server.payload-bytes")),
        ("[[connection]]\npeak = { CLOSE-WAIT = 1 }\nserver.peak.CLOSE-WAIT = 1\nclient.peak.CLOSE-WAIT = 0", None),
        ("[[connection]]\npeak.CLOSE-WAIT = 0", Some("peak")),
        ("fail-on = \"warning\"", Some("finding/close-wait-stuck")),
        (
            "fail-on = \"warning\"\n[[connection]]\nfindings.may = [\"close-wait-stuck\", \"connection-refused\"]\nresets.may = \"*\"",
            None,
        ),
    ];
    for (expectations, breaks) in table {
        write(&folder, "leak", LEAK, expectations);
        let (code, shown) = outcome(&folder, "leak.pcap --format json");
        let document: serde_json::Value =
            serde_json::from_str(&shown).unwrap_or_else(|_| panic!("{expectations}\n{shown}"));
        let cases = document["captures"][0]["cases"].as_array().unwrap();
        let problems = cases.iter().flat_map(|case| case["problems"].as_array().unwrap());
        let rules: Vec<&str> = problems.map(|problem| problem["rule"].as_str().unwrap()).collect();
        match breaks {
            None => assert_eq!((code, rules.as_slice()), (0, [].as_slice()), "{expectations}"),
            Some(rule) => assert!(code == 1 && rules.contains(rule), "{expectations}\n{code} {rules:?}"),
        }
    }
}

#[test]
fn without_expectations_the_policy_holds() {
    let folder = folder("policy");
    write(&folder, "leak", &leak_only(), "");
    let (code, shown) = outcome(&folder, ".");
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("finding/close-wait-stuck") && shown.contains("1 failed"), "{shown}");
    for (options, expected) in [
        ("--fail-on error", 0),
        ("--fail-on never", 0),
        ("--fail-on note", 1),
        ("--exit-zero", 0),
        ("--max-findings 1", 0),
        ("--max-findings 0", 1),
    ] {
        assert_eq!(outcome(&folder, &format!("leak.pcap {options}")).0, expected, "{options}");
    }
    fs::write(folder.join("lastack.toml"), "ignore = [\"close-wait-stuck\", \"keepalive\"]\n").unwrap();
    let (code, shown) = outcome(&folder, "leak.pcap");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("lastack.toml:1:31: ignore of keepalive matched nothing"), "{shown}");
    for (severity, code) in [("error", 0), ("warning", 1)] {
        fs::write(folder.join("lastack.toml"), format!("fail-on = \"{severity}\"\n")).unwrap();
        assert_eq!(outcome(&folder, "leak.pcap").0, code, "{severity}");
        assert_eq!(outcome(&folder, "leak.pcap --fail-on never").0, 0, "{severity}");
    }
}

#[test]
fn results_fit_a_terminal_of_80_columns() {
    let folder = folder("narrow");
    write(&folder, "leak", &leak_only(), "");
    let wide = outcome(&folder, "leak.pcap").1.lines().map(|line| line.chars().count()).max();
    assert!(wide <= Some(80), "{wide:?}");
}

#[test]
fn frames_that_were_skipped_have_their_reason() {
    let folder = folder("skipped");
    write(&folder, "leak", &leak_only(), "");
    let mut cut = fs::read(folder.join("leak.pcap")).unwrap();
    // An IP version that does not exist.
    let (header, record, ethernet) = (24, 16, 14);
    cut[header + record + ethernet] = 0x95;
    fs::write(folder.join("cut.pcap"), cut).unwrap();
    let (_, shown) = outcome(&folder, "cut.pcap");
    assert!(shown.contains("cut.pcap: skipped 1 frame: "), "{shown}");
}

#[test]
fn what_cannot_be_checked_is_never_a_pass() {
    let folder = folder("unchecked");
    write(&folder, "good", LEAK, "[capture]\nconnections = 3");
    fs::create_dir(folder.join("hollow")).unwrap();
    fs::write(folder.join("noise.pcap"), "no capture").unwrap();
    let whole = fs::read(folder.join("good.pcap")).unwrap();
    fs::write(folder.join("cut.pcap"), &whole[..whole.len() - 7]).unwrap();
    write(&folder, "wrong", LEAK, "[[connection]]\nclsoe = \"orderly\"\n[conection]\n");
    write(&folder, "silent", LEAK, "# later\n");
    fs::write(folder.join("alone.expect.toml"), "fail-on = \"note\"").unwrap();
    write(&folder, "empty", "", "");
    let table: &[(&str, i32, &str)] = &[
        ("good.pcap", 0, "1 passed"),
        ("good.expect.toml", 0, "1 passed"),
        ("missing.pcap", 2, "missing.pcap"),
        ("hollow", 2, "ERROR hollow hollow: no capture in this directory"),
        ("hollow --format tap", 2, "not ok 1 - hollow: can be checked"),
        ("noise.pcap", 2, "not a capture"),
        ("cut.pcap", 2, "cut short"),
        ("wrong.pcap", 2, "wrong.expect.toml:2:1: no key \"clsoe\"; did you mean \"close\"?"),
        ("wrong.pcap", 2, "wrong.expect.toml:3:2: no key \"conection\"; did you mean \"connection\"?"),
        ("silent.pcap", 2, "expects nothing"),
        ("alone.expect.toml", 2, "no capture beside these expectations"),
        ("empty.pcap", 1, "No TCP connection in this capture"),
        (".", 2, "alone.expect.toml: no capture beside these expectations"),
        ("noise.pcap --exit-zero", 2, "not a capture"),
        ("good.pcap --baseline noise.pcap", 2, "not a result of lastack check"),
        ("good.pcap --baseline nowhere.json", 2, "cannot read the baseline"),
        ("good.pcap --fail-on often", 2, "note, warning and error; or never"),
        ("good.pcap --report sarif", 2, "FORMAT=FILE"),
        ("good.pcap --format yaml", 2, "junit"),
    ];
    for (line, code, words) in table {
        let (is, shown) = outcome(&folder, line);
        assert_eq!(is, *code, "{line}\n{shown}");
        // Lines are wrapped for people.
        let flat = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{line}\n{shown}");
    }
}

#[test]
fn expectations_that_are_not_understood_are_named_with_their_place() {
    let cases = [
        ("fail-on = 3", "x.expect.toml:1:1: text in quotes is expected here, not an integer"),
        ("fail-on = \"warnin\"", "x.expect.toml:1:11: no severity \"warnin\"; did you mean \"warning\"?"),
        ("[connection]\n", "x.expect.toml:1:2: write [[connection]], in two pairs of brackets"),
        ("[[connection]]\nwhere = { prot = 80 }", "x.expect.toml:2:11: no condition \"prot\"; did you mean \"port\"?"),
        ("[[connection]]\nwhere = { port = 70000 }", "x.expect.toml:2:18: a whole number from 0 to 65535"),
        ("[[connection]]\nwhere = { order = 0 }", "x.expect.toml:2:19: a whole number from 1 to"),
        ("[[connection]]\nwhere = { client = \"10.0.0\" }", "x.expect.toml:2:20: \"10.0.0\" is no address"),
        ("[[connection]]\nclose = \"ordely\"", "x.expect.toml:2:9: no close \"ordely\"; did you mean \"orderly\"?"),
        ("[[connection]]\nclose = []", "x.expect.toml:2:9: an empty list"),
        ("[[connection]]\nclose = [\"orderly\", 3]", "x.expect.toml:2:21: a word in quotes"),
        (
            "[[connection]]\nclient.finalstate = \"CLOSED\"",
            "x.expect.toml:2:8: no key \"client.finalstate\"; did you mean \"final-state\"?",
        ),
        ("[[connection]]\nclient = \"10.0.0.1\"", "x.expect.toml:2:1: a table is expected here, not a string"),
        (
            "[[connection]]\nresets = [\"linger-zer\"]",
            "x.expect.toml:2:11: no cause of a reset \"linger-zer\"; did you mean \"linger-zero\"?",
        ),
        (
            "[[connection]]\nfindings = { must = [\"nonsense-here\"] }",
            "x.expect.toml:2:22: no finding on one connection \"nonsense-here\"; lastack explain lists them",
        ),
        (
            "[[connection]]\nfindings = { must = \"keepalive\", must-not = \"keepalive\" }",
            "x.expect.toml:2:1: \"keepalive\" both may and must not occur",
        ),
        ("[[connection]]\nfindings = { never = \"keepalive\" }", "x.expect.toml:2:14: no key here \"never\""),
        ("[[connection]]\nclient.calls = \"read ok\"", "x.expect.toml:2:16: a list of calls"),
        (
            "[[connection]]\nclient.calls = [\"raed ok\"]",
            "x.expect.toml:2:17: no call \"raed\"; did you mean \"read\"?",
        ),
        ("[[connection]]\nclient.calls = [\"read ERESET\"]", "x.expect.toml:2:17: no result of a call \"ERESET\""),
        ("[[connection]]\ntime-to-close = \"<= 2\"", "x.expect.toml:2:17: \"2\" is not a duration"),
        ("[[connection]]\ncount = 1.5", "x.expect.toml:2:9: a whole number is expected here"),
        (
            "[[connection]]\npeak = { TIMEWAIT = 3 }",
            "x.expect.toml:2:10: no state \"TIMEWAIT\"; did you mean \"TIME-WAIT\"?",
        ),
        ("[capture]\nframes = 3", "x.expect.toml:2:1: no key of [capture] \"frames\""),
        ("fail-on = [", "x.expect.toml:1:12: "),
    ];
    for (text, expected) in cases {
        let errors = lastack::check::parse("x.expect.toml", text).unwrap_err();
        let first = errors[0].to_string();
        assert!(first.starts_with(expected), "{text}\n{first}");
    }
}

#[test]
fn a_failure_shows_what_was_expected_what_was_seen_and_the_frames() {
    let folder = folder("shown");
    write(
        &folder,
        "leak",
        LEAK,
        "[[connection]]\nname = \"the request\"\nwhere = { order = 2 }\nclose = \"orderly\"\n",
    );
    let (code, shown) = outcome(&folder, "leak.pcap");
    let expected = "\
FAILED leak.pcap
  the request  leak.expect.toml:1:1
    close  leak.expect.toml:4:1
      - expected orderly
      + seen     none
      stream 1, 10.0.0.1:40001 → 10.0.0.2:80, frames 16, 17
";
    assert_eq!(code, 1);
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("FIN-WAIT-1 │── FIN ACK"), "{shown}");
    assert!(shown.contains("      tcp.stream eq 1 && frame.number in {16, 17}\n"), "{shown}");
    assert!(shown.ends_with("1 capture with 3 connections: 0 passed, 1 failed\n"), "{shown}");
}

#[test]
fn a_baseline_lets_pass_what_was_there_and_nothing_else() {
    let folder = folder("baseline");
    write(&folder, "leak", &leak_only(), "");
    assert_eq!(outcome(&folder, "leak.pcap --format json -o known.json").0, 1);
    let (code, shown) = outcome(&folder, "leak.pcap --baseline known.json");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("1 problem known from the baseline"), "{shown}");
    // The same leak on one connection more is new; so is another problem.
    let worse = leak_only().replace("idle 90s", "d.client 10.0.0.1:40009\nd.client > SYN\nd.server > SYN ACK\nd.client > ACK\nd.client > FIN ACK\nd.server > ACK\nidle 90s");
    write(&folder, "leak", &worse, "");
    let (code, shown) = outcome(&folder, "leak.pcap --baseline known.json");
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("(on 2 connections; the baseline has\n      1)"), "{shown}");
    write(&folder, "leak", &leak_only(), "[[connection]]\nclose = \"orderly\"");
    assert_eq!(outcome(&folder, "leak.pcap --baseline known.json").0, 1);
}

#[test]
fn text_traces_with_expectations_are_checked_like_captures() {
    let folder = folder("traces");
    fs::write(folder.join("one.txt"), LEAK).unwrap();
    fs::write(folder.join("one.expect.toml"), "[capture]\nconnections = 3\n").unwrap();
    fs::write(folder.join("notes.txt"), "no trace at all").unwrap();
    let (code, shown) = outcome(&folder, ".");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("1 capture with 3 connections: 1 passed"), "{shown}");
}

#[cfg(unix)]
#[test]
fn links_lead_to_captures_elsewhere_and_in_no_circle() {
    let folder = folder("links");
    let (inside, outside) = (folder.join("inside"), folder.join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    write(&outside, "far", LEAK, "[capture]\nconnections = 3\n");
    for name in ["far.pcap", "far.expect.toml"] {
        std::os::unix::fs::symlink(outside.join(name), inside.join(name)).unwrap();
    }
    std::os::unix::fs::symlink(&inside, inside.join("again")).unwrap();
    let (code, shown) = outcome(&folder, "inside");
    assert_eq!((code, shown.as_str()), (0, "1 capture with 3 connections: 1 passed\n"));
}

#[test]
fn many_captures_are_reported_in_the_order_of_their_names() {
    let folder = folder("many");
    for number in 0..40 {
        write(&folder, &format!("c{number:02}"), LEAK, "[capture]\nconnections = 2");
    }
    let (code, shown) = outcome(&folder, ".");
    let names: Vec<&str> = shown.lines().filter_map(|line| line.strip_prefix("FAILED ")).collect();
    assert_eq!((code, names.len()), (1, 40));
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn annotations_come_by_themselves_under_github_actions() {
    let folder = folder("github");
    write(&folder, "leak", LEAK, "[[connection]]\nopen = \"three-way\"");
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
    command.current_dir(&folder).args(["check", ".", "--format", "json"]).env("GITHUB_ACTIONS", "true");
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = text(&output.stderr);
    assert!(said.starts_with("::error file=leak.expect.toml,line=2,col=1,title=lastack%3A open::"), "{said}");
    assert!(serde_json::from_slice::<serde_json::Value>(&output.stdout).is_ok());
}

#[test]
fn every_fixture_holds_what_is_expected_of_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (found, errors) = lastack::check::find(&[root.join("fixtures")]);
    assert!(errors.is_empty(), "{errors:?}");
    let silent: Vec<_> = found.iter().filter(|found| !found.expectations.is_file()).collect();
    assert!(silent.is_empty(), "write them with lastack check --update, then read them: {silent:?}");
    let (code, shown) = outcome(root, "fixtures");
    assert_eq!(code, 0, "{shown}");
}
