//! How much is kept, and who makes room.

use super::{LEFT, LOOK_AHEAD, Table};
use crate::table::left::Left;
use crate::table::record::Record;

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Live connections at once.
    pub connections_max: usize,
    /// As many SYNs that nobody has answered count as one connection.
    pub syns_for_one: usize,
    /// Beyond so many connections of which something out of the ordinary came, each some 3 kB, others of them are put away in a
    /// quarter of the room until they go on. Nothing that is told changes by it.
    pub whole_max: usize,
    /// Finished connections remembered for late segments and stream numbers.
    pub past_max: usize,
}

impl Limits {
    /// For what has no end.
    pub const ENDLESS: Self = Self::connections(1_000_000);

    /// So many connections at once, whatever each takes.
    pub const fn connections(connections_max: usize) -> Self {
        Self { connections_max, syns_for_one: 1, whole_max: 1 << 19, past_max: 1_000_000 }
    }
}

impl Default for Limits {
    /// For a capture, which is to be told as a whole: four million connections, or sixteen million SYNs alone, take some 750 MB.
    fn default() -> Self {
        Self { syns_for_one: 4, ..Self::connections(4_000_000) }
    }
}

/// Places that are looked at for a handshake that nobody has completed. In a flood most of them are.
const PROBES: usize = 8;

impl Table {
    /// There is no room for so many more SYNs alone.
    #[inline]
    fn is_full_for(&self, syns: usize) -> bool {
        let Limits { connections_max, syns_for_one, .. } = self.limits;
        let others = self.live() - self.asked.len();
        self.asked.len() + others * syns_for_one + syns > connections_max * syns_for_one
    }

    /// Forgets the oldest of what has left beyond the limit.
    pub(super) fn forget(&mut self) {
        while self.past.len() > self.limits.past_max {
            if let Some(key) = self.past.behind(LOOK_AHEAD) {
                self.index.prefetch(key.hash(self.seed));
            }
            if let Some((key, number)) = self.past.forget() {
                self.index.remove(key.hash(self.seed), number | LEFT);
                self.counts.forgotten += 1;
            }
        }
    }

    /// Lets others leave until there is room for so many more SYNs alone. It is called for each that takes room, and then as many leave as
    /// one connection takes the room of, at most.
    #[inline]
    pub(super) fn make_room_for(&mut self, syns: usize, leave: &mut impl FnMut(Left<'_>)) {
        for _ in 0..=self.limits.syns_for_one {
            if !self.is_full_for(syns) {
                return;
            }
            if self.over.is_empty() {
                self.evict(leave);
            } else {
                self.let_go_over(leave);
            }
        }
    }

    /// Makes room: a handshake that nobody has completed if one is soon found, so that a flood of them drives out its own kind and
    /// nobody who talks; else who is over and has rested longest; else the first connection that had no segment since the hand last passed it. Of SYNs alone the one that
    /// has waited longest goes.
    #[inline(never)]
    fn evict(&mut self, leave: &mut impl FnMut(Left<'_>)) {
        if self.asked.len() * PROBES >= self.live()
            && let Some((number, ..)) = self.asked.first()
        {
            self.counts.evicted += 1;
            self.give_up(number, |left| leave(Left { evicted: true, ..left }));
            return;
        }
        if let Some((number, ..)) = self.resting.first() {
            self.counts.evicted += 1;
            self.end_rest(number, |left| leave(Left { evicted: true, ..left }));
            return;
        }
        // Those that came together lie together, so the places are spread over all of them by the golden ratio.
        let places = self.slab.len().max(1);
        let spread = (places * 618 / 1_000).max(1);
        for slot in (0..PROBES).map(|probe| (self.hand + probe * spread) % places) {
            if self.slab.get(slot as u32).is_some_and(Record::is_half_open) {
                self.hand += 1;
                self.drive_out(slot, leave);
                return;
            }
        }
        for _ in 0..2 * self.slab.len() {
            let slot = self.hand % self.slab.len();
            self.hand = slot + 1;
            let record = &mut self.slab[slot];
            if record.is_vacant() {
                continue;
            }
            if record.touched {
                record.touched = false;
                continue;
            }
            self.drive_out(slot, leave);
            return;
        }
    }

    pub(super) fn drive_out(&mut self, slot: usize, leave: &mut impl FnMut(Left<'_>)) {
        self.counts.evicted += 1;
        self.await_no_more_behind(slot, leave);
        self.remove(slot, &mut |left| leave(Left { evicted: true, ..left }));
    }
}
