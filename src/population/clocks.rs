//! Which connection attempts a service answered, by the timestamps of their SYNs: a server that refuses by the clock of an
//! address gives itself away.

use std::net::IpAddr;

use crate::base::{Seq, Timestamp};
use crate::connection::{Connection, Lifecycle, OpenKind, Orderly};

/// Attempts remembered of one service, the newest.
const ATTEMPTS_MAX: usize = 256;

/// An attempt to connect whose SYN had a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Who tried.
    pub client: IpAddr,
    /// When its first SYN was captured.
    pub time: Timestamp,
    /// The first SYN's TSval.
    pub clock: Seq,
    /// It was answered, whatever came of it.
    pub is_answered: bool,
    /// Its connection.
    pub stream: u64,
    /// The frame of its first SYN.
    pub frame: u64,
}

impl Attempt {
    /// The one that `connection` began with, if its beginning was captured and has a timestamp.
    pub(super) fn of(connection: &Connection, life: &Lifecycle) -> Option<Self> {
        let syn = life.notes.iter().find(|note| note.is_syn())?;
        Some(Self {
            client: connection.endpoint(syn.side).ip,
            time: syn.time,
            clock: Seq(syn.timestamps?.value),
            is_answered: life.opening.kind != OpenKind::Unanswered,
            stream: connection.stream,
            frame: syn.frame,
        })
    }

    /// The same of a life that was told in short.
    #[inline]
    pub(super) fn of_orderly(orderly: &Orderly) -> Option<Self> {
        Some(Self::of_syn(orderly, orderly.syn_clock?))
    }

    /// The same, where its SYN's TSval is known.
    #[inline]
    pub(super) fn of_syn(orderly: &Orderly, clock: u32) -> Self {
        Self {
            client: orderly.client.ip,
            time: orderly.start,
            clock: Seq(clock),
            is_answered: orderly.open != OpenKind::Unanswered,
            stream: orderly.stream,
            frame: orderly.syn_frame,
        }
    }
}

/// The newest attempts of one service.
#[derive(Clone, Debug, Default)]
pub struct Clocks {
    attempts: Vec<Attempt>,
    next: usize,
}

impl Clocks {
    /// Takes an attempt.
    pub(super) fn take(&mut self, attempt: Attempt) {
        self.take_with(|| attempt);
    }

    /// The same, put together where it stays.
    #[inline]
    pub(super) fn take_with(&mut self, attempt: impl FnOnce() -> Attempt) {
        match self.attempts.get_mut(self.next) {
            Some(oldest) => *oldest = attempt(),
            None => self.attempts.push(attempt()),
        }
        self.next = (self.next + 1) % ATTEMPTS_MAX;
    }

    /// Some attempt was not answered.
    pub fn has_unanswered(&self) -> bool {
        self.attempts.iter().any(|attempt| !attempt.is_answered)
    }

    /// The attempts in order of time.
    pub fn in_order(&self) -> Vec<Attempt> {
        let mut attempts = self.attempts.clone();
        attempts.sort_by_key(|attempt| (attempt.time, attempt.frame));
        attempts
    }
}
