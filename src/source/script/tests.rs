use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::{Script, parse, print, segments, write_pcap};
use crate::base::{Endpoint, FrameNumber, Seq, Timestamp};
use crate::decode::{Decoder, FrameKind};
use crate::segment::{
    Flags, IcmpError, Item, Marks, MultipathEnd, OptionKind, OptionOrder, SackBlock, Segment, TcpOptions, Timestamps,
};
use crate::source::Source;

fn read(text: &str) -> Vec<Segment> {
    segments(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn refusal(text: &str) -> String {
    parse(text).expect_err(text).to_string()
}

/// Sequence and acknowledgment numbers as relative ones, with lengths.
fn numbers(segments: &[Segment]) -> Vec<(u32, u32, u32)> {
    let isn = |segment: &Segment| if segment.source.port == 40_000 { (1000, 5000) } else { (5000, 1000) };
    let relative = |segment: &Segment| {
        let (own, other) = isn(segment);
        (segment.seq.0.wrapping_sub(own), segment.ack.0.wrapping_sub(other), segment.payload_len)
    };
    segments.iter().map(relative).collect()
}

#[test]
fn a_life_needs_only_flags() {
    let life = read(
        "client > SYN
         server > SYN ACK
         client > ACK
         client > data 100
         server > ACK
         server > data 2000
         client > ACK
         client > FIN ACK
         server > FIN ACK
         client > ACK",
    );
    let expected = [
        (0, 0_u32.wrapping_sub(5000), 0),
        (0, 1, 0),
        (1, 1, 0),
        (1, 1, 100),
        (1, 101, 0),
        (1, 101, 2000),
        (101, 2001, 0),
        (101, 2001, 0),
        (2001, 102, 0),
        (102, 2002, 0),
    ];
    assert_eq!(numbers(&life), expected);
    assert_eq!(life[3].flags, Flags::PSH | Flags::ACK);
    let frames: Vec<u64> = life.iter().map(|segment| segment.frame.0).collect();
    assert_eq!(frames, (1..=10).collect::<Vec<_>>());
    let ids: Vec<u16> = life.iter().map(|segment| segment.ip_id).collect();
    assert_eq!(ids, [1, 1, 2, 3, 2, 3, 4, 5, 4, 6]);
    assert_eq!(life[1].time, Timestamp(1_000_000));
}

#[test]
fn times_are_relative_absolute_or_one_step() {
    let segments = read(
        "start 2026-01-31T12:00:00Z
         client > SYN
         +20ms client > SYN
         3.5 client > SYN
         -1 client > SYN
         step 10us
         idle 1h
         client > SYN",
    );
    let start = segments[0].time;
    assert_eq!(start.to_string(), "2026-01-31T12:00:00.000000000Z");
    let since: Vec<i64> = segments.iter().map(|segment| segment.time.since(start)).collect();
    assert_eq!(since, [0, 20_000_000, 3_500_000_000, 2_500_000_000, 3_602_500_010_000]);
}

#[test]
fn a_capture_may_begin_in_the_middle() {
    assert_eq!(numbers(&read("client > data 10\nserver > ACK")), [(1, 1, 10), (1, 11, 0)]);
}

#[test]
fn repeated_syns_and_fins_keep_their_numbers_and_again_repeats_data() {
    let segments = read(
        "client > SYN <mss 1460, wscale 7>
         client > again
         server > SYN ACK
         client > data 10
         client > ACK
         client > again
         client > FIN ACK
         client > FIN ACK
         client > data 5 FIN ACK seq next-6",
    );
    assert_eq!(segments[1].options, segments[0].options);
    assert_ne!(segments[1].ip_id, segments[0].ip_id);
    assert_eq!((segments[5].seq, segments[5].payload_len), (Seq(1001), 10));
    assert_eq!((segments[6].seq, segments[7].seq, segments[8].seq_end()), (Seq(1011), Seq(1011), Seq(1012)));
}

#[test]
fn a_duplicate_is_the_same_packet_later() {
    let segments = read("client > data 10\nclient > duplicate ttl 63");
    let again = Segment { time: segments[0].time, frame: segments[0].frame, ttl: 64, ..segments[1] };
    assert_eq!(again, segments[0]);
}

#[test]
fn a_reset_without_ack_replies_and_one_with_ack_aborts() {
    let segments = read(
        "client > SYN
         server > SYN ACK
         client > ACK
         server > data 10
         client > data 20 ack 1
         server > RST
         client > RST ACK",
    );
    let reply = segments[5];
    assert_eq!((reply.seq, reply.ack, reply.window, reply.ip_id), (Seq(5001), Seq(0), 0, 0));
    let abort = segments[6];
    assert_eq!((abort.seq, abort.ack, abort.window, abort.ip_id), (Seq(1021), Seq(5011), 65535, 4));
}

#[test]
fn a_refusal_has_sequence_number_zero() {
    let segments = read("client > SYN\nserver > RST ACK");
    let refusal = segments[1];
    assert_eq!((refusal.seq, refusal.ack, refusal.window, refusal.ip_id), (Seq(0), Seq(1001), 0, 0));
}

#[test]
fn timestamps_go_on_by_themselves_once_both_sides_sent_them() {
    let segments = read(
        "client > SYN <TS val 100 ecr 0>
         +20ms server > SYN ACK <TS val 7000 ecr 100>
         +20ms client > ACK
         +1s server > RST ACK
         server > RST",
    );
    let clocks: Vec<_> = segments.iter().map(|segment| segment.options.timestamps).collect();
    let clock = |value, echo| Some(Timestamps { value, echo });
    assert_eq!(clocks, [clock(100, 0), clock(7000, 100), clock(140, 7000), clock(8020, 140), None]);

    let refused = read("client > SYN <TS val 100 ecr 0>\nserver > SYN ACK\nclient > ACK");
    assert_eq!(refused[2].options.timestamps, None);
}

#[test]
fn numbers_count_from_the_isn_from_the_next_one_or_from_zero() {
    let segments = read(
        "client isn 4294967290
         client > data 100
         client > data 21:31
         client > ACK seq next-1 ack =7
         client > ACK seq -3
         client > ACK seq =77
         client > ACK",
    );
    let seqs: Vec<u32> = segments.iter().map(|segment| segment.seq.0).collect();
    assert_eq!(seqs, [4_294_967_291, 15, 94, 4_294_967_287, 77, 95]);
    assert_eq!(segments[2].ack, Seq(7));
}

#[test]
fn several_connections_and_incarnations() {
    let segments = read(
        "b.client 10.0.0.9:555 isn 1
         b.server [::1]:1
         b.server 10.0.0.2:443 ttl 50 win 100 outbound
         client > SYN
         b.client > SYN
         b.server > SYN ACK
         client isn 70000
         client > SYN",
    );
    let ends: Vec<String> = segments.iter().map(|segment| segment.destination.to_string()).collect();
    assert_eq!(ends, ["10.0.0.2:80", "10.0.0.2:443", "10.0.0.9:555", "10.0.0.2:80"]);
    assert_eq!((segments[2].ttl, segments[2].window), (50, 100));
    assert!(segments[2].marks.contains(Marks::OUTBOUND | Marks::CHECKSUM_GOOD | Marks::DONT_FRAGMENT));
    assert_eq!((segments[0].seq, segments[3].seq), (Seq(1000), Seq(70_000)));
}

#[test]
fn icmp_errors_quote_the_last_segment() {
    let items = parse(
        "client > SYN
         icmp 10.9.9.9 > client admin-prohibited
         icmp 10.9.9.9 > client fragmentation-needed mtu 1400 seq 1 ACK
         icmp 10.9.9.9 > client type 3 code 9 short to 192.0.2.1",
    )
    .expect("a trace");
    let errors: Vec<IcmpError> = items
        .iter()
        .filter_map(|item| match item {
            Item::IcmpError(error) => Some(*error),
            Item::Segment(_) => None,
        })
        .collect();
    assert_eq!((errors[0].kind, errors[0].code, errors[0].seq), (3, 13, Seq(1000)));
    assert_eq!((errors[0].flags, errors[0].recipient), (Some(Flags::SYN), errors[0].source.ip));
    assert_eq!((errors[1].mtu, errors[1].seq, errors[1].flags), (Some(1400), Seq(1001), Some(Flags::ACK)));
    assert_eq!((errors[2].code, errors[2].flags, errors[2].recipient.to_string()), (9, None, "192.0.2.1".into()));
}

#[test]
fn errors_say_where_and_what_could_stand_there() {
    assert_eq!(
        refusal("client > SYN\nclient > SYM"),
        "line 2, column 10: expected a control bit, `data`, `seq`, `ack`, `win`, `id`, `ttl`, `<`, a mark, `interface`, \
         `context`, `frame`, `digest`, `again` or `duplicate`, found `SYM`"
    );
    assert_eq!(refusal("client > SYN <mss>"), "line 1, column 18: expected a 16-bit number, found `>`");
    assert_eq!(refusal("client > SYN <mss 1"), "line 1, column 20: expected `,` or `>`, found the end of the line");
    assert_eq!(
        refusal("b.client > SYN"),
        "line 1, column 1: expected the declaration of `b.client` and its address before this line, found `b.client`"
    );
    for wrong in [
        "nobody > SYN",
        "client >",
        "client > again",
        "client > duplicate",
        "client > win 5",
        "client > data 5:1",
        "client > data",
        "client > seq",
        "client > ACK seq 99999999999",
        "client > ACK <sack 1:2 3:4 5:6 7:8 9:10>",
        "client > ACK <sack 1:2 3:4 5:6 7:8, TS val 1 ecr 1>",
        "client [::1]:1\nclient > SYN",
        "client > SYN\nstart 2026-01-01T00:00:00Z",
        "start yesterday",
        "idle",
        "idle 400000h 5",
        "idle 5124095576030h",
        "-99999999999 client > SYN",
        "+1 client 10.0.0.1:1",
        "icmp 10.9.9.9 > client nonsense",
        "icmp ::1 > client port-unreachable",
        "client 10.0.0.1",
        "client isn 4294967296",
        "client wat",
    ] {
        let said = refusal(wrong);
        assert!(said.starts_with("line ") && said.contains("expected "), "{said}");
    }
}

#[test]
fn printing_is_as_short_as_writing() {
    let text = "\
client 10.0.0.1:40000 isn 1000
server 10.0.0.2:80 isn 5000
+0 client > SYN <mss 1460, sackOK, TS val 1 ecr 0, wscale 7>
+0.02 server > SYN ACK <mss 1460, sackOK, TS val 9 ecr 1, wscale 7>
+0.02 client > ACK
+0 client > data 100
+0.000000001 client > seq 1 data 100
+0.02 server > ACK win 501
-0.001 server > seq 101 data 50 partial-checksum outbound
+5 icmp 10.9.9.9 > client host-unreachable
+0.1 client > FIN ACK ack 1 <TS val 5161 ecr 29, sack 101:151>
+0.1 server > RST
client isn 900000
+60 client > SYN frame 70
";
    assert_eq!(print(&parse(text).expect("a trace")), text);
}

fn decoded(items: &[Item]) -> Vec<Item> {
    let mut script = Script::new(items.to_vec());
    let mut decoder = Decoder::default();
    let mut all = Vec::new();
    while let Some(frame) = script.next_frame().expect("no error") {
        let kind = decoder.decode(&frame, |item| all.push(*item));
        assert!(matches!(kind, FrameKind::Segment | FrameKind::NonTcp), "{kind:?}");
    }
    all
}

fn any_seq() -> impl Strategy<Value = Seq> {
    prop_oneof![(900..2000_u32).prop_map(Seq), (4900..6000_u32).prop_map(Seq), any::<u32>().prop_map(Seq)]
}

fn any_options() -> impl Strategy<Value = TcpOptions> {
    let block = (any_seq(), any_seq()).prop_map(|(left, right)| SackBlock { left, right });
    (
        proptest::option::of((any::<u32>(), any::<u32>())),
        proptest::option::of(any::<u16>()),
        proptest::option::of(any::<u8>()),
        any::<(bool, bool, bool, bool)>(),
        proptest::collection::vec(block, 0..=1),
        proptest::sample::select(vec![MultipathEnd::NONE, MultipathEnd::path_reset(2), MultipathEnd::FAST_CLOSE]),
    )
        .prop_map(
            |(clock, mss, window_scale, (sack_permitted, fast_open, multipath, is_backwards), blocks, end)| {
                let mut sack = [SackBlock::default(); 4];
                sack[..blocks.len()].copy_from_slice(&blocks);
                let options = TcpOptions {
                    timestamps: clock.map(|(value, echo)| Timestamps { value, echo }),
                    mss,
                    window_scale,
                    sack_permitted,
                    fast_open,
                    multipath,
                    multipath_end: if multipath { end } else { MultipathEnd::NONE },
                    order: OptionOrder::USUAL,
                    sack_count: blocks.len() as u8,
                    sack,
                };
                let kinds: Vec<OptionKind> = options.in_order().collect();
                let order = if is_backwards { OptionOrder::of(kinds.into_iter().rev()) } else { OptionOrder::USUAL };
                TcpOptions { order, ..options }
            },
        )
}

/// Ends that meet again and again, so that conversations form.
fn any_ends() -> impl Strategy<Value = (Endpoint, Endpoint)> {
    (0..2_u8, 0..3_u16, any::<bool>()).prop_map(|(family, port, swap)| {
        let ip = |last: u8| -> IpAddr {
            if family == 0 {
                Ipv4Addr::new(10, 0, 0, last).into()
            } else {
                Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()).into()
            }
        };
        let (a, b) = (Endpoint::new(ip(1), 1000 + port), Endpoint::new(ip(2), 80));
        if swap { (b, a) } else { (a, b) }
    })
}

prop_compose! {
    fn any_segment()(
        ends in any_ends(),
        flags in prop_oneof![
            Just(Flags::SYN), Just(Flags::SYN | Flags::ACK), Just(Flags::ACK), Just(Flags::PSH | Flags::ACK),
            Just(Flags::FIN | Flags::ACK), Just(Flags::RST), Just(Flags::RST | Flags::ACK),
            (0..512_u16).prop_map(Flags::from_bits_truncate)],
        (seq, ack) in (any_seq(), any_seq()),
        payload_len in prop_oneof![Just(0), 0..3000_u32],
        (window, ttl) in (prop_oneof![Just(65535), any::<u16>()], any::<u8>()),
        ip_id in prop_oneof![Just(0), 1..9_u16, any::<u16>()],
        marks in prop_oneof![Just(Marks::CHECKSUM_GOOD | Marks::DONT_FRAGMENT), (0..0x8000_u16).prop_map(Marks::from_bits_truncate)],
        (interface, context) in (0..3_u32, 0..2_u32),
        options in prop_oneof![Just(TcpOptions::default()), any_options()],
    ) -> Segment {
        Segment {
            time: Timestamp(0), frame: FrameNumber(1), source: ends.0, destination: ends.1, seq, ack, payload_len,
            window, flags, ip_id: if ends.0.ip.is_ipv6() { 0 } else { ip_id }, ttl, marks, interface, context, realm: 0, digest: 0,
            options,
        }
    }
}

prop_compose! {
    fn any_error()(
        (source, destination) in any_ends(),
        (kind, code) in prop_oneof![Just((3, 1)), Just((3, 4)), Just((1, 3)), any::<(u8, u8)>()],
        mtu in proptest::option::of(any::<u32>()),
        seq in any_seq(),
        flags in proptest::option::of((0..512_u16).prop_map(Flags::from_bits_truncate)),
        (elsewhere, interface) in (any::<bool>(), 0..2_u32),
    ) -> IcmpError {
        IcmpError {
            time: Timestamp(0), frame: FrameNumber(1), reporter: destination.ip,
            recipient: if elsewhere { destination.ip } else { source.ip },
            v6: source.ip.is_ipv6(), kind, code, mtu, source, destination, seq, flags, interface, realm: 0,
        }
    }
}

fn fits_a_header(segment: &Segment) -> bool {
    super::encode::options_len(&segment.options, segment.marks) <= 40
}

fn any_items() -> impl Strategy<Value = Vec<Item>> {
    let item = prop_oneof![
        9 => any_segment().prop_filter("options fit", fits_a_header).prop_map(Item::Segment),
        1 => any_error().prop_map(Item::IcmpError),
    ];
    let placed =
        (item, prop_oneof![9 => 0..3_000_000_000_i64, 1 => any::<i64>()], prop_oneof![9 => Just(1), 1 => 0..9_u64]);
    proptest::collection::vec(placed, 0..24).prop_map(|placed| {
        let (mut time, mut frame) = (Timestamp(0), 0_u64);
        let place = |(item, step, skip): (Item, i64, u64)| {
            time = time.plus(step);
            frame += skip;
            match item {
                Item::Segment(mut segment) => {
                    (segment.time, segment.frame) = (time, FrameNumber(frame));
                    Item::Segment(segment)
                }
                Item::IcmpError(error) => Item::IcmpError(IcmpError { time, frame: FrameNumber(frame), ..error }),
            }
        };
        placed.into_iter().map(place).collect()
    })
}

/// What decoding the item's frame gives; none for ICMP messages that are no errors.
fn shown(item: &Item) -> Option<Item> {
    match *item {
        Item::Segment(mut segment) => {
            segment.context = 0;
            segment.marks &= WIRE_MARKS;
            if segment.source.ip.is_ipv6() {
                segment.marks -= Marks::DONT_FRAGMENT;
            }
            Some(Item::Segment(segment))
        }
        Item::IcmpError(mut error) => {
            let (is_error, has_mtu) = match error.v6 {
                false => (matches!(error.kind, 3 | 4 | 11 | 12), (error.kind, error.code) == (3, 4)),
                true => (matches!(error.kind, 1..=4), error.kind == 2),
            };
            let mtu = error.mtu.unwrap_or(0);
            // IPv4 has 16 bits for it, and 0 means that the router did not say.
            error.mtu = has_mtu.then_some(mtu).filter(|_| error.v6 || mtu != 0);
            is_error.then_some(Item::IcmpError(error))
        }
    }
}

/// The marks that a whole frame shows and decoding finds again.
const WIRE_MARKS: Marks = Marks::LENGTH_ZERO.union(Marks::DONT_FRAGMENT).union(Marks::INBOUND).union(Marks::OUTBOUND);

/// Items of which whole frames can be made.
fn framed(item: &Item) -> Item {
    match *item {
        Item::Segment(mut segment) => {
            segment.marks &= WIRE_MARKS | Marks::CHECKSUM_BAD | Marks::CHECKSUM_PARTIAL;
            if segment.marks.contains(Marks::INBOUND) {
                // A frame goes one way.
                segment.marks -= Marks::OUTBOUND;
            }
            Item::Segment(segment)
        }
        Item::IcmpError(mut error) => {
            error.mtu = error.mtu.map(|mtu| mtu & 0xffff);
            Item::IcmpError(error)
        }
    }
}

/// Without what is known of the checksum.
fn without_checksum(item: &Item) -> Item {
    match *item {
        Item::Segment(segment) => Item::Segment(Segment { marks: segment.marks & WIRE_MARKS, ..segment }),
        Item::IcmpError(error) => Item::IcmpError(error),
    }
}

#[test]
fn cut_and_broken_headers_decode_to_their_marks() {
    let items = parse(
        "client > SYN <mss 1460, sackOK> options-cut
         client > data 100 payload-cut <TS val 1 ecr 2>
         client > ACK <mss 1460> options-bad
         client > ACK header-bad
         client > data 70000
         client > data 300000",
    )
    .expect("a trace");
    let decoded: Vec<Segment> = decoded(&items)
        .into_iter()
        .map(|item| match item {
            Item::Segment(segment) => segment,
            Item::IcmpError(error) => panic!("{error:?}"),
        })
        .collect();
    let faults = Marks::OPTIONS_CUT | Marks::OPTIONS_BAD | Marks::PAYLOAD_CUT | Marks::HEADER_BAD | Marks::LENGTH_ZERO;
    let marks: Vec<Marks> = decoded.iter().map(|segment| segment.marks & faults).collect();
    let expected = [
        Marks::OPTIONS_CUT,
        Marks::PAYLOAD_CUT,
        Marks::OPTIONS_BAD,
        Marks::HEADER_BAD,
        Marks::LENGTH_ZERO,
        Marks::LENGTH_ZERO | Marks::PAYLOAD_CUT,
    ];
    assert_eq!(marks, expected);
    for (segment, item) in decoded.iter().zip(&items) {
        let Item::Segment(written) = item else { panic!("{item:?}") };
        assert_eq!((segment.options, segment.payload_len), (written.options, written.payload_len));
    }
}

#[test]
fn a_pcap_has_a_record_for_each_item() {
    let items = parse("start 2026-01-01T00:00:00Z\nclient > SYN\nclient > data 10").expect("a trace");
    let mut file = Vec::new();
    write_pcap(&items, &mut file).expect("in memory");
    let word = |at: usize| u32::from_le_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]);
    assert_eq!((word(0), word(20)), (0xa1b2_3c4d, 1));
    assert_eq!((word(24), word(28), word(32)), (1_767_225_600, 0, 54));
    assert_eq!((word(94), word(98), word(102), word(106)), (1_767_225_600, 1_000_000, 64, 64));
    assert_eq!(file.len(), 24 + 16 + 54 + 16 + 64);

    let early = parse("start 1969-12-31T23:59:59Z\nclient > SYN").expect("a trace");
    let error = write_pcap(&early, Vec::new()).expect_err("before 1970");
    assert_eq!(error.to_string(), "frame 1: pcap cannot hold 1969-12-31T23:59:59.000000000Z");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_reads_back(items in any_items()) {
        let text = print(&items);
        let read = parse(&text).map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        prop_assert_eq!(read, items, "{}", text);
    }

    #[test]
    fn frames_decode_to_their_items(items in any_items()) {
        let items: Vec<Item> = items.iter().map(framed).collect();
        let expected: Vec<Item> = items.iter().filter_map(shown).collect();
        let decoded: Vec<Item> = decoded(&items).iter().map(without_checksum).collect();
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn reading_never_panics(text in "([+-]?[0-9.]{0,4}(ms)? ?(client|server|b.client|icmp|idle|start) ?>?( (SYN|ACK|data|seq|ack|next|again|<|>|,|[0-9:=-]{1,5}|mss|é)){0,6}\n){0,4}") {
        if let Ok(items) = parse(&text) {
            prop_assert_eq!(parse(&print(&items)), Ok(items));
        }
    }
}
