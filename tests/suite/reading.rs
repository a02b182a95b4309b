//! Reading captures: every format, every way to reach the bytes, and what is damaged, compressed or in several files.

mod compressed;
mod damage;
mod formats;
mod sets;
mod splits;

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use lastack::base::Timestamp;
use lastack::source::write::{PacketOptions, PcapOptions, PcapWriter, PcapngWriter, Resolution};
use lastack::source::{
    self, Access, ByteOrder, CaptureSet, Frame, Input, LinkType, Options, ReadAhead, Source, SourceError,
};

/// A frame that outlives its source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    number: u64,
    time: i64,
    bytes: Vec<u8>,
    original_len: u32,
    link: u16,
    interface: u32,
    flags: u32,
}

/// All frames, and the error that ended them in words.
type Outcome = (Vec<Kept>, Option<String>);

fn drain(opened: Result<CaptureSet, SourceError>) -> Outcome {
    match opened {
        Ok(mut set) => drain_set(&mut set),
        Err(error) => (Vec::new(), Some(error.to_string())),
    }
}

impl Kept {
    fn of(frame: &Frame<'_>) -> Self {
        Self {
            number: frame.number.0,
            time: frame.time.0,
            bytes: frame.bytes.to_vec(),
            original_len: frame.original_len,
            link: frame.link.0,
            interface: frame.interface,
            flags: frame.flags,
        }
    }
}

/// By turns some that are at hand, and one whether it is or not.
fn drain_set(set: &mut CaptureSet) -> Outcome {
    let mut kept = Vec::new();
    let before = set.frames();
    let error = loop {
        let len = kept.len();
        let lent = set.lend_at_hand(3, |frame: &Frame<'_>| kept.push(Kept::of(frame)));
        assert!(lent <= 3 && kept.len() == len + lent);
        match set.next_frame() {
            Ok(Some(frame)) => kept.push(Kept::of(&frame)),
            Ok(None) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    assert_eq!(set.frames(), before + kept.len() as u64);
    assert_eq!(set.interfaces().iter().map(|interface| interface.frames).sum::<u64>(), set.frames());
    (kept, error)
}

fn from_reader(reader: impl Read + Send + 'static, options: Options) -> Outcome {
    drain(source::open(vec![Input::Reader("capture".to_owned(), Box::new(reader))], options))
}

/// The frames of a capture in memory, which must be whole.
fn frames_of(capture: &[u8]) -> Vec<Kept> {
    let (frames, error) = from_reader(io::Cursor::new(capture.to_vec()), Options::default());
    assert_eq!(error, None);
    frames
}

fn open_bytes(capture: &[u8]) -> CaptureSet {
    let input = Input::Reader("capture".to_owned(), Box::new(io::Cursor::new(capture.to_vec())));
    source::open(vec![input], Options::default()).expect("a capture")
}

fn small_buffer() -> Options {
    Options { buffer_bytes: 64, ..Options::default() }
}

/// Another thread reads, in blocks of few bytes.
fn ahead() -> Options {
    Options { ahead: ReadAhead::Long, ..small_buffer() }
}

fn mapped() -> Options {
    Options { access: Access::Map, ..Options::default() }
}

/// Gives its bytes in pieces of the given lengths, over and over, with a signal before each piece.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    lengths: Vec<usize>,
    turn: usize,
    interrupt: bool,
}

impl Pieces {
    fn new(bytes: &[u8], lengths: &[usize]) -> Self {
        Self { bytes: bytes.to_vec(), at: 0, lengths: lengths.to_vec(), turn: 0, interrupt: true }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt = !self.interrupt;
        if !self.interrupt {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let wanted = self.lengths[self.turn % self.lengths.len()];
        self.turn += 1;
        let count = wanted.min(buffer.len()).min(self.bytes.len() - self.at);
        buffer[..count].copy_from_slice(&self.bytes[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// A folder for one test, empty at its beginning.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("reading").join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

/// A file with these bytes, different from those of other calls.
fn file(bytes: &[u8]) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("reading");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join(format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// The kinds of capture that the tests go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Pcap(ByteOrder, Resolution),
    Pcapng(ByteOrder),
}

const SHAPES: [Shape; 6] = [
    Shape::Pcap(ByteOrder::Little, Resolution::Micros),
    Shape::Pcap(ByteOrder::Big, Resolution::Micros),
    Shape::Pcap(ByteOrder::Little, Resolution::Nanos),
    Shape::Pcap(ByteOrder::Big, Resolution::Nanos),
    Shape::Pcapng(ByteOrder::Little),
    Shape::Pcapng(ByteOrder::Big),
];

/// A capture of Ethernet frames, each with its time in nanoseconds, its bytes and how many the snap length cut off.
fn capture(shape: Shape, frames: &[(i64, Vec<u8>, u32)]) -> Vec<u8> {
    match shape {
        Shape::Pcap(order, resolution) => {
            let options = PcapOptions { order, resolution, ..PcapOptions::new(LinkType::ETHERNET) };
            let mut writer = PcapWriter::new(Vec::new(), options).expect("memory");
            for (time, bytes, cut) in frames {
                writer.frame(Timestamp(*time), bytes, bytes.len() as u32 + cut).expect("a frame that fits");
            }
            writer.finish().expect("memory")
        }
        Shape::Pcapng(order) => {
            let mut writer = PcapngWriter::new(Vec::new(), order, "tests").expect("memory");
            let interface = writer.interface(LinkType::ETHERNET, &Default::default()).expect("memory");
            for (time, bytes, cut) in frames {
                let original_len = bytes.len() as u32 + cut;
                // Every other frame has options.
                let flags = (bytes.len() as u32 % 2) * 2;
                let options = PacketOptions { flags, comments: if flags == 0 { &[] } else { &["a comment"] } };
                writer.frame(interface, Timestamp(*time), bytes, original_len, options).expect("a frame that fits");
            }
            writer.finish().expect("memory")
        }
    }
}

/// Three frames of different lengths in any shape.
fn three_frames(shape: Shape) -> Vec<u8> {
    let second = 1_700_000_000_000_000_000;
    capture(
        shape,
        &[
            (second, (0..61).collect(), 0),
            (second + 1_000, vec![7; 14], 1_500),
            (second + 2_001_000, (0..100).rev().collect(), 0),
        ],
    )
}
