//! What a capture cannot show, because of where and when it was made.

use lastack::connection::{Basis, State};
use lastack::finding::Confidence;
use lastack::source::script::parse;

use super::holds;
use crate::told::tell_items;

const OPENED: &str =
    "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > data 300\nclient > ACK\n";

/// Octets that an end is said to have sent unseen, of the first connection.
fn missing(trace: &str) -> [u64; 2] {
    let told = tell_items(&parse(trace).expect("a readable trace"));
    let ends = &told.verdicts[0].endpoints;
    [ends.client.missing_bytes, ends.server.missing_bytes]
}

#[test]
fn what_was_under_way_when_the_capture_began_is_not_missing() {
    let acknowledged =
        "server > ACK seq 1 ack 1000\n+50ms client > data 1000 seq 2000 ack 1\n+1ms server > ACK ack 2000\n";
    assert_eq!(missing(acknowledged), [0, 0]);
    let sooner =
        "server > ACK seq 1 ack 1000\nserver > ACK ack 2000\nclient > data 1000 seq 3000 ack 1\nserver > ACK\n";
    assert_eq!(missing(sooner), [0, 0]);
    // What answers something captured was sent since, and so was much of what lies before it.
    let answers = "client > data 500 seq 1 ack 1\nserver > data 900 seq 4000 ack 501\nclient > ACK\n";
    assert_eq!(missing(answers), [0, 3_999]);
    // Nothing is under way for so long.
    let late = "server > ACK seq 1 ack 1000\n+20 client > data 1000 seq 2000 ack 1\nserver > ACK ack 3000\n";
    assert_eq!(missing(late), [1_000, 0]);
}

#[test]
fn of_a_peer_that_was_not_captured_nobody_knows_who_closed_first() {
    let alone = "server > SYN ACK seq 0 ack 1\nserver > data 300 ack 82\nserver > FIN ACK ack 83\n";
    holds(alone, &[("by", "nobody")]);
    // What it acknowledges since came since.
    holds(&format!("{alone}server > ACK ack 84"), &[("by", "server")]);
    holds(&format!("{OPENED}server > FIN ACK\nclient > ACK"), &[("by", "server")]);
}

#[test]
fn from_one_end_of_a_host_to_the_other_there_is_no_road() {
    let ends = |server: &str| format!("client 127.0.0.1:40000\nserver {server}:80\n");
    // The handshake's end was lost, so that the client seems to be far away.
    let crossed = "client > SYN\nserver > SYN ACK\n+9 client > data 100 ack 1\nserver > data 300\n\
                   server > FIN ACK\n+1ms client > FIN ACK ack 1\n+1ms client > RST ACK ack 301";
    holds(&format!("{}{crossed}", ends("127.0.0.1")), &[("by", "server")]);
    holds(&format!("{}{crossed}", ends("127.0.0.2")), &[("by", "client")]);
}

#[test]
fn what_follows_from_an_assumed_state_is_assumed() {
    // The client answers no copy of the FIN.
    let trace = format!(
        "{OPENED}client > FIN ACK ack 301\nserver > FIN ACK ack 101\n+10ms server > ACK ack 102\n\
         +200ms server > FIN ACK seq 301 ack 102\n+400ms server > again\n+800ms server > again"
    );
    let told = tell_items(&parse(&trace).expect("a readable trace"));
    let bases: Vec<_> = told.verdicts[0].endpoints.client.states.iter().map(|step| step.basis).collect();
    assert_eq!(bases, [Basis::Seen, Basis::Seen, Basis::Seen, Basis::Assumed, Basis::Assumed]);
}

#[test]
fn only_linux_tells_of_a_broken_pipe() {
    let opened = |options: &str| OPENED.replacen("SYN\n", &format!("SYN <{options}>\n"), 1);
    let reset = "server > FIN ACK\nclient > ACK\nclient > data 10\nserver > RST seq 302";
    let linux = opened("mss 1460, sackOK, TS val 1 ecr 0, wscale 7");
    holds(&format!("{linux}{reset}"), &[("client calls", "connect write=EPIPE")]);
    let windows = format!("client 10.0.0.1:40000 ttl 128\n{}{reset}", opened("mss 1460, wscale 8, sackOK"));
    holds(&windows, &[("client calls", "connect read=ECONNRESET")]);
}

#[test]
fn an_acknowledgment_beyond_the_peers_fin_is_no_abort_of_a_live_socket() {
    let closed = "server > FIN ACK\nclient > ACK\n";
    holds(&format!("{OPENED}{closed}client > RST ACK"), &[("resets", "unread-data medium")]);
    holds(&format!("{OPENED}{closed}client > RST ACK ack 4000"), &[("resets", "unknown low")]);
}

/// The last two segments of a close.
const LAST_TWO: &str = "server > FIN ACK seq 501 ack 83\n+1ms client > ACK seq 83 ack 502\n";

#[test]
fn a_capture_that_begins_in_a_close_does_not_say_who_closed_first() {
    let basis = |trace: &str| {
        let told = tell_items(&parse(trace).expect("a readable trace"));
        told.verdicts[0].endpoints.client.states.last().map(|step| (step.state, step.basis))
    };
    holds(LAST_TWO, &[("by", "nobody"), ("close", "none")]);
    assert_eq!(basis(LAST_TWO), Some((State::CloseWait, Basis::Assumed)));
    // Who says more, takes more, or aborts, had not closed.
    for shown in [
        format!("client > data 20 seq 63 ack 501\n{LAST_TWO}"),
        format!("server > data 100 seq 401 ack 83\nclient > ACK seq 83 ack 501\n{LAST_TWO}"),
        format!("{LAST_TWO}+9 client > RST ACK seq 83 ack 502"),
        format!("{LAST_TWO}+75 client > ACK seq 82 ack 502\n+1ms server > ACK seq 502 ack 83"),
    ] {
        holds(&shown, &[("by", "server")]);
    }
    let talked = format!("client > data 20 seq 63 ack 501\n{LAST_TWO}");
    assert_eq!(basis(&talked), Some((State::CloseWait, Basis::Seen)));
}

#[test]
fn a_close_wait_that_may_be_the_end_of_a_close_is_no_leak() {
    let idle = "idle 1h\nb.client 10.0.0.1:40001\nb.client > SYN\n";
    let stuck = |trace: &str| {
        let told = tell_items(&parse(trace).expect("a readable trace"));
        let findings = told.verdicts.into_iter().flat_map(|verdict| verdict.findings);
        findings
            .filter(|finding| finding.name == "close-wait-stuck")
            .map(|finding| finding.confidence)
            .collect::<Vec<_>>()
    };
    assert_eq!(stuck(&format!("{LAST_TWO}{idle}")), [Confidence::Low]);
    assert_eq!(stuck(&format!("client > data 20 seq 63 ack 501\n{LAST_TWO}{idle}")), [Confidence::High]);
}

#[test]
fn a_reset_among_control_segments_tells_how_far_both_had_come_and_no_more() {
    let handshake =
        "client > SYN win 64240 <mss 1460, wscale 8, sackOK>\n+20ms server > SYN ACK <mss 1460, sackOK, wscale 7>\n";
    let reset = format!("client 10.0.0.1:50000 ttl 128\n{handshake}+2s client > RST ACK seq 201 ack 2001 win 0");
    let told = tell_items(&parse(&reset).expect("a readable trace"));
    let verdict = &told.verdicts[0];
    assert_eq!(verdict.open.rtt_ns, None);
    assert!(
        !verdict.resets[0].evidence.contains("window that it had advertised last"),
        "{}",
        verdict.resets[0].evidence
    );
    assert!(verdict.findings.iter().all(|finding| finding.name != "zero-window"));
    // Who had the SYN-ACK was open.
    holds("client > SYN\n+20ms server > SYN ACK\n+60s server > RST ACK", &[("client error", "ECONNRESET")]);
    holds("client > SYN\n+20ms server > RST ACK", &[("client error", "ECONNREFUSED")]);
}

#[test]
fn a_fin_may_be_among_what_the_tap_has_lost() {
    let asked = "client > SYN\n+20ms server > SYN ACK\nclient > ACK\nclient > data 100\n+20ms server > data 1000\nclient > ACK\n";
    // The rest of the answer and the FIN of its sender were lost by the tap.
    let hidden = format!("{asked}+1ms client > FIN ACK ack 1702\n+20ms server > ACK seq 1702");
    holds(&hidden, &[("by", "nobody")]);
    let told = tell_items(&parse(&hidden).expect("a readable trace"));
    let last = told.verdicts[0].endpoints.server.states.last().map(|step| (step.state, step.basis));
    assert_eq!(last, Some((State::CloseWait, Basis::Assumed)));
    // What comes behind shows that there was none.
    holds(&format!("{hidden}\nserver > data 10\nclient > ACK"), &[("by", "client")]);
    holds(&format!("{asked}+1ms client > FIN ACK\n+20ms server > ACK"), &[("by", "client")]);
}

#[test]
fn an_abort_that_acknowledges_octets_had_received_them() {
    let controls = "client > SYN <mss 1460, sackOK, TS val 1000 ecr 0, wscale 7>\n\
                    +20ms server > SYN ACK <mss 1460, sackOK, TS val 7000 ecr 1000, wscale 7>\n\
                    +1s server > FIN ACK seq 1001 ack 101\n+1s client > RST ACK seq 101 ack 1002";
    let told = tell_items(&parse(controls).expect("a readable trace"));
    let evidence = &told.verdicts[0].resets[0].evidence;
    assert!(!evidence.contains("had received no payload"), "{evidence}");
}
