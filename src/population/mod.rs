//! Stage 7: across connections and over time: how many sockets each host has in each state, which ports it uses toward
//! whom, and what it would have had at any moment.
//!
//! A connection is taken when it leaves the table, with its life in hindsight, and only counts remain of it. Memory is
//! bounded: by the number of groups that are kept ([`GROUPS_KEPT`], the largest) and by the number of intervals of each,
//! whatever the length of the capture. [`Tally`] gathers, and becomes a [`Population`] at the end, which counts what it is asked for.

mod absence;
mod account;
mod alone;
mod changes;
mod clocks;
mod crew;
mod dating;
mod denials;
mod distinct;
mod exits;
mod gathering;
mod groups;
mod idle;
mod intervals;
mod life;
mod moment;
mod outline;
mod pace;
mod pile;
mod piling;
mod places;
mod ports;
mod row;
mod series;
mod stay;
mod store;
mod sums;
mod tally;
mod visit;

use std::net::IpAddr;
use std::sync::Arc;

use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::Profile;

pub use account::Account;
pub use clocks::{Attempt, Clocks};
pub use crew::Crew;
pub use denials::{Denial, Denials};
pub use distinct::Distinct;
pub use exits::{Ends, Exit, Exits, Refusal};
pub use gathering::Habits;
pub use groups::{Breadth, GROUPS_KEPT, Groups};
pub use idle::{IdleEnd, IdleEnds, IdleOwner, IdleTimer, idle_timer};
pub use moment::{Moment, Queues, Socket, SocketTable, Timer};
pub use outline::Outline;
pub use pile::{Attempts, Closers, Durations, EXAMPLES_MAX, Example, Pile, Waits};
pub use ports::{AtLimit, PortUse};
pub use series::{Event, INTERVAL_NS, Level, PILED, Peak, PerState, Series, Stretch};
pub use stay::{Departure, Stay};
pub use sums::Sums;
pub use tally::Tally;

/// The sockets of a capture, by group and over time.
#[derive(Clone, Debug)]
pub struct Population {
    /// Timer constants and the range of ports.
    pub profile: Profile,
    /// All sockets of each host.
    pub hosts: Sums,
    /// The servers' sockets of each service.
    pub services: Arc<Groups<Endpoint>>,
    /// The clients' sockets of each host toward each destination.
    pub destinations: Arc<Groups<(IpAddr, Endpoint)>>,
    /// From the first to the last packet; none when there was none.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// The sockets of one host in its role toward one service.
#[derive(Clone, Copy, Debug)]
pub struct Role<'a> {
    /// Who holds the sockets.
    pub host: IpAddr,
    /// What they are about.
    pub service: Endpoint,
    /// Which end the host is.
    pub owner: Side,
    /// The sockets.
    pub pile: &'a Pile,
}

impl Population {
    /// The newest packet's time.
    pub fn horizon(&self) -> Timestamp {
        self.span.map_or(Timestamp(0), |(_, last)| last)
    }

    /// The piles of every service, and of every host toward a destination, of which the outline is enough.
    pub fn roles(&self, is_enough: impl Fn(&Outline) -> bool + Copy) -> impl Iterator<Item = Role<'_>> {
        let services = self.services.reaching(is_enough);
        let services = services.map(|(service, pile)| Role { host: service.ip, service, owner: Side::Server, pile });
        let destinations = self.destinations.reaching(is_enough);
        services.chain(destinations.map(|((host, service), pile)| Role { host, service, owner: Side::Client, pile }))
    }

    /// Ports that the profile's hosts choose from.
    pub fn ports(&self) -> u64 {
        u64::from(self.profile.ephemeral_last.saturating_sub(self.profile.ephemeral_first)) + 1
    }
}
