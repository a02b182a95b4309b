//! What an end answered with a bare reset, it did not take.

use super::delivery::{acknowledges_beyond, shows_receipt_beyond};
use super::noted::{Class, Noted};
use super::profile::Profile;
use super::step::Connection;
use crate::base::Side;
use crate::segment::Flags;

/// A segment of the peer that `side` answered with a reset without ACK.
pub(super) struct Refused {
    /// Its index.
    pub note: usize,
    /// Its acknowledgment took effect all the same.
    pub takes_ack: bool,
}

impl Refused {
    /// The peer's FIN, or its first acknowledgment of `side`'s, that `side`, of the stack `stack`, answered with its first
    /// reset.
    pub fn of(connection: &Connection, notes: &[Noted], side: Side, stack: &Profile) -> Option<Self> {
        let reply = notes.iter().position(|note| note.side == side && note.is_rst() && !connection.is_of_next(note))?;
        let note = notes[..reply].iter().rposition(|note| note.side != side)?;
        let (asked, answer) = (&notes[note], &notes[reply]);
        if answer.flags.contains(Flags::ACK) || answer.seq != asked.ack || asked.is_rst() {
            return None;
        }
        let peer = &connection.halves[!side];
        // An earlier copy may have been taken, its acknowledgment lost before the tap, and TIME-WAIT be over.
        let time_wait_ns = stack.shortest_time_wait_ns();
        let is_fin = peer.fin.is_some_and(|fin| {
            let had_it = notes.iter().any(|note| note.side == side && shows_receipt_beyond(note, fin));
            let is_copy = |note: &Noted| note.side != side && note.is_fin() && note.end() == fin + 1;
            let first = notes[..note].iter().find(|note| is_copy(note));
            let may_have_had = first.is_some_and(|first| asked.time.since(first.time) >= time_wait_ns);
            is_copy(asked) && !had_it && !may_have_had
        });
        let own_fin = notes[..note].iter().find(|note| note.side == side && note.is_fin());
        let brings_data = asked.len > 0 || peer.acked.is_none_or(|acked| acked.before(asked.seq));
        if is_fin && own_fin.is_some() && brings_data {
            // The application has gone and nobody reads: the acknowledgment is looked at before the octets, and the FIN not
            // any more (RFC 9293, section 3.10.7.4, fifth and seventh; Linux `tcp_rcv_state_process`).
            return Some(Self { note, takes_ack: true });
        }
        let is_whole = peer.gaps.is_empty() && !asked.class.contains(Class::AFTER_GAP);
        // Past LAST-ACK there is no socket, and a copy of the last acknowledgment meets none.
        let is_last = own_fin.zip(peer.fin).is_some_and(|(own, fin)| own.ack.after(fin));
        let acks_first = !is_last
            && connection.halves[side].fin.is_some_and(|fin| {
                let is_ack = |note: &Noted| note.side != side && acknowledges_beyond(note, fin);
                asked.ack.after(fin) && !notes[..note].iter().any(is_ack)
            });
        // Whoever had a socket left would have taken it (eighth), even one without an application.
        let meets_nobody = asked.len == 0 && is_whole && acks_first || is_fin && is_whole;
        meets_nobody.then_some(Self { note, takes_ack: false })
    }
}
