//! `-f/--filter`: what passes is analysed, the rest is counted, and a bad expression ends the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lastack::base::Timestamp;
use lastack::source::script::Script;
use lastack::source::write::{InterfaceOptions, PacketOptions, PcapngWriter};
use lastack::source::{ByteOrder, LinkType, Source};
use serde_json::Value;

use crate::threads;

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("filtered").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// An IPv4 packet with a bare TCP header from 10.0.0.1 to `to_port` of 10.0.0.2, of `len` octets by its length field.
fn packet(to_port: u16, sequence: u32, flags: u8, len: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet.extend(40_000u16.to_be_bytes());
    packet.extend(to_port.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 0, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    packet
}

/// One capture with two link types: a SYN to port 80 and one to 443 on each, and a cut frame of 1,400 octets on the first.
fn two_link_types(folder: &Path) -> PathBuf {
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little, "test").unwrap();
    let ethernet = writer.interface(LinkType::ETHERNET, &InterfaceOptions::default()).unwrap();
    let raw = writer.interface(LinkType::RAW, &InterfaceOptions::default()).unwrap();
    let mut time = Timestamp::from_parts(1_795_231_860, 0);
    let mut write = |interface: u32, packet: Vec<u8>, wire_len: u32| {
        time = time.plus(1_000_000);
        let lead: &[u8] = if interface == ethernet { &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0] } else { &[] };
        let frame = [lead, &packet].concat();
        let len = (frame.len() as u32).max(wire_len);
        writer.frame(interface, time, &frame, len, PacketOptions::default()).unwrap();
    };
    for interface in [ethernet, raw] {
        write(interface, packet(80, 7_000 * (interface + 1), 0x02, 40), 0);
        write(interface, packet(443, 9_000 * (interface + 1), 0x02, 40), 0);
    }
    write(ethernet, packet(443, 9_001, 0x18, 1_400), 1_414);
    let path = folder.join("two.pcapng");
    fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

fn read(capture: &Path, filter: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
    command.arg("read").arg(capture).args(["--format", "ndjson", "-f", filter]).output().unwrap()
}

fn summary(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn what_does_not_pass_is_counted_and_each_link_type_has_its_own_program() {
    let capture = two_link_types(&folder("link_types"));
    // Expression, frames that pass, connections among them.
    for (filter, passing, connections) in [
        ("", 5, 4),
        ("tcp port 443", 3, 2),
        ("tcp port 80", 2, 2),
        ("host 10.0.0.3", 0, 0),
        ("greater 1000", 1, 1),
        ("tcp[tcpflags] & tcp-syn != 0 and dst host 10.0.0.2", 4, 4),
    ] {
        let summary = summary(&read(&capture, filter));
        assert_eq!(summary["frames"], 5, "'{filter}'");
        assert_eq!(summary["segments"], passing, "'{filter}'");
        assert_eq!(summary["filtered"], 5 - passing, "'{filter}'");
        assert_eq!(summary["connections"], connections, "'{filter}'");
    }
}

/// The connections of `capture`, as far as they pass.
fn connections(capture: &Path, arguments: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lastack"));
    let output = command.arg("read").arg(capture).args(["--format", "ndjson"]).args(arguments).output().unwrap();
    let records = String::from_utf8(output.stdout).unwrap();
    let records = records.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["type"] == "connection").collect()
}

#[test]
fn frame_and_stream_numbers_stay_those_of_the_whole_input() {
    let capture = two_link_types(&folder("numbers"));
    let [connection] = &connections(&capture, &["-f", "greater 1000"])[..] else { panic!() };
    assert_eq!((&connection["stream"], &connection["first_frame"]), (&Value::from(3), &Value::from(5)));
}

/// A capture of a text trace.
fn traced(folder: &Path, trace: &str) -> PathBuf {
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little, "test").unwrap();
    writer.interface(LinkType::ETHERNET, &InterfaceOptions::default()).unwrap();
    let mut frames = Script::parse(trace).unwrap();
    while let Some(frame) = frames.next_frame().unwrap() {
        writer.frame(0, frame.time, frame.bytes, frame.original_len, PacketOptions::default()).unwrap();
    }
    let path = folder.join("trace.pcapng");
    fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

#[test]
fn a_port_that_comes_again_begins_another_stream_though_its_syn_does_not_pass() {
    let life = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 200\nserver > ACK\n\
                client > FIN ACK\nserver > FIN ACK\nclient > ACK\n";
    let again = format!("client 10.0.0.1:40000 isn 900000\nserver 10.0.0.2:80 isn 7000000\n+1s {life}");
    let capture = traced(&folder("again"), &format!("{life}{again}"));
    // Data alone, FINs alone, one direction, and what begins with the second stream.
    for filter in ["greater 200", "tcp[13] & 1 = 1", "src port 80", "tcp[13] & 2 = 0"] {
        let told = connections(&capture, &["-f", filter]);
        let streams: Vec<_> = told.iter().map(|connection| connection["stream"].as_u64().unwrap()).collect();
        assert_eq!(streams, [0, 1], "{filter}");
        assert!(told[0]["last_frame"].as_u64() <= Some(8) && told[1]["first_frame"].as_u64() > Some(8), "{filter}");
    }
}

#[test]
fn every_connection_that_passes_has_the_number_of_its_stream_in_the_whole_input() {
    let (mut passed, mut moved) = (0, 0);
    let mut captures = Vec::new();
    threads::captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut captures);
    for capture in captures {
        let whole = connections(&capture, &[]);
        if whole.len() < 2 {
            continue;
        }
        let port = &whole[whole.len() / 2]["client"]["port"];
        let port = format!("tcp port {port}");
        for filter in [port.as_str(), "tcp[13] & 5 != 0", "greater 150"] {
            let told = connections(&capture, &["-f", filter]);
            assert_eq!(told, connections(&capture, &["-f", filter, "--threads", "2"]));
            for (at, connection) in told.iter().enumerate() {
                let stream = &connection["stream"];
                let same = whole.iter().find(|same| same["stream"] == *stream).unwrap();
                let ends = |record: &Value| {
                    let mut ends = [record["client"].to_string(), record["server"].to_string()];
                    ends.sort();
                    ends
                };
                let of = format!("{}, {filter}, {stream}", capture.display());
                assert_eq!(ends(connection), ends(same), "{of}");
                assert!(connection["first_frame"].as_u64() >= same["first_frame"].as_u64(), "{of}");
                assert!(connection["last_frame"].as_u64() <= same["last_frame"].as_u64(), "{of}");
                assert!(told[at + 1..].iter().all(|other| other["stream"] != *stream), "{of}");
                passed += 1;
                moved += usize::from(stream.as_u64() != Some(at as u64));
            }
        }
    }
    assert!(passed > 200 && moved > 50, "{passed} passed, {moved} of them with another number than their place");
}

#[test]
fn a_bad_expression_ends_with_libpcaps_words_and_exit_code_2() {
    let capture = two_link_types(&folder("bad"));
    for (filter, words) in [("tcp prot 80", "syntax error"), ("port 70000", "70000"), ("tcp[", "syntax error")] {
        let output = read(&capture, filter);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(words) && told.contains("pcap-filter(7)"), "{told}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn show_and_text_take_a_filter_too() {
    let capture = two_link_types(&folder("show"));
    for command in ["show", "read"] {
        let mut line = Command::new(env!("CARGO_BIN_EXE_lastack"));
        line.arg(command).arg(&capture).args(["-f", "tcp port 443"]);
        if command == "show" {
            line.args(["--stream", "1"]);
        }
        let output = line.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(text.contains("10.0.0.2:443") && !text.contains("10.0.0.2:80"), "{text}");
    }
}
