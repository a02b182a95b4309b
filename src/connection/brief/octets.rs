//! Packed octets read one number after the other: where no time is to be saved.

use super::packing::{
    ACK, ECHO_AT, ENVELOPE, FAST_OPEN, FRAMES_AT, IP_ID, MSS, MSS_OF_MOST, MULTIPATH, NANOS, OPTIONS, ORDER,
    PAYLOAD_AT, SACK_PERMITTED, SEQ, SHIFT, SHIFT_OF_MOST, SPAN_AT, USUAL_MSS, USUAL_SHIFT, VALUE_AT, WINDOW,
    envelope_len, head_of, options_len, span_len, word_len,
};
use crate::base::Seq;
use crate::segment::{OptionOrder, TcpOptions, Timestamps};

/// Packed octets and how far they have been read.
#[derive(Clone, Copy)]
pub(super) struct Octets<'a> {
    /// Those in use, and room behind them.
    pub all: &'a [u8],
    pub at: usize,
    pub end: usize,
}

impl Octets<'_> {
    #[inline]
    pub fn is_over(&self) -> bool {
        self.at >= self.end
    }

    /// The next eight octets, without going on.
    #[inline]
    fn word(&self) -> u64 {
        match self.all.get(self.at..).and_then(<[u8]>::first_chunk) {
            Some(octets) => u64::from_le_bytes(*octets),
            None => self.last_word(),
        }
    }

    /// The same near the end.
    #[cold]
    fn last_word(&self) -> u64 {
        let Some((before, last)) = self.all.split_last_chunk() else {
            let rest = self.all.get(self.at..).unwrap_or_default();
            return rest.iter().rev().fold(0, |word, &octet| word << 8 | u64::from(octet));
        };
        let passed = self.at.saturating_sub(before.len()).min(8);
        u64::from_le_bytes(*last).unbounded_shr(8 * passed as u32)
    }

    /// The next number, of up to eight octets.
    #[inline]
    fn number(&mut self, len: usize) -> u64 {
        const MASKS: [u64; 9] = masks();
        let value = self.word() & MASKS[len.min(8)];
        self.at += len;
        value
    }

    #[inline]
    fn head(&mut self) -> u32 {
        let (head, len) = head_of(self.word() as u32);
        self.at += len;
        head
    }

    #[inline]
    fn octet(&mut self) -> u8 {
        self.number(1) as u8
    }

    /// The time in ns and the frames since the segment before.
    #[inline]
    fn distance(&mut self, head: u32) -> (i64, u64) {
        let span = self.number(span_len(head >> SPAN_AT)).cast_signed();
        let span = if head & NANOS == 0 { span * 1_000 } else { span };
        (span, self.number(word_len(head >> FRAMES_AT)) ^ 1)
    }

    /// The time in ns and the frames from before the first to the last.
    pub fn passed(mut self) -> (i64, u64) {
        let (mut time, mut frame) = (0, 0);
        while !self.is_over() {
            let (span, frames) = self.step_over();
            (time, frame) = (time + span, frame + frames);
        }
        (time, frame)
    }

    /// The sequence number of the next segment, if that is not the one after the last of its side.
    #[inline]
    pub fn seq(&self) -> Option<Seq> {
        let word = self.word();
        let (head, head_len) = head_of(word as u32);
        (head & SEQ != 0).then(|| Seq((word >> (8 * head_len)) as u32))
    }

    /// Steps over a segment. Returns the time in ns and the frames since the segment before.
    #[inline(always)]
    pub fn step_over(&mut self) -> (i64, u64) {
        let head = self.head();
        let has = |bit: u32| usize::from(head & bit != 0);
        self.at += 4 * (has(SEQ) + has(ACK)) + 2 * (has(WINDOW) + has(IP_ID));
        self.at += word_len(head >> VALUE_AT) + word_len(head >> ECHO_AT) + word_len(head >> PAYLOAD_AT);
        let (span, frames) = self.distance(head);
        if head & ENVELOPE != 0 {
            let changed = self.octet();
            self.at += envelope_len(changed);
        }
        if head & OPTIONS != 0 {
            let present = self.octet();
            self.at += options_len(present);
        }
        (span, frames)
    }
}

/// The options of which `octets` tell, and timestamps.
#[inline(always)]
pub(super) fn options_of(octets: u64, timestamps: Option<Timestamps>) -> TcpOptions {
    let has = |option: u8| octets as u8 & option != 0;
    let mss = octets >> 8;
    let window_scale = mss >> (16 * u32::from(has(MSS)));
    let order = window_scale >> (8 * u32::from(has(SHIFT)));
    TcpOptions {
        timestamps,
        mss: if has(USUAL_MSS) { Some(MSS_OF_MOST) } else { has(MSS).then_some(mss as u16) },
        window_scale: if has(USUAL_SHIFT) { Some(SHIFT_OF_MOST) } else { has(SHIFT).then_some(window_scale as u8) },
        order: if has(ORDER) { OptionOrder::from_bits(order as u8) } else { OptionOrder::USUAL },
        sack_permitted: has(SACK_PERMITTED),
        fast_open: has(FAST_OPEN),
        multipath: has(MULTIPATH),
        ..TcpOptions::NONE
    }
}

/// What is left of eight octets by how many of them count.
pub(super) const fn masks() -> [u64; 9] {
    let mut masks = [u64::MAX; 9];
    let mut len = 0;
    while len < 8 {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
}
