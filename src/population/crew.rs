//! Threads that share what is to be done with each of many groups, when nothing else is left to do.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Groups that are taken at a time at most.
const TOGETHER: usize = 8;
/// Sockets that are counted in less time than it takes to begin a thread.
const FEW: usize = 4_096;

/// How many threads may share some work, the one that has it included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crew(usize);

impl Crew {
    /// Nobody else.
    pub const ALONE: Self = Self(1);

    /// So many threads; 0 and 1 are the caller's alone.
    pub fn of(threads: usize) -> Self {
        Self(threads.max(1))
    }

    /// Those for whom there is enough to do with so many `sockets`.
    pub fn for_sockets(self, sockets: usize) -> Self {
        if sockets < FEW { Self::ALONE } else { self }
    }

    /// Whether there is anybody to share with.
    pub fn is_alone(self) -> bool {
        self.0 == 1
    }

    /// Does `work` with each of `things`, and with memory that its thread keeps from one to the next. Each by itself must come to the
    /// same, whoever has it and when.
    pub(super) fn share<T: Send, M: Default>(
        self,
        things: impl Iterator<Item = T> + Send,
        work: impl Fn(T, &mut M) + Sync,
    ) {
        if self.is_alone() {
            let mut memory = M::default();
            return things.for_each(|thing| work(thing, &mut memory));
        }
        let things = Mutex::new(things);
        let take = || {
            let (mut taken, mut memory) = (Vec::with_capacity(TOGETHER), M::default());
            loop {
                let mut left = things.lock().unwrap_or_else(PoisonError::into_inner);
                // So few that the others have something to do to the end.
                let share = left.size_hint().0 / (4 * self.0);
                taken.extend(left.by_ref().take(share.clamp(1, TOGETHER)));
                drop(left);
                if taken.is_empty() {
                    return;
                }
                taken.drain(..).for_each(|thing| work(thing, &mut memory));
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.0 {
                // Whoever is there does it.
                let _ = thread::Builder::new().name("counting".to_owned()).spawn_scoped(scope, take);
            }
            take();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_done_once_whoever_does_it() {
        for threads in [0, 1, 2, 5] {
            let mut things = vec![0_u32; 1_000];
            Crew::of(threads).share(things.iter_mut(), |thing, done: &mut u32| {
                *done += 1;
                *thing += 1;
                assert!(*done <= 1_000);
            });
            assert_eq!(things, [1; 1_000]);
        }
    }

    #[test]
    fn few_sockets_are_left_to_one() {
        assert!(Crew::of(4).for_sockets(FEW - 1).is_alone() && !Crew::of(4).for_sockets(FEW).is_alone());
    }
}
