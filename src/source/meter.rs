//! Counts the bytes that are read from the operating system, and repeats reads that a signal interrupted.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is known of one input's bytes as they lie on disk. Shared with the reader, which may be on another thread.
#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    ended: AtomicBool,
}

impl Meter {
    /// Bytes read so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The input has said that there is no more.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// Reading was asked to stop. An error of its own kind: decompressors repeat a read that is merely interrupted.
#[derive(Debug)]
pub(super) struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}

/// A reader with a meter.
pub(super) struct Metered<R> {
    reader: R,
    counted: Counted,
}

struct Counted {
    meter: Arc<Meter>,
    stop: Option<Arc<AtomicBool>>,
}

impl<R> Metered<R> {
    pub(super) fn new(reader: R, meter: Arc<Meter>, stop: Option<Arc<AtomicBool>>) -> Self {
        Self { reader, counted: Counted { meter, stop } }
    }
}

impl Counted {
    /// Reads once into `buffer`.
    fn read(&self, buffer: &mut [u8], mut read: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(io::Error::other(Stopped));
            }
            match read(buffer) {
                Ok(count) => {
                    self.meter.bytes.fetch_add(count as u64, Ordering::Relaxed);
                    if count == 0 && !buffer.is_empty() {
                        self.meter.ended.store(true, Ordering::Relaxed);
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { reader, counted } = self;
        counted.read(buffer, |buffer| reader.read(buffer))
    }
}

impl Metered<Arc<File>> {
    /// Reads once from `offset` on, wherever others read.
    pub(super) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        use std::os::unix::fs::FileExt as _;
        #[cfg(windows)]
        use std::os::windows::fs::FileExt as _;
        self.counted.read(buffer, |buffer| {
            #[cfg(unix)]
            return self.reader.read_at(buffer, offset);
            #[cfg(windows)]
            return self.reader.seek_read(buffer, offset);
        })
    }
}
