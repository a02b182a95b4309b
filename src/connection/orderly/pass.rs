//! The pass over the packed segments of a life: whether it is orderly, and what there is to know of it.

use super::super::brief::{Plain, TakeUsual, Unpacked, Unpacking, Usual};
use super::super::words::Heard;
use super::course::{Course, Stage, Turn};
use super::{Abort, LastPayload, Letters, Place, Sent, Sighting, Waking};
use crate::base::{SPAN_MAX_NS, Seq, Side, Sides, Timestamp};
use crate::connection::between::SILENCE_MIN_NS;
use crate::connection::profile::Greeting;
use crate::connection::step::SILENCE_NS;
use crate::segment::{Flags, Marks, Segment};

/// More than one IP packet holds.
const SIZE_MAX: u32 = u16::MAX as u32;
/// What of a frame's marks tells nothing about a connection.
pub(super) const ORDINARY: Marks = Marks::CHECKSUM_GOOD
    .union(Marks::CHECKSUM_PARTIAL)
    .union(Marks::OUTBOUND)
    .union(Marks::INBOUND)
    .union(Marks::REASSEMBLED)
    .union(Marks::DONT_FRAGMENT)
    .union(Marks::PAYLOAD_CUT);

/// What the segments of one direction come to.
#[derive(Clone, Copy, Debug)]
struct Count {
    ack: Seq,
    /// What is not too large for one segment, once the other end has said so.
    fits: u32,
    frames: u64,
    octets: u64,
    /// Segments that ask for an answer, but for SYN and RST.
    words: u32,
    /// Of the last payload, if there was any: its octets, what it acknowledged, where it stands.
    last_octets: u32,
    last_ack: Seq,
    last_payload: Place,
    /// The frame of the first.
    first_payload: u64,
    /// The history tells of its payload, and of its acknowledgments.
    tells_data: bool,
    tells_ack: bool,
    has_fin: bool,
}

/// One direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Way {
    count: Count,
    /// The number after its SYN's, and the next one.
    first: Seq,
    nxt: Seq,
    /// What the other end takes in one segment, if it said so.
    len_max: Option<u16>,
    pub greeting: Option<Greeting>,
    /// Of its first segment, and of the newest.
    first_ttl: u8,
    window: u16,
    /// Of its first segment, and of all.
    marks: Marks,
    marks_ever: Marks,
    pub context: u32,
}

/// The pass over the packed segments.
pub(super) struct Pass {
    pub course: Course,
    pub ways: Sides<Way>,
    pub syn: Place,
    pub syn_clock: Option<u32>,
    /// The number after the SYN's.
    pub syn_end: Seq,
    pub syn_ack: Place,
    /// A segment of one side came another way than those before it.
    pub is_mixed: bool,
    pub reset: Place,
    pub abort: Option<Abort>,
    /// That came after a FIN.
    pub has_closed: bool,
    pub newest: Place,
    /// What times and frames count from.
    before: Place,
    pub silence_ns: i64,
    pub after_silence: Option<Waking>,
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
    /// They are compared with the newest.
    Compared(Sides<Newest>),
}

/// The newest segments of one side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Newest {
    digests: [u32; 4],
    cursor: usize,
}

impl Newest {
    /// Whether one of them equals `segment`, which is remembered.
    fn has_twin(&mut self, segment: &Segment) -> bool {
        let digest = segment.packet_digest();
        let is_there = self.digests.contains(&digest);
        self.digests[self.cursor % 4] = digest;
        self.cursor += 1;
        is_there
    }
}

/// Who echoes less than the handshake's end, at `clock`, may not have had it.
#[inline]
fn is_echo(echo: u32, clock: Seq) -> bool {
    echo != 0 && Seq(echo).at_or_after(clock)
}

/// One more segment that has something in common with others.
#[cold]
fn see(sighting: &mut Option<Sighting>, now: Place) {
    sighting.get_or_insert(Sighting { first: now, count: 0 }).count += 1;
}

impl Count {
    /// Tells the history of the first segment with payload, and of the first with nothing but an acknowledgment.
    #[inline(always)]
    fn letter(&mut self, side: usize, is_bare: bool, is_fin: bool, history: &mut Letters) {
        if is_bare {
            if !self.tells_ack {
                self.tells_ack = true;
                history.push(Side::BOTH[side % 2], b'A');
            }
        } else if !self.tells_data && !is_fin {
            self.tells_data = true;
            history.push(Side::BOTH[side % 2], b'D');
        }
    }

    /// Counts a segment with payload.
    #[inline]
    fn payload(&mut self, octets: u32, ack: Seq, now: Place) {
        if octets == 0 {
            return;
        }
        if self.octets == 0 {
            self.first_payload = now.frame;
        }
        self.octets += u64::from(octets);
        (self.last_payload, self.last_octets, self.last_ack) = (now, octets, ack);
    }
}

impl Way {
    const NEW: Self = Self {
        count: Count {
            ack: Seq(0),
            fits: 0,
            frames: 0,
            octets: 0,
            words: 0,
            last_octets: 0,
            last_ack: Seq(0),
            last_payload: Place { time: Timestamp(0), frame: 0 },
            first_payload: 0,
            tells_data: false,
            tells_ack: false,
            has_fin: false,
        },
        first: Seq(0),
        nxt: Seq(0),
        len_max: None,
        greeting: None,
        first_ttl: 0,
        window: 0,
        marks: Marks::empty(),
        marks_ever: Marks::empty(),
        context: 0,
    };

    /// Frames show that they left the host that captured them; none when some do and the first does not.
    pub fn left_here(&self) -> Option<bool> {
        if self.marks_ever.contains(Marks::CHECKSUM_PARTIAL) || self.marks.contains(Marks::OUTBOUND) {
            return Some(true);
        }
        if self.marks_ever.contains(Marks::OUTBOUND) { None } else { Some(false) }
    }
}

/// What segments in the middle of a life add to.
struct Middle<'a> {
    counts: [&'a mut Count; 2],
    course: &'a mut Course,
    waking: &'a mut Option<Waking>,
    /// The longest silence, ns.
    longest: i64,
    is_orderly: bool,
}

impl Middle<'_> {
    /// Its numbers are all that is to be seen of it: it is no copy, not too large, says something new and echoes what it must.
    #[inline(always)]
    fn is_understood(&self, segment: &Plain, is_fin: bool) -> bool {
        let &Plain { side, ack, payload_len, frames, echo, .. } = segment;
        let own = &*self.counts[side];
        let is_clocked = match self.course.clock {
            Some(clock) => side == Side::Client as usize || is_echo(echo, clock),
            None => true,
        };
        is_clocked && frames > 0 && payload_len <= own.fits && (payload_len > 0 || is_fin || ack != own.ack)
    }

    /// Counts it, and measures the silence before.
    #[inline(always)]
    fn count(&mut self, segment: &Plain, is_fin: bool) {
        let &Plain { side, time, frame, span, ack, payload_len, .. } = segment;
        let now = Place { time, frame };
        if span > self.longest {
            let span = span.min(SPAN_MAX_NS);
            if span >= SILENCE_NS && span > self.longest {
                let ends = if is_fin { Flags::FIN } else { Flags::empty() };
                *self.waking = Some(Waking { at: now, side: Side::BOTH[side], ends, octets: payload_len });
            }
            self.longest = span;
        }
        let own = &mut *self.counts[side];
        own.frames += 1;
        own.ack = ack;
        let is_bare = payload_len == 0 && !is_fin;
        own.letter(side, is_bare, is_fin, &mut self.course.history);
        if !is_bare {
            own.words += 1;
            own.payload(payload_len, ack, now);
        }
    }
}

impl TakeUsual for Middle<'_> {
    #[inline(always)]
    fn takes_plain(&self) -> Option<bool> {
        (self.course.stage == Stage::Open).then_some(self.course.clock.is_some())
    }

    #[inline(always)]
    fn take_plain(&mut self, segment: &Plain) -> bool {
        let is_understood = self.is_understood(segment, false);
        if is_understood {
            self.count(segment, false);
        }
        is_understood
    }

    #[inline(always)]
    fn take(&mut self, segment: &Usual) -> bool {
        let &Usual { ref plain, is_fin, acks_all, timestamps, window, ip_id } = segment;
        let has_clock = timestamps.is_some() == self.course.clock.is_some();
        if window == 0 || !has_clock || !self.is_understood(plain, is_fin) {
            return false;
        }
        self.count(plain, is_fin);
        if self.course.stage != Stage::Open || is_fin {
            let &Plain { side, time, frame, payload_len, .. } = plain;
            self.counts[side].has_fin |= is_fin;
            let (side, clock) = (Side::BOTH[side], timestamps.map(|stamps| Seq(stamps.value)));
            let turn = Turn { side, is_fin, acks_all, payload_len, ip_id, clock };
            self.is_orderly = self.course.turn(turn, Place { time, frame });
            return self.is_orderly;
        }
        true
    }
}

impl Pass {
    /// One that has not begun.
    #[inline(always)]
    pub fn new(twins: Twins) -> Self {
        const NOWHERE: Place = Place { time: Timestamp(0), frame: 0 };
        Self {
            course: Course::NEW,
            ways: Sides { client: Way::NEW, server: Way::NEW },
            syn: NOWHERE,
            syn_clock: None,
            syn_end: Seq(0),
            syn_ack: NOWHERE,
            is_mixed: false,
            reset: NOWHERE,
            abort: None,
            has_closed: false,
            newest: NOWHERE,
            before: NOWHERE,
            silence_ns: 0,
            after_silence: None,
            cut: None,
            large: None,
            sends_large: Sides { client: false, server: false },
            twins,
        }
    }

    /// Times and frames were counted from the first segment, and the newest was at `newest`.
    pub fn date(&mut self, newest: Place) {
        let Place { time, frame } = self.newest;
        // What was taken from one time and is added to another leads back, however far the two are apart.
        self.before =
            Place { time: Timestamp(newest.time.0.wrapping_sub(time.0)), frame: newest.frame.wrapping_sub(frame) };
    }

    /// Where that was in the capture.
    #[inline]
    pub fn dated(&self, place: Place) -> Place {
        let Place { time, frame } = self.before;
        Place { time: Timestamp(time.0.wrapping_add(place.time.0)), frame: frame.wrapping_add(place.frame) }
    }

    /// The same of segments that have something in common.
    pub fn sighting_dated(&self, seen: Sighting) -> Sighting {
        Sighting { first: self.dated(seen.first), ..seen }
    }

    /// Takes all that are left; false when the life is not orderly with one of them.
    #[inline(always)]
    pub fn take_all(&mut self, unpacking: &mut Unpacking<'_>) -> bool {
        let is_compared = matches!(self.twins, Twins::Compared(_));
        if !is_compared && !self.take_syns(unpacking) {
            return false;
        }
        loop {
            let is_begun = !matches!(self.course.stage, Stage::Nothing | Stage::Asked);
            if is_begun && !is_compared {
                if !self.take_usual(unpacking) {
                    return false;
                }
                if unpacking.is_at_end() {
                    return true;
                }
            }
            let Some(segment) = unpacking.advance() else { return true };
            let is_next = self.course.stage == Stage::Nothing || self.goes_on(&segment);
            if !is_next || !self.take(&segment, unpacking) {
                return false;
            }
        }
    }

    /// Takes both SYNs as far as nothing about them is unusual: twice what the loop does, in which most of it is known beforehand.
    #[inline(always)]
    fn take_syns(&mut self, unpacking: &mut Unpacking<'_>) -> bool {
        let Some(syn) = unpacking.advance_syn(Side::Client) else { return true };
        if !self.take(&syn, unpacking) {
            return false;
        }
        let Some(syn_ack) = unpacking.advance_syn(Side::Server) else { return true };
        self.goes_on(&syn_ack) && self.take(&syn_ack, unpacking)
    }

    /// Takes segments of which nothing is to be seen but their numbers, as of most, up to one that says more. False when the life is
    /// not orderly with one of them.
    #[inline(always)]
    fn take_usual(&mut self, unpacking: &mut Unpacking<'_>) -> bool {
        let Sides { client, server } = &mut self.ways;
        let mut middle = Middle {
            counts: [&mut client.count, &mut server.count],
            course: &mut self.course,
            waking: &mut self.after_silence,
            longest: self.silence_ns,
            is_orderly: true,
        };
        unpacking.take_usual(&mut middle);
        let Middle { longest, is_orderly, .. } = middle;
        self.silence_ns = longest;
        let (time, frame) = unpacking.now();
        self.newest = Place { time, frame };
        (client.nxt, client.window) = unpacking.end_of(Side::Client);
        (server.nxt, server.window) = unpacking.end_of(Side::Server);
        is_orderly
    }

    /// Takes the segment that was unpacked last; false when the life is not orderly with it. That numbers are in order and acknowledgments
    /// within what was sent, the brief holds.
    #[inline(always)]
    fn take(&mut self, segment: &Unpacked, unpacking: &Unpacking<'_>) -> bool {
        let (side, now) = (segment.side, Place { time: segment.time, frame: segment.frame });
        if segment.marks.intersects(!ORDINARY) {
            return false;
        }
        self.newest = now;
        let way = &mut self.ways[side];
        if let Twins::Compared(newest) = &mut self.twins {
            // A copy, so that the numbers themselves need no place.
            let copy = *segment;
            if newest[side].has_twin(&unpacking.segment(&copy)) {
                return false;
            }
        }
        way.marks_ever |= segment.marks;
        let count = &mut way.count;
        count.frames += 1;
        count.payload(segment.payload_len, segment.ack, now);
        if segment.marks.contains(Marks::PAYLOAD_CUT) {
            see(&mut self.cut, now);
        }
        if segment.flags.contains(Flags::RST) {
            let copy = *segment;
            return self.end(&copy, now);
        }
        let previous_ack = std::mem::replace(&mut count.ack, segment.ack);
        (way.window, way.nxt) = (segment.window, segment.seq_end());
        if segment.flags.contains(Flags::SYN) {
            return self.open(segment, unpacking.greeting(segment), now);
        }
        let is_fin = segment.flags.contains(Flags::FIN);
        let is_bare = segment.payload_len == 0 && !is_fin;
        way.count.has_fin |= is_fin;
        way.count.words += u32::from(!is_bare);
        self.is_mixed |= way.context != segment.context;
        let is_clocked = match (self.course.clock, segment.timestamps) {
            (None, None) => true,
            (Some(clock), Some(stamps)) => {
                side == Side::Client || self.course.stage == Stage::Answered || is_echo(stamps.echo, clock)
            }
            _ => false,
        };
        if !is_clocked || segment.window == 0 || self.is_too_large(segment, now) {
            return false;
        }
        self.ways[side].count.letter(side as usize, is_bare, is_fin, &mut self.course.history);
        if self.course.stage == Stage::Open && !is_fin {
            if is_bare && segment.ack == previous_ack && self.twins == Twins::None {
                self.twins = Twins::Possible;
                return false;
            }
            return true;
        }
        let turn = Turn {
            side,
            is_fin,
            acks_all: segment.ack == self.ways[!side].nxt,
            payload_len: segment.payload_len,
            ip_id: segment.ip_id,
            clock: segment.timestamps.map(|stamps| Seq(stamps.value)),
        };
        self.course.turn(turn, now)
    }

    /// Segments of the server between its SYN and its RST.
    pub fn server_segments(&self) -> u64 {
        let aborts = self.abort.is_some_and(|abort| abort.side == Side::Server);
        self.ways.server.count.frames.saturating_sub(1 + u64::from(aborts))
    }

    /// Segments of the client after its SYN that ask for an answer.
    pub fn client_transmissions(&self) -> u32 {
        self.ways.client.count.words
    }

    /// What the server sent shows that it had the handshake's end.
    pub fn is_server_heard(&self) -> bool {
        let count = &self.ways.server.count;
        count.words > 0 || count.ack != self.syn_end
    }

    /// A segment larger than its receiver takes in one was not cut yet, or put together again, where it was captured.
    #[inline(always)]
    fn is_too_large(&mut self, segment: &Unpacked, now: Place) -> bool {
        let way = &self.ways[segment.side];
        if segment.payload_len <= way.count.fits {
            return false;
        }
        if way.len_max.is_some() {
            see(&mut self.large, now);
            self.sends_large[segment.side] = true;
        }
        way.len_max.is_none()
    }

    /// What `side` sent.
    pub fn sent(&self, side: Side) -> Sent {
        let way = &self.ways[side];
        let count = &way.count;
        let has_payload = count.octets > 0;
        let last_end = way.nxt - u32::from(count.has_fin);
        let by_reset = self.abort.filter(|abort| abort.side != side).map(|abort| way.first + abort.had.cast_unsigned());
        let is_acknowledged =
            self.ways[!side].count.ack.at_or_after(last_end) || by_reset.is_some_and(|ack| ack.at_or_after(last_end));
        let peer = &self.ways[!side];
        let asked = peer.nxt - u32::from(peer.count.has_fin) - peer.count.last_octets;
        let heard = Heard::of(count.last_ack, asked, peer.count.last_octets, peer.count.octets);
        let place = self.dated(count.last_payload);
        let last = LastPayload { place, octets: count.last_octets, is_acknowledged, heard };
        Sent {
            frames: count.frames,
            payload_bytes: count.octets,
            first_payload: has_payload.then_some(self.before.frame.wrapping_add(count.first_payload)),
            last_payload: has_payload.then_some(last),
        }
    }

    /// Measures the silence before a segment that is not the first.
    #[inline(always)]
    fn goes_on(&mut self, segment: &Unpacked) -> bool {
        let now = Place { time: segment.time, frame: segment.frame };
        let silence = now.time.since(self.newest.time);
        if silence > self.silence_ns {
            self.silence_ns = silence;
            if silence >= SILENCE_NS {
                let (side, ends) = (segment.side, segment.flags & (Flags::FIN | Flags::RST));
                self.after_silence = Some(Waking { at: now, side, ends, octets: segment.payload_len });
            }
        }
        silence >= 0 && now.frame > self.newest.frame
    }

    /// A reset, after which nothing came.
    fn end(&mut self, segment: &Unpacked, now: Place) -> bool {
        let side = segment.side;
        let plain =
            segment.flags.contains(Flags::ACK) && !segment.flags.contains(Flags::FIN) && segment.payload_len == 0;
        self.reset = now;
        self.course.history.push(side, b'R');
        match (self.course.stage, side) {
            (Stage::Asked, Side::Server) => {
                self.course.stage = Stage::Refused;
                let own = &mut self.ways.server;
                (own.marks, own.context) = (segment.marks, segment.context);
                plain && segment.timestamps.is_none() && segment.ack == self.syn_end && segment.seq == Seq(0)
            }
            (Stage::Open, _) => {
                self.course.stage = Stage::Aborted;
                plain && self.abort(segment, now)
            }
            // The other end had closed, and had all that this one sent before.
            (Stage::HalfClosed, _) => {
                self.course.stage = Stage::Aborted;
                self.has_closed = true;
                let is_whole = side != self.course.closer
                    && self.course.is_drained
                    && segment.ack == self.ways[self.course.closer].nxt;
                plain && is_whole && self.abort(segment, now)
            }
            _ => false,
        }
    }

    /// A reset that is its sender's for certain, and no answer to anything: it has the next number and acknowledges what was
    /// due, with the same hop limit and timestamps as what its sender sent before.
    fn abort(&mut self, segment: &Unpacked, now: Place) -> bool {
        let side = segment.side;
        let (own, peer) = (&self.ways[side], &self.ways[!side]);
        let (own_stamps, window) = (segment.timestamps, segment.window);
        let is_clocked = match (self.course.clock, own_stamps) {
            (None, None) => window == own.window || window == 0,
            (Some(clock), Some(stamps)) => side == Side::Client || Seq(stamps.echo).at_or_after(clock),
            _ => false,
        };
        let is_due =
            segment.seq == own.nxt && segment.ack.at_or_after(own.count.ack) && segment.ack.at_or_before(peer.nxt);
        let is_own = segment.ttl == own.first_ttl && own.window != 0;
        // What its sender had long said nothing before, somebody nearer may have answered.
        let is_old = now.time.since(self.syn.time) >= SILENCE_MIN_NS;
        let may_be_another = is_old && segment.ack == peer.nxt && segment.ack != own.count.ack;
        self.is_mixed |= own.context != segment.context;
        let octets = |to: Seq, from: Seq| u64::try_from(to.since(from)).unwrap_or(0);
        let (own_lost, peer_lost) = (octets(own.nxt, peer.count.ack), octets(peer.nxt, segment.ack));
        let peer_lost = peer_lost.min(octets(peer.nxt, own.count.ack));
        self.abort = Some(Abort {
            at: now,
            side,
            lost: match side {
                Side::Client => Sides { client: own_lost, server: peer_lost },
                Side::Server => Sides { client: peer_lost, server: own_lost },
            },
            had: segment.ack.since(peer.first),
            had_since_word: segment.ack.since(own.count.last_ack),
            mss: peer.len_max,
        });
        // A server that shows no sign of it may not have had the end of the handshake.
        is_due && is_clocked && is_own && !may_be_another && (side == Side::Client || self.is_server_heard())
    }

    #[inline(always)]
    fn open(&mut self, segment: &Unpacked, (mss, greeting): (Option<u16>, Greeting), now: Place) -> bool {
        let side = segment.side;
        let own = &mut self.ways[side];
        own.greeting = Some(greeting);
        (own.marks, own.context) = (segment.marks, segment.context);
        (own.first_ttl, own.first) = (segment.ttl, segment.seq_end());
        self.course.history.push(side, if side == Side::Client { b'S' } else { b'H' });
        let peer = &mut self.ways[!side];
        (peer.len_max, peer.count.fits) = (mss, mss.map_or(SIZE_MAX, u32::from));
        let clock = segment.timestamps.map(|stamps| stamps.value);
        match (self.course.stage, side) {
            (Stage::Nothing, Side::Client) => {
                (self.course.stage, self.syn, self.syn_clock) = (Stage::Asked, now, clock);
                self.syn_end = segment.seq_end();
                true
            }
            (Stage::Asked, Side::Server) => {
                (self.course.stage, self.syn_ack, self.course.clock) = (Stage::Answered, now, clock.map(Seq));
                clock.is_none() || self.syn_clock.is_some()
            }
            _ => false,
        }
    }
}
