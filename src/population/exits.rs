//! When a service ended all that it had at one instant and was refusing a moment later: whoever held its port is gone.
//!
//! What is needed for that comes in any order, since connections leave the table in another order than they end in. So a
//! service keeps the spells during which some socket of its port lived, what ended each, and when it refused.

use super::distinct::hashed;
use crate::base::prefetch::prefetch;
use crate::base::{Side, Timestamp};
use crate::connection::{Abort, Connection, Lifecycle, Noted, OpenKind, Orderly, Place, ResetEffect};
use crate::segment::Flags;

/// A kernel closes what a process held within microseconds each; processes of one service are killed one after the other. ns.
const AT_ONCE_NS: i64 = 50_000_000;
/// A FIN that follows the peer's so soon answers it, ns.
const ANSWER_NS: i64 = 100_000_000;
/// Spells kept of one service. A service that is used now and then has one for each connection; those that nothing aborted
/// are joined first.
const SPELLS_MAX: usize = 8;
/// Refusals kept of one service.
const REFUSALS_MAX: usize = 8;
/// Connections kept as examples of one end.
const EXAMPLES_MAX: usize = 8;

/// The connections that a service ended within an instant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// When the first of them ended.
    pub from: Timestamp,
    /// When the last one did.
    pub to: Timestamp,
    /// Those that it aborted with a reset.
    pub resets: u64,
    /// Those that it closed with FIN.
    pub fins: u64,
    /// Those on which it had sent payload before: an application had accepted them.
    pub answered: u64,
    /// They are of more than one address.
    pub is_of_several: bool,
    first_peer: u64,
    examples: [(u64, u64); EXAMPLES_MAX],
}

/// One connection that its server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    at: Timestamp,
    is_reset: bool,
    has_answered: bool,
    /// Its stream and, not side by side with it, the frame that ended it: what was written one by one is not read as a whole.
    stream: u64,
    peer: u64,
    frame: u64,
}

impl End {
    /// That of a life that was told in short, by what came from its server `at` a place.
    #[inline]
    fn of_orderly(orderly: &Orderly, at: Place, is_reset: bool, peer: u64) -> Self {
        let has_answered = orderly.has_answered();
        Self { at: at.time, is_reset, has_answered, peer, stream: orderly.stream, frame: at.frame }
    }
}

impl Ends {
    /// How many.
    pub fn count(&self) -> u64 {
        self.resets + self.fins
    }

    /// Some of them: the stream and the frame that ended it.
    pub fn examples(&self) -> &[(u64, u64)] {
        let count = usize::try_from(self.count()).unwrap_or(EXAMPLES_MAX);
        &self.examples[..count.min(EXAMPLES_MAX)]
    }

    /// Takes one more. What ended much later begins anew; what ended much earlier does not matter.
    fn take(&mut self, end: &End) {
        if self.count() == 0 || end.at.since(self.from) > AT_ONCE_NS {
            *self = Self { from: end.at, to: end.at, first_peer: end.peer, ..Self::default() };
        } else if self.to.since(end.at) > AT_ONCE_NS {
            return;
        }
        let taken = self.examples().len();
        if let Some(place) = self.examples.get_mut(taken) {
            *place = (end.stream, end.frame);
        }
        (self.from, self.to) = (self.from.min(end.at), self.to.max(end.at));
        let counter = if end.is_reset { &mut self.resets } else { &mut self.fins };
        *counter += 1;
        self.answered += u64::from(end.has_answered);
        self.is_of_several |= end.peer != self.first_peer;
    }
}

/// A time during which some socket of the port lived without a break.
#[derive(Clone, Copy, Debug)]
struct Spell {
    from: Timestamp,
    to: Timestamp,
    ends: Ends,
}

/// A SYN that the service refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Its connection.
    pub stream: u64,
    /// The frame of the reset.
    pub frame: u64,
}

/// When sockets of one service lived, and when it refused.
#[derive(Clone, Debug, Default)]
pub struct Exits {
    /// In order of time, apart from each other.
    spells: Vec<Spell>,
    refusals: Vec<Refusal>,
}

/// The end of everything that a service had.
#[derive(Clone, Copy, Debug)]
pub struct Exit<'a> {
    /// What ended.
    pub ends: &'a Ends,
    /// The first SYN that was refused afterwards, before anything of the port lived again.
    pub refusal: Refusal,
}

impl Exits {
    /// Takes a connection to the service.
    #[inline]
    pub(super) fn take(&mut self, passage: &Passage) {
        match passage {
            Passage::Refused(refusal) => self.refusals_take(*refusal),
            Passage::Lived { from, to, end } => self.lived(*from, *to, end.as_ref()),
        }
    }

    /// The same of a life that was told in short, where the hash of the client's address is known. No [`Passage`] is put together.
    #[inline]
    pub(super) fn take_orderly(&mut self, orderly: &Orderly, peer: u64) {
        if orderly.open == OpenKind::Unanswered {
            return;
        }
        if let Some(refusal) = refusal_of_orderly(orderly) {
            return self.refusals_take(refusal);
        }
        match until_of_orderly(orderly) {
            (to, Some((at, is_reset))) => {
                self.lived(orderly.start, to, Some(&End::of_orderly(orderly, at, is_reset, peer)));
            }
            (to, None) => self.lived(orderly.start, to, None),
        }
    }

    #[inline]
    fn lived(&mut self, from: Timestamp, to: Timestamp, end: Option<&End>) {
        let spell = self.live(from, to.max(from));
        if let Some(end) = end {
            spell.ends.take(end);
        }
        if self.spells.len() > SPELLS_MAX {
            self.join_two();
        }
    }

    /// Asks for the memory of the newest spell.
    #[inline]
    pub(super) fn fetch(&self) {
        self.spells.last().into_iter().for_each(prefetch);
    }

    /// Everything that ended at one instant, an abort among it, and was refused before anything lived again.
    pub fn exits(&self) -> impl Iterator<Item = Exit<'_>> {
        self.spells.iter().enumerate().filter_map(|(at, spell)| {
            let next = self.spells.get(at + 1).map_or(Timestamp(i64::MAX), |next| next.from);
            let is_whole = spell.to.since(spell.ends.from) <= AT_ONCE_NS && spell.ends.resets > 0;
            let refusal = self.refusals.iter().find(|refusal| refusal.at > spell.to && refusal.at < next)?;
            is_whole.then_some(Exit { ends: &spell.ends, refusal: *refusal })
        })
    }

    /// The spell that holds `from` to `to`, with all joined that this touches.
    #[inline]
    fn live(&mut self, from: Timestamp, to: Timestamp) -> &mut Spell {
        // Mostly it begins within the newest one.
        if self.spells.last().is_some_and(|newest| newest.from <= from && from <= newest.to) {
            let newest = self.spells.len() - 1;
            self.spells[newest].to = self.spells[newest].to.max(to);
            return &mut self.spells[newest];
        }
        let after = self.spells.iter().rposition(|spell| spell.from <= to).map_or(0, |at| at + 1);
        let touching = self.spells[..after].iter().rev().take_while(|spell| spell.to >= from).count();
        let first = after - touching;
        if touching == 0 {
            self.spells.insert(first, Spell { from, to, ends: Ends::default() });
        } else {
            let joined = self.spells[first + 1..after].iter().fold(self.spells[first], |all, next| all.joined(next));
            self.spells[first] = Spell { from: joined.from.min(from), to: joined.to.max(to), ..joined };
            self.spells.drain(first + 1..after);
        }
        &mut self.spells[first]
    }

    /// Makes room: the shortest pause that no abort began is forgotten.
    fn join_two(&mut self) {
        let pause = |at: &usize| {
            let (one, next) = (&self.spells[*at], &self.spells[at + 1]);
            (one.ends.resets > 0, next.from.since(one.to))
        };
        if let Some(at) = (0..self.spells.len().saturating_sub(1)).min_by_key(pause) {
            self.spells[at] = self.spells[at].joined(&self.spells[at + 1]);
            self.spells.remove(at + 1);
        }
    }

    fn refusals_take(&mut self, refusal: Refusal) {
        let place = self.refusals.iter().position(|other| other.at > refusal.at).unwrap_or(self.refusals.len());
        self.refusals.insert(place, refusal);
        if self.refusals.len() > REFUSALS_MAX {
            let gap = |at: &usize| self.refusals[*at].at.since(self.refusals[at - 1].at);
            // The first after a pause is the one that tells.
            if let Some(at) = (1..self.refusals.len()).min_by_key(gap) {
                self.refusals.remove(at);
            }
        }
    }
}

impl Spell {
    fn joined(&self, next: &Self) -> Self {
        Self { from: self.from.min(next.from), to: self.to.max(next.to), ends: next.ends }
    }
}

/// What a connection shows of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// It was refused.
    Refused(Refusal),
    /// A socket lived, and its application ended it if that shows.
    Lived { from: Timestamp, to: Timestamp, end: Option<End> },
}

impl Passage {
    /// That of a connection of which the life is known; none when nothing of the service is seen in it.
    pub(super) fn of(connection: &Connection, life: &Lifecycle) -> Option<Self> {
        match life.opening.kind {
            OpenKind::Unanswered | OpenKind::Rejected => None,
            OpenKind::Refused => {
                let reset = life.resets.iter().find(|reset| reset.sender == Side::Server)?;
                let &Noted { time: at, frame, .. } = &life.notes[reset.note];
                Some(Self::Refused(Refusal { at, stream: connection.stream, frame }))
            }
            // The listener answered; there is nothing that a process would end.
            OpenKind::HalfOpen => {
                let at = life.notes.iter().rfind(|note| note.is_syn_ack())?.time;
                Some(Self::Lived { from: at, to: at, end: None })
            }
            _ => {
                let (to, end) = end_of(connection, life);
                Some(Self::Lived { from: connection.start, to, end })
            }
        }
    }

    /// The same of a life that was told in short, where the hash of the client's address is known.
    pub(super) fn of_orderly(orderly: &Orderly, peer: u64) -> Option<Self> {
        if orderly.open == OpenKind::Unanswered {
            return None;
        }
        if let Some(refusal) = refusal_of_orderly(orderly) {
            return Some(Self::Refused(refusal));
        }
        let (to, end) = until_of_orderly(orderly);
        let end = end.map(|(at, is_reset)| End::of_orderly(orderly, at, is_reset, peer));
        Some(Self::Lived { from: orderly.start, to, end })
    }
}

fn refusal_of_orderly(orderly: &Orderly) -> Option<Refusal> {
    let Place { time: at, frame } = orderly.refusal?;
    Some(Refusal { at, stream: orderly.stream, frame })
}

/// Until when the server's socket lived, as far as is known, and what its application ended it with, a reset or not.
#[inline]
fn until_of_orderly(orderly: &Orderly) -> (Timestamp, Option<(Place, bool)>) {
    match (orderly.fins.server, orderly.abort) {
        (Some(fin), _) => (fin.time, (!is_answer(orderly.fins.client, fin)).then_some((fin, false))),
        (None, Some(Abort { at, side, .. })) => (at.time, (side == Side::Server).then_some((at, true))),
        // Nothing shows that its application has let it go.
        (None, None) => (orderly.horizon, None),
    }
}

/// The server's FIN answers the client's.
fn is_answer(client: Option<Place>, server: Place) -> bool {
    let asked = client.filter(|client| client.frame < server.frame);
    asked.is_some_and(|client| server.time.since(client.time) < ANSWER_NS)
}

/// Until when the server's socket lived, as far as is known, and how its application ended it, if it did.
fn end_of(connection: &Connection, life: &Lifecycle) -> (Timestamp, Option<End>) {
    let end = |note: &Noted, is_reset: bool| End {
        at: note.time,
        is_reset,
        has_answered: connection.halves.server.payload_bytes > 0,
        peer: hashed(connection.client.ip),
        stream: connection.stream,
        frame: note.frame,
    };
    let fin = life.closing.fins.server;
    let is_own = |reset: &ResetEffect| !reset.contradicted && !reset.refuses && reset.between.is_none();
    let reset = life.resets.iter().find(|reset| is_own(reset) && ends_something(reset));
    let reset = reset.map(|reset| &life.notes[reset.note]);
    match (fin, reset) {
        (Some(fin), reset) if reset.is_none_or(|reset| fin.frame < reset.frame) => {
            let is_answer = is_answer(life.closing.fins.client.map(|fin| Place::of(&fin)), Place::of(&fin));
            (fin.time, (!is_answer).then(|| end(&fin, false)))
        }
        (_, Some(reset)) => (reset.time, aborts(connection, reset).then(|| end(reset, true))),
        // Nothing shows that its application has let it go.
        _ => (life.horizon, None),
    }
}

fn ends_something(reset: &crate::connection::ResetEffect) -> bool {
    reset.accepted || reset.sender == Side::Server
}

/// The server aborted a live socket: it acknowledges, and stands at the next number (RFC 9293, section 3.10.5).
fn aborts(connection: &Connection, reset: &Noted) -> bool {
    let seen = connection.resets.iter().find(|seen| seen.noted.frame == reset.frame);
    reset.side == Side::Server
        && reset.flags.contains(Flags::ACK)
        && seen.is_some_and(|seen| seen.sender_nxt() == Some(reset.seq))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    fn abort(ms: i64) -> End {
        End { at: at(ms), is_reset: true, has_answered: true, peer: ms as u64 % 2, stream: ms as u64, frame: 1 }
    }

    /// Connections by begin and end, in ms; those that the server aborted.
    fn lived(connections: &[(i64, i64, bool)], refusals: &[i64]) -> Exits {
        let mut exits = Exits::default();
        for &(from, to, aborted) in connections {
            let spell = exits.live(at(from), at(to));
            if aborted {
                spell.ends.take(&abort(to));
            }
            if exits.spells.len() > SPELLS_MAX {
                exits.join_two();
            }
        }
        exits.refusals = refusals.iter().map(|&ms| Refusal { at: at(ms), stream: 0, frame: 0 }).collect();
        exits
    }

    fn told(exits: &Exits) -> Vec<(u64, i64)> {
        exits.exits().map(|exit| (exit.ends.count(), exit.refusal.at.0 / 1_000_000)).collect()
    }

    #[test]
    fn all_ended_at_once_and_then_refused_in_whatever_order_they_leave() {
        let mut connections = [(0, 1_000, true), (500, 1_001, true), (900, 1_002, true), (200, 700, false)];
        for _ in 0..connections.len() {
            connections.rotate_left(1);
            assert_eq!(told(&lived(&connections, &[100, 1_500, 1_600])), [(3, 1_500)]);
            assert_eq!(told(&lived(&connections, &[])), []);
        }
    }

    #[test]
    fn a_survivor_or_a_new_connection_before_the_refusal_says_that_somebody_lives() {
        let dying = [(0, 1_000, true), (500, 1_001, true)];
        let with = |other: (i64, i64, bool)| told(&lived(&[dying[0], other, dying[1]], &[1_500]));
        assert_eq!(with((100, 1_200, false)), []);
        assert_eq!(with((1_200, 1_300, false)), []);
        assert_eq!(with((100, 9_000, false)), []);
        assert_eq!(with((1_600, 1_700, false)), [(2, 1_500)]);
    }

    #[test]
    fn one_after_the_other_is_not_at_once() {
        let drained: Vec<_> = (0..6).map(|n| (0, 1_000 + 300 * n, true)).collect();
        assert_eq!(told(&lived(&drained, &[4_000])), [(1, 4_000)]);
    }

    #[test]
    fn what_is_kept_is_bounded_and_keeps_what_was_aborted() {
        let mut connections: Vec<_> = (0..1_000).map(|n| (n * 100, n * 100 + 50, false)).collect();
        connections.extend([(50_000, 50_055, true), (50_010, 50_056, true)]);
        connections.extend((1_001..2_000).map(|n| (n * 100, n * 100 + 50, false)));
        let exits = lived(&connections, &[50_070]);
        assert!(exits.spells.len() <= SPELLS_MAX);
        assert!(exits.spells.windows(2).all(|pair| pair[0].to < pair[1].from));
        // Those before were joined into one spell over this pause.
        assert_eq!(told(&exits), []);
        let later: Vec<_> = (0..1_000).map(|n| (60_000 + n * 100, 60_050 + n * 100, false)).collect();
        let connections = [&[(0, 50_055, true), (50_010, 50_056, true)], &later[..]].concat();
        assert_eq!(told(&lived(&connections, &[50_070])), [(2, 50_070)]);
    }
}
