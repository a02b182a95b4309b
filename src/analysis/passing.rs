//! What passes a filter, in the streams of the whole input.

use super::tracker::Batch;
use super::{Filter, Options};
use crate::base::Timestamp;
use crate::decode::{Decoder, Item, Items};
use crate::report::counted;
use crate::segment::Marks;
use crate::source::Frame;
use crate::table::Table;

/// A filter, and a second table for the stream numbers of all frames, whether they pass or not: users find a stream under
/// its number in the whole input, here and in Wireshark. Nobody is told what leaves that table. It keeps no more than
/// the other one may.
pub(super) struct Passing<'f> {
    filter: &'f mut (dyn Filter + 'f),
    decoder: Decoder,
    items: Items,
    table: Table,
}

impl<'f> Passing<'f> {
    /// `decoder` is for what passes. This one has its own, since of a datagram some fragments may not pass.
    pub fn new(filter: &'f mut (dyn Filter + 'f), options: &Options, decoder: &Decoder) -> Self {
        let table = Table::new(options.limits, options.profile);
        Self { filter, decoder: decoder.beside(), items: Items::default(), table }
    }

    /// Whether `frame` passes. What it holds is numbered in either case.
    pub fn passes(&mut self, frame: &Frame<'_>) -> bool {
        let Self { filter, decoder, items, table } = self;
        items.clear();
        decoder.decode_into(frame, items);
        reach(table, frame.time);
        items.iter().for_each(|item| take(table, item));
        filter.passes(frame)
    }

    /// The input has ended: numbers what fragments said whose rest never came.
    pub fn end(&mut self) {
        let table = &mut self.table;
        self.decoder.finish(|item| take(table, item));
    }

    /// Numbers what was added to `batch` since the last time.
    pub fn number(&mut self, batch: &mut Batch) {
        let Batch { items, numbers, .. } = batch;
        numbers.extend(items[numbers.len()..].iter().map(|item| {
            self.stream(item).or_else(|| {
                // It was forgotten, for want of room.
                take(&mut self.table, item);
                self.stream(item)
            })
        }));
    }

    /// What reaching a limit cost, if it did.
    pub fn notice(&self) -> Option<String> {
        let forgotten = self.table.counts().forgotten;
        let words = "of the whole input forgotten: a segment that came for one after that may have a new stream number";
        (forgotten > 0).then(|| format!("{} {words}", counted(forgotten, "finished connection")))
    }

    fn stream(&self, item: &Item) -> Option<u64> {
        let (source, destination, realm) = match item {
            Item::Segment(segment) => (segment.source, segment.destination, segment.realm),
            Item::IcmpError(error) => (error.source, error.destination, error.realm),
        };
        self.table.stream_between(source, destination, realm)
    }
}

fn reach(table: &mut Table, time: Timestamp) {
    if time > table.horizon() {
        table.expire(time, |_| ());
    }
}

fn take(table: &mut Table, item: &Item) {
    match item {
        Item::Segment(segment) => {
            if !segment.marks.contains(Marks::FRAGMENT_FIRST) {
                reach(table, segment.time);
            }
            table.take(segment, |_| ());
        }
        Item::IcmpError(error) => table.take_icmp(error, |_| ()),
    }
}
