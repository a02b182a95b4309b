//! `syn-ignored-by-timestamp`: a server drops SYNs by the clock of their address.

use std::net::IpAddr;

use super::{PopulationFinding, PopulationThresholds, grouped};
use crate::base::{Endpoint, Side};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;
use crate::population::{Attempt, Population, Stretch};

finding! {
    /// # What it is
    ///
    /// A server answers the SYNs of an address only as long as their timestamps go up: those with an older one than the
    /// newest that it answered get nothing. Behind the address is a NAT with several hosts, each with a clock of its own.
    ///
    /// # Why it matters
    ///
    /// Of the users behind one address some connect and some do not, at random and for a minute at a time; each of them alone,
    /// or from elsewhere, has no trouble. Nothing is in the server's log.
    ///
    /// # How it is recognised
    ///
    /// The SYNs of one address in order of time: at least three unanswered ones whose TSval is older than that of an answered
    /// one within the minute before, and hardly any unanswered one with a newer TSval.
    ///
    /// ```trace fires
    /// client > SYN <mss 1460, TS val 900000 ecr 0>
    /// server > SYN ACK <mss 1460, TS val 1 ecr 900000>
    /// client > ACK
    /// b.client 10.0.0.1:40001
    /// +1 b.client > SYN <mss 1460, TS val 1000 ecr 0>
    /// c.client 10.0.0.1:40002
    /// +1 c.client > SYN <mss 1460, TS val 2000 ecr 0>
    /// d.client 10.0.0.1:40003
    /// +1 d.client > SYN <mss 1460, TS val 3000 ecr 0>
    /// e.client 10.0.0.1:40004
    /// +1 e.client > SYN <mss 1460, TS val 904000 ecr 0>
    /// e.server > SYN ACK <mss 1460, TS val 4000 ecr 904000>
    /// e.client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A server that is down or overloaded drops new and old clocks alike (`syn-unanswered`, `accept-queue-overflow`). Hosts that
    /// add a random offset for each destination (Linux since 4.10) have clocks that jump between connections and are answered
    /// all the same.
    ///
    /// ```trace quiet
    /// client > SYN <mss 1460, TS val 900000 ecr 0>
    /// server > SYN ACK <mss 1460, TS val 1 ecr 900000>
    /// client > ACK
    /// b.client 10.0.0.1:40001
    /// +1 b.client > SYN <mss 1460, TS val 901000 ecr 0>
    /// c.client 10.0.0.1:40002
    /// +1 c.client > SYN <mss 1460, TS val 902000 ecr 0>
    /// d.client 10.0.0.1:40003
    /// +1 d.client > SYN <mss 1460, TS val 903000 ecr 0>
    /// ```
    ///
    /// # What to do
    ///
    /// Server: switch off what compares timestamps by address: net.ipv4.tcp_tw_recycle=1 on Linux before 4.12, where it
    /// was taken out for this very reason (commit 4396e46187ca), and the like in balancers and firewalls. tcp_tw_reuse
    /// is another thing and safe. Until then net.ipv4.tcp_timestamps=0 on the server avoids it, at the price of PAWS
    /// and of measuring round trips. On the NAT nothing helps but one address per host, or rewriting timestamps.
    "syn-ignored-by-timestamp", Population, Warning, detect
}

/// A server that compares by address remembers for so long (Linux, TCP_PAWS_MSL), ns.
const REMEMBERED_NS: i64 = 60_000_000_000;
/// At most one unanswered attempt with a newer clock to so many with an older one: lost packets choose no clocks.
const OTHERS_ONE_IN: u64 = 10;

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    for (service, habits) in population.services.habits().filter(|(_, habits)| habits.clocks.has_unanswered()) {
        let attempts = habits.clocks.in_order();
        let mut clients: Vec<IpAddr> =
            attempts.iter().filter(|attempt| !attempt.is_answered).map(|attempt| attempt.client).collect();
        clients.sort_unstable();
        clients.dedup();
        for client in clients {
            let own: Vec<Attempt> = attempts.iter().filter(|attempt| attempt.client == client).copied().collect();
            of_client(service, client, &own, thresholds, found);
        }
    }
}

fn of_client(
    service: Endpoint,
    client: IpAddr,
    attempts: &[Attempt],
    thresholds: &PopulationThresholds,
    found: &mut Vec<PopulationFinding>,
) {
    let mut newest: Option<Attempt> = None;
    let (mut ignored, mut others) = (Vec::new(), 0);
    for attempt in attempts {
        let remembered = newest.filter(|newest| attempt.time.since(newest.time) <= REMEMBERED_NS);
        match (attempt.is_answered, remembered) {
            (true, Some(newest)) if attempt.clock.before(newest.clock) => others += 1,
            (true, _) => newest = Some(*attempt),
            (false, Some(newest)) if attempt.clock.before(newest.clock) => ignored.push(*attempt),
            (false, _) => others += 1,
        }
    }
    let count = ignored.len() as u64;
    let (Some(first), Some(last)) = (ignored.first(), ignored.last()) else { return };
    if count < thresholds.ignored_by_clock_min || others * OTHERS_ONE_IN > count {
        return;
    }
    let message = format!(
        "{service} answered {} of {} attempts from {client}: the {} others had older timestamps than one that it had just answered",
        grouped(attempts.len() as u64 - count - others),
        grouped(attempts.len() as u64),
        grouped(count),
    );
    let stretch = Stretch { from: first.time, to: last.time, count };
    const EXAMPLES_MAX: usize = 8;
    let examples = &ignored[..ignored.len().min(EXAMPLES_MAX)];
    found.push(PopulationFinding {
        service: Some(service),
        owner: Some(Side::Client),
        per_second: None,
        streams: examples.iter().map(|attempt| attempt.stream).collect(),
        frames: examples.iter().map(|attempt| attempt.frame).collect(),
        ..ENTRY.of_host(client, Confidence::Medium, stretch, message)
    });
}
