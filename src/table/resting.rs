//! Connections that are over and wait for TIME-WAIT to pass. Their records are used for others at once, which then are still in the
//! cache; what they were lies side by side in the order in which they will leave. One that hears of another segment gets a
//! record again.

use std::collections::VecDeque;

use super::clock::Lag;
use super::key::{Kept, Key};
use super::left::{Left, Remains};
use super::record::Aside;
use super::wide;
use crate::base::prefetch::{LINE_BYTES, prefetch};
use crate::base::{Endpoint, Timestamp};
use crate::connection::{Brief, Packed, Rest};

/// Entries that lie together, as a power of two.
const ROW_BITS: u32 = 9;
/// And at most: the highest number of all stays unused.
const ROW: usize = (1 << ROW_BITS) - 1;
/// Their octets.
const OCTETS: usize = 1 << 16;

/// An entry is asked for so many places before it says where the rest lies.
const ENTRIES_AHEAD: usize = 8;

/// Rows are numbered so that the numbers of entries have 30 bits.
const ROW_NUMBERS: u32 = 1 << (30 - ROW_BITS);

/// Room for entries that were woken or have left may be so much more than for those that are there.
const GONE_MAX: usize = 1 << 14;

/// One that rests, in one line of the cache.
#[derive(Debug)]
#[repr(align(64))]
struct Entry {
    key: Kept,
    stream: u64,
    rest: Rest,
    /// Where its octets begin among those of its row.
    at: u16,
    client_is_low: bool,
    is_there: bool,
}

const _: () = assert!(size_of::<Entry>() == 64);

impl Entry {
    /// Nobody.
    const BLANK: Self =
        Self { key: Kept::NONE, stream: 0, rest: Rest::NONE, at: 0, client_is_low: false, is_there: false };
}

#[derive(Debug, Default)]
struct Row {
    entries: Vec<Entry>,
    octets: Vec<u8>,
    /// What their keys have no room for.
    ends: wide::Row,
    /// Those that are still there.
    waiting: usize,
    /// The table's clock's.
    lag: Lag,
}

/// All of them, in the order of (time, stream).
#[derive(Debug)]
pub(super) struct Resting {
    rows: VecDeque<Row>,
    /// The number of the first row.
    base: u32,
    /// Before this place of the first row nobody is there.
    first: usize,
    len: usize,
    /// Entries of all rows, those that are gone included.
    kept: usize,
    /// The newest one, whoever it was.
    last: (Timestamp, u64),
    /// The room of a row that is over.
    spare: Row,
}

impl Default for Resting {
    fn default() -> Self {
        Self {
            rows: VecDeque::new(),
            base: 0,
            first: 0,
            len: 0,
            kept: 0,
            last: (Timestamp(i64::MIN), 0),
            spare: Row::default(),
        }
    }
}

/// One that goes to rest.
pub(super) struct Tired<'a> {
    pub key: &'a Kept,
    pub stream: u64,
    /// The table's clock's at its newest segment.
    pub lag: Lag,
    pub client_is_low: bool,
    pub brief: &'a Brief,
    pub aside: &'a Aside,
}

/// One that rests, as it is.
pub(super) struct Sleeper<'a> {
    key: &'a Kept,
    row: &'a wide::Row,
    pub stream: u64,
    pub client_is_low: bool,
    /// How many pauses of the table's clock there had been at its newest segment.
    pub pauses: u16,
    pub packed: Packed<'a>,
}

impl<'a> Sleeper<'a> {
    /// Both ends, the client first.
    pub fn ends(&self) -> (Endpoint, Endpoint) {
        self.key.ends(self.client_is_low, self.row)
    }

    /// Its four-tuple.
    pub fn key(&self) -> Key {
        self.key.key(self.row)
    }

    /// As one that leaves.
    pub fn leave(self) -> Left<'a> {
        let (client, server) = self.ends();
        Left { stream: self.stream, client, server, evicted: false, over_at: None, body: Remains::Brief(self.packed) }
    }
}

impl Resting {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Takes one and gives its number; none when it is not the last in the order of leaving, or when there is no room.
    // Inlined, so that what is written in parts is not handed over to be read as a whole.
    #[inline]
    pub fn push(&mut self, tired: &Tired<'_>) -> Option<u32> {
        let &Tired { key, stream, lag, client_is_low, brief, aside } = tired;
        let rest = brief.rest();
        let newest = rest.end().plus(-lag.behind_ns);
        if (self.len > 0 && (newest, stream) <= self.last) || self.kept > 2 * self.len + GONE_MAX {
            return None;
        }
        let fits =
            |row: &Row| row.entries.len() < ROW && row.octets.len() + rest.octets_len() <= OCTETS && row.lag == lag;
        if !self.rows.back().is_some_and(fits) {
            self.add_row(lag)?;
        }
        let row = self.rows.back_mut()?;
        let at = u16::try_from(row.octets.len()).ok()?;
        brief.put_into(&mut row.octets, &aside.shelves);
        // Written where it stays, for the same reason.
        let entry = row.entries.push_mut(Entry::BLANK);
        (entry.stream, entry.at, entry.client_is_low, entry.is_there) = (stream, at, client_is_low, true);
        entry.rest = rest;
        entry.key = key.copied(&aside.ends, &mut row.ends);
        row.waiting += 1;
        self.len += 1;
        self.kept += 1;
        self.last = (newest, stream);
        let place = row.entries.len() - 1;
        Some(number(self.base.wrapping_add(self.rows.len() as u32 - 1) % ROW_NUMBERS, place))
    }

    #[cold]
    fn add_row(&mut self, lag: Lag) -> Option<()> {
        if self.rows.len() + 2 > ROW_NUMBERS as usize / 2 {
            return None;
        }
        let mut row = std::mem::take(&mut self.spare);
        if let Some(before) = self.rows.back() {
            // A little more than the one before needed; the first one grows as it must.
            let more = |len: usize, most: usize| (len + len / 32).min(most);
            row.entries.reserve_exact(more(before.entries.len(), ROW));
            row.octets.reserve_exact(more(before.octets.len(), OCTETS) + Brief::PUT_BEYOND);
            row.ends.reserve_exact(more(before.ends.len(), ROW));
        }
        row.lag = lag;
        self.rows.push_back(row);
        Some(())
    }

    #[inline]
    pub fn get(&self, number: u32) -> Option<Sleeper<'_>> {
        let (at, place) = self.position(number);
        let row = self.rows.get(at)?;
        row.sleeper(row.entries.get(place)?)
    }

    /// Whether the one with this number has this four-tuple.
    #[inline]
    pub fn is(&self, number: u32, key: &Key) -> bool {
        let (at, place) = self.position(number);
        let Some(row) = self.rows.get(at) else { return false };
        row.entries.get(place).is_some_and(|entry| entry.is_there && entry.key.is(key, &row.ends))
    }

    /// Begins to bring into the cache what is told of one.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        let (at, place) = self.position(number);
        if let Some(entry) = self.rows.get(at).and_then(|row| row.entries.get(place)) {
            prefetch(entry);
        }
    }

    /// The same with its octets, when the rest is at hand.
    #[inline]
    pub fn prefetch_octets(&self, number: u32) {
        let (at, place) = self.position(number);
        if let Some(row) = self.rows.get(at)
            && let Some(entry) = row.entries.get(place)
        {
            row.ends.prefetch(&entry.key);
            // Most have no more than these two lines.
            let octets = row.octets.get(entry.at.into()..).unwrap_or_default();
            octets.iter().step_by(LINE_BYTES).take(2).for_each(prefetch);
        }
    }

    /// The one that leaves first: its number, its stream and the table's clock at its newest segment.
    #[inline]
    pub fn first(&self) -> Option<(u32, u64, Timestamp)> {
        let row = self.rows.front()?;
        let entry = row.entries.get(self.first)?;
        Some((number(self.base, self.first), entry.stream, entry.rest.end().plus(-row.lag.behind_ns)))
    }

    /// Begins to bring into the cache what lies elsewhere of the one that comes `places` behind the first.
    #[inline]
    pub fn prefetch_behind(&self, places: usize) {
        if let Some(row) = self.rows.front()
            && let Some(entry) = row.entries.get(self.first + places)
        {
            // Whoever leaves next is told in between, so that no processor sees a row being read.
            row.entries.get(self.first + places + ENTRIES_AHEAD).into_iter().for_each(prefetch);
            row.ends.prefetch(&entry.key);
            if let Some(octet) = row.octets.get(usize::from(entry.at)) {
                prefetch(octet);
            }
        }
    }

    /// The four-tuple of the one that comes `places` behind the first, if it is still there: to be looked up soon.
    #[inline]
    pub fn behind(&self, places: usize) -> Option<Key> {
        let row = self.rows.front()?;
        let entry = row.entries.get(self.first + places)?;
        entry.is_there.then(|| entry.key.key(&row.ends))
    }

    /// Takes one out, if it is there.
    pub fn remove(&mut self, number: u32) {
        let (at, place) = self.position(number);
        let is_newest = at + 1 == self.rows.len();
        let Some(row) = self.rows.get_mut(at) else { return };
        let Some(entry) = row.entries.get_mut(place).filter(|entry| entry.is_there) else { return };
        entry.is_there = false;
        row.waiting -= 1;
        self.len -= 1;
        if row.waiting == 0 && !is_newest {
            let over = std::mem::take(row);
            self.kept -= over.entries.len();
            self.keep_room(over);
        }
        self.step();
    }

    /// One has left, and nobody will be looked for any more: all that is left to do is to give up a row with its last.
    #[inline]
    pub fn let_go(&mut self, number: u32) {
        let (at, _) = self.position(number);
        if let Some(row) = self.rows.get_mut(at) {
            row.waiting -= 1;
            if row.waiting == 0 {
                row.give_up();
            }
        }
    }

    /// All of them, in the order in which they leave.
    pub fn iter(&self) -> impl Iterator<Item = Sleeper<'_>> {
        self.rows.iter().flat_map(|row| row.entries.iter().filter_map(|entry| row.sleeper(entry)))
    }

    /// Their streams and numbers, in the same order.
    pub fn streams(&self) -> impl Iterator<Item = (u64, u32)> {
        self.rows.iter().enumerate().flat_map(move |(at, row)| {
            let there = row.entries.iter().enumerate().filter(|(_, entry)| entry.is_there);
            let first = number(self.base.wrapping_add(at as u32) % ROW_NUMBERS, 0);
            there.map(move |(place, entry)| (entry.stream, first + place as u32))
        })
    }

    /// Places in which one may be, for [`Resting::at_place`].
    pub fn places(&self) -> usize {
        self.rows.len() << ROW_BITS
    }

    /// The one in a place.
    pub fn at_place(&self, place: usize) -> Option<Sleeper<'_>> {
        let row = self.rows.get(place >> ROW_BITS)?;
        row.sleeper(row.entries.get(place & ROW)?)
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Lets `first` be one that is there.
    fn step(&mut self) {
        while let Some(row) = self.rows.front_mut() {
            if row.waiting == 0 {
                let over = std::mem::take(row);
                self.kept -= over.entries.len();
                self.rows.pop_front();
                self.keep_room(over);
                self.base = (self.base + 1) % ROW_NUMBERS;
                self.first = 0;
            } else if row.entries.get(self.first).is_some_and(|entry| entry.is_there) {
                return;
            } else {
                self.first += 1;
            }
        }
    }

    /// Keeps the room of one row for the next.
    fn keep_room(&mut self, mut over: Row) {
        if over.octets.capacity() > self.spare.octets.capacity() {
            over.entries.clear();
            over.octets.clear();
            over.ends.clear();
            self.spare = over;
        }
    }

    /// The row of a number, counted from the first, and the place in it.
    #[inline]
    fn position(&self, number: u32) -> (usize, usize) {
        ((number >> ROW_BITS).wrapping_sub(self.base) as usize % ROW_NUMBERS as usize, number as usize & ROW)
    }
}

impl Row {
    #[cold]
    fn give_up(&mut self) {
        *self = Self::default();
    }

    #[inline]
    fn sleeper<'a>(&'a self, entry: &'a Entry) -> Option<Sleeper<'a>> {
        let &Entry { ref key, stream, ref rest, at, client_is_low, is_there } = entry;
        let octets = self.octets.get(at.into()..).unwrap_or_default();
        let (row, pauses) = (&self.ends, self.lag.pauses);
        is_there.then(|| Sleeper { key, row, stream, client_is_low, pauses, packed: rest.with(octets) })
    }
}

/// The number of the entry at `place` in the row with this number.
#[inline]
fn number(row: u32, place: usize) -> u32 {
    (row << ROW_BITS) | place as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::{FrameNumber, Side};
    use crate::connection::{Brief, Shelves};
    use crate::segment::{Flags, Segment};

    /// A connection of `host` that was reset at `time`.
    fn reset(host: u32, time: i64) -> (Key, Brief) {
        let address = |host: u32| match host % 3 {
            0 => std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(host)).into(),
            _ => std::net::Ipv4Addr::from_bits(0x0a00_0000 | host).into(),
        };
        let [client, server] =
            [(host, 9), (0x00ff_0000 + host % 3, 80)].map(|(host, port)| Endpoint::new(address(host), port));
        let syn = Segment {
            time: Timestamp(time),
            frame: FrameNumber(1),
            source: client,
            destination: server,
            flags: Flags::SYN,
            ..Segment::BLANK
        };
        let rst = Segment { source: server, destination: client, flags: Flags::RST, ..syn };
        let mut brief = Brief::EMPTY;
        brief.begin(&syn);
        assert!(brief.take(Side::Server, &rst, &mut Shelves::default()) && brief.is_over());
        (Key::new(client, server), brief)
    }

    fn push(resting: &mut Resting, host: u32, stream: u64, time: i64, lag: Lag) -> Option<u32> {
        let (key, brief) = reset(host, time);
        let mut aside = Aside::default();
        let key = &Kept::of(&key, &mut aside.ends);
        resting.push(&Tired { key, stream, lag, client_is_low: true, brief: &brief, aside: &aside })
    }

    #[test]
    fn they_leave_in_order_and_wake_as_they_were() {
        let mut rng = fastrand::Rng::with_seed(5);
        let (mut resting, mut model) = (Resting::default(), BTreeMap::new());
        let (mut now, mut pauses) = (1_000_000, 0);
        for stream in 0..if cfg!(miri) { 700 } else { 20_000_u32 } {
            now += rng.i64(0..3);
            pauses += u16::from(rng.u32(..4_000) == 0);
            let newest = Timestamp(now);
            let is_last = resting.len() == 0 || resting.last < (newest, stream.into());
            let lag = Lag { behind_ns: 70_000_000_000 * i64::from(pauses), pauses };
            let number = push(&mut resting, stream, stream.into(), now + lag.behind_ns, lag);
            assert_eq!(number.is_some(), is_last);
            if let Some(number) = number {
                assert!(model.insert((newest, u64::from(stream)), number).is_none());
            }
            let gone = match rng.u32(..8) {
                0..=3 => model.first_key_value(),
                4 => model.iter().nth(rng.usize(..model.len().max(1))),
                _ => None,
            };
            if let Some((&(newest, stream), &number)) = gone {
                let sleeper = resting.get(number).unwrap();
                assert_eq!(sleeper.stream, stream);
                let key = Key::new(sleeper.ends().0, sleeper.ends().1);
                assert!(resting.is(number, &key));
                let end = resting.get(number).unwrap().packed.end();
                assert_eq!(end, newest.plus(70_000_000_000 * i64::from(sleeper.pauses)));
                assert_eq!(key, sleeper.key());
                resting.remove(number);
                assert!(resting.get(number).is_none() && !resting.is(number, &key));
                resting.remove(number);
                model.remove(&(newest, stream));
            }
            let first = resting.first().map(|(number, stream, newest)| ((newest, stream), number));
            assert_eq!(first, model.first_key_value().map(|(&key, &number)| (key, number)));
            assert_eq!(resting.len(), model.len());
        }
        assert!(model.len() > 100);
        let streams: Vec<(u64, u32)> = model.iter().map(|(&(_, stream), &number)| (stream, number)).collect();
        assert_eq!(resting.streams().collect::<Vec<_>>(), streams);
        assert_eq!((0..resting.places()).filter_map(|place| resting.at_place(place)).count(), model.len());
        assert_eq!(resting.iter().count(), model.len());
    }

    #[test]
    #[cfg_attr(miri, ignore = "as many rounds as there may be entries that are gone")]
    fn who_wakes_all_the_time_does_not_fill_the_memory() {
        let mut resting = Resting::default();
        let first = push(&mut resting, 0, 0, 1, Lag::default());
        assert!(first.is_some());
        let again = (2..).take(10 * GONE_MAX).map_while(|time| resting_again(&mut resting, time)).count();
        assert!((GONE_MAX..2 * GONE_MAX).contains(&again), "{again}");
        assert!(resting.kept <= GONE_MAX + 4);
    }

    /// Another one rests and is woken at once.
    fn resting_again(resting: &mut Resting, time: i64) -> Option<()> {
        let number = push(resting, 1, 1, time, Lag::default())?;
        resting.remove(number);
        Some(())
    }
}
