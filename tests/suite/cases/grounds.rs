//! What a reset answers, and what it cannot answer.

use lastack::finding::{Cause, Confidence, Errno, Severity};

use super::sentences::{OPENED, found, says, told};

#[test]
fn what_its_sender_had_acknowledged_is_not_what_it_answers() {
    let acked = "client > data 100\n+1ms server > ACK ack 101\n+1ms server > RST seq 1\n";
    let reset = &told(&format!("{OPENED}{acked}")).resets[0];
    assert_eq!((reset.cause, reset.confidence), (Cause::Unknown, Confidence::Low));
    let unanswered = acked.replace("+1ms server > ACK ack 101\n", "");
    let reset = &told(&format!("{OPENED}{unanswered}")).resets[0];
    assert_eq!(reset.cause, Cause::NoConnection);
}

#[test]
fn a_server_that_never_answered_has_mostly_not_read() {
    let reset = found(
        &format!("{OPENED}client > data 100\n+1ms server > ACK ack 101\n+2s server > RST ACK seq 1 ack 101\n"),
        "reset-unread-data",
    )
    .expect("a reset");
    assert_eq!(reset.confidence, Confidence::Low);
    assert!(reset.message.contains("a service that never answers has mostly not read"), "{}", reset.message);
}

#[test]
fn an_orphan_may_have_been_one_too_many() {
    let shut = |pause: &str| format!("{OPENED}server > FIN ACK ack 1\n{pause} server > RST ACK seq 2 ack 1\n");
    let too_many = "(or its kernel did: it had too many orphaned sockets, net.ipv4.tcp_max_orphans)";
    says(&shut("+200us"), "reset-linger-zero", too_many);
    let later = found(&shut("+2s"), "reset-linger-zero").expect("an abort");
    assert!(!later.message.contains("orphaned"), "{}", later.message);
}

#[test]
fn a_number_below_the_next_one_is_for_linux_alone() {
    says(
        &format!("{OPENED}server > FIN ACK ack 1\nclient > ACK ack 2\n+1s server > RST seq 1\n+1s client > data 10\n"),
        "reset-ignored",
        "one below what its receiver waits for: Linux takes that, other stacks do not (RFC 5961, section 3)",
    );
}

#[test]
fn a_fin_that_also_acknowledges_ends_no_fin_wait_2() {
    let closes = "+1s client > FIN ACK\n+10us server > FIN ACK ack 1\n+70ms server > FIN ACK ack 2 seq 1\n";
    says(
        &format!("{OPENED}{closes}+20ms client > RST seq 2\n"),
        "reset-no-connection",
        "it answers a copy of the peer's FIN (frame 6), which is also the first that acknowledges its own",
    );
}

#[test]
fn a_reset_that_answers_data_refuses_no_handshake() {
    let opened = "client > SYN\n+50ms server > SYN ACK\nclient > ACK\n";
    let refused = format!("{opened}+50ms server > RST seq 1\n");
    assert!(found(&refused, "accept-queue-overflow").is_some());
    let later = format!("{opened}+100ms client > data 100\n+50ms server > RST seq 1\n");
    assert!(found(&later, "accept-queue-overflow").is_none());
    assert!(found(&later, "reset-no-connection").is_some());
    let closed = later.replace("data 100", "FIN ACK");
    assert!(found(&closed, "accept-queue-overflow").is_none());
}

#[test]
fn who_asks_without_an_acknowledgment_probes() {
    for probe in ["FIN seq 7", "FIN PSH URG seq 7", "FIN seq 7 data 3"] {
        let reply = if probe.contains("data") { "ack =1011" } else { "ack =1008" };
        let trace = format!("client > {probe}\n+10us server > RST ACK seq =0 {reply} win 0\n");
        let reset = found(&trace, "reset-no-connection").unwrap_or_else(|| panic!("{trace}"));
        assert_eq!((reset.kind, reset.severity), (Some("probe"), Severity::Note));
        says(&trace, "began-midstream", "a probe, perhaps");
        assert!(told(&trace).endpoints.client.calls.is_empty());
    }
}

#[test]
fn what_answers_a_segment_behind_the_reset_did_not_cross_it() {
    let aborted = format!(
        "{OPENED}client > data 100\n+1ms server > ACK ack 101\n+200ms client > RST ACK seq 101 ack 1\n\
         +500us client > ACK seq 101 ack 1\n+30us server > RST seq 1\n"
    );
    let verdict = told(&aborted);
    assert!(verdict.resets[0].accepted);
    assert_eq!(verdict.endpoints.server.error, Some(Errno::ConnReset));
    says(&aborted, "reset-no-connection", "there is no socket, since the reset in frame 6 had ended it");
}

#[test]
fn who_refuses_a_bad_acknowledgment_goes_on() {
    let bad = "client > SYN\nserver > SYN ACK\nclient > ACK ack 2\n+10us server > RST seq 2\n";
    let trace = format!("{bad}+100ms client > ACK ack 1\n+1s server > data 10 seq 1\n+10ms client > ACK ack 11\n");
    says(&trace, "reset-invalid-handshake", "it refuses frame 3, which acknowledges what it had not sent");
    assert!(found(&trace, "reset-injected").is_none());
}

#[test]
fn an_answer_with_a_foreign_timestamp_is_refused_and_the_client_waits_on() {
    let trace = "client > SYN <mss 1460, sackOK, TS val 1 ecr 0>\n\
                 +10ms server > SYN ACK <mss 1040, sackOK, TS val 1000 ecr 9999>\nclient > RST seq 1\n";
    says(trace, "reset-invalid-handshake", "it refuses frame 2, which answers its SYN with a timestamp");
    assert_eq!(told(trace).endpoints.client.final_state().to_string(), "SYN-SENT");
}

#[test]
fn windows_asks_again_when_it_is_refused() {
    let refused = "server > RST ACK\n";
    let asks = |pause: &str| format!("client > SYN\n{refused}{pause} client > SYN\n{refused}");
    assert!(found(&asks("+500ms"), "reset-ignored").is_some());
    assert!(found(&asks("+100ms"), "reset-ignored").is_none());
    assert_eq!(told(&asks("+500ms")).endpoints.client.error, Some(Errno::ConnRefused));
    says(&asks("+500ms"), "reset-refused", "its receiver asked again afterwards, as Windows does when it is refused");
}

#[test]
fn a_number_behind_the_own_syn_answers_a_syn_ack_that_was_not_captured() {
    let reset = found("client > SYN\n+2ms client > RST seq 1\n", "reset-no-connection").expect("a reset");
    assert_eq!(reset.kind, Some("closed-while-connecting"));
    assert_eq!(told("client > SYN\n+2ms client > RST seq 9\n").resets[0].cause, Cause::Unknown);
    assert_eq!(told("client > SYN\n+6 client > RST seq 1\n").resets[0].cause, Cause::Unknown);
}
