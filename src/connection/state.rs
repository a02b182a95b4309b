//! The eleven states of RFC 9293, section 3.3.2.

use std::fmt;

/// A state of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum State {
    /// No connection.
    Closed,
    /// Waiting for a SYN.
    Listen,
    /// SYN sent, waiting for its answer.
    SynSent,
    /// SYN received and sent, waiting for the acknowledgment of the latter.
    SynReceived,
    /// Open.
    Established,
    /// FIN sent, waiting for its acknowledgment or the peer's FIN.
    FinWait1,
    /// FIN acknowledged, waiting for the peer's FIN.
    FinWait2,
    /// The peer's FIN received, waiting for the local application to close.
    CloseWait,
    /// FINs crossed, waiting for the acknowledgment of the own one.
    Closing,
    /// Own FIN sent after the peer's, waiting for its acknowledgment.
    LastAck,
    /// Closed first; waiting for old segments to die out.
    TimeWait,
}

impl State {
    /// All states in the RFC's order of life.
    pub const ALL: [State; 11] = [
        State::Closed,
        State::Listen,
        State::SynSent,
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
        State::TimeWait,
    ];

    /// The states that a socket of a connection can be in, in the order of a life.
    pub const OF_SOCKETS: [State; 9] = [
        State::SynSent,
        State::SynReceived,
        State::Established,
        State::FinWait1,
        State::FinWait2,
        State::CloseWait,
        State::Closing,
        State::LastAck,
        State::TimeWait,
    ];

    /// The RFC's spelling.
    pub const fn name(self) -> &'static str {
        match self {
            State::Closed => "CLOSED",
            State::Listen => "LISTEN",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
