//! Idle timeouts: those that are known by their length, and how often idle connections of a group ended at one.

use crate::base::{Side, Timestamp};
use crate::connection::{CloseKind, Closing, Initiator, Orderly};

/// A timeout with those whose default it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleTimer {
    /// Its length in seconds.
    pub seconds: u32,
    /// Who closes, or forgets, after that long, by default.
    pub owners: &'static [IdleOwner],
}

/// Software with an idle timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleOwner {
    /// The end that it is; none of what stands between the ends, in whose names it closes, or may be either of them.
    pub side: Option<Side>,
    /// Its name, and that of its setting.
    pub name: &'static str,
}

const fn client(name: &'static str) -> IdleOwner {
    IdleOwner { side: Some(Side::Client), name }
}

const fn server(name: &'static str) -> IdleOwner {
    IdleOwner { side: Some(Side::Server), name }
}

const fn either(name: &'static str) -> IdleOwner {
    IdleOwner { side: None, name }
}

/// Defaults as their owners document them, the shortest first. A value that somebody configured can be anybody's.
const KNOWN: &[IdleTimer] = &[
    IdleTimer {
        seconds: 5,
        owners: &[server("Apache httpd (KeepAliveTimeout)"), server("Node.js (server.keepAliveTimeout)")],
    },
    IdleTimer {
        seconds: 15,
        owners: &[server("Apache httpd before 2.2.0 and configurations since (KeepAliveTimeout)")],
    },
    IdleTimer { seconds: 20, owners: &[server("Tomcat (connectionTimeout)")] },
    IdleTimer { seconds: 30, owners: &[server("Jetty (idleTimeout)")] },
    IdleTimer {
        seconds: 60,
        owners: &[either("AWS application load balancers"), client("nginx to its upstreams (keepalive_timeout)")],
    },
    IdleTimer { seconds: 65, owners: &[server("the nginx.conf that nginx comes with (keepalive_timeout)")] },
    IdleTimer { seconds: 75, owners: &[server("nginx (keepalive_timeout)")] },
    IdleTimer { seconds: 90, owners: &[client("Go's http.DefaultTransport (IdleConnTimeout)")] },
    IdleTimer { seconds: 115, owners: &[client("Firefox (network.http.keep-alive.timeout)")] },
    IdleTimer { seconds: 120, owners: &[server("IIS (connectionTimeout)")] },
    IdleTimer { seconds: 240, owners: &[either("Azure load balancers and NAT")] },
    IdleTimer { seconds: 300, owners: &[either("F5 BIG-IP's TCP profile"), client("Chrome's socket pool")] },
    IdleTimer { seconds: 350, owners: &[either("AWS NAT gateways and network load balancers")] },
    IdleTimer { seconds: 600, owners: &[either("Google Cloud's firewall and load balancers")] },
    IdleTimer {
        seconds: 900,
        owners: &[server("SMB servers (autodisconnect)"), server("Active Directory's LDAP (MaxConnIdleTime)")],
    },
    IdleTimer { seconds: 1800, owners: &[either("Juniper SRX")] },
    IdleTimer { seconds: 3600, owners: &[either("Cisco ASA, FortiGate and Palo Alto firewalls")] },
    IdleTimer { seconds: 7200, owners: &[either("keepalive of the kernel (tcp_keepalive_time)")] },
];

impl IdleTimer {
    /// Whose default it is at the end `closer`, or in its name.
    pub fn owners_at(&self, closer: Side) -> impl Iterator<Item = &'static IdleOwner> {
        self.owners.iter().filter(move |owner| owner.side.is_none_or(|side| side == closer))
    }
}

/// The known timeout that an idle time of `ns` comes from: timers fire late and never early, by a tick and a round trip,
/// and by some thousandths of what is long.
pub fn idle_timer(ns: i64) -> Option<&'static IdleTimer> {
    let length = |timer: &IdleTimer| i64::from(timer.seconds) * SECOND_NS;
    let shorter = KNOWN.partition_point(|timer| length(timer) - EARLY_NS <= ns);
    let longest = KNOWN.get(shorter.checked_sub(1)?)?;
    let late_ns = SECOND_NS / 2 + length(longest) / 500;
    (ns <= length(longest) + late_ns).then_some(longest)
}

/// Connections that ended idle, by the timeout and by who ended them.
#[derive(Clone, Debug, Default)]
pub struct IdleEnds {
    /// At a known timeout; never more than there are of these, for each end.
    pub ends: Vec<IdleEnd>,
    /// Connections that the client ended after some seconds of silence, at whatever length.
    pub by_client: u64,
    /// The same of the server.
    pub by_server: u64,
}

/// Connections that one end ended at one timeout.
#[derive(Clone, Debug)]
pub struct IdleEnd {
    /// The timeout.
    pub timer: &'static IdleTimer,
    /// Who ended them.
    pub closer: Side,
    /// How many.
    pub count: u64,
    /// The first that ended so.
    pub from: Timestamp,
    /// The last one.
    pub to: Timestamp,
    /// Some of them, with the frame that ended each.
    pub examples: Vec<(u64, u64)>,
}

impl IdleEnds {
    /// Takes a connection that somebody ended after it had been idle.
    pub(super) fn take(&mut self, stream: u64, end: Timestamp, idle: &IdleClose) {
        let closer = idle.closer;
        match closer {
            Side::Client => self.by_client += 1,
            Side::Server => self.by_server += 1,
        }
        let Some(timer) = idle_timer(idle.ns) else { return };
        let example = idle.frame.map(|frame| (stream, frame));
        match self.ends.iter_mut().find(|ends| ends.timer == timer && ends.closer == closer) {
            Some(ends) => {
                ends.count += 1;
                ends.from = ends.from.min(end);
                ends.to = ends.to.max(end);
                ends.examples.extend(example.filter(|_| ends.examples.len() < EXAMPLES_MAX));
            }
            None => {
                let examples = Vec::from_iter(example);
                self.ends.push(IdleEnd { timer, closer, count: 1, from: end, to: end, examples });
            }
        }
    }

    /// Connections that `closer` ended after some seconds of silence.
    pub fn by(&self, closer: Side) -> u64 {
        match closer {
            Side::Client => self.by_client,
            Side::Server => self.by_server,
        }
    }
}

/// The close of a connection that had been idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdleClose {
    closer: Side,
    ns: i64,
    /// The first frame of the close.
    frame: Option<u64>,
}

impl IdleClose {
    /// That of `closing`, if somebody ended the connection after some seconds of silence.
    pub(super) fn of(closing: &Closing) -> Option<Self> {
        let ns = closing.idle_ns.filter(|_| closing.kind != CloseKind::TimedOut)?;
        Self::by(closing.initiator, ns, closing.frames.first().copied())
    }

    /// The same of a life that was told in short.
    #[inline]
    pub(super) fn of_orderly(orderly: &Orderly) -> Option<Self> {
        let ns = orderly.idle_ns.filter(|&ns| ns >= SHORTEST_NS)?;
        Self::by(orderly.initiator, ns, orderly.closing_frame())
    }

    fn by(initiator: Option<Initiator>, ns: i64, frame: Option<u64>) -> Option<Self> {
        let closer = match initiator? {
            Initiator::Client => Side::Client,
            Initiator::Server => Side::Server,
            Initiator::Both => return None,
        };
        (ns >= SHORTEST_NS).then_some(Self { closer, ns, frame })
    }
}

/// Shorter silences are pauses within an exchange, ns.
const SHORTEST_NS: i64 = 4_000_000_000;
/// Examples kept of each.
const EXAMPLES_MAX: usize = 8;
const SECOND_NS: i64 = 1_000_000_000;
/// As much as the two ends of a silence may be seen nearer to each other than they were, ns.
const EARLY_NS: i64 = 250_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_late_and_hardly_early() {
        let seconds = |ns| idle_timer(ns).map(|timer| timer.seconds);
        assert_eq!(seconds(5_004_000_000), Some(5));
        assert_eq!(seconds(4_600_000_000), None);
        assert_eq!(seconds(60_600_000_000), Some(60));
        assert_eq!(seconds(66_100_000_000), None);
        assert_eq!(seconds(351_100_000_000), Some(350));
        assert_eq!(seconds(3_607_000_000_000), Some(3600));
        assert_eq!(seconds(200_000_000_000), None);
    }

    #[test]
    fn known_timers_do_not_overlap() {
        for pair in KNOWN.windows(2) {
            let between = (i64::from(pair[0].seconds) + i64::from(pair[1].seconds)) * SECOND_NS / 2;
            assert!(idle_timer(between).is_none(), "{pair:?}");
        }
    }
}
