//! `ended-early`: the capture ends before the connection does.

use std::fmt;

use crate::base::Side;
use crate::connection::{CloseKind, OpenKind, Orderly, Place, State};
use crate::finding::phrase::duration;

use crate::finding::capture::one_sided::silent_side;
use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::teardown::close_wait_stuck;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The connection was still open when the capture ended (`kind` `open`), or one end had closed and the other's answer would
    /// have come later (`closing`), or it had to make room for others in memory (`evicted`).
    ///
    /// # Why it matters
    ///
    /// How it ended is not known. That no FIN, no answer and no reset is there means nothing about the hosts.
    ///
    /// # How it is recognised
    ///
    /// Not both ends closed, nobody reset, nobody gave up, until the newest frame of the capture. Where that is more than two
    /// hours later, files may have been merged or connections cut out, and the confidence is low. An evicted one is one of more than
    /// `--max-connections` that were open at once.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// ```
    ///
    /// One direction alone is enough, where `one-sided` is not told:
    ///
    /// ```trace fires
    /// client > data 100 ack 1
    /// client > data 100 ack 1
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `close-wait-stuck` and `dead-peer`, where an end had its time and did nothing. An idle connection that stays open is
    /// healthy.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// client > FIN ACK
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// Two SYNs of which neither was taken (`simultaneous-open`): nothing was open.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN
    /// ```
    ///
    /// A filter that keeps resets alone leaves the end and nothing before it.
    ///
    /// ```trace quiet
    /// server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// If the end is what matters, capture longer: stop after the fault and not by size or time (tcpdump -c, -G and dumpcap -a end in
    /// the middle of connections). On the host, ss -tan still shows them. Against evictions raise `--max-connections`, or filter (`-f`).
    "ended-early", Capture, Note, [UNFINISHED], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let is_open = matches!(
        case.life.opening.kind,
        OpenKind::ThreeWay | OpenKind::Simultaneous | OpenKind::Split | OpenKind::FastOpen | OpenKind::Midstream
    );
    let fins = &case.life.closing.fins;
    let both = fins.client.is_some() && fins.server.is_some();
    let is_unfinished =
        case.life.closing.kind == CloseKind::None || case.life.closing.kind == CloseKind::HalfClosed && !both;
    let quiet = case.life.horizon.since(connection.end);
    let closed = Side::BOTH.into_iter().find(|&side| fins[side].is_some());
    let had_its_time =
        closed.is_some_and(|side| quiet >= case.thresholds.close_wait_ns || close_wait_stuck::is_waiting(case, !side));
    // Both sent a SYN, and neither took the other's: nothing was open.
    let has_opened = Side::BOTH.into_iter().any(|side| case.life.final_state(side) != State::SynSent);
    let goes_on = case.life.opening.continued.is_some();
    let is_told_otherwise = silent_side(connection).is_some() || !has_opened || goes_on;
    let is_replaced = Side::BOTH.into_iter().all(|side| case.life.final_state(side) == State::Closed);
    if !is_open || !is_unfinished || is_replaced || both || had_its_time || is_told_otherwise {
        return;
    }
    // Where the two directions have clocks of their own, the last frame is not the newest.
    let newest = Side::BOTH.into_iter().filter_map(|side| connection.halves[side].last.as_ref());
    let time = newest.filter(|last| last.frame == connection.last_frame).map(|last| last.time).next();
    let last = Place { time: time.unwrap_or(connection.end), frame: connection.last_frame };
    let quiet = (!case.life.outlives_clock).then_some(quiet);
    let end = match (connection.evicted, &connection.successor) {
        (true, _) => End::Evicted,
        (false, Some(_)) => End::Replaced,
        (false, None) => End::Capture,
    };
    let unseen = match closed {
        Some(side) => Some(!side).filter(|&side| connection.may_have_closed_unseen(side)),
        None => Side::BOTH.into_iter().find(|&side| connection.halves[side].frames == 0),
    };
    tell(Known { quiet, closed, unseen }, last, end, found);
}

/// Why no more of a connection is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The capture ends.
    Capture,
    /// It had to make room.
    Evicted,
    /// The next one took its addresses and ports.
    Replaced,
}

/// What is known of a connection when it is followed no more.
struct Known {
    /// So many ns after its last segment; none where the clock was set back meanwhile.
    quiet: Option<i64>,
    /// Who had sent its FIN.
    closed: Option<Side>,
    /// Of whom no frame shows whether it had closed, too.
    unseen: Option<Side>,
}

fn tell(known: Known, last: Place, end: End, found: &mut Found) {
    let Known { quiet, closed, unseen } = known;
    if end == End::Evicted {
        let message = format_args!(
            "{} after its last segment it had to make room for others and was followed no further: its end is not known, and what came later \
             of it is only counted",
            duration(quiet.unwrap_or(0))
        );
        ENTRY.draft(Confidence::High, last.time, [last.frame], message).kind("evicted").push(found);
        return;
    }
    let kind = if closed.is_some() { "closing" } else { "open" };
    let words = fmt::from_fn(|f| match (closed, unseen) {
        (Some(side), Some(_)) => write!(f, "the {side} had closed, while no frame shows whether the {} had", !side),
        (Some(side), None) => write!(f, "the {side} had closed and the {} not yet", !side),
        (None, Some(side)) => write!(f, "the {} had not closed, while nothing of the {side} was captured", !side),
        (None, None) => f.write_str("neither end had closed"),
    });
    let after = fmt::from_fn(|f| match quiet {
        Some(ns @ 1..) => write!(f, "{} after", duration(ns)),
        Some(_) => f.write_str("with"),
        None => f.write_str("an unknown time (its clock was set back) after"),
    });
    let confidence = weigh(quiet.unwrap_or(0));
    let doubt = if confidence == Confidence::High {
        ""
    } else {
        "; in so long a time an application or a keepalive mostly speaks, so this may be an excerpt"
    };
    let what = match end {
        End::Replaced => "another connection began on the same addresses and ports",
        End::Capture | End::Evicted => "the capture ends",
    };
    let message = format_args!("{what} {after} its last segment, and {words}: its end is not known{doubt}");
    ENTRY.draft(confidence, last.time, [last.frame], message).kind(kind).push(found);
}

/// After so long a silence the first keepalive is due, ns: two hours (RFC 9293, section 3.8.4; tcp_keepalive_time).
const EXCERPT_NS: i64 = 7_200_000_000_000;

fn weigh(quiet: i64) -> Confidence {
    if quiet < EXCERPT_NS { Confidence::High } else { Confidence::Low }
}

/// The same of a life that was told in short. One end that had closed for long enough is told of by `close-wait-stuck`.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, found: &mut Found) {
    let waiting = orderly.close_waiting();
    let had_time =
        waiting.is_some_and(|(_, since)| orderly.horizon.since(since) >= close_wait_stuck::CLOSED_AT_ONCE_NS);
    if orderly.close != CloseKind::None || had_time {
        return;
    }
    let last = Place { time: orderly.end, frame: orderly.last_frame };
    let closed = waiting.map(|(waits, _)| !waits);
    let end = if orderly.evicted { End::Evicted } else { End::Capture };
    let known = Known { quiet: Some(orderly.horizon.since(orderly.end)), closed, unseen: None };
    tell(known, last, end, found);
}
