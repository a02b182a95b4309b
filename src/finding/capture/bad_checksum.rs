//! `bad-checksum`: segments whose TCP checksum is wrong.

use crate::base::Side;
use crate::connection::{Artefact, Exhibit, Half, Noted};
use crate::finding::phrase::count;
use crate::segment::Flags;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, Severity};

finding! {
    /// # What it is
    ///
    /// The TCP checksum of captured segments was computed and is wrong. `kind` says what it looks like: `offload` (most of those
    /// of a side, and the peer takes them: the network card fills it in later, or a program that anonymised the capture did
    /// not) or `damaged` (few segments of a side, and as many were repeated). Where neither shows there is no kind.
    ///
    /// # Why it matters
    ///
    /// A receiver drops a damaged segment without a word; its sender repeats it. With offload nothing is wrong at all.
    ///
    /// # How it is recognised
    ///
    /// By computing it over what was captured whole: of segments that open, close or reset, and of those without payload;
    /// with --checksums all, of every one. The message says how many that were. A checksum that holds just the pseudo-header's sum is recognised as offload before
    /// and is not told of.
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
    "bad-checksum", Capture, Note, [ARTEFACT], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let Some(Exhibit { frame, time, .. }) = connection.journal.exhibit(Artefact::BadChecksum) else { return };
    let Some(side) = Side::BOTH.into_iter().max_by_key(|&side| connection.halves[side].bad_checksums) else { return };
    let half = &connection.halves[side];
    let sum =
        |of: fn(&Half) -> u32| Side::BOTH.iter().map(|&side| u64::from(of(&connection.halves[side]))).sum::<u64>();
    let (bad, checked) = (sum(|half| half.bad_checksums), sum(|half| half.checked));
    let few = DAMAGED_ONE_IN * u64::from(half.bad_checksums) <= half.frames;
    let repeats = half.retransmissions + half.syns.saturating_sub(1) + half.fins.saturating_sub(1);
    let is_regular = half.bad_checksums > 1 && u64::from(half.bad_checksums) * 2 > u64::from(half.checked);
    let is_taken = half.acked.is_some_and(|acked| half.start.is_some_and(|start| acked.after(start)));
    let is_garbled = |note: &Noted| note.is_rst() || note.flags.contains(Flags::SYN | Flags::FIN);
    let is_only = |bad: &Noted| {
        let covers = |note: &Noted| note.seq.before(bad.end()) && note.end().after(bad.seq);
        !case.notes(|note| note.side == bad.side && note.frame != bad.frame && covers(note)).any(|_| true)
    };
    // The only one occupies numbers, which the peer acknowledged, and nothing was sent again.
    let is_taken_alone = half.bad_checksums == 1
        && repeats == 0
        && case
            .notes(|note| note.frame == frame && note.end() != note.seq && !is_garbled(note))
            .any(|note| half.acked.is_some_and(|acked| acked.at_or_after(note.end())) && is_only(note));
    let (kind, confidence, severity, words) = if few && half.bad_checksums <= repeats {
        let words = "its receiver drops such a segment, and its sender repeated as much";
        (Some("damaged"), Confidence::Medium, Severity::Warning, words)
    } else if is_taken_alone {
        let words = "the peer took it, so it was filled in or changed after the capture";
        (Some("offload"), Confidence::Medium, Severity::Note, words)
    } else if is_regular && is_taken {
        let words = "the peer takes them, so they were filled in or changed after the capture";
        (Some("offload"), Confidence::Medium, Severity::Note, words)
    } else {
        let words = "whether on the wire or only in the capture, too little is there to tell";
        (None, Confidence::Low, Severity::Note, words)
    };
    let message = format_args!("{bad} of {} with a wrong checksum: {words}", count(checked, "checked segment"));
    let draft = ENTRY.draft(confidence, time, [frame], message).severity(severity);
    let draft = if let Some(kind) = kind { draft.kind(kind) } else { draft };
    if u64::from(half.bad_checksums) == bad { draft.endpoint(side) } else { draft }.push(found);
}

/// At most one in so many segments of a side is damaged on any path on which TCP still works.
const DAMAGED_ONE_IN: u64 = 4;
