//! From text to items.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::encode::options_len;
use super::lex::{A_DURATION, ParseError, Word, Words, duration};
use super::speaker::{CHECKSUM, Numbering, Speaker};
use crate::base::{Endpoint, FrameNumber, Seq, Side, Sides, Timestamp};
use crate::segment::{
    Flags, IcmpError, Item, Marks, MultipathEnd, OptionKind, OptionOrder, SackBlock, Segment, TcpOptions, Timestamps,
};

/// The control bits and their words.
pub(super) const FLAG_WORDS: [(&str, Flags); 9] = [
    ("SYN", Flags::SYN),
    ("FIN", Flags::FIN),
    ("RST", Flags::RST),
    ("PSH", Flags::PSH),
    ("ACK", Flags::ACK),
    ("URG", Flags::URG),
    ("ECE", Flags::ECE),
    ("CWR", Flags::CWR),
    ("AE", Flags::AE),
];

/// The marks and their words, those of the checksum first.
pub(super) const MARK_WORDS: [(&str, Marks); 15] = [
    ("good-checksum", Marks::CHECKSUM_GOOD),
    ("bad-checksum", Marks::CHECKSUM_BAD),
    ("partial-checksum", Marks::CHECKSUM_PARTIAL),
    ("payload-cut", Marks::PAYLOAD_CUT),
    ("options-cut", Marks::OPTIONS_CUT),
    ("options-bad", Marks::OPTIONS_BAD),
    ("header-bad", Marks::HEADER_BAD),
    ("length-zero", Marks::LENGTH_ZERO),
    ("frame-short", Marks::FRAME_SHORT),
    ("reassembled", Marks::REASSEMBLED),
    ("fragment-first", Marks::FRAGMENT_FIRST),
    ("outbound", Marks::OUTBOUND),
    ("inbound", Marks::INBOUND),
    ("sampled", Marks::SAMPLED),
    ("df", Marks::DONT_FRAGMENT),
];

/// Type and code of an ICMP error; none when this version of IP has none.
pub(super) type IcmpKind = Option<(u8, u8)>;

/// ICMP errors by word: in IPv4 (RFC 792, RFC 1812) and IPv6 (RFC 4443).
pub(super) const ICMP_WORDS: [(&str, IcmpKind, IcmpKind); 7] = [
    ("net-unreachable", Some((3, 0)), Some((1, 0))),
    ("host-unreachable", Some((3, 1)), Some((1, 3))),
    ("protocol-unreachable", Some((3, 2)), None),
    ("port-unreachable", Some((3, 3)), Some((1, 4))),
    ("fragmentation-needed", Some((3, 4)), Some((2, 0))),
    ("admin-prohibited", Some((3, 13)), Some((1, 1))),
    ("ttl-exceeded", Some((11, 0)), Some((3, 0))),
];

const DEFAULT_SERVER: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), 80);
const DEFAULT_CLIENT: Endpoint = Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 40_000);
/// Unlike 0 and unlike each other, so that a number of the wrong kind is noticed.
pub(super) const DEFAULT_ISN: Sides<Seq> = Sides { client: Seq(1000), server: Seq(5000) };
/// The step of lines without a time.
const STEP_NS: i128 = 1_000_000;

const A_NUMBER: &str = "a number: `1` from the ISN, `next-1`, `=4711` absolute";
const AN_ADDRESS: &str = "an IP address";

/// Reads a trace in the language that [the module](super) describes.
///
/// # Errors
/// The first place that cannot be understood.
pub fn parse(text: &str) -> Result<Vec<Item>, ParseError> {
    let mut reader = Reader::default();
    for (index, line) in text.lines().enumerate() {
        reader.line(&mut Words::new(line, index + 1))?;
    }
    Ok(reader.items)
}

struct Conversation<'a> {
    name: &'a str,
    sides: Sides<Speaker>,
}

struct Reader<'a> {
    items: Vec<Item>,
    conversations: Vec<Conversation<'a>>,
    start: i128,
    now: i128,
    step: i128,
    frame: u64,
}

impl Default for Reader<'_> {
    fn default() -> Self {
        let sides = Sides {
            client: Speaker::new(DEFAULT_CLIENT, DEFAULT_ISN.client),
            server: Speaker::new(DEFAULT_SERVER, DEFAULT_ISN.server),
        };
        let conversations = vec![Conversation { name: "", sides }];
        Reader { items: Vec::new(), conversations, start: 0, now: 0, step: STEP_NS, frame: 1 }
    }
}

impl<'a> Reader<'a> {
    fn line(&mut self, words: &mut Words<'a>) -> Result<(), ParseError> {
        let first = words.peek();
        match first.text {
            "" => return Ok(()),
            "idle" => {
                words.next();
                let length = words.duration()?;
                self.now = clock(self.now + length, first)?;
                return words.end();
            }
            "step" => {
                words.next();
                self.step = words.duration()?;
                return words.end();
            }
            "start" => {
                words.next();
                let word = words.next();
                if !self.items.is_empty() {
                    return Err(first.refuse("`start` before the first segment"));
                }
                let moment: jiff::Timestamp = word.value("a moment such as `2026-01-31T12:00:00Z`")?;
                self.start = clock(moment.as_nanosecond(), word)?;
                self.now = self.start;
                return words.end();
            }
            _ => {}
        }
        let time = self.time(words)?;
        if words.peek().text == "icmp" {
            words.next();
            self.now = time.unwrap_or_else(|| self.default_time());
            return self.icmp_error(words, first);
        }
        let (conversation, side) = self.side(words)?;
        if words.take(">") {
            self.now = clock(time.unwrap_or_else(|| self.default_time()), first)?;
            return self.segment(words, conversation, side);
        }
        if time.is_some() {
            return Err(words.peek().refuse("`>` and a segment"));
        }
        self.declaration(words, conversation, side)
    }

    fn default_time(&self) -> i128 {
        if self.items.is_empty() { self.now } else { self.now + self.step }
    }

    /// The time at the head of the line, if there is one.
    fn time(&self, words: &mut Words<'a>) -> Result<Option<i128>, ParseError> {
        let word = words.peek();
        let (base, text, sign) = match word.text.as_bytes().first() {
            Some(b'+') => (self.now, &word.text[1..], 1),
            Some(b'-') => (self.now, &word.text[1..], -1),
            Some(digit) if digit.is_ascii_digit() => (self.start, word.text, 1),
            _ => return Ok(None),
        };
        words.next();
        let nanos = duration(text).ok_or_else(|| word.refuse(A_DURATION))?;
        clock(base + sign * nanos, word).map(Some)
    }

    /// `client`, `server`, `b.client` or `b.server`; the connection is made by its first declaration.
    fn side(&mut self, words: &mut Words<'a>) -> Result<(usize, Side), ParseError> {
        let word = words.next();
        let (name, side) = word.text.rsplit_once('.').unwrap_or(("", word.text));
        let side = side_of(side)
            .ok_or_else(|| word.refuse("a time, `client`, `server`, `icmp`, `idle`, `step` or `start`"))?;
        if let Some(index) = self.conversations.iter().position(|conversation| conversation.name == name) {
            return Ok((index, side));
        }
        if words.peek().text == ">" {
            return Err(
                word.refuse(format_args!("the declaration of `{name}.{side}` and its address before this line"))
            );
        }
        let sides = self.conversations[0].sides.clone();
        let mut sides = Sides {
            client: Speaker::new(sides.client.endpoint, DEFAULT_ISN.client),
            server: Speaker::new(sides.server.endpoint, DEFAULT_ISN.server),
        };
        // Two connections of one trace differ at least in a port, also when only the server is declared.
        let offset = u16::try_from(self.conversations.len() % 20_000).unwrap_or_default();
        sides.client.endpoint.port = sides.client.endpoint.port.wrapping_add(offset);
        self.conversations.push(Conversation { name, sides });
        Ok((self.conversations.len() - 1, side))
    }

    fn declaration(&mut self, words: &mut Words<'a>, conversation: usize, side: Side) -> Result<(), ParseError> {
        let speaker = &mut self.conversations[conversation].sides[side];
        let address = words.peek();
        if address.text.starts_with(|c: char| c == '[' || c.is_ascii_digit()) {
            let address: SocketAddr = words.value("an address with a port, `10.0.0.1:80` or `[2001:db8::1]:80`")?;
            speaker.endpoint = Endpoint::new(address.ip(), address.port());
        }
        let mut said = Marks::empty();
        while !words.peek().text.is_empty() {
            let word = words.next();
            match word.text {
                "isn" => speaker.restart(Seq(words.value("a 32-bit number")?)),
                "win" => speaker.window = words.value("a 16-bit number")?,
                "ttl" => speaker.ttl = words.value("a number up to 255")?,
                "id" => speaker.next_id = words.value("a 16-bit number")?,
                "interface" => speaker.interface = words.value("a number")?,
                "context" => speaker.context = words.value("a number")?,
                _ if mark(word, &mut speaker.marks, &mut said) => {}
                _ => {
                    return Err(
                        word.refuse("an address, `isn`, `win`, `ttl`, `id`, `interface`, `context`, a mark or `>`")
                    );
                }
            }
        }
        Ok(())
    }

    fn segment(&mut self, words: &mut Words<'a>, conversation: usize, side: Side) -> Result<(), ParseError> {
        let sides = &mut self.conversations[conversation].sides;
        let (speaker, peer) = (&sides[side], &sides[!side]);
        let first = words.peek();
        let line = Line::read(words, speaker, peer)?;
        if speaker.endpoint.ip.is_ipv4() != peer.endpoint.ip.is_ipv4() {
            return Err(first.refuse("two addresses of one family"));
        }
        let time = timestamp(self.now);
        let (mut segment, numbering) = line.segment(speaker, peer, time, first)?;
        let frame = line.frame.unwrap_or(self.frame);
        segment.frame = FrameNumber(frame);
        if options_len(&segment.options, segment.marks) > 40 {
            return Err(first.refuse("a segment whose options take at most 40 octets"));
        }
        segment.digest = line.digest.unwrap_or(0);
        self.frame = frame.saturating_add(1);
        sides[side].sent(&segment, numbering);
        self.items.push(Item::Segment(segment));
        Ok(())
    }

    fn icmp_error(&mut self, words: &mut Words<'a>, first: Word<'a>) -> Result<(), ParseError> {
        self.now = clock(self.now, first)?;
        let reporter_word = words.next();
        let reporter: IpAddr = reporter_word.value(AN_ADDRESS)?;
        words.expect(">")?;
        let (conversation, side) = self.side(words)?;
        let sides = &self.conversations[conversation].sides;
        let (speaker, peer) = (&sides[side], &sides[!side]);
        let v6 = speaker.endpoint.ip.is_ipv6();
        if reporter.is_ipv6() != v6 {
            return Err(reporter_word.refuse("an address of the quoted segment's family"));
        }
        let (kind, code) = icmp_kind(words, v6)?;
        let quoted = speaker.last_frame();
        let mut error = IcmpError {
            time: timestamp(self.now),
            frame: FrameNumber(self.frame),
            reporter,
            recipient: speaker.endpoint.ip,
            v6,
            kind,
            code,
            mtu: None,
            source: speaker.endpoint,
            destination: peer.endpoint,
            seq: quoted.map_or(speaker.isn, |quoted| quoted.seq),
            flags: Some(quoted.map_or(Flags::SYN, |quoted| quoted.flags)),
            interface: 0,
            realm: 0,
        };
        let mut flags = None;
        while !words.peek().text.is_empty() {
            let word = words.next();
            match word.text {
                "mtu" => error.mtu = Some(words.value("a number")?),
                "to" => error.recipient = words.value(AN_ADDRESS)?,
                "seq" => error.seq = number(words.next(), speaker.isn, speaker.next())?.0,
                "short" => error.flags = None,
                "frame" => error.frame = FrameNumber(words.value("a frame number")?),
                "interface" => error.interface = words.value("a number")?,
                _ if control_bit(word, &mut flags) => error.flags = flags,
                _ => return Err(word.refuse("`mtu`, `to`, `seq`, a control bit, `short`, `frame` or `interface`")),
            }
        }
        self.frame = error.frame.0.saturating_add(1);
        self.items.push(Item::IcmpError(error));
        Ok(())
    }
}

/// What a segment starts from before the words of its line change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Base {
    Fresh,
    Again,
    Duplicate,
}

/// The words of a segment's line.
struct Line {
    base: Base,
    flags: Option<Flags>,
    seq: Option<(Seq, Numbering)>,
    ack: Option<Seq>,
    payload_len: Option<u32>,
    window: Option<u16>,
    id: Option<u16>,
    ttl: Option<u8>,
    interface: Option<u32>,
    context: Option<u32>,
    frame: Option<u64>,
    digest: Option<u32>,
    options: Option<TcpOptions>,
    /// The words of marks, in order.
    marks: Vec<MarkWord>,
}

/// A mark to set, or `no-df`.
#[derive(Clone, Copy)]
struct MarkWord(&'static str);

impl Line {
    fn read(words: &mut Words<'_>, speaker: &Speaker, peer: &Speaker) -> Result<Line, ParseError> {
        let mut line = Line {
            base: Base::Fresh,
            flags: None,
            seq: None,
            ack: None,
            payload_len: None,
            window: None,
            id: None,
            ttl: None,
            interface: None,
            context: None,
            frame: None,
            digest: None,
            options: None,
            marks: Vec::new(),
        };
        let mut word = words.peek();
        if word.text.is_empty() {
            return Err(word.refuse("a control bit such as `SYN`, `data N`, `again` or `duplicate`"));
        }
        while !word.text.is_empty() {
            words.next();
            match word.text {
                "again" => line.base = Base::Again,
                "duplicate" => line.base = Base::Duplicate,
                "seq" => line.seq = Some(number(words.next(), speaker.isn, speaker.next())?),
                "ack" => line.ack = Some(number(words.next(), peer.isn, peer.next())?.0),
                "data" => line.data(words.next(), speaker)?,
                "win" => line.window = Some(words.value("a 16-bit number")?),
                "id" => line.id = Some(words.value("a 16-bit number")?),
                "ttl" => line.ttl = Some(words.value("a number up to 255")?),
                "interface" => line.interface = Some(words.value("a number")?),
                "context" => line.context = Some(words.value("a number")?),
                "frame" => line.frame = Some(words.value("a frame number")?),
                "digest" => line.digest = Some(words.value("a 32-bit number")?),
                "<" => line.options = Some(options(words, peer)?),
                _ if control_bit(word, &mut line.flags) => {}
                _ => match mark_word(word.text) {
                    Some(mark) => line.marks.push(mark),
                    None => {
                        return Err(word.refuse(
                            "a control bit, `data`, `seq`, `ack`, `win`, `id`, `ttl`, `<`, a mark, `interface`, `context`, \
                             `frame`, `digest`, `again` or `duplicate`",
                        ));
                    }
                },
            }
            word = words.peek();
        }
        Ok(line)
    }

    /// `data 100` or `data 1:101`.
    fn data(&mut self, word: Word<'_>, speaker: &Speaker) -> Result<(), ParseError> {
        let expected = "a number of octets, or a range such as `1:101`";
        let Some(range) = range(word, speaker.isn, speaker.next()) else {
            self.payload_len = Some(word.value(expected)?);
            return Ok(());
        };
        let ((from, numbering), (to, _)) = range?;
        self.seq = Some((from, numbering));
        self.payload_len = Some(u32::try_from(to.since(from)).map_err(|_| word.refuse(expected))?);
        Ok(())
    }

    fn segment(
        &self,
        speaker: &Speaker,
        peer: &Speaker,
        time: Timestamp,
        first: Word<'_>,
    ) -> Result<(Segment, Numbering), ParseError> {
        let earlier = match self.base {
            Base::Fresh => None,
            Base::Again => Some(speaker.occupying().ok_or_else(|| first.refuse("a SYN, FIN or data to send again"))?),
            Base::Duplicate => Some(speaker.last_frame().ok_or_else(|| first.refuse("a frame to duplicate"))?),
        };
        let payload_len = self.payload_len.or(earlier.map(|earlier| earlier.payload_len)).unwrap_or(0);
        let flags = match (self.flags, earlier) {
            (Some(flags), _) => flags,
            (None, Some(earlier)) => earlier.flags,
            (None, None) if self.payload_len.is_some() => Flags::PSH | Flags::ACK,
            (None, None) => return Err(first.refuse("control bits (`none` when none is set) or `data N`")),
        };
        let mut segment = speaker.expected(peer, time, flags, payload_len);
        match (self.base, earlier) {
            (Base::Duplicate, Some(earlier)) => segment = Segment { time, flags, payload_len, ..*earlier },
            (_, Some(earlier)) => {
                segment.seq = earlier.seq;
                let (now, then) = (segment.options.timestamps, earlier.options);
                let order = if now.is_some() == then.timestamps.is_some() { then.order } else { OptionOrder::USUAL };
                segment.options = TcpOptions { timestamps: now, order, ..then };
            }
            (_, None) => {}
        }
        segment.seq = self.seq.map_or(segment.seq, |(seq, _)| seq);
        segment.ack = self.ack.unwrap_or(segment.ack);
        segment.window = self.window.unwrap_or(segment.window);
        segment.ip_id = self.id.unwrap_or(segment.ip_id);
        segment.ttl = self.ttl.unwrap_or(segment.ttl);
        segment.interface = self.interface.unwrap_or(segment.interface);
        segment.context = self.context.unwrap_or(segment.context);
        segment.options = self.options.unwrap_or(segment.options);
        let mut said = Marks::empty();
        for mark in &self.marks {
            mark.apply(&mut segment.marks, &mut said);
        }
        Ok((segment, self.seq.map_or(Numbering::Current, |(_, numbering)| numbering)))
    }
}

impl MarkWord {
    /// Adds the mark. The first word on the checksum replaces what was believed of it.
    fn apply(self, marks: &mut Marks, said: &mut Marks) {
        if self.0 == "no-df" {
            marks.remove(Marks::DONT_FRAGMENT);
        } else if self.0 == "unchecked" {
            marks.remove(CHECKSUM);
        } else if let Some((_, mark)) = MARK_WORDS.iter().find(|(word, _)| *word == self.0) {
            if CHECKSUM.contains(*mark) && !said.intersects(CHECKSUM) {
                marks.remove(CHECKSUM);
            }
            marks.insert(*mark);
            said.insert(*mark);
        }
    }
}

fn mark_word(text: &str) -> Option<MarkWord> {
    let words = MARK_WORDS.iter().map(|(word, _)| *word).chain(["no-df", "unchecked"]);
    words.into_iter().find(|word| *word == text).map(MarkWord)
}

/// Applies `word` if it is a mark.
fn mark(word: Word<'_>, marks: &mut Marks, said: &mut Marks) -> bool {
    mark_word(word.text).map(|mark| mark.apply(marks, said)).is_some()
}

/// Adds `word` to `flags` if it is a control bit, or `none`.
fn control_bit(word: Word<'_>, flags: &mut Option<Flags>) -> bool {
    let none = (word.text == "none").then_some(Flags::empty());
    let bit = none.or_else(|| FLAG_WORDS.iter().find(|(text, _)| *text == word.text).map(|(_, bit)| *bit));
    *flags = bit.map(|bit| flags.unwrap_or_default() | bit).or(*flags);
    bit.is_some()
}

fn icmp_kind(words: &mut Words<'_>, v6: bool) -> Result<(u8, u8), ParseError> {
    let word = words.next();
    if word.text == "type" {
        let kind = words.value("an ICMP type")?;
        words.expect("code")?;
        return Ok((kind, words.value("an ICMP code")?));
    }
    let known = ICMP_WORDS.iter().find(|(text, _, _)| *text == word.text);
    let kind = known.and_then(|(_, v4, six)| if v6 { *six } else { *v4 });
    kind.ok_or_else(|| {
        let words: Vec<&str> = ICMP_WORDS.iter().map(|(text, _, _)| *text).collect();
        word.refuse(format_args!("`type N code N` or one of `{}`", words.join(" ")))
    })
}

fn side_of(text: &str) -> Option<Side> {
    Side::BOTH.into_iter().find(|side| side.name() == text)
}

/// The options after `<`, up to `>`.
fn options(words: &mut Words<'_>, peer: &Speaker) -> Result<TcpOptions, ParseError> {
    let mut options = TcpOptions::default();
    if words.take(">") {
        return Ok(options);
    }
    let mut kinds: Vec<OptionKind> = Vec::new();
    loop {
        let word = words.next();
        let kind = match word.text {
            "mss" => Some(OptionKind::MaximumSegmentSize),
            "wscale" => Some(OptionKind::WindowScale),
            "sackOK" => Some(OptionKind::SackPermitted),
            "TS" => Some(OptionKind::Timestamps),
            _ => None,
        };
        kinds.extend(kind.filter(|kind| !kinds.contains(kind)));
        match word.text {
            "mss" => options.mss = Some(words.value("a 16-bit number")?),
            "wscale" => options.window_scale = Some(words.value("a number up to 255")?),
            "sackOK" => options.sack_permitted = true,
            "fastopen" => options.fast_open = true,
            "mptcp" => options.multipath = true,
            "fastclose" => (options.multipath, options.multipath_end) = (true, MultipathEnd::FAST_CLOSE),
            "tcprst" => {
                options.multipath = true;
                options.multipath_end = MultipathEnd::path_reset(words.value("a number up to 255")?);
            }
            "TS" => {
                words.expect("val")?;
                let value = words.value("a 32-bit number")?;
                words.expect("ecr")?;
                options.timestamps = Some(Timestamps { value, echo: words.value("a 32-bit number")? });
            }
            "sack" => sack(words, peer, &mut options)?,
            _ => {
                return Err(word
                    .refuse("`mss`, `sackOK`, `wscale`, `TS`, `sack`, `fastopen`, `mptcp`, `fastclose` or `tcprst`"));
            }
        }
        let word = words.next();
        match word.text {
            "," => {}
            ">" => {
                options.order = OptionOrder::of(kinds.into_iter());
                return Ok(options);
            }
            _ => return Err(word.refuse("`,` or `>`")),
        }
    }
}

fn sack(words: &mut Words<'_>, peer: &Speaker, options: &mut TcpOptions) -> Result<(), ParseError> {
    while !matches!(words.peek().text, "," | ">" | "") {
        let word = words.next();
        let (left, right) =
            range(word, peer.isn, peer.next()).unwrap_or_else(|| Err(word.refuse("a range such as `1:101`")))?;
        let slot = options.sack.get_mut(usize::from(options.sack_count));
        *slot.ok_or_else(|| word.refuse("at most four blocks"))? = SackBlock { left: left.0, right: right.0 };
        options.sack_count += 1;
    }
    Ok(())
}

type Number = (Seq, Numbering);

/// `A:B`; none when there is no colon.
fn range(word: Word<'_>, isn: Seq, next: Seq) -> Option<Result<(Number, Number), ParseError>> {
    let (from, to) = word.text.split_once(':')?;
    let half = |text| number_text(text, isn, next).ok_or_else(|| word.refuse("a range such as `1:101`"));
    Some(half(from).and_then(|from| Ok((from, half(to)?))))
}

/// `5` or `-5` from the ISN, `next+5` from the next number, `=5` absolute.
fn number(word: Word<'_>, isn: Seq, next: Seq) -> Result<Number, ParseError> {
    number_text(word.text, isn, next).ok_or_else(|| word.refuse(A_NUMBER))
}

fn number_text(text: &str, isn: Seq, next: Seq) -> Option<Number> {
    if let Some(absolute) = text.strip_prefix('=') {
        return Some((Seq(absolute.parse().ok()?), Numbering::Foreign));
    }
    let (base, text) = text.strip_prefix("next").map_or((isn, text), |rest| (next, rest));
    if text.is_empty() {
        return Some((base, Numbering::Current));
    }
    let seq = match text.strip_prefix('-') {
        Some(back) => base - back.parse::<u32>().ok()?,
        None => base + text.strip_prefix('+').unwrap_or(text).parse::<u32>().ok()?,
    };
    Some((seq, Numbering::Current))
}

/// `nanos` if the clock reaches there.
fn clock(nanos: i128, word: Word<'_>) -> Result<i128, ParseError> {
    i64::try_from(nanos).map(i128::from).map_err(|_| word.refuse("a time between 1677 and 2262"))
}

/// What [`clock`] has let through.
fn timestamp(nanos: i128) -> Timestamp {
    Timestamp(i64::try_from(nanos).unwrap_or(i64::MAX))
}
