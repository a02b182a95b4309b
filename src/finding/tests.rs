//! Random lives, from orderly ones to nonsense: the detectors that are not asked would have found nothing, and what is
//! found without words is what is told with them.

use super::*;
use crate::base::{Endpoint, FrameNumber, Seq};
use crate::segment::{Flags, Marks, Segment, Timestamps};

/// Two peers, of which each segment is odd with some probability.
struct Lives {
    rng: fastrand::Rng,
    odd_per_mille: u32,
    nxt: [u32; 2],
    time: i64,
    frame: u64,
}

impl Lives {
    fn new(seed: u64, odd_per_mille: u32) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let nxt = [rng.u32(..), rng.u32(..)];
        Self { nxt, time: 1_000_000_000_000, frame: 0, odd_per_mille, rng }
    }

    fn is_odd(&mut self) -> bool {
        self.rng.u32(0..1000) < self.odd_per_mille
    }

    fn segment(&mut self, side: usize, flags: Flags, payload_len: u32) -> Segment {
        let pause = self.rng.choice([20_000, 3_000_000, 250_000_000, 1_200_000_000, 90_000_000_000]).unwrap_or(0);
        self.time += self.rng.i64(0..pause);
        self.frame += 1;
        let end = |side: usize| Endpoint::new([10, 0, 0, side as u8].into(), [50_000, 80][side]);
        let (ends, numbers) = ([end(side), end(1 - side)], [self.nxt[side], self.nxt[1 - side]]);
        let mut segment = Segment::said(ends, numbers, flags, payload_len);
        (segment.time, segment.frame) = (Timestamp(self.time), FrameNumber(self.frame));
        (segment.window, segment.ip_id, segment.ttl) = (502, self.frame as u16, 64);
        if flags.contains(Flags::SYN) {
            segment.options.mss = Some(1_460);
        }
        let clock = |time: i64| (time / 1_000_000) as u32;
        segment.options.timestamps = Some(Timestamps { value: clock(self.time), echo: clock(self.time - 40_000_000) });
        if self.is_odd() {
            match self.rng.u32(0..9) {
                0 => segment.seq = segment.seq - self.rng.u32(0..2_000),
                1 => segment.seq = segment.seq + self.rng.u32(0..2_000),
                2 => segment.ack = segment.ack - self.rng.u32(0..2_000),
                3 => segment.ack = segment.ack + self.rng.u32(0..2_000),
                4 => segment.flags ^= Flags::from_bits_truncate(1 << self.rng.u32(0..5)),
                5 => segment.window = 0,
                6 => segment.marks ^= Marks::from_bits_truncate(1 << self.rng.u32(0..15)),
                7 => segment.time = segment.time.plus(-self.rng.i64(0..2_000_000_000)),
                _ => segment.options.timestamps = None,
            }
        }
        if !segment.flags.contains(Flags::RST) {
            self.nxt[side] = Seq(self.nxt[side]).later(segment.seq_end()).0;
        }
        segment
    }

    fn play(&mut self) -> Vec<Segment> {
        let mut kinds = vec![(0, Flags::SYN, 0), (1, Flags::SYN | Flags::ACK, 0), (0, Flags::ACK, 0)];
        let talk = self.rng.usize(0..12);
        kinds.extend(
            (0..talk).map(|_| (self.rng.usize(0..2), Flags::ACK, self.rng.choice([0, 40, 1_460]).unwrap_or(0))),
        );
        let closer = self.rng.usize(0..2);
        let end = [
            (closer, Flags::FIN | Flags::ACK, 0),
            (1 - closer, Flags::FIN | Flags::ACK, 0),
            (closer, Flags::ACK, 0),
            (1 - closer, Flags::RST, 0),
        ];
        kinds.extend(&end[..self.rng.usize(0..5)]);
        kinds.truncate(self.rng.usize(1..kinds.len() + 1));
        let mut segments: Vec<Segment> = Vec::new();
        for (side, flags, len) in kinds {
            // Lost before the tap, or sent again.
            let times = if self.is_odd() { self.rng.usize(0..4) } else { 1 };
            let segment = self.segment(side, flags, len);
            segments.extend((0..times as u64).map(|again| {
                self.frame += again;
                self.time += again as i64 * 400_000_000;
                let (time, frame) =
                    (segment.time.plus(again as i64 * 400_000_000), FrameNumber(segment.frame.0 + again));
                Segment { time, frame, ip_id: frame.0 as u16, ..segment }
            }));
        }
        segments
    }
}

#[test]
fn those_that_are_not_asked_would_find_nothing_and_words_change_nothing() {
    let bare = |finding: &Finding| Finding { frames: Vec::new(), message: String::new(), ..finding.clone() };
    let written = |findings: &[Finding]| {
        let mut findings: Vec<String> = findings.iter().map(|finding| format!("{:?}", bare(finding))).collect();
        findings.sort();
        findings
    };
    let (mut sketch, mut room) = (Sketch::default(), crate::connection::Room::default());
    let (mut silent, mut names) = (0, std::collections::BTreeSet::new());
    let mut past = None;
    for seed in 0..3_000 {
        let segments = Lives::new(seed, [0, 30, 300][seed as usize % 3]).play();
        let Some(first) = segments.first() else { continue };
        let mut connection = Connection::new(seed, first, past.filter(|_| seed % 5 == 0));
        segments.iter().for_each(|segment| connection.step(segment));
        connection.supply_missed_fins();
        let horizon = connection.end.plus([0, 5_000_000_000, 400_000_000_000][seed as usize / 3 % 3]);
        let thresholds = Thresholds::default();
        // Debug builds ask all detectors in here.
        let life = Lifecycle::within(room, &connection, horizon, Profile::default());
        let verdict = conclude(&connection, &life, &thresholds);
        assert_eq!(diagnose(&connection, horizon, Profile::default(), &thresholds), verdict);
        sketch.draw(&connection, &life, &thresholds);
        let (gist, whole) = (sketch.gist(&connection, &life), verdict.gist());
        assert_eq!(written(gist.findings), written(whole.findings), "{seed}");
        let alone = |gist: Gist<'_>| format!("{:?}", Gist { findings: &[], resets: &[], ..gist });
        assert_eq!(alone(gist), alone(whole));
        silent += u32::from(verdict.findings.is_empty());
        names.extend(verdict.findings.iter().map(|finding| finding.name));
        past = Some(crate::connection::Predecessor::of(&connection));
        room = life.into_room();
    }
    assert!(silent > 40 && names.len() > 30, "{silent} lives without findings, {names:?}");
}
