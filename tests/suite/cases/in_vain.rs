//! What is said of an end that had no socket any more: it had given up, an ICMP error had ended it, or it had closed.

use lastack::finding::{Confidence, Errno};

use super::holds;
use super::sentences::{OPENED, found, says, told};

/// The server says something and repeats it, and what the client sends `late` meets a reset.
fn given_up(late: &str) -> String {
    let again = ["200ms", "400ms", "800ms"].map(|pause| format!("+{pause} server > data 100 seq 1\n")).concat();
    format!("{OPENED}server > data 100\n{again}{late}\n")
}

#[test]
fn an_answer_that_meets_no_socket_repairs_nothing() {
    let trace = given_up("+5s client > ACK ack 101\nserver > RST seq 101");
    assert!(found(&trace, "outage-repaired").is_none());
    let reset = found(&trace, "reset-no-connection").expect("a reset");
    assert_eq!(reset.kind, Some("gave-up"));
    assert!(reset.message.contains("3 times more, and not again when that was due"), "{}", reset.message);
    holds(&trace, &[("server calls", "accept write=ETIMEDOUT"), ("client error", "ECONNRESET")]);
    // A reset that somebody else sent ends nothing of the kind.
    let lives = given_up("+1s client > ACK ack 101\nserver > RST seq 101\n+1s server > data 100 seq 101");
    assert!(found(&lives, "outage-repaired").is_some());
}

#[test]
fn what_was_due_and_did_not_come_outweighs_the_silence() {
    let kind = |pause: &str| {
        let trace = given_up(&format!("+{pause} client > data 10 ack 1\nserver > RST seq 1"));
        found(&trace, "reset-no-connection").expect("a reset").kind
    };
    assert_eq!(["2s", "90s", "1000s"].map(kind), [Some("gave-up"); 3]);
    // Before it was due nobody knows whether that was the end of it for the application.
    let soon = given_up("+1s client > data 10 ack 1\nserver > RST seq 1");
    holds(&soon, &[("server calls", "accept"), ("server error", "none")]);
    let silent = format!("{OPENED}server > data 100\n+90s client > data 10 ack 1\nserver > RST seq 1");
    assert_eq!(found(&silent, "reset-no-connection").expect("a reset").kind, None);
}

#[test]
fn who_probes_no_more_when_it_is_due_had_given_up() {
    let probes = ["200ms", "400ms", "800ms"].map(|pause| format!("+{pause} server > ACK seq 100 ack 1\n")).concat();
    let shut = format!("{OPENED}server > data 100\n+1ms client > ACK ack 101 win 0\n{probes}");
    let trace = format!("{shut}+4s client > ACK ack 101 win 500\n+10us server > RST seq 101");
    assert_eq!(found(&trace, "reset-no-connection").expect("a reset").kind, Some("window-shut"));
    holds(&trace, &[("server error", "ETIMEDOUT")]);
    // What is sent again into a closed window is answered, and not taken.
    let again = ["300ms", "600ms", "1200ms"]
        .map(|pause| format!("+{pause} server > data 100 seq 101\n+1ms client > ACK ack 101 win 0\n"));
    let full =
        format!("{OPENED}server > data 100\nserver > data 100\n+1ms client > ACK ack 101 win 0\n{}", again.concat());
    let trace = format!("{full}+1s client > ACK ack 101 win 500\n+10us server > RST seq 101");
    assert_eq!(found(&trace, "reset-no-connection").expect("a reset").kind, Some("window-shut"));
}

/// The server's SYN-ACK is quoted by ICMP errors of these lines before the client completes the handshake.
fn quoted(syn: &str, errors: &str) -> String {
    format!("client > SYN{syn}\nserver > SYN ACK\n{errors}")
}

#[test]
fn an_error_that_quotes_the_syn_ack_ends_the_handshake() {
    let error = "+50ms icmp 10.9.9.9 > server host-unreachable\n";
    let late = "+50ms client > ACK\nserver > RST\n";
    let plain = quoted("", &format!("{error}{late}"));
    let reset = found(&plain, "reset-no-connection").expect("a reset");
    assert_eq!(reset.kind, Some("icmp-error"));
    assert!(reset.message.contains("since an ICMP error (frame 3) had ended its opening"), "{}", reset.message);
    says(&plain, "icmp-error", "an opening that nobody has acknowledged ends with that");
    assert!(found(&plain, "accept-queue-overflow").is_none());
    holds(&plain, &[("server", "SYN-RECEIVED CLOSED"), ("server calls", ""), ("client error", "ECONNRESET")]);
    // One that quotes another number ends nothing, and is told apart from the one that does.
    let stray = "+10ms icmp 10.9.9.9 > server host-unreachable seq 90000 ACK\n";
    let both = told(&quoted("", &format!("{stray}{error}{late}")));
    let errors: Vec<_> = both.findings.iter().filter(|finding| finding.name == "icmp-error").collect();
    let [foreign, own] = &errors[..] else { panic!("two of a kind") };
    assert_eq!((&foreign.frames[..], foreign.confidence), (&[3][..], Confidence::Medium));
    assert_eq!((&own.frames[..], own.confidence), (&[4][..], Confidence::High));
    assert!(!own.message.contains("more followed"), "{}", own.message);
    let forged = quoted("", &format!("{stray}{late}"));
    assert!(found(&forged, "accept-queue-overflow").is_some());
    // Who goes on had not taken it for the end.
    let again = quoted("", &format!("{error}+1s server > SYN ACK\nclient > ACK\nclient > data 10\nserver > ACK"));
    says(&again, "icmp-error", "it sent its SYN-ACK again after that");
    holds(&again, &[("server", "SYN-RECEIVED ESTABLISHED")]);
}

#[test]
fn an_application_that_had_its_socket_early_hears_of_the_error() {
    let trace = quoted(" data 10", "+50ms icmp 10.9.9.9 > server host-unreachable\n+50ms client > ACK\nserver > RST");
    holds(&trace, &[("open", "fast-open"), ("server error", "EHOSTUNREACH"), ("server calls", "read=EHOSTUNREACH")]);
}

#[test]
fn an_attempt_that_an_error_ended_has_no_socket_for_what_comes_later() {
    let rejected = "client > SYN\n+10ms icmp 10.9.9.9 > client host-unreachable\n";
    let reset = |late: &str| found(&format!("{rejected}+200ms server > {late}\nclient > RST"), "reset-no-connection");
    for late in ["ACK ack 1", "SYN ACK"] {
        assert_eq!(reset(late).expect("a reset").kind, Some("icmp-error"), "{late}");
    }
    let answered = format!("{rejected}+200ms server > SYN ACK\nclient > RST");
    holds(&answered, &[("client calls", "connect=EHOSTUNREACH"), ("client error", "EHOSTUNREACH")]);
    let goes_on = format!("{rejected}+1s client > SYN seq 0\nserver > SYN ACK\nclient > ACK");
    says(&goes_on, "icmp-error", "it sent its SYN again after that");
    holds(&goes_on, &[("client calls", "connect")]);
}

#[test]
fn fragments_that_did_not_come_are_no_hop_limit() {
    let kind = |code: u8| {
        let error = format!("icmp 10.9.9.9 > client type 11 code {code}\n");
        let trace = format!("{OPENED}client > data 100\n{error}+300ms client > again\nserver > ACK");
        found(&trace, "icmp-error").expect("an error").kind
    };
    assert_eq!([0, 1].map(kind), [Some("ttl-exceeded"), Some("reassembly-timeout")]);
}

#[test]
fn each_stack_has_its_own_word_for_an_error() {
    let [linux, freebsd] =
        ["<mss 1460, sackOK, TS val 1 ecr 0, wscale 7>", "<mss 1460, wscale 7, sackOK, TS val 1 ecr 0>"];
    let errno = |syn: &str, error: &str| {
        told(&format!("client > SYN {syn}\nicmp 10.9.9.9 > client {error}\n")).endpoints.client.error
    };
    let words = ["host-unreachable", "protocol-unreachable", "type 3 code 10", "net-unreachable"];
    assert_eq!(
        words.map(|error| errno(linux, error)),
        [Errno::HostUnreach, Errno::NoProtoOpt, Errno::HostUnreach, Errno::NetUnreach].map(Some)
    );
    assert_eq!(
        words.map(|error| errno(freebsd, error)),
        [Errno::HostUnreach, Errno::ConnRefused, Errno::ConnRefused, Errno::HostUnreach].map(Some)
    );
}

#[test]
fn a_reset_with_the_number_of_its_own_fin_answers_data_that_was_not_captured() {
    let closed = |said: &str, pause: &str| {
        format!(
            "{OPENED}client > data 100\n+20ms server > ACK\n{said}+1s client > FIN ACK\n+{pause} client > RST seq 101\n"
        )
    };
    let spoken = "server > data 10\nclient > ACK\n";
    let reset = |said: &str| found(&closed(said, "300us"), "reset-data-after-close").expect("a reset").confidence;
    assert_eq!([reset(spoken), reset("")], [Confidence::Medium, Confidence::Low]);
    // So late no data comes that crossed it.
    assert!(found(&closed(spoken, "30s"), "reset-data-after-close").is_none());
}

#[test]
fn the_reset_that_answers_a_challenge_is_the_one_that_is_taken() {
    let asked = format!("{OPENED}client > data 100\n+20ms server > ACK\n+20ms server > data 50\nclient > ACK\n");
    let beyond = format!("{asked}+2s client > RST seq 151\n+30us server > ACK\n+20ms client > RST seq 101");
    let verdict = told(&beyond);
    let [reset] = &verdict.resets[..] else { panic!("one reset and its echo") };
    assert_eq!((reset.frame, reset.taken_in, reset.accepted), (8, Some(10), true));
    assert_eq!(verdict.close.frames, [8, 10]);
    assert_eq!(found(&beyond, "reset-no-connection").expect("a reset").kind, Some("gone"));
    // Its number is its sender's next one, and its receiver lacks the octets before.
    let lacking = |pause: &str| {
        let trace = format!(
            "{asked}client > data 100\n+{pause} client > RST ACK\n+30us server > ACK ack 101\n+20ms client > RST seq 101"
        );
        let verdict = told(&trace);
        let [reset] = &verdict.resets[..] else { panic!("one abort and its echo") };
        reset.taken_in
    };
    assert_eq!(lacking("2s"), Some(11));
    // It may have been on its way already.
    assert_eq!(lacking("1ms"), None);
}
