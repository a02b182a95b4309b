//! Resets that something on the way made, in the name of a host that lives on.

use super::delivery::exchanges;
use super::half::Half;
use super::lifecycle::Hindsight;
use super::noted::{Class, Noted};
use super::profile::Profile;
use super::reset::ResetSeen;
use super::step::Connection;
use crate::base::Side;
use crate::segment::Flags;

/// A path that took less does not tell an answer of the host from one on the way, ns: an exchange may have waited for addresses to be
/// resolved, and for processes to wake up.
const PATH_MIN_NS: i64 = 10_000_000;
/// So many exchanges tell how long the path takes; one may have met a queue.
const EXCHANGES_MIN: usize = 2;
/// So long after its supposed sender was heard, what the reset answers is no acknowledgment of that, which may wait for 200 ms
/// (RFC 9293, section 3.8.6.3: no more than 500), ns.
pub(super) const SILENCE_MIN_NS: i64 = 1_000_000_000;

/// An IPv4 id this far above the sender's last one still counts as its counter going on.
const ID_STEP_MAX: u16 = 2_048;
/// What belongs together of several forged resets, ns.
pub const BURST_NS: i64 = 100_000_000;

/// What hosts and routers begin to count hops from.
const INITIAL_TTLS: [u8; 3] = [64, 128, u8::MAX];
/// Hardly a path has more hops.
const HOPS_MAX: u8 = 32;

/// What shows that a reset came from nearer than the host whose address it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// It answers at once what the host itself could not have heard of yet.
    TooSoon {
        /// How long after that was seen, ns.
        answered_ns: i64,
        /// From the tap to its supposed sender and back, ns.
        path_ns: i64,
    },
    /// Its TTL is not that of its supposed sender.
    OtherTtl {
        /// The TTL of all else of its supposed sender.
        usual: u8,
    },
    /// Its TTL and something more in its header are not those of its supposed sender.
    OtherHeader,
}

/// What of a reset's header does not fit the other segments of its supposed sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unlike {
    /// The TTL of all others, which is not its own.
    pub ttl: Option<u8>,
    /// The IPv4 id of the one before, from which no counter comes to its own.
    pub ip_id: Option<u16>,
    /// It has no timestamps, and the connection uses them.
    pub lacks_timestamps: bool,
}

impl Unlike {
    /// `own` is what its supposed sender had sent before, and `stack` that of it. Windows and some appliances drop the timestamps from
    /// their own resets, with a window of 0; a live socket of Linux never does (`tcp_send_active_reset`).
    pub fn of(reset: &Noted, own: &Half, stack: &Profile) -> Self {
        let Some(last) = own.last else { return Self::default() };
        let is_linux = stack.is_known() && stack.name == Profile::LINUX.name;
        let step = reset.ip_id.wrapping_sub(last.ip_id);
        Self {
            ttl: own.ttl.filter(|&ttl| ttl != reset.ttl && last.ttl == ttl),
            ip_id: Some(last.ip_id).filter(|&id| reset.ip_id != 0 && id != 0 && step > ID_STEP_MAX),
            lacks_timestamps: own.timestamps
                && last.timestamps.is_some()
                && reset.timestamps.is_none()
                && (reset.window != 0 || is_linux),
        }
    }
}

/// The frame of another reset of the same moment in the name of `reset`'s sender, with a number that this never reached: forgers
/// send several, to meet one that the receiver takes. A host stands at its own next number, and answers with what was acknowledged.
/// `own` is what its supposed sender had sent before.
pub fn beyond_all(connection: &Connection, notes: &[Noted], reset: &Noted, own: &Half) -> Option<u64> {
    let half = &connection.halves[reset.side];
    let is_beyond = |note: &&Noted| {
        let at_once = note.time.since(reset.time).abs() < BURST_NS;
        let is_other = note.side == reset.side && note.is_rst() && note.frame != reset.frame;
        is_other && at_once && note.seq.after(half.nxt)
    };
    let is_whole = own.is_known() && half.missing_bytes == 0 && !connection.shows_controls_alone();
    notes.iter().find(is_beyond).filter(|_| is_whole).map(|note| note.frame)
}

/// The IPv4 ids of `side` in `notes` go on from one to the next, as far as two of them show: some stacks draw them at random.
pub fn counts_ids(notes: &[Noted], side: Side) -> bool {
    let mut ids = notes.iter().filter(|note| note.side == side && note.ip_id != 0).map(|note| note.ip_id);
    let Some(mut last) = ids.next() else { return false };
    let mut steps = ids.map(|id| id.wrapping_sub(std::mem::replace(&mut last, id))).peekable();
    steps.peek().is_none() || steps.any(|step| (1..=ID_STEP_MAX).contains(&step))
}

/// It has the form of an abort, and nothing is left that could abort: both ends had closed, and its sender knew. What answers a
/// segment with ACK has none itself (RFC 9293, section 3.10.7.1).
pub fn aborts_closed(seen: &ResetSeen) -> bool {
    let (own, peer) = (&seen.before[seen.noted.side], &seen.before[!seen.noted.side]);
    let has_ack = |last: Noted| last.flags.contains(Flags::ACK);
    let knows = peer.fin.is_some_and(|fin| peer.acked.is_some_and(|acked| acked.after(fin)));
    seen.noted.flags.contains(Flags::ACK) && own.fin_acked() && knows && peer.last.is_some_and(has_ack)
}

impl Hindsight<'_> {
    /// The reset in note `index` was made by somebody else than the host in whose name it comes.
    pub(super) fn made_between(&self, index: usize, seen: &ResetSeen) -> Option<Between> {
        self.answered_for(index, seen).or_else(|| self.has_other_header(index, seen).then_some(Between::OtherHeader))
    }

    /// What a live socket sends has the header of all that it sends. An answer without a socket has its own window and no
    /// timestamps, so that only its TTL tells, and others of the same moment.
    fn has_other_header(&self, index: usize, seen: &ResetSeen) -> bool {
        let reset = &self.notes[index];
        let own = &seen.before[reset.side];
        let unlike = Unlike::of(reset, own, &self.profiles[reset.side]);
        let is_of_socket = reset.flags.contains(Flags::ACK) && own.is_known();
        let is_counted_otherwise = unlike.ip_id.is_some() && counts_ids(&self.notes[..index], reset.side);
        let is_other = is_of_socket && (unlike.lacks_timestamps || is_counted_otherwise) || aborts_closed(seen);
        unlike.ttl.is_some() && (is_other || beyond_all(self.connection, &self.notes, reset, own).is_some())
    }

    /// It answers in the name of a host that shows no close and was not heard since what it answers was sent, and comes from nearer
    /// than that host. An answer by the host itself takes as long as any, and has the TTL of all that it sends without an
    /// application's wish (RFC 1122, section 3.2.1.7). One that aborts acknowledges only what has come to it.
    fn answered_for(&self, index: usize, seen: &ResetSeen) -> Option<Between> {
        let reset = &self.notes[index];
        let (own, peer) = (&seen.before[reset.side], &seen.before[!reset.side]);
        let last = own.last?;
        let lives = own.fin.is_none() && own.rsts == 0 && peer.rsts == 0 && own.start.is_some();
        if !lives {
            return None;
        }
        let has_seen = reset.flags.contains(Flags::ACK);
        let answered = |note: &&Noted| {
            let is_other = note.side != reset.side && note.frame < reset.frame && !note.is_rst() && !note.is_syn();
            let is_acked = !has_seen || note.len > 0 && note.end() == reset.ack;
            is_other && is_acked && note.acknowledges() && note.ack == reset.seq && note.frame > last.frame
        };
        let noted = self.notes[..index].iter().rev().find(answered);
        let trigger = peer.last.as_ref().filter(answered).or(noted)?;
        let answered_ns = reset.time.since(trigger.time);
        let path_ns = self.arrivals.shortest_rtt_ns(&self.notes[..index], reset.side).unwrap_or(0);
        // What is behind others says nothing of how soon the first of them was answered.
        let is_alone = trigger.time.since(last.time) >= SILENCE_MIN_NS
            && peer.in_flight() <= u64::from(trigger.len)
            && !trigger.class.intersects(Class::RETRANSMISSION | Class::WINDOW_PROBE)
            && peer.unanswered_probes <= 1
            && exchanges(&self.notes[..index], reset.side).count() >= EXCHANGES_MIN;
        // A socket's own clock is in what it sends.
        let is_clocked = own.timestamps && reset.timestamps.is_some();
        if has_seen && is_clocked {
            return None;
        }
        if is_alone && path_ns >= PATH_MIN_NS && answered_ns < path_ns / 3 {
            return Some(Between::TooSoon { answered_ns, path_ns });
        }
        if has_seen {
            // Its way may have changed: an abort proves no more by its TTL.
            return None;
        }
        let is_silent = reset.time.since(last.time) >= SILENCE_MIN_NS;
        let usual = own.ttl.filter(|&ttl| ttl == last.ttl && is_of_another(reset.ttl, ttl, is_silent))?;
        Some(Between::OtherTtl { usual })
    }
}

/// What has `ttl` was sent by somebody else than what has `usual`: it crossed fewer hops, or began with another number; after a
/// silence, with any other. Applications choose 1 and 255 (BGP, RFC 5082), which their host's own answers do not have.
fn is_of_another(ttl: u8, usual: u8, is_silent: bool) -> bool {
    let origin = |ttl: u8| {
        let initial = INITIAL_TTLS.into_iter().find(|&initial| ttl <= initial)?;
        Some((initial, initial - ttl)).filter(|&(_, hops)| hops <= HOPS_MAX)
    };
    let (Some((initial, hops)), Some((usual_initial, usual_hops))) = (origin(ttl), origin(usual)) else { return false };
    let is_chosen = usual_initial == u8::MAX && initial != usual_initial;
    ttl != usual && (is_silent || hops <= usual_hops) && !is_chosen
}
