//! Counts sockets while connections leave.

use std::net::IpAddr;

use super::Population;
use super::clocks::Attempt;
use super::distinct::{hashed, mixed};
use super::groups::{Gathering, Group, Key, Pace};
use super::stay::{Dating, Departure, Stay, stays};
use super::visit::{Attempted, Visit, Visitor};
use crate::base::{Endpoint, Seq, Side, Sides, Timestamp};
use crate::connection::{CloseKind, Connection, Lifecycle, OpenKind, Predecessor, Profile, RoleBasis, State};
use crate::segment::Timestamps;

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
    stays: Vec<Stay>,
}

/// What hosts have beside the groups that are kept.
#[derive(Clone, Debug)]
struct Hosts {
    gathering: Gathering<IpAddr>,
    let_go: u64,
}

impl Hosts {
    /// Takes over a group that was let go, and gives back its room.
    fn take_over<K>(&mut self, ip: IpAddr, group: Group<K>) -> Vec<Visit> {
        let let_go = &mut self.let_go;
        self.gathering.take_over(of_host(ip), group, |group| {
            *let_go += group.sockets;
            group.waiting
        })
    }

    /// Takes the only socket of a group.
    #[inline]
    fn take(&mut self, ip: IpAddr, visit: &Visit) {
        let let_go = &mut self.let_go;
        let lone = self.gathering.take(of_host(ip), visit, |group| {
            *let_go += group.sockets;
            group.waiting
        });
        self.let_go += u64::from(lone.is_some_and(|(_, visit)| visit.is_socket()));
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
            hosts: Hosts { gathering: Gathering::new(interval_ns), let_go: 0 },
            let_go: Sides::default(),
            stays: Vec::new(),
        }
    }

    /// Takes a connection that leaves.
    pub fn take(&mut self, connection: &Connection, life: &Lifecycle, departure: Departure) {
        let (first, last) = self.span.unwrap_or((connection.start, life.horizon));
        self.span = Some((first.min(connection.start), last.max(life.horizon)));
        for time in [connection.start, connection.end] {
            if let Some(pace) = self.pace.touch(time) {
                self.services.widen(pace);
                self.destinations.widen(pace);
                self.hosts.gathering.widen(pace);
            }
        }
        let attempted = attempted(connection, life);
        let closer = life.closing.initiator.filter(|_| {
            !matches!(life.closing.kind, CloseKind::None | CloseKind::Refused)
                || life.closing.fins.client.is_some()
                || life.closing.fins.server.is_some()
        });
        let is_single = connection.halves.client.syns == 1 && connection.halves.client.frames == 1;
        let server = hashed(connection.server.ip);
        let service = of_service(connection.server, server);
        for side in Side::BOTH {
            stays(connection, life, side, departure, Dating::AtTap, &mut self.stays);
            let (local, peer) = (connection.endpoint(side), connection.endpoint(!side));
            let profile = &life.profiles[side];
            let visitor = Visitor {
                stream: connection.stream,
                start: connection.start,
                peer: if side == Side::Client { server } else { hashed(peer.ip) },
                held_ns: held_ns(&self.stays, life.horizon),
                attempted,
                closer,
                is_single,
                is_guess: connection.role_basis == RoleBasis::Guess,
                is_outside: !(profile.ephemeral_first..=profile.ephemeral_last).contains(&local.port),
            };
            match side {
                Side::Client if self.stays.is_empty() => {}
                Side::Client => {
                    let hash = mixed(hashed(local.ip).rotate_left(32) ^ service.hash);
                    let destination = Key { of: (local.ip, peer), hash };
                    let (hosts, let_go) = (&mut self.hosts, &mut self.let_go.client);
                    let destinations = &mut self.destinations;
                    Visit::each(&visitor, &self.stays, life.horizon, |visit| {
                        let lone = destinations.take(destination, visit, |group| {
                            *let_go += group.sockets;
                            hosts.take_over(group.key.of.0, group)
                        });
                        if let Some((key, visit)) = lone {
                            *let_go += u64::from(visit.is_socket());
                            hosts.take(key.of.0, &visit);
                        }
                    });
                }
                Side::Server => {
                    let (hosts, let_go) = (&mut self.hosts, &mut self.let_go.server);
                    let group = self.services.group(service, |group| {
                        *let_go += group.sockets;
                        hosts.take_over(group.key.of.ip, group)
                    });
                    group.idle.take(connection.stream, connection.end, life);
                    group.exits.take(connection, life);
                    if let Some(attempt) = Attempt::of(connection, life) {
                        group.clocks.take(attempt);
                    }
                    let services = &mut self.services;
                    Visit::each(&visitor, &self.stays, life.horizon, |visit| services.add(visit));
                }
            }
        }
    }

    /// What was counted so far.
    pub fn so_far(&self) -> Population {
        self.clone().finish()
    }

    /// Everything that was counted.
    pub fn finish(self) -> Population {
        let Self { profile, span, services, destinations, hosts, let_go, .. } = self;
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

fn attempted(connection: &Connection, life: &Lifecycle) -> Attempted {
    match life.opening.kind {
        OpenKind::HalfOpen => Attempted::HalfOpen,
        OpenKind::Unanswered => Attempted::Unanswered,
        OpenKind::Refused | OpenKind::Rejected | OpenKind::Aborted | OpenKind::Midstream => Attempted::Otherwise,
        OpenKind::ThreeWay | OpenKind::Simultaneous | OpenKind::Split | OpenKind::FastOpen => {
            let past = connection.predecessor.filter(|past| {
                let waits = if past.half(connection.server).closed_first { Side::Server } else { Side::Client };
                past.is_over() && connection.start.since(past.end) < life.profiles[waits].time_wait_ns
            });
            match past {
                None => Attempted::Opened,
                Some(past) if is_allowed(connection, life, &past) => Attempted::Reused,
                Some(_) => Attempted::ReusedIllegally,
            }
        }
    }
}

/// The SYN has a higher number than the connection before, or a newer timestamp; so has one that was not captured.
fn is_allowed(connection: &Connection, life: &Lifecycle, past: &Predecessor) -> bool {
    let Some(syn) = life.notes.iter().find(|note| note.is_syn()) else { return true };
    let old = past.half(connection.endpoint(syn.side));
    let newer = |(now, then): (Timestamps, u32)| Seq(now.value).after(Seq(then));
    old.nxt.is_none_or(|nxt| syn.seq.after(nxt)) || syn.timestamps.zip(old.timestamp).is_some_and(newer)
}

/// A port is held from the first state to the end of the last one, TIME-WAIT included, even where that lies after
/// `horizon`.
fn held_ns(stays: &[Stay], horizon: Timestamp) -> Option<i64> {
    let (first, last) = (stays.first()?, stays.last()?);
    let expected = last.runs_out.filter(|_| last.state == State::TimeWait);
    let until = expected.or(last.until.filter(|&until| until <= horizon))?;
    Some(until.since(first.from).max(0))
}
