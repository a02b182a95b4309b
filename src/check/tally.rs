//! What a capture or a result amounts to: connections counted by how they open and close, who held TIME-WAIT, causes of
//! resets and findings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};

use serde::Deserialize;

use super::seen::{ReadError, Seen, time_wait_owner};
use crate::analysis::{Observer, Options};
use crate::finding::{Initiator, Verdict};
use crate::report::Aspect;
use crate::source::{self, Input};

/// Connections, counted. A finding counts once a connection, however often it occurs there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub connections: u64,
    /// How many have which word, by aspect.
    pub counts: BTreeMap<(Aspect, String), u64>,
}

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
    Connection(Connection),
    Late {
        stream: u64,
        findings: Vec<Named>,
    },
    Population {
        name: String,
    },
    Summary {},
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
            Input::Path(path) if path.is_dir() => Ok(Self::of_capture(&Seen::read(&path, options, observer)?)),
            Input::Path(path) => {
                let file = path.display().to_string();
                let mut opened = BufReader::new(File::open(&path).map_err(|error| io(&file, error))?);
                if is_result(&mut opened).map_err(|error| io(&file, error))? {
                    return Self::of_result(&file, opened);
                }
                Ok(Self::of_capture(&Seen::read(&path, options, observer)?))
            }
            Input::Stdin => Self::read(Input::Reader("-".to_owned(), Box::new(io::stdin())), options, observer),
            Input::Reader(file, reader) => {
                let mut reader = BufReader::new(reader);
                if is_result(&mut reader).map_err(|error| io(&file, error))? {
                    return Self::of_result(&file, reader);
                }
                let input = Input::Reader(file.clone(), Box::new(reader));
                let mut source = source::open(vec![input], source::Options::default()).map_err(ReadError::from)?;
                Ok(Self::of_capture(&Seen::of(&mut source, &file, options, observer)?))
            }
        }
    }

    fn of_capture(seen: &Seen) -> Self {
        let mut tally = Self::default();
        seen.connections.iter().for_each(|verdict| tally.connection(verdict));
        seen.population.iter().for_each(|finding| tally.add(Aspect::Population, finding.name));
        tally
    }

    fn connection(&mut self, verdict: &Verdict) {
        self.connections += 1;
        self.add(Aspect::Open, verdict.open.kind.name());
        self.add(Aspect::Close, verdict.close.kind.name());
        self.add(Aspect::Initiator, verdict.close.initiator.map_or("none", Initiator::name));
        self.add(Aspect::TimeWait, time_wait_owner(verdict));
        let causes: BTreeSet<&str> = verdict.resets.iter().map(|reset| reset.cause.name()).collect();
        causes.into_iter().for_each(|cause| self.add(Aspect::Reset, cause));
        let findings: BTreeSet<&str> = verdict.findings.iter().map(|finding| finding.name).collect();
        findings.into_iter().for_each(|name| self.add(Aspect::Finding, name));
    }

    fn add(&mut self, aspect: Aspect, word: &str) {
        *self.counts.entry((aspect, word.to_owned())).or_default() += 1;
    }

    /// One record a line; in an array, the lines begin with `[` or `,` and the last one is `]`.
    fn of_result(file: &str, lines: impl BufRead) -> Result<Self, TallyError> {
        let mut tally = Self::default();
        let mut named: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        let mut is_whole = false;
        for (at, line) in lines.lines().enumerate() {
            let line = line.map_err(|error| TallyError::Io { file: file.to_owned(), error })?;
            let line = line.trim_start_matches(['[', ',']).trim();
            if line.is_empty() || line == "]" {
                continue;
            }
            let wrong = |error: String| TallyError::Record { file: file.to_owned(), line: at + 1, error };
            match serde_json::from_str(line).map_err(|error| wrong(error.to_string()))? {
                Record::Connection(connection) => {
                    let of_stream = |findings: Vec<Named>| findings.into_iter().map(|named| named.name);
                    tally.of_record(&connection);
                    for name in of_stream(connection.findings) {
                        named.entry(name).or_default().insert(connection.stream);
                    }
                }
                Record::Late { stream, findings } => {
                    for late in findings {
                        named.entry(late.name).or_default().insert(stream);
                    }
                }
                Record::Population { name } => tally.add(Aspect::Population, &name),
                Record::Summary {} => is_whole = true,
                Record::Other => {}
            }
        }
        if !is_whole {
            return Err(TallyError::Cut { file: file.to_owned() });
        }
        let findings = named.into_iter().map(|(name, streams)| ((Aspect::Finding, name), streams.len() as u64));
        tally.counts.extend(findings);
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
