//! `duplicate-frames`: the same frames were captured more than once.

use std::fmt;

use crate::base::Side;
use crate::connection::{Artefact, Exhibit, Half};
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Frames of this connection stand in the capture more than once: one packet, seen at two places or twice at one.
    ///
    /// # Why it matters
    ///
    /// Other tools count them as retransmissions and duplicate acknowledgments. Here each is taken once; frame counts include them.
    ///
    /// # How it is recognised
    ///
    /// Two frames with the same headers but for what forwarding changes (TTL, checksums), within 150 ms when an IP id or timestamp
    /// tells a retransmission apart, else within 1 ms (an id that another packet of its sender has, too, tells nothing); or a stretch of the file that stands in it once more, with its old times.
    ///
    /// ```trace fires
    /// client > SYN
    /// +10us client > duplicate
    /// server > SYN ACK
    /// client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A retransmission: another IP id, another timestamp, and later by a timer. A packet that the network copied looks the same
    /// as one captured twice; single ones are more often that. Resets and duplicate acknowledgments that answer several segments
    /// alike are no copies, unless a third of all frames is.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// +200ms client > again
    /// server > ACK
    /// ```
    ///
    /// Nor sooner, by a sender that gives all its packets the same id:
    ///
    /// ```trace quiet
    ///      client > SYN id 1
    ///      server > SYN ACK id 1
    ///      client > ACK id 1
    ///      client > data 100 id 1
    /// +2ms client > again id 1
    ///      server > ACK id 1
    /// ```
    ///
    /// # What to do
    ///
    /// Capture at one place: one interface instead of any (which sees a bridge, its member and the veth), one direction of a mirror
    /// session that mirrors both ports of the same path, one file of a set. editcap -d takes them out of a file.
    "duplicate-frames", Capture, Note, [ARTEFACT], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let Some(Exhibit { frame, time, count: copies, .. }) = case.connection.journal.exhibit(Artefact::Duplicate) else {
        return;
    };
    // What was sent again, or probed with, comes twice without a copy.
    let halves = &case.connection.halves;
    let is_once = |half: &Half| half.retransmissions + half.keepalives + half.window_probes == 0;
    let came_twice =
        |side: &Side| halves[*side].duplicates > 0 && halves[!*side].received_again > 0 && is_once(&halves[*side]);
    let twice = Side::BOTH.into_iter().find(came_twice);
    let twice = fmt::from_fn(|f| match twice {
        Some(side) => write!(f, "; the D-SACK of the {} says that copies came to it: those are the network's", !side),
        None => Ok(()),
    });
    let message = format_args!(
        "{} of {} {} an earlier frame of the same packet; each packet is counted once{twice}",
        copies,
        count(case.connection.frames(), "frame"),
        if copies == 1 { "repeats" } else { "repeat" }
    );
    ENTRY.draft(Confidence::High, time, [frame], message).push(found);
}
