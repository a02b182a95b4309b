//! Whether an end went on as if a reset had not been, or was only overtaken by it; and closes that a reset shows because the
//! FIN never came to be sent.

use super::classify::WILD_DISTANCE;
use super::delivery::{DETOUR_NS, Receipt};
use super::half::Half;
use super::lifecycle::Hindsight;
use super::noted::{Class, Noted};
use super::predecessor::Answer;
use super::profile::{Greeting, Profile, ProfileBasis};
use super::reset::{Acceptance, ResetSeen};
use super::vantage::Tap;
use crate::base::{Seq, Side, Timestamp};
use crate::segment::Flags;

/// Nothing is overtaken by more than this, ns.
pub(super) const OVERTAKEN_NS: i64 = 200_000_000;
/// Without a clock, what comes this soon may have been overtaken, ns.
const OVERTAKEN_UNDATED_NS: i64 = 50_000_000;
/// Sooner than this nothing is sent again, and what comes was held up on the way, ns.
const PROMPT_NS: i64 = 3_000_000;
/// What comes within this of its timer came by it, ns.
const TIMER_SLACK_NS: i64 = 5_000_000;
/// Ticks of a timestamp clock are taken to be this long, ns: those of Linux, macOS and FreeBSD. No stack counts faster, so
/// nothing is dated later than it was sent.
const TICK_NS: i64 = 1_000_000;
/// An IPv4 id this little below another was counted before it.
const ID_STEP_MAX: u16 = 1_024;
/// After so long a SYN is sent again for the first time (RFC 6298, section 2.1), ns.
const INITIAL_RTO_NS: i64 = 1_000_000_000;
/// Sooner than this no SYN is sent again (RFC 6298, section 2.1), ns.
const SYN_RTO_NS: i64 = 900_000_000;
/// Who sent data less than this ago, ns, has not lost its state since.
const ALIVE_NS: i64 = 1_000_000_000;
/// The same of a sender whose peer keeps the window closed: probes come at growing intervals.
const ALIVE_BEHIND_WINDOW_NS: i64 = 60_000_000_000;

impl Hindsight<'_> {
    /// `side` was seen to say more than its earlier segments, later than note `from`, than what was on its way and than
    /// what the road delayed.
    pub(super) fn goes_on(&self, side: Side, from: usize, grace_ns: i64) -> bool {
        let reset = &self.notes[from];
        let before = |note: &&Noted| note.side == side && !note.is_rst();
        // Plain progress is not among the notes.
        let seen = self.connection.resets.iter().find(|seen| seen.noted.frame == reset.frame).map(|seen| &seen.before);
        let last = seen.and_then(|halves| halves[side].last.as_ref()).filter(|last| last.frame < reset.frame);
        let noted = self.notes[..from].iter().rfind(before);
        let known = || noted.into_iter().chain(last);
        let Some(earlier) = known().max_by_key(|note| note.frame) else {
            let mut later = self.notes[from + 1..].iter().filter(before);
            return later.any(|note| {
                let since_ns = note.time.since(reset.time);
                let clock = note.timestamps.zip(reset.timestamps).filter(|_| side == reset.side);
                // Written before the reset, it was overtaken by it.
                let is_older = clock.is_some_and(|(now, then)| Seq(now.value).before(Seq(then.value)));
                let is_older = is_older || opened_before(note, reset);
                since_ns > grace_ns && !note.class.contains(Class::WILD) && !is_older
            });
        };
        // A SYN comes again from who has had no answer to it.
        let is_asking = |note: &Noted| note.side == side && note.is_syn() && note.time.since(reset.time) > grace_ns;
        if reset.side != side && earlier.is_syn() && self.notes[from + 1..].iter().any(is_asking) {
            return true;
        }
        let peer_end = self.notes[..from].iter().filter(|note| note.side != side && !note.is_rst()).map(Noted::end);
        let peer_next = seen.map(|halves| &halves[!side]).filter(|half| half.is_known()).map(|half| half.nxt);
        let peer_end = peer_end.chain(peer_next).reduce(Seq::later);
        // Octets that the tap had missed, so long after what lies beyond them, were not overtaken but sent again.
        let is_sent_again = |note: &Noted| {
            let is_late = note.time.since(earlier.time) > OVERTAKEN_NS && note.seq.before(earlier.end());
            side != reset.side && note.class.contains(Class::FILLS_GAP) && is_late
        };
        self.notes[from + 1..].iter().filter(before).any(|note| {
            let clock = match (note.timestamps, earlier.timestamps) {
                (Some(now), Some(then)) => Seq(now.value).after(Seq(then.value)),
                // What says nothing new may have been sent before, and overtaken.
                _ => {
                    note.time.since(reset.time) > OVERTAKEN_NS || is_sent_again(note) || self.is_punctual(note, earlier)
                }
            };
            let acks_more = note.acknowledges() && !(earlier.acknowledges() && note.ack.at_or_before(earlier.ack));
            let newer = clock || note.end().after(earlier.end()) || acks_more;
            let reacts = note.acknowledges() && peer_end.is_some_and(|end| note.ack.after(end));
            newer
                && note.time.since(reset.time) > grace_ns
                && !note.class.contains(Class::WILD)
                && (reacts || !known().any(|earlier| was_overtaken(note, earlier, reset, grace_ns)))
        })
    }

    /// `note` came when a timer of its sender had run out, so that it was not held up on the way: a keepalive probe, or what was sent
    /// before, after a silence of its sender since `earlier`; or sequence space again when its timer, doubled each time (RFC 6298,
    /// section 5.5), was due.
    fn is_punctual(&self, note: &Noted, earlier: &Noted) -> bool {
        let is_silent = note.time.since(earlier.time) > OVERTAKEN_NS;
        if note.class.contains(Class::KEEPALIVE) || note.class.contains(Class::RETRANSMISSION) && is_silent {
            return true;
        }
        let until = self.notes.partition_point(|earlier| earlier.frame < note.frame);
        let own = self.notes[..until].iter().filter(|earlier| earlier.side == note.side);
        let is_copy = |copy: &&Noted| copy.end() != copy.seq && (copy.seq, copy.end()) == (note.seq, note.end());
        let mut copies = own.filter(is_copy);
        let Some(first) = copies.next() else { return false };
        let since_ns = note.time.since(first.time);
        let is_due = |due_ns: &i64| (due_ns - since_ns).abs() <= TIMER_SLACK_NS;
        let doubled = |pause_ns: i64| {
            let pauses = std::iter::successors(Some(pause_ns), |pause_ns| Some(2 * pause_ns));
            pauses.take_while(move |&pause_ns| (1..=since_ns + TIMER_SLACK_NS).contains(&pause_ns))
        };
        match copies.next().map(|second| second.time.since(first.time)) {
            Some(pause_ns) => {
                let mut due = doubled(pause_ns).scan(0, |due_ns, pause_ns| {
                    *due_ns += pause_ns;
                    Some(*due_ns)
                });
                pause_ns > TIMER_SLACK_NS && due.any(|due_ns| is_due(&due_ns))
            }
            // How often it had been sent unseen is not known.
            None => (note.is_syn() || note.is_syn_ack()) && doubled(INITIAL_RTO_NS).any(|due_ns| is_due(&due_ns)),
        }
    }

    /// The reset in note `index` refuses a SYN with a timestamp that this did not carry, and the SYN carried one: Linux in SYN-SENT takes
    /// no other (`tcp_rcv_synsent_state_process`). Who sends none does not look at the peer's, and takes the reset. What it says in
    /// the next stream tells more.
    pub(super) fn is_unheeded(&self, index: usize) -> bool {
        let side = self.notes[index].side;
        let carries = |note: &Noted| note.side != side && note.is_syn() && note.timestamps.is_some();
        match self.connection.answer_next(!side) {
            Some(answer) => answer == Answer::GoesOn,
            None => self.echoes_no_syn(index) && self.notes[..index].iter().any(carries),
        }
    }

    /// The RST or FIN in note `index` answers the peer's SYN with a timestamp that no copy of it carried: who had that SYN
    /// echoes it (RFC 7323, section 3.2).
    pub(super) fn echoes_no_syn(&self, index: usize) -> bool {
        let note = &self.notes[index];
        (note.is_rst() || note.is_fin()) && note.len == 0 && self.has_foreign_echo(index)
    }

    /// The SYN-ACK in note `index` echoes a clock that the peer's SYNs had not reached. An earlier one, of a copy before the capture,
    /// may be right.
    pub(super) fn echoes_the_future(&self, index: usize) -> bool {
        let note = &self.notes[index];
        let syns = self.notes[..index].iter().filter(|earlier| earlier.side != note.side && earlier.is_syn());
        let clocks = syns.filter_map(|syn| syn.timestamps.map(|stamps| Seq(stamps.value)));
        let newest = clocks.reduce(Seq::later);
        let is_ahead = newest.zip(note.timestamps).is_some_and(|(clock, stamps)| Seq(stamps.echo).after(clock));
        note.is_syn_ack() && is_ahead && self.has_foreign_echo(index)
    }

    /// The same of any answer to the SYN.
    fn has_foreign_echo(&self, index: usize) -> bool {
        let note = &self.notes[index];
        let Some(echo) = note.timestamps.map(|stamps| stamps.echo).filter(|&echo| echo != 0) else { return false };
        let isn = self.connection.halves[!note.side].isn;
        if !note.acknowledges_syn(isn) || self.connection.halves[!note.side].syns == 0 {
            return false;
        }
        self.notes[..index].iter().all(|earlier| {
            let carries = earlier.timestamps.is_some_and(|stamps| stamps.value == echo);
            if earlier.side == note.side { !earlier.is_syn_ack() } else { earlier.is_syn() && !carries }
        })
    }

    /// The address that refuses a SYN in note `index` accepts the same SYN in the next stream, which its SYN-ACK began,
    /// sooner than a SYN is sent again: one of the two is not its own. Returns the frame of the SYN-ACK.
    pub(super) fn is_accepted_next(&self, index: usize) -> Option<u64> {
        let (reset, connection) = (&self.notes[index], self.connection);
        let isn = connection.halves[!reset.side].isn?;
        let next = connection.successor.filter(|next| next.sender == connection.endpoint(reset.side))?;
        let refuses = reset.acknowledges_syn(Some(isn)) && reset.seq != next.isn + 1;
        let at_once = next.time.since(reset.time) < SYN_RTO_NS;
        (refuses && at_once && connection.halves[reset.side].isn.is_none() && next.ack == Some(isn + 1))
            .then_some(next.frame)
    }

    /// The bare reset in note `index` answers payload, in the name of an end that had payload of its own under way an
    /// instant before and shows no close: it had not lost its state, so its application had closed, and the FIN waited
    /// behind what the peer's window or the congestion window held back (Linux `tcp_rcv_state_process`, TCPABORTONDATA).
    pub(super) fn withheld_fin(&self, index: usize, seen: &ResetSeen) -> bool {
        let reset = &self.notes[index];
        let (own, peer) = (&seen.before[reset.side], &seen.before[!reset.side]);
        if own.fin.is_none() && own.rsts == 0 && self.overtaken_fin(index).is_some() {
            return true;
        }
        let Some(last) = own.last_data else { return false };
        let was_reset = peer.rsts > 0 && self.was_reset_before(index, seen);
        let has_closed = own.fin.is_some() || own.rsts > 0 || peer.fin.is_some() || was_reset;
        if has_closed || reset.flags.contains(Flags::ACK) || own.ttl.is_some_and(|ttl| ttl != reset.ttl) {
            return false;
        }
        let is_live = |note: &Noted| is_of_socket(note) || own.window == 0;
        if self.abort_behind(index, is_live).is_some() {
            // It overtook the abort that had taken its sender's socket.
            return false;
        }
        if self.horizon.since(reset.time) <= OVERTAKEN_NS && self.came_out_of_order(reset.side, index) {
            // That abort may be on its way yet.
            return false;
        }
        let room = peer.right_edge.map(|edge| edge.since(own.nxt));
        let is_blocked = room.is_some_and(|room| room < i32::from(peer.mss.unwrap_or(0).min(1 << 14)));
        let since = |time: Timestamp| reset.time.since(time);
        let alive = since(last.time) < ALIVE_NS
            || is_blocked && own.last.is_some_and(|last| since(last.time) < ALIVE_BEHIND_WINDOW_NS);
        let is_data = |note: &Noted| note.side != reset.side && note.len > 0 && note.frame < reset.frame;
        // Its number is the acknowledgment of what it answers, and acknowledgments alone meet no closed reader.
        let path_ns = self.arrivals.rtt_ns[reset.side].unwrap_or(0);
        let is_answered = |data: Noted| {
            // No sooner than the path is long, unless it is the newest of several.
            let is_newest = peer.acked.is_none_or(|acked| data.seq.after(acked));
            let ago_ns = since(data.time);
            let is_in_time = ago_ns < ALIVE_NS && (is_newest || ago_ns >= path_ns - path_ns / 4);
            // What was acknowledged had met a reader.
            let is_new = peer.acked.is_none_or(|acked| data.end().after(acked));
            // What had come when its receiver sent that was not answered with a reset.
            let came_before = |own: &Noted| own.time.since(data.time) > self.arrivals.crossing_ns(own.side) + DETOUR_NS;
            let is_new = is_new && !own.last.as_ref().is_some_and(came_before);
            // With nothing else under way, that number is its own.
            let is_only = peer.acked.is_some_and(|acked| data.seq.at_or_before(acked)) && data.end() == peer.nxt;
            let is_first = !data.class.contains(Class::RETRANSMISSION);
            let is_number = data.ack == reset.seq || data.ack.after(reset.seq) && !(is_only && is_first);
            is_in_time && is_new && is_number && !self.answers_later(index, &data, peer)
        };
        // Nothing that has its number carried payload.
        let first = self.notes.iter().find(|note| note.side != reset.side && note.len > 0 && !note.is_syn());
        let is_late = first.is_some_and(|first| first.acknowledges() && first.ack.after(reset.seq));
        let asked = !is_late && peer.last_data.filter(is_data).is_some_and(is_answered);
        let at_ack = reset.seq.at_or_before(own.nxt) && own.start.is_some_and(|start| reset.seq.at_or_after(start));
        // What it answers was sent by a peer that did not have all.
        let is_waiting = reset.seq.before(own.nxt) || is_blocked || is_recovering(&last, reset);
        alive && asked && at_ack && is_waiting
    }

    /// The reply in note `index` answers what `peer` sent after `data`, an acknowledgment alone: `data` is longer ago than any
    /// answer takes, and that is not.
    fn answers_later(&self, index: usize, data: &Noted, peer: &Half) -> bool {
        let reply = &self.notes[index];
        let path_ns = self.arrivals.rtt_ns[reply.side].unwrap_or(0);
        let asks = |last: &Noted| {
            let is_there = reply.time.since(last.time) >= path_ns - path_ns / 4;
            last.frame > data.frame
                && last.end() == last.seq
                && last.acknowledges()
                && last.ack == reply.seq
                && is_there
        };
        peer.last.as_ref().is_some_and(asks)
            && reply.time.since(data.time) > self.arrivals.crossing_ns(reply.side) + DETOUR_NS
    }

    /// A reset of the peer came to the sender of note `index` first, and it was one that is taken: it was seen beside the sender, or
    /// it had the time on a road that brings things out of order, as its sender told of what `seen` answers.
    fn was_reset_before(&self, index: usize, seen: &ResetSeen) -> bool {
        let reply = &self.notes[index];
        let side = reply.side;
        let (own, peer) = (&seen.before[side], &seen.before[!side]);
        let is_beside = self.arrivals.tap == Some(Tap::beside(side));
        let is_reordered = own.sack_high.zip(peer.acked).is_some_and(|(edge, acked)| edge.after(acked))
            || self.came_out_of_order(side, index);
        let path_ns = self.arrivals.rtt_ns[side].unwrap_or(0);
        let came = self.notes[..index].iter().enumerate().filter(|(_, note)| note.side != side && note.is_rst());
        let takes = |(at, note): (usize, &Noted)| {
            let seen = self.connection.resets.iter().find(|seen| seen.noted.frame == note.frame);
            let acceptance = seen.map_or(Acceptance::Outside, ResetSeen::acceptance);
            // Within the window it is taken by who does not challenge it (RFC 5961, section 3.2).
            let challenges = |note: &Noted| note.side == side && note.acknowledges();
            let is_taken = acceptance.resets()
                || acceptance == Acceptance::Challenge && is_beside && !self.notes[at..index].iter().any(challenges);
            // What its sender had sent before passed the tap after it.
            let is_first = peer.last_data.is_some_and(|data| data.frame > note.frame);
            // What is brought out of order may be brought sooner than the handshake was, but not at once.
            let path_ns_min = if is_reordered { path_ns / 4 } else { path_ns - path_ns / 4 };
            let had_time = reply.time.since(note.time) >= path_ns_min;
            let is_there = is_beside || (is_reordered || is_first) && had_time;
            is_there && is_taken && !self.goes_on(side, at, self.arrivals.crossing_ns(side))
        };
        came.into_iter().any(takes)
    }

    /// What `side` had sent before note `until` came to the tap in another order than it was written in, by its clock, because it
    /// filled a hole sooner than anybody sends again, or one that was not the first, sooner than its receiver's report can bring
    /// that: a timer sends the first again.
    fn came_out_of_order(&self, side: Side, until: usize) -> bool {
        let own = |note: &&Noted| note.side == side;
        let stamp = |note: &Noted| note.timestamps.map(|stamps| Seq(stamps.value));
        let path_ns = self.arrivals.rtt_ns[side].unwrap_or(0);
        let is_beside_receiver = self.arrivals.tap == Some(Tap::beside(!side));
        let before = &self.notes[..until];
        let is_behind_another = |at: usize| {
            let newest = before[..at].iter().rfind(|note| !own(note) && note.acknowledges());
            is_beside_receiver && newest.is_some_and(|newest| newest.ack.before(before[at].seq))
        };
        let overtook = |early: &Noted, (at, late): (usize, &Noted)| {
            let apart_ns = late.time.since(early.time);
            let is_older = match stamp(late).zip(stamp(early)) {
                Some((late, early)) => late.at_or_before(early),
                None => apart_ns <= PROMPT_NS || apart_ns < path_ns - path_ns / 4 && is_behind_another(at),
            };
            early.seq.after(late.seq) && is_older
        };
        before.iter().enumerate().filter(|(_, note)| own(note)).any(|(at, late)| {
            let is_filling = late.class.contains(Class::FILLS_GAP);
            is_filling && before[..at].iter().filter(own).any(|early| overtook(early, (at, late)))
        })
    }

    /// `side` says of what comes to it a second time that it had come before (RFC 2883; Linux `tcp_dsack_set`).
    fn reports_copies(&self, side: Side) -> bool {
        let halves = [&self.connection.halves.client, &self.connection.halves.server];
        let both_permit = halves.into_iter().all(|half| half.greeting.is_some_and(Greeting::has_sack));
        both_permit && self.profiles[side].name == Profile::LINUX.name
    }

    /// `side` answers the first copy of the peer's FIN that came to it at once, from beyond a FIN of its own that the tap had
    /// not seen: that was sent before the peer's came, and was lost before the tap. A FIN in answer would have brought the
    /// acknowledgment itself, and nothing had called for a second one. Returns the index of that answer.
    pub(super) fn crossed_unseen(&self, side: Side) -> Option<usize> {
        let halves = &self.connection.halves;
        let (own, peer) = (halves[side].fin?, halves[!side].fin?);
        let stack = &self.profiles[side];
        if stack.basis == ProfileBasis::Assumed || stack.name != Profile::LINUX.name {
            // What others send without being asked is not known.
            return None;
        }
        if halves[!side].duplicates > 0 || !self.connection.began_in_capture() {
            // A copy that was captured twice may have come twice, and an earlier one may lie before the capture.
            return None;
        }
        let is_own_fin = |note: &Noted| note.side == side && note.is_fin();
        let answer =
            self.notes.iter().position(|note| note.side == side && note.acknowledges() && note.ack == peer + 1)?;
        let (before, after) = (&self.notes[..answer], &self.notes[answer..]);
        let noted = &self.notes[answer];
        let is_beyond = noted.seq == own + 1 && noted.end() == noted.seq && !halves[side].has_gone_round();
        let mut copies = before.iter().rev().filter(|note| note.side != side && note.is_fin());
        let fin = copies.next().filter(|fin| fin.end() == peer + 1 && fin.ack.at_or_before(own))?;
        let is_first = copies.next().is_none() || self.reports_copies(side) && noted.sack.is_none();
        let at_once = noted.time.since(fin.time) <= self.arrivals.crossing_ns(side);
        let is_late = |note: &&Noted| note.time.since(noted.time) > OVERTAKEN_UNDATED_NS;
        let is_lost =
            !before.iter().any(is_own_fin) && after.iter().find(|note| is_own_fin(note)).filter(is_late).is_some();
        (is_beyond && is_first && at_once && is_lost).then_some(answer)
    }

    /// The FIN in note `index` says that its sender had not heard the peer's, and comes after something that says it had: it was
    /// overtaken. Returns its place, before the peer's FIN came.
    pub(super) fn before_peers_fin(&self, index: usize) -> Option<(usize, usize, u8)> {
        let note = &self.notes[index];
        let is_between = |receipt: &Receipt| receipt.before.is_some_and(|heard| receipt.note < heard && heard < index);
        let receipt = self.arrivals.fin[note.side].filter(is_between)?;
        let short = self.notes[receipt.note].end().since(note.ack);
        let is_unheard = note.is_fin() && note.acknowledges() && (1..WILD_DISTANCE.cast_signed()).contains(&short);
        let (own, fin, _) = self.arrival(note.side, &receipt, 2);
        is_unheard.then_some((own, fin, 0))
    }

    /// The SYN or SYN-ACK in note `index`, the first of `side`, was overtaken by its sender's abort. Returns the index of that.
    pub(super) fn aborted_before_seen(&self, side: Side, index: usize) -> Option<usize> {
        let opening = &self.notes[index];
        let mut earlier = self.notes[..index].iter();
        let precedes = |note: &Noted| note.is_rst() || note.is_syn() && opening.is_syn_ack();
        let is_first = earlier.clone().all(|note| note.side != side || precedes(note));
        earlier.position(|note| note.side == side && opened_before(opening, note)).filter(|_| is_first)
    }

    /// The FIN in note `index` was overtaken by its sender's abort. Returns the index of that.
    pub(super) fn closed_before_abort(&self, side: Side, index: usize) -> Option<usize> {
        let fin = &self.notes[index];
        let overtook = |note: &Noted| {
            let aborts = note.side == side && note.flags.contains(Flags::RST | Flags::ACK) && note.seq == fin.end();
            aborts && fin.time.since(note.time) <= OVERTAKEN_NS && is_of_socket(note)
        };
        let is_first = !self.notes[..index].iter().any(|note| note.side == side && note.is_fin());
        self.notes[..index].iter().position(overtook).filter(|_| fin.is_fin() && is_first)
    }

    /// The reset in note `index` overtook something with which its sender acknowledges more than the peer's SYN: it was open when it
    /// said that, and after its reset no socket says anything.
    pub(super) fn was_open_before(&self, index: usize) -> bool {
        let reset = &self.notes[index];
        let Some(first) = self.connection.halves[!reset.side].isn.map(|isn| isn + 1) else { return false };
        let has_more = |note: &Noted| note.ack.after(first) || note.sack.is_some_and(|block| block.right.after(first));
        self.notes[index..].iter().any(|note| {
            let is_older = note.end().at_or_before(reset.seq) && note.time.since(reset.time) <= OVERTAKEN_NS;
            let is_own = note.side == reset.side && !note.is_rst() && !note.class.contains(Class::WILD);
            is_own && is_older && note.acknowledges() && has_more(note)
        })
    }

    /// The bare reset in note `index` overtook the abort, one that `is_live`, that had taken its sender's socket. Returns the index of
    /// that.
    fn abort_behind(&self, index: usize, is_live: impl Fn(&Noted) -> bool) -> Option<usize> {
        let reply = &self.notes[index];
        let is_soon = |note: &Noted| note.time.since(reply.time) <= OVERTAKEN_NS;
        let aborts = |note: &Noted| note.side == reply.side && note.flags.contains(Flags::RST | Flags::ACK);
        let is_abort = |note: &Noted| aborts(note) && is_live(note) && is_soon(note);
        self.notes[index..].iter().position(is_abort).map(|offset| index + offset)
    }

    /// The same, where the abort has what only a live socket writes into one.
    pub(super) fn overtaken_abort(&self, index: usize) -> Option<usize> {
        let reset = &self.notes[index];
        let is_reply = reset.is_rst() && !reset.flags.contains(Flags::ACK);
        self.abort_behind(index, is_of_socket).filter(|_| is_reply)
    }

    /// The bare reset in note `index` overtook the FIN of its own sender. Returns the index of that.
    pub(super) fn overtaken_fin(&self, index: usize) -> Option<usize> {
        let reset = &self.notes[index];
        let is_fin = |note: &Noted| {
            note.side == reset.side && note.is_fin() && reset.seq.at_or_before(note.end()) && note.frame > reset.frame
        };
        let later = self.notes[index..].iter().position(is_fin).map(|offset| index + offset)?;
        let is_soon = self.notes[later].time.since(reset.time) <= OVERTAKEN_NS;
        (is_soon && !reset.flags.contains(Flags::ACK)).then_some(later)
    }
}

/// The SYN or SYN-ACK in `note` came after an abort at its end, which nobody can have sent before it.
fn opened_before(note: &Noted, reset: &Noted) -> bool {
    let aborts = note.side == reset.side && reset.flags.contains(Flags::RST | Flags::ACK) && reset.seq == note.end();
    let opens = note.is_syn() || note.is_syn_ack();
    aborts && opens && note.time.since(reset.time) <= OVERTAKEN_NS
}

/// `last`, the newest payload before `reset`, was itself sent again when a timer had run out: what its sender had besides had to
/// wait for the acknowledgment of that (RFC 5681, section 3.1: the congestion window is one segment then).
fn is_recovering(last: &Noted, reset: &Noted) -> bool {
    let by_timer = last.class.contains(Class::RETRANSMISSION) && !last.class.intersects(Class::FAST | Class::COPY);
    by_timer && last.end().at_or_before(reset.seq)
}

/// `note` came after `reset` and may have been sent before it: by the numbers of an abort, by its sender's clock or
/// counter, or because it came so soon that nothing tells. `earlier` is its sender's last segment before the reset.
fn was_overtaken(note: &Noted, earlier: &Noted, reset: &Noted, grace_ns: i64) -> bool {
    let late_ns = note.time.since(reset.time);
    let is_own = note.side == reset.side;
    let aborts = is_own && reset.flags.contains(Flags::ACK);
    if let (true, Some(now), Some(then)) = (aborts, note.timestamps, reset.timestamps) {
        // A closed window holds the abort's own number back behind the octet of a probe (Linux `tcp_acceptable_seq`).
        let (now, then) = (Seq(now.value), Seq(then.value));
        return now.before(then) || now == then && note.end().at_or_before(reset.seq);
    }
    if is_own && is_written_after(note, reset) {
        return false;
    }
    // Octets that nobody had seen were not on their way for so long.
    let says_more = note.end().after(earlier.end()) && late_ns > OVERTAKEN_NS;
    if aborts && note.end().at_or_before(reset.seq) && reset.timestamps.is_none() && !says_more {
        return true;
    }
    if late_ns > OVERTAKEN_NS {
        return false;
    }
    let counts = |id: u16| (1..ID_STEP_MAX).contains(&id);
    let counted_between = note.ip_id != 0
        && earlier.ip_id != 0
        && reset.ip_id != 0
        && counts(note.ip_id.wrapping_sub(earlier.ip_id))
        && counts(reset.ip_id.wrapping_sub(note.ip_id));
    if is_own && counted_between {
        return true;
    }
    match (note.timestamps, earlier.timestamps) {
        (Some(now), Some(then)) => {
            let ticks = i64::from(Seq(now.value).since(Seq(then.value)));
            earlier.time.plus(ticks * TICK_NS).since(reset.time) <= grace_ns.min(OVERTAKEN_NS)
        }
        _ => late_ns <= OVERTAKEN_UNDATED_NS && !aborts,
    }
}

/// The abort `note` has what replies of a port without a socket have not: a window, or a timestamp.
fn is_of_socket(note: &Noted) -> bool {
    note.window != 0 || note.timestamps.is_some()
}

/// By the clock of their sender, `note` was written after `reset`.
fn is_written_after(note: &Noted, reset: &Noted) -> bool {
    let stamps = note.timestamps.zip(reset.timestamps).filter(|(_, then)| then.value != 0);
    stamps.is_some_and(|(now, then)| Seq(now.value).after(Seq(then.value)))
}
