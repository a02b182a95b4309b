//! What a connection remembers of its segments: everything of its opening and closing, and the newest of the rest.

use std::collections::VecDeque;

use super::noted::{Class, Noted};
use crate::base::{Timestamp, words};
use crate::segment::{Flags, Segment};

/// Control segments kept from the beginning of a connection.
const HEAD_MAX: usize = 64;
/// Room for so many is made at a time.
const HEAD_STEP: usize = 4;
/// Control segments kept from its end once the head is full.
const TAIL_MAX: usize = 64;
/// Remarkable segments kept (retransmissions, probes, data after a FIN): the newest.
const RECENT_MAX: usize = 48;
/// So many of the newest stay whatever they are.
const NEWEST: usize = 24;

words! {
    /// What only the recording did to a segment, and no endpoint.
    Artefact {
        /// The frame was captured before.
        Duplicate = "duplicate",
        /// Larger than the receiver's MSS or without a length: segmentation offload.
        Offload = "offload",
        /// The checksum is wrong.
        BadChecksum = "bad checksum",
        /// Options are not in the file.
        OptionsCut = "options cut",
        /// Payload is not in the file.
        PayloadCut = "payload cut",
        /// Not captured itself: somebody sampled it.
        Sampled = "sampled",
    }
}

/// The first frame that shows an artefact, and how many do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Exhibit {
    /// What it shows.
    pub artefact: Artefact,
    /// The frame.
    pub frame: u64,
    /// When it was captured.
    pub time: Timestamp,
    /// How many frames show the same.
    pub count: u64,
}

/// A bounded record of segments. Nothing is dropped silently: [`Journal::dropped`] counts.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Journal {
    head: Vec<Noted>,
    tail: VecDeque<Noted>,
    recent: VecDeque<Noted>,
    dropped: u64,
    /// The oldest and the newest frame that had to make room.
    dropped_frames: Option<(u64, u64)>,
    artefacts: Vec<Exhibit>,
}

impl Journal {
    /// Remembers a segment that opens or closes.
    pub(super) fn control(&mut self, noted: Noted) {
        if self.head.len() < HEAD_MAX {
            // Most keep few, and keep them long.
            if self.head.len() == self.head.capacity() {
                self.head.reserve_exact(HEAD_STEP);
            }
            self.head.push(noted);
            return;
        }
        if self.tail.len() == TAIL_MAX {
            // Acknowledgments of a FIN may come without end.
            let leaves = (0..TAIL_MAX - NEWEST).find(|&index| !self.is_first_control(index));
            let leaves = self.tail.remove(leaves.unwrap_or(0));
            self.drop_noted(leaves);
        }
        self.tail.push_back(noted);
    }

    /// Entry `index` of the tail is the first there of its side that closes, or opens again, in its way.
    fn is_first_control(&self, index: usize) -> bool {
        let kind = |noted: &Noted| (noted.side, noted.flags & (Flags::SYN | Flags::FIN | Flags::RST));
        let own = kind(&self.tail[index]);
        !own.1.is_empty() && !self.tail.iter().take(index).any(|earlier| kind(earlier) == own)
    }

    /// Remembers a segment that matters mostly while it is among the newest. Of the older ones the first of each kind stays, and what
    /// ended the longest silence: a finding may rest on it alone. Probes and what is nothing but progress make room first: they come
    /// without end.
    pub(super) fn remarkable(&mut self, noted: Noted) {
        if self.recent.len() == RECENT_MAX {
            let is_plain = |index: &usize| {
                let class = self.recent[*index].class;
                class.is_empty() && !self.ends_row_before(*index)
                    || class.intersects(Class::KEEPALIVE | Class::WINDOW_PROBE)
            };
            let mut older = (1..RECENT_MAX - NEWEST).filter(|&index| !self.is_witness(index));
            let first = older.clone().next();
            let leaves = self.recent.remove(older.find(is_plain).or(first).unwrap_or(0));
            self.drop_noted(leaves);
        }
        self.recent.push_back(noted);
    }

    /// `noted` acknowledges `copy`, the peer's newest, and what was remembered before that is a copy of the same: the peer had
    /// repeated itself in vain.
    pub(super) fn is_row_ended_by(&self, noted: &Noted, copy: &Noted) -> bool {
        let is_same = |before: &Noted| {
            before.side == copy.side && before.seq == copy.seq && before.class.contains(Class::RETRANSMISSION)
        };
        let is_answered = noted.acknowledges() && noted.ack.at_or_after(copy.end());
        is_answered && self.newest_before(copy.frame).is_some_and(is_same)
    }

    fn newest_before(&self, frame: u64) -> Option<&Noted> {
        let is_before = |noted: &&Noted| noted.frame < frame;
        let (head, tail, recent) = (self.head.iter().rev(), self.tail.iter().rev(), self.recent.iter().rev());
        let newest = [head.take(2).find(is_before), tail.take(2).find(is_before), recent.take(2).find(is_before)];
        newest.into_iter().flatten().max_by_key(|noted| noted.frame)
    }

    /// Entry `index` of the recent ones answers what the peer repeated right before it.
    fn ends_row_before(&self, index: usize) -> bool {
        let before = index.checked_sub(1).map(|before| &self.recent[before]);
        before.is_some_and(|copy| copy.side != self.recent[index].side && copy.class.contains(Class::RETRANSMISSION))
    }

    /// Nothing that is remembered beside entry `index` of the recent ones shows what that shows.
    fn is_witness(&self, index: usize) -> bool {
        let noted = &self.recent[index];
        let kind = |noted: &Noted| (noted.side, noted.class.difference(Class::AFTER_SILENCE));
        let ends_silence = |noted: &Noted| noted.class.contains(Class::AFTER_SILENCE);
        let is_first = !self.recent.iter().take(index).any(|earlier| kind(earlier) == kind(noted));
        let ends_longest = ends_silence(noted) && !self.recent.iter().skip(index + 1).any(ends_silence);
        is_first || ends_longest
    }

    fn drop_noted(&mut self, noted: Option<Noted>) {
        self.dropped += 1;
        let frames = self.dropped_frames.into_iter().flat_map(|(oldest, newest)| [oldest, newest]);
        let frames = frames.chain(noted.map(|noted| noted.frame));
        self.dropped_frames = frames.clone().min().zip(frames.max());
    }

    /// Forgets everything and keeps the room.
    pub(super) fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.recent.clear();
        self.dropped = 0;
        self.dropped_frames = None;
        self.artefacts.clear();
    }

    /// Counts an artefact that `segment` shows.
    pub(super) fn artefact(&mut self, artefact: Artefact, segment: &Segment) {
        match self.artefacts.iter_mut().find(|exhibit| exhibit.artefact == artefact) {
            Some(exhibit) => exhibit.count += 1,
            None => {
                let (frame, time) = (segment.frame.0, segment.time);
                self.artefacts.push(Exhibit { artefact, frame, time, count: 1 });
            }
        }
    }

    /// What shows `artefact`, if anything does.
    pub fn exhibit(&self, artefact: Artefact) -> Option<Exhibit> {
        self.artefacts.iter().find(|exhibit| exhibit.artefact == artefact).copied()
    }

    /// Everything remembered, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Noted> {
        self.head.iter().chain(&self.tail).chain(&self.recent)
    }

    /// The recording did something to a frame.
    pub fn has_artefacts(&self) -> bool {
        !self.artefacts.is_empty()
    }

    /// Every segment was the other side's.
    pub(super) fn exchange_sides(&mut self) {
        for noted in self.head.iter_mut().chain(&mut self.tail).chain(&mut self.recent) {
            noted.side = !noted.side;
        }
    }

    /// Nothing between these frames had to make room, as far as is remembered.
    pub fn is_whole_between(&self, first: u64, last: u64) -> bool {
        self.dropped_frames.is_none_or(|(oldest, newest)| newest < first || oldest > last)
    }

    /// What `frame` says is nothing of this connection's.
    pub(super) fn refute(&mut self, frame: u64) {
        for noted in self.head.iter_mut().chain(&mut self.tail).chain(&mut self.recent) {
            if noted.frame == frame {
                noted.class |= Class::WILD;
            }
        }
    }

    /// How many segments had to make room.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The first FIN of either side.
    pub fn first_fin(&self) -> Option<&Noted> {
        self.head.iter().chain(&self.tail).find(|noted| noted.is_fin())
    }

    /// Puts everything remembered into `all`, which is empty, with `extra` (the newest segments of each half), in the order of
    /// capture, each once.
    pub(super) fn put_in_order(&self, extra: impl Iterator<Item = Noted>, all: &mut Vec<Noted>) {
        all.extend_from_slice(&self.head);
        all.extend(self.tail.iter().chain(&self.recent).copied());
        let are_apart = all.is_sorted_by(|a, b| a.frame < b.frame);
        let mut is_ordered = are_apart;
        for noted in extra {
            // Mostly it is among them already.
            let is_there = |one: &Noted| {
                (one.frame, one.side, one.seq, one.flags) == (noted.frame, noted.side, noted.seq, noted.flags)
            };
            if are_apart && all.iter().rev().any(is_there) {
                continue;
            }
            is_ordered = false;
            all.push(noted);
        }
        if !is_ordered {
            all.sort_by_key(|noted| (noted.frame, noted.side, noted.seq.0));
            all.dedup_by(|a, b| (a.frame, a.side, a.seq, a.flags) == (b.frame, b.side, b.seq, b.flags));
        }
    }
}
