//! What the next incarnation on the same addresses and ports tells of this one.

use super::half::Half;
use super::lifecycle::Hindsight;
use super::noted::{Class, Noted};
use super::predecessor::{Answer, Predecessor, Successor};
use super::resumed::is_within_reach;
use super::state::State;
use super::step::Connection;
use crate::base::{Seq, Side, Timestamp};
use crate::segment::{Flags, Marks, Segment};

/// Initial numbers go once round in 274 s (Linux `seq_scale`: one every 64 ns); what is older than half of that compares to
/// nothing, ns.
const NUMBERS_COMPARE_NS: i64 = 120_000_000_000;

impl Connection {
    /// What the ends say in the next incarnation tells of this one.
    pub fn awaits_answer(&self) -> bool {
        self.awaits_answer_to_syn() || self.awaits_opener()
    }

    /// The next incarnation began with a SYN-ACK to the SYN of this one, which only resets had answered or followed: what those did
    /// shows by what the ends say there.
    fn awaits_answer_to_syn(&self) -> bool {
        let Some(next) = &self.successor else { return false };
        let answers_syn = self.halves.client.isn.is_some_and(|isn| next.ack == Some(isn + 1));
        answers_syn && next.sender == self.server && self.halves.server.isn.is_none() && !self.resets.is_empty()
    }

    /// A SYN began the next incarnation while this one was open: whether its sender has a socket of this one, or resets what is left of
    /// it, shows by what that says to the other end's answer.
    fn awaits_opener(&self) -> bool {
        let Some(next) = self.successor.filter(|next| next.ack.is_none()) else { return false };
        let has_opened = |half: &Half| {
            half.is_known() && half.isn.is_none_or(|isn| half.acked.is_some_and(|acked| acked.after(isn)))
        };
        let is_open = has_opened(&self.halves.client) && has_opened(&self.halves.server);
        is_open && self.opener(&next).is_some_and(|side| self.halves[side].isn != Some(next.isn)) && !self.is_over()
    }

    fn is_over(&self) -> bool {
        Predecessor::of(self).is_over()
    }

    fn opener(&self, next: &Successor) -> Option<Side> {
        let is_told_apart = self.client != self.server;
        is_told_apart.then_some(if next.sender == self.client { Side::Client } else { Side::Server })
    }

    /// Hears `segment` of the next incarnation. True when no more is to be heard.
    pub fn hear_next(&mut self, segment: &Segment) -> bool {
        if self.awaits_opener() { self.hear_opener(segment) } else { self.hear_answer(segment) }
    }

    /// Until the SYN is accepted, or its sender goes on with this connection or resets it.
    fn hear_opener(&mut self, segment: &Segment) -> bool {
        let Some((next, side)) = self.successor.and_then(|next| Some((next, self.opener(&next)?))) else { return true };
        let is_bad = segment.marks.contains(Marks::HEADER_BAD);
        let kind = segment.flags & (Flags::SYN | Flags::ACK | Flags::RST);
        if is_bad || segment.source != next.sender || kind.contains(Flags::SYN) {
            return !is_bad && kind == Flags::SYN | Flags::ACK && segment.ack == next.isn + 1;
        }
        let (own, peer) = (self.halves[side].nxt, self.halves[!side].nxt);
        let is_of_this = is_within_reach(segment.seq, own) && segment.seq != next.isn + 1;
        match kind {
            Flags::ACK if is_of_this && is_within_reach(segment.ack, peer) => {
                self.successor = Some(Successor { goes_on: Some(segment.frame.0), ..next });
                true
            }
            // What answers with this connection's numbers is refused in SYN-SENT (RFC 9293, section 3.5.1).
            Flags::RST if is_of_this => {
                self.step_reset(side, segment, Class::empty());
                true
            }
            _ => kind == Flags::ACK,
        }
    }

    /// Where the client had sent a reset, what the server says to the client's answer tells whether it took that.
    fn hear_answer(&mut self, segment: &Segment) -> bool {
        let may_end_server = self.resets.iter().any(|seen| seen.noted.side == Side::Client);
        let Some(next) = &mut self.successor else { return true };
        if segment.marks.contains(Marks::HEADER_BAD) {
            return false;
        }
        let answer = match segment.flags & (Flags::SYN | Flags::ACK | Flags::RST) {
            flags if flags.contains(Flags::RST) => Some(Answer::Resets),
            Flags::ACK => Some(Answer::GoesOn),
            _ => None,
        };
        let (client, server) = (&mut next.answers.client, &mut next.answers.server);
        if segment.source != self.server {
            let is_answer = !segment.flags.contains(Flags::ACK) || segment.ack.after(next.isn);
            *client = client.or(answer.filter(|_| is_answer));
        } else if client.is_some() {
            *server = server.or(answer);
        }
        *client == Some(Answer::Resets) || client.is_some() && (server.is_some() || !may_end_server)
    }

    /// It was heard among the segments of the next incarnation.
    pub fn is_of_next(&self, noted: &Noted) -> bool {
        self.successor.is_some_and(|next| noted.frame > next.frame)
    }

    /// What `side` says in the next incarnation, if that began with the answer to the SYN of this one.
    pub fn answer_next(&self, side: Side) -> Option<Answer> {
        self.successor.and_then(|next| next.answers[side])
    }

    /// The frame that answers the SYN of this incarnation and begins the next one, in which the client goes on.
    pub(super) fn answered_in(&self) -> Option<u64> {
        self.successor.filter(|next| next.answers.client == Some(Answer::GoesOn)).map(|next| next.frame)
    }

    /// The side that opened the next incarnation with a SYN younger than this connection, by its sender's clock, else by its
    /// number: no old duplicate.
    fn opener_of(&self, next: &Successor) -> Option<Side> {
        let side = if next.sender == self.client { Side::Client } else { Side::Server };
        let half = &self.halves[side];
        if next.ack.is_some() || half.isn == Some(next.isn) {
            return None;
        }
        let clock = half.last.and_then(|last| last.timestamps).zip(next.timestamp);
        let is_newer = match (clock, half.isn) {
            (Some((then, now)), _) => Seq(now).at_or_after(Seq(then.value)),
            (None, Some(isn)) if next.time.since(self.start) < NUMBERS_COMPARE_NS => next.isn.after(isn),
            _ => true,
        };
        is_newer.then_some(side)
    }
}

/// Windows sends a SYN that was refused again half a second later, with the same number; no copy of the network comes so
/// late, ns.
const ASKED_AGAIN_NS_MIN: i64 = 400_000_000;

impl Hindsight<'_> {
    /// The next stream begins with the SYN of this one, which `side` sends again as a host does that heard no answer.
    pub(super) fn is_asked_again(&self, side: Side) -> bool {
        let connection = self.connection;
        let half = &connection.halves[side];
        let Some(next) = connection.successor.filter(|next| next.sender == connection.endpoint(side)) else {
            return false;
        };
        let clock = half.last.and_then(|last| last.timestamps).zip(next.timestamp);
        let is_newer = clock.map_or(next.time.since(connection.end) >= ASKED_AGAIN_NS_MIN, |(then, now)| {
            Seq(now).after(Seq(then.value))
        });
        next.ack.is_none() && half.isn == Some(next.isn) && connection.halves[!side].isn.is_none() && is_newer
    }

    /// When `side`, in `state`, was ended by the next incarnation: who opens that has no socket left of this one, and who has
    /// acknowledges the strange SYN and is reset for it (RFC 9293, section 3.5.1, figure 9). That TIME-WAIT gives way needs no saying.
    pub(super) fn ended_by_successor(&self, side: Side, state: State) -> Option<Timestamp> {
        let next = self.connection.successor.as_ref().filter(|next| next.goes_on.is_none())?;
        let opener = self.connection.opener_of(next)?;
        let is_alive = !matches!(state, State::Closed | State::Listen | State::TimeWait);
        let is_opening = state == State::SynSent && side != opener;
        (is_alive && !is_opening).then_some(next.time)
    }
}
