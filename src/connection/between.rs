//! Resets that something on the way made, in the name of a host that lives on.

use super::delivery::exchanges;
use super::lifecycle::Hindsight;
use super::noted::{Class, Noted};
use super::reset::ResetSeen;
use crate::segment::Flags;

/// A path that took less does not tell an answer of the host from one on the way, ns: an exchange may have waited for addresses to be
/// resolved, and for processes to wake up.
const PATH_MIN_NS: i64 = 10_000_000;
/// So many exchanges tell how long the path takes; one may have met a queue.
const EXCHANGES_MIN: usize = 2;
/// So long after its supposed sender was heard, what the reset answers is no acknowledgment of that, which may wait for 200 ms
/// (RFC 9293, section 3.8.6.3: no more than 500), ns.
const SILENCE_MIN_NS: i64 = 1_000_000_000;

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
}

impl Hindsight<'_> {
    /// The bare reset in note `index` answers in the name of a host that shows no close and was not heard since what it answers was
    /// sent, and comes from nearer than that host. An answer by the host itself takes as long as any, and has the TTL of all that it
    /// sends without an application's wish (RFC 1122, section 3.2.1.7).
    pub(super) fn made_between(&self, index: usize, seen: &ResetSeen) -> Option<Between> {
        let reset = &self.notes[index];
        let (own, peer) = (&seen.before[reset.side], &seen.before[!reset.side]);
        let last = own.last?;
        let lives = own.fin.is_none() && own.rsts == 0 && peer.rsts == 0 && own.start.is_some();
        if !lives || reset.flags.contains(Flags::ACK) {
            return None;
        }
        let answered = |note: &&Noted| {
            let is_other = note.side != reset.side && note.frame < reset.frame && !note.is_rst() && !note.is_syn();
            is_other && note.acknowledges() && note.ack == reset.seq && note.frame > last.frame
        };
        let noted = self.notes[..index].iter().rev().find(answered);
        let trigger = peer.last.as_ref().filter(answered).or(noted)?;
        let answered_ns = reset.time.since(trigger.time);
        let path_ns = self.arrivals.shortest_rtt_ns(&self.notes, reset.side).unwrap_or(0);
        // What is behind others says nothing of how soon the first of them was answered.
        let is_alone = trigger.time.since(last.time) >= SILENCE_MIN_NS
            && peer.in_flight() <= u64::from(trigger.len)
            && !trigger.class.intersects(Class::RETRANSMISSION | Class::WINDOW_PROBE)
            && peer.unanswered_probes <= 1
            && exchanges(&self.notes, reset.side).count() >= EXCHANGES_MIN;
        if is_alone && path_ns >= PATH_MIN_NS && answered_ns < path_ns / 3 {
            return Some(Between::TooSoon { answered_ns, path_ns });
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
