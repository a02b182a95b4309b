//! `port-exhaustion`: a client runs out of ports toward one destination.

use super::{PopulationFinding, PopulationThresholds, grouped, rate, share};
use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::finding::verdict::{Confidence, Severity};
use crate::population::{Pile, Population, Stretch};

finding! {
    /// # What it is
    ///
    /// A client's ephemeral ports toward one destination address and port are all in use, most of them by TIME-WAIT, or
    /// will be at the rate at which it opens connections.
    ///
    /// # Why it matters
    ///
    /// When no port is free, connect() fails with EADDRNOTAVAIL ("Cannot assign requested address") before a packet is
    /// sent, so nothing of it is in a capture but that the SYNs stop coming. The load balancer in front of one backend and
    /// the application with one database are the usual victims.
    ///
    /// # How it is recognised
    ///
    /// Every socket of the client holds a port toward its destination, from SYN-SENT to the end of TIME-WAIT. The most at
    /// once are held against the range of the profile, or of --port-range. The forecast holds the rate of new connections
    /// against the rate at which ports come free: range / (connection + TIME-WAIT). 28,232 ports / 60 s are 470 connections
    /// a second.
    ///
    /// ```trace fires 3000 times
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Many connections to many destinations: a port can be used toward each of them. TIME-WAITs at the server hold no
    /// port of the client.
    ///
    /// ```trace quiet 3000 times
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > FIN ACK
    /// client > FIN ACK
    /// server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Keep connections open and use them again. If that cannot be: more source addresses, more destination addresses or
    /// ports, a wider net.ipv4.ip_local_port_range; on Linux net.ipv4.tcp_tw_reuse=1 (with timestamps at both ends), and
    /// IP_BIND_ADDRESS_NO_PORT for programs that bind an address before connect().
    "port-exhaustion", Population, Warning, detect
}

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let ports = population.ports();
    for ((host, destination), pile) in population.destinations.sorted() {
        let peak = pile.series().peak(|level| level.total());
        let used = peak.sockets as f64 / ports as f64;
        if used < thresholds.ports_share_min.min(thresholds.ports_forecast_share_min) {
            continue;
        }
        let time_wait_ns = population.profile.time_wait_ns;
        let Some(stretch) = pile.series().densest(time_wait_ns, |level| u64::from(level.born)) else { continue };
        let forecast = forecast(population, pile, stretch, ports);
        if used < thresholds.ports_share_min && forecast.is_none() {
            continue;
        }
        let is_out = used >= thresholds.ports_share_out;
        let mut message = held(pile, destination, ports);
        message.push_str(&pace(population, pile, stretch, ports));
        if is_out {
            message.push_str("; connect() fails while none is free");
        } else if let Some(at) = forecast {
            let after = duration(at.since(stretch.from));
            message.push_str(&format!("; at this rate they run out {after} after {}", stretch.from));
        }
        if pile.attempts.reused > 0 {
            message.push_str(&format!("; {} connections took a port out of TIME-WAIT", grouped(pile.attempts.reused)));
        }
        let mut confidence = if used >= thresholds.ports_share_min { Confidence::High } else { Confidence::Medium };
        if pile.ports_outside > 0 {
            message.push_str(&format!(
                "; {} of its sockets have ports outside of {}-{}: if the host has another range, say so with --port-range",
                grouped(pile.ports_outside),
                population.profile.ephemeral_first,
                population.profile.ephemeral_last
            ));
            confidence = Confidence::Low;
        }
        found.push(PopulationFinding {
            severity: if is_out { Severity::Error } else { Severity::Warning },
            service: Some(destination),
            owner: Some(Side::Client),
            peak: Some(peak),
            limit: Some(ports),
            runs_out: if is_out { Some(peak.at) } else { forecast },
            ..ENTRY.of_host(host, confidence, stretch, message).shown_by(pile, State::TimeWait)
        });
    }
}

/// The most ports in use at once.
fn held(pile: &Pile, destination: Endpoint, ports: u64) -> String {
    let peak = pile.series().peak(|level| level.total());
    let waiting =
        pile.series().levels().find(|level| level.from == peak.at).map_or(0, |level| level.of(State::TimeWait));
    format!(
        "{} of {} ports ({}) toward {destination} were in use at {}, {} of them in TIME-WAIT",
        grouped(peak.sockets),
        grouped(ports),
        share(peak.sockets, ports),
        peak.at,
        grouped(waiting)
    )
}

/// What the range allows, and what the host makes.
fn pace(population: &Population, pile: &Pile, stretch: Stretch, ports: u64) -> String {
    let hold_ns = hold_ns(population, pile);
    let allowed = ports as f64 / (hold_ns as f64 / 1e9);
    format!(
        "; {} ports / {} = {} connections a second; this host makes {} over {}",
        grouped(ports),
        duration(hold_ns),
        rate(allowed),
        rate(stretch.per_second()),
        duration(stretch.to.since(stretch.from))
    )
}

/// For how long a connection holds its port, ns.
fn hold_ns(population: &Population, pile: &Pile) -> i64 {
    pile.held_ns().unwrap_or(population.profile.time_wait_ns).max(1)
}

/// When the ports run out at the rate of `stretch`, if they do.
fn forecast(population: &Population, pile: &Pile, stretch: Stretch, ports: u64) -> Option<Timestamp> {
    let hold_ns = hold_ns(population, pile);
    if stretch.per_second() * (hold_ns as f64 / 1e9) < ports as f64 {
        return None;
    }
    let after_ns = ports as f64 / stretch.per_second() * 1e9;
    let at = stretch.from.plus(after_ns as i64);
    // What lies in the capture was seen not to happen.
    (at > stretch.to).then_some(at)
}
