//! Stage 5: many connections: which one a segment belongs to, when one ends, and how many are kept.

mod key;
mod numbering;
mod roster;

pub use key::Key;
pub use numbering::{Known, opens_new_stream};
pub use roster::{Entry, Limits, Past, Table, TableCounts};
