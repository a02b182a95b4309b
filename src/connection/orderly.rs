//! The life of a connection in which nothing went wrong, told from its packed segments in one pass.
//!
//! [`Lifecycle`](super::Lifecycle) is the authority. What stands here answers only where that could not say anything else:
//! for a SYN that nothing followed, and for a handshake, data in order and one FIN of each side at most, each acknowledged
//! before anything else came. Of such a life no comparison of times decides anything but how long its timers ran, and every
//! number is the one that was due. Whatever else there is makes it none, a closed window or a reset for instance. Debug builds
//! tell every such life both ways and panic when the two differ.

use smallvec::SmallVec;

use super::brief::Brief;
use super::noted::{Class, Noted};
use super::profile::{Greeting, Profile};
use super::state::State;
use super::step::SILENCE_NS;
use super::words::{Basis, CloseKind, Initiator, OpenKind, StateStep};
use crate::base::{Endpoint, Seq, Side, Sides, Timestamp};
use crate::segment::{Flags, Marks, Segment};

/// More than one IP packet holds.
const SIZE_MAX: u32 = u16::MAX as u32;
/// A server that has not been heard since its SYN-ACK holds the connection for certain as long as the client said no more.
const UNHEARD_MAX: u32 = 3;
/// A FIN in a shorter life crosses no request of an idle connection, ns: half of what makes one idle.
const BRIEF_NS: i64 = 500_000_000;

/// What of a frame's marks tells nothing about a connection.
const ORDINARY: Marks = Marks::CHECKSUM_GOOD
    .union(Marks::CHECKSUM_PARTIAL)
    .union(Marks::OUTBOUND)
    .union(Marks::INBOUND)
    .union(Marks::REASSEMBLED)
    .union(Marks::DONT_FRAGMENT)
    .union(Marks::PAYLOAD_CUT);

/// The states that one end entered.
pub type Steps = SmallVec<[StateStep; 6]>;

/// The life of an orderly connection: what [`Lifecycle`](super::Lifecycle) would say of it.
#[derive(Clone, Debug)]
pub struct Orderly {
    /// Wireshark's `tcp.stream`.
    pub stream: u64,
    /// The end that opened.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// Time of the SYN.
    pub start: Timestamp,
    /// Time of the newest segment.
    pub end: Timestamp,
    /// The newest packet time of the whole capture.
    pub horizon: Timestamp,
    /// How it began.
    pub open: OpenKind,
    /// How it ended.
    pub close: CloseKind,
    /// Who began the close.
    pub initiator: Option<Initiator>,
    /// For how long neither side had sent payload when the first FIN came, ns.
    pub idle_ns: Option<i64>,
    /// The FIN of each side.
    pub fins: Sides<Option<Place>>,
    /// The server sent payload.
    pub has_answered: bool,
    /// The states of each endpoint.
    pub states: Sides<Steps>,
    /// The stack of each end.
    pub profiles: Sides<Profile>,
    /// The SYN's frame.
    pub syn_frame: u64,
    /// The SYN's timestamp.
    pub syn_clock: Option<u32>,
    /// The longest silence, ns.
    pub silence_ns: i64,
    /// The segment that ended it, if it was one of seconds.
    pub after_silence: Option<Noted>,
    /// It had to make room for others before it ended.
    pub evicted: bool,
    /// The first segment of which the capture lacks payload.
    pub cut: Option<Place>,
    /// The first segment that is larger than its receiver takes in one.
    pub large: Option<Place>,
    /// Who sent such segments.
    pub sends_large: Sides<bool>,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Nothing,
    Asked,
    Answered,
    Open,
    /// The first FIN was sent.
    Closing,
    /// And acknowledged.
    HalfClosed,
    /// And the other.
    Closed,
    /// And acknowledged.
    Over,
}

/// A segment's place in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// When it was captured.
    pub time: Timestamp,
    /// Its frame.
    pub frame: u64,
}

impl Place {
    /// That of a remembered segment.
    pub fn of(note: &Noted) -> Self {
        Self { time: note.time, frame: note.frame }
    }
}

/// One direction.
#[derive(Clone, Copy, Debug)]
struct Way {
    nxt: Seq,
    ack: Seq,
    /// What the other end takes in one segment, if it said so.
    len_max: Option<u16>,
    /// Of the newest segments, where they are compared.
    digests: [u32; 4],
    cursor: usize,
    greeting: Option<Greeting>,
}

/// The pass over the packed segments.
struct Pass {
    stage: Stage,
    server_segments: u32,
    /// Segments of the client that ask for an answer.
    client_transmissions: u32,
    /// What the server sent shows that it had the handshake's end.
    is_server_heard: bool,
    ways: Sides<Way>,
    syn: Place,
    syn_clock: Option<u32>,
    /// The number after the SYN's.
    syn_end: Seq,
    syn_ack: Place,
    opened: Place,
    /// The timestamp of the handshake's end, where the ends use timestamps.
    clock: Option<Seq>,
    last_data: Option<Timestamp>,
    has_answered: bool,
    closer: Side,
    first_fin: Place,
    first_fin_len: u32,
    /// All that the other end had sent had reached the closer.
    is_drained: bool,
    fin_acked: Place,
    second_fin: Place,
    newest: Place,
    silence_ns: i64,
    after_silence: Option<Noted>,
    cut: Option<Place>,
    large: Option<Place>,
    sends_large: Sides<bool>,
    twins: Twins,
}

/// Equal segments of one side would be taken for one frame captured twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Twins {
    /// Each says something new, so no two can be equal.
    None,
    /// One says nothing new: it must be compared.
    Possible,
    /// They are compared.
    Compared,
}

impl Orderly {
    /// Tells the life of what `brief` holds; none when it is not certain to be orderly. `profile` is what is taken for the
    /// stack of an end that does not show its own.
    pub fn of(
        stream: u64,
        (client, server): (Endpoint, Endpoint),
        brief: &Brief,
        horizon: Timestamp,
        profile: Profile,
    ) -> Option<Self> {
        if !brief.is_settled() {
            return None;
        }
        let mut pass = Pass::new(Twins::None);
        let mut is_orderly = brief.each_from_first(client, server, |side, segment| pass.take(side, segment));
        if pass.twins == Twins::Possible {
            pass = Pass::new(Twins::Compared);
            is_orderly = brief.each_from_first(client, server, |side, segment| pass.take(side, segment));
        }
        if !is_orderly {
            return None;
        }
        pass.count_to(Place { time: brief.end(), frame: brief.last_frame() });
        Self::tell(stream, (client, server), &pass, horizon, profile)
    }

    /// The same of a SYN that nothing followed.
    pub fn of_syn(stream: u64, syn: &Segment, horizon: Timestamp, profile: Profile) -> Option<Self> {
        let mut pass = Pass::new(Twins::None);
        let is_orderly = Brief::can_begin(syn) && pass.take(Side::Client, syn);
        is_orderly.then(|| Self::tell(stream, (syn.source, syn.destination), &pass, horizon, profile))?
    }

    fn tell(
        stream: u64,
        (client, server): (Endpoint, Endpoint),
        pass: &Pass,
        horizon: Timestamp,
        profile: Profile,
    ) -> Option<Self> {
        let horizon = horizon.max(pass.newest.time);
        let profile_of = |side: Side| profile.of(pass.ways[side].greeting);
        let profiles = Sides { client: profile_of(Side::Client), server: profile_of(Side::Server) };
        let mut orderly = Self {
            stream,
            client,
            server,
            start: pass.syn.time,
            end: pass.newest.time,
            horizon,
            open: OpenKind::Unanswered,
            close: CloseKind::None,
            initiator: None,
            idle_ns: None,
            fins: Sides::default(),
            has_answered: pass.has_answered,
            states: Sides { client: Steps::new(), server: Steps::new() },
            profiles,
            syn_frame: pass.syn.frame,
            syn_clock: pass.syn_clock,
            silence_ns: pass.silence_ns,
            after_silence: pass.after_silence,
            evicted: false,
            cut: pass.cut,
            large: pass.large,
            sends_large: pass.sends_large,
        };
        match pass.stage {
            Stage::Asked => orderly.tell_unanswered(pass),
            Stage::Open => orderly.tell_opened(pass)?,
            Stage::HalfClosed | Stage::Over => orderly.tell_closed(pass)?,
            _ => return None,
        }
        Some(orderly)
    }

    fn tell_unanswered(&mut self, pass: &Pass) {
        // connect() had its time, or at least the first repetition was due (RFC 6298, section 2.1).
        if self.horizon.since(pass.syn.time) >= SYN_RTO_NS {
            self.close = CloseKind::TimedOut;
        }
        let states = &mut self.states.client;
        enter(states, State::SynSent, pass.syn, Basis::Seen);
        run_out(states, pass.syn.time.plus(self.profiles.client.syn_give_up_ns), self.horizon);
    }

    /// Open, and as far as the capture goes it stays so.
    fn tell_opened(&mut self, pass: &Pass) -> Option<()> {
        let is_heard = pass.is_server_heard;
        if !is_heard && (pass.server_segments > 0 || pass.client_transmissions > UNHEARD_MAX) {
            return None;
        }
        self.open = OpenKind::ThreeWay;
        let Sides { client, server } = &mut self.states;
        enter(client, State::SynSent, pass.syn, Basis::Seen);
        enter(client, State::Established, pass.syn_ack, Basis::Seen);
        enter(server, State::SynReceived, pass.syn_ack, Basis::Seen);
        enter(server, State::Established, pass.opened, if is_heard { Basis::Seen } else { Basis::Inferred });
        Some(())
    }

    /// Closed by one end at least.
    fn tell_closed(&mut self, pass: &Pass) -> Option<()> {
        if !pass.is_drained && self.end.since(self.start) >= BRIEF_NS {
            return None;
        }
        let (closer, answerer) = (pass.closer, !pass.closer);
        if pass.stage == Stage::Over {
            let is_prompt = pass.fin_acked.frame == pass.second_fin.frame;
            self.close = if is_prompt { CloseKind::ThreeSegment } else { CloseKind::FourSegment };
            self.fins[answerer] = Some(pass.second_fin);
        }
        self.open = OpenKind::ThreeWay;
        self.initiator = Some(match closer {
            Side::Client => Initiator::Client,
            Side::Server => Initiator::Server,
        });
        self.fins[closer] = Some(pass.first_fin);
        let since = pass.last_data.unwrap_or(pass.syn.time);
        self.idle_ns = Some(if pass.first_fin_len > 0 { 0 } else { pass.first_fin.time.since(since).max(0) });
        let Sides { client, server } = &mut self.states;
        enter(client, State::SynSent, pass.syn, Basis::Seen);
        enter(client, State::Established, pass.syn_ack, Basis::Seen);
        enter(server, State::SynReceived, pass.syn_ack, Basis::Seen);
        enter(server, State::Established, pass.opened, Basis::Seen);
        let active = &mut self.states[closer];
        enter(active, State::FinWait1, pass.first_fin, Basis::Seen);
        enter(active, State::FinWait2, pass.fin_acked, Basis::Inferred);
        let passive = &mut self.states[answerer];
        enter(passive, State::CloseWait, pass.first_fin, Basis::Seen);
        if pass.stage == Stage::Over {
            enter(passive, State::LastAck, pass.second_fin, Basis::Seen);
            enter(passive, State::Closed, pass.newest, Basis::Inferred);
            let active = &mut self.states[closer];
            enter(active, State::TimeWait, pass.second_fin, Basis::Seen);
            run_out(active, pass.second_fin.time.plus(self.profiles[closer].time_wait_ns), self.horizon);
        }
        Some(())
    }

    /// The side that was in CLOSE-WAIT to the end, and since when.
    pub fn close_waiting(&self) -> Option<(Side, Timestamp)> {
        let waiting = |side: Side| self.states[side].last().filter(|step| step.state == State::CloseWait);
        Side::BOTH.into_iter().find_map(|side| Some((side, waiting(side)?.time)))
    }

    /// The frame of the first FIN.
    pub fn closing_frame(&self) -> Option<u64> {
        [self.fins.client, self.fins.server].into_iter().flatten().map(|fin| fin.frame).min()
    }

    /// SYN-ACKs that the server sent.
    pub fn syn_acks(&self) -> u32 {
        u32::from(self.open == OpenKind::ThreeWay)
    }
}

/// The first retransmission timeout of a SYN (RFC 6298, section 2.1), ns.
const SYN_RTO_NS: i64 = 1_000_000_000;

fn enter(states: &mut Steps, state: State, at: Place, basis: Basis) {
    states.push(StateStep { state, time: at.time, frame: Some(at.frame), basis });
}

/// A timer that must have run out before the end of the capture.
fn run_out(states: &mut Steps, at: Timestamp, horizon: Timestamp) {
    if at < horizon {
        states.push(StateStep { state: State::Closed, time: at, frame: None, basis: Basis::Assumed });
    }
}

impl Way {
    const NEW: Self = Self { nxt: Seq(0), ack: Seq(0), len_max: None, digests: [0; 4], cursor: 0, greeting: None };

    /// Whether one of the newest segments equals `segment`, which is remembered.
    fn has_twin(&mut self, segment: &Segment) -> bool {
        let digest = segment.packet_digest();
        let is_there = self.digests.contains(&digest);
        self.digests[self.cursor % 4] = digest;
        self.cursor += 1;
        is_there
    }
}

impl Pass {
    fn new(twins: Twins) -> Self {
        let none = Place::default();
        Self {
            stage: Stage::Nothing,
            server_segments: 0,
            client_transmissions: 0,
            is_server_heard: false,
            ways: Sides { client: Way::NEW, server: Way::NEW },
            syn: none,
            syn_clock: None,
            syn_end: Seq(0),
            syn_ack: none,
            opened: none,
            clock: None,
            last_data: None,
            has_answered: false,
            closer: Side::Client,
            first_fin: none,
            first_fin_len: 0,
            is_drained: false,
            fin_acked: none,
            second_fin: none,
            newest: none,
            silence_ns: 0,
            after_silence: None,
            cut: None,
            large: None,
            sends_large: Sides::default(),
            twins,
        }
    }

    /// Times and frames were counted from the first segment; the newest was at `newest`.
    fn count_to(&mut self, newest: Place) {
        let (time, frame) = (newest.time.since(self.newest.time), newest.frame.wrapping_sub(self.newest.frame));
        let count =
            |place: &mut Place| *place = Place { time: place.time.plus(time), frame: place.frame.wrapping_add(frame) };
        let places = [
            &mut self.syn,
            &mut self.syn_ack,
            &mut self.opened,
            &mut self.first_fin,
            &mut self.fin_acked,
            &mut self.second_fin,
            &mut self.newest,
        ];
        for place in places.into_iter().chain(&mut self.cut).chain(&mut self.large) {
            count(place);
        }
        self.last_data = self.last_data.map(|data| data.plus(time));
        if let Some(note) = &mut self.after_silence {
            (note.time, note.frame) = (note.time.plus(time), note.frame.wrapping_add(frame));
        }
    }

    /// Takes the next segment; false when the life is not orderly with it. That numbers are in order and
    /// acknowledgments within what was sent, the brief holds.
    #[inline]
    fn take(&mut self, side: Side, segment: &Segment) -> bool {
        let now = Place { time: segment.time, frame: segment.frame.0 };
        if self.stage != Stage::Nothing && !self.goes_on(side, segment, now) || segment.marks.intersects(!ORDINARY) {
            return false;
        }
        self.newest = now;
        let way = &mut self.ways[side];
        if self.twins == Twins::Compared && way.has_twin(segment) {
            return false;
        }
        if segment.marks.contains(Marks::PAYLOAD_CUT) {
            self.cut.get_or_insert(now);
        }
        let previous_ack = way.ack;
        way.ack = segment.ack;
        way.nxt = segment.seq_end();
        if segment.flags.contains(Flags::SYN) {
            return self.open(side, segment, now);
        }
        if self.is_too_large(side, segment, now) {
            return false;
        }
        let is_clocked = match (self.clock, segment.options.timestamps) {
            (None, None) => true,
            // Who echoes less than the handshake's end may not have had it.
            (Some(clock), Some(stamps)) => {
                side == Side::Client
                    || self.stage == Stage::Answered
                    || stamps.echo != 0 && Seq(stamps.echo).at_or_after(clock)
            }
            _ => false,
        };
        let is_bare = segment.payload_len == 0 && !segment.flags.contains(Flags::FIN);
        if !is_clocked || segment.window == 0 || segment.flags.contains(Flags::RST) {
            return false;
        }
        match side {
            Side::Client => self.client_transmissions += u32::from(!is_bare),
            Side::Server => {
                self.server_segments += 1;
                self.is_server_heard |= !is_bare || segment.ack != self.syn_end;
            }
        }
        self.has_answered |= side == Side::Server && segment.payload_len > 0;
        match self.stage {
            Stage::Answered => {
                self.stage = Stage::Open;
                self.opened = now;
                self.clock = segment.options.timestamps.map(|stamps| Seq(stamps.value));
                is_bare && side == Side::Client && segment.ack == self.ways.server.nxt
            }
            Stage::Open if segment.flags.contains(Flags::FIN) => {
                self.stage = Stage::Closing;
                (self.closer, self.first_fin, self.first_fin_len) = (side, now, segment.payload_len);
                self.is_drained = segment.ack == self.ways[!side].nxt;
                true
            }
            Stage::Open => {
                if !is_bare {
                    self.last_data = Some(now.time);
                }
                if is_bare && segment.ack == previous_ack && self.twins == Twins::None {
                    self.twins = Twins::Possible;
                    return false;
                }
                true
            }
            Stage::Closing | Stage::HalfClosed => {
                let answers = side != self.closer && segment.ack == self.ways[self.closer].nxt;
                if self.stage == Stage::Closing {
                    self.fin_acked = now;
                }
                if segment.flags.contains(Flags::FIN) {
                    self.stage = Stage::Closed;
                    self.second_fin = now;
                } else if self.stage == Stage::Closing {
                    self.stage = Stage::HalfClosed;
                } else {
                    return false;
                }
                answers && segment.payload_len == 0
            }
            Stage::Closed => {
                self.stage = Stage::Over;
                is_bare && side == self.closer && segment.ack == self.ways[!side].nxt
            }
            Stage::Nothing | Stage::Asked | Stage::Over => false,
        }
    }

    /// A segment larger than its receiver takes in one was not cut yet, or put together again, where it was captured.
    #[inline]
    fn is_too_large(&mut self, side: Side, segment: &Segment, now: Place) -> bool {
        match self.ways[side].len_max {
            Some(max) if segment.payload_len > u32::from(max) => {
                self.large.get_or_insert(now);
                self.sends_large[side] = true;
                false
            }
            Some(_) => false,
            None => segment.payload_len > SIZE_MAX,
        }
    }

    /// Measures the silence before a segment that is not the first.
    #[inline]
    fn goes_on(&mut self, side: Side, segment: &Segment, now: Place) -> bool {
        let silence = now.time.since(self.newest.time);
        if silence > self.silence_ns {
            self.silence_ns = silence;
            self.after_silence = (silence >= SILENCE_NS).then(|| Noted::new(segment, side, Class::AFTER_SILENCE));
        }
        silence >= 0 && now.frame > self.newest.frame
    }

    fn open(&mut self, side: Side, segment: &Segment, now: Place) -> bool {
        let own = &mut self.ways[side];
        own.greeting = Some(Greeting::of(segment));
        self.ways[!side].len_max = segment.options.mss;
        let clock = segment.options.timestamps.map(|stamps| stamps.value);
        match (self.stage, side) {
            (Stage::Nothing, Side::Client) => {
                (self.stage, self.syn, self.syn_clock) = (Stage::Asked, now, clock);
                self.syn_end = segment.seq_end();
                true
            }
            (Stage::Asked, Side::Server) => {
                (self.stage, self.syn_ack, self.clock) = (Stage::Answered, now, clock.map(Seq));
                clock.is_none() || self.syn_clock.is_some()
            }
            _ => false,
        }
    }
}
