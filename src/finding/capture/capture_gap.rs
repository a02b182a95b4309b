//! `capture-gap`: acknowledged and never seen.

use crate::base::Side;
use crate::connection::Class;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::phrase::count;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// One side acknowledged octets that the capture never shows: they were sent and arrived, and the capture lost them.
    ///
    /// # Why it matters
    ///
    /// What else is missing nobody knows: a FIN, a reset, an answer. Verdicts that rest on somebody's silence are made with less
    /// confidence on such a connection.
    ///
    /// # How it is recognised
    ///
    /// An acknowledgment covers sequence space that no captured segment carried. On a running interface also, with the kind
    /// `dropped`, on every connection that lived while the kernel had no room for frames: some of them may have been its own. A file that says at its end how
    /// many were lost (pcapng interface statistics, drop counts), and more than one in a thousand, makes of it the same on what is
    /// told by then and rests on somebody's silence.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > data 1:1001
    /// server > data 2001:3001
    /// client > ACK ack 3001
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Loss on the network: then the receiver does not acknowledge, and the sender repeats (`retransmission`). Frames in the wrong
    /// order in the file, the acknowledgment before what it acknowledges: the octets are there.
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > data 2001:3001
    /// server > data 1:2001
    /// client > ACK ack 3001
    /// ```
    ///
    /// ```trace quiet
    ///       client > SYN
    ///       server > SYN ACK
    ///       client > ACK
    ///       client > ACK ack 1001
    /// +50us server > data 1:1001
    ///       client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Look at what the capturing program said at its end (packets dropped by kernel) and at the pcapng's interface statistics. Then
    /// enlarge its buffer (tcpdump -B 65536, dumpcap -B 64), cut frames (-s 128), filter more narrowly, write to a faster disk. A
    /// mirror port that is fuller than its own speed drops without a word, and asymmetric routes take segments past the tap.
    "capture-gap", Capture, Note, [GAP], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    if connection.shows_controls_alone() {
        return;
    }
    // Of a side that is not in the capture at all everything is missing: that is `one-sided`.
    let missing = Side::BOTH.map(|side| match &connection.halves[side] {
        half if half.frames == 0 => (side, 0),
        half => (side, half.missing_bytes),
    });
    let Some(&(side, octets)) = missing.iter().max_by_key(|(_, octets)| *octets).filter(|(_, octets)| *octets > 0)
    else {
        return;
    };
    let other = missing.iter().find(|(other, octets)| *other != side && *octets > 0);
    let shows = |class: Class, of: Side| case.notes(move |note| note.side == of && note.class.contains(class));
    let mut frames: Vec<u64> = missing
        .iter()
        .filter(|(_, octets)| *octets > 0)
        .flat_map(|&(side, _)| shows(Class::ACKS_UNSEEN, !side).chain(shows(Class::AFTER_GAP, side)))
        .map(|note| note.frame)
        .collect();
    if frames.is_empty() {
        frames = vec![connection.first_frame, connection.last_frame];
    }
    let also = other.map(|(other, octets)| format!(", and {} of {}", count(*octets, "octet"), case.name(*other)));
    let message = format_args!(
        "{} of {}{} were acknowledged and are not in the capture",
        count(octets, "octet"),
        case.name(side),
        also.unwrap_or_default()
    );
    let first = frames.iter().min().copied().unwrap_or(connection.first_frame);
    let time = case.notes(|note| note.frame == first).next().map_or(connection.start, |note| note.time);
    let draft = ENTRY.draft(Confidence::High, time, frames, message);
    if other.is_some() { draft } else { draft.endpoint(side) }.push(found);
}
