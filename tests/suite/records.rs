//! Every record of NDJSON is what `serde_json` writes of it.

use std::io;

use lastack::analysis::{Options, analyse};
use lastack::finding::Verdict;
use lastack::report::{CaptureRecord, Json, LateRecord, PopulationFinding, Record, Sink, Summary};

use crate::threads::all;

/// Holds both against each other.
#[derive(Default)]
struct Both {
    connections: u64,
}

impl Both {
    fn compare(
        &mut self,
        record: Record<'_>,
        told: impl FnOnce(&mut Json<&mut Vec<u8>>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut line = Vec::new();
        told(&mut Json::lines(&mut line))?;
        let expected = serde_json::to_string(&record)? + "\n";
        assert_eq!(String::from_utf8_lossy(&line), expected);
        Ok(())
    }
}

impl Sink for Both {
    fn capture(&mut self, capture: &CaptureRecord) -> io::Result<()> {
        self.compare(Record::Capture(capture), |json| json.capture(capture))
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.connections += 1;
        self.compare(Record::Connection(verdict), |json| json.connection(verdict))
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        self.compare(Record::Late(late), |json| json.late(late))
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.compare(Record::Population(finding), |json| json.population(finding))
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.compare(Record::Summary(summary), |json| json.summary(summary))
    }
}

#[test]
fn every_record_is_what_serde_json_writes() {
    let mut both = Both::default();
    analyse(&mut all(), &Options::default(), None, &mut both, &mut ()).expect("memory takes everything");
    assert!(both.connections > 100, "{}", both.connections);
}
