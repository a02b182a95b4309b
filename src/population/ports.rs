//! Ephemeral ports toward one destination against the range that there is.

use super::Population;
use super::pile::Pile;
use super::series::{Peak, Stretch};
use crate::base::Timestamp;
use crate::connection::State;

/// How a client uses its ports toward one destination.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PortUse {
    /// Ports in the range.
    pub range: u64,
    /// The most in use at once: every socket holds one, from SYN-SENT to the end of TIME-WAIT.
    pub peak: Peak,
    /// Of those, in TIME-WAIT.
    pub waiting: u64,
    /// For how long a connection holds its port on average, ns.
    pub held_ns: i64,
    /// The densest stretch of new connections, of at most a TIME-WAIT's duration.
    pub stretch: Stretch,
    /// When the ports run out at that rate, if they do: after what the capture shows.
    pub runs_out: Option<Timestamp>,
}

impl PortUse {
    /// Of the clients' sockets in `pile`; none when there was no connection.
    pub fn of(population: &Population, pile: &Pile) -> Option<Self> {
        let range = population.ports();
        let peak = pile.series().peak(|level| level.total());
        let at_peak = pile.series().levels().find(|level| level.from == peak.at);
        let stretch = pile.series().densest(population.profile.time_wait_ns, |level| u64::from(level.born))?;
        let held_ns = pile.held_ns().unwrap_or(population.profile.time_wait_ns).max(1);
        let is_too_fast = stretch.per_second() * (held_ns as f64 / 1e9) >= range as f64;
        let at = stretch.from.plus((range as f64 / stretch.per_second() * 1e9) as i64);
        Some(Self {
            range,
            peak,
            waiting: at_peak.map_or(0, |level| level.of(State::TimeWait)),
            held_ns,
            stretch,
            // What lies in the capture was seen not to happen.
            runs_out: Some(at).filter(|&at| is_too_fast && at > stretch.to),
        })
    }

    /// Share of the range in use at most.
    pub fn share(&self) -> f64 {
        self.peak.sockets as f64 / self.range as f64
    }

    /// New connections a second that the range allows for ever.
    pub fn allowed_per_second(&self) -> f64 {
        self.range as f64 / (self.held_ns as f64 / 1e9)
    }
}
