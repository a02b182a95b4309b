//! `control-segments-only`: a filter kept only what opens, closes or resets.

use crate::base::Side;
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Of this connection only segments with SYN, FIN or RST are in the capture: it was made with a filter for them.
    ///
    /// # Why it matters
    ///
    /// Who opened, who closed first and who reset are certain, and how much was sent follows from the numbers. What was
    /// acknowledged when, which segment provoked a reset and what was lost are not in the capture: states that only an
    /// acknowledgment shows are missing or inferred, causes of resets are guesses, and a handshake without a FIN looks
    /// half open.
    ///
    /// # How it is recognised
    ///
    /// Both sides opened, every segment is a control segment, and their numbers cover octets that are not in the capture, or a
    /// FIN came without the acknowledgment that must have gone before it. Where the whole capture has no other segment,
    /// a lone SYN and SYN-ACK are told of as this, too.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > FIN ACK seq 101 ack 2001
    /// server > FIN ACK seq 2001 ack 102
    /// ```
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > RST ACK seq 101 ack 2001
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `capture-gap`: some of the other segments are there. A scan, which resets at once and has nothing else to show.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK seq 101 ack 2001
    /// server > FIN ACK seq 2001 ack 102
    /// ```
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > RST seq 1
    /// ```
    ///
    /// # What to do
    ///
    /// Where disk is what is short, keep every segment and cut it (tcpdump -s 128) rather than leave the others out; or keep those
    /// without payload as well (tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0 or (ip[2:2] - ((ip[0]&0xf)<<2) -
    /// ((tcp[12]&0xf0)>>2)) = 0, for IPv4), which has all acknowledgments of receivers.
    "control-segments-only", Capture, Note, [CONTROLS_ALONE], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    if !connection.shows_controls_alone() {
        return;
    }
    let of = |side: Side| {
        let half = &connection.halves[side];
        let from = half.isn.map(|isn| isn + 1)?;
        // A FIN's own number tells what came before it, acknowledged or not.
        let to = half.fin.unwrap_or(half.nxt);
        u32::try_from(to.since(from)).ok().filter(|&octets| octets > 0)
    };
    let sent: Vec<String> = Side::BOTH
        .into_iter()
        .filter_map(|side| of(side).map(|octets| format!("{} of the {side}", count(u64::from(octets), "octet"))))
        .collect();
    let beside = match sent.join(" and ") {
        none if none.is_empty() => "the acknowledgments between them".to_owned(),
        sent => format!("{sent}, told of by their numbers,"),
    };
    let message = format!(
        "{} that open, close or reset were captured; {beside} were not: this is a filter's work",
        count(connection.frames(), "segment")
    );
    let frames = [connection.first_frame, connection.last_frame];
    ENTRY.draft(Confidence::High, connection.start, frames, message).push(found);
}
