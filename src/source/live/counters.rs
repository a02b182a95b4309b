//! What libpcap counts, in 32 bits that wrap, as sums that do not.

/// Frames of an interface since the capture began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Frames that passed the filter, those dropped for want of room in the ring included.
    pub received: u64,
    /// Frames that passed the filter and found the ring full.
    pub dropped_by_kernel: u64,
    /// Frames that the interface or its driver dropped.
    pub dropped_by_interface: u64,
    last: [u32; 3],
}

/// By how much [`Counters`] grew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Increase {
    /// Of [`Counters::received`].
    pub received: u64,
    /// Of [`Counters::dropped_by_kernel`].
    pub dropped_by_kernel: u64,
    /// Of [`Counters::dropped_by_interface`].
    pub dropped_by_interface: u64,
}

impl Increase {
    /// Frames that are missing from what was analysed.
    pub fn lost(&self) -> u64 {
        self.dropped_by_kernel.saturating_add(self.dropped_by_interface)
    }
}

impl Counters {
    /// Takes in libpcap's present numbers. They are asked for often enough that none wraps twice in between.
    pub(super) fn advance(&mut self, received: u32, dropped: u32, by_interface: u32) -> Increase {
        let now = [received, dropped, by_interface];
        let mut grown = [0; 3];
        for (index, &number) in now.iter().enumerate() {
            grown[index] = u64::from(number.wrapping_sub(self.last[index]));
        }
        // An interface that was set up anew counts from 0 again: that is no wrap of four thousand million.
        if by_interface < self.last[2] && grown[2] > u64::from(u32::MAX / 2) {
            grown[2] = by_interface.into();
        }
        self.last = now;
        let [received, dropped_by_kernel, dropped_by_interface] = grown;
        self.received += received;
        self.dropped_by_kernel += dropped_by_kernel;
        self.dropped_by_interface += dropped_by_interface;
        Increase { received, dropped_by_kernel, dropped_by_interface }
    }

    /// Frames that were put into the ring for us.
    pub fn deliverable(&self) -> u64 {
        self.received.saturating_sub(self.dropped_by_kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_wrap_go_on_growing() {
        let mut counters = Counters::default();
        counters.advance(u32::MAX - 9, u32::MAX, 5);
        let increase = counters.advance(10, 1, 5);
        assert_eq!(increase, Increase { received: 20, dropped_by_kernel: 2, dropped_by_interface: 0 });
        assert_eq!(increase.lost(), 2);
        assert_eq!(counters.received, u64::from(u32::MAX) + 11);
        assert_eq!(counters.deliverable(), 9);
    }

    #[test]
    fn an_interface_that_counts_anew_has_not_dropped_thousands_of_millions() {
        let mut counters = Counters::default();
        counters.advance(0, 0, 1_000);
        assert_eq!(counters.advance(0, 0, 3).dropped_by_interface, 3);
        assert_eq!(counters.dropped_by_interface, 1_003);
    }
}
