//! `fin-wait-2-accumulation`: closers wait for peers that do not close.

use super::long_wait::{Limit, LongWait};
use super::{PopulationFinding, PopulationThresholds, grouped};
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::population::{Population, Role};

finding! {
    /// # What it is
    ///
    /// A host has closed many connections, its FINs were acknowledged, and the other ends do not close theirs: its sockets
    /// wait in FIN-WAIT-2.
    ///
    /// # Why it matters
    ///
    /// It is the other half of a pile of CLOSE-WAIT, seen from the side that did it right. A closed application's
    /// FIN-WAIT-2 ends after a minute on Linux, and what the peer sends after that is answered with a reset
    /// (`fin-wait-2-expired`); one that only shut down its sending side waits for ever.
    ///
    /// # How it is recognised
    ///
    /// By the number of sockets that spent longer than a second in FIN-WAIT-2, toward one service or of one.
    ///
    /// ```trace fires 20 times
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > FIN ACK
    ///     server > ACK
    /// idle 5min
    /// b.client 10.0.0.9:40000
    ///     b.client > SYN
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// The round trip that every ordinary close spends in FIN-WAIT-2, and half-closed connections on which the answer is
    /// still being sent.
    ///
    /// ```trace quiet 20 times
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > FIN ACK
    ///     server > ACK
    ///     server > FIN ACK
    ///     client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// `ss -Htn state fin-wait-2` lists the peers. Mend the other side: see `close-wait-accumulation`. Here, close() instead of only shutdown() gives the kernel
    /// leave to forget the socket after net.ipv4.tcp_fin_timeout (60 s; ip-sysctl).
    "fin-wait-2-accumulation", Population, Note, detect
}

/// A peer that has acknowledged the FIN and means to close rarely takes longer, ns; half of what a closed application's
/// socket waits on Linux.
const IN_VAIN_NS: i64 = 30_000_000_000;

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let ns_min = thresholds.fin_wait_2_ns_min;
    let limit = Limit { ns_min, sockets_min: thresholds.fin_wait_2_sockets_min, in_vain_ns: IN_VAIN_NS };
    let of_role = |role: Role<'_>| {
        let wait = LongWait::of(role, State::FinWait2, |waits| &waits.fin_wait_2, &limit)?;
        let message = format!(
            "{} held up to {} sockets {} in FIN-WAIT-2 at once; {} waited longer than {} for a peer that had acknowledged the \
             FIN and did not close, the longest for {}",
            role.host,
            grouped(wait.peak.sockets),
            wait.whose(),
            grouped(wait.waited()),
            duration(ns_min),
            duration(wait.longest_ns)
        );
        Some(wait.found(&ENTRY, population, message))
    };
    found.extend(population.roles(|outline| limit.may_be_reached(outline)).filter_map(of_role));
}
