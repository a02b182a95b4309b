//! `outage-repaired`: silence, retransmissions, then life.

use std::fmt::{self, Display};

use crate::base::Side;
use crate::connection::{Class, Noted, ResetEffect};
use crate::finding::phrase::{duration, times};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::handshake::accept_queue_overflow::{first_payload, ignored_data};
use crate::finding::verdict::Confidence;
use crate::segment::Flags;

finding! {
    /// # What it is
    ///
    /// One side repeated itself for a while without an answer, and then the connection went on.
    ///
    /// # Why it matters
    ///
    /// The application saw a stall of that length and no error.
    ///
    /// # How it is recognised
    ///
    /// Several retransmissions of one segment with growing pauses, or two within ten seconds or more, then an acknowledgment of it.
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > data 10
    ///        client > data 100
    /// +200ms client > again
    /// +400ms client > again
    /// +800ms client > again
    ///        server > ACK
    /// ```
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > data 100
    /// +63s   client > again
    /// +64s   client > again
    ///        server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `dead-peer`, where nothing came back; and what came back too late, which met no socket any more
    /// (`reset-no-connection`). A single retransmission is ordinary loss.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > data 10
    ///        client > data 100
    /// +200ms client > again
    ///        server > ACK
    /// ```
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        server > data 10
    ///        client > data 100
    /// +200ms client > again
    /// +400ms client > again
    /// +800ms client > again
    /// +5     server > ACK
    ///        client > RST
    /// ```
    ///
    /// # What to do
    ///
    /// Look at the network at that moment: a link that flapped, a route that changed, a virtual machine that migrated.
    /// Applications that must not stall that long need a timeout of their own and a second connection; TCP_USER_TIMEOUT
    /// only turns the stall into an error. After the path is back, the wait for the next try can be as long as the
    /// outage was, since the timer doubles (Linux caps it at 120 s).
    "outage-repaired", Transfer, Note, [REPETITION], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        let not_accepted = side == Side::Client && ignored_data(case) >= REPETITIONS_MIN;
        let ignored = first_payload(case).filter(|_| not_accepted).map(|first| first.seq);
        if half.retransmissions < LONG_REPETITIONS_MIN || case.life.closing.unanswered.is_some() {
            continue;
        }
        let repeated: Vec<_> = case
            .notes(|note| {
                note.side == side
                    && note.len > 0
                    && Some(note.seq) != ignored
                    && note.class.intersects(Class::RETRANSMISSION | Class::FILLS_GAP)
                    // That an answer was lost behind the tap is no silence here.
                    && !note.class.contains(Class::BELOW_ACK)
            })
            .collect();
        // What is heard in between ends a silence.
        let is_silent = |a: &Noted, b: &Noted| {
            case.notes(|note| note.side != side && note.frame > a.frame && note.frame < b.frame).next().is_none()
        };
        let outages = runs(&repeated, is_silent).filter_map(|run| Some((run, answer(case, side, run)?)));
        let Some((run, answer)) = outages.max_by_key(|(run, _)| run.len()) else { continue };
        let (first, last) = (run[0], run[run.len() - 1]);
        // What made room in the journal may have come between: what answers now, answered later.
        let is_whole = case.connection.journal.is_whole_between(first.frame, answer.frame);
        let lasted = fmt::from_fn(|f| match is_whole {
            true => duration(answer.time.since(first.time)).fmt(f),
            false => write!(f, "at least {}", duration(last.time.since(first.time))),
        });
        // What was repeated in vain passed in smaller pieces.
        let largest = run.iter().map(|note| note.len).max().unwrap_or(last.len);
        let in_vain = run.iter().filter(|note| note.len == largest).count();
        let is_too_large = last.len < largest;
        let name = case.name(side);
        let message = fmt::from_fn(|f| match is_too_large {
            true => write!(
                f,
                "{name} repeated {largest} octets {} without an answer; after {lasted} a piece of {} octets was answered: larger segments may be lost on the way (path MTU)",
                times(in_vain as u64),
                last.len
            ),
            false => write!(
                f,
                "{name} repeated {} octets {} without an answer for {lasted}, then the connection went on",
                last.len,
                times(run.len() as u64)
            ),
        });
        let message = format_args!("{message}");
        let ends = is_whole.then_some(answer.frame);
        let frames: Vec<u64> = run.iter().map(|note| note.frame).chain(ends).collect();
        let confidence = if is_whole { Confidence::High } else { Confidence::Medium };
        let draft = ENTRY.draft(confidence, first.time, frames, message).endpoint(side);
        if is_too_large { draft.kind("path-mtu") } else { draft }.push(found);
    }
}

/// What answered `run`, copies of a segment of `side`, if that took as long as an outage.
fn answer<'a>(case: &'a Case<'_>, side: Side, run: &[&'a Noted]) -> Option<&'a Noted> {
    let (first, last) = (*run.first()?, *run.last()?);
    let ends = move |note: &Noted| {
        note.side != side && note.acknowledges() && note.frame > last.frame && note.ack.at_or_after(last.end())
    };
    let answer = case.notes(ends).next()?;
    if meets_nobody(case, side, answer) {
        return None;
    }
    let is_row = run.len() as u32 >= REPETITIONS_MIN || answer.time.since(first.time) >= LONG_NS;
    (is_row && last.time.since(first.time) >= TIMERS_NS_MIN).then_some(answer)
}

/// `side` had no socket any more when `answer` came: a reset is all that it says to that.
fn meets_nobody(case: &Case<'_>, side: Side, answer: &Noted) -> bool {
    let refuses = |effect: &ResetEffect| {
        let reset = &case.life.notes[effect.note];
        let is_own = effect.sender == side && !effect.contradicted && effect.between.is_none();
        is_own && reset.frame > answer.frame && reset.seq == answer.ack && !reset.flags.contains(Flags::ACK)
    };
    let Some(effect) = case.life.resets.iter().find(|effect| refuses(effect)) else { return false };
    let reset = case.life.notes[effect.note].frame;
    let seen = case.connection.resets.iter().find(|seen| seen.noted.frame == reset);
    let said = seen.and_then(|seen| seen.before[side].last);
    said.is_some_and(|said| said.frame < answer.frame)
}

/// The runs of copies of one segment, of which each follows the one before in silence.
fn runs<'a, 'b>(
    repeated: &'b [&'a Noted],
    is_silent: impl Fn(&Noted, &Noted) -> bool + 'b,
) -> impl Iterator<Item = &'b [&'a Noted]> {
    let goes_on =
        move |a: &&Noted, b: &&Noted| a.seq == b.seq && a.class.contains(Class::RETRANSMISSION) && is_silent(a, b);
    repeated.chunk_by(goes_on).filter(|run| run.len() as u32 >= LONG_REPETITIONS_MIN)
}

/// The timer that repeats is at least this long on any stack that is in use (Linux: TCP_RTO_MIN, 200 ms; RFC 6298 asks for
/// 1 s), ns: copies that come faster were sent for another reason, or the capture's times are made up.
const TIMERS_NS_MIN: i64 = 200_000_000;

/// Fewer copies than this are ordinary loss,
const REPETITIONS_MIN: u32 = 3;
/// but for timers that had grown long before, of which these copies
const LONG_REPETITIONS_MIN: u32 = 2;
/// take as long to the answer, ns.
const LONG_NS: i64 = 10_000_000_000;
