//! `lastack census`: sockets per state over time.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::arguments::{AnalysisArguments, Input, Talk, host};
use super::input::{Ready, Skipped, analyse, conclude, ready};
use super::output::cannot_write;
use super::progress::Progress;
use super::terminal::canvas;
use super::{Outcome, later};
use crate::report::{Grouping, Json, census, census_csv, census_json};

/// Arguments of `census`.
#[derive(Debug, Args)]
pub struct CensusArguments {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// Length of an interval: 1s, 200ms, 5min
    #[arg(long = "every", value_name = "DURATION", value_parser = span_ns, default_value = "1s")]
    pub every_ns: i64,
    /// Whose sockets are counted together
    #[arg(long, value_enum, value_name = "GROUP", default_value_t = Grouping::Host)]
    pub by: Grouping,
    /// Only groups with one of these addresses
    #[arg(long = "host", value_name = "IP", value_delimiter = ',', value_parser = host)]
    pub hosts: Vec<IpAddr>,
    /// Form of the results
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = CensusFormat::Text, help_heading = "Output")]
    pub format: CensusFormat,
    /// Write to FILE instead of standard output; it appears under its name only when it is complete
    #[arg(short = 'o', long = "output", value_name = "FILE", help_heading = "Output")]
    pub file: Option<PathBuf>,
    /// How it is judged.
    #[command(flatten)]
    pub timers: AnalysisArguments,
}

/// Forms of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CensusFormat {
    /// Small charts for people
    Text,
    /// A row for each group and interval, for spreadsheets
    Csv,
    /// One JSON object a line
    Ndjson,
    /// The same objects as one JSON array
    Json,
    /// Not in this version
    #[value(hide = true)]
    Zeek,
}

impl ValueEnum for Grouping {
    fn value_variants<'a>() -> &'a [Self] {
        &[Grouping::Host, Grouping::Service, Grouping::Destination]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Grouping::Host => PossibleValue::new("host").help("All sockets of a host"),
            Grouping::Service => PossibleValue::new("service").help("The server's sockets of an address and port"),
            Grouping::Destination => {
                PossibleValue::new("destination").help("A client's sockets toward an address and port")
            }
        })
    }
}

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: &CensusArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let CensusArguments { input, every_ns, by, hosts, format, file, timers } = arguments;
    if *format == CensusFormat::Zeek {
        return later("the format zeek");
    }
    let mut options = timers.options()?;
    options.interval_ns = Some(*every_ns);
    let file = file.as_deref();
    let Ready { interrupt, mut captures, mut out, place, bar } = ready(input, options.threads, file, talk)?;
    let progress = Progress::new(bar, &captures, &interrupt);
    let ((), analysed) = analyse(&mut captures, &options, (), &place, progress)?;
    let population = &analysed.population;
    match format {
        CensusFormat::Csv => census_csv(&mut out, population, *by, hosts),
        CensusFormat::Ndjson => census_json(Json::lines(&mut out), population, *by, hosts),
        CensusFormat::Json => census_json(Json::array(&mut out), population, *by, hosts),
        CensusFormat::Text | CensusFormat::Zeek => census(&mut out, &canvas(talk, file), population, *by, hosts),
    }
    .with_context(|| cannot_write(&place))?;
    out.complete()?;
    conclude(analysed, &interrupt, Skipped::ToBeSaid)
}

fn span_ns(text: &str) -> Result<i64, String> {
    let words = "a duration with its unit (ns, us, ms, s, min, h): 1s, 200ms";
    with_unit_ns(text).filter(|&ns| ns > 0).ok_or_else(|| words.to_owned())
}

/// A number with its unit, up to a year, ns.
pub(super) fn with_unit_ns(text: &str) -> Option<i64> {
    const YEAR_NS: f64 = 31_557_600e9;
    let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("min", 60e9), ("s", 1e9), ("m", 60e9), ("h", 3_600e9)];
    let number = units.into_iter().find_map(|(unit, ns)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * ns));
    number.filter(|ns| (0.0..=YEAR_NS).contains(ns)).map(|ns| ns.round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        let units = ["1s", "200ms", "5min", "2m", "1.5h", "10us", "7ns"].map(|text| span_ns(text).unwrap());
        assert_eq!(units, [1_000_000_000, 200_000_000, 300_000_000_000, 120_000_000_000, 5_400_000_000_000, 10_000, 7]);
        assert!(["", "1", "s", "-1s", "0s", "1e99h", "NaNs", "2y"].iter().all(|text| span_ns(text).is_err()));
    }
}
