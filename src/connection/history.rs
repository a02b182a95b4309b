//! Two summaries that other tools' users know: Wireshark's completeness and Zeek's history.

use super::step::Connection;
use crate::base::Side;
use crate::segment::{Flags, Marks, Segment};

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

impl Connection {
    /// Adds a segment to Wireshark's `tcp.completeness`.
    pub(super) fn record_completeness(&mut self, segment: &Segment) {
        let flags = segment.flags;
        self.completeness |= match (flags.contains(Flags::SYN), flags.contains(Flags::ACK)) {
            (true, false) => SYN,
            (true, true) => SYN_ACK,
            // An ACK that carries payload counts as payload only.
            (false, true) if segment.payload_len > 0 => DATA,
            (false, true) => ACK,
            (false, false) => 0,
        };
        if flags.contains(Flags::FIN | Flags::ACK) {
            self.completeness |= FIN;
        }
        if flags.contains(Flags::RST) {
            self.completeness |= RST;
        }
    }

    /// Adds a segment to Zeek's history: the first of each kind from each side, in order.
    pub(super) fn record_history(&mut self, side: Side, segment: &Segment) {
        let flags = segment.flags & (Flags::SYN | Flags::FIN | Flags::RST);
        if segment.marks.contains(Marks::CHECKSUM_BAD) {
            self.history_letter(side, 'C');
        }
        let letter = match flags.iter().count() {
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

    fn history_letter(&mut self, side: Side, letter: char) {
        let bit = 1u16 << ((u32::from(letter) - u32::from('A')) & 15);
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
