//! Keeping the frames as pcapng: all of them in one file or in files that rotate, or only those around a finding.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::arguments::KeepArguments;
use crate::base::Timestamp;
use crate::cli::explain::all_meant;
use crate::finding::Loss;
use crate::source::live::Counters;
use crate::source::write::{InterfaceOptions, PacketOptions, PcapngWriter};
use crate::source::{ByteOrder, Drops, Frame, LinkType};

const BUFFER_BYTES: usize = 256 << 10;

/// Frames that wait for a finding take this much memory at most, whatever time they reach back.
const RING_BYTES_MAX: usize = 64 << 20;

/// What a frame in memory costs beside its octets.
const RING_FRAME_BYTES: usize = 64;

/// Keeps frames.
pub struct Keeper {
    plan: Plan,
    interface: String,
    link: LinkType,
    snaplen: u32,
    open: Option<Open>,
    /// Files made so far.
    serial: u32,
    /// Those that are still there, oldest first, where older ones are deleted.
    files: VecDeque<PathBuf>,
    ring: Option<Ring>,
}

/// What the user wants.
struct Plan {
    path: PathBuf,
    rotate_bytes: Option<u64>,
    rotate_ns: Option<i64>,
    files_max: Option<usize>,
    triggers: Vec<&'static str>,
    before_ns: i64,
    after_ns: i64,
}

/// The file that is being written.
struct Open {
    writer: PcapngWriter<Counted>,
    begun: Option<Timestamp>,
    path: PathBuf,
    /// Frames that were lost since it began.
    lost: u64,
}

/// Frames of the last while, kept for the case that a finding comes.
#[derive(Default)]
struct Ring {
    held: VecDeque<Held>,
    bytes: usize,
    /// Frames are written until then.
    until: Option<Timestamp>,
}

/// What would be written.
enum Held {
    Frame { time: Timestamp, bytes: Box<[u8]>, original_len: u32 },
    Lost(Loss),
}

impl Held {
    fn time(&self) -> Timestamp {
        match self {
            Held::Frame { time, .. } => *time,
            Held::Lost(loss) => loss.to,
        }
    }

    /// What it takes of the memory.
    fn cost(&self) -> usize {
        match self {
            Held::Frame { bytes, .. } => bytes.len() + RING_FRAME_BYTES,
            Held::Lost(_) => RING_FRAME_BYTES,
        }
    }
}

impl Keeper {
    /// As the arguments say, with frames of `interface`, which begin as `link` says and are cut to `snaplen` octets; none when nothing is to be kept.
    ///
    /// # Errors
    /// A finding that there is not, or a file that cannot be made.
    pub fn new(
        arguments: &KeepArguments,
        interface: &str,
        link: LinkType,
        snaplen: u32,
    ) -> anyhow::Result<Option<Self>> {
        let Some(path) = &arguments.write else { return Ok(None) };
        let triggers = all_meant(&arguments.triggers)?;
        let nanos = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        let plan = Plan {
            path: path.clone(),
            rotate_bytes: arguments.rotate_size.map(|mib| mib << 20),
            rotate_ns: arguments.rotate_time.map(nanos),
            files_max: arguments.rotate_keep,
            before_ns: nanos(arguments.before),
            after_ns: nanos(arguments.after),
            triggers,
        };
        let ring = (!plan.triggers.is_empty()).then(Ring::default);
        let mut keeper = Self {
            plan,
            interface: interface.to_owned(),
            link,
            snaplen,
            open: None,
            serial: 0,
            files: VecDeque::new(),
            ring,
        };
        if !keeper.plan.is_several() {
            // A name that cannot be written to is an error at once and not in the middle.
            keeper.begin(None, "").context("--write")?;
        }
        Ok(Some(keeper))
    }

    /// Findings are waited for.
    pub fn waits(&self) -> bool {
        self.ring.is_some()
    }

    /// Takes the next frame.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        if let Some(ring) = &mut self.ring {
            let held = || Held::Frame { time: frame.time, bytes: frame.bytes.into(), original_len: frame.original_len };
            match ring.until {
                Some(until) if frame.time <= until => {}
                Some(_) => {
                    ring.until = None;
                    ring.hold(held(), self.plan.before_ns);
                    return self.end(None);
                }
                None => {
                    ring.hold(held(), self.plan.before_ns);
                    return Ok(());
                }
            }
        } else if self.is_full(frame.time) {
            self.end(None)?;
        }
        self.write(frame.time, frame.bytes, frame.original_len, "")
    }

    /// Frames were lost: who reads the file again should know when.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn lost(&mut self, loss: Loss) -> io::Result<()> {
        match &mut self.ring {
            Some(ring) if ring.until.is_none() => {
                ring.hold(Held::Lost(loss), self.plan.before_ns);
                Ok(())
            }
            _ => self.write_lost(loss, ""),
        }
    }

    /// A finding came, known at `time`: if it was waited for, what is in memory and what follows is written.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn trigger(&mut self, time: Timestamp, finding: &str) -> io::Result<()> {
        let Some(ring) = self.ring.as_mut().filter(|_| self.plan.triggers.contains(&finding)) else { return Ok(()) };
        ring.until = Some(time.plus(self.plan.after_ns));
        ring.bytes = 0;
        for held in std::mem::take(&mut ring.held) {
            match held {
                Held::Frame { time, bytes, original_len } => self.write(time, &bytes, original_len, finding)?,
                Held::Lost(loss) => self.write_lost(loss, finding)?,
            }
        }
        Ok(())
    }

    /// Everything so far reaches the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.writer.get_mut().out.flush().map_err(|error| of_file(&open.path, error))
    }

    /// The end, with what was counted on the interface until then: after its last frame it may have been silent, and who reads the
    /// file again should know for how long.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self, counters: Counters, delivered: u64, until: Timestamp) -> io::Result<()> {
        self.end(Some((counters, delivered, until)))
    }

    fn write(&mut self, time: Timestamp, bytes: &[u8], original_len: u32, why: &str) -> io::Result<()> {
        self.put(time, why, |open| open.writer.frame(0, time, bytes, original_len, PacketOptions::default()))
    }

    /// Between what was counted before and after, frames are missing.
    fn write_lost(&mut self, loss: Loss, why: &str) -> io::Result<()> {
        self.put(loss.to, why, |open| {
            let counted = |lost| Drops { by_system: Some(lost), ..Drops::default() };
            open.writer.statistics(0, loss.from, counted(open.lost))?;
            open.lost = open.lost.saturating_add(loss.frames);
            open.writer.statistics(0, loss.to, counted(open.lost))
        })
    }

    /// Writes what happened at `time` to the open file, or a new one.
    fn put(&mut self, time: Timestamp, why: &str, write: impl FnOnce(&mut Open) -> io::Result<()>) -> io::Result<()> {
        if self.open.is_none() {
            self.begin(Some(time), why)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        open.begun.get_or_insert(time);
        write(open).map_err(|error| of_file(&open.path, error))
    }

    fn is_full(&self, time: Timestamp) -> bool {
        let Some(open) = &self.open else { return false };
        let written = open.writer.get_ref().bytes;
        self.plan.rotate_bytes.is_some_and(|most| written >= most)
            || self.plan.rotate_ns.is_some_and(|most| open.begun.is_some_and(|begun| time.since(begun) >= most))
    }

    fn begin(&mut self, begun: Option<Timestamp>, why: &str) -> io::Result<()> {
        self.serial += 1;
        let path = if self.plan.is_several() {
            numbered(&self.plan.path, self.serial, begun.unwrap_or_default(), why)
        } else {
            self.plan.path.clone()
        };
        let file = File::create(&path).map_err(|error| of_file(&path, error))?;
        let out = Counted { out: BufWriter::with_capacity(BUFFER_BYTES, file), bytes: 0 };
        let application = concat!("lastack ", env!("CARGO_PKG_VERSION"));
        let mut writer = PcapngWriter::new(out, ByteOrder::Little, application)?;
        let name = Some(self.interface.clone());
        writer
            .interface(self.link, &InterfaceOptions { name, snaplen: self.snaplen, ..InterfaceOptions::default() })?;
        self.open = Some(Open { writer, begun, path, lost: 0 });
        Ok(())
    }

    fn end(&mut self, counted: Option<(Counters, u64, Timestamp)>) -> io::Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let path = open.path.clone();
        let of_this = |error| of_file(&path, error);
        if let Some((counters, delivered, until)) = counted {
            let drops = Drops {
                received: Some(counters.received),
                // Of several files each tells of what was lost in its own time.
                by_system: Some(open.lost),
                by_interface: Some(counters.dropped_by_interface),
                delivered: Some(delivered),
                ..Drops::default()
            };
            open.writer.statistics(0, until, drops).map_err(of_this)?;
        }
        open.writer.finish().map_err(of_this)?;
        if let Some(most) = self.plan.files_max {
            self.files.push_back(open.path);
            while self.files.len() > most {
                if let Some(oldest) = self.files.pop_front() {
                    // Somebody may have taken it away already, which is as good.
                    let _ = fs::remove_file(oldest);
                }
            }
        }
        Ok(())
    }
}

impl Plan {
    /// There may be more than one file.
    fn is_several(&self) -> bool {
        self.rotate_bytes.is_some() || self.rotate_ns.is_some() || !self.triggers.is_empty()
    }
}

impl Ring {
    fn hold(&mut self, held: Held, before_ns: i64) {
        let time = held.time();
        self.bytes += held.cost();
        self.held.push_back(held);
        let is_old = |oldest: &Held| time.since(oldest.time()) > before_ns;
        while let Some(oldest) = self.held.front()
            && (self.bytes > RING_BYTES_MAX || is_old(oldest))
        {
            self.bytes -= oldest.cost();
            self.held.pop_front();
        }
    }
}

/// An error that says where it happened.
fn of_file(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// `web.pcapng` as `web_00001_20261121T033100Z.pcapng`, so that names sort as the files follow; with the finding at the end
/// where one was waited for.
fn numbered(path: &Path, serial: u32, time: Timestamp, why: &str) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map_or_else(|| "pcapng".into(), |extension| extension.to_string_lossy());
    let moment: String = time.to_string().chars().take(19).filter(|c| !"-:".contains(*c)).collect();
    let why = if why.is_empty() { String::new() } else { format!("_{why}") };
    path.with_file_name(format!("{stem}_{serial:05}_{moment}Z{why}.{extension}"))
}

/// Counts what is written.
struct Counted {
    out: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
