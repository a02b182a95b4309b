//! A stretch of a frame: the octets that were captured of it, and how many there were on the wire.

/// Captured octets with their true length. Every layer narrows it from the front (its header) and from the back (its
/// length field), so that padding and trailers never reach the next layer and a snap length never shortens a length.
#[derive(Clone, Copy, Debug)]
pub(in crate::decode) struct Octets<'a> {
    captured: &'a [u8],
    len: usize,
}

impl<'a> Octets<'a> {
    /// Octets of which `captured` are there and `len` were on the wire; a `len` below what was captured is not believed.
    #[inline]
    pub fn new(captured: &'a [u8], len: usize) -> Self {
        Self { captured, len: len.max(captured.len()) }
    }

    /// What was captured.
    #[inline]
    pub fn captured(self) -> &'a [u8] {
        self.captured
    }

    /// How many there were on the wire.
    #[inline]
    pub fn len(self) -> usize {
        self.len
    }

    /// The snap length took some of them.
    #[inline]
    pub fn is_cut(self) -> bool {
        self.captured.len() < self.len
    }

    /// What follows the first `count` octets.
    #[inline]
    pub fn after(self, count: usize) -> Self {
        Self { captured: self.captured.get(count..).unwrap_or_default(), len: self.len.saturating_sub(count) }
    }

    /// The first `count` octets: what a length field says belongs to the layer. More than there are changes nothing.
    #[inline]
    pub fn first(self, count: usize) -> Self {
        Self { captured: self.captured.get(..count).unwrap_or(self.captured), len: self.len.min(count) }
    }

    /// The first `count` octets, also where the frame claims to have been shorter on the wire: tools that cut frames
    /// have lost the true length, which the packet still knows.
    #[inline]
    pub fn first_claimed(self, count: usize) -> Self {
        Self { len: count, ..self.first(count) }
    }

    /// A header of fixed length and what follows it; none when the header was not captured whole.
    #[inline]
    pub fn split<const N: usize>(self) -> Option<(&'a [u8; N], Self)> {
        let (header, _) = self.captured.split_first_chunk::<N>()?;
        Some((header, self.after(N)))
    }
}

/// The big-endian 16-bit field at `at`; none when it lies outside.
#[inline]
pub(in crate::decode) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The big-endian 32-bit field at `at`; none when it lies outside.
#[inline]
pub(in crate::decode) fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowing_keeps_the_true_length_of_what_was_cut() {
        let cut = Octets::new(&[1, 2, 3, 4], 10);
        assert!(cut.is_cut());
        let payload = cut.after(3);
        assert_eq!((payload.captured(), payload.len()), (&[4][..], 7));
        let limited = payload.first(5);
        assert_eq!((limited.captured(), limited.len()), (&[4][..], 5));
        assert_eq!(limited.after(9).len(), 0);
    }

    #[test]
    fn a_length_field_beyond_the_frame_adds_nothing() {
        let whole = Octets::new(&[1, 2, 3], 3);
        assert_eq!(whole.first(100).len(), 3);
        assert_eq!(Octets::new(&[1, 2, 3], 0).len(), 3);
    }

    #[test]
    fn a_packet_knows_its_length_better_than_the_frame() {
        let packet = Octets::new(&[1, 2, 3], 3).first_claimed(100);
        assert!(packet.is_cut());
        assert_eq!((packet.captured(), packet.len()), (&[1, 2, 3][..], 100));
        assert_eq!(Octets::new(&[1, 2, 3], 3).first_claimed(2).captured(), [1, 2]);
    }

    #[test]
    fn a_header_is_whole_or_absent() {
        let octets = Octets::new(&[1, 2, 3], 3);
        assert!(octets.split::<4>().is_none());
        let (header, rest) = octets.split::<2>().expect("two of three octets");
        assert_eq!((header, rest.captured()), (&[1, 2], &[3][..]));
        assert_eq!((be16(&[0, 1, 2], 1), be16(&[0, 1, 2], 2), be32(&[0, 0, 1, 0], 0)), (Some(0x102), None, Some(256)));
    }
}
