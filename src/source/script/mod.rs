//! Text traces: a small language, after packetdrill's, in which a capture is a few lines that a reader can check. It
//! yields [`Item`]s directly, as decoding would have, and it is what the examples in the findings' pages, the text
//! fixtures and the tests are written in.
//!
//! # A trace
//!
//! ```trace
//! # the server closes first
//!        client > SYN <mss 1460, sackOK, wscale 7>
//! +20ms  server > SYN ACK <mss 1460, sackOK, wscale 7>
//! +20ms  client > ACK
//!        client > data 100
//! +20ms  server > ACK
//! +1.5   server > FIN ACK
//!        client > ACK
//! idle 300s
//!        client > data 1
//!        server > RST
//! ```
//!
//! One line is one segment: *time*, *who* `>` *what*. Everything that is not said is what an endpoint that received all
//! of the other's segments would send next, with the habits of Linux; anything can be said. `#` begins a comment.
//!
//! # Time
//!
//! `+0.020`, `+20ms`, `-5us`: after (before) the previous line; `0.020`: since the start; nothing: one `step` after the
//! previous line, 1 ms. Units: `ns us ms s min h`, seconds when missing. `idle 300s` lets time pass, `step 10ms` changes
//! the step from here on, `start 2026-01-31T12:00:00Z`, before the first segment, is the start; 1970 when missing.
//!
//! # Who
//!
//! `client`, by default 10.0.0.1:40000 with the initial sequence number 1000, and `server`, 10.0.0.2:80 and 5000. A
//! line without `>` declares: `client [2001:db8::1]:40000 isn 4294967290`. Further words of a declaration are what the
//! side's later lines say by default: `win`, `ttl`, `id` (the first of its counter), `interface`, `context` and the
//! marks. A declaration with `isn` begins a new incarnation: relative numbers count from there. More connections have a
//! name in front, and are declared before they speak: `b.client 10.0.0.1:40001`, then `b.client > SYN`.
//!
//! # What
//!
//! | words | meaning | when missing |
//! |---|---|---|
//! | `SYN FIN RST PSH ACK URG ECE CWR AE`, `none` | the control bits, exactly these | `PSH ACK` with `data` |
//! | `seq N` | sequence number | the next one; the ISN for a SYN; that of the FIN for a repeated FIN |
//! | `ack N` | acknowledgment number | all that the other side sent; 0 without ACK |
//! | `data N`, `data A:B` | octets of payload; from number A to before B | 0 |
//! | `win N` | window field, unscaled | as before; 65535 at first |
//! | `<...>` | options: `mss N, sackOK, wscale N, TS val N ecr N, sack A:B A:B, fastopen, mptcp` | timestamps, once both sides sent them, with a clock of 1 ms; else none |
//! | `id N` | IPv4 identification | the side's counter, from 1 |
//! | `ttl N` | time to live | 64 |
//! | `df`, `no-df` | don't fragment | `df` in IPv4 |
//! | `good-checksum`, `bad-checksum`, `partial-checksum`, `unchecked` | what is known of the checksum | `good-checksum` |
//! | `payload-cut`, `options-cut`, `options-bad`, `header-bad`, `length-zero`, `frame-short`, `reassembled`, `fragment-first`, `outbound`, `inbound`, `sampled` | the other marks of [`Marks`](crate::segment::Marks) | none |
//! | `interface N`, `context N` | where it was captured | 0 |
//! | `frame N` | its frame number | one more than the line before |
//! | `digest N` | [`Segment::digest`] | [`Segment::header_digest`] |
//! | `again` | the side's last segment that occupied sequence space, sent again: flags, `seq`, `data`, options | |
//! | `duplicate` | the side's last frame captured twice: everything but time and frame number | |
//!
//! Numbers are relative to the side's ISN, so that the first octet of data is 1; `-5` lies before it; `next`, `next-1`,
//! `next+1000` count from the next one; `=4711` is absolute, and leaves alone what is taken for next.
//!
//! `RST` without ACK answers the other side's last segment as RFC 9293, section 3.10.7.1 has it: its `ack` as `seq`,
//! window 0, `id 0`, no options. So does `RST ACK` to a SYN by a side that has not spoken. Any other `RST ACK` is the
//! abort of a live socket: the next number, its window, its options.
//!
//! What was lost is no fact of the wire and cannot be said: a receiver that missed a segment says so by its `ack`.
//!
//! # ICMP errors
//!
//! `icmp 10.9.9.9 > client host-unreachable` is an error from 10.9.9.9 that quotes the last segment of the client.
//! Words: `net-unreachable host-unreachable protocol-unreachable port-unreachable fragmentation-needed
//! admin-prohibited ttl-exceeded`, or `type N code N`; `mtu N`; `seq N` and control bits of the quoted segment, or
//! `short` when the quote does not reach them; `to ADDRESS` when it went to somebody else; `frame`, `interface`.

mod encode;
mod lex;
mod parse;
mod print;
mod speaker;

use crate::segment::{Item, Segment};

pub use encode::{Script, write_pcap};
pub use lex::ParseError;
pub use parse::parse;
pub use print::print;

/// The TCP segments of a trace, without its ICMP errors.
///
/// # Errors
/// Those of [`parse`].
pub fn segments(text: &str) -> Result<Vec<Segment>, ParseError> {
    let items = parse(text)?;
    Ok(items
        .into_iter()
        .filter_map(|item| match item {
            Item::Segment(segment) => Some(segment),
            Item::IcmpError(_) => None,
        })
        .collect())
}

#[cfg(test)]
mod tests;
