//! `time-wait-owner-server`: the side that listens closes first and collects TIME-WAIT.

use super::time_wait_accumulation::otherwise;
use super::{PopulationFinding, PopulationThresholds, grouped, rate, share};
use crate::base::Side;
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::finding::verdict::{Confidence, Severity};
use crate::population::{Outline, Population};

finding! {
    /// # What it is
    ///
    /// A service closes first, after its answer, and so the TIME-WAIT of every request lies with the server.
    ///
    /// # Why it matters
    ///
    /// The side that closes first pays. A thousand clients hold one TIME-WAIT each and do not notice; one server holds
    /// all thousand. The server's port stays the same, so it does not run out of ports, but memory, socket tables and
    /// net.ipv4.tcp_max_tw_buckets are finite. A client that uses the same port again soon meets a TIME-WAIT at the server,
    /// and whether its SYN is accepted then depends on its number and timestamp (`syn-rejected-in-time-wait`).
    ///
    /// # How it is recognised
    ///
    /// By the number of the service's sockets in TIME-WAIT at once, and by who sent the first FIN in its connections.
    ///
    /// ```trace fires 60 times
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > data 300
    /// server > FIN ACK
    /// client > FIN ACK
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `time-wait-accumulation` on a client, where the same connections cost ports.
    ///
    /// ```trace quiet 60 times
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > data 300
    /// client > FIN ACK
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Let the client close: in HTTP, keep connections alive, or let the client send "Connection: close" and close
    /// itself. Behind a proxy, let the proxy keep its connections to the service. Where the server must close first,
    /// leave net.ipv4.tcp_max_tw_buckets high (ip-sysctl): TIME-WAITs that are thrown away leave lost last ACKs without
    /// an answer (`final-ack-lost`, `reset-no-time-wait`).
    "time-wait-owner-server", Population, Note, detect
}

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let may_be = |outline: &Outline| outline.time_waits_at_once >= thresholds.time_wait_sockets_min;
    for (service, pile) in population.services.reaching(may_be) {
        let closes = pile.closers.total();
        let by_server = pile.closers.server + pile.closers.both;
        let is_owner = by_server as f64 > closes as f64 * thresholds.time_wait_owner_share_min;
        if pile.entered[State::TimeWait as usize] < thresholds.time_wait_sockets_min || !is_owner {
            continue;
        }
        let peak = pile.peak(State::TimeWait);
        if peak.sockets < thresholds.time_wait_sockets_min {
            continue;
        }
        let time_wait_ns = population.profile.time_wait_ns;
        let Some(stretch) = pile.densest(State::TimeWait, time_wait_ns) else { continue };
        let mut message = format!(
            "the service {service} closed first in {} of {} closes ({}) and held up to {} sockets in TIME-WAIT at once, {} \
             new ones a second over {}; {}",
            grouped(by_server),
            grouped(closes),
            share(by_server, closes),
            grouped(peak.sockets),
            rate(stretch.per_second()),
            duration(stretch.to.since(stretch.from)),
            otherwise(Side::Server, pile)
        );
        if pile.attempts.reused > 0 {
            let reused = grouped(pile.attempts.reused);
            message.push_str(&format!("; {reused} connections were accepted on four numbers that were in TIME-WAIT"));
        }
        // Who listens is a guess when no SYN was seen.
        let confidence = if pile.guessed * 2 > pile.sockets { Confidence::Medium } else { Confidence::High };
        let many = peak.sockets >= thresholds.time_wait_sockets_many;
        found.push(PopulationFinding {
            severity: if many { Severity::Warning } else { Severity::Note },
            service: Some(service),
            owner: Some(Side::Server),
            peak: Some(peak),
            ..ENTRY.of_host(service.ip, confidence, stretch, message).shown_by(pile, State::TimeWait)
        });
    }
}
