//! Both ends of an orderly connection that was closed, packed until somebody asks for them.

use super::account::is_outside;
use super::outline::Trace;
use super::pile::WAITED_NS_MIN;
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
        let frame = |frame: u64| u32::try_from(frame).ok();
        let ns = |from: Timestamp, to: Timestamp| u32::try_from(to.since(from)).ok();
        let mark = |holds: bool, mark: u8| if holds { mark } else { 0 };
        Some(Self {
            start: orderly.start.0,
            first_fin: first_fin.time.0,
            until: until.unwrap_or(orderly.horizon.max(second_fin.time)).0,
            peers: Sides { client: hashes.server, server: hashes.client },
            syn_ack_ns: ns(orderly.start, syn_ack.time)?,
            opened_ns: ns(syn_ack.time, opened.time)?,
            fin_acked_ns: ns(first_fin.time, fin_acked.time)?,
            second_fin_ns: ns(fin_acked.time, second_fin.time)?,
            closed_ns: ns(second_fin.time, orderly.end)?,
            time_wait_ms: u32::try_from(time_wait_ns / MS_NS).ok()?,
            stream: u32::try_from(orderly.stream).ok()?,
            frames: [
                frame(orderly.syn_frame)?,
                frame(syn_ack.frame)?,
                frame(opened.frame)?,
                frame(first_fin.frame)?,
                frame(fin_acked.frame)?,
                frame(second_fin.frame)?,
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
        let is_long = |ns: u32| u8::from(i64::from(ns) >= WAITED_NS_MIN);
        let answering = if side == Side::Server { is_long(self.opened_ns) } else { 0 };
        let (entered, time_waits, waits) = if side == self.closer() {
            (5, 1, is_long(self.second_fin_ns))
        } else {
            let asked_ns = u64::from(self.fin_acked_ns) + u64::from(self.second_fin_ns);
            (4, 0, u8::from(asked_ns >= WAITED_NS_MIN as u64) + is_long(self.closed_ns))
        };
        Trace { is_socket: true, entered, time_waits, waits: waits + answering, half_open: 0 }
    }

    /// What the group of `side`'s socket takes.
    pub fn visit(&self, side: Side) -> Visit {
        let start = Timestamp(self.start);
        let syn_ack = start.plus(i64::from(self.syn_ack_ns));
        let opened = syn_ack.plus(i64::from(self.opened_ns));
        let first_fin = Timestamp(self.first_fin);
        let fin_acked = first_fin.plus(i64::from(self.fin_acked_ns));
        let second_fin = fin_acked.plus(i64::from(self.second_fin_ns));
        let closed = second_fin.plus(i64::from(self.closed_ns));
        let [of_syn, of_syn_ack, of_opened, of_first_fin, of_fin_acked, of_second_fin] =
            self.frames.map(|frame| Some(u64::from(frame)));
        let mut steps = [Step::NONE; STEPS_MAX];
        (steps[0], steps[1]) = match side {
            Side::Client => {
                (Step::new(State::SynSent, start, of_syn), Step::new(State::Established, syn_ack, of_syn_ack))
            }
            Side::Server => {
                (Step::new(State::SynReceived, syn_ack, of_syn_ack), Step::new(State::Established, opened, of_opened))
            }
        };
        let is_closer = side == self.closer();
        let len = if is_closer {
            steps[2] = Step::new(State::FinWait1, first_fin, of_first_fin);
            steps[3] = Step::new(State::FinWait2, fin_acked, of_fin_acked);
            steps[4] = Step::new(State::TimeWait, second_fin, of_second_fin);
            5
        } else {
            steps[2] = Step::new(State::CloseWait, first_fin, of_first_fin);
            steps[3] = Step::new(State::LastAck, second_fin, of_second_fin);
            4
        };
        let (ended, free) = if is_closer {
            let free = second_fin.plus(i64::from(self.time_wait_ms) * MS_NS);
            (if self.has(TIME_WAIT_ENDED) { Some(Timestamp(self.until)) } else { None }, free)
        } else {
            (Some(closed), closed)
        };
        let visitor = Visitor {
            stream: u64::from(self.stream),
            start,
            peer: self.peers[side],
            held_ns: Some(free.since(steps[0].from).max(0)),
            attempted: Attempted::Opened,
            closer: Some(if self.closer() == Side::Client { Initiator::Client } else { Initiator::Server }),
            is_single: false,
            is_guess: false,
            is_outside: self.has(if side == Side::Client { CLIENT_OUTSIDE } else { SERVER_OUTSIDE }),
        };
        Visit::through(&visitor, steps, len, ended, Timestamp(self.until))
    }
}

const MS_NS: i64 = 1_000_000;
