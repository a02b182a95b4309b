//! Zstandard (RFC 8878).
//!
//! The library is fed block by block: given more, it drops the blocks before one that turns out to be damaged, and how many
//! those are depends on how the bytes came in.

use std::io::{self, BufRead, Read};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use crate::source::limits::ZSTD_WINDOW_LOG_MAX;

/// Reads frames one after another.
pub(super) struct ZstdFrames<R> {
    packed: R,
    decoder: Decoder<'static>,
    /// How many bytes the decoder asks for; 0 between frames.
    wanted: usize,
    /// The decoder may hold more output than there was room for.
    pending: bool,
}

impl<R: BufRead> ZstdFrames<R> {
    pub(super) fn new(packed: R) -> io::Result<Self> {
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
        Ok(Self { packed, decoder, wanted: 0, pending: false })
    }
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        /// The first bytes of a frame: as many as it takes to know how long its header is.
        const FRAME_START_BYTES: usize = 5;
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let packed = if self.pending { &[] } else { self.packed.fill_buf()? };
            if packed.is_empty() && !self.pending {
                return if self.wanted == 0 { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
            }
            let wanted = if self.wanted == 0 { FRAME_START_BYTES } else { self.wanted };
            let mut input = InBuffer::around(&packed[..packed.len().min(wanted)]);
            let mut output = OutBuffer::around(&mut *buffer);
            let hint = self.decoder.run(&mut input, &mut output)?;
            let (took, gave) = (input.pos(), output.pos());
            if !self.pending || gave > 0 {
                self.wanted = hint;
            }
            self.pending = gave == buffer.len();
            self.packed.consume(took);
            if gave > 0 {
                return Ok(gave);
            }
        }
    }
}
