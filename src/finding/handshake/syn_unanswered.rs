//! `syn-unanswered`: nobody answered the SYN.

use std::fmt::{self, Display};

use crate::base::Side;
use crate::connection::{Class, Noted, OpenKind, Orderly, Retries, SYN_REPEATED_NS};
use crate::finding::phrase::{count, duration};
use crate::segment::Flags;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, Severity};

finding! {
    /// # What it is
    ///
    /// A client sent SYNs and nothing at all came back: no SYN-ACK, no reset, no ICMP error.
    ///
    /// # Why it matters
    ///
    /// The application waits until connect() gives up with ETIMEDOUT: with the defaults 131 seconds on Linux since 6.5 and
    /// 127 before, 75 on macOS and FreeBSD, 21 on Windows.
    ///
    /// # How it is recognised
    ///
    /// Only SYNs in the connection. The pauses between them show the timer, and with it when the next one was due and when
    /// that stack gives up: 1 s doubled each time (Linux 3.1 to 6.4, FreeBSD), 1 s five times and then doubled (Linux
    /// since 6.5, macOS), 3 s doubled (Windows up to 7, old Linux), 3 s five times and then doubled (old BSDs). The message
    /// says whether that time had passed when the capture ended, whether the client stopped earlier, or whether the capture
    /// ended first. Pauses that are of no such timer lower the confidence. A SYN that is repeated once or not at all is no connect() that the
    /// stack ended with ETIMEDOUT: the application had a shorter limit of its own, or it was a probe.
    ///
    /// ```trace fires
    ///    client > SYN
    /// +1 client > SYN
    /// +2 client > SYN
    /// ```
    ///
    /// What comes from there and belongs to an older connection is no answer:
    ///
    /// ```trace fires
    ///    client > SYN
    /// +1 client > SYN
    /// +1 server > FIN ACK seq 90000 ack 70000
    /// +1 client > SYN
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `connection-refused` (a reset came at once) and `connection-rejected` (an ICMP error came). A capture that sees
    /// one direction only shows the same SYNs, but also what the client sent afterwards.
    ///
    /// ```trace quiet
    ///    client > SYN
    /// +1 client > SYN
    ///    server > RST ACK
    /// ```
    ///
    /// Nor is anything claimed of a host whose frames are missing where it did answer:
    ///
    /// ```trace quiet
    /// b.client 10.0.0.1:40001
    /// b.client > SYN
    /// client > SYN
    /// client > ACK ack 1
    /// client > data 100 ack 1
    /// client > ACK ack 2001
    /// ```
    ///
    /// # What to do
    ///
    /// Check address, route and firewall: a filter that drops is the usual cause, and a capture at the server tells
    /// whether the SYN arrived. On a server that is alive, a full accept queue drops SYNs silently (`ss -ltn`: Recv-Q
    /// above Send-Q). Client: set a connect timeout in the application, or TCP_USER_TIMEOUT before connect() (tcp(7)
    /// grants it to open connections only, but Linux 6.18 gives up in SYN-SENT by it, too); two minutes are rarely what
    /// anybody wants. Firewall: reject with a reset instead of dropping where the clients are one's own; scanners then
    /// get an answer, too.
    "syn-unanswered", Handshake, Error, [UNANSWERED], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    // A FIN may come again of an older connection on the same addresses and ports; an acknowledgment of one answers the SYN.
    let is_stray = |note: &Noted| note.side == Side::Server && note.is_fin() && note.class.contains(Class::WILD);
    let strays = case.notes(is_stray).count() as u64;
    if case.life.opening.kind != OpenKind::Unanswered || case.connection.halves.server.frames > strays {
        return;
    }
    let mut syns = case.notes(|note| note.side == Side::Client && note.is_syn());
    let frames = case.notes(|note| note.side == Side::Client && note.is_syn()).map(|note| note.frame);
    let Some(first) = syns.next() else { return };
    let last = syns.next_back();
    let last = last.unwrap_or(first);
    let horizon = case.life.horizon;
    let Some(retries) = Retries::of_syns(&case.life.notes, Side::Client) else { return };
    let stack = &case.life.profiles.client;
    let retried = case.connection.halves.client.syns > 1;
    let limit = retries.connect_gives_up(stack).filter(|_| !retries.is_alone());
    let given_up = limit.filter(|&at| at <= horizon);
    let quiet = horizon.since(last.time);
    let stopped = if retries.is_alone() { quiet >= SYN_REPEATED_NS } else { retries.has_stopped(horizon) };
    // Copies that no timer sent say no more than the first.
    let (mut confidence, severity) = weigh(given_up.is_some() || stopped, !retries.is_alone());
    if !retries.is_regular() {
        // Whoever follows no timer may pause for longer, too.
        confidence = confidence.min(Confidence::Medium);
    }
    let syns = case.connection.halves.client.syns;
    let last_one = if syns == 1 { "it" } else { "the last one" };
    let timer = fmt::from_fn(|f| match retries.timer() {
        Some(timer) => write!(f, "{timer}"),
        None if retries.is_regular() => f.write_str("its pauses fit several timers"),
        None => f.write_str("its pauses fit no timer"),
    });
    // It was due before: whoever sends it no more gave up by no stack's rule.
    let late_ns = retries.due().since(last.time) / 8;
    let outlived = given_up.filter(|&at| !stopped || retries.due().plus(late_ns) >= at);
    let end = fmt::from_fn(|f| {
        if let Some(at) = outlived {
            let limit = duration(at.since(first.time));
            write!(f, "the give-up time of the {} profile ({limit}; pauses: {timer}) passed", stack.name)
        } else if stopped && retried {
            let due = duration(retries.due().since(last.time));
            write!(f, "it stopped trying: the next was due {due} after the last ({timer})")?;
            match given_up {
                Some(_) => write!(f, ", before the {} profile gives up", stack.name),
                None => Ok(()),
            }
        } else if stopped {
            stopped_waiting(quiet).fmt(f)
        } else {
            let end = End::of(case.connection.evicted, case.connection.successor.is_some(), case.life.outlives_clock);
            broke_off(quiet, last_one, end).fmt(f)
        }
    });
    let which = fmt::from_fn(|f| match syns {
        // `tcp_rcv_state_process`
        1 if first.flags.contains(Flags::FIN) => f.write_str("the SYN, which carries a FIN and is dropped by Linux,"),
        1 => f.write_str("the SYN"),
        _ => write!(f, "any of the {syns} SYNs"),
    });
    let of_another = fmt::from_fn(|f| match strays {
        0 => Ok(()),
        _ => write!(f, "; what came from there ({}) belongs to another connection", count(strays, "segment")),
    });
    let (client, server) = (case.connection.client, case.connection.server);
    let message = format_args!("nobody answered {which} from {client} to {server}; {end}{of_another}");
    ENTRY.draft(confidence, first.time, frames, message).endpoint(Side::Client).severity(severity).push(found);
}

/// Its sender let a lone SYN be.
fn stopped_waiting(quiet: i64) -> impl Display {
    fmt::from_fn(move |f| {
        f.write_str("it was not repeated in the ")?;
        duration(quiet).fmt(f)?;
        f.write_str(" that followed, so its sender stopped waiting before its stack gave up")
    })
}

/// Why no more of a connection is known.
#[derive(Clone, Copy)]
enum End {
    /// The capture ended.
    Capture,
    /// The connection was let go.
    Evicted,
    /// The next one took its addresses and ports.
    Replaced,
    /// The capture went on by a clock that was set back.
    SetBack,
}

impl End {
    fn of(is_evicted: bool, is_replaced: bool, is_set_back: bool) -> Self {
        match (is_evicted, is_replaced) {
            (true, _) => Self::Evicted,
            (false, true) => Self::Replaced,
            (false, false) if is_set_back => Self::SetBack,
            (false, false) => Self::Capture,
        }
    }
}

/// Too soon for more to be said, `end` came.
fn broke_off(quiet: i64, last_one: &str, end: End) -> impl Display {
    fmt::from_fn(move |f| match (end, quiet) {
        (End::Evicted, _) => {
            let quiet = duration(quiet);
            write!(
                f,
                "{quiet} after {last_one} the connection had to make room for others, and was followed no further"
            )
        }
        (End::Replaced, _) => {
            write!(f, "{} after {last_one} another connection began on the same addresses and ports", duration(quiet))
        }
        (End::SetBack, _) => {
            write!(f, "how long the capture goes on after {last_one} is not known: its clock was set back")
        }
        (End::Capture, 0) => write!(f, "the capture ended with {last_one}"),
        (End::Capture, _) => write!(f, "the capture ended {} after {last_one}", duration(quiet)),
    })
}

/// A SYN that nothing followed. Its life was told in short.
pub(in crate::finding) fn alone(orderly: &Orderly, found: &mut Found) {
    let quiet = orderly.horizon.since(orderly.start).max(0);
    let has_stopped = quiet >= SYN_REPEATED_NS;
    let (confidence, severity) = weigh(has_stopped, false);
    let end = fmt::from_fn(|f| match has_stopped {
        true => stopped_waiting(quiet).fmt(f),
        false => broke_off(quiet, "it", End::of(orderly.evicted, false, orderly.horizon < orderly.start)).fmt(f),
    });
    let message = format_args!("nobody answered the SYN from {} to {}; {end}", orderly.client, orderly.server);
    let draft = ENTRY.draft(confidence, orderly.start, [orderly.syn_frame], message);
    draft.endpoint(Side::Client).severity(severity).push(found);
}

fn weigh(has_stopped: bool, retried: bool) -> (Confidence, Severity) {
    match (has_stopped, retried) {
        (true, true) => (Confidence::High, Severity::Error),
        (true, false) | (false, true) => (Confidence::Medium, Severity::Warning),
        // At the end of the capture the answer may be on its way.
        (false, false) => (Confidence::Low, Severity::Note),
    }
}
