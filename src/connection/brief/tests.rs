use super::*;
use crate::base::FrameNumber;
use crate::connection::Connection;
use crate::connection::Predecessor;
use crate::segment::{OptionOrder, Timestamps};

/// A peer that mostly does what is expected of it.
pub(super) struct Player {
    rng: fastrand::Rng,
    nxt: [u32; 2],
    clock: [u32; 2],
    id: [u16; 2],
    time: i64,
    frame: u64,
    odd_per_mille: u32,
}

pub(super) fn end(side: usize) -> Endpoint {
    Endpoint::new([10, 0, 0, side as u8].into(), 80 + side as u16)
}

impl Player {
    pub fn new(seed: u64, odd_per_mille: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let nxt = [rng.u32(..), rng.u32(..)];
        let clock = [rng.u32(..), rng.u32(..)];
        Self { nxt, clock, id: [rng.u16(..), 0], time: rng.i64(0..1 << 60), frame: 1, odd_per_mille, rng }
    }

    fn is_odd(&mut self) -> bool {
        self.rng.u32(0..1000) < self.odd_per_mille
    }

    fn segment(&mut self, side: usize, flags: Flags, payload_len: u32) -> Segment {
        self.time += if self.rng.bool() { self.rng.i64(0..300_000_000) } else { self.rng.i64(0..90) * 1_000 };
        self.frame += self.rng.u64(0..300);
        self.clock[side] = self.clock[side].wrapping_add(self.rng.u32(0..40));
        self.id[side] = if side == 0 { self.id[side].wrapping_add(1) } else { 0 };
        let acks = flags.contains(Flags::ACK);
        let (ends, numbers) = ([end(side), end(1 - side)], [self.nxt[side], self.nxt[1 - side]]);
        let mut segment = Segment::said(ends, numbers, flags, payload_len);
        (segment.time, segment.frame) = (Timestamp(self.time), FrameNumber(self.frame));
        segment.window = self.rng.choice([502, 502, 64_240]).unwrap_or(0);
        (segment.ip_id, segment.ttl) = (self.id[side], 64 - side as u8);
        segment.marks = Marks::DONT_FRAGMENT;
        segment.options.timestamps =
            Some(Timestamps { value: self.clock[side], echo: if acks { self.clock[1 - side] } else { 0 } });
        if flags.contains(Flags::SYN) {
            segment.options.mss = Some(1460);
            segment.options.window_scale = Some(7);
            segment.options.sack_permitted = true;
            segment.options.order = OptionOrder::from_bits([0, 0b11_01_10, 0b11_10_01][usize::from(self.rng.u8(..3))]);
        }
        if self.is_odd() {
            self.distort(&mut segment);
        }
        if flags.contains(Flags::RST) {
            return segment;
        }
        self.nxt[side] = segment.seq_end().0;
        segment
    }

    fn distort(&mut self, segment: &mut Segment) {
        match self.rng.u32(0..16) {
            0 => segment.seq = segment.seq - self.rng.u32(0..3_000),
            1 => segment.seq = segment.seq + self.rng.u32(0..3_000),
            2 => segment.ack = segment.ack - self.rng.u32(0..3_000),
            3 => segment.ack = segment.ack + self.rng.u32(0..3_000),
            4 => segment.flags ^= Flags::from_bits_truncate(1 << self.rng.u32(0..9)),
            5 => segment.window = 0,
            6 => segment.marks ^= Marks::from_bits_truncate(1 << self.rng.u32(0..13)),
            7 => segment.interface = self.rng.u32(0..3),
            8 => segment.context = self.rng.choice([1, 70_000]).unwrap_or(0),
            9 => segment.options.timestamps = None,
            10 => segment.time = segment.time.plus(-self.rng.i64(0..2_000_000_000)),
            11 => segment.ttl = self.rng.u8(..),
            12 => segment.options.sack_count = 1,
            13 => {
                segment.options.multipath = true;
                segment.options.multipath_end =
                    self.rng.choice([MultipathEnd::NONE, MultipathEnd::FAST_CLOSE]).unwrap_or_default();
            }
            14 => segment.seq = Seq(self.rng.u32(..)),
            _ => segment.payload_len = self.rng.u32(..),
        }
    }

    pub fn play(&mut self) -> Vec<Segment> {
        let mut segments = vec![self.segment(0, Flags::SYN, 0)];
        segments.push(self.segment(1, Flags::SYN | Flags::ACK, 0));
        for _ in 0..self.rng.u32(0..40) {
            let side = self.rng.usize(0..2);
            let len = if self.rng.bool() { 0 } else { self.rng.u32(1..1_460) };
            let again = self.rng.u32(0..1000) < self.odd_per_mille;
            let segment = match segments.last() {
                Some(&last) if again => last,
                _ => self.segment(side, Flags::ACK, len),
            };
            segments.push(segment);
        }
        let closer = self.rng.usize(0..2);
        if self.rng.u32(0..4) == 0 {
            segments.push(self.segment(closer, Flags::RST, 0));
        } else {
            segments.push(self.segment(closer, Flags::FIN | Flags::ACK, 0));
            segments.push(self.segment(1 - closer, Flags::FIN | Flags::ACK, 0));
            segments.push(self.segment(closer, Flags::ACK, 0));
        }
        segments.truncate(self.rng.usize(1..segments.len() + 1));
        segments
    }
}

/// Everything that can be told of a connection.
fn told(connection: &Connection) -> String {
    format!("{connection:?}")
}

/// Follows the segments packed as long as they allow it. Returns how many stayed packed.
fn follow(segments: &[Segment], place: &mut Option<Box<Connection>>) -> usize {
    let mut whole = Connection::new(7, &segments[0], None);
    let mut shelves = Shelves::default();
    let mut packed = 0;
    let mut brief = Brief::can_begin(&segments[0]).then_some(Brief::EMPTY);
    brief.iter_mut().for_each(|brief| brief.begin(&segments[0]));
    for (at, segment) in segments.iter().enumerate() {
        let side = whole.side_of(segment);
        let profile = Profile::LINUX;
        let keeps = at == 0 || brief.as_mut().is_some_and(|brief| brief.take(side, segment, &mut shelves));
        whole.step(segment);
        let Some(brief) = brief.as_mut().filter(|_| keeps) else { break };
        packed = at + 1;
        assert_eq!(brief.ends_at(&profile), whole.ends_at(&profile), "after {segment:?}");
        assert_eq!(brief.end(), whole.end);
    }
    if let Some(brief) = brief {
        let mut back = Vec::new();
        let mut octets = Vec::new();
        let head = brief.packed(&shelves).put_into(&mut octets);
        let brief = head.with(&octets);
        brief.replay(end(0), end(1), |segment| back.push(*segment));
        assert_eq!(back, segments[..packed]);
        Connection::play_back(place, 7, &brief, end(0), end(1));
        let mut whole = Connection::new(7, &segments[0], None);
        segments[..packed].iter().for_each(|segment| whole.step(segment));
        assert_eq!(place.as_deref().map(told), Some(told(&whole)));
        assert_eq!(Predecessor::between([end(0), end(1)], 7, &brief.remains()), Predecessor::of(&whole));
    }
    packed
}

#[test]
fn what_stays_packed_is_what_tracking_would_have_made() {
    let mut place = None;
    let (mut packed, mut all) = (0, 0);
    for seed in 0..4_000 {
        let segments = Player::new(seed, [0, 3, 60][seed as usize % 3]).play();
        packed += follow(&segments, &mut place);
        all += segments.len();
    }
    assert!(packed * 10 > all * 6, "{packed} of {all}");
}

#[test]
fn an_orderly_connection_stays_packed_to_its_end() {
    let mut place = None;
    let mut player = Player::new(1, 0);
    let mut segments = vec![player.segment(0, Flags::SYN, 0), player.segment(1, Flags::SYN | Flags::ACK, 0)];
    for (side, flags, len) in [(0, Flags::ACK, 0), (0, Flags::ACK, 300), (1, Flags::ACK, 1_460), (0, Flags::ACK, 0)] {
        segments.push(player.segment(side, flags, len));
    }
    for (side, flags) in [(0, Flags::FIN | Flags::ACK), (1, Flags::FIN | Flags::ACK), (0, Flags::ACK)] {
        segments.push(player.segment(side, flags, 0));
    }
    assert_eq!(follow(&segments, &mut place), segments.len());
}

#[test]
fn a_syn_packed_where_it_stays_is_what_it_is_elsewhere() {
    let mut rng = fastrand::Rng::with_seed(12);
    let mut fitting = [0; 2];
    for seed in 0..2_000 {
        let mut player = Player::new(seed, 0);
        let mut briefs = [Brief::EMPTY, Brief::EMPTY];
        let mut shelves = Shelves::default();
        for (side, flags) in [(Side::Client, Flags::SYN), (Side::Server, Flags::SYN | Flags::ACK)] {
            let mut segment = player.segment(side as usize, flags, 0);
            // How much there is to tell differs, so that now and then the second one has just no room.
            let told: u32 = rng.u32(..);
            let has = |bit: u32| told & bit != 0;
            segment.ack = if has(1) && side == Side::Client { Seq(told) } else { segment.ack };
            segment.ip_id = if has(2) { 0 } else { 7 };
            segment.window = if has(4) { USUAL_WINDOWS[side as usize] } else { 9 };
            segment.ttl = if has(8) { USUAL_TTL } else { 1 };
            segment.marks = if has(16) { USUAL_MARKS } else { Marks::empty() };
            (segment.interface, segment.context) = (told >> 5 & 1, told >> 6 & 1);
            segment.options.mss = if has(128) { Some(1_460) } else { Some(1_400) };
            segment.options.window_scale = if has(256) { Some(7) } else { Some(8) };
            segment.options.timestamps =
                has(512).then_some(Timestamps { value: told, echo: if has(1_024) { told } else { 0 } });
            let [there, elsewhere] = &mut briefs;
            assert!(elsewhere.pack(side, &segment, &mut shelves));
            let is_there = match side {
                Side::Client => {
                    there.begin(&segment);
                    true
                }
                Side::Server => there.pack_syn_ack(&segment),
            };
            fitting[side as usize] += usize::from(is_there);
            if is_there {
                let told = |brief: &Brief, shelves: &Shelves| {
                    let mut octets = Vec::new();
                    format!("{:?} {octets:?}", brief.packed(shelves).put_into(&mut octets))
                };
                assert_eq!(told(there, &shelves), told(elsewhere, &shelves), "{segment:?}");
            }
        }
    }
    assert!(fitting[0] == 2_000 && (1_000..1_999).contains(&fitting[1]), "{fitting:?}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut player = Player::new(2, 0);
    let mut segments = vec![player.segment(0, Flags::SYN, 0), player.segment(1, Flags::SYN | Flags::ACK, 0)];
    segments.extend((0..200).map(|_| player.segment(0, Flags::ACK, 1_460)));
    let packed = follow(&segments, &mut None);
    assert!((30..100).contains(&packed), "{packed}");
}
