//! The cause of a reset that its sender made itself.

use super::{Inquiry, Judgement, abort};
use crate::base::Seq;
use crate::connection::{Between, Class, Confirmed, InVain, Noted, Predecessor, ResetEffect, State, Tap, ending_error};
use crate::finding::phrase::{count, duration, times};
use crate::finding::verdict::{Cause, Confidence, Family};
use crate::segment::Flags;

/// A FIN-WAIT-2 shorter than this was not ended by its timer: the shortest that administrators set (tcp_fin_timeout is
/// in whole seconds).
const FIN_WAIT_2_MIN_NS: i64 = 900_000_000;
/// The same where only an acknowledgment or a probe meets nobody: who answers so might as well be on the way, ns.
const PROBED_WAIT_MIN_NS: i64 = 1_900_000_000;
/// With an answer from nearer than the host, this much silence is enough to blame forgetting and not forgery, ns.
const MIDDLEBOX_SILENCE_MIN_NS: i64 = 1_000_000_000;
/// Keepalive intervals are set in whole seconds; less what the road delays, ns.
const PROBE_INTERVAL_MIN_NS: i64 = 700_000_000;
/// What was counted and not seen since a probe were other probes, if it was no more than this.
const UNSEEN_PROBES_MAX: u16 = 16;
/// A window that is shut for less costs no writer its patience, ns.
const SHUT_NS_MIN: i64 = 1_000_000_000;
/// Transmissions without an answer after which a sender may have given up: fewer are lost on any path.
const GIVEN_UP_MIN: u64 = 3;
/// Silence that points to a middlebox when nothing else does, ns.
const MIDDLEBOX_IDLE_MIN_NS: i64 = 30_000_000_000;

/// Names the likeliest cause, its rivals and the evidence.
pub(super) fn judge(inquiry: &Inquiry<'_>, family: Option<Family>) -> Judgement {
    if inquiry.noted.flags.contains(Flags::SYN) {
        let evidence =
            "SYN and RST stand in one segment, which no stack sends: it was made by hand, and tells of no socket";
        return Judgement::new(Cause::Unknown, Confidence::Low, &[Cause::Injected], evidence.to_owned());
    }
    match (family, inquiry.trigger) {
        (Some(Family::Reply), Some(trigger)) => reply(inquiry, &trigger),
        (Some(Family::Reply), None) if inquiry.answers_unnoted_data() && inquiry.sender().fin.is_some() => {
            reply_to_data_in_flight(inquiry)
        }
        (Some(Family::Reply), None) if inquiry.sender().fin.is_some() => reply_to_unseen_data(inquiry),
        (Some(Family::Reply), None) => reply_behind_data(inquiry),
        (Some(Family::Active), _) => active(inquiry),
        _ if is_over(inquiry) => {
            let evidence =
                "both ends had closed; it has the shape of an answer to an old segment that the tap does not show";
            Judgement::new(Cause::AfterFin, Confidence::Medium, &[Cause::Unknown], evidence.to_owned())
        }
        _ => unknown(inquiry),
    }
}

/// Both ends had finished: what comes now meets no socket, or one in TIME-WAIT.
fn is_over(inquiry: &Inquiry<'_>) -> bool {
    let over = |side| matches!(inquiry.effect.state_of(side), State::Closed | State::TimeWait);
    inquiry.sender().fin.is_some() && inquiry.receiver().fin.is_some() && over(inquiry.from()) && over(!inquiry.from())
}

fn reply(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    if trigger.is_syn() {
        return refused(inquiry, trigger);
    }
    if !trigger.flags.contains(Flags::ACK) {
        let evidence = format!(
            "it answers frame {}, which acknowledges nothing, as no segment of an open connection does: there is no socket, and a scanner asks so whether a port is closed",
            trigger.frame
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::Injected], evidence).kind("probe");
    }
    let sender = inquiry.sender();
    if inquiry.effect.refuses {
        let how = if trigger.class.contains(Class::WILD) {
            "which acknowledges numbers of another connection on the same ports"
        } else if trigger.class.contains(Class::ACKS_UNSEEN) {
            "which acknowledges what it had not sent"
        } else {
            "which answers its SYN with a timestamp that this did not carry"
        };
        let evidence = format!("it refuses frame {}, {how}", trigger.frame);
        return Judgement::new(Cause::InvalidHandshake, Confidence::High, &[], evidence);
    }
    let error = ending_error(inquiry.connection, inquiry.life, inquiry.from());
    if let Some(error) = error.filter(|error| error.frame.0 < trigger.frame) {
        let evidence = format!(
            "it answers frame {} with {}: there is no socket, since an ICMP error (frame {}) had ended its opening",
            trigger.frame,
            reply_shape(inquiry),
            error.frame.0
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[], evidence).kind("icmp-error");
    }
    if trigger.is_syn_ack() {
        return answered_syn_ack(inquiry, trigger);
    }
    let forged = ended_by_forgery(inquiry).map(|reset| (reset, "forged "));
    let own = || ended_by_peer(inquiry).filter(|_| sender.fin.is_none()).map(|reset| (reset, ""));
    if let Some((reset, which)) = forged.or_else(own) {
        let evidence = format!(
            "it answers frame {} with {}: there is no socket, since the {which}reset in frame {} had ended it",
            trigger.frame,
            reply_shape(inquiry),
            reset.frame
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[], evidence).kind("reset-before");
    }
    if sender.fin.is_some() {
        reply_after_fin(inquiry, trigger)
    } else if inquiry.effect.withheld_fin {
        reply_behind_data(inquiry)
    } else {
        reply_without_socket(inquiry, trigger)
    }
}

/// The reset that the sender of this one had taken.
fn ended_by_peer<'a>(inquiry: &Inquiry<'a>) -> Option<&'a Noted> {
    let ends = |effect: &&ResetEffect| effect.sender != inquiry.from() && effect.accepted;
    let earlier = inquiry.life.resets.iter().filter(|effect| effect.note < inquiry.effect.note);
    earlier.rev().find(ends).map(|effect| &inquiry.life.notes[effect.note])
}

/// The reset in the peer's name that the sender of this one had taken, and that the peer knew nothing of.
fn ended_by_forgery<'a>(inquiry: &Inquiry<'a>) -> Option<&'a Noted> {
    let is_foreign = |effect: &ResetEffect| effect.contradicted || effect.between.is_some();
    let forged = |effect: &&ResetEffect| effect.sender != inquiry.from() && effect.accepted && is_foreign(effect);
    let earlier = inquiry.life.resets.iter().filter(|effect| effect.note < inquiry.effect.note);
    earlier.rev().find(forged).map(|effect| &inquiry.life.notes[effect.note])
}

/// Its FIN was due and never on the wire.
fn reply_behind_data(inquiry: &Inquiry<'_>) -> Judgement {
    let sender = inquiry.sender();
    if let Some(fin) = inquiry.life.closing.fins[inquiry.from()] {
        let evidence = format!(
            "it overtook its sender's FIN (frame {}), and answers data with the number that this acknowledges: the application had closed and nobody reads",
            fin.frame
        );
        return Judgement::new(Cause::DataAfterClose, Confidence::Medium, &[Cause::NoConnection], evidence);
    }
    let ago = sender.last_payload().map_or(0, |last| inquiry.noted.time.since(last.time));
    let held = match sender.in_flight_beyond(inquiry.noted.seq) {
        0 => "the peer's window let it send no more".to_owned(),
        octets => format!("{} of its own were under way by that number", count(octets, "octet")),
    };
    let evidence = format!(
        "it answers data with the number that it acknowledges, and {} before its sender was sending itself; {held}: the application had closed, and the FIN waited behind what was still to be sent",
        duration(ago)
    );
    Judgement::new(Cause::DataAfterClose, Confidence::Medium, &[Cause::NoConnection], evidence)
}

fn refused(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    let answered_ns = inquiry.noted.time.since(trigger.time);
    let port = inquiry.connection.endpoint(inquiry.from()).port;
    let acknowledged = if inquiry.noted.ack == trigger.end() { trigger.len } else { 0 };
    let evidence = super::refused::evidence(trigger.frame, acknowledged, answered_ns, port).to_string();
    if inquiry.connection.halves[inquiry.from()].acked.is_some() || inquiry.noted.seq != Seq(0) {
        // It had sent a SYN-ACK, which the capture may have missed, and so something listened: who has no socket has no number
        // either (RFC 9293, section 3.10.7.1).
        return Judgement::new(Cause::Refused, Confidence::Medium, &[Cause::LingerZero], evidence);
    }
    Judgement::new(Cause::Refused, Confidence::High, &[], evidence)
}

/// A SYN-ACK met a host that is not, or no longer, opening this connection.
fn answered_syn_ack(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    let past =
        inquiry.connection.predecessor.filter(|past| past.was_refused(inquiry.connection.endpoint(inquiry.from())));
    if let Some(past) = past.filter(|_| inquiry.sender().syns == 0) {
        let evidence = format!(
            "it refutes the SYN-ACK (frame {}) to a SYN that it had taken for refused (stream {})",
            trigger.frame, past.stream
        );
        return Judgement::new(Cause::InvalidHandshake, Confidence::Medium, &[Cause::NoConnection], evidence);
    }
    if let Some(past) = inquiry.connection.predecessor.filter(|past| has_been_open(inquiry, past, trigger)) {
        let evidence = format!(
            "it answers the SYN-ACK of stream {} once more (frame {}), and its socket of that is gone",
            past.stream, trigger.frame
        );
        return Judgement::new(Cause::InvalidHandshake, Confidence::Medium, &[Cause::NoConnection], evidence);
    }
    let stale = inquiry.sender().syns == 0 || inquiry.life.opening.kind == crate::connection::OpenKind::HalfOpen;
    if stale {
        let evidence = format!(
            "it refutes the SYN-ACK (frame {}) to a SYN that it has not outstanding: an old duplicate had reached the other side{}",
            trigger.frame,
            if inquiry.sender().syns == 0 { ", or one that somebody sent under its address" } else { "" }
        );
        return Judgement::new(Cause::InvalidHandshake, Confidence::Medium, &[Cause::NoConnection], evidence);
    }
    let had_opened = inquiry.sender().payload_bytes > 0 && inquiry.receiver().acked.is_some();
    if had_opened {
        let evidence = format!(
            "it answers the SYN-ACK (frame {}) once more, after it had sent payload: its socket is gone, given up or closed",
            trigger.frame
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::LingerZero], evidence).kind("gone");
    }
    let evidence = format!(
        "it answers the SYN-ACK (frame {}) to its own SYN: the socket was closed while connecting, or a scanner never had one",
        trigger.frame
    );
    Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::InvalidHandshake], evidence)
        .kind("closed-while-connecting")
}

/// Who sends more than so much for so long, and then has an answer, was cut off (RFC 6298, section 2: the first timer is 1 s).
const ASKED_IN_VAIN_MAX: u32 = 2;
const OUTAGE_NS_MIN: i64 = 1_000_000_000;

/// The SYN-ACK `trigger` is that of the incarnation before, which had been open and is over.
fn has_been_open(inquiry: &Inquiry<'_>, past: &Predecessor, trigger: &Noted) -> bool {
    let half = past.half(inquiry.connection.endpoint(trigger.side));
    past.is_over() && half.isn == Some(trigger.seq) && !half.syn_unanswered
}

/// It had sent FIN before. What it answers decides.
fn reply_after_fin(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    if is_over(inquiry) && !trigger.is_fin() {
        let evidence = format!(
            "both ends had closed; it answers an old segment (frame {}) that met no socket any more",
            trigger.frame
        );
        // Without a round trip nobody knows whether an answer can have taken so long.
        let is_sure = inquiry.life.arrivals.rtt_ns[inquiry.from()].is_some();
        let confidence = if is_sure { Confidence::High } else { Confidence::Medium };
        return Judgement::new(Cause::AfterFin, confidence, &[], evidence);
    }
    let receiver = inquiry.receiver();
    // Copies that it never acknowledged did not come.
    let is_first_fin = trigger.is_fin() && (receiver.fins <= 1 || !receiver.fin_acked());
    match trigger.len {
        0 if is_first_fin => reply_to_first_fin(inquiry, trigger),
        0 if trigger.is_fin() => reply_to_repeated_fin(inquiry, trigger),
        0 => reply_to_acknowledgment(inquiry, trigger),
        _ => reply_to_payload(inquiry, trigger),
    }
}

/// Payload came after the FIN: nobody reads it any more.
fn reply_to_payload(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    // Of one large segment a part may have come before the close.
    let acked = inquiry.receiver().acked.map_or(trigger.seq, |acked| acked.later(trigger.seq));
    let came = u64::try_from((trigger.seq + trigger.len).since(acked)).unwrap_or(0);
    let octets = count(if came == 0 { trigger.len.into() } else { came }, "octet");
    let lasts = inquiry.life.profiles[inquiry.from()].fin_wait_2_ns;
    if let Some(waited) = fin_acked_for(inquiry).filter(|&ns| ns >= lasts) {
        let evidence = format!(
            "its FIN had been acknowledged {} before {} came (frame {}), longer than FIN-WAIT-2 lasts",
            duration(waited),
            octets,
            trigger.frame
        );
        return Judgement::new(Cause::FinWait2Expired, Confidence::Medium, &[Cause::DataAfterClose], evidence);
    }
    let sent = inquiry.life.closing.fins[inquiry.from()].filter(|_| inquiry.sender().fins == 1);
    if let Some(waited) = sent.map(|fin| trigger.time.since(fin.time)).filter(|&ns| ns >= lasts) {
        let evidence = format!(
            "it had sent FIN {} before {} came (frame {}), and not again, so that it was acknowledged, though no frame says when: FIN-WAIT-2 does not last so long",
            duration(waited),
            octets,
            trigger.frame
        );
        return Judgement::new(Cause::FinWait2Expired, Confidence::Medium, &[Cause::DataAfterClose], evidence);
    }
    let evidence = format!(
        "it had sent FIN, and answers {octets} that came afterwards (frame {}) with the number that they acknowledge: the application had closed and nobody reads",
        trigger.frame
    );
    Judgement::new(Cause::DataAfterClose, Confidence::High, &[], evidence)
}

/// The peer's FIN came for the first time, or none of its copies had come: who waits for it takes it.
fn reply_to_first_fin(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    let (sender, receiver) = (inquiry.sender(), inquiry.receiver());
    let in_fin_wait_2 = inquiry.effect.state_of(inquiry.from()) == State::FinWait2 || sender.fin_acked();
    let is_beyond = receiver.acked.is_none_or(|acked| acked.before(trigger.seq));
    if is_beyond || trigger.class.contains(Class::AFTER_GAP) {
        let evidence = format!(
            "it had sent FIN, and answers a FIN (frame {}) that shows octets before it which it had not acknowledged: the application had closed and nobody reads",
            trigger.frame
        );
        return Judgement::new(Cause::DataAfterClose, Confidence::Medium, &[Cause::NoTimeWait], evidence);
    }
    // Who repeats its FIN hears nothing.
    if (receiver.fins == 1 || sender.fins == 1) && lost_before_acked(inquiry, trigger) {
        let which = if receiver.fins == 1 { "the peer's first FIN" } else { "a copy of the peer's FIN" };
        let evidence = format!(
            "it answers {which} (frame {}), which is also the first that acknowledges its own: who waits for that in FIN-WAIT-1 takes both, so it had lost its state, or was killed",
            trigger.frame
        );
        let rivals = &[Cause::NoTimeWait, Cause::DataAfterClose];
        return Judgement::new(Cause::NoConnection, Confidence::Medium, rivals, evidence);
    }
    // Who repeats its FIN behind the peer's hears nothing any more: neither that, nor what acknowledges its own.
    let fins = &inquiry.life.closing.fins;
    let is_second =
        fins[!inquiry.from()].zip(fins[inquiry.from()]).is_some_and(|(theirs, own)| theirs.frame < own.frame);
    let waited = fin_acked_for(inquiry).unwrap_or(0);
    if in_fin_wait_2 && fin_acked_for(inquiry).is_some_and(|waited| waited <= 0) {
        let evidence = format!(
            "it answers the peer's FIN (frame {}), which came while FIN-WAIT-1 waited for the acknowledgment of its own: who waits there takes that FIN, so it had lost its state, or was killed",
            trigger.frame
        );
        let rivals = &[Cause::NoTimeWait, Cause::DataAfterClose];
        return Judgement::new(Cause::NoConnection, Confidence::Medium, rivals, evidence);
    }
    if in_fin_wait_2 && waited >= 0 && !(is_second && sender.fins > 1) {
        if waited < FIN_WAIT_2_MIN_NS {
            let which =
                if receiver.fins > 1 { "a FIN of which it acknowledged no copy" } else { "the peer's first FIN" };
            let evidence = format!(
                "it answers {which} (frame {}) {} after its own was acknowledged: neither FIN-WAIT-2 nor TIME-WAIT was kept (Linux: tcp_max_tw_buckets reached)",
                trigger.frame,
                duration(waited)
            );
            return Judgement::new(Cause::NoTimeWait, Confidence::Medium, &[Cause::FinWait2Expired], evidence);
        }
        let stack = &inquiry.life.profiles[inquiry.from()];
        let is_due = stack.is_known() && waited >= stack.fin_wait_2_ns;
        let confidence = if is_due { Confidence::High } else { Confidence::Medium };
        let evidence = format!(
            "its FIN had been acknowledged {} before the peer's FIN came (frame {}); a live FIN-WAIT-2 would have acknowledged that FIN, so the wait had expired",
            duration(waited),
            trigger.frame
        );
        return Judgement::new(Cause::FinWait2Expired, confidence, &[], evidence);
    }
    if receiver.fins > 1 {
        let own = if sender.fin_acked() {
            "the acknowledgment of its own will not have reached it either"
        } else {
            "its own was not acknowledged either"
        };
        let evidence = format!(
            "it never acknowledged the FIN that it answers (frame {}, the {} copy), and {own}: it had given up",
            trigger.frame,
            copy_of_fin(inquiry, trigger)
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::NoTimeWait], evidence).kind("gave-up");
    }
    if let Some(reset) = ended_by_peer(inquiry) {
        let evidence = format!(
            "it answers a FIN (frame {}) that was sent before the reset which had ended it (frame {})",
            trigger.frame, reset.frame
        );
        return Judgement::new(Cause::AfterFin, Confidence::Medium, &[], evidence);
    }
    let evidence = format!(
        "it answers the peer's first FIN (frame {}), and its own was never acknowledged: who waits in FIN-WAIT-1 takes that, so it had given up, or lost its state",
        trigger.frame
    );
    let judgement = Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::NoTimeWait], evidence);
    // Who repeats it hears nothing.
    if sender.fins > 1 { judgement.kind("gave-up") } else { judgement }
}

/// A FIN came again that it had acknowledged.
fn reply_to_repeated_fin(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    if matches!(inquiry.effect.state_of(inquiry.from()), State::Closing | State::LastAck) {
        let evidence = format!(
            "it answers a repeated FIN (frame {}, the {} copy), and its own was never acknowledged: it had given up",
            trigger.frame,
            copy_of_fin(inquiry, trigger)
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::NoTimeWait], evidence).kind("gave-up");
    }
    let evidence = format!(
        "it answers a repeated FIN (frame {}, the {} copy) that TIME-WAIT would have acknowledged: the state is gone",
        trigger.frame,
        copy_of_fin(inquiry, trigger)
    );
    Judgement::new(Cause::NoTimeWait, Confidence::High, &[], evidence)
}

/// Nothing but an acknowledgment came.
fn reply_to_acknowledgment(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    let receiver = inquiry.receiver();
    if receiver.in_flight() > 0 && receiver.fin.is_none() {
        let evidence = format!(
            "it had sent FIN, and answers a segment (frame {}) behind {} octets that it never acknowledged: the application had closed and nobody reads",
            trigger.frame,
            receiver.in_flight()
        );
        return Judgement::new(Cause::DataAfterClose, Confidence::Medium, &[Cause::AfterFin], evidence);
    }
    if receiver.fin.is_none() && lost_before_acked(inquiry, trigger) {
        let evidence = format!(
            "it answers the first segment that acknowledges its FIN (frame {}), which FIN-WAIT-1 waits for: it had lost its state, was killed, or does not wait in FIN-WAIT-2 (Linux: TCP_LINGER2 below zero)",
            trigger.frame
        );
        let rivals = &[Cause::LingerZero, Cause::AfterFin];
        return Judgement::new(Cause::NoConnection, Confidence::Medium, rivals, evidence);
    }
    let waited = fin_acked_for(inquiry).filter(|&ns| ns >= PROBED_WAIT_MIN_NS && receiver.fin.is_none());
    if let Some(waited) = waited {
        let evidence = format!(
            "its FIN had been acknowledged {} before the segment that it answers (frame {}), which FIN-WAIT-2 would have taken: the wait had expired",
            duration(waited),
            trigger.frame
        );
        return Judgement::new(Cause::FinWait2Expired, Confidence::Medium, &[Cause::AfterFin], evidence);
    }
    let evidence = format!("it had closed with FIN and answers a segment that still arrived (frame {})", trigger.frame);
    Judgement::new(Cause::AfterFin, Confidence::Medium, &[Cause::NoTimeWait], evidence)
}

/// Its FIN was acknowledged, and no such segment took effect before the one that it answers.
fn lost_before_acked(inquiry: &Inquiry<'_>, trigger: &Noted) -> bool {
    let acknowledges = inquiry.sender().fin.is_some_and(|fin| trigger.ack.after(fin));
    acknowledges && inquiry.life.arrivals.ack_of_fin[inquiry.from()].is_none()
}

/// What was on its way when the FIN passed met a socket that its application had left.
fn reply_to_data_in_flight(inquiry: &Inquiry<'_>) -> Judgement {
    let evidence = format!(
        "it has a number up to that of its sender's FIN, and {} octets had been on their way when that was sent: the application had closed and nobody reads",
        inquiry.receiver().in_flight()
    );
    Judgement::new(Cause::DataAfterClose, Confidence::Medium, &[Cause::AfterFin], evidence)
}

/// The same, where the capture lacks what met it.
fn reply_to_unseen_data(inquiry: &Inquiry<'_>) -> Judgement {
    let ago = inquiry.life.closing.fins[inquiry.from()].map_or(0, |fin| inquiry.noted.time.since(fin.time));
    let evidence = format!(
        "it has the number of its sender's FIN, {} behind that, as macOS and iOS answer data that crossed their FIN or followed it, of which the capture shows nothing: the application had closed and nobody reads",
        duration(ago)
    );
    let peer = &inquiry.connection.halves[!inquiry.from()];
    let speaks = peer.payload_bytes + peer.missing_bytes > 0;
    let confidence = if speaks { Confidence::Medium } else { Confidence::Low };
    Judgement::new(Cause::DataAfterClose, confidence, &[Cause::NoConnection, Cause::Injected], evidence)
}

/// How the header of a reply shows it; that of a stack has no window.
fn reply_shape(inquiry: &Inquiry<'_>) -> &'static str {
    match inquiry.noted.window {
        0 => "that segment's own acknowledgment as number and no window",
        _ => "that segment's own acknowledgment as number",
    }
}

/// The sender shows no close of its own, and yet has no socket.
fn reply_without_socket(inquiry: &Inquiry<'_>, trigger: &Noted) -> Judgement {
    // The peer may have been asking for long.
    let asked = inquiry.receiver().unanswered_since.unwrap_or(trigger.time).min(trigger.time);
    let silence = inquiry.sender().last.map_or(0, |last| asked.since(last.time));
    let shape = format!(
        "it answers frame {} with {}: there is no socket, and it had sent neither FIN nor RST",
        trigger.frame,
        reply_shape(inquiry)
    );
    if let Some(clue) = inquiry.effect.between {
        return made_between(clue, trigger, silence);
    }
    let asked_ns = trigger.time.since(asked);
    if inquiry.receiver().unanswered > ASKED_IN_VAIN_MAX && asked_ns >= OUTAGE_NS_MIN {
        let evidence = format!(
            "nothing had answered the peer for {}: {shape}: the host restarted, or the way was cut and it gave up or closed behind that",
            duration(asked_ns)
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::LingerZero], evidence)
            .kind("after-outage");
    }
    let in_vain = InVain::before(&inquiry.life.notes, inquiry.seen);
    // Who still had to repeat it, and did not, had nothing left to repeat it with, however long that was ago.
    if let Some(judgement) = in_vain.filter(|row| row.has_stopped).and_then(|row| given_up(inquiry, &row, &shape)) {
        return judgement;
    }
    if silence >= MIDDLEBOX_IDLE_MIN_NS {
        let quiet = format!("after {} of silence {shape}", duration(silence));
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::IdleExpired], quiet);
    }
    if inquiry.connection.halves[inquiry.from()].segments() == u64::from(inquiry.connection.halves[inquiry.from()].rsts)
    {
        let evidence = format!("{shape} in this capture, which shows nothing else of it");
        return Judgement::new(
            Cause::NoConnection,
            Confidence::Low,
            &[Cause::LingerZero, Cause::DataAfterClose],
            evidence,
        );
    }
    if inquiry.noted.window != 0 && inquiry.sender().payload_bytes > 0 && silence < MIDDLEBOX_SILENCE_MIN_NS {
        let evidence = format!(
            "it has the acknowledgment of frame {} as number, which is its sender's next one, too, and a window, as no answer without a socket has: an abort may look so",
            trigger.frame
        );
        let rivals = &[Cause::LingerZero];
        return Judgement::new(Cause::NoConnection, Confidence::Low, rivals, evidence).kind("abort-perhaps");
    }
    let sender = inquiry.sender();
    let all = &inquiry.connection.halves[inquiry.from()];
    if all.syn_acks > 1 && all.segments() == u64::from(all.syn_acks + all.rsts) {
        let evidence = format!(
            "{shape}: it had sent its SYN-ACK {} times and never took what the client said; it had given up the handshake, or its listener was closed",
            sender.syn_acks
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::LingerZero], evidence)
            .kind("never-accepted");
    }
    if let Some(judgement) = in_vain.and_then(|row| given_up(inquiry, &row, &shape)) {
        return judgement;
    }
    if let Some(judgement) = shut_out(inquiry, &shape).filter(|_| sender.in_flight() > 0) {
        return judgement;
    }
    let forgotten = format!(
        "{shape}: the host restarted or lost the state, a firewall on it rejects the flow by now, or the reset or FIN that ended it passed out of the tap's sight"
    );
    if silence >= MIDDLEBOX_SILENCE_MIN_NS {
        let evidence = format!("after {} of silence {forgotten}", duration(silence));
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::IdleExpired], evidence);
    }
    // Its own reset or FIN may have been lost before this tap.
    Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::LingerZero, Cause::DataAfterClose], forgotten)
}

/// It had sent or probed the same again and again, and nobody had answered.
fn given_up(inquiry: &Inquiry<'_>, row: &InVain, shape: &str) -> Option<Judgement> {
    let is_shut = row.meets_shut || inquiry.receiver().shut_since.is_some_and(|since| since <= row.since);
    if let Some(judgement) = shut_out(inquiry, shape).filter(|_| row.is_probe || is_shut) {
        return Some(judgement);
    }
    if row.is_probe || row.copies < GIVEN_UP_MIN {
        return None;
    }
    let how = if row.has_stopped { ", and not again when that was due: it had given up" } else { ", and had given up" };
    let evidence = format!(
        "{shape}: what nobody had acknowledged it had sent {} more{how} (TCP_USER_TIMEOUT, or its retries), or the host restarted",
        times(row.copies)
    );
    let judgement = Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::LingerZero], evidence);
    Some(judgement.kind("gave-up"))
}

/// What it had to send waited behind a closed window.
fn shut_out(inquiry: &Inquiry<'_>, shape: &str) -> Option<Judgement> {
    let peer = inquiry.receiver();
    let shut_ns = peer.shut_ns + peer.shut_since.map_or(0, |since| inquiry.noted.time.since(since));
    if shut_ns < SHUT_NS_MIN {
        return None;
    }
    let evidence = format!(
        "{shape}: what it had to send waited behind a window that was shut for {}, and it had given up (TCP_USER_TIMEOUT), or the host restarted",
        duration(shut_ns)
    );
    let judgement = Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::LingerZero], evidence);
    Some(judgement.kind("window-shut"))
}

/// Something nearer than the supposed sender answered `trigger`, after so much silence of that, ns.
fn made_between(clue: Between, trigger: &Noted, silence: i64) -> Judgement {
    let how = match clue {
        Between::TooSoon { answered_ns, path_ns } => {
            format!("within {}, and its supposed sender is {} away", duration(answered_ns), duration(path_ns))
        }
        Between::OtherTtl { usual } => format!("with another TTL than the {usual} of all else of its supposed sender"),
        Between::OtherHeader => "with a header that is not that of its supposed sender".to_owned(),
    };
    let is_idle = silence >= MIDDLEBOX_SILENCE_MIN_NS;
    let evidence = format!(
        "after {} of silence it answers frame {} {how}: something nearer {}",
        duration(silence),
        trigger.frame,
        if is_idle { "had forgotten the flow" } else { "cuts it, or had forgotten it" }
    );
    if !is_idle {
        return Judgement::new(Cause::Injected, Confidence::Medium, &[Cause::IdleExpired], evidence);
    }
    let is_sure = silence >= MIDDLEBOX_IDLE_MIN_NS && matches!(clue, Between::OtherTtl { .. });
    let confidence = if is_sure { Confidence::High } else { Confidence::Medium };
    Judgement::new(Cause::IdleExpired, confidence, &[Cause::Injected], evidence)
}

fn active(inquiry: &Inquiry<'_>) -> Judgement {
    let sender = inquiry.sender();
    if let (Some(clue), Some(last)) = (inquiry.effect.between, sender.last)
        && let Some(asked) = inquiry.receiver().last
    {
        return made_between(clue, &asked, asked.time.since(last.time));
    }
    if carries_text(inquiry) {
        let evidence = format!(
            "it carries {} of payload: a reset may say in its payload why it was sent (RFC 9293, section 3.5.3), which balancers and proxies do, and no kernel of Linux, BSD or Windows",
            count(inquiry.noted.len.into(), "octet")
        );
        return Judgement::new(Cause::Unknown, Confidence::Low, &[Cause::Injected], evidence);
    }
    if sender.unanswered_probes > 0 && sender.window_probes == 0 && !follows_probe_at_once(inquiry) {
        let evidence = format!(
            "{} in a row had stayed unanswered; the prober gave up",
            count(u64::from(sender.unanswered_probes), "keepalive probe")
        );
        let confidence = if sender.unanswered_probes > 1 { Confidence::High } else { Confidence::Medium };
        return Judgement::new(Cause::KeepaliveTimeout, confidence, &[Cause::LingerZero], evidence);
    }
    if sender.fin.is_some() {
        return active_after_fin(inquiry);
    }
    if let Some((silence, interval)) = missed_probes(inquiry) {
        let evidence = format!(
            "its keepalive probes came every {}, and none was seen in the last {}: they were lost before the tap, and the prober gave up",
            duration(interval),
            duration(silence)
        );
        return Judgement::new(Cause::KeepaliveTimeout, Confidence::Medium, &[Cause::LingerZero], evidence);
    }
    if let Some(answer) = unheard_answer(inquiry) {
        let evidence = format!(
            "it was due as the next keepalive probe, and by the timestamp that it echoes the answer to the last one (frame {}) had not reached its sender: the prober gave up",
            answer.frame
        );
        return Judgement::new(Cause::KeepaliveTimeout, Confidence::Medium, &[Cause::LingerZero], evidence);
    }
    let mut judgement = abort::judge(inquiry);
    if let Some(silence) = since_last_probe(inquiry) {
        let (last, id) = (inquiry.sender().last.map_or(0, |last| last.ip_id), inquiry.noted.ip_id);
        if last != 0 && id != 0 && (2..=UNSEEN_PROBES_MAX).contains(&id.wrapping_sub(last)) {
            let evidence = format!(
                "the last that it said was a keepalive probe, {} before, and by its IPv4 ids it sent something since that the tap missed: the answer to a probe was lost behind the tap, the next probe before it, and the prober gave up",
                duration(silence)
            );
            return Judgement::new(Cause::KeepaliveTimeout, Confidence::Medium, &[judgement.cause], evidence);
        }
        judgement.confidence = judgement.confidence.min(Confidence::Medium);
        judgement.rivals.push(Cause::KeepaliveTimeout);
    }
    // A SYN-ACK that comes again is no beginning.
    let opens = |note: &Noted| note.is_syn() || note.is_syn_ack();
    if inquiry.connection.began_in_capture() && inquiry.life.notes.first().is_some_and(opens) {
        return judgement;
    }
    let evidence = judgement.evidence + "; what came before the capture is not known";
    Judgement { confidence: Confidence::Low, evidence, ..judgement }
}

/// It has payload of its own: not what its sender had said before, nor the octet of a probe.
fn carries_text(inquiry: &Inquiry<'_>) -> bool {
    let (noted, sender) = (inquiry.noted, inquiry.sender());
    noted.len > 1 && !(sender.is_known() && noted.seq.before(sender.nxt))
}

/// The prober's timer, which counts in whole seconds, cannot have run out again since its last probe.
fn follows_probe_at_once(inquiry: &Inquiry<'_>) -> bool {
    let probe = inquiry.sender().last.filter(|last| last.class.contains(Class::KEEPALIVE));
    probe.is_some_and(|probe| inquiry.noted.time.since(probe.time) < PROBE_INTERVAL_MIN_NS)
}

/// How long ago the sender's last segment was, if that was a keepalive probe and the next one was due since. Its answer was
/// seen; whether it arrived is not, but beside the sender.
fn since_last_probe(inquiry: &Inquiry<'_>) -> Option<i64> {
    let probe = inquiry.sender().last.filter(|last| last.class.contains(Class::KEEPALIVE))?;
    let silence = inquiry.noted.time.since(probe.time);
    let is_seen = inquiry.life.tap == Some(Tap::beside(inquiry.from()));
    (silence >= PROBE_INTERVAL_MIN_NS && !is_seen).then_some(silence)
}

/// The answer to the sender's last keepalive probe, if the reset, an interval later, still echoes an older timestamp: whoever takes
/// a segment at its next number echoes that (RFC 7323, section 4.3).
fn unheard_answer(inquiry: &Inquiry<'_>) -> Option<Noted> {
    let probe = inquiry.sender().last.filter(|last| last.class.contains(Class::KEEPALIVE))?;
    let is_due = inquiry.noted.time.since(probe.time) >= PROBE_INTERVAL_MIN_NS;
    let answer = inquiry.receiver().last.filter(|last| last.frame > probe.frame)?;
    let stamps = inquiry.noted.timestamps.zip(answer.timestamps);
    let is_unheard = stamps.is_some_and(|(own, answer)| Seq(own.echo).before(Seq(answer.value)));
    (is_due && is_unheard).then_some(answer)
}

/// For how long the sender had said nothing, and the shortest interval of its probes, if some were due since.
fn missed_probes(inquiry: &Inquiry<'_>) -> Option<(i64, i64)> {
    let before = inquiry.life.notes[..inquiry.effect.note].iter();
    let probes = before.filter(|note| note.side == inquiry.from() && note.class.contains(Class::KEEPALIVE));
    let intervals = probes.clone().zip(probes.skip(1)).map(|(earlier, later)| later.time.since(earlier.time));
    let interval = intervals.filter(|&ns| ns >= PROBE_INTERVAL_MIN_NS).min()?;
    let silence = inquiry.noted.time.since(inquiry.sender().last?.time);
    (silence > 2 * interval).then_some((silence, interval))
}

/// An abort after the own FIN: shutdown(SHUT_WR) and then close() with unread data or linger 0. Linux answers data that
/// came after close() with a reply; other stacks may do it with an acknowledging reset of a closed window.
fn active_after_fin(inquiry: &Inquiry<'_>) -> Judgement {
    let noted = inquiry.noted;
    let data =
        inquiry.receiver().last_payload().filter(|data| data.frame > first_fin_frame(inquiry).unwrap_or(u64::MAX));
    let live = noted.window != 0 || noted.timestamps.is_some();
    match data {
        Some(data) if !live => {
            let evidence = format!(
                "it had sent FIN, and {} came afterwards (frame {}), which nobody reads; the reset acknowledges, as stacks other than Linux answer data after close()",
                count(u64::from(data.len), "octet"),
                data.frame
            );
            Judgement::new(Cause::DataAfterClose, Confidence::Medium, &[Cause::UnreadData, Cause::LingerZero], evidence)
        }
        _ => {
            let mut judgement = abort::judge(inquiry);
            let fin = inquiry.life.closing.fins[inquiry.from()];
            let at_once = fin.is_some_and(|fin| noted.time.since(fin.time) <= ORPHANED_NS_MAX);
            let orphaned = if at_once {
                " (or its kernel did: it had too many orphaned sockets, net.ipv4.tcp_max_orphans)"
            } else {
                ""
            };
            judgement.evidence =
                format!("it had shut down sending with FIN and then aborted{orphaned}; {}", judgement.evidence);
            judgement.confidence = judgement.confidence.min(Confidence::Medium);
            judgement
        }
    }
}

/// RFC 6298, section 2.1, ns.
const SYN_RTO_NS: i64 = 1_000_000_000;

/// close() itself finds that there are too many (Linux `tcp_close`, `tcp_check_oom`), ns.
const ORPHANED_NS_MAX: i64 = 5_000_000;

fn unknown(inquiry: &Inquiry<'_>) -> Judgement {
    let sender = inquiry.sender();
    if let Some(Confirmed { challenge, answer }) = inquiry.effect.confirmed {
        let evidence = format!(
            "its number is not the one that its receiver waits for, and answers no segment that was captured; but its sender answers the challenge ACK (frame {challenge}) with a reset, too (frame {answer}), so that it has no socket any more"
        );
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::LingerZero], evidence).kind("gone");
    }
    // Who has no socket resets with ACK and number 0 what has no ACK itself (RFC 9293, section 3.10.7.1).
    let noted = inquiry.noted;
    if !sender.is_known() && inquiry.receiver().frames == 0 && noted.flags.contains(Flags::ACK) && noted.seq == Seq(0) {
        let evidence = "it has number 0 and acknowledges, as what refuses a SYN; no SYN was captured";
        return Judgement::new(
            Cause::Unknown,
            Confidence::Low,
            &[Cause::Refused, Cause::Injected],
            evidence.to_owned(),
        );
    }
    // Later its sender would have repeated the SYN.
    let asked_at = sender.last.filter(|last| last.is_syn() && noted.time.since(last.time) < SYN_RTO_NS);
    let is_behind_syn = asked_at.is_some_and(|syn| noted.seq == syn.seq + 1);
    if is_behind_syn && inquiry.receiver().frames == 0 && !noted.flags.contains(Flags::ACK) {
        let evidence = "it has the number behind its own SYN, as what answers a SYN-ACK where no socket is, and that is not in the capture: the socket was closed while connecting, or a scanner never had one";
        return Judgement::new(Cause::NoConnection, Confidence::Medium, &[Cause::Injected], evidence.to_owned())
            .kind("closed-while-connecting");
    }
    if sender.frames == 0 && inquiry.receiver().frames == 0 {
        let evidence = "nothing but the reset was captured".to_owned();
        return Judgement::new(Cause::Unknown, Confidence::Low, &[], evidence);
    }
    let evidence = if !sender.is_known() {
        "it answers no segment that was captured within a round trip, and nothing else of its sender was captured"
    } else if inquiry.noted.seq == sender.nxt {
        "it stands at its sender's next number, but has no ACK as an abort has, and answers no segment that was captured within a round trip"
    } else {
        "it answers no segment that was captured within a round trip and is not at its sender's next number"
    };
    Judgement::new(Cause::Unknown, Confidence::Low, &[Cause::NoConnection, Cause::Injected], evidence.to_owned())
}

/// How long the sender's FIN had been acknowledged when the trigger came, ns.
fn fin_acked_for(inquiry: &Inquiry<'_>) -> Option<i64> {
    let receipt = inquiry.life.arrivals.ack_of_fin[inquiry.from()]?;
    Some(inquiry.trigger?.time.since(inquiry.life.notes[receipt.note].time))
}

fn first_fin_frame(inquiry: &Inquiry<'_>) -> Option<u64> {
    inquiry.life.closing.fins[inquiry.from()].map(|fin| fin.frame)
}

/// Which copy of the FIN the trigger is.
fn copy_of_fin(inquiry: &Inquiry<'_>, trigger: &Noted) -> String {
    let is_copy = |note: &&Noted| note.side == trigger.side && note.is_fin() && note.frame <= trigger.frame;
    ordinal(inquiry.life.notes.iter().filter(is_copy).count())
}

fn ordinal(count: usize) -> String {
    match (count % 10, count % 100) {
        (1, tens) if tens != 11 => format!("{count}st"),
        (2, tens) if tens != 12 => format!("{count}nd"),
        (3, tens) if tens != 13 => format!("{count}rd"),
        _ => format!("{count}th"),
    }
}
