//! One valid Ethernet frame at a time, appended as a pcap record: lengths, padding and checksums are right.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lastack::base::Endpoint;
use lastack::segment::Flags;

/// Octets of random payload that every frame borrows from; offsets wrap inside it.
const POOL_LEN: usize = 1 << 16;
/// No payload of a generated segment is longer.
const PAYLOAD_LEN_MAX: usize = 1460;
/// Records are handed on when this many octets have gathered.
const FLUSH_LEN: usize = 1 << 20;
/// Ethernet's least frame without its check sequence.
const FRAME_LEN_MIN: usize = 60;
const SNAP_LEN: u32 = 262_144;
const LINKTYPE_ETHERNET: u32 = 1;

/// The TCP options of one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Options {
    /// None.
    Bare,
    /// Maximum segment size only, as on the SYN of a small stack.
    Mss(u16),
    /// MSS, SACK permitted, timestamps and window scale 7, as on a Linux SYN.
    Full { mss: u16, value: u32, echo: u32 },
    /// Timestamps, as on every later segment of Linux.
    Timestamps { value: u32, echo: u32 },
}

/// What to put into a frame.
#[derive(Clone, Copy, Debug)]
pub struct Outline {
    pub time_us: u64,
    pub source: Endpoint,
    pub destination: Endpoint,
    pub ttl: u8,
    pub ip_id: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: Flags,
    pub window: u16,
    pub payload_len: u16,
    pub options: Options,
}

/// Writes a pcap file, microseconds, little-endian.
pub struct FrameWriter<'a> {
    out: &'a mut dyn Write,
    buffer: Vec<u8>,
    pool: Vec<u8>,
    /// `sums[i]` is the sum of the first `i` big-endian 16-bit words of `pool`, so that a payload's share of the
    /// checksum is one subtraction.
    sums: Vec<u64>,
    /// Frames written.
    pub frames: u64,
    /// Octets of the file, headers included.
    pub file_len: u64,
}

impl<'a> FrameWriter<'a> {
    /// Begins a file on `out`.
    pub fn new(out: &'a mut dyn Write, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut pool = vec![0; POOL_LEN + PAYLOAD_LEN_MAX];
        rng.fill(&mut pool);
        let mut sums = vec![0];
        let mut sum = 0;
        for word in pool.chunks_exact(2) {
            sum += u64::from(u16::from_be_bytes([word[0], word[1]]));
            sums.push(sum);
        }
        let mut buffer = Vec::with_capacity(FLUSH_LEN + 2048);
        for field in [0xa1b2_c3d4, 0x0004_0002, 0, 0, SNAP_LEN, LINKTYPE_ETHERNET] {
            buffer.extend_from_slice(&u32::to_le_bytes(field));
        }
        Self { out, buffer, pool, sums, frames: 0, file_len: 24 }
    }

    /// Appends one frame.
    pub fn push(&mut self, outline: &Outline) -> io::Result<()> {
        let record = self.buffer.len();
        self.buffer.extend_from_slice(&[0; 16]);
        let frame = self.buffer.len();
        self.ethernet_and_ip(outline);
        self.tcp(outline);
        let len = (self.buffer.len() - frame).max(FRAME_LEN_MIN);
        self.buffer.resize(frame + len, 0);
        let len = u32::try_from(len).expect("a frame is short");
        let seconds = u32::try_from(outline.time_us / 1_000_000).expect("before 2106");
        let micros = u32::try_from(outline.time_us % 1_000_000).expect("below a million");
        for (slot, field) in [seconds, micros, len, len].into_iter().enumerate() {
            self.buffer[record + 4 * slot..][..4].copy_from_slice(&field.to_le_bytes());
        }
        self.frames += 1;
        self.file_len += 16 + u64::from(len);
        if self.buffer.len() >= FLUSH_LEN { self.flush() } else { Ok(()) }
    }

    /// Hands everything on.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }

    fn ethernet_and_ip(&mut self, outline: &Outline) {
        let tcp_len = 20 + options_len(outline.options) + outline.payload_len;
        let buffer = &mut self.buffer;
        buffer.extend_from_slice(&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        match (outline.source.ip, outline.destination.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                buffer.extend_from_slice(&[0x08, 0x00]);
                let start = buffer.len();
                buffer.extend_from_slice(&[0x45, 0]);
                buffer.extend_from_slice(&(20 + tcp_len).to_be_bytes());
                buffer.extend_from_slice(&outline.ip_id.to_be_bytes());
                buffer.extend_from_slice(&[0x40, 0, outline.ttl, 6, 0, 0]);
                buffer.extend_from_slice(&source.octets());
                buffer.extend_from_slice(&destination.octets());
                let checksum = fold(word_sum(&buffer[start..]));
                buffer[start + 10..start + 12].copy_from_slice(&checksum.to_be_bytes());
            }
            (source, destination) => {
                buffer.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
                buffer.extend_from_slice(&tcp_len.to_be_bytes());
                buffer.extend_from_slice(&[6, outline.ttl]);
                buffer.extend_from_slice(&v6(source).octets());
                buffer.extend_from_slice(&v6(destination).octets());
            }
        }
    }

    fn tcp(&mut self, outline: &Outline) {
        let start = self.buffer.len();
        let header_len = 20 + options_len(outline.options);
        let buffer = &mut self.buffer;
        buffer.extend_from_slice(&outline.source.port.to_be_bytes());
        buffer.extend_from_slice(&outline.destination.port.to_be_bytes());
        buffer.extend_from_slice(&outline.seq.to_be_bytes());
        buffer.extend_from_slice(&outline.ack.to_be_bytes());
        buffer.extend_from_slice(&((header_len / 4) << 12 | outline.flags.bits()).to_be_bytes());
        buffer.extend_from_slice(&outline.window.to_be_bytes());
        buffer.extend_from_slice(&[0; 4]);
        match outline.options {
            Options::Bare => {}
            Options::Mss(mss) => push_mss(buffer, mss),
            Options::Full { mss, value, echo } => {
                push_mss(buffer, mss);
                buffer.extend_from_slice(&[4, 2]);
                push_timestamps(buffer, value, echo);
                buffer.extend_from_slice(&[1, 3, 3, 7]);
            }
            Options::Timestamps { value, echo } => {
                buffer.extend_from_slice(&[1, 1]);
                push_timestamps(buffer, value, echo);
            }
        }
        // Chosen by the sequence number, so that a retransmission carries the same octets.
        let len = usize::from(outline.payload_len);
        let from = outline.seq as usize * 2 % POOL_LEN;
        let payload = &self.pool[from..from + len];
        let mut sum = self.sums[(from + len) / 2] - self.sums[from / 2];
        if len % 2 == 1 {
            sum += u64::from(payload[len - 1]) << 8;
        }
        sum += word_sum(&self.buffer[start..]);
        sum += u64::from(header_len) + u64::from(outline.payload_len) + 6;
        for ip in [outline.source.ip, outline.destination.ip] {
            sum += match ip {
                IpAddr::V4(ip) => word_sum(&ip.octets()),
                IpAddr::V6(ip) => word_sum(&ip.octets()),
            };
        }
        self.buffer[start + 16..start + 18].copy_from_slice(&fold(sum).to_be_bytes());
        self.buffer.extend_from_slice(payload);
    }
}

fn options_len(options: Options) -> u16 {
    match options {
        Options::Bare => 0,
        Options::Mss(_) => 4,
        Options::Full { .. } => 20,
        Options::Timestamps { .. } => 12,
    }
}

fn push_mss(buffer: &mut Vec<u8>, mss: u16) {
    buffer.extend_from_slice(&[2, 4]);
    buffer.extend_from_slice(&mss.to_be_bytes());
}

fn push_timestamps(buffer: &mut Vec<u8>, value: u32, echo: u32) {
    buffer.extend_from_slice(&[8, 10]);
    buffer.extend_from_slice(&value.to_be_bytes());
    buffer.extend_from_slice(&echo.to_be_bytes());
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => Ipv4Addr::to_ipv6_mapped(&ip),
        IpAddr::V6(ip) => ip,
    }
}

/// The sum of the big-endian 16-bit words of an even number of octets.
fn word_sum(bytes: &[u8]) -> u64 {
    bytes.chunks_exact(2).map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum()
}

/// The Internet checksum (RFC 1071) of a sum of words.
fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
