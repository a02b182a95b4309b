//! Two smoltcp sockets live random lives over a bad wire, and what we infer from a tap is held against the states that
//! they were in.

mod host;
mod life;
mod replay;
mod worlds;

use std::collections::BTreeMap;

use lastack::base::{Side, Sides, Timestamp};
use lastack::connection::{Basis, Connection, Lifecycle, Profile, ProfileBasis, State, StateStep};
use lastack::segment::{Item, Segment};
use lastack::source::script;

use life::live;
pub use life::{CLIENT, Life, SERVER};
use replay::{Otherwise, live_otherwise};
use worlds::View;

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

/// Both ends' stack, which no SYN tells: it holds TIME-WAIT for 10 s (smoltcp's CLOSE_DELAY).
const SMOLTCP: Profile =
    Profile { name: "smoltcp", basis: ProfileBasis::Given, time_wait_ns: 10_000_000_000, ..Profile::LINUX };

/// What our tracker makes of the segments.
fn inferred(segments: &[Segment]) -> Sides<Vec<State>> {
    let Some(first) = segments.first() else { return Sides::default() };
    let mut connection = Connection::new(0, first, None);
    for segment in segments {
        connection.step(segment);
    }
    let horizon = segments.iter().map(|segment| segment.time).max().unwrap_or_default();
    let lifecycle = Lifecycle::of(&connection, horizon, SMOLTCP);
    let states = |side: Side| {
        // smoltcp gives up at other times than the profile does, or never.
        let timed = |step: &&StateStep| step.basis == Basis::Assumed && step.state == State::Closed;
        lifecycle.states[side].iter().filter(|step| !timed(step)).map(|step| step.state).collect()
    };
    let client = connection.side_of(&Segment { source: CLIENT, ..*first });
    Sides { client: states(client), server: states(!client) }
}

/// smoltcp's steps as RFC 9293 words them: the listener is no part of the connection, and what one segment does in two
/// steps is two steps.
fn normalised(steps: &[(Timestamp, State)]) -> Vec<State> {
    let mut states = Vec::new();
    for (_, state) in steps {
        let state = if *state == State::Listen { State::Closed } else { *state };
        match (states.last().copied().unwrap_or(State::Closed), state) {
            (State::FinWait1, State::TimeWait) => states.push(State::FinWait2),
            (State::SynReceived, State::CloseWait) => states.push(State::Established),
            (State::Closed, State::Closed) => continue,
            _ => {}
        }
        states.push(state);
    }
    states
}

/// Without the CLOSED that only a timer shows.
fn untimed(mut states: Vec<State>) -> Vec<State> {
    if states.ends_with(&[State::TimeWait, State::Closed]) {
        states.pop();
    }
    states
}

/// An answer that is true in no world that the packets allow.
struct Disagreement {
    seed: u64,
    side: Side,
    truth: Vec<State>,
    inferred: Vec<State>,
    trace: String,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = |states: &[State]| states.iter().map(|state| state.name()).collect::<Vec<_>>().join(" ");
        writeln!(f, "seed {}, {}", self.seed, self.side)?;
        writeln!(f, "lived    {}", names(&self.truth))?;
        writeln!(f, "inferred {}", names(&self.inferred))?;
        f.write_str(&self.trace)
    }
}

/// What came of holding inferences against lives.
#[derive(Default)]
struct Judged {
    sides: usize,
    disagreements: Vec<Disagreement>,
    /// Answers that are not the truth, but that of another life with the very same capture, by what is otherwise in it.
    undecidable: Vec<(u64, Otherwise)>,
}

/// Holds what is inferred from the frames of a life against it.
fn judge(seed: u64, life: &Life, judged: &mut Judged) {
    let ours = inferred(&life.segments);
    for side in Side::BOTH {
        judged.sides += 1;
        let inferred = untimed(ours[side].clone());
        let view = View::new(life, side);
        let own = life.passages.iter().filter(|passage| passage.from == side && !passage.seen.is_empty());
        if inferred.is_empty() && own.count() == 1 {
            // Nothing is said of an end that sent one SYN and then nothing through several timeouts.
            continue;
        }
        if view.answers().into_iter().any(|answer| untimed(answer) == inferred) {
            continue;
        }
        let lived_so = |otherwise: &Otherwise| {
            let other = live_otherwise(life, side, otherwise);
            other.is_some_and(|other| {
                let answers = View::new(&other, side).answers();
                answers.into_iter().chain([normalised(&other.steps[side])]).any(|answer| untimed(answer) == inferred)
            })
        };
        if let Some(otherwise) = Otherwise::all(life, side).find(lived_so) {
            judged.undecidable.push((seed, otherwise));
        } else {
            let items: Vec<Item> = life.segments.iter().map(|segment| Item::Segment(*segment)).collect();
            let truth = normalised(&life.steps[side]);
            judged.disagreements.push(Disagreement { seed, side, truth, inferred, trace: script::print(&items) });
        }
    }
}

/// Lives with their seeds; `NAME_SEED` and `NAME_LIVES` in the environment say which.
pub fn lives(name: &str, default: u64) -> impl Iterator<Item = (u64, Life)> {
    let first = setting(&format!("{name}_SEED"), 0);
    (first..first + setting(&format!("{name}_LIVES"), default)).map(|seed| (seed, live(seed)))
}

/// Lives of which something was told wrongly once.
const ONCE_WRONG: [u64; 116] = [
    77, 374, 1051, 1372, 1468, 1895, 1954, 2073, 2510, 3196, 3503, 5095, 9071, 10_620, 11_866, 13_007, 13_164, 13_508,
    14_698, 15_503, 15_504, 17_362, 778_037, 778_096, 779_311, 780_007, 781_162, 782_582, 787_535, 789_037, 791_133,
    1_001_969, 1_003_557, 1_003_657, 1_010_275, 1_011_691, 1_011_982, 1_013_630, 1_016_407, 1_016_744, 2_002_189,
    2_002_765, 2_007_116, 2_010_806, 2_011_548, 2_011_767, 2_013_165, 2_017_090, 3_008_955, 3_010_855, 4_001_969,
    4_005_947, 5_000_550, 5_006_437, 6_007_300, 6_015_299, 6_017_020, 7_006_283, 7_015_216, 8_006_697, 8_015_480,
    10_009_356, 10_010_825, 11_001_371, 11_006_674, 11_008_204, 11_010_174, 11_012_516, 11_016_055, 14_011_618,
    14_017_575, 15_002_505, 15_010_549, 16_007_646, 17_016_783, 18_009_347, 21_012_582, 22_006_547, 23_001_976,
    23_011_378, 25_017_806, 26_001_042, 26_001_948, 26_007_547, 26_014_029, 27_003_456, 27_005_013, 27_014_235,
    28_005_661, 28_011_648, 28_016_243, 29_000_207, 30_010_026, 30_011_244, 31_014_491, 31_001_471, 31_016_924,
    41_004_234, 44_010_948, 48_009_485, 43_014_053, 44_013_256, 45_002_570, 46_002_040, 46_010_110, 46_018_956,
    49_003_796, 52_000_504, 52_010_216, 53_004_285, 41_001_647, 56_013_255, 56_015_256, 62_019_722, 63_011_138,
    73_006_611,
];

fn once_wrong() -> impl Iterator<Item = (u64, Life)> {
    ONCE_WRONG.into_iter().map(|seed| (seed, live(seed)))
}

/// Groups by what differs, commonest first, the shortest example of each.
fn describe(mut found: Vec<Disagreement>) -> String {
    let mut groups: BTreeMap<(Vec<State>, Vec<State>), Vec<Disagreement>> = BTreeMap::new();
    for disagreement in found.drain(..) {
        groups.entry((disagreement.truth.clone(), disagreement.inferred.clone())).or_default().push(disagreement);
    }
    let mut groups: Vec<Vec<Disagreement>> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    let example = |group: &Vec<Disagreement>| {
        let shortest = group.iter().min_by_key(|disagreement| disagreement.trace.len());
        format!("{} times, for example {}", group.len(), shortest.map(ToString::to_string).unwrap_or_default())
    };
    groups.iter().map(example).collect::<Vec<_>>().join("\n")
}

/// Nothing is told otherwise than it was where the packets tell. How often they do not is printed.
fn assert_agreement(judged: Judged) {
    let Judged { sides, disagreements, undecidable } = judged;
    println!("{} of {sides} sides undecidable: {undecidable:?}", undecidable.len());
    assert!(disagreements.is_empty(), "{} of {sides} sides disagree\n{}", disagreements.len(), describe(disagreements));
}

#[test]
fn what_is_inferred_is_true_in_a_world_that_the_packets_allow() {
    let mut judged = Judged::default();
    for (seed, life) in lives("LASTACK_TWIN", 300).chain(once_wrong()) {
        // What the judgment rests on: our reading of smoltcp's life is smoltcp's.
        for side in Side::BOTH.into_iter().filter(|_| !life.closed_in_secret) {
            let walked = View::new(&life, side).walked();
            assert_eq!(untimed(walked), untimed(normalised(&life.steps[side])), "seed {seed}, {side}");
            // And what was lived once more with nothing otherwise is the same life.
            let again = live_otherwise(&life, side, &Otherwise::default())
                .unwrap_or_else(|| panic!("seed {seed}, {side}: no frames again"));
            assert_eq!(again.steps[side], life.steps[side], "seed {seed}, {side}");
        }
        judge(seed, &life, &mut judged);
    }
    assert_agreement(judged);
}

#[test]
fn what_is_inferred_so_far_is_true_in_a_world_that_the_packets_allow() {
    let mut judged = Judged::default();
    for (seed, life) in lives("LASTACK_TWIN", 60).chain(once_wrong()) {
        let frames = life.segments.len();
        for cut in (1..frames).step_by(1 + frames / 20) {
            judge(seed, &life.until(cut), &mut judged);
        }
    }
    assert_agreement(judged);
}
