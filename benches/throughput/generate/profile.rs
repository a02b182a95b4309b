//! The five kinds of traffic that speed is measured on, and their sizes.

use std::ops::RangeInclusive;

use clap::ValueEnum;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// Requests and responses, 5,000 connections open at once.
    Web,
    /// Handshake and close only, in the smallest frames.
    Tiny,
    /// 32 long transfers in full segments.
    Bulk,
    /// Two million connections open at once, their frames in random order.
    Churn,
    /// Single SYNs from addresses that never repeat.
    Synflood,
}

/// Where connections come from.
#[derive(Clone, Copy, Debug)]
pub enum Clients {
    /// So many hosts, each counting up its ephemeral ports; every eighth speaks IPv6.
    Pool(u64),
    /// Any address and port.
    Spoofed,
}

/// What a connection's SYN offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stack {
    /// MSS alone.
    Small,
    /// What Linux offers.
    Linux,
}

/// What a generated capture looks like.
#[derive(Clone, Debug)]
pub struct Shape {
    pub connections: u64,
    /// Connections alive at the same moment.
    pub open_at_once: u64,
    pub clients: Clients,
    pub servers: u64,
    pub stack: Stack,
    /// Request and response pairs a connection.
    pub exchanges: RangeInclusive<u32>,
    pub request_len: RangeInclusive<u16>,
    /// Segments a response; all but the last one are full.
    pub response_segments: RangeInclusive<u32>,
    /// Microseconds within which the first `open_at_once` connections begin.
    pub start_spread_us: u64,
    /// Microseconds that a client waits before a request, and before it closes.
    pub think_us: RangeInclusive<u64>,
    /// Of 1,000 connections, how many meet each mishap: a lost SYN, a lost last segment, a refusal, an abort.
    pub mishaps_per_mille: u32,
}

impl Profile {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Web => "web",
            Profile::Tiny => "tiny",
            Profile::Bulk => "bulk",
            Profile::Churn => "churn",
            Profile::Synflood => "synflood",
        }
    }

    /// The shape at `scale`, where 1 is the size that figures are published for.
    pub fn shape(self, scale: f64) -> Shape {
        let connections = |full: u64| ((full as f64 * scale).ceil() as u64).max(1);
        let web = Shape {
            connections: connections(90_000),
            open_at_once: 5_000,
            clients: Clients::Pool(2_000),
            servers: 20,
            stack: Stack::Linux,
            exchanges: 1..=3,
            request_len: 200..=900,
            response_segments: 1..=7,
            start_spread_us: 2_000_000,
            think_us: 200..=400_000,
            mishaps_per_mille: 5,
        };
        match self {
            Profile::Web => web,
            Profile::Tiny => Shape {
                connections: connections(600_000),
                open_at_once: 200,
                stack: Stack::Small,
                exchanges: 0..=0,
                start_spread_us: 20_000,
                think_us: 50..=2_000,
                mishaps_per_mille: 0,
                ..web
            },
            // Longer, not more: the number of flows is what makes this profile.
            Profile::Bulk => Shape {
                connections: 32,
                open_at_once: 32,
                exchanges: 1..=1,
                response_segments: {
                    let segments = connections(40_000) as u32;
                    segments..=segments
                },
                start_spread_us: 10_000,
                mishaps_per_mille: 0,
                ..web
            },
            Profile::Churn => Shape {
                connections: connections(2_000_000),
                open_at_once: connections(2_000_000),
                exchanges: 1..=1,
                request_len: 80..=120,
                response_segments: 1..=1,
                start_spread_us: 60_000_000,
                think_us: 60_000_000..=180_000_000,
                mishaps_per_mille: 0,
                ..web
            },
            Profile::Synflood => Shape {
                connections: connections(12_000_000),
                open_at_once: 1,
                clients: Clients::Spoofed,
                servers: 1,
                stack: Stack::Small,
                start_spread_us: 1,
                mishaps_per_mille: 0,
                ..web
            },
        }
    }
}
