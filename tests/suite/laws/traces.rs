//! The captures that the laws are held to: the lives of the twin, and conversations that make no sense.

use lastack::base::{Endpoint, FrameNumber, Seq, Timestamp};
use lastack::segment::{Flags, Marks, Segment, TcpOptions};
use proptest::prelude::*;

use crate::twin;

pub const CLIENT: Endpoint = twin::CLIENT;
pub const SERVER: Endpoint = twin::SERVER;

/// Lives of the twin that the tap saw something of, with their names. `LASTACK_LAWS_LIVES` sets how many.
pub fn lived() -> impl Iterator<Item = (String, Vec<Segment>)> {
    let lives = twin::lives("LASTACK_LAWS", 60).map(|(seed, life)| (format!("life {seed}"), life.segments));
    lives.filter(|(_, segments)| !segments.is_empty() && segments.len() < 120)
}

/// Sender is the client, flags, numbers, length, window, time since the line before, id.
type Line = (bool, Flags, (u32, u32), u32, u16, i64, u16);

/// Segments between two ends without any sense in them, though near enough to each other to matter. All but RST and
/// SYN have ACK.
pub fn any_conversation() -> impl Strategy<Value = Vec<Segment>> {
    let flags = prop_oneof![
        2 => Just(Flags::SYN),
        2 => Just(Flags::SYN | Flags::ACK),
        6 => Just(Flags::ACK),
        4 => Just(Flags::PSH | Flags::ACK),
        4 => Just(Flags::FIN | Flags::ACK),
        2 => Just(Flags::RST),
        2 => Just(Flags::RST | Flags::ACK),
        1 => (0..512_u16).prop_map(|bits| Flags::from_bits_truncate(bits) | Flags::ACK),
    ];
    let number = prop_oneof![8 => 0..6_u32, 1 => 0..3000_u32, 1 => any::<u32>()];
    let segment = (
        any::<bool>(),
        flags,
        (number.clone(), number),
        prop_oneof![4 => Just(0), 1 => 1..4_u32, 1 => Just(1000)],
        prop_oneof![4 => Just(4096), 1 => Just(0), 1 => any::<u16>()],
        prop_oneof![6 => 0..50_000_000_i64, 2 => 0..5_000_000_000_i64, 1 => -5_000_000..400_000_000_000_i64],
        prop_oneof![Just(0), 1..9_u16],
    );
    proptest::collection::vec(segment, 1..20).prop_map(|lines| {
        let mut time = Timestamp(0);
        let place = |(index, line): (usize, Line)| {
            let (client, flags, (seq, ack), payload_len, window, step, ip_id) = line;
            time = time.plus(step);
            // Numbers well away from 0, which means something in a reset.
            let (own, other) = if client { (1_u32 << 20, 1_u32 << 24) } else { (1 << 24, 1 << 20) };
            let mut segment = Segment {
                time,
                frame: FrameNumber(index as u64 + 1),
                source: if client { CLIENT } else { SERVER },
                destination: if client { SERVER } else { CLIENT },
                seq: Seq(own) + seq,
                ack: Seq(if flags.contains(Flags::ACK) { other.wrapping_add(ack) } else { 0 }),
                payload_len: if flags.contains(Flags::ACK) { payload_len } else { 0 },
                window,
                flags,
                ip_id,
                ttl: 64,
                marks: Marks::DONT_FRAGMENT,
                interface: 0,
                context: 0,
                realm: 0,
                digest: 0,
                options: TcpOptions::default(),
            };
            segment.digest = segment.header_digest();
            segment
        };
        lines.into_iter().enumerate().map(place).collect()
    })
}
