//! From the arguments to a running session, and from its end to an exit code.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;

use anyhow::{Context, bail};

use super::arguments::{CaptureArguments, LiveArguments, LiveFormat};
use super::keep::Keeper;
use super::privileges::{self, Files};
use super::session::{self, Beside, End, Limits, Wish};
use super::shared::Shared;
use super::watch::{Events, Telling, Told, Watcher};
use crate::analysis::Analysis;
use crate::cli::arguments::Talk;
use crate::cli::explain::meant;
use crate::cli::interrupt::Interrupt;
use crate::cli::output::{cannot_write, named};
use crate::cli::sandbox::{self, Needs, Sandbox};
use crate::cli::terminal::canvas;
use crate::cli::{Outcome, say};
use crate::report::{CaptureRecord, Json, Rows, Selected, Selection, Sink, Text, counted};
use crate::segment::Item;
use crate::source::Frame;
use crate::source::live::{Delivery, LiveCapture, LiveError, LiveOptions, Promiscuity, devices};

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
    for name in &mut selection.findings {
        *name = meant(name)?.name.to_owned();
    }
    let options = arguments.timers.options()?;
    let mut interrupt = Interrupt::listen()?;
    interrupt.listen_to_termination()?;
    let interface = arguments.interface.unwrap_or_default();
    let mut capture = open(&interface, arguments.filter, &arguments.capture)?;
    if let Some(warning) = capture.warning().filter(|_| !talk.quiet) {
        say(format_args!("{interface}: {warning}; going on without"));
    }
    let file = arguments.output.file.as_deref();
    let kept = arguments.keep.write.as_deref();
    let writes: Vec<&Path> = named(file).into_iter().chain(kept).collect();
    // From here on nothing needs root: files are made by the one who called.
    let files = if writes.is_empty() { Files::None } else { Files::Written };
    match talk.sandbox {
        Sandbox::Off => {}
        Sandbox::Strict => privileges::drop_to_caller(files)?,
        Sandbox::BestEffort => {
            if let Err(error) = privileges::drop_to_caller(files) {
                say(format_args!("going on with the privileges that there are: {error:#}"));
            }
        }
    }
    let place = named(file).map_or_else(|| "standard output".into(), Path::to_path_buf);
    let out = Shared::new(destination(file)?);
    let format = arguments.output.format.unwrap_or(LiveFormat::Ndjson);
    let sink: Box<dyn Sink> = match format {
        LiveFormat::Ndjson => Box::new(Json::lines(out.clone())),
        LiveFormat::Text => Box::new(Text::new(out.clone(), canvas(talk, file), Rows::Few, "FILE".to_owned())),
    };
    let wants_events = arguments.output.events && format == LiveFormat::Ndjson;
    let events = if wants_events { Events::Told } else { Events::Noticed };
    let keeper = Keeper::new(&arguments.keep, &capture)?;
    sandbox::enter(talk.sandbox, &Needs::new(&[], kept))?;
    let told = Shared::new(Told::default());
    let watcher = (wants_events || keeper.as_ref().is_some_and(Keeper::waits)).then(|| Watcher::new(told.clone()));
    let sink = Selected::new(sink, selection.clone());
    let mut sink: Box<dyn Sink> =
        if watcher.is_some() { Box::new(Telling::new(sink, told.clone(), events)) } else { Box::new(sink) };
    let mut analysis = Analysis::new(&options, &mut *sink);
    analysis
        .begin(&CaptureRecord {
            files: vec![interface.clone()],
            format: "live".to_owned(),
            link_types: vec![capture.link()],
        })
        .with_context(|| cannot_write(&place))?;
    if !talk.quiet && io::stderr().is_terminal() {
        say(format_args!("listening on {interface}, {} octets of each frame; Ctrl-C ends it", capture.snaplen()));
    }
    let mut companions = Companions {
        events: wants_events.then(|| Selected::new(Json::lines(out.clone()), selection)),
        out,
        keeper,
        watcher,
        told,
    };
    // Whoever reads knows now that frames are being captured.
    companions.out.flush().with_context(|| cannot_write(&place))?;
    let limits = Limits { duration: arguments.capture.duration, packets: arguments.capture.packets };
    let ended = session::run(&mut capture, &mut analysis, &mut companions, &interrupt, limits);
    let truncated = !matches!(ended, Ok(End::Limit | End::Asked));
    // Also after a failure: what was seen until then is told.
    let summary = analysis.finish(truncated).with_context(|| cannot_write(&place))?.summary;
    companions.out.flush().with_context(|| cannot_write(&place))?;
    if let Some(keeper) = companions.keeper {
        let counted = (capture.counters(), capture.delivered(), capture.newest());
        keeper.finish(counted.0, counted.1, counted.2).context("cannot keep the last frames")?;
    }
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
    match ended? {
        End::Limit | End::Asked => Ok(Outcome::Done),
        End::Interrupted => Ok(Outcome::Interrupted),
    }
}

/// Where results go; the analysis' sink and the loop both write to it.
type Out = Shared<Box<dyn Write>>;

/// What runs beside the analysis.
struct Companions {
    out: Out,
    events: Option<Selected<Json<Out>>>,
    keeper: Option<Keeper>,
    watcher: Option<Watcher>,
    told: Shared<Told>,
}

impl Beside for Companions {
    fn frame(&mut self, frame: &Frame<'_>, items: &[Item]) -> io::Result<()> {
        if let Some(watcher) = &mut self.watcher {
            watcher.note(items);
        }
        self.keeper.as_mut().map_or(Ok(()), |keeper| keeper.frame(frame))
    }

    fn tick(&mut self, analysis: &mut Analysis<'_>, _: &LiveCapture) -> io::Result<Wish> {
        if let Some(watcher) = &mut self.watcher {
            let events = self.events.as_mut().map(|events| events as &mut dyn Sink);
            watcher.tick(analysis, events, &mut ())?;
        }
        let fired = self.told.with(Told::take_fired);
        if let Some(keeper) = &mut self.keeper {
            for (_, finding) in fired {
                keeper.trigger(analysis.horizon(), finding)?;
            }
            keeper.flush()?;
        }
        self.out.flush()?;
        Ok(Wish::GoOn)
    }

    fn waits_for(&self) -> Vec<BorrowedFd<'_>> {
        Vec::new()
    }
}

/// Where the results go. Unlike those of a file, they are wanted while they grow.
fn destination(file: Option<&Path>) -> anyhow::Result<Box<dyn Write>> {
    const BUFFER_BYTES: usize = 64 << 10;
    Ok(match named(file) {
        None => Box::new(BufWriter::with_capacity(BUFFER_BYTES, io::stdout())),
        Some(name) => {
            let file = File::create(name).with_context(|| cannot_write(name))?;
            Box::new(BufWriter::with_capacity(BUFFER_BYTES, file))
        }
    })
}

fn open(interface: &str, filter: Option<String>, arguments: &CaptureArguments) -> anyhow::Result<LiveCapture> {
    let options = LiveOptions {
        interface: interface.to_owned(),
        filter,
        promiscuity: if arguments.promisc { Promiscuity::All } else { Promiscuity::Own },
        snaplen: arguments.snaplen,
        buffer_bytes: arguments.buffer_size << 20,
        delivery: Delivery::Batched,
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
    for device in devices()? {
        let mut words = vec![if device.running { "up".to_owned() } else { "down".to_owned() }];
        words.extend(device.addresses.iter().map(ToString::to_string));
        words.extend(device.description.map(|description| format!("({description})")));
        writeln!(out, "{:<15} {}", device.name, words.join(" "))?;
    }
    Ok(())
}
