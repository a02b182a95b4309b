//! `connection-rejected`: a router or firewall said no.

use crate::base::Side;
use crate::connection::{OpenKind, Profile, rejecting_error};
use crate::finding::application::icmp_errno;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// An ICMP error quoted the SYN: a router, a firewall or the host itself refused to deliver it.
    ///
    /// # Why it matters
    ///
    /// connect() fails at once with the errno that belongs to the code: EHOSTUNREACH, ENETUNREACH, ECONNREFUSED and
    /// others.
    ///
    /// # How it is recognised
    ///
    /// An ICMP destination unreachable, time exceeded or parameter problem whose quoted header has the SYN's addresses,
    /// ports and sequence number.
    ///
    /// ```trace fires
    /// client > SYN
    /// icmp 10.9.9.9 > client host-unreachable
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `connection-refused`, where the target itself sent a TCP reset. After the handshake such errors are soft and end
    /// nothing.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// icmp 10.9.9.9 > client host-unreachable
    /// server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Look at who sent the error. 'Administratively prohibited' and 'port unreachable' come from filters (nftables and
    /// iptables REJECT sends port-unreachable unless told otherwise), 'host unreachable' from the last router when the
    /// host does not answer ARP, 'time exceeded' from a routing loop. The client's errno follows from the code (Linux:
    /// icmp_err_convert in net/ipv4/icmp.c), so EHOSTUNREACH and ECONNREFUSED can have one cause.
    "connection-rejected", Handshake, Error, [REJECTED], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    if case.life.opening.kind != OpenKind::Rejected {
        return;
    }
    let Some(error) = rejecting_error(case.connection, &case.life.notes) else { return };
    // BSD's stack takes the first few for soft (`tcp_notify`), and the application may have closed before the next SYN was due.
    let stack = &case.life.profiles.client;
    let is_patient = [Profile::MACOS, Profile::FREEBSD].iter().any(|patient| stack.is_surely(patient));
    let confidence = if is_patient { Confidence::Medium } else { Confidence::High };
    let version = if error.v6 { "ICMPv6" } else { "ICMP" };
    let message = format_args!(
        "{} answered the SYN from {} to {} with {version} type {} code {}: connect() fails with {}",
        error.reporter,
        case.connection.client,
        case.connection.server,
        error.kind,
        error.code,
        icmp_errno(error, &case.life.profiles.client).name()
    );
    let mut frames = case.life.opening.frames.clone();
    frames.push(error.frame.0);
    let kind = if error.reporter == case.connection.server.ip { "by-its-host" } else { "on-the-way" };
    ENTRY.draft(confidence, error.time, frames, message).endpoint(Side::Client).kind(kind).push(found);
}
