//! What is known of a segment's connection before it is looked at.

use super::key::Key;
use crate::connection::Predecessor;

/// Where to look for a connection.
#[derive(Clone, Copy, Debug)]
pub struct Locator {
    pub(super) hash: u32,
    pub(super) key: Key,
    /// The segment comes from the lower endpoint of the key.
    pub(super) from_low: bool,
    /// Where the index would have it.
    pub(super) home: u32,
    /// The place that it was last seen in, if it was: what the index says.
    pub(super) guess: u32,
}

/// No place.
pub(super) const NOWHERE: u32 = u32::MAX;

impl Locator {
    /// Of what has no connection of its own.
    pub const NONE: Self = Self { hash: 0, key: Key::NONE, from_low: false, home: 0, guess: NOWHERE };

    pub(super) fn opening(&self, stream: u64, predecessor: Option<Predecessor>, quoted: u8) -> Opening {
        let &Self { hash, key, from_low, .. } = self;
        Opening { hash, key, from_low, stream, predecessor, quoted }
    }
}

/// A connection that is about to begin.
pub(super) struct Opening {
    pub hash: u32,
    pub key: Key,
    /// Its first segment comes from the lower endpoint of the key.
    pub from_low: bool,
    pub stream: u64,
    pub predecessor: Option<Predecessor>,
    /// What ICMP errors that quoted it before it was seen add to its completeness.
    pub quoted: u8,
}

impl Opening {
    /// Nothing is known of the four-tuple from before.
    pub fn is_plain(&self) -> bool {
        self.predecessor.is_none() && self.quoted == 0
    }
}
