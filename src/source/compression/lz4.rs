//! lz4 frames.

use std::io::{self, BufRead, Read};
use std::sync::Arc;

use lz4_flex::frame::FrameDecoder;

use crate::source::meter::Meter;

/// The frames of `lz4 -l` have no end mark: the end of the input is theirs.
const LEGACY_MAGIC: [u8; 4] = 0x184c_2102_u32.to_le_bytes();

/// Reads frames one after another: lz4_flex stops after each, and takes an end of the input where a block should be for
/// the end of the frame.
pub(super) struct Lz4Frames<R: BufRead> {
    decoder: FrameDecoder<R>,
    /// Knows whether the end of the input was met.
    meter: Arc<Meter>,
    legacy: bool,
}

impl<R: BufRead> Lz4Frames<R> {
    pub(super) fn new(mut packed: R, meter: Arc<Meter>) -> io::Result<Self> {
        let legacy = packed.fill_buf()?.starts_with(&LEGACY_MAGIC);
        Ok(Self { decoder: FrameDecoder::new(packed), meter, legacy })
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            // The decoder does not look beyond an end mark: if the end of the input was met, there was none.
            if self.meter.ended() && !self.legacy {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.decoder.get_mut().fill_buf()?.is_empty() {
                return Ok(0);
            }
        }
    }
}
