//! Whether the tap could have told two lives apart. One end is made to live once more, from the same seed and by the same
//! deliveries, but for one thing that the tap did not see. If every frame that the tap has of it is sent again, at the
//! same moment, the capture is that of either life: what the end went through then is a true answer, too.

use std::collections::VecDeque;

use lastack::base::{Side, Timestamp};
use lastack::connection::State;
use lastack::segment::Flags;

use super::host::{Call, Host};
use super::life::{EVENTS_MAX, Life, Passage, decode};

/// What may have been otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The application closed for good where it aborted, and left nobody to read: the FIN was lost as the RST was, or had
    /// to wait, and data is answered with a reset (RFC 1122, section 4.2.2.13).
    Left,
    /// What the tap never saw of the peer came all the same, and what answered it was not seen either.
    MissedCame,
    /// The peer's resets were lost behind the tap.
    ResetLost,
}

impl Otherwise {
    pub const ALL: [Self; 3] = [Self::Left, Self::MissedCame, Self::ResetLost];
}

/// The states of `side` had it been `otherwise`; none if the tap would have seen that.
pub fn states_if(life: &Life, side: Side, otherwise: Otherwise) -> Option<Vec<(Timestamp, State)>> {
    let mut origin = life.origins[side].clone();
    let mut deliveries: VecDeque<(Timestamp, Vec<u8>)> = delivered(life, side, otherwise);
    if otherwise == Otherwise::Left {
        let aborts = origin.plan.calls.iter_mut().filter(|(_, call)| *call == Call::Abort);
        aborts.for_each(|(_, call)| *call = Call::Leave);
    }
    let mut host = Host::new(origin);
    let mut sent = Vec::new();
    let mut now = Timestamp(0);
    for _ in 0..EVENTS_MAX {
        let due = host.next_event(now).filter(|&at| at <= life.end);
        let packets = match deliveries.front() {
            Some(&(at, _)) if due.is_none_or(|due| at <= due) => {
                now = at;
                let (_, packet) = deliveries.pop_front()?;
                host.receive(now, packet)
            }
            _ => match due {
                Some(at) => {
                    now = at;
                    host.run(at)
                }
                None => break,
            },
        };
        sent.extend(packets.into_iter().map(|packet| (now, decode(&packet))));
    }
    let seen = life.passages.iter().filter(|passage| passage.from == side && !passage.seen.is_empty());
    for passage in seen {
        let again = sent.iter().position(|(at, segment)| *at == passage.sent && *segment == passage.segment)?;
        sent.swap_remove(again);
    }
    // What is left was lost before the tap, as on this wire some is, or is still on its way there.
    let is_on_its_way = |at: Timestamp| at.plus(life.slowest_to(side)) > life.end;
    (life.wire.loses() || sent.iter().all(|(at, _)| is_on_its_way(*at))).then_some(host.steps)
}

/// What comes to `side`, in order.
fn delivered(life: &Life, side: Side, otherwise: Otherwise) -> VecDeque<(Timestamp, Vec<u8>)> {
    let mut deliveries = Vec::new();
    let is_lost = |passage: &Passage| otherwise == Otherwise::ResetLost && passage.segment.flags.contains(Flags::RST);
    for passage in life.passages.iter().filter(|passage| passage.from != side && !is_lost(passage)) {
        let mut moments = passage.delivered.clone();
        if otherwise == Otherwise::MissedCame && passage.seen.is_empty() {
            moments.push(passage.sent.plus(life.wire.way_ns()));
        }
        let moments = moments.into_iter().filter(|&at| at <= life.end);
        deliveries.extend(moments.map(|at| (at, passage.packet.to_vec())));
    }
    if otherwise == Otherwise::Left
        && let Some((at, packet)) = refused(life, side)
    {
        deliveries.push((at, packet));
    }
    deliveries.sort_by_key(|(at, _)| *at);
    deliveries.into()
}

/// Payload that passed the tap before the first reset of `side` that it saw, and that the road may have brought between the
/// end of the application and that reset, instead of later or never; with the time.
fn refused(life: &Life, side: Side) -> Option<(Timestamp, Vec<u8>)> {
    let left = life.origins[side].plan.calls.iter().find(|(_, call)| *call == Call::Abort)?.0;
    let resets = |passage: &&Passage| passage.segment.flags.contains(Flags::RST) && !passage.seen.is_empty();
    let reset = life.passages.iter().filter(|passage| passage.from == side).find(resets)?.sent;
    let came = |passage: &Passage| {
        let soonest = passage.seen.first()?.1.plus(life.soonest_to(side));
        let slowest = passage.seen.last()?.1.plus(life.slowest_to(side));
        let at = soonest.max(left);
        let came_later = passage.delivered.iter().all(|delivered| *delivered >= left);
        let is_data = passage.from != side && passage.segment.payload_len > 0;
        (is_data && came_later && at <= reset.min(slowest)).then(|| (at, passage.packet.to_vec()))
    };
    life.passages.iter().find_map(came)
}
