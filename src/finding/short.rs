//! What is found and said of a connection of which the life was told in short: the same as of the whole of it, which debug builds
//! hold it to.

use super::verdict::{
    Call, Cause, Close, EndpointView, Errno, ImpliedCall, Open, OpenKind, Payload, Reset, RoleBasis, Verdict,
};
use super::{Found, Sketch, Thresholds, Words, capture, handshake, reset, teardown, transfer};
use crate::base::{Side, Sides};
use crate::connection::{CloseKind, Orderly, SequenceCounts};

/// Wireshark's `tcp.completeness`: a SYN alone, a whole handshake, an acknowledgment, payload, a FIN, a RST.
const ASKED: u8 = 1;
const OPENED: u8 = 7;
const ACK: u8 = 4;
const DATA: u8 = 8;
const FIN: u8 = 16;
const RST: u8 = 32;

impl Sketch {
    /// Looks at a connection of which the life was told in short. False when that is not enough to say what is found: then
    /// nothing is known of it.
    pub fn draw_orderly(&mut self, orderly: &Orderly, thresholds: &Thresholds) -> bool {
        self.found.findings.clear();
        reset::judge_orderly(orderly, Words::Spared, &mut self.resets);
        detect(orderly, &self.resets, thresholds, &mut self.found)
    }
}

/// Asks the findings that can concern such a connection, in the order of the catalogue. False when the life in short is not
/// enough to say.
#[inline]
fn detect(orderly: &Orderly, resets: &[Reset], thresholds: &Thresholds, found: &mut Found) -> bool {
    let is_closed = orderly.fins.client.is_some() && orderly.fins.server.is_some() && orderly.abort.is_none();
    if is_closed && orderly.cut.is_none() && orderly.large.is_none() && !thresholds.is_idle(orderly.silence_ns) {
        // All look for something of this that is missing or too much, and most lives end here.
        return true;
    }
    detect_otherwise(orderly, resets, thresholds, found)
}

#[inline(never)]
fn detect_otherwise(orderly: &Orderly, resets: &[Reset], thresholds: &Thresholds, found: &mut Found) -> bool {
    if orderly.open == OpenKind::Unanswered {
        handshake::syn_unanswered::alone(orderly, found);
        capture::snaplen_cut::of_orderly(orderly, found);
        return true;
    }
    if let Some(refusal) = orderly.refusal {
        handshake::connection_refused::of_orderly(orderly, refusal, found);
        reset::tell_orderly(orderly, resets, found);
        // The answer may have come late.
        let is_idle_told = transfer::idle::of_orderly(orderly, thresholds, found);
        capture::snaplen_cut::of_orderly(orderly, found);
        return is_idle_told;
    }
    handshake::aborted_before_accept::of_orderly(orderly, resets, found);
    teardown::close_wait_stuck::of_orderly(orderly, thresholds, found);
    reset::tell_orderly(orderly, resets, found);
    if !transfer::idle::of_orderly(orderly, thresholds, found) {
        return false;
    }
    capture::ended_early::of_orderly(orderly, found);
    capture::snaplen_cut::of_orderly(orderly, found);
    capture::offload_segments::of_orderly(orderly, found);
    true
}

/// Whether a life in short is enough to say what is found, and all else that a verdict says.
pub fn is_enough(orderly: &Orderly, thresholds: &Thresholds) -> bool {
    !orderly.is_mixed && transfer::idle::is_known(orderly, thresholds)
}

/// Diagnoses a connection of which the life was told in short: writes what [`conclude`](super::conclude) would return over
/// `verdict`, whose memory is used again. False when only the whole life tells; `verdict` is then that of nothing.
pub fn conclude_orderly(orderly: &Orderly, thresholds: &Thresholds, verdict: &mut Verdict) -> bool {
    let mut found = Found::within(std::mem::take(&mut verdict.findings), Words::Written);
    reset::judge_orderly(orderly, Words::Written, &mut verdict.resets);
    if orderly.is_mixed || !detect(orderly, &verdict.resets, thresholds, &mut found) {
        return false;
    }
    found.findings.sort_by_key(|finding| (finding.frames.first().copied(), finding.name));
    // All of it is named, so that what is added to a verdict is not forgotten here.
    let Verdict {
        stream,
        client,
        server,
        role_basis,
        tap,
        start,
        end,
        horizon,
        first_frame,
        last_frame,
        through,
        through_back,
        also_through,
        is_sampled_alone,
        open,
        close,
        endpoints,
        completeness,
        history,
        conn_state,
        resets,
        findings,
    } = verdict;
    (*stream, *client, *server) = (orderly.stream, orderly.client, orderly.server);
    (*role_basis, *tap) = (RoleBasis::Syn, orderly.tap());
    (*start, *end) = (orderly.start, orderly.end);
    // The capture went on by a clock that was set back.
    *horizon = Some(orderly.horizon).filter(|&horizon| horizon >= orderly.end);
    (*first_frame, *last_frame) = (orderly.syn_frame, orderly.last_frame);
    (*through, *through_back, *also_through, *is_sampled_alone) = (None, None, None, false);
    write_open(orderly, open);
    write_close(orderly, close);
    for side in Side::BOTH {
        write_view(orderly, side, resets, &mut endpoints[side]);
    }
    *completeness = completeness_of(orderly);
    history.clear();
    history.push_str(orderly.history.as_str());
    *conn_state = conn_state_of(orderly);
    let has_reset = orderly.refusal.is_some() || orderly.abort.is_some();
    debug_assert_eq!(resets.len(), usize::from(has_reset), "they were judged before");
    *findings = found.findings;
    true
}

fn write_open(orderly: &Orderly, open: &mut Open) {
    let Open { kind, frames, rtt_ns, continued, resumes, refused_octets, syn_count, syn_ack_count } = open;
    (*kind, *rtt_ns, *continued, *resumes, *refused_octets) = (orderly.open, orderly.rtt_ns(), None, None, 0);
    frames.clear();
    orderly.put_opening_frames(frames);
    (*syn_count, *syn_ack_count) = (1, orderly.syn_acks());
}

fn write_close(orderly: &Orderly, close: &mut Close) {
    let Close { kind, initiator, frames, idle_ns } = close;
    (*kind, *initiator, *idle_ns) = (orderly.close, orderly.initiator, orderly.idle_ns);
    frames.clear();
    orderly.put_closing_frames(frames);
}

fn write_view(orderly: &Orderly, side: Side, resets: &[Reset], view: &mut EndpointView) {
    let EndpointView {
        stack,
        states,
        frames,
        payload_bytes,
        retransmitted_bytes,
        missing_bytes,
        unfilled_bytes,
        sequence,
        last_payload,
        last_new_payload,
        unread,
        calls,
        error,
    } = view;
    let sent = &orderly.sent[side];
    *stack = orderly.profiles[side];
    states.clear();
    states.extend_from_slice(&orderly.states(side));
    (*frames, *payload_bytes) = (sent.frames, sent.payload_bytes);
    (*retransmitted_bytes, *missing_bytes, *unfilled_bytes) = (0, 0, 0);
    *sequence = SequenceCounts::default();
    *last_payload = sent.last_payload.map(|last| Payload {
        frame: last.place.frame,
        time: last.place.time,
        octets: last.octets,
        is_acknowledged: last.is_acknowledged,
        is_refused: false,
        is_repeated: false,
        is_older: false,
        is_followed: false,
        heard: last.heard,
    });
    // Nothing was sent again, and nothing came behind an end.
    (*last_new_payload, *unread) = (*last_payload, None);
    let fin = orderly.fins[side];
    *error = match (&orderly.refusal, &orderly.abort) {
        (Some(_), _) if side == Side::Client => Some(Errno::ConnRefused),
        (_, Some(abort)) if abort.side != side && fin.is_none() => Some(Errno::ConnReset),
        _ => None,
    };
    calls.clear();
    write_calls(orderly, side, calls);
    if let (Some(abort), Some(reset)) = (&orderly.abort, resets.first()) {
        let (call, errno) = match (abort.side == side, reset.cause) {
            // It had closed: no call is left that could fail.
            (false, _) if fin.is_some() => return,
            (false, _) => (Call::Read, Some(Errno::ConnReset)),
            (true, _) if !reset.tells_call() => return,
            (true, Cause::UnreadData) => (Call::Close, None),
            (true, _) => (Call::Abort, None),
        };
        calls.push(ImpliedCall { call, errno, frame: Some(abort.at.frame) });
    }
}

/// The calls that the packets imply: as [`application`](super::application) has them.
fn write_calls(orderly: &Orderly, side: Side, calls: &mut Vec<ImpliedCall>) {
    if let (Some(refusal), Side::Client) = (orderly.refusal, side) {
        let errno = Some(Errno::ConnRefused);
        calls.push(ImpliedCall { call: Call::Connect, errno, frame: Some(refusal.frame) });
    }
    let mut call = |call: Call, frame: u64| calls.push(ImpliedCall { call, errno: None, frame: Some(frame) });
    let fin = orderly.fins[side].map(|fin| fin.frame);
    if orderly.opened.is_some() {
        // What only an application with an accepted socket does.
        let acts = [orderly.sent[side].first_payload, fin].into_iter().flatten().min();
        match (side, orderly.syn_ack, acts) {
            (Side::Client, Some(syn_ack), _) => call(Call::Connect, syn_ack.frame),
            (Side::Server, _, Some(acts)) => call(Call::Accept, acts),
            _ => {}
        }
    }
    if let Some(fin) = fin {
        let reads_on = orderly.reads_on && orderly.closer() == Some(side);
        call(if reads_on { Call::Shutdown } else { Call::Close }, fin);
    }
}

fn completeness_of(orderly: &Orderly) -> u8 {
    let either = |is: fn(&Orderly, Side) -> bool| Side::BOTH.into_iter().any(|side| is(orderly, side));
    let opening = if orderly.opened.is_some() { OPENED } else { ASKED };
    let data = if either(|orderly, side| orderly.sent[side].payload_bytes > 0) { DATA } else { 0 };
    let fin = if either(|orderly, side| orderly.fins[side].is_some()) { FIN } else { 0 };
    let reset = if orderly.refusal.is_some() || orderly.abort.is_some() { ACK | RST } else { 0 };
    opening | data | fin | reset
}

/// Zeek's word for it.
fn conn_state_of(orderly: &Orderly) -> &'static str {
    let Sides { client, server } = orderly.fins;
    match (orderly.open, client.is_some(), server.is_some()) {
        (OpenKind::Unanswered, ..) => "S0",
        (OpenKind::Refused, ..) => "REJ",
        _ if orderly.abort.is_some_and(|abort| abort.side == Side::Server) => "RSTR",
        _ if orderly.abort.is_some() => "RSTO",
        (_, true, true) => "SF",
        (_, true, false) => "S2",
        (_, false, true) => "S3",
        (_, false, false) => "S1",
    }
}

impl Verdict {
    /// That of nothing yet: room for one.
    pub fn blank() -> Self {
        let nowhere = crate::base::Endpoint::new(std::net::Ipv4Addr::UNSPECIFIED.into(), 0);
        let zero = crate::base::Timestamp(0);
        Self {
            stream: 0,
            client: nowhere,
            server: nowhere,
            role_basis: RoleBasis::Guess,
            tap: None,
            start: zero,
            end: zero,
            horizon: None,
            first_frame: 0,
            last_frame: 0,
            through: None,
            through_back: None,
            also_through: None,
            is_sampled_alone: false,
            open: Open {
                kind: OpenKind::Midstream,
                frames: Vec::new(),
                rtt_ns: None,
                continued: None,
                resumes: None,
                refused_octets: 0,
                syn_count: 0,
                syn_ack_count: 0,
            },
            close: Close { kind: CloseKind::None, initiator: None, frames: Vec::new(), idle_ns: None },
            endpoints: Sides::default(),
            completeness: 0,
            history: String::new(),
            conn_state: "OTH",
            resets: Vec::new(),
            findings: Vec::new(),
        }
    }
}
