//! Words that every stage shares: time, sequence numbers, addresses, frame numbers, sides, one for the processor: fetch
//! this soon, and one for who misspelt a word. A closed list that imports nothing of the others.

mod address;
mod frame;
mod nearest;
pub(crate) mod prefetch;
mod seq;
mod side;
mod time;
mod words;

pub use address::Endpoint;
pub use frame::FrameNumber;
pub(crate) use nearest::nearest;
pub use seq::Seq;
pub use side::{Side, Sides};
pub use time::{SPAN_MAX_NS, Timestamp};
pub(crate) use words::words;
