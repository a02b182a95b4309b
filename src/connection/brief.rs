//! A young or short connection in a few octets. As long as nothing out of the ordinary happens, its segments are kept
//! packed and nothing is concluded from them: most connections end before it is worth knowing more. Played back, they
//! make the [`Connection`](super::Connection) that tracking them at once would have made.

mod octets;
mod packing;
mod rest;
mod shelves;
#[cfg(test)]
mod tests;
mod unpacking;
mod usual;

pub use self::rest::Rest;
pub use self::shelves::Shelves;

use std::net::{IpAddr, Ipv4Addr};

use self::packing::{
    ACK, CONTEXT, IN_HEAD, INTERFACE, IP_ID, MARKS, Packing, SCRATCH, SEQ, TTL, USUAL_MARKS, USUAL_TTL, USUAL_WINDOWS,
    WHOLE, WINDOW, WRITTEN, bit, option_bits,
};
use self::shelves::Place;
use self::unpacking::initial_numbers;
pub(super) use self::unpacking::{Margin, Plain, TakeUsual, Unpacked, Unpacking, Usual};
use super::predecessor::{Leavings, PastHalf};
use super::profile::Profile;
use crate::base::prefetch::{LINE_BYTES, prefetch};
use crate::base::{Endpoint, Seq, Side, Timestamp};
use crate::segment::{Flags, Marks, MultipathEnd, Segment};

/// Octets that lie in the record itself: a handshake, and without timestamps most closes.
const FIRST_MAX: usize = 56;
/// Octets beyond them that are copied together: most have no more.
const MOVED: usize = 64;
/// Longer payloads than any offload makes are somebody's joke.
const PAYLOAD_MAX: u32 = 1 << 24;

/// Whose segments are where nobody asks.
const NOBODY: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

// What a side has done.
const CLOSED: u8 = 0x01;
const CLOSED_FIRST: u8 = 0x02;
const HAS_CLOCK: u8 = 0x04;

/// How far an orderly connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// One SYN.
    Asked,
    /// A RST came; nothing may follow.
    Reset,
    /// A SYN and its SYN-ACK.
    Answered,
    /// Acknowledged by the client.
    Open,
}

/// What the next segment of one side is told apart from.
#[derive(Clone, Copy, Debug)]
struct Tail {
    nxt: Seq,
    ack: Seq,
    clock: u32,
    window: u16,
    ip_id: u16,
    marks: Marks,
    interface: u16,
    context: u16,
    ttl: u8,
    /// Whether it closed, and as the first one, and whether its newest segment had timestamps.
    deeds: u8,
}

impl Tail {
    const NONE: Self = Self {
        nxt: Seq(0),
        ack: Seq(0),
        clock: 0,
        window: 0,
        ip_id: 0,
        marks: USUAL_MARKS,
        interface: 0,
        context: 0,
        ttl: USUAL_TTL,
        deeds: 0,
    };
    /// Of the sides before they send anything.
    const BOTH: [Self; 2] =
        [Self { window: USUAL_WINDOWS[0], ..Self::NONE }, Self { window: USUAL_WINDOWS[1], ..Self::NONE }];

    #[inline]
    fn has(&self, deed: u8) -> bool {
        self.deeds & deed != 0
    }

    /// The IP id that most stacks send next: one more, or none at all.
    #[inline]
    fn next_id(&self) -> u16 {
        next_id(self.ip_id)
    }

    #[inline]
    fn close(&mut self, peer_closed: bool) {
        self.deeds |= if self.has(CLOSED) || peer_closed { CLOSED } else { CLOSED | CLOSED_FIRST };
    }

    /// What it is told apart from but its next number.
    #[inline]
    fn go_the_way_of(&mut self, segment: &Segment) {
        self.ack = segment.ack;
        self.window = segment.window;
        self.ip_id = segment.ip_id;
        self.marks = segment.marks.difference(IN_HEAD);
        self.interface = segment.interface as u16;
        self.context = segment.context as u16;
        self.ttl = segment.ttl;
        self.deeds &= !HAS_CLOCK;
        if let Some(timestamps) = segment.options.timestamps {
            self.clock = timestamps.value;
            self.deeds |= HAS_CLOCK;
        }
    }

    #[inline]
    fn follow(&mut self, segment: &Segment, peer_closed: bool) {
        self.go_the_way_of(segment);
        if !segment.flags.contains(Flags::RST) {
            self.nxt = segment.seq_end();
            if segment.flags.contains(Flags::FIN) {
                self.close(peer_closed);
            }
        }
    }
}

/// How far an orderly connection has come, and what its next segment is told apart from.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    newest: Timestamp,
    frame: u64,
    tails: [Tail; 2],
    /// Where the octets are that do not fit into the record.
    rest: Place,
    rest_used: u16,
    stage: Stage,
    first_used: u8,
}

const _: () = assert!(size_of::<Head>() == 72);

/// The segments of an orderly connection, packed: SYN, SYN-ACK, then nothing but segments in order, one FIN from each
/// side at most, or one RST as the last. What does not fit lies on [`Shelves`]. The octets lie behind the head, so that their
/// line is not touched once others lie behind the record.
#[derive(Debug)]
#[repr(C)]
pub struct Brief {
    head: Head,
    first: [u8; FIRST_MAX],
}

/// A [`Brief`] with all of its octets at hand.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    known: Known<'a>,
    /// When its newest segment was captured, and its frame.
    newest: Timestamp,
    frame: u64,
    /// Octets in the record and beyond it.
    lens: [usize; 2],
    /// What lies in the record, and perhaps more behind it.
    first: &'a [u8],
    /// What lies behind it, and perhaps more.
    rest: &'a [u8],
}

/// What else is known of it, which is lent: hardly anybody asks.
#[derive(Clone, Copy, Debug)]
enum Known<'a> {
    Head(&'a Head),
    Rest(&'a Rest),
}

impl Head {
    /// Octets in the record and beyond it.
    fn lens(&self) -> [usize; 2] {
        [self.first_used.into(), self.rest_used.into()]
    }

    /// Copies its octets, with which both parts begin, behind those of `octets`.
    #[inline]
    fn put_octets(&self, parts: [&[u8]; 2], octets: &mut Vec<u8>) {
        let ([first, rest], [first_len, rest_len]) = (parts, self.lens());
        put_first::<FIRST_MAX>(first, first_len, octets);
        if rest_len > 0 {
            put_first::<MOVED>(rest, rest_len, octets);
        }
    }

    /// The client has sent nothing but a SYN.
    fn is_half_open(&self) -> bool {
        matches!(self.stage, Stage::Asked | Stage::Answered)
    }

    #[inline]
    fn ends_at(&self, profile: &Profile) -> Option<Timestamp> {
        // Asked first: most are in the middle of their life.
        if self.stage == Stage::Open && !self.is_closed() { None } else { self.ends_after(profile) }
    }

    /// Both sides have closed.
    #[inline]
    fn is_closed(&self) -> bool {
        let [client, server] = &self.tails;
        client.deeds & server.deeds & CLOSED != 0
    }

    #[inline(never)]
    fn ends_after(&self, profile: &Profile) -> Option<Timestamp> {
        let after = match self.stage {
            Stage::Open | Stage::Reset => profile.time_wait_ns,
            Stage::Asked => profile.syn_give_up_ns,
            Stage::Answered => profile.syn_ack_give_up_ns,
        };
        Some(self.newest.plus(after))
    }
}

impl Head {
    /// Packs a segment. Times and frames count from the one before; those of the newest are known, so the first needs none.
    #[inline(always)]
    fn pack<const ROOM: usize>(&self, side: Side, segment: &Segment, out: &mut Packing<'_, ROOM>) {
        let (own, peer) = (&self.tails[side as usize], &self.tails[1 - side as usize]);
        self.pack_told_apart::<false, ROOM>([own, peer], segment, out);
    }

    /// Packs one, or a SYN without payload, told apart from these newest ones of its sender and the other end.
    #[inline(always)]
    fn pack_told_apart<const IS_SYN: bool, const ROOM: usize>(
        &self,
        [own, peer]: [&Tail; 2],
        segment: &Segment,
        out: &mut Packing<'_, ROOM>,
    ) {
        let (seq, ack) = (segment.seq.0.to_le_bytes(), segment.ack.0.to_le_bytes());
        let has_ack = segment.ack != expected_ack(segment.flags, peer.nxt);
        if IS_SYN {
            out.put_told(SEQ, seq);
            // A branch that is always guessed right.
            if has_ack {
                out.put_told(ACK, ack);
            }
        } else {
            out.put_if(segment.seq != own.nxt, SEQ, seq);
            out.put_if(has_ack, ACK, ack);
        }
        out.put_if(segment.ip_id != own.next_id(), IP_ID, segment.ip_id.to_le_bytes());
        out.put_if(segment.window != own.window, WINDOW, segment.window.to_le_bytes());
        if let Some(timestamps) = segment.options.timestamps {
            out.clock(timestamps, own.clock, peer.clock);
        }
        out.payload(if IS_SYN { 0 } else { segment.payload_len });
        let (span, frames) = if self.first_used == 0 {
            (0, 1)
        } else {
            (segment.time.0 - self.newest.0, (segment.frame.0 - self.frame) as u32)
        };
        out.span(span.cast_unsigned());
        out.frames(frames);
        let changed = bit(segment.ttl != own.ttl, TTL)
            | bit(segment.marks.difference(IN_HEAD) != own.marks, MARKS)
            | bit(segment.interface != u32::from(own.interface), INTERFACE)
            | bit(segment.context != u32::from(own.context), CONTEXT);
        if changed != 0 {
            out.envelope(changed, segment);
        }
        let options = option_bits(&segment.options);
        if options != 0 {
            out.options(options, &segment.options);
        }
    }

    /// The segment is the newest one now.
    #[inline(always)]
    fn follow(&mut self, side: Side, segment: &Segment) {
        (self.newest, self.frame) = (segment.time, segment.frame.0);
        let peer_closed = self.tails[1 - side as usize].has(CLOSED);
        self.tails[side as usize].follow(segment, peer_closed);
    }
}

impl<'a> Packed<'a> {
    /// The frame of its newest segment.
    pub(super) fn last_frame(&self) -> u64 {
        self.frame
    }

    /// When the newest segment was captured.
    #[inline]
    pub fn end(&self) -> Timestamp {
        self.newest
    }

    #[inline]
    fn head(&self) -> Head {
        match self.known {
            Known::Head(head) => *head,
            Known::Rest(rest) => rest.head(),
        }
    }

    /// Copies its octets behind those of `octets`. They are at hand again by [`Head::with`].
    pub fn put_into(&self, octets: &mut Vec<u8>) -> Head {
        let head = self.head();
        head.put_octets([self.first, self.rest], octets);
        head
    }

    /// Gives the segments back, in order and as they were.
    pub fn replay(&self, client: Endpoint, server: Endpoint, mut each: impl FnMut(&Segment)) {
        let (ends, mut margin) = ([&client, &server], Margin::default());
        let mut unpacking = Unpacking::dated(self, &ends, &mut margin);
        while let Some(unpacked) = unpacking.advance() {
            each(&unpacking.segment(&unpacked));
        }
    }

    /// Its segments one by one, with times and frames that count from the first, which makes it cheaper.
    #[inline(always)]
    pub(super) fn unpacking(&self, ends: &'a [&'a Endpoint; 2], margin: &'a mut Margin) -> Unpacking<'a> {
        Unpacking::of(self, ends, margin)
    }

    /// It is a lone SYN, or was reset, or it is open and whoever closed had that acknowledged.
    pub(super) fn is_settled(&self) -> bool {
        // Who rests is over.
        let Known::Head(Head { stage, tails: [client, server], .. }) = self.known else { return true };
        let is_acked = |tail: &Tail, peer: &Tail| !tail.has(CLOSED) || peer.ack == tail.nxt;
        matches!(stage, Stage::Asked | Stage::Reset)
            || *stage == Stage::Open && is_acked(client, server) && is_acked(server, client)
    }

    /// What is left of a connection that was reset. The reset changes no more than that there was one.
    fn remains_of_reset(&self) -> Leavings {
        let mut halves = [PastHalf::default(); 2];
        let mut acked = [None; 2];
        let mut is_closed = false;
        let mut margin = Margin::default();
        let mut unpacking = Unpacking::of(self, &[&NOBODY; 2], &mut margin);
        while let Some(segment) = unpacking.advance() {
            let (own, peer) = (segment.side as usize, 1 - segment.side as usize);
            let flags = segment.flags;
            let half = &mut halves[own];
            half.base.get_or_insert(if flags.contains(Flags::SYN) { segment.seq } else { segment.seq - 1 });
            half.closed_first |= !is_closed && flags.intersects(Flags::FIN | Flags::RST);
            is_closed |= flags.intersects(Flags::FIN | Flags::RST);
            if flags.contains(Flags::RST) {
                half.rst = true;
                continue;
            }
            if flags.contains(Flags::SYN) {
                half.isn = Some(segment.seq);
            }
            half.fin |= flags.contains(Flags::FIN);
            half.nxt = Some(segment.seq_end());
            half.timestamp = segment.timestamps.map(|stamps| stamps.value);
            if flags.contains(Flags::ACK) {
                acked[peer] = Some(segment.ack);
            }
        }
        for (half, acked) in halves.iter_mut().zip(acked) {
            half.fin_acked = half.fin && acked == half.nxt;
            half.syn_unanswered =
                half.isn.is_some_and(|isn| half.nxt == Some(isn + 1) && acked.is_none_or(|acked| acked == isn));
        }
        Leavings { end: self.newest, closing: true, halves }
    }

    /// What [`Predecessor::of`](super::Predecessor::of) the connection played back tells of its halves.
    pub fn remains(&self) -> Leavings {
        let Head { stage, tails, .. } = &self.head();
        if *stage == Stage::Reset {
            return self.remains_of_reset();
        }
        let [syn, syn_ack] = initial_numbers(self);
        let half = |side: Side, isn: Option<Seq>| {
            let (own, peer) = (&tails[side as usize], &tails[1 - side as usize]);
            PastHalf {
                isn,
                base: isn,
                nxt: isn.map(|_| own.nxt),
                fin: own.has(CLOSED),
                fin_acked: own.has(CLOSED) && peer.ack == own.nxt,
                closed_first: own.has(CLOSED_FIRST),
                timestamp: own.has(HAS_CLOCK).then_some(own.clock),
                syn_unanswered: match stage {
                    Stage::Asked => side == Side::Client,
                    Stage::Answered => side == Side::Server && isn.is_some_and(|isn| own.nxt == isn + 1),
                    Stage::Open | Stage::Reset => false,
                },
                rst: false,
                state: None,
            }
        };
        let closing = tails.iter().any(|tail| tail.has(CLOSED));
        let syn_ack = Some(syn_ack).filter(|_| *stage != Stage::Asked);
        let halves = [half(Side::Client, Some(syn)), half(Side::Server, syn_ack)];
        Leavings { end: self.newest, closing, halves }
    }
}

impl Head {
    /// With the octets at hand that [`Packed::put_into`] copied to the beginning of `octets`.
    pub fn with<'a>(&'a self, octets: &'a [u8]) -> Packed<'a> {
        let (lens, rest) = (self.lens(), octets.get(self.first_used.into()..).unwrap_or_default());
        Packed { known: Known::Head(self), newest: self.newest, frame: self.frame, lens, first: octets, rest }
    }
}

impl Brief {
    /// Octets before those that are packed.
    pub const HEAD_LEN: usize = size_of::<Head>();

    /// Room that [putting](Self::put_into) its octets behind others asks for beyond their end, at most.
    pub const PUT_BEYOND: usize = MOVED;

    /// One that has not begun.
    pub const EMPTY: Self = Self {
        head: Head {
            newest: Timestamp(0),
            frame: 0,
            tails: Tail::BOTH,
            rest: Place::NONE,
            rest_used: 0,
            stage: Stage::Asked,
            first_used: 0,
        },
        first: [0; FIRST_MAX],
    };

    /// Whether one can begin with `segment`: with a plain SYN.
    #[inline]
    pub fn can_begin(segment: &Segment) -> bool {
        let controls = Flags::SYN | Flags::ACK | Flags::FIN | Flags::RST;
        let plain = segment.flags & controls == Flags::SYN && segment.payload_len == 0 && segment.time.0 >= 0;
        plain && segment.source != segment.destination && is_packable(segment)
    }

    /// Begins an [empty](Self::EMPTY) one with a segment that it [can begin](Self::can_begin) with.
    #[inline]
    pub fn begin(&mut self, segment: &Segment) {
        // Nobody has sent anything before; so the compiler knows, too.
        let is_packed = self.pack_syn(Side::Client, &Self::EMPTY.head, segment);
        debug_assert!(is_packed, "a SYN takes less than the room");
    }

    /// Takes the next segment, sent by `side`. False, and nothing has changed, when it is out of the ordinary or there is
    /// no more room: then it is time to [play back](Packed::replay).
    #[inline(never)]
    pub fn take(&mut self, side: Side, segment: &Segment, shelves: &mut Shelves) -> bool {
        if self.is_usual(side, segment) {
            self.take_usual(side, segment, shelves)
        } else {
            self.take_any(side, segment, shelves)
        }
    }

    /// The same for any segment, one question after the other.
    #[inline(never)]
    fn take_any(&mut self, side: Side, segment: &Segment, shelves: &mut Shelves) -> bool {
        let Some(stage) = self.stage_after(side, segment) else { return false };
        let head = &self.head;
        if segment.time < head.newest || !is_packable(segment) {
            return false;
        }
        if segment.frame.0.wrapping_sub(head.frame) > u64::from(u32::MAX) {
            return false;
        }
        let is_syn = segment.flags.contains(Flags::SYN);
        let is_packed = is_syn && self.pack_syn_ack(segment) || self.pack(side, segment, shelves);
        if !is_packed {
            return false;
        }
        if is_syn {
            // The least that the client's acknowledgment may say.
            self.head.tails[0].ack = segment.seq_end();
        }
        self.head.stage = stage;
        true
    }

    /// The client has sent nothing but a SYN.
    pub fn is_half_open(&self) -> bool {
        self.head.is_half_open()
    }

    /// When the newest segment was captured.
    #[inline]
    pub fn end(&self) -> Timestamp {
        self.head.newest
    }

    /// The same as [`Connection::ends_at`](super::Connection::ends_at).
    #[inline]
    pub fn ends_at(&self, profile: &Profile) -> Option<Timestamp> {
        self.head.ends_at(profile)
    }

    /// Its octets, those on `shelves` among them.
    #[inline]
    pub fn packed<'a>(&'a self, shelves: &'a Shelves) -> Packed<'a> {
        let (head, rest) = (&self.head, shelves.get(self.head.rest));
        let &Head { newest, frame, .. } = head;
        Packed { known: Known::Head(head), newest, frame, lens: head.lens(), first: &self.first, rest }
    }

    /// Copies its octets, those on `shelves` among them, behind those of `octets`.
    #[inline]
    pub fn put_into(&self, octets: &mut Vec<u8>, shelves: &Shelves) {
        self.head.put_octets([&self.first, shelves.get(self.head.rest)], octets);
    }

    /// Leaves its place on `shelves` to others.
    #[inline]
    pub fn clear_away(&mut self, shelves: &mut Shelves) {
        shelves.put_back(std::mem::replace(&mut self.head.rest, Place::NONE));
    }

    /// Begins to bring the place into the cache where the next segment will lie, with the octets before it, for they may have to move to a
    /// larger place, and all of them if it is about to be the last.
    #[inline]
    pub fn prefetch(&self, shelves: &Shelves) {
        let head = &self.head;
        let used = usize::from(head.rest_used);
        // Whether they lie in the record or beyond nobody can guess, and a line for nothing costs less than a wrong guess.
        prefetch(&self.first[FIRST_MAX - 1]);
        shelves.prefetch(head.rest, [used, used.saturating_sub(LINE_BYTES)]);
        if used > 2 * LINE_BYTES && head.is_closed() {
            shelves.prefetch_before(head.rest, used);
        }
    }

    /// The stage that the segment leads to; none when it is not the one that an orderly connection goes on with.
    #[inline]
    fn stage_after(&self, side: Side, segment: &Segment) -> Option<Stage> {
        let Head { tails: [client, server], stage, .. } = &self.head;
        let (own, peer) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        let flags = segment.flags;
        if flags.intersects(Flags::SYN | Flags::RST) {
            return if flags.contains(Flags::RST) {
                (*stage != Stage::Reset && !flags.contains(Flags::SYN)).then_some(Stage::Reset)
            } else {
                let answers = flags.contains(Flags::ACK) && segment.ack == peer.nxt && segment.payload_len == 0;
                let plain = answers && !flags.contains(Flags::FIN) && side == Side::Server;
                (plain && *stage == Stage::Asked).then_some(Stage::Answered)
            };
        }
        let stage = match (*stage, side) {
            (Stage::Answered | Stage::Open, Side::Client) => Stage::Open,
            (Stage::Answered | Stage::Open, Side::Server) => *stage,
            (Stage::Asked | Stage::Reset, _) => return None,
        };
        let in_order = segment.seq == own.nxt && flags.contains(Flags::ACK);
        let acks = segment.ack.at_or_after(own.ack) && segment.ack.at_or_before(peer.nxt);
        let after_fin = own.has(CLOSED) && (segment.payload_len > 0 || flags.contains(Flags::FIN));
        (in_order && acks && !after_fin && segment.payload_len <= PAYLOAD_MAX).then_some(stage)
    }

    /// Packs a segment behind the others; false when there is no room.
    #[inline(never)]
    fn pack(&mut self, side: Side, segment: &Segment, shelves: &mut Shelves) -> bool {
        let mut scratch = [0; SCRATCH];
        let mut out = Packing::new(side, &mut scratch, 0);
        self.head.pack(side, segment, &mut out);
        if !self.keep(out, segment.flags, segment.marks, shelves) {
            return false;
        }
        self.head.follow(side, segment);
        true
    }

    /// Packs the server's SYN where it stays; false when the record has no room for it.
    #[inline(always)]
    fn pack_syn_ack(&mut self, segment: &Segment) -> bool {
        let before = self.head;
        self.pack_syn(Side::Server, &before, segment)
    }

    /// Packs the first segment of `side`, a SYN without payload, where it stays, told apart from what was `before`; false when the record has no
    /// room for it.
    #[inline(always)]
    fn pack_syn(&mut self, side: Side, before: &Head, segment: &Segment) -> bool {
        let from = usize::from(before.first_used);
        if from > FIRST_MAX - WRITTEN {
            return false;
        }
        let Self { head, first } = self;
        let mut out = Packing::new(side, first, from);
        let tails = [&Tail::BOTH[side as usize], &before.tails[1 - side as usize]];
        before.pack_told_apart::<true, FIRST_MAX>(tails, segment, &mut out);
        let to = out.end(from, segment.flags, segment.marks);
        if to > FIRST_MAX - WRITTEN {
            return false;
        }
        head.first_used = to as u8;
        (head.newest, head.frame) = (segment.time, segment.frame.0);
        let own = &mut head.tails[side as usize];
        own.go_the_way_of(segment);
        own.nxt = segment.seq + 1;
        true
    }

    /// A packed segment lies whole in the record or whole behind it.
    #[inline(always)]
    fn keep(&mut self, out: Packing<'_, SCRATCH>, flags: Flags, marks: Marks, shelves: &mut Shelves) -> bool {
        let (packed, len) = out.finish(flags, marks);
        let Some(place) = self.place_for(len, shelves) else { return false };
        put(place, packed, len);
        true
    }

    /// The place of the next `len` octets, and what room there is behind them; none when there is none.
    #[inline(always)]
    fn place_for<'a>(&'a mut self, len: usize, shelves: &'a mut Shelves) -> Option<&'a mut [u8]> {
        let head = &mut self.head;
        let from = usize::from(head.first_used);
        if head.rest_used == 0 && from + len <= FIRST_MAX {
            head.first_used += len as u8;
            return self.first.get_mut(from..);
        }
        let from = usize::from(head.rest_used);
        // With room for a whole move, so that whether there is some can be guessed.
        let place = shelves.room(&mut head.rest, from, from + len.max(WHOLE))?;
        head.rest_used += len as u16;
        Some(place)
    }
}

/// Copies the first `len` octets of `part` behind those of `octets`, mostly in moves of a fixed length.
#[inline]
fn put_first<const MOVED: usize>(part: &[u8], len: usize, octets: &mut Vec<u8>) {
    match part.first_chunk::<MOVED>() {
        Some(whole) if len <= MOVED => {
            let to = octets.len() + len;
            octets.extend_from_slice(whole);
            octets.truncate(to);
        }
        _ => octets.extend_from_slice(&part[..len]),
    }
}

/// Copies the first `len` octets of `packed` to `place`. What lies behind may be written over: it is written later.
#[inline(always)]
fn put(place: &mut [u8], packed: &[u8], len: usize) {
    // Copies of a fixed length are two instructions.
    match (place.first_chunk_mut(), packed.first_chunk::<WHOLE>()) {
        (Some(place), Some(whole)) if len <= WHOLE => *place = *whole,
        _ => place[..len].copy_from_slice(&packed[..len]),
    }
}

/// Nothing about it is odd, and nothing here lacks room for it, as for SACK blocks or a digest of its own.
#[inline]
fn is_packable(segment: &Segment) -> bool {
    segment.options.sack_count == 0
        && segment.options.multipath_end == MultipathEnd::NONE
        && segment.digest == 0
        && !segment.marks.intersects(Marks::HEADER_BAD | Marks::FRAGMENT_FIRST | Marks::SAMPLED)
        && (segment.interface | segment.context) <= u32::from(u16::MAX)
}

#[inline]
fn expected_ack(flags: Flags, peer_nxt: Seq) -> Seq {
    if flags.contains(Flags::ACK) { peer_nxt } else { Seq(0) }
}

#[inline]
fn next_id(id: u16) -> u16 {
    id.wrapping_add(u16::from(id != 0))
}
