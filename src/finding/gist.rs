//! What totals need of a connection: what became of it and what was found, without words and frames. Most connections of a
//! large capture are only ever counted.

use super::verdict::{CloseKind, Finding, Initiator, OpenKind, Origin, Reset, StateStep, Verdict};
use crate::base::{Endpoint, Side, Sides, Timestamp};
use crate::connection::{Basis, Connection, Lifecycle, Orderly, State};

/// The gist of one verdict.
#[derive(Clone, Copy, Debug)]
pub struct Gist<'a> {
    /// Wireshark's `tcp.stream`.
    pub stream: u64,
    /// Who opened the connection, or is taken for it.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// Time of the first segment.
    pub start: Timestamp,
    /// Time of the last segment.
    pub end: Timestamp,
    /// How it began.
    pub open: OpenKind,
    /// How it ended.
    pub close: CloseKind,
    /// Who began the close.
    pub initiator: Option<Initiator>,
    /// It was closed, and only one end sent its FIN.
    pub is_one_ended: bool,
    /// No close was seen, and yet nothing is left of it: the next connection has taken its addresses and ports.
    pub is_replaced: bool,
    /// It goes on in the next stream.
    pub goes_on: bool,
    /// Nothing shows how it ended, nor that it was open: one end closed, and the other may have before, unseen; or no segment can be
    /// right.
    pub is_end_unknown: bool,
    /// Both ends sent a SYN, and neither took the other's.
    pub is_unopened: bool,
    /// The reset that ended it at its sender's end was not taken at the other, which lives on.
    pub is_reset_in_vain: bool,
    /// Only sampled headers of it are in the capture.
    pub is_sampled_alone: bool,
    /// Its resets; their evidence may be missing.
    pub resets: &'a [Reset],
    /// What was found; frames and messages may be missing.
    pub findings: &'a [Finding],
}

impl<'a> Gist<'a> {
    pub(super) fn new(connection: &Connection, life: &Lifecycle, resets: &'a [Reset], findings: &'a [Finding]) -> Self {
        let states = Sides { client: &*life.states.client, server: &*life.states.server };
        Self {
            stream: connection.stream,
            client: connection.client,
            server: connection.server,
            start: connection.start,
            end: connection.end,
            open: life.opening.kind,
            close: life.closing.kind,
            initiator: life.closing.initiator,
            is_one_ended: is_one_ended(life.closing.kind, states),
            is_replaced: is_replaced(life.closing.kind, life.opening.continued, states),
            goes_on: life.opening.continued.is_some(),
            is_end_unknown: is_end_unknown(life.closing.kind, states),
            is_unopened: is_unopened(life.opening.kind, states),
            is_reset_in_vain: is_reset_in_vain(life.closing.kind, resets, states),
            is_sampled_alone: connection.is_sampled_alone(),
            resets,
            findings,
        }
    }

    pub(super) fn of_orderly(orderly: &Orderly, resets: &'a [Reset], findings: &'a [Finding]) -> Self {
        let &Orderly { stream, client, server, start, end, open, close, initiator, .. } = orderly;
        Self {
            stream,
            client,
            server,
            start,
            end,
            open,
            close,
            initiator,
            is_one_ended: false,
            is_replaced: false,
            goes_on: false,
            is_end_unknown: false,
            is_unopened: false,
            is_reset_in_vain: false,
            is_sampled_alone: false,
            resets,
            findings,
        }
    }

    /// The reset that ended the connection: the first one that its receiver accepts, else the first that its sender
    /// did send, which ended it at that end, else the first one.
    pub fn ending_reset(&self) -> Option<&'a Reset> {
        ending(self.resets)
    }
}

fn ending(resets: &[Reset]) -> Option<&Reset> {
    let accepted = resets.iter().find(|reset| reset.accepted);
    let own = || resets.iter().find(|reset| reset.origin != Origin::Middlebox);
    accepted.or_else(own).or(resets.first())
}

impl Verdict {
    /// What totals need of it.
    pub fn gist(&self) -> Gist<'_> {
        let states = Sides { client: &*self.endpoints.client.states, server: &*self.endpoints.server.states };
        Gist {
            stream: self.stream,
            client: self.client,
            server: self.server,
            start: self.start,
            end: self.end,
            open: self.open.kind,
            close: self.close.kind,
            initiator: self.close.initiator,
            is_one_ended: is_one_ended(self.close.kind, states),
            is_replaced: is_replaced(self.close.kind, self.open.continued, states),
            goes_on: self.open.continued.is_some(),
            is_end_unknown: is_end_unknown(self.close.kind, states),
            is_unopened: is_unopened(self.open.kind, states),
            is_reset_in_vain: is_reset_in_vain(self.close.kind, &self.resets, states),
            is_sampled_alone: self.is_sampled_alone,
            resets: &self.resets,
            findings: &self.findings,
        }
    }
}

fn is_one_ended(close: CloseKind, states: Sides<&[StateStep]>) -> bool {
    let is_finished = |side: Side| {
        let finishes = |step: &StateStep| matches!(step.state, State::FinWait1 | State::Closing | State::LastAck);
        states[side].iter().any(finishes)
    };
    close == CloseKind::HalfClosed && !Side::BOTH.into_iter().all(is_finished)
}

fn is_replaced(close: CloseKind, continued: Option<u64>, states: Sides<&[StateStep]>) -> bool {
    let mut last = Side::BOTH.into_iter().filter_map(|side| states[side].last()).peekable();
    let is_left = last.peek().is_some() && last.all(|step| step.state == State::Closed);
    close == CloseKind::None && (is_left || continued.is_some())
}

fn is_end_unknown(close: CloseKind, states: Sides<&[StateStep]>) -> bool {
    let may_be_second = |step: &StateStep| step.state == State::FinWait1 && step.basis == Basis::Assumed;
    let is_doubtful = |side: Side| states[side].iter().any(may_be_second);
    let lacks_states = Side::BOTH.into_iter().all(|side| states[side].is_empty());
    close == CloseKind::None && (lacks_states || Side::BOTH.into_iter().any(is_doubtful))
}

fn is_unopened(open: OpenKind, states: Sides<&[StateStep]>) -> bool {
    let is_asking = |side: Side| states[side].iter().all(|step| step.state == State::SynSent);
    open == OpenKind::Simultaneous && Side::BOTH.into_iter().all(is_asking)
}

fn is_reset_in_vain(close: CloseKind, resets: &[Reset], states: Sides<&[StateStep]>) -> bool {
    let lives = |side: Side| {
        let last = states[side].last();
        last.is_some_and(|step| !matches!(step.state, State::Closed | State::TimeWait))
    };
    close == CloseKind::Reset && ending(resets).is_some_and(|reset| !reset.accepted && lives(!reset.from))
}
