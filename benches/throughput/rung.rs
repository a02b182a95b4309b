//! The ladder: each rung does what the one below does and one thing more, so that its price is a difference.

use std::hint::black_box;
use std::path::Path;

use anyhow::Result;

use crate::floor::{Facts, Floor};
use crate::walk::Walk;

/// A way of going through a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Rung {
    /// Follow the record lengths in a read buffer, by hand.
    Walk,
    /// The same, then the least that a tracker must do.
    Floor,
}

impl Rung {
    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Rung::Walk => "walk",
            Rung::Floor => "floor",
        }
    }

    /// Goes through the capture once and gives how many frames it saw.
    pub fn run(self, path: &Path) -> Result<u64> {
        match self {
            Rung::Walk => walk(path),
            Rung::Floor => floor(path),
        }
    }
}

fn walk(path: &Path) -> Result<u64> {
    let mut walk = Walk::open(path)?;
    let mut frames = 0;
    while let Some(record) = walk.next_record()? {
        black_box(record.bytes.as_ptr());
        frames += 1;
    }
    Ok(frames)
}

fn floor(path: &Path) -> Result<u64> {
    let mut walk = Walk::open(path)?;
    let mut floor = Floor::new();
    let mut frames = 0;
    while let Some(record) = walk.next_record()? {
        frames += 1;
        let micros = u64::from(record.seconds) * 1_000_000 + u64::from(record.micros);
        if let Some(facts) = Facts::of_frame(record.bytes, micros) {
            floor.push(facts);
        }
    }
    floor.flush();
    black_box(floor.begun);
    Ok(frames)
}
