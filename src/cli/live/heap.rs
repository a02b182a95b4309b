//! Memory that is free goes back to the system. What a round allocates lies between what lives for hours, and the allocator keeps
//! the pages of all of it: over a day the process would stand at a multiple of what it uses.

use std::time::{Duration, Instant};

/// How often free memory is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Gives free memory back, now and then.
#[derive(Debug)]
pub struct Heap {
    looked: Instant,
}

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

/// Whole pages that are free leave the process. Other allocators than glibc's do that by themselves.
fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it takes no pointer, and touches nothing that is allocated.
    unsafe {
        libc::malloc_trim(0);
    }
}
