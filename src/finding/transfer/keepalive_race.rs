//! `keepalive-race`: a request met a close on its way.

use crate::base::Side;
use crate::connection::{Class, Noted, State};
use crate::finding::phrase::{count, duration, whose_default};
use crate::population::idle_timer;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// One side closed an idle connection while the other was just sending onto it: FIN and request passed each other. The
    /// sender could not know, and nobody will answer.
    ///
    /// # Why it matters
    ///
    /// The request fails ("connection reset by peer", "empty reply from server", "upstream prematurely closed", 502) although both
    /// ends are well. It happens to a small share of requests, more at low traffic, and looks like chance. A client may repeat a
    /// GET by itself, but not a POST.
    ///
    /// # How it is recognised
    ///
    /// After at least a second without payload one side sends FIN; fresh payload of the other, sent within a round trip of it,
    /// does not acknowledge the FIN; the closer sends no payload any more. `outcome` is `reset` when it answers with a reset, else
    /// `unanswered`.
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > data 100
    ///        server > data 200
    ///        client > ACK
    /// idle 5s
    ///        server > FIN ACK
    /// +300us client > PSH ACK data 100 ack 201
    ///        server > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-data-after-close` without the race: the sender had seen the FIN and wrote all the same, which is its own fault.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > data 200
    /// client > ACK
    /// idle 5s
    /// server > FIN ACK
    /// client > ACK
    /// idle 1s
    /// client > data 100
    /// server > RST
    /// ```
    ///
    /// Nor a FIN that the capture lacks, or shows only when it is sent again: when it passed is not known.
    ///
    /// ```trace quiet
    ///     client > data 1:537 ack 1
    /// +2  client > again
    ///     server > ACK seq 2 ack 537
    ///     client > data 537:791 ack 1
    /// +4  client > again
    ///     server > ACK seq 2 ack 791
    /// +21 server > FIN ACK seq 1 ack 791
    ///     client > ACK ack 2
    ///     client > FIN ACK
    ///     server > RST
    /// ```
    ///
    /// # What to do
    ///
    /// Let the side that sends requests close first: its idle timeout must be shorter than that of the side that
    /// answers, by more than a round trip (by each one's manual: nginx: keepalive_timeout in the upstream block below
    /// the backend's; Node.js behind AWS ALB: server.keepAliveTimeout above 60 s, and headersTimeout above that; Go:
    /// IdleConnTimeout of the Transport below the server's IdleTimeout). It costs a few reopened connections. Besides,
    /// allow the proxy or client one repetition of requests that are safe to repeat (nginx proxy_next_upstream error,
    /// Envoy retry_on: reset).
    "keepalive-race", Transfer, Warning, [LATE_FIN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for closer in Side::BOTH {
        let Some(fin) = case.life.closing.fins[closer].filter(|fin| fin.len == 0) else { continue };
        let answered = case.connection.halves[closer].last_payload().filter(|data| data.frame < fin.frame);
        let opened = case.life.states[closer].iter().find(|step| step.state == State::Established);
        let since = answered.map_or(opened.map_or(case.connection.start, |step| step.time), |data| data.time);
        let Some(request) = case.notes(|note| crosses(case, note, &fin)).next() else { continue };
        // Payload that it had acknowledged woke it before.
        let heard = |note: &Noted| note.side != closer && note.len > 0 && fin.ack.at_or_after(note.end());
        let since = case.notes(heard).filter(|note| note.frame < fin.frame).map(|note| note.time).fold(since, Ord::max);
        let idle = request.time.min(fin.time).since(since);
        let talks_on = case.notes(|note| note.side == closer && note.len > 0 && note.frame > request.frame).next();
        if idle < IDLE_NS_MIN || talks_on.is_some() || case.is_one_sided() || !case.is_fin_captured(closer) {
            // When a FIN passed that only shows later, and whether anything crossed it, is not known.
            continue;
        }
        let reset = case.notes(|note| note.side == closer && note.is_rst() && note.frame > fin.frame).next();
        let timer = idle_timer(fin.time.since(since)).map(|timer| format!(" ({})", whose_default(timer, closer)));
        let message = format_args!(
            "{} closed after {} without payload{}, while {} of {} were on their way to it: {}",
            case.name(closer),
            duration(fin.time.since(since)),
            timer.unwrap_or_default(),
            count(u64::from(request.len), "octet"),
            case.name(!closer),
            if reset.is_some() { "a reset answers them" } else { "nobody answers them" }
        );
        let (outcome, confidence) =
            if reset.is_some() { ("reset", Confidence::High) } else { ("unanswered", Confidence::Medium) };
        let mut frames = vec![fin.frame, request.frame];
        frames.extend(reset.map(|reset| reset.frame));
        ENTRY
            .draft(confidence, fin.time.min(request.time), frames, message)
            .endpoint(!closer)
            .outcome(outcome)
            .push(found);
    }
}

/// `note` is fresh payload of the other side that passed `fin` on its way: neither knows of the other.
fn crosses(case: &Case<'_>, note: &Noted, fin: &Noted) -> bool {
    let is_fresh = note.side != fin.side
        && note.len > 0
        && !note.is_rst()
        && !note.class.intersects(Class::RETRANSMISSION | Class::WILD | Class::KEEPALIVE | Class::WINDOW_PROBE);
    if !is_fresh || !note.acknowledges() || note.ack.after(fin.seq) {
        return false;
    }
    if note.frame > fin.frame {
        note.time.since(fin.time) <= case.life.arrivals.crossing_ns(note.side)
    } else {
        fin.ack.before(note.end()) && fin.time.since(note.time) <= case.life.arrivals.crossing_ns(fin.side)
    }
}

/// A shorter pause is one within an exchange and no idle connection, ns.
const IDLE_NS_MIN: i64 = 1_000_000_000;
