//! `close-wait-stuck`: the peer closed and this application never did.

use crate::base::{Endpoint, Side, Timestamp};
use crate::connection::{Noted, Orderly, ResetEffect, State};
use crate::finding::phrase::duration;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::thresholds::Thresholds;
use crate::finding::verdict::{Confidence, Severity};

finding! {
    /// # What it is
    ///
    /// The peer closed; this side acknowledged that and never closed itself: CLOSE-WAIT, held by the application and by
    /// nothing else.
    ///
    /// # Why it matters
    ///
    /// Each such socket is a file descriptor leaked. When they run out the service stops accepting; no timer of the
    /// kernel ever ends CLOSE-WAIT.
    ///
    /// # How it is recognised
    ///
    /// The peer's FIN is acknowledged, and to the end of the capture no FIN, no reset and no payload of this side follow,
    /// for at least as long as the threshold. Of a shorter wait at the end of the capture it is a guess, and says so: nobody knows
    /// whether the close comes yet. So it is where the capture begins so late that this side may have closed first, and nothing shows it.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > ACK
    /// idle 1h
    /// b.client 10.0.0.1:40001
    /// b.client > SYN
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A half-close that is in use (payload flows), and a connection at the very end of the capture, where the close may
    /// simply not have come yet.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > ACK
    /// idle 1h
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Find the code path on this side that does not close after reading end-of-file: read() returned 0 and nobody
    /// looked. `ss -tnp state close-wait` names the process. In a pool, test connections before use and drop those that
    /// the server closed (JDBC validation, Go and Node do it by themselves); in a server, close in a finally, defer or
    /// destructor. No sysctl ends CLOSE-WAIT, and tcp_fin_timeout has nothing to do with it; keepalives end it only
    /// when the peer's host no longer answers. A restart frees the sockets and hides the bug.
    "close-wait-stuck", Teardown, Warning, [CLOSE_WAIT], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let Some(waiting) = waiting(case, side) else { continue };
        let Waiting { since, fin, quiet } = waiting;
        let may_have_closed = case.connection.may_have_closed_unseen(side);
        let ack = case.notes(|note| note.side == side && note.acknowledges() && note.ack.at_or_after(fin.end())).next();
        let frames = [Some(fin.frame), ack.map(|ack| ack.frame)];
        let stuck = Stuck {
            side,
            endpoint: case.connection.endpoint(side),
            since,
            lasted: case.life.horizon.since(since),
            weight: match may_have_closed {
                true => (Confidence::Low, Severity::Note),
                false => weigh(quiet, case.thresholds),
            },
            doubt: match (may_have_closed, case.connection.evicted) {
                (true, _) => Doubt::ClosedBefore,
                (false, true) => Doubt::Evicted,
                (false, false) => Doubt::Brief,
            },
        };
        stuck.tell(frames, found);
    }
}

/// An endpoint that did not close when its peer had.
struct Stuck {
    side: Side,
    endpoint: Endpoint,
    since: Timestamp,
    lasted: i64,
    weight: (Confidence, Severity),
    /// With low confidence.
    doubt: Doubt,
}

/// Why it may be no leak.
enum Doubt {
    /// It may have closed before its peer did, and the capture begins after that.
    ClosedBefore,
    /// It had to make room for others.
    Evicted,
    /// The capture ends soon.
    Brief,
}

impl Stuck {
    /// `frames` are its peer's FIN and the acknowledgment of that.
    fn tell(self, frames: [Option<u64>; 2], found: &mut Found) {
        let Self { side, endpoint, since, lasted, weight: (confidence, severity), doubt } = self;
        let doubt = match (confidence, doubt) {
            (Confidence::Low, Doubt::ClosedBefore) => {
                "; or it had closed first, unseen, and this is the end of that close"
            }
            (Confidence::Low, Doubt::Evicted) => "; it was followed too short to tell a leak from a slow close",
            (Confidence::Low, Doubt::Brief) => "; the capture ends too soon to tell a leak from a slow close",
            _ => "",
        };
        let message = format_args!(
            "{side} ({endpoint}) has been in CLOSE-WAIT for {}: its peer closed, it acknowledged that and never closed{doubt}",
            duration(lasted)
        );
        let frames = frames.into_iter().flatten();
        ENTRY.draft(confidence, since, frames, message).endpoint(side).severity(severity).push(found);
    }
}

/// The same of a life that was told in short.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, thresholds: &Thresholds, found: &mut Found) {
    let Some((side, since)) = orderly.close_waiting() else { return };
    let lasted = orderly.horizon.since(since);
    if lasted < CLOSED_AT_ONCE_NS {
        return;
    }
    let weight = weigh(lasted, thresholds);
    let doubt = if orderly.evicted { Doubt::Evicted } else { Doubt::Brief };
    let stuck = Stuck { side, endpoint: orderly.endpoint(side), since, lasted, weight, doubt };
    stuck.tell([orderly.closing_frame(), orderly.fin_acked.map(|ack| ack.frame)], found);
}

fn weigh(quiet: i64, thresholds: &Thresholds) -> (Confidence, Severity) {
    match quiet {
        ns if ns >= thresholds.close_wait_ns => (Confidence::High, Severity::Warning),
        _ => (Confidence::Low, Severity::Note),
    }
}

/// No application has had the time to notice that its peer closed, ns: less than a delayed acknowledgment waits.
pub(in crate::finding) const CLOSED_AT_ONCE_NS: i64 = 20_000_000;

/// Shorter than this is how long applications take to notice and close, ns.
const STUCK_NS_MIN: i64 = 1_000_000_000;

/// An endpoint in CLOSE-WAIT when the capture ends.
struct Waiting<'a> {
    since: Timestamp,
    fin: &'a Noted,
    /// How long it has done nothing.
    quiet: i64,
}

/// The capture ends while `side` is in CLOSE-WAIT, and not because it was busy sending or its peer fell silent.
pub(in crate::finding) fn is_waiting(case: &Case<'_>, side: Side) -> bool {
    waiting(case, side).is_some()
}

fn waiting<'a>(case: &'a Case<'_>, side: Side) -> Option<Waiting<'a>> {
    let since = case.life.last_shown(side).filter(|step| step.state == State::CloseWait)?.time;
    // Whoever resets one end in the name of the other does so at both, mostly.
    let is_cut = |effect: &ResetEffect| effect.sender == side && effect.accepted && effect.between.is_some();
    if case.life.resets.iter().any(is_cut) {
        return None;
    }
    let fin = case.life.closing.fins[!side].as_ref().filter(|_| case.connection.halves[side].fin.is_none())?;
    let busy_at = case.connection.halves[side].last_payload().map_or(since, |data| data.time.max(since));
    let quiet = case.life.horizon.since(busy_at);
    let is_busy = case.life.closing.octets_after_fin[side] > 0 && quiet < STUCK_NS_MIN;
    let had_time = quiet >= CLOSED_AT_ONCE_NS;
    (case.life.closing.unanswered.is_none() && had_time && !is_busy).then_some(Waiting { since, fin, quiet })
}
