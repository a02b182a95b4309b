//! What only shows by what is missing: that a socket was gone before an answer says so, or not open yet when its handshake
//! was complete.

use crate::base::{Side, Timestamp};
use crate::connection::{Connection, Lifecycle, Noted, State, StateStep};
use crate::segment::Flags;

/// A first SYN is repeated after this long at the latest (RFC 1122, 4.2.3.1; 1 s since RFC 6298), ns.
const SYN_DUE_NS: i64 = 3_000_000_000;
/// A FIN that was not acknowledged is repeated within this time at first, and no stack's TIME-WAIT is as short, ns.
const SOON_NS: i64 = 5_000_000_000;
/// Timers are late by less, ns.
const LATE_NS: i64 = 500_000_000;
/// So many copies of the first payload that met no answer were not all lost: who got them was not open.
const UNANSWERED_MIN: usize = 3;

/// The socket of `side`, in `state` since `from`, was gone before `closing` says so: its address refused a segment as one
/// of no connection (a reset without ACK, RFC 9293, 3.10.7.1; a live socket aborts with one). Told of SYN-SENT, where it
/// is the SYN-ACK, and of TIME-WAIT, where it is the FIN that was soon repeated. How long ago another state had ended
/// cannot be known, nor whether it was a box on the way that refused.
#[inline]
pub fn gone(life: &Lifecycle, side: Side, (state, from): (State, Timestamp), closing: &StateStep) -> Option<Timestamp> {
    if life.resets.is_empty() || closing.state != State::Closed {
        return None;
    }
    let refusal = life.notes.iter().position(|note| Some(note.frame) == closing.frame)?;
    if life.notes[refusal].side != side || !refuses_as_unknown(&life.notes[refusal]) {
        return None;
    }
    let refused = life.notes[..refusal].iter().rfind(|note| note.side != side)?;
    let is_soon = refused.time.since(from) <= SOON_NS;
    let is_telling =
        state == State::SynSent && refused.is_syn_ack() || state == State::TimeWait && refused.is_fin() && is_soon;
    is_telling.then_some(from)
}

/// `side` answered something of this connection as one that it knows nothing of, and never had a state in it: its
/// TIME-WAIT of the connection before was gone.
pub fn was_gone(connection: &Connection, life: &Lifecycle, side: Side) -> bool {
    let Some(past) = connection.predecessor else { return false };
    let is_early = connection.start.since(past.end) < life.profiles[side].time_wait_ns;
    is_early
        && life.states[side].is_empty()
        && life.notes.iter().any(|note| note.side == side && refuses_as_unknown(note))
}

fn refuses_as_unknown(note: &Noted) -> bool {
    note.is_rst() && !note.flags.contains(Flags::ACK)
}

/// When the SYN was due again and did not come: whoever sent it had given up.
pub fn gave_up(connection: &Connection, life: &Lifecycle, side: Side) -> Option<Timestamp> {
    if connection.halves[!side].frames > 0 {
        return None;
    }
    let mut syns = life.notes.iter().rev().filter(|note| note.side == side && note.is_syn());
    let last = syns.next()?.time;
    let wait_ns = syns.next().map_or(SYN_DUE_NS, |before| last.since(before.time).saturating_mul(2).max(SYN_DUE_NS));
    let due = last.plus(wait_ns);
    (life.horizon > due.plus(LATE_NS + wait_ns / 8)).then_some(due)
}

/// When a passive opener took the handshake's end with the payload that followed it: it had answered no copy of that
/// before, as with SYN cookies and a full accept queue.
pub fn opened_by_payload(connection: &Connection, life: &Lifecycle, side: Side) -> Option<Timestamp> {
    if (connection.halves[!side].retransmissions as usize) < UNANSWERED_MIN - 1 {
        return None;
    }
    let notes = &life.notes;
    let said = notes.iter().position(|note| note.side == side && !note.is_syn_ack() && !note.is_rst())?;
    let first = notes[..said].iter().find(|note| note.side != side && note.len > 0)?;
    let mut copies = notes[..said].iter().filter(|note| note.side != side && note.len > 0 && note.seq == first.seq);
    if copies.clone().count() < UNANSWERED_MIN {
        return None;
    }
    copies.next_back().map(|last| last.time)
}

#[cfg(test)]
mod tests {
    use super::super::stay::{Dating, Departure, stays};
    use super::*;
    use crate::connection::Profile;
    use crate::source::script::segments;

    /// States of `side` with the milliseconds in which they began and ended.
    fn lived(trace: &str, side: Side, seconds: i64) -> Vec<(State, i64, Option<i64>)> {
        let segments = segments(trace).unwrap();
        let mut connection = Connection::new(0, &segments[0], None);
        segments.iter().for_each(|segment| connection.step(segment));
        let horizon = connection.start.plus(seconds * 1_000_000_000);
        let life = Lifecycle::of(&connection, horizon, Profile::LINUX);
        let mut found = Vec::new();
        stays(&connection, &life, side, Departure::Over, Dating::AtTap, &mut found);
        let ms = |time: Timestamp| time.since(connection.start) / 1_000_000;
        found.iter().map(|stay| (stay.state, ms(stay.from), stay.until.map(ms))).collect()
    }

    #[test]
    fn who_refuses_the_syn_ack_had_given_up() {
        let trace = "client > SYN\n+0.05 server > SYN ACK\nclient > RST";
        assert_eq!(lived(trace, Side::Client, 1), [(State::SynSent, 0, Some(0))]);
    }

    #[test]
    fn a_syn_that_does_not_come_again_when_it_is_due_was_given_up() {
        let trace = "client > SYN\n+1 client > SYN\n+2 client > SYN";
        assert_eq!(lived(trace, Side::Client, 6), [(State::SynSent, 0, None)]);
        assert_eq!(lived(trace, Side::Client, 30), [(State::SynSent, 0, Some(7_000))]);
    }

    #[test]
    fn who_lets_the_first_payload_come_again_and_again_is_not_open() {
        let begin = "client > SYN\nserver > SYN ACK\nclient > ACK\n+0.1 client > data 100";
        let once = format!("{begin}\nserver > ACK");
        assert_eq!(lived(&once, Side::Server, 10)[1].1, 2);
        let again = format!("{begin}\n+0.2 client > again\n+0.4 client > again\n+0.8 client > again\nserver > ACK");
        assert!(lived(&again, Side::Server, 10)[1].1 >= 1_400, "{:?}", lived(&again, Side::Server, 10));
    }
}
