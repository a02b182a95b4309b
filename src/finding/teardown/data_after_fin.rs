//! `data-after-fin`: sequence space beyond the own FIN.

use std::fmt;

use crate::base::Side;
use crate::connection::Class;
use crate::finding::phrase::count;

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// A side sent sequence numbers beyond its own FIN: by the protocol there are none.
    ///
    /// # Why it matters
    ///
    /// No ordinary stack does this. It is an evasion technique, a broken load generator, or a second connection mistaken
    /// for this one.
    ///
    /// # How it is recognised
    ///
    /// A segment whose end lies beyond the FIN's number + 1. Another hop limit and no timestamps, where the sender's other
    /// segments have them, are those of somebody else (`kind` `forged`).
    ///
    /// ```trace fires
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > FIN ACK
    /// server > ACK
    /// client > data 10
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// Retransmissions of data before the FIN, which lie below it. A FIN that overtook the data before it.
    ///
    /// ```trace quiet
    ///        client > SYN
    ///        server > SYN ACK
    ///        client > ACK
    ///        client > data 10
    ///        client > FIN ACK
    /// +200ms client > data 1:11
    ///        server > ACK
    /// ```
    ///
    /// # What to do
    ///
    /// Find out who made the packets; treat inspection results for this flow with suspicion.
    "data-after-fin", Teardown, Warning, [BEYOND_FIN], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    for side in Side::BOTH {
        let beyond: Vec<_> = case
            .notes(|note| {
                note.side == side && note.class.contains(Class::BEYOND_FIN) && !note.is_syn() && !note.is_syn_ack()
            })
            .collect();
        let Some(first) = beyond.first() else { continue };
        let half = &case.connection.halves[side];
        let ttl = half.ttl.filter(|&ttl| ttl != first.ttl);
        let lacks_stamps = half.timestamps && first.timestamps.is_none();
        let marks = fmt::from_fn(|f| {
            if let Some(ttl) = ttl {
                write!(f, ", with TTL {} where its other segments have {ttl}", first.ttl)?;
            }
            if lacks_stamps {
                f.write_str(", without the timestamps that its other segments have")?;
            }
            if ttl.is_some() && lacks_stamps { f.write_str(": by somebody in its name") } else { Ok(()) }
        });
        let name = case.name(side);
        let message = format_args!("{name} sent {} beyond its own FIN{marks}", count(beyond.len() as u64, "segment"));
        let frames = beyond.iter().map(|note| note.frame);
        let draft = ENTRY.draft(Confidence::High, first.time, frames, message).endpoint(side);
        if ttl.is_some() && lacks_stamps { draft.kind("forged") } else { draft }.push(found);
    }
}
