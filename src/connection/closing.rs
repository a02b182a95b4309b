//! How a connection ended.

use super::effect::ResetEffect;
use super::in_vain::due_ns;
use super::lifecycle::Hindsight;
use super::noted::{Class, Noted};
use super::opening::Opening;
use super::predecessor::Answer;
use super::retries::Retries;
use super::state::State;
use super::words::{CloseKind, Frames, Initiator, OpenKind, StateStep};
use crate::base::{Seq, Side, Sides};
use crate::segment::Flags;

/// So many transmissions without an answer at the end mean that their sender was talking to nobody.
const UNANSWERED_MIN: u32 = 3;
/// The same where the capture ends before the next one is due.
const UNANSWERED_ROW: u32 = 5;
/// An outage that has lasted less when the capture ends is one of many that pass, ns: a lost tail is repaired within a few timeouts.
const UNANSWERED_NS_MIN: i64 = 1_000_000_000;
/// Nobody's timer repeats sooner, ns: FreeBSD's shortest is 30 ms, Linux's 200.
const REPEATED_NS_MIN: i64 = 20_000_000;
/// Payload sent after the peer's FIN makes a half-close only when it is more than a farewell in one segment (a TLS
/// close_notify alert, for one) that its own FIN follows at once.
const FAREWELL_OCTETS_MAX: u64 = 64;
/// How soon after the peer's FIN was acknowledged payload must come, and the own FIN with it, to be a farewell, ns.
const FAREWELL_NS_MAX: i64 = 50_000_000;
/// What one call wrote and the next one closed lies no further apart, ns, on a road that does not delay one of them.
const BREATH_NS_MAX: i64 = 2_000_000;
/// The same by the sender's clock, in its ticks of a millisecond or more.
const BREATH_TICKS_MAX: i32 = 2;

/// How it ended, with the frames that show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// Which way.
    pub kind: CloseKind,
    /// Who began it.
    pub initiator: Option<Initiator>,
    /// The frames that show it.
    pub frames: Frames,
    /// The first FIN seen of each side.
    pub fins: Sides<Option<Noted>>,
    /// Payload octets that each side sent after it had acknowledged the peer's FIN.
    pub octets_after_fin: Sides<u64>,
    /// Each side went on sending after it had acknowledged the peer's FIN, and that was more than a farewell.
    pub half_closed: Sides<bool>,
    /// The index, in [`super::Lifecycle::resets`], of the reset that ended it.
    pub reset: Option<usize>,
    /// The side that was talking to nobody at the end.
    pub unanswered: Option<Side>,
    /// The next repetition was due then, and did not come: it had given up for certain.
    pub has_stopped: bool,
    /// Both ends sent a FIN, and neither had the other's.
    pub fins_crossed: bool,
    /// For how long neither side had sent payload when the first FIN or the reset that ended it came, ns; none when
    /// neither came, or payload after it hides when the last one before it was sent.
    pub idle_ns: Option<i64>,
}

impl Closing {
    pub(super) fn of(
        hindsight: &Hindsight<'_>,
        opening: &Opening,
        resets: &[ResetEffect],
        states: &Sides<Vec<StateStep>>,
    ) -> Self {
        let mut closing = Self {
            kind: CloseKind::None,
            initiator: None,
            frames: Frames::new(),
            fins: Sides { client: first_fin(hindsight, Side::Client), server: first_fin(hindsight, Side::Server) },
            octets_after_fin: Sides {
                client: octets_after_fin(hindsight, Side::Client),
                server: octets_after_fin(hindsight, Side::Server),
            },
            half_closed: Sides::default(),
            reset: resets.iter().position(|effect| ends_connection(hindsight, effect)),
            unanswered: None,
            has_stopped: false,
            fins_crossed: false,
            idle_ns: None,
        };
        for side in Side::BOTH {
            closing.half_closed[side] = closing.is_half_close(hindsight, side);
        }
        closing.fins_crossed = closing.has_crossed(hindsight);
        let unanswered = unanswered(hindsight, &closing);
        closing.unanswered = unanswered.map(|(side, _)| side);
        closing.has_stopped = unanswered.is_some_and(|(_, has_stopped)| has_stopped);
        closing.kind = closing.decide(hindsight, opening, states);
        closing.initiator = closing.initiator(hindsight, opening, resets);
        closing.frames = closing.evidence(hindsight, opening, resets);
        closing.idle_ns = closing.idle(hindsight, resets);
        closing
    }

    fn has_crossed(&self, hindsight: &Hindsight<'_>) -> bool {
        if let Some(side) = hindsight.closed_in_stream_before() {
            let past =
                hindsight.connection.predecessor.and_then(|past| past.half(hindsight.connection.endpoint(side)).nxt);
            let lacks = |fin: Noted| past.is_some_and(|nxt| fin.acknowledges() && fin.ack.before(nxt));
            return self.fins[!side].is_some_and(lacks);
        }
        let (Some(client), Some(server)) = (&self.fins.client, &self.fins.server) else { return false };
        !hindsight.sees_end_of(client, server) && !hindsight.sees_end_of(server, client)
            || Side::BOTH.into_iter().any(|side| hindsight.crossed_unseen(side).is_some())
    }

    fn decide(&self, hindsight: &Hindsight<'_>, opening: &Opening, states: &Sides<Vec<StateStep>>) -> CloseKind {
        match opening.kind {
            OpenKind::Refused => return CloseKind::Refused,
            OpenKind::Rejected => return CloseKind::None,
            _ => {}
        }
        if self.reset.is_some() {
            return CloseKind::Reset;
        }
        match (self.fins.client, self.fins.server) {
            (Some(client), Some(server)) => self.decide_both(hindsight, &client, &server, states),
            (Some(fin), None) | (None, Some(fin)) if hindsight.closed_in_stream_before() == Some(!fin.side) => {
                self.decide_second(hindsight, &fin)
            }
            (Some(fin), None) | (None, Some(fin)) => self.decide_one(&fin),
            (None, None) => {
                let gave_up = self.unanswered.is_some() && opening.kind != OpenKind::HalfOpen
                    || opening.kind == OpenKind::HalfOpen && gave_up_answering(hindsight)
                    || opening.kind == OpenKind::Unanswered && self.gave_up_connecting(hindsight);
                if gave_up { CloseKind::TimedOut } else { CloseKind::None }
            }
        }
    }

    fn decide_both(
        &self,
        hindsight: &Hindsight<'_>,
        client: &Noted,
        server: &Noted,
        states: &Sides<Vec<StateStep>>,
    ) -> CloseKind {
        if self.fins_crossed {
            return CloseKind::Simultaneous;
        }
        let second = if hindsight.sees_end_of(client, server) { client } else { server };
        let waits = states[second.side]
            .last()
            .is_some_and(|step| matches!(step.state, State::LastAck | State::Closing | State::Closed));
        let unacknowledged = hindsight.arrivals.ack_of_fin[second.side].is_none();
        if unacknowledged && waits && hindsight.connection.halves[second.side].fins > 1 {
            return CloseKind::TimedOut;
        }
        if self.half_closed[second.side] {
            return CloseKind::HalfClosed;
        }
        let first_fin = if second.side == Side::Client { server } else { client };
        let acked_before = hindsight
            .after_fin(first_fin.side)
            .find(|note| note.side == second.side && note.acknowledges() && note.ack.at_or_after(first_fin.end()));
        match acked_before {
            Some(ack) if ack.frame < second.frame => CloseKind::FourSegment,
            _ => CloseKind::ThreeSegment,
        }
    }

    /// The other FIN stands in the stream before, which is of the same connection.
    fn decide_second(&self, hindsight: &Hindsight<'_>, fin: &Noted) -> CloseKind {
        if self.fins_crossed {
            return CloseKind::Simultaneous;
        }
        let is_acked_before =
            hindsight.ack_of_fin_before().is_some_and(|(_, answer)| hindsight.notes[answer].frame < fin.frame);
        if is_acked_before { CloseKind::FourSegment } else { CloseKind::ThreeSegment }
    }

    fn decide_one(&self, fin: &Noted) -> CloseKind {
        if self.unanswered.is_some() {
            return CloseKind::TimedOut;
        }
        if self.half_closed[!fin.side] { CloseKind::HalfClosed } else { CloseKind::None }
    }

    /// `side` went on sending after it had acknowledged the peer's FIN, and that was more than a farewell.
    fn is_half_close(&self, hindsight: &Hindsight<'_>, side: Side) -> bool {
        let octets = self.octets_after_fin[side];
        if octets > 0 && !is_read_after_fin(hindsight, side) {
            return false;
        }
        let (Some(peer_fin), Some(own_fin)) = (self.fins[!side], self.fins[side]) else {
            return octets > FAREWELL_OCTETS_MAX;
        };
        let acked = hindsight
            .after_fin(!side)
            .find(|note| note.side == side && note.acknowledges() && note.ack.at_or_after(peer_fin.end()));
        let prompt = acked.is_some_and(|acked| own_fin.time.since(acked.time) <= FAREWELL_NS_MAX);
        let carries = |note: &&Noted| {
            note.side == side
                && note.len > 0
                && note.acknowledges()
                && note.ack.at_or_after(peer_fin.end())
                && !note.class.contains(Class::RETRANSMISSION)
        };
        let mut said = hindsight.after_fin(!side).filter(carries);
        let last = said.next();
        let at_once = said.next().is_none() && last.is_none_or(|last| is_one_breath(last, &own_fin));
        // The first that it says is an answer.
        let has_spoken = hindsight.connection.halves[side].payload_bytes > octets;
        octets > FAREWELL_OCTETS_MAX || octets > 0 && !(prompt && at_once && has_spoken)
    }

    /// connect() had its time, or tried again and again in vain, or did not when it would have.
    fn gave_up_connecting(&self, hindsight: &Hindsight<'_>) -> bool {
        let Some(syns) = Retries::of_syns(&hindsight.notes, Side::Client) else { return false };
        let waited = hindsight.horizon.since(hindsight.connection.end);
        match syns.copies() {
            1 => waited >= SYN_RTO_NS,
            // The timer at most doubles (RFC 6298, section 5.5).
            2 => waited >= SYN_RTO_NS.max(2 * syns.lasted_ns()),
            _ => syns.is_regular() || syns.has_stopped(hindsight.horizon),
        }
    }

    fn initiator(&self, hindsight: &Hindsight<'_>, opening: &Opening, resets: &[ResetEffect]) -> Option<Initiator> {
        let name = |side: Side| match side {
            Side::Client => Initiator::Client,
            Side::Server => Initiator::Server,
        };
        let refuted = opening.kind == OpenKind::HalfOpen;
        match self.kind {
            CloseKind::Simultaneous => Some(Initiator::Both),
            CloseKind::Refused => Some(Initiator::Server),
            CloseKind::Reset if refuted => None,
            _ => {
                let fins =
                    [self.fins.client, self.fins.server].into_iter().flatten().map(|note| (note.frame, note.side));
                let ending = resets
                    .iter()
                    .filter(|effect| effect.accepted || ends_connection(hindsight, effect))
                    .map(|effect| &hindsight.notes[effect.note])
                    .map(|note| hindsight.asked_by_fast_close(note).unwrap_or(note))
                    .map(|note| (note.frame, note.side));
                let first = fins.chain(ending).min_by_key(|(frame, _)| *frame).map(|(_, side)| side);
                let first = first.filter(|&side| self.fins[side].is_none_or(|fin| hindsight.precedes_peer_fin(&fin)));
                let first = first.map(|side| self.earlier_at_its_end(hindsight, resets, side).unwrap_or(side));
                // The FIN of who closed first stands in the stream before.
                let first = hindsight.closed_in_stream_before().or(first);
                let established = !matches!(opening.kind, OpenKind::Unanswered | OpenKind::HalfOpen);
                first.or(self.unanswered.filter(|_| established)).map(name)
            }
        }
    }

    /// The other side, if it began to close earlier than `side`, whose FIN or abort passed the tap first: neither had
    /// heard of the other's, and what came from farther away was sent longer ago.
    fn earlier_at_its_end(&self, hindsight: &Hindsight<'_>, resets: &[ResetEffect], side: Side) -> Option<Side> {
        let aborts = |side: Side| {
            let own = resets.iter().map(|effect| &hindsight.notes[effect.note]).find(|note| note.side == side);
            own.filter(|note| note.flags.contains(Flags::ACK))
        };
        let begun = |side: Side| self.fins[side].as_ref().or(aborts(side));
        let (passed, other) = (begun(side)?, begun(!side)?);
        // From one end of a host to the other there is no road.
        if hindsight.connection.client.ip == hindsight.connection.server.ip {
            return None;
        }
        let rtt_ns = |side: Side| hindsight.arrivals.shortest_rtt_ns(&hindsight.notes, side);
        let half_path = |side: Side| rtt_ns(side).map(|rtt| rtt / 2);
        let sent = |note: &Noted| Some(note.time.since(hindsight.connection.start) - half_path(note.side)?);
        let unheard = other.flags.contains(Flags::ACK) && other.ack.at_or_before(passed.seq + passed.len);
        (unheard && sent(other)? < sent(passed)?).then_some(!side)
    }

    fn idle(&self, hindsight: &Hindsight<'_>, resets: &[ResetEffect]) -> Option<i64> {
        let reset = self.reset.map(|index| &hindsight.notes[resets[index].note]);
        let begun = [self.fins.client.as_ref(), self.fins.server.as_ref(), reset];
        let first = begun.into_iter().flatten().min_by_key(|note| note.frame)?;
        if first.len > 0 {
            return Some(0);
        }
        let halves = &hindsight.connection.halves;
        let newest = [halves.client.last_payload(), halves.server.last_payload()].into_iter().flatten();
        if newest.clone().any(|data| data.frame >= first.frame) {
            return None;
        }
        let since = newest.map(|data| data.time).max().unwrap_or(hindsight.connection.start);
        Some(first.time.since(since).max(0))
    }

    fn evidence(&self, hindsight: &Hindsight<'_>, opening: &Opening, resets: &[ResetEffect]) -> Frames {
        let mut frames: Frames = match self.kind {
            CloseKind::None if self.fins == Sides::default() => Frames::new(),
            CloseKind::Refused => opening.frames.clone(),
            CloseKind::Reset => {
                let reset = self.reset.map(|index| hindsight.notes[resets[index].note].frame);
                // Another of the same end may be the one that is taken.
                let taken = self.reset.and_then(|index| {
                    let is_taken = |later: &&ResetEffect| later.sender == resets[index].sender && later.accepted;
                    resets[index..].iter().find(is_taken).map(|later| hindsight.notes[later.note].frame)
                });
                let fins = [self.fins.client, self.fins.server].into_iter().flatten().map(|note| note.frame);
                fins.chain(reset).chain(taken).collect()
            }
            CloseKind::TimedOut => self.frames_unanswered(hindsight, opening),
            _ => {
                let mut frames = Frames::new();
                for side in Side::BOTH {
                    let ack = hindsight.arrivals.ack_of_fin[side].map(|receipt| &hindsight.notes[receipt.note]);
                    frames.extend([self.fins[side].as_ref(), ack].into_iter().flatten().map(|note| note.frame));
                }
                frames
            }
        };
        frames.sort_unstable();
        frames.dedup();
        frames
    }

    fn frames_unanswered(&self, hindsight: &Hindsight<'_>, opening: &Opening) -> Frames {
        let never_opened = matches!(opening.kind, OpenKind::Unanswered | OpenKind::HalfOpen);
        let repeated = |note: &&Noted| {
            note.is_fin()
                || note.is_syn() && never_opened
                || note.class.intersects(Class::RETRANSMISSION | Class::KEEPALIVE | Class::WINDOW_PROBE)
        };
        let frames: Frames = hindsight
            .notes
            .iter()
            .filter(|note| self.unanswered.is_none_or(|side| note.side == side) && !note.class.contains(Class::WILD))
            .filter(repeated)
            .map(|note| note.frame)
            .collect();
        frames
    }
}

impl Hindsight<'_> {
    /// What `reset` answers, if that aborted the connection over all its paths.
    fn asked_by_fast_close(&self, reset: &Noted) -> Option<&Noted> {
        let seen = self.connection.resets.iter().find(|seen| seen.noted.frame == reset.frame)?;
        seen.asked_by_fast_close()
    }

    /// The peer's FIN had not come before `fin`. Of a peer that may have closed unseen that takes an acknowledgment of more after it:
    /// a FIN is the last.
    fn precedes_peer_fin(&self, fin: &Noted) -> bool {
        let acks_more = |note: &Noted| note.side == fin.side && note.acknowledges() && note.ack.after(fin.ack);
        !self.connection.may_have_closed_unseen(!fin.side) || self.after_fin(fin.side).any(acks_more)
    }

    /// The sender of `fin` had everything up to the end of `other`, a FIN of its peer: that acknowledges it, or, where it has no
    /// acknowledgment, one before it did.
    fn sees_end_of(&self, fin: &Noted, other: &Noted) -> bool {
        let covers = |note: &Noted| note.acknowledges() && note.ack.at_or_after(other.end());
        let is_before = |note: &&Noted| note.side == fin.side && note.frame < fin.frame;
        covers(fin) || !fin.acknowledges() && self.after_fin(other.side).filter(is_before).any(covers)
    }
}

/// `fin` was sent in one breath with `said`, which its sender wrote before it, or carries it.
fn is_one_breath(said: &Noted, fin: &Noted) -> bool {
    match (said.timestamps, fin.timestamps) {
        (Some(said), Some(fin)) => Seq(fin.value).since(Seq(said.value)) <= BREATH_TICKS_MAX,
        _ => fin.time.since(said.time) <= BREATH_NS_MAX,
    }
}

/// The first retransmission timeout of a SYN (RFC 6298, section 2.1), ns.
const SYN_RTO_NS: i64 = 1_000_000_000;

/// The SYN-ACK had its time, or was not sent again when it was due.
fn gave_up_answering(hindsight: &Hindsight<'_>) -> bool {
    let Some(syn_acks) = Retries::of_syn_acks(&hindsight.notes, Side::Server) else { return false };
    syn_acks.offer_ended(&hindsight.profiles.server, hindsight.horizon).is_some()
}

/// The reset took something alive with it: an end that had not finished, or of which nothing but resets was seen.
fn ends_connection(hindsight: &Hindsight<'_>, effect: &ResetEffect) -> bool {
    if effect.sender_state.is_none() && effect.receiver_state.is_none() {
        return true;
    }
    let alive = |side| !matches!(effect.state_of(side), State::Closed | State::Listen | State::TimeWait);
    // Who goes on in the next stream has only refused what was none of its own.
    let goes_on = hindsight.connection.answer_next(effect.sender) == Some(Answer::GoesOn);
    !effect.contradicted && !goes_on && alive(effect.sender) || effect.accepted && alive(!effect.sender)
}

fn first_fin(hindsight: &Hindsight<'_>, side: Side) -> Option<Noted> {
    let fin = hindsight.connection.halves[side].fin?;
    let is_first = |note: &Noted| note.side == side && note.is_fin() && note.end() == fin + 1;
    let at = hindsight.notes.iter().position(is_first)?;
    if let Some(behind) = hindsight.sent_behind_fin(side) {
        return Some(Noted { flags: Flags::FIN | Flags::ACK, seq: fin, len: 0, ..hindsight.notes[behind] });
    }
    (!hindsight.echoes_no_syn(at)).then(|| hindsight.notes[at])
}

/// New payload of `side` in segments that acknowledge the peer's FIN.
fn octets_after_fin(hindsight: &Hindsight<'_>, side: Side) -> u64 {
    let half = &hindsight.connection.halves[side];
    let Some(first) = first_after_fin(hindsight, side) else { return 0 };
    let end = half.fin.unwrap_or(half.nxt);
    u64::try_from(end.since(first)).unwrap_or(0)
}

/// Where `side` stood when it had the peer's FIN.
fn first_after_fin(hindsight: &Hindsight<'_>, side: Side) -> Option<Seq> {
    let peer_fin = hindsight.connection.halves[!side].fin?;
    let has_it = |note: &&Noted| note.side == side && note.acknowledges() && note.ack.after(peer_fin);
    // What is sent again says nothing of how far it had come.
    let is_new = |note: &&Noted| !note.class.intersects(Class::RETRANSMISSION | Class::WILD);
    hindsight.after_fin(!side).filter(is_new).find(has_it).map(|note| note.seq)
}

/// The peer, which had closed, acknowledges what `side` said after that: it had shut down sending alone. Nobody knows where
/// its acknowledgments are not in the capture.
fn is_read_after_fin(hindsight: &Hindsight<'_>, side: Side) -> bool {
    let (half, peer) = (&hindsight.connection.halves[side], &hindsight.connection.halves[!side]);
    let acked = half.acked.zip(first_after_fin(hindsight, side));
    peer.frames == 0
        || hindsight.connection.has_payload_throughout()
        || acked.is_some_and(|(acked, first)| acked.after(first))
}

/// The side that repeated itself to the end without an answer, and whether it had stopped by then. Where the capture ends before, the row
/// has to be longer than those that a lost tail makes.
fn unanswered(hindsight: &Hindsight<'_>, closing: &Closing) -> Option<(Side, bool)> {
    if closing.reset.is_some() || hindsight.connection.shows_payload_alone() {
        return None;
    }
    Side::BOTH.into_iter().find_map(|side| {
        let (half, peer) = (&hindsight.connection.halves[side], &hindsight.connection.halves[!side]);
        if peer.frames == 0 && peer.acked.is_some() {
            // It answers somebody of whom nothing was captured.
            return None;
        }
        let repeats = half.retransmissions + half.fins + half.syn_acks > 0 || half.unanswered_probes > 0;
        if half.unanswered < UNANSWERED_MIN || !repeats {
            return None;
        }
        let row = last_repetitions(hindsight, side)?;
        let [last, before, _] = row;
        let since = half.unanswered_since.unwrap_or(before.time);
        let has_stopped = hindsight.horizon.since(last.time) > due_ns(row);
        let is_long = half.unanswered >= UNANSWERED_ROW && last.time.since(since) >= UNANSWERED_NS_MIN;
        (has_stopped || is_long).then_some((side, has_stopped))
    })
}

/// The last transmissions of `side`, where they are repetitions of one segment and not a burst cut off by the end of the capture; the
/// newest first.
fn last_repetitions<'a>(hindsight: &'a Hindsight<'_>, side: Side) -> Option<[&'a Noted; 3]> {
    let newest: Vec<&Noted> = hindsight
        .notes
        .iter()
        .rev()
        .filter(|note| {
            note.side == side && note.end() != note.seq || note.class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE)
        })
        .take(3)
        .collect();
    match newest.as_slice() {
        [last, before, first] => {
            let is_same = last.end() == before.end() || last.seq == before.seq;
            (is_same && last.time.since(before.time) >= REPEATED_NS_MIN).then_some([*last, *before, *first])
        }
        _ => None,
    }
}
