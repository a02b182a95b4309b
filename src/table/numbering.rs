//! When a segment opens a new stream on a four-tuple that is already known: Wireshark's rules, since users compare
//! `tcp.stream`.

use crate::base::Seq;
use crate::segment::Flags;

/// What the rule needs to know of the stream so far, seen from the side that sends the segment.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What counts as the sender's initial sequence number, once it sent or its peer acknowledged something.
    pub base: Option<Seq>,
    /// A RST, or a FIN with ACK, was seen from either side.
    pub closing: bool,
}

/// A SYN or SYN-ACK opens a new stream when its number differs from the one that its side began with, or when a FIN or
/// RST was seen before; otherwise it is a retransmission. Nothing else opens one, and no time does (Wireshark 4.4,
/// packet-tcp.c).
pub fn opens_new_stream(flags: Flags, seq: Seq, known: Known) -> bool {
    flags.contains(Flags::SYN) && known.base.is_some_and(|base| base != seq || known.closing)
}

/// The same where another table numbers the streams: which one the segment belongs to there decides, and else the rule.
pub fn opens_another_stream(given: Option<u64>, stream: u64, flags: Flags, seq: Seq, known: Known) -> bool {
    given.map_or_else(|| opens_new_stream(flags, seq, known), |given| given != stream)
}
