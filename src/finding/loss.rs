//! Frames that the capturing host lost: what is said of a connection that lived then is said with less certainty.

use super::catalogue::Group;
use super::doubt;
use super::verdict::{CloseKind, Confidence, Finding, Severity, Verdict};
use crate::base::Timestamp;

/// Frames of a running interface were lost somewhere between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Not before.
    pub from: Timestamp,
    /// Not after.
    pub to: Timestamp,
    /// How many, of all connections and of none.
    pub frames: u64,
}

/// Losses remembered one by one. More are joined, the oldest first: what began before them all is said to have missed them
/// all.
const LOSSES_MAX: usize = 256;

/// Losses no further apart are one.
const TOGETHER_NS: i64 = 1_000_000_000;

/// Of so many frames more than one was lost, or it is not worth a word.
const WORTH_ONE_IN: u64 = 1_000;

/// The name of the finding; its manual is that of gaps that the numbers of a connection show.
const NAME: &str = "capture-gap";

/// The losses of a capture, within a bound.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    all: Vec<Loss>,
    /// Lost some time, as a file says at its end.
    undated: u64,
}

impl Losses {
    /// Takes in a loss that is not older than those before.
    pub fn push(&mut self, loss: Loss) {
        if let Some(last) = self.all.last_mut()
            && loss.from.since(last.to) <= TOGETHER_NS
        {
            last.to = last.to.max(loss.to);
            last.frames = last.frames.saturating_add(loss.frames);
            return;
        }
        if self.all.len() == LOSSES_MAX {
            let oldest = self.all.remove(0);
            self.all[0].from = oldest.from;
            self.all[0].frames = self.all[0].frames.saturating_add(oldest.frames);
        }
        self.all.push(loss);
    }

    /// Takes in what a capture of `frames` frames says that it lost, and not when. Where that is one frame in a thousand or
    /// less, next to no connection missed one.
    pub fn push_undated(&mut self, lost: u64, frames: u64) {
        if lost.saturating_mul(WORTH_ONE_IN) > frames {
            self.undated = self.undated.saturating_add(lost);
        }
    }

    /// Nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty() && self.undated == 0
    }

    /// Says in `verdict` that frames were lost while the connection lived, and lowers what rests on nothing being missing: up to
    /// its last segment where that ended it, else up to `horizon`.
    pub fn weaken(&self, verdict: &mut Verdict, horizon: Timestamp) {
        let is_over = !matches!(verdict.close.kind, CloseKind::None | CloseKind::HalfClosed);
        let until = if is_over { verdict.end } else { horizon.max(verdict.end) };
        if self.undated > 0 && doubt::rests_on_absence(verdict) {
            let words = format!(
                "the capture lost {} in its course, by its own account; some may have been of this connection",
                counted(self.undated)
            );
            say(verdict, verdict.start, words);
        }
        let mut met = self.all.iter().filter(|loss| loss.to >= verdict.start && loss.from <= until).peekable();
        let Some(first) = met.peek().map(|loss| loss.from.max(verdict.start)) else { return };
        let frames: u64 = met.map(|loss| loss.frames).fold(0, u64::saturating_add);
        let words = format!(
            "the capturing host dropped {} while this connection lived; some may have been its own",
            counted(frames)
        );
        say(verdict, first, words);
    }
}

fn counted(frames: u64) -> String {
    format!("{frames} {}", if frames == 1 { "frame" } else { "frames" })
}

/// Adds `words` to what is said of gaps, and lowers what rests on nothing being missing.
fn say(verdict: &mut Verdict, time: Timestamp, words: String) {
    if let Some(gap) = verdict.findings.iter_mut().find(|finding| finding.name == NAME) {
        gap.message = format!("{}; {words}", gap.message);
        return;
    }
    let mut frames = vec![verdict.first_frame, verdict.last_frame];
    frames.dedup();
    verdict.findings.push(Finding {
        name: NAME,
        group: Group::Capture,
        severity: Severity::Note,
        confidence: Confidence::High,
        endpoint: None,
        outcome: None,
        kind: Some("dropped"),
        frames,
        time,
        message: words,
    });
    doubt::cast(&mut verdict.findings, &mut verdict.resets);
}
