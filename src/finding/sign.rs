//! What shows of a connection at first sight, so that only those findings look at it which it could concern.

use bitflags::bitflags;

use super::case::Case;
use crate::base::Side;
use crate::connection::{Class, CloseKind, Half, OpenKind, State};

bitflags! {
    /// Something out of the ordinary. A finding names the signs without which it is never found; an orderly connection
    /// shows none of them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Sign: u32 {
        /// A reset was sent.
        const RESET = 1;
        /// The same four-tuple was used before.
        const PREDECESSOR = 1 << 1;
        /// A side sent more than one SYN.
        const SYN_AGAIN = 1 << 2;
        /// A side sent more than one SYN-ACK.
        const SYN_ACK_AGAIN = 1 << 3;
        /// An acknowledgment of the SYN-ACK was seen and took no effect.
        const ACK_OF_SYN_LOST = 1 << 4;
        /// Nobody answered the SYN.
        const UNANSWERED = 1 << 5;
        /// A reset answered the SYN.
        const REFUSED = 1 << 6;
        /// An ICMP error answered the SYN.
        const REJECTED = 1 << 7;
        /// Nobody acknowledged the SYN-ACK.
        const HALF_OPEN = 1 << 8;
        /// Both ends opened.
        const SIMULTANEOUS_OPEN = 1 << 9;
        /// The SYN-ACK came as two segments.
        const SPLIT = 1 << 10;
        /// It began before the capture.
        const MIDSTREAM = 1 << 11;
        /// A side sent more than one FIN.
        const FIN_AGAIN = 1 << 12;
        /// Neither FIN acknowledges the other.
        const FINS_CROSSED = 1 << 13;
        /// A side sent more than a farewell after the peer's FIN.
        const HALF_CLOSE = 1 << 14;
        /// A side is in CLOSE-WAIT at the end.
        const CLOSE_WAIT = 1 << 15;
        /// Something came beyond its sender's FIN.
        const BEYOND_FIN = 1 << 16;
        /// Something came after the last FIN was acknowledged.
        const AFTER_END = 1 << 17;
        /// A FIN, and a life that is long enough for silence before it.
        const LATE_FIN = 1 << 18;
        /// Nothing shows that both ends closed.
        const UNFINISHED = 1 << 19;
        /// A side sent something again, or into a gap.
        const REPETITION = 1 << 20;
        /// A silence worth telling of.
        const SILENCE = 1 << 21;
        /// A side sent keepalive probes.
        const KEEPALIVE = 1 << 22;
        /// A side closed its window.
        const ZERO_WINDOW = 1 << 23;
        /// An ICMP error quotes it.
        const ICMP_ERROR = 1 << 24;
        /// A side was talking to nobody at the end.
        const NO_ANSWER = 1 << 25;
        /// A side was not heard at all.
        const ONE_SIDED = 1 << 26;
        /// Octets were acknowledged that the capture does not have.
        const GAP = 1 << 27;
        /// The recording did something to a frame.
        const ARTEFACT = 1 << 28;
        /// The capture's clock ran backwards.
        const CLOCK_BACK = 1 << 29;
        /// A filter left out all but control segments.
        const CONTROLS_ALONE = 1 << 30;
    }
}

/// A FIN in a shorter life comes after no silence that counts, ns; half of what does.
const LATE_NS: i64 = 500_000_000;

impl Sign {
    /// Those that `case` shows.
    pub(super) fn of(case: &Case<'_>) -> Self {
        let (connection, life) = (case.connection, case.life);
        let closing = &life.closing;
        let either = |shows: fn(&Half) -> bool| Side::BOTH.into_iter().any(|side| shows(&connection.halves[side]));
        let classes = life.notes.iter().fold(Class::empty(), |all, note| all | note.class);
        let mut signs = Self::of_opening(life.opening.kind);
        let mut shows = |is: bool, sign: Sign| {
            if is {
                signs |= sign;
            }
        };
        shows(!life.resets.is_empty() || !connection.resets.is_empty(), Self::RESET);
        shows(connection.predecessor.is_some(), Self::PREDECESSOR);
        shows(either(|half| half.syns > 1 || half.syns > 0 && half.syn_acks > 0), Self::SYN_AGAIN);
        shows(either(|half| half.syn_acks > 1), Self::SYN_ACK_AGAIN);
        shows(life.arrivals.lost_acks_of_syn[Side::Server] > 0, Self::ACK_OF_SYN_LOST);
        shows(either(|half| half.fins > 1), Self::FIN_AGAIN);
        shows(closing.fins_crossed, Self::FINS_CROSSED);
        shows(closing.half_closed.client || closing.half_closed.server, Self::HALF_CLOSE);
        let is_waiting = |side: Side| life.last_shown(side).is_some_and(|step| step.state == State::CloseWait);
        shows(Side::BOTH.into_iter().any(is_waiting), Self::CLOSE_WAIT);
        shows(classes.contains(Class::BEYOND_FIN), Self::BEYOND_FIN);
        let newest = life.notes.last().map_or(0, |note| note.frame);
        shows(life.over_since().is_some_and(|over| newest > over.frame), Self::AFTER_END);
        // A clock that was set back tells nothing of how long it was.
        let is_late = connection.clock_steps_back > 0 || connection.end.since(connection.start) >= LATE_NS;
        shows(is_late && (closing.fins.client.is_some() || closing.fins.server.is_some()), Self::LATE_FIN);
        shows(matches!(closing.kind, CloseKind::None | CloseKind::HalfClosed), Self::UNFINISHED);
        let repeats = classes.intersects(Class::RETRANSMISSION | Class::FILLS_GAP);
        shows(repeats || either(|half| half.retransmissions > 0), Self::REPETITION);
        shows(case.thresholds.is_idle(connection.longest_silence.0), Self::SILENCE);
        shows(either(|half| half.keepalives > 0), Self::KEEPALIVE);
        shows(either(|half| half.zero_windows > 0), Self::ZERO_WINDOW);
        shows(!connection.icmp_errors.is_empty(), Self::ICMP_ERROR);
        shows(closing.unanswered.is_some(), Self::NO_ANSWER);
        shows(either(|half| half.frames == 0), Self::ONE_SIDED);
        shows(super::capture::capture_gap::has_gap(case), Self::GAP);
        shows(connection.journal.has_artefacts(), Self::ARTEFACT);
        shows(connection.clock_steps_back > 0, Self::CLOCK_BACK);
        shows(connection.shows_controls_alone(), Self::CONTROLS_ALONE);
        signs
    }

    fn of_opening(kind: OpenKind) -> Self {
        match kind {
            OpenKind::ThreeWay | OpenKind::FastOpen | OpenKind::Aborted => Self::empty(),
            OpenKind::Simultaneous => Self::SIMULTANEOUS_OPEN,
            OpenKind::Split => Self::SPLIT,
            OpenKind::Refused => Self::REFUSED,
            OpenKind::Rejected => Self::REJECTED,
            OpenKind::Unanswered => Self::UNANSWERED,
            OpenKind::HalfOpen => Self::HALF_OPEN,
            OpenKind::Midstream => Self::MIDSTREAM,
        }
    }
}
