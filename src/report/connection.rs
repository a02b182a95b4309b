//! The record of a connection, put down piece by piece: there is one for every connection, and so what is known of its shape is not
//! asked again. It is that of [`Record::Connection`](super::Record), which is what the contract says; a test holds both together.

use std::net::IpAddr;

use super::flow_id;
use super::pen::{Clock, Pen, Piece};
use super::record::Filter;
use crate::base::{Endpoint, Side};
use crate::connection::{Basis, SequenceCounts, State, StateStep};
use crate::finding::{Call, EndpointView, Errno, Finding, ImpliedCall, Initiator, Reset, Tap, Verdict};

/// Puts down the record of `verdict`.
pub(super) fn put<'a>(pen: Pen<'a>, clock: &mut Clock, verdict: &Verdict) -> Pen<'a> {
    let pen = put_ends(pen, verdict)
        .literal(b",\"role_basis\":")
        .name(verdict.role_basis.name())
        .literal(b",\"tap\":")
        .maybe(verdict.tap.map(Tap::name), Pen::name)
        .literal(b",\"start\":")
        .moment(verdict.start, clock)
        .literal(b",\"end\":")
        .moment(verdict.end, clock)
        .literal(b",\"first_frame\":")
        .number(verdict.first_frame)
        .literal(b",\"last_frame\":")
        .number(verdict.last_frame);
    let pen = match &verdict.through {
        Some(through) => pen.literal(b",\"through\":").text(through),
        None => pen,
    };
    let pen = match &verdict.through_back {
        Some(through) => pen.literal(b",\"through_back\":").text(through),
        None => pen,
    };
    let pen = match &verdict.also_through {
        Some(through) => pen.literal(b",\"also_through\":").text(through),
        None => pen,
    };
    let pen = put_open_and_close(pen, verdict).literal(b",\"endpoints\":{\"client\":");
    let pen = put_view(pen, clock, &verdict.endpoints[Side::Client]).literal(b",\"server\":");
    put_view(pen, clock, &verdict.endpoints[Side::Server])
        .literal(b"},\"completeness\":")
        .number(verdict.completeness.into())
        .literal(b",\"history\":")
        .text(&verdict.history)
        .literal(b",\"conn_state\":")
        .name(verdict.conn_state)
        .literal(b",\"resets\":")
        .array(&verdict.resets, |pen, reset| put_reset(pen, clock, reset))
        .literal(b",\"findings\":")
        .array(&verdict.findings, |pen, finding| put_finding(pen, clock, verdict.stream, finding))
        .literal(b"}")
}

fn put_ends<'a>(pen: Pen<'a>, verdict: &Verdict) -> Pen<'a> {
    let pen = pen
        .literal(b"{\"type\":\"connection\",\"stream\":")
        .number(verdict.stream)
        .literal(b",\"id\":\"")
        .literal(flow_id::connection_letters(verdict.client, verdict.server, verdict.start).octets())
        .literal(b"\",\"community_id\":\"")
        .literal(flow_id::community_letters(verdict.client, verdict.server).octets())
        .literal(b"\",\"client\":");
    let pen = put_endpoint(pen, verdict.client).literal(b",\"server\":");
    put_endpoint(pen, verdict.server)
}

fn put_endpoint(pen: Pen<'_>, end: Endpoint) -> Pen<'_> {
    let pen = pen.literal(b"{\"ip\":\"");
    let pen = match end.ip {
        IpAddr::V4(ip) => pen.ip_v4(ip),
        IpAddr::V6(ip) => pen.display(ip),
    };
    pen.literal(b"\",\"port\":").number(end.port.into()).literal(b"}")
}

fn put_open_and_close<'a>(pen: Pen<'a>, verdict: &Verdict) -> Pen<'a> {
    let (open, close) = (&verdict.open, &verdict.close);
    let pen = pen.literal(b",\"open\":{\"kind\":").name(open.kind.name()).literal(b",\"frames\":");
    let pen = put_frames(pen, &open.frames)
        .literal(b",\"rtt_ns\":")
        .maybe(open.rtt_ns, Pen::signed)
        .literal(b",\"syn_count\":")
        .number(open.syn_count.into())
        .literal(b",\"syn_ack_count\":")
        .number(open.syn_ack_count.into())
        .literal(b"},\"close\":{\"kind\":")
        .name(close.kind.name())
        .literal(b",\"initiator\":")
        .maybe(close.initiator.map(Initiator::name), Pen::name)
        .literal(b",\"frames\":");
    put_frames(pen, &close.frames).literal(b",\"idle_ns\":").maybe(close.idle_ns, Pen::signed).literal(b"}")
}

fn put_frames<'a>(pen: Pen<'a>, frames: &[u64]) -> Pen<'a> {
    pen.array(frames, |pen, &frame| pen.number(frame))
}

fn put_view<'a>(pen: Pen<'a>, clock: &mut Clock, view: &EndpointView) -> Pen<'a> {
    let pen = pen
        .literal(b"{\"final_state\":")
        .piece(&STATES[view.final_state() as usize])
        .literal(b",\"states\":")
        .array(&view.states, |pen, step| put_state(pen, clock, step))
        .literal(b",\"frames\":")
        .number(view.frames)
        .literal(b",\"payload_bytes\":")
        .number(view.payload_bytes);
    put_trouble(pen, view)
        .literal(b",\"last_payload_frame\":")
        .maybe(view.last_payload.map(|payload| payload.frame), Pen::number)
        .literal(b",\"calls\":")
        .array(&view.calls, put_call)
        .literal(b",\"error\":")
        .maybe(view.error.map(Errno::name), Pen::name)
        .literal(b",\"stack\":")
        .name(view.stack.name)
        .literal(b",\"stack_basis\":")
        .name(view.stack.basis.name())
        .literal(b"}")
}

/// What went wrong in what one end sent, mostly nothing.
#[inline]
fn put_trouble<'a>(pen: Pen<'a>, view: &EndpointView) -> Pen<'a> {
    let SequenceCounts { retransmissions, out_of_order, keep_alives, zero_windows } = view.sequence;
    let counts = retransmissions | out_of_order | keep_alives | zero_windows;
    if view.retransmitted_bytes | view.missing_bytes | u64::from(counts) == 0 {
        return pen.literal(
            b",\"retransmitted_bytes\":0,\"missing_bytes\":0,\"retransmissions\":0,\"out_of_order\":0,\
            \"keep_alives\":0,\"zero_windows\":0",
        );
    }
    pen.literal(b",\"retransmitted_bytes\":")
        .number(view.retransmitted_bytes)
        .literal(b",\"missing_bytes\":")
        .number(view.missing_bytes)
        .literal(b",\"retransmissions\":")
        .number(retransmissions.into())
        .literal(b",\"out_of_order\":")
        .number(out_of_order.into())
        .literal(b",\"keep_alives\":")
        .number(keep_alives.into())
        .literal(b",\"zero_windows\":")
        .number(zero_windows.into())
}

/// A piece for each word of a vocabulary.
macro_rules! pieces {
    ($words:ident, $before:literal, $after:literal) => {{
        let mut pieces = [Piece::of("", "", ""); $words::ALL.len()];
        let mut at = 0;
        while at < pieces.len() {
            pieces[$words::ALL[at] as usize] = Piece::of($before, $words::ALL[at].name(), $after);
            at += 1;
        }
        pieces
    }};
}

/// The name of each state.
static STATES: [Piece<16>; State::ALL.len()] = pieces!(State, "\"", "\"");
/// How entering each state begins.
static STEPS: [Piece<32>; State::ALL.len()] = pieces!(State, "{\"state\":\"", "\",\"time\":");
/// And how it ends.
static BASES: [Piece<24>; Basis::ALL.len()] = pieces!(Basis, ",\"basis\":\"", "\"}");
/// How a call begins that succeeded.
static CALLS: [Piece<48>; Call::ALL.len()] = pieces!(Call, "{\"call\":\"", "\",\"result\":\"ok\",\"frame\":");

#[inline(always)]
fn put_state<'a>(pen: Pen<'a>, clock: &mut Clock, step: &StateStep) -> Pen<'a> {
    pen.piece(&STEPS[step.state as usize])
        .moment(step.time, clock)
        .literal(b",\"frame\":")
        .maybe(step.frame, Pen::number)
        .piece(&BASES[step.basis as usize])
}

#[inline(always)]
fn put_call<'a>(pen: Pen<'a>, call: &ImpliedCall) -> Pen<'a> {
    let pen = match call.errno {
        None => pen.piece(&CALLS[call.call as usize]),
        Some(errno) => {
            let pen = pen.literal(b"{\"call\":").name(call.call.name()).literal(b",\"result\":");
            pen.name(errno.name()).literal(b",\"frame\":")
        }
    };
    pen.maybe(call.frame, Pen::number).literal(b"}")
}

fn put_reset<'a>(pen: Pen<'a>, clock: &mut Clock, reset: &Reset) -> Pen<'a> {
    pen.literal(b"{\"frame\":")
        .number(reset.frame)
        .literal(b",\"time\":")
        .moment(reset.time, clock)
        .literal(b",\"from\":")
        .name(reset.from.name())
        .literal(b",\"origin\":")
        .name(reset.origin.name())
        .literal(b",\"family\":")
        .maybe(reset.family, |pen, family| pen.name(family.name()))
        .literal(b",\"cause\":")
        .name(reset.cause.name())
        .literal(b",\"confidence\":")
        .name(reset.confidence.name())
        .literal(b",\"rivals\":")
        .array(&reset.rivals, |pen, cause| pen.name(cause.name()))
        .literal(b",\"accepted\":")
        .short(if reset.accepted { "true" } else { "false" })
        .literal(b",\"client_bytes_lost\":")
        .number(reset.client_bytes_lost)
        .literal(b",\"server_bytes_lost\":")
        .number(reset.server_bytes_lost)
        .literal(b",\"echoes\":")
        .number(reset.echoes.into())
        .literal(b",\"evidence\":")
        .text(&reset.evidence)
        .literal(b"}")
}

fn put_finding<'a>(pen: Pen<'a>, clock: &mut Clock, stream: u64, finding: &Finding) -> Pen<'a> {
    let pen = pen
        .literal(b"{\"name\":")
        .name(finding.name)
        .literal(b",\"severity\":")
        .name(finding.severity.name())
        .literal(b",\"confidence\":")
        .name(finding.confidence.name())
        .literal(b",\"endpoint\":")
        .maybe(finding.endpoint.map(Side::name), Pen::name);
    let pen = match finding.outcome {
        Some(outcome) => pen.literal(b",\"outcome\":").name(outcome),
        None => pen,
    };
    let pen = match finding.kind {
        Some(kind) => pen.literal(b",\"kind\":").name(kind),
        None => pen,
    };
    let pen = put_frames(pen.literal(b",\"frames\":"), &finding.frames)
        .literal(b",\"time\":")
        .moment(finding.time, clock)
        .literal(b",\"message\":")
        .text(&finding.message)
        .literal(b",\"filter\":\"");
    put_filter(pen, Filter { stream, frames: &finding.frames }).literal(b"\"}")
}

/// Puts down what [`Filter`] displays.
fn put_filter<'a>(pen: Pen<'a>, filter: Filter<'_>) -> Pen<'a> {
    let pen = pen.literal(b"tcp.stream eq ").number(filter.stream);
    if filter.frames.is_empty() {
        return pen;
    }
    let mut pen = pen.literal(b" && frame.number in {");
    for (at, (first, last)) in filter.runs().enumerate() {
        pen = if at > 0 { pen.literal(b", ") } else { pen }.number(first);
        pen = match last {
            Some(last) => pen.literal(b"..").number(last),
            None => pen,
        };
    }
    pen.literal(b"}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::line::Line;
    use crate::report::{Record, sample};

    #[test]
    fn it_is_what_serde_json_writes_of_the_record() {
        let plain = [sample::unread_data(0), sample::final_ack_lost(41), sample::open_v6(123_456_789)];
        let mut odd = sample::final_ack_lost(7);
        odd.through = Some("VLAN \"7\"\n".to_owned());
        odd.through_back = Some("GTP-U".to_owned());
        odd.also_through = Some("GRE \u{1f}\\".to_owned());
        odd.history = "ShA\"".to_owned();
        odd.open.rtt_ns = Some(-1_200);
        odd.findings[0].message = "tab\there".to_owned();
        odd.findings[0].frames = vec![1, 2, 3, 9, u64::MAX];
        let mut nothing = sample::unread_data(u64::MAX);
        nothing.findings.clear();
        nothing.resets.clear();
        nothing.endpoints.client.states.clear();
        for verdict in plain.iter().chain([&odd, &nothing]) {
            let mut line = Line::default();
            line.compose(|pen, clock| put(pen, clock, verdict));
            let expected = serde_json::to_string(&Record::Connection(verdict)).unwrap();
            assert_eq!(std::str::from_utf8(line.octets()), Ok(expected.as_str()));
        }
    }
}
