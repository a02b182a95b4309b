//! What is written on an arrow: control bits, relative numbers and length, as many of them as fit.

use crate::base::{Seq, Side, Sides};
use crate::report::layout::{clip, columns};
use crate::segment::{Flags, Segment};

/// Names of the control bits in the order that people say them, with tcpdump's letters.
const BITS: [(Flags, &str, &str); 9] = [
    (Flags::SYN, "SYN", "S"),
    (Flags::FIN, "FIN", "F"),
    (Flags::RST, "RST", "R"),
    (Flags::PSH, "PSH", "P"),
    (Flags::ACK, "ACK", "."),
    (Flags::URG, "URG", "U"),
    (Flags::ECE, "ECE", "E"),
    (Flags::CWR, "CWR", "W"),
    (Flags::AE, "AE", "e"),
];

/// The sequence numbers that each side's relative numbers count from, as Wireshark chooses them: the initial one, or,
/// when no SYN was seen, the one before the first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bases(Sides<Option<Seq>>);

impl Bases {
    /// Learns from a segment of `side`.
    pub fn learn(&mut self, side: Side, segment: &Segment) {
        if self.0[side].is_none() {
            let syn = segment.flags.contains(Flags::SYN);
            self.0[side] = Some(if syn { segment.seq } else { segment.seq - 1 });
        }
        if self.0[!side].is_none() && segment.flags.contains(Flags::ACK) {
            self.0[!side] = Some(segment.ack - 1);
        }
    }

    fn relative(&self, side: Side, seq: Seq) -> i64 {
        /// Numbers this little before the base are old ones; others are far beyond it.
        const BEFORE_MAX: i32 = 1 << 20;
        let base = self.0[side].unwrap_or_default();
        match seq.since(base) {
            distance if (-BEFORE_MAX..0).contains(&distance) => distance.into(),
            distance => distance.cast_unsigned().into(),
        }
    }
}

/// How much is said of a segment, the most first. One ladder keeps to one wording where it fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wording {
    /// `PSH ACK seq 1:513 ack 101 len 512 win 502`
    Window,
    /// `PSH ACK seq 1:513 ack 101 len 512`
    Length,
    /// `PSH ACK 1:513 ack 101`
    Words,
    /// `P. 1:513 ack 101`
    Letters,
    /// `P. 1:513 a101`
    Terse,
}

impl Wording {
    const ALL: [Wording; 5] = [Wording::Window, Wording::Length, Wording::Words, Wording::Letters, Wording::Terse];

    /// The richest wording that fits nearly every segment into `width` columns.
    pub fn fitting<'a>(segments: impl Iterator<Item = (&'a Segment, Side)>, bases: &Bases, width: usize) -> Self {
        /// Segments looked at: enough to know the connection's numbers.
        const SAMPLE: usize = 2_000;
        let sample: Vec<_> = segments.take(SAMPLE).collect();
        let is_good = |wording: &Wording| {
            let long = sample.iter().filter(|(segment, side)| columns(&wording.of(segment, *side, bases)) > width);
            long.count() * 20 <= sample.len()
        };
        Wording::ALL.into_iter().find(is_good).unwrap_or(Wording::Terse)
    }

    fn of(self, segment: &Segment, side: Side, bases: &Bases) -> String {
        let words: Vec<&str> = named(segment, |&(_, word, _)| word);
        let words = if words.is_empty() { "no flags".to_owned() } else { words.join(" ") };
        let letters = || named(segment, |&(.., letter)| letter).concat();
        let seq = bases.relative(side, segment.seq);
        let len = segment.payload_len;
        let range = if len == 0 { seq.to_string() } else { format!("{seq}:{}", seq + i64::from(len)) };
        let ack = |word: &str| match segment.flags.contains(Flags::ACK) {
            true => format!("{word}{}", bases.relative(!side, segment.ack)),
            false => String::new(),
        };
        let len = if len == 0 { String::new() } else { format!(" len {len}") };
        match self {
            Wording::Window => format!("{words} seq {range}{}{len} win {}", ack(" ack "), segment.window),
            Wording::Length => format!("{words} seq {range}{}{len}", ack(" ack ")),
            Wording::Words => format!("{words} {range}{}", ack(" ack ")),
            Wording::Letters => format!("{} {range}{}", letters(), ack(" ack ")),
            Wording::Terse => format!("{} {range}{}", letters(), ack(" a")),
        }
    }
}

/// What is written on the arrow of `segment`: in `wording`, or a shorter one when that does not fit, with the options
/// where there is room for them.
pub fn label(segment: &Segment, side: Side, bases: &Bases, wording: Wording, width: usize) -> String {
    let shorter = Wording::ALL.into_iter().filter(|other| *other >= wording);
    let fitting = shorter.map(|wording| wording.of(segment, side, bases)).find(|label| columns(label) <= width);
    match fitting {
        None => clip(&Wording::Terse.of(segment, side, bases), width),
        Some(label) => {
            let with_options = format!("{label}{}", options(segment));
            if columns(&with_options) <= width { with_options } else { label }
        }
    }
}

fn named<'a>(segment: &Segment, pick: impl Fn(&(Flags, &'a str, &'a str)) -> &'a str) -> Vec<&'a str> {
    BITS.iter().filter(|(bit, ..)| segment.flags.contains(*bit)).map(pick).collect()
}

/// The options that change what later segments mean.
fn options(segment: &Segment) -> String {
    let options = &segment.options;
    let mut text = String::new();
    if let Some(mss) = options.mss {
        text.push_str(&format!(" mss {mss}"));
    }
    if let Some(shift) = options.window_scale {
        text.push_str(&format!(" wscale {shift}"));
    }
    for (present, word) in
        [(options.sack_permitted, " sackOK"), (options.fast_open, " tfo"), (options.multipath, " mptcp")]
    {
        if present {
            text.push_str(word);
        }
    }
    if let Some(timestamps) = options.timestamps {
        text.push_str(&format!(" ts {} {}", timestamps.value, timestamps.echo));
    }
    text
}
