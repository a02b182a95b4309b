//! `syn-received-accumulation`: clients want in, and their handshakes do not complete.

use super::long_wait::{Limit, LongWait};
use super::syn_flood::is_flooded;
use super::{PopulationFinding, PopulationThresholds, grouped, share};
use crate::base::Side;
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::population::{Population, Role};

finding! {
    /// # What it is
    ///
    /// Many connections of one service stay in SYN-RECEIVED: it answers SYNs of clients that do exist, and their handshakes do
    /// not complete.
    ///
    /// # Why it matters
    ///
    /// Either the service does not take its connections: its accept queue is full, and the kernel drops the handshakes' last
    /// segments until there is room. The clients believe that they are connected, send, and wait (`accept-queue-overflow` shows
    /// it one by one). Or the answers do not reach the clients: loss, a firewall, a way back that leads elsewhere. Both look like
    /// a slow network to a user.
    ///
    /// # How it is recognised
    ///
    /// By the number of sockets that spent longer than a second in SYN-RECEIVED. A SYN-ACK that is not acknowledged is repeated
    /// within that time.
    ///
    /// ```trace fires 20 times
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 client > SYN
    ///    server > SYN ACK
    /// +2 client > SYN
    ///    server > SYN ACK
    /// +5 client > SYN
    ///    server > SYN ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `syn-flood`, where nobody stands behind the SYNs: those do not come again. Then that is said, and not this.
    ///
    /// ```trace quiet 60 times
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    /// +2 server > SYN ACK
    /// +8 server > SYN ACK
    /// ```
    ///
    /// # What to do
    ///
    /// On the server: ss -ltn shows the accept queue as Recv-Q against its limit in Send-Q, and nstat TcpExtListenOverflows counts
    /// what was dropped. Mend the application that does not accept(), or raise its listen() backlog and net.core.somaxconn. When
    /// the queue is empty, capture at the client: do the SYN-ACKs arrive there?
    "syn-received-accumulation", Population, Warning, detect
}

/// A handshake this long has had its SYN-ACK repeated more than once, ns.
const IN_VAIN_NS: i64 = 3_000_000_000;

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let ns_min = thresholds.syn_received_ns_min;
    let limit = Limit { ns_min, sockets_min: thresholds.syn_received_sockets_min, in_vain_ns: IN_VAIN_NS };
    let of_service = |role: Role<'_>| {
        let wait = LongWait::of(role, State::SynReceived, |waits| &waits.syn_received, &limit)?;
        let attempts = role.pile.attempts;
        let all = attempts.opened + attempts.half_open + attempts.unanswered;
        let message = format!(
            "the service {} held up to {} sockets in SYN-RECEIVED at once; {} waited longer than {} for the end of the \
             handshake, the longest for {}; of {} handshakes that nobody aborted {} ({}) completed",
            role.service,
            grouped(wait.peak.sockets),
            grouped(wait.waited()),
            duration(ns_min),
            duration(wait.longest_ns),
            grouped(all),
            grouped(attempts.opened),
            share(attempts.opened, all)
        );
        Some(wait.found(&ENTRY, population, message))
    };
    let roles = population.roles(|outline| limit.may_be_reached(outline));
    let services = roles.filter(|role| role.owner == Side::Server && !is_flooded(role.pile, thresholds));
    found.extend(services.filter_map(of_service));
}
