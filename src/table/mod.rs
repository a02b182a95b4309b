//! Stage 5: many connections: which one a segment belongs to, when one ends, and how many are kept.

mod asked;
mod clock;
mod deadlines;
mod index;
mod key;
mod left;
mod locator;
mod numbering;
mod past;
mod record;
mod resting;
mod roster;
mod slab;
mod wide;

pub use asked::{Flood, Leave};
pub use key::Key;
pub use left::{Kept, Left};
pub use locator::{Finder, Locator};
pub use numbering::{Known, opens_new_stream};
pub use past::Past;
pub use roster::{Entry, Limits, Table, TableCounts, Unplain};
