//! What a detector looks at: one connection, its life, its resets.

use super::catalogue::Entry;
use super::thresholds::Thresholds;
use super::verdict::{Confidence, Finding, Reset};
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

    /// `10.0.0.1:80`, for a sentence.
    pub fn name(&self, side: Side) -> String {
        format!("{} ({})", side, self.connection.endpoint(side))
    }

    /// An earlier copy of the FIN of `side` reached the peer: a later segment of the peer echoes its timestamp, or it was
    /// acknowledged before it was sent again.
    pub fn fin_copies_reached(&self, side: Side) -> bool {
        let Some(fin) = self.life.closing.fins[side] else { return false };
        self.life.arrivals.fin[!side].is_some_and(|receipt| self.life.notes[receipt.note].frame == fin.frame)
    }

    /// How often `side` sent its FIN, without the network's copies of it.
    pub fn fins_sent(&self, side: Side) -> u32 {
        let copies = self.notes(|note| note.side == side && note.is_fin() && note.class.contains(Class::COPY)).count();
        self.connection.halves[side].fins.saturating_sub(u32::try_from(copies).unwrap_or(0))
    }

    /// The capture shows only one direction, so that what the silent side did is not known.
    pub fn is_one_sided(&self) -> bool {
        let halves = &self.connection.halves;
        (halves.client.frames == 0 || halves.server.frames == 0) && self.connection.frames() > 1
    }
}

/// A finding being written.
pub struct Draft(Finding);

impl Entry {
    /// Begins a finding of this kind, proven by `frames` (the first of which dates it at `time`).
    pub fn draft(&self, confidence: Confidence, time: Timestamp, frames: Vec<u64>, message: String) -> Draft {
        debug_assert!(!frames.is_empty(), "{}: a finding needs a frame", self.name);
        Draft(Finding {
            name: self.name,
            severity: self.severity,
            confidence,
            endpoint: None,
            outcome: None,
            kind: None,
            frames: bounded(frames),
            time,
            message,
        })
    }
}

impl Draft {
    /// Whom it concerns.
    pub fn endpoint(mut self, side: Side) -> Self {
        self.0.endpoint = Some(side);
        self
    }

    /// How it ended.
    pub fn outcome(mut self, outcome: &'static str) -> Self {
        self.0.outcome = Some(outcome);
        self
    }

    /// Which of its kinds.
    pub fn kind(mut self, kind: &'static str) -> Self {
        self.0.kind = Some(kind);
        self
    }

    /// Another severity than the catalogue's, where this case costs more or less.
    pub fn severity(mut self, severity: super::verdict::Severity) -> Self {
        self.0.severity = severity;
        self
    }

    /// Done.
    pub fn push(self, found: &mut Vec<Finding>) {
        found.push(self.0);
    }
}

/// Frames listed in one finding; a reader wants the first and the last.
const FRAMES_MAX: usize = 16;

fn bounded(mut frames: Vec<u64>) -> Vec<u64> {
    frames.sort_unstable();
    frames.dedup();
    if frames.len() > FRAMES_MAX {
        let tail = frames.split_off(frames.len() - FRAMES_MAX / 2);
        frames.truncate(FRAMES_MAX / 2);
        frames.extend(tail);
    }
    frames
}
