//! From the states that an endpoint entered to the time that its socket spent in each.

use super::absence::{gave_up, gone};
use super::dating::{Dating, Road};
use super::visit::STEPS_MAX;
use crate::base::{Side, Timestamp};
use crate::connection::{Basis, Connection, Lifecycle, OpenKind, Orderly, State, StateStep, Steps};

/// Why a connection leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// Nothing more was expected of it, or it made room: what is not known to have ended goes on.
    Over,
    /// Another one began on its four-tuple at this time.
    Replaced(Timestamp),
}

/// The time that a socket spent in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The state.
    pub state: State,
    /// Since when.
    pub from: Timestamp,
    /// Until when; none when nothing shows its end.
    pub until: Option<Timestamp>,
    /// The frame that shows it; none for a timer.
    pub frame: Option<u64>,
    /// How it is known.
    pub basis: Basis,
    /// When the state's timer ends it, where it has one that can be told.
    pub runs_out: Option<Timestamp>,
}

impl Stay {
    /// The same as its endpoint has it at `by`, which knows nothing of what comes later.
    pub fn known_at(self, by: Timestamp, life: &Lifecycle, side: Side, dating: Dating) -> Self {
        match self.state {
            State::TimeWait => {
                let way_ns = Road::to(life, side, dating).way_ns;
                Self { runs_out: Some(time_wait_runs_out(life, side, (self.from, way_ns), by)), ..self }
            }
            _ => self,
        }
    }

    /// How long it lasted, at least until `horizon`, ns.
    pub fn lasted_ns(&self, horizon: Timestamp) -> i64 {
        self.until.unwrap_or(horizon).since(self.from).max(0)
    }
}

/// A SYN that stays alone this long after it was due again was sent by no socket that waits for an answer: the first
/// timeout is 1 s (RFC 6298, section 2.1), and 3 s on stacks older than it, ns.
pub(super) const SYN_ALONE_NS_MIN: i64 = 3_500_000_000;

/// Puts the stays of the socket of `side` into `stays`, which it empties first.
pub fn stays(
    connection: &Connection,
    life: &Lifecycle,
    side: Side,
    departure: Departure,
    dating: Dating,
    stays: &mut Vec<Stay>,
) {
    stays.clear();
    if has_no_socket(connection, life, side) {
        return;
    }
    let road = Road::to(life, side, dating);
    let late_ns = dating.late_ns();
    let mut steps = life.states[side].iter().peekable();
    let mut from = steps.peek().map_or(Timestamp(0), |first| road.at_end(connection, life, side, first));
    while let Some(step) = steps.next() {
        let next = steps.peek();
        let next_from = next.map(|next| road.at_end(connection, life, side, next).max(from));
        if !matches!(step.state, State::Closed | State::Listen) {
            let mut runs_out = runs_out(connection, life, side, step, (from, road.way_ns));
            let expires = runs_out.map(|at| at.plus(late_ns));
            let mut until = next_from.or_else(|| ends_with(life.horizon, from, expires, departure));
            if let Some(next) = next {
                until = gone(connection, life, side, (step, from), next).or(until);
            }
            if step.state == State::TimeWait && next.is_some() {
                until = until.into_iter().chain(expires).min();
            }
            if next.is_none_or(|next| next.state == State::Closed || step.state == State::SynSent) {
                until = gave_up(connection, life, side, step.state, next_from).into_iter().chain(until).min();
            }
            if let (Some(next), Some(next_from), Some(at), State::FinWait2) = (next, next_from, runs_out, step.state)
                && next_from > at
                && until.is_none_or(|until| until > at)
            {
                // A FIN that was taken later shows that the application had kept the socket; a reset, that it was gone.
                (until, runs_out) = if next.state == State::Closed { (Some(at), Some(at)) } else { (until, None) };
            }
            let StateStep { state, frame, basis, .. } = *step;
            stays.push(Stay { state, from, until, frame, basis, runs_out });
        }
        from = next_from.unwrap_or(from);
    }
}

/// The time that the socket of one end was there, in a life that was told in short: one state after the other.
pub(super) struct OrderlyStay {
    /// The states that it entered, not CLOSED.
    pub entered: Steps,
    /// When it was gone; none when nothing shows that.
    pub until: Option<Timestamp>,
    /// For how long it held its port, if that is known, ns.
    pub held_ns: Option<i64>,
}

impl OrderlyStay {
    /// That of `side`, at the tap; none when there was no socket.
    #[inline]
    pub fn of(orderly: &Orderly, side: Side, departure: Departure) -> Option<Self> {
        // The clock may have been set back since.
        let (profile, horizon) = (&orderly.profiles[side], orderly.horizon.max(orderly.start));
        let is_alone = side == Side::Client && orderly.open == OpenKind::Unanswered;
        if is_alone && horizon.since(orderly.start) >= SYN_ALONE_NS_MIN {
            return None;
        }
        let mut entered = orderly.states(side);
        let is_closed = entered.last()?.state == State::Closed;
        let closed = if is_closed { entered.pop().map(|last| last.time) } else { None };
        debug_assert!(entered.len() <= STEPS_MAX && entered.iter().all(|step| step.state != State::Closed));
        let (&first, &last) = (entered.first()?, entered.last()?);
        let runs_out = match last.state {
            State::TimeWait => Some(last.time.plus(profile.time_wait_ns)),
            State::FinWait2 if profile.fin_wait_2_ns < i64::MAX => Some(last.time.plus(profile.fin_wait_2_ns)),
            _ => None,
        };
        let until = closed.or_else(|| ends_with(horizon, last.time, runs_out, departure));
        let time_wait_ends = runs_out.filter(|_| last.state == State::TimeWait);
        let free = time_wait_ends.or(until.filter(|&until| until <= horizon));
        let held_ns = free.map(|free| free.since(first.time).max(0));
        Some(Self { entered, until, held_ns })
    }
}

/// When the last state of an endpoint ended, as far as timers and a successor tell.
fn ends_with(
    horizon: Timestamp,
    from: Timestamp,
    runs_out: Option<Timestamp>,
    departure: Departure,
) -> Option<Timestamp> {
    let expired = runs_out.filter(|&at| at < horizon);
    let replaced = match departure {
        Departure::Replaced(at) => Some(at.max(from)),
        Departure::Over => None,
    };
    expired.into_iter().chain(replaced).min()
}

/// When the timer of the state that `step` entered runs out, by the endpoint's clock: TIME-WAIT by the profile, from its last restart, and
/// FIN-WAIT-2 of a closed application. An application that still reads (half-close) has no such timer.
fn runs_out(
    connection: &Connection,
    life: &Lifecycle,
    side: Side,
    step: &StateStep,
    (from, way_ns): (Timestamp, i64),
) -> Option<Timestamp> {
    match step.state {
        State::TimeWait => Some(time_wait_runs_out(life, side, (from, way_ns), Timestamp(i64::MAX))),
        State::FinWait2 if life.profiles[side].fin_wait_2_ns < i64::MAX => {
            let is_reading = connection.halves[!side].last_payload().is_some_and(|data| data.time > step.time);
            (!is_reading).then(|| from.plus(life.profiles[side].fin_wait_2_ns))
        }
        _ => None,
    }
}

/// When a TIME-WAIT that began at `from` runs out by what its endpoint, `way_ns` from the tap, knows at `by`: a FIN that comes again
/// restarts it.
fn time_wait_runs_out(life: &Lifecycle, side: Side, (from, way_ns): (Timestamp, i64), by: Timestamp) -> Timestamp {
    let repeated = life.notes.iter().rev().filter(|note| note.side != side && note.is_fin());
    let newest = repeated.map(|fin| fin.time.plus(way_ns)).find(|&came| came <= by);
    newest.map_or(from, |came| came.max(from)).plus(life.profiles[side].time_wait_ns)
}

/// The endpoint's address sent nothing but one SYN, did not repeat it when that was due, and did not answer the SYN-ACK
/// either: nobody's socket, as in a flood from made-up addresses.
fn has_no_socket(connection: &Connection, life: &Lifecycle, side: Side) -> bool {
    let half = &connection.halves[side];
    let is_alone = side == Side::Client && half.segments() == 1 && half.syns == 1;
    let is_open = !matches!(life.opening.kind, OpenKind::HalfOpen | OpenKind::Unanswered);
    is_alone && !is_open && life.horizon.since(connection.start) >= SYN_ALONE_NS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Profile;
    use crate::source::script::segments;

    const SECOND_NS: i64 = 1_000_000_000;
    const CLOSED_BY_CLIENT: &str = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > ACK\n";

    /// States of the client with the seconds that they lasted; none goes on.
    fn client(trace: &str, seconds: i64, departure: fn(Timestamp) -> Departure) -> Vec<(State, Option<i64>)> {
        let segments = segments(trace).unwrap();
        let mut connection = Connection::new(0, &segments[0], None);
        segments.iter().for_each(|segment| connection.step(segment));
        let horizon = connection.start.plus(seconds * SECOND_NS);
        let life = Lifecycle::of(&connection, horizon, Profile::LINUX);
        let mut found = Vec::new();
        stays(&connection, &life, Side::Client, departure(horizon), Dating::AtTap, &mut found);
        let lasted = |stay: &Stay| (stay.state, stay.until.map(|until| until.since(stay.from) / SECOND_NS));
        found.iter().map(lasted).filter(|(_, lasted)| *lasted != Some(0)).collect()
    }

    #[test]
    fn fin_wait_2_of_a_closed_application_runs_out() {
        assert_eq!(client(CLOSED_BY_CLIENT, 30, |_| Departure::Over), [(State::FinWait2, None)]);
        assert_eq!(client(CLOSED_BY_CLIENT, 90, |_| Departure::Over), [(State::FinWait2, Some(60))]);
        // The answer still flows: the application reads.
        let half_closed = format!("{CLOSED_BY_CLIENT}+10 server > data 100\nclient > ACK");
        assert_eq!(client(&half_closed, 90, |_| Departure::Over), [(State::FinWait2, None)]);
        // The late FIN met nobody, or somebody.
        let gone = format!("{CLOSED_BY_CLIENT}+70 server > FIN ACK\nclient > RST");
        assert_eq!(client(&gone, 90, |_| Departure::Over), [(State::FinWait2, Some(60))]);
        let there = format!("{CLOSED_BY_CLIENT}+70 server > FIN ACK\nclient > ACK");
        assert_eq!(client(&there, 90, |_| Departure::Over), [(State::FinWait2, Some(70)), (State::TimeWait, None)]);
    }

    #[test]
    fn a_time_wait_knows_nothing_of_copies_to_come() {
        let closed = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > FIN ACK\nclient > ACK\n";
        let segments = segments(&format!("{closed}+10 server > FIN ACK seq 1 ack 2\nclient > ACK")).unwrap();
        let mut connection = Connection::new(0, &segments[0], None);
        segments.iter().for_each(|segment| connection.step(segment));
        let life = Lifecycle::of(&connection, connection.end, Profile::LINUX);
        let mut found = Vec::new();
        stays(&connection, &life, Side::Client, Departure::Over, Dating::AtTap, &mut found);
        let last = *found.last().unwrap();
        let left_s = |after_s: i64| {
            let by = last.from.plus(after_s * SECOND_NS);
            let known = last.known_at(by, &life, Side::Client, Dating::AtTap);
            known.runs_out.map(|at| (at.since(by) as f64 / SECOND_NS as f64).round())
        };
        assert_eq!(last.state, State::TimeWait);
        assert_eq!([1, 9, 11].map(left_s), [Some(59.0), Some(51.0), Some(59.0)]);
    }

    #[test]
    fn an_end_far_from_the_tap_sends_before_and_receives_after_it() {
        let trace = "client > SYN\n+0.04 server > SYN ACK\n+0.002 client > ACK\n+1 client > FIN ACK\n\
                     +0.04 server > FIN ACK\n+0.002 client > ACK";
        let segments = segments(trace).unwrap();
        let mut connection = Connection::new(0, &segments[0], None);
        segments.iter().for_each(|segment| connection.step(segment));
        let life = Lifecycle::of(&connection, connection.end, Profile::LINUX);
        let mut found = Vec::new();
        let mut lived = |side| {
            stays(&connection, &life, side, Departure::Over, Dating::AtEnd, &mut found);
            let ms = |time: Timestamp| time.since(connection.start) / 1_000_000;
            found.iter().map(|stay| (stay.state, ms(stay.from))).collect::<Vec<_>>()
        };
        let server = [(State::SynReceived, 20), (State::Established, 62), (State::CloseWait, 1_062)];
        assert_eq!(lived(Side::Server)[..3], server);
        let client = lived(Side::Client);
        assert_eq!(client[..2], [(State::SynSent, -1), (State::Established, 41)]);
        assert!(client.is_sorted_by_key(|(_, ms)| *ms), "{client:?}");
    }

    #[test]
    fn a_successor_ends_what_is_left() {
        let closed = format!("{CLOSED_BY_CLIENT}server > FIN ACK\nclient > ACK");
        assert_eq!(client(&closed, 20, Departure::Replaced), [(State::TimeWait, Some(19))]);
        assert_eq!(client(&closed, 20, |_| Departure::Over), [(State::TimeWait, None)]);
    }

    #[test]
    fn nobody_stands_behind_a_syn_that_is_never_repeated() {
        assert_eq!(client("client > SYN\nserver > SYN ACK", 2, |_| Departure::Over), [(State::SynSent, None)]);
        assert_eq!(client("client > SYN\nserver > SYN ACK", 5, |_| Departure::Over), []);
        let living = "client > SYN\nserver > SYN ACK\n+1 client > SYN";
        assert_eq!(client(living, 5, |_| Departure::Over), [(State::SynSent, None)]);
    }
}
