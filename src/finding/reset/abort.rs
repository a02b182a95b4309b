//! Linger 0 or unread data: two ways to abort a live socket that have one shape on the wire. What the packets decide is
//! said so; beyond that there are odds, counted on real programs.

use super::{Inquiry, Judgement};
use crate::base::Side;
use crate::connection::{Half, Noted, Profile, UnreadData};
use crate::finding::phrase::duration;
use crate::finding::verdict::{Cause, Confidence};
use crate::segment::Flags;

/// The application closes in the same breath, ns.
const AT_ONCE_NS: i64 = 5_000_000;
/// The application had time to read and to answer, ns.
const IDLE_NS: i64 = 100_000_000;
/// Few ways there and back are longer, ns.
const PATH_NS_MAX: i64 = 250_000_000;
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
    /// What came last, and how long before the reset, ns.
    last: Option<i64>,
}

/// The application or its death aborted a live socket.
pub(super) fn judge(inquiry: &Inquiry<'_>) -> Judgement {
    let shape = if inquiry.noted.flags.contains(Flags::ACK) {
        "it acknowledges, and stands at its sender's next number: a live socket was aborted"
    } else {
        "it stands at the next number of a sender that was there a moment before, and the peer had closed: Windows aborts a live socket so, without ACK"
    };
    if let Some(nothing) = nothing_received(inquiry, shape) {
        return nothing;
    }
    let stack = &inquiry.life.profiles[inquiry.from()];
    if stack.unread_data == UnreadData::Discards && stack.is_known() {
        let evidence = format!(
            "{shape}; by its SYN it runs {}, whose close() throws unread data away and sends FIN, so this was SO_LINGER 0",
            stack.name
        );
        // Who sees nothing but openings and ends does not see what it may have answered.
        let is_whole = !inquiry.connection.has_controls_alone();
        let confidence = if is_whole { Confidence::Medium } else { Confidence::Low };
        return Judgement::new(Cause::LingerZero, confidence, &[Cause::UnreadData, Cause::ProcessExit], evidence);
    }
    if closed_its_window(inquiry) {
        let evidence =
            format!("{shape}; the window that it had advertised last was zero, so its buffer was full of unread data");
        // Where close() throws unread data away this would be SO_LINGER 0.
        let (confidence, rivals): (_, &[Cause]) = match stack.is_known() {
            true => (Confidence::High, &[Cause::ProcessExit]),
            false => (Confidence::Medium, &[Cause::LingerZero, Cause::ProcessExit]),
        };
        return Judgement::new(Cause::UnreadData, confidence, rivals, evidence);
    }
    let (sender, receiver) = (inquiry.sender(), inquiry.receiver());
    if receiver.last_data.is_none() {
        let what = if sender.last_data.is_none() && receiver.missing_bytes > 0 {
            "none of the payload"
        } else {
            "nothing that it received"
        };
        let evidence = format!("{shape}; {what} was captured, so that nothing tells SO_LINGER 0 from data left unread");
        return Judgement::new(Cause::LingerZero, Confidence::Low, &[Cause::UnreadData, Cause::ProcessExit], evidence);
    }
    let odds = odds(inquiry);
    let (cause, rival) = match odds.unread >= odds.linger && !odds.is_guess_of_linger() {
        true => (Cause::UnreadData, Cause::LingerZero),
        false => (Cause::LingerZero, Cause::UnreadData),
    };
    let (more, less) = (odds.unread.max(odds.linger), odds.unread.min(odds.linger));
    // Counted on Linux; how programs abort elsewhere nobody has counted.
    let is_counted = !stack.is_known() || stack.name == Profile::LINUX.name;
    // Without a round trip nobody knows how long the last payload had been there.
    let rtt_ns = inquiry.life.arrivals.rtt_ns[inquiry.from()];
    let is_timed = rtt_ns.is_some() || odds.last.is_none_or(|ns| ns == 0 || ns >= IDLE_NS + PATH_NS_MAX);
    let is_likely = is_counted && is_timed && more >= CASES_MIN && more >= 5 * less;
    let confidence = if is_likely { Confidence::Medium } else { Confidence::Low };
    let ago = match odds.last {
        None => String::new(),
        Some(0) => " at the same moment".to_owned(),
        Some(ns) => format!(" {} before it", duration(ns)),
    };
    let counted = match more {
        0 => "; none of the real programs that were recorded aborted so".to_owned(),
        _ => format!(
            ": of real programs aborting so{}, {} had left data unread and {} had set SO_LINGER 0",
            if is_counted { "" } else { " on Linux" },
            odds.unread,
            odds.linger
        ),
    };
    let habit = if odds.sight == WITH_NOTHING_LEFT && stack.is_known() && stack.name == Profile::WINDOWS.name {
        ". Windows' own services (Kerberos, SMB) end connections so when the client has closed"
    } else {
        ""
    };
    let evidence =
        format!("{shape}; {}{ago}. SO_LINGER 0 and data left unread have one shape{counted}{habit}", odds.sight);
    Judgement::new(cause, confidence, &[rival, Cause::ProcessExit], evidence)
}

/// The peer had closed, and nothing that the tap saw was left to read.
const WITH_NOTHING_LEFT: &str =
    "everything that it had received was answered, and the peer had closed; its own payload came last,";

impl Odds {
    /// Nothing that could lie unread was seen.
    fn is_guess_of_linger(&self) -> bool {
        self.unread == 0 && self.linger == 0 && self.sight == WITH_NOTHING_LEFT
    }
}

/// Nothing had come, so nothing could be unread: what the packets decide.
fn nothing_received(inquiry: &Inquiry<'_>, shape: &str) -> Option<Judgement> {
    let (sender, receiver, noted) = (inquiry.sender(), inquiry.receiver(), inquiry.noted);
    let isn = receiver.isn?;
    let by_ack = noted.flags.contains(Flags::ACK).then(|| noted.ack.since(isn + 1));
    let nothing = receiver.payload_bytes + receiver.missing_bytes == 0
        || by_ack.is_some_and(|octets| octets <= 0) && !receiver.has_gone_round();
    if !nothing {
        return None;
    }
    let passive_and_mute = inquiry.from() == Side::Server && sender.payload_bytes == 0 && sender.gaps.is_empty();
    let (confidence, rivals): (_, &[Cause]) =
        if passive_and_mute { (Confidence::Medium, &[Cause::ProcessExit]) } else { (Confidence::High, &[]) };
    let listener =
        if passive_and_mute { " (or a listener was closed with this connection not yet accepted)" } else { "" };
    let evidence = format!("{shape}; the resetting side had received no payload, so nothing could be unread{listener}");
    Some(Judgement::new(Cause::LingerZero, confidence, rivals, evidence))
}

/// The reset followed a window of zero: whoever reads opens it, and says so.
fn closed_its_window(inquiry: &Inquiry<'_>) -> bool {
    inquiry.sender().window == 0 && inquiry.sender().last.is_some_and(|last| last.window == 0)
}

/// What the wire shows before the abort.
fn odds(inquiry: &Inquiry<'_>) -> Odds {
    let (sender, receiver, noted) = (inquiry.sender(), inquiry.receiver(), inquiry.noted);
    let path_ns = inquiry.life.arrivals.rtt_ns[inquiry.from()].unwrap_or(0);
    let received = receiver.last_data.map(|data| (noted.time.since(data.time) - path_ns).max(0));
    let of = |unread, linger, sight| Odds { unread, linger, sight, last: received };
    let closed = peer_closed(inquiry, receiver);
    let Some(sent) = sender.last_data.filter(Noted::acknowledges) else {
        return match inquiry.from() {
            Side::Server => of(1, 48, "the server had received payload and never sent any, the last came"),
            Side::Client => of(112, 16, "the client had received payload and never sent any, the last came"),
        };
    };
    let own = noted.time.since(sent.time);
    if receiver.last_data.is_none_or(|data| data.time < sent.time) {
        let (unread, linger, sight) = match (closed, inquiry.from(), own) {
            (true, Side::Client, _) => (9, 0, "the server had closed; its own payload came last,"),
            (true, Side::Server, _) => (0, 0, WITH_NOTHING_LEFT),
            (false, _, ..AT_ONCE_NS) => (74, 0, "its own payload came last,"),
            (false, _, AT_ONCE_NS..IDLE_NS) => (0, 1, "its own payload came last,"),
            (false, ..) => (0, 18, "everything that it had received was answered; its own payload came last,"),
        };
        return Odds { unread, linger, sight, last: Some(own) };
    }
    if closed {
        return match inquiry.from() {
            Side::Client => of(74, 0, "the server had closed, and its last payload came"),
            Side::Server => of(0, 0, "the client had closed, and its last payload was not answered; it came"),
        };
    }
    let since_last_word = noted.ack.since(sent.ack);
    let one_segment = since_last_word <= i32::from(sender.mss.unwrap_or(MSS_DEFAULT).min(i16::MAX as u16) as i16);
    match (received.unwrap_or(0), one_segment) {
        (..AT_ONCE_NS, true) => of(1, 8, "one segment came after its last word,"),
        (..AT_ONCE_NS, false) => of(36, 10, "payload was coming in, the last"),
        (AT_ONCE_NS..IDLE_NS, _) => of(51, 1, "payload came last and was not answered,"),
        (_, true) => of(58, 20, "one segment came after its last word and was never answered,"),
        (_, false) => of(84, 0, "payload came last and was never answered,"),
    }
}

/// The peer's FIN had arrived.
fn peer_closed(inquiry: &Inquiry<'_>, receiver: &Half) -> bool {
    let is_told = inquiry.noted.flags.contains(Flags::ACK);
    receiver.fin.is_some_and(|fin| !is_told || inquiry.noted.ack.after(fin))
}
