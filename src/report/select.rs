//! Which connections are printed: by stream, finding, state, host and port.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::IpAddr;

use super::{CaptureRecord, FindingEvent, LateRecord, PopulationFinding, Sink, Summary};
use crate::base::Side;
use crate::connection::State;
use crate::finding::{Gist, Verdict};

/// What a connection must have to be printed: one of the values of every list that is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Stream numbers.
    pub streams: Vec<u64>,
    /// Names of findings.
    pub findings: Vec<String>,
    /// States that an endpoint was last in.
    pub states: Vec<State>,
    /// Addresses of either end.
    pub hosts: Vec<IpAddr>,
    /// Ports of either end.
    pub ports: Vec<u16>,
}

impl Selection {
    /// Nothing was asked for: everything is printed.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The connection is among those asked for.
    pub fn admits(&self, verdict: &Verdict) -> bool {
        let ends = [verdict.client, verdict.server];
        any_or_empty(&self.streams, |&stream| stream == verdict.stream)
            && any_or_empty(&self.findings, |name| verdict.findings.iter().any(|finding| finding.name == name))
            && any_or_empty(&self.states, |&state| {
                Side::BOTH.iter().any(|&side| verdict.endpoints[side].final_state() == state)
            })
            && any_or_empty(&self.hosts, |&host| ends.iter().any(|end| end.ip == host))
            && any_or_empty(&self.ports, |&port| ends.iter().any(|end| end.port == port))
    }

    /// The late record may be printed on its own: it has a finding that was asked for, on a stream that was, and no
    /// question was asked that only the connection's record could answer.
    fn admits_late(&self, late: &LateRecord) -> bool {
        any_or_empty(&self.streams, |&stream| stream == late.stream)
            && any_or_empty(&self.findings, |name| late.findings.iter().any(|finding| finding.name == name))
            && self.states.is_empty()
            && self.hosts.is_empty()
            && self.ports.is_empty()
    }

    fn admits_event(&self, event: &FindingEvent) -> bool {
        let ends = [event.client, event.server];
        any_or_empty(&self.streams, |&stream| stream == event.stream)
            && any_or_empty(&self.findings, |name| name == event.finding.name)
            && any_or_empty(&self.hosts, |&host| ends.iter().any(|end| end.ip == host))
            && any_or_empty(&self.ports, |&port| ends.iter().any(|end| end.port == port))
            && self.states.is_empty()
    }

    fn admits_population(&self, finding: &PopulationFinding) -> bool {
        any_or_empty(&self.streams, |stream| finding.streams.contains(stream))
            && any_or_empty(&self.findings, |name| name == finding.name)
            && any_or_empty(&self.hosts, |&host| host == finding.host)
            && self.states.is_empty()
            && self.ports.is_empty()
    }
}

fn any_or_empty<T>(list: &[T], test: impl FnMut(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(test)
}

/// Connections whose late segments pass, the newest. As many as the table remembers by default, so that a running interface
/// can be watched for ever.
const PASSED_MAX: usize = 1_000_000;

/// Passes on the connections of a [`Selection`]. The summary stays that of the whole input.
#[derive(Debug)]
pub struct Selected<S> {
    inner: S,
    selection: Selection,
    is_everything: bool,
    passed: HashSet<u64>,
    /// The same in the order of passing.
    order: VecDeque<u64>,
}

impl<S: Sink> Selected<S> {
    /// Passes on to `inner` what `selection` admits.
    pub fn new(inner: S, selection: Selection) -> Self {
        Self {
            inner,
            is_everything: selection.is_everything(),
            selection,
            passed: HashSet::new(),
            order: VecDeque::new(),
        }
    }

    /// The connection of this number was asked for and came. Known only with a selection.
    pub fn has_passed(&self, stream: u64) -> bool {
        self.passed.contains(&stream)
    }

    /// Late segments of the connection will pass as well.
    fn remember(&mut self, stream: u64) {
        if !self.passed.insert(stream) {
            return;
        }
        self.order.push_back(stream);
        if self.order.len() > PASSED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.passed.remove(&oldest);
        }
    }

    /// The sink within.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Sink> Sink for Selected<S> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.inner.capture(capture)
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        if !self.selection.admits(verdict) {
            return Ok(());
        }
        if !self.is_everything {
            self.remember(verdict.stream);
        }
        self.inner.connection(verdict)
    }

    fn takes_gists(&self) -> bool {
        self.is_everything && self.inner.takes_gists()
    }

    fn gist(&mut self, gist: &Gist<'_>) -> bool {
        self.inner.gist(gist)
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        if self.passed.contains(&late.stream) || self.selection.admits_late(late) {
            return self.inner.late(late);
        }
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        if self.selection.admits_population(finding) { self.inner.population(finding) } else { Ok(()) }
    }

    fn event(&mut self, event: &FindingEvent) -> io::Result<()> {
        if self.selection.admits_event(event) { self.inner.event(event) } else { Ok(()) }
    }

    fn population_event(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        if self.selection.admits_population(finding) { self.inner.population_event(finding) } else { Ok(()) }
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.inner.summary(summary)
    }
}
