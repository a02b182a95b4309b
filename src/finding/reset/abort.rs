//! Linger 0 or unread data: two ways to abort a live socket that have one shape on the wire. What the packets decide is
//! said so; beyond that there are odds, counted on real programs.

use std::fmt;

use super::{Inquiry, Judgement};
use crate::base::Side;
use crate::connection::{Abort, Noted, Orderly, Profile, UnreadData};
use crate::finding::case::Words;
use crate::finding::phrase::{count, duration};
use crate::finding::verdict::{Cause, Confidence, Family, Origin, Reset};
use crate::segment::Flags;

/// The application closes in the same breath, ns.
const AT_ONCE_NS: i64 = 5_000_000;
/// The application had time to read and to answer, ns.
const IDLE_NS: i64 = 100_000_000;
/// Few ways there and back are longer, ns.
const PATH_NS_MAX: i64 = 250_000_000;
/// Less than this part of the time before a reset is not worth a word.
const WAY_OF_REST_MIN: i64 = 20;
/// What one segment can carry when the handshake does not say, octets.
const MSS_DEFAULT: u16 = 1_448;
/// Of so many cases at least five in six must agree for a medium confidence.
const CASES_MIN: u32 = 10;

/// How often each of the two was the kernel's reason on recordings of nginx, haproxy, redis, PostgreSQL, OpenSSH, Node.js,
/// Python, openssl and curl (`fixtures/record/odds`), and what the packets look like. Where none of them aborted so, the
/// likelier one is a guess.
struct Odds {
    unread: u32,
    linger: u32,
    sight: &'static str,
    /// What came last, and how long before the reset it had reached the end that aborted, ns.
    last: Option<i64>,
    /// How much sooner it was captured: the way there and back, ns.
    way_ns: i64,
}

/// What the packets show of an abort.
pub(super) struct Sight<'a> {
    /// Who aborted.
    pub from: Side,
    /// The stack of that end.
    pub stack: &'a Profile,
    /// The reset acknowledges.
    pub acknowledges: bool,
    /// Where it stands among its sender's numbers.
    pub place: Place,
    /// Nothing had come that could lie unread.
    pub is_empty: bool,
    /// The end that aborted had said nothing, as far as the capture goes.
    pub is_mute: bool,
    /// More than openings and ends was captured.
    pub is_whole: bool,
    /// The last window that the aborting end advertised was zero.
    pub is_window_closed: bool,
    /// How long before the reset its peer's last payload was captured, ns.
    pub asked_ns: Option<i64>,
    /// The same of its own, if that acknowledged.
    pub said_ns: Option<i64>,
    /// Its own came later than the peer's.
    pub had_last_word: bool,
    /// It had sent none, and of what it received none was captured.
    pub lacks_payload: bool,
    /// The peer's FIN had arrived.
    pub peer_closed: bool,
    /// It acknowledges no more than one segment since its last word.
    pub is_one_segment: bool,
    /// From the tap to the aborting end and back, ns.
    pub rtt_ns: Option<i64>,
}

/// Where an abort stands among its sender's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the next one, or at that of its FIN.
    Next,
    /// So many octets beyond the next one that the capture shows.
    Beyond(u64),
    /// So many octets before the next one.
    Before(u64),
    /// Wherever it stands, it acknowledges so many octets beyond its receiver's FIN, which nobody can have sent.
    Unsent(u64),
    /// Nothing else of its sender's data was captured.
    Unknown,
}

impl Place {
    fn of(inquiry: &Inquiry<'_>) -> Self {
        let (sender, seq) = (inquiry.sender(), inquiry.noted.seq);
        let beyond_fin = inquiry.receiver().fin.map_or(0, |fin| inquiry.noted.ack.since(fin + 1));
        if inquiry.noted.flags.contains(Flags::ACK) && beyond_fin > 0 {
            return Self::Unsent(u64::from(beyond_fin.unsigned_abs()));
        }
        if !sender.is_known() || inquiry.connection.shows_controls_alone() {
            return Self::Unknown;
        }
        let octets = i64::from(seq.since(sender.nxt));
        match octets {
            _ if sender.fin == Some(seq) => Self::Next,
            0 => Self::Next,
            1.. => Self::Beyond(octets.unsigned_abs()),
            _ => Self::Before(octets.unsigned_abs()),
        }
    }

    /// What the header shows.
    fn words(self) -> impl fmt::Display {
        fmt::from_fn(move |f| match self {
            Self::Next => f.write_str("it acknowledges, and stands at its sender's next number"),
            Self::Beyond(octets) => {
                write!(
                    f,
                    "it acknowledges, and stands {} beyond what was captured of its sender",
                    count(octets, "octet")
                )
            }
            Self::Before(octets) => write!(
                f,
                "it acknowledges as an abort does, though it stands {} before its sender's next number",
                count(octets, "octet")
            ),
            Self::Unsent(octets) => write!(
                f,
                "it acknowledges {} beyond its receiver's FIN, which no socket of this connection can have received",
                count(octets, "octet")
            ),
            Self::Unknown => {
                f.write_str("it acknowledges as an abort does, and its sender's other numbers were not captured")
            }
        })
    }
}

impl<'a> Sight<'a> {
    fn of(inquiry: &Inquiry<'a>) -> Self {
        let (sender, receiver, noted) = (inquiry.sender(), inquiry.receiver(), inquiry.noted);
        let acknowledges = noted.flags.contains(Flags::ACK);
        let said = sender.last_payload();
        // A SYN that carries payload acknowledges nothing.
        let since_last_word = said.filter(Noted::acknowledges).map(|said| noted.ack.since(said.ack));
        let ago = |data: Noted| noted.time.since(data.time);
        // Where a clock is coarse an answer has the time of what it answers.
        let moment = |data: &Noted| (data.time, data.frame);
        Self {
            from: inquiry.from(),
            stack: &inquiry.life.profiles[inquiry.from()],
            acknowledges,
            place: Place::of(inquiry),
            is_empty: has_received_nothing(inquiry),
            is_mute: sender.payload_bytes == 0 && sender.gaps.is_empty(),
            is_whole: !inquiry.connection.has_controls_alone(),
            is_window_closed: sender.window == 0 && sender.last.is_some_and(|last| last.window == 0),
            asked_ns: receiver.last_payload().map(ago),
            said_ns: said.map(ago),
            had_last_word: said
                .is_some_and(|said| receiver.last_payload().is_none_or(|data| moment(&data) < moment(&said))),
            lacks_payload: sender.last_payload().is_none() && receiver.missing_bytes > 0,
            peer_closed: receiver.fin.is_some_and(|fin| !acknowledges || noted.ack.after(fin)),
            is_one_segment: since_last_word.is_some_and(|octets| octets <= segment_octets(sender.mss)),
            rtt_ns: inquiry.life.arrivals.rtt_ns[inquiry.from()],
        }
    }
}

/// Octets of its sender that the number of an abort shows and no frame carries.
pub(super) fn octets_unseen(inquiry: &Inquiry<'_>) -> u64 {
    match Place::of(inquiry) {
        Place::Beyond(octets) => octets,
        Place::Next | Place::Before(_) | Place::Unsent(_) | Place::Unknown => 0,
    }
}

/// What one segment can carry of who announced `mss`.
pub(super) fn segment_octets(mss: Option<u16>) -> i32 {
    i32::from(mss.unwrap_or(MSS_DEFAULT).min(i16::MAX as u16))
}

/// The application or its death aborted a live socket.
pub(super) fn judge(inquiry: &Inquiry<'_>) -> Judgement {
    judge_by(&Sight::of(inquiry), Words::Written)
}

/// The same by what the packets show.
pub(super) fn judge_by(sight: &Sight<'_>, words: Words) -> Judgement {
    let judgement = judge_shaped(sight, words);
    match sight.place {
        // No stack numbers its abort so, unless the peer has taken back window.
        Place::Before(_) => {
            let rivals = judgement.rivals.into_iter().chain([Cause::Injected]).collect();
            Judgement { confidence: Confidence::Low, rivals, ..judgement }
        }
        Place::Next | Place::Beyond(_) | Place::Unsent(_) | Place::Unknown => judgement,
    }
}

fn judge_shaped(sight: &Sight<'_>, words: Words) -> Judgement {
    if let Place::Unsent(_) = sight.place {
        let evidence = words.say(format_args!("{}", sight.place.words()));
        return Judgement::new(Cause::Unknown, Confidence::Low, &[Cause::Injected], evidence);
    }
    let shape = fmt::from_fn(|f| {
        match sight.acknowledges {
        true => write!(f, "{}: a live socket was aborted", sight.place.words()),
        false => f.write_str("it stands at the next number of a sender that was there a moment before, and the peer had closed: Windows aborts a live socket so, without ACK"),
    }
    });
    if let Some(nothing) = nothing_received(sight, words, &shape) {
        return nothing;
    }
    let stack = sight.stack;
    if stack.unread_data == UnreadData::Discards && stack.is_known() {
        let evidence = words.say(format_args!(
            "{shape}; by its SYN it runs {}, whose close() throws unread data away and sends FIN, so this was SO_LINGER 0",
            stack.name
        ));
        // Who sees nothing but openings and ends does not see what it may have answered.
        let confidence = if sight.is_whole { Confidence::Medium } else { Confidence::Low };
        return Judgement::new(Cause::LingerZero, confidence, &[Cause::UnreadData, Cause::ProcessExit], evidence);
    }
    if sight.is_window_closed {
        let evidence = words.say(format_args!(
            "{shape}; the window that it had advertised last was zero, so its buffer was full of unread data"
        ));
        // Where close() throws unread data away this would be SO_LINGER 0.
        let (confidence, rivals): (_, &[Cause]) = match stack.is_known() {
            true => (Confidence::High, &[Cause::ProcessExit]),
            false => (Confidence::Medium, &[Cause::LingerZero, Cause::ProcessExit]),
        };
        return Judgement::new(Cause::UnreadData, confidence, rivals, evidence);
    }
    if sight.asked_ns.is_none() {
        let what = if sight.lacks_payload { "none of the payload" } else { "nothing that it received" };
        let evidence = words
            .say(format_args!("{shape}; {what} was captured, so that nothing tells SO_LINGER 0 from data left unread"));
        return Judgement::new(Cause::LingerZero, Confidence::Low, &[Cause::UnreadData, Cause::ProcessExit], evidence);
    }
    if sight.said_ns.is_none() && matches!(sight.place, Place::Beyond(_)) {
        let evidence = words.say(format_args!(
            "{shape}; what it had sent was not captured, so that nothing tells data left unread from SO_LINGER 0"
        ));
        let rivals = &[Cause::LingerZero, Cause::ProcessExit];
        return Judgement::new(Cause::UnreadData, Confidence::Low, rivals, evidence);
    }
    let odds = odds(sight);
    let is_unread = odds.unread >= odds.linger && !odds.is_guess_of_linger() || odds.is_of_one_program();
    let (cause, rival) = match is_unread {
        true => (Cause::UnreadData, Cause::LingerZero),
        false => (Cause::LingerZero, Cause::UnreadData),
    };
    let (more, less) = (odds.unread.max(odds.linger), odds.unread.min(odds.linger));
    // Counted on Linux; how programs abort elsewhere nobody has counted.
    let is_counted = !stack.is_other_than(&Profile::LINUX);
    // Without a round trip nobody knows how long the last payload had been there.
    let is_timed = sight.rtt_ns.is_some() || odds.last.is_none_or(|ns| ns == 0 || ns >= IDLE_NS + PATH_NS_MAX);
    let is_likely = is_counted && is_timed && !odds.is_of_one_program() && more >= CASES_MIN && more >= 5 * less;
    let confidence = if is_likely { Confidence::Medium } else { Confidence::Low };
    let evidence = words.say(format_args!("{shape}; {}", told(&odds, stack, is_counted)));
    Judgement::new(cause, confidence, &[rival, Cause::ProcessExit], evidence)
}

/// The odds in words.
fn told<'a>(odds: &'a Odds, stack: &'a Profile, is_counted: bool) -> impl fmt::Display + 'a {
    fmt::from_fn(move |f| {
        f.write_str(odds.sight)?;
        match (odds.last, odds.way_worth_a_word()) {
            (None, _) => {}
            (Some(0), 0) => f.write_str(" at the same moment")?,
            (Some(0), way) => {
                write!(f, " {} before it, no more than the way to that end and back takes", duration(way))?
            }
            (Some(ns), 0) => write!(f, " {} before it", duration(ns + odds.way_ns))?,
            (Some(ns), way) => {
                let (captured, way) = (duration(ns + way), duration(way));
                write!(f, " {captured} before it, {way} of which is the way to that end and back")?;
            }
        }
        f.write_str(". SO_LINGER 0 and data left unread have one shape")?;
        let is_service = odds.sight == WITH_NOTHING_LEFT && stack.is_surely(&Profile::WINDOWS);
        match odds.unread.max(odds.linger) {
            0 if is_service => {}
            0 if is_counted => f.write_str("; no real program that was recorded for comparison aborted so")?,
            _ if !is_counted => write!(f, ", and which of them is more common on {} is not known", stack.title())?,
            _ if odds.is_of_one_program() => write!(
                f,
                ": of real programs aborting so, {} had left data unread, and one had set SO_LINGER 0 ({} times); but a service that never answers has mostly not read",
                odds.unread, odds.linger
            )?,
            _ => write!(
                f,
                ": of real programs aborting so, {} had left data unread and {} had set SO_LINGER 0",
                odds.unread, odds.linger
            )?,
        }
        if is_service {
            f.write_str(". Windows' own services (Kerberos, SMB) end connections so when the client has closed")?;
        }
        Ok(())
    })
}

/// The server may have been a sink that reads, or have turned the client away unread.
const NEVER_ANSWERED: &str = "the server had received payload and never sent any, the last came";

/// The peer had closed, and nothing that the tap saw was left to read.
const WITH_NOTHING_LEFT: &str =
    "everything that it had received was answered, and the peer had closed; its own payload came last,";

impl Odds {
    /// The way, ns; none where the rest is nearly all.
    fn way_worth_a_word(&self) -> i64 {
        let is_short = self.last.is_some_and(|ns| self.way_ns < ns / WAY_OF_REST_MIN);
        if is_short { 0 } else { self.way_ns }
    }

    /// Nearly all that was counted is of one program (Node.js, `resetAndDestroy()`), and says nothing of others.
    fn is_of_one_program(&self) -> bool {
        self.sight == NEVER_ANSWERED
    }

    /// Nothing that could lie unread was seen.
    fn is_guess_of_linger(&self) -> bool {
        self.unread == 0 && self.linger == 0 && self.sight == WITH_NOTHING_LEFT
    }
}

/// Nothing had come, so nothing could be unread: what the packets decide.
fn nothing_received(sight: &Sight<'_>, words: Words, shape: &impl fmt::Display) -> Option<Judgement> {
    if !sight.is_empty {
        return None;
    }
    let passive_and_mute = sight.from == Side::Server && sight.is_mute;
    let (confidence, rivals): (_, &[Cause]) =
        if passive_and_mute { (Confidence::Medium, &[Cause::ProcessExit]) } else { (Confidence::High, &[]) };
    let listener =
        if passive_and_mute { " (or a listener was closed with this connection not yet accepted)" } else { "" };
    let evidence = words
        .say(format_args!("{shape}; the resetting side had received no payload, so nothing could be unread{listener}"));
    Some(Judgement::new(Cause::LingerZero, confidence, rivals, evidence))
}

fn has_received_nothing(inquiry: &Inquiry<'_>) -> bool {
    let (receiver, noted) = (inquiry.receiver(), inquiry.noted);
    let Some(isn) = receiver.isn else { return false };
    // It tells, too, of what was not captured.
    let by_ack = noted.flags.contains(Flags::ACK).then(|| noted.ack.since(isn + 1));
    match by_ack.filter(|_| !receiver.has_gone_round()) {
        Some(octets) => octets <= i32::from(receiver.fin.is_some_and(|fin| noted.ack.after(fin))),
        None => receiver.payload_bytes + receiver.missing_bytes == 0,
    }
}

/// What the wire shows before the abort.
fn odds(sight: &Sight<'_>) -> Odds {
    let received = sight.asked_ns.map(|ns| (ns - sight.rtt_ns.unwrap_or(0)).max(0));
    let way_ns = sight.asked_ns.zip(received).map_or(0, |(asked, received)| asked - received);
    let of = |unread, linger, what| Odds { unread, linger, sight: what, last: received, way_ns };
    let Some(own) = sight.said_ns else {
        return match sight.from {
            Side::Server => of(1, 48, NEVER_ANSWERED),
            Side::Client => of(112, 16, "the client had received payload and never sent any, the last came"),
        };
    };
    if sight.had_last_word {
        let (unread, linger, what) = match (sight.peer_closed, sight.from, own) {
            (true, Side::Client, _) => (9, 0, "the server had closed; its own payload came last,"),
            (true, Side::Server, _) => (0, 0, WITH_NOTHING_LEFT),
            (false, _, ..AT_ONCE_NS) => (74, 0, "its own payload came last,"),
            (false, _, AT_ONCE_NS..IDLE_NS) => (0, 1, "its own payload came last,"),
            (false, ..) => (0, 18, "everything that it had received was answered; its own payload came last,"),
        };
        return Odds { unread, linger, sight: what, last: Some(own), way_ns: 0 };
    }
    if sight.peer_closed {
        return match sight.from {
            Side::Client => of(74, 0, "the server had closed, and its last payload came"),
            Side::Server => of(0, 0, "the client had closed, and its last payload was not answered; it came"),
        };
    }
    match (received.unwrap_or(0), sight.is_one_segment) {
        (..AT_ONCE_NS, true) => of(1, 8, "no more than a segment's payload came after its last word,"),
        (..AT_ONCE_NS, false) => of(36, 10, "payload was coming in, the last"),
        (AT_ONCE_NS..IDLE_NS, _) => of(51, 1, "payload came last and was not answered,"),
        (_, true) => of(58, 20, "no more than a segment's payload came after its last word and was never answered,"),
        (_, false) => of(84, 0, "payload came last and was never answered,"),
    }
}

/// The reset with which an end of a connection of which the life was told in short aborted it.
pub(super) fn of_orderly(orderly: &Orderly, abort: &Abort, words: Words) -> Reset {
    let from = abort.side;
    let sight = Sight {
        from,
        stack: &orderly.profiles[from],
        acknowledges: true,
        place: Place::Next,
        is_empty: orderly.sent[!from].payload_bytes == 0 || abort.had <= 0,
        is_mute: orderly.sent[from].payload_bytes == 0,
        is_whole: true,
        is_window_closed: false,
        asked_ns: orderly.sent[!from].last_payload.map(|data| abort.at.time.since(data.place.time)),
        said_ns: orderly.sent[from].last_payload.map(|data| abort.at.time.since(data.place.time)),
        had_last_word: abort.had_last_word(orderly),
        lacks_payload: false,
        peer_closed: orderly.fins[!from].is_some(),
        is_one_segment: abort.had_since_word <= segment_octets(abort.mss),
        rtt_ns: orderly.path_ns(from),
    };
    let Judgement { cause, confidence, rivals, evidence, kind } = judge_by(&sight, words);
    Reset {
        frame: abort.at.frame,
        time: abort.at.time,
        from,
        origin: Origin::Endpoint,
        family: Some(Family::Active),
        cause,
        confidence,
        rivals,
        kind,
        accepted: true,
        taken_in: None,
        client_bytes_lost: abort.lost.client,
        server_bytes_lost: abort.lost.server,
        octets_unseen: 0,
        echoes: 0,
        evidence,
    }
}
