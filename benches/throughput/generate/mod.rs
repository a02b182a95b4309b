//! Captures made from a seed: the same arguments give the same octets on every machine.

mod flow;
mod frame;
mod profile;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

use self::flow::Flow;
use self::frame::FrameWriter;
pub use self::profile::Profile;

/// The clock of every generated capture begins here: 2023-11-14T22:13:20Z.
const START_US: u64 = 1_700_000_000_000_000;

/// What a generated capture holds.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    pub frames: u64,
    pub file_len: u64,
    pub connections: u64,
}

/// Writes a pcap file of `profile` to `out`.
pub fn write(profile: Profile, scale: f64, seed: u64, out: &mut dyn Write) -> io::Result<Totals> {
    let shape = profile.shape(scale);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut out = FrameWriter::new(out, seed);
    let at_once = shape.open_at_once.min(shape.connections);
    let mut flows = Vec::with_capacity(at_once as usize);
    let mut due = BinaryHeap::with_capacity(at_once as usize);
    for id in 0..at_once {
        flows.push(Flow::new(id, &shape, seed));
        due.push(Reverse((START_US + rng.u64(0..shape.start_spread_us), id)));
    }
    let mut begun = at_once;
    while let Some(Reverse((now_us, slot))) = due.pop() {
        match flows[slot as usize].step(now_us, &shape, &mut out)? {
            Some(wait_us) => due.push(Reverse((now_us + wait_us, slot))),
            None if begun < shape.connections => {
                flows[slot as usize] = Flow::new(begun, &shape, seed);
                due.push(Reverse((now_us + 1, slot)));
                begun += 1;
            }
            None => {}
        }
    }
    out.flush()?;
    Ok(Totals { frames: out.frames, file_len: out.file_len, connections: shape.connections })
}
