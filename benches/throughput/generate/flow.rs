//! The script of one connection: each call writes its next frame and says when the one after is due.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use lastack::base::{Endpoint, Side, Sides};
use lastack::segment::Flags;

use super::frame::{FrameWriter, Options, Outline};
use super::profile::{Clients, Shape, Stack};

/// The initial retransmission timeout of Linux (RFC 6298, section 2), for a lost SYN.
const SYN_RTO_US: u64 = 1_000_000;
/// The least retransmission timeout of Linux, for a lost last segment.
const TAIL_RTO_US: u64 = 200_000;
/// Between two frames of one burst: a full frame at 1 Gbit/s.
const BURST_GAP_US: u64 = 12;
/// The tap stands beside the client: its answers appear at once.
const CLIENT_ANSWER_US: u64 = 30;
/// Segments that a server sends before it waits for a round trip.
const BURST_SEGMENTS: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Syn,
    SynAck,
    Refusal,
    HandshakeAck,
    Request,
    Response,
    ResponseAgain,
    ResponseAck,
    FirstFin,
    FirstFinAck,
    SecondFin,
    LastAck,
    Abort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    None,
    SynLost,
    TailLost,
    Refused,
    Aborted,
}

/// One end of a generated connection.
#[derive(Clone, Copy, Debug)]
struct End {
    endpoint: Endpoint,
    /// The sequence number to send next.
    next: u32,
    ip_id: u16,
    clock_offset: u32,
    /// TSval of the last segment that it sent, which the peer echoes.
    clock_sent: u32,
}

/// A connection between two of its frames.
#[derive(Clone, Debug)]
pub struct Flow {
    ends: Sides<End>,
    rng: fastrand::Rng,
    stage: Stage,
    mishap: Mishap,
    closer: Side,
    /// The second FIN comes with the acknowledgment of the first.
    prompt: bool,
    exchanges_left: u32,
    segments_left: u32,
    unacknowledged: u32,
    burst: u32,
    rtt_us: u64,
}

impl Flow {
    /// The connection number `id` of a capture.
    pub fn new(id: u64, shape: &Shape, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let server = rng.u64(0..shape.servers) + 1;
        let (client, server) = match shape.clients {
            Clients::Spoofed => {
                let ip = Ipv4Addr::from(0x0a00_0000 | rng.u32(1..1 << 24));
                (Endpoint::new(ip.into(), rng.u16(1024..)), v4_server(server))
            }
            Clients::Pool(hosts) => {
                let host = id % hosts;
                let port = 32_768 + (id / hosts % 28_232) as u16;
                if host % 8 == 7 {
                    let ip = Ipv6Addr::from(0x2001_0db8_0000_0000_0000_0000_0000_0000 + u128::from(host));
                    (Endpoint::new(ip.into(), port), v6_server(server))
                } else {
                    (Endpoint::new(Ipv4Addr::from(0x0a00_0001 + host as u32).into(), port), v4_server(server))
                }
            }
        };
        let mut end = |endpoint| End {
            endpoint,
            next: rng.u32(..),
            ip_id: rng.u16(..),
            clock_offset: rng.u32(..),
            clock_sent: 0,
        };
        let ends = Sides { client: end(client), server: end(server) };
        let mishap = match rng.u32(0..1000) / shape.mishaps_per_mille.max(1) {
            0 if shape.mishaps_per_mille > 0 => Mishap::SynLost,
            1 if shape.mishaps_per_mille > 0 => Mishap::TailLost,
            2 if shape.mishaps_per_mille > 0 => Mishap::Refused,
            3 if shape.mishaps_per_mille > 0 => Mishap::Aborted,
            _ => Mishap::None,
        };
        Self {
            ends,
            stage: Stage::Syn,
            mishap,
            closer: if rng.bool() { Side::Client } else { Side::Server },
            prompt: rng.bool(),
            exchanges_left: rng.u32(shape.exchanges.clone()),
            segments_left: 0,
            unacknowledged: 0,
            burst: 0,
            rtt_us: rng.u64(300..60_000),
            rng,
        }
    }

    /// Writes the frame that is due at `now_us`; gives the microseconds until the next, or none after the last one.
    pub fn step(&mut self, now_us: u64, shape: &Shape, out: &mut FrameWriter<'_>) -> io::Result<Option<u64>> {
        let (stage, wait) = match self.stage {
            Stage::Syn => {
                self.send(Side::Client, Flags::SYN, 0, now_us, shape, out)?;
                if matches!(shape.clients, Clients::Spoofed) {
                    return Ok(None);
                }
                match self.mishap {
                    Mishap::SynLost => {
                        self.mishap = Mishap::None;
                        self.ends.client.next = self.ends.client.next.wrapping_sub(1);
                        (Stage::Syn, SYN_RTO_US)
                    }
                    Mishap::Refused => (Stage::Refusal, self.rtt_us),
                    _ => (Stage::SynAck, self.rtt_us),
                }
            }
            Stage::Refusal => {
                self.refuse(now_us, out)?;
                return Ok(None);
            }
            Stage::SynAck => {
                self.send(Side::Server, Flags::SYN | Flags::ACK, 0, now_us, shape, out)?;
                (Stage::HandshakeAck, CLIENT_ANSWER_US)
            }
            Stage::HandshakeAck => {
                self.send(Side::Client, Flags::ACK, 0, now_us, shape, out)?;
                self.think(shape)
            }
            Stage::Request => {
                let len = self.rng.u16(shape.request_len.clone());
                self.send(Side::Client, Flags::PSH | Flags::ACK, len, now_us, shape, out)?;
                self.exchanges_left -= 1;
                self.segments_left = self.rng.u32(shape.response_segments.clone());
                self.burst = 0;
                (Stage::Response, self.rtt_us)
            }
            Stage::Response => self.respond(now_us, shape, out)?,
            Stage::ResponseAgain => {
                let len = mss(shape, self.ends.client.endpoint) / 2;
                self.ends.server.next = self.ends.server.next.wrapping_sub(u32::from(len));
                self.send(Side::Server, Flags::PSH | Flags::ACK, len, now_us, shape, out)?;
                (Stage::ResponseAck, CLIENT_ANSWER_US)
            }
            Stage::ResponseAck => {
                self.send(Side::Client, Flags::ACK, 0, now_us, shape, out)?;
                self.unacknowledged = 0;
                if self.segments_left == 0 {
                    self.think(shape)
                } else if self.burst >= BURST_SEGMENTS {
                    self.burst = 0;
                    (Stage::Response, self.rtt_us)
                } else {
                    (Stage::Response, BURST_GAP_US)
                }
            }
            Stage::FirstFin => {
                self.send(self.closer, Flags::FIN | Flags::ACK, 0, now_us, shape, out)?;
                let next = if self.prompt { Stage::SecondFin } else { Stage::FirstFinAck };
                (next, self.answer_us(!self.closer))
            }
            Stage::FirstFinAck => {
                self.send(!self.closer, Flags::ACK, 0, now_us, shape, out)?;
                (Stage::SecondFin, self.rng.u64(500..40_000))
            }
            Stage::SecondFin => {
                self.send(!self.closer, Flags::FIN | Flags::ACK, 0, now_us, shape, out)?;
                (Stage::LastAck, self.answer_us(self.closer))
            }
            Stage::LastAck => {
                self.send(self.closer, Flags::ACK, 0, now_us, shape, out)?;
                return Ok(None);
            }
            Stage::Abort => {
                self.send(self.closer, Flags::RST | Flags::ACK, 0, now_us, shape, out)?;
                return Ok(None);
            }
        };
        self.stage = stage;
        Ok(Some(wait))
    }

    fn respond(&mut self, now_us: u64, shape: &Shape, out: &mut FrameWriter<'_>) -> io::Result<(Stage, u64)> {
        self.segments_left -= 1;
        self.unacknowledged += 1;
        self.burst += 1;
        let mss = mss(shape, self.ends.client.endpoint);
        if self.segments_left > 0 {
            self.send(Side::Server, Flags::ACK, mss, now_us, shape, out)?;
            let due = if self.unacknowledged == 2 { Stage::ResponseAck } else { Stage::Response };
            return Ok((due, BURST_GAP_US));
        }
        self.send(Side::Server, Flags::PSH | Flags::ACK, mss / 2, now_us, shape, out)?;
        if self.mishap == Mishap::TailLost {
            self.mishap = Mishap::None;
            return Ok((Stage::ResponseAgain, TAIL_RTO_US + self.rtt_us));
        }
        Ok((Stage::ResponseAck, CLIENT_ANSWER_US))
    }

    /// What the client does after a pause.
    fn think(&mut self, shape: &Shape) -> (Stage, u64) {
        let stage = match (self.exchanges_left, self.mishap) {
            (0, Mishap::Aborted) => Stage::Abort,
            (0, _) => Stage::FirstFin,
            _ => Stage::Request,
        };
        (stage, self.rng.u64(shape.think_us.clone()))
    }

    fn answer_us(&self, side: Side) -> u64 {
        match side {
            Side::Client => CLIENT_ANSWER_US,
            Side::Server => self.rtt_us,
        }
    }

    fn send(
        &mut self,
        side: Side,
        flags: Flags,
        payload_len: u16,
        now_us: u64,
        shape: &Shape,
        out: &mut FrameWriter<'_>,
    ) -> io::Result<()> {
        let peer = self.ends[!side];
        let end = &mut self.ends[side];
        let value = end.clock_offset.wrapping_add((now_us / 1000) as u32);
        let echo = if flags.contains(Flags::ACK) { peer.clock_sent } else { 0 };
        let mss = mss(shape, end.endpoint);
        let syn = flags.contains(Flags::SYN);
        let options = match (shape.stack, syn) {
            (Stack::Small, false) => Options::Bare,
            (Stack::Small, true) => Options::Mss(mss),
            (Stack::Linux, false) => Options::Timestamps { value, echo },
            // The option does not count the twelve octets that timestamps take from every segment (RFC 6691).
            (Stack::Linux, true) => Options::Full { mss: mss + 12, value, echo },
        };
        out.push(&Outline {
            time_us: now_us,
            source: end.endpoint,
            destination: peer.endpoint,
            ttl: if side == Side::Client { 64 } else { 52 },
            ip_id: end.ip_id,
            seq: end.next,
            ack: if flags.contains(Flags::ACK) { peer.next } else { 0 },
            flags,
            window: if syn { 64_240 } else { 502 },
            payload_len,
            options,
        })?;
        end.ip_id = end.ip_id.wrapping_add(1);
        end.clock_sent = value;
        let controls = u32::from(syn) + u32::from(flags.contains(Flags::FIN));
        end.next = end.next.wrapping_add(u32::from(payload_len) + controls);
        Ok(())
    }

    /// A reset of the reply family to the SYN: sequence number 0, no window, no options (RFC 9293, section 3.10.7.1).
    fn refuse(&mut self, now_us: u64, out: &mut FrameWriter<'_>) -> io::Result<()> {
        out.push(&Outline {
            time_us: now_us,
            source: self.ends.server.endpoint,
            destination: self.ends.client.endpoint,
            ttl: 52,
            ip_id: 0,
            seq: 0,
            ack: self.ends.client.next,
            flags: Flags::RST | Flags::ACK,
            window: 0,
            payload_len: 0,
            options: Options::Bare,
        })
    }
}

/// Octets of payload in a full segment on Ethernet.
fn mss(shape: &Shape, endpoint: Endpoint) -> u16 {
    let ip_and_tcp = if endpoint.ip.is_ipv4() { 40 } else { 60 };
    let timestamps = if shape.stack == Stack::Linux { 12 } else { 0 };
    1500 - ip_and_tcp - timestamps
}

fn v4_server(server: u64) -> Endpoint {
    Endpoint::new(Ipv4Addr::from(0xcb00_7100 + server as u32).into(), 443)
}

fn v6_server(server: u64) -> Endpoint {
    Endpoint::new(Ipv6Addr::from(0x2001_0db8_0001_0000_0000_0000_0000_0000 + u128::from(server)).into(), 443)
}
