//! The life of a connection in which nothing went wrong, told from its packed segments in one pass.
//!
//! [`Lifecycle`](super::Lifecycle) is the authority. What stands here answers only where that could not say anything
//! else: for a SYN that nothing followed or a reset refused, and for a handshake, data in order and one FIN of each
//! side at most, each acknowledged before anything else came, or the reset of a live socket. Of such a life no
//! comparison of times decides anything but how long its timers ran, and every number is the one that was due.
//! Whatever else there is makes it none, a closed window or another reset for instance. Debug builds tell every such
//! life both ways and panic when the two differ.

mod course;
mod pass;

use std::net::{IpAddr, Ipv4Addr};

use smallvec::SmallVec;

use self::course::Stage;
use self::pass::{ORDINARY, Pass, Twins};
use super::brief::{Brief, Margin, Packed};
use super::noted::Noted;
use super::profile::{Greeting, Profile};
use super::retries::Retries;
use super::round_trip::{ANSWER_NS_MAX, SYN_ACK_RTO_NS};
use super::state::State;
use super::vantage::Tap;
use super::words::{Basis, CloseKind, Heard, Initiator, OpenKind, StateStep};
use crate::base::{Endpoint, Side, Sides, Timestamp};
use crate::segment::{Flags, Marks, Segment};

/// A server that has not been heard since its SYN-ACK holds the connection for certain as long as the client said no more.
const UNHEARD_MAX: u32 = 3;
/// A FIN in a shorter life crosses no request of an idle connection, ns: half of what makes one idle.
const BRIEF_NS: i64 = 500_000_000;

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
    /// What each end sent.
    pub sent: Sides<Sent>,
    /// The closer's application was still reading when its FIN went out.
    pub reads_on: bool,
    /// Zeek's history letters.
    pub history: Letters,
    /// Frames show that they left the host that captured them.
    pub left_here: Sides<bool>,
    /// The tunnel or VLAN that it was first seen in.
    pub context: u32,
    /// That of the server's segments, if there are any.
    pub context_back: Option<u32>,
    /// Not all frames of an end show the same of where they were captured, or came through the same tunnel or VLAN.
    pub is_mixed: bool,
    /// The SYN-ACK, if there was one.
    pub syn_ack: Option<Place>,
    /// The end of the handshake, if it was seen.
    pub opened: Option<Place>,
    /// The acknowledgment of the first FIN.
    pub fin_acked: Option<Place>,
    /// The reset with which the server refused the SYN.
    pub refusal: Option<Place>,
    /// The reset with which one end aborted it.
    pub abort: Option<Abort>,
    /// What the server sent shows that it had the end of the handshake.
    pub is_heard: bool,
    /// The stack of each end.
    pub profiles: Sides<Profile>,
    /// The SYN's frame.
    pub syn_frame: u64,
    /// The newest segment's.
    pub last_frame: u64,
    /// The SYN's timestamp.
    pub syn_clock: Option<u32>,
    /// The longest silence, ns.
    pub silence_ns: i64,
    /// The segment that ended it, if it was one of seconds.
    pub after_silence: Option<Waking>,
    /// It had to make room for others before it ended.
    pub evicted: bool,
    /// Segments of which the capture lacks payload.
    pub cut: Option<Sighting>,
    /// Segments that are larger than their receiver takes in one.
    pub large: Option<Sighting>,
    /// Who sent such segments.
    pub sends_large: Sides<bool>,
    /// All but what differs from SYN to SYN is that of one that nothing followed.
    is_lone: bool,
}

/// What is known of a connection beside its segments when it is told.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Wireshark's `tcp.stream`.
    pub stream: u64,
    /// The end that opened, and the other.
    pub ends: [&'a Endpoint; 2],
    /// It had to make room for others before it ended.
    pub evicted: bool,
    /// The newest packet time of the capture so far.
    pub horizon: Timestamp,
    /// What is taken for the stack of an end that does not show its own.
    pub profile: &'a Profile,
}

/// A segment's place in the capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// When it was captured.
    pub time: Timestamp,
    /// Its frame.
    pub frame: u64,
}

/// Segments that have something in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The first of them.
    pub first: Place,
    /// How many there are.
    pub count: u64,
}

/// The segment that ended a silence.
#[derive(Clone, Copy, Debug)]
pub struct Waking {
    /// Where it stands.
    pub at: Place,
    /// Who sent it.
    pub side: Side,
    /// Of its control bits those that open, close or reset.
    pub ends: Flags,
    /// Its payload, octets.
    pub octets: u32,
}

/// What one end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Its segments.
    pub frames: u64,
    /// Their payload, octets.
    pub payload_bytes: u64,
    /// The frame of its first segment with payload.
    pub first_payload: Option<u64>,
    /// Its last segment with payload.
    pub last_payload: Option<LastPayload>,
}

/// The last segment with payload of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastPayload {
    /// Where it stands.
    pub place: Place,
    /// Its payload, octets.
    pub octets: u32,
    /// The peer acknowledged all of them.
    pub is_acknowledged: bool,
    /// How much of the peer's payload its segment acknowledges.
    pub heard: Heard,
}

/// Letters of [Zeek's history](super::Connection::history): two that open and three of each side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Letters {
    all: [u8; 8],
    len: u8,
}

impl Letters {
    const NONE: Self = Self { all: [0; 8], len: 0 };
    /// Of a SYN that nothing followed.
    const SYN: Self = Self { all: [b'S', 0, 0, 0, 0, 0, 0, 0], len: 1 };

    /// As words.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.all[..usize::from(self.len)]).unwrap_or_default()
    }

    #[cold]
    fn push(&mut self, side: Side, letter: u8) {
        if let Some(place) = self.all.get_mut(usize::from(self.len)) {
            *place = if side == Side::Client { letter } else { letter.to_ascii_lowercase() };
            self.len += 1;
        }
    }
}

/// The reset with which one end aborted what was open.
#[derive(Clone, Copy, Debug)]
pub struct Abort {
    /// Where it stands.
    pub at: Place,
    /// Whose it is.
    pub side: Side,
    /// Octets that each end had sent and that were not acknowledged, its own acknowledgment counted.
    pub lost: Sides<u64>,
    /// Octets of its peer's that it acknowledges.
    pub had: i32,
    /// The same since its sender's last payload.
    pub had_since_word: i32,
    /// What its sender takes in one segment, if it said so.
    pub mss: Option<u16>,
}

impl Abort {
    /// Its sender's payload came later than the peer's.
    pub fn had_last_word(&self, orderly: &Orderly) -> bool {
        let last = |side: Side| orderly.sent[side].last_payload.map(|last| (last.place.time, last.place.frame));
        last(self.side).is_some_and(|said| last(!self.side).is_none_or(|asked| asked < said))
    }
}

fn initiator(side: Side) -> Initiator {
    match side {
        Side::Client => Initiator::Client,
        Side::Server => Initiator::Server,
    }
}

impl Sent {
    const NOTHING: Self = Self { frames: 0, payload_bytes: 0, first_payload: None, last_payload: None };
}

impl Place {
    /// That of a remembered segment.
    pub fn of(note: &Noted) -> Self {
        Self { time: note.time, frame: note.frame }
    }
}

impl Orderly {
    /// That of nothing yet: room for one.
    pub const BLANK: Self = {
        const NOWHERE: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);
        const ZERO: Timestamp = Timestamp(0);
        Self {
            stream: 0,
            client: NOWHERE,
            server: NOWHERE,
            start: ZERO,
            end: ZERO,
            horizon: ZERO,
            open: OpenKind::Unanswered,
            close: CloseKind::None,
            initiator: None,
            idle_ns: None,
            fins: Sides { client: None, server: None },
            sent: Sides { client: Sent::NOTHING, server: Sent::NOTHING },
            reads_on: false,
            history: Letters::NONE,
            left_here: Sides { client: false, server: false },
            context: 0,
            context_back: None,
            is_mixed: false,
            syn_ack: None,
            opened: None,
            fin_acked: None,
            refusal: None,
            abort: None,
            is_heard: true,
            profiles: Sides { client: Profile::LINUX, server: Profile::LINUX },
            syn_frame: 0,
            last_frame: 0,
            syn_clock: None,
            silence_ns: 0,
            after_silence: None,
            evicted: false,
            cut: None,
            large: None,
            sends_large: Sides { client: false, server: false },
            is_lone: false,
        }
    };

    /// That of a SYN that nothing followed, but for what is not the same of all of them.
    const LONE: Self = Self {
        sent: Sides { client: Sent { frames: 1, ..Sent::NOTHING }, server: Sent::NOTHING },
        history: Letters::SYN,
        is_lone: true,
        ..Self::BLANK
    };

    /// Becomes the life of what `brief` holds, in its own place, for it is large. False when that is not certain to be orderly.
    pub fn become_that_of(&mut self, circumstances: &Circumstances<'_>, brief: &Packed<'_>) -> bool {
        if !brief.is_settled() {
            return false;
        }
        match self.tell_with(Twins::None, circumstances, brief) {
            Some(is_orderly) => is_orderly,
            None => self.tell_compared(circumstances, brief),
        }
    }

    /// The same after one pass; none when segments must be compared.
    #[inline(always)]
    fn tell_with(&mut self, twins: Twins, circumstances: &Circumstances<'_>, brief: &Packed<'_>) -> Option<bool> {
        let mut margin = Margin::default();
        let mut pass = Pass::new(twins);
        if !pass.take_all(&mut brief.unpacking(&circumstances.ends, &mut margin)) {
            return (pass.twins != Twins::Possible).then_some(false);
        }
        pass.date(Place { time: brief.end(), frame: brief.last_frame() });
        Some(self.tell(circumstances, &pass).is_some())
    }

    #[cold]
    #[inline(never)]
    fn tell_compared(&mut self, circumstances: &Circumstances<'_>, brief: &Packed<'_>) -> bool {
        self.tell_with(Twins::Compared(Sides::default()), circumstances, brief) == Some(true)
    }

    /// A packet with these marks may be part of such a life.
    pub fn is_ordinary(marks: Marks) -> bool {
        !marks.intersects(!ORDINARY)
    }

    /// The same of a SYN that nothing followed.
    pub fn become_that_of_syn(&mut self, circumstances: &Circumstances<'_>, syn: &Segment) -> bool {
        if !Brief::can_begin(syn) || !Self::is_ordinary(syn.marks) {
            return false;
        }
        let &Circumstances { stream, ends: [client, server], evicted, horizon, profile } = circumstances;
        let place = Place { time: syn.time, frame: syn.frame.0 };
        if !self.is_lone {
            *self = Self::LONE;
        }
        // What is not the same of all SYNs.
        (self.stream, self.evicted) = (stream, evicted);
        (self.client, self.server) = (*client, *server);
        (self.start, self.end, self.horizon) = (syn.time, syn.time, horizon);
        self.close = close_of_unanswered(syn.time, self.horizon);
        (self.left_here.client, self.context) = (left_here(syn.marks), syn.context);
        self.profiles.client = *profile.of(Some(Greeting::of(syn)));
        self.profiles.server = *profile;
        (self.syn_frame, self.last_frame) = (place.frame, place.frame);
        self.syn_clock = syn.options.timestamps.map(|stamps| stamps.value);
        let is_cut = syn.marks.contains(Marks::PAYLOAD_CUT);
        self.cut = is_cut.then_some(Sighting { first: place, count: 1 });
        true
    }

    /// Written where it stays: put together elsewhere, every number would be stored twice. All of it is named, so that nothing is left of the
    /// life before.
    fn tell(&mut self, circumstances: &Circumstances<'_>, pass: &Pass) -> Option<()> {
        let is_late = pass.syn_ack.time.since(pass.syn.time) >= SYN_ACK_RTO_NS;
        if !matches!(pass.course.stage, Stage::Asked | Stage::Refused)
            && (is_late || pass.course.opened.time.since(pass.syn_ack.time) >= ANSWER_NS_MAX)
        {
            // It may be a copy, or come when there was something to say: how far the ends are then shows elsewhere.
            return None;
        }
        let Self {
            stream,
            client,
            server,
            start,
            end,
            horizon,
            open,
            close,
            initiator,
            idle_ns,
            fins,
            sent,
            reads_on,
            history,
            left_here,
            context,
            context_back,
            is_mixed,
            syn_ack,
            opened,
            fin_acked,
            refusal,
            abort,
            is_heard,
            profiles,
            syn_frame,
            last_frame,
            syn_clock,
            silence_ns,
            after_silence,
            evicted,
            cut,
            large,
            sends_large,
            is_lone,
        } = self;
        (*stream, *evicted) = (circumstances.stream, circumstances.evicted);
        (*client, *server) = (*circumstances.ends[0], *circumstances.ends[1]);
        let (syn, newest) = (pass.dated(pass.syn), pass.dated(pass.newest));
        if circumstances.horizon < newest.time {
            // The capture's clock was set back since.
            return None;
        }
        (*start, *syn_frame) = (syn.time, syn.frame);
        (*end, *last_frame) = (newest.time, newest.frame);
        *horizon = circumstances.horizon;
        for side in Side::BOTH {
            profiles[side] = *circumstances.profile.of(pass.ways[side].greeting);
            sent[side] = pass.sent(side);
        }
        let left = Sides { client: pass.ways.client.left_here(), server: pass.ways.server.left_here() };
        let left = left.client.zip(left.server).map(|(client, server)| Sides { client, server });
        *left_here = left.unwrap_or_default();
        (*context, *is_mixed) = (pass.ways.client.context, pass.is_mixed || left.is_none());
        *context_back = (sent.server.frames > 0).then_some(pass.ways.server.context);
        (*history, *syn_clock, *silence_ns) = (pass.course.history, pass.syn_clock, pass.silence_ns);
        *after_silence = pass.after_silence.map(|waking| Waking { at: pass.dated(waking.at), ..waking });
        *cut = pass.cut.map(|seen| pass.sighting_dated(seen));
        *large = pass.large.map(|seen| pass.sighting_dated(seen));
        *sends_large = pass.sends_large;
        // What not every life has.
        (*open, *close, *initiator, *idle_ns) = (OpenKind::Unanswered, CloseKind::None, None, None);
        (*syn_ack, *opened, *fin_acked, *refusal, *abort) = (None, None, None, None, None);
        *fins = Sides { client: None, server: None };
        (*reads_on, *is_heard, *is_lone) = (false, true, false);
        self.tell_stage(pass)
    }

    /// What its stage tells.
    #[inline(always)]
    fn tell_stage(&mut self, pass: &Pass) -> Option<()> {
        match pass.course.stage {
            Stage::Asked => self.close = close_of_unanswered(self.start, self.horizon),
            Stage::Refused => self.tell_refused(pass),
            Stage::Open => self.tell_opened(pass)?,
            Stage::Aborted => self.tell_aborted(pass)?,
            Stage::HalfClosed | Stage::Over => self.tell_closed(pass)?,
            _ => return None,
        }
        Some(())
    }

    fn tell_refused(&mut self, pass: &Pass) {
        (self.open, self.close) = (OpenKind::Refused, CloseKind::Refused);
        self.initiator = Some(Initiator::Server);
        self.idle_ns = Some(pass.reset.time.since(pass.syn.time).max(0));
        self.refusal = Some(pass.dated(pass.reset));
    }

    /// Open, and as far as the capture goes it stays so.
    fn tell_opened(&mut self, pass: &Pass) -> Option<()> {
        let is_heard = pass.is_server_heard();
        if !is_heard && (pass.server_segments() > 0 || pass.client_transmissions() > UNHEARD_MAX) {
            return None;
        }
        self.is_heard = is_heard;
        self.tell_handshake(pass);
        Some(())
    }

    /// Open until one end aborted it, or closed by one and aborted by the other.
    #[inline(never)]
    fn tell_aborted(&mut self, pass: &Pass) -> Option<()> {
        let abort = pass.abort.map(|abort| Abort { at: pass.dated(abort.at), ..abort })?;
        if !pass.has_closed {
            self.tell_opened(pass)?;
            self.initiator = Some(initiator(abort.side));
            self.idle_ns = Some(abort.at.time.since(self.quiet_since()).max(0));
        } else {
            self.tell_closed(pass)?;
            let waited_ns = abort.at.time.since(pass.dated(pass.course.fin_acked).time);
            if waited_ns >= self.profiles[pass.course.closer].fin_wait_2_ns {
                // Nobody was there any more to take it.
                return None;
            }
        }
        self.close = CloseKind::Reset;
        self.abort = Some(abort);
        Some(())
    }

    /// When the last payload was captured, or the SYN.
    fn quiet_since(&self) -> Timestamp {
        let last_payload = |side: Side| self.sent[side].last_payload.map(|last| last.place.time);
        last_payload(Side::Client).max(last_payload(Side::Server)).unwrap_or(self.start)
    }

    fn tell_handshake(&mut self, pass: &Pass) {
        self.open = OpenKind::ThreeWay;
        (self.syn_ack, self.opened) = (Some(pass.dated(pass.syn_ack)), Some(pass.dated(pass.course.opened)));
    }

    /// Closed by one end at least.
    #[inline(always)]
    fn tell_closed(&mut self, pass: &Pass) -> Option<()> {
        if !pass.course.is_drained && self.end.since(self.start) >= BRIEF_NS {
            return None;
        }
        let (closer, answerer) = (pass.course.closer, !pass.course.closer);
        if pass.course.stage == Stage::Over {
            let is_prompt = pass.course.fin_acked.frame == pass.course.second_fin.frame;
            // It acknowledges payload that came after its FIN, or the peer's FIN later than its own was acknowledged, and not
            // as the mini socket would that Linux keeps of one that was closed, which has id 0.
            let (fin_id, last_id) = (pass.course.first_fin_id, pass.course.last_id);
            let is_full = !is_prompt && self.profiles[closer].tells_open_by_id(fin_id, last_id);
            self.reads_on = !pass.course.is_drained || is_full;
            self.close = if is_prompt { CloseKind::ThreeSegment } else { CloseKind::FourSegment };
            self.fins[answerer] = Some(pass.dated(pass.course.second_fin));
        }
        self.tell_handshake(pass);
        let first_fin = pass.dated(pass.course.first_fin);
        self.fin_acked = Some(pass.dated(pass.course.fin_acked));
        self.initiator = Some(initiator(closer));
        self.fins[closer] = Some(first_fin);
        let since = self.quiet_since();
        self.idle_ns = Some(if pass.course.first_fin_len > 0 { 0 } else { first_fin.time.since(since).max(0) });
        Some(())
    }

    /// The states that the end of `side` entered.
    pub fn states(&self, side: Side) -> Steps {
        let mut states = Steps::new();
        let mut enter = |state: State, at: Place, basis: Basis| {
            states.push(StateStep { state, time: at.time, frame: Some(at.frame), basis });
        };
        let syn = Place { time: self.start, frame: self.syn_frame };
        let (Some(syn_ack), Some(opened)) = (self.syn_ack, self.opened) else {
            if side == Side::Client {
                enter(State::SynSent, syn, Basis::Seen);
                if let Some(refusal) = self.refusal {
                    enter(State::Closed, refusal, Basis::Inferred);
                    return states;
                }
                if let Some(at) = Retries::lone_syn_ended(self.start, &self.profiles.client, self.horizon) {
                    run_out(&mut states, at, self.horizon);
                }
            }
            return states;
        };
        match side {
            Side::Client => {
                enter(State::SynSent, syn, Basis::Seen);
                enter(State::Established, syn_ack, Basis::Seen);
            }
            Side::Server => {
                enter(State::SynReceived, syn_ack, Basis::Seen);
                enter(State::Established, opened, if self.is_heard { Basis::Seen } else { Basis::Inferred });
            }
        }
        let Some((closer, fin_acked)) = self.closer().zip(self.fin_acked) else {
            self.enter_aborted(side, &mut states);
            return states;
        };
        let (Some(first), second) = (self.fins[closer], self.fins[!closer]) else { return states };
        if side == closer {
            enter(State::FinWait1, first, Basis::Seen);
            enter(State::FinWait2, fin_acked, Basis::Inferred);
            if let Some(second) = second {
                enter(State::TimeWait, second, Basis::Seen);
                run_out(&mut states, second.time.plus(self.profiles[closer].time_wait_ns), self.horizon);
            }
        } else {
            enter(State::CloseWait, first, Basis::Seen);
            if let Some(second) = second {
                enter(State::LastAck, second, Basis::Seen);
                enter(State::Closed, Place { time: self.end, frame: self.last_frame }, Basis::Inferred);
            }
        }
        self.enter_aborted(side, &mut states);
        states
    }

    /// An abort ends what there was at both ends.
    fn enter_aborted(&self, side: Side, states: &mut Steps) {
        let Some(Abort { at, side: from, .. }) = self.abort else { return };
        let basis = if side == from { Basis::Seen } else { Basis::Inferred };
        states.push(StateStep { state: State::Closed, time: at.time, frame: Some(at.frame), basis });
    }

    /// The side that was in CLOSE-WAIT to the end, and since when.
    pub fn close_waiting(&self) -> Option<(Side, Timestamp)> {
        let closer = self.closer().filter(|_| self.abort.is_none())?;
        let first = self.fins[closer].filter(|_| self.fins[!closer].is_none())?;
        Some((!closer, first.time))
    }

    /// Who closed first, if anybody did.
    pub fn closer(&self) -> Option<Side> {
        match self.initiator? {
            Initiator::Client => Some(Side::Client),
            Initiator::Server => Some(Side::Server),
            Initiator::Both => None,
        }
    }

    /// The server sent payload.
    pub fn has_answered(&self) -> bool {
        self.sent.server.payload_bytes > 0
    }

    /// The address and port of a side.
    pub fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// Its segments.
    pub fn frames(&self) -> u64 {
        self.sent.client.frames + self.sent.server.frames
    }

    /// Adds the frames of its handshake.
    pub fn put_opening_frames(&self, frames: &mut Vec<u64>) {
        frames.push(self.syn_frame);
        frames.extend(self.refusal.map(|refusal| refusal.frame));
        if let (Some(syn_ack), Some(opened)) = (self.syn_ack, self.opened) {
            frames.extend_from_slice(&[syn_ack.frame, opened.frame]);
        }
    }

    /// Where on its path the capture was taken, if that shows.
    pub fn tap(&self) -> Option<Tap> {
        if self.client.ip == self.server.ip {
            return None;
        }
        Tap::shown_by(self.left_here, Sides { client: self.path_ns(Side::Client), server: self.path_ns(Side::Server) })
    }

    /// From the tap to `side` and back by the handshake, ns.
    pub fn path_ns(&self, side: Side) -> Option<i64> {
        let syn_ack = self.syn_ack?.time;
        match side {
            Side::Client => Some(self.opened?.time.since(syn_ack)),
            Side::Server => Some(syn_ack.since(self.start)),
        }
    }

    /// From the SYN to the end of the handshake, ns.
    pub fn rtt_ns(&self) -> Option<i64> {
        Some(self.opened?.time.since(self.start))
    }

    /// Adds the frames of its close: FINs and what acknowledged them, or the SYN that was not answered in time.
    pub fn put_closing_frames(&self, frames: &mut Vec<u64>) {
        match self.close {
            CloseKind::TimedOut => frames.push(self.syn_frame),
            CloseKind::Refused => self.put_opening_frames(frames),
            CloseKind::Reset => {
                let fins = [self.fins.client, self.fins.server].into_iter().flatten();
                frames.extend(fins.chain(self.abort.map(|abort| abort.at)).map(|place| place.frame));
                return;
            }
            _ => {}
        }
        let (Some(first), Some(acked)) = (self.closing_frame(), self.fin_acked) else { return };
        frames.extend_from_slice(&[first, acked.frame]);
        if let (Some(client), Some(server)) = (self.fins.client, self.fins.server) {
            let second = client.frame.max(server.frame);
            // It may be what acknowledges the first.
            if second > acked.frame {
                frames.push(second);
            }
            frames.push(self.last_frame);
        }
    }

    /// The first frame that shows the close: that of a FIN, of an abort, or of the SYN that was refused.
    pub fn closing_frame(&self) -> Option<u64> {
        let fin = self.fins[self.closer()?].map(|fin| fin.frame);
        let abort = || self.abort.map(|abort| abort.at.frame);
        fin.or_else(abort).or_else(|| self.refusal.map(|_| self.syn_frame))
    }

    /// SYN-ACKs that the server sent.
    pub fn syn_acks(&self) -> u32 {
        u32::from(self.open == OpenKind::ThreeWay)
    }
}

/// The first retransmission timeout of a SYN (RFC 6298, section 2.1), ns.
const SYN_RTO_NS: i64 = 1_000_000_000;

/// What became of a SYN that nobody answered: connect() had its time, or at least the first repetition was due.
fn close_of_unanswered(asked: Timestamp, horizon: Timestamp) -> CloseKind {
    if horizon.since(asked) >= SYN_RTO_NS { CloseKind::TimedOut } else { CloseKind::None }
}

/// A frame with such marks left the host that captured it.
fn left_here(marks: Marks) -> bool {
    marks.intersects(Marks::CHECKSUM_PARTIAL | Marks::OUTBOUND)
}

/// A timer that must have run out before the end of the capture.
fn run_out(states: &mut Steps, at: Timestamp, horizon: Timestamp) {
    if at < horizon {
        states.push(StateStep { state: State::Closed, time: at, frame: None, basis: Basis::Assumed });
    }
}
