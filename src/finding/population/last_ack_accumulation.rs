//! `last-ack-accumulation`: sockets have closed on both sides, and nobody acknowledges their FINs.

use super::long_wait::{Limit, LongWait};
use super::{PopulationFinding, PopulationThresholds, grouped};
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::population::{Population, Role};

finding! {
    /// # What it is
    ///
    /// The other side closed first, this host closed as well, and the last acknowledgments do not come: its sockets wait in
    /// LAST-ACK and repeat their FINs.
    ///
    /// # Why it matters
    ///
    /// Nobody holds these sockets any more, so they are the kernel's alone: each is an orphan with its buffers, up to
    /// net.ipv4.tcp_max_orphans, until its FIN has been repeated net.ipv4.tcp_orphan_retries times (8 by default, some minutes;
    /// ip-sysctl). Many at once say that the peers, or the way to them, were lost just as they closed: a load balancer or a
    /// firewall that forgets a connection with the first FIN, clients that reset or vanish, a link that failed.
    ///
    /// # How it is recognised
    ///
    /// By the number of sockets that spent longer than a second in LAST-ACK, toward one service or of one. A FIN that is not
    /// acknowledged is repeated within that time.
    ///
    /// ```trace fires 20 times
    ///      client > SYN
    ///      server > SYN ACK
    ///      client > ACK
    ///      client > FIN ACK
    ///      server > FIN ACK
    /// +0.2 server > FIN ACK
    /// +0.4 server > FIN ACK
    /// +0.8 server > FIN ACK
    /// +1.6 server > FIN ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// The round trip that every passive closer spends in LAST-ACK, and a single lost last acknowledgment that the repeated FIN
    /// brings anew (`final-ack-lost`). CLOSE-WAIT piles up when the application does not close (`close-wait-accumulation`); here it
    /// has.
    ///
    /// ```trace quiet 20 times
    ///      client > SYN
    ///      server > SYN ACK
    ///      client > ACK
    ///      client > FIN ACK
    ///      server > FIN ACK
    /// +0.2 server > FIN ACK
    ///      client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Look at who is between: a box that drops a connection's state at the first FIN must keep it for a while. Compare captures of
    /// both ends to see whether the FINs arrive. A lower net.ipv4.tcp_orphan_retries only empties the pile sooner.
    "last-ack-accumulation", Population, Note, detect
}

/// After this long the FIN has been repeated several times, ns: nobody is there.
const IN_VAIN_NS: i64 = 3_000_000_000;

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let ns_min = thresholds.last_ack_ns_min;
    let limit = Limit { ns_min, sockets_min: thresholds.last_ack_sockets_min, in_vain_ns: IN_VAIN_NS };
    let of_role = |role: Role<'_>| {
        let wait = LongWait::of(role, State::LastAck, |waits| &waits.last_ack, &limit)?;
        let message = format!(
            "{} held up to {} sockets {} in LAST-ACK at once; of {} in all {} waited longer than {} for the acknowledgment of \
             their FIN, the longest for {}; {} of them still wait",
            role.host,
            grouped(wait.peak.sockets),
            wait.whose(),
            grouped(role.pile.entered[State::LastAck as usize]),
            grouped(wait.waited()),
            duration(ns_min),
            duration(wait.longest_ns),
            grouped(wait.going_on)
        );
        Some(wait.found(&ENTRY, population, message))
    };
    found.extend(population.roles(|outline| limit.may_be_reached(outline)).filter_map(of_role));
}
