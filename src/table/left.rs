//! A connection that has left the table.

use crate::base::{Endpoint, Timestamp};
use crate::connection::{Circumstances, Connection, Head, Orderly, Packed, Profile};
use crate::segment::Segment;

/// A connection that leaves the table: whoever wants to know more of it than its ends unpacks it. [Kept](Left::keep) elsewhere, it
/// can be unpacked on another thread.
#[derive(Debug)]
pub struct Left<'a> {
    pub(super) stream: u64,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) evicted: bool,
    pub(super) over_at: Option<Timestamp>,
    pub(super) body: Remains<'a>,
}

/// What is left of it.
#[derive(Debug)]
pub(super) enum Remains<'a> {
    /// A SYN and nothing else.
    Asked(&'a Segment),
    Brief(Packed<'a>),
    Whole(Box<Connection>),
}

/// A connection that has left the table. What was packed of it lies elsewhere, together with that of others.
#[derive(Debug)]
pub struct Kept {
    stream: u64,
    client: Endpoint,
    server: Endpoint,
    evicted: bool,
    body: KeptBody,
}

#[derive(Debug)]
enum KeptBody {
    Asked(Segment),
    /// From this octet on.
    Brief(Head, usize),
    Whole(Box<Connection>),
    /// It was lent, and is whoever's it was lent to.
    Gone,
}

impl Kept {
    /// It is a SYN and nothing else.
    pub fn is_lone(&self) -> bool {
        matches!(self.body, KeptBody::Asked(_))
    }

    /// It was not packed.
    pub fn is_whole(&self) -> bool {
        matches!(self.body, KeptBody::Whole(_))
    }

    /// With what was packed of it at hand: the octets that it was kept with, or more of the same. It can be lent once.
    pub fn lend<'a>(&'a mut self, octets: &'a [u8]) -> Option<Left<'a>> {
        let &mut Self { stream, client, server, evicted, ref mut body } = self;
        let body = match body {
            KeptBody::Asked(syn) => Remains::Asked(syn),
            KeptBody::Brief(head, from) => Remains::Brief(head.with(octets.get(*from..).unwrap_or_default())),
            whole => match std::mem::replace(whole, KeptBody::Gone) {
                KeptBody::Whole(connection) => Remains::Whole(connection),
                _ => return None,
            },
        };
        Some(Left { stream, client, server, evicted, over_at: None, body })
    }
}

impl Left<'_> {
    /// A packet at this time, before the newest one, was the first to show that it was over; none when the newest one shows it, or
    /// when it leaves for another reason.
    pub fn over_at(&self) -> Option<Timestamp> {
        self.over_at
    }

    /// Keeps it for later: what is packed of it goes behind `octets`.
    pub fn keep(self, octets: &mut Vec<u8>) -> Kept {
        let Self { stream, client, server, evicted, body, .. } = self;
        let body = match body {
            Remains::Asked(syn) => KeptBody::Asked(*syn),
            Remains::Brief(packed) => {
                let from = octets.len();
                KeptBody::Brief(packed.put_into(octets), from)
            }
            Remains::Whole(connection) => KeptBody::Whole(connection),
        };
        Kept { stream, client, server, evicted, body }
    }

    /// It is a SYN and nothing else.
    pub fn is_lone(&self) -> bool {
        matches!(self.body, Remains::Asked(_))
    }

    /// The end that opened.
    pub fn client(&self) -> Endpoint {
        self.client
    }

    /// The other end.
    pub fn server(&self) -> Endpoint {
        self.server
    }

    /// Writes its life over what `place` holds, without unpacking it; false when it is not an orderly one for certain. `horizon` is
    /// the newest packet time of the capture so far, `profile` what is taken for the stack of an end that does not show its own.
    pub fn orderly(&self, horizon: Timestamp, profile: &Profile, place: &mut Orderly) -> bool {
        let &Self { stream, ref client, ref server, evicted, .. } = self;
        let circumstances = Circumstances { stream, ends: [client, server], evicted, horizon, profile };
        match &self.body {
            Remains::Brief(brief) => place.become_that_of(&circumstances, brief),
            Remains::Asked(syn) => place.become_that_of_syn(&circumstances, syn),
            Remains::Whole(_) => false,
        }
    }

    /// Shows the connection, a brief one played back in `scratch`.
    pub fn show<T>(&self, scratch: &mut Option<Box<Connection>>, to: impl FnOnce(&Connection) -> T) -> Option<T> {
        match &self.body {
            Remains::Whole(connection) => Some(to(connection)),
            packed => {
                self.play_back(packed, scratch);
                let connection = scratch.as_mut()?;
                connection.evicted = self.evicted;
                Some(to(connection))
            }
        }
    }

    /// The connection, a brief one played back over what `spare` holds.
    pub fn unpack(self, spare: Option<Box<Connection>>) -> Option<Box<Connection>> {
        let mut place = spare;
        self.play_back(&self.body, &mut place);
        let mut connection = match self.body {
            Remains::Whole(connection) => connection,
            Remains::Asked(_) | Remains::Brief(_) => place?,
        };
        connection.evicted = self.evicted;
        Some(connection)
    }

    /// Lends the connection, a brief one played back in `scratch`.
    pub fn lend<T>(mut self, scratch: &mut Option<Box<Connection>>, to: impl FnOnce(&Connection) -> T) -> Option<T> {
        self.play_back(&self.body, scratch);
        let connection = match &mut self.body {
            Remains::Whole(connection) => connection,
            Remains::Asked(_) | Remains::Brief(_) => scratch.as_mut()?,
        };
        connection.evicted = self.evicted;
        Some(to(connection))
    }

    /// Plays `body` back into `place` if it is packed.
    fn play_back(&self, body: &Remains<'_>, place: &mut Option<Box<Connection>>) {
        match body {
            Remains::Whole(_) => {}
            Remains::Asked(syn) => Connection::begin_in(place, self.stream, syn),
            Remains::Brief(brief) => Connection::play_back(place, self.stream, brief, self.client, self.server),
        }
    }
}
