//! The pass over the packed segments of a life: whether it is orderly, and what there is to know of it.

use super::{Abort, LastPayload, Letters, Place, Sent, Sighting};
use crate::base::{Seq, Side, Sides, Timestamp};
use crate::connection::noted::{Class, Noted};
use crate::connection::profile::Greeting;
use crate::connection::step::SILENCE_NS;
use crate::segment::{Flags, Marks, MultipathEnd, Segment};

/// More than one IP packet holds.
const SIZE_MAX: u32 = u16::MAX as u32;
/// What of a frame's marks tells nothing about a connection.
const ORDINARY: Marks = Marks::CHECKSUM_GOOD
    .union(Marks::CHECKSUM_PARTIAL)
    .union(Marks::OUTBOUND)
    .union(Marks::INBOUND)
    .union(Marks::REASSEMBLED)
    .union(Marks::DONT_FRAGMENT)
    .union(Marks::PAYLOAD_CUT);

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
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
    /// The server refused the SYN.
    Refused,
    /// One end aborted what was open.
    Aborted,
}

/// One direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    /// The number after its SYN's, and the next one.
    first: Seq,
    nxt: Seq,
    ack: Seq,
    /// What the other end takes in one segment, if it said so.
    len_max: Option<u16>,
    /// Of the newest segments, where they are compared.
    digests: [u32; 4],
    cursor: usize,
    pub greeting: Option<Greeting>,
    frames: u64,
    octets: u64,
    /// The frame of the first payload, and what is known of the last, if there was any.
    first_payload: u64,
    last_payload: Place,
    last_octets: u32,
    last_end: Seq,
    /// What that acknowledged.
    last_ack: Seq,
    /// Of its first segment, and of the newest.
    first_ttl: u8,
    window: u16,
    multipath_end: MultipathEnd,
    /// Whether the history tells of its payload, and of its acknowledgments.
    letters: u8,
    /// Of its first segment, and of all.
    marks: Marks,
    marks_ever: Marks,
    pub context: u32,
}

/// The pass over the packed segments.
pub(super) struct Pass {
    pub stage: Stage,
    pub server_segments: u32,
    /// Segments of the client that ask for an answer.
    pub client_transmissions: u32,
    /// What the server sent shows that it had the handshake's end.
    pub is_server_heard: bool,
    pub ways: Sides<Way>,
    pub syn: Place,
    pub syn_clock: Option<u32>,
    /// The number after the SYN's.
    pub syn_end: Seq,
    pub syn_ack: Place,
    pub opened: Place,
    /// The timestamp of the handshake's end, where the ends use timestamps.
    pub clock: Option<Seq>,
    pub closer: Side,
    pub first_fin: Place,
    pub first_fin_len: u32,
    pub first_fin_id: u16,
    pub last_id: u16,
    pub history: Letters,
    /// A segment of one side came another way than those before it.
    pub is_mixed: bool,
    /// All that the other end had sent had reached the closer.
    pub is_drained: bool,
    pub fin_acked: Place,
    pub second_fin: Place,
    pub reset: Place,
    pub abort: Option<Abort>,
    /// That came after a FIN.
    pub has_closed: bool,
    pub newest: Place,
    pub silence_ns: i64,
    pub after_silence: Option<Noted>,
    pub cut: Option<Sighting>,
    pub large: Option<Sighting>,
    pub sends_large: Sides<bool>,
    pub twins: Twins,
}

/// Equal segments of one side would be taken for one frame captured twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twins {
    /// Each says something new, so no two can be equal.
    None,
    /// One says nothing new: it must be compared.
    Possible,
    /// They are compared.
    Compared,
}

/// One more segment that has something in common with others.
#[cold]
fn see(sighting: &mut Option<Sighting>, now: Place) {
    sighting.get_or_insert(Sighting { first: now, count: 0 }).count += 1;
}

impl Way {
    const NEW: Self = Self {
        first: Seq(0),
        nxt: Seq(0),
        ack: Seq(0),
        len_max: None,
        digests: [0; 4],
        cursor: 0,
        greeting: None,
        frames: 0,
        octets: 0,
        first_payload: 0,
        last_payload: Place { time: Timestamp(0), frame: 0 },
        last_octets: 0,
        last_end: Seq(0),
        last_ack: Seq(0),
        first_ttl: 0,
        window: 0,
        multipath_end: MultipathEnd::NONE,
        letters: 0,
        marks: Marks::empty(),
        marks_ever: Marks::empty(),
        context: 0,
    };

    /// Counts a segment.
    #[inline]
    fn count(&mut self, segment: &Segment, now: Place) {
        self.frames += 1;
        self.marks_ever |= segment.marks;
        if segment.payload_len > 0 {
            if self.octets == 0 {
                self.first_payload = now.frame;
            }
            self.octets += u64::from(segment.payload_len);
            (self.last_payload, self.last_octets) = (now, segment.payload_len);
            (self.last_end, self.last_ack) = (segment.seq + segment.payload_len, segment.ack);
        }
    }

    /// Frames show that they left the host that captured them; none when some do and the first does not.
    pub fn left_here(&self) -> Option<bool> {
        if self.marks_ever.contains(Marks::CHECKSUM_PARTIAL) || self.marks.contains(Marks::OUTBOUND) {
            return Some(true);
        }
        if self.marks_ever.contains(Marks::OUTBOUND) { None } else { Some(false) }
    }

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
    pub fn new(twins: Twins) -> Self {
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
            closer: Side::Client,
            first_fin: none,
            first_fin_len: 0,
            first_fin_id: 0,
            last_id: 0,
            history: Letters::default(),
            is_mixed: false,
            is_drained: false,
            fin_acked: none,
            second_fin: none,
            reset: none,
            abort: None,
            has_closed: false,
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
    pub fn count_to(&mut self, newest: Place) {
        let (time, frame) = (newest.time.since(self.newest.time), newest.frame.wrapping_sub(self.newest.frame));
        let count =
            |place: &mut Place| *place = Place { time: place.time.plus(time), frame: place.frame.wrapping_add(frame) };
        count(&mut self.syn);
        count(&mut self.syn_ack);
        count(&mut self.opened);
        count(&mut self.first_fin);
        count(&mut self.fin_acked);
        count(&mut self.second_fin);
        count(&mut self.reset);
        if let Some(abort) = &mut self.abort {
            count(&mut abort.at);
        }
        count(&mut self.newest);
        for way in [&mut self.ways.client, &mut self.ways.server] {
            count(&mut way.last_payload);
            way.first_payload = way.first_payload.wrapping_add(frame);
        }
        for seen in [&mut self.cut, &mut self.large].into_iter().flatten() {
            count(&mut seen.first);
        }
        if let Some(note) = &mut self.after_silence {
            (note.time, note.frame) = (note.time.plus(time), note.frame.wrapping_add(frame));
        }
    }

    /// Takes the next segment; false when the life is not orderly with it. That numbers are in order and
    /// acknowledgments within what was sent, the brief holds.
    #[inline]
    pub fn take(&mut self, side: Side, segment: &Segment) -> bool {
        let now = Place { time: segment.time, frame: segment.frame.0 };
        if self.stage != Stage::Nothing && !self.goes_on(side, segment, now) || segment.marks.intersects(!ORDINARY) {
            return false;
        }
        self.newest = now;
        let way = &mut self.ways[side];
        if self.twins == Twins::Compared && way.has_twin(segment) {
            return false;
        }
        way.count(segment, now);
        if segment.marks.contains(Marks::PAYLOAD_CUT) {
            see(&mut self.cut, now);
        }
        if segment.flags.contains(Flags::RST) {
            return self.end(side, segment, now);
        }
        let previous_ack = way.ack;
        (way.ack, way.window, way.multipath_end) = (segment.ack, segment.window, segment.options.multipath_end);
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
        let is_fin = segment.flags.contains(Flags::FIN);
        let is_bare = segment.payload_len == 0 && !is_fin;
        if !is_clocked || segment.window == 0 {
            return false;
        }
        match side {
            Side::Client => self.client_transmissions += u32::from(!is_bare),
            Side::Server => {
                self.server_segments += 1;
                self.is_server_heard |= !is_bare || segment.ack != self.syn_end;
            }
        }
        let way = &mut self.ways[side];
        self.is_mixed |= way.context != segment.context;
        let letter = 1 << u8::from(is_bare);
        if way.letters & letter == 0 && !is_fin {
            way.letters |= letter;
            self.history.push(side, if is_bare { b'A' } else { b'D' });
        }
        match self.stage {
            Stage::Answered => {
                self.stage = Stage::Open;
                self.opened = now;
                self.clock = segment.options.timestamps.map(|stamps| Seq(stamps.value));
                is_bare && side == Side::Client && segment.ack == self.ways.server.nxt
            }
            Stage::Open if is_fin => {
                self.stage = Stage::Closing;
                self.history.push(side, b'F');
                (self.closer, self.first_fin, self.first_fin_len) = (side, now, segment.payload_len);
                self.first_fin_id = segment.ip_id;
                self.is_drained = segment.ack == self.ways[!side].nxt;
                true
            }
            Stage::Open => {
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
                if is_fin {
                    self.stage = Stage::Closed;
                    self.history.push(side, b'F');
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
                self.last_id = segment.ip_id;
                is_bare && side == self.closer && segment.ack == self.ways[!side].nxt
            }
            Stage::Nothing | Stage::Asked | Stage::Over | Stage::Refused | Stage::Aborted => false,
        }
    }

    /// A segment larger than its receiver takes in one was not cut yet, or put together again, where it was captured.
    #[inline]
    fn is_too_large(&mut self, side: Side, segment: &Segment, now: Place) -> bool {
        match self.ways[side].len_max {
            Some(max) if segment.payload_len > u32::from(max) => {
                see(&mut self.large, now);
                self.sends_large[side] = true;
                false
            }
            Some(_) => false,
            None => segment.payload_len > SIZE_MAX,
        }
    }

    /// What `side` sent.
    pub fn sent(&self, side: Side) -> Sent {
        let way = &self.ways[side];
        let has_payload = way.octets > 0;
        let is_acknowledged = self.ways[!side].ack.at_or_after(way.last_end);
        let last = LastPayload { place: way.last_payload, octets: way.last_octets, is_acknowledged };
        Sent {
            frames: way.frames,
            payload_bytes: way.octets,
            first_payload: has_payload.then_some(way.first_payload),
            last_payload: has_payload.then_some(last),
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

    /// A reset, after which nothing came.
    fn end(&mut self, side: Side, segment: &Segment, now: Place) -> bool {
        let plain =
            segment.flags.contains(Flags::ACK) && !segment.flags.contains(Flags::FIN) && segment.payload_len == 0;
        let is_silent = segment.options.timestamps.is_none() && segment.options.multipath_end == MultipathEnd::NONE;
        self.reset = now;
        self.history.push(side, b'R');
        match (self.stage, side) {
            (Stage::Asked, Side::Server) => {
                self.stage = Stage::Refused;
                let own = &mut self.ways.server;
                (own.marks, own.context) = (segment.marks, segment.context);
                plain && is_silent && segment.ack == self.syn_end
            }
            (Stage::Open, _) => {
                self.stage = Stage::Aborted;
                plain && self.abort(side, segment, now)
            }
            // The other end had closed, and had all that this one sent before.
            (Stage::HalfClosed, _) => {
                self.stage = Stage::Aborted;
                self.has_closed = true;
                let is_whole = side != self.closer && self.is_drained && segment.ack == self.ways[self.closer].nxt;
                plain && is_whole && self.abort(side, segment, now)
            }
            _ => false,
        }
    }

    /// A reset that is its sender's for certain, and no answer to anything: it has the next number and acknowledges what was
    /// due, with the same hop limit and timestamps as what its sender sent before.
    fn abort(&mut self, side: Side, segment: &Segment, now: Place) -> bool {
        let (own, peer) = (&self.ways[side], &self.ways[!side]);
        let (own_stamps, window) = (segment.options.timestamps, segment.window);
        let is_clocked = match (self.clock, own_stamps) {
            (None, None) => window == own.window || window == 0,
            (Some(clock), Some(stamps)) => side == Side::Client || Seq(stamps.echo).at_or_after(clock),
            _ => false,
        };
        let is_due = segment.seq == own.nxt && segment.ack.at_or_after(own.ack) && segment.ack.at_or_before(peer.nxt);
        let ends = [segment.options.multipath_end, own.multipath_end, peer.multipath_end];
        let is_own = segment.ttl == own.first_ttl && own.window != 0 && ends == [MultipathEnd::NONE; 3];
        self.is_mixed |= own.context != segment.context;
        let octets = |to: Seq, from: Seq| u64::try_from(to.since(from)).unwrap_or(0);
        let (own_lost, peer_lost) = (octets(own.nxt, peer.ack), octets(peer.nxt, segment.ack));
        let peer_lost = peer_lost.min(octets(peer.nxt, own.ack));
        self.abort = Some(Abort {
            at: now,
            side,
            lost: match side {
                Side::Client => Sides { client: own_lost, server: peer_lost },
                Side::Server => Sides { client: peer_lost, server: own_lost },
            },
            had: segment.ack.since(peer.first),
            had_since_word: segment.ack.since(own.last_ack),
            mss: peer.len_max,
        });
        // A server that shows no sign of it may not have had the end of the handshake.
        is_due && is_clocked && is_own && (side == Side::Client || self.is_server_heard)
    }

    fn open(&mut self, side: Side, segment: &Segment, now: Place) -> bool {
        let own = &mut self.ways[side];
        own.greeting = Some(Greeting::of(segment));
        (own.marks, own.context) = (segment.marks, segment.context);
        (own.first_ttl, own.first) = (segment.ttl, segment.seq_end());
        self.history.push(side, if side == Side::Client { b'S' } else { b'H' });
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
