//! Why a reset was sent: the family from its header, the cause from the history of its connection.

mod abort;
pub mod after_close;
pub mod after_fin;
mod appliance;
mod cause;
pub mod data_after_close;
mod family;
pub mod fin_wait_2_expired;
mod forged;
pub mod idle_expired;
pub mod ignored;
pub mod injected;
pub mod invalid_handshake;
pub mod keepalive_timeout;
mod late;
pub mod linger_zero;
mod multipath;
pub mod no_connection;
pub mod no_time_wait;
pub mod process_exit;
pub mod refused;
mod trigger;
pub mod unknown;
pub mod unread_data;

use std::borrow::Cow;
use std::fmt;

use super::case::{Case, Found, Words};
use super::catalogue::Entry;
use super::phrase::count;
use super::verdict::{Cause, Confidence, Family, Origin, Reset, Severity};
use crate::base::{Endpoint, Side, Sides};
use crate::connection::{
    Acceptance, Answer, BURST_NS, Connection, Half, Lifecycle, Noted, Orderly, ResetEffect, ResetSeen, State,
};
use crate::segment::{Flags, Marks};

/// The findings of this group, in the order of a connection's life.
pub static ENTRIES: &[&Entry] = &[
    &linger_zero::ENTRY,
    &unread_data::ENTRY,
    &data_after_close::ENTRY,
    &no_connection::ENTRY,
    &no_time_wait::ENTRY,
    &fin_wait_2_expired::ENTRY,
    &keepalive_timeout::ENTRY,
    &refused::ENTRY,
    &invalid_handshake::ENTRY,
    &after_fin::ENTRY,
    &process_exit::ENTRY,
    &idle_expired::ENTRY,
    &injected::ENTRY,
    &unknown::ENTRY,
    &ignored::ENTRY,
    &after_close::ENTRY,
];

/// Everything that the judgement of one reset rests on.
pub(super) struct Inquiry<'a> {
    pub connection: &'a Connection,
    pub life: &'a Lifecycle,
    pub effect: &'a ResetEffect,
    pub seen: &'a ResetSeen,
    pub noted: &'a Noted,
    /// The segment that it answers, if it answers one.
    pub trigger: Option<Noted>,
}

/// What was sent before its sender had a FIN comes no later behind that, ns: no round trip is longer.
const BEHIND_FIN_NS: i64 = 1_000_000_000;

/// A cause with its grounds.
pub(super) struct Judgement {
    pub cause: Cause,
    pub confidence: Confidence,
    pub rivals: Vec<Cause>,
    pub evidence: String,
    /// What tells it apart among those of its cause.
    pub kind: Option<&'static str>,
}

impl Judgement {
    pub fn new(cause: Cause, confidence: Confidence, rivals: &[Cause], evidence: String) -> Self {
        Self { cause, confidence, rivals: rivals.to_vec(), evidence, kind: None }
    }

    /// The same, told apart by `kind`.
    pub fn kind(self, kind: &'static str) -> Self {
        Self { kind: Some(kind), ..self }
    }
}

impl Inquiry<'_> {
    /// Whose address the reset carries.
    pub fn from(&self) -> Side {
        self.noted.side
    }

    /// The sender's half just before.
    pub fn sender(&self) -> &Half {
        &self.seen.before[self.noted.side]
    }

    /// The receiver's half just before.
    pub fn receiver(&self) -> &Half {
        &self.seen.before[!self.noted.side]
    }

    /// Its sender had closed just before, and it has the number of that FIN, which no segment in the capture asks for: so macOS and
    /// iOS answer data that crossed their FIN or followed it.
    pub fn repeats_fin_number(&self) -> bool {
        let (noted, effect) = (self.noted, self.effect);
        let fin = self.life.closing.fins[self.from()];
        let is_behind = fin.is_some_and(|fin| (0..BEHIND_FIN_NS).contains(&noted.time.since(fin.time)));
        let is_bare = self.trigger.is_none() && !noted.flags.contains(Flags::ACK);
        let is_own = !effect.contradicted && effect.between.is_none();
        let goes_on = self.receiver().fin.is_none();
        is_bare && is_own && is_behind && goes_on && self.sender().fin == Some(noted.seq)
    }

    /// Its sender had closed, and it has a number that the receiver acknowledged before it had that FIN, while octets of the
    /// receiver were on their way: it answers one of those, which nobody had reason to remember.
    pub fn answers_unnoted_data(&self) -> bool {
        let (sender, receiver) = (self.sender(), self.receiver());
        let up_to_fin = match (sender.fin, sender.start) {
            (Some(fin), Some(start)) => self.noted.seq.at_or_before(fin) && self.noted.seq.at_or_after(start),
            _ => self.effect.withheld_fin,
        };
        self.trigger.is_none() && !self.noted.flags.contains(Flags::ACK) && up_to_fin && receiver.in_flight() > 0
    }
}

/// Judges every reset of a connection. A reset that only repeats what its sender's earlier one said is counted there as
/// an echo: one abort can be followed by tens of resets to what was still on its way.
pub fn judge(connection: &Connection, life: &Lifecycle) -> Vec<Reset> {
    let mut resets: Vec<Reset> = Vec::new();
    let mut overtaking: Sides<Overtaking> = Sides::default();
    for effect in &life.resets {
        let noted = &life.notes[effect.note];
        let seen = connection.resets.iter().find(|seen| seen.noted.frame == noted.frame);
        let Some(seen) = seen else {
            // Beyond the remembered ones: counted with the newest of its side.
            if let Some(earlier) = resets.iter_mut().rfind(|reset| reset.from == noted.side) {
                echo(earlier, effect, noted);
            }
            continue;
        };
        if is_overtaking_echo(life, effect) {
            let overtaking = &mut overtaking[noted.side];
            overtaking.echoes += 1;
            if effect.accepted && overtaking.taken.is_none() {
                overtaking.taken = Some(Inquiry { connection, life, effect, seen, noted, trigger: None });
            }
            continue;
        }
        let earlier = resets.iter().rposition(|reset| {
            let is_own = reset.origin != Origin::Middlebox && effect.between.is_none();
            reset.from == noted.side && (is_own || is_of_same_maker(life, effect, reset))
        });
        let trigger = trigger::find(life, seen);
        let inquiry = Inquiry { connection, life, effect, seen, noted, trigger };
        let family = family::of(&inquiry);
        if let Some(earlier) = earlier.filter(|_| !effect.contradicted) {
            let earlier = &mut resets[earlier];
            let taken_now = effect.accepted && !earlier.accepted;
            echo(earlier, effect, noted);
            if taken_now {
                let lost = losses(&inquiry, family, earlier.origin, earlier.cause);
                (earlier.client_bytes_lost, earlier.server_bytes_lost) = (lost.client, lost.server);
            }
            multipath::explain_earlier(earlier, &inquiry, family);
            continue;
        }
        let overtaking = std::mem::take(&mut overtaking[noted.side]);
        let taken = overtaking.taken.as_ref().filter(|_| !effect.accepted);
        resets.push(Reset { echoes: overtaking.echoes, ..verdict(&inquiry, family, taken) });
    }
    resets
}

/// The resets of a side that came before the abort which they follow from.
#[derive(Default)]
struct Overtaking<'a> {
    echoes: u32,
    /// The one that its receiver takes.
    taken: Option<Inquiry<'a>>,
}

/// `noted` says again what `earlier` said, with the number of another segment, and may be the one that is taken.
fn echo(earlier: &mut Reset, effect: &ResetEffect, noted: &Noted) {
    earlier.echoes += 1;
    if effect.accepted && !earlier.accepted {
        earlier.accepted = true;
        earlier.taken_in = Some(noted.frame);
        earlier.evidence +=
            &format!("; the one in frame {} has the number that it waits for, and is taken", noted.frame);
    }
}

/// What had forgotten the flow when it made `reset` made that of `effect` with it: it answers every segment.
fn is_of_same_maker(life: &Lifecycle, effect: &ResetEffect, reset: &Reset) -> bool {
    let noted = &life.notes[effect.note];
    effect.between.is_some()
        && reset.cause == Cause::IdleExpired
        && life.resets.iter().any(|earlier| {
            let other = &life.notes[earlier.note];
            let is_there = other.frame == reset.frame && earlier.between == effect.between;
            is_there && other.ttl == noted.ttl && noted.time.since(other.time) < BURST_NS
        })
}

/// A bare reset that passed the tap before the abort which had taken its sender's socket: that is the cause of both.
pub(super) fn is_overtaking_echo(life: &Lifecycle, effect: &ResetEffect) -> bool {
    let bare = &life.notes[effect.note];
    let closed = life.closing.fins[bare.side].is_some_and(|fin| fin.frame < bare.frame);
    !closed
        && !bare.flags.contains(Flags::ACK)
        && life.notes[effect.note + 1..].iter().any(|note| {
            let aborts = note.side == bare.side && note.flags.contains(Flags::RST | Flags::ACK);
            let is_live = note.window != 0 || note.timestamps.is_some();
            aborts
                && is_live
                && note.ttl == bare.ttl
                && note.seq.at_or_after(bare.seq)
                && note.time.since(bare.time) <= OVERTAKEN_NS
        })
}

/// Nothing is overtaken by more than this, ns.
const OVERTAKEN_NS: i64 = 200_000_000;

/// The finding for every reset of one cause.
fn report(entry: &Entry, cause: Cause, case: &Case<'_>, found: &mut Found) {
    for reset in case.resets.iter().filter(|reset| reset.cause == cause) {
        let lost = lost_for_good(case, reset);
        let by_choice = matches!(cause, Cause::LingerZero | Cause::UnreadData);
        let severity = match cause {
            _ if by_choice && costs_nothing(case, reset) => Some(Severity::Note),
            // A guess about something of which hardly anything is known.
            _ if by_choice && reset.confidence == Confidence::Low && !case.connection.began_in_capture() => {
                Some(if lost > 0 { Severity::Warning } else { Severity::Note })
            }
            Cause::NoConnection if reset.kind == Some("probe") => Some(Severity::Note),
            Cause::Injected if !reset.accepted => Some(of_vain_forgery(case, reset)),
            _ if ends_nothing(case, reset) => Some(Severity::Note),
            _ => None,
        };
        let told = Told { reset, endpoint: case.connection.endpoint(reset.from), lost, severity };
        told.tell(entry, found);
    }
}

/// Octets that were not acknowledged when `reset` came, nor afterwards: what was on its way may have had its receiver all the same.
fn lost_for_good(case: &Case<'_>, reset: &Reset) -> u64 {
    let lost = Sides { client: reset.client_bytes_lost, server: reset.server_bytes_lost };
    Side::BOTH
        .into_iter()
        .filter(|&side| !case.connection.halves[side].has_payload_acked())
        .map(|side| lost[side])
        .sum()
}

/// A reset to be put into words.
struct Told<'a> {
    reset: &'a Reset,
    /// Whose address it carries.
    endpoint: Endpoint,
    /// Octets that it cost.
    lost: u64,
    /// What it weighs, where that is not what the catalogue says.
    severity: Option<Severity>,
}

impl Told<'_> {
    fn tell(&self, entry: &Entry, found: &mut Found) {
        let &Self { reset, endpoint, lost, severity } = self;
        let who = fmt::from_fn(|f| match reset.origin {
            Origin::Middlebox => write!(f, "somebody reset the connection in the name of {} ({endpoint})", reset.from),
            Origin::Endpoint | Origin::Unknown => write!(f, "{} ({endpoint}) reset the connection", reset.from),
        });
        let losing = fmt::from_fn(|f| match lost {
            0 => Ok(()),
            _ => write!(f, ", losing {} not yet acknowledged", count(lost, "octet")),
        });
        let echoes = fmt::from_fn(|f| match reset.echoes {
            0 => Ok(()),
            1 => f.write_str(" (1 more reset followed)"),
            echoes => write!(f, " ({echoes} more resets followed)"),
        });
        let message = format_args!("{who}{losing}{echoes}: {}", reset.evidence);
        let draft = entry.draft(reset.confidence, reset.time, [reset.frame], message).endpoint(reset.from);
        let draft = if let Some(severity) = severity { draft.severity(severity) } else { draft };
        let draft = if let Some(kind) = reset.kind { draft.kind(kind) } else { draft };
        draft.push(found);
    }
}

/// Judges the reset of a connection of which the life was told in short: such a life has one at most.
#[inline]
pub(super) fn judge_orderly(orderly: &Orderly, words: Words, resets: &mut Vec<Reset>) {
    resets.clear();
    if orderly.refusal.is_some() || orderly.abort.is_some() {
        judge_reset(orderly, words, resets);
    }
}

#[inline(never)]
fn judge_reset(orderly: &Orderly, words: Words, resets: &mut Vec<Reset>) {
    resets.extend(orderly.refusal.map(|refusal| refused::of_orderly(orderly, refusal, words)));
    resets.extend(orderly.abort.as_ref().map(|abort| abort::of_orderly(orderly, abort, words)));
}

/// What is found of the resets of a connection of which the life was told in short.
pub(super) fn tell_orderly(orderly: &Orderly, resets: &[Reset], found: &mut Found) {
    for reset in resets {
        let entry = match reset.cause {
            Cause::Refused => &refused::ENTRY,
            Cause::UnreadData => &unread_data::ENTRY,
            _ => &linger_zero::ENTRY,
        };
        let costs = Costs {
            lost: reset.client_bytes_lost + reset.server_bytes_lost,
            had_closed: orderly.fins[!reset.from].is_some(),
            has_asked: orderly.sent.client.payload_bytes > 0,
            from: reset.from,
            said: Sides {
                client: orderly.sent.client.last_payload.map(|last| (last.place.frame, last.octets)),
                server: orderly.sent.server.last_payload.map(|last| (last.place.frame, last.octets)),
            },
        };
        let is_free = reset.cause != Cause::Refused && costs.are_none();
        let severity = if is_free { Some(Severity::Note) } else { None };
        Told { reset, endpoint: orderly.endpoint(reset.from), lost: costs.lost, severity }.tell(entry, found);
    }
}

/// It was not taken, and its receiver had closed before.
fn ends_nothing(case: &Case<'_>, reset: &Reset) -> bool {
    let had_closed = |effect: &ResetEffect| effect.receiver_state == Some(State::Closed);
    !reset.accepted && effect_of(case, reset).is_some_and(had_closed)
}

fn effect_of<'a>(case: &'a Case<'_>, reset: &Reset) -> Option<&'a ResetEffect> {
    case.life.resets.iter().find(|effect| case.life.notes[effect.note].frame == reset.frame)
}

/// What a forged reset weighs that was not taken: nothing where its receiver had closed anyway, else it is an attempt.
fn of_vain_forgery(case: &Case<'_>, reset: &Reset) -> Severity {
    let receiver = effect_of(case, reset).map_or(State::Closed, |effect| effect.state_of(!reset.from));
    if matches!(receiver, State::Closed | State::TimeWait) { Severity::Note } else { Severity::Warning }
}

fn costs_nothing(case: &Case<'_>, reset: &Reset) -> bool {
    let halves = &case.connection.halves;
    let said = |side: Side| halves[side].last_payload().map(|data| (data.frame, data.len));
    let costs = Costs {
        lost: lost_for_good(case, reset),
        had_closed: case.life.closing.fins[!reset.from].is_some_and(|fin| fin.frame < reset.frame),
        has_asked: halves.client.payload_bytes > 0,
        from: reset.from,
        said: Sides { client: said(Side::Client), server: said(Side::Server) },
    };
    costs.are_none()
}

/// What a reset may cost.
struct Costs {
    /// Octets that were not acknowledged.
    lost: u64,
    /// The side that was reset had sent its FIN.
    had_closed: bool,
    /// The client had sent payload.
    has_asked: bool,
    /// Who reset.
    from: Side,
    /// Frame and octets of the last payload of each side.
    said: Sides<Option<(u64, u32)>>,
}

impl Costs {
    /// Nothing but a farewell was under way, and the side that was reset had closed or had its answer: most resets of
    /// ordinary traffic spare somebody the waiting in TIME-WAIT and lose nothing.
    fn are_none(&self) -> bool {
        // Whoever asked and had the answer whole may drop the connection that brought it.
        let is_served = self.from == Side::Client && self.lost == 0 && self.has_asked;
        let has_answer = match (self.said[!self.from], self.said[self.from]) {
            (Some(_), Some(_)) if is_served => true,
            (Some((asked, octets)), Some((said, _))) => said > asked || octets <= FAREWELL_OCTETS_MAX,
            (Some(_), None) => false,
            (None, said) => said.is_some(),
        };
        self.lost <= u64::from(FAREWELL_OCTETS_MAX) && (self.had_closed || has_answer)
    }
}

/// A TLS close_notify or a QUIT is no more than this.
const FAREWELL_OCTETS_MAX: u32 = 64;

fn verdict(inquiry: &Inquiry<'_>, family: Option<Family>, overtaken_by: Option<&Inquiry<'_>>) -> Reset {
    let said = multipath::judge(inquiry, family).or_else(|| appliance::judge(inquiry));
    let said = said.or_else(|| late::judge(inquiry)).or_else(|| late::judge_in_next(inquiry));
    let forged = if said.is_some() { None } else { forged::judge(inquiry, family) };
    let origin = match &forged {
        Some(judgement) if judgement.confidence >= Confidence::Medium => Origin::Middlebox,
        Some(_) => Origin::Unknown,
        None => Origin::Endpoint,
    };
    let judgement = said.or(forged).or_else(|| multipath::of_path(inquiry, family));
    let judgement = judgement.unwrap_or_else(|| {
        let judgement = cause::judge(inquiry, family);
        let evidence = judgement.evidence + &multipath::words(inquiry).unwrap_or_default();
        Judgement { evidence, ..judgement }
    });
    let origin = match judgement.cause {
        Cause::IdleExpired if judgement.confidence >= Confidence::Medium => Origin::Middlebox,
        Cause::Injected if inquiry.effect.between.is_some() => Origin::Middlebox,
        Cause::IdleExpired | Cause::Unknown => Origin::Unknown,
        _ => origin,
    };
    let taken = overtaken_by.or(inquiry.effect.accepted.then_some(inquiry));
    let lost = taken.map_or_else(Sides::default, |taken| losses(taken, family, origin, judgement.cause));
    let outcome = match overtaken_by {
        Some(echo) => Cow::Owned(format!(
            "; that in frame {}, an answer to what its receiver was still sending, overtook it and is taken",
            echo.noted.frame
        )),
        None => Cow::Borrowed(acceptance_words(inquiry)),
    };
    Reset {
        frame: inquiry.noted.frame,
        time: inquiry.noted.time,
        from: inquiry.from(),
        origin,
        family,
        cause: judgement.cause,
        confidence: judgement.confidence,
        rivals: judgement.rivals,
        kind: judgement.kind,
        accepted: taken.is_some() || ends_another(inquiry),
        taken_in: overtaken_by.map(|echo| echo.noted.frame),
        client_bytes_lost: lost.client,
        server_bytes_lost: lost.server,
        octets_unseen: if family == Some(Family::Active) { abort::octets_unseen(inquiry) } else { 0 },
        echoes: 0,
        evidence: judgement.evidence + &outcome,
    }
}

/// Octets of each side that nobody had acknowledged when the reset took its receiver's connection.
fn losses(inquiry: &Inquiry<'_>, family: Option<Family>, origin: Origin, cause: Cause) -> Sides<u64> {
    // What was on its way when it came met nobody either.
    let lost_later = |side: Side| {
        let half = &inquiry.connection.halves[side];
        let is_peers = side != inquiry.from() && origin == Origin::Endpoint;
        let acked = inquiry.noted.flags.contains(Flags::ACK).then_some(inquiry.noted.ack);
        let una = half.acked.zip(acked).map_or(half.acked, |(una, acked)| Some(una.later(acked)));
        if is_peers { una.map_or(0, |una| half.in_flight_beyond(una)) } else { 0 }
    };
    let lost = |side: Side| match family {
        // What the other side had acknowledged is not in the capture.
        _ if inquiry.connection.halves[!side].frames == 0 => 0,
        // A live socket's reset acknowledges what had reached it.
        Some(Family::Active) if cause != Cause::DataAfterClose => {
            inquiry.seen.lost_but_for_its_ack(side).max(lost_later(side))
        }
        _ => inquiry.seen.lost(side).max(lost_later(side)),
    };
    Sides { client: lost(Side::Client), server: lost(Side::Server) }
}

/// It refuses numbers of another connection on the same ports, and ends what its receiver had left of that.
fn ends_another(inquiry: &Inquiry<'_>) -> bool {
    let effect = inquiry.effect;
    effect.refuses
        && !effect.receiver_goes_on
        && inquiry.connection.answer_next(!inquiry.from()) != Some(Answer::GoesOn)
}

/// The SYN that `refuser` refuses begins the next stream, too.
fn is_asked_again(connection: &Connection, refuser: Side) -> bool {
    connection.successor.is_some_and(|next| next.ack.is_none() && next.sender == connection.endpoint(!refuser))
}

/// What the receiver makes of it, when it is not simply reset.
fn acceptance_words(inquiry: &Inquiry<'_>) -> &'static str {
    let effect = inquiry.effect;
    match (effect.accepted, effect.acceptance) {
        (true, _) => "",
        (false, _) if ends_another(inquiry) => ", and ends what was left of that one",
        (false, Acceptance::Challenge) if effect.receiver_state != Some(State::Closed) => {
            "; its number is inside the window but not the next one, so the receiver answers with a challenge ACK and goes on (RFC 5961)"
        }
        (false, Acceptance::Outside) if effect.receiver_state == Some(State::SynSent) => {
            "; in SYN-SENT its receiver takes only a reset that acknowledges its SYN, so it is ignored"
        }
        (false, Acceptance::Outside) => "; its numbers lie outside the receiver's window, so it is ignored",
        (false, _) if effect.receiver_state == Some(State::Closed) => {
            "; its receiver had closed before, so it ends nothing"
        }
        (false, _) if inquiry.noted.marks.contains(Marks::CHECKSUM_BAD) => {
            "; its checksum is wrong, so that its receiver drops it"
        }
        (false, Acceptance::AcksSyn)
            if effect.receiver_goes_on && is_asked_again(inquiry.connection, inquiry.from()) =>
        {
            "; its receiver asked again afterwards, as Windows does when it is refused, and any that does not hear of it"
        }
        (false, _) if effect.receiver_goes_on => {
            "; the receiver went on afterwards, so it did not arrive or was not taken"
        }
        (false, _) if effect.was_passed => "; its number is behind what its receiver had by then, so it is ignored",
        (false, _) if effect.echoes_no_syn => {
            "; by its SYN its receiver checks timestamps, and takes no reset that echoes another than its own (Linux)"
        }
        (false, Acceptance::BeforeFin) => "; its number is one below what TIME-WAIT expects, so it is ignored",
        (false, _) => "; nothing before it had been answered any more, so it will not have arrived either",
    }
}
