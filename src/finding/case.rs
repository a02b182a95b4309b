//! What a detector looks at: one connection, its life, its resets.

use std::fmt::{self, Write as _};

use super::catalogue::Entry;
use super::thresholds::Thresholds;
use super::verdict::{Confidence, Finding, Reset, Severity};
use crate::base::{Side, Timestamp};
use crate::connection::{Class, Connection, Lifecycle, Noted};

/// One connection laid out for the detectors.
pub struct Case<'a> {
    /// The connection's counters.
    pub connection: &'a Connection,
    /// What became of it.
    pub life: &'a Lifecycle,
    /// Its resets, judged.
    pub resets: &'a [Reset],
    /// From where on something is worth a finding.
    pub thresholds: &'a Thresholds,
}

impl Case<'_> {
    /// The remembered segments that satisfy `wanted`, in order of capture.
    pub fn notes<'b>(
        &'b self,
        wanted: impl Fn(&Noted) -> bool + 'b,
    ) -> impl DoubleEndedIterator<Item = &'b Noted> + 'b {
        self.life.notes.iter().filter(move |note| wanted(note))
    }

    /// `client (10.0.0.1:80)`, for a sentence.
    pub fn name(&self, side: Side) -> impl fmt::Display + use<> {
        let endpoint = self.connection.endpoint(side);
        fmt::from_fn(move |f| write!(f, "{side} ({endpoint})"))
    }

    /// An earlier copy of the FIN of `side` reached the peer: a later segment of the peer echoes its timestamp, or it was
    /// acknowledged before it was sent again.
    pub fn fin_copies_reached(&self, side: Side) -> bool {
        let Some(fin) = self.life.closing.fins[side] else { return false };
        self.life.arrivals.fin[!side].is_some_and(|receipt| self.life.notes[receipt.note].frame == fin.frame)
    }

    /// The first FIN of `side` is in the frame that dates it: not before the capture or lost, so that only what came behind shows it.
    pub fn is_fin_captured(&self, side: Side) -> bool {
        let Some(fin) = self.life.closing.fins[side] else { return false };
        let is_fin = |note: &Noted| note.side == side && note.frame == fin.frame && note.is_fin();
        self.notes(|note| is_fin(note) && !self.connection.is_missed(note)).next().is_some()
    }

    /// How often `side` sent its FIN, without the network's copies of it.
    pub fn fins_sent(&self, side: Side) -> u32 {
        let copies = self
            .notes(|note| {
                note.side == side && note.is_fin() && note.class.contains(Class::RETRANSMISSION | Class::COPY)
            })
            .count();
        let fins = self.connection.halves[side].fins;
        // One was an original, be it late.
        fins.saturating_sub(u32::try_from(copies).unwrap_or(0)).max(fins.min(1))
    }

    /// How often `side` sent its SYN to open.
    pub fn syns(&self, side: Side) -> u32 {
        let late = u32::try_from(self.life.late_syns(side).count()).unwrap_or(0);
        self.connection.halves[side].syns.saturating_sub(late)
    }

    /// The capture shows only one direction, so that what the silent side did is not known.
    pub fn is_one_sided(&self) -> bool {
        let halves = &self.connection.halves;
        (halves.client.frames == 0 || halves.server.frames == 0) && self.connection.frames() > 1
    }
}

/// Whether findings are put into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Each with its frames and its sentence.
    Written,
    /// Nobody is to read them: what they are is enough to count them.
    Spared,
}

impl Words {
    /// The words, where somebody reads them.
    pub fn say(self, words: fmt::Arguments<'_>) -> String {
        match self {
            Self::Written => fmt::format(words),
            Self::Spared => String::new(),
        }
    }
}

/// What detectors have found.
#[derive(Debug)]
pub struct Found {
    /// The findings.
    pub findings: Vec<Finding>,
    words: Words,
    /// The memory of one that was found before.
    spare: Option<(Vec<u64>, String)>,
}

impl Found {
    /// Nothing yet.
    pub const fn new(words: Words) -> Self {
        Self { findings: Vec::new(), words, spare: None }
    }

    /// The same in the memory of earlier findings, which are forgotten.
    pub fn within(mut findings: Vec<Finding>, words: Words) -> Self {
        let spare = findings.pop().map(|finding| (finding.frames, finding.message));
        findings.clear();
        Self { findings, words, spare }
    }
}

/// A finding being written. Its frames and words are looked for only when it is wanted with them.
pub struct Draft<'a, F, M> {
    entry: &'a Entry,
    severity: Severity,
    confidence: Confidence,
    endpoint: Option<Side>,
    outcome: Option<&'static str>,
    kind: Option<&'static str>,
    time: Timestamp,
    frames: F,
    message: M,
}

impl Entry {
    /// Begins a finding of this kind, proven by `frames` (the first of which dates it at `time`).
    #[inline]
    pub fn draft<F, M>(&self, confidence: Confidence, time: Timestamp, frames: F, message: M) -> Draft<'_, F, M>
    where
        F: IntoIterator<Item = u64>,
        M: fmt::Display,
    {
        let severity = self.severity;
        Draft { entry: self, severity, confidence, endpoint: None, outcome: None, kind: None, time, frames, message }
    }
}

impl<F: IntoIterator<Item = u64>, M: fmt::Display> Draft<'_, F, M> {
    /// Whom it concerns.
    #[inline]
    pub fn endpoint(self, side: Side) -> Self {
        Self { endpoint: Some(side), ..self }
    }

    /// How it ended.
    #[inline]
    pub fn outcome(self, outcome: &'static str) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    /// Which of its kinds.
    #[inline]
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Another severity than the catalogue's, where this case costs more or less.
    #[inline]
    pub fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Done: it is put together where it stays.
    #[inline]
    pub fn push(self, found: &mut Found) {
        let Self { entry, severity, confidence, endpoint, outcome, kind, time, frames, message } = self;
        let (frames, message) = match found.words {
            Words::Spared => Default::default(),
            Words::Written => written(entry.name, found.spare.take().unwrap_or_default(), frames, message),
        };
        let &Entry { name, group, .. } = entry;
        let finding = Finding { name, group, severity, confidence, endpoint, outcome, kind, frames, time, message };
        found.findings.push(finding);
    }
}

/// The frames and the words of a finding, in the memory of others.
fn written(
    name: &str,
    (mut numbers, mut words): (Vec<u64>, String),
    frames: impl IntoIterator<Item = u64>,
    message: impl fmt::Display,
) -> (Vec<u64>, String) {
    numbers.clear();
    numbers.extend(frames);
    bound(&mut numbers);
    words.clear();
    // No string refuses what is written to it.
    let _ = write!(words, "{message}");
    debug_assert!(!numbers.is_empty(), "{name}: a finding needs a frame");
    (numbers, words)
}

/// Frames listed in one finding; a reader wants the first and the last.
pub(super) const FRAMES_MAX: usize = 16;

fn bound(frames: &mut Vec<u64>) {
    frames.sort_unstable();
    frames.dedup();
    if frames.len() > FRAMES_MAX {
        frames.drain(FRAMES_MAX / 2..frames.len() - FRAMES_MAX / 2);
    }
}
