//! Small traces of segments that were lost behind the tap, or before it, and of what shows that.

use crate::cases::holds;

#[test]
fn octets_that_are_sent_again_behind_a_reset_show_that_it_did_not_come() {
    let opened = "client > SYN\n+10ms server > SYN ACK\n+10us client > ACK\n";
    let beyond = "+100ms server > data 100 seq 101\n+10us client > ACK ack 1\n";
    let reset = |after: &str| format!("{after} client > RST ACK seq 1 ack 1\n+80ms server > data 100 seq 1");
    // So long after what lies beyond them they were sent again, and not overtaken by that.
    let again = format!("{opened}{beyond}{}", reset("+250ms"));
    holds(&again, &[("server", "SYN-RECEIVED ESTABLISHED"), ("client", "SYN-SENT ESTABLISHED CLOSED")]);
    // Sooner they may have been overtaken by it, and by the reset.
    let overtaken = format!("{opened}{beyond}{}", reset("+20ms"));
    holds(&overtaken, &[("server", "SYN-RECEIVED ESTABLISHED CLOSED"), ("client", "SYN-SENT ESTABLISHED CLOSED")]);
}

#[test]
fn a_probe_comes_by_its_timer_and_measures_no_road() {
    // The road is not as long as the keepalive waits, so that the reset was lost.
    let opened = "client > SYN <TS val 4 ecr 0>
         +1 client > SYN <TS val 1004 ecr 0>
         +2 server > SYN ACK <TS val 3030 ecr 4>
         +24ms client > ACK <TS val 3057 ecr 3030>\n";
    let reset = |then: &str| format!("{opened}+200ms client > RST ACK <TS val 3257 ecr 3030>\n+530ms server > {then}");
    let probe = reset("ACK seq 0 data 1 <TS val 3784 ecr 3057>");
    holds(&probe, &[("server", "SYN-RECEIVED ESTABLISHED")]);
    // What is no probe may have been as long on its way.
    let data = reset("data 1 <TS val 3784 ecr 3057>");
    holds(&data, &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
}

#[test]
fn a_syn_ack_that_comes_again_after_two_seconds_had_come_before() {
    // The road to the server is not as long as its timer: the first SYN-ACK was lost, and so were the acknowledgments.
    let opened = "client > SYN <TS val 5 ecr 0>
         +1.03 server > SYN ACK <TS val 1036 ecr 5>
         +30ms client > ACK <TS val 1066 ecr 1036>\n";
    let again = |after: &str| format!("{opened}+950ms client > data 5\n+{after} server > SYN ACK <TS val 2036 ecr 5>");
    holds(&again("1.02"), &[("server", "SYN-RECEIVED")]);
    // After one second it was the first, and the road may be so long.
    holds(&again("20ms"), &[("server", "SYN-RECEIVED ESTABLISHED")]);
}

#[test]
fn an_abort_that_acknowledges_payload_had_been_open() {
    // Every acknowledgment of the server's was lost before the tap, and the first of the client's behind it.
    let opened = "client > SYN
         +10ms server > SYN ACK
         +10ms client > ACK
         +1 server > SYN ACK
         +10ms client > ACK seq 1 ack 1
         +1 client > data 100
         +1 client > data 100 seq 1\n";
    let abort = |ack: u32| format!("{opened}+100ms server > RST ACK seq 1 ack {ack}");
    holds(&abort(101), &[("server", "SYN-RECEIVED ESTABLISHED CLOSED")]);
    holds(&abort(1), &[("server", "SYN-RECEIVED CLOSED")]);
}

#[test]
fn what_a_reset_overtook_was_sent_before_it_came() {
    let opened =
        "client > SYN\n+10ms server > SYN ACK\n+10ms client > ACK\n+10ms client > data 9\n+10ms server > ACK\n";
    let overtook = format!("{opened}+100ms server > RST ACK seq 1 ack 10\n+30ms client > FIN ACK");
    holds(&overtook, &[("client", "SYN-SENT ESTABLISHED FIN-WAIT-1 CLOSED")]);
}
