//! What an expectation can speak of: one entry a key, with its words, what a capture shows of it and the frames that
//! show it. The reader of expectations, the judge, the writer and the manual all go by this table.

use crate::base::Side;
use crate::connection::{CloseKind, Initiator, OpenKind, State};
use crate::finding::{CATALOGUE, Cause, Detect, Entry, Errno, Verdict};

use super::range::Nanos;
use super::seen::{longest_in, time_to_close, time_wait_owner};
use crate::base::Timestamp;

/// One connection as the keys look at it.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The connection.
    pub verdict: &'a Verdict,
    /// The newest packet time of the capture.
    pub horizon: Timestamp,
    /// The longest silence within the connection, ns; zero unless a rule asks for it.
    pub idle_ns: i64,
}

/// The words of a closed vocabulary.
pub type Vocabulary = fn() -> Vec<&'static str>;

/// Names that a connection shows, each with its frames.
pub type Names = for<'a> fn(&Look<'a>) -> Vec<(&'static str, &'a [u64])>;

/// A word that stands for several.
pub type Alias = (&'static str, &'static [&'static str]);

/// What stands behind a key, and how to see it.
pub enum Value {
    /// One word, of which an expectation names those that are right.
    Word {
        /// The words that there are.
        words: Vocabulary,
        /// Words that stand for several.
        aliases: &'static [Alias],
        /// What a connection shows.
        seen: fn(&Look<'_>) -> &'static str,
    },
    /// Names that must, may and must not occur.
    Names {
        /// The names that there are.
        words: Vocabulary,
        /// What a connection shows, each with its frames.
        seen: Names,
    },
    /// Socket calls in their order, each `CALL RESULT`.
    Calls(Side),
    /// A number.
    Count(fn(&Look<'_>) -> u64),
    /// A duration; none when the connection never came so far.
    Duration(fn(&Look<'_>) -> Option<Nanos>),
    /// The number of connections that the rule selects.
    Selected,
    /// The most sockets in one state at one moment, over all connections that the rule selects: a table of states.
    Peak(&'static [Side]),
}

/// One key of a `[[connection]]` rule.
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What it means, in a sentence.
    pub about: &'static str,
    /// What stands behind it.
    pub value: Value,
    /// The frames that show it.
    pub frames: fn(&Verdict) -> Vec<u64>,
}

/// A close by FIN from both ends, one after the other. Three or four segments is a matter of when the application called.
const CLOSES: &[Alias] = &[("orderly", &["four-segment", "three-segment"])];

const NONE: &str = "none";

fn open_words() -> Vec<&'static str> {
    OpenKind::ALL.iter().map(|kind| kind.name()).collect()
}

fn close_words() -> Vec<&'static str> {
    CloseKind::ALL.iter().map(|kind| kind.name()).collect()
}

fn initiator_words() -> Vec<&'static str> {
    Initiator::ALL.iter().map(|initiator| initiator.name()).chain([NONE]).collect()
}

fn owner_words() -> Vec<&'static str> {
    vec!["client", "server", "both", NONE]
}

fn state_words() -> Vec<&'static str> {
    State::ALL.iter().map(|state| state.name()).collect()
}

fn errno_words() -> Vec<&'static str> {
    Errno::ALL.iter().map(|errno| errno.name()).chain([NONE]).collect()
}

fn cause_words() -> Vec<&'static str> {
    Cause::ALL.iter().map(|cause| cause.name()).collect()
}

/// Names of findings on one connection.
fn finding_words() -> Vec<&'static str> {
    CATALOGUE.iter().filter(|entry| !is_across(entry)).map(|entry| entry.name).collect()
}

/// Names of findings across connections.
pub fn population_words() -> Vec<&'static str> {
    CATALOGUE.iter().filter(|entry| is_across(entry)).map(|entry| entry.name).collect()
}

fn is_across(entry: &Entry) -> bool {
    matches!(entry.detect, Detect::Population(_))
}

fn last_step(verdict: &Verdict, side: Side) -> Vec<u64> {
    verdict.endpoints[side].states.iter().rev().find_map(|step| step.frame).into_iter().collect()
}

fn ends(verdict: &Verdict) -> Vec<u64> {
    let mut frames = vec![verdict.first_frame, verdict.last_frame];
    frames.dedup();
    frames
}

fn opening(verdict: &Verdict) -> Vec<u64> {
    if verdict.open.frames.is_empty() { vec![verdict.first_frame] } else { verdict.open.frames.clone() }
}

fn closing(verdict: &Verdict) -> Vec<u64> {
    if verdict.close.frames.is_empty() { ends(verdict) } else { verdict.close.frames.clone() }
}

fn errors(verdict: &Verdict, side: Side) -> Vec<u64> {
    let calls = &verdict.endpoints[side].calls;
    let failed: Vec<u64> = calls.iter().filter(|call| call.errno.is_some()).filter_map(|call| call.frame).collect();
    if failed.is_empty() { last_step(verdict, side) } else { failed }
}

/// A key for each end: `client.WHAT` and `server.WHAT`. `$side` names the side inside the functions, which capture nothing.
macro_rules! both {
    ($side:ident, $client:literal, $server:literal, $about:literal, $value:expr, $frames:expr) => {
        [
            {
                #[allow(non_upper_case_globals, reason = "reads as the parameter that it stands for")]
                const $side: Side = Side::Client;
                Key { name: $client, about: $about, value: $value, frames: $frames }
            },
            {
                #[allow(non_upper_case_globals, reason = "reads as the parameter that it stands for")]
                const $side: Side = Side::Server;
                Key { name: $server, about: $about, value: $value, frames: $frames }
            },
        ]
    };
}

/// Keys about the connection as a whole.
static WHOLE: [Key; 15] = [
    Key {
        name: "count",
        about: "How many connections the rule selects. Without it there must be one at least.",
        value: Value::Selected,
        frames: ends,
    },
    Key {
        name: "open",
        about: "How the connection began.",
        value: Value::Word { words: open_words, aliases: &[], seen: |look| look.verdict.open.kind.name() },
        frames: opening,
    },
    Key {
        name: "close",
        about: "How it ended; `orderly` is `four-segment` or `three-segment`.",
        value: Value::Word { words: close_words, aliases: CLOSES, seen: |look| look.verdict.close.kind.name() },
        frames: closing,
    },
    Key {
        name: "initiator",
        about: "Who began the close.",
        value: Value::Word {
            words: initiator_words,
            aliases: &[],
            seen: |look| look.verdict.close.initiator.map_or(NONE, Initiator::name),
        },
        frames: closing,
    },
    Key {
        name: "time-wait",
        about: "Who held TIME-WAIT.",
        value: Value::Word { words: owner_words, aliases: &[], seen: |look| time_wait_owner(look.verdict) },
        frames: closing,
    },
    Key {
        name: "resets",
        about: "Causes of resets.",
        value: Value::Names {
            words: cause_words,
            seen: |look| {
                let resets = look.verdict.resets.iter();
                resets.map(|reset| (reset.cause.name(), std::slice::from_ref(&reset.frame))).collect()
            },
        },
        frames: closing,
    },
    Key {
        name: "findings",
        about: "Findings of the catalogue.",
        value: Value::Names {
            words: finding_words,
            seen: |look| {
                let findings = look.verdict.findings.iter();
                findings.map(|finding| (finding.name, finding.frames.as_slice())).collect()
            },
        },
        frames: ends,
    },
    Key {
        name: "syns",
        about: "SYNs without ACK, as often as they were seen.",
        value: Value::Count(|look| look.verdict.open.syn_count.into()),
        frames: opening,
    },
    Key {
        name: "syn-acks",
        about: "SYN-ACKs, as often as they were seen.",
        value: Value::Count(|look| look.verdict.open.syn_ack_count.into()),
        frames: opening,
    },
    Key {
        name: "handshake",
        about: "Duration from the SYN to the ACK that completes the handshake.",
        value: Value::Duration(|look| look.verdict.open.rtt_ns.map(Nanos)),
        frames: opening,
    },
    Key {
        name: "lifetime",
        about: "Duration from the first segment to the last one.",
        value: Value::Duration(|look| Some(Nanos(look.verdict.end.since(look.verdict.start).max(0)))),
        frames: ends,
    },
    Key {
        name: "time-to-close",
        about: "Duration from the first step of the close to the last one; to the end of the capture while an end is open.",
        value: Value::Duration(|look| time_to_close(look.verdict, look.horizon).map(Nanos)),
        frames: closing,
    },
    Key {
        name: "close-wait",
        about: "The longest that either end stayed in CLOSE-WAIT; zero when neither was in it.",
        value: Value::Duration(|look| {
            let sides = Side::BOTH.into_iter();
            let stays = sides.filter_map(|side| longest_in(look.verdict, side, State::CloseWait, look.horizon));
            Some(Nanos(stays.max().unwrap_or(0)))
        }),
        frames: closing,
    },
    Key {
        name: "idle",
        about: "The longest silence between two segments of the connection.",
        value: Value::Duration(|look| Some(Nanos(look.idle_ns))),
        frames: ends,
    },
    Key {
        name: "peak",
        about: "The most sockets in a state at one moment, over all connections that the rule selects.",
        value: Value::Peak(&Side::BOTH),
        frames: ends,
    },
];

/// Keys about one end.
static ENDS: [[Key; 2]; 8] = [
    both!(
        side,
        "client.final-state",
        "server.final-state",
        "The last state that the end was in.",
        Value::Word {
            words: state_words,
            aliases: &[],
            seen: |look| look.verdict.endpoints[side].final_state().name(),
        },
        |verdict| last_step(verdict, side)
    ),
    both!(
        side,
        "client.error",
        "server.error",
        "The error that the application ended with.",
        Value::Word {
            words: errno_words,
            aliases: &[],
            seen: |look| look.verdict.endpoints[side].error.map_or(NONE, Errno::name),
        },
        |verdict| errors(verdict, side)
    ),
    both!(
        side,
        "client.calls",
        "server.calls",
        "The socket calls that the packets imply, in order, each with its result: `\"connect ok\"`, `\"read ECONNRESET\"`.",
        Value::Calls(side),
        |verdict| errors(verdict, side)
    ),
    both!(
        side,
        "client.segments",
        "server.segments",
        "Segments that the end sent.",
        Value::Count(|look| look.verdict.endpoints[side].frames),
        ends
    ),
    both!(
        side,
        "client.payload-bytes",
        "server.payload-bytes",
        "Octets of payload that the end sent, each counted once.",
        Value::Count(|look| look.verdict.endpoints[side].payload_bytes),
        ends
    ),
    both!(
        side,
        "client.retransmitted-bytes",
        "server.retransmitted-bytes",
        "Octets of payload that the end sent again.",
        Value::Count(|look| look.verdict.endpoints[side].retransmitted_bytes),
        ends
    ),
    both!(
        side,
        "client.missing-bytes",
        "server.missing-bytes",
        "Octets that the peer acknowledged and the capture never saw.",
        Value::Count(|look| look.verdict.endpoints[side].missing_bytes),
        ends
    ),
    both!(side, "client.peak", "server.peak", "The same as `peak`, for one end's sockets.", Value::Peak(&[side]), ends),
];

/// Every key, in the order of the manual.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    WHOLE.iter().chain(ENDS.iter().flatten())
}

/// The key of this name.
pub fn key(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

/// The calls of `side`, as an expectation writes them.
pub fn calls(verdict: &Verdict, side: Side) -> Vec<String> {
    let calls = verdict.endpoints[side].calls.iter();
    calls.map(|call| format!("{} {}", call.call, call.errno.map_or("ok", Errno::name))).collect()
}
