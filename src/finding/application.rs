//! What the two applications did and saw: the socket calls and errors that packets imply, and no others.

use super::capture::began_midstream;
use super::case::Case;
use super::reset::is_overtaking_echo;
use super::verdict::{Call, Cause, Errno, Family, ImpliedCall};
use crate::base::{Seq, Side, Sides, Timestamp};
use crate::connection::{
    CloseKind, InVain, Noted, OpenKind, Profile, ResetEffect, ResetSeen, Retries, State, ending_error, is_hard,
    rejecting_error,
};
use crate::segment::IcmpError;

/// One application's view.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    pub calls: Vec<ImpliedCall>,
    pub error: Option<Errno>,
}

/// Both applications' views.
pub(super) fn views(case: &Case<'_>) -> Sides<View> {
    let mut views = Sides::<View>::default();
    if began_midstream::is_probe(case) {
        return views;
    }
    for side in Side::BOTH {
        let view = &mut views[side];
        opening(case, side, view);
        closing(case, side, view);
        errors(case, side, view);
        view.calls.sort_by_key(|call| call.frame.unwrap_or(u64::MAX));
    }
    views
}

fn opening(case: &Case<'_>, side: Side, view: &mut View) {
    let life = case.life;
    let connection = case.connection;
    let established = life.states[side]
        .iter()
        .find(|step| step.state == State::Established)
        .filter(|_| connection.began_in_capture());
    // Whose SYN a SYN-ACK answers called connect(), also where the capture lacks that SYN.
    let answered = connection.halves[!side].syn_acks > 0 && connection.halves[side].syn_acks == 0;
    // A server that answers a SYN with its own has not called connect() for that.
    let is_split = side == Side::Server && life.opening.kind == OpenKind::Split;
    if (answered || case.syns(side) > 0) && !is_split {
        let of_error = |error: &IcmpError| icmp_errno(error, &life.profiles[side]);
        // A SYN-ACK that comes later finds nobody.
        let ended = ending_error(connection, life, side).filter(|_| established.is_none());
        let errno = match life.opening.kind {
            OpenKind::Refused if life.is_refusal_in_vain() => None,
            OpenKind::Refused => Some(Errno::ConnRefused),
            OpenKind::Rejected => rejecting_error(connection, &life.notes).map(of_error),
            // No stack gives up a SYN that it repeated no more than once; then the application did.
            OpenKind::Unanswered if life.closing.kind == CloseKind::TimedOut && copies_of_syn(case, side) > 2 => {
                Some(Errno::TimedOut)
            }
            _ => ended.map(of_error),
        };
        let frame = match life.opening.kind {
            OpenKind::Refused | OpenKind::Rejected => life.opening.frames.last().copied(),
            _ if ended.is_some() => ended.map(|error| error.frame.0),
            _ => case.notes(|note| note.side == side && note.is_syn()).next_back().map(|note| note.frame),
        };
        match (errno, established) {
            (Some(errno), _) => {
                view.calls.push(ImpliedCall { call: Call::Connect, errno: Some(errno), frame });
                view.error = Some(errno);
            }
            (None, Some(step)) => view.calls.push(ImpliedCall { call: Call::Connect, errno: None, frame: step.frame }),
            (None, None) => {}
        }
    } else if let Some(first) = accepted_by(case, side)
        && (established.is_some() || life.opening.kind == OpenKind::FastOpen)
    {
        view.calls.push(ImpliedCall { call: Call::Accept, errno: None, frame: Some(first.frame) });
    }
}

/// How often a timer sent the SYN of `side`.
fn copies_of_syn(case: &Case<'_>, side: Side) -> u32 {
    Retries::of_syns(&case.life.notes, side).map_or(0, |syns| syns.copies())
}

/// The first thing that only an application with an accepted socket does: it sends payload or a FIN. That accept() was
/// called is not on the wire before.
fn accepted_by<'a>(case: &'a Case<'_>, side: Side) -> Option<&'a Noted> {
    case.life.notes.iter().find(|note| note.side == side && (note.len > 0 || note.is_fin()))
}

fn closing(case: &Case<'_>, side: Side, view: &mut View) {
    let abort = case.resets.iter().find(|reset| {
        reset.from == side
            && reset.family == Some(Family::Active)
            && matches!(reset.cause, Cause::LingerZero | Cause::UnreadData)
    });
    if let Some(asked) = fast_close(case, side) {
        view.calls.push(ImpliedCall { call: Call::Abort, errno: None, frame: Some(asked.frame) });
    }
    if let Some(fin) = case.life.closing.fins[side] {
        // Only a socket that was not closed yet can be aborted.
        let call = if abort.is_some() || still_reads(case, side) { Call::Shutdown } else { Call::Close };
        view.calls.push(ImpliedCall { call, errno: None, frame: Some(fin.frame) });
    }
    // What the FIN waited behind was sent before the socket met the data that it refuses.
    let withheld = case.life.resets.iter().find(|effect| effect.sender == side && effect.withheld_fin);
    if let (Some(effect), None) = (withheld, case.life.closing.fins[side]) {
        let frame = Some(case.life.notes[effect.note].frame);
        view.calls.push(ImpliedCall { call: Call::Close, errno: None, frame });
    }
    if let Some(abort) = abort.filter(|abort| abort.tells_call()) {
        let call = if abort.cause == Cause::LingerZero { Call::Abort } else { Call::Close };
        view.calls.push(ImpliedCall { call, errno: None, frame: Some(abort.frame) });
    }
}

/// The segment with which `side` aborted the connection over all paths, and that the peer's stack answered with a reset.
fn fast_close<'a>(case: &'a Case<'_>, side: Side) -> Option<&'a Noted> {
    let answers = case.connection.resets.iter().filter(|seen| seen.noted.side != side);
    answers.filter_map(ResetSeen::asked_by_fast_close).next()
}

/// The socket was still open for reading when it had sent its FIN, so that was shutdown(SHUT_WR): it acknowledges payload
/// that came after the FIN, which a closed socket answers with a reset; or the FIN's acknowledgment came before the peer's
/// FIN, and that is answered by a full socket, whose IPv4 ids go on, and not by the mini socket that Linux, where it is known
/// to be that, keeps of a closed one, which has id 0.
pub(super) fn still_reads(case: &Case<'_>, side: Side) -> bool {
    let Some(fin) = case.life.closing.fins[side] else { return false };
    let peer = &case.connection.halves[!side];
    let acked = peer.acked.map(|acked| match peer.fin {
        Some(fin) if acked.after(fin) => fin,
        Some(_) => acked,
        // The last one may be that of a FIN which the tap did not see.
        None => acked - 1,
    });
    let reads_on = fin.acknowledges() && acked.is_some_and(|acked| acked.after(fin.ack));
    reads_on || answers_fin_with_full_socket(case, side, &fin)
}

fn answers_fin_with_full_socket(case: &Case<'_>, side: Side, fin: &Noted) -> bool {
    let arrivals = &case.life.arrivals;
    let (Some(acked), Some(peer_fin)) = (arrivals.ack_of_fin[side], case.connection.halves[!side].fin) else {
        return false;
    };
    let answers = |note: &Noted| note.side == side && note.len == 0 && note.acknowledges() && note.ack.after(peer_fin);
    let answer = case.notes(move |note| answers(note) && !note.is_fin()).next();
    let waited = arrivals.fin[side].is_some_and(|arrived| acked.note < arrived.note);
    let goes_on = |answer: &Noted| case.life.profiles[side].tells_open_by_id(fin.ip_id, answer.ip_id);
    waited && answer.is_some_and(|answer| answer.frame > fin.frame && goes_on(answer))
}

fn errors(case: &Case<'_>, side: Side, view: &mut View) {
    if fast_close(case, side).is_some() {
        return;
    }
    if let Some(asked) = fast_close(case, !side) {
        view.error = Some(Errno::ConnReset);
        let errno = Some(Errno::ConnReset);
        view.calls.push(ImpliedCall { call: Call::Read, errno, frame: Some(asked.frame) });
        return;
    }
    for reset in case.resets.iter().filter(|reset| reset.from != side && reset.accepted) {
        // Of several that say the same, the one that was taken.
        let taken = |effect: &&ResetEffect| {
            let follows = case.life.notes[effect.note].frame >= reset.frame || is_overtaking_echo(case.life, effect);
            effect.sender == reset.from && effect.accepted && follows
        };
        let Some(effect) = case.life.resets.iter().find(taken) else { continue };
        // Linux tcp_reset(): by the state of the socket that is reset. Elsewhere one that had opened is reset in any state (RFC 9293,
        // section 3.10.7.4, second; BSD's tcp_input(), Winsock).
        let stack = &case.life.profiles[side];
        let is_other = stack.is_other_than(&Profile::LINUX);
        let errno = match effect.state_of(side) {
            // Who had the SYN-ACK was open, and only what shows that is not in the capture.
            State::SynSent if has_syn_ack(case, side) => Errno::ConnReset,
            State::SynSent => Errno::ConnRefused,
            State::CloseWait if is_other => Errno::ConnReset,
            State::CloseWait => Errno::Pipe,
            State::Established | State::FinWait1 | State::FinWait2 => Errno::ConnReset,
            State::SynReceived | State::Closed | State::Listen | State::Closing | State::LastAck | State::TimeWait => {
                continue;
            }
        };
        if view.error.is_some() {
            continue;
        }
        if case.life.closing.fins[side].is_some() && !still_reads(case, side) {
            // It had closed: no call is left that could fail.
            continue;
        }
        view.error = Some(errno);
        let call = match errno {
            Errno::ConnRefused => Call::Connect,
            Errno::Pipe => Call::Write,
            _ => Call::Read,
        };
        let frame = reset.taken_in.unwrap_or(reset.frame);
        view.calls.push(ImpliedCall { call, errno: Some(errno), frame: Some(frame) });
    }
    let gave_up = case.resets.iter().find(|reset| reset.from == side && reset.cause == Cause::KeepaliveTimeout);
    if let Some(reset) = gave_up {
        view.error = Some(Errno::TimedOut);
        view.calls.push(ImpliedCall { call: Call::Read, errno: Some(Errno::TimedOut), frame: Some(reset.frame) });
    }
    // A socket whose handshake ends so is handed to nobody, but for one that was at once (RFC 7413).
    let ended = ending_error(case.connection, case.life, side);
    if let Some(error) = ended.filter(|_| side == Side::Server && case.life.opening.kind == OpenKind::FastOpen) {
        let errno = Some(icmp_errno(error, &case.life.profiles[side]));
        view.error = errno;
        view.calls.push(ImpliedCall { call: Call::Read, errno, frame: Some(error.frame.0) });
    }
    // The reset comes of no socket: this one had been given up before.
    let given_up = given_up(case, side).filter(|_| view.error.is_none() && case.life.closing.fins[side].is_none());
    if let Some(row) = given_up {
        let soft = last_soft_error(case, side, row.since, |seq| seq.at_or_after(row.seq));
        let errno = Some(soft.map_or(Errno::TimedOut, |error| icmp_errno(error, &case.life.profiles[side])));
        view.error = errno;
        view.calls.push(ImpliedCall { call: Call::Write, errno, frame: Some(row.last) });
    }
    if case.life.closing.unanswered == Some(side)
        && view.error.is_none()
        && case.life.closing.fins[side].is_none()
        && case.life.opening.kind != OpenKind::HalfOpen
        && case.connection.halves[side].in_flight() > 0
    {
        let frame = case.connection.halves[side].last.map(|last| last.frame);
        let soft = soft_error(case, side);
        let errno = soft.map_or(Errno::TimedOut, |error| icmp_errno(error, &case.life.profiles[side]));
        view.error = Some(errno);
        view.calls.push(ImpliedCall { call: Call::Write, errno: Some(errno), frame });
    }
}

/// A SYN-ACK came to `side`, as far as that shows: it did not ask again.
fn has_syn_ack(case: &Case<'_>, side: Side) -> bool {
    let newest = |wanted: &dyn Fn(&Noted) -> bool| case.notes(wanted).next_back().map(|note| note.frame);
    let answered = newest(&|note| note.side != side && note.is_syn_ack());
    answered > newest(&|note| note.side == side && note.is_syn())
}

/// The last ICMP error about what `side` had sent since its peer was heard: an open connection goes on, and when it gives up, that is
/// what it reports (RFC 1122, section 4.2.3.9; Linux `sk_err_soft`, which an acknowledgment clears).
fn soft_error<'a>(case: &'a Case<'_>, side: Side) -> Option<&'a IcmpError> {
    let (half, peer) = (&case.connection.halves[side], &case.connection.halves[!side]);
    let heard = peer.last?.time;
    let is_outstanding = |seq: Seq| half.acked.is_none_or(|acked| seq.at_or_after(acked)) && seq.before(half.nxt);
    last_soft_error(case, side, heard, is_outstanding)
}

/// The last ICMP error that `side` had from `since` on about what it had sent with one of the numbers `of`.
fn last_soft_error<'a>(
    case: &'a Case<'_>,
    side: Side,
    since: Timestamp,
    of: impl Fn(Seq) -> bool,
) -> Option<&'a IcmpError> {
    let is_own = |error: &IcmpError| error.source == case.connection.endpoint(side) && of(error.seq);
    case.connection.icmp_errors.iter().rev().find(|error| is_own(error) && is_hard(error) && error.time >= since)
}

/// What `side` had sent in vain and sent no more when it was due, if a reset says that it has no socket any more.
fn given_up(case: &Case<'_>, side: Side) -> Option<InVain> {
    let is_kind = |kind: Option<&str>| matches!(kind, Some("gave-up" | "window-shut"));
    let reset = case.resets.iter().find(|reset| reset.from == side && is_kind(reset.kind))?;
    let seen = case.connection.resets.iter().find(|seen| seen.noted.frame == reset.frame)?;
    InVain::before(&case.life.notes, seen).filter(|row| row.has_stopped)
}

/// What `stack` reports for an ICMP error.
pub(super) fn icmp_errno(error: &IcmpError, stack: &Profile) -> Errno {
    if stack.is_surely(&Profile::FREEBSD) { freebsd_errno(error) } else { linux_errno(error) }
}

/// FreeBSD's `icmp_errmap` and `icmp6_errmap`.
fn freebsd_errno(error: &IcmpError) -> Errno {
    match (error.v6, error.kind, error.code) {
        (false, 3, 2 | 3 | 9 | 10 | 13) | (true, 1, 1 | 4) | (true, 4, 1) => Errno::ConnRefused,
        (false, 12, _) | (true, 1, 2) | (true, 4, _) => Errno::NoProtoOpt,
        _ => Errno::HostUnreach,
    }
}

/// Linux's `icmp_err_convert` and `tcp_v6_err`.
fn linux_errno(error: &IcmpError) -> Errno {
    match (error.v6, error.kind, error.code) {
        (false, 3, 0 | 6 | 9 | 11) => Errno::NetUnreach,
        (false, 3, 2) => Errno::NoProtoOpt,
        (false, 3, 3) | (true, 1, 4) => Errno::ConnRefused,
        (true, 1, 0) => Errno::NetUnreach,
        (true, 1, 1) => Errno::Access,
        (true, 1, 2 | 3) => Errno::HostUnreach,
        (true, 1, 5 | 6) => Errno::Access,
        (false, 12, _) | (true, 4, _) => Errno::Protocol,
        _ => Errno::HostUnreach,
    }
}
