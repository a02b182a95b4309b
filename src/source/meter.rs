//! Counts the bytes that are read from the operating system, and repeats reads that a signal interrupted.

use std::fmt;
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
    meter: Arc<Meter>,
    stop: Option<Arc<AtomicBool>>,
}

impl<R> Metered<R> {
    pub(super) fn new(reader: R, meter: Arc<Meter>, stop: Option<Arc<AtomicBool>>) -> Self {
        Self { reader, meter, stop }
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.as_ref().is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(io::Error::other(Stopped));
            }
            match self.reader.read(buffer) {
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
