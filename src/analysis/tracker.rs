//! From decoded segments to connections that leave.

use std::io;
use std::net::IpAddr;

use super::Options;
use super::setbacks::Setbacks;
use super::ways::Way;
use crate::base::{Endpoint, Timestamp};
use crate::decode::{Decoder, FrameKind, Item, Items};
use crate::finding::{Loss, Sieve, Unheard};
use crate::population::Departure;
use crate::report::{CaptureRecord, SegmentLog, Summary};
use crate::segment::{IcmpError, Marks, Segment};
use crate::source::Frame;
use crate::table::{Entry, Finder, Flood, Leave, Left, Locator, Past, Table, TableCounts, Unplain};

/// What follows tracking, on the same thread or another one. It is told in the order of happening.
pub(super) trait Outlet {
    /// What is read; the first thing that is told.
    fn announce(&mut self, capture: CaptureRecord);
    /// Segments came through something new; ways are told in the order of their context numbers.
    fn way(&mut self, way: Way);
    /// The input has ended, and `table` still holds what is open.
    fn at_end(&mut self, table: &Table);
    /// More is known of what kinds of segments the input has.
    fn kept(&mut self, sieve: Sieve);
    /// The capture says that it lost frames.
    fn lost(&mut self, lost: Lost);
    /// Frames of `host` are missing in the capture.
    fn unheard(&mut self, host: IpAddr);
    /// A connection left when packet time had reached `horizon`.
    fn left(&mut self, left: Left<'_>, departure: Departure, horizon: Timestamp);
    /// The same of many at once, of which there was nothing but a SYN each.
    fn flood(&mut self, flood: Flood, horizon: Timestamp);
    /// A segment came for a connection that had left.
    fn late(&mut self, past: &Past, segment: &Segment);
    /// The input has nothing more at hand: what was told should not wait for it.
    fn pause(&mut self);
    /// Whether there is any use in going on.
    fn so_far(&mut self) -> io::Result<()>;
}

/// Frames that the capture says it lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    /// Between two moments.
    Then(Loss),
    /// Any time, `lost` beside the `frames` that there are.
    SomeTime { lost: u64, frames: u64 },
}

/// Sees frames as they are read, on the same thread.
pub(super) trait Witness {
    /// Where frames are counted.
    fn summary(&mut self) -> &mut Summary;
    /// It looks at the table before every frame, so that no frame may wait in a batch.
    fn looks_before(&self) -> bool;
    /// Frame `number` of `time` comes next, and `table` is as the frames before left it.
    fn before(&mut self, number: u64, time: Timestamp, table: &Table);
}

/// A capture that went on after its last frame is followed so far.
const SILENCE_MAX_NS: i64 = 60_000_000_000;

/// Gives segments to their connections, and what leaves to an outlet.
pub(super) struct Tracker {
    pub table: Table,
    watch: Option<u64>,
    pub watched: SegmentLog,
    sieve: Sieve,
    setbacks: Setbacks,
}

/// What the tracker counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub table: TableCounts,
    pub setbacks: Setbacks,
}

/// Frames whose cache misses overlap.
pub(super) const BATCH: usize = 32;

/// Connections looked at in the end for hosts of which frames are missing, before the first of them leaves.
const SWEEP_MAX: usize = 65_536;

/// What some frames held, waiting to be tracked together.
#[derive(Default)]
pub(super) struct Batch {
    pub items: Items,
    /// Frames that gave a segment of their own time and nothing else.
    plain: usize,
    /// Of the others, those that gave a segment.
    otherwise: usize,
    /// Of each of the others how many items there were before it, and its time: it may have given none.
    others: Vec<(usize, Timestamp)>,
    /// Where the connection of each item is, and some from before; the room is used again.
    locators: Vec<Locator>,
    /// That is known already.
    is_located: bool,
    /// Of each item the number of its stream where [`super::passing::Passing`] gives it, and else nothing; none of an ICMP error that
    /// quotes no stream.
    pub numbers: Vec<Option<u64>>,
}

impl Batch {
    /// Decodes a frame, which waits then.
    #[inline(always)]
    pub fn decode(&mut self, frame: &Frame<'_>, decoder: &mut Decoder) -> FrameKind {
        if decoder.decode_plain(frame, &mut self.items) {
            self.plain += 1;
            return FrameKind::Segment;
        }
        self.others.push((self.items.len(), frame.time));
        let kind = decoder.decode_layers(frame, &mut self.items);
        self.otherwise += usize::from(kind == FrameKind::Segment);
        kind
    }

    /// The same, not where it is called: for frames that come one at a time.
    #[inline(never)]
    pub fn decode_apart(&mut self, frame: &Frame<'_>, decoder: &mut Decoder) -> FrameKind {
        self.decode(frame, decoder)
    }

    /// Frames that wait.
    #[inline]
    pub fn frames(&self) -> usize {
        self.plain + self.others.len()
    }

    /// Those of them that gave a segment.
    #[inline]
    pub fn segments(&self) -> u64 {
        (self.plain + self.otherwise) as u64
    }

    /// What was tracked waits no more.
    fn clear(&mut self) {
        self.items.clear();
        self.others.clear();
        self.numbers.clear();
        (self.plain, self.otherwise, self.is_located) = (0, 0, false);
    }

    /// Finds out where the connections of its segments are looked for: what of tracking needs no table.
    pub fn locate(&mut self, finder: Finder) {
        for (item, locator) in self.items.iter().zip(room(&mut self.locators, self.items.len())) {
            if let Item::Segment(segment) = item {
                finder.locate_in(segment, locator);
            }
        }
        self.is_located = true;
    }
}

/// Places for so many.
fn room(locators: &mut Vec<Locator>, len: usize) -> &mut [Locator] {
    if locators.len() < len {
        locators.resize(len, Locator::NONE);
    }
    &mut locators[..len]
}

impl Tracker {
    pub fn new(options: &Options) -> Self {
        Self {
            table: Table::new(options.limits, options.profile),
            watch: options.watch,
            watched: SegmentLog::default(),
            sieve: Sieve::default(),
            setbacks: Setbacks::default(),
        }
    }

    /// What is to be said of the whole input.
    pub fn counts(&self) -> Counts {
        Counts { table: self.table.counts(), setbacks: self.setbacks }
    }

    /// The packet time by which silence is measured.
    #[inline]
    pub fn now(&self) -> Timestamp {
        self.setbacks.now(self.table.horizon())
    }

    /// Tracks a batch and leaves it empty. Where its connections lie is looked up for all of them first: with many
    /// connections open that is a miss of the cache each, and so they are waited for together. Who was over may leave with a later batch,
    /// if not [caught up](Tracker::catch_up) with.
    pub fn take_batch(&mut self, batch: &mut Batch, outlet: &mut impl Outlet) -> io::Result<()> {
        if !batch.numbers.is_empty() {
            self.take_numbered(batch, outlet);
            return outlet.so_far();
        }
        let Batch { items, others, locators, is_located, .. } = batch;
        let (locators, finder) = (room(locators, items.len()), self.table.finder());
        for (item, locator) in items.iter().zip(&mut *locators) {
            match item {
                Item::Segment(segment) => {
                    if !*is_located {
                        finder.locate_in(segment, locator);
                    }
                    self.table.look_up_soon(locator);
                }
                Item::IcmpError(_) => *locator = Locator::NONE,
            }
        }
        for locator in &mut *locators {
            self.table.update_soon(locator);
        }
        for locator in &*locators {
            self.table.pack_soon(locator);
        }
        // From one that gave no plain segment to the next, so that nothing is asked of those between.
        let mut from = 0;
        let ends = others.iter().map(|&(before, time)| (before, Some(time)));
        for (to, time) in ends.chain([(items.len(), None)]) {
            for (item, locator) in items[from..to].iter().zip(&locators[from..to]) {
                match item {
                    Item::Segment(segment) => {
                        self.reach_segment(segment, outlet);
                        self.segment(locator, segment, outlet);
                    }
                    Item::IcmpError(_) => self.take(item, outlet)?,
                }
            }
            if let Some(time) = time {
                self.reach_or_return(time, outlet);
            }
            from = to;
        }
        batch.clear();
        outlet.so_far()
    }

    /// The same of a batch whose streams have numbers already, one item after the other.
    #[inline(never)]
    fn take_numbered(&mut self, batch: &mut Batch, outlet: &mut impl Outlet) {
        let mut others = batch.others.iter().peekable();
        for (at, (item, number)) in batch.items.iter().zip(&batch.numbers).enumerate() {
            while let Some(&(_, time)) = others.next_if(|&&(before, _)| before <= at) {
                self.reach_or_return(time, outlet);
            }
            match (item, *number) {
                (Item::Segment(segment), Some(stream)) => {
                    self.reach_segment(segment, outlet);
                    self.catch_up(outlet);
                    self.sieve(segment, outlet);
                    let horizon = self.now();
                    let entry = self.table.take_numbered(stream, segment, |left| leave(left, segment, horizon, outlet));
                    entered(&entry, segment, outlet);
                    if self.watch == Some(stream) {
                        self.watched.push(segment);
                    }
                }
                (Item::IcmpError(error), Some(stream)) => {
                    self.catch_up(outlet);
                    let horizon = self.now();
                    self.table.take_icmp_numbered(stream, error, |left| leave_quoted(left, error, horizon, outlet));
                }
                // Too little was quoted to tell of what.
                (_, None) => {}
            }
        }
        others.for_each(|&(_, time)| self.reach_or_return(time, outlet));
        batch.clear();
    }

    /// Packet time has reached `time`: what ended before leaves.
    #[inline]
    pub fn advance(&mut self, time: Timestamp, outlet: &mut impl Outlet) -> io::Result<()> {
        let is_newer = time > self.table.horizon();
        self.reach_or_return(time, outlet);
        if !is_newer {
            return Ok(());
        }
        self.catch_up(outlet);
        outlet.so_far()
    }

    /// The same, and the outlet is not asked; who ended before may leave when it is [caught up](Tracker::catch_up) with.
    #[inline]
    fn reach(&mut self, time: Timestamp, outlet: &mut impl Outlet) {
        if time >= self.table.horizon() {
            self.setbacks.catch_up();
        }
        if time > self.table.horizon() {
            self.table.expire_together(time, |left| {
                let at = left.over_at().unwrap_or(time);
                outlet.left(left, Departure::Over, at);
            });
        }
    }

    /// The same, and the clock may have been set back to it.
    #[inline]
    fn reach_or_return(&mut self, time: Timestamp, outlet: &mut impl Outlet) {
        if time < self.table.horizon() {
            self.setbacks.take(time, self.table.horizon());
        } else {
            self.reach(time, outlet);
        }
    }

    #[inline]
    fn reach_segment(&mut self, segment: &Segment, outlet: &mut impl Outlet) {
        // A lone first fragment waited for the rest of its datagram, perhaps until the input ended.
        if !segment.marks.contains(Marks::FRAGMENT_FIRST) {
            self.reach_or_return(segment.time, outlet);
        }
    }

    /// Who ended before leaves by now.
    #[inline]
    pub fn catch_up(&mut self, outlet: &mut impl Outlet) {
        let horizon = self.now();
        self.table.let_go_over(&mut |left: Left<'_>| {
            let at = left.over_at().unwrap_or(horizon);
            outlet.left(left, Departure::Over, at);
        });
    }

    /// No packet came until `time`, by a clock that goes on beside the packets': what ended before leaves, and is told as
    /// of then. What stays is still judged by packet time.
    pub fn idle(&mut self, time: Timestamp, outlet: &mut impl Outlet) -> io::Result<()> {
        self.catch_up(outlet);
        if time > self.table.horizon() {
            self.table.expire_in_silence(time, |left| outlet.left(left, Departure::Over, time));
        }
        outlet.so_far()
    }

    /// The same at the end of a capture that says it went on until `time`, as far as that is believed.
    pub fn silence(&mut self, time: Timestamp, outlet: &mut impl Outlet) -> io::Result<()> {
        self.idle(time.min(self.table.horizon().plus(SILENCE_MAX_NS)), outlet)
    }

    /// Makes room: among so many places of the table, who is out of the ordinary and silent for so long leaves.
    pub fn let_go_silent(&mut self, silence_ns: i64, places_max: usize, outlet: &mut impl Outlet) -> io::Result<()> {
        let horizon = self.now();
        self.table.let_go_silent(silence_ns, places_max, |left| outlet.left(left, Departure::Over, horizon));
        outlet.so_far()
    }

    /// Spares memory: among so many places of the table, who has been silent for so long is put away.
    pub fn settle_silent(&mut self, silence_ns: i64, places_max: usize) {
        self.table.settle_silent(silence_ns, places_max);
    }

    /// Takes what a frame held.
    pub fn take(&mut self, item: &Item, outlet: &mut impl Outlet) -> io::Result<()> {
        self.catch_up(outlet);
        match item {
            Item::Segment(segment) => {
                let locator = self.table.finder().locate(segment);
                self.segment_apart(&locator, segment, outlet);
                outlet.so_far()
            }
            Item::IcmpError(error) => {
                let horizon = self.now();
                self.table.take_icmp(error, |left| leave_quoted(left, error, horizon, outlet));
                outlet.so_far()
            }
        }
    }

    #[inline(never)]
    fn segment_apart(&mut self, locator: &Locator, segment: &Segment, outlet: &mut impl Outlet) {
        self.segment(locator, segment, outlet);
    }

    #[inline(always)]
    fn segment(&mut self, locator: &Locator, segment: &Segment, outlet: &mut impl Outlet) {
        self.sieve(segment, outlet);
        let other = match self.table.take_plainly(locator, segment) {
            Ok(()) => None,
            Err(unplain) => Some(self.segment_otherwise(unplain, locator, segment, outlet)),
        };
        if self.watch.is_some() && self.watch == other.or_else(|| self.table.stream_of(locator)) {
            self.watched.push(segment);
        }
    }

    /// What is left to do with one that is not plain. Returns its stream number.
    #[inline(never)]
    fn segment_otherwise(
        &mut self,
        unplain: Unplain,
        locator: &Locator,
        segment: &Segment,
        outlet: &mut impl Outlet,
    ) -> u64 {
        let horizon = self.now();
        let entry = self.table.take_otherwise(unplain, locator, segment, |left| leave(left, segment, horizon, outlet));
        entered(&entry, segment, outlet)
    }

    /// Sees of what kind `segment` is.
    #[inline(always)]
    fn sieve(&mut self, segment: &Segment, outlet: &mut impl Outlet) {
        if self.sieve.pass(segment) {
            self.catch_up(outlet);
            outlet.kept(self.sieve);
        }
    }

    /// Nothing more comes: tells what is known only of all that is still open, of the first `most`.
    pub fn sweep(&mut self, outlet: &mut impl Outlet, most: usize) {
        self.catch_up(outlet);
        outlet.at_end(&self.table);
        for connection in self.table.tracked().take(most) {
            self.sieve.take(&connection);
            if let Some(host) = Unheard::of(&connection) {
                outlet.unheard(host);
            }
        }
        outlet.kept(self.sieve);
    }

    /// Lets leave what is still open.
    pub fn finish(&mut self, outlet: &mut impl Outlet) -> io::Result<()> {
        self.sweep(outlet, SWEEP_MAX);
        let horizon = self.now();
        self.table.finish_together(&mut Ending { outlet, horizon });
        outlet.so_far()
    }
}

/// What is still open at the end goes to an outlet.
struct Ending<'a, O> {
    outlet: &'a mut O,
    horizon: Timestamp,
}

impl<O: Outlet> Leave for Ending<'_, O> {
    #[inline]
    fn one(&mut self, left: Left<'_>) {
        self.outlet.left(left, Departure::Over, self.horizon);
    }

    fn flood(&mut self, flood: Flood) {
        self.outlet.flood(flood, self.horizon);
    }
}

/// Tells who leaves for `segment`.
#[inline]
fn leave(left: Left<'_>, segment: &Segment, horizon: Timestamp, outlet: &mut impl Outlet) {
    match left.over_at() {
        Some(time) => outlet.left(left, Departure::Over, time),
        None => {
            let departure = departure(&left, (segment.source, segment.destination), segment.time);
            outlet.left(left, departure, horizon);
        }
    }
}

/// Tells who leaves for what `error` quotes.
fn leave_quoted(left: Left<'_>, error: &IcmpError, horizon: Timestamp, outlet: &mut impl Outlet) {
    let departure = departure(&left, (error.source, error.destination), error.time);
    outlet.left(left, departure, horizon);
}

/// Tells what came late. Returns the stream number of `segment`.
#[inline]
fn entered(entry: &Entry, segment: &Segment, outlet: &mut impl Outlet) -> u64 {
    match entry {
        Entry::Live(stream) => *stream,
        Entry::Late(past) => {
            outlet.late(past, segment);
            past.summary.stream
        }
    }
}

/// Why a connection leaves when a packet between `ends` comes at `time`.
fn departure(left: &Left<'_>, ends: (Endpoint, Endpoint), time: Timestamp) -> Departure {
    let (client, server) = (left.client(), left.server());
    if ends == (client, server) || ends == (server, client) { Departure::Replaced(time) } else { Departure::Over }
}
