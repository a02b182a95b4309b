//! How an orderly life goes from its handshake to its end.

use super::{Letters, Place};
use crate::base::{Seq, Side, Timestamp};

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Nothing,
    Asked,
    Answered,
    Open,
    /// The first FIN was sent.
    Closing,
    /// And acknowledged.
    HalfClosed,
    /// And the other.
    Closed,
    /// And acknowledged.
    Over,
    /// The server refused the SYN.
    Refused,
    /// One end aborted what was open.
    Aborted,
}

/// How a life goes from stage to stage.
pub(super) struct Course {
    pub stage: Stage,
    pub opened: Place,
    /// The timestamp of the handshake's end, where the ends use timestamps.
    pub clock: Option<Seq>,
    pub closer: Side,
    pub first_fin: Place,
    pub first_fin_len: u32,
    pub first_fin_id: u16,
    pub last_id: u16,
    pub history: Letters,
    /// All that the other end had sent had reached the closer.
    pub is_drained: bool,
    pub fin_acked: Place,
    pub second_fin: Place,
}

/// What a segment with ACK says of where a life goes.
pub(super) struct Turn {
    pub side: Side,
    pub is_fin: bool,
    /// It acknowledges all that the other end sent.
    pub acks_all: bool,
    pub payload_len: u32,
    pub ip_id: u16,
    pub clock: Option<Seq>,
}

impl Course {
    /// One that has not begun.
    pub const NEW: Self = {
        let none = Place { time: Timestamp(0), frame: 0 };
        Self {
            stage: Stage::Nothing,
            opened: none,
            clock: None,
            closer: Side::Client,
            first_fin: none,
            first_fin_len: 0,
            first_fin_id: 0,
            last_id: 0,
            history: Letters::NONE,
            is_drained: false,
            fin_acked: none,
            second_fin: none,
        }
    };

    /// Goes on to another stage; false when there is none that is orderly.
    #[inline(always)]
    pub fn turn(&mut self, turn: Turn, now: Place) -> bool {
        let Turn { side, is_fin, acks_all, payload_len, ip_id, clock } = turn;
        let is_bare = payload_len == 0 && !is_fin;
        match self.stage {
            Stage::Answered => {
                (self.stage, self.opened, self.clock) = (Stage::Open, now, clock);
                is_bare && side == Side::Client && acks_all
            }
            Stage::Open => {
                self.stage = Stage::Closing;
                self.history.push(side, b'F');
                (self.closer, self.first_fin, self.first_fin_len) = (side, now, payload_len);
                (self.first_fin_id, self.is_drained) = (ip_id, acks_all);
                true
            }
            Stage::Closing | Stage::HalfClosed => {
                let answers = side != self.closer && acks_all;
                if self.stage == Stage::Closing {
                    self.fin_acked = now;
                }
                if is_fin {
                    self.stage = Stage::Closed;
                    self.history.push(side, b'F');
                    self.second_fin = now;
                } else if self.stage == Stage::Closing {
                    self.stage = Stage::HalfClosed;
                } else {
                    return false;
                }
                answers && payload_len == 0
            }
            Stage::Closed => {
                (self.stage, self.last_id) = (Stage::Over, ip_id);
                is_bare && side == self.closer && acks_all
            }
            Stage::Nothing | Stage::Asked | Stage::Over | Stage::Refused | Stage::Aborted => false,
        }
    }
}
