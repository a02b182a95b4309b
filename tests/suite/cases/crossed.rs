//! What crossed on the way, and what each end had of the other's when it sent its own.

use super::holds;

#[test]
fn a_syn_reported_as_a_duplicate_had_crossed_the_own() {
    let crossed = "client > SYN\n+40ms server > SYN\nclient > SYN ACK\n+60ms server > ACK ack 1";
    let rest = "\nclient > data 100\n+60ms server > ACK";
    // A SYN-ACK that the tap lacks answered the bare SYN, or that was lost and the SYN-ACK alone came.
    holds(&format!("{crossed} <sack 0:1>{rest}"), &[("server", "SYN-SENT SYN-RECEIVED ESTABLISHED")]);
    holds(&format!("{crossed}{rest}"), &[("server", "SYN-SENT ESTABLISHED")]);
}

#[test]
fn who_aborts_had_not_taken_the_other_s_abort() {
    let opened = "client > SYN\n+20ms server > SYN ACK\n+20us client > ACK\nclient > data 100\n+20ms server > ACK\n";
    let aborted = "client > RST ACK win 64\n+90ms server > RST ACK win ";
    holds(&format!("{opened}{aborted}64"), &[("server error", "none"), ("client error", "none")]);
    // What has no window is no live socket's.
    holds(&format!("{opened}{aborted}0"), &[("server error", "ECONNRESET")]);
}

#[test]
fn who_reports_octets_behind_its_reset_was_open_when_it_sent_that() {
    let asked = "client > SYN\n+150ms server > SYN ACK\n+20us client > ACK\nclient > data 100\nclient > data 100";
    let reset = "\n+80ms server > RST\n+10ms server > ACK ack ";
    // Both, or the second alone; and no more than the SYN.
    for (said, states) in [
        ("201", "SYN-RECEIVED ESTABLISHED CLOSED"),
        ("1 <sack 101:201>", "SYN-RECEIVED ESTABLISHED CLOSED"),
        ("1", "SYN-RECEIVED CLOSED"),
    ] {
        holds(&format!("{asked}{reset}{said}"), &[("server", states)]);
    }
}

#[test]
fn what_the_sender_s_clock_dates_before_its_abort_was_overtaken_by_it() {
    let opened = "client > SYN <TS val 1 ecr 0>\n+20ms server > SYN ACK <TS val 50 ecr 1>\n+20us client > ACK <TS val 21 ecr 50>\n";
    let filled = "+1 server > data 100 <TS val 1050 ecr 21>\n+20ms client > ACK win 0 <TS val 1041 ecr 1050>\n";
    let trace = |value: u32| {
        format!(
            "{opened}{filled}+2 server > RST ACK <TS val 3080 ecr 1041>\n+22ms server > data 1 seq 101 <TS val {value} ecr 1041>"
        )
    };
    // The octet of a window probe lies beyond the abort's number.
    holds(&trace(3077), &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
    holds(&trace(3102), &[("server", "SYN-RECEIVED ESTABLISHED")]);
}

#[test]
fn of_two_closes_that_crossed_the_farther_one_was_earlier() {
    let opened = "client > SYN\n+20ms server > SYN ACK\n+20us client > ACK\nclient > data 100\n+20ms server > ACK\n";
    holds(
        &format!("{opened}+5ms client > FIN ACK\n+100us server > FIN ACK ack 101\nclient > RST seq 101 win 0"),
        &[("by", "server")],
    );
    holds(&format!("{opened}+5ms client > FIN ACK\n+30ms server > FIN ACK\nclient > ACK"), &[("by", "client")]);
}

#[test]
fn an_answer_belongs_to_no_copy_that_came_later_than_a_round_trip_before_it() {
    // The client's clock is coarse.
    let trace = "client id 7000\nclient > data 27 seq 1 ack 1 <TS val 50 ecr 100>\nclient > FIN ACK <TS val 50 ecr 100>\n\
                 +21ms server > ACK ack 28 <TS val 121 ecr 50>\n+50us client > FIN ACK id 900 <TS val 50 ecr 121>\n\
                 +1ms server > FIN ACK ack 28 <TS val 122 ecr 50>\n+30us client > FIN ACK id 800 <TS val 50 ecr 122>\n\
                 +3600us server > ACK ack 29 <TS val 126 ecr 50>\nclient > ACK <TS val 50 ecr 126>\n";
    // What echoes more is no copy by the network, whatever its IPv4 id.
    holds(
        trace,
        &[("server", "ESTABLISHED FIN-WAIT-1 CLOSING TIME-WAIT"), ("findings", "fin-retransmitted simultaneous-close")],
    );
}

#[test]
fn a_fin_without_acknowledgment_comes_after_the_one_that_its_sender_had_acknowledged() {
    let trace = "client > SYN\n+20ms server > SYN ACK\n+20ms client > ACK\nserver > data 100\nclient > ACK\n\
                 server > FIN\n+200ms client > ACK\n+200ms client > FIN\n+200ms server > ACK";
    holds(
        trace,
        &[("close", "four-segment"), ("by", "server"), ("client", "SYN-SENT ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED")],
    );
}

#[test]
fn a_fin_that_lacks_the_peers_was_sent_before_that_came_though_a_reset_follows() {
    let opened = "client > SYN\n+1ms server > SYN ACK\n+1ms client > ACK\nclient > data 100\n+1ms server > ACK\n";
    let closed = "+9 client > FIN ACK\n+500us server > data 50 ack 101\n+5ms client > RST seq 102\n+10us server > FIN ACK ack 101\n";
    let trace = format!("{opened}{closed}");
    holds(&trace, &[("server", "SYN-RECEIVED ESTABLISHED FIN-WAIT-1 CLOSING CLOSED")]);
}
