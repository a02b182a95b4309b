//! Streams that another table has numbered, since it sees frames that do not come here.

use super::{Entry, Place, Table};
use crate::base::Endpoint;
use crate::segment::{IcmpError, Segment};
use crate::table::key::Key;
use crate::table::left::Left;
use crate::table::past::Trace;

impl Table {
    /// The number of the newest stream between `a` and `b`, of those in `realm`, as long as it is remembered.
    pub fn stream_between(&self, a: Endpoint, b: Endpoint, realm: u16) -> Option<u64> {
        let key = Key::new(a, b).within(realm);
        self.stream_in(self.find(&key, key.hash(self.seed))?)
    }

    /// Gives a segment to its connection as [`Table::take`] does; another table has numbered its stream, and that decides whether the
    /// segment goes on with what is here.
    pub fn take_numbered(&mut self, stream: u64, segment: &Segment, mut leave: impl FnMut(Left<'_>)) -> Entry {
        self.given = Some(stream);
        let locator = self.finder().locate(segment);
        let place = self.find(&locator.key, locator.hash);
        let slot = match place.filter(|&place| self.stream_in(place) != Some(stream)) {
            Some(Place::Slot(slot)) => Some(slot),
            Some(Place::Asked(number)) => Some(self.settle(number, locator.hash)),
            Some(Place::Resting(number)) => self.wake(number, locator.hash),
            Some(Place::Left(_)) | None => None,
        };
        match slot {
            Some(slot) => self.take_next_stream(slot, &locator, segment, &mut leave),
            None => self.take_at(&locator, segment, leave),
        }
    }

    /// Gives an ICMP error to the connection that it quotes as [`Table::take_icmp`] does, where another table has numbered that.
    pub fn take_icmp_numbered(&mut self, stream: u64, error: &IcmpError, leave: impl FnMut(Left<'_>)) {
        self.given = Some(stream);
        self.take_icmp(error, leave);
    }

    fn stream_in(&self, place: Place) -> Option<u64> {
        match place {
            Place::Slot(slot) => self.slab.get(slot as u32).map(|record| record.stream),
            Place::Asked(number) => self.asked.get(number).map(|lone| lone.stream),
            Place::Resting(number) => self.resting.get(number).map(|sleeper| sleeper.stream),
            Place::Left(number) => self.past.get(number).map(|trace| match trace {
                Trace::Past(past) => past.summary.stream,
                Trace::Numbered(stream, _) => stream,
            }),
        }
    }
}
