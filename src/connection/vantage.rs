//! Where the tap was: beside the client, beside the server, or between them.

use super::noted::Noted;
use super::step::Connection;
use crate::base::{Side, Sides, words};
use crate::segment::Marks;

words! {
    /// Where the capture was taken on the connection's path.
    Tap {
        /// On the client's host, or next to it.
        Client = "client",
        /// On the server's host, or next to it.
        Server = "server",
        /// Between them.
        Middle = "middle",
    }
}

/// No network host answers so fast, ns: a round trip this short stays inside a host.
const WITHIN_HOST_NS: i64 = 60_000;
/// A round trip so many times the other's is that of the far end.
const FAR_TIMES: i64 = 8;

impl Tap {
    /// Beside `side`.
    pub const fn beside(side: Side) -> Self {
        match side {
            Side::Client => Self::Client,
            Side::Server => Self::Server,
        }
    }

    /// What tells: frames that only their own host can show (the checksum not yet filled in, or marked as outgoing), else
    /// the halves of the handshake's round trip. None when neither does, and where one address is at both ends: the tap is beside
    /// both, whatever one of them leaves to the card.
    pub(super) fn of(connection: &Connection, notes: &[Noted], rtt_ns: Sides<Option<i64>>) -> Option<Self> {
        if connection.client.ip == connection.server.ip {
            return None;
        }
        let left_here = |side: Side| {
            let marks = Marks::CHECKSUM_PARTIAL | Marks::OUTBOUND;
            connection.halves[side].partial_checksums > 0
                || notes.iter().any(|note| note.side == side && note.marks.intersects(marks))
        };
        Self::shown_by(Sides { client: left_here(Side::Client), server: left_here(Side::Server) }, rtt_ns)
    }

    /// The same, where it is known whose frames tell that they left the host of the tap.
    pub(super) fn shown_by(left_here: Sides<bool>, rtt_ns: Sides<Option<i64>>) -> Option<Self> {
        match (left_here.client, left_here.server) {
            (true, false) => return Some(Self::Client),
            (false, true) => return Some(Self::Server),
            // Both ends on one host.
            (true, true) => return None,
            (false, false) => {}
        }
        let (client, server) = (rtt_ns.client?, rtt_ns.server?);
        let near = |near: i64, far: i64| near <= WITHIN_HOST_NS && far > near || near > 0 && far / near >= FAR_TIMES;
        match (near(client, server), near(server, client)) {
            (true, false) => Some(Self::Client),
            (false, true) => Some(Self::Server),
            (true, true) => None,
            (false, false) => Some(Self::Middle),
        }
    }
}
