//! From the arguments to a running session, and from its end to an exit code.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZero;
use std::os::fd::AsFd;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Context, bail, ensure};

use super::arguments::{
    CaptureArguments, KeepArguments, LiveArguments, LiveFormat, LiveOutput, MetricsArguments, StampType,
};
use super::clerk::Clerk;
use super::companions::{Both, Companions, Numbers, Out};
use super::keep::Keeper;
use super::metrics::Metrics;
use super::privileges::{self, Files};
use super::session::{self, End, Limits};
use super::shared::Shared;
use super::view::{Feed, Look, Model, Screen};
use super::watch::{Events, Telling, Told, Watcher};
use crate::analysis::{Analysis, Scribes, decoder};
use crate::cli::arguments::Talk;
use crate::cli::charset::{Ascii, lacks_utf8};
use crate::cli::explain::all_meant;
use crate::cli::heap::Heap;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{cannot_write, is_terminal, named};
use crate::cli::read::again;
use crate::cli::sandbox::{self, Needs, Sandbox};
use crate::cli::terminal::canvas;
use crate::cli::{Outcome, say};
use crate::report::{CaptureRecord, Json, Rows, Selected, Selection, Sink, Summary, Text, counted};
use crate::source::live::{Delivery, LiveCapture, LiveError, LiveOptions, Promiscuity, Stamps, devices};

/// Runs the command.
///
/// # Errors
/// Whatever ends it with exit code 2.
pub fn run(arguments: LiveArguments, talk: &Talk) -> anyhow::Result<Outcome> {
    if arguments.list_interfaces {
        list(&mut io::stdout().lock())?;
        return Ok(Outcome::Done);
    }
    let mut selection = Selection::from(arguments.selection);
    selection.findings = all_meant(&selection.findings)?.into_iter().map(str::to_owned).collect();
    let KeepArguments { rotate_size, rotate_time, rotate_keep, triggers, .. } = &arguments.keep;
    let is_one_file = rotate_size.is_none() && rotate_time.is_none() && triggers.is_empty();
    ensure!(
        rotate_keep.is_none() || !is_one_file,
        "--rotate-keep deletes the oldest of several files, and this is one: add --rotate-size, --rotate-time or --trigger"
    );
    let options = arguments.timers.live_options()?;
    let mut interrupt = Interrupt::listen()?;
    interrupt.listen_to_termination()?;
    let interface = arguments.interface.unwrap_or_default();
    let shown = Shown::of(&arguments.output);
    let delivery = if shown == Shown::View { Delivery::Immediate } else { Delivery::Batched };
    let mut capture = open(&interface, arguments.filter, &arguments.capture, delivery)?;
    if let Some(warning) = capture.warning().filter(|_| !talk.quiet) {
        say(format_args!("{interface}: {warning}; going on without"));
    }
    let file = arguments.output.file.as_deref();
    let kept = arguments.keep.write.as_deref();
    ensure!(kept != Some(Path::new("-")), "--write - is no file: what is kept cannot go to standard output; name one");
    let MetricsArguments { metrics: address, metrics_file } = &arguments.metrics;
    let metrics = Metrics::open(*address, metrics_file.as_deref()).context("--metrics")?;
    if let Some(address) = metrics.local_addr().filter(|_| !talk.quiet) {
        say(format_args!("metrics at http://{address}/metrics"));
    }
    let written: Vec<&Path> = kept.into_iter().chain(metrics_file.as_deref()).collect();
    let writes: Vec<&Path> = named(file).into_iter().chain(written.iter().copied()).collect();
    // From here on nothing needs root: files are made by the one who called.
    let files = if writes.is_empty() { Files::None } else { Files::Written };
    drop_rights(talk.sandbox, files)?;
    let place = named(file).map_or_else(|| "standard output".into(), Path::to_path_buf);
    let (out, plain) = destination(file)?;
    let out: Out = Shared::new(out);
    let once_more = kept.map(|kept| again(&[kept.to_path_buf()]));
    let is_kept = once_more.is_some();
    let text = || Text::new(out.clone(), canvas(talk, file), Rows::Few, once_more);
    let model = Shared::new(Model::new(&interface));
    let sink: Box<dyn Sink> = match shown {
        Shown::View => Box::new(Both(text(), Feed(model.clone()))),
        Shown::Text => Box::new(text()),
        Shown::Ndjson => Box::new(Json::lines(out.clone())),
    };
    let events: Option<Box<dyn Sink>> = match shown {
        Shown::View => Some(Box::new(Feed(model.clone()))),
        Shown::Ndjson if arguments.output.events => Some(Box::new(Json::lines(out.clone()))),
        Shown::Ndjson | Shown::Text => None,
    };
    let events = events.map(|events| Selected::new(events, selection.clone()));
    let keeper = Keeper::new(&arguments.keep, &interface, capture.link(), capture.snaplen())?;
    let needs = Needs { writes: written.into_iter().map(Path::to_path_buf).collect(), ..Needs::default() };
    sandbox::enter(talk.sandbox, &needs)?;
    let told = Shared::new(Told::default());
    let selected = selection.clone();
    let is_watched = events.is_some() || metrics.is_wanted() || keeper.as_ref().is_some_and(Keeper::waits);
    let begun = Instant::now();
    let watcher = is_watched.then(|| Watcher::new(told.clone(), begun));
    let sink = Selected::new(sink, selection);
    let whether = if events.is_some() { Events::Told } else { Events::Noticed };
    let mut sink: Box<dyn Sink> =
        if is_watched { Box::new(Telling::new(sink, told.clone(), whether)) } else { Box::new(sink) };
    let mut analysis = Analysis::new(&options, &mut *sink);
    analysis
        .begin(&CaptureRecord {
            files: vec![interface.clone()],
            format: "live".to_owned(),
            link_types: vec![capture.link()],
        })
        .with_context(|| cannot_write(&place))?;
    let screen = match shown {
        Shown::View => Some(Screen::open(model.clone(), Look::new(&canvas(talk, None)))?),
        Shown::Text | Shown::Ndjson => {
            if !talk.quiet && io::stderr().is_terminal() {
                let octets = capture.snaplen();
                say(format_args!("listening on {interface}, {octets} octets of each frame; Ctrl-C ends it"));
            }
            None
        }
    };
    let numbers = match shown {
        Shown::View => Numbers::All,
        Shown::Text | Shown::Ndjson if metrics.is_wanted() => Numbers::Totals,
        Shown::Text | Shown::Ndjson => Numbers::None,
    };
    let interrupt = Some(interrupt);
    let heap = Heap::new(begun);
    let read_by = match named(file) {
        None => Some(io::stdout().as_fd().try_clone_to_owned().context("standard output")?),
        Some(_) => None,
    };
    let mut companions = Companions {
        events,
        out,
        keeper,
        watcher,
        told,
        model,
        numbers,
        screen,
        metrics,
        interrupt,
        heap,
        read_by,
        begun,
    };
    // Whoever reads knows now that frames are being captured.
    companions.out.flush().with_context(|| cannot_write(&place))?;
    let limits = Limits { duration: arguments.capture.duration, packets: arguments.capture.packets };
    let ended = session::run(&mut capture, &mut analysis, decoder(&options), &mut companions, limits);
    // The report comes after the view, on the terminal as it was.
    companions.screen = None;
    let truncated = !matches!(ended, Ok((End::Limit | End::Asked, _)));
    let (counters, delivered, newest) = (capture.counters(), capture.delivered(), capture.newest());
    // The kernel takes its time to close it, and until then goes on to fill the ring.
    let _closing = thread::Builder::new().name("closing".to_owned()).spawn(move || drop(capture));
    // Also after a failure: what was seen until then is told.
    let told = companions.told.with(|told| told.clone());
    let finished = match (shown, companions.out.flush()) {
        (Shown::Ndjson, Ok(())) => analysis.finish_with(
            truncated,
            &Scribes {
                threads: thread::available_parallelism().map_or(1, NonZero::get),
                make: &|| Box::new(Clerk::new(&selected, is_watched.then(|| (told.clone(), whether)), &plain)),
            },
        ),
        _ => analysis.finish(truncated),
    };
    // The frames are whole also where nobody reads the results any more.
    if let Some(keeper) = companions.keeper.take() {
        let until = ended.as_ref().map_or(newest, |(_, until)| *until);
        let kept = keeper.finish(counters, delivered, until);
        // Why it ended is the news, not that the same file cannot be ended either.
        if ended.is_ok() {
            kept.context("cannot keep the last frames")?;
        }
    }
    let summary = finished.with_context(|| cannot_write(&place))?.summary;
    companions.out.flush().with_context(|| cannot_write(&place))?;
    companions.model.with(|model| companions.metrics.write(&summary, model))?;
    say_what_is_missing(&summary);
    if shown != Shown::Ndjson && !is_kept && !talk.quiet && io::stderr().is_terminal() {
        say(format_args!(
            "the frames were not kept: with --write FILE, lastack show FILE --stream N has one connection in full"
        ));
    }
    match ended?.0 {
        End::Limit | End::Asked => Ok(Outcome::Done),
        End::Interrupted => Ok(Outcome::Interrupted),
    }
}

/// Goes on as the caller: files are made in their name.
///
/// # Errors
/// It cannot be had, and `sandbox` insists on it.
fn drop_rights(sandbox: Sandbox, files: Files) -> anyhow::Result<()> {
    match sandbox {
        Sandbox::Off => Ok(()),
        Sandbox::Strict => privileges::drop_to_caller(files),
        Sandbox::BestEffort => {
            if let Err(error) = privileges::drop_to_caller(files) {
                say(format_args!("going on with the privileges that there are: {error:#}"));
            }
            Ok(())
        }
    }
}

/// Says which frames were seen and not understood, and which were not seen.
fn say_what_is_missing(summary: &Summary) {
    for (reason, count) in &summary.skipped {
        say(format_args!("skipped {}: {reason}", counted(*count, "frame")));
    }
    if let Some(counts) = summary.interface.filter(|counts| counts.dropped_by_kernel + counts.dropped_by_interface > 0)
    {
        say(format_args!(
            "not seen: {} for want of room in the ring (a larger -B helps), {} by the interface",
            counted(counts.dropped_by_kernel, "frame"),
            counted(counts.dropped_by_interface, "frame")
        ));
    }
}

/// What the user sees of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    View,
    Text,
    Ndjson,
}

impl Shown {
    fn of(output: &LiveOutput) -> Self {
        let has_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        match output.format {
            Some(LiveFormat::Text) => Shown::Text,
            Some(LiveFormat::Ndjson) => Shown::Ndjson,
            None if has_terminal && named(output.file.as_deref()).is_none() => Shown::View,
            None => Shown::Ndjson,
        }
    }
}

/// Where the results go, and the same without a buffer. Unlike those of a file, they are wanted while they grow.
fn destination(file: Option<&Path>) -> anyhow::Result<(Box<dyn Write>, File)> {
    const BUFFER_BYTES: usize = 64 << 10;
    let plain = match named(file) {
        None => File::from(io::stdout().as_fd().try_clone_to_owned().context("standard output")?),
        Some(name) => File::create(name).with_context(|| cannot_write(name))?,
    };
    let buffered: Box<dyn Write> = match named(file) {
        None if is_terminal(None) && lacks_utf8() => {
            Box::new(BufWriter::with_capacity(BUFFER_BYTES, Ascii(io::stdout())))
        }
        None => Box::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout())),
        Some(name) => {
            let file = plain.try_clone().with_context(|| cannot_write(name))?;
            Box::new(BufWriter::with_capacity(BUFFER_BYTES, file))
        }
    };
    Ok((buffered, plain))
}

fn open(
    interface: &str,
    filter: Option<String>,
    arguments: &CaptureArguments,
    delivery: Delivery,
) -> anyhow::Result<LiveCapture> {
    let options = LiveOptions {
        interface: interface.to_owned(),
        filter,
        promiscuity: if arguments.promisc { Promiscuity::All } else { Promiscuity::Own },
        snaplen: arguments.snaplen,
        buffer_bytes: arguments.buffer_size << 20,
        delivery,
        stamps: arguments.time_stamp_type.map(|stamps| match stamps {
            StampType::Host => Stamps::Host,
            StampType::HostLowPrecision => Stamps::HostLowPrecision,
            StampType::HostHighPrecision => Stamps::HostHighPrecision,
            StampType::Adapter => Stamps::Adapter,
            StampType::AdapterUnsynced => Stamps::AdapterUnsynced,
        }),
    };
    match LiveCapture::open(&options) {
        Err(error @ LiveError::NotAllowed { .. }) => {
            let program = std::env::current_exe().map_or_else(|_| "lastack".into(), |path| path.display().to_string());
            bail!(
                "{error}\nCapturing needs the right to open packet sockets. Either run it as root,\n  sudo {program} live -i \
                 {interface}\nor give the program that right once, for everyone who may run it:\n  sudo setcap \
                 cap_net_raw=ep {program}"
            )
        }
        other => Ok(other?),
    }
}

/// One line an interface: its name, whether it is up, its addresses, what libpcap says about it.
fn list(out: &mut impl Write) -> anyhow::Result<()> {
    let devices = devices()?;
    let width = devices.iter().map(|device| device.name.len()).max().unwrap_or(0);
    for device in devices {
        let mut words = vec![if device.running { "up".to_owned() } else { "down".to_owned() }];
        words.extend(device.addresses.iter().map(ToString::to_string));
        words.extend(device.description.map(|description| format!("({description})")));
        writeln!(out, "{:<width$} {}", device.name, words.join(" "))?;
    }
    Ok(())
}
