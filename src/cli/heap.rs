//! What the allocator is told: that threads share one heap, and when free memory goes back to the system. Other allocators than
//! glibc's do both by themselves.

#[cfg(feature = "live")]
use std::time::{Duration, Instant};

/// How often free memory is looked at.
#[cfg(feature = "live")]
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// All threads allocate from one heap, those that begin later too. One thread gives up what it tracked while another keeps what is
/// counted of that: with a heap for each, the second would take fresh pages all the same. Memory is asked for in large pieces, so that
/// they seldom wait for each other.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu", any(feature = "live", feature = "sandbox")))]
    // SAFETY: it takes no pointer, and touches nothing that is allocated.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Gives free memory back, now and then. What a round allocates lies between what lives for hours, and the allocator keeps the pages of
/// all of it: over a day the process would stand at a multiple of what it uses.
#[cfg(feature = "live")]
#[derive(Debug)]
pub struct Heap {
    looked: Instant,
}

#[cfg(feature = "live")]
impl Heap {
    /// It is `now`.
    pub fn new(now: Instant) -> Self {
        Self { looked: now }
    }

    /// A moment in which little is in use has come, and it is `now`.
    pub fn settle(&mut self, now: Instant) {
        if now.duration_since(self.looked) >= LOOK_EVERY {
            self.looked = now;
            give_back();
        }
    }
}

/// Whole pages that are free leave the process.
#[cfg(feature = "live")]
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, and touches nothing that is allocated.
    unsafe {
        libc::malloc_trim(0);
    }
}
