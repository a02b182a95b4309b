//! Reads an expectation file. Whatever is wrong in it is told with its line and column, and with the name that was
//! probably meant; all of it at once.

use std::ops::Range as Span;

use toml_edit::{Document, Item, TableLike, Value as Toml};

use super::expectation::{Address, At, CaptureRule, Check, Expectations, Names, Order, Rule, Select, Want, Words};
use super::key::{self, Alias, Key, Value};
use super::range::{Range, Unit};
use crate::base::nearest;
use crate::connection::State;
use crate::finding::Severity;
use crate::report::{CheckError, Place};

/// Something wrong in a file, where it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{place}: {message}")]
pub struct FileError {
    /// Which file.
    pub file: String,
    /// Where in it.
    pub place: Place,
    /// What is wrong and what would be right.
    pub message: String,
}

impl From<FileError> for CheckError {
    fn from(error: FileError) -> Self {
        Self { message: error.to_string(), file: error.file, place: Some(error.place) }
    }
}

/// Reads the text of `file`.
///
/// # Errors
/// Everything that is wrong in it, in its order; at least one.
pub fn parse(file: &str, text: &str) -> Result<Expectations, Vec<FileError>> {
    let mut reader = Reader { file, text, errors: Vec::new() };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            reader.refuse(error.span().unwrap_or(0..0), error.message().to_owned());
            return Err(reader.errors);
        }
    };
    let mut expectations = Expectations { file: file.to_owned(), ..Expectations::default() };
    for (name, span, item) in entries(document.as_table()) {
        match name {
            "fail-on" => expectations.fail_on = reader.severity(&span, item),
            "capture" => expectations.capture = reader.capture(&span, item),
            "connection" => reader.connections(&span, item, &mut expectations.rules),
            _ => reader.unknown(&span, "key", name, &["fail-on", "capture", "connection"]),
        }
    }
    let capture = &expectations.capture;
    let says_nothing = expectations.rules.is_empty()
        && expectations.fail_on.is_none()
        && capture.connections.is_none()
        && capture.skipped.is_none()
        && capture.findings.is_none();
    if says_nothing && reader.errors.is_empty() {
        let message = "expects nothing, so that any capture would pass; write a [[connection]] or delete the file";
        reader.refuse(0..0, message.to_owned());
    }
    if reader.errors.is_empty() {
        return Ok(expectations);
    }
    reader.errors.sort_by_key(|error| (error.place.line, error.place.column));
    Err(reader.errors)
}

/// The entries of a table, each with its name and place.
fn entries(table: &dyn TableLike) -> Vec<(&str, Span<usize>, &Item)> {
    let entry = |(name, item)| {
        let span = table.key(name).and_then(toml_edit::Key::span);
        (name, span.or_else(|| Item::span(item)).unwrap_or(0..0), item)
    };
    table.iter().map(entry).collect()
}

/// The nearest of `names`, when one is near; else all of them, when they are few.
pub fn suggestion(name: &str, names: &[&str]) -> String {
    const FEW: usize = 14;
    match nearest(name, names, |known| known) {
        Some(nearest) => format!("; did you mean {nearest:?}?"),
        _ if names.len() <= FEW => format!("; there are {}", names.join(", ")),
        _ => "; lastack explain lists them".to_owned(),
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    errors: Vec<FileError>,
}

impl Reader<'_> {
    fn place(&self, span: &Span<usize>) -> Place {
        Place::of(self.text, span.start)
    }

    fn refuse(&mut self, span: Span<usize>, message: String) {
        let place = self.place(&span);
        self.errors.push(FileError { file: self.file.to_owned(), place, message });
    }

    fn unknown(&mut self, span: &Span<usize>, what: &str, name: &str, names: &[&str]) {
        self.refuse(span.clone(), format!("no {what} {name:?}{}", suggestion(name, names)));
    }

    fn table<'b>(&mut self, span: &Span<usize>, item: &'b Item) -> Option<&'b dyn TableLike> {
        let table = item.as_table_like();
        if table.is_none() {
            self.refuse(span.clone(), format!("a table is expected here, not {}", article(item)));
        }
        table
    }

    fn text_of<'b>(&mut self, span: &Span<usize>, item: &'b Item) -> Option<&'b str> {
        let text = item.as_str();
        if text.is_none() {
            self.refuse(span.clone(), format!("text in quotes is expected here, not {}", article(item)));
        }
        text
    }

    fn severity(&mut self, span: &Span<usize>, item: &Item) -> Option<Severity> {
        let name = self.text_of(span, item)?;
        let severity = Severity::ALL.iter().copied().find(|severity| severity.name() == name);
        if severity.is_none() {
            let names: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
            self.unknown(&value_span(item, span), "severity", name, &names);
        }
        severity
    }

    fn capture(&mut self, span: &Span<usize>, item: &Item) -> CaptureRule {
        let mut rule = CaptureRule::default();
        let Some(table) = self.table(span, item) else { return rule };
        for (name, span, item) in entries(table) {
            let place = self.place(&span);
            match name {
                "connections" => rule.connections = self.range(&span, item).map(|value| At { value, place }),
                "skipped" => rule.skipped = self.range(&span, item).map(|value| At { value, place }),
                "findings" => {
                    let names = self.names(&span, item, "finding across connections", &key::population_words());
                    rule.findings = names.map(|value| At { value, place });
                }
                _ => self.unknown(&span, "key of [capture]", name, &["connections", "skipped", "findings"]),
            }
        }
        rule
    }

    fn connections(&mut self, span: &Span<usize>, item: &Item, rules: &mut Vec<Rule>) {
        if let Some(tables) = item.as_array_of_tables() {
            for table in tables {
                let span = table.span().unwrap_or(0..0);
                rules.push(self.rule(&span, table));
            }
            return;
        }
        let message = match item.as_table_like() {
            Some(_) => "write [[connection]], in two pairs of brackets: there may be several".to_owned(),
            None => format!("[[connection]] tables are expected here, not {}", article(item)),
        };
        self.refuse(span.clone(), message);
    }

    fn rule(&mut self, span: &Span<usize>, table: &dyn TableLike) -> Rule {
        let place = self.place(span);
        let mut rule = Rule { place, name: None, select: Select::default(), checks: Vec::new() };
        for (name, span, item) in entries(table) {
            match name {
                "name" => rule.name = self.text_of(&span, item).map(str::to_owned),
                "where" => rule.select = self.select(&span, item),
                _ => self.checks("", name, &span, item, &mut rule.checks),
            }
        }
        rule
    }

    fn select(&mut self, span: &Span<usize>, item: &Item) -> Select {
        let mut select = Select::default();
        let Some(table) = self.table(span, item) else { return select };
        for (name, span, item) in entries(table) {
            match name {
                "client" => select.client = self.address(&span, item),
                "server" => select.server = self.address(&span, item),
                "port" => select.port = self.number(&span, item, 0, u16::MAX.into()).map(|port| port as u16),
                "stream" => select.stream = self.number(&span, item, 0, i64::MAX).map(|stream| stream as u64),
                "order" if item.as_str() == Some("last") => select.order = Some(Order::Last),
                "order" => {
                    let number = self.number(&span, item, 1, u32::MAX.into());
                    select.order = number.and_then(|number| usize::try_from(number).ok()).map(Order::Nth);
                }
                _ => self.unknown(&span, "condition", name, &["client", "server", "port", "stream", "order"]),
            }
        }
        select
    }

    fn address(&mut self, span: &Span<usize>, item: &Item) -> Option<Address> {
        let text = self.text_of(span, item)?;
        let address = Address::read(text);
        if address.is_none() {
            let message = format!("{text:?} is no address; write \"10.0.0.1\", \"10.0.0.0/8\" or \"10.0.0.1:80\"");
            self.refuse(value_span(item, span), message);
        }
        address
    }

    fn number(&mut self, span: &Span<usize>, item: &Item, least: i64, most: i64) -> Option<i64> {
        let number = item.as_integer().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let bounds = if most == i64::MAX { format!("from {least} on") } else { format!("from {least} to {most}") };
            self.refuse(value_span(item, span), format!("a whole number {bounds} is expected here"));
        }
        number
    }

    /// The check that `prefix` and `name` make, or those in the table that stands there.
    fn checks(&mut self, prefix: &str, name: &str, span: &Span<usize>, item: &Item, checks: &mut Vec<Check>) {
        let path = format!("{prefix}{name}");
        if let Some(key) = key::key(&path) {
            let place = self.place(span);
            if let Some(want) = self.want(key, span, item) {
                checks.push(Check { key, place, want });
            }
            return;
        }
        let inner = format!("{path}.");
        if key::keys().any(|key| key.name.starts_with(&inner)) {
            if let Some(table) = self.table(span, item) {
                for (name, span, item) in entries(table) {
                    self.checks(&inner, name, &span, item, checks);
                }
            }
            return;
        }
        let names: Vec<&str> = key::keys().filter_map(|key| key.name.strip_prefix(prefix)).collect();
        let names: Vec<&str> = if prefix.is_empty() { [&["name", "where"], &names[..]].concat() } else { names };
        self.refuse(span.clone(), format!("no key {path:?}{}", key_suggestion(name, &names)));
    }

    fn want(&mut self, key: &Key, span: &Span<usize>, item: &Item) -> Option<Want> {
        match key.value {
            Value::Word { words, aliases, .. } => {
                let names = [words(), aliases.iter().map(|(alias, _)| *alias).collect()].concat();
                self.one_of(key, span, item, &names).map(Want::OneOf)
            }
            Value::Names { words, .. } => self.names(span, item, singular(key.name), &words()).map(Want::Names),
            Value::Calls(_) => self.calls(span, item).map(Want::Calls),
            Value::Count(_) | Value::Selected => self.range(span, item).map(Want::Count),
            Value::Duration(_) => self.range(span, item).map(Want::Duration),
            Value::Peak(_) => self.peaks(span, item).map(Want::Peaks),
        }
    }

    /// One word, or a list of them.
    fn one_of(
        &mut self,
        key: &Key,
        span: &Span<usize>,
        item: &Item,
        names: &[&'static str],
    ) -> Option<Vec<&'static str>> {
        let words = self.words(span, item, key.name, names)?.meant;
        if words.is_empty() {
            self.refuse(value_span(item, span), "an empty list: nothing could ever satisfy it".to_owned());
            return None;
        }
        Some(words)
    }

    /// Words out of `names`: one, or a list. A `*` at the end stands for all that begin so.
    fn words(&mut self, span: &Span<usize>, item: &Item, what: &str, names: &[&'static str]) -> Option<Words> {
        let spelled: Vec<(Span<usize>, Option<&str>)> = match item.as_value() {
            Some(Toml::Array(array)) => {
                array.iter().map(|value| (value.span().unwrap_or(span.clone()), value.as_str())).collect()
            }
            Some(value) => vec![(value.span().unwrap_or(span.clone()), value.as_str())],
            None => vec![(span.clone(), None)],
        };
        let mut words = Words::default();
        let before = self.errors.len();
        for (span, word) in spelled {
            let Some(word) = word else {
                self.refuse(span, "a word in quotes or a list of such words is expected here".to_owned());
                continue;
            };
            let meant: Vec<&'static str> = match word.strip_suffix('*') {
                Some(stem) => names.iter().copied().filter(|name| name.starts_with(stem)).collect(),
                None => names.iter().copied().filter(|name| *name == word).collect(),
            };
            if meant.is_empty() {
                self.unknown(&span, what, word, names);
            }
            words.meant.extend(meant);
            words.written.push(word.to_owned());
        }
        (self.errors.len() == before).then_some(words)
    }

    /// `[…]`: exactly these; or a table with `must`, `may`, `must-not` and `counts`.
    fn names(&mut self, span: &Span<usize>, item: &Item, what: &str, names: &[&'static str]) -> Option<Names> {
        let Some(table) = item.as_table_like() else {
            let must = self.words(span, item, what, names)?;
            return Some(Names { must, is_all: true, ..Names::default() });
        };
        let mut wanted = Names::default();
        let before = self.errors.len();
        for (name, span, item) in entries(table) {
            match name {
                "must" => wanted.must = self.words(&span, item, what, names).unwrap_or_default(),
                "may" => wanted.may = self.words(&span, item, what, names).unwrap_or_default(),
                "must-not" => wanted.must_not = self.words(&span, item, what, names).unwrap_or_default(),
                "counts" => wanted.counts = self.counts(&span, item, what, names),
                _ => self.unknown(&span, "key here", name, &["must", "may", "must-not", "counts"]),
            }
        }
        let contradiction = wanted.must_not.meant.iter().find(|name| wanted.lists(name));
        if let Some(name) = contradiction {
            self.refuse(span.clone(), format!("{name:?} both may and must not occur"));
        }
        (self.errors.len() == before).then_some(wanted)
    }

    fn counts(
        &mut self,
        span: &Span<usize>,
        item: &Item,
        what: &str,
        names: &[&'static str],
    ) -> Vec<(&'static str, Range<u64>)> {
        let Some(table) = self.table(span, item) else { return Vec::new() };
        let mut counts = Vec::new();
        for (name, span, item) in entries(table) {
            let known = names.iter().copied().find(|known| *known == name);
            match (known, self.range(&span, item)) {
                (Some(known), Some(range)) => counts.push((known, range)),
                (Some(_), None) => {}
                (None, _) => self.unknown(&span, what, name, names),
            }
        }
        counts
    }

    fn calls(&mut self, span: &Span<usize>, item: &Item) -> Option<Vec<String>> {
        use crate::finding::{Call, Errno};
        let Some(array) = item.as_array() else {
            self.refuse(
                value_span(item, span),
                "a list of calls is expected here: [\"connect ok\", \"read ECONNRESET\"]".to_owned(),
            );
            return None;
        };
        let mut calls = Vec::new();
        let before = self.errors.len();
        for value in array {
            let span = value.span().unwrap_or(span.clone());
            let words = value.as_str().and_then(|text| text.split_once(' '));
            let Some((call, result)) = words else {
                self.refuse(span, "a call and its result are expected here: \"read ECONNRESET\"".to_owned());
                continue;
            };
            let known: Vec<&str> = Call::ALL.iter().map(|call| call.name()).collect();
            let results: Vec<&str> = Errno::ALL.iter().map(|errno| errno.name()).chain(["ok"]).collect();
            if !known.contains(&call) {
                self.unknown(&span, "call", call, &known);
            } else if !results.contains(&result) {
                self.unknown(&span, "result of a call", result, &results);
            } else {
                calls.push(format!("{call} {result}"));
            }
        }
        (self.errors.len() == before).then_some(calls)
    }

    fn peaks(&mut self, span: &Span<usize>, item: &Item) -> Option<Vec<(State, Range<u64>)>> {
        let table = self.table(span, item)?;
        let mut peaks = Vec::new();
        let before = self.errors.len();
        for (name, span, item) in entries(table) {
            let state = State::ALL.into_iter().find(|state| state.name() == name);
            match (state, self.range(&span, item)) {
                (Some(state), Some(range)) => peaks.push((state, range)),
                (Some(_), None) => {}
                (None, _) => {
                    let names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
                    self.unknown(&span, "state", name, &names);
                }
            }
        }
        (self.errors.len() == before).then_some(peaks)
    }

    fn range<T: Unit>(&mut self, span: &Span<usize>, item: &Item) -> Option<Range<T>> {
        let text = match item.as_value() {
            Some(Toml::String(text)) => text.value().clone(),
            Some(Toml::Integer(number)) => number.value().to_string(),
            _ => {
                let message = format!("{} is expected here, or a range of it in quotes: \"<= 3\"", T::NOUN);
                self.refuse(value_span(item, span), message);
                return None;
            }
        };
        let range = Range::read(&text);
        range.map_err(|message| self.refuse(value_span(item, span), message)).ok()
    }
}

fn value_span(item: &Item, key: &Span<usize>) -> Span<usize> {
    item.span().unwrap_or_else(|| key.clone())
}

fn article(item: &Item) -> String {
    let name = item.type_name();
    let vowel = name.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

/// `findings` lists findings, each of which is a finding.
fn singular(name: &'static str) -> &'static str {
    match name {
        "resets" => "cause of a reset",
        "findings" => "finding on one connection",
        other => other,
    }
}

fn key_suggestion(name: &str, names: &[&str]) -> String {
    let near = suggestion(name, names);
    if near.starts_with("; did") { near } else { "; docs/CI.md lists them".to_owned() }
}

/// The words that `word` stands for.
pub fn meanings(word: &'static str, aliases: &[Alias]) -> Vec<&'static str> {
    let alias = aliases.iter().find(|(alias, _)| *alias == word);
    alias.map_or_else(|| vec![word], |(_, words)| words.to_vec())
}
