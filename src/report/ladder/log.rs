//! The segments of one connection, kept within a bound.

use std::collections::VecDeque;

use crate::segment::{Flags, Segment};

/// Segments kept from the start of a connection.
const HEAD_MAX: usize = 20_000;

/// Segments kept from its end.
const TAIL_MAX: usize = 20_000;

/// SYN, FIN and RST segments kept from between the two.
const CONTROL_MAX: usize = 2_000;

/// Keeps the segments of one connection: all of a common one; of a longer one its start, its end, and what opens and
/// closes in between. At most 42,000 segments, about 7 MB.
#[derive(Clone, Debug, Default)]
pub struct SegmentLog {
    head: Vec<Segment>,
    control: Vec<Segment>,
    tail: VecDeque<Segment>,
    dropped: u64,
}

impl SegmentLog {
    /// Takes in the next segment.
    pub fn push(&mut self, segment: &Segment) {
        if self.head.len() < HEAD_MAX {
            self.head.push(*segment);
            return;
        }
        if self.tail.len() == TAIL_MAX
            && let Some(oldest) = self.tail.pop_front()
        {
            let is_control = oldest.flags.intersects(Flags::SYN | Flags::FIN | Flags::RST);
            if is_control && self.control.len() < CONTROL_MAX {
                self.control.push(oldest);
            } else {
                self.dropped += 1;
            }
        }
        self.tail.push_back(*segment);
    }

    /// The segments kept, in the order of the capture.
    pub fn kept(&self) -> impl Iterator<Item = &Segment> {
        self.head.iter().chain(&self.control).chain(&self.tail)
    }

    /// How many segments were let go, all of them after the first [`SegmentLog::head_len`].
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many segments were kept from the start.
    pub fn head_len(&self) -> usize {
        self.head.len()
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::base::{Endpoint, FrameNumber};

    fn segment(frame: u64, flags: Flags) -> Segment {
        let end = Endpoint::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
        Segment { frame: FrameNumber(frame), source: end, destination: end, flags, ..Segment::BLANK }
    }

    #[test]
    fn a_long_connection_keeps_its_ends_and_what_closes_it() {
        let mut log = SegmentLog::default();
        let fin_at = HEAD_MAX as u64 + 7;
        let total = (HEAD_MAX + TAIL_MAX) as u64 + 50;
        for frame in 1..=total {
            log.push(&segment(frame, if frame == fin_at { Flags::FIN } else { Flags::ACK }));
        }
        let kept: Vec<u64> = log.kept().map(|segment| segment.frame.0).collect();
        assert_eq!(kept.len() as u64 + log.dropped(), total);
        assert_eq!(log.dropped(), 49);
        assert!(kept.is_sorted());
        assert_eq!((kept[0], kept[HEAD_MAX], kept[kept.len() - 1]), (1, fin_at, total));
    }
}
