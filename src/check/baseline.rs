//! What was wrong before: problems that an earlier result of the check has count no more.

use std::collections::HashMap;

use serde::Deserialize;

use crate::report::{Checked, Standing};

/// Problems by fingerprint, each with the connections that had it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Baseline(HashMap<String, u64>);

/// Why a file is no baseline.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// It is not the JSON of a check.
    #[error("{file}: not a result of lastack check --format json ({error})")]
    Form {
        /// Which file.
        file: String,
        /// What is wrong with it.
        error: String,
    },
    /// It was written by another version.
    #[error("{file}: a result of schema {schema}, and 1 is read here; write it anew with lastack check --format json")]
    Schema {
        /// Which file.
        file: String,
        /// The schema that it has.
        schema: u32,
    },
}

#[derive(Deserialize)]
struct Document {
    r#type: String,
    schema: u32,
    captures: Vec<Capture>,
}

#[derive(Deserialize)]
struct Capture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    problems: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    fingerprint: String,
    connections: u64,
}

impl Baseline {
    /// Reads the text of `file`: what `lastack check --format json` wrote.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(file: &str, text: &str) -> Result<Self, BaselineError> {
        let form = |error: String| BaselineError::Form { file: file.to_owned(), error };
        let document: Document = serde_json::from_str(text).map_err(|error| form(error.to_string()))?;
        if document.r#type != "check" {
            return Err(form(format!("its type is {:?}", document.r#type)));
        }
        if document.schema != 1 {
            return Err(BaselineError::Schema { file: file.to_owned(), schema: document.schema });
        }
        let mut known = HashMap::new();
        let cases = document.captures.into_iter().flat_map(|capture| capture.cases);
        for problem in cases.flat_map(|case| case.problems) {
            *known.entry(problem.fingerprint).or_default() += problem.connections.max(1);
        }
        Ok(Self(known))
    }

    /// Marks the problems of `checked` that were there before, on as many connections at least.
    pub fn apply(&self, checked: &mut Checked) {
        for capture in &mut checked.captures {
            let mut fingerprints: Vec<Vec<String>> = Vec::new();
            for case in &capture.cases {
                let of_case = case.problems.iter().map(|problem| problem.fingerprint(capture));
                fingerprints.push(of_case.collect());
            }
            for (case, fingerprints) in capture.cases.iter_mut().zip(fingerprints) {
                for (problem, fingerprint) in case.problems.iter_mut().zip(fingerprints) {
                    let known = self.0.get(&fingerprint).copied().unwrap_or(0);
                    if known >= problem.occurrences() {
                        problem.standing = Standing::Known;
                    } else if known > 0 {
                        problem.message +=
                            &format!(" (on {} connections; the baseline has {known})", problem.connections);
                    }
                }
            }
        }
    }
}
