//! The table: live connections, what is left of finished ones, and the order in which they leave.

mod awaiting;
mod leaving;
mod numbered;
mod overload;
mod room;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::hash::{BuildHasher, Hasher};

use super::asked::Asked;
use super::clock::Clock;
use super::deadlines::Deadlines;
use super::index::Index;
use super::key::Key;
use super::left::Left;
use super::locator::{Finder, Locator, NOWHERE, Opening};
use super::numbering::{Known, opens_another_stream};
use super::past::{Past, Ring, Trace};
use super::record::{Aside, Record, Taken, Timers};
use super::resting::Resting;
use super::slab::Slab;
use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::{Connection, Predecessor, Profile, completeness};
use crate::segment::{Flags, IcmpError, Marks, Segment};

use awaiting::Awaiting;
use leaving::OVER_MAX;
pub use room::Limits;

/// What reaching a limit cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Connections that left early to make room.
    pub evicted: u64,
    /// Finished connections that were forgotten: a late segment of theirs opens a new stream.
    pub forgotten: u64,
}

/// What a segment met.
#[derive(Debug)]
pub enum Entry {
    /// A connection that goes on, by its stream number; the segment was given to it.
    Live(u64),
    /// The segment came for a connection that has already left.
    Late(Past),
}

/// What became of a segment that [was not plain](Table::take_plainly).
#[derive(Debug)]
pub struct Unplain(Taken);

/// All connections of one input.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    profile: Profile,
    /// Nobody leaves sooner after a segment, whatever it is.
    timer_min_ns: i64,
    seed: u64,
    index: Index,
    slab: Slab,
    aside: Aside,
    /// SYNs alone; they need no record.
    asked: Asked,
    /// Connections that are over and need no record until something comes of them.
    resting: Resting,
    /// Vacant records; the one left last is taken first, since it is still in the cache.
    free: Vec<u32>,
    deadlines: Deadlines,
    /// Nobody leaves before this time of the table's clock.
    earliest: Timestamp,
    /// Until this packet time nobody leaves, and no silence has been a pause: what goes on until then has nothing to ask.
    calm: Timestamp,
    past: Ring,
    /// Connections that are over but for what their ends say in the next.
    awaiting: Vec<Awaiting>,
    /// Packet times, in order, of which the first showed that somebody without a record was over: whoever is leaves
    /// [together](Table::let_go_over), as of then.
    over: Vec<Timestamp>,
    /// Until this packet time nobody else has to leave sooner than they.
    over_until: Timestamp,
    hand: usize,
    /// Where it goes on to be looked for who may be let go.
    sweep: usize,
    /// The same of [`Table::settle_silent`].
    settled: usize,
    next_stream: u64,
    /// The number of the next segment's stream, where [another table](Table::take_numbered) gives it.
    given: Option<u64>,
    counts: TableCounts,
    /// The newest packet time.
    seen: Timestamp,
    /// Packet time less what of it lay in pauses of the whole capture; the rest ends connections.
    clock: Clock,
    /// Places that were given lately, by hash: what comes together is looked up before the first of it has got its place.
    recent: [u32; RECENT],
}

/// More than connections begin in one batch, mostly.
const RECENT: usize = 32;

/// The bits of a place that say what its number counts: records in the slab, or what follows.
const KIND: u32 = 3 << 30;

/// SYNs alone.
const ASKED: u32 = 1 << 30;

/// What has left, in the ring.
const LEFT: u32 = 2 << 30;

/// Connections that rest.
const RESTING: u32 = 3 << 30;

/// Most connections that can be kept, whatever the limit says: places have 30 bits, and one number stays unused.
const CONNECTIONS_MAX: usize = (ASKED - 1) as usize;

/// What lies behind a word of the index.
#[derive(Clone, Copy)]
enum Place {
    Slot(usize),
    Asked(u32),
    Left(u32),
    Resting(u32),
}

impl Place {
    #[inline]
    fn of(word: u32) -> Self {
        if word < ASKED {
            return Self::Slot(word as usize);
        }
        let number = word & !KIND;
        match word & KIND {
            ASKED => Self::Asked(number),
            LEFT => Self::Left(number),
            _ => Self::Resting(number),
        }
    }
}

/// While connections leave, what is needed of the one that comes so many later is brought into the cache.
const LOOK_AHEAD: usize = 8;

impl Table {
    /// An empty table.
    pub fn new(limits: Limits, profile: Profile) -> Self {
        Self {
            limits: Limits {
                connections_max: limits.connections_max.min(CONNECTIONS_MAX),
                past_max: limits.past_max.min(CONNECTIONS_MAX),
                ..limits
            },
            timer_min_ns: profile.time_wait_ns.min(profile.syn_give_up_ns).min(profile.syn_ack_give_up_ns),
            profile,
            seed: foldhash::fast::RandomState::default().build_hasher().finish(),
            index: Index::new(),
            slab: Slab::default(),
            aside: Aside::default(),
            asked: Asked::default(),
            resting: Resting::default(),
            free: Vec::new(),
            deadlines: Deadlines::default(),
            earliest: Timestamp(i64::MAX),
            calm: Timestamp(i64::MIN),
            past: Ring::default(),
            awaiting: Vec::new(),
            over: Vec::with_capacity(OVER_MAX),
            over_until: Timestamp(i64::MIN),
            hand: 0,
            sweep: 0,
            settled: 0,
            next_stream: 0,
            given: None,
            counts: TableCounts::default(),
            seen: Timestamp(i64::MIN),
            clock: Clock::default(),
            recent: [NOWHERE; RECENT],
        }
    }

    /// Streams numbered so far.
    pub fn streams(&self) -> u64 {
        self.next_stream
    }

    /// The newest packet time; the least of all before the first.
    #[inline]
    pub fn horizon(&self) -> Timestamp {
        self.seen
    }

    /// Connections that are being tracked.
    pub fn live(&self) -> usize {
        self.slab.len() - self.free.len() + self.asked.len() + self.resting.len()
    }

    /// The connections that are being tracked, in no order.
    pub fn connections(&self) -> impl Iterator<Item = Cow<'_, Connection>> {
        let asked = self.asked.iter().filter_map(|(_, syn)| Record::show_lone(&syn, Connection::clone));
        let resting = self.resting.iter().filter_map(|sleeper| sleeper.leave().unpack(None).map(|whole| *whole));
        let records = self.slab.iter().filter_map(|record| record.connection(&self.aside));
        records.chain(asked.chain(resting).map(Cow::Owned))
    }

    /// Those that are out of the ordinary in some way, in no order: they are at hand without being played back.
    pub fn tracked(&self) -> impl Iterator<Item = Cow<'_, Connection>> {
        self.slab.iter().filter_map(Record::tracked)
    }

    /// Shows `see` the connections in up to `places_max` places of the table from place `from` on. Returns where to go on;
    /// none when every place has been seen. What moves between two calls may be shown twice or not at all.
    pub fn show(&self, from: usize, places_max: usize, mut see: impl FnMut(&Connection)) -> Option<usize> {
        let slots = self.slab.len();
        let before_resting = slots + self.asked.places();
        let places = before_resting + self.resting.places();
        let to = from.saturating_add(places_max).min(places);
        let mut scratch = None;
        for place in from..to {
            if let Some(place) = place.checked_sub(before_resting) {
                if let Some(sleeper) = self.resting.at_place(place) {
                    let _: Option<()> = sleeper.leave().show(&mut scratch, &mut see);
                }
                continue;
            }
            if let Some(place) = place.checked_sub(slots) {
                if let Some(lone) = self.asked.at_place(place) {
                    let _: Option<()> = Record::show_lone(&lone, &mut see);
                }
                continue;
            }
            if let Some(connection) = self.slab[place].lend(&self.aside, &mut scratch) {
                see(connection);
            }
        }
        (to < places).then_some(to)
    }

    /// The connection that is being tracked between `a` and `b`, whichever opened it.
    pub fn between(&self, a: Endpoint, b: Endpoint) -> Option<Cow<'_, Connection>> {
        let key = Key::new(a, b);
        match self.find(&key, key.hash(self.seed))? {
            Place::Slot(slot) => self.slab[slot].connection(&self.aside),
            Place::Asked(number) => Record::show_lone(&self.asked.get(number)?, Connection::clone).map(Cow::Owned),
            Place::Resting(number) => self.resting.get(number)?.leave().unpack(None).map(|whole| Cow::Owned(*whole)),
            Place::Left(_) => None,
        }
    }

    /// What the limits cost so far.
    pub fn counts(&self) -> TableCounts {
        self.counts
    }

    /// Says where connections are looked for here.
    #[inline]
    pub fn finder(&self) -> Finder {
        Finder { seed: self.seed }
    }

    /// The first of three looks ahead at a batch of segments, once it is known where to look: brings the lines of the index into the
    /// cache.
    #[inline]
    pub fn look_up_soon(&self, locator: &mut Locator) {
        locator.home = self.index.prefetch(locator.hash);
    }

    /// The second: brings the records into the cache, and remembers which ones.
    #[inline(always)]
    pub fn update_soon(&self, locator: &mut Locator) {
        locator.guess = self.index.guess(locator.hash, locator.home);
        match Place::of(locator.guess) {
            Place::Slot(slot) => {
                if let Some(record) = self.slab.get(slot as u32) {
                    record.prefetch_head();
                }
            }
            Place::Asked(number) => self.asked.prefetch(number),
            Place::Left(number) => self.past.prefetch(number),
            Place::Resting(_) if locator.guess == NOWHERE => {
                self.index.prefetch_for_insert(locator.hash, locator.home);
            }
            Place::Resting(_) => {}
        }
    }

    /// The third, if it is worth it: what lies behind the records.
    #[inline]
    pub fn pack_soon(&self, locator: &Locator) {
        if let Some(record) = self.slab.get(locator.guess) {
            record.prefetch_behind(&self.aside);
        }
    }

    /// Gives a segment to its connection. A connection that the segment ends by opening a new one on its four-tuple, or
    /// that must make room, goes to `leave`.
    pub fn take(&mut self, segment: &Segment, leave: impl FnMut(Left<'_>)) -> Entry {
        let locator = self.finder().locate(segment);
        self.take_at(&locator, segment, leave)
    }

    /// The same, for a segment that was [located](Finder::locate) already.
    #[inline]
    pub fn take_at(&mut self, locator: &Locator, segment: &Segment, leave: impl FnMut(Left<'_>)) -> Entry {
        match self.take_plainly(locator, segment) {
            Ok(()) => Entry::Live(self.slab[locator.guess as usize].stream),
            Err(unplain) => self.take_otherwise(unplain, locator, segment, leave),
        }
    }

    /// The first part of that: gives a segment to its connection if that is where it was looked for and just goes on with it. Nobody
    /// leaves then.
    ///
    /// # Errors
    /// What is left to do with any other, by [`Table::take_otherwise`].
    #[inline(always)]
    pub fn take_plainly(&mut self, locator: &Locator, segment: &Segment) -> Result<(), Unplain> {
        // Another may have got the record since then.
        let Aside { shelves, ends, .. } = &mut self.aside;
        let Some(record) = self.slab.get_mut(locator.guess).filter(|record| record.key.is(&locator.key, ends)) else {
            return Err(Unplain(Taken::Vacant));
        };
        let timers = Timers { profile: &self.profile, clock: &self.clock, deadlines: &self.deadlines };
        match record.take_plainly(segment, locator.from_low, &timers, shelves) {
            Taken::On => Ok(()),
            taken => Err(Unplain(taken)),
        }
    }

    /// The stream number of the connection that a segment was [given to](Table::take_plainly).
    pub fn stream_of(&self, locator: &Locator) -> Option<u64> {
        self.slab.get(locator.guess).map(|record| record.stream)
    }

    /// Does what is left to do with a segment that was no plain one.
    pub fn take_otherwise(
        &mut self,
        Unplain(taken): Unplain,
        locator: &Locator,
        segment: &Segment,
        mut leave: impl FnMut(Left<'_>),
    ) -> Entry {
        match taken {
            Taken::Vacant => self.take_found(locator, segment, &mut leave),
            taken => self.take_not_so_plainly(taken, locator.guess as usize, locator, segment, &mut leave),
        }
    }

    /// The same, looked up anew.
    #[inline(never)]
    fn take_found(&mut self, locator: &Locator, segment: &Segment, leave: &mut impl FnMut(Left<'_>)) -> Entry {
        let found = match Place::of(locator.guess) {
            // What has left since then keeps its key, but of SYNs only those are found that are there.
            guess @ Place::Asked(number) if self.asked.is(number, &locator.key) => Some(guess),
            // Who opens a connection mostly has none yet.
            _ if segment.flags.contains(Flags::SYN) && !segment.flags.contains(Flags::ACK) => {
                self.find(&locator.key, locator.hash)
            }
            _ => self.find_recent(locator).or_else(|| self.find(&locator.key, locator.hash)),
        };
        let found = if !self.over.is_empty() && found.is_some_and(|place| self.may_be_over(place)) {
            self.let_go_over(leave);
            self.find(&locator.key, locator.hash)
        } else {
            found
        };
        match found {
            Some(Place::Slot(slot)) => self.take_next(slot, locator, segment, leave),
            Some(Place::Asked(number)) => {
                let slot = self.settle(number, locator.hash);
                let entry = self.take_next(slot, locator, segment, leave);
                // It takes more room than the SYN did.
                self.make_room_for(0, leave);
                entry
            }
            Some(Place::Resting(number)) => match self.wake(number, locator.hash) {
                Some(slot) => self.take_next(slot, locator, segment, leave),
                None => self.take_first(None, locator, segment, leave),
            },
            Some(Place::Left(number)) => self.take_first(Some(number), locator, segment, leave),
            None => self.take_first(None, locator, segment, leave),
        }
    }

    /// A segment of the connection in `slot`.
    #[inline]
    fn take_next(
        &mut self,
        slot: usize,
        locator: &Locator,
        segment: &Segment,
        leave: &mut impl FnMut(Left<'_>),
    ) -> Entry {
        let timers = Timers { profile: &self.profile, clock: &self.clock, deadlines: &self.deadlines };
        let taken = self.slab[slot].take_plainly(segment, locator.from_low, &timers, &mut self.aside.shelves);
        self.take_not_so_plainly(taken, slot, locator, segment, leave)
    }

    /// Does what is left to do with a segment of the connection in `slot`.
    #[inline]
    fn take_not_so_plainly(
        &mut self,
        taken: Taken,
        slot: usize,
        locator: &Locator,
        segment: &Segment,
        leave: &mut impl FnMut(Left<'_>),
    ) -> Entry {
        match taken {
            Taken::On => {}
            Taken::Sooner(at) => self.schedule_soon(slot, at),
            Taken::Over => return self.rest(slot, locator.hash),
            Taken::No | Taken::Vacant => return self.take_whole(slot, locator, segment, leave),
        }
        Entry::Live(self.slab[slot].stream)
    }

    /// The connection in `slot` is over: it needs no record while it waits to leave.
    fn rest(&mut self, slot: usize, hash: u32) -> Entry {
        let record = &mut self.slab[slot];
        let stream = record.stream;
        match record.rest(&mut self.resting, &mut self.aside, &self.clock) {
            Some(number) => {
                self.index.change(hash, slot as u32, number | RESTING);
                self.free.push(slot as u32);
                if self.resting.len() == 1 {
                    self.hasten(self.earliest_due());
                }
            }
            None => self.schedule_due(slot),
        }
        Entry::Live(stream)
    }

    /// Gives one that rested a record, since something came of it. Returns the slot.
    #[cold]
    fn wake(&mut self, number: u32, hash: u32) -> Option<usize> {
        let sleeper = self.resting.get(number)?;
        let slot = self.free.pop().unwrap_or_else(|| self.slab.add());
        self.recent[hash as usize % RECENT] = slot;
        self.slab[slot as usize].wake(&sleeper, &mut self.aside);
        self.resting.remove(number);
        self.index.change(hash, number | RESTING, slot);
        Some(slot as usize)
    }

    /// Gives a SYN alone a record of its own, since more comes. Returns the slot.
    fn settle(&mut self, number: u32, hash: u32) -> usize {
        let slot = self.free.pop().unwrap_or_else(|| self.slab.add());
        self.recent[hash as usize % RECENT] = slot;
        if let Some(lone) = &self.asked.get(number) {
            self.asked.remove(number);
            self.slab[slot as usize].begin_with(lone, &mut self.aside);
            self.index.change(hash, number | ASKED, slot);
        }
        if self.asked.is_sparse() {
            let (index, seed) = (&mut self.index, self.seed);
            self.asked.close_up(|key, from, to| index.change(key.hash(seed), from | ASKED, to | ASKED));
        }
        slot as usize
    }

    /// A segment of a live connection that is not, or no longer, an orderly brief.
    #[inline(never)]
    fn take_whole(
        &mut self,
        slot: usize,
        locator: &Locator,
        segment: &Segment,
        leave: &mut impl FnMut(Left<'_>),
    ) -> Entry {
        let whole_before = self.aside.whole;
        if let Some(connection) = self.slab[slot].expand(&mut self.aside) {
            if segment.flags.contains(Flags::SYN) {
                let known = known(connection, segment.source);
                if opens_another_stream(self.given, connection.stream, segment.flags, segment.seq, known) {
                    return self.take_next_stream(slot, locator, segment, leave);
                }
            }
            connection.step(segment);
        }
        if !self.awaiting.is_empty() {
            self.hear(&locator.key, segment, leave);
        }
        let entry = Entry::Live(self.stepped(slot));
        if self.aside.whole > whole_before.max(self.limits.whole_max) {
            self.settle_others(slot);
        }
        entry
    }

    /// The first segment of the next stream of the four-tuple whose connection is in `slot`.
    fn take_next_stream(
        &mut self,
        slot: usize,
        locator: &Locator,
        segment: &Segment,
        leave: &mut impl FnMut(Left<'_>),
    ) -> Entry {
        let mut past = None;
        if let Some(connection) = self.slab[slot].expand(&mut self.aside) {
            past = Some(Predecessor::before(connection, segment, self.profile)).filter(Predecessor::is_known);
            // Its number is Wireshark's; no host takes such a SYN, so that it says nothing of what was there.
            let is_heard = segment.flags.contains(Flags::SYN) && !segment.marks.contains(Marks::HEADER_BAD);
            if is_heard {
                connection.succeed(segment);
            }
            if is_heard && connection.learn_roles(segment) {
                self.slab[slot].exchange_ends();
            }
        }
        self.let_go_over(leave);
        let left = self.replace(slot, &locator.key, leave);
        let stream = self.number();
        self.open(&locator.opening(stream, past.as_ref(), 0), left, segment, leave)
    }

    /// A segment whose four-tuple has no live connection.
    fn take_first(
        &mut self,
        left: Option<u32>,
        locator: &Locator,
        segment: &Segment,
        leave: &mut impl FnMut(Left<'_>),
    ) -> Entry {
        let trace = left.and_then(|number| self.past.get(number));
        let (stream, predecessor, quoted) = match &trace {
            Some(Trace::Past(past)) => {
                let (stream, known) = (past.summary.stream, past.known(segment.source));
                if !opens_another_stream(self.given, stream, segment.flags, segment.seq, known) {
                    if let Some(number) = left {
                        self.past.count_late(number);
                    }
                    return Entry::Late(Past { late: past.late + 1, ..*past });
                }
                (self.number(), Some(&past.summary).filter(|past| past.is_known()), 0)
            }
            &Some(Trace::Numbered(stream, completeness)) if self.given.is_none_or(|given| given == stream) => {
                (stream, None, completeness)
            }
            Some(Trace::Numbered(..)) | None => (self.number(), None, 0),
        };
        self.open(&locator.opening(stream, predecessor, quoted), left, segment, leave)
    }

    /// Gives an ICMP error to the connection that it quotes. A four-tuple seen for the first time gets a number, and so
    /// does a quoted SYN that would open a stream if it came itself.
    pub fn take_icmp(&mut self, error: &IcmpError, mut leave: impl FnMut(Left<'_>)) {
        // A SYN alone that it quotes becomes a record.
        self.make_room_for(1, &mut leave);
        let key = Key::new(error.source, error.destination).within(error.realm);
        let hash = key.hash(self.seed);
        let given = self.given;
        let opens = |stream: u64, known: Known| {
            error.flags.is_some_and(|flags| opens_another_stream(given, stream, flags, error.seq, known))
        };
        let mut left = None;
        let mut numbered = None;
        let found = match self.find(&key, hash) {
            Some(Place::Asked(number)) => {
                let slot = self.settle(number, hash);
                self.schedule_due(slot);
                Some(Place::Slot(slot))
            }
            Some(Place::Resting(number)) => {
                let slot = self.wake(number, hash);
                slot.inspect(|&slot| self.schedule_due(slot)).map(Place::Slot)
            }
            found => found,
        };
        match found {
            Some(Place::Slot(slot)) => {
                if let Some(connection) = self.slab[slot].expand(&mut self.aside)
                    && !opens(connection.stream, known(connection, error.source))
                {
                    connection.step_icmp(error);
                    return;
                }
                left = self.remove(slot, &mut leave);
            }
            Some(Place::Left(number)) => {
                left = Some(number);
                match self.past.get(number) {
                    Some(Trace::Past(past)) if !opens(past.summary.stream, past.known(error.source)) => return,
                    Some(Trace::Numbered(stream, completeness)) => numbered = Some((stream, completeness)),
                    Some(Trace::Past(_)) | None => {}
                }
            }
            Some(Place::Asked(_) | Place::Resting(_)) | None => {}
        }
        // Too little was quoted for Wireshark to see a stream in it.
        let Some(flags) = error.flags else { return };
        let added = completeness(flags, 0, None);
        if let (Some((stream, quoted)), Some(number)) = (numbered, left)
            && given.is_none_or(|given| given == stream)
        {
            self.past.complete(number, quoted | added);
            return;
        }
        let stream = self.number();
        self.vacate(hash, left);
        let left = self.past.push_numbered(key, stream, added);
        self.index.insert(hash, left | LEFT);
        self.forget();
    }

    /// The connection of `locator` if it has got its place lately and is there.
    #[inline]
    fn find_recent(&self, locator: &Locator) -> Option<Place> {
        let place = Place::of(self.recent[locator.hash as usize % RECENT]);
        let is_there = match place {
            Place::Slot(slot) => self
                .slab
                .get(slot as u32)
                .is_some_and(|record| record.key.is(&locator.key, &self.aside.ends) && !record.is_vacant()),
            Place::Asked(number) => self.asked.is(number, &locator.key),
            Place::Left(_) | Place::Resting(_) => false,
        };
        is_there.then_some(place)
    }

    #[inline]
    fn find(&self, key: &Key, hash: u32) -> Option<Place> {
        self.index.find(hash, |word| self.is_at(Place::of(word), key)).map(Place::of)
    }

    // Not where the index is searched: all that it needs would be loaded for those, too, who are not there.
    #[inline(never)]
    fn is_at(&self, place: Place, key: &Key) -> bool {
        match place {
            Place::Slot(slot) => self.slab.get(slot as u32).is_some_and(|record| record.key.is(key, &self.aside.ends)),
            Place::Asked(number) => self.asked.is(number, key),
            Place::Left(number) => self.past.is(number, key),
            Place::Resting(number) => self.resting.is(number, key),
        }
    }

    fn number(&mut self) -> u64 {
        let stream = self.given.unwrap_or(self.next_stream);
        self.next_stream = self.next_stream.max(stream + 1);
        stream
    }

    /// Begins a connection in the place of what was left of the one before, whose number in the ring is `left`.
    fn open(
        &mut self,
        opening: &Opening<'_>,
        left: Option<u32>,
        segment: &Segment,
        leave: &mut impl FnMut(Left<'_>),
    ) -> Entry {
        let hash = opening.locator.hash;
        self.make_room_for(1, leave);
        // A record that is there anyway is the shorter way.
        if left.is_none()
            && opening.is_plain()
            && self.free.is_empty()
            // They are kept in the order of their streams, which others may have numbered.
            && opening.stream + 1 == self.next_stream
            && let Some(number) = self.asked.push(segment, opening.stream, self.clock.lag())
        {
            self.index.insert(hash, number | ASKED);
            self.recent[hash as usize % RECENT] = number | ASKED;
            if self.asked.len() == 1 {
                self.hasten(self.earliest_due());
            }
            return Entry::Live(opening.stream);
        }
        // Making room may have forgotten it.
        let left = left.filter(|&number| self.past.get(number).is_some());
        let slot = self.free.pop().unwrap_or_else(|| self.slab.add());
        self.recent[hash as usize % RECENT] = slot;
        self.slab[slot as usize].begin(opening, segment, &self.clock, &mut self.aside);
        match left {
            Some(number) => {
                self.past.vacate(number);
                self.index.change(hash, number | LEFT, slot);
            }
            None => self.index.insert(hash, slot),
        }
        if self.slab[slot as usize].is_odd() {
            if self.aside.whole > self.limits.whole_max {
                self.settle_others(slot as usize);
            }
            return Entry::Live(self.stepped(slot as usize));
        }
        // No timer of a SYN ends sooner than the soonest of all.
        self.schedule(slot as usize, self.clock.now(segment.time).plus(self.timer_min_ns));
        Entry::Live(opening.stream)
    }

    /// A segment was given to the connection in `slot`. Returns its stream number.
    #[inline]
    fn stepped(&mut self, slot: usize) -> u64 {
        let record = &mut self.slab[slot];
        let stream = record.stream;
        record.touch(&self.clock);
        if let Some(at) = record.due(&self.profile, &self.clock)
            && self.deadlines.is_sooner(at, record.scheduled)
        {
            self.schedule_soon(slot, at);
        }
        stream
    }

    /// Takes a connection out and leaves its summary in its place. The connection goes to `leave`; returns the summary's number
    /// in the ring.
    fn remove(&mut self, slot: usize, leave: &mut impl FnMut(Left<'_>)) -> Option<u32> {
        self.await_no_more_behind(slot, leave);
        let record = &self.slab[slot];
        let key = record.key.key(&self.aside.ends);
        let hash = key.hash(self.seed);
        let past = &mut self.past;
        let number = record.remains(&self.aside, |left| past.push(key, left))?;
        self.free.push(slot as u32);
        self.index.change(hash, slot as u32, number | LEFT);
        self.forget();
        self.slab[slot].leave(&mut self.aside, leave);
        Some(number)
    }

    /// The same for the SYN alone that has waited longest.
    fn give_up(&mut self, number: u32, leave: impl FnOnce(Left<'_>)) {
        if let Some(key) = self.asked.behind(LOOK_AHEAD) {
            self.index.prefetch(key.hash(self.seed));
        }
        let lone = self.asked.get(number);
        let Some(lone) = &lone else { return };
        self.asked.remove(number);
        let key = lone.key();
        let left = self.past.push(key, &lone.remains());
        self.index.change(key.hash(self.seed), number | ASKED, left | LEFT);
        self.forget();
        leave(lone.leave());
    }

    /// The same for who has rested longest.
    fn end_rest(&mut self, number: u32, leave: impl FnOnce(Left<'_>)) {
        self.resting.prefetch_behind(2 * LOOK_AHEAD);
        if let Some(key) = self.resting.behind(LOOK_AHEAD) {
            self.index.prefetch(key.hash(self.seed));
        }
        let Some(sleeper) = self.resting.get(number) else { return };
        let key = sleeper.key();
        let left = self.past.push_leavings(key, sleeper.client_is_low, sleeper.stream, &sleeper.packed.remains());
        self.index.change(key.hash(self.seed), number | RESTING, left | LEFT);
        leave(sleeper.leave());
        self.resting.remove(number);
        self.forget();
    }

    fn vacate(&mut self, hash: u32, left: Option<u32>) {
        if let Some(number) = left {
            self.past.vacate(number);
            self.index.remove(hash, number | LEFT);
        }
    }
}

fn known(connection: &Connection, sender: Endpoint) -> Known {
    let side = if sender == connection.client { Side::Client } else { Side::Server };
    Known { base: connection.halves[side].base, closing: connection.counts_closing() }
}
