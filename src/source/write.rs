//! Writes captures: pcap for the simple cases, pcapng for several interfaces, comments and what else a capture can hold.

use std::io::{self, Write};
use std::net::IpAddr;

use super::byte_order::ByteOrder;
use super::limits::RECORD_BYTES_MAX;
use super::{Drops, LinkType};
use crate::base::Timestamp;

/// The unit of a pcap file's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Resolution {
    /// Microseconds: what every program reads. What is finer is cut off.
    Micros,
    /// Nanoseconds.
    #[default]
    Nanos,
}

/// What stands in the header of a pcap file.
#[derive(Clone, Copy, Debug)]
pub struct PcapOptions {
    /// How frames begin.
    pub link: LinkType,
    /// Most octets kept of each frame. Only stated: frames are written as they are.
    pub snaplen: u32,
    /// The unit of timestamps.
    pub resolution: Resolution,
    /// In which order the bytes of numbers stand.
    pub order: ByteOrder,
}

impl PcapOptions {
    /// Frames of `link` in full, with nanoseconds, little-endian.
    pub const fn new(link: LinkType) -> Self {
        Self { link, snaplen: 262_144, resolution: Resolution::Nanos, order: ByteOrder::Little }
    }
}

/// Writes one pcap file.
#[derive(Debug)]
pub struct PcapWriter<W> {
    out: W,
    resolution: Resolution,
    order: ByteOrder,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, options: PcapOptions) -> io::Result<Self> {
        let PcapOptions { link, snaplen, resolution, order } = options;
        let magic = match resolution {
            Resolution::Micros => 0xa1b2_c3d4,
            Resolution::Nanos => 0xa1b2_3c4d,
        };
        let mut header = Fields::new(order);
        header.u32(magic).u16(2).u16(4).u32(0).u32(0).u32(snaplen).u32(link.0.into());
        out.write_all(&header.bytes)?;
        Ok(Self { out, resolution, order })
    }

    /// Writes one frame of which `bytes` were captured.
    ///
    /// # Errors
    /// Those of `out`; `InvalidInput` for frames longer than any reader takes and for times before 1970 or after 2106.
    pub fn frame(&mut self, time: Timestamp, bytes: &[u8], original_len: u32) -> io::Result<()> {
        let seconds = u32::try_from(time.0.div_euclid(1_000_000_000))
            .map_err(|_| invalid(format!("pcap cannot hold the time {time}")))?;
        let nanos = time.0.rem_euclid(1_000_000_000) as u32;
        let fraction = match self.resolution {
            Resolution::Micros => nanos / 1_000,
            Resolution::Nanos => nanos,
        };
        let mut head = Fields::new(self.order);
        head.u32(seconds).u32(fraction).u32(captured_len(bytes)?).u32(original_len);
        self.out.write_all(&head.bytes)?;
        self.out.write_all(bytes)
    }

    /// The end: flushes and gives back what it wrote to.
    ///
    /// # Errors
    /// Those of flushing.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// What an Interface Description Block says.
#[derive(Clone, Debug, Default)]
pub struct InterfaceOptions {
    /// `if_name`.
    pub name: Option<String>,
    /// `if_description`.
    pub description: Option<String>,
    /// Most octets kept of each frame; 0 is unlimited.
    pub snaplen: u32,
    /// `if_fcslen`: octets of frame check sequence at the end of every frame.
    pub fcs_len: Option<u8>,
}

/// What stands beside a packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct PacketOptions<'a> {
    /// `epb_flags`; 0 is not written.
    pub flags: u32,
    /// Comments, which Wireshark shows above the packet.
    pub comments: &'a [&'a str],
}

/// Writes one section of a pcapng file. Timestamps are nanoseconds.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    order: ByteOrder,
    interfaces: u32,
}

/// The length of an option is 16 bits wide.
const OPTION_BYTES_MAX: usize = u16::MAX as usize;

/// The options that are written.
mod code {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const SHB_USERAPPL: u16 = 4;
    pub(super) const IF_NAME: u16 = 2;
    pub(super) const IF_DESCRIPTION: u16 = 3;
    pub(super) const IF_TSRESOL: u16 = 9;
    pub(super) const IF_FCSLEN: u16 = 13;
    pub(super) const EPB_FLAGS: u16 = 2;
    pub(super) const ISB_IFRECV: u16 = 4;
    pub(super) const ISB_IFDROP: u16 = 5;
    pub(super) const ISB_FILTERACCEPT: u16 = 6;
    pub(super) const ISB_OSDROP: u16 = 7;
    pub(super) const ISB_USRDELIV: u16 = 8;
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the section header; `application` is the name of the writing program.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(out: W, order: ByteOrder, application: &str) -> io::Result<Self> {
        let mut content = Fields::new(order);
        // A length of -1: the section goes on to the end of the file.
        content.u32(pcap_parser::BOM_MAGIC).u16(1).u16(0).u64(u64::MAX);
        content.option(code::SHB_USERAPPL, application.as_bytes()).end_options();
        let mut writer = Self { out, order, interfaces: 0 };
        writer.block(pcap_parser::SHB_MAGIC, &content.bytes)?;
        Ok(writer)
    }

    /// What it writes to.
    pub fn get_ref(&self) -> &W {
        &self.out
    }

    /// What it writes to. Bytes written past the writer would damage the file.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    /// Describes an interface and gives its number.
    ///
    /// # Errors
    /// Those of the output.
    pub fn interface(&mut self, link: LinkType, options: &InterfaceOptions) -> io::Result<u32> {
        const NANOS: u8 = 9;
        let mut content = Fields::new(self.order);
        content.u16(link.0).u16(0).u32(options.snaplen);
        for (code, text) in [(code::IF_NAME, &options.name), (code::IF_DESCRIPTION, &options.description)] {
            if let Some(text) = text {
                content.option(code, text.as_bytes());
            }
        }
        content.option(code::IF_TSRESOL, &[NANOS]);
        if let Some(fcs_len) = options.fcs_len {
            content.option(code::IF_FCSLEN, &[fcs_len]);
        }
        content.end_options();
        self.block(pcap_parser::IDB_MAGIC, &content.bytes)?;
        self.interfaces += 1;
        Ok(self.interfaces - 1)
    }

    /// Writes one frame of which `bytes` were captured on `interface`.
    ///
    /// # Errors
    /// Those of the output; `InvalidInput` for frames longer than any reader takes, for times before 1970 and for an
    /// interface that was not described.
    pub fn frame(
        &mut self,
        interface: u32,
        time: Timestamp,
        bytes: &[u8],
        original_len: u32,
        options: PacketOptions<'_>,
    ) -> io::Result<()> {
        if interface >= self.interfaces {
            return Err(invalid(format!("interface {interface} was not described")));
        }
        let nanos = u64::try_from(time.0).map_err(|_| invalid(format!("pcapng cannot hold the time {time}")))?;
        let mut content = Fields::new(self.order);
        content.u32(interface).u32((nanos >> 32) as u32).u32(nanos as u32);
        content.u32(captured_len(bytes)?).u32(original_len).padded(bytes);
        if options.flags != 0 || !options.comments.is_empty() {
            for comment in options.comments {
                content.option(code::COMMENT, &comment.as_bytes()[..comment.floor_char_boundary(OPTION_BYTES_MAX)]);
            }
            if options.flags != 0 {
                content.number_option(code::EPB_FLAGS, options.flags.into(), 4);
            }
            content.end_options();
        }
        self.block(pcap_parser::EPB_MAGIC, &content.bytes)
    }

    /// Writes what was counted on an interface.
    ///
    /// # Errors
    /// Those of the output.
    pub fn statistics(&mut self, interface: u32, time: Timestamp, drops: Drops) -> io::Result<()> {
        let nanos = u64::try_from(time.0).unwrap_or(0);
        let mut content = Fields::new(self.order);
        content.u32(interface).u32((nanos >> 32) as u32).u32(nanos as u32);
        for (code, count) in [
            (code::ISB_IFRECV, drops.received),
            (code::ISB_IFDROP, drops.by_interface),
            (code::ISB_FILTERACCEPT, drops.accepted),
            (code::ISB_OSDROP, drops.by_system),
            (code::ISB_USRDELIV, drops.delivered),
        ] {
            if let Some(count) = count {
                content.number_option(code, count, 8);
            }
        }
        content.end_options();
        self.block(pcap_parser::ISB_MAGIC, &content.bytes)
    }

    /// Writes names of addresses.
    ///
    /// # Errors
    /// Those of the output.
    pub fn names<'a>(&mut self, names: impl IntoIterator<Item = (IpAddr, &'a str)>) -> io::Result<()> {
        const IPV4: u16 = 1;
        const IPV6: u16 = 2;
        let mut content = Fields::new(self.order);
        for (address, name) in names {
            let mut value = match address {
                IpAddr::V4(ip) => ip.octets().to_vec(),
                IpAddr::V6(ip) => ip.octets().to_vec(),
            };
            value.extend_from_slice(name.as_bytes());
            value.push(0);
            content.option(if address.is_ipv4() { IPV4 } else { IPV6 }, &value);
        }
        // The end record looks like the end of options.
        content.end_options();
        self.block(pcap_parser::NRB_MAGIC, &content.bytes)
    }

    /// Writes a block of any type, for what is copied without being understood.
    ///
    /// # Errors
    /// Those of the output; `InvalidInput` for blocks longer than any reader takes.
    pub fn block(&mut self, kind: u32, content: &[u8]) -> io::Result<()> {
        const FRAME_BYTES: usize = 12;
        let total = content.len().next_multiple_of(4) + FRAME_BYTES;
        let Some(total) = u32::try_from(total).ok().filter(|total| *total <= RECORD_BYTES_MAX) else {
            return Err(invalid(format!("a block of {total} bytes is longer than any reader takes")));
        };
        let mut block = Fields::new(self.order);
        block.u32(kind).u32(total).padded(content).u32(total);
        self.out.write_all(&block.bytes)
    }

    /// The end: flushes and gives back what it wrote to.
    ///
    /// # Errors
    /// Those of flushing.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The fields of a header or block, one after another.
struct Fields {
    bytes: Vec<u8>,
    order: ByteOrder,
}

impl Fields {
    fn new(order: ByteOrder) -> Self {
        Self { bytes: Vec::new(), order }
    }

    /// The lowest `width` octets of `value`.
    fn number(&mut self, value: u64, width: usize) -> &mut Self {
        match self.order {
            ByteOrder::Little => self.bytes.extend_from_slice(&value.to_le_bytes()[..width]),
            ByteOrder::Big => self.bytes.extend_from_slice(&value.to_be_bytes()[8 - width..]),
        }
        self
    }

    fn u16(&mut self, value: u16) -> &mut Self {
        self.number(value.into(), 2)
    }

    fn u32(&mut self, value: u32) -> &mut Self {
        self.number(value.into(), 4)
    }

    fn u64(&mut self, value: u64) -> &mut Self {
        self.number(value, 8)
    }

    /// Bytes, and zeros up to the next 32 bits.
    fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self.bytes.resize(self.bytes.len() + bytes.len().next_multiple_of(4) - bytes.len(), 0);
        self
    }

    /// An option, cut at the most that an option can hold.
    fn option(&mut self, code: u16, value: &[u8]) -> &mut Self {
        let value = &value[..value.len().min(OPTION_BYTES_MAX)];
        self.u16(code).u16(value.len() as u16).padded(value)
    }

    /// An option that is a number of `width` octets.
    fn number_option(&mut self, code: u16, value: u64, width: u16) -> &mut Self {
        self.u16(code).u16(width).number(value, width.into())
    }

    fn end_options(&mut self) -> &mut Self {
        self.u16(code::END).u16(0)
    }
}

fn captured_len(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len())
        .ok()
        .filter(|len| *len <= RECORD_BYTES_MAX)
        .ok_or_else(|| invalid(format!("a frame of {} bytes is longer than any reader takes", bytes.len())))
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
