//! `zero-window`: a receiver closed its window.

use std::fmt;

use crate::base::{Seq, Side};
use crate::connection::{Class, Noted, State};
use crate::finding::phrase::{duration, times};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A receiver advertised a window of zero: nearly always its application does not read as fast as the peer sends.
    ///
    /// # Why it matters
    ///
    /// The sender stands still and probes. If the window stays closed, the peer's writes block.
    ///
    /// # How it is recognised
    ///
    /// Segments with window 0, counted once for each closing of the window. That the application did not read is said where
    /// it was shut for longer than a moment and nothing else explains it. Else `kind` says what does: `behind-hole` (what fills
    /// the buffer came out of order, by SACK), `retracted` (no payload was ever acknowledged), `after-fin` (it had closed).
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK win 0
    /// +1 server > ACK win 1000
    /// ```
    ///
    /// One that was shut before the capture began counts.
    ///
    /// ```trace fires
    ///    server > ACK win 0
    ///    client > data 1 seq 0
    ///    server > ACK win 0
    /// +1 client > data 1 seq 0
    ///    server > ACK win 0
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A slow network keeps the window open.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > RST ACK win 0
    /// ```
    ///
    /// # What to do
    ///
    /// The application on the side that closed its window is the place to look, not the network: a thread that waits
    /// for something else, a garbage collector, a debugger, a disk. `ss -tnm` shows its Recv-Q full. A larger receive
    /// buffer (net.ipv4.tcp_rmem, SO_RCVBUF) only delays it, at that much memory a connection. The sending side should
    /// bound its writes by a timeout: a zero window that is probed and answered holds the connection for ever, unless
    /// TCP_USER_TIMEOUT ends it (tcp(7)).
    "zero-window", Transfer, Note, [ZERO_WINDOW], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        if half.zero_windows == 0 {
            continue;
        }
        let peer_fin = case.connection.halves[!side].fin;
        let awaits = |note: &Noted| peer_fin.is_none_or(|fin| note.ack.at_or_before(fin));
        let is_shut = |note: &Noted| note.side == side && note.class.contains(Class::ZERO_WINDOW) && awaits(note);
        let closed: Vec<_> = case.notes(is_shut).collect();
        let Some(first) = closed.first() else { continue };
        let was_open =
            case.notes(|note| note.side == side && note.frame < first.frame && note.window > 0).next().is_some();
        if !was_open && closed.len() < SHUT_MIN {
            continue;
        }
        let name = case.name(side);
        let closings = times(u64::from(half.zero_windows));
        let words = fmt::from_fn(|f| match (was_open, half.zero_windows) {
            (true, _) => write!(f, "{name} closed its window {closings}"),
            (false, 1) => write!(f, "{name} had its window closed when first seen"),
            (false, _) => write!(f, "{name} had its window closed when first seen, and {closings} in all"),
        });
        // What nobody answered says nothing of the window.
        let is_silent = case.connection.halves[!side].unanswered > 0 && half.rsts == 0;
        let heard = half.last.map(|last| last.time).filter(|_| is_silent).unwrap_or(case.connection.end);
        let to_the_end = half.shut_since.map(|since| heard.since(since).max(0));
        let total = half.shut_ns.saturating_add(to_the_end.unwrap_or(0));
        let is_over = case.life.states[side].last().is_some_and(|step| step.state == State::Closed);
        let how_long = fmt::from_fn(|f| {
            if total > 0 {
                let in_all = if half.zero_windows > 1 { " in all" } else { "" };
                write!(f, ", for {}{in_all}", duration(total))?;
            }
            match to_the_end {
                Some(0) if is_silent => f.write_str(", and was not heard again"),
                Some(_) if is_silent => f.write_str(", and had not opened it again when last heard"),
                Some(_) if is_over => f.write_str(", and did not open it again"),
                Some(_) => f.write_str(", and had not opened it again when the capture ends"),
                None => Ok(()),
            }
        });
        let reason = Reason::of(case, side, &closed, total);
        let message = format_args!("{words}{how_long}{}", reason.words());
        let frames = closed.iter().map(|note| note.frame);
        let confidence = if was_open || half.zero_windows > 1 { Confidence::High } else { Confidence::Medium };
        let finding = ENTRY.draft(confidence, first.time, frames, message).endpoint(side);
        match reason.kind() {
            Some(kind) => finding.kind(kind).push(found),
            None => finding.push(found),
        }
    }
}

/// Why a window is shut.
#[derive(Clone, Copy)]
enum Reason {
    BehindHole,
    Retracted,
    AfterFin,
    Unread,
    /// It was shut for too short to say.
    Moment,
}

impl Reason {
    /// As far as the segments that say so, `closed`, tell; it was shut for `shut_ns` in all.
    fn of(case: &Case<'_>, side: Side, closed: &[&Noted], shut_ns: i64) -> Self {
        let peer = &case.connection.halves[!side];
        let has_hole = |note: &&Noted| note.sack.is_some_and(|block| block.right.after(note.ack));
        let first = peer.isn.map(|isn| isn + 1).filter(|_| !peer.has_gone_round());
        let has_nothing = |first: Seq| closed.iter().all(|note| note.ack.at_or_before(first));
        let fin = case.notes(|note| note.side == side && note.is_fin()).next();
        let is_after = |fin: &Noted| closed.iter().all(|note| note.frame > fin.frame && note.ack.at_or_before(fin.ack));
        if closed.iter().all(has_hole) {
            Self::BehindHole
        } else if first.is_some_and(has_nothing) {
            Self::Retracted
        } else if fin.is_some_and(is_after) {
            Self::AfterFin
        } else if shut_ns >= MOMENT_NS {
            Self::Unread
        } else {
            Self::Moment
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::BehindHole => "; what fills its buffer lies behind a hole, as its SACK says",
            Self::Retracted => "; it had acknowledged no payload, and took back what it had offered",
            Self::AfterFin => "; it had sent its FIN before, and took nothing since",
            Self::Unread => "; its application did not read",
            Self::Moment => "",
        }
    }

    const fn kind(self) -> Option<&'static str> {
        match self {
            Self::BehindHole => Some("behind-hole"),
            Self::Retracted => Some("retracted"),
            Self::AfterFin => Some("after-fin"),
            Self::Unread | Self::Moment => None,
        }
    }
}

/// Within this an application that reads may only have waited for its turn, ns: some slices of a scheduler.
const MOMENT_NS: i64 = 10_000_000;

/// A window that nobody saw open is shut for so many segments before it is told: one may be of a scanner, which never means to read.
const SHUT_MIN: usize = 2;
