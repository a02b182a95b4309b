//! snoop files (RFC 1761), as Solaris writes them, and Shomiti's variant of them.

use super::byte_order::ByteOrder;
use super::error::Fault;
use super::interface::Interface;
use super::limits::RECORD_BYTES_MAX;
use super::window::Window;
use super::{LinkType, Record, Tap};
use crate::base::Timestamp;

const MAGIC: &[u8; 8] = b"snoop\0\0\0";
/// Magic, version, data link.
const HEADER_BYTES: usize = 16;
/// Original length, captured length, record length, drops so far, seconds, microseconds.
const RECORD_HEADER_BYTES: usize = 24;
/// Shomiti's analysers keep what they measured in the padding; ordinary padding is shorter.
const SHOMITI_TRAILER_BYTES: u32 = 16;

/// Reads records one after another.
#[derive(Debug)]
pub(super) struct SnoopReader {
    tap: Tap,
}

pub(super) fn recognises(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

impl SnoopReader {
    /// Reads the file header, and looks at the first record to tell the variants apart.
    pub(super) fn open(
        window: &mut Window,
        file: usize,
        register: impl FnOnce(Interface) -> Result<u32, Fault>,
    ) -> Result<Self, Fault> {
        if !window.fill(HEADER_BYTES)? {
            return Err(Fault::Truncated { need: HEADER_BYTES as u64, have: window.available().len() as u64 });
        }
        let (version, data_link) = (field(window, 8), field(window, 12));
        if !matches!(version, 2..=5) {
            return Err(Fault::Unsupported(format!("snoop version {version}")));
        }
        window.step(HEADER_BYTES);
        let shomiti = window.fill(RECORD_HEADER_BYTES)?
            && field(window, 8).saturating_sub(field(window, 4).saturating_add(RECORD_HEADER_BYTES as u32))
                >= SHOMITI_TRAILER_BYTES;
        let Some(link) = link_type(data_link, shomiti) else {
            return Err(Fault::Unsupported(format!("snoop data link {data_link:#x}")));
        };
        // Shomiti's hardware keeps the frame check sequence of Ethernet.
        let fcs_len = if shomiti && link == LinkType::ETHERNET { 4 } else { 0 };
        let interface = register(Interface { fcs_len, ..Interface::bare(file, link) })?;
        Ok(Self { tap: Tap { link, fcs_len: fcs_len.into(), interface } })
    }

    /// The next record, or none at the end. `drops` takes how many frames were lost up to it.
    pub(super) fn next(&mut self, window: &mut Window, drops: impl FnOnce(u32, u64)) -> Result<Option<Record>, Fault> {
        if !window.fill(RECORD_HEADER_BYTES)? {
            return match window.available().len() as u64 {
                0 => Ok(None),
                have => Err(Fault::Truncated { need: RECORD_HEADER_BYTES as u64, have }),
            };
        }
        let (original_len, caplen, record_len) = (field(window, 0), field(window, 4), field(window, 8));
        if record_len > RECORD_BYTES_MAX {
            return Err(Fault::AbsurdLength { length: record_len.into(), limit: RECORD_BYTES_MAX.into() });
        }
        if u64::from(record_len) < RECORD_HEADER_BYTES as u64 + u64::from(caplen) {
            return Err(Fault::damaged(format!("a record of {record_len} bytes with {caplen} bytes of data")));
        }
        if !window.fill(record_len as usize)? {
            return Err(Fault::Truncated { need: record_len.into(), have: window.available().len() as u64 });
        }
        let time = Timestamp(i64::from(field(window, 16)) * 1_000_000_000 + i64::from(field(window, 20)) * 1_000);
        drops(self.tap.interface, field(window, 12).into());
        let whole = window.step(record_len as usize);
        Ok(Some(self.tap.record(whole.start + RECORD_HEADER_BYTES, caplen, time, original_len)))
    }
}

/// A number of a head that is whole in memory.
fn field(window: &Window, at: usize) -> u32 {
    ByteOrder::Big.u32_at(window.available(), at).unwrap_or(0)
}

/// The registry's type for a data link of snoop. Shomiti gave other meanings to numbers that RFC 1761 leaves free.
fn link_type(data_link: u32, shomiti: bool) -> Option<LinkType> {
    Some(match (data_link, shomiti) {
        (0 | 4, _) | (10 | 12 | 19, true) => LinkType::ETHERNET,
        (2, _) | (11 | 13 | 14, true) => LinkType::TOKEN_RING,
        (8, _) => LinkType::FDDI,
        (9 | 14, false) => LinkType::NULL,
        (16, false) => LinkType::IP_OVER_FC,
        (18, false) => LinkType::SUNATM,
        (0x8000_0005, false) => LinkType::IPNET,
        _ => return None,
    })
}
