//! lastack reads packet captures and gives the last word on every TCP connection in them: who closed first, who reset it
//! and why, what each application saw, in which state each socket was.
//!
//! This page is the map. The modules stand in the order in which a packet meets them.
//!
//! ```text
//!   capture      frame        segment       connection       verdict       text, NDJSON
//!  ────────▶ source ────▶ decode ────▶ table ────▶ connection ────▶ finding ────▶ report
//! ```
//!
//! [`source`] lends frames out of the buffer that the capture is read into. A frame is bytes, a time and a link type, and
//! it is gone at the next call.
//!
//! [`decode`] turns a frame into [`segment::Segment`]s, and into [`segment::IcmpError`]s that quote one. It never fails: what
//! is not TCP or is damaged has a reason and is counted, so that every frame of the capture is accounted for.
//!
//! [`segment`] holds the value that passes on: everything that later stages may know of a packet, and no bytes. Nothing
//! after decoding looks at a frame again.
//!
//! [`table`] finds the connection that a segment belongs to, decides when the same four numbers are a new one, and lets
//! finished ones go, in packet time.
//!
//! [`connection`] tracks one of them. While segments come it only counts and remembers the few that may decide something.
//! Asked what happened, it looks back: which control segments arrived, and so through which states of RFC 9293 each end
//! went. A tap sees what was sent; what was delivered shows later or never, and every state says how it is known.
//!
//! [`finding`] draws the conclusions: the causes of resets, what the applications saw, and a catalogue of patterns, one
//! file each, with the frames that prove them and a confidence. The state machine knows nothing of it.
//!
//! [`population`] looks across connections: how many sockets each host had in each state over time, toward whom its ports
//! are in use, and what `ss` would have listed at any moment.
//!
//! [`policy`] is what the user does not want told, or otherwise weighed: a `lastack.toml`, applied to every verdict before
//! anything counts it.
//!
//! [`report`] prints verdicts and computes none.
//!
//! [`check`] lays a file of expectations against the verdicts of a capture, for the tests of a service.
//!
//! [`analysis`] is the only wiring of these, and the file to read next. [`cli`] is the command around it; [`base`] holds
//! the words that all of them share. What is absent on purpose stands in docs/ARCHITECTURE.md.
//!
//! # Example
//!
//! ```
//! use std::path::PathBuf;
//!
//! use lastack::analysis::{Options, analyse};
//! use lastack::report::Json;
//! use lastack::source::{Input, open};
//!
//! let capture = PathBuf::from("fixtures/teardown/final-ack-lost-recovered/capture.pcap");
//! let mut source = open(vec![Input::Path(capture)], Default::default())?;
//! let mut lines = Vec::new();
//! let outcome = analyse(&mut source, &Options::default(), None, &mut Json::lines(&mut lines), &mut ())?;
//! assert_eq!(outcome.summary.connections, 1);
//! assert!(String::from_utf8(lines)?.contains(r#""name":"final-ack-lost""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod analysis;
pub mod base;
pub mod check;
pub mod cli;
pub mod connection;
pub mod decode;
pub mod finding;
pub mod policy;
pub mod population;
pub mod report;
pub mod segment;
pub mod source;
pub mod table;
