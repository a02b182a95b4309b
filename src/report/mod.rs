//! Stage 8: how results leave. One [`Sink`] a file; a sink prints and never computes a verdict.

mod answers;
mod census;
mod checked;
mod compact;
mod compared;
mod connection;
mod explain;
mod flow_id;
mod json;
mod ladder;
mod layout;
mod line;
mod pen;
mod quantity;
mod record;
#[cfg(test)]
mod sample;
mod select;
mod sockets;
mod sorted;
mod style;
mod text;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use crate::base::{Endpoint, Side, Timestamp};
use crate::finding::{Finding, Gist, Verdict};
use crate::source::LinkType;

pub use crate::finding::PopulationFinding;
pub use census::{Grouping, census, census_csv, census_json};
pub use checked::{
    CheckError, CheckFormat, Checked, CheckedCapture, CheckedCase, Example, FINDING, Place, Problem, Standing,
    annotations, write_checked,
};
pub use compared::{Aspect, Change, CompareFormat, Compared, Row, Share, write_compared};
pub use explain::{catalogue, catalogue_json, page};
pub use flow_id::{community_id, connection_id};
pub use json::Json;
pub use ladder::{Detail, LadderInput, SegmentLog, excerpt, ladder};
pub use layout::{Canvas, clip as clipped, clip_middle as clipped_in_middle, harmless, wrap as wrapped};
pub use quantity::{Clock, count, counted, duration as spoken_duration, octets};
pub use record::{Filter, Record, SCHEMA};
pub use select::{Selected, Selection};
pub use sockets::{LeftOut, SocketList, sockets, sockets_json};
pub use sorted::ByStream;
pub use style::{Palette, Role};
pub use text::{Rows, Text};

/// What is known of the input when reading begins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaptureRecord {
    /// The files in reading order, as the user named them; `-` for standard input.
    pub files: Vec<String>,
    /// `pcap` or `pcapng`.
    pub format: String,
    /// Link types seen in the headers so far, as registry names without the LINKTYPE_ prefix.
    pub link_types: Vec<LinkType>,
}

/// A segment for a connection whose record is already written.
#[derive(Clone, Debug, PartialEq)]
pub struct LateRecord {
    /// Its stream number.
    pub stream: u64,
    /// The frame that carried it.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// Who sent it.
    pub side: Side,
    /// What is to be said of it: of the first one only, so that a flood of late segments does not become one of findings.
    pub findings: Vec<Finding>,
}

/// A finding on a connection that is still being tracked: what is known at that moment. The connection's record has the
/// last word.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingEvent {
    /// Its stream number.
    pub stream: u64,
    /// The end that opened.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// What was found.
    pub finding: Finding,
}

/// One file's part of the running frame numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFrames {
    /// Its name as it was given.
    pub file: String,
    /// The number of its first frame.
    pub first: u64,
    /// The number of its last frame.
    pub last: u64,
}

/// The totals. `frames = segments + non_tcp + fragments + filtered + the sum of skipped` holds exactly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Frames read.
    pub frames: u64,
    /// Frames that held TCP.
    pub segments: u64,
    /// Frames that hold no TCP by their headers.
    pub non_tcp: u64,
    /// IP fragments that are not a segment by themselves.
    pub fragments: u64,
    /// Frames left out by the user's filter.
    pub filtered: u64,
    /// Frames that could not be decoded, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// Connections reported.
    pub connections: u64,
    /// Segments that came for connections already reported.
    pub late_segments: u64,
    /// Connections that left early because of the limit on connections.
    pub evicted: u64,
    /// Finished connections forgotten because of the limit on them: late segments of theirs opened new streams.
    pub forgotten: u64,
    /// How often each finding occurred.
    pub findings: BTreeMap<String, u64>,
    /// Findings that the user's policy leaves out.
    pub ignored: u64,
    /// Frames that were lost while the capture was made, as far as it says so itself (pcapng interface statistics, drop
    /// counts in packets): gaps may be the capture's own.
    pub dropped: u64,
    /// How often a frame was dated so long before the one before it that the capture's clock must have been set back.
    pub setbacks: u64,
    /// pcapng blocks of unknown types, which were passed over.
    pub unknown_blocks: u64,
    /// What else is to be known of the input: files left out, overlaps, failures in one of several.
    pub notices: Vec<String>,
    /// Where each of several files that were read one after the other begins and ends in the running frame numbers.
    pub files: Vec<FileFrames>,
    /// The names that the capture itself has for addresses, when they were asked for.
    pub names: BTreeMap<IpAddr, String>,
    /// Reading stopped before the end of the input (interrupted, or the input is damaged).
    pub truncated: bool,
    /// What a running interface gave and did not give; none for files.
    pub interface: Option<InterfaceCounts>,
}

impl Summary {
    /// Counts findings that were told.
    #[inline]
    pub(crate) fn count(&mut self, findings: &[Finding]) {
        findings.iter().for_each(|finding| self.count_one(finding.name));
    }

    #[inline(never)]
    fn count_one(&mut self, name: &'static str) {
        match self.findings.get_mut(name) {
            Some(count) => *count += 1,
            None => *self.findings.entry(name.to_owned()).or_default() += 1,
        }
    }
}

/// Frames of a running interface. `received = frames + dropped_by_kernel + not_analysed` holds exactly, with the summary's
/// `frames`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct InterfaceCounts {
    /// Frames that passed the capture filter.
    pub received: u64,
    /// Of these, frames that found the ring full.
    pub dropped_by_kernel: u64,
    /// Frames that the interface or its driver dropped; never received.
    pub dropped_by_interface: u64,
    /// Frames that were received and not looked at: what came after the wanted number of packets, what came before the capture
    /// filter was in place, and on a loopback interface the second copy of each.
    pub not_analysed: u64,
}

/// Takes results as they come. Calls arrive in the order of the NDJSON contract: capture, connections and late
/// records, population, summary.
pub trait Sink {
    /// Reading begins.
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()>;
    /// A connection ended, or the input did.
    fn connection(&mut self, verdict: &Verdict) -> io::Result<()>;
    /// Of most connections it wants no more than the gist, and is asked with [`Sink::gist`] before the whole verdict is made. The
    /// answer is the same before and after every call.
    fn takes_gists(&self) -> bool {
        false
    }
    /// As [`Sink::connection`], where nothing is to be printed of the connection but in numbers. False when the whole verdict is
    /// wanted; then nothing has been counted yet.
    fn gist(&mut self, _: &Gist<'_>) -> bool {
        false
    }
    /// A segment for a connection already reported.
    fn late(&mut self, late: &LateRecord) -> io::Result<()>;
    /// A finding across connections.
    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()>;
    /// A finding before its connection ends. Comes only from running interfaces, and any time before the summary.
    fn event(&mut self, _: &FindingEvent) -> io::Result<()> {
        Ok(())
    }
    /// A finding across connections as it stands, while they go on; once more when it has become much worse. Comes only from
    /// running interfaces, and any time before the summary. [`Sink::population`] has the last word.
    fn population_event(&mut self, _: &PopulationFinding) -> io::Result<()> {
        Ok(())
    }
    /// The end.
    fn summary(&mut self, summary: &Summary) -> io::Result<()>;
}

/// Takes everything and prints nothing: where only the totals, or what was counted across connections, are wanted.
impl Sink for () {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, _: &Verdict) -> io::Result<()> {
        Ok(())
    }

    fn takes_gists(&self) -> bool {
        true
    }

    fn gist(&mut self, _: &Gist<'_>) -> bool {
        true
    }

    fn late(&mut self, _: &LateRecord) -> io::Result<()> {
        Ok(())
    }

    fn population(&mut self, _: &PopulationFinding) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        (**self).capture(capture)
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        (**self).connection(verdict)
    }

    fn takes_gists(&self) -> bool {
        (**self).takes_gists()
    }

    fn gist(&mut self, gist: &Gist<'_>) -> bool {
        (**self).gist(gist)
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        (**self).late(late)
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        (**self).population(finding)
    }

    fn event(&mut self, event: &FindingEvent) -> io::Result<()> {
        (**self).event(event)
    }

    fn population_event(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        (**self).population_event(finding)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        (**self).summary(summary)
    }
}
