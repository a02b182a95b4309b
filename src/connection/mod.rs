//! Stage 4: one connection, tracked passively. Pure: no table, no finding, no report, no I/O and no clock.

mod state;

pub use state::State;
