//! `accept-queue-overflow`: the application does not accept.

use crate::base::Side;
use crate::connection::{Class, Noted, OpenKind, Retries, Tap, ending_error};
use crate::finding::phrase::duration;
use crate::finding::verdict::{Cause, Family};
use crate::segment::Flags;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::phrase::times;
use crate::finding::transfer::icmp_error;
use crate::finding::verdict::{Confidence, Severity};

finding! {
    /// # What it is
    ///
    /// The client believes in a connection that the server does not have: the queue of connections waiting for accept()
    /// is full, and the kernel drops what would complete one more.
    ///
    /// # Why it matters
    ///
    /// Clients connect at once and then hang: their requests are retransmitted into nothing, and end with a reset or a
    /// timeout. The server's own log shows no such connection.
    ///
    /// # How it is recognised
    ///
    /// The handshake's ACK and payload pass, and the server either repeats its SYN-ACK all the same or says nothing at
    /// all while the client repeats itself at least three times. The first is certain once SYN-ACK or payload came often over
    /// what had passed, or at a tap beside the server; a single one may be two losses. The second form is also what a
    /// path that died right after the handshake looks like, or a SYN proxy in front of a server that is gone, so its
    /// confidence is low.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    /// +1 server > SYN ACK
    ///    client > ACK
    ///    client > again
    /// +2 server > SYN ACK
    ///    client > ACK
    ///    client > again
    /// ```
    ///
    /// With net.ipv4.tcp_abort_on_overflow a reset answers the handshake's ACK at once:
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `handshake-ack-lost`: one repetition, and then it works. `dead-peer`: the server had spoken before it fell silent.
    /// A black hole for large segments: a router says that they are too big (`icmp-error`).
    ///
    /// ```trace quiet
    /// client > SYN <mss 1460>
    /// server > SYN ACK <mss 1460>
    /// client > ACK
    /// client > data 1460
    /// icmp 10.9.9.9 > client fragmentation-needed mtu 1400
    /// +1 client > again
    /// +2 client > again
    /// +4 client > again
    /// ```
    ///
    /// TCP_DEFER_ACCEPT: the server waits for payload, and acknowledges it when it comes.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Make the application accept faster: a thread that only accepts, or several listeners with SO_REUSEPORT. Or raise
    /// the backlog: the lower of listen()'s argument and net.core.somaxconn (4096 since Linux 5.4; listen(2)) counts,
    /// and the argument is often small (Java 50, nginx and Node.js 511). Watch `ss -ltn` (full when Recv-Q is above
    /// Send-Q) and `nstat -az TcpExtListenOverflows`. net.ipv4.tcp_abort_on_overflow=1 (ip-sysctl) makes the clients
    /// see a reset instead of a hang, also over bursts that would have passed.
    "accept-queue-overflow", Handshake, Error, [RESET, REPETITION], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    // What an ICMP error ended is no more to be accepted: `icmp-error`.
    if ending_error(case.connection, case.life, Side::Server).is_some() || aborted(case, found) {
        return;
    }
    let (client, server) = (&case.connection.halves.client, &case.connection.halves.server);
    let opened = matches!(case.life.opening.kind, OpenKind::ThreeWay | OpenKind::FastOpen);
    let server_spoke = server.segments() > u64::from(server.syn_acks + server.rsts);
    if !opened || client.payload_bytes == 0 || client.retransmissions == 0 || case.is_one_sided() {
        return;
    }
    let lost = case.life.arrivals.lost_acks_of_syn[Side::Server];
    let repeats_syn_ack = server.syn_acks > 1 && lost > 0;
    let mute = !server_spoke && client.unanswered >= REPETITIONS_MIN;
    let ignored = ignored_data(case);
    let dropped_then_accepted =
        server_spoke && (repeats_syn_ack && ignored > 1 || ignored >= REPETITIONS_MIN) && !stopped_repeating(case);
    // A router says that it dropped what stays unanswered: `icmp-error`.
    let is_too_big = mute && !repeats_syn_ack && icmp_error::is_too_big(case, Side::Client);
    // Its own host says that nobody takes it: a firewall there.
    let is_rejected = case.connection.icmp_errors.iter().any(|error| {
        let is_unreachable = if error.v6 { error.kind == 1 } else { error.kind == 3 && error.code != 4 };
        let is_quoted =
            error.source == case.connection.client && !error.flags.is_some_and(|flags| flags.contains(Flags::SYN));
        is_unreachable && is_quoted && error.reporter == case.connection.server.ip
    });
    if is_rejected || is_too_big || !(mute || repeats_syn_ack && !server_spoke || dropped_then_accepted) {
        return;
    }
    let Some(start) = case.notes(|note| note.side == Side::Client && note.len > 0).next() else { return };
    let syn_acks_over_data = case.notes(|note| note.is_syn_ack() && note.frame > start.frame).count();
    let beside_server = case.life.tap == Some(Tap::Server);
    let is_certain = syn_acks_over_data > 1 || ignored >= REPETITIONS_MIN || beside_server;
    let (confidence, severity) = match (repeats_syn_ack, server_spoke) {
        (true, _) if is_certain => (Confidence::High, Severity::Error),
        (true, _) | (false, true) => (Confidence::Medium, Severity::Error),
        // Nothing of the server shows what became of it.
        (false, false) => (Confidence::Low, Severity::Warning),
    };
    let shown = case.notes(|note| {
        note.is_syn_ack()
            || note.side == Side::Client
                && (note.class.contains(Class::FIRST_DATA) || note.class.contains(Class::RETRANSMISSION))
    });
    let frames = shown.map(|note| note.frame);
    let how = if repeats_syn_ack {
        format!(
            "the server repeated its SYN-ACK {} although the client's ACK and data passed",
            times(u64::from(server.syn_acks) - 1)
        )
    } else {
        format!(
            "the server said nothing after its SYN-ACK while the client sent its first data {}",
            times(u64::from(ignored) + 1)
        )
    };
    let end = if server_spoke { ", until a place became free" } else { "" };
    let doubt = match confidence {
        Confidence::High => "",
        Confidence::Medium if repeats_syn_ack => "; losses on the path look the same",
        Confidence::Medium => "; an outage of the path looks the same",
        Confidence::Low => {
            "; a path that died then, or a SYN proxy or filter that answered for a server which is not there, looks the same"
        }
    };
    let message = format_args!("{} does not accept: {how}{end}{doubt}", case.connection.server);
    ENTRY.draft(confidence, start.time, frames, message).endpoint(Side::Server).severity(severity).push(found);
}

/// The ACK that completes the handshake was answered with a reset at once, by a server that had just offered the
/// connection: net.ipv4.tcp_abort_on_overflow.
fn aborted(case: &Case<'_>, found: &mut Found) -> bool {
    let server = &case.connection.halves.server;
    let offered_once = case.life.opening.kind == OpenKind::ThreeWay && server.syn_acks == 1;
    let isn = server.isn.filter(|_| offered_once);
    let first = case.resets.first().filter(|reset| reset.from == Side::Server && reset.family == Some(Family::Reply));
    let (Some(isn), Some(reset)) = (isn, first) else { return false };
    let noted = case.notes(|note| note.frame == reset.frame).next();
    let ack = case.notes(|note| note.side == Side::Client && note.acknowledges() && note.ack == isn + 1).next();
    let syn_ack = case.notes(|note| note.is_syn_ack() && note.side == Side::Server).next_back();
    let (Some(noted), Some(ack), Some(syn_ack)) = (noted, ack, syn_ack) else { return false };
    let never_open = server.segments() == u64::from(server.syn_acks + server.rsts) && noted.seq == isn + 1;
    // It answers the acknowledgment itself, and nothing that came later.
    let rtt_ns = case.life.arrivals.rtt_ns[Side::Server].unwrap_or(0);
    let at_once =
        noted.time.since(syn_ack.time) < OFFER_NS_MAX && noted.time.since(ack.time) <= rtt_ns + ANSWERED_NS_MAX;
    // What the client said afterwards, and as long before the reset as the way there and back takes, is what that answers.
    let excess_ns = |note: &Noted| noted.time.since(note.time) - rtt_ns;
    let later = case.notes(|note| {
        let says = note.side == Side::Client && (note.len > 0 || note.is_fin());
        says && note.frame > ack.frame && note.frame < noted.frame
    });
    let answers_later = later
        .into_iter()
        .any(|later| excess_ns(later) >= -rtt_ns / 8 && excess_ns(ack) > 2 * excess_ns(later).max(0) + ANSWER_SLACK_NS);
    if !never_open || !at_once || answers_later || reset.cause == Cause::Injected {
        return false;
    }
    let message = format_args!(
        "{} refused with a reset the connection that it had offered {} before: it does not accept and tcp_abort_on_overflow is set, or its listener was closed just then",
        case.connection.server,
        duration(noted.time.since(syn_ack.time))
    );
    let frames = vec![syn_ack.frame, ack.frame, noted.frame];
    ENTRY.draft(Confidence::Medium, noted.time, frames, message).endpoint(Side::Server).push(found);
    true
}

/// Queues and scheduling make this of a round trip's excess, ns.
const ANSWER_SLACK_NS: i64 = 1_000_000;

/// A kernel answers what it gets within this and a round trip, ns.
const ANSWERED_NS_MAX: i64 = 200_000_000;

/// A host does not forget so soon what it has offered, ns.
const OFFER_NS_MAX: i64 = 1_000_000_000;

/// The frame in which the server first said anything after its SYN-ACK; the last number if it never did.
fn first_word(case: &Case<'_>) -> u64 {
    let spoke = case.notes(|note| note.side == Side::Server && !note.is_syn_ack() && !note.is_rst()).next();
    spoke.map_or(u64::MAX, |note| note.frame)
}

/// The first payload of the client.
pub fn first_payload<'a>(case: &'a Case<'_>) -> Option<&'a Noted> {
    case.notes(|note| note.side == Side::Client && note.len > 0).next()
}

/// How often the client sent its first payload again before the server said anything after its SYN-ACK.
pub fn ignored_data(case: &Case<'_>) -> u32 {
    let until = first_word(case);
    let Some(first) = first_payload(case) else { return 0 };
    let again = case.notes(|note| {
        note.side == Side::Client
            && note.seq == first.seq
            && note.len > 0
            && note.frame > first.frame
            && note.frame < until
    });
    u32::try_from(again.count()).unwrap_or(u32::MAX)
}

/// The server had repeated its SYN-ACK over the client's acknowledgment and then did not when the next was due, while the
/// client's payload still stayed unanswered: it had opened, and the payload was lost. A full accept queue goes on
/// repeating (Linux `reqsk_timer_handler`), each time after twice as long.
pub fn stopped_repeating(case: &Case<'_>) -> bool {
    let Some(last) = case.notes(|note| note.side == Side::Server && note.is_syn_ack()).next_back() else {
        return false;
    };
    let Some(retries) = Retries::of_syn_acks(&case.life.notes, Side::Server) else { return false };
    let spoke = case.notes(|note| note.side == Side::Server && note.frame > last.frame && !note.is_rst()).next();
    let given_up = retries.is_last_offer(&case.life.profiles.server);
    let since = |note: &Noted| retries.has_stopped(note.time);
    let unanswered = |spoke: &Noted| {
        case.notes(|note| {
            note.side == Side::Client && note.len > 0 && note.frame > last.frame && note.frame < spoke.frame
        })
        .next()
        .is_some()
    };
    !retries.is_alone() && !given_up && spoke.is_some_and(|spoke| since(spoke) && unanswered(spoke))
}

/// Fewer repetitions than this can be a short outage.
const REPETITIONS_MIN: u32 = 3;
