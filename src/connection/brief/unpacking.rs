//! What was packed, segment by segment.

use super::octets::{Octets, masks, options_of};
use super::packing::{
    ACK, CLOCK, CONTEXT, CUT_AT, ECHO_AT, ENVELOPE, FIN, FLAGS_AT, FRAMES_AT, FROM_SERVER_AT, INTERFACE, IP_ID,
    IS_LONG, LEN_MAX, LONG, MARKS, MSS, MSS_OF_MOST, NANOS, OPTIONS, ORDER, PAYLOAD_AT, PUSH, SACK_PERMITTED, SEQ,
    SHIFT, SPAN_AT, TTL, USUAL_MARKS, USUAL_MSS, USUAL_SHIFT, USUAL_TTL, USUAL_WINDOWS, VALUE_AT, WINDOW,
    flags_of_head, flags_to_head, head_of, marks_of_head, options_len, span_len, word_len,
};
use super::{FIRST_MAX, Packed, expected_ack, next_id};
use crate::base::{Endpoint, FrameNumber, Seq, Side, Timestamp};
use crate::connection::profile::Greeting;
use crate::segment::{Flags, Marks, OptionKind, Segment, TcpOptions, Timestamps};

/// A packed segment without its ends, and without options but timestamps.
#[derive(Clone, Copy)]
pub struct Unpacked {
    pub side: Side,
    pub flags: Flags,
    pub time: Timestamp,
    pub frame: u64,
    pub seq: Seq,
    pub ack: Seq,
    pub payload_len: u32,
    pub timestamps: Option<Timestamps>,
    pub window: u16,
    pub ip_id: u16,
    pub marks: Marks,
    interface: u16,
    pub context: u32,
    pub ttl: u8,
}

impl Unpacked {
    /// As [`Segment::seq_end`].
    #[inline]
    pub fn seq_end(&self) -> Seq {
        let bits = u32::from(self.flags.bits());
        let controls = (bits & u32::from(Flags::FIN.bits())) + (bits >> 1 & 1);
        self.seq + self.payload_len.wrapping_add(controls)
    }
}

/// What the next segment of one side differs from.
#[derive(Clone, Copy)]
struct Trail {
    nxt: Seq,
    clock: u32,
    window: u16,
    ip_id: u16,
    marks: Marks,
    interface: u16,
    context: u16,
    ttl: u8,
}

impl Trail {
    const NONE: Self = Self {
        nxt: Seq(0),
        clock: 0,
        window: 0,
        ip_id: 0,
        marks: USUAL_MARKS,
        interface: 0,
        context: 0,
        ttl: USUAL_TTL,
    };
    /// Of the sides before they send anything.
    const BOTH: [Self; 2] =
        [Self { window: USUAL_WINDOWS[0], ..Self::NONE }, Self { window: USUAL_WINDOWS[1], ..Self::NONE }];
}

/// More than a packed segment takes, and eight octets that are read with its last ones: numbers of any length are read in one
/// move, and whether that goes too far is asked once a segment.
const BLOCK: usize = LEN_MAX + 8;

/// A packed segment that goes on like its sender's one before: with ACK alone or PSH or FIN besides, the next number, and all of
/// its payload.
#[derive(Clone, Copy)]
pub struct Usual {
    pub plain: Plain,
    pub is_fin: bool,
    /// It acknowledges all that the other end sent.
    pub acks_all: bool,
    pub timestamps: Option<Timestamps>,
    pub window: u16,
    pub ip_id: u16,
}

/// What is to be seen of nearly all: that of one which acknowledges all that the other end sent, is no FIN, and has the same window as
/// its sender's one before.
#[derive(Clone, Copy)]
pub struct Plain {
    /// Its sender, as [`Side`] counts.
    pub side: usize,
    pub frame: u64,
    pub time: Timestamp,
    /// Since the segment before: ns, and frames.
    pub span: i64,
    pub frames: u64,
    pub ack: Seq,
    pub payload_len: u32,
    /// Its echo, 0 if it has no timestamps.
    pub echo: u32,
}

/// Who has a use for usual segments.
pub trait TakeUsual {
    /// Whether it takes [plain](Plain) segments without being told more, and then whether they are to have timestamps.
    fn takes_plain(&self) -> Option<bool>;

    /// Takes the next one, that is plain; false, and it has not been taken, when there is no use for it.
    fn take_plain(&mut self, segment: &Plain) -> bool;

    /// The same of any.
    fn take(&mut self, segment: &Usual) -> bool;
}

/// Room for the octets in a record, and zeros: more is read of them than there is. Most lie before others, and need none.
#[derive(Default)]
pub struct Margin(Option<[u8; FIRST_MAX + BLOCK]>);

/// Reads a brief from its beginning. What it reads was written by [`Brief`](super::Brief), so it is whole; were it not, octets
/// that are missing read as zero.
pub struct Unpacking<'a> {
    /// Packed segments, and what lies behind them.
    octets: &'a [u8],
    /// Which of them is the next, and where packed segments end.
    at: usize,
    end: usize,
    /// What lies behind the record, until it has come there.
    behind: &'a [u8],
    behind_len: usize,
    progress: Progress,
    /// Lent, for nearly nobody asks: two that were written one by one are not read as a whole.
    ends: &'a [&'a Endpoint; 2],
    /// The last octets there are, and zeros.
    scratch: [u8; BLOCK],
}

/// How far it has come: what the next segment differs from.
struct Progress {
    trails: [Trail; 2],
    /// Of the one unpacked last; not side by side with its frame, for whoever takes both would read them as a whole.
    time: Timestamp,
    /// The octets of its options beside timestamps, 0 if it has none.
    options: u64,
    frame: u64,
}

impl<'a> Unpacking<'a> {
    /// Counts times and frames from the first.
    #[inline(always)]
    pub(super) fn of(packed: &Packed<'a>, ends: &'a [&'a Endpoint; 2], margin: &'a mut Margin) -> Self {
        let [end, behind_len] = packed.lens;
        let mut octets = packed.first;
        if octets.len() < end + BLOCK {
            let len = octets.len().min(FIRST_MAX);
            let room = margin.0.insert([0; FIRST_MAX + BLOCK]);
            room[..len].copy_from_slice(&octets[..len]);
            octets = room;
        }
        Self {
            octets,
            at: 0,
            end,
            behind: packed.rest,
            behind_len,
            progress: Progress { trails: Trail::BOTH, time: Timestamp(0), frame: 0, options: 0 },
            ends,
            scratch: [0; BLOCK],
        }
    }

    /// The same with times and frames as they were: they count from the first, and what is known is the newest.
    pub(super) fn dated(packed: &Packed<'a>, ends: &'a [&'a Endpoint; 2], margin: &'a mut Margin) -> Self {
        let mut unpacking = Self::of(packed, ends, margin);
        let [first_len, rest_len] = packed.lens;
        let (span, frames) = Octets { all: packed.first, at: 0, end: first_len }.passed();
        let (span_behind, frames_behind) = Octets { all: packed.rest, at: 0, end: rest_len }.passed();
        unpacking.progress.time = packed.newest.plus(-span - span_behind);
        unpacking.progress.frame = packed.frame.wrapping_sub(frames + frames_behind);
        unpacking
    }

    /// The segment that was unpacked last.
    #[inline(never)]
    pub fn segment(&self, unpacked: &Unpacked) -> Segment {
        let &Unpacked { side, flags, time, frame, seq, ack, payload_len, .. } = unpacked;
        let &Unpacked { window, ip_id, marks, interface, context, ttl, .. } = unpacked;
        let (source, destination) = (*self.ends[side as usize], *self.ends[1 - side as usize]);
        Segment {
            time,
            frame: FrameNumber(frame),
            source,
            destination,
            seq,
            ack,
            payload_len,
            window,
            flags,
            ip_id,
            ttl,
            marks,
            interface: interface.into(),
            context,
            realm: 0,
            digest: 0,
            options: self.options(unpacked),
        }
    }

    /// The options of the segment that was unpacked last.
    #[inline]
    fn options(&self, unpacked: &Unpacked) -> TcpOptions {
        options_of(self.progress.options, unpacked.timestamps)
    }

    /// What the SYN that was unpacked last says its sender takes in one segment, and what it tells of its stack.
    #[inline(always)]
    pub fn greeting(&self, syn: &Unpacked) -> (Option<u16>, Greeting) {
        let octets = self.progress.options;
        let has = |option: u8| octets as u8 & option != 0;
        if has(ORDER) {
            return self.other_greeting(syn);
        }
        let kinds =
            KINDS[usize::from(octets as u8)] | u8::from(syn.timestamps.is_some()) << OptionKind::Timestamps as u8;
        let mss = if has(USUAL_MSS) { Some(MSS_OF_MOST) } else { has(MSS).then_some((octets >> 8) as u16) };
        (mss, Greeting::usual(kinds, syn.ttl).numbered(syn.flags, syn.ip_id))
    }

    #[inline(never)]
    fn other_greeting(&self, syn: &Unpacked) -> (Option<u16>, Greeting) {
        let options = self.options(syn);
        (options.mss, Greeting::with(&options, syn.ttl).numbered(syn.flags, syn.ip_id))
    }

    /// Goes on to what lies behind the record; false when there is nothing, or it has been there.
    #[inline]
    fn go_behind(&mut self) -> bool {
        // A packed segment lies whole in either part.
        (self.octets, self.at, self.end) = (self.behind, 0, std::mem::take(&mut self.behind_len));
        self.end > 0
    }

    /// There is nothing left where it is.
    #[inline(always)]
    fn is_over(&self) -> bool {
        self.at >= self.end
    }

    /// The next octets, if there are enough for any packed segment.
    #[inline(always)]
    fn block(&self) -> Option<&'a [u8; BLOCK]> {
        self.octets.get(self.at..)?.first_chunk()
    }

    /// Unpacks usual segments as long as there is one, and `taker` has a use for it as such. The first one that it has none for is still
    /// the next.
    #[inline(always)]
    pub fn take_usual(&mut self, taker: &mut impl TakeUsual) {
        loop {
            if self.is_over() && !self.go_behind() {
                return;
            }
            let Some(octets) = self.block() else { return };
            let head = u32::from_le_bytes(*octets.first_chunk().unwrap_or(&[0; 4]));
            if head & (IS_LONG | WINDOW) == 0
                && let Some(has_clock) = taker.takes_plain()
                && self.progress.trails.iter().all(|trail| trail.window != 0)
                && self.take_plain(has_clock, taker)
            {
                continue;
            }
            let (head, head_len) = head_of(head);
            let block = Block { octets, at: head_len };
            let is_taken = match head & (UNUSUAL | LONG & !FIN) {
                0 => self.take_next::<true>(block, head, taker),
                _ => head & UNUSUAL == 0 && self.take_next::<false>(block, head, taker),
            };
            if !is_taken {
                return;
            }
        }
    }

    /// Those of which only what moves on in every segment is told, as long as one comes after the other. False when the next one is none.
    #[inline(always)]
    fn take_plain(&mut self, has_clock: bool, taker: &mut impl TakeUsual) -> bool {
        let expected = if has_clock { CLOCK } else { 0 };
        let Progress { trails, time, frame, .. } = &mut self.progress;
        let (mut now, mut newest) = (*time, *frame);
        // Where no segment begins any more there are too few octets: so both are one question.
        let to = self.octets.len().min(self.end + BLOCK - 1);
        let mut octets = self.octets.get(self.at..to).unwrap_or_default();
        while let Some((head, numbers)) = octets.first_chunk::<BLOCK>().and_then(|block| block.split_first_chunk()) {
            let head = u32::from(u16::from_le_bytes(*head));
            let Some(numbers) = numbers.first_chunk().filter(|_| head & (IS_LONG | WINDOW | CLOCK) == expected) else {
                break;
            };
            let numbers = Numbers::short(numbers, head);
            let side = (head >> FROM_SERVER_AT & 1) as usize;
            let (own_clock, peer) = (trails[side].clock, &trails[1 - side]);
            let (mut echo, mut clock) = (0, own_clock);
            if has_clock {
                clock = unfolded(clock, numbers.value);
                echo = unfolded(peer.clock, numbers.echo);
            }
            let Numbers { payload, span, frames, len, .. } = numbers;
            let (time, frame) = (Timestamp(now.0 + span), newest.wrapping_add(frames));
            let segment = Plain { side, frame, time, span, frames, ack: peer.nxt, payload_len: payload, echo };
            if !taker.take_plain(&segment) {
                break;
            }
            (now, newest) = (time, frame);
            let own = &mut trails[side];
            own.nxt = own.nxt + payload;
            (own.clock, own.ip_id) = (clock, next_id(own.ip_id));
            octets = &octets[2 + len % NUMBERS_MAX..];
        }
        (*time, *frame) = (now, newest);
        let before = std::mem::replace(&mut self.at, to - octets.len());
        self.at > before
    }

    /// One with any numbers and bits that a usual one has, or with those only that are no reason for a long head, but for FIN.
    #[inline(always)]
    fn take_next<const IS_SHORT: bool>(&mut self, mut block: Block<'_>, head: u32, taker: &mut impl TakeUsual) -> bool {
        let has = |bit: u32| head & bit != 0;
        let side = (head >> FROM_SERVER_AT & 1) as usize;
        let (own, peer) = (&self.progress.trails[side], &self.progress.trails[1 - side]);
        let (mut ack, mut ip_id) = (peer.nxt, next_id(own.ip_id));
        if !IS_SHORT && has(ACK | IP_ID) {
            ack = if has(ACK) { Seq(block.number(Extent::FOUR)) } else { ack };
            ip_id = block.short(has(IP_ID), ip_id);
        }
        let window = block.short(has(WINDOW), own.window);
        let is_long = !IS_SHORT && has(NANOS | 4 << SPAN_AT);
        let numbers = if is_long { block.numbers(head) } else { Numbers::short(block.rest(), head) };
        let (mut timestamps, mut clock) = (None, own.clock);
        if has(CLOCK) {
            clock = unfolded(clock, numbers.value);
            timestamps = Some(Timestamps { value: clock, echo: unfolded(peer.clock, numbers.echo) });
        }
        let Numbers { payload, span, frames, len, .. } = numbers;
        let (is_fin, acks_all) = (has(FIN), IS_SHORT || ack == peer.nxt);
        let (time, frame) = (Timestamp(self.progress.time.0 + span), self.progress.frame.wrapping_add(frames));
        let echo = timestamps.map_or(0, |stamps| stamps.echo);
        let plain = Plain { side, frame, time, span, frames, ack, payload_len: payload, echo };
        if !taker.take(&Usual { plain, is_fin, acks_all, timestamps, window, ip_id }) {
            return false;
        }
        self.at += block.at + len;
        (self.progress.time, self.progress.frame) = (time, frame);
        let own = &mut self.progress.trails[side];
        own.nxt = own.nxt + payload.wrapping_add(u32::from(is_fin));
        (own.clock, own.window, own.ip_id) = (clock, window, ip_id);
        true
    }

    /// There is nothing left.
    #[inline(always)]
    pub fn is_at_end(&self) -> bool {
        self.is_over() && self.behind_len == 0
    }

    /// Where it has come to.
    pub fn now(&self) -> (Timestamp, u64) {
        (self.progress.time, self.progress.frame)
    }

    /// The number after the last one of a side, and its window.
    pub fn end_of(&self, side: Side) -> (Seq, u16) {
        let Trail { nxt, window, .. } = self.progress.trails[side as usize];
        (nxt, window)
    }

    /// Unpacks the next segment; none after the last one.
    #[inline(always)]
    pub fn advance(&mut self) -> Option<Unpacked> {
        if self.is_over() && !self.go_behind() {
            return None;
        }
        let octets = match self.block() {
            Some(octets) => octets,
            None => copy_last(&mut self.scratch, self.octets.get(self.at..).unwrap_or_default()),
        };
        let mut block = Block { octets, at: 0 };
        let (head, head_len) = head_of(block.word() as u32);
        block.at = head_len;
        let side = if head >> FROM_SERVER_AT & 1 == 0 { Side::Client } else { Side::Server };
        let unpacked = self.progress.unpack(&mut block, head, side, flags_of_head(head));
        self.at += block.at;
        Some(unpacked)
    }

    /// The same of the client's SYN, or the server's that answers it, where it has options and neither payload nor another control bit; none, and
    /// it is still the next, when that is something else. What is known of it beforehand is not asked again.
    #[inline(always)]
    pub fn advance_syn(&mut self, side: Side) -> Option<Unpacked> {
        let (flags, all) = match side {
            Side::Client => (Flags::SYN, OF_SYN | OF_FIRST),
            Side::Server => (Flags::SYN.union(Flags::ACK), OF_SYN),
        };
        let known = IS_LONG | (side as u32) << FROM_SERVER_AT | SEQ | OPTIONS | flags_to_head(flags);
        if self.is_over() && !self.go_behind() {
            return None;
        }
        let mut block = Block { octets: self.block()?, at: 4 };
        let head = u32::from_le_bytes(*block.octets.first_chunk()?);
        if head & all != known {
            return None;
        }
        // It is as it was; so the compiler knows, too.
        self.progress.trails[side as usize] = Trail::BOTH[side as usize];
        let unpacked = self.progress.unpack(&mut block, head & !all | known, side, flags);
        self.at += block.at;
        Some(unpacked)
    }
}

impl Progress {
    /// The segment of which the numbers begin where `block` is, with this head.
    #[inline(always)]
    fn unpack(&mut self, block: &mut Block<'_>, head: u32, side: Side, flags: Flags) -> Unpacked {
        let has = |bit: u32| head & bit != 0;
        let [client, server] = &mut self.trails;
        let (own, peer) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let (mut seq, mut ack) = (own.nxt, expected_ack(flags, peer.nxt));
        own.ip_id = next_id(own.ip_id);
        if has(SEQ | ACK | IP_ID) {
            if has(SEQ) {
                seq = Seq(block.number(Extent::FOUR));
            }
            if has(ACK) {
                ack = Seq(block.number(Extent::FOUR));
            }
            own.ip_id = block.short(has(IP_ID), own.ip_id);
        }
        own.window = block.short(has(WINDOW), own.window);
        let mut timestamps = None;
        if has(CLOCK) {
            own.clock = unfolded(own.clock, block.coded(head >> VALUE_AT));
            timestamps =
                Some(Timestamps { value: own.clock, echo: unfolded(peer.clock, block.coded(head >> ECHO_AT)) });
        }
        let payload_len = block.coded(head >> PAYLOAD_AT);
        self.time.0 += block.span(head);
        self.frame = self.frame.wrapping_add(u64::from(block.coded(head >> FRAMES_AT) ^ 1));
        self.options = 0;
        if has(ENVELOPE) {
            block.envelope(own);
        }
        if has(OPTIONS) {
            self.options = block.options();
        }
        let unpacked = Unpacked {
            side,
            flags,
            time: self.time,
            frame: self.frame,
            seq,
            ack,
            payload_len,
            timestamps,
            window: own.window,
            ip_id: own.ip_id,
            marks: own.marks | marks_of_head(head),
            interface: own.interface,
            context: own.context.into(),
            ttl: own.ttl,
        };
        if !flags.contains(Flags::RST) {
            own.nxt = unpacked.seq_end();
        }
        unpacked
    }
}

/// Which of [`OptionKind`] but timestamps there are, a bit each, by the octet before the options of a SYN.
static KINDS: [u8; 256] = {
    let mut all = [0; 256];
    let mut octet = 0;
    while octet < all.len() {
        let kinds = [
            (MSS | USUAL_MSS, OptionKind::MaximumSegmentSize),
            (SACK_PERMITTED, OptionKind::SackPermitted),
            (SHIFT | USUAL_SHIFT, OptionKind::WindowScale),
        ];
        let mut at = 0;
        while at < kinds.len() {
            all[octet] |= ((octet as u8 & kinds[at].0 != 0) as u8) << kinds[at].1 as u8;
            at += 1;
        }
        octet += 1;
    }
    all
};

/// What is the same in the heads of all SYNs that [`Unpacking::advance_syn`] takes.
const OF_SYN: u32 =
    IS_LONG | 1 << FROM_SERVER_AT | PUSH | 3 << PAYLOAD_AT | SEQ | ACK | OPTIONS | 1 << CUT_AT | u32::MAX << FLAGS_AT;
/// And in that of the first one, of which times and frames count, and which has nothing to echo.
const OF_FIRST: u32 = 3 << FRAMES_AT | 3 << ECHO_AT | 7 << SPAN_AT | NANOS;
/// What only stands in the head of a segment that is not [`Usual`].
const UNUSUAL: u32 = LONG & !(ACK | IP_ID | NANOS | FIN | 7 << SPAN_AT);

/// The sequence numbers of the first two segments, the SYNs, without unpacking them.
pub(super) fn initial_numbers(packed: &Packed<'_>) -> [Seq; 2] {
    let [first_len, rest_len] = packed.lens;
    let mut octets = Octets { all: packed.first, at: 0, end: first_len };
    let syn = octets.seq();
    octets.step_over();
    if octets.is_over() {
        octets = Octets { all: packed.rest, at: 0, end: rest_len };
    }
    let syn_ack = if octets.is_over() { None } else { octets.seq() };
    [syn, syn_ack].map(Option::unwrap_or_default)
}

/// The last octets, and zeros.
#[cold]
fn copy_last<'a>(scratch: &'a mut [u8; BLOCK], last: &[u8]) -> &'a [u8; BLOCK] {
    *scratch = [0; BLOCK];
    scratch.iter_mut().zip(last).for_each(|(place, &octet)| *place = octet);
    scratch
}

/// How long a number is, and what of eight octets it is.
#[derive(Clone, Copy)]
struct Extent<T> {
    mask: T,
    len: u32,
}

impl Extent<u32> {
    const FOUR: Self = Self { mask: u32::MAX, len: 4 };

    const fn by(code: u32) -> Self {
        let len = word_len(code) as u32;
        Self { mask: if len == 0 { 0 } else { u32::MAX >> (32 - 8 * len) }, len }
    }
}

/// Where those numbers lie behind the first one of a segment that every one may have, where it ends, and what of four octets each is.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Places {
    value: u32,
    echo: u32,
    payload: u32,
    span: u32,
    frames: u32,
    echo_at: u8,
    payload_at: u8,
    span_at: u8,
    frames_at: u8,
    end: u8,
}

impl Places {
    /// By all codes that stand in a short head side by side.
    const BY_CODES: &[Self; 1 << 10] = &{
        const NONE: Places = Places {
            value: 0,
            echo: 0,
            payload: 0,
            span: 0,
            frames: 0,
            echo_at: 0,
            payload_at: 0,
            span_at: 0,
            frames_at: 0,
            end: 0,
        };
        let mut all = [NONE; 1 << 10];
        let mut codes = 0;
        while codes < all.len() {
            let head = (codes as u32) << PAYLOAD_AT;
            let (value, echo) = (Extent::by(head >> VALUE_AT), Extent::by(head >> ECHO_AT));
            let (payload, frames) = (Extent::by(head >> PAYLOAD_AT), Extent::by(head >> FRAMES_AT));
            let span_len = span_len(head >> SPAN_AT & 3) as u32;
            let payload_at = value.len + echo.len;
            let frames_at = payload_at + payload.len + span_len;
            all[codes] = Self {
                value: value.mask,
                echo: echo.mask,
                payload: payload.mask,
                span: (1 << (8 * span_len)) - 1,
                frames: frames.mask,
                echo_at: value.len as u8,
                payload_at: payload_at as u8,
                span_at: (payload_at + payload.len) as u8,
                frames_at: frames_at as u8,
                end: (frames_at + frames.len) as u8,
            };
            codes += 1;
        }
        all
    };
}

/// The numbers that every segment may have, and how many octets they have together.
struct Numbers {
    value: u32,
    echo: u32,
    payload: u32,
    /// Since the segment before: ns, and frames.
    span: i64,
    frames: u64,
    len: usize,
}

/// More octets than they take together: a power of two.
const NUMBERS_MAX: usize = 32;
/// And four that are read with the last one.
type NumbersRoom = [u8; NUMBERS_MAX + 4];

impl Numbers {
    /// Those that `octets` begin with, the time in microseconds and three octets at most. None waits for the length of the one before.
    #[inline(always)]
    fn short(octets: &NumbersRoom, head: u32) -> Self {
        let places = &Places::BY_CODES[usize::from((head as u16) >> PAYLOAD_AT)];
        let number = |at: u8, mask: u32| {
            // It never comes so far; so the compiler knows, too.
            let at = usize::from(at) % NUMBERS_MAX;
            octets[at..].first_chunk().map_or(0, |octets| u32::from_le_bytes(*octets)) & mask
        };
        Self {
            value: number(0, places.value),
            echo: number(places.echo_at, places.echo),
            payload: number(places.payload_at, places.payload),
            span: i64::from(number(places.span_at, places.span)) * 1_000,
            frames: u64::from(number(places.frames_at, places.frames) ^ 1),
            len: places.end.into(),
        }
    }
}

/// A packed segment and what lies behind it.
struct Block<'a> {
    octets: &'a [u8; BLOCK],
    at: usize,
}

impl Block<'_> {
    /// The next eight octets, without going on.
    #[inline(always)]
    fn word(&self) -> u64 {
        // It never comes so far; so the compiler knows, too.
        self.octets[self.at % LEN_MAX..].first_chunk().map_or(0, |octets| u64::from_le_bytes(*octets))
    }

    /// The next number of 32 bits.
    #[inline(always)]
    fn number(&mut self, extent: Extent<u32>) -> u32 {
        let value = self.word() as u32 & extent.mask;
        self.at += extent.len as usize;
        value
    }

    /// The next one by its code, the last bits of this.
    #[inline(always)]
    fn coded(&mut self, code: u32) -> u32 {
        static BY_CODE: [Extent<u32>; 4] = [Extent::by(0), Extent::by(1), Extent::by(2), Extent::by(3)];
        self.number(BY_CODE[(code & 3) as usize])
    }

    /// The next number of 16 bits if there is one, without a branch.
    #[inline(always)]
    fn short(&mut self, is_there: bool, or: u16) -> u16 {
        let value = self.word() as u16;
        self.at += 2 * usize::from(is_there);
        if is_there { value } else { or }
    }

    /// What changed of the envelope.
    #[inline(always)]
    fn envelope(&mut self, own: &mut Trail) {
        let changed = self.word() as u8;
        self.at += 1;
        if changed & TTL != 0 {
            own.ttl = self.word() as u8;
            self.at += 1;
        }
        let has = |what: u8| changed & what != 0;
        own.marks = Marks::from_bits_retain(self.short(has(MARKS), own.marks.bits()));
        if has(INTERFACE | CONTEXT) {
            own.interface = self.short(has(INTERFACE), own.interface);
            own.context = self.short(has(CONTEXT), own.context);
        }
    }

    /// The options of a SYN but timestamps, and what lies behind them: what there is stands in eight octets.
    #[inline(always)]
    fn options(&mut self) -> u64 {
        let octets = self.word();
        self.at += 1 + options_len(octets as u8);
        octets
    }

    /// The next octets, without going on.
    #[inline(always)]
    fn rest(&self) -> &NumbersRoom {
        // The same.
        self.octets[self.at % NUMBERS_MAX..].first_chunk().unwrap_or(&[0; NUMBERS_MAX + 4])
    }

    /// The next numbers that every segment may have, without going on.
    #[inline(always)]
    fn numbers(&self, head: u32) -> Numbers {
        let mut block = Block { ..*self };
        let (value, echo) = (block.coded(head >> VALUE_AT), block.coded(head >> ECHO_AT));
        let payload = block.coded(head >> PAYLOAD_AT);
        let span = block.span(head);
        let frames = u64::from(block.coded(head >> FRAMES_AT) ^ 1);
        Numbers { value, echo, payload, span, frames, len: block.at - self.at }
    }

    /// The time in ns since the segment before.
    #[inline(always)]
    fn span(&mut self, head: u32) -> i64 {
        static SPANS: [Extent<u64>; 8] = {
            const MASKS: [u64; 9] = masks();
            let mut all = [Extent { mask: 0, len: 0 }; 8];
            let mut code = 0;
            while code < all.len() {
                let len = span_len(code as u32);
                all[code] = Extent { mask: MASKS[len], len: len as u32 };
                code += 1;
            }
            all
        };
        let extent = &SPANS[(head >> SPAN_AT & 7) as usize];
        let span = (self.word() & extent.mask).cast_signed();
        self.at += extent.len as usize;
        if head & NANOS == 0 { span * 1_000 } else { span }
    }
}

/// What lies so far from `base`, either way round the circle.
#[inline]
fn unfolded(base: u32, folded: u32) -> u32 {
    base.wrapping_add((folded >> 1) ^ (folded & 1).wrapping_neg())
}
