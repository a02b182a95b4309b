//! What a group of sockets can come to at most, known before they are counted over time.

use std::ops::AddAssign;

use super::pile::{WAITED_NS_MIN, waits_for};
use super::visit::{Attempted, Visit};
use crate::connection::State;

/// Numbers of a group that are counted as connections leave. Few groups ever show anything, and these say which cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Sockets.
    pub sockets: u64,
    /// How often any state was entered.
    pub entered: u64,
    /// How often TIME-WAIT was.
    pub time_waits: u64,
    /// Stays of half a second and longer in the states that wait for somebody: CLOSE-WAIT, FIN-WAIT-2, LAST-ACK, SYN-RECEIVED.
    pub waits: u64,
    /// Handshakes that were answered and not completed.
    pub half_open: u64,
}

/// The same of one end of a connection, in four octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    entered: u8,
    time_waits: u8,
    waits: u8,
    traits: u8,
}

const SOCKET: u8 = 0x01;
const HALF_OPEN: u8 = 0x02;

impl Outline {
    /// Stays that may have lasted `ns`, in the states that wait for somebody.
    pub fn waits_of(&self, ns: i64) -> u64 {
        if ns >= WAITED_NS_MIN { self.waits } else { self.entered }
    }
}

impl Trace {
    /// That of a socket that entered so many states, `time_waits` of them TIME-WAITs, and waited long in `waits`.
    #[inline]
    pub const fn of_socket(entered: u8, time_waits: u8, waits: u8) -> Self {
        Self { entered, time_waits, waits, traits: SOCKET }
    }

    /// There was a socket.
    #[inline]
    pub fn is_socket(self) -> bool {
        self.traits & SOCKET != 0
    }

    /// That of one visit.
    pub fn of(visit: &Visit) -> Self {
        let mut trace = Self { traits: if visit.is_socket() { SOCKET } else { 0 }, ..Self::default() };
        for (step, until, _) in visit.stays() {
            let state = step.state();
            trace.entered += 1;
            trace.time_waits += u8::from(state == State::TimeWait);
            trace.waits += u8::from(waits_for(state) && until.since(step.from) >= WAITED_NS_MIN);
        }
        let is_half_open = visit.visitor().is_some_and(|visitor| visitor.attempted == Attempted::HalfOpen);
        trace.traits |= if is_half_open { HALF_OPEN } else { 0 };
        trace
    }
}

impl AddAssign<Trace> for Outline {
    #[inline]
    fn add_assign(&mut self, trace: Trace) {
        self.sockets += u64::from(trace.traits & SOCKET);
        self.entered += u64::from(trace.entered);
        self.time_waits += u64::from(trace.time_waits);
        self.waits += u64::from(trace.waits);
        self.half_open += u64::from(trace.traits >> 1);
    }
}

impl AddAssign for Outline {
    fn add_assign(&mut self, other: Self) {
        self.sockets += other.sockets;
        self.entered += other.entered;
        self.time_waits += other.time_waits;
        self.waits += other.waits;
        self.half_open += other.half_open;
    }
}
