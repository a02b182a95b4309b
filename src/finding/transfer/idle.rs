//! `idle`: a long silence and what ended it.

use std::fmt;

use crate::base::Endpoint;
use crate::connection::{Class, Noted, Orderly, Place, Waking};
use crate::finding::phrase::{count, duration, whose_default};
use crate::population::idle_timer;
use crate::segment::Flags;

use crate::finding::after_close::stray_segment::is_replay;
use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::thresholds::Thresholds;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Nothing was sent for a long time, and then something was. `outcome` says what: `data`, `keepalive`, `retransmission`,
    /// `close`, `reset`, or `acknowledgment`, which a SYN-ACK is, too. Only the longest silence of a connection is told of.
    ///
    /// # Why it matters
    ///
    /// Every box with state on the path counts the seconds: firewalls, NAT, load balancers. The first segment after too long a
    /// silence meets nobody, and whoever sent it sees a reset or nothing at all. A close at a round number of seconds is
    /// somebody's idle timeout.
    ///
    /// # How it is recognised
    ///
    /// The time between two segments of the connection, of either side, is longer than the threshold (60 s unless
    /// idle-seconds says otherwise). Where the second of them shows that octets were sent in between and not captured, that was
    /// no silence.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// idle 350s
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A silence up to the end of the capture: nobody knows what would have ended it (`ended-early`). `keepalive`, whose probes
    /// break the silence on the wire although the applications say nothing.
    /// A SYN that waited so long for its answer: no timeout of an open connection is meant, and the message says that the SYN was answered.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// idle 30s
    /// client > data 100
    /// server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// When a close or a reset ended it, and the request after it failed, set the timeouts in order: each hop towards the server
    /// must wait longer than the one before it, client pool < proxy < backend, with some seconds between. To keep a connection
    /// through a middlebox, send keepalives well below its timeout: SO_KEEPALIVE with TCP_KEEPIDLE (Linux; TCP_KEEPALIVE on macOS)
    /// costs one small segment each way per interval; Linux's default of 7200 s (net.ipv4.tcp_keepalive_time) is longer than
    /// nearly every box remembers.
    "idle", Transfer, Note, [SILENCE], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let (silence, frame) = case.connection.longest_silence;
    if !case.thresholds.is_idle(silence) {
        return;
    }
    let Some(end) = case.notes(|note| note.frame == frame).next() else { return };
    // What was not captured was sent before it, and it says so.
    if end.class.intersects(Class::AFTER_GAP | Class::ACKS_UNSEEN) {
        return;
    }
    // An old duplicate ends no silence of its sender's: `stray-segment` tells of it.
    if end.len > 0
        && end.class.contains(Class::RETRANSMISSION)
        && case.life.over_since().is_some()
        && is_replay(case, end)
    {
        return;
    }
    // Who sees nothing but openings and closes may have left out what was said between them.
    let confidence = if case.connection.has_controls_alone() { Confidence::Medium } else { Confidence::High };
    const ENDS: Flags = Flags::SYN.union(Flags::FIN).union(Flags::RST);
    let waking = Waking { at: Place::of(end), side: end.side, ends: end.flags & ENDS, octets: end.len };
    tell((silence, confidence), (ended_by(end), &waking), case.connection.endpoint(end.side), found);
}

fn tell(
    (silence, confidence): (i64, Confidence),
    (outcome, end): (&'static str, &Waking),
    endpoint: Endpoint,
    found: &mut Found,
) {
    let words = fmt::from_fn(|f| match outcome {
        "reset" => f.write_str("reset the connection"),
        "close" => f.write_str("closed"),
        "keepalive" => f.write_str("sent a probe"),
        "retransmission" => f.write_str("sent again what it had sent before"),
        "data" => write!(f, "sent {}", count(u64::from(end.octets), "octet")),
        _ if end.ends.contains(Flags::SYN) => f.write_str("answered the SYN"),
        _ => f.write_str("sent an acknowledgment"),
    });
    let owner = fmt::from_fn(|f| match (outcome, idle_timer(silence)) {
        ("close" | "reset", Some(timer)) => write!(f, "; {}", whose_default(timer, end.side)),
        _ => Ok(()),
    });
    let quiet = duration(silence);
    let message = format_args!("nothing was sent for {quiet}; then {} ({endpoint}) {words}{owner}", end.side);
    ENTRY.draft(confidence, end.at.time, [end.at.frame], message).endpoint(end.side).outcome(outcome).push(found);
}

/// What ended the silence is known of a life that was told in short, or it was not silent for long.
pub(in crate::finding) fn is_known(orderly: &Orderly, thresholds: &Thresholds) -> bool {
    !thresholds.is_idle(orderly.silence_ns) || orderly.after_silence.is_some()
}

/// The same of a life that was told in short. False when the segment that ended the silence is not known.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, thresholds: &Thresholds, found: &mut Found) -> bool {
    if !thresholds.is_idle(orderly.silence_ns) {
        return true;
    }
    let Some(end) = &orderly.after_silence else { return false };
    // A refusal is nothing but openings and closes.
    let confidence = if orderly.refusal.is_some() { Confidence::Medium } else { Confidence::High };
    // It repeats nothing and is no probe: either is out of order.
    let outcome = match end {
        _ if end.ends.contains(Flags::RST) => "reset",
        _ if end.ends.contains(Flags::FIN) => "close",
        _ if end.octets > 0 => "data",
        _ => "acknowledgment",
    };
    tell((orderly.silence_ns, confidence), (outcome, end), orderly.endpoint(end.side), found);
    true
}

/// What a segment after a silence was.
fn ended_by(note: &Noted) -> &'static str {
    if note.is_rst() {
        "reset"
    } else if note.is_fin() {
        "close"
    } else if note.class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE) {
        "keepalive"
    } else if note.class.contains(Class::RETRANSMISSION) {
        "retransmission"
    } else if note.len > 0 {
        "data"
    } else {
        "acknowledgment"
    }
}
