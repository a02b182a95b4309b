//! `idle`: a long silence and what ended it.

use crate::connection::{Class, Noted, Orderly};
use crate::finding::phrase::{count, duration, whose_default};
use crate::population::idle_timer;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::thresholds::Thresholds;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Nothing was sent for a long time, and then something was. `outcome` says what: `data`, `keepalive`, `retransmission`,
    /// `close`, `reset`, or `acknowledgment`. Only the longest silence of a connection is told of.
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
    /// idle-seconds says otherwise).
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
    let (outcome, words) = ended_by(end);
    let owner = match outcome {
        "close" | "reset" => idle_timer(silence).map(|timer| format!("; {}", whose_default(timer))).unwrap_or_default(),
        _ => String::new(),
    };
    let message =
        format_args!("nothing was sent for {}; then {} {words}{owner}", duration(silence), case.name(end.side));
    // Who sees nothing but openings and closes may have left out what was said between them.
    let confidence = if case.connection.has_controls_alone() { Confidence::Medium } else { Confidence::High };
    ENTRY.draft(confidence, end.time, [frame], message).endpoint(end.side).outcome(outcome).push(found);
}

/// The same of a life that was told in short, without words. False when the segment that ended the silence is not known.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, thresholds: &Thresholds, found: &mut Found) -> bool {
    if !thresholds.is_idle(orderly.silence_ns) {
        return true;
    }
    let Some(end) = &orderly.after_silence else { return false };
    let draft = ENTRY.draft(Confidence::High, end.time, [end.frame], ENTRY.name);
    draft.endpoint(end.side).outcome(ended_by(end).0).push(found);
    true
}

/// What a segment after a silence was.
fn ended_by(note: &Noted) -> (&'static str, String) {
    if note.is_rst() {
        ("reset", "reset the connection".to_owned())
    } else if note.is_fin() {
        ("close", "closed".to_owned())
    } else if note.class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE) {
        ("keepalive", "sent a probe".to_owned())
    } else if note.class.contains(Class::RETRANSMISSION) {
        ("retransmission", "sent again what it had sent before".to_owned())
    } else if note.len > 0 {
        ("data", format!("sent {}", count(u64::from(note.len), "octet")))
    } else {
        ("acknowledgment", "sent an acknowledgment".to_owned())
    }
}
