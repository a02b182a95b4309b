//! When a host could not connect as it wanted, or had to wait for a port, as far as packets show it.

use crate::base::Timestamp;

/// What stood against an attempt to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It was refused by a reset, or rejected by an ICMP error.
    Refused,
    /// It was answered with an acknowledgment of an older connection.
    Challenged,
    /// It succeeded, on a port of which the TIME-WAIT had just run out.
    Waited,
}

const KINDS: usize = 3;
/// Intervals in which something was denied; when there are more, neighbours are joined.
const INTERVALS_MAX: usize = 256;
/// As short as nobody asks for less, ns.
const INTERVAL_NS_MIN: i64 = 1_000_000;

/// Denials over time, in memory that does not grow with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denials {
    interval_ns: i64,
    /// Intervals since 1970, rising, with how often each kind happened within them.
    counts: Vec<(i64, [u32; KINDS])>,
}

impl Default for Denials {
    fn default() -> Self {
        Self { interval_ns: INTERVAL_NS_MIN, counts: Vec::new() }
    }
}

impl Denials {
    /// Something was denied to an attempt that began at `time`.
    pub fn take(&mut self, time: Timestamp, denial: Denial) {
        let mut counts = [0; KINDS];
        counts[denial as usize] = 1;
        self.add(time.0.div_euclid(self.interval_ns), counts);
    }

    /// Takes over what others were denied.
    pub fn join(&mut self, other: &Self) {
        while self.interval_ns < other.interval_ns {
            self.coarsen();
        }
        for &(index, counts) in &other.counts {
            // Joining neighbours may have made the intervals longer since.
            let parts = self.interval_ns / other.interval_ns;
            self.add(index.div_euclid(parts), counts);
        }
    }

    /// How often `denial` happened between these times; an interval counts where its middle lies.
    pub fn between(&self, from: Timestamp, to: Timestamp, denial: Denial) -> u64 {
        let middle =
            |index: i64| Timestamp(index.saturating_mul(self.interval_ns).saturating_add(self.interval_ns / 2));
        let within = self.counts.iter().filter(|(index, _)| (from..to).contains(&middle(*index)));
        within.map(|(_, counts)| u64::from(counts[denial as usize])).sum()
    }

    fn add(&mut self, index: i64, counts: [u32; KINDS]) {
        let place = match self.counts.last() {
            Some(&(newest, _)) if newest == index => Ok(self.counts.len() - 1),
            Some(&(newest, _)) if newest > index => self.counts.binary_search_by_key(&index, |&(index, _)| index),
            _ => Err(self.counts.len()),
        };
        match place {
            Ok(place) => sum(&mut self.counts[place].1, counts),
            Err(place) => self.counts.insert(place, (index, counts)),
        }
        while self.counts.len() > INTERVALS_MAX {
            self.coarsen();
        }
    }

    fn coarsen(&mut self) {
        self.interval_ns = self.interval_ns.saturating_mul(2);
        let fine = std::mem::take(&mut self.counts);
        for (index, counts) in fine {
            let index = index.div_euclid(2);
            match self.counts.last_mut() {
                Some((last, total)) if *last == index => sum(total, counts),
                _ => self.counts.push((index, counts)),
            }
        }
    }
}

fn sum(total: &mut [u32; KINDS], more: [u32; KINDS]) {
    total.iter_mut().zip(more).for_each(|(total, more)| *total = total.saturating_add(more));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: i64 = 1_000_000_000;

    #[test]
    fn denials_are_counted_by_kind_and_time_whatever_their_order_and_number() {
        let (mut all, mut other) = (Denials::default(), Denials::default());
        for second in (0..2_000).rev() {
            all.take(Timestamp(second * SECOND_NS), Denial::Refused);
            other.take(Timestamp(second * SECOND_NS), Denial::Waited);
        }
        all.take(Timestamp(i64::MAX), Denial::Challenged);
        all.take(Timestamp(i64::MIN), Denial::Challenged);
        other.join(&all);
        for denials in [&all, &other] {
            assert!(denials.counts.len() <= INTERVALS_MAX);
            let refused = denials.between(Timestamp(0), Timestamp(1_000 * SECOND_NS), Denial::Refused);
            assert!((950..=1_050).contains(&refused), "{refused}");
            let (first, last) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
            assert_eq!(denials.between(first, last, Denial::Refused), 2_000);
        }
        assert_eq!(other.between(Timestamp(i64::MIN), Timestamp(i64::MAX), Denial::Waited), 2_000);
    }
}
