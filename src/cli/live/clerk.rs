//! Who writes the records of a part of the connections that are open in the end, as the sink of the session would have.

use std::fs::File;
use std::io::{self, Write};

use super::shared::Shared;
use super::watch::{Events, Telling, Told};
use crate::analysis::Scribe;
use crate::report::{Json, Selected, Selection, Sink};

/// A sink of its own, which writes to `out` when asked to.
pub struct Clerk<'a> {
    sink: Box<dyn Sink>,
    written: Shared<Vec<u8>>,
    out: &'a File,
}

impl<'a> Clerk<'a> {
    /// Tells what `selection` admits; where findings are watched, also those that have not been told, as far as that is wanted.
    pub fn new(selection: &Selection, watched: Option<(Told, Events)>, out: &'a File) -> Self {
        let written = Shared::new(Vec::new());
        let lines = Selected::new(Json::lines(written.clone()), selection.clone());
        let sink: Box<dyn Sink> = match watched {
            Some((told, events)) => Box::new(Telling::new(lines, Shared::new(told), events)),
            None => Box::new(lines),
        };
        Self { sink, written, out }
    }
}

impl Scribe for Clerk<'_> {
    fn sink(&mut self) -> &mut dyn Sink {
        &mut *self.sink
    }

    fn write_out(&mut self) -> io::Result<()> {
        let mut out = self.out;
        self.written.with(|written| {
            let done = out.write_all(written);
            written.clear();
            done
        })
    }
}
