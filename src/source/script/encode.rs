//! From items to frames, so that a trace can go the whole way through decoding and be looked at in Wireshark.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr};

use etherparse::{EtherType, Ethernet2Header, IpNumber, Ipv4Header, Ipv6Header, TcpHeader};

use super::lex::ParseError;
use super::parse::parse;
use crate::base::Seq;
use crate::segment::{Flags, IcmpError, Item, Marks, MultipathEnd, OptionKind, Segment, TcpOptions};
use crate::source::{Frame, LinkType, Source, SourceError};

/// What is captured of a frame at most: libpcap's largest snap length.
const SNAP_LENGTH: u32 = 262_144;
const ETHERNET_HEADER: usize = 14;
/// Each side of the trace has a locally administered address of its own.
const MAC_PREFIX: [u8; 5] = [0x02, 0, 0, 0, 0];

/// A trace as a source of Ethernet frames. Decoding them gives the items of the trace again, except for what no frame
/// can show: `context`, `reassembled`, `fragment-first` and `unchecked`. Payload is a function of its sequence
/// number, so that a retransmission repeats the octets.
#[derive(Clone, Debug)]
pub struct Script {
    items: std::vec::IntoIter<Item>,
    frame: Encoded,
}

impl Script {
    /// The frames of `items`.
    pub fn new(items: Vec<Item>) -> Self {
        Script { items: items.into_iter(), frame: Encoded::default() }
    }

    /// The frames of a trace.
    ///
    /// # Errors
    /// Those of [`parse`].
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse(text).map(Script::new)
    }
}

impl Source for Script {
    fn next_frame(&mut self) -> Result<Option<Frame<'_>>, SourceError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        self.frame.encode(&item);
        let (interface, marks) = match &item {
            Item::Segment(segment) => (segment.interface, segment.marks),
            Item::IcmpError(error) => (error.interface, Marks::empty()),
        };
        let inbound = u32::from(marks.contains(Marks::INBOUND));
        let outbound = u32::from(marks.contains(Marks::OUTBOUND)) << 1;
        Ok(Some(Frame {
            number: item.frame(),
            time: item.time(),
            bytes: &self.frame.bytes,
            original_len: self.frame.original_len,
            link: LinkType::ETHERNET,
            interface,
            flags: inbound | outbound,
        }))
    }
}

/// Writes `items` as a pcap file with nanoseconds. It has one interface and no direction.
///
/// # Errors
/// Those of `out`, and times that the format cannot hold: before 1970, after 2106.
pub fn write_pcap(items: &[Item], mut out: impl Write) -> io::Result<()> {
    const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
    out.write_all(&MAGIC_NANOSECONDS.to_le_bytes())?;
    out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0])?;
    out.write_all(&SNAP_LENGTH.to_le_bytes())?;
    out.write_all(&u32::from(LinkType::ETHERNET.0).to_le_bytes())?;
    let mut frame = Encoded::default();
    for item in items {
        frame.encode(item);
        let nanos = item.time().0;
        let seconds = u32::try_from(nanos.div_euclid(1_000_000_000)).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("frame {}: pcap cannot hold {}", item.frame(), item.time()),
            )
        })?;
        // Both fit: a remainder below a second, and a length below the snap length.
        let fraction = nanos.rem_euclid(1_000_000_000) as u32;
        for field in [seconds, fraction, frame.bytes.len() as u32, frame.original_len] {
            out.write_all(&field.to_le_bytes())?;
        }
        out.write_all(&frame.bytes)?;
    }
    Ok(())
}

/// The octets of one frame.
#[derive(Clone, Debug, Default)]
struct Encoded {
    bytes: Vec<u8>,
    original_len: u32,
}

impl Encoded {
    fn encode(&mut self, item: &Item) {
        self.bytes.clear();
        match item {
            Item::Segment(segment) => self.segment(segment),
            Item::IcmpError(error) => self.icmp_error(error),
        }
    }

    fn segment(&mut self, segment: &Segment) {
        let header = tcp_header(segment);
        let header_len = header.len() as u32;
        let (from, to) = (segment.source.ip, segment.destination.ip);
        let len = header_len.saturating_add(segment.payload_len);
        let len = if segment.marks.contains(Marks::LENGTH_ZERO) { None } else { u16::try_from(len).ok() };
        self.packet(from, to, Carried { protocol: IpNumber::TCP, len, segment: Some(segment) });
        let ip_end = self.bytes.len();
        self.bytes.extend_from_slice(&header);
        let kept = segment.payload_len.min(SNAP_LENGTH);
        self.bytes.extend((0..kept).map(|offset| (segment.seq + offset).0 as u8));
        let checksum = checksum(segment, &self.bytes[ip_end..], header_len.saturating_add(segment.payload_len));
        self.bytes[ip_end + 16..ip_end + 18].copy_from_slice(&checksum.to_be_bytes());
        self.original_len = (ip_end as u32).saturating_add(header_len).saturating_add(segment.payload_len);
        if segment.marks.contains(Marks::OPTIONS_CUT) {
            self.bytes.truncate(ip_end + header.len() - 4);
        } else if segment.marks.contains(Marks::PAYLOAD_CUT) {
            self.bytes.truncate(ip_end + header.len());
        }
        self.bytes.truncate(SNAP_LENGTH as usize);
        if segment.marks.contains(Marks::FRAME_SHORT) && segment.payload_len > 0 {
            self.bytes.truncate(ip_end + header.len());
            self.original_len = self.bytes.len() as u32;
        }
        if segment.marks.contains(Marks::SAMPLED) {
            self.sample();
        }
    }

    /// Puts the frame into a flow sample of an sFlow datagram.
    fn sample(&mut self) {
        /// What leaves room in a datagram of 64 KiB.
        const HEADER_MAX: usize = 0xf000;
        const RATE: u32 = 1_000;
        const PORT: u16 = 6343;
        const CHECK_SEQUENCE: u32 = 4;
        let (agent, collector) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let mut frame = std::mem::take(&mut self.bytes);
        frame.truncate(HEADER_MAX);
        let captured = frame.len() as u32;
        frame.resize(frame.len().next_multiple_of(4), 0);
        let len = frame.len() as u32;
        let sent = self.original_len.saturating_add(CHECK_SEQUENCE);
        let datagram = [5, 1, agent.to_bits(), 0, 1, 0, 1];
        let flow_sample = [1, len + 56, 1, 1, RATE, RATE, 0, 1, 2, 1];
        let raw_header = [1, len + 16, 1, sent, CHECK_SEQUENCE, captured];
        let words: Vec<u32> = [&datagram[..], &flow_sample, &raw_header].concat();
        let udp_len = 8 + 4 * words.len() as u16 + frame.len() as u16;
        let carried = Carried { protocol: IpNumber::UDP, len: Some(udp_len), segment: None };
        self.packet(agent.into(), collector.into(), carried);
        for field in [PORT, PORT, udp_len, 0] {
            self.bytes.extend(field.to_be_bytes());
        }
        self.bytes.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        self.bytes.extend(frame);
        self.original_len = self.bytes.len() as u32;
    }

    fn icmp_error(&mut self, error: &IcmpError) {
        let mut quote = Encoded::default();
        let quoted = Segment { flags: error.flags.unwrap_or_default(), ..quoted(error) };
        quote.packet(
            error.source.ip,
            error.destination.ip,
            Carried { protocol: IpNumber::TCP, len: Some(20), segment: Some(&quoted) },
        );
        quote.bytes.extend_from_slice(&tcp_header(&quoted)[..if error.flags.is_some() { 20 } else { 8 }]);

        let protocol = if error.v6 { IpNumber::IPV6_ICMP } else { IpNumber::ICMP };
        let quote = &quote.bytes[ETHERNET_HEADER..];
        self.packet(
            error.reporter,
            error.recipient,
            Carried { protocol, len: Some(8 + quote.len() as u16), segment: None },
        );
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[error.kind, error.code, 0, 0]);
        self.bytes.extend_from_slice(&error.mtu.unwrap_or(0).to_be_bytes());
        self.bytes.extend_from_slice(quote);
        let icmp = &self.bytes[start..];
        let mut sum = Sum::default();
        if error.v6 {
            sum.pseudo_header(error.reporter, error.recipient, protocol, icmp.len() as u32);
        }
        sum.octets(icmp);
        let checksum = (!sum.folded()).to_be_bytes();
        self.bytes[start + 2..start + 4].copy_from_slice(&checksum);
        self.original_len = self.bytes.len() as u32;
    }

    /// The Ethernet and IP headers. `len` octets follow; none leaves the length field 0.
    fn packet(&mut self, from: IpAddr, to: IpAddr, carried: Carried<'_>) {
        let [source, destination] = [from, to].map(|ip| {
            let [a, b, c, d, e] = MAC_PREFIX;
            let last = match ip {
                IpAddr::V4(ip) => ip.octets()[3],
                IpAddr::V6(ip) => ip.octets()[15],
            };
            [a, b, c, d, e, last]
        });
        let ether_type = if from.is_ipv6() { EtherType::IPV6 } else { EtherType::IPV4 };
        self.bytes.extend(Ethernet2Header { source, destination, ether_type }.to_bytes());
        let ttl = carried.segment.map_or(64, |segment| segment.ttl);
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let mut header = Ipv4Header {
                    time_to_live: ttl,
                    protocol: carried.protocol,
                    source: from.octets(),
                    destination: to.octets(),
                    identification: carried.segment.map_or(0, |segment| segment.ip_id),
                    dont_fragment: carried.segment.is_none_or(|segment| segment.marks.contains(Marks::DONT_FRAGMENT)),
                    ..Ipv4Header::default()
                };
                header.total_len = carried.len.and_then(|len| len.checked_add(20)).unwrap_or(0);
                header.header_checksum = header.calc_header_checksum();
                self.bytes.extend(header.to_bytes());
            }
            (from, to) => {
                let [source, destination] = [from, to].map(|ip| match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                    IpAddr::V6(ip) => ip.octets(),
                });
                let header = Ipv6Header {
                    payload_length: carried.len.unwrap_or(0),
                    next_header: carried.protocol,
                    hop_limit: ttl,
                    source,
                    destination,
                    ..Ipv6Header::default()
                };
                self.bytes.extend(header.to_bytes());
            }
        }
    }
}

/// What an IP packet carries.
struct Carried<'a> {
    protocol: IpNumber,
    /// Its length; none when the IP header shall not tell.
    len: Option<u16>,
    /// Where TTL, id and DF come from.
    segment: Option<&'a Segment>,
}

/// As much of a quoted segment as an error knows.
fn quoted(error: &IcmpError) -> Segment {
    Segment {
        time: error.time,
        frame: error.frame,
        source: error.source,
        destination: error.destination,
        seq: error.seq,
        ack: Seq(0),
        payload_len: 0,
        window: 0,
        flags: Flags::empty(),
        ip_id: 0,
        ttl: 64,
        marks: Marks::DONT_FRAGMENT,
        interface: 0,
        context: 0,
        realm: 0,
        digest: 0,
        options: TcpOptions::default(),
    }
}

/// The header without its checksum.
fn tcp_header(segment: &Segment) -> Vec<u8> {
    let flags = segment.flags;
    let has = |flag| flags.contains(flag);
    let mut header = TcpHeader::new(segment.source.port, segment.destination.port, segment.seq.0, segment.window);
    header.acknowledgment_number = segment.ack.0;
    (header.fin, header.syn, header.rst, header.psh) =
        (has(Flags::FIN), has(Flags::SYN), has(Flags::RST), has(Flags::PSH));
    (header.ack, header.urg, header.ece, header.cwr, header.ns) =
        (has(Flags::ACK), has(Flags::URG), has(Flags::ECE), has(Flags::CWR), has(Flags::AE));
    let mut bytes = header.to_bytes().to_vec();
    if segment.marks.contains(Marks::HEADER_BAD) {
        // The largest data offset below the fixed header's, or the largest of all, with nothing behind.
        let offset = if segment.marks.contains(Marks::OPTIONS_CUT) { 0xf0 } else { 0x40 };
        bytes[12] = (bytes[12] & 0x0f) | offset;
        return bytes;
    }
    bytes.extend(option_octets(&segment.options, segment.marks));
    bytes[12] = (bytes[12] & 0x0f) | ((bytes.len() / 4) as u8) << 4;
    bytes
}

/// The options area, padded to whole words. A header holds 40 octets; what lies beyond is left out.
fn option_octets(options: &TcpOptions, marks: Marks) -> Vec<u8> {
    let mut area = Vec::with_capacity(40);
    for kind in options.in_order() {
        match kind {
            OptionKind::MaximumSegmentSize => {
                area.extend([2, 4]);
                area.extend(options.mss.unwrap_or_default().to_be_bytes());
            }
            OptionKind::SackPermitted => area.extend([4, 2]),
            OptionKind::Timestamps => {
                let clock = options.timestamps.unwrap_or_default();
                area.extend([8, 10]);
                area.extend(clock.value.to_be_bytes());
                area.extend(clock.echo.to_be_bytes());
            }
            OptionKind::WindowScale => area.extend([3, 3, options.window_scale.unwrap_or_default()]),
        }
    }
    if !options.sack_blocks().is_empty() {
        area.extend([5, 2 + 8 * options.sack_blocks().len() as u8]);
        area.extend(
            options
                .sack_blocks()
                .iter()
                .flat_map(|block| [block.left.0.to_be_bytes(), block.right.0.to_be_bytes()].concat()),
        );
    }
    if options.fast_open {
        area.extend([34, 2]);
    }
    match (options.multipath_end, options.multipath_end.reason()) {
        (MultipathEnd::FAST_CLOSE, _) => area.extend([30, 12, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (_, Some(reason)) => area.extend([30, 4, 0x80, reason]),
        _ if options.multipath => area.extend([30, 4, 0, 0]),
        _ => {}
    }
    if marks.contains(Marks::OPTIONS_BAD) {
        // An unknown kind that claims to be shorter than its own head.
        area.extend([99, 0]);
    }
    const NO_OPERATION: u8 = 1;
    area.resize(area.len().next_multiple_of(4), NO_OPERATION);
    if marks.contains(Marks::OPTIONS_CUT) {
        area.extend([NO_OPERATION; 4]);
    }
    area.truncate(40);
    area
}

/// The octets that the options of a segment with these marks need, before padding.
pub(super) fn options_len(options: &TcpOptions, marks: Marks) -> usize {
    let sack = options.sack_blocks().len();
    let sizes = [
        (options.mss.is_some(), 4),
        (options.sack_permitted, 2),
        (options.timestamps.is_some(), 10),
        (options.window_scale.is_some(), 3),
        (sack > 0, 2 + 8 * sack),
        (options.fast_open, 2),
        (options.multipath, if options.multipath_end == MultipathEnd::FAST_CLOSE { 12 } else { 4 }),
        (marks.contains(Marks::OPTIONS_BAD), 2),
        (marks.contains(Marks::OPTIONS_CUT), 4),
    ];
    sizes.into_iter().filter(|(present, _)| *present).map(|(_, octets)| octets).sum()
}

/// The checksum field as the marks have it; `tcp` is the header and the payload, `len` their length on the wire.
fn checksum(segment: &Segment, tcp: &[u8], len: u32) -> u16 {
    let mut sum = Sum::default();
    sum.pseudo_header(segment.source.ip, segment.destination.ip, IpNumber::TCP, len);
    let partial = sum.folded();
    sum.octets(tcp);
    let good = !sum.folded();
    if segment.marks.contains(Marks::CHECKSUM_PARTIAL) {
        partial
    } else if segment.marks.contains(Marks::CHECKSUM_BAD) {
        let wrong = good ^ 0x1234;
        if wrong == partial { good ^ 0x4321 } else { wrong }
    } else {
        good
    }
}

/// The Internet checksum before its complement (RFC 1071).
#[derive(Default)]
struct Sum(u64);

impl Sum {
    fn octets(&mut self, octets: &[u8]) {
        for pair in octets.chunks(2) {
            self.0 += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
        }
    }

    fn pseudo_header(&mut self, from: IpAddr, to: IpAddr, protocol: IpNumber, len: u32) {
        for ip in [from, to] {
            match ip {
                IpAddr::V4(ip) => self.octets(&ip.octets()),
                IpAddr::V6(ip) => self.octets(&ip.octets()),
            }
        }
        self.octets(&len.to_be_bytes());
        self.octets(&[0, protocol.0]);
    }

    fn folded(&self) -> u16 {
        let mut sum = self.0;
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        sum as u16
    }
}
