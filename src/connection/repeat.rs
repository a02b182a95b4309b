//! Input that stands twice in the input.

use super::Connection;
use crate::base::Side;
use crate::segment::{Flags, Segment};

impl Connection {
    /// It is dated among frames already seen and one of them, to the nanosecond, or it says nothing new in a stretch that
    /// began with such a one: a part of the input stands twice in it, as in files that were put together.
    pub(super) fn stands_again(&mut self, side: Side, segment: &Segment) -> bool {
        if segment.time >= self.end {
            return false;
        }
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let is_old = !segment.seq_end().after(own.nxt)
            && (!segment.flags.contains(Flags::ACK) || peer.acked.is_some_and(|acked| segment.ack.at_or_before(acked)));
        if segment.time <= self.repeats_until && is_old {
            return true;
        }
        let newest = [own.last, own.last_data];
        let is_again = self.journal.all().chain(newest.iter().flatten()).any(|noted| {
            (noted.time, noted.side, noted.seq, noted.ack) == (segment.time, side, segment.seq, segment.ack)
                && (noted.flags, noted.len, noted.ip_id) == (segment.flags, segment.payload_len, segment.ip_id)
                && noted.timestamps == segment.options.timestamps
        });
        if is_again {
            self.repeats_until = self.end;
        }
        is_again
    }
}
