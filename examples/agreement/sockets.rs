//! Are the sockets of a moment those that the kernels had? `ss --at` at random moments, against the truth's timelines.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use lastack::analysis::{self, Options};
use lastack::base::{Endpoint, FrameNumber, Side, Sides, Timestamp};
use lastack::connection::State;
use lastack::population::{Moment, Socket};

use super::recording::{self, Recording};
use super::taps::Tap;
use super::truth::{Step, StepSource, Truth, Vantage, pair};

/// What became of the sockets that a kernel or lastack had.
#[derive(Default)]
pub struct Tally {
    captures: u64,
    moments: u64,
    /// By scenario.
    scenarios: BTreeMap<String, Counts>,
    misses: Vec<String>,
}

/// Sockets by what became of them.
#[derive(Clone, Copy, Default)]
struct Counts {
    /// In the kernel's state.
    right: u64,
    /// The packet that makes the difference was between this tap and the socket.
    on_the_way: u64,
    /// The kernel's step went without a packet, or by one that this capture does not have; or ours by one that never came.
    hidden: u64,
    wrong: u64,
}

impl Counts {
    fn all(self) -> u64 {
        self.right + self.on_the_way + self.hidden + self.wrong
    }

    fn add(self, other: Self) -> Self {
        Self {
            right: self.right + other.right,
            on_the_way: self.on_the_way + other.on_the_way,
            hidden: self.hidden + other.hidden,
            wrong: self.wrong + other.wrong,
        }
    }
}

/// Both ends of a socket, its own first.
type Ends = (Endpoint, Endpoint);

/// A capture of a run, with what its tap and those beside the ends saw.
struct View<'a> {
    recording: &'a Recording,
    truth: &'a Truth,
    here: &'a Tap,
    at_ends: [Option<&'a Tap>; 2],
}

/// What is told of one end: its scenario, which end it is, and the lives of its incarnations.
struct Told<'a> {
    scenario: &'a str,
    side: Side,
    lives: Vec<&'a [Step]>,
    /// When there was no socket: what ended in the time of another incarnation is not in its own timeline.
    gone: Vec<Step>,
}

impl Told<'_> {
    /// The newest step of any incarnation at `at`.
    fn newest(&self, at: Timestamp) -> Option<&Step> {
        let lives = self.lives.iter().copied().chain([&self.gone[..]]);
        lives.filter_map(|steps| steps.iter().take_while(|step| step.time <= at).last()).max_by_key(|step| step.time)
    }

    /// The state at `at` of the newest incarnation, if it has a socket then.
    fn state_at(&self, at: Timestamp) -> Option<String> {
        self.newest(at).map(Step::name).filter(|name| name != State::Closed.name())
    }
}

/// Looks at so many moments of every capture in these folders.
///
/// # Errors
/// A truth file is not in the format, or a capture cannot be read to its end.
pub fn judge(folders: &[PathBuf], moments: u32, seed: u64) -> io::Result<Tally> {
    let mut tally = Tally::default();
    for run in recording::find(folders)? {
        let truths = run.iter().map(Recording::truth).collect::<io::Result<Vec<_>>>()?;
        let taps = run
            .iter()
            .map(|recording| Tap::read(&mut recording::open(&recording.capture)?))
            .collect::<io::Result<Vec<_>>>()?;
        let tap_at = |side| {
            let at = truths.iter().position(|truth| truth.vantage == Vantage::at(side))?;
            Some(&taps[at])
        };
        for (index, recording) in run.iter().enumerate() {
            let at_ends = Side::BOTH.map(tap_at);
            let view = View { recording, truth: &truths[index], here: &taps[index], at_ends };
            look_at(&view, (moments, seed), &mut tally)?;
        }
    }
    Ok(tally)
}

fn look_at(view: &View<'_>, (moments, seed): (u32, u64), tally: &mut Tally) -> io::Result<()> {
    let connections = &view.truth.connections;
    let seen = connections.iter().filter_map(|connection| Some((connection.visible.first?, connection.visible.last?)));
    let Some((first, last)) = seen.reduce(|(first, last), (from, to)| (first.min(from), last.max(to))) else {
        return Ok(());
    };
    tally.captures += 1;
    let mut random = fastrand::Rng::with_seed(first.0.unsigned_abs() ^ seed);
    for _ in 0..moments {
        let at = first.plus(random.i64(0..=last.since(first).max(0)));
        tally.moments += 1;
        compare(view, at, &sockets(view.recording, at)?, tally);
    }
    Ok(())
}

fn sockets(recording: &Recording, at: Timestamp) -> io::Result<HashMap<Ends, Socket>> {
    let options = Options { moment: Some(Moment::Time(at)), ..Options::default() };
    let outcome = analysis::analyse(&mut recording::open(&recording.capture)?, &options, None, &mut (), &mut ())?;
    let table = outcome.sockets.ok_or_else(|| io::Error::other("no socket table"))?;
    Ok(table.finish().into_iter().map(|socket| ((socket.local, socket.peer), socket)).collect())
}

/// Compares what the capture can know of: connections of which it has seen a packet by then, and that may be judged; of
/// these the ends that have a tap beside them, which tells what reached them when.
fn compare(view: &View<'_>, at: Timestamp, ours: &HashMap<Ends, Socket>, tally: &mut Tally) {
    let mut all: BTreeMap<Ends, Told<'_>> = BTreeMap::new();
    let mut set_aside = Vec::new();
    for connection in &view.truth.connections {
        for side in Side::BOTH {
            let key = match side {
                Side::Client => (connection.client, connection.server),
                Side::Server => (connection.server, connection.client),
            };
            if !connection.is_judged() || view.at_ends[side as usize].is_none() {
                set_aside.push(key);
            } else if connection.visible.first.is_some_and(|first| first <= at) {
                let (scenario, lives, gone) = (&*connection.scenario, Vec::new(), Vec::new());
                let told = all.entry(key).or_insert(Told { scenario, side, lives, gone });
                told.lives.push(connection.timeline.of(side));
                told.gone.extend(connection.gone(side));
            }
        }
    }
    for (key, told) in all.iter().filter(|(key, _)| !set_aside.contains(key)) {
        let socket = ours.get(key);
        let expected = told.state_at(at);
        let got = socket.map(|socket| socket.state.name().to_owned());
        if expected.is_none() && got.is_none() {
            continue;
        }
        let counts = tally.scenarios.entry(told.scenario.to_owned()).or_default();
        let kind = if expected == got {
            counts.right += 1;
            continue;
        } else if is_on_the_way(view, *key, told, at, socket) {
            counts.on_the_way += 1;
            "on-the-way"
        } else if is_hidden(view, *key, told, at, socket) {
            counts.hidden += 1;
            "hidden"
        } else {
            counts.wrong += 1;
            "wrong"
        };
        let words = |state: &Option<String>| state.clone().unwrap_or_else(|| "-".to_owned());
        let name = view.recording.capture.file_stem().unwrap_or_default().to_string_lossy();
        let (scenario, (local, peer)) = (told.scenario, key);
        let states = format!("{}\t{}", words(&expected), words(&got));
        tally.misses.push(format!("{kind}\t{scenario}\t{name}\t{at}\t{local} {peer}\t{states}"));
    }
}

/// The packet that we go by reached the socket after `at`, or the one that the kernel went by reached this tap after it;
/// or the kernel's step is dated by a sample of its socket table, and within that sample's distance.
fn is_on_the_way(view: &View<'_>, key: Ends, told: &Told<'_>, at: Timestamp, socket: Option<&Socket>) -> bool {
    const SAMPLED_EVERY_NS: i64 = 20_000_000;
    let ends = pair(Sides { client: key.0, server: key.1 });
    let sampled = told
        .lives
        .iter()
        .copied()
        .chain([&told.gone[..]])
        .flatten()
        .any(|step| step.source == StepSource::Diag && (0..=SAMPLED_EVERY_NS).contains(&step.time.since(at)));
    let Some(at_end) = view.at_ends[told.side as usize] else { return false };
    let ours = socket.and_then(|socket| socket.frame).map(FrameNumber);
    let kernels = told.newest(at);
    sampled
        || ours.is_some_and(|frame| at_end.has_later(ends, at, view.here, frame))
        || kernels.is_some_and(|step| at_end.shares_later(ends, step.time, view.here, at))
}

/// No packet of this capture shows the kernel's step; or the one that we go by was lost before it came to the socket.
fn is_hidden(view: &View<'_>, key: Ends, told: &Told<'_>, at: Timestamp, socket: Option<&Socket>) -> bool {
    let ends = pair(Sides { client: key.0, server: key.1 });
    let Some(at_end) = view.at_ends[told.side as usize] else { return false };
    let ours = socket.and_then(|socket| socket.frame).map(FrameNumber);
    let is_lost = ours.is_some_and(|frame| !at_end.has(ends, view.here, frame));
    is_lost || told.newest(at).is_some_and(|step| at_end.lacks(ends, step.time, view.here))
}

/// The totals, the scenarios in which something is wrong, and the first misses.
pub fn report(tally: &Tally, worst: usize) -> String {
    let mut text = String::new();
    let all = tally.scenarios.values().fold(Counts::default(), |sum, counts| sum.add(*counts));
    let percent = |part: u64, whole: u64| part as f64 / whole.max(1) as f64 * 100.0;
    let known = all.all() - all.hidden;
    let _ = writeln!(
        text,
        "sockets: {} captures, {} moments, {} sockets\n  in the kernel's state: {:.2} % ({})\n  the deciding packet between \
         tap and socket: {:.2} % ({})\n  no packet of the capture shows it: {:.2} % ({})\n  wrong: {:.2} % ({})\n  right or on \
         the way, of those that packets show: {:.2} %",
        tally.captures,
        tally.moments,
        all.all(),
        percent(all.right, all.all()),
        all.right,
        percent(all.on_the_way, all.all()),
        all.on_the_way,
        percent(all.hidden, all.all()),
        all.hidden,
        percent(all.wrong, all.all()),
        all.wrong,
        percent(all.right + all.on_the_way, known)
    );
    let mut scenarios: Vec<(&String, &Counts)> =
        tally.scenarios.iter().filter(|(_, counts)| counts.wrong > 0).collect();
    scenarios.sort_by_key(|(_, counts)| std::cmp::Reverse(counts.wrong));
    for (scenario, counts) in scenarios {
        let _ = writeln!(text, "{:6} of {:6} wrong  {scenario}", counts.wrong, counts.all());
    }
    let is_wrong = |miss: &&String| miss.starts_with("wrong");
    let (wrong, others): (Vec<&String>, Vec<&String>) = tally.misses.iter().partition(is_wrong);
    for miss in wrong.into_iter().chain(others).take(worst) {
        let _ = writeln!(text, "{miss}");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// At 20 moments of every fixture, 99 % of the sockets of which packets show the state are in the kernel's.
    #[test]
    fn fixtures_have_the_sockets_that_the_kernel_had() {
        let tally = judge(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")], 20, 0).unwrap();
        let all = tally.scenarios.values().fold(Counts::default(), |sum, counts| sum.add(*counts));
        let known = all.all() - all.hidden;
        assert!(known > 1_000, "only {known} sockets");
        assert!((all.right + all.on_the_way) * 100 >= known * 99, "{}", report(&tally, usize::MAX));
    }
}
