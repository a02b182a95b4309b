//! `snaplen-cut`: frames are not whole in the file.

use crate::connection::{Artefact, Exhibit, Orderly, Place, Sighting};
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// The capture kept only the first octets of each frame. `kind` says what is missing: `payload`, or `options` of the TCP
    /// header too.
    ///
    /// # Why it matters
    ///
    /// Missing payload changes no verdict: lengths stand in the IP header. Missing options do: without timestamps, window scale and
    /// SACK old segments, forged resets and reasons of retransmissions are harder to tell, and what rests on them has less confidence.
    ///
    /// # How it is recognised
    ///
    /// The captured length of a frame is less than its length on the wire, and ends before the segment does.
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 1000 payload-cut
    /// server > ACK
    /// ```
    ///
    /// ```trace fires
    /// client > SYN options-cut
    /// server > SYN ACK options-cut
    /// client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// A damaged header, and a first fragment whose rest was not captured. Frames that are all there and yet shorter than their IP
    /// packet: a tool cut them and forgot their length, or the length is damaged; the accounting counts them.
    ///
    /// ```trace quiet
    /// client > SYN options-bad
    /// server > SYN ACK
    /// client > ACK
    /// client > data 1000 frame-short
    /// server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// For lifecycles 128 octets are enough on Ethernet (tcpdump -s 128): link header, tags, IPv6 and 60 octets of TCP. Tunnels
    /// need 50 to 100 more.
    "snaplen-cut", Capture, Note, [ARTEFACT], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let journal = &case.connection.journal;
    let options = journal.exhibit(Artefact::OptionsCut);
    let payload = journal.exhibit(Artefact::PayloadCut);
    let (kind, Exhibit { frame, time, count: cut, .. }) = match (options, payload) {
        (Some(cut), _) => ("options", cut),
        (None, Some(cut)) => ("payload", cut),
        (None, None) => return,
    };
    tell((kind, cut), Place { time, frame }, case.connection.frames(), found);
}

fn tell((kind, cut): (&'static str, u64), first: Place, frames: u64, found: &mut Found) {
    let words = match kind {
        "options" => "TCP options, which weakens what rests on them",
        _ => "payload, which changes nothing here: the lengths are known",
    };
    let (are, their) = if cut == 1 { ("is", "its") } else { ("are", "their") };
    let message =
        format_args!("{cut} of {} {are} in the capture without all of {their} {words}", count(frames, "frame"));
    ENTRY.draft(Confidence::High, first.time, [first.frame], message).kind(kind).push(found);
}

/// The same of a life that was told in short, without words.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, found: &mut Found) {
    if let Some(Sighting { first, count }) = orderly.cut {
        tell(("payload", count), first, orderly.frames(), found);
    }
}
