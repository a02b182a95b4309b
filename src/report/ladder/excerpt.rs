//! A few lines of a ladder: the segments that show one thing, and what was reached with them.

use super::rows::{Row, rows};
use super::{Detail, LadderInput, Rails, SegmentLog};
use crate::finding::Verdict;
use crate::report::layout::Canvas;

/// Segments shown at most; of more, the first and the last ones.
const SEGMENTS_MAX: usize = 4;

/// The ladder's lines for `frames` of one connection, without its heading.
pub fn excerpt(canvas: &Canvas, verdict: &Verdict, log: &SegmentLog, frames: &[u64]) -> Vec<String> {
    let input = LadderInput { verdict, log, late: &[], detail: Detail::Full };
    let segments = rows(&input).into_iter().filter(|row| matches!(row, Row::Segment { .. }));
    let segments: Vec<Row<'_>> = segments.collect();
    let is_meant = |row: &Row<'_>| matches!(row, Row::Segment { segment, .. } if frames.contains(&segment.frame.0));
    // One segment alone tells little: the one before it is often what it answers.
    let first = segments.iter().position(is_meant);
    let context = first.filter(|_| frames.len() == 1).and_then(|first| first.checked_sub(1));
    let mut shown: Vec<&Row<'_>> = segments
        .iter()
        .enumerate()
        .filter(|(at, row)| Some(*at) == context || is_meant(row))
        .map(|(_, row)| row)
        .collect();
    if shown.len() > SEGMENTS_MAX {
        shown.drain(SEGMENTS_MAX / 2..shown.len() - SEGMENTS_MAX / 2);
    }
    let rails = Rails::of(canvas, &input);
    let mut out = Vec::new();
    let mut previous = None;
    // Writing to memory does not fail.
    let _ = shown.iter().try_for_each(|row| rails.row(&mut out, row, &mut previous));
    String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
}
