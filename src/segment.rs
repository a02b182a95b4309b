//! The value that leaves decoding: everything that later stages may know about one TCP segment. It owns no bytes, so
//! segments can be stored, sent and replayed, and tracking them gives what tracking the frames would have given.

use std::net::IpAddr;

use bitflags::bitflags;

use crate::base::{Endpoint, FrameNumber, Seq, Timestamp};

bitflags! {
    /// The control bits of the TCP header (RFC 9293, section 3.1; AE: RFC 9768), at their place in bytes 12 and 13.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
    pub struct Flags: u16 {
        /// No more data from the sender.
        const FIN = 0x001;
        /// Synchronize sequence numbers.
        const SYN = 0x002;
        /// Reset the connection.
        const RST = 0x004;
        /// Push function.
        const PSH = 0x008;
        /// The acknowledgment field is significant.
        const ACK = 0x010;
        /// The urgent pointer is significant.
        const URG = 0x020;
        /// ECN-Echo (RFC 3168).
        const ECE = 0x040;
        /// Congestion window reduced (RFC 3168).
        const CWR = 0x080;
        /// Accurate ECN (formerly the nonce sum).
        const AE = 0x100;
    }
}

bitflags! {
    /// What decoding noticed about the frame that carried the segment.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
    pub struct Marks: u16 {
        /// The snap length, or a tool that lost the frame's length, cut bytes of the payload.
        const PAYLOAD_CUT = 0x001;
        /// The snap length cut the TCP header: options are missing or incomplete.
        const OPTIONS_CUT = 0x002;
        /// The options area is malformed: a length of 0 or 1, or beyond the area, or not the one that a known kind must
        /// have. What could be read counts.
        const OPTIONS_BAD = 0x004;
        /// The TCP checksum was computed and is wrong.
        const CHECKSUM_BAD = 0x008;
        /// The TCP checksum is the pseudo-header's partial sum: the frame was captured on its sending host before the
        /// network card finished it (checksum offload).
        const CHECKSUM_PARTIAL = 0x010;
        /// The TCP checksum was computed and is right.
        const CHECKSUM_GOOD = 0x020;
        /// The IP length field is 0 and the length was taken from the frame (segmentation offload).
        const LENGTH_ZERO = 0x040;
        /// The segment came out of reassembled IP fragments.
        const REASSEMBLED = 0x080;
        /// The first fragment only: the rest was never seen and the payload length is a lower bound.
        const FRAGMENT_FIRST = 0x100;
        /// The capture says that this frame left the capturing host (SLL packet type, epb_flags).
        const OUTBOUND = 0x200;
        /// The capture says that this frame came in to the capturing host.
        const INBOUND = 0x400;
        /// IPv4 "don't fragment".
        const DONT_FRAGMENT = 0x800;
        /// The header contradicts itself: a data offset below 5 or, with [`OPTIONS_CUT`](Self::OPTIONS_CUT), beyond the
        /// segment. Every receiver drops it; the payload length is 0 and there are no options.
        const HEADER_BAD = 0x1000;
        /// The IP length goes beyond a frame that is all there: the header is damaged, or a tool shortened the frame and did
        /// not say so. The payload length is the IP header's where its own checksum holds, else the frame's.
        const FRAME_SHORT = 0x2000;
        /// Not captured itself: somebody sampled one packet in many and sent its header later. It tells that the packet
        /// was, and nothing of those around it.
        const SAMPLED = 0x4000;
    }
}

/// One SACK block: `[left, right)` (RFC 2018).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct SackBlock {
    /// First sequence number of the block.
    pub left: Seq,
    /// The number after its last one.
    pub right: Seq,
}

/// The options that explain lifecycles. Walked by length, so that one after an unknown kind counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// TSval and TSecr (RFC 7323).
    pub timestamps: Option<Timestamps>,
    /// Maximum segment size in octets (RFC 9293, section 3.7.1).
    pub mss: Option<u16>,
    /// Shift count of the window scale option as sent; users cap it at 14 (RFC 7323, section 2.3).
    pub window_scale: Option<u8>,
    /// SACK-permitted was present (RFC 2018).
    pub sack_permitted: bool,
    /// A TCP Fast Open option was present, a cookie or the request for one (RFC 7413).
    pub fast_open: bool,
    /// A Multipath TCP option was present (RFC 8684).
    pub multipath: bool,
    /// How a Multipath TCP stack ends the path or the whole connection with this segment.
    pub multipath_end: MultipathEnd,
    /// The order in which the first four stand, which tells stacks apart.
    pub order: OptionOrder,
    /// How many of `sack` are in use.
    pub sack_count: u8,
    /// SACK blocks in the order of the option.
    pub sack: [SackBlock; 4],
}

/// How Multipath TCP ends a path, or the connection with all its paths (RFC 8684, sections 3.5 and 3.6), if a segment says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct MultipathEnd(u8);

impl MultipathEnd {
    /// It says nothing of an end.
    pub const NONE: Self = Self(0);
    /// MP_FASTCLOSE: the whole connection is aborted. With MP_TCPRST beside it, as Linux sends it, this is what counts.
    pub const FAST_CLOSE: Self = Self(u8::MAX);

    /// MP_TCPRST: this path alone is reset, for `reason` of the registry "MPTCP MP_TCPRST Reason Codes"; those that it does not
    /// have (7 to 255) are one.
    pub const fn path_reset(reason: u8) -> Self {
        Self(1 + if reason > Self::REASONS_MAX { Self::REASONS_MAX } else { reason })
    }
    const REASONS_MAX: u8 = 7;

    /// The reason of MP_TCPRST, 7 for any that is not registered.
    pub const fn reason(self) -> Option<u8> {
        match self.0 {
            0 | u8::MAX => None,
            code => Some(code - 1),
        }
    }
}

/// The options of a SYN whose order differs between stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Maximum segment size.
    MaximumSegmentSize,
    /// SACK permitted.
    SackPermitted,
    /// Timestamps.
    Timestamps,
    /// Window scale.
    WindowScale,
}

/// In which order options stand, where it is not that of [`OptionKind`]: two bits a kind, the last in the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct OptionOrder(u8);

impl OptionOrder {
    /// The order of [`OptionKind`], which is Linux's, or none to speak of.
    pub const USUAL: Self = Self(0);
    const KINDS: [OptionKind; 4] =
        [OptionKind::MaximumSegmentSize, OptionKind::SackPermitted, OptionKind::Timestamps, OptionKind::WindowScale];

    /// What [`TcpOptions::order_and_count`] gives in this order where those of `present` are, a bit each as [`OptionKind`] counts them.
    #[inline]
    pub fn usual(present: u8) -> (u8, u8) {
        static ALL: [(u8, u8); 16] = {
            let mut all = [(0, 0); 16];
            let mut present = 0;
            while present < 16 {
                let mut kind = 0;
                while kind < 4 {
                    if present >> kind & 1 != 0 {
                        all[present] = (all[present].0 << 2 | kind as u8, all[present].1 + 1);
                    }
                    kind += 1;
                }
                present += 1;
            }
            all
        };
        ALL[usize::from(present & 15)]
    }

    /// That of `kinds`, each once.
    pub fn of(kinds: impl Iterator<Item = OptionKind>) -> Self {
        let (mut bits, mut last, mut is_usual) = (0_u8, 0, true);
        for kind in kinds {
            is_usual &= kind as u8 >= last;
            last = kind as u8;
            bits = bits << 2 | last;
        }
        Self(if is_usual { 0 } else { bits })
    }

    /// As stored by [`OptionOrder::bits`].
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// In eight bits; 0 is [`OptionOrder::USUAL`].
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl TcpOptions {
    /// The kinds of [`OptionOrder`] that are present, as they stand.
    pub fn in_order(&self) -> impl Iterator<Item = OptionKind> {
        let present = [self.mss.is_some(), self.sack_permitted, self.timestamps.is_some(), self.window_scale.is_some()];
        let count = present.iter().filter(|&&is| is).count();
        let usual = OptionOrder::KINDS.into_iter().zip(present).filter(|(_, is)| *is).map(|(kind, _)| kind);
        let bits = self.order.0;
        let stored = (0..count).rev().map(move |place| OptionOrder::KINDS[usize::from(bits >> (2 * place) & 3)]);
        let is_usual = self.order == OptionOrder::USUAL;
        usual.filter(move |_| is_usual).chain(stored.filter(move |_| !is_usual))
    }

    /// The same as two bits each, the lowest are the last's, and how many there are.
    pub fn order_and_count(&self) -> (u8, u8) {
        let bit = |is: bool, kind: OptionKind| u8::from(is) << kind as u8;
        let present = bit(self.mss.is_some(), OptionKind::MaximumSegmentSize)
            | bit(self.sack_permitted, OptionKind::SackPermitted)
            | bit(self.timestamps.is_some(), OptionKind::Timestamps)
            | bit(self.window_scale.is_some(), OptionKind::WindowScale);
        let (usual, count) = OptionOrder::usual(present);
        let stored = usize::from(self.order.0) & ((1 << (2 * count)) - 1);
        (if self.order == OptionOrder::USUAL { usual } else { stored as u8 }, count)
    }

    /// No options at all; the default, as a constant that costs nothing to build.
    pub const NONE: TcpOptions = TcpOptions {
        timestamps: None,
        mss: None,
        window_scale: None,
        sack_permitted: false,
        fast_open: false,
        multipath: false,
        multipath_end: MultipathEnd::NONE,
        order: OptionOrder::USUAL,
        sack_count: 0,
        sack: [SackBlock { left: Seq(0), right: Seq(0) }; 4],
    };

    /// 0 if there is nothing but perhaps timestamps.
    #[inline]
    pub(crate) fn others(&self) -> u8 {
        let Self { timestamps: _, mss, window_scale, sack_permitted, fast_open, multipath, .. } = self;
        let &Self { multipath_end, order, sack_count, .. } = self;
        // All of them in one, so that there is one branch.
        let flags = mss.is_some() | window_scale.is_some() | sack_permitted | fast_open | multipath;
        u8::from(flags) | multipath_end.0 | order.0 | sack_count
    }

    /// Mixes those options into a digest in which packets with equal headers differ.
    #[inline]
    fn digest(&self, fixed: u32) -> u32 {
        let mut hash = u64::from(fixed);
        if let Some(timestamps) = self.timestamps {
            hash = fold(hash, pair(timestamps.value, timestamps.echo));
        }
        for block in self.sack_blocks() {
            hash = fold(hash, pair(block.left.0, block.right.0));
        }
        (hash ^ hash >> 32) as u32
    }

    /// The SACK blocks that the segment carried.
    #[inline]
    pub fn sack_blocks(&self) -> &[SackBlock] {
        &self.sack[..usize::from(self.sack_count).min(self.sack.len())]
    }
}

/// The two fields of the timestamps option (RFC 7323, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Timestamps {
    /// The sender's clock.
    pub value: u32,
    /// The clock value echoed; meaningful only with ACK.
    pub echo: u32,
}

/// One TCP segment as the tap saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// When the frame was captured.
    pub time: Timestamp,
    /// The frame that carried it.
    pub frame: FrameNumber,
    /// Who sent it, as the (innermost) headers say.
    pub source: Endpoint,
    /// Whom it was sent to.
    pub destination: Endpoint,
    /// Sequence number of the first octet, or of the SYN.
    pub seq: Seq,
    /// Acknowledgment number; meaningful only with [`Flags::ACK`].
    pub ack: Seq,
    /// Octets of payload as sent, from the IP length and not from what was captured.
    pub payload_len: u32,
    /// Window field, unscaled.
    pub window: u16,
    /// Control bits.
    pub flags: Flags,
    /// IPv4 identification; 0 in IPv6.
    pub ip_id: u16,
    /// Time to live or hop limit as captured.
    pub ttl: u8,
    /// What decoding noticed.
    pub marks: Marks,
    /// The interface of the capture that it came in on.
    pub interface: u32,
    /// Which tunnel or VLAN it came through: an index into the decoder's table of contexts; 0 is none.
    pub context: u32,
    /// Which of the ways that the user wants told apart it came through; four-tuples of different realms are different
    /// connections. 0 unless something is told apart.
    pub realm: u16,
    /// What [`Segment::packet_digest`] is, when it is not computed from the headers: 0 for what was decoded from a frame.
    pub digest: u32,
    /// The parsed options.
    pub options: TcpOptions,
}

impl Segment {
    /// One of a made-up peer, whose end and next number come first, to the other; it acknowledges what that one has sent if it has an ACK.
    #[cfg(test)]
    pub(crate) fn said(
        [source, destination]: [Endpoint; 2],
        [seq, acked]: [u32; 2],
        flags: Flags,
        payload_len: u32,
    ) -> Self {
        let ack = Seq(if flags.contains(Flags::ACK) { acked } else { 0 });
        Self { source, destination, seq: Seq(seq), ack, payload_len, flags, ..Self::BLANK }
    }

    /// Nothing: what stands in a place that no segment was written into yet.
    pub(crate) const BLANK: Self = Self {
        time: Timestamp(0),
        frame: FrameNumber(0),
        source: Endpoint::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
        destination: Endpoint::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0),
        seq: Seq(0),
        ack: Seq(0),
        payload_len: 0,
        window: 0,
        flags: Flags::empty(),
        ip_id: 0,
        ttl: 0,
        marks: Marks::empty(),
        interface: 0,
        context: 0,
        realm: 0,
        digest: 0,
        options: TcpOptions::NONE,
    };

    /// Length in sequence space: payload plus one each for SYN and FIN (RFC 9293, section 3.4).
    #[inline]
    pub fn seq_len(&self) -> u32 {
        self.payload_len
            .wrapping_add(u32::from(self.flags.contains(Flags::SYN)))
            .wrapping_add(u32::from(self.flags.contains(Flags::FIN)))
    }

    /// The sequence number after the last one that the segment occupies.
    #[inline]
    pub fn seq_end(&self) -> Seq {
        self.seq + self.seq_len()
    }

    /// A hash of the IP packet without the fields that forwarding changes (TTL, checksums): equal for the same packet
    /// seen at two capture points, different for a retransmission (which has another id, timestamp or ack). Computed
    /// where it is asked for: most segments are never suspected of having been seen before.
    #[inline]
    pub fn packet_digest(&self) -> u32 {
        if self.digest != 0 { self.digest } else { self.header_digest() }
    }

    /// A hash of what the sender wrote into the headers and forwarding keeps.
    /// The seed is fixed, so that digests compare across runs; nothing is looked up by them alone.
    #[inline]
    pub fn header_digest(&self) -> u32 {
        self.options.digest(self.fixed_digest())
    }

    /// The same among segments of one sender to one receiver: addresses and ports do not take part, which halves the price.
    #[inline]
    pub fn sender_digest(&self) -> u32 {
        if self.digest != 0 && self.digest != self.header_digest() {
            return self.digest;
        }
        let extent = u64::from(self.ip_id) << 48 | u64::from(self.flags.bits()) << 32 | u64::from(self.payload_len);
        let mut hash = fold(pair(self.seq.0, self.ack.0), extent) ^ u64::from(self.window);
        if let Some(timestamps) = self.options.timestamps {
            hash = fold(hash, pair(timestamps.value, timestamps.echo));
        }
        for block in self.options.sack_blocks() {
            hash = fold(hash, pair(block.left.0, block.right.0));
        }
        (hash ^ hash >> 32) as u32
    }

    /// The digest without the options.
    #[inline]
    fn fixed_digest(&self) -> u32 {
        let addresses = match (self.source.ip, self.destination.ip) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => pair(source.to_bits(), destination.to_bits()),
            (source, destination) => fold(halves(source), halves(destination)),
        };
        let ports = u32::from(self.source.port) << 16 | u32::from(self.destination.port);
        let envelope = pair(ports, u32::from(self.ip_id) << 16 | u32::from(self.window));
        let extent = pair(self.payload_len, u32::from(self.flags.bits()));
        // Folded apart and then together: in a chain each would wait for the one before.
        let (place, numbers) = (fold(addresses, envelope), fold(pair(self.seq.0, self.ack.0), extent));
        let hash = fold(place, numbers);
        (hash ^ hash >> 32) as u32
    }
}

#[inline]
fn pair(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[inline]
fn halves(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => fold((ip.to_bits() >> 64) as u64, ip.to_bits() as u64),
    }
}

/// Multiplies and folds the product, with odd constants from the digits of pi so that zeros do not absorb.
#[inline]
fn fold(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ 0x243f_6a88_85a3_08d3) * u128::from(word ^ 0x1319_8a2e_0370_7345);
    product as u64 ^ (product >> 64) as u64
}

/// What an ICMP error says about a TCP segment that it quotes (RFC 792, RFC 4443, RFC 5927).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IcmpError {
    /// When the error was captured.
    pub time: Timestamp,
    /// The frame that carried it.
    pub frame: FrameNumber,
    /// Who sent the error: a router, a firewall or the host itself.
    pub reporter: IpAddr,
    /// Whom it was sent to.
    pub recipient: IpAddr,
    /// IPv4 or IPv6 numbering of `kind` and `code`.
    pub v6: bool,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Next-hop MTU, for "fragmentation needed" and "packet too big".
    pub mtu: Option<u32>,
    /// Source of the quoted segment.
    pub source: Endpoint,
    /// Destination of the quoted segment.
    pub destination: Endpoint,
    /// Sequence number of the quoted segment.
    pub seq: Seq,
    /// Control bits of the quoted segment, when at least 16 octets of its header are there. A quote of that length is
    /// also what Wireshark counts in a stream, by the flags and with the ISN left open.
    pub flags: Option<Flags>,
    /// The interface of the capture that the error came in on.
    pub interface: u32,
    /// As [`Segment::realm`].
    pub realm: u16,
}

/// What decoding a frame can yield.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A TCP segment.
    Segment(Segment),
    /// An ICMP error that quotes one.
    IcmpError(IcmpError),
}

impl Item {
    /// When its frame was captured.
    #[inline]
    pub const fn time(&self) -> Timestamp {
        match self {
            Item::Segment(segment) => segment.time,
            Item::IcmpError(error) => error.time,
        }
    }

    /// The frame that carried it.
    #[inline]
    pub const fn frame(&self) -> FrameNumber {
        match self {
            Item::Segment(segment) => segment.frame,
            Item::IcmpError(error) => error.frame,
        }
    }
}
