//! Words that every stage shares: time, sequence numbers, addresses, frame numbers, sides, and one
//! for the processor: fetch this soon. A closed list that imports nothing.

mod address;
mod frame;
pub(crate) mod prefetch;
mod seq;
mod side;
mod time;
mod words;

pub use address::Endpoint;
pub use frame::FrameNumber;
pub use seq::Seq;
pub use side::{Side, Sides};
pub use time::Timestamp;
pub(crate) use words::words;
