//! The command line as scripts and people see it: exit codes, what goes to which stream, what the help names.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lastack::source::script::{parse, write_pcap};
use serde_json::Value;

/// A clean close by the client, and a connection that the server refuses.
const TWO: &str = "\
       client > SYN <mss 1460>
       server > SYN ACK <mss 1460>
       client > ACK
       client > data 100
       server > ACK
       client > FIN ACK
       server > FIN ACK
       client > ACK
b.client 10.0.0.1:40001
b.client > SYN
b.server > RST ACK
";

#[test]
fn the_configuration_is_found_upwards_and_its_useless_rules_are_named() {
    let folder = folder_with_capture("configuration");
    let below = folder.join("a/b");
    fs::create_dir_all(&below).unwrap();
    fs::write(folder.join("lastack.toml"), "ignore = [\"connection-refused\", \"keepalive\"]\n").unwrap();
    let output = run(&below, "../../two.pcap --format ndjson");
    assert_eq!(output.status.code(), Some(0));
    assert!(!text(&output.stdout).contains("\"name\":\"connection-refused\""));
    assert!(text(&output.stderr).contains("lastack.toml:1:33: ignore of keepalive matched nothing"));
    let summary = records(&output.stdout).pop().unwrap();
    assert_eq!(summary["ignored"], 1);
    assert!(summary["findings"].get("connection-refused").is_none());
    assert!(text(&run(&below, "../../two.pcap").stdout).contains("1 finding was left out, as the configuration says."));
    assert_eq!(text(&run(&below, "../../two.pcap -q").stderr), "");

    fs::write(below.join("own.toml"), "[severity]\nconnection-refused = \"eror\"\n").unwrap();
    let output = run(&below, "read ../../two.pcap --config own.toml");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr), "lastack: own.toml:2:22: no severity eror: it is one of note, warning, error\n");
    assert_eq!(run(&below, "read ../../two.pcap --config none.toml").status.code(), Some(2));
}

/// An empty folder of its own for the test `name`.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command_line").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn capture_of(trace: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_pcap(&parse(trace).unwrap(), &mut bytes).unwrap();
    bytes
}

/// A folder with the capture `two.pcap` in it.
fn folder_with_capture(name: &str) -> PathBuf {
    let folder = folder(name);
    fs::write(folder.join("two.pcap"), capture_of(TWO)).unwrap();
    folder
}

fn lastack(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
    command.current_dir(folder).args(args).env_remove("COLUMNS").env_remove("NO_COLOR").stdin(Stdio::null());
    command
}

fn run(folder: &Path, line: &str) -> Output {
    let args: Vec<&str> = line.split_whitespace().collect();
    lastack(folder, &args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn records(bytes: &[u8]) -> Vec<Value> {
    text(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_invocation_has_its_exit_code_and_its_stream() {
    let folder = folder_with_capture("exit_codes");
    fs::write(folder.join("noise"), b"this is no capture at all").unwrap();
    fs::write(folder.join("empty"), b"").unwrap();
    fs::create_dir(folder.join("hollow")).unwrap();
    fs::write(folder.join("cut"), &capture_of(TWO)[..20]).unwrap();
    fs::write(folder.join("bare"), &capture_of(TWO)[..24]).unwrap();
    // Arguments, exit code, words on standard output, words on standard error. No words: nothing at all.
    let table: &[(&str, i32, &str, &str)] = &[
        ("two.pcap", 0, "2 connections", ""),
        ("read two.pcap", 0, "2 connections", ""),
        ("-q read two.pcap --no-progress", 0, "2 connections", ""),
        ("--format ndjson two.pcap", 0, "\"type\":\"summary\"", ""),
        ("read two.pcap --format json", 0, "[{\"type\":\"capture\"", ""),
        ("read two.pcap --format ndjson --sort stream", 0, "\"stream\":1", ""),
        ("read two.pcap --all --tz Europe/Vienna --color never", 0, "CET", ""),
        ("read two.pcap --profile windows --time-wait 30 --max-connections 10", 0, "2 connections", ""),
        ("show two.pcap --stream 0", 0, "ESTABLISHED", ""),
        ("show two.pcap --stream 0 --all", 0, "ESTABLISHED", ""),
        ("show two.pcap --stream 1 --format ndjson", 0, "\"kind\":\"refused\"", ""),
        ("explain", 0, "connection-refused", ""),
        ("explain connection-refused", 0, "What to do", ""),
        ("read two.pcap --finding refused", 0, "reset-refused", ""),
        ("read two.pcap --port 40001", 0, "\n1 of 2 connections, as asked for: refused.\n", ""),
        ("read two.pcap --port 9", 0, "\nNone of the 2 TCP connections is one that was asked for.\n", ""),
        ("explain linger-zero", 0, "reset-linger-zero", ""),
        ("explain capture", 0, "capture-gap", ""),
        ("explain keepalive --format json", 0, "[{\"name\":\"keepalive\",\"group\":\"transfer\"", ""),
        ("explain ligner-zero", 2, "", "no finding or group ligner-zero; did you mean reset-linger-zero?"),
        ("explain hanshake", 2, "", "did you mean handshake?"),
        ("--version", 0, "lastack 0", ""),
        ("--help", 0, "explain", ""),
        ("help read", 0, "--sort", ""),
        ("", 2, "", "Usage: lastack"),
        ("--no-such-option two.pcap", 2, "", "--no-such-option"),
        ("read", 2, "", "CAPTURE"),
        ("read two.pcap --format yaml", 2, "", "ndjson"),
        ("read two.pcap --state open", 2, "", "FIN-WAIT-1"),
        ("read two.pcap --tz Middle/Earth", 2, "", "utc or local"),
        ("read two.pcap --time-wait=-1", 2, "", "from 0 to a year"),
        ("read two.pcap --max-connections 0", 2, "", "from 1 on"),
        ("read two.pcap --profile beos", 2, "", "linux, windows"),
        ("read two.pcap --finding final-ack-lots", 2, "", "did you mean final-ack-lost?"),
        ("read two.pcap --finding connection-*", 0, "1 of 2 connections, as asked for: refused", ""),
        ("read two.pcap --finding handshake --format ndjson", 0, "\"kind\":\"refused\"", ""),
        ("read two.pcap --finding ends-*", 2, "", "no finding begins with ends-"),
        ("read two.pcap --stream x", 2, "", "such as 0 or 17"),
        ("show two.pcap --stream=-1", 2, "", "such as 0 or 17"),
        ("read two.pcap --port 70000", 2, "", "from 0 to 65535, such as 443"),
        ("read two.pcap --host example.com", 2, "", "an address, such as 10.0.0.1"),
        ("census two.pcap --host example.com", 2, "", "names are not resolved"),
        ("cut", 2, "", "cut: cut short in its header: there should be 24 bytes and are 20"),
        ("ss bare", 2, "", "bare: no frame in what was read"),
        ("ss two.pcap --at 2026-11-21T04:31:00", 2, "", "which offset from UTC is that?"),
        ("show two.pcap", 2, "", "--stream"),
        ("show two.pcap --stream 2", 2, "", "the streams are 0 to 1"),
        ("explain no-such-thing", 2, "", "no finding or group no-such-thing"),
        ("explain after-close", 0, "port-reused", ""),
        ("explain reset-after-close", 0, "reset-after-close", ""),
        ("missing.pcap", 2, "", "missing.pcap"),
        ("shwo two.pcap --stream 0", 2, "", "shwo: no such file, nor is it a command; did you mean show?"),
        ("noise", 2, "", "not a capture"),
        ("empty", 2, "", "empty"),
        (".", 0, "2 connections", "left out: ./noise"),
        ("hollow", 2, "", "no capture in this directory"),
        ("read two.pcap --format csv", 2, "", "not in this version"),
        ("read two.pcap --format zeek", 2, "", "not in this version"),
        ("ss two.pcap", 0, "TIME-WAIT", ""),
        ("ss two.pcap --at frame:1 --host 10.0.0.1 --state syn-sent -q", 0, "SYN-SENT", ""),
        ("ss two.pcap --at frame:1 --format ndjson", 0, "\"state\":\"SYN-SENT\"", ""),
        ("ss two.pcap --at +0s --state estab", 0, "No sockets", ""),
        ("ss two.pcap --at +1h", 0, "after the last frame that was read", ""),
        ("ss two.pcap --at frame:99", 2, "", "no frame 99: the last one is 10"),
        ("ss two.pcap --at 1960-01-01T00:00:00Z", 2, "", "the capture had not begun"),
        ("ss two.pcap --at noon", 2, "", "frame:1200"),
        ("census two.pcap", 0, "10.0.0.2", ""),
        ("census two.pcap --every 100ms --by destination", 0, "ports: ", ""),
        ("census two.pcap --by service --format csv", 0, "host,service,time", ""),
        ("census two.pcap --format json --port-range 40000-40009", 0, "[{\"type\":\"census\"", ""),
        ("census two.pcap --every 1", 2, "", "1s, 200ms"),
        ("census two.pcap --port-range 9-1", 2, "", "32768-60999"),
        ("census two.pcap --format zeek", 2, "", "not in this version"),
        ("live", 2, "", "--interface"),
        ("live -i no-such-interface", 2, "", "lastack: "),
        ("check two.pcap --fail-on never", 0, "1 passed", ""),
        ("check two.pcap", 1, "connection-refused", ""),
        ("check", 2, "", "PATH"),
        ("diff two.pcap two.pcap", 0, "No share differs", ""),
        ("diff two.pcap", 2, "", "AFTER"),
        ("check hollow", 2, "no capture in this directory", ""),
        ("report two.pcap -o two.html", 2, "", "report is not in this version"),
        ("annotate two.pcap -o out.pcapng", 2, "", "annotate is not in this version"),
        ("extract two.pcap --stream 0 -o out.pcapng", 2, "", "extract is not in this version"),
        ("extract --help", 2, "", "extract is not in this version"),
    ];
    for (line, code, on_stdout, on_stderr) in table {
        let output = run(&folder, line);
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        let shown = format!("lastack {line}\n{stdout}\n{stderr}");
        assert_eq!(output.status.code(), Some(*code), "{shown}");
        for (stream, words) in [(&stdout, on_stdout), (&stderr, on_stderr)] {
            assert!(stream.contains(words), "no {words:?}: {shown}");
            assert_eq!(stream.is_empty(), words.is_empty(), "{shown}");
        }
        assert!(!shown.contains('\u{1b}'), "colour outside a terminal: {shown}");
    }
}

#[test]
fn help_names_what_there_is_and_nothing_else() {
    let folder = folder("help");
    let help = text(&run(&folder, "--help").stdout);
    for command in ["read", "show", "ss", "census", "live", "explain", "check", "diff"] {
        assert!(help.contains(&format!("\n  {command}  ")), "{command}: {help}");
    }
    for later in ["report ", "annotate", "extract"] {
        assert!(!help.contains(&format!("\n  {later}")), "{later}: {help}");
    }
    let read = text(&run(&folder, "read --help").stdout);
    for option in [
        "--format",
        "--output",
        "--all",
        "--sort",
        "--stream",
        "--finding",
        "--state",
        "--host",
        "--port",
        "--filter",
        "--profile",
        "--time-wait",
        "--max-connections",
        "--threads",
        "--color",
        "--tz",
        "--no-progress",
        "--quiet",
    ] {
        assert!(read.contains(option), "{option}: {read}");
    }
    for later in ["csv", "zeek"] {
        assert!(!read.contains(later), "{later}: {read}");
    }
    assert!(text(&run(&folder, "census --help").stdout).contains("- csv:"));
    assert!(read.contains("130"), "exit codes: {read}");
    let diff = text(&run(&folder, "diff --help").stdout);
    assert!(diff.contains("1    with --exit-code"), "exit codes: {diff}");
    for command in ["read", "show", "ss", "census", "live", "explain", "check", "diff"] {
        let help = text(&run(&folder, &format!("{command} --help")).stdout);
        assert!(help.contains("Exit codes:") && help.contains("  NO_COLOR"), "{command}: {help}");
    }
}

#[cfg(feature = "live")]
#[test]
fn a_limit_on_files_wants_several() {
    let refused = run(&folder("one_file"), "live -i lo --write kept.pcapng --rotate-keep 3");
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("add --rotate-size, --rotate-time or --trigger"),
        "{}",
        text(&refused.stderr)
    );
}

#[test]
fn standard_input_gives_the_records_that_a_file_gives() {
    let folder = folder_with_capture("stdin");
    let from_file = run(&folder, "two.pcap --format ndjson");
    let stdin = File::open(folder.join("two.pcap")).unwrap();
    let from_stdin = lastack(&folder, &["-", "--format", "ndjson"]).stdin(stdin).output().unwrap();
    let named = text(&from_stdin.stdout).replacen("[\"-\"]", "[\"two.pcap\"]", 1);
    assert_eq!(named, text(&from_file.stdout));
    assert_eq!(records(&from_file.stdout).len(), 4);
}

#[test]
fn a_damaged_capture_is_reported_until_the_damage() {
    let folder = folder("damaged");
    let capture = capture_of(TWO);
    fs::write(folder.join("cut.pcap"), &capture[..capture.len() - 3]).unwrap();
    let output = run(&folder, "cut.pcap --format ndjson");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cut.pcap: cut short"), "{}", text(&output.stderr));
    let records = records(&output.stdout);
    let summary = records.last().unwrap();
    assert_eq!(summary["type"], "summary");
    assert_eq!(summary["truncated"], true);
    assert_eq!(summary["frames"], 9);
    let text_report = text(&run(&folder, "cut.pcap").stdout);
    assert!(text_report.contains("Reading stopped before the end"), "{text_report}");
}

#[test]
fn skipped_frames_are_counted_on_standard_error() {
    let folder = folder("skipped");
    let mut capture = capture_of(TWO);
    // Byte 20 of the file header is the link type: one that nobody has given a meaning.
    capture[20..24].copy_from_slice(&[0xf0, 0, 0, 0]);
    capture[20..22].copy_from_slice(&9999u16.to_le_bytes());
    fs::write(folder.join("odd.pcap"), capture).unwrap();
    let output = run(&folder, "odd.pcap --format ndjson -q");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).starts_with("lastack: skipped 10 frames: "), "{}", text(&output.stderr));
    let skipped = records(&output.stdout).last().unwrap()["skipped"].as_object().unwrap().clone();
    assert_eq!(skipped.values().filter_map(Value::as_u64).sum::<u64>(), 10);

    // What is missing there is not gone.
    fs::write(folder.join("two.pcap"), capture_of(TWO)).unwrap();
    fs::write(folder.join("odd.ndjson"), output.stdout).unwrap();
    for after in ["odd.pcap", "odd.ndjson"] {
        let said = run(&folder, &format!("diff two.pcap {after}"));
        let words = format!("lastack: {after}: skipped 10 frames: ");
        assert!(text(&said.stderr).contains(&words), "{}", text(&said.stderr));
    }
}

#[test]
fn of_several_captures_those_that_can_be_read_are() {
    let folder = folder_with_capture("several");
    fs::write(folder.join("empty.pcap"), b"").unwrap();
    for named in ["two.pcap empty.pcap", "two.pcap missing.pcap"] {
        let output = run(&folder, &format!("read {named} --format ndjson"));
        assert_eq!(output.status.code(), Some(2), "{named}");
        assert_eq!(records(&output.stdout).len(), 4, "{named}");
    }
}

#[test]
fn hints_name_the_same_connections() {
    let folder = folder_with_capture("hints");
    let hint = |line: &str| text(&run(&folder, line).stdout).contains("lastack show two.pcap --stream 0");
    assert!(hint("two.pcap"));
    if cfg!(feature = "live") {
        let filtered = lastack(&folder, &["two.pcap", "-f", "port 40001"]).output().unwrap();
        assert!(text(&filtered.stdout).contains("lastack show -f 'port 40001' two.pcap --stream 1"));
    }
    let names: Vec<String> = (0..60).map(|at| format!("a-capture-with-a-long-name-{at}.pcap")).collect();
    for (at, name) in names.iter().enumerate() {
        fs::write(folder.join(name), capture_of(&format!("start 2026-01-01T00:{at:02}:00Z\n{TWO}"))).unwrap();
    }
    let many: Vec<&str> = ["read"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let many = text(&lastack(&folder, &many).output().unwrap().stdout);
    let hints: Vec<&str> = many.lines().filter(|line| line.contains(": lastack ")).collect();
    assert!(hints.iter().any(|line| line.contains("lastack read CAPTURE... --all")), "{hints:?}");
    assert!(hints.iter().all(|line| line.len() <= 80), "{hints:?}");
    let stdin = File::open(folder.join("two.pcap")).unwrap();
    let gone = lastack(&folder, &["-"]).stdin(stdin).output().unwrap();
    assert!(!text(&gone.stdout).contains("lastack show"), "nobody can read it again");
    fs::copy(folder.join("two.pcap"), folder.join("-two.pcap")).unwrap();
    assert!(text(&run(&folder, "-- -two.pcap").stdout).contains("lastack show ./-two.pcap --stream 0"));
}

#[test]
fn an_output_file_appears_whole_or_not_at_all() {
    let folder = folder_with_capture("output");
    let to_stdout = run(&folder, "two.pcap --format ndjson");
    let to_file = run(&folder, "two.pcap --format ndjson -o out.ndjson");
    assert_eq!(to_file.status.code(), Some(0), "{}", text(&to_file.stderr));
    assert!(to_file.stdout.is_empty());
    assert_eq!(fs::read(folder.join("out.ndjson")).unwrap(), to_stdout.stdout);
    assert_eq!(run(&folder, "two.pcap --format ndjson -o -").stdout, to_stdout.stdout);

    let before = fs::read(folder.join("two.pcap")).unwrap();
    for (line, words) in [
        ("two.pcap -o two.pcap", "is one of the captures"),
        ("two.pcap -o no/such/folder/out.txt", "cannot write"),
        ("two.pcap -o .", "is a directory"),
        ("show two.pcap --stream 7 -o seven.txt", "the streams are 0 to 1"),
    ] {
        let output = run(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(text(&output.stderr).contains(words), "{line}: {}", text(&output.stderr));
    }
    assert_eq!(fs::read(folder.join("two.pcap")).unwrap(), before);
    let mut names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["out.ndjson", "two.pcap"]);
}

#[test]
fn colour_comes_only_when_it_is_asked_for() {
    let folder = folder_with_capture("colour");
    assert!(text(&run(&folder, "two.pcap --color always").stdout).contains("\u{1b}[1m"));
    assert!(!text(&run(&folder, "two.pcap").stdout).contains('\u{1b}'));
    let forced = lastack(&folder, &["two.pcap", "--color", "always"]).env("NO_COLOR", "1").output().unwrap();
    assert!(text(&forced.stdout).contains('\u{1b}'));
}

#[test]
fn text_is_as_wide_as_columns_says() {
    let folder = folder_with_capture("columns");
    for width in [80, 200] {
        let output =
            lastack(&folder, &["show", "two.pcap", "--stream", "0"]).env("COLUMNS", width.to_string()).output();
        let longest = text(&output.unwrap().stdout).lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= width && longest > width * 2 / 3, "{longest} of {width}");
    }
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = folder("closed_pipe");
    let mut trace = String::new();
    for n in 0..2_000 {
        trace.push_str(&format!("c{n}.client 10.0.0.1:{}\nc{n}.client > SYN\nc{n}.server > RST ACK\n", 40_000 + n));
    }
    fs::write(folder.join("many.pcap"), capture_of(&trace)).unwrap();
    let mut child = lastack(&folder, &["many.pcap", "--format", "ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // More than a pipe holds is to come, so the writer notices.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let folder = folder_with_capture("full");
    let output = run(&folder, "two.pcap -o /dev/full");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("/dev/full: cannot write"), "{}", text(&output.stderr));
    let stdout = File::options().write(true).open("/dev/full").unwrap();
    let output = lastack(&folder, &["two.pcap"]).stdout(stdout).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("standard output: cannot write"), "{}", text(&output.stderr));
}

#[cfg(unix)]
#[test]
fn ctrl_c_gives_what_was_read_so_far() {
    use rustix::process::{Pid, Signal, kill_process};

    let folder = folder("interrupt");
    let mut child = lastack(&folder, &["-", "--format", "ndjson"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&capture_of(TWO)).unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // The first record says that reading has begun; the pipe stays open and silent.
    let mut lines = String::new();
    stdout.read_line(&mut lines).unwrap();
    assert!(lines.starts_with("{\"type\":\"capture\""), "{lines}");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    stdout.read_to_string(&mut lines).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "");
    let records = records(lines.as_bytes());
    let summary = records.last().unwrap();
    assert_eq!((&summary["type"], &summary["truncated"]), (&Value::from("summary"), &Value::from(true)));
    assert_eq!(summary["connections"], records.iter().filter(|record| record["type"] == "connection").count());
}

/// Ctrl-C is listened to and the process waits for something.
#[cfg(target_os = "linux")]
fn waits(process: u32) -> bool {
    let of = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}")).unwrap_or_default();
    let (status, stat) = (of("status"), of("stat"));
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    let is_asleep = stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('S'));
    caught.is_some_and(|mask| mask & 1 << 1 != 0) && is_asleep
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_before_the_first_octet_of_a_pipe_is_no_failure() {
    use rustix::process::{Pid, Signal, kill_process};

    let folder = folder_with_capture("interrupt_early");
    for line in ["read -", "diff - two.pcap", "ss -", "show - --stream 0", "census -"] {
        let args: Vec<&str> = line.split_whitespace().collect();
        let mut child = lastack(&folder, &args);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _stdin = child.stdin.take();
        let begun = std::time::Instant::now();
        while !waits(child.id()) {
            assert!(begun.elapsed().as_secs() < 60, "{line} never waits");
            std::thread::yield_now();
        }
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{line}: {}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "{line}");
    }
}

#[test]
fn a_name_with_escapes_stays_on_its_line() {
    let folder = folder_with_capture("escapes");
    let output = lastack(&folder, &["read", "two\u{1b}[31m\nlastack: all is well.pcap"]).output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.lines().count() == 1 && said.contains("two\\u{1b}[31m\\nlastack"), "{said}");
}

#[test]
fn a_pattern_that_no_shell_expanded_stands_for_its_files_and_each_has_its_frames() {
    let folder = folder_with_capture("pattern");
    fs::copy(folder.join("two.pcap"), folder.join("tw[o.pcap")).unwrap();
    fs::write(folder.join("three.pcap"), capture_of(&format!("start 1970-01-02T00:00:00Z\n{TWO}"))).unwrap();
    let output = run(&folder, "read t*.pcap --format ndjson");
    let summary = records(&output.stdout).pop().unwrap();
    let files = summary["file_frames"].as_array().unwrap().clone();
    let of = |index: usize| (files[index]["file"].clone(), files[index]["first"].clone(), files[index]["last"].clone());
    assert_eq!(files.len(), 2, "the copy is left out: {summary}");
    assert_eq!((of(0).1, of(0).2, of(1).1, of(1).2), (1.into(), 10.into(), 11.into(), 20.into()), "{summary}");
    // A file of that very name is no pattern.
    assert!(run(&folder, "read tw[o.pcap").status.success());
    assert_eq!(run(&folder, "read x*.pcap").status.code(), Some(2));
}

#[test]
fn how_it_ended_does_not_depend_on_which_findings_are_told() {
    let folder = folder("in_vain");
    let trace = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > ACK\n\
                 server > RST ACK seq 900000\nclient > data 100\nclient > data 100\n";
    fs::write(folder.join("vain.pcap"), capture_of(trace)).unwrap();
    fs::write(folder.join("quiet.toml"), "ignore = [\"reset-ignored\"]\n").unwrap();
    let told = |line: &str| text(&run(&folder, line).stdout);
    let all = told("read vain.pcap");
    assert!(all.contains("reset-ignored") && all.contains("which the client did not take"), "{all}");
    let fewer = told("read --config quiet.toml vain.pcap");
    assert!(!fewer.contains("reset-ignored") && fewer.contains("which the client did not take"), "{fewer}");
    let headline = |told: &str| told.lines().find(|line| line.starts_with("1 connection")).map(str::to_owned);
    assert_eq!(headline(&all), Some("1 connection: reset by one end and not at the other.".to_owned()));
    assert_eq!(headline(&fewer), headline(&all));
}
