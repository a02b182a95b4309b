//! From the text of a `lastack.toml` to rules, or to the place where it is not understood.

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::scope::{Network, Scope};
use super::{Across, Action, Limit, PolicyError, Rule, Rules, names};
use crate::base::nearest;
use crate::finding::{CATALOGUE, Group, Severity};

/// Longer times than a century are mistakes, and a century in ns fits 64 bits.
const SECONDS_MAX: f64 = 3_155_760_000.0;

const KEYS: &[&str] = &["select", "ignore", "fail-on", "severity", "thresholds", "rule"];
const RULE_KEYS: &[&str] = &["port", "network", "ignore", "severity", "thresholds"];
const THRESHOLDS: &[(&str, Limit)] = &[
    ("close-wait-seconds", Limit::CloseWait),
    ("idle-seconds", Limit::Idle),
    ("retransmissions", Limit::Retransmissions),
    ("time-wait-sockets", Limit::Across(Across::TimeWaitSockets)),
    ("close-wait-sockets", Limit::Across(Across::CloseWaitSockets)),
    ("fin-wait-2-sockets", Limit::Across(Across::FinWait2Sockets)),
    ("last-ack-sockets", Limit::Across(Across::LastAckSockets)),
    ("syn-received-sockets", Limit::Across(Across::SynReceivedSockets)),
    ("half-open-handshakes", Limit::Across(Across::HalfOpenHandshakes)),
    ("ignored-syns", Limit::Across(Across::IgnoredSyns)),
    ("idle-ends", Limit::Across(Across::IdleEnds)),
    ("open-files", Limit::Across(Across::OpenFiles)),
    ("ports-percent", Limit::Across(Across::PortsPercent)),
];

/// Reads `text`, which stands in the file `path`.
pub(super) fn read(text: &str, path: &Path) -> Result<Rules, PolicyError> {
    let reader = Reader { text, path };
    let table = DeTable::parse(text).map_err(|error| {
        reader.wrong(error.span().unwrap_or_default(), error.message().lines().collect::<Vec<_>>().join(", "))
    })?;
    let mut rules = Rules { path: Some(path.to_owned()), ..Rules::default() };
    let everywhere = Scope::default();
    for (key, value) in in_order(table.get_ref()) {
        match &**key.get_ref() {
            "select" => rules.selected = Some(reader.selected(value)?),
            "fail-on" => rules.fail_on = Some(reader.severity(value)?),
            "rule" => {
                for rule in reader.array(value, "tables, each begun by [[rule]]")? {
                    reader.scoped(rule, &mut rules)?;
                }
            }
            _ => reader.entry(key, value, &everywhere, KEYS, &mut rules)?,
        }
    }
    Ok(rules)
}

/// A key or value with its place in the text.
type Key<'i> = Spanned<std::borrow::Cow<'i, str>>;
type Value<'i> = Spanned<DeValue<'i>>;

struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

impl Reader<'_> {
    /// What may stand at the top and in a rule.
    fn entry(
        &self,
        key: &Key<'_>,
        value: &Value<'_>,
        scope: &Scope,
        allowed: &[&str],
        rules: &mut Rules,
    ) -> Result<(), PolicyError> {
        match &**key.get_ref() {
            "ignore" => {
                for word in self.array(value, "names of findings")? {
                    let words = self.string(word)?;
                    let rule = self.rule(scope, self.names(word.span(), words)?, Action::Ignore, word.span());
                    rules.rules.push(Rule { words: format!("ignore of {words}"), ..rule });
                }
            }
            "severity" => {
                for (name, weight) in in_order(self.table(value)?) {
                    let severity = self.severity(weight)?;
                    let names = self.names(name.span(), name.get_ref())?;
                    let rule = self.rule(scope, names, Action::Weigh(severity), name.span());
                    rules.rules.push(Rule { words: format!("severity of {}", name.get_ref()), ..rule });
                }
            }
            "thresholds" => {
                for (name, limit) in in_order(self.table(value)?) {
                    let Some(&(_, which)) = THRESHOLDS.iter().find(|(known, _)| known == name.get_ref()) else {
                        let known: Vec<&str> = THRESHOLDS.iter().map(|(known, _)| *known).collect();
                        return Err(self.unknown(name, "threshold", &known));
                    };
                    if matches!(which, Limit::Across(_)) && *scope != Scope::default() {
                        let message =
                            format!("{} counts across connections, so it stands outside of rules", name.get_ref());
                        return Err(self.wrong(name.span(), message));
                    }
                    rules.thresholds.push((scope.clone(), which, self.limit(which, limit)?));
                }
            }
            _ => return Err(self.unknown(key, "key", allowed)),
        }
        Ok(())
    }

    /// One `[[rule]]`: where it applies first, whatever the order of its lines.
    fn scoped(&self, value: &Value<'_>, rules: &mut Rules) -> Result<(), PolicyError> {
        let table = self.table(value)?;
        let mut scope = Scope::default();
        for (key, value) in table {
            match &**key.get_ref() {
                "port" => {
                    scope.ports = self.one_or_more(value, |value| self.port(value))?;
                }
                "network" => {
                    scope.networks = self.one_or_more(value, |value| {
                        let text = self.string(value)?;
                        Network::parse(text).ok_or_else(|| {
                            self.wrong(
                                value.span(),
                                format!("{text} is no network such as 10.0.0.0/8 or 2001:db8::/32"),
                            )
                        })
                    })?;
                }
                _ => {}
            }
        }
        if scope == Scope::default() {
            let message = "a rule needs a port or a network; what holds everywhere stands outside of rules";
            return Err(self.wrong(value.span(), message.to_owned()));
        }
        for (key, value) in in_order(table) {
            if !matches!(&**key.get_ref(), "port" | "network") {
                self.entry(key, value, &scope, RULE_KEYS, rules)?;
            }
        }
        Ok(())
    }

    fn rule(&self, scope: &Scope, names: Vec<&'static str>, action: Action, span: Range<usize>) -> Rule {
        let (line, column) = self.place(span.start);
        let matched = AtomicBool::new(false);
        Rule { scope: scope.clone(), names, action, words: String::new(), line, column, matched }
    }

    fn selected(&self, value: &Value<'_>) -> Result<Vec<&'static str>, PolicyError> {
        let mut selected = Vec::new();
        for word in self.array(value, "names of findings")? {
            selected.extend(self.names(word.span(), self.string(word)?)?);
        }
        Ok(selected)
    }

    fn names(&self, span: Range<usize>, word: &str) -> Result<Vec<&'static str>, PolicyError> {
        let found = names(word);
        if found.is_empty() {
            let groups = Group::ALL.iter().map(|group| group.name());
            let known: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).chain(groups).chain(["all"]).collect();
            return Err(self.wrong(span, format!("no finding or group {word}{}", suggestion(word, &known))));
        }
        Ok(found)
    }

    fn severity(&self, value: &Value<'_>) -> Result<Severity, PolicyError> {
        let word = self.string(value)?;
        Severity::ALL.iter().copied().find(|severity| severity.name() == word).ok_or_else(|| {
            let known: Vec<&str> = Severity::ALL.iter().map(|severity| severity.name()).collect();
            self.wrong(value.span(), format!("no severity {word}: it is one of {}", known.join(", ")))
        })
    }

    fn limit(&self, which: Limit, value: &Value<'_>) -> Result<i64, PolicyError> {
        let number: Option<f64> = match value.get_ref() {
            DeValue::Integer(number) => number.to_string().parse().ok(),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        let whole = |most: f64| number.filter(|number| number.fract() == 0.0 && (1.0..=most).contains(number));
        let (limit, words) = match which {
            Limit::Across(Across::PortsPercent) => (whole(100.0), "a whole number from 1 to 100"),
            Limit::Retransmissions | Limit::Across(_) => (whole(1e9), "a whole number from 1 on"),
            Limit::CloseWait | Limit::Idle => {
                let seconds = number.filter(|seconds| (0.0..=SECONDS_MAX).contains(seconds));
                (seconds.map(|seconds| (seconds * 1e9).round()), "a number of seconds is expected")
            }
        };
        limit.map(|limit| limit as i64).ok_or_else(|| self.wrong(value.span(), words.to_owned()))
    }

    fn port(&self, value: &Value<'_>) -> Result<u16, PolicyError> {
        match value.get_ref() {
            DeValue::Integer(number) => number.to_string().parse().ok(),
            _ => None,
        }
        .ok_or_else(|| self.wrong(value.span(), "a port is a number from 0 to 65535".to_owned()))
    }

    fn one_or_more<T>(
        &self,
        value: &Value<'_>,
        each: impl Fn(&Value<'_>) -> Result<T, PolicyError>,
    ) -> Result<Vec<T>, PolicyError> {
        match value.get_ref() {
            DeValue::Array(values) if values.is_empty() => Err(self.wrong(value.span(), "empty".to_owned())),
            DeValue::Array(values) => values.iter().map(each).collect(),
            _ => Ok(vec![each(value)?]),
        }
    }

    fn array<'v, 'i>(&self, value: &'v Value<'i>, of: &str) -> Result<&'v [Value<'i>], PolicyError> {
        match value.get_ref() {
            DeValue::Array(values) => Ok(values),
            _ => Err(self.wrong(value.span(), format!("a list of {of} is expected"))),
        }
    }

    fn table<'v, 'i>(&self, value: &'v Value<'i>) -> Result<&'v DeTable<'i>, PolicyError> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.wrong(value.span(), "a table is expected".to_owned())),
        }
    }

    fn string<'v>(&self, value: &'v Value<'_>) -> Result<&'v str, PolicyError> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text),
            _ => Err(self.wrong(value.span(), "a word in quotes is expected".to_owned())),
        }
    }

    fn unknown(&self, key: &Key<'_>, what: &str, known: &[&str]) -> PolicyError {
        let word = key.get_ref();
        self.wrong(key.span(), format!("no {what} {word}{}", suggestion(word, known)))
    }

    fn wrong(&self, span: Range<usize>, message: String) -> PolicyError {
        let (line, column) = self.place(span.start);
        PolicyError::Wrong { path: self.path.to_owned(), line, column, message }
    }

    /// Line and column of an octet of the text.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        (before.matches('\n').count() + 1, before[begin..].chars().count() + 1)
    }
}

/// The entries as they stand in the file; a table has them by name.
fn in_order<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Key<'i>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The nearest of the known words when one is near, else all of them when they are few.
fn suggestion(word: &str, known: &[&str]) -> String {
    const FEW: usize = 8;
    match nearest(word, known, |known| known) {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None if known.len() <= FEW => format!("; known are {}", known.join(", ")),
        None => "; lastack explain lists them".to_owned(),
    }
}
