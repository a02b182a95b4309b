//! Counts of agreement, and the disagreements themselves.

use std::collections::{BTreeMap, BTreeSet};

use lastack::base::{Side, Sides};
use lastack::connection::StateStep;
use lastack::finding::{Confidence, Finding, Initiator, Reset, Verdict};

use super::calls;
use super::labels;
use super::matching::{Span, matching};
use super::recording::Told;
use super::states::{self, Dated, Taps};
use super::truth::{Connection, Vantage, pair};

/// How often something was right.
#[derive(Clone, Copy, Default)]
pub struct Rate {
    pub right: u64,
    pub of: u64,
}

impl Rate {
    fn count(&mut self, is_right: bool) {
        self.right += u64::from(is_right);
        self.of += 1;
    }
}

/// How often each word was met with each.
pub type Confusion = BTreeMap<(String, String), u64>;

/// A finding against its label.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    pub found: u64,
    pub missed: u64,
    pub false_alarms: u64,
}

/// The connections of one scenario.
#[derive(Clone, Copy, Default)]
pub struct Scenario {
    pub connections: u64,
    pub states: Rate,
    pub open: Rate,
    pub close: Rate,
    pub initiator: Rate,
    pub times: Rate,
    pub findings: Tally,
}

/// One disagreement.
pub struct Miss {
    /// What disagrees: `states client`, `close`, `found`, ...
    pub measure: String,
    pub scenario: String,
    /// `file#stream`.
    pub case: String,
    pub expected: String,
    pub got: String,
}

/// Everything counted.
#[derive(Default)]
pub struct Score {
    pub captures: u64,
    pub scenarios: BTreeMap<String, Scenario>,
    /// Not judged: the recorder does not vouch for it.
    pub skipped: u64,
    /// Not judged: nothing of it is in the capture.
    pub invisible: u64,
    /// Not judged, and so a disagreement: no verdict speaks of it.
    pub unmatched: u64,
    /// Streams of connections that have several.
    pub parts: u64,
    /// Verdicts that speak of no connection of the truth.
    pub left_over: u64,
    /// Where the sequences that differ part from the kernel's.
    pub partings: BTreeMap<&'static str, u64>,
    /// What became of the times of all steps that sequences share.
    pub times: BTreeMap<&'static str, u64>,
    pub open: Confusion,
    pub close: Confusion,
    pub initiator: Confusion,
    /// Asked for and got, the two ways to abort taken as one.
    pub causes: Confusion,
    /// The same for the two ways apart.
    pub aborts: Confusion,
    /// One way to abort was claimed with high confidence.
    pub sure_aborts: Rate,
    /// Calls and errors asked for and implied, by what is compared.
    pub calls: BTreeMap<&'static str, Confusion>,
    pub findings: BTreeMap<String, Tally>,
    /// Findings whose names no label of these truth files can express.
    pub beyond: BTreeMap<String, u64>,
    /// Findings across connections, by capture.
    pub population: BTreeMap<String, Tally>,
    pub misses: Vec<Miss>,
}

/// One connection with the verdict on it.
struct Case<'a> {
    name: String,
    connection: &'a Connection,
    verdict: &'a Verdict,
    /// Further streams of the same connection: their resets and findings are its own.
    parts: Vec<&'a Verdict>,
}

impl Case<'_> {
    fn resets(&self) -> impl Iterator<Item = &Reset> {
        self.verdict.resets.iter().chain(self.parts.iter().flat_map(|part| &part.resets))
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.verdict.findings.iter().chain(self.parts.iter().flat_map(|part| &part.findings))
    }

    /// The side that the verdict gives to an end that the truth calls `side`.
    fn ours(&self, side: Side) -> Side {
        self.side_in(self.verdict, side)
    }

    fn side_in(&self, verdict: &Verdict, side: Side) -> Side {
        if verdict.client == self.connection.client { side } else { !side }
    }

    /// The states of one end over all streams of the connection; one that a later stream begins with again counts once.
    fn states(&self, side: Side) -> Vec<StateStep> {
        let mut streams: Vec<&Verdict> = self.parts.iter().copied().chain([self.verdict]).collect();
        streams.sort_by_key(|stream| stream.stream);
        let all = streams.iter().flat_map(|stream| &stream.endpoints[self.side_in(stream, side)].states);
        let mut states: Vec<StateStep> = all.copied().collect();
        states.dedup_by_key(|step| step.state);
        states
    }
}

impl Score {
    /// Counts one capture. `run` holds all captures of the same run.
    pub fn add(&mut self, told: &Told, run: &[Told]) {
        self.captures += 1;
        let connections = &told.truth.connections;
        let spans: Vec<_> = connections.iter().map(Span::of_connection).collect();
        let verdicts: Vec<_> = told.verdicts.iter().map(Span::of_verdict).collect();
        let matching = matching(&spans, &verdicts);
        self.left_over += matching.left_over.len() as u64;
        for &index in &matching.left_over {
            let verdict = &told.verdicts[index];
            let case = format!("{}#{}", told.name, verdict.stream);
            self.miss_at(
                "extra stream",
                "",
                case,
                "nothing".to_owned(),
                format!("{} {}", verdict.client, verdict.server),
            );
        }
        for (connection, matched) in connections.iter().zip(matching.of_connection) {
            if !connection.is_judged() {
                self.skipped += 1;
            } else if connection.visible.packets == 0 {
                self.invisible += 1;
            } else if let [index, parts @ ..] = &matched[..] {
                let verdict = &told.verdicts[*index];
                let parts: Vec<_> = parts.iter().map(|&part| &told.verdicts[part]).collect();
                self.parts += parts.len() as u64;
                let name = format!("{}#{}", told.name, verdict.stream);
                self.judge(&Case { name, connection, verdict, parts }, told, run);
            } else {
                self.unmatched += 1;
                let (client, server) = (connection.client, connection.server);
                let case = format!("{} {client} {server}", told.name);
                self.miss_at("no stream", &connection.scenario, case, "a stream".to_owned(), "none".to_owned());
            }
        }
        self.judge_population(told);
    }

    fn judge(&mut self, case: &Case<'_>, told: &Told, run: &[Told]) {
        self.scenario(case).connections += 1;
        for side in Side::BOTH {
            self.judge_states(case, side, told, run);
            self.judge_calls(case, side);
        }
        self.judge_kinds(case);
        self.judge_causes(case);
        self.judge_findings(case);
    }

    fn judge_states(&mut self, case: &Case<'_>, side: Side, told: &Told, run: &[Told]) {
        let at_end = run.iter().find(|view| view.truth.vantage == Vantage::at(side));
        let ends = pair(Sides { client: case.connection.client, server: case.connection.server });
        let end = if side == Side::Client { case.connection.client } else { case.connection.server };
        let taps = Taps { here: &told.tap, at_end: at_end.map(|view| &view.tap), ends, end };
        let expected = case.connection.timeline.of(side);
        let got = case.states(side);
        let is_same = states::is_same(expected, &got, &taps);
        self.scenario(case).states.count(is_same);
        let expected_line = states::line(expected.iter().map(|step| step.name()));
        let got_line = states::line(got.iter().map(|step| step.state.name()));
        if !is_same {
            let parting = states::parting(expected, &got, &taps).name();
            *self.partings.entry(parting).or_default() += 1;
            self.miss(case, &format!("states {side}"), &format!("{expected_line} ({parting})"), &got_line);
        }
        for (step, ours) in expected.iter().zip(&got).take_while(|(step, ours)| step.name() == ours.state.name()) {
            let dated = states::date(step, ours, &taps);
            *self.times.entry(dated.name()).or_default() += 1;
            if let Dated::Right | Dated::Wrong = dated {
                self.scenario(case).times.count(dated == Dated::Right);
            }
            if dated == Dated::Wrong {
                let late_ms = ours.time.since(step.time) as f64 / 1e6;
                let frame = ours.frame.map_or("no frame".to_owned(), |frame| format!("frame {frame}"));
                let got = format!("{frame}, {late_ms:+.3} ms by the clock");
                self.miss(case, &format!("time {side}"), &step.name(), &got);
            }
        }
    }

    fn judge_calls(&mut self, case: &Case<'_>, side: Side) {
        let view = &case.verdict.endpoints[case.ours(side)];
        for (what, asked, got) in calls::compare(case.connection, side, view) {
            if asked != got {
                self.miss(case, &format!("{what} {side}"), &asked, &got);
            }
            confuse(self.calls.entry(what).or_default(), &asked, &got);
        }
    }

    fn judge_kinds(&mut self, case: &Case<'_>) {
        let labels = case.connection.labels();
        let (open, got) = (labels::open(labels), case.verdict.open.kind.name());
        self.scenario(case).open.count(open == got);
        if open != got {
            self.miss(case, "open", &open, got);
        }
        confuse(&mut self.open, &open, got);
        let (close, got) = (labels::close(labels), case.verdict.close.kind.name());
        self.scenario(case).close.count(close == got);
        if close != got {
            self.miss(case, "close", &close, got);
        }
        confuse(&mut self.close, &close, got);
        let initiator = labels.close_initiator.as_deref().unwrap_or("nobody");
        let got = match case.verdict.close.initiator {
            None => "nobody",
            Some(Initiator::Both) => "both",
            Some(Initiator::Client) => case.ours(Side::Client).name(),
            Some(Initiator::Server) => case.ours(Side::Server).name(),
        };
        let is_right = labels::is_initiator(labels, got);
        self.scenario(case).initiator.count(is_right);
        if !is_right {
            self.miss(case, "initiator", initiator, got);
        }
        confuse(&mut self.initiator, initiator, if is_right { initiator } else { got });
    }

    /// Compares the causes asked for with those given, as sets: which reset is which, the labels do not say.
    fn judge_causes(&mut self, case: &Case<'_>) {
        let asked = labels::causes(case.connection.labels());
        let given: BTreeSet<&str> = case.resets().map(|reset| reset.cause.name()).collect();
        for &cause in &asked {
            let got = answer(cause, &asked, &given, |a, b| labels::merged(a) == labels::merged(b));
            confuse(&mut self.causes, labels::merged(cause), labels::merged(got));
            if labels::merged(cause) != labels::merged(got) {
                self.miss(case, "reset cause", cause, got);
            }
            if labels::is_abort(cause) {
                confuse(&mut self.aborts, cause, answer(cause, &asked, &given, |a, b| a == b));
            }
        }
        for reset in case.resets() {
            if labels::is_abort(reset.cause.name()) && reset.confidence == Confidence::High {
                let is_right = asked.contains(reset.cause.name());
                self.sure_aborts.count(is_right);
                if !is_right {
                    let expected = states::line(asked.iter());
                    self.miss(case, "sure abort", &expected, reset.cause.name());
                }
            }
        }
    }

    fn judge_findings(&mut self, case: &Case<'_>) {
        let mut expected = labels::findings(case.connection.labels());
        expected.retain(|name| !labels::is_population(name));
        let hidden = labels::hidden(case.connection);
        let got: BTreeSet<String> = case.findings().map(labels::judged_name).collect();
        for name in expected.union(&got) {
            let tally = match (expected.contains(name), got.contains(name)) {
                (true, true) => Tally { found: 1, ..Tally::default() },
                (true, false) => {
                    self.miss(case, "missed", name, &states::line(got.iter()));
                    Tally { missed: 1, ..Tally::default() }
                }
                (false, _) if hidden.contains(name) => continue,
                (false, _) => {
                    self.miss(case, "false alarm", &states::line(expected.iter()), name);
                    Tally { false_alarms: 1, ..Tally::default() }
                }
            };
            add(self.findings.entry(name.clone()).or_default(), tally);
            add(&mut self.scenario(case).findings, tally);
        }
    }

    fn judge_population(&mut self, told: &Told) {
        if told.truth.connections.is_empty() {
            // Of piles of thousands the truth tells counts alone.
            return;
        }
        let expected: BTreeSet<String> = told
            .truth
            .connections
            .iter()
            .filter(|connection| connection.is_judged() && connection.visible.packets > 0)
            .flat_map(|connection| labels::findings(connection.labels()))
            .filter(|name| labels::is_population(name))
            .collect();
        let got: BTreeSet<String> = told.population.iter().map(|&name| name.to_owned()).collect();
        for name in expected.union(&got) {
            let tally = self.population.entry(name.clone()).or_default();
            match (expected.contains(name), got.contains(name)) {
                (true, true) => tally.found += 1,
                (true, false) => tally.missed += 1,
                (false, _) => tally.false_alarms += 1,
            }
        }
    }

    /// Moves findings that no label of these truth files can express out of the judged ones. Must come last.
    pub fn set_aside_beyond_labels(&mut self) {
        let mut judged = labels::judged();
        judged.extend(
            self.findings.iter().filter(|(_, tally)| tally.found + tally.missed > 0).map(|(name, _)| name.clone()),
        );
        let beyond: Vec<String> = self.findings.keys().filter(|name| !judged.contains(*name)).cloned().collect();
        for name in beyond {
            let tally = self.findings.remove(&name).unwrap_or_default();
            self.beyond.insert(name, tally.false_alarms);
        }
        let Self { misses, beyond, scenarios, .. } = self;
        misses.retain(|miss| {
            let is_beyond = miss.measure == "false alarm" && beyond.contains_key(&miss.got);
            if let Some(scenario) = scenarios.get_mut(&miss.scenario).filter(|_| is_beyond) {
                scenario.findings.false_alarms -= 1;
            }
            !is_beyond
        });
    }

    fn scenario(&mut self, case: &Case<'_>) -> &mut Scenario {
        self.scenarios.entry(case.connection.scenario.clone()).or_default()
    }

    fn miss(&mut self, case: &Case<'_>, measure: &str, expected: &str, got: &str) {
        self.miss_at(measure, &case.connection.scenario, case.name.clone(), expected.to_owned(), got.to_owned());
    }

    fn miss_at(&mut self, measure: &str, scenario: &str, case: String, expected: String, got: String) {
        self.misses.push(Miss { measure: measure.to_owned(), scenario: scenario.to_owned(), case, expected, got });
    }
}

/// The cause that was given where `asked_for` was asked: itself if it is there, else one that nobody asked for.
fn answer<'a>(
    asked_for: &'a str,
    asked: &BTreeSet<&'static str>,
    given: &BTreeSet<&'a str>,
    is_equal: impl Fn(&str, &str) -> bool,
) -> &'a str {
    let same = given.iter().find(|cause| is_equal(cause, asked_for));
    let other = || given.iter().find(|cause| !asked.contains(*cause));
    same.or_else(other).copied().unwrap_or("none")
}

fn confuse(table: &mut Confusion, expected: &str, got: &str) {
    *table.entry((expected.to_owned(), got.to_owned())).or_default() += 1;
}

/// Adds `more` to a tally.
pub fn add(tally: &mut Tally, more: Tally) {
    tally.found += more.found;
    tally.missed += more.missed;
    tally.false_alarms += more.false_alarms;
}
