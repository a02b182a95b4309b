//! From folders to recordings: captures with their truth, those of one run together, and what the analysis says.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lastack::analysis::{self, Filter, Options};
use lastack::finding::Verdict;
use lastack::report::{CaptureRecord, LateRecord, PopulationFinding, Sink, Summary};
use lastack::source::{self, Frame, Input};

use super::taps::Tap;
use super::truth::Truth;

/// A capture and its truth file.
pub struct Recording {
    pub capture: PathBuf,
    truth: PathBuf,
}

impl Recording {
    /// What happened.
    ///
    /// # Errors
    /// The truth file cannot be read or is not in the format.
    pub fn truth(&self) -> io::Result<Truth> {
        serde_json::from_slice(&fs::read(&self.truth)?)
            .map_err(|error| io::Error::other(format!("{}: {error}", self.truth.display())))
    }
}

/// One capture, what happened, and what the analysis made of it.
pub struct Told {
    /// The capture's name as printed: without its folder where that says nothing.
    pub name: String,
    pub truth: Truth,
    pub verdicts: Vec<Verdict>,
    /// Names of findings across connections.
    pub population: Vec<&'static str>,
    /// When the frames of each connection passed this tap.
    pub tap: Tap,
}

/// The recordings in these folders, grouped by run: the taps of one run saw the same packets.
///
/// # Errors
/// A folder cannot be read.
pub fn find(folders: &[PathBuf]) -> io::Result<Vec<Vec<Recording>>> {
    let mut runs: BTreeMap<PathBuf, Vec<Recording>> = BTreeMap::new();
    for folder in folders {
        search(folder, &mut runs)?;
    }
    Ok(runs.into_values().collect())
}

fn search(folder: &Path, runs: &mut BTreeMap<PathBuf, Vec<Recording>>) -> io::Result<()> {
    let at_folder = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", folder.display()));
    let mut entries = fs::read_dir(folder).map_err(at_folder)?.collect::<Result<Vec<_>, _>>().map_err(at_folder)?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            search(&path, runs)?;
        } else if let Some((run, capture)) = capture_of(&path).filter(|(_, capture)| capture.is_file()) {
            runs.entry(run).or_default().push(Recording { capture, truth: path });
        }
    }
    Ok(())
}

/// The run that a truth file belongs to, and the capture beside it.
fn capture_of(truth: &Path) -> Option<(PathBuf, PathBuf)> {
    let name = truth.file_name()?.to_str()?;
    if let Some(stem) = name.strip_suffix(".truth.json") {
        // NAME-sSEED-VANTAGE
        let run = stem.rsplit_once('-').map_or(stem, |(run, _)| run);
        return Some((truth.with_file_name(run), truth.with_file_name(format!("{stem}.pcap"))));
    }
    let tap = name.strip_prefix("truth")?.strip_suffix(".json")?;
    Some((truth.parent()?.to_owned(), truth.with_file_name(format!("capture{tap}.pcap"))))
}

/// Leaves frames out, each with the same chance.
pub struct Drops {
    share: f64,
    random: fastrand::Rng,
}

impl Drops {
    /// A `share` of all, chosen by `seed`.
    pub fn new(share: f64, seed: u64) -> Self {
        Self { share, random: fastrand::Rng::with_seed(seed) }
    }
}

impl Filter for Drops {
    fn passes(&mut self, _: &Frame<'_>) -> bool {
        self.random.f64() >= self.share
    }
}

/// Analyses the captures of a run, without the frames that `drops` leaves out.
///
/// # Errors
/// A truth file is not in the format, or a capture cannot be read to its end.
pub fn load(run: &[Recording], drops: &mut Drops) -> io::Result<Vec<Told>> {
    run.iter()
        .map(|recording| {
            let truth = recording.truth()?;
            let mut collected = Collected::default();
            let mut source = open(&recording.capture)?;
            let outcome = analysis::analyse(&mut source, &Options::default(), Some(drops), &mut collected, &mut ())?;
            if let Some(error) = outcome.source_error {
                return Err(io::Error::other(error));
            }
            let tap = Tap::read(&mut open(&recording.capture)?)?;
            let Collected { verdicts, population } = collected;
            Ok(Told { name: printed_name(&recording.capture), truth, verdicts, population, tap })
        })
        .collect()
}

/// Opens a capture.
///
/// # Errors
/// It is none.
pub fn open(capture: &Path) -> io::Result<source::CaptureSet> {
    source::open(vec![Input::Path(capture.to_owned())], source::Options::default()).map_err(io::Error::other)
}

fn printed_name(capture: &Path) -> String {
    let stem = capture.file_stem().unwrap_or_default().to_string_lossy();
    match capture.parent().and_then(Path::file_name) {
        Some(folder) if stem.starts_with("capture") => format!("{}/{stem}", folder.to_string_lossy()),
        _ => stem.into_owned(),
    }
}

/// Keeps what the analysis reports.
#[derive(Default)]
struct Collected {
    verdicts: Vec<Verdict>,
    population: Vec<&'static str>,
}

impl Sink for Collected {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        self.verdicts.push(verdict.clone());
        Ok(())
    }

    /// What came late belongs to the connection all the same.
    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        if let Some(verdict) = self.verdicts.iter_mut().find(|verdict| verdict.stream == late.stream) {
            verdict.findings.extend(late.findings.iter().cloned());
        }
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.population.push(finding.name);
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captures_lie_beside_their_truth_in_both_layouts() {
        let layout = |truth: &str| capture_of(Path::new(truth)).map(|(run, capture)| [run, capture]);
        let paths = |run: &str, capture: &str| Some([PathBuf::from(run), PathBuf::from(capture)]);
        assert_eq!(layout("d/fin-lost-s1-middle.truth.json"), paths("d/fin-lost-s1", "d/fin-lost-s1-middle.pcap"));
        assert_eq!(layout("d/e/truth-server.json"), paths("d/e", "d/e/capture-server.pcap"));
        assert_eq!(layout("d/e/truth.json"), paths("d/e", "d/e/capture.pcap"));
        assert_eq!(layout("d/e/notes.json"), None);
    }
}
