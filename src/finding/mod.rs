//! Stage 6: the catalogue, one file a finding, and the diagnosis that turns a tracked connection into a verdict.

mod verdict;

pub use verdict::*;
