//! What each format can say, in both byte orders.

use std::net::IpAddr;

use lastack::base::Timestamp;
use lastack::source::write::{InterfaceOptions, PacketOptions, PcapOptions, PcapWriter, PcapngWriter};
use lastack::source::{ByteOrder, Drops, LinkType};

use super::{drain_set, frames_of, from_reader, open_bytes};

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

/// Numbers of 16 and 32 bits, strings of bytes: content of blocks and records, in either order.
struct Raw(ByteOrder, Vec<u8>);

impl Raw {
    fn new(order: ByteOrder) -> Self {
        Self(order, Vec::new())
    }

    fn u16(mut self, value: u16) -> Self {
        self.1.extend(match self.0 {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        });
        self
    }

    fn u32(mut self, value: u32) -> Self {
        self.1.extend(match self.0 {
            ByteOrder::Little => value.to_le_bytes(),
            ByteOrder::Big => value.to_be_bytes(),
        });
        self
    }

    fn u64(self, value: u64) -> Self {
        let (high, low) = ((value >> 32) as u32, value as u32);
        match self.0 {
            ByteOrder::Little => self.u32(low).u32(high),
            ByteOrder::Big => self.u32(high).u32(low),
        }
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.1.extend(bytes);
        self
    }

    /// A block of pcapng around what was put in so far.
    fn block(self, kind: u32) -> Vec<u8> {
        let total = self.1.len() as u32 + 12;
        Raw::new(self.0).u32(kind).u32(total).bytes(&self.1).u32(total).1
    }
}

fn section(order: ByteOrder) -> Vec<u8> {
    Raw::new(order).u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX).block(0x0a0d_0d0a)
}

/// An interface with `if_tsresol` and `if_tsoffset`.
fn interface(order: ByteOrder, snaplen: u32, tsresol: u8, tsoffset: i64) -> Vec<u8> {
    Raw::new(order)
        .u16(1)
        .u16(0)
        .u32(snaplen)
        .u16(9)
        .u16(1)
        .bytes(&[tsresol, 0, 0, 0])
        .u16(14)
        .u16(8)
        .u64(tsoffset.cast_unsigned())
        .u32(0)
        .block(1)
}

/// A packet of four bytes.
fn enhanced(order: ByteOrder, interface: u32, units: u64) -> Vec<u8> {
    Raw::new(order)
        .u32(interface)
        .u32((units >> 32) as u32)
        .u32(units as u32)
        .u32(4)
        .u32(4)
        .bytes(&[1, 2, 3, 4])
        .block(6)
}

#[test]
fn every_resolution_and_offset_gives_the_same_moment() {
    let nanos = 1_234_567_890_500_000_000_i64;
    for order in ORDERS {
        let cases = [
            (0x06, 0, 1_234_567_890_500_000_u64),
            (0x09, 0, 1_234_567_890_500_000_000),
            (0x03, 0, 1_234_567_890_500),
            (0x00, 0, 1_234_567_890),
            (0x0a, 0, 12_345_678_905_000_000_000),
            (0x06, 1_234_567_890, 500_000),
            (0x06, -1_000_000_000, 2_234_567_890_500_000),
            (0x8a, 0, (1_234_567_890 << 10) | 512),
            (0xa0, 0, (1_234_567_890 << 32) | (1 << 31)),
            (0xa0, 1_234_567_800, (90 << 32) | (1 << 31)),
            (0x81, 0, 1_234_567_890 * 2 + 1),
        ];
        for (tsresol, tsoffset, units) in cases {
            let capture = [section(order), interface(order, 0, tsresol, tsoffset), enhanced(order, 0, units)].concat();
            let expected = if tsresol == 0 { nanos - 500_000_000 } else { nanos };
            assert_eq!(frames_of(&capture)[0].time, expected, "{order:?} {tsresol:#x} {tsoffset}");
        }
    }
}

#[test]
fn sections_of_either_order_number_their_interfaces_anew() {
    let capture: Vec<u8> = ORDERS
        .into_iter()
        .flat_map(|order| {
            [
                section(order),
                interface(order, 0, 6, 0),
                interface(order, 0, 9, 0),
                enhanced(order, 1, 5),
                enhanced(order, 0, 5),
            ]
            .concat()
        })
        .collect();
    let frames = frames_of(&capture);
    let seen: Vec<_> = frames.iter().map(|frame| (frame.number, frame.interface, frame.time)).collect();
    assert_eq!(seen, [(1, 1, 5), (2, 0, 5_000), (3, 3, 5), (4, 2, 5_000)]);
}

#[test]
fn simple_packets_are_cut_at_the_snap_length_and_have_no_time() {
    for order in ORDERS {
        let simple = |original: u32, captured: &[u8]| Raw::new(order).u32(original).bytes(captured).block(3);
        let capture = [
            section(order),
            interface(order, 6, 9, 0),
            enhanced(order, 0, 77),
            simple(100, &[1, 2, 3, 4, 5, 6, 0, 0]),
            simple(5, &[1, 2, 3, 4, 5, 0, 0, 0]),
        ]
        .concat();
        let mut set = open_bytes(&capture);
        let (frames, error) = drain_set(&mut set);
        assert_eq!(error, None);
        assert_eq!((&frames[1].bytes[..], frames[1].original_len), (&[1, 2, 3, 4, 5, 6][..], 100));
        assert_eq!((&frames[2].bytes[..], frames[2].original_len), (&[1, 2, 3, 4, 5][..], 5));
        // They carry the time of the packet before, and are counted.
        assert_eq!([frames[1].time, frames[2].time], [77, 77]);
        assert_eq!((set.interfaces()[0].frames, set.interfaces()[0].untimed), (3, 2));
    }
}

#[test]
fn the_obsolete_packet_block_is_a_packet() {
    for order in ORDERS {
        let obsolete = |drops: u16| {
            Raw::new(order)
                .u16(0)
                .u16(drops)
                .u32(0)
                .u32(9)
                .u32(3)
                .u32(60)
                .bytes(&[7, 8, 9, 0])
                .u16(2)
                .u16(4)
                .u32(2)
                .u32(0)
                .block(2)
        };
        let capture =
            [section(order), interface(order, 0, 9, 0), obsolete(3), obsolete(4), obsolete(u16::MAX)].concat();
        let mut set = open_bytes(&capture);
        let (frames, error) = drain_set(&mut set);
        assert_eq!((frames.len(), error), (3, None));
        let first = &frames[0];
        assert_eq!((&first.bytes[..], first.original_len, first.time, first.flags), (&[7, 8, 9][..], 60, 9, 2));
        assert_eq!(set.interfaces()[0].drops.total(), 7);
    }
}

#[test]
fn check_sequences_are_no_part_of_the_frame() {
    // pcap says it in the upper bits of the link type: two words of 16 bits.
    let mut pcap = PcapWriter::new(Vec::new(), PcapOptions::new(LinkType::ETHERNET)).expect("memory");
    pcap.frame(Timestamp(0), &[1; 64], 64).expect("memory");
    pcap.frame(Timestamp(0), &[1; 62], 64).expect("memory");
    pcap.frame(Timestamp(0), &[1; 50], 64).expect("memory");
    let mut pcap = pcap.finish().expect("memory");
    pcap[23] = 0x24;
    let mut pcapng = PcapngWriter::new(Vec::new(), ByteOrder::Big, "tests").expect("memory");
    let fcs = InterfaceOptions { fcs_len: Some(4), ..InterfaceOptions::default() };
    let interface = pcapng.interface(LinkType::ETHERNET, &fcs).expect("memory");
    for length in [64, 62, 50] {
        pcapng.frame(interface, Timestamp(0), &vec![1; length], 64, PacketOptions::default()).expect("memory");
    }
    let in_bits = {
        let mut bytes = pcapng.finish().expect("memory");
        let at = bytes.windows(5).position(|option| option == [0, 13, 0, 1, 4]).expect("the option");
        let in_octets = bytes.clone();
        bytes[at + 4] = 32;
        [in_octets, bytes]
    };
    for capture in [pcap].iter().chain(&in_bits) {
        let lengths: Vec<_> = frames_of(capture).iter().map(|frame| (frame.bytes.len(), frame.original_len)).collect();
        assert_eq!(lengths, [(60, 60), (60, 60), (50, 60)]);
    }
}

#[test]
fn flags_of_a_packet_override_its_interface() {
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little, "tests").expect("memory");
    let interface = writer.interface(LinkType::ETHERNET, &InterfaceOptions::default()).expect("memory");
    // Outbound, with two octets of check sequence.
    let options = PacketOptions { flags: 2 | (2 << 5), comments: &["sent here"] };
    writer.frame(interface, Timestamp(1), &[9; 20], 20, options).expect("memory");
    let frames = frames_of(&writer.finish().expect("memory"));
    assert_eq!((frames[0].flags, frames[0].bytes.len(), frames[0].original_len), (66, 18, 18));
}

#[test]
fn unknown_blocks_are_counted_and_custom_ones_numbered() {
    for order in ORDERS {
        let other = |kind: u32| Raw::new(order).u32(0xdead_beef).block(kind);
        let capture = [
            section(order),
            other(0x0bad),
            interface(order, 0, 9, 0),
            other(0x7777),
            enhanced(order, 0, 1),
            other(0x4000_0bad),
            other(0x0a),
            other(0x8888),
            enhanced(order, 0, 2),
        ]
        .concat();
        let mut set = open_bytes(&capture);
        let (frames, error) = drain_set(&mut set);
        assert_eq!(error, None);
        assert_eq!(frames.iter().map(|frame| frame.number).collect::<Vec<_>>(), [2, 4]);
        assert_eq!((set.frames(), set.unknown_blocks()), (2, 2));
        assert_eq!(set.locate(lastack::base::FrameNumber(4)), Some((0, 4)));
    }
}

#[test]
fn interfaces_statistics_and_names_are_kept() {
    for order in ORDERS {
        let mut writer = PcapngWriter::new(Vec::new(), order, "tests").expect("memory");
        let options = InterfaceOptions {
            name: Some("eth0".to_owned()),
            description: Some("the uplink".to_owned()),
            snaplen: 96,
            fcs_len: None,
        };
        let interface = writer.interface(LinkType::LINUX_SLL2, &options).expect("memory");
        let names: [(IpAddr, &str); 2] = [
            ("192.0.2.1".parse().expect("an address"), "client"),
            ("2001:db8::1".parse().expect("an address"), "server"),
        ];
        writer.names(names).expect("memory");
        writer.frame(interface, Timestamp(1), &[0; 96], 100, PacketOptions::default()).expect("memory");
        let drops = Drops { received: Some(10), by_interface: Some(2), by_system: Some(1), ..Drops::default() };
        writer.statistics(interface, Timestamp(2), drops).expect("memory");
        let mut set = open_bytes(&writer.finish().expect("memory"));
        // All that stands before the first frame is known before it is asked for.
        assert_eq!(set.format(), "pcapng");
        assert_eq!(set.link_types(), [LinkType::LINUX_SLL2]);
        assert_eq!(set.names().get(names[1].0), Some("server"));
        assert_eq!(drain_set(&mut set).1, None);
        let described = &set.interfaces()[0];
        assert_eq!(described.name.as_deref(), Some("eth0"));
        assert_eq!(described.description.as_deref(), Some("the uplink"));
        assert_eq!((described.snaplen, described.drops, described.drops.total()), (Some(96), drops, 3));
        assert_eq!((set.names().len(), set.names().get(names[0].0)), (2, Some("client")));
    }
}

#[test]
fn padding_that_a_writer_forgot_to_count_is_stepped_over() {
    for order in ORDERS {
        let mut packet = enhanced(order, 0, 1);
        // Three bytes of data, padded, and a total length that leaves the padding out.
        let total = Raw::new(order).u32(35).1;
        packet[20..24].copy_from_slice(&Raw::new(order).u32(3).1);
        packet[4..8].copy_from_slice(&total);
        packet[32..36].copy_from_slice(&total);
        let capture = [section(order), interface(order, 0, 9, 0), packet, enhanced(order, 0, 2)].concat();
        let frames = frames_of(&capture);
        assert_eq!(frames.iter().map(|frame| frame.bytes.len()).collect::<Vec<_>>(), [3, 4]);
    }
}

#[test]
fn blocks_that_contradict_themselves_are_refused_with_the_place() {
    let order = ByteOrder::Little;
    let start = [section(order), interface(order, 0, 9, 0), enhanced(order, 0, 1)].concat();
    let cases = [
        (enhanced(order, 7, 1), "interface 7"),
        (Raw::new(order).u32(0).u32(0).u32(0).u32(99).u32(99).bytes(&[0; 4]).block(6), "99 bytes of data"),
        (Raw::new(order).u16(1).block(1), "cut short"),
        (Raw::new(order).block(3), "cut short"),
        (Raw::new(order).u32(5).u32(8).bytes(&[0; 4]).1, "less than its own head"),
        (Raw::new(order).u32(6).u32(16).u32(0).u32(20).1, "ends with the length 20"),
        (Raw::new(order).u32(0x0a0d_0d0a).u32(28).u32(1).bytes(&[0; 16]).1, "byte-order magic"),
        (Raw::new(order).u32(0x1a2b_3c4d).u16(2).u16(0).u64(0).block(0x0a0d_0d0a), "version 2.0"),
    ];
    for (block, words) in cases {
        let capture = [start.clone(), block].concat();
        let (frames, error) = from_reader(std::io::Cursor::new(capture), Default::default());
        let error = error.expect("a refusal");
        assert_eq!(frames.len(), 1, "{error}");
        assert!(error.contains(words), "{error}");
        assert!(error.contains(&format!("byte {}", start.len())) || error.contains("version"), "{error}");
    }
}

/// A file header of pcap.
fn pcap_header(order: ByteOrder, magic: u32, version: (u16, u16), link: u32) -> Vec<u8> {
    Raw::new(order).u32(magic).u16(version.0).u16(version.1).u32(0).u32(0).u32(65_535).u32(link).1
}

#[test]
fn old_versions_have_their_lengths_the_other_way_round() {
    for order in ORDERS {
        let record = |first: u32, second: u32| Raw::new(order).u32(3).u32(4).u32(first).u32(second).bytes(&[5, 6]).1;
        for (version, record) in
            [((2, 2), record(60, 2)), ((543, 0), record(60, 2)), ((2, 3), record(60, 2)), ((2, 3), record(2, 60))]
        {
            let frames = frames_of(&[pcap_header(order, 0xa1b2_c3d4, version, 1), record].concat());
            assert_eq!((&frames[0].bytes[..], frames[0].original_len), (&[5, 6][..], 60));
            assert_eq!(frames[0].time, 3_000_004_000);
        }
        let aix = [pcap_header(order, 0xa1b2_c3d4, (2, 2), 6), record(60, 2)].concat();
        assert_eq!((frames_of(&aix)[0].link, frames_of(&aix)[0].time), (1, 3_000_000_004));
    }
}

#[test]
fn dialects_with_longer_headers_are_read() {
    for order in ORDERS {
        let record = |extra: usize| {
            let head = Raw::new(order).u32(1).u32(2).u32(3).u32(60);
            // Interface 2, IPv4, to us.
            head.u32(2).u16(0x800).bytes(&[0; 10][..extra - 6]).bytes(&[7, 8, 9]).1
        };
        for extra in [8, 12] {
            let capture =
                [pcap_header(order, 0xa1b2_cd34, (2, 4), 1), record(extra), record(extra), record(extra)].concat();
            let frames = frames_of(&capture);
            assert_eq!(frames.len(), 3, "{extra}");
            assert!(frames.iter().all(|frame| frame.bytes == [7, 8, 9] && frame.time == 1_000_002_000));
        }
        for (magic, time) in [(0x1c00_01ac, 1_000_000_002), (0x1c00_01ab, 1_000_002_000)] {
            let record = Raw::new(order).u32(1).u32(2).u32(1).u32(1).bytes(&[7]).1;
            let size = Raw::new(order).u32(17).1;
            let frames = frames_of(&[pcap_header(order, magic, (2, 4), 1), size, record].concat());
            assert_eq!((frames.len(), frames[0].time), (1, time));
        }
    }
}

#[test]
fn link_types_are_the_registrys_and_reserved_bits_are_refused() {
    for (number, link) in [(12, 101), (14, 101), (101, 101), (276, 276)] {
        let header = pcap_header(ByteOrder::Little, 0xa1b2_c3d4, (2, 4), number);
        assert_eq!(open_bytes(&header).link_types(), [LinkType(link)]);
    }
    let header = pcap_header(ByteOrder::Little, 0xa1b2_c3d4, (2, 4), 0x0030_0001);
    let (_, error) = from_reader(std::io::Cursor::new(header), Default::default());
    assert!(error.is_some_and(|error| error.contains("reserved bits")));
}

#[test]
fn snoop_is_read() {
    let order = ByteOrder::Big;
    let header = |link: u32| Raw::new(order).bytes(b"snoop\0\0\0").u32(2).u32(link).1;
    let record = |padding: usize, drops: u32| {
        let head = Raw::new(order).u32(60).u32(10).u32(34 + padding as u32).u32(drops).u32(5).u32(6);
        head.bytes(&[4; 10]).bytes(&vec![0; padding]).1
    };
    let mut set = open_bytes(&[header(4), record(2, 0), record(2, 5)].concat());
    let (frames, error) = drain_set(&mut set);
    assert_eq!((frames.len(), error, set.format()), (2, None, "snoop"));
    assert_eq!((&frames[1].bytes[..], frames[1].original_len, frames[1].time), (&[4; 10][..], 60, 5_000_006_000));
    assert_eq!((frames[1].link, set.interfaces()[0].drops.total()), (1, 5));
    // Room for what an analyser measured: its frames end with their check sequence.
    let shomiti = frames_of(&[header(12), record(18, 0)].concat());
    assert_eq!((shomiti[0].link, shomiti[0].bytes.len(), shomiti[0].original_len), (1, 10, 56));
    let (_, error) = from_reader(std::io::Cursor::new(header(7)), Default::default());
    assert!(error.is_some_and(|error| error.contains("data link 0x7")));
    let short = [header(4), Raw::new(order).u32(60).u32(90).u32(34).u32(0).u32(0).u32(0).bytes(&[0; 10]).1].concat();
    let (_, error) = from_reader(std::io::Cursor::new(short), Default::default());
    assert!(error.is_some_and(|error| error.contains("a record of 34 bytes with 90 bytes of data")));
}
