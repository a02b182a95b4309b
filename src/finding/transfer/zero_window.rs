//! `zero-window`: a receiver closed its window.

use crate::base::Side;
use crate::connection::Class;
use crate::finding::phrase::times;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A receiver advertised a window of zero: its application does not read as fast as the peer sends.
    ///
    /// # Why it matters
    ///
    /// The sender stands still and probes. If the window stays closed, the peer's writes block.
    ///
    /// # How it is recognised
    ///
    /// Segments with window 0, counted once for each closing of the window.
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > data 100
    ///    server > ACK win 0
    /// +1 server > ACK win 1000
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A slow network keeps the window open.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > RST ACK win 0
    /// ```
    ///
    /// # What to do
    ///
    /// The application on the side that closed its window is the place to look, not the network: a thread that waits
    /// for something else, a garbage collector, a debugger, a disk. `ss -tnm` shows its Recv-Q full. A larger receive
    /// buffer (net.ipv4.tcp_rmem, SO_RCVBUF) only delays it, at that much memory a connection. The sending side should
    /// bound its writes by a timeout: a zero window that is probed and answered holds the connection for ever, unless
    /// TCP_USER_TIMEOUT ends it (tcp(7)).
    "zero-window", Transfer, Note, [ZERO_WINDOW], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let half = &case.connection.halves[side];
        if half.zero_windows == 0 {
            continue;
        }
        let closed: Vec<_> = case.notes(|note| note.side == side && note.class.contains(Class::ZERO_WINDOW)).collect();
        let Some(first) = closed.first() else { continue };
        let message = format_args!(
            "{} closed its window {}; its application did not read",
            case.name(side),
            times(u64::from(half.zero_windows))
        );
        let frames = closed.iter().map(|note| note.frame);
        ENTRY.draft(Confidence::High, first.time, frames, message).endpoint(side).push(found);
    }
}
