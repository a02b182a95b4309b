//! Counts sockets while connections leave.

use std::net::IpAddr;
use std::sync::Arc;

use super::Population;
use super::account::{About, visits_of, visits_of_orderly};
use super::distinct::{hashed, mixed};
use super::gathering::{Gathering, Group, Key};
use super::groups::Breadth;
use super::life::Life;
use super::pace::{Pace, intervals_max};
use super::series::INTERVAL_NS;
use super::stay::{Departure, Stay};
use super::store::{End, Store};
use super::sums::Sums;
use crate::base::{Endpoint, Side, Sides, Timestamp};
use crate::connection::{Connection, Lifecycle, Orderly, Profile};

/// The sockets of a capture, while it is read.
///
/// Every socket is in one group: a server's in its service, a client's in its destination. What a host has is the sum of
/// these, and of those groups that were too many to keep.
#[derive(Clone, Debug)]
pub struct Tally {
    profile: Profile,
    interval_ns: i64,
    span: Option<(Timestamp, Timestamp)>,
    pace: Pace,
    breadth: Breadth,
    /// Ends of connections that are not counted yet.
    store: Store,
    services: Gathering<Endpoint>,
    destinations: Gathering<(IpAddr, Endpoint)>,
    /// Sockets of services and destinations that were let go.
    hosts: Hosts,
    let_go: Sides<u64>,
    /// Clients' sockets on their way, while the memory is fetched that they go to.
    arriving: Vec<Arriving>,
    room: Vec<Stay>,
}

/// A client's socket on its way to its group.
#[derive(Clone, Copy, Debug)]
struct Arriving {
    destination: Key<(IpAddr, Endpoint)>,
    /// Of the client's address.
    hash: u64,
    end: End,
}

/// Sockets on their way at once.
const ARRIVING_MAX: usize = 16;

/// What hosts have beside the groups that are kept.
#[derive(Clone, Debug)]
struct Hosts {
    gathering: Gathering<IpAddr>,
    let_go: u64,
}

impl Hosts {
    /// Takes over a group that was let go.
    fn take_over<K>(&mut self, ip: IpAddr, group: Group<K>, store: &mut Store) {
        let let_go = &mut self.let_go;
        self.gathering.take_over(of_host(ip), group, store, |group, _| *let_go += group.outline.sockets);
    }

    /// Takes the only socket of a group.
    #[inline]
    fn take(&mut self, host: Key<IpAddr>, end: End, store: &mut Store) {
        let place = self.gathering.find(host);
        let let_go = &mut self.let_go;
        let lone = self.gathering.take_at(place, host, end, store, |group, _| *let_go += group.outline.sockets);
        self.let_go += u64::from(lone.is_some_and(|(_, end)| end.trace.is_socket));
    }
}

#[inline]
fn of_host(ip: IpAddr) -> Key<IpAddr> {
    Key { of: ip, hash: hashed(ip) }
}

/// The groups that the sockets of a connection belong to: the server's and the client's.
#[inline]
fn keys(about: &About) -> (Key<Endpoint>, Key<(IpAddr, Endpoint)>) {
    let service = Key { of: about.server, hash: mixed(about.hashes.server ^ u64::from(about.server.port)) };
    let hash = mixed(about.hashes.client.rotate_left(32) ^ service.hash);
    (service, Key { of: (about.client.ip, about.server), hash })
}

impl Tally {
    /// Nothing yet, counted in intervals of `interval_ns`.
    pub fn new(profile: Profile, interval_ns: i64) -> Self {
        Self {
            profile,
            interval_ns,
            span: None,
            pace: Pace::new(interval_ns),
            breadth: Breadth::WHOLE,
            store: Store::default(),
            services: Gathering::new(interval_ns),
            destinations: Gathering::new(interval_ns),
            hosts: Hosts { gathering: Gathering::new(interval_ns), let_go: 0 },
            let_go: Sides::default(),
            arriving: Vec::with_capacity(ARRIVING_MAX),
            room: Vec::new(),
        }
    }

    /// The same with so much of it.
    pub fn within(self, breadth: Breadth) -> Self {
        let hosts = Hosts { gathering: self.hosts.gathering.within(breadth), ..self.hosts };
        let (services, destinations) = (self.services.within(breadth), self.destinations.within(breadth));
        Self { services, destinations, hosts, breadth, ..self }
    }

    /// Takes a connection that leaves.
    pub fn take(&mut self, connection: &Connection, life: &Lifecycle, departure: Departure) {
        let about = About::of(connection, life);
        self.begin(&about);
        let (service, destination) = keys(&about);
        let mut room = std::mem::take(&mut self.room);
        visits_of(connection, life, (Side::Client, departure), &mut room, |visit| {
            let end = self.store.push_visit(visit);
            self.arriving.push(Arriving { destination, hash: about.hashes.client, end });
        });
        self.arrive();
        let place = self.meet_server(&about, service);
        visits_of(connection, life, (Side::Server, departure), &mut room, |visit| {
            let end = self.store.push_visit(visit);
            self.services.add(place, end, &mut self.store);
        });
        self.room = room;
    }

    /// Takes a connection that leaves and of which the life was told in short.
    pub fn take_orderly(&mut self, orderly: &Orderly, departure: Departure) {
        let about = About::of_orderly(orderly);
        self.begin(&about);
        let (service, destination) = keys(&about);
        let ends = match Life::of(orderly, departure, about.hashes) {
            Some(life) => {
                let [client, server] = self.store.push_life(&life);
                Sides { client: Some(client), server: Some(server) }
            }
            None => {
                let Sides { client, server } = visits_of_orderly(orderly, &about, departure);
                let mut keep = |visit| self.store.push_visit(&visit);
                Sides { client: client.map(&mut keep), server: server.map(&mut keep) }
            }
        };
        if let Some(end) = ends.client {
            self.arriving.push(Arriving { destination, hash: about.hashes.client, end });
            if self.arriving.len() >= ARRIVING_MAX {
                self.arrive();
            }
        }
        let place = self.meet_server(&about, service);
        if let Some(end) = ends.server {
            self.services.add(place, end, &mut self.store);
        }
    }

    /// Learns when a connection lived.
    #[inline]
    fn begin(&mut self, about: &About) {
        let (first, last) = self.span.unwrap_or((about.start, about.horizon));
        self.span = Some((first.min(about.start), last.max(about.horizon)));
        if self.store.len() >= self.breadth.waiting_max || self.is_full() {
            self.settle();
        }
        if let Some(pace) = self.pace.touch(about.start, about.end) {
            self.arrive();
            self.services.widen(pace);
            self.destinations.widen(pace);
            self.hosts.gathering.widen(pace);
        }
    }

    /// Counts what the group of the server's socket knows beside, and gives its place.
    #[inline]
    fn meet_server(&mut self, about: &About, service: Key<Endpoint>) -> usize {
        let place = self.services.find(service).unwrap_or_else(|| self.begin_service(service));
        if about.idle.is_none() && about.passage.is_none() && about.attempt.is_none() {
            return place;
        }
        let habits = self.services.habits_at(place);
        if let Some(idle) = &about.idle {
            habits.idle.take(about.stream, about.end, idle);
        }
        if let Some(passage) = &about.passage {
            habits.exits.take(passage);
        }
        if let Some(attempt) = about.attempt {
            habits.clocks.take(attempt);
        }
        place
    }

    #[inline(never)]
    fn begin_service(&mut self, service: Key<Endpoint>) -> usize {
        // What came before goes to its host before what is let go now.
        self.arrive();
        let (hosts, let_go) = (&mut self.hosts, &mut self.let_go.server);
        self.services.begin(service, &mut self.store, |group, store| {
            *let_go += group.outline.sockets;
            hosts.take_over(group.key.of.ip, group, store);
        })
    }

    /// Takes the clients' sockets that are on their way.
    fn arrive(&mut self) {
        let Self { arriving, destinations, hosts, store, let_go, .. } = self;
        for Arriving { destination, hash, .. } in &*arriving {
            destinations.fetch(*destination);
            hosts.gathering.fetch(Key { of: destination.of.0, hash: *hash });
        }
        let mut places = [(None, None); ARRIVING_MAX];
        for (Arriving { destination, hash, .. }, places) in arriving.iter().zip(&mut places) {
            let host = hosts.gathering.fetch_group(Key { of: destination.of.0, hash: *hash });
            *places = (destinations.fetch_group(*destination), host);
        }
        for (destination, host) in places {
            destinations.fetch_room(destination, store);
            hosts.gathering.fetch_room(host, store);
        }
        for Arriving { destination, end, hash } in arriving.drain(..) {
            let place = destinations.find(destination);
            let lone = destinations.take_at(place, destination, end, store, |group, store| {
                let_go.client += group.outline.sockets;
                hosts.take_over(group.key.of.0, group, store);
            });
            if let Some((key, end)) = lone {
                let_go.client += u64::from(end.trace.is_socket);
                // It may be another client's.
                let hash = if key.of.0 == destination.of.0 { hash } else { hashed(key.of.0) };
                hosts.take(Key { of: key.of.0, hash }, end, store);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.services.is_full() || self.destinations.is_full() || self.hosts.gathering.is_full()
    }

    /// Counts what waits, and makes room for more.
    #[cold]
    fn settle(&mut self) {
        self.arrive();
        let Self { store, services, destinations, hosts, .. } = self;
        store.renew(|store, kept| {
            services.settle(store, kept);
            destinations.settle(store, kept);
            hosts.gathering.settle(store, kept);
        });
    }

    /// What was counted so far.
    pub fn so_far(&self) -> Population {
        self.clone().finish()
    }

    /// What is known of services beside how many sockets they had, so far: how idle connections ended, the clients' clocks and
    /// the ends of everything at once. Of little memory, where [`Tally::so_far`] copies every end that waits.
    pub fn habits(&self) -> Population {
        let none = Self::new(self.profile, INTERVAL_NS).finish();
        Population { services: Arc::new(self.services.habits()), span: self.span, ..none }
    }

    /// Everything that was counted.
    pub fn finish(mut self) -> Population {
        self.arrive();
        let Self { profile, interval_ns, span, mut store, mut services, mut destinations, mut hosts, let_go, .. } =
            self;
        services.end(&mut store);
        destinations.end(&mut store);
        hosts.gathering.end(&mut store);
        let store = Arc::new(store);
        let services = Arc::new(services.finish(&store, let_go.server));
        let destinations = Arc::new(destinations.finish(&store, let_go.client));
        let rest = hosts.gathering.finish(&store, hosts.let_go);
        let hosts = Sums::of(rest, &services, &destinations, intervals_max(interval_ns));
        Population { profile, hosts, services, destinations, span }
    }
}
