//! `bad-checksum`: segments whose TCP checksum is wrong.

use crate::base::Side;
use crate::connection::{Artefact, Exhibit};
use crate::finding::phrase::count;

use crate::finding::case::Case;
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, Finding, Severity};

finding! {
    /// # What it is
    ///
    /// The TCP checksum of captured segments was computed and is wrong. `kind` says what it looks like: `offload` (the peer takes
    /// them: the network card fills it in later, or a program that anonymised the capture did not) or `damaged` (few segments
    /// of a side, and as many were repeated).
    ///
    /// # Why it matters
    ///
    /// A receiver drops a damaged segment without a word; its sender repeats it. With offload nothing is wrong at all.
    ///
    /// # How it is recognised
    ///
    /// By computing it over what was captured whole. A checksum that holds just the pseudo-header's sum is recognised as offload
    /// before and is not told of.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// client > data 100 bad-checksum
    /// +200ms client > again
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Wireshark's red lines for partial checksums on a capturing host.
    ///
    /// ```trace quiet
    /// client > SYN partial-checksum
    /// server > SYN ACK
    /// client > ACK partial-checksum
    /// client > data 100 partial-checksum
    /// server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// `damaged`: look for bad memory or firmware on the path; links check their own frames, so damage happens inside a box (ethtool -S,
    /// netstat -s: InCsumErrors on the receiver counts them). `offload`: nothing.
    "bad-checksum", Capture, Note, detect
}

fn detect(case: &Case<'_>, found: &mut Vec<Finding>) {
    let connection = case.connection;
    let Some(Exhibit { frame, time, .. }) = connection.journal.exhibit(Artefact::BadChecksum) else { return };
    let Some(side) = Side::BOTH.into_iter().max_by_key(|&side| connection.halves[side].bad_checksums) else { return };
    let half = &connection.halves[side];
    let bad: u64 = Side::BOTH.iter().map(|&side| u64::from(connection.halves[side].bad_checksums)).sum();
    let few = DAMAGED_ONE_IN * u64::from(half.bad_checksums) <= half.frames;
    let repeats = half.retransmissions + half.syns.saturating_sub(1) + half.fins.saturating_sub(1);
    let (kind, severity, words) = if few && half.bad_checksums <= repeats {
        ("damaged", Severity::Warning, "its receiver drops such a segment, and its sender repeated as much")
    } else {
        ("offload", Severity::Note, "the peer takes them, so they were filled in or changed after the capture")
    };
    let message =
        format!("{} of {} with a wrong checksum: {words}", count(bad, "segment"), count(connection.frames(), "frame"),);
    let draft = ENTRY.draft(Confidence::Medium, time, vec![frame], message).kind(kind).severity(severity);
    if u64::from(half.bad_checksums) == bad { draft.endpoint(side) } else { draft }.push(found);
}

/// At most one in so many segments of a side is damaged on any path on which TCP still works.
const DAMAGED_ONE_IN: u64 = 4;
