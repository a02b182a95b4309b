//! Both ends of an orderly connection that was closed, packed until somebody asks for them.

use super::account::is_outside;
use super::changes::Few;
use super::outline::{During, Trace};
use super::pile::WAITED_NS_MIN;
use super::stay::Departure;
use super::visit::{Attempted, STEPS_MAX, Step, Visit, Visitor};
use crate::base::{Side, Sides, Timestamp};
use crate::connection::{Initiator, Orderly, State};

/// The times of a life from SYN to the last ACK: what a group counts of either end, in one line of the cache. What lasted
/// unusually long or has unusual numbers does not fit, and makes visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(align(64))]
pub struct Life {
    /// When the SYN was captured, and when the first FIN was.
    start: i64,
    first_fin: i64,
    /// Until when the TIME-WAIT was there, or was seen to go on.
    until: i64,
    /// Hashes of both addresses.
    peers: Sides<u64>,
    /// From the SYN to its answer, from there to the handshake's end, ns.
    syn_ack_ns: u32,
    opened_ns: u32,
    /// From the first FIN to its acknowledgment, from there to the other FIN, from there to the end, ns.
    fin_acked_ns: u32,
    second_fin_ns: u32,
    closed_ns: u32,
    /// How long a TIME-WAIT lasts, ms, above its traits.
    time_wait_ms: u32,
}

const _: () = assert!(size_of::<Life>() == 64);

/// What shows a life: wanted only of those in which something lasted longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    stream: u32,
    /// Frames of SYN, SYN-ACK, the handshake's end, first FIN, its acknowledgment and second FIN.
    frames: [u32; 6],
}

const SERVER_FIRST: u32 = 0x01;
const TIME_WAIT_ENDED: u32 = 0x02;
const CLIENT_OUTSIDE: u32 = 0x04;
const SERVER_OUTSIDE: u32 = 0x08;
const TRAITS_BITS: u32 = 4;

/// Times before 1970 and after this do not fit: no sum of those that do leaves their range. Of a time as a number.
const UNUSUAL: i64 = !((1 << 61) - 1);

impl Life {
    /// Nothing.
    pub const EMPTY: Self = Self {
        start: 0,
        first_fin: 0,
        until: 0,
        peers: Sides { client: 0, server: 0 },
        syn_ack_ns: 0,
        opened_ns: 0,
        fin_acked_ns: 0,
        second_fin_ns: 0,
        closed_ns: 0,
        time_wait_ms: 0,
    };

    /// That of `orderly`, between addresses of these hashes; none if it is none that was closed, or does not fit.
    pub fn of(orderly: &Orderly, departure: Departure, hashes: Sides<u64>) -> Option<(Self, Proof)> {
        let (mut life, mut proof) = (Self::EMPTY, Proof::EMPTY);
        life.become_that_of(&mut proof, orderly, departure, hashes)?;
        Some((life, proof))
    }

    /// The same, written where it stays: what is copied right after it was put together waits for all that was written before.
    #[inline(always)]
    pub fn become_that_of(
        &mut self,
        proof: &mut Proof,
        orderly: &Orderly,
        departure: Departure,
        hashes: Sides<u64>,
    ) -> Option<()> {
        let closer = match orderly.initiator? {
            Initiator::Client => Side::Client,
            Initiator::Server => Side::Server,
            Initiator::Both => return None,
        };
        let (first_fin, second_fin) = (orderly.fins[closer]?, orderly.fins[!closer]?);
        let (syn_ack, opened, fin_acked) = (orderly.syn_ack?, orderly.opened?, orderly.fin_acked?);
        let time_wait_ns = orderly.profiles[closer].time_wait_ns;
        let runs_out = second_fin.time.plus(time_wait_ns);
        let until = match departure {
            _ if runs_out < orderly.horizon => Some(runs_out),
            Departure::Replaced(at) => Some(at.max(second_fin.time)),
            Departure::Over => None,
        };
        let seen_until = until.unwrap_or(orderly.horizon.max(second_fin.time)).0;
        // One came after the other.
        let ns = |from: Timestamp, to: Timestamp| to.0.wrapping_sub(from.0) as u64;
        let (syn_ack_ns, opened_ns) = (ns(orderly.start, syn_ack.time), ns(syn_ack.time, opened.time));
        let (fin_acked_ns, second_fin_ns) = (ns(first_fin.time, fin_acked.time), ns(fin_acked.time, second_fin.time));
        let closed_ns = ns(second_fin.time, orderly.end);
        let time_wait_ms = time_wait_ns as u64 / MS_NS as u64;
        let spans = syn_ack_ns | opened_ns | fin_acked_ns | second_fin_ns | closed_ns | time_wait_ms << TRAITS_BITS;
        let opening = orderly.stream | orderly.syn_frame | syn_ack.frame | opened.frame;
        if spans | opening | first_fin.frame | fin_acked.frame | second_fin.frame > u64::from(u32::MAX)
            || (orderly.start.0 | first_fin.time.0 | seen_until | time_wait_ns) & UNUSUAL != 0
            || time_wait_ms * MS_NS as u64 != time_wait_ns as u64
        {
            return None;
        }
        let mark = |holds: bool, mark: u32| if holds { mark } else { 0 };
        let traits = mark(closer == Side::Server, SERVER_FIRST)
            | mark(until.is_some(), TIME_WAIT_ENDED)
            | mark(is_outside(orderly.client, &orderly.profiles.client), CLIENT_OUTSIDE)
            | mark(is_outside(orderly.server, &orderly.profiles.server), SERVER_OUTSIDE);
        *self = Self {
            start: orderly.start.0,
            first_fin: first_fin.time.0,
            until: seen_until,
            peers: Sides { client: hashes.server, server: hashes.client },
            syn_ack_ns: syn_ack_ns as u32,
            opened_ns: opened_ns as u32,
            fin_acked_ns: fin_acked_ns as u32,
            second_fin_ns: second_fin_ns as u32,
            closed_ns: closed_ns as u32,
            time_wait_ms: (time_wait_ms as u32) << TRAITS_BITS | traits,
        };
        let frames = [
            orderly.syn_frame as u32,
            syn_ack.frame as u32,
            opened.frame as u32,
            first_fin.frame as u32,
            fin_acked.frame as u32,
            second_fin.frame as u32,
        ];
        *proof = Proof { stream: orderly.stream as u32, frames };
        Some(())
    }

    #[inline]
    fn has(&self, mark: u32) -> bool {
        self.time_wait_ms & mark != 0
    }

    #[inline]
    fn closer(&self) -> Side {
        if self.has(SERVER_FIRST) { Side::Server } else { Side::Client }
    }

    /// What both ends add to what their groups can come to.
    #[inline]
    pub fn traces(&self) -> Sides<Trace> {
        let is_long = |ns: u64| u8::from(ns >= WAITED_NS_MIN as u64);
        let asked_ns = u64::from(self.fin_acked_ns) + u64::from(self.second_fin_ns);
        let opening = is_long(u64::from(self.opened_ns));
        let closing = is_long(u64::from(self.second_fin_ns));
        let answering = is_long(asked_ns) + is_long(u64::from(self.closed_ns));
        let waited = Timestamp(self.first_fin + asked_ns as i64);
        let during = During::new(waited, Some(Timestamp(self.until)).filter(|_| self.has(TIME_WAIT_ENDED)));
        match self.closer() {
            Side::Client => Sides {
                client: Trace::of_socket(5, Some(during), closing),
                server: Trace::of_socket(4, None, answering + opening),
            },
            Side::Server => Sides {
                client: Trace::of_socket(4, None, answering),
                server: Trace::of_socket(5, Some(during), closing + opening),
            },
        }
    }

    /// The end of `side` is one of these.
    #[inline]
    pub fn kind(&self, side: Side) -> usize {
        usize::from(side == Side::Server) | usize::from(self.has(SERVER_FIRST)) << 1
    }

    /// What the group of `side`'s socket counts.
    #[inline]
    pub fn course(&self, side: Side) -> Course {
        let span = i64::from;
        let (syn_ack_ns, opened_ns) = (span(self.syn_ack_ns), span(self.opened_ns));
        let (fin_acked_ns, second_fin_ns) = (span(self.fin_acked_ns), span(self.second_fin_ns));
        let syn_ack = self.start + syn_ack_ns;
        let (begun, opening_ns, outside) = match side {
            Side::Client => (self.start, syn_ack_ns, CLIENT_OUTSIDE),
            Side::Server => (syn_ack, opened_ns, SERVER_OUTSIDE),
        };
        let last = self.first_fin + fin_acked_ns + second_fin_ns;
        let is_closer = side == self.closer();
        let (waiting_ns, until, free) = if is_closer {
            let time_wait_ns = i64::from(self.time_wait_ms >> TRAITS_BITS) * MS_NS;
            (second_fin_ns, self.until, last + time_wait_ns)
        } else {
            let closed = last + span(self.closed_ns);
            (fin_acked_ns + second_fin_ns, closed, closed)
        };
        Course {
            way: &WAYS[self.kind(side)],
            is_closer,
            begun,
            opening_ns,
            first_fin: self.first_fin,
            last,
            waiting_ns,
            until,
            has_ended: !is_closer || self.has(TIME_WAIT_ENDED),
            held_ns: free - begun,
            peer: self.peers[side],
            is_outside: self.has(outside),
        }
    }

    /// The same as a visit.
    pub fn visit(&self, proof: &Proof, side: Side) -> Visit {
        let course = self.course(side);
        let mut steps = [Step::NONE; STEPS_MAX];
        for (at, step) in steps.iter_mut().enumerate().take(course.way.states.len()) {
            let (state, time) = course.step(at);
            *step = Step::new(state, time, Some(proof.frame(side, course.is_closer, at)));
        }
        let visitor = Visitor {
            stream: proof.stream(),
            start: Timestamp(self.start),
            peer: course.peer,
            held_ns: Some(course.held_ns),
            attempted: Attempted::Opened,
            closer: Some(if self.closer() == Side::Client { Initiator::Client } else { Initiator::Server }),
            is_single: false,
            is_guess: false,
            is_outside: course.is_outside,
        };
        let until = Timestamp(course.until);
        Visit::through(&visitor, steps, course.way.states.len() as u8, course.has_ended.then_some(until), until)
    }
}

const MS_NS: i64 = 1_000_000;

impl Proof {
    /// Nothing.
    pub const EMPTY: Self = Self { stream: 0, frames: [0; 6] };

    /// Its connection.
    #[inline]
    pub fn stream(&self) -> u64 {
        u64::from(self.stream)
    }

    /// The frame that put the end of `side`, who closed first or not, into the state that it entered at this step.
    #[cold]
    pub fn frame(&self, side: Side, is_closer: bool, step: usize) -> u64 {
        let frame = match step {
            0 | 1 => step + usize::from(side == Side::Server),
            2 => 3,
            3 if is_closer => 4,
            _ => 5,
        };
        u64::from(self.frames[frame])
    }
}

/// One end's way through its states, in ns since 1970. Who closed first enters FIN-WAIT-1, FIN-WAIT-2 and TIME-WAIT, the other one
/// CLOSE-WAIT and LAST-ACK.
pub struct Course {
    pub way: &'static Way,
    pub is_closer: bool,
    /// When it entered the first state, and how long it stayed there.
    pub begun: i64,
    pub opening_ns: i64,
    pub first_fin: i64,
    /// When it entered the last state, and how long it had stayed in the one before.
    pub last: i64,
    pub waiting_ns: i64,
    /// When it left the last state, or was seen to stay there.
    pub until: i64,
    /// It left the last one.
    pub has_ended: bool,
    /// For how long it held its port, ns.
    pub held_ns: i64,
    /// The peer's address, hashed.
    pub peer: u64,
    pub is_outside: bool,
}

/// What ends of the same kind have in common.
pub struct Way {
    /// The states that they enter.
    pub states: &'static [State],
    /// What one changes where all of that happens within one interval, and where it leaves the last state within it too.
    pub at_once: Few,
    pub wholly: Few,
}

macro_rules! way {
    ($($state:ident),*) => {{
        const STATES: &[State] = &[$(State::$state),*];
        Way { states: STATES, at_once: Few::at_once(STATES), wholly: Few::wholly(STATES) }
    }};
}

/// By [`Life::kind`].
static WAYS: [Way; 4] = [
    way!(SynSent, Established, FinWait1, FinWait2, TimeWait),
    way!(SynReceived, Established, CloseWait, LastAck),
    way!(SynSent, Established, CloseWait, LastAck),
    way!(SynReceived, Established, FinWait1, FinWait2, TimeWait),
];

impl Course {
    /// A state that it entered, and when.
    #[inline]
    pub fn step(&self, at: usize) -> (State, Timestamp) {
        let time = match at {
            0 => self.begun,
            1 => self.begun + self.opening_ns,
            2 => self.first_fin,
            3 if self.is_closer => self.last - self.waiting_ns,
            _ => self.last,
        };
        (self.way.states[at], Timestamp(time))
    }
}

/// How many ends of lives there are of each kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lives([u64; 4]);

impl Lives {
    /// One more.
    #[inline]
    pub fn count(&mut self, life: &Life, side: Side) {
        self.0[life.kind(side)] += 1;
    }

    /// The states of each kind, who closed first, and how many there are.
    pub fn kinds(&self) -> impl Iterator<Item = (&'static [State], Side, u64)> {
        let closers = [Side::Client, Side::Client, Side::Server, Side::Server];
        WAYS.iter().zip(closers).zip(self.0).map(|((way, closer), count)| (way.states, closer, count))
    }
}

#[cfg(test)]
mod tests {
    use super::super::pile::Pile;
    use super::*;

    fn life(rng: &mut fastrand::Rng) -> (Life, Proof) {
        let time = |rng: &mut fastrand::Rng| rng.i64(0..40) * 100 * MS_NS;
        let ns = |rng: &mut fastrand::Rng| rng.u32(0..20) * 50_000_000 * u32::from(rng.bool());
        let (start, open) = (time(rng), time(rng));
        let mut life = Life {
            start,
            first_fin: 0,
            until: 0,
            peers: Sides { client: rng.u64(..), server: rng.u64(0..3) },
            syn_ack_ns: ns(rng),
            opened_ns: ns(rng),
            fin_acked_ns: ns(rng),
            second_fin_ns: ns(rng),
            closed_ns: ns(rng),
            time_wait_ms: 60_000 << TRAITS_BITS | rng.u32(..16),
        };
        life.first_fin = life.course(Side::Server).step(1).1.0 + open;
        life.until = life.course(life.closer()).last + time(rng);
        (life, Proof { stream: rng.u32(..), frames: [0; 6].map(|_| rng.u32(1..)) })
    }

    #[test]
    fn a_life_counts_as_its_visits_do() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut direct, mut visited) = (Pile::new(100 * MS_NS), Pile::new(100 * MS_NS));
            let mut lives = Lives::default();
            for _ in 0..60 {
                let ((life, proof), side) = (life(&mut rng), if rng.bool() { Side::Client } else { Side::Server });
                direct.take_life(&life, side, || proof);
                lives.count(&life, side);
                visited.take(&life.visit(&proof, side));
                assert_eq!(life.traces()[side], Trace::of(&life.visit(&proof, side)));
            }
            direct.add(&lives);
            for pile in [&mut direct, &mut visited] {
                pile.put_in_order();
            }
            assert_eq!(format!("{direct:?}"), format!("{visited:?}"));
        }
    }
}
