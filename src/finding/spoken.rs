//! What the ends said last, and whether it met anybody.

use super::application::still_reads;
use super::case::Case;
use super::verdict::{Cause, EndedBy, Heard, Origin, Payload, Unread};
use crate::base::Side;
use crate::connection::{Class, Noted, ResetEffect, ResetSeen, State, StateStep};

/// What became of `data`, payload of `side`.
pub(super) fn payload(case: &Case<'_>, side: Side, data: Noted) -> Payload {
    let (half, peer) = (&case.connection.halves[side], &case.connection.halves[!side]);
    let end = data.seq + data.len;
    // What something on the way made acknowledges nothing.
    let is_own = |seen: &ResetSeen| effect_of(case, seen.noted.frame).is_none_or(|effect| effect.between.is_none());
    let by_reset = case.connection.resets.iter().any(|reset| reset.acknowledges(side, end) && is_own(reset));
    let is_acked = half.acked.is_some_and(|acked| acked.at_or_after(end));
    // A socket that was closed acknowledges what it throws away.
    let is_refused = case.resets.iter().any(|reset| reset.from != side && reset.cause == Cause::DataAfterClose);
    Payload {
        frame: data.frame,
        time: data.time,
        octets: data.len,
        is_acknowledged: is_acked || by_reset,
        is_refused: by_reset && !is_acked && is_refused,
        is_repeated: data.class.contains(Class::RETRANSMISSION),
        is_older: half.last_new_payload().is_some_and(|new| end.at_or_before(new.seq)),
        is_followed: half.lacks_last_payload(),
        heard: match peer.last_new_payload() {
            None => Heard::All,
            Some(_) if !data.acknowledges() => Heard::Less,
            Some(asked) => Heard::of(data.ack, asked.seq, asked.len, peer.payload_bytes),
        },
    }
}

/// Whether the last payload of `side` came when its peer was there no more.
pub(super) fn unread(case: &Case<'_>, side: Side) -> Option<Unread> {
    let half = &case.connection.halves[side];
    let data = half.last_payload()?;
    let said = payload(case, side, data);
    if said.is_acknowledged && !said.is_refused {
        return None;
    }
    let closed = close_before(case, !side, data.frame).map(|fin| {
        let before = half.last_new_payload_before(&fin);
        (fin.frame, EndedBy::Itself, before)
    });
    let ends = [closed, reset_before(case, !side, data.frame)];
    let (end, ended_by, before) = ends.into_iter().flatten().min_by_key(|&(frame, ..)| frame)?;
    Some(Unread { end, ended_by, before: before.map(|before| payload(case, side, before)) })
}

/// The FIN with which `side` had closed before `frame`: it refused what came then, and acknowledged nothing of it.
fn close_before(case: &Case<'_>, side: Side, frame: u64) -> Option<Noted> {
    let fin =
        case.life.closing.fins[side].filter(|fin| fin.frame < frame && case.connection.missed_fins[side].is_none())?;
    let refuses = case.resets.iter().any(|reset| reset.from == side && reset.origin != Origin::Middlebox);
    (refuses && !still_reads(case, side)).then_some(fin)
}

/// The reset that had ended `side` before `frame`, whose it was, and what it had been told last.
fn reset_before(case: &Case<'_>, side: Side, frame: u64) -> Option<(u64, EndedBy, Option<Noted>)> {
    let is_end = |step: &&StateStep| step.state == State::Closed;
    let end = case.life.states[side].iter().find(is_end)?.frame.filter(|&end| end < frame)?;
    let seen = case.connection.resets.iter().find(|seen| seen.noted.frame == end)?;
    let is_forged = effect_of(case, end).is_some_and(|effect| effect.between.is_some())
        || case.resets.iter().any(|reset| reset.frame == end && reset.origin == Origin::Middlebox);
    let ended_by = match seen.noted.side {
        own if own == side => EndedBy::Itself,
        _ if is_forged => EndedBy::Forger,
        _ => EndedBy::Peer,
    };
    Some((end, ended_by, seen.before[!side].last_new_payload()))
}

/// What the reset in `frame` did.
fn effect_of<'a>(case: &'a Case<'_>, frame: u64) -> Option<&'a ResetEffect> {
    case.life.resets.iter().find(|effect| case.life.notes[effect.note].frame == frame)
}
