//! `time-wait-accumulation`: a host closes first again and again, and its TIME-WAITs pile up.

use std::cmp::Reverse;
use std::net::IpAddr;

use super::{PopulationFinding, PopulationThresholds, grouped, rate};
use crate::base::{Endpoint, Side};
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::finding::verdict::{Confidence, Severity};
use crate::population::{Outline, Pile, Population};

finding! {
    /// # What it is
    ///
    /// One host holds many sockets in TIME-WAIT at once: it closes first, again and again, faster than they run out.
    ///
    /// # Why it matters
    ///
    /// TIME-WAIT is no fault. It keeps old segments from a new connection and repeats a lost last ACK, and costs a few
    /// hundred octets. But each one of a client holds a port toward its destination (`port-exhaustion`), each one of a
    /// server says that its port pays for every request, and the pile is the arrival rate times the duration, whatever
    /// anybody tunes: N closes a second are N × 60 sockets on Linux.
    ///
    /// # How it is recognised
    ///
    /// By the number of the host's sockets in TIME-WAIT at once, each from when it was entered to when the profile's timer
    /// runs out. The rate is that of the densest stretch no longer than a TIME-WAIT.
    ///
    /// ```trace fires 60 times
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
    /// # Not to be confused with
    ///
    /// Many connections that stay open, and many that are reset: neither leaves TIME-WAIT. `time-wait-owner-server` says
    /// when it is the listening side that pays.
    ///
    /// ```trace quiet 60 times
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > data 300
    /// client > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Fewer connections: keep-alive and pools turn thousands of them into a few. If each request must have its own,
    /// let the side close first that has room for it: many clients rather than one server. More addresses or ports help
    /// a client that runs out of them. Linux lets clients take a port out of TIME-WAIT when timestamps allow it
    /// (net.ipv4.tcp_tw_reuse=1; the default, 2, does so on loopback alone; ip-sysctl). Do not shorten TIME-WAIT with
    /// SO_LINGER 0: that turns closes into resets.
    "time-wait-accumulation", Population, Note, detect
}

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let may_be = |outline: &Outline| outline.time_waits_at_once >= thresholds.time_wait_sockets_min;
    for (host, pile) in population.hosts.reaching(may_be) {
        let pile: &Pile = &pile;
        let peak = pile.peak(State::TimeWait);
        if peak.sockets < thresholds.time_wait_sockets_min {
            continue;
        }
        let time_wait_ns = population.profile.time_wait_ns;
        let Some(stretch) = pile.densest(State::TimeWait, time_wait_ns) else { continue };
        let steady = stretch.per_second() * time_wait_ns as f64 / 1e9;
        let largest = largest(population, host);
        let mut message = format!(
            "{host} held up to {} sockets in TIME-WAIT at once: it closed first {} times in {}, {} a second",
            grouped(peak.sockets),
            grouped(stretch.count),
            duration(stretch.to.since(stretch.from)),
            rate(stretch.per_second()),
        );
        if steady > peak.sockets as f64 * 1.2 {
            message.push_str(&format!(
                "; going on like this for {} would make {} of them",
                duration(time_wait_ns),
                grouped(steady.round() as u64)
            ));
        }
        if let Some((side, service, count, there)) = largest {
            let role = match side {
                Side::Client => format!("as client of {service}"),
                Side::Server => format!("as server on {service}"),
            };
            message.push_str(&format!(
                "; {} of {} {role}, where {}",
                grouped(count),
                grouped(pile.entered[State::TimeWait as usize]),
                otherwise(side, there)
            ));
        }
        let confidence = if pile.guessed * 2 > pile.sockets { Confidence::Medium } else { Confidence::High };
        let many = peak.sockets >= thresholds.time_wait_sockets_many;
        found.push(PopulationFinding {
            severity: if many { Severity::Warning } else { Severity::Note },
            service: largest.map(|(_, service, ..)| service),
            owner: largest.map(|(side, ..)| side),
            peak: Some(peak),
            ..ENTRY.of_host(host, confidence, stretch, message).shown_by(pile, State::TimeWait)
        });
    }
}

/// Where most TIME-WAITs of `host` come from, and how many.
fn largest(population: &Population, host: IpAddr) -> Option<(Side, Endpoint, u64, &Pile)> {
    let services = population.services.within(|service| service.ip.cmp(&host));
    let services = services.map(|(service, outline)| (outline.time_waits, Side::Server, (host, service)));
    let destinations = population.destinations.within(|(client, _)| client.cmp(&host));
    let destinations = destinations.map(|(key, outline)| (outline.time_waits, Side::Client, key));
    let all = services.chain(destinations).filter(|&(count, ..)| count > 0);
    let (count, side, key) = all.min_by_key(|&(count, ..)| Reverse(count))?;
    let pile = match side {
        Side::Server => population.services.get(key.1),
        Side::Client => population.destinations.get(key),
    };
    Some((side, key.1, count, pile?))
}

/// What the other order of closing, or persistent connections, would have made of it.
pub(super) fn otherwise(owner: Side, pile: &Pile) -> String {
    let open = pile.peak(State::Established).sockets.max(1);
    let kept = match open {
        1 => "a single connection that is kept open would do".to_owned(),
        some => format!("{} connections that are kept open would do", grouped(some)),
    };
    let peers = pile.peers.count().max(1);
    let about = if pile.peers.is_exact() { "" } else { "about " };
    match owner {
        Side::Client => format!("the server would hold them if it closed first, and {kept}"),
        Side::Server if peers == 1 => format!("its only client would hold them if it closed first, and {kept}"),
        Side::Server => {
            format!("{about}{} clients would share them if they closed first, and {kept}", grouped(peers))
        }
    }
}
