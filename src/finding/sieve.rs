//! What a capture filter kept: where it was control segments alone, an open connection looks like a half-open one.

use super::capture::control_segments_only;
use super::population::PopulationFinding;
use super::verdict::{Confidence, Severity, Verdict};
use crate::connection::Connection;
use crate::segment::{Flags, Marks, Segment};

/// What the segments of a whole input are like.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sieve {
    /// Some segment neither opens nor closes nor resets.
    has_plain: bool,
    /// A connection shows that others were left out.
    has_filtered: bool,
    /// A SYN-ACK came again: its server did wait for an acknowledgment.
    has_repeated: bool,
}

impl Sieve {
    /// Takes in a segment. True if it is the first that neither opens nor closes nor resets.
    #[inline]
    pub fn pass(&mut self, segment: &Segment) -> bool {
        // What was sampled tells nothing of those around it.
        if self.has_plain || segment.marks.contains(Marks::SAMPLED) {
            return false;
        }
        let is_first = !segment.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST);
        self.has_plain |= is_first;
        is_first
    }

    /// Takes in what was found elsewhere.
    pub fn join(&mut self, other: Sieve) {
        self.has_plain |= other.has_plain;
        self.has_filtered |= other.has_filtered;
        self.has_repeated |= other.has_repeated;
    }

    /// Takes in what a connection shows.
    pub fn take(&mut self, connection: &Connection) {
        if !self.has_plain {
            self.has_filtered |= connection.shows_controls_alone();
            self.has_repeated |= connection.halves.server.syn_acks > 1;
        }
    }

    /// A handshake with so many SYN-ACKs may have been completed: only control segments were kept, as far as is known, and
    /// there were others.
    pub fn hides_completion(self, syn_acks: u32) -> bool {
        self.has_filtered && !self.has_plain && syn_acks <= 1
    }

    /// Takes back that a handshake was not completed, where the acknowledgment would have been left out.
    pub fn weaken(self, verdict: &mut Verdict) {
        if !self.hides_completion(verdict.open.syn_ack_count) {
            return;
        }
        for finding in verdict.findings.iter_mut().filter(|finding| finding.name == "half-open-handshake") {
            finding.name = control_segments_only::ENTRY.name;
            finding.severity = Severity::Note;
            finding.confidence = Confidence::Medium;
            finding.endpoint = None;
            finding.message =
                "a SYN, a SYN-ACK and no other segment, in a capture of control segments alone: whether it was \
                               open, and still is, is not known"
                    .to_owned();
        }
    }

    /// The same across connections: a flood of SYNs, and connections that stayed open, look alike.
    pub fn weaken_across(self, found: &mut PopulationFinding) {
        if self.has_plain || self.has_repeated || found.name != "syn-flood" {
            return;
        }
        found.confidence = Confidence::Low;
        found.severity = Severity::Note;
        found.message.push_str("; no segment of the capture does anything but open, close or reset, so that acknowledgments may have been left out");
    }
}
