//! `reset-refused`.

use std::fmt;

use crate::base::Side;
use crate::connection::{Orderly, Place};
use crate::finding::case::{Case, Found, Words};
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::finding::verdict::{Cause, Confidence, Family, Origin, Reset};

finding! {
    /// # What it is
    ///
    /// Nothing listens on the port that the SYN was for.
    ///
    /// # Why it matters
    ///
    /// connect() fails with ECONNREFUSED; see `connection-refused`.
    ///
    /// # How it is recognised
    ///
    /// A reset with number 0 that acknowledges the SYN.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > RST ACK
    /// ```
    ///
    /// It may come even where a copy of the SYN was answered with SYN-ACK: whoever listened has gone since.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 client > SYN
    ///    server > RST ACK seq =0 win 0
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A firewall that rejects with a TCP reset.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > RST ACK
    /// ```
    ///
    /// A forged refusal, if its supposed sender accepts the same SYN: `reset-injected`.
    ///
    /// ```trace quiet
    ///       client > SYN
    /// +50ms server > RST ACK
    ///       server > SYN ACK
    ///       client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// `ss -ltnp` on the server shows whether the process listens, on this port and this address. The rest is in
    /// `connection-refused`; when it had answered until a moment ago, see `reset-process-exit`.
    "reset-refused", Reset, Note, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::Refused, case, found);
}

/// Why that is the cause: the SYN in `frame`, of whose payload it acknowledges so many octets, was answered so long after it.
pub(super) fn evidence(frame: u64, octets: u32, answered_ns: i64, port: u16) -> impl fmt::Display {
    fmt::from_fn(move |f| {
        write!(
            f,
            "it answers the SYN (frame {frame}) {} later with ACK and the SYN's number + {}: nothing listens on port {port}, or a firewall rejects with a reset, which looks the same",
            duration(answered_ns),
            u64::from(octets) + 1
        )
    })
}

/// The reset that refused a connection of which the life was told in short.
pub(super) fn of_orderly(orderly: &Orderly, refusal: Place, words: Words) -> Reset {
    let answered_ns = refusal.time.since(orderly.start);
    Reset {
        frame: refusal.frame,
        time: refusal.time,
        from: Side::Server,
        origin: Origin::Endpoint,
        family: Some(Family::Reply),
        cause: Cause::Refused,
        confidence: Confidence::High,
        rivals: Vec::new(),
        kind: None,
        accepted: true,
        taken_in: None,
        client_bytes_lost: 0,
        server_bytes_lost: 0,
        octets_unseen: 0,
        echoes: 0,
        evidence: words.say(format_args!("{}", evidence(orderly.syn_frame, 0, answered_ns, orderly.server.port))),
    }
}
