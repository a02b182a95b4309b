//! What must hold of a capture: the rules of an expectation file, each with its place in the file.

use std::net::IpAddr;

use super::key::Key;
use super::range::{Nanos, Range};
use crate::base::Endpoint;
use crate::finding::{Severity, Verdict};
use crate::report::Place;

/// All that one file expects.
#[derive(Debug, Default)]
pub struct Expectations {
    /// The file, as the user would name it.
    pub file: String,
    /// Any finding from this severity on that no rule lists is a violation.
    pub fail_on: Option<Severity>,
    /// About the capture as a whole.
    pub capture: CaptureRule,
    /// About its connections.
    pub rules: Vec<Rule>,
}

impl Expectations {
    /// A rule asks for silences, which only a second look at the capture tells.
    pub fn asks_idle(&self) -> bool {
        self.rules.iter().any(|rule| rule.check("idle").is_some())
    }
}

/// The `[capture]` table.
#[derive(Debug, Default)]
pub struct CaptureRule {
    /// How many connections there are.
    pub connections: Option<At<Range<u64>>>,
    /// How many frames could not be decoded.
    pub skipped: Option<At<Range<u64>>>,
    /// Findings across connections.
    pub findings: Option<At<Names>>,
}

/// Something that a file says, and where.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// What it says.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// One `[[connection]]`.
#[derive(Debug)]
pub struct Rule {
    /// Where it begins.
    pub place: Place,
    /// What the file calls it.
    pub name: Option<String>,
    /// Which connections it is about.
    pub select: Select,
    /// What must hold of them.
    pub checks: Vec<Check>,
}

impl Rule {
    /// How reports call it: its name, or what it selects.
    pub fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.select.to_string())
    }

    /// The check of this key.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.key.name == name)
    }
}

/// One key of a rule and what it wants.
pub struct Check {
    /// Which key.
    pub key: &'static Key,
    /// Where it stands.
    pub place: Place,
    /// What it wants.
    pub want: Want,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} = {:?}", self.key.name, self.want)
    }
}

/// What a key wants.
#[derive(Clone, Debug)]
pub enum Want {
    /// One of these words, as they are written.
    OneOf(Vec<&'static str>),
    /// Names.
    Names(Names),
    /// Exactly these, in this order.
    Calls(Vec<String>),
    /// A number within.
    Count(Range<u64>),
    /// A duration within.
    Duration(Range<Nanos>),
    /// A peak for each of some states.
    Peaks(Vec<(crate::connection::State, Range<u64>)>),
}

/// Names that must, may and must not occur.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Each connection has each of these.
    pub must: Words,
    /// Any connection may have these.
    pub may: Words,
    /// No connection has these.
    pub must_not: Words,
    /// How often these occur in all connections together.
    pub counts: Vec<(&'static str, Range<u64>)>,
    /// Nothing else may occur: the short form, a plain list.
    pub is_all: bool,
}

impl Names {
    /// `name` may occur.
    pub fn lists(&self, name: &str) -> bool {
        let counted = self.counts.iter().any(|(counted, _)| *counted == name);
        counted || self.must.has(name) || self.may.has(name)
    }
}

/// Words of a vocabulary, and how the file writes them: `reset-*` stands for many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// All that are meant.
    pub meant: Vec<&'static str>,
    /// As they are written.
    pub written: Vec<String>,
}

impl Words {
    /// `word` is among them.
    pub fn has(&self, word: &str) -> bool {
        self.meant.contains(&word)
    }
}

/// Which connections a rule is about: all that satisfy every condition that is set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Select {
    /// The client's address.
    pub client: Option<Address>,
    /// The server's address.
    pub server: Option<Address>,
    /// The server's port.
    pub port: Option<u16>,
    /// Wireshark's `tcp.stream`.
    pub stream: Option<u64>,
    /// Which of those that satisfy the rest, in the order in which they began.
    pub order: Option<Order>,
}

/// A place in the order of beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Counted from 1.
    Nth(usize),
    /// The last one.
    Last,
}

/// An address, a network or an address with a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// How many of its leading bits count.
    pub prefix: u8,
    /// The port, where it counts.
    pub port: Option<u16>,
}

impl Address {
    /// Reads `10.0.0.1`, `10.0.0.0/8`, `10.0.0.1:80`, `::1`, `[::1]:80`.
    pub fn read(text: &str) -> Option<Self> {
        if let Ok(end) = text.parse::<std::net::SocketAddr>() {
            return Some(Self { ip: end.ip(), prefix: width(end.ip()), port: Some(end.port()) });
        }
        let (ip, prefix) = match text.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let prefix = prefix.unwrap_or(width(ip));
        (prefix <= width(ip)).then_some(Self { ip, prefix, port: None })
    }

    fn admits(&self, end: Endpoint) -> bool {
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(ip.to_bits()) << 96,
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let difference = bits(self.ip) ^ bits(end.ip);
        let is_near = self.prefix == 0 || difference >> (128 - u32::from(self.prefix)) == 0;
        self.ip.is_ipv4() == end.ip.is_ipv4() && is_near && self.port.is_none_or(|port| port == end.port)
    }
}

fn width(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => Endpoint::new(self.ip, port).fmt(f),
            None if self.prefix == width(self.ip) => self.ip.fmt(f),
            None => write!(f, "{}/{}", self.ip, self.prefix),
        }
    }
}

impl Select {
    /// The connections that satisfy everything but the order.
    pub fn candidates<'a>(&self, all: &'a [Verdict]) -> Vec<&'a Verdict> {
        let admits = |verdict: &&Verdict| {
            self.client.is_none_or(|client| client.admits(verdict.client))
                && self.server.is_none_or(|server| server.admits(verdict.server))
                && self.port.is_none_or(|port| port == verdict.server.port)
                && self.stream.is_none_or(|stream| stream == verdict.stream)
        };
        let mut candidates: Vec<&Verdict> = all.iter().filter(admits).collect();
        candidates.sort_by_key(|verdict| (verdict.first_frame, verdict.stream));
        candidates
    }

    /// The connections that satisfy everything.
    pub fn of<'a>(&self, all: &'a [Verdict]) -> Vec<&'a Verdict> {
        let candidates = self.candidates(all);
        match self.order {
            None => candidates,
            Some(Order::Nth(number)) => candidates.get(number - 1).copied().into_iter().collect(),
            Some(Order::Last) => candidates.last().copied().into_iter().collect(),
        }
    }
}

impl std::fmt::Display for Select {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            self.client.map(|client| format!("client {client}")),
            self.server.map(|server| format!("server {server}")),
            self.port.map(|port| format!("port {port}")),
            self.stream.map(|stream| format!("stream {stream}")),
            self.order.map(|order| match order {
                Order::Nth(number) => format!("order {number}"),
                Order::Last => "the last".to_owned(),
            }),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { f.write_str("all connections") } else { f.write_str(&parts.join(", ")) }
    }
}

impl Want {
    /// As it would be written.
    pub fn words(&self) -> String {
        match self {
            Want::OneOf(words) => words.join(" or "),
            Want::Names(names) => names.words(),
            Want::Calls(calls) if calls.is_empty() => "no calls".to_owned(),
            Want::Calls(calls) => calls.join(", "),
            Want::Count(range) => range.to_string(),
            Want::Duration(range) => range.to_string(),
            Want::Peaks(peaks) => {
                let peaks: Vec<String> = peaks.iter().map(|(state, range)| format!("{state} {range}")).collect();
                peaks.join(", ")
            }
        }
    }
}

impl Names {
    fn words(&self) -> String {
        if self.is_all {
            return if self.must.written.is_empty() { "none".to_owned() } else { self.must.written.join(", ") };
        }
        let part = |lead: &str, words: &Words| {
            (!words.written.is_empty()).then(|| format!("{lead} {}", words.written.join(", ")))
        };
        let parts = [part("must", &self.must), part("may", &self.may), part("must not", &self.must_not)];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
