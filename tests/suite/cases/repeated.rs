//! What was sent again, what the network delayed or copied, and what was captured twice.

use lastack::finding::{Finding, OpenKind};

use super::holds;
use super::sentences::{OPENED, found, says, told};

/// As over IPv6: no ids.
const CLOCKED: &str = "client > SYN id 0 <TS val 1000 ecr 0>\n+20ms server > SYN ACK id 0 <TS val 500 ecr 1000>\n\
                       +10us client > ACK id 0 <TS val 1020 ecr 500>\n";
const COUNTED: &str = "client > SYN id 10\n+20ms server > SYN ACK id 0\n+10us client > ACK id 11\n";

fn again(trace: &str) -> Finding {
    found(trace, "retransmission").unwrap_or_else(|| panic!("nothing was sent again in\n{trace}"))
}

/// Every frame of `trace` that `side` sent, or of any, twice.
fn mirrored(trace: &str, side: &str) -> String {
    let lines = trace.lines().map(|line| {
        let sender = if line.contains("client >") { "client" } else { "server" };
        let copy = if sender.contains(side) { format!("+10us {sender} > duplicate\n") } else { String::new() };
        format!("{line}\n{copy}")
    });
    lines.collect()
}

#[test]
fn each_segment_beyond_a_hole_is_answered_alike() {
    let sent: String = (0..6).map(|n| format!("client > data {}:{} id 0\n", n * 1000 + 1, n * 1000 + 1001)).collect();
    let answers = "+10us server > ACK ack 1001 id 0 <TS val 540 ecr 1020>\n".repeat(5);
    let told = |opened: &str| found(&format!("{opened}{sent}+20ms {}", &answers[6..]), "duplicate-frames");
    assert_eq!(told(CLOCKED), None);
    // Neither does one frame that the network copied make them copies.
    let copied = CLOCKED.replacen('\n', "\n+10us client > duplicate\n", 1);
    assert!(told(&copied).expect("the copy").message.starts_with("1 of "));
}

#[test]
fn resets_that_answer_alike_are_no_copies() {
    let opened = COUNTED.replace("id 10\n", "id 10\n+10us client > duplicate\n");
    let sent: String = (0..5).map(|n| format!("server > data {}:{}\n", n * 100 + 1, n * 100 + 101)).collect();
    let resets = "+10us client > RST seq 2 id 0\n".repeat(5);
    let trace = format!("{opened}client > FIN ACK id 12\n{sent}+20ms {}", &resets[6..]);
    says(&trace, "duplicate-frames", "1 of 15 frames repeats");
}

#[test]
fn where_every_frame_comes_twice_answers_do_too() {
    let talk: String = (1..6)
        .map(|n| format!("+1s client > data {n}:{} id 0 <>\n+20us server > ACK ack {} id 0 <>\n", n + 1, n + 1))
        .collect();
    let opened = "client > SYN id 0\n+20ms server > SYN ACK id 0\n+10ms client > ACK id 0\n";
    says(&mirrored(&format!("{opened}{talk}"), ""), "duplicate-frames", "13 of 26 frames repeat");
    // So does a mirror of one direction.
    says(&mirrored(&format!("{opened}{talk}"), "server"), "duplicate-frames", "6 of 19 frames repeat");
}

#[test]
fn an_original_that_comes_late_was_not_sent_again() {
    let late = |newer: &str, again: &str, late: &str| {
        format!(
            "{newer}\n+20ms server > ACK ack 1\n+1ms client > data 1:1001 ack 1 {again}\n+20ms server > ACK ack 2001\n\
             client > data 2001:2101 {again}\n+200ms client > data 1:1001 ack 1 {late}\n+20ms server > ACK ack 2101\n"
        )
    };
    let clocked = format!("{CLOCKED}client > data 1001:2001 id 0 <TS val 1025 ecr 500>");
    let clocked = |value| late(&clocked, "id 0 <TS val 1050 ecr 500>", &format!("id 0 <TS val {value} ecr 500>"));
    assert_eq!(again(&clocked(1025)).frames, [6]);
    // Another tick is no more than rounding, and a newer one is another transmission.
    assert_eq!(again(&clocked(1270)).frames, [6, 9]);
    // Where nothing has timestamps, by the ids of who counts them.
    let counted = format!("{COUNTED}client > data 1001:2001 id 13");
    assert_eq!(again(&late(&counted, "id 14", "id 12")).frames, [6]);
    assert_eq!(again(&late(&counted, "id 14", "id 15")).frames, [6, 9]);
    // Random ones tell nothing.
    let random = counted.replace("id 10", "id 40000").replace("id 11", "id 5000");
    assert_eq!(again(&late(&random, "id 14", "id 12")).frames, [6, 9]);
}

#[test]
fn what_its_clock_dates_before_the_rest_was_delayed_and_not_sent_again() {
    let late = |value: u32| {
        format!(
            "{CLOCKED}client > data 1001:2001 id 0 <TS val 1021 ecr 500>\n+10us server > RST seq 1\n\
             +25ms client > data 1:1001 id 0 <TS val {value} ecr 500>\n"
        )
    };
    assert_eq!(found(&late(1021), "retransmission"), None);
    assert!(found(&late(1046), "retransmission").is_some());
}

#[test]
fn what_fills_nothing_beside_a_hole_counts_once() {
    let holed = format!("{COUNTED}client > data 1:1001\nclient > data 2001:3001\n");
    let twice = "+300ms client > data 1:1001 ack 1\n+600ms client > data 1:1001 ack 1\n";
    says(&format!("{holed}{twice}"), "retransmission", "sent 2 segments again (timeout)");
    says(&format!("{holed}{twice}+600ms client > data 1001:2001 ack 1\n"), "retransmission", "sent 3 segments again (");
}

#[test]
fn an_answer_takes_one_round_trip_and_no_timer() {
    let opened = "client > SYN\n+10us server > SYN ACK\n+40ms client > ACK\n";
    let sent: String = [1001, 3001, 4001, 5001, 6001, 7001]
        .iter()
        .map(|from| format!("+10us client > data {from}:{}\nserver > ACK ack 1\n", from + 1000))
        .collect();
    let filled = |first: &str, second: &str| {
        let text = format!("{opened}{sent}{first} client > data 1:1001 ack 1\n+10us server > ACK ack 2001\n");
        again(&format!("{text}{second} client > data 2001:3001 ack 1\n+10us server > ACK ack 8001\n")).message
    };
    assert!(filled("+40ms", "+41ms").ends_with("sent 2 segments again (fast)"));
    assert!(filled("+40ms", "+300ms").ends_with("sent 2 segments again (1 timeout, 1 fast)"));
    assert!(filled("+300ms", "+41ms").ends_with("sent 2 segments again (1 timeout, 1 fast)"));
}

#[test]
fn a_syn_that_comes_again_when_it_was_answered_is_a_copy() {
    let copy = |stamps: &str| format!("{CLOCKED}+200ms client > SYN seq 0 id 0 <TS val {stamps} ecr 0>\n");
    assert!(found(&copy("1000"), "duplicate-frames").is_some());
    assert_eq!(found(&copy("1000"), "syn-retransmitted"), None);
    assert!(found(&copy("1220"), "syn-retransmitted").is_some());
}

#[test]
fn what_was_sent_before_the_end_is_no_late_repetition() {
    let closed = format!(
        "{COUNTED}client > data 2000:3000 id 13\nclient > data 3000:3100 id 14\nclient > FIN ACK id 15\n\
         client > data 1:2000 ack 1 id 16\n+20ms server > data 500 ack 3101\n+10us client > RST seq 3101 id 0\n"
    );
    let stray = |id: u16| found(&format!("{closed}+900ms client > data 1:2000 ack 1 id {id}\n"), "stray-segment");
    assert_eq!(stray(12).and_then(|stray| stray.kind), Some("old-duplicate"));
    assert_eq!(stray(18).and_then(|stray| stray.kind), Some("late-retransmission"));
}

#[test]
fn a_fin_that_the_road_held_up_is_the_first_of_its_kind() {
    let stamps = |value: u32, echo: u32| format!("<TS val {value} ecr {echo}>");
    let opened = format!(
        "client > SYN {}\n+20ms server > SYN ACK {}\n+20ms client > ACK {}\nclient > data 100 {}\n",
        stamps(1, 0),
        stamps(60, 1),
        stamps(40, 60),
        stamps(41, 60)
    );
    let overtaken = format!(
        "+40ms client > ACK seq 202 {}\nclient > FIN ACK seq 101 data 100 {}\n",
        stamps(90, 60),
        stamps(70, 60)
    );
    let again = format!("+400ms client > FIN ACK seq 101 data 100 {}\n", stamps(470, 60));
    assert!(found(&format!("{opened}{overtaken}"), "fin-retransmitted").is_none());
    says(&format!("{opened}{overtaken}{again}"), "fin-retransmitted", "sent its FIN 2 times");
}

#[test]
fn a_syn_that_comes_when_all_is_open_opens_nothing() {
    let spoken = format!("{OPENED}client > data 100\n+20ms server > ACK\nserver > data 100\nclient > ACK\n");
    let own = format!("{spoken}+1 client > SYN\nserver > ACK\n");
    says(&own, "syn-retransmitted", "came once more when its connection was open");
    let verdict = told(&own);
    assert_eq!((verdict.open.kind, verdict.open.syn_count), (OpenKind::ThreeWay, 1));
    assert!(verdict.open.rtt_ns.is_some());
    let other = format!("{spoken}+10 server > SYN\nclient > ACK\n");
    let states = [("open", "three-way"), ("server", "SYN-RECEIVED ESTABLISHED"), ("server calls", "accept")];
    holds(&other, &states);
    // Behind the answer alone it may still have been sent before that came.
    let unheard = "client > SYN\n+20ms server > SYN ACK\n+1 client > SYN\n+20ms server > SYN ACK\n+20ms client > ACK";
    says(unheard, "syn-retransmitted", "sent its SYN 2 times within 1.02 s, then it was answered");
}

#[test]
fn why_a_syn_ack_comes_again_is_said_as_far_as_it_shows() {
    let twice = "+1 server > SYN ACK\n+10ms client > ACK\n+2 server > SYN ACK\n+10ms client > ACK\n";
    let trace = format!("{OPENED}{twice}+1 server > data 49\nclient > ACK");
    says(&trace, "syn-ack-retransmitted", "that was lost, or dropped since the accept queue was full");
    let copied = |flags: &str| {
        format!("client > SYN ECE CWR\n+50ms server > SYN ACK ECE\nclient > ACK\n+100ms server > {flags}\nclient > ACK")
    };
    says(&copied("SYN ACK"), "syn-ack-retransmitted", "they differ, so that the SYN came twice");
    says(&copied("SYN ACK ECE"), "syn-ack-retransmitted", "the network copied it, or the SYN that it answers");
}

#[test]
fn copies_that_came_to_the_receiver_are_the_network_s() {
    let copied = format!("{OPENED}server > data 22\n+20us server > duplicate\n+1ms client > ACK ack 23\n");
    says(&format!("{copied}client > ACK ack 23 <sack 1:23>"), "duplicate-frames", "those are the network's");
    let finding = found(&copied, "duplicate-frames").expect("a copy");
    assert!(!finding.message.contains("network"), "{}", finding.message);
}
