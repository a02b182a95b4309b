//! Holds lives that were told in short to what the whole of them gives. Debug builds look at every one.

use crate::base::Side;
use crate::connection::{Lifecycle, Orderly, Profile};
use crate::finding::{self, Gist, Reset, Sketch, Thresholds, Verdict};
use crate::population::{Account, Departure};
use crate::table::Left;

/// Panics when `orderly` is not what the life of the connection, played back, gives.
pub(super) fn assert_same(left: &Left<'_>, orderly: &Orderly, departure: Departure, profile: Profile) {
    let mut scratch = None;
    left.show(&mut scratch, |connection| {
        let life = Lifecycle::of(connection, orderly.horizon, profile);
        let states = [&orderly.states(Side::Client)[..], &orderly.states(Side::Server)[..]];
        assert_eq!(states, [&life.states.client[..], &life.states.server[..]], "{connection:?}");
        assert_eq!(orderly.profiles, life.profiles, "{connection:?}");
        assert_eq!(
            Account::of_orderly(orderly, departure),
            Account::of(connection, &life, departure),
            "{connection:?}"
        );
        for idle_ns in [Thresholds::default().idle_ns, 5_000_000_000, 1_000_000_000] {
            let thresholds = Thresholds { idle_ns, ..Thresholds::default() };
            let (mut short, mut whole) = (Sketch::default(), Sketch::default());
            if short.draw_orderly(orderly, &thresholds) {
                whole.draw(connection, &life, &thresholds);
                let (short, whole) = (told(&short.gist_of_orderly(orderly)), told(&whole.gist(connection, &life)));
                assert_eq!(short, whole, "{connection:?}");
            }
            let mut verdict = Verdict::blank();
            if finding::conclude_orderly(orderly, &thresholds, &mut verdict) {
                assert_eq!(verdict, finding::conclude(connection, &life, &thresholds), "{connection:?}");
            }
        }
    });
}

/// All of it but what nobody needs of a gist.
fn told(gist: &Gist<'_>) -> String {
    let without_evidence = |reset: &Reset| Reset { evidence: String::new(), ..reset.clone() };
    let resets: Vec<Reset> = gist.resets.iter().map(without_evidence).collect();
    format!("{:?}", Gist { resets: &resets, ..*gist })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Endpoint, FrameNumber, Seq, Sides, Timestamp};
    use crate::connection::State;
    use crate::segment::{Flags, Marks, Segment, TcpOptions, Timestamps};
    use crate::table::{Limits, Table};

    const ACK: Flags = Flags::ACK;
    const MS: i64 = 1_000_000;

    /// Two peers that mostly do what an orderly connection asks of them.
    struct Peers {
        rng: fastrand::Rng,
        odd_per_mille: u32,
        nxt: Sides<u32>,
        /// What each has received of the other.
        had: Sides<u32>,
        clock: Sides<u32>,
        heard: Sides<u32>,
        has_clock: bool,
        id: u16,
        time: i64,
        frame: u64,
        segments: Vec<Segment>,
    }

    impl Peers {
        fn new(seed: u64) -> Self {
            let mut rng = fastrand::Rng::with_seed(seed);
            let (nxt, clock) = ([rng.u32(..), rng.u32(..)], [rng.u32(1..), rng.u32(1..)]);
            Self {
                odd_per_mille: rng.choice([0, 0, 10, 40]).unwrap_or(0),
                nxt: Sides { client: nxt[0], server: nxt[1] },
                had: Sides::default(),
                clock: Sides { client: clock[0], server: clock[1] },
                heard: Sides::default(),
                has_clock: rng.bool(),
                id: if rng.bool() { 1 } else { 0 },
                time: 1_700_000_000_000_000_000,
                frame: rng.u64(0..3),
                segments: Vec::new(),
                rng,
            }
        }

        fn is_odd(&mut self) -> bool {
            self.rng.u32(0..1000) < self.odd_per_mille
        }

        /// A pause: mostly short, and often right at a limit that something is judged by.
        fn pause(&mut self) -> i64 {
            let limits =
                [0, 1, 2, 20, 60, 150, 200, 250, 500, 1_000, 3_000, 3_500, 4_500, 5_000, 60_000, 61_000, 127_000];
            match self.rng.u32(0..10) {
                0 => self.rng.choice(limits).unwrap_or(0) * MS + self.rng.i64(-1..2),
                1 => self.rng.i64(0..200_000 * MS),
                2 | 3 => self.rng.i64(0..400 * MS),
                _ => self.rng.i64(0..3 * MS),
            }
        }

        /// `side` says something; where it has not had all that was sent to it, its acknowledgment says so.
        fn say(&mut self, side: Side, flags: Flags, payload_len: u32) {
            self.time += self.pause().max(0);
            self.frame += if self.is_odd() { 0 } else { self.rng.u64(1..4) };
            self.clock[side] = self.clock[side].wrapping_add(self.rng.u32(0..40));
            self.id = if self.id == 0 { 0 } else { self.id.wrapping_add(1).max(1) };
            let end = |side: Side| Endpoint::new([10, 0, 0, side as u8].into(), [40_000, 80][side as usize]);
            let acks = flags.contains(ACK);
            if self.rng.u32(0..8) > 0 || flags.contains(Flags::SYN) {
                self.had[side] = self.nxt[!side];
                self.heard[side] = self.clock[!side];
            }
            let is_update = self.rng.u32(0..6) == 0;
            let mark = [Marks::DONT_FRAGMENT, Marks::empty(), Marks::OUTBOUND, Marks::PAYLOAD_CUT];
            let mut segment = Segment {
                time: Timestamp(self.time),
                frame: FrameNumber(self.frame),
                source: end(side),
                destination: end(!side),
                seq: Seq(self.nxt[side]),
                ack: Seq(if acks { self.had[side] } else { 0 }),
                payload_len,
                window: if is_update { self.rng.u16(1..) } else { 502 },
                flags,
                ip_id: self.id,
                ttl: self.rng.choice([64, 128, 250]).unwrap_or(0),
                marks: mark[self.rng.usize(0..40).saturating_sub(36)],
                interface: 0,
                context: 0,
                realm: 0,
                digest: 0,
                options: TcpOptions::NONE,
            };
            let echo = if acks { self.heard[side] } else { 0 };
            segment.options.timestamps = self.has_clock.then_some(Timestamps { value: self.clock[side], echo });
            if flags.contains(Flags::SYN) {
                // As Linux does, and as others do.
                segment.ip_id = if acks && self.rng.bool() { 0 } else { self.id };
                segment.options.mss = self.rng.choice([None, Some(536), Some(1_460)]).flatten();
                segment.options.sack_permitted = self.rng.bool();
                segment.options.window_scale = self.rng.bool().then_some(7);
            }
            if self.is_odd() {
                match self.rng.u32(0..12) {
                    0 => segment.seq = segment.seq - self.rng.u32(0..3),
                    1 => segment.ack = segment.ack - self.rng.u32(0..1_500),
                    2 => segment.ack = segment.ack + self.rng.u32(0..1_500),
                    3 => segment.flags ^= Flags::from_bits_truncate(1 << self.rng.u32(0..9)),
                    4 => segment.window = 0,
                    5 => segment.marks ^= Marks::from_bits_truncate(1 << self.rng.u32(0..14)),
                    6 => segment.options.timestamps = None,
                    7 => {
                        segment.options.timestamps =
                            Some(Timestamps { value: self.rng.u32(..), echo: self.rng.u32(..) })
                    }
                    8 => segment.payload_len = self.rng.u32(0..70_000),
                    9 => segment.time = segment.time.plus(-self.rng.i64(0..5_000 * MS)),
                    10 => segment.options.sack_count = 1,
                    _ => segment.context = 1,
                }
            }
            if !segment.flags.contains(Flags::RST) {
                self.nxt[side] = segment.seq_end().0;
            }
            self.segments.push(segment);
            if self.is_odd() {
                self.segments.push(segment);
            }
        }

        /// A live socket's reset, mostly with the hop limit of what its sender sent before.
        fn abort(&mut self, side: Side) {
            self.say(side, Flags::RST | ACK, 0);
            let is_usual = self.rng.u32(0..4) > 0;
            let first = self.segments[side as usize].ttl;
            let Some(reset) = self.segments.last_mut() else { return };
            if is_usual {
                reset.ttl = first;
            }
            reset.window = self.rng.choice([502, 502, 0, 9_300]).unwrap_or(0);
        }

        /// The server's reset to the SYN: without a clock, mostly of number 0 and without a window.
        fn refuse(&mut self) {
            self.say(Side::Server, Flags::RST | ACK, 0);
            let (is_usual, has_clock) = (self.rng.u32(0..4) > 0, self.rng.u32(0..8) == 0);
            let Some(reset) = self.segments.last_mut() else { return };
            reset.ack = Seq(self.nxt[Side::Client]);
            if is_usual {
                (reset.seq, reset.window) = (Seq(0), 0);
            }
            if !has_clock {
                reset.options.timestamps = None;
            }
            if self.is_odd() {
                let _ = self.segments.pop();
                self.say(Side::Server, Flags::RST, 0);
            }
        }

        /// Says what has been had, unless that was said already.
        fn acknowledge(&mut self, side: Side) {
            let newest = self.segments.iter().rfind(|segment| (segment.source.port == 80) == (side == Side::Server));
            if newest.is_none_or(|newest| newest.ack != Seq(self.nxt[!side])) || self.is_odd() {
                self.had[side] = self.nxt[!side];
                self.heard[side] = self.clock[!side];
                self.say(side, ACK, 0);
            }
        }

        fn live(mut self) -> Vec<Segment> {
            self.say(Side::Client, Flags::SYN, 0);
            if self.rng.u32(0..10) == 0 {
                self.refuse();
                return self.segments;
            }
            self.say(Side::Server, Flags::SYN | ACK, 0);
            self.say(Side::Client, ACK, 0);
            let largest = self.rng.usize(4..6);
            for _ in 0..self.rng.choice([0, 1, 3, 8, 30, 70]).unwrap_or(0) {
                let side = if self.rng.bool() { Side::Client } else { Side::Server };
                if self.rng.bool() {
                    let len = [1, 100, 536, 1_460, 2_920][self.rng.usize(0..largest)];
                    self.say(side, ACK | Flags::PSH, len);
                } else if self.rng.u32(0..20) == 0 {
                    // Nothing new but the window, and not always that.
                    self.say(side, ACK, 0);
                } else {
                    self.acknowledge(side);
                }
            }
            if self.rng.u32(0..5) == 0 {
                let side = if self.rng.bool() { Side::Client } else { Side::Server };
                self.abort(side);
                return self.segments;
            }
            let closer = if self.rng.bool() { Side::Client } else { Side::Server };
            if self.rng.u32(0..8) > 0 {
                self.acknowledge(closer);
            }
            let farewell = if self.rng.u32(0..8) == 0 { 30 } else { 0 };
            self.say(closer, Flags::FIN | ACK, farewell);
            if self.rng.bool() {
                self.acknowledge(!closer);
                if self.rng.u32(0..4) == 0 {
                    self.abort(!closer);
                    return self.segments;
                }
            }
            if self.rng.u32(0..12) == 0 {
                self.say(!closer, ACK | Flags::PSH, 20);
            }
            self.had[!closer] = self.nxt[closer];
            self.say(!closer, Flags::FIN | ACK, 0);
            self.acknowledge(closer);
            if self.is_odd() {
                self.say(closer, Flags::RST, 0);
            }
            let whole = self.segments.len();
            let part = if self.rng.u32(0..3) == 0 { self.rng.usize(1..whole + 1) } else { whole };
            self.segments.truncate(part);
            self.segments
        }
    }

    #[test]
    fn a_life_in_short_is_what_the_whole_of_it_gives() {
        let (mut orderly, mut lone, mut open, mut half_closed, mut large, mut all) = (0, 0, 0, 0, 0, 0);
        let (mut whole, mut reading, mut placed, mut refused, mut aborted, mut closed) = (0, 0, 0, 0, 0, 0);
        let mut later = fastrand::Rng::with_seed(1);
        for seed in 0..16_000 {
            let mut segments = Peers::new(seed).live();
            let newest = segments.iter().map(|segment| segment.time).max().unwrap_or_default();
            let wait = [0, 1_000, 3_000, 3_500, 5_000, 60_000, 127_000, 400_000, 8_000_000][later.usize(0..9)] * MS;
            let horizon = newest.plus(wait + later.i64(-1..2));
            let profile = Profile::ALL[later.usize(0..5)];
            let profile = if later.bool() { profile.known(crate::connection::ProfileBasis::Given) } else { profile };
            let is_alone = segments.len() == 1;
            // One in eight has to make room for another.
            let is_evicted = seed % 8 == 0;
            if is_evicted {
                segments.push(Segment { source: Endpoint::new([10, 0, 0, 9].into(), 9), ..segments[0] });
            }
            let limits = Limits::connections(if is_evicted { 1 } else { 10 });
            let mut table = Table::new(limits, Profile::LINUX);
            let mut look = |left: Left<'_>| {
                all += 1;
                let mut short = Orderly::BLANK;
                if !left.orderly(horizon, &profile, &mut short) {
                    return;
                }
                orderly += 1;
                lone += u32::from(is_alone);
                open +=
                    u32::from(short.states(Side::Server).last().is_some_and(|step| step.state == State::Established));
                half_closed += u32::from(short.close_waiting().is_some());
                large += u32::from(short.large.is_some());
                whole += u32::from(!short.is_mixed);
                reading += u32::from(short.reads_on);
                placed += u32::from(short.tap().is_some());
                refused += u32::from(short.refusal.is_some());
                aborted += u32::from(short.abort.is_some());
                closed += u32::from(short.abort.is_some() && short.fin_acked.is_some());
                for departure in [Departure::Over, Departure::Replaced(horizon), Departure::Replaced(newest)] {
                    assert_same(&left, &short, departure, profile);
                }
            };
            segments.iter().for_each(|segment| {
                table.take(segment, &mut look);
            });
            table.finish(look);
        }
        assert!(orderly * 4 > all, "{orderly} of {all} lives are orderly");
        assert!(lone > 100 && open > 200 && half_closed > 30 && large > 100, "{lone} {open} {half_closed} {large}");
        assert!(whole * 2 > orderly && whole < orderly, "{whole} of {orderly} verdicts follow from lives in short");
        assert!(reading > 50 && placed > 50 && refused > 300, "{reading} {placed} {refused}");
        assert!(aborted > 300 && closed > 30, "{aborted} {closed}");
    }
}
