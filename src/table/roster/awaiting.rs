//! Who was replaced by the answer to its own SYN waits until it shows what its resets did.

use super::Table;
use crate::connection::Connection;
use crate::segment::Segment;
use crate::table::key::Key;
use crate::table::left::{Left, Remains};

/// So many wait at once: each for the next word of two ends.
const AWAITING_MAX: usize = 256;

/// A connection whose four numbers the next one has already.
#[derive(Debug)]
pub(super) struct Awaiting {
    key: Key,
    connection: Box<Connection>,
}

impl Awaiting {
    fn leave(self) -> Left<'static> {
        let connection = self.connection;
        let (stream, client, server) = (connection.stream, connection.client, connection.server);
        Left { stream, client, server, evicted: false, over_at: None, body: Remains::Whole(connection) }
    }
}

impl Table {
    /// Takes the connection in `slot` out, which has got a successor. It goes to `leave`, at once or when what its ends say next is
    /// known. Returns its summary's number in the ring.
    pub(super) fn replace(&mut self, slot: usize, key: &Key, leave: &mut impl FnMut(Left<'_>)) -> Option<u32> {
        let connection = self.slab[slot].expand(&mut self.aside)?;
        if !connection.awaits_answer() || self.awaiting.len() >= AWAITING_MAX {
            return self.remove(slot, leave);
        }
        self.await_no_more(key, leave);
        let mut whole = None;
        let left = self.remove(slot, &mut |left| whole = left.unpack(None));
        self.awaiting.extend(whole.map(|connection| Awaiting { key: *key, connection }));
        left
    }

    /// Lets who waits behind the connection of `key` hear `segment` of that, and leave if that was all.
    pub(super) fn hear(&mut self, key: &Key, segment: &Segment, leave: &mut impl FnMut(Left<'_>)) {
        let waiting = self.awaiting.iter_mut().find(|waiting| waiting.key == *key);
        if waiting.is_some_and(|waiting| waiting.connection.hear_next(segment)) {
            self.await_no_more(key, leave);
        }
    }

    /// Nothing more comes of the connection in `slot`: who waits behind it leaves.
    pub(super) fn await_no_more_behind(&mut self, slot: usize, leave: &mut impl FnMut(Left<'_>)) {
        if !self.awaiting.is_empty() {
            let key = self.slab[slot].key.key(&self.aside.ends);
            self.await_no_more(&key, leave);
        }
    }

    fn await_no_more(&mut self, key: &Key, leave: &mut impl FnMut(Left<'_>)) {
        if let Some(at) = self.awaiting.iter().position(|waiting| waiting.key == *key) {
            leave(self.awaiting.remove(at).leave());
        }
    }

    /// The input has ended: all leave who wait.
    pub(super) fn end_awaiting(&mut self, leave: impl FnMut(Left<'_>)) {
        std::mem::take(&mut self.awaiting).into_iter().map(Awaiting::leave).for_each(leave);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Seq;
    use crate::connection::Profile;
    use crate::segment::Flags;
    use crate::table::Limits;
    use crate::table::roster::tests::segment;

    /// The streams that leave, and whether for want of room, when `next` follows a SYN, its refusal and the answer to it.
    fn left_by(next: &Segment) -> Vec<(u64, bool)> {
        let answer = |n: u64, flags: Flags, seq: u32| {
            let asked = segment(n, 1, flags);
            Segment { source: asked.destination, destination: asked.source, seq: Seq(seq), ack: Seq(8), ..asked }
        };
        let refusal = answer(2, Flags::RST | Flags::ACK, 0);
        let accepted = answer(3, Flags::SYN | Flags::ACK, 90);
        let mut table = Table::new(Limits::connections(1), Profile::LINUX);
        for segment in [segment(1, 1, Flags::SYN), refusal, accepted] {
            table.take(&segment, |_| panic!("the client's word is awaited"));
        }
        let mut left = Vec::new();
        table.take(next, |one| left.push((one.stream, one.evicted)));
        left
    }

    #[test]
    fn who_waits_leaves_when_all_is_said_or_before_its_successor() {
        let word = |flags: Flags| Segment { ack: Seq(91), ..segment(4, 1, flags) };
        assert_eq!(left_by(&word(Flags::ACK)), [(0, false)]);
        assert_eq!(left_by(&word(Flags::RST)), [(0, false)]);
        // Another connection takes the place of its successor.
        assert_eq!(left_by(&segment(4, 2, Flags::SYN)), [(0, false), (1, true)]);
    }
}
