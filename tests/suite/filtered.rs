//! `-f/--filter`: what passes is analysed, the rest is counted, and a bad expression ends the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lastack::base::Timestamp;
use lastack::source::write::{InterfaceOptions, PacketOptions, PcapngWriter};
use lastack::source::{ByteOrder, LinkType};
use serde_json::Value;

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

#[test]
fn frame_numbers_stay_those_of_the_whole_input() {
    let capture = two_link_types(&folder("numbers"));
    let output = read(&capture, "greater 1000");
    let text = String::from_utf8(output.stdout).unwrap();
    let connection: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&connection["stream"], &connection["first_frame"]), (&Value::from(0), &Value::from(5)));
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
