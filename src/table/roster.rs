//! The table: live connections, what is left of finished ones, and the order in which they leave.

use std::collections::{BTreeSet, HashMap, VecDeque};

use foldhash::fast::RandomState;

use super::key::Key;
use super::numbering::{Known, opens_new_stream};
use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::{Connection, Predecessor, Profile, completeness};
use crate::segment::{IcmpError, Segment};

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Live connections at once.
    pub connections_max: usize,
    /// Finished connections remembered for late segments and stream numbers.
    pub past_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections_max: 1_000_000, past_max: 1_000_000 }
    }
}

/// What reaching a limit cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounts {
    /// Connections that left early to make room.
    pub evicted: u64,
    /// Finished connections that were forgotten: a late segment of theirs opens a new stream.
    pub forgotten: u64,
}

/// What is left of a finished connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Past {
    /// The connection as its successor sees it.
    pub summary: Predecessor,
    /// Which end had been the client.
    pub client: Endpoint,
    /// Segments that came after it had left.
    pub late: u64,
}

/// What a segment met.
#[derive(Debug)]
pub enum Entry {
    /// A connection that goes on, by its stream number; the segment was given to it.
    Live(u64),
    /// The segment came for a connection that has already left.
    Late(Past),
}

/// A connection with its place in the queue of those that may end.
#[derive(Debug)]
struct Live {
    connection: Connection,
    key: Key,
    /// When it was last put into the queue for.
    scheduled: Option<Timestamp>,
    /// Seen since the hand of the clock passed (second-chance eviction).
    touched: bool,
    /// The table's clock at its newest segment.
    newest: Timestamp,
}

impl Live {
    /// When it may leave, by the table's clock.
    fn due(&self, profile: &Profile) -> Option<Timestamp> {
        let at = self.connection.ends_at(profile)?;
        Some(self.newest.plus(at.since(self.connection.end)))
    }
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Live(usize),
    Past(Past),
    /// Only ICMP errors quoted it so far: its number and what the quotes add to its completeness, as in Wireshark.
    Numbered(u64, u8),
}

/// All connections of one input.
#[derive(Debug)]
pub struct Table {
    limits: Limits,
    profile: Profile,
    places: HashMap<Key, Place, RandomState>,
    slab: Vec<Option<Live>>,
    free: Vec<usize>,
    ending: BTreeSet<(Timestamp, u64, usize)>,
    past: VecDeque<(Key, u64)>,
    hand: usize,
    next_stream: u64,
    counts: TableCounts,
    /// The newest packet time.
    seen: Timestamp,
    /// How much of packet time lay in pauses of the whole capture; the rest ends connections.
    paused_ns: i64,
}

/// A longer pause between two packets of the whole capture is a pause of the capture, or a jump of its clock, and ends
/// no connection by itself.
const PAUSE_MAX_NS: i64 = 60_000_000_000;

impl Table {
    /// An empty table.
    pub fn new(limits: Limits, profile: Profile) -> Self {
        Self {
            limits,
            profile,
            places: HashMap::default(),
            slab: Vec::new(),
            free: Vec::new(),
            ending: BTreeSet::new(),
            past: VecDeque::new(),
            hand: 0,
            next_stream: 0,
            counts: TableCounts::default(),
            seen: Timestamp(i64::MIN),
            paused_ns: 0,
        }
    }

    /// Streams numbered so far.
    pub fn streams(&self) -> u64 {
        self.next_stream
    }

    /// Connections that are being tracked.
    pub fn live(&self) -> usize {
        self.slab.len() - self.free.len()
    }

    /// The connections that are being tracked, in no order.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.slab.iter().flatten().map(|live| &live.connection)
    }

    /// The connection that is being tracked between `a` and `b`, whichever opened it.
    pub fn between(&self, a: Endpoint, b: Endpoint) -> Option<&Connection> {
        match self.places.get(&Key::new(a, b)) {
            Some(Place::Live(slot)) => self.slab[*slot].as_ref().map(|live| &live.connection),
            Some(Place::Past(_) | Place::Numbered(..)) | None => None,
        }
    }

    /// What the limits cost so far.
    pub fn counts(&self) -> TableCounts {
        self.counts
    }

    /// Gives a segment to its connection. A connection that the segment ends by opening a new one on its four-tuple, or
    /// that must make room, goes to `leave`.
    pub fn take(&mut self, segment: &Segment, mut leave: impl FnMut(Connection)) -> Entry {
        let key = Key::new(segment.source, segment.destination);
        let mut quoted = 0;
        let (stream, predecessor) = match self.places.get(&key).copied() {
            Some(Place::Live(slot)) => match self.superseded(slot, segment) {
                Some(predecessor) => {
                    self.remove(slot, &mut leave);
                    (self.number(), Some(predecessor))
                }
                None => {
                    return Entry::Live(self.step(slot, segment));
                }
            },
            Some(Place::Past(past)) => {
                if !opens_new_stream(segment.flags, segment.seq, past.known(segment.source)) {
                    let past = Past { late: past.late + 1, ..past };
                    self.places.insert(key, Place::Past(past));
                    return Entry::Late(past);
                }
                (self.number(), Some(past.summary))
            }
            Some(Place::Numbered(stream, completeness)) => {
                quoted = completeness;
                (stream, None)
            }
            None => (self.number(), None),
        };
        let mut connection = Connection::new(stream, segment, predecessor);
        connection.completeness = quoted;
        let slot = self.insert(key, connection, &mut leave);
        Entry::Live(self.step(slot, segment))
    }

    /// Gives an ICMP error to the connection that it quotes. A four-tuple seen for the first time gets a number, and so
    /// does a quoted SYN that would open a stream if it came itself.
    pub fn take_icmp(&mut self, error: &IcmpError, mut leave: impl FnMut(Connection)) {
        let key = Key::new(error.source, error.destination);
        let opens = |known: Known| error.flags.is_some_and(|flags| opens_new_stream(flags, error.seq, known));
        let numbered = match self.places.get(&key).copied() {
            Some(Place::Live(slot)) => match self.known(slot, error.source) {
                Some(known) if opens(known) => {
                    self.remove(slot, &mut leave);
                    None
                }
                _ => {
                    if let Some(live) = &mut self.slab[slot] {
                        live.connection.step_icmp(error);
                    }
                    return;
                }
            },
            Some(Place::Past(past)) if !opens(past.known(error.source)) => return,
            Some(Place::Numbered(stream, completeness)) => Some((stream, completeness)),
            Some(Place::Past(_)) | None => None,
        };
        // Too little was quoted for Wireshark to see a stream in it.
        let Some(flags) = error.flags else { return };
        let (stream, quoted) = numbered.unwrap_or_else(|| (self.number(), 0));
        let completeness = quoted | completeness(flags, 0, None);
        self.places.insert(key, Place::Numbered(stream, completeness));
        if numbered.is_none() {
            self.past.push_back((key, stream));
            self.forget();
        }
    }

    /// Packet time has reached `time`: lets every connection leave whose end lies before it, in the order of ending.
    pub fn expire(&mut self, time: Timestamp, mut leave: impl FnMut(Connection)) {
        let pause = time.since(self.seen).clamp(0, PAUSE_MAX_NS);
        let skipped = if self.seen == Timestamp(i64::MIN) { 0 } else { time.since(self.seen).max(0) - pause };
        self.seen = self.seen.max(time);
        self.paused_ns = self.paused_ns.saturating_add(skipped);
        let now = time.plus(-self.paused_ns);
        while let Some(&(due, stream, slot)) = self.ending.first() {
            if due >= now {
                break;
            }
            self.ending.remove(&(due, stream, slot));
            let Some(live) = self.slab[slot].as_mut().filter(|live| live.connection.stream == stream) else { continue };
            live.scheduled = None;
            match live.due(&self.profile) {
                Some(at) if at == due => self.remove(slot, &mut leave),
                // Segments came since: it stands in line again.
                Some(at) => self.schedule(slot, at),
                None => {}
            }
        }
    }

    /// Lets everything leave, by stream number.
    pub fn finish(&mut self, leave: impl FnMut(Connection)) {
        let mut all: Vec<Connection> = self.slab.drain(..).flatten().map(|live| live.connection).collect();
        self.free.clear();
        self.ending.clear();
        self.places.clear();
        all.sort_by_key(|connection| connection.stream);
        all.into_iter().for_each(leave);
    }

    fn number(&mut self) -> u64 {
        let stream = self.next_stream;
        self.next_stream += 1;
        stream
    }

    fn known(&self, slot: usize, sender: Endpoint) -> Option<Known> {
        let connection = &self.slab[slot].as_ref()?.connection;
        let side = if sender == connection.client { Side::Client } else { Side::Server };
        Some(Known { base: connection.halves[side].base, closing: connection.counts_closing() })
    }

    fn superseded(&self, slot: usize, segment: &Segment) -> Option<Predecessor> {
        let opens = opens_new_stream(segment.flags, segment.seq, self.known(slot, segment.source)?);
        opens.then(|| self.slab[slot].as_ref().map(|live| Predecessor::of(&live.connection))).flatten()
    }

    fn insert(&mut self, key: Key, connection: Connection, leave: &mut impl FnMut(Connection)) -> usize {
        if self.live() >= self.limits.connections_max {
            self.evict(leave);
        }
        let live = Some(Live { connection, key, scheduled: None, touched: true, newest: Timestamp(0) });
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slab[slot] = live;
                slot
            }
            None => {
                self.slab.push(live);
                self.slab.len() - 1
            }
        };
        self.places.insert(key, Place::Live(slot));
        slot
    }

    /// Gives the segment to the connection in `slot`. Returns its stream number.
    fn step(&mut self, slot: usize, segment: &Segment) -> u64 {
        let Some(live) = &mut self.slab[slot] else { return self.next_stream };
        let stream = live.connection.stream;
        live.touched = true;
        live.connection.step(segment);
        live.newest = live.connection.end.plus(-self.paused_ns);
        if let Some(at) = live.due(&self.profile)
            && live.scheduled.is_none_or(|scheduled| at < scheduled)
        {
            self.schedule(slot, at);
        }
        stream
    }

    fn schedule(&mut self, slot: usize, at: Timestamp) {
        if let Some(live) = &mut self.slab[slot] {
            if let Some(earlier) = live.scheduled.replace(at) {
                self.ending.remove(&(earlier, live.connection.stream, slot));
            }
            self.ending.insert((at, live.connection.stream, slot));
        }
    }

    /// Takes a connection out and leaves its summary in its place.
    fn remove(&mut self, slot: usize, leave: &mut impl FnMut(Connection)) {
        let Some(live) = self.slab[slot].take() else { return };
        self.free.push(slot);
        if let Some(at) = live.scheduled {
            self.ending.remove(&(at, live.connection.stream, slot));
        }
        let past = Past { summary: Predecessor::of(&live.connection), client: live.connection.client, late: 0 };
        self.places.insert(live.key, Place::Past(past));
        self.past.push_back((live.key, live.connection.stream));
        self.forget();
        leave(live.connection);
    }

    /// Forgets the oldest finished or merely quoted connections beyond the limit.
    fn forget(&mut self) {
        while self.past.len() > self.limits.past_max {
            let Some((key, stream)) = self.past.pop_front() else { return };
            let is_newest = match self.places.get(&key) {
                Some(Place::Past(past)) => past.summary.stream == stream,
                Some(&Place::Numbered(numbered, _)) => numbered == stream,
                Some(Place::Live(_)) | None => false,
            };
            if is_newest {
                self.places.remove(&key);
                self.counts.forgotten += 1;
            }
        }
    }

    /// Makes room: the first connection that had no segment since the hand last passed it.
    fn evict(&mut self, leave: &mut impl FnMut(Connection)) {
        for _ in 0..2 * self.slab.len() {
            let slot = self.hand % self.slab.len();
            self.hand = slot + 1;
            match &mut self.slab[slot] {
                Some(live) if live.touched => live.touched = false,
                Some(live) => {
                    live.connection.evicted = true;
                    self.counts.evicted += 1;
                    self.remove(slot, leave);
                    return;
                }
                None => {}
            }
        }
    }
}

impl Past {
    fn known(&self, sender: Endpoint) -> Known {
        Known { base: self.summary.half(sender).base, closing: self.summary.closing }
    }

    /// Which side sent `segment`.
    pub fn side_of(&self, segment: &Segment) -> Side {
        if segment.source == self.client { Side::Client } else { Side::Server }
    }
}
