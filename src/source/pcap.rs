//! pcap files: micro- and nanoseconds, both byte orders, and the variant with longer record headers.

use pcap_parser::nom::{Err, IResult, Needed};
use pcap_parser::{
    LegacyPcapBlock, PcapError, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};

use super::byte_order::ByteOrder;
use super::error::Fault;
use super::interface::Interface;
use super::limits::RECORD_BYTES_MAX;
use super::window::Window;
use super::{LinkType, Record};
use crate::base::Timestamp;

/// File header: magic, version, zone, accuracy, snap length, link type.
const HEADER_BYTES: usize = 24;
const RECORD_HEADER_BYTES: usize = 16;
/// Alexey Kuznetzov's variant appends interface index, protocol and packet type to every record header.
const MODIFIED_RECORD_HEADER_BYTES: usize = 24;

const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

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
    modified: bool,
    /// Lengths need a look before they are believed.
    lengths: Lengths,
    /// Nanoseconds in a unit of the second time field.
    unit_ns: i64,
    link: LinkType,
    fcs_len: u32,
    interface: u32,
}

/// Which magic number a file begins with.
pub(super) fn recognises(head: &[u8]) -> bool {
    let Some(magic) = head.first_chunk() else { return false };
    let magic = u32::from_le_bytes(*magic);
    [0xa1b2_c3d4, 0xa1b2_3c4d, MAGIC_MODIFIED].iter().any(|known| magic == *known || magic == known.swap_bytes())
}

impl PcapReader {
    /// Reads the file header. `register` takes the file's interface and gives its number.
    pub(super) fn open(
        window: &mut Window,
        file: usize,
        register: impl FnOnce(Interface) -> Result<u32, Fault>,
    ) -> Result<Self, Fault> {
        if !window.fill(HEADER_BYTES)? {
            let have = window.available().len() as u64;
            return Err(Fault::Truncated { need: HEADER_BYTES as u64, have });
        }
        let (order, header) = parse_header(window.available())?;
        window.step(HEADER_BYTES);
        let lengths = match (header.version_major, header.version_minor) {
            (2, 0..3) | (543, _) => Lengths::Swapped,
            (2, 3) => Lengths::SmallerFirst,
            (2.., _) => Lengths::InOrder,
            (major, minor) => return Err(Fault::Unsupported(format!("pcap version {major}.{minor}"))),
        };
        let network = header.network.0.cast_unsigned();
        let link = LinkType::from_file((network & 0xffff) as u16);
        // Bit 26 says that the upper four bits hold the length of the frame check sequence in 16-bit words.
        let fcs_len = if network & (1 << 26) != 0 { (network >> 28) * 2 } else { 0 };
        let interface = register(Interface {
            snaplen: (header.snaplen != 0).then_some(header.snaplen),
            fcs_len: fcs_len as u8,
            ..Interface::bare(file, link)
        })?;
        Ok(Self {
            order,
            modified: matches!(header.magic_number, MAGIC_MODIFIED)
                || header.magic_number == MAGIC_MODIFIED.swap_bytes(),
            lengths,
            unit_ns: if header.is_nanosecond_precision() { 1 } else { 1_000 },
            link,
            fcs_len,
            interface,
        })
    }

    /// The next record, or none at the end.
    #[inline]
    pub(super) fn next(&mut self, window: &mut Window) -> Result<Option<Record>, Fault> {
        loop {
            let bytes = window.available();
            let parsed = match (self.order, self.modified) {
                (ByteOrder::Little, false) => parse_pcap_frame(bytes),
                (ByteOrder::Big, false) => parse_pcap_frame_be(bytes),
                (ByteOrder::Little, true) => parse_pcap_frame_modified(bytes),
                (ByteOrder::Big, true) => parse_modified_big(bytes),
            };
            match parsed {
                Ok((_, block)) if self.lengths == Lengths::InOrder && block.caplen <= RECORD_BYTES_MAX => {
                    let time =
                        Timestamp(i64::from(block.ts_sec) * 1_000_000_000 + i64::from(block.ts_usec) * self.unit_ns);
                    let (caplen, original_len) = (block.caplen, block.origlen);
                    return Ok(Some(self.record(window, time, caplen, original_len)));
                }
                Ok(_) | Err(Err::Incomplete(_)) => {
                    if let Some(record) = self.next_slowly(window)? {
                        return Ok(record);
                    }
                }
                Err(_) => return Err(Fault::damaged("a record header that cannot be read")),
            }
        }
    }

    /// What [`PcapReader::next`] does when the record is not whole in memory or its lengths need care. None asks for
    /// another try: the record is whole now.
    #[cold]
    fn next_slowly(&self, window: &mut Window) -> Result<Option<Option<Record>>, Fault> {
        let head_len = self.head_len();
        if !window.fill(head_len)? {
            return match window.available().len() as u64 {
                0 => Ok(Some(None)),
                have => Err(Fault::Truncated { need: head_len as u64, have }),
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
        let time = Timestamp(i64::from(field(0)) * 1_000_000_000 + i64::from(field(4)) * self.unit_ns);
        let need = head_len + caplen as usize;
        if !window.fill(need)? {
            return Err(Fault::Truncated { need: need as u64, have: window.available().len() as u64 });
        }
        match self.lengths {
            Lengths::InOrder => Ok(None),
            _ => Ok(Some(Some(self.record(window, time, caplen, original_len)))),
        }
    }

    const fn head_len(&self) -> usize {
        if self.modified { MODIFIED_RECORD_HEADER_BYTES } else { RECORD_HEADER_BYTES }
    }

    /// Steps over a record that is whole in memory.
    #[inline]
    fn record(&self, window: &mut Window, time: Timestamp, caplen: u32, original_len: u32) -> Record {
        let whole = window.step(self.head_len() + caplen as usize);
        let start = whole.start + self.head_len();
        Record {
            start,
            len: caplen,
            time,
            original_len,
            link: self.link,
            interface: self.interface,
            flags: 0,
            timed: true,
        }
        .without_fcs(self.fcs_len)
    }
}

/// The file header. The variant's big-endian form is not in pcap-parser: its magic number is put in the other one's
/// place for the parse.
fn parse_header(bytes: &[u8]) -> Result<(ByteOrder, PcapHeader), Fault> {
    let mut head = [0; HEADER_BYTES];
    head.copy_from_slice(bytes.first_chunk::<HEADER_BYTES>().ok_or_else(|| Fault::damaged("no file header"))?);
    let big_modified = head.starts_with(&MAGIC_MODIFIED.to_be_bytes());
    if big_modified {
        head[..4].copy_from_slice(&0xa1b2_c3d4_u32.to_be_bytes());
    }
    let (_, mut header) = parse_pcap_header(&head).map_err(|_| Fault::damaged("a file header that cannot be read"))?;
    let order = if header.is_bigendian() { ByteOrder::Big } else { ByteOrder::Little };
    if big_modified {
        header.magic_number = MAGIC_MODIFIED.swap_bytes();
    }
    Ok((order, header))
}

/// The big-endian counterpart of [`parse_pcap_frame_modified`].
fn parse_modified_big(bytes: &[u8]) -> IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>> {
    let field = |at| ByteOrder::Big.u32_at(bytes, at).ok_or(Err::Incomplete(Needed::Unknown));
    let (ts_sec, ts_usec, caplen, origlen) = (field(0)?, field(4)?, field(8)?, field(12)?);
    let end = MODIFIED_RECORD_HEADER_BYTES.saturating_add(caplen as usize);
    let data = bytes.get(MODIFIED_RECORD_HEADER_BYTES..end).ok_or(Err::Incomplete(Needed::Unknown))?;
    Ok((&bytes[end..], LegacyPcapBlock { ts_sec, ts_usec, caplen, origlen, data }))
}
