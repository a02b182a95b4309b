//! What is counted of one connection.

use super::alone::Alone;
use super::clocks::Attempt;
use super::dating::Dating;
use super::distinct::hashed;
use super::exits::Passage;
use super::idle::IdleClose;
use super::life::Life;
use super::stay::{Departure, OrderlyStay, Stay, stays};
use super::visit::{Attempted, Step, Visit, Visitor};
use crate::base::{Endpoint, Seq, Side, Sides, Timestamp};
use crate::connection::{
    CloseKind, Connection, Lifecycle, Noted, OpenKind, Orderly, Predecessor, Profile, RoleBasis, State,
};
use crate::segment::Timestamps;

/// All that the counts across connections take from one, whichever way its life was told.
#[derive(Debug, PartialEq)]
pub struct Account {
    pub(super) habit: Habit,
    /// What the group of each socket takes; nothing of a client without a socket.
    pub(super) visits: Sides<Vec<Visit>>,
}

/// What a service learns from a connection beside its sockets.
#[derive(Debug, PartialEq)]
pub(super) struct Habit {
    pub idle: Option<IdleClose>,
    pub attempt: Option<Attempt>,
    pub passage: Option<Passage>,
}

impl Account {
    /// What is counted of a connection of which the life is known.
    pub fn of(connection: &Connection, life: &Lifecycle, departure: Departure) -> Self {
        let (mut visits, mut room) = (Sides::<Vec<Visit>>::default(), Vec::new());
        for side in Side::BOTH {
            visits_of(connection, life, (side, departure), &mut room, |visit| visits[side].push(*visit));
        }
        Self { habit: Habit::of(connection, life), visits }
    }

    /// The same of a life that was told in short.
    pub fn of_orderly(orderly: &Orderly, departure: Departure) -> Self {
        let hashes = hashes(orderly.client, orderly.server);
        let visits = match (Life::of(orderly, departure, hashes), Alone::of(orderly, departure, hashes)) {
            (Some((life, proof)), _) => {
                Sides { client: Some(life.visit(&proof, Side::Client)), server: Some(life.visit(&proof, Side::Server)) }
            }
            (None, Some(alone)) => Sides {
                client: alone.has_socket().then(|| alone.visit(Side::Client)),
                server: Some(alone.visit(Side::Server)),
            },
            (None, None) => visits_of_orderly(orderly, hashes, departure),
        };
        let visits = Sides { client: Vec::from_iter(visits.client), server: Vec::from_iter(visits.server) };
        Self { habit: Habit::of_orderly(orderly, hashes.client), visits }
    }
}

/// Hashes of both addresses.
#[inline]
pub(super) fn hashes(client: Endpoint, server: Endpoint) -> Sides<u64> {
    Sides { client: hashed(client.ip), server: hashed(server.ip) }
}

impl Habit {
    /// That of a connection of which the life is known.
    pub fn of(connection: &Connection, life: &Lifecycle) -> Self {
        Self {
            idle: IdleClose::of(&life.closing),
            attempt: Attempt::of(connection, life),
            passage: Passage::of(connection, life),
        }
    }

    /// The same of a life that was told in short, from a client of this hash.
    pub fn of_orderly(orderly: &Orderly, client: u64) -> Self {
        Self {
            idle: IdleClose::of_orderly(orderly),
            attempt: Attempt::of_orderly(orderly),
            passage: Passage::of_orderly(orderly, client),
        }
    }

    /// It says nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.idle.is_none() && self.passage.is_none() && self.attempt.is_none()
    }
}

/// Gives `take` what the group of `side`'s socket takes; nothing of a client without a socket. `room` is memory.
pub(super) fn visits_of(
    connection: &Connection,
    life: &Lifecycle,
    (side, departure): (Side, Departure),
    room: &mut Vec<Stay>,
    take: impl FnMut(&Visit),
) {
    stays(connection, life, side, departure, Dating::AtTap, room);
    if room.is_empty() && side == Side::Client {
        return;
    }
    let is_closed = !matches!(life.closing.kind, CloseKind::None | CloseKind::Refused)
        || life.closing.fins.client.is_some()
        || life.closing.fins.server.is_some();
    let visitor = Visitor {
        stream: connection.stream,
        start: connection.start,
        peer: hashed(connection.endpoint(!side).ip),
        held_ns: held_ns(room, life.horizon),
        attempted: attempted(connection, life),
        closer: life.closing.initiator.filter(|_| is_closed),
        is_single: connection.halves.client.syns == 1 && connection.halves.client.segments() == 1,
        is_guess: connection.role_basis == RoleBasis::Guess,
        is_outside: is_outside(connection.endpoint(side), &life.profiles[side]),
    };
    Visit::each(&visitor, room, life.horizon, take);
}

/// The same of a life that was told in short: a socket makes one visit, and one that a client had not makes none.
#[inline(never)]
pub(super) fn visits_of_orderly(orderly: &Orderly, hashes: Sides<u64>, departure: Departure) -> Sides<Option<Visit>> {
    let of = |side: Side, local: Endpoint| {
        let stay = OrderlyStay::of(orderly, side, departure);
        let (steps, until, held_ns) =
            stay.as_ref().map_or((&[][..], None, None), |stay| (&stay.entered[..], stay.until, stay.held_ns));
        if steps.is_empty() && side == Side::Client {
            return None;
        }
        let is_opened = orderly.open == OpenKind::ThreeWay;
        let visitor = Visitor {
            stream: orderly.stream,
            start: orderly.start,
            peer: hashes[!side],
            held_ns,
            attempted: match orderly.open {
                OpenKind::Refused => Attempted::Refused,
                _ if is_opened => Attempted::Opened,
                _ => Attempted::Unanswered,
            },
            // Whoever refuses closes nothing.
            closer: orderly.initiator.filter(|_| is_opened),
            is_single: !is_opened,
            is_guess: false,
            is_outside: is_outside(local, &orderly.profiles[side]),
        };
        let steps = steps.iter().map(|step| Step::new(step.state, step.time, step.frame));
        Some(Visit::of(&visitor, steps, until, orderly.horizon))
    };
    Sides { client: of(Side::Client, orderly.client), server: of(Side::Server, orderly.server) }
}

/// A port is held from the first state to the end of the last one, TIME-WAIT included, even where that lies after the
/// horizon.
fn held_ns(stays: &[Stay], horizon: Timestamp) -> Option<i64> {
    let (first, last) = (stays.first()?, stays.last()?);
    let expected = last.runs_out.filter(|_| last.state == State::TimeWait);
    let until = expected.or(last.until.filter(|&until| until <= horizon))?;
    Some(until.since(first.from).max(0))
}

#[inline]
pub(super) fn is_outside(local: Endpoint, profile: &Profile) -> bool {
    !(profile.ephemeral_first..=profile.ephemeral_last).contains(&local.port)
}

fn attempted(connection: &Connection, life: &Lifecycle) -> Attempted {
    match life.opening.kind {
        OpenKind::HalfOpen => Attempted::HalfOpen,
        OpenKind::Unanswered => Attempted::Unanswered,
        OpenKind::Refused | OpenKind::Rejected => Attempted::Refused,
        OpenKind::Aborted if is_challenged(life) => Attempted::Challenged,
        OpenKind::Aborted | OpenKind::Midstream => Attempted::Otherwise,
        OpenKind::ThreeWay | OpenKind::Simultaneous | OpenKind::Split | OpenKind::FastOpen => {
            let Some(past) = connection.predecessor.filter(Predecessor::is_over) else { return Attempted::Opened };
            let waits = if past.half(connection.server).closed_first { Side::Server } else { Side::Client };
            let over_ns = connection.start.since(past.end).saturating_sub(life.profiles[waits].time_wait_ns);
            match over_ns {
                ..0 if is_allowed(connection, life, &past) => Attempted::Reused,
                ..0 => Attempted::ReusedIllegally,
                0..AT_ONCE_NS if waits == Side::Client => Attempted::Renewed,
                _ => Attempted::Opened,
            }
        }
    }
}

/// A port that is used again within this time after its TIME-WAIT was waited for, ns: timers are late by up to 4 s.
const AT_ONCE_NS: i64 = 5_000_000_000;

/// The server answered the SYN with an acknowledgment of something older, which the client reset.
fn is_challenged(life: &Lifecycle) -> bool {
    let Some(syn) = life.notes.iter().find(|note| note.is_syn() && note.side == Side::Client) else { return false };
    let answer = life.notes.iter().find(|note| note.side == Side::Server && note.frame > syn.frame);
    answer.is_some_and(|answer| {
        let is_older = answer.acknowledges() && !answer.is_syn_ack() && !answer.is_rst() && answer.ack != syn.end();
        let reset = |note: &Noted| note.side == Side::Client && note.is_rst() && note.seq == answer.ack;
        is_older && life.notes.iter().any(reset)
    })
}

/// The SYN has a higher number than the connection before, or a newer timestamp; so has one that was not captured.
fn is_allowed(connection: &Connection, life: &Lifecycle, past: &Predecessor) -> bool {
    let Some(syn) = life.notes.iter().find(|note| note.is_syn()) else { return true };
    let old = past.half(connection.endpoint(syn.side));
    let newer = |(now, then): (Timestamps, u32)| Seq(now.value).after(Seq(then));
    old.nxt.is_none_or(|nxt| syn.seq.after(nxt)) || syn.timestamps.zip(old.timestamp).is_some_and(newer)
}
