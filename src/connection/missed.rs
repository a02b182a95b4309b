//! What the capture missed of a close: a FIN that no frame carries, shown by what both ends sent afterwards, and the last
//! acknowledgment, shown by a FIN that was not sent again.

use std::borrow::Cow;

use super::Connection;
use super::lifecycle::Hindsight;
use super::noted::{Class, Noted};
use super::overtaken::OVERTAKEN_NS;
use super::round_trip::handshake_rtt;
use crate::base::{Side, Timestamp};
use crate::segment::{Flags, Marks};

/// A FIN that is not acknowledged is sent again after this at the latest, ns: the first timeout of RFC 1122, section 4.2.3.1,
/// longer than that of RFC 6298, section 2.1.
const REPEATED_NS_MAX: i64 = 3_000_000_000;
/// With a round trip that has been measured, a timeout is a few of them (RFC 6298, section 2.2).
const REPEATED_ROUND_TRIPS: i64 = 4;

/// The last acknowledgment of a close, which no frame carries.
pub(super) struct MissedAck<'a> {
    /// What it acknowledged.
    pub fin: &'a Noted,
    /// When that FIN's sender had it, as far as the handshake tells how long the way is.
    pub acknowledged_at: Timestamp,
}

impl Hindsight<'_> {
    /// The first segment of `side` that stands behind its FIN, captured a good while before any copy of that: it had been sent
    /// already, and lost before the tap. Nothing when it may have been an answer to the peer's.
    pub(super) fn sent_behind_fin(&self, side: Side) -> Option<usize> {
        let halves = &self.connection.halves;
        let (fin, peer) = (halves[side].fin?, &halves[!side]);
        let first = self.notes.iter().position(|note| note.side == side && note.is_fin())?;
        let stands_behind = |note: &Noted| note.side == side && note.acknowledges() && note.seq == fin + 1;
        let index = self.notes[..first].iter().position(stands_behind)?;
        let (shown, seen) = (&self.notes[index], &self.notes[first]);
        let lacks_fin = peer.fin.is_none_or(|fin| shown.ack.at_or_before(fin));
        let is_late = seen.time.since(shown.time) > OVERTAKEN_NS && !self.connection.is_missed(seen);
        (is_late && lacks_fin && !shown.class.contains(Class::WILD) && !halves[side].has_gone_round()).then_some(index)
    }

    /// The FIN of `closer`, the second one, was captured once, no frame acknowledges it, and it was not sent again although
    /// the capture went on: it was acknowledged.
    pub(super) fn missed_last_ack(&self, closer: Side) -> Option<MissedAck<'_>> {
        let (own, peer) = (&self.connection.halves[closer], &self.connection.halves[!closer]);
        let peer_fin = peer.fin.filter(|_| peer.frames > 0 && own.fins == 1 && own.gaps.is_empty())?;
        if self.connection.has_controls_alone() || own.fin_acked() || self.notes.iter().any(Noted::is_rst) {
            return None;
        }
        let fin = self.notes.iter().find(|note| note.side == closer && note.is_fin() && note.ack.after(peer_fin))?;
        let lacks = |note: &Noted| {
            note.side != closer && note.frame > fin.frame && note.acknowledges() && note.ack.at_or_before(fin.end() - 1)
        };
        let is_all_there = own.acked.is_some_and(|acked| acked.at_or_after(fin.seq));
        // Who sends octets from before it has no acknowledgment of it.
        let goes_back = |note: &Noted| {
            note.side == closer && note.frame > fin.frame && note.len > 0 && note.seq.before(fin.end() - 1)
        };
        if !is_all_there || self.notes.iter().any(lacks) || self.notes.iter().any(goes_back) {
            // What is sent again first lies before it.
            return None;
        }
        let rtt_ns = &self.arrivals.rtt_ns;
        let round_trip_ns = rtt_ns.client.unwrap_or(0) + rtt_ns.server.unwrap_or(0);
        let repeated_after = round_trip_ns.saturating_mul(REPEATED_ROUND_TRIPS);
        let is_quiet = self.horizon.since(fin.time) >= repeated_after.max(REPEATED_NS_MAX);
        is_quiet.then(|| MissedAck { fin, acknowledged_at: fin.time.plus(rtt_ns[!closer].unwrap_or(0)) })
    }
}

impl Connection {
    /// The same connection with the FINs that the capture missed, for [`super::Lifecycle::of`]: where the last that a side
    /// sent is one octet of sequence space which its peer acknowledged, which no frame carries and behind which it sent
    /// nothing more, the peer closed, and nobody reset. It might have been an octet of payload, of somebody who then never closed.
    pub fn with_missed_fins(&self) -> Cow<'_, Self> {
        let missed = Side::BOTH.map(|side| self.missed_fin(side).is_some());
        if missed == [false; 2] {
            return Cow::Borrowed(self);
        }
        let mut whole = self.clone();
        whole.supply_missed_fins();
        Cow::Owned(whole)
    }

    /// Does what [`Connection::with_missed_fins`] does, in place. Nothing can be tracked afterwards.
    pub fn supply_missed_fins(&mut self) {
        for side in Side::BOTH {
            if let Some(noted) = self.missed_fin(side) {
                let half = &mut self.halves[side];
                half.fin = Some(noted.seq);
                // It was taken for payload.
                half.missing_bytes = half.missing_bytes.saturating_sub(1);
                self.missed_fins[side] = Some(Box::new(noted));
            }
        }
    }

    /// Puts the FINs that the capture missed before what shows them.
    pub(super) fn put_missed_fins(&self, notes: &mut Vec<Noted>) {
        for side in Side::BOTH {
            if let Some(fin) = &self.missed_fins[side] {
                let shown = notes.partition_point(|note| note.frame < fin.frame);
                notes.insert(shown, **fin);
            }
        }
    }

    /// `note` is in no frame: the one that it names shows that it was sent.
    pub fn is_missed(&self, note: &Noted) -> bool {
        let missed = self.missed_fins[note.side].as_deref();
        note.is_fin() && missed.is_some_and(|fin| fin.frame == note.frame)
    }

    fn missed_fin(&self, side: Side) -> Option<Noted> {
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let peer_fin = peer.fin?;
        let seq = own.nxt - 1;
        let is_last = own.unseen == (seq, own.nxt);
        // A reset may have taken the place of the FIN.
        let has_reset = own.rsts > 0 || peer.rsts > 0;
        if own.fin.is_some() || own.frames == 0 || !is_last || own.isn == Some(seq) || has_reset {
            return None;
        }
        if self.has_controls_alone() {
            return None;
        }
        let in_order = |note: &&Noted| !note.class.contains(Class::WILD);
        let shows = |note: &Noted| match note.side == side {
            true => note.seq == own.nxt,
            false => note.acknowledges() && note.ack == own.nxt,
        };
        let all = || self.journal.all().chain(own.last.iter()).filter(in_order);
        let shown = all().filter(|note| shows(note)).min_by_key(|note| note.frame)?;
        let before =
            all().filter(|note| note.side == side && note.frame < shown.frame).max_by_key(|note| note.frame)?;
        let answered = all().find(|note| note.side != side && note.is_fin() && note.frame < shown.frame);
        let earliest = answered.map_or(before.time, |fin| fin.time.max(before.time));
        Some(Noted {
            frame: shown.frame,
            time: self.sent_before(shown, side).clamp(earliest.min(shown.time), shown.time),
            flags: Flags::FIN | Flags::ACK,
            seq,
            ack: match answered {
                Some(_) => peer_fin + 1,
                // What came with the segment that shows it, it had not seen.
                None if shown.side != side => shown.seq,
                None => before.ack,
            },
            len: 0,
            ip_id: 0,
            marks: Marks::empty(),
            class: Class::empty(),
            timestamps: None,
            sack: None,
            ..*before
        })
    }

    /// When something of `side` passed the tap that `shown` answers.
    fn sent_before(&self, shown: &Noted, side: Side) -> Timestamp {
        let mut notes: Vec<Noted> = self.journal.all().copied().collect();
        notes.sort_by_key(|note| note.frame);
        let rtt_ns = handshake_rtt(self, &notes)[!side].filter(|_| shown.side != side);
        shown.time.plus(-rtt_ns.unwrap_or(0))
    }
}
