//! One capture: its bytes, its format and the reader for it.

use std::fmt;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use memmap2::Mmap;

use super::catalog::Catalog;
use super::compression::{self, Compression};
use super::error::Fault;
use super::foreign;
use super::meter::{Meter, Metered};
use super::pcap::{self, PcapReader};
use super::pcapng::{self, PcapngReader};
use super::snoop::{self, SnoopReader};
use super::window::{Beginning, Window};
use super::{Access, Borrower, Frame, Interface, Options, ReadAhead, Record, limits, script};
use crate::base::prefetch::{LINE_BYTES, prefetch_at};
use crate::base::{FrameNumber, Timestamp};

/// The format of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// pcap in any of its variants.
    Pcap,
    /// pcapng.
    Pcapng,
    /// snoop (RFC 1761).
    Snoop,
    /// A text trace ([`script`](super::script)).
    Trace,
}

impl Format {
    /// The word for it in machine output.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Pcap => "pcap",
            Format::Pcapng => "pcapng",
            Format::Snoop => "snoop",
            Format::Trace => "trace",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[derive(Debug)]
enum Reader {
    Pcap(PcapReader),
    Pcapng(PcapngReader),
    Snoop(SnoopReader),
    /// A text trace, which was written out as pcap.
    Trace(PcapReader),
}

/// A reader whose records can be looked at where they are in memory.
pub(super) trait Look {
    /// A frame without bytes, with what all frames have in common.
    fn blank<'a>(&self) -> Frame<'a>;

    /// Makes of `frame`, which was lent [blank](Look::blank) before the first, the one that `bytes` begin with, but for its number.
    /// Returns what is in memory behind it; none where its record is not whole or has something unusual.
    fn look<'a>(&mut self, bytes: &'a [u8], frame: &mut Frame<'a>, catalog: &mut Catalog) -> Option<&'a [u8]>;
}

/// Frames that are lent one after another.
#[derive(Debug)]
pub(super) struct Run {
    /// The number of the one before, and of the last.
    pub after: FrameNumber,
    pub last: FrameNumber,
    /// All have an earlier time.
    pub before: Timestamp,
}

/// What came of it.
struct Lent {
    /// How many.
    count: usize,
    /// Octets that were gone over.
    len: usize,
    /// The last record in them, if it comes too late.
    not_yet: Option<Record>,
}

impl Run {
    /// Lends the frames that `available` begins with. They take turns in one place, into which what is the same of all is written before
    /// the first, and nothing twice. A function of its own, which has the registers to itself.
    #[inline(never)]
    fn lend<L: Look>(&self, reader: &mut L, available: &[u8], catalog: &mut Catalog, mut to: impl Borrower) -> Lent {
        let mut rest = available;
        let mut frame = Frame { number: self.after, ..reader.blank() };
        let mut counted = Counted { interface: frame.interface, after: self.after };
        while frame.number < self.last
            && let Some(behind) = reader.look(rest, &mut frame, catalog)
        {
            if frame.time >= self.before {
                counted.add_to(catalog, frame.number);
                let not_yet = Some(Record::whole(&frame, available));
                return Lent { not_yet, ..self.lent(frame.number, available, behind) };
            }
            // Where the next one begins is known only now, and it is in no near cache yet.
            prefetch_at(behind, 0);
            prefetch_at(behind, LINE_BYTES);
            counted.next(frame.interface, frame.number, catalog);
            frame.number.0 += 1;
            rest = behind;
            to.take(&frame);
        }
        counted.add_to(catalog, frame.number);
        self.lent(frame.number, available, rest)
    }

    /// All up to this number were lent, and `rest` was not looked at.
    fn lent(&self, number: FrameNumber, available: &[u8], rest: &[u8]) -> Lent {
        Lent { count: (number.0 - self.after.0) as usize, len: available.len() - rest.len(), not_yet: None }
    }
}

/// The record that `available` begins with, and its octets.
#[inline]
fn first<L: Look>(reader: &mut L, available: &[u8], catalog: &mut Catalog) -> Option<(Record, usize)> {
    let mut frame = reader.blank();
    let behind = reader.look(available, &mut frame, catalog)?;
    Some((Record::whole(&frame, available), available.len() - behind.len()))
}

/// An open capture.
#[derive(Debug)]
pub(super) struct Capture {
    window: Window,
    reader: Reader,
    compression: Option<Compression>,
    /// Counts the bytes on disk; none when they are mapped.
    meter: Option<Arc<Meter>>,
    /// What reading ahead gave, not yet handed out.
    ahead: Option<Result<Option<Record>, Fault>>,
}

/// What programs print about captures is no capture.
const TEXT: Fault = Fault::Foreign {
    what: "a text",
    cure: "what tcpdump and tshark print cannot be read back, only what they write with -w, and text traces",
};

/// How many bytes tell a format or a compression.
const HEAD_BYTES: usize = 8;

/// Buffers that a file fills before it is worth a thread that reads it ahead.
const AHEAD_BUFFERS_MIN: u64 = 8;

impl Capture {
    /// Opens the file at `path`. `file` is the index that its interfaces are registered with.
    pub(super) fn open(path: &Path, options: &Options, file: usize, catalog: &mut Catalog) -> Result<Self, Fault> {
        let opened = File::open(path)?;
        let metadata = opened.metadata()?;
        if options.access == Access::Map && metadata.is_file() {
            // SAFETY: the map is only read, as bytes of any value. A file that is truncated under it raises SIGBUS,
            // which `Access::Map` names as the price and which is why it is not the default.
            let mut window = Window::mapped(unsafe { Mmap::map(&opened)? });
            if Compression::recognise(head(&mut window)?).is_none() {
                return Self::recognise(window, None, None, file, catalog);
            }
        }
        let opened = Arc::new(opened);
        let is_long = metadata.is_file() && metadata.len() >= AHEAD_BUFFERS_MIN * options.buffer_bytes as u64;
        let long = is_long.then(|| Arc::clone(&opened));
        Self::read_on(Box::new(opened), long, options, file, catalog)
    }

    /// Reads from a stream.
    pub(super) fn read(
        reader: Box<dyn Read + Send>,
        options: &Options,
        file: usize,
        catalog: &mut Catalog,
    ) -> Result<Self, Fault> {
        Self::read_on(reader, None, options, file, catalog)
    }

    /// The same. If it is a `long` file, two may read it.
    fn read_on(
        reader: Box<dyn Read + Send>,
        long: Option<Arc<File>>,
        options: &Options,
        file: usize,
        catalog: &mut Catalog,
    ) -> Result<Self, Fault> {
        let meter = Arc::new(Meter::default());
        let beginning = |reader| Beginning::read(reader, HEAD_BYTES, options.buffer_bytes);
        let mut begun = beginning(Box::new(Metered::new(reader, Arc::clone(&meter), options.stop.clone())))?;
        let compression = Compression::recognise(begun.bytes());
        if let Some(compression) = compression {
            let unpacked = compression::unpack(compression, begun.into_reader(), Arc::clone(&meter))?;
            begun = beginning(unpacked)?;
        }
        let long = long.filter(|_| compression.is_none() && options.ahead == ReadAhead::Long);
        let long = long.map(|file| Metered::new(file, Arc::clone(&meter), options.stop.clone()));
        let is_unpacked_apart = compression.is_some() && options.ahead != ReadAhead::Nothing;
        let window = match long.is_some() || is_unpacked_apart {
            true => Window::ahead(begun, long),
            false => Window::buffered(begun),
        };
        Self::recognise(window, compression, Some(meter), file, catalog)
    }

    /// Recognises the format by content.
    fn recognise(
        mut window: Window,
        compression: Option<Compression>,
        meter: Option<Arc<Meter>>,
        file: usize,
        catalog: &mut Catalog,
    ) -> Result<Self, Fault> {
        let head = head(&mut window)?;
        let register = |interface: Interface| catalog.register(interface);
        let reader = if head.is_empty() {
            return Err(Fault::Empty);
        } else if pcap::recognises(head) {
            Reader::Pcap(PcapReader::open(&mut window, file, register)?)
        } else if pcapng::recognises(head) {
            Reader::Pcapng(PcapngReader::open(file))
        } else if snoop::recognises(head) {
            Reader::Snoop(SnoopReader::open(&mut window, file, register)?)
        } else {
            let head = hexadecimal(head);
            window.fill(foreign::TELLING)?;
            let beginning = window.available();
            let beginning = &beginning[..beginning.len().min(foreign::TELLING)];
            if let Some(fault) = foreign::recognise(beginning, compression.is_some()) {
                return Err(fault);
            }
            let fault = if foreign::is_text(beginning) { TEXT } else { Fault::NotACapture { head } };
            window = framed(&mut window).unwrap_or(Err(fault))?;
            window.fill(HEAD_BYTES)?;
            Reader::Trace(PcapReader::open(&mut window, file, register)?)
        };
        Ok(Self { window, reader, compression, meter, ahead: None })
    }

    pub(super) fn format(&self) -> Format {
        match self.reader {
            Reader::Pcap(_) => Format::Pcap,
            Reader::Pcapng(_) => Format::Pcapng,
            Reader::Snoop(_) => Format::Snoop,
            Reader::Trace(_) => Format::Trace,
        }
    }

    pub(super) fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// The next record, if it can be had without reading on; [`Capture::bytes`] gives its bytes until the next call.
    #[inline]
    pub(super) fn next_whole(&mut self, catalog: &mut Catalog) -> Option<Record> {
        if self.ahead.is_some() {
            return None;
        }
        let available = self.window.available();
        let (record, len) = match &mut self.reader {
            Reader::Pcap(reader) | Reader::Trace(reader) if reader.is_usual() => first(reader, available, catalog)?,
            Reader::Pcapng(reader) => first(reader, available, catalog)?,
            Reader::Pcap(_) | Reader::Trace(_) | Reader::Snoop(_) => return None,
        };
        Some(record.at(self.window.step(len).start))
    }

    /// Lends the next frames as `run` says, as far as they can be had without reading on. Returns how many.
    #[inline]
    pub(super) fn lend(&mut self, run: &Run, catalog: &mut Catalog, to: impl Borrower) -> usize {
        if self.ahead.is_some() {
            return 0;
        }
        let available = self.window.available();
        let Lent { count, len, not_yet } = match &mut self.reader {
            Reader::Pcap(reader) | Reader::Trace(reader) if reader.is_usual() => {
                run.lend(reader, available, catalog, to)
            }
            Reader::Pcapng(reader) => run.lend(reader, available, catalog, to),
            Reader::Pcap(_) | Reader::Trace(_) | Reader::Snoop(_) => return 0,
        };
        let start = self.window.step(len).start;
        if let Some(record) = not_yet {
            self.put_back(Ok(Some(record.at(start))));
        }
        count
    }

    /// The next record, or none at the end.
    pub(super) fn next(&mut self, catalog: &mut Catalog) -> Result<Option<Record>, Fault> {
        match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.advance(catalog),
        }
    }

    fn advance(&mut self, catalog: &mut Catalog) -> Result<Option<Record>, Fault> {
        if let Some(record) = self.next_whole(catalog) {
            return Ok(Some(record));
        }
        match &mut self.reader {
            Reader::Pcap(reader) | Reader::Trace(reader) => reader.next(&mut self.window),
            Reader::Pcapng(reader) => reader.next(&mut self.window, catalog),
            Reader::Snoop(reader) => reader.next(&mut self.window, |interface, drops| {
                catalog.interface_mut(interface).drops.in_packets = Some(drops);
            }),
        }
    }

    /// Reads up to the next record without handing it out, so that what stands before it (interfaces, names) is known.
    /// Errors are handed out in their turn.
    pub(super) fn read_ahead(&mut self, catalog: &mut Catalog) -> Result<Option<&Record>, &Fault> {
        if self.ahead.is_none() {
            self.ahead = Some(self.advance(catalog));
        }
        match &self.ahead {
            Some(Ok(record)) => Ok(record.as_ref()),
            Some(Err(fault)) => Err(fault),
            None => Ok(None),
        }
    }

    /// Takes back what it gave last.
    #[cold]
    pub(super) fn put_back(&mut self, given: Result<Option<Record>, Fault>) {
        self.ahead = Some(given);
    }

    #[inline]
    pub(super) fn bytes(&self, record: &Record) -> &[u8] {
        self.window.slice(record.start..record.start + record.len as usize)
    }

    /// How far it is read, in bytes of the uncompressed capture.
    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }

    /// How far it is read, in bytes as they lie on disk.
    pub(super) fn bytes_read(&self) -> u64 {
        self.meter.as_ref().map_or_else(|| self.window.offset(), |meter| meter.bytes())
    }
}

/// Frames of one interface in a row, after one of another.
struct Counted {
    interface: u32,
    after: FrameNumber,
}

impl Counted {
    /// The frame after this one is of `interface`.
    #[inline(always)]
    fn next(&mut self, interface: u32, after: FrameNumber, catalog: &mut Catalog) {
        if interface != self.interface {
            self.change(interface, after, catalog);
        }
    }

    #[inline(never)]
    fn change(&mut self, interface: u32, after: FrameNumber, catalog: &mut Catalog) {
        self.add_to(catalog, after);
        *self = Self { interface, after };
    }

    #[inline(never)]
    fn add_to(&self, catalog: &mut Catalog, last: FrameNumber) {
        if last > self.after {
            catalog.interface_mut(self.interface).frames += last.0 - self.after.0;
        }
    }
}

/// The first bytes of an input, as many as tell what it is. What is shorter is judged by what there is.
fn head(window: &mut Window) -> Result<&[u8], Fault> {
    window.fill(HEAD_BYTES)?;
    let head = window.available();
    Ok(&head[..head.len().min(HEAD_BYTES)])
}

/// The frames of a text trace; none when the input is none: binary, too long, or not even its first line is one.
fn framed(window: &mut Window) -> Option<Result<Window, Fault>> {
    if window.available().contains(&0) {
        return None;
    }
    match window.fill(limits::TRACE_BYTES_MAX + 1) {
        Ok(true) => return None,
        Ok(false) => {}
        Err(error) => return Some(Err(error.into())),
    }
    let text = str::from_utf8(window.available()).ok()?;
    let mut pcap = Vec::new();
    let written = match script::parse(text) {
        Ok(items) if items.is_empty() => return None,
        Ok(items) => script::write_pcap(&items, &mut pcap).map_err(Fault::from),
        Err(error) => {
            let first = text.lines().position(|line| !line.split('#').next().unwrap_or_default().trim().is_empty());
            if first.is_some_and(|index| error.line == index + 1) {
                return None;
            }
            Err(Fault::Trace(error))
        }
    };
    let beginning = || Beginning::read(Box::new(Cursor::new(pcap)), HEAD_BYTES, limits::BUFFER_BYTES);
    Some(written.and_then(|()| Ok(Window::buffered(beginning()?))))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
