//! Counts sockets while connections leave.

use std::net::IpAddr;
use std::sync::Arc;

use super::Population;
use super::account::{Habit, hashes, visits_of, visits_of_orderly};
use super::alone::Alone;
use super::crew::Crew;
use super::distinct::{hashed, mixed};
use super::gathering::{Gathering, Group, Hint, Key, Newcomer};
use super::groups::Breadth;
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
    crew: Crew,
    /// Ends of connections that are not counted yet.
    store: Store,
    services: Gathering<Endpoint>,
    destinations: Gathering<(IpAddr, Endpoint)>,
    /// Sockets of services and destinations that were let go.
    hosts: Hosts,
    let_go: Sides<u64>,
    /// So many epochs began that they must be counted.
    is_due: bool,
    /// Clients' sockets on their way, while the memory is fetched that they go to.
    arriving: Vec<Newcomer<(IpAddr, Endpoint)>>,
    room: Vec<Stay>,
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
        self.gathering.take_over(of_host(ip), group, store, |group, _| *let_go += u64::from(group.gauge.sockets));
    }

    /// Takes the only socket of a group, where `hint` was known of its host after as many had begun.
    #[inline]
    fn take(&mut self, key: Key<IpAddr>, end: End, (hint, begun): (Hint, u64), store: &mut Store) {
        let place = self.gathering.find_fetched(key, hint, begun);
        let let_go = &mut self.let_go;
        let socket = Newcomer { key, end };
        let lone = self.gathering.take_at(place, socket, store, |group, _| *let_go += u64::from(group.gauge.sockets));
        self.let_go += u64::from(lone.is_some_and(|lone| lone.end.trace.is_socket()));
    }
}

#[inline]
fn of_host(ip: IpAddr) -> Key<IpAddr> {
    Key { of: ip, hash: hashed(ip) }
}

/// The groups that the sockets of a connection belong to: the server's and the client's.
#[inline]
fn keys(client: Endpoint, server: Endpoint, hashes: Sides<u64>) -> (Key<Endpoint>, Key<(IpAddr, Endpoint)>) {
    let service = Key { of: server, hash: mixed(hashes.server ^ u64::from(server.port)) };
    let hash = mixed(hashes.client.rotate_left(32) ^ service.hash);
    (service, Key { of: (client.ip, server), hash })
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
            crew: Crew::ALONE,
            store: Store::default(),
            services: Gathering::new(interval_ns),
            destinations: Gathering::new(interval_ns),
            hosts: Hosts { gathering: Gathering::new(interval_ns), let_go: 0 },
            let_go: Sides::default(),
            is_due: false,
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

    /// The same, where these threads share what is done with many groups at once.
    pub fn shared(self, crew: Crew) -> Self {
        Self { crew, ..self }
    }

    /// Takes a connection that leaves.
    pub fn take(&mut self, connection: &Connection, life: &Lifecycle, departure: Departure) {
        let &Connection { stream, client, server, start, end, .. } = connection;
        self.begin(start, end, life.horizon);
        let hashes = hashes(client, server);
        let (service, destination) = keys(client, server, hashes);
        let mut room = std::mem::take(&mut self.room);
        visits_of(connection, life, (Side::Client, departure), &mut room, |visit| {
            let end = self.store.push_visit(visit);
            self.arriving.push(Newcomer { key: destination, end });
        });
        self.arrive();
        let place = self.services.find(service).unwrap_or_else(|| self.begin_service(service));
        self.services.learn(place, stream, end, &Habit::of(connection, life));
        visits_of(connection, life, (Side::Server, departure), &mut room, |visit| {
            let end = self.store.push_visit(visit);
            self.services.add(place, end, &mut self.store);
        });
        self.room = room;
    }

    /// Takes a connection that leaves and of which the life was told in short.
    pub fn take_orderly(&mut self, orderly: &Orderly, departure: Departure) {
        self.begin(orderly.start, orderly.end, orderly.horizon);
        let hashes = hashes(orderly.client, orderly.server);
        let (service, destination) = keys(orderly.client, orderly.server, hashes);
        let known = self.services.find(service);
        self.services.fetch_habits(known);
        let ends = self.keep(orderly, departure, hashes);
        if let Some(end) = ends.client {
            self.arriving.push(Newcomer { key: destination, end });
            if self.arriving.len() >= ARRIVING_MAX {
                self.arrive();
            }
        }
        let place = known.unwrap_or_else(|| self.begin_service(service));
        self.services.learn_orderly(place, orderly, hashes.client);
        if let Some(end) = ends.server {
            self.services.add(place, end, &mut self.store);
        }
    }

    /// Keeps what is counted of both ends, as small as it can be; nothing of a client without a socket.
    #[inline]
    fn keep(&mut self, orderly: &Orderly, departure: Departure, hashes: Sides<u64>) -> Sides<Option<End>> {
        if let Some(alone) = Alone::of(orderly, departure, hashes) {
            let Sides { client, server } = self.store.push_alone(alone);
            return Sides { client: Some(client).filter(|_| alone.has_socket()), server: Some(server) };
        }
        if let Some(Sides { client, server }) = self.store.push_life(orderly, departure, hashes) {
            return Sides { client: Some(client), server: Some(server) };
        }
        let Sides { client, server } = visits_of_orderly(orderly, hashes, departure);
        let mut keep = |visit| self.store.push_visit(&visit);
        Sides { client: client.map(&mut keep), server: server.map(&mut keep) }
    }

    /// Learns when a connection lived.
    #[inline]
    fn begin(&mut self, start: Timestamp, end: Timestamp, horizon: Timestamp) {
        let (first, last) = self.span.unwrap_or((start, horizon));
        self.span = Some((first.min(start), last.max(horizon)));
        if self.store.len() >= self.breadth.waiting_max || self.is_due {
            self.settle();
        }
        if let Some(pace) = self.pace.touch(start, end) {
            self.arrive();
            self.services.widen(pace);
            self.destinations.widen(pace);
            self.hosts.gathering.widen(pace);
        }
    }

    #[inline(never)]
    fn begin_service(&mut self, service: Key<Endpoint>) -> usize {
        // What came before goes to its host before what is let go now.
        self.arrive();
        let (hosts, let_go) = (&mut self.hosts, &mut self.let_go.server);
        self.services.begin(service, &mut self.store, |group, store| {
            *let_go += u64::from(group.gauge.sockets);
            hosts.take_over(group.key.of.ip, group, store);
        })
    }

    /// Takes the clients' sockets that are on their way.
    fn arrive(&mut self) {
        let Self { arriving, destinations, hosts, store, let_go, .. } = self;
        arriving.iter().for_each(|socket| destinations.fetch(socket.key.hash));
        let mut hints = [Hint::UNKNOWN; ARRIVING_MAX];
        let mut rooms = [None; ARRIVING_MAX];
        for ((socket, hint), room) in arriving.iter().zip(&mut hints).zip(&mut rooms) {
            *hint = destinations.fetch_group(socket.key.hash);
            if hint.is_none() {
                *room = destinations.makes_room(socket.key.hash).map(|(host, _)| of_host(host));
                room.iter().for_each(|host| hosts.gathering.fetch(host.hash));
            }
        }
        let mut host_hints = [Hint::UNKNOWN; ARRIVING_MAX];
        for ((hint, room), host_hint) in hints.iter().zip(&rooms).zip(&mut host_hints) {
            destinations.fetch_room(*hint, store);
            if let Some(host) = room {
                *host_hint = hosts.gathering.fetch_group(host.hash);
            }
        }
        host_hints.iter().for_each(|hint| hosts.gathering.fetch_room(*hint, store));
        let (begun, hosts_begun) = (destinations.begun(), hosts.gathering.begun());
        for (at, &socket) in arriving.iter().enumerate() {
            let hint = hints.get(at).copied().unwrap_or(Hint::UNKNOWN);
            let place = destinations.find_fetched(socket.key, hint, begun);
            let lone = destinations.take_at(place, socket, store, |group, store| {
                let_go.client += u64::from(group.gauge.sockets);
                hosts.take_over(group.key.of.0, group, store);
            });
            if let Some(lone) = lone {
                let_go.client += u64::from(lone.end.trace.is_socket());
                let host = lone.key.of.0;
                match rooms.get(at) {
                    Some(Some(key)) if key.of == host => {
                        hosts.take(*key, lone.end, (host_hints[at], hosts_begun), store)
                    }
                    // Another one has taken the place since.
                    _ => hosts.take(of_host(host), lone.end, (Hint::UNKNOWN, hosts_begun), store),
                }
            }
        }
        arriving.clear();
        self.is_due = self.services.is_full() || self.destinations.is_full() || self.hosts.gathering.is_full();
    }

    /// Counts what waits, and makes room for more.
    #[cold]
    fn settle(&mut self) {
        self.arrive();
        self.is_due = false;
        let Self { store, services, destinations, hosts, .. } = self;
        let crew = self.crew.for_sockets(store.len());
        store.renew(|store, kept| {
            services.settle(store, kept, crew);
            destinations.settle(store, kept, crew);
            hosts.gathering.settle(store, kept, crew);
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
        let Self {
            profile, interval_ns, span, crew, mut store, mut services, mut destinations, mut hosts, let_go, ..
        } = self;
        services.end(&mut store);
        destinations.end(&mut store);
        hosts.gathering.end(&mut store);
        let store = Arc::new(store);
        let services = Arc::new(services.finish(&store, let_go.server, crew));
        let destinations = Arc::new(destinations.finish(&store, let_go.client, crew));
        let rest = hosts.gathering.finish(&store, hosts.let_go, crew);
        let hosts = Sums::of(rest, &services, &destinations, intervals_max(interval_ns), crew);
        Population { profile, hosts, services, destinations, span }
    }
}
