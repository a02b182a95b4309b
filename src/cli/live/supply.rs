//! What the loop runs on: frames, and a clock that goes on beside them. Both are an interface's, or made up by whoever wants a
//! day to pass in a minute.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::base::Timestamp;
use crate::source::Frame;
use crate::source::live::{Counters, Increase, LiveCapture};

/// Where frames come from while time passes.
pub trait Supply {
    /// Lends what waits to `each`, `most` frames at most. Returns how many there were; it never waits.
    ///
    /// # Errors
    /// There will be no more.
    fn dispatch(&mut self, most: usize, each: impl FnMut(&Frame<'_>)) -> anyhow::Result<usize>;

    /// Counts what was received and dropped since the last time.
    ///
    /// # Errors
    /// There will be no more.
    fn count(&mut self) -> anyhow::Result<Increase>;

    /// The counts as of the last [`Supply::count`].
    fn counters(&self) -> Counters;

    /// Frames lent so far.
    fn delivered(&self) -> u64;

    /// The time of the frame lent last.
    fn newest(&self) -> Timestamp;

    /// A clock that never goes back.
    fn now(&self) -> Instant;

    /// The clock that stamps frames.
    fn wall_clock(&self) -> Timestamp;

    /// Sleeps until one of `bells` can be read, `time` has passed, or frames wait, perhaps a moment longer so that they are many. Returns
    /// whether it was a bell.
    ///
    /// # Errors
    /// The system cannot wait.
    fn wait(&mut self, bells: &[BorrowedFd<'_>], time: Duration) -> anyhow::Result<bool>;
}

impl Supply for LiveCapture {
    fn dispatch(&mut self, most: usize, each: impl FnMut(&Frame<'_>)) -> anyhow::Result<usize> {
        Ok(LiveCapture::dispatch(self, most, each)?)
    }

    fn count(&mut self) -> anyhow::Result<Increase> {
        Ok(LiveCapture::count(self)?)
    }

    fn counters(&self) -> Counters {
        LiveCapture::counters(self)
    }

    fn delivered(&self) -> u64 {
        LiveCapture::delivered(self)
    }

    fn newest(&self) -> Timestamp {
        LiveCapture::newest(self)
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn wall_clock(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn wait(&mut self, bells: &[BorrowedFd<'_>], time: Duration) -> anyhow::Result<bool> {
        let patience = self.patience();
        let (frames, time) = if patience.is_zero() { (Some(self.as_fd()), time) } else { (None, time.min(patience)) };
        let before = usize::from(frames.is_some());
        let all = frames.into_iter().chain(bells.iter().copied());
        let mut all: Vec<PollFd<'_>> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let time = Timespec::try_from(time).context("a time to wait")?;
        match poll(&mut all, Some(&time)) {
            Ok(_) => Ok(all[before..].iter().any(|bell| !bell.revents().is_empty())),
            // A signal, such as that of a window that changed its size, ends the waiting and is no failure.
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(io::Error::from(error).into()),
        }
    }
}
