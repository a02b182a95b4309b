//! What routers and boxes between the ends do and say, and an application that is handed its socket early.

use super::holds;

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

#[test]
fn an_application_of_fast_open_may_close_before_the_handshake_is_over() {
    let asked = "client > SYN data 50 <mss 1460, sackOK, fastopen>\nserver > SYN ACK ack 51 <mss 1460, sackOK>\n";
    let closed = asked.to_owned()
        + "server > data 100\nserver > FIN ACK\n+20ms client > ACK ack 1\nclient > ACK\nclient > FIN ACK\n\
           server > ACK";
    holds(&closed, &[("open", "fast-open"), ("server", "SYN-RECEIVED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT")]);
    let aborted = "client > SYN data 50 <mss 1460, sackOK, fastopen>\n\
                   +20ms server > SYN ACK ack 51 <mss 1460, sackOK>\n+30us client > ACK\n+2ms server > RST ACK";
    holds(aborted, &[("server", "SYN-RECEIVED CLOSED"), ("client error", "ECONNRESET")]);
}

#[test]
fn who_asks_again_took_no_error_for_the_last_word() {
    let again = "client > SYN\nicmp 10.0.0.2 > client port-unreachable\n+1 client > again\n\
                 icmp 10.0.0.2 > client port-unreachable";
    holds(again, &[("open", "rejected"), ("client", "SYN-SENT CLOSED"), ("client calls", "connect=ECONNREFUSED")]);
}
