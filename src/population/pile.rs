//! The sockets of one group: a host's, a service's, or those of a host toward one destination.

use super::clocks::Clocks;
use super::distinct::Distinct;
use super::idle::IdleEnds;
use super::series::{Level, Peak, PerState, Series, Stretch};
use super::stay::Stay;
use crate::base::{Side, Timestamp};
use crate::connection::{Basis, CloseKind, Connection, Initiator, Lifecycle, OpenKind, RoleBasis, State};

/// Examples kept of each state.
const EXAMPLES_MAX: usize = 8;

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
}

/// Durations by powers of two: enough to tell how long is usual. As long as the longest of them needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations(Vec<u32>);

impl Durations {
    fn add(&mut self, ns: i64) {
        let place = place(ns);
        if self.0.len() <= place {
            self.0.resize(place + 1, 0);
        }
        self.0[place] = self.0[place].saturating_add(1);
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
    /// How long stays lasted whose end was seen, for CLOSE-WAIT and FIN-WAIT-2.
    pub ended: Waits,
    /// How long the others have lasted so far.
    pub going_on: Waits,
    /// How long the sockets of which the end is known held their port, added up, and how many these are.
    pub held: (i128, u64),
    /// Those that ended after a silence.
    pub idle: IdleEnds,
    /// The newest attempts, by the clients' clocks.
    pub clocks: Clocks,
    /// The clients of these servers' sockets.
    pub peers: Distinct,
    /// Those of them whose attempts never opened.
    pub failing_peers: Distinct,
    /// Ports of these sockets outside of the range that the profile gives to clients.
    pub ports_outside: u64,
    examples: Vec<(State, Vec<Example>)>,
}

/// Durations in the two states that wait for an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// In CLOSE-WAIT: for the own one.
    pub close_wait: Durations,
    /// In FIN-WAIT-2: for the peer's.
    pub fin_wait_2: Durations,
}

impl Waits {
    fn of(&mut self, state: State) -> Option<&mut Durations> {
        match state {
            State::CloseWait => Some(&mut self.close_wait),
            State::FinWait2 => Some(&mut self.fin_wait_2),
            _ => None,
        }
    }
}

/// One socket on its way into the piles that it belongs to.
pub struct Arrival<'a> {
    /// Its connection.
    pub connection: &'a Connection,
    /// What became of that.
    pub life: &'a Lifecycle,
    /// Which end it is.
    pub side: Side,
    /// Where it spent its time.
    pub stays: &'a [Stay],
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
            idle: IdleEnds::default(),
            clocks: Clocks::default(),
            peers: Distinct::default(),
            failing_peers: Distinct::default(),
            ports_outside: 0,
            examples: Vec::new(),
        }
    }

    pub(super) fn take(&mut self, arrival: &Arrival<'_>, intervals_max: usize) {
        let Arrival { connection, life, side, stays } = *arrival;
        self.attempt(connection, life, side);
        if let Some(first) = stays.first() {
            self.sockets += 1;
            self.series.born(first.from);
            self.guessed += u64::from(connection.role_basis == RoleBasis::Guess);
            let port = connection.endpoint(side).port;
            let profile = &life.profiles[side];
            let range = profile.ephemeral_first..=profile.ephemeral_last;
            self.ports_outside += u64::from(!range.contains(&port));
            self.close(life);
            self.hold(stays, life);
        }
        for stay in stays {
            self.series.stay(stay.state, stay.from, stay.until);
            self.entered[stay.state as usize] += 1;
            let lasted_ns = stay.lasted_ns(life.horizon);
            let waits = if stay.until.is_some() { &mut self.ended } else { &mut self.going_on };
            if let Some(durations) = waits.of(stay.state) {
                durations.add(lasted_ns);
            }
            self.example(stay, Example { stream: connection.stream, frame: stay.frame, lasted_ns });
        }
        if self.series.len() > intervals_max {
            self.fit(intervals_max - intervals_max / 4);
        }
    }

    pub(super) fn fit(&mut self, intervals_max: usize) {
        self.series.fit(intervals_max);
    }

    /// Its sockets over time.
    pub fn series(&self) -> &Series {
        &self.series
    }

    /// The most sockets in `state` at once.
    pub fn peak(&self, state: State) -> Peak {
        self.series.peak(|level| level.of(state))
    }

    /// The densest stretch of at most `window_ns` in which sockets entered `state`.
    pub fn densest(&self, state: State, window_ns: i64) -> Option<Stretch> {
        self.series.densest(window_ns, |level| u64::from(level.entered[state as usize]))
    }

    /// Sockets that stayed longest in `state`, the longest first.
    pub fn longest(&self, state: State) -> &[Example] {
        self.examples.iter().find(|(of, _)| *of == state).map_or(&[], |(_, examples)| examples)
    }

    /// How long a socket holds its port on average, ns.
    pub fn held_ns(&self) -> Option<i64> {
        let (sum, count) = self.held;
        (count > 0).then(|| i64::try_from(sum / i128::from(count)).unwrap_or(i64::MAX))
    }

    /// Levels of `state` at up to `count` moments, equally far apart, from when it was first entered to `horizon`.
    pub fn sampled(&self, state: State, horizon: Timestamp, count: i64) -> Vec<(Timestamp, u64)> {
        let levels: Vec<Level> = self.series.levels().collect();
        let Some(first) = levels.iter().find(|level| level.entered[state as usize] > 0) else { return Vec::new() };
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

    fn attempt(&mut self, connection: &Connection, life: &Lifecycle, side: Side) {
        let peer = connection.endpoint(!side).ip;
        // A client's peers are its destinations, which have piles of their own.
        if side == Side::Server {
            self.peers.see(peer);
        }
        let is_single = connection.halves.client.syns == 1 && connection.halves.client.frames == 1;
        match life.opening.kind {
            OpenKind::HalfOpen => self.attempts.half_open += 1,
            OpenKind::Unanswered => self.attempts.unanswered += 1,
            OpenKind::Refused | OpenKind::Rejected | OpenKind::Aborted | OpenKind::Midstream => return,
            OpenKind::ThreeWay | OpenKind::Simultaneous | OpenKind::Split | OpenKind::FastOpen => {
                self.attempts.opened += 1;
                let past = connection.predecessor.filter(|past| past.is_over());
                let gap = past.map(|past| connection.start.since(past.end));
                self.attempts.reused += u64::from(gap.is_some_and(|gap| gap < life.profiles[!side].time_wait_ns));
                return;
            }
        }
        self.attempts.single += u64::from(is_single);
        self.failing_peers.see(peer);
        self.series.failed(connection.start);
    }

    fn close(&mut self, life: &Lifecycle) {
        if matches!(life.closing.kind, CloseKind::None | CloseKind::Refused) && life.closing.fins == Default::default()
        {
            return;
        }
        match life.closing.initiator {
            Some(Initiator::Client) => self.closers.client += 1,
            Some(Initiator::Server) => self.closers.server += 1,
            Some(Initiator::Both) => self.closers.both += 1,
            None => {}
        }
    }

    /// A port is held from the first state to the end of the last one, TIME-WAIT included.
    fn hold(&mut self, stays: &[Stay], life: &Lifecycle) {
        let (Some(first), Some(last)) = (stays.first(), stays.last()) else { return };
        let expected = last.runs_out.filter(|_| last.state == State::TimeWait);
        if let Some(until) = expected.or(last.until.filter(|&until| until <= life.horizon)) {
            self.held.0 += i128::from(until.since(first.from).max(0));
            self.held.1 += 1;
        }
    }

    fn example(&mut self, stay: &Stay, example: Example) {
        if !matches!(
            stay.state,
            State::TimeWait | State::CloseWait | State::FinWait2 | State::SynReceived | State::SynSent | State::LastAck
        ) || stay.basis == Basis::Assumed && stay.frame.is_none()
        {
            return;
        }
        let place = match self.examples.iter().position(|(of, _)| *of == stay.state) {
            Some(place) => place,
            None => {
                self.examples.push((stay.state, Vec::new()));
                self.examples.len() - 1
            }
        };
        let kept = &mut self.examples[place].1;
        if kept.len() == EXAMPLES_MAX && kept.last().is_some_and(|least| example.lasted_ns <= least.lasted_ns) {
            return;
        }
        let at = kept.partition_point(|kept| kept.lasted_ns >= example.lasted_ns);
        kept.insert(at, example);
        kept.truncate(EXAMPLES_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
