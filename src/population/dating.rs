//! When an endpoint did what its packets show at the tap.

use super::absence::opened_by_payload;
use crate::base::{Seq, Side, Timestamp};
use crate::connection::{Connection, Lifecycle, Noted, State, StateStep};

/// By whose clock states are dated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dating {
    /// When their packets passed the tap.
    AtTap,
    /// When the endpoint sent or received them, half a round trip from the tap to it and back earlier or later, and what
    /// its own clock shows that a segment waited on the way. As far as its segments tell that.
    AtEnd,
}

impl Dating {
    /// How much later than its timer's end a socket is gone, on average, ns: the kernel's wheel of timers turns by steps of 2 s
    /// this far ahead (4 s with ticks of 1 ms), and rounds up (Linux kernel/time/timer.c).
    pub fn late_ns(self) -> i64 {
        match self {
            Dating::AtTap => 0,
            Dating::AtEnd => 1_000_000_000,
        }
    }
}

/// Longer round trips are a mistake of their measurement, ns.
const RTT_NS_MAX: i64 = 1_000_000_000;
/// The clock of timestamps ticks this often (Linux since 4.13, Windows, macOS, FreeBSD), ns.
const TICK_NS: i64 = 1_000_000;
/// Two clocks do not part by a tick in this time, ns.
const IN_STEP_NS: i64 = 10_000_000_000;
/// Segments nearer to each other do not show how often a clock ticks, ns.
const CLOCKED_NS_MIN: i64 = 20_000_000;

/// What lies between an endpoint and the tap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Road {
    /// Half the shortest round trip that was seen, ns; 0 where times are the tap's.
    pub way_ns: i64,
}

impl Road {
    #[inline]
    pub fn to(life: &Lifecycle, side: Side, dating: Dating) -> Self {
        match dating {
            Dating::AtTap => Self { way_ns: 0 },
            Dating::AtEnd => Self { way_ns: shortest_rtt_ns(life, side).clamp(0, RTT_NS_MAX) / 2 },
        }
    }

    /// When the endpoint took `step`. What is no remembered segment of its own it received.
    #[inline]
    pub fn at_end(self, connection: &Connection, life: &Lifecycle, side: Side, step: &StateStep) -> Timestamp {
        if step.state == State::Established
            && side == Side::Server
            && let Some(opened) = opened_by_payload(connection, life, side)
        {
            return opened.plus(self.way_ns);
        }
        let Some(frame) = step.frame.filter(|_| self.way_ns > 0) else { return step.time };
        match life.notes.iter().find(|note| note.frame == frame) {
            Some(note) if note.side == side => note.time.plus(-self.way_ns - waited_ns(life, note)),
            Some(note) => note.time.plus(self.way_ns),
            None => step.time.plus(self.way_ns),
        }
    }
}

/// From the tap to `side` and back, ns: as long as its answer to the handshake took, or that to the FIN.
fn shortest_rtt_ns(life: &Lifecycle, side: Side) -> i64 {
    let handshake = life.arrivals.rtt_ns[side];
    let close = life.closing.fins[!side].zip(life.arrivals.ack_of_fin[!side]).and_then(|(fin, receipt)| {
        let answer = life.notes.get(receipt.note).filter(|answer| answer.side == side)?;
        Some(answer.time.since(fin.time)).filter(|&ns| ns > 0)
    });
    handshake.map_or(0, |rtt| rtt.min(close.unwrap_or(rtt)))
}

/// How much longer than the fastest of its sender's segments `note` was on its way to the tap, by the sender's timestamps, ns. A
/// tick is not counted, since nobody knows how much of it had passed.
fn waited_ns(life: &Lifecycle, note: &Noted) -> i64 {
    let Some(clock) = note.timestamps.filter(|_| !note.is_rst()) else { return 0 };
    let late_ns = |other: &Noted| {
        let ticks = Seq(other.timestamps?.value).since(Seq(clock.value));
        Some(other.time.since(note.time) - i64::from(ticks) * TICK_NS)
    };
    let near = |other: &&Noted| {
        let is_near = other.time.since(note.time).abs() <= IN_STEP_NS;
        other.side == note.side && is_near && other.timestamps.is_some() && !other.is_rst()
    };
    let mut own = life.notes.iter().filter(near);
    let (Some(first), Some(last)) = (own.next(), life.notes.iter().rfind(near)) else { return 0 };
    let span_ns = last.time.since(first.time);
    let (Some(begin), Some(end)) = (first.timestamps, last.timestamps) else { return 0 };
    let clocked_ns = i64::from(Seq(end.value).since(Seq(begin.value))) * TICK_NS;
    if span_ns < CLOCKED_NS_MIN || !(span_ns / 2..span_ns.saturating_mul(2)).contains(&clocked_ns) {
        return 0;
    }
    let fastest = own.chain([first]).filter_map(late_ns).min().unwrap_or(0);
    (-fastest - TICK_NS).clamp(0, RTT_NS_MAX)
}
