//! `sampled`: headers of the connection that somebody sampled.

use crate::connection::{Artefact, Exhibit};
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Of this connection a switch or host sampled single packets and sent their headers in sFlow datagrams. `kind` says whether
    /// they are all that the capture has of it (`alone`), or it was captured as well (`beside`).
    ///
    /// # Why it matters
    ///
    /// One packet in some hundreds says that the connection was there and with which control bits. How it opened, what was lost, how
    /// long it was silent and how it ended does not show: where samples are alone, nothing else is concluded, its end is
    /// `none` and its states are assumed.
    ///
    /// # How it is recognised
    ///
    /// Raw packet headers in flow samples of sFlow version 5, on UDP port 6343. The rate stands with what the connection came
    /// through: `sflow sampled 1 in 512`. They count in frames and in the completeness, as in Wireshark, and nowhere else; their
    /// time is that of the datagram, up to a second after the packet's.
    ///
    /// ```trace fires
    /// client > SYN sampled
    /// server > data 1000 sampled
    /// client > FIN ACK seq 900 ack 90000 sampled
    /// ```
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > SYN ACK sampled
    /// client > data 100
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `capture-gap` and `one-sided`: there a capture was meant to be whole. Mirrored traffic (ERSPAN, TZSP) is whole, too.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100 seq 1001
    /// server > ACK ack 1101
    /// ```
    ///
    /// # What to do
    ///
    /// For the life of a connection capture it: a mirror session of the same switch port (ERSPAN), or tcpdump on one of the hosts.
    /// Samples tell where to: which ports and hosts talk, and about how much.
    "sampled", Capture, Note, [ARTEFACT], detect
}

/// Where samples are alone, nobody else is asked.
pub(in crate::finding) fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let Some(Exhibit { frame, time, count: samples, .. }) = connection.journal.exhibit(Artefact::Sampled) else {
        return;
    };
    if connection.is_sampled_alone() {
        let frames = [frame, connection.last_frame];
        let message = format_args!(
            "{} of one packet in many, told of by sFlow, and nothing else: how it opened, went on and ended is not in the \
             capture",
            count(samples, "sampled header")
        );
        ENTRY.draft(Confidence::High, time, frames, message).kind("alone").push(found);
    } else {
        let message = format_args!(
            "{} of it beside the {} captured: they are counted, and nothing is concluded from them",
            count(samples, "sampled header"),
            count(connection.frames(), "frame")
        );
        ENTRY.draft(Confidence::High, time, [frame], message).kind("beside").push(found);
    }
}
