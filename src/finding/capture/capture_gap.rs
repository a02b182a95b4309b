//! `capture-gap`: acknowledged and never seen.

use crate::base::Side;
use crate::connection::{Class, Noted, OpenKind};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::phrase::count;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// One side acknowledged octets, a FIN or a SYN-ACK that the capture never shows: they were sent and arrived, and the capture
    /// lost them.
    ///
    /// # Why it matters
    ///
    /// What else is missing nobody knows: a FIN, a reset, an answer. Verdicts that rest on somebody's silence are made with less
    /// confidence on such a connection.
    ///
    /// # How it is recognised
    ///
    /// An acknowledgment covers sequence space that no captured segment carried. A single octet at the end of what a side sent, of
    /// a connection that its peer closed, is that side's FIN: the close is told as if it had been captured, by the frame that
    /// acknowledges it, and its states are inferred. A SYN-ACK is missing where the client went on as only an open connection does. On a running interface also, with the kind
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
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// server > FIN ACK ack 2
    /// client > ACK seq 2
    /// ```
    ///
    /// ```trace fires
    /// client > SYN
    /// client > ACK ack 1
    /// server > data 100 seq 1 ack 1
    /// client > ACK ack 101
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
    let missing: Vec<Missing> = missing(case).collect();
    if connection.shows_controls_alone() || missing.is_empty() {
        return;
    }
    let shows = |class: Class, of: Side| case.notes(move |note| note.side == of && note.class.contains(class));
    // What came again later was lost on the network.
    let is_open = |note: &&Noted| {
        let fills = |other: &Noted| other.frame > note.frame && other.class.contains(Class::FILLS_GAP);
        let reaches = |other: &Noted| other.seq.before(note.seq) && other.end().at_or_after(note.seq);
        case.notes(|other| other.side == note.side && fills(other) && reaches(other)).next().is_none()
    };
    let mut frames: Vec<u64> = missing
        .iter()
        .flat_map(|missing| match missing.what {
            What::Octets(_) => {
                let side = missing.side;
                let gaps = shows(Class::AFTER_GAP, side).filter(is_open);
                shows(Class::ACKS_UNSEEN, !side).chain(gaps).map(|note| note.frame).collect()
            }
            What::Fin(frame) => vec![frame],
            What::SynAck => case.life.opening.frames.to_vec(),
        })
        .collect();
    if frames.is_empty() {
        frames = vec![connection.first_frame, connection.last_frame];
    }
    let list: Vec<String> = missing.iter().map(|missing| missing.named(case)).collect();
    let (was, is) = match missing.as_slice() {
        [Missing { what: What::Octets(1) | What::Fin(_) | What::SynAck, .. }] => ("was", "is"),
        _ => ("were", "are"),
    };
    let message = format_args!("{} {was} acknowledged and {is} not in the capture", list.join(", and "));
    let first = frames.iter().min().copied().unwrap_or(connection.first_frame);
    let time = case.notes(|note| note.frame == first).next().map_or(connection.start, |note| note.time);
    let draft = ENTRY.draft(Confidence::High, time, frames, message);
    let side = missing[0].side;
    if missing.iter().all(|other| other.side == side) { draft.endpoint(side) } else { draft }.push(found);
}

/// Something that was acknowledged and that no frame carries.
struct Missing {
    side: Side,
    what: What,
}

enum What {
    SynAck,
    Octets(u64),
    /// The FIN, and the frame that shows that it was sent.
    Fin(u64),
}

/// Of more than these, one is neither here nor there.
const FEW_OCTETS: u64 = 1_000;

impl Missing {
    fn named(&self, case: &Case<'_>) -> String {
        let who = case.name(self.side);
        match self.what {
            What::SynAck => format!("the SYN-ACK of {who}"),
            What::Octets(octets) => {
                let half = &case.connection.halves[self.side];
                let may_be_fin = half.fin.is_none() && half.lacks_last_payload() && octets <= FEW_OCTETS;
                let fin = if may_be_fin { " (a FIN would be one of them)" } else { "" };
                format!("{} of {who}{fin}", count(octets, "octet"))
            }
            What::Fin(_) => format!("the FIN of {who}"),
        }
    }
}

pub(in crate::finding) fn has_gap(case: &Case<'_>) -> bool {
    missing(case).next().is_some()
}

/// What is missing, the most octets first. Of a side that is not in the capture at all everything is: that is `one-sided`.
fn missing<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Missing> + 'a {
    let (connection, halves) = (case.connection, &case.connection.halves);
    let fewer_last = if halves.client.missing_bytes > halves.server.missing_bytes {
        Side::BOTH
    } else {
        [Side::Server, Side::Client]
    };
    let syn_ack = halves.client.isn.is_some() && halves.server.isn.is_none() && halves.server.frames > 0;
    let syn_ack = syn_ack && case.life.opening.kind == OpenKind::ThreeWay;
    let octets = fewer_last.into_iter().filter_map(|side| {
        let half = &halves[side];
        let is_missing = half.frames > 0 && half.missing_bytes > 0;
        is_missing.then_some(Missing { side, what: What::Octets(half.missing_bytes) })
    });
    let fins = Side::BOTH.into_iter().filter_map(|side| {
        let fin = connection.missed_fins[side].as_ref()?;
        Some(Missing { side, what: What::Fin(fin.frame) })
    });
    octets.chain(fins).chain(syn_ack.then_some(Missing { side: Side::Server, what: What::SynAck }))
}
