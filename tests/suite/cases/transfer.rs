//! What is said of the transfer and of what the capture lacks of it.

use lastack::finding::{Confidence, Finding};

use super::sentences::{OPENED, found, says, told};

fn findings(trace: &str, name: &str) -> Finding {
    found(trace, name).unwrap_or_else(|| panic!("no {name} in\n{trace}"))
}

#[test]
fn a_closed_window_says_for_how_long() {
    let shut = format!("{OPENED}client > data 100\n+10ms server > ACK win 0\n");
    let open = "+2s server > ACK win 500\n";
    says(&format!("{shut}{open}+1s client > data 10"), "zero-window", "closed its window once, for 2.00 s; its");
    let twice = "+1s server > ACK win 0\n+500ms server > ACK win 500\n";
    says(&format!("{shut}{open}{twice}"), "zero-window", "closed its window 2 times, for 2.50 s in all; its");
    let probed = "+1s client > data 1 seq 101\n+10ms server > ACK win 0\n";
    says(
        &format!("{shut}{probed}"),
        "zero-window",
        "once, for 1.01 s, and had not opened it again when the capture ends",
    );
    says(&shut, "zero-window", "closed its window once, and had not opened it again when the capture ends");
}

#[test]
fn a_steady_transfer_opens_the_window_that_it_opens() {
    let shut = format!("{OPENED}client > data 100\n+10ms server > ACK win 0\n+1s server > ACK win 500\n");
    let steady = "+1ms client > data 100\n+1ms server > ACK\n".repeat(20);
    says(&format!("{shut}{steady}"), "zero-window", "closed its window once, for 1.00 s; its");
}

#[test]
fn the_last_segment_alone_is_a_probe_on_a_slow_road_too() {
    let slow = "client > SYN <mss 1460, sackOK>\n+200ms server > SYN ACK <mss 1460, sackOK>\nclient > ACK\n";
    let sent = "client > data 1:101\nclient > data 101:201\n";
    let kind = |again: &str| findings(&format!("{slow}{sent}{again}"), "retransmission").kind;
    assert_eq!(kind("+400ms client > data 101:201"), Some("tail-loss-probe"));
    assert_eq!(kind("+600ms client > data 1:101"), Some("timeout"));
    assert_eq!(kind("+1200ms client > data 101:201"), Some("timeout"), "no round trip is so long");
}

#[test]
fn who_sends_it_again_under_another_id_did_send_it_again() {
    let again = |id: u16| {
        format!("{OPENED}client > data 1:101 id 7\n+300us client > data 1:101 id {id}\n+20ms server > ACK ack 101")
    };
    says(&again(8), "retransmission", "sent 1 segment again (unexplained)");
    let fin = |id: u16| format!("{OPENED}client > FIN ACK id 7\n+300us client > FIN ACK id {id}\n+20ms server > ACK");
    says(&fin(8), "fin-retransmitted", "2 times");
}

#[test]
fn a_hole_that_was_filled_is_no_frame_of_a_gap() {
    let lost = format!("{OPENED}client > data 1:101\n+1ms client > data 201:301\n+300ms client > data 101:201\n");
    let missing = "+20ms server > ACK ack 301\n+20ms client > data 401:501\n+20ms server > ACK ack 501\n";
    let finding = findings(&format!("{lost}{missing}"), "capture-gap");
    assert!(finding.message.starts_with("100 octets of "), "{}", finding.message);
    assert_eq!(finding.frames, [8], "frame 5 was sent before what frame 6 fills in");
}

#[test]
fn the_last_octets_that_nobody_captured_may_hold_a_fin() {
    let acked = |ack: u32| format!("{OPENED}client > data 1:75\n+20ms server > FIN ACK ack {ack}\n");
    says(
        &acked(78),
        "capture-gap",
        "3 octets of client (10.0.0.1:40000) (a FIN would be one of them) were acknowledged",
    );
}

#[test]
fn a_damaged_syn_that_was_answered_was_changed_later() {
    let opened = |mark: &str| format!("client > SYN {mark}\n+20ms server > SYN ACK\nclient > ACK\nclient > data 10\n");
    let finding = findings(&opened("bad-checksum"), "bad-checksum");
    assert_eq!((finding.kind, finding.confidence), (Some("offload"), Confidence::Medium));
    assert!(finding.message.ends_with("the peer took it, so it was filled in or changed after the capture"));
    // Nobody answers an acknowledgment.
    let unknown = format!("{}client > ACK bad-checksum\nserver > ACK\n", opened(""));
    assert_eq!(findings(&unknown, "bad-checksum").kind, None);
}

#[test]
fn the_payload_of_a_syn_that_was_not_taken_is_not_lost() {
    let opened = "client > SYN data 100\n+20ms server > SYN ACK ack 1\n+1ms client > ACK\n+5ms client > data 1:101\n+20ms server > ACK\n";
    assert_eq!(found(opened, "retransmission"), None);
    let lost = format!("{opened}client > data 101:201\n+400ms client > data 101:201\n+20ms server > ACK");
    says(&lost, "retransmission", "sent 1 segment again (timeout)");
}

#[test]
fn what_passes_in_smaller_pieces_was_too_large() {
    let large = format!("{OPENED}server > data 1:101\nclient > ACK\n+20ms client > data 1:1429\n");
    let again = "+300ms client > data 1:1429\n+600ms client > data 1:1429\n+1200ms client > data 1:1429\n+2400ms client > data 1:1025\n";
    let trace = format!("{large}{again}+20ms server > ACK ack 1025\nclient > data 1025:1429\n+20ms server > ACK");
    assert_eq!(findings(&trace, "outage-repaired").kind, Some("path-mtu"));
    says(
        &trace,
        "outage-repaired",
        "repeated 1428 octets 3 times without an answer; after 4.22 s a piece of 1024 octets",
    );
}

#[test]
fn an_old_duplicate_ends_no_silence() {
    let closed =
        format!("{OPENED}client > data 100 id 5\n+20ms server > FIN ACK\nclient > FIN ACK id 6\n+20ms server > ACK\n");
    let stray = format!("{closed}+70s client > data 1:101 ack 1 id 5\n");
    assert_eq!(found(&stray, "idle"), None);
    assert!(found(&stray, "stray-segment").is_some());
}

#[test]
fn who_had_just_been_asked_was_not_idle() {
    let talk = format!("{OPENED}client > data 100\n+20ms server > data 50\n+5s client > data 30\n");
    let crossed = format!("{talk}+20ms server > FIN ACK\n+1ms client > data 20 ack 51\n+20ms server > RST seq 51\n");
    assert_eq!(found(&crossed, "keepalive-race"), None);
}

#[test]
fn who_sends_behind_a_fin_may_be_somebody_else() {
    let closed = OPENED.replace("SYN\n", "SYN <mss 1460, sackOK, TS val 5000 ecr 0>\n");
    let closed = closed.replace("SYN ACK\n", "SYN ACK <mss 1460, sackOK, TS val 70 ecr 5000>\n");
    let beyond = |how: &str| format!("{closed}client > FIN ACK\n+20ms server > ACK\n+5ms client > data 100 {how}\n");
    assert_eq!(findings(&beyond(""), "data-after-fin").kind, None);
    let forged = findings(&beyond("ttl 33 <>"), "data-after-fin");
    assert_eq!(forged.kind, Some("forged"));
    assert!(forged.message.ends_with("without the timestamps that its other segments have: by somebody in its name"));
}

#[test]
fn what_came_to_its_receiver_twice_is_told_by_its_own_word() {
    let sacked =
        OPENED.replace("SYN\n", "SYN <mss 1460, sackOK>\n").replace("SYN ACK\n", "SYN ACK <mss 1460, sackOK>\n");
    let again = |answer: &str| {
        let text = format!("{sacked}client > data 1:1001\n+20ms server > ACK ack 1001\n");
        let text = format!("{text}client > FIN ACK\n+400ms client > data 1:1001 ack 1\n+20ms server > ACK {answer}\n");
        findings(&text, "retransmission").message
    };
    assert!(
        again("ack 1002 <sack 1:1001>")
            .ends_with("(spurious); 1000 octets came to the server twice, as its D-SACK says")
    );
    // A block beyond the acknowledgment tells of what came once; SYN and FIN are no octets.
    assert!(again("ack 1 <sack 1:1001>").ends_with("(spurious)"));
    assert!(again("ack 1002 <sack 1001:1002>").ends_with("(spurious)"));
    assert!(again("ack 501 <sack 801:1001 701:1001>").contains("200 octets came to the server twice"));
}

#[test]
fn why_a_window_is_shut_is_said_where_it_shows() {
    let why = |rest: &str| findings(&format!("{OPENED}{rest}"), "zero-window");
    let moment = why("client > data 100\n+10ms server > ACK win 0\n+1ms server > ACK win 500");
    assert!(moment.message.ends_with("closed its window once, for 1.00 ms"), "{}", moment.message);
    let hole = why("client > data 101:201\nserver > ACK ack 1 win 0 <sack 101:201>\n+2 server > ACK ack 1 win 500");
    assert_eq!(hole.kind, Some("behind-hole"));
    assert_eq!(why("client > data 100\nserver > ACK ack 1 win 0\n+2 server > ACK win 500").kind, Some("retracted"));
    let closed = why("client > data 100\nserver > ACK\nserver > FIN ACK\nclient > ACK\n+2 server > ACK win 0");
    assert_eq!(closed.kind, Some("after-fin"));
    let mute =
        why("client > data 100\nserver > ACK win 0\n+1 client > ACK data 1 seq 100\n+2 client > ACK data 1 seq 100");
    assert!(mute.message.contains("closed its window once, and was not heard again"), "{}", mute.message);
}

#[test]
fn a_fin_behind_what_was_sent_before_is_no_octet_of_it() {
    let again = "client > FIN PSH ACK data 1:101\n+20ms server > FIN ACK\nclient > ACK";
    let lost = format!("{OPENED}client > data 1:101\n+250ms {again}");
    let client = &told(&lost).endpoints.client;
    assert_eq!((client.payload_bytes, client.retransmitted_bytes), (100, 100));
    assert_eq!(findings(&lost, "retransmission").kind, Some("timeout"));
    let taken = format!("{OPENED}client > data 1:101\n+20ms server > ACK\n{again}");
    assert_eq!(findings(&taken, "retransmission").kind, Some("spurious"));
}

#[test]
fn an_octet_of_payload_is_no_probe() {
    let octet = "client > PSH ACK data 1:2 ack 1\n";
    let again = format!("{octet}+151ms {octet}+301ms {octet}+60 {octet}+1 server > ACK ack 2");
    assert_eq!(told(&again).endpoints.client.retransmitted_bytes, 3);
    assert!(found(&again, "keepalive").is_none());
    let asked = format!("{OPENED}client > data 1:101\n+20ms server > ACK\n");
    let soon = format!("{asked}+300ms client > ACK data 100:101\n+20ms server > ACK");
    assert_eq!(told(&soon).endpoints.client.retransmitted_bytes, 1);
    says(&format!("{asked}+60 client > ACK data 100:101\n+20ms server > ACK"), "keepalive", "1 keepalive probe");
}

#[test]
fn no_probe_comes_when_both_have_closed() {
    let closed = format!("{OPENED}server > FIN ACK\nclient > ACK\nclient > FIN ACK\n+100ms server > ACK seq 1 ack 2");
    assert!(found(&closed, "keepalive").is_none());
}

#[test]
fn what_a_syn_ack_did_not_take_was_not_lost() {
    let asked = |taken: u32| format!("client > SYN data 100\n+20ms server > SYN ACK ack {taken}\n");
    for (taken, again) in [(61, "61:101"), (1, "1:51")] {
        let trace = format!("{}client > data {again}\n+20ms server > ACK ack 101\nclient > data 101:201", asked(taken));
        assert!(found(&trace, "retransmission").is_none(), "{trace}");
    }
    let twice = format!("{}client > data 61:101\n+300ms client > data 61:101\n+20ms server > ACK", asked(61));
    says(&twice, "retransmission", "sent 1 segment again");
    let lost = "client > SYN data 100\n+1s client > SYN seq 0\n+20ms server > SYN ACK ack 1\nclient > data 1:101\nserver > ACK";
    assert_eq!(findings(lost, "retransmission").kind, Some("timeout"));
}

#[test]
fn what_nobody_sent_is_not_missing() {
    let spoken = format!("{OPENED}client > data 1:101\n+20ms server > ACK\nserver > data 500\nclient > ACK\n");
    let wrong = "+100ms client > data 101:201 ack 5000\n+1ms server > ACK seq 501 ack 101\n";
    let right = "+100ms client > data 101:201 ack 501\n+1ms server > ACK seq 501 ack 201\n";
    let trace = format!(
        "{spoken}{wrong}{right}+100ms client > FIN ACK ack 501\n+1ms server > FIN ACK seq 501\n+20ms client > ACK ack 502"
    );
    for name in ["capture-gap", "half-close", "data-after-fin"] {
        assert!(found(&trace, name).is_none(), "{name}");
    }
    let closed = told(&trace);
    assert_eq!((closed.endpoints.server.missing_bytes, closed.close.kind.name()), (0, "three-segment"));
}
