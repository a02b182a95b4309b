//! Both ends of an attempt of which only the SYN was seen, packed until somebody asks for them: a flood is made of them.

use super::account::is_outside;
use super::outline::Trace;
use super::stay::{Departure, SYN_ALONE_NS_MIN};
use super::visit::{Attempted, STEPS_MAX, Step, Visit, Visitor};
use crate::base::{Side, Sides, Timestamp};
use crate::connection::{OpenKind, Orderly, State};

/// A SYN that nothing followed: what a group counts of either end. What has unusual numbers does not fit, and makes visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alone {
    start: i64,
    /// Until when the client's socket was there, or was seen to go on.
    until: i64,
    /// Hashes of both addresses.
    peers: Sides<u64>,
    stream: u32,
    frame: u32,
    traits: u8,
}

const _: () = assert!(size_of::<Alone>() == 48);

const HAS_SOCKET: u8 = 0x01;
const ENDED: u8 = 0x02;
const HELD: u8 = 0x04;
const CLIENT_OUTSIDE: u8 = 0x08;
const SERVER_OUTSIDE: u8 = 0x10;

impl Alone {
    /// That of `orderly`, between addresses of these hashes; none if it was answered, or does not fit.
    #[inline]
    pub fn of(orderly: &Orderly, departure: Departure, hashes: Sides<u64>) -> Option<Self> {
        let &Orderly { start, .. } = orderly;
        // The clock may have been set back since.
        let horizon = orderly.horizon.max(start);
        // A timer that runs out sooner would end what counts as somebody's socket.
        if orderly.open != OpenKind::Unanswered || orderly.profiles.client.syn_give_up_ns < SYN_ALONE_NS_MIN {
            return None;
        }
        let until = match departure {
            Departure::Replaced(at) => Some(at.max(start)),
            Departure::Over => None,
        };
        let mark = |holds: bool, mark: u8| if holds { mark } else { 0 };
        Some(Self {
            start: start.0,
            until: until.unwrap_or(horizon).0,
            peers: Sides { client: hashes.server, server: hashes.client },
            stream: u32::try_from(orderly.stream).ok()?,
            frame: u32::try_from(orderly.syn_frame).ok()?,
            traits: mark(horizon.since(start) < SYN_ALONE_NS_MIN, HAS_SOCKET)
                | mark(until.is_some(), ENDED)
                | mark(until.is_some_and(|until| until <= horizon), HELD)
                | mark(is_outside(orderly.client, &orderly.profiles.client), CLIENT_OUTSIDE)
                | mark(is_outside(orderly.server, &orderly.profiles.server), SERVER_OUTSIDE),
        })
    }

    #[inline]
    fn has(&self, mark: u8) -> bool {
        self.traits & mark != 0
    }

    /// The client is somebody who waits for an answer.
    #[inline]
    pub fn has_socket(&self) -> bool {
        self.has(HAS_SOCKET)
    }

    /// The hash of who tried, and when.
    #[inline]
    pub fn tried(&self) -> (u64, Timestamp) {
        (self.peers.server, Timestamp(self.start))
    }

    /// What the end of `side` adds to what its group can come to.
    #[inline]
    pub fn trace(&self, side: Side) -> Trace {
        match side {
            Side::Client => Trace::of_socket(1, None, 0),
            Side::Server => Trace::default(),
        }
    }

    /// What the group of `side`'s socket takes: of the server only that somebody tried.
    pub fn visit(&self, side: Side) -> Visit {
        let start = Timestamp(self.start);
        let until = Timestamp(self.until);
        let mut steps = [Step::NONE; STEPS_MAX];
        let has_ended = side == Side::Client && self.has(ENDED);
        let (len, outside, seen) = match side {
            Side::Client => {
                steps[0] = Step::new(State::SynSent, start, Some(u64::from(self.frame)));
                (1, CLIENT_OUTSIDE, until)
            }
            Side::Server => (0, SERVER_OUTSIDE, start),
        };
        let visitor = Visitor {
            stream: u64::from(self.stream),
            start,
            peer: self.peers[side],
            held_ns: (side == Side::Client && self.has(HELD)).then(|| until.since(start).max(0)),
            attempted: Attempted::Unanswered,
            closer: None,
            is_single: true,
            is_guess: false,
            is_outside: self.has(outside),
        };
        Visit::through(&visitor, steps, len, has_ended.then_some(until), seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::pile::Pile;
    use super::*;

    #[test]
    fn who_tried_counts_as_the_visit_does() {
        let mut rng = fastrand::Rng::with_seed(1);
        let (mut direct, mut visited) = (Pile::new(1), Pile::new(1));
        for traits in 0..0x20 {
            let (start, peers) = (rng.i64(0..9), Sides { client: rng.u64(..), server: rng.u64(..) });
            let alone = Alone { start, until: start + 5, peers, stream: rng.u32(..), frame: rng.u32(1..), traits };
            direct.take_tried(&alone);
            visited.take(&alone.visit(Side::Server));
            for side in Side::BOTH {
                assert_eq!(alone.trace(side), Trace::of(&alone.visit(side)));
            }
        }
        assert_eq!(format!("{direct:?}"), format!("{visited:?}"));
    }
}
