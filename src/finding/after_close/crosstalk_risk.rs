//! `crosstalk-risk`: an old duplicate inside the window of a new incarnation.

use crate::base::Seq;
use crate::connection::{Class, Noted, PastHalf};
use crate::finding::phrase::{count, duration};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::{Confidence, Severity};

finding! {
    /// # What it is
    ///
    /// A segment of an earlier connection on the same four numbers arrived during this one, and its sequence numbers lie
    /// inside this one's window.
    ///
    /// # Why it matters
    ///
    /// This is what TIME-WAIT exists against: without timestamps and without luck in the acknowledgment number, old octets become
    /// part of the new stream, and no checksum notices. `outcome` is `discarded` when timestamps (PAWS, RFC 7323 section 5) or the
    /// acknowledgment number (RFC 5961 section 5) make the receiver drop it, else `possible`.
    ///
    /// # How it is recognised
    ///
    /// A segment with payload whose sequence numbers lie in what the earlier incarnation used, whose acknowledgment number
    /// or timestamp is the earlier one's, and which begins between what was acknowledged and the window's right edge.
    ///
    /// ```trace fires
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > data 5000
    ///     server > ACK
    ///     client > FIN ACK
    ///     server > FIN ACK
    ///     client > ACK
    /// client isn 2000
    /// server isn 700000
    /// +90 client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    /// +1  client > PSH ACK seq =3001 ack =5001 data 100
    ///     server > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `stray-segment`: an old duplicate that lies outside the new window, or comes when no connection is open, harms nobody.
    ///
    /// ```trace quiet
    ///     client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    ///     client > data 5000
    ///     server > ACK
    ///     client > FIN ACK
    ///     server > FIN ACK
    ///     client > ACK
    /// client isn 900000
    /// server isn 700000
    /// +90 client > SYN
    ///     server > SYN ACK
    ///     client > ACK
    /// +1  client > PSH ACK seq =3001 ack =5001 data 100
    ///     server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Leave timestamps on (net.ipv4.tcp_timestamps=1, the default; RFC 7323; 10 octets a segment) and TIME-WAIT alone:
    /// no SO_LINGER 0 to get rid of it, no lowered tcp_max_tw_buckets (ip-sysctl). Find what delays segments for so
    /// long; a path that keeps them for seconds is broken.
    "crosstalk-risk", AfterClose, Note, [PREDECESSOR], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let Some(past) = connection.predecessor else { return };
    let risk = case
        .notes(|note| note.len > 0 && !note.is_rst() && !note.is_syn())
        .find_map(|note| {
            let own = past.half(connection.endpoint(note.side));
            let peer = past.half(connection.endpoint(!note.side));
            is_within(own, note.seq).then(|| Some((note, foreign(case, note, own, peer)?))).flatten()
        })
        .filter(|(note, _)| is_in_window(case, note));
    let Some((note, discarded)) = risk else { return };
    let message = format_args!(
        "{} of stream {}, over for {}, came again from {} with numbers inside this connection's window; {}",
        count(u64::from(note.len), "octet"),
        past.stream,
        duration(note.time.since(past.end)),
        case.name(note.side),
        discarded.unwrap_or("nothing in them tells the receiver that they are old")
    );
    let (outcome, severity) =
        if discarded.is_some() { ("discarded", Severity::Note) } else { ("possible", Severity::Warning) };
    ENTRY
        .draft(Confidence::Medium, note.time, [note.frame], message)
        .endpoint(!note.side)
        .outcome(outcome)
        .severity(severity)
        .push(found);
}

/// The earlier incarnation used this number.
fn is_within(past: &PastHalf, seq: Seq) -> bool {
    match (past.isn, past.nxt) {
        (Some(isn), Some(nxt)) => seq.after(isn) && seq.before(nxt),
        _ => false,
    }
}

/// Whether `note` is the earlier incarnation's: none when it is not, else what makes its receiver drop it, if anything.
fn foreign(case: &Case<'_>, note: &Noted, own: &PastHalf, peer: &PastHalf) -> Option<Option<&'static str>> {
    let opening = case.notes(|other| other.side == note.side && (other.is_syn() || other.is_syn_ack())).next();
    let begun = opening.and_then(|opening| opening.timestamps).map(|timestamps| Seq(timestamps.value));
    if let (Some(now), Some(begun), Some(then)) = (note.timestamps, begun, own.timestamp) {
        let is_old = Seq(now.value).before(begun) && Seq(now.value).at_or_before(Seq(then));
        return is_old.then_some(Some("their timestamp is the old one, so the receiver drops them (PAWS)"));
    }
    let acks_old = note.acknowledges() && peer.isn.is_some_and(|isn| note.ack.after(isn)) && {
        peer.nxt.is_some_and(|nxt| note.ack.at_or_before(nxt))
    };
    if acks_old && note.class.contains(Class::WILD) {
        let words = "what they acknowledge was never sent in this one, so the receiver drops them (RFC 5961)";
        return Some(Some(words));
    }
    let is_repeated = note.class.intersects(Class::RETRANSMISSION | Class::FILLS_GAP | Class::BELOW_ACK);
    (acks_old && !is_repeated && note.class.contains(Class::OLD_ACK)).then_some(None)
}

/// Between what its receiver had acknowledged and the right edge of its window.
fn is_in_window(case: &Case<'_>, note: &Noted) -> bool {
    let receiver = &case.connection.halves[!note.side];
    let acked = case
        .notes(|other| other.side != note.side && other.acknowledges() && other.frame < note.frame)
        .filter(|other| !other.class.contains(Class::WILD))
        .map(|other| other.ack)
        .reduce(Seq::later);
    match (acked, receiver.right_edge) {
        (Some(acked), Some(edge)) => note.end().after(acked) && note.seq.before(edge),
        _ => false,
    }
}
