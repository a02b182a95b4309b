//! What is fuzzed: each target takes any octets and must come back, without a panic and without allocating beyond what
//! the input can justify. cargo-fuzz runs them with coverage (fuzz_targets/), the test suite runs them on mutated input.

use std::collections::HashMap;
use std::io::Cursor;

use jiff::tz::TimeZone;
use lastack::analysis::{self, Analysis, analyse};
use lastack::base::{Endpoint, FrameNumber, Seq, Timestamp};
use lastack::check::{Evidence, Expectations, Seen, Threshold, against, parse, refresh};
use lastack::connection::{Connection, Profile};
use lastack::decode::{Decoder, FrameKind, Item};
use lastack::finding::{Thresholds, diagnose};
use lastack::report::{Canvas, Json, Palette, Rows, Sink, Summary, Text};
use lastack::segment::{Flags, Marks, MultipathEnd, OptionOrder, SackBlock, Segment, TcpOptions, Timestamps};
use lastack::source::{self, Frame, Input, LinkType, Options, Source, script};
use lastack::table::Limits;

/// A whole capture: read, decoded, tracked, diagnosed and printed both ways. Gives how many frames it held.
pub fn capture(bytes: &[u8]) -> u64 {
    let small = Limits { past_max: 8, whole_max: 2, ..Limits::connections(8) };
    let frames = analyse_into(bytes, Limits::default(), Json::lines(Vec::new()));
    let canvas = Canvas::new(80, Palette::Plain, TimeZone::UTC);
    let again = analyse_into(bytes, small, Text::new(Vec::new(), canvas, Rows::All, None));
    assert_eq!(frames, again, "what is kept does not decide what is read");
    frames
}

fn analyse_into(bytes: &[u8], limits: Limits, mut sink: impl Sink) -> u64 {
    let input = Input::Reader("fuzz".to_owned(), Box::new(Cursor::new(bytes.to_vec())));
    let Ok(mut set) = source::open(vec![input], Options { buffer_bytes: 512, ..Options::default() }) else { return 0 };
    let options = analysis::Options { limits, ..analysis::Options::default() };
    let outcome = analyse(&mut set, &options, None, &mut sink, &mut ()).expect("memory takes every write");
    let Summary { frames, segments, non_tcp, fragments, filtered, skipped, .. } = outcome.summary;
    let told = segments + non_tcp + fragments + filtered + skipped.values().sum::<u64>();
    assert_eq!(frames, told, "every frame is accounted for once");
    frames
}

/// One frame of any link type: the first two octets choose it, the next two say how much the snap length took.
pub fn frame(bytes: &[u8]) -> bool {
    let [link_low, link_high, cut_low, cut_high, ref bytes @ ..] = *bytes else { return false };
    let frame = Frame {
        number: FrameNumber(1),
        time: Timestamp(0),
        bytes,
        original_len: (bytes.len() as u32).saturating_add(u16::from_le_bytes([cut_low, cut_high]).into()),
        link: LinkType(u16::from_le_bytes([link_low, link_high])),
        interface: 0,
        flags: 0,
    };
    decode_one(&mut Decoder::default(), &frame)
}

/// A connection of arbitrary segments, looked back upon while it goes on and at its end.
pub fn connection(bytes: &[u8]) -> usize {
    let mut tracked: Option<Connection> = None;
    let mut moment = Moment::default();
    let mut steps = 0;
    for (at, record) in bytes.as_chunks::<RECORD_LEN>().0.iter().enumerate() {
        let segment = moment.segment(at, record);
        let connection = tracked.get_or_insert_with(|| Connection::new(0, &segment, None));
        connection.step(&segment);
        if at.is_multiple_of(16) {
            steps += look_back(connection);
        }
    }
    steps + tracked.as_ref().map_or(0, look_back)
}

/// A capture of which some frames are stamped with any time at all: what is judged by time stays within 64 bits. The first octet says of
/// how many frames; for each follow two octets that choose it, and eight of nanoseconds. Gives how many segments there were.
pub fn stamps(bytes: &[u8]) -> usize {
    let Some((&count, rest)) = bytes.split_first() else { return 0 };
    let Some((records, capture)) = rest.split_at_checked(usize::from(count % 32) * STAMP_LEN) else { return 0 };
    let input = Input::Reader("fuzz".to_owned(), Box::new(Cursor::new(capture.to_vec())));
    let Ok(mut set) = source::open(vec![input], Options::default()) else { return 0 };
    let (mut decoder, mut items) = (Decoder::default(), Vec::new());
    while let Ok(Some(frame)) = set.next_frame() {
        decoder.decode(&frame, |item| items.push(*item));
    }
    for &[low, high, ref ns @ ..] in records.as_chunks::<STAMP_LEN>().0 {
        let at = usize::from(u16::from_le_bytes([low, high]));
        let stamp = Timestamp(i64::from_le_bytes(*ns));
        match items.get_mut(at) {
            Some(Item::Segment(segment)) => segment.time = stamp,
            Some(Item::IcmpError(error)) => error.time = stamp,
            None => {}
        }
    }
    let mut sink = Json::lines(Vec::new());
    let mut analysis = Analysis::new(&analysis::Options::default(), &mut sink);
    for item in &items {
        let taken = analysis.advance(item.time()).and_then(|()| analysis.take(&mut vec![*item]));
        taken.expect("memory takes every record");
    }
    analysis.finish(false).expect("memory takes every record");
    items.len()
}

/// Octets that stamp one frame.
pub const STAMP_LEN: usize = 10;

/// A text trace: what can be read can be printed, and read again it is the same.
pub fn script(bytes: &[u8]) -> usize {
    let Ok(items) = str::from_utf8(bytes).map_err(drop).and_then(|text| script::parse(text).map_err(drop)) else {
        return 0;
    };
    let printed = script::print(&items);
    assert_eq!(script::parse(&printed).as_deref(), Ok(&*items), "printed as\n{printed}");
    items.len()
}

fn decode_one(decoder: &mut Decoder, frame: &Frame<'_>) -> bool {
    // Damage can say that more was captured than had been there, and a packet that it is longer than its frame.
    let longest = frame.original_len.max(frame.bytes.len() as u32).max(u16::MAX.into());
    let mut segments = 0;
    let kind = decoder.decode(frame, |item| {
        if let Item::Segment(segment) = item {
            segments += 1;
            assert!(segment.payload_len <= longest, "no payload is longer than its frame and what IP can say");
        }
    });
    assert_eq!(kind == FrameKind::Segment, segments > 0, "a frame with segments is counted as one");
    segments > 0
}

fn look_back(connection: &Connection) -> usize {
    let verdict = diagnose(connection, connection.end, Profile::LINUX, &Thresholds::default());
    let evidence = verdict.findings.iter().map(|finding| finding.frames.len());
    assert!(evidence.max().unwrap_or(0) < 1000, "evidence is bounded");
    assert!(verdict.findings.iter().all(|finding| !finding.frames.is_empty()), "a finding has frames that show it");
    verdict.endpoints.client.states.len() + verdict.endpoints.server.states.len()
}

/// Octets of input that make one segment.
const RECORD_LEN: usize = 12;

/// Where a made-up conversation stands. Most fields of the input are small steps from here, so that segments hit each
/// other's windows, and now and then a leap.
#[derive(Default)]
struct Moment {
    time: Timestamp,
    next: [Seq; 2],
}

impl Moment {
    fn segment(&mut self, at: usize, record: &[u8; RECORD_LEN]) -> Segment {
        let [control, flags, seq, ack, len, window, wait, leap, options, id, extra, marks] = *record;
        let side = usize::from(control & 1);
        // A leap of 0 wherever the input has no taste for one: 3 of 4 segments stand where they should.
        let far = if control & 0x0c == 0x0c { u32::from(leap) << (extra & 24) } else { 0 };
        let near = if control & 0x30 == 0x30 { i32::from(seq.cast_signed()) } else { 0 };
        let behind = if control & 0xc0 == 0xc0 { u32::from(ack) } else { 0 };
        self.time = self.time.plus(i64::from(wait.cast_signed()) << (leap & 31));
        let payload_len = u32::from(len) << (extra & 7);
        let own = self.next[side] + far + near.cast_unsigned();
        let segment = Segment {
            time: self.time,
            frame: FrameNumber(at as u64 + 1),
            source: ENDS[side],
            destination: ENDS[1 - side],
            seq: own,
            ack: self.next[1 - side] - behind,
            payload_len,
            window: u16::from(window) << (extra >> 5),
            flags: Flags::from_bits_truncate(u16::from(flags)),
            ip_id: u16::from(id),
            ttl: 64,
            marks: Marks::from_bits_truncate(u16::from(marks) << 4),
            interface: u32::from(marks & 1),
            context: 0,
            realm: 0,
            digest: u32::from(id) << 8 | u32::from(flags),
            options: tcp_options(options, self.time, own),
        };
        self.next[side] = segment.seq_end();
        segment
    }
}

const ENDS: [Endpoint; 2] = [
    Endpoint::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 51_000),
    Endpoint::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)), 80),
];

fn tcp_options(bits: u8, time: Timestamp, seq: Seq) -> TcpOptions {
    let has = |bit: u8| bits & bit != 0;
    let block = SackBlock { left: seq - 1, right: seq + u32::from(bits) };
    TcpOptions {
        timestamps: has(1).then_some(Timestamps { value: time.0 as u32, echo: u32::from(bits) }),
        mss: has(2).then_some(1460),
        window_scale: has(4).then_some(bits >> 4),
        sack_permitted: has(8),
        fast_open: has(16),
        multipath: has(32),
        multipath_end: if has(32) { MultipathEnd::path_reset(bits >> 6) } else { MultipathEnd::NONE },
        order: OptionOrder::from_bits(bits),
        sack_count: bits >> 6,
        sack: [block; 4],
    }
}

/// What `expectations` are held against: a clean close, a leak and a refusal.
const LIVES: &str = "\
client > SYN
server > SYN ACK
client > ACK
client > PSH ACK data 100
server > ACK
client > FIN ACK
server > FIN ACK
client > ACK
b.client 10.0.0.1:40001
b.client > SYN
b.server > SYN ACK
b.client > ACK
b.client > FIN ACK
b.server > ACK
idle 90s
c.client 10.0.0.1:40002
c.client > SYN
c.server > RST ACK
";

/// A file of expectations: refused with a place in it, or brought up to a capture that it then holds for. Gives how many
/// rules it had.
pub fn expectations(bytes: &[u8]) -> usize {
    let Ok(text) = str::from_utf8(bytes) else { return 0 };
    let expectations = match parse("fuzz", text) {
        Ok(expectations) => expectations,
        Err(errors) => {
            let lines = text.matches('\n').count() + 1;
            assert!(!errors.is_empty() && errors.iter().all(|error| (1..=lines).contains(&error.place.line)));
            return 0;
        }
    };
    let mut seen = Seen::default();
    let mut analysis = Analysis::new(&analysis::Options::default(), &mut seen);
    for item in script::parse(LIVES).expect("a trace") {
        let taken = analysis.advance(item.time()).and_then(|()| match &item {
            Item::Segment(segment) => analysis.segment(segment),
            Item::IcmpError(error) => analysis.icmp_error(error),
        });
        taken.expect("memory takes every record");
    }
    analysis.finish(false).expect("memory takes every record");
    let evidence = Evidence { seen: &seen, idle_ns: &HashMap::new() };
    let threshold = |of: &Expectations| of.fail_on.map_or(Threshold::Never, Threshold::From);
    against(&evidence, &expectations, threshold(&expectations));
    let fresh = refresh(text, &expectations, &evidence).expect("the text that was read");
    let again = parse("fuzz", &fresh).unwrap_or_else(|errors| panic!("{}\n{fresh}", errors[0]));
    let cases = against(&evidence, &again, threshold(&again));
    let problems: Vec<_> = cases.iter().flat_map(|case| &case.problems).collect();
    assert!(problems.is_empty(), "{fresh}\n{problems:?}");
    expectations.rules.len()
}
