//! Brings a file of expectations up to what a capture shows now. What still holds stays as it was written, comments and
//! all; what no longer holds is replaced by what would hold, and connections that no rule speaks of get rules.

use std::collections::BTreeSet;

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, Value as Toml, value};

use super::expectation::{Check, Expectations, Names, Rule, Want};
use super::judge::Evidence;
use super::key::{Look, Value, calls};
use super::range::{Nanos, Range, Unit};
use super::seen::{Seen, peak};
use super::threshold::Threshold;
use super::unlisted::unlisted_by_rule;
use super::write::{one_or_list, rules, words_of};
use crate::finding::Verdict;
use crate::report::CheckError;

/// The text of `expectations`, brought up to what `evidence` shows; the same text when all of it holds.
///
/// # Errors
/// The text is not the one that `expectations` were read from.
pub fn refresh(text: &str, expectations: &Expectations, evidence: &Evidence<'_>) -> Result<String, CheckError> {
    let changed = |_| CheckError {
        file: expectations.file.clone(),
        place: None,
        message: format!("{}: changed while it was checked; try again", expectations.file),
    };
    let mut document: DocumentMut = text.parse().map_err(changed)?;
    let untouched = document.to_string();
    let seen = evidence.seen;
    capture(&mut document, expectations, seen);
    list_population(&mut document, expectations, seen);
    if let Some(tables) = document.get_mut("connection").and_then(Item::as_array_of_tables_mut) {
        let mut gone = Vec::new();
        for (at, rule) in expectations.rules.iter().enumerate() {
            let selected = rule.select.of(&seen.connections);
            if selected.is_empty() && rule.check("count").is_none() {
                gone.push(at);
                continue;
            }
            let looks: Vec<Look<'_>> = selected.iter().map(|verdict| evidence.look(verdict)).collect();
            let Some(table) = tables.get_mut(at) else { continue };
            rule.checks.iter().for_each(|check| bring_up(table, check, &looks));
        }
        list_unlisted(tables, expectations, seen);
        gone.into_iter().rev().for_each(|at| drop(tables.remove(at)));
    }
    // Printing may order keys anew, which is no change.
    let mut text = Some(document.to_string()).filter(|new| *new != untouched).unwrap_or_else(|| text.to_owned());
    for rule in unruled(expectations, seen) {
        text += &rule;
    }
    Ok(text)
}

/// Rules for the connections that no rule selects.
fn unruled(expectations: &Expectations, seen: &Seen) -> Vec<String> {
    let selects =
        |rule: &Rule| rule.select.of(&seen.connections).into_iter().map(|verdict| verdict.stream).collect::<Vec<_>>();
    let spoken: BTreeSet<u64> = expectations.rules.iter().flat_map(selects).collect();
    if seen.connections.iter().all(|verdict| spoken.contains(&verdict.stream)) {
        return Vec::new();
    }
    let written = rules(seen).into_iter().map(|rule| rule.to_string());
    let speaks = |text: &String| {
        let read = super::parse::parse(&expectations.file, text);
        let rules = read.map(|read| read.rules).unwrap_or_default();
        rules.iter().flat_map(selects).any(|stream| !spoken.contains(&stream))
    };
    written.filter(speaks).collect()
}

fn capture(document: &mut DocumentMut, expectations: &Expectations, seen: &Seen) {
    let skipped: u64 = seen.summary.skipped.values().sum();
    let rule = &expectations.capture;
    let Some(table) = document.get_mut("capture").and_then(Item::as_table_like_mut) else { return };
    for (name, wanted, is) in
        [("connections", &rule.connections, seen.connections.len() as u64), ("skipped", &rule.skipped, skipped)]
    {
        if let Some(wanted) = wanted
            && !wanted.value.holds(is)
        {
            set(table, name, ranged(wanted.value, is, is));
        }
    }
    if let Some(wanted) = &rule.findings {
        let shown: Vec<Vec<&str>> = vec![seen.population.iter().map(|finding| finding.name).collect()];
        names(table, "findings", &wanted.value, &shown);
    }
}

/// Findings across connections that would fail because `[capture]` does not list them may occur.
fn list_population(document: &mut DocumentMut, expectations: &Expectations, seen: &Seen) {
    let Some(severity) = expectations.fail_on else { return };
    let wanted = expectations.capture.findings.as_ref().map(|at| at.value.clone()).unwrap_or_default();
    let loud = seen.population.iter().filter(|finding| finding.severity >= severity).map(|finding| finding.name);
    let new: BTreeSet<&str> = loud.filter(|name| !wanted.lists(name) && !wanted.must_not.has(name)).collect();
    if !new.is_empty() && !wanted.is_all {
        let table = document.entry("capture").or_insert_with(|| Item::Table(Table::new()));
        if let Some(table) = table.as_table_like_mut() {
            add(table, "findings", &new);
        }
    }
}

/// Replaces what `check` wants where it does not hold.
fn bring_up(table: &mut Table, check: &Check, looks: &[Look<'_>]) {
    let name = check.key.name;
    if looks.is_empty() && !matches!(check.key.value, Value::Selected) {
        return;
    }
    let verdicts: Vec<&Verdict> = looks.iter().map(|look| look.verdict).collect();
    match (&check.key.value, &check.want) {
        (Value::Selected, Want::Count(range)) => {
            let is = looks.len() as u64;
            if !range.holds(is) {
                set(table, name, ranged(*range, is, is));
            }
        }
        (Value::Count(seen), Want::Count(range)) => widen(table, name, *range, looks.iter().map(seen)),
        (Value::Duration(seen), Want::Duration(range)) => {
            let values: Vec<Nanos> = looks.iter().filter_map(seen).collect();
            let is_broken = values.len() < looks.len();
            if is_broken {
                unset(table, name);
            } else {
                widen(table, name, *range, values.into_iter());
            }
        }
        (Value::Word { seen, aliases, .. }, Want::OneOf(words)) => {
            let right: Vec<&str> = words.iter().flat_map(|word| super::parse::meanings(word, aliases)).collect();
            if !looks.iter().all(|look| right.contains(&seen(look))) {
                set(table, name, parsed(&one_or_list(&words_of(looks, *seen, aliases))));
            }
        }
        (Value::Calls(side), Want::Calls(wanted)) => {
            let mut shown: Vec<Vec<String>> = verdicts.iter().map(|verdict| calls(verdict, *side)).collect();
            shown.dedup();
            match shown.as_slice() {
                [same] if same == wanted => {}
                [same] => set(table, name, array(same.iter().map(String::as_str))),
                _ => unset(table, name),
            }
        }
        (Value::Peak(sides), Want::Peaks(peaks)) => {
            let horizon = looks.first().map_or_else(Default::default, |look| look.horizon);
            for &(state, range) in peaks {
                let is = peak(&verdicts, sides, state, horizon);
                widen(table, &format!("{name}.{state}"), range, std::iter::once(is));
            }
        }
        (Value::Names { seen, .. }, Want::Names(wanted)) => {
            let shown: Vec<Vec<&str>> =
                looks.iter().map(|look| seen(look).into_iter().map(|(name, _)| name).collect()).collect();
            names(table, name, wanted, &shown);
        }
        // The reader of the file pairs keys with what they want.
        _ => {}
    }
}

/// Names that no connection has are taken from those that must occur, those that only some have may occur, and so may
/// those that must not and do.
fn names(table: &mut dyn TableLike, key: &str, wanted: &Names, shown: &[Vec<&str>]) {
    let all: BTreeSet<&str> = shown.iter().flatten().copied().collect();
    let by_all: BTreeSet<&str> =
        all.iter().copied().filter(|name| shown.iter().all(|names| names.contains(name))).collect();
    if wanted.is_all {
        let holds = shown.iter().all(|names| names.iter().all(|name| wanted.must.has(name)))
            && wanted.must.meant.iter().all(|name| by_all.contains(name));
        if !holds && by_all == all {
            set(table, key, array(all.into_iter()));
        } else if !holds {
            unset(table, key);
            set(table, &format!("{key}.must"), array(by_all.iter().copied()));
            set(table, &format!("{key}.may"), array(all.difference(&by_all).copied()));
        }
        return;
    }
    let mut allowed: BTreeSet<&str> = BTreeSet::new();
    if wanted.must.meant.iter().any(|name| !by_all.contains(name)) {
        let still = wanted.must.meant.iter().copied().filter(|name| by_all.contains(name));
        put(table, &format!("{key}.must"), still);
        allowed.extend(wanted.must.meant.iter().filter(|name| all.contains(*name) && !by_all.contains(*name)));
    }
    if wanted.must_not.meant.iter().any(|name| all.contains(name)) {
        let still = wanted.must_not.meant.iter().copied().filter(|name| !all.contains(name));
        put(table, &format!("{key}.must-not"), still);
        allowed.extend(wanted.must_not.meant.iter().filter(|name| all.contains(*name)));
    }
    if !allowed.is_empty() {
        add(table, key, &allowed);
    }
    for (name, range) in &wanted.counts {
        let is = shown.iter().flatten().filter(|shown| *shown == name).count() as u64;
        widen(table, &format!("{key}.counts.{name}"), *range, std::iter::once(is));
    }
}

/// Lets `names` occur, beside those that may already.
fn add(table: &mut dyn TableLike, key: &str, names: &BTreeSet<&str>) {
    let may = table.get(key).and_then(Item::as_table_like).and_then(|table| table.get("may"));
    let before: Vec<String> = match may.and_then(Item::as_value) {
        Some(Toml::Array(array)) => array.iter().filter_map(Toml::as_str).map(str::to_owned).collect(),
        Some(Toml::String(word)) => vec![word.value().clone()],
        _ => Vec::new(),
    };
    let new = names.iter().copied().filter(|name| !before.iter().any(|old| old == name));
    set(table, &format!("{key}.may"), array(before.iter().map(String::as_str).chain(new)));
}

/// Findings that would fail because no rule lists them go to the last rule that selects their connection.
fn list_unlisted(tables: &mut toml_edit::ArrayOfTables, expectations: &Expectations, seen: &Seen) {
    let Some(severity) = expectations.fail_on else { return };
    let unlisted = unlisted_by_rule(seen, expectations, Threshold::From(severity));
    for (at, rule) in expectations.rules.iter().enumerate() {
        let names = unlisted.get(&rule.place).cloned().unwrap_or_default();
        let Some(table) = tables.get_mut(at).filter(|_| !names.is_empty()) else { continue };
        let of_resets = |name: &str| {
            crate::finding::Cause::ALL.iter().any(|cause| name.strip_prefix("reset-") == Some(cause.name()))
        };
        let (resets, findings): (BTreeSet<&str>, BTreeSet<&str>) = names.into_iter().partition(|name| of_resets(name));
        let causes: BTreeSet<&str> = resets.iter().filter_map(|name| name.strip_prefix("reset-")).collect();
        for (key, names) in [("resets", causes), ("findings", findings)] {
            let wanted = match rule.check(key).map(|check| &check.want) {
                Some(Want::Names(wanted)) => wanted.clone(),
                _ => Names::default(),
            };
            if !names.is_empty() && !wanted.is_all {
                add(table, key, &names);
            }
        }
    }
}

/// Sets a range that holds all of `values`, as near to the old one as its form allows.
fn widen<T: Widen>(table: &mut dyn TableLike, key: &str, range: Range<T>, values: impl Iterator<Item = T>) {
    let values: Vec<T> = values.collect();
    if let (Some(&least), Some(&most)) = (values.iter().min(), values.iter().max())
        && values.iter().any(|&value| !range.holds(value))
    {
        set(table, key, ranged(range, least, most));
    }
}

/// Values that ranges are made of.
trait Widen: Unit {
    /// A bound that a second recording keeps to as well.
    fn above(self) -> Self;
    /// The same below.
    fn below(self) -> Self;
}

impl Widen for u64 {
    fn above(self) -> Self {
        self
    }

    fn below(self) -> Self {
        self
    }
}

impl Widen for Nanos {
    /// The next of 1, 2, 5, 10, … ms beyond twice as long.
    fn above(self) -> Self {
        let wanted = self.0.saturating_mul(2);
        let steps = (0..)
            .map(|power| 10_i64.saturating_pow(power))
            .flat_map(|scale| [1, 2, 5].map(|step| scale.saturating_mul(step)));
        Nanos(
            steps.map(|ms| ms.saturating_mul(1_000_000)).find(|&ns| ns >= wanted || ns == i64::MAX).unwrap_or(i64::MAX),
        )
    }

    /// Half as long, in whole milliseconds.
    fn below(self) -> Self {
        Nanos(self.0 / 2 / 1_000_000 * 1_000_000)
    }
}

fn ranged<T: Widen>(old: Range<T>, least: T, most: T) -> Item {
    let was_exact = old.least.is_some() && old.least == old.most;
    let new = if was_exact && least == most {
        Range::exactly(least)
    } else {
        let bottom = old.least.map(|bound| if least < bound { least.below() } else { bound });
        let top = old.most.map(|bound| if most > bound { most.above() } else { bound });
        // A bound that excluded its own value and now must not is the value itself.
        let bottom = if old.holds(least) { bottom } else { bottom.map(|bound| bound.min(least)) };
        let top = if old.holds(most) { top } else { top.map(|bound| bound.max(most)) };
        Range::between(bottom, top)
    };
    let text = new.to_string();
    text.parse::<i64>().map_or_else(|_| value(text.as_str()), value)
}

fn parsed(toml: &str) -> Item {
    toml.parse::<Toml>().map_or_else(|_| value(toml), value)
}

fn array<'a>(words: impl Iterator<Item = &'a str>) -> Item {
    value(words.collect::<Array>())
}

/// Sets the array, or takes the key away when there is nothing to put.
fn put<'a>(table: &mut dyn TableLike, key: &str, words: impl Iterator<Item = &'a str>) {
    let words: Vec<&str> = words.collect();
    if words.is_empty() {
        unset(table, key);
    } else {
        set(table, key, array(words.into_iter()));
    }
}

/// Sets `a.b.c` wherever the file has it: in a table, in braces or with dots.
fn set(table: &mut dyn TableLike, key: &str, mut item: Item) {
    match key.split_once('.') {
        Some((first, rest)) => {
            if table.get(first).is_none_or(|item| !item.is_table_like()) {
                let mut inner = Table::new();
                inner.set_dotted(true);
                table.insert(first, Item::Table(inner));
            }
            if let Some(inner) = table.get_mut(first).and_then(Item::as_table_like_mut) {
                set(inner, rest, item);
            }
        }
        None => {
            // The comment behind the old value stays.
            if let (Some(old), Some(new)) = (table.get(key).and_then(Item::as_value), item.as_value_mut()) {
                *new.decor_mut() = old.decor().clone();
            }
            match table.get_mut(key) {
                Some(place) => *place = item,
                None => drop(table.insert(key, item)),
            }
        }
    }
}

/// Takes `a.b.c` away, and what is empty then.
fn unset(table: &mut dyn TableLike, key: &str) {
    match key.split_once('.') {
        Some((first, rest)) => {
            let Some(inner) = table.get_mut(first).and_then(Item::as_table_like_mut) else { return };
            unset(inner, rest);
            if inner.is_empty() {
                table.remove(first);
            }
        }
        None => drop(table.remove(key)),
    }
}
