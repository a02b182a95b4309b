//! When the packets of each connection passed a tap.

use std::collections::HashMap;
use std::io;

use lastack::base::{Endpoint, FrameNumber, Sides, Timestamp};
use lastack::decode::{Decoder, Item};
use lastack::source::{CaptureSet, Source};

use super::truth::pair;

/// What passed one tap: per pair of endpoints every packet's time and digest, in the capture's order.
#[derive(Default)]
pub struct Tap {
    passed: HashMap<(Endpoint, Endpoint), Vec<Passed>>,
}

/// A packet at a tap. The digest is that of the packet wherever it is seen, and another one for a retransmission.
#[derive(Clone, Copy)]
struct Passed {
    time: Timestamp,
    frame: FrameNumber,
    source: Endpoint,
    digest: u32,
}

/// The kernel's trace and its packet sockets see one event this far apart at most.
pub const SAME_EVENT_NS: i64 = 1_000_000;

impl Tap {
    /// Decodes a capture.
    ///
    /// # Errors
    /// The capture cannot be read to its end.
    pub fn read(captures: &mut CaptureSet) -> io::Result<Self> {
        let mut passed: HashMap<_, Vec<Passed>> = HashMap::new();
        let mut take = |item: &Item| {
            // An ICMP error has no digest of its own; what it quotes and says tells it from others.
            let (source, destination, digest) = match item {
                Item::Segment(segment) => (segment.source, segment.destination, segment.packet_digest()),
                Item::IcmpError(error) => {
                    let saying = u32::from(error.kind) << 8 | u32::from(error.code);
                    (error.destination, error.source, error.seq.0 ^ saying)
                }
            };
            let entry = Passed { time: item.time(), frame: item.frame(), source, digest };
            let ends = pair(Sides { client: source, server: destination });
            passed.entry(ends).or_default().push(entry);
        };
        let mut decoder = Decoder::default();
        while let Some(frame) = captures.next_frame().map_err(io::Error::other)? {
            decoder.decode(&frame, &mut take);
        }
        decoder.finish(&mut take);
        Ok(Self { passed })
    }

    fn all(&self, ends: (Endpoint, Endpoint)) -> &[Passed] {
        self.passed.get(&ends).map_or(&[][..], Vec::as_slice)
    }

    fn at(&self, ends: (Endpoint, Endpoint), moment: Timestamp) -> impl Iterator<Item = &Passed> {
        self.all(ends).iter().filter(move |passed| passed.time.since(moment).abs() <= SAME_EVENT_NS)
    }

    fn carried(&self, ends: (Endpoint, Endpoint), frame: FrameNumber) -> impl Iterator<Item = &Passed> {
        self.all(ends).iter().filter(move |passed| passed.frame == frame)
    }

    /// Whether any packet of the connection passed at `moment`.
    pub fn shows(&self, ends: (Endpoint, Endpoint), moment: Timestamp) -> bool {
        self.at(ends, moment).next().is_some()
    }

    /// Whether `frame` carries a packet from `source`.
    pub fn is_from(&self, ends: (Endpoint, Endpoint), frame: FrameNumber, source: Endpoint) -> bool {
        self.carried(ends, frame).any(|passed| passed.source == source)
    }

    /// Whether the packet that `elsewhere` knows as `frame` passed here at `moment`.
    pub fn shows_frame(
        &self,
        ends: (Endpoint, Endpoint),
        moment: Timestamp,
        elsewhere: &Tap,
        frame: FrameNumber,
    ) -> bool {
        elsewhere.carried(ends, frame).any(|packet| self.at(ends, moment).any(|passed| passed.digest == packet.digest))
    }

    /// Whether the packet that `elsewhere` knows as `frame` passed here at all.
    pub fn has(&self, ends: (Endpoint, Endpoint), elsewhere: &Tap, frame: FrameNumber) -> bool {
        elsewhere.carried(ends, frame).any(|packet| self.all(ends).iter().any(|passed| passed.digest == packet.digest))
    }

    /// Whether the packet that `elsewhere` knows as `frame` passed here after `moment`.
    pub fn has_later(
        &self,
        ends: (Endpoint, Endpoint),
        moment: Timestamp,
        elsewhere: &Tap,
        frame: FrameNumber,
    ) -> bool {
        let later = |digest| self.all(ends).iter().any(|passed| passed.digest == digest && passed.time > moment);
        elsewhere.carried(ends, frame).any(|packet| later(packet.digest))
    }

    /// Whether a packet that passed here at `moment` passed the other tap only after `until`.
    pub fn shares_later(
        &self,
        ends: (Endpoint, Endpoint),
        moment: Timestamp,
        elsewhere: &Tap,
        until: Timestamp,
    ) -> bool {
        let copies = |digest| elsewhere.all(ends).iter().filter(move |packet| packet.digest == digest);
        self.at(ends, moment).any(|passed| {
            copies(passed.digest).next().is_some() && copies(passed.digest).all(|packet| packet.time > until)
        })
    }

    /// Whether a packet that passed here at `moment` was seen less often at the other tap than here: this copy, or an
    /// equal one, is missing there. So is one that did not pass at all.
    pub fn lacks(&self, ends: (Endpoint, Endpoint), moment: Timestamp, elsewhere: &Tap) -> bool {
        let copies = |tap: &Tap, digest| tap.all(ends).iter().filter(|packet| packet.digest == digest).count();
        let mut at = self.at(ends, moment).peekable();
        at.peek().is_none() || at.any(|passed| copies(elsewhere, passed.digest) < copies(self, passed.digest))
    }

    /// Whether any packet that passed here at `moment` was also seen at the other tap.
    pub fn shares(&self, ends: (Endpoint, Endpoint), moment: Timestamp, elsewhere: &Tap) -> bool {
        self.at(ends, moment).any(|passed| elsewhere.all(ends).iter().any(|packet| packet.digest == passed.digest))
    }
}

#[cfg(test)]
impl Tap {
    /// A tap that saw packets of the first end at these times, each with its index from 1 as frame number and digest.
    pub fn of(ends: (Endpoint, Endpoint), times: &[Timestamp]) -> Self {
        let passed = (1..).zip(times).map(|(index, &time)| Passed {
            time,
            frame: FrameNumber(index),
            source: ends.0,
            digest: index as u32,
        });
        Self { passed: HashMap::from([(ends, passed.collect())]) }
    }
}
