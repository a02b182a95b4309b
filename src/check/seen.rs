//! What a capture shows: its analysis, held in memory so that rules can be laid against it.

use std::io;
use std::path::Path;

use crate::analysis::{self, Observer, Options};
use crate::base::{Side, Timestamp};
use crate::connection::State;
use crate::finding::Verdict;
use crate::report::{CaptureRecord, LateRecord, PopulationFinding, Sink, Summary};
use crate::source::{self, CaptureSet, Input, SourceError, script};

/// Everything that a capture shows.
#[derive(Debug, Default)]
pub struct Seen {
    /// The connections, by stream number.
    pub connections: Vec<Verdict>,
    /// Findings across connections.
    pub population: Vec<PopulationFinding>,
    /// The totals.
    pub summary: Summary,
    /// The newest packet time of any connection.
    pub horizon: Timestamp,
    /// Ctrl-C came before the end.
    pub interrupted: bool,
    late: Vec<LateRecord>,
}

/// Why a capture could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is no capture, or is damaged or cut short.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// It is a text trace, and a broken one.
    #[error("{file}: {error}")]
    Trace {
        /// Which file.
        file: String,
        /// What is wrong with it.
        error: String,
    },
}

/// Opens `path`: a capture in any format that is read, or a text trace (`.txt`).
///
/// # Errors
/// It cannot be opened or is neither.
pub fn open(path: &Path) -> Result<CaptureSet, ReadError> {
    if path.extension().is_none_or(|extension| extension != "txt") {
        return Ok(source::open(vec![Input::Path(path.to_owned())], source::Options::default())?);
    }
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| SourceError::Io { file: file.clone(), error })?;
    let trace = |error: String| ReadError::Trace { file: file.clone(), error };
    let items = script::parse(&text).map_err(|error| trace(error.to_string()))?;
    let mut bytes = Vec::new();
    script::write_pcap(&items, &mut bytes).map_err(|error| trace(error.to_string()))?;
    let input = Input::Reader(file.clone(), Box::new(io::Cursor::new(bytes)));
    Ok(source::open(vec![input], source::Options::default())?)
}

/// Reads `source`, which is called `name`, to its end, into a sink in memory. Says whether Ctrl-C came before.
///
/// # Errors
/// It cannot be read to its end: what a cut capture shows is no base for a verdict.
pub fn read_whole(
    source: &mut CaptureSet,
    name: &str,
    options: &Options,
    sink: &mut impl Sink,
    observer: &mut dyn Observer,
) -> Result<bool, ReadError> {
    let outcome = analysis::analyse(source, options, None, sink, observer);
    // The sink is memory and has no errors of its own.
    let outcome = outcome.map_err(|error| SourceError::Io { file: name.to_owned(), error })?;
    outcome.source_error.map_or(Ok(outcome.interrupted), |error| Err(error.into()))
}

impl Seen {
    /// Reads the capture at `path` to its end.
    ///
    /// # Errors
    /// It cannot be read to its end: what a cut capture shows is no base for a verdict.
    pub fn read(path: &Path, options: &Options, observer: &mut dyn Observer) -> Result<Self, ReadError> {
        Self::of(&mut open(path)?, &path.display().to_string(), options, observer)
    }

    /// Reads `source`, which is called `name`, to its end.
    ///
    /// # Errors
    /// As [`Seen::read`].
    pub fn of(
        source: &mut CaptureSet,
        name: &str,
        options: &Options,
        observer: &mut dyn Observer,
    ) -> Result<Self, ReadError> {
        let mut seen = Self::default();
        seen.interrupted = read_whole(source, name, options, &mut seen, observer)?;
        Ok(seen)
    }

    /// The connection with this stream number.
    pub fn connection(&self, stream: u64) -> Option<&Verdict> {
        let at = self.connections.binary_search_by_key(&stream, |verdict| verdict.stream).ok()?;
        self.connections.get(at)
    }
}

impl Sink for Seen {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.connections.push(verdict.clone());
        Ok(())
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.late.push(late.clone());
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.population.push(finding.clone());
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.connections.sort_by_key(|verdict| verdict.stream);
        for late in std::mem::take(&mut self.late) {
            let at = self.connections.binary_search_by_key(&late.stream, |verdict| verdict.stream);
            if let Ok(at) = at {
                self.connections[at].findings.extend(late.findings);
            }
        }
        self.horizon = self.connections.iter().map(|verdict| verdict.end).max().unwrap_or_default();
        self.summary = summary.clone();
        Ok(())
    }
}

/// Who held TIME-WAIT: `client`, `server`, `both` or `none`.
pub fn time_wait_owner(verdict: &Verdict) -> &'static str {
    let held = |side: Side| verdict.endpoints[side].states.iter().any(|step| step.state == State::TimeWait);
    match (held(Side::Client), held(Side::Server)) {
        (true, true) => "both",
        (true, false) => "client",
        (false, true) => "server",
        (false, false) => "none",
    }
}

/// From the first step of the close to the last one that a packet shows, ns; to `horizon` while an end is still open.
/// None when the close never began.
pub fn time_to_close(verdict: &Verdict, horizon: Timestamp) -> Option<i64> {
    let steps = || Side::BOTH.into_iter().flat_map(|side| &verdict.endpoints[side].states);
    let is_closing = |state: State| {
        use State::*;
        matches!(state, Closed | FinWait1 | FinWait2 | CloseWait | Closing | LastAck | TimeWait)
    };
    let begun = steps().filter(|step| is_closing(step.state)).map(|step| step.time).min()?;
    let is_over = Side::BOTH.iter().all(|&side| {
        let view = &verdict.endpoints[side];
        view.states.is_empty() || matches!(view.final_state(), State::Closed | State::TimeWait)
    });
    let last = steps().filter(|step| step.frame.is_some()).map(|step| step.time).max();
    let ended = if is_over { last.unwrap_or(begun) } else { horizon };
    Some(ended.since(begun).max(0))
}

/// The longest that `side` stayed in `state`, ns; to `horizon` where it never left. None when it was never in it.
pub fn longest_in(verdict: &Verdict, side: Side, state: State, horizon: Timestamp) -> Option<i64> {
    let steps = &verdict.endpoints[side].states;
    let left = |at: usize| steps.get(at + 1).map_or(horizon, |next| next.time);
    let stays = steps.iter().enumerate().filter(|(_, step)| step.state == state);
    stays.map(|(at, step)| left(at).since(step.time).max(0)).max()
}

/// The most sockets of `sides` that were in `state` at one moment.
pub fn peak(connections: &[&Verdict], sides: &[Side], state: State, horizon: Timestamp) -> u64 {
    let mut changes: Vec<(Timestamp, i32)> = Vec::new();
    for (verdict, &side) in connections.iter().flat_map(|verdict| sides.iter().map(move |side| (verdict, side))) {
        let steps = &verdict.endpoints[side].states;
        for (at, step) in steps.iter().enumerate().filter(|(_, step)| step.state == state) {
            changes.push((step.time, 1));
            // What is still in the state at the end never leaves it.
            let left = steps.get(at + 1).map_or(horizon.plus(1), |next| next.time);
            changes.push((left, -1));
        }
    }
    // At one moment those who leave go before those who come.
    changes.sort_unstable();
    let mut now = 0_i64;
    let most = changes.into_iter().map(|(_, change)| {
        now += i64::from(change);
        now
    });
    u64::try_from(most.max().unwrap_or(0)).unwrap_or(0)
}
