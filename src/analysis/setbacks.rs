//! The capture's clock where it was set back: silence is measured by what it has shown since.

use crate::base::Timestamp;
use crate::report::{Summary, spoken_duration};

/// Neighbouring frames this far apart in the wrong order, ns, are no queues or interfaces whose frames are written in turn.
const SETBACK_NS: i64 = 5_000_000_000;

/// How often and how far it was set back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Setbacks {
    /// The newest packet time since the last one, until there is a newer one than ever before.
    since: Option<Timestamp>,
    count: u64,
    longest_ns: i64,
}

impl Setbacks {
    /// A frame of `time` came, which is not newer than `newest`, the newest ever.
    #[cold]
    #[inline(never)]
    pub fn take(&mut self, time: Timestamp, newest: Timestamp) {
        let step_ns = self.now(newest).since(time);
        if step_ns >= SETBACK_NS {
            self.count += 1;
            self.longest_ns = self.longest_ns.max(step_ns);
            self.since = Some(time);
        } else if let Some(since) = &mut self.since {
            *since = time.max(*since);
        }
    }

    /// A frame came that is newer than any before.
    #[inline]
    pub fn catch_up(&mut self) {
        self.since = None;
    }

    /// Packet time as the clock stands: what is not captured yet comes after it.
    #[inline]
    pub fn now(&self, newest: Timestamp) -> Timestamp {
        self.since.unwrap_or(newest)
    }

    /// Says it of the whole capture.
    pub fn tell(&self, summary: &mut Summary) {
        summary.setbacks = self.count;
        let (count, far) = (self.count, spoken_duration(self.longest_ns));
        let frames = match count {
            0 => return,
            1 => format!("1 frame is dated {far} before the one before it"),
            _ => format!("{count} frames are dated up to {far} before the one before them"),
        };
        summary.notices.push(format!(
            "{frames}: the clock was set back, or files stand in the input in the wrong order; how long it took, and how long \
             connections were silent at the end, is by the clock as it was then"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn after_a_step_back_the_clock_goes_on_from_there() {
        let mut setbacks = Setbacks::default();
        let newest = Timestamp(100 * SECOND);
        for (seconds, now, count) in [(96, 100, 0), (95, 95, 1), (91, 95, 1), (97, 97, 1), (10, 10, 2), (12, 12, 2)] {
            setbacks.take(Timestamp(seconds * SECOND), newest);
            assert_eq!((setbacks.now(newest), setbacks.count), (Timestamp(now * SECOND), count), "{seconds}");
        }
        setbacks.catch_up();
        assert_eq!(setbacks.now(newest), newest);
        let mut summary = Summary::default();
        setbacks.tell(&mut summary);
        assert!(summary.notices[0].starts_with("2 frames are dated up to 87.0 s before"), "{:?}", summary.notices);
    }
}
