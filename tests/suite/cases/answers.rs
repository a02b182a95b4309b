//! What the text says first of a connection: no more than the capture shows.

use lastack::analysis::{Analysis, Options};
use lastack::finding::{Errno, Finding};
use lastack::report::{Canvas, CaptureRecord, Palette, Rows, Text};
use lastack::segment::Item;
use lastack::source::script::parse;

use crate::told::tell_items;

const OPENED: &str = "client > SYN\n+20ms server > SYN ACK\n+20ms client > ACK\n";

/// The whole report on `trace`, its lines joined.
fn told(trace: &str) -> String {
    let mut out = Vec::new();
    let mut text = Text::new(&mut out, Canvas::new(200, Palette::Plain, jiff::tz::TimeZone::UTC), Rows::Few, None);
    let mut analysis = Analysis::new(&Options::default(), &mut text);
    analysis.begin(&CaptureRecord::default()).expect("a sink in memory");
    for item in parse(trace).expect("a readable trace") {
        analysis.advance(item.time()).expect("a sink in memory");
        match item {
            Item::Segment(segment) => analysis.segment(&segment),
            Item::IcmpError(error) => analysis.icmp_error(&error),
        }
        .expect("a sink in memory");
    }
    analysis.finish(false).expect("a sink in memory");
    drop(text);
    let out = String::from_utf8(out).expect("text is UTF-8");
    out.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn says(trace: &str, words: &str) {
    let text = told(trace);
    assert!(text.contains(words), "{words}\nnot in\n{text}");
}

fn says_not(trace: &str, words: &str) {
    let text = told(trace);
    assert!(!text.contains(words), "{words}\nin\n{text}");
}

#[test]
fn a_hole_that_nobody_filled_is_something_missing() {
    let trace =
        |second: &str| format!("{OPENED}client > data 1:101\n+20ms server > ACK ack 101\nclient > data {second}");
    says(&trace("101:201"), "nothing was sent again, nothing is missing");
    let holed = trace("1101:1201");
    says(&holed, "1.0 kB of the client before its last are neither in the capture nor acknowledged in it");
    says_not(&holed, "nothing is missing");
    // What the first acknowledgment is short of was sent before the capture or is missing in it.
    says_not("client > data 25 seq 1 ack 1\nserver > data 111 seq 14 ack 26", "nothing is missing");
}

#[test]
fn what_the_capture_was_too_short_to_show_did_not_fail() {
    says(
        "client > SYN",
        "opened not within the capture: it ends with the SYN (frame 1) closed never opened within the capture",
    );
    let other = |ms: u32| format!("client > SYN\nb.client 10.0.0.9:4\n+{ms}ms b.client > SYN\n");
    says(&other(50), "opened not within the capture: it ends 50.0 ms after the SYN");
    says(&other(600), "opened not at all: nobody answered the SYN");
    says("client > SYN\n+20ms server > SYN ACK", "only half within the capture: it ends with the SYN-ACK");
    let asked = format!("{OPENED}client > data 300\n");
    says(&asked, "request not answered within the capture: it ends with the client's last (frame 4");
    let quiet = |ms: u32| format!("{asked}b.client 10.0.0.9:4\n+{ms}ms b.client > SYN\n");
    says(&quiet(50), "not answered within the capture: it ends 50.0 ms after the client's last (frame 4");
    says(&quiet(250), "none was answered: only the client sent payload");
    let spoken = format!("{OPENED}server > data 30\nclient > ACK\nclient > data 300\n");
    says(&spoken, "not answered within the capture: it ends with the client's last (frame 6");
}

#[test]
fn two_syns_of_which_neither_was_taken_opened_nothing() {
    let trace = "client > SYN data 9\nserver > SYN data 20\nclient > PSH ACK data 9 seq 0 ack 0";
    says(trace, "closed never opened within the capture");
    says(trace, "1 connection: with an unfinished handshake.");
    for words in ["answered", "nothing was sent again", "ended-early"] {
        says_not(trace, words);
    }
}

#[test]
fn who_had_closed_before_the_reset_is_said() {
    let fin = format!("{OPENED}client > data 100\nserver > data 100\nclient > FIN ACK\nserver > ACK\n");
    says(
        &format!("{fin}server > RST ACK"),
        "closed by the client first, then by a reset from the server (frames 6, 8)",
    );
    says(&format!("{OPENED}client > data 100\nserver > RST ACK"), "closed by a reset from the server (frame 5)");
}

#[test]
fn what_was_said_before_the_capture_is_not_said_to_be_nothing() {
    says(
        "server > data 259 seq 1 ack 1\nclient > ACK seq 1 ack 260",
        "request not captured: in the capture only the server",
    );
    says(&format!("{OPENED}server > data 20\nclient > ACK"), "request none: only the server sent payload");
}

#[test]
fn the_last_words_are_no_request_and_its_answer() {
    let trace =
        format!("{OPENED}client > data 100\n+5ms server > data 100\nclient > ACK\n+10 server > data 10\nclient > ACK");
    says(&trace, "answered: the client's last payload is in frame 4, the server's in frame 7, 10.0 s later");
}

#[test]
fn an_opening_of_which_one_direction_was_captured_names_what_shows_it() {
    says("client > SYN\n+20ms client > ACK ack 1", "by the three-way handshake (frames 1, 2)");
}

#[test]
fn a_clock_that_was_set_back_tells_nothing_of_silence() {
    let day = "client > SYN\n+1ms server > SYN ACK\n+1ms client > ACK\n\
               b.client 10.0.0.9:4\n+86400s b.client > ACK seq 1 ack 1\n\
               -86400s client > data 10\n+1ms server > ACK";
    let told = tell_items(&parse(day).expect("a readable trace"));
    let early = |finding: &&Finding| finding.name == "ended-early";
    let found = told.verdicts.iter().flat_map(|verdict| verdict.findings.iter().find(early));
    let words: Vec<&str> = found.map(|finding| finding.message.split(',').next().unwrap_or_default()).collect();
    assert_eq!(
        words,
        [
            "the capture ends with its last segment",
            "the capture ends an unknown time (its clock was set back) after its last segment"
        ]
    );
    says(day, "1 frame is dated 24 h 00 min before the one before it");
    says(day, "of TCP from 1970-01-01 00:00:00.000000 UTC, by a clock that was set back");
    says_not(day, "so this may be an excerpt");
    // A handshake over the step takes no time that is known.
    let step = "client > SYN\n-100s server > SYN ACK\n+1ms client > ACK";
    says(step, "by the three-way handshake (frames 1, 2, 3)");
}

#[test]
fn an_end_that_may_have_closed_unseen_is_not_said_to_be_open() {
    let alone = format!("{OPENED}client > data 300\n+20ms server > data 100\n+1ms client > FIN ACK\n");
    says(&alone, "1 connection: still open at the end");
    let one_sided = "client > SYN\n+40ms client > ACK ack 1\nclient > data 300\n+40ms client > ACK ack 101\nclient > FIN ACK ack 101\n";
    says(one_sided, "1 connection: with an end that is not known");
    says(one_sided, "closed not known: the client closed; whether the server had before was not captured");
    says(one_sided, "100 B of it were acknowledged (a FIN would be one of them)");
    let more = format!("{one_sided}+40ms client > ACK ack 1101");
    says(&more, "closed by the client first; nothing of the server's close was captured");
    says("client > FIN ACK seq 50 ack 70", "the client had closed, while no frame shows whether the server had");
    says("client > data 10 seq 50 ack 70", "the client had not closed, while nothing of the server was captured");
}

#[test]
fn the_last_acknowledgment_of_a_close_is_named_where_it_was_captured() {
    let closed = format!("{OPENED}client > FIN ACK\n+20ms server > FIN ACK");
    says(&closed, "by the client first: FIN, FIN+ACK; the last ACK was not captured (frames 4, 5)");
    says(&format!("{closed}\n+20ms client > ACK"), "in three segments: FIN, FIN+ACK, ACK (frames 4, 5, 6)");
    let waited = format!("{OPENED}client > FIN ACK\n+20ms server > ACK\n+20ms server > FIN ACK");
    says(&waited, "by the client first: FIN, ACK, FIN; the last ACK was not captured (frames 4, 5, 6)");
}

#[test]
fn who_spoke_last_is_not_known_of_what_was_not_captured() {
    let asked = format!("{OPENED}client > data 100\n+20ms server > ACK\n");
    says(&format!("{asked}+500ms server > data 200"), "the server's in frame 6, 520.0 ms later");
    says(
        &format!("{asked}+500ms server > data 200 ack 301"),
        "request not known: what the client sent behind frame 4, its last payload in the capture, was not captured",
    );
    // A FIN may be what was not captured.
    says(&format!("{asked}+500ms server > data 200 ack 102"), "the server's in frame 6, 520.0 ms later");
}

#[test]
fn silence_is_that_of_the_capture_where_payload_is_missing() {
    let talk = |ack: u32| {
        format!("{OPENED}server > data 100\nclient > ACK\n+30s client > data 1:11 ack {ack}\n+30s client > RST ACK")
    };
    says(&talk(101), "after 30.0 s without payload (frame");
    says(&talk(501), "after 30.0 s without payload in the capture (frame");
}

#[test]
fn a_frame_as_late_as_the_latest_ends_a_step_of_the_clock() {
    let step =
        "client > SYN\n+86400s server > SYN ACK\n-86400s client > ACK\n+86400s server > data 10\n-86400s client > ACK";
    says(step, "2 frames are dated up to 24 h 00 min before the one before them");
}

#[test]
fn a_time_of_another_day_has_its_date() {
    let night = format!("{OPENED}+90000s client > data 10\n+20ms server > ACK\n+1s client > RST ACK");
    says(&night, "frame 4, 1970-01-02 01:00:00");
    says(&night, "TCP from 1970-01-01 00:00:00");
}

#[test]
fn whose_request_it_was_is_not_said_of_ports_that_tell_nothing() {
    let asks = |client: u16, server: u16| {
        format!(
            "client 10.0.0.1:{client}\nserver 10.0.0.2:{server}\nclient > data 10 seq 9 ack 7\n+20ms server > data 30 seq 7 ack 19"
        )
    };
    says(&asks(40_000, 8_881), "request answered");
    says_not(&asks(31_600, 8_881), "request");
}

#[test]
fn what_nobody_acknowledged_nobody_answered() {
    let asked = format!("{OPENED}client > data 100\n+20ms server > ACK\nclient > data 27\n+5ms server > data 50 ack");
    says(&format!("{asked} 128"), "answered: the client's last payload is in frame 6, the server's in frame 7");
    says(
        &format!("{asked} 101"),
        "not answered: nobody acknowledged the client's last payload (frame 6, 27 B); the server's last (frame 7) answers what came before",
    );
}

#[test]
fn of_a_side_that_was_not_captured_nobody_knows_what_it_sent() {
    says("client > ACK seq 9 ack 7", "data the client sent 0 B; nothing of the server was captured");
    says("client > SYN", "data none, either way");
}

#[test]
fn a_capture_that_goes_on_by_a_clock_set_back_does_not_end_there() {
    let set_back = |first: &str| {
        format!("{first}\nb.client 10.0.0.9:4\n-3600s b.client > SYN\n+1s b.client > SYN\n+60s b.client > SYN")
    };
    let alone = set_back("client > SYN");
    says(&alone, "opened not within the capture: it ends an unknown time after the SYN (frame 1)");
    says(&alone, "how long the capture goes on after it is not known: its clock was set back");
    let half_open = set_back("client > SYN\n+20ms server > SYN ACK");
    says(&half_open, "never acknowledged; how long the capture goes on after it is not known: its clock was set back");
}

#[test]
fn of_fins_that_crossed_before_a_reset_the_one_sent_first_is_named() {
    let crossed = "client > SYN\n+14ms server > SYN ACK\n+100us client > ACK\nclient > data 100\n+14ms server > ACK\n\
                   +1s client > data 24\nclient > FIN ACK\n+139us server > FIN ACK ack 101\n+13ms server > RST seq 2";
    let told = told(crossed);
    let verdict = tell_items(&parse(crossed).expect("a readable trace")).verdicts.remove(0);
    let by = verdict.close.initiator.expect("somebody closed").name();
    assert!(told.contains(&format!("closed by the {by} first, ")), "{by}: {told}");
    assert_eq!(by, "server");
}

#[test]
fn what_the_client_says_once_more_is_no_word_behind_its_close() {
    let closed = "client > data 1:37\nclient > data 37:97\n+20ms server > data 10\nclient > data 97:300\n+1ms client > FIN ACK\n";
    let again = "+400ms client > FIN ACK seq 37 data 263\n+20ms server > ACK ack 301\nserver > FIN ACK\nclient > ACK";
    says(
        &format!("{OPENED}{closed}{again}"),
        "not answered: the client spoke last (frame 7, 203 B, acknowledged; in frame 9 once more) and closed 1.0 ms later",
    );
}

#[test]
fn an_end_that_repeats_has_not_given_up_because_the_other_forgot() {
    let unheard = "client > SYN\n+60ms server > SYN ACK\n+1ms client > ACK\nclient > data 442\n";
    let again = "+3s client > again\n+6s client > again\n+12s client > again\n+24s client > again\n+48s client > again";
    says(&format!("{unheard}{again}"), "closed by nobody: an end sent again and again and was not answered any more");
}

#[test]
fn between_two_services_ports_do_not_tell_who_asked() {
    let nfs = "client 10.0.0.1:993\nserver 10.0.0.2:2049\nclient > data 100 seq 1 ack 1\n+2ms server > data 164\n";
    says_not(nfs, "request not answered");
    let telnet = "client 10.0.0.1:272\nserver 10.0.0.2:23\nclient > data 1 seq 1 ack 1\n+2ms server > data 4 ack 2\n";
    says(telnet, "request answered: the client's last payload is in frame 1");
    says_not("client 10.0.0.1:272\nserver 10.0.0.2:273\nserver > data 1 seq 1 ack 1\nclient > data 4", "request");
}

#[test]
fn a_port_is_reused_after_the_last_syn_of_an_attempt() {
    let tried = "client > SYN\n+1s client > SYN\n+2s client > SYN\n";
    says(
        &format!("{tried}+155s client > SYN seq 90000\nserver > SYN ACK\nclient > ACK"),
        "stream 0, 2 min 35 s after that one's last SYN; that had never opened, and nothing is left of it",
    );
}

#[test]
fn what_came_behind_the_client_s_end_answers_nothing() {
    let served = "+20ms server > data 500\nclient > ACK\n+5s client > FIN ACK\n";
    let late = "+20ms server > data 24 ack 102\n+100us client > RST seq 102";
    let deaf = "+1ms server > data 24 ack 1\n+100us client > RST seq 102";
    for (rest, words) in [
        (
            format!("{served}{late}"),
            "answered: the client's last payload is in frame 4, the server's in frame 5, 20.0 ms later; what the server said last (frame 8, 24 B) came behind the client's end (frame 7): nobody read it",
        ),
        (
            format!("client > FIN ACK\n{late}"),
            "answered too late: the client's last payload is in frame 4; the server's last (frame 6, 24 B) came behind the client's end (frame 5): nobody read it",
        ),
        (
            format!("client > FIN ACK\n{deaf}"),
            "not answered: the client's last payload (frame 4, 100 B) was not acknowledged; the server's last (frame 6, 24 B) came behind the client's end (frame 5): nobody read it",
        ),
        (
            format!("client > FIN ACK\n{deaf}\n+20ms server > ACK ack 102"),
            "not answered: the client's last payload (frame 4, 100 B) crossed with the server's last (frame 6, 24 B), which came behind the client's end (frame 5): nobody read it",
        ),
    ] {
        says(&format!("{OPENED}client > data 100\n{rest}"), &format!("request {words}"));
    }
}

#[test]
fn the_server_s_own_end_is_not_the_client_s() {
    let asked = format!("{OPENED}client > data 31\n+20ms server > FIN ACK data 31\n");
    let unheard = format!("{asked}+400ms server > again\n+800ms server > again\n+1s client > RST");
    says(&unheard, "answered: the client's last payload is in frame 4, the server's in frame 5, 20.0 ms later data");
    says_not(&unheard, "nobody read it");
    let beside =
        "client > SYN\n+20ms server > SYN ACK\n+16us client > ACK\nclient > data 100\n+20ms server > data 1:101\n";
    let overtaken = "+10us client > ACK\n+1ms server > data 201:301\n+10us client > ACK ack 101\n\
                     +10us server > RST ACK seq 301\n+10ms server > data 101:201\n+20us client > RST seq 101 win 0";
    says(
        &format!("{beside}{overtaken}"),
        "what the server said last (frame 10, 100 B) came behind the server's reset (frame 9): nobody read it",
    );
}

#[test]
fn what_is_only_said_once_more_asks_and_answers_nothing() {
    let served = format!("{OPENED}client > data 1:101 id 7\n+20ms server > data 1:201 id 9\nclient > ACK\n");
    says(
        &format!("{served}+300ms client > data 1:101 id 7\nserver > ACK"),
        "answered: the client's last payload is in frame 4, the server's in frame 5, 20.0 ms later",
    );
    let quiet = "b.client 10.0.0.9:4\n+5s b.client > SYN\n";
    says(
        &format!("{served}client > data 101:1001\n+20ms server > data 1:201 ack 101\nserver > ACK ack 1001\n{quiet}"),
        "not answered: the client spoke last (frame 7, 900 B, acknowledged), and the server sent nothing new after it",
    );
    // What goes on behind what it repeats is news.
    says(
        &format!(
            "{OPENED}client > data 1:101\n+300ms client > data 1:301\n+20ms server > data 10 ack 101\nserver > ACK ack 301"
        ),
        "not answered: the server's last payload (frame 6) was sent before the client's (frame 5) had come",
    );
}

#[test]
fn a_refusal_that_the_client_did_not_hear_of_failed_no_call() {
    let refused = "client > SYN\nserver > RST ACK seq =0 win 0\n+1s client > SYN\nserver > RST ACK seq =0 win 0";
    let told = tell_items(&parse(refused).expect("a readable trace"));
    let fails = |name: &str| told.verdicts.iter().filter(|one| one.findings.iter().any(|it| it.name == name)).count();
    assert_eq!((told.verdicts.len(), fails("connection-refused"), fails("reset-refused")), (2, 1, 2));
    let failed: Vec<_> =
        told.verdicts.iter().map(|one| (one.endpoints.client.calls.len(), one.endpoints.client.error)).collect();
    assert_eq!(failed, [(0, None), (1, Some(Errno::ConnRefused))]);
}

#[test]
fn what_a_number_shows_and_no_frame_carries_is_missing() {
    let aborted = format!("{OPENED}client > data 300\n+20ms server > ACK\n+1s server > RST ACK seq 3\n");
    says(
        &aborted,
        "the server sent 0 B; 2 B more of the server (a FIN would be one of them), by its reset's number, were not captured states",
    );
    // Nor is it known to have been acknowledged because all that was captured is.
    let behind =
        format!("{OPENED}client > data 300\nserver > data 1\nclient > ACK\nserver > ACK seq 3\nclient > RST ACK ack 2");
    says(&behind, "1 B of the server were not acknowledged when the reset came states");
}

#[test]
fn payload_that_crossed_answers_nothing() {
    let crossed = "client > data 1:101\n+1ms server > data 1:51 ack 1\n+20ms server > ACK ack 101\nclient > ACK ack 51";
    says(
        &format!("{OPENED}{crossed}"),
        "not answered: the server's last payload (frame 5) was sent before the client's (frame 4) had come",
    );
    let short = "client > data 31\n+1ms server > data 50 ack";
    says(
        &format!("{OPENED}{short} 1\n+20ms server > ACK ack 32"),
        "not answered, if it wanted an answer: the client's last payload (frame 4, 31 B) crossed with the server's (frame 5) data",
    );
    says(
        &format!("{OPENED}client > data 100\n{short} 101\n+20ms server > ACK ack 132"),
        "the client's last payload (frame 5, 31 B) crossed with the server's (frame 6); that answers what came before data",
    );
    says_not(
        "client > SYN\nserver > SYN\nclient > SYN ACK\nserver > SYN ACK\nclient > data 10\nserver > data 10",
        "request",
    );
}

#[test]
fn all_that_an_abort_met_on_its_way_is_lost() {
    let aborted = format!("{OPENED}server > data 1:1001\n+20ms client > RST ACK seq 1 ack 1\n");
    let later =
        "+1ms server > data 1001:2001\n+1ms client > RST seq 1\n+1ms server > data 2001:3001\n+1ms client > RST seq 1";
    says(&format!("{aborted}{later}"), "3.0 kB of the server were not acknowledged when the reset came: lost");
}

#[test]
fn who_closed_while_connecting_is_not_to_blame() {
    let closed = "client > SYN\n+20ms server > SYN ACK\n+20us client > RST";
    says(closed, "the socket was closed while connecting");
    says_not(closed, "fault");
}

#[test]
fn a_refusal_may_be_a_firewall_s() {
    says(
        "client > SYN\n+1ms server > RST ACK",
        "fault the server's host, or a firewall in its name (connection-refused)",
    );
}

#[test]
fn what_is_sent_again_need_not_be_the_last() {
    let asked = format!("{OPENED}client > data 1:101\n+20ms server > ACK\nclient > data 101:201\n");
    says(&format!("{asked}+300ms client > data 1:101"), "acknowledged; in frame 7 once more what came before it)");
    says(&format!("{asked}+300ms client > data 101:201"), "acknowledged; in frame 7 once more)");
}

#[test]
fn what_of_a_syn_was_not_taken_is_said() {
    says(
        "client > SYN data 100\n+20ms server > SYN ACK ack 61\nclient > data 61:101",
        "of the payload in the SYN 40 B was not taken",
    );
}
