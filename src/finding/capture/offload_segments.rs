//! `offload-segments`: segments that no wire carried in this size.

use crate::base::{Side, Sides};
use crate::connection::{Artefact, Exhibit, Orderly, Place, Sighting};
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// Segments larger than the receiver's MSS: the capture was taken on one of the hosts, before its network card cut them (TSO,
    /// GSO) or after the kernel had put them together (GRO, LRO). A router, bridge or firewall that forwards joins them, too, and cuts
    /// them again.
    ///
    /// # Why it matters
    ///
    /// One such frame stands for several packets. Counts of packets, of retransmissions and of duplicate acknowledgments are too low,
    /// and times are those of the batch. Octets, order and states are right.
    ///
    /// # How it is recognised
    ///
    /// Payload beyond the MSS that the receiver announced, or an IP length of 0.
    ///
    /// ```trace fires
    /// client > SYN <mss 1460>
    /// server > SYN ACK <mss 1460>
    /// client > ACK
    /// server > data 14600
    /// client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Jumbo frames, for which both ends announce an MSS of that size.
    ///
    /// ```trace quiet
    /// client > SYN <mss 8960>
    /// server > SYN ACK <mss 8960>
    /// client > ACK
    /// server > data 8960
    /// client > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing, unless packets matter: then capture on the wire, or switch offload off while you do (ethtool -K IFACE tso off gso off gro
    /// off), which costs CPU.
    "offload-segments", Capture, Note, [ARTEFACT], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let connection = case.connection;
    let Some(Exhibit { frame, time, count: segments, .. }) = connection.journal.exhibit(Artefact::Offload) else {
        return;
    };
    let is_of = Sides {
        client: connection.halves.client.super_segments > 0,
        server: connection.halves.server.super_segments > 0,
    };
    tell((segments, is_of), Place { time, frame }, found);
}

fn tell((segments, is_of): (u64, Sides<bool>), first: Place, found: &mut Found) {
    let message = format_args!(
        "{} larger than the receiver's MSS or without a length: captured where segments are joined or not yet cut: on a host with segmentation offload, or a router that joins them (GRO)",
        match segments {
            1 => "1 segment is".to_owned(),
            more => format!("{} are", count(more, "segment")),
        }
    );
    let draft = ENTRY.draft(Confidence::High, first.time, [first.frame], message);
    match (is_of.client, is_of.server) {
        (true, false) => draft.endpoint(Side::Client),
        (false, true) => draft.endpoint(Side::Server),
        _ => draft,
    }
    .push(found);
}

/// The same of a life that was told in short, without words.
pub(in crate::finding) fn of_orderly(orderly: &Orderly, found: &mut Found) {
    let Some(Sighting { first, count }) = orderly.large else { return };
    tell((count, orderly.sends_large), first, found);
}
