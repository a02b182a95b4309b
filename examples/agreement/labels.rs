//! The truth's labels and the catalogue's names for the same things.

use std::collections::BTreeSet;

use lastack::finding::{Cause, Finding};

use super::truth::{Connection, Labels};

/// The label and our `open.kind`.
const OPEN: &[(&str, &str)] = &[
    ("three_way", "three-way"),
    ("simultaneous_open", "simultaneous"),
    ("refused", "refused"),
    ("syn_timeout", "unanswered"),
    ("icmp_rejected", "rejected"),
    ("tfo", "fast-open"),
    // What overflows is told by a finding; on the wire the handshake is whole.
    ("accept_overflow", "three-way"),
    // An old SYN: nobody wanted a connection.
    ("none", "half-open"),
];

/// The label and our `close.kind`.
const CLOSE: &[(&str, &str)] = &[
    ("rst", "reset"),
    ("timeout", "timed-out"),
    ("half_close", "half-closed"),
    ("simultaneous_close", "simultaneous"),
    ("fin_4way", "four-segment"),
    ("fin_3seg", "three-segment"),
];

/// Labels whose finding has another name than the label with hyphens.
const FINDINGS: &[(&str, &str)] = &[
    ("rst_linger0", "reset-linger-zero"),
    ("rst_unread_data", "reset-unread-data"),
    ("rst_after_close", "reset-data-after-close"),
    ("rst_half_open", "reset-no-connection"),
    ("rst_timewait_absent", "reset-no-time-wait"),
    ("rst_keepalive_timeout", "reset-keepalive-timeout"),
    ("rst_refused", "reset-refused"),
    ("rst_injected", "reset-injected"),
    ("client_abort_before_accept", "aborted-before-accept"),
    ("lost_final_ack_recovered", "final-ack-lost/recovered"),
    ("lost_final_ack_reset", "final-ack-lost/reset"),
    ("lost_final_ack_unanswered", "final-ack-lost/unanswered"),
    ("close_wait_leak", "close-wait-stuck"),
    ("fin_wait2_timeout", "fin-wait-2-expired"),
    ("stray_after_close", "stray-segment"),
    ("old_duplicate_syn", "stale-syn"),
    ("port_reuse_time_wait", "port-reused"),
    ("keepalive_probes", "keepalive"),
    ("dead_peer_timeout", "dead-peer"),
    ("half_close_data", "half-close"),
    ("syn_retransmitted", "syn-retransmitted"),
    ("synack_retransmitted", "syn-ack-retransmitted"),
    ("fin_retransmitted", "fin-retransmitted"),
    ("zero_window", "zero-window"),
];

/// Findings that the labels for open and close stand for.
const IMPLIED: &[(&str, &str)] = &[
    ("refused", "connection-refused"),
    ("icmp_rejected", "connection-rejected"),
    ("simultaneous_open", "simultaneous-open"),
    ("syn_timeout", "syn-unanswered"),
    ("accept_overflow", "accept-queue-overflow"),
    ("simultaneous_close", "simultaneous-close"),
];

/// Findings across connections, which no single connection can miss.
const POPULATION: &[&str] = &[
    "time-wait-owner-server",
    "time-wait-accumulation",
    "idle-timeout",
    "syn-ignored-by-timestamp",
    "port-exhaustion",
    "close-wait-accumulation",
    "syn-flood",
    "fin-wait-2-accumulation",
    "reset-process-exit",
    "last-ack-accumulation",
    "syn-received-accumulation",
];

fn look_up(table: &[(&str, &'static str)], label: &str) -> Option<&'static str> {
    table.iter().find(|(from, _)| *from == label).map(|&(_, to)| to)
}

/// The `open.kind` that the labels ask for.
pub fn open(labels: &Labels) -> String {
    look_up(OPEN, &labels.open).unwrap_or(&labels.open).to_owned()
}

/// The `close.kind` that the labels ask for.
pub fn close(labels: &Labels) -> String {
    match (labels.open.as_str(), labels.close.as_str()) {
        ("refused", "rst") => "refused".to_owned(),
        (_, close) => look_up(CLOSE, close).unwrap_or(close).to_owned(),
    }
}

/// Whether `got` names who began the close. In a simultaneous close both did, whoever was microseconds earlier.
pub fn is_initiator(labels: &Labels, got: &str) -> bool {
    labels.close_initiator.as_deref().unwrap_or("nobody") == got
        || (labels.close == "simultaneous_close" && got == "both")
}

/// The finding that a label stands for.
pub fn finding(label: &str) -> String {
    match look_up(FINDINGS, label) {
        Some(name) => name.to_owned(),
        None => label
            .strip_prefix("rst_")
            .map_or_else(|| label.to_owned(), |cause| format!("reset_{cause}"))
            .replace('_', "-"),
    }
}

/// Whether a finding is about many connections.
pub fn is_population(name: &str) -> bool {
    POPULATION.contains(&name)
}

/// The findings that labels ask for.
pub fn findings(labels: &Labels) -> BTreeSet<String> {
    let told = labels.findings.iter().map(|label| finding(label));
    let implied = [&labels.open, &labels.close].into_iter().filter_map(|label| look_up(IMPLIED, label));
    told.chain(implied.map(str::to_owned)).collect()
}

/// Every finding that the format has a label for.
pub fn judged() -> BTreeSet<String> {
    FINDINGS.iter().chain(IMPLIED).map(|&(_, name)| name.to_owned()).collect()
}

/// The name under which a finding of ours is judged: with its outcome where the labels tell outcomes apart.
pub fn judged_name(found: &Finding) -> String {
    match found.outcome {
        Some(outcome) if found.name == "final-ack-lost" => format!("{}/{outcome}", found.name),
        _ => found.name.to_owned(),
    }
}

/// The causes that the labels ask the resets of a connection to have.
pub fn causes(labels: &Labels) -> BTreeSet<&'static str> {
    let mut causes: BTreeSet<&'static str> = findings(labels)
        .iter()
        .filter(|name| !is_population(name))
        .filter_map(|name| Cause::ALL.iter().find(|cause| name.strip_prefix("reset-") == Some(cause.name())))
        .map(|cause| cause.name())
        .collect();
    // The label tells what expired; the reset is how one sees it.
    if labels.close == "rst" && labels.findings.iter().any(|label| label == "fin_wait2_timeout") {
        causes.insert(Cause::FinWait2Expired.name());
    }
    causes
}

/// True of the connection though the tap, so the truth says, cannot show it: neither asked for nor false.
pub fn hidden(connection: &Connection) -> BTreeSet<String> {
    findings(&connection.expected)
}

/// Both ways of an application to abort; one shape on the wire.
pub fn is_abort(cause: &str) -> bool {
    cause == Cause::LingerZero.name() || cause == Cause::UnreadData.name()
}

/// The cause with the two ways to abort taken as one.
pub fn merged(cause: &str) -> &str {
    if is_abort(cause) { "abort by the application" } else { cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lastack::connection::{CloseKind, OpenKind};

    fn labels(open: &str, close: &str, findings: &[&str]) -> Labels {
        Labels {
            open: open.to_owned(),
            close: close.to_owned(),
            close_initiator: None,
            findings: findings.iter().map(|&label| label.to_owned()).collect(),
        }
    }

    #[test]
    fn every_kind_in_the_tables_is_one_of_ours() {
        for (_, kind) in OPEN {
            assert!(OpenKind::ALL.iter().any(|ours| ours.name() == *kind), "{kind}");
        }
        for (_, kind) in CLOSE {
            assert!(CloseKind::ALL.iter().any(|ours| ours.name() == *kind), "{kind}");
        }
    }

    #[test]
    fn every_finding_in_the_tables_is_in_the_catalogue() {
        for name in judged() {
            let name = name.split('/').next().unwrap();
            assert!(lastack::finding::find(name).is_some(), "{name}");
        }
    }

    #[test]
    fn labels_without_an_entry_keep_their_name() {
        assert_eq!(finding("time_wait_assassination"), "time-wait-assassination");
        assert_eq!(finding("rst_idle_expired"), "reset-idle-expired");
        assert_eq!(finding("rst_half_open"), "reset-no-connection");
    }

    #[test]
    fn open_and_close_imply_findings_and_causes() {
        let refused = labels("refused", "rst", &["rst_refused"]);
        assert_eq!(close(&refused), "refused");
        assert!(findings(&refused).contains("connection-refused"));
        assert_eq!(causes(&refused), BTreeSet::from(["refused"]));
        let expired = labels("three_way", "rst", &["fin_wait2_timeout"]);
        assert_eq!(causes(&expired), BTreeSet::from(["fin-wait-2-expired"]));
    }

    #[test]
    fn both_began_a_simultaneous_close() {
        let mut crossed = labels("three_way", "simultaneous_close", &[]);
        crossed.close_initiator = Some("server".to_owned());
        assert!(is_initiator(&crossed, "both") && is_initiator(&crossed, "server"));
        assert!(!is_initiator(&crossed, "client") && !is_initiator(&crossed, "nobody"));
    }
}
