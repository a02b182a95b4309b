//! From items to text. What a line leaves out is what reading it would assume.

use std::collections::HashMap;
use std::fmt::{Display, Write as _};

use super::parse::{DEFAULT_ISN, FLAG_WORDS, ICMP_WORDS, MARK_WORDS};
use super::speaker::{CHECKSUM, Numbering, Speaker};
use crate::base::{Endpoint, Seq, Side, Sides, Timestamp};
use crate::segment::{Flags, IcmpError, Item, Marks, MultipathEnd, OptionKind, Segment, TcpOptions};

/// Numbers further ahead than any window reaches (RFC 7323, section 2.3) are strays and printed as they are.
const STRAY: i32 = 1 << 30;
/// Numbers this little before the ISN are printed as negative ones.
const SLIGHTLY_BEFORE: i32 = 1 << 20;

/// Writes `items` in the language that [the module](super) describes.
///
/// Reading the text gives the same items.
pub fn print(items: &[Item]) -> String {
    let mut printer = Printer::new(items);
    for item in items {
        match item {
            Item::Segment(segment) => printer.segment(segment),
            Item::IcmpError(error) => printer.icmp_error(error),
        }
    }
    printer.text
}

type Pair = (Endpoint, Endpoint);

struct Conversation {
    name: String,
    sides: Sides<Speaker>,
    declared: bool,
}

struct Printer {
    text: String,
    conversations: Vec<Conversation>,
    index: HashMap<Pair, usize>,
    now: Option<Timestamp>,
    frame: u64,
}

/// One key for both directions.
fn pair(a: Endpoint, b: Endpoint) -> Pair {
    if a <= b { (a, b) } else { (b, a) }
}

fn ends(item: &Item) -> Pair {
    match item {
        Item::Segment(segment) => (segment.source, segment.destination),
        Item::IcmpError(error) => (error.source, error.destination),
    }
}

impl Printer {
    fn new(items: &[Item]) -> Self {
        let mut conversations: Vec<Conversation> = Vec::new();
        let mut index = HashMap::new();
        let mut isns: Vec<Sides<Option<Seq>>> = Vec::new();
        for item in items {
            let (from, to) = ends(item);
            let at = *index.entry(pair(from, to)).or_insert_with(|| {
                let answers = matches!(item, Item::Segment(segment)
                    if segment.flags.contains(Flags::SYN | Flags::ACK));
                let (client, server) = if answers { (to, from) } else { (from, to) };
                let sides = Sides {
                    client: Speaker::new(client, DEFAULT_ISN.client),
                    server: Speaker::new(server, DEFAULT_ISN.server),
                };
                conversations.push(Conversation { name: String::new(), sides, declared: false });
                isns.push(Sides::default());
                conversations.len() - 1
            });
            let side = conversations[at].side(from);
            let Item::Segment(segment) = item else { continue };
            let reset = segment.flags.contains(Flags::RST);
            let own = &mut isns[at][side];
            if own.is_none() && !reset {
                *own = Some(if segment.flags.contains(Flags::SYN) { segment.seq } else { segment.seq - 1 });
            }
        }
        let several = conversations.len() > 1;
        for (number, conversation) in conversations.iter_mut().enumerate() {
            if several {
                conversation.name = format!("c{number}.");
            }
            for side in Side::BOTH {
                if let Some(isn) = isns[number][side] {
                    conversation.sides[side].isn = isn;
                }
            }
        }
        Printer { text: String::new(), conversations, index, now: None, frame: 1 }
    }

    /// The conversation between two ends, declared.
    fn conversation(&mut self, ends: Pair) -> usize {
        let at = self.index[&pair(ends.0, ends.1)];
        let conversation = &mut self.conversations[at];
        if !conversation.declared {
            conversation.declared = true;
            for side in Side::BOTH {
                let speaker = &conversation.sides[side];
                line(
                    &mut self.text,
                    format_args!("{}{side} {} isn {}", conversation.name, speaker.endpoint, speaker.isn),
                );
            }
        }
        at
    }

    fn time(&mut self, time: Timestamp) {
        match self.now.replace(time) {
            None => {
                if time != Timestamp::default() {
                    line(&mut self.text, format_args!("start {time}"));
                }
                self.text.push_str("+0");
            }
            Some(before) => {
                let nanos = i128::from(time.0) - i128::from(before.0);
                let (sign, nanos) = (if nanos < 0 { '-' } else { '+' }, nanos.unsigned_abs());
                let digits = format!("{sign}{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
                let short = digits.trim_end_matches('0').trim_end_matches('.');
                self.text.push_str(short);
            }
        }
        self.text.push(' ');
    }

    fn segment(&mut self, segment: &Segment) {
        let at = self.conversation((segment.source, segment.destination));
        let side = self.conversations[at].side(segment.source);
        let isn = self.conversations[at].sides[side].isn;
        if segment.flags.contains(Flags::SYN) && segment.seq != isn {
            line(&mut self.text, format_args!("{}{side} isn {}", self.conversations[at].name, segment.seq));
            self.conversations[at].sides[side].restart(segment.seq);
        }
        self.time(segment.time);
        let Conversation { name, sides, .. } = &self.conversations[at];
        let (speaker, peer) = (&sides[side], &sides[!side]);
        let expected = speaker.expected(peer, segment.time, segment.flags, segment.payload_len);
        let out = &mut self.text;
        let _ = write!(out, "{name}{side} >");

        let mut numbering = Numbering::Current;
        let implied = Flags::PSH | Flags::ACK;
        if segment.flags != implied || segment.payload_len == 0 {
            flags(out, segment.flags);
        }
        if segment.seq != expected.seq {
            let text = number(segment.seq, speaker);
            if text.starts_with('=') {
                numbering = Numbering::Foreign;
            }
            word(out, "seq", text);
        }
        if segment.ack != expected.ack {
            let text = if segment.flags.contains(Flags::ACK) {
                number(segment.ack, peer)
            } else {
                format!("={}", segment.ack)
            };
            word(out, "ack", text);
        }
        if segment.payload_len != 0 {
            word(out, "data", segment.payload_len);
        }
        if segment.window != expected.window {
            word(out, "win", segment.window);
        }
        if segment.options != expected.options {
            options(out, &segment.options, peer);
        }
        if segment.ip_id != expected.ip_id {
            word(out, "id", segment.ip_id);
        }
        if segment.ttl != expected.ttl {
            word(out, "ttl", segment.ttl);
        }
        marks(out, segment.marks, expected.marks);
        if segment.interface != 0 {
            word(out, "interface", segment.interface);
        }
        if segment.context != 0 {
            word(out, "context", segment.context);
        }
        if segment.frame.0 != self.frame {
            word(out, "frame", segment.frame);
        }
        self.frame = segment.frame.0.saturating_add(1);
        if segment.digest != 0 && segment.digest != segment.header_digest() {
            word(out, "digest", segment.digest);
        }
        out.push('\n');
        self.conversations[at].sides[side].sent(segment, numbering);
    }

    fn icmp_error(&mut self, error: &IcmpError) {
        let at = self.conversation((error.source, error.destination));
        self.time(error.time);
        let conversation = &self.conversations[at];
        let side = conversation.side(error.source);
        let speaker = &conversation.sides[side];
        let out = &mut self.text;
        let _ = write!(out, "icmp {} > {}{side}", error.reporter, conversation.name);
        let kind = Some((error.kind, error.code));
        let v6 = speaker.endpoint.ip.is_ipv6();
        match ICMP_WORDS.iter().find(|(_, v4, six)| if v6 { *six == kind } else { *v4 == kind }) {
            Some((text, _, _)) => {
                let _ = write!(out, " {text}");
            }
            None => {
                let _ = write!(out, " type {} code {}", error.kind, error.code);
            }
        }
        if let Some(mtu) = error.mtu {
            word(out, "mtu", mtu);
        }
        if error.recipient != error.source.ip {
            word(out, "to", error.recipient);
        }
        let quoted = speaker.last_frame();
        if error.seq != quoted.map_or(speaker.isn, |quoted| quoted.seq) {
            word(out, "seq", number(error.seq, speaker));
        }
        match error.flags {
            None => out.push_str(" short"),
            Some(bits) if bits == quoted.map_or(Flags::SYN, |quoted| quoted.flags) => {}
            Some(bits) => flags(out, bits),
        }
        if error.interface != 0 {
            word(out, "interface", error.interface);
        }
        if error.frame.0 != self.frame {
            word(out, "frame", error.frame);
        }
        self.frame = error.frame.0.saturating_add(1);
        out.push('\n');
    }
}

impl Conversation {
    fn side(&self, source: Endpoint) -> Side {
        if self.sides.client.endpoint == source { Side::Client } else { Side::Server }
    }
}

// Writing to a String cannot fail.
fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = writeln!(out, "{text}");
}

fn word(out: &mut String, word: &str, value: impl Display) {
    let _ = write!(out, " {word} {value}");
}

fn flags(out: &mut String, flags: Flags) {
    if flags.is_empty() {
        out.push_str(" none");
    }
    for (text, _) in FLAG_WORDS.iter().filter(|(_, bit)| flags.contains(*bit)) {
        let _ = write!(out, " {text}");
    }
}

fn marks(out: &mut String, marks: Marks, expected: Marks) {
    let same_checksum = marks & CHECKSUM == expected & CHECKSUM;
    if !same_checksum && !marks.intersects(CHECKSUM) {
        out.push_str(" unchecked");
    }
    let same = if same_checksum { CHECKSUM } else { Marks::empty() } | Marks::DONT_FRAGMENT & expected;
    for (text, _) in MARK_WORDS.iter().filter(|(_, mark)| (marks - same).contains(*mark)) {
        let _ = write!(out, " {text}");
    }
    if (expected - marks).contains(Marks::DONT_FRAGMENT) {
        out.push_str(" no-df");
    }
}

fn options(out: &mut String, options: &TcpOptions, peer: &Speaker) {
    let mut words = Vec::new();
    words.extend(options.in_order().filter_map(|kind| match kind {
        OptionKind::MaximumSegmentSize => options.mss.map(|mss| format!("mss {mss}")),
        OptionKind::SackPermitted => Some("sackOK".into()),
        OptionKind::Timestamps => options.timestamps.map(|clock| format!("TS val {} ecr {}", clock.value, clock.echo)),
        OptionKind::WindowScale => options.window_scale.map(|shift| format!("wscale {shift}")),
    }));
    if !options.sack_blocks().is_empty() {
        let blocks = options
            .sack_blocks()
            .iter()
            .map(|block| format!(" {}:{}", number(block.left, peer), number(block.right, peer)));
        words.push(format!("sack{}", blocks.collect::<String>()));
    }
    if options.fast_open {
        words.push("fastopen".into());
    }
    match (options.multipath_end, options.multipath_end.reason()) {
        (MultipathEnd::FAST_CLOSE, _) => words.push("fastclose".into()),
        (_, Some(reason)) => words.push(format!("tcprst {reason}")),
        _ if options.multipath => words.push("mptcp".into()),
        _ => {}
    }
    let _ = write!(out, " <{}>", words.join(", "));
}

/// A number in the sequence space of `speaker`.
fn number(seq: Seq, speaker: &Speaker) -> String {
    let before = speaker.isn.since(seq);
    if seq.since(speaker.next()) > STRAY {
        format!("={seq}")
    } else if (1..SLIGHTLY_BEFORE).contains(&before) {
        format!("-{before}")
    } else {
        seq.0.wrapping_sub(speaker.isn.0).to_string()
    }
}
