//! The machine-readable records: every value of the contract under its key, in the contract's order. Views that borrow
//! and are serialized once; the sinks for NDJSON and JSON print the same records.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;

use serde::ser::{Serialize, Serializer};

use super::flow_id::{self, Letters};
use super::{CaptureRecord, FindingEvent, InterfaceCounts, LateRecord, PopulationFinding, Summary};
use crate::base::{Endpoint, Side, Timestamp};
use crate::finding::{self, Verdict};
use crate::source::LinkType;

/// The number of the record format. Fields may be added under one number; a change of meaning is a new number.
pub const SCHEMA: u32 = 1;

/// One record of the output, whichever way it is framed.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// The first one: what the input is.
    Capture(&'a CaptureRecord),
    /// One connection.
    Connection(&'a Verdict),
    /// Findings on a connection already written.
    Late(&'a LateRecord),
    /// A finding across connections.
    Population(&'a PopulationFinding),
    /// A finding before its connection's record.
    Event(&'a FindingEvent),
    /// A finding across connections while they go on.
    PopulationEvent(&'a PopulationFinding),
    /// The last one: the totals.
    Summary(&'a Summary),
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Record::Capture(capture) => Capture::of(capture).serialize(serializer),
            Record::Connection(verdict) => Connection::of(verdict).serialize(serializer),
            Record::Late(late) => {
                let findings = List(late.findings.iter().map(|finding| Finding::of(late.stream, finding)));
                let endpoint = late.side.name();
                let time = Moment(late.time);
                Late { r#type: "late", stream: late.stream, frame: late.frame, time, endpoint, findings }
                    .serialize(serializer)
            }
            Record::Population(finding) => Population::of("population", finding).serialize(serializer),
            Record::Event(event) => Event::of(event).serialize(serializer),
            Record::PopulationEvent(finding) => Population::of(EVENT, finding).serialize(serializer),
            Record::Summary(summary) => Totals::of(summary).serialize(serializer),
        }
    }
}

/// Prints a value as a JSON string without building the string first.
pub(super) struct Word<T>(pub(super) T);

impl<T: Display> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Prints a moment.
pub(super) struct Moment(pub(super) Timestamp);

impl Serialize for Moment {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.0.letters()).unwrap_or_default())
    }
}

/// A JSON array out of an iterator.
struct List<I>(I);

impl<I> Serialize for List<I>
where
    I: Iterator + Clone,
    I::Item: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

#[derive(serde::Serialize)]
struct Capture<'a> {
    r#type: &'static str,
    schema: u32,
    files: &'a [String],
    format: &'a str,
    link_types: Vec<Word<LinkType>>,
}

impl<'a> Capture<'a> {
    fn of(capture: &'a CaptureRecord) -> Self {
        let link_types = capture.link_types.iter().map(|&link| Word(link)).collect();
        Self { r#type: "capture", schema: SCHEMA, files: &capture.files, format: &capture.format, link_types }
    }
}

#[derive(serde::Serialize)]
pub(super) struct Address {
    ip: IpAddr,
    port: u16,
}

impl From<Endpoint> for Address {
    fn from(end: Endpoint) -> Self {
        Self { ip: end.ip, port: end.port }
    }
}

#[derive(serde::Serialize)]
struct Connection<'a, R, F> {
    r#type: &'static str,
    stream: u64,
    id: Letters<16>,
    community_id: Letters<30>,
    client: Address,
    server: Address,
    role_basis: &'static str,
    tap: Option<&'static str>,
    start: Moment,
    end: Moment,
    first_frame: u64,
    last_frame: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    through: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    through_back: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    also_through: Option<&'a str>,
    open: Open<'a>,
    close: Close<'a>,
    endpoints: Endpoints<'a>,
    completeness: u8,
    history: &'a str,
    conn_state: &'static str,
    resets: R,
    findings: F,
}

impl<'a> Connection<'a, (), ()> {
    fn of(verdict: &'a Verdict) -> impl Serialize + 'a {
        let stream = verdict.stream;
        Connection {
            r#type: "connection",
            stream,
            id: flow_id::connection_letters(verdict.client, verdict.server, verdict.start),
            community_id: flow_id::community_letters(verdict.client, verdict.server),
            client: verdict.client.into(),
            server: verdict.server.into(),
            role_basis: verdict.role_basis.name(),
            tap: verdict.tap.map(finding::Tap::name),
            start: Moment(verdict.start),
            end: Moment(verdict.end),
            first_frame: verdict.first_frame,
            last_frame: verdict.last_frame,
            through: verdict.through.as_deref(),
            through_back: verdict.through_back.as_deref(),
            also_through: verdict.also_through.as_deref(),
            open: Open {
                kind: verdict.open.kind.name(),
                frames: &verdict.open.frames,
                rtt_ns: verdict.open.rtt_ns,
                syn_count: verdict.open.syn_count,
                syn_ack_count: verdict.open.syn_ack_count,
            },
            close: Close {
                kind: verdict.close.kind.name(),
                initiator: verdict.close.initiator.map(finding::Initiator::name),
                frames: &verdict.close.frames,
                idle_ns: verdict.close.idle_ns,
            },
            endpoints: Endpoints {
                client: View(&verdict.endpoints[Side::Client]),
                server: View(&verdict.endpoints[Side::Server]),
            },
            completeness: verdict.completeness,
            history: &verdict.history,
            conn_state: verdict.conn_state,
            resets: List(verdict.resets.iter().map(Reset::of)),
            findings: List(verdict.findings.iter().map(move |finding| Finding::of(stream, finding))),
        }
    }
}

#[derive(serde::Serialize)]
struct Open<'a> {
    kind: &'static str,
    frames: &'a [u64],
    rtt_ns: Option<i64>,
    syn_count: u32,
    syn_ack_count: u32,
}

#[derive(serde::Serialize)]
struct Close<'a> {
    kind: &'static str,
    initiator: Option<&'static str>,
    frames: &'a [u64],
    idle_ns: Option<i64>,
}

#[derive(serde::Serialize)]
struct Endpoints<'a> {
    client: View<'a>,
    server: View<'a>,
}

/// One endpoint's life.
struct View<'a>(&'a finding::EndpointView);

#[derive(serde::Serialize)]
struct Life<S, C> {
    final_state: &'static str,
    states: S,
    frames: u64,
    payload_bytes: u64,
    retransmitted_bytes: u64,
    missing_bytes: u64,
    retransmissions: u32,
    out_of_order: u32,
    keep_alives: u32,
    zero_windows: u32,
    last_payload_frame: Option<u64>,
    calls: C,
    error: Option<&'static str>,
    stack: &'static str,
    stack_basis: &'static str,
}

#[derive(serde::Serialize)]
struct Step {
    state: &'static str,
    time: Moment,
    frame: Option<u64>,
    basis: &'static str,
}

#[derive(serde::Serialize)]
struct Call {
    call: &'static str,
    result: &'static str,
    frame: Option<u64>,
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0;
        Life {
            final_state: view.final_state().name(),
            states: List(view.states.iter().map(|step| Step {
                state: step.state.name(),
                time: Moment(step.time),
                frame: step.frame,
                basis: step.basis.name(),
            })),
            frames: view.frames,
            payload_bytes: view.payload_bytes,
            retransmitted_bytes: view.retransmitted_bytes,
            missing_bytes: view.missing_bytes,
            retransmissions: view.sequence.retransmissions,
            out_of_order: view.sequence.out_of_order,
            keep_alives: view.sequence.keep_alives,
            zero_windows: view.sequence.zero_windows,
            last_payload_frame: view.last_payload.map(|payload| payload.frame),
            calls: List(view.calls.iter().map(|call| Call {
                call: call.call.name(),
                result: call.errno.map_or("ok", finding::Errno::name),
                frame: call.frame,
            })),
            error: view.error.map(finding::Errno::name),
            stack: view.stack.name,
            stack_basis: view.stack.basis.name(),
        }
        .serialize(serializer)
    }
}

#[derive(serde::Serialize)]
struct Reset<'a> {
    frame: u64,
    time: Moment,
    from: &'static str,
    origin: &'static str,
    family: Option<&'static str>,
    cause: &'static str,
    confidence: &'static str,
    rivals: Vec<&'static str>,
    accepted: bool,
    client_bytes_lost: u64,
    server_bytes_lost: u64,
    echoes: u32,
    evidence: &'a str,
}

impl<'a> Reset<'a> {
    fn of(reset: &'a finding::Reset) -> Self {
        Self {
            frame: reset.frame,
            time: Moment(reset.time),
            from: reset.from.name(),
            origin: reset.origin.name(),
            family: reset.family.map(finding::Family::name),
            cause: reset.cause.name(),
            confidence: reset.confidence.name(),
            rivals: reset.rivals.iter().map(|cause| cause.name()).collect(),
            accepted: reset.accepted,
            client_bytes_lost: reset.client_bytes_lost,
            server_bytes_lost: reset.server_bytes_lost,
            echoes: reset.echoes,
            evidence: &reset.evidence,
        }
    }
}

#[derive(serde::Serialize)]
struct Finding<'a> {
    name: &'static str,
    severity: &'static str,
    confidence: &'static str,
    endpoint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    frames: &'a [u64],
    time: Moment,
    message: &'a str,
    filter: Word<Filter<'a>>,
}

impl<'a> Finding<'a> {
    fn of(stream: u64, finding: &'a finding::Finding) -> Self {
        Self {
            name: finding.name,
            severity: finding.severity.name(),
            confidence: finding.confidence.name(),
            endpoint: finding.endpoint.map(Side::name),
            outcome: finding.outcome,
            kind: finding.kind,
            frames: &finding.frames,
            time: Moment(finding.time),
            message: &finding.message,
            filter: Word(Filter { stream, frames: &finding.frames }),
        }
    }
}

/// A Wireshark display filter that shows the frames of a finding: `tcp.stream eq 0 && frame.number in {3, 7..9}`.
/// Runs of three and more consecutive frames are written as a range.
#[derive(Clone, Copy, Debug)]
pub struct Filter<'a> {
    /// Wireshark's `tcp.stream`.
    pub stream: u64,
    /// The frames, in order.
    pub frames: &'a [u64],
}

impl Filter<'_> {
    /// The first frame of each run, and the last where they are written as a range.
    pub(super) fn runs(&self) -> impl Iterator<Item = (u64, Option<u64>)> {
        let mut rest = self.frames;
        std::iter::from_fn(move || {
            let &first = rest.first()?;
            let run = rest.windows(2).take_while(|pair| pair[0].checked_add(1) == Some(pair[1])).count() + 1;
            let used = if run >= 3 { run } else { 1 };
            let last = (used > 1).then_some(rest[used - 1]);
            rest = &rest[used..];
            Some((first, last))
        })
    }
}

impl Display for Filter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tcp.stream eq {}", self.stream)?;
        let mut lead = " && frame.number in {";
        for (first, last) in self.runs() {
            f.write_str(lead)?;
            write!(f, "{first}")?;
            if let Some(last) = last {
                write!(f, "..{last}")?;
            }
            lead = ", ";
        }
        if self.frames.is_empty() { Ok(()) } else { f.write_char('}') }
    }
}

#[derive(serde::Serialize)]
struct Late<F> {
    r#type: &'static str,
    stream: u64,
    frame: u64,
    time: Moment,
    endpoint: &'static str,
    findings: F,
}

/// The type of what is told of connections that go on.
const EVENT: &str = "finding";

#[derive(serde::Serialize)]
struct Event<'a> {
    r#type: &'static str,
    stream: u64,
    client: Address,
    server: Address,
    #[serde(flatten)]
    finding: Finding<'a>,
}

impl<'a> Event<'a> {
    fn of(event: &'a FindingEvent) -> Self {
        let FindingEvent { stream, client, server, finding } = event;
        let finding = Finding::of(*stream, finding);
        Self { r#type: EVENT, stream: *stream, client: (*client).into(), server: (*server).into(), finding }
    }
}

#[derive(serde::Serialize)]
struct Population<'a> {
    r#type: &'static str,
    name: &'static str,
    severity: &'static str,
    confidence: &'static str,
    host: IpAddr,
    service: Option<Address>,
    owner: Option<&'static str>,
    from: Moment,
    to: Moment,
    peak: Option<u64>,
    peak_time: Option<Moment>,
    per_second: Option<f64>,
    limit: Option<u64>,
    runs_out: Option<Moment>,
    streams: &'a [u64],
    frames: &'a [u64],
    message: &'a str,
}

impl<'a> Population<'a> {
    fn of(r#type: &'static str, finding: &'a PopulationFinding) -> Self {
        Self {
            r#type,
            name: finding.name,
            severity: finding.severity.name(),
            confidence: finding.confidence.name(),
            host: finding.host,
            service: finding.service.map(Address::from),
            owner: finding.owner.map(Side::name),
            from: Moment(finding.from),
            to: Moment(finding.to),
            peak: finding.peak.map(|peak| peak.sockets),
            peak_time: finding.peak.map(|peak| Moment(peak.at)),
            per_second: finding.per_second,
            limit: finding.limit,
            runs_out: finding.runs_out.map(Moment),
            streams: &finding.streams,
            frames: &finding.frames,
            message: &finding.message,
        }
    }
}

#[derive(serde::Serialize)]
struct Totals<'a> {
    r#type: &'static str,
    frames: u64,
    segments: u64,
    non_tcp: u64,
    fragments: u64,
    filtered: u64,
    skipped: &'a BTreeMap<String, u64>,
    connections: u64,
    findings: &'a BTreeMap<String, u64>,
    truncated: bool,
    late_segments: u64,
    evicted: u64,
    forgotten: u64,
    ignored: u64,
    dropped: u64,
    unknown_blocks: u64,
    notices: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    file_frames: Vec<FileFrames<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    names: &'a BTreeMap<IpAddr, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<Interface>,
}

#[derive(serde::Serialize)]
struct FileFrames<'a> {
    file: &'a str,
    first: u64,
    last: u64,
}

impl<'a> FileFrames<'a> {
    fn of(part: &'a super::FileFrames) -> Self {
        Self { file: &part.file, first: part.first, last: part.last }
    }
}

#[derive(serde::Serialize)]
struct Interface {
    received: u64,
    dropped_by_kernel: u64,
    dropped_by_interface: u64,
    not_analysed: u64,
}

impl Interface {
    fn of(counts: InterfaceCounts) -> Self {
        let InterfaceCounts { received, dropped_by_kernel, dropped_by_interface, not_analysed } = counts;
        Self { received, dropped_by_kernel, dropped_by_interface, not_analysed }
    }
}

impl<'a> Totals<'a> {
    fn of(summary: &'a Summary) -> Self {
        Self {
            r#type: "summary",
            frames: summary.frames,
            segments: summary.segments,
            non_tcp: summary.non_tcp,
            fragments: summary.fragments,
            filtered: summary.filtered,
            skipped: &summary.skipped,
            connections: summary.connections,
            findings: &summary.findings,
            truncated: summary.truncated,
            late_segments: summary.late_segments,
            evicted: summary.evicted,
            forgotten: summary.forgotten,
            ignored: summary.ignored,
            dropped: summary.dropped,
            unknown_blocks: summary.unknown_blocks,
            notices: &summary.notices,
            file_frames: summary.files.iter().map(FileFrames::of).collect(),
            names: &summary.names,
            interface: summary.interface.map(Interface::of),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_lists_frames_and_folds_runs() {
        let filter = |frames: &[u64]| Filter { stream: 4, frames }.to_string();
        assert_eq!(filter(&[9]), "tcp.stream eq 4 && frame.number in {9}");
        assert_eq!(filter(&[3, 4, 9]), "tcp.stream eq 4 && frame.number in {3, 4, 9}");
        assert_eq!(filter(&[3, 7, 8, 9, 12, 13]), "tcp.stream eq 4 && frame.number in {3, 7..9, 12, 13}");
        assert_eq!(filter(&[]), "tcp.stream eq 4");
    }
}
