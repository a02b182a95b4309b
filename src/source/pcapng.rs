//! pcapng: sections, interfaces and packet blocks.
//!
//! Enhanced Packet Blocks take a direct way; other blocks are looked at one by one. Options are parsed by pcap-parser,
//! block heads here: its block parsers collect the options of a block into a vector, whose size the file would choose.

use pcap_parser::nom::error::Error as NomError;
use pcap_parser::{
    BOM_MAGIC, CB_MAGIC, DCB_MAGIC, DSB_MAGIC, EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, NRB_MAGIC, OptionCode, PcapNGOption,
    SHB_MAGIC, SJE_MAGIC, SPB_MAGIC, parse_option_be, parse_option_le,
};

use super::byte_order::ByteOrder;
use super::capture::Look;
use super::catalog::Catalog;
use super::clock::Clock;
use super::error::Fault;
use super::interface::{Gap, Interface};
use super::limits::RECORD_BYTES_MAX;
use super::names::text;
use super::window::Window;
use super::{Frame, LinkType, Record, Tap};
use crate::base::Timestamp;

/// The Packet Block of the first drafts, replaced by the enhanced one.
const PB_MAGIC: u32 = 2;

/// Type and total length in front, total length again behind.
const BLOCK_BYTES_MIN: u32 = 12;
/// Of which behind the content.
const TRAILER_BYTES: usize = 4;
/// Bytes of an Enhanced Packet Block (and of the obsolete Packet Block) before its data.
const PACKET_HEAD_BYTES: usize = 28;
const PACKET_BYTES_MIN: usize = PACKET_HEAD_BYTES + TRAILER_BYTES;
/// Type, length, original length.
const SIMPLE_HEAD_BYTES: usize = 12;

/// Options that may stand in more than one kind of block have names of their own in pcap-parser; these it lacks.
const IF_FCSLEN: u16 = 13;
const PACKET_FLAGS: u16 = 2;
const PACKET_DROPS: u16 = 4;

/// What the packets of the current section need to know about an interface.
#[derive(Clone, Copy, Debug)]
struct SectionInterface {
    clock: Clock,
    tap: Tap,
    /// 0 is unlimited.
    snaplen: u32,
}

/// Reads blocks one after another.
#[derive(Debug)]
pub(super) struct PcapngReader {
    file: usize,
    order: ByteOrder,
    interfaces: Vec<SectionInterface>,
    /// The time of the last packet that had one.
    last_time: Timestamp,
    /// Records that are no packets and have a frame number in Wireshark, since the last packet.
    others_before: u32,
}

/// Whether a file begins as a section header does.
pub(super) fn recognises(head: &[u8]) -> bool {
    head.starts_with(&SHB_MAGIC.to_le_bytes())
}

impl Look for PcapngReader {
    fn blank<'a>(&self) -> Frame<'a> {
        Tap { link: LinkType(0), fcs_len: 0, interface: 0 }.blank()
    }

    /// Enhanced Packet Blocks with nothing wrong.
    #[inline(always)]
    fn look<'a>(&mut self, bytes: &'a [u8], frame: &mut Frame<'a>, catalog: &mut Catalog) -> Option<&'a [u8]> {
        let head = bytes.first_chunk::<PACKET_HEAD_BYTES>()?;
        let (fields, _) = head.as_chunks::<4>();
        let [kind, total, index, high, low, caplen, original_len] = self.order.u32s(*fields.first_chunk()?);
        if kind != EPB_MAGIC
            || total > RECORD_BYTES_MAX
            || !total.is_multiple_of(4)
            || caplen > RECORD_BYTES_MAX
            || self.others_before != 0
        {
            return None;
        }
        let (block, behind) = bytes.split_at_checked(total as usize)?;
        let (data, again) = block.get(PACKET_HEAD_BYTES..)?.split_last_chunk::<TRAILER_BYTES>()?;
        if *again != four(head, 4) {
            return None;
        }
        if data.len() != caplen.next_multiple_of(4) as usize {
            let record = self.with_options(head, block, catalog)?;
            *frame = record.frame(frame.number, data.get(..record.len as usize)?);
            return Some(behind);
        }
        let interface = self.interfaces.get(index as usize)?;
        let time = interface.clock.timestamp(u64::from(high) << 32 | u64::from(low));
        self.last_time = time;
        let Tap { link, interface: number, .. } = interface.tap;
        (frame.time, frame.link, frame.interface, frame.flags) = (time, link, number, 0);
        (frame.bytes, frame.original_len) = (data.get(..caplen as usize)?, original_len);
        interface.tap.cut(frame);
        Some(behind)
    }
}

impl PcapngReader {
    /// The first section header is read with the first packet.
    pub(super) fn open(file: usize) -> Self {
        Self {
            file,
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            last_time: Timestamp::default(),
            others_before: 0,
        }
    }

    #[inline(never)]
    fn with_options(&mut self, head: &[u8; PACKET_HEAD_BYTES], block: &[u8], catalog: &mut Catalog) -> Option<Record> {
        self.enhanced_packet(head, block, catalog).ok()
    }

    /// The next packet, or none at the end.
    #[cold]
    pub(super) fn next(&mut self, window: &mut Window, catalog: &mut Catalog) -> Result<Option<Record>, Fault> {
        loop {
            let Some(total) = self.whole_block(window)? else { return Ok(None) };
            let block = &window.available()[..total];
            let record = self.other_block(block, catalog)?;
            let start = window.step(total).start;
            if let Some(record) = record {
                return Ok(Some(record.at(start)));
            }
        }
    }

    /// Sees to it that the next block is whole in memory and says how long it is; none at the end of the input.
    fn whole_block(&mut self, window: &mut Window) -> Result<Option<usize>, Fault> {
        if !window.fill(BLOCK_BYTES_MIN as usize)? {
            return match window.available().len() as u64 {
                0 => Ok(None),
                have => Err(Fault::Truncated { need: BLOCK_BYTES_MIN.into(), have }),
            };
        }
        let Some(head) = window.available().first_chunk::<12>() else { return Ok(None) };
        if u32::from_le_bytes(four(head, 0)) == SHB_MAGIC {
            // The section's byte order holds for its own length already.
            self.order = match u32::from_le_bytes(four(head, 8)) {
                BOM_MAGIC => ByteOrder::Little,
                magic if magic == BOM_MAGIC.swap_bytes() => ByteOrder::Big,
                magic => return Err(Fault::damaged(format!("a section header with byte-order magic {magic:#010x}"))),
            };
        }
        let total = self.order.u32(four(head, 4));
        if total > RECORD_BYTES_MAX {
            return Err(Fault::AbsurdLength { length: total.into(), limit: RECORD_BYTES_MAX.into() });
        }
        if total < BLOCK_BYTES_MIN {
            return Err(Fault::damaged(format!("a block of {total} bytes, less than its own head")));
        }
        // Blocks are padded to 32 bits. Some writers forget to count the padding in the length.
        let need = total.next_multiple_of(4) as usize;
        if !window.fill(need)? {
            return Err(Fault::Truncated { need: need as u64, have: window.available().len() as u64 });
        }
        let again = self.order.u32_at(window.available(), need - TRAILER_BYTES).unwrap_or(0);
        if again.checked_next_multiple_of(4) != Some(need as u32) {
            return Err(Fault::damaged(format!("a block of {total} bytes that ends with the length {again}")));
        }
        Ok(Some(need))
    }

    /// An Enhanced Packet Block; the place of its data is relative to the block.
    #[inline]
    fn enhanced_packet(
        &mut self,
        head: &[u8; PACKET_HEAD_BYTES],
        block: &[u8],
        catalog: &mut Catalog,
    ) -> Result<Record, Fault> {
        let field = |at| self.order.u32(four(head, at));
        let caplen = field(20);
        if block.len() < PACKET_BYTES_MIN || caplen as usize > block.len() - PACKET_BYTES_MIN {
            return Err(bad_packet(block.len(), caplen));
        }
        let (high, low) = (field(12), field(16));
        let original_len = field(24);
        let index = field(8);
        self.packet(block, index, (high, low), (caplen, original_len), catalog)
    }

    /// What both packet blocks with a time stamp have in common.
    #[inline]
    fn packet(
        &mut self,
        block: &[u8],
        index: u32,
        (high, low): (u32, u32),
        (caplen, original_len): (u32, u32),
        catalog: &mut Catalog,
    ) -> Result<Record, Fault> {
        let Some(interface) = self.interfaces.get(index as usize) else { return Err(self.unknown_interface(index)) };
        let time = interface.clock.timestamp((u64::from(high) << 32) | u64::from(low));
        let mut tap = interface.tap;
        let mut flags = 0;
        let options_at = PACKET_HEAD_BYTES + caplen.next_multiple_of(4) as usize;
        if options_at + TRAILER_BYTES < block.len() {
            let options = &block[options_at..block.len() - TRAILER_BYTES];
            flags = packet_options(self.order, options, tap.interface, catalog);
            // Bits 5 to 8: octets of frame check sequence, when known for this packet.
            let stated = (flags >> 5) & 0xf;
            tap.fcs_len = if stated != 0 { stated } else { tap.fcs_len };
        }
        self.last_time = time;
        let others_before = std::mem::take(&mut self.others_before);
        Ok(Record { flags, others_before, ..tap.record(PACKET_HEAD_BYTES, caplen, time, original_len) })
    }

    /// Any block but an Enhanced Packet Block, whole; the place of a packet's data is relative to the block.
    fn other_block(&mut self, block: &[u8], catalog: &mut Catalog) -> Result<Option<Record>, Fault> {
        let kind = self.order.u32_at(block, 0).unwrap_or(0);
        match kind {
            SHB_MAGIC => self.section_header(block).map(|()| None),
            IDB_MAGIC => self.interface_description(block, catalog).map(|()| None),
            ISB_MAGIC => self.interface_statistics(block, catalog).map(|()| None),
            NRB_MAGIC => {
                catalog.names.read_block(self.order, &block[8..block.len() - TRAILER_BYTES]);
                Ok(None)
            }
            SPB_MAGIC => self.simple_packet(block).map(Some),
            PB_MAGIC => self.obsolete_packet(block, catalog).map(Some),
            // It was not whole in memory when the direct way looked at it.
            EPB_MAGIC => match block.first_chunk() {
                Some(head) => self.enhanced_packet(head, block, catalog).map(Some),
                None => Err(bad_packet(block.len(), 0)),
            },
            // Wireshark gives custom blocks, journal entries and sysdig's events a frame number each.
            CB_MAGIC | DCB_MAGIC | SJE_MAGIC | 0x204 | 0x208 | 0x216 | 0x217 | 0x221 | 0x222 => {
                self.others_before += 1;
                Ok(None)
            }
            DSB_MAGIC => Ok(None),
            _ => {
                catalog.unknown_blocks += 1;
                Ok(None)
            }
        }
    }

    /// A new section: its interfaces are numbered from 0 again.
    fn section_header(&mut self, block: &[u8]) -> Result<(), Fault> {
        let version = (self.order.u16_at(block, 12), self.order.u16_at(block, 14));
        let (Some(major), Some(minor)) = version else { return Err(Fault::damaged("a section header cut short")) };
        // 1.2 was written by some programs and is the same as 1.0.
        if !matches!((major, minor), (1, 0 | 2)) {
            return Err(Fault::Unsupported(format!("pcapng version {major}.{minor}")));
        }
        self.interfaces.clear();
        Ok(())
    }

    fn interface_description(&mut self, block: &[u8], catalog: &mut Catalog) -> Result<(), Fault> {
        const HEAD_BYTES: usize = 16;
        let (Some(link), Some(snaplen)) = (self.order.u16_at(block, 8), self.order.u32_at(block, 12)) else {
            return Err(Fault::damaged("an interface description cut short"));
        };
        let link = LinkType::from_file(link);
        let mut interface =
            Interface { snaplen: (snaplen != 0).then_some(snaplen), ..Interface::bare(self.file, link) };
        let (mut tsresol, mut offset_s) = (6, 0);
        for option in options(self.order, block.get(HEAD_BYTES..block.len() - TRAILER_BYTES).unwrap_or_default()) {
            let Ok(value) = option.as_bytes() else { continue };
            match option.code {
                OptionCode::IfName => interface.name = Some(text(value)),
                OptionCode::IfDescription => interface.description = Some(text(value)),
                // The first octet says what kind of filter follows; 0 is libpcap's text.
                OptionCode::IfFilter => interface.filter = value.strip_prefix(&[0]).map(text),
                OptionCode::IfTsresol => tsresol = value.first().copied().unwrap_or(tsresol),
                OptionCode::IfTsoffset => offset_s = self.u64(value).unwrap_or(0).cast_signed(),
                OptionCode(IF_FCSLEN) => interface.fcs_len = fcs_octets(value.first().copied().unwrap_or(0)),
                _ => {}
            }
        }
        let fcs_len = interface.fcs_len.into();
        let tap = Tap { link, fcs_len, interface: catalog.register(interface)? };
        self.interfaces.push(SectionInterface { clock: Clock::new(tsresol, offset_s), tap, snaplen });
        Ok(())
    }

    fn interface_statistics(&mut self, block: &[u8], catalog: &mut Catalog) -> Result<(), Fault> {
        const HEAD_BYTES: usize = 20;
        let index = self.order.u32_at(block, 8).unwrap_or(u32::MAX);
        // Statistics of nobody harm nobody.
        let Some(interface) = self.interfaces.get(index as usize) else { return Ok(()) };
        let (Some(high), Some(low)) = (self.order.u32_at(block, 12), self.order.u32_at(block, 16)) else {
            return Ok(());
        };
        let to = interface.clock.timestamp((u64::from(high) << 32) | u64::from(low));
        let number = interface.tap.interface;
        let counted = catalog.interface_mut(number);
        let before = (counted.counted_at.replace(to), counted.drops.missing());
        let drops = &mut counted.drops;
        for option in options(self.order, block.get(HEAD_BYTES..block.len() - TRAILER_BYTES).unwrap_or_default()) {
            let count = option.as_bytes().ok().and_then(|value| self.u64(value));
            // All ones say that nobody counted.
            let Some(count) = count.filter(|&count| count != u64::MAX) else { continue };
            // Each block repeats the counts since the start: the last one holds.
            match option.code {
                OptionCode::IsbIfRecv => drops.received = Some(count),
                OptionCode::IsbIfDrop => drops.by_interface = Some(count),
                OptionCode::IsbFilterAccept => drops.accepted = Some(count),
                OptionCode::IsbOsDrop => drops.by_system = Some(count),
                OptionCode::IsbUsrDeliv => drops.delivered = Some(count),
                _ => {}
            }
        }
        // What the first block of an interface says may have been lost any time before.
        let frames = drops.missing().saturating_sub(before.1);
        if let (Some(from), 1..) = (before.0, frames) {
            catalog.lost(number, Gap { from: from.min(to), to, frames });
        }
        Ok(())
    }

    /// A Simple Packet Block: from the section's first interface, without a time.
    fn simple_packet(&mut self, block: &[u8]) -> Result<Record, Fault> {
        let Some(interface) = self.interfaces.first() else { return Err(self.unknown_interface(0)) };
        let (Some(original_len), Some(room)) =
            (self.order.u32_at(block, 8), block.len().checked_sub(SIMPLE_HEAD_BYTES + TRAILER_BYTES))
        else {
            return Err(Fault::damaged("a simple packet block cut short"));
        };
        // Nothing in the block says how much was captured: it is all, or the snap length.
        let limit = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let caplen = original_len.min(limit).min(room as u32);
        let others_before = std::mem::take(&mut self.others_before);
        let record = interface.tap.record(SIMPLE_HEAD_BYTES, caplen, self.last_time, original_len);
        Ok(Record { others_before, timed: false, ..record })
    }

    /// The obsolete Packet Block: as the enhanced one, with 16 bits each for interface and drop count.
    fn obsolete_packet(&mut self, block: &[u8], catalog: &mut Catalog) -> Result<Record, Fault> {
        let Some(head) = block.first_chunk::<PACKET_HEAD_BYTES>() else { return Err(bad_packet(block.len(), 0)) };
        let field = |at| self.order.u32(four(head, at));
        let (caplen, original_len) = (field(20), field(24));
        if block.len() < PACKET_BYTES_MIN || caplen as usize > block.len() - PACKET_BYTES_MIN {
            return Err(bad_packet(block.len(), caplen));
        }
        let time = (field(12), field(16));
        let index = self.order.u16([head[8], head[9]]);
        let drops = self.order.u16([head[10], head[11]]);
        let record = self.packet(block, index.into(), time, (caplen, original_len), catalog)?;
        // All ones: unknown.
        if drops != u16::MAX && drops != 0 {
            catalog.interface_mut(record.interface).drops.add_in_packet(drops.into());
        }
        Ok(record)
    }

    fn u64(&self, value: &[u8]) -> Option<u64> {
        value.first_chunk().map(|eight| self.order.u64(*eight))
    }

    #[cold]
    fn unknown_interface(&self, index: u32) -> Fault {
        Fault::damaged(format!("interface {index} is used, and the section has described {}", self.interfaces.len()))
    }
}

/// The octets of a number within a head of known size.
#[inline]
fn four<const N: usize>(head: &[u8; N], at: usize) -> [u8; 4] {
    [head[at], head[at + 1], head[at + 2], head[at + 3]]
}

#[cold]
fn bad_packet(total: usize, caplen: u32) -> Fault {
    Fault::damaged(format!("a packet block of {total} bytes that does not fit its {caplen} bytes of data"))
}

/// `epb_flags`, and the drop count added to its interface. Off the hot path: most packets have no options.
#[cold]
fn packet_options(order: ByteOrder, bytes: &[u8], interface: u32, catalog: &mut Catalog) -> u32 {
    let mut flags = 0;
    for option in options(order, bytes) {
        match (option.code, option.value()) {
            (OptionCode(PACKET_FLAGS), value) => flags = order.u32_at(value, 0).unwrap_or(0),
            (OptionCode(PACKET_DROPS), value) => {
                if let Some(count) = value.first_chunk() {
                    catalog.interface_mut(interface).drops.add_in_packet(order.u64(*count));
                }
            }
            _ => {}
        }
    }
    flags
}

/// The options of a block, up to the end mark or the first that does not fit.
fn options(order: ByteOrder, bytes: &[u8]) -> impl Iterator<Item = PcapNGOption<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let parsed = match order {
            ByteOrder::Little => parse_option_le::<NomError<&[u8]>>(rest),
            ByteOrder::Big => parse_option_be::<NomError<&[u8]>>(rest),
        };
        let (after, option) = parsed.ok()?;
        rest = after;
        (option.code != OptionCode::EndOfOpt).then_some(option)
    })
}

/// `if_fcslen` counts bits by the specification and octets in most files.
const fn fcs_octets(stated: u8) -> u8 {
    if stated >= 16 { stated / 8 } else { stated }
}
