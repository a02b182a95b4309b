//! The streaming part: one segment at a time into counters and the journal.

use super::brief::Packed;
use super::classify::WILD_DISTANCE;
use super::half::Half;
use super::journal::{Artefact, Journal};
use super::noted::{Class, Noted};
use super::predecessor::{Predecessor, Successor};
use super::profile::{Greeting, Profile};
use super::reset::ResetSeen;
use super::roles::roles;
use super::sequence::{SequenceAnalysis, SequenceCounts};
use super::words::RoleBasis;
use crate::base::{Endpoint, Seq, Side, Sides, Timestamp};
use crate::segment::{Flags, IcmpError, Marks, Segment};

/// Resets remembered with the state of things before them; more are only counted.
const RESETS_MAX: usize = 8;
/// What is acknowledged within this after a capture began, and was not captured, may have been sent before, ns: few round trips are
/// longer.
const UNDER_WAY_NS_MAX: i64 = 1_000_000_000;
/// ICMP errors remembered.
const ICMP_MAX: usize = 8;
/// Segments noted at the start of every connection, whatever they are: the handshake and what follows it.
pub(super) const OPENING_SEGMENTS: u64 = 6;

/// Two frames of one side this far apart in the wrong order are a clock that was set back; less are the queues of one
/// network card, emptied in turn.
const CLOCK_STEP_NS: i64 = 1_000_000;
/// The same of frames of both sides: two interfaces hand over what they have in turn, once a second at the slowest.
const CLOCK_STEP_ACROSS_NS: i64 = 2_000_000_000;
/// A silence is worth remembering from the shortest idle timeouts in use on.
pub(super) const SILENCE_NS: i64 = 4_500_000_000;

/// Everything known of one incarnation of a four-tuple.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Connection {
    /// Wireshark's `tcp.stream`.
    pub stream: u64,
    /// The end that opened.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// How the two were told apart.
    pub role_basis: RoleBasis,
    /// What each side sent.
    pub halves: Sides<Half>,
    /// Segments remembered for hindsight.
    pub journal: Journal,
    /// Resets with what was known before each, the first ones.
    pub resets: Vec<ResetSeen>,
    /// ICMP errors that quote this connection, the first ones.
    pub icmp_errors: Vec<IcmpError>,
    /// How many ICMP errors quoted it.
    pub icmp_count: u32,
    /// Time of the first segment.
    pub start: Timestamp,
    /// Time of the newest segment.
    pub end: Timestamp,
    /// Frame of the first segment.
    pub first_frame: u64,
    /// Frame of the newest segment.
    pub last_frame: u64,
    /// The longest silence between two segments, and the frame that ended it.
    pub longest_silence: (i64, u64),
    /// How often a frame was dated before an earlier one, by more than the order of queues explains.
    pub clock_steps_back: u32,
    /// Wireshark's `tcp.completeness`.
    pub completeness: u8,
    /// Zeek's history letters.
    pub history: String,
    /// The incarnation before this one on the same four-tuple.
    pub predecessor: Option<Predecessor>,
    /// What began the incarnation after it, if that came while it was still followed.
    pub successor: Option<Successor>,
    /// The frame that shows that this is the connection of the stream before still, in spite of the SYN that began it.
    pub resumed: Option<u64>,
    /// The tunnel or VLAN that it was first seen in.
    pub context: u32,
    /// Another one that segments of a side came through which had come through one before: the first such pair.
    pub context_change: Option<(u32, u32)>,
    /// It had to make room for others before it ended.
    pub evicted: bool,
    /// FINs that no frame carries, each as of the frame that shows it ([`Connection::with_missed_fins`]).
    pub missed_fins: Sides<Option<Box<Noted>>>,
    /// A stretch of the input stands in it once more: what is dated up to here and says nothing new is part of that.
    pub(super) repeats_until: Timestamp,
    pub(super) sequence: SequenceAnalysis,
}

impl Connection {
    /// Begins with `first`, which decides who is the client; [`Connection::step`] is then called with it too.
    pub fn new(stream: u64, first: &Segment, predecessor: Option<Predecessor>) -> Self {
        let (client, server, role_basis) = roles(first);
        Self {
            stream,
            client,
            server,
            role_basis,
            halves: Sides::default(),
            journal: Journal::default(),
            resets: Vec::new(),
            icmp_errors: Vec::new(),
            icmp_count: 0,
            start: first.time,
            end: first.time,
            first_frame: first.frame.0,
            last_frame: first.frame.0,
            longest_silence: (0, first.frame.0),
            clock_steps_back: 0,
            completeness: 0,
            history: String::new(),
            predecessor,
            successor: None,
            resumed: None,
            context: first.context,
            context_change: None,
            evicted: false,
            missed_fins: Sides::default(),
            repeats_until: Timestamp(i64::MIN),
            sequence: SequenceAnalysis::default(),
        }
    }

    /// Begins anew with `first`, as [`Connection::new`] does, in the room that the one before took.
    pub fn begin_again(&mut self, stream: u64, first: &Segment, predecessor: Option<Predecessor>) {
        let (mut journal, mut history) = (std::mem::take(&mut self.journal), std::mem::take(&mut self.history));
        journal.clear();
        history.clear();
        *self = Self { journal, history, ..Self::new(stream, first, predecessor) };
    }

    /// Begins with `first` and takes it, over whatever connection `place` holds.
    pub fn begin_in(place: &mut Option<Box<Connection>>, stream: u64, first: &Segment) {
        let connection = place.get_or_insert_with(|| Box::new(Connection::new(stream, first, None)));
        connection.begin_again(stream, first, None);
        connection.step(first);
    }

    /// Plays a brief back into `place`, over whatever connection it holds.
    pub fn play_back(
        place: &mut Option<Box<Connection>>,
        stream: u64,
        brief: &Packed<'_>,
        client: Endpoint,
        server: Endpoint,
    ) {
        let mut begun = false;
        brief.replay(client, server, |segment| match place {
            Some(connection) if begun => connection.step(segment),
            _ => {
                Self::begin_in(place, stream, segment);
                begun = true;
            }
        });
    }

    /// Which side sent `segment`. A connection to itself (RFC 9293, section 3.5: a port that connects to itself) has
    /// one endpoint; everything then counts as the client's.
    #[inline]
    pub fn side_of(&self, segment: &Segment) -> Side {
        if segment.source == self.client { Side::Client } else { Side::Server }
    }

    /// The address and port of a side.
    #[inline]
    pub fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::Client => self.client,
            Side::Server => self.server,
        }
    }

    /// Takes the next segment of this connection.
    pub fn step(&mut self, segment: &Segment) {
        let side = self.side_of(segment);
        if !self.step_steadily(side, segment) {
            self.step_anyhow(side, segment);
        }
    }

    /// Takes the next segment if it is plain progress, which changes nothing about when the connection ends but the time from
    /// which that is counted. Else nothing has changed.
    #[inline]
    pub fn step_plainly(&mut self, segment: &Segment) -> bool {
        self.step_steadily(self.side_of(segment), segment)
    }

    /// The long way, for a segment of `side` that may be anything.
    pub(super) fn step_anyhow(&mut self, mut side: Side, segment: &Segment) {
        if segment.marks.contains(Marks::SAMPLED) || self.halves[side].frames == 0 {
            if self.take_sampled(segment) {
                return;
            }
            side = self.side_of(segment);
        }
        let timing = self.record_timing(side, segment);
        self.end = self.end.max(segment.time);
        self.last_frame = segment.frame.0;
        self.halves[side].frames += 1;
        // Every receiver drops what contradicts itself. Wireshark counts it all the same if its data offset is possible.
        let is_bad = segment.marks.contains(Marks::HEADER_BAD);
        if !is_bad || segment.marks.contains(Marks::OPTIONS_CUT) {
            self.record_completeness(side, segment);
        }
        if is_bad {
            return;
        }
        self.record_base(side, segment);
        self.sequence.step(side, segment, &self.halves[side]);
        if self.is_duplicate(side, segment) || self.repeats_syn(side, segment) || self.stands_again(side, segment) {
            self.record_duplicate(side, segment, timing);
            return;
        }
        self.record_context(side, segment);
        self.record_history(side, segment);
        self.count_capture_marks(side, segment);
        if segment.flags.contains(Flags::RST) {
            self.step_reset(side, segment, timing);
        } else {
            self.step_segment(side, segment, timing);
        }
    }

    /// The frame was captured before and says nothing, not even of the clock.
    pub(super) fn record_duplicate(&mut self, side: Side, segment: &Segment, timing: Class) {
        self.halves[side].duplicates += 1;
        self.clock_steps_back -= u32::from(timing == Class::CLOCK_BACK);
        self.journal.artefact(Artefact::Duplicate, segment);
    }

    /// The silence that `segment` ends, and whether its clock runs backwards.
    fn record_timing(&mut self, side: Side, segment: &Segment) -> Class {
        let silence = segment.time.since(self.end);
        if silence < 0 {
            let newest = self.halves[side].last.map_or(segment.time, |last| last.time);
            // A lone first fragment waited for the rest of its datagram, perhaps until the input ended.
            let was_held = segment.marks.contains(Marks::FRAGMENT_FIRST);
            let is_set_back =
                segment.time.since(newest) <= -CLOCK_STEP_NS || self.is_long_before_the_last(segment.time);
            if is_set_back && !was_held {
                self.clock_steps_back += 1;
                return Class::CLOCK_BACK;
            }
        } else if silence > self.longest_silence.0 {
            self.longest_silence = (silence, segment.frame.0);
            if silence >= SILENCE_NS {
                return Class::AFTER_SILENCE;
            }
        }
        Class::empty()
    }

    /// Of whichever side the segment captured last is, `time` lies long before it.
    fn is_long_before_the_last(&self, time: Timestamp) -> bool {
        let newest = Side::BOTH.into_iter().filter_map(|side| self.halves[side].last).max_by_key(|last| last.frame);
        newest.is_some_and(|last| time.since(last.time) <= -CLOCK_STEP_ACROSS_NS)
    }

    /// `opening` begins the next incarnation: nothing more comes of this one.
    pub fn succeed(&mut self, opening: &Segment) {
        self.successor = Some(Successor::of(opening));
    }

    /// Takes an ICMP error that quotes a segment of this connection.
    pub fn step_icmp(&mut self, error: &IcmpError) {
        self.icmp_count += 1;
        self.record_quoted(error);
        if self.icmp_errors.len() < ICMP_MAX {
            self.icmp_errors.push(*error);
        }
    }

    /// A SYN or SYN-ACK was seen, so the handshake is known at least in part.
    #[inline]
    pub fn began_in_capture(&self) -> bool {
        Side::BOTH.iter().any(|&side| self.halves[side].isn.is_some())
    }

    /// The tunnel or VLAN of the side that it was not first seen of, if that is another.
    pub fn context_back(&self) -> Option<u32> {
        let contexts = Side::BOTH.into_iter().filter_map(|side| self.halves[side].context);
        contexts.into_iter().find(|&context| context != self.context)
    }

    /// When nothing more is to come: closed and past TIME-WAIT, or never opened and given up. None while it may live:
    /// idleness ends no connection.
    pub fn ends_at(&self, profile: &Profile) -> Option<Timestamp> {
        let (client, server) = (&self.halves.client, &self.halves.server);
        let reset = client.rsts > 0 || server.rsts > 0;
        if reset || client.fin.is_some() && server.fin.is_some() {
            return Some(self.end.plus(profile.time_wait_ns));
        }
        if server.isn.is_none() && client.syns > 0 && self.segments() == u64::from(client.syns) {
            return Some(self.end.plus(profile.syn_give_up_ns));
        }
        let never_acknowledged = server.syn_acks > 0 && server.acked.is_none_or(|acked| Some(acked) == server.isn);
        never_acknowledged.then(|| self.end.plus(profile.syn_ack_give_up_ns))
    }

    /// How often Wireshark would have flagged segments of `side`.
    pub fn sequence_counts(&self, side: Side) -> SequenceCounts {
        self.sequence.counts(side)
    }

    /// Frames of both sides.
    #[inline]
    pub fn frames(&self) -> u64 {
        self.halves.client.frames + self.halves.server.frames
    }

    /// Segments of both sides: what was captured, each once.
    #[inline]
    pub fn segments(&self) -> u64 {
        self.halves.client.segments() + self.halves.server.segments()
    }

    /// A FIN or RST was seen.
    pub fn is_closing(&self) -> bool {
        Side::BOTH.iter().any(|&side| self.halves[side].fin.is_some() || self.halves[side].rsts > 0)
    }

    pub(super) fn step_reset(&mut self, side: Side, segment: &Segment, timing: Class) {
        if self.tells_of_unseen(side, segment) {
            // What an acknowledgment right before it would have told; the window of a reset is nobody's.
            let own = &self.halves[side];
            let unscaled = |last: Noted| {
                if last.flags.contains(Flags::SYN) { last.window >> own.window_shift } else { last.window }
            };
            let window = own.last.map_or(segment.window, unscaled);
            let told = Segment { flags: Flags::ACK, payload_len: 0, window, ..*segment };
            self.step_segment(side, &told, Class::empty());
        }
        let noted = Noted::new(segment, side, timing);
        // The first of each side, and its first abort, matter however many replies the other side sent.
        let has_room = self.resets.len() < RESETS_MAX
            || self.halves[side].rsts == 0
            || segment.flags.contains(Flags::ACK)
                && self.resets.len() < 2 * RESETS_MAX
                && !self.resets.iter().any(|seen| seen.noted.side == side && seen.noted.flags.contains(Flags::ACK));
        if has_room {
            self.resets.push(ResetSeen::new(noted, &self.halves, self.newest_by_anyone()));
        }
        self.halves[side].rsts += 1;
        self.journal.control(noted);
    }

    /// When the newest segment of either side that was not a RST was captured.
    fn newest_by_anyone(&self) -> Option<Timestamp> {
        Side::BOTH.iter().filter_map(|&side| self.halves[side].last.map(|noted| noted.time)).max()
    }

    fn step_segment(&mut self, side: Side, segment: &Segment, timing: Class) {
        if self.is_resumed_by(side, segment) {
            self.resume(segment.frame.0);
        }
        let was_closing = self.is_closing();
        self.take_back_unsent(side, segment);
        self.begin_behind_what_was_under_way(side, segment);
        let class = self.classify(side, segment) | timing;
        // Perhaps behind a FIN.
        let skips_octet = segment.payload_len == 0 && segment.seq.since(self.halves[side].nxt) == 1;
        let is_news = (segment.seq + segment.payload_len).after(self.halves[side].nxt);
        self.record_sent(side, segment, class);
        let had_fin = self.halves[!side].fin_acked();
        if segment.flags.contains(Flags::ACK) && !class.contains(Class::WILD) {
            self.record_ack(side, segment);
        }
        let shows_fin = !had_fin && self.halves[!side].fin_acked();
        let noted = Noted::new(segment, side, class);
        let answers_syn_ack = self.answers_syn_ack(side) || self.follows_probe(side, class);
        let is_behind_fin = self.halves[!side].fin.is_some();
        let half = &mut self.halves[side];
        if !class.contains(Class::WILD) {
            half.last = Some(noted);
        }
        if segment.payload_len > 0 && !class.contains(Class::WILD) {
            if is_behind_fin {
                half.keep_words_before_close();
            }
            if class.contains(Class::KEEPALIVE) {
                half.keep_payload();
            } else if class.contains(Class::RETRANSMISSION) {
                half.keep_news(noted, is_news);
            }
            half.last_data = Some(noted);
        }
        if answers_syn_ack || shows_fin || skips_octet && class.contains(Class::AFTER_GAP) {
            self.journal.control(noted);
        } else {
            self.note(noted, was_closing);
        }
    }

    /// Below the first that was captured of `side`, which says that it has heard of nothing captured, lies what it had sent before the
    /// capture began, if an acknowledgment was captured sooner: that is not missing.
    fn begin_behind_what_was_under_way(&mut self, side: Side, segment: &Segment) {
        let is_soon = segment.time.since(self.start) <= UNDER_WAY_NS_MAX;
        let has_heard = self.halves[!side].start.is_none_or(|start| segment.ack.after(start));
        if self.halves[side].last.is_some() || self.began_in_capture() || !is_soon || has_heard {
            return;
        }
        let half = &mut self.halves[side];
        let ahead = segment.seq.since(half.nxt);
        if half.is_known() && (0..=WILD_DISTANCE.cast_signed()).contains(&ahead) {
            (half.start, half.nxt, half.unseen) = (Some(segment.seq), segment.seq, (segment.seq, segment.seq));
            half.missing_bytes = 0;
        }
    }

    /// The peer said SYN-ACK last, and this side nothing since but a SYN again: what it says now may complete the opening.
    fn answers_syn_ack(&self, side: Side) -> bool {
        let newest = self.halves[!side].last.filter(|last| last.flags.contains(Flags::SYN | Flags::ACK));
        let is_first = |last: Noted, newest: Noted| last.frame < newest.frame || last.is_syn();
        newest.zip(self.halves[side].last).is_some_and(|(newest, last)| is_first(last, newest))
    }

    /// It comes after probes of a side whose SYN-ACK was repeated, before any payload: unlike them it completes the opening.
    fn follows_probe(&self, side: Side, class: Class) -> bool {
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let was_probe = own.last.is_some_and(|last| last.class.contains(Class::KEEPALIVE));
        was_probe
            && !class.contains(Class::KEEPALIVE)
            && peer.syn_acks > 1
            && own.payload_bytes + peer.payload_bytes == 0
    }

    /// Decides what hindsight will need: openings and closings whole, of the rest what is not plain progress.
    fn note(&mut self, noted: Noted, was_closing: bool) {
        let plain = !noted.flags.intersects(Flags::SYN | Flags::FIN);
        let acks_fin = noted.acknowledges() && self.halves[!noted.side].fin.is_some_and(|fin| noted.ack.after(fin));
        let opening = self.segments() <= OPENING_SEGMENTS || noted.class.contains(Class::FIRST_DATA);
        if !plain || opening || acks_fin && noted.len == 0 {
            self.journal.control(noted);
        } else if was_closing || !noted.class.is_empty() || self.ends_row(&noted) {
            self.journal.remarkable(noted);
        }
    }

    /// The peer's newest segment was a repetition, and not the first; this acknowledges it.
    fn ends_row(&self, noted: &Noted) -> bool {
        let copy = self.halves[!noted.side].last.filter(|last| last.class.contains(Class::RETRANSMISSION));
        copy.is_some_and(|copy| self.journal.is_row_ended_by(noted, &copy))
    }

    fn record_sent(&mut self, side: Side, segment: &Segment, class: Class) {
        self.record_liveness(side, segment, class);
        let half = &mut self.halves[side];
        if half.ttl.is_none() {
            half.ttl = Some(segment.ttl);
        }
        half.timestamps |= segment.options.timestamps.is_some();
        if class.contains(Class::WILD) {
            return;
        }
        const LATE: Class = Class::RETRANSMISSION.union(Class::FILLS_GAP).union(Class::OLD_ACK);
        if class.intersects(LATE) {
            half.take_late_stamps(segment.options.timestamps);
        } else {
            half.newest_stamps = segment.options.timestamps.or(half.newest_stamps);
        }
        if segment.flags.contains(Flags::SYN) {
            half.isn.get_or_insert(segment.seq);
            if segment.flags.contains(Flags::ACK) {
                half.syn_acks += 1;
            } else {
                half.syns += 1;
            }
            half.mss = segment.options.mss.or(half.mss);
            half.greeting.get_or_insert_with(|| Greeting::of(segment));
            half.offered_shift = segment.options.window_scale.or(half.offered_shift);
        }
        if half.start.is_none() {
            half.start = Some(segment.seq);
            half.nxt = segment.seq;
        }
        if class.contains(Class::KEEPALIVE) {
            half.keepalives += 1;
            half.unanswered_probes += 1;
        } else if class.contains(Class::WINDOW_PROBE) {
            half.window_probes += 1;
            half.unanswered_probes += 1;
        } else {
            let found = if class.contains(Class::FILLS_GAP) { take_unseen(half, segment) } else { 0 };
            record_payload(half, segment, found);
        }
        if segment.flags.contains(Flags::FIN) {
            half.fins += 1;
            half.fin.get_or_insert(segment.seq + segment.payload_len);
        }
        if let (Flags::SYN, Some(client), Some(server)) =
            (segment.flags & Flags::SYN, self.halves.client.offered_shift, self.halves.server.offered_shift)
        {
            // RFC 7323, section 2.3: shifts above 14 are taken as 14.
            self.halves.client.window_shift = client.min(14);
            self.halves.server.window_shift = server.min(14);
        }
    }

    /// Whether one side's segments come through several tunnels or networks: equal four-tuples of two networks look so.
    fn record_context(&mut self, side: Side, segment: &Segment) {
        let first = *self.halves[side].context.get_or_insert(segment.context);
        if first != segment.context && self.context_change.is_none() {
            self.context_change = Some((first, segment.context));
        }
    }

    /// Who was heard last, and who has been talking to nobody since.
    fn record_liveness(&mut self, side: Side, segment: &Segment, class: Class) {
        let peer = &mut self.halves[!side];
        peer.unanswered = 0;
        peer.unanswered_since = None;
        if !class.contains(Class::WILD) {
            peer.unanswered_probes = 0;
        }
        let half = &mut self.halves[side];
        if segment.seq_len() > 0 || class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE) {
            half.unanswered += 1;
            half.unanswered_since.get_or_insert(segment.time);
        }
    }

    fn record_ack(&mut self, side: Side, segment: &Segment) {
        let shift = if segment.flags.contains(Flags::SYN) { 0 } else { self.halves[side].window_shift };
        let window = u32::from(segment.window) << shift;
        let own = &mut self.halves[side];
        // What was shut before it was first seen counts, too.
        let was_open = own.window > 0 || own.zero_windows == 0;
        // Nothing comes any more behind the peer's FIN.
        let awaits = self.halves[!side].fin.is_none_or(|fin| segment.ack.at_or_before(fin));
        let own = &mut self.halves[side];
        if window == 0 && was_open && awaits && !segment.flags.intersects(Flags::SYN | Flags::FIN) {
            own.zero_windows += 1;
            own.shut_since = Some(segment.time);
        }
        if window > 0
            && let Some(since) = own.shut_since.take()
        {
            own.shut_ns = own.shut_ns.saturating_add(segment.time.since(since).max(0));
        }
        own.window = window;
        let edge = segment.ack + window;
        own.right_edge = Some(own.right_edge.map_or(edge, |old| old.later(edge)));
        for block in segment.options.sack_blocks() {
            if block.right.after(segment.ack) {
                own.sack_high = Some(own.sack_high.map_or(block.right, |high| high.later(block.right)));
            }
        }
        self.record_received_again(side, segment);
        let peer = &mut self.halves[!side];
        if peer.start.is_none() {
            peer.start = Some(segment.ack);
            peer.nxt = segment.ack;
        }
        if segment.ack.since(peer.nxt).unsigned_abs() > WILD_DISTANCE {
            return;
        }
        let advanced = peer.acked.is_none_or(|acked| segment.ack.after(acked));
        if !advanced {
            return;
        }
        let is_first = peer.acked.replace(segment.ack).is_none();
        if is_first && peer.isn.is_none() && peer.payload_bytes == 0 && segment.ack.since(peer.nxt) == 1 {
            // The capture began with a keepalive probe, which stands one below what had long been acknowledged.
            peer.nxt = segment.ack;
        } else if segment.ack.after(peer.nxt) {
            let unseen = segment.ack.0.wrapping_sub(peer.nxt.0);
            peer.missing_bytes += u64::from(unseen);
            let from = if peer.unseen.1 == peer.nxt { peer.unseen.0 } else { peer.nxt };
            peer.unseen = (from, segment.ack);
            peer.nxt = segment.ack;
        }
        peer.missing_bytes += u64::from(peer.gaps.acknowledged(segment.ack));
    }

    pub(super) fn count_capture_marks(&mut self, side: Side, segment: &Segment) {
        let half = &mut self.halves[side];
        let judged = Marks::CHECKSUM_GOOD | Marks::CHECKSUM_BAD | Marks::CHECKSUM_PARTIAL;
        half.checked += u32::from(segment.marks.intersects(judged));
        if segment.marks.contains(Marks::CHECKSUM_BAD) {
            half.bad_checksums += 1;
            self.journal.artefact(Artefact::BadChecksum, segment);
        }
        if segment.marks.contains(Marks::CHECKSUM_PARTIAL) {
            half.partial_checksums += 1;
        }
        let announced = self.halves[!side].mss;
        let above_mss = announced.is_some_and(|mss| segment.payload_len > u32::from(mss));
        if above_mss || segment.marks.contains(Marks::LENGTH_ZERO) {
            self.halves[side].super_segments += 1;
            self.journal.artefact(Artefact::Offload, segment);
        }
        if segment.marks & (Marks::OPTIONS_CUT | Marks::FRAME_SHORT) == Marks::OPTIONS_CUT {
            self.journal.artefact(Artefact::OptionsCut, segment);
        } else if segment.marks.contains(Marks::PAYLOAD_CUT) {
            self.journal.artefact(Artefact::PayloadCut, segment);
        }
    }
}

/// Takes what `segment` carries out of what was acknowledged before it was seen. Returns how many octets of payload.
fn take_unseen(half: &mut Half, segment: &Segment) -> u32 {
    let (from, to) = half.unseen;
    let (left, end) = (from.later(segment.seq), segment.seq_end());
    let right = if to.before(end) { to } else { end };
    if !left.before(right) {
        return 0;
    }
    let octets = right.0.wrapping_sub(left.0);
    half.missing_bytes = half.missing_bytes.saturating_sub(u64::from(octets));
    // What lies before it did not come, and what lies after it may still.
    half.unseen = (right, to);
    octets - u32::from(segment.flags.contains(Flags::FIN) && right == end)
}

/// Adds the payload of a segment to what its half has sent: new, again, or into a gap.
fn record_payload(half: &mut Half, segment: &Segment, found: u32) {
    let end = segment.seq_end();
    if segment.seq.after(half.nxt) {
        half.gaps.open(half.nxt, segment.seq);
        half.payload_bytes += u64::from(segment.payload_len);
        half.nxt = end;
        return;
    }
    if segment.seq_len() == 0 {
        return;
    }
    let until = |end: Seq| if end.before(half.nxt) { end } else { half.nxt };
    // SYN and FIN occupy sequence space and are no payload.
    let fin = u32::from(segment.flags.contains(Flags::FIN));
    let (paid, whole) = (until(end - fin), until(end));
    let filled = found + half.gaps.fill(segment.seq, paid);
    half.gaps.fill(paid, whole);
    let beyond = u32::try_from((end - fin).since(half.nxt)).unwrap_or(0);
    let fresh = (filled + beyond).min(segment.payload_len);
    half.payload_bytes += u64::from(fresh);
    half.retransmitted_bytes += u64::from(segment.payload_len - fresh);
    if fresh < segment.payload_len && filled == 0 {
        half.retransmissions += 1;
    }
    half.nxt = half.nxt.later(end);
}

/// The sequence number that `half` would send next as far as the tap saw, if it is known at all.
pub(super) fn next_of(half: &Half) -> Option<Seq> {
    half.is_known().then_some(half.nxt)
}
