//! The plain middle of a transfer, by a shorter way: what comes in order, or acknowledges in order, while nothing else happens.
//!
//! Such segments are nearly all of a busy link, and of everything that [`Connection::step`] asks they only move numbers on. What
//! they change is exactly what the long way would change, which a test holds, field by field.

use super::classify::WILD_DISTANCE;
use super::history::completeness;
use super::noted::{Class, Noted};
use super::step::{Connection, OPENING_SEGMENTS, SILENCE_NS};
use crate::base::Side;
use crate::segment::{Flags, Marks, Segment};

impl Connection {
    /// How long nothing was said before `segment`, ns. Of plain progress that is no more than before, so that it needs no other bound.
    #[inline]
    fn silence_before(&self, segment: &Segment) -> i64 {
        segment.time.0.saturating_sub(self.end.0)
    }

    /// Takes `segment` if it is plain progress; changes nothing otherwise.
    #[inline]
    pub(super) fn step_steadily(&mut self, side: Side, segment: &Segment) -> bool {
        if !self.is_steady(side, segment) {
            return false;
        }
        let silence = self.silence_before(segment);
        if silence > self.longest_silence.0 {
            self.longest_silence = (silence, segment.frame.0);
        }
        self.end = segment.time;
        self.last_frame = segment.frame.0;
        self.halves[side].frames += 1;
        self.completeness |= completeness(Flags::ACK, segment.payload_len, None);
        self.record_base(side, segment);
        self.sequence.step_steadily(side, segment);
        if self.is_duplicate(side, segment) {
            self.record_duplicate(side, segment, Class::empty());
            return true;
        }
        self.count_marks_steadily(side, segment);
        let peer = &mut self.halves[!side];
        peer.unanswered = 0;
        peer.unanswered_since = None;
        peer.unanswered_probes = 0;
        if peer.acked.is_none_or(|acked| segment.ack.after(acked)) {
            peer.acked = Some(segment.ack);
        }
        let half = &mut self.halves[side];
        half.timestamps |= segment.options.timestamps.is_some();
        half.newest_stamps = segment.options.timestamps.or(half.newest_stamps);
        half.window = u32::from(segment.window) << half.window_shift;
        let edge = segment.ack + half.window;
        half.right_edge = Some(half.right_edge.map_or(edge, |old| old.later(edge)));
        let noted = Noted::new(segment, side, Class::empty());
        half.last = Some(noted);
        if segment.payload_len > 0 {
            half.unanswered += 1;
            half.unanswered_since.get_or_insert(segment.time);
            half.payload_bytes += u64::from(segment.payload_len);
            half.nxt = segment.seq + segment.payload_len;
            half.last_data = Some(noted);
        }
        true
    }

    /// Counts what nearly every frame shows of its capture, and leaves the rest to the long way.
    #[inline]
    fn count_marks_steadily(&mut self, side: Side, segment: &Segment) {
        const PLAIN: Marks = Marks::CHECKSUM_GOOD
            .union(Marks::DONT_FRAGMENT)
            .union(Marks::OUTBOUND)
            .union(Marks::INBOUND)
            .union(Marks::REASSEMBLED);
        let announced = self.halves[!side].mss;
        if PLAIN.contains(segment.marks) && announced.is_none_or(|mss| segment.payload_len <= mss.into()) {
            self.halves[side].checked += u32::from(segment.marks.contains(Marks::CHECKSUM_GOOD));
        } else {
            self.count_capture_marks(side, segment);
        }
    }

    /// Everything that the long way would find is that it goes on: in order, on both sides open, with nothing missing.
    #[inline]
    fn is_steady(&self, side: Side, segment: &Segment) -> bool {
        let (own, peer) = (&self.halves[side], &self.halves[!side]);
        // One question after the other: nearly always each is answered as the last time.
        let is_plain = segment.flags & (Flags::SYN | Flags::FIN | Flags::RST | Flags::ACK) == Flags::ACK
            && segment.window != 0
            && segment.options.sack_count == 0
            && segment.payload_len <= WILD_DISTANCE
            && !segment.marks.intersects(Marks::HEADER_BAD | Marks::CHECKSUM_BAD | Marks::SAMPLED);
        if !is_plain {
            return false;
        }
        let silence = self.silence_before(segment);
        let goes_on = segment.seq == own.nxt
            && own.is_known()
            && own.window != 0
            && own.ttl.is_some()
            && own.gaps.is_empty()
            && (own.payload_bytes > 0 || segment.payload_len == 0 && peer.payload_bytes > 0)
            && own.context == Some(segment.context)
            && self.has_letter_of(side, segment)
            && (0..SILENCE_NS.max(self.longest_silence.0.saturating_add(1))).contains(&silence);
        if !goes_on {
            return false;
        }
        let acknowledges = peer.acked.is_some_and(|acked| segment.ack.at_or_after(acked))
            && (-WILD_DISTANCE.cast_signed()..=0).contains(&segment.ack.since(peer.nxt))
            && peer.isn.is_none_or(|isn| segment.ack.after(isn) || peer.has_gone_round())
            && peer.is_known()
            && peer.gaps.is_empty();
        if !acknowledges {
            return false;
        }
        let is_open = own.fin.is_none() && peer.fin.is_none() && own.rsts == 0 && peer.rsts == 0;
        if !is_open {
            return false;
        }
        // What answers a SYN, or a segment that was sent again, is remembered.
        let asks = |last: &Noted| last.flags.contains(Flags::SYN) || last.class.contains(Class::RETRANSMISSION);
        let is_past_opening = self.segments() >= OPENING_SEGMENTS && !peer.last.as_ref().is_some_and(asks);
        is_past_opening && self.sequence.is_steady(side, segment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Endpoint, FrameNumber, Seq, Timestamp};
    use crate::segment::{SackBlock, TcpOptions, Timestamps};

    fn end(side: usize) -> Endpoint {
        Endpoint::new([192, 0, 2, side as u8].into(), 1_000 * side as u16 + 80)
    }

    /// Two ends that talk, and a wire on which now and then something is odd.
    struct Talk {
        rng: fastrand::Rng,
        next: [u32; 2],
        time: i64,
        frame: u64,
        newest: Option<Segment>,
    }

    impl Talk {
        fn new(seed: u64) -> Self {
            let mut rng = fastrand::Rng::with_seed(seed);
            // Numbers wrap in every fourth life or so.
            let next = [rng.u32(..), u32::MAX - rng.u32(0..100_000)];
            Self { rng, next, time: 0, frame: 0, newest: None }
        }

        fn segment(&mut self, side: usize, flags: Flags, payload_len: u32) -> Segment {
            self.time += self.rng.i64(0..2_000_000);
            self.frame += 1;
            let options = TcpOptions {
                timestamps: Some(Timestamps { value: (self.time / 1_000_000) as u32, echo: 0 }),
                ..TcpOptions::NONE
            };
            let segment = Segment {
                time: Timestamp(self.time),
                frame: FrameNumber(self.frame),
                source: end(side),
                destination: end(1 - side),
                seq: Seq(self.next[side]),
                ack: Seq(self.next[1 - side]),
                payload_len,
                window: self.rng.choice([500, 500, 501]).unwrap_or(0),
                flags,
                ip_id: self.frame as u16,
                ttl: 64,
                marks: Marks::CHECKSUM_GOOD,
                interface: 0,
                context: 0,
                realm: 0,
                digest: 0,
                options,
            };
            self.next[side] = segment.seq_end().0;
            segment
        }

        /// The next segment, odd once in `odd_one_in` times.
        fn goes_on(&mut self, odd_one_in: u32) -> Segment {
            let side = self.rng.usize(0..2);
            let len = if self.rng.bool() { 0 } else { self.rng.u32(1..3_000) };
            let flags = if self.rng.bool() { Flags::ACK } else { Flags::ACK | Flags::PSH };
            let mut segment = match self.newest {
                Some(newest) if self.rng.u32(0..4 * odd_one_in) == 0 => newest,
                _ => self.segment(side, flags, len),
            };
            if self.rng.u32(0..odd_one_in) == 0 {
                self.distort(&mut segment);
            }
            self.newest = Some(segment);
            segment
        }

        fn distort(&mut self, segment: &mut Segment) {
            let far = 1 << self.rng.u32(0..32);
            match self.rng.u32(0..16) {
                0 => segment.seq = segment.seq - far,
                1 => segment.seq = segment.seq + far,
                2 => segment.ack = segment.ack - far,
                3 => segment.ack = segment.ack + far,
                4 => segment.window = 0,
                5 => segment.marks ^= Marks::from_bits_truncate(1 << self.rng.u32(0..15)),
                6 => segment.flags ^= Flags::from_bits_truncate(1 << self.rng.u32(3..9)),
                7 => segment.payload_len = far,
                8 => segment.payload_len = 1,
                9 => segment.context = 1,
                10 => segment.options.timestamps = None,
                11 => {
                    segment.options.sack_count = 1;
                    segment.options.sack[0] = SackBlock { left: segment.ack + 10, right: segment.ack + 20 };
                }
                12 => self.time += 1 << self.rng.u32(0..36),
                13 => segment.time = segment.time.plus(-(1 << self.rng.u32(0..30))),
                14 => segment.flags ^= Flags::from_bits_truncate(1 << self.rng.u32(0..3)),
                // Lost before the tap, and acknowledged later.
                _ => self.next[self.rng.usize(0..2)] = self.next[0].wrapping_add(1_000),
            }
        }
    }

    #[test]
    fn both_ways_come_to_the_same() {
        let (mut steady, mut anyhow) = (0, 0);
        for seed in 0..150 {
            let mut talk = Talk::new(seed);
            let odd_one_in = [8, 30, 200][seed as usize % 3];
            let mut opening = vec![talk.segment(0, Flags::SYN, 0)];
            opening.push(talk.segment(1, Flags::SYN | Flags::ACK, 0));
            opening.push(talk.segment(0, Flags::ACK, 0));
            // Some are seen from the middle on.
            opening.drain(..talk.rng.usize(0..3));
            let mut short = Connection::new(7, &opening[0], None);
            let mut long = short.clone();
            for at in 0..100 {
                let segment = opening.get(at).copied().unwrap_or_else(|| talk.goes_on(odd_one_in));
                let side = long.side_of(&segment);
                long.step_anyhow(side, &segment);
                if short.step_steadily(side, &segment) {
                    steady += 1;
                } else {
                    anyhow += 1;
                    short.step_anyhow(side, &segment);
                }
                assert_eq!(format!("{short:?}"), format!("{long:?}"), "life {seed}, after {segment:?}");
            }
        }
        assert!(steady > 3_000 && anyhow > 3_000, "{steady} and {anyhow}");
    }

    #[test]
    fn numbers_go_round_and_what_is_acknowledged_goes_with_them() {
        const PIECE: u32 = 1 << 24;
        let mut talk = Talk::new(3);
        let opening = [
            talk.segment(0, Flags::SYN, 0),
            talk.segment(1, Flags::SYN | Flags::ACK, 0),
            talk.segment(0, Flags::ACK, 0),
        ];
        let mut connection = Connection::new(7, &opening[0], None);
        opening.iter().for_each(|segment| connection.step(segment));
        for piece in 1..=600 {
            connection.step(&talk.segment(1, Flags::ACK, PIECE));
            connection.step(&talk.segment(0, Flags::ACK, 0));
            let server = &connection.halves.server;
            assert_eq!((server.acked, server.payload_bytes), (Some(server.nxt), piece * u64::from(PIECE)));
        }
    }
}
