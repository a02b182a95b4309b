//! What a connection remembers of its segments: everything of its opening and closing, and the newest of the rest.

use std::collections::VecDeque;

use super::noted::Noted;

/// Control segments kept from the beginning of a connection.
const HEAD_MAX: usize = 64;
/// Control segments kept from its end once the head is full.
const TAIL_MAX: usize = 64;
/// Remarkable segments kept (retransmissions, probes, data after a FIN): the newest.
const RECENT_MAX: usize = 48;

/// A bounded record of segments. Nothing is dropped silently: [`Journal::dropped`] counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Journal {
    head: Vec<Noted>,
    tail: VecDeque<Noted>,
    recent: VecDeque<Noted>,
    dropped: u64,
}

impl Journal {
    /// Remembers a segment that opens or closes.
    pub(super) fn control(&mut self, noted: Noted) {
        if self.head.len() < HEAD_MAX {
            self.head.push(noted);
            return;
        }
        self.dropped += push_bounded(&mut self.tail, TAIL_MAX, noted);
    }

    /// Remembers a segment that matters only while it is among the newest.
    pub(super) fn remarkable(&mut self, noted: Noted) {
        self.dropped += push_bounded(&mut self.recent, RECENT_MAX, noted);
    }

    /// Forgets everything and keeps the room.
    pub(super) fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.recent.clear();
        self.dropped = 0;
    }

    /// How many segments had to make room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The first FIN of either side.
    pub fn first_fin(&self) -> Option<&Noted> {
        self.head.iter().chain(&self.tail).find(|noted| noted.is_fin())
    }

    /// Everything remembered, with `extra` (the newest segments of each half), in the order of capture, each once.
    pub(super) fn in_order(&self, extra: impl Iterator<Item = Noted>) -> Vec<Noted> {
        let mut all: Vec<Noted> =
            self.head.iter().chain(&self.tail).chain(&self.recent).copied().chain(extra).collect();
        all.sort_by_key(|noted| (noted.frame, noted.side, noted.seq.0));
        all.dedup_by(|a, b| (a.frame, a.side, a.seq, a.flags) == (b.frame, b.side, b.seq, b.flags));
        all
    }
}

/// Pushes to a queue of bounded length. Returns how many old entries made room: 0 or 1.
fn push_bounded(queue: &mut VecDeque<Noted>, max: usize, noted: Noted) -> u64 {
    let full = queue.len() == max;
    if full {
        queue.pop_front();
    }
    queue.push_back(noted);
    u64::from(full)
}
