//! What is known of a segment's connection before it is looked at.

use super::key::Key;
use crate::connection::Predecessor;
use crate::segment::Segment;

/// Says of segments where a table looks for their connections, without the table: on another thread, for one.
#[derive(Clone, Copy, Debug)]
pub struct Finder {
    pub(super) seed: u64,
}

impl Finder {
    /// Where to look for the connection of `segment`.
    #[inline]
    pub fn locate(&self, segment: &Segment) -> Locator {
        let mut locator = Locator::NONE;
        self.locate_in(segment, &mut locator);
        locator
    }

    /// The same, written where it stays, and for IPv4 only as much of a key as is one.
    #[inline]
    pub fn locate_in(&self, segment: &Segment, locator: &mut Locator) {
        match Key::of_plain(segment.source, segment.destination, segment.realm) {
            Some((key, from_low)) => {
                locator.hash = key.hash(self.seed);
                (locator.key, locator.from_low) = (key, from_low);
            }
            None => self.locate_any(segment, locator),
        }
    }

    #[inline(never)]
    fn locate_any(&self, segment: &Segment, locator: &mut Locator) {
        let (key, from_low) = Key::told_apart(segment.source, segment.destination);
        let key = key.within(segment.realm);
        locator.hash = key.hash(self.seed);
        (locator.key, locator.from_low) = (key, from_low);
    }
}

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

    #[inline]
    pub(super) fn opening<'a>(&'a self, stream: u64, predecessor: Option<&'a Predecessor>, quoted: u8) -> Opening<'a> {
        Opening { locator: self, stream, predecessor, quoted }
    }
}

/// A connection that is about to begin.
pub(super) struct Opening<'a> {
    /// Where, and with a segment of which end.
    pub locator: &'a Locator,
    pub stream: u64,
    pub predecessor: Option<&'a Predecessor>,
    /// What ICMP errors that quoted it before it was seen add to its completeness.
    pub quoted: u8,
}

impl Opening<'_> {
    /// Nothing is known of the four-tuple from before.
    pub fn is_plain(&self) -> bool {
        self.predecessor.is_none() && self.quoted == 0
    }
}
