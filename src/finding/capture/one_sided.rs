//! `one-sided`: only one direction was captured.

use crate::base::Side;
use crate::connection::{Connection, OpenKind};
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Segments of one side only are in the capture, although they answer segments of the other.
    ///
    /// # Why it matters
    ///
    /// What the other side sent, when, and what it last heard is known only from acknowledgments. Everything said about it has
    /// less confidence, and its silence means nothing.
    ///
    /// # How it is recognised
    ///
    /// One side sent nothing that was captured, and the other acknowledges something new of it: a SYN-ACK after its own SYN, or
    /// ever more octets. An acknowledgment number that never moves shows nothing, since it may be older than the capture.
    ///
    /// ```trace fires
    /// client > SYN
    /// client > ACK ack 1
    /// client > data 100 ack 1
    /// client > ACK ack 2001
    /// client > FIN ACK ack 2002
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `syn-unanswered`: nobody is there. (Where other connections show that frames of that host are missing, SYNs without an answer
    /// are told of as this, too.) SYN-ACKs alone, which answer SYNs that somebody sent with a forged address
    /// (`half-open-handshake`). A flight of segments of which the answer came after the end of the capture.
    ///
    /// ```trace quiet
    /// client > data 100 ack 1
    /// client > data 100 ack 1
    /// client > data 100 ack 1
    /// ```
    ///
    /// ```trace quiet
    ///    client > SYN
    /// +1 client > SYN
    /// +2 client > SYN
    /// ```
    ///
    /// # What to do
    ///
    /// Capture both directions: with asymmetric routing tap both links or one of the hosts; on a mirror port mirror rx and tx; a
    /// filter such as src host or dst port takes only one direction, write host and port instead.
    "one-sided", Capture, Note, [ONE_SIDED], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let Some(silent) = silent_side(connection).filter(|_| case.life.opening.kind != OpenKind::Unanswered) else {
        return;
    };
    let message = format_args!(
        "{} of {} and none of {}, which it answers: only one direction was captured",
        count(connection.halves[!silent].frames, "segment"),
        case.name(!silent),
        case.name(silent)
    );
    let frames = vec![connection.first_frame, connection.last_frame];
    ENTRY.draft(Confidence::High, connection.start, frames, message).endpoint(silent).push(found);
}

/// The side of which nothing was captured although the other answers it.
pub(in crate::finding) fn silent_side(connection: &Connection) -> Option<Side> {
    let silent = Side::BOTH.into_iter().find(|&side| connection.halves[side].frames == 0)?;
    let (seen, heard) = (&connection.halves[!silent], &connection.halves[silent]);
    // A SYN alone, and a reset alone, answer nothing; SYN-ACKs alone may answer a forged address.
    let is_backscatter = u64::from(seen.syn_acks) == seen.frames;
    let has_moved = matches!((heard.start, heard.acked), (Some(start), Some(acked)) if acked.after(start));
    let answers = (has_moved || seen.isn.is_some() && heard.acked.is_some()) && !is_backscatter;
    (answers && connection.frames() > 1).then_some(silent)
}
