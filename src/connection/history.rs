//! Two summaries that other tools' users know: Wireshark's completeness and Zeek's history.

use super::half::Half;
use super::step::Connection;
use crate::base::{Seq, Side};
use crate::segment::{Flags, IcmpError, Marks, Segment};

/// `tcp.completeness`: a SYN was seen.
const SYN: u8 = 1;
/// A SYN-ACK was seen.
const SYN_ACK: u8 = 2;
/// An ACK was seen.
const ACK: u8 = 4;
/// Payload was seen.
const DATA: u8 = 8;
/// A FIN was seen.
const FIN: u8 = 16;
/// A RST was seen.
const RST: u8 = 32;

/// The longest history that is kept; Zeek's has no bound because it scales repetitions.
const HISTORY_MAX: usize = 40;

/// What a segment adds to Wireshark's `tcp.completeness`, given what counted as its sender's initial number
/// before: a SYN opens only what its sender had no part in yet.
#[inline]
pub fn completeness(flags: Flags, payload_len: u32, base: Option<Seq>) -> u8 {
    let kind = match (flags.contains(Flags::SYN), flags.contains(Flags::ACK)) {
        (true, false) if base.is_some() => 0,
        (true, false) if payload_len > 0 => SYN | DATA,
        (true, false) => SYN,
        (true, true) => SYN_ACK,
        // An ACK that carries payload counts as payload only.
        (false, true) if payload_len > 0 => DATA,
        (false, true) => ACK,
        (false, false) => 0,
    };
    let fin = if flags.contains(Flags::FIN | Flags::ACK) { FIN } else { 0 };
    let rst = if flags.contains(Flags::RST) { RST } else { 0 };
    kind | fin | rst
}

impl Connection {
    /// Adds a segment to Wireshark's `tcp.completeness`. Must come before [`record_base`](Self::record_base).
    pub(super) fn record_completeness(&mut self, side: Side, segment: &Segment) {
        self.completeness |= completeness(segment.flags, segment.payload_len, self.halves[side].base);
    }

    /// Adds the flags of a segment that an ICMP error quotes: Wireshark counts them, and not the quoted payload.
    pub(super) fn record_quoted(&mut self, error: &IcmpError) {
        let side = if error.source == self.client { Side::Client } else { Side::Server };
        if let Some(flags) = error.flags {
            self.completeness |= completeness(flags, 0, self.halves[side].base);
        }
    }

    /// Remembers what Wireshark takes for the initial numbers of both sides.
    #[inline]
    pub(super) fn record_base(&mut self, side: Side, segment: &Segment) {
        let own = if segment.flags.contains(Flags::SYN) { segment.seq } else { segment.seq - 1 };
        self.halves[side].base.get_or_insert(own);
        if segment.flags.contains(Flags::ACK) {
            self.halves[!side].base.get_or_insert(segment.ack - 1);
        }
    }

    /// Every captured segment carries payload, and both sides sent some: a filter for what the applications said has left
    /// the acknowledgments out, and silence says nothing.
    pub(super) fn shows_payload_alone(&self) -> bool {
        self.has_payload_throughout() && Side::BOTH.iter().all(|&side| self.halves[side].frames > 0)
    }

    /// Every captured segment carries payload, as far as FINs are remembered.
    pub fn has_payload_throughout(&self) -> bool {
        let carries = |half: &Half| half.fins == 0 || half.last_data.is_some_and(|data| data.is_fin());
        self.completeness | FIN == DATA | FIN && Side::BOTH.iter().all(|&side| carries(&self.halves[side]))
    }

    /// A FIN or RST counts in the completeness, so the next SYN opens a new stream.
    pub fn counts_closing(&self) -> bool {
        self.completeness & (FIN | RST) != 0
    }

    /// Adds a segment to Zeek's history: the first of each kind from each side, in order.
    pub(super) fn record_history(&mut self, side: Side, segment: &Segment) {
        let flags = segment.flags & (Flags::SYN | Flags::FIN | Flags::RST);
        if segment.marks.contains(Marks::CHECKSUM_BAD) {
            self.history_letter(side, 'C');
        }
        let letter = match flags.bits().count_ones() {
            0 if segment.payload_len > 0 => 'D',
            0 if segment.flags.contains(Flags::ACK) => 'A',
            0 => return,
            1 if flags == Flags::SYN && segment.flags.contains(Flags::ACK) => 'H',
            1 if flags == Flags::SYN => 'S',
            1 if flags == Flags::FIN => 'F',
            1 => 'R',
            _ if flags.contains(Flags::FIN | Flags::RST) => 'I',
            _ => 'Q',
        };
        self.history_letter(side, letter);
        if letter == 'A' && segment.window == 0 {
            self.history_letter(side, 'W');
        }
    }

    /// What a segment with payload, or without, of no other kind adds is there already.
    #[inline]
    pub(super) fn has_letter_of(&self, side: Side, segment: &Segment) -> bool {
        self.halves[side].letters & bit(if segment.payload_len > 0 { 'D' } else { 'A' }) != 0
    }

    fn history_letter(&mut self, side: Side, letter: char) {
        let bit = bit(letter);
        let half = &mut self.halves[side];
        if half.letters & bit != 0 || self.history.len() >= HISTORY_MAX {
            return;
        }
        half.letters |= bit;
        self.history.push(match side {
            Side::Client => letter,
            Side::Server => letter.to_ascii_lowercase(),
        });
    }
}

/// A letter in [`Half::letters`](super::Half).
#[inline]
const fn bit(letter: char) -> u16 {
    1 << match letter {
        'A' => 0,
        'D' => 1,
        'S' => 2,
        'H' => 3,
        'F' => 4,
        'R' => 5,
        'C' => 6,
        'W' => 7,
        'I' => 8,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::bit;

    #[test]
    fn no_letter_takes_the_place_of_another() {
        let all = "SHADFRCWIQ".chars().fold(0, |all, letter| all | bit(letter));
        assert_eq!(all.count_ones(), 10);
    }
}
