//! What a capture or a result amounts to: connections counted by how they open and close, who held TIME-WAIT, causes of
//! resets and findings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::seen::{ReadError, open, read_whole, time_wait_owner};
use crate::analysis::{Observer, Options};
use crate::finding::{Initiator, Verdict};
use crate::report::{Aspect, CaptureRecord, LateRecord, PopulationFinding, Sink, Summary};
use crate::source::{self, CaptureSet, Input};

/// Connections, counted. A finding counts once a connection, however often it occurs there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub connections: u64,
    /// How many have which word, by aspect.
    counts: BTreeMap<Aspect, BTreeMap<String, u64>>,
    /// Frames that could not be read, by reason.
    pub skipped: BTreeMap<String, u64>,
    /// What else was said of the input, in words.
    pub notices: Vec<String>,
}

/// A capture, counted while it is analysed, so that no verdict is kept.
#[derive(Default)]
struct Counting {
    tally: Tally,
    findings: Findings,
}

/// Which connections have which finding.
#[derive(Default)]
struct Findings(BTreeMap<String, Streams>);

/// Stream numbers: most of those that are near each other are there, or none.
#[derive(Default)]
struct Streams(BTreeMap<u64, [u64; STREAM_WORDS]>);

/// A bit for each stream, so many words together.
const STREAM_WORDS: usize = 8;

/// Whether a result begins here. A capture begins with none of its first octets, and neither do leading blanks.
fn is_result(reader: &mut impl BufRead) -> io::Result<bool> {
    Ok(matches!(reader.fill_buf()?.first(), Some(b'{' | b'[')))
}

/// Why there is nothing to compare.
#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    /// The capture cannot be read.
    #[error(transparent)]
    Capture(#[from] ReadError),
    /// The file cannot be read.
    #[error("{file}: {error}")]
    Io {
        /// Which file.
        file: String,
        /// What the system said.
        error: io::Error,
    },
    /// It is JSON, but not that of `lastack read`.
    #[error("{file}:{line}: not a result of lastack read --format ndjson or json: {error}")]
    Record {
        /// Which file.
        file: String,
        /// Which line.
        line: usize,
        /// What is wrong with it.
        error: String,
    },
    /// It is JSON, and none of its records is one of `lastack read`.
    #[error(
        "{file}: not a result of lastack read --format ndjson or json: it has no record of a capture or a connection"
    )]
    Foreign {
        /// Which file.
        file: String,
    },
    /// A result that has no end.
    #[error(
        "{file}: this result has no summary: the program that wrote it was stopped, and what is missing would be taken for gone"
    )]
    Cut {
        /// Which file.
        file: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Record {
    Capture,
    Connection(Connection),
    Late {
        stream: u64,
        findings: Vec<Named>,
    },
    Population {
        name: String,
    },
    Summary {
        #[serde(default)]
        skipped: BTreeMap<String, u64>,
        #[serde(default)]
        notices: Vec<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Connection {
    stream: u64,
    open: Kind,
    close: Close,
    endpoints: Endpoints,
    resets: Vec<Caused>,
    findings: Vec<Named>,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Deserialize)]
struct Close {
    kind: String,
    initiator: Option<String>,
}

#[derive(Deserialize)]
struct Endpoints {
    client: Endpoint,
    server: Endpoint,
}

#[derive(Deserialize)]
struct Endpoint {
    states: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    state: String,
}

#[derive(Deserialize)]
struct Caused {
    cause: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Tally {
    /// Of a capture, a directory of rotated captures, or a result of `lastack read --format ndjson` or `json`.
    ///
    /// # Errors
    /// It is none of these, or ends early.
    pub fn read(input: Input, options: &Options, observer: &mut dyn Observer) -> Result<Self, TallyError> {
        let io = |file: &str, error: io::Error| TallyError::Io { file: file.to_owned(), error };
        match input {
            Input::Path(path) if path.is_dir() => Self::of_path(&path, options, observer),
            Input::Path(path) => {
                let file = path.display().to_string();
                let mut opened = BufReader::new(File::open(&path).map_err(|error| io(&file, error))?);
                if is_result(&mut opened).map_err(|error| io(&file, error))? {
                    return Self::of_result(&file, opened);
                }
                Self::of_path(&path, options, observer)
            }
            Input::Stdin => Self::read(Input::Reader("-".to_owned(), Box::new(io::stdin())), options, observer),
            Input::Reader(file, reader) => {
                let mut reader = BufReader::new(reader);
                if is_result(&mut reader).map_err(|error| io(&file, error))? {
                    return Self::of_result(&file, reader);
                }
                let input = Input::Reader(file.clone(), Box::new(reader));
                let mut source = source::open(vec![input], source::Options::default()).map_err(ReadError::from)?;
                Self::of_capture(&mut source, &file, options, observer)
            }
        }
    }

    fn of_path(path: &Path, options: &Options, observer: &mut dyn Observer) -> Result<Self, TallyError> {
        Self::of_capture(&mut open(path)?, &path.display().to_string(), options, observer)
    }

    fn of_capture(
        source: &mut CaptureSet,
        name: &str,
        options: &Options,
        observer: &mut dyn Observer,
    ) -> Result<Self, TallyError> {
        let mut counting = Counting::default();
        read_whole(source, name, options, &mut counting, observer)?;
        let Counting { mut tally, findings } = counting;
        tally.add_findings(findings);
        Ok(tally)
    }

    /// How many have `word`.
    pub fn count(&self, aspect: Aspect, word: &str) -> u64 {
        self.counts.get(&aspect).and_then(|words| words.get(word)).copied().unwrap_or(0)
    }

    /// Every word that any has, by aspect, in order.
    pub fn words(&self) -> impl Iterator<Item = (Aspect, &str)> {
        self.counts.iter().flat_map(|(&aspect, words)| words.keys().map(move |word| (aspect, word.as_str())))
    }

    fn add(&mut self, aspect: Aspect, word: &str) {
        let words = self.counts.entry(aspect).or_default();
        match words.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                words.insert(word.to_owned(), 1);
            }
        }
    }

    fn add_findings(&mut self, Findings(findings): Findings) {
        if !findings.is_empty() {
            let counted = findings.into_iter().map(|(name, streams)| (name, streams.count()));
            self.counts.entry(Aspect::Finding).or_default().extend(counted);
        }
    }

    /// One record a line; in an array, the lines begin with `[` or `,` and the last one is `]`.
    fn of_result(file: &str, lines: impl BufRead) -> Result<Self, TallyError> {
        let mut tally = Self::default();
        let mut named = Findings::default();
        let (mut is_whole, mut is_foreign) = (false, true);
        for (at, line) in lines.lines().enumerate() {
            let line = line.map_err(|error| TallyError::Io { file: file.to_owned(), error })?;
            let line = line.trim_start_matches(['[', ',']).trim();
            if line.is_empty() || line == "]" {
                continue;
            }
            let wrong = |error: String| TallyError::Record { file: file.to_owned(), line: at + 1, error };
            let record = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
            is_foreign &= matches!(record, Record::Other);
            match record {
                Record::Connection(connection) => {
                    tally.of_record(&connection);
                    connection.findings.iter().for_each(|finding| named.insert(&finding.name, connection.stream));
                }
                Record::Late { stream, findings } => {
                    findings.iter().for_each(|finding| named.insert(&finding.name, stream));
                }
                Record::Population { name } => tally.add(Aspect::Population, &name),
                Record::Summary { skipped, notices } => {
                    is_whole = true;
                    (tally.skipped, tally.notices) = (skipped, notices);
                }
                Record::Capture | Record::Other => {}
            }
        }
        if is_foreign {
            return Err(TallyError::Foreign { file: file.to_owned() });
        }
        if !is_whole {
            return Err(TallyError::Cut { file: file.to_owned() });
        }
        tally.add_findings(named);
        Ok(tally)
    }

    fn of_record(&mut self, connection: &Connection) {
        self.connections += 1;
        self.add(Aspect::Open, &connection.open.kind);
        self.add(Aspect::Close, &connection.close.kind);
        self.add(Aspect::Initiator, connection.close.initiator.as_deref().unwrap_or("none"));
        let held = |end: &Endpoint| end.states.iter().any(|step| step.state == "TIME-WAIT");
        let owner = match (held(&connection.endpoints.client), held(&connection.endpoints.server)) {
            (true, true) => "both",
            (true, false) => "client",
            (false, true) => "server",
            (false, false) => "none",
        };
        self.add(Aspect::TimeWait, owner);
        let causes: BTreeSet<&str> = connection.resets.iter().map(|reset| reset.cause.as_str()).collect();
        causes.into_iter().for_each(|cause| self.add(Aspect::Reset, cause));
    }
}

impl Findings {
    fn insert(&mut self, name: &str, stream: u64) {
        match self.0.get_mut(name) {
            Some(streams) => streams.insert(stream),
            None => self.0.entry(name.to_owned()).or_default().insert(stream),
        }
    }
}

impl Streams {
    fn insert(&mut self, stream: u64) {
        let at = stream % (STREAM_WORDS as u64 * 64);
        self.0.entry(stream - at).or_default()[(at / 64) as usize] |= 1 << (at % 64);
    }

    fn count(&self) -> u64 {
        self.0.values().flatten().map(|word| u64::from(word.count_ones())).sum()
    }
}

impl Sink for Counting {
    fn capture(&mut self, _: &CaptureRecord) -> io::Result<()> {
        Ok(())
    }

    fn connection(&mut self, verdict: &Verdict) -> io::Result<()> {
        let tally = &mut self.tally;
        tally.connections += 1;
        tally.add(Aspect::Open, verdict.open.kind.name());
        tally.add(Aspect::Close, verdict.close.kind.name());
        tally.add(Aspect::Initiator, verdict.close.initiator.map_or("none", Initiator::name));
        tally.add(Aspect::TimeWait, time_wait_owner(verdict));
        let causes: BTreeSet<&str> = verdict.resets.iter().map(|reset| reset.cause.name()).collect();
        causes.into_iter().for_each(|cause| tally.add(Aspect::Reset, cause));
        verdict.findings.iter().for_each(|finding| self.findings.insert(finding.name, verdict.stream));
        Ok(())
    }

    fn late(&mut self, late: &LateRecord) -> io::Result<()> {
        late.findings.iter().for_each(|finding| self.findings.insert(finding.name, late.stream));
        Ok(())
    }

    fn population(&mut self, finding: &PopulationFinding) -> io::Result<()> {
        self.tally.add(Aspect::Population, finding.name);
        Ok(())
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        (self.tally.skipped, self.tally.notices) = (summary.skipped.clone(), summary.notices.clone());
        Ok(())
    }
}
