//! What faults of the capture take from the confidence of other findings.

use bitflags::bitflags;

use super::verdict::{Confidence, Finding, Reset, Verdict};

bitflags! {
    /// What a finding rests on, besides the segments that it names.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Ground: u8 {
        /// That nothing came, or nothing else.
        const ABSENCE = 1;
        /// How long something took.
        const TIME = 2;
        /// Options, and header fields that tell copies apart.
        const HEADER = 4;
        /// What happened at the beginning of the connection.
        const BEGINNING = 8;
        /// That frames are packets: how many, how often.
        const COUNT = 16;
    }
}

/// The findings that a fault of the capture can make wrong, with what they rest on.
const GROUNDS: &[(&str, Ground)] = &[
    ("syn-retransmitted", Ground::HEADER),
    ("syn-ack-retransmitted", Ground::HEADER),
    ("syn-unanswered", Ground::ABSENCE),
    ("accept-queue-overflow", Ground::ABSENCE),
    ("half-open-handshake", Ground::ABSENCE),
    ("handshake-ack-lost", Ground::ABSENCE),
    ("aborted-before-accept", Ground::ABSENCE.union(Ground::HEADER)),
    ("half-close", Ground::ABSENCE.union(Ground::BEGINNING)),
    ("fin-unanswered", Ground::ABSENCE.union(Ground::BEGINNING)),
    ("fin-retransmitted", Ground::HEADER),
    ("final-ack-lost", Ground::ABSENCE.union(Ground::HEADER)),
    ("close-wait-stuck", Ground::ABSENCE.union(Ground::TIME)),
    ("fin-wait-2-expired", Ground::TIME),
    ("reset-linger-zero", Ground::ABSENCE.union(Ground::BEGINNING).union(Ground::HEADER)),
    ("reset-unread-data", Ground::ABSENCE.union(Ground::BEGINNING).union(Ground::HEADER)),
    ("reset-data-after-close", Ground::ABSENCE),
    ("reset-no-connection", Ground::ABSENCE.union(Ground::BEGINNING)),
    ("reset-no-time-wait", Ground::ABSENCE),
    ("reset-fin-wait-2-expired", Ground::TIME),
    ("reset-idle-expired", Ground::TIME.union(Ground::HEADER)),
    ("reset-injected", Ground::ABSENCE.union(Ground::HEADER).union(Ground::BEGINNING)),
    ("reset-after-fin", Ground::ABSENCE.union(Ground::BEGINNING)),
    ("reset-after-close", Ground::BEGINNING),
    ("reset-ignored", Ground::ABSENCE),
    ("stray-segment", Ground::TIME.union(Ground::HEADER)),
    ("port-reused", Ground::TIME),
    ("crosstalk-risk", Ground::HEADER),
    ("retransmission", Ground::all().difference(Ground::TIME)),
    ("idle", Ground::TIME.union(Ground::ABSENCE)),
    ("keepalive", Ground::ABSENCE),
    ("keepalive-race", Ground::ABSENCE.union(Ground::TIME)),
    ("dead-peer", Ground::ABSENCE),
    ("outage-repaired", Ground::ABSENCE.union(Ground::TIME)),
];

/// What a fault of the capture takes away, and the words for it.
fn fault(finding: &Finding) -> Option<(Ground, &'static str)> {
    match (finding.name, finding.kind) {
        ("capture-gap", _) => Some((Ground::ABSENCE, "segments are missing in the capture")),
        ("control-segments-only", _) => Some((Ground::ABSENCE, "a filter left out all but control segments")),
        ("one-sided", _) => Some((Ground::ABSENCE.union(Ground::BEGINNING), "only one direction was captured")),
        ("clock-stepped-back", _) => Some((Ground::TIME, "the capture's clock was set back")),
        ("snaplen-cut", Some("options")) => Some((Ground::HEADER, "options are cut off in the capture")),
        ("began-midstream", _) => Some((Ground::BEGINNING, "the capture began later than the connection")),
        ("offload-segments", _) => Some((Ground::COUNT, "frames are not packets in this capture")),
        ("bad-checksum", Some("damaged")) => Some((Ground::ABSENCE, "segments with a wrong checksum did not arrive")),
        _ => None,
    }
}

/// Something that is said in `verdict` would not be so sure if segments were missing.
pub(super) fn rests_on_absence(verdict: &Verdict) -> bool {
    let rests = |wanted: &str| GROUNDS.iter().any(|(name, rests)| *name == wanted && rests.contains(Ground::ABSENCE));
    let resets = verdict.resets.iter().map(|reset| reset.cause.name());
    verdict.findings.iter().any(|finding| rests(finding.name))
        || resets.into_iter().any(|cause| rests(&format!("reset-{cause}")))
}

/// Lowers what rests on something that the capture does not show, and says why.
pub(super) fn cast(findings: &mut [Finding], resets: &mut [Reset]) {
    let faults: Vec<(Ground, &str)> = findings.iter().filter_map(fault).collect();
    if faults.is_empty() {
        return;
    }
    for finding in findings.iter_mut() {
        let Some((_, rests)) = GROUNDS.iter().find(|(name, _)| *name == finding.name) else { continue };
        let Some((_, why)) = faults.iter().find(|(ground, _)| rests.intersects(*ground)) else { continue };
        if finding.confidence == Confidence::High {
            finding.confidence = Confidence::Medium;
            finding.message.push_str("; less sure, since ");
            finding.message.push_str(why);
        }
    }
    // Without the segments that it answers, a reset's cause is a guess.
    let most = if findings.iter().any(|finding| finding.name == "control-segments-only") {
        Confidence::Low
    } else {
        Confidence::Medium
    };
    for reset in resets {
        let rests = GROUNDS.iter().find(|(name, _)| name.strip_prefix("reset-") == Some(reset.cause.name()));
        if rests.is_some_and(|(_, rests)| faults.iter().any(|(ground, _)| rests.intersects(*ground))) {
            reset.confidence = reset.confidence.min(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{CATALOGUE, Group, find};

    #[test]
    fn grounds_are_of_findings_and_faults_of_the_capture() {
        for (name, _) in GROUNDS {
            assert!(find(name).is_some_and(|entry| entry.group != Group::Capture), "{name}");
        }
        let faults = CATALOGUE.iter().filter(|entry| entry.group == Group::Capture);
        let silent: Vec<&str> = faults
            .filter(|entry| {
                let kinds = [None, Some("options"), Some("damaged")];
                kinds.iter().all(|kind| fault(&of(entry.name, *kind)).is_none())
            })
            .map(|entry| entry.name)
            .collect();
        // What ends early is judged against the end of the capture by each detector; samples and copies are left out before
        // any of them looks.
        assert_eq!(silent, ["ended-early", "sampled", "duplicate-frames"]);
    }

    fn of(name: &'static str, kind: Option<&'static str>) -> Finding {
        Finding {
            name,
            group: find(name).map_or(Group::Transfer, |entry| entry.group),
            severity: crate::finding::Severity::Note,
            confidence: Confidence::High,
            endpoint: None,
            outcome: None,
            kind,
            frames: vec![1],
            time: crate::base::Timestamp(0),
            message: "it was so".to_owned(),
        }
    }

    #[test]
    fn a_fault_lowers_what_rests_on_it_and_says_why() {
        let mut findings =
            [of("capture-gap", None), of("dead-peer", None), of("simultaneous-close", None), of("port-reused", None)];
        cast(&mut findings, &mut []);
        let sure: Vec<Confidence> = findings.iter().map(|finding| finding.confidence).collect();
        assert_eq!(sure, [Confidence::High, Confidence::Medium, Confidence::High, Confidence::High]);
        assert_eq!(findings[1].message, "it was so; less sure, since segments are missing in the capture");
    }
}
