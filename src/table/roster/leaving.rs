//! Who leaves because time passes, or because the input has ended.

use super::{LOOK_AHEAD, NOWHERE, Place, RESTING, Table};
use crate::base::Timestamp;
use crate::base::prefetch::prefetch;
use crate::connection::Profile;
use crate::table::asked::{Each, Leave};
use crate::table::clock::Clock;
use crate::table::deadlines::{Agenda, Bucket};
use crate::table::left::Left;
use crate::table::slab::Slab;

/// A longer pause between two packets of the whole capture is a pause of the capture, or a jump of its clock, and ends
/// no connection by itself.
const PAUSE_MAX_NS: i64 = 60_000_000_000;

/// Stream numbers for each connection that is still there, at most, for putting them in order by number.
const SPARSE_MAX: usize = 4;

/// Deadlines that no longer hold are swept out when there are so many more than connections.
const STALE_MAX: usize = 1 << 16;

/// So many packet times may show that somebody is over before whoever is has to leave.
pub(super) const OVER_MAX: usize = 256;

/// The records, as the queue of those that may leave sees them.
struct Records<'a> {
    slab: &'a mut Slab,
    profile: &'a Profile,
    clock: &'a Clock,
}

impl Agenda for Records<'_> {
    #[inline]
    fn scheduled(&self, slot: u32, stream: u64) -> Option<Bucket> {
        let record = self.slab.get(slot)?;
        (!record.is_vacant() && record.stream == stream).then_some(record.scheduled)
    }

    #[inline]
    fn due(&mut self, slot: u32) -> Option<Timestamp> {
        let record = self.slab.get_mut(slot)?;
        let due = record.due(self.profile, self.clock);
        record.scheduled = due.map_or(Bucket::NEVER, Bucket::of);
        due
    }

    #[inline]
    fn soon(&self, slot: u32) {
        if let Some(record) = self.slab.get(slot) {
            record.prefetch_head();
        }
    }
}

impl Table {
    /// Packet time has reached `time`: lets every connection leave whose end lies before it, in the order of ending.
    #[inline]
    pub fn expire(&mut self, time: Timestamp, leave: impl FnMut(Left<'_>)) {
        if time >= self.seen && time <= self.calm {
            self.seen = time;
        } else {
            self.expire_after_calm(time, leave);
        }
    }

    /// The same, but who is over and has no record may leave later, when [asked](Table::let_go_over) to: together with others, as of
    /// the time at which it was over. One by one between segments of others they take a tenth more of the whole time.
    #[inline]
    pub fn expire_together(&mut self, time: Timestamp, leave: impl FnMut(Left<'_>)) {
        if time >= self.seen && time <= self.calm {
            self.seen = time;
        } else if time > self.seen && time <= self.over_until && self.over.len() < OVER_MAX {
            self.seen = time;
            self.over.push(time);
        } else {
            self.wait_or_expire(time, leave);
        }
    }

    #[inline(never)]
    fn wait_or_expire(&mut self, time: Timestamp, mut leave: impl FnMut(Left<'_>)) {
        if self.over.is_empty() && self.earliest < self.clock.now(time) && self.seen != Timestamp(i64::MIN) {
            let others = self.deadlines.earliest().plus(self.clock.lag().behind_ns);
            self.over_until = self.seen.plus(PAUSE_MAX_NS).min(others);
            if time > self.seen && time <= self.over_until {
                self.seen = time;
                self.over.push(time);
                return;
            }
        }
        self.let_go_over(&mut leave);
        self.expire_after_calm(time, leave);
    }

    /// Lets leave who was over before.
    #[inline]
    pub fn let_go_over(&mut self, leave: &mut impl FnMut(Left<'_>)) {
        if !self.over.is_empty() {
            self.let_them_go(leave);
        }
    }

    #[inline(never)]
    fn let_them_go(&mut self, leave: &mut impl FnMut(Left<'_>)) {
        let times = std::mem::take(&mut self.over);
        let mut later = times.as_slice();
        while let [time, rest @ ..] = later {
            let now = self.clock.now(*time);
            match self.first_without_record() {
                Some((due, _, place)) if due < now => {
                    let mut leave = |left: Left<'_>| leave(Left { over_at: Some(*time), ..left });
                    match place {
                        Place::Asked(number) => self.give_up(number, &mut leave),
                        Place::Resting(number) => self.end_rest(number, &mut leave),
                        Place::Slot(_) | Place::Left(_) => {}
                    }
                }
                _ => later = rest,
            }
        }
        self.over = times;
        self.over.clear();
        self.over_until = Timestamp(i64::MIN);
        (self.earliest, self.calm) = (self.earliest_due(), Timestamp(i64::MIN));
    }

    /// Who is in this place may have to leave before anything comes of it.
    #[inline]
    pub(super) fn may_be_over(&self, place: Place) -> bool {
        match place {
            Place::Slot(_) => false,
            // They leave in the order in which they came.
            Place::Asked(_) => {
                let now = self.clock.now(self.seen);
                self.asked.first().is_some_and(|(.., came)| came.plus(self.profile.syn_give_up_ns) < now)
            }
            Place::Left(_) | Place::Resting(_) => true,
        }
    }

    /// The same where somebody may leave, or time jumps in either direction.
    #[inline(never)]
    fn expire_after_calm(&mut self, time: Timestamp, leave: impl FnMut(Left<'_>)) {
        let pause = time.since(self.seen).clamp(0, PAUSE_MAX_NS);
        let skipped = if self.seen == Timestamp(i64::MIN) { 0 } else { time.since(self.seen).max(0) - pause };
        self.seen = self.seen.max(time);
        self.clock.pause(skipped);
        let now = self.clock.now(time);
        if self.earliest < now {
            self.expire_before(now, leave);
        }
        self.calm = self.seen.plus(PAUSE_MAX_NS).min(self.earliest.plus(self.clock.lag().behind_ns));
    }

    /// Somebody may leave at this time of the table's clock.
    #[inline]
    pub(super) fn hasten(&mut self, at: Timestamp) {
        if at < self.earliest {
            (self.earliest, self.calm) = (at, Timestamp(i64::MIN));
        }
    }

    /// Nothing has come until `time`: who would leave if a packet came then leaves now. The next packet finds the table as if
    /// nobody had asked.
    pub fn expire_in_silence(&mut self, time: Timestamp, leave: impl FnMut(Left<'_>)) {
        if self.seen != Timestamp(i64::MIN) {
            let pause = time.since(self.seen).clamp(0, PAUSE_MAX_NS);
            self.expire_before(self.clock.now(self.seen.plus(pause)), leave);
        }
    }

    fn expire_before(&mut self, now: Timestamp, mut leave: impl FnMut(Left<'_>)) {
        loop {
            let first = self.first_without_record().filter(|&(due, ..)| due < now);
            let end = first.map_or((now, 0), |(due, stream, _)| (due, stream));
            if self.deadlines.earliest() <= end.0 {
                self.expire_records(end, &mut leave);
            }
            match first {
                Some((.., Place::Asked(number))) => self.give_up(number, &mut leave),
                Some((.., Place::Resting(number))) => self.end_rest(number, &mut leave),
                _ => break,
            }
        }
        (self.earliest, self.calm) = (self.earliest_due(), Timestamp(i64::MIN));
    }

    /// Nobody leaves before this time of the table's clock.
    pub(super) fn earliest_due(&self) -> Timestamp {
        let first = self.first_without_record().map(|(due, ..)| due);
        first.into_iter().fold(self.deadlines.earliest(), Timestamp::min)
    }

    /// Of those that have no record, the one that leaves first: when, its stream and its place.
    // A call would hand it over in memory, to be waited for.
    #[inline(always)]
    fn first_without_record(&self) -> Option<(Timestamp, u64, Place)> {
        let &Profile { syn_give_up_ns, time_wait_ns, .. } = &self.profile;
        let asked = self.asked.first();
        let asked = asked.map(|(number, stream, came)| (came.plus(syn_give_up_ns), stream, Place::Asked(number)));
        let resting = self.resting.first();
        let resting = resting.map(|(number, stream, end)| (end.plus(time_wait_ns), stream, Place::Resting(number)));
        match (asked, resting) {
            (Some(a), Some(b)) => Some(if (a.0, a.1) < (b.0, b.1) { a } else { b }),
            (asked, resting) => asked.or(resting),
        }
    }

    /// Lets those with a record leave whose end comes before time and stream number `end`.
    fn expire_records(&mut self, end: (Timestamp, u64), leave: &mut impl FnMut(Left<'_>)) {
        while let Some((due, stream, slot)) = {
            let (slab, profile, clock) = (&mut self.slab, &self.profile, &self.clock);
            self.deadlines.pop_before(end, &mut Records { slab, profile, clock })
        } {
            if let Some(record) = self.deadlines.behind(LOOK_AHEAD).and_then(|slot| self.slab.get(slot)) {
                prefetch(record);
            }
            let record = &mut self.slab[slot as usize];
            if record.is_vacant() || record.stream != stream || record.scheduled != Bucket::of(due) {
                continue;
            }
            record.scheduled = Bucket::NEVER;
            match record.due(&self.profile, &self.clock) {
                Some(at) if at == due => {
                    self.remove(slot as usize, leave);
                }
                // Segments came since: it stands in line again.
                Some(at) => self.schedule(slot as usize, at),
                None => {}
            }
        }
    }

    /// Lets everything leave, by stream number.
    pub fn finish(&mut self, leave: impl FnMut(Left<'_>)) {
        self.finish_together(&mut Each(leave));
    }

    /// The same, and SYNs alone leave together where no other connection stands between them.
    pub fn finish_together(&mut self, leave: &mut impl Leave) {
        self.end_awaiting(|left| leave.one(left));
        // Nobody is looked for any more. What is told needs room in turn.
        self.index.clear();
        self.past.clear();
        self.deadlines.clear();
        let order = self.by_stream();
        let mut others = order.as_slice();
        let (rows, mut flood) = std::mem::take(&mut self.asked).into_rows();
        for row in rows {
            let is_among_others = others.first().is_some_and(|&place| self.stream_at(place) < row.stream_max());
            if is_among_others || flood.is_full() {
                flood.take().into_iter().for_each(|flood| leave.flood(flood));
            }
            if !is_among_others {
                flood.push(row);
                continue;
            }
            for lone in flood.lones(&row) {
                others = self.leave_until(lone.stream, others, leave);
                leave.one(lone.leave());
            }
        }
        flood.take().into_iter().for_each(|flood| leave.flood(flood));
        self.leave_until(u64::MAX, others, leave);
        self.resting.clear();
        self.slab.clear();
        self.aside.clear();
        self.free.clear();
        self.earliest = Timestamp(i64::MAX);
    }

    /// Lets those of `order` leave that have a smaller stream number, and gives the others.
    fn leave_until<'a>(&mut self, stream: u64, mut order: &'a [u32], leave: &mut impl Leave) -> &'a [u32] {
        while let Some((&place, later)) = order.split_first() {
            if stream < u64::MAX && self.stream_at(place) >= stream {
                break;
            }
            order = later;
            if let Some(&place) = later.get(2 * LOOK_AHEAD) {
                self.leaves_soon(Place::of(place));
            }
            if let Some(Place::Resting(number)) = later.get(LOOK_AHEAD).map(|&place| Place::of(place)) {
                self.resting.prefetch_octets(number);
            }
            // Nothing is handed over that would be copied.
            if let Place::Resting(number) = Place::of(place) {
                let Some(sleeper) = self.resting.get(number) else { continue };
                leave.one(sleeper.leave());
                self.resting.let_go(number);
            } else {
                self.slab[place as usize].leave(&mut self.aside, |left| leave.one(left));
            }
        }
        order
    }

    /// Begins to bring what leaves soon into the cache.
    #[inline]
    fn leaves_soon(&self, place: Place) {
        match place {
            Place::Slot(slot) => self.slab.get(slot as u32).into_iter().for_each(prefetch),
            Place::Resting(number) => self.resting.prefetch(number),
            Place::Asked(_) | Place::Left(_) => {}
        }
    }

    /// The stream number of the one in a place that is no SYN alone.
    #[inline]
    fn stream_at(&self, place: u32) -> u64 {
        match Place::of(place) {
            Place::Resting(number) => self.resting.get(number).map_or(0, |sleeper| sleeper.stream),
            _ => self.slab.get(place).map_or(0, |record| record.stream),
        }
    }

    /// The places of all but SYNs alone, in the order of their streams.
    fn by_stream(&self) -> Vec<u32> {
        let places = || {
            let records = (0u32..).zip(self.slab.iter()).filter(|(_, record)| !record.is_vacant());
            let resting = self.resting.streams().map(|(stream, number)| (stream, number | RESTING));
            records.map(|(slot, record)| (record.stream, slot)).chain(resting)
        };
        let bounds = |(first, last): (u64, u64), stream: u64| (first.min(stream), last.max(stream));
        let (first, last) = places().map(|(stream, _)| stream).fold((u64::MAX, 0), bounds);
        let live = self.slab.len() - self.free.len() + self.resting.len();
        match usize::try_from(last.wrapping_sub(first)) {
            // Numbers are given one after the other, so that each mostly has a place of its own.
            Ok(span) if first <= last && span / SPARSE_MAX <= live => {
                let mut in_order = vec![NOWHERE; span + 1];
                for (stream, place) in places() {
                    in_order[(stream - first) as usize] = place;
                }
                in_order.retain(|&place| place != NOWHERE);
                in_order
            }
            _ => {
                let mut order: Vec<(u64, u32)> = places().collect();
                order.sort_unstable();
                order.into_iter().map(|(_, place)| place).collect()
            }
        }
    }

    /// Puts it into the queue if it may leave earlier than it stands there for.
    #[inline]
    pub(super) fn schedule_due(&mut self, slot: usize) {
        let record = &self.slab[slot];
        if let Some(at) = record.due(&self.profile, &self.clock)
            && self.deadlines.is_sooner(at, record.scheduled)
        {
            self.schedule(slot, at);
        }
    }

    /// Puts one to which a segment came just now into the queue, for the soonest that anything could end it: so it stands there once, and
    /// who answers, closes and goes to rest within that time is never looked up.
    #[inline]
    pub(super) fn schedule_soon(&mut self, slot: usize, at: Timestamp) {
        self.schedule(slot, at.min(self.slab[slot].newest(&self.clock).plus(self.timer_min_ns)));
    }

    /// Puts it into the queue for `at`.
    pub(super) fn schedule(&mut self, slot: usize, at: Timestamp) {
        if self.deadlines.len() > 2 * self.slab.len() + STALE_MAX {
            self.sweep_deadlines();
        }
        let record = &mut self.slab[slot];
        record.scheduled = Bucket::of(at);
        self.deadlines.push((at, record.stream, slot as u32));
        let begin = record.scheduled.begin();
        self.over_until = self.over_until.min(begin.plus(self.clock.lag().behind_ns));
        self.hasten(begin);
    }

    #[cold]
    #[inline(never)]
    fn sweep_deadlines(&mut self) {
        let slab = &mut self.slab;
        self.deadlines.sweep(&Records { slab, profile: &self.profile, clock: &self.clock });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Profile;
    use crate::segment::Flags;
    use crate::table::Limits;
    use crate::table::roster::tests::segment;

    /// The streams of those that are left at the end, of so many of which only every `kept`th does not end by a reset.
    fn left(connections: u64, kept: u64) -> Vec<u64> {
        let mut table = Table::new(Limits::default(), Profile::LINUX);
        let mut frame = 0;
        for host in 0..connections {
            for flags in [Flags::SYN, if host % kept == 0 { Flags::ACK } else { Flags::RST }] {
                frame += 1;
                table.take(&segment(frame, host as u32, flags), |_| {});
            }
        }
        for seconds in [40, 80] {
            table.expire(Timestamp(seconds * 1_000_000_000), |_| {});
        }
        // Some come in the places of those that have left.
        for host in connections..connections + 3 {
            for (at, flags) in [Flags::SYN, Flags::ACK].into_iter().enumerate() {
                table.take(&segment(80_000_000 + 2 * host + at as u64, host as u32, flags), |_| {});
            }
        }
        let mut streams = Vec::new();
        table.finish(|left| streams.push(left.stream));
        streams
    }

    #[test]
    fn at_the_end_all_leave_in_the_order_of_their_streams() {
        for (connections, kept) in [(500, 2), (5_000, 500)] {
            let expected: Vec<u64> =
                (0..connections).filter(|host| host % kept == 0).chain(connections..connections + 3).collect();
            assert_eq!(left(connections, kept), expected);
        }
    }
}
