//! The sockets of one group: a host's, a service's, or those of a host toward one destination.

use super::alone::Alone;
use super::denials::{Denial, Denials};
use super::distinct::Distinct;
use super::life::{Course, Life, Lives, Proof};
use super::series::{Event, Level, Peak, PerState, Series, Stretch};
use super::visit::{Attempted, Visit, Visitor};
use crate::base::{Side, Timestamp};
use crate::connection::{Initiator, State};

/// Examples kept of each state.
pub const EXAMPLES_MAX: usize = 8;

/// A socket that shows what the group shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// Its connection.
    pub stream: u64,
    /// The frame that put it into the state.
    pub frame: Option<u64>,
    /// How long it stayed there, as far as the capture reaches, ns.
    pub lasted_ns: i64,
}

/// Who began the closes that were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Closers {
    /// The clients.
    pub client: u64,
    /// The servers.
    pub server: u64,
    /// Both at once.
    pub both: u64,
}

impl Closers {
    /// Closes seen.
    pub fn total(&self) -> u64 {
        self.client + self.server + self.both
    }
}

/// How attempts to connect ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// The handshake was completed.
    pub opened: u64,
    /// Answered with SYN-ACK, and nobody acknowledged that.
    pub half_open: u64,
    /// Not answered.
    pub unanswered: u64,
    /// Of those two, with a single SYN: no socket stands behind it, or it gave up at once.
    pub single: u64,
    /// They took a port out of TIME-WAIT, by the profile's duration.
    pub reused: u64,
    /// Of those, with neither a higher number nor a newer timestamp (RFC 9293, section 3.10.7.4; RFC 6191).
    pub reused_illegally: u64,
    /// They took a port of which the TIME-WAIT had just run out: others were scarce, or the port is fixed.
    pub renewed: u64,
    /// Refused by a reset, or rejected by an ICMP error.
    pub refused: u64,
    /// Answered with an acknowledgment of an older connection.
    pub challenged: u64,
}

/// Durations by powers of two: enough to tell how long is usual. As long as the longest of them needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(Vec<u32>);

impl Durations {
    fn add(&mut self, ns: i64) {
        let place = place(ns);
        if self.0.len() <= place {
            self.0.reserve(PLACES_USUAL.saturating_sub(self.0.len()));
            self.0.resize(place + 1, 0);
        }
        self.0[place] = self.0[place].saturating_add(1);
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        self.0.iter_mut().zip(&other.0).for_each(|(count, more)| *count = count.saturating_add(*more));
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|&count| u64::from(count)).sum()
    }

    /// How many surely lasted at least `ns`.
    pub fn at_least(&self, ns: i64) -> u64 {
        let first = place(ns) + usize::from(ns.count_ones() != 1);
        self.0.iter().skip(first).map(|&count| u64::from(count)).sum()
    }

    /// A duration, ns, that at most one in `parts` exceeds; 0 when there are none.
    pub fn all_but_one_in(&self, parts: u64) -> i64 {
        let rest = self.count() / parts.max(1);
        let mut beyond = 0;
        for (place, &count) in self.0.iter().enumerate().rev() {
            beyond += u64::from(count);
            if beyond > rest {
                return 1_i64.checked_shl(place as u32 + 1).filter(|&ns| ns > 0).unwrap_or(i64::MAX);
            }
        }
        0
    }
}

/// Durations of up to a minute: asked for at once, since growing bit by bit costs more than all of them.
const PLACES_USUAL: usize = 36;

/// Durations from 2^place to before 2^(place+1).
fn place(ns: i64) -> usize {
    ns.max(1).ilog2() as usize
}

/// What is known of the sockets of a group.
#[derive(Clone, Debug)]
pub struct Pile {
    series: Series,
    /// Sockets so far.
    pub sockets: u64,
    /// How often each state was entered.
    pub entered: PerState<u64>,
    /// Who closed first, in the connections of these sockets.
    pub closers: Closers,
    /// How the connections began, or did not.
    pub attempts: Attempts,
    /// Sockets of which the role is a guess.
    pub guessed: u64,
    /// How long stays lasted whose end was seen.
    pub ended: Waits,
    /// How long the others have lasted so far.
    pub going_on: Waits,
    /// How long the sockets of which the end is known held their port, added up, and how many these are.
    pub held: (i128, u64),
    /// The clients of these servers' sockets.
    pub peers: Distinct,
    /// Those of them whose attempts never opened.
    pub failing_peers: Distinct,
    /// Ports of these sockets outside of the range that the profile gives to clients.
    pub ports_outside: u64,
    /// When attempts were answered, and not with a SYN-ACK; and when ports were waited for.
    pub denials: Denials,
    /// By the places of [`SHOWN`], the longest stays first.
    examples: [Vec<Example>; SHOWN.len()],
    /// What a stay must exceed to be one of them, ns.
    exceeded_ns: [i64; SHOWN.len()],
}

/// States of which examples are kept.
const SHOWN: [State; 6] =
    [State::SynSent, State::SynReceived, State::FinWait2, State::CloseWait, State::LastAck, State::TimeWait];

const SYN_SENT: usize = 0;
const SYN_RECEIVED: usize = 1;
const FIN_WAIT_2: usize = 2;
const CLOSE_WAIT: usize = 3;
const LAST_ACK: usize = 4;
const TIME_WAIT: usize = 5;

/// Durations in states that wait for somebody. Every connection passes through the last two, so that of these only what
/// lasted longer than a round trip is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// In CLOSE-WAIT: for the own one.
    pub close_wait: Durations,
    /// In FIN-WAIT-2: for the peer's.
    pub fin_wait_2: Durations,
    /// In LAST-ACK, half a second and longer: for the FIN's acknowledgment.
    pub last_ack: Durations,
    /// In SYN-RECEIVED, half a second and longer: for the handshake's end.
    pub syn_received: Durations,
}

/// Sockets that leave LAST-ACK or SYN-RECEIVED sooner waited for nobody, ns.
pub(super) const WAITED_NS_MIN: i64 = 500_000_000;

/// Sockets in `state` wait for somebody: how long is told by [`Waits`].
pub(super) fn waits_for(state: State) -> bool {
    matches!(state, State::CloseWait | State::FinWait2 | State::LastAck | State::SynReceived)
}

impl Waits {
    #[inline]
    fn of(&mut self, state: State, lasted_ns: i64) -> Option<&mut Durations> {
        match state {
            State::CloseWait => Some(&mut self.close_wait),
            State::FinWait2 => Some(&mut self.fin_wait_2),
            State::LastAck if lasted_ns >= WAITED_NS_MIN => Some(&mut self.last_ack),
            State::SynReceived if lasted_ns >= WAITED_NS_MIN => Some(&mut self.syn_received),
            _ => None,
        }
    }

    fn join(&mut self, other: &Self) {
        self.close_wait.join(&other.close_wait);
        self.fin_wait_2.join(&other.fin_wait_2);
        self.last_ack.join(&other.last_ack);
        self.syn_received.join(&other.syn_received);
    }
}

impl Pile {
    pub(super) fn new(interval_ns: i64) -> Self {
        Self {
            series: Series::new(interval_ns),
            sockets: 0,
            entered: PerState::default(),
            closers: Closers::default(),
            attempts: Attempts::default(),
            guessed: 0,
            ended: Waits::default(),
            going_on: Waits::default(),
            held: (0, 0),
            peers: Distinct::default(),
            failing_peers: Distinct::default(),
            ports_outside: 0,
            denials: Denials::default(),
            examples: Default::default(),
            exceeded_ns: [-1; SHOWN.len()],
        }
    }

    #[inline]
    pub(super) fn take(&mut self, visit: &Visit) {
        if let Some(visitor) = visit.visitor() {
            self.meet(&visitor);
            if visit.is_socket() {
                self.socket(&visitor);
            }
        }
        let steps = visit.steps();
        let until = Some(visit.until()).filter(|_| visit.has_ended());
        let step = |at: usize| (steps[at].state(), steps[at].from);
        self.series.pass(steps.len(), step, until, i8::from(visit.is_socket()));
        for (step, until, has_ended) in visit.stays() {
            let state = step.state();
            self.entered[state as usize] += 1;
            let Some(place) = shown(state) else { continue };
            let lasted_ns = until.since(step.from).max(0);
            let waits = if has_ended { &mut self.ended } else { &mut self.going_on };
            if let Some(durations) = waits.of(state, lasted_ns) {
                durations.add(lasted_ns);
            }
            // A state that no frame shows proves nothing.
            if step.frame().is_some() {
                self.show(place, lasted_ns, || Example { stream: visit.stream(), frame: step.frame(), lasted_ns });
            }
        }
    }

    /// The same of one end of a life, but for what all such ends have in common: [`Self::add`] counts that.
    #[inline]
    pub(super) fn take_life(&mut self, life: &Life, side: Side, proof: impl Fn() -> Proof) {
        let course = life.course(side);
        self.peers.see(course.peer);
        self.ports_outside += u64::from(course.is_outside);
        self.held.0 += i128::from(course.held_ns);
        self.series.follow(&course);
        let &Course { opening_ns, waiting_ns, .. } = &course;
        let last_ns = course.until - course.last;
        let example = |lasted_ns: i64, step: usize| {
            let proof = proof();
            let frame = Some(proof.frame(side, course.is_closer, step));
            Example { stream: proof.stream(), frame, lasted_ns }
        };
        if course.is_closer {
            self.ended.fin_wait_2.add(waiting_ns);
            self.show(FIN_WAIT_2, waiting_ns, || example(waiting_ns, 3));
            self.show(TIME_WAIT, last_ns, || example(last_ns, 4));
        } else {
            self.ended.close_wait.add(waiting_ns);
            self.show(CLOSE_WAIT, waiting_ns, || example(waiting_ns, 2));
            self.show(LAST_ACK, last_ns, || example(last_ns, 3));
            if last_ns >= WAITED_NS_MIN {
                self.ended.last_ack.add(last_ns);
            }
        }
        let opening = if side == Side::Client { SYN_SENT } else { SYN_RECEIVED };
        self.show(opening, opening_ns, || example(opening_ns, 0));
        if side == Side::Server && opening_ns >= WAITED_NS_MIN {
            self.ended.syn_received.add(opening_ns);
        }
    }

    /// Keeps an example of the state at this place of [`SHOWN`], if it stayed there long enough.
    #[inline]
    fn show(&mut self, place: usize, lasted_ns: i64, example: impl FnOnce() -> Example) {
        if lasted_ns > self.exceeded_ns[place] {
            self.keep(place, example());
        }
    }

    /// Takes what these ends, which [`Self::take_life`] took one by one, have in common.
    pub(super) fn add(&mut self, lives: &Lives) {
        for (states, closer, count) in lives.kinds().filter(|&(.., count)| count > 0) {
            states.iter().for_each(|&state| self.entered[state as usize] += count);
            self.attempts.opened += count;
            self.sockets += count;
            self.held.1 += count;
            match closer {
                Side::Client => self.closers.client += count,
                Side::Server => self.closers.server += count,
            }
        }
    }

    /// Takes the server's end of a SYN alone: somebody tried.
    #[inline]
    pub(super) fn take_tried(&mut self, alone: &Alone) {
        let (peer, start) = alone.tried();
        self.peers.see(peer);
        self.attempts.unanswered += 1;
        self.attempts.single += 1;
        self.failing_peers.see(peer);
        self.series.failed(start);
    }

    /// Takes over what is known of other sockets.
    pub(super) fn join(&mut self, other: &Self) {
        self.series.join(&other.series);
        self.sockets += other.sockets;
        self.entered.iter_mut().zip(other.entered).for_each(|(entered, more)| *entered += more);
        self.closers.client += other.closers.client;
        self.closers.server += other.closers.server;
        self.closers.both += other.closers.both;
        self.attempts.opened += other.attempts.opened;
        self.attempts.half_open += other.attempts.half_open;
        self.attempts.unanswered += other.attempts.unanswered;
        self.attempts.single += other.attempts.single;
        self.attempts.reused += other.attempts.reused;
        self.attempts.reused_illegally += other.attempts.reused_illegally;
        self.attempts.renewed += other.attempts.renewed;
        self.attempts.refused += other.attempts.refused;
        self.attempts.challenged += other.attempts.challenged;
        self.guessed += other.guessed;
        self.ended.join(&other.ended);
        self.going_on.join(&other.going_on);
        self.held.0 += other.held.0;
        self.held.1 += other.held.1;
        self.peers.join(&other.peers);
        self.failing_peers.join(&other.failing_peers);
        self.ports_outside += other.ports_outside;
        self.denials.join(&other.denials);
        for (place, others) in other.examples.iter().enumerate() {
            others.iter().for_each(|&example| self.keep(place, example));
        }
    }

    /// Keeps `example` if it is one of the longest; of equals those that came first.
    fn keep(&mut self, place: usize, example: Example) {
        if example.lasted_ns <= self.exceeded_ns[place] {
            return;
        }
        let kept = &mut self.examples[place];
        kept.reserve_exact(EXAMPLES_MAX + 1 - kept.len());
        let at = kept.partition_point(|kept| kept.lasted_ns >= example.lasted_ns);
        kept.insert(at, example);
        kept.truncate(EXAMPLES_MAX);
        self.exceeded_ns[place] = kept.get(EXAMPLES_MAX - 1).map_or(-1, |least| least.lasted_ns);
    }

    /// Makes looking at it quick, now that no more comes.
    pub(super) fn put_in_order(&mut self) {
        self.series.put_in_order();
    }

    /// There will be so many intervals in all likelihood.
    pub(super) fn reserve(&mut self, intervals: usize) {
        self.series.reserve(intervals);
    }

    pub(super) fn fit(&mut self, intervals_max: usize) {
        self.series.fit(intervals_max);
    }

    #[inline]
    pub(super) fn widen(&mut self, interval_ns: i64) {
        self.series.widen(interval_ns);
    }

    /// Its sockets over time.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The most sockets in `state` at once.
    pub fn peak(&self, state: State) -> Peak {
        self.series.peak_of(state)
    }

    /// The densest stretch of at most `window_ns` in which sockets entered `state`, one of those that pile up
    /// ([`super::PILED`]).
    pub fn densest(&self, state: State, window_ns: i64) -> Option<Stretch> {
        self.series.densest(window_ns, Event::Entered(state))
    }

    /// Sockets that stayed longest in `state`, the longest first.
    pub fn longest(&self, state: State) -> &[Example] {
        shown(state).map_or(&[], |place| &self.examples[place])
    }

    /// How long a socket holds its port on average, ns.
    pub fn held_ns(&self) -> Option<i64> {
        let (sum, count) = self.held;
        (count > 0).then(|| i64::try_from(sum / i128::from(count)).unwrap_or(i64::MAX))
    }

    /// Levels of `state` at up to `count` moments, equally far apart, from when it was first entered to `horizon`.
    pub fn sampled(&self, state: State, horizon: Timestamp, count: i64) -> Vec<(Timestamp, u64)> {
        let levels: Vec<Level> = self.series.levels().collect();
        let Some(first) = levels.iter().find(|level| level.entered(state) > 0) else { return Vec::new() };
        let span = horizon.since(first.from).max(0);
        let mut place = 0;
        (0..=count.max(1))
            .map(|n| {
                let part = i128::from(span) * i128::from(n) / i128::from(count.max(1));
                let time = first.from.plus(i64::try_from(part).unwrap_or(i64::MAX));
                while levels.get(place + 1).is_some_and(|level| level.from <= time) {
                    place += 1;
                }
                (time, if levels[place].from <= time { levels[place].of(state) } else { 0 })
            })
            .collect()
    }

    /// How its attempt to connect ended.
    #[inline]
    fn meet(&mut self, visitor: &Visitor) {
        self.peers.see(visitor.peer);
        match visitor.attempted {
            Attempted::Otherwise => {}
            Attempted::Opened => self.attempts.opened += 1,
            Attempted::Reused | Attempted::ReusedIllegally => {
                self.attempts.opened += 1;
                self.attempts.reused += 1;
                self.attempts.reused_illegally += u64::from(visitor.attempted == Attempted::ReusedIllegally);
            }
            Attempted::HalfOpen => {
                self.attempts.half_open += 1;
                self.fail(visitor);
            }
            Attempted::Unanswered => {
                self.attempts.unanswered += 1;
                self.fail(visitor);
            }
            Attempted::Refused => {
                self.attempts.refused += 1;
                self.denials.take(visitor.start, Denial::Refused);
            }
            Attempted::Challenged => {
                self.attempts.challenged += 1;
                self.denials.take(visitor.start, Denial::Challenged);
            }
            Attempted::Renewed => {
                self.attempts.opened += 1;
                self.attempts.renewed += 1;
                self.denials.take(visitor.start, Denial::Waited);
            }
        }
    }

    fn fail(&mut self, visitor: &Visitor) {
        self.attempts.single += u64::from(visitor.is_single);
        self.failing_peers.see(visitor.peer);
        self.series.failed(visitor.start);
    }

    /// It had a socket.
    #[inline]
    fn socket(&mut self, visitor: &Visitor) {
        self.sockets += 1;
        self.guessed += u64::from(visitor.is_guess);
        self.ports_outside += u64::from(visitor.is_outside);
        match visitor.closer {
            Some(Initiator::Client) => self.closers.client += 1,
            Some(Initiator::Server) => self.closers.server += 1,
            Some(Initiator::Both) => self.closers.both += 1,
            None => {}
        }
        if let Some(held_ns) = visitor.held_ns {
            self.held.0 += i128::from(held_ns);
            self.held.1 += 1;
        }
    }
}

/// The place of `state` in [`SHOWN`].
#[inline]
fn shown(state: State) -> Option<usize> {
    match state {
        State::SynSent => Some(SYN_SENT),
        State::SynReceived => Some(SYN_RECEIVED),
        State::FinWait2 => Some(FIN_WAIT_2),
        State::CloseWait => Some(CLOSE_WAIT),
        State::LastAck => Some(LAST_ACK),
        State::TimeWait => Some(TIME_WAIT),
        State::Closed | State::Listen | State::Established | State::FinWait1 | State::Closing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_with_examples_are_found_by_their_place() {
        assert!(SHOWN.iter().enumerate().all(|(place, &state)| shown(state) == Some(place)));
        assert_eq!(State::ALL.iter().filter_map(|&state| shown(state)).count(), SHOWN.len());
    }

    #[test]
    fn durations_tell_what_is_usual() {
        let mut durations = Durations::default();
        assert_eq!((durations.count(), durations.all_but_one_in(10), durations.at_least(1)), (0, 0, 0));
        (0..95).for_each(|_| durations.add(1_000));
        (0..5).for_each(|_| durations.add(5_000_000_000));
        assert_eq!(durations.count(), 100);
        assert!(durations.all_but_one_in(10) < 10_000);
        assert!(durations.all_but_one_in(100) >= 5_000_000_000);
        assert_eq!(durations.at_least(1_000_000_000), 5);
        assert_eq!(durations.at_least(1_024), 5);
        assert_eq!(durations.at_least(512), 100);
        durations.add(i64::MAX);
        durations.add(-1);
        assert_eq!(durations.at_least(i64::MAX), 0);
    }
}
