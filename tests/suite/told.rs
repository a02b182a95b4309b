//! An analysis in memory, and everything that it reports.

use std::io;

use lastack::analysis::{Analysis, Options};
use lastack::finding::{Finding, Loss, Verdict};
use lastack::report::{CaptureRecord, LateRecord, PopulationFinding, Sink, Summary};
use lastack::segment::{Item, Segment};

/// What was reported, the records of the capture and the summary aside.
#[derive(Debug, Default, PartialEq)]
pub struct Told {
    pub verdicts: Vec<Verdict>,
    pub late: Vec<LateRecord>,
    pub population: Vec<PopulationFinding>,
}

impl Told {
    /// The names of all findings.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let findings = self.verdicts.iter().flat_map(|verdict| &verdict.findings);
        let late = self.late.iter().flat_map(|late| &late.findings);
        let population = self.population.iter().map(|finding| finding.name);
        findings.chain(late).map(|finding: &Finding| finding.name).chain(population)
    }
}

impl Sink for Told {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.verdicts.push(verdict.clone());
        Ok(())
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.late.push(late.clone());
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.population.push(finding.clone());
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

/// Analyses items as if they had just been decoded.
pub fn tell_items(items: &[Item]) -> Told {
    tell_items_with(items, &[])
}

/// The same where frames were lost.
pub fn tell_items_with(items: &[Item], losses: &[Loss]) -> Told {
    let mut told = Told::default();
    let mut analysis = Analysis::new(&Options::default(), &mut told);
    losses.iter().for_each(|loss| analysis.lost(*loss));
    for item in items {
        let taken = analysis.advance(item.time()).and_then(|()| match item {
            Item::Segment(segment) => analysis.segment(segment),
            Item::IcmpError(error) => analysis.icmp_error(error),
        });
        taken.expect("a sink in memory");
    }
    analysis.finish(false).expect("a sink in memory");
    told
}

/// Analyses segments as if they had just been decoded.
pub fn tell(segments: &[Segment]) -> Told {
    tell_items(&segments.iter().map(|segment| Item::Segment(*segment)).collect::<Vec<_>>())
}
