//! What can be said of a connection by itself, on whichever thread has time: all but what connections before it decide.

use std::sync::{Mutex, PoisonError};

use crate::base::Timestamp;
use crate::connection::{Connection, Lifecycle, Orderly, Profile, Room};
use crate::finding::{self, Sketch, Verdict};
use crate::policy::Policy;
use crate::population::Departure;
use crate::table::Left;

/// Memory of connections that were told, for others: as much as can be on the way between threads.
const SPARES_MAX: usize = 1_024;

/// Looks at connections without telling them.
pub(super) struct Judge {
    pub profile: Profile,
    pub policy: Policy,
    /// The sink wants no words of most connections.
    pub takes_gists: bool,
}

/// A connection and what is to be said of it, as far as it can be known.
pub(super) struct Judged {
    pub connection: Box<Connection>,
    pub life: Lifecycle,
    pub said: Said,
}

/// What has been said of a connection already.
#[derive(Default)]
pub(super) enum Said {
    #[default]
    Nothing,
    Sketch(Sketch),
    Verdict(Box<Verdict>),
}

/// Memory for the next connection.
#[derive(Default)]
pub(super) struct Spare {
    connection: Option<Box<Connection>>,
    room: Room,
}

/// Memory that goes back to the threads that judge.
#[derive(Default)]
pub(super) struct Spares(Mutex<Vec<Spare>>);

impl Judge {
    /// Writes the life of a connection that left when packet time had reached `horizon` over what `place` holds; false when that is
    /// not enough to tell it.
    pub fn in_short(&self, left: &Left<'_>, departure: Departure, horizon: Timestamp, place: &mut Orderly) -> bool {
        if !left.orderly(horizon, &self.profile, place) {
            return false;
        }
        if cfg!(debug_assertions) {
            super::short::assert_same(left, place, departure, self.profile);
        }
        finding::is_enough(place, &self.policy.thresholds(place.client, place.server))
    }

    /// Unpacks and judges a connection that left when packet time had reached `horizon`.
    pub fn judge(&self, left: Left<'_>, horizon: Timestamp, spare: Spare) -> Option<Judged> {
        let (connection, life) = self.live(left, horizon, spare)?;
        let thresholds = self.policy.thresholds(connection.client, connection.server);
        let said = if self.takes_gists {
            let mut sketch = Sketch::default();
            sketch.draw(&connection, &life, &thresholds);
            Said::Sketch(sketch)
        } else {
            Said::Verdict(Box::new(finding::conclude(&connection, &life, &thresholds)))
        };
        Some(Judged { connection, life, said })
    }

    /// Unpacks a connection that left when packet time had reached `horizon`, and looks back on its life.
    pub fn live(&self, left: Left<'_>, horizon: Timestamp, spare: Spare) -> Option<(Box<Connection>, Lifecycle)> {
        let mut connection = left.unpack(spare.connection)?;
        connection.supply_missed_fins();
        let life = Lifecycle::within(spare.room, &connection, horizon, self.profile);
        Some((connection, life))
    }
}

impl Spare {
    /// The memory of a connection that was told.
    pub fn of(connection: Box<Connection>, life: Lifecycle) -> Self {
        Self { connection: Some(connection), room: life.into_room() }
    }

    /// The memory of a life, without that of its connection.
    pub fn of_room(life: Lifecycle) -> Self {
        Self { connection: None, room: life.into_room() }
    }
}

impl Spares {
    /// Some memory, new if there is none.
    pub fn take(&self) -> Spare {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps memory for later.
    pub fn put(&self, spare: Spare) {
        let mut spares = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES_MAX {
            spares.push(spare);
        }
    }
}
