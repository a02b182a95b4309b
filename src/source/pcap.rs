//! pcap files: micro- and nanoseconds, both byte orders, and the dialects that differ in their headers.

use pcap_parser::parse_pcap_header;

use super::byte_order::ByteOrder;
use super::capture::Look;
use super::catalog::Catalog;
use super::error::Fault;
use super::interface::Interface;
use super::limits::RECORD_BYTES_MAX;
use super::window::Window;
use super::{Frame, LinkType, Record, Tap};
use crate::base::Timestamp;

/// File header: magic, version, zone, accuracy, snap length, link type.
const HEADER_BYTES: usize = 24;
/// Record header: seconds, fraction, captured length, original length.
const RECORD_HEADER_BYTES: usize = 16;
/// Alexey Kuznetzov's patches of 1999 append interface index, protocol and packet type to every record header ...
const MODIFIED_HEADER_BYTES: usize = 24;
/// ... and one of them, which SuSE 6.3 shipped, two processor numbers as well.
const MODIFIED_SMP_HEADER_BYTES: usize = 28;

/// What a magic number stands for.
#[derive(Debug)]
struct Dialect {
    magic: u32,
    /// Nanoseconds in a unit of the second time field.
    unit_ns: i64,
    /// Bytes of the file header beyond the usual ones.
    extra_bytes: usize,
    /// Record headers are longer.
    modified: bool,
}

const MAGIC_MICROS: u32 = 0xa1b2_c3d4;

const DIALECTS: [Dialect; 5] = [
    Dialect { magic: MAGIC_MICROS, unit_ns: 1_000, extra_bytes: 0, modified: false },
    Dialect { magic: 0xa1b2_3c4d, unit_ns: 1, extra_bytes: 0, modified: false },
    Dialect { magic: 0xa1b2_cd34, unit_ns: 1_000, extra_bytes: 0, modified: true },
    // Ixia's hardware and software: the file header ends with the number of bytes that follow.
    Dialect { magic: 0x1c00_01ac, unit_ns: 1, extra_bytes: 4, modified: false },
    Dialect { magic: 0x1c00_01ab, unit_ns: 1_000, extra_bytes: 4, modified: false },
];

/// How the two length fields of a record stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    /// Captured, then original: since version 2.3.
    InOrder,
    /// Original, then captured: before version 2.3, and DG/UX's 543.0.
    Swapped,
    /// Version 2.3 was written both ways; the captured length is the smaller one.
    SmallerFirst,
}

/// Reads records one after another.
#[derive(Debug)]
pub(super) struct PcapReader {
    order: ByteOrder,
    head_len: usize,
    lengths: Lengths,
    unit_ns: i64,
    tap: Tap,
}

/// Whether a file begins with one of the magic numbers.
pub(super) fn recognises(head: &[u8]) -> bool {
    identify(head).is_some()
}

fn identify(head: &[u8]) -> Option<(ByteOrder, &'static Dialect)> {
    let magic = head.first_chunk()?;
    [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| {
        let dialect = DIALECTS.iter().find(|dialect| dialect.magic == order.u32(*magic))?;
        Some((order, dialect))
    })
}

impl PcapReader {
    /// Reads the file header. `register` takes the file's interface and gives its number.
    pub(super) fn open(
        window: &mut Window,
        file: usize,
        register: impl FnOnce(Interface) -> Result<u32, Fault>,
    ) -> Result<Self, Fault> {
        let (order, dialect) = identify(window.available()).ok_or_else(|| Fault::damaged("not a pcap file"))?;
        let header_bytes = HEADER_BYTES + dialect.extra_bytes;
        if !window.fill(header_bytes)? {
            return Err(Fault::Truncated { need: header_bytes as u64, have: window.available().len() as u64 });
        }
        // pcap-parser knows the first three dialects in some byte orders; all share one header.
        let mut head = [0; HEADER_BYTES];
        head.copy_from_slice(&window.available()[..HEADER_BYTES]);
        head[..4].copy_from_slice(&match order {
            ByteOrder::Little => MAGIC_MICROS.to_le_bytes(),
            ByteOrder::Big => MAGIC_MICROS.to_be_bytes(),
        });
        let (_, header) = parse_pcap_header(&head).map_err(|_| Fault::damaged("an unreadable file header"))?;
        window.step(header_bytes);

        let version = (header.version_major, header.version_minor);
        let lengths = match version {
            (2, 0..3) | (543, _) => Lengths::Swapped,
            (2, 3) => Lengths::SmallerFirst,
            (2.., _) => Lengths::InOrder,
            (major, minor) => return Err(Fault::Unsupported(format!("pcap version {major}.{minor}"))),
        };
        let network = header.network.0.cast_unsigned();
        if network & 0x03ff_0000 != 0 {
            return Err(Fault::Unsupported(format!("pcap link-type field {network:#010x} with reserved bits set")));
        }
        let number = (network & 0xffff) as u16;
        let aix = if dialect.magic == MAGIC_MICROS && version == (2, 2) { aix_link_type(number) } else { None };
        let link = aix.unwrap_or(LinkType::from_file(number));
        // Bit 26 says that the upper four bits hold the length of the frame check sequence in 16-bit words.
        let fcs_len = if network & (1 << 26) != 0 { (network >> 28) as u8 * 2 } else { 0 };
        let interface = register(Interface {
            snaplen: (header.snaplen != 0).then_some(header.snaplen),
            fcs_len,
            ..Interface::bare(file, link)
        })?;
        let head_len = if dialect.modified { modified_head_len(window, order)? } else { RECORD_HEADER_BYTES };
        // AIX writes nanoseconds.
        let unit_ns = if aix.is_some() { 1 } else { dialect.unit_ns };
        let tap = Tap { link, fcs_len: fcs_len.into(), interface };
        Ok(Self { order, head_len, lengths, unit_ns, tap })
    }

    /// Record headers are the usual ones.
    #[inline]
    pub(super) fn is_usual(&self) -> bool {
        self.head_len == RECORD_HEADER_BYTES && self.lengths == Lengths::InOrder
    }

    /// The next record, or none at the end.
    #[cold]
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Record>, Fault> {
        if !window.fill(self.head_len)? {
            return match window.available().len() as u64 {
                0 => Ok(None),
                have => Err(Fault::Truncated { need: self.head_len as u64, have }),
            };
        }
        let field = |at| self.order.u32_at(window.available(), at).unwrap_or(0);
        let (first, second) = (field(8), field(12));
        let (caplen, original_len) = match self.lengths {
            Lengths::InOrder => (first, second),
            Lengths::Swapped => (second, first),
            Lengths::SmallerFirst => (first.min(second), first.max(second)),
        };
        if caplen > RECORD_BYTES_MAX {
            return Err(Fault::AbsurdLength { length: caplen.into(), limit: RECORD_BYTES_MAX.into() });
        }
        let time = self.time(field(0), field(4));
        let need = self.head_len + caplen as usize;
        if !window.fill(need)? {
            return Err(Fault::Truncated { need: need as u64, have: window.available().len() as u64 });
        }
        let start = window.step(need).start + self.head_len;
        Ok(Some(self.tap.record(start, caplen, time, original_len)))
    }

    /// Both fields are 32 bits wide: the sum cannot overflow.
    #[inline]
    fn time(&self, seconds: u32, fraction: u32) -> Timestamp {
        Timestamp(i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.unit_ns)
    }
}

/// Only where [headers are the usual ones](PcapReader::is_usual).
impl Look for PcapReader {
    fn blank<'a>(&self) -> Frame<'a> {
        self.tap.blank()
    }

    #[inline(always)]
    fn look<'a>(&mut self, bytes: &'a [u8], frame: &mut Frame<'a>, _: &mut Catalog) -> Option<&'a [u8]> {
        let (head, rest) = bytes.split_first_chunk::<RECORD_HEADER_BYTES>()?;
        let (fields, _) = head.as_chunks::<4>();
        let [seconds, fraction, caplen, original_len] = self.order.u32s(*fields.first_chunk()?);
        // Written first of all, so that no register keeps them.
        (frame.time, frame.original_len) = (self.time(seconds, fraction), original_len);
        if caplen > RECORD_BYTES_MAX {
            return None;
        }
        let (bytes, behind) = rest.split_at_checked(caplen as usize)?;
        frame.bytes = bytes;
        self.tap.cut(frame);
        Some(behind)
    }
}

/// AIX writes interface types of RFC 1573 where others write link types.
fn aix_link_type(number: u16) -> Option<LinkType> {
    Some(match number {
        6 => LinkType::ETHERNET,
        9 => LinkType::TOKEN_RING,
        15 => LinkType::FDDI,
        24 => LinkType::NULL,
        _ => return None,
    })
}

/// Which of the two longer record headers makes more sense of the first records.
fn modified_head_len(window: &mut Window, order: ByteOrder) -> Result<usize, Fault> {
    let plain = oddities(window, order, MODIFIED_HEADER_BYTES)?;
    let smp = oddities(window, order, MODIFIED_SMP_HEADER_BYTES)?;
    Ok(if smp < plain { MODIFIED_SMP_HEADER_BYTES } else { MODIFIED_HEADER_BYTES })
}

/// How many things no capture has are in the first records, read with headers of `head_len` bytes.
fn oddities(window: &mut Window, order: ByteOrder, head_len: usize) -> Result<usize, Fault> {
    const RECORDS: usize = 3;
    /// The largest snap length of libpcap.
    const CAPLEN_MAX: u32 = 262_144;
    let (mut at, mut count) = (0, 0);
    for _ in 0..RECORDS {
        let whole = window.fill(at + head_len)?;
        let field = |offset| order.u32_at(window.available(), at + offset).unwrap_or(0);
        if !whole {
            return Ok(count + usize::from(window.available().len() > at));
        }
        let (micros, caplen, original_len) = (field(4), field(8), field(12));
        count += usize::from(micros >= 1_000_000) + usize::from(caplen > original_len);
        if caplen > CAPLEN_MAX {
            return Ok(count + 1);
        }
        at += head_len + caplen as usize;
    }
    Ok(count)
}
