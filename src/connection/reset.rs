//! A reset with the state of things before it, and whether its receiver would take it.

use super::half::Half;
use super::noted::Noted;
use super::profile::Profile;
use super::state::State;
use crate::base::{Seq, Side, Sides, Timestamp, words};
use crate::segment::{Flags, MultipathEnd};

words! {
    /// Where a RST's numbers stand for its receiver (RFC 9293, section 3.10.7.4; RFC 5961, section 3; Linux
    /// `tcp_validate_incoming` and `tcp_reset_check` for the last two exact forms).
    Acceptance {
        /// SEG.SEQ = RCV.NXT: the connection is reset.
        Exact = "exact",
        /// In SYN-SENT, acknowledges the SYN: the connection is refused.
        AcksSyn = "acks-syn",
        /// SEG.SEQ equals the highest SACK edge: Linux resets.
        SackEdge = "sack-edge",
        /// SEG.SEQ = RCV.NXT - 1 after the peer's FIN (CLOSE-WAIT, LAST-ACK, CLOSING): Linux resets.
        BeforeFin = "before-fin",
        /// In the window but not exact: a challenge ACK, and the connection lives.
        Challenge = "challenge",
        /// Outside the window, or in SYN-SENT without acknowledging the SYN: ignored.
        Outside = "outside",
        /// The capture does not show enough to tell.
        Unknown = "unknown",
    }
}

impl Acceptance {
    /// A receiver that follows Linux resets its connection.
    pub const fn resets(self) -> bool {
        match self {
            Self::Exact | Self::AcksSyn | Self::SackEdge | Self::BeforeFin | Self::Unknown => true,
            Self::Challenge | Self::Outside => false,
        }
    }

    /// The same for a receiver of this stack in `state`: below RCV.NXT, TIME-WAIT takes no reset (Linux
    /// `tcp_timewait_state_process`), and in FreeBSD none at all (`tcp_twcheck`).
    pub fn resets_in(self, state: State, stack: &Profile) -> bool {
        let is_spared = self == Self::BeforeFin || stack.is_surely(&Profile::FREEBSD);
        self.resets() && !(state == State::TimeWait && is_spared)
    }
}

/// A RST and what was known when it came.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct ResetSeen {
    /// The segment.
    pub noted: Noted,
    /// Both halves just before it.
    pub before: Sides<Half>,
    /// Nanoseconds since the newest segment of either side that was not a RST.
    pub silence_ns: Option<i64>,
}

impl ResetSeen {
    pub(super) fn new(noted: Noted, halves: &Sides<Half>, newest: Option<Timestamp>) -> Self {
        Self { noted, before: halves.clone(), silence_ns: newest.map(|newest| noted.time.since(newest)) }
    }

    /// The segment with which its receiver had aborted the connection over all paths, if it answers that (RFC 8684, section
    /// 3.5): MP_FASTCLOSE without RST.
    pub fn asked_by_fast_close(&self) -> Option<&Noted> {
        self.before[!self.noted.side].last.as_ref().filter(|last| last.multipath_end == MultipathEnd::FAST_CLOSE)
    }

    /// Whether the side that it was sent to resets its connection for it.
    pub fn acceptance(&self) -> Acceptance {
        let sender = &self.before[self.noted.side];
        let receiver = &self.before[!self.noted.side];
        let seq = self.noted.seq;
        let Some(start) = sender.start else {
            return self.acceptance_in_syn_sent(receiver);
        };
        if sender.isn.is_none() && sender.frames == 0 && receiver.isn.is_some() && !receiver.fin_acked() {
            // Only the receiver's own bad acknowledgment says anything of the sender's numbers.
            return self.acceptance_in_syn_sent(receiver);
        }
        // A client that has acknowledged nothing is in SYN-SENT, where only the acknowledgment counts.
        let acceptance = self.acceptance_in_syn_sent(receiver);
        if sender.acked.is_none() && receiver.syns > 0 && acceptance == Acceptance::AcksSyn {
            return acceptance;
        }
        let una = sender.acked.unwrap_or(start);
        if seq == una || seq == sender.nxt {
            return Acceptance::Exact;
        }
        if sender.fin == Some(seq) {
            return Acceptance::BeforeFin;
        }
        if receiver.sack_high == Some(seq) {
            return Acceptance::SackEdge;
        }
        if receiver.frames == 0 || sender.acked.is_none() && sender.isn.is_none() {
            return Acceptance::Unknown;
        }
        let edge = receiver.right_edge.unwrap_or(sender.nxt).later(sender.nxt);
        if seq.at_or_after(una) && seq.at_or_before(edge) { Acceptance::Challenge } else { Acceptance::Outside }
    }

    /// Nothing of the sender is known but the RST: its receiver can only be in SYN-SENT, or the capture is one-sided.
    fn acceptance_in_syn_sent(&self, receiver: &Half) -> Acceptance {
        match receiver.isn {
            Some(isn) if receiver.syns > 0 && receiver.syn_acks == 0 => {
                let acks_syn = self.noted.flags.contains(Flags::ACK)
                    && self.noted.ack.after(isn)
                    && self.noted.ack.at_or_before(receiver.nxt);
                if acks_syn { Acceptance::AcksSyn } else { Acceptance::Outside }
            }
            _ => Acceptance::Unknown,
        }
    }

    /// Payload octets that a side had sent and that its peer had not acknowledged.
    pub fn lost(&self, side: Side) -> u64 {
        self.before[side].in_flight()
    }

    /// The same, when the RST's own acknowledgment counts.
    pub fn lost_but_for_its_ack(&self, side: Side) -> u64 {
        if side == self.noted.side || !self.noted.flags.contains(Flags::ACK) {
            return self.lost(side);
        }
        self.lost(side).min(self.before[side].in_flight_beyond(self.noted.ack))
    }

    /// It belongs to an abort, and acknowledges `side` up to `end`.
    pub fn acknowledges(&self, side: Side, end: Seq) -> bool {
        let Noted { flags, seq, ack, .. } = self.noted;
        let is_abort = flags.contains(Flags::ACK) && self.sender_nxt() == Some(seq);
        self.noted.side != side && is_abort && ack.at_or_after(end)
    }

    /// SND.NXT of the RST's sender as far as it was seen.
    pub fn sender_nxt(&self) -> Option<Seq> {
        super::step::next_of(&self.before[self.noted.side])
    }
}
