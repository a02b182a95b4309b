//! `port-exhaustion`: a client runs out of ports toward one destination.

use super::{PopulationFinding, PopulationThresholds, grouped, rate, share};
use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::finding::verdict::{Confidence, Severity};
use crate::population::{AtLimit, Outline, Population, PortUse};

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
    /// the application with one database are the usual victims. A NAT that runs out of ports drops SYNs, or uses a port
    /// again that the server still knows.
    ///
    /// # How it is recognised
    ///
    /// Every socket of the client holds a port toward its destination, from SYN-SENT to the end of TIME-WAIT. The most at
    /// once are held against the range of the profile, or of --port-range. The forecast holds the rate of new connections
    /// against the rate at which ports come free: range / (connection + TIME-WAIT). 28,232 ports / 60 s are 470 connections
    /// a second.
    ///
    /// For how long the host stood at the limit is told, and what shows of it: connections that begin the moment a port's
    /// TIME-WAIT has run out; attempts that get no answer, a refusal, or an acknowledgment of an older connection; and
    /// how many SYNs fewer came than at the rate that led there. The last is as near as packets come to the number of
    /// connect() calls that failed: each of these failed, waited, or was never made.
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
    /// `ss -Htan dst ADDRESS:PORT | wc -l` on the client says how many are taken now. Keep connections open and use them again. If that cannot be: more source addresses, more destination addresses
    /// or ports, a wider net.ipv4.ip_local_port_range (keep listeners' ports out of it with ip_local_reserved_ports;
    /// ip-sysctl); on Linux net.ipv4.tcp_tw_reuse=1 (with timestamps at both ends; its default, 2, is for loopback
    /// alone), and IP_BIND_ADDRESS_NO_PORT (ip(7)) for programs that bind an address before connect().
    "port-exhaustion", Population, Warning, detect
}

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let may_be = |outline: &Outline| {
        // A socket holds one port, whatever states it enters.
        let used_max = outline.entered as f64 / population.ports() as f64;
        used_max >= thresholds.ports_share_min.min(thresholds.ports_forecast_share_min)
    };
    for ((host, destination), pile) in population.destinations.reaching(may_be) {
        let Some(ports) = PortUse::of(population, pile) else { continue };
        let used = ports.share();
        let forecast = ports.runs_out.filter(|_| used >= thresholds.ports_forecast_share_min);
        if used < thresholds.ports_share_min && forecast.is_none() {
            continue;
        }
        if pile.ports_outside >= ports.peak.sockets {
            // The host takes its ports from another range, so how many of this one are left says nothing.
            continue;
        }
        let is_out = used >= thresholds.ports_share_out;
        let mut message = held(&ports, destination);
        if let Some(at_limit) = AtLimit::of(population, pile, thresholds.ports_share_out).filter(|_| is_out) {
            message.push_str(&words(&at_limit));
        } else if let Some(at) = forecast {
            let after = duration(at.since(ports.stretch.from));
            message.push_str(&format!("; at this rate they run out {after} after {}", moment(ports.stretch.from)));
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
            peak: Some(ports.peak),
            limit: Some(ports.range),
            runs_out: if is_out { Some(ports.peak.at) } else { forecast },
            ..ENTRY.of_host(host, confidence, ports.stretch, message).shown_by(pile, State::TimeWait)
        });
    }
}

/// The most ports in use at once, what the range allows, and what the host makes.
fn held(ports: &PortUse, destination: Endpoint) -> String {
    format!(
        "{} of {} ports ({}) toward {destination} were in use at {}, {} of them in TIME-WAIT; {} ports / {} = {} \
         connections a second; this host makes {} over {}",
        grouped(ports.peak.sockets),
        grouped(ports.range),
        share(ports.peak.sockets, ports.range),
        moment(ports.peak.at),
        grouped(ports.waiting),
        grouped(ports.range),
        duration(ports.held_ns),
        allowed(ports.allowed_per_second()),
        rate(ports.stretch.per_second()),
        duration(ports.stretch.to.since(ports.stretch.from))
    )
}

/// A rate that can go on, never rounded up to one that cannot.
fn allowed(per_second: f64) -> String {
    rate(if per_second >= 10.0 { per_second.floor() } else { per_second })
}

/// For how long there was no port, and what shows of the connections that did not come about.
fn words(at_limit: &AtLimit) -> String {
    let mut words = format!(
        "; connect() fails with EADDRNOTAVAIL, and sends nothing, while none is free: so it was for {} from {} on",
        duration(at_limit.lasted_ns),
        moment(at_limit.from)
    );
    if at_limit.begun > 0 {
        words.push_str(&format!("; {} began meanwhile", many(at_limit.begun, "connection")));
        if at_limit.renewed > 0 {
            words.push_str(&format!(
                ", {} of them as soon as a port's TIME-WAIT had run out",
                grouped(at_limit.renewed)
            ));
        }
    }
    let shown = [
        (at_limit.unanswered, "got no answer"),
        (at_limit.refused, "refused"),
        (at_limit.challenged, "answered from an older connection on the same ports"),
    ];
    let shown: Vec<String> = shown
        .into_iter()
        .filter(|&(attempts, _)| attempts > 0)
        .map(|(attempts, what)| format!("{} {what}", grouped(attempts)))
        .collect();
    if !shown.is_empty() {
        words.push_str(&format!("; {} failed visibly: {}", many(at_limit.failed(), "attempt"), shown.join(", ")));
    }
    if at_limit.missing > 0 {
        words.push_str(&format!(
            "; at the rate of before about {} more would have begun, which failed, waited or were not tried",
            grouped(at_limit.missing)
        ));
    }
    words
}

/// `1 attempt`, `1,200 attempts`.
fn many(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// A time as RFC 3339 has it, to the millisecond: intervals are no finer.
fn moment(time: Timestamp) -> String {
    let text = time.to_string();
    let second = text.find('.').map_or(text.len(), |dot| dot + 4);
    format!("{}Z", text.get(..second).unwrap_or(&text).trim_end_matches('Z'))
}
