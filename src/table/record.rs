//! One live connection in two and a half lines of the cache: packed while it is brief, else with what is known of it elsewhere.

use std::borrow::Cow;
use std::mem::offset_of;

use super::asked::Lone;
use super::clock::Clock;
use super::deadlines::{Bucket, Deadlines};
use super::key::{Kept, Key};
use super::left::{Left, Remains};
use super::locator::{Locator, Opening};
use super::resting::{Resting, Sleeper, Tired};
use super::wide::Places;
use crate::base::prefetch::prefetch_first;
use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::{Brief, Connection, Packed, Predecessor, Profile, Shelves, Still};
use crate::segment::Segment;

/// What is kept of a connection.
#[derive(Debug)]
enum Body {
    Vacant,
    Brief(Brief),
    Whole(Box<Connection>),
    Still(Still),
}

/// What became of a segment that might be plain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is not, and nothing has changed.
    No,
    /// Nobody is here.
    Vacant,
    /// It was taken, and nothing ends the connection sooner than before.
    On,
    /// It was taken, and the connection may leave at this time, sooner than before.
    Sooner(Timestamp),
    /// It was taken, and the connection is over.
    Over,
}

/// What says when somebody may leave.
pub(super) struct Timers<'a> {
    pub profile: &'a Profile,
    pub clock: &'a Clock,
    pub deadlines: &'a Deadlines,
}

/// What records have no room for.
#[derive(Debug, Default)]
pub(super) struct Aside {
    pub shelves: Shelves,
    pub ends: Places,
    /// Connections that are kept in full.
    pub whole: usize,
}

impl Aside {
    /// There are no records any more.
    pub fn clear(&mut self) {
        self.shelves.clear();
        self.ends.clear();
        self.whole = 0;
    }
}

/// A connection and when it may leave. What every segment asks for comes first and lies in two lines, wherever in one of them
/// the record begins: in its middle, too.
#[derive(Debug)]
#[repr(C, align(32))]
pub(super) struct Record {
    pub key: Kept,
    /// Seen since the hand of the clock passed (second-chance eviction).
    pub touched: bool,
    client_is_low: bool,
    /// How many pauses of the table's clock there had been at its newest segment.
    pauses: u16,
    /// What it was last put into the queue for.
    pub scheduled: Bucket,
    body: Body,
    pub stream: u64,
}

const _: () = assert!(size_of::<Record>() == 160);

/// Octets before those that are packed.
const HEAD: usize = 96;

const _: () = assert!(offset_of!(Record, body) + Brief::HEAD_LEN == HEAD);

impl Record {
    /// No connection.
    pub fn vacant() -> Self {
        Self {
            key: Kept::default(),
            touched: false,
            client_is_low: false,
            pauses: 0,
            scheduled: Bucket::NEVER,
            body: Body::Vacant,
            stream: 0,
        }
    }

    /// Begins a connection with its first segment, in the place of what was here.
    #[inline]
    pub fn begin(&mut self, opening: &Opening<'_>, first: &Segment, clock: &Clock, aside: &mut Aside) {
        let &Opening { locator: &Locator { ref key, from_low, .. }, stream, .. } = opening;
        (self.key, self.stream, self.client_is_low) = (Kept::of(key, &mut aside.ends), stream, from_low);
        (self.scheduled, self.pauses, self.touched) = (Bucket::NEVER, clock.lag().pauses, true);
        if opening.is_plain() && Brief::can_begin(first) {
            self.begin_brief(first);
        } else {
            self.begin_whole(opening, first);
            aside.whole += 1;
        }
    }

    #[inline]
    fn begin_brief(&mut self, first: &Segment) {
        self.body = Body::Brief(Brief::EMPTY);
        if let Body::Brief(brief) = &mut self.body {
            brief.begin(first);
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_whole(&mut self, opening: &Opening<'_>, first: &Segment) {
        let &Opening { stream, predecessor, quoted, .. } = opening;
        let mut connection = Box::new(Connection::new(stream, first, predecessor.copied()));
        connection.completeness = quoted;
        connection.step(first);
        self.body = Body::Whole(connection);
    }

    /// The same with a SYN that was kept elsewhere.
    pub fn begin_with(&mut self, lone: &Lone, aside: &mut Aside) {
        let (key, from_low) = Key::told_apart(lone.segment.source, lone.segment.destination);
        let key = key.within(lone.segment.realm);
        (self.key, self.stream, self.client_is_low) = (Kept::of(&key, &mut aside.ends), lone.stream, from_low);
        (self.scheduled, self.pauses, self.touched) = (Bucket::NEVER, lone.pauses, true);
        self.begin_brief(&lone.segment);
    }

    /// Shows the connection of a SYN that is kept elsewhere.
    pub fn show_lone<T>(lone: &Lone, see: impl FnOnce(&Connection) -> T) -> Option<T> {
        let (mut record, mut aside) = (Self::vacant(), Aside::default());
        record.begin_with(lone, &mut aside);
        record.connection(&aside).map(|connection| see(&connection))
    }

    #[inline]
    pub fn is_vacant(&self) -> bool {
        matches!(self.body, Body::Vacant)
    }

    /// The client has sent nothing but SYNs.
    pub fn is_half_open(&self) -> bool {
        match &self.body {
            Body::Vacant | Body::Still(_) => false,
            Body::Brief(brief) => brief.is_half_open(),
            Body::Whole(connection) => {
                let client = &connection.halves.client;
                client.syns > 0 && u64::from(client.syns) == client.frames
            }
        }
    }

    /// Gives it the next segment if it is a plain one: if a packed connection stays packed with it, or a tracked one just goes
    /// on.
    #[inline(always)]
    pub fn take_plainly(
        &mut self,
        segment: &Segment,
        from_low: bool,
        timers: &Timers<'_>,
        shelves: &mut Shelves,
    ) -> Taken {
        // Asked first: nearly all are, and a table of jumps would be guessed wrong.
        if let Body::Brief(brief) = &mut self.body {
            let side = if from_low == self.client_is_low { Side::Client } else { Side::Server };
            if !brief.take(side, segment, shelves) {
                return Taken::No;
            }
            (self.touched, self.pauses) = (true, timers.clock.lag().pauses);
            // When it may leave is mostly later than it stands in the queue for.
            let Some(at) = brief.ends_at(timers.profile) else { return Taken::On };
            if brief.is_over() {
                return Taken::Over;
            }
            let at = timers.clock.now(at);
            return if timers.deadlines.is_sooner(at, self.scheduled) { Taken::Sooner(at) } else { Taken::On };
        }
        match &mut self.body {
            Body::Whole(connection) => {
                if !connection.step_plainly(segment) {
                    return Taken::No;
                }
                self.touch(timers.clock);
                Taken::On
            }
            Body::Still(_) | Body::Brief(_) => Taken::No,
            Body::Vacant => Taken::Vacant,
        }
    }

    /// Lets a connection that is over go to rest, if it can. Returns its number there; the record is vacant then.
    pub fn rest(&mut self, resting: &mut Resting, aside: &mut Aside, clock: &Clock) -> Option<u32> {
        let &mut Self { stream, client_is_low, pauses, .. } = self;
        let Body::Brief(brief) = &mut self.body else { return None };
        let lag = clock.lag_then(pauses);
        let tired = Tired { key: &self.key, stream, lag, client_is_low, brief, aside };
        let number = resting.push(&tired)?;
        brief.clear_away(&mut aside.shelves);
        aside.ends.give_back(&mut self.key);
        self.body = Body::Vacant;
        Some(number)
    }

    /// Goes on with one that rested.
    pub fn wake(&mut self, sleeper: &Sleeper<'_>, aside: &mut Aside) {
        let (client, server) = sleeper.ends();
        self.key = Kept::of(&sleeper.key(), &mut aside.ends);
        (self.stream, self.client_is_low) = (sleeper.stream, sleeper.client_is_low);
        (self.scheduled, self.pauses, self.touched) = (Bucket::NEVER, sleeper.pauses, true);
        self.body = Body::Brief(Brief::EMPTY);
        if let Body::Brief(brief) = &mut self.body {
            brief.wake(&sleeper.packed, client, server, &mut aside.shelves);
        }
    }

    /// The connection, unpacked for good if it was brief; none in a vacant record.
    pub fn expand(&mut self, Aside { shelves, ends, whole }: &mut Aside) -> Option<&mut Connection> {
        let (client, server) = self.ends(ends);
        let was_whole = matches!(self.body, Body::Whole(_));
        if let Body::Brief(brief) = &mut self.body {
            let mut connection = None;
            Connection::play_back(&mut connection, self.stream, &brief.packed(shelves), client, server);
            brief.clear_away(shelves);
            self.body = connection.map_or(Body::Vacant, Body::Whole);
        } else if let Body::Still(still) = &self.body {
            self.body = still.connection().map_or(Body::Vacant, Body::Whole);
        }
        match &mut self.body {
            Body::Whole(connection) => {
                *whole += usize::from(!was_whole);
                Some(connection)
            }
            Body::Vacant | Body::Brief(_) | Body::Still(_) => None,
        }
    }

    /// Puts the connection away until something comes of it, if it is kept in full, the client has had an answer, and nothing but
    /// a segment can end it.
    pub fn settle(&mut self, profile: &Profile, aside: &mut Aside) {
        let Body::Whole(connection) = &self.body else { return };
        if !self.is_half_open()
            && connection.ends_at(profile).is_none()
            && let Some(still) = Still::of(connection)
        {
            self.body = Body::Still(still);
            aside.whole -= 1;
        }
    }

    /// The connection to look at.
    pub fn connection(&self, aside: &Aside) -> Option<Cow<'_, Connection>> {
        match &self.body {
            Body::Vacant => None,
            Body::Whole(connection) => Some(Cow::Borrowed(connection)),
            Body::Still(still) => still.connection().map(|connection| Cow::Owned(*connection)),
            Body::Brief(brief) => {
                let mut connection = None;
                self.play_back(&mut connection, &brief.packed(&aside.shelves), &aside.ends);
                connection.map(|connection| Cow::Owned(*connection))
            }
        }
    }

    /// It was put away and nothing has come of it since.
    #[cfg(test)]
    pub fn is_away(&self) -> bool {
        matches!(self.body, Body::Still(_))
    }

    /// The connection, if it is not kept packed because nothing out of the ordinary has come of it.
    pub fn tracked(&self) -> Option<Cow<'_, Connection>> {
        match &self.body {
            Body::Vacant | Body::Brief(_) => None,
            Body::Whole(connection) => Some(Cow::Borrowed(connection)),
            Body::Still(still) => still.connection().map(|connection| Cow::Owned(*connection)),
        }
    }

    /// Something out of the ordinary has come of it, or more than can be packed.
    pub fn is_odd(&self) -> bool {
        matches!(self.body, Body::Whole(_) | Body::Still(_))
    }

    /// The connection to look at, played back into `scratch` if it is packed.
    pub fn lend<'a>(&'a self, aside: &Aside, scratch: &'a mut Option<Box<Connection>>) -> Option<&'a Connection> {
        match &self.body {
            Body::Vacant => None,
            Body::Whole(connection) => Some(connection),
            Body::Still(still) => {
                *scratch = still.connection();
                scratch.as_deref()
            }
            Body::Brief(brief) => {
                self.play_back(scratch, &brief.packed(&aside.shelves), &aside.ends);
                scratch.as_deref()
            }
        }
    }

    fn play_back(&self, place: &mut Option<Box<Connection>>, packed: &Packed<'_>, ends: &Places) {
        let (client, server) = self.ends(ends);
        Connection::play_back(place, self.stream, packed, client, server);
    }

    /// Shows the connection to `see` as its successor sees it. Who was the first to speak need not be the client, whom a
    /// predecessor names first.
    pub fn remains<T>(&self, Aside { shelves, ends, .. }: &Aside, see: impl FnOnce(&Predecessor) -> T) -> Option<T> {
        match &self.body {
            Body::Vacant => None,
            Body::Whole(connection) => Some(see(&Predecessor::of(connection))),
            Body::Still(still) => Some(see(&Predecessor::of(still.connection()?.as_ref()))),
            Body::Brief(brief) => {
                let (client, server) = self.ends(ends);
                let left = brief.packed(shelves).remains();
                Some(see(&Predecessor::between([client, server], self.stream, &left)))
            }
        }
    }

    /// Shows the connection to `leave` as the last one who sees it here; the record is vacant then.
    #[inline]
    pub fn leave(&mut self, Aside { shelves, ends, whole }: &mut Aside, leave: impl FnOnce(Left<'_>)) {
        let (client, server) = self.ends(ends);
        ends.give_back(&mut self.key);
        let stream = self.stream;
        let evicted = false;
        if let Body::Brief(brief) = &mut self.body {
            leave(Left { stream, client, server, evicted, over_at: None, body: Remains::Brief(brief.packed(shelves)) });
            brief.clear_away(shelves);
            self.body = Body::Vacant;
            return;
        }
        let connection = match std::mem::replace(&mut self.body, Body::Vacant) {
            Body::Whole(connection) => {
                *whole -= 1;
                Some(connection)
            }
            Body::Still(still) => still.connection(),
            Body::Brief(_) | Body::Vacant => None,
        };
        if let Some(connection) = connection {
            leave(Left { stream, client, server, evicted, over_at: None, body: Remains::Whole(connection) });
        }
    }

    /// Begins to bring into the cache what every segment asks for.
    #[inline]
    pub fn prefetch_head(&self) {
        prefetch_first(self, HEAD);
    }

    /// Begins to bring into the cache what its next segment asks for elsewhere.
    #[inline]
    pub fn prefetch_behind(&self, Aside { shelves, ends, .. }: &Aside) {
        ends.prefetch(&self.key);
        if let Body::Brief(brief) = &self.body {
            brief.prefetch(shelves);
        }
    }

    /// When its newest segment was captured.
    #[inline]
    pub fn end(&self) -> Timestamp {
        match &self.body {
            Body::Vacant => Timestamp(0),
            Body::Brief(brief) => brief.end(),
            Body::Still(still) => still.end(),
            Body::Whole(connection) => connection.end,
        }
    }

    /// What the table's clock showed at its newest segment.
    #[inline]
    pub fn newest(&self, clock: &Clock) -> Timestamp {
        clock.then(self.end(), self.pauses)
    }

    /// When it may leave, by the table's `clock`.
    #[inline]
    pub fn due(&self, profile: &Profile, clock: &Clock) -> Option<Timestamp> {
        let at = match &self.body {
            // What stands still ends by itself at no time.
            Body::Vacant | Body::Still(_) => return None,
            Body::Brief(brief) => brief.ends_at(profile)?,
            Body::Whole(connection) => connection.ends_at(profile)?,
        };
        Some(clock.then(at, self.pauses))
    }

    /// A segment came just now.
    #[inline]
    pub fn touch(&mut self, clock: &Clock) {
        (self.touched, self.pauses) = (true, clock.lag().pauses);
    }

    /// The connection has learned that its ends are the other way round.
    pub fn exchange_ends(&mut self) {
        self.client_is_low = !self.client_is_low;
    }

    fn ends(&self, places: &Places) -> (Endpoint, Endpoint) {
        self.key.ends(self.client_is_low, places)
    }
}
