//! Small traces of what recordings under other conditions, and of rare closes, had shown to be told wrong.

use lastack::source::script::parse;

use crate::cases::holds;
use crate::told::tell_items;

#[test]
fn a_time_wait_that_outlived_one_reset_outlives_the_next() {
    let trace = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > ACK\nserver > FIN ACK\n\
         client > FIN ACK\nserver > ACK\n\
         +1 client > data 100 seq 1 ack 1\nserver > ACK seq 2 ack 102\n+1ms client > RST seq 102\n";
    let again = "+1 client > data 100 seq 1 ack 1\nserver > ACK seq 2 ack 102\n+1ms client > RST seq 102";
    let assassinated = "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED";
    holds(trace, &[("server", assassinated)]);
    holds(&format!("{trace}{again}"), &[("server", assassinated.trim_end_matches(" CLOSED"))]);
}

#[test]
fn a_reset_after_time_wait_had_run_out_ends_nothing() {
    let trace = |silence: &str| {
        format!(
            "client > SYN <mss 1460, sackOK, wscale 7>\nserver > SYN ACK <mss 1460, sackOK, wscale 7>\nclient > ACK\n\
             client > FIN ACK\nserver > FIN ACK\nclient > ACK\n{silence} server > RST seq 2"
        )
    };
    let findings = |all: &str| format!("{all}reset-after-close reset-after-fin stray-segment");
    holds(
        &trace("+61s"),
        &[("findings", &findings("idle ")), ("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED")],
    );
    holds(&trace("+59s"), &[("findings", &format!("{} time-wait-assassination", findings("")))]);
}

#[test]
fn who_was_rejected_by_a_time_wait_tried_again_only_where_that_shows() {
    let rejected = "client > SYN\nserver > SYN ACK\nclient > ACK\nserver > FIN ACK\nclient > FIN ACK\nserver > ACK\n\
                    client > SYN seq =90000\nserver > ACK seq 2 ack 2\nclient > RST seq 2\n";
    let message = |trace: &str| {
        let told = tell_items(&parse(trace).expect("a readable trace"));
        let second = told.verdicts.iter().find(|verdict| verdict.stream == 1).expect("a second connection");
        let finding = second.findings.iter().find(|finding| finding.name == "syn-rejected-in-time-wait");
        finding.expect("the finding").message.clone()
    };
    assert!(message(rejected).ends_with("the client reset that"), "{}", message(rejected));
    let again = format!("{rejected}+10ms client > SYN seq =90000\n");
    assert!(message(&again).ends_with("the client reset that and tried again"), "{}", message(&again));
}

#[test]
fn a_server_without_room_opens_by_the_payload_that_it_answers() {
    let trace = |copies: &[u32]| {
        let opening = "client > SYN\n+20ms server > SYN ACK\n+20us client > ACK\n+20ms client > data 100\n";
        let again: String = copies.iter().map(|ms| format!("+{ms}ms client > data 100 seq 1\n")).collect();
        format!("{opening}{again}+20ms server > ACK ack 101")
    };
    // One loss on the way is the commoner reason.
    holds(&trace(&[200]), &[("server opened by", "3")]);
    holds(&trace(&[200, 400, 800]), &[("server opened by", "7")]);
}

#[test]
fn resets_beyond_all_that_was_sent_are_forged() {
    let trace = |far: u32| {
        format!(
            "client > SYN\n+20ms server > SYN ACK\n+20us client > ACK\nclient > data 100\n+20ms server > ACK\n\
             server > data 200\n+1 server > RST ACK seq 201 ttl 61\nserver > RST ACK seq {far} ttl 61"
        )
    };
    holds(&trace(1661), &[("resets", "injected medium, injected medium")]);
    holds(&trace(201), &[("resets", "linger-zero medium")]);
}

#[test]
fn who_says_more_long_after_its_abort_did_not_make_it() {
    let trace = |late: &str| {
        format!(
            "client > SYN\n+20ms server > SYN ACK\nclient > ACK\nclient > data 100\n+20ms server > data 100\nclient > ACK\n\
             +1 client > RST ACK seq 1101\n{late} client > data 10 seq 101 ack 101\n+20ms server > ACK ack 111"
        )
    };
    holds(&trace("+1"), &[("resets", "injected high"), ("close", "none")]);
    // The road held it up.
    holds(&trace("+2ms"), &[("resets", "unread-data low"), ("close", "reset")]);
}

#[test]
fn a_server_asked_twice_sends_two_syn_acks_in_one_tick() {
    let trace = |again: &str| {
        format!(
            "client > SYN id 7\n{again}+10ms server > SYN ACK id 0\n+40us server > SYN ACK id 0\nclient > ACK\nclient > data 9"
        )
    };
    holds(&trace(""), &[("findings", "")]);
    holds(&trace("+1 client > SYN id 8\n"), &[("findings", "syn-retransmitted syn-ack-retransmitted")]);
    // And where every frame is captured twice.
    let doubled = "client > SYN id 7\n+3us client > SYN id 7\n+1 client > SYN id 8\n+3us client > SYN id 8\n\
        +10ms server > SYN ACK id 0\n+3us server > SYN ACK id 0\n+40us server > SYN ACK id 0\n+3us server > SYN ACK id 0\n\
        client > ACK\n+3us client > ACK\nclient > data 9 seq 1 id 9\n+3us client > data 9 seq 1 id 9";
    holds(doubled, &[("findings", "syn-retransmitted syn-ack-retransmitted")]);
}

#[test]
fn the_octet_of_a_keepalive_probe_is_no_payload() {
    let opening = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > data 200\nclient > ACK\n";
    // As Windows probes: with the last octet that was sent.
    let probe = "+10s client > ACK seq 100 data 1\nserver > ACK\n";
    holds(&format!("{opening}{probe}"), &[("findings", "keepalive"), ("last payload", "(4) (5)")]);
    let close = "+5s client > FIN ACK seq 101\nserver > FIN ACK\nclient > ACK\n";
    holds(&format!("{opening}{probe}{close}"), &[("last payload", "(4) (5)"), ("idle s", "15")]);
}

#[test]
fn no_timer_sends_an_unanswered_syn_again_within_milliseconds() {
    let trace =
        |apart: &str| format!("client > SYN id 0\n{apart} client > SYN id 0\n+10ms server > SYN ACK\nclient > ACK");
    holds(&trace("+3ms"), &[("findings", "")]);
    holds(&trace("+500ms"), &[("findings", "syn-retransmitted")]);
}

#[test]
fn a_syn_that_echoes_nothing_crossed_the_other() {
    let trace = |echo: u32| {
        format!(
            "client > SYN <TS val 7 ecr 0>\n+17ms server > SYN <TS val 90 ecr {echo}>\nclient > SYN ACK\n\
             +12ms server > ACK\nclient > data 100\n+12ms server > ACK"
        )
    };
    holds(&trace(0), &[("open", "simultaneous")]);
    holds(&trace(7), &[("open", "split")]);
}
