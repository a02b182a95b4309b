//! The TCP checksum, and the partial one that offload leaves (RFC 9293, section 3.1; RFC 8200, section 8.1).

use std::net::IpAddr;

use etherparse::ip_number;

use crate::segment::{Flags, Marks};

/// Octets of options where timestamps and their padding are all.
const TIMESTAMPS_ALONE: usize = 12;

/// Which TCP checksums are computed. Doing so reads the whole payload, which costs more than all other decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Checksums {
    /// None.
    Off,
    /// Those of segments that open, close or reset, and of segments without payload. They tell whether the capture was
    /// made on a sending host, and forged segments are among them.
    #[default]
    Control,
    /// All.
    All,
}

impl Checksums {
    #[inline]
    pub(super) fn wants(self, flags: Flags, payload_len: u32) -> bool {
        if self != Checksums::Control {
            return self == Checksums::All;
        }
        // One branch, since nobody can guess which segments these are: no length but 0 borrows the highest bit.
        let controls = (flags & (Flags::SYN | Flags::FIN | Flags::RST)).bits();
        payload_len.wrapping_sub(1) >> 31 | u32::from(controls) != 0
    }
}

/// Judges the checksum of a segment that is all there, from its header's first octet to its payload's last.
#[inline(never)]
pub(super) fn judge(source: IpAddr, destination: IpAddr, segment: &[u8]) -> Marks {
    let Some((&[high, low], _)) = segment.get(16..).and_then(<[u8]>::split_first_chunk) else { return Marks::empty() };
    let hosts = sum_of_address(source) + sum_of_address(destination) + u64::from(ip_number::TCP.0);
    let pseudo = hosts + segment.len() as u64;
    if fold(pseudo + u64::from(sum(segment))) == 0xffff {
        return Marks::CHECKSUM_GOOD;
    }
    // A host that leaves the rest to its network card writes the pseudo-header's sum; where the card cuts the segment
    // up too, some leave the length to it as well.
    let written = u16::from_be_bytes([high, low]);
    if written == fold(pseudo) || written == fold(hosts) { Marks::CHECKSUM_PARTIAL } else { Marks::CHECKSUM_BAD }
}

/// Whether the checksum of a segment of `len` octets is right. `beginning` are both addresses, which stand before the segment where
/// the IP header has no options, and its fixed header; `rest` are the octets behind.
#[inline(always)]
pub(super) fn is_right<const LEN: usize>(beginning: &[u8; LEN], rest: &[u8], len: usize) -> bool {
    let others = (u32::from(ip_number::TCP.0) + len as u32).to_be();
    let sum = carry_around(add(beginning), others.into());
    // Nothing, or timestamps, stand behind most that are summed up at all.
    let sum = match <&[u8; TIMESTAMPS_ALONE]>::try_from(rest) {
        Ok(timestamps) => carry_around(sum, add(timestamps)),
        Err(_) if rest.is_empty() => sum,
        Err(_) => carry_around(sum, add_any(rest)),
    };
    fold(sum) == 0xffff
}

#[inline]
fn sum_of_address(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => sum(&ip.octets()).into(),
    }
}

/// Adds words of 16 bits, the last one filled up with zeros. The sum does not depend on the order of octets in which it is
/// computed, nor on how many words are taken at once (RFC 1071, section 2).
#[inline]
fn sum(bytes: &[u8]) -> u16 {
    u16::from_be(fold(add_any(bytes)))
}

#[inline(never)]
fn add_any(bytes: &[u8]) -> u64 {
    add(bytes)
}

/// The same, not folded and in the order of this machine.
#[inline(always)]
fn add(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().fold(0, |sum, &word| carry_around(sum, u64::from_ne_bytes(word)));
    if rest.is_empty() {
        return sum;
    }
    let (word, rest) = match rest.split_first_chunk::<4>() {
        Some((word, rest)) => (*word, rest),
        None => ([0; 4], rest),
    };
    let last = match *rest {
        [a, b, c] => [a, b, c, 0],
        [a, b] => [a, b, 0, 0],
        [a] => [a, 0, 0, 0],
        _ => [0; 4],
    };
    let both = u64::from(u32::from_ne_bytes(word)) + u64::from(u32::from_ne_bytes(last));
    carry_around(sum, both)
}

#[inline]
fn carry_around(sum: u64, word: u64) -> u64 {
    let (sum, carry) = sum.overflowing_add(word);
    sum + u64::from(carry)
}

/// The ones' complement sum of the four words: of both halves, and then of the halves of that. Each is added to the other in
/// its place, so that what the lower place carries goes into the upper one.
#[inline]
fn fold(sum: u64) -> u16 {
    let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;
    use crate::decode::{DecodeOptions, Decoder, sample};

    fn segment(payload: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(51000, 80, 7, 1000).ack(9);
        builder.write(&mut packet, payload).expect("a vector takes all");
        packet
    }

    fn marks(checksums: Checksums, packet: &[u8]) -> Marks {
        let all = Marks::CHECKSUM_GOOD | Marks::CHECKSUM_BAD | Marks::CHECKSUM_PARTIAL;
        let mut decoder = Decoder::new(DecodeOptions { checksums, ..DecodeOptions::default() });
        let (_, items) = sample::decode(&mut decoder, 228, packet);
        sample::segments(&items)[0].marks & all
    }

    #[test]
    fn good_and_bad_are_told_apart_for_every_length() {
        for len in 0..70 {
            let mut packet = segment(&vec![0xa5; len]);
            assert_eq!(marks(Checksums::All, &packet), Marks::CHECKSUM_GOOD, "{len}");
            *packet.last_mut().expect("a header") ^= 1;
            assert_eq!(marks(Checksums::All, &packet), Marks::CHECKSUM_BAD, "{len}");
        }
    }

    #[test]
    fn the_sum_of_the_pseudo_header_alone_is_partial() {
        let mut packet = segment(b"data");
        for sum in [0x0a00 + 1 + 0x0a00 + 2 + 6 + 24, 0x0a00 + 1 + 0x0a00 + 2 + 6u16] {
            packet[36..38].copy_from_slice(&sum.to_be_bytes());
            assert_eq!(marks(Checksums::All, &packet), Marks::CHECKSUM_PARTIAL);
        }
    }

    #[test]
    fn payload_is_read_only_on_request_or_where_it_matters() {
        let mut packet = segment(b"data");
        assert_eq!(marks(Checksums::Control, &packet), Marks::empty());
        assert_eq!(marks(Checksums::Control, &segment(b"")), Marks::CHECKSUM_GOOD);
        assert_eq!(marks(Checksums::Off, &segment(b"")), Marks::empty());
        packet[33] |= Flags::FIN.bits() as u8;
        assert_eq!(marks(Checksums::Control, &packet), Marks::CHECKSUM_BAD);
    }

    #[test]
    fn what_was_cut_is_not_judged() {
        let packet = segment(b"data");
        assert_eq!(marks(Checksums::All, &packet[..43]), Marks::empty());
    }

    #[test]
    fn ipv6_has_its_own_pseudo_header() {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv6([0xfe; 16], [0x20; 16], 64).tcp(51000, 80, 7, 1000);
        builder.write(&mut packet, &[1, 2, 3]).expect("a vector takes all");
        let mut decoder = Decoder::new(DecodeOptions { checksums: Checksums::All, ..DecodeOptions::default() });
        let (_, items) = sample::decode(&mut decoder, 229, &packet);
        assert_eq!(sample::segments(&items)[0].marks, Marks::CHECKSUM_GOOD);
    }
}
