//! What goes on after the first FIN.

use lastack::connection::State;
use lastack::source::script::parse;

use super::holds;
use crate::told::tell_items;

#[test]
fn a_fin_was_taken_when_the_first_of_many_segments_acknowledged_it() {
    let opened = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > FIN ACK\n";
    let upload = "client > data 1000\nserver > ACK\n".repeat(100);
    let told = tell_items(&parse(&format!("{opened}{upload}")).expect("a readable trace"));
    let states = &told.verdicts[0].endpoints.server.states;
    let waits = states.iter().find(|step| step.state == State::FinWait2).expect("its FIN was acknowledged");
    assert_eq!(waits.frame, Some(6));
}

#[test]
fn who_gave_up_in_fin_wait_1_knows_no_fin() {
    let in_vain = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > ACK\nserver > FIN ACK\n\
                   +200ms server > again\n+400ms server > again\n+800ms server > again\n+5 client > FIN ACK ack 1\n\
                   server > RST";
    holds(in_vain, &[("resets", "no-connection medium")]);
}

#[test]
fn a_socket_that_acknowledges_data_after_its_fin_was_shut_down_and_not_closed() {
    let opened = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > data 100\nserver > ACK\n";
    let crossed =
        "server > data 300\nclient > FIN ACK ack 1\n+20ms client > ACK ack 301\nserver > FIN ACK\nclient > ACK id 0";
    holds(&format!("{opened}{crossed}"), &[("client calls", "connect shutdown")]);
    // Linux keeps only a mini socket of a closed one, and that has no counter for ids; other stacks' ids go on.
    let closed = "client > FIN ACK\n+40ms server > ACK\n+1 server > FIN ACK\nclient > ACK id ";
    let opened_by = |options: &str| opened.replace("SYN\n", &format!("SYN <{options}>\n"));
    let (linux, windows) = (opened_by("mss 1460, sackOK, wscale 7"), opened_by("mss 1460, wscale 8, sackOK"));
    holds(&format!("{linux}{closed}0"), &[("client calls", "connect close")]);
    holds(&format!("{linux}{closed}9"), &[("client calls", "connect shutdown")]);
    for unknown in [&windows, opened] {
        holds(&format!("{unknown}{closed}9"), &[("client calls", "connect close")]);
    }
}

#[test]
fn what_nobody_acknowledges_after_a_close_shows_no_half_close() {
    let closed = "client > SYN\n+20ms server > SYN ACK\nclient > ACK\nclient > data 100\n+20ms server > data 1000\nclient > ACK\n\
                  +5s server > FIN ACK\n+40ms client > ACK\n+3s client > data 100\n";
    holds(closed, &[("close", "none"), ("findings", "")]);
    holds(&format!("{closed}+20ms server > ACK"), &[("close", "half-closed"), ("findings", "half-close")]);
}
