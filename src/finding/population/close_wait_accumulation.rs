//! `close-wait-accumulation`: peers have closed, and the application does not.

use super::{PopulationFinding, PopulationThresholds, grouped, share};
use crate::base::{Side, Timestamp};
use crate::connection::State;
use crate::finding::catalogue::finding;
use crate::finding::phrase::duration;
use crate::finding::verdict::{Confidence, Severity};
use crate::population::{Outline, Population, Role};

finding! {
    /// # What it is
    ///
    /// Many sockets of one service are in CLOSE-WAIT and stay there: the peers closed, the application never did. On the
    /// client's side it is a pool that does not look whether the server has closed its idle connections.
    ///
    /// # Why it matters
    ///
    /// No timer ends CLOSE-WAIT. Each one is a file descriptor and its buffers; at the limit, accept() and open() fail and
    /// the service is down.
    ///
    /// # How it is recognised
    ///
    /// By the number of sockets that are still in CLOSE-WAIT when the capture ends, for more than a second and more than four
    /// times as long as nine in ten of those took that did close. A line through their number over time says whether it
    /// grows.
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
    /// An application that closes late but does close, and half-closed connections on which data still flows: their
    /// CLOSE-WAIT ends. A few are shown one by one as `close-wait-stuck`.
    ///
    /// ```trace quiet 20 times
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > FIN ACK
    ///     server > ACK
    /// +20 server > FIN ACK
    ///     client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// ss -tnp state close-wait names the process. Look for the code path that does not close after read() returned 0, for
    /// worker threads that are stuck, and for exceptions that skip the close. A restart, or a
    /// higher limit of open files (LimitNOFILE, ulimit -n), buys time until the pile is back.
    "close-wait-accumulation", Population, Warning, detect
}

/// Old enough to exclude a slow close, ns.
const OLD_NS: i64 = 60_000_000_000;
/// Moments through which the line is put.
const SAMPLES: i64 = 64;
/// A line explains this share of the changes, or the number does not grow steadily (coefficient of determination).
const FIT_MIN: f64 = 0.7;

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    let may_be =
        |outline: &Outline| outline.waits_of(thresholds.close_wait_ns_min) >= thresholds.close_wait_sockets_min;
    found.extend(population.roles(may_be).filter_map(|role| of_role(population, thresholds, role)));
}

fn of_role(population: &Population, thresholds: &PopulationThresholds, role: Role<'_>) -> Option<PopulationFinding> {
    let Role { host, service, owner, pile } = role;
    let usual_ns = pile.ended.close_wait.all_but_one_in(10);
    let stuck_ns = usual_ns.saturating_mul(thresholds.close_wait_patience).max(thresholds.close_wait_ns_min);
    let stuck = pile.going_on.close_wait.at_least(stuck_ns);
    if stuck < thresholds.close_wait_sockets_min {
        return None;
    }
    let stretch = pile.densest(State::CloseWait, i64::MAX)?;
    let oldest_ns = pile.longest(State::CloseWait).first().map_or(0, |example| example.lasted_ns);
    let closed = pile.ended.close_wait.count();
    let all = closed + pile.going_on.close_wait.count();
    let side = if owner == Side::Server { "of the service" } else { "of this client toward" };
    let mut message = format!(
        "{} sockets {side} {service} are in CLOSE-WAIT and not being closed, the oldest for {}; {} of {} ({}) of those whose \
         peer closed did close",
        grouped(stuck),
        duration(oldest_ns),
        grouped(closed),
        grouped(all),
        share(closed, all),
    );
    if closed > 0 {
        message.push_str(&format!(", nine in ten of them within {}", duration(usual_ns)));
    }
    let growth = growth(&pile.sampled(State::CloseWait, population.horizon(), SAMPLES));
    let mut runs_out = None;
    if let Some(per_second) = growth {
        message.push_str(&format!("; their number grows by {} a minute", super::rate(per_second * 60.0)));
        let left = thresholds.descriptors.saturating_sub(stuck) as f64 / per_second * 1e9;
        let at = population.horizon().plus(left as i64);
        if left > 0.0 && at < Timestamp(i64::MAX) {
            message.push_str(&format!(
                " and reaches {} open files, the usual limit, {} after the end of the capture",
                grouped(thresholds.descriptors),
                duration(left as i64)
            ));
            runs_out = Some(at);
        }
    }
    let (confidence, severity) = match oldest_ns {
        ns if ns >= OLD_NS && stuck >= thresholds.descriptors => (Confidence::High, Severity::Error),
        ns if ns >= OLD_NS => (Confidence::High, Severity::Warning),
        _ => (Confidence::Medium, Severity::Warning),
    };
    Some(PopulationFinding {
        severity,
        service: Some(service),
        owner: Some(owner),
        to: population.horizon(),
        peak: Some(pile.peak(State::CloseWait)),
        per_second: growth.map(super::tenths),
        limit: Some(thresholds.descriptors),
        runs_out,
        ..ENTRY.of_host(host, confidence, stretch, message).shown_by(pile, State::CloseWait)
    })
}

/// Sockets a second by which a number grows, if a line explains it (least squares).
fn growth(samples: &[(Timestamp, u64)]) -> Option<f64> {
    let (first, _) = samples.first()?;
    let points: Vec<(f64, f64)> =
        samples.iter().map(|(time, sockets)| (time.since(*first) as f64 / 1e9, *sockets as f64)).collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (time, sockets) = (mean(|point| point.0), mean(|point| point.1));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| points.iter().map(|point| of(point.0 - time, point.1 - sockets)).sum::<f64>();
    let (spread, slant, rise) = (sum(&|t, _| t * t), sum(&|t, s| t * s), sum(&|_, s| s * s));
    if spread <= 0.0 || rise <= 0.0 {
        return None;
    }
    let slope = slant / spread;
    (slope > 0.0 && slope * slant / rise >= FIT_MIN).then_some(slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(sockets: impl IntoIterator<Item = u64>) -> Vec<(Timestamp, u64)> {
        sockets
            .into_iter()
            .enumerate()
            .map(|(second, count)| (Timestamp(second as i64 * 1_000_000_000), count))
            .collect()
    }

    #[test]
    fn steady_growth_is_a_line_and_coming_and_going_is_none() {
        let grows = growth(&samples((0..60).map(|second| second * 2 + second % 3))).unwrap();
        assert!((1.9..2.1).contains(&grows), "{grows}");
        assert_eq!(growth(&samples((0..60).map(|second| second % 7))), None);
        assert_eq!(growth(&samples([5; 60])), None);
        assert_eq!(growth(&samples((0..60).map(|second| 60 - second))), None);
        assert_eq!(growth(&[]), None);
    }
}
