//! What each reset did: acceptable by its numbers, and borne out by what both ends did next.

use super::between::{BURST_NS, Between};
use super::delivery::DETOUR_NS;
use super::lifecycle::{Hindsight, Lifecycle};
use super::noted::{Class, Noted};
use super::predecessor::Answer;
use super::profile::Profile;
use super::reset::{Acceptance, ResetSeen};
use super::state::State;
use super::vantage::Tap;
use super::words::OpenKind;
use crate::base::Side;
use crate::segment::Flags;

/// One probe may be lost; the next comes when that is known.
const PROBES_IN_VAIN: u32 = 2;
/// A segment of the same side this soon after its RST was overtaken by it and does not contradict it, ns.
const REORDERING_NS: i64 = 3_000_000;

/// What was sent before so much silence has been acknowledged since (RFC 9293, section 3.8.6.3: within 0.5 s), ns.
const QUIET_NS: i64 = 500_000_000;

/// So many resets in a row may be lost by chance.
const IN_VAIN_MIN: usize = 2;

/// How a reset met the endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResetEffect {
    /// Index of the RST in [`super::Lifecycle::notes`].
    pub note: usize,
    /// Whose address it carries.
    pub sender: Side,
    /// Its receiver's state just before; none when nothing is known of it.
    pub receiver_state: Option<State>,
    /// Its sender's state just before; none when nothing is known of it.
    pub sender_state: Option<State>,
    /// Where its numbers stand for the receiver.
    pub acceptance: Acceptance,
    /// The receiver was heard afterwards as if nothing had happened.
    pub receiver_goes_on: bool,
    /// The receiver took it: it still had the connection, found it acceptable, and is not heard as if nothing had happened.
    pub accepted: bool,
    /// The supposed sender went on as if it had not sent it.
    pub contradicted: bool,
    /// It refuses an acknowledgment that belongs to another incarnation, and leaves its sender's state alone (RFC 9293,
    /// section 3.10.7.3, first, and 3.10.7.4, fifth).
    pub refuses: bool,
    /// The frame in which its supposed sender accepts, in the next stream, the SYN that it refuses.
    pub accepted_next: Option<u64>,
    /// It answers a SYN with a timestamp that this did not carry.
    pub echoes_no_syn: bool,
    /// It was made on the way: its supposed sender knows nothing of it.
    pub between: Option<Between>,
    /// Its receiver had got further than its number when it came.
    pub was_passed: bool,
    /// It answers data to an application that had closed, and whose FIN had to wait behind data of its own.
    pub withheld_fin: bool,
    /// Its receiver asked whether it was meant, and had the answer.
    pub confirmed: Option<Confirmed>,
}

/// A challenge ACK (RFC 5961, section 3) that met no socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confirmed {
    /// The frame of the challenge ACK.
    pub challenge: u64,
    /// The frame of the reset that answers it, with the number that its receiver waits for.
    pub answer: u64,
}

impl ResetEffect {
    /// The state of `side` just before the reset.
    pub fn state_of(&self, side: Side) -> State {
        let state = if side == self.sender { self.sender_state } else { self.receiver_state };
        state.unwrap_or(State::Closed)
    }
}

impl Lifecycle {
    /// The SYN was refused, and who asked did not hear of it: it goes on asking.
    pub fn is_refusal_in_vain(&self) -> bool {
        let mut refusals = self.resets.iter().filter(|effect| effect.sender == Side::Server).peekable();
        let goes_on = refusals.peek().is_some_and(|effect| effect.receiver_goes_on);
        self.opening.kind == OpenKind::Refused && goes_on && !refusals.any(|effect| effect.accepted)
    }
}

impl Hindsight<'_> {
    /// Note `index` resets a connection whose probes nobody had answered, when the next was due: the peer is gone, or the
    /// way to it, and this reaches nobody either. At the receiver's own tap it is seen to have come.
    fn went_nowhere(&self, index: usize, unanswered_probes: u32) -> bool {
        let reset = &self.notes[index];
        let is_probe = |note: &&Noted| note.side == reset.side && note.class.contains(Class::KEEPALIVE);
        let mut probes = self.notes[..index].iter().rev().filter(is_probe);
        let (Some(last), Some(before)) = (probes.next(), probes.next()) else { return false };
        let interval = last.time.since(before.time);
        let is_due = reset.time.since(last.time) >= interval - interval / 4;
        // A row as long that ended with an answer shows that probes are lost here while the peer lives.
        let (mut row, mut answered) = (0, 0);
        for note in &self.notes[..index] {
            if note.side != reset.side {
                answered = answered.max(row);
                row = 0;
            } else if is_probe(&note) {
                row += 1;
            }
        }
        unanswered_probes >= PROBES_IN_VAIN.max(answered + 1)
            && is_due
            && self.arrivals.tap != Some(Tap::beside(!reset.side))
    }

    /// The receiver of the reset in note `index` answers with a reset what came behind that, and so did not send it before: all
    /// that had come before was acknowledged.
    pub(super) fn reply_behind(&self, index: usize) -> Option<usize> {
        let reset = &self.notes[index];
        let seen = |at: usize| {
            let frame = self.notes[at].frame;
            self.connection.resets.iter().find(|seen| seen.noted.frame == frame)
        };
        if seen(index).is_none_or(|seen| seen.before[reset.side].in_flight() > 0) {
            return None;
        }
        (index + 1..self.notes.len()).find(|&at| {
            let reply = &self.notes[at];
            let is_reply = reply.side != reset.side && reply.is_rst() && !reply.flags.contains(Flags::ACK);
            let answered = || seen(at).and_then(|seen| seen.before[reset.side].last);
            let answers = |late: Noted| {
                late.frame > reset.frame && !late.is_rst() && late.acknowledges() && late.ack == reply.seq
            };
            is_reply && answered().is_some_and(answers)
        })
    }

    /// Note `index` is a reply whose number its receiver had passed when it came: the sender replied later with a higher one
    /// that its receiver had acknowledged, and who is reset acknowledges nothing more.
    fn fell_short(&self, index: usize) -> bool {
        let is_reply = |note: &Noted| note.is_rst() && !note.flags.contains(Flags::ACK);
        let reply = &self.notes[index];
        let half = &self.connection.halves[reply.side];
        let sent = half.nxt;
        // What stands before the FIN is taken by who has that.
        half.is_known()
            && is_reply(reply)
            && half.fin != Some(reply.seq)
            && self.notes[index + 1..].iter().any(|later| {
                let is_higher = later.seq.after(reply.seq) && later.seq.at_or_before(sent);
                is_reply(later) && later.side == reply.side && is_higher
            })
    }

    /// The receiver of note `index` acknowledges more than its number, later at the tap. What it sent so before the reset came shows
    /// that it had passed the number (RFC 9293, section 3.10.7.4, first), and what it sent so afterwards, that it lives.
    fn was_passed(&self, index: usize, acceptance: Acceptance) -> bool {
        let reset = &self.notes[index];
        // What stands before the FIN is taken by who has that.
        let is_exact = acceptance == Acceptance::Exact && self.connection.halves[reset.side].fin != Some(reset.seq);
        is_exact
            && self.notes[index + 1..].iter().any(|note| {
                let is_own = note.side != reset.side && note.acknowledges() && !note.class.contains(Class::WILD);
                is_own && note.ack.after(reset.seq)
            })
    }

    /// Its sender says what lies beyond the reset in note `index`. A live socket resets with its next number, so that was sent
    /// later; but where it had said more before, the number is that of what a reply answers.
    fn goes_beyond(&self, index: usize, seen: Option<&ResetSeen>) -> bool {
        let reset = &self.notes[index];
        let own = seen.map(|seen| &seen.before[reset.side]);
        let had_said_more = own.is_some_and(|own| own.is_known() && own.nxt.after(reset.seq));
        let is_beyond = |note: &Noted| {
            let is_own = note.side == reset.side && !note.is_rst() && !note.class.contains(Class::WILD);
            is_own && note.end().after(reset.seq)
        };
        let is_reply =
            !reset.flags.contains(Flags::ACK) && (had_said_more || self.notes[..index].iter().any(is_beyond));
        let is_later = |note: &Noted| is_beyond(note) && note.time.since(reset.time) > REORDERING_NS;
        !is_reply && self.notes[index + 1..].iter().any(is_later)
    }

    /// Judges every remembered reset: acceptable by its numbers, and borne out by what both ends did next.
    pub(super) fn reset_effects(&self) -> Vec<ResetEffect> {
        let resets = self.notes.iter().enumerate().filter(|(_, note)| note.is_rst());
        let mut effects: Vec<ResetEffect> = resets
            .map(|(index, note)| {
                let seen = self.connection.resets.iter().find(|seen| seen.noted.frame == note.frame);
                let receiver = !note.side;
                let confirmed = seen.and_then(|seen| self.confirmed(index, seen));
                let acceptance = match seen.map_or(Acceptance::Unknown, |seen| seen.acceptance()) {
                    _ if confirmed.is_some() => Acceptance::Challenge,
                    Acceptance::BeforeFin if self.profiles[receiver].is_other_than(&Profile::LINUX) => {
                        Acceptance::Outside
                    }
                    acceptance => acceptance,
                };
                let goes_on_next = |side: Side| self.connection.answer_next(side) == Some(Answer::GoesOn);
                let receiver_goes_on = self.goes_on(receiver, index, self.arrivals.crossing_ns(receiver))
                    || self.is_asked_again(receiver)
                    || goes_on_next(receiver);
                let lost = seen.is_some_and(|seen| self.went_nowhere(index, seen.before[note.side].unanswered_probes));
                let accepted_next = self.is_accepted_next(index);
                let echoes_no_syn = self.echoes_no_syn(index);
                // What its sender had sent before it may have been held up on the way by as much as the road is long.
                let held_up_ns = (self.arrivals.rtt_ns[note.side].unwrap_or(0) / 2).clamp(REORDERING_NS, DETOUR_NS);
                let goes_on = self.goes_on(note.side, index, held_up_ns)
                    || self.goes_on(note.side, index, REORDERING_NS) && self.goes_beyond(index, seen);
                let refuses = self.refuses(index);
                let goes_on = goes_on && !self.refuses_unsent(index);
                let contradicted = goes_on || accepted_next.is_some() || goes_on_next(note.side) && !refuses;
                let was_passed = self.fell_short(index) || self.was_passed(index, acceptance);
                let withheld_fin = !contradicted && seen.is_some_and(|seen| self.withheld_fin(index, seen));
                ResetEffect {
                    note: index,
                    receiver_state: None,
                    sender_state: None,
                    acceptance,
                    receiver_goes_on,
                    sender: note.side,
                    accepted: acceptance.resets()
                        && !receiver_goes_on
                        && !lost
                        && !self.is_unheeded(index)
                        && !was_passed,
                    contradicted,
                    accepted_next,
                    echoes_no_syn,
                    between: seen.filter(|_| !withheld_fin).and_then(|seen| self.made_between(index, seen)),
                    was_passed,
                    withheld_fin,
                    refuses,
                    confirmed,
                }
            })
            .collect();
        self.follow_the_foreign(&mut effects);
        self.spare_protected(&mut effects);
        self.follow_the_unheard(&mut effects);
        effects
    }

    /// The receiver of the reset in note `index` answers it with a bare ACK of what it had acknowledged before, which stands below the
    /// reset's number, and its sender that with a reset. Where that ACK may have been on its way already, only a long silence before it
    /// tells, or the tap.
    fn confirmed(&self, index: usize, seen: &ResetSeen) -> Option<Confirmed> {
        let (reset, sender) = (&self.notes[index], &seen.before[seen.noted.side]);
        let acked = sender.acked.or(sender.start)?;
        let later = &self.notes[index + 1..];
        let challenge = later.iter().find(|note| note.side != reset.side)?;
        let is_bare =
            challenge.acknowledges() && challenge.end() == challenge.seq && !challenge.class.contains(Class::WILD);
        let is_below = is_bare && challenge.ack == acked && acked.before(reset.seq);
        let was_quiet = seen.silence_ns.is_some_and(|silence_ns| silence_ns >= QUIET_NS);
        let may_cross = !was_quiet && self.arrivals.tap != Some(Tap::beside(!reset.side));
        let is_soon = challenge.time.since(reset.time) <= self.arrivals.crossing_ns(!reset.side);
        if !is_below || may_cross || !is_soon {
            return None;
        }
        let answers = |note: &&Noted| {
            let is_reply = note.is_rst() && !note.flags.contains(Flags::ACK) && note.seq == challenge.ack;
            let is_soon = note.time.since(challenge.time) <= self.arrivals.crossing_ns(reset.side);
            note.side == reset.side && is_reply && note.frame > challenge.frame && is_soon
        };
        let answer = later.iter().find(answers)?;
        Some(Confirmed { challenge: challenge.frame, answer: answer.frame })
    }

    /// The reset in note `index` refuses an acknowledgment before it that belongs to no connection of its sender's.
    fn refuses(&self, index: usize) -> bool {
        let is_foreign = |at: usize| {
            self.notes[at].class.contains(Class::WILD) || self.echoes_no_syn(at) || self.echoes_the_future(at)
        };
        self.answered_by(index).any(is_foreign) || self.refuses_unsent(index)
    }

    /// The acknowledgments that the reset in note `index` can answer by its number.
    fn answered_by(&self, index: usize) -> impl Iterator<Item = usize> {
        let reset = &self.notes[index];
        (0..index).filter(move |&at| {
            let earlier = &self.notes[at];
            earlier.side != reset.side && earlier.acknowledges() && earlier.ack == reset.seq
        })
    }

    /// It refuses what acknowledges, in SYN-RECEIVED, more than its sender had sent (RFC 9293, section 3.10.7.4, fifth), and that
    /// goes on below its number.
    fn refuses_unsent(&self, index: usize) -> bool {
        let reset = &self.notes[index];
        let goes_on = |later: &Noted| later.side == reset.side && !later.is_rst() && later.seq.before(reset.seq);
        let is_opening = |earlier: &Noted| earlier.side != reset.side || earlier.is_syn_ack();
        self.connection.halves[reset.side].syn_acks > 0
            && self.notes[..index].iter().all(is_opening)
            && self.notes[index + 1..].iter().any(goes_on)
            && self.answered_by(index).any(|at| self.notes[at].class.contains(Class::ACKS_UNSEEN))
    }

    /// One reset behind another had the right number, and what they answered came again all the same: the way back is cut. The last
    /// of them arrived only if the next copy was due since.
    fn follow_the_unheard(&self, effects: &mut [ResetEffect]) {
        for at in IN_VAIN_MIN..effects.len() {
            let (earlier, later) = effects.split_at_mut(at);
            let effect = &mut later[0];
            let note = &self.notes[effect.note];
            let is_same = |earlier: &&ResetEffect| {
                earlier.sender == effect.sender
                    && self.notes[earlier.note].seq == note.seq
                    && earlier.acceptance.resets()
            };
            let crossing_ns = self.arrivals.crossing_ns(!note.side);
            // Those of one burst answer what was sent together.
            let (mut in_vain, mut pause_ns, mut newest) = (0, 0, note.time);
            for last in earlier.iter().rev().filter(is_same) {
                let since_ns = newest.since(self.notes[last.note].time);
                if since_ns <= crossing_ns {
                    continue;
                }
                if !last.receiver_goes_on {
                    break;
                }
                if in_vain == 0 {
                    pause_ns = since_ns;
                }
                in_vain += 1;
                newest = self.notes[last.note].time;
            }
            // A timer at most doubles (RFC 6298, section 5.5).
            if in_vain >= IN_VAIN_MIN && self.horizon.since(note.time) < 2 * pause_ns + crossing_ns {
                effect.accepted = false;
            }
        }
    }

    /// What comes with a reset that was made on the way, over as many hops, was made there, too.
    fn follow_the_foreign(&self, effects: &mut [ResetEffect]) {
        for at in 1..effects.len() {
            let (earlier, later) = effects.split_at_mut(at);
            let effect = &mut later[0];
            let note = &self.notes[effect.note];
            let is_same = |earlier: &&ResetEffect| {
                let other = &self.notes[earlier.note];
                earlier.sender == effect.sender && other.ttl == note.ttl && note.time.since(other.time) < BURST_NS
            };
            let maker = earlier.iter().rev().find(is_same).and_then(|earlier| earlier.between);
            // Who resets both ends has one TTL for both.
            let is_twin = |earlier: &ResetEffect| {
                let other = &self.notes[earlier.note];
                let is_near = other.ttl == note.ttl && note.time.since(other.time) < BURST_NS;
                earlier.sender != effect.sender && earlier.between.is_some() && is_near
            };
            let usual = self.connection.halves[effect.sender].ttl;
            let is_foreign = usual.is_some_and(|ttl| ttl != note.ttl) && earlier.iter().any(is_twin);
            effect.between = effect.between.or(maker).or(is_foreign.then_some(Between::OtherHeader));
        }
    }

    /// A TIME-WAIT that outlived one reset with the right number outlives the others, too (Linux tcp_rfc1337; RFC 1337,
    /// section 3, fix F1).
    fn spare_protected(&self, effects: &mut [ResetEffect]) {
        for at in 1..effects.len() {
            let (earlier, later) = effects.split_at_mut(at);
            let effect = &mut later[0];
            let outlived = |earlier: &ResetEffect| {
                let closed = |side| self.notes[..earlier.note].iter().any(|note| note.side == side && note.is_fin());
                let is_same =
                    earlier.sender == effect.sender && self.notes[earlier.note].seq == self.notes[effect.note].seq;
                // TIME-WAIT sends no FIN again.
                let repeats =
                    self.notes[earlier.note..].iter().any(|note| note.side != earlier.sender && note.is_fin());
                let goes_on = earlier.receiver_goes_on && !repeats;
                is_same && earlier.acceptance.resets() && goes_on && Side::BOTH.into_iter().all(closed)
            };
            if earlier.iter().any(outlived) {
                effect.accepted = false;
                effect.receiver_goes_on = true;
            }
        }
    }
}
