//! The table's clock: packet time without the pauses of the whole capture, in which nothing ends.

use crate::base::Timestamp;

/// Pauses that are remembered. A timer goes on for a while in each of them, so that nobody who waits for one has seen more.
const PAUSES_MAX: usize = 4_096;

/// How far the clock is behind packet time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lag {
    pub behind_ns: i64,
    /// Since so many pauses, without those beyond the last 65,536.
    pub pauses: u16,
}

/// How far it is behind, now and before.
#[derive(Debug, Default)]
pub(super) struct Clock {
    now: Lag,
    /// How many ns it was behind before each pause, the newest last.
    before: Vec<i64>,
}

impl Clock {
    /// How far it is behind now.
    #[inline]
    pub fn lag(&self) -> Lag {
        self.now
    }

    /// What it shows at a packet's time.
    #[inline]
    pub fn now(&self, time: Timestamp) -> Timestamp {
        time.plus(-self.now.behind_ns)
    }

    /// What it showed at a packet's time when there had been so many pauses.
    #[inline]
    pub fn then(&self, time: Timestamp, pauses: u16) -> Timestamp {
        time.plus(-self.lag_then(pauses).behind_ns)
    }

    /// How far it was behind when there had been so many pauses.
    #[inline]
    pub fn lag_then(&self, pauses: u16) -> Lag {
        if pauses == self.now.pauses { self.now } else { self.lag_before(pauses) }
    }

    #[cold]
    fn lag_before(&self, pauses: u16) -> Lag {
        let since = usize::from(self.now.pauses.wrapping_sub(pauses));
        let behind_ns = self.before.get(self.before.len().saturating_sub(since)).copied();
        Lag { behind_ns: behind_ns.unwrap_or_default(), pauses }
    }

    /// It stood still for so many ns.
    pub fn pause(&mut self, ns: i64) {
        if ns == 0 {
            return;
        }
        if self.before.len() == PAUSES_MAX {
            self.before.drain(..PAUSES_MAX / 2);
        }
        self.before.push(self.now.behind_ns);
        self.now = Lag { behind_ns: self.now.behind_ns.saturating_add(ns), pauses: self.now.pauses.wrapping_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_what_it_showed_before_its_newest_pauses() {
        let mut clock = Clock::default();
        let mut lags = vec![clock.lag()];
        for pause in 0..70_000 {
            clock.pause(i64::from(pause % 3));
            if pause % 3 == 0 {
                assert_eq!(Some(&clock.lag()), lags.last(), "no time, no pause");
            } else {
                lags.push(clock.lag());
            }
            assert!(clock.before.len() <= PAUSES_MAX);
            for &lag in lags.iter().rev().take(PAUSES_MAX / 2).step_by(511) {
                assert_eq!(clock.lag_then(lag.pauses), lag);
                assert_eq!(clock.then(Timestamp(-9), lag.pauses), Timestamp(-9 - lag.behind_ns));
            }
        }
        assert_eq!(clock.now(Timestamp(100_000)), Timestamp(100_000 - 69_999));
    }
}
