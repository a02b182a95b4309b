//! Whether the tap could have told two lives apart. One end is made to live once more, from the same seed, but with
//! something otherwise that the tap did not see: what became of a packet behind it, or how the application left. If every frame
//! that the tap has of this end is sent again, at the same moment, and what else it sends can have been lost before the
//! tap, then the other end is sent the same, too, and the capture is that of either life: what the end went through then is a
//! true answer.

use std::collections::VecDeque;
use std::rc::Rc;

use lastack::base::{Side, Timestamp};
use lastack::segment::{Flags, Segment};

use super::host::{Call, Host};
use super::life::{EVENTS_MAX, Life, Passage, decode};

/// So many of the newest packets may have fared otherwise together with another one.
const PAIRED: usize = 10;
const MICROSECOND: i64 = 1000;

/// What became of one of the peer's packets, by its number among the passages of the life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was lost behind the tap, or is on its way yet.
    Lost(usize),
    /// It arrived then, and not when it did or never.
    Came(usize, Timestamp),
}

impl Change {
    fn passage(self) -> usize {
        match self {
            Change::Lost(index) | Change::Came(index, _) => index,
        }
    }
}

/// What may have been otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Otherwise {
    /// The application closed for good where it aborted, and left nobody to read: the FIN was lost as the RST was, or had
    /// to wait, and data is answered with a reset (RFC 1122, section 4.2.2.13).
    pub left: bool,
    /// It did so then.
    pub left_at: Option<Timestamp>,
    /// Its FIN-WAIT-2 ran out then, as it does on other stacks.
    pub forgot: Option<Timestamp>,
    /// That call was made then, and what it sent was longer on its way to the tap.
    pub sooner: Option<(usize, Timestamp)>,
    /// The capture is that of a filter for segments that open, close or reset: the others that were sent from then on passed
    /// the tap all the same.
    pub filtered_from: Option<Timestamp>,
    /// The application made no more calls than these.
    pub calls: Option<usize>,
    /// The wire to the tap is longer by so much. It lived sooner, by that and by its clock, which nobody else has, so that all
    /// it sends passes the tap when it did; and by its clock what comes from there comes later, by twice as much.
    pub longer_ns: i64,
    /// What became of packets that the tap saw.
    pub changes: Vec<Change>,
}

impl Otherwise {
    /// Everything that may have been otherwise for `side`, the least first.
    pub fn all(life: &Life, side: Side) -> impl Iterator<Item = Otherwise> {
        let singles = changes(life, side, 0);
        let resets: Vec<Change> = singles.iter().copied().filter(|change| is_lost_reset(life, *change)).collect();
        let newest = newest(life, side);
        let paired: Vec<Change> = singles.iter().copied().filter(|change| newest.contains(&change.passage())).collect();
        let pairs: Vec<Vec<Change>> = paired
            .iter()
            .enumerate()
            .flat_map(|(index, one)| paired[index + 1..].iter().map(|other| vec![*one, *other]))
            .filter(|pair| pair[0].passage() != pair[1].passage())
            .collect();
        let leaves = life.origins[side].plan.calls.iter().any(|(_, call)| *call == Call::Abort);
        let single = move |change: &Change| vec![*change];
        let alone: Vec<Vec<Change>> = singles.iter().map(single).chain([resets]).collect();
        let left = std::iter::once(Vec::new()).chain(alone.clone()).filter(move |_| leaves);
        let left = left.map(|changes| Otherwise { left: true, changes, ..Otherwise::default() });
        // A reset of its own that the tap saw shows that the socket was gone.
        let own = life.passages.iter().filter(|passage| passage.from == side && !passage.seen.is_empty());
        let reset = own.filter(|passage| is_reset(&passage.segment)).map(|passage| passage.sent).min();
        let forgot: Vec<Vec<Change>> = std::iter::once(Vec::new()).chain(alone.clone()).collect();
        let gone = reset.map(|reset| reset.plus(-MICROSECOND));
        let forgot = forgot.into_iter().filter(move |_| gone.is_some()).flat_map(move |changes| {
            let left_at = Otherwise { left_at: gone, changes: changes.clone(), ..Otherwise::default() };
            [left_at, Otherwise { forgot: gone, changes, ..Otherwise::default() }]
        });
        let sooner = sooner(life, side).map(|sooner| {
            let with = |changes| Otherwise { sooner: Some(sooner), changes, ..Otherwise::default() };
            alone.clone().into_iter().map(with).collect::<Vec<_>>()
        });
        let longer_ns = life.longer_conceivable(side);
        let longer = if longer_ns > 0 { changes(life, side, longer_ns) } else { Vec::new() };
        let longer = longer.into_iter().map(move |change| Otherwise {
            longer_ns,
            changes: vec![change],
            ..Otherwise::default()
        });
        let stayed = alone.into_iter().chain(pairs).map(|changes| Otherwise { changes, ..Otherwise::default() });
        left.chain(filtered(life, side)).chain(stayed).chain(forgot).chain(sooner.into_iter().flatten()).chain(longer)
    }

    /// Whether a packet that `side` sent then may have escaped the tap.
    fn may_be_unseen(&self, life: &Life, side: Side, sent: Timestamp, segment: &Segment) -> bool {
        let is_on_its_way = sent.plus(life.slowest_conceivable(side)) > life.end;
        // What passes unseen must not reach the peer in time, or that would have done otherwise.
        let of_peer = life.passages.iter().filter(|passage| passage.from != side && !passage.seen.is_empty());
        let is_too_late = of_peer.map(|passage| passage.sent).max() < Some(sent.plus(life.slowest_conceivable(!side)));
        let is_filtered = self.filtered_from.is_some() && !is_control(segment) && (life.may_lose(!side) || is_too_late);
        life.may_lose(side) || is_on_its_way || is_filtered
    }

    /// Lets the peer's packets fare otherwise.
    fn change(&self, life: &Life, side: Side, passages: &mut [Passage]) {
        let of_peer = life.passages.iter().enumerate().filter(|(_, passage)| passage.from != side);
        let numbers: Vec<usize> = of_peer.map(|(number, _)| number).collect();
        for (passage, number) in passages.iter_mut().zip(numbers) {
            match self.changes.iter().find(|change| change.passage() == number) {
                Some(Change::Lost(_)) => passage.delivered.clear(),
                Some(Change::Came(_, at)) => passage.delivered = vec![*at],
                None => passage.delivered.iter_mut().for_each(|at| *at = at.plus(2 * self.longer_ns)),
            }
            let is_filtered = self.filtered_from.is_some_and(|from| passage.sent >= from);
            if is_filtered && passage.seen.is_empty() && !is_control(&passage.segment) {
                passage.delivered.push(passage.sent.plus(life.wire.way_ns()));
            }
        }
    }
}

/// What may have become of each of the peer's packets that passed the tap, on a wire that is longer by so much.
fn changes(life: &Life, side: Side, longer_ns: i64) -> Vec<Change> {
    let mut changes = Vec::new();
    for (index, passage) in of_peer(life, side).rev() {
        let (later_ns, end) = (2 * longer_ns, life.end.plus(longer_ns));
        let span = life.soonest_to(side) + later_ns..=life.slowest_conceivable(side) + later_ns;
        let arrivals = passage.seen.iter().map(|(_, at)| (at.plus(*span.start()), at.plus(*span.end())));
        let is_on_its_way = arrivals.clone().all(|(_, latest)| latest > end);
        if !passage.delivered.is_empty() && (life.may_lose(side) || is_on_its_way) {
            changes.push(Change::Lost(index));
        }
        for (soonest, latest) in arrivals {
            // It matters what it comes before and after: what was sent, called for, or came itself.
            let own = life.passages.iter().filter(|own| own.from == side).map(|own| own.sent);
            let calls = life.origins[side].plan.calls.iter().map(|(at, _)| *at);
            let others = of_peer(life, side).flat_map(|(_, other)| &other.delivered).map(|at| at.plus(later_ns));
            let between =
                own.chain(calls).chain(others).flat_map(|at| [at.plus(-MICROSECOND), at, at.plus(MICROSECOND)]);
            let moments = between.filter(|at| (soonest..=latest).contains(at)).chain([soonest, latest]);
            let mut moments: Vec<Timestamp> = moments.filter(|at| *at <= end).collect();
            moments.sort_unstable();
            moments.dedup();
            let is_otherwise = |at: &Timestamp| passage.delivered != [*at];
            changes.extend(moments.into_iter().filter(is_otherwise).map(|at| Change::Came(index, at)));
        }
    }
    changes
}

/// The lives of which a filter for segments that open, close or reset would have left these frames: what of the peer's it left
/// out came from any of them on, and the application of `side` made only the calls that it was let.
fn filtered(life: &Life, side: Side) -> impl Iterator<Item = Otherwise> {
    let left_out =
        |passage: &&Passage| passage.from != side && passage.seen.is_empty() && !is_control(&passage.segment);
    let is_conceivable = life.segments.iter().all(is_control);
    let from: Vec<Timestamp> = life.passages.iter().filter(left_out).map(|passage| passage.sent).collect();
    let calls = life.origins[side].plan.calls.partition_point(|(at, _)| *at <= life.end);
    let from = from.into_iter().chain([life.end]).filter(move |_| is_conceivable);
    from.flat_map(move |from| {
        (0..=calls).rev().map(move |calls| Otherwise {
            filtered_from: Some(from),
            calls: Some(calls),
            ..Otherwise::default()
        })
    })
}

/// The last call of `side` as early as what follows from it may have been sent.
fn sooner(life: &Life, side: Side) -> Option<(usize, Timestamp)> {
    let calls = &life.origins[side].plan.calls;
    let last = calls.partition_point(|(at, _)| *at <= life.end).checked_sub(1)?;
    let (at, _) = calls[last];
    let moved = at.plus(life.soonest_to(side) - life.slowest_conceivable(side));
    let before = last.checked_sub(1).map_or(Timestamp(0), |before| calls[before].0);
    Some((last, moved.max(before))).filter(|(_, moved)| *moved < at)
}

fn is_lost_reset(life: &Life, change: Change) -> bool {
    matches!(change, Change::Lost(index) if is_reset(&life.passages[index].segment))
}

fn is_reset(segment: &Segment) -> bool {
    segment.flags.contains(Flags::RST)
}

/// The peer's packets that passed the tap, with their numbers.
fn of_peer(life: &Life, side: Side) -> impl DoubleEndedIterator<Item = (usize, &Passage)> {
    let passed = move |(_, passage): &(usize, &Passage)| passage.from != side && !passage.seen.is_empty();
    life.passages.iter().enumerate().filter(passed)
}

fn newest(life: &Life, side: Side) -> Vec<usize> {
    let mut all: Vec<usize> = of_peer(life, side).map(|(index, _)| index).collect();
    all.split_off(all.len().saturating_sub(PAIRED))
}

/// The life had it been `otherwise` for `side`; none if the tap would have seen that.
pub fn live_otherwise(life: &Life, side: Side, otherwise: &Otherwise) -> Option<Life> {
    let mut origin = life.origins[side].clone();
    if otherwise.left {
        let aborts = origin.plan.calls.iter_mut().filter(|(_, call)| *call == Call::Abort);
        aborts.for_each(|(_, call)| *call = Call::Leave);
    }
    if let Some((call, at)) = otherwise.sooner {
        origin.plan.calls[call].0 = at;
    }
    if let Some(calls) = otherwise.calls {
        origin.plan.calls.truncate(calls);
    }
    let inserted = [(otherwise.forgot, Call::Forget), (otherwise.left_at, Call::Leave)];
    for (at, call) in inserted.into_iter().filter_map(|(at, call)| Some((at?, call))) {
        let index = origin.plan.calls.partition_point(|(time, _)| *time <= at);
        origin.plan.calls.insert(index, (at, call));
    }
    let mut passages: Vec<Passage> = life.passages.iter().filter(|passage| passage.from != side).cloned().collect();
    otherwise.change(life, side, &mut passages);
    let end = life.end.plus(otherwise.longer_ns);
    let mut deliveries = deliveries(&passages, end);
    let mut host = Host::new(origin);
    let mut seen: VecDeque<&Passage> =
        life.passages.iter().filter(|passage| passage.from == side && !passage.seen.is_empty()).collect();
    let mut now = Timestamp(0);
    for _ in 0..EVENTS_MAX {
        let due = host.next_event(now).filter(|&at| at <= end);
        let packets = match deliveries.front() {
            Some(&(at, _)) if due.is_none_or(|due| at <= due) => {
                now = at;
                let (_, packet) = deliveries.pop_front()?;
                host.receive(now, packet.to_vec())
            }
            _ => match due {
                Some(at) => {
                    now = at;
                    host.run(at)
                }
                None => break,
            },
        };
        // What has not been sent by now passes the tap too late.
        let is_missing = |passage: &&Passage| passage.seen.iter().any(|(_, at)| at.plus(-life.soonest_to(side)) < now);
        if seen.iter().any(is_missing) {
            return None;
        }
        for packet in packets {
            let segment = decode(&packet);
            let span = now.plus(life.soonest_to(side))..=now.plus(life.slowest_conceivable(side));
            let is_seen =
                |passage: &&Passage| passage.segment == segment && passage.seen.iter().all(|(_, at)| span.contains(at));
            if let Some(again) = seen.iter().position(is_seen) {
                let passage = seen.remove(again).cloned();
                passages.extend(passage.map(|passage| Passage { sent: now, ..passage }));
            } else if otherwise.may_be_unseen(life, side, now, &segment) {
                let (seen, delivered) = (Vec::new(), Vec::new());
                passages.push(Passage { from: side, sent: now, packet: packet.into(), segment, seen, delivered });
            } else {
                return None;
            }
        }
    }
    if !seen.is_empty() {
        return None;
    }
    passages.sort_by_key(|passage| passage.sent);
    let mut steps = life.steps.clone();
    steps[side] = host.steps;
    let closed_in_secret = host.closed_in_secret || host.fin_due;
    Some(Life {
        segments: life.segments.clone(),
        steps,
        passages,
        closed_in_secret,
        wire: life.wire,
        origins: life.origins.clone(),
        end: life.end,
    })
}

/// What comes of these passages until `end`, in order; of one moment, in that of the tap.
fn deliveries(passages: &[Passage], end: Timestamp) -> VecDeque<(Timestamp, Rc<[u8]>)> {
    let mut deliveries = Vec::new();
    for passage in passages {
        let first = passage.seen.iter().map(|(frame, _)| *frame).min();
        // Each copy has a frame of its own, unless one of them was lost.
        let is_whole = passage.seen.len() == passage.delivered.len();
        let copies = passage.delivered.iter().enumerate().filter(|(_, at)| **at <= end);
        deliveries.extend(copies.map(|(copy, at)| {
            let frame = if is_whole { passage.seen.get(copy).map(|(frame, _)| *frame) } else { first };
            (*at, frame, Rc::clone(&passage.packet))
        }));
    }
    deliveries.sort_by_key(|(at, frame, _)| (*at, *frame));
    deliveries.into_iter().map(|(at, _, packet)| (at, packet)).collect()
}

/// It opens, closes or resets.
fn is_control(segment: &Segment) -> bool {
    segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
}
