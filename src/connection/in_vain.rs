//! What an end sent again and again before it had no socket any more: whether it gave up shows in the copy that was due and did not
//! come.

use super::noted::{Class, Noted};
use super::reset::ResetSeen;
use crate::base::{Seq, Timestamp};

/// Copies of one segment that nobody had acknowledged, or probes of a closed window, up to a reset of the same side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InVain {
    /// The number that all of them have.
    pub seq: Seq,
    /// When the first copy was sent.
    pub since: Timestamp,
    /// The frame of the newest.
    pub last: u64,
    /// How many, the first transmission left out.
    pub copies: u64,
    /// They probe a closed window.
    pub is_probe: bool,
    /// A closed window is what answered one of them.
    pub meets_shut: bool,
    /// The next one was due before the reset, and did not come.
    pub has_stopped: bool,
}

impl InVain {
    /// The last that the sender of the reset had said before it, if that was one of a row.
    pub fn before(notes: &[Noted], reset: &ResetSeen) -> Option<Self> {
        let side = reset.noted.side;
        let newest = reset.before[side].last.as_ref()?.frame;
        let is_again = |note: &Noted| {
            note.class.contains(Class::WINDOW_PROBE)
                || note.len > 0 && note.class.contains(Class::RETRANSMISSION) && !note.class.contains(Class::BELOW_ACK)
        };
        let sent = |note: &&Noted| note.side == side && note.frame <= newest && !note.class.contains(Class::COPY);
        let mut earlier = notes.iter().rev().filter(sent);
        let last = earlier.next().filter(|last| last.frame == newest && is_again(last))?;
        let row = earlier.take_while(|note| note.seq == last.seq);
        let (mut before, mut since, mut copies) = ([None, None], last.time, 1);
        for (at, note) in row.enumerate() {
            if let Some(place) = before.get_mut(at) {
                *place = Some(note);
            }
            if is_again(note) {
                (since, copies) = (note.time, copies + 1);
            }
        }
        let due = |[before, first]: [Option<&Noted>; 2]| {
            let before = before?;
            // Of two nobody knows whether their pause doubles: it may.
            Some(due_ns([last, before, first.unwrap_or(before)]))
        };
        let has_stopped = due(before).is_some_and(|due_ns| reset.noted.time.since(last.time) > due_ns);
        let is_probe = last.class.contains(Class::WINDOW_PROBE);
        let shuts = |note: &Noted| note.side != side && note.class.contains(Class::ZERO_WINDOW);
        let meets_shut = notes.iter().any(|note| shuts(note) && (since..reset.noted.time).contains(&note.time));
        Some(Self { seq: last.seq, since, last: last.frame, copies, is_probe, meets_shut, has_stopped })
    }
}

/// How long after the newest of three, which come in this row, the newest first, one more would have come at the latest. A timer at
/// most doubles (RFC 6298, section 5.5); that of keepalives does not, nor one that has reached its longest pause. It is late, and
/// never early.
pub(super) fn due_ns([last, before, first]: [&Noted; 3]) -> i64 {
    let pause_ns = last.time.since(before.time);
    let is_level = (pause_ns - before.time.since(first.time)).abs() <= pause_ns / 8;
    let is_probe = last.class.contains(Class::KEEPALIVE);
    let due_ns = if is_probe || is_level { pause_ns } else { pause_ns.saturating_mul(2) };
    due_ns.saturating_add(due_ns / 8)
}
