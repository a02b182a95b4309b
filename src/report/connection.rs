//! The record of a connection, put down piece by piece: there is one for every connection, and so what is known of its shape is not
//! asked again. It is that of [`Record::Connection`](super::Record), which is what the contract says; a test holds both together.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::flow_id;
use super::line::Line;
use super::record::Filter;
use crate::base::{Endpoint, Side};
use crate::connection::StateStep;
use crate::finding::{EndpointView, Errno, Finding, ImpliedCall, Initiator, Reset, Tap, Verdict};

/// Appends the record of `verdict` to `line`.
pub(super) fn put(line: &mut Line, verdict: &Verdict) {
    line.literal(b"{\"type\":\"connection\",\"stream\":");
    line.number(verdict.stream);
    line.literal(b",\"id\":\"");
    line.literal(flow_id::connection_letters(verdict.client, verdict.server, verdict.start).octets());
    line.literal(b"\",\"community_id\":\"");
    line.literal(flow_id::community_letters(verdict.client, verdict.server).octets());
    line.literal(b"\",\"client\":");
    put_endpoint(line, verdict.client);
    line.literal(b",\"server\":");
    put_endpoint(line, verdict.server);
    line.literal(b",\"role_basis\":");
    line.name(verdict.role_basis.name());
    line.literal(b",\"tap\":");
    line.maybe(verdict.tap.map(Tap::name), Line::name);
    line.literal(b",\"start\":");
    line.moment(verdict.start);
    line.literal(b",\"end\":");
    line.moment(verdict.end);
    line.literal(b",\"first_frame\":");
    line.number(verdict.first_frame);
    line.literal(b",\"last_frame\":");
    line.number(verdict.last_frame);
    if let Some(through) = &verdict.through {
        line.literal(b",\"through\":");
        line.text(through);
    }
    if let Some(through) = &verdict.also_through {
        line.literal(b",\"also_through\":");
        line.text(through);
    }
    put_open_and_close(line, verdict);
    line.literal(b",\"endpoints\":{\"client\":");
    put_view(line, &verdict.endpoints[Side::Client]);
    line.literal(b",\"server\":");
    put_view(line, &verdict.endpoints[Side::Server]);
    line.literal(b"},\"completeness\":");
    line.number(verdict.completeness.into());
    line.literal(b",\"history\":");
    line.text(&verdict.history);
    line.literal(b",\"conn_state\":");
    line.name(verdict.conn_state);
    line.literal(b",\"resets\":");
    line.array(&verdict.resets, put_reset);
    line.literal(b",\"findings\":");
    line.array(&verdict.findings, |line, finding| put_finding(line, verdict.stream, finding));
    line.literal(b"}");
}

fn put_endpoint(line: &mut Line, end: Endpoint) {
    line.literal(b"{\"ip\":\"");
    match end.ip {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            line.number(a.into());
            for octet in [b, c, d] {
                line.literal(b".");
                line.number(octet.into());
            }
        }
        IpAddr::V6(ip) => {
            // Writing into memory does not fail.
            let _ = write!(line, "{ip}");
        }
    }
    line.literal(b"\",\"port\":");
    line.number(end.port.into());
    line.literal(b"}");
}

fn put_open_and_close(line: &mut Line, verdict: &Verdict) {
    let (open, close) = (&verdict.open, &verdict.close);
    line.literal(b",\"open\":{\"kind\":");
    line.name(open.kind.name());
    line.literal(b",\"frames\":");
    put_frames(line, &open.frames);
    line.literal(b",\"rtt_ns\":");
    line.maybe(open.rtt_ns, Line::signed);
    line.literal(b",\"syn_count\":");
    line.number(open.syn_count.into());
    line.literal(b",\"syn_ack_count\":");
    line.number(open.syn_ack_count.into());
    line.literal(b"},\"close\":{\"kind\":");
    line.name(close.kind.name());
    line.literal(b",\"initiator\":");
    line.maybe(close.initiator.map(Initiator::name), Line::name);
    line.literal(b",\"frames\":");
    put_frames(line, &close.frames);
    line.literal(b",\"idle_ns\":");
    line.maybe(close.idle_ns, Line::signed);
    line.literal(b"}");
}

fn put_frames(line: &mut Line, frames: &[u64]) {
    line.array(frames, |line, &frame| line.number(frame));
}

fn put_view(line: &mut Line, view: &EndpointView) {
    line.literal(b"{\"final_state\":");
    line.name(view.final_state().name());
    line.literal(b",\"states\":");
    line.array(&view.states, put_state);
    line.literal(b",\"frames\":");
    line.number(view.frames);
    line.literal(b",\"payload_bytes\":");
    line.number(view.payload_bytes);
    line.literal(b",\"retransmitted_bytes\":");
    line.number(view.retransmitted_bytes);
    line.literal(b",\"missing_bytes\":");
    line.number(view.missing_bytes);
    line.literal(b",\"retransmissions\":");
    line.number(view.sequence.retransmissions.into());
    line.literal(b",\"out_of_order\":");
    line.number(view.sequence.out_of_order.into());
    line.literal(b",\"keep_alives\":");
    line.number(view.sequence.keep_alives.into());
    line.literal(b",\"zero_windows\":");
    line.number(view.sequence.zero_windows.into());
    line.literal(b",\"last_payload_frame\":");
    line.maybe(view.last_payload.map(|payload| payload.frame), Line::number);
    line.literal(b",\"calls\":");
    line.array(&view.calls, put_call);
    line.literal(b",\"error\":");
    line.maybe(view.error.map(Errno::name), Line::name);
    line.literal(b",\"stack\":");
    line.name(view.stack.name);
    line.literal(b",\"stack_basis\":");
    line.name(view.stack.basis.name());
    line.literal(b"}");
}

fn put_state(line: &mut Line, step: &StateStep) {
    line.literal(b"{\"state\":");
    line.name(step.state.name());
    line.literal(b",\"time\":");
    line.moment(step.time);
    line.literal(b",\"frame\":");
    line.maybe(step.frame, Line::number);
    line.literal(b",\"basis\":");
    line.name(step.basis.name());
    line.literal(b"}");
}

fn put_call(line: &mut Line, call: &ImpliedCall) {
    line.literal(b"{\"call\":");
    line.name(call.call.name());
    line.literal(b",\"result\":");
    line.name(call.errno.map_or("ok", Errno::name));
    line.literal(b",\"frame\":");
    line.maybe(call.frame, Line::number);
    line.literal(b"}");
}

fn put_reset(line: &mut Line, reset: &Reset) {
    line.literal(b"{\"frame\":");
    line.number(reset.frame);
    line.literal(b",\"time\":");
    line.moment(reset.time);
    line.literal(b",\"from\":");
    line.name(reset.from.name());
    line.literal(b",\"origin\":");
    line.name(reset.origin.name());
    line.literal(b",\"family\":");
    line.maybe(reset.family, |line, family| line.name(family.name()));
    line.literal(b",\"cause\":");
    line.name(reset.cause.name());
    line.literal(b",\"confidence\":");
    line.name(reset.confidence.name());
    line.literal(b",\"rivals\":");
    line.array(&reset.rivals, |line, cause| line.name(cause.name()));
    line.literal(b",\"accepted\":");
    line.short(if reset.accepted { "true" } else { "false" });
    line.literal(b",\"client_bytes_lost\":");
    line.number(reset.client_bytes_lost);
    line.literal(b",\"server_bytes_lost\":");
    line.number(reset.server_bytes_lost);
    line.literal(b",\"echoes\":");
    line.number(reset.echoes.into());
    line.literal(b",\"evidence\":");
    line.text(&reset.evidence);
    line.literal(b"}");
}

fn put_finding(line: &mut Line, stream: u64, finding: &Finding) {
    line.literal(b"{\"name\":");
    line.name(finding.name);
    line.literal(b",\"severity\":");
    line.name(finding.severity.name());
    line.literal(b",\"confidence\":");
    line.name(finding.confidence.name());
    line.literal(b",\"endpoint\":");
    line.maybe(finding.endpoint.map(Side::name), Line::name);
    if let Some(outcome) = finding.outcome {
        line.literal(b",\"outcome\":");
        line.name(outcome);
    }
    if let Some(kind) = finding.kind {
        line.literal(b",\"kind\":");
        line.name(kind);
    }
    line.literal(b",\"frames\":");
    put_frames(line, &finding.frames);
    line.literal(b",\"time\":");
    line.moment(finding.time);
    line.literal(b",\"message\":");
    line.text(&finding.message);
    line.literal(b",\"filter\":\"");
    // Writing into memory does not fail.
    let _ = write!(line, "{}", Filter { stream, frames: &finding.frames });
    line.literal(b"\"}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Record, sample};

    #[test]
    fn it_is_what_serde_json_writes_of_the_record() {
        let plain = [sample::unread_data(0), sample::final_ack_lost(41), sample::open_v6(123_456_789)];
        let mut odd = sample::final_ack_lost(7);
        odd.through = Some("VLAN \"7\"\n".to_owned());
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
            put(&mut line, verdict);
            let expected = serde_json::to_string(&Record::Connection(verdict)).unwrap();
            assert_eq!(std::str::from_utf8(line.octets()), Ok(expected.as_str()));
        }
    }
}
