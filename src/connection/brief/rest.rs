//! What is kept of a packed connection that is over. No segment is expected, so what the next one would be told apart from is left
//! to its octets.

use super::shelves::Place;
use super::{Brief, Head, Known, Packed, Shelves, Stage, Tail};
use crate::base::{Endpoint, Seq, Side, Timestamp};

/// A [`Head`] in half of the octets, of a connection that [is over](Brief::is_over).
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub struct Rest {
    newest: Timestamp,
    nxt: [Seq; 2],
    // Not side by side with the time, with which it was written one by one a moment ago: both would be read as a whole.
    frame: u64,
    clock: [u32; 2],
    rest_used: u16,
    first_used: u8,
    /// The client's deeds, the server's, and whether it was reset.
    bits: u8,
}

const _: () = assert!(size_of::<Rest>() == 36);

/// Bits of what a side has done.
const DEEDS: u8 = 0b111;
const SERVER_AT: u32 = 3;
const WAS_RESET: u8 = 1 << 6;

impl Rest {
    /// Of nothing.
    pub const NONE: Self =
        Self { newest: Timestamp(0), frame: 0, nxt: [Seq(0); 2], clock: [0; 2], rest_used: 0, first_used: 0, bits: 0 };

    /// When the newest segment was captured.
    #[inline]
    pub fn end(&self) -> Timestamp {
        self.newest
    }

    /// How many octets it has.
    #[inline]
    pub fn octets_len(&self) -> usize {
        usize::from(self.first_used) + usize::from(self.rest_used)
    }

    /// With its octets at hand.
    #[inline]
    pub fn with<'a>(&'a self, octets: &'a [u8]) -> Packed<'a> {
        let &Self { newest, frame, rest_used, first_used, .. } = self;
        let (lens, rest) = ([first_used.into(), rest_used.into()], octets.get(first_used.into()..).unwrap_or_default());
        Packed { known: Known::Rest(self), newest, frame, lens, first: octets, rest }
    }

    /// What it was, as far as its octets do not tell.
    pub(super) fn head(&self) -> Head {
        let &Self { newest, frame, nxt, clock, rest_used, first_used, bits } = self;
        // All that each side sent was acknowledged.
        let tail = |own: usize, deeds: u8| Tail {
            nxt: nxt[own],
            ack: nxt[1 - own],
            clock: clock[own],
            deeds: deeds & DEEDS,
            ..Tail::NONE
        };
        let stage = if bits & WAS_RESET != 0 { Stage::Reset } else { Stage::Open };
        let tails = [tail(0, bits), tail(1, bits >> SERVER_AT)];
        Head { newest, frame, tails, rest: Place::NONE, rest_used, stage, first_used }
    }
}

impl Brief {
    /// It was reset, or both sides closed and had that acknowledged: more may come, and mostly nothing does.
    #[inline]
    pub fn is_over(&self) -> bool {
        let Head { stage, tails: [client, server], .. } = &self.head;
        match stage {
            Stage::Reset => true,
            Stage::Open => self.head.is_closed() && client.ack == server.nxt && server.ack == client.nxt,
            Stage::Asked | Stage::Answered => false,
        }
    }

    /// What is kept of it if it [is over](Self::is_over), beside its octets.
    #[inline]
    pub fn rest(&self) -> Rest {
        let Head { newest, frame, tails: [client, server], rest_used, stage, first_used, .. } = self.head;
        let reset = if stage == Stage::Reset { WAS_RESET } else { 0 };
        Rest {
            newest,
            frame,
            nxt: [client.nxt, server.nxt],
            clock: [client.clock, server.clock],
            rest_used,
            first_used,
            bits: client.deeds | server.deeds << SERVER_AT | reset,
        }
    }

    /// Becomes what was `packed`, ready for the next segment; what does not fit goes to `shelves`. An
    /// [empty](Self::EMPTY) one can.
    pub fn wake(&mut self, packed: &Packed<'_>, client: Endpoint, server: Endpoint, shelves: &mut Shelves) {
        packed.replay(client, server, |segment| {
            if self.head.first_used == 0 {
                self.begin(segment);
            } else {
                let side = if segment.source == client { Side::Client } else { Side::Server };
                let is_taken = self.take(side, segment, shelves);
                debug_assert!(is_taken, "it was packed before");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Player, end};
    use super::*;

    #[test]
    fn what_rests_leaves_as_it_was_and_wakes_as_it_was() {
        let (mut over, mut reset) = (0_u64, 0);
        let seeds = if cfg!(miri) { 200 } else { 4_000 };
        for seed in 0..seeds {
            let segments = Player::new(seed, [0, 10][seed as usize % 2]).play();
            let mut shelves = Shelves::default();
            let mut brief = Brief::EMPTY;
            if !Brief::can_begin(&segments[0]) {
                continue;
            }
            brief.begin(&segments[0]);
            for segment in &segments[1..] {
                let side = if segment.source == end(0) { Side::Client } else { Side::Server };
                if !brief.take(side, segment, &mut shelves) {
                    break;
                }
            }
            if !brief.is_over() {
                continue;
            }
            over += 1;
            reset += u64::from(brief.head.stage == Stage::Reset);
            let packed = brief.packed(&shelves);
            let mut octets = Vec::new();
            packed.put_into(&mut octets);
            let rest = brief.rest();
            assert_eq!((rest.octets_len(), rest.end()), (octets.len(), brief.end()));
            let resting = rest.with(&octets);
            assert!(resting.is_settled() && packed.is_settled());
            assert_eq!(resting.remains(), packed.remains());
            let (mut elsewhere, mut woken) = (Shelves::default(), Brief::EMPTY);
            woken.wake(&resting, end(0), end(1), &mut elsewhere);
            let told = |brief: &Brief, shelves: &Shelves| {
                let mut octets = Vec::new();
                let head = Head { rest: Place::NONE, ..brief.packed(shelves).put_into(&mut octets) };
                format!("{head:?} {octets:?}")
            };
            assert_eq!(told(&woken, &elsewhere), told(&brief, &shelves));
        }
        assert!(over * 25 > seeds && reset > 0 && over > 2 * reset, "{over} {reset}");
    }
}
