//! lastack reads packet captures and gives the last word on every TCP connection in them.

pub mod analysis;
pub mod base;
pub mod cli;
pub mod connection;
pub mod decode;
pub mod finding;
pub mod report;
pub mod segment;
pub mod source;
pub mod table;
