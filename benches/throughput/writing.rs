//! What writing costs by itself: verdicts that are there already, as NDJSON.

use std::hint::black_box;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use lastack::analysis::{self, analyse};
use lastack::finding::Verdict;
use lastack::report::{CaptureRecord, Json, LateRecord, PopulationFinding, Sink, Summary};
use lastack::source::{self, Input, Options};

/// As many as are kept to be written again and again. Few, as a verdict that was just made lies in the cache.
const VERDICTS_MAX: usize = 200;

/// The first verdicts on a capture.
pub fn verdicts(path: &Path) -> Result<Vec<Verdict>> {
    let mut source = source::open(vec![Input::Path(path.to_owned())], Options::default())?;
    let mut first = First(Vec::new());
    analyse(&mut source, &analysis::Options::default(), None, &mut first, &mut ())?;
    Ok(first.0)
}

/// Writes them all and gives how many octets they take.
pub fn write(verdicts: &[Verdict]) -> Result<u64> {
    let mut octets = Octets(0);
    let mut json = Json::lines(&mut octets);
    for verdict in verdicts {
        json.connection(verdict)?;
    }
    drop(json);
    Ok(octets.0)
}

/// Counts what it is given.
struct Octets(u64);

impl Write for Octets {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += black_box(bytes).len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps the first verdicts.
struct First(Vec<Verdict>);

impl Sink for First {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        if self.0.len() < VERDICTS_MAX {
            self.0.push(verdict.clone());
        }
        Ok(())
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
