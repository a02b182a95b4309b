//! Where to look: the network, a box in between, a host or an application.

use super::verdict::Finding;
use crate::base::Side;

/// Who a finding points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// The application of one end: its code or its configuration.
    Application(Side),
    /// The operating system of one end, or that nothing runs there.
    Host(Side),
    /// The same, or a firewall that answers in its name.
    HostOrFirewall(Side),
    /// The path between the ends.
    Network,
    /// A firewall, NAT or balancer in between.
    Middlebox,
    /// Somebody who sends in the name of one end; that shows no place.
    Forger(Side),
    /// The path, or the host of one end: silence tells them not apart.
    NetworkOrHost(Side),
    /// The timeouts of the two applications do not fit each other.
    Timeouts,
}

impl Culprit {
    /// Who `finding` points at, if its pattern says so.
    pub fn of(finding: &Finding) -> Option<Self> {
        let side = finding.endpoint;
        match finding.name {
            // No application made it so.
            "zero-window" if finding.kind.is_some() => None,
            "close-wait-stuck" | "zero-window" | "reset-linger-zero" | "reset-unread-data" => {
                side.map(Self::Application)
            }
            "reset-data-after-close" => side.map(|side| Self::Application(!side)),
            "reset-fin-wait-2-expired" => side.map(|side| Self::Application(!side)),
            "accept-queue-overflow" => Some(Self::Application(Side::Server)),
            "aborted-before-accept" => Some(Self::Application(Side::Client)),
            "keepalive-race" => Some(Self::Timeouts),
            "connection-refused" | "reset-refused" => Some(Self::HostOrFirewall(Side::Server)),
            "connection-rejected" if finding.kind == Some("by-its-host") => Some(Self::HostOrFirewall(Side::Server)),
            "reset-no-connection" if finding.kind == Some("gave-up") => side.map(|side| Self::NetworkOrHost(!side)),
            "reset-no-connection" if finding.kind == Some("after-outage") => side.map(Self::NetworkOrHost),
            // The other end had reset it, or its application closed it.
            "reset-no-connection" if finding.kind.is_some() => None,
            "reset-no-connection" => side.map(Self::HostOrFirewall),
            "data-after-fin" if finding.kind == Some("forged") => side.map(Self::Forger),
            "reset-no-time-wait" | "data-after-fin" => side.map(Self::Host),
            "connection-rejected" | "reset-idle-expired" => Some(Self::Middlebox),
            "reset-injected" => side.map(Self::Forger),
            "icmp-error" if finding.outcome == Some("black-hole") => Some(Self::Middlebox),
            "syn-rejected-in-time-wait" if finding.kind == Some("unheard") => Some(Self::NetworkOrHost(Side::Client)),
            "syn-unanswered" => Some(Self::NetworkOrHost(Side::Server)),
            "half-open-handshake" => Some(Self::NetworkOrHost(Side::Client)),
            "dead-peer" | "fin-unanswered" | "reset-keepalive-timeout" => side.map(|side| Self::NetworkOrHost(!side)),
            "retransmission"
            | "outage-repaired"
            | "syn-retransmitted"
            | "syn-ack-retransmitted"
            | "handshake-ack-lost"
            | "fin-retransmitted"
            | "final-ack-lost"
            | "icmp-error" => Some(Self::Network),
            _ => None,
        }
    }
}

impl std::fmt::Display for Culprit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Application(side) => write!(f, "the {side}'s application"),
            Self::Host(side) => write!(f, "the {side}'s host"),
            Self::HostOrFirewall(side) => write!(f, "the {side}'s host, or a firewall in its name"),
            Self::Network => f.write_str("the network"),
            Self::Middlebox => f.write_str("a box in between"),
            Self::Forger(side) => write!(f, "somebody in the name of the {side}, maybe a box in between"),
            Self::NetworkOrHost(side) => write!(f, "the network or the {side}'s host"),
            Self::Timeouts => f.write_str("timeouts of the two applications that do not fit"),
        }
    }
}
