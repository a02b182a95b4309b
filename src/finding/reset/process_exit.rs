//! `reset-process-exit`: everything that a service had ended at one instant, and then its port refused.

use crate::base::Side;
use crate::finding::catalogue::finding;
use crate::finding::phrase::{count, duration};
use crate::finding::population::{PopulationFinding, PopulationThresholds};
use crate::finding::verdict::Confidence;
use crate::population::{Exit, Peak, Population, Stretch};

finding! {
    /// # What it is
    ///
    /// The process that held a port is gone: it exited, crashed, was killed or restarted. The kernel closed all its sockets for
    /// it, with a reset where received bytes lay unread, with FIN elsewhere.
    ///
    /// # Why it matters
    ///
    /// All its clients lose what they were doing at once (ECONNRESET, or an end of stream in the middle of an answer), and get
    /// ECONNREFUSED until it listens again. Each connection by itself looks like an abort that its application wanted.
    ///
    /// # How it is recognised
    ///
    /// Only across connections: within 50 ms the service ends all connections that it has, two at least and one of them with a
    /// reset of a live socket; nothing of its port lives on or opens; and within a minute it refuses a SYN. With three and more
    /// the confidence is medium, else low, and never high: a process that closes its listener and all that it has, and lives on,
    /// looks the same. The resets themselves keep their own causes, and name `process-exit` among the rivals.
    ///
    /// ```trace fires
    ///         client > SYN
    ///         server > SYN ACK
    ///         client > ACK
    ///         client > data 100
    ///         server > data 200
    ///         client > ACK
    /// b.client 10.0.0.8:40001
    ///         b.client > SYN
    ///         b.server > SYN ACK
    ///         b.client > ACK
    ///         b.client > data 100
    ///         b.server > data 200
    ///         b.client > ACK
    /// idle 1s
    ///         client > data 100
    ///         server > ACK
    /// +20ms   server > RST ACK
    /// +20us   b.server > FIN ACK
    /// +1ms    b.client > FIN ACK
    ///         b.server > ACK
    /// c.client 10.0.0.9:40002
    /// +300ms  c.client > SYN
    ///         c.server > RST ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A server that closes all its connections at once and goes on listening, an idle timer that cuts many, a listener that is
    /// closed with connections still in its queue (`reset-linger-zero`), and a drain: those end one after the other. A host that
    /// rebooted or lost power says nothing at first and then answers with resets (`reset-no-connection`). A capture that ends
    /// with the burst leaves it open.
    ///
    /// ```trace quiet
    ///         client > SYN
    ///         server > SYN ACK
    ///         client > ACK
    ///         client > data 100
    ///         server > data 200
    ///         client > ACK
    /// b.client 10.0.0.8:40001
    ///         b.client > SYN
    ///         b.server > SYN ACK
    ///         b.client > ACK
    ///         b.client > data 100
    ///         b.server > data 200
    ///         b.client > ACK
    /// idle 1s
    ///         client > data 100
    ///         server > ACK
    /// +20ms   server > RST ACK
    /// +20us   b.server > FIN ACK
    /// +1ms    b.client > FIN ACK
    ///         b.server > ACK
    /// c.client 10.0.0.9:40002
    /// +300ms  c.client > SYN
    ///         c.server > SYN ACK
    ///         c.client > ACK
    /// ```
    ///
    /// One connection outlives the others, so some process still holds the port:
    ///
    /// ```trace quiet
    ///         client > SYN
    ///         server > SYN ACK
    ///         client > ACK
    ///         client > data 100
    ///         server > data 200
    ///         client > ACK
    /// b.client 10.0.0.8:40001
    ///         b.client > SYN
    ///         b.server > SYN ACK
    ///         b.client > ACK
    ///         b.client > data 100
    ///         b.server > data 200
    ///         b.client > ACK
    /// d.client 10.0.0.7:40003
    ///         d.client > SYN
    ///         d.server > SYN ACK
    ///         d.client > ACK
    /// idle 1s
    ///         client > data 100
    ///         server > ACK
    /// +20ms   server > RST ACK
    /// +20us   b.server > FIN ACK
    /// c.client 10.0.0.9:40002
    /// +300ms  c.client > SYN
    ///         c.server > RST ACK
    /// +1s     d.client > data 100
    ///         d.server > data 200
    ///         d.client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// On the host of the service, look at that second: crashes and OOM kills (`journalctl -k`, memory.events of the cgroup),
    /// restarts (`systemctl status`, `kubectl describe pod`) and deployments. On an orderly stop let the process close its
    /// listener first, finish what it has, and close each connection after reading it out; give it the time
    /// (TimeoutStopSec of systemd, 90 s unless set; terminationGracePeriodSeconds of Kubernetes, 30 s), for SIGKILL after it does
    /// this to every connection that is left. Take it out of the load balancer before. To let no client be refused during a
    /// restart, hand the listener over (systemd socket activation, SO_REUSEPORT).
    "reset-process-exit", Reset across, Warning, detect
}

/// A later refusal says little of what happened before, ns.
const REFUSED_NS_MAX: i64 = 60_000_000_000;
/// So many connections do not end at one instant by chance.
const LIKELY_MIN: u64 = 3;

fn detect(population: &Population, _: &PopulationThresholds, found: &mut Vec<PopulationFinding>) {
    for (service, habits) in population.services.habits() {
        for Exit { ends, refusal } in habits.exits.exits() {
            let later = refusal.at.since(ends.to);
            // What was closed with FIN, or had been answered, an application had accepted: it was not the listener's queue.
            let was_accepted = ends.fins > 0 || ends.answered > 0;
            if ends.count() < 2 || later > REFUSED_NS_MAX || !was_accepted {
                continue;
            }
            let message = format!(
                "{service} ended the {} that it had with {} within {}: {}{}; {} later it refused a SYN (frame {}). Whoever held them is \
                 gone: a process that exited, crashed or was killed, or that closed its listener and everything else",
                count(ends.count(), "connection"),
                if ends.is_of_several { "several clients" } else { "one client" },
                duration(ends.to.since(ends.from)),
                count(ends.resets, "reset"),
                if ends.fins > 0 { format!(" and {}", count(ends.fins, "FIN")) } else { String::new() },
                duration(later),
                refusal.frame,
            );
            let confidence = if ends.count() >= LIKELY_MIN { Confidence::Medium } else { Confidence::Low };
            let stretch = Stretch { from: ends.from, to: refusal.at, count: ends.count() };
            let mut shown = [ends.examples(), &[(refusal.stream, refusal.frame)]].concat();
            shown.sort_unstable();
            let mut frames: Vec<u64> = shown.iter().map(|&(_, frame)| frame).collect();
            frames.sort_unstable();
            found.push(PopulationFinding {
                service: Some(service),
                owner: Some(Side::Server),
                peak: Some(Peak { sockets: ends.count(), at: ends.from }),
                per_second: None,
                streams: shown.iter().map(|&(stream, _)| stream).collect(),
                frames,
                ..ENTRY.of_host(service.ip, confidence, stretch, message)
            });
        }
    }
}
