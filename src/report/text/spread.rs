//! Over which hosts and which time the occurrences of a finding spread.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::base::{Endpoint, Timestamp};
use crate::report::quantity::{Clock, count, counted};

/// Hosts remembered of each kind of end; with more, their number is a lower bound.
const HOSTS_MAX: usize = 4_096;

/// Where and when.
#[derive(Debug, Default)]
pub struct Spread {
    clients: Hosts<IpAddr>,
    servers: Hosts<Endpoint>,
    time: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug)]
struct Hosts<K> {
    counts: Vec<(K, u64)>,
    /// Where each stands.
    places: HashMap<K, usize, RandomState>,
    /// Where the newest stands: many are the same as the one before.
    newest: usize,
    others: u64,
}

impl<K> Default for Hosts<K> {
    fn default() -> Self {
        Self { counts: Vec::new(), places: HashMap::default(), newest: 0, others: 0 }
    }
}

impl Spread {
    /// Counts an occurrence on the connection between `client` and `server`.
    pub fn connection(&mut self, client: Endpoint, server: Endpoint) {
        self.clients.add(client.ip);
        self.servers.add(server);
    }

    /// Counts an occurrence in time.
    pub fn time(&mut self, time: Timestamp) {
        let (from, to) = self.time.unwrap_or((time, time));
        self.time = Some((from.min(time), to.max(time)));
    }

    /// `1 client, 9 servers, most at 10.0.0.2:80 (12); 13:04:58 to 13:05:20`; none when everything is at one place and the
    /// examples say where.
    pub fn words(&self, clock: &Clock) -> Option<String> {
        let (from, to) = self.time?;
        let clients = self.clients.words("client");
        let servers = self.servers.words("server");
        let most = self.servers.most().filter(|_| self.servers.counts.len() > 1);
        let most = most.map_or_else(String::new, |(server, times)| format!(", most at {server} ({})", count(times)));
        let places = [clients, servers].into_iter().flatten().collect::<Vec<_>>().join(", ");
        (!places.is_empty()).then(|| format!("{places}{most}; {}", clock.range(from, to)))
    }
}

impl<K: std::hash::Hash + Eq + Ord + Copy> Hosts<K> {
    fn add(&mut self, host: K) {
        match self.counts.get_mut(self.newest) {
            Some((newest, times)) if *newest == host => *times += 1,
            _ => self.add_another(host),
        }
    }

    fn add_another(&mut self, host: K) {
        if let Some(&place) = self.places.get(&host) {
            self.newest = place;
            self.counts[place].1 += 1;
        } else if self.counts.len() < HOSTS_MAX {
            self.newest = self.counts.len();
            self.places.insert(host, self.newest);
            self.counts.push((host, 1));
        } else {
            self.others += 1;
        }
    }

    fn words(&self, noun: &str) -> Option<String> {
        let more = if self.others > 0 { "more than " } else { "" };
        (!self.counts.is_empty()).then(|| format!("{more}{}", counted(self.counts.len() as u64, noun)))
    }

    /// The host with the most occurrences, the lowest of several, if it has more than one.
    fn most(&self) -> Option<(K, u64)> {
        let most = self.counts.iter().copied().max_by_key(|&(host, times)| (times, std::cmp::Reverse(host)));
        most.filter(|(_, times)| *times > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Endpoint {
        let address: std::net::SocketAddr = text.parse().unwrap();
        Endpoint::new(address.ip(), address.port())
    }

    #[test]
    fn the_words_name_the_place_with_the_most() {
        let mut spread = Spread::default();
        let clock = Clock::new(jiff::tz::TimeZone::UTC);
        assert_eq!(spread.words(&clock), None);
        for (client, server, seconds) in
            [("10.0.0.1:1", "10.0.0.9:80", 3), ("10.0.0.1:2", "10.0.0.8:80", 1), ("10.0.0.2:3", "10.0.0.9:80", 2)]
        {
            spread.connection(end(client), end(server));
            spread.time(Timestamp(seconds * 1_000_000_000));
        }
        assert_eq!(
            spread.words(&clock).unwrap(),
            "2 clients, 2 servers, most at 10.0.0.9:80 (2); 00:00:01.000000 to 00:00:03.000000"
        );
    }

    #[test]
    fn memory_is_bounded_and_the_bound_is_said() {
        let mut spread = Spread::default();
        for n in 0..HOSTS_MAX as u32 + 10 {
            let server = Endpoint::new(IpAddr::V4(n.into()), 80);
            spread.connection(end("10.0.0.1:1"), server);
            spread.time(Timestamp(0));
        }
        let words = spread.words(&Clock::new(jiff::tz::TimeZone::UTC)).unwrap();
        assert!(words.starts_with("1 client, more than 4,096 servers; "), "{words}");
    }
}
