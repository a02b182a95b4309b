//! `half-open-handshake`: the SYN-ACK was never acknowledged.

use std::fmt;

use crate::base::Side;
use crate::connection::{OpenKind, Retries};
use crate::finding::phrase::{duration, times};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A server answered a SYN and heard nothing more: an entry in its SYN queue until the retries run out.
    ///
    /// # Why it matters
    ///
    /// One is a lost packet or a scanner. Many from many sources fill the SYN queue (see `syn-flood`).
    ///
    /// # How it is recognised
    ///
    /// SYN-ACKs that no segment of the client acknowledges to the end, and no reset either. The pauses between them show the
    /// timer, and the message says whether the server had given up by then: after 63 s on Linux (five repetitions), 15 on
    /// FreeBSD (three), 21 on Windows up to 7 (two), 75 on macOS.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    /// +2 server > SYN ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `stale-syn` and an aborted handshake end with a reset. A capture of the server's direction only shows more than
    /// SYN-ACKs.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    ///    client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// For single cases look for loss or asymmetric routing on the way back. Against floods, net.ipv4.tcp_syncookies=1
    /// is the default and keeps the service reachable; net.ipv4.tcp_synack_retries (5, some 63 s) bounds how long each
    /// entry stays, and lowering it costs clients on bad paths their connection (ip-sysctl).
    "half-open-handshake", Handshake, Note, [HALF_OPEN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let reset = !case.connection.resets.is_empty();
    if case.life.opening.kind != OpenKind::HalfOpen || reset {
        return;
    }
    let syn_acks: Vec<_> = case.notes(|note| note.is_syn_ack()).collect();
    let Some(first) = syn_acks.first() else { return };
    let quiet = case.life.horizon.since(case.connection.end);
    let retries = Retries::of_syn_acks(&case.life.notes, Side::Server).filter(|retries| !retries.is_alone());
    // Copies that the network made say nothing.
    let confidence = match retries.is_some() {
        // A client that was not captured may have acknowledged it.
        true if case.connection.halves.client.frames == 0 => Confidence::Medium,
        true => Confidence::High,
        // Who is not acknowledged repeats it, but for SYN cookies: what was due may not have been captured, nor what spared it.
        false if quiet > REPEATED_NS => Confidence::Medium,
        false => Confidence::Low,
    };
    let end = fmt::from_fn(|f| {
        let Some(retries) = &retries else {
            if case.connection.successor.is_some() {
                let quiet = duration(quiet);
                return write!(f, "; {quiet} later another connection began on the same addresses and ports");
            }
            return match quiet {
                _ if case.life.outlives_clock => {
                    f.write_str("; how long the capture goes on after it is not known: its clock was set back")
                }
                0 => f.write_str("; the capture ends with it"),
                ..=REPEATED_NS => write!(f, "; the capture ends {} later", duration(quiet)),
                _ => {
                    let quiet = duration(quiet);
                    write!(
                        f,
                        "; nor did it come again in the {quiet} that followed: an answer may not have been captured"
                    )
                }
            };
        };
        let (stack, horizon) = (&case.life.profiles.server, case.life.horizon);
        let limit = retries.offer_gives_up(stack).filter(|&at| at <= horizon);
        // What shows comes before what its stack would have done.
        let due = Some(retries.due()).filter(|_| retries.has_stopped(horizon));
        match (limit.filter(|&at| due.is_none_or(|due| at <= due)), due) {
            (Some(at), _) => {
                let limit = duration(at.since(first.time));
                write!(f, "; by the {} profile it forgot the half-open connection {limit} after the first", stack.name)
            }
            (None, Some(_)) => {
                f.write_str("; the next was due")?;
                retries.timer().map_or(Ok(()), |timer| write!(f, " ({timer})"))?;
                f.write_str(" and did not come, so it had given up")
            }
            (None, None) => Ok(()),
        }
    });
    let message = format_args!(
        "{} answered the SYN from {} {} and was never acknowledged{end}",
        case.connection.server,
        case.connection.client,
        times(u64::from(case.connection.halves.server.syn_acks))
    );
    let frames = syn_acks.iter().map(|note| note.frame);
    ENTRY.draft(confidence, first.time, frames, message).endpoint(Side::Server).push(found);
}

/// When a SYN-ACK is sent again at first by most stacks (RFC 6298, section 2.1), ns.
const REPEATED_NS: i64 = 1_000_000_000;
