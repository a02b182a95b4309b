//! A connection that has left the table.

use crate::base::{Endpoint, Timestamp};
use crate::connection::{Brief, Circumstances, Connection, Orderly, Profile};
use crate::segment::Segment;

/// A connection that has left the table: whoever wants to know more of it than its ends unpacks it, on whatever thread.
#[derive(Debug)]
pub struct Left {
    pub(super) stream: u64,
    pub(super) client: Endpoint,
    pub(super) server: Endpoint,
    pub(super) evicted: bool,
    pub(super) body: Remains,
}

/// What is left of it.
#[derive(Debug)]
pub(super) enum Remains {
    /// A SYN and nothing else.
    Asked(Segment),
    Brief(Brief),
    Whole(Box<Connection>),
}

impl Left {
    /// The end that opened.
    pub fn client(&self) -> Endpoint {
        self.client
    }

    /// The other end.
    pub fn server(&self) -> Endpoint {
        self.server
    }

    /// Its life, if it was an orderly one for certain, without unpacking it. `horizon` is the newest packet time of the
    /// capture so far, `profile` what is taken for the stack of an end that does not show its own.
    pub fn orderly(&self, horizon: Timestamp, profile: Profile) -> Option<Orderly> {
        let &Self { stream, client, server, evicted, .. } = self;
        let circumstances = Circumstances { stream, client, server, evicted, horizon, profile };
        match &self.body {
            Remains::Brief(brief) => Orderly::of(&circumstances, brief),
            Remains::Asked(syn) => Orderly::of_syn(&circumstances, syn),
            Remains::Whole(_) => None,
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
    fn play_back(&self, body: &Remains, place: &mut Option<Box<Connection>>) {
        match body {
            Remains::Whole(_) => {}
            Remains::Asked(syn) => Connection::begin_in(place, self.stream, syn),
            Remains::Brief(brief) => Connection::play_back(place, self.stream, brief, self.client, self.server),
        }
    }
}
