//! Who is let go while frames are lost faster than connections end.

use super::Table;
use crate::table::Left;

/// Connections that are put away for one that comes to be kept in full, at most.
const SETTLED_AT_ONCE: usize = 2;

/// Places of the table that are looked at for them.
const SETTLED_PLACES: usize = 16;

impl Table {
    /// Looks at the next places of the table, `places_max` of them, and lets go who is out of the ordinary and has been silent for
    /// `silence_ns`. Where frames are lost these are mostly connections of which the end was lost; each takes ten times the memory
    /// of one that is in order, and they would stay for hours.
    pub fn let_go_silent(&mut self, silence_ns: i64, places_max: usize, mut leave: impl FnMut(Left<'_>)) {
        let before = self.clock.now(self.seen).plus(-silence_ns);
        for _ in 0..places_max.min(self.slab.len()) {
            self.sweep = if self.sweep < self.slab.len() { self.sweep } else { 0 };
            let record = &self.slab[self.sweep];
            if record.is_odd() && record.newest(&self.clock) < before {
                self.drive_out(self.sweep, &mut leave);
            }
            self.sweep += 1;
        }
    }
}

impl Table {
    /// Looks at the next places of the table, `places_max` of them, and puts away whose connection takes the most memory and has
    /// been silent for `silence_ns`. Nothing that is told changes by it.
    pub fn settle_silent(&mut self, silence_ns: i64, places_max: usize) {
        let before = self.clock.now(self.seen).plus(-silence_ns);
        for _ in 0..places_max.min(self.slab.len()) {
            self.settled = if self.settled < self.slab.len() { self.settled } else { 0 };
            let record = &mut self.slab[self.settled];
            if record.newest(&self.clock) < before {
                record.settle(&self.profile, &mut self.aside);
            }
            self.settled += 1;
        }
    }

    /// Puts away one or two that are kept in full, if such are soon found, and not the one in `slot`: where this is done for each that
    /// comes to be kept so, they do not become more. Nothing that is told changes by it.
    #[cold]
    pub(super) fn settle_others(&mut self, slot: usize) {
        let aim = self.aside.whole.saturating_sub(SETTLED_AT_ONCE);
        for _ in 0..SETTLED_PLACES.min(self.slab.len()) {
            self.settled = if self.settled < self.slab.len() { self.settled } else { 0 };
            if self.settled != slot {
                self.slab[self.settled].settle(&self.profile, &mut self.aside);
            }
            self.settled += 1;
            if self.aside.whole <= aim {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::super::tests::segment;
    use super::*;
    use crate::base::Seq;
    use crate::connection::Profile;
    use crate::segment::{Flags, Segment};

    #[test]
    fn of_the_silent_only_those_out_of_the_ordinary_are_let_go() {
        const SECOND: u64 = 1_000_000;
        let mut table = Table::new(Limits::default(), Profile::LINUX);
        let take = |table: &mut Table, segment: Segment| {
            table.expire(segment.time, |_| panic!("nobody is over"));
            table.take(&segment, |_| panic!("nobody is over"));
        };
        let beyond_a_gap = |n: u64, host: u32| {
            let next = segment(n, host, Flags::ACK);
            Segment { seq: next.seq + 5_000, ack: Seq(8), payload_len: 100, ..next }
        };
        for host in 0..4 {
            let (syn, ack) = (segment(0, host, Flags::SYN), segment(2, host, Flags::ACK));
            let answer = segment(1, host, Flags::SYN | Flags::ACK);
            take(&mut table, syn);
            let (source, destination) = (answer.destination, answer.source);
            take(&mut table, Segment { source, destination, ack: Seq(8), ..answer });
            take(&mut table, Segment { ack: Seq(8), ..ack });
        }
        assert_eq!(table.tracked().count(), 0);
        // Something of two of them was lost, and one of these goes on.
        take(&mut table, beyond_a_gap(SECOND, 2));
        take(&mut table, beyond_a_gap(SECOND, 3));
        take(&mut table, beyond_a_gap(30 * SECOND, 3));
        let is_away = |table: &Table| table.slab.iter().filter(|record| record.is_away()).count();
        table.settle_silent(20_000_000_000, 8);
        assert_eq!((table.tracked().count(), is_away(&table)), (2, 1));
        let mut gone = Vec::new();
        for _ in 0..3 {
            table.let_go_silent(20_000_000_000, 3, |left| gone.push((left.client().ip.to_string(), left.evicted)));
        }
        assert_eq!((gone, table.live()), (vec![("10.0.0.2".to_owned(), true)], 3));
        assert_eq!(table.counts().evicted, 1);
    }
}
