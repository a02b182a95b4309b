//! A SYN that nobody meant: the connection before it, on the same addresses and ports, goes on.

use super::half::Half;
use super::noted::Noted;
use super::predecessor::PastHalf;
use super::state::State;
use super::step::Connection;
use crate::base::{Seq, Side};
use crate::segment::{Flags, Segment};

/// What goes on stands no farther than this from where it left off, octets: few windows are larger.
const REACH: u32 = 1 << 20;

/// `number` goes on from `nxt`, or says once more what stood there.
pub(super) fn is_within_reach(number: Seq, nxt: Seq) -> bool {
    number.since(nxt).unsigned_abs() <= REACH
}

impl Connection {
    /// All that this stream has is a SYN of the client's and no answer to it, and `segment` goes on with the open connection of the
    /// stream before: its sender has that still, and never sent the SYN. It was an old duplicate or forged, and whoever heard it
    /// kept the connection (RFC 5961, section 4).
    pub(super) fn is_resumed_by(&self, side: Side, segment: &Segment) -> bool {
        let Some(past) = &self.predecessor else { return false };
        let (client, server) = (&self.halves.client, &self.halves.server);
        let is_lone_syn = client.isn.is_some_and(|isn| client.nxt == isn + 1)
            && server.isn.is_none()
            && client.rsts + server.rsts == 0
            && segment.seq != client.nxt;
        let is_plain = segment.flags & (Flags::SYN | Flags::RST | Flags::ACK) == Flags::ACK;
        if side == Side::Server || !is_lone_syn || !is_plain || past.is_over() || past.a.0 != self.client {
            return false;
        }
        past.a
            .1
            .nxt
            .zip(past.b.1.nxt)
            .is_some_and(|(own, peer)| is_within_reach(segment.seq, own) && is_within_reach(segment.ack, peer))
    }

    /// Goes on where the stream before left off; what `frame` says shows that. Its SYN says nothing of this connection.
    pub(super) fn resume(&mut self, frame: u64) {
        let Some(past) = &mut self.predecessor else { return };
        let (a, b) = (past.a.1, past.b.1);
        (past.a.1.state, past.b.1.state) = (Some(a.state_beside(&b)), Some(b.state_beside(&a)));
        self.resumed = Some(frame);
        let mut notes = Vec::new();
        self.journal.put_in_order(std::iter::empty(), &mut notes);
        for syn in notes.iter().filter(|note| note.is_syn()) {
            self.journal.refute(syn.frame);
        }
        for (side, past) in [(Side::Client, &a), (Side::Server, &b)] {
            let of_it = |note: &&Noted| note.side == side && !note.is_syn();
            self.halves[side].resume(past, notes.iter().filter(of_it));
        }
    }
}

impl Half {
    /// Begins anew where `past` ended, with what was captured in between.
    fn resume<'a>(&mut self, past: &PastHalf, between: impl Iterator<Item = &'a Noted>) {
        let nxt = past.nxt.unwrap_or_default();
        let known = Self { start: Some(nxt), nxt, ..Self::default() };
        let of_recording = (self.frames, self.duplicates, self.sampled, self.context, self.base, self.letters);
        let digests = (self.digests, self.digest_cursor);
        *self = known;
        (self.frames, self.duplicates, self.sampled, self.context, self.base, self.letters) = of_recording;
        (self.digests, self.digest_cursor) = digests;
        for note in between.filter(|note| is_within_reach(note.seq, nxt)) {
            let fresh = u32::try_from(note.end().since(self.nxt)).unwrap_or(0).min(note.len);
            self.payload_bytes += u64::from(fresh);
            self.nxt = self.nxt.later(note.end());
            self.ttl = Some(note.ttl);
        }
    }
}

impl PastHalf {
    /// The state of this end, whose peer is `peer`, of a connection that is not over.
    fn state_beside(&self, peer: &Self) -> State {
        match (self.fin, self.fin_acked, peer.fin) {
            (false, _, false) => State::Established,
            (false, _, true) => State::CloseWait,
            (true, true, _) => State::FinWait2,
            (true, false, _) => State::FinWait1,
        }
    }
}
