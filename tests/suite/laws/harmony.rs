//! What one verdict says in one place, held against what it says in another.

use lastack::base::Side;
use lastack::finding::{Basis, CloseKind, Errno, ImpliedCall, Initiator, OpenKind, Origin, State, Verdict};

/// The states that `state` can be left for.
fn can_follow(state: State, next: State) -> bool {
    use State::{
        CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen, SynReceived, SynSent, TimeWait,
    };
    let nexts: &[State] = match state {
        Closed | Listen => &[SynSent, SynReceived],
        SynSent => &[SynReceived, Established, FinWait1, Closed],
        SynReceived => &[SynSent, Established, FinWait1, CloseWait, Closed],
        Established => &[FinWait1, CloseWait, Closed],
        FinWait1 => &[FinWait2, Closing, TimeWait, Closed],
        FinWait2 => &[TimeWait, Closed],
        CloseWait => &[LastAck, Closed],
        Closing => &[TimeWait, Closed],
        LastAck | TimeWait => &[Closed],
    };
    nexts.contains(&next)
}

/// Every two statements of `verdict` that cannot both be true.
pub fn discords(verdict: &Verdict) -> Vec<String> {
    let mut found = Vec::new();
    for side in Side::BOTH {
        of_end(verdict, side, &mut found);
        of_opening(verdict, side, &mut found);
    }
    of_close(verdict, &mut found);
    of_resets(verdict, &mut found);
    for finding in &verdict.findings {
        let is_icmp = finding.name == "icmp-error" || finding.name == "connection-rejected";
        let is_within = |&frame: &u64| frame >= verdict.first_frame && frame <= verdict.last_frame;
        if finding.frames.is_empty() || !is_icmp && !finding.frames.iter().all(is_within) {
            found.push(format!("{} rests on frames {:?}", finding.name, finding.frames));
        }
    }
    found
}

fn of_end(verdict: &Verdict, side: Side, found: &mut Vec<String>) {
    let end = &verdict.endpoints[side];
    for pair in end.states.windows(2) {
        if !can_follow(pair[0].state, pair[1].state) {
            found.push(format!("{side} went from {} to {}", pair[0].state, pair[1].state));
        }
    }
    let failed = |call: &ImpliedCall| call.errno.is_some();
    if end.error != end.calls.iter().rev().find(|call| failed(call)).and_then(|call| call.errno) {
        found.push(format!("{side} ends with {:?} and its calls with {:?}", end.error, end.calls));
    }
    let closes = end.calls.iter().filter(|call| matches!(call.call.name(), "close" | "abort")).count();
    if closes > 1 {
        found.push(format!("{side} closes {closes} times"));
    }
    let was_reset = matches!(end.error, Some(Errno::ConnReset | Errno::Pipe));
    if was_reset && end.final_state() != State::Closed {
        found.push(format!("{side} had {:?} and is in {}", end.error, end.final_state()));
    }
    let waits = end.states.iter().find(|step| step.state == State::TimeWait && step.basis != Basis::Assumed);
    let gone = waits.and_then(|step| step.frame);
    let acts = |call: &&ImpliedCall| matches!(call.call.name(), "abort" | "write" | "read") && call.frame > gone;
    if gone.is_some() && end.calls.iter().any(|call| acts(&call)) {
        found.push(format!("{side} is in TIME-WAIT in frame {gone:?} and calls {:?}", end.calls));
    }
}

fn of_opening(verdict: &Verdict, side: Side, found: &mut Vec<String>) {
    let is_open = verdict.endpoints[side].states.iter().any(|step| step.state == State::Established);
    let opened = verdict.open.kind;
    let is_closed = matches!(opened, OpenKind::Unanswered | OpenKind::Refused | OpenKind::Rejected)
        || opened == OpenKind::HalfOpen && side == Side::Server;
    if is_closed && is_open {
        found.push(format!("{side} was established, though the opening is {opened}"));
    }
}

fn of_close(verdict: &Verdict, found: &mut Vec<String>) {
    let (close, ends) = (&verdict.close, &verdict.endpoints);
    let has_been = |side: Side, state: State| ends[side].states.iter().any(|step| step.state == state);
    let both_closed = Side::BOTH.into_iter().all(|side| {
        let finishes = [State::FinWait1, State::Closing, State::LastAck];
        ends[side].states.is_empty() || finishes.into_iter().any(|state| has_been(side, state))
    });
    let names_both = matches!(close.kind, CloseKind::FourSegment | CloseKind::ThreeSegment | CloseKind::Simultaneous);
    if names_both && !both_closed {
        found.push(format!("closed by {}, and one end never closed", close.kind));
    }
    let first = match close.initiator {
        Some(Initiator::Client) => Some(Side::Client),
        Some(Initiator::Server) => Some(Side::Server),
        Some(Initiator::Both) | None => None,
    };
    if let Some(side) = first.filter(|_| !matches!(close.kind, CloseKind::TimedOut | CloseKind::Refused)) {
        let resets = verdict.resets.iter().any(|reset| reset.from == side);
        if !resets && !has_been(side, State::FinWait1) && !ends[side].states.is_empty() {
            found.push(format!("{side} is said to have begun the close"));
        }
    }
}

fn of_resets(verdict: &Verdict, found: &mut Vec<String>) {
    if (verdict.close.kind == CloseKind::Reset) && verdict.resets.is_empty() {
        found.push("closed by no reset".to_owned());
    }
    for reset in &verdict.resets {
        let name = format!("reset-{}", reset.cause);
        if !verdict.findings.iter().any(|finding| finding.name == name) {
            found.push(format!("{name} is not among the findings"));
        }
        let receiver = verdict.endpoints[!reset.from].final_state();
        if reset.accepted && verdict.close.kind == CloseKind::Reset && receiver != State::Closed {
            found.push(format!("the {} took the reset in frame {} and is in {receiver}", !reset.from, reset.frame));
        }
        let is_of_a_box = matches!(reset.cause.name(), "injected" | "idle-expired");
        if reset.rivals.contains(&reset.cause) || reset.origin == Origin::Middlebox && !is_of_a_box {
            found.push(format!("the reset in frame {} is {} and {:?}", reset.frame, reset.cause, reset.origin));
        }
    }
}
