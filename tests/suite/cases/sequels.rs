//! What a reset had done shows by what the ends say after it, often in the next stream: a SYN-ACK after a reset begins one.

use lastack::finding::Verdict;
use lastack::source::script::parse;

use super::{began_with, holds};
use crate::told::tell_items;

const REFUSED: &str = "client > SYN\n+20ms server > RST ACK\nserver > SYN ACK\n";
/// A client whose SYN carries a timestamp, or none, and somebody who knows neither.
const STAMPED: &str = "client > SYN <mss 1460, sackOK, TS val 5000 ecr 0, wscale 7>\n";
const BARE: &str = "client > SYN <mss 1460, wscale 2, sackOK>\n";
const FORGED: &str = "+60ms server > RST ACK seq 1 win 64240 <TS val 100 ecr 100>\n";

/// The first connection of `trace`.
fn first(trace: &str) -> Verdict {
    let told = tell_items(&parse(trace).expect("a readable trace"));
    told.verdicts.into_iter().min_by_key(|verdict| verdict.stream).expect("a connection")
}

/// Who took which reset.
fn accepted(trace: &str) -> Vec<bool> {
    first(trace).resets.iter().map(|reset| reset.accepted).collect()
}

#[test]
fn who_goes_on_with_the_handshake_had_not_taken_the_refusal() {
    let rest = "client > ACK\nclient > data 100\n+20ms server > data 100\nclient > FIN ACK\n+20ms server > FIN ACK\nclient > ACK";
    let trace = format!("{REFUSED}{rest}");
    let life = [("open", "aborted"), ("close", "none"), ("client", "SYN-SENT"), ("client calls", "")];
    began_with(&trace, &life);
    let verdict = first(&trace);
    assert_eq!((verdict.open.continued, accepted(&trace)), (Some(3), vec![false]));
    assert!(verdict.gist().is_replaced);
    assert!(verdict.resets[0].evidence.contains("where the handshake goes on"), "{}", verdict.resets[0].evidence);
}

#[test]
fn who_resets_the_answer_had_taken_the_refusal() {
    let trace = format!("{REFUSED}client > RST seq 1");
    let refused = [("open", "refused"), ("close", "refused"), ("client calls", "connect=ECONNREFUSED")];
    began_with(&trace, &refused);
    let verdict = first(&trace);
    assert_eq!((verdict.open.continued, accepted(&trace)), (None, vec![true]));
    assert!(verdict.resets[0].evidence.contains("it had taken this"), "{}", verdict.resets[0].evidence);
    // Without the client's word nobody knows how it goes on.
    let evidence = &first(REFUSED).resets[0].evidence;
    assert!(evidence.ends_with("accepts in the next stream (frame 3)"), "{evidence}");
}

#[test]
fn a_server_that_goes_on_had_not_taken_what_the_client_refused_somebody_else_with() {
    let forged = "server > FIN ACK seq 1 <TS val 100 ecr 100>\n+100us client > RST seq 1\n";
    let next = "+2ms server > SYN ACK <mss 1460, sackOK, TS val 70 ecr 5000, wscale 7>\n+10us client > ACK seq 1\nclient > data 300\n";
    let opened = format!("{STAMPED}{FORGED}{forged}{next}");
    let goes_on = format!("{opened}+60ms server > ACK");
    assert_eq!(accepted(&goes_on), [false, false]);
    began_with(&goes_on, &[("close", "none"), ("client", "SYN-SENT")]);
    let gone = format!("{opened}+60ms server > RST seq 1");
    assert_eq!(accepted(&gone), [false, true]);
}

#[test]
fn a_host_without_timestamps_does_not_look_at_those_of_a_reset() {
    assert_eq!(accepted(&format!("{STAMPED}{FORGED}")), [false]);
    assert_eq!(accepted(&format!("{BARE}{FORGED}")), [true]);
    // It did not come, all the same.
    let next = "+2ms server > SYN ACK\n+10us client > ACK\n";
    assert_eq!(accepted(&format!("{BARE}{FORGED}{next}")), [false]);
}

#[test]
fn what_a_program_sends_behind_the_reset_of_its_kernel_opens_nothing() {
    let refused = "client > SYN\n+12ms server > SYN ACK\n+40us client > RST seq 1\n";
    let closed = [("open", "aborted"), ("client", "SYN-SENT CLOSED"), ("server", "SYN-RECEIVED CLOSED")];
    holds(&format!("{refused}+23ms client > data 1:101 ack 1"), &closed);
    // A server that goes on has not taken it.
    let taken = format!("{refused}+23ms client > data 1:101 ack 1\n+12ms server > ACK ack 101");
    holds(&taken, &[("open", "three-way")]);
    // Nor do numbers that no window allows open anything.
    let wild = "client > SYN\n+12ms server > SYN ACK\n+23ms client > data 1:101 ack 1800000000\n";
    holds(wild, &[("open", "half-open"), ("server", "SYN-RECEIVED")]);
}

/// A request and its answer, and then a SYN with the client's addresses and ports, which is answered as one that came into an open
/// connection.
fn intruded(isn: u32) -> String {
    format!(
        "client > SYN\nserver > SYN ACK\nclient > ACK\n+1ms client > data 100\n+1ms server > data 500\n+1ms client > ACK\n\
         +1s client > SYN seq ={isn}\n+30us server > ACK seq =5501 ack =1101\n"
    )
}

#[test]
fn a_connection_goes_on_behind_a_syn_that_nobody_meant() {
    let rest = "+1s client > data 100 seq =1101 ack =5501\n+1ms server > data 50 seq =5501 ack =1201\n\
                +1ms client > FIN ACK seq =1201 ack =5551\n+1ms server > FIN ACK seq =5551 ack =1202\n\
                +1ms client > ACK seq =1202 ack =5552";
    // Nearer and farther than any window, and before the old numbers.
    for isn in [9_000, 3_000_000_000, 4_000_000_000] {
        let trace = format!("{}{rest}", intruded(isn));
        began_with(
            &trace,
            &[("close", "none"), ("client", "SYN-SENT ESTABLISHED"), ("server", "SYN-RECEIVED ESTABLISHED")],
        );
        holds(
            &trace,
            &[
                ("open", "midstream"),
                ("close", "three-segment"),
                ("by", "client"),
                ("client", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT"),
                ("server", "ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"),
            ],
        );
        let told = tell_items(&parse(&trace).expect("a readable trace")).verdicts;
        let names: Vec<_> =
            told.iter().flat_map(|verdict| &verdict.findings).map(|found| (found.name, found.kind)).collect();
        assert_eq!(names, [("stale-syn", Some("into-open-connection"))]);
        let sent = told.iter().max_by_key(|verdict| verdict.stream).map(|verdict| &verdict.endpoints.client);
        assert_eq!(sent.map(|view| (view.payload_bytes, view.missing_bytes)), Some((100, 0)));
    }
}

#[test]
fn who_opens_anew_resets_what_its_peer_has_left() {
    let trace = format!("{}+30us client > RST seq =1101 win 0", intruded(9_000));
    began_with(
        &trace,
        &[
            ("close", "reset"),
            ("by", "client"),
            ("resets", "no-connection high"),
            ("server", "SYN-RECEIVED ESTABLISHED CLOSED"),
            ("server error", "ECONNRESET"),
        ],
    );
    holds(&trace, &[("open", "aborted"), ("resets", "invalid-handshake high")]);
    // A SYN that is accepted leaves nothing of what was before.
    let accepted = intruded(9_000).replace("server > ACK seq =5501 ack =1101", "server > SYN ACK seq =70000 ack =9001");
    began_with(
        &format!("{accepted}client > ACK seq =9001 ack =70001"),
        &[("close", "none"), ("server", "SYN-RECEIVED ESTABLISHED CLOSED"), ("server error", "none")],
    );
}
