//! One capture: its bytes, its format and the reader for it.

use std::fmt;

use super::catalog::Catalog;
use super::error::Fault;
use super::pcap::{self, PcapReader};
use super::pcapng::{self, PcapngReader};
use super::window::Window;
use super::{Interface, Record};

/// The format of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// pcap in any of its variants.
    Pcap,
    /// pcapng.
    Pcapng,
}

impl Format {
    /// The word for it in machine output.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Pcap => "pcap",
            Format::Pcapng => "pcapng",
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
}

/// An open capture.
#[derive(Debug)]
pub(super) struct Capture {
    window: Window,
    reader: Reader,
    /// What reading ahead gave, not yet handed out.
    ahead: Option<Result<Option<Record>, Fault>>,
}

/// How many bytes tell a format.
const HEAD_BYTES: usize = 8;

impl Capture {
    /// Recognises the format by content. `file` is the index that its interfaces are registered with.
    pub(super) fn open(mut window: Window, file: usize, catalog: &mut Catalog) -> Result<Self, Fault> {
        // What is shorter is judged by what there is.
        window.fill(HEAD_BYTES)?;
        let head = window.available();
        let head = &head[..head.len().min(HEAD_BYTES)];
        let reader = if head.is_empty() {
            return Err(Fault::Empty);
        } else if pcap::recognises(head) {
            Reader::Pcap(PcapReader::open(&mut window, file, |interface: Interface| catalog.register(interface))?)
        } else if pcapng::recognises(head) {
            Reader::Pcapng(PcapngReader::open(file))
        } else {
            return Err(Fault::NotACapture { head: hexadecimal(head) });
        };
        Ok(Self { window, reader, ahead: None })
    }

    pub(super) fn format(&self) -> Format {
        match self.reader {
            Reader::Pcap(_) => Format::Pcap,
            Reader::Pcapng(_) => Format::Pcapng,
        }
    }

    /// The next record, which [`Capture::bytes`] gives the bytes of until the next call.
    #[inline]
    pub(super) fn next(&mut self, catalog: &mut Catalog) -> Result<Option<Record>, Fault> {
        match self.ahead.take() {
            Some(ahead) => ahead,
            None => self.advance(catalog),
        }
    }

    #[inline]
    fn advance(&mut self, catalog: &mut Catalog) -> Result<Option<Record>, Fault> {
        match &mut self.reader {
            Reader::Pcap(reader) => reader.next(&mut self.window),
            Reader::Pcapng(reader) => reader.next(&mut self.window, catalog),
        }
    }

    /// Reads up to the next record without handing it out, so that what stands before it (interfaces, names) is known.
    /// A fault waits for its turn.
    pub(super) fn read_ahead(&mut self, catalog: &mut Catalog) {
        if self.ahead.is_none() {
            self.ahead = Some(self.advance(catalog));
        }
    }

    #[inline]
    pub(super) fn bytes(&self, record: &Record) -> &[u8] {
        self.window.slice(record.start..record.start + record.len as usize)
    }

    /// How far it is read, in bytes of the uncompressed capture.
    pub(super) fn offset(&self) -> u64 {
        self.window.offset()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
