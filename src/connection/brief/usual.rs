//! The usual segment of a packed connection, which nearly all are: asked for with few branches and packed without the questions
//! that others need.

use super::packing::{ACK, IN_HEAD, IP_ID, Packing, SCRATCH, Short, Stamps, WINDOW};
use super::{Brief, CLOSED, HAS_CLOCK, PAYLOAD_MAX, Shelves, Stage};
use crate::base::Side;
use crate::segment::{Flags, Segment};

impl Brief {
    /// It comes in order after the SYNs, the same way as the one before of its side, and has no options but timestamps. Nearly all do,
    /// so there are few branches; what does not is asked anew, one thing after the other.
    #[inline(always)]
    pub(super) fn is_usual(&self, side: Side, segment: &Segment) -> bool {
        let head = &self.head;
        let (own, peer) = (&head.tails[side as usize], &head.tails[1 - side as usize]);
        let controls = segment.flags.difference(Flags::PSH | Flags::FIN).bits() ^ Flags::ACK.bits();
        let way = u32::from(segment.ttl ^ own.ttl)
            | u32::from(segment.marks.difference(IN_HEAD).bits() ^ own.marks.bits())
            | (segment.interface ^ u32::from(own.interface))
            | (segment.context ^ u32::from(own.context));
        let others = u32::from(controls) | segment.digest | u32::from(segment.options.others());
        let frames = segment.frame.0.wrapping_sub(head.frame);
        let too_many = (frames >> 32) as u32 | (segment.payload_len / PAYLOAD_MAX);
        // What a side that closed says no more.
        let more = segment.payload_len | u32::from((segment.flags & Flags::FIN).bits());
        let beyond = more * u32::from(own.deeds & CLOSED);
        let ahead = segment.ack.since(own.ack) | peer.nxt.since(segment.ack);
        let earlier = u32::from(segment.time < head.newest);
        (segment.seq.0 ^ own.nxt.0) | way | others | too_many | beyond | earlier == 0
            && ahead >= 0
            && head.stage as u8 >= Stage::Answered as u8
    }

    /// Packs what [is usual](Self::is_usual), to the same octets as any other way. Not where that is asked: what is loaded again has
    /// not to be kept meanwhile, for which there are not enough registers.
    #[inline(never)]
    pub(super) fn take_usual(&mut self, side: Side, segment: &Segment, shelves: &mut Shelves) -> bool {
        let Some(short) = self.short_of(side, segment) else { return self.take_longer(side, segment, shelves) };
        let Some(place) = self.place_for(short.len(), shelves) else { return false };
        short.write(place);
        self.follow_usual(side, segment)
    }

    /// The same of one that takes longer words.
    #[inline(never)]
    fn take_longer(&mut self, side: Side, segment: &Segment, shelves: &mut Shelves) -> bool {
        self.keep_longer(side, segment, shelves) && self.follow_usual(side, segment)
    }

    /// It is the newest one now, always. Not where it is packed, for the same reason: called last, it takes a jump and no register.
    #[inline(never)]
    fn follow_usual(&mut self, side: Side, segment: &Segment) -> bool {
        let head = &mut self.head;
        (head.newest, head.frame) = (segment.time, segment.frame.0);
        // Both sides send as much: a choice of values costs less than a branch that is guessed wrong half of the time.
        head.stage = [Stage::Open, head.stage][side as usize];
        let own = &mut head.tails[side as usize];
        let fin = segment.flags & Flags::FIN;
        own.nxt = segment.seq + segment.payload_len + u32::from(fin.bits());
        own.ack = segment.ack;
        own.window = segment.window;
        own.ip_id = segment.ip_id;
        own.deeds = match segment.options.timestamps {
            Some(stamps) => {
                own.clock = stamps.value;
                own.deeds | HAS_CLOCK
            }
            None => own.deeds & !HAS_CLOCK,
        };
        if !fin.is_empty() {
            let peer_closed = head.tails[1 - side as usize].has(CLOSED);
            head.tails[side as usize].close(peer_closed);
        }
        true
    }

    /// Control bits of one that is usual: it has no others.
    #[inline(always)]
    fn usual_flags(segment: &Segment) -> Flags {
        segment.flags & (Flags::PSH | Flags::FIN) | Flags::ACK
    }

    /// Packs it if only what moves on in every segment is to be told, and perhaps a window.
    #[inline(always)]
    fn short_of(&self, side: Side, segment: &Segment) -> Option<Short> {
        let head = &self.head;
        let (own, peer) = (&head.tails[side as usize], &head.tails[1 - side as usize]);
        if segment.ack != peer.nxt || segment.ip_id != own.next_id() {
            return None;
        }
        let mut stamps = match segment.options.timestamps {
            Some(timestamps) => Stamps::of(timestamps, own.clock, peer.clock),
            None => Stamps::NONE,
        };
        // The first after the SYN mostly has another one.
        if segment.window != own.window {
            stamps = stamps.behind(segment.window);
        }
        let span_ns = (segment.time.0 - head.newest.0).cast_unsigned();
        let frames = (segment.frame.0 - head.frame) as u32;
        Short::pack((side, Self::usual_flags(segment), segment.marks), stamps, segment.payload_len, span_ns, frames)
    }

    /// Packs and keeps it number by number.
    fn keep_longer(&mut self, side: Side, segment: &Segment, shelves: &mut Shelves) -> bool {
        let head = &self.head;
        let (own, peer) = (&head.tails[side as usize], &head.tails[1 - side as usize]);
        let mut scratch = [0; SCRATCH];
        let mut out = Packing::new(side, &mut scratch, 0);
        out.put_if(segment.ack != peer.nxt, ACK, segment.ack.0.to_le_bytes());
        out.put_if(segment.ip_id != own.next_id(), IP_ID, segment.ip_id.to_le_bytes());
        out.put_if(segment.window != own.window, WINDOW, segment.window.to_le_bytes());
        if let Some(timestamps) = segment.options.timestamps {
            out.clock(timestamps, own.clock, peer.clock);
        }
        out.payload(segment.payload_len);
        out.span((segment.time.0 - head.newest.0).cast_unsigned());
        out.frames((segment.frame.0 - head.frame) as u32);
        self.keep(out, Self::usual_flags(segment), segment.marks, shelves)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Player, end};
    use super::*;

    #[test]
    fn the_usual_way_packs_what_any_other_would() {
        let (mut usual, mut all) = (0, 0);
        for seed in 0..1_000 {
            let segments = Player::new(seed, [0, 10, 80][seed as usize % 3]).play();
            let mut shelves = [Shelves::default(), Shelves::default()];
            let mut briefs = [Brief::EMPTY, Brief::EMPTY];
            if !Brief::can_begin(&segments[0]) {
                continue;
            }
            briefs.iter_mut().for_each(|brief| brief.begin(&segments[0]));
            for segment in &segments[1..] {
                let side = if segment.source == end(0) { Side::Client } else { Side::Server };
                let [short, long] = &mut briefs;
                usual += usize::from(short.is_usual(side, segment));
                all += 1;
                let taken = short.take(side, segment, &mut shelves[0]);
                assert_eq!(taken, long.take_any(side, segment, &mut shelves[1]), "{segment:?}");
                let told = |brief: &Brief, shelves: &Shelves| {
                    let mut octets = Vec::new();
                    let head = brief.packed(shelves).put_into(&mut octets);
                    format!("{head:?} {octets:?}")
                };
                assert_eq!(told(short, &shelves[0]), told(long, &shelves[1]), "after {segment:?}");
                if !taken {
                    break;
                }
            }
        }
        assert!(usual * 10 > all * 6, "{usual} of {all}");
    }
}
