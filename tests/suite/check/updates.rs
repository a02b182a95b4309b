//! `--update` and `--review`: what is written holds, says nothing that the next recording shows otherwise, and keeps what
//! a person wrote.

use std::fs;
use std::path::Path;

use lastack::check::{CheckOptions, Found, Seen, judged, parse, update};

use super::{LEAK, check, folder, outcome, write};

#[test]
fn what_is_written_holds_and_reads_as_a_person_would_have_put_it() {
    let folder = folder("written");
    write(&folder, "leak", LEAK, "");
    assert_eq!(
        outcome(&folder, "--update ."),
        (0, "wrote ./leak.expect.toml; it accepts close-wait-stuck, connection-refused\n".to_owned())
    );
    let text = fs::read_to_string(folder.join("leak.expect.toml")).unwrap();
    let expected = "\
# What must hold of leak.pcap, as lastack check --update saw it.
fail-on = \"warning\"

[capture]
connections = 3

[[connection]]
where = { order = 1 }
open = \"three-way\"
close = \"orderly\"
initiator = \"client\"
time-wait = \"client\"

[[connection]]
where = { order = 2 }
open = \"three-way\"
close = \"none\"
initiator = \"client\"
findings.must = [\"close-wait-stuck\"]
server.final-state = \"CLOSE-WAIT\"

[[connection]]
where = { order = 3 }
open = \"refused\"
close = \"refused\"
resets.must = [\"refused\"]
findings.must = [\"connection-refused\"]
client.error = \"ECONNREFUSED\"
";
    assert_eq!(text, expected);
    assert_eq!(outcome(&folder, ".").0, 0);
    assert_eq!(outcome(&folder, "--update ."), (0, String::new()));
    assert_eq!(outcome(&folder, "--review ."), (0, String::new()));
}

#[test]
fn another_recording_of_the_same_test_passes() {
    let folder = folder("again");
    write(&folder, "leak", LEAK, "");
    assert_eq!(outcome(&folder, "--update .").0, 0);
    // Other times, other ports, an ACK and a FIN in one segment more or less.
    let again = LEAK
        .replace("10.0.0.1:40001", "10.0.0.1:51713")
        .replace("10.0.0.1:40002", "10.0.0.1:51999")
        .replacen(
            "client > FIN ACK\nserver > FIN ACK\n",
            "client > FIN ACK\nserver > ACK\nidle 300ms\nserver > FIN ACK\n",
            1,
        )
        .replace("idle 90s", "idle 70s");
    let before = fs::read_to_string(folder.join("leak.expect.toml")).unwrap();
    write(&folder, "leak", &again, &before);
    let (code, shown) = outcome(&folder, ".");
    assert_eq!(code, 0, "{shown}");
}

#[test]
fn connections_that_come_together_are_described_by_what_they_have_in_common() {
    let folder = folder("together");
    // All SYNs first: nobody can say which comes first the next time.
    let names = [("a", "client", "server"), ("b", "server", "client"), ("d", "client", "server")];
    let open = |at: usize| format!("{0}.client 10.0.0.1:4000{at}\n{0}.client > SYN\n", names[at].0);
    let close = |(name, first, second): (&str, &str, &str)| {
        let handshake = format!("{name}.server > SYN ACK\n{name}.client > ACK\n");
        handshake + &format!("{name}.{first} > FIN ACK\n{name}.{second} > FIN ACK\n{name}.{first} > ACK\n")
    };
    let trace: String = (0..names.len()).map(open).chain(names.map(close)).collect();
    write(&folder, "burst", &trace, "");
    assert_eq!(outcome(&folder, "--update .").0, 0);
    let text = fs::read_to_string(folder.join("burst.expect.toml")).unwrap();
    assert!(text.contains("initiator = [\"client\", \"server\"]\n") && !text.contains("where"), "{text}");
}

/// What a refresh makes of `before` for the capture of `trace`.
fn refreshed(folder: &Path, trace: &str, before: &str) -> String {
    write(folder, "leak", trace, before);
    let update = update(&Found::beside(&folder.join("leak.pcap")), &CheckOptions::default());
    update.unwrap_or_else(|errors| panic!("{before}\n{}", errors[0].message)).after
}

#[test]
fn a_refresh_changes_what_does_not_hold_and_keeps_the_rest() {
    let folder = folder("refreshed");
    // The file before, and the lines that go (-) and come (+).
    let table: &[(&str, &[&str])] = &[
        ("[capture]\nconnections = 3\n[[connection]]\ncount = \"1..9\" # as many as the pool holds\n", &[]),
        (
            "[capture]\nconnections = 7 # why\n[[connection]]\ncount = 3\n",
            &["-connections = 7 # why", "+connections = 3 # why"],
        ),
        ("[[connection]]\ncount = \"<= 2\"\n", &["-count = \"<= 2\"", "+count = \"<= 3\""]),
        ("[[connection]]\nopen = \"three-way\"\n", &["-open = \"three-way\"", "+open = [\"refused\", \"three-way\"]"]),
        (
            "[[connection]]\nopen = [\"refused\", \"three-way\"]\n[[connection]]\nwhere = { order = 2 }\nclose = \"reset\"\n",
            &["-close = \"reset\"", "+close = \"none\""],
        ),
        (
            "[[connection]]\nwhere = { port = 81 }\nopen = \"three-way\"\n[[connection]]\nsyns = 1\n",
            &["-[[connection]]", "-where = { port = 81 }", "-open = \"three-way\""],
        ),
        ("[[connection]]\nresets = []\n", &["-resets = []", "+resets.may = [\"refused\"]", "+resets.must = []"]),
        (
            "[[connection]]\nresets.must = [\"linger-zero\", \"refused\"]\n",
            &["-resets.must = [\"linger-zero\", \"refused\"]", "+resets.may = [\"refused\"]"],
        ),
        ("[[connection]]\nresets = { must-not = \"*\" }\n", &["-resets", "+resets"]),
        (
            "[[connection]]\nfindings.counts = { close-wait-stuck = 0 }\n",
            &["-findings.counts = { close-wait-stuck = 0 }", "+findings.counts = { close-wait-stuck = 1 }"],
        ),
        ("[[connection]]\nclose-wait = \"<= 1s\"\n", &["-close-wait = \"<= 1s\"", "+close-wait = \"<= 200s\""]),
        (
            "[[connection]]\n[connection.server]\npeak = { CLOSE-WAIT = 0 } # none\n",
            &["-peak = { CLOSE-WAIT = 0 } # none", "+peak = { CLOSE-WAIT = 1 } # none"],
        ),
        (
            "[[connection]]\nwhere = { order = 3 }\nclient.calls = []\n[[connection]]\nsyns = 1\n",
            &["-client.calls = []", "+client.calls = [\"connect ECONNREFUSED\"]"],
        ),
        (
            "[[connection]]\nwhere = { order = 1 }\nserver.payload-bytes = \"> 90\"\n[[connection]]\nsyns = 1\n",
            &["-server.payload-bytes = \"> 90\"", "+server.payload-bytes = \">= 50\""],
        ),
        (
            "fail-on = \"warning\"\n[[connection]]\nsyns = 1\n",
            &["+findings.may = [\"close-wait-stuck\", \"connection-refused\"]"],
        ),
    ];
    for (before, changes) in table {
        let after = refreshed(&folder, LEAK, before);
        let diff = similar::TextDiff::from_lines(*before, after.as_str());
        let changed: Vec<String> = diff
            .iter_all_changes()
            .filter(|change| change.tag() != similar::ChangeTag::Equal)
            .map(|change| format!("{}{}", change.tag(), change.value().trim_end()))
            .collect();
        assert_eq!(changed.is_empty(), changes.is_empty(), "{before}\n{after}");
        for change in *changes {
            let is_there = changed.iter().any(|line| line.starts_with(change)) || change.ends_with("= []");
            assert!(is_there, "{before}\n{after}\n{changed:?}");
        }
        fs::write(folder.join("leak.expect.toml"), &after).unwrap();
        let (code, shown) = outcome(&folder, "leak.pcap");
        assert_eq!(code, 0, "{after}\n{shown}");
        assert_eq!(refreshed(&folder, LEAK, &after), after);
    }
}

#[test]
fn a_refresh_adds_rules_for_connections_that_no_rule_selects() {
    let folder = folder("added");
    let before = "[[connection]]\n# the upload\nwhere = { order = 1 }\nclose = \"orderly\"\n";
    let after = refreshed(&folder, LEAK, before);
    assert!(after.starts_with(before), "{after}");
    let rules = parse("x", &after).unwrap().rules;
    assert_eq!(rules.len(), 3);
    assert!(after.contains("where = { order = 2 }\n") && after.contains("where = { order = 3 }\n"), "{after}");
}

#[test]
fn a_review_shows_the_difference_and_writes_nothing() {
    let folder = folder("review");
    write(&folder, "leak", LEAK, "[capture]\nconnections = 7\n[[connection]]\nsyns = 1\n");
    let (code, shown) = outcome(&folder, "--review --update .");
    assert_eq!(code, 0, "{shown}");
    write(&folder, "leak", LEAK, "[capture]\nconnections = 7\n[[connection]]\nsyns = 1\n");
    let (code, shown) = outcome(&folder, "--review .");
    assert_eq!(code, 1);
    assert!(shown.contains("--- ./leak.expect.toml\n+++ ./leak.expect.toml\n"), "{shown}");
    assert!(shown.contains("-connections = 7\n+connections = 3\n"), "{shown}");
    assert!(fs::read_to_string(folder.join("leak.expect.toml")).unwrap().contains("connections = 7"));
    // What is not understood is not overwritten.
    write(&folder, "leak", LEAK, "[[connection]]\nclsoe = 1\n");
    let output = check(&folder, "--update .");
    assert_eq!(output.status.code(), Some(2));
    assert!(fs::read_to_string(folder.join("leak.expect.toml")).unwrap().contains("clsoe"));
}

#[test]
fn what_is_written_for_any_fixture_is_understood_and_holds() {
    let (found, _) = lastack::check::find(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")]);
    let options = CheckOptions::default();
    for found in found {
        let seen = Seen::read(&found.capture, &options.analysis, &mut ()).unwrap();
        let text = lastack::check::write(&seen);
        let expectations = parse("written", &text).unwrap_or_else(|errors| panic!("{found:?}\n{text}\n{}", errors[0]));
        let cases = judged(&found.capture, &seen, Some(&expectations), &options).unwrap();
        let problems: Vec<_> = cases.iter().flat_map(|case| &case.problems).collect();
        assert!(problems.is_empty(), "{found:?}\n{text}\n{problems:?}");
        let ports = seen.connections.iter().map(|verdict| verdict.client.port);
        ports.for_each(|port| assert!(!text.contains(&port.to_string()), "{found:?}: an ephemeral port\n{text}"));
    }
}
