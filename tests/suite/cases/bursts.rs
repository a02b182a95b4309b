//! What is said of resets that come in bursts, and of what the road held up.

use lastack::finding::{Confidence, Culprit, Errno, Severity};

use super::sentences::{OPENED, found, says, told};

/// The server sends `segments` of 100 octets, and has no socket when the client's request comes.
fn vanished(segments: usize) -> String {
    let flight = "server > data 100\n".repeat(segments);
    format!("{OPENED}{flight}+3s client > data 100 ack 1\n+20ms server > RST seq 1\n")
}

#[test]
fn what_was_sent_once_was_not_repeated_in_vain() {
    let reset = found(&vanished(6), "reset-no-connection").expect("a reset");
    assert_eq!(reset.kind, None);
    assert!(reset.message.contains("the host restarted or lost the state"), "{}", reset.message);
    let again = "+300ms server > data 100 seq 1\n+600ms server > data 100 seq 1\n+1200ms server > data 100 seq 1\n";
    let given_up = format!("{OPENED}server > data 100\n{again}+1s client > data 100 ack 1\n+20ms server > RST seq 1\n");
    let reset = found(&given_up, "reset-no-connection").expect("a reset");
    assert_eq!(reset.kind, Some("gave-up"));
    assert!(
        reset.message.contains("what nobody had acknowledged it had sent 3 times more, and had given up"),
        "{}",
        reset.message
    );
}

#[test]
fn a_reset_that_its_receiver_had_passed_is_too_old() {
    let trace = format!("{}+1ms client > ACK ack 601\n+20ms server > RST seq 601\n", vanished(6));
    says(
        &trace,
        "reset-no-connection",
        "its number is behind what its receiver had by then, so it is ignored; the one in",
    );
    let verdict = told(&trace);
    let [reset] = &verdict.resets[..] else { panic!("one reset and its echo") };
    // What the first one did not take with it, the second one does.
    assert!(reset.accepted);
    assert_eq!((reset.client_bytes_lost, reset.server_bytes_lost), (100, 0));
}

#[test]
fn a_host_that_was_cut_off_is_not_said_to_be_the_one_to_blame() {
    let asked = "+1s client > data 100 seq 101\n";
    let cut = format!(
        "{OPENED}client > data 100\n+20ms server > ACK\n+5s client > data 100 seq 101\n+300ms {}{asked}{asked}+20ms server > RST seq 1\n",
        asked.trim_start_matches("+1s ")
    );
    let reset = found(&cut, "reset-no-connection").expect("a reset");
    assert_eq!(reset.kind, Some("after-outage"));
    assert_eq!(
        Culprit::of(&reset).map(|culprit| culprit.to_string()).as_deref(),
        Some("the network or the server's host")
    );
    assert!(reset.message.contains("nothing had answered the peer for 2.30 s"), "{}", reset.message);
}

#[test]
fn a_reset_that_ends_nothing_is_a_note() {
    let ended = format!("{OPENED}client > data 100\n+1ms server > RST ACK\n");
    let again = format!("{ended}+1ms client > RST ACK\n");
    let resets: Vec<_> =
        told(&again).findings.into_iter().filter(|finding| finding.name.starts_with("reset-")).collect();
    let late = resets.iter().find(|finding| finding.message.contains("it ends nothing")).expect("a vain reset");
    assert_eq!(late.severity, Severity::Note);
    assert!(found(&again, "reset-ignored").is_none());
}

#[test]
fn what_was_said_and_not_captured_tells_no_lingering() {
    let asked = format!("{OPENED}client > data 100\n+40ms server > RST ACK seq 3 ack 101\n");
    let reset = found(&asked, "reset-unread-data").expect("an abort");
    assert_eq!(reset.confidence, Confidence::Low);
    assert!(reset.message.contains("what it had sent was not captured"), "{}", reset.message);
}

#[test]
fn an_ack_that_was_on_its_way_is_no_time_wait() {
    let aborted = format!("{OPENED}client > data 100\n+20ms server > ACK\nclient > RST ACK\n");
    let late = "+5ms client > SYN seq 900000\n+5ms server > ACK seq 1 ack 101\nclient > RST seq 101\n";
    assert!(found(&format!("{aborted}{late}"), "syn-rejected-in-time-wait").is_none());
}

#[test]
fn no_timer_sends_a_syn_ack_so_soon() {
    let again = |pause: &str| {
        let trace = format!(
            "{OPENED}client > data 100\n+{pause} server > SYN ACK seq 0 ack 1\nclient > ACK\n+400ms client > data 100 seq 1\n+20ms server > ACK ack 101\n"
        );
        found(&trace, "handshake-ack-lost")
    };
    assert!(again("27ms").is_none());
    let lost = again("1s").expect("a lost acknowledgment");
    assert!(!lost.message.contains("TCP_DEFER_ACCEPT"), "{}", lost.message);
    let waits =
        format!("{OPENED}+1s server > SYN ACK seq 0 ack 1\nclient > ACK\n+20ms server > data 10\nclient > ACK\n");
    let lost = found(&waits, "handshake-ack-lost").expect("a lost acknowledgment");
    assert!(lost.message.contains("or the listener waits for data (TCP_DEFER_ACCEPT)"), "{}", lost.message);
}

#[test]
fn what_says_something_late_measures_no_round_trip() {
    let opened = |pause: &str| {
        told(&format!("client > SYN\n+20ms server > SYN ACK\n+{pause} client > data 100\n+20ms server > ACK\n"))
            .open
            .rtt_ns
    };
    assert_eq!(opened("20ms"), Some(40_000_000));
    assert_eq!(opened("1s"), None);
}

#[test]
fn a_fin_again_and_again_was_not_acknowledged_for_its_sender() {
    let fins = "+250ms server > FIN ACK seq 1 ack 1\n+1ms client > ACK seq 2 ack 2\n".repeat(3);
    let trace = format!(
        "{OPENED}client > FIN ACK\n+300ms client > FIN ACK seq 1\n+20ms server > FIN ACK seq 1 ack 1\nclient > ACK seq 2 ack 2\n{fins}+250ms server > FIN ACK seq 1 ack 1\nclient > RST seq 1\n"
    );
    let told = told(&trace);
    let again = |side: &str| {
        let is_of = |finding: &&lastack::finding::Finding| {
            finding.name == "fin-retransmitted" && finding.message.starts_with(side)
        };
        told.findings.iter().find(is_of).map(|finding| finding.message.clone())
    };
    assert!(
        again("server").is_some_and(|message| message.ends_with("no acknowledgment reached it")),
        "{:?}",
        again("server")
    );
}

#[test]
fn who_opened_late_was_not_idle_before() {
    let opened = "client > SYN\n+1s client > SYN seq 0\n+20ms server > SYN ACK\n+20ms client > ACK\n";
    let trace = format!("{opened}client > FIN ACK\nserver > data 100 ack 1\n+20ms client > RST seq 1\n");
    assert!(found(&trace, "keepalive-race").is_none());
}

#[test]
fn a_fast_open_syn_that_was_lost_was_not_refused() {
    let syn =
        "client > SYN data 100 <mss 1460, TS val 100 ecr 0>\n+1s client > SYN seq 0 <mss 1460, TS val 1100 ecr 0>\n";
    let answered = |echo: u32| {
        format!(
            "{syn}+20ms server > SYN ACK ack 1 <mss 1460, TS val 7 ecr {echo}>\nclient > ACK\nclient > data 100 seq 1\n+20ms server > ACK ack 101\n"
        )
    };
    assert!(found(&answered(1100), "retransmission").is_some());
    assert!(found(&answered(100), "retransmission").is_none());
}

#[test]
fn segments_that_come_together_are_answered_in_turn() {
    let closed = format!("{OPENED}client > data 100\n+20ms server > ACK\nclient > FIN ACK\n+20ms server > ACK\n");
    let both = "+1s server > data 24\n+0 server > FIN ACK\n+0 client > RST seq 102\n+0 client > RST seq 102\n";
    says(&format!("{closed}{both}"), "reset-data-after-close", "answers 24 octets that came afterwards");
}

#[test]
fn a_garbled_header_takes_no_place_in_the_stream() {
    let opened = format!("{OPENED}client > data 100\n+20ms server > ACK\n");
    let bad =
        "client > SYN FIN RST PSH ACK seq 101 bad-checksum\nclient > data 1 seq 101\n+20ms server > ACK ack 102\n";
    let found = found(&format!("{opened}{bad}"), "bad-checksum").expect("a wrong checksum");
    assert_eq!(found.kind, None);
}

#[test]
fn a_firewall_behind_the_handshake_is_no_full_queue() {
    let mute = format!(
        "{OPENED}client > data 100\n+300ms client > data 100 seq 1\n+600ms client > data 100 seq 1\n+1200ms client > data 100 seq 1\n"
    );
    assert!(found(&mute, "accept-queue-overflow").is_some());
    let rejected = mute.replace("+300ms", "+1ms icmp 10.0.0.2 > client port-unreachable\n+300ms");
    assert!(found(&rejected, "accept-queue-overflow").is_none());
}

#[test]
fn a_late_acknowledgment_of_the_ports_before_is_what_is_refused() {
    let first = format!("{OPENED}client > data 100\nclient > RST ACK\n");
    let again = "client isn 7000000\nserver isn 9000000\n+5ms client > SYN\nserver > SYN ACK\n";
    // What the server had acknowledged passed the tap before the SYN did.
    let refused = |more: &str| {
        format!("client isn 5000000\nserver isn 6000000\n{first}{again}+10ms client > RST seq 4292967397\n{more}")
    };
    let reset = found(&refused(""), "reset-invalid-handshake").expect("a refusal");
    assert!(reset.message.contains("it has a number of stream 0"), "{}", reset.message);
    let forged = format!(
        "client isn 5000000\nserver isn 6000000\n{OPENED}client > data 100\n+20ms server > ACK\n{again}client > ACK\n+10ms client > RST seq 2000000000\n+10ms client > data 10 seq 1\n+20ms server > ACK\n"
    );
    assert!(found(&forged, "reset-invalid-handshake").is_none());
}

#[test]
fn an_answer_that_overtook_the_abort_is_the_one_that_is_taken() {
    let trace = format!(
        "{OPENED}+1ms server > data 100\nserver > data 100\n+10ms client > RST seq 1\n+5ms client > RST ACK ack 1 seq 1\n+20ms client > RST seq 1\n"
    );
    let verdict = told(&trace);
    let [reset] = &verdict.resets[..] else { panic!("one abort and its echoes") };
    assert!(reset.accepted);
    assert_eq!((reset.frame, reset.echoes, reset.server_bytes_lost), (7, 2, 200));
    assert!(
        reset
            .evidence
            .ends_with("that in frame 6, an answer to what its receiver was still sending, overtook it and is taken")
    );
    assert_eq!(verdict.endpoints.server.error, Some(Errno::ConnReset));
}
