//! Sends small TCP frames that were never sent before, as fast as one core can or at a rate: what `benches/live/run` lets
//! `lastack live` and tcpdump capture at the same time.
//!
//! `flood IFACE long|short|open|gap|syn SECONDS [FRAMES_A_SECOND]`: `long` is 32 connections that go on, with an ACK for every two segments
//! of 6 octets; `short` is 512 at a time, of six frames each: handshake and close; `open` is a handshake and a segment, five frames with
//! its ACK, of connections that stay open; `gap` is the same with octets missing before the segment; `syn` is a SYN of each, which nobody
//! answers.

use std::time::{Duration, Instant};

/// Frames sent between two looks at the clock.
const BATCH: u64 = 64;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const FIN: u8 = 0x01;
const FIN_ACK: u8 = FIN | ACK;
const PSH_ACK: u8 = 0x18;

/// The listening end.
const SERVER: End = End { ip: 0x0aff_0001, port: 80 };

#[derive(Clone, Copy)]
struct End {
    ip: u32,
    port: u16,
}

/// What of a segment differs.
struct Content {
    flags: u8,
    payload_len: u16,
}

struct Flow {
    client: End,
    /// Next sequence numbers of client and server.
    next: [u32; 2],
    ids: [u16; 2],
    step: u64,
}

impl Flow {
    /// The connection of this number: 28,000 ports of each of many addresses.
    fn new(number: u32) -> Self {
        let client = End { ip: 0x0a00_0001 + number / 28_000, port: 32_768 + (number % 28_000) as u16 };
        let next = [number.wrapping_mul(2_654_435_761), number.wrapping_mul(40_503)];
        Self { client, next, ids: [number as u16, 7], step: 0 }
    }

    /// Puts the next frame into `frame`. True when the connection is over with it.
    fn send(&mut self, kind: Kind, frame: &mut [u8; 60]) -> bool {
        let step = self.step;
        self.step += 1;
        let (from, flags, payload_len) = match (step, kind) {
            (0, _) => (0, SYN, 0),
            (1, _) => (1, SYN | ACK, 0),
            (2, _) => (0, ACK, 0),
            (3, Kind::Open | Kind::Gap) => (0, PSH_ACK, 6),
            (_, Kind::Open | Kind::Gap | Kind::Syn) => (1, ACK, 0),
            (3, Kind::Short) => (0, FIN_ACK, 0),
            (4, Kind::Short) => (1, FIN_ACK, 0),
            (_, Kind::Short) => (0, ACK, 0),
            (_, Kind::Long) if step.is_multiple_of(3) => (1, ACK, 0),
            (_, Kind::Long) => (0, PSH_ACK, 6),
        };
        if (step, kind) == (3, Kind::Gap) {
            self.next[0] = self.next[0].wrapping_add(5_000);
        }
        self.write(from, &Content { flags, payload_len }, frame);
        let occupied = u32::from(payload_len) + u32::from(flags & (SYN | FIN) != 0);
        self.next[from] = self.next[from].wrapping_add(occupied);
        kind.steps() == Some(step + 1)
    }

    fn write(&mut self, from: usize, content: &Content, frame: &mut [u8; 60]) {
        let ends = if from == 0 { [self.client, SERVER] } else { [SERVER, self.client] };
        let ack = if content.flags & ACK == 0 { 0 } else { self.next[1 - from] };
        frame.fill(0);
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        let (ip, tcp) = frame[14..].split_at_mut(20);
        ip[0] = 0x45;
        ip[2..4].copy_from_slice(&(40 + content.payload_len).to_be_bytes());
        ip[4..6].copy_from_slice(&self.ids[from].to_be_bytes());
        (ip[6], ip[8], ip[9]) = (0x40, 64, 6);
        ip[12..16].copy_from_slice(&ends[0].ip.to_be_bytes());
        ip[16..20].copy_from_slice(&ends[1].ip.to_be_bytes());
        let checksum = folded(sum(ip));
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        self.ids[from] = self.ids[from].wrapping_add(1);
        tcp[..2].copy_from_slice(&ends[0].port.to_be_bytes());
        tcp[2..4].copy_from_slice(&ends[1].port.to_be_bytes());
        tcp[4..8].copy_from_slice(&self.next[from].to_be_bytes());
        tcp[8..12].copy_from_slice(&ack.to_be_bytes());
        (tcp[12], tcp[13]) = (0x50, content.flags);
        tcp[14..16].copy_from_slice(&500_u16.to_be_bytes());
        let len = 20 + content.payload_len;
        tcp[20..usize::from(len)].fill(b'x');
        let checksum = folded(sum(&ip[12..20]) + sum(&tcp[..usize::from(len)]) + 6 + u32::from(len));
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Long,
    Short,
    Open,
    Gap,
    Syn,
}

impl Kind {
    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "long" => Kind::Long,
            "short" => Kind::Short,
            "open" => Kind::Open,
            "gap" => Kind::Gap,
            "syn" => Kind::Syn,
            _ => return None,
        })
    }

    /// Frames of a connection, if it is not to go on for ever.
    fn steps(self) -> Option<u64> {
        match self {
            Kind::Long => None,
            Kind::Short => Some(6),
            Kind::Open | Kind::Gap => Some(5),
            Kind::Syn => Some(1),
        }
    }
}

fn sum(octets: &[u8]) -> u32 {
    octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum()
}

fn folded(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [interface, kind, seconds, rest @ ..] = words.as_slice() else {
        eprintln!("flood IFACE long|short|open|gap|syn SECONDS [FRAMES_A_SECOND]");
        return;
    };
    let kind = Kind::of(kind).expect("a kind");
    let time = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let rate: f64 = rest.first().map_or(f64::INFINITY, |rate| rate.parse().expect("a rate"));
    let mut wire = pcap::Capture::from_device(interface.as_str()).expect("an interface").open().expect("the interface");
    // Nobody reads here.
    wire.filter("less 1", true).expect("a filter");
    let at_once = if kind == Kind::Long { 32 } else { 512 };
    let mut begun = at_once;
    let mut flows: Vec<Flow> = (0..at_once).map(Flow::new).collect();
    let (start, mut sent, mut refused, mut at) = (Instant::now(), 0_u64, 0_u64, 0);
    let mut frame = [0; 60];
    while start.elapsed() < time {
        if sent as f64 > start.elapsed().as_secs_f64() * rate {
            std::hint::spin_loop();
            continue;
        }
        for _ in 0..BATCH {
            if flows[at].send(kind, &mut frame) {
                flows[at] = Flow::new(begun);
                begun += 1;
            }
            at = (at + 1) % flows.len();
            match wire.sendpacket(frame) {
                Ok(()) => sent += 1,
                Err(_) => refused += 1,
            }
        }
    }
    let rate = sent as f64 / start.elapsed().as_secs_f64();
    println!("sent {sent} frames, {rate:.0} a second; {refused} refused");
}
