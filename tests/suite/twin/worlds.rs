//! What the packets could have told. A life is a row of milestones on each side. Some of them the tap can know, some
//! not: a last ACK that is lost behind the tap leaves no trace when nothing is repeated. Every way to fill in what
//! cannot be known is a world, and an answer is right when it is true in one of them.

use lastack::base::{Seq, Side, Timestamp};
use lastack::connection::State;
use lastack::segment::{Flags, Segment};

use super::life::{Life, Passage};

/// What moves one side through its states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Milestone {
    SendSyn,
    SendSynAck,
    /// The peer's SYN without ACK arrived in SYN-SENT.
    CrossingSyn,
    /// The acknowledgment of its SYN arrived.
    Opened,
    SendFin,
    Fin,
    AckOfFin,
    /// It reset the connection, or was reset.
    Reset,
    /// A timer ended it.
    Over,
}

use Milestone::*;

/// The states that milestones lead through, by RFC 9293, section 3.3.2, figure 5.
fn walk(milestones: &[Milestone]) -> Vec<State> {
    let mut states = Vec::new();
    let mut state = State::Closed;
    for milestone in milestones {
        let next = match (state, milestone) {
            (State::Closed, SendSyn) => State::SynSent,
            (State::Closed | State::SynSent, SendSynAck) | (State::SynSent, CrossingSyn) => State::SynReceived,
            (State::Closed | State::SynSent | State::SynReceived, Opened) => State::Established,
            (State::Closed | State::SynSent | State::SynReceived | State::Established, SendFin) => State::FinWait1,
            (State::SynReceived | State::Established, Fin) => State::CloseWait,
            (State::FinWait1, AckOfFin) => State::FinWait2,
            (State::FinWait1, Fin) => State::Closing,
            (State::FinWait2, Fin) | (State::Closing, AckOfFin) => State::TimeWait,
            (State::CloseWait, SendFin) => State::LastAck,
            (State::LastAck, AckOfFin) => State::Closed,
            (State::Closed, _) => continue,
            (_, Reset) | (State::TimeWait, Over) => State::Closed,
            _ => continue,
        };
        if next != state {
            states.push(next);
        }
        state = next;
    }
    states
}

fn milestones(world: &[Passed]) -> Vec<Milestone> {
    world.iter().map(|(_, milestone)| *milestone).collect()
}

/// A milestone and when it was passed.
type Passed = (Timestamp, Milestone);

/// One side of a life.
pub struct View<'a> {
    life: &'a Life,
    side: Side,
    /// The milestones that it did pass.
    truth: Vec<Passed>,
}

impl<'a> View<'a> {
    pub fn new(life: &'a Life, side: Side) -> Self {
        let mut view = View { life, side, truth: Vec::new() };
        let first = |is: fn(&Segment) -> bool| view.own().find(|passage| is(&passage.segment)).map(|found| found.sent);
        let sends = [(first(is_syn), SendSyn), (first(is_syn_ack), SendSynAck), (first(is_fin), SendFin)];
        let mut truth: Vec<Passed> = sends.into_iter().filter_map(|(at, milestone)| Some((at?, milestone))).collect();
        let mut before = State::Closed;
        for (at, state) in &life.steps[side] {
            let passed: &[Milestone] = match (before, state) {
                (State::SynSent, State::SynReceived) => &[CrossingSyn],
                (State::SynSent | State::SynReceived, State::Established) => &[Opened],
                (State::SynReceived, State::CloseWait) => &[Opened, Fin],
                (State::FinWait1, State::TimeWait) => &[AckOfFin, Fin],
                (State::FinWait1, State::FinWait2) | (State::Closing, State::TimeWait) => &[AckOfFin],
                (State::LastAck, State::Closed) if !view.was_reset(*at) => &[AckOfFin],
                (_, State::CloseWait | State::Closing) | (State::FinWait2, State::TimeWait) => &[Fin],
                (State::TimeWait, State::Closed) if !view.was_reset(*at) => &[Over],
                (State::Closed | State::Listen, State::Closed | State::Listen) => &[],
                (_, State::Closed | State::Listen) => &[Reset],
                _ => &[],
            };
            truth.extend(passed.iter().map(|milestone| (*at, *milestone)));
            before = *state;
        }
        // A segment goes out after what it answers has arrived, and a FIN that does not acknowledge the peer's went out
        // before that came.
        let own_fin = view.own().find(|passage| is_fin(&passage.segment));
        let crosses = own_fin
            .zip(Self::fin(view.peers()))
            .is_some_and(|(own, peer)| own.segment.flags.contains(Flags::ACK) && !own.segment.ack.after(peer));
        let rank = |milestone: Milestone| match milestone {
            SendFin | SendSynAck | SendSyn => 1,
            Fin | AckOfFin | Reset | Over if crosses => 2,
            _ => 0,
        };
        truth.sort_by_key(|(at, milestone)| (*at, rank(*milestone)));
        view.truth = truth;
        view
    }

    /// The answers that are true in some world that looks like this one at the tap.
    pub fn answers(&self) -> Vec<Vec<State>> {
        let mut worlds = vec![self.truth.clone()];
        for edit in self.edits() {
            for index in 0..worlds.len() {
                let mut world = worlds[index].clone();
                edit.apply(&mut world);
                if !worlds.contains(&world) {
                    worlds.push(world);
                }
            }
        }
        worlds.iter().map(|world| walk(&milestones(world))).collect()
    }

    /// The states that the reference went through.
    pub fn walked(&self) -> Vec<State> {
        walk(&milestones(&self.truth))
    }

    fn own(&self) -> impl Iterator<Item = &'a Passage> {
        let side = self.side;
        self.life.passages.iter().filter(move |passage| passage.from == side)
    }

    fn peers(&self) -> impl Iterator<Item = &'a Passage> {
        let side = self.side;
        self.life.passages.iter().filter(move |passage| passage.from != side)
    }

    /// A RST was sent or delivered at that moment.
    fn was_reset(&self, at: Timestamp) -> bool {
        self.own().any(|passage| is_rst(&passage.segment) && passage.sent == at)
            || self.peers().any(|passage| is_rst(&passage.segment) && passage.delivered.contains(&at))
    }

    fn at(&self, milestone: Milestone) -> Option<Timestamp> {
        self.truth.iter().find(|(_, passed)| *passed == milestone).map(|(at, _)| *at)
    }

    /// The number that a FIN of these passages occupies.
    fn fin(mut passages: impl Iterator<Item = &'a Passage>) -> Option<Seq> {
        passages.find(|passage| is_fin(&passage.segment)).map(|passage| passage.segment.seq_end() - 1)
    }

    /// When the last of the peer's segments of a kind that the tap saw was here, or would have been.
    fn last_arrival(&self, is: impl Fn(&Segment) -> bool) -> Option<Timestamp> {
        let slowest = self.life.slowest_to(self.side);
        let copies = self.peers().filter(|passage| is(&passage.segment)).flat_map(|passage| &passage.seen);
        copies.map(|(_, at)| at.plus(slowest)).max()
    }

    /// When the tap saw the first of the peer's segments of a kind.
    fn first_seen(&self, is: impl Fn(&Segment) -> bool) -> Option<Timestamp> {
        let copies = self.peers().filter(|passage| is(&passage.segment)).flat_map(|passage| &passage.seen);
        copies.map(|(_, at)| *at).min()
    }

    /// The tap saw a segment of this side, sent at or after `from`, of which `is` holds.
    fn shows(&self, from: Timestamp, is: impl Fn(&Segment) -> bool) -> bool {
        self.own().any(|passage| passage.sent >= from && !passage.seen.is_empty() && is(&passage.segment))
    }

    /// Where the tap leaves a choice.
    fn edits(&self) -> Vec<Edit> {
        let mut edits = Vec::new();
        let never = Timestamp(i64::MIN);
        let own_fin = Self::fin(self.own());
        let peer_fin = Self::fin(self.peers());
        let opens = |segment: &Segment| is_syn(segment) || is_syn_ack(segment);

        // What it sent and the tap never saw.
        for (milestone, is) in [(SendSyn, is_syn as fn(&Segment) -> bool), (SendSynAck, is_syn_ack), (SendFin, is_fin)]
        {
            if self.at(milestone).is_some() && !self.shows(never, is) {
                edits.push(Edit::Remove(milestone));
            }
        }
        if self.at(CrossingSyn).is_some() && !self.shows(never, is_syn_ack) {
            edits.push(Edit::Remove(CrossingSyn));
        }

        // Its opening.
        let opened_by = |segment: &Segment| segment.flags.contains(Flags::ACK) && !is_rst(segment);
        let speaks = |segment: &Segment| !opens(segment);
        match self.at(Opened) {
            Some(at) if !self.shows(at, |segment| speaks(segment) && segment.flags.contains(Flags::ACK)) => {
                edits.push(Edit::Remove(Opened));
            }
            None => {
                if let Some(arrival) = self.last_arrival(opened_by)
                    && !self.shows(arrival, opens)
                {
                    edits.push(Edit::Insert(Opened));
                }
            }
            Some(_) => {}
        }
        // In a simultaneous open the peer's SYN-ACK opens it, by RFC 9293, figure 7, and in Linux; smoltcp waits for the
        // ACK that follows.
        if self.at(CrossingSyn).is_some() && self.first_seen(is_syn_ack).is_some() && self.at(Opened).is_none() {
            edits.push(Edit::Insert(Opened));
        }

        // The peer's FIN.
        if let Some(fin) = peer_fin {
            let acknowledges = |segment: &Segment| segment.flags.contains(Flags::ACK) && segment.ack.after(fin);
            match self.at(Fin) {
                Some(at) if !self.shows(at, acknowledges) => edits.push(Edit::Remove(Fin)),
                None => {
                    if let Some(arrival) = self.last_arrival(is_fin)
                        && !self.shows(arrival, |segment| !acknowledges(segment) && !is_rst(segment))
                    {
                        edits.push(Edit::Insert(Fin));
                    }
                }
                Some(_) => {}
            }
            if let Some(came) = self.fin_kept()
                && self.at(Fin).is_none_or(|at| came < at)
                && !self.shows(came, |segment| !acknowledges(segment) && !is_rst(segment))
            {
                edits.push(Edit::Date(Fin, came));
            }
            // Its own FIN may have been sent before, unseen.
            let first_seen =
                self.own().filter(|passage| is_fin(&passage.segment)).find(|passage| !passage.seen.is_empty());
            if first_seen.is_some_and(|passage| acknowledges(&passage.segment)) {
                edits.push(Edit::Swap(SendFin, Fin));
            }
        }

        // The acknowledgment of its FIN.
        if let Some(fin) = own_fin {
            let acknowledges =
                |segment: &Segment| segment.flags.contains(Flags::ACK) && segment.ack.after(fin) && !is_rst(segment);
            if self.at(AckOfFin).is_none()
                && let Some(arrival) = self.last_arrival(acknowledges)
                && !self.shows(arrival, is_fin)
            {
                edits.push(Edit::Insert(AckOfFin));
            }
            // Earlier ones were lost behind the tap, as its repeated FIN shows, and it says nothing after the last.
            let repeated = self.first_seen(acknowledges).is_some_and(|seen| {
                self.own().any(|passage| is_fin(&passage.segment) && passage.seen.iter().any(|(_, at)| *at > seen))
            });
            if let Some(at) = self.at(AckOfFin)
                && repeated
                && !self.shows(at, |segment| !is_rst(segment))
            {
                edits.push(Edit::Remove(AckOfFin));
            }
            // Of several copies of the peer's FIN any may be the one that arrived, if nothing acknowledges it in between.
            let repeated =
                self.peers().filter(|passage| is_fin(&passage.segment)).flat_map(|passage| &passage.seen).count() > 1;
            let between = self.at(Fin).zip(self.at(AckOfFin)).filter(|(fin, ack)| fin < ack);
            if let Some((fin, ack)) = between
                && let Some(number) = peer_fin
                && repeated
            {
                let shown = self.own().any(|passage| {
                    (fin..=ack).contains(&passage.sent) && !passage.seen.is_empty() && passage.segment.ack.after(number)
                });
                if !shown {
                    edits.push(Edit::Swap(Fin, AckOfFin));
                }
            }
            // What brings both brings the acknowledgment first (RFC 9293, section 3.10.7.4, fifth and eighth).
            let brings_both = |segment: &Segment| is_fin(segment) && acknowledges(segment);
            if self.at(Fin).is_none() && self.at(AckOfFin).is_none() && self.first_seen(brings_both).is_some() {
                edits.push(Edit::Swap(Fin, AckOfFin));
            }
            if self.lost_first(acknowledges) || self.lost_first(is_fin) || self.life.reorders_to(self.side) {
                edits.push(Edit::Swap(AckOfFin, Fin));
                edits.push(Edit::Swap(Fin, AckOfFin));
            }
        }

        // Resets.
        let reset_seen = self.shows(never, is_rst)
            || self.peers().any(|passage| is_rst(&passage.segment) && !passage.seen.is_empty());
        match self.at(Reset) {
            Some(at) if !reset_seen || self.was_reset_inexactly(at) => edits.push(Edit::Remove(Reset)),
            None => {
                if let Some(arrival) = self.last_arrival(is_rst)
                    && !self.shows(arrival, |segment| !is_rst(segment))
                {
                    edits.push(Edit::Insert(Reset));
                }
            }
            Some(_) => {}
        }
        edits
    }

    /// The RST that arrived at that moment was inside the window, but not at the number that this side expected. smoltcp
    /// takes it; a stack that follows RFC 5961 answers with a challenge ACK.
    fn was_reset_inexactly(&self, at: Timestamp) -> bool {
        let reset = self.peers().find(|passage| is_rst(&passage.segment) && passage.delivered.contains(&at));
        let expected =
            self.own().filter(|passage| passage.sent <= at && passage.segment.flags.contains(Flags::ACK)).last();
        let expected = expected.map(|passage| passage.segment.ack);
        reset.is_some_and(|passage| expected.is_some_and(|expected| passage.segment.seq != expected))
    }

    /// When the peer's FIN had come, with all octets before it, to a socket that keeps what RFC 9293 has it keep. smoltcp drops
    /// whole what acknowledges less than was acknowledged before, where section 3.10.7.4, fifth, ignores the acknowledgment and
    /// goes on to the octets and the FIN; and it drops a FIN behind a hole, where the same section holds it until that is filled.
    fn fin_kept(&self) -> Option<Timestamp> {
        let fin = Self::fin(self.peers())?;
        let arrivals = self.peers().flat_map(|passage| passage.delivered.iter().map(move |at| (*at, &passage.segment)));
        let mut arrivals: Vec<(Timestamp, &Segment)> = arrivals.filter(|(_, segment)| !is_rst(segment)).collect();
        arrivals.sort_by_key(|(at, _)| *at);
        let start = arrivals.iter().find(|(_, segment)| is_syn(segment) || is_syn_ack(segment))?.1.seq;
        let has_room = |at: Timestamp, segment: &Segment| {
            let said = self.own().filter(|passage| passage.sent <= at && passage.segment.flags.contains(Flags::ACK));
            let edges = said.map(|passage| passage.segment.ack + u32::from(passage.segment.window));
            edges.reduce(Seq::later).is_some_and(|edge| edge.at_or_after(segment.seq + segment.payload_len))
        };
        let (mut next, mut kept) = (start + 1, Vec::new());
        for (at, segment) in arrivals {
            if has_room(at, segment) {
                kept.push(segment);
            }
            while let Some(found) =
                kept.iter().find(|kept| kept.seq.at_or_before(next) && kept.seq_end().after(next)).copied()
            {
                next = found.seq_end();
            }
            if next.after(fin) {
                return Some(at);
            }
        }
        None
    }

    /// The first of the peer's segments of a kind that the tap saw did not arrive.
    fn lost_first(&self, is: impl Fn(&Segment) -> bool) -> bool {
        let first = self.peers().filter(|passage| is(&passage.segment)).find(|passage| !passage.seen.is_empty());
        first.is_some_and(|passage| passage.delivered.is_empty())
    }
}

/// One thing that may have been otherwise.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Remove(Milestone),
    /// At the end, but before a reset.
    Insert(Milestone),
    /// The first comes right after the second instead of before it.
    Swap(Milestone, Milestone),
    /// Passed at that time.
    Date(Milestone, Timestamp),
}

impl Edit {
    fn apply(self, world: &mut Vec<Passed>) {
        let find = |world: &[Passed], wanted| world.iter().position(|(_, milestone)| *milestone == wanted);
        match self {
            Edit::Remove(milestone) => world.retain(|(_, passed)| *passed != milestone),
            Edit::Insert(milestone) => {
                let end = world.iter().position(|(_, milestone)| matches!(milestone, Reset | Over));
                let at = end.filter(|_| milestone != Reset).unwrap_or(world.len());
                world.insert(at, (Timestamp(i64::MAX), milestone));
            }
            Edit::Date(milestone, at) => {
                world.retain(|(_, passed)| *passed != milestone);
                let index = world.iter().position(|(passed, _)| *passed > at).unwrap_or(world.len());
                world.insert(index, (at, milestone));
            }
            Edit::Swap(first, second) => {
                if let (Some(from), Some(to)) = (find(world, first), find(world, second))
                    && from < to
                {
                    let moved = world.remove(from);
                    world.insert(to, moved);
                }
            }
        }
    }
}

fn is_syn(segment: &Segment) -> bool {
    segment.flags & (Flags::SYN | Flags::ACK | Flags::RST) == Flags::SYN
}

fn is_syn_ack(segment: &Segment) -> bool {
    segment.flags.contains(Flags::SYN | Flags::ACK)
}

fn is_fin(segment: &Segment) -> bool {
    segment.flags.contains(Flags::FIN)
}

fn is_rst(segment: &Segment) -> bool {
    segment.flags.contains(Flags::RST)
}
