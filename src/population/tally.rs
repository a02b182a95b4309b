//! Counts sockets while connections leave.

use std::net::IpAddr;

use super::Population;
use super::account::{About, visits_of, visits_of_orderly};
use super::distinct::{hashed, mixed};
use super::groups::{Breadth, Gathering, Group, Key, Pace};
use super::series::INTERVAL_NS;
use super::stay::{Departure, Stay};
use super::visit::Visit;
use crate::base::{Endpoint, Side, Sides, Timestamp};
use crate::connection::{Connection, Lifecycle, Orderly, Profile};

/// The sockets of a capture, while it is read.
///
/// Every socket is in one group: a server's in its service, a client's in its destination. What a host has is the sum of
/// these, and of those groups that were too many to keep.
#[derive(Clone, Debug)]
pub struct Tally {
    profile: Profile,
    span: Option<(Timestamp, Timestamp)>,
    pace: Pace,
    services: Gathering<Endpoint>,
    destinations: Gathering<(IpAddr, Endpoint)>,
    /// Sockets of services and destinations that were let go.
    hosts: Hosts,
    let_go: Sides<u64>,
    room: Vec<Stay>,
}

/// What hosts have beside the groups that are kept.
#[derive(Clone, Debug)]
struct Hosts {
    gathering: Gathering<IpAddr>,
    /// The only sockets of their groups, on their way while the memory is fetched that they go to.
    lone: Vec<(Key<IpAddr>, Visit)>,
    let_go: u64,
}

/// Lone sockets on their way at once.
const LONE_MAX: usize = 16;

impl Hosts {
    /// Takes over a group that was let go, and gives back its room.
    fn take_over<K>(&mut self, ip: IpAddr, group: Group<K>) -> Vec<Visit> {
        self.settle();
        let let_go = &mut self.let_go;
        self.gathering.take_over(of_host(ip), group, |group| {
            *let_go += group.sockets;
            group.waiting
        })
    }

    /// Takes the only socket of a group.
    #[inline]
    fn take(&mut self, ip: IpAddr, visit: &Visit) {
        let host = of_host(ip);
        self.gathering.fetch(host);
        self.lone.push((host, *visit));
        if self.lone.len() >= LONE_MAX {
            self.settle();
        }
    }

    /// Takes the sockets that are on their way.
    fn settle(&mut self) {
        let Self { gathering, lone, let_go } = self;
        lone.iter().for_each(|(host, _)| gathering.fetch_room(*host));
        for (host, visit) in lone.drain(..) {
            let lone = gathering.take(host, &visit, |group| {
                *let_go += group.sockets;
                group.waiting
            });
            *let_go += u64::from(lone.is_some_and(|(_, visit)| visit.is_socket()));
        }
    }
}

#[inline]
fn of_host(ip: IpAddr) -> Key<IpAddr> {
    Key { of: ip, hash: hashed(ip) }
}

/// The hash of a service from that of its address.
#[inline]
fn of_service(service: Endpoint, ip: u64) -> Key<Endpoint> {
    Key { of: service, hash: mixed(ip ^ u64::from(service.port)) }
}

impl Tally {
    /// Nothing yet, counted in intervals of `interval_ns`.
    pub fn new(profile: Profile, interval_ns: i64) -> Self {
        Self {
            profile,
            span: None,
            pace: Pace::new(interval_ns),
            services: Gathering::new(interval_ns),
            destinations: Gathering::new(interval_ns),
            hosts: Hosts { gathering: Gathering::new(interval_ns), lone: Vec::new(), let_go: 0 },
            let_go: Sides::default(),
            room: Vec::new(),
        }
    }

    /// The same with so much of it.
    pub fn within(self, breadth: Breadth) -> Self {
        let hosts = Hosts { gathering: self.hosts.gathering.within(breadth), ..self.hosts };
        let (services, destinations) = (self.services.within(breadth), self.destinations.within(breadth));
        Self { services, destinations, hosts, ..self }
    }

    /// Takes a connection that leaves.
    pub fn take(&mut self, connection: &Connection, life: &Lifecycle, departure: Departure) {
        let about = About::of(connection, life);
        let (service, destination) = self.begin(&about);
        let mut room = std::mem::take(&mut self.room);
        visits_of(connection, life, (Side::Client, departure), &mut room, |visit| {
            self.count_client(destination, visit);
        });
        self.meet_server(&about, service);
        visits_of(connection, life, (Side::Server, departure), &mut room, |visit| self.services.add(visit));
        self.room = room;
    }

    /// Takes a connection that leaves and of which the life was told in short.
    pub fn take_orderly(&mut self, orderly: &Orderly, departure: Departure) {
        let about = About::of_orderly(orderly);
        let (service, destination) = self.begin(&about);
        let visits = visits_of_orderly(orderly, &about, departure);
        if let Some(visit) = &visits.client {
            self.count_client(destination, visit);
        }
        self.meet_server(&about, service);
        if let Some(visit) = &visits.server {
            self.services.add(visit);
        }
    }

    /// Learns when a connection lived, and asks for the memory that its sockets need. Returns the groups of its server's and
    /// of its client's socket.
    #[inline]
    fn begin(&mut self, about: &About) -> (Key<Endpoint>, Key<(IpAddr, Endpoint)>) {
        let (first, last) = self.span.unwrap_or((about.start, about.horizon));
        self.span = Some((first.min(about.start), last.max(about.horizon)));
        if let Some(pace) = self.pace.touch(about.start, about.end) {
            self.hosts.settle();
            self.services.widen(pace);
            self.destinations.widen(pace);
            self.hosts.gathering.widen(pace);
        }
        let service = of_service(about.server, about.hashes.server);
        let hash = mixed(about.hashes.client.rotate_left(32) ^ service.hash);
        let destination = Key { of: (about.client.ip, about.server), hash };
        self.services.fetch(service);
        self.destinations.fetch(destination);
        (service, destination)
    }

    /// Counts what the group of the server's socket knows beside, and finds it for that socket.
    #[inline]
    fn meet_server(&mut self, about: &About, service: Key<Endpoint>) {
        let (hosts, let_go) = (&mut self.hosts, &mut self.let_go.server);
        let group = self.services.group(service, |group| {
            *let_go += group.sockets;
            hosts.take_over(group.key.of.ip, group)
        });
        if let Some(idle) = &about.idle {
            group.idle.take(about.stream, about.end, idle);
        }
        if let Some(passage) = &about.passage {
            group.exits.take(passage);
        }
        if let Some(attempt) = about.attempt {
            group.clocks.take(attempt);
        }
    }

    /// Counts a client's socket.
    #[inline]
    fn count_client(&mut self, destination: Key<(IpAddr, Endpoint)>, visit: &Visit) {
        let (hosts, let_go) = (&mut self.hosts, &mut self.let_go.client);
        let lone = self.destinations.take(destination, visit, |group| {
            *let_go += group.sockets;
            hosts.take_over(group.key.of.0, group)
        });
        if let Some((key, visit)) = lone {
            *let_go += u64::from(visit.is_socket());
            hosts.take(key.of.0, &visit);
        }
    }

    /// What was counted so far.
    pub fn so_far(&self) -> Population {
        self.clone().finish()
    }

    /// What is known of services beside how many sockets they had, so far: how idle connections ended, the clients' clocks and
    /// the ends of everything at once. Of little memory, where [`Tally::so_far`] copies every interval of every group.
    pub fn habits(&self) -> Population {
        Population {
            profile: self.profile,
            hosts: Gathering::new(INTERVAL_NS).finish(),
            services: self.services.habits(),
            destinations: Gathering::new(INTERVAL_NS).finish(),
            span: self.span,
        }
    }

    /// Everything that was counted.
    pub fn finish(self) -> Population {
        let Self { profile, span, services, destinations, mut hosts, let_go, .. } = self;
        hosts.settle();
        let (mut services, mut destinations) = (services.finish(), destinations.finish());
        services.lose(let_go.server);
        destinations.lose(let_go.client);
        let (mut sums, lost) = (hosts.gathering.finish(), hosts.let_go);
        sums.lose(lost);
        services.sorted().into_iter().for_each(|(service, pile)| sums.join(service.ip, pile));
        destinations.sorted().into_iter().for_each(|((host, _), pile)| sums.join(host, pile));
        sums.fit();
        Population { profile, hosts: sums, services, destinations, span }
    }
}
