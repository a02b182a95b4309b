//! The sockets of every host at one moment, as `ss` would have listed them.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use super::absence::{assassinated, outlived, was_gone, was_renumbered};
use super::dating::Dating;
use super::stay::{Departure, Stay, stays};
use crate::base::{Endpoint, Side, Sides, Timestamp};
use crate::connection::{Basis, Class, Connection, Half, Lifecycle, Noted, State};
use crate::table::Table;

/// Which moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A time of the capture's clock.
    Time(Timestamp),
    /// Nanoseconds after the first frame.
    Offset(i64),
    /// Just after this frame.
    Frame(u64),
    /// After the last frame.
    End,
}

/// Octets on their way, from the view of one socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queues {
    /// Received in order, and not acknowledged yet. What the application has not read is not on the wire.
    pub received: u64,
    /// Sent, and not acknowledged yet; SYN and FIN count one each, as in the kernel.
    pub sent: u64,
    /// Since when the peer has not answered what was sent, and how much of that was sent again.
    pub unanswered: Option<(Timestamp, u32)>,
    /// Probes in a row that the peer has not answered.
    pub probes: u32,
}

/// The timer that runs on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// TIME-WAIT, or FIN-WAIT-2 of a closed application: nanoseconds that are left.
    TimeWait {
        /// Until it runs out, ns.
        left_ns: i64,
    },
    /// Retransmission: for how long what was sent has been waiting, and how often it was repeated.
    Retransmission {
        /// Since the first transmission, ns.
        running_ns: i64,
        /// Transmissions beyond the first.
        repeated: u32,
    },
    /// Probes: keepalive, or of a closed window.
    Probe {
        /// Unanswered so far.
        unanswered: u32,
    },
}

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// This end.
    pub local: Endpoint,
    /// The other end.
    pub peer: Endpoint,
    /// Which role this end has.
    pub side: Side,
    /// Its connection.
    pub stream: u64,
    /// The state.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// How the state is known.
    pub basis: Basis,
    /// The frame that put it into the state; none for a timer.
    pub frame: Option<u64>,
    /// Octets on their way.
    pub queues: Queues,
    /// The timer that runs, if one does.
    pub timer: Option<Timer>,
}

/// Collects the sockets of one moment while a capture is read, whether its connections leave before it or after.
#[derive(Debug)]
pub struct SocketTable {
    moment: Moment,
    /// The first frame's time.
    first: Option<Timestamp>,
    /// The newest frame and its time.
    newest: (u64, Timestamp),
    /// The moment as time and frame, once it is reached.
    reached: Option<(Timestamp, u64)>,
    queues: HashMap<u64, Sides<Queues>, RandomState>,
    /// By both endpoints; of several incarnations the newest that has a socket.
    sockets: BTreeMap<(Endpoint, Endpoint), (u64, Stay, Side)>,
    scratch: Vec<Stay>,
}

impl SocketTable {
    /// For this moment.
    pub fn new(moment: Moment) -> Self {
        Self {
            moment,
            first: None,
            newest: (0, Timestamp(i64::MIN)),
            reached: None,
            queues: HashMap::default(),
            sockets: BTreeMap::new(),
            scratch: Vec::new(),
        }
    }

    /// Frame `number` of `time` comes next, and `table` is as the frames before left it.
    pub fn before(&mut self, number: u64, time: Timestamp, table: &Table) {
        let first = *self.first.get_or_insert(time);
        if self.reached.is_none() {
            let at = match self.moment {
                Moment::Time(at) if time > at => Some(at),
                Moment::Offset(offset) if time > first.plus(offset) => Some(first.plus(offset)),
                Moment::Frame(frame) if number > frame => Some(self.newest.1),
                Moment::Time(_) | Moment::Offset(_) | Moment::Frame(_) | Moment::End => None,
            };
            if let Some(at) = at {
                self.reach(at, table);
            }
        }
        self.newest = (number, self.newest.1.max(time));
    }

    /// The input has ended, and `table` still holds what is open.
    pub fn at_end(&mut self, table: &Table) {
        if self.reached.is_none() {
            let (_, newest) = self.newest;
            let at = match (self.moment, self.first) {
                (Moment::Time(at), _) => at,
                (Moment::Offset(offset), Some(first)) => first.plus(offset),
                (Moment::Frame(_) | Moment::End | Moment::Offset(_), _) => newest,
            };
            self.reach(at, table);
        }
    }

    /// The moment, once the input has come so far: its time and the last frame before it.
    pub fn reached(&self) -> Option<(Timestamp, u64)> {
        self.reached
    }

    /// How long after the last frame the moment is, ns; 0 when a frame came later.
    pub fn beyond_ns(&self) -> i64 {
        self.reached.map_or(0, |(at, _)| at.since(self.newest.1).max(0))
    }

    /// The first frame's time.
    pub fn began(&self) -> Option<Timestamp> {
        self.first
    }

    /// Takes a connection that leaves.
    pub fn take(&mut self, connection: &Connection, life: &Lifecycle) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for side in Side::BOTH {
            let key = (connection.endpoint(side), connection.endpoint(!side));
            stays(connection, life, side, Departure::Over, self.dating(), &mut scratch);
            self.succeed(key, connection, life, side, &scratch);
            if let Some(stay) = self.stay(&scratch) {
                let stay = self.reached.map_or(stay, |(at, _)| stay.known_at(at, life, side, self.dating()));
                let place = self.sockets.entry(key).or_insert((connection.stream, stay, side));
                if place.0 <= connection.stream {
                    *place = (connection.stream, stay, side);
                }
            }
        }
        self.scratch = scratch;
    }

    /// Takes away a socket of an earlier connection that was not there any more. A successor does not end TIME-WAIT by
    /// beginning: whether its SYN was accepted shows in its own states.
    fn succeed(
        &mut self,
        key: (Endpoint, Endpoint),
        connection: &Connection,
        life: &Lifecycle,
        side: Side,
        stays: &[Stay],
    ) {
        let Some(&(stream, before, _)) = self.sockets.get(&key) else { return };
        if stream >= connection.stream {
            return;
        }
        let is_past = |time: Timestamp| self.reached.is_none_or(|(at, _)| time <= at);
        let has_begun = stays.first().is_some_and(|first| is_past(first.from));
        let forgotten = was_gone(connection, life, side).map(|by| before.from.plus(by.since(before.from) / 2));
        let cut_short = || Some(outlived(before.from, was_renumbered(connection, life, side)?));
        let ended = assassinated(connection, life, side).or(forgotten).or_else(cut_short);
        if has_begun || before.state == State::TimeWait && ended.is_some_and(is_past) {
            self.sockets.remove(&key);
        }
    }

    /// The sockets, by their endpoints.
    pub fn finish(self) -> Vec<Socket> {
        let (at, _) = self.reached.unwrap_or((self.newest.1, self.newest.0));
        let late_ns = self.dating().late_ns();
        let is_alive = |stay: &Stay| stay.runs_out.is_none_or(|until| until.plus(late_ns) > at);
        self.sockets
            .iter()
            .filter(|(_, (_, stay, _))| is_alive(stay))
            .map(|(&(local, peer), &(stream, stay, side))| {
                let queues = self.queues.get(&stream).map_or(Queues::default(), |queues| queues[side]);
                socket(
                    at,
                    Socket {
                        local,
                        peer,
                        side,
                        stream,
                        state: stay.state,
                        since: stay.from,
                        basis: stay.basis,
                        frame: stay.frame,
                        queues,
                        timer: None,
                    },
                    &stay,
                )
            })
            .collect()
    }

    fn reach(&mut self, at: Timestamp, table: &Table) {
        self.reached = Some((at, self.newest.0));
        for connection in table.connections() {
            let queues = Sides { client: queues(&connection, Side::Client), server: queues(&connection, Side::Server) };
            if queues != Sides::default() {
                self.queues.insert(connection.stream, queues);
            }
        }
    }

    /// At a time, sockets are in the states that the hosts had then; after a frame, in those that the frames show.
    fn dating(&self) -> Dating {
        match self.moment {
            Moment::Time(_) | Moment::Offset(_) => Dating::AtEnd,
            Moment::Frame(_) | Moment::End => Dating::AtTap,
        }
    }

    /// The stay at the moment. Before the moment is reached it is the last one, unless that has ended.
    fn stay(&self, stays: &[Stay]) -> Option<Stay> {
        let Some((at, frame)) = self.reached else {
            return stays.last().copied().filter(|stay| stay.until.is_none());
        };
        // Frames of one time are told apart by their numbers.
        let has_begun =
            |stay: &&Stay| stay.from < at || stay.from == at && stay.frame.is_none_or(|shown| shown <= frame);
        let begun = stays.iter().take_while(has_begun).count();
        let next_began = begun < stays.len();
        let mut stay = begun.checked_sub(1).map(|last| stays[last])?;
        // A packet that has not come to the tap yet, or to the endpoint, was dated by an estimate.
        let has_passed = |stay: &Stay| stay.frame.is_some_and(|shown| shown <= frame);
        let is_estimate = stay.frame.is_some() && !has_passed(&stay) || stays.get(begun).is_some_and(has_passed);
        if is_estimate && stay.basis == Basis::Seen {
            stay.basis = Basis::Inferred;
        }
        (next_began || stay.until.is_none_or(|until| until > at)).then_some(stay)
    }
}

/// What a state leaves of queues and timers.
fn socket(at: Timestamp, mut socket: Socket, stay: &Stay) -> Socket {
    if has_own_segment_out(socket.state) && socket.queues.sent == 0 {
        // A lone SYN is kept in too few octets to count what it leaves waiting; and what has passed the tap has not come to the
        // socket yet.
        (socket.queues.sent, socket.queues.unanswered) = (1, Some((socket.since, 0)));
    }
    if matches!(socket.state, State::SynSent | State::SynReceived | State::TimeWait) {
        socket.queues.received = 0;
    }
    let unanswered = socket.queues.unanswered.filter(|_| socket.queues.sent > 0);
    socket.timer = match (stay.runs_out, unanswered) {
        (Some(until), _) => Some(Timer::TimeWait { left_ns: until.since(at).max(0) }),
        (None, _) if socket.queues.probes > 0 => Some(Timer::Probe { unanswered: socket.queues.probes }),
        (None, Some((since, repeated))) => Some(Timer::Retransmission { running_ns: at.since(since).max(0), repeated }),
        (None, None) => None,
    };
    match socket.state {
        // The kernel keeps no full socket for these.
        State::TimeWait | State::FinWait2 | State::SynReceived => socket.queues.sent = 0,
        _ => {}
    }
    socket
}

/// What the state waits for is the acknowledgment of its own SYN or FIN.
fn has_own_segment_out(state: State) -> bool {
    matches!(state, State::SynSent | State::FinWait1 | State::Closing | State::LastAck)
}

fn queues(connection: &Connection, side: Side) -> Queues {
    let (own, peer) = (&connection.halves[side], &connection.halves[!side]);
    let is_unheard = |silent: &Half| silent.frames == 0 && silent.acked.is_some();
    if is_unheard(own) || is_unheard(peer) {
        // One direction was captured: what the other acknowledged is not known.
        return Queues::default();
    }
    Queues {
        received: received(peer),
        sent: on_the_way(own),
        unanswered: own.unanswered_since.map(|since| (since, repeated(connection, side, since))),
        probes: own.unanswered_probes,
    }
}

/// How often `side` has sent again since then.
fn repeated(connection: &Connection, side: Side, since: Timestamp) -> u32 {
    let again = |note: &&Noted| {
        note.side == side && note.time > since && note.class.contains(Class::RETRANSMISSION) && note.end() != note.seq
    };
    u32::try_from(connection.journal.all().filter(again).count()).unwrap_or(u32::MAX)
}

/// What of `half` came in order and is not acknowledged.
fn received(half: &Half) -> u64 {
    let Some(first) = half.acked.or(half.isn).or(half.start) else { return 0 };
    let end = half.gaps.first_before(half.nxt);
    u64::try_from(end.since(first)).unwrap_or(0)
}

/// Sequence space sent and not acknowledged.
fn on_the_way(half: &Half) -> u64 {
    let Some(first) = half.acked.or(half.isn).or(half.start) else { return 0 };
    u64::try_from(half.nxt.since(first)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_has_the_queues_of_its_own_state_and_not_of_what_has_passed_the_tap() {
        let end = |port| Endpoint::new("10.0.0.1".parse().unwrap(), port);
        let told = |state, queues| {
            let (since, side, basis) = (Timestamp(0), Side::Client, Basis::Seen);
            let (local, peer) = (end(1), end(2));
            let of = Socket { local, peer, side, stream: 0, state, since, basis, frame: Some(1), queues, timer: None };
            let stay = Stay { state, from: since, until: None, frame: Some(1), basis, runs_out: None };
            let found = socket(Timestamp(7), of, &stay);
            (found.queues.received, found.queues.sent, found.timer)
        };
        let waits = Some(Timer::Retransmission { running_ns: 7, repeated: 0 });
        // Its FIN was acknowledged beside the tap, and the acknowledgment is on its way.
        assert_eq!(told(State::LastAck, Queues::default()), (0, 1, waits));
        // The SYN-ACK is on its way.
        assert_eq!(told(State::SynSent, Queues { received: 1, ..Queues::default() }), (0, 1, waits));
        assert_eq!(told(State::SynReceived, Queues { received: 1, sent: 1, ..Queues::default() }).1, 0);
        assert_eq!(told(State::Established, Queues { received: 9, ..Queues::default() }), (9, 0, None));
    }

    #[test]
    fn what_came_behind_a_hole_was_not_received() {
        let trace = "client > SYN\nserver > SYN ACK\nclient > ACK\nserver > data 1:101\nserver > data 201:301\n";
        let segments = crate::source::script::segments(trace).unwrap();
        let mut connection = Connection::new(0, &segments[0], None);
        segments.iter().for_each(|segment| connection.step(segment));
        let of = |side| queues(&connection, side);
        assert_eq!((of(Side::Client).received, of(Side::Server).sent), (100, 300));
    }

    #[test]
    fn of_one_direction_no_queue_is_known() {
        let queued = |trace: &str| {
            let segments = crate::source::script::segments(trace).unwrap();
            let mut connection = Connection::new(0, &segments[0], None);
            segments.iter().for_each(|segment| connection.step(segment));
            Side::BOTH.map(|side| queues(&connection, side))
        };
        let known = queued("client > SYN");
        assert_eq!((known[0].sent, known[0].unanswered), (1, Some((Timestamp(0), 0))));
        assert_eq!(queued("client > SYN\n+1 client > ACK ack 1\nclient > data 10 ack 1"), [Queues::default(); 2]);
    }
}
