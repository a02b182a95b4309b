//! Sockets that stay longer in one state than it is meant to last: what piles of FIN-WAIT-2, LAST-ACK and SYN-RECEIVED share.

use super::PopulationFinding;
use crate::base::Side;
use crate::connection::State;
use crate::finding::catalogue::Entry;
use crate::finding::verdict::Confidence;
use crate::population::{Durations, Outline, Peak, Population, Role, Stretch, Waits};

/// What counts as staying long, and as a pile.
pub(super) struct Limit {
    /// Shorter waits do not count, ns.
    pub ns_min: i64,
    /// Fewer sockets are no pile, in all and at once.
    pub sockets_min: u64,
    /// Nobody answers any more after this long, ns.
    pub in_vain_ns: i64,
}

/// The sockets of one role that stayed long in one state.
pub(super) struct LongWait<'a> {
    role: Role<'a>,
    state: State,
    stretch: Stretch,
    confidence: Confidence,
    /// The most in that state at once, those that stayed for a short time among them.
    pub peak: Peak,
    /// How many had waited long when they left the state.
    pub over: u64,
    /// How many have waited long and still do.
    pub going_on: u64,
    /// The longest wait, ns.
    pub longest_ns: i64,
}

impl Limit {
    /// A group of this outline may have so many sockets that waited so long.
    pub fn may_be_reached(&self, outline: &Outline) -> bool {
        outline.waits_of(self.ns_min) >= self.sockets_min
    }
}

impl<'a> LongWait<'a> {
    /// The sockets of `role` in `state`, whose waits are `durations`; none when they are no pile.
    pub fn of(role: Role<'a>, state: State, durations: fn(&Waits) -> &Durations, limit: &Limit) -> Option<Self> {
        let pile = role.pile;
        let long = |waits: &Waits| durations(waits).at_least(limit.ns_min);
        let (over, going_on) = (long(&pile.ended), long(&pile.going_on));
        if over + going_on < limit.sockets_min {
            return None;
        }
        let peak = pile.peak(state);
        if peak.sockets < limit.sockets_min {
            return None;
        }
        let stretch = pile.densest(state, i64::MAX)?;
        let longest_ns = pile.longest(state).first().map_or(0, |example| example.lasted_ns);
        let confidence = if longest_ns >= limit.in_vain_ns { Confidence::High } else { Confidence::Medium };
        Some(Self { role, state, stretch, confidence, peak, over, going_on, longest_ns })
    }

    /// How many waited long.
    pub fn waited(&self) -> u64 {
        self.over + self.going_on
    }

    /// `toward 10.0.0.2:80`, for a sentence about the host.
    pub fn whose(&self) -> String {
        match self.role.owner {
            Side::Client => format!("toward {}", self.role.service),
            Side::Server => format!("of the service {}", self.role.service),
        }
    }

    /// The finding that says `message` of them.
    pub fn found(&self, entry: &Entry, population: &Population, message: String) -> PopulationFinding {
        let Role { host, service, owner, pile } = self.role;
        PopulationFinding {
            service: Some(service),
            owner: Some(owner),
            to: population.horizon(),
            peak: Some(self.peak),
            ..entry.of_host(host, self.confidence, self.stretch, message).shown_by(pile, self.state)
        }
    }
}
