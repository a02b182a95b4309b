//! What is only counted is judged as what is told in full.

use std::collections::BTreeMap;
use std::io;

use jiff::tz::TimeZone;
use lastack::analysis::{Options, analyse};
use lastack::finding::{Finding, Gist, Reset, Verdict};
use lastack::report::{Canvas, CaptureRecord, LateRecord, Palette, PopulationFinding, Rows, Sink, Summary, Text};

use crate::threads::all;

/// Asks for the whole verdict, whatever the sink within would be content with.
struct Whole<S>(S);

impl<S: Sink> Sink for Whole<S> {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.0.capture(capture)
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.0.connection(verdict)
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.0.late(late)
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.0.population(finding)
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.0.summary(summary)
    }
}

fn read(sink: &mut dyn Sink) -> Summary {
    analyse(&mut all(), &Options::default(), None, sink, &mut ()).expect("memory takes everything").summary
}

fn text(out: &mut Vec<u8>) -> Text<&mut Vec<u8>> {
    Text::new(out, Canvas::new(100, Palette::Plain, TimeZone::UTC), Rows::Few, None)
}

#[test]
fn the_text_is_the_same_whatever_is_only_counted() {
    let (mut by_gists, mut whole) = (Vec::new(), Vec::new());
    let counted = read(&mut text(&mut by_gists));
    assert_eq!(read(&mut Whole(text(&mut whole))), counted);
    assert!(counted.connections > 100, "{}", counted.connections);
    assert_eq!(String::from_utf8_lossy(&by_gists), String::from_utf8_lossy(&whole));
}

/// Every connection's gist and that of its verdict, without what depends on words.
#[derive(Default)]
struct Compared {
    gists: BTreeMap<u64, String>,
    verdicts: BTreeMap<u64, String>,
}

fn written(gist: &Gist<'_>) -> String {
    let bare = |finding: &Finding| Finding { frames: Vec::new(), message: String::new(), ..finding.clone() };
    let mut findings: Vec<String> = gist.findings.iter().map(|finding| format!("{:?}", bare(finding))).collect();
    findings.sort();
    let resets: Vec<_> = gist.resets.iter().map(|reset| (reset.frame, reset.cause, reset.confidence)).collect();
    let ending = gist.ending_reset().map(|reset| Reset { evidence: String::new(), ..reset.clone() });
    format!("{:?} {findings:?} {resets:?} {ending:?}", Gist { findings: &[], resets: &[], ..*gist })
}

impl Sink for Compared {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.verdicts.insert(verdict.stream, written(&verdict.gist()));
        Ok(())
    }

    fn takes_gists(&self) -> bool {
        true
    }

    fn gist(&mut self, gist: &Gist<'_>) -> bool {
        self.gists.insert(gist.stream, written(gist));
        false
    }

    fn late(&mut self, _: &LateRecord) -> io::Result<()> {
        Ok(())
    }

    fn population(&mut self, _: &PopulationFinding) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_gist_is_that_of_the_verdict() {
    let mut compared = Compared::default();
    read(&mut compared);
    // Where frames are missing it is not asked.
    compared.verdicts.retain(|stream, _| compared.gists.contains_key(stream));
    assert!(compared.verdicts.len() > 100);
    assert_eq!(compared.gists, compared.verdicts);
}
