//! SYNs that nobody has answered yet, 36 octets each: what a flood leaves by the million. They stand in the order in which they
//! came, and all wait for the same time, so the order is also that of leaving and no deadline is kept. What is the same in
//! many of them is kept once; a SYN that does not fit becomes a record at once, as every one does whose second segment comes.

mod flood;

use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;

use super::clock::Lag;
use super::key::Key;
use super::left::{Left, Remains};
use crate::base::prefetch::prefetch;
use crate::base::{Endpoint, FrameNumber, Seq, Timestamp};
use crate::connection::{Brief, PastHalf, Predecessor};
use crate::segment::{Flags, Marks, OptionOrder, Segment, TcpOptions, Timestamps};

pub(super) use flood::Each;
pub use flood::{Flood, Leave};

/// Entries that are counted from the same frame, stream and time, as a power of two.
const ROW_BITS: u32 = 8;
const ROW: usize = 1 << ROW_BITS;

/// Rows are numbered so that the numbers of entries have 30 bits.
const ROW_NUMBERS: u32 = 1 << (30 - ROW_BITS);

/// Kinds of SYN that are told apart; a SYN of one more kind is kept elsewhere.
const KINDS_MAX: usize = 1 << 12;

/// Room for entries that have left may be so much more than for those that are there.
const LEFT_MAX: usize = 1 << 14;

/// A SYN. Its row says from where on frame, stream and time are counted.
#[derive(Clone, Copy, Debug)]
struct Entry {
    client: u32,
    server: u32,
    seq: u32,
    /// TSval, if SYNs of its kind have one.
    clock: u32,
    /// Nanoseconds.
    time: u32,
    client_port: u16,
    server_port: u16,
    window: u16,
    ip_id: u16,
    frame: u16,
    stream: u16,
    kind: u16,
    ttl: u8,
    is_there: bool,
}

const _: () = assert!(size_of::<Entry>() == 36);

/// What SYNs of different connections share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    flags: Flags,
    marks: Marks,
    interface: u32,
    context: u32,
    realm: u16,
    mss: Option<u16>,
    window_scale: Option<u8>,
    order: OptionOrder,
    sack_permitted: bool,
    fast_open: bool,
    multipath: bool,
    has_clock: bool,
}

/// Entries that came one after the other.
#[derive(Debug)]
pub(super) struct Row {
    entries: Vec<Entry>,
    /// Those that are still there.
    waiting: u32,
    time: Timestamp,
    /// The table's clock's.
    lag: Lag,
    frame: u64,
    stream: u64,
}

impl Row {
    // Inlined, so that what is written in parts is not handed over to be read as a whole.
    #[inline(always)]
    fn unpack(&self, entry: &Entry, kinds: &[Kind]) -> Lone {
        let kind = &kinds[usize::from(entry.kind)];
        let time = self.time.plus(entry.time.into());
        let segment = Segment {
            time,
            frame: FrameNumber(self.frame + u64::from(entry.frame)),
            source: Endpoint::new(Ipv4Addr::from_bits(entry.client).into(), entry.client_port),
            destination: Endpoint::new(Ipv4Addr::from_bits(entry.server).into(), entry.server_port),
            seq: Seq(entry.seq),
            ack: Seq(0),
            payload_len: 0,
            window: entry.window,
            flags: kind.flags,
            ip_id: entry.ip_id,
            ttl: entry.ttl,
            marks: kind.marks,
            interface: kind.interface,
            context: kind.context,
            realm: kind.realm,
            digest: 0,
            options: TcpOptions {
                timestamps: kind.has_clock.then_some(Timestamps { value: entry.clock, echo: 0 }),
                mss: kind.mss,
                window_scale: kind.window_scale,
                sack_permitted: kind.sack_permitted,
                fast_open: kind.fast_open,
                multipath: kind.multipath,
                order: kind.order,
                ..TcpOptions::NONE
            },
        };
        Lone { segment, stream: self.stream + u64::from(entry.stream), pauses: self.lag.pauses }
    }
}

/// A SYN as it came, and what the table knows of it.
#[derive(Debug)]
pub(super) struct Lone {
    pub segment: Segment,
    pub stream: u64,
    /// How many pauses of the table's clock there had been.
    pub pauses: u16,
}

impl Lone {
    /// Its four-tuple.
    pub fn key(&self) -> Key {
        Key::new(self.segment.source, self.segment.destination).within(self.segment.realm)
    }

    /// The same as [`Predecessor::of`] the connection.
    pub fn remains(&self) -> Predecessor {
        let Segment { seq, time, source, destination, options, .. } = self.segment;
        let asked = PastHalf {
            isn: Some(seq),
            base: Some(seq),
            nxt: Some(seq + 1),
            timestamp: options.timestamps.map(|timestamps| timestamps.value),
            syn_unanswered: true,
            ..PastHalf::default()
        };
        let (a, b) = ((source, asked), (destination, PastHalf::default()));
        Predecessor { stream: self.stream, end: time, closing: false, a, b }
    }

    /// The connection as it leaves.
    pub fn leave(&self) -> Left<'_> {
        let (client, server) = (self.segment.source, self.segment.destination);
        Left { stream: self.stream, client, server, evicted: false, over_at: None, body: Remains::Asked(&self.segment) }
    }
}

/// SYNs by number, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Asked {
    rows: VecDeque<Row>,
    /// The number of the first row; numbers wrap within [`ROW_NUMBERS`].
    base: u32,
    /// The first entry of the first row that may still be there.
    first: usize,
    waiting: usize,
    /// Entries that take room.
    kept: usize,
    /// The table's clock at the newest entry.
    newest: Timestamp,
    kinds: Vec<Kind>,
    kind_numbers: HashMap<Kind, u16, foldhash::fast::RandomState>,
    last_kind: u16,
    /// Room of a row that is over.
    spare: Vec<Entry>,
}

impl Asked {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.waiting
    }

    /// Places for [`Asked::at_place`], those included where nobody waits any more.
    pub fn places(&self) -> usize {
        self.rows.len() * ROW
    }

    /// Keeps a plain SYN, the first segment of its connection. None when it does not fit: then nothing has changed.
    #[inline]
    pub fn push(&mut self, segment: &Segment, stream: u64, lag: Lag) -> Option<u32> {
        let (client, server) = match (segment.source, segment.destination) {
            (Endpoint { ip: std::net::IpAddr::V4(client), .. }, Endpoint { ip: std::net::IpAddr::V4(server), .. }) => {
                (client, server)
            }
            _ => return None,
        };
        let newest = segment.time.plus(-lag.behind_ns);
        let clock = segment.options.timestamps;
        let is_plain = segment.ack == Seq(0) && clock.is_none_or(|clock| clock.echo == 0);
        if !is_plain || !Brief::can_begin(segment) || (self.waiting > 0 && newest < self.newest) {
            return None;
        }
        let kind = self.kind(segment)?;
        let row = self.row(segment, stream, lag)?;
        let offset = segment.time.since(row.time);
        let entry = Entry {
            client: client.to_bits(),
            server: server.to_bits(),
            seq: segment.seq.0,
            clock: clock.map_or(0, |clock| clock.value),
            time: offset as u32,
            client_port: segment.source.port,
            server_port: segment.destination.port,
            window: segment.window,
            ip_id: segment.ip_id,
            frame: (segment.frame.0 - row.frame) as u16,
            stream: (stream - row.stream) as u16,
            kind,
            ttl: segment.ttl,
            is_there: true,
        };
        let at = row.entries.len();
        row.entries.push(entry);
        row.waiting += 1;
        self.waiting += 1;
        self.kept += 1;
        self.newest = newest;
        Some(number(self.base.wrapping_add(self.rows.len() as u32 - 1) % ROW_NUMBERS, at))
    }

    /// Whether the SYN with this number has the four-tuple `key`.
    #[inline]
    pub fn is(&self, number: u32, key: &Key) -> bool {
        self.entry(number).is_some_and(|(_, entry)| self.key_of(entry) == *key)
    }

    /// Begins to bring the SYN with this number into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        let (at, place) = self.position(number);
        if let Some(entry) = self.rows.get(at).and_then(|row| row.entries.get(place)) {
            prefetch(entry);
        }
    }

    /// The SYN with this number.
    #[inline]
    pub fn get(&self, number: u32) -> Option<Lone> {
        let (row, entry) = self.entry(number)?;
        Some(row.unpack(entry, &self.kinds))
    }

    /// Takes a SYN out, if it is there.
    pub fn remove(&mut self, number: u32) {
        let (at, place) = self.position(number);
        let is_over = at + 1 < self.rows.len();
        let Some(row) = self.rows.get_mut(at) else { return };
        let Some(entry) = row.entries.get_mut(place).filter(|entry| entry.is_there) else { return };
        entry.is_there = false;
        row.waiting -= 1;
        self.waiting -= 1;
        if row.waiting == 0 && is_over {
            self.kept -= row.entries.len();
            self.spare = std::mem::take(&mut row.entries);
            self.spare.clear();
        }
        if self.waiting == 0 {
            self.forget_all();
        } else {
            self.step();
        }
    }

    /// The one that came first: its number, its stream and the table's clock when it came.
    #[inline]
    pub fn first(&self) -> Option<(u32, u64, Timestamp)> {
        let row = self.rows.front()?;
        let entry = row.entries.get(self.first)?;
        let time = row.time.plus(entry.time.into()).plus(-row.lag.behind_ns);
        Some((number(self.base, self.first), row.stream + u64::from(entry.stream), time))
    }

    /// The four-tuple of the one that came `places` behind the first, if it is still there: to be looked up soon.
    #[inline]
    pub fn behind(&self, places: usize) -> Option<Key> {
        let row = self.rows.front()?;
        row.entries.get(self.first + places).filter(|entry| entry.is_there).map(|entry| self.key_of(entry))
    }

    /// The SYN in one of the [`Asked::places`].
    pub fn at_place(&self, place: usize) -> Option<Lone> {
        let row = self.rows.get(place >> ROW_BITS)?;
        let entry = row.entries.get(place & (ROW - 1)).filter(|entry| entry.is_there)?;
        Some(row.unpack(entry, &self.kinds))
    }

    /// All of them with their numbers, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Lone)> {
        self.rows.iter().enumerate().flat_map(move |(at, row)| {
            let entries = row.entries.iter().enumerate().filter(|(_, entry)| entry.is_there);
            entries.map(move |(place, entry)| {
                (number(self.base.wrapping_add(at as u32) % ROW_NUMBERS, place), row.unpack(entry, &self.kinds))
            })
        })
    }

    /// Whether those that have left take more room than those that are there.
    #[inline]
    pub fn is_sparse(&self) -> bool {
        self.kept > 2 * self.waiting + LEFT_MAX
    }

    /// Moves all together; `moved` is told the key, the number and the new one.
    pub fn close_up(&mut self, mut moved: impl FnMut(Key, u32, u32)) {
        let old = std::mem::take(&mut self.rows);
        let base = self.base;
        // Numbers of before and after must differ as long as both are about.
        self.base = base.wrapping_add(old.len() as u32) % ROW_NUMBERS;
        (self.first, self.waiting, self.kept) = (0, 0, 0);
        for (at, row) in old.iter().enumerate() {
            for (place, entry) in row.entries.iter().enumerate().filter(|(_, entry)| entry.is_there) {
                let from = number(base.wrapping_add(at as u32) % ROW_NUMBERS, place);
                let Lone { segment, stream, .. } = row.unpack(entry, &self.kinds);
                if let Some(to) = self.push(&segment, stream, row.lag) {
                    moved(self.key_of(entry), from, to);
                }
            }
        }
    }

    /// Nobody waits: what is left takes no room, and kinds may come anew.
    #[cold]
    fn forget_all(&mut self) {
        self.base = self.base.wrapping_add(self.rows.len() as u32) % ROW_NUMBERS;
        self.rows.clear();
        (self.first, self.kept) = (0, 0);
        if self.kinds.len() > KINDS_MAX / 2 {
            self.kinds.clear();
            self.kind_numbers.clear();
        }
    }

    /// Lets `first` be one that is there.
    fn step(&mut self) {
        while let Some(row) = self.rows.front() {
            if row.waiting == 0 {
                let over = self.rows.pop_front();
                self.kept -= over.map_or(0, |row| row.entries.len());
                self.base = (self.base + 1) % ROW_NUMBERS;
                self.first = 0;
            } else if row.entries.get(self.first).is_some_and(|entry| entry.is_there) {
                return;
            } else {
                self.first += 1;
            }
        }
    }

    /// The number of its kind.
    #[inline]
    fn kind(&mut self, segment: &Segment) -> Option<u16> {
        let options = &segment.options;
        let kind = Kind {
            flags: segment.flags,
            marks: segment.marks,
            interface: segment.interface,
            context: segment.context,
            realm: segment.realm,
            mss: options.mss,
            window_scale: options.window_scale,
            order: options.order,
            sack_permitted: options.sack_permitted,
            fast_open: options.fast_open,
            multipath: options.multipath,
            has_clock: options.timestamps.is_some(),
        };
        if self.kinds.get(usize::from(self.last_kind)) != Some(&kind) {
            self.last_kind = self.kind_number(kind)?;
        }
        Some(self.last_kind)
    }

    fn kind_number(&mut self, kind: Kind) -> Option<u16> {
        if let Some(&number) = self.kind_numbers.get(&kind) {
            return Some(number);
        }
        if self.kinds.len() >= KINDS_MAX {
            return None;
        }
        let number = self.kinds.len() as u16;
        self.kinds.push(kind);
        self.kind_numbers.insert(kind, number);
        Some(number)
    }

    /// The newest row if frame, stream and time can be counted from its beginning, else another one.
    #[inline]
    fn row(&mut self, segment: &Segment, stream: u64, lag: Lag) -> Option<&mut Row> {
        let fits = self.rows.back().is_some_and(|row| {
            let near = |value: u64, base: u64| value.checked_sub(base).is_some_and(|far| far <= u16::MAX.into());
            row.entries.len() < ROW
                && row.lag == lag
                && u32::try_from(segment.time.since(row.time)).is_ok()
                && near(segment.frame.0, row.frame)
                && near(stream, row.stream)
        });
        if !fits {
            self.add_row(segment, stream, lag)?;
        }
        self.rows.back_mut()
    }

    #[cold]
    fn add_row(&mut self, segment: &Segment, stream: u64, lag: Lag) -> Option<()> {
        if self.rows.len() + 2 > ROW_NUMBERS as usize / 2 {
            return None;
        }
        let mut room = 0;
        if let Some(row) = self.rows.back_mut() {
            room = if row.entries.len() == ROW { ROW } else { 0 };
            if row.waiting == 0 {
                self.kept -= row.entries.len();
                self.spare = std::mem::take(&mut row.entries);
                self.spare.clear();
            } else {
                // Where few SYNs come, a row is over by its time.
                row.entries.shrink_to_fit();
            }
        }
        let mut entries = std::mem::take(&mut self.spare);
        entries.reserve_exact(room);
        let (time, frame) = (segment.time, segment.frame.0);
        self.rows.push_back(Row { entries, waiting: 0, time, lag, frame, stream });
        Some(())
    }

    /// The row of a number, counted from the first, and the place in it.
    #[inline]
    fn position(&self, number: u32) -> (usize, usize) {
        ((number >> ROW_BITS).wrapping_sub(self.base) as usize % ROW_NUMBERS as usize, number as usize & (ROW - 1))
    }

    #[inline]
    fn entry(&self, number: u32) -> Option<(&Row, &Entry)> {
        let (at, place) = self.position(number);
        let row = self.rows.get(at)?;
        let entry = row.entries.get(place).filter(|entry| entry.is_there)?;
        Some((row, entry))
    }

    #[inline]
    fn key_of(&self, entry: &Entry) -> Key {
        let realm = self.kinds.get(usize::from(entry.kind)).map_or(0, |kind| kind.realm);
        Key::of_v4((entry.client, entry.client_port), (entry.server, entry.server_port)).within(realm)
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

    fn syn(rng: &mut fastrand::Rng, time: i64, frame: u64) -> Segment {
        let mut options =
            TcpOptions { mss: Some(1_400 + rng.u16(0..3)), sack_permitted: rng.bool(), ..TcpOptions::NONE };
        options.window_scale = rng.bool().then_some(7);
        options.timestamps = rng.bool().then(|| Timestamps { value: rng.u32(..), echo: 0 });
        Segment {
            time: Timestamp(time),
            frame: FrameNumber(frame),
            source: Endpoint::new(Ipv4Addr::from_bits(rng.u32(..)).into(), rng.u16(..)),
            destination: Endpoint::new([10, 0, 0, rng.u8(..)].into(), 80),
            seq: Seq(rng.u32(..)),
            ack: Seq(0),
            payload_len: 0,
            window: rng.u16(..),
            flags: rng.choice([Flags::SYN, Flags::SYN | Flags::ECE | Flags::CWR]).unwrap_or_default(),
            ip_id: rng.u16(..),
            ttl: rng.u8(..),
            marks: Marks::DONT_FRAGMENT,
            interface: rng.u32(0..2),
            context: rng.u32(0..2),
            realm: rng.u16(0..2),
            digest: 0,
            options,
        }
    }

    /// How long the table's clock stands still now and then, in ns.
    const PAUSE: i64 = 61_000_000_000;

    #[test]
    fn syns_come_back_as_they_were_and_in_order() {
        let mut rng = fastrand::Rng::with_seed(3);
        let (mut asked, mut model) = (Asked::default(), BTreeMap::new());
        let mut numbers: BTreeMap<u64, u32> = BTreeMap::new();
        let (mut time, mut frame, mut behind) = (1_000_000_000_000_000_000, 0, 0);
        for stream in 0..if cfg!(miri) { 1_000 } else { 60_000 } {
            // Now and then what is counted from the row's beginning goes beyond what an entry holds.
            time += if rng.u32(..500) == 0 { rng.i64(0..10_000_000_000) } else { rng.i64(0..1_000_000) };
            frame += if rng.u32(..500) == 0 { rng.u64(..100_000) } else { rng.u64(1..9) };
            behind += if rng.u32(..5_000) == 0 { PAUSE } else { 0 };
            let segment = syn(&mut rng, time + behind, frame);
            let number =
                asked.push(&segment, stream, Lag { behind_ns: behind, pauses: (behind / PAUSE) as u16 }).unwrap();
            model.insert(stream, (segment, Timestamp(segment.time.0 - behind)));
            numbers.insert(stream, number);
            let gone = if rng.u32(..3) == 0 { numbers.first_key_value() } else { None };
            let any = rng.u64(..stream + 1);
            for stream in gone.map(|(&stream, _)| stream).into_iter().chain([any]) {
                let Some(number) = numbers.remove(&stream) else { continue };
                let lone = asked.get(number).unwrap();
                asked.remove(number);
                let (segment, newest) = model.remove(&stream).unwrap();
                assert_eq!(lone.segment, segment);
                assert_eq!(newest.0 + i64::from(lone.pauses) * PAUSE, segment.time.0);
                assert_eq!(lone.stream, stream);
                assert!(asked.get(number).is_none() && !asked.is(number, &lone.key()));
            }
            if asked.is_sparse() || stream % 20_000 == 0 {
                let mut moved = BTreeMap::new();
                asked.close_up(|key, from, to| assert!(moved.insert(from, (key, to)).is_none()));
                for number in numbers.values_mut() {
                    let (key, to) = moved[number];
                    *number = to;
                    assert!(asked.is(to, &key));
                }
            }
            let first = asked.first().map(|(number, stream, came)| (stream, number, came));
            let expected = numbers.first_key_value().map(|(&stream, &number)| (stream, number, model[&stream].1));
            assert_eq!(first, expected);
        }
        assert!(model.len() > 100 && asked.len() == model.len());
        let kept: Vec<(u32, u64)> = asked.iter().map(|(number, lone)| (number, lone.stream)).collect();
        assert_eq!(kept, numbers.iter().map(|(&stream, &number)| (number, stream)).collect::<Vec<_>>());
        let seen = (0..asked.places()).filter_map(|place| asked.at_place(place)).count();
        assert_eq!(seen, model.len());
    }

    #[test]
    fn what_does_not_fit_is_kept_elsewhere() {
        let mut rng = fastrand::Rng::with_seed(4);
        let plain = syn(&mut rng, 5_000, 9);
        let mut asked = Asked::default();
        let echo = TcpOptions { timestamps: Some(Timestamps { value: 1, echo: 1 }), ..plain.options };
        for odd in [
            Segment { ack: Seq(1), ..plain },
            Segment { options: echo, ..plain },
            Segment { flags: Flags::SYN | Flags::ACK, ..plain },
            Segment { payload_len: 1, ..plain },
            Segment { source: Endpoint::new(std::net::Ipv6Addr::LOCALHOST.into(), 9), ..plain },
        ] {
            assert!(asked.push(&odd, 0, Lag::default()).is_none(), "{odd:?}");
        }
        assert!(asked.push(&plain, 0, Lag::default()).is_some());
        assert!(asked.push(&Segment { time: Timestamp(4_999), ..plain }, 1, Lag::default()).is_none());
        // And kinds beyond those that are told apart.
        let kind = |mss| TcpOptions { mss: Some(mss), ..TcpOptions::NONE };
        let fitting =
            (0..5_000).filter(|&mss| asked.push(&Segment { options: kind(mss), ..plain }, 2, Lag::default()).is_some());
        assert_eq!(fitting.count(), KINDS_MAX - 1);
    }

    #[test]
    fn what_remains_is_what_remains_of_the_connection() {
        let mut rng = fastrand::Rng::with_seed(5);
        for stream in 0..100 {
            let mut asked = Asked::default();
            let segment = syn(&mut rng, 7_000, 3);
            let number = asked.push(&segment, stream, Lag::default()).unwrap();
            let lone = asked.get(number).unwrap();
            let connection = lone.leave().unpack(None).unwrap();
            assert_eq!(lone.remains(), Predecessor::of(&connection));
            assert_eq!((lone.remains().a.0, connection.stream), (connection.client, stream));
        }
    }
}
