//! `reset-no-connection`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// The endpoint does not know the connection: it restarted, its state is lost or expired, or it was reset where the
    /// tap could not see it.
    ///
    /// # Why it matters
    ///
    /// The other side learns only by writing that its connection is dead; until then it looks open.
    ///
    /// # How it is recognised
    ///
    /// A reply reset to an ordinary segment, from a side that had sent neither FIN nor RST.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK
    /// +5 client > data 100
    ///    server > RST
    /// ```
    ///
    /// Or after its own FIN, to the first segment that acknowledges it, with the peer's own FIN or bare: who waits in FIN-WAIT-1
    /// takes that, with its application gone or not. It was killed, or lost its state.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// client > FIN ACK
    /// server > FIN ACK ack 102
    /// client > RST seq 102
    /// ```
    ///
    /// `kind` tells what the rest of the connection shows of why there is none: `reset-before` and `gone`, an end that the capture
    /// shows; `gave-up`, after repetitions that nobody answered; `window-shut`, behind a window that stayed shut;
    /// `after-outage`, when nothing had come through for a while; `icmp-error`, which had ended its opening; `never-accepted`, the
    /// server's own handshake was never completed for it; `closed-while-connecting`; `abort-perhaps`, which has the shape of an abort,
    /// too; `opened-anew`, by a SYN of its own on the same addresses and ports, which the other end answered with the numbers of this
    /// connection; `probe`, to a segment without ACK, as scanners send it.
    ///
    /// # Not to be confused with
    ///
    /// `reset-idle-expired`, where a middlebox answers after a long silence. `reset-refused`, where the segment was a
    /// SYN.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    server > FIN ACK
    ///    client > ACK
    /// +5 client > data 100
    ///    server > RST
    /// ```
    ///
    /// # What to do
    ///
    /// After a restart or failover this is expected once for each connection. Writer: keepalives (SO_KEEPALIVE,
    /// TCP_KEEPIDLE 30 to 60 s) find dead connections before a request does, at one segment an interval. Balancers and
    /// servers: drain before stopping (connection draining, preStop hooks), and let balancers that share flows share
    /// their state or hash consistently, since a flow that lands on another backend is reset just like this.
    "reset-no-connection", Reset, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::NoConnection, case, found);
}
