//! Both ends of an orderly connection that was closed, packed until somebody asks for them.

use super::account::is_outside;
use super::outline::Trace;
use super::pile::WAITED_NS_MIN;
use super::series::Change;
use super::stay::Departure;
use super::visit::{Attempted, STEPS_MAX, Step, Visit, Visitor};
use crate::base::{Side, Sides, Timestamp};
use crate::connection::{Initiator, Orderly, State};

/// The times and frames of a life from SYN to the last ACK: what a group counts of either end. What lasted unusually long or
/// has unusual numbers does not fit, and makes visits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// How long a TIME-WAIT lasts, ms.
    time_wait_ms: u32,
    stream: u32,
    /// Frames of SYN, SYN-ACK, the handshake's end, first FIN, its acknowledgment and second FIN.
    frames: [u32; 6],
    traits: u8,
}

const _: () = assert!(size_of::<Life>() == 96);

const SERVER_FIRST: u8 = 0x01;
const TIME_WAIT_ENDED: u8 = 0x02;
const CLIENT_OUTSIDE: u8 = 0x04;
const SERVER_OUTSIDE: u8 = 0x08;

impl Life {
    /// That of `orderly`, between addresses of these hashes; none if it is none that was closed, or does not fit.
    #[inline]
    pub fn of(orderly: &Orderly, departure: Departure, hashes: Sides<u64>) -> Option<Self> {
        let closer = match orderly.initiator? {
            Initiator::Client => Side::Client,
            Initiator::Server => Side::Server,
            Initiator::Both => return None,
        };
        let (first_fin, second_fin) = (orderly.fins[closer]?, orderly.fins[!closer]?);
        let (syn_ack, opened, fin_acked) = (orderly.syn_ack?, orderly.opened?, orderly.fin_acked?);
        let time_wait_ns = orderly.profiles[closer].time_wait_ns;
        if time_wait_ns % MS_NS != 0 {
            return None;
        }
        let runs_out = second_fin.time.plus(time_wait_ns);
        let until = match departure {
            _ if runs_out < orderly.horizon => Some(runs_out),
            Departure::Replaced(at) => Some(at.max(second_fin.time)),
            Departure::Over => None,
        };
        // One came after the other.
        let ns = |from: Timestamp, to: Timestamp| to.0.wrapping_sub(from.0) as u64;
        let (syn_ack_ns, opened_ns) = (ns(orderly.start, syn_ack.time), ns(syn_ack.time, opened.time));
        let (fin_acked_ns, second_fin_ns) = (ns(first_fin.time, fin_acked.time), ns(fin_acked.time, second_fin.time));
        let closed_ns = ns(second_fin.time, orderly.end);
        let time_wait_ms = time_wait_ns as u64 / MS_NS as u64;
        let spans = syn_ack_ns | opened_ns | fin_acked_ns | second_fin_ns | closed_ns | time_wait_ms;
        let opening = orderly.stream | orderly.syn_frame | syn_ack.frame | opened.frame;
        if spans | opening | first_fin.frame | fin_acked.frame | second_fin.frame > u64::from(u32::MAX) {
            return None;
        }
        let mark = |holds: bool, mark: u8| if holds { mark } else { 0 };
        Some(Self {
            start: orderly.start.0,
            first_fin: first_fin.time.0,
            until: until.unwrap_or(orderly.horizon.max(second_fin.time)).0,
            peers: Sides { client: hashes.server, server: hashes.client },
            syn_ack_ns: syn_ack_ns as u32,
            opened_ns: opened_ns as u32,
            fin_acked_ns: fin_acked_ns as u32,
            second_fin_ns: second_fin_ns as u32,
            closed_ns: closed_ns as u32,
            time_wait_ms: time_wait_ms as u32,
            stream: orderly.stream as u32,
            frames: [
                orderly.syn_frame as u32,
                syn_ack.frame as u32,
                opened.frame as u32,
                first_fin.frame as u32,
                fin_acked.frame as u32,
                second_fin.frame as u32,
            ],
            traits: mark(closer == Side::Server, SERVER_FIRST)
                | mark(until.is_some(), TIME_WAIT_ENDED)
                | mark(is_outside(orderly.client, &orderly.profiles.client), CLIENT_OUTSIDE)
                | mark(is_outside(orderly.server, &orderly.profiles.server), SERVER_OUTSIDE),
        })
    }

    #[inline]
    fn has(&self, mark: u8) -> bool {
        self.traits & mark != 0
    }

    #[inline]
    fn closer(&self) -> Side {
        if self.has(SERVER_FIRST) { Side::Server } else { Side::Client }
    }

    /// What the end of `side` adds to what its group can come to.
    #[inline]
    pub fn trace(&self, side: Side) -> Trace {
        let is_long = |ns: u64| u8::from(ns >= WAITED_NS_MIN as u64);
        let answering = if side == Side::Server { is_long(u64::from(self.opened_ns)) } else { 0 };
        let is_closer = side == self.closer();
        let asked_ns = u64::from(self.fin_acked_ns) + u64::from(self.second_fin_ns);
        let waits = if is_closer {
            is_long(u64::from(self.second_fin_ns))
        } else {
            is_long(asked_ns) + is_long(u64::from(self.closed_ns))
        };
        let entered = 4 + u8::from(is_closer);
        Trace { is_socket: true, entered, time_waits: u8::from(is_closer), waits: waits + answering, half_open: 0 }
    }

    /// Its connection.
    #[inline]
    pub fn stream(&self) -> u64 {
        u64::from(self.stream)
    }

    /// The frame that put the end of `side` into the state that it entered at this step.
    #[cold]
    pub fn frame(&self, side: Side, step: usize) -> u64 {
        let last = if side == self.closer() { 4 } else { 3 };
        let frame = match step {
            0 | 1 => step + usize::from(side == Side::Server),
            2 => 3,
            3 if last == 4 => 4,
            _ => 5,
        };
        u64::from(self.frames[frame])
    }

    /// The end of `side` is one of these.
    #[inline]
    pub fn kind(&self, side: Side) -> usize {
        usize::from(side == Side::Server) | usize::from(self.has(SERVER_FIRST)) << 1
    }

    /// What the group of `side`'s socket counts.
    #[inline]
    pub fn course(&self, side: Side) -> Course {
        // The sums are the times that the spans were taken from.
        let after = |time: Timestamp, ns: u32| Timestamp(time.0.wrapping_add(i64::from(ns)));
        let start = Timestamp(self.start);
        let syn_ack = after(start, self.syn_ack_ns);
        let opened = after(syn_ack, self.opened_ns);
        let first_fin = Timestamp(self.first_fin);
        let fin_acked = after(first_fin, self.fin_acked_ns);
        let second_fin = after(fin_acked, self.second_fin_ns);
        let until = Timestamp(self.until);
        let [begun, open] = if side == Side::Client { [start, syn_ack] } else { [syn_ack, opened] };
        let peer = self.peers[side];
        let is_outside = self.has(if side == Side::Client { CLIENT_OUTSIDE } else { SERVER_OUTSIDE });
        if side == self.closer() {
            let free = second_fin.plus(i64::from(self.time_wait_ms) * MS_NS);
            let (states, at_once) = if side == Side::Client { CLOSING_CLIENT } else { CLOSING_SERVER };
            Course {
                states,
                at_once,
                times: [begun, open, first_fin, fin_acked, second_fin, until],
                has_ended: self.has(TIME_WAIT_ENDED),
                held_ns: free.since(begun).max(0),
                peer,
                is_outside,
            }
        } else {
            let closed = after(second_fin, self.closed_ns);
            let (states, at_once) = if side == Side::Client { ANSWERING_CLIENT } else { ANSWERING_SERVER };
            Course {
                states,
                at_once,
                times: [begun, open, first_fin, second_fin, closed, closed],
                has_ended: true,
                held_ns: closed.since(begun).max(0),
                peer,
                is_outside,
            }
        }
    }

    /// The same as a visit.
    pub fn visit(&self, side: Side) -> Visit {
        let course = self.course(side);
        let mut steps = [Step::NONE; STEPS_MAX];
        for (at, (step, &state)) in steps.iter_mut().zip(course.states).enumerate() {
            *step = Step::new(state, course.times[at], Some(self.frame(side, at)));
        }
        let visitor = Visitor {
            stream: self.stream(),
            start: Timestamp(self.start),
            peer: course.peer,
            held_ns: Some(course.held_ns),
            attempted: Attempted::Opened,
            closer: Some(if self.closer() == Side::Client { Initiator::Client } else { Initiator::Server }),
            is_single: false,
            is_guess: false,
            is_outside: course.is_outside,
        };
        let until = course.until();
        Visit::through(&visitor, steps, course.states.len() as u8, course.has_ended.then_some(until), until)
    }
}

const MS_NS: i64 = 1_000_000;

/// One end's way through its states.
pub struct Course {
    pub states: &'static [State],
    /// What it changes where all of that happens within one interval.
    pub at_once: &'static Change,
    /// When it entered each of them, and when it left the last one or was seen to stay.
    pub times: [Timestamp; STEPS_MAX + 1],
    /// It left the last one.
    pub has_ended: bool,
    /// For how long it held its port, ns.
    pub held_ns: i64,
    /// The peer's address, hashed.
    pub peer: u64,
    pub is_outside: bool,
}

/// States of who closes first.
pub const CLOSER_STATES: usize = 5;

type Way = (&'static [State], &'static Change);

macro_rules! way {
    ($($state:ident),*) => {
        (&[$(State::$state),*], const { &Change::at_once(&[$(State::$state),*]) })
    };
}

const CLOSING_CLIENT: Way = way!(SynSent, Established, FinWait1, FinWait2, TimeWait);
const CLOSING_SERVER: Way = way!(SynReceived, Established, FinWait1, FinWait2, TimeWait);
const ANSWERING_CLIENT: Way = way!(SynSent, Established, CloseWait, LastAck);
const ANSWERING_SERVER: Way = way!(SynReceived, Established, CloseWait, LastAck);

impl Course {
    /// When it left the last state, or was seen to stay there.
    #[inline]
    pub fn until(&self) -> Timestamp {
        self.times[self.states.len()]
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
        let [client_closing, server_answering, client_answering, server_closing] = self.0;
        let kinds: [(&'static [State], Side, u64); 4] = [
            (CLOSING_CLIENT.0, Side::Client, client_closing),
            (ANSWERING_SERVER.0, Side::Client, server_answering),
            (ANSWERING_CLIENT.0, Side::Server, client_answering),
            (CLOSING_SERVER.0, Side::Server, server_closing),
        ];
        kinds.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::pile::Pile;
    use super::*;

    fn life(rng: &mut fastrand::Rng) -> Life {
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
            time_wait_ms: 60_000,
            stream: rng.u32(..),
            frames: [0; 6].map(|_| rng.u32(1..)),
            traits: rng.u8(..16),
        };
        life.first_fin = life.course(Side::Server).times[1].0 + open;
        life.until = life.course(life.closer()).times[4].0 + time(rng);
        life
    }

    #[test]
    fn a_life_counts_as_its_visits_do() {
        for seed in 0..100 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (mut direct, mut visited) = (Pile::new(100 * MS_NS), Pile::new(100 * MS_NS));
            let mut lives = Lives::default();
            for _ in 0..60 {
                let (life, side) = (life(&mut rng), if rng.bool() { Side::Client } else { Side::Server });
                direct.take_life(&life, side);
                lives.count(&life, side);
                visited.take(&life.visit(side));
                assert_eq!(life.trace(side), Trace::of(&life.visit(side)));
            }
            direct.add(&lives);
            for pile in [&mut direct, &mut visited] {
                pile.put_in_order();
            }
            assert_eq!(format!("{direct:?}"), format!("{visited:?}"));
        }
    }
}
