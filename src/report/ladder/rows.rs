//! What stands on the ladder and in which order: segments, states reached without one, calls, findings, silences, and
//! what was left out between them.

use std::collections::HashSet;

use crate::base::{Side, Sides, Timestamp};
use crate::finding::{Errno, Finding, ImpliedCall, StateStep, Verdict};
use crate::segment::{Flags, Segment};

use super::LadderInput;

/// How much of a long connection is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The steady middle is left out and summed up.
    Elided,
    /// Every segment that was kept.
    Full,
}

/// A pause of this length gets a line of its own.
const SILENCE_NS_MIN: i64 = 200_000_000;

/// Connections of up to this many segments are shown in full.
const SEGMENTS_IN_FULL_MAX: usize = 60;

/// Segments shown at both ends of a longer one.
const ENDS: usize = 8;

/// Segments shown before and after one that matters.
const CONTEXT: usize = 1;

/// Fewer segments than this are not worth leaving out.
const ELIDED_MIN: usize = 4;

/// One line of the ladder.
#[derive(Clone, Debug)]
pub enum Row<'a> {
    /// A segment, with the state that each side reached with it.
    Segment { segment: &'a Segment, side: Side, client: Option<StateStep>, server: Option<StateStep> },
    /// A state reached without a segment, or beside another one reached with the same segment.
    Step { side: Side, step: StateStep },
    /// A call of an application.
    Call { side: Side, call: ImpliedCall },
    /// A finding, where it happened.
    Finding(&'a Finding),
    /// Nothing was captured for so long.
    Silence { ns: i64 },
    /// Segments left out.
    Elided { segments: u64, client_bytes: u64, server_bytes: u64, ns: i64 },
    /// Segments that were never kept: the connection is too long.
    Dropped { segments: u64 },
}

impl Row<'_> {
    /// The call's result in a word.
    pub fn result(errno: Option<Errno>) -> &'static str {
        errno.map_or("ok", Errno::name)
    }
}

/// The rows of a ladder.
pub fn rows<'a>(input: &LadderInput<'a>) -> Vec<Row<'a>> {
    let segments: Vec<&Segment> = input.log.kept().collect();
    let shown = shown(input, &segments);
    let mut marks = marks(input.verdict, &segments).into_iter().peekable();
    let mut rows = Vec::new();
    let mut previous: Option<Timestamp> = None;
    let mut at = 0;
    while at < segments.len() {
        let segment = segments[at];
        while let Some(mark) = marks.next_if(|mark| mark.frame < segment.frame.0) {
            rows.push(mark.row);
        }
        if at == input.log.head_len() && input.log.dropped() > 0 {
            rows.push(Row::Dropped { segments: input.log.dropped() });
            previous = None;
        }
        if !shown[at] {
            let end = (at..segments.len()).find(|&next| shown[next]).unwrap_or(segments.len());
            rows.push(elided(input.verdict, &segments[at..end], previous));
            previous = previous.max(segments[at..end].iter().map(|segment| segment.time).max());
            at = end;
            continue;
        }
        if let Some(ns) = previous.map(|previous| segment.time.since(previous))
            && ns >= SILENCE_NS_MIN
        {
            rows.push(Row::Silence { ns });
        }
        // Whatever comes back from a clock that was set back, or from frames out of order, ends no silence.
        previous = previous.max(Some(segment.time));
        push_segment(&mut rows, input.verdict, segment, &mut marks);
        at += 1;
    }
    rows.extend(marks.map(|mark| mark.row));
    rows
}

/// A row that is not a segment, and the frame that it follows.
struct Mark<'a> {
    frame: u64,
    order: Order,
    row: Row<'a>,
}

/// What comes first after one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// A state reached with the frame.
    Reached,
    /// A call that the frame shows.
    Call,
    /// A finding.
    Finding,
    /// A state reached later: by a timer, or by what the capture missed.
    Expired,
}

fn marks<'a>(verdict: &'a Verdict, segments: &[&Segment]) -> Vec<Mark<'a>> {
    let mut marks = Vec::new();
    for side in Side::BOTH {
        let view = &verdict.endpoints[side];
        let mut latest = 0;
        for &step in &view.states {
            // What brought a state may have been captured before what was sent without it.
            let frame = step.frame.unwrap_or_else(|| last_before(segments, step.time)).max(latest);
            latest = frame;
            let order = if step.frame.is_some() { Order::Reached } else { Order::Expired };
            marks.push(Mark { frame, order, row: Row::Step { side, step } });
        }
        for &call in &view.calls {
            let last = || segments.last().map_or(0, |segment| segment.frame.0);
            marks.push(Mark {
                frame: call.frame.unwrap_or_else(last),
                order: Order::Call,
                row: Row::Call { side, call },
            });
        }
    }
    for finding in &verdict.findings {
        let at_its_time = segments
            .iter()
            .find(|segment| segment.time == finding.time && finding.frames.contains(&segment.frame.0))
            .map(|segment| segment.frame.0);
        let frame = at_its_time.or(finding.frames.first().copied()).unwrap_or_default();
        marks.push(Mark { frame, order: Order::Finding, row: Row::Finding(finding) });
    }
    let expired = |row: &Row<'_>| match row {
        Row::Step { step, .. } if step.frame.is_none() => step.time,
        _ => Timestamp(0),
    };
    marks.sort_by_key(|mark| (mark.frame, mark.order, expired(&mark.row)));
    marks
}

/// The frame of the last segment that is not later than `time`.
fn last_before(segments: &[&Segment], time: Timestamp) -> u64 {
    segments.iter().rev().find(|segment| segment.time <= time).map_or(0, |segment| segment.frame.0)
}

/// A segment's row takes up the first state that each side reached with it; further ones follow on rows of their own.
fn push_segment<'a>(
    rows: &mut Vec<Row<'a>>,
    verdict: &Verdict,
    segment: &'a Segment,
    marks: &mut std::iter::Peekable<std::vec::IntoIter<Mark<'a>>>,
) {
    let mut first = Sides { client: None, server: None };
    let mut further = Vec::new();
    while let Some(mark) = marks.next_if(|mark| mark.frame == segment.frame.0 && mark.order == Order::Reached) {
        match mark.row {
            Row::Step { side, step } if first[side].is_none() => first[side] = Some(step),
            row => further.push(row),
        }
    }
    let side = side_of(verdict, segment);
    rows.push(Row::Segment { segment, side, client: first.client, server: first.server });
    rows.append(&mut further);
}

/// Whose segment it is.
pub fn side_of(verdict: &Verdict, segment: &Segment) -> Side {
    if segment.source == verdict.client { Side::Client } else { Side::Server }
}

fn elided<'a>(verdict: &Verdict, segments: &[&Segment], previous: Option<Timestamp>) -> Row<'a> {
    let bytes = |side: Side| {
        segments
            .iter()
            .filter(|segment| side_of(verdict, segment) == side)
            .map(|segment| u64::from(segment.payload_len))
            .sum()
    };
    let from = previous.or(segments.first().map(|segment| segment.time)).unwrap_or_default();
    let to = segments.last().map_or(from, |segment| segment.time);
    Row::Elided {
        segments: segments.len() as u64,
        client_bytes: bytes(Side::Client),
        server_bytes: bytes(Side::Server),
        ns: to.since(from),
    }
}

/// Which segments are shown.
fn shown(input: &LadderInput<'_>, segments: &[&Segment]) -> Vec<bool> {
    let count = segments.len();
    if input.detail == Detail::Full || count <= SEGMENTS_IN_FULL_MAX {
        return vec![true; count];
    }
    let telling = telling_frames(input.verdict);
    let mut shown = vec![false; count];
    for (at, segment) in segments.iter().enumerate() {
        let after_silence = at > 0 && segment.time.since(segments[at - 1].time) >= 5 * SILENCE_NS_MIN;
        let tells = segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST)
            || telling.contains(&segment.frame.0)
            || after_silence;
        if at < ENDS || at + ENDS >= count {
            shown[at] = true;
        } else if tells {
            let last = (at + CONTEXT).min(count - 1);
            shown[at.saturating_sub(CONTEXT)..=last].fill(true);
        }
    }
    for gap in gaps(&shown) {
        if gap.len() < ELIDED_MIN {
            shown[gap].fill(true);
        }
    }
    shown
}

fn gaps(shown: &[bool]) -> Vec<std::ops::Range<usize>> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for chunk in shown.chunk_by(|one, other| one == other) {
        if !chunk[0] {
            gaps.push(at..at + chunk.len());
        }
        at += chunk.len();
    }
    gaps
}

/// Frames that something is said about: states, calls, and of each finding the first and the last few.
fn telling_frames(verdict: &Verdict) -> HashSet<u64> {
    const OF_A_FINDING: usize = 3;
    let mut frames = HashSet::new();
    for side in Side::BOTH {
        let view = &verdict.endpoints[side];
        frames.extend(view.states.iter().filter_map(|step| step.frame));
        frames.extend(view.calls.iter().filter_map(|call| call.frame));
    }
    for finding in &verdict.findings {
        frames.extend(finding.frames.iter().take(OF_A_FINDING));
        frames.extend(finding.frames.iter().rev().take(OF_A_FINDING));
    }
    frames.extend(verdict.resets.iter().map(|reset| reset.frame));
    frames.extend(&verdict.close.frames);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::State;
    use crate::report::{SegmentLog, sample};

    #[test]
    fn a_clock_that_comes_back_ends_no_silence() {
        let verdict = sample::open_v6(0);
        let silences = |times: [i64; 4]| -> Vec<i64> {
            let mut log = SegmentLog::default();
            for (segment, ms) in sample::segments(&verdict).iter().zip(times) {
                log.push(&Segment { time: sample::at_ms(ms), ..*segment });
            }
            let rows = rows(&LadderInput { verdict: &verdict, log: &log, late: &[], detail: Detail::Full });
            let silence = |row: &Row<'_>| match row {
                Row::Silence { ns } => Some(ns / 1_000_000),
                _ => None,
            };
            rows.iter().filter_map(silence).collect()
        };
        assert_eq!(silences([0, 10, 900, 910]), [890]);
        assert_eq!(silences([0, -900_000, 10, 20]), [0; 0]);
        assert_eq!(silences([0, -900_000, 1_000, 1_010]), [1_000]);
    }

    #[test]
    fn a_state_stands_below_the_one_before_it_whatever_brought_it() {
        let mut verdict = sample::open_v6(0);
        let mut log = SegmentLog::default();
        sample::segments(&verdict).iter().for_each(|segment| log.push(segment));
        let frames: Vec<u64> = log.kept().map(|segment| segment.frame.0).collect();
        let step = verdict.endpoints.server.states[0];
        let closes = [(State::FinWait1, frames[2]), (State::Closing, frames[1])];
        verdict.endpoints.server.states =
            closes.map(|(state, frame)| StateStep { state, frame: Some(frame), ..step }).into();
        let rows = rows(&LadderInput { verdict: &verdict, log: &log, late: &[], detail: Detail::Full });
        let entered = |row: &Row<'_>| match row {
            Row::Segment { server: Some(step), .. } | Row::Step { side: Side::Server, step } => Some(step.state),
            _ => None,
        };
        let states: Vec<State> = rows.iter().filter_map(entered).collect();
        assert_eq!(states, [State::FinWait1, State::Closing]);
    }
}
