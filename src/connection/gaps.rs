//! Sequence ranges that the tap has not seen: lost before it, out of order, or dropped by the capture.

use crate::base::Seq;

/// How many gaps are remembered at once; RFC 2018 receivers describe at most four, and a capture with more is so
/// lossy that the oldest can be given up.
const GAPS_MAX: usize = 8;

/// A bounded set of disjoint ranges, oldest first.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Gaps {
    ranges: Vec<(Seq, Seq)>,
}

impl Gaps {
    /// Nothing is missing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Octets missing at present.
    pub fn octets(&self) -> u64 {
        self.ranges.iter().map(|(from, to)| u64::from(to.0.wrapping_sub(from.0))).sum()
    }

    /// Where the first of them begins; `end` if nothing is missing.
    pub fn first_before(&self, end: Seq) -> Seq {
        self.ranges.iter().map(|range| range.0).fold(end, |first, from| if from.before(first) { from } else { first })
    }

    /// Some of `[from, to)` is missing.
    pub(super) fn overlaps(&self, from: Seq, to: Seq) -> bool {
        self.ranges.iter().any(|&(left, right)| left.before(to) && from.before(right))
    }

    /// `[from, to)` was skipped.
    pub(super) fn open(&mut self, from: Seq, to: Seq) {
        if self.ranges.len() == GAPS_MAX {
            self.ranges.remove(0);
        }
        self.ranges.push((from, to));
    }

    /// `[from, to)` was seen after all. Returns how many octets of it were missing.
    #[inline]
    pub(super) fn fill(&mut self, from: Seq, to: Seq) -> u32 {
        if self.ranges.is_empty() { 0 } else { self.cut(from, to) }
    }

    /// Everything below `ack` was received by the peer. Returns how many octets of it the tap never saw.
    pub(super) fn acknowledged(&mut self, ack: Seq) -> u32 {
        match self.ranges.first() {
            Some(_) => {
                let lowest = self.ranges.iter().map(|range| range.0).reduce(|a, b| if b.before(a) { b } else { a });
                lowest.filter(|low| low.before(ack)).map_or(0, |low| self.cut(low, ack))
            }
            None => 0,
        }
    }

    fn cut(&mut self, from: Seq, to: Seq) -> u32 {
        let mut removed = 0u32;
        let mut kept = Vec::with_capacity(self.ranges.len() + 1);
        for &(left, right) in &self.ranges {
            let (cut_left, cut_right) = (left.later(from), if right.before(to) { right } else { to });
            if cut_right.at_or_before(cut_left) {
                kept.push((left, right));
                continue;
            }
            removed = removed.saturating_add(cut_right.0.wrapping_sub(cut_left.0));
            if left.before(cut_left) {
                kept.push((left, cut_left));
            }
            if cut_right.before(right) {
                kept.push((cut_right, right));
            }
        }
        kept.truncate(GAPS_MAX);
        self.ranges = kept;
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_in_the_middle_leaves_both_ends() {
        let mut gaps = Gaps::default();
        gaps.open(Seq(u32::MAX - 9), Seq(20));
        assert_eq!(gaps.octets(), 30);
        assert_eq!(gaps.fill(Seq(0), Seq(10)), 10);
        assert_eq!(gaps.octets(), 20);
        assert_eq!(gaps.acknowledged(Seq(5)), 10);
        assert_eq!(gaps.acknowledged(Seq(100)), 10);
        assert!(gaps.is_empty());
    }

    #[test]
    fn what_was_never_missing_counts_nothing() {
        let mut gaps = Gaps::default();
        assert_eq!(gaps.acknowledged(Seq(1000)), 0);
        gaps.open(Seq(10), Seq(20));
        assert_eq!(gaps.fill(Seq(20), Seq(30)), 0);
        assert_eq!(gaps.octets(), 10);
    }
}
