//! `syn-flood`: half-open handshakes pile up at one service.

use super::{PopulationFinding, PopulationThresholds, grouped, rate, share};
use crate::base::Side;
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::finding::verdict::{Confidence, Severity};
use crate::population::{Event, Outline, Pile, Population};

finding! {
    /// # What it is
    ///
    /// SYNs reach a service that answers them, and nobody acknowledges the answers: half-open handshakes, faster than they
    /// are given up.
    ///
    /// # Why it matters
    ///
    /// Each holds a place in the queue of half-open connections until the SYN-ACK's retries run out, about a minute. When the
    /// queue is full, real clients are turned away, or served with SYN cookies, without window scaling and SACK where
    /// timestamps are missing.
    ///
    /// # How it is recognised
    ///
    /// By the number of handshakes within a TIME-WAIT's time that were answered with SYN-ACK and never acknowledged, more than
    /// those that were completed, and most of them by a single SYN: a living client whose packets are lost repeats its SYN.
    /// The number of sources is an estimate beyond a hundred.
    ///
    /// ```trace fires 60 times
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 server > SYN ACK
    /// +2 server > SYN ACK
    /// +8 server > SYN ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A service that is down or filtered does not answer at all (`syn-unanswered`). Loss on the way back leaves half-open
    /// handshakes too, but its clients try again (`syn-received-accumulation`).
    ///
    /// ```trace quiet 60 times
    ///    client > SYN
    ///    server > SYN ACK
    /// +1 client > SYN
    ///    server > SYN ACK
    /// +2 client > SYN
    ///    server > SYN ACK
    /// +5 client > SYN
    ///    server > SYN ACK
    /// ```
    ///
    /// # What to do
    ///
    /// See whether it hurts: `ss -Htn state syn-recv | wc -l` against the backlog, and `nstat -az TcpExtTCPReqQFullDrop
    /// TcpExtTCPReqQFullDoCookies`. net.ipv4.tcp_syncookies=1 is the default and keeps the service reachable (ip-sysctl; where the client sends no
    /// timestamps, a connection by cookie has no window scale and no SACK). Raise net.ipv4.tcp_max_syn_backlog and the
    /// listen() backlog, and filter at the edge: sources that are made up cannot be blocked by address.
    "syn-flood", Population, Warning, detect
}

/// So many handshakes begin and do not complete, and nobody stands behind most of them.
pub(super) fn is_flooded(pile: &Pile, thresholds: &PopulationThresholds) -> bool {
    let attempts = pile.attempts;
    let failed = attempts.half_open + attempts.unanswered;
    let is_nobody = attempts.single as f64 >= failed as f64 * thresholds.half_open_single_share_min;
    attempts.half_open >= thresholds.half_open_min && failed >= attempts.opened && is_nobody
}

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let may_be = |outline: &Outline| outline.half_open >= thresholds.half_open_min;
    for (service, pile) in population.services.reaching(may_be) {
        if !is_flooded(pile, thresholds) {
            continue;
        }
        let attempts = pile.attempts;
        let failed = attempts.half_open + attempts.unanswered;
        let Some(stretch) = pile.series().densest(population.profile.time_wait_ns, Event::Failed) else {
            continue;
        };
        if stretch.count < thresholds.half_open_min {
            continue;
        }
        let all = failed + attempts.opened;
        let peak = pile.peak(State::SynReceived);
        let sources = pile.failing_peers.count();
        let about = if pile.failing_peers.is_exact() { "" } else { "about " };
        let message = format!(
            "{} handshakes with {service} were begun and not completed in {}, {} a second, from {about}{}; up to {} were \
             half open at once; {} of all SYNs were answered and {} of all handshakes completed",
            grouped(stretch.count),
            duration(stretch.to.since(stretch.from)),
            rate(stretch.per_second()),
            crate::finding::phrase::count(sources, "source"),
            grouped(peak.sockets),
            share(all - attempts.unanswered, all),
            share(attempts.opened, all)
        );
        let is_sure = sources >= thresholds.half_open_min || attempts.single == failed;
        found.push(PopulationFinding {
            severity: Severity::Warning,
            service: Some(service),
            owner: Some(Side::Server),
            peak: Some(peak),
            ..ENTRY
                .of_host(service.ip, if is_sure { Confidence::High } else { Confidence::Medium }, stretch, message)
                .shown_by(pile, State::SynReceived)
        });
    }
}
