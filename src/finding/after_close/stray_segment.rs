//! `stray-segment`: a segment for a connection that is over.

use std::fmt;

use crate::base::{Seq, Side};
use crate::connection::{Class, Noted, State};
use crate::finding::phrase::{count, duration};
use crate::segment::Flags;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A segment arrived for a connection that both ends had finished, or one had reset. `kind`: `late-retransmission`
    /// (sent again by a stack that had not heard of the end), `old-duplicate` (delayed or replayed on the way),
    /// `write-after-close` (new payload), `unknown`.
    ///
    /// # Why it matters
    ///
    /// Mostly harmless. The answer matters: a reset to it can end a TIME-WAIT early, and an old duplicate that meets a
    /// new incarnation on the same ports can corrupt it.
    ///
    /// # How it is recognised
    ///
    /// Sequence space below what was already acknowledged, after the close was complete; its age against 2 MSL, and the
    /// answer that it got.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK
    ///    client > FIN ACK
    ///    server > FIN ACK
    ///    client > ACK
    /// +1 client > data 1:101
    ///    server > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A repeated FIN answered in TIME-WAIT, which is `final-ack-lost`. What was already on its way when a reset crossed
    /// it.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > FIN ACK
    ///        server > FIN ACK
    ///        client > ACK
    /// +200ms server > FIN ACK
    ///        client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing for single cases. `late-retransmission` and `old-duplicate` in number come from the network: look for a
    /// device that replays or duplicates (a mirror that feeds back, a bonding loop). `write-after-close` in number is
    /// an application that writes to connections which ended: see `close-wait-stuck` and `reset-data-after-close`.
    "stray-segment", AfterClose, Note, [AFTER_END, RESET, PREDECESSOR], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    if of_earlier_incarnation(case, found) {
        return;
    }
    let Some(over) = case.life.over_since() else { return };
    for note in case.notes(|note| note.time > over.time && note.frame > over.frame) {
        let half = &case.connection.halves[note.side];
        let crossing = case.life.arrivals.crossing_ns(note.side);
        let age = note.time.since(over.time);
        let repeats_fin = note.is_fin() && half.fin.is_some_and(|fin| note.end() == fin + 1);
        if note.is_rst() || note.is_syn() || note.is_syn_ack() || repeats_fin || age <= crossing {
            continue;
        }
        let old = note.len > 0 && half.acked.is_some_and(|acked| note.end().at_or_before(acked));
        let wild = note.class.contains(Class::WILD);
        if case.life.closing.reset.is_some() && !old && !wild {
            // Nobody writes to a socket that a reset has closed: the reset had not arrived, or a queue held this back.
            continue;
        }
        if note.len == 0 && !wild {
            // A bare ACK answers what still arrives: a repeated FIN, or the stray itself.
            continue;
        }
        let kind = match (old, wild) {
            (_, true) | (true, _) if is_replay(case, note) => "old-duplicate",
            (true, _) => "late-retransmission",
            (false, true) => "unknown",
            (false, false) => "write-after-close",
        };
        let answer = case.notes(|answer| answer.side != note.side && answer.frame > note.frame).next();
        let answered = match answer {
            Some(answer) if answer.is_rst() => format!("; a reset answered it (frame {})", answer.frame),
            Some(answer) => format!("; an ACK answered it (frame {})", answer.frame),
            None => "; nothing answered it".to_owned(),
        };
        let two_msl = case.life.profiles[!note.side].time_wait_ns;
        let noun = if old { "old octet" } else { "octet" };
        let name = case.name(note.side);
        let what = if note.len > 0 { count(u64::from(note.len), noun).to_string() } else { "a segment".to_owned() };
        let happened = match kind {
            "old-duplicate" => format!("{what} of {name} came again"),
            _ => format!("{name} sent {what}"),
        };
        let message = format_args!(
            "{happened} {} after the connection was over ({} 2 MSL){answered}",
            duration(age),
            if age < two_msl { "within" } else { "beyond" }
        );
        let frames = [Some(note.frame), answer.map(|answer| answer.frame)].into_iter().flatten();
        ENTRY.draft(Confidence::Medium, note.time, frames, message).endpoint(note.side).kind(kind).push(found);
        return;
    }
    shown_by_its_answer(case, found);
}

/// A segment with the numbers of the connection before on the same addresses and ports, in the middle of this one.
fn of_earlier_incarnation(case: &Case<'_>, found: &mut Found) -> bool {
    let Some(past) = &case.connection.predecessor else { return false };
    let belongs = |note: &Noted| {
        let half = past.half(case.connection.endpoint(note.side));
        let within = half
            .isn
            .zip(half.nxt)
            .is_some_and(|(isn, nxt)| note.seq.after(isn) && note.end().at_or_before(nxt) && note.seq.before(nxt));
        within && note.len > 0 && note.class.contains(Class::WILD) && !note.is_rst()
    };
    let Some(note) = case.notes(belongs).next() else { return false };
    let message = format_args!(
        "{} octets of stream {} came from {} inside this connection, {} after that one ended; their numbers lie outside the window",
        note.len,
        past.stream,
        case.name(note.side),
        duration(note.time.since(past.end))
    );
    ENTRY
        .draft(Confidence::Medium, note.time, [note.frame], message)
        .endpoint(note.side)
        .kind("old-duplicate")
        .push(found);
    true
}

/// A reply reset after both ends had closed answers a stray that the tap did not see.
fn shown_by_its_answer(case: &Case<'_>, found: &mut Found) {
    let answers = case.life.resets.iter().filter(|effect| {
        let over = |side| matches!(effect.state_of(side), State::Closed | State::TimeWait);
        over(Side::Client) && over(Side::Server)
    });
    let closed = case.life.closing.fins.client.is_some() && case.life.closing.fins.server.is_some();
    // After both FINs it is TIME-WAIT's ACK that is answered, and the stray before that the tap does not show.
    let is_reset = case.life.closing.reset.is_some();
    let shows_trigger = |reset: &Noted| is_reset && answered(case, reset, FLIGHT_NS_MAX).is_some();
    let answer = answers
        .map(|effect| &case.life.notes[effect.note])
        .find(|note| !note.flags.contains(Flags::ACK) && !shows_trigger(note));
    let (Some(answer), true, Some(over)) = (answer, closed, case.life.over_since()) else { return };
    let (name, peer) = (case.name(answer.side), case.name(!answer.side));
    let since = duration(answer.time.since(over.time));
    // The last ACK of the close itself met nobody, once or as a copy: nothing strayed.
    let reply = answered(case, answer, FLIGHT_NS_MAX).filter(|reply| !is_reset && reply.frame >= over.frame);
    if reply.is_some_and(|reply| reply.time.since(over.time) < COPIED_NS_MAX || was_late(case, reply)) {
        return;
    }
    let reply = reply.map(|reply| reply.frame);
    let message = fmt::from_fn(|f| match reply {
        Some(reply) => write!(
            f,
            "{peer} acknowledged once more (frame {reply}), as TIME-WAIT answers a segment, which this tap does not show, {since} after the connection was over; {name} reset that"
        ),
        None if is_reset && answered(case, answer, DETAINED_NS_MAX).is_some() => write!(
            f,
            "{name} sent a reset {since} after the connection was over: a late answer to what came before, or one to a segment that this tap does not show"
        ),
        None => write!(
            f,
            "{name} answered a segment that this tap does not show with a reset, {since} after the connection was over"
        ),
    });
    let message = format_args!("{message}");
    let frames = reply.into_iter().chain([answer.frame]);
    ENTRY.draft(Confidence::Low, answer.time, frames, message).endpoint(!answer.side).kind("unknown").push(found);
}

/// Its sender sent it before another that passed earlier: it was on its way for longer, and answers nothing new.
fn was_late(case: &Case<'_>, reply: &Noted) -> bool {
    let is_younger = |note: &Noted| {
        let stamps = note.timestamps.zip(reply.timestamps);
        stamps.is_some_and(|(other, own)| Seq(other.value).after(Seq(own.value)))
    };
    case.notes(|note| note.side == reply.side && note.frame < reply.frame && is_younger(note)).next().is_some()
}

/// The newest acknowledgment that `reset` may answer.
fn answered<'a>(case: &'a Case<'_>, reset: &Noted, within_ns: i64) -> Option<&'a Noted> {
    let (side, frame, seq, time) = (reset.side, reset.frame, reset.seq, reset.time);
    let fits = move |note: &&Noted| note.ack == seq && time.since(note.time) < within_ns;
    case.notes(move |note| note.side != side && note.frame < frame && note.acknowledges()).rfind(fits)
}

/// A segment that the tap shows may be answered this much later, with queues and a round trip, ns.
const FLIGHT_NS_MAX: i64 = 1_000_000_000;

/// The same segment may be captured twice within this, ns.
const COPIED_NS_MAX: i64 = 1_000_000;

/// Nothing waits longer for its answer, in a host whose neighbour has to be asked for first, ns.
const DETAINED_NS_MAX: i64 = 10_000_000_000;

/// Its timestamp or IPv4 id belongs among the segments before the end, so the network and not its sender repeats it.
pub(in crate::finding) fn is_replay(case: &Case<'_>, note: &Noted) -> bool {
    if note.class.contains(Class::COPY) {
        return true;
    }
    let earlier = case.notes(|other| other.side == note.side && other.frame < note.frame).next_back();
    match (earlier, note.timestamps) {
        (Some(earlier), Some(timestamps)) => {
            earlier.timestamps.is_some_and(|newest| Seq(timestamps.value).before(Seq(newest.value)))
        }
        (Some(earlier), None) => {
            note.ip_id != 0
                && earlier.ip_id != 0
                && Seq(u32::from(note.ip_id) << 16).before(Seq(u32::from(earlier.ip_id) << 16))
        }
        (None, _) => false,
    }
}
