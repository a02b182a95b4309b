//! Holds the analysis to what a kernel did: reads folders of captures with a truth file beside each, and prints how far
//! states, times, kinds, reset causes and findings agree, label by label, with the worst cases.
//!
//! ```sh
//! cargo run --example agreement -- fixtures
//! cargo run --example agreement -- --misses fixtures/reset
//! ```
//!
//! docs/AGREEMENT.md says what each figure counts and what today's are.

mod labels;
mod matching;
mod print;
mod recording;
mod score;
mod states;
mod taps;
mod truth;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

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
    let mut score = Score::default();
    let mut any = false;
    for run in recording::find(&arguments.folders)? {
        any = true;
        let views = recording::load(&run)?;
        for view in &views {
            score.add(view, &views);
        }
    }
    score.set_aside_beyond_labels();
    if !any {
        return Err(io::Error::other("no capture with a truth file beside it in these folders"));
    }
    let text = if arguments.misses { print::misses(&score) } else { print::report(&score, arguments.worst) };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
