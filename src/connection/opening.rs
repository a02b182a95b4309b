//! How a connection began.

use super::handshake::{accepted_at_syn, asked_to_open, is_aborted_before, is_late_syn, late_syns};
use super::lifecycle::{Hindsight, Lifecycle, is_hard};
use super::noted::{Class, Noted};
use super::round_trip::ANSWER_NS_MAX;
use super::state::State;
use super::step::Connection;
use super::words::{Frames, OpenKind, StateStep};
use crate::base::{Seq, Side};
use crate::segment::{Flags, IcmpError};

/// How it began, with the frames that show it and the handshake's round trip.
#[derive(Clone, Debug, PartialEq)]
pub struct Opening {
    /// Which way.
    pub kind: OpenKind,
    /// The frames that show it.
    pub frames: Frames,
    /// SYN to ACK in ns, when neither SYN nor SYN-ACK was repeated and the capture's clock was not set back between them.
    pub rtt_ns: Option<i64>,
    /// The frame with which the client goes on in the next stream: the SYN-ACK that answers its SYN and begins that, or what it says
    /// behind a SYN that it never sent.
    pub continued: Option<u64>,
    /// The stream before, which goes on in this one behind a SYN that nobody meant.
    pub resumes: Option<u64>,
}

impl Opening {
    pub(super) fn of(hindsight: &Hindsight<'_>) -> Self {
        let kind = kind(hindsight);
        let notes = &hindsight.notes;
        let syn = notes.iter().find(|note| note.is_syn());
        let syn_ack = notes.iter().find(|note| note.is_syn_ack());
        let ack = completing_ack(hindsight);
        let goes_on = if kind == OpenKind::ThreeWay && ack.is_none() { going_on(hindsight) } else { None };
        let answer = match kind {
            OpenKind::Refused | OpenKind::Aborted => notes.iter().find(|note| note.is_rst()),
            _ => None,
        };
        let is_second = |note: &Noted| note.is_syn() && syn.is_some_and(|syn| note.side != syn.side);
        let second_syn = (0..notes.len()).find(|&index| is_second(&notes[index]) && !is_late_syn(notes, index));
        let second_syn = second_syn.map(|index| &notes[index]);
        let mut frames: Frames = match kind {
            OpenKind::Midstream => {
                [Some(hindsight.connection.first_frame), hindsight.connection.resumed].into_iter().flatten().collect()
            }
            OpenKind::Rejected => {
                let error = rejecting_error(hindsight.connection, notes).map(|error| error.frame.0);
                let is_asked = |note: &&Noted| note.is_syn() && error.is_none_or(|frame| note.frame < frame);
                notes.iter().rfind(is_asked).map(|note| note.frame).into_iter().chain(error).collect()
            }
            _ => {
                [syn, second_syn, syn_ack, ack, goes_on, answer].into_iter().flatten().map(|note| note.frame).collect()
            }
        };
        frames.sort_unstable();
        frames.dedup();
        let halves = &hindsight.connection.halves;
        let late = |side: Side| late_syns(notes, side).count() as u32;
        let is_asked_once = halves.client.syns == 1 + late(Side::Client) && halves.server.syns == late(Side::Server);
        let once = is_asked_once && halves.server.syn_acks == 1;
        let is_late = |ack: &Noted| syn_ack.is_some_and(|sent| ack.time.since(sent.time) >= ANSWER_NS_MAX);
        let rtt_ns = match (syn, ack) {
            // A FIN or a reset in the place of the acknowledgment, which a filter left out, tells of no round trip.
            (Some(_), Some(ack)) if ack.is_fin() && hindsight.connection.shows_controls_alone() => None,
            (Some(_), Some(ack)) if notes.iter().any(|note| note.is_rst() && note.frame == ack.frame) => None,
            // What says something came when there was something to say: the acknowledgment before it was lost.
            (Some(_), Some(ack)) if ack.len > 0 && is_late(ack) => None,
            (Some(syn), Some(ack)) if once => Some(ack.time.since(syn.time)).filter(|&ns| ns >= 0),
            _ => None,
        };
        let connection = hindsight.connection;
        let answered = connection.answered_in().filter(|_| kind == OpenKind::Aborted);
        let continued = answered.or(connection.successor.and_then(|next| next.goes_on));
        let resumes = connection.resumed.and(connection.predecessor).map(|past| past.stream);
        Self { kind, frames, rtt_ns, continued, resumes }
    }
}

/// The client's segment that acknowledges the server's SYN, unless its reset came there before. One with numbers that no window
/// allows opens nothing, where the server says no more.
fn completing_ack<'a>(hindsight: &'a Hindsight<'_>) -> Option<&'a Noted> {
    let server = &hindsight.connection.halves.server;
    let isn = server.isn?;
    let goes_on = server.segments() > u64::from(server.syn_acks + server.rsts);
    let completes = |note: &&Noted| {
        let is_possible = goes_on || !note.class.contains(Class::WILD);
        note.side == Side::Client && note.acknowledges() && note.ack.after(isn) && is_possible
    };
    let ack = hindsight.notes.iter().find(completes)?;
    (!is_aborted_before(hindsight.connection, &hindsight.notes, ack)).then_some(ack)
}

/// The first segment that only an open connection has, where nothing of the capture completes the handshake.
fn going_on<'a>(hindsight: &'a Hindsight<'_>) -> Option<&'a Noted> {
    // The server takes what only an open connection sends.
    let accepted = accepted_at_syn(&hindsight.notes, Side::Server);
    let takes = |note: &Noted| accepted.is_some_and(|syn| note.ack.after(syn));
    let says = |note: &Noted| note.side == Side::Client || note.len > 0 || note.is_fin() || takes(note);
    let goes_on = |note: &&Noted| !note.flags.intersects(Flags::SYN | Flags::RST) && note.acknowledges() && says(note);
    hindsight.notes.iter().find(goes_on)
}

fn kind(hindsight: &Hindsight<'_>) -> OpenKind {
    let connection = hindsight.connection;
    let (client, server) = (&connection.halves.client, &connection.halves.server);
    if !connection.began_in_capture() {
        return OpenKind::Midstream;
    }
    let answered = server.isn.is_some();
    if client.syns > 0 && server.syns > 0 && asked_to_open(&hindsight.notes, Side::Server) {
        // In a simultaneous open both answer with SYN-ACK; a split handshake's server sends a bare ACK instead.
        let split =
            client.syn_acks > 0 && server.syn_acks == 0 && connection.start_of_server_syn_is_an_answer(hindsight);
        return if split { OpenKind::Split } else { OpenKind::Simultaneous };
    }
    if !answered {
        return kind_unanswered(hindsight);
    }
    let completed = completing_ack(hindsight).is_some();
    let reset = hindsight.notes.iter().find(|note| note.is_rst());
    if !completed {
        // The SYN-ACK may carry payload itself (RFC 7413).
        let speaks = server.last_payload().is_some_and(|data| !data.is_syn_ack());
        if client.syns == 0 && client.frames == 0 && speaks {
            // One direction only: the server speaks as only an open connection does.
            return OpenKind::ThreeWay;
        }
        let is_beyond = |(acked, isn): (Seq, Seq)| acked.after(isn + 1) || client.has_gone_round();
        let acked_unseen = client.acked.zip(client.isn).is_some_and(is_beyond);
        if server.isn.is_some() && client.missing_bytes > 0 && acked_unseen {
            // A capture of control segments alone: the server acknowledged what only an open connection sends.
            return OpenKind::ThreeWay;
        }
        return match reset {
            // A client that never sent this SYN refutes the SYN-ACK: the half-open connection is an old duplicate's.
            Some(_) if client.syns == 0 || hindsight.syn_is_stale() => OpenKind::HalfOpen,
            Some(reset) if refuses_behind_offer(connection, reset) => OpenKind::Refused,
            Some(_) => OpenKind::Aborted,
            None => OpenKind::HalfOpen,
        };
    }
    let data_accepted_with_syn = client.isn.is_some_and(|isn| {
        hindsight.notes.iter().any(|note| note.side == Side::Server && note.is_syn_ack() && note.ack.after(isn + 1))
    });
    if data_accepted_with_syn { OpenKind::FastOpen } else { OpenKind::ThreeWay }
}

/// The client, which never answered the SYN-ACK, is told in `reset` that its SYN is refused, under no number of the server's:
/// whoever listened has gone, or it is forged. In SYN-SENT the acknowledgment alone decides (RFC 9293, section 3.10.7.3).
fn refuses_behind_offer(connection: &Connection, reset: &Noted) -> bool {
    let (client, server) = (&connection.halves.client, &connection.halves.server);
    let is_own = server.isn.is_some_and(|isn| reset.seq.at_or_after(isn)) && reset.seq.at_or_before(server.nxt);
    reset.side == Side::Server && reset.acknowledges_syn(client.isn) && !is_own
}

/// The client's SYN met no SYN-ACK that the capture shows.
fn kind_unanswered(hindsight: &Hindsight<'_>) -> OpenKind {
    let connection = hindsight.connection;
    let client = &connection.halves.client;
    let refuses = |index: usize| {
        let note = &hindsight.notes[index];
        note.is_rst()
            && note.side == Side::Server
            && note.flags.contains(Flags::ACK)
            && client.isn.is_some_and(|isn| note.ack.after(isn))
    };
    let mut refusals = (0..hindsight.notes.len()).filter(|&index| refuses(index)).peekable();
    if refusals.peek().is_some() && refusals.clone().all(|index| hindsight.is_unheeded(index)) {
        // Somebody else refuses, and the client does not take it.
        return OpenKind::Aborted;
    }
    let refusal = refusals.peek().is_some();
    let later = hindsight.notes.iter().any(|note| !note.is_syn() && !note.is_rst());
    if refusal && !later {
        return OpenKind::Refused;
    }
    // The SYN-ACK is not in the capture, or nothing of the server is: the client acknowledges and sends as only an open
    // connection does, and no server disagrees with its SYN's number.
    let agrees = client.acked.zip(client.isn).is_none_or(|(acked, isn)| acked.after(isn));
    if later && agrees && hindsight.client_goes_on_open() {
        return OpenKind::ThreeWay;
    }
    if rejecting_error(connection, &hindsight.notes).is_some() {
        return OpenKind::Rejected;
    }
    if hindsight.notes.iter().any(|note| note.is_rst() && note.side == Side::Client) {
        return OpenKind::Aborted;
    }
    OpenKind::Unanswered
}

/// The ICMP error that ended the attempt. Who sends its SYN again has not taken one for the end (macOS and the BSDs wait for
/// more of them).
pub fn rejecting_error<'a>(connection: &'a Connection, notes: &[Noted]) -> Option<&'a IcmpError> {
    let isn = connection.halves.client.isn.unwrap_or_default();
    let is_heeded = |error: &&IcmpError| {
        let goes_on = |note: &Noted| note.is_syn() && note.side == Side::Client && note.frame > error.frame.0;
        is_hard(error) && error.seq == isn && !notes.iter().any(goes_on)
    };
    connection.icmp_errors.iter().find(is_heeded)
}

/// The ICMP error that ended the opening of `side`, whatever its peer made of that.
pub fn ending_error<'a>(connection: &'a Connection, life: &Lifecycle, side: Side) -> Option<&'a IcmpError> {
    let ends = |error: &&IcmpError| {
        let closes = |step: &StateStep| step.state == State::Closed && step.frame == Some(error.frame.0);
        life.states[side].iter().any(closes)
    };
    connection.icmp_errors.iter().find(ends)
}
