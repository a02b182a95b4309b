//! Reads on another thread, so that what a read takes, copying and unpacking, is shared with whoever looks at what was read.
//!
//! A stream only the thread reads. Of a file it reads one block after another, and who would wait for the next one reads the one
//! behind it meanwhile: where frames are long, most of the work is to copy them out of the page cache.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread;

use super::meter::Metered;
use crate::base::prefetch::LINE_BYTES;

/// Bytes of a block, where the buffer that was asked for is not smaller: larger ones drive each other out of the second-level
/// cache, smaller ones are waited for too often.
const BLOCK_BYTES: usize = 512 << 10;

/// Blocks that may wait; one more is being read, another looked at.
const BLOCKS: usize = 2;

/// What a block has free in front of what was read: for the beginning of a record that ends in it.
pub(super) const MARGIN_BYTES: usize = 64 << 10;

/// Some bytes of the input.
pub(super) struct Block {
    /// Those that were read lie between `begin` and `end`; before them are at least [`MARGIN_BYTES`].
    pub bytes: Vec<u8>,
    pub begin: usize,
    pub end: usize,
    /// Nothing comes after them.
    pub is_last: bool,
}

/// A block, or why it cannot be read, and the number of the block.
type Numbered = (u64, io::Result<Block>);

/// What a thread of its own reads.
pub(super) enum Origin {
    Stream(Box<dyn Read + Send>),
    /// A regular file from this offset on.
    File(Metered<Arc<File>>, u64),
}

/// Gives what is read, block by block.
pub(super) struct Ahead {
    filled: Receiver<Numbered>,
    emptied: SyncSender<Vec<u8>>,
    /// Room to read into here.
    spare: Vec<u8>,
    /// Of a file.
    parts: Option<Arc<Parts>>,
    /// Was read here, and comes after what the thread reads.
    own: Option<Numbered>,
    /// The number of the next block.
    next: u64,
}

/// How a block is read, into this room.
type Work = Box<dyn FnMut(Vec<u8>) -> Numbered + Send>;

/// A thread that has nothing to read yet.
pub(super) struct Idle {
    work: SyncSender<Work>,
    filled: Receiver<Numbered>,
    emptied: SyncSender<Vec<u8>>,
}

impl Idle {
    /// Begins it. None where no thread can be had: whoever reads can do without.
    pub fn begin() -> Option<Self> {
        let (work, work_there) = sync_channel::<Work>(1);
        let (filled_here, filled) = sync_channel::<Numbered>(BLOCKS);
        let (emptied, emptied_there) = sync_channel::<Vec<u8>>(BLOCKS);
        let read_on = move || {
            let Ok(mut read) = work_there.recv() else { return };
            loop {
                let block = read(emptied_there.try_recv().unwrap_or_default());
                let is_last = block.1.as_ref().map_or(true, |block| block.is_last);
                if filled_here.send(block).is_err() || is_last {
                    return;
                }
            }
        };
        thread::Builder::new().name("read-ahead".to_owned()).spawn(read_on).ok()?;
        Some(Self { work, filled, emptied })
    }
}

impl Ahead {
    /// Moves `origin` to a thread, which reads `bytes_max` at a time at most. The thread ends with the input, or at its next block
    /// after this end is gone.
    pub fn of(origin: Origin, bytes_max: usize, idle: Idle) -> Self {
        let block_bytes = bytes_max.min(BLOCK_BYTES);
        let (parts, work): (_, Work) = match origin {
            Origin::Stream(mut reader) => {
                let mut next = 0;
                let read = move |room| {
                    let number = next;
                    next += 1;
                    (number, read(&mut reader, room, block_bytes))
                };
                (None, Box::new(read))
            }
            Origin::File(file, from) => {
                let parts = Arc::new(Parts { file, from, block_bytes, taken: AtomicU64::new(0) });
                let there = Arc::clone(&parts);
                (Some(parts), Box::new(move |room| there.read(room)))
            }
        };
        let Idle { work: to, filled, emptied } = idle;
        // That it takes no work would show where the first block is waited for.
        let _ = to.send(work);
        Self { filled, emptied, spare: Vec::new(), parts, own: None, next: 0 }
    }

    /// The next block. After the last one, none must be asked for.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn next(&mut self) -> io::Result<Block> {
        loop {
            let (number, read) = match self.own.take_if(|(number, _)| *number == self.next) {
                Some(own) => own,
                None => match (self.filled.try_recv(), &self.parts, &self.own) {
                    (Ok(block), ..) => block,
                    (Err(TryRecvError::Empty), Some(parts), None) => parts.read(std::mem::take(&mut self.spare)),
                    _ => self.filled.recv().map_err(io::Error::other)?,
                },
            };
            if number == self.next {
                self.next += 1;
                return read;
            }
            self.own = Some((number, read));
        }
    }

    /// Takes room back.
    pub fn give_back(&mut self, room: Vec<u8>) {
        if self.parts.is_some() && self.spare.is_empty() {
            self.spare = room;
        } else {
            // Nobody waits for it: at worst the thread takes new room.
            let _ = self.emptied.try_send(room);
        }
    }
}

/// A file of which two read in turns.
struct Parts {
    file: Metered<Arc<File>>,
    from: u64,
    block_bytes: usize,
    /// Blocks that were read or are being read.
    taken: AtomicU64,
}

impl Parts {
    /// Reads the first block that nobody has taken.
    fn read(&self, room: Vec<u8>) -> Numbered {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        (number, self.read_at(self.from + number * self.block_bytes as u64, room))
    }

    fn read_at(&self, offset: u64, room: Vec<u8>) -> io::Result<Block> {
        let mut block = Block::of(room, self.block_bytes);
        while block.end < block.bytes.len() {
            let behind = (block.end - block.begin) as u64;
            match self.file.read_at(&mut block.bytes[block.end..], offset + behind)? {
                // A file that grows ends where its end was first met.
                0 => return Ok(Block { is_last: true, ..block }),
                count => block.end += count,
            }
        }
        Ok(block)
    }
}

impl Block {
    /// An empty one for so many bytes, which begin with a line of the cache: the kernel copies faster there.
    fn of(mut room: Vec<u8>, bytes: usize) -> Self {
        room.resize(MARGIN_BYTES + LINE_BYTES + bytes, 0);
        let begin = MARGIN_BYTES + room[MARGIN_BYTES..].as_ptr().align_offset(LINE_BYTES).min(LINE_BYTES);
        room.truncate(begin + bytes);
        Self { bytes: room, begin, end: begin, is_last: false }
    }
}

/// Reads a block of a stream: as much as there is now.
fn read(reader: &mut dyn Read, room: Vec<u8>, block_bytes: usize) -> io::Result<Block> {
    let mut block = Block::of(room, block_bytes);
    let count = reader.read(&mut block.bytes[block.begin..])?;
    (block.end, block.is_last) = (block.begin + count, count == 0);
    Ok(block)
}
