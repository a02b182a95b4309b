//! A segment for a connection whose record is already written.

use super::after_close::stray_segment;
use super::case::{Found, Words};
use super::phrase::{count, duration};
use super::verdict::{Confidence, Finding};
use crate::base::Side;
use crate::connection::{Predecessor, Profile};
use crate::segment::Segment;

/// The finding for the first segment of `side` that came after its connection, summed up in `past`, had ended and left; none
/// for one that had left before its end, to make room for others.
pub fn stray(past: &Predecessor, segment: &Segment, side: Side, profile: Profile) -> Option<Finding> {
    if !past.is_over() {
        return None;
    }
    let age = segment.time.since(past.end);
    let half = past.half(segment.source);
    let old = half.nxt.is_some_and(|nxt| segment.seq_end().at_or_before(nxt));
    let kind = match (segment.payload_len, old) {
        (0, _) => "unknown",
        (_, true) => "old-duplicate",
        (_, false) => "write-after-close",
    };
    let message = format_args!(
        "{} came {} after the connection was over (beyond {} of TIME-WAIT)",
        if segment.payload_len > 0 {
            count(u64::from(segment.payload_len), "octet").to_string()
        } else {
            "a segment".to_owned()
        },
        duration(age),
        duration(profile.time_wait_ns)
    );
    let mut found = Found::new(Words::Written);
    stray_segment::ENTRY
        .draft(Confidence::Medium, segment.time, [segment.frame.0], message)
        .endpoint(side)
        .kind(kind)
        .push(&mut found);
    found.findings.pop()
}
