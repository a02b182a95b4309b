//! The terminal view: what the sockets are doing now, what was found, and one connection in full.

mod draw;
mod findings;
mod keys;
mod model;
mod screen;
#[cfg(test)]
mod tests;

pub use model::{Feed, Model, Tally};
pub use screen::{Look, Screen};
