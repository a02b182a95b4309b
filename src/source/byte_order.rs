//! The byte order of a file or section.

/// In which order the bytes of a number stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    /// Two bytes as a number.
    #[inline]
    pub const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            ByteOrder::Little => u16::from_le_bytes(bytes),
            ByteOrder::Big => u16::from_be_bytes(bytes),
        }
    }

    /// Four bytes as a number.
    #[inline]
    pub const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        }
    }

    /// Several numbers of four bytes each, asked for the order once.
    #[inline(always)]
    pub(super) const fn u32s<const COUNT: usize>(self, bytes: [[u8; 4]; COUNT]) -> [u32; COUNT] {
        let mut numbers = [0; COUNT];
        let mut at = 0;
        match self {
            ByteOrder::Little => {
                while at < COUNT {
                    numbers[at] = u32::from_le_bytes(bytes[at]);
                    at += 1;
                }
            }
            ByteOrder::Big => {
                while at < COUNT {
                    numbers[at] = u32::from_be_bytes(bytes[at]);
                    at += 1;
                }
            }
        }
        numbers
    }

    /// Eight bytes as a number.
    #[inline]
    pub const fn u64(self, bytes: [u8; 8]) -> u64 {
        match self {
            ByteOrder::Little => u64::from_le_bytes(bytes),
            ByteOrder::Big => u64::from_be_bytes(bytes),
        }
    }

    /// The four bytes at `at`, or none beyond the end of `bytes`.
    #[inline]
    pub fn u32_at(self, bytes: &[u8], at: usize) -> Option<u32> {
        bytes.get(at..)?.first_chunk().map(|four| self.u32(*four))
    }

    /// The two bytes at `at`, or none beyond the end of `bytes`.
    #[inline]
    pub fn u16_at(self, bytes: &[u8], at: usize) -> Option<u16> {
        bytes.get(at..)?.first_chunk().map(|two| self.u16(*two))
    }
}
