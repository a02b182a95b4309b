//! What a group of sockets can come to at most, known before they are counted over time.

use std::ops::AddAssign;

use super::pile::{WAITED_NS_MIN, waits_for};
use super::visit::{Attempted, Visit};
use crate::base::Timestamp;
use crate::connection::State;

/// Numbers of a group that are known without its pile. Few groups ever show anything, and these say which cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// Sockets.
    pub sockets: u64,
    /// How often any state was entered.
    pub entered: u64,
    /// How often TIME-WAIT was.
    pub time_waits: u64,
    /// No more sockets than this were in TIME-WAIT at once.
    pub time_waits_at_once: u64,
    /// Stays of half a second and longer in the states that wait for somebody: CLOSE-WAIT, FIN-WAIT-2, LAST-ACK, SYN-RECEIVED.
    pub waits: u64,
    /// Handshakes that were answered and not completed.
    pub half_open: u64,
}

/// An [`Outline`] while connections leave: what is told of each in a moment. No number goes beyond 2^32.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gauge {
    pub sockets: u32,
    entered: u32,
    time_waits: u32,
    waits: u32,
    half_open: u32,
    crowd: Crowd,
}

/// The same of one end of a connection, in eight octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    entered: u8,
    time_waits: u8,
    waits: u8,
    traits: u8,
    during: During,
}

const SOCKET: u8 = 0x01;
const HALF_OPEN: u8 = 0x02;

/// When an end was in TIME-WAIT, in windows of time: the number of the first of them, above how many more it touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct During(i32);

/// A window is 2^36 ns, 69 s: a TIME-WAIT of a minute touches two, mostly.
const WINDOW_BITS: u32 = 36;
const MORE_BITS: u32 = 4;
/// Of a [`During`]: it touches more windows than are looked at, or has no end.
const LONG: i32 = (1 << MORE_BITS) - 1;

/// Windows in which TIME-WAITs are counted: connections leave in another order than they close in, but not by much.
const WINDOWS: usize = 4;

/// How many TIME-WAITs there can have been at once. Each counts in all windows that it touches, so that no window had a
/// moment with more.
#[derive(Clone, Copy, Debug, Default)]
struct Crowd {
    /// The first window that is looked at.
    first: i32,
    counts: [u32; WINDOWS],
    /// The most of any window before.
    most: u32,
    /// Those that were there before these windows, or for long: at any time for all that is known.
    apart: u32,
}

impl During {
    /// From one time to another, or without an end.
    #[inline]
    pub fn new(from: Timestamp, until: Option<Timestamp>) -> Self {
        let window = |time: Timestamp| (time.0 >> WINDOW_BITS) as i32;
        let first = window(from);
        let more = until.map_or(LONG, |until| (window(until) - first).clamp(0, LONG));
        Self(first << MORE_BITS | more)
    }
}

impl Crowd {
    /// Takes so many that were there `during` some windows.
    #[inline]
    fn take(&mut self, during: During, count: u32) {
        let (first, more) = (during.0 >> MORE_BITS, during.0 & LONG);
        if more as usize >= WINDOWS || first < self.first {
            self.apart = self.apart.saturating_add(count);
            return;
        }
        if first + more - self.first >= WINDOWS as i32 {
            self.go_on_to(first + more);
        }
        let at = (first - self.first) as usize;
        for touched in self.counts.iter_mut().skip(at).take(more as usize + 1) {
            *touched = touched.saturating_add(count);
        }
    }

    /// Looks at the windows that end with this one from now on.
    #[cold]
    fn go_on_to(&mut self, window: i32) {
        let first = window - (WINDOWS - 1) as i32;
        let gone = usize::try_from(first - self.first).map_or(WINDOWS, |gone| gone.min(WINDOWS));
        self.most = self.counts[..gone].iter().fold(self.most, |most, &count| most.max(count));
        self.counts.rotate_left(gone);
        self.counts[WINDOWS - gone..].fill(0);
        self.first = first;
    }

    fn at_once(&self) -> u32 {
        self.counts.iter().fold(self.most, |most, &count| most.max(count)).saturating_add(self.apart)
    }
}

impl Gauge {
    /// Takes over what is known of other sockets.
    pub fn join(&mut self, other: &Self) {
        self.sockets = self.sockets.saturating_add(other.sockets);
        self.entered = self.entered.saturating_add(other.entered);
        self.time_waits = self.time_waits.saturating_add(other.time_waits);
        self.waits = self.waits.saturating_add(other.waits);
        self.half_open = self.half_open.saturating_add(other.half_open);
        self.crowd.apart = self.crowd.apart.saturating_add(other.crowd.at_once());
    }

    /// All that is known.
    pub fn outline(&self) -> Outline {
        Outline {
            sockets: self.sockets.into(),
            entered: self.entered.into(),
            time_waits: self.time_waits.into(),
            time_waits_at_once: self.time_waits.min(self.crowd.at_once()).into(),
            waits: self.waits.into(),
            half_open: self.half_open.into(),
        }
    }
}

impl Outline {
    /// Stays that may have lasted `ns`, in the states that wait for somebody.
    pub fn waits_of(&self, ns: i64) -> u64 {
        if ns >= WAITED_NS_MIN { self.waits } else { self.entered }
    }
}

impl Trace {
    /// That of a socket that entered so many states, was in TIME-WAIT `during` some time if ever, and waited long in `waits`.
    #[inline]
    pub fn of_socket(entered: u8, during: Option<During>, waits: u8) -> Self {
        let (time_waits, during) = during.map_or((0, During::default()), |during| (1, during));
        Self { entered, time_waits, waits, traits: SOCKET, during }
    }

    /// There was a socket.
    #[inline]
    pub fn is_socket(self) -> bool {
        self.traits & SOCKET != 0
    }

    /// That of one visit.
    pub fn of(visit: &Visit) -> Self {
        let mut trace = Self { traits: if visit.is_socket() { SOCKET } else { 0 }, ..Self::default() };
        for (step, until, has_ended) in visit.stays() {
            let state = step.state();
            trace.entered += 1;
            if state == State::TimeWait {
                trace.during = match trace.time_waits {
                    0 => During::new(step.from, Some(until).filter(|_| has_ended)),
                    // Whenever there were several.
                    _ => During(LONG),
                };
                trace.time_waits += 1;
            }
            trace.waits += u8::from(waits_for(state) && until.since(step.from) >= WAITED_NS_MIN);
        }
        let is_half_open = visit.visitor().is_some_and(|visitor| visitor.attempted == Attempted::HalfOpen);
        trace.traits |= if is_half_open { HALF_OPEN } else { 0 };
        trace
    }
}

impl AddAssign<Trace> for Gauge {
    #[inline]
    fn add_assign(&mut self, trace: Trace) {
        self.sockets = self.sockets.saturating_add((trace.traits & SOCKET).into());
        self.entered = self.entered.saturating_add(trace.entered.into());
        self.waits = self.waits.saturating_add(trace.waits.into());
        self.half_open = self.half_open.saturating_add((trace.traits >> 1).into());
        if trace.time_waits > 0 {
            self.time_waits = self.time_waits.saturating_add(trace.time_waits.into());
            self.crowd.take(trace.during, trace.time_waits.into());
        }
    }
}

impl AddAssign for Outline {
    fn add_assign(&mut self, other: Self) {
        self.sockets += other.sockets;
        self.entered += other.entered;
        self.time_waits += other.time_waits;
        self.time_waits_at_once += other.time_waits_at_once;
        self.waits += other.waits;
        self.half_open += other.half_open;
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::Series;
    use super::*;

    #[test]
    fn no_more_were_in_time_wait_at_once_than_the_outline_says() {
        const SECOND: i64 = 1_000_000_000;
        let mut tight = 0;
        for seed in 0..300 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut gauges = [Gauge::default(); 2];
            let mut series = Series::new([1, SECOND, 1 << 33][seed as usize % 3]);
            let mut now = if seed % 7 == 0 { -100_000 * SECOND } else { 1_700_000_000 * SECOND };
            for _ in 0..rng.usize(1..200) {
                now += rng.i64(0..20) * SECOND;
                let late = if rng.u8(..10) == 0 { rng.i64(0..600) } else { rng.i64(0..10) };
                let from = Timestamp(now - late * SECOND);
                let lasts = [60, 60, 60, 60, 0, 240, 3_000][rng.usize(..7)];
                let until = (rng.u8(..20) > 0).then(|| from.plus(lasts * SECOND));
                gauges[rng.usize(..2)] += Trace::of_socket(1, Some(During::new(from, until)), 0);
                series.pass(1, |_| (State::TimeWait, from), until, 1);
            }
            let [mut all, other] = gauges;
            all.join(&other);
            let Outline { time_waits, time_waits_at_once, .. } = all.outline();
            let peak = series.peak_of(State::TimeWait).sockets;
            assert!(peak <= time_waits_at_once, "{seed}: {peak} of {time_waits_at_once}");
            tight += u32::from(time_waits_at_once < time_waits);
        }
        assert!(tight > 150, "{tight}");
    }
}
