//! Counts floods across connections on a thread that stays while their connections are told on another: neither depends on the
//! other. One that is begun for each flood finds no core before the flood is over.

use std::io;
use std::panic;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use crate::base::Timestamp;
use crate::connection::{Orderly, Profile};
use crate::population::{Departure, Tally};
use crate::table::Flood;

/// The thread, or its way there and back.
pub(super) struct Counter {
    to: Sender<Task>,
    from: Receiver<Tally>,
    thread: Option<JoinHandle<()>>,
}

enum Task {
    /// Into this one is counted what follows.
    Into(Box<Tally>),
    Flood(Arc<Flood>, Timestamp),
    GiveBack,
}

impl Counter {
    /// Begins the thread.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn begin(profile: Profile) -> io::Result<Self> {
        let (to, tasks) = channel();
        let (from_there, from) = channel();
        let thread = Builder::new().name("counting".to_owned()).spawn(move || {
            let mut tally = None;
            for task in tasks {
                match task {
                    Task::Into(into) => tally = Some(into),
                    Task::Flood(flood, horizon) => {
                        if let Some(tally) = &mut tally {
                            count(&flood, horizon, &profile, tally);
                        }
                    }
                    Task::GiveBack => {
                        if let Some(tally) = tally.take()
                            && from_there.send(*tally).is_err()
                        {
                            return;
                        }
                    }
                }
            }
        })?;
        Ok(Self { to, from, thread: Some(thread) })
    }

    /// Hands `tally` over.
    pub fn into(&self, tally: Tally) {
        self.send(Task::Into(Box::new(tally)));
    }

    /// Begins to count `flood`, whose connections leave at `horizon`.
    pub fn flood(&self, flood: &Arc<Flood>, horizon: Timestamp) {
        self.send(Task::Flood(Arc::clone(flood), horizon));
    }

    /// What was handed over, with all floods since.
    pub fn give_back(&mut self) -> Tally {
        self.send(Task::GiveBack);
        self.from.recv().unwrap_or_else(|_| match self.thread.take().map(JoinHandle::join) {
            Some(Err(panicked)) => panic::resume_unwind(panicked),
            _ => unreachable!("the thread stays until nobody sends"),
        })
    }

    fn send(&self, task: Task) {
        // A thread that is gone is noticed where something must come back.
        let _ = self.to.send(task);
    }
}

/// Counts `flood` into `tally`.
pub(super) fn count(flood: &Flood, horizon: Timestamp, profile: &Profile, tally: &mut Tally) {
    let mut orderly = Orderly::BLANK;
    flood.each(|left| {
        if left.orderly(horizon, profile, &mut orderly) {
            tally.take_orderly(&orderly, Departure::Over);
        }
    });
}
