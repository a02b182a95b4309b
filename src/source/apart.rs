//! Reads on another thread, so that unpacking and analysis share the time.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Bytes handed over at once.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that may wait.
const BLOCKS: usize = 8;

/// Reads from a thread that reads ahead.
pub(super) struct Apart {
    filled: Receiver<io::Result<Vec<u8>>>,
    emptied: SyncSender<Vec<u8>>,
    block: Vec<u8>,
    /// The first byte of `block` not yet taken.
    at: usize,
}

/// Moves `reader` to a thread of its own. The thread ends with the input, or at its next block after this end is gone.
pub(super) fn read_apart(mut reader: Box<dyn Read + Send>) -> io::Result<Apart> {
    let (filled_here, filled) = sync_channel(BLOCKS);
    let (emptied, emptied_there) = sync_channel::<Vec<u8>>(BLOCKS);
    thread::Builder::new().name("unpack".to_owned()).spawn(move || {
        loop {
            let mut block = emptied_there.try_recv().unwrap_or_default();
            block.resize(BLOCK_BYTES, 0);
            let read = reader.read(&mut block);
            let last = !matches!(read, Ok(1..));
            let message = read.map(|count| {
                block.truncate(count);
                block
            });
            if filled_here.send(message).is_err() || last {
                return;
            }
        }
    })?;
    Ok(Apart { filled, emptied, block: Vec::new(), at: 0 })
}

impl Read for Apart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            // A thread that is gone has said its last word before.
            let next = self.filled.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            let empty = std::mem::replace(&mut self.block, next);
            self.at = 0;
            // Nobody waits for it: at worst the thread takes a new one.
            let _ = self.emptied.try_send(empty);
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
