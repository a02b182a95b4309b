//! `idle-timeout`: connections of a service end after one and the same silence.

use super::{PopulationFinding, PopulationThresholds, grouped};
use crate::base::Side;
use crate::finding::catalogue::finding;
use crate::finding::phrase::{duration, whose_default};
use crate::finding::verdict::Confidence;
use crate::population::{Population, Stretch};

finding! {
    /// # What it is
    ///
    /// Connections of one service are closed or reset after the same well-known number of seconds without payload: somebody's
    /// idle timeout, told by its length.
    ///
    /// # Why it matters
    ///
    /// Whoever sends a request onto such a connection just then loses it (`keepalive-race`). And the length names whom to ask: the
    /// server's keep-alive, a load balancer, a firewall. Who closes first by timeout also collects the TIME-WAITs.
    ///
    /// # How it is recognised
    ///
    /// At least five connections of the service that the same side ended within half a second after one of 5, 15, 20, 30, 60, 65, 75,
    /// 90, 115, 120, 240, 300, 350, 600, 900, 1800, 3600 or 7200 s since the last payload of either side, and these are at least three
    /// in ten of all that it ended after a silence.
    ///
    /// ```trace fires 6 times
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > data 100
    /// client > ACK
    /// +75s server > FIN ACK
    /// client > FIN ACK
    /// server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Connections that end at once after their last answer, and silences of any length, which are people.
    ///
    /// ```trace quiet 6 times
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > data 100
    /// client > ACK
    /// +42s client > FIN ACK
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing, when the side that sends requests ends the connections. When the answering side does, give the asking side the
    /// shorter timeout (nginx upstream keepalive_timeout, Go IdleConnTimeout, a pool's maxIdleTime), by some seconds; it costs
    /// reopened connections. A reset at such a length comes from a box in between: send keepalives more often than that (TCP_KEEPIDLE).
    "idle-timeout", Population, Note, detect
}

fn detect(population: &Population, thresholds: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    for (service, habits) in population.services.habits() {
        for ends in &habits.idle.ends {
            let all = habits.idle.by(ends.closer);
            let is_few = (ends.count as f64) < all as f64 * thresholds.idle_ends_share_min;
            if ends.count < thresholds.idle_ends_min || is_few {
                continue;
            }
            let who = match ends.closer {
                Side::Client => format!("clients of {service} ended"),
                Side::Server => format!("the service {service} ended"),
            };
            let message = format!(
                "{who} {} of {} idle connections after {} without payload; {}",
                grouped(ends.count),
                grouped(all),
                duration(i64::from(ends.timer.seconds) * 1_000_000_000),
                whose_default(ends.timer, ends.closer)
            );
            let stretch = Stretch { from: ends.from, to: ends.to, count: ends.count };
            let mut frames: Vec<u64> = ends.examples.iter().map(|&(_, frame)| frame).collect();
            frames.sort_unstable();
            found.push(PopulationFinding {
                service: Some(service),
                owner: Some(ends.closer),
                per_second: None,
                streams: ends.examples.iter().map(|&(stream, _)| stream).collect(),
                frames,
                ..ENTRY.of_host(service.ip, Confidence::Medium, stretch, message)
            });
        }
    }
}
