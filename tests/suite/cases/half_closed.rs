//! What goes on after the first FIN.

use lastack::connection::State;
use lastack::source::script::parse;

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
