//! What connections take of memory. The steady state allocates nothing: once a connection is known, its segments cost none.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::{io, mem};

use lastack::analysis::{Options, analyse};
use lastack::base::{Endpoint, FrameNumber, Seq, Timestamp};
use lastack::connection::{Connection, Lifecycle, Profile, Room};
use lastack::finding::{Sketch, Thresholds};
use lastack::report::{Json, Sink};
use lastack::segment::{Flags, Marks, Segment, TcpOptions, Timestamps};
use lastack::source::{self, Input};
use lastack::table::{Entry, Limits, Table};

use crate::told::Told;

/// Counts what each thread asks for and gives back, and hands on to the system's allocator.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
    /// Octets.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn hold(more: usize, less: usize) {
    HELD.with(|held| held.set(held.get() + more.cast_signed() - less.cast_signed()));
}

// SAFETY: every call is handed on as it came, so the system's allocator answers for all that the trait promises; the
// counter is a plain cell that allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.with(|asked| asked.set(asked.get() + 1));
        hold(layout.size(), 0);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        hold(0, layout.size());
        // SAFETY: the pointer came from `System`, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ASKED.with(|asked| asked.set(asked.get() + 1));
        hold(new_size, layout.size());
        // SAFETY: the pointer came from `System`, with this layout.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often this thread asked for memory while `work` ran.
fn asked(work: impl FnOnce()) -> u64 {
    let before = ASKED.with(Cell::get);
    work();
    ASKED.with(Cell::get) - before
}

const CONNECTIONS: u16 = 50;

/// One side of a transfer.
#[derive(Clone, Copy)]
struct Side {
    end: Endpoint,
    nxt: u32,
    clock: u32,
}

struct Transfers {
    pairs: Vec<[Side; 2]>,
    frame: u64,
}

impl Transfers {
    fn new() -> Self {
        let side = |host: u8, port: u16| Side { end: Endpoint::new([10, 0, 0, host].into(), port), nxt: 7, clock: 9 };
        Self { pairs: (0..CONNECTIONS).map(|port| [side(1, 40_000 + port), side(2, 80)]).collect(), frame: 0 }
    }

    fn send(&mut self, pair: usize, from: usize, flags: Flags, payload_len: u32) -> Segment {
        self.frame += 1;
        let peer = self.pairs[pair][1 - from];
        let own = &mut self.pairs[pair][from];
        own.clock += 1;
        let acks = flags.contains(Flags::ACK);
        let segment = Segment {
            time: Timestamp(self.frame as i64 * 10_000),
            frame: FrameNumber(self.frame),
            source: own.end,
            destination: peer.end,
            seq: Seq(own.nxt),
            ack: Seq(if acks { peer.nxt } else { 0 }),
            payload_len,
            window: 500,
            flags,
            ip_id: self.frame as u16,
            ttl: 64,
            marks: Marks::empty(),
            interface: 0,
            context: 0,
            realm: 0,
            digest: 0,
            options: TcpOptions {
                timestamps: Some(Timestamps { value: own.clock, echo: if acks { peer.clock } else { 0 } }),
                ..TcpOptions::NONE
            },
        };
        own.nxt = segment.seq_end().0;
        segment
    }
}

/// Segments of handshakes as Linux sends them through a router: an unusual hop limit and segment size, options, IP ids and
/// timestamps that nobody can guess.
struct Handshakes {
    rng: fastrand::Rng,
    frame: u64,
    time: i64,
}

impl Handshakes {
    fn segment(&mut self, connection: u32, flags: Flags) -> Segment {
        self.frame += 1;
        self.time += 7_000;
        // The same of a connection each time it is asked.
        let mut rng = fastrand::Rng::with_seed(connection.into());
        let isns = [rng.u32(..), rng.u32(..)].map(Seq);
        let clocks = [rng.u32(..), rng.u32(..)];
        let client = Endpoint::new(connection.to_be_bytes().into(), rng.u16(1024..));
        let server = Endpoint::new([192, 0, 2, 1].into(), 443);
        let (is_syn, acks) = (flags.contains(Flags::SYN), flags.contains(Flags::ACK));
        let from_server = is_syn && acks;
        let (own, peer) = if from_server { (1, 0) } else { (0, 1) };
        let (source, destination) = if from_server { (server, client) } else { (client, server) };
        let mut options = TcpOptions {
            timestamps: Some(Timestamps {
                value: clocks[own] + u32::from(!is_syn) * 40,
                echo: if acks { clocks[peer] } else { 0 },
            }),
            ..TcpOptions::NONE
        };
        if is_syn {
            (options.mss, options.window_scale) = (Some([1_380, 1_460][own]), Some(7));
            options.sack_permitted = true;
        }
        Segment {
            time: Timestamp(self.time),
            frame: FrameNumber(self.frame),
            source,
            destination,
            seq: if is_syn { isns[own] } else { isns[own] + 1 },
            ack: if acks { isns[peer] + 1 } else { Seq(0) },
            payload_len: 0,
            window: if is_syn { [64_240, 65_160][own] } else { 502 },
            flags,
            ip_id: if from_server { 0 } else { self.rng.u16(..) },
            ttl: [53, 64][own],
            marks: Marks::DONT_FRAGMENT,
            interface: 0,
            context: 0,
            realm: 0,
            digest: 0,
            options,
        }
    }

    /// Lets a thousand connections come together as far as their `steps`. Returns the segments.
    fn thousand(&mut self, thousand: u32, steps: &[Flags]) -> Vec<Segment> {
        let connections = 1_000 * thousand..1_000 * (thousand + 1);
        let all = steps.iter().flat_map(|&flags| connections.clone().map(move |connection| (connection, flags)));
        all.map(|(connection, flags)| self.segment(connection, flags)).collect()
    }
}

/// Octets of a table for each connection that has come as far as these steps: at most, with whatever number of them, and when all
/// have been silent for more than a minute.
fn octets_a_connection(steps: &[Flags]) -> (f64, f64) {
    let mut handshakes = Handshakes { rng: fastrand::Rng::with_seed(1), frame: 0, time: 0 };
    let mut table = Table::new(Limits::default(), Profile::LINUX);
    // What it holds while it is empty is no connection's.
    let before = HELD.with(Cell::get);
    let held = |table: &Table| (HELD.with(Cell::get) - before) as f64 / table.live() as f64;
    let mut most: f64 = 0.0;
    for thousand in 0..120 {
        for segment in handshakes.thousand(thousand, steps) {
            track(&mut table, &segment);
        }
        // Of fewer the room that is made at a time would be a share.
        if thousand >= 50 {
            most = most.max(held(&table));
        }
    }
    // A longer silence would be a pause of the capture.
    for seconds in [40, 80] {
        table.expire(Timestamp(handshakes.time + seconds * 1_000_000_000), |left| panic!("{left:?}"));
    }
    assert_eq!(table.live(), 120_000);
    (most, held(&table))
}

#[test]
fn a_live_connection_takes_at_most_192_octets_and_a_syn_alone_48() {
    let (young, silent) = octets_a_connection(&[Flags::SYN, Flags::SYN | Flags::ACK, Flags::ACK]);
    assert!(young <= 192.0 && silent <= 176.0, "{young} {silent}");
    let (alone, later) = octets_a_connection(&[Flags::SYN]);
    assert!(alone <= 48.0 && later <= 48.0, "{alone} {later}");
}

fn track(table: &mut Table, segment: &Segment) {
    table.expire(segment.time, |left| panic!("{left:?}"));
    assert!(matches!(table.take(segment, |left| panic!("{left:?}")), Entry::Live(_)));
}

#[test]
fn a_segment_of_a_known_connection_allocates_nothing() {
    let mut table = Table::new(Limits::default(), Profile::LINUX);
    let mut transfers = Transfers::new();
    let pairs = 0..usize::from(CONNECTIONS);
    let mut rounds = |table: &mut Table, rounds: u32| {
        for round in 0..rounds {
            for pair in pairs.clone() {
                if round == 0 && table.live() < pairs.len() {
                    track(table, &transfers.send(pair, 0, Flags::SYN, 0));
                    track(table, &transfers.send(pair, 1, Flags::SYN | Flags::ACK, 0));
                }
                track(table, &transfers.send(pair, 0, Flags::ACK, 0));
                track(table, &transfers.send(pair, 1, Flags::ACK, 1_460));
                track(table, &transfers.send(pair, 1, Flags::ACK | Flags::PSH, 1_460));
            }
        }
    };
    assert!(asked(|| rounds(&mut table, 60)) > 0, "the counter counts");
    assert_eq!(asked(|| rounds(&mut table, 200)), 0);
    assert_eq!(table.live(), usize::from(CONNECTIONS));
}

#[test]
fn judging_a_connection_that_ended_quietly_allocates_nothing() {
    let mut transfers = Transfers::new();
    let mut connections = (0..usize::from(CONNECTIONS)).map(|pair| {
        let close = Flags::FIN | Flags::ACK;
        let sent = [(0, Flags::SYN, 0), (1, Flags::SYN | Flags::ACK, 0), (0, Flags::ACK, 0), (0, Flags::ACK, 90)];
        let closed = [(1, Flags::ACK, 1_460), (1, close, 0), (0, close, 0), (1, Flags::ACK, 0)];
        let segments = [sent, closed].concat();
        let mut connection = None;
        for (from, flags, len) in segments {
            let segment = transfers.send(pair, from, flags, len);
            connection.get_or_insert_with(|| Connection::new(pair as u64, &segment, None)).step(&segment);
        }
        connection.expect("it has segments")
    });
    let (mut room, mut sketch, thresholds) = (Room::default(), Sketch::default(), Thresholds::default());
    let mut judge = |connection: &Connection| {
        let life = Lifecycle::within(mem::take(&mut room), connection, connection.end, Profile::LINUX);
        // A debug build asks all detectors, those in vain too.
        if !cfg!(debug_assertions) {
            sketch.draw(connection, &life, &thresholds);
            assert!(sketch.gist(connection, &life).findings.is_empty());
        }
        room = life.into_room();
    };
    let first = connections.next().expect("some connections");
    judge(&first);
    for connection in connections {
        assert_eq!(asked(|| judge(&connection)), 0);
    }
}

/// A capture of one long transfer, in the bytes of a file.
fn capture(rounds: u32) -> Vec<u8> {
    let mut transfers = Transfers::new();
    let mut segments = vec![transfers.send(0, 0, Flags::SYN, 0), transfers.send(0, 1, Flags::SYN | Flags::ACK, 0)];
    for _ in 0..rounds {
        segments.push(transfers.send(0, 0, Flags::ACK, 0));
        segments.push(transfers.send(0, 1, Flags::ACK, 100));
    }
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0xffff, 101] {
        file.extend(word.to_le_bytes());
    }
    for segment in &segments {
        let packet = packet(segment);
        let micros = (segment.time.0 / 1_000) as u32;
        for word in [micros / 1_000_000, micros % 1_000_000, packet.len() as u32, packet.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(packet);
    }
    file
}

/// The segment in an IPv4 packet without checksums.
fn packet(segment: &Segment) -> Vec<u8> {
    let address = |end: Endpoint| match end.ip {
        std::net::IpAddr::V4(ip) => ip.octets(),
        std::net::IpAddr::V6(_) => unreachable!("the transfers are IPv4"),
    };
    let len = 40 + segment.payload_len as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(len.to_be_bytes());
    packet.extend(segment.ip_id.to_be_bytes());
    packet.extend([0x40, 0, 64, 6, 0, 0]);
    packet.extend(address(segment.source));
    packet.extend(address(segment.destination));
    packet.extend(segment.source.port.to_be_bytes());
    packet.extend(segment.destination.port.to_be_bytes());
    packet.extend(segment.seq.0.to_be_bytes());
    packet.extend(segment.ack.0.to_be_bytes());
    packet.extend([0x50, segment.flags.bits() as u8]);
    packet.extend(segment.window.to_be_bytes());
    packet.extend([0; 4]);
    packet.resize(usize::from(len), 0);
    packet
}

#[test]
fn a_longer_transfer_allocates_no_more() {
    let analysed = |rounds: u32| {
        let file = capture(rounds);
        let mut set = None;
        asked(|| {
            let input = Input::Reader("-".to_owned(), Box::new(io::Cursor::new(file)));
            let mut source = source::open(vec![input], source::Options::default()).expect("a capture");
            let outcome = analyse(&mut source, &Options::default(), None, &mut Told::default(), &mut ());
            set = outcome.ok().map(|outcome| outcome.summary.segments);
        })
    };
    // The catalogue is made once.
    analysed(500);
    let (short, long) = (analysed(500), analysed(5_000));
    assert_eq!(short, long, "9,000 segments more");
}

#[test]
fn writing_a_record_again_allocates_nothing() {
    let input = Input::Reader("-".to_owned(), Box::new(io::Cursor::new(capture(20))));
    let mut source = source::open(vec![input], source::Options::default()).expect("a capture");
    let mut told = Told::default();
    analyse(&mut source, &Options::default(), None, &mut told, &mut ()).expect("it takes all");
    let mut json = Json::lines(io::sink());
    let mut write = || {
        for verdict in &told.verdicts {
            json.connection(verdict).expect("it takes all");
        }
    };
    assert!(!told.verdicts.is_empty() && asked(&mut write) > 0, "the line is made once");
    assert_eq!(asked(&mut write), 0);
}
