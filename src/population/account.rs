//! What is counted of one connection.

use super::clocks::Attempt;
use super::dating::Dating;
use super::exits::Passage;
use super::idle::IdleClose;
use super::stay::{Departure, Stay, orderly_stays, stays};
use super::visit::Attempted;
use crate::base::{Endpoint, Seq, Side, Sides, Timestamp};
use crate::connection::{
    CloseKind, Connection, Initiator, Lifecycle, Noted, OpenKind, Orderly, Predecessor, Profile, RoleBasis, State,
};
use crate::segment::Timestamps;

/// All that the counts across connections take from one, whichever way its life was told.
#[derive(Debug, PartialEq)]
pub struct Account {
    pub(super) stream: u64,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) start: Timestamp,
    pub(super) end: Timestamp,
    pub(super) horizon: Timestamp,
    pub(super) attempted: Attempted,
    /// Who closed first.
    pub(super) closer: Option<Initiator>,
    /// The attempt was a single SYN and nothing else.
    pub(super) is_single: bool,
    /// Its roles are a guess.
    pub(super) is_guess: bool,
    /// A port lies outside of the range that its owner's profile gives to clients.
    pub(super) is_outside: Sides<bool>,
    /// The time in each state.
    pub(super) stays: Stays,
    pub(super) idle: Option<IdleClose>,
    pub(super) attempt: Option<Attempt>,
    pub(super) passage: Option<Passage>,
}

/// The stays of both sockets; their memory goes from one account to the next.
pub(super) type Stays = Sides<Vec<Stay>>;

impl Account {
    /// What is counted of a connection of which the life is known.
    pub fn of(connection: &Connection, life: &Lifecycle, departure: Departure) -> Self {
        Self::within(Stays::default(), connection, life, departure)
    }

    pub(super) fn within(mut room: Stays, connection: &Connection, life: &Lifecycle, departure: Departure) -> Self {
        for side in Side::BOTH {
            stays(connection, life, side, departure, Dating::AtTap, &mut room[side]);
        }
        let is_closed = !matches!(life.closing.kind, CloseKind::None | CloseKind::Refused)
            || life.closing.fins.client.is_some()
            || life.closing.fins.server.is_some();
        let is_outside = |side: Side| is_outside(connection.endpoint(side), &life.profiles[side]);
        Self {
            stream: connection.stream,
            client: connection.client,
            server: connection.server,
            start: connection.start,
            end: connection.end,
            horizon: life.horizon,
            attempted: attempted(connection, life),
            closer: life.closing.initiator.filter(|_| is_closed),
            is_single: connection.halves.client.syns == 1 && connection.halves.client.frames == 1,
            is_guess: connection.role_basis == RoleBasis::Guess,
            is_outside: Sides { client: is_outside(Side::Client), server: is_outside(Side::Server) },
            stays: room,
            idle: IdleClose::of(&life.closing),
            attempt: Attempt::of(connection, life),
            passage: Passage::of(connection, life),
        }
    }

    /// The same of a life that was told in short.
    pub fn of_orderly(orderly: &Orderly, departure: Departure) -> Self {
        Self::orderly_within(Stays::default(), orderly, departure)
    }

    #[inline]
    pub(super) fn orderly_within(mut room: Stays, orderly: &Orderly, departure: Departure) -> Self {
        for side in Side::BOTH {
            orderly_stays(orderly, side, departure, &mut room[side]);
        }
        let &Orderly { stream, client, server, start, end, horizon, ref profiles, .. } = orderly;
        let is_opened = orderly.open == OpenKind::ThreeWay;
        Self {
            stream,
            client,
            server,
            start,
            end,
            horizon,
            attempted: if is_opened { Attempted::Opened } else { Attempted::Unanswered },
            closer: orderly.initiator,
            is_single: !is_opened,
            is_guess: false,
            is_outside: Sides {
                client: is_outside(client, &profiles.client),
                server: is_outside(server, &profiles.server),
            },
            stays: room,
            idle: IdleClose::of_orderly(orderly),
            attempt: Attempt::of_orderly(orderly),
            passage: Passage::of_orderly(orderly),
        }
    }

    /// Where the sockets of `side` are.
    pub(super) fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// A port is held from the first state to the end of the last one, TIME-WAIT included, even where that lies after
    /// the horizon.
    pub(super) fn held_ns(&self, side: Side) -> Option<i64> {
        let stays = &self.stays[side];
        let (first, last) = (stays.first()?, stays.last()?);
        let expected = last.runs_out.filter(|_| last.state == State::TimeWait);
        let until = expected.or(last.until.filter(|&until| until <= self.horizon))?;
        Some(until.since(first.from).max(0))
    }
}

#[inline]
fn is_outside(local: Endpoint, profile: &Profile) -> bool {
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
