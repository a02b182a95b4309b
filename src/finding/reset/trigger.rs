//! The segment that a reset answers.

use crate::connection::{Lifecycle, Noted, OpenKind, ResetSeen, Tap};
use crate::segment::Flags;

/// A stack answers at once; beyond twice the handshake's round trip this much is allowed for queues and scheduling, ns.
/// Less than the least retransmission timeout (200 ms on Linux), so that the trigger is the newest copy.
const ANSWER_SLACK_NS: i64 = 80_000_000;
/// Taken for the round trip when the handshake was not captured, ns.
const RTT_UNKNOWN_NS: i64 = 250_000_000;

/// The segment of the other side that this reset answers, by its numbers, within a round trip before it. Of several in a
/// row that it can answer, the first that occupies sequence space: that is the one which met nobody. Of several copies of
/// one, the newest.
pub(super) fn find(life: &Lifecycle, seen: &ResetSeen) -> Option<Noted> {
    let reset = &seen.noted;
    let span = life.arrivals.rtt_ns[reset.side].map_or(RTT_UNKNOWN_NS, |rtt| 2 * rtt) + ANSWER_SLACK_NS;
    let newest = seen.before[!reset.side].last;
    // What its sender has acknowledged since met a socket.
    let own = seen.before[reset.side].last;
    let is_answered = |note: &Noted| {
        let is_beyond = |own: Noted| own.ack.after(note.end()) || own.ack == note.end() && note.end() != note.seq;
        own.is_some_and(|own| own.frame > note.frame && own.acknowledges() && is_beyond(own))
    };
    let earlier = life.notes.iter().rev().filter(|note| note.frame < reset.frame && note.side != reset.side);
    let mut candidates = newest
        .into_iter()
        .chain(earlier.copied())
        .filter(|note| !note.is_rst() && answers(reset, note) && !is_answered(note))
        // What acknowledges a SYN can be an answer to nothing else, however long the way is.
        .filter(|note| reset.time.since(note.time) <= span || note.is_syn() && life.opening.kind == OpenKind::Refused);
    let newest = candidates.next()?;
    // Beside its sender each would have been answered before the next one came, if it did not come with it.
    if life.arrivals.tap == Some(Tap::beside(reset.side)) {
        let together = candidates.take_while(|note| note.time == newest.time);
        return together.last().or(Some(newest));
    }
    let acked = seen.before[!reset.side].acked;
    let unreceived = |note: &Noted| note.end() != note.seq && acked.is_none_or(|acked| note.end().after(acked));
    let first = candidates
        .filter(unreceived)
        .fold(newest, |first, note| if unreceived(&first) && note.seq.at_or_after(first.seq) { first } else { note });
    Some(first)
}

/// RFC 9293, section 3.10.7.1: a reset takes its number from the acknowledgment it answers; where there was none it has
/// sequence number 0 and acknowledges the segment; of a SYN
/// with payload, its sender takes one that acknowledges no more than the SYN as well (section 3.10.7.3).
fn answers(reset: &Noted, trigger: &Noted) -> bool {
    if reset.flags.contains(Flags::ACK) {
        let is_acked = reset.ack == trigger.end() || trigger.is_syn() && reset.ack == trigger.seq + 1;
        is_acked && (!trigger.flags.contains(Flags::ACK) || reset.seq == trigger.ack)
    } else {
        trigger.flags.contains(Flags::ACK) && reset.seq == trigger.ack
    }
}
