//! `half-close`: one side stopped sending and the other went on.

use crate::base::Side;
use crate::connection::{Class, Noted};
use crate::finding::phrase::{count, duration};

use crate::finding::case::{Case, Found};
use crate::finding::catalogue::finding;
use crate::finding::verdict::Confidence;

finding! {
    /// # What it is
    ///
    /// One side closed its sending direction and the other went on sending: a connection used in one direction (RFC 9293,
    /// section 3.6).
    ///
    /// # Why it matters
    ///
    /// It works only when the side that sent FIN used shutdown(SHUT_WR) and reads on. With close() the same data would be
    /// answered with a reset.
    ///
    /// # How it is recognised
    ///
    /// Payload in segments that acknowledge the FIN, more than a farewell of a few octets that a FIN follows at once (a
    /// TLS close_notify).
    ///
    /// ```trace fires
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > ACK
    ///    server > data 3000
    ///    client > ACK
    /// +1 server > FIN ACK
    ///    client > ACK
    /// ```
    ///
    /// However little it is, when the writer took its time before it closed:
    ///
    /// ```trace fires
    ///      client > SYN
    ///      server > SYN ACK
    ///      client > ACK
    ///      client > data 100
    ///      server > data 100
    ///      client > FIN ACK
    ///      server > data 30
    ///      client > ACK
    /// +5ms server > FIN ACK
    ///      client > ACK
    /// ```
    ///
    /// # Not to be confused with
    ///
    /// `reset-data-after-close`, where the data met nobody. `close-wait-stuck`, where the other side neither sends nor
    /// closes.
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > ACK
    /// +1 server > FIN ACK
    ///    client > ACK
    /// ```
    ///
    /// A farewell, written in one breath with the close:
    ///
    /// ```trace quiet
    /// client > SYN
    /// server > SYN ACK
    /// client > ACK
    /// client > data 100
    /// server > data 100
    /// client > FIN ACK
    /// server > data 30
    /// server > FIN ACK
    /// client > ACK
    /// ```
    ///
    /// Data that only met a reset was not read by anybody:
    ///
    /// ```trace quiet
    ///    client > SYN
    ///    server > SYN ACK
    ///    client > ACK
    ///    client > FIN ACK
    ///    server > ACK
    /// +9 server > data 3000
    ///    client > RST
    /// ```
    ///
    /// # What to do
    ///
    /// Nothing if it is meant (request bodies ended by FIN, rsh, `nc -N`). It needs shutdown(SHUT_WR) on the side that
    /// is done and reads on: close() there answers the rest with a reset (`reset-data-after-close`). Middleboxes keep
    /// half-closed flows for a shorter time (Linux conntrack: nf_conntrack_tcp_timeout_close_wait, 60 s,
    /// nf_conntrack-sysctl; many balancers less) and cut what takes longer.
    "half-close", Teardown, Note, [HALF_CLOSE], detect
}

fn detect(case: &Case<'_>, found: &mut Found) {
    let closing = &case.life.closing;
    for side in Side::BOTH {
        let Some(fin) = closing.fins[!side] else { continue };
        let octets = closing.octets_after_fin[side];
        let has_gone_round = case.connection.halves[!side].has_gone_round();
        let is_wild = |note: &Noted| note.class.contains(Class::WILD);
        let after = |note: &Noted| {
            let is_comparable = !has_gone_round || note.frame > fin.frame;
            note.side == side
                && note.len > 0
                && note.acknowledges()
                && note.ack.after(fin.seq)
                && is_comparable
                && !is_wild(note)
        };
        let first = case.notes(after).next();
        let taken = first.is_some_and(|data| {
            case.notes(|note| note.side != side && note.acknowledges() && note.ack.after(data.seq)).next().is_some()
        });
        if !closing.half_closed[side] || closing.reset.is_some() && !taken {
            // What came after the FIN met a closed socket.
            continue;
        }
        let last = case.notes(after).last();
        let until = last.map_or(case.connection.end, |note| note.time);
        let message = format_args!(
            "{} shut down sending and {} went on: {} in the {} after the FIN",
            case.name(!side),
            side,
            count(octets, "octet"),
            duration(until.since(fin.time).max(0))
        );
        let frames = [Some(fin.frame), last.map(|note| note.frame)].into_iter().flatten();
        ENTRY.draft(Confidence::High, fin.time, frames, message).endpoint(!side).push(found);
    }
}
