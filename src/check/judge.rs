//! Lays rules against what a capture shows.

use std::collections::{BTreeMap, HashMap};

use super::expectation::{At, Check, Expectations, Names, Rule, Want};
use super::key::{self, Look, Value};
use super::parse::meanings;
use super::range::{Nanos, Range};
use super::seen::{Seen, peak};
use super::threshold::Threshold;
use super::unlisted::unlisted;
use crate::base::Side;
use crate::finding::{Severity, Verdict};
use crate::report::{CheckedCase, Example, FINDING, Place, Problem, Standing, counted, spoken_duration};

/// The capture and what was measured of it besides.
pub struct Evidence<'a> {
    /// What it shows.
    pub seen: &'a Seen,
    /// The longest silence of each stream, ns; empty unless a rule asks for it.
    pub idle_ns: &'a HashMap<u64, i64>,
}

impl<'a> Evidence<'a> {
    /// One connection as the keys look at it.
    pub fn look(&self, verdict: &'a Verdict) -> Look<'a> {
        let idle_ns = self.idle_ns.get(&verdict.stream).copied().unwrap_or(0);
        Look { verdict, horizon: self.seen.horizon, idle_ns }
    }
}

/// The cases of a capture with expectations; `threshold` is that of findings that no rule lists.
pub fn against(evidence: &Evidence<'_>, expectations: &Expectations, threshold: Threshold) -> Vec<CheckedCase> {
    let mut cases = Vec::new();
    let capture = &expectations.capture;
    if capture.connections.is_some() || capture.skipped.is_some() || capture.findings.is_some() {
        cases.push(of_capture(evidence.seen, expectations));
    }
    for rule in &expectations.rules {
        cases.push(CheckedCase { name: rule.title(), place: Some(rule.place), problems: of_rule(evidence, rule) });
    }
    if threshold != Threshold::Never {
        cases.push(unlisted(evidence.seen, Some(expectations), threshold));
    }
    tell_apart(&mut cases);
    cases
}

/// The cases of a capture without expectations.
pub fn by_policy(seen: &Seen, threshold: Threshold) -> Vec<CheckedCase> {
    let mut case = unlisted(seen, None, threshold);
    if seen.connections.is_empty() {
        let message = "no TCP connection in this capture, so that nothing was checked; see whether it was recorded on the right interface";
        case.problems.push(about_capture("no-connections", message.to_owned(), None));
    }
    vec![case]
}

/// Two rules may select alike; reports want names of their own.
fn tell_apart(cases: &mut [CheckedCase]) {
    for at in 1..cases.len() {
        let (before, rest) = cases.split_at_mut(at);
        let case = &mut rest[0];
        if let (true, Some(place)) = (before.iter().any(|other| other.name == case.name), case.place) {
            case.name = format!("{} (line {})", case.name, place.line);
        }
    }
}

/// A problem of the capture as a whole.
pub fn about_capture(rule: &str, message: String, place: Option<Place>) -> Problem {
    Problem {
        rule: rule.to_owned(),
        severity: Severity::Error,
        identity: rule.to_owned(),
        message,
        expected: None,
        seen: None,
        place,
        connections: 0,
        example: None,
        standing: Standing::New,
    }
}

fn of_capture(seen: &Seen, expectations: &Expectations) -> CheckedCase {
    let mut problems = Vec::new();
    let rule = &expectations.capture;
    let skipped = seen.summary.skipped.values().sum();
    for (name, wanted, is) in
        [("connections", &rule.connections, seen.connections.len() as u64), ("skipped", &rule.skipped, skipped)]
    {
        let Some(At { value, place }) = wanted else { continue };
        if !value.holds(is) {
            let message = format!("the capture has {is} {name}, not {value}");
            let mut problem = about_capture(&format!("capture/{name}"), message, Some(*place));
            (problem.expected, problem.seen) = (Some(value.to_string()), Some(is.to_string()));
            problems.push(problem);
        }
    }
    if let Some(At { value, place }) = &rule.findings {
        let is = |name: &str| seen.population.iter().filter(|finding| finding.name == name).count() as u64;
        for name in value.must.meant.iter().filter(|name| is(name) == 0) {
            let message = format!("{name} does not occur");
            problems.push(about_capture(&format!("missing-{FINDING}{name}"), message, Some(*place)));
        }
        for finding in &seen.population {
            let is_wrong = value.must_not.has(finding.name) || value.is_all && !value.must.has(finding.name);
            if is_wrong {
                let mut problem =
                    about_capture(&format!("{FINDING}{}", finding.name), finding.message.clone(), Some(*place));
                problem.severity = finding.severity;
                problems.push(problem);
            }
        }
        for (name, range) in value.counts.iter().filter(|(name, range)| !range.holds(is(name))) {
            let message = format!("{name} occurs {}, not {range}", times(is(name)));
            problems.push(about_capture(&format!("count/{name}"), message, Some(*place)));
        }
    }
    let places = [&rule.connections, &rule.skipped].into_iter().flatten().map(|at| at.place);
    let place = places.chain(rule.findings.iter().map(|at| at.place)).min();
    CheckedCase { name: "capture".to_owned(), place, problems }
}

fn of_rule(evidence: &Evidence<'_>, rule: &Rule) -> Vec<Problem> {
    let selected = rule.select.of(&evidence.seen.connections);
    if selected.is_empty() && rule.check("count").is_none() {
        return vec![nothing_selected(evidence.seen, rule)];
    }
    let looks: Vec<Look<'_>> = selected.iter().map(|verdict| evidence.look(verdict)).collect();
    rule.checks.iter().flat_map(|check| of_check(rule, check, &looks)).collect()
}

fn nothing_selected(seen: &Seen, rule: &Rule) -> Problem {
    let candidates = rule.select.candidates(&seen.connections).len();
    let all = counted(seen.connections.len() as u64, "connection");
    let (name, message) = match (rule.select.order, rule.select.stream) {
        (Some(_), _) if candidates > 0 => {
            let message = format!("no such connection: {} to choose from", counted(candidates as u64, "connection"));
            ("missing-connection", message)
        }
        (_, Some(stream)) => {
            ("missing-connection", format!("no stream {stream} such as this rule wants; the capture has {all}"))
        }
        _ => ("rule-matched-nothing", format!("this rule matched nothing: the capture has {all}, none like this")),
    };
    let mut problem = about_capture(name, message, Some(rule.place));
    problem.identity = rule.title();
    problem
}

/// What broke a check alike: how many connections, and the first of them with the frames that show it.
#[derive(Default)]
pub struct Alike<'a> {
    /// How many.
    pub connections: u64,
    /// The first.
    pub first: Option<(&'a Verdict, Vec<u64>)>,
}

impl<'a> Alike<'a> {
    /// One more.
    pub fn add(&mut self, verdict: &'a Verdict, frames: Vec<u64>) {
        self.connections += 1;
        self.first.get_or_insert((verdict, frames));
    }
}

struct Breach {
    rule: String,
    message: String,
    seen: String,
    identity: String,
    severity: Severity,
}

fn problem(rule: &Rule, check: &Check, breach: Breach, alike: Alike<'_>) -> Problem {
    Problem {
        rule: breach.rule,
        severity: breach.severity,
        message: breach.message,
        expected: Some(check.want.words()),
        seen: Some(breach.seen),
        place: Some(check.place),
        connections: alike.connections,
        example: alike.first.map(|(verdict, frames)| example(verdict, frames)),
        identity: format!("{}\n{}", rule.title(), breach.identity),
        standing: Standing::New,
    }
}

/// The connection as an example.
pub fn example(verdict: &Verdict, frames: Vec<u64>) -> Example {
    Example { stream: verdict.stream, client: verdict.client, server: verdict.server, frames, ladder: Vec::new() }
}

fn of_check(rule: &Rule, check: &Check, looks: &[Look<'_>]) -> Vec<Problem> {
    match (&check.key.value, &check.want) {
        (Value::Word { seen, aliases, .. }, Want::OneOf(words)) => {
            let right: Vec<&str> = words.iter().flat_map(|word| meanings(word, aliases)).collect();
            by_value(rule, check, looks, |look| {
                let word = seen(look);
                (!right.contains(&word)).then(|| (word.to_owned(), word.to_owned()))
            })
        }
        (Value::Calls(side), Want::Calls(calls)) => by_value(rule, check, looks, |look| {
            let is = key::calls(look.verdict, *side);
            let text = if is.is_empty() { "no calls".to_owned() } else { is.join(", ") };
            (is != *calls).then_some((text, String::new()))
        }),
        (Value::Count(seen), Want::Count(range)) => by_value(rule, check, looks, |look| {
            let is = seen(look);
            (!range.holds(is)).then(|| (is.to_string(), String::new()))
        }),
        (Value::Duration(seen), Want::Duration(range)) => durations(rule, check, looks, *seen, *range),
        (Value::Selected, Want::Count(range)) => {
            let is = looks.len() as u64;
            if range.holds(is) {
                return Vec::new();
            }
            let message = format!("{} selected, not {range}", counted(is, "connection"));
            let breach = Breach {
                rule: "count".to_owned(),
                message,
                seen: is.to_string(),
                identity: "count".to_owned(),
                severity: Severity::Error,
            };
            let mut alike = Alike::default();
            looks.first().into_iter().for_each(|look| alike.add(look.verdict, (check.key.frames)(look.verdict)));
            alike.connections = is;
            vec![problem(rule, check, breach, alike)]
        }
        (Value::Peak(sides), Want::Peaks(peaks)) => peaks_of(rule, check, looks, sides, peaks),
        (Value::Names { seen, .. }, Want::Names(names)) => names_of(rule, check, looks, *seen, names),
        // The reader of the file pairs keys with what they want.
        _ => Vec::new(),
    }
}

/// Connections that break a check, together by what they show: `wrong` gives the words for it and what of it names the
/// problem across recordings.
fn by_value<'a>(
    rule: &Rule,
    check: &Check,
    looks: &[Look<'a>],
    wrong: impl Fn(&Look<'a>) -> Option<(String, String)>,
) -> Vec<Problem> {
    let mut found: BTreeMap<(String, String), Alike<'a>> = BTreeMap::new();
    for look in looks {
        if let Some(value) = wrong(look) {
            found.entry(value).or_default().add(look.verdict, (check.key.frames)(look.verdict));
        }
    }
    let name = check.key.name;
    let problems = found.into_iter().map(|((seen, identity), alike)| {
        let breach = Breach {
            rule: name.to_owned(),
            message: format!("{name} is {seen}, not {}", check.want.words()),
            seen,
            identity: format!("{name} {identity}"),
            severity: Severity::Error,
        };
        problem(rule, check, breach, alike)
    });
    problems.collect()
}

fn durations<'a>(
    rule: &Rule,
    check: &Check,
    looks: &[Look<'a>],
    seen: fn(&Look<'_>) -> Option<Nanos>,
    range: Range<Nanos>,
) -> Vec<Problem> {
    let wrong = |look: &&Look<'a>| seen(look).is_none_or(|is| !range.holds(is));
    let mut broken: Vec<&Look<'a>> = looks.iter().filter(wrong).collect();
    // The worst first: it is the example.
    broken.sort_by_key(|look| std::cmp::Reverse(seen(look)));
    let Some(worst) = broken.first().map(|look| seen(look)) else { return Vec::new() };
    let mut alike = Alike::default();
    broken.iter().for_each(|look| alike.add(look.verdict, (check.key.frames)(look.verdict)));
    let name = check.key.name;
    let seen = worst.map_or_else(|| "not to be measured: it never came so far".to_owned(), |ns| spoken_duration(ns.0));
    let breach = Breach {
        rule: name.to_owned(),
        message: format!("{name} is {seen}, not {range}"),
        seen,
        identity: name.to_owned(),
        severity: Severity::Error,
    };
    vec![problem(rule, check, breach, alike)]
}

fn peaks_of(
    rule: &Rule,
    check: &Check,
    looks: &[Look<'_>],
    sides: &[Side],
    peaks: &[(crate::connection::State, Range<u64>)],
) -> Vec<Problem> {
    let verdicts: Vec<&Verdict> = looks.iter().map(|look| look.verdict).collect();
    let horizon = looks.first().map_or_else(Default::default, |look| look.horizon);
    let mut problems = Vec::new();
    for &(state, range) in peaks {
        let is = peak(&verdicts, sides, state, horizon);
        if range.holds(is) {
            continue;
        }
        let mut alike = Alike::default();
        for verdict in &verdicts {
            let steps = sides.iter().flat_map(|&side| &verdict.endpoints[side].states);
            let mut entered = steps.filter(|step| step.state == state);
            if let Some(step) = entered.next() {
                alike.add(verdict, step.frame.into_iter().collect());
            }
        }
        let breach = Breach {
            rule: check.key.name.to_owned(),
            message: format!("at most {is} in {state} at one moment, not {range}"),
            seen: format!("{state} {is}"),
            identity: format!("{} {state}", check.key.name),
            severity: Severity::Error,
        };
        let mut problem = problem(rule, check, breach, alike);
        problem.expected = Some(format!("{state} {range}"));
        problems.push(problem);
    }
    problems
}

fn names_of<'a>(rule: &Rule, check: &Check, looks: &[Look<'a>], seen: key::Names, wanted: &Names) -> Vec<Problem> {
    let kind = if check.key.name == "resets" { "reset/" } else { FINDING };
    let mut problems = Vec::new();
    if wanted.is_all {
        return by_value(rule, check, looks, |look| {
            let mut names: Vec<&str> = seen(look).into_iter().map(|(name, _)| name).collect();
            names.sort_unstable();
            names.dedup();
            let is_right = names.iter().all(|name| wanted.must.has(name))
                && wanted.must.meant.iter().all(|name| names.contains(name));
            let words = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            (!is_right).then(|| (words.clone(), words))
        });
    }
    for name in &wanted.must.meant {
        let mut alike = Alike::default();
        for look in looks.iter().filter(|look| seen(look).iter().all(|(is, _)| is != name)) {
            alike.add(look.verdict, (check.key.frames)(look.verdict));
        }
        if alike.connections > 0 {
            let others: Vec<&str> = alike.first.iter().flat_map(|(verdict, _)| shown(looks, verdict, seen)).collect();
            let breach = Breach {
                rule: format!("missing-{kind}{name}"),
                message: format!("{name} does not occur"),
                seen: if others.is_empty() { "none".to_owned() } else { others.join(", ") },
                identity: format!("{} must {name}", check.key.name),
                severity: Severity::Error,
            };
            problems.push(problem(rule, check, breach, alike));
        }
    }
    let mut wrong: BTreeMap<&'static str, Alike<'a>> = BTreeMap::new();
    for look in looks {
        let mut names: Vec<(&'static str, &[u64])> = seen(look);
        names.dedup_by_key(|(name, _)| *name);
        for (name, frames) in names.into_iter().filter(|(name, _)| wanted.must_not.has(name)) {
            wrong.entry(name).or_default().add(look.verdict, frames.to_vec());
        }
    }
    for (name, alike) in wrong {
        let said = alike.first.as_ref().and_then(|(verdict, frames)| sentence(verdict, name, frames));
        let (severity, message) = said.unwrap_or((Severity::Error, format!("{name} occurs and must not")));
        let breach = Breach {
            rule: format!("{kind}{name}"),
            message,
            seen: name.to_owned(),
            identity: format!("{} must not {name}", check.key.name),
            severity,
        };
        problems.push(problem(rule, check, breach, alike));
    }
    for (name, range) in &wanted.counts {
        let mut alike = Alike::default();
        let mut is = 0;
        for look in looks {
            let frames: Vec<&[u64]> =
                seen(look).into_iter().filter(|(shown, _)| shown == name).map(|(_, frames)| frames).collect();
            if let Some(first) = frames.first() {
                alike.add(look.verdict, first.to_vec());
                is += frames.len() as u64;
            }
        }
        if !range.holds(is) {
            let breach = Breach {
                rule: format!("count/{name}"),
                message: format!("{name} occurs {}, not {range}", times(is)),
                seen: is.to_string(),
                identity: format!("{} count {name}", check.key.name),
                severity: Severity::Error,
            };
            let mut problem = problem(rule, check, breach, alike);
            problem.expected = Some(range.to_string());
            problems.push(problem);
        }
    }
    problems
}

/// The names that `verdict` shows.
fn shown<'a>(looks: &[Look<'a>], verdict: &Verdict, seen: key::Names) -> Vec<&'static str> {
    let look = looks.iter().find(|look| look.verdict.stream == verdict.stream);
    look.map(|look| seen(look).into_iter().map(|(name, _)| name).collect()).unwrap_or_default()
}

/// What the connection's record says of a finding or a reset by this name.
fn sentence(verdict: &Verdict, name: &str, frames: &[u64]) -> Option<(Severity, String)> {
    let finding = verdict.findings.iter().find(|finding| finding.name == name && finding.frames == frames);
    let reset = || verdict.resets.iter().find(|reset| reset.cause.name() == name && [reset.frame] == *frames);
    finding
        .map(|finding| (finding.severity, finding.message.clone()))
        .or_else(|| reset().map(|reset| (Severity::Error, format!("reset by the {}: {}", reset.from, reset.evidence))))
}

fn times(number: u64) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}
