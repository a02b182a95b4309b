//! What a sentence claims has to be in the packets.

use lastack::finding::{Cause, Confidence, Culprit, Finding, RoleBasis, Verdict};
use lastack::source::script::parse;

use super::{began_with, holds};
use crate::told::tell_items;

pub(super) const OPENED: &str = "client > SYN\n+20ms server > SYN ACK\n+20ms client > ACK\n";

/// The last connection of `trace`.
pub(super) fn told(trace: &str) -> Verdict {
    let told = tell_items(&parse(trace).expect("a readable trace"));
    told.verdicts.into_iter().max_by_key(|verdict| verdict.stream).expect("a connection")
}

pub(super) fn found(trace: &str, name: &str) -> Option<Finding> {
    let told = tell_items(&parse(trace).expect("a readable trace"));
    told.verdicts.into_iter().flat_map(|verdict| verdict.findings).find(|finding| finding.name == name)
}

pub(super) fn says(trace: &str, name: &str, words: &str) {
    let finding = found(trace, name).unwrap_or_else(|| panic!("no {name} in\n{trace}"));
    assert!(finding.message.contains(words), "{}", finding.message);
}

#[test]
fn only_an_abort_at_the_next_number_is_said_to_stand_there() {
    let spoken = format!("{OPENED}client > data 120\n+20ms server > ACK\n");
    says(&format!("{spoken}client > RST ACK"), "reset-linger-zero", "stands at its sender's next number");
    let below = format!("{spoken}client > RST ACK seq 1");
    says(&below, "reset-linger-zero", "120 octets before its sender's next number");
    let reset = &told(&below).resets[0];
    assert_eq!((reset.confidence, reset.accepted), (Confidence::Low, false));
    let beyond = format!("{spoken}client > RST ACK seq 221");
    says(&beyond, "reset-linger-zero", "100 octets beyond what was captured");
    says("client > RST ACK", "reset-linger-zero", "other numbers were not captured");
    says("client > RST ACK win 0", "reset-unknown", "nothing else of its sender was captured");
}

#[test]
fn an_answer_with_the_time_of_its_request_is_one() {
    // As a capture shows it whose stamps are coarse; with a gap the life is not told in short.
    for gap in ["", "+20ms server > data 321:421 ack 1\nclient > ACK\n"] {
        let trace = format!(
            "{OPENED}{gap}+20ms client > data 43\n+0 server > data 43\n+0 client > FIN ACK\n+0 server > ACK\n+0 server > RST ACK"
        );
        says(&trace, "reset-linger-zero", "everything that it had received was answered");
    }
}

#[test]
fn a_reply_with_a_window_is_not_said_to_have_none() {
    let trace = |window: u16| format!("{OPENED}server > data 100\nclient > RST win {window}");
    says(&trace(0), "reset-no-connection", "as number and no window");
    says(&trace(512), "reset-no-connection", "as number: there is no socket");
}

#[test]
fn a_fin_is_no_octet_that_a_reset_loses() {
    // Something of the client is missing, so that its life is not told in short.
    let trace = format!(
        "{OPENED}+20ms server > ACK ack 101\nclient > data 101:201\n+20ms server > data 320\n\
         server > FIN PSH ACK data 100\nclient > RST ACK ack 421"
    );
    let reset = &told(&trace).resets[0];
    assert!(reset.accepted);
    assert_eq!(reset.server_bytes_lost, 0, "the FIN alone");
}

#[test]
fn syns_that_nobody_acknowledges_open_nothing() {
    let crossed = "client > SYN\n+1ms server > SYN\n";
    let both = format!("{crossed}client > SYN ACK\nserver > SYN ACK\nclient > ACK\nserver > ACK");
    says(&both, "simultaneous-open", "opened at the same time");
    says(crossed, "simultaneous-open", "shows neither acknowledged");
    assert_eq!(found(crossed, "simultaneous-open").map(|finding| finding.confidence), Some(Confidence::Medium));
}

#[test]
fn payload_on_a_syn_ack_acknowledges_no_handshake() {
    holds("server > SYN ACK data 20", &[("open", "half-open")]);
    holds("server > SYN ACK data 20\nserver > data 100", &[("open", "three-way")]);
}

#[test]
fn nobody_is_stuck_who_had_no_time_to_close() {
    let closed = format!("{OPENED}client > FIN ACK\n+10us server > ACK\n");
    let later = |pause: &str| format!("{closed}b.client 10.0.0.1:40001\n{pause} b.client > SYN");
    for (pause, stuck) in [("+10ms", 0), ("+30ms", 1)] {
        let told = tell_items(&parse(&later(pause)).expect("a readable trace"));
        let names: Vec<&str> = told.names().collect();
        let count = |name: &str| names.iter().filter(|&&other| other == name).count();
        assert_eq!((count("close-wait-stuck"), count("ended-early")), (stuck, 1 - stuck), "{pause}: {names:?}");
    }
}

#[test]
fn a_copied_syn_ack_was_not_sent_again() {
    let trace = |second: &str| format!("client > SYN\nserver > SYN ACK\n{second}");
    let confidence = |trace: &str| found(trace, "half-open-handshake").map(|finding| finding.confidence);
    assert_eq!(confidence(&trace("+5us server > duplicate")), Some(Confidence::Low));
    assert_eq!(confidence(&trace("+1 server > SYN ACK")), Some(Confidence::High));
}

#[test]
fn what_fits_the_path_is_not_made_smaller_for_it() {
    let trace = |mtu: u16, again: &str| {
        format!(
            "client > SYN <mss 1460>\nserver > SYN ACK <mss 1460>\nclient > ACK\nclient > data 1460\n\
             icmp 10.9.9.9 > client fragmentation-needed mtu {mtu}\n+300ms client > {again}\nserver > ACK"
        )
    };
    let outcome = |trace: &str| found(trace, "icmp-error").expect("an error").outcome;
    assert_eq!(outcome(&trace(1400, "data 1:1361")), Some("adapted"));
    assert_eq!(outcome(&trace(1500, "again")), None);
    says(&trace(1500, "again"), "icmp-error", "none that are larger");
}

#[test]
fn who_asks_again_after_an_error_was_not_rejected() {
    let error = "client > SYN\nicmp 10.9.9.9 > client host-unreachable\n";
    holds(error, &[("open", "rejected"), ("client error", "EHOSTUNREACH")]);
    let again = format!("{error}+1 client > again\n");
    holds(&again, &[("open", "unanswered"), ("client error", "none")]);
    says(&again, "icmp-error", "it sent its SYN again");
    holds(&format!("{again}icmp 10.9.9.9 > client host-unreachable"), &[("open", "rejected")]);
}

#[test]
fn a_connection_that_never_opened_leaves_no_time_wait() {
    let opened = "client > SYN\nserver > SYN ACK\nclient > ACK";
    let trace = |before: &str| format!("{before}client 10.0.0.1:40000 isn 500\n+100ms {opened}");
    let never = trace("client > SYN\n");
    says(&never, "port-reused", "had never opened");
    assert_eq!(found(&never, "port-reused").and_then(|finding| finding.kind), Some("legal"));
    let open = trace(&format!("{opened}\n"));
    assert_eq!(found(&open, "port-reused").and_then(|finding| finding.kind), Some("illegal"));
}

#[test]
fn who_has_not_had_the_other_s_fin_holds_no_time_wait_yet() {
    let crossed = format!("{OPENED}client > FIN ACK\nserver > FIN ACK ack 1\n");
    says(&crossed, "simultaneous-close", "once each is acknowledged");
    says(&format!("{crossed}client > ACK\nserver > ACK"), "simultaneous-close", "both pass CLOSING");
}

#[test]
fn nobody_aborts_a_time_wait() {
    let closed = format!("{OPENED}server > FIN ACK\n+20ms client > FIN ACK\n+20ms server > ACK\n");
    let trace = format!("{closed}+16s server > RST ACK win 0");
    holds(&trace, &[("resets", "after-fin medium"), ("server calls", "accept close")]);
}

#[test]
fn who_stopped_before_its_stack_gives_up_is_said_to_have_stopped() {
    let trace = "client > SYN\n+40ms server > SYN ACK\n+6 server > SYN ACK\nb.client 10.0.0.1:40001\n";
    says(&format!("{trace}+5min b.client > SYN"), "half-open-handshake", "did not come, so it had given up");
    let whole = "client > SYN\nserver > SYN ACK\n+1 server > SYN ACK\n+2 server > SYN ACK\n+4 server > SYN ACK\n\
                 +8 server > SYN ACK\n+16 server > SYN ACK\nb.client 10.0.0.1:40001\n+5min b.client > SYN";
    says(whole, "half-open-handshake", "forgot the half-open connection");
}

#[test]
fn an_error_that_connect_had_is_that_of_connect() {
    let asked = "client > SYN\nserver > SYN ACK\n+1 server > SYN ACK\nclient > SYN <mss 1460>\n";
    let trace = format!("{asked}server > RST ACK seq 581");
    let refused = "connect=ECONNREFUSED";
    holds(&trace, &[("open", "aborted"), ("client error", "ECONNREFUSED"), ("client calls", refused)]);
}

#[test]
fn a_beginning_that_a_filter_may_have_left_out_is_a_guess() {
    let begins = |trace: &str| found(trace, "began-midstream").expect("no SYN").confidence;
    let spoken = "client > data 100\nserver > data 200 ack 101\n";
    assert_eq!(begins(spoken), Confidence::Low);
    assert_eq!(begins(&format!("{spoken}client > FIN ACK data 10 ack 201")), Confidence::Low);
    assert_eq!(begins(&format!("{spoken}client > FIN ACK ack 201")), Confidence::High);
    assert_eq!(begins(&format!("{spoken}client > ACK ack 201")), Confidence::High);
    assert_eq!(begins("client > data 100\nclient > data 100"), Confidence::Low, "one direction");
    says("client > none seq 1 data 10", "began-midstream", "nor does any segment acknowledge");
    says("client > ACK header-bad", "began-midstream", "that a receiver would not drop");
}

#[test]
fn a_syn_that_every_receiver_drops_replaces_nothing() {
    let trace = format!("{OPENED}client > data 10\n+20ms server > ACK\n");
    began_with(&format!("{trace}+1 client > SYN seq 90000"), &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
    let dropped = format!("{trace}+1 client > SYN seq 90000 header-bad");
    began_with(&dropped, &[("server", "SYN-RECEIVED ESTABLISHED")]);
}

#[test]
fn a_lone_syn_ack_may_have_been_acknowledged_unseen() {
    let asked = "client > SYN\n+20ms server > SYN ACK\n";
    let half = |trace: &str| found(trace, "half-open-handshake").expect("half open");
    let later = |after: &str| half(&format!("{asked}b.client 10.0.0.1:40001\n+{after} b.client > SYN"));
    assert_eq!((half(asked).confidence, later("1400ms").confidence), (Confidence::Low, Confidence::Medium));
    assert!(half(asked).message.ends_with("the capture ends with it"), "{}", half(asked).message);
    assert!(later("1400ms").message.ends_with("an answer may not have been captured"));
    assert_eq!(half(&format!("{asked}+1 server > SYN ACK")).confidence, Confidence::High);
}

#[test]
fn syns_within_a_moment_were_not_waited_for() {
    let unanswered = |trace: &str| found(trace, "syn-unanswered").expect("nobody answers").confidence;
    assert_eq!(unanswered("client > SYN\n+1ms client > SYN data 20\n+1ms client > SYN data 40"), Confidence::Low);
    assert_eq!(unanswered("client > SYN\n+1 client > SYN\n+2 client > SYN"), Confidence::Medium);
}

#[test]
fn what_is_supposed_of_a_timer_is_said_to_be_supposed() {
    let asked = |pauses: &str| format!("client > SYN\n{pauses}+40ms server > SYN ACK");
    let seen = asked("+3 client > SYN\n+6 client > SYN\n");
    says(&seen, "syn-retransmitted", "(pauses: doubling from 3 s)");
    let supposed = asked("+6 client > SYN\n+12 client > SYN\n+24 client > SYN\n");
    says(&supposed, "syn-retransmitted", "(pauses: as if doubling from 3 s, the first copy not captured)");
    let level = asked("+1 client > SYN\n+1 client > SYN\n");
    says(&level, "syn-retransmitted", "(pauses: those seen fit 1 s five times, then doubling)");
}

#[test]
fn octets_that_are_acknowledged_after_the_reset_are_not_lost_with_it() {
    let closed = format!("{OPENED}client > data 100\n+20ms server > ACK\nclient > data 24\nclient > FIN ACK\n");
    let reset = format!("{closed}+3ms server > data 31 ack 101\n+1ms client > RST ACK seq 126 win 0\n");
    says(&reset, "reset-data-after-close", "reset the connection, losing 55 octets not yet acknowledged: ");
    let acknowledged = format!("{reset}+5ms server > ACK ack 126");
    let words = "reset the connection, losing 31 octets not yet acknowledged: it had sent FIN, and 31 octets came afterwards (frame 8), which nobody reads";
    says(&acknowledged, "reset-data-after-close", words);
    let acknowledging = format!("{OPENED}client > FIN ACK\n+20ms server > data 1\nclient > RST ACK win 0");
    says(&acknowledging, "reset-data-after-close", "and 1 octet came afterwards (frame 5)");
}

#[test]
fn a_syn_with_a_reset_tells_neither_roles_nor_sockets() {
    let trace = "client > SYN FIN RST PSH ACK URG ECE CWR seq 0";
    says(trace, "reset-unknown", "which no stack sends");
    says(trace, "began-midstream", "nothing but resets: whether it was open is not known");
    let verdict = told(trace);
    assert_eq!((verdict.role_basis, verdict.client.port), (RoleBasis::Guess, 40_000));
    assert_eq!(verdict.endpoints.client.calls, []);
}

#[test]
fn a_reset_that_says_why_is_no_application_s() {
    for before in ["", OPENED, &format!("{OPENED}client > data 100\n+20ms server > data 20\nclient > ACK\n")] {
        let trace = format!("{before}server > RST ACK data 58");
        says(&trace, "reset-unknown", "it carries 58 octets of payload");
        let calls = told(&trace).endpoints.server.calls.into_iter().map(|call| call.call.name());
        assert!(calls.into_iter().all(|call| call == "accept"), "{trace}");
    }
    // What had been said before is no reason, nor is the octet of a probe.
    let spoken = format!("{OPENED}client > data 58\n+20ms server > ACK\n");
    for again in ["seq 1 data 58", "data 1"] {
        assert_eq!(found(&format!("{spoken}client > RST ACK {again}"), "reset-unknown"), None, "{again}");
    }
}

#[test]
fn a_guess_names_no_call() {
    let guessed = format!("{OPENED}client > data 300\n+20ms server > data 100\n+7ms server > RST ACK");
    holds(&guessed, &[("resets", "linger-zero low"), ("server calls", "accept")]);
    holds(&format!("{OPENED}client > RST ACK"), &[("resets", "linger-zero high"), ("client calls", "connect abort")]);
}

#[test]
fn who_forges_a_reset_need_not_be_in_between() {
    let forged = "client > RST ACK ttl 250 id 7\n+50ms client > ACK\nclient > data 1000\n+20ms server > ACK";
    let finding = found(&format!("{OPENED}client > data 100\n{forged}"), "reset-injected").expect("a forged one");
    let culprit = Culprit::of(&finding).expect("somebody").to_string();
    assert_eq!(culprit, "somebody in the name of the client, maybe a box in between");
}

#[test]
fn a_short_wait_for_the_second_close_is_a_guess() {
    let wait = |length: &str| {
        let rest = "client > FIN ACK\n+20ms server > ACK";
        format!("{OPENED}{rest}\nidle {length}\nb.client 10.0.0.1:40001\nb.client > SYN")
    };
    for (length, confidence) in [("2s", Confidence::Low), ("50s", Confidence::Low), ("70s", Confidence::High)] {
        let stuck = found(&wait(length), "close-wait-stuck").expect("the finding");
        let is_hedged = stuck.message.ends_with("the capture ends too soon to tell a leak from a slow close");
        assert_eq!((stuck.confidence, is_hedged), (confidence, confidence == Confidence::Low), "{length}");
    }
}

#[test]
fn a_syn_that_waited_long_was_answered() {
    says("client > SYN\n+100 server > SYN ACK", "idle", "answered the SYN");
    says(&format!("{OPENED}client > data 10\n+100 server > ACK"), "idle", "sent an acknowledgment");
}

#[test]
fn one_frame_lacks_its_payload_and_two_lack_theirs() {
    let cut = |again: &str| format!("{OPENED}client > data 1000 payload-cut\nserver > ACK\n{again}");
    says(&cut(""), "snaplen-cut", "1 of 5 frames is in the capture without all of its payload");
    says(
        &cut("client > data 1000 payload-cut\n"),
        "snaplen-cut",
        "2 of 6 frames are in the capture without all of their payload",
    );
}

#[test]
fn how_long_before_the_reset_is_what_the_capture_shows() {
    let abort = |pause: &str| format!("{OPENED}client > data 10\nserver > data 10\n{pause} client > RST ACK");
    says(&abort("+25ms"), "reset-unread-data", "25.0 ms before it, 20.0 ms of which is the way to that end and back");
    says(&abort("+15ms"), "reset-linger-zero", "15.0 ms before it, no more than the way to that end and back takes");
}

#[test]
fn programs_on_linux_say_nothing_of_windows() {
    let trace = |options: &str| {
        format!(
            "client ttl 128\nclient > SYN {options}\n+20ms server > SYN ACK\n+20ms client > ACK\nclient > data 10\n\
             server > data 10\n+10 client > RST ACK"
        )
    };
    let windows = trace("<mss 1460, wscale 8, sackOK>");
    let reset = told(&windows).resets.remove(0);
    assert!(reset.evidence.contains("on Windows") && !reset.evidence.contains("Linux"), "{}", reset.evidence);
}

#[test]
fn of_many_frames_before_their_time_only_some_are_named() {
    let back: String = (0..20).map(|_| "+1 client > data 10\n-500ms client > data 10\n").collect();
    says(
        &format!("{OPENED}{back}"),
        "clock-stepped-back",
        "20 frames are dated before an earlier one, of which some are named",
    );
    says(
        &format!("{OPENED}client > data 10\n-500ms client > data 10"),
        "clock-stepped-back",
        "1 frame is dated before an earlier one:",
    );
}

#[test]
fn what_made_a_side_repeat_itself() {
    let kind = |trace: &str| found(trace, "retransmission").expect("sent again").kind.expect("a kind").to_owned();
    let opened = |options: &str| {
        OPENED.replace("SYN\n", &format!("SYN <{options}>\n")).replace("SYN ACK\n", &format!("SYN ACK <{options}>\n"))
    };
    let (sack, plain) = (opened("mss 1460, sackOK"), opened("mss 1460"));
    let probed = "client > data 100\n+101ms client > again\n+20ms server > ACK";
    assert_eq!(kind(&format!("{sack}{probed}")), "tail-loss-probe");
    assert_eq!(kind(&format!("{plain}{probed}")), "timeout");
    // The answer to what the timer sent moves the rest.
    let recovered = "client > data 1:101\nclient > data 101:201\n+50ms client > data 1:101 <TS val 9 ecr 0>\n+20ms server > ACK ack 101\n\
                     +100us client > data 101:201\n+20ms server > ACK ack 201";
    let last = found(&format!("{sack}{recovered}"), "retransmission").expect("sent again");
    assert!(last.message.contains("1 fast"), "{}", last.message);
    // The newest segment, too, may have been acknowledged before.
    assert_eq!(kind(&format!("{sack}client > data 100\n+20ms server > ACK\n+300ms client > again")), "spurious");
}

#[test]
fn what_ends_when_its_ports_are_taken_is_not_said_to_end_with_the_capture() {
    let next = "+100ms client > SYN seq 900000000\n+5 server > SYN ACK\n";
    says(&format!("client > SYN\n{next}"), "syn-unanswered", "100 ms after it another connection began on the same");
    let half = format!("client > SYN\nserver > SYN ACK\n{next}");
    says(&half, "half-open-handshake", "100 ms later another connection began on the same");
    let replaced = format!("{OPENED}client > data 10\n+100ms server > SYN ACK seq 900000000 ack 900000000\n");
    let words = "another connection began on the same addresses and ports 100 ms after its last segment";
    says(&replaced, "ended-early", words);
}

#[test]
fn an_acknowledgment_from_before_the_close_is_no_probe() {
    let closed = format!("{OPENED}client > FIN ACK\n+20ms server > data 100\nserver > FIN ACK\n+20ms client > ACK\n");
    let probes = |trace: &str| told(trace).findings.iter().any(|finding| finding.name == "keepalive");
    assert!(!probes(&format!("{closed}+70ms client > ACK seq 1 ack 51")));
    assert!(probes(&format!("{OPENED}+60 client > ACK seq 0\n+20ms server > ACK")));
}

#[test]
fn a_tail_that_is_sent_again_behind_another_repetition_is_counted() {
    let spoken = format!("{OPENED}client > data 1:1001\nclient > data 1001:2001\n");
    let again = "+400ms client > data 1:1001\n+1ms client > data 1001:2001\nserver > ACK ack 2001";
    says(&format!("{spoken}{again}"), "retransmission", "sent 2 segments again");
}

#[test]
fn a_last_acknowledgment_that_nobody_saw_is_not_said_to_be_lost() {
    let closed = format!("{OPENED}client > FIN ACK\n+20ms server > FIN ACK\n");
    let again = "+300ms server > again\n+600ms server > again";
    says(&format!("{closed}{again}"), "final-ack-lost", "never came (lost, or the FIN was");
}

#[test]
fn a_window_that_was_shut_from_the_first_is_told() {
    let probes = "+1 client > data 1 seq 0\nserver > ACK win 0\n";
    let shut = format!("server > ACK win 0\n{probes}{probes}");
    says(
        &shut,
        "zero-window",
        "had its window closed when first seen, for 2.00 s, and had not opened it again when the capture ends; its",
    );
    assert_eq!(found(&shut, "zero-window").map(|finding| finding.confidence), Some(Confidence::Medium));
    let offered = format!("client > SYN\nserver > SYN ACK win 0\nclient > ACK\n{probes}{probes}");
    says(&offered, "zero-window", "had its window closed when first seen");
    let reopened = format!("{shut}server > ACK win 900\nclient > data 900\nserver > ACK win 0");
    says(&reopened, "zero-window", "closed when first seen, and 2 times in all");
    assert_eq!(found("server > ACK win 0", "zero-window"), None);
    // Behind the peer's FIN nothing comes.
    let closed =
        format!("{OPENED}server > FIN ACK\nclient > ACK win 0\nclient > FIN ACK\nserver > ACK\nclient > ACK win 0\n");
    assert_eq!(found(&closed, "zero-window"), None);
}

#[test]
fn what_a_reset_has_ended_leaves_no_time_wait() {
    let again = "client isn 1000\nserver isn 7000\n+1ms client > SYN\nserver > SYN ACK\nclient > ACK\n";
    let first = |rest: &str| format!("client isn 900000\nclient > SYN\n{rest}{again}");
    let kind = |trace: &str| found(trace, "port-reused").and_then(|finding| finding.kind);
    for refused in ["server > RST ACK\n", "server > RST seq 500\n"] {
        says(&first(refused), "port-reused", "that had never opened, and nothing is left of it");
        assert_eq!(kind(&first(refused)), Some("legal"));
    }
    let reset = first("server > SYN ACK\nclient > ACK\nclient > data 5\nserver > RST ACK\n");
    says(&reset, "port-reused", "after that ended, by a reset, which leaves no TIME-WAIT");
    assert_eq!(kind(&reset), Some("legal"));
    // One that ended nothing left the TIME-WAIT.
    let ignored = first(
        "server > SYN ACK\nclient > ACK\nserver > RST seq 9000000\nserver > FIN ACK\nclient > FIN ACK\nserver > ACK\n",
    );
    assert_eq!(kind(&ignored), Some("illegal"));
    let closed = first("server > SYN ACK\nclient > ACK\nserver > FIN ACK\nclient > FIN ACK\nserver > ACK\n");
    assert_eq!(kind(&closed), Some("illegal"));
}

#[test]
fn in_syn_sent_no_window_decides_about_a_reset() {
    let bare = "client > SYN\n+1ms server > RST seq 2222";
    says(bare, "reset-unknown", "takes only a reset that acknowledges its SYN, so it is ignored");
    says(bare, "reset-ignored", "one that does not acknowledge its SYN means nothing to a socket in SYN-SENT");
}

#[test]
fn a_refusal_is_said_to_acknowledge_what_it_does() {
    says("client > SYN data 1200\nserver > RST ACK seq 0 ack 1201", "reset-refused", "the SYN's number + 1201:");
    says("client > SYN\nserver > RST ACK", "reset-refused", "the SYN's number + 1:");
    says("client > SYN data 1200\nserver > RST ACK seq 0 ack 1", "reset-refused", "the SYN's number + 1:");
}

#[test]
fn a_later_reset_says_why_the_path_was_given_up() {
    let resets = |reason: u8| {
        format!("{OPENED}client > data 10\n+9 server > RST ACK <tcprst 0>\nserver > RST ACK <tcprst {reason}>")
    };
    says(&resets(1), "reset-unknown", "reset the connection (1 more reset followed)");
    says(&resets(1), "reset-unknown", "in frame 6 its Multipath TCP says why");
    assert_eq!(found(&resets(0), "reset-unknown"), None);
}

#[test]
fn what_is_cut_otherwise_is_no_copy_of_the_network() {
    let opened =
        OPENED.replace("SYN\n", "SYN <mss 1460, sackOK>\n").replace("SYN ACK\n", "SYN ACK <mss 1460, sackOK>\n");
    let trace = |heard: &str, again: &str| {
        format!(
            "{opened}server > data 1:401\nserver > data 401:801\n{heard}+300us server > data {again}\nclient > ACK ack 801"
        )
    };
    let kind = |heard: &str, again: &str| found(&trace(heard, again), "retransmission").map(|finding| finding.kind);
    assert_eq!(kind("+20us client > ACK ack 201\n", "201:801"), Some(Some("fast")));
    // Nothing tells why: under the same id the network may have made it.
    let copied = trace("", "401:801").replace("801\n", "801 id 9\n");
    assert_eq!(found(&copied, "retransmission"), None);
    assert_eq!(kind("+20us client > ACK ack 201\n", "401:801"), Some(Some("unexplained")));
    assert_eq!(kind("", "201:801"), Some(Some("unexplained")));
}

#[test]
fn who_stops_before_its_stack_gives_up_is_not_said_to_have_waited_for_that() {
    let syns = "client > SYN\n+1s client > again\n+2s client > again\n+4s client > again\n";
    let later = "idle 10min\nb.client 10.0.0.1:40001\nb.client > SYN\n";
    says(
        &format!("{syns}{later}"),
        "syn-unanswered",
        "it stopped trying: the next was due 8.00 s after the last (doubling from 1 s), before the linux profile gives up",
    );
    let all = format!("{syns}+8s client > again\n+16s client > again\n+32s client > again\n{later}");
    says(&all, "syn-unanswered", "the give-up time of the linux profile (2 min 7 s; pauses: doubling from 1 s) passed");
}

#[test]
fn the_answer_to_a_syn_that_was_not_captured_may_be_a_refusal() {
    let reset = told("server isn 0\nserver > RST ACK seq 0 ack 1 win 0").resets.remove(0);
    assert_eq!((reset.cause, reset.rivals), (Cause::Unknown, vec![Cause::Refused, Cause::Injected]));
}

#[test]
fn a_host_beside_the_tap_that_answers_no_fin_is_in_no_time_wait() {
    let opened = "client > SYN\n+20ms server > SYN ACK\n+10us client > ACK\nclient > data 100\n+20ms server > ACK\n";
    let closed = "+1 client > FIN ACK\n+20ms server > ACK\n+1ms server > FIN ACK\n+200ms server > again\n+400ms server > again\n+800ms server > again";
    holds(&format!("{opened}{closed}"), &[("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2")]);
}

#[test]
fn an_outage_that_the_capture_cuts_off_is_no_dead_peer() {
    let spoken = format!("{OPENED}client > data 100\n+20ms server > data 200\nclient > ACK\n+1s client > data 30\n");
    let lost = format!("{spoken}+45ms client > again\n+225ms client > again\n");
    assert_eq!(found(&lost, "dead-peer"), None);
    holds(&lost, &[("close", "none"), ("client calls", "connect")]);
    // Here the next one was due, and there not yet.
    let later = "b.client 10.0.0.1:40001\n+3 b.client > SYN";
    let sooner = "b.client 10.0.0.1:40001\n+440ms b.client > SYN";
    assert_eq!(found(&format!("{lost}{sooner}"), "dead-peer"), None);
    let stopped = found(&format!("{lost}{later}"), "dead-peer").expect("it stopped");
    assert_eq!(stopped.confidence, Confidence::High);
    assert!(stopped.message.contains("sent 3 segments within 270 ms"), "{}", stopped.message);
    let on = format!("{lost}+450ms client > again\n+900ms client > again\n");
    assert_eq!(found(&on, "dead-peer").map(|finding| finding.confidence), Some(Confidence::Medium));
    let verdict = told(&on);
    assert_eq!(verdict.close.frames, [8, 9, 10, 11]);
    // The longest pause doubles no more.
    let capped = format!("{lost}+60s client > again\n+120s client > again\n+120s client > again\n");
    let stopped = format!("{capped}b.client 10.0.0.1:40001\n+140 b.client > SYN");
    assert_eq!(found(&stopped, "dead-peer").map(|finding| finding.confidence), Some(Confidence::High));
}

#[test]
fn a_fin_that_was_not_sent_again_had_been_acknowledged() {
    let closed = format!("{OPENED}client > data 100\n+20ms server > data 200\nclient > ACK\n+100ms client > FIN ACK\n");
    let late = format!("{closed}+300s server > data 20 ack 102\n+200us client > RST seq 102");
    says(&late, "reset-fin-wait-2-expired", "and not again, so that it was acknowledged, though no frame says when");
    let soon = format!("{closed}+1s server > data 20 ack 102\n+200us client > RST seq 102");
    says(&soon, "reset-data-after-close", "the application had closed and nobody reads");
}

#[test]
fn what_an_abort_acknowledges_had_come() {
    let aborted = format!(
        "{OPENED}client > data 100\n+20ms server > data 10\nclient > ACK\nclient > data 50\n+20ms server > RST ACK"
    );
    let last = told(&aborted).endpoints.client.last_payload.expect("it spoke");
    assert!(last.is_acknowledged);
    let without = aborted.replace("server > RST ACK", "server > RST ACK ack 101");
    assert!(!told(&without).endpoints.client.last_payload.expect("it spoke").is_acknowledged);
}

#[test]
fn a_copy_of_the_syn_ack_behind_the_reset_answers_no_old_syn() {
    let scan = |again: &str| {
        format!(
            "client > SYN id 7\n+1ms server > SYN ACK id 9\n+20us client > RST\n{again} server > SYN ACK seq 0 id 9 ttl 63\n+20us client > RST ttl 63"
        )
    };
    assert_eq!(found(&scan("+20us"), "stale-syn"), None);
    assert_eq!(found(&scan("+2s"), "stale-syn"), None, "without a SYN its timer sent it");
    let asked = scan("+2s client > SYN seq 0 id 8\n+1ms");
    assert!(found(&asked, "stale-syn").is_some());
}

#[test]
fn what_a_router_refused_comes_again_as_acknowledgments_let_it() {
    let refused = "icmp 10.9.9.9 > client fragmentation-needed mtu 1492\n";
    let sent = format!("{OPENED}client > data 1:1461\n{refused}client > data 1461:2921\n{refused}");
    let again = "client > data 1:1453\n+400ms server > ACK ack 1453\n+1ms client > data 1453:2905\n+20ms server > ACK ack 2905\n";
    let kind = found(&format!("{sent}{again}"), "retransmission").expect("sent again").message;
    assert!(kind.contains("2 segments again (path-mtu)"), "{kind}");
}

#[test]
fn of_a_segment_that_was_acknowledged_in_part_the_rest_met_nobody() {
    let closed = format!(
        "{OPENED}client > data 300\n+20ms server > ACK ack 241\nserver > FIN ACK ack 241\n+100us server > RST seq 1\n"
    );
    let finding = found(&closed, "reset-data-after-close").expect("it had closed");
    assert!(finding.message.contains("answers 60 octets that came afterwards"), "{}", finding.message);
}

#[test]
fn a_reset_answers_a_keepalive_probe() {
    let idle = format!("{OPENED}client > data 100\n+20ms server > ACK\n+60s client > ACK seq next-1\n");
    says(&format!("{idle}+20ms server > RST"), "keepalive", "sent 1 keepalive probe, answered by a reset");
    let again = format!("{idle}+20ms server > ACK\n+60s client > ACK seq next-1\n");
    says(&format!("{again}+20ms server > RST"), "keepalive", "the last one answered by a reset");
    let unheard = format!("{again}+60s client > ACK seq next-1\n");
    says(&format!("{unheard}+20ms server > RST"), "keepalive", "the last 2 answered by nothing but a reset");
    says(&format!("{unheard}+60s client > RST ACK"), "keepalive", "the last 2 unanswered");
}

#[test]
fn an_outage_ends_with_the_acknowledgment_that_says_so() {
    let talk = "server > data 20\nclient > ACK\n+1s client > data 16\n+5ms server > ACK\n+5ms server > data 30\n+40ms client > ACK\n";
    let lost = "+2s client > data 26\n+200ms client > again\n+400ms client > again\n";
    let rest = "+20ms server > ACK\n+5ms server > data 50\n+5ms client > data 20\n+5ms server > data 30\n+60s client > FIN ACK\n\
                +20ms server > FIN ACK\nclient > ACK";
    assert_eq!(found(&format!("{OPENED}{talk}{lost}{rest}"), "outage-repaired"), None);
    let longer = format!("{OPENED}{talk}{lost}+800ms client > again\n+1600ms client > again\n{rest}");
    says(&longer, "outage-repaired", "repeated 26 octets 4 times without an answer for 2.82 s");
}

#[test]
fn what_fills_a_gap_sooner_than_a_timer_was_asked_for() {
    let filled = |after: &str| {
        format!(
            "{OPENED}server > data 1:101\n+5ms server > data 201:301\n{after} server > data 101:201\n+20ms client > ACK ack 301"
        )
    };
    let kind = |after: &str| found(&filled(after), "retransmission").expect("sent again").kind;
    assert_eq!([kind("+15ms"), kind("+400ms")], [Some("fast"), Some("timeout")]);
}

#[test]
fn a_long_way_is_no_timer() {
    let far = "client > SYN <mss 1460, sackOK>\n+300ms server > SYN ACK <mss 1460, sackOK>\n+1ms client > ACK\n";
    let told = |after: &str| {
        let lost = "server > data 1:101\nserver > data 101:201\n+1ms client > ACK ack 1 <sack 101:201>\n";
        found(&format!("{far}client > data 10\n+300ms {lost}{after} server > data 1:101"), "retransmission")
    };
    assert_eq!(told("+301ms").expect("sent again").kind, Some("fast"));
    assert_eq!(told("+700ms").expect("sent again").kind, Some("timeout"));
}

#[test]
fn what_the_capture_missed_was_no_silence() {
    let paused = |next: &str| format!("{OPENED}client > data 1:11\n+20ms server > ACK ack 11\n+400s {next}");
    assert!(found(&paused("client > data 11:21"), "idle").is_some());
    assert_eq!(found(&paused("client > data 611:621"), "idle"), None);
    assert_eq!(found(&paused("client > data 11:21 ack 500"), "idle"), None);
}

#[test]
fn a_rejected_attempt_ends_with_the_error_that_its_sender_takes() {
    let error = "icmp 10.9.9.9 > client host-unreachable\n";
    let trace = format!("client > SYN\n{error}+1s client > SYN seq 0\n{error}");
    let told = told(&trace);
    assert_eq!(told.open.frames, [3, 4]);
    assert_eq!(found(&trace, "connection-rejected").expect("an error").frames, [3, 4]);
}

#[test]
fn a_probe_behind_an_unacknowledged_fin_is_no_payload() {
    let trace = format!(
        "{OPENED}client > data 1:287\n+20ms server > ACK ack 287\nserver > FIN ACK\nclient > ACK\nclient > FIN ACK\n\
         +1s client > FIN ACK seq 287\n+9s client > ACK seq 286 data 286:287\n+1s client > ACK seq 286 data 286:287"
    );
    says(&trace, "keepalive", "sent 2 keepalive probes, unanswered");
    assert_eq!(told(&trace).endpoints.client.last_payload.expect("it spoke").frame, 4);
}

#[test]
fn what_came_another_way_may_be_no_repetition() {
    let again = |context: &str| format!("{OPENED}client > data 1:101\n+400ms client > data 1:101 id 9 {context}");
    let sure = |context: &str| found(&again(context), "retransmission").expect("sent again").confidence;
    assert_eq!([sure(""), sure("context 7")], [Confidence::High, Confidence::Low]);
}

#[test]
fn a_syn_that_carries_a_fin_opened_nothing() {
    let probe = "client > SYN FIN seq 0\n";
    says(probe, "syn-unanswered", "the SYN, which carries a FIN and is dropped by Linux,");
    let after = format!("{probe}+40ms client > SYN seq 9000\n+20ms server > SYN ACK\nclient > ACK");
    says(&after, "port-reused", "that had never opened, and nothing is left of it");
}

#[test]
fn a_road_slower_than_the_syn_ack_s_timer_loses_nothing() {
    let slow = "client > SYN\n+1500ms server > SYN ACK\nclient > ACK\nclient > data 100\n+1400ms server > SYN ACK ack 1\nclient > ACK\n";
    assert_eq!(found(&format!("{slow}+110ms server > ACK ack 101"), "handshake-ack-lost"), None);
}

#[test]
fn a_reset_long_after_another_may_be_a_late_answer() {
    let closed = format!("{OPENED}client > data 100\n+20ms server > ACK\nclient > FIN ACK\n+40us client > RST ACK\n");
    let unread = "+20ms server > data 30 ack 102\n+10us server > FIN ACK ack 102\n+100us client > RST seq 102\n";
    let again = |after: &str| format!("{closed}{unread}{after} client > RST seq 102");
    says(
        &again("+4s"),
        "stray-segment",
        "sent a reset 4.02 s after the connection was over: a late answer to what came before, or",
    );
    says(&again("+40s"), "stray-segment", "answered a segment that this tap does not show with a reset, 40.0 s after");
}
