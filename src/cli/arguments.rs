//! What the command line may say.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::tz::TimeZone;

use super::census::CensusArguments;
use super::check::CheckArguments;
use super::diff::DiffArguments;
use super::live::arguments::LiveArguments;
use super::sandbox::Sandbox;
use super::ss::SsArguments;
use crate::analysis::Options;
use crate::base::nearest;
use crate::connection::{Profile, ProfileBasis, State};
use crate::decode::{Checksums, SplitBy};
use crate::policy::Policy;
#[cfg(feature = "live")]
use crate::population::Breadth;
use crate::report::Selection;
use crate::table::Limits;

/// The commands that a first argument may name; anything else there is a capture.
const COMMANDS: [&str; 12] =
    ["read", "show", "explain", "ss", "census", "live", "check", "diff", "report", "annotate", "extract", "help"];

const EXIT_CODES: &str = "\
Exit codes:
  0    done; a pipe that the reader closed counts as done
  2    could not do it: usage, unreadable or unsupported input, output not written.
       What could be read of a damaged capture is reported all the same
  130  ended by Ctrl-C, after reporting what was read until then";

const DIFF_EXIT_CODES: &str = "\
Exit codes:
  0    done, whatever differs
  1    with --exit-code: something is new, or has changed by more than chance
  2    could not do it: usage, unreadable or unsupported input, output not written
  130  ended by Ctrl-C";

const EXPLAIN_EXIT_CODES: &str = "\
Exit codes:
  0    done; a pipe that the reader closed counts as done
  2    could not do it: no finding or group has that name, output not written";

const CHECK_EXIT_CODES: &str = "\
Exit codes:
  0    everything holds
  1    something does not hold
  2    something could not be checked: a capture that cannot be read, a file of expectations
       that is not understood or has no capture, a directory without captures, output not written
  130  ended by Ctrl-C, after reporting what was checked until then";

const ENVIRONMENT: &str = "\
Environment:
  NO_COLOR  no colour unless --color always is given
  COLUMNS   width of text output; else that of the terminal, else 80";

const CHECK_ENVIRONMENT: &str = "\
  GITHUB_ACTIONS  when it is true, annotations go to standard error besides";

const EXAMPLES: &str = "\
Examples:
  lastack web.pcapng                        what is wrong in this capture, in short
  lastack show web.pcapng --stream 7        one connection, segment by segment
  tcpdump -w - port 443 | lastack -         from a pipe
  lastack read web.pcapng --format ndjson   one JSON object a line, for scripts
  lastack explain final-ack-lost            what a finding means and what to do";

const ABOUT: &str = "\
Reads packet captures and gives the last word on every TCP connection: who closed first, who reset it and why, what each \
application saw, in which state each socket was, with the frames that prove it and an honest confidence.";

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "lastack",
    version,
    about = "The last word on every TCP connection in a packet capture",
    long_about = ABOUT,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    subcommand_required = true,
    max_term_width = 100,
    override_usage = "lastack [OPTIONS] CAPTURE...\n       lastack COMMAND ...",
    after_help = EXAMPLES,
    after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}\n\n{ENVIRONMENT}"),
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How to talk to people.
    #[command(flatten)]
    pub talk: Talk,
}

/// The command that is meant where `word` is read as a capture: no file has that name, and a command has one that is near.
pub fn meant_command(word: &Path) -> Option<&'static str> {
    let is_plain = |word: &&str| word.chars().all(char::is_alphabetic) && !Path::new(word).exists();
    let word = word.to_str().filter(is_plain)?;
    nearest(word, COMMANDS, |command| command)
}

impl Arguments {
    /// `args` with `read` put in where the first word is a capture and no command.
    pub fn with_default_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
        let mut args: Vec<OsString> = args.into_iter().collect();
        let is_word = |arg: &OsString| arg == "-" || !arg.as_encoded_bytes().starts_with(b"-");
        let asks = |arg: &OsString| ["-h", "--help", "-V", "--version"].iter().any(|option| arg == option);
        let values = ValueOptions::global();
        let is_value = |index: usize| index > 1 && values.take_next(&args[index - 1]);
        let first_word = (1..args.len()).find(|&index| is_word(&args[index]) && !is_value(index)).map(|at| &args[at]);
        let has_command = first_word.is_some_and(|word| COMMANDS.iter().any(|command| word == command));
        let is_bare = args.len() < 2 || first_word.is_none() && args.iter().skip(1).any(asks);
        if !has_command && !is_bare {
            args.insert(1, "read".into());
        }
        args
    }
}

/// Options that may stand before the command and whose value is a word of its own.
struct ValueOptions(Vec<String>);

impl ValueOptions {
    fn global() -> Self {
        let command = Talk::augment_args(clap::Command::new("lastack"));
        let takes_value = |arg: &&clap::Arg| arg.get_action().takes_values();
        Self(
            command
                .get_arguments()
                .filter(takes_value)
                .filter_map(|arg| Some(format!("--{}", arg.get_long()?)))
                .collect(),
        )
    }

    /// What follows `arg` is its value.
    fn take_next(&self, arg: &OsString) -> bool {
        self.0.iter().any(|option| arg == option.as_str())
    }
}

impl Command {
    /// With patterns among the captures expanded, before anything is given up that this needs.
    pub fn expanded(mut self) -> Self {
        match &mut self {
            Command::Read(ReadArguments { input, .. })
            | Command::Show(ShowArguments { input, .. })
            | Command::Ss(SsArguments { input, .. })
            | Command::Census(CensusArguments { input, .. }) => input.expand(),
            Command::Explain(_)
            | Command::Help(_)
            | Command::Live(_)
            | Command::Diff(_)
            | Command::Check(_)
            | Command::Report(_)
            | Command::Annotate(_)
            | Command::Extract(_) => {}
        }
        self
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Analyse captures and say what happened to their TCP connections
    ///
    /// The text report says first what matters: the findings, grouped and counted, with the worst examples; then the
    /// connections (all when they are few, else those with findings); then where every frame of the capture went.
    /// `lastack CAPTURE` is short for `lastack read CAPTURE`.
    #[command(after_long_help = format!("{EXIT_CODES}\n\n{ENVIRONMENT}"))]
    Read(ReadArguments),
    /// Show one connection in full, segment by segment
    ///
    /// A ladder of the connection's segments, the client's states on the left and the server's on the right, with the
    /// calls of the applications and the findings where they happened, and the evidence below. The steady middle of a
    /// long connection is summed up in one line.
    #[command(after_long_help = format!("{EXIT_CODES}\n\n{ENVIRONMENT}"))]
    Show(ShowArguments),
    /// Explain a finding, or list them all
    ///
    /// Prints what a finding is, why it matters, how it is recognised, what it must not be confused with and what to
    /// do about it. Without a name, lists the catalogue; with that of a group (handshake, teardown, reset, after-close,
    /// transfer, population, capture), the part of it.
    #[command(after_long_help = format!("{EXPLAIN_EXIT_CODES}\n\n{ENVIRONMENT}"))]
    Explain(ExplainArguments),
    /// List the sockets of every host at a moment, as ss would have
    ///
    /// Both ends of every connection, in the states that later packets bear out: State, Recv-Q and Send-Q as far as
    /// packets tell, addresses, and the timer as `ss -o` has it. Listening sockets are in no capture.
    #[command(after_long_help = format!("{EXIT_CODES}\n\n{ENVIRONMENT}"))]
    Ss(SsArguments),
    /// Count the sockets in every state over time
    ///
    /// By host, by service or by destination: how many sockets were in each state, who closed first, which ports were in
    /// use and when they run out. Only intervals in which something changed have a row; a pause has none. They grow when
    /// there are too many.
    #[command(after_long_help = format!("{EXIT_CODES}\n\n{ENVIRONMENT}"))]
    Census(CensusArguments),
    /// Analyse a running interface
    ///
    /// The same analysis on frames as they come, by tcpdump's means and with its rights: connections are told as they
    /// end, and what is open when it is ended. -D lists the interfaces.
    #[command(after_long_help = format!("{EXIT_CODES}\n\n{ENVIRONMENT}"))]
    Live(Box<LiveArguments>),
    /// Check captures against what is expected of them, for CI
    ///
    /// Beside a capture NAME.pcap, NAME.expect.toml says what must hold of its connections: how they open and close, who
    /// begins the close, causes of resets, findings, durations, states. A capture without such a file must be free of
    /// findings that are a warning or an error.
    #[command(after_long_help = format!("{CHECK_EXIT_CODES}\n\n{ENVIRONMENT}\n{CHECK_ENVIRONMENT}"))]
    Check(CheckArguments),
    /// Compare two captures or results: findings gone and new, how connections open and close
    ///
    /// Shares of connections are compared by Fisher's exact test, which holds also where counts are small: a difference is
    /// named more or fewer only when chance would hardly make it.
    #[command(after_long_help = format!("{DIFF_EXIT_CODES}\n\n{ENVIRONMENT}"))]
    Diff(DiffArguments),
    /// A page with charts.
    #[command(hide = true, disable_help_flag = true)]
    Report(LaterArguments),
    /// The capture with comments.
    #[command(hide = true, disable_help_flag = true)]
    Annotate(LaterArguments),
    /// Frames of some connections.
    #[command(hide = true, disable_help_flag = true)]
    Extract(LaterArguments),
    /// Help, as other tools have it beside --help.
    #[command(hide = true)]
    Help(HelpArguments),
}

/// Arguments of `read`.
#[derive(Debug, Args)]
pub struct ReadArguments {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// Where the results go and how.
    #[command(flatten)]
    pub output: Output,
    /// Show every connection in the text report, not only the worst
    #[arg(long, help_heading = "Output")]
    pub all: bool,
    /// Order of the connections in ndjson and json
    #[arg(long, value_enum, value_name = "ORDER", default_value_t = Order::End, help_heading = "Output")]
    pub sort: Order,
    /// What is shown.
    #[command(flatten)]
    pub selection: SelectionArguments,
    /// How it is judged.
    #[command(flatten)]
    pub timers: AnalysisArguments,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// Number of the connection, as in the reports and as Wireshark's tcp.stream
    #[arg(long, value_name = "N", value_parser = stream)]
    pub stream: u64,
    /// Where the results go and how.
    #[command(flatten)]
    pub output: Output,
    /// Show every segment, also in the steady middle of a long connection
    #[arg(long, help_heading = "Output")]
    pub all: bool,
    /// How it is judged.
    #[command(flatten)]
    pub timers: AnalysisArguments,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Name of a finding, of a reset's cause, or of a group
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Form of the catalogue
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = CatalogueFormat::Text)]
    pub format: CatalogueFormat,
}

/// Forms of the catalogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CatalogueFormat {
    /// For people
    Text,
    /// One JSON array of objects: name, group, severity, summary, and the page in Markdown
    Json,
}

/// Arguments of a command that this version does not have: whatever a later version may take.
#[derive(Debug, Args)]
pub struct LaterArguments {
    /// Anything.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub rest: Vec<OsString>,
}

/// Arguments of `help`.
#[derive(Debug, Args)]
pub struct HelpArguments {
    /// A command.
    pub command: Option<String>,
}

/// What to read.
#[derive(Debug, Args)]
pub struct Input {
    /// Captures: files, directories of rotated files, or - for standard input
    ///
    /// pcap, pcapng, snoop and text traces are read, plain or compressed with gzip, zstd or lz4. Several are one input:
    /// connections run on from one file into the next, and frames are numbered through.
    #[arg(required = true, value_name = "CAPTURE")]
    pub captures: Vec<PathBuf>,
    /// Only frames that pass this capture filter, in tcpdump's language (pcap-filter(7)): 'host 10.0.0.1 and port 443'
    ///
    /// The others are counted as filtered; the numbers of frames and streams stay those of the whole input.
    #[arg(short = 'f', long, value_name = "BPF")]
    pub filter: Option<String>,
}

impl Input {
    /// Puts in the place of a pattern what it stands for: a quoted one, or one from a program, which no shell has
    /// expanded. A file of that very name comes first, and a pattern that nothing matches stays, so that the error names it.
    fn expand(&mut self) {
        let expanded = |path: PathBuf| {
            let pattern = path.to_str().filter(|name| name.contains(['*', '?', '[']) && !path.exists());
            let found = pattern.and_then(|pattern| glob::glob(pattern).ok());
            let found: Vec<PathBuf> = found.map(|paths| paths.flatten().collect()).unwrap_or_default();
            if found.is_empty() { vec![path] } else { found }
        };
        self.captures = std::mem::take(&mut self.captures).into_iter().flat_map(expanded).collect();
    }
}

/// How connections are judged and how many are kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "Analysis")]
pub struct AnalysisArguments {
    /// Whose timers hold at every end: linux, windows, macos, freebsd or rfc; else each end's by its SYN, or linux
    #[arg(long, value_name = "STACK", value_parser = profile)]
    profile: Option<Profile>,
    /// How long TIME-WAIT lasts, if not as the profile says; 60, or 0.5
    #[arg(long, value_name = "SECONDS", value_parser = seconds_ns)]
    time_wait: Option<i64>,
    /// Ports that clients choose from, if not as the profile says; as net.ipv4.ip_local_port_range, 32768-60999
    #[arg(long, value_name = "FIRST-LAST", value_parser = port_range)]
    port_range: Option<(u16, u16)>,
    /// Tell connections with equal addresses and ports apart by what they came through: vlan, vni, teid, interface
    ///
    /// Without it they are one, as in Wireshark. With it, streams are numbered differently from Wireshark's. The
    /// directions of a connection that bear different tags fall apart.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = split_by)]
    split_by: Vec<SplitBy>,
    /// Which TCP checksums are computed: control (of segments without payload, and that open, close or reset), all, off
    ///
    /// All of them tell damaged payload from lost payload, and take longer.
    #[arg(long, value_name = "WHICH", default_value = "control", value_parser = checksums)]
    checksums: Checksums,
    /// Say at the end which names the capture itself has for addresses (pcapng Name Resolution Blocks)
    #[arg(long)]
    names: bool,
    /// Connections kept at once; beyond it, those idle longest are reported early
    ///
    /// If not given: 4 million of a capture, of which SYNs that nobody answered count a quarter, and 1 million of a running
    /// interface. A connection takes some 200 octets, and such a SYN 50.
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    max_connections: Option<usize>,
    /// Threads that share the work; the results are the same for any number
    #[arg(long, value_name = "N", default_value_t = cores(), value_parser = at_least_one, hide_default_value = true)]
    threads: usize,
    /// Which findings are told, how much they weigh and from where on; without it the nearest lastack.toml in this
    /// folder or above it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl AnalysisArguments {
    /// The analysis' own options.
    ///
    /// # Errors
    /// The configuration cannot be read or is not understood.
    pub fn options(&self) -> anyhow::Result<Options> {
        let is_given = self.profile.is_some() || self.time_wait.is_some() || self.port_range.is_some();
        let mut profile = self.profile.unwrap_or_default();
        if is_given {
            profile = profile.known(ProfileBasis::Given);
        }
        profile.time_wait_ns = self.time_wait.unwrap_or(profile.time_wait_ns);
        (profile.ephemeral_first, profile.ephemeral_last) =
            self.port_range.unwrap_or((profile.ephemeral_first, profile.ephemeral_last));
        let limits = self.limits(Limits::default());
        let (threads, policy) = (self.threads, self.policy()?);
        let split_by = self.split_by.iter().copied().collect();
        let (checksums, names) = (self.checksums, self.names);
        Ok(Options { profile, limits, policy, threads, split_by, checksums, names, ..Options::default() })
    }

    /// The same for a running interface, which has no end.
    ///
    /// # Errors
    /// As [`AnalysisArguments::options`].
    #[cfg(feature = "live")]
    pub fn live_options(&self) -> anyhow::Result<Options> {
        let limits = self.limits(Limits::ENDLESS);
        Ok(Options { breadth: Breadth::ENDLESS, limits, ..self.options()? })
    }

    fn limits(&self, usual: Limits) -> Limits {
        self.max_connections.map_or(usual, Limits::connections)
    }

    fn policy(&self) -> anyhow::Result<Policy> {
        match &self.config {
            Some(file) => Ok(Policy::load(file)?),
            // A folder that is gone has no configuration.
            None => Ok(std::env::current_dir().map_or_else(|_| Ok(Policy::default()), |at| Policy::discover(&at))?),
        }
    }
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Where the results go and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Form of the results
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Text)]
    pub format: Format,
    /// Write to FILE instead of standard output; it appears under its name only when it is complete
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Which connections are shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Selection (repeat or separate by commas; the summary stays that of the whole input)")]
pub struct SelectionArguments {
    /// Only these streams, numbered as Wireshark's tcp.stream
    #[arg(long = "stream", value_name = "N", value_delimiter = ',', value_parser = stream)]
    streams: Vec<u64>,
    /// Only connections with one of these findings: names, causes of resets, groups (lastack explain lists them); 'syn-*' stands for
    /// all that begin so
    #[arg(long = "finding", value_name = "NAME", value_delimiter = ',')]
    findings: Vec<String>,
    /// Only connections with an end whose last state is one of these
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = state)]
    states: Vec<State>,
    /// Only connections with one of these addresses
    #[arg(long = "host", value_name = "IP", value_delimiter = ',', value_parser = host)]
    hosts: Vec<IpAddr>,
    /// Only connections with one of these ports
    #[arg(long = "port", value_name = "PORT", value_delimiter = ',', value_parser = port)]
    ports: Vec<u16>,
}

impl From<SelectionArguments> for Selection {
    fn from(arguments: SelectionArguments) -> Self {
        let SelectionArguments { streams, findings, states, hosts, ports } = arguments;
        Self { streams, findings, states, hosts, ports }
    }
}

/// What holds for every command: how to talk to people, and what to give up.
#[derive(Debug, Args)]
#[command(next_help_heading = "Terminal")]
pub struct Talk {
    /// When to colour text
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto, global = true)]
    pub color: Color,
    /// Time zone of text output: utc, local, or a name such as Europe/Vienna
    #[arg(long = "tz", value_name = "ZONE", default_value = "utc", value_parser = zone, global = true)]
    pub zone: TimeZone,
    /// No progress bar
    #[arg(long, global = true)]
    pub no_progress: bool,
    /// Nothing on standard error but errors and what was skipped
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// What the program gives up before it looks at frames: access to other files, programs, connections
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Sandbox::BestEffort, global = true, help_heading = "Safety")]
    pub sandbox: Sandbox,
}

/// Forms of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Ndjson,
    /// The same objects as one array.
    Json,
    /// Not in this version.
    Csv,
    /// Not in this version.
    Zeek,
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Format::Text, Format::Ndjson, Format::Json, Format::Csv, Format::Zeek]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Format::Text => PossibleValue::new("text").help("A report for people"),
            Format::Ndjson => PossibleValue::new("ndjson").help("One JSON object a line, as soon as it is known"),
            Format::Json => PossibleValue::new("json").help("The same objects as one JSON array"),
            Format::Csv => PossibleValue::new("csv").hide(true),
            Format::Zeek => PossibleValue::new("zeek").hide(true),
        })
    }
}

/// Orders of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As they end: memory stays bounded, and a pipe sees results early
    End,
    /// By stream number: everything is held until the input ends
    Stream,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// When the output is a terminal and NO_COLOR is not set
    Auto,
    /// Also into files and pipes
    Always,
    /// Never
    Never,
}

fn stream(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "the number of a connection in the reports, such as 0 or 17".to_owned())
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "a number from 0 to 65535, such as 443".to_owned())
}

pub(super) fn host(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "an address, such as 10.0.0.1 or 2001:db8::1; names are not resolved".to_owned())
}

pub(super) fn state(name: &str) -> Result<State, String> {
    let named = State::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(name));
    named.or_else(|| ss_state(name)).ok_or_else(|| {
        let names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
        format!("the states are {}", names.join(", "))
    })
}

/// `ss -tan` has shorter names for three states; they are understood as well.
fn ss_state(name: &str) -> Option<State> {
    match name.to_ascii_uppercase().as_str() {
        "ESTAB" => Some(State::Established),
        "SYN-RECV" => Some(State::SynReceived),
        "UNCONN" => Some(State::Closed),
        _ => None,
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    Profile::ALL.into_iter().find(|profile| profile.name == name).ok_or_else(|| {
        let names: Vec<&str> = Profile::ALL.iter().map(|profile| profile.name).collect();
        format!("the stacks are {}", names.join(", "))
    })
}

pub(super) fn seconds_ns(text: &str) -> Result<i64, String> {
    /// A year: longer than any TIME-WAIT, and far from the end of 64 bits.
    const SECONDS_MAX: f64 = 31_557_600.0;
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=SECONDS_MAX).contains(&seconds) => Ok((seconds * 1e9).round() as i64),
        _ => Err("a number of seconds from 0 to a year".to_owned()),
    }
}

fn split_by(word: &str) -> Result<SplitBy, String> {
    match word {
        "vlan" => Ok(SplitBy::VLAN),
        "vni" => Ok(SplitBy::VNI),
        "teid" => Ok(SplitBy::TEID),
        "interface" => Ok(SplitBy::INTERFACE),
        _ => Err("one of vlan, vni, teid, interface".to_owned()),
    }
}

fn checksums(word: &str) -> Result<Checksums, String> {
    match word {
        "control" => Ok(Checksums::Control),
        "all" => Ok(Checksums::All),
        "off" => Ok(Checksums::Off),
        _ => Err("one of control, all, off".to_owned()),
    }
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    let range = text.split_once(['-', ':']).and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
    range.filter(|(first, last)| first <= last).ok_or_else(|| "two ports, the lower one first: 32768-60999".to_owned())
}

/// A number that is not 0.
///
/// # Errors
/// It is none, in words for the user.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&number| number > 0).ok_or_else(|| "a number from 1 on".to_owned())
}

fn zone(name: &str) -> Result<TimeZone, String> {
    match name.to_ascii_lowercase().as_str() {
        "utc" => Ok(TimeZone::UTC),
        "local" => Ok(TimeZone::system()),
        _ => TimeZone::get(name).map_err(|_| "no such time zone on this machine; try utc or local".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn with_default(line: &str) -> String {
        let args = line.split_whitespace().map(OsString::from);
        let args = Arguments::with_default_command(args);
        args.iter().map(|arg| arg.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_definition_is_sound_and_names_every_command() {
        let mut command = Arguments::command();
        command.build();
        command.clone().debug_assert();
        let named: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(named, COMMANDS);
    }

    #[test]
    fn a_capture_without_a_command_is_read() {
        assert_eq!(with_default("lastack web.pcap"), "lastack read web.pcap");
        assert_eq!(with_default("lastack -"), "lastack read -");
        assert_eq!(with_default("lastack --format ndjson web.pcap"), "lastack read --format ndjson web.pcap");
        assert_eq!(with_default("lastack -q show web.pcap"), "lastack -q show web.pcap");
        assert_eq!(with_default("lastack show web.pcap"), "lastack show web.pcap");
        assert_eq!(with_default("lastack --sandbox off live -D"), "lastack --sandbox off live -D");
        assert_eq!(with_default("lastack --color=never ss web.pcap"), "lastack --color=never ss web.pcap");
        assert_eq!(with_default("lastack --tz utc web.pcap"), "lastack read --tz utc web.pcap");
        assert_eq!(with_default("lastack --help"), "lastack --help");
        assert_eq!(with_default("lastack"), "lastack");
    }
}
