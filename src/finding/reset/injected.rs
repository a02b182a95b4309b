//! `reset-injected`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// The reset is forged: something on the path made it in the name of an endpoint.
    ///
    /// # Why it matters
    ///
    /// A connection is cut that both ends wanted (an error); or an attempt to do so failed (a warning), or came after the end (a
    /// note).
    ///
    /// # How it is recognised
    ///
    /// The supposed sender goes on as if it had sent nothing, or at least two header fields disagree that its own resets
    /// would leave alone (TTL, IPv4 id, timestamps, window, position). IPv4 id 0 and window 0 alone are how Linux answers
    /// segments without a socket.
    ///
    /// ```trace fires
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > data 100
    ///       server > RST ACK ttl 250 id 7
    /// +50ms server > ACK
    ///       server > data 1000
    ///       client > ACK
    /// ```
    ///
    /// Nobody refuses a SYN and accepts the same one. The SYN-ACK begins a new stream, as in Wireshark, in which the handshake
    /// goes on:
    ///
    /// ```trace fires
    ///       client > SYN
    /// +50ms server > RST ACK
    ///       server > SYN ACK
    ///       client > ACK
    /// ```
    ///
    /// Nor does anybody answer a SYN with a timestamp that it did not carry, and with a window in a refusal:
    ///
    /// ```trace fires
    /// client > SYN <mss 1460, sackOK, TS val 5000 ecr 0>
    /// server > RST ACK win 64240 <TS val 100 ecr 100>
    /// ```
    ///
    /// Nor does a host answer with the TTL of somebody nearer. That is a firewall which cuts the connection, and the supposed
    /// sender lives on; after a silence it is `reset-idle-expired`:
    ///
    /// ```trace fires
    ///        client > SYN
    /// +20ms  server > SYN ACK
    ///        client > ACK
    ///        client > data 100
    /// +20ms  server > data 100
    /// +200ms client > data 100
    /// +20ms  server > RST ttl 255
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-idle-expired`, a middlebox that has merely forgotten.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > RST
    /// ```
    ///
    /// An answer to what is older than the newest segment: who was still heard after that was not cut off by a box nearer than it.
    ///
    /// ```trace quiet
    ///      client > SYN
    ///      server > SYN ACK
    /// +8ms client > ACK
    ///      client > data 100
    ///      server > data 100
    /// +8ms server > data 100
    ///      client > ACK ack 101
    ///      client > RST seq 101 win 0
    /// ```
    ///
    /// # What to do
    ///
    /// Compare captures on both ends: a reset that only one of them sees, or that its supposed sender did not send, was
    /// made in between. Firewalls, intrusion prevention, censors and some balancers do this; their rule names the
    /// address or the payload that triggered it. TLS does not protect against it; IPsec, WireGuard and TCP-AO (RFC
    /// 5925, Linux 6.7) do.
    "reset-injected", Reset, Error, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::Injected, case, found);
}
