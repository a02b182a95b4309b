//! The records as JSON: NDJSON, one object a line as soon as it is known, or one document, an array of the same lines.

use std::io::{self, Write};

use serde::Serialize;

use super::connection;
use super::line::Line;
use super::record::Record;
use super::{CaptureRecord, FindingEvent, LateRecord, PopulationFinding, Sink, Summary};
use crate::finding::Verdict;

/// Writes every record as one JSON object on a line of its own.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    framing: Framing,
    /// What stands before the next record.
    lead: &'static str,
    line: Line,
}

/// What stands around the records.
#[derive(Clone, Copy, Debug)]
struct Framing {
    between: &'static str,
    after: &'static str,
}

impl<W: Write> Json<W> {
    /// Newline-delimited JSON to `out`, one write a record; buffering is the caller's choice.
    pub fn lines(out: W) -> Self {
        Self { out, framing: Framing { between: "", after: "" }, lead: "", line: Line::default() }
    }

    /// One array to `out`; the summary is its last element and closes it.
    pub fn array(out: W) -> Self {
        Self { out, framing: Framing { between: ",", after: "]\n" }, lead: "[", line: Line::default() }
    }

    /// One more record; [`Json::close`] comes after the last one.
    pub(super) fn record(&mut self, record: impl Serialize) -> io::Result<()> {
        self.begin();
        self.line.append(&record)?;
        self.end()
    }

    /// A record that fails half-way must not leave half a line behind.
    fn begin(&mut self) {
        self.line.truncate(0);
        self.line.put(self.lead.as_bytes());
    }

    fn end(&mut self) -> io::Result<()> {
        self.line.put(b"\n");
        self.lead = self.framing.between;
        self.out.write_all(self.line.octets())
    }

    /// What stands after the last record.
    pub(super) fn close(&mut self) -> io::Result<()> {
        self.out.write_all(self.framing.after.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Sink for Json<W> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.record(Record::Capture(capture))
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.begin();
        self.line.compose(|pen, clock| connection::put(pen, clock, verdict));
        self.end()
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.record(Record::Late(late))
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.record(Record::Population(finding))
    }

    fn event(&mut self, event: &FindingEvent) -> io::Result<()> {
        self.record(Record::Event(event))
    }

    fn population_event(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.record(Record::PopulationEvent(finding))
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.record(Record::Summary(summary))?;
        self.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::report::{ByStream, Selected, Selection};

    fn feed(sink: &mut dyn Sink) {
        sink.capture(&sample::capture()).unwrap();
        sink.connection(&sample::unread_data(0)).unwrap();
        sink.late(&sample::late()).unwrap();
        sink.population(&sample::population()).unwrap();
        sink.summary(&sample::summary(1)).unwrap();
    }

    /// The contract, literally.
    const LINES: [&str; 5] = [
        r#"{"type":"capture","schema":1,"files":["shop.pcapng"],"format":"pcapng","link_types":["EN10MB"]}"#,
        concat!(
            r#"{"type":"connection","stream":0,"id":"ID","community_id":"1:CID","#,
            r#""client":{"ip":"10.0.0.1","port":51000},"server":{"ip":"10.0.0.2","port":80},"role_basis":"syn","tap":null,"#,
            r#""start":"2026-11-21T03:31:00.000000000Z","end":"2026-11-21T03:31:00.046000000Z","#,
            r#""first_frame":1,"last_frame":7,"#,
            r#""open":{"kind":"three-way","frames":[1,2,3],"rtt_ns":1200000,"syn_count":1,"syn_ack_count":1},"#,
            r#""close":{"kind":"reset","initiator":"server","frames":[7],"idle_ns":null},"#,
            r#""endpoints":{"client":{"final_state":"CLOSED","states":["#,
            r#"{"state":"SYN-SENT","time":"2026-11-21T03:31:00.000000000Z","frame":1,"basis":"seen"},"#,
            r#"{"state":"ESTABLISHED","time":"2026-11-21T03:31:00.001000000Z","frame":3,"basis":"seen"},"#,
            r#"{"state":"CLOSED","time":"2026-11-21T03:31:00.046000000Z","frame":7,"basis":"inferred"}],"#,
            r#""frames":4,"payload_bytes":812,"retransmitted_bytes":0,"missing_bytes":0,"#,
            r#""retransmissions":0,"out_of_order":0,"keep_alives":0,"zero_windows":0,"#,
            r#""last_payload_frame":null,"#,
            r#""calls":[{"call":"connect","result":"ok","frame":3},{"call":"read","result":"ECONNRESET","frame":7}],"#,
            r#""error":"ECONNRESET","stack":"linux","stack_basis":"assumed"},"#,
            r#""server":{"final_state":"CLOSED","states":["#,
            r#"{"state":"SYN-RECEIVED","time":"2026-11-21T03:31:00.001000000Z","frame":2,"basis":"seen"},"#,
            r#"{"state":"ESTABLISHED","time":"2026-11-21T03:31:00.001000000Z","frame":3,"basis":"inferred"},"#,
            r#"{"state":"CLOSED","time":"2026-11-21T03:31:00.046000000Z","frame":7,"basis":"seen"}],"#,
            r#""frames":3,"payload_bytes":20140,"retransmitted_bytes":0,"missing_bytes":0,"#,
            r#""retransmissions":0,"out_of_order":0,"keep_alives":0,"zero_windows":0,"#,
            r#""last_payload_frame":null,"#,
            r#""calls":[{"call":"accept","result":"ok","frame":3},{"call":"close","result":"ok","frame":7}],"#,
            r#""error":null,"stack":"linux","stack_basis":"assumed"}},"#,
            r#""completeness":47,"history":"ShADadr","conn_state":"RSTR","#,
            r#""resets":[{"frame":7,"time":"2026-11-21T03:31:00.046000000Z","from":"server","origin":"endpoint","#,
            r#""family":"active","cause":"unread-data","confidence":"medium","rivals":["linger-zero"],"accepted":true,"#,
            r#""client_bytes_lost":212,"server_bytes_lost":0,"echoes":2,"#,
            r#""evidence":"212 bytes came after the server's last data and were not answered"}],"#,
            r#""findings":[{"name":"reset-unread-data","severity":"error","confidence":"medium","endpoint":"server","#,
            r#""frames":[6,7],"time":"2026-11-21T03:31:00.046000000Z","message":"The server closed the connection "#,
            r#"while 212 bytes from the client had not been read: its kernel reset the connection instead of closing "#,
            r#"it.","filter":"tcp.stream eq 0 && frame.number in {6, 7}"}]}"#
        ),
        concat!(
            r#"{"type":"late","stream":0,"frame":90,"time":"2026-11-21T03:32:10.000000000Z","endpoint":"client","#,
            r#""findings":[{"name":"stray-segment","severity":"note","confidence":"high","#,
            r#""endpoint":null,"kind":"late-retransmission","frames":[90],"time":"2026-11-21T03:32:10.000000000Z","#,
            r#""message":"A retransmission came 69.9 s after the end.","filter":"tcp.stream eq 0 && frame.number in "#,
            r#"{90}"}]}"#
        ),
        concat!(
            r#"{"type":"population","name":"close-wait-accumulation","severity":"warning","confidence":"high","#,
            r#""host":"10.0.0.2","service":{"ip":"10.0.0.2","port":80},"owner":"server","#,
            r#""from":"2026-11-21T03:31:00.000000000Z","to":"2026-11-21T03:32:00.000000000Z","#,
            r#""peak":3,"peak_time":"2026-11-21T03:31:30.000000000Z","per_second":0.1,"limit":1024,"runs_out":null,"#,
            r#""streams":[4,5,6],"frames":[40,50,60],"message":"Sockets in CLOSE-WAIT grew from 0 to 3."}"#
        ),
        concat!(
            r#"{"type":"summary","frames":12,"segments":9,"non_tcp":2,"fragments":0,"filtered":0,"#,
            r#""skipped":{"truncated-ip-header":1},"connections":1,"findings":{"reset-unread-data":1},"#,
            r#""truncated":false,"late_segments":0,"evicted":0,"forgotten":0,"ignored":0,"dropped":0,"#,
            r#""unknown_blocks":0,"notices":[]}"#
        ),
    ];

    fn expected() -> Vec<String> {
        let verdict = sample::unread_data(0);
        let id = crate::report::connection_id(verdict.client, verdict.server, verdict.start);
        let community_id = crate::report::community_id(verdict.client, verdict.server);
        LINES
            .iter()
            .map(|line| {
                line.replace("\"1:CID\"", &format!("\"{community_id}\"")).replace("\"ID\"", &format!("\"{id}\""))
            })
            .collect()
    }

    #[test]
    fn every_record_is_one_line_with_the_keys_of_the_contract_in_order() {
        let mut out = Vec::new();
        feed(&mut Json::lines(&mut out));
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines, expected());
        assert!(text.ends_with("}\n"));
    }

    #[test]
    fn an_event_is_the_finding_with_its_connection() {
        let verdict = sample::final_ack_lost(3);
        let [finding] = verdict.findings.as_slice() else { panic!("one finding") };
        let (client, server) = (verdict.client, verdict.server);
        let mut out = Vec::new();
        let event = FindingEvent { stream: 3, client, server, finding: finding.clone() };
        Json::lines(&mut out).event(&event).unwrap();
        let told: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert!(
            String::from_utf8(out).unwrap().starts_with(r#"{"type":"finding","stream":3,"client":{"ip":"10.0.0.1""#)
        );
        assert_eq!((&told["name"], &told["outcome"]), (&"final-ack-lost".into(), &"recovered".into()));
        assert_eq!(told["filter"], "tcp.stream eq 3 && frame.number in {6, 7}");
    }

    #[test]
    fn an_event_across_connections_is_the_record_under_the_name_of_events() {
        let mut out = Vec::new();
        Json::lines(&mut out).population_event(&sample::population()).unwrap();
        let record = LINES[3].replacen(r#""type":"population""#, r#""type":"finding""#, 1);
        assert_eq!(String::from_utf8(out).unwrap(), format!("{record}\n"));
    }

    #[test]
    fn json_is_an_array_of_the_same_records() {
        let mut out = Vec::new();
        feed(&mut Json::array(&mut out));
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, format!("[{}\n]\n", expected().join("\n,")));
        assert!(serde_json::from_str::<Vec<serde_json::Value>>(&text).is_ok());
    }

    #[test]
    fn sorting_brings_streams_into_order_and_late_records_after_theirs() {
        let mut out = Vec::new();
        let mut sink = ByStream::new(Json::lines(&mut out));
        sink.capture(&sample::capture()).unwrap();
        sink.connection(&sample::unread_data(2)).unwrap();
        sink.connection(&sample::unread_data(0)).unwrap();
        sink.late(&sample::late()).unwrap();
        sink.connection(&sample::unread_data(1)).unwrap();
        sink.summary(&sample::summary(3)).unwrap();
        drop(sink);
        let kinds: Vec<(String, Option<u64>)> = String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .map(|record| (record["type"].as_str().unwrap().to_owned(), record["stream"].as_u64()))
            .collect();
        let kinds: Vec<(&str, Option<u64>)> = kinds.iter().map(|(kind, stream)| (kind.as_str(), *stream)).collect();
        assert_eq!(
            kinds,
            [
                ("capture", None),
                ("connection", Some(0)),
                ("late", Some(0)),
                ("connection", Some(1)),
                ("connection", Some(2)),
                ("summary", None),
            ]
        );
    }

    #[test]
    fn a_selection_passes_what_has_one_of_each_kind_asked_for() {
        let streams_of = |selection: Selection| {
            let mut out = Vec::new();
            let mut sink = Selected::new(Json::lines(&mut out), selection);
            sink.connection(&sample::unread_data(0)).unwrap();
            sink.connection(&sample::final_ack_lost(1)).unwrap();
            sink.connection(&sample::open_v6(2)).unwrap();
            drop(sink);
            let stream = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["stream"].as_u64();
            String::from_utf8(out).unwrap().lines().filter_map(stream).collect::<Vec<u64>>()
        };
        let everything = Selection::default();
        assert_eq!(streams_of(everything.clone()), [0, 1, 2]);
        assert_eq!(streams_of(Selection { streams: vec![2, 0], ..everything.clone() }), [0, 2]);
        assert_eq!(streams_of(Selection { findings: vec!["final-ack-lost".to_owned()], ..everything.clone() }), [1]);
        let time_wait = vec![crate::connection::State::TimeWait];
        assert_eq!(streams_of(Selection { states: time_wait.clone(), ..everything.clone() }), [1, 2]);
        let hosts = vec!["10.0.0.2".parse().unwrap()];
        assert_eq!(streams_of(Selection { hosts: hosts.clone(), ..everything.clone() }), [0, 1]);
        assert_eq!(streams_of(Selection { ports: vec![443], ..everything.clone() }), [2]);
        assert_eq!(streams_of(Selection { hosts, states: time_wait, ..everything }), [1]);
    }
}
