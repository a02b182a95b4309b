//! What only shows by what is missing: that a socket was gone before an answer says so, or not open yet when its handshake
//! was complete.

use crate::base::{Side, Timestamp};
use crate::connection::{Class, Connection, Lifecycle, Noted, Profile, State, StateStep};
use crate::segment::Flags;

/// A first SYN is repeated after this long at the latest (RFC 1122, 4.2.3.1; 1 s since RFC 6298), ns.
const SYN_DUE_NS: i64 = 3_000_000_000;
/// A FIN that was not acknowledged is repeated within this time at first, and no stack's TIME-WAIT is as short, ns.
const SOON_NS: i64 = 5_000_000_000;
/// What `tcp_fin_timeout` is usually set to where it is shorter than the default, the longest first, s.
const FIN_TIMEOUTS: [i64; 8] = [30, 20, 15, 10, 5, 3, 2, 1];
/// The shortest retransmission timer, doubled once (Linux TCP_RTO_MIN), ns.
const RTO_NS_MIN: i64 = 400_000_000;
/// The longest (Linux TCP_RTO_MAX), ns.
const RTO_NS_MAX: i64 = 120_000_000_000;
/// Some ticks of a kernel's clock, ns.
const TICKS_NS: i64 = 10_000_000;
/// Of shorter round trips a part is no time, ns.
const RTT_NS_MIN: i64 = 2_000_000;
/// Timers are late by less, ns.
const LATE_NS: i64 = 500_000_000;
/// So many copies of the first payload that met no answer were not all lost: who got them was not open.
const UNANSWERED_MIN: usize = 3;

/// The socket of `side`, in the state of `stay`, was gone before `closing` says so: its address refused a segment as one
/// of no connection (a reset without ACK, RFC 9293, 3.10.7.1; a live socket aborts with one). Of SYN-SENT, where it is the
/// SYN-ACK, it was gone from the beginning. TIME-WAIT that refuses the FIN which was soon repeated had been cut short. What
/// nobody knows any more otherwise was forgotten between its last segment and the first one that met nothing, and FIN-WAIT-2
/// when its timer ran out. A closed application's socket refuses payload itself, and what answers sooner than the endpoint
/// can is a box on the way.
#[inline]
pub fn gone(
    connection: &Connection,
    life: &Lifecycle,
    side: Side,
    (stay, from): (&StateStep, Timestamp),
    closing: &StateStep,
) -> Option<Timestamp> {
    if life.resets.is_empty() || closing.state != State::Closed {
        return None;
    }
    let refusal = life.notes.iter().position(|note| Some(note.frame) == closing.frame)?;
    if life.notes[refusal].side != side || !refuses_as_unknown(&life.notes[refusal]) {
        return None;
    }
    let refused = life.notes[..refusal].iter().rfind(|note| note.side != side)?;
    let is_later = stay.frame.is_none_or(|entered| entered < refused.frame);
    let waited_ns = refused.time.since(from);
    match stay.state {
        State::SynSent => refused.is_syn_ack().then_some(from),
        State::TimeWait => (is_later && refused.is_fin() && waited_ns <= SOON_NS).then(|| outlived(from, refused.time)),
        // Its timer says when.
        State::FinWait2 if waited_ns >= life.profiles[side].fin_wait_2_ns => None,
        State::FinWait2 if is_later && refused.len == 0 => Some(timed_out(from, refused.time)),
        State::FinWait1 | State::Closing | State::LastAck if refused.len == 0 && is_later => {
            Some(halfway(connection, side, from, &life.notes[refusal]))
        }
        State::Established | State::CloseWait if !is_nearer(connection, life, refused, &life.notes[refusal]) => {
            Some(halfway(connection, side, from, &life.notes[refusal]))
        }
        _ => None,
    }
}

/// Whatever refused is no endpoint of the connection: its hop limit is another one's, or it answers sooner than that one
/// can.
fn is_nearer(connection: &Connection, life: &Lifecycle, refused: &Noted, refusal: &Noted) -> bool {
    let rtt_ns = life.arrivals.rtt_ns[refusal.side].unwrap_or(0);
    let is_early = rtt_ns >= RTT_NS_MIN && refusal.time.since(refused.time) < rtt_ns / 3;
    is_early || connection.halves[refusal.side].ttl.is_some_and(|ttl| ttl != refusal.ttl)
}

/// In the middle between when `refusal`'s sender was last heard and when what it refused first met nothing: where nothing
/// more is known, that is least wrong.
fn halfway(connection: &Connection, side: Side, from: Timestamp, refusal: &Noted) -> Timestamp {
    let seen = connection.resets.iter().find(|seen| seen.noted.frame == refusal.frame);
    let before = seen.map(|seen| &seen.before);
    let heard = before.and_then(|before| before[side].last.as_ref()).map_or(from, |last| last.time.max(from));
    let missed = before.and_then(|before| before[!side].unanswered_since).unwrap_or(refusal.time).max(heard);
    heard.plus(missed.since(heard) / 2)
}

/// When a state that its timer should have kept, and that was gone `by` then, ended: nobody knows of what order its life
/// was, so the middle of the orders from some ticks to all of that time (their geometric mean).
pub fn outlived(from: Timestamp, by: Timestamp) -> Timestamp {
    let most_ns = by.since(from).max(0);
    from.plus(((TICKS_NS as f64 * most_ns as f64).sqrt() as i64).min(most_ns))
}

/// When the FIN-WAIT-2 of a closed application ran out that was gone `by` then, sooner than by default: after the longest of
/// the usual times that fits, since who set one had a use for it, and later by what the wheel of timers rounds up, half a
/// sixty-fourth to an eighth of it (Linux kernel/time/timer.c).
fn timed_out(from: Timestamp, by: Timestamp) -> Timestamp {
    let usual_ns = FIN_TIMEOUTS.into_iter().map(|seconds| seconds * 1_000_000_000).find(|&ns| from.plus(ns) <= by);
    usual_ns.map_or_else(|| outlived(from, by), |ns| from.plus(ns + ns / 32).min(by))
}

/// A reset with the next number of the connection before ended its TIME-WAIT (RFC 1337).
pub fn assassinated(connection: &Connection, life: &Lifecycle, side: Side) -> Option<Timestamp> {
    let nxt = connection.predecessor?.half(connection.endpoint(!side)).nxt?;
    let reset = life.notes.iter().find(|note| note.side != side && note.is_rst() && note.seq == nxt)?;
    life.states[side].is_empty().then_some(reset.time)
}

/// `side` answered something of this connection as one that it knows nothing of, and never had a state in it: its
/// TIME-WAIT of the connection before was gone by then. Nothing asked for it in between, so that any moment is as good.
pub fn was_gone(connection: &Connection, life: &Lifecycle, side: Side) -> Option<Timestamp> {
    let past = connection.predecessor?;
    let is_early = connection.start.since(past.end) < life.profiles[side].time_wait_ns;
    let refusal = life.notes.iter().find(|note| note.side == side && refuses_as_unknown(note))?;
    (is_early && life.states[side].is_empty()).then_some(refusal.time)
}

/// `side` began this connection with a number of its own choice, although it had been in TIME-WAIT: that was gone by then. Who
/// takes four numbers out of TIME-WAIT goes on from the last one (Linux `tcp_timewait_state_process` and `tcp_twsk_unique`:
/// SND.NXT + 65,537).
pub fn was_renumbered(connection: &Connection, life: &Lifecycle, side: Side) -> Option<Timestamp> {
    let past = connection.predecessor?.half(connection.endpoint(side)).nxt?;
    let profile = &life.profiles[side];
    let is_known = profile.is_surely(&Profile::LINUX);
    let isn = connection.halves[side].isn.filter(|_| is_known)?;
    (isn != past + OUT_OF_TIME_WAIT).then_some(connection.start)
}

/// What Linux adds to the last number when it takes four numbers out of TIME-WAIT.
const OUT_OF_TIME_WAIT: u32 = 65_537;

fn refuses_as_unknown(note: &Noted) -> bool {
    note.is_rst() && !note.flags.contains(Flags::ACK)
}

/// When what `side` had sent was due again and did not come, until it was `closed` or to the horizon: it had given up, as it
/// does when its timer runs out for the last time. Timers double (RFC 6298, 5.5), up to two minutes; those of keepalive probes do not.
pub fn gave_up(
    connection: &Connection,
    life: &Lifecycle,
    side: Side,
    state: State,
    closed: Option<Timestamp>,
) -> Option<Timestamp> {
    let half = &connection.halves[side];
    let own = life.notes.iter().rev().filter(|note| note.side == side);
    let (last, wait_ns) = match state {
        State::SynSent if connection.halves[!side].frames == 0 => {
            let mut syns = own.filter(|note| note.is_syn());
            let last = syns.next()?.time;
            (last, syns.next().map_or(SYN_DUE_NS, |before| doubled(last, before.time).max(SYN_DUE_NS)))
        }
        State::SynReceived => {
            let mut syn_acks = own.filter(|note| note.is_syn_ack());
            let last = syn_acks.next()?.time;
            match syn_acks.next() {
                Some(before) => (last, doubled(last, before.time)),
                // Once the handshake's end has come, a full accept queue may keep the socket without a word.
                None if half.isn.zip(half.acked).is_some_and(|(isn, acked)| acked.after(isn)) => return None,
                None => (last, SYN_DUE_NS),
            }
        }
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
            if half.unanswered_probes > 1 && half.window_probes == 0 =>
        {
            let mut probes = own.filter(|note| note.class.contains(Class::KEEPALIVE));
            let last = probes.next()?.time;
            (last, last.since(probes.next()?.time))
        }
        State::Established | State::CloseWait | State::FinWait1 | State::Closing | State::LastAck
            if half.unanswered > 1 =>
        {
            let since = half.unanswered_since?;
            let repeated = Class::RETRANSMISSION | Class::WINDOW_PROBE;
            let mut again = own.filter(|note| note.class.intersects(repeated) && note.time > since);
            let last = again.next()?.time;
            (last, doubled(last, again.next().map_or(since, |before| before.time)))
        }
        _ => return None,
    };
    let due = last.plus(wait_ns);
    let is_overdue = |late_ns: i64, at: Timestamp| at > due.plus(late_ns);
    closed.map_or_else(|| is_overdue(LATE_NS + wait_ns / 8, life.horizon), |at| is_overdue(0, at)).then_some(due)
}

/// How long the timer runs that ran from `before` to `last`.
fn doubled(last: Timestamp, before: Timestamp) -> i64 {
    last.since(before).saturating_mul(2).clamp(RTO_NS_MIN, RTO_NS_MAX)
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
    use super::super::dating::Dating;
    use super::super::stay::{Departure, stays};
    use super::*;
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
    fn fin_wait_2_that_refuses_the_fin_had_run_out_at_a_usual_time() {
        let closed = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > ACK";
        let gone = |wait: f64| {
            let found = lived(&format!("{closed}\n+{wait} server > FIN ACK\nclient > RST"), Side::Client, 100);
            let [.., (State::FinWait2, from, Some(until))] = found[..] else { panic!("{found:?}") };
            until - from
        };
        assert_eq!([gone(4.16), gone(14.9), gone(33.0), gone(61.0)], [3_093, 10_312, 30_937, 60_000]);
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
