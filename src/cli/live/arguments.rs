//! What `lastack live` takes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::arguments::{AnalysisArguments, SelectionArguments, at_least_one};

/// Arguments of `live`.
#[derive(Debug, Args)]
pub struct LiveArguments {
    /// Interface to capture on, or any
    #[arg(short = 'i', long, value_name = "IFACE", required_unless_present = "list_interfaces")]
    pub interface: Option<String>,
    /// List the interfaces and end
    #[arg(short = 'D', long)]
    pub list_interfaces: bool,
    /// Only frames that pass this capture filter, in tcpdump's language (pcap-filter(7)); the kernel applies it
    #[arg(short = 'f', long, value_name = "BPF")]
    pub filter: Option<String>,
    /// How frames are captured.
    #[command(flatten)]
    pub capture: CaptureArguments,
    /// What is told, and where.
    #[command(flatten)]
    pub output: LiveOutput,
    /// What is kept of the frames.
    #[command(flatten)]
    pub keep: KeepArguments,
    /// What monitoring gets.
    #[command(flatten)]
    pub metrics: MetricsArguments,
    /// What is shown.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// How it is judged.
    #[command(flatten)]
    pub timers: AnalysisArguments,
}

/// How frames are captured.
#[derive(Debug, Args)]
#[command(next_help_heading = "Capture")]
pub struct CaptureArguments {
    /// Also frames that are not for this host
    #[arg(long)]
    pub promisc: bool,
    /// Octets kept of each frame; lengths are true whatever it is
    #[arg(short = 's', long, value_name = "OCTETS", default_value_t = 128, value_parser = clap::value_parser!(u32).range(64..=262_144))]
    pub snaplen: u32,
    /// Size of the ring in which frames wait, in MiB
    #[arg(short = 'B', long, value_name = "MIB", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    pub buffer_size: u32,
    /// Whose clock stamps frames, as far as the interface has it; the host's when it is not given
    #[arg(short = 'j', long, value_enum, value_name = "TYPE")]
    pub time_stamp_type: Option<StampType>,
    /// End after so many seconds; 60, or 0.5
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub duration: Option<Duration>,
    /// End after so many frames
    #[arg(short = 'c', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub packets: Option<u64>,
}

/// Clocks that stamp frames, by tcpdump's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StampType {
    /// The host's
    #[value(name = "host")]
    Host,
    /// The host's, cheap and less exact
    #[value(name = "host_lowprec")]
    HostLowPrecision,
    /// The host's, exact
    #[value(name = "host_hiprec")]
    HostHighPrecision,
    /// The network adapter's, in step with the host's
    #[value(name = "adapter")]
    Adapter,
    /// The network adapter's, which goes its own way
    #[value(name = "adapter_unsynced")]
    AdapterUnsynced,
}

/// What is told, and where.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct LiveOutput {
    /// Form of the results; a view on a terminal, and ndjson elsewhere, when it is not given
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<LiveFormat>,
    /// Write to FILE instead of standard output
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// In ndjson, tell findings also before their connections end, as {"type":"finding",...}
    #[arg(long)]
    pub events: bool,
}

/// What monitoring gets.
#[derive(Debug, Args)]
#[command(next_help_heading = "Monitoring")]
pub struct MetricsArguments {
    /// Serve OpenMetrics at http://ADDR/metrics; a port alone is one of the loopback interface
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub metrics: Option<SocketAddr>,
    /// Write the same numbers to FILE every 15 seconds, for the node exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
}

/// What is kept of the frames.
#[derive(Debug, Args)]
#[command(next_help_heading = "Keeping frames")]
pub struct KeepArguments {
    /// Keep the frames as pcapng in FILE, so that what was seen can be read again
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Begin another file after so many MiB; files are numbered and dated: FILE_00001_20261121T033100Z
    #[arg(long, value_name = "MIB", requires = "write", value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub rotate_size: Option<u64>,
    /// Begin another file after so many seconds
    #[arg(long, value_name = "SECONDS", requires = "write", value_parser = seconds)]
    pub rotate_time: Option<Duration>,
    /// Delete the oldest beyond so many files
    #[arg(long, value_name = "N", requires = "write", value_parser = at_least_one)]
    pub rotate_keep: Option<usize>,
    /// Keep only what is around these findings, named as for --finding, a file for each time (repeat or separate by commas)
    #[arg(long = "trigger", value_name = "FINDING", requires = "write", value_delimiter = ',')]
    pub triggers: Vec<String>,
    /// With --trigger: seconds kept from before the finding is known, as far as 64 MiB of memory reach
    #[arg(long, value_name = "SECONDS", requires = "triggers", default_value = "10", value_parser = seconds)]
    pub before: Duration,
    /// With --trigger: seconds kept from then on
    #[arg(long, value_name = "SECONDS", requires = "triggers", default_value = "10", value_parser = seconds)]
    pub after: Duration,
}

/// Forms of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LiveFormat {
    /// A report for people, at the end
    Text,
    /// One JSON object a line, as connections end
    Ndjson,
}

/// `9100`, `127.0.0.1:9100` or `[::1]:9100`.
fn address(text: &str) -> Result<SocketAddr, String> {
    let port = text.trim_start_matches(':').parse::<u16>().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    port.or_else(|_| text.parse()).map_err(|_| "a port, or an address with a port: 9100, 127.0.0.1:9100".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let refused = || "a number of seconds, 60 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| refused())?;
    Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero()).ok_or_else(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_loopback_interface_unless_said() {
        assert_eq!(address("9100").unwrap().to_string(), "127.0.0.1:9100");
        assert_eq!(address(":9100").unwrap().to_string(), "127.0.0.1:9100");
        assert_eq!(address("[::]:9100").unwrap().to_string(), "[::]:9100");
        assert!(address("example.com:80").is_err() && address("70000").is_err());
    }
}
