//! Are the states of one end the kernel's, in order, and is each dated by the packet that shows it?

use lastack::base::{Endpoint, FrameNumber};
use lastack::connection::{State, StateStep};

use super::taps::Tap;
use super::truth::{Step, StepSource};

/// The taps that tell when something happened: the judged capture, and the one beside the end in question.
pub struct Taps<'a> {
    pub here: &'a Tap,
    pub at_end: Option<&'a Tap>,
    pub ends: (Endpoint, Endpoint),
    /// The end in question.
    pub end: Endpoint,
}

/// Whether two sequences are the same, a last CLOSED that no packet brought about aside.
pub fn is_same(told: &[Step], ours: &[StateStep], taps: &Taps<'_>) -> bool {
    let told_names: Vec<String> = told.iter().map(Step::name).collect();
    let our_names: Vec<&str> = ours.iter().map(|step| step.state.name()).collect();
    if told_names == our_names {
        return true;
    }
    let closed = State::Closed.name();
    match (told, ours) {
        // The kernel's timer ran out, and ours is not known to have.
        ([before @ .., last], _) if last.name() == closed && is_silent(last, taps) => {
            told_names[..before.len()] == our_names
        }
        // Ours ran out: unseen, or so that the end no longer knew the connection. The truth did not look.
        (_, [before @ .., last]) if last.state == State::Closed => {
            let is_timer = last.frame.is_none_or(|frame| {
                told.last().is_some_and(|step| step.name() == State::TimeWait.name())
                    && taps.here.is_from(taps.ends, FrameNumber(frame), taps.end)
            });
            is_timer && told_names == our_names[..before.len()]
        }
        _ => false,
    }
}

/// Whether no packet accompanied a step: a timer, or the end of the recording.
fn is_silent(step: &Step, taps: &Taps<'_>) -> bool {
    match step.source {
        StepSource::Diag | StepSource::Inferred => true,
        StepSource::Kernel | StepSource::Wire => !taps.at_end.unwrap_or(taps.here).shows(taps.ends, step.time),
    }
}

/// What became of the time of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// The frame that we name passed that end when its kernel took the step.
    Right,
    /// It did not, and a packet of this capture did.
    Wrong,
    /// No packet passed that end at that moment: a timer, or a segment that could not be sent yet.
    NoPacket,
    /// A packet did, and this capture does not have it.
    NotHere,
    /// There is no capture from beside that end.
    NoTap,
}

impl Dated {
    /// In words, for the totals.
    pub fn name(self) -> &'static str {
        match self {
            Dated::Right => "right",
            Dated::Wrong => "wrong",
            Dated::NoPacket => "without a packet",
            Dated::NotHere => "by a packet that is not in the capture",
            Dated::NoTap => "without a tap at that end",
        }
    }
}

/// Judges the time of one step.
pub fn date(told: &Step, ours: &StateStep, taps: &Taps<'_>) -> Dated {
    let Some(at_end) = taps.at_end else { return Dated::NoTap };
    let named = ours.frame.map(FrameNumber);
    if named.is_some_and(|frame| at_end.shows_frame(taps.ends, told.time, taps.here, frame)) {
        Dated::Right
    } else if is_silent(told, taps) {
        Dated::NoPacket
    } else if !at_end.shares(taps.ends, told.time, taps.here) {
        Dated::NotHere
    } else {
        Dated::Wrong
    }
}

/// Why two sequences part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// The packets at hand show the step that we lack, or do not show the one that we have.
    Ours,
    /// The kernel took a step without a packet: a timer, a call, a FIN that could not be sent.
    Silent,
    /// The packet that shows the step is not in this capture.
    NotHere,
    /// The packet that we go by was lost behind this tap.
    NeverArrived,
    /// Somebody else sent in the name of that end.
    Forged,
    /// There is no capture from beside that end.
    NoTap,
}

impl Parting {
    /// In words, for the totals.
    pub fn name(self) -> &'static str {
        match self {
            Parting::Ours => "by packets at hand",
            Parting::Silent => "by a step without a packet",
            Parting::NotHere => "by a packet that is not in the capture",
            Parting::NeverArrived => "by a packet that was lost behind the tap",
            Parting::Forged => "by a segment that the end did not send",
            Parting::NoTap => "without a tap at that end",
        }
    }
}

/// Judges where two sequences part.
pub fn parting(told: &[Step], ours: &[StateStep], taps: &Taps<'_>) -> Parting {
    let Some(at_end) = taps.at_end else { return Parting::NoTap };
    if told.is_empty() {
        return Parting::Forged;
    }
    let common = told.iter().zip(ours).take_while(|(step, ours)| step.name() == ours.state.name()).count();
    let named = ours.get(common).and_then(|ours| ours.frame).map(FrameNumber);
    if let Some(frame) = named.filter(|&frame| !at_end.has(taps.ends, taps.here, frame)) {
        let is_own = taps.here.is_from(taps.ends, frame, taps.end);
        return if is_own { Parting::Forged } else { Parting::NeverArrived };
    }
    match told.get(common) {
        Some(step) if is_silent(step, taps) => Parting::Silent,
        Some(step) if !at_end.shares(taps.ends, step.time, taps.here) => Parting::NotHere,
        _ => Parting::Ours,
    }
}

/// A sequence as one line.
pub fn line(names: impl Iterator<Item = impl AsRef<str>>) -> String {
    let words: Vec<String> = names.map(|name| name.as_ref().to_owned()).collect();
    if words.is_empty() { "-".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastack::base::Timestamp;
    use lastack::connection::Basis;

    const ENDS: (Endpoint, Endpoint) = {
        let ip = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
        (Endpoint::new(ip, 1), Endpoint::new(ip, 2))
    };

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms * 1_000_000)
    }

    fn told(ms: i64, state: &str, source: StepSource) -> Step {
        Step { time: at(ms), state: state.to_owned(), source }
    }

    fn ours(state: State, frame: Option<u64>) -> StateStep {
        StateStep { state, time: at(0), frame, basis: Basis::Seen }
    }

    #[test]
    fn a_last_closed_may_be_missing_only_without_a_packet() {
        let tap = Tap::of(ENDS, &[at(0), at(10)]);
        let taps = Taps { here: &tap, at_end: Some(&tap), ends: ENDS, end: ENDS.0 };
        let open = told(0, "ESTABLISHED", StepSource::Kernel);
        let reset = [open.clone(), told(10, "CLOSED", StepSource::Kernel)];
        let gave_up = [open.clone(), told(500, "CLOSED", StepSource::Kernel)];
        let still_open = [ours(State::Established, Some(1))];
        assert!(!is_same(&reset, &still_open, &taps));
        assert!(is_same(&gave_up, &still_open, &taps));
        let timed_out = [still_open[0], ours(State::Closed, None)];
        let was_reset = [still_open[0], ours(State::Closed, Some(2))];
        assert!(is_same(std::slice::from_ref(&open), &timed_out, &taps));
        assert!(!is_same(&[open], &was_reset, &taps));
        let waiting = [told(0, "TIME_WAIT", StepSource::Kernel)];
        let gone = [ours(State::TimeWait, Some(1)), ours(State::Closed, Some(2))];
        assert!(is_same(&waiting, &gone, &taps));
        assert!(!is_same(&waiting, &gone, &Taps { end: ENDS.1, ..taps }));
    }

    #[test]
    fn a_step_is_dated_by_the_packet_that_passed_its_end() {
        let at_end = Tap::of(ENDS, &[at(20), at(30), at(40)]);
        let here = Tap::of(ENDS, &[at(0), at(10)]);
        let taps = Taps { here: &here, at_end: Some(&at_end), ends: ENDS, end: ENDS.0 };
        let judge =
            |ms, frame| date(&told(ms, "ESTABLISHED", StepSource::Kernel), &ours(State::Established, frame), &taps);
        assert_eq!(judge(30, Some(2)), Dated::Right);
        assert_eq!(judge(30, Some(1)), Dated::Wrong);
        assert_eq!(judge(30, None), Dated::Wrong);
        assert_eq!(judge(40, Some(2)), Dated::NotHere);
        assert_eq!(judge(35, Some(2)), Dated::NoPacket);
        let blind = Taps { at_end: None, ..taps };
        assert_eq!(
            date(&told(30, "ESTABLISHED", StepSource::Kernel), &ours(State::Established, Some(2)), &blind),
            Dated::NoTap
        );
    }

    #[test]
    fn sequences_part_where_the_capture_lacks_a_packet() {
        let at_end = Tap::of(ENDS, &[at(0), at(10), at(20)]);
        let here = Tap::of(ENDS, &[at(0), at(10)]);
        let taps = Taps { here: &here, at_end: Some(&at_end), ends: ENDS, end: ENDS.1 };
        let open = told(0, "ESTABLISHED", StepSource::Kernel);
        let still_open = ours(State::Established, Some(1));
        let judge = |ms, more: &[StateStep], taps: &Taps<'_>| {
            let closed = told(ms, "CLOSED", StepSource::Kernel);
            parting(&[open.clone(), closed], &[&[still_open], more].concat(), taps)
        };
        assert_eq!(judge(10, &[], &taps), Parting::Ours);
        assert_eq!(judge(20, &[], &taps), Parting::NotHere);
        assert_eq!(judge(50, &[], &taps), Parting::Silent);
        assert_eq!(parting(&[], &[still_open], &taps), Parting::Forged);
        let behind = Tap::of(ENDS, &[at(0)]);
        let lost = Taps { at_end: Some(&behind), ..taps };
        let closed = [still_open, ours(State::Closed, Some(2))];
        assert_eq!(parting(std::slice::from_ref(&open), &closed, &lost), Parting::NeverArrived);
        assert_eq!(parting(&[open], &closed, &Taps { end: ENDS.0, ..lost }), Parting::Forged);
    }
}
