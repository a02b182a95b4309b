//! What a verdict claims, without the places where it saw it.

use lastack::base::{Endpoint, Side};
use lastack::finding::{Basis, CloseKind, Confidence, OpenKind, Verdict};

/// Findings about the capture itself, and those that count what was captured.
const OF_THE_CAPTURE: &[&str] = &[
    "duplicate-frames",
    "snaplen-cut",
    "began-midstream",
    "ended-early",
    "one-sided",
    "capture-gap",
    "clock-stepped-back",
    "offload-segments",
    "bad-checksum",
    "control-segments-only",
];

/// One claim and how sure it is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    what: String,
    sure: bool,
    /// Of findings and resets; states and calls have a basis instead.
    confidence: Option<Confidence>,
}

/// The claims of a verdict, endpoints named by their address and not by their role.
#[derive(Debug, PartialEq)]
pub struct Claims {
    open: OpenKind,
    close: CloseKind,
    claims: Vec<Claim>,
}

impl Claims {
    pub fn of(verdict: &Verdict) -> Claims {
        let end = |side: Side| match side {
            Side::Client => verdict.client,
            Side::Server => verdict.server,
        };
        let named = |side: Option<Side>| side.map(end).map(|end: Endpoint| end.to_string()).unwrap_or_default();
        let mut claims = Vec::new();
        let mut claim = |sure: bool, what: String| claims.push(Claim { what, sure, confidence: None });
        for side in [Side::Client, Side::Server] {
            // What follows an assumed beginning rests on it.
            let states = &verdict.endpoints[side].states;
            let founded = states.first().is_some_and(|step| step.basis != Basis::Assumed);
            for step in states {
                claim(founded && step.basis == Basis::Seen, format!("{} in {}", end(side), step.state));
            }
            for call in &verdict.endpoints[side].calls {
                claim(false, format!("{} called {:?} {:?}", end(side), call.call, call.errno));
            }
        }
        let graded = |confidence: Confidence, what: String| Claim {
            what,
            sure: confidence == Confidence::High,
            confidence: Some(confidence),
        };
        let resets = verdict.resets.iter();
        claims.extend(
            resets.map(|reset| graded(reset.confidence, format!("reset by {}: {}", end(reset.from), reset.cause))),
        );
        let findings = verdict.findings.iter().filter(|finding| !OF_THE_CAPTURE.contains(&finding.name));
        claims.extend(findings.map(|finding| {
            // The longest silence of a part is another one.
            let is_named = |_: &&'static str| finding.name != "idle";
            let (outcome, kind) = (finding.outcome.filter(is_named), finding.kind.filter(is_named));
            let what = format!("{} {outcome:?} {kind:?} {}", finding.name, named(finding.endpoint));
            graded(finding.confidence, what)
        }));
        // In which order is no claim.
        claims.sort_by(|a, b| (&a.what, a.sure, a.confidence).cmp(&(&b.what, b.sure, b.confidence)));
        Claims { open: verdict.open.kind, close: verdict.close.kind, claims }
    }

    /// The sure claims that `whole` does not make at all, and those that it makes with less confidence. That somebody who sent
    /// a SYN waits for its answer holds until it shows that nobody stands behind the SYN.
    pub fn beyond(self, whole: &Claims) -> Vec<Claim> {
        let of_whole = |claim: &Claim| {
            whole.claims.iter().filter(|other| other.what == claim.what).max_by_key(|other| other.confidence)
        };
        let is_beyond = |claim: &Claim| match of_whole(claim) {
            None => claim.sure && !whole.is_of_nobody(claim),
            Some(other) => claim.confidence > other.confidence,
        };
        self.claims.into_iter().filter(is_beyond).collect()
    }

    /// `claim` is of an end in SYN-SENT that is in no state at all here, because its SYN-ACK was sent to nobody.
    fn is_of_nobody(&self, claim: &Claim) -> bool {
        let Some(end) = claim.what.strip_suffix(" in SYN-SENT") else { return false };
        let begins = format!("{end} in ");
        !self.claims.iter().any(|other| other.what.starts_with(&begins))
    }
}
