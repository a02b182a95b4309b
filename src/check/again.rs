//! A second look at a capture, for what its analysis does not keep: the segments of a few connections, and silences.

use std::collections::HashMap;
use std::path::Path;

use super::seen::{ReadError, Seen, open};
use crate::base::{Endpoint, Timestamp};
use crate::decode::{Decoder, Item};
use crate::finding::Verdict;
use crate::report::{Canvas, CheckedCase, SegmentLog, excerpt};
use crate::segment::Segment;
use crate::source::Source;

/// Problems of one capture that are shown with a ladder; the rest name their frames.
const LADDERS_MAX: usize = 20;

/// Calls `each` with every segment of the capture.
fn segments(path: &Path, mut each: impl FnMut(&Segment)) -> Result<(), ReadError> {
    let mut source = open(path)?;
    let mut decoder = Decoder::default();
    while let Some(frame) = source.next_frame()? {
        decoder.decode(&frame, |item| {
            if let Item::Segment(segment) = item {
                each(segment);
            }
        });
    }
    Ok(())
}

/// Finds the connection that a segment belongs to.
struct Streams<'a>(HashMap<(Endpoint, Endpoint), Vec<&'a Verdict>>);

impl<'a> Streams<'a> {
    fn of(verdicts: impl Iterator<Item = &'a Verdict>) -> Self {
        let mut streams: HashMap<(Endpoint, Endpoint), Vec<&Verdict>> = HashMap::new();
        for verdict in verdicts {
            streams.entry(key(verdict.client, verdict.server)).or_default().push(verdict);
        }
        streams.values_mut().for_each(|incarnations| incarnations.sort_by_key(|verdict| verdict.first_frame));
        Self(streams)
    }

    /// Segments after the connection's record are not its own here: they are another story.
    fn find(&self, segment: &Segment) -> Option<&'a Verdict> {
        let incarnations = self.0.get(&key(segment.source, segment.destination))?;
        let begun = incarnations.partition_point(|verdict| verdict.first_frame <= segment.frame.0);
        let newest = incarnations.get(begun.checked_sub(1)?)?;
        (segment.frame.0 <= newest.last_frame).then_some(newest)
    }
}

fn key(one: Endpoint, other: Endpoint) -> (Endpoint, Endpoint) {
    if one <= other { (one, other) } else { (other, one) }
}

/// The longest silence of each connection, ns, by stream number.
///
/// # Errors
/// The capture can no longer be read.
pub fn silences(path: &Path, seen: &Seen) -> Result<HashMap<u64, i64>, ReadError> {
    let streams = Streams::of(seen.connections.iter());
    let mut last: HashMap<u64, Timestamp> = HashMap::new();
    let mut longest: HashMap<u64, i64> = HashMap::new();
    segments(path, |segment| {
        let Some(verdict) = streams.find(segment) else { return };
        if let Some(before) = last.insert(verdict.stream, segment.time) {
            let silence = longest.entry(verdict.stream).or_default();
            *silence = (*silence).max(segment.time.since(before));
        }
    })?;
    Ok(longest)
}

/// Puts lines of the ladder beside the problems that have frames to show.
///
/// # Errors
/// The capture can no longer be read.
pub fn illustrate(path: &Path, seen: &Seen, canvas: &Canvas, cases: &mut [CheckedCase]) -> Result<(), ReadError> {
    let problems = cases.iter_mut().flat_map(|case| &mut case.problems);
    let mut examples: Vec<_> =
        problems.filter_map(|problem| problem.example.as_mut()).filter(|example| !example.frames.is_empty()).collect();
    examples.truncate(LADDERS_MAX);
    if examples.is_empty() {
        return Ok(());
    }
    let wanted = examples.iter().filter_map(|example| seen.connection(example.stream));
    let streams = Streams::of(wanted);
    let mut logs: HashMap<u64, SegmentLog> = HashMap::new();
    segments(path, |segment| {
        if let Some(verdict) = streams.find(segment) {
            logs.entry(verdict.stream).or_default().push(segment);
        }
    })?;
    for example in examples {
        if let (Some(verdict), Some(log)) = (seen.connection(example.stream), logs.get(&example.stream)) {
            example.ladder = excerpt(canvas, verdict, log, &example.frames);
        }
    }
    Ok(())
}
