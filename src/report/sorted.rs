//! Connections in the order of their stream numbers, at the price of holding them all until the end. What comes late is
//! then not too late: it still counts in its connection's record.

use std::collections::BTreeMap;
use std::io;

use super::{CaptureRecord, LateRecord, PopulationFinding, Sink, Summary};
use crate::finding::Verdict;

/// Holds connections and late records and passes them on by stream number; a late record with findings follows its
/// connection, one without only counts.
#[derive(Debug)]
pub struct ByStream<S> {
    inner: S,
    held: BTreeMap<u64, Held>,
}

#[derive(Debug, Default)]
struct Held {
    verdict: Option<Verdict>,
    late: Vec<LateRecord>,
}

impl<S: Sink> ByStream<S> {
    /// Sorts what goes into `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, held: BTreeMap::new() }
    }

    fn release(&mut self) -> io::Result<()> {
        for (_, held) in std::mem::take(&mut self.held) {
            if let Some(verdict) = &held.verdict {
                self.inner.connection(verdict)?;
            }
            held.late.iter().try_for_each(|late| self.inner.late(late))?;
        }
        Ok(())
    }
}

impl<S: Sink> Sink for ByStream<S> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.inner.capture(capture)
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.held.entry(verdict.stream).or_default().verdict = Some(verdict.clone());
        Ok(())
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        let held = self.held.entry(late.stream).or_default();
        if let Some(verdict) = &mut held.verdict {
            verdict.endpoints[late.side].frames += 1;
            verdict.last_frame = late.frame;
            verdict.end = verdict.end.max(late.time);
        }
        if !late.findings.is_empty() {
            held.late.push(late.clone());
        }
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.release()?;
        self.inner.population(finding)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.release()?;
        self.inner.summary(summary)
    }
}
