//! Holds the analysis to what a kernel did: reads folders of captures with a truth file beside each, and prints how far
//! states, times, kinds, reset causes and findings agree, label by label, with the worst cases.
//!
//! ```sh
//! cargo run --example agreement -- fixtures
//! cargo run --example agreement -- --misses fixtures/reset
//! ```
//!
//! docs/AGREEMENT.md says what each figure counts and what today's are.

mod calls;
mod labels;
mod matching;
mod print;
mod recording;
mod score;
mod sockets;
mod states;
mod taps;
mod truth;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use recording::Drops;
use score::Score;

/// Compare verdicts with what the kernel did.
#[derive(Parser)]
struct Arguments {
    /// Folders of NAME.pcap with NAME.truth.json, or of capture.pcap with truth.json; searched to the bottom.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// How many of the worst cases to print.
    #[arg(long, default_value_t = 10, value_name = "N")]
    worst: usize,
    /// Print every disagreement instead, one a line: measure, scenario, file#stream, expected, got.
    #[arg(long)]
    misses: bool,
    /// Compare the socket tables at so many random moments of every capture instead.
    #[arg(long, value_name = "N", conflicts_with = "misses")]
    sockets: Option<u32>,
    /// Leave this share of the frames out, at random, as a capture does that drops: what does the rest still show?
    #[arg(long, default_value_t = 0.0, value_name = "SHARE", conflicts_with = "sockets")]
    drop: f64,
    /// Which random moments, or frames, these are.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("agreement: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    if let Some(moments) = arguments.sockets {
        return print(&sockets::report(&sockets::judge(&arguments.folders, moments, arguments.seed)?, arguments.worst));
    }
    let score = judge(&arguments.folders, arguments.drop, arguments.seed)?;
    if score.captures == 0 {
        return Err(io::Error::other("no capture with a truth file beside it in these folders"));
    }
    let text = if arguments.misses { print::misses(&score) } else { print::report(&score, arguments.worst) };
    print(&text)
}

fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Counts every recording in these folders, with a `share` of their frames left out.
fn judge(folders: &[PathBuf], share: f64, seed: u64) -> io::Result<Score> {
    let mut score = Score::default();
    let mut drops = Drops::new(share, seed);
    for run in recording::find(folders)? {
        let views = recording::load(&run, &mut drops)?;
        for view in &views {
            score.add(view, &views);
        }
    }
    score.set_aside_beyond_labels();
    Ok(score)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// Every disagreement on the project's own recordings is one that known.tsv explains.
    #[test]
    fn fixtures_agree_with_the_kernel() {
        let known: Vec<(&str, &str)> = include_str!("known.tsv")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let mut columns = line.splitn(3, '\t');
                let columns = [columns.next(), columns.next(), columns.next()];
                let [Some(measure), Some(case), Some(_)] = columns else { panic!("known.tsv: three columns: {line}") };
                (measure, case)
            })
            .collect();
        let score = judge(&[Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")], 0.0, 0).unwrap();
        assert!(score.captures > 100, "only {} captures under fixtures/", score.captures);
        let unknown: Vec<String> = score
            .misses
            .iter()
            .filter(|miss| !miss.measure.starts_with("time "))
            .filter(|miss| !known.contains(&(miss.measure.as_str(), miss.case.as_str())))
            .map(|miss| format!("{}\t{}\t{}\t{}", miss.measure, miss.case, miss.expected, miss.got))
            .collect();
        assert!(unknown.is_empty(), "expected and got:\n{}", unknown.join("\n"));
    }
}
