//! The direct answers about one connection: how it opened, who closed or reset it and why, whether data was lost,
//! what the applications saw, and whether the capture itself is to blame. Words only; nothing is decided here.

mod request;

use super::layout::UNBROKEN;
use super::quantity::{count, counted, duration, octets};
use crate::base::{Side, Timestamp};
use crate::finding::{
    Basis, Cause, CloseKind, Confidence, Culprit, EndpointView, Errno, Group, Initiator, OpenKind, Origin, Reset,
    RoleBasis, Severity, State, StateStep, Verdict,
};

use request::request;

/// How a connection ended, in a few words for a table: `client closed first`, `reset by server`.
pub fn ending(verdict: &Verdict) -> String {
    match (verdict.open.kind, verdict.close.kind) {
        (OpenKind::Rejected, _) => "rejected by ICMP".to_owned(),
        (OpenKind::Unanswered, CloseKind::None | CloseKind::TimedOut) => "SYN unanswered".to_owned(),
        (OpenKind::HalfOpen, CloseKind::None | CloseKind::TimedOut) => "handshake unfinished".to_owned(),
        (_, CloseKind::Refused) => "refused".to_owned(),
        (_, CloseKind::FourSegment | CloseKind::ThreeSegment | CloseKind::HalfClosed) => {
            let half = if verdict.gist().is_one_ended { "only" } else { "first" };
            match verdict.close.initiator {
                Some(Initiator::Client) => format!("client closed {half}"),
                Some(Initiator::Server) => format!("server closed {half}"),
                Some(Initiator::Both) => "both closed at once".to_owned(),
                None => "closed".to_owned(),
            }
        }
        (_, CloseKind::Simultaneous) => "both closed at once".to_owned(),
        (_, CloseKind::Reset) => match verdict.gist().ending_reset() {
            Some(reset) if reset.origin == Origin::Middlebox => format!("reset in {}'s name", reset.from),
            Some(reset) if verdict.gist().is_reset_in_vain => format!("reset by {}, not taken", reset.from),
            Some(reset) => format!("reset by {}", reset.from),
            None => "reset".to_owned(),
        },
        (_, CloseKind::TimedOut) => "timed out".to_owned(),
        (_, CloseKind::None) if verdict.is_sampled_alone => "not known".to_owned(),
        (_, CloseKind::None) if is_evicted(verdict) => "not followed further".to_owned(),
        (_, CloseKind::None) if verdict.open.continued.is_some() => "goes on in the next".to_owned(),
        (_, CloseKind::None) if verdict.gist().is_replaced => "replaced".to_owned(),
        (_, CloseKind::None) if verdict.gist().is_unopened => "handshake unfinished".to_owned(),
        (_, CloseKind::None) if verdict.gist().is_end_unknown => "not known".to_owned(),
        (_, CloseKind::None) => "still open".to_owned(),
    }
}

/// What is asked first about a connection, as pairs of a question's keyword and its answer in whole sentences.
pub fn answers(verdict: &Verdict) -> Vec<(&'static str, String)> {
    let mut answers = vec![("opened", opened(verdict)), ("closed", closed(verdict))];
    answers.extend(verdict.resets.iter().map(|reset| ("reset", reset_sentence(verdict, reset))));
    if let Some(way) = through(verdict) {
        answers.push(("through", way));
    }
    if let Some(way) = &verdict.also_through {
        let mixed = format!(
            "one end's segments came through {way}, too: perhaps more than one connection; --split-by tells them apart"
        );
        answers.push(("mixed", mixed));
    }
    if let Some(request) = request(verdict) {
        answers.push(("request", request));
    }
    answers.push(("data", data(verdict)));
    answers.push(("states", states(verdict)));
    if let Some(calls) = calls(verdict) {
        answers.push(("apps", calls));
    }
    if let Some(fault) = fault(verdict) {
        answers.push(("fault", fault));
    }
    if let Some(blame) = blame(verdict) {
        answers.push(("capture", blame));
    }
    answers
}

fn through(verdict: &Verdict) -> Option<String> {
    let Some(back) = &verdict.through_back else { return verdict.through.clone() };
    Some(format!("{}; the other way {back}", verdict.through.as_deref().unwrap_or("no tunnel or VLAN")))
}

fn opened(verdict: &Verdict) -> String {
    let open = &verdict.open;
    let repeated = match (open.syn_count, open.syn_ack_count) {
        (2.., 2..) => format!(" after {} SYNs and {} SYN-ACKs", open.syn_count, open.syn_ack_count),
        (2.., _) => format!(" after {} SYNs", open.syn_count),
        (_, 2..) => format!(" after {} SYN-ACKs", open.syn_ack_count),
        _ => String::new(),
    };
    let way = match open.kind {
        OpenKind::Aborted if let Some(frame) = open.continued => {
            format!("not in this stream: frame {frame} answers its SYN, and begins the next one")
        }
        OpenKind::ThreeWay => format!("by the three-way handshake{repeated}"),
        OpenKind::Simultaneous if verdict.gist().is_unopened => {
            "not seen to be: both ends sent a SYN, and neither's was acknowledged".to_owned()
        }
        OpenKind::Simultaneous => "by both ends at once: their SYNs crossed".to_owned(),
        OpenKind::Split => "by a split handshake: a SYN answered the SYN, and no SYN-ACK of the server's".to_owned(),
        OpenKind::FastOpen => "by TCP Fast Open: data was accepted with the SYN".to_owned(),
        OpenKind::Refused => "not at all: a reset answered the SYN".to_owned(),
        OpenKind::Rejected => "not at all: an ICMP error answered the SYN".to_owned(),
        OpenKind::Unanswered if meets_older(verdict) => {
            "not at all: an ACK of an older connection answered the SYN".to_owned()
        }
        OpenKind::Unanswered if let Some(end) = capture_end(verdict, verdict.end) => {
            let syn = if open.syn_count <= 1 { "the SYN" } else { "the last SYN" };
            format!("not within the capture: it ends {end} {syn}")
        }
        OpenKind::Unanswered if open.syn_count <= 1 => "not at all: nobody answered the SYN".to_owned(),
        OpenKind::Unanswered => format!("not at all: nobody answered any of the {} SYNs", open.syn_count),
        OpenKind::HalfOpen if let Some(end) = capture_end(verdict, verdict.end) => {
            format!("only half within the capture: it ends {end} the SYN-ACK")
        }
        OpenKind::HalfOpen => "only half: the SYN-ACK was never acknowledged".to_owned(),
        OpenKind::Aborted => "not at all: reset before the handshake was complete".to_owned(),
        _ if let Some(stream) = open.resumes => {
            format!("in stream {stream}, which goes on here: its client never sent the SYN")
        }
        OpenKind::Midstream if verdict.is_sampled_alone => "not known from sampled headers".to_owned(),
        OpenKind::Midstream if Side::BOTH.iter().all(|&side| verdict.endpoints[side].states.is_empty()) => {
            match verdict.resets.is_empty() {
                true => "not known: no header that was captured can be right".to_owned(),
                false => "not known: nothing but resets was captured".to_owned(),
            }
        }
        OpenKind::Midstream => "before the capture began".to_owned(),
    };
    let rtt = open.rtt_ns.filter(|&ns| ns > 0).map_or_else(String::new, |rtt| format!(", in {}", duration(rtt)));
    let roles = match verdict.role_basis {
        RoleBasis::Guess => "; which end is the client is a guess by port numbers or by who spoke first",
        RoleBasis::Syn | RoleBasis::SynAck => "",
    };
    let refused = match open.refused_octets {
        0 => String::new(),
        left if open.kind == OpenKind::FastOpen => {
            format!("; of the payload in the SYN {} was not taken", octets(left.into()))
        }
        refused => format!("; the payload in the SYN ({}) was not taken (TCP Fast Open)", octets(refused.into())),
    };
    format!("{way}{rtt}{refused}{roles}{}", frame_list(" (frame", &open.frames))
}

fn closed(verdict: &Verdict) -> String {
    let close = &verdict.close;
    let first = |what: &str| match close.initiator {
        Some(Initiator::Client) => format!("by the client first{what}"),
        Some(Initiator::Server) => format!("by the server first{what}"),
        Some(Initiator::Both) => format!("by both ends at once{what}"),
        None => format!("who was first is not known{what}"),
    };
    let way = match close.kind {
        CloseKind::FourSegment if close.frames.len() < 4 => first(": FIN, ACK, FIN; the last ACK was not captured"),
        CloseKind::FourSegment => first(", in four segments: FIN, ACK, FIN, ACK"),
        CloseKind::ThreeSegment if close.frames.len() < 3 => first(": FIN, FIN+ACK; the last ACK was not captured"),
        CloseKind::ThreeSegment => first(", in three segments: FIN, FIN+ACK, ACK"),
        CloseKind::Simultaneous => "by both ends at once: their FINs crossed".to_owned(),
        CloseKind::HalfClosed => {
            let rest = if verdict.gist().is_one_ended {
                "did not close in this capture"
            } else {
                "went on sending, then closed too"
            };
            match close.initiator {
                Some(Initiator::Client) => format!("by the client, for sending; the server {rest}"),
                Some(Initiator::Server) => format!("by the server, for sending; the client {rest}"),
                Some(Initiator::Both) | None => format!("by one end, for sending; the other {rest}"),
            }
        }
        CloseKind::Reset => match verdict.gist().ending_reset() {
            Some(reset) if reset.origin == Origin::Middlebox => {
                format!("by a reset in the name of the {}, which did not send it", reset.from)
            }
            Some(reset) if verdict.gist().is_reset_in_vain => {
                format!("by a reset from the {}, which the {} did not take", reset.from, !reset.from)
            }
            Some(reset) => match closed_before(verdict, reset) {
                Some(side) if side == reset.from => format!("by the {side} first, which then reset"),
                Some(side) => format!("by the {side} first, then by a reset from the {}", reset.from),
                None => format!("by a reset from the {}", reset.from),
            },
            None => "by a reset".to_owned(),
        },
        CloseKind::TimedOut => timed_out(verdict),
        CloseKind::None => match verdict.open.kind {
            OpenKind::Unanswered if capture_end(verdict, verdict.end).is_some() => {
                "never opened within the capture".to_owned()
            }
            OpenKind::Refused | OpenKind::Rejected | OpenKind::Unanswered => "never opened".to_owned(),
            OpenKind::HalfOpen => "never fully opened".to_owned(),
            _ if verdict.is_sampled_alone => "not known from sampled headers".to_owned(),
            _ if is_evicted(verdict) => "not known: it was followed no further, to make room for others".to_owned(),
            _ if verdict.open.continued.is_some() => "out of sight: it goes on in the next stream".to_owned(),
            _ if verdict.gist().is_replaced => {
                "out of sight: the same addresses and ports opened the next one".to_owned()
            }
            _ if verdict.gist().is_unopened => "never opened within the capture".to_owned(),
            _ if verdict.gist().is_end_unknown => match closer(verdict) {
                Some(side) if close.initiator.is_some() => {
                    format!("by the {side} first; nothing of the {}'s close was captured", !side)
                }
                Some(side) => {
                    format!("not known: the {side} closed; whether the {} had before was not captured", !side)
                }
                None => "not known".to_owned(),
            },
            _ => "not within the capture: still open at its end".to_owned(),
        },
        CloseKind::Refused => "never opened".to_owned(),
    };
    let is_talk = Side::BOTH.iter().any(|&side| verdict.endpoints[side].payload_bytes > 0);
    let idle = close.idle_ns.filter(|&ns| is_talk && ns >= IDLE_NS_MIN);
    // What was not captured may have come later than all that was.
    let captured = if misses_payload(verdict) { " in the capture" } else { "" };
    let idle = idle.map_or_else(String::new, |ns| format!(", after {} without payload{captured}", duration(ns)));
    format!("{way}{idle}{}", frame_list(" (frame", &close.frames))
}

/// Whose FIN was captured, of two ends that did not both close.
fn closer(verdict: &Verdict) -> Option<Side> {
    let closes = |step: &StateStep| step.state == State::FinWait1;
    Side::BOTH.into_iter().find(|&side| verdict.endpoints[side].states.iter().any(closes))
}

/// Who had closed first when `reset` came: of two FINs that crossed, the one that was sent first.
fn closed_before(verdict: &Verdict, reset: &Reset) -> Option<Side> {
    let passed = fin_before(verdict, reset)?;
    let has_closed = |side: Side| verdict.endpoints[side].states.iter().any(|step| step.state == State::FinWait1);
    Some(match verdict.close.initiator {
        Some(Initiator::Client) if has_closed(Side::Client) => Side::Client,
        Some(Initiator::Server) if has_closed(Side::Server) => Side::Server,
        _ => passed,
    })
}

/// Who had sent its FIN before the reset that ended the connection, if one of them had.
fn fin_before(verdict: &Verdict, reset: &Reset) -> Option<Side> {
    let fin = |side: Side| {
        let fin = verdict.endpoints[side].states.iter().find(|step| step.state == State::FinWait1)?;
        fin.frame.filter(|&frame| frame < reset.frame)
    };
    Side::BOTH.into_iter().filter(|&side| fin(side).is_some()).min_by_key(|&side| fin(side))
}

/// An answer is given this time at least before its absence means anything, ns.
const ANSWER_NS_MIN: i64 = 200_000_000;

/// `with`, or `5.0 ms after`: the capture ends so soon after what was captured at `last` that an answer to it may have been on its
/// way. None where it goes on for longer, or something else ended the connection.
fn capture_end(verdict: &Verdict, last: Timestamp) -> Option<String> {
    let is_open = verdict.close.kind == CloseKind::None && !is_evicted(verdict) && !verdict.gist().is_replaced;
    let Some(horizon) = verdict.horizon else { return is_open.then(|| "an unknown time after".to_owned()) };
    let quiet = horizon.since(last);
    match quiet {
        _ if !is_open => None,
        ..=0 => Some("with".to_owned()),
        _ if quiet < verdict.open.rtt_ns.unwrap_or(0).max(ANSWER_NS_MIN) => Some(format!("{} after", duration(quiet))),
        _ => None,
    }
}

/// Nobody answered any more. That who waits gave up shows only in a capture that goes on for long enough.
fn timed_out(verdict: &Verdict) -> String {
    // Of a connection that opened it is not the end that forgot it in SYN-RECEIVED.
    let gave_up = |side: Side| match verdict.endpoints[side].states.as_slice() {
        [.., before, last] if last.state == State::Closed => {
            before.state != State::SynReceived || verdict.open.kind == OpenKind::HalfOpen
        }
        _ => false,
    };
    match (verdict.open.kind, Side::BOTH.into_iter().any(gave_up)) {
        (OpenKind::Unanswered, true) => "never opened: the client gave up".to_owned(),
        (OpenKind::Unanswered, false) if meets_older(verdict) => "never opened within the capture".to_owned(),
        (OpenKind::Unanswered, false) => "never opened within the capture: nobody answered the SYN".to_owned(),
        _ if let Some(last) = waits_for_last_ack(verdict) => {
            format!("by the {} first; the {last} sent its FIN again and again, and nobody acknowledged it", !last)
        }
        (_, true) => "by nobody: an end gave up unanswered".to_owned(),
        (_, false) => "by nobody: an end sent again and again and was not answered any more".to_owned(),
    }
}

/// The SYN did not reach a listener: the server had not let go of the connection before.
fn meets_older(verdict: &Verdict) -> bool {
    verdict.findings.iter().any(|finding| finding.name == "syn-rejected-in-time-wait")
}

/// The end that closed second, if it is not known to have got the last acknowledgment.
fn waits_for_last_ack(verdict: &Verdict) -> Option<Side> {
    let waits = |side: &Side| verdict.endpoints[*side].states.iter().any(|step| step.state == State::LastAck);
    Side::BOTH.into_iter().find(waits)
}

/// Shorter pauses before a close are not worth a word, ns.
const IDLE_NS_MIN: i64 = 1_000_000_000;

/// Payload of either end was acknowledged, or skipped, that the capture has not.
fn misses_payload(verdict: &Verdict) -> bool {
    Side::BOTH.iter().any(|&side| verdict.endpoints[side].missing_bytes + verdict.endpoints[side].unfilled_bytes > 0)
}

/// Where to look, by the gravest finding that points somewhere.
fn fault(verdict: &Verdict) -> Option<String> {
    let points = verdict.findings.iter().filter_map(|finding| Some((finding, Culprit::of(finding)?)));
    let grave = points.filter(|(finding, _)| finding.severity > Severity::Note);
    let (finding, culprit) = grave.max_by_key(|(finding, _)| (finding.severity, finding.confidence))?;
    let how = match finding.confidence {
        Confidence::High => "",
        Confidence::Medium => "likely ",
        Confidence::Low => "perhaps ",
    };
    Some(format!("{how}{culprit} ({})", finding.name))
}

/// One reset: who, where, why, how sure, and whether it counted.
fn reset_sentence(verdict: &Verdict, reset: &Reset) -> String {
    let who = match reset.origin {
        Origin::Middlebox => format!("in the name of the {}", reset.from),
        Origin::Endpoint | Origin::Unknown => format!("by the {}", reset.from),
    };
    let mut text = format!("{who} in frame {}: {}", reset.frame, reset.cause);
    text.push_str(&doubt(reset));
    let is_unseen = verdict.endpoints[!reset.from].frames == 0 && verdict.endpoints[!reset.from].states.is_empty();
    match (reset.accepted, reset.taken_in) {
        (true, _) if is_unseen => text.push_str("; what its receiver makes of it is not known"),
        (true, Some(frame)) => text.push_str(&format!("; its receiver accepts the one in frame {frame}")),
        (true, None) => text.push_str("; its receiver accepts it"),
        (false, _) => text.push_str("; it has no effect on its receiver"),
    }
    if reset.echoes > 0 {
        let follow = if reset.echoes == 1 { "follows" } else { "follow" };
        text.push_str(&format!("; {} of the same end {follow} from it", counted(reset.echoes.into(), "more reset")));
    }
    // Most often the finding on this reset has said it already.
    let is_said = verdict.findings.iter().any(|finding| finding.message.contains(&reset.evidence));
    if is_said { text } else { format!("{text}. {}", sentence(&reset.evidence)) }
}

/// `words` as a sentence: with a capital, unless they begin with code, and a full stop.
pub fn sentence(words: &str) -> String {
    let words = words.trim().trim_end_matches('.');
    let first_word = words.split_ascii_whitespace().next().unwrap_or_default();
    let is_prose = first_word.chars().all(|c| c.is_ascii_lowercase() || c == ',' || c == '\'');
    let mut characters = words.chars();
    match characters.next() {
        Some(first) if is_prose => format!("{}{}.", first.to_ascii_uppercase(), characters.as_str()),
        Some(_) => format!("{words}."),
        None => String::new(),
    }
}

/// What else a reset could be, in words.
pub fn rival(cause: Cause) -> &'static str {
    match cause {
        Cause::Unknown => "something else",
        known => known.name(),
    }
}

/// How sure a reset's cause is, and what else it could be.
fn doubt(reset: &Reset) -> String {
    let rivals: Vec<&str> = reset.rivals.iter().map(|&cause| rival(cause)).collect();
    let or = if rivals.is_empty() { String::new() } else { format!(", or {}", rivals.join(" or ")) };
    match reset.confidence {
        Confidence::High => or,
        Confidence::Medium => format!(" (likely){or}"),
        Confidence::Low => format!(" (a guess){or}"),
    }
}

/// A capture filter left nothing but segments that open, close or reset.
fn is_controls_alone(verdict: &Verdict) -> bool {
    verdict.findings.iter().any(|finding| finding.name == "control-segments-only")
}

/// It left before its end, to make room for others.
fn is_evicted(verdict: &Verdict) -> bool {
    verdict.findings.iter().any(|finding| finding.name == "ended-early" && finding.kind == Some("evicted"))
}

fn data(verdict: &Verdict) -> String {
    if is_controls_alone(verdict) {
        return "not captured: control-segments-only says how much there was".to_owned();
    }
    if verdict.is_sampled_alone {
        return "not captured: one packet in many was".to_owned();
    }
    let is_unseen = |view: &EndpointView| view.frames == 0 && verdict.open.kind == OpenKind::Midstream;
    let is_empty = |view: &EndpointView| view.payload_bytes + view.missing_bytes == 0 && !is_unseen(view);
    if Side::BOTH.iter().all(|&side| is_empty(&verdict.endpoints[side])) {
        return "none, either way".to_owned();
    }
    let mut parts = Vec::new();
    let is_smooth = |side: Side| {
        let view = &verdict.endpoints[side];
        let is_whole = view.missing_bytes == 0 && view.unfilled_bytes == 0;
        view.frames > 0 && view.retransmitted_bytes == 0 && is_whole
    };
    for side in Side::BOTH {
        let view = &verdict.endpoints[side];
        if view.frames == 0 {
            parts.push(format!("nothing of the {side} was captured"));
            continue;
        }
        let again = match view.retransmitted_bytes {
            0 => String::new(),
            bytes if bytes > view.payload_bytes => format!(", and {} again", octets(bytes)),
            bytes => format!(" ({} of it again)", octets(bytes)),
        };
        parts.push(format!("the {side} sent {}{again}", octets(view.payload_bytes)));
    }
    for side in Side::BOTH {
        let unfilled = verdict.endpoints[side].unfilled_bytes;
        if unfilled > 0 {
            let octets = octets(unfilled);
            parts.push(format!(
                "{octets} of the {side} before its last are neither in the capture nor acknowledged in it"
            ));
        }
    }
    let (client, server) = verdict
        .resets
        .iter()
        .filter(|reset| reset.accepted)
        .map(|reset| (reset.client_bytes_lost, reset.server_bytes_lost))
        .max()
        .unwrap_or((0, 0));
    for (side, lost) in [(Side::Client, client), (Side::Server, server)] {
        if lost > 0 {
            let fate = match verdict.endpoints[side].last_payload {
                Some(last) if last.is_refused => ", but by the reset itself: nobody read them",
                // Of what was not captured nobody knows.
                Some(last) if last.is_acknowledged && verdict.endpoints[side].unfilled_bytes > 0 => "",
                Some(last) if last.is_acknowledged => ", and were afterwards",
                _ => ": lost",
            };
            parts.push(format!("{} of the {side} were not acknowledged when the reset came{fate}", octets(lost)));
        }
    }
    let uncaptured = |side: Side| {
        let own = verdict.resets.iter().filter(|reset| reset.from == side && reset.origin == Origin::Endpoint);
        own.map(|reset| reset.octets_unseen).max().unwrap_or(0)
    };
    for side in Side::BOTH {
        let unseen = uncaptured(side);
        if unseen > 0 {
            let fin = or_fin(unseen);
            parts.push(format!("{} more of the {side}{fin}, by its reset's number, were not captured", octets(unseen)));
        }
    }
    let is_seen = Side::BOTH.into_iter().all(|side| uncaptured(side) == 0);
    let is_whole = client == 0 && server == 0 && is_seen && !verdict.gist().is_unopened;
    if Side::BOTH.into_iter().all(is_smooth) && is_whole {
        // Of a segment that was lost before the tap only the repetition was captured: no octet came twice.
        let fills_a_hole = verdict.findings.iter().any(|finding| finding.name == "retransmission");
        let smooth = match fills_a_hole {
            true => "nothing is missing: what was lost on the way was sent again",
            false => "nothing was sent again, nothing is missing",
        };
        parts.push(smooth.to_owned());
    }
    parts.join("; ")
}

fn states(verdict: &Verdict) -> String {
    let last = |side: Side| match verdict.endpoints[side].states.last() {
        Some(step) => {
            let basis = match step.basis {
                Basis::Seen => "",
                Basis::Inferred => " (inferred)",
                Basis::Assumed => " (assumed)",
            };
            format!("{side} {}{basis}", step.state)
        }
        None if verdict.endpoints[side].frames > 0 => format!("{side} not known"),
        None => format!("{side} not seen"),
    };
    format!("at the end: {}, {}", last(Side::Client), last(Side::Server))
}

fn calls(verdict: &Verdict) -> Option<String> {
    let side = |side: Side| {
        let view = &verdict.endpoints[side];
        if view.calls.is_empty() {
            return None;
        }
        let calls: Vec<String> = view
            .calls
            .iter()
            .map(|call| format!("{}(){UNBROKEN}{}", call.call, call.errno.map_or("ok", Errno::name)))
            .collect();
        Some(format!("{side}: {}", calls.join(", ")))
    };
    let sides: Vec<String> = Side::BOTH.into_iter().filter_map(side).collect();
    if sides.is_empty() { None } else { Some(sides.join("; ")) }
}

/// What the capture itself did to the picture, beginning with what is missing in it.
fn blame(verdict: &Verdict) -> Option<String> {
    let missing = missing(verdict);
    let is_one_sided = Side::BOTH.iter().any(|&side| verdict.endpoints[side].frames == 0);
    let told = if is_one_sided { "one-sided" } else { "capture-gap" };
    let is_told = |name: &str| missing.is_some() && name == told;
    let others: Vec<&str> = verdict
        .findings
        .iter()
        .filter(|finding| finding.group == Group::Capture && !is_told(finding.name))
        .map(|finding| finding.name)
        .collect();
    match (missing, others.as_slice()) {
        (missing, []) => missing,
        (None, others) => Some(others.join(", ")),
        (Some(missing), others) => Some(format!("{missing}; besides {}", others.join(", "))),
    }
}

/// Fewer than these are told to the last one.
const EXACT_OCTETS_MAX: u64 = 1_000;

fn missing(verdict: &Verdict) -> Option<String> {
    if is_controls_alone(verdict) {
        return None;
    }
    if let Some(side) = Side::BOTH.into_iter().find(|&side| verdict.endpoints[side].frames == 0)
        && verdict.endpoints[side].missing_bytes > 0
    {
        let missing = verdict.endpoints[side].missing_bytes;
        return Some(format!(
            "shows one side only: of the {side} nothing was captured, though {} of it were acknowledged{}",
            octets(missing),
            or_fin(missing)
        ));
    }
    let missing: Vec<String> = Side::BOTH
        .into_iter()
        .filter(|&side| verdict.endpoints[side].missing_bytes > 0)
        .map(|side| {
            let end = &verdict.endpoints[side];
            let has_fin = end.states.iter().any(|step| matches!(step.state, State::FinWait1 | State::LastAck));
            let is_last = !has_fin && end.last_payload.is_some_and(|last| last.is_followed);
            let fin = if is_last { or_fin(end.missing_bytes) } else { "" };
            format!("{} of the {side}{fin}", octets(end.missing_bytes))
        })
        .collect();
    if missing.is_empty() {
        return None;
    }
    let total: u64 = Side::BOTH.into_iter().map(|side| verdict.endpoints[side].missing_bytes).sum();
    let (were, they, them) = if total == 1 { ("was", "it", "it") } else { ("were", "they", "them") };
    Some(format!(
        "{} {were} acknowledged and never captured: {they} arrived, and the capture lacks {them}",
        missing.join(" and ")
    ))
}

/// Of octets that were acknowledged and not captured nobody sees whether the last one is a FIN.
fn or_fin(octets: u64) -> &'static str {
    if octets < EXACT_OCTETS_MAX { " (a FIN would be one of them)" } else { "" }
}

/// `(frame 9)`, `(frames 1, 2, 3)`, and `… and 40 more` beyond six; nothing for none.
fn frame_list(lead: &str, frames: &[u64]) -> String {
    if frames.is_empty() { String::new() } else { format!("{lead}{})", frames_after_noun(frames)) }
}

/// What follows the word `frame`: ` 9`, `s 1, 2, 3`, `s 1, 2, 3, 4, 5 and 40 more`.
pub fn frames_after_noun(frames: &[u64]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = frames.iter().take(SHOWN).map(u64::to_string).collect();
    let plural = if frames.len() == 1 { "" } else { "s" };
    let rest = match frames.len().saturating_sub(SHOWN) {
        0 => String::new(),
        rest => format!(" and {} more", count(rest as u64)),
    };
    format!("{plural} {}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::finding::{Close, Heard, Payload};
    use crate::report::sample;

    fn answer(verdict: &Verdict, keyword: &str) -> Option<String> {
        answers(verdict).into_iter().find(|(asked, _)| *asked == keyword).map(|(_, answer)| answer)
    }

    #[test]
    fn what_never_opened_is_not_called_open() {
        for (kind, expected) in [
            (OpenKind::Unanswered, "SYN unanswered"),
            (OpenKind::Rejected, "rejected by ICMP"),
            (OpenKind::HalfOpen, "handshake unfinished"),
        ] {
            let mut verdict = sample::open_v6(0);
            verdict.open.kind = kind;
            verdict.close = Close { kind: CloseKind::None, initiator: None, frames: Vec::new(), idle_ns: None };
            assert_eq!(ending(&verdict), expected);
            let closed = answer(&verdict, "closed").unwrap();
            assert!(closed.contains("never"), "{closed}");
        }
    }

    #[test]
    fn a_farewell_asks_nothing_whoever_closed_first() {
        let mut verdict = sample::final_ack_lost(0);
        let said = |frame: u64, octets: u32| {
            Some(Payload {
                frame,
                time: Timestamp(0),
                octets,
                is_acknowledged: true,
                is_refused: false,
                is_repeated: false,
                is_older: false,
                is_followed: false,
                heard: Heard::All,
            })
        };
        verdict.endpoints.server.last_payload = said(3, 900);
        verdict.endpoints.server.last_new_payload = said(3, 900);
        let mut request = |initiator, frame, octets| {
            verdict.close.initiator = Some(initiator);
            verdict.endpoints.client.last_payload = said(frame, octets);
            verdict.endpoints.client.last_new_payload = said(frame, octets);
            // Who closes second passes CLOSE-WAIT and LAST-ACK.
            let (first, last) = match initiator {
                Initiator::Server => (State::CloseWait, State::LastAck),
                Initiator::Client | Initiator::Both => (State::FinWait1, State::TimeWait),
            };
            let states = &mut verdict.endpoints.client.states;
            states.retain(|step| matches!(step.state, State::SynSent | State::Established));
            let closing =
                [first, last].map(|state| StateStep { state, frame: Some(5), time: Timestamp(0), ..states[1] });
            states.extend(closing);
            answer(&verdict, "request").unwrap()
        };
        // Frame 4 has the first FIN.
        for (initiator, frame, is_farewell) in [
            (Initiator::Client, 4, true),
            (Initiator::Both, 4, true),
            (Initiator::Server, 5, true),
            (Initiator::Server, 4, false),
        ] {
            let told = request(initiator, frame, 31);
            assert_eq!(told.contains("a farewell"), is_farewell, "{initiator:?} {frame}: {told}");
        }
        for (initiator, frame, expected) in [
            (Initiator::Both, 4, "and closed with it"),
            (Initiator::Client, 6, "and had closed before"),
            (Initiator::Server, 5, "when the server had closed"),
            (Initiator::Server, 4, "and the server sent no payload after it"),
        ] {
            let told = request(initiator, frame, 400);
            assert!(told.starts_with("not answered: ") && told.ends_with(expected), "{initiator:?} {frame}: {told}");
        }
    }

    #[test]
    fn who_only_waits_in_vain_has_not_closed() {
        let mut verdict = sample::open_v6(0);
        let said = |frame: u64| {
            Some(Payload {
                frame,
                time: Timestamp(0),
                octets: 31,
                is_acknowledged: false,
                is_refused: false,
                is_repeated: true,
                is_older: false,
                is_followed: false,
                heard: Heard::All,
            })
        };
        for (view, frame) in [(&mut verdict.endpoints.client, 9), (&mut verdict.endpoints.server, 3)] {
            (view.last_payload, view.last_new_payload) = (said(frame), said(frame));
        }
        verdict.close.kind = CloseKind::TimedOut;
        verdict.close.initiator = Some(Initiator::Client);
        assert!(answer(&verdict, "request").unwrap().starts_with("not answered"));
        let closed = answer(&verdict, "closed").unwrap();
        assert!(closed.ends_with("sent its FIN again and again, and nobody acknowledged it"), "{closed}");
        for side in Side::BOTH {
            verdict.endpoints[side].states.retain(|step| step.state != State::LastAck);
        }
        assert!(answer(&verdict, "closed").unwrap().ends_with("was not answered any more"));
        verdict.open.kind = OpenKind::Unanswered;
        assert!(answer(&verdict, "closed").unwrap().starts_with("never opened"));
    }

    #[test]
    fn the_capture_is_blamed_for_what_it_missed() {
        let mut verdict = sample::open_v6(0);
        assert_eq!(answer(&verdict, "capture"), None);
        verdict.endpoints.server.missing_bytes = 101;
        assert!(answer(&verdict, "capture").unwrap().starts_with("101 B of the server were acknowledged"));
        verdict.endpoints.server.frames = 0;
        assert!(answer(&verdict, "capture").unwrap().starts_with("shows one side only: of the server nothing"));
        assert!(answer(&verdict, "data").unwrap().contains("nothing of the server was captured"));
    }

    #[test]
    fn what_was_lost_before_the_tap_was_sent_again() {
        let mut verdict = sample::final_ack_lost(0);
        verdict.endpoints.server.payload_bytes = 9;
        assert!(answer(&verdict, "data").unwrap().ends_with("nothing was sent again, nothing is missing"));
        verdict.findings[0].name = "retransmission";
        assert!(
            answer(&verdict, "data").unwrap().ends_with("nothing is missing: what was lost on the way was sent again")
        );
    }

    #[test]
    fn a_reset_s_sentence_says_who_why_how_sure_and_whether_it_counts() {
        let mut verdict = sample::unread_data(0);
        let sentence = answer(&verdict, "reset").unwrap();
        assert_eq!(
            sentence,
            "by the server in frame 7: unread-data (likely), or linger-zero; its receiver accepts it; 2 more resets of \
             the same end follow from it. 212 bytes came after the server's last data and were not answered."
        );
        verdict.resets[0].accepted = false;
        verdict.resets[0].confidence = Confidence::Low;
        assert!(
            answer(&verdict, "reset").unwrap().contains("(a guess), or linger-zero; it has no effect on its receiver")
        );
    }

    #[test]
    fn words_become_a_sentence_unless_they_are_code() {
        assert_eq!(sentence("the last ACK was lost"), "The last ACK was lost.");
        assert_eq!(sentence("connect() fails."), "connect() fails.");
        assert_eq!(sentence("10.0.0.1:80 refused"), "10.0.0.1:80 refused.");
        assert_eq!(sentence(""), "");
    }
}
