//! What routers and boxes between the ends do and say, and an application that is handed its socket early.

use lastack::source::script::parse;

use super::{began_with, holds};
use crate::told::tell_items;

#[test]
fn who_gives_up_reports_the_last_icmp_error() {
    let tries = "client > SYN\nserver > SYN ACK\nclient > ACK\nserver > data 10\nclient > ACK\nclient > data 100\n\
                 icmp 10.9.9.9 > client net-unreachable\n+200ms client > again\n+400ms client > again\n\
                 +800ms client > again\n+1600ms client > again";
    holds(tries, &[("client error", "ENETUNREACH"), ("client calls", "connect write=ENETUNREACH")]);
    // An acknowledgment clears it.
    let answered = "client > SYN\nserver > SYN ACK\nclient > ACK\nserver > data 10\nclient > ACK\nclient > data 100\n\
                    icmp 10.9.9.9 > client net-unreachable\n+200ms client > again\nserver > ACK\nclient > data 100\n\
                    +200ms client > again\n+400ms client > again\n+800ms client > again\n+1600ms client > again";
    holds(answered, &[("client error", "ETIMEDOUT")]);
}

/// A handshake over a road of so many milliseconds, and an exchange.
fn far_away(ms: u32) -> String {
    format!(
        "client > SYN\n+{ms}ms server > SYN ACK\nclient > ACK\nclient > data 100\n+{ms}ms server > data 100\n\
         client > ACK\n"
    )
}

#[test]
fn a_box_on_the_way_ends_nobody_whose_name_it_takes() {
    let open = "SYN-RECEIVED ESTABLISHED";
    // Another number of hops.
    let hops = far_away(20) + "+2 client > data 50\n+20ms server > RST ttl 255";
    holds(&hops, &[("server", open), ("client error", "ECONNRESET"), ("resets", "idle-expired medium")]);
    // Sooner than the server could have heard of it.
    let soon = far_away(20) + "+2 client > data 50\n+1ms server > RST";
    holds(&soon, &[("server", open), ("client error", "ECONNRESET"), ("resets", "idle-expired medium")]);
    let busy = far_away(20) + "+200ms client > data 50\n+20ms server > RST ttl 255";
    holds(&busy, &[("server", open), ("resets", "injected medium")]);
    // Farther away than the server is no box on the way, and what BGP sends with is not what its host answers with.
    let farther = far_away(20) + "+200ms client > data 50\n+20ms server > RST ttl 60";
    let chosen = "server ttl 255\n".to_owned() + &far_away(20) + "+200ms client > data 50\n+20ms server > RST ttl 64";
    for own in [farther, chosen] {
        holds(&own, &[("resets", "no-connection medium")]);
    }
}

#[test]
fn a_host_that_lost_its_state_answers_in_its_own_time() {
    let closed = "SYN-RECEIVED ESTABLISHED CLOSED";
    // What it answers was sent a round trip ago; the last was not.
    let many = far_away(20)
        + "+1 client > data 50\n+7ms client > data 50\n+7ms client > data 50\n+5ms client > data 50\n\
           +1ms server > RST seq 101";
    holds(&many, &[("server", closed), ("resets", "no-connection medium")]);
    // Its own acknowledgment, or what is reordered, may be what it answers.
    let soon = far_away(20) + "+200ms client > data 50\n+1ms server > RST";
    holds(&soon, &[("server", closed), ("resets", "no-connection medium")]);
    // A handshake may be slow for itself.
    let slow = far_away(4) + "+2 client > data 50\n+200us server > RST";
    holds(&slow, &[("server", closed), ("resets", "no-connection medium")]);
}

#[test]
fn an_application_of_fast_open_may_close_before_the_handshake_is_over() {
    let asked = "client > SYN data 50 <mss 1460, sackOK, TS val 1 ecr 0, wscale 7, fastopen>\n\
                 server > SYN ACK ack 51 id 0 <mss 1460, sackOK, TS val 9 ecr 1, wscale 7>\n";
    let closed = asked.to_owned()
        + "server > data 100\nserver > FIN ACK\n+20ms client > ACK ack 1\nclient > ACK\nclient > FIN ACK\n\
           server > ACK";
    holds(
        &closed,
        &[
            ("open", "fast-open"),
            ("server calls", "accept shutdown"),
            ("server", "SYN-RECEIVED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT"),
        ],
    );
    let aborted = "client > SYN data 50 <mss 1460, sackOK, fastopen>\n\
                   +20ms server > SYN ACK ack 51 <mss 1460, sackOK>\n+30us client > ACK\n+2ms server > RST ACK";
    holds(aborted, &[("server", "SYN-RECEIVED CLOSED"), ("client error", "ECONNRESET")]);
}

#[test]
fn resets_that_nobody_hears_end_nobody() {
    let cut = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > ACK\n\
               +1 client > data 50\nserver > RST\n+300ms client > again\nserver > RST\n+600ms client > again\nserver > RST\n\
               +1200ms client > again\nserver > RST\n";
    holds(cut, &[("client", "SYN-SENT ESTABLISHED"), ("client error", "none"), ("close", "reset")]);
    // The next copy was due, and did not come.
    let mended = cut.to_owned() + "b.client 10.0.0.1:40001\nb.server 10.0.0.2:80\n+5 b.client > SYN";
    began_with(&mended, &[("client", "SYN-SENT ESTABLISHED CLOSED"), ("client error", "ECONNRESET")]);
}

#[test]
fn who_asks_again_took_no_error_for_the_last_word() {
    let again = "client > SYN\nicmp 10.0.0.2 > client port-unreachable\n+1 client > again\n\
                 icmp 10.0.0.2 > client port-unreachable";
    holds(again, &[("open", "rejected"), ("client", "SYN-SENT CLOSED"), ("client calls", "connect=ECONNREFUSED")]);
}

const STAMPED: &str = "client > SYN <mss 1460, sackOK, TS val 1000 ecr 0, wscale 7>\n\
                       +20ms server > SYN ACK <mss 1460, sackOK, TS val 7000 ecr 1000, wscale 7> id 0 ttl 52\n\
                       +500us client > ACK win 502\nclient > data 100\n";

#[test]
fn a_box_that_resets_both_ends_ends_both() {
    let both = format!(
        "server ttl 52\n{STAMPED}+20ms server > data 1000 win 502\n+300us client > ACK\n+1s client > data 200\n\
         +1ms server > RST ACK win 0 id 0 ttl 255 <>\n+50us client > RST ACK win 0 id 0 ttl 255 <>"
    );
    let ends = [
        ("resets", "injected medium, injected medium"),
        ("client", "SYN-SENT ESTABLISHED CLOSED"),
        ("server", "SYN-RECEIVED ESTABLISHED CLOSED"),
        ("client error", "ECONNRESET"),
        ("server error", "ECONNRESET"),
    ];
    holds(&both, &ends);
}

#[test]
fn of_a_burst_of_forged_resets_the_one_that_was_taken_is_told() {
    let burst = format!(
        "server ttl 52\n{STAMPED}+5ms server > RST win 100 id 300 ttl 45\n+100us server > RST ACK win 5000 id 3000 ttl 90 <>\n\
         +100us server > RST ACK seq next+1460 win 6460 id 4460 ttl 90 <>"
    );
    let told = [
        ("resets", "injected high, injected high, injected medium"),
        ("client error", "ECONNRESET"),
        ("server", "SYN-RECEIVED ESTABLISHED"),
    ];
    holds(&burst, &told);
}

#[test]
fn a_box_that_has_forgotten_the_flow_answers_every_segment() {
    let twice = far_away(20)
        + "idle 1h\nclient > data 100\n+50us client > data 100\n+1ms server > RST ttl 255 seq next\n\
                                +50us server > RST ttl 255 seq next";
    holds(&twice, &[("resets", "idle-expired high"), ("server", "SYN-RECEIVED ESTABLISHED")]);
    // An abort acknowledges what has come to its sender, and this could not have.
    let aborts = far_away(20) + "idle 1h\nclient > data 100\n+1ms server > RST ACK";
    holds(&aborts, &[("resets", "idle-expired medium"), ("server", "SYN-RECEIVED ESTABLISHED")]);
    let own = far_away(20) + "idle 1h\nclient > data 100\n+20ms server > RST ACK";
    holds(&own, &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
}

#[test]
fn one_reset_is_no_second_witness_against_itself() {
    let lost = "client > SYN\n+20ms server > SYN ACK\n+20ms client > ACK\nclient > data 100\n+20ms server > data 200\nclient > ACK\n\
                +9 server > RST seq 1001";
    holds(lost, &[("resets", "unknown low")]);
}

#[test]
fn a_socket_that_aborts_over_another_road_is_no_box() {
    let asked = format!(
        "server ttl 52\n{STAMPED}+20ms server > data 100 <TS val 7040 ecr 1000>\nclient > ACK\n\
         idle 10min\nclient > data 100 <TS val 601000 ecr 7040>\n"
    );
    let own = format!("{asked}+20ms server > RST ACK win 502 ttl 51 <TS val 607000 ecr 601000>");
    holds(&own, &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
    let soon = format!("{asked}+1ms server > RST ACK win 502 <TS val 607000 ecr 601000>");
    holds(&soon, &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
}

#[test]
fn of_two_resets_of_one_box_none_is_an_end_s_own() {
    let both = far_away(20)
        + "idle 1h\nclient > data 100\n+1ms server > RST ACK win 0 id 0 ttl 255\n+50us client > RST ACK win 0 id 0 ttl 255";
    let ends =
        [("client error", "ECONNRESET"), ("server error", "ECONNRESET"), ("server calls", "accept read=ECONNRESET")];
    holds(&both, &ends);
}

#[test]
fn who_was_reset_by_a_box_is_not_said_to_leak() {
    let closed = format!(
        "server ttl 52\n{STAMPED}+20ms server > data 1000 win 502\n+300us client > ACK\nidle 10min\nclient > FIN ACK\n\
         +2ms server > RST ACK win 0 id 0 ttl 64 <>\nb.client 10.0.0.1:40001\nidle 10min\nb.client > SYN"
    );
    let told = tell_items(&parse(&closed).expect("a readable trace"));
    let findings: Vec<_> =
        told.verdicts.iter().flat_map(|verdict| &verdict.findings).map(|finding| finding.name).collect();
    assert!(findings.contains(&"reset-injected") && !findings.contains(&"close-wait-stuck"), "{findings:?}");
}

#[test]
fn an_abort_s_own_resets_are_not_those_that_a_box_makes_of_what_was_under_way() {
    let aborted = |later: &str| {
        format!(
            "client ttl 116\nserver ttl 60\nclient > SYN id 100\n+20ms server > SYN ACK id 7\n+20ms client > ACK id 101\n\
             client > data 100 id 102\n+20ms server > data 1:1001 ack 101 id 8\nserver > data 1001:2001 ack 101 id 9\n\
             +1ms client > RST ACK seq 101 ack 1 id 103\n+20ms {later}"
        )
    };
    holds(&aborted("client > RST ACK seq 101 ack 1001 id 104"), &[("resets", "linger-zero high")]);
    holds(
        &aborted("client > RST ACK seq 101 ack 1001 id 46000 ttl 244"),
        &[("resets", "linger-zero high, injected medium"), ("client", "SYN-SENT ESTABLISHED CLOSED")],
    );
}
