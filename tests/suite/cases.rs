//! Small traces, each with the verdict that its packets decide: one case, one rule.

mod answers;
mod between;
mod bursts;
mod crossed;
mod grounds;
mod half_closed;
mod in_vain;
mod repeated;
mod sentences;
mod sequels;
mod transfer;
mod vantage;

use lastack::analysis::{Analysis, Options};
use lastack::base::Side;
use lastack::connection::State;
use lastack::finding::{Group, Verdict, find};
use lastack::source::script::parse;
use lastack::table::Limits;

use crate::told::{Told, tell_items};

/// What a verdict says, in words: `client` and `server` are the states, `open`, `close`, `by` (the initiator), `resets`
/// their causes and confidences, `calls` and `error` of an end, `findings` names, `server opened by` a frame, `last payload` the frame of
/// either side's, `idle s` the seconds without payload before the close.
fn said(verdict: &Verdict, what: &str) -> String {
    let states = |side: Side| {
        let names: Vec<_> = verdict.endpoints[side].states.iter().map(|step| step.state.name()).collect();
        names.join(" ")
    };
    let calls = |side: Side| {
        let words: Vec<_> = verdict.endpoints[side]
            .calls
            .iter()
            .map(|call| match call.errno {
                Some(errno) => format!("{}={}", call.call.name(), errno.name()),
                None => call.call.name().to_owned(),
            })
            .collect();
        words.join(" ")
    };
    let error = |side: Side| verdict.endpoints[side].error.map_or("none", |errno| errno.name()).to_owned();
    match what {
        "client" => states(Side::Client),
        "server" => states(Side::Server),
        "client calls" => calls(Side::Client),
        "server calls" => calls(Side::Server),
        "client error" => error(Side::Client),
        "server error" => error(Side::Server),
        "server opened by" => {
            let open = verdict.endpoints.server.states.iter().find(|step| step.state == State::Established);
            open.and_then(|step| step.frame).map_or_else(String::new, |frame| frame.to_string())
        }
        "open" => verdict.open.kind.name().to_owned(),
        "close" => verdict.close.kind.name().to_owned(),
        "by" => verdict.close.initiator.map_or("nobody", |initiator| initiator.name()).to_owned(),
        "resets" => {
            let words: Vec<_> = verdict
                .resets
                .iter()
                .map(|reset| format!("{} {}", reset.cause.name(), reset.confidence.name()))
                .collect();
            words.join(", ")
        }
        "findings" => {
            // What a finding says of the capture itself is no part of the connection's life.
            let of_life = |name: &&str| find(name).is_some_and(|entry| entry.group != Group::Capture);
            let names: Vec<_> = verdict.findings.iter().map(|finding| finding.name).filter(of_life).collect();
            names.join(" ")
        }
        "last payload" => {
            let frame = |side: Side| verdict.endpoints[side].last_payload.map(|payload| payload.frame);
            format!("{:?} {:?}", frame(Side::Client), frame(Side::Server)).replace("Some", "")
        }
        "idle s" => verdict.close.idle_ns.map_or_else(String::new, |ns| (ns / 1_000_000_000).to_string()),
        other => panic!("nothing is said of {other}"),
    }
}

/// The last connection of `trace` says so.
pub fn holds(trace: &str, expected: &[(&str, &str)]) {
    let told = tell_items(&parse(trace).expect("a readable trace"));
    say_of(told.verdicts.iter().max_by_key(|verdict| verdict.stream), trace, expected);
}

/// The first connection of `trace` says so.
fn began_with(trace: &str, expected: &[(&str, &str)]) {
    let told = tell_items(&parse(trace).expect("a readable trace"));
    say_of(told.verdicts.iter().min_by_key(|verdict| verdict.stream), trace, expected);
}

fn say_of(verdict: Option<&Verdict>, trace: &str, expected: &[(&str, &str)]) {
    let verdict = verdict.expect("a connection");
    for &(what, words) in expected {
        assert_eq!(said(verdict, what), words, "{what} of\n{trace}");
    }
}

#[test]
fn an_abort_acknowledges_what_its_sender_had_received() {
    holds(
        "client > SYN <mss 1460, sackOK, TS val 1 ecr 0, wscale 7>
         server > SYN ACK <mss 1460, sackOK, TS val 1 ecr 1, wscale 7>
         client > RST ACK",
        &[
            ("client", "SYN-SENT ESTABLISHED CLOSED"),
            ("server", "SYN-RECEIVED CLOSED"),
            ("open", "aborted"),
            ("client calls", "connect abort"),
        ],
    );
    // A reply has the number that it answers: there was no socket.
    holds(
        "client > SYN
         server > SYN ACK
         client > RST",
        &[("client", "SYN-SENT CLOSED"), ("open", "aborted")],
    );
}

#[test]
fn a_reply_shows_whether_what_it_answers_acknowledged_the_fin() {
    let opened = "client > SYN\nserver > SYN ACK\n+10ms client > ACK\nclient > data 100\n+10ms server > ACK\n";
    let after = "client > FIN ACK\n+10ms server > data 24\n+20us client > RST seq 102 win 0";
    holds(&format!("{opened}{after}"), &[("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED")]);
    let before = "client > FIN ACK\n+10ms server > data 24 ack 101\n+20us client > RST seq 101 win 0";
    holds(&format!("{opened}{before}"), &[("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSED")]);
}

#[test]
fn the_first_segment_that_met_nobody_is_what_a_reset_answers() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > FIN ACK
         +10ms server > data 24
         +50us server > FIN ACK
         client > RST seq 2 win 0
         +10us client > RST seq 2 win 0",
        &[("resets", "data-after-close high"), ("close", "reset"), ("by", "client")],
    );
}

#[test]
fn time_wait_takes_no_reset_below_its_next_number() {
    let closed = "client > SYN
         server > SYN ACK
         client > ACK
         client > data 100
         server > ACK
         server > FIN ACK
         client > ACK
         client > FIN ACK
         server > ACK
         +300ms server > data 100 seq 1 ack 101
         client > RST seq ";
    let server = "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT";
    holds(&format!("{closed}101 win 0"), &[("server", server), ("close", "four-segment")]);
    holds(&format!("{closed}102 win 0"), &[("server", &format!("{server} CLOSED"))]);
}

#[test]
fn an_abort_after_shutdown_is_an_abort() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > data 100
         +20ms server > data 3000
         client > ACK
         +1 client > FIN ACK
         +50us client > RST ACK",
        &[("resets", "unread-data medium"), ("by", "client")],
    );
}

#[test]
fn a_full_buffer_was_not_read() {
    let full = "server > SYN ACK
                client > ACK
                server > data 3000
                client > ACK win 0
                +1 client > RST ACK win 0";
    holds(&format!("client > SYN <mss 1460, sackOK, wscale 7>\n{full}"), &[("resets", "unread-data high")]);
    // Of a stack that nobody knows it may have thrown the rest away.
    holds(&format!("client > SYN\n{full}"), &[("resets", "unread-data medium")]);
}

#[test]
fn crossed_fins_and_a_reset_leave_no_time_wait() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         server > data 100
         client > FIN ACK ack 1
         server > FIN ACK ack 1
         client > RST seq 1 win 0",
        &[("resets", "data-after-close high"), ("findings", "reset-data-after-close")],
    );
}

#[test]
fn a_syn_that_met_an_older_connection_is_still_the_client_s() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > data 100
         server > ACK
         client isn 900000
         +60   client > SYN
         server > ACK ack =1101
         client > RST
         +10ms client > SYN
         server isn 90000
         server > SYN ACK
         client > ACK",
        &[("client", "SYN-SENT ESTABLISHED"), ("findings", "syn-retransmitted")],
    );
}

#[test]
fn nobody_stands_behind_a_syn_that_is_not_repeated() {
    let flood = "client > SYN\nserver > SYN ACK\n+1 server > SYN ACK\n+2 server > SYN ACK\n";
    holds(flood, &[("client", ""), ("server", "SYN-RECEIVED"), ("open", "half-open")]);
    let waiting = "client > SYN\nserver > SYN ACK\n+1 client > SYN\nserver > SYN ACK\n+2 server > SYN ACK\n";
    holds(waiting, &[("client", "SYN-SENT"), ("open", "half-open")]);
}

#[test]
fn the_server_s_own_tap_loses_no_ack() {
    let handshake = "+20us server > SYN ACK\n+20ms client > ACK\n+1 server > SYN ACK\n+20ms client > ACK\n";
    let rest = "client > data 100\n+20us server > ACK\n";
    holds(&format!("client > SYN\n{handshake}{rest}"), &[("findings", "syn-ack-retransmitted")]);
}

#[test]
fn whoever_has_closed_sees_no_error() {
    let opened = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > ACK\n";
    holds(
        &format!("{opened}client > FIN ACK\nserver > ACK\n+1 server > RST ACK"),
        &[("client calls", "connect close")],
    );
    holds(&format!("{opened}server > RST ACK"), &[("client calls", "connect read=ECONNRESET")]);
}

#[test]
fn a_fin_that_overtook_data_takes_effect_with_the_data() {
    let trace = "client > SYN <mss 1460, sackOK>\nserver > SYN ACK <mss 1460, sackOK>\nclient > ACK\n\
                 client > FIN ACK seq 101\nserver > ACK ack 1 <sack 101:102>\nclient > data 1:101\nserver > ACK ack 102";
    let items = parse(trace).expect("a readable trace");
    let told = tell_items(&items);
    let entered = told.verdicts[0].endpoints.server.states.last().expect("a state");
    assert_eq!((entered.state.name(), entered.frame), ("CLOSE-WAIT", Some(6)));
}

#[test]
fn a_reset_in_a_capture_of_control_segments_alone_tells_how_far_both_had_come() {
    holds(
        "client > SYN <mss 1460>\n+5ms server > SYN ACK <mss 1460>\n+70ms server > RST ACK seq 101 ack 21 win 64",
        &[
            ("open", "three-way"),
            ("close", "reset"),
            ("server", "SYN-RECEIVED ESTABLISHED CLOSED"),
            ("resets", "linger-zero low"),
        ],
    );
}

#[test]
fn a_capture_that_begins_with_a_keepalive_has_lost_nothing() {
    let trace = "client > ACK seq 0 ack 1\nserver > ACK ack 1\n+1 client > data 1:101 ack 1\nserver > ACK ack 101";
    let told = tell_items(&parse(trace).expect("a readable trace"));
    assert_eq!(told.verdicts[0].endpoints.client.missing_bytes, 0);
    assert!(!told.names().any(|name| name == "capture-gap"));
}

#[test]
fn only_what_is_open_is_aborted() {
    // Sooner than the path's own round trip after the ACK.
    let sooner = "+0 client > SYN
         +0.068286 server > SYN ACK
         +0 client > ACK
         +0.056915 server > RST ACK";
    holds(sooner, &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
    // The replies of what is closed by then pass the tap before the abort.
    let overtaken = "+0 client > SYN
         +0.1 server > SYN ACK
         +0 client > ACK
         +0.04 client > data 500
         +0 client > data 500
         +0 client > data 500
         +0 client > data 500
         +0.035 server > RST
         +0.018 server > RST ACK ack 1
         +0.001 server > RST";
    holds(overtaken, &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
    let refused = "+0 client > SYN
         +0.1 server > SYN ACK
         +0.001 client > ACK
         +0.1 server > RST";
    holds(refused, &[("server", "SYN-RECEIVED CLOSED")]);
}

#[test]
fn a_fin_that_was_overtaken_had_been_sent_before() {
    holds(
        "+0 client > SYN
         +0.017 server > SYN ACK
         +0.004 client > ACK
         +0.342 client > FIN ACK
         +0.017 server > ACK seq 2
         +0.0003 server > FIN ACK seq 1 ack 1
         +3 server > FIN ACK seq 1 ack 2
         +0.004 client > ACK seq 2 ack 2",
        &[("server", "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT"), ("close", "simultaneous")],
    );
}

#[test]
fn no_copy_of_a_fin_that_was_repeated_in_vain_is_taken_to_have_come() {
    holds(
        "+0 client > SYN
         +0.03 server > SYN ACK
         +0.03 client > ACK
         +0.1 client > FIN ACK
         +0.03 server > ACK ack 1
         +0.1 server > FIN ACK seq 1 ack 2
         +2.9 server > FIN ACK seq 1 ack 2
         +0.03 client > FIN ACK seq 1 ack 1
         +0.1 server > ACK seq 2 ack 2
         +0.7 server > RST ACK seq 2 ack 2",
        &[("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED")],
    );
}

#[test]
fn probes_that_were_lost_before_show_no_dead_peer() {
    let open = "+0 client > SYN
         +0.05 server > SYN ACK
         +0.05 client > ACK
         +0.1 client > data 10
         +0.05 server > ACK
         +1 server > data 10
         +0.05 client > ACK\n";
    let probe = "+0.7 server > ACK seq 10\n";
    let answered = "+0.1 client > ACK\n";
    let reset = "+0.7 server > RST ACK seq 11\n";
    let dead = [open, probe, probe, reset].concat();
    holds(&dead, &[("client", "SYN-SENT ESTABLISHED")]);
    let lossy = [open, probe, probe, probe, answered, probe, probe, reset].concat();
    holds(&lossy, &[("client", "SYN-SENT ESTABLISHED CLOSED")]);
}

#[test]
fn who_resets_with_everything_answered_had_nothing_to_read() {
    let exchange = "server ttl 128\n\
        client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > data 200\nclient > ACK\n\
        client > FIN ACK\nserver > ACK\nserver > RST ACK";
    holds(exchange, &[("resets", "linger-zero low"), ("by", "client")]);
}

#[test]
fn what_was_counted_on_linux_says_little_of_other_stacks() {
    let answered = |options: &str| {
        format!(
            "client > SYN {options}\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > data 1000\nclient > ACK\n\
             server > data 1000\nclient > ACK\n+500ms client > RST ACK"
        )
    };
    holds(&answered("<mss 1460, sackOK, TS val 1 ecr 0, wscale 7>"), &[("resets", "unread-data medium")]);
    holds(&answered("ttl 128 <mss 1460, wscale 8, sackOK>"), &[("resets", "unread-data low")]);
}

#[test]
fn what_had_to_make_room_says_so_and_what_follows_is_no_stray() {
    let limits = Limits::connections(1);
    let options = Options { limits, ..Options::default() };
    let trace = "client > SYN\nserver > SYN ACK\nclient > ACK\nb.client 10.0.0.9:40000\n+1 b.client > SYN\n\
                 b.server > SYN ACK\nb.client > ACK\n+1 client > data 100\nserver > ACK";
    let mut told = Told::default();
    let mut analysis = Analysis::new(&options, &mut told);
    for item in parse(trace).expect("a trace") {
        analysis.advance(item.time()).and_then(|()| analysis.take(&mut vec![item])).expect("a sink in memory");
    }
    analysis.finish(false).expect("a sink in memory");
    let kinds =
        |verdict: &Verdict| verdict.findings.iter().map(|finding| (finding.name, finding.kind)).collect::<Vec<_>>();
    assert_eq!(kinds(&told.verdicts[0]), [("ended-early", Some("evicted"))]);
    assert!(told.late.iter().all(|late| late.findings.is_empty()), "{:?}", told.late);
    assert!(!told.late.is_empty());
}

#[test]
fn numbers_that_went_round_before_the_close_mislead_nobody() {
    for megabytes in [1_500, 2_600, 4_200] {
        let transfer = "server > data 1000000\nclient > ACK\n".repeat(megabytes);
        let trace = format!(
            "client > SYN <mss 1460>\nserver > SYN ACK <mss 1460>\nclient > ACK\nclient > data 100\nserver > ACK\n{transfer}\
             client > FIN ACK\nserver > ACK\nserver > FIN ACK\nclient > ACK"
        );
        holds(
            &trace,
            &[
                ("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT"),
                ("server", "SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"),
                ("close", "four-segment"),
                ("by", "client"),
                ("findings", ""),
            ],
        );
    }
}

#[test]
fn who_never_had_the_fin_was_not_in_time_wait() {
    let crossed = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > FIN ACK ack 1\n";
    let acknowledged =
        format!("{crossed}client > ACK\n+2 client > FIN ACK again\n+2 client > FIN ACK again\nserver > RST");
    holds(&acknowledged, &[("resets", "fin-wait-2-expired medium")]);
}

#[test]
fn a_refusal_whose_sender_accepts_the_same_syn_refuses_nothing() {
    let evaded = "client > SYN <mss 1460, sackOK, TS val 5000 ecr 0>\n\
                  +60ms server > RST ACK win 64240 <TS val 100 ecr 100>\n\
                  +1ms server > FIN ACK seq 0 ack 1 win 64240 <TS val 100 ecr 100>\n\
                  client > RST seq 1";
    holds(
        evaded,
        &[
            ("open", "aborted"),
            ("client", "SYN-SENT"),
            ("server", ""),
            ("client calls", ""),
            ("server calls", ""),
            ("resets", "injected medium, invalid-handshake high"),
        ],
    );
    // Other clients take what its SYN's timestamp does not tell, and the reset alone looks like any refusal.
    let plain = "client > SYN\n+60ms server > RST ACK";
    holds(plain, &[("open", "refused"), ("client calls", "connect=ECONNREFUSED"), ("resets", "refused high")]);
}

#[test]
fn syns_that_no_timer_sent_do_not_time_out() {
    let at_once = "client > SYN\n+1ms client > SYN\n+1ms client > SYN";
    holds(at_once, &[("open", "unanswered"), ("close", "none"), ("client calls", "")]);
    let in_vain = "client > SYN\n+1 client > SYN\n+1 client > SYN";
    holds(in_vain, &[("close", "timed-out"), ("client calls", "connect=ETIMEDOUT")]);
}

#[test]
fn what_was_written_before_a_reset_does_not_contradict_it() {
    let overtaken = "server > SYN ACK ack 1 <mss 536, sackOK, TS val 2 ecr 1>\n\
                     +14ms client > RST ACK seq 1 ack 1 <TS val 4 ecr 2>\n\
                     +44ms client > ACK seq 1 ack 1 <TS val 3 ecr 2>";
    holds(overtaken, &[("resets", "linger-zero high")]);
}

#[test]
fn the_next_incarnation_ends_what_the_peer_had_forgotten() {
    let forgotten = "client > SYN seq 1000 <TS val 100 ecr 0>
         +10ms server > SYN ACK seq 5000 ack 1001 <TS val 7 ecr 100>
         client > ACK seq 1001 ack 5001 <TS val 110 ecr 7>
         client > FIN ACK seq 1001 ack 5001 <TS val 110 ecr 7>
         +10ms server > ACK seq 5001 ack 1002 <TS val 27 ecr 110>\n";
    let next = "+3 client > SYN seq 90000000 <TS val 3200 ecr 0>
         +10ms server > ACK seq 5001 ack 1002 <TS val 3027 ecr 110>
         client > RST seq 1002 win 0";
    let states = ("server", "SYN-RECEIVED ESTABLISHED CLOSE-WAIT CLOSED");
    began_with(
        &format!("{forgotten}{next}"),
        &[states, ("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED")],
    );
    // An old duplicate, by its clock, ends nothing.
    let old = "+3 client > SYN seq 90000000 <TS val 50 ecr 0>";
    began_with(&format!("{forgotten}{old}"), &[("server", "SYN-RECEIVED ESTABLISHED CLOSE-WAIT")]);
}

#[test]
fn what_the_road_delayed_was_sent_when_its_clock_says() {
    // The server's FIN, 30 ms late, was sent in one breath with the data before the reset could have come.
    holds(
        "client > SYN <TS val 1 ecr 0>
         +4ms server > SYN ACK <TS val 500 ecr 1>
         +10us client > ACK <TS val 5 ecr 500>
         client > FIN ACK <TS val 5 ecr 500>
         +4ms server > ACK <TS val 504 ecr 5>
         +800ms server > data 100 <TS val 1304 ecr 5>
         +10us client > RST seq 2 win 0
         +30ms server > FIN ACK <TS val 1304 ecr 5>",
        &[("server", "SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED")],
    );
}

#[test]
fn a_fin_that_also_acknowledges_the_first_one_and_met_nobody_found_no_socket() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > data 100
         client > FIN ACK
         +5ms server > FIN ACK ack 102
         client > RST seq 102 win 0",
        &[("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSED"), ("resets", "no-connection medium"), ("by", "client")],
    );
}

#[test]
fn an_abort_that_acknowledges_less_had_not_the_fin() {
    holds(
        "client > SYN
         +50ms server > SYN ACK
         client > ACK
         +1 client > FIN ACK
         +50ms server > data 4 ack 1
         client > RST seq 1 win 0
         +1ms server > RST ACK seq 5 ack 1",
        &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")],
    );
}

#[test]
fn of_replies_with_growing_numbers_the_last_is_taken() {
    holds(
        "client > SYN
         +10ms server > SYN ACK
         client > ACK
         client > data 1000
         client > data 1000
         client > FIN ACK
         +10ms server > data 100 ack 1
         client > RST seq 1 win 0
         +10us server > ACK seq 101 ack 2002
         client > RST seq 2002 win 0",
        &[("server", "SYN-RECEIVED ESTABLISHED CLOSE-WAIT CLOSED")],
    );
}

#[test]
fn a_socket_that_just_acknowledged_a_fin_had_not_lost_its_state() {
    let closed = |options: &str, ttl: u8| {
        format!(
            "client > SYN\n\
             server > SYN ACK <{options}> ttl {ttl}\n\
             client > ACK\n\
             client > data 100\n\
             server > data 300 ttl {ttl}\n\
             client > FIN ACK\n\
             server > ACK ttl {ttl}\n\
             +40us server > RST ttl {ttl} win 0"
        )
    };
    holds(&closed("mss 1460, wscale 8, sackOK", 127), &[("resets", "linger-zero low")]);
    holds(&closed("mss 1460, sackOK, wscale 7", 63), &[("resets", "unknown low")]);
}

#[test]
fn a_fin_that_brings_data_for_a_reader_who_has_gone_is_not_taken() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         server > FIN ACK
         client > FIN ACK data 242
         server > RST seq 2 win 0",
        &[("server", "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED"), ("resets", "data-after-close high")],
    );
}

#[test]
fn a_fin_behind_octets_that_never_came_tells_of_data_after_close() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > data 100
         +10us server > FIN ACK ack 1
         client > FIN ACK
         server > RST seq 2 win 0",
        &[("server", "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED"), ("resets", "data-after-close medium")],
    );
}

#[test]
fn a_fin_acknowledged_from_beyond_an_unseen_one_crossed_it() {
    let life = |options: &str| {
        format!(
            "client > SYN {options}
             +20ms server > SYN ACK id 0 {options}
             client > ACK
             +1 client > FIN ACK
             +20ms server > ACK seq 2 ack 2
             +300ms server > FIN ACK seq 1 ack 2
             client > ACK seq 2 ack 2"
        )
    };
    holds(
        &life("<mss 1460, sackOK, wscale 7>"),
        &[
            ("server", "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT"),
            ("close", "simultaneous"),
            ("by", "both"),
        ],
    );
    // Linux says nothing that it is not asked for; of a stack that nobody knows that is not known.
    holds(&life(""), &[("server", "SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"), ("by", "client")]);
}

#[test]
fn who_repeats_no_syn_ack_had_taken_its_acknowledgment() {
    let refused = |pause: &str| {
        format!("client > SYN\nserver > SYN ACK\nclient > ACK\n{pause} client > FIN ACK\nserver > RST seq 1 win 0")
    };
    holds(&refused("+3"), &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
    holds(&refused("+3ms"), &[("server", "SYN-RECEIVED CLOSED")]);
}

#[test]
fn a_connection_under_two_stream_numbers_goes_on_where_it_was() {
    holds(
        "client > SYN
         +20ms server > SYN ACK
         client > ACK
         client > FIN ACK
         +10ms server > SYN ACK seq 0 ack 1
         client > ACK seq 2 ack 1
         +10ms server > FIN ACK seq 1 ack 1
         client > ACK seq 2 ack 2
         +200ms client > FIN ACK seq 1 ack 2
         +20ms server > ACK seq 2 ack 2",
        &[
            ("client", "FIN-WAIT-1 CLOSING TIME-WAIT"),
            ("server", "ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT"),
            ("close", "simultaneous"),
        ],
    );
}

#[test]
fn an_acknowledgment_of_the_fin_in_the_stream_before_counts() {
    holds(
        "client > SYN
         +20ms server > SYN ACK
         client > ACK
         client > FIN ACK
         +10ms server > SYN ACK seq 0 ack 1
         client > ACK seq 2 ack 1
         +10ms server > FIN ACK seq 1 ack 2
         client > ACK seq 2 ack 2",
        &[
            ("client", "FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT"),
            ("server", "ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"),
            ("close", "three-segment"),
            ("by", "client"),
        ],
    );
}

#[test]
fn who_refuses_what_lies_before_a_fin_does_not_take_the_fin() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > FIN ACK
         +10us server > data 1
         server > FIN ACK
         server > FIN ACK seq 2
         +20ms client > RST seq 2 win 0",
        &[("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 CLOSED")],
    );
}

#[test]
fn who_gave_up_in_closing_was_in_no_time_wait() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > FIN ACK
         server > FIN ACK ack 1
         client > ACK
         +200ms server > FIN ACK seq 1 ack 1
         +400ms server > FIN ACK seq 1 ack 1
         client > RST seq 1 win 0",
        &[("resets", "no-connection medium")],
    );
}

#[test]
fn a_syn_that_is_sent_again_had_not_been_refused() {
    let trace = "client > SYN\nserver > RST ACK\n+1 client > SYN seq 0\nserver > RST ACK";
    let told = tell_items(&parse(trace).expect("a readable trace"));
    say_of(told.verdicts.first(), trace, &[("client", "SYN-SENT"), ("resets", "refused high")]);
    say_of(told.verdicts.last(), trace, &[("client", "SYN-SENT CLOSED")]);
}

#[test]
fn last_ack_answers_nothing_with_a_reset() {
    holds(
        "client > SYN
         server > SYN ACK
         client > ACK
         server > data 100
         client > ACK
         server > FIN ACK
         client > FIN ACK
         server > ACK
         +10us server > data 100 seq 1 ack 1
         +2ms client > RST seq 1 win 0",
        &[("client", "SYN-SENT ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED"), ("close", "three-segment")],
    );
}

#[test]
fn a_fin_waits_for_octets_that_are_sent_again_behind_it() {
    holds(
        "client > SYN
         +10us server > SYN ACK
         +20ms client > ACK
         +10us server > data 10
         +20ms client > ACK
         client > data 100
         client > FIN ACK
         +300ms client > data 100 seq 1
         +600ms client > data 100 seq 1
         +1200ms client > data 100 seq 1",
        &[("server", "SYN-RECEIVED ESTABLISHED"), ("close", "timed-out")],
    );
}

#[test]
fn multipath_tcp_says_itself_why_it_resets() {
    let ends = |option: &str| {
        format!(
            "client > SYN <mss 1460, sackOK, wscale 7, mptcp>\n\
             server > SYN ACK <mss 1460, sackOK, wscale 7, mptcp>\n\
             client > ACK\n\
             client > data 100\n\
             server > ACK\n\
             client > RST ACK <{option}>"
        )
    };
    holds(&ends("mptcp"), &[("resets", "linger-zero high")]);
    // On this path nothing came that could lie unread, but there may be others.
    holds(&ends("fastclose"), &[("resets", "linger-zero medium")]);
    holds(&ends("tcprst 5"), &[("resets", "unknown medium")]);
    holds(&ends("tcprst 0"), &[("resets", "linger-zero high")]);
    let asked = ends("mptcp").replace("RST ACK <mptcp>", "ACK <fastclose>") + "\nserver > RST seq 1 win 0";
    let aborted = [("by", "client"), ("client calls", "connect abort"), ("server calls", "read=ECONNRESET")];
    holds(&asked, &[&[("resets", "unknown high")], &aborted[..]].concat());
}

#[test]
fn a_prober_whose_probes_the_tap_missed_may_have_given_up() {
    let trace = |id: u16| {
        format!(
            "client > SYN id 100\n+50ms server > SYN ACK\n+50ms client > ACK id 101\n\
             +1 client > ACK seq 0 id 102\n+10us server > ACK\n+2 client > RST ACK seq 1 id {id}"
        )
    };
    holds(&trace(103), &[("resets", "linger-zero medium")]);
    holds(&trace(104), &[("resets", "keepalive-timeout medium")]);
}

#[test]
fn an_acknowledgment_that_reports_no_copy_answers_the_first_that_came() {
    let trace = |sack: &str| {
        format!(
            "client > SYN <mss 1460, sackOK, wscale 7>\n+20ms server > SYN ACK id 0 <mss 1460, sackOK, wscale 7>\n\
             +1us client > ACK\n+1 client > FIN ACK\n+300ms client > FIN ACK seq 1\n+20ms server > ACK seq 2 ack 2{sack}\n\
             +300ms server > FIN ACK seq 1 ack 2\nclient > ACK seq 2 ack 2"
        )
    };
    holds(&trace(""), &[("server", "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT")]);
    holds(&trace(" <sack 1:2>"), &[("server", "SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED")]);
}

#[test]
fn a_copy_of_a_syn_that_was_refused_opens_nothing() {
    let copy = |value: u32| {
        format!(
            "client > SYN <TS val 7 ecr 0>\nserver > RST ACK\n\
             +20ms client > SYN seq 0 <TS val {value} ecr 0>\nserver > RST ACK"
        )
    };
    holds(&copy(7), &[("client", "")]);
    holds(&copy(8), &[("client", "SYN-SENT CLOSED")]);
}
