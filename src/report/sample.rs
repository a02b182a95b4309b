//! Hand-made results for the tests of the sinks.

use std::collections::BTreeMap;

use super::{CaptureRecord, LateRecord, PopulationFinding, Summary};
use crate::base::{Endpoint, FrameNumber, Seq, Side, Sides, Timestamp};
use crate::connection::State;
use crate::finding::*;
use crate::population::Peak;
use crate::segment::{Flags, Marks, Segment, TcpOptions};
use crate::source::LinkType;

/// Milliseconds after the sample's beginning, 2026-11-21 03:31:00 UTC.
pub fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_parts(1_795_231_860, 0).plus(ms * 1_000_000)
}

pub fn capture() -> CaptureRecord {
    CaptureRecord {
        files: vec!["shop.pcapng".to_owned()],
        format: "pcapng".to_owned(),
        link_types: vec![LinkType::ETHERNET],
    }
}

fn step(state: State, ms: i64, frame: u64, basis: Basis) -> StateStep {
    StateStep { state, time: at_ms(ms), frame: Some(frame), basis }
}

fn call(call: Call, errno: Option<Errno>, frame: u64) -> ImpliedCall {
    ImpliedCall { call, errno, frame: Some(frame) }
}

/// A connection that the server resets without having read everything.
pub fn unread_data(stream: u64) -> Verdict {
    let client = Endpoint::new("10.0.0.1".parse().unwrap(), 51_000 + u16::try_from(stream % 1000).unwrap());
    let server = Endpoint::new("10.0.0.2".parse().unwrap(), 80);
    Verdict {
        stream,
        client,
        server,
        role_basis: RoleBasis::Syn,
        tap: None,
        start: at_ms(0),
        end: at_ms(46),
        horizon: Some(at_ms(10_000)),
        first_frame: 1,
        last_frame: 7,
        through: None,
        through_back: None,
        also_through: None,
        is_sampled_alone: false,
        open: Open {
            kind: OpenKind::ThreeWay,
            frames: vec![1, 2, 3],
            rtt_ns: Some(1_200_000),
            syn_count: 1,
            syn_ack_count: 1,
            continued: None,
            resumes: None,
            refused_octets: 0,
        },
        close: Close { kind: CloseKind::Reset, initiator: Some(Initiator::Server), frames: vec![7], idle_ns: None },
        endpoints: Sides {
            client: EndpointView {
                stack: crate::connection::Profile::LINUX,
                states: vec![
                    step(State::SynSent, 0, 1, Basis::Seen),
                    step(State::Established, 1, 3, Basis::Seen),
                    step(State::Closed, 46, 7, Basis::Inferred),
                ],
                frames: 4,
                payload_bytes: 812,
                retransmitted_bytes: 0,
                missing_bytes: 0,
                unfilled_bytes: 0,
                sequence: Default::default(),
                last_payload: None,
                last_new_payload: None,
                unread: None,
                calls: vec![call(Call::Connect, None, 3), call(Call::Read, Some(Errno::ConnReset), 7)],
                error: Some(Errno::ConnReset),
            },
            server: EndpointView {
                stack: crate::connection::Profile::LINUX,
                states: vec![
                    step(State::SynReceived, 1, 2, Basis::Seen),
                    step(State::Established, 1, 3, Basis::Inferred),
                    step(State::Closed, 46, 7, Basis::Seen),
                ],
                frames: 3,
                payload_bytes: 20_140,
                retransmitted_bytes: 0,
                missing_bytes: 0,
                unfilled_bytes: 0,
                sequence: Default::default(),
                last_payload: None,
                last_new_payload: None,
                unread: None,
                calls: vec![call(Call::Accept, None, 3), call(Call::Close, None, 7)],
                error: None,
            },
        },
        completeness: 47,
        history: "ShADadr".to_owned(),
        conn_state: "RSTR",
        resets: vec![Reset {
            frame: 7,
            time: at_ms(46),
            from: Side::Server,
            origin: Origin::Endpoint,
            family: Some(Family::Active),
            cause: Cause::UnreadData,
            confidence: Confidence::Medium,
            rivals: vec![Cause::LingerZero],
            kind: None,
            accepted: true,
            taken_in: None,
            client_bytes_lost: 212,
            server_bytes_lost: 0,
            octets_unseen: 0,
            echoes: 2,
            evidence: "212 bytes came after the server's last data and were not answered".to_owned(),
        }],
        findings: vec![Finding {
            name: "reset-unread-data",
            group: Group::Reset,
            severity: Severity::Error,
            confidence: Confidence::Medium,
            endpoint: Some(Side::Server),
            outcome: None,
            kind: None,
            frames: vec![6, 7],
            time: at_ms(46),
            message: "The server closed the connection while 212 bytes from the client had not been read: its kernel \
                      reset the connection instead of closing it."
                .to_owned(),
        }],
    }
}

/// A clean close by the client whose last ACK had to be sent again.
pub fn final_ack_lost(stream: u64) -> Verdict {
    let mut verdict = unread_data(stream);
    verdict.close = Close {
        kind: CloseKind::FourSegment,
        initiator: Some(Initiator::Client),
        frames: vec![4, 5, 6, 7],
        idle_ns: None,
    };
    verdict.resets.clear();
    verdict.conn_state = "SF";
    for (side, state) in [(Side::Client, State::TimeWait), (Side::Server, State::LastAck)] {
        let view = &mut verdict.endpoints[side];
        view.error = None;
        view.calls.truncate(1);
        view.states.pop();
        view.states.push(step(state, 46, 7, Basis::Seen));
    }
    verdict.findings = vec![Finding {
        name: "final-ack-lost",
        group: Group::Teardown,
        severity: Severity::Note,
        confidence: Confidence::High,
        endpoint: Some(Side::Client),
        outcome: Some("recovered"),
        kind: None,
        frames: vec![6, 7],
        time: at_ms(46),
        message:
            "The last ACK of the close was lost; the server sent its FIN again after 204 ms and the client, still \
                  in TIME-WAIT, acknowledged it again."
                .to_owned(),
    }];
    verdict
}

/// A quiet connection between two IPv6 hosts that is still open.
pub fn open_v6(stream: u64) -> Verdict {
    let mut verdict = final_ack_lost(stream);
    verdict.client = Endpoint::new("2001:db8:85a3:1234:5678:8a2e:370:7334".parse().unwrap(), 51_000);
    verdict.server = Endpoint::new("2001:db8:85a3:1234:5678:8a2e:370:1".parse().unwrap(), 443);
    verdict.close = Close { kind: CloseKind::None, initiator: None, frames: Vec::new(), idle_ns: None };
    verdict.findings.clear();
    verdict
}

pub fn late() -> LateRecord {
    LateRecord {
        stream: 0,
        frame: 90,
        time: at_ms(70_000),
        side: Side::Client,
        findings: vec![Finding {
            name: "stray-segment",
            group: Group::AfterClose,
            severity: Severity::Note,
            confidence: Confidence::High,
            endpoint: None,
            outcome: None,
            kind: Some("late-retransmission"),
            frames: vec![90],
            time: at_ms(70_000),
            message: "A retransmission came 69.9 s after the end.".to_owned(),
        }],
    }
}

pub fn population() -> PopulationFinding {
    PopulationFinding {
        name: "close-wait-accumulation",
        severity: Severity::Warning,
        confidence: Confidence::High,
        host: "10.0.0.2".parse().unwrap(),
        service: Some(Endpoint::new("10.0.0.2".parse().unwrap(), 80)),
        owner: Some(Side::Server),
        from: at_ms(0),
        to: at_ms(60_000),
        peak: Some(Peak { sockets: 3, at: at_ms(30_000) }),
        per_second: Some(0.1),
        limit: Some(1_024),
        runs_out: None,
        streams: vec![4, 5, 6],
        frames: vec![40, 50, 60],
        message: "Sockets in CLOSE-WAIT grew from 0 to 3.".to_owned(),
    }
}

pub fn summary(connections: u64) -> Summary {
    Summary {
        frames: 12,
        segments: 9,
        non_tcp: 2,
        skipped: BTreeMap::from([("truncated-ip-header".to_owned(), 1)]),
        connections,
        findings: BTreeMap::from([("reset-unread-data".to_owned(), 1)]),
        ..Summary::default()
    }
}

/// Segments as `unread_data` describes them.
pub fn segments(verdict: &Verdict) -> Vec<Segment> {
    const CLIENT_ISN: u32 = u32::MAX - 100;
    const SERVER_ISN: u32 = 5_000;
    let rows: [(u64, i64, Side, Flags, u32, u32, u32); 7] = [
        (1, 0, Side::Client, Flags::SYN, 0, 0, 0),
        (2, 1, Side::Server, Flags::SYN | Flags::ACK, 0, 1, 0),
        (3, 1, Side::Client, Flags::ACK, 1, 1, 0),
        (4, 2, Side::Client, Flags::PSH | Flags::ACK, 1, 1, 600),
        (5, 3, Side::Server, Flags::PSH | Flags::ACK, 1, 601, 20_140),
        (6, 45, Side::Client, Flags::PSH | Flags::ACK, 601, 20_141, 212),
        (7, 46, Side::Server, Flags::RST | Flags::ACK, 20_141, 813, 0),
    ];
    let segment = |(frame, ms, side, flags, seq, ack, payload_len)| {
        let (own, peer) = match side {
            Side::Client => (CLIENT_ISN, SERVER_ISN),
            Side::Server => (SERVER_ISN, CLIENT_ISN),
        };
        let (source, destination) = match side {
            Side::Client => (verdict.client, verdict.server),
            Side::Server => (verdict.server, verdict.client),
        };
        Segment {
            time: at_ms(ms),
            frame: FrameNumber(frame),
            source,
            destination,
            seq: Seq(own) + seq,
            ack: Seq(peer) + ack,
            payload_len,
            window: 502,
            flags,
            ip_id: 0,
            ttl: 64,
            marks: Marks::empty(),
            interface: 0,
            context: 0,
            realm: 0,
            digest: 0,
            options: TcpOptions { mss: flags.contains(Flags::SYN).then_some(1460), ..TcpOptions::default() },
        }
    };
    rows.map(segment).to_vec()
}

/// Holds `actual` to the file `golden/NAME.txt` beside this one. With `UPDATE_GOLDEN=1` the file is written instead, to
/// be read before it is committed.
pub fn assert_golden(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/report/golden/{name}.txt"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == actual, "{} differs; it should be\n{expected}\nand is\n{actual}", path.display());
}

/// No line of `text` is wider than `width` columns.
pub fn assert_fits(text: &str, width: usize) {
    for line in text.lines() {
        assert!(super::layout::columns(line) <= width, "more than {width} columns: {line}");
    }
}
