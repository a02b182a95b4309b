//! One socket on its way into the group that it is counted in, packed: groups take many at a time.

use super::stay::Stay;
use crate::base::Timestamp;
use crate::connection::{Initiator, State};

/// States that one visit holds: as many as an orderly socket enters. Who enters more makes several visits.
pub const STEPS_MAX: usize = 5;

/// How an attempt to connect ended, as far as it is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Attempted {
    /// Aborted, or not seen.
    Otherwise,
    /// The handshake was completed.
    Opened,
    /// The same, on a port that was in TIME-WAIT.
    Reused,
    /// The same, although neither number nor timestamp of the SYN was newer.
    ReusedIllegally,
    /// Answered with SYN-ACK, and nobody acknowledged that.
    HalfOpen,
    /// Not answered.
    Unanswered,
    /// Refused by a reset, or rejected by an ICMP error.
    Refused,
    /// Answered with an acknowledgment of an older connection: the four numbers were still known there, most often as a TIME-WAIT.
    Challenged,
    /// The handshake was completed, on a port of which the TIME-WAIT had just run out.
    Renewed,
}

/// What is said once of a socket, however many states it entered.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// Its connection.
    pub stream: u64,
    /// When that began.
    pub start: Timestamp,
    /// The peer's address, hashed.
    pub peer: u64,
    /// For how long it held its port, if its end is known, ns.
    pub held_ns: Option<i64>,
    /// How the attempt to connect ended.
    pub attempted: Attempted,
    /// Who closed first.
    pub closer: Option<Initiator>,
    /// The attempt was a single SYN and nothing else.
    pub is_single: bool,
    /// Its role is a guess.
    pub is_guess: bool,
    /// Its port lies outside of the range that the profile gives to clients.
    pub is_outside: bool,
}

/// A state that was entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub from: Timestamp,
    /// The frame that shows it, above the state's number; 0 for none.
    packed: u64,
}

impl Step {
    /// None.
    pub const NONE: Self = Self { from: Timestamp(0), packed: 0 };

    /// The state that was entered at this time, and the frame that shows it.
    #[inline]
    pub fn new(state: State, from: Timestamp, frame: Option<u64>) -> Self {
        Self { from, packed: frame.unwrap_or(0) << 8 | state as u64 }
    }

    /// Which one.
    #[inline]
    pub fn state(self) -> State {
        State::ALL.get((self.packed & 0xff) as usize).copied().unwrap_or(State::Closed)
    }

    /// The frame that shows it; none for a timer.
    #[inline]
    pub fn frame(self) -> Option<u64> {
        Some(self.packed >> 8).filter(|&frame| frame > 0)
    }
}

/// A socket's stays, one after the other without a gap.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(align(64))]
pub struct Visit {
    stream: u64,
    start: Timestamp,
    peer: u64,
    /// Negative: not known.
    held_ns: i64,
    /// When the last stay ended, or to when it was seen to go on.
    until: Timestamp,
    steps: [Step; STEPS_MAX],
    len: u8,
    attempted: Attempted,
    closer: Option<Initiator>,
    traits: u8,
}

const _: () = assert!(size_of::<Visit>() == 128);

const SINGLE: u8 = 0x01;
const GUESS: u8 = 0x02;
const OUTSIDE: u8 = 0x04;
const ENDED: u8 = 0x08;
const CONTINUED: u8 = 0x10;

impl Visit {
    /// Puts `stays` into as many visits as it takes, one at least. What goes on goes on until `horizon`.
    #[inline]
    pub fn each(visitor: &Visitor, stays: &[Stay], horizon: Timestamp, mut take: impl FnMut(&Self)) {
        let mut rest = stays;
        let mut continued = 0;
        loop {
            let joins = |at: usize| rest.get(at).is_some_and(|next| rest[at - 1].until == Some(next.from));
            let mut len = rest.len().min(1);
            while len > 0 && len < STEPS_MAX && joins(len) {
                len += 1;
            }
            let (these, later) = rest.split_at(len);
            let mut visit = Self::new(visitor, these, horizon);
            visit.traits |= continued;
            take(&visit);
            if later.is_empty() {
                return;
            }
            (rest, continued) = (later, CONTINUED);
        }
    }

    #[inline]
    fn new(visitor: &Visitor, stays: &[Stay], horizon: Timestamp) -> Self {
        let steps = stays.iter().map(|stay| Step::new(stay.state, stay.from, stay.frame));
        Self::of(visitor, steps, stays.last().and_then(|last| last.until), horizon)
    }

    /// Enters `steps`, of which there are no more than [`STEPS_MAX`], one after the other until `until`, or goes on at `horizon`.
    #[inline]
    pub fn of(
        visitor: &Visitor,
        entered: impl Iterator<Item = Step>,
        until: Option<Timestamp>,
        horizon: Timestamp,
    ) -> Self {
        let mut steps = [Step::NONE; STEPS_MAX];
        let (mut len, mut newest) = (0, visitor.start);
        for (place, step) in steps.iter_mut().zip(entered) {
            *place = step;
            newest = horizon.max(step.from);
            len += 1;
        }
        Self::through(visitor, steps, len, until, newest)
    }

    /// Enters the first `len` of `steps`, until `until`, or was seen to go on to `newest`.
    #[inline]
    pub fn through(
        visitor: &Visitor,
        steps: [Step; STEPS_MAX],
        len: u8,
        until: Option<Timestamp>,
        newest: Timestamp,
    ) -> Self {
        let mark = |holds: bool, mark: u8| if holds { mark } else { 0 };
        Self {
            stream: visitor.stream,
            start: visitor.start,
            peer: visitor.peer,
            held_ns: visitor.held_ns.unwrap_or(-1),
            until: until.unwrap_or(newest),
            steps,
            len,
            attempted: visitor.attempted,
            closer: visitor.closer,
            traits: mark(visitor.is_single, SINGLE)
                | mark(visitor.is_guess, GUESS)
                | mark(visitor.is_outside, OUTSIDE)
                | mark(until.is_some(), ENDED),
        }
    }

    /// What is said once of the socket; none of a visit that only continues.
    #[inline]
    pub fn visitor(&self) -> Option<Visitor> {
        let has = |mark: u8| self.traits & mark != 0;
        (!has(CONTINUED)).then_some(Visitor {
            stream: self.stream,
            start: self.start,
            peer: self.peer,
            held_ns: Some(self.held_ns).filter(|&ns| ns >= 0),
            attempted: self.attempted,
            closer: self.closer,
            is_single: has(SINGLE),
            is_guess: has(GUESS),
            is_outside: has(OUTSIDE),
        })
    }

    /// It is the first of a socket's visits.
    #[inline]
    pub fn is_socket(&self) -> bool {
        self.traits & CONTINUED == 0 && self.len > 0
    }

    /// The states that it entered.
    #[inline]
    pub fn steps(&self) -> &[Step] {
        &self.steps[..usize::from(self.len).min(STEPS_MAX)]
    }

    /// Each state with since when, until when, and whether that was its end.
    #[inline]
    pub fn stays(&self) -> impl Iterator<Item = (Step, Timestamp, bool)> {
        let steps = self.steps();
        steps.iter().enumerate().map(move |(at, step)| match steps.get(at + 1) {
            Some(next) => (*step, next.from, true),
            None => (*step, self.until, self.has_ended()),
        })
    }

    /// When the last stay ended, or to when it was seen to go on.
    #[inline]
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The end of the last stay is known.
    #[inline]
    pub fn has_ended(&self) -> bool {
        self.traits & ENDED != 0
    }

    /// Its connection.
    #[inline]
    pub fn stream(&self) -> u64 {
        self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Basis;

    fn stay(state: State, from: i64, until: Option<i64>) -> Stay {
        let (from, until) = (Timestamp(from), until.map(Timestamp));
        Stay { state, from, until, frame: Some(7), basis: Basis::Seen, runs_out: None }
    }

    fn told(stays: &[Stay]) -> Vec<Vec<(State, i64, i64, bool)>> {
        let visitor = Visitor {
            stream: 1,
            start: Timestamp(0),
            peer: 0,
            held_ns: None,
            attempted: Attempted::Opened,
            closer: None,
            is_single: false,
            is_guess: true,
            is_outside: false,
        };
        let mut all = Vec::new();
        Visit::each(&visitor, stays, Timestamp(100), |visit| {
            assert_eq!(visit.visitor().is_some_and(|visitor| visitor.is_guess), all.is_empty());
            assert!(visit.steps().iter().all(|step| step.frame() == Some(7)));
            all.push(visit.stays().map(|(step, until, ended)| (step.state(), step.from.0, until.0, ended)).collect());
        });
        all
    }

    #[test]
    fn a_life_is_one_visit_and_a_long_one_or_one_with_a_gap_is_several() {
        assert_eq!(told(&[]), [[]]);
        let short = [stay(State::SynSent, 1, Some(2)), stay(State::Established, 2, None)];
        assert_eq!(told(&short), [[(State::SynSent, 1, 2, true), (State::Established, 2, 100, false)]]);
        let gap = [stay(State::TimeWait, 1, Some(2)), stay(State::SynSent, 3, Some(4))];
        assert_eq!(told(&gap), [[(State::TimeWait, 1, 2, true)], [(State::SynSent, 3, 4, true)]]);
        let long: Vec<Stay> = (0..12).map(|at| stay(State::OF_SOCKETS[at as usize % 9], at, Some(at + 1))).collect();
        let lens: Vec<usize> = told(&long).iter().map(Vec::len).collect();
        assert_eq!(lens, [5, 5, 2]);
        let same: Vec<_> = told(&long).concat().iter().map(|&(state, from, until, _)| (state, from, until)).collect();
        assert!(same.iter().zip(&long).all(|(told, stay)| *told == (stay.state, stay.from.0, stay.until.unwrap().0)));
    }
}
