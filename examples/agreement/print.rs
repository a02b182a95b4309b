//! The score as text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::score::{Confusion, Miss, Rate, Scenario, Score, Tally};

/// The whole report: totals, findings, confusions, scenarios, and the cases with the most disagreements.
pub fn report(score: &Score, worst: usize) -> String {
    let mut text = String::new();
    totals(&mut text, score);
    findings(&mut text, "Findings", &score.findings);
    findings(&mut text, "Findings across connections, by capture", &score.population);
    if !score.beyond.is_empty() {
        text.push_str("\nFindings beyond the labels (not judged)\n");
        for (name, count) in &score.beyond {
            let _ = writeln!(text, "  {count:>6}  {name}");
        }
    }
    for (title, table) in [
        ("open.kind", &score.open),
        ("close.kind", &score.close),
        ("close.initiator", &score.initiator),
        ("reset cause, the two ways to abort as one", &score.causes),
        ("reset cause, the two ways to abort apart", &score.aborts),
    ] {
        confusion(&mut text, title, table);
    }
    for (name, table) in &score.calls {
        confusion(&mut text, &format!("application: {name}"), table);
    }
    scenarios(&mut text, &score.scenarios);
    worst_cases(&mut text, score, worst);
    text
}

/// Every disagreement, a line each, for `grep` and `sort`.
pub fn misses(score: &Score) -> String {
    let mut text = String::new();
    for Miss { measure, scenario, case, expected, got } in &score.misses {
        let _ = writeln!(text, "{measure}\t{scenario}\t{case}\t{expected}\t{got}");
    }
    text
}

/// One of a scenario's rates.
type RateOf = fn(&Scenario) -> Rate;

fn totals(text: &mut String, score: &Score) {
    let connections: u64 = score.scenarios.values().map(|scenario| scenario.connections).sum();
    let _ = writeln!(text, "{} captures, {} connections judged", score.captures, connections);
    let _ =
        writeln!(text, "not judged: {} skipped by the truth, {} not in the capture", score.skipped, score.invisible);
    let _ = writeln!(
        text,
        "connections without a stream: {}; streams of no connection: {}\n",
        score.unmatched, score.left_over
    );
    let rates: [(&str, RateOf); 5] = [
        ("state sequences, per end", |scenario| scenario.states),
        ("times of their steps", |scenario| scenario.times),
        ("open kind", |scenario| scenario.open),
        ("close kind", |scenario| scenario.close),
        ("close initiator", |scenario| scenario.initiator),
    ];
    for (name, rate) in rates {
        let rates: Vec<Rate> = score.scenarios.values().map(rate).filter(|rate| rate.of > 0).collect();
        let all = rates
            .iter()
            .fold(Rate::default(), |sum, rate| Rate { right: sum.right + rate.right, of: sum.of + rate.of });
        let mean = rates.iter().map(|rate| rate.right as f64 / rate.of as f64).sum::<f64>() / rates.len().max(1) as f64;
        let _ = writeln!(text, "  {name:<42} {:<32} mean of scenarios {:.2} %", share(all), cut(mean));
    }
    for (name, rate) in [
        ("reset cause, aborts as one", diagonal(&score.causes)),
        ("linger-zero and unread-data apart", diagonal(&score.aborts)),
        ("  of these claimed with high confidence", score.sure_aborts),
    ] {
        let _ = writeln!(text, "  {name:<42} {}", share(rate));
    }
    for (name, table) in &score.calls {
        let _ = writeln!(text, "  {:<42} {}", format!("application: {name}"), share(diagonal(table)));
    }
    for (name, counts) in [("sequences that differ part", &score.partings), ("all steps are dated", &score.times)] {
        let listed: Vec<String> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let _ = writeln!(text, "  {name}: {}", if listed.is_empty() { "none".to_owned() } else { listed.join(", ") });
    }
}

fn share(rate: Rate) -> String {
    if rate.of == 0 {
        return "       -".to_owned();
    }
    format!("{:>7.2} %  {} of {}", cut(rate.right as f64 / rate.of as f64), rate.right, rate.of)
}

/// A share in percent, cut and not rounded: 100 is said only of all.
fn cut(share: f64) -> f64 {
    (share * 10_000.0).floor() / 100.0
}

fn diagonal(table: &Confusion) -> Rate {
    table.iter().fold(Rate::default(), |sum, ((expected, got), count)| Rate {
        right: sum.right + if expected == got { *count } else { 0 },
        of: sum.of + count,
    })
}

fn findings(text: &mut String, title: &str, tallies: &BTreeMap<String, Tally>) {
    if tallies.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title:<40} {:>6} {:>6} {:>6}  precision  recall", "found", "missed", "false");
    for (name, tally) in tallies {
        let percent = |of: u64| match of {
            0 => "-".to_owned(),
            of => format!("{:.1}", (tally.found * 1_000 / of) as f64 / 10.0),
        };
        let precision = percent(tally.found + tally.false_alarms);
        let recall = percent(tally.found + tally.missed);
        let Tally { found, missed, false_alarms } = tally;
        let _ = writeln!(text, "  {name:<38} {found:>6} {missed:>6} {false_alarms:>6}  {precision:>9}  {recall:>6}");
    }
}

fn confusion(text: &mut String, title: &str, table: &Confusion) {
    let _ = writeln!(text, "\n{title}: expected, then what was said");
    let mut rows: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for ((expected, got), count) in table {
        rows.entry(expected).or_default().push((got, *count));
    }
    for (expected, mut said) in rows {
        said.sort_by_key(|&(got, count)| (got != expected, u64::MAX - count));
        let said: Vec<String> = said.iter().map(|(got, count)| format!("{got} {count}")).collect();
        let _ = writeln!(text, "  {expected:<24} {}", said.join(", "));
    }
}

fn scenarios(text: &mut String, scenarios: &BTreeMap<String, Scenario>) {
    let columns = ["connections", "states", "times", "open", "close", "initiator", "missed", "false"];
    let width = scenarios.keys().map(String::len).max().unwrap_or(0).max(24);
    let _ = write!(text, "\n{:<1$}", "Scenario: disagreements", width + 2);
    for column in columns {
        let _ = write!(text, " {column:>11}");
    }
    text.push('\n');
    for (name, scenario) in scenarios {
        let wrong = |rate: Rate| rate.of - rate.right;
        let _ = write!(text, "  {name:<width$} {:>11}", scenario.connections);
        for count in [
            wrong(scenario.states),
            wrong(scenario.times),
            wrong(scenario.open),
            wrong(scenario.close),
            wrong(scenario.initiator),
            scenario.findings.missed,
            scenario.findings.false_alarms,
        ] {
            let shown = if count == 0 { ".".to_owned() } else { count.to_string() };
            let _ = write!(text, " {shown:>11}");
        }
        text.push('\n');
    }
}

fn worst_cases(text: &mut String, score: &Score, worst: usize) {
    let mut cases: BTreeMap<&str, Vec<&Miss>> = BTreeMap::new();
    for miss in &score.misses {
        cases.entry(&miss.case).or_default().push(miss);
    }
    let mut cases: Vec<_> = cases.into_iter().collect();
    cases.sort_by_key(|(name, misses)| (usize::MAX - misses.len(), *name));
    let _ = writeln!(text, "\n{} cases disagree somewhere; the worst {}", cases.len(), worst.min(cases.len()));
    for (name, misses) in cases.iter().take(worst) {
        let _ = writeln!(text, "\n  {name}");
        for miss in misses {
            let _ = writeln!(text, "    {:<14} expected  {}", miss.measure, miss.expected);
            let _ = writeln!(text, "    {:<14} got       {}", "", miss.got);
        }
    }
}
