//! `lastack ss`: the socket tables of a moment.

use std::net::IpAddr;

use anyhow::{Context, bail};
use clap::Args;

use super::Outcome;
use super::arguments::{AnalysisArguments, Format, Input, Output as OutputArguments, Talk, host, seconds_ns, state};
use super::census::with_unit_ns;
use super::input::{Ready, Skipped, analyse, conclude, ready};
use super::output::cannot_write;
use super::progress::Progress;
use super::read::{again, refuse_later};
use super::terminal::canvas;
use crate::base::Timestamp;
use crate::connection::State;
use crate::population::{Moment, Socket};
use crate::report::{Json, LeftOut, SocketList, sockets, sockets_json};

/// Arguments of `ss`.
#[derive(Debug, Args)]
pub struct SsArguments {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// The moment: 2026-11-21T03:31:00Z, +3.2s after the first frame, frame:1200 (just after it), or end
    #[arg(long, value_name = "TIME", value_parser = moment, default_value = "end", allow_hyphen_values = true)]
    pub at: Moment,
    /// Only sockets of these hosts
    #[arg(long = "host", value_name = "IP", value_delimiter = ',', value_parser = host)]
    pub hosts: Vec<IpAddr>,
    /// Only sockets in these states
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = state)]
    pub states: Vec<State>,
    /// Where the results go and how.
    #[command(flatten)]
    pub output: OutputArguments,
    /// How it is judged.
    #[command(flatten)]
    pub timers: AnalysisArguments,
}

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: &SsArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    let SsArguments { input, at, hosts, states, output, timers } = arguments;
    refuse_later(output.format)?;
    let mut options = timers.options()?;
    options.moment = Some(*at);
    let file = output.file.as_deref();
    let Ready { interrupt, mut captures, mut out, place, bar } = ready(input, options.threads, file, talk)?;
    let progress = Progress::new(bar, &captures, &interrupt);
    let ((), mut analysed) = analyse(&mut captures, &options, (), &place, progress)?;
    let Some(table) = analysed.sockets.take() else { bail!("no moment was reached") };
    let Some((at, frame)) = table.reached().filter(|_| analysed.summary.frames > 0) else {
        return match conclude(analysed, &interrupt, Skipped::ToBeSaid)? {
            Outcome::Interrupted => Ok(Outcome::Interrupted),
            _ => bail!("{}: no frame in what was read", again(&input.captures)),
        };
    };
    if let Moment::Frame(wanted) = arguments.at
        && wanted > frame
        && !analysed.interrupted
    {
        bail!("no frame {wanted}: the last one is {frame}");
    }
    if frame == 0 {
        let began = table.began().map(|began| began.to_string()).unwrap_or_default();
        bail!("at {at} the capture had not begun: its first frame is of {began}");
    }
    let beyond_ns = table.beyond_ns();
    let is_asked_for = |socket: &Socket| {
        (hosts.is_empty() || hosts.contains(&socket.local.ip)) && (states.is_empty() || states.contains(&socket.state))
    };
    let (asked, others): (Vec<Socket>, Vec<Socket>) = table.finish().into_iter().partition(is_asked_for);
    let left_out = left_out(&asked, &others, hosts, |host| analysed.population.hosts.has_sockets(host));
    let list = SocketList { at, frame, beyond_ns, sockets: asked, left_out };
    match output.format {
        Format::Ndjson => sockets_json(Json::lines(&mut out), &list),
        Format::Json => sockets_json(Json::array(&mut out), &list),
        Format::Text | Format::Csv | Format::Zeek => sockets(&mut out, &canvas(talk, file), &list),
    }
    .with_context(|| cannot_write(&place))?;
    out.complete()?;
    conclude(analysed, &interrupt, Skipped::ToBeSaid)
}

/// What `others` are, of which no filter let one through.
fn left_out(sockets: &[Socket], others: &[Socket], hosts: &[IpAddr], had_any: impl Fn(IpAddr) -> bool) -> LeftOut {
    let mut left_out = LeftOut::default();
    for socket in others {
        if hosts.is_empty() || hosts.contains(&socket.local.ip) {
            *left_out.states.entry(socket.state).or_default() += 1;
        } else {
            *left_out.hosts.entry(socket.local.ip).or_default() += 1;
        }
    }
    let has_one = |host: &&IpAddr| sockets.iter().chain(others).any(|socket| socket.local.ip == **host);
    left_out.absent = hosts.iter().filter(|host| !has_one(host)).map(|&host| (host, had_any(host))).collect();
    left_out
}

fn moment(text: &str) -> Result<Moment, String> {
    let frame = |number: &str| number.parse().ok().filter(|&number| number > 0).map(Moment::Frame);
    let moment = match (text, text.strip_prefix('+'), text.strip_prefix("frame:")) {
        ("end", ..) => Some(Moment::End),
        (_, Some(offset), _) => with_unit_ns(offset).or_else(|| seconds_ns(offset).ok()).map(Moment::Offset),
        (_, _, Some(number)) => frame(number),
        // The reports' own way of writing a time ends so.
        _ => match text.replace(" UTC", "Z").parse::<jiff::Timestamp>() {
            Ok(time) => {
                i64::try_from(time.as_nanosecond()).ok().map(|nanoseconds| Moment::Time(Timestamp(nanoseconds)))
            }
            Err(_) if is_local(text) => {
                let words = "which offset from UTC is that? 2026-11-21T04:31:00+01:00 has one, and Z stands for none";
                return Err(words.to_owned());
            }
            Err(_) => None,
        },
    };
    moment.ok_or_else(|| "a time such as 2026-11-21T03:31:00Z, +3.2s, frame:1200, or end".to_owned())
}

/// A date and a time of day begin it.
fn is_local(text: &str) -> bool {
    const SECONDS_END: usize = "2026-11-21T03:31:00".len();
    text.get(..SECONDS_END).is_some_and(|time| time.parse::<jiff::civil::DateTime>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_an_offset_is_asked_for_it() {
        for text in ["2026-11-21T04:31:00", "2026-11-21 04:31:00 CET", "2026-11-21 04:31:00.000000 +01"] {
            assert!(moment(text).unwrap_err().contains("which offset from UTC"), "{text}");
        }
        for text in ["2026-11-21", "soon", "9999-01-01T00:00:00Z"] {
            assert!(moment(text).unwrap_err().contains("a time such as"), "{text}");
        }
    }

    #[test]
    fn a_moment_is_a_time_an_offset_a_frame_or_the_end() {
        let second = 1_000_000_000;
        for (text, expected) in [
            ("end", Some(Moment::End)),
            ("frame:1200", Some(Moment::Frame(1_200))),
            ("frame:0", None),
            ("+3.2s", Some(Moment::Offset(3_200_000_000))),
            ("+3.2", Some(Moment::Offset(3_200_000_000))),
            ("+5min", Some(Moment::Offset(300 * second))),
            ("+0", Some(Moment::Offset(0))),
            ("2026-11-21T03:31:00Z", Some(Moment::Time(Timestamp(1_795_231_860 * second)))),
            ("2026-11-21T04:31:00.5+01:00", Some(Moment::Time(Timestamp(1_795_231_860 * second + second / 2)))),
            ("2026-11-21 03:31:00.000000 UTC", Some(Moment::Time(Timestamp(1_795_231_860 * second)))),
            ("2026-11-21", None),
            ("soon", None),
            ("9999-01-01T00:00:00Z", None),
        ] {
            assert_eq!(moment(text).ok(), expected, "{text}");
        }
    }
}
