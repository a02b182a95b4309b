//! Hindsight: what became of a connection, told from everything that was remembered of it.

use smallvec::SmallVec;

use super::closing::Closing;
use super::cue::Cue;
use super::delivery::{Arrival, Arrivals, Receipt, first_after_fin, has_aborted};
use super::effect::ResetEffect;
use super::handshake::{accepted_at_syn, accepts_fast_open, asked_to_open, is_late_syn};
use super::noted::{Class, Noted};
use super::opening::Opening;
use super::profile::{Profile, SYN_REPEATED_NS};
use super::reset::ResetSeen;
use super::retries::Retries;
use super::state::State;
use super::step::Connection;
use super::transition::transition;
use super::vantage::Tap;
use super::words::{Basis, StateStep};
use crate::base::{Side, Sides, Timestamp};
use crate::segment::{Flags, IcmpError};

/// What hindsight works with: the connection, its remembered segments in order, and how far the capture reaches.
pub struct Hindsight<'a> {
    /// The connection.
    pub connection: &'a Connection,
    /// Its remembered segments in the order of capture.
    pub notes: Vec<Noted>,
    /// Which control segments arrived.
    pub arrivals: Arrivals,
    /// The newest packet time of the whole capture.
    pub horizon: Timestamp,
    /// The stack of each end.
    pub profiles: Sides<Profile>,
}

/// A pair of state and cue that the protocol does not expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// Whose.
    pub side: Side,
    /// The state it was in.
    pub state: State,
    /// What happened.
    pub cue: Cue,
    /// The frame.
    pub frame: u64,
}

/// The life of one connection.
#[derive(Clone, Debug)]
pub struct Lifecycle {
    /// How it began.
    pub opening: Opening,
    /// How it ended.
    pub closing: Closing,
    /// The states of each endpoint.
    pub states: Sides<Vec<StateStep>>,
    /// What each reset did, in order.
    pub resets: Vec<ResetEffect>,
    /// What the protocol does not expect.
    pub surprises: Vec<Surprise>,
    /// Which control segments arrived.
    pub arrivals: Arrivals,
    /// The remembered segments in the order of capture.
    pub notes: Vec<Noted>,
    /// The newest packet time of the whole capture.
    pub horizon: Timestamp,
    /// The capture's clock was set back to before its last segment: how long it was silent then is not known.
    pub outlives_clock: bool,
    /// The stack of each end.
    pub profiles: Sides<Profile>,
    /// Where the capture was taken, if that shows.
    pub tap: Option<Tap>,
    events: Vec<Event>,
}

/// Memory that lives take one after the other.
#[derive(Debug, Default)]
pub struct Room {
    notes: Vec<Noted>,
    states: Sides<Vec<StateStep>>,
    surprises: Vec<Surprise>,
    events: Vec<Event>,
}

impl Lifecycle {
    /// Looks back over `connection`. `horizon` is the newest packet time of the capture so far: it tells which timers
    /// must have run out. `profile` is what is taken for the stack of an end that does not show its own.
    pub fn of(connection: &Connection, horizon: Timestamp, profile: Profile) -> Self {
        Self::within(Room::default(), connection, horizon, profile)
    }

    /// The same in the memory of an earlier one.
    pub fn within(room: Room, connection: &Connection, horizon: Timestamp, profile: Profile) -> Self {
        let Room { mut notes, mut states, mut surprises, mut events } = room;
        let extra = Side::BOTH.into_iter().flat_map(|side| {
            let half = &connection.halves[side];
            [half.last, half.last_data].into_iter().flatten()
        });
        connection.journal.put_in_order(extra, &mut notes);
        connection.put_missed_fins(&mut notes);
        let greeting = |side: Side| *profile.of(connection.halves[side].greeting);
        let profiles = Sides { client: greeting(Side::Client), server: greeting(Side::Server) };
        let arrivals = Arrivals::of(connection, &notes, horizon.max(connection.end), &profiles);
        let hindsight = Hindsight { connection, notes, arrivals, horizon: horizon.max(connection.end), profiles };
        let opening = Opening::of(&hindsight);
        let mut resets = hindsight.reset_effects();
        for side in Side::BOTH {
            hindsight.events(side, &resets, &mut events);
            let mut machine = Machine::new(&hindsight, side, &mut states[side], &mut surprises);
            for event in &events {
                machine.take(event, &mut resets);
            }
            machine.run_out_timers(&opening);
        }
        for effect in &mut resets {
            let frame = hindsight.notes[effect.note].frame;
            let sender = effect.sender;
            for (side, state) in [(sender, &mut effect.sender_state), (!sender, &mut effect.receiver_state)] {
                // What moved nobody was not put to the machines.
                let before = states[side].iter().take_while(|step| step.frame.is_some_and(|at| at < frame)).last();
                // An end of which nothing but resets was seen could be in any state.
                *state = state.filter(|_| !states[side].is_empty()).or(before.map(|step| step.state));
            }
            // Who has no connection any more has nothing to reset.
            effect.accepted &= effect.receiver_state != Some(State::Closed);
        }
        let closing = Closing::of(&hindsight, &opening, &resets, &states);
        let Hindsight { notes, arrivals, horizon: at, profiles, .. } = hindsight;
        let (tap, outlives_clock) = (arrivals.tap, horizon < connection.end);
        Self {
            opening,
            closing,
            states,
            resets,
            surprises,
            arrivals,
            notes,
            horizon: at,
            outlives_clock,
            profiles,
            tap,
            events,
        }
    }

    /// The memory that it takes, for the next one.
    pub fn into_room(self) -> Room {
        let Self { mut notes, mut states, mut surprises, events, .. } = self;
        notes.clear();
        states.client.clear();
        states.server.clear();
        surprises.clear();
        Room { notes, states, surprises, events }
    }

    /// The state of `side` at `time`, and how it is known; none before its first step.
    pub fn state_at(&self, side: Side, time: Timestamp) -> Option<StateStep> {
        self.states[side].iter().take_while(|step| step.time <= time).last().copied()
    }

    /// The segment that ended the connection for both ends.
    pub fn over_since(&self) -> Option<&Noted> {
        let closing = &self.closing;
        if let Some(reset) = closing.reset {
            return self.notes.get(self.resets[reset].note);
        }
        let (client, server) = (closing.fins.client?, closing.fins.server?);
        let last = if client.frame > server.frame { Side::Client } else { Side::Server };
        let receipt = self.arrivals.ack_of_fin[last]?;
        self.notes.get(receipt.note)
    }

    /// The last state of `side` that a segment brought about, and no timer.
    pub fn last_shown(&self, side: Side) -> Option<&StateStep> {
        self.states[side].iter().rfind(|step| step.state != State::Closed || step.frame.is_some())
    }

    /// The last state of `side`.
    pub fn final_state(&self, side: Side) -> State {
        self.states[side].last().map_or(State::Closed, |step| step.state)
    }
}

/// One happening in an endpoint's own order.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// How many of the endpoint's own segments precede it, the note, and its rank among what that note brings.
    order: (usize, usize, u8),
    cue: Cue,
    note: Option<usize>,
    time: Timestamp,
    frame: Option<u64>,
    basis: Basis,
}

impl Hindsight<'_> {
    /// What was remembered that can be compared to the number of `side`'s FIN.
    pub(super) fn after_fin(&self, side: Side) -> impl Iterator<Item = &Noted> {
        self.notes[first_after_fin(self.connection, &self.notes, side)..].iter()
    }

    /// The side whose FIN stands in the stream before, which is of the same connection.
    pub(super) fn closed_in_stream_before(&self) -> Option<Side> {
        let closer = self.connection.predecessor?.closer()?;
        Side::BOTH.into_iter().find(|&side| self.connection.endpoint(side) == closer)
    }

    /// Where the peer first acknowledges a FIN that stands in the stream before, and whose that is.
    pub(super) fn ack_of_fin_before(&self) -> Option<(Side, usize)> {
        let side = self.closed_in_stream_before().filter(|&side| self.connection.halves[side].fin.is_none())?;
        let nxt = self.connection.predecessor?.half(self.connection.endpoint(side)).nxt?;
        let acknowledges = |note: &Noted| note.side != side && note.acknowledges() && note.ack.at_or_after(nxt);
        Some((side, self.notes.iter().position(acknowledges)?))
    }

    /// The SYN repeats the number of the earlier incarnation: an old duplicate.
    pub(super) fn syn_is_stale(&self) -> bool {
        let (Some(isn), Some(past)) = (self.connection.halves.client.isn, &self.connection.predecessor) else {
            return false;
        };
        let half = past.half(self.connection.client);
        // One that was never answered may be sent again, but not at the same tick.
        let value =
            self.notes.iter().find(|note| note.is_syn()).and_then(|syn| syn.timestamps).map(|stamps| stamps.value);
        let is_copy = value.is_some() && half.timestamp == value;
        half.isn == Some(isn) && past.is_over() && (!half.syn_unanswered || is_copy)
    }

    /// Nobody stands behind the SYN: its SYN-ACK was repeated unanswered, and in all that time the SYN was not, as a host
    /// in SYN-SENT repeats it. A forged address, or a scanner that never meant to connect.
    pub(super) fn syn_is_nobodys(&self) -> bool {
        let (client, server) = (&self.connection.halves.client, &self.connection.halves.server);
        let first = self.notes.iter().find(|note| note.is_syn());
        let last = self.notes.iter().rfind(|note| note.is_syn_ack());
        let waited = first.zip(last).is_some_and(|(syn, syn_ack)| syn_ack.time.since(syn.time) >= SYN_REPEATED_NS);
        client.segments() == 1 && client.syns == 1 && server.syn_acks > 2 && waited
    }

    /// The client acknowledges or sends beyond its SYN, so that it is open although the server was not captured.
    pub(super) fn client_goes_on_open(&self) -> bool {
        self.notes.iter().any(|note| note.side == Side::Client && !note.is_syn() && note.acknowledges())
    }

    /// What `side` lived through, in its own order: its sends as the tap saw them, and each arrival after the last
    /// segment that it still sent without it.
    fn events(&self, side: Side, resets: &[ResetEffect], events: &mut Vec<Event>) {
        events.clear();
        if let Some((closer, answer)) = self.ack_of_fin_before() {
            // Nothing comes later than what was sent after it.
            let before = self.arrivals.fin[side].filter(|fin| fin.note >= answer).and_then(|fin| fin.before);
            let receipt = Receipt { note: answer, after: None, before, arrival: Arrival::Shown, lost_before: 0 };
            let (order, cue) = match side == closer {
                true => (self.arrival(side, &receipt, 1), Cue::AckOfFin),
                false => ((self.sent_by(side, answer), 0, 0), Cue::Fin),
            };
            events.push(self.event(order, cue, answer, Basis::Inferred));
        }
        let mut own = 0;
        let behind_fin = self.sent_behind_fin(side);
        for (index, note) in self.notes.iter().enumerate() {
            if note.side != side {
                continue;
            }
            if let Some(abort) = self.closed_before_abort(side, index) {
                let order = (self.sent_by(side, abort), abort.saturating_sub(1), u8::MAX);
                events.push(self.event(order, Cue::SendFin, index, self.basis_of_sent(Cue::SendFin, note)));
            }
            if behind_fin == Some(index) {
                events.push(self.event((own, index, 0), Cue::SendFin, index, Basis::Inferred));
            }
            let late_copy = self.opened_actively_unseen(side, index);
            if let Some(answer) = late_copy {
                events.push(self.event((0, 0, 0), Cue::SendSyn, answer, Basis::Inferred));
            }
            let abort = self.aborted_before_seen(side, index);
            if let Some(abort) = abort {
                let (rank, cue) = if note.is_syn() { (0, Cue::SendSyn) } else { (2, Cue::SendSynAck) };
                events.push(self.event((self.sent_by(side, abort), 0, rank), cue, index, Basis::Seen));
            }
            let replayed = late_copy.or(abort).is_some()
                || side == Side::Client && note.is_syn() && (self.syn_is_stale() || self.syn_is_nobodys());
            let replayed = replayed || self.echoes_no_syn(index) || is_late_syn(&self.notes, index);
            if !note.class.contains(Class::WILD)
                && !replayed
                && let Some(event) = self.sent(own, index, note, resets)
            {
                if resets.iter().any(|effect| effect.note == index && effect.withheld_fin) {
                    let fin = self.overtaken_fin(index).unwrap_or(index);
                    events.push(self.event(event.order, Cue::SendFin, fin, Basis::Inferred));
                }
                let overtaken = self.overtaken_abort(index).map(|abort| (self.sent_by(side, abort), abort, 1));
                let order = overtaken.or_else(|| self.before_peers_fin(index)).unwrap_or(event.order);
                events.push(Event { order, ..event });
            }
            own += 1;
        }
        if let Some(syn) = self.answered_unseen(side).filter(|_| self.connection.halves[side].syns == 0) {
            events.push(self.event((0, syn, 0), Cue::SendSynAck, syn, Basis::Inferred));
        }
        if let (Some(answer), Some(receipt)) = (self.crossed_unseen(side), self.arrivals.fin[side]) {
            let (own, fin, _) = self.arrival(side, &receipt, 2);
            let event = self.event((own, fin, 0), Cue::SendFin, answer, Basis::Inferred);
            events.push(Event { time: self.notes[fin].time, ..event });
        }
        self.received(side, resets, events);
        events.sort_by_key(|event| event.order);
    }

    fn sent(&self, own: usize, index: usize, note: &Noted, resets: &[ResetEffect]) -> Option<Event> {
        let cue = if note.is_rst() {
            let is_foreign = |effect: &ResetEffect| effect.contradicted || effect.refuses || effect.between.is_some();
            // Who opens the next one has no socket of this any more.
            if self.connection.is_of_next(note)
                || resets.iter().any(|effect| effect.note == index && is_foreign(effect))
            {
                return None;
            }
            Cue::SendRst
        } else if note.is_syn() {
            Cue::SendSyn
        } else if note.is_syn_ack() {
            Cue::SendSynAck
        } else if note.is_fin() {
            Cue::SendFin
        } else {
            Cue::SendData
        };
        Some(self.event((own, index, 0), cue, index, self.basis_of_sent(cue, note)))
    }

    fn basis_of_sent(&self, cue: Cue, note: &Noted) -> Basis {
        match cue == Cue::SendFin && self.connection.may_have_closed_unseen(!note.side) {
            true => Basis::Assumed,
            false if self.connection.is_missed(note) => Basis::Inferred,
            false => Basis::Seen,
        }
    }

    fn event(&self, order: (usize, usize, u8), cue: Cue, note: usize, basis: Basis) -> Event {
        let noted = &self.notes[note];
        Event { order, cue, note: Some(note), time: noted.time, frame: Some(noted.frame), basis }
    }

    fn received(&self, side: Side, resets: &[ResetEffect], events: &mut Vec<Event>) {
        let connection = self.connection;
        let mut receipts: SmallVec<[(Receipt, Cue, u8, Basis); 4]> = [
            (self.arrivals.syn_ack[side], Cue::SynAck, 1, Basis::Seen),
            (self.arrivals.ack_of_syn[side], Cue::AckOfSyn, 1, Basis::Seen),
            (self.arrivals.ack_of_fin[side], Cue::AckOfFin, 1, Basis::Inferred),
            (self.arrivals.fin[side], Cue::Fin, 2, Basis::Seen),
        ]
        .into_iter()
        .filter_map(|(receipt, cue, rank, shown)| Some((receipt?, cue, rank, shown)))
        .collect();
        receipts.sort_by_key(|(receipt, _, rank, _)| (receipt.note, *rank));
        // What was sent in order arrives in order: nothing comes later than what its successor's arrival is bounded by.
        let mut latest = usize::MAX;
        for (receipt, ..) in receipts.iter_mut().rev() {
            latest = latest.min(receipt.before.unwrap_or(usize::MAX));
            receipt.before = Some(latest).filter(|&latest| latest != usize::MAX);
        }
        for (receipt, cue, rank, shown) in receipts {
            let basis = match receipt.arrival {
                _ if cue == Cue::Fin && self.connection.may_have_closed_unseen(side) => Basis::Assumed,
                Arrival::Shown => shown,
                _ => Basis::Inferred,
            };
            events.push(self.event(self.arrival(side, &receipt, rank), cue, receipt.note, basis));
        }
        if self.arrivals.fin[side].is_none()
            && let Some(copy) = self.presumed_last_fin(side)
        {
            let before = self.sent_by(side, copy);
            let acknowledges = connection.halves[side].fin.is_some_and(|fin| self.notes[copy].ack.after(fin));
            if self.arrivals.ack_of_fin[side].is_none() && acknowledges {
                events.push(self.event((before, copy, 1), Cue::AckOfFin, copy, Basis::Assumed));
            }
            events.push(self.event((before, copy, 2), Cue::Fin, copy, Basis::Assumed));
        }
        if Side::BOTH.into_iter().all(|side| connection.halves[side].syns > 0 && asked_to_open(&self.notes, side)) {
            let syn_ack = self.arrivals.syn_ack[side].map(|receipt| self.arrival(side, &receipt, 0));
            // An open connection answers no SYN with a SYN-ACK: what it answers came first.
            let first =
                |event: Event| Event { order: syn_ack.map_or(event.order, |order| order.min(event.order)), ..event };
            events.extend(self.crossing_syn(side).map(first));
        }
        for effect in resets.iter().filter(|effect| effect.accepted && self.notes[effect.note].side != side) {
            // What the receiver had on its way when it came was sent before.
            let until = self.notes[effect.note].time.plus(self.arrivals.crossing_ns(side));
            let mut own = self.own_until(side, until).max(self.sent_by(side, effect.note));
            if let Some(reply) = self.reply_behind(effect.note) {
                own = own.min(self.sent_by(side, reply));
            }
            // Whose connection is gone sends nothing of it any more.
            let is_live = |index: usize| {
                let note = &self.notes[index];
                let says = !note.is_rst() && !note.is_syn() && !note.class.contains(Class::WILD);
                note.side == side && (says || self.aborts_live(index, resets))
            };
            let last = (0..self.notes.len()).rfind(|&index| is_live(index));
            let own = own.max(last.map_or(0, |last| self.sent_by(side, last + 1)));
            events.push(self.event((own, effect.note, 3), Cue::Rst, effect.note, Basis::Inferred));
        }
        for error in connection.icmp_errors.iter().filter(|error| is_hard(error)) {
            // Who goes on took the error for a soft one (Linux does while connect() itself still has the socket), and nobody looks at
            // one that does not quote the SYN.
            let goes_on = |note: &Noted| note.side == side && !note.is_rst() && note.time > error.time;
            let is_quoted = connection.halves[side].isn.is_none_or(|isn| error.seq == isn);
            if error.source == connection.endpoint(side) && is_quoted && !self.notes.iter().any(goes_on) {
                // There may be no note at all: what contradicts itself is counted and not noted.
                let before = self.notes.iter().rposition(|note| note.time <= error.time).map_or(1, |last| last + 1);
                let before = before.min(self.notes.len());
                events.push(Event {
                    order: (self.sent_by(side, before), before.saturating_sub(1), 3),
                    cue: Cue::IcmpError,
                    note: None,
                    time: error.time,
                    frame: Some(error.frame.0),
                    basis: Basis::Inferred,
                });
            }
        }
    }

    /// Note `index` is an abort with what only a live socket writes into one: nothing is answered to a reset, so that its
    /// sender had taken none before.
    fn aborts_live(&self, index: usize, resets: &[ResetEffect]) -> bool {
        let reset = &self.notes[index];
        let half = &self.connection.halves[reset.side];
        let is_marked = if half.timestamps { reset.timestamps.is_some() } else { reset.window != 0 };
        let is_own = |effect: &&ResetEffect| effect.note == index && !effect.contradicted && !effect.refuses;
        reset.flags.contains(Flags::RST | Flags::ACK) && is_marked && resets.iter().any(|effect| is_own(&effect))
    }

    /// Note `index` is a SYN of `side` with the number of its earlier SYN-ACK: sent before that, from SYN-SENT, and overtaken
    /// on the way. Returns the SYN-ACK, which is the first that the tap saw of it.
    fn opened_actively_unseen(&self, side: Side, index: usize) -> Option<usize> {
        let syn = &self.notes[index];
        if !syn.is_syn() || is_late_syn(&self.notes, index) {
            return None;
        }
        let answer = self.notes[..index].iter().position(|note| note.side == side && note.is_syn_ack())?;
        let first = !self.notes[..index].iter().any(|note| note.side == side && note.is_syn());
        (first && syn.seq == self.notes[answer].seq).then_some(answer)
    }

    /// The first SYN-ACK of `side` that was captured echoes an older copy of the peer's SYN than the newest before it:
    /// that one had been answered already, unseen. Returns the copy. (A repeated SYN leaves TS.Recent alone, RFC 7323,
    /// section 4.3, and is answered by the SYN-ACK of the first.)
    fn answered_unseen(&self, side: Side) -> Option<usize> {
        let answer = self.notes.iter().position(|note| note.side == side && note.is_syn_ack())?;
        let echo = self.notes[answer].timestamps?.echo;
        let mut copies = (0..answer).filter(|&index| self.notes[index].side != side && self.notes[index].is_syn());
        let echoed = copies.find(|&copy| self.notes[copy].timestamps.is_some_and(|stamps| stamps.value == echo))?;
        copies.next().map(|_| echoed)
    }

    /// The first that `side` acknowledges reports the peer's SYN as a duplicate (RFC 2883, section 4): it had come before the
    /// SYN-ACK, and the own SYN-ACK that answered it was lost before the tap.
    fn crossing_syn_reported(&self, side: Side) -> Option<Event> {
        let isn = self.connection.halves[!side].isn?;
        let report = self.notes.iter().position(|note| note.side == side && note.acknowledges())?;
        self.notes[report].sack.filter(|block| block.left == isn && block.right == isn + 1)?;
        let copy = self.notes[..report].iter().position(|note| note.side != side && note.is_syn())?;
        let own = self.notes[..report].iter().rposition(|note| note.side == side && note.is_syn())?;
        Some(self.event((self.sent_by(side, own.max(copy) + 1), copy, 1), Cue::Syn, copy, Basis::Inferred))
    }

    /// The peer's bare SYN reaching `side`, which had sent one of its own: before its SYN-ACK, after its SYN.
    fn crossing_syn(&self, side: Side) -> Option<Event> {
        let Some(answer) = self.notes.iter().position(|note| note.side == side && note.is_syn_ack()) else {
            return self.crossing_syn_reported(side);
        };
        let newest = self.notes[..answer].iter().rposition(|note| note.side != side && note.is_syn())?;
        let copy = self.answered_unseen(side).unwrap_or(newest);
        let own = self.notes[..answer].iter().rposition(|note| note.side == side && note.is_syn());
        let Some(own) = own else {
            // Its SYN passed the tap late.
            return Some(self.event((0, copy, 1), Cue::Syn, copy, Basis::Seen));
        };
        if let Some(abort) = self.aborted_before_seen(side, own) {
            return Some(self.event((self.sent_by(side, abort), 0, 1), Cue::Syn, copy, Basis::Seen));
        }
        Some(self.event((self.sent_by(side, own.max(copy) + 1), copy, 1), Cue::Syn, copy, Basis::Seen))
    }

    /// How many segments of `side` come before note `index` in the order of capture.
    fn sent_by(&self, side: Side, index: usize) -> usize {
        self.notes[..index].iter().filter(|note| note.side == side).count()
    }

    /// How many segments of `side` had been sent when what passed the tap at `until` was.
    fn own_until(&self, side: Side, until: Timestamp) -> usize {
        self.last_sent_by(side, until).map_or(0, |last| self.sent_by(side, last + 1))
    }

    /// The place of an arrival in the order of `side`. A segment that passes the tap reaches the endpoint half a round
    /// trip later, and what the endpoint sent half a round trip before that passes the tap in between; what its own
    /// segments show of the arrival decides before any estimate.
    pub(super) fn arrival(&self, side: Side, receipt: &Receipt, rank: u8) -> (usize, usize, u8) {
        let rtt = self.arrivals.rtt_ns[side].unwrap_or(0);
        let estimate = self.own_until(side, self.notes[receipt.note].time.plus(rtt));
        let earliest = receipt.after.map_or(self.sent_by(side, receipt.note), |after| self.sent_by(side, after + 1));
        let latest = receipt.before.map_or(usize::MAX, |before| self.sent_by(side, before));
        (estimate.max(earliest).min(latest), receipt.note, rank)
    }

    /// The peer's FIN was repeated and never seen acknowledged, after this side had closed and the peer had acknowledged
    /// that: the tap misses the answers, or there are none. With nothing of this side after it that still lacks it, the
    /// FIN is taken to have arrived, and said to be assumed. Returns the index of the copy.
    fn presumed_last_fin(&self, side: Side) -> Option<usize> {
        let is_copy = |note: &Noted| note.side != side && note.is_fin();
        let met_nobody = self.notes.iter().position(|note| note.side == side && note.is_rst());
        if met_nobody.is_none() && self.arrivals.tap == Some(Tap::beside(side)) {
            // Its answers would have been captured, and nothing shows that it is there.
            return None;
        }
        let seen = &self.notes[..met_nobody.unwrap_or(self.notes.len())];
        let without = seen.iter().rposition(|note| note.side == side && note.acknowledges())?;
        let own_fin = seen.iter().position(|note| note.side == side && note.is_fin())?;
        let copies = seen.iter().filter(|note| is_copy(note)).count();
        let peer = &self.connection.halves[!side];
        // A reset answers what its sender does not take, and octets before a FIN are taken first; but an earlier copy may have
        // been taken, and TIME-WAIT be over.
        let first = seen.iter().find(|note| is_copy(note)).zip(met_nobody.map(|reset| &self.notes[reset]));
        let time_wait_ns = self.profiles[side].shortest_time_wait_ns();
        let is_soon = first.is_some_and(|(first, reset)| reset.time.since(first.time) < time_wait_ns);
        let is_refused = is_soon && peer.fin.zip(peer.acked).is_some_and(|(fin, acked)| acked.before(fin));
        if copies < 2 || !self.connection.halves[side].fin_acked() || is_refused {
            return None;
        }
        let after = without.max(own_fin);
        // Octets before it that had been missing came no sooner than with the copy that brings them.
        let brings_them = |note: &Noted| is_copy(note) && note.class.contains(Class::FILLS_GAP);
        let later = &seen[after..];
        let copy = after + later.iter().position(brings_them).or_else(|| later.iter().position(is_copy))?;
        // What answers it may be on its way.
        let is_answered_by_now = self.horizon.since(seen[copy].time) > self.arrivals.crossing_ns(side);
        is_answered_by_now.then_some(copy)
    }
}

/// Whether Linux aborts an opening connection for this error (`icmp_err_convert`, `tcp_v4_err`): every destination
/// unreachable but "fragmentation needed", time exceeded, and parameter problem.
pub fn is_hard(error: &IcmpError) -> bool {
    match (error.v6, error.kind) {
        (false, 3) => error.code != 4,
        (false, 11 | 12) | (true, 1 | 3 | 4) => true,
        _ => false,
    }
}

/// One endpoint's machine.
struct Machine<'a> {
    hindsight: &'a Hindsight<'a>,
    side: Side,
    state: State,
    lived: bool,
    steps: &'a mut Vec<StateStep>,
    surprises: &'a mut Vec<Surprise>,
    surprises_max: usize,
}

impl<'a> Machine<'a> {
    fn new(
        hindsight: &'a Hindsight<'a>,
        side: Side,
        steps: &'a mut Vec<StateStep>,
        surprises: &'a mut Vec<Surprise>,
    ) -> Self {
        let connection = hindsight.connection;
        let surprises_max = surprises.len() + SURPRISES_MAX;
        let mut machine = Self { hindsight, side, state: State::Closed, lived: false, steps, surprises, surprises_max };
        if let Some(state) = connection.predecessor.and_then(|past| past.half(connection.endpoint(side)).state) {
            machine.enter(state, connection.start, Some(connection.first_frame), Basis::Inferred);
        }
        let speaks = hindsight.notes.iter().find(|note| !note.is_rst());
        if let (false, false, Some(first)) = (machine.lived, connection.began_in_capture(), speaks) {
            machine.enter(State::Established, first.time, Some(first.frame), Basis::Assumed);
        }
        machine
    }

    fn take(&mut self, event: &Event, resets: &mut [ResetEffect]) {
        if let (State::TimeWait, Cue::Rst, Some(index)) = (self.state, event.cue, event.note)
            && let Some(at) = self.time_wait_over_before(index)
        {
            self.enter(State::Closed, at, None, Basis::Assumed);
        }
        if let (Some(index), Cue::SendRst | Cue::Rst) = (event.note, event.cue) {
            for effect in resets.iter_mut().filter(|effect| effect.note == index) {
                if event.cue == Cue::Rst
                    && !effect.acceptance.resets_in(self.state, &self.hindsight.profiles[self.side])
                {
                    effect.receiver_state = Some(self.state);
                    effect.accepted = false;
                    return;
                }
                if event.cue == Cue::SendRst {
                    effect.sender_state = Some(self.state);
                } else {
                    effect.receiver_state = Some(self.state);
                }
            }
        }
        if event.cue == Cue::SendData && !self.shows_open(event) {
            return;
        }
        let open = event.cue == Cue::SendFin || event.cue == Cue::SendRst && self.aborts_accepted(event);
        if open && self.state == State::SynReceived && !self.is_handed_over_early() {
            // A listener's child is handed to its application only when open (accept).
            self.enter(State::Established, event.time, event.frame, Basis::Seen);
        }
        if event.cue == Cue::Fin && self.state == State::SynReceived {
            // What brings the FIN acknowledges first (RFC 9293, section 3.10.7.4, fifth).
            self.enter(State::Established, event.time, event.frame, event.basis);
        }
        if self.lived && self.state == State::Closed && event.cue != Cue::SendSyn {
            return;
        }
        if !self.lived {
            self.begin(event);
        }
        let from = self.state;
        let reaction = transition(from, event.cue);
        if !reaction.expected && self.surprises.len() < self.surprises_max {
            let frame = event.frame.unwrap_or(0);
            self.surprises.push(Surprise { side: self.side, state: from, cue: event.cue, frame });
        }
        if reaction.to != from {
            self.enter(reaction.to, event.time, event.frame, event.basis);
        }
    }

    /// The first event of an endpoint whose opening is not wholly in the capture: the states that it must have passed.
    fn begin(&mut self, event: &Event) {
        let connection = self.hindsight.connection;
        let opener = self.side == Side::Client && connection.halves.client.syns == 0;
        match event.cue {
            Cue::SynAck | Cue::SendData | Cue::SendFin if opener => {
                self.enter(State::SynSent, event.time, event.frame, Basis::Inferred);
            }
            Cue::AckOfSyn | Cue::SendData | Cue::SendFin if self.side == Side::Server => {
                self.enter(State::SynReceived, event.time, event.frame, Basis::Inferred);
            }
            // It acknowledges a FIN, so it was open.
            Cue::Fin if event.basis == Basis::Seen => {
                let opening = if opener { State::SynSent } else { State::SynReceived };
                self.enter(opening, event.time, event.frame, Basis::Inferred);
                self.enter(State::Established, event.time, event.frame, Basis::Inferred);
            }
            _ => {}
        }
    }

    /// Whether what the endpoint sends says that it is open; a repeated ACK of the peer's SYN does not say so of a
    /// passive opener, and data does not of a Fast Open one.
    fn shows_open(&self, event: &Event) -> bool {
        if self.state != State::SynReceived && (self.lived || self.side == Side::Client) {
            return true;
        }
        let receipt = self.hindsight.arrivals.ack_of_syn[self.side];
        let Some(note) = event.note.map(|index| &self.hindsight.notes[index]) else { return false };
        let peer_isn = self.hindsight.connection.halves[!self.side].isn;
        let accepted = peer_isn.map(|isn| isn + 1).or_else(|| accepted_at_syn(&self.hindsight.notes, self.side));
        let beyond_syn = note.acknowledges() && accepted.is_some_and(|syn| note.ack.after(syn));
        receipt.is_none() && (note.len > 0 || beyond_syn)
    }

    /// Fast Open gave the application its socket with the SYN's payload.
    fn is_handed_over_early(&self) -> bool {
        accepts_fast_open(self.hindsight.connection, &self.hindsight.notes, self.side)
    }

    /// The RST of `event` belongs to an abort, and the acknowledgment of the SYN-ACK was seen before it: it came sooner
    /// than the path's estimate has it. Or what passed after it shows as much.
    fn aborts_accepted(&self, event: &Event) -> bool {
        let receipt = self.hindsight.arrivals.ack_of_syn[self.side];
        let acked = receipt.zip(event.note).is_some_and(|(receipt, reset)| receipt.note < reset);
        acked && has_aborted(self.hindsight.connection, self.side)
            || event.note.is_some_and(|reset| self.hindsight.was_open_before(reset))
    }

    fn enter(&mut self, state: State, time: Timestamp, frame: Option<u64>, basis: Basis) {
        self.lived = true;
        self.state = state;
        // An arrival is dated by its frame, but never before what the endpoint still did without it.
        let time = self.steps.last().map_or(time, |step| step.time.max(time));
        // What follows from a state that is assumed is no surer than that; CLOSED follows from any, and open it was in any case.
        let rests_on = self.steps.last().filter(|step| step.state != State::Established && state != State::Closed);
        let is_assumed = basis == Basis::Inferred && rests_on.is_some_and(|step| step.basis == Basis::Assumed);
        let basis = if is_assumed { Basis::Assumed } else { basis };
        self.steps.push(StateStep { state, time, frame, basis });
    }

    /// Timers that must have run out before the end of the capture.
    fn run_out_timers(&mut self, opening: &Opening) {
        let horizon = self.hindsight.horizon;
        match self.state {
            State::LastAck => {
                if let Some(last) = self.hindsight.missed_last_ack(self.side) {
                    self.enter(State::Closed, last.acknowledged_at, None, Basis::Inferred);
                }
            }
            State::FinWait2 => {
                if let Some(last) = self.hindsight.missed_last_ack(!self.side) {
                    self.enter(State::TimeWait, last.fin.time, Some(last.fin.frame), Basis::Inferred);
                }
            }
            _ => {}
        }
        let stack = &self.hindsight.profiles[self.side];
        let expired = match self.state {
            State::TimeWait => self.time_wait_began().map(|began| began.plus(stack.time_wait_ns)),
            State::SynSent if opening.kind == super::words::OpenKind::Unanswered => {
                Retries::of_syns(&self.hindsight.notes, self.side).and_then(|syns| syns.connect_ended(stack, horizon))
            }
            State::SynReceived => Retries::of_syn_acks(&self.hindsight.notes, self.side)
                .and_then(|syn_acks| syn_acks.offer_ended(stack, horizon)),
            _ => None,
        };
        let ended = self.hindsight.ended_by_successor(self.side, self.state);
        let expired = expired.filter(|&at| at < horizon && ended.is_none_or(|ended| at < ended));
        if let Some(at) = expired.or(ended) {
            self.enter(State::Closed, at, None, Basis::Assumed);
        }
    }

    /// When TIME-WAIT had run out, if the reset in note `index` came later: whatever the peer sends begins it anew, on Linux its
    /// acknowledgments, too (`tcp_timewait_state_process`).
    fn time_wait_over_before(&self, index: usize) -> Option<Timestamp> {
        let (notes, stack) = (&self.hindsight.notes, &self.hindsight.profiles[self.side]);
        let entered = self.steps.iter().rfind(|step| step.state == State::TimeWait)?.time;
        let heard = notes[..index].iter().rfind(|note| note.side != self.side && !note.is_rst());
        let over = heard.map_or(entered, |note| note.time.max(entered)).plus(stack.time_wait_ns);
        (over < notes[index].time).then_some(over)
    }

    /// When TIME-WAIT began, or was last restarted by a repeated FIN (RFC 9293, section 3.10.7.4, eighth check).
    fn time_wait_began(&self) -> Option<Timestamp> {
        let entered = self.steps.iter().rfind(|step| step.state == State::TimeWait)?.time;
        let repeated = self.hindsight.notes.iter().rfind(|note| note.side != self.side && note.is_fin());
        Some(repeated.map_or(entered, |fin| fin.time.max(entered)))
    }
}

/// Surprises kept for each endpoint.
const SURPRISES_MAX: usize = 16;

impl Connection {
    /// The server's bare SYN was sent in answer to the client's: it answered the client's SYN-ACK with a bare ACK, and its SYN
    /// did not come sooner after the client's than that. Sooner it had been on its way already: both ends opened, and the
    /// SYN-ACK of the server was lost before the tap.
    pub(super) fn start_of_server_syn_is_an_answer(&self, hindsight: &Hindsight<'_>) -> bool {
        let notes = &hindsight.notes;
        let acknowledges = |note: &Noted| {
            note.side == Side::Server && note.flags & (Flags::SYN | Flags::ACK) == Flags::ACK && note.len == 0
        };
        let Some(ack) = notes.iter().position(acknowledges) else { return false };
        let asked = notes[..ack].iter().rfind(|note| note.side == Side::Client && note.is_syn_ack());
        let syns = Side::BOTH.map(|side| notes.iter().find(|note| note.side == side && note.is_syn()));
        let (Some(asked), [Some(syn), Some(answer)]) = (asked, syns) else { return true };
        // What was sent before the peer's SYN came has nothing to echo (RFC 7323, section 3.2).
        let is_stamped = |note: &Noted| note.timestamps.is_some_and(|stamps| stamps.value != 0);
        if is_stamped(syn) && is_stamped(answer) && answer.timestamps.is_some_and(|stamps| stamps.echo == 0) {
            return false;
        }
        let path_ns = notes[ack].time.since(asked.time);
        answer.time.since(syn.time) >= path_ns - path_ns / 4
    }

    /// Nothing says that the FIN of `side` had not come before the peer's: no frame shows anything of it, or, of a connection
    /// that the capture begins in, not one octet. What it takes of its peer shows that it is still read at least; its
    /// acknowledgments alone may be those of TIME-WAIT. Nor does a FIN that is among the last octets of it which the peer acknowledged,
    /// where no frame shows these.
    pub fn may_have_closed_unseen(&self, side: Side) -> bool {
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        let taken = peer.acked.map(|acked| peer.fin.filter(|fin| acked.after(*fin)).unwrap_or(acked));
        let has_taken = matches!((peer.start, taken), (Some(start), Some(taken)) if taken.after(start));
        // Who has no socket any more resets without an acknowledgment, and TIME-WAIT by no decision of its own. Nor do they probe.
        let aborts = |seen: &ResetSeen| seen.noted.side == side && seen.noted.flags.contains(Flags::ACK);
        let said_nothing =
            own.start == Some(own.nxt) && own.fin.is_none() && own.keepalives == 0 && !self.resets.iter().any(aborts);
        let (from, to) = own.unseen;
        // Who still answers it was not told that nothing more comes.
        let is_last = peer.last_payload().is_none_or(|said| said.ack.before(to));
        let lacks_end = from != to && to == own.nxt && own.fin.is_none() && is_last && !self.has_controls_alone();
        own.frames == 0 || lacks_end || !self.began_in_capture() && said_nothing && !has_taken
    }

    /// The side whose FIN or RST was seen first.
    pub fn first_closer(&self) -> Option<Side> {
        let of_resets = self.resets.first().map(|seen| (seen.noted.frame, seen.noted.side));
        let of_fins = self.journal.first_fin().map(|note| (note.frame, note.side));
        [of_resets, of_fins].into_iter().flatten().min_by_key(|(frame, _)| *frame).map(|(_, side)| side)
    }
}
