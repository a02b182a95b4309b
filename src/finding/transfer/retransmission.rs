//! `retransmission`: payload was sent again.

use std::fmt;

use crate::base::{Seq, Side};
use crate::connection::{Class, Noted};
use crate::finding::phrase::{count, duration};
use crate::segment::Flags;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// One side sent payload again. `kind` says what made it, in Wireshark's words where it has them: `fast` (the peer's
    /// acknowledgments told of a hole), `timeout` (nothing came back for as long as the retransmission timer runs),
    /// `tail-loss-probe` (the last segment once more before the timer, to provoke an acknowledgment; RFC 8985), `spurious`
    /// (the peer had acknowledged those octets already), `path-mtu` (a router said that it was too large). With several, the commonest, and the sentence counts them.
    ///
    /// # Why it matters
    ///
    /// The application sees a pause: about one round trip for a fast one, at least 200 ms (Linux) and doubling for a timeout. A
    /// few in a thousand are ordinary on any path with a bottleneck, since loss is how TCP learns its speed.
    ///
    /// # How it is recognised
    ///
    /// Sequence space that was seen before comes again, in a frame that is not the same frame captured twice; or a segment
    /// fills a gap later than reordering explains. A hole was told of when the peer's newest acknowledgment carries SACK
    /// beyond it, repeats its number, or moves up to it at once before, as a recovery goes on from hole to hole. That was one round
    /// trip before, also where a round trip is longer than a timer. What fills a gap within 20 ms was asked for: no timer is so short.
    /// Nor was it sent again that nobody asked for and that has the timestamp of what overtook it. When the original comes after
    /// all, what filled the gap before was sent again, however soon.
    ///
    /// ```trace fires
    ///         client > SYN <sackOK>
    ///         server > SYN ACK <sackOK>
    ///         client > ACK
    ///         client > data 100
    /// +300ms  client > again
    ///         server > ACK
    /// ```
    ///
    /// ```trace fires
    ///         client > SYN <sackOK>
    ///         server > SYN ACK <sackOK>
    ///         client > ACK
    ///         server > data 1:1001
    ///         server > data 1001:2001
    /// +20ms   client > ACK ack 1 <sack 1001:2001>
    /// +20ms   server > PSH ACK data 1:1001
    ///         client > ACK
    /// ```
    ///
    /// What comes again together with octets that had only been behind it:
    ///
    /// ```trace fires
    ///        client > SYN <sackOK>
    ///        server > SYN ACK <sackOK>
    ///        client > ACK
    ///        client > data 101:201
    /// +20ms  server > ACK <sack 101:201>
    /// +2s    client > data 1:201
    ///        server > ACK
    /// ```
    ///
    /// A receiver with SACK tells what comes to it twice (D-SACK, RFC 2883): its octets are in the sentence, and were not lost.
    ///
    /// Why is not told where all has one and the same time, or lies within less than a timer takes, as in captures that were made by
    /// hand:
    ///
    /// ```trace fires
    /// +0s client > data 1:101
    /// +0s client > data 101:201
    /// +0s client > data 1:101
    /// ```
    ///
    /// A segment that is sent again behind another one counts, too, when it was the newest of all and long ago:
    ///
    /// ```trace fires
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > data 1:1001
    ///        client > data 1001:2001
    /// +400ms client > data 1:1001
    /// +1ms   client > data 1001:2001
    ///        server > ACK ack 2001
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// An original that its repetition overtook, and copies that the network made: their timestamp, acknowledgment or IPv4 id (of
    /// who counts them) is older than those of the segment before. Segments out of order: what fills a gap within a round trip was overtaken and not sent again. `duplicate-frames`: the
    /// same frame captured twice. `keepalive` and zero-window probes, which repeat an octet on purpose. `outage-repaired` and
    /// `dead-peer`, where one segment is repeated again and again.
    ///
    /// ```trace quiet
    ///         client > SYN
    ///         server > SYN ACK
    ///         client > ACK
    ///         server > data 1001:2001
    ///         server > data 1:1001
    ///         client > ACK ack 2001
    /// ```
    ///
    /// Nor a stretch of the file that stands in it once more, with the times that it had:
    ///
    /// ```trace quiet
    ///        client > SYN id 1
    /// +200ms server > SYN ACK id 1
    /// +200ms client > ACK id 2
    /// +200ms client > data 1:101 id 3
    /// +200ms client > data 101:201 id 4
    /// +200ms server > ACK id 2
    /// -1s    client > SYN seq 0 id 1
    /// +200ms server > SYN ACK seq 0 id 1
    /// +200ms client > ACK seq 1 ack 1 id 2
    /// +200ms client > data 1:101 ack 1 id 3
    /// +200ms client > data 101:201 ack 1 id 4
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing below about one segment in a hundred. Beyond that look at where: all connections through one link or host are that
    /// link (ethtool -S counts its errors and drops, tc -s qdisc its queue's); one peer is its access. Many timeouts with few
    /// segments in flight are short answers, which no fast retransmission can help: RACK and tail loss probes can, and Linux has
    /// both on (net.ipv4.tcp_recovery, tcp_early_retrans). Many spurious ones are delay that jumps (mobile, Wi-Fi power saving)
    /// or paths that reorder; they cost bandwidth and no data. What came to the receiver
    /// twice, by its D-SACK, was sent again because acknowledgments were lost or late, and no data were lost. Both copies in the capture mean that the loss is behind the tap,
    /// a gap that is filled later that it is before it.
    "retransmission", Transfer, Note, [REPETITION], detect
}

/// Nobody's retransmission timer is shorter, ns: those of hosts are 30 ms and more, and tuned ones still milliseconds.
const TIMEOUT_NS_MIN: i64 = 1_000_000;

/// What made a side repeat itself, the costliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Timeout,
    Fast,
    TailLossProbe,
    Spurious,
    PathMtu,
    Unexplained,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Timeout, Self::Fast, Self::TailLossProbe, Self::Spurious, Self::PathMtu, Self::Unexplained];

    fn of(case: &Case<'_>, note: &Noted) -> Self {
        let class = note.class;
        if class.contains(Class::BELOW_ACK) {
            Self::Spurious
        } else if was_too_large(case, note) {
            Self::PathMtu
        } else if stood_in_syn(case, note) {
            // With its SYN, which was sent again alone.
            Self::Timeout
        } else if class.contains(Class::FAST) {
            Self::Fast
        } else if class.contains(Class::PROMPT) {
            Self::TailLossProbe
        } else if class.contains(Class::UNPROMPTED) {
            Self::Unexplained
        } else if class.contains(Class::FILLS_GAP)
            && opener(case, note).is_some_and(|opener| note.time.since(opener.time) < PROMPT_NS)
        {
            Self::Fast
        } else {
            Self::Timeout
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Fast => "fast",
            Self::TailLossProbe => "tail-loss-probe",
            Self::Spurious => "spurious",
            Self::PathMtu => "path-mtu",
            Self::Unexplained => "unexplained",
        }
    }
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        let repeated = |note: &Noted| {
            note.side == side
                && note.len > 0
                && !note.is_rst()
                && !note.is_syn()
                && !note.class.contains(Class::COPY)
                && !is_stray(case, note)
                && !comes_again_behind_syn(case, note)
        };
        let refills =
            |note: &Noted| repeated(note) && note.class.contains(Class::FILLS_GAP) && is_sent_again(case, note);
        let refilled: Vec<&Noted> = case.notes(refills).collect();
        let mut notes: Vec<&Noted> =
            case.notes(|note| repeated(note) && note.class.contains(Class::RETRANSMISSION)).collect();
        let is_copy = |note: &Noted| note.class.contains(Class::RETRANSMISSION | Class::COPY) && note.side == side;
        let refused = |note: &Noted| note.side == side && comes_again_behind_syn(case, note);
        let copies = (case.notes(is_copy).count() + case.notes(refused).count()) as u64;
        let total = u64::from(half.retransmissions).saturating_sub(copies).max(notes.len() as u64);
        let (total, has_refills) = (total + refilled.len() as u64, !refilled.is_empty());
        notes.extend(refilled);
        let Some(first) =
            notes.iter().min_by_key(|note| note.frame).filter(|_| total >= case.thresholds.retransmissions)
        else {
            continue;
        };
        let kinds: Vec<Kind> = notes.iter().map(|note| Kind::of(case, note)).collect();
        let counts = Kind::ALL.map(|kind| (kind, kinds.iter().filter(|&&one| one == kind).count()));
        let commonest = counts.iter().rev().max_by_key(|(_, count)| *count).map_or(Kind::Timeout, |(kind, _)| *kind);
        let of_which: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(
                |(kind, count)| {
                    if *count == kinds.len() { kind.name().to_owned() } else { format!("{count} {}", kind.name()) }
                },
            )
            .collect();
        let remembered =
            if kinds.len() as u64 == total { String::new() } else { format!("{} of them remembered: ", kinds.len()) };
        let what = format!("{} sent {} again", case.name(side), count(total, "segment"));
        let frames = notes.iter().map(|note| note.frame);
        let lasted_ns = case.connection.end.since(case.connection.start);
        let rests_on_time = kinds.iter().any(|kind| matches!(kind, Kind::Timeout | Kind::Unexplained));
        if rests_on_time && lasted_ns < TIMEOUT_NS_MIN {
            let when = fmt::from_fn(|f| match lasted_ns {
                0 => f.write_str("has one and the same time"),
                ns => write!(f, "lies within {}, in which no timer runs out", duration(ns)),
            });
            let message = format_args!("{what}; all of it {when}, so that nothing tells why");
            ENTRY.draft(Confidence::Medium, first.time, frames, message).endpoint(side).push(found);
            continue;
        }
        let twice = case.connection.halves[!side].received_again;
        let twice = fmt::from_fn(|f| match twice {
            0 => Ok(()),
            octets => {
                write!(f, "; {} came to the {} twice, as its D-SACK says", count(octets, "octet"), !side)
            }
        });
        let message = format!("{what} ({remembered}{}){twice}", of_which.join(", "));
        // Without a round trip nobody knows for sure what was overtaken and what was sent again.
        let is_sure = !has_refills || case.life.arrivals.rtt_ns[side].is_some();
        let confidence = match case.connection.context_change {
            // What came another way may be another connection's.
            Some(_) => Confidence::Low,
            None if is_sure => Confidence::High,
            None => Confidence::Medium,
        };
        ENTRY.draft(confidence, first.time, frames, message).endpoint(side).kind(commonest.name()).push(found);
    }
}

/// It begins with octets of its sender's SYN that the handshake did not take, for the first time behind that: they were not
/// lost (RFC 7413, section 4.1.3).
fn comes_again_behind_syn(case: &Case<'_>, note: &Noted) -> bool {
    let left = case.life.octets_left_of_syn(note.side);
    left.is_some_and(|(from, to)| note.seq.at_or_after(from) && note.seq.before(to)) && stood_in_syn(case, note)
}

/// It begins with octets of its sender's SYN, for the first time behind that.
fn stood_in_syn(case: &Case<'_>, note: &Noted) -> bool {
    let own = |other: &Noted| other.side == note.side && other.len > 0 && other.frame < note.frame && !other.is_rst();
    let begins = |syn: &Noted| note.seq.after(syn.seq) && note.seq.before(syn.end());
    let covers = |other: &Noted| own(other) && other.seq.at_or_before(note.seq) && other.end().after(note.seq);
    let opens = |other: &Noted| other.flags.contains(Flags::SYN);
    note.len > 0
        && !opens(note)
        && case.notes(|syn| own(syn) && opens(syn) && begins(syn)).next().is_some()
        && case.notes(|other| covers(other) && !opens(other)).next().is_none()
}

/// It comes when both ends have closed and says nothing that its peer has not acknowledged: the network's copy.
fn is_stray(case: &Case<'_>, note: &Noted) -> bool {
    let fins = &case.life.closing.fins;
    let both = [fins.client, fins.server].into_iter().all(|fin| fin.is_some_and(|fin| fin.frame < note.frame));
    both && note.class.contains(Class::BELOW_ACK)
}

/// A router had just said that what begins there is too large, and it comes in smaller pieces (RFC 1191, RFC 8201).
fn was_too_large(case: &Case<'_>, note: &Noted) -> bool {
    case.connection.icmp_errors.iter().any(|error| {
        let is_too_big = if error.v6 { error.kind == 2 } else { (error.kind, error.code) == (3, 4) };
        let since = note.time.since(error.time);
        let at_once = note.seq.at_or_after(error.seq) && (0..=PROMPT_NS).contains(&since);
        // What was refused with it comes again as acknowledgments let it.
        let is_quoted = note.seq.since(error.seq).unsigned_abs() <= note.len && (0..=REFILLED_NS).contains(&since);
        is_too_big && error.mtu != Some(0) && (at_once || is_quoted)
    })
}

/// What a router refused has been sent again in smaller pieces by then, some round trips later, ns.
const REFILLED_NS: i64 = 1_000_000_000;

/// No timer runs out so soon, ns.
const PROMPT_NS: i64 = 20_000_000;

/// What fills a gap came later than a segment that was only overtaken, or the overtaken one came behind it.
fn is_sent_again(case: &Case<'_>, note: &Noted) -> bool {
    let rtt = case.life.arrivals.rtt_ns[note.side].map_or(REORDERING_NS, |rtt| (rtt - rtt / 4).max(REORDERING_NS));
    let is_late =
        |opener: &Noted| note.time.since(opener.time) >= rtt && !(is_unasked(note) && is_written_with(note, opener));
    opener(case, note).is_some_and(is_late) || original(case, note).is_some()
}

/// Nothing of the peer's asked for it, so that only a timer can have sent it again.
fn is_unasked(note: &Noted) -> bool {
    !note.class.contains(Class::FAST)
}

/// No tick of its sender's clock lies between the two, and one does within any timer.
fn is_written_with(note: &Noted, opener: &Noted) -> bool {
    let stamps = note.timestamps.zip(opener.timestamps);
    stamps.is_some_and(|(now, then)| Seq(now.value).at_or_before(Seq(then.value)))
}

/// The segment that its repetition `note` overtook: another packet, which had been written before.
fn original<'a>(case: &'a Case<'_>, note: &Noted) -> Option<&'a Noted> {
    let (side, seq, len, frame) = (note.side, note.seq, note.len, note.frame);
    let packet = (note.ip_id, note.timestamps);
    let is_original = move |other: &Noted| {
        let is_late = other.side == side && other.frame > frame && other.class.contains(Class::COPY);
        is_late && (other.seq, other.len) == (seq, len) && (other.ip_id, other.timestamps) != packet
    };
    case.notes(is_original).next()
}

/// What showed the gap that `note` fills, and was sent later than the missing segment.
fn opener<'a>(case: &'a Case<'_>, note: &Noted) -> Option<&'a Noted> {
    let (side, seq, frame) = (note.side, note.seq, note.frame);
    let opens =
        move |other: &Noted| other.side == side && other.class.contains(Class::AFTER_GAP) && other.seq.after(seq);
    case.notes(opens).next().filter(|opener| opener.frame < frame)
}

/// Less is reordering when no round trip was measured, ns. Wireshark's figure.
const REORDERING_NS: i64 = 3_000_000;
