//! One life of the twin: two hosts, a wire that loses, delays, reorders and repeats, and a tap.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use fastrand::Rng;
use lastack::base::{Endpoint, FrameNumber, Side, Sides, Timestamp};
use lastack::connection::State;
use lastack::decode::Decoder;
use lastack::segment::{Item, Segment};
use lastack::source::{Frame, LinkType};

use super::host::{Call, Host, Origin, Plan};

pub const CLIENT: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 40_000);
pub const SERVER: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);
/// A life that lasts longer is cut: a peer that never closes, or retransmissions into a wire that loses most.
const LIFE_MAX: Timestamp = Timestamp(600 * SECOND);
pub const EVENTS_MAX: usize = 3000;
const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;
const DELAY_NS_MAX: i64 = 40 * MILLISECOND;
const JITTER_NS_MAX: i64 = 60 * MILLISECOND;

/// What happened, on both hosts and at the tap.
pub struct Life {
    /// What the tap saw.
    pub segments: Vec<Segment>,
    /// What each host lived through.
    pub steps: Sides<Vec<(Timestamp, State)>>,
    /// Every segment with what became of it.
    pub passages: Vec<Passage>,
    /// close() was called at a moment that the wire does not show: before the peer's FIN came or for ever, while the own
    /// FIN was held back by a closed window.
    pub closed_in_secret: bool,
    /// Where the tap was, and how the wire treated packets.
    pub wire: Wire,
    /// What each host's life follows from.
    pub origins: Sides<Origin>,
    /// How far it is told.
    pub end: Timestamp,
}

impl Life {
    /// The life up to the moment in which the tap saw frame number `frames`, and whatever it saw in that moment.
    pub fn until(&self, frames: usize) -> Life {
        let now = self.segments[frames - 1].time;
        let frames = self.segments.partition_point(|segment| segment.time <= now);
        let segments = self.segments[..frames].to_vec();
        let passed = |passage: &Passage| {
            let mut passage = passage.clone();
            passage.seen.retain(|(frame, _)| *frame <= frames as u64);
            passage.delivered.retain(|at| *at <= now);
            passage
        };
        let steps = |side: Side| self.steps[side].iter().copied().filter(|(at, _)| *at <= now).collect();
        Life {
            segments,
            steps: Sides { client: steps(Side::Client), server: steps(Side::Server) },
            passages: self.passages.iter().filter(|passage| passage.sent <= now).map(passed).collect(),
            closed_in_secret: self.closed_in_secret,
            wire: self.wire,
            origins: self.origins.clone(),
            end: now,
        }
    }

    /// The least that a packet takes from the tap to `side`.
    pub fn soonest_to(&self, side: Side) -> i64 {
        whole_microseconds(self.wire.hop(side).delay_ns).0
    }

    /// The longest that a packet takes from the tap to `side`.
    pub fn slowest_to(&self, side: Side) -> i64 {
        let hop = self.wire.hop(side);
        hop.delay_ns + hop.jitter_ns
    }

    /// The longest that it may take for all that the packets tell: as on a wire like this one with the most jitter. Beside
    /// the tap there is no wire.
    pub fn slowest_conceivable(&self, side: Side) -> i64 {
        let hop = self.wire.hop(side);
        if hop.delay_ns == 0 { 0 } else { hop.delay_ns + JITTER_NS_MAX }
    }

    /// By how much longer the wire between the tap and `side` may be for all that the packets tell, until an answer tells: as
    /// the longest. Beside the tap there is no wire.
    pub fn longer_conceivable(&self, side: Side) -> i64 {
        let delay_ns = self.wire.hop(side).delay_ns;
        if delay_ns == 0 { 0 } else { whole_microseconds(DELAY_NS_MAX - delay_ns).0 }
    }

    /// Packets may be lost between the tap and `side`, either way, for all that the packets tell: there is a wire.
    pub fn may_lose(&self, side: Side) -> bool {
        self.wire.hop(side).delay_ns > 0
    }

    /// Packets overtake each other between the tap and `side`.
    pub fn reorders_to(&self, side: Side) -> bool {
        self.wire.hop(side).jitter_ns > 1
    }
}

/// One segment on its way.
#[derive(Clone, Debug)]
pub struct Passage {
    pub from: Side,
    pub sent: Timestamp,
    pub packet: Rc<[u8]>,
    /// What the tap would have made of it.
    pub segment: Segment,
    /// Frames in which the tap saw it, and when.
    pub seen: Vec<(u64, Timestamp)>,
    pub delivered: Vec<Timestamp>,
}

/// The wire: a hop on each side of the tap.
#[derive(Clone, Copy, Debug)]
pub struct Wire {
    pub client_hop: Hop,
    pub server_hop: Hop,
}

impl Wire {
    fn hop(&self, side: Side) -> Hop {
        match side {
            Side::Client => self.client_hop,
            Side::Server => self.server_hop,
        }
    }

    /// How long a packet takes at least.
    pub fn way_ns(&self) -> i64 {
        self.client_hop.delay_ns + self.server_hop.delay_ns
    }
}

/// What happens to a packet on one side of the tap.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hop {
    loss: f64,
    repeat: f64,
    delay_ns: i64,
    jitter_ns: i64,
}

impl Hop {
    fn random(rng: &mut Rng) -> Self {
        Hop {
            loss: rng.choice([0.0, 0.0, 0.03, 0.1, 0.3]).unwrap_or_default(),
            repeat: rng.choice([0.0, 0.0, 0.0, 0.1]).unwrap_or_default(),
            delay_ns: rng.i64(20_000..DELAY_NS_MAX),
            jitter_ns: rng.choice([1, 1, 1, 5 * MILLISECOND, JITTER_NS_MAX]).unwrap_or(1),
        }
    }

    /// How long each copy of a packet takes; none is lost.
    fn crossings(&self, rng: &mut Rng) -> Vec<i64> {
        let copies = if rng.f64() < self.loss { 0 } else { 1 + usize::from(rng.f64() < self.repeat) };
        (0..copies).map(|_| self.delay_ns + if self.jitter_ns > 0 { rng.i64(0..self.jitter_ns) } else { 0 }).collect()
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Tap(usize),
    Deliver(usize),
}

struct World {
    rng: Rng,
    wire: Wire,
    hosts: Sides<Host>,
    queue: BinaryHeap<Reverse<(Timestamp, u64, Event)>>,
    serial: u64,
    passages: Vec<Passage>,
    segments: Vec<Segment>,
    now: Timestamp,
}

/// Lives one random life.
pub fn live(seed: u64) -> Life {
    let mut rng = Rng::with_seed(seed);
    let (near, far) = (Hop::random(&mut rng), Hop::random(&mut rng));
    let wire = match rng.u8(0..3) {
        0 => Wire { client_hop: Hop::default(), server_hop: far },
        1 => Wire { client_hop: near, server_hop: Hop::default() },
        _ => Wire { client_hop: near, server_hop: far },
    };
    let (client, server) = plans(&mut rng);
    let origins = Sides {
        client: Origin { endpoint: CLIENT, peer: SERVER, plan: client, seed: rng.u64(..) },
        server: Origin { endpoint: SERVER, peer: CLIENT, plan: server, seed: rng.u64(..) },
    };
    let hosts = Sides { client: Host::new(origins.client.clone()), server: Host::new(origins.server.clone()) };
    let mut world = World {
        rng,
        wire,
        hosts,
        queue: BinaryHeap::new(),
        serial: 0,
        passages: Vec::new(),
        segments: Vec::new(),
        now: Timestamp(0),
    };
    world.run();
    let World { hosts, passages, segments, now, .. } = world;
    Life {
        segments,
        closed_in_secret: Side::BOTH.iter().any(|&side| hosts[side].closed_in_secret || hosts[side].fin_due),
        steps: Sides { client: hosts.client.steps, server: hosts.server.steps },
        passages,
        wire,
        origins,
        end: now,
    }
}

/// What the two applications will do.
fn plans(rng: &mut Rng) -> (Plan, Plan) {
    let start = whole_microseconds(rng.i64(0..5 * MILLISECOND));
    let mut client = vec![(start, Call::Connect)];
    let mut server = Vec::new();
    match rng.u8(0..12) {
        // Nobody listens.
        0 => {}
        // Both open.
        1 => server.push((whole_microseconds(rng.i64(0..60 * MILLISECOND)), Call::Connect)),
        _ => server.push((Timestamp(0), Call::Listen)),
    }
    let calls = |rng: &mut Rng, calls: &mut Vec<(Timestamp, Call)>| {
        let span = rng.choice([200, 1000, 5000]).unwrap_or(1000) * MILLISECOND;
        for _ in 0..rng.usize(0..5) {
            calls.push((whole_microseconds(rng.i64(0..span)), Call::Write(rng.usize(1..3000))));
        }
        for _ in 0..rng.usize(0..3) {
            calls.push((whole_microseconds(rng.i64(0..span)), Call::Read));
        }
        match rng.u8(0..8) {
            0 => calls.push((whole_microseconds(rng.i64(0..span)), Call::Abort)),
            1..=4 => calls.push((whole_microseconds(rng.i64(0..span)), Call::Close)),
            _ => {}
        }
        if rng.u8(0..12) == 0 {
            calls.push((whole_microseconds(span + rng.i64(0..30 * SECOND)), Call::Abort));
        }
        calls.sort_by_key(|(at, _)| *at);
    };
    calls(rng, &mut client);
    calls(rng, &mut server);
    let timestamps = rng.bool();
    let mut plan = |calls: Vec<(Timestamp, Call)>| Plan {
        calls: VecDeque::from(calls),
        close_after_fin_us: match rng.u8(0..6) {
            0 => None,
            1 | 2 => Some(0),
            _ => Some(rng.i64(0..400_000)),
        },
        reads_at_once: rng.u8(0..6) > 0,
        receive_buffer: rng.choice([1000, 4096, 65_535]).unwrap_or(4096),
        keepalive_ms: rng.choice([None, None, None, Some(700), Some(20_000)]).flatten(),
        timestamps,
    };
    (plan(client), plan(server))
}

impl World {
    fn run(&mut self) {
        for event in 0.. {
            let due = Side::BOTH.map(|side| self.hosts[side].next_event(self.now).map(|at| (at, side)));
            let host = due.into_iter().flatten().min();
            let packet = self.queue.peek().map(|Reverse((at, ..))| *at);
            // What happens in one moment is told whole.
            let next = host.map(|(at, _)| at).into_iter().chain(packet).min();
            if event >= EVENTS_MAX && next.is_none_or(|next| next > self.now) {
                return;
            }
            // A packet that arrives at the very moment goes first, as an interrupt would.
            match (host, packet) {
                (host, Some(at)) if host.is_none_or(|(host_at, _)| at <= host_at) => {
                    self.now = at;
                    self.packet_event();
                }
                (Some((at, side)), _) if at <= LIFE_MAX => {
                    self.now = at;
                    let sent = self.hosts[side].run(at);
                    self.send(side, sent);
                }
                _ => return,
            }
        }
    }

    fn packet_event(&mut self) {
        match self.queue.pop() {
            Some(Reverse((_, _, Event::Tap(index)))) => {
                let from = self.passages[index].from;
                let frame = self.segments.len() as u64 + 1;
                self.passages[index].seen.push((frame, self.now));
                let segment = Segment { time: self.now, frame: FrameNumber(frame), ..self.passages[index].segment };
                self.segments.push(segment);
                let hop = self.wire.hop(!from);
                for delay in hop.crossings(&mut self.rng) {
                    self.schedule(delay, Event::Deliver(index));
                }
            }
            Some(Reverse((_, _, Event::Deliver(index)))) => {
                self.passages[index].delivered.push(self.now);
                let to = !self.passages[index].from;
                let sent = self.hosts[to].receive(self.now, self.passages[index].packet.to_vec());
                self.send(to, sent);
            }
            None => {}
        }
    }

    fn schedule(&mut self, delay: i64, event: Event) {
        let at = whole_microseconds(self.now.0 + delay);
        self.serial += 1;
        self.queue.push(Reverse((at, self.serial, event)));
    }

    fn send(&mut self, from: Side, packets: Vec<Vec<u8>>) {
        for packet in packets {
            let index = self.passages.len();
            let segment = decode(&packet);
            let (packet, sent) = (packet.into(), self.now);
            self.passages.push(Passage { from, sent, packet, segment, seen: Vec::new(), delivered: Vec::new() });
            let hop = self.wire.hop(from);
            for delay in hop.crossings(&mut self.rng) {
                self.schedule(delay, Event::Tap(index));
            }
        }
    }
}

/// smoltcp's clock has no more.
fn whole_microseconds(nanos: i64) -> Timestamp {
    Timestamp(nanos / 1000 * 1000)
}

pub fn decode(packet: &[u8]) -> Segment {
    let frame = Frame {
        number: FrameNumber(0),
        time: Timestamp(0),
        bytes: packet,
        original_len: packet.len() as u32,
        link: LinkType::RAW,
        interface: 0,
        flags: 0,
    };
    let mut segment = None;
    Decoder::default().decode(&frame, |item| match item {
        Item::Segment(found) => segment = Some(*found),
        Item::IcmpError(error) => panic!("smoltcp sent {error:?}"),
    });
    segment.expect("smoltcp sends TCP")
}
