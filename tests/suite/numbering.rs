//! Stream numbers and completeness beside those that Wireshark 4.4.5 gives the same packets.

use lastack::base::{Endpoint, FrameNumber, Seq, Timestamp};
use lastack::segment::{Flags, IcmpError, Item, Marks, Segment, TcpOptions};

use crate::told::tell_items;

/// What a packet of a case says: who sent it, its flags as letters, its number, what it acknowledges, its payload.
struct Packet(char, &'static str, u32, u32, u32);

/// `quoted`: an ICMP error that quotes the packet came instead.
enum Seen {
    Sent(Packet),
    Quoted(Packet),
}

use Seen::{Quoted, Sent};

fn c(flags: &'static str, seq: u32, ack: u32) -> Seen {
    Sent(Packet('c', flags, seq, ack, 0))
}

fn s(flags: &'static str, seq: u32, ack: u32) -> Seen {
    Sent(Packet('s', flags, seq, ack, 0))
}

fn quoted(flags: &'static str, seq: u32, ack: u32) -> Seen {
    Quoted(Packet('c', flags, seq, ack, 0))
}

fn data(flags: &'static str, seq: u32, ack: u32) -> Seen {
    Sent(Packet('c', flags, seq, ack, 3))
}

fn flags(letters: &str) -> Flags {
    letters
        .chars()
        .map(|letter| match letter {
            'S' => Flags::SYN,
            'A' => Flags::ACK,
            'F' => Flags::FIN,
            'R' => Flags::RST,
            other => panic!("no flag {other}"),
        })
        .collect()
}

fn item(index: usize, seen: &Seen) -> Item {
    let (Sent(packet) | Quoted(packet)) = seen;
    let ends = [Endpoint::new([10, 0, 0, 1].into(), 1000), Endpoint::new([10, 0, 0, 2].into(), 80)];
    let [source, destination] = if packet.0 == 'c' { ends } else { [ends[1], ends[0]] };
    let (time, frame) = (Timestamp(index as i64 * 100_000_000), FrameNumber(index as u64 + 1));
    let mut segment = Segment {
        time,
        frame,
        source,
        destination,
        seq: Seq(packet.2),
        ack: Seq(packet.3),
        payload_len: packet.4,
        window: 1000,
        flags: flags(packet.1),
        ip_id: index as u16,
        ttl: 64,
        marks: Marks::empty(),
        interface: 0,
        context: 0,
        realm: 0,
        digest: 0,
        options: TcpOptions::NONE,
    };
    segment.digest = segment.header_digest();
    match seen {
        Sent(_) => Item::Segment(segment),
        Quoted(_) => Item::IcmpError(IcmpError {
            time,
            frame,
            reporter: destination.ip,
            recipient: source.ip,
            v6: false,
            kind: 3,
            code: 1,
            mtu: None,
            source,
            destination,
            seq: segment.seq,
            flags: Some(segment.flags),
            interface: 0,
            realm: 0,
        }),
    }
}

/// Stream, first frame, frames and completeness of every connection.
fn numbered(packets: &[Seen]) -> Vec<(u64, u64, u64, u8)> {
    let items: Vec<Item> = packets.iter().enumerate().map(|(index, seen)| item(index, seen)).collect();
    let mut streams: Vec<_> = tell_items(&items)
        .verdicts
        .iter()
        .map(|verdict| {
            let frames = verdict.endpoints.client.frames + verdict.endpoints.server.frames;
            (verdict.stream, verdict.first_frame, frames, verdict.completeness)
        })
        .collect();
    streams.sort_unstable();
    streams
}

#[test]
fn a_syn_with_another_number_opens_a_stream_and_a_repeated_one_does_not() {
    assert_eq!(numbered(&[c("S", 100, 0), c("S", 100, 0), s("SA", 300, 101), c("A", 101, 301)]), [(0, 1, 4, 7)]);
    let replayed = [c("S", 100, 0), c("S", 200, 0), c("S", 100, 0), c("S", 200, 0)];
    assert_eq!(numbered(&replayed), [(0, 1, 1, 1), (1, 2, 1, 1), (2, 3, 1, 1), (3, 4, 1, 1)]);
}

#[test]
fn a_syn_ack_with_another_number_opens_a_stream() {
    let answers = [c("S", 100, 0), s("SA", 300, 101), s("SA", 400, 101), c("A", 101, 401)];
    assert_eq!(numbered(&answers), [(0, 1, 2, 3), (1, 3, 2, 6)]);
}

#[test]
fn the_same_syn_opens_a_stream_after_a_fin_or_reset() {
    assert_eq!(numbered(&[c("S", 100, 0), s("RA", 0, 101), c("S", 100, 0)]), [(0, 1, 2, 37), (1, 3, 1, 1)]);
    let closed = [c("S", 100, 0), s("SA", 300, 101), c("A", 101, 301), c("FA", 101, 301), c("S", 100, 0)];
    assert_eq!(numbered(&closed), [(0, 1, 4, 23), (1, 5, 1, 1)]);
    assert_eq!(numbered(&[c("SR", 100, 0), c("S", 100, 0)]), [(0, 1, 1, 33), (1, 2, 1, 1)]);
}

#[test]
fn a_fin_without_ack_closes_nothing() {
    let odd = [c("S", 100, 0), s("SA", 300, 101), c("A", 101, 301), c("F", 101, 301), c("S", 100, 0)];
    assert_eq!(numbered(&odd), [(0, 1, 5, 7)]);
    assert_eq!(numbered(&[c("SF", 100, 0), c("S", 100, 0)]), [(0, 1, 2, 1)]);
}

#[test]
fn what_the_peer_acknowledged_counts_as_the_beginning() {
    assert_eq!(numbered(&[s("RA", 0, 101), c("S", 100, 0)]), [(0, 1, 1, 36), (1, 2, 1, 1)]);
    // Only a side of which nothing is known may still open the stream.
    assert_eq!(numbered(&[c("R", 101, 0), s("S", 300, 0)]), [(0, 1, 2, 33)]);
}

#[test]
fn a_syn_on_a_stream_that_began_in_the_middle_adds_nothing() {
    assert_eq!(numbered(&[c("A", 101, 301), s("A", 301, 101), c("S", 100, 0)]), [(0, 1, 3, 4)]);
    assert_eq!(numbered(&[s("SA", 300, 101), c("A", 101, 301), c("S", 100, 0)]), [(0, 1, 3, 6)]);
    assert_eq!(numbered(&[data("A", 500, 301), c("S", 100, 0)]), [(0, 1, 1, 8), (1, 2, 1, 1)]);
}

#[test]
fn payload_counts_with_the_syn_that_opens_and_with_an_ack() {
    assert_eq!(numbered(&[data("S", 100, 0), s("SA", 300, 104)]), [(0, 1, 2, 11)]);
    assert_eq!(numbered(&[c("S", 100, 0), data("S", 100, 0)]), [(0, 1, 2, 1)]);
    assert_eq!(numbered(&[c("S", 100, 0), data("", 101, 0)]), [(0, 1, 2, 1)]);
    assert_eq!(numbered(&[data("FA", 100, 5)]), [(0, 1, 1, 24)]);
}

#[test]
fn a_quote_takes_a_number_and_its_flags_count() {
    let rejected = [quoted("S", 100, 0), c("S", 200, 0), s("SA", 300, 201)];
    assert_eq!(numbered(&rejected), [(0, 2, 2, 3)]);
    let of_another = [c("S", 100, 0), quoted("S", 50, 0), c("S", 100, 0)];
    assert_eq!(numbered(&of_another), [(0, 1, 1, 1), (1, 3, 1, 1)]);
    let reset = [c("S", 100, 0), quoted("R", 101, 301), c("S", 100, 0)];
    assert_eq!(numbered(&reset), [(0, 1, 1, 33), (1, 3, 1, 1)]);
    let late = [c("S", 100, 0), s("SA", 300, 101), quoted("A", 101, 301)];
    assert_eq!(numbered(&late), [(0, 1, 2, 7)]);
}
