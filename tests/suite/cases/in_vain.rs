//! What is said of an end that had no socket any more.

use super::holds;
use super::sentences::{OPENED, found};

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
