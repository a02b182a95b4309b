//! The words for how a connection began, ended and is known.

use smallvec::SmallVec;

use super::State;
use crate::base::{Seq, Timestamp, words};

words! {
    /// How the client was recognised.
    RoleBasis {
        /// It sent the SYN.
        Syn = "syn",
        /// The other end sent a SYN-ACK.
        SynAck = "syn-ack",
        /// By port numbers and who spoke first; the capture began later.
        Guess = "guess",
    }
}

words! {
    /// How a connection began.
    OpenKind {
        /// SYN, SYN-ACK, ACK.
        ThreeWay = "three-way",
        /// Both ends sent a SYN (RFC 9293, section 3.5, figure 7).
        Simultaneous = "simultaneous",
        /// The SYN-ACK came as two segments.
        Split = "split",
        /// Data was accepted with the SYN (RFC 7413).
        FastOpen = "fast-open",
        /// A reset answered the SYN.
        Refused = "refused",
        /// An ICMP error quoted the SYN.
        Rejected = "rejected",
        /// Nobody answered the SYN.
        Unanswered = "unanswered",
        /// The SYN-ACK was never acknowledged.
        HalfOpen = "half-open",
        /// Reset before the handshake was complete.
        Aborted = "aborted",
        /// It began before the capture.
        Midstream = "midstream",
    }
}

words! {
    /// How a connection ended.
    CloseKind {
        /// FIN, ACK, FIN, ACK.
        FourSegment = "four-segment",
        /// FIN, FIN+ACK, ACK.
        ThreeSegment = "three-segment",
        /// The FINs crossed.
        Simultaneous = "simultaneous",
        /// One end stopped sending and the other went on.
        HalfClosed = "half-closed",
        /// A reset that was accepted.
        Reset = "reset",
        /// An end gave up unanswered.
        TimedOut = "timed-out",
        /// Still open when the capture ends.
        None = "none",
        /// It never opened: the reset that answered the SYN is its end.
        Refused = "refused",
    }
}

words! {
    /// Who began the close.
    Initiator {
        /// The client.
        Client = "client",
        /// The server.
        Server = "server",
        /// Both, independently.
        Both = "both",
    }
}

words! {
    /// How a state is known.
    Basis {
        /// The endpoint sent something that only this state sends.
        Seen = "seen",
        /// It must have received what moves it there.
        Inferred = "inferred",
        /// The capture began later, or a timer of the profile ran out.
        Assumed = "assumed",
    }
}

/// How much of its peer's payload somebody had when it spoke, by what that segment acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// All that was captured.
    All,
    /// What came before the last segment of it, and not that.
    Before,
    /// Less, or there was nothing before.
    Less,
}

impl Heard {
    /// Of who acknowledges `ack`, when its peer has sent `total` octets, and begun its last segment of `octets` at `from`.
    pub(crate) fn of(ack: Seq, from: Seq, octets: u32, total: u64) -> Self {
        match total {
            0 => Self::All,
            _ if ack.at_or_after(from + octets) => Self::All,
            _ if ack.at_or_after(from) && total > octets.into() => Self::Before,
            _ => Self::Less,
        }
    }
}

/// Frames that show something; mostly a few.
pub type Frames = SmallVec<[u64; 6]>;

/// One state that an endpoint entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateStep {
    /// The state entered.
    pub state: State,
    /// When, on the capture's clock.
    pub time: Timestamp,
    /// The frame that shows it; none for a timer.
    pub frame: Option<u64>,
    /// How it is known.
    pub basis: Basis,
}
