//! What one incarnation of a four-tuple leaves for the next one to be judged against.

use super::half::Half;
use super::lifecycle::Lifecycle;
use super::profile::Profile;
use super::state::State;
use super::step::Connection;
use crate::base::{Endpoint, Seq, Side, Sides, Timestamp};
use crate::segment::{Flags, Segment};

/// One end of the earlier incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PastHalf {
    /// Its initial sequence number.
    pub isn: Option<Seq>,
    /// What Wireshark took for its initial number.
    pub base: Option<Seq>,
    /// SND.NXT at the end.
    pub nxt: Option<Seq>,
    /// It had sent a FIN.
    pub fin: bool,
    /// Its FIN was acknowledged.
    pub fin_acked: bool,
    /// Its SYN or SYN-ACK was never acknowledged, and nothing came after it: the same one may still be sent again.
    pub syn_unanswered: bool,
    /// It had sent a RST.
    pub rst: bool,
    /// Frame order of its first FIN or RST against the peer's: the first closer.
    pub closed_first: bool,
    /// Its last TSval.
    pub timestamp: Option<u32>,
    /// Its state at the end, where the next stream is the same connection still.
    pub state: Option<State>,
}

/// The incarnation before on the same four-tuple.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Predecessor {
    /// Its stream number.
    pub stream: u64,
    /// When its newest segment was captured.
    pub end: Timestamp,
    /// A FIN or RST counts in Wireshark's completeness.
    pub closing: bool,
    /// One end; the two are named by address, since client and server may have changed places.
    pub a: (Endpoint, PastHalf),
    /// The other end.
    pub b: (Endpoint, PastHalf),
}

/// What of a [`Predecessor`] does not depend on whose it was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Leavings {
    /// When its newest segment was captured.
    pub end: Timestamp,
    /// A FIN or RST counts in Wireshark's completeness.
    pub closing: bool,
    /// The client's half and the server's.
    pub halves: [PastHalf; 2],
}

/// The SYN or SYN-ACK that began the next incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Successor {
    /// Its frame.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Whose.
    pub sender: Endpoint,
    /// Its own number.
    pub isn: Seq,
    /// What a SYN-ACK acknowledges.
    pub ack: Option<Seq>,
    /// Its TSval.
    pub timestamp: Option<u32>,
    /// The frame in which its sender goes on with the connection that the SYN came into: it never opened another.
    pub goes_on: Option<u64>,
    /// What each end said to a SYN-ACK that answers the SYN of the incarnation before.
    pub answers: Sides<Option<Answer>>,
}

/// What an end says in the next incarnation, which began with the answer to its own SYN or is that answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Answer {
    /// It goes on, and so has a socket.
    GoesOn,
    /// It resets that: it has none any more.
    Resets,
}

impl Successor {
    pub(super) fn of(opening: &Segment) -> Self {
        let ack = opening.flags.contains(Flags::ACK).then_some(opening.ack);
        let timestamp = opening.options.timestamps.map(|stamps| stamps.value);
        let (frame, time, sender) = (opening.frame.0, opening.time, opening.source);
        Self { frame, time, sender, isn: opening.seq, ack, timestamp, goes_on: None, answers: Sides::default() }
    }
}

impl Predecessor {
    /// The connection of this stream number between the client and the server, of which that is left.
    pub fn between([client, server]: [Endpoint; 2], stream: u64, left: &Leavings) -> Self {
        let &Leavings { end, closing, halves: [a, b] } = left;
        Self { stream, end, closing, a: (client, a), b: (server, b) }
    }

    /// What `connection` leaves behind.
    pub fn of(connection: &Connection) -> Self {
        let first_closer = connection.first_closer();
        let past = |side: Side| {
            (connection.endpoint(side), PastHalf::of(&connection.halves[side], first_closer == Some(side)))
        };
        let closing = connection.counts_closing();
        Self { stream: connection.stream, end: connection.end, closing, a: past(Side::Client), b: past(Side::Server) }
    }

    /// The same, for the stream that `opening` begins: a SYN-ACK that comes once more, after a FIN or RST, is of the same
    /// connection, and opens a new number only as Wireshark counts.
    pub fn before(connection: &Connection, opening: &Segment, profile: Profile) -> Self {
        let mut past = Self::of(connection);
        let is_same = past.half(opening.source).isn == Some(opening.seq);
        if opening.flags.contains(Flags::ACK) && is_same {
            let life = Lifecycle::of(connection, connection.end, profile);
            // What opens still, shows itself.
            let last = |side: Side| life.states[side].last().map(|step| step.state);
            let is_open = |state: &State| !matches!(state, State::SynSent | State::SynReceived);
            past.a.1.state = last(Side::Client).filter(is_open);
            past.b.1.state = last(Side::Server).filter(is_open);
        }
        past
    }

    /// The end that had sent a FIN, and the other had not, if the next stream is the same connection still.
    pub fn closer(&self) -> Option<Endpoint> {
        let closed = |half: &PastHalf| half.state.is_some() && half.fin && !half.rst;
        match (closed(&self.a.1), closed(&self.b.1)) {
            (true, false) => Some(self.a.0),
            (false, true) => Some(self.b.0),
            _ => None,
        }
    }

    /// Something of it was captured: sampled headers alone leave nothing to judge by.
    pub fn is_known(&self) -> bool {
        self.a.1.base.is_some() || self.b.1.base.is_some()
    }

    /// The earlier half of the end with this address and port.
    pub fn half(&self, endpoint: Endpoint) -> &PastHalf {
        if self.a.0 == endpoint { &self.a.1 } else { &self.b.1 }
    }

    /// The SYN or SYN-ACK of `endpoint` with the initial number `isn` had been sent in this incarnation too, and stood
    /// unanswered: one that comes now is that one, sent again.
    pub fn sent_same_syn(&self, endpoint: Endpoint, isn: Option<Seq>) -> bool {
        let half = self.half(endpoint);
        half.syn_unanswered && half.isn.is_some() && half.isn == isn
    }

    /// All of it was a SYN of `client` and resets in the other end's name that refused it.
    pub fn was_refused(&self, client: Endpoint) -> bool {
        let (own, other) = if self.a.0 == client { (&self.a.1, &self.b.1) } else { (&self.b.1, &self.a.1) };
        let only_syn = own.isn.is_some_and(|isn| own.nxt == Some(isn + 1)) && !own.fin && !own.rst;
        only_syn && other.rst && other.isn.is_none()
    }

    /// It was over by a reset, and not by a FIN of both ends: who sends one keeps nothing, nor does who takes it (RFC 9293,
    /// section 3.10.7.4).
    pub fn leaves_no_time_wait(&self) -> bool {
        let (a, b) = (&self.a.1, &self.b.1);
        (a.rst || b.rst) && !(a.fin && b.fin)
    }

    /// Both ends had closed, or one had reset.
    pub fn is_over(&self) -> bool {
        let (a, b) = (&self.a.1, &self.b.1);
        a.rst || b.rst || (a.fin && b.fin)
    }
}

impl PastHalf {
    fn of(half: &Half, closed_first: bool) -> Self {
        Self {
            isn: half.isn,
            base: half.base,
            nxt: half.start.map(|_| half.nxt),
            fin: half.fin.is_some(),
            fin_acked: half.fin_acked(),
            syn_unanswered: half.isn.is_some_and(|isn| {
                // A probe's SYN may carry a FIN.
                let with_fin = u32::from(half.fin.is_some() && half.segments() == 1);
                !half.has_gone_round()
                    && half.nxt.at_or_before(isn + 1 + with_fin)
                    && half.acked.is_none_or(|acked| acked.at_or_before(isn))
            }),
            rst: half.rsts > 0,
            closed_first,
            timestamp: half.last.and_then(|last| last.timestamps).map(|timestamps| timestamps.value),
            state: None,
        }
    }
}
