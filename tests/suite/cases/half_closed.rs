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
