//! Headers that somebody sampled: they tell that a packet was, and nothing of those around it.

use super::history::completeness;
use super::journal::Artefact;
use super::roles::roles;
use super::step::Connection;
use crate::segment::{Marks, Segment};

impl Connection {
    /// Headers of it that were sampled; [`Connection::frames`] does not count them.
    pub fn sampled(&self) -> u64 {
        self.halves.client.sampled + self.halves.server.sampled
    }

    /// Nothing of it was captured but sampled headers: its life is not known.
    pub fn is_sampled_alone(&self) -> bool {
        self.sampled() > 0 && self.frames() == 0
    }

    /// Counts `segment` if it was sampled, and tracks nothing by it: what came before and after it is missing, and it is
    /// dated by the datagram that told of it. False for one that was captured itself.
    #[cold]
    pub(super) fn take_sampled(&mut self, segment: &Segment) -> bool {
        if !segment.marks.contains(Marks::SAMPLED) {
            if self.is_sampled_alone() {
                self.begin_captured(segment);
            }
            return false;
        }
        let side = self.side_of(segment);
        if self.frames() == 0 {
            self.end = self.end.max(segment.time);
        }
        self.last_frame = segment.frame.0;
        self.halves[side].sampled += 1;
        // As in Wireshark, which takes it like a quoted one: no number begins by it, and its payload does not count.
        if !segment.marks.contains(Marks::HEADER_BAD) || segment.marks.contains(Marks::OPTIONS_CUT) {
            self.completeness |= completeness(segment.flags, 0, self.halves[side].base);
        }
        self.journal.artefact(Artefact::Sampled, segment);
        true
    }

    /// The first segment that was captured itself decides what a first one does.
    fn begin_captured(&mut self, segment: &Segment) {
        let (client, server, role_basis) = roles(segment);
        if client != self.client {
            std::mem::swap(&mut self.halves.client, &mut self.halves.server);
        }
        (self.client, self.server, self.role_basis) = (client, server, role_basis);
        self.context = segment.context;
        self.end = segment.time;
        self.longest_silence = (0, segment.frame.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Side;
    use crate::connection::{Lifecycle, OpenKind, Profile, RoleBasis, State};
    use crate::source::script;

    fn tracked(trace: &str) -> Connection {
        let segments = script::parse(trace).expect("a trace");
        let mut segments = segments.iter().filter_map(|item| match item {
            crate::segment::Item::Segment(segment) => Some(*segment),
            crate::segment::Item::IcmpError(_) => None,
        });
        let first = segments.next().expect("a segment");
        let mut connection = Connection::new(0, &first, None);
        connection.step(&first);
        segments.for_each(|segment| connection.step(&segment));
        connection
    }

    #[test]
    fn samples_move_nobody() {
        let alone = tracked("client > SYN sampled\nserver > data 100 sampled\nclient > RST seq 1 sampled");
        assert!(alone.is_sampled_alone());
        assert_eq!((alone.sampled(), alone.completeness), (3, 1 | 4 | 32));
        assert!(!alone.is_closing() && alone.resets.is_empty());
        assert_eq!(alone.ends_at(&Profile::LINUX), None);
        let life = Lifecycle::of(&alone, alone.end, Profile::LINUX);
        assert_eq!((life.opening.kind, life.resets.len()), (OpenKind::Midstream, 0));
    }

    #[test]
    fn a_connection_that_was_captured_is_the_same_beside_samples() {
        let plain = "client > SYN\nserver > SYN ACK\nclient > ACK\nclient > FIN ACK\nserver > FIN ACK\nclient > ACK\n";
        let sampled = "server > RST sampled\nclient > data 1000 seq 5000 sampled\n";
        let (alone, beside) = (tracked(plain), tracked(&format!("{sampled}{plain}{sampled}")));
        assert!(!beside.is_sampled_alone());
        assert_eq!((beside.sampled(), beside.frames(), beside.role_basis), (4, 6, RoleBasis::Syn));
        let states = |connection: &Connection| {
            let life = Lifecycle::of(connection, connection.end, Profile::LINUX);
            Side::BOTH.map(|side| life.states[side].iter().map(|step| step.state).collect::<Vec<State>>())
        };
        assert_eq!(states(&beside), states(&alone));
        assert_eq!(beside.history, alone.history);
    }
}
