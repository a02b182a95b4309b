//! `fin-wait-2-expired`: the closer stopped waiting for the other FIN.

use crate::finding::phrase::duration;
use crate::finding::verdict::Cause;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;

finding! {
    /// # What it is
    ///
    /// The side that closed first waited in FIN-WAIT-2 and gave up; when the other side came at last with data or its
    /// FIN, it met nobody.
    ///
    /// # Why it matters
    ///
    /// What the late side sent is lost, and its write or close ends with a reset.
    ///
    /// # How it is recognised
    ///
    /// A reply reset of the first closer, whose FIN had been acknowledged long before, to the peer's first FIN or to
    /// data.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > ACK
    /// idle 90s
    /// server > data 10
    /// client > RST
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-data-after-close`, where the time is too short for the timer. `reset-no-time-wait`, where it is a repeated
    /// FIN that meets nobody.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > ACK
    /// +1 server > data 10
    ///    client > RST
    /// ```
    ///
    /// # What to do
    ///
    /// The late side should close sooner after reading end-of-file. On the first closer, net.ipv4.tcp_fin_timeout (60
    /// s) bounds FIN-WAIT-2 of sockets that were close()d, and raising it costs memory for each; TCP_LINGER2 sets it
    /// for one socket (tcp(7)). One that was only shut down waits without limit.
    "fin-wait-2-expired", Teardown, Warning, [RESET], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for reset in case.resets.iter().filter(|reset| reset.cause == Cause::FinWait2Expired) {
        let side = reset.from;
        let Some(fin) = case.life.closing.fins[side] else { continue };
        let message = format_args!(
            "{} had stopped waiting for the other FIN when its peer came back {} after its close",
            case.name(side),
            duration(reset.time.since(fin.time))
        );
        ENTRY.draft(reset.confidence, reset.time, [fin.frame, reset.frame], message).endpoint(side).push(found);
    }
}
