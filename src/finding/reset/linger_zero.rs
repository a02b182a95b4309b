//! `reset-linger-zero`.

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Cause;

finding! {
    /// # What it is
    ///
    /// An application aborted a live connection: close() with SO_LINGER on and time 0, an abort API, or
    /// connect(AF_UNSPEC).
    ///
    /// # Why it matters
    ///
    /// Whatever was sent and not yet acknowledged is thrown away, and the peer reads ECONNRESET instead of the end of the
    /// stream. It also avoids TIME-WAIT, which is why people set it.
    ///
    /// # How it is recognised
    ///
    /// An active reset: ACK set, at the sender's next number, with the live window and timestamps. Certain only when the
    /// resetting side had received no payload, since then nothing could be unread. Otherwise `unread-data` has the same
    /// shape, and the likelier of the two is named with odds counted on real programs: a server that received and never
    /// sent, or that had answered everything long before, had set SO_LINGER 0 in nearly all cases. A server that resets when its
    /// client, fully answered, has closed is a guess: Windows' Kerberos and SMB services end connections so.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > ACK
    /// client > RST ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-unread-data` has the same shape. A listener closed with connections in its queue resets them in the same
    /// way. A reply reset has no ACK and no window.
    ///
    /// ```trace quiet
    ///      client > SYN
    ///      server > SYN ACK
    ///      client > ACK
    ///      client > data 100
    ///      server > data 20
    ///      client > data 3000
    /// +1ms server > RST ACK
    /// ```
    ///
    /// # What to do
    ///
    /// First make sure, on a resetting host with Linux: of its counters TcpExtTCPAbortOnData rises with SO_LINGER 0 and
    /// TcpExtTCPAbortOnClose with unread data (`nstat`; tcp_close()). Then take SO_LINGER with time 0 (socket(7)) out of the resetting side (also HAProxy's `option nolinger`, Go's
    /// SetLinger(0), Node's resetAndDestroy()), unless losing what is under way is meant. To be rid of TIME-WAIT let
    /// the other side close first, or keep connections and use them again. net.ipv4.tcp_tw_reuse=1 helps only the side
    /// that connects, and needs timestamps; tcp_tw_recycle broke clients behind NAT and is gone since Linux 4.12
    /// (ip-sysctl).
    "reset-linger-zero", Reset, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    super::report(&ENTRY, Cause::LingerZero, case, found);
}
