//! How far each end is from the tap, by its handshake.

use super::classify::KEEPALIVE_NS_MIN;
use super::delivery::{DETOUR_NS, acknowledges_beyond};
use super::noted::{Class, Noted};
use super::step::Connection;
use crate::base::{Seq, Side, Sides};

/// A SYN-ACK is sent again after so long (RFC 6298, section 2.1), less the time on the way, ns.
pub(super) const SYN_ACK_RTO_NS: i64 = 900_000_000;
/// What completes a handshake later than this, and says something, came when there was something to say, ns.
pub(super) const ANSWER_NS_MAX: i64 = 300_000_000;

/// From the tap to each side and back, by the handshake. A repeated SYN counts from its last copy, a repeated
/// SYN-ACK from the last that the answer can echo.
pub(super) fn handshake_rtt(connection: &Connection, notes: &[Noted]) -> Sides<Option<i64>> {
    let Some(syn_ack) = notes.iter().position(|note| note.side == Side::Server && note.is_syn_ack()) else {
        return Sides::default();
    };
    let syn = notes[..syn_ack].iter().rfind(|note| note.side == Side::Client && note.is_syn());
    let isn = connection.halves.server.isn;
    let ack = notes[syn_ack..]
        .iter()
        .position(|note| note.side == Side::Client && isn.is_some_and(|isn| acknowledges_beyond(note, isn)));
    // What only a reset tells came any time before it.
    let is_of_reset = |ack: &usize| {
        let frame = notes[syn_ack + ack].frame;
        notes.iter().any(|note| note.is_rst() && note.frame == frame)
    };
    let ack = ack.filter(|ack| !is_of_reset(ack));
    // A probe comes by its timer and answers nothing; what follows it may answer a SYN-ACK that came after it.
    let ack = ack.and_then(|ack| after_probes(&notes[syn_ack..], ack));
    let last_syn_ack = ack.and_then(|ack| {
        let (earlier, ack) = (&notes[..syn_ack + ack], &notes[syn_ack + ack]);
        let echo = ack.timestamps.map(|stamps| stamps.echo);
        let is_echoed = |note: &Noted| match (note.timestamps, echo) {
            (Some(stamps), Some(echo)) => Seq(stamps.value).at_or_before(Seq(echo)),
            _ => true,
        };
        let is_sent = |note: &&Noted| note.side == Side::Server && note.is_syn_ack();
        earlier.iter().rfind(|note| is_sent(note) && is_echoed(note)).or_else(|| earlier.iter().rfind(is_sent))
    });
    // A repeated SYN leaves open which copy was answered (Karn), unless the SYN-ACK echoes the newest alone: what answers by
    // its timestamp is slower than the newest.
    let answered = syn.map(|syn| notes[syn_ack].time.since(syn.time).max(0));
    let echo = notes[syn_ack].timestamps.map(|stamps| stamps.echo);
    let stamped = |note: &Noted| note.timestamps.map(|stamps| stamps.value);
    let is_newest = echo.is_some() && syn.is_some_and(|syn| stamped(syn) == echo);
    let mut copies = notes[..syn_ack].iter().filter(|note| note.side == Side::Client && note.is_syn());
    let others = copies.clone().filter(|copy| syn.is_some_and(|syn| syn.frame != copy.frame));
    let is_told = is_newest && others.into_iter().all(|copy| stamped(copy) != echo);
    // And who had sent a SYN of its own repeats the SYN-ACK by the timer of that.
    let repeated = copies.nth(1).is_some() && !is_told && connection.halves.server.syns == 0;
    // Of the copies the oldest that is no farther back than the soonest echo.
    let slower = if repeated { soonest_echo(&notes[syn_ack..], Side::Server, |_| true) } else { None };
    let slower =
        slower.map(|echoed| soonest_repeat(&notes[syn_ack..], Side::Server).map_or(echoed, |ns| ns.min(echoed)));
    let slower = slower.and_then(|echoed| {
        let copies = notes[..syn_ack].iter().filter(|note| note.side == Side::Client && note.is_syn());
        let mut since = copies.map(|copy| notes[syn_ack].time.since(copy.time));
        since.find(|&since| since <= echoed + (echoed / 4).min(DETOUR_NS) && answers_newest(notes, syn_ack, since))
    });
    let own_syn = notes[..syn_ack].iter().rfind(|note| note.side == Side::Server && note.is_syn());
    let is_by_own_timer = own_syn.is_some_and(|own| notes[syn_ack].time.since(own.time) >= SYN_ACK_RTO_NS);
    let completed = ack.zip(last_syn_ack).map(|(ack, sent)| (syn_ack + ack, sent));
    // What completes it and is no acknowledgment alone came when there was something to send: the acknowledgment was lost.
    let prompt = completed.filter(|&(ack, _)| notes[ack].end() != notes[ack].seq);
    let has_to_say = prompt.is_some();
    let prompt = prompt.and_then(|(ack, _)| echoed_rtt(&notes[ack..], Side::Client));
    Sides {
        client: completed.and_then(|(ack, sent)| {
            let rtt = notes[ack].time.since(sent.time).max(0);
            let rtt = prompt.map_or(rtt, |prompt| rtt.min(prompt));
            (!has_to_say || rtt < ANSWER_NS_MAX).then_some(rtt)
        }),
        server: answered.and_then(|rtt| {
            let rtt = rtt.max(slower.unwrap_or(0));
            // So late it may be a copy, of which the tap missed the first: what echoes sooner tells.
            if rtt < SYN_ACK_RTO_NS {
                Some(rtt)
            } else if is_by_own_timer {
                // A probe bounds the way, and measures nothing.
                let answers = |note: &Noted| !note.class.contains(Class::KEEPALIVE);
                soonest_echo(&notes[syn_ack + 1..], Side::Server, answers).filter(|&echoed| echoed < SYN_ACK_RTO_NS)
            } else {
                let echoed = soonest_echo(notes, Side::Server, |_| true);
                let timed = Some(rtt - repeated_unseen_ns(&notes[syn_ack..])).filter(|&ns| (0..rtt).contains(&ns));
                echoed.into_iter().chain(timed).min().map(|least| rtt.min(least))
            }
        }),
    }
}

/// With the server `rtt_ns` from the tap and back, the newest SYN before the SYN-ACK in note `syn_ack` was answered, too, or that is
/// not due yet: every copy is, by a SYN-ACK or, once open, an acknowledgment (RFC 9293, section 3.10.7.4, fourth).
fn answers_newest(notes: &[Noted], syn_ack: usize, rtt_ns: i64) -> bool {
    let newest = notes[..syn_ack].iter().rfind(|note| note.side == Side::Client && note.is_syn());
    let Some(due) = newest.map(|syn| syn.time.plus(rtt_ns)) else { return true };
    let slack_ns = (rtt_ns / 4).min(DETOUR_NS);
    let answers = |note: &Noted| {
        let is_bare = note.side == Side::Server && note.acknowledges() && note.len == 0;
        is_bare && note.time.since(due).abs() <= slack_ns
    };
    let is_due = notes.last().is_some_and(|last| last.time.since(due) > slack_ns);
    !is_due || notes[syn_ack..].iter().any(answers)
}

/// The first acknowledgment of the client from `ack` on that is no keepalive probe, unless nothing was asked since the probes.
fn after_probes(notes: &[Noted], ack: usize) -> Option<usize> {
    let is_probe = |note: &Noted| note.class.contains(Class::KEEPALIVE);
    if !is_probe(&notes[ack]) {
        return Some(ack);
    }
    let asks = |note: &Noted| note.side == Side::Server && note.is_syn_ack();
    let again = ack + notes[ack..].iter().position(asks)?;
    let answer = again + notes[again..].iter().position(|note| note.side == Side::Client && note.acknowledges())?;
    (!is_probe(&notes[answer])).then_some(answer)
}

/// From the tap to `side` and back, at most: the least time from a timestamp of its peer to its echo. What a probe echoes
/// its sender has had for as long as it waits before it probes (RFC 9293, section 3.8.4). Only what `counts` is looked at.
fn soonest_echo(notes: &[Noted], side: Side, counts: impl Fn(&Noted) -> bool) -> Option<i64> {
    let echoed = |(index, answer): (usize, &Noted)| {
        let echo = answer.timestamps?.echo;
        let carries = |note: &&Noted| note.side != side && note.timestamps.is_some_and(|stamps| stamps.value == echo);
        let waited_ns = if answer.class.contains(Class::KEEPALIVE) { KEEPALIVE_NS_MIN } else { 0 };
        Some(answer.time.since(notes[..index].iter().find(carries)?.time) - waited_ns)
    };
    let answers = notes.iter().enumerate().filter(|(_, note)| note.side == side && !note.is_rst() && counts(note));
    answers.filter_map(echoed).filter(|&rtt| rtt >= 0).min()
}

/// How long before the first of `notes`, a SYN-ACK, its sender had sent it for the first time, ns: the pause after which it sends
/// it again by its timer is twice the one before (RFC 6298, section 5.5), down to the first.
fn repeated_unseen_ns(notes: &[Noted]) -> i64 {
    let is_next = |note: &&Noted| note.is_syn() || note.is_syn_ack();
    // Who is asked again answers at once.
    let Some(next) = notes[1..].iter().find(is_next).filter(|note| note.is_syn_ack()) else { return 0 };
    let pauses = std::iter::successors(Some(next.time.since(notes[0].time) / 2), |pause| Some(pause / 2));
    pauses.take_while(|&pause| pause >= SYN_ACK_RTO_NS).sum()
}

/// From `side` to its peer and back, at most: the least time in which it sent its FIN again, by a timer that is longer (RFC
/// 6298, section 2.3).
fn soonest_repeat(notes: &[Noted], side: Side) -> Option<i64> {
    let mut fins = notes.iter().filter(|note| note.side == side && note.is_fin());
    let mut last = fins.next()?;
    let pauses = fins.map(|fin| fin.time.since(std::mem::replace(&mut last, fin).time));
    pauses.filter(|&pause| pause > 0).min()
}

/// From the tap to `side` and back, by the first segment of its peer that it echoes.
fn echoed_rtt(notes: &[Noted], side: Side) -> Option<i64> {
    let answers = notes.iter().filter(|note| note.side == side && !note.is_syn_ack() && !note.is_rst());
    answers.filter_map(|answer| Some((answer, answer.timestamps?.echo))).find_map(|(answer, echo)| {
        let asked = |note: &&Noted| note.side != side && note.timestamps.is_some_and(|stamps| stamps.value == echo);
        let asked = notes.iter().find(asked).filter(|asked| asked.frame < answer.frame)?;
        Some(answer.time.since(asked.time))
    })
}
