//! The state machine of RFC 9293 as one relation, seen from outside: what an endpoint in a state becomes by a cue. The
//! whole of it is rendered to docs/state-table.md.

use super::cue::Cue;
use super::state::State;

/// What a cue does to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reaction {
    /// The state after it.
    pub to: State,
    /// Whether the pair belongs to the protocol. An unexpected one is a fact about the capture or the host, and counted.
    pub expected: bool,
    /// One sentence and its source.
    pub why: &'static str,
}

const fn moves(to: State, why: &'static str) -> Reaction {
    Reaction { to, expected: true, why }
}

const fn surprise(to: State, why: &'static str) -> Reaction {
    Reaction { to, expected: false, why }
}

/// The relation. Every pair has its arm; an unexpected one says what it means instead of being dropped.
pub const fn transition(state: State, cue: Cue) -> Reaction {
    use State::*;
    match (state, cue) {
        (Closed | Listen, Cue::SendSyn) => moves(SynSent, "Active open (RFC 9293, 3.10.1)."),
        (Closed | Listen, Cue::SendSynAck) => {
            moves(SynReceived, "A SYN had arrived and is answered (3.10.7.2); the listener itself stays in LISTEN.")
        }
        (Closed | Listen, Cue::SendData) => {
            moves(Established, "It speaks as only an open connection does: its opening was not captured.")
        }
        (Closed | Listen, Cue::SendFin) => moves(FinWait1, "It closes a connection whose opening was not captured."),
        (Closed, Cue::SendRst) => moves(Closed, "CLOSED answers what arrives with a reset (3.10.7.1)."),
        (Listen, Cue::SendRst) => moves(Listen, "LISTEN answers an ACK with a reset (3.10.7.2)."),
        (Closed, Cue::Syn) => moves(Closed, "A SYN to CLOSED is answered with a reset (3.10.7.1)."),
        (Listen, Cue::Syn) => moves(SynReceived, "Passive open (3.10.7.2)."),
        (Closed, Cue::SynAck | Cue::AckOfSyn | Cue::Fin | Cue::AckOfFin) => {
            moves(Closed, "CLOSED discards it and answers with a reset (3.10.7.1).")
        }
        (Listen, Cue::SynAck | Cue::AckOfSyn | Cue::AckOfFin) => {
            moves(Listen, "An acknowledgment to LISTEN is answered with a reset (3.10.7.2).")
        }
        (Listen, Cue::Fin) => {
            moves(Listen, "LISTEN does not process a FIN: SEG.SEQ cannot be validated (3.10.7.4, eighth).")
        }
        (Closed, Cue::Rst) => moves(Closed, "A reset to CLOSED is discarded (3.10.7.1)."),
        (Listen, Cue::Rst) => moves(Listen, "A reset to LISTEN is ignored (3.10.7.2)."),
        (Closed | Listen, Cue::IcmpError) => moves(Closed, "There is nothing to abort."),
        (Closed | Listen, Cue::GiveUp | Cue::TimeWaitOver) => surprise(Closed, "No timer runs in CLOSED or LISTEN."),

        (SynSent, Cue::SendSyn) => moves(SynSent, "The SYN is retransmitted (3.8.1)."),
        (SynSent, Cue::SendSynAck) => {
            moves(SynReceived, "It received the peer's SYN: simultaneous open (3.10.7.3, fourth).")
        }
        (SynSent, Cue::SendData) => moves(Established, "It received a SYN+ACK that the capture does not show."),
        (SynSent, Cue::SendFin) => moves(FinWait1, "It was open, unseen, and closes."),
        (SynSent, Cue::SendRst) => moves(Closed, "It refuses what answered its SYN, or had given up (3.10.7.3)."),
        (SynSent, Cue::Syn) => moves(SynReceived, "Simultaneous open (3.10.7.3, fourth)."),
        (SynSent, Cue::SynAck) => moves(Established, "Its SYN is acknowledged (3.10.7.3, fourth)."),
        (SynSent, Cue::AckOfSyn) => {
            moves(SynSent, "An ACK without SYN opens nothing; a split handshake's SYN follows (3.10.7.3).")
        }
        (SynSent, Cue::Fin) => moves(SynSent, "SYN-SENT does not process a FIN (3.10.7.4, eighth)."),
        (SynSent, Cue::AckOfFin) => surprise(SynSent, "It has sent no FIN: the number belongs to another incarnation."),
        (SynSent, Cue::Rst) => moves(Closed, "Connection refused (3.10.7.3, second)."),
        (SynSent, Cue::IcmpError) => moves(Closed, "A hard error aborts an opening connection (RFC 5927, 4; Linux)."),
        (SynSent, Cue::GiveUp) => moves(Closed, "The SYN was never answered (3.8.3)."),
        (SynSent, Cue::TimeWaitOver) => surprise(SynSent, "TIME-WAIT is not running."),

        (SynReceived, Cue::SendSyn) => moves(SynReceived, "A late copy of its own SYN: simultaneous open."),
        (SynReceived, Cue::SendSynAck) => moves(SynReceived, "The SYN+ACK is sent again (3.8.1)."),
        (SynReceived, Cue::SendData) => {
            moves(Established, "It speaks as only an open connection does: the ACK of its SYN had arrived.")
        }
        (SynReceived, Cue::SendFin) => moves(FinWait1, "CLOSE in SYN-RECEIVED (3.10.4)."),
        (SynReceived, Cue::SendRst) => moves(Closed, "It aborts, or refuses an unacceptable ACK (3.10.7.4, fifth)."),
        (SynReceived, Cue::Syn) => moves(SynReceived, "A repeated SYN is answered with the SYN+ACK again."),
        (SynReceived, Cue::SynAck | Cue::AckOfSyn) => moves(Established, "Its SYN is acknowledged (3.10.7.4, fifth)."),
        (SynReceived, Cue::Fin) => moves(CloseWait, "The peer closed at once (3.10.7.4, eighth)."),
        (SynReceived, Cue::AckOfFin) => surprise(SynReceived, "It has sent no FIN as far as the capture shows."),
        (SynReceived, Cue::Rst) => moves(Closed, "The opening is withdrawn; the listener goes on (3.10.7.4, second)."),
        (SynReceived, Cue::IcmpError) => {
            moves(Closed, "A hard error aborts an opening connection (RFC 5927, 4; Linux).")
        }
        (SynReceived, Cue::GiveUp) => moves(Closed, "The SYN+ACK was never acknowledged (3.8.3)."),
        (SynReceived, Cue::TimeWaitOver) => surprise(SynReceived, "TIME-WAIT is not running."),

        (Established, Cue::SendSyn) => {
            surprise(Established, "A SYN inside an open connection: an old duplicate, or a host that forgot it.")
        }
        (Established, Cue::SendSynAck) => {
            moves(Established, "The SYN+ACK again: its ACK was delayed or an old SYN came back.")
        }
        (Established, Cue::SendData) => moves(Established, "Data and acknowledgments (3.10.2)."),
        (Established, Cue::SendFin) => moves(FinWait1, "CLOSE or shutdown (3.10.4)."),
        (Established, Cue::SendRst) => moves(Closed, "ABORT, or nobody is there any more (3.10.5)."),
        (Established, Cue::Syn) => moves(Established, "A SYN is answered with a challenge ACK (RFC 5961, 4)."),
        (Established, Cue::SynAck) => moves(Established, "A repeated SYN+ACK is acknowledged again (3.10.7.4)."),
        (Established, Cue::AckOfSyn) => moves(Established, "Already open."),
        (Established, Cue::Fin) => moves(CloseWait, "The peer closed (3.10.7.4, eighth)."),
        (Established, Cue::AckOfFin) => surprise(Established, "It has sent no FIN as far as the capture shows."),
        (Established, Cue::Rst) => moves(Closed, "Connection reset (3.10.7.4, second)."),
        (Established, Cue::IcmpError) => {
            moves(Established, "ICMP errors are soft once open (RFC 5927, 4; RFC 1122, 4.2.3.9).")
        }
        (Established, Cue::GiveUp) => moves(Closed, "Data or probes went unanswered to the limit (3.8.3)."),
        (Established, Cue::TimeWaitOver) => surprise(Established, "TIME-WAIT is not running."),

        (FinWait1, Cue::SendSyn | Cue::SendSynAck) => {
            surprise(FinWait1, "A SYN inside a closing connection: an old duplicate.")
        }
        (FinWait1, Cue::SendData) => moves(FinWait1, "Queued data or acknowledgments."),
        (FinWait1, Cue::SendFin) => moves(FinWait1, "The FIN is retransmitted (3.8.1)."),
        (FinWait1, Cue::SendRst) => moves(Closed, "Nobody reads any more, or ABORT (RFC 1122, 4.2.2.13)."),
        (FinWait1, Cue::Syn | Cue::SynAck) => moves(FinWait1, "Answered with an ACK (RFC 5961, 4)."),
        (FinWait1, Cue::AckOfSyn) => moves(FinWait1, "Already open."),
        (FinWait1, Cue::Fin) => moves(Closing, "The FINs crossed (3.10.7.4, eighth)."),
        (FinWait1, Cue::AckOfFin) => moves(FinWait2, "Its FIN is acknowledged (3.10.7.4, fifth)."),
        (FinWait1, Cue::Rst) => moves(Closed, "Connection reset (3.10.7.4, second)."),
        (FinWait1, Cue::IcmpError) => moves(FinWait1, "ICMP errors are soft once open (RFC 5927, 4)."),
        (FinWait1, Cue::GiveUp) => {
            moves(Closed, "The FIN was never acknowledged: the orphan's retries ran out (Linux tcp_orphan_retries).")
        }
        (FinWait1, Cue::TimeWaitOver) => surprise(FinWait1, "TIME-WAIT is not running."),

        (FinWait2, Cue::SendSyn | Cue::SendSynAck) => {
            surprise(FinWait2, "A SYN inside a closing connection: an old duplicate.")
        }
        (FinWait2, Cue::SendData) => moves(FinWait2, "It acknowledges what still arrives."),
        (FinWait2, Cue::SendFin) => moves(FinWait2, "A late copy of the FIN."),
        (FinWait2, Cue::SendRst) => moves(
            Closed,
            "The application has gone: data is refused (RFC 1122, 4.2.2.13), or the FIN-WAIT-2 timer had run out.",
        ),
        (FinWait2, Cue::Syn | Cue::SynAck) => moves(FinWait2, "Answered with an ACK (RFC 5961, 4)."),
        (FinWait2, Cue::AckOfSyn | Cue::AckOfFin) => moves(FinWait2, "Already acknowledged."),
        (FinWait2, Cue::Fin) => moves(TimeWait, "The peer closed too (3.10.7.4, eighth)."),
        (FinWait2, Cue::Rst) => moves(Closed, "Connection reset (3.10.7.4, second)."),
        (FinWait2, Cue::IcmpError) => moves(FinWait2, "ICMP errors are soft once open (RFC 5927, 4)."),
        (FinWait2, Cue::GiveUp) => moves(Closed, "Nobody waits for the other FIN any longer (Linux tcp_fin_timeout)."),
        (FinWait2, Cue::TimeWaitOver) => surprise(FinWait2, "TIME-WAIT is not running."),

        (CloseWait, Cue::SendSyn | Cue::SendSynAck) => {
            surprise(CloseWait, "A SYN inside a closing connection: an old duplicate.")
        }
        (CloseWait, Cue::SendData) => moves(CloseWait, "Half-closed: it may go on sending (3.6)."),
        (CloseWait, Cue::SendFin) => moves(LastAck, "The application closed (3.10.4)."),
        (CloseWait, Cue::SendRst) => moves(Closed, "ABORT, or nobody is there any more (3.10.5)."),
        (CloseWait, Cue::Syn | Cue::SynAck) => moves(CloseWait, "Answered with an ACK (RFC 5961, 4)."),
        (CloseWait, Cue::AckOfSyn) => moves(CloseWait, "Already open."),
        (CloseWait, Cue::Fin) => moves(CloseWait, "The FIN again (3.10.7.4, eighth)."),
        (CloseWait, Cue::AckOfFin) => surprise(CloseWait, "It has sent no FIN as far as the capture shows."),
        (CloseWait, Cue::Rst) => moves(Closed, "Connection reset (3.10.7.4, second)."),
        (CloseWait, Cue::IcmpError) => moves(CloseWait, "ICMP errors are soft once open (RFC 5927, 4)."),
        (CloseWait, Cue::GiveUp) => moves(Closed, "Data or probes went unanswered to the limit (3.8.3)."),
        (CloseWait, Cue::TimeWaitOver) => surprise(CloseWait, "TIME-WAIT is not running."),

        (Closing, Cue::SendSyn | Cue::SendSynAck) => {
            surprise(Closing, "A SYN inside a closing connection: an old duplicate.")
        }
        (Closing, Cue::SendData) => moves(Closing, "It acknowledges the peer's FIN."),
        (Closing, Cue::SendFin) => moves(Closing, "The FIN is retransmitted (3.8.1)."),
        (Closing, Cue::SendRst) => moves(Closed, "Nobody is there any more."),
        (Closing, Cue::Syn | Cue::SynAck) => moves(Closing, "Answered with an ACK (RFC 5961, 4)."),
        (Closing, Cue::AckOfSyn) => moves(Closing, "Already open."),
        (Closing, Cue::Fin) => moves(Closing, "The FIN again (3.10.7.4, eighth)."),
        (Closing, Cue::AckOfFin) => moves(TimeWait, "Its FIN is acknowledged too (3.10.7.4, fifth)."),
        (Closing, Cue::Rst) => {
            moves(Closed, "Reset after both had closed: no error to the application (3.10.7.4, second).")
        }
        (Closing, Cue::IcmpError) => moves(Closing, "ICMP errors are soft once open (RFC 5927, 4)."),
        (Closing, Cue::GiveUp) => moves(Closed, "The FIN was never acknowledged."),
        (Closing, Cue::TimeWaitOver) => surprise(Closing, "TIME-WAIT is not running."),

        (LastAck, Cue::SendSyn | Cue::SendSynAck) => {
            surprise(LastAck, "A SYN inside a closing connection: an old duplicate.")
        }
        (LastAck, Cue::SendData) => moves(LastAck, "Queued data or acknowledgments."),
        (LastAck, Cue::SendFin) => moves(LastAck, "The FIN is retransmitted (3.8.1)."),
        (LastAck, Cue::SendRst) => moves(Closed, "Nobody is there any more."),
        (LastAck, Cue::Syn | Cue::SynAck) => moves(LastAck, "Answered with an ACK (RFC 5961, 4)."),
        (LastAck, Cue::AckOfSyn) => moves(LastAck, "Already open."),
        (LastAck, Cue::Fin) => moves(LastAck, "The FIN again (3.10.7.4, eighth)."),
        (LastAck, Cue::AckOfFin) => moves(Closed, "Its FIN is acknowledged: all done (3.10.7.4, fifth)."),
        (LastAck, Cue::Rst) => {
            moves(Closed, "Reset after both had closed: no error to the application (3.10.7.4, second).")
        }
        (LastAck, Cue::IcmpError) => moves(LastAck, "ICMP errors are soft once open (RFC 5927, 4)."),
        (LastAck, Cue::GiveUp) => {
            moves(Closed, "The FIN was never acknowledged: the orphan's retries ran out (Linux tcp_orphan_retries).")
        }
        (LastAck, Cue::TimeWaitOver) => surprise(LastAck, "TIME-WAIT is not running."),

        (TimeWait, Cue::SendSyn | Cue::SendSynAck) => {
            surprise(TimeWait, "A SYN of the old incarnation came back, or the ports are used again.")
        }
        (TimeWait, Cue::SendData) => moves(TimeWait, "It acknowledges a repeated FIN (3.10.7.4)."),
        (TimeWait, Cue::SendFin) => moves(TimeWait, "A late copy of the FIN."),
        (TimeWait, Cue::SendRst) => moves(Closed, "TIME-WAIT was not kept: a segment met nobody."),
        (TimeWait, Cue::Syn) => moves(TimeWait, "Acknowledged, or accepted as a new incarnation (3.10.7.4; RFC 6191)."),
        (TimeWait, Cue::SynAck | Cue::AckOfSyn | Cue::AckOfFin) => moves(TimeWait, "Nothing is left to acknowledge."),
        (TimeWait, Cue::Fin) => {
            moves(TimeWait, "A repeated FIN is acknowledged and restarts 2 MSL (3.10.7.4, eighth).")
        }
        (TimeWait, Cue::Rst) => moves(Closed, "TIME-WAIT assassination (RFC 1337)."),
        (TimeWait, Cue::IcmpError) => moves(TimeWait, "ICMP errors are soft once open (RFC 5927, 4)."),
        (TimeWait, Cue::GiveUp) => surprise(TimeWait, "TIME-WAIT retransmits nothing."),
        (TimeWait, Cue::TimeWaitOver) => moves(Closed, "2 MSL have passed (3.10.8)."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_active_close_walks_the_rfc_s_figure() {
        let walk = [
            (Cue::SendSyn, State::SynSent),
            (Cue::SynAck, State::Established),
            (Cue::SendFin, State::FinWait1),
            (Cue::AckOfFin, State::FinWait2),
            (Cue::Fin, State::TimeWait),
            (Cue::TimeWaitOver, State::Closed),
        ];
        let mut state = State::Closed;
        for (cue, expected) in walk {
            let reaction = transition(state, cue);
            assert!(reaction.expected, "{state} {cue}");
            assert_eq!(reaction.to, expected, "{state} {cue}");
            state = reaction.to;
        }
    }

    #[test]
    fn a_surprise_moves_only_a_state_without_timers() {
        for state in State::ALL {
            for &cue in Cue::ALL {
                let reaction = transition(state, cue);
                if !reaction.expected && state != State::Listen {
                    assert_eq!(reaction.to, state, "{state} {cue}: a surprise must not invent a transition");
                }
                assert!(reaction.why.ends_with('.'), "{state} {cue}");
            }
        }
    }
}
